"""What became of one request among many."""

from typing import TYPE_CHECKING, Any

import attrs

from ..errors import DeliveryWarning, FluxError
from .by_fields import shown_by_fields

if TYPE_CHECKING:
    from .result import Result


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Finished:
    """What became of one of many requests: a ``result``, or the ``error`` that ``generate`` would have raised.

    ``number`` is the request's place in the input, from 0, and ``request`` what stood there. The error is a
    ``DeliveryWarning`` where you made those errors; its ``result`` holds what came.
    """

    number: int
    request: Any = attrs.field(repr=False)
    result: "Result | None" = None
    error: FluxError | DeliveryWarning | None = None

    def unwrap(self) -> "Result":
        """The result; raises the error if there is none."""
        if self.error is not None:
            raise self.error
        assert self.result is not None  # noqa: S101 - one of both is always there
        return self.result

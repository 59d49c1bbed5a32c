"""What a codec is: two inverse functions between a value of ours and the JSON of a service.

The law of every codec: ``read(s) == value`` for each ``s`` in ``spellings(value)``, ``write(value)`` is the first of
them, and a value outside the domain is ``Unfit`` for both directions. ``allowed`` says the domain in words.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from .json import Json, Path, unfit


class Codec(Protocol):
    """Two inverse functions between a value of ours and its JSON."""

    @property
    def allowed(self) -> str:
        """The domain in words, for error messages and tables."""
        ...

    def write(self, value: Any, /) -> Json:
        """The JSON, or a fragment; raises ``Unfit`` if the value has no place here."""
        ...

    def read(self, json: Json, /) -> Any:
        """The value; MISSING if nothing is said; raises ``Unfit`` if what is said does not fit."""
        ...

    def spellings(self, value: Any, /) -> Iterator[Json]:
        """Every way in which the service may say *value*; ``write`` gives the first."""
        ...

    def places(self) -> Iterator[Path]:
        """The paths at or under which everything lies."""
        ...


class Scalar(Codec, Protocol):
    """What codecs of single values share: one spelling, and a place that is wherever they are put."""

    def spellings(self, value: Any, /) -> Iterator[Json]:
        yield self.write(value)

    def places(self) -> Iterator[Path]:
        yield ()


class Plain(Scalar, Protocol):
    """A scalar that is written as it is: both directions are one check."""

    def admits(self, value: Any) -> bool:
        """Whether *value* lies in the domain."""
        ...

    def read(self, json: Json, /) -> Any:
        if self.admits(json):
            return json
        raise unfit(json, self.allowed)

    def write(self, value: Any, /) -> Json:
        return self.read(value)

"""What switching a model would change, before it is done: two drafts of one request, compared. Nothing is sent."""

from typing import TYPE_CHECKING

from ._binding import requested
from ._contract.request import Request
from ._service import named

if TYPE_CHECKING:
    from ._wire.diff import Diff
    from ._wire.draft import Draft, Fit
    from ._wire.plan import Unwanted


def diff(
    request: Request | str, a: str, b: str, *, fit: "Fit" = "close", unsupported: "Unwanted | None" = None
) -> "Diff":
    """What would change if *request* moved from model *a* to model *b*, each named as ``"provider:model"``.

    ::

        print(fluxkit.diff("a fox", "magnific:flux-2-pro", "apimart:flux-2-flex"))

    The value says of every field what each of the two does with it, what would come and what it would cost, and whether
    *b* can serve the request as it stands (``switchable``) and as well as *a* does (``lossless``). Neither has to be
    able to serve it. It needs no key, and nothing is sent.

    Raises ``SettingsError`` if a provider, a model or a setting is wrong.
    """
    from ._wire.compare import compare

    request = requested(request, {})
    return compare(_draft(a, request, fit, unsupported), _draft(b, request, fit, unsupported))


def _draft(name: str, request: Request, fit: "Fit", unsupported: "Unwanted | None") -> "Draft":
    """What becomes of the request on the model that *name* stands for."""
    from ._wire.plan import attempt

    provider, row = named(name)
    return attempt(provider, row.name, request, fit=fit, unsupported=unsupported)

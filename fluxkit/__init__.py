"""Images from any FLUX service, by one contract.

::

    import fluxkit

    with fluxkit.Client("magnific:flux-2-klein", key="...") as client:
        result = client.generate("a lighthouse at dusk", aspect="16:9", to="lighthouse.png")

Importing fluxkit is cheap: HTTP, declarations and plugins are loaded when they are first used.
"""

from typing import TYPE_CHECKING, Any

from ._client import AsyncClient, Client
from ._contract.finished import Finished
from ._contract.reference import Reference
from ._contract.report import Outcome, Report, Verdict
from ._contract.request import Request
from ._contract.result import Image, Result
from ._contract.task import State, Task
from ._diff import diff
from ._version import __version__
from .errors import (
    Broken,
    BudgetExceeded,
    Cancelled,
    Charged,
    ContractError,
    DeliveryWarning,
    DownloadError,
    Failed,
    FluxError,
    JournalUnavailable,
    OutOfCredit,
    Overdue,
    PluginError,
    RateLimited,
    ReferenceUnusable,
    Refused,
    Rejected,
    ServiceError,
    SettingsError,
    SubmissionUnknown,
    TaskError,
    Unauthorized,
    Unreachable,
    Unsupported,
    Vanished,
    WebhookUnusable,
)

if TYPE_CHECKING:
    from ._contract.amount import Amount
    from ._contract.event import Event
    from ._hooks import hookimpl

__all__ = [
    "Amount",
    "AsyncClient",
    "Broken",
    "BudgetExceeded",
    "Cancelled",
    "Charged",
    "Client",
    "ContractError",
    "DeliveryWarning",
    "DownloadError",
    "Event",
    "Failed",
    "Finished",
    "FluxError",
    "Image",
    "JournalUnavailable",
    "OutOfCredit",
    "Outcome",
    "Overdue",
    "PluginError",
    "RateLimited",
    "Reference",
    "ReferenceUnusable",
    "Refused",
    "Rejected",
    "Report",
    "Request",
    "Result",
    "ServiceError",
    "SettingsError",
    "State",
    "SubmissionUnknown",
    "Task",
    "TaskError",
    "Unauthorized",
    "Unreachable",
    "Unsupported",
    "Vanished",
    "Verdict",
    "WebhookUnusable",
    "__version__",
    "diff",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    """What few programs need is loaded when it is asked for: a few values, and the door ``webhooks``."""
    if name == "Amount":
        from ._contract.amount import Amount

        return Amount
    if name == "Event":
        from ._contract.event import Event

        return Event
    if name == "hookimpl":
        from ._hooks import hookimpl

        return hookimpl
    if name == "webhooks":
        import importlib

        return importlib.import_module(".webhooks", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

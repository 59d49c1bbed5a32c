"""Images from any FLUX service, by one contract.

::

    import fluxkit

    with fluxkit.Client("magnific:flux-2-klein", key="...") as client:
        result = client.generate("a lighthouse at dusk", aspect="16:9", to="lighthouse.png")

Importing fluxkit is cheap: what it names is loaded when it is first used, and so are HTTP, declarations and plugins.
"""

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from ._client import AsyncClient, Client
    from ._contract.amount import Amount
    from ._contract.event import Event
    from ._contract.finished import Finished
    from ._contract.reference import Reference
    from ._contract.report import Outcome, Report, Verdict
    from ._contract.request import Request
    from ._contract.result import Image, Result
    from ._contract.state import State
    from ._contract.task import Task
    from ._diff import diff
    from ._hooks import hookimpl
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

_HOMES = {
    "Amount": "_contract.amount",
    "AsyncClient": "_client",
    "Client": "_client",
    "Event": "_contract.event",
    "Finished": "_contract.finished",
    "Image": "_contract.result",
    "Outcome": "_contract.report",
    "Reference": "_contract.reference",
    "Report": "_contract.report",
    "Request": "_contract.request",
    "Result": "_contract.result",
    "State": "_contract.state",
    "Task": "_contract.task",
    "Verdict": "_contract.report",
    "diff": "_diff",
    "hookimpl": "_hooks",
}
"""Where the names stand that are not errors."""

_DOORS = ("errors", "webhooks")
"""The modules that may be named without an import of their own."""


def __getattr__(name: str) -> Any:
    """Loads what is asked for: few programs need all of it, and the command line begins with this import."""
    import importlib

    if name in _DOORS:
        return importlib.import_module(f".{name}", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)
    globals()[name] = found  # once: every call of a program may ask for it
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_DOORS})

"""The other side of the wire: a mock of every declared service, in process or on a port."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluxkit.provider import Provider

    from .armed import Armed, read_fault
    from .clock import VirtualClock, WallClock
    from .faults import FAULTS, Fault
    from .fixture import FluxkitMock
    from .limits import Limits
    from .outlet import to_app
    from .server import PortTaken, Server, serve
    from .service import KEY, MockService
    from .switches import SWITCHES, Switch, read_switch
    from .tasks import Progression
    from .webhooks import WEBHOOK_SECRET

__all__ = [
    "FAULTS",
    "KEY",
    "SWITCHES",
    "WEBHOOK_SECRET",
    "Armed",
    "Fault",
    "FluxkitMock",
    "Limits",
    "MockService",
    "PortTaken",
    "Progression",
    "Server",
    "Switch",
    "VirtualClock",
    "WallClock",
    "mock_of",
    "read_fault",
    "read_switch",
    "serve",
    "to_app",
]

_HOMES = {
    "Armed": "armed",
    "FAULTS": "faults",
    "FluxkitMock": "fixture",
    "Fault": "faults",
    "KEY": "service",
    "Limits": "limits",
    "MockService": "service",
    "PortTaken": "server",
    "Progression": "tasks",
    "SWITCHES": "switches",
    "Server": "server",
    "Switch": "switches",
    "VirtualClock": "clock",
    "WEBHOOK_SECRET": "webhooks",
    "WallClock": "clock",
    "read_fault": "armed",
    "read_switch": "switches",
    "serve": "server",
    "to_app": "outlet",
}


def mock_of(providers: "Sequence[Provider]") -> "MockService":
    """A fresh mock of *providers* on a virtual clock, as the core asks for it.

    Raises ``ModuleNotFoundError`` if Pillow is missing: better now than when the first picture is drawn.
    """
    import importlib.util

    from .service import MockService

    if importlib.util.find_spec("PIL") is None:
        raise ModuleNotFoundError("No module named 'PIL'", name="pillow")

    return MockService(providers)


def __getattr__(name: str) -> object:
    """Loads a public name when it is first used: the package is imported by every program that asks for a mock."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)

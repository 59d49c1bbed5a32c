"""The other side of the wire, as a client sees it: found by entry point, so that the core imports no mock."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from ._points import MOCK, points
from .errors import PluginError, SettingsError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from ._engine.clock import Clock
    from ._wire.declaration import Provider


class Mock(Protocol):
    """A mock of one or more services in this process."""

    @property
    def key(self) -> str:
        """A key that the mock takes."""
        ...

    @property
    def clock(self) -> "Clock":
        """The mock's time, on which its clients wait."""
        ...

    def base_url(self, provider: str, /) -> str:
        """Where the mock serves *provider*; nothing listens there, its transports go to the mock itself."""
        ...

    def transport(self) -> Any:
        """An ``httpx.BaseTransport`` into the mock."""
        ...

    def async_transport(self) -> Any:
        """An ``httpx.AsyncBaseTransport`` into the mock."""
        ...


def mock_of(providers: "Sequence[Provider]") -> Mock:
    """A fresh mock of *providers*; raises ``SettingsError`` if no mock is installed."""
    with _needed():
        point = mock_point()
        try:
            mock: Mock = point.load().mock_of(providers)
        except AttributeError as error:
            raise PluginError(f"The mock server {point.value!r} has no mock_of(providers).") from error
        return mock


@functools.cache
def kit_of_mock() -> Any:
    """What the mock has for a kit of checks, which sees into it; raises ``SettingsError`` if no mock is installed."""
    import importlib

    with _needed():
        return importlib.import_module(".kit", mock_point().module)


@contextmanager
def _needed() -> Iterator[None]:
    """Says how to install what a mock needs."""
    try:
        yield
    except ImportError as error:
        raise SettingsError(
            f"The mock server needs {error.name}, which is not installed. Install it: pip install 'fluxkit-py[mock]'."
        ) from error


def mock_point() -> "EntryPoint":
    """The mock's entry point; raises ``SettingsError`` if no mock is installed."""
    point = _found()
    if point is None:
        raise SettingsError("No mock server is installed. Install it: pip install 'fluxkit-py[mock]'.")
    return point


_standing_in: "list[Mock]" = []


@contextmanager
def standing_in(mock: Mock) -> Iterator[None]:
    """While it lasts, *mock* answers every client that is made and names neither a mock nor an address.

    And no client of this process buys anything beyond this machine. A test may so use an app that makes clients itself.
    """
    _standing_in.append(mock)
    try:
        yield
    finally:
        _standing_in[:] = [each for each in _standing_in if each is not mock]


def stand_in() -> Mock | None:
    """The mock that stands in for every service now, None if none does."""
    return _standing_in[-1] if _standing_in else None


def _found() -> "EntryPoint | None":
    return min(points()[MOCK], key=lambda point: point.name, default=None)

"""The mock of one test: clients on it, its address for other programs, and what stands in for services meanwhile."""

import contextlib
import os
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from fluxkit._mock import standing_in
from fluxkit._plugins import installed
from fluxkit._service import LOOPBACK, key_variable, place_variable
from fluxkit._wire.declaration import Provider
from fluxkit.errors import PluginError

from .asserted import line_of
from .service import MockService

if TYPE_CHECKING:
    from fluxkit import AsyncClient, Client

    from .server import Server

#: How many exchanges, and how many bills, are shown of a test that failed.
MOST_SHOWN: Final = 10


class FluxkitMock(MockService):
    """What the pytest fixture ``fluxkit_mock`` gives: a ``MockService`` of every installed service, for one test.

    ::

        def test_checkout(fluxkit_mock):
            client = fluxkit_mock.client("magnific:flux-2-pro")
            ...
            assert fluxkit_mock.billed == 1
    """

    def __init__(self, **settings: Any) -> None:
        """A mock with *settings*, those of ``MockService``; use it in a ``with`` block."""
        if "providers" not in settings:
            settings["providers"] = _served()
        super().__init__(**settings)
        self._exit = contextlib.ExitStack()
        self._server: Server | None = None

    def client(self, provider: str, **settings: Any) -> "Client":
        """A ``fluxkit.Client`` of this mock; it is closed when the test ends."""
        from fluxkit import Client

        return self._exit.enter_context(Client(provider, mock=self, **settings))

    def async_client(self, provider: str, **settings: Any) -> "AsyncClient":
        """A ``fluxkit.AsyncClient`` of this mock, for ``async with``."""
        from fluxkit import AsyncClient

        return AsyncClient(provider, mock=self, **settings)

    def url(self, provider: str, /) -> str:
        """Where *provider* is served over HTTP; from the first call on until the test ends a server listens there.

        ``ValueError`` for a service that is not served.
        """
        if provider not in self.providers:
            raise ValueError(f"The mock does not serve {provider!r}. Allowed: {', '.join(self.providers)}.")
        if self._server is None:
            from .server import Server

            self._server = self._exit.enter_context(Server(self))
        return self._server.base_url(provider)

    def environ(self) -> dict[str, str]:
        """The environment in which a program that uses fluxkit, or reads its variables, speaks to this mock by HTTP."""
        said = {"FLUXKIT_OFFLINE": LOOPBACK}
        for provider in self.providers:
            said |= {place_variable(provider): self.url(provider), key_variable(provider): self.key}
        return {**os.environ, **said}

    @contextlib.contextmanager
    def guarding(self) -> Iterator[None]:
        """Lets the mock stand in for every service, and nothing be bought beyond this machine by this process."""
        with standing_in(self):
            yield

    def summary(self) -> str:
        """The last exchanges and bills, a line for each."""
        shown = [line_of(each) for each in self.exchanges[-MOST_SHOWN:]]
        bills = [
            f"{each.provider}:{each.model}, task {each.task}" + ("" if each.amount is None else f", {each.amount} USD")
            for each in self.charges[-MOST_SHOWN:]
        ]
        return "\n".join(
            (
                f"{len(self.exchanges)} exchanges{_last(self.exchanges)}",
                *(f"  {line}" for line in shown),
                f"{self.billed} billed{_last(self.charges)}",
                *(f"  {line}" for line in bills),
            )
        )

    def close(self) -> None:
        """Closes the clients and the server, and lets go of the state."""
        self._server = None
        self._exit.close()
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _served() -> list[Provider]:
    """Every service that can be used; of a plugin that cannot a client says why."""
    found = []
    for name in installed().names:
        with contextlib.suppress(PluginError):
            found.append(installed().provider(name))
    return found


def _last(shown: Any) -> str:
    return f", the last {MOST_SHOWN}:" if len(shown) > MOST_SHOWN else ":" if shown else "."

"""The mock on a port: uvicorn's HTTP on loopback, in a thread for tests and demos, or in the foreground."""

import asyncio
import contextlib
import errno
import ipaddress
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Self

import uvicorn
from uvicorn.loops.auto import auto_loop_factory
from uvicorn.server import ServerState

from fluxkit.errors import SettingsError

from .app import make_app
from .control.guard import Guard
from .line import Line
from .service import MockService

#: Where the mock listens if nothing else is said.
HOST, PORT = "127.0.0.1", 4010

#: How many characters a token has at least.
SHORTEST_TOKEN = 8

#: How many connections may wait to be accepted.
BACKLOG = 2048

#: How many seconds a server that stops gives what is under way to notice it.
GRACE = 1.0


class PortTaken(OSError):
    """Somebody else listens on the port; the message names it and says what to do."""

    def __str__(self) -> str:
        return str(self.strerror)


class Server:
    """A mock on a port of this machine, served by a thread for as long as the ``with`` block lasts.

    ::

        with Server(MockService(providers)) as server:
            httpx.post(f"{server.url}/magnific/v1/ai/text-to-image/flux-2-klein", ...)
    """

    def __init__(
        self,
        service: MockService,
        *,
        host: str = HOST,
        port: int = 0,
        drip_scale: float = 1.0,
        token: str | None = None,
    ) -> None:
        """A server that does not listen yet.

        Args:
            service: The mock; it may be used directly meanwhile, for its bill or to arm faults.
            host: An address of this machine; ``SettingsError`` for what is none. Where others can reach it, such as at
                ``0.0.0.0``, the control needs a token.
            port: Where to listen; 0 is any port that is free. ``PortTaken`` on entering if another listens there.
            drip_scale: How many real seconds a second of a slow or dripping answer takes.
            token: What the control of the mock asks for; where others can reach it, one is made if none is given.
        """
        self.service = service
        self._host, self._port, self._drip_scale = _address(host), port, drip_scale
        #: What the control asks for; None if it asks for nothing.
        self.token = token_for(host, token)
        self._exit = contextlib.ExitStack()
        self._url: str | None = None

    @property
    def url(self) -> str:
        """Where the server listens, such as ``http://127.0.0.1:40123``; ``RuntimeError`` while it does not."""
        if self._url is None:
            raise RuntimeError("The server does not listen: its address is known within its with block.")
        return self._url

    def base_url(self, provider: str, /) -> str:
        """Where the server serves *provider*."""
        return self.service.base_url(provider, self.url)

    def __enter__(self) -> Self:
        from anyio.from_thread import start_blocking_portal

        with contextlib.ExitStack() as opened:
            listener = opened.enter_context(_listen(self._host, self._port))
            portal = opened.enter_context(start_blocking_portal("asyncio", {"loop_factory": auto_loop_factory()}))
            answering = _answering(self.service, listener, drip_scale=self._drip_scale, token=self.token)
            opened.enter_context(portal.wrap_async_context_manager(answering))
            self._url = _url(listener)
            self._exit = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._url = None
        self._exit.close()


def serve(
    service: MockService, *, host: str = HOST, port: int = PORT, token: str | None = None, ready: Callable[[str], None]
) -> None:
    """Serves a mock until Ctrl-C or SIGTERM, then closes every connection and returns.

    Args:
        service: The mock.
        host: An address of this machine; ``SettingsError`` for what is none.
        port: Where to listen; 0 is any port that is free. ``PortTaken`` if somebody else listens there.
        token: What the control of the mock asks for; where others can reach it, ``token_for`` makes one.
        ready: Called with the address once the server answers.
    """
    runs = asyncio.Runner(loop_factory=auto_loop_factory())  # on uvloop, where that is installed
    with _listen(_address(host), port) as listener, runs as runner:
        runner.run(_serve(service, listener, token_for(host, token), ready))


def token_for(host: str, token: str | None) -> str | None:
    """The token of a mock that listens at *host*: the one that is given, a new one if others can reach it, or none.

    ``SettingsError`` for one that cannot stand in a header.
    """
    if token is None:
        return None if ipaddress.ip_address(_address(host)).is_loopback else secrets.token_urlsafe(24)
    if not (token.isascii() and token.isprintable() and token.strip() == token and len(token) >= SHORTEST_TOKEN):
        raise SettingsError(
            f"The token cannot be sent or is guessed too easily. Allowed: {SHORTEST_TOKEN} or more printable ASCII "
            "characters without blanks at the ends."
        )
    return token


async def _serve(
    service: MockService, listener: socket.socket, token: str | None, ready: Callable[[str], None]
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    with _signals(lambda: loop.call_soon_threadsafe(stopped.set)):
        async with _answering(service, listener, token=token):
            ready(_url(listener))
            await stopped.wait()


@contextlib.contextmanager
def _signals(stop: Callable[[], object]) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop the server, and are what they were before once it has stopped."""
    # Not by the loop, which cannot do it on Windows.
    before = {each: signal.signal(each, lambda *_: stop()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextlib.asynccontextmanager
async def _answering(
    service: MockService, listener: socket.socket, *, drip_scale: float = 1.0, token: str | None = None
) -> AsyncIterator[None]:
    """Answers what comes to *listener*.

    The connections are uvicorn's, their beginning and end are not: its own server looks ten times a second whether to
    stop, and then waits for its clients.
    """
    config = uvicorn.Config(
        make_app(service, drip_scale=drip_scale, guard=Guard(token)),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        proxy_headers=False,
        timeout_keep_alive=75,  # longer than clients keep a connection, so that none is closed under a call
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Line(config, state, {}, loop), sock=listener, backlog=BACKLOG)
    carriers: dict[MockService, asyncio.Task[None]] = {}
    with service.attended(
        lambda world: loop.call_soon_threadsafe(_carry, carriers, world),
        lambda world: loop.call_soon_threadsafe(_stop, carriers, world),
    ):
        await asyncio.sleep(0)  # the carrier is made,
        await asyncio.sleep(0)  # and from here on webhooks are kept for it
        try:
            yield
        finally:
            ended = [*carriers.values()]
            for carrier in ended:
                carrier.cancel()
            server.close()
            await asyncio.sleep(0)  # whoever was accepted at the last moment is a connection now
            for line in tuple(state.connections):
                line.transport.abort()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await asyncio.gather(*ended, *state.tasks, return_exceptions=True)
                    await server.wait_closed()


def _carry(carriers: "dict[MockService, asyncio.Task[None]]", world: MockService) -> None:
    carriers[world] = asyncio.get_running_loop().create_task(world.webhooks.carry())


def _stop(carriers: "dict[MockService, asyncio.Task[None]]", world: MockService) -> None:
    if (carrier := carriers.pop(world, None)) is not None:
        carrier.cancel()


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise SettingsError(f"The port is {port}. Allowed: 1 to 65535, and 0 for any free one.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            message = f"{host} is no address of this machine. 127.0.0.1 is, and 0.0.0.0 stands for all that it has."
            raise OSError(error.errno, message) from error
        if error.errno != errno.EADDRINUSE:
            raise
        message = f"Port {port} of {host} is taken. Stop what listens there, or choose another; port 0 is any free one."
        raise PortTaken(error.errno, message) from error


def _url(listener: socket.socket) -> str:
    return url_of(*listener.getsockname()[:2])


def url_of(host: str, port: int) -> str:
    """The address of a server that listens there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where everybody may come, we may, too
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _address(host: str) -> str:
    """The address behind *host*; ``SettingsError`` for what is none."""
    address = HOST if host == "localhost" else host
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise SettingsError(
            f"The mock cannot listen on {host!r}. Allowed: localhost, or an address of this machine, such as "
            "127.0.0.1, ::1, and 0.0.0.0 for all of them."
        ) from None

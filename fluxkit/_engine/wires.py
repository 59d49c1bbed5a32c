"""What carries exchanges: connections of ours, or what stands in for them.

httpcore makes connections and speaks HTTP/1.1 on them. Which of them takes an exchange is decided here: httpcore's own
pool looks at each of its connections twice for each exchange, and locks and wakes for a queue that stands before our
gates anyway, which together cost as much as a good part of the exchange itself.
"""

import functools
import os
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from typing import Any, Final, Generic, Protocol, TypeVar, cast

import anyio
import httpcore
import httpx

from ..errors import SettingsError
from .network import AsyncNetwork, Deadline, Network
from .outbox import Exchange, Lane

CONNECTIONS: Final = 20
"""How many connections of one kind are open at once; further exchanges wait for one, in order."""

_FRESH: Final = 1.0  # seconds that a connection may have rested before it carries a call that buys
_KEPT: Final = 30.0  # seconds that any other may have rested


class Connection(Protocol):
    """What is to be known of a connection, blocking or not."""

    def can_handle_request(self, origin: httpcore.Origin) -> bool: ...
    def has_expired(self) -> bool: ...
    def is_idle(self) -> bool: ...
    def is_closed(self) -> bool: ...


C = TypeVar("C", bound=Connection)


class Resting(Generic[C]):
    """The connections of a lane: those that carry nothing now, and how many carry something. Safe for threads.

    Whoever takes one gives it back. Both are told which are to be closed, because nobody will want them any more.
    """

    def __init__(self) -> None:
        self._kept: list[C] = []  # who came last is the last
        self._lock = threading.Lock()
        self._closed = False
        self.used = 0

    def take(self, origin: httpcore.Origin) -> tuple[C | None, list[C]]:
        """The connection to *origin* that has rested shortest, None if a new one is to be made."""
        over: list[C] = []
        with self._lock:
            self.used += 1
            for place in range(len(self._kept) - 1, -1, -1):
                if self._kept[place].can_handle_request(origin):
                    connection = self._kept.pop(place)
                    if not connection.has_expired():
                        return connection, over
                    over.append(connection)
            if self._kept and len(self._kept) + self.used > CONNECTIONS:
                over.append(self._kept.pop(0))
        return None, over

    def give(self, connection: C | None) -> list[C]:
        """Takes one back that was taken, None if none came about: it rests, if it can be used again."""
        with self._lock:
            self.used -= 1
            if connection is None:
                return []
            if self._closed or connection.is_closed() or not connection.is_idle():
                return [connection]
            self._kept.append(connection)
            # One at a time: those that nobody wants any more are the first, and more come back than go.
            return [self._kept.pop(0)] if len(self._kept) > 1 and self._kept[0].has_expired() else []

    def close(self) -> list[C]:
        """None rests any more, and those that carry something will not either."""
        with self._lock:
            self._closed = True
            kept, self._kept = self._kept, []
            return kept

    def left(self) -> list[C]:
        """Those that rest, in a fork: whoever had the lock has stayed in the other process."""
        return self._kept


class Sockets:
    """The connections of a lane, with a network of ours; httpcore's pool makes only what speaks through a proxy."""

    def __init__(self, lane: Lane) -> None:
        how, self._network = _how(lane), Network(guarded=lane.guarded)
        self._context: ssl.SSLContext | None = how["ssl_context"]
        self._kept: float = how["keepalive_expiry"]
        self._proxied = lane.proxy is not None and httpcore.ConnectionPool(**how, network_backend=self._network)
        self.resting: Resting[httpcore.ConnectionInterface] = Resting()

    def carry(self, exchange: Exchange) -> httpcore.Response:
        """The answer, of which the body is still to be read. Whoever closes its stream gives the connection back."""
        request = exchange.for_sockets()
        origin = request.url.origin
        connection, over = self.resting.take(origin)
        try:
            for each in over:
                each.close()
            connection = connection or self._open(origin, exchange.deadline)
            response = connection.handle_request(request)
        except BaseException:
            self.give(connection)
            raise
        response.stream = _Lent(cast("httpx.SyncByteStream", response.stream), self, connection)
        return response

    def _open(self, origin: httpcore.Origin, deadline: Deadline) -> httpcore.ConnectionInterface:
        if self._proxied:
            return self._proxied.create_connection(origin)
        host = origin.host.decode("ascii")
        stream = self._network.connect_tcp(host, origin.port, deadline)
        if self._context is not None:
            stream = stream.start_tls(self._context, host, deadline)
        return httpcore.HTTP11Connection(origin, stream, self._kept)

    def give(self, connection: httpcore.ConnectionInterface | None) -> None:
        for each in self.resting.give(connection):
            each.close()

    def close(self) -> None:
        for each in self.resting.close():
            each.close()

    def leave(self) -> None:
        """Leaves the connections to the process that this one was forked from; nothing is sent by that."""
        for each in self.resting.left():
            each.close()


class _Lent(httpx.SyncByteStream):
    """The body of an answer on its connection."""

    def __init__(
        self, stream: httpx.SyncByteStream, sockets: Sockets, connection: httpcore.ConnectionInterface
    ) -> None:
        self._stream = stream
        self._sockets = sockets
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._sockets.give(self._connection)


class AsyncSockets:
    """The same for anyio."""

    def __init__(self, lane: Lane) -> None:
        how, self._network = _how(lane), AsyncNetwork(guarded=lane.guarded)
        self._context: ssl.SSLContext | None = how["ssl_context"]
        self._kept: float = how["keepalive_expiry"]
        self._proxied = lane.proxy is not None and httpcore.AsyncConnectionPool(**how, network_backend=self._network)
        self.resting: Resting[httpcore.AsyncConnectionInterface] = Resting()

    async def carry(self, exchange: Exchange) -> httpcore.Response:
        """The answer, of which the body is still to be read. Whoever closes its stream gives the connection back."""
        request = exchange.for_sockets()
        connection, over = self.resting.take(request.url.origin)
        try:
            for each in over:
                await each.aclose()
            connection = connection or await self._open(request.url.origin, exchange.deadline)
            response = await connection.handle_async_request(request)
        except BaseException:
            await self.give(connection)
            raise
        response.stream = _AsyncLent(cast("httpx.AsyncByteStream", response.stream), self, connection)
        return response

    async def _open(self, origin: httpcore.Origin, deadline: Deadline) -> httpcore.AsyncConnectionInterface:
        if self._proxied:
            return self._proxied.create_connection(origin)
        host = origin.host.decode("ascii")
        stream = await self._network.connect_tcp(host, origin.port, deadline)
        if self._context is not None:
            stream = await stream.start_tls(self._context, host, deadline)
        return _Connection(origin, stream, self._kept)

    async def give(self, connection: httpcore.AsyncConnectionInterface | None) -> None:
        if over := self.resting.give(connection):
            with anyio.CancelScope(shield=True):
                for each in over:
                    await each.aclose()

    async def aclose(self) -> None:
        for each in self.resting.close():
            await each.aclose()


class _Connection(httpcore.AsyncHTTP11Connection):
    """One that carries one exchange at a time, as all of ours do, and needs no lock before it.

    httpcore's is anyio's, and goes through the event loop each time: twice for each exchange.
    """

    def __init__(self, origin: httpcore.Origin, stream: httpcore.AsyncNetworkStream, kept: float) -> None:
        super().__init__(origin, stream, kept)
        self._state_lock = nullcontext()  # type: ignore[assignment]


class _AsyncLent(httpx.AsyncByteStream):
    """The body of an answer on its connection."""

    def __init__(
        self, stream: httpx.AsyncByteStream, sockets: AsyncSockets, connection: httpcore.AsyncConnectionInterface
    ) -> None:
        self._stream = stream
        self._sockets = sockets
        self._connection = connection

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        # The locks of those that httpcore makes can be cancelled.
        ours = isinstance(self._connection, _Connection)
        try:
            with nullcontext() if ours else anyio.CancelScope(shield=True):
                await self._stream.aclose()
        finally:
            await self._sockets.give(self._connection)


class StandIn:
    """What stands in for the sockets. Whoever made it closes it."""

    def __init__(self, inner: httpx.BaseTransport, now: Callable[[], float]) -> None:
        self._inner = inner
        self._now = now

    def carry(self, exchange: Exchange) -> httpcore.Response:
        response = self._inner.handle_request(exchange.for_stand_in(now=self._now()))
        stream = cast("httpx.SyncByteStream", response.stream)
        return httpcore.Response(response.status_code, headers=response.headers.raw, content=stream)

    def close(self) -> None:
        """Leaves it open."""

    leave = close


class AsyncStandIn:
    """The same for anyio."""

    def __init__(self, inner: httpx.AsyncBaseTransport, now: Callable[[], float]) -> None:
        self._inner = inner
        self._now = now

    async def carry(self, exchange: Exchange) -> httpcore.Response:
        response = await self._inner.handle_async_request(exchange.for_stand_in(now=self._now()))
        stream = cast("httpx.AsyncByteStream", response.stream)
        return httpcore.Response(response.status_code, headers=response.headers.raw, content=stream)

    async def aclose(self) -> None:
        """Leaves it open."""


def _how(lane: Lane) -> dict[str, Any]:
    """How the connections of a lane are made, blocking or not."""
    return {
        "ssl_context": _trusted() if lane.secure else None,
        "proxy": None if lane.proxy is None else _proxy(lane.proxy),
        "keepalive_expiry": _FRESH if lane.fresh else _KEPT,
    }


def _proxy(address: str) -> httpcore.Proxy:
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
    except (ValueError, httpx.InvalidURL):
        raise SettingsError("The proxy is no address such as http://proxy.example:3128.") from None
    if proxy.url.scheme not in ("http", "https") or not proxy.url.host:
        raise SettingsError(
            f"The proxy {proxy.url.scheme}://{proxy.url.host} cannot be used. Allowed: an http or https address."
        )
    url = httpcore.URL(scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=b"/")
    return httpcore.Proxy(url, auth=proxy.raw_auth, ssl_context=_trusted() if proxy.url.scheme == "https" else None)


def _trusted() -> ssl.SSLContext:
    """The certificates that are trusted: those that SSL_CERT_FILE or SSL_CERT_DIR names, else those of certifi."""
    return _context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@functools.lru_cache(maxsize=4)  # it takes some 30 ms to make one
def _context(file: str | None, folder: str | None) -> ssl.SSLContext:
    try:
        context = httpx.create_ssl_context()
        context.set_alpn_protocols(["http/1.1"])
        return context
    except OSError as error:
        raise SettingsError(
            f"No certificates could be read from SSL_CERT_FILE={file or ''} or SSL_CERT_DIR={folder or ''} ({error})."
        ) from None

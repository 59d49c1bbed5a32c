"""The two transports, blocking and asynchronous.

They carry out ``Call``, ``Fetch``, ``Keep`` and ``Bring``. Both use httpcore, on which httpx's clients stand, because
those would bring along what must not happen here: cookies, redirects, credentials taken out of addresses, a log line
for every signed link. A stand-in for the sockets is a transport of httpx, as whoever writes a mock knows them.
Whatever there is to decide is decided once, by `Rules` and by the modules ``secret`` and ``download``; the classes only
read and write, one blocking, one on anyio (asyncio and trio). Only they, and the modules ``network``, ``outbox`` and
``rules`` below them, know httpx and httpcore.
"""

import functools
import os
import ssl
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, cast

import anyio
import anyio.to_thread
import httpcore
import httpx

from ..errors import SettingsError
from .download import Answer, Draft
from .effects import Bring, Call, Fetch, Fetched, Keep, Reply
from .network import AsyncNetwork, Deadline, Network, ours
from .outbox import Exchange, Lane
from .rules import Rules
from .secret import Secret

MOST: Final = 16 * 1024 * 1024
"""The largest answer to a call that is taken, in bytes, unpacked."""

CONNECTIONS: Final = 20
"""How many connections of one kind are open at once; further exchanges wait for one, in order."""

_FRESH: Final = 1.0  # seconds that a connection may have rested before it carries a call that buys
_KEPT: Final = 30.0  # seconds that any other may have rested


class Transport:
    """Carries out effects, blocking. May be used by several threads at once.

    *secret* goes with keyed calls only. *now* is the clock of the answers, in seconds since the epoch. *inner* stands
    in for the sockets, as a mock in the same process does: the request's extension ``fluxkit.patience`` tells it how
    many seconds remain, and whoever made it closes it. *proxy* is used for every host but loopback; without it the
    proxies of the environment are, as they stand when a host is first spoken to. *local* says that base_url itself is
    on this machine or in a private network: then downloads may be, too. *allow_hosts* names hosts from which images and
    references may come although they are not public.

    Raises, from every method: `Unreachable`, `Lost`, `SettingsError`, `ContractError` or `DownloadError`, and whatever
    is no `Exception`, such as `KeyboardInterrupt`, untouched.
    """

    def __init__(
        self,
        *,
        secret: Secret | None = None,
        now: Callable[[], float] = time.time,
        inner: httpx.BaseTransport | None = None,
        proxy: str | None = None,
        local: bool = False,
        allow_hosts: frozenset[str] = frozenset(),
    ) -> None:
        self._rules = Rules(
            secret=secret, now=now, proxy=proxy, local=local, stood_in=inner is not None, allow_hosts=allow_hosts
        )
        self._inner = inner
        self._wires: dict[Lane, tuple[_Sockets | _StandIn, threading.Semaphore]] = {}
        self._lock = threading.Lock()

    def call(self, call: Call) -> Reply:
        """One exchange with the service; an answer that redirects is a reply like any other."""
        exchange = self._rules.exchange(call)
        content: list[bytes] = []
        try:
            with self._answered(exchange) as response:
                answer = Answer(response.status, response.headers, most=MOST, write=content.append)
                _read(response, answer, exchange.deadline)
            return self._rules.reply(answer, content)
        except Exception as error:  # noqa: BLE001 - whatever it was, the call may have left before it
            failure = self._rules.call_failure(error, exchange)
        # Raised out here, it does not drag along the texts of other libraries, which may quote the key.
        raise failure

    def fetch(self, fetch: Fetch) -> Fetched:
        """One download, over its redirects, into a file that is there whole or not at all."""
        trail = None
        try:
            trail, deadline = self._rules.trail(fetch), self._rules.deadline(fetch.patience)
            with Draft(fetch.path, replaces=fetch.replaces) as draft:
                moves = True
                while moves:
                    with self._answered(self._rules.step(trail, deadline)) as response:
                        answer = Answer(response.status, response.headers, most=fetch.most, write=draft.write)
                        moves = trail.moves(answer)
                        if not moves:
                            _read(response, answer, deadline)
                return self._rules.fetched(answer, draft)
        except Exception as error:  # noqa: BLE001 - whatever it was, the image is paid and was not fetched
            failure = self._rules.fetch_failure(error, fetch, trail)
        raise failure

    def keep(self, keep: Keep) -> Fetched:
        """Writes an image that came inside an answer, like a download."""
        return self._rules.keep(keep)

    def bring(self, bring: Bring) -> bytes:
        """The image behind a user's address, over its redirects."""
        trail, content = None, bytearray()
        try:
            trail, deadline = self._rules.trail(bring), self._rules.deadline(bring.patience)
            while True:
                with self._answered(self._rules.step(trail, deadline)) as response:
                    answer = Answer(response.status, response.headers, most=bring.most, write=content.extend)
                    if not trail.moves(answer):
                        _read(response, answer, deadline)
                        answer.end()
                        return bytes(content)
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing was bought
            failure = self._rules.bring_failure(error, bring, trail)
        raise failure

    def close(self) -> None:
        """Closes all connections; a later effect opens new ones."""
        with self._lock:
            wires, self._wires = self._wires, {}
        for wire, _ in wires.values():
            wire.close()

    @contextmanager
    def _answered(self, exchange: Exchange) -> Iterator[httpcore.Response]:
        wire, gate = self._wire(self._rules.lane(exchange))
        quiet = ours.set(True)
        try:
            if not gate.acquire(timeout=exchange.deadline.remaining()):
                raise TimeoutError
            try:
                exchange.check()
                exchange.start()
                response = wire.carry(exchange)
                try:
                    yield response
                finally:
                    cast("httpx.SyncByteStream", response.stream).close()
            finally:
                gate.release()
        finally:
            exchange.close()
            ours.reset(quiet)

    def _wire(self, lane: Lane) -> tuple["_Sockets | _StandIn", threading.Semaphore]:
        """The connections of a lane, and the gate before them: each request that waits in httpx's pool slows it."""
        with self._lock:
            if lane not in self._wires:
                wire = _Sockets(lane) if self._inner is None else _StandIn(self._inner, self._rules.now)
                self._wires[lane] = wire, threading.Semaphore(CONNECTIONS)
            return self._wires[lane]


class AsyncTransport:
    """Carries out effects on anyio: `Transport` with ``await``. Files are written in the event loop, piece by piece."""

    def __init__(
        self,
        *,
        secret: Secret | None = None,
        now: Callable[[], float] = time.time,
        inner: httpx.AsyncBaseTransport | None = None,
        proxy: str | None = None,
        local: bool = False,
        allow_hosts: frozenset[str] = frozenset(),
    ) -> None:
        self._rules = Rules(
            secret=secret, now=now, proxy=proxy, local=local, stood_in=inner is not None, allow_hosts=allow_hosts
        )
        self._inner = inner
        self._wires: dict[Lane, tuple[_AsyncSockets | _AsyncStandIn, anyio.Semaphore]] = {}

    async def call(self, call: Call) -> Reply:
        """One exchange with the service; an answer that redirects is a reply like any other."""
        exchange = self._rules.exchange(call)
        content: list[bytes] = []
        try:
            with anyio.fail_after(call.patience):
                async with self._answered(exchange) as response:
                    answer = Answer(response.status, response.headers, most=MOST, write=content.append)
                    await _aread(response, answer, exchange.deadline)
            return self._rules.reply(answer, content)
        except Exception as error:  # noqa: BLE001 - whatever it was, the call may have left before it
            failure = self._rules.call_failure(error, exchange)
        raise failure

    async def fetch(self, fetch: Fetch) -> Fetched:
        """One download, over its redirects, into a file that is there whole or not at all."""
        trail = None
        try:
            trail, deadline = self._rules.trail(fetch), self._rules.deadline(fetch.patience)
            with Draft(fetch.path, replaces=fetch.replaces) as draft, anyio.fail_after(fetch.patience):
                moves = True
                while moves:
                    async with self._answered(self._rules.step(trail, deadline)) as response:
                        answer = Answer(response.status, response.headers, most=fetch.most, write=draft.write)
                        moves = trail.moves(answer)
                        if not moves:
                            await _aread(response, answer, deadline)
                return self._rules.fetched(answer, draft)
        except Exception as error:  # noqa: BLE001 - whatever it was, the image is paid and was not fetched
            failure = self._rules.fetch_failure(error, fetch, trail)
        raise failure

    async def keep(self, keep: Keep) -> Fetched:
        """Writes an image that came inside an answer, like a download; in a thread, because it comes all at once."""
        return await anyio.to_thread.run_sync(self._rules.keep, keep)

    async def bring(self, bring: Bring) -> bytes:
        """The image behind a user's address, over its redirects."""
        trail, content = None, bytearray()
        try:
            trail, deadline = self._rules.trail(bring), self._rules.deadline(bring.patience)
            with anyio.fail_after(bring.patience):
                while True:
                    async with self._answered(self._rules.step(trail, deadline)) as response:
                        answer = Answer(response.status, response.headers, most=bring.most, write=content.extend)
                        if not trail.moves(answer):
                            await _aread(response, answer, deadline)
                            answer.end()
                            return bytes(content)
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing was bought
            failure = self._rules.bring_failure(error, bring, trail)
        raise failure

    async def aclose(self) -> None:
        """Closes all connections; a later effect opens new ones."""
        wires, self._wires = self._wires, {}
        for wire, _ in wires.values():
            await wire.aclose()

    @asynccontextmanager
    async def _answered(self, exchange: Exchange) -> AsyncIterator[httpcore.Response]:
        wire, gate = self._wire(self._rules.lane(exchange))
        quiet = ours.set(True)
        try:
            async with gate:
                await exchange.check_async()
                exchange.start()
                response = await wire.carry(exchange)
                try:
                    yield response
                finally:
                    await cast("httpx.AsyncByteStream", response.stream).aclose()
        finally:
            exchange.close()
            ours.reset(quiet)

    def _wire(self, lane: Lane) -> tuple["_AsyncSockets | _AsyncStandIn", anyio.Semaphore]:
        if lane not in self._wires:
            wire = _AsyncSockets(lane) if self._inner is None else _AsyncStandIn(self._inner, self._rules.now)
            self._wires[lane] = wire, anyio.Semaphore(CONNECTIONS, fast_acquire=True)
        return self._wires[lane]


class _Sockets:
    """The connections of a lane, with a network of ours."""

    def __init__(self, lane: Lane) -> None:
        self._pool = httpcore.ConnectionPool(**_pool(lane), network_backend=Network(guarded=lane.guarded))

    def carry(self, exchange: Exchange) -> httpcore.Response:
        return self._pool.handle_request(exchange.for_sockets())

    def close(self) -> None:
        self._pool.close()


class _AsyncSockets:
    """The same for anyio."""

    def __init__(self, lane: Lane) -> None:
        self._pool = httpcore.AsyncConnectionPool(**_pool(lane), network_backend=AsyncNetwork(guarded=lane.guarded))

    async def carry(self, exchange: Exchange) -> httpcore.Response:
        return await self._pool.handle_async_request(exchange.for_sockets())

    async def aclose(self) -> None:
        await self._pool.aclose()


class _StandIn:
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


class _AsyncStandIn:
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


def _read(response: httpcore.Response, answer: Answer, deadline: Deadline) -> None:
    """Reads the body. What is wrong with it makes the next read from the network fail with the reason."""
    for piece in cast("Iterable[bytes]", response.stream):
        deadline.fault = answer.take(piece)
        deadline.remaining()  # a stand-in measures no time


async def _aread(response: httpcore.Response, answer: Answer, deadline: Deadline) -> None:
    async for piece in cast("AsyncIterable[bytes]", response.stream):
        deadline.fault = answer.take(piece)


def _pool(lane: Lane) -> dict[str, Any]:
    """The arguments of a pool, blocking or not."""
    return {
        "ssl_context": _trusted() if lane.secure else None,
        "proxy": None if lane.proxy is None else _proxy(lane.proxy),
        "max_connections": CONNECTIONS,
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
        return httpx.create_ssl_context()
    except OSError as error:
        raise SettingsError(
            f"No certificates could be read from SSL_CERT_FILE={file or ''} or SSL_CERT_DIR={folder or ''} ({error})."
        ) from None

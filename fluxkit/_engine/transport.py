"""The two transports, blocking and asynchronous: the only module of the core that imports httpx.

They carry out ``Call``, ``Fetch`` and ``Keep``. Both use httpx below its clients, which would bring along what must not
happen here: cookies, redirects, credentials taken out of addresses, a log line for every signed link. Whatever there is
to decide is decided once, by `_Rules` and by the modules ``secret`` and ``download``; the classes only read and write,
one blocking, one on anyio (asyncio and trio).

A deadline is total. A timeout of httpx is not: it starts anew with each read, so a server that sends a byte a second is
waited for without end. The blocking transport measures each read and write against the end of the whole exchange, the
asynchronous one is cancelled there. What cannot be interrupted without anyio is the operating system's look-up of a
host name; and within TLS within TLS, which only a proxy at an https address needs, a record is measured as a whole.
"""

import functools
import logging
import os
import re
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, Self, TypeVar, cast

import anyio
import anyio.to_thread
import httpcore
import httpx

from .._version import __version__
from ..errors import Charged, ContractError, DownloadError, FluxError, SettingsError, Unreachable
from .download import Answer, Draft, Fault, Stray, Trail, keep, read_document
from .effects import Call, Fetch, Fetched, Keep, Lost, Reply
from .secret import Link, Secret, is_public, read_link, read_origin

MOST: Final = 16 * 1024 * 1024
"""The largest answer to a call that is taken, in bytes, unpacked."""

TEXT: Final = 2000
"""How many characters of an answer are kept as text."""

CONNECTIONS: Final = 20
"""How many connections of one kind are open at once; further exchanges wait for one, in order."""

_FRESH: Final = 1.0  # seconds that a connection may have rested before it carries a call that buys
_KEPT: Final = 30.0  # seconds that any other may have rested

_NOTHING_LEFT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_PIECE: Final = 256 * 1024  # bytes of a request's body that are sent at once
_LATE: Final = (TimeoutError, httpx.TimeoutException)

_AGENT: Final = f"fluxkit/{__version__}".encode()
_NOWHERE: Final = httpx.URL()
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

Failure = TypeVar("Failure", bound=FluxError)

_ours: ContextVar[bool] = ContextVar("fluxkit_exchange", default=False)


def _not_ours(_: logging.LogRecord) -> bool:
    """A filter: at DEBUG httpcore logs the headers of answers, and with them signed links."""
    return not _ours.get()


for _logger in "connection", "http11", "proxy":
    logging.getLogger(f"httpcore.{_logger}").addFilter(_not_ours)


class Deadline(float):
    """The end of an exchange, in the place of httpx's timeouts: a number of seconds that knows when it began.

    httpx and httpcore hand a timeout unchanged to each read and write, whatever it is. So the same value also brings
    back from there whether anything of the request *left*, and carries there what is wrong with the answer (*fault*),
    so that no more of it is read.
    """

    __slots__ = ("_until", "fault", "left")

    def __new__(cls, seconds: float) -> Self:
        deadline = super().__new__(cls, seconds)
        deadline._until = time.monotonic() + seconds
        deadline.fault = None
        deadline.left = False
        return deadline

    _until: float
    fault: str | None
    left: bool

    def remaining(self) -> float:
        """The seconds that remain, more than none.

        Raises:
            TimeoutError: none remain.
            Fault: no more is wanted.
        """
        if self.fault is not None:
            raise Fault(self.fault)
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    def sends(self, buffer: bytes) -> None:
        """Notes that *buffer* goes out; what only asks a proxy for a tunnel does not count as the request."""
        if buffer and not buffer.startswith(b"CONNECT "):
            self.left = True


class _Line(httpcore.NetworkStream):
    """A connection on which every wait ends with the exchange that it serves."""

    def __init__(self, stream: httpcore.NetworkStream, *, layers: int = 0) -> None:
        self._stream = stream
        self._layers = layers  # of TLS

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, cast("Deadline", timeout).remaining())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        deadline = cast("Deadline", timeout)
        deadline.sends(buffer)
        if self._layers > 1:
            return self._stream.write(buffer, deadline.remaining())
        # httpcore's own loop gives each turn the whole time again: a reader that dawdles could hold it for ever.
        wire: socket.socket = self._stream.get_extra_info("socket")
        rest = memoryview(buffer)
        try:
            while rest:
                wire.settimeout(deadline.remaining())
                rest = rest[wire.send(rest) :]
        except TimeoutError:
            raise
        except OSError as error:
            # A server may refuse early and close: httpcore then still reads the answer, if it is told so.
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = cast("Deadline", timeout).remaining()
        return _Line(self._stream.start_tls(ssl_context, server_hostname, seconds), layers=self._layers + 1)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _AsyncLine(httpcore.AsyncNetworkStream):
    """A connection that notes what leaves; its waits are cancelled from above."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        cast("Deadline", timeout).remaining()
        return await self._stream.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        cast("Deadline", timeout).sends(buffer)
        await self._stream.write(buffer)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _AsyncLine(await self._stream.start_tls(ssl_context, server_hostname))
        except BaseException:
            # A cancelled handshake leaves the socket to nobody: httpcore closes it only after an Exception.
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Network(httpcore.NetworkBackend):
    """Opens connections; if *guarded*, only to addresses that are public at the moment of connecting.

    A name that is looked up to be checked, and again to connect, may mean another host the second time.
    """

    def __init__(self, *, guarded: bool) -> None:
        self._guarded = guarded
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.NetworkStream:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if self._guarded:
            addresses = _public(addresses)
        failure: Exception = OSError("the host has no address")
        for address, share in _turns(addresses, cast("Deadline", timeout)):
            try:
                return _Line(self._sockets.connect_tcp(address, port, share))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _AsyncNetwork(httpcore.AsyncNetworkBackend):
    """The same on anyio, which itself tries the addresses of a host side by side where there is nothing to guard."""

    def __init__(self, *, guarded: bool) -> None:
        self._guarded = guarded
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.AsyncNetworkStream:
        addresses = [host]
        if self._guarded:
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = _public([str(entry[4][0]) for entry in found])
        failure: Exception = OSError("the host has no address")
        for address, share in _turns(addresses, cast("Deadline", timeout)):
            try:
                return _AsyncLine(await self._sockets.connect_tcp(address, port, share))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _public(addresses: Sequence[str]) -> list[str]:
    public = [address for address in addresses if is_public(address)]
    if addresses and not public:
        raise Stray(f"{addresses[0]}, which is no public address")
    return public


def _turns(addresses: Sequence[str], deadline: Deadline) -> Iterator[tuple[str, float]]:
    """Each address once, with its fair share of the time that remains, so that a dead one does not use it all."""
    distinct = list(dict.fromkeys(addresses))
    for untried in range(len(distinct), 0, -1):
        yield distinct[-untried], deadline.remaining() / untried


class _Verbatim(httpx.URL):
    """An address whose path and query go out byte for byte; httpx resolves dots and quotes some characters.

    Its request extension "target" would do the same, but httpcore puts that also into the CONNECT for a proxy.
    """

    def __init__(self, link: Link) -> None:
        super().__init__(str(link))
        self._target = link.target.encode()

    @property
    def raw_path(self) -> bytes:
        return self._target


@functools.lru_cache(maxsize=512)
def _url(link: Link) -> httpx.URL:
    url = httpx.URL(str(link))
    return url if url.raw_path == link.target.encode() else _Verbatim(link)


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a request in pieces, so that a large one is not copied whole on its way.

    httpx's own is an asynchronous generator, which nobody closes when the request is cancelled.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        return (self._content[start : start + _PIECE] for start in range(0, len(self._content), _PIECE))

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._rest = iter(self)
        return self

    async def __anext__(self) -> bytes:
        for piece in self._rest:
            return piece
        raise StopAsyncIteration


class _Exchange:
    """One request on its way, with what decides which connection it takes."""

    def __init__(
        self,
        link: Link,
        deadline: Deadline,
        *,
        method: str = "GET",
        headers: Mapping[bytes, bytes],
        body: bytes = b"",
        fresh: bool = False,
        guarded: bool = False,
    ) -> None:
        self.link = link
        self.deadline = deadline
        self.fresh = fresh
        self.guarded = guarded
        fields = {b"host": link.where.encode(), b"accept": b"*/*", b"user-agent": _AGENT, **headers}
        if body or method in ("POST", "PUT", "PATCH"):
            fields[b"content-length"] = b"%d" % len(body)
        self.request = httpx.Request(
            method,
            _NOWHERE,
            headers=list(fields.items()),
            stream=_Body(body),
            extensions={"timeout": {"connect": deadline, "read": deadline, "write": deadline, "pool": deadline}},
        )
        # Given to its constructor, the address would be copied into a plain one.
        self.request.url = _url(link)

    def start(self) -> httpx.Request:
        """The request, with the seconds that remain for it, now that a connection is free; or `TimeoutError`."""
        self.request.extensions["fluxkit.patience"] = self.deadline.remaining()
        return self.request


class _Lane(NamedTuple):
    """What must be alike for exchanges to share connections."""

    fresh: bool
    guarded: bool
    secure: bool
    proxy: str | None


class _Rules:
    """What both transports decide alike: where the key goes, which way a request takes, and what a failure means."""

    def __init__(
        self, *, secret: Secret | None, now: Callable[[], float], proxy: str | None, local: bool, stood_in: bool
    ) -> None:
        self._secret = secret
        self._stood_in = stood_in
        self._now = now
        self._proxy = proxy
        self._local = local
        self._proxies: dict[tuple[str, str, int], str | None] = {}

    def exchange(self, call: Call) -> _Exchange:
        """The request for a call, with the key if it is to have it.

        Raises:
            SettingsError: it is to have a key and there is none, or a header cannot be sent.
            ContractError: it leads to where we do not go, with the key or without.
            Unreachable: it leads nowhere.
        """
        try:
            link = read_link(call.url)
        except ValueError as error:
            failure = self._error(
                Unreachable, f"nothing was sent, because the address of the call cannot be used: {error}", retry=False
            )
            raise failure from None
        headers = {b"accept-encoding": b"gzip", **_fields(call.headers)}
        guarded = False
        if call.keyed:
            if self._secret is None:
                raise SettingsError(f"nothing was sent to {link.where}, because there is no key for it: set one")
            name, value = self._secret.header_for(link, call.origins, buys=call.buys)
            headers[name] = value
        elif not self._local:
            guarded = link.origin not in (read_origin(text).origin for text in call.origins)
        if link.named or (guarded and not (link.scheme == "https" and link.public)):
            raise self._astray(f"{link.scheme}://{link.where}", buys=call.buys)
        return _Exchange(
            link,
            Deadline(call.patience),
            method=call.method.upper(),
            headers=headers,
            body=call.body,
            fresh=call.buys,
            guarded=guarded,
        )

    def trail(self, fetch: Fetch) -> Trail:
        """The way of a download, or `Fault` or `Stray`."""
        return Trail(fetch, local=self._local or fetch.local)

    def step(self, trail: Trail, deadline: Deadline) -> _Exchange:
        """The next request of a download: no key, no cookie, and no word of where it comes from."""
        return _Exchange(trail.link, deadline, headers={b"accept-encoding": b"identity"}, guarded=not trail.local)

    def lane(self, exchange: _Exchange) -> _Lane:
        """The connections that an exchange may share."""
        proxy = None if self._stood_in else self._proxy_for(exchange.link)
        return _Lane(exchange.fresh, exchange.guarded and proxy is None, exchange.link.scheme == "https", proxy)

    def _proxy_for(self, link: Link) -> str | None:
        if link.loopback:
            return None
        if self._proxy is not None:
            return self._proxy
        if link.origin not in self._proxies:
            proxies = urllib.request.getproxies()
            bypassed = urllib.request.proxy_bypass(f"{link.host}:{link.port}")
            self._proxies[link.origin] = None if bypassed else proxies.get(link.scheme) or proxies.get("all")
        return self._proxies[link.origin]

    def reply(self, answer: Answer, content: list[bytes]) -> Reply:
        """The answer to a call, once it is whole."""
        answer.end()
        body = b"".join(content)
        text = body[: 32 * TEXT].decode("utf-8", "replace")
        return Reply(
            status=answer.status,
            headers=answer.headers,
            document=read_document(body),
            text=text[:TEXT] if self._secret is None else self._secret.excerpt(text, TEXT),
            at=self._now(),
        )

    def fetched(self, answer: Answer, draft: Draft) -> Fetched:
        """The download, once it is whole."""
        answer.end()
        return draft.finish(now=self._now)

    def keep(self, effect: Keep) -> Fetched:
        """Carries out a `Keep`."""
        try:
            return keep(effect.content, effect.path, now=self._now)
        except Fault as fault:
            failure = self._error(DownloadError, f"the image that came with the answer was not kept: {fault}")
        raise failure

    def call_failure(self, error: Exception, exchange: _Exchange) -> FluxError:
        """What it means that a call ended with *error*.

        On sockets of ours it is known whether anything of it left. Of a stand-in only its word is known.
        """
        if isinstance(error, FluxError):
            return error
        where = exchange.link.where
        if isinstance(error, Stray):
            return self._astray(f"{where}, because it leads to {error}", buys=exchange.fresh)
        reason = _reason(error, exchange.deadline)
        left = not isinstance(error, _NOTHING_LEFT) if self._stood_in else exchange.deadline.left
        if not left:
            return self._error(
                Unreachable,
                f"no connection to {where} came about ({reason}), so nothing was sent. Check the network, the address"
                " and the proxy, and try again",
            )
        return self._error(
            Lost, f"{where} was sent the call, and no whole answer came ({reason}). It may have been carried out"
        )

    def fetch_failure(self, error: Exception, fetch: Fetch, trail: Trail | None) -> FluxError:
        """What it means that a download ended with *error*."""
        if isinstance(error, FluxError):
            return error
        source = "" if trail is None else f" from {trail.link.where}"
        if isinstance(error, Stray):
            return self._error(
                ContractError,
                f"the image was not fetched{source}, because its link leads to {error}: images come from public https"
                " hosts, and from local ones only while base_url is local itself",
                charged=Charged.YES,
            )
        return self._error(
            DownloadError,
            f"the image was not fetched{source}: {_reason(error, fetch.patience)}. It is paid: wait for its task again"
            " to fetch it again",
            status=None if trail is None else trail.status,
        )

    def _astray(self, place: str, *, buys: bool) -> ContractError:
        return self._error(
            ContractError,
            f"nothing was sent to {place}: a call without the key goes to public https hosts, and to others only if"
            " they are named as its origin, or while base_url is local itself",
            charged=Charged.NO if buys else None,
        )

    def _error(self, kind: type[Failure], message: str, **facts: Any) -> Failure:
        """An error whose message does not hold the key, whatever it quotes."""
        return kind(message if self._secret is None else self._secret.redact(message), **facts)


class Transport:
    """Carries out effects, blocking. May be used by several threads at once.

    *secret* goes with keyed calls only. *now* is the clock of the answers, in seconds since the epoch. *inner* stands
    in for the sockets, as a mock in the same process does: the request's extension ``fluxkit.patience`` tells it how
    many seconds remain, and whoever made it closes it. *proxy* is used for every host but loopback; without it the
    proxies of the environment are, as they stand when a host is first spoken to. *local* says that base_url itself is
    on this machine or in a private network: then downloads may be, too.

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
    ) -> None:
        self._rules = _Rules(secret=secret, now=now, proxy=proxy, local=local, stood_in=inner is not None)
        self._inner = inner
        self._wires: dict[_Lane, tuple[httpx.BaseTransport, threading.Semaphore]] = {}
        self._lock = threading.Lock()

    def call(self, call: Call) -> Reply:
        """One exchange with the service; an answer that redirects is a reply like any other."""
        exchange = self._rules.exchange(call)
        content: list[bytes] = []
        try:
            with self._answered(exchange) as response:
                answer = Answer(response.status_code, response.headers.raw, most=MOST, write=content.append)
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
            trail, deadline = self._rules.trail(fetch), Deadline(fetch.patience)
            with Draft(fetch.path) as draft:
                moves = True
                while moves:
                    with self._answered(self._rules.step(trail, deadline)) as response:
                        answer = Answer(response.status_code, response.headers.raw, most=fetch.most, write=draft.write)
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

    def close(self) -> None:
        """Closes all connections; a later effect opens new ones."""
        with self._lock:
            wires, self._wires = self._wires, {}
        for transport, _ in wires.values():
            if transport is not self._inner:
                transport.close()

    @contextmanager
    def _answered(self, exchange: _Exchange) -> Iterator[httpx.Response]:
        transport, gate = self._wire(self._rules.lane(exchange))
        quiet = _ours.set(True)
        try:
            if not gate.acquire(timeout=exchange.deadline.remaining()):
                raise TimeoutError
            try:
                response = transport.handle_request(exchange.start())
                try:
                    yield response
                finally:
                    response.close()
            finally:
                gate.release()
        finally:
            _ours.reset(quiet)

    def _wire(self, lane: _Lane) -> tuple[httpx.BaseTransport, threading.Semaphore]:
        """The connections of a lane, and the gate before them: each request that waits in httpx's pool slows it."""
        with self._lock:
            if lane not in self._wires:
                transport = _Sockets(lane) if self._inner is None else self._inner
                self._wires[lane] = transport, threading.Semaphore(CONNECTIONS)
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
    ) -> None:
        self._rules = _Rules(secret=secret, now=now, proxy=proxy, local=local, stood_in=inner is not None)
        self._inner = inner
        self._wires: dict[_Lane, tuple[httpx.AsyncBaseTransport, anyio.Semaphore]] = {}

    async def call(self, call: Call) -> Reply:
        """One exchange with the service; an answer that redirects is a reply like any other."""
        exchange = self._rules.exchange(call)
        content: list[bytes] = []
        try:
            with anyio.fail_after(call.patience):
                async with self._answered(exchange) as response:
                    answer = Answer(response.status_code, response.headers.raw, most=MOST, write=content.append)
                    await _aread(response, answer, exchange.deadline)
            return self._rules.reply(answer, content)
        except Exception as error:  # noqa: BLE001 - whatever it was, the call may have left before it
            failure = self._rules.call_failure(error, exchange)
        raise failure

    async def fetch(self, fetch: Fetch) -> Fetched:
        """One download, over its redirects, into a file that is there whole or not at all."""
        trail = None
        try:
            trail, deadline = self._rules.trail(fetch), Deadline(fetch.patience)
            with Draft(fetch.path) as draft, anyio.fail_after(fetch.patience):
                moves = True
                while moves:
                    async with self._answered(self._rules.step(trail, deadline)) as response:
                        answer = Answer(response.status_code, response.headers.raw, most=fetch.most, write=draft.write)
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

    async def aclose(self) -> None:
        """Closes all connections; a later effect opens new ones."""
        wires, self._wires = self._wires, {}
        for transport, _ in wires.values():
            if transport is not self._inner:
                await transport.aclose()

    @asynccontextmanager
    async def _answered(self, exchange: _Exchange) -> AsyncIterator[httpx.Response]:
        transport, gate = self._wire(self._rules.lane(exchange))
        quiet = _ours.set(True)
        try:
            async with gate:
                response = await transport.handle_async_request(exchange.start())
                try:
                    yield response
                finally:
                    await response.aclose()
        finally:
            _ours.reset(quiet)

    def _wire(self, lane: _Lane) -> tuple[httpx.AsyncBaseTransport, anyio.Semaphore]:
        if lane not in self._wires:
            transport = _AsyncSockets(lane) if self._inner is None else self._inner
            self._wires[lane] = transport, anyio.Semaphore(CONNECTIONS, fast_acquire=True)
        return self._wires[lane]


class _Sockets(httpx.HTTPTransport):
    """httpx's transport over a pool with a network of ours: its own constructor takes none, and sets nothing else."""

    def __init__(self, lane: _Lane) -> None:
        self._pool = httpcore.ConnectionPool(**_pool(lane), network_backend=_Network(guarded=lane.guarded))


class _AsyncSockets(httpx.AsyncHTTPTransport):
    """The same for anyio."""

    def __init__(self, lane: _Lane) -> None:
        self._pool = httpcore.AsyncConnectionPool(**_pool(lane), network_backend=_AsyncNetwork(guarded=lane.guarded))


def _read(response: httpx.Response, answer: Answer, deadline: Deadline) -> None:
    """Reads the body. What is wrong with it makes the next read from the network fail with the reason."""
    for piece in cast("httpx.SyncByteStream", response.stream):
        deadline.fault = answer.take(piece)
        deadline.remaining()  # a stand-in measures no time


async def _aread(response: httpx.Response, answer: Answer, deadline: Deadline) -> None:
    async for piece in cast("httpx.AsyncByteStream", response.stream):
        deadline.fault = answer.take(piece)


def _pool(lane: _Lane) -> dict[str, Any]:
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
        raise SettingsError("the proxy is no address such as http://proxy.example:3128") from None
    if proxy.url.scheme not in ("http", "https") or not proxy.url.host:
        raise SettingsError(
            f"the proxy {proxy.url.scheme}://{proxy.url.host} cannot be used: name one with an http or https address"
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
            f"no certificates could be read from SSL_CERT_FILE={file or ''} or SSL_CERT_DIR={folder or ''} ({error})"
        ) from None


def _fields(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    for name, value in headers.items():
        if _NAME.fullmatch(name) is None or not (value.isascii() and value.isprintable()):
            raise SettingsError(f"the header {name!r} cannot be sent: names and values are printable ASCII")
    return {name.lower().encode(): value.encode() for name, value in headers.items()}


def _reason(error: Exception, patience: float) -> str:
    """What happened, in words."""
    if isinstance(error, Fault):
        return str(error)
    if isinstance(error, _LATE):
        return f"it was not done within {patience:g} s"
    return f"{type(error).__name__}: {error}".removesuffix(": ")

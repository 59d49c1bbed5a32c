"""The mock in process: httpx transports that lead to a ``MockService``, and fail as a socket would."""

import functools
import ipaddress
import math
from collections.abc import AsyncIterator, Iterator

import anyio.lowlevel
import httpx

from .answer import Answer, Drop, Incoming
from .documents import read_query
from .service import MockService


class MockTransport(httpx.BaseTransport):
    """For ``httpx.Client(transport=...)``: no socket, no thread, no real time."""

    def __init__(self, service: MockService) -> None:
        self._service = service

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The service's answer; raises httpx's own errors where the connection would break or time run out."""
        return self.respond(request, request.read())

    def respond(self, request: httpx.Request, body: bytes) -> httpx.Response:
        """The answer to a request with this body, whatever its own is."""
        answer = _answer(self._service, request, body)
        seconds, outcome = _outcome(self._service, request, answer)
        if seconds:
            self._service.clock.sleep(seconds)
        return _response(self._service, request, outcome)


class AsyncMockTransport(httpx.AsyncBaseTransport):
    """For ``httpx.AsyncClient(transport=...)``, on asyncio and trio."""

    def __init__(self, service: MockService) -> None:
        self._service = service

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The service's answer; raises httpx's own errors where the connection would break or time run out."""
        body = await request.aread()
        await anyio.lowlevel.checkpoint()
        answer = _answer(self._service, request, body)
        seconds, outcome = _outcome(self._service, request, answer)
        if seconds:
            await self._service.clock.sleep_async(seconds)
        return _response(self._service, request, outcome)


def incoming(request: httpx.Request, body: bytes) -> Incoming:
    """An httpx request as the mock knows it."""
    url = request.url
    path, _, query = url.raw_path.decode("ascii").partition("?")
    headers = {_name(name): value.decode("latin-1") for name, value in request.headers.raw}
    origin = f"{url.scheme}://{headers.get('host') or url.netloc.decode('ascii')}"
    return Incoming(request.method, path, read_query(query), headers, body, origin)


@functools.lru_cache(maxsize=256)  # a client sends the same names with each call
def _name(raw: bytes) -> str:
    return raw.decode("ascii").lower()


@functools.lru_cache(maxsize=64)
def is_own(host: str) -> bool:
    """Whether a host is the mock's own: it is this machine, as that of every address which the mock gives."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _answer(service: MockService, request: httpx.Request, body: bytes) -> Answer | Drop:
    call = incoming(request, body)
    return service.handle(call) if is_own(request.url.host) else service.visit(call)


def _outcome(
    service: MockService, request: httpx.Request, answer: Answer | Drop
) -> tuple[float, Answer | httpx.TransportError]:
    """For how many seconds of the mock nothing comes, and what comes then: an answer, or what is raised."""
    silent = answer.delay if isinstance(answer, Answer) else answer.after
    if silent and (patience := min(_patience(service, request))) < silent:
        return patience, httpx.ReadTimeout("No answer comes.", request=request)
    if isinstance(answer, Drop):
        message = "Server disconnected without sending a response."
        return silent, httpx.RemoteProtocolError(message, request=request)
    return silent, answer


def _patience(service: MockService, request: httpx.Request) -> tuple[float, float]:
    """How many seconds of the mock the client has for each read, and for all of them.

    httpx has so many seconds for each read, a client of fluxkit so many for all: the extension ``fluxkit.patience``.
    Patience is real, and what takes time here takes seconds of the mock.
    """
    each = request.extensions.get("timeout", {}).get("read")
    total = request.extensions.get("fluxkit.patience")
    speed = getattr(service.clock, "speed", 1.0)
    return math.inf if each is None else each * speed, math.inf if total is None else total * speed


def _response(service: MockService, request: httpx.Request, outcome: Answer | httpx.TransportError) -> httpx.Response:
    if isinstance(outcome, httpx.TransportError):
        raise outcome
    stream: _Body | _Drip | _Cut = _Body(outcome.body)
    if request.method == "HEAD":
        stream = _Body(b"")
    elif outcome.drip:
        stream = _Drip(service, request, outcome)
    elif outcome.cut is not None:
        stream = _Cut(request, outcome.body, outcome.cut)
    return _Response(outcome.status, headers=_headers(outcome), stream=stream, request=request)


def _headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    length = (b"content-length", b"%d" % len(answer.body))
    return [length, *[(name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers.items()]]


class _Response(httpx.Response):
    """A response that is read at once when all of it is wanted.

    Nothing is compressed here and most bodies are in one piece, so the decoders and chunkers through which httpx would
    read them have nothing to do, and they take half as long as the service itself. Read piece by piece it is as ever.
    """

    def read(self) -> bytes:
        if not (hasattr(self, "_content") or self.is_stream_consumed or self.is_closed):
            self._content = b"".join(self.stream)  # type: ignore[arg-type]  # both kinds of streams are both kinds
            self._end()
            self.close()
            return self._content
        return super().read()

    async def aread(self) -> bytes:
        if not (hasattr(self, "_content") or self.is_stream_consumed or self.is_closed):
            self._content = b"".join([piece async for piece in self.stream])  # type: ignore[union-attr]
            self._end()
            await self.aclose()
            return self._content
        return await super().aread()

    def _end(self) -> None:
        self.is_stream_consumed = True
        self._num_bytes_downloaded = len(self._content)


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in one piece, for both kinds of clients."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


class _Cut(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body whose connection breaks after so many bytes."""

    def __init__(self, request: httpx.Request, body: bytes, cut: int) -> None:
        self._request, self._body, self._cut = request, body, cut

    def __iter__(self) -> Iterator[bytes]:
        yield self._body[: self._cut]
        raise self._broken()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body[: self._cut]
        raise self._broken()

    def _broken(self) -> httpx.RemoteProtocolError:
        message = (
            "peer closed connection without sending complete message body "
            f"(received {self._cut} bytes, expected {len(self._body)})"
        )
        return httpx.RemoteProtocolError(message, request=self._request)


class _Drip(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes a byte at a time, for as long as the client has patience."""

    def __init__(self, service: MockService, request: httpx.Request, answer: Answer) -> None:
        self._clock, self._request, self._drip = service.clock, request, answer.drip
        self._each, self._total = _patience(service, request)
        in_time = len(answer.body) if self._drip <= self._each else 0
        if in_time * self._drip > self._total:
            in_time = int(self._total // self._drip)
        self._body = answer.body[:in_time]
        self._whole = in_time == len(answer.body)

    def __iter__(self) -> Iterator[bytes]:
        for place in range(len(self._body)):
            self._clock.sleep(self._drip)
            yield self._body[place : place + 1]
        if not self._whole:
            self._clock.sleep(self._rest)
            raise self._late()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for place in range(len(self._body)):
            await self._clock.sleep_async(self._drip)
            yield self._body[place : place + 1]
        if not self._whole:
            await self._clock.sleep_async(self._rest)
            raise self._late()

    @property
    def _rest(self) -> float:
        return min(self._each, self._total - self._drip * len(self._body))

    def _late(self) -> httpx.ReadTimeout:
        return httpx.ReadTimeout("The answer drips.", request=self._request)

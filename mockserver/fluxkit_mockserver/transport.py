"""The mock in process: httpx transports that lead to a ``MockService``, and fail as a socket would."""

import functools
import ipaddress
import math
from collections.abc import AsyncIterator, Iterator

import anyio.lowlevel
import httpx

from .answer import Answer, Drop, Incoming
from .dialect import read_query
from .service import MockService


class MockTransport(httpx.BaseTransport):
    """For ``httpx.Client(transport=...)``: no socket, no thread, no real time."""

    def __init__(self, service: MockService) -> None:
        self._service = service

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The service's answer; raises httpx's own errors where the connection would break or time run out."""
        return _response(self._service, request, request.read())


class AsyncMockTransport(httpx.AsyncBaseTransport):
    """For ``httpx.AsyncClient(transport=...)``, on asyncio and trio."""

    def __init__(self, service: MockService) -> None:
        self._service = service

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The service's answer; raises httpx's own errors where the connection would break or time run out."""
        body = await request.aread()
        await anyio.lowlevel.checkpoint()
        return _response(self._service, request, body)


def incoming(request: httpx.Request, body: bytes) -> Incoming:
    """An httpx request as the mock knows it."""
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    headers = {name.decode("ascii").lower(): value.decode("latin-1") for name, value in request.headers.raw}
    return Incoming(
        method=request.method,
        path=path,
        query=read_query(query),
        headers=headers,
        body=body,
        origin=f"{request.url.scheme}://{headers.get('host') or request.url.netloc.decode('ascii')}",
    )


@functools.lru_cache(maxsize=64)
def is_own(host: str) -> bool:
    """Whether a host is the mock's own: it is this machine, as that of every address which the mock gives."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _response(service: MockService, request: httpx.Request, body: bytes) -> httpx.Response:
    call = incoming(request, body)
    answer = service.handle(call) if is_own(request.url.host) else service.visit(call)
    if isinstance(answer, Drop):
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
    stream: _Body | _Drip = _Body(b"" if request.method == "HEAD" else answer.body)
    if answer.drip:
        stream = _Drip(service, request, answer)
    return _Response(answer.status, headers=_headers(answer), stream=stream, request=request)


def _headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    length = (b"content-length", b"%d" % len(answer.body))
    return [length, *((name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers.items())]


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
        return super().read()

    async def aread(self) -> bytes:
        if not (hasattr(self, "_content") or self.is_stream_consumed or self.is_closed):
            self._content = b"".join([piece async for piece in self.stream])  # type: ignore[union-attr]
            self._end()
            await self.aclose()
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


class _Drip(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes a byte at a time, for as long as the client has patience.

    httpx has so many seconds for each read, a client of fluxkit so many for all of them: the extension
    ``fluxkit.patience``.
    """

    def __init__(self, service: MockService, request: httpx.Request, answer: Answer) -> None:
        each = request.extensions.get("timeout", {}).get("read")
        total = request.extensions.get("fluxkit.patience")
        self._clock, self._request, self._drip = service.clock, request, answer.drip
        speed = getattr(service.clock, "speed", 1.0)  # patience is real, and the drip takes seconds of the mock
        self._each = math.inf if each is None else each * speed
        self._total = math.inf if total is None else total * speed
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

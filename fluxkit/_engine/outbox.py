"""A request on its way: address and body as they go out, the deadline, and the connections that it may share.

Sockets are given it as httpcore reads it, a stand-in for them as httpx does, which each takes some time to make.
"""

import functools
from collections.abc import AsyncIterator, Iterator, Mapping
from types import GeneratorType
from typing import Any, Final, NamedTuple

import anyio.to_thread
import httpcore
import httpx

from .._version import __version__
from .._wire.body import Body
from .._wire.link import Link
from .network import Deadline

_PIECE: Final = 256 * 1024  # bytes of a request's body that are sent at once
_AGENT: Final = f"fluxkit/{__version__}".encode()
_NOWHERE: Final = httpx.URL()


class _Address(httpx.URL):
    """An address whose path and query a stand-in reads byte for byte; httpx resolves dots and quotes some characters.

    What httpx makes of the origin is used again: to read it anew for each link takes longer than all that is written
    here.
    """

    def __init__(self, link: Link) -> None:
        self.__dict__.update(_origin(link.scheme, link.where).__dict__)
        self._link = link

    @property
    def raw_path(self) -> bytes:
        return self._link.target.encode()

    @property
    def path(self) -> str:
        return httpx.URL(str(self)).path

    @property
    def query(self) -> bytes:
        return httpx.URL(str(self)).query

    def __str__(self) -> str:
        return str(self._link)


@functools.lru_cache(maxsize=64)
def _origin(scheme: str, where: str) -> httpx.URL:
    return httpx.URL(f"{scheme}://{where}/")


class _Place(httpcore.URL):
    """An address as httpcore reads it, from a `Link`: its parts need no look at what they are."""

    def __init__(self, link: Link) -> None:
        self.scheme, self.host, self.port = link.scheme.encode(), link.host.encode(), link.own_port
        self.target = link.target.encode()
        self._link = link

    @property
    def origin(self) -> httpcore.Origin:
        return _whence(self._link.scheme, self._link.host, self._link.port)


@functools.lru_cache(maxsize=64)  # a connection asks for it again and again
def _whence(scheme: str, host: str, port: int) -> httpcore.Origin:
    return httpcore.Origin(scheme.encode(), host.encode(), port)


class _Request(httpcore.Request):
    """A request of which all that is to go out is bytes: httpcore's own looks at each of its headers again."""

    def __init__(
        self, method: str, url: httpcore.URL, headers: list[tuple[bytes, bytes]], stream: "_Stream", deadline: Deadline
    ) -> None:
        self.method, self.url, self.headers, self.stream = method.encode(), url, headers, stream
        self.extensions = _ending_with(deadline)


def _ending_with(deadline: Deadline) -> dict[str, Any]:
    """The extensions with which each wait for a request ends with its exchange."""
    return {"timeout": {"connect": deadline, "read": deadline, "write": deadline, "pool": deadline}}


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a request in pieces, so that a large one is not copied whole on its way.

    httpx's own is an asynchronous generator, which nobody closes when the request is cancelled. An event loop does not
    wait for a disk: files are read, and encoded, in a thread, piece by piece.
    """

    def __init__(self, body: bytes | Body) -> None:
        self._body = body
        self._in_thread = isinstance(body, Body) and body.from_files
        self._rest: Iterator[bytes] = iter(())

    def __iter__(self) -> Iterator[bytes]:
        self.close()
        self._rest = iter(self._body) if isinstance(self._body, Body) else _cut(self._body)
        return self._rest

    def __aiter__(self) -> AsyncIterator[bytes]:
        iter(self)
        return self

    async def __anext__(self) -> bytes:
        piece = await anyio.to_thread.run_sync(next, self._rest, b"") if self._in_thread else next(self._rest, b"")
        if not piece:
            raise StopAsyncIteration
        return piece

    def close(self) -> None:
        """Closes the file that is being read, if the whole of it was not wanted."""
        if isinstance(self._rest, GeneratorType):
            self._rest.close()


def _cut(content: bytes) -> Iterator[bytes]:
    return (content[start : start + _PIECE] for start in range(0, len(content), _PIECE))


class Exchange:
    """One request on its way, with what decides which connection it takes."""

    def __init__(
        self,
        link: Link,
        deadline: Deadline,
        *,
        method: str = "GET",
        headers: Mapping[bytes, bytes],
        body: bytes | Body = b"",
        fresh: bool = False,
        guarded: bool = False,
    ) -> None:
        self.link = link
        self.deadline = deadline
        self.fresh = fresh
        self.guarded = guarded
        self.begun = False
        self._method = method
        self._fields = {b"host": link.where.encode(), b"accept": b"*/*", b"user-agent": _AGENT, **headers}
        self._body = body
        self._stream = _Stream(body)
        if len(body) or method in ("POST", "PUT", "PATCH"):
            self._fields[b"content-length"] = b"%d" % len(body)

    def check(self) -> None:
        """Makes sure that the images of the body are what they were, before any of it leaves."""
        if isinstance(self._body, Body):
            self._body.check()

    async def check_async(self) -> None:
        """The same, without keeping an event loop from its work."""
        if isinstance(self._body, Body) and self._body.from_files:
            await anyio.to_thread.run_sync(self._body.check)

    def close(self) -> None:
        """Lets go of the files of the body."""
        self._stream.close()

    def start(self) -> None:
        """Begins, now that a connection is free; or `TimeoutError`."""
        self.deadline.remaining()
        self.begun = True

    def for_sockets(self) -> httpcore.Request:
        """The request; path and query go out byte for byte."""
        return _Request(self._method, _Place(self.link), list(self._fields.items()), self._stream, self.deadline)

    def for_stand_in(self, *, now: float) -> httpx.Request:
        """The request, with the seconds that remain for it by the clock of the answers."""
        extensions = {**_ending_with(self.deadline), "fluxkit.patience": self.deadline.told(now=now)}
        headers = list(self._fields.items())
        request = httpx.Request(self._method, _NOWHERE, headers=headers, stream=self._stream, extensions=extensions)
        # Given to its constructor, the address would be copied into a plain one.
        request.url = _Address(self.link)
        return request


class Lane(NamedTuple):
    """What must be alike for exchanges to share connections."""

    fresh: bool
    guarded: bool
    secure: bool
    proxy: str | None

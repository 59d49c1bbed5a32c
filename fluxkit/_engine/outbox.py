"""A request on its way: address and body as they go out, the deadline, and the connections that it may share."""

import functools
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final, NamedTuple

import httpx

from .._version import __version__
from .._wire.link import Link
from .network import Deadline

_PIECE: Final = 256 * 1024  # bytes of a request's body that are sent at once
_AGENT: Final = f"fluxkit/{__version__}".encode()
_NOWHERE: Final = httpx.URL()


class _Address(httpx.URL):
    """An address whose path and query go out byte for byte; httpx resolves dots and quotes some characters.

    Its request extension "target" would do the same, but httpcore puts that also into the CONNECT for a proxy. What
    httpx makes of the origin is used again: to read it anew for each link takes longer than all that is written here.
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


class Exchange:
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
        self.request.url = _Address(link)

    def start(self, *, now: float) -> httpx.Request:
        """The request, with the seconds that remain for it, now that a connection is free; or `TimeoutError`."""
        self.deadline.remaining()
        self.request.extensions["fluxkit.patience"] = self.deadline.told(now=now)
        return self.request


class Lane(NamedTuple):
    """What must be alike for exchanges to share connections."""

    fresh: bool
    guarded: bool
    secure: bool
    proxy: str | None

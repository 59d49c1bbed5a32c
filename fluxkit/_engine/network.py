"""Connections below httpx: each wait ends with the exchange that it serves, and each address is looked at first.

A deadline is total. A timeout of httpx is not: it starts anew with each read, so a server that sends a byte a second is
waited for without end. The blocking transport measures each read and write against the end of the whole exchange, the
asynchronous one is cancelled there. What cannot be interrupted without anyio is the operating system's look-up of a
host name; and within TLS within TLS, which only a proxy at an https address needs, a record is measured as a whole.
"""

import logging
import select
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Final, Self, cast

import anyio
import anyio.lowlevel
import httpcore
from anyio.streams.tls import TLSStream

from .._wire.link import is_public
from .answer import Fault
from .stream import Stream
from .trail import Stray

ours: ContextVar[bool] = ContextVar("fluxkit_exchange", default=False)
"""Whether an exchange of ours is under way, so that what httpcore logs is of it."""


def _not_ours(_: logging.LogRecord) -> bool:
    """A filter: at DEBUG httpcore logs the headers of answers, and with them signed links."""
    return not ours.get()


for _logger in "connection", "http11", "proxy":
    logging.getLogger(f"httpcore.{_logger}").addFilter(_not_ours)

_SMALL: Final = 16 * 1024  # bytes of a request that are held back until all of it is there to be sent


class Deadline(float):
    """The end of an exchange, in the place of httpx's timeouts: a number of seconds that knows when it began.

    httpx and httpcore hand a timeout unchanged to each read and write, whatever it is. So the same value also brings
    back from there whether anything of the request *left*, and carries there what is wrong with the answer (*fault*),
    so that no more of it is read.
    """

    __slots__ = ("_began", "_until", "fault", "left")

    _until: float
    _began: float
    fault: str | None
    left: bool

    def __new__(cls, seconds: float, *, now: float) -> Self:
        deadline = super().__new__(cls, seconds)
        deadline._until = time.monotonic() + seconds
        deadline._began = now
        deadline.fault = None
        deadline.left = False
        return deadline

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

    def told(self, *, now: float) -> float:
        """The seconds that remain by the clock of the answers, which is a virtual one where a mock stands in."""
        return self - (now - self._began)

    def sends(self, buffer: bytes) -> None:
        """Notes that *buffer* goes out; what only asks a proxy for a tunnel does not count as the request."""
        if buffer and not buffer.startswith(b"CONNECT "):
            self.left = True


class _Line(httpcore.NetworkStream):
    """A connection on which every wait ends with the exchange that it serves.

    httpcore writes the head of a request, and then its body. Both go out as one, if they are small: that is one call of
    the system less, and one packet, for us and for the service.
    """

    def __init__(self, stream: httpcore.NetworkStream, *, layers: int = 0) -> None:
        self._stream = stream
        self._layers = layers  # of TLS
        self._held = b""
        self._wire: socket.socket = stream.get_extra_info("socket")
        self._watched: select.poll | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        deadline = cast("Deadline", timeout)
        if self._held:
            # A server may refuse early and close, so that there is an answer to read all the same.
            with suppress(httpcore.WriteError):
                self._flush(deadline)
        if self._layers > 1:
            return self._stream.read(max_bytes, deadline.remaining())
        try:
            self._wire.settimeout(deadline.remaining())
            return self._wire.recv(max_bytes)
        except TimeoutError:
            raise
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if len(self._held) + len(buffer) <= _SMALL:
            self._held += buffer
            return
        deadline = cast("Deadline", timeout)
        self._flush(deadline)
        self._send(buffer, deadline)

    def _flush(self, deadline: Deadline) -> None:
        held, self._held = self._held, b""
        self._send(held, deadline)

    def _send(self, buffer: bytes, deadline: Deadline) -> None:
        deadline.sends(buffer)
        if self._layers > 1:
            return self._stream.write(buffer, deadline.remaining())
        # httpcore's own loop gives each turn the whole time again: a reader that dawdles could hold it for ever.
        rest = memoryview(buffer)
        try:
            while rest:
                self._wire.settimeout(deadline.remaining())
                rest = rest[self._wire.send(rest) :]
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
        if info == "is_readable" and hasattr(select, "poll"):
            return self._wire.fileno() < 0 or bool(self._watch().poll(0))
        return self._stream.get_extra_info(info)

    def _watch(self) -> select.poll:
        """Who looks for an answer before each exchange, made once."""
        if self._watched is None:
            self._watched = select.poll()
            self._watched.register(self._wire, select.POLLIN)
        return self._watched


class _AsyncLine(httpcore.AsyncNetworkStream):
    """A connection that notes what leaves, small things as one; its waits are cancelled from above."""

    def __init__(self, stream: Stream | TLSStream, wire: socket.socket) -> None:
        self._stream = stream
        self._wire = wire
        self._watched: select.poll | None = None
        self._closed = False
        self._held = b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        deadline = cast("Deadline", timeout)
        if self._held:
            with suppress(httpcore.WriteError):
                await self._flush(deadline)
        deadline.remaining()
        try:
            return await self._stream.receive(max_bytes)
        except anyio.EndOfStream:
            return b""
        except anyio.BrokenResourceError as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if len(self._held) + len(buffer) <= _SMALL:
            self._held += buffer
            return
        deadline = cast("Deadline", timeout)
        await self._flush(deadline)
        await anyio.lowlevel.checkpoint()  # a large body takes its time, and others have a right to theirs
        await self._send(buffer, deadline)

    async def _flush(self, deadline: Deadline) -> None:
        held, self._held = self._held, b""
        await self._send(held, deadline)

    async def _send(self, buffer: bytes, deadline: Deadline) -> None:
        deadline.sends(buffer)
        try:
            await self._stream.send(buffer)
        except anyio.BrokenResourceError as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        self._closed = True
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            stream = await TLSStream.wrap(
                self._stream, hostname=server_hostname, ssl_context=ssl_context, standard_compatible=False
            )
        except BaseException as error:
            await self._stream.aclose()  # a handshake that is cancelled would leave the socket to nobody
            if isinstance(error, anyio.BrokenResourceError | anyio.EndOfStream | ssl.SSLError):
                raise httpcore.ConnectError(str(error)) from error
            raise
        return _AsyncLine(stream, self._wire)

    def get_extra_info(self, info: str) -> Any:
        return (self._closed or self._is_readable()) if info == "is_readable" else None

    def _is_readable(self) -> bool:
        if not hasattr(select, "poll"):
            return bool(select.select([self._wire], [], [], 0)[0])
        if self._watched is None:
            self._watched = select.poll()
            self._watched.register(self._wire, select.POLLIN)
        return bool(self._watched.poll(0))


class Network(httpcore.NetworkBackend):
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


class AsyncNetwork(httpcore.AsyncNetworkBackend):
    """The same on anyio, which itself tries the addresses of a host side by side where there is nothing to guard."""

    def __init__(self, *, guarded: bool) -> None:
        self._guarded = guarded

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
                with anyio.fail_after(share):
                    stream = await Stream.connect(address, port)
                return _AsyncLine(stream, stream.wire)
            except TimeoutError as error:
                failure = httpcore.ConnectTimeout(str(error))
            except OSError as error:
                failure = httpcore.ConnectError(str(error))
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

"""A socket as a stream of anyio, on which what can be done at once is done at once.

anyio's own goes through the event loop once for each thing that it sends, because others may have a right to their
turn. An exchange waits for its answer anyway.
"""

import os
import socket
from contextlib import suppress
from typing import Any, Final, Self

import anyio
import anyio.abc

BESIDE: Final = 0.25
"""Seconds after which the next address of a host is tried beside the one before, as RFC 8305 recommends it."""


class Stream(anyio.abc.ByteStream):
    """A connected socket. Not safe for tasks: one reads or writes at a time."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire

    @classmethod
    async def connect(cls, host: str, port: int) -> Self:
        """Connects to the address of a host that answers first; each next one is tried beside it after a moment.

        The socket is ours from the start: what anyio has connected is the event loop's, and before anyio 4.16 not even
        a copy of the socket outlives it, because its end shuts the connection down.

        Raises:
            OSError: no address of the host could be connected to.
        """
        made: list[socket.socket] = []
        failures: list[OSError] = [OSError("the host has no address")]

        async def attempt(family: int, address: Any, over: anyio.Event) -> None:
            try:
                made.append(await _connected(family, address))
                group.cancel_scope.cancel()
            except OSError as error:
                failures.append(error)
            over.set()

        addresses = await _addresses(host, port)
        try:
            async with anyio.create_task_group() as group:
                for family, _, _, _, address in addresses:
                    over = anyio.Event()
                    group.start_soon(attempt, family, address, over)
                    with anyio.move_on_after(BESIDE):
                        await over.wait()
            if not made:
                raise failures[-1]
            return cls(made.pop())
        finally:
            for wire in made:
                wire.close()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        received: bytes | None = None
        try:
            while received is None:
                await anyio.wait_readable(self.wire)
                with suppress(BlockingIOError):
                    received = self.wire.recv(max_bytes)
        except OSError as error:
            raise anyio.BrokenResourceError(str(error)) from error
        if not received:
            raise anyio.EndOfStream
        return received

    async def send(self, item: bytes) -> None:
        rest = memoryview(item)
        try:
            while rest:
                try:
                    rest = rest[self.wire.send(rest) :]
                except BlockingIOError:
                    await anyio.wait_writable(self.wire)
        except OSError as error:
            raise anyio.BrokenResourceError(str(error)) from error

    async def send_eof(self) -> None:
        self.wire.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        self.wire.close()


async def _addresses(host: str, port: int) -> list[Any]:
    """The addresses of a host, as the system orders them; what is an address already needs no look-up."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return list(await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM))


async def _connected(family: int, address: Any) -> socket.socket:
    wire = socket.socket(family, socket.SOCK_STREAM)
    try:
        wire.setblocking(False)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what leaves here is whole, and need not wait
        try:
            wire.connect(address)
        except BlockingIOError:
            await anyio.wait_writable(wire)
            if failure := wire.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(failure, os.strerror(failure)) from None
    except BaseException:
        wire.close()
        raise
    return wire

"""A socket as a stream of anyio, on which what can be done at once is done at once.

anyio's own goes through the event loop once for each thing that it sends, because others may have a right to their
turn. An exchange waits for its answer anyway.
"""

import socket
from contextlib import suppress
from typing import Self

import anyio
import anyio.abc


class Stream(anyio.abc.ByteStream):
    """A connected socket. Not safe for tasks: one reads or writes at a time."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire

    @classmethod
    async def connect(cls, host: str, port: int) -> Self:
        """Connects, as anyio does it, side by side where a host has several addresses; then the socket is ours."""
        made = await anyio.connect_tcp(host, port)
        try:
            wire = made.extra(anyio.abc.SocketAttribute.raw_socket).dup()  # noqa: S610 - of no database
        finally:
            with anyio.CancelScope(shield=True):
                await made.aclose()
        return cls(wire)

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

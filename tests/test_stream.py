"""A socket as a stream of anyio: it gives what came and takes all that it is given, however little at a time."""

import socket
from collections.abc import Iterator

import anyio
import anyio.lowlevel
import pytest

from fluxkit._engine.stream import Stream

each_backend = pytest.mark.parametrize("backend", ["asyncio", "trio"])

LARGE = bytes(range(256)) * 8192  # 2 MB: more than two sockets hold


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


@each_backend
def test_more_than_a_socket_holds_is_sent_as_the_other_side_reads(
    backend: str, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = map(Stream, ends)
    heard = bytearray()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(ours.send, LARGE)
            while len(heard) < len(LARGE):
                heard.extend(await theirs.receive(100_000))

    anyio.run(main, backend=backend)
    assert LARGE == heard


@each_backend
def test_the_other_side_says_that_it_has_ended_and_may_still_listen(
    backend: str, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = map(Stream, ends)

    async def main() -> bytes:
        await theirs.send_eof()
        with pytest.raises(anyio.EndOfStream):
            await ours.receive()
        await ours.send(b"all the same")
        return await theirs.receive()

    assert b"all the same" == anyio.run(main, backend=backend)


@each_backend
def test_what_cannot_be_sent_or_read_any_more_is_said_to_be_broken(
    backend: str, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = map(Stream, ends)

    async def main() -> None:
        await ours.send(b"nobody reads this")
        await theirs.aclose()
        with pytest.raises(anyio.BrokenResourceError):
            await ours.receive()
        with pytest.raises(anyio.BrokenResourceError):
            await ours.send(b"nor this")

    anyio.run(main, backend=backend)


@each_backend
def test_a_sending_that_is_cancelled_ends(backend: str, ends: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = map(Stream, ends)

    async def main() -> bool:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await ours.send(LARGE)
        return scope.cancelled_caught

    assert anyio.run(main, backend=backend)


@each_backend
def test_what_is_small_leaves_without_a_turn_of_the_event_loop(
    backend: str, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends

    async def main() -> bool:
        with anyio.CancelScope() as scope:
            scope.cancel()  # whoever comes to a turn would be cancelled there
            await Stream(ours).send(b"small")
        return scope.cancelled_caught

    assert not anyio.run(main, backend=backend)
    assert b"small" == theirs.recv(100)

"""A socket as a stream of anyio: it gives what came and takes all that it is given, however little at a time."""

import socket
from collections.abc import Iterator

import anyio
import anyio.lowlevel
import pytest

from fluxkit._engine import stream
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


@each_backend
def test_a_connection_stays_open_in_both_directions(backend: str) -> None:
    async def main() -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = await Stream.connect("localhost", server.getsockname()[1])
            theirs, _ = server.accept()
            with theirs:
                theirs.settimeout(5)
                await anyio.lowlevel.checkpoint()
                await ours.send(b"asked")
                assert b"asked" == theirs.recv(100)
                theirs.setblocking(False)
                with pytest.raises(BlockingIOError):
                    theirs.recv(100)
                theirs.send(b"answered")
                heard = await ours.receive()
            await ours.aclose()
            return heard

    assert b"answered" == anyio.run(main, backend=backend)


@each_backend
def test_what_refuses_a_connection_says_so(backend: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            anyio.run(Stream.connect, *nobody.getsockname(), backend=backend)


@each_backend
def test_a_host_without_an_address_cannot_be_connected_to(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(stream, "_addresses", none)
    with pytest.raises(OSError, match="the host has no address"):
        anyio.run(Stream.connect, "nowhere.test", 80, backend=backend)


@each_backend
def test_a_name_that_nobody_knows_is_said_as_the_system_says_it(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(stream.anyio, "getaddrinfo", unknown)
    with pytest.raises(socket.gaierror):
        anyio.run(Stream.connect, "nowhere.invalid", 80, backend=backend)


@each_backend
def test_an_address_that_says_nothing_does_not_hold_up_the_next_one(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = (socket.AF_INET, socket.SOCK_STREAM, 0, "", server.getsockname())
        silent = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))
        left: list[bool] = []

        async def two(*_: object) -> list[object]:
            return [silent, answering]

        async def connected(family: int, address: tuple[str, int]) -> socket.socket:
            if address[1] != 1:
                return await connect(family, address)
            try:
                await anyio.sleep_forever()
                raise AssertionError
            finally:
                left.append(True)

        connect = stream._connected
        monkeypatch.setattr(stream, "_addresses", two)
        monkeypatch.setattr(stream, "_connected", connected)
        monkeypatch.setattr(stream, "BESIDE", 0.01)

        async def main() -> tuple[object, object]:
            ours = await Stream.connect("both.test", 80)
            peer = ours.wire.getpeername()
            await ours.aclose()
            return peer, left

        assert (server.getsockname(), [True]) == anyio.run(main, backend=backend)


@each_backend
def test_a_connection_that_is_given_up_leaves_no_socket(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []
    family = socket.socket

    def kept(*given: int) -> socket.socket:
        made.append(family(*given))
        return made[-1]

    async def never(_: object) -> None:
        await anyio.sleep_forever()

    async def main() -> None:
        monkeypatch.setattr(stream.anyio, "wait_writable", never)
        monkeypatch.setattr(stream.socket, "socket", kept)
        with anyio.move_on_after(0.05):
            await Stream.connect("127.0.0.1", port)
        monkeypatch.undo()

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        anyio.run(main, backend=backend)
    assert [-1] == [wire.fileno() for wire in made]

"""Bodies with images in them on real sockets: streamed with their length, sent again whole, and never half believed."""

import base64
import gc
import hashlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx
import pytest
from support.rawserver import Peer, RawServer, answering, http
from support.uploads import BY_FORM, BY_TICKET
from support.ways import WAYS, carried

import fluxkit
from fluxkit._contract.reference import Reference
from fluxkit._contract.request import Request
from fluxkit._engine.clock import SystemClock
from fluxkit._engine.drive import AsyncDriver, Driver
from fluxkit._engine.effects import Call, Lost
from fluxkit._engine.flows import Manner, place_order
from fluxkit._engine.notes import Notes
from fluxkit._engine.place import Place
from fluxkit._engine.secret import Secret
from fluxkit._engine.transport import AsyncTransport, Transport
from fluxkit._wire import body as bodies
from fluxkit._wire.body import Blob, Body, json_body
from fluxkit._wire.plan import make_plan
from fluxkit.errors import Charged, FluxError, ReferenceUnusable, SubmissionUnknown
from fluxkit_providers.magnific import MAGNIFIC

HEAD = b"\x89PNG\r\n\x1a\n"
SIZE = 3_000_000
KEY = "mg-4f1c9e77abce0"
SECRET = Secret(KEY, "x-magnific-api-key")
MANNER = Manner(timeout=20.0, patience=10.0, place=Place(Path()), local=True)

each_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "private name.png"
    path.write_bytes(HEAD + os.urandom(SIZE - 8))
    return path


def buying(url: str, body: bytes | Body, **options: Any) -> Call:
    return Call("POST", url, body=body, origins=[url], buys=True, **options)


class Hasty(SystemClock):
    """A clock on which a wait takes no time."""

    def sleep(self, seconds: float, /) -> None:
        pass

    async def sleep_async(self, seconds: float, /) -> None:
        pass


def order(way: str, plan: Any) -> Any:
    """The task of a plan, or the error that it ends with; and what was noted."""
    notes = Notes()
    if way == "sync":
        transport = Transport(secret=SECRET, local=True)
        try:
            return Driver(transport, Hasty(), notes).run(place_order(plan, MANNER)), notes
        except FluxError as error:
            return error, notes
        finally:
            transport.close()

    async def run() -> Any:
        transport = AsyncTransport(secret=SECRET, local=True)
        try:
            return await AsyncDriver(transport, Hasty(), notes).run(place_order(plan, MANNER))
        except FluxError as error:
            return error
        finally:
            await transport.aclose()

    return anyio.run(run, backend=way), notes


@each_way
def test_a_file_comes_as_the_naive_way_would_send_it_with_its_length(way: str, image: Path) -> None:
    document = {"prompt": "ä", "images": [Blob(Reference.of(image), "data:,"), Blob(Reference.of(image))]}
    with RawServer(answering(http(body=b"{}"))) as server:
        carried(way, buying(server.url, json_body(document)), secret=SECRET)
    text = base64.b64encode(image.read_bytes()).decode()
    naive = json.dumps({"prompt": "ä", "images": [f"data:,{text}", text]}, ensure_ascii=False, separators=(",", ":"))
    (heard,) = server.heard
    assert hashlib.sha256(naive.encode()).digest() == hashlib.sha256(heard.body).digest()
    assert str(len(naive.encode())) == heard.headers["content-length"]
    assert "transfer-encoding" not in heard.headers


@each_way
def test_a_submit_that_is_tried_again_sends_all_of_it_again(way: str, image: Path) -> None:
    busy = http(503, json.dumps({"message": "Service Unavailable. Please try again later."}).encode(), retry_after="0")
    bought = http(body=json.dumps({"data": {"task_id": "7", "status": "CREATED"}}).encode())
    with RawServer(answering(lambda _: busy if len(server.heard) < 2 else bought)) as server:
        plan = make_plan(MAGNIFIC, "flux-2-pro", Request("a", references=[image]), base_url=server.url)
        task, _ = order(way, plan)
    assert "7" == task.id
    first, second = server.heard
    assert first.body == second.body
    assert image.read_bytes() == base64.b64decode(json.loads(second.body)["input_image"])


@each_way
def test_a_service_that_refuses_before_it_has_all_is_heard(way: str, image: Path) -> None:
    def script(peer: Peer) -> None:
        peer.wire.recv(1000)
        peer.say(http(413, b'{"message": "too large"}', connection="close"))
        peer.wire.shutdown(socket.SHUT_WR)
        peer.pause(0.05)

    with RawServer(script) as server:
        plan = make_plan(MAGNIFIC, "flux-2-pro", Request("a", references=[image] * 4), base_url=server.url)
        error, _ = order(way, plan)
    # Where the refusal itself is lost to the reset, it is not known what became of the submit, and that is said.
    assert isinstance(error, fluxkit.Rejected | SubmissionUnknown)


@each_way
def test_a_service_that_does_not_read_is_waited_for_no_longer_than_patience(way: str, image: Path) -> None:
    with RawServer(Peer.hang) as server, pytest.raises(Lost, match=r"was not done within 0\.3 s"):
        body = json_body([Blob(Reference.of(image))] * 8)
        carried(way, buying(server.url, body, patience=0.3), secret=SECRET)


@each_way
def test_a_file_that_changed_before_anything_left_is_a_reference_that_cannot_be_used(way: str, image: Path) -> None:
    with RawServer(answering(http(body=b"{}"))) as server:
        plan = make_plan(MAGNIFIC, "flux-2-pro", Request("a", references=[image]), base_url=server.url)
        image.write_bytes(HEAD)
        error, notes = order(way, plan)
    assert isinstance(error, ReferenceUnusable)
    assert (Charged.NO, [], ["intent", "refused"]) == (error.charged, server.heard, [note.kind for note in notes.kept])
    assert "private name.png' has changed" in str(error)


@each_way
@pytest.mark.parametrize("size", [100, SIZE - 1, SIZE + 1])
def test_a_file_that_changes_while_it_leaves_makes_the_fate_unknown(way: str, image: Path, size: int) -> None:
    """The server holds the body up until the file has another size; its end never comes, so nothing can be believed."""

    def script(peer: Peer) -> None:
        peer.wire.recv(10, socket.MSG_PEEK)
        os.truncate(image, size)
        peer.hear()

    with RawServer(script) as server:
        plan = make_plan(MAGNIFIC, "flux-2-pro", Request("a", references=[image] * 4), base_url=server.url)
        error, notes = order(way, plan)
    assert isinstance(error, SubmissionUnknown)
    assert ["intent", "unknown"] == [note.kind for note in notes.kept]
    assert "may have been bought" in str(error)
    assert KEY not in str(error)
    assert [] == server.heard


@each_way
def test_no_file_stays_open_when_a_call_ends_early(way: str, image: Path) -> None:
    with RawServer(Peer.drop) as server, pytest.raises(FluxError):
        carried(way, buying(server.url, json_body([Blob(Reference.of(image))] * 4)), secret=SECRET)
    gc.collect()
    if (links := Path("/proc/self/fd")).exists():
        assert str(image) not in {str(link.readlink()) for link in links.iterdir() if link.is_symlink()}


@pytest.mark.parametrize("way", ["asyncio", "trio"])
def test_an_event_loop_does_not_read_files_itself(way: str, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()
    read = bodies._read

    def noting(reference: Reference) -> Iterator[bytes]:
        for piece in read(reference):
            threads.add(threading.get_ident())
            yield piece

    monkeypatch.setattr(bodies, "_read", noting)
    with RawServer(answering(http(body=b"{}"))) as server:
        carried(way, buying(server.url, json_body([Blob(Reference.of(image))])), secret=SECRET)
    assert threads
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("way", ["asyncio", "trio"])
def test_a_cancelled_upload_lets_go_of_its_file(way: str, image: Path) -> None:
    body = Body([Reference.of(image)] * 4)

    async def run(url: str) -> None:
        transport = AsyncTransport(secret=SECRET)
        with anyio.move_on_after(0.2) as scope:
            await transport.call(Call("POST", url, body=body, origins=[url]))
        assert scope.cancelled_caught
        await transport.aclose()

    with RawServer(Peer.hang) as server:
        anyio.run(run, server.url, backend=way)
    gc.collect()
    if (links := Path("/proc/self/fd")).exists():
        assert str(image) not in {str(link.readlink()) for link in links.iterdir() if link.is_symlink()}


# Uploads


@each_way
def test_uploads_go_by_form_to_the_service_with_the_key_and_without_the_name(way: str, image: Path) -> None:
    said = {"/v1/uploads/images": {"url": "https://upload.example/1.png"}}
    bought = {"code": 200, "data": [{"status": "submitted", "task_id": "7"}]}
    with RawServer(answering(lambda heard: http(body=json.dumps(said.get(heard.target, bought)).encode()))) as server:
        plan = make_plan(BY_FORM, "flux-2-pro", Request("a", references=[image]), base_url=server.url)
        task, notes = order(way, plan)
    assert "7" == task.id
    upload, submit = server.heard
    assert image.read_bytes() in upload.body
    assert b"private" not in upload.body
    assert (KEY, KEY) == (upload.headers["x-magnific-api-key"], submit.headers["x-magnific-api-key"])
    assert ["https://upload.example/1.png"] == json.loads(submit.body)["image_urls"]
    assert ["uploaded", "intent", "accepted"] == [note.kind for note in notes.kept]


@each_way
def test_a_put_goes_where_the_ticket_says_with_its_headers_and_no_key(way: str, image: Path) -> None:
    with RawServer(answering(http(201))) as storage:
        file = {
            "upload_url": f"{storage.url}/put?sig=a~b==",
            "headers": {"Content-Type": "image/png", "x-goog-meta": "1"},
            "asset_url": "https://upload.example/1.png",
        }
        said = {"/v1/ai/uploads/request-url": {"files": [file]}}
        bought = {"code": 200, "data": [{"status": "submitted", "task_id": "7"}]}
        with RawServer(
            answering(lambda heard: http(body=json.dumps(said.get(heard.target, bought)).encode()))
        ) as server:
            plan = make_plan(BY_TICKET, "flux-2-pro", Request("a", references=[image]), base_url=server.url)
            task, _ = order(way, plan)
    assert "7" == task.id
    (put,) = storage.heard
    assert ("PUT", "/put?sig=a~b==", image.read_bytes()) == (put.method, put.target, put.body)
    assert {"content-type": "image/png", "x-goog-meta": "1", "content-length": str(SIZE)}.items() <= put.headers.items()
    assert KEY not in str(put.headers)
    assert b'{"files":[{"content_type":"image/png"}]}' == server.heard[0].body


def test_a_put_never_leads_to_this_machine_while_the_service_is_elsewhere(image: Path) -> None:
    with RawServer(answering(http(201))) as storage:
        call = Call("PUT", f"{storage.url}/put", body=Body([Reference.of(image)]), keyed=False)
        with pytest.raises(FluxError, match="Nothing was sent to"):
            carried("sync", call, secret=SECRET)
        assert 0 == storage.connections


# A mock in this process


@pytest.mark.parametrize("way", WAYS)
def test_a_mock_in_this_process_gets_the_whole_body(way: str, image: Path) -> None:
    came: list[bytes] = []

    class Inner(httpx.BaseTransport, httpx.AsyncBaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            came.append(request.read())
            return httpx.Response(200, json={})

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            came.append(await request.aread())
            return httpx.Response(200, json={})

    body = json_body({"image": Blob(Reference.of(image))})
    carried(way, buying("http://mock.test/", body), secret=SECRET, inner=Inner(), local=True)
    assert [bytes(body)] == came


def test_a_client_on_a_mock_sends_files(image: Path, tmp_path: Path) -> None:
    with fluxkit.Client("magnific:flux-2-klein", mock=True, spool=tmp_path) as client:
        result = client.generate("in the style of the first", references=[image, image.read_bytes(), str(image)])
    assert "sent as base64" == result.report["references"].note
    assert result.images[0].path is not None


@pytest.mark.parametrize("change", ["vanish", "grow"])
def test_a_file_that_changed_never_reaches_a_mock(image: Path, change: str, tmp_path: Path) -> None:
    request = Request("a cat", references=[image])
    image.unlink() if change == "vanish" else image.write_bytes(HEAD + bytes(SIZE))
    with (
        fluxkit.Client("magnific:flux-2-klein", mock=True, spool=tmp_path) as client,
        pytest.raises(ReferenceUnusable) as caught,
    ):
        client.generate(request)
    assert Charged.NO is caught.value.charged


def test_a_mocked_client_asks_no_plugin_and_a_real_one_does(monkeypatch: pytest.MonkeyPatch, image: Path) -> None:
    class Registry:
        def host_image(self, image: Reference) -> Any:
            raise AssertionError("nothing leaves this machine")

        hosts_images: Callable[[], bool] = lambda self: True

    monkeypatch.setattr("fluxkit._plugins.installed", Registry)
    monkeypatch.setattr("fluxkit._binding.named", lambda _: (provider, provider.models[0]))
    provider = attrs.evolve(BY_FORM, upload=None)
    mocked = fluxkit.Client("apimart:flux-2-flex", mock=True)
    with pytest.raises(fluxkit.Unsupported):
        mocked.plan("a cat", references=[image])
    assert mocked._hosting(Reference.of(image)) is None
    real = fluxkit.Client("apimart:flux-2-flex", key="k" * 20)
    assert real.plan("a cat", references=[image]).pending
    with pytest.raises(AssertionError):
        real._hosting(Reference.of(image))

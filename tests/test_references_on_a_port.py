"""References from the client's door to a mock on a port: by base64, by form, by ticket and fetched first.

Whatever goes wrong before the submit buys nothing, what was uploaded once is not uploaded again, and the key goes to
the service alone.
"""

import base64
import hashlib
import json
import logging
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from PIL import Image
from support.rawserver import Peer, RawServer, http
from support.ways import WAYS

import fluxkit
from fluxkit import FluxError, Reference
from fluxkit._engine import settle as settling
from fluxkit._engine import submit as submitting
from fluxkit._plugins import installed
from fluxkit.errors import Charged
from fluxkit_mockserver import MockService
from fluxkit_mockserver.answer import Answer, Drop, Incoming
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.exchange import Exchange
from fluxkit_mockserver.server import Server

KLEIN, KONTEXT, FLEX = "magnific:flux-2-klein", "magnific:flux-kontext-pro", "apimart:flux-2-flex"
MODELS = (KLEIN, KONTEXT, FLEX)

pytestmark = pytest.mark.slow

each_way = pytest.mark.parametrize("way", WAYS)
each_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("FLUXKIT_"):
            monkeypatch.delenv(name)


class Scripted(MockService):
    """A mock that answers otherwise where a script says so: by the beginning of method and path."""

    def script(self, where: str, *answers: Answer) -> None:
        self.scripted = {**getattr(self, "scripted", {}), where: list(answers)}

    def handle(self, call: Incoming) -> Answer | Drop:
        if call.method == "POST":
            self.digests = [*getattr(self, "digests", []), hashlib.sha256(call.body).hexdigest()]
        for where, answers in getattr(self, "scripted", {}).items():
            if answers and f"{call.method} {call.path}".startswith(where):
                self.exchanges.keep(Exchange(call.method, call.path, answers[0].status, 0.0))
                return answers[0] if len(answers) == 1 else answers.pop(0)
        return super().handle(call)


@pytest.fixture
def server() -> Iterator[Server]:
    providers = [installed().provider(name) for name in ("magnific", "apimart")]
    with Server(Scripted(providers, clock=WallClock(speed=100))) as running:
        yield running


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "private name.png"
    Image.effect_noise((300, 200), 90).save(path)
    return path


def make(way: str, model: str, server: Server, *, to: Path, n: int = 1, base_url: str = "", **settings: Any) -> Any:
    """The result, or the error, of one image by *way*."""
    fields = {name: settings.pop(name) for name in ("references", "seed", "timeout") if name in settings}
    settings = {"key": server.service.key, "base_url": base_url or server.base_url(model.partition(":")[0]), **settings}
    try:
        if way == "sync":
            with fluxkit.Client(model, **settings) as client:
                return client.generate("like this", n=n, to=to, **fields)

        async def run() -> Any:
            async with fluxkit.AsyncClient(model, **settings) as client:
                return await client.generate("like this", n=n, to=to, **fields)

        return anyio.run(run, backend=way)
    except FluxError as error:
        return error


def posts(server: Server) -> list[str]:
    return [f"{each.method} {each.path}" for each in server.service.exchanges if each.method != "GET"]


@each_way
@each_model
def test_a_file_is_what_the_service_draws_from_and_goes_up_once_for_all_images(
    model: str, way: str, server: Server, image: Path, tmp_path: Path
) -> None:
    result = make(way, model, server, to=tmp_path / "made.png", n=2, references=[image, image][: 1 + (model == FLEX)])
    assert (2, ()) == (len(result.images), result.errors)
    mock = server.service
    assert (2, ()) == (mock.billed, mock.leaks)
    assert [image.read_bytes()] * (model != KLEIN) == [each.content for each in mock.uploads]
    assert {image.read_bytes()} == {each for task in mock.tasks for each in task.references}
    for task in result.tasks:
        assert "private name" not in task.to_json()
        assert base64.b64encode(image.read_bytes()[:30]).decode() not in task.to_json()


# Refusals before the submit

FORM, TICKET, PUT = "POST /apimart/v1/uploads", "POST /magnific/v1/ai/uploads", "PUT /__mock__/uploads"
SUBMITS = ("POST /apimart/v1/images", "POST /magnific/v1/ai/text-to-image", "POST /magnific/v1/ai/image")


def said(status: int, document: Any = None, **headers: str) -> Answer:
    return Answer(status, json.dumps(document).encode(), {"content-type": "application/json", **headers})


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait before another try takes no time."""
    monkeypatch.setattr(settling, "backoff", lambda *_: 0.001)
    monkeypatch.setattr(submitting, "backoff", lambda *_: 0.001)


@each_way
@pytest.mark.parametrize(
    ("model", "where", "answer", "kind", "tries"),
    [
        (FLEX, FORM, said(413, {"error": {"code": 413, "message": "large"}}), "Rejected", 1),
        (FLEX, FORM, said(400, {"error": {"code": 400, "message": "type"}}), "Rejected", 1),
        (FLEX, FORM, said(401, {"error": {"code": 401, "message": "key"}}), "Unauthorized", 1),
        (FLEX, FORM, said(402, {"error": {"code": 402, "message": "money"}}), "OutOfCredit", 1),
        (FLEX, FORM, said(500, {"error": {"code": 500, "message": "oh"}}), "Broken", 5),
        (FLEX, FORM, said(502), "Broken", 5),
        (FLEX, FORM, said(200, {"url": None}), "ContractError", 1),
        (FLEX, FORM, said(200, {"url": "https://user:word@x.example/a"}), "ContractError", 1),
        (FLEX, FORM, said(307, None, location="http://127.0.0.1:9/x"), "ContractError", 1),
        (KONTEXT, TICKET, said(401, {"message": "no"}), "Unauthorized", 1),
        (KONTEXT, TICKET, said(200, {"files": []}), "ContractError", 1),
        (KONTEXT, PUT, said(403), "Rejected", 1),
        (KONTEXT, PUT, said(503), "Broken", 5),
        (KONTEXT, PUT, said(307, None, location="http://127.0.0.1:9/x"), "Rejected", 1),
    ],
)
@pytest.mark.usefixtures("hasty")
def test_an_upload_that_is_refused_buys_nothing_and_says_so(
    way: str, model: str, where: str, answer: Answer, kind: str, tries: int, server: Server, image: Path, tmp_path: Path
) -> None:
    server.service.script(where, answer)
    error = make(way, model, server, to=tmp_path / "made.png", references=[image])
    assert (kind, Charged.NO) == (type(error).__name__, error.charged)
    assert (0, ()) == (server.service.billed, server.service.leaks)
    assert tries == sum(post.startswith(where) for post in posts(server))
    assert not [post for post in posts(server) if post.startswith(SUBMITS)]
    shown = f"{error}{error!r}{error.reply}{pickle.loads(pickle.dumps(error))!r}"
    assert server.service.key not in shown
    assert "private name" not in shown
    assert not (tmp_path / "made.png").exists()


@each_way
@pytest.mark.parametrize(
    "ticket",
    [
        {"upload_url": "ftp://x.example/a", "asset_url": "https://x.example/a", "headers": {}},
        {"upload_url": "https://u:p@x.example/a", "asset_url": "https://x.example/a", "headers": {}},
        {"upload_url": "https://x.example/a", "asset_url": "javascript:x", "headers": {}},
        {"upload_url": "https://x.example/a", "asset_url": "https://x.example/a", "headers": {"Host": "y"}},
        {"upload_url": "https://x.example/a", "asset_url": "https://x.example/a", "headers": {"a": "b\r\nc: d"}},
        {"upload_url": "https://x.example/a", "asset_url": "https://x.example/a", "headers": {"a:b": "c"}},
        {"upload_url": "https://x.example/a", "asset_url": "https://x.example/a", "headers": {"a": 5}},
        {"upload_url": "https://x.example/a", "asset_url": "https://x.example/a", "headers": "a: b"},
        {"upload_url": {"a": 1}, "asset_url": ["https://x.example/a"], "headers": {}},
    ],
)
def test_a_ticket_that_leads_astray_is_not_used(
    way: str, ticket: dict[str, Any], server: Server, image: Path, tmp_path: Path
) -> None:
    server.service.script(TICKET, said(200, {"files": [ticket]}))
    error = make(way, KONTEXT, server, to=tmp_path / "made.png", references=[image])
    assert ("ContractError", Charged.NO) == (type(error).__name__, error.charged)
    assert (1, 0) == (len(posts(server)), server.service.billed)


@each_way
def test_the_key_stays_with_the_service_wherever_a_ticket_leads(
    way: str, server: Server, image: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def elsewhere(peer: Peer) -> None:
        while peer.hear() is not None:
            peer.say(http(200, b"", set_cookie="session=1"))

    with RawServer(elsewhere) as other:
        ticket = {"upload_url": f"{other.url}/put?signature=x", "headers": {"content-type": "image/png"}}
        server.service.script(TICKET, said(200, {"files": [{**ticket, "asset_url": "https://x.example/a.png"}]}))
        result = make(way, KONTEXT, server, to=tmp_path / "made.png", references=[image])
    (heard,) = other.heard
    assert ("PUT", image.read_bytes()) == (heard.method, heard.body)
    assert server.service.key not in str(heard.headers)
    assert {"content-type", "content-length", "host", "accept", "accept-encoding", "user-agent"} >= heard.headers.keys()
    assert (1, 1, ()) == (len(result.images), server.service.billed, server.service.leaks)
    for secret in (server.service.key, "private name", "signature=x"):
        assert re.search(rf"\b{secret}\b", caplog.text) is None  # a word of its own: paths of tests hold the key, too


# What happens after the upload


@each_way
@pytest.mark.parametrize("model", [FLEX, KONTEXT])
@pytest.mark.usefixtures("hasty")
def test_a_submit_that_is_refused_for_now_does_not_upload_again(
    way: str, model: str, server: Server, image: Path, tmp_path: Path
) -> None:
    server.service.fault("503", times=2)
    result = make(way, model, server, to=tmp_path / "made.png", references=[image])
    assert (1, 1) == (len(result.images), server.service.billed)
    assert (1, 3) == (len(server.service.uploads), sum(post.startswith(SUBMITS) for post in posts(server)))


@each_way
@each_model
def test_a_submit_whose_answer_is_lost_after_an_upload_is_not_sent_again(
    way: str, model: str, server: Server, image: Path, tmp_path: Path
) -> None:
    server.service.fault("accepted-then-dropped")
    error = make(way, model, server, to=tmp_path / "made.png", references=[image])
    assert ("SubmissionUnknown", Charged.UNKNOWN) == (type(error).__name__, error.charged)
    assert (1, 1) == (server.service.billed, sum(post.startswith(SUBMITS) for post in posts(server)))
    assert (model != KLEIN) == len(server.service.uploads)


@each_way
@each_model
def test_a_file_that_changed_since_its_reference_was_made_never_leaves(
    way: str, model: str, server: Server, image: Path, tmp_path: Path
) -> None:
    reference = Reference(file=image)
    Image.new("RGB", (301, 200), "red").save(image)
    error = make(way, model, server, to=tmp_path / "made.png", references=[reference])
    assert ("ReferenceUnusable", Charged.NO) == (type(error).__name__, error.charged)
    assert "has changed since" in error.message
    assert 0 == server.service.billed
    assert not [post for post in posts(server) if not post.startswith(TICKET)]


# References that are fetched first


@each_way
def test_an_address_is_fetched_from_hosts_that_are_allowed_without_the_key(
    way: str, server: Server, image: Path, tmp_path: Path
) -> None:
    content = image.read_bytes()

    def pictures(peer: Peer) -> None:
        while (heard := peer.hear()) is not None:
            moved = http(302, b"", location="/b.png", set_cookie="session=1")
            peer.say(moved if heard.target == "/a.png" else http(200, content))

    with RawServer(pictures) as other:
        url = f"{other.url}/a.png"
        error = make(way, KLEIN, server, to=tmp_path / "made.png", references=[url])
        assert ("Unsupported", 0) == (type(error).__name__, len(other.heard))
        settings = {"references": [url], "allow_hosts": ["127.0.0.1"]}
        result = make(way, KLEIN, server, to=tmp_path / "made.png", n=2, **settings)
    assert ["/a.png", "/b.png"] == [heard.target for heard in other.heard]
    assert server.service.key not in str([heard.headers for heard in other.heard])
    assert "cookie" not in other.heard[1].headers
    assert (2, 2, ()) == (len(result.images), server.service.billed, server.service.leaks)
    assert {content} == {each for task in server.service.tasks for each in task.references}


@each_way
def test_what_the_mock_made_is_a_reference_to_it(way: str, server: Server, tmp_path: Path) -> None:
    first = make(way, KLEIN, server, to=tmp_path / "first.png")
    second = make(way, KLEIN, server, to=tmp_path / "second.png", references=[first.images[0].url])
    assert (1, 2) == (len(second.images), server.service.billed)


# Time and cancellation


def deaf(peer: Peer) -> None:
    """Reads a little, and no more."""
    peer.wire.recv(100)
    peer.hang()


@each_way
@pytest.mark.parametrize("model", [FLEX, KONTEXT])
def test_an_upload_that_nobody_answers_ends_with_the_request_and_buys_nothing(
    way: str, model: str, server: Server, image: Path, tmp_path: Path
) -> None:
    with RawServer(deaf) as service:
        error = make(
            way, model, server, to=tmp_path / "made.png", base_url=service.url, references=[image], timeout=0.5
        )
    assert ("ReferenceUnusable", Charged.NO, True) == (type(error).__name__, error.charged, error.retry)


@pytest.mark.parametrize("way", ["asyncio", "trio"])
@pytest.mark.parametrize("model", [FLEX, KONTEXT])
def test_a_cancelled_upload_buys_nothing_and_leaves_nothing(way: str, model: str, image: Path, tmp_path: Path) -> None:
    Image.effect_noise((2000, 2000), 90).save(image)
    begun = threading.Event()
    notes = []

    def script(peer: Peer) -> None:
        peer.wire.recv(100)
        begun.set()
        peer.hang()

    async def run(url: str) -> None:
        async with fluxkit.AsyncClient(model, key="mg-4f1c9e77abce0", base_url=url, listener=notes.append) as client:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(lambda: client.generate("a", references=[image], to=tmp_path / "made.png"))
                    await anyio.to_thread.run_sync(begun.wait)
                    scope.cancel()
        assert scope.cancelled_caught

    with RawServer(script) as service:
        anyio.run(run, service.url, backend=way)
    assert ([], [image.name]) == (notes, [each.name for each in tmp_path.iterdir()])


@pytest.mark.parametrize("model", [FLEX, KONTEXT])
def test_ctrl_c_during_an_upload_buys_nothing(model: str, image: Path, tmp_path: Path) -> None:
    image.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(9_000_000))
    notes: list[Any] = []

    def script(peer: Peer) -> None:
        came = len(peer.wire.recv(100))
        while came < (1_000_000 if model == FLEX else 100):  # the file is open, and it is being sent
            came += len(peer.wire.recv(65536))
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # where Ctrl-C is heard
        peer.hang()

    settings: dict[str, Any] = {"key": "mg-4f1c9e77abce0", "listener": notes.append}
    with (
        RawServer(script) as service,
        fluxkit.Client(model, base_url=service.url, **settings) as client,
        pytest.raises(KeyboardInterrupt),
    ):
        client.generate("a", references=[image], to=tmp_path / "made.png", timeout=30)
    assert ([], [image.name]) == (notes, [each.name for each in tmp_path.iterdir()])


# Large ones

MEASURED = """
import resource, sys
from pathlib import Path
import fluxkit

url, key, to, *files = sys.argv[1:]
STATUS = Path("/proc/self/status")


def peak():
    if STATUS.exists():
        return int(STATUS.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


with fluxkit.Client("magnific:flux-2-pro", key=key, base_url=url) as client:
    client.generate("like this", to=to, references=files[:1])
    if STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")  # the peak of a parent, and of imports, counts otherwise
    before = peak()
    client.generate("like this", to=to, references=files[1:])
    print(peak() - before)
"""


def test_four_files_of_10_mb_cost_no_memory_and_come_as_the_naive_way_would_send_them(
    server: Server, image: Path, tmp_path: Path
) -> None:
    files = [tmp_path / f"{number}.png" for number in range(4)]
    for number, file in enumerate(files):
        file.write_bytes(b"\x89PNG\r\n\x1a\n" + random.Random(number).randbytes(9_999_992))
    where = (server.base_url("magnific"), server.service.key, str(tmp_path / "made.png"))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *where, str(image), *map(str, files)],
        env={**os.environ, "MALLOC_ARENA_MAX": "2"},
        stdout=subprocess.PIPE,
        check=True,
    )
    contents = [file.read_bytes() for file in files]
    slots = ("input_image", "input_image_2", "input_image_3", "input_image_4")
    texts = (base64.b64encode(content).decode() for content in contents)
    naive = {"prompt": "like this", **dict(zip(slots, texts, strict=True)), "width": 1024, "height": 768}
    body = json.dumps(naive, separators=(",", ":")).encode()
    assert hashlib.sha256(body).hexdigest() == server.service.digests[-1]
    *_, last = server.service.tasks
    assert (2, contents) == (server.service.billed, list(last.references))
    assert int(done.stdout) < 0.1 * len(body)

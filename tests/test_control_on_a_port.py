"""The control over a socket: who may use it, what bad and slow clients do to others, and events as they happen."""

import contextlib
import errno
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Self

import anyio
import httpx
import pytest

from fluxkit.errors import SettingsError
from fluxkit_mockserver import events, feed, intake
from fluxkit_mockserver.answer import Incoming
from fluxkit_mockserver.control.guard import Guard
from fluxkit_mockserver.server import Server, token_for
from fluxkit_mockserver.service import MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"
KEY = {"x-magnific-api-key": "test"}
BODY = {"prompt": "a fox"}
TOKEN = "a-token-of-length"


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with Server(MockService([MAGNIFIC, APIMART], progression="at once")) as server:
        yield server


@pytest.fixture
def mock(running: Server) -> MockService:
    running.service.reset()
    return running.service


@pytest.fixture(scope="module")
def web(running: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, trust_env=False, timeout=10) as client:
        yield client


def dial(running: Server) -> socket.socket:
    url = httpx.URL(running.url)
    return socket.create_connection((url.host, url.port or 80), timeout=10)


def heard(line: socket.socket) -> bytes:
    """What comes until the other side closes."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while piece := line.recv(65536):
            said += piece
    return said


# Who may use it.


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"host": "evil.example"}, "The host is 'evil.example', which is not this machine."),
        ({"host": "127.0.0.1.evil.example:4010"}, "The host is '127.0.0.1.evil.example'"),
        ({"host": "10.0.0.1"}, "The host is '10.0.0.1'"),
        ({"host": ""}, "The host is ''"),
        ({"host": "["}, "The host is ''"),
        ({"origin": "https://evil.example"}, "The call comes from a page of 'https://evil.example'"),
        ({"origin": "null"}, "The call comes from a page of 'null'"),
        ({"origin": "http://127.0.0.1:1"}, "The call comes from a page of 'http://127.0.0.1:1'"),
        ({"sec-fetch-site": "cross-site"}, "The call comes from a page of another site (cross-site)"),
    ],
)
def test_calls_by_other_names_and_from_other_pages_are_refused(
    mock: MockService, web: httpx.Client, headers: dict[str, str], said: str
) -> None:
    mock.fault("503")
    for path in ("/__mock__/reset", "/@a/__mock__/reset", "/%40a/__mock__/reset"):
        answer = web.post(path, headers=headers)
        assert (403, True) == (answer.status_code, said in answer.json()["message"])
    assert 1 == len(mock.faults)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "localhost:4010"},
        {"host": "mock.localhost"},
        {"host": "[::1]:4010"},
        {"host": "127.0.0.1:7", "origin": "http://127.0.0.1:7"},
        {"sec-fetch-site": "same-origin"},
    ],
)
def test_this_machine_and_pages_of_the_mock_may_use_it(web: httpx.Client, headers: dict[str, str]) -> None:
    assert 200 == web.post("/__mock__/reset", headers=headers).status_code


def test_services_and_pictures_are_for_everybody(mock: MockService, web: httpx.Client) -> None:
    foreign = {"host": "mock:4010", "origin": "https://evil.example"}
    task = web.post(KLEIN, json=BODY, headers={**KEY, **foreign}).json()["data"]["task_id"]
    link = httpx.URL(web.get(f"{KLEIN}/{task}", headers={**KEY, **foreign}).json()["data"]["generated"][0])
    assert "mock:4010" == link.netloc.decode()
    assert 200 == web.get(link.raw_path.decode(), headers=foreign).status_code


def test_beyond_this_machine_the_control_needs_a_token() -> None:
    with Server(MockService([MAGNIFIC]), host="0.0.0.0") as open_to_all, httpx.Client(trust_env=False) as web:
        token = open_to_all.token or ""
        assert len(token) > 30
        url = f"{open_to_all.url}/__mock__/billed"
        assert url.startswith("http://127.0.0.1:")
        refused = web.get(url)
        assert (401, "needs its token" in refused.text) == (refused.status_code, True)
        assert 401 == web.get(url, headers={"x-fluxkit-token": token[:-1]}).status_code
        for headers in (
            {"x-fluxkit-token": token},
            {"authorization": f"Bearer {token}"},
            {"x-fluxkit-token": token, "host": "mock:1"},
        ):
            assert 200 == web.get(url, headers=headers).status_code
        assert 200 == web.get(url, params={"token": token}).status_code
        assert 403 == web.get(url, headers={"x-fluxkit-token": token, "origin": "https://evil.example"}).status_code
        assert 200 == web.post(open_to_all.url + KLEIN, json=BODY, headers=KEY).status_code


def test_a_token_is_asked_for_where_one_is_given() -> None:
    assert TOKEN == token_for("127.0.0.1", TOKEN)
    assert token_for("localhost", None) is None
    assert token_for("::", None) != token_for("::", None)
    call = Incoming("GET", "/__mock__/billed", {}, {}, b"", "http://127.0.0.1:1")
    refused = Guard(TOKEN).refuse(call)
    assert refused is not None
    assert (401, True) == (refused.status, TOKEN.encode() not in refused.body)
    assert TOKEN not in repr(Guard(TOKEN))


@pytest.mark.parametrize("token", ["short", "with a blank ", "ümlaut-token", "line\nbreaks", ""])
def test_a_token_that_cannot_be_sent_is_refused(token: str) -> None:
    with pytest.raises(SettingsError, match="Allowed: 8 or more printable ASCII characters"):
        Server(MockService([]), token=token)


def test_an_address_of_another_machine_is_said_to_be_none() -> None:
    with (
        pytest.raises(OSError, match=r"192\.0\.2\.1 is no address of this machine") as caught,
        Server(MockService([]), host="192.0.2.1"),
    ):
        pass
    assert errno.EADDRNOTAVAIL == caught.value.errno


# Bad and slow clients.


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST " + KLEIN.encode() + b" HTTP/1.1\r\nhost: a\r\ncontent-length: minus\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * 2_000_000,
    ],
    ids=["noise", "no target", "no version", "no text", "no length", "long target", "long header"],
)
def test_what_is_no_http_is_answered_and_the_server_lives_on(running: Server, web: httpx.Client, said: bytes) -> None:
    with dial(running) as line:
        with contextlib.suppress(OSError):  # it is refused, and perhaps closed, before all of it was sent
            line.sendall(said)
            line.shutdown(socket.SHUT_WR)
        assert heard(line).startswith((b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 431")) or b"x: " in said
    assert 200 == web.get("/__mock__/billed").status_code


@pytest.mark.slow
def test_a_body_of_100_mb_is_refused_and_none_of_it_is_kept(mock: MockService, running: Server) -> None:
    """With a length, at once; in chunks, when it is too much; and at the control as well."""
    piece, url = b"x" * 1_048_576, httpx.URL(running.url)
    for path, headers in ((KLEIN, KEY), ("/__mock__/clock", {"content-type": "application/json"})):
        line = http.client.HTTPConnection(url.host, url.port, timeout=30)
        line.request(
            "POST", path, body=iter([piece] * 101), headers={**headers, "content-length": str(101 * len(piece))}
        )
        answer = line.getresponse()
        assert (413, True) == (answer.status, b"has more than 1000000" in answer.read())
        line.close()
    line = http.client.HTTPConnection(url.host, url.port, timeout=30)
    line.request(
        "POST",
        "/__mock__/clock",
        body=iter([piece] * 2),
        headers={"content-type": "application/json"},
        encode_chunked=True,
    )
    assert 413 == line.getresponse().status
    line.close()
    assert (0, [413]) == (mock.billed, [each.status for each in mock.exchanges])


def test_a_client_that_drips_blocks_nobody_and_is_sent_away(
    running: Server, web: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "PIECE_PATIENCE", 0.05)
    head = f"POST {KLEIN} HTTP/1.1\r\nhost: a\r\nx-magnific-api-key: test\r\ncontent-length: 1000\r\n\r\n{{"
    with dial(running) as line:
        line.sendall(head.encode())
        assert 200 == web.post(KLEIN, json=BODY, headers=KEY).status_code
        answer = heard(line)
    assert answer.startswith(b"HTTP/1.1 408")
    assert answer.endswith(b"The body did not come in time.\n")


def test_a_client_that_never_ends_its_head_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fluxkit_mockserver.line.HEAD_PATIENCE", 0.05)
    with Server(MockService([MAGNIFIC])) as running:
        with dial(running) as line:  # says nothing at all
            assert heard(line).startswith(b"HTTP/1.1 408 Request Timeout")
        with dial(running) as line:  # a whole one, and half of another
            line.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HT")
            answers = heard(line)
    assert answers.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in answers


def test_a_client_that_leaves_in_the_middle_of_its_body_is_forgotten(
    mock: MockService, running: Server, web: httpx.Client
) -> None:
    with dial(running) as line:
        line.sendall(f"POST {KLEIN} HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n{{".encode())
    assert 200 == web.get("/__mock__/billed").status_code
    assert [] == [*mock.exchanges]


# Events.


class Viewer:
    """Somebody who watches, as an EventSource does."""

    def __init__(self, running: Server, path: str = "/__mock__/events", **headers: str) -> None:
        self._line = dial(running)
        fields = "".join(f"{name}: {value}\r\n" for name, value in {"host": "localhost", **headers}.items())
        self._line.sendall(f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode())
        self._file = self._line.makefile("rb")
        self.head = b"".join(iter(self._file.readline, b"\r\n")).decode()

    def __enter__(self) -> Self:
        assert ": here is what happens" in self.lines()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._line.close()

    def lines(self) -> list[str]:
        """The lines of the next event or comment."""
        told = list[str]()
        while line := self._file.readline().decode():
            line = line.rstrip("\r\n")
            if not line and told:
                return told
            if line and not all(each in "0123456789abcdef" for each in line):  # the sizes of chunks
                told.append(line)
        return told

    def event(self) -> tuple[str, str, Any]:
        """The id, the name and the content of the next event."""
        told = dict(line.split(": ", 1) for line in self.lines())
        return told["id"], told["event"], json.loads(told["data"])


def test_what_happens_is_seen_as_it_happens_by_all_who_watch(
    mock: MockService, running: Server, web: httpx.Client
) -> None:
    with Viewer(running) as one, Viewer(running) as other:
        assert "text/event-stream" in one.head
        task = web.post(KLEIN, json=BODY, headers=KEY).json()["data"]["task_id"]
        mock.fault("stuck")
        web.delete("/__mock__/faults")
        for viewer in (one, other):
            kinds = dict(viewer.event()[1:] for _ in range(4))
            assert ["bill", "task", "exchange", "fault"] == [*kinds]
            assert (task, task, 200) == (kinds["bill"]["task"], kinds["task"]["id"], kinds["exchange"]["status"])


def test_who_comes_back_is_told_what_it_missed(mock: MockService, running: Server, web: httpx.Client) -> None:
    with Viewer(running) as viewer:
        web.get("/nowhere")
        seen, kind, _ = viewer.event()
        assert "exchange" == kind
    web.get("/nowhere/else")
    with Viewer(running, **{"last-event-id": seen}) as viewer:
        assert "/nowhere/else" == viewer.event()[2]["path"]
    with Viewer(running, f"/__mock__/events?last={seen}") as viewer:
        assert "/nowhere/else" == viewer.event()[2]["path"]


@pytest.mark.parametrize("last", ["00000000-1", "nonsense", "-"])
def test_who_saw_another_mock_before_is_told_of_the_gap(
    mock: MockService, running: Server, web: httpx.Client, last: str
) -> None:
    web.get("/nowhere")
    with Viewer(running, **{"last-event-id": last}) as viewer:
        _, kind, told = viewer.event()
        assert ("gap", last) == (kind, told["after"])
        viewer.event()


def test_a_namespace_has_events_of_its_own(mock: MockService, running: Server, web: httpx.Client) -> None:
    with Viewer(running, "/@watched/__mock__/events") as viewer:
        web.get("/nowhere")
        web.get("/@watched/here")
        assert "/here" == viewer.event()[2]["path"]


def test_a_line_that_is_silent_beats(running: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.01)
    with Viewer(running, "/@silent/__mock__/events") as viewer:
        assert [": still here"] == viewer.lines()


def test_only_so_many_may_watch(running: Server, web: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_VIEWERS", 1)
    with Viewer(running, "/@crowd/__mock__/events"):
        refused = web.get("/@crowd/__mock__/events")
        assert (503, "1 watch already") == (refused.status_code, refused.json()["message"][:15])
    assert 400 == web.get("/@/__mock__/events").status_code


def test_who_leaves_is_not_told_any_more(mock: MockService, running: Server, web: httpx.Client) -> None:
    world = mock.namespace("left")
    with Viewer(running, "/@left/__mock__/events"):
        assert 1 == world.feed.listeners
    until(lambda: world.feed.listeners == 0)


def until(done: Any) -> None:
    """Waits for another thread, which takes no longer than it needs."""
    for _ in range(1000):
        if done():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


@pytest.mark.slow
def test_a_viewer_that_does_not_read_is_cut_off_and_holds_nobody_up(
    running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "VIEWER_PATIENCE", 0.05)
    world = running.service.namespace("slow")
    with Viewer(running, "/@slow/__mock__/events") as viewer:
        viewer._line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(2000):
            world.feed.tell("noise", "x" * 20_000)
            if not world.feed.listeners:
                break
            time.sleep(0.002)
        until(lambda: world.feed.listeners == 0)


def test_a_viewer_that_is_too_far_behind_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    mock = MockService([])
    mock._works.feed = feed.Feed(most=3)

    async def watch() -> list[bytes]:
        told = list[bytes]()
        stream = events.stream(mock, None)
        told.append(await anext(stream))
        for number in range(5):
            mock.feed.tell("noise", number)
        async for piece in stream:
            told.append(piece)
        return told

    assert 1 == len(anyio.run(watch))


def test_a_feed_tells_in_order_whoever_tells_it() -> None:
    told = feed.Feed(most=10_000)
    threads = [threading.Thread(target=lambda: [told.tell("x", None) for _ in range(500)]) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [*range(1, 2001)] == [each.number for each in told.after(0, most=10_000) or ()]
    assert told.after(1999, most=5) is not None
    assert [] == told.after(2000, most=5)

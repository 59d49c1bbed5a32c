"""The mock on a port: where it listens, what it says of itself, what it survives, and how it stops."""

import errno
import json
import logging
import math
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

import fluxkit
from fluxkit.errors import SettingsError
from fluxkit_mockserver.answer import MOST_BODY, Incoming
from fluxkit_mockserver.app import _Door, make_app
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.documents import MOST_VALUES
from fluxkit_mockserver.exchanges import MOST_EXCHANGES
from fluxkit_mockserver.line import Line
from fluxkit_mockserver.reader import MOST_STRAYS
from fluxkit_mockserver.server import PortTaken, Server, serve
from fluxkit_mockserver.service import MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"
KEY = {"x-magnific-api-key": "test"}
PLAIN = {"prompt": "a lighthouse at dusk"}


@pytest.fixture
def mock() -> MockService:
    return MockService([MAGNIFIC, APIMART], progression="polls")


@pytest.fixture
def server(mock: MockService) -> Iterator[Server]:
    with Server(mock) as server:
        yield server


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(transport=httpx.HTTPTransport(verify=False)) as client:
        yield client


def submit(http: httpx.Client, server: Server) -> str:
    answer = http.post(server.url + KLEIN, json=PLAIN, headers=KEY)
    assert 200 == answer.status_code
    task: str = answer.json()["data"]["task_id"]
    return task


def dial(server: Server) -> socket.socket:
    url = httpx.URL(server.url)
    return socket.create_connection((url.host, url.port or 80), timeout=10)


def speak(server: Server, said: bytes) -> bytes:
    """What the server answers to these bytes, until it closes the connection."""
    with dial(server) as line:
        line.sendall(said)
        heard = b""
        while piece := line.recv(65536):
            heard += piece
        return heard


# What it takes to start.


@pytest.mark.slow
def test_a_mock_that_answers_has_loaded_nothing_that_it_does_not_need_yet() -> None:
    """No HTTP client, which webhooks need, no pictures, no other server's framework, no checks, no file of a state.

    Nor what clients make of answers, and what finds the word that was meant.
    """
    code = """if True:
        import sys, urllib.request
        from fluxkit._plugins import installed
        from fluxkit_mockserver.server import Server
        from fluxkit_mockserver.service import MockService

        with Server(MockService([installed().provider("magnific")])) as server:
            request = urllib.request.Request(
                server.base_url("magnific") + "/v1/ai/text-to-image/flux-2-klein",
                b'{"prompt": "a lighthouse"}',
                {"x-magnific-api-key": "test", "content-type": "application/json"},
            )
            assert 200 == urllib.request.urlopen(request).status
        print(*sys.modules)
    """
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    costly = {"httpx", "httpcore", "starlette", "PIL", "sqlite3", "cattrs", "hypothesis", "fluxkit._engine.transport"}
    costly |= {"fluxkit._client", "fluxkit._contract.result", "fluxkit._contract.task", "fluxkit._wire.link", "difflib"}
    assert set() == costly & {*modules}


# What it says of itself.


@pytest.mark.parametrize("path", ["/", "/__mock__/"])
def test_index_tells_base_urls_and_keys(path: str, http: httpx.Client) -> None:
    with Server(MockService([MAGNIFIC, APIMART], keys=["test", "other"])) as server:
        page = http.get(server.url + path)
        assert "text/plain; charset=utf-8" == page.headers["content-type"]
        assert f"\n  magnific  {server.url}/magnific\n  apimart   {server.url}/apimart\n" in page.text
        assert "Keys taken: test, other" in page.text
        assert f"{server.url}/magnific" == server.base_url("magnific")


def test_index_tells_the_address_by_which_the_client_came(server: Server, http: httpx.Client) -> None:
    assert "http://mock.example:8080/magnific\n" in http.get(server.url, headers={"host": "mock.example:8080"}).text


def test_index_tells_the_address_of_the_server_where_the_client_names_none(server: Server) -> None:
    assert f"{server.url}/magnific\n".encode() in speak(server, b"GET / HTTP/1.0\r\n\r\n")


def test_a_mock_of_nothing_has_an_index(http: httpx.Client) -> None:
    with Server(MockService([])) as server:
        assert 200 == http.get(server.url).status_code


@pytest.mark.parametrize(("host", "shown"), [("localhost", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("::1", "[::1]")])
def test_every_name_of_this_machine_will_do(mock: MockService, http: httpx.Client, host: str, shown: str) -> None:
    try:
        with Server(mock, host=host) as server:
            assert server.url.startswith(f"http://{shown}:")
            assert f"{server.url}/magnific\n".encode() in speak(server, b"GET / HTTP/1.0\r\n\r\n")
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            pytest.skip(f"this machine has no {host}")
        raise


# What it survives.


def test_a_life_over_the_wire(server: Server, mock: MockService, http: httpx.Client) -> None:
    task = submit(http, server)
    words = []
    for _ in range(2):
        told = http.get(f"{server.url}{KLEIN}/{task}", headers=KEY).json()["data"]
        words.append(told["status"])
    assert ["IN_PROGRESS", "COMPLETED"] == words
    (link,) = told["generated"]
    assert link.startswith(f"{server.url}/")
    assert b"\xff\xd8\xff" == http.get(link).content[:3]
    assert 1 == mock.billed


@pytest.mark.slow
def test_a_client_of_fluxkit_makes_an_image(tmp_path: Path) -> None:
    mock = MockService([MAGNIFIC], progression="at once")
    with (
        Server(mock) as server,
        fluxkit.Client("magnific:flux-2-klein", key="test", base_url=server.base_url("magnific")) as client,
    ):
        result = client.generate("a lighthouse at dusk", aspect="16:9", to=tmp_path / "lighthouse.png")
    assert (tmp_path / "lighthouse.png").read_bytes().startswith(b"\x89PNG")
    assert [(1344, 768)] == [image.pixels for image in result.images]
    assert 1 == mock.billed


@pytest.mark.parametrize(
    "said",
    [
        b"what is this?\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"BREW /coffee HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /é HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(server: Server, http: httpx.Client, said: bytes) -> None:
    heard = speak(server, said)
    assert heard.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert heard.endswith(b"Invalid HTTP request received.")
    assert 200 == http.get(server.url).status_code


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/", 200),
        ("POST", "/", 404),
        ("GET", "/nobody/v1", 404),
        ("OPTIONS", "*", 404),
        ("HEAD", KLEIN, 405),
        ("PROPFIND", KLEIN, 405),
        ("DELETE", f"{KLEIN}/none", 405),
        ("GET", "/__mock__/images/none.png", 404),
    ],
)
def test_what_is_not_served_is_not_found(server: Server, method: str, path: str, status: int) -> None:
    heard = speak(server, f"{method} {path} HTTP/1.0\r\nx-magnific-api-key: test\r\n\r\n".encode())
    head, _, body = heard.partition(b"\r\n\r\n")
    assert str(status) == head.split()[1].decode()
    assert (method == "HEAD") == (body == b"")
    assert b"content-length: 0" not in head


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe\x00",
        b'"text"',
        b"[" * 100_000,
        b'{"prompt":' * 900 + b"1" + b"}" * 900,
        b'{"prompt": NaN}',
        b'{"prompt": "\\udead"}',
        b'{"prompt": "x", "seed": ' + b"9" * 10_000 + b"}",
        b'{"@headers": {}, "prompt": "x"}',
        json.dumps({"prompt": "x", **{f"stray{number}": {} for number in range(1000)}}).encode(),
    ],
)
def test_a_body_that_does_not_fit_is_refused(
    server: Server, mock: MockService, http: httpx.Client, body: bytes
) -> None:
    answer = http.post(server.url + KLEIN, content=body, headers=KEY)
    assert 400 == answer.status_code
    assert answer.json()["message"]
    assert 0 == mock.billed
    submit(http, server)


def test_of_many_stray_fields_some_are_named(mock: MockService) -> None:
    strays = {f"stray{number}": {} for number in range(MOST_STRAYS + 1)}
    with httpx.Client(transport=mock.transport()) as client:
        told = client.post(f"http://127.0.0.1{KLEIN}", json={"prompt": "x", **strays}, headers=KEY).json()
    assert [*strays][:MOST_STRAYS] == [each["name"] for each in told["invalid_params"]]


@pytest.mark.parametrize("item", [b"[],", b"{},", b"0,"])
def test_a_body_that_would_be_far_larger_once_it_is_read_is_refused_unread(mock: MockService, item: bytes) -> None:
    with httpx.Client(transport=mock.transport()) as client:
        vast = b'{"prompt":"x","x":[' + item * MOST_VALUES + b"0]}"
        answer = client.post(f"http://127.0.0.1{KLEIN}", content=vast, headers=KEY)
        assert (400, "The body has more than 100000 values.") == (answer.status_code, answer.json()["message"])
        long = {"prompt": "x" * len(vast)}
        assert 200 == client.post(f"http://127.0.0.1{KLEIN}", json=long, headers=KEY).status_code
    assert f"<{len(vast)} bytes" == mock.exchanges[0].body.partition(",")[0]
    assert 1 == mock.billed


@pytest.mark.slow
def test_a_body_that_is_too_large_is_refused(server: Server, mock: MockService, http: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        piece = b"x" * 1_000_000
        for _ in range(MOST_BODY // len(piece) + 9):
            yield piece

    answer = http.post(server.url + KLEIN, content=pieces(), headers=KEY)
    assert (413, f"The body has more than {MOST_BODY} bytes.") == (answer.status_code, answer.json()["message"])
    assert 0 == mock.billed
    submit(http, server)


@pytest.mark.slow
@pytest.mark.parametrize(("length", "status"), [(MOST_BODY, 400), (MOST_BODY + 1, 413)])
def test_a_body_has_the_same_bound_in_process(mock: MockService, length: int, status: int) -> None:
    with httpx.Client(transport=mock.transport()) as client:
        assert status == client.post(f"http://127.0.0.1{KLEIN}", content=b" " * length, headers=KEY).status_code


def test_an_image_can_only_be_fetched(server: Server, mock: MockService, http: httpx.Client) -> None:
    url = f"{server.url}{KLEIN}/{submit(http, server)}"
    http.get(url, headers=KEY)
    (link,) = http.get(url, headers=KEY).json()["data"]["generated"]
    assert (405, "GET, HEAD") == ((answer := http.delete(link)).status_code, answer.headers["allow"])
    shown, fetched = http.head(link), http.get(link)
    assert dict(fetched.headers) == dict(shown.headers)
    assert (b"", int(fetched.headers["content-length"])) == (shown.content, len(fetched.content))


def test_a_client_that_stops_half_way_buys_nothing(server: Server, mock: MockService, http: httpx.Client) -> None:
    with dial(server) as line:
        line.sendall(f"POST {KLEIN} HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n".encode() + b'{"prompt": ')
    submit(http, server)
    assert (1, 1) == (mock.billed, len(mock.exchanges))


def test_a_slow_client_holds_up_nobody(server: Server, http: httpx.Client) -> None:
    with dial(server) as slow, dial(server) as slower:
        slow.sendall(f"POST {KLEIN} HTTP/1.1\r\nHost: a\r\nx-magnific-api-key: test\r\n".encode())
        slower.sendall(b"GE")
        submit(http, server)
        body = json.dumps(PLAIN).encode()
        slow.sendall(b"Content-Length: %d\r\n\r\n" % len(body))
        for byte in body:
            slow.sendall(bytes([byte]))
        assert slow.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_dropped_call_is_closed_without_a_word(
    server: Server, mock: MockService, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    mock.fault("accepted-then-dropped", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        submit(http, server)
    assert 1 == mock.billed
    submit(http, server)
    assert [] == [record for record in caplog.records if record.name.startswith("uvicorn")]


def test_what_is_pipelined_behind_a_dropped_call_is_dropped_too(server: Server, mock: MockService) -> None:
    mock.fault("accepted-then-dropped", times=1)
    call = b"POST %b HTTP/1.1\r\nHost: a\r\nx-magnific-api-key: test\r\nContent-Length: 15\r\n\r\n" % KLEIN.encode()
    assert b"" == speak(server, 2 * (call + b'{"prompt": "x"}'))
    assert 1 == mock.billed


@pytest.mark.parametrize("path", [KLEIN, "/__mock__/billed", "/__mock__/"])
def test_a_request_that_names_two_hosts_is_refused(
    server: Server, mock: MockService, http: httpx.Client, path: str
) -> None:
    said = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nHost: 127.0.0.1\r\n\r\n"
    heard = speak(server, said.encode())
    assert heard.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert heard.endswith(b"Two Host headers: a request has one.\n")
    assert 0 == len(mock.exchanges)
    assert 200 == http.get(server.url, headers=[("x-other", "1"), ("x-other", "2")]).status_code


def test_calls_that_are_sent_together_are_answered_and_no_more_are_read_before_they_are_begun(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[int] = []
    complete = Line.on_headers_complete

    def counted(line: Line) -> None:
        complete(line)
        waiting.append(len(line.pipeline))

    monkeypatch.setattr(Line, "on_headers_complete", counted)
    call = b"GET /a HTTP/1.1\r\nHost: a\r\nx: %b\r\n\r\n" % (b"x" * 4000)  # of which some 65 are read at a time
    with dial(server) as line:
        sender = threading.Thread(target=line.sendall, args=(call * 400,))
        sender.start()
        heard = b""
        while heard.count(b"HTTP/1.1 404 ") < 400:
            heard += line.recv(65536)
        sender.join()
    assert len(waiting) == 400
    assert max(waiting) < 150


CALL = b"POST %b HTTP/1.1\r\nHost: a\r\nx-magnific-api-key: test\r\nContent-Length: 15\r\n" % KLEIN.encode() + b"%b\r\n"
BODY = b'{"prompt": "x"}'
LAST = CALL % b"Connection: close\r\n" + BODY


def test_what_is_pipelined_is_answered_in_its_order(server: Server, mock: MockService) -> None:
    said = speak(server, 3 * (CALL % b"" + BODY) + LAST)
    assert 4 == said.count(b"HTTP/1.1 200 OK\r\n")
    places = [said.index(task.id.encode()) for task in mock.tasks]
    assert 4 == len(places)
    assert sorted(places) == places


def test_what_is_pipelined_behind_a_last_call_buys_nothing(server: Server, mock: MockService) -> None:
    assert 1 == speak(server, LAST + CALL % b"" + BODY).count(b"HTTP/1.1 ")
    assert 1 == mock.billed


def test_a_call_that_comes_whole_is_answered_without_a_task(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    begin = HttpToolsProtocol._start_asgi_task

    def note(self: Any, cycle: Any, app: Any) -> None:
        begun.append(cycle.scope["path"])
        begin(self, cycle, app)

    monkeypatch.setattr(HttpToolsProtocol, "_start_asgi_task", note)
    with dial(server) as line:
        line.sendall(CALL % b"" + BODY)
        assert line.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert [] == begun
        line.sendall(CALL % b"Expect: 100-continue\r\n")  # the body waits until it is asked for
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == line.recv(65536)
        line.sendall(BODY)
        assert line.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert [KLEIN] == begun
        line.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert [KLEIN, "/"] == begun


@pytest.mark.parametrize("lack", [(Line, "_start_asgi_task"), (_Door, "at_once")], ids=["uvicorn", "app"])
def test_where_uvicorn_or_an_app_around_ours_wants_tasks_a_call_is_answered_all_the_same(
    server: Server, mock: MockService, monkeypatch: pytest.MonkeyPatch, lack: tuple[type, str]
) -> None:
    monkeypatch.delattr(*lack)
    assert 2 == speak(server, CALL % b"" + BODY + LAST).count(b"HTTP/1.1 200 OK\r\n")
    mock.fault("accepted-then-dropped", times=1)
    assert b"" == speak(server, CALL % b"" + BODY)


def test_an_error_of_the_mock_itself_is_a_500_and_is_told(
    server: Server, mock: MockService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: object) -> Any:
        raise ZeroDivisionError("once")

    with monkeypatch.context() as broken:
        broken.setattr(mock, "handle", fails)
        assert speak(server, LAST).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert ["Exception in ASGI application\n"] == [each.getMessage() for each in caplog.records]
    assert speak(server, LAST).startswith(b"HTTP/1.1 200 OK\r\n")


def test_another_server_says_that_it_cannot_drop(mock: MockService) -> None:
    async def call() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(make_app(mock)), base_url="http://a") as client:
            await client.post(KLEIN, json=PLAIN, headers=KEY)

    mock.fault("accepted-then-dropped")
    with pytest.raises(RuntimeError, match="run the mock's own"):
        anyio.run(call)


def test_a_dripping_answer_comes_whole_to_the_patient(http: httpx.Client) -> None:
    mock = MockService([MAGNIFIC], progression="polls", clock=WallClock(speed=1e6), retention=math.inf)
    mock.fault("dripping")
    with Server(mock, drip_scale=1e3) as server:  # a byte a nanosecond
        told = http.get(f"{server.url}{KLEIN}/{(task := submit(http, server))}", headers=KEY)
        assert {"generated": [], "task_id": task, "status": "IN_PROGRESS"} == told.json()["data"]
        assert len(told.content) == int(told.headers["content-length"])


def test_a_dripping_answer_ends_when_the_client_has_enough(mock: MockService, http: httpx.Client) -> None:
    mock.fault("dripping")
    with Server(mock) as server:
        task = submit(http, server)
        with pytest.raises(httpx.ReadTimeout):
            http.get(f"{server.url}{KLEIN}/{task}", headers=KEY, timeout=0.01)
    # Leaving the block waited for the end of that answer.


def test_fifty_clients_at_once_get_fifty_tasks(server: Server, mock: MockService) -> None:
    clients = 50
    start = threading.Barrier(clients)

    def live(http: httpx.Client) -> tuple[str, str]:
        start.wait()
        task = submit(http, server)
        for _ in range(2):
            told = http.get(f"{server.url}{KLEIN}/{task}", headers=KEY).json()["data"]
        return task, told["status"]

    limits = httpx.Limits(max_connections=clients)
    with (
        httpx.Client(transport=httpx.HTTPTransport(verify=False, limits=limits)) as http,
        ThreadPoolExecutor(clients) as threads,
    ):
        lives = list(threads.map(live, [http] * clients))
    assert {"COMPLETED"} == {status for _, status in lives}
    assert {task for task, _ in lives} == {charge.task for charge in mock.charges}
    assert clients == mock.billed


def test_the_memory_of_exchanges_is_bounded(mock: MockService) -> None:
    call = Incoming("GET", "/nobody", {}, {}, b"", "http://a")
    for _ in range(MOST_EXCHANGES + 5):
        mock.handle(call)
    assert MOST_EXCHANGES == len(mock.exchanges)


# Where it listens.


@pytest.mark.parametrize("host", ["example.com", "localhost.example.com", "127.0.0", "", "1"])
def test_only_addresses_are_listened_to(mock: MockService, host: str) -> None:
    with pytest.raises(SettingsError, match=r"Allowed: localhost, or an address of this machine"):
        Server(mock, host=host)
    with pytest.raises(SettingsError, match=f"The mock cannot listen on '{host}'"):
        serve(mock, host=host, port=0, ready=print)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_is_a_port(mock: MockService, port: int) -> None:
    with pytest.raises(SettingsError, match=f"The port is {port}"), Server(mock, port=port):
        pass


def test_a_port_that_is_taken_is_named(server: Server, mock: MockService) -> None:
    port = httpx.URL(server.url).port
    assert port is not None
    with pytest.raises(PortTaken, match=f"^Port {port} of 127.0.0.1 is taken. .*port 0") as caught:
        serve(mock, port=port, ready=print)
    assert errno.EADDRINUSE == caught.value.errno
    assert str(caught.value) == str(pickle.loads(pickle.dumps(caught.value)))


def test_another_failure_to_listen_is_what_the_system_says(mock: MockService, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> socket.socket:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(PermissionError), Server(mock):
        pass


# How it starts and stops.


def test_a_server_has_an_address_only_while_it_listens(mock: MockService, http: httpx.Client) -> None:
    server = Server(mock)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="does not listen"):
            _ = server.url
        with server:
            url = server.url
            submit(http, server)
        with pytest.raises(httpx.ConnectError):
            http.get(url)
    assert 2 == mock.billed


def test_leaving_the_block_waits_for_no_client(mock: MockService, http: httpx.Client) -> None:
    mock.fault("dripping")
    with Server(mock, drip_scale=1000) as server:
        task = submit(http, server)
        idle, uploading, dripping = (dial(server) for _ in range(3))
        uploading.sendall(f"POST {KLEIN} HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{{".encode())
        dripping.sendall(f"GET {KLEIN}/{task} HTTP/1.1\r\nHost: a\r\nx-magnific-api-key: test\r\n\r\n".encode())
        assert dripping.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    for line in (idle, uploading, dripping):
        with line:
            assert ([line], [], []) == select.select([line], [], [], 10)  # closed, or reset


def test_a_server_runs_without_uvloop(mock: MockService, http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with Server(mock) as server:
        submit(http, server)
        mock.fault("accepted-then-dropped")
        with pytest.raises(httpx.RemoteProtocolError):
            submit(http, server)


def test_no_access_log_is_written(server: Server, http: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    http.get(server.url)
    assert [] == [record for record in caplog.records if record.name.startswith("uvicorn")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_signal_ends_serving(
    mock: MockService, http: httpx.Client, number: signal.Signals, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if loop == "asyncio":
        monkeypatch.setitem(sys.modules, "uvloop", None)
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    seen: list[tuple[str, int]] = []

    def visit(url: str) -> None:
        try:
            seen.append((url, http.get(url).status_code))
        finally:
            os.kill(os.getpid(), number)

    visits: list[threading.Thread] = []

    def ready(url: str) -> None:
        visits.append(threading.Thread(target=visit, args=[url]))
        visits[0].start()

    serve(mock, port=0, ready=ready)
    visits[0].join()
    assert [200] == [status for _, status in seen]
    assert before == [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(httpx.ConnectError):
        http.get(seen[0][0])


PROGRAM = """
import sys
from fluxkit_mockserver.server import serve
from fluxkit_mockserver.service import MockService
from fluxkit_providers.magnific import MAGNIFIC

serve(MockService([MAGNIFIC]), port=0, ready=lambda url: print(url, flush=True))
print("stopped", "httpx" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_serves_ends_cleanly(http: httpx.Client, number: signal.Signals) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-W", "error", "-c", PROGRAM], text=True, **pipes) as program:
        try:
            assert program.stdout is not None
            url = program.stdout.readline().strip()
            assert "/magnific\n" in http.get(url).text
            program.send_signal(number)
            said, complained = program.communicate(timeout=10)
        finally:
            program.kill()
    # The server has no use for an HTTP client, and starts the quicker for it.
    assert ("stopped False\n", "", 0) == (said, complained, program.returncode)

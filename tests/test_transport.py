import contextlib
import functools
import gzip
import hashlib
import logging
import os
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import httpcore
import httpx
import pytest
from support.rawserver import Heard, Peer, RawServer, answering, certificate, http, zipped
from support.ways import WAYS, carried

from fluxkit._engine import network, transport, wires
from fluxkit._engine.answer import Fault
from fluxkit._engine.download import Draft
from fluxkit._engine.effects import Call, Fetch, Fetched, Keep, Lost, Reply
from fluxkit._engine.outbox import _Address
from fluxkit._engine.secret import Secret
from fluxkit._engine.transport import AsyncTransport, Transport
from fluxkit._version import __version__
from fluxkit._wire.link import read_link
from fluxkit.errors import Charged, ContractError, DownloadError, FluxError, SettingsError, Unreachable

KEY = "mg-4f1c9e77abce0"
SECRET = Secret(KEY, "X-Key")
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c63600000000200014854a66d0000000049454e44ae426082"
)

Carry = Callable[..., Any]


def _carry(way: str, *effects: Any, **options: Any) -> Any:
    """The last answer to effects that one transport carries out, with the key unless another is given."""
    return carried(way, *effects, **{"secret": SECRET, **options})


@pytest.fixture(params=WAYS)
def carry(request: pytest.FixtureRequest) -> Carry:
    return functools.partial(_carry, request.param)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with certificate() as file:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> dict[str, Sequence[str]]:
    """Host names and the addresses that they have for the time of a test."""
    known: dict[str, Sequence[str]] = {}
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        addresses = known.get(name, [name])
        return [entry for address in addresses for entry in look_up(address, port, *rest, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


def get(url: str, *, origin: str | None = None, **options: Any) -> Call:
    return Call("GET", url, origins=[origin or url], **options)


def post(url: str, **options: Any) -> Call:
    return Call("POST", url, headers={"Content-Type": "application/json"}, body=b"{}", origins=[url], **options)


def failure(carry: Carry, *effects: Any, **options: Any) -> FluxError:
    with pytest.raises(FluxError) as caught:
        carry(*effects, **options)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return caught.value


def ending(first: bytes) -> Callable[[Peer], None]:
    """A script that answers with these bytes and closes."""

    def script(peer: Peer) -> None:
        peer.hear()
        peer.say(first)

    return script


# ---- What goes out, and what comes back


def test_call_sends_what_it_says_and_little_else(carry: Carry) -> None:
    with RawServer(answering(http(201, b'{"a": [1]}', X_Id="7"))) as server:
        call = Call("post", server.url + "/v1", headers={"X-Any": "1"}, body=b"{}", origins=[server.url])
        reply = carry(call, now=lambda: 12.5)
    headers = {
        "host": f"127.0.0.1:{server.port}",
        "accept": "*/*",
        "user-agent": f"fluxkit/{__version__}",
        "accept-encoding": "gzip",
        "x-any": "1",
        "x-key": KEY,
        "content-length": "2",
    }
    assert [Heard("POST", "/v1", headers, b"{}")] == server.heard
    assert (201, {"a": [1]}, '{"a": [1]}', 12.5) == (reply.status, reply.document, reply.text, reply.at)
    assert {"content-length": "10", "x-id": "7"} == reply.headers


@pytest.mark.parametrize(("size", "pieces"), [(2, 1), (network._SMALL, 2)])
def test_head_and_small_body_leave_as_one(
    carry: Carry, monkeypatch: pytest.MonkeyPatch, size: int, pieces: int
) -> None:
    left: list[int] = []
    sends = network.Deadline.sends

    def noted(deadline: network.Deadline, buffer: bytes) -> None:
        left.append(len(buffer))
        sends(deadline, buffer)

    monkeypatch.setattr(network.Deadline, "sends", noted)
    with RawServer(answering(http())) as server:
        carry(Call("POST", server.url, body=b"x" * size, origins=[server.url]))
    assert b"x" * size == server.heard[0].body
    assert pieces == len(list(filter(None, left)))


def test_headers_of_a_call_go_before_those_of_the_transport(carry: Carry) -> None:
    with RawServer(answering(http())) as server:
        carry(get(server.url, headers={"Accept": "image/png", "USER-AGENT": "x", "x-key": "other"}))
    assert ("image/png", "x", KEY) == tuple(server.heard[0].headers[name] for name in ("accept", "user-agent", "x-key"))


def test_answer_may_be_packed(carry: Carry) -> None:
    with RawServer(answering(zipped(b'{"a": 1}'))) as server:
        assert {"a": 1} == carry(get(server.url)).document


def test_text_of_a_reply_is_its_beginning_without_the_key(carry: Carry) -> None:
    with RawServer(answering(http(401, f"no such key: {KEY}".encode() + b"." * 5000))) as server:
        reply = carry(get(server.url))
    assert reply.document is None
    assert reply.text.startswith("no such key: <key>....")
    assert 1900 < len(reply.text) <= 2000


def test_text_is_kept_without_a_secret_too(carry: Carry) -> None:
    with RawServer(answering(http(200, b"\xff" + b"x" * 5000))) as server:
        reply = carry(Call("GET", server.url, keyed=False, origins=[server.url]), secret=None)
    assert "\ufffd" + "x" * 1999 == reply.text


@pytest.mark.parametrize(
    "target", ["/a?token=exp=1~hmac=0f%2F%7e|+&size=stable", "/a/../b//c?x=%e9", "/'\"<>[]^`{}\\?'", "/?"]
)
def test_link_goes_out_byte_for_byte(carry: Carry, tmp_path: Path, target: str) -> None:
    with RawServer(answering(http(200, PIXEL))) as server:
        url = server.url + target
        carry(get(url), Fetch(url, tmp_path / "x.png", local=True))
    assert [target, target] == [heard.target for heard in server.heard]


def test_only_what_cannot_stand_on_the_wire_is_quoted(carry: Carry) -> None:
    with RawServer(answering(http())) as server:
        carry(get(server.url + "/a b?\u00e9#fragment"))
    assert "/a%20b?%C3%A9" == server.heard[0].target


# ---- The key


def test_call_follows_no_redirect(carry: Carry) -> None:
    with RawServer(answering(http())) as other:
        moved = http(307, b"{}", Location=f"http://localhost:{other.port}/")
        with RawServer(answering(moved)) as server:
            reply = carry(post(server.url))
            assert (307, 1, 0) == (reply.status, len(server.heard), len(other.heard))
            # What httpx does when it is told to follow, as one easily does:
            with httpx.Client(follow_redirects=True, headers={"x-key": KEY}) as client:
                client.post(server.url, content=b"prompt")
            assert (KEY, b"prompt") == (other.heard[0].headers["x-key"], other.heard[0].body)


@pytest.mark.parametrize("prefix", ["http://localhost:{}", "http://user@127.0.0.1:{}", "https://127.0.0.1:{}"])
def test_key_goes_to_no_other_origin(carry: Carry, prefix: str) -> None:
    with RawServer(answering(http())) as server:
        error = failure(carry, get(prefix.format(server.port), origin=server.url, buys=True))
    assert isinstance(error, ContractError)
    assert Charged.NO is error.charged
    assert 0 == server.connections


def test_call_without_the_key_has_none(carry: Carry) -> None:
    with RawServer(answering(http())) as server:
        carry(Call("PUT", server.url, keyed=False), local=True)
        carry(Call("PUT", server.url, keyed=False, origins=[server.url]))
    assert [None, None] == [heard.headers.get("x-key") for heard in server.heard]


def test_a_service_in_a_private_network_leads_to_no_port_of_this_machine(carry: Carry, tmp_path: Path) -> None:
    with RawServer(answering(http(200, PIXEL))) as server:
        put, fetch = Call("PUT", server.url, keyed=False), Fetch(server.url, tmp_path / "x.png")
        for effect in (put, fetch):
            error = failure(carry, effect, local=True, loopback=False)
            assert isinstance(error, ContractError)
        assert 0 == server.connections
        for effect in (put, fetch):
            carry(effect, local=True, loopback=False, allow_hosts=frozenset(["127.0.0.1"]))
        assert 2 == len(server.heard)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}", "https://localhost:{}", "https://user@127.0.0.1:{}"])
def test_call_without_the_key_goes_to_public_hosts_only(carry: Carry, url: str) -> None:
    with RawServer(answering(http())) as server:
        error = failure(carry, Call("PUT", url.format(server.port), keyed=False, origins=["https://api.test"]))
    assert isinstance(error, ContractError)
    assert Charged.UNKNOWN is error.charged
    assert 0 == server.connections


def test_public_name_with_a_private_address_is_no_public_host(
    carry: Carry, hosts: dict[str, Sequence[str]], tmp_path: Path
) -> None:
    with RawServer(answering(http()), tls=True) as server:
        hosts["images.test"] = ["127.0.0.1", "10.0.0.1"]
        url = f"https://images.test:{server.port}/x.png"
        errors = [
            failure(carry, Call("PUT", url, keyed=False, buys=True)),
            failure(carry, Fetch(url, tmp_path / "x.png")),
        ]
    assert [ContractError, ContractError] == [type(error) for error in errors]
    assert [Charged.NO, Charged.YES] == [error.charged for error in errors]
    assert all("127.0.0.1, which is no public address" in str(error) for error in errors)
    assert 0 == server.connections


def test_keyed_call_without_a_key_is_not_sent(carry: Carry) -> None:
    with RawServer(answering(http())) as server:
        assert isinstance(failure(carry, get(server.url), secret=None), SettingsError)
    assert 0 == server.connections


@pytest.mark.parametrize("header", [{"x y": "1"}, {"": "1"}, {"x": "1\r\ny: 2"}, {"x": "\u00e9"}])
def test_header_that_cannot_be_sent_is_refused(carry: Carry, header: dict[str, str]) -> None:
    assert isinstance(failure(carry, get("http://127.0.0.1:9", headers=header)), SettingsError)


@pytest.mark.parametrize("url", ["", "127.0.0.1", "https://", "https://a\n", "https://1.2.3.4.5/", "ftp://api.test/"])
def test_address_that_leads_nowhere_is_not_called(carry: Carry, url: str) -> None:
    error = failure(carry, get(url, origin="https://api.test"))
    assert isinstance(error, Unreachable)
    assert not error.retry


def test_key_in_what_the_service_says_is_in_no_error(carry: Carry) -> None:
    with RawServer(ending(f"HTTP/1.1 no {KEY}\r\n\r\n".encode())) as server:
        error = failure(carry, get(server.url))
        with httpx.Client() as client, pytest.raises(httpx.RemoteProtocolError, match=KEY):
            client.get(server.url)
    assert isinstance(error, Lost)
    assert "<key>" in str(error)
    assert error.__context__ is None


# ---- What did not leave, and what may have


def test_refused_connection_means_that_nothing_left(carry: Carry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    error = failure(carry, post(url))
    assert isinstance(error, Unreachable)
    assert error.retry
    assert url.removeprefix("http://") in str(error)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".test"])
def test_unknown_host_means_that_nothing_left(carry: Carry, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    def getaddrinfo(host: Any, *_: Any, **__: Any) -> Any:
        (host if isinstance(host, str) else host.decode()).encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert isinstance(failure(carry, post(f"http://{host}/")), Unreachable)


def test_untrusted_certificate_means_that_nothing_left(carry: Carry) -> None:
    with RawServer(answering(http()), tls=True) as server:
        error = failure(carry, post(server.url))
    assert isinstance(error, Unreachable)
    assert "self-signed certificate" in str(error) or "self signed certificate" in str(error)
    assert [] == server.heard


@pytest.mark.usefixtures("trusted")
def test_trusted_certificate_of_another_host_means_that_nothing_left(
    carry: Carry, hosts: dict[str, Sequence[str]]
) -> None:
    hosts["other.test"] = ["127.0.0.1"]
    with RawServer(answering(http()), tls=True) as server:
        assert 200 == carry(post(server.url)).status
        error = failure(carry, post(f"https://other.test:{server.port}"))
    assert isinstance(error, Unreachable)
    assert 1 == len(server.heard)


def test_certificates_that_cannot_be_read_are_a_wrong_setting(
    carry: Carry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    error = failure(carry, post("https://127.0.0.1:9"))
    assert isinstance(error, SettingsError)
    assert str(tmp_path / "none.pem") in str(error)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"no HTTP\r\n\r\n",
        http(200, b'{"id": 1}')[:-1],
        http(200, b"5\r\nhello\r\n", Transfer_Encoding="chunked", Content_Length="")[:-2],
        http(200, gzip.compress(b"{}", mtime=0)[:-1], Content_Encoding="gzip"),
        http(200, b"packed", Content_Encoding="gzip"),
        http(200, b"packed", Content_Encoding="br"),
        http(200, b"", Content_Length=str(17 * 1024 * 1024)),
    ],
)
def test_call_without_a_whole_answer_is_lost(carry: Carry, said: bytes) -> None:
    with RawServer(ending(said)) as server:
        error = failure(carry, post(server.url))
    assert isinstance(error, Lost)
    assert "It may have been carried out" in str(error)
    assert 1 == len(server.heard)


def test_reset_connection_is_lost(carry: Carry) -> None:
    def script(peer: Peer) -> None:
        peer.hear()
        peer.drop()

    with RawServer(script) as server:
        assert isinstance(failure(carry, post(server.url)), Lost)


def test_answer_that_comes_before_all_is_sent_is_the_answer(carry: Carry) -> None:
    def script(peer: Peer) -> None:
        peer.wire.recv(1000)
        peer.say(http(413, b'{"message": "too large"}', Connection="close"))
        peer.wire.shutdown(socket.SHUT_WR)
        while peer.wire.recv(1_000_000):
            pass

    with RawServer(script) as server:
        reply = carry(Call("POST", server.url, body=bytes(4_000_000), origins=[server.url]))
    assert (413, {"message": "too large"}) == (reply.status, reply.document)


def test_answer_to_a_broken_upload_is_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(socket.socket):
        def send(self, *_: Any) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    with RawServer(lambda peer: peer.say(http(413))) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            broken = Broken(fileno=plain.detach())
        with monkeypatch.context() as patch:
            patch.setattr(socket, "create_connection", lambda *_, **__: broken)
            assert 413 == _carry("sync", post(server.url)).status


def test_bomb_ends_early(carry: Carry) -> None:
    with RawServer(answering(zipped(bytes(17 * 1024 * 1024)))) as server:
        error = failure(carry, get(server.url))
        with httpx.Client() as client:
            assert 17 * 1024 * 1024 == len(client.get(server.url).content)
    assert isinstance(error, Lost)
    assert "more than 16777216 bytes" in str(error)


def test_endless_answer_ends_at_its_largest_size(carry: Carry) -> None:
    def script(peer: Peer) -> None:
        peer.hear()
        peer.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            peer.say(bytes(1_000_000))

    with RawServer(script) as server:
        error = failure(carry, get(server.url))
    assert isinstance(error, Lost)
    assert "more than 16777216 bytes" in str(error)


# ---- Deadlines


def _head_that_drips(peer: Peer) -> None:
    peer.hear()
    peer.drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000)


def _body_that_drips(peer: Peer) -> None:
    peer.hear()
    peer.say(b"HTTP/1.1 200 OK\r\n\r\n")
    peer.drip(b"x" * 10_000)


def _silence(peer: Peer) -> None:
    peer.hear()
    peer.hang()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "tls"),
    [
        (_head_that_drips, False),
        (_body_that_drips, False),
        (_body_that_drips, True),
        (_silence, False),
    ],
)
@pytest.mark.usefixtures("trusted")
def test_deadline_is_that_of_the_whole_call(carry: Carry, script: Callable[[Peer], None], tls: bool) -> None:
    with RawServer(script, tls=tls) as server:
        error = failure(carry, post(server.url, patience=0.4))
    assert isinstance(error, Lost)
    assert "it was not done within 0.4 s" in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.usefixtures("trusted")
def test_reader_that_dawdles_does_not_hold_the_call(carry: Carry, tls: bool) -> None:
    came = 0

    def script(peer: Peer) -> None:
        nonlocal came
        while (piece := peer.wire.recv(65536)) and not peer.pause(0.01):
            came += len(piece)

    body = bytes(32_000_000)
    with RawServer(script, tls=tls) as server:
        error = failure(carry, Call("POST", server.url, body=body, origins=[server.url], patience=0.4))
    assert isinstance(error, Lost)
    assert "it was not done within 0.4 s" in str(error)
    # Each write made some headway, so none took the whole patience: it is the sum that ended.
    assert 65536 < came < 10_000_000


@pytest.mark.slow
def test_deadline_of_httpx_alone_is_that_of_each_read() -> None:
    def script(peer: Peer) -> None:
        peer.hear()
        peer.drip(b"HTTP/1.1 200 OK\r\n\r\n0123456789")

    with RawServer(script) as server, httpx.Client(timeout=0.4) as client:
        began = time.monotonic()
        assert 200 == client.get(server.url).status_code
        assert time.monotonic() - began > 0.4


@pytest.mark.slow
@pytest.mark.parametrize("way", ["TLS", "CONNECT", "proxy TLS"])
def test_connection_that_is_never_finished_means_that_nothing_left(carry: Carry, way: str) -> None:
    wires._trusted()  # reading the certificates for the first time is no part of the wait
    with RawServer(lambda peer: peer.hang()) as server:
        address = f"127.0.0.1:{server.port}"
        if way == "TLS":
            error = failure(carry, post(f"https://{address}", patience=0.4))
        else:
            proxy = f"https://{address}" if way == "proxy TLS" else f"http://{address}"
            error = failure(carry, post("https://service.test", patience=0.4), proxy=proxy)
    assert isinstance(error, Unreachable)
    assert "it was not done within 0.4 s" in str(error)
    assert 1 == server.connections


@pytest.mark.parametrize("patience", [0.0, -1.0])
def test_call_without_time_is_not_sent(carry: Carry, patience: float) -> None:
    with RawServer(answering(http())) as server:
        assert isinstance(failure(carry, post(server.url, patience=patience)), Unreachable)
    assert [] == server.heard


@pytest.mark.slow
def test_download_has_one_deadline_over_its_redirects(carry: Carry, tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        while peer.hear() and not peer.pause(0.15):
            peer.say(http(302, Location="/again"))

    with RawServer(script) as server:
        error = failure(carry, Fetch(server.url, tmp_path / "x.png", local=True, patience=0.4))
    assert isinstance(error, DownloadError)
    assert "it was not done within 0.4 s" in str(error)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("effect", [Call, Fetch])
def test_cancellation_passes_on_and_leaves_nothing(backend: str, effect: type, tmp_path: Path) -> None:
    started = threading.Event()

    def script(peer: Peer) -> None:
        peer.hear()
        peer.say(http(200, PIXEL, Content_Length="1000"))
        started.set()
        peer.hang()

    async def main() -> None:
        async with contextlib.aclosing(AsyncTransport(secret=SECRET)) as carrier, anyio.create_task_group() as tasks:
            if effect is Call:
                tasks.start_soon(carrier.call, get(server.url))
            else:
                tasks.start_soon(carrier.fetch, Fetch(server.url, tmp_path / "x.png", local=True))
            await anyio.to_thread.run_sync(started.wait)
            tasks.cancel_scope.cancel()

    with RawServer(script) as server:
        anyio.run(main, backend=backend)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("effect", [get("https://api.test"), Fetch("https://images.test/", Path("x.png"))])
def test_interrupt_passes_on_and_leaves_nothing(effect: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        _carry("sync", effect, inner=httpx.MockTransport(interrupted))
    assert [] == list(tmp_path.iterdir())


# ---- A stand-in for the sockets


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("x"), Unreachable),
        (httpx.ConnectTimeout("x"), Unreachable),
        (httpx.PoolTimeout("x"), Unreachable),
        (httpx.ProxyError("x"), Unreachable),
        (httpx.UnsupportedProtocol("x"), Unreachable),
        (httpx.ReadTimeout("x"), Lost),
        (httpx.WriteTimeout("x"), Lost),
        (httpx.ReadError("x"), Lost),
        (httpx.RemoteProtocolError("x"), Lost),
        (OSError("x"), Lost),
        (ValueError("x"), Lost),
    ],
)
def test_stand_in_fails_as_sockets_do(carry: Carry, error: Exception, kind: type[FluxError], tmp_path: Path) -> None:
    def fails(request: httpx.Request) -> httpx.Response:
        raise error

    inner = httpx.MockTransport(fails)
    assert kind is type(failure(carry, get("https://api.test"), inner=inner))
    download = failure(carry, Fetch("https://images.test/", tmp_path / "x.png"), inner=inner)
    assert isinstance(download, DownloadError)
    assert download.status is None
    assert [] == list(tmp_path.iterdir())


def test_stand_in_is_told_the_time_that_remains_by_its_own_clock(carry: Carry, tmp_path: Path) -> None:
    told: list[float] = []
    clock = [1_000_000_000.0]

    def answers(request: httpx.Request) -> httpx.Response:
        told.append(request.extensions["fluxkit.patience"])
        clock[0] += 1.25
        return httpx.Response(302, headers={"location": "/"}) if len(told) < 4 else httpx.Response(200, content=PIXEL)

    call, fetch = get("https://api.test", patience=20.0), Fetch("https://images.test/", tmp_path / "x", patience=10.0)
    carry(call, call, fetch, inner=httpx.MockTransport(answers), now=lambda: clock[0])
    assert [20.0, 20.0, 10.0, 8.75] == told


def test_stand_in_is_given_what_would_go_out_and_no_proxy_is_asked(
    carry: Carry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    seen: list[httpx.Request] = []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    carry(get("https://api.test/a/../b"), inner=httpx.MockTransport(answers))
    assert (b"/a/../b", "https://api.test") == (seen[0].url.raw_path, str(seen[0].url.copy_with(path="")))


def test_short_answer_of_a_stand_in_is_not_whole(carry: Carry) -> None:
    short = httpx.MockTransport(lambda _: httpx.Response(200, headers={"content-length": "10"}, content=b"{}"))
    with httpx.Client(transport=short) as client:
        assert {} == client.get("https://api.test").json()
    assert isinstance(failure(carry, get("https://api.test"), inner=short), Lost)


def test_slow_stand_in_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                ticks.append(ticks[-1] + 1.0)
                yield b" "

    ticks = [0.0]
    monkeypatch.setattr(transport.time, "monotonic", lambda: ticks[-1])
    inner = httpx.MockTransport(lambda _: httpx.Response(200, stream=Slow()))
    assert isinstance(failure(functools.partial(_carry, "sync"), get("https://api.test"), inner=inner), Lost)
    assert 60.0 == ticks[-1]


def test_stand_in_is_closed_by_whoever_made_it(carry: Carry) -> None:
    class Inner(httpx.MockTransport):
        closed = False

        def close(self) -> None:
            self.closed = True

        async def aclose(self) -> None:
            self.closed = True

    inner = Inner(lambda _: httpx.Response(200))
    carry(get("https://api.test"), inner=inner)
    assert not inner.closed


# ---- Connections


class Clock:
    """A monotonic clock that tests set forward, in the place of httpcore's."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


def _forgets(peer: Peer) -> None:
    """A server that forgets each connection after its first answer, without a word, as routers do."""
    peer.hear()
    peer.say(http())
    peer.hear()
    peer.drop()


def test_call_that_buys_takes_no_connection_that_rested(carry: Carry, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(httpcore._sync.http11, "time", clock)
    monkeypatch.setattr(httpcore._async.http11, "time", clock)

    def later() -> float:
        clock.ahead += 2.0
        return 0.0

    with RawServer(_forgets) as server:
        submit = post(server.url, buys=True)
        carry(submit, submit, now=later)
        assert 2 == server.connections
        with httpx.Client() as client:
            client.post(server.url)
            later()
            with pytest.raises(httpx.TransportError):
                client.post(server.url)


def in_a_fork(holds: Callable[[], bool]) -> bool:
    """Whether something holds in a forked child."""
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if holds() else 2
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
# Python 3.12 warns of a fork beside any thread, also of the test's own.
amid_threads = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@needs_fork
@amid_threads
def test_a_fork_speaks_on_connections_of_its_own() -> None:
    """On one that both have, each would get the answers of the other: another's task, and its image."""
    with RawServer(answering(http(200, b"{}"))) as server:
        call, ours = get(server.url, keyed=False), Transport(local=True)
        ours.call(call)
        [(sockets, _)] = ours._wires.values()
        with ours._lock, sockets.resting._lock:  # as another thread may have them just now
            assert in_a_fork(lambda: ours.call(call).status == 200)
        assert 2 == server.connections
        ours.call(call)
        assert 2 == server.connections
        ours.close()


@needs_fork
@amid_threads
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_fork_leaves_connections_to_the_event_loop_that_has_them(backend: str) -> None:
    with RawServer(answering(http(200, b"{}"))) as server:
        ours = AsyncTransport(local=True)

        async def ask() -> None:
            await ours.call(get(server.url, keyed=False))
            assert in_a_fork(lambda: ours._wires == {})
            await ours.call(get(server.url, keyed=False))
            await ours.aclose()

        anyio.run(ask, backend=backend)
        assert 1 == server.connections


@needs_fork
@amid_threads
def test_a_stand_in_for_sockets_stays_open_in_a_fork() -> None:
    inner = httpx.MockTransport(lambda _: httpx.Response(200, json={}))
    ours = Transport(inner=inner, local=True)
    call = get("https://mock.example/", keyed=False)
    ours.call(call)
    assert in_a_fork(lambda: ours.call(call).status == 200)


def test_connections_are_used_again(carry: Carry, tmp_path: Path) -> None:
    with RawServer(answering(http(200, PIXEL))) as server:
        poll, submit = get(server.url), post(server.url, buys=True)
        carry(submit, submit, poll, poll, Fetch(server.url, tmp_path / "x.png", local=True))
    assert (5, 2) == (len(server.heard), server.connections)


@pytest.mark.slow
def test_only_so_many_connections_are_opened() -> None:
    arrived = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        peer.hear()
        arrived.release()
        peer.hang()

    with contextlib.closing(Transport(secret=SECRET)) as carrier, ThreadPoolExecutor(transport.CONNECTIONS) as pool:
        with RawServer(script) as server:
            held = [pool.submit(carrier.call, get(server.url)) for _ in range(transport.CONNECTIONS)]
            for _ in held:
                arrived.acquire()
            with pytest.raises(Unreachable):
                carrier.call(get(server.url, patience=0.1))
        assert all(isinstance(future.exception(), Lost) for future in held)
    assert transport.CONNECTIONS == server.connections


@pytest.mark.parametrize("way", WAYS)
def test_calls_wait_before_the_pool_and_not_in_it(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 3 * transport.CONNECTIONS
    inside: list[int] = []
    carry, carry_async = wires.Sockets.carry, wires.AsyncSockets.carry

    def counted(wire: Any, *rest: Any) -> httpcore.Response:
        inside.append(wire.resting.used)
        return carry(wire, *rest)

    async def counted_async(wire: Any, *rest: Any) -> httpcore.Response:
        inside.append(wire.resting.used)
        return await carry_async(wire, *rest)

    def script(peer: Peer) -> None:
        while peer.hear():
            if len(server.heard) >= transport.CONNECTIONS:
                all_in_use.set()
            all_in_use.wait()
            peer.say(http())

    all_in_use = threading.Event()
    monkeypatch.setattr(wires.Sockets, "carry", counted)
    monkeypatch.setattr(wires.AsyncSockets, "carry", counted_async)

    async def main() -> None:
        async with contextlib.aclosing(AsyncTransport(secret=SECRET)) as carrier, anyio.create_task_group() as tasks:
            for _ in range(calls):
                tasks.start_soon(carrier.call, get(server.url))

    with RawServer(script) as server:
        if way == "sync":
            with contextlib.closing(Transport(secret=SECRET)) as carrier, ThreadPoolExecutor(calls) as pool:
                list(pool.map(carrier.call, [get(server.url)] * calls))
        else:
            anyio.run(main, backend=way)
    assert calls == len(inside) == len(server.heard)
    assert max(inside) < transport.CONNECTIONS
    assert server.connections <= transport.CONNECTIONS


def test_transport_may_be_used_again_after_it_was_closed() -> None:
    with RawServer(answering(http())) as server, contextlib.closing(Transport(secret=SECRET)) as carrier:
        carrier.call(get(server.url))
        carrier.close()
        assert 200 == carrier.call(get(server.url)).status
    assert 2 == server.connections


def test_no_certificates_are_read_for_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "_trusted", lambda: pytest.fail("made"))
    monkeypatch.setattr(ssl, "create_default_context", lambda *_, **__: pytest.fail("made"))
    with RawServer(answering(http())) as server:
        _carry("sync", get(server.url))


# ---- Proxies


@pytest.fixture
def proxy() -> Iterator[RawServer]:
    """A proxy that says 502 to everything but tunnels; these it refuses with 403."""
    with RawServer(answering(lambda heard: http(403 if heard.method == "CONNECT" else 502))) as server:
        yield server


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_loopback_goes_direct_whatever_the_environment_says(
    carry: Carry, proxy: RawServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, proxy.url)
    with RawServer(answering(http())) as server:
        assert 200 == carry(get(server.url)).status
        assert 200 == carry(get(f"http://localhost:{server.port}"), proxy=proxy.url).status
        assert 0 == proxy.connections
        with httpx.Client() as client:
            assert 502 == client.get(server.url).status_code


def test_other_hosts_go_through_the_proxy_of_the_environment(
    carry: Carry, proxy: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url.removeprefix("http://"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}/")
    url = "http://service.test/a/../b?%2f~"
    assert 502 == carry(get(url), get(url)).status
    error = failure(carry, get("https://service.test/a/../b"))
    assert isinstance(error, Unreachable)
    assert "403" in str(error)
    expected = [("GET", url, KEY), ("GET", url, KEY), ("CONNECT", "service.test:443", None)]
    assert expected == [(heard.method, heard.target, heard.headers.get("x-key")) for heard in proxy.heard]


def test_proxy_that_is_given_goes_before_the_environment(
    carry: Carry, proxy: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "*")
    assert 502 == carry(get("http://service.test/"), proxy=f"http://me:pa%40ss@127.0.0.1:{proxy.port}").status
    assert "Basic bWU6cGFAc3M=" == proxy.heard[0].headers["proxy-authorization"]


def test_hosts_that_the_environment_exempts_go_direct(
    carry: Carry, proxy: RawServer, hosts: dict[str, Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts["service.test"] = ["127.0.0.1"]
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "other.test,.test")
    with RawServer(answering(http())) as server:
        assert 200 == carry(get(f"http://service.test:{server.port}")).status
    assert 0 == proxy.connections


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("tls", [False, True])
def test_tunnel_carries_the_call_byte_for_byte(carry: Carry, tls: bool) -> None:
    target = "/a/../b?x=%2f~|"
    with RawServer(answering(http(200, PIXEL)), tls=True) as server:

        def script(peer: Peer) -> None:
            peer.hear()
            peer.say(http(200))
            peer.relay(server.port)

        with RawServer(script, tls=tls) as tunnel:
            reply = carry(post(f"https://service.test:{server.port}{target}"), proxy=tunnel.url)
    assert 200 == reply.status
    assert [f"service.test:{server.port}"] == [heard.target for heard in tunnel.heard]
    assert [(target, KEY)] == [(heard.target, heard.headers["x-key"]) for heard in server.heard]


@pytest.mark.usefixtures("trusted")
@pytest.mark.slow
def test_deadline_holds_within_a_tunnel(carry: Carry) -> None:
    with RawServer(_silence, tls=True) as server:

        def script(peer: Peer) -> None:
            peer.hear()
            peer.say(http(200))
            peer.relay(server.port)

        with RawServer(script, tls=True) as tunnel:
            error = failure(carry, post(f"https://service.test:{server.port}", patience=0.4), proxy=tunnel.url)
    assert isinstance(error, Lost)


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:9", "ftp://127.0.0.1", "http://", "http://a:b", "x\ny", ""])
def test_proxy_that_cannot_be_used_is_a_wrong_setting(carry: Carry, address: str, tmp_path: Path) -> None:
    for effect in post("http://service.test"), Fetch("https://images.test/", tmp_path / "x.png"):
        error = failure(carry, effect, proxy=address)
        assert isinstance(error, SettingsError)
        assert "proxy" in str(error)
    assert [] == list(tmp_path.iterdir())


def test_proxy_that_is_not_there_means_that_nothing_left(carry: Carry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert isinstance(failure(carry, post("https://service.test"), proxy=f"http://127.0.0.1:{port}"), Unreachable)
    assert isinstance(failure(carry, post("http://service.test"), proxy=f"http://127.0.0.1:{port}"), Unreachable)


def test_download_through_a_proxy_goes_to_no_address_that_is_private(
    carry: Carry, proxy: RawServer, tmp_path: Path
) -> None:
    for host in "10.0.0.1", "169.254.169.254", "printer.local":
        error = failure(carry, Fetch(f"https://{host}/x", tmp_path / "x.png"), proxy=proxy.url)
        assert isinstance(error, ContractError)
    assert isinstance(failure(carry, Fetch("https://images.test/x", tmp_path / "x"), proxy=proxy.url), DownloadError)
    assert ["images.test:443"] == [heard.target for heard in proxy.heard]


# ---- Downloads


def test_download_brings_no_key_and_no_history(carry: Carry, tmp_path: Path) -> None:
    moved = http(302, Location="/x.png?sig=~=", Set_Cookie="a=b; Path=/")
    with RawServer(answering(lambda heard: http(200, PIXEL) if "?" in heard.target else moved)) as server:
        fetched = carry(get(server.url), Fetch(server.url, tmp_path / "sub" / "x", local=True), now=lambda: 12.5)
    headers = {
        "host": f"127.0.0.1:{server.port}",
        "accept": "*/*",
        "user-agent": f"fluxkit/{__version__}",
        "accept-encoding": "identity",
    }
    assert [Heard("GET", "/", headers, b""), Heard("GET", "/x.png?sig=~=", headers, b"")] == server.heard[1:]
    path = tmp_path / "sub" / "x.png"
    assert (path, "image/png", 1, 1, len(PIXEL), hashlib.sha256(PIXEL).hexdigest(), 12.5) == _facts(fetched)
    assert PIXEL == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


def _facts(fetched: Fetched) -> tuple[Any, ...]:
    names = "path", "media_type", "width", "height", "size", "sha256", "at"
    return tuple(getattr(fetched, name) for name in names)


def test_transport_of_a_local_service_downloads_locally(carry: Carry, tmp_path: Path) -> None:
    with RawServer(answering(http(200, PIXEL))) as server:
        carry(Fetch(server.url, tmp_path / "x.png"), local=True)
        assert isinstance(failure(carry, Fetch(server.url, tmp_path / "x.png")), ContractError)
    assert 1 == len(server.heard)


@pytest.mark.usefixtures("trusted")
def test_public_download_connects_to_the_address_that_was_checked(
    carry: Carry, hosts: dict[str, Sequence[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Loopback plays the public internet; nothing listens at the second address, and the third is not public.
    monkeypatch.setattr(network, "is_public", lambda address: address.startswith("127."))
    hosts["images.test"] = ["10.0.0.1", "127.0.0.2", "127.0.0.1"]
    with RawServer(answering(http(200, PIXEL)), tls=True) as server:
        fetched = carry(Fetch(f"https://images.test:{server.port}/x", tmp_path / "x.png"))
        hosts["other.test"] = ["127.0.0.1"]
        error = failure(carry, Fetch(f"https://other.test:{server.port}/x", tmp_path / "y.png"))
    assert len(PIXEL) == fetched.size
    assert isinstance(error, DownloadError)
    assert "other.test" in str(error)
    assert "certificate" in str(error)


@pytest.mark.parametrize("location", ["https://10.0.0.1/", "http://images.test/", "https://0x7f000001/", "file:///x"])
def test_public_download_is_not_sent_astray(carry: Carry, tmp_path: Path, location: str) -> None:
    inner = httpx.MockTransport(lambda _: httpx.Response(302, headers={"location": location}))
    error = failure(carry, Fetch("https://images.test/", tmp_path / "x.png"), inner=inner)
    assert isinstance(error, ContractError)
    assert "from images.test" in str(error)
    assert Charged.YES is error.charged
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        (http(403, b"expired"), 403, "HTTP 403"),
        (http(503), 503, "HTTP 503"),
        (http(206, PIXEL), 206, "HTTP 206"),
        (http(302), 302, "did not say where"),
        (http(302, Location="/"), 302, "more than 5 redirects"),
        (http(200, b"<html>"), 200, "no image"),
        (http(200, PIXEL[:-4]), 200, "not whole"),
        (http(200, PIXEL, Content_Length="1000"), 200, ""),
        (http(200, PIXEL, Content_Length="2000"), 200, "has 2000 bytes; at most 1000"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1001), 200, "more than 1000 bytes"),
        (b"", None, "disconnected"),
        (b"no HTTP", None, ""),
    ],
)
def test_download_that_failed_says_how(
    carry: Carry, tmp_path: Path, said: bytes, status: int | None, reason: str
) -> None:
    with RawServer(ending(said)) as server:
        url = f"{server.url}/x.png?signature=5ec2e7"
        error = failure(carry, Fetch(url, tmp_path / "x.png", local=True, most=1000))
    assert isinstance(error, DownloadError)
    assert status == error.status
    assert reason in str(error)
    assert f"127.0.0.1:{server.port}" in str(error)
    assert "5ec2e7" not in str(error)
    assert Charged.YES is error.charged
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["", "x.png", "https://a\n"])
def test_download_without_an_address_failed(carry: Carry, tmp_path: Path, url: str) -> None:
    error = failure(carry, Fetch(url, tmp_path / "x.png"))
    assert isinstance(error, DownloadError)
    assert error.status is None


def test_download_that_has_no_place_is_not_begun(carry: Carry, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "file" / "x.png"
    with RawServer(answering(http(200, PIXEL))) as server:
        error = failure(carry, Fetch(server.url, path, local=True))
    assert isinstance(error, DownloadError)
    assert str(path) in str(error)
    assert [] == server.heard


def test_disk_that_fills_ends_a_download(carry: Carry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(draft: Any, piece: bytes) -> None:
        raise Fault("x.png cannot be written (No space left on device)")

    monkeypatch.setattr(Draft, "write", write)

    def script(peer: Peer) -> None:
        peer.hear()
        peer.say(http(200, PIXEL, Content_Length="1000"))
        peer.hang()

    with RawServer(script) as server:
        error = failure(carry, Fetch(server.url, tmp_path / "x.png", local=True))
    assert isinstance(error, DownloadError)
    assert "No space left" in str(error)
    assert [] == list(tmp_path.iterdir())


def test_picture_within_an_answer_is_kept(carry: Carry, tmp_path: Path) -> None:
    fetched = carry(Keep(PIXEL, tmp_path / "x"), now=lambda: 12.5)
    expected = (tmp_path / "x.png", "image/png", 1, 1, len(PIXEL), hashlib.sha256(PIXEL).hexdigest(), 12.5)
    assert expected == _facts(fetched)


def test_what_is_no_picture_within_an_answer_is_not_kept(carry: Carry, tmp_path: Path) -> None:
    error = failure(carry, Keep(b"<html>", tmp_path / "x.png"))
    assert isinstance(error, DownloadError)
    assert error.status is None
    assert [] == list(tmp_path.iterdir())


# ---- Quiet


def test_links_and_keys_are_in_no_log(carry: Carry, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    signed = "/x.png?signature=5ec2e7"
    script = answering(lambda heard: http(200, PIXEL) if "?" in heard.target else http(302, Location=signed))
    with RawServer(script) as server, caplog.at_level(logging.DEBUG):
        effects = get(server.url + signed), Fetch(server.url, tmp_path / "x.png", local=True), get(server.url)
        carry(*effects)
        failure(carry, post("http://127.0.0.1:9"))
        ours = [record.name for record in caplog.records if record.name.startswith(("httpx", "httpcore.h"))]
        caplog.clear()
        # Whoever else uses httpx is heard as before, in the same process.
        with httpx.Client() as client:
            client.get(server.url)
            client.get(server.url + signed)
    assert [] == ours
    assert {"httpx", "httpcore.http11", "httpcore.connection"} <= {record.name for record in caplog.records}
    assert "5ec2e7" in caplog.text


def test_both_transports_have_the_same_methods() -> None:
    blocking = {name for name in vars(Transport) if not name.startswith("_")}
    assert blocking - {"close"} == {name for name in vars(AsyncTransport) if not name.startswith("_")} - {"aclose"}


def test_reply_of_a_call_is_a_reply(carry: Carry) -> None:
    with RawServer(answering(http())) as server:
        assert isinstance(carry(get(server.url)), Reply)


def test_an_address_of_httpx_made_without_its_parser_says_what_it_leads_to() -> None:
    url = _Address(read_link("https://a.example:8443/b%2Fc?d=~|&e"))
    assert ("https", "a.example", 8443) == (url.scheme, url.host, url.port)
    assert (b"/b%2Fc?d=~|&e", "/b/c", b"d=~|&e") == (url.raw_path, url.path, url.query)
    assert "https://a.example:8443/b%2Fc?d=~|&e" == str(url)

"""Fetching a reference from a user's address, on real sockets: whatever the address says, only public hosts are met."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.rawserver import Heard, Peer, RawServer, answering, certificate, http, zipped
from support.uploads import PNG
from support.ways import WAYS, carried, resolving

from fluxkit._engine import network
from fluxkit._engine.effects import Bring
from fluxkit._engine.secret import Secret
from fluxkit.errors import Charged, ReferenceUnusable

KEY = "mg-4f1c9e77abce0"
SECRET = Secret(KEY, "x-key")


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with certificate() as file:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is public for the time of a test, but for 127.0.0.2 and later."""
    known = network.is_public
    monkeypatch.setattr(network, "is_public", lambda address: address == "127.0.0.1" or known(address))


def failing(way: str, bring: Bring, **options: Any) -> ReferenceUnusable:
    with pytest.raises(ReferenceUnusable) as caught:
        carried(way, bring, **options)
    assert Charged.NO is caught.value.charged
    assert "othing was bought." in str(caught.value)
    return caught.value


each_way = pytest.mark.parametrize("way", WAYS)


@each_way
@pytest.mark.usefixtures("public")
def test_an_image_is_fetched_without_key_or_cookie_over_redirects(way: str) -> None:
    def answer(heard: Heard) -> bytes:
        if heard.target == "/c.png?sig=a~b==":
            return http(body=PNG)
        onward = {"/a": "/b", "/b": f"https://images.test:{server.port}/c.png?sig=a~b=="}[heard.target]
        return http(302, location=onward, set_cookie="a=b")

    with RawServer(answering(answer), tls=True) as server, resolving({"images.test": [["127.0.0.1"]]}):
        found = carried(way, Bring(f"https://images.test:{server.port}/a"), secret=SECRET)
    assert PNG == found
    assert [("GET", "/a"), ("GET", "/b"), ("GET", "/c.png?sig=a~b==")] == [(h.method, h.target) for h in server.heard]
    assert {"host", "accept", "user-agent", "accept-encoding"} == {name for h in server.heard for name in h.headers}
    assert KEY not in str(server.heard)


HOSTILE = [
    "https://127.0.0.1:{port}/",
    "https://localhost:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f.1:{port}/",
    "https://127.1:{port}/",
    "https://[::1]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[64:ff9b::7f00:1]:{port}/",
    "http://127.0.0.1:{port}/",
    "http://images.test:{port}/",
    "https://user@images.test:{port}/",
    "https://intranet:{port}/",
    "https://printer.local:{port}/",
    "https://rebound.test:{port}/",
    "https://nat64.test:{port}/",
    "https://mapped.test:{port}/",
    "ftp://images.test:{port}/",
    "file:///etc/hosts",
]
NAMES = {
    "rebound.test": [["127.0.0.1"]],
    "nat64.test": [["64:ff9b::7f00:1"]],
    "mapped.test": [["::ffff:127.0.0.1"]],
    "intranet": [["127.0.0.1"]],
    "printer.local": [["127.0.0.1"]],
    "images.test": [["127.0.0.1"]],
}


@each_way
@pytest.mark.parametrize("url", HOSTILE)
def test_an_address_that_leads_astray_is_met_by_nobody(way: str, url: str) -> None:
    with RawServer(answering(http(body=PNG)), tls=True) as server, resolving(NAMES):
        error = failing(way, Bring(url.format(port=server.port)))
        assert 0 == server.connections
    assert not error.retry
    assert "Nothing was sent there, and nothing was bought." in str(error)


@each_way
@pytest.mark.parametrize("url", HOSTILE)
def test_a_redirect_that_leads_astray_is_not_followed(way: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(answering(http(body=PNG)), tls=True) as inside:
        onward = http(302, location=url.format(port=inside.port))
        with RawServer(answering(onward)) as server, resolving(NAMES):
            bring = Bring(f"http://127.0.0.1:{server.port}/", origins=[server.url])
            error = failing(way, bring)
        assert (1, 0) == (server.connections, inside.connections)
    assert "was not fetched: it leads to " in str(error)


@each_way
def test_a_name_is_not_asked_after_again_between_the_check_and_the_connection(way: str) -> None:
    """The first answer is public and nobody listens there; a second look-up would lead to this machine."""
    known = {"rebound.test": [["192.88.99.1"], ["127.0.0.1"]]}
    attempts: list[str] = []

    def refuse(self: Any, address: str, *_: Any, **__: Any) -> Any:
        attempts.append(address)
        raise network.httpcore.ConnectError("nobody is there")

    async def refuse_async(address: str, _: int) -> Any:
        attempts.append(address)
        raise OSError("nobody is there")

    with (
        RawServer(answering(http(body=PNG)), tls=True) as server,
        resolving(known),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(network.httpcore.SyncBackend, "connect_tcp", refuse)
        patch.setattr(network.Stream, "connect", refuse_async)
        patch.setattr(network, "is_public", lambda address: address == "192.88.99.1")
        error = failing(way, Bring(f"https://rebound.test:{server.port}/"))
        assert (0, ["192.88.99.1"]) == (server.connections, attempts)
    assert error.retry


@each_way
def test_only_origins_that_are_named_are_met_though_they_are_local(way: str) -> None:
    with RawServer(answering(http(body=PNG))) as own, RawServer(answering(http(body=PNG))) as other:
        assert PNG == carried(way, Bring(f"{own.url}/a.png", origins=[own.url]), local=True)
        failing(way, Bring(f"{other.url}/a.png", origins=[own.url]), local=True)
        assert (1, 0) == (own.connections, other.connections)


@each_way
def test_hosts_that_are_allowed_are_met_and_redirects_to_them_pass(way: str) -> None:
    allowed = frozenset({"images.intranet"})
    with RawServer(answering(http(body=PNG))) as inside, RawServer(answering(http(body=PNG))) as other:
        onward = http(302, location=f"http://images.intranet:{inside.port}/a.png")
        astray = http(302, location=f"http://127.0.0.1:{other.port}/a.png")
        with (
            RawServer(answering(lambda heard: astray if heard.target == "/astray" else onward)) as server,
            resolving({"images.intranet": [["127.0.0.1"]]}),
        ):
            assert PNG == carried(way, Bring(f"{server.url}/", origins=[server.url]), allow_hosts=allowed)
            url = f"http://images.intranet:{server.port}/astray"
            failing(way, Bring(url), allow_hosts=allowed)
        assert (1, 0) == (inside.connections, other.connections)


def dripping(peer: Peer) -> None:
    peer.hear()
    peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    peer.drip(b"x" * 1_000_000)


@each_way
@pytest.mark.parametrize(
    ("script", "bring", "said", "retry"),
    [
        (answering(http(body=PNG)), {"most": 20}, "has 28 bytes; at most 20 are taken", False),
        (answering(zipped(PNG + bytes(100_000))), {"most": 1000}, "was not asked for|unpacked", False),
        (answering(http(404)), {}, "the link answered HTTP 404, not 200", False),
        (answering(http(503)), {}, "the link answered HTTP 503, not 200", True),
        (answering(http(429)), {}, "the link answered HTTP 429, not 200", True),
        (answering(http(302)), {}, "did not say where the image is", False),
        (answering(http(302, location="/again")), {}, "more than 5 redirects", False),
        (answering(http(body=PNG, content_length="40")), {"patience": 0.2}, "it was not done within 0.2 s", True),
        (dripping, {"patience": 0.2}, "it was not done within 0.2 s", True),
        (Peer.drop, {}, "was not fetched: ", True),
        (Peer.hang, {"patience": 0.2}, "it was not done within 0.2 s", True),
    ],
)
def test_what_does_not_come_as_an_image_should_is_said(
    way: str, script: Callable[[Peer], None], bring: dict[str, Any], said: str, retry: bool
) -> None:
    with RawServer(script) as server:
        error = failing(way, Bring(f"{server.url}/a.png?sig=secret", origins=[server.url], **bring))
    assert retry is error.retry
    assert any(part in str(error) for part in said.split("|")), str(error)
    assert "secret" not in str(error)


@each_way
def test_an_address_with_a_password_is_not_shown(way: str) -> None:
    assert "secret" not in str(failing(way, Bring("https://user:secret@images.test/")))

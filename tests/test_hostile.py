"""A client and a service that lies, over a socket: a typed error, no key, nothing bought twice, nothing hung."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.rawserver import Heard, Peer, RawServer, answering, http, zipped

import fluxkit

KEY = "k-7f3a91d2-5bb04e-secret"
MODEL = "magnific:flux-2-klein"

TASK = b'{"data":{"task_id":"t-1","status":"CREATED"}}'


def completed(url: str, **more: object) -> bytes:
    return json.dumps({"data": {"task_id": "t-1", "status": "COMPLETED", "generated": [url], **more}}).encode()


def said(error: BaseException) -> str:
    """Everything of an error that may reach a log."""
    return f"{error!r} {error} {vars(error)!r} {error.__cause__!r} {error.__context__!r}"


def client(server: RawServer, **settings: object) -> fluxkit.Client:
    return fluxkit.Client(MODEL, key=KEY, base_url=server.url, timeout=1.2, patience=0.4, **settings)  # type: ignore[arg-type]


def submits(server: RawServer) -> int:
    return sum(heard.method == "POST" for heard in server.heard)


SUBMIT_ANSWERS = {
    "not JSON": http(200, b"<html>hello</html>"),
    "no id": http(200, b'{"data":{"status":"CREATED"}}'),
    "an id that is a number": http(200, b'{"data":{"task_id":17,"status":"CREATED"}}'),
    "truncated": http(200, TASK)[:-9],
    "huge": http(200, b'{"data":"' + b"x" * 17_000_000 + b'"}'),
    "a bomb": zipped(b" " * 40_000_000 + TASK),
    "deep": http(200, b"[" * 5_000 + b"]" * 5_000),
    "a redirect": http(307, b"", Location="http://127.0.0.1:9/steal"),
    "a gateway": http(502, b"<html>bad gateway</html>"),
    "a stranger's 503": http(503, b"<html>try later</html>"),
    "a stranger's 429": http(429, b"slow down"),
    "no answer": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
}


@pytest.mark.parametrize("answer", SUBMIT_ANSWERS.values(), ids=SUBMIT_ANSWERS)
def test_a_submit_with_a_doubtful_answer_is_unknown_and_sent_once(answer: bytes) -> None:
    with (
        RawServer(answering(answer)) as server,
        client(server) as flux,
        pytest.raises(fluxkit.SubmissionUnknown) as raised,
    ):
        flux.generate("a cat")
    assert fluxkit.Charged.UNKNOWN is raised.value.charged
    assert not raised.value.retry
    assert 1 == submits(server)
    assert KEY not in said(raised.value)


def dripping(peer: Peer) -> None:
    peer.hear()
    peer.drip(http(200, TASK), pause=0.1)


@pytest.mark.slow
def test_a_submit_whose_answer_drips_ends_at_its_patience() -> None:
    with RawServer(dripping) as server, client(server) as flux:
        begun = time.monotonic()
        with pytest.raises(fluxkit.SubmissionUnknown):
            flux.generate("a cat")
        assert time.monotonic() - begun < 3


IMAGE_LINKS = {
    "a file": "file:///etc/passwd",
    "a script": "javascript:alert(1)",
    "nothing": "",
}


@pytest.mark.slow
@pytest.mark.parametrize("link", IMAGE_LINKS.values(), ids=IMAGE_LINKS)
def test_a_link_that_is_no_address_is_named_with_the_task(link: str, tmp_path: Path) -> None:
    def script(heard: Heard) -> bytes:
        return http(200, TASK if heard.method == "POST" else completed(link))

    with RawServer(answering(script)) as server, client(server) as flux, pytest.raises(fluxkit.FluxError) as raised:
        flux.generate("a cat", to=tmp_path / "cat.png")
    assert isinstance(raised.value, fluxkit.ContractError | fluxkit.DownloadError)
    assert "t-1" == raised.value.task.id
    assert raised.value.charged
    assert 1 == submits(server)
    assert [] == list(tmp_path.iterdir())


BODIES: dict[str, Callable[[], bytes]] = {
    "HTML": lambda: http(200, b"<html>sign in</html>", Content_Type="text/html"),
    "half an image": lambda: http(200, b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, Content_Type="image/png"),
    "less than promised": lambda: http(200, b"\xff\xd8\xff\xe0" + b"\x00" * 50)[:-20],
    "an error": lambda: http(500, b"no"),
    "a redirect to a file": lambda: http(302, b"", Location="file:///etc/passwd"),
}


@pytest.mark.slow
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_image_that_cannot_be_had_leaves_no_file_and_keeps_the_task(
    body: Callable[[], bytes], tmp_path: Path
) -> None:
    def script(heard: Heard) -> bytes:
        if heard.method == "POST":
            return http(200, TASK)
        return body() if heard.target == "/image" else http(200, completed(f"http://{heard.headers['host']}/image"))

    with RawServer(answering(script)) as server, client(server) as flux, pytest.raises(fluxkit.FluxError) as raised:
        flux.generate("a cat", to=tmp_path / "cat.png")
    assert isinstance(raised.value, fluxkit.ContractError | fluxkit.DownloadError)
    assert "t-1" == raised.value.task.id
    assert fluxkit.Charged.YES is raised.value.charged
    assert 1 == submits(server)
    assert [] == list(tmp_path.iterdir())
    assert not any(KEY in str(heard) for heard in server.heard if heard.target == "/image")
    assert KEY not in said(raised.value)


def test_an_id_that_climbs_stays_in_its_segment_and_in_its_directory(tmp_path: Path) -> None:
    climbing = "../../v1/delete?x=1#"
    picture = Path(__file__).parent.parent / "docs" / "images" / "apimart.png"

    def script(heard: Heard) -> bytes:
        if heard.method == "POST":
            return http(200, json.dumps({"data": {"task_id": climbing, "status": "CREATED"}}).encode())
        if heard.target == "/image":
            return http(200, picture.read_bytes(), Content_Type="image/png")
        return http(200, completed(f"http://{heard.headers['host']}/image"))

    place = tmp_path / "images"
    place.mkdir()
    with RawServer(answering(script)) as server, client(server) as flux, pytest.warns(fluxkit.DeliveryWarning):
        result = flux.generate("a cat", to=place)
    polls = [heard.target for heard in server.heard if heard.method == "GET" and heard.target != "/image"]
    assert {"/v1/ai/text-to-image/flux-2-klein/..%2F..%2Fv1%2Fdelete%3Fx%3D1%23"} == set(polls)
    assert place == result.images[0].path.parent  # type: ignore[union-attr]
    assert ["images"] == [entry.name for entry in tmp_path.iterdir()]


def test_a_key_that_is_refused_is_not_shown() -> None:
    refusal = http(401, json.dumps({"message": f"Invalid API key {KEY}"}).encode())
    with RawServer(answering(refusal)) as server, client(server) as flux, pytest.raises(fluxkit.Unauthorized) as raised:
        flux.generate("a cat")
    assert KEY not in said(raised.value)
    assert fluxkit.Charged.NO is raised.value.charged
    assert 1 == submits(server)


def test_a_key_that_is_quoted_in_the_reason_of_a_failure_is_not_shown() -> None:
    def script(heard: Heard) -> bytes:
        failed = {"data": {"task_id": "t-1", "status": "FAILED", "error": f"no plan for {KEY}"}}
        return http(200, TASK if heard.method == "POST" else json.dumps(failed).encode())

    with RawServer(answering(script)) as server, client(server) as flux, pytest.raises(fluxkit.Failed) as raised:
        flux.generate("a cat")
    assert "no plan for <key>" in raised.value.message
    assert KEY not in said(raised.value)


def test_a_host_that_is_not_there_is_unreachable_and_nothing_was_charged() -> None:
    with RawServer(answering(b"")) as server:
        url = server.url
    with fluxkit.Client(MODEL, key=KEY, base_url=url, timeout=1) as flux, pytest.raises(fluxkit.Unreachable) as raised:
        flux.generate("a cat")
    assert fluxkit.Charged.NO is raised.value.charged
    assert raised.value.retry

import gzip
import hashlib
import json
import os
import stat
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit._engine.answer import Answer, Fault
from fluxkit._engine.document import DEPTH, read_document
from fluxkit._engine.download import Draft, keep
from fluxkit._engine.effects import Fetched
from fluxkit._engine.trail import HOPS, Stray, Trail

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def picture(*, width: int = 8, height: int = 4) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def answer(
    status: int = 200, *, most: int = 1000, write: Callable[[bytes], object] = lambda _: None, **headers: str
) -> Answer:
    fields = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Answer(status, fields, most=most, write=write)


def trail(url: str = "https://images.example/a/b.png?x=1", *, local: bool = False) -> Trail:
    return Trail(url, free=lambda _: local)


# ---- Answer


def test_headers_have_lower_case_names_and_repeated_ones_are_joined() -> None:
    fields = [(b"Retry-After", b"3"), (b"X-Id", b"a"), (b"x-id", b"\xe9")]
    assert {"retry-after": "3", "x-id": "a, \u00e9"} == Answer(200, fields, most=0, write=bytes).headers


@given(
    st.lists(st.binary(max_size=50)),
    st.sampled_from(["gzip", "x-gzip", "GZIP", "deflate", "identity"]),
    st.integers(1, 9),
)
def test_body_arrives_as_it_was_packed_whatever_the_pieces(pieces: list[bytes], coding: str, size: int) -> None:
    content = b"".join(pieces)
    packed = {"identity": bytes, "deflate": zlib.compress}.get(coding, gzip.compress)(content)
    came: list[bytes] = []
    taking = answer(most=len(content), write=came.append, content_encoding=coding, content_length=str(len(packed)))
    # Packing adds bytes; the promise may be larger than what is taken in the end.
    if len(packed) > len(content):
        taking = answer(most=len(content), write=came.append, content_encoding=coding)
    for start in range(0, len(packed), size):
        assert taking.take(packed[start : start + size]) is None
    taking.end()
    assert content == b"".join(came)


def test_body_ends_where_too_much_is_unpacked() -> None:
    came: list[bytes] = []
    taking = answer(most=1000, write=came.append, content_encoding="gzip")
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    try:
        fault = taking.take(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    assert "the answer has more than 1000 bytes when it is unpacked; no more are taken" == fault
    assert fault == taking.take(b"more")
    with pytest.raises(Fault, match="more than 1000"):
        taking.end()
    assert [] == came


def test_body_of_just_the_largest_size_is_taken() -> None:
    taking = answer(most=1000, content_encoding="gzip")
    assert taking.take(gzip.compress(bytes(1000))) is None
    taking.end()


def test_announced_body_is_refused_before_it_comes() -> None:
    assert "the answer has 1001 bytes; at most 1000 are taken" == answer(content_length="1001").take(b"")


@pytest.mark.parametrize("came", [b"", b"123", b"12345"])
def test_body_is_as_long_as_announced(came: bytes) -> None:
    taking = answer(content_length="4")
    taking.take(came)
    with pytest.raises(Fault, match=f"ended after {len(came)} of 4 bytes"):
        taking.end()


@pytest.mark.parametrize("status", [204, 304])
def test_answer_that_has_no_body_by_its_status_may_announce_one(status: int) -> None:
    answer(status, content_length="4").end()


@pytest.mark.parametrize("length", ["", "x", "-1", "\u00b2", "4, 4", "9" * 5000])
def test_length_that_is_no_number_announces_nothing(length: str) -> None:
    taking = answer(content_length=length)
    taking.take(b"12")
    taking.end()


def test_packed_body_without_its_end_is_not_whole() -> None:
    taking = answer(content_encoding="gzip")
    taking.take(gzip.compress(b"content")[:-8])
    with pytest.raises(Fault, match="ended before its packed content did"):
        taking.end()


def test_packed_body_may_be_empty() -> None:
    answer(content_encoding="gzip").end()


def test_nothing_may_follow_a_packed_body() -> None:
    assert "something follows the packed answer" == answer(content_encoding="gzip").take(gzip.compress(b"") + b"x")


def test_body_that_cannot_be_unpacked_is_a_fault() -> None:
    assert "the answer cannot be unpacked" in str(answer(content_encoding="gzip").take(b"no gzip"))


def test_packing_that_was_not_asked_for_is_a_fault() -> None:
    assert "the answer is packed as 'br', which was not asked for" == answer(content_encoding="br").take(b"x")


# ---- read_document


def test_half_a_character_becomes_a_question_mark() -> None:
    """A service that cuts the prompt which it complains of counts in UTF-16 perhaps."""
    assert {"a?": ["b?", 1, None, "\N{FOX FACE}"]} == read_document(
        rb'{"a\ud83d": ["b\uDD8A", 1, null, "\ud83e\udd8a"]}'
    )


@given(JSON)
def test_document_is_what_the_body_says(document: object) -> None:
    assert document == read_document(json.dumps(document).encode())
    assert document == read_document(b"\xef\xbb\xbf" + json.dumps(document, ensure_ascii=False).encode())


@given(JSON, st.integers(0, DEPTH + 20))
def test_document_may_be_so_deep_and_no_deeper(document: object, depth: int) -> None:
    flat = json.dumps(document) if not isinstance(document, list | dict) else '"]}\\"[["'
    body = ("[" * depth + flat + "]" * depth).encode()
    assert (None if depth > DEPTH else json.loads(body)) == read_document(body)


def test_brackets_within_text_or_side_by_side_are_not_depth() -> None:
    for document in [{"a": "[" * 1000}, [[]] * 1000, ["\\", '"', "[{" * 1000]]:
        assert document == read_document(json.dumps(document).encode())


def test_depth_alone_cannot_exhaust_the_reader() -> None:
    body = b'{"a":' * 100_000
    with pytest.raises(RecursionError):
        json.loads(body)
    assert read_document(body) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{",
        b"NaN",
        b"[Infinity]",
        b'{"a":-Infinity}',
        b"1e999",
        b"[-1e999]",
        b'"\xff"',
        b"1 2",
        b"9" * 5000,
    ],
)
def test_what_is_no_json_is_no_document(body: bytes) -> None:
    assert read_document(body) is None


# ---- Draft and keep


def test_picture_is_kept_whole_and_described(tmp_path: Path) -> None:
    content = picture()
    path = tmp_path / "deep" / "er" / "x.png"
    expected = Fetched(path, "image/png", 8, 4, len(content), hashlib.sha256(content).hexdigest(), 12.5)
    assert attrs.asdict(expected) == attrs.asdict(keep(content, path, now=lambda: 12.5))
    assert content == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_only_its_owner_may_read_a_picture(tmp_path: Path) -> None:
    with Draft(tmp_path / "x.png") as draft:
        (unfinished,) = tmp_path.iterdir()
        assert 0o600 == stat.S_IMODE(unfinished.stat().st_mode)
        draft.write(picture())
        draft.finish(now=float)
    assert 0o600 == stat.S_IMODE((tmp_path / "x.png").stat().st_mode)


def test_name_without_a_suffix_gets_the_true_one(tmp_path: Path) -> None:
    assert tmp_path / "x.png" == keep(picture(), tmp_path / "x", now=float).path
    assert tmp_path / "x.jpg" == keep(picture(), tmp_path / "x.jpg", now=float).path
    assert {tmp_path / "x.jpg", tmp_path / "x.png"} == set(tmp_path.iterdir())


def test_picture_takes_the_place_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"before")
    keep(picture(), path, now=float)
    assert picture() == path.read_bytes()


@pytest.mark.parametrize("links", [True, False])
def test_picture_takes_the_next_free_name(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a file cannot have two names, as on the file systems of memory cards."""
    if not links:

        def refused(*_: object) -> None:
            raise PermissionError("Operation not permitted")

        monkeypatch.setattr("os.link", refused)
    (tmp_path / "x.png").write_bytes(b"before")
    kept = [keep(picture(), tmp_path / "x.png", replaces=False, now=float).path.name for _ in range(2)]
    assert ["x~2.png", "x~3.png"] == kept
    assert {"x.png", *kept} == {path.name for path in tmp_path.iterdir()}
    assert b"before" == (tmp_path / "x.png").read_bytes()
    assert picture() == (tmp_path / "x~3.png").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="it needs names of one file")
def test_picture_has_its_name_only_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is killed in between leaves no empty file under the name of an image."""
    link, seen = os.link, []

    def watched(draft: Path, path: Path) -> None:
        seen.append(path.exists())
        link(draft, path)
        seen.append(path.read_bytes() == picture())

    monkeypatch.setattr("os.link", watched)
    keep(picture(), tmp_path / "x.png", replaces=False, now=float)
    assert [False, True] == seen


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no image: the file is empty"),
        (b"<html>Forbidden</html>", "no image: .*<html>"),
        (picture()[:-1], "not whole"),
        (picture()[:20], "not whole"),
    ],
)
def test_what_is_no_whole_picture_leaves_nothing(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"before")
    with pytest.raises(Fault, match=reason):
        keep(content, path, now=float)
    assert b"before" == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, GeneratorExit, RuntimeError])
def test_interruption_leaves_nothing(tmp_path: Path, interruption: type[BaseException]) -> None:
    with pytest.raises(interruption), Draft(tmp_path / "x.png") as draft:
        draft.write(picture())
        raise interruption
    assert [] == list(tmp_path.iterdir())


def test_disk_that_refuses_is_named_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    for path in tmp_path / "file" / "x.png", tmp_path / "folder.png":
        with pytest.raises(Fault) as caught:
            keep(picture(), path, now=float)
        assert str(caught.value).startswith(f"{path} cannot be written (")
    assert {tmp_path / "file", tmp_path / "folder.png"} == set(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_full_disk_is_a_fault(tmp_path: Path) -> None:
    with Draft(tmp_path / "x.png") as draft:
        draft._file.close()
        draft._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115 - the draft closes it
        with pytest.raises(Fault, match=r"x\.png cannot be written \(No space left on device\)"):
            draft.write(picture())
    assert [] == list(tmp_path.iterdir())


# ---- Trail


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://other.example/x?token=exp=1~hmac=%2f", "https://other.example/x?token=exp=1~hmac=%2f"),
        ("//other.example/x", "https://other.example/x"),
        ("/x/../y?a b", "https://images.example/x/../y?a%20b"),
        ("c.png?y=%7e", "https://images.example/a/c.png?y=%7e"),
        ("../c.png", "https://images.example/c.png"),
        ("?y=2", "https://images.example/a/b.png?y=2"),
        ("/\xff\xc3\xa9", "https://images.example/%FF%C3%A9"),
        ("https://other.example/x#part", "https://other.example/x"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_leads_where_it_says(status: int, location: str, expected: str) -> None:
    way = trail()
    assert way.moves(answer(status, location=location))
    assert expected == str(way.link)
    assert status == way.status


@pytest.mark.parametrize(
    "location",
    [
        "http://images.example/x",
        "https://127.0.0.1/x",
        "https://2130706433/x",
        "//[::ffff:10.0.0.1]/x",
        "https://localhost/x",
        "https://user@images.example/x",
        "ftp://images.example/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:image/png;base64,AA",
    ],
)
def test_download_does_not_go_astray(location: str) -> None:
    with pytest.raises(Stray):
        trail(location if location[0] != "/" else f"https:{location}")
    way = trail()
    with pytest.raises(Stray):
        way.moves(answer(302, location=location))
    assert "https://images.example/a/b.png?x=1" == str(way.link)


@pytest.mark.parametrize("location", ["http://127.0.0.1:80/x", "https://10.0.0.1/x", "http://mock/x"])
def test_local_download_goes_to_local_hosts(location: str) -> None:
    way = trail("http://localhost:8000/x", local=True)
    assert way.moves(answer(302, location=location))


@pytest.mark.parametrize("url", ["", "x.png", "https://", "https://images.example/\n", "http:x"])
def test_link_that_is_no_address_is_a_fault(url: str) -> None:
    with pytest.raises(Fault, match="no usable address"):
        trail(url)


def test_download_follows_only_so_many_redirects() -> None:
    way = trail()
    for _ in range(HOPS):
        assert way.moves(answer(302, location="/again"))
    with pytest.raises(Fault, match="more than 5 redirects"):
        way.moves(answer(302, location="/again"))


def test_redirect_without_a_place_is_a_fault() -> None:
    with pytest.raises(Fault, match="HTTP 302 and did not say where"):
        trail().moves(answer(302))


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 403, 404, 410, 429, 500, 503])
def test_answer_that_is_not_the_file_is_a_fault(status: int) -> None:
    way = trail()
    with pytest.raises(Fault, match=f"HTTP {status}, not 200"):
        way.moves(answer(status, location="/x"))
    assert status == way.status


def test_answer_with_the_file_moves_nowhere() -> None:
    way = trail()
    assert not way.moves(answer(200, location="/x"))
    assert 200 == way.status

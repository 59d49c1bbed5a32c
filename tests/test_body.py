"""Bodies that are written while they are sent: what comes out is what the naive way would have sent."""

import base64
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit import strategies
from fluxkit._contract.reference import Reference
from fluxkit._wire import body as module
from fluxkit._wire.body import Blob, Body, form_body, json_body, pieces
from fluxkit.errors import ReferenceUnusable

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", 12)  # so that small images come in several


def blobs() -> st.SearchStrategy[Blob]:
    images = st.builds(lambda rest: Reference(content=PNG + rest), st.binary(max_size=40))
    return st.builds(Blob, images, st.sampled_from(["", "data:image/png;base64,", 'a "quoted" \\ ü prefix,']))


def documents() -> st.SearchStrategy[Any]:
    """JSON with images in it."""
    leaves = blobs() | st.none() | st.integers() | st.text() | st.just('"<base64 of x>"')
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
    )


def spelt(document: Any) -> Any:
    """The document with each blob as the text that it stands for, made in another way."""
    match document:
        case Blob(reference=reference, prefix=prefix):
            return prefix + base64.b64encode(reference.read()).decode()
        case dict():
            return {key: spelt(value) for key, value in document.items()}
        case list():
            return [spelt(value) for value in document]
    return document


@given(documents())
def test_a_body_is_what_the_naive_encoding_sends(document: Any) -> None:
    written, text = json_body(document), spelt(document)
    assert json.dumps(text, ensure_ascii=False, separators=(",", ":")).encode() == bytes(written)
    assert text == json.loads(bytes(written))
    assert len(bytes(written)) == len(written)
    assert bytes(written) == b"".join(written if isinstance(written, Body) else [written])


@given(strategies.json_values())
def test_a_document_without_images_is_plain_bytes(document: Any) -> None:
    assert json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() == json_body(document)


@given(blobs())
def test_a_blob_equals_its_text_and_nothing_else(blob: Blob) -> None:
    text = spelt(blob)
    assert (text, len(text)) == (blob.text(), len(blob))
    assert blob == text
    assert blob == Blob(Reference(content=blob.reference.content), blob.prefix)
    assert blob != text[:-1] + "!"
    assert blob != Blob(Reference(content=PNG), "other")
    assert blob != text.encode()
    with pytest.raises(TypeError, match="unhashable"):
        hash(blob)


def test_pieces_are_bytes_and_blobs_as_they_stand() -> None:
    blob = Blob(Reference(content=PNG), "data:,")
    assert [b'{"a":["data:,', blob, b'",1]}'] == [*pieces({"a": [blob, 1]})]


@pytest.mark.parametrize("size", [*range(8, 40), 1000])
def test_a_body_of_a_file_is_the_same_each_time(tmp_path: Path, size: int) -> None:
    content = PNG + os.urandom(size - 8)
    (tmp_path / "a.png").write_bytes(content)
    reference = Reference.of(tmp_path / "a.png")
    body = Body([b"<", Blob(reference), b">", reference])
    expected = b"<" + base64.b64encode(content) + b">" + content
    assert [expected, expected, len(expected)] == [bytes(body), b"".join(body), len(body)]
    assert body.from_files
    assert f"<body of {len(expected)} bytes>" == repr(body)
    assert max(map(len, body)) == min(16, max(4 * -(-size // 3), 1))


def test_an_empty_part_does_not_end_a_body() -> None:
    assert [b"a", b"b"] == [*Body([b"", b"a", b"", b"b"])]


def test_the_standard_library_stands_in_for_a_missing_pybase64(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = Blob(Reference(content=PNG + bytes(range(100))))
    with_it = blob.text()
    monkeypatch.setitem(sys.modules, "pybase64", None)
    assert with_it == blob.text() == spelt(blob)


def test_a_form_has_the_image_under_a_name_that_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "my secret face.gif").write_bytes(PNG + b"\r\n--")
    content_type, body = form_body("file", Reference.of(tmp_path / "my secret face.gif"))
    boundary = re.fullmatch(r"multipart/form-data; boundary=([0-9a-f]{32})", content_type)[1].encode()
    assert (
        b"--" + boundary + b"\r\n"
        b'Content-Disposition: form-data; name="file"; filename="image.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + PNG + b"\r\n--\r\n--" + boundary + b"--\r\n"
    ) == bytes(body)
    assert len(body) == len(bytes(body))
    assert content_type != form_body("file", Reference(content=PNG))[0]


# Files that change


def started(body: Body) -> Iterator[bytes]:
    """What is left of a body after its first piece."""
    rest = iter(body)
    next(rest)
    return rest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: os.truncate(path, 700_000), "became shorter while it was sent"),
        (lambda path: os.truncate(path, 1_200_000), "changed while it was sent"),
        (lambda path: os.utime(path, ns=(1, 1)), "changed while it was sent"),
    ],
)
def test_a_file_that_changes_while_it_is_sent_never_comes_whole(
    tmp_path: Path, change: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE", 300_000)
    path = tmp_path / "a.png"
    path.write_bytes(PNG + bytes(1_000_000))
    body = Body([Blob(Reference.of(path))])
    rest, sent = started(body), 400_000
    change(path)
    with pytest.raises(ReferenceUnusable, match=said):
        for piece in rest:
            sent += len(piece)
    assert sent < len(body)


def test_a_body_can_be_checked_before_any_of_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    body = Body([Blob(Reference(content=PNG)), Blob(Reference.of(path))])
    body.check()
    path.write_bytes(PNG + b"more")
    with pytest.raises(ReferenceUnusable, match="has changed"):
        body.check()
    assert not Body([Blob(Reference(content=PNG)), b""]).from_files

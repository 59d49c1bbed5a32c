"""References from whatever a user has at hand: looked at when they are made, and the same when they are sent."""

import base64
import copy
import hashlib
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit._contract import reference as module
from fluxkit._contract import source
from fluxkit._contract.reference import Reference
from fluxkit._contract.request import Request
from fluxkit.errors import Charged, ReferenceUnusable

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 20
JPEG = b"\xff\xd8\xff" + b"j" * 20
DIGEST = hashlib.sha256(PNG).hexdigest()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(name: str = "sketch.png", content: bytes = PNG) -> Path:
    Path(name).write_bytes(content)
    return Path(name)


def refused(given: Any) -> str:
    with pytest.raises(ReferenceUnusable) as caught:
        Reference.of(given)
    assert (Charged.NO, False) == (caught.value.charged, caught.value.retry)
    assert str(caught.value).endswith(f". Allowed: {source.ALLOWED}.")
    return str(caught.value).removesuffix(f". Allowed: {source.ALLOWED}.")


class Saved:
    """An object of Pillow's kind."""

    def __init__(self, content: bytes = PNG) -> None:
        self.content = content

    def save(self, file: Any, format: str) -> None:
        assert "PNG" == format
        file.write(self.content)


class Failing:
    def read(self, _: int) -> bytes:
        raise RuntimeError("the line\nis dead.")


# What is taken


@pytest.mark.parametrize(
    "given",
    [
        lambda: PNG,
        lambda: bytearray(PNG),
        lambda: io.BytesIO(PNG),
        lambda: "data:image/png;base64," + base64.b64encode(PNG).decode(),
        lambda: "data:;base64," + quote(base64.b64encode(PNG).decode().rstrip("=")),
        lambda: "DATA:image/jpeg;name=x;BASE64,\n " + base64.encodebytes(PNG).decode(),
        lambda: "data:image/png," + quote(PNG),
        Saved,
        lambda: Reference(content=PNG),
    ],
)
def test_whatever_holds_an_image_is_that_image(given: Callable[[], Any]) -> None:
    assert Reference(content=PNG) == Reference.of(given())


@pytest.mark.parametrize("given", [str, Path, lambda path: path.absolute(), lambda path: Reference(file=path)])
def test_a_path_is_kept_as_a_file(given: Callable[[Path], Any]) -> None:
    path = written()
    reference = Reference.of(given(path))
    assert (path.absolute(), None, None) == (reference.file, reference.content, reference.url)
    assert ("png", "image/png", 28, DIGEST) == (
        reference.format,
        reference.media_type,
        reference.size,
        reference.sha256,
    )
    assert PNG == reference.read()


def test_an_open_file_is_read_from_where_it_stands() -> None:
    with written(content=b"head" + PNG).open("rb") as file:
        file.seek(4)
        assert PNG == Reference.of(file).content


def test_a_file_that_gives_few_bytes_at_once_is_read_to_its_end() -> None:
    class Slow(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            return super().read(3)

    assert PNG == Reference.of(Slow(PNG)).content


def test_an_image_of_pillow_is_saved_as_png() -> None:
    reference = Reference.of(PIL.Image.new("RGB", (8, 4)))
    assert (8, 4) == PIL.Image.open(io.BytesIO(reference.read())).size
    assert "png" == reference.format


def test_what_an_image_is_its_bytes_say_and_never_its_name() -> None:
    assert "jpeg" == Reference.of(written("lie.png", JPEG)).format
    assert "image.jpg" == Reference.of(written("lie.png", JPEG)).name


@given(st.binary(max_size=200))
def test_a_data_uri_gives_back_its_bytes_in_both_codings(rest: bytes) -> None:
    content = PNG + rest
    assert content == source.read_uri("data:image/png;base64," + base64.b64encode(content).decode())
    assert content == source.read_uri("data:," + quote(content))


# What is not


def test_what_is_wrong_with_a_file_is_said() -> None:
    written("text", b"no image")
    os.mkfifo("pipe")
    assert "A reference is 'text', a file of 8 bytes that is no image" == refused("text")
    assert "A reference is 'missing.png', and there is no such file" == refused("missing.png")
    assert "A reference is 'pipe', which is no regular file" == refused("pipe")
    assert "A reference is '.', which cannot be read: Is a directory" == refused(Path())
    assert refused("a" * 300).endswith("which cannot be read: File name too long")


@pytest.mark.parametrize(
    "mistyped",
    [
        "https://user:s3cret@images.example/a b",
        "https://images.example/a b.png?signature=s3cret",
        "HTTPS://user:s3cret@images.example/x.png",
        "http://user:s3cret@images.example:99999/x.png",
    ],
)
def test_an_address_that_is_taken_for_a_file_does_not_show_its_secrets(mistyped: str) -> None:
    with pytest.raises(ReferenceUnusable, match=r"there is no such file; an address begins with") as caught:
        Request("a", references=[mistyped])
    assert "s3cret" not in str(caught.value)


def test_a_file_that_may_not_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "open_file", denied)
    assert "A reference is 'sketch.png', which cannot be read: Permission denied" == refused(written())


def test_a_disk_that_fails_while_it_is_looked_at_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    path = written()
    monkeypatch.setattr(module, "open_file", lambda _: (Broken(), path.stat()))
    assert "A reference is 'sketch.png', which cannot be read: Input/output error" == refused(path)


@pytest.mark.parametrize(
    "given",
    [
        lambda: PNG + bytes(30),
        lambda: io.BytesIO(PNG + bytes(30)),
        lambda: Saved(PNG + bytes(30)),
        lambda: written(content=PNG + bytes(30)),
        lambda: "data:;base64," + base64.b64encode(PNG + bytes(30)).decode(),
        lambda: "data:," + "%00" * 100,
    ],
)
def test_an_image_that_is_too_large_is_refused(given: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for each in (module, source):
        monkeypatch.setattr(each, "MOST_BYTES", 50)
    assert "make the image smaller" in refused(given())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (io.StringIO("text"), "A reference is a file that reads as text, not as bytes: open it with mode 'rb'"),
        (Failing(), "which cannot be read (RuntimeError: the line is dead)"),
        (Saved("text"), "which cannot be saved as PNG (TypeError: a bytes-like object is required, not 'str')"),  # type: ignore[arg-type]
        (PIL.Image.new("CMYK", (1, 1)), "which cannot be saved as PNG (OSError: cannot write mode CMYK as PNG)"),
        (Saved, "A reference is <class"),
        (io.BytesIO(b"secret"), "A reference of 6 bytes is no image"),
    ],
)
def test_what_cannot_be_read_or_saved_is_refused_without_its_content(given: Any, said: str) -> None:
    message = refused(given)
    assert said in message
    assert "secret" not in message
    assert len(message) < 200


def test_the_bytes_of_a_data_uri_are_never_shown() -> None:
    assert "A reference is 'data:image/png;base64',... and is no base64" == refused("data:image/png;base64,se!cret")


def test_a_reference_is_one_thing() -> None:
    path = written()
    for fields in ({}, {"content": PNG, "file": path}, {"url": "https://a.example", "file": path}):
        with pytest.raises(ReferenceUnusable, match="either content, url or file"):
            Reference(**fields)


def test_a_file_of_which_nothing_can_be_told_is_closed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []

    def fail(number: int) -> Any:
        opened.append(number)
        raise OSError(5, "Input/output error")

    path = written()
    with monkeypatch.context() as patch:
        patch.setattr(source.os, "fstat", fail)
        with pytest.raises(ReferenceUnusable):
            Reference.of(path)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[-1])


# A file that changes


def test_a_file_that_was_changed_is_noticed() -> None:
    reference = Reference.of(written())
    written(content=PNG + b"more")
    said = "The reference 'sketch.png' has changed since the reference to it was made. Make the request again"
    with pytest.raises(ReferenceUnusable, match=said):
        reference.read()


def test_a_file_that_was_replaced_by_one_of_the_same_size_and_time_is_noticed() -> None:
    path = written()
    reference, times = Reference.of(path), path.stat()
    written("other.png", JPEG + b"jjjjj").replace(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(ReferenceUnusable, match="has changed"):
        reference.open()


def test_a_file_that_is_gone_is_noticed() -> None:
    path = written()
    reference = Reference.of(path)
    path.unlink()
    with pytest.raises(ReferenceUnusable, match="cannot be read any more: No such file"):
        reference.open()
    assert "Reference(sketch.png, 28 bytes, changed since)" == repr(reference)


def test_an_address_has_no_image_here() -> None:
    reference = Reference.of("https://a.example/a.png")
    assert ("", 0, None, "image") == (reference.sha256, reference.size, reference.media_type, reference.name)
    with pytest.raises(ReferenceUnusable, match="its image is not here"):
        reference.open()


# As values


def test_a_path_means_the_same_file_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = Reference.of(str(written()))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir("below")
    assert PNG == reference.read()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_request_with_files_is_a_value(copied: Callable[[Any], Any]) -> None:
    path = written()
    request = Request("a cat", references=[path])
    assert request == copied(request) == Request("a cat", references=[str(path)])
    assert 1 == len({request, copied(request), attrs.evolve(request)})
    assert PNG == copied(request).references[0].read()
    assert PNG not in pickle.dumps(request)
    before = request.references[0]
    written(content=PNG + b"more")
    assert before == copied(request).references[0] != Reference.of(path)
    assert attrs.evolve(request, seed=7).references == (before,)  # what was looked at is not silently looked at anew


def test_what_it_is_called_tells_size_and_digest_and_no_content() -> None:
    large = Reference.of(written("large.png", PNG + bytes(10_000_000)))
    assert f"large.png, 10.0 MB, sha256 {large.sha256[:12]}" == str(large)
    assert f"png, 28 bytes, sha256 {DIGEST[:12]}" == str(Reference.of(PNG))
    assert f"Reference(png, 28 bytes, sha256 {DIGEST[:12]})" == repr(Reference.of(PNG))
    assert f"'two\\nlines.png', 28 bytes, sha256 {DIGEST[:12]}" == str(Reference.of(written("two\nlines.png")))


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (5 * 10**7, "50.0 MB"),
    ],
)
def test_sizes_read_as_people_write_them(size: int, shown: str) -> None:
    assert shown == source.measured(size)

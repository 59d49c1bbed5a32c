"""What references show, laid aside: the same to whoever looks, not in memory, and gone with its task."""

import base64
import gc
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

import fluxkit
from fluxkit._contract.reference import Reference
from fluxkit_mockserver import MockService
from fluxkit_mockserver.shelf import MOST_IN_MEMORY, Laid, Shelf
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

PNG = b"\x89PNG\r\n\x1a\n"
LARGE = PNG.ljust(300_000, b"x")
KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"


@pytest.fixture(autouse=True)
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files come to lie."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def lying(room: Path) -> list[int]:
    return sorted(each.stat().st_size for each in room.glob("fluxkit-mock-*/*"))


def buy(mock: MockService, *contents: bytes) -> Any:
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        return mock.task(client.submit("a fox", references=contents).id)


@given(st.lists(st.integers(0, 3 * MOST_IN_MEMORY).map(lambda size: PNG.ljust(size, b"x")), max_size=4))
def test_whoever_looks_sees_what_was_brought(contents: list[bytes]) -> None:
    said = tuple(Reference(content=each) for each in contents)
    values, brought = Shelf().take({"prompt": "a fox", "references": said}, contents)
    assert contents == [each if isinstance(each, bytes) else each.read() for each in brought]
    for one, other in zip(said, values["references"], strict=True):
        shown = (one.content, one.url, one.sha256, one.size, one.format, str(one))
        assert shown == (other.content, other.url, other.sha256, other.size, other.format, str(other))
    assert [len(each) > MOST_IN_MEMORY for each in contents] == [isinstance(each, Laid) for each in brought]


def test_an_address_stays_one_whatever_lies_there() -> None:
    said = (Reference(url="https://images.example/fox.png"),)
    values, (laid,) = Shelf().take({"references": said}, [LARGE])
    assert (said, LARGE) == (values["references"], laid.read() if isinstance(laid, Laid) else None)


@pytest.mark.slow
def test_a_large_reference_lies_once_and_goes_with_its_last_task(room: Path) -> None:
    mock = MockService([MAGNIFIC], retention=60)
    first, second = buy(mock, LARGE, PNG), buy(mock, LARGE)
    assert ([len(LARGE)], (LARGE, PNG), (LARGE,)) == (lying(room), first.references, second.references)
    mock.clock.advance(61)
    buy(mock, LARGE + b"another")
    del first, second
    assert [len(LARGE) + 7] == lying(room)
    mock.reset()
    assert [] == lying(room)
    del mock
    gc.collect()
    assert [] == [*room.glob("fluxkit-mock-*")]


def test_a_task_outlives_its_mock() -> None:
    task = buy(MockService([MAGNIFIC]), LARGE)
    gc.collect()
    assert (LARGE,) == task.references


def test_an_upload_is_laid_aside_as_well(room: Path) -> None:
    mock = MockService([APIMART])
    with fluxkit.Client("apimart:flux-2-flex", mock=mock) as client:
        task = mock.task(client.submit("a fox", references=[LARGE]).id)
    assert task is not None
    assert ((LARGE,), [len(LARGE)]) == (task.references, lying(room))
    mock.assert_submitted(model="flux-2-flex", references=1)


def test_where_no_file_can_be_written_images_stay_in_memory(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(room / "missing"))
    assert (LARGE,) == buy(MockService([MAGNIFIC]), LARGE).references


def test_what_is_laid_aside_is_asserted_and_drawn_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bytes] = []
    for most in (MOST_IN_MEMORY, 10**9):
        monkeypatch.setattr("fluxkit_mockserver.shelf.MOST_IN_MEMORY", most)
        mock = MockService([MAGNIFIC], progression="at once")
        with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
            picture = client.generate("a fox").images[0].bytes()
            drawn.append(client.generate("a hare", references=[picture]).images[0].bytes())
        mock.assert_submitted(references=[picture])
    assert drawn[0] == drawn[1]


def test_memory_holds_no_references() -> None:
    mock = MockService([MAGNIFIC])
    encoded = base64.b64encode(LARGE).decode()
    tracemalloc.start()
    buy(mock, LARGE)
    before = tracemalloc.get_traced_memory()[0]
    for number in range(5):
        buy(mock, LARGE + bytes([number]))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < len(encoded) / 2

"""Where images go beyond a plain path: an open file, and names that are made of what is known of each image."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.world import raised

from fluxkit import AsyncClient, Client, Task
from fluxkit._contract.media import kind
from fluxkit._engine.place import FIELDS, Place
from fluxkit.errors import Charged, DownloadError, SettingsError, Unsupported
from fluxkit_mockserver import MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

WAYS = ["sync", "asyncio", "trio"]
KLEIN = "magnific:flux-2-klein"


@pytest.fixture
def mock() -> MockService:
    return MockService([MAGNIFIC, APIMART], progression="at once")


def made(way: str, mock: MockService, to: Any, method: str = "generate", asked: Any = "a fox", **fields: Any) -> Any:
    if way == "sync":
        with Client(KLEIN, mock=mock) as client:
            return getattr(client, method)(asked, to=to, **fields)

    async def make() -> Any:
        async with AsyncClient(KLEIN, mock=mock) as client:
            return await getattr(client, method)(asked, to=to, **fields)

    return anyio.run(make, backend=way)


@pytest.mark.parametrize("way", WAYS)
def test_an_open_file_gets_the_whole_image_and_the_spool_keeps_it(way: str, mock: MockService, tmp_path: Path) -> None:
    with open(tmp_path / "x", "wb") as file:
        result = made(way, mock, file)
    content = (tmp_path / "x").read_bytes()
    assert content == result.images[0].bytes()
    assert kind(content) is not None
    again = io.BytesIO()
    made(way, mock, again, "wait", result.tasks[0])
    assert content == again.getvalue()
    assert 1 == mock.billed


class Slow(io.RawIOBase):
    """Takes a little at a time, as a pipe does, and at most so many bytes."""

    def __init__(self, most: int = 10_000_000) -> None:
        self.most, self.held = most, b""

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        taken = bytes(content[: min(1000, self.most - len(self.held))])
        self.held += taken
        return len(taken)


def test_a_file_that_takes_a_little_at_a_time_gets_all(mock: MockService) -> None:
    file = Slow()
    assert made("sync", mock, file).images[0].bytes() == file.held


def test_a_file_that_says_nothing_of_what_it_took_has_taken_all(mock: MockService) -> None:
    taken = list[bytes]()
    result = made("sync", mock, SimpleNamespace(write=lambda content: taken.append(bytes(content))))
    assert [b"", result.images[0].bytes()] == taken  # at first it is tried whether it takes bytes at all


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_is_full_costs_no_image(way: str, mock: MockService) -> None:
    error = raised(lambda: made(way, mock, Slow(most=1500)), DownloadError)
    path = Path(str(error).partition("lies at ")[2].partition(", but")[0])
    assert kind(path.read_bytes()) is not None
    assert (Charged.YES, True) == (error.charged, "it has taken 0" in str(error))
    assert error.task.id


class Odd:
    """Says of itself what no file says."""

    def __init__(self, said: Any) -> None:
        self.said = said

    def write(self, content: Any, /) -> Any:
        return self.said if content else 0


class Full(io.RawIOBase):
    """A pipe that does not block, and is full."""

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> None:
        return None


@pytest.mark.parametrize("file", [Odd(-1), Odd("all"), Odd(10_000_000), Full()])
def test_a_file_that_does_not_say_what_it_took_is_not_believed_and_not_asked_for_ever(
    file: Any, mock: MockService
) -> None:
    error = raised(lambda: made("sync", mock, file), DownloadError)
    assert (Charged.YES, True) == (error.charged, "it says that it has taken" in str(error))


def refusing() -> Any:
    file = io.BytesIO()
    file.close()
    return file


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("to", "fields", "error", "says"),
    [
        (io.StringIO(), {}, SettingsError, "a text file"),
        (refusing(), {}, SettingsError, "a closed file"),
        (io.BufferedReader(io.BytesIO(b"x")), {}, SettingsError, "which takes no bytes: UnsupportedOperation"),
        (io.BytesIO(), {"fetch": False}, SettingsError, "fetch=False"),
        (io.BytesIO(), {"n": 2}, Unsupported, "to is one open file, and n is 2"),
        (7, {}, SettingsError, "to is 7"),
    ],
)
def test_what_takes_no_image_is_refused_before_anything_is_sent(
    way: str, to: Any, fields: dict[str, Any], error: Any, says: str, mock: MockService
) -> None:
    assert says in str(raised(lambda: made(way, mock, to, **fields), error))
    assert 0 == len(mock.exchanges)


def test_many_images_go_to_no_single_file(mock: MockService) -> None:
    with Client(KLEIN, mock=mock) as client:
        raised(lambda: client.generate_many(["a"], to=io.BytesIO()), SettingsError)


# Names


def test_a_name_is_filled_with_what_is_known_of_each_image(mock: MockService, tmp_path: Path) -> None:
    result = made("sync", mock, tmp_path / "{provider}-{model}-{seed}-{n}.jpg", seed=7, n=2)
    assert {"magnific-flux-2-klein-7-1.jpg", "magnific-flux-2-klein-8-2.jpg"} == {
        image.path.name for image in result.images
    }
    [image] = made("sync", mock, str(tmp_path / "{task}-{seed}")).images
    assert f"{mock.charges[-1].task}-noseed" == image.path.stem
    assert image.path.suffix in (".jpg", ".png")
    first, second = (made("sync", mock, tmp_path / "{model}.jpg").images[0].path.name for _ in range(2))
    assert ("flux-2-klein.jpg", "flux-2-klein~2.jpg") == (first, second)


def test_many_fill_their_names(mock: MockService, tmp_path: Path) -> None:
    with Client(KLEIN, mock=mock) as client:
        ends = list(client.generate_many(["a", "b"], to=tmp_path / "{model}"))
    assert {"flux-2-klein-1", "flux-2-klein-2"} == {end.unwrap().images[0].path.stem for end in ends}


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("images/{sed}.png", "to has {sed}. Nothing was sent. Allowed: in the name of the file {provider}, {model}"),
        ("images/{seed:04d}.png", "to has {seed:04d}, and a field takes no format. Nothing was sent. Allowed: in the"),
        ("{model}/x.png", "to has {model} in the name of a directory"),
        ("{model}/", "to has {model} in the name of a directory"),
    ],
)
def test_fields_that_are_none_are_refused(to: str, says: str, mock: MockService, tmp_path: Path) -> None:
    assert says in str(raised(lambda: made("sync", mock, f"{tmp_path}/{to}"), SettingsError))
    assert 0 == len(mock.exchanges)


def test_other_braces_are_a_name_as_any(mock: MockService, tmp_path: Path) -> None:
    [image] = made("sync", mock, tmp_path / "{}{0}{A b}.jpg").images
    assert "{}{0}{A b}.jpg" == image.path.name


TASK = Task("magnific", "flux-2-klein", "046b6c7f", "https://api.magnific.com")


@given(st.text(st.characters(), min_size=1), st.lists(st.sampled_from(FIELDS), min_size=1, max_size=8))
def test_no_answer_of_a_service_leads_out_of_the_directory_or_makes_too_long_a_name(id: str, fields: list[str]) -> None:
    name = "-".join(f"{{{field}}}" for field in fields)
    place = Place(Path("there"), f"{name}.png")
    path = place.path(attrs.evolve(TASK, id=id), 0)
    assert (Path("there"), ".png") == (path.parent, path.suffix)
    assert len(path.name.encode()) < 200
    other = place.path(attrs.evolve(TASK, id=f"{id}x"), 0)
    assert (path == other) is ("task" not in fields)


def test_a_name_that_becomes_too_long_is_cut_and_stays_another_s_none() -> None:
    place = Place(Path("there"), f"{'{task}-' * 4}x.png")
    first, second = (place.path(attrs.evolve(TASK, id="a" * 70 + end), 0).name for end in "bc")
    assert first != second
    assert len(first) == len(second) < 100

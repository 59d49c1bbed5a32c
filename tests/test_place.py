"""Names of files: inside their directory whatever a service calls a task, and no two alike."""

import os
import re
from pathlib import Path, PurePosixPath, PureWindowsPath

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluxkit._contract.task import Task
from fluxkit._engine.place import LONGEST_NAME, Place, safe_name, split
from fluxkit.errors import SettingsError

DIRECTORY = Path("/images")
TEXTS = st.text(st.characters(), max_size=20)
PROVIDERS = st.sampled_from(["a", "b", "a-b", "con", "magnific"])
HOSTILE = st.sampled_from(
    [
        "",
        ".",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\x",
        "a\x00b",
        "a/b",
        "a\\b",
        "CON",
        "a" * 5_000,
        "ü",
        "\ud800",
    ]
)
# Ids that are as near to the names of other images as can be.
NEAR = st.text("ab12-_+~.", max_size=5)
DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10))}
IDS = TEXTS | HOSTILE | NEAR
IMAGES = st.tuples(PROVIDERS, IDS, st.integers(0, 12))


def task(provider: str, id: str) -> Task:
    return Task(provider, "a-model", id, "https://api.example")


def path_of(image: tuple[str, str, int]) -> Path:
    provider, name, number = image
    return Place(DIRECTORY).path(task(provider, name), number)


@given(IMAGES)
@example(("a", "..", 0))
def test_no_id_leads_out_of_the_directory(image: tuple[str, str, int]) -> None:
    path = path_of(image)
    assert DIRECTORY == path.parent
    assert re.fullmatch(r"[A-Za-z0-9_~+-]+", path.name)
    assert len(path.name) <= LONGEST_NAME + 16
    assert 1 == len(PurePosixPath(path.name).parts) == len(PureWindowsPath(path.name).parts)
    assert path.name.upper() not in DEVICES
    assert "" == path.suffix


@given(st.lists(IMAGES, min_size=2, max_size=5, unique=True))
@example([("a", "b-c", 0), ("a-b", "c", 0)])
@example([("a", "b-2", 0), ("a", "b", 1)])
@example([("a", "b+2", 0), ("a", "b", 1)])
@example([("a", "b/", 0), ("a", "b_", 0)])
def test_different_images_have_different_names(images: list[tuple[str, str, int]]) -> None:
    assert len(images) == len(set(map(path_of, images)))


@given(IDS)
def test_no_text_has_the_name_that_was_made_for_one_that_is_not_safe(text: str) -> None:
    name = safe_name(text)
    assert name == text or safe_name(name) != name


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 5)), min_size=2, max_size=8, unique=True),
    st.sampled_from(["x", "x.png", "v1.5", "x.tar.jpg", ".png", "2026-01-01", "x-1.webp"]),
)
def test_images_of_one_request_share_no_name_that_a_user_gave(turns: list[tuple[int, int]], name: str) -> None:
    place = Place(DIRECTORY, name)
    paths = {attrs.evolve(place, turn=turn).path(task("a", "b"), number) for turn, number in turns}
    assert len(turns) == len(paths)
    assert {DIRECTORY} == {path.parent for path in paths}


@pytest.mark.parametrize(
    ("name", "turn", "number", "path"),
    [
        ("x.png", None, 0, "x.png"),
        ("x.png", None, 1, "x+2.png"),
        ("x.png", 0, 0, "x-1.png"),
        ("x.png", 2, 1, "x-3+2.png"),
        ("x", None, 0, "x"),
        ("x", 1, 0, "x-2"),
        ("v1.5", 1, 0, "v1.5-2"),
        (".png", 1, 0, ".png-2"),
        (None, None, 0, "magnific_046b6c7f"),
        (None, None, 1, "magnific_046b6c7f+2"),
        (None, 3, 0, "magnific_046b6c7f"),
    ],
)
def test_names_are_what_one_expects(name: str | None, turn: int | None, number: int, path: str) -> None:
    assert DIRECTORY / path == Place(DIRECTORY, name, turn).path(task("magnific", "046b6c7f"), number)


def test_two_that_are_unsafe_alike_are_told_apart() -> None:
    assert len({safe_name("a/b"), safe_name("a\\b"), safe_name("a_b"), safe_name("a b")}) == 4
    assert safe_name("a" * 5_000) != safe_name("a" * 5_001)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("x.png", ("x", ".png")),
        ("x.JPEG", ("x", ".JPEG")),
        ("x", ("x", "")),
        ("v1.5", ("v1.5", "")),
        ("x.tiff", ("x.tiff", "")),
        (".png", (".png", "")),
        ("x.", ("x.", "")),
        ("a.b.webp", ("a.b", ".webp")),
    ],
)
def test_only_the_suffix_of_a_picture_is_one(name: str, parts: tuple[str, str]) -> None:
    assert parts == split(name)


@pytest.mark.parametrize(
    ("name", "number", "replaces"), [("x.png", 0, True), ("x.png", 1, False), (None, 0, False), (None, 1, False)]
)
def test_only_the_very_name_that_the_user_gave_is_replaced(name: str | None, number: int, replaces: bool) -> None:
    assert replaces == Place(DIRECTORY, name).replaces(number)


def test_a_place_is_made_before_anything_is_bought(tmp_path: Path) -> None:
    place = Place(tmp_path / "new" / "deep", "x.png")
    assert place == place.prepared() == place.prepared()
    assert place.directory.is_dir()
    assert [] == list(place.directory.iterdir())


@pytest.mark.parametrize(
    "name", ["file/x.png", "file/deep/x.png", "a\x00b/x.png", f"{'d' * 300}/x.png", f"{'x' * 250}.png"]
)
def test_a_place_that_takes_no_files_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"Nothing can be written to .* Nothing was sent"):
        Place.at(tmp_path / name).prepared()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes that have a name")
@pytest.mark.parametrize("name", ["pipe", "pipe.png"])
def test_an_image_takes_no_pipe_s_place(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(SettingsError, match=r"'pipe.*' is a pipe, .* Nothing was sent"):
        Place.at(tmp_path / name).prepared()
    (tmp_path / "link.png").symlink_to(name)
    assert Place(tmp_path, "link.png") == Place.at(tmp_path / "link.png").prepared()


@pytest.mark.parametrize("what", ["a device", "a socket"])
def test_nor_that_of_anything_else_that_is_no_file(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.png").touch()
    monkeypatch.setattr("stat.S_ISREG", lambda _: False)
    monkeypatch.setattr("stat.S_ISSOCK", lambda _: what == "a socket")
    with pytest.raises(SettingsError, match=f"is {what}, "):
        Place.at(tmp_path / "x.png").prepared()


def test_a_directory_that_may_not_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for a user who is not root
    with pytest.raises(SettingsError, match="Permission denied"):
        Place(tmp_path).prepared()


def test_a_directory_is_one_if_it_is_there_or_is_written_as_one(tmp_path: Path) -> None:
    (tmp_path / "there.png").mkdir()
    assert Place(tmp_path / "there.png") == Place.at(tmp_path / "there.png") == Place.at(str(tmp_path / "there.png"))
    assert Place(tmp_path / "new") == Place.at(f"{tmp_path}/new/") == Place.at(f"{tmp_path}{os.sep}new{os.sep}")
    assert Place(tmp_path, "x.png") == Place.at(tmp_path / "x.png") == Place.at(f"{tmp_path}/x.png")
    assert Place(Path(), "x.png") == Place.at("x.png")
    assert Place(Path()) == Place.at("")

"""Whose a temporary file is, by its name; and that only those go whose process is known to be gone."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.apart import set_apart

import fluxkit
from fluxkit import _binding
from fluxkit._batch.directory import Directory
from fluxkit._engine import process
from fluxkit._engine.download import Draft
from fluxkit._engine.process import DRAFT, PART, mark, sweep
from fluxkit_mockserver import MockService
from fluxkit_mockserver import shelf as shelves
from fluxkit_providers.magnific import MAGNIFIC

pytestmark = pytest.mark.skipif(not process.machine(), reason="nobody can say here that a process is gone")


def gone() -> str:
    """The mark of a process that there was: it began before, and its number is another's now."""
    number, _, rest = mark().partition("-")
    return f"{number}-1-{rest.partition('-')[2]}"


def elsewhere() -> str:
    """The mark of a process of another machine, or of this one before it was started again."""
    return f"{os.getpid()}-1-00000000-"


def test_what_a_process_that_is_gone_has_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    number = int(mark().partition("-")[0])
    never = mark().replace(f"{number}-", f"{2**22 + 1}-", 1)
    left = [f"{DRAFT}{whose}a{PART}" for whose in (gone(), never)]
    kept = [f"{DRAFT}{whose}a{PART}" for whose in (mark(), elsewhere(), "", "1-")]
    kept += [f"{DRAFT}{gone()}a.png", f"fox-{gone()}{PART}"]
    for name in (*left, *kept):
        (tmp_path / name).write_bytes(b"x")
    sweep(tmp_path, DRAFT, ends=PART)
    assert sorted(kept) == sorted(path.name for path in tmp_path.iterdir())


def test_a_directory_goes_with_all_that_it_holds_and_a_link_by_itself(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").write_bytes(b"x")
    (tmp_path / f"room-{gone()}a").mkdir()
    (tmp_path / f"room-{gone()}a" / "1").write_bytes(b"x")
    (tmp_path / f"room-{gone()}b").symlink_to(tmp_path / "mine", target_is_directory=True)
    sweep(tmp_path, "room-")
    assert ["mine"] == [path.name for path in tmp_path.iterdir()]
    assert ["kept"] == [path.name for path in (tmp_path / "mine").iterdir()]


def test_what_is_somebody_elses_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"room-{gone()}a").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    sweep(tmp_path, "room-")
    assert 1 == len([*tmp_path.iterdir()])


def test_a_directory_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    sweep(tmp_path / "none", DRAFT)


def test_where_nobody_sees_processes_a_name_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / f"{DRAFT}{gone()}a{PART}"
    left.touch()
    monkeypatch.setattr(process, "PROC", tmp_path / "none")
    process._mark.cache_clear()
    assert "" == mark()
    process._mark.cache_clear()
    sweep(tmp_path, DRAFT)
    assert left.exists()


def test_an_image_on_its_way_says_whose_it_is(tmp_path: Path) -> None:
    with Draft(tmp_path / "fox.png"):
        (path,) = tmp_path.iterdir()
        assert path.name.startswith(f"{DRAFT}{mark()}")
        sweep(tmp_path, DRAFT)
        assert path.exists()


def test_parts_of_files_are_cleared_up_when_a_batch_goes_on(tmp_path: Path) -> None:
    left = tmp_path / f"{DRAFT}{gone()}a{PART}"
    left.touch()
    facts = {"model": "m", "base_url": "u", "journal": None, "defaults": {}, "mocked": True}
    with contextlib.closing(Directory.open(tmp_path, facts, "a batch")):
        assert not left.exists()


@pytest.mark.slow
def test_parts_of_images_are_cleared_up_when_what_was_bought_is_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_apart(monkeypatch, tmp_path)
    _binding._tidy.cache_clear()
    mock = MockService([MAGNIFIC], progression="at once")
    with fluxkit.Client("magnific:flux-2-klein", mock=mock, journal="memory") as client:
        task = client.submit("a fox")
        left = client._own_spool / f"{DRAFT}{gone()}a{PART}"
        left.touch()
        client._driver.notes.leave([row.row for row in client.tasks()])
        assert [task.id] == [each.id for result in client.recover().results for each in result.tasks]
    assert not left.exists()


def test_the_room_of_a_mock_that_was_killed_goes_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shelves._tidy.cache_clear()
    killed, living = tmp_path / f"{shelves.ROOM}{gone()}a", tmp_path / f"{shelves.ROOM}{mark()}a"
    killed.mkdir()
    living.mkdir()
    room = shelves._Room()
    assert (False, True, True) == (killed.exists(), living.exists(), Path(room.path).name.startswith(living.name[:-1]))


def test_the_images_of_a_client_of_a_mock_that_was_killed_go_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"{_binding.MOCKED}{gone()}a").mkdir()
    assert [_binding._passing_spool.__wrapped__()] == [*tmp_path.iterdir()]


@pytest.mark.slow
def test_a_mock_that_is_killed_leaves_nothing_behind_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os; from fluxkit_mockserver.shelf import _Room; room = _Room(); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert (-signal.SIGKILL, 1) == (done.returncode, len([*tmp_path.iterdir()]))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shelves._tidy.cache_clear()
    room = shelves._Room()
    assert [room.path] == [str(path) for path in tmp_path.iterdir()]

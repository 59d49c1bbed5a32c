"""A journal that can only be read is listed all the same, or says exactly why not; nothing is written beside it."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest
from support.apart import set_apart
from support.ledger import a_journal, an_intent
from support.unwritable import commons, unwritable

from fluxkit._engine.journal import reading
from fluxkit._engine.journal.journal import Journal
from fluxkit._engine.journal.reading import only_readable, read
from fluxkit._engine.journal.schema import VERSION
from fluxkit.cli.program import fluxkit as program
from fluxkit.errors import JournalUnavailable


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with commons() as place:
        set_apart(monkeypatch, place)
        yield place


@pytest.fixture
def row(place: Path) -> str:
    """The row that a journal holds, which was closed."""
    journal = a_journal(place / "journal.sqlite")
    row = noted(journal)
    journal.writer.close()
    return row


def noted(journal: Journal) -> str:
    return journal.take(an_intent(place=None))


def ids(store: Any) -> list[str]:
    return [row.row for row in store.rows({})]


def run(*arguments: str) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(program, [*arguments, "--journal", "journal.sqlite"])
    assert "Traceback" not in done.stderr
    return done


def test_what_a_journal_holds_is_listed_where_it_can_only_be_read(place: Path, row: str) -> None:
    with unwritable(place):
        listed, spent = run("tasks", "--json"), run("spend", "--json")
        pruned = run("tasks", "--prune", "90d")
    assert [row] == [each["row"] for each in json.loads(listed.stdout)["tasks"]]
    assert (0, 0) == (listed.exit_code, spent.exit_code)
    assert 1 == json.loads(spent.stdout)["total"]["unknown"]
    refused = f"error: The journal cannot be kept in {place}/journal.sqlite: Permission denied. Nothing was bought."
    assert (2, True) == (pruned.exit_code, pruned.stderr.startswith(refused))
    assert ["journal.sqlite"] == [path.name for path in place.iterdir()]


def test_what_another_process_notes_meanwhile_is_read_too(place: Path) -> None:
    journal = a_journal(place / "journal.sqlite")
    try:
        rows = [noted(journal), noted(journal)]
        with unwritable(place):
            assert only_readable(place / "journal.sqlite")
            assert rows == read(place / "journal.sqlite", ids)
    finally:
        journal.writer.close()


def test_a_journal_that_is_begun_to_be_written_is_read_once_more(
    place: Path, row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = iter([False, True])
    monkeypatch.setattr(reading, "_holds", lambda _: next(said))
    asked: list[bool] = []
    monkeypatch.setattr(reading, "_answer", lambda path, work, *, alone: asked.append(alone) or alone)
    assert (False, [True, False]) == (read(place / "journal.sqlite", ids), asked)


def test_notes_that_cannot_be_had_from_beside_the_file_are_said(place: Path) -> None:
    journal = a_journal(place / "journal.sqlite")
    noted(journal)
    Path("copy").mkdir()
    for name in ("journal.sqlite", "journal.sqlite-wal"):
        shutil.copy(name, Path("copy") / name)
    journal.writer.close()
    with unwritable(place / "copy"), pytest.raises(JournalUnavailable) as caught:
        read(place / "copy" / "journal.sqlite", ids)
    assert caught.value.message.startswith(f"The journal in {place}/copy/journal.sqlite can only be read, and not so: ")
    assert "What was noted last lies in journal.sqlite-wal. Allowed: a copy of both files" in caught.value.message


def test_a_journal_of_an_older_fluxkit_is_not_brought_to_this_version_where_it_can_only_be_read(
    place: Path, row: str
) -> None:
    with sqlite3.connect("journal.sqlite") as file:
        file.execute(f"PRAGMA user_version={VERSION - 1}")
    file.close()
    with pytest.raises(
        JournalUnavailable, match=rf"older fluxkit has written it \(version {VERSION - 1}, and this one"
    ):
        read(place / "journal.sqlite", ids)


def test_a_file_that_is_no_journal_is_none_where_it_can_only_be_read(place: Path) -> None:
    Path("journal.sqlite").write_text("no database, and long enough to be looked at " * 40)
    with unwritable(place):
        done = run("tasks")
    assert (2, True) == (done.exit_code, "can only be read, and not so: file is not a database." in done.stderr)


def test_a_journal_that_can_be_written_is_not_only_readable(place: Path, row: str) -> None:
    assert not only_readable(place / "journal.sqlite")
    assert not only_readable(place / "none.sqlite")

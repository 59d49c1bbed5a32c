"""Pruning the journal: what is finished and old may go, and nothing else does."""

import json
import os
from pathlib import Path
from typing import Any

import attrs
import click.testing
import pytest
from support.ledger import a_journal, an_intent

from fluxkit._contract.journal import DELIVERED, STATES, Fate, Settled
from fluxkit._contract.task import State
from fluxkit._engine.effects import Note
from fluxkit._engine.journal.journal import Journal, open_journal
from fluxkit._engine.journal.writer import Writer
from fluxkit.cli.program import fluxkit as program

DAY = 86_400.0
NOW = 1_800_000_000.0

#: The states in which nothing is to be done any more.
OVER = {DELIVERED, "not bought", "failed", "refused", "cancelled", "vanished", "resubmitted", "dismissed"}


class Clock:
    time = NOW

    def __call__(self) -> float:
        return self.time


def in_state(journal: Journal, state: str, **facts: Any) -> str:
    """A row that stands so."""
    note = an_intent()
    row = journal.take(Note("intent", {**note.entry, **facts}))
    task = attrs.evolve(note.entry["draft"], id=f"task-{row}")
    if state in State.__members__.values() and state != Fate.UNKNOWN:
        journal.take(Note("accepted", {"row": row, "task": attrs.evolve(task, state=State(state))}))
    elif state == DELIVERED:
        journal.take(Note("accepted", {"row": row, "task": task}))
        journal.take(Note("delivered", {"task": attrs.evolve(task, state=State.COMPLETED), "cost": None}))
    elif state == Fate.REFUSED:
        journal.take(Note("refused", {"row": row, "error": "no"}))
    elif state == Fate.UNKNOWN:
        journal.take(Note("unknown", {"row": row, "error": "lost"}))
    elif state in (Settled.DISMISSED, Settled.RESUBMITTED):
        journal.take(Note("unknown", {"row": row, "error": "lost"}))
        journal.take(Note("settled", {"row": row, "how": Settled(state)}))
    journal.leave([row])
    return row


def prune(journal: Journal, days: float) -> int:
    return journal.ask(lambda store: store.prune(journal.writer.now() - days * DAY))


def left(journal: Journal) -> set[str]:
    return {row.row for row in journal.rows()}


def test_only_what_is_finished_and_old_goes(tmp_path: Path) -> None:
    clock = Clock()
    journal = a_journal(tmp_path / "journal", now=clock)
    old = {state: in_state(journal, state) for state in STATES if state != Fate.ACCEPTED}
    assert {row.row: row.state for row in journal.rows()} == {row: state for state, row in old.items()}
    labelled = in_state(journal, DELIVERED, label="batch/1")
    clock.time += 100 * DAY
    young = {in_state(journal, state) for state in OVER}
    assert len(OVER) == prune(journal, 90)
    assert {*young, labelled, *(row for state, row in old.items() if state not in OVER)} == left(journal)
    assert 0 == prune(journal, 90)
    journal.writer.close()


def test_a_row_in_hand_and_one_that_was_bought_again_stay(tmp_path: Path) -> None:
    clock = Clock()
    journal = a_journal(tmp_path / "journal", now=clock)
    held = journal.take(an_intent())
    journal.take(Note("accepted", {"row": held, "task": attrs.evolve(an_intent().entry["draft"], id="1")}))
    done = attrs.evolve(an_intent().entry["draft"], id="1", state=State.FAILED)
    journal.take(Note("state", {"task": done, "progress": None, "problems": ()}))
    lost = in_state(journal, str(Fate.UNKNOWN))
    again = journal.take(Note("intent", {**an_intent().entry, "again": lost}))
    clock.time += 100 * DAY
    other = Journal(Writer(tmp_path / "journal", now=clock))
    assert 0 == prune(journal, 90)
    assert {held, lost, again} == left(other)
    journal.leave([held, again])
    journal.take(Note("refused", {"row": again, "error": "no"}))
    clock.time += 100 * DAY
    assert 2 == prune(other, 90)
    assert ["unknown"] == [row.state for row in other.rows()]  # it is open again
    for each in (journal, other):
        each.writer.close()


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setenv("FLUXKIT_CONFIG", os.devnull)
    monkeypatch.chdir(tmp_path)
    journal = open_journal(tmp_path / "journal")
    row = in_state(journal, DELIVERED)

    def age(store: Any) -> None:
        [(found, _)] = store._read("row = ?", row)
        older = found.updated_at - 100 * DAY
        store._connection.execute("UPDATE submits SET updated_at = ? WHERE row = ?", (older, found.row))

    journal.ask(age)
    yield journal  # type: ignore[misc]
    journal.writer.close()


def run(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(program, ["tasks", "--journal", "journal", *arguments])


def test_the_command_prunes(journal: Journal) -> None:
    assert "pruned: 0 rows, finished 200 days ago or more\n" == run("--prune", "200d").stderr
    assert {"pruned": 1} == json.loads(run("--prune", "90d", "--json").stdout)
    assert () == journal.rows()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--prune", "0d"], "days from 1d"),
        (["--prune", "90"], "'90' is no age"),
        (["--prune", "90d", "--state", "failed"], "exclude each other"),
    ],
)
def test_what_is_no_age_is_refused(arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert (2, True) == (done.exit_code, says in done.stderr)

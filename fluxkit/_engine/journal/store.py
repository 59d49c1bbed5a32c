"""What is asked of the journal's file, within a transaction of whoever asks."""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from ..._contract.journal import Fate, Row, Settled
from ..._contract.task import State, Task
from ..books import applied, begun, resubmitted
from ..effects import Note
from .owner import Owner
from .record import INSERT, SELECT, UPDATE, laid_down, taken_up

#: For how many seconds an owner has its rows in hand without saying so again.
LEASE: Final = 30.0

#: Why the fate of a submit is not known, if whoever sent it never said.
SILENCE: Final = "the process that sent it ended before it knew the answer"

ACCEPTED: Final = Fate.ACCEPTED.name.lower()

#: The states of a row of which images may still be had.
_OWING: Final = (*(str(state) for state in State if not state.ended), str(State.COMPLETED))


class Store:
    """The rows of a journal, as one *owner* sees them."""

    def __init__(self, connection: sqlite3.Connection, owner: Owner, now: Callable[[], float]) -> None:
        self._connection = connection
        self._owner = owner
        self._now = now
        self._lease = 0.0

    def renew(self) -> None:
        """Says that the owner is there, if it was not said lately."""
        now = self._now()
        if self._lease - now < LEASE * 2 / 3 or self._lease - now > LEASE:  # a clock may be set back
            facts = {**attrs.asdict(self._owner), "lease": now + LEASE}
            self._connection.execute(
                "INSERT INTO owners VALUES (:name, :pid, :host, :machine, :began, :lease) "
                "ON CONFLICT (name) DO UPDATE SET lease = excluded.lease",
                facts,
            )
            self._lease = now + LEASE

    def forget_lease(self) -> None:
        """Lets the next renewal write: the transaction of the last one was undone."""
        self._lease = 0.0

    # Rows

    def begin(self, row: str, note: Note) -> str:
        """Writes the row of an intent, in the owner's hand."""
        new = begun(row, note, self._now())
        if new.again is not None:
            self._settle(new.again, resubmitted(new.again))
        self._connection.execute(INSERT, {**laid_down(new), "owner": self._owner.name})
        return row

    def apply(self, note: Note, row: str | None, *, release: bool) -> None:
        """Writes what a note makes of its row; without a *row* it is that of the note's task. Others are not there."""
        if note.kind == "settled":
            self._settle(note.entry["row"], note)
            return
        if row is None:
            task: Task = note.entry["task"]
            found = self.rows("task_id = ? AND base_url = ? AND provider = ?", task.id, task.base_url, task.provider)
        else:
            found = self.rows("row = ?", row)
        for each in found:
            self._connection.execute(UPDATE, laid_down(applied(each, note, self._now())))
            if release:
                self.release((each.row,))

    def _settle(self, row: str, note: Note) -> None:
        """Settles a row by hand; whoever comes second finds that it is settled, and changes nothing."""
        found = self._held("row = ?", row)
        if not found:
            raise LookupError(f"There is no row {row}")
        [(old, owner)] = found
        if owner in self._owners_there():
            raise LookupError(f"The row {row} is in the hands of a running process")
        if not old.open or (note.entry["how"] is not Settled.DISMISSED and old.fate is Fate.ACCEPTED):
            raise LookupError(f"The row {row} is {old.state}, and needs no settling")
        self._connection.execute(UPDATE, laid_down(applied(old, note, self._now())))
        self._hand_over(row, owner, None)

    def rows(self, where: str = "TRUE", *values: Any) -> Sequence[Row]:
        """The rows that fit, the oldest first."""
        found = self._connection.execute(f"{SELECT} WHERE {where} ORDER BY row", values)
        return list(map(taken_up, found))

    def wanted(self, wanted: Mapping[str, str]) -> Sequence[Row]:
        """The rows that have these facts, the oldest first."""
        return self.rows(" AND ".join(f"{name} = ?" for name in wanted) or "TRUE", *wanted.values())

    # Who has them in hand

    def release(self, rows: Collection[str]) -> None:
        """Takes rows out of the owner's hand."""
        self._connection.executemany(
            "UPDATE submits SET owner = NULL WHERE row = ? AND owner = ?", [(row, self._owner.name) for row in rows]
        )

    def claim(self, provider: str, base_url: str) -> tuple[list[Row], list[Row], int]:
        """Takes in hand what was bought from this service and not fetched, unless another has it in hand.

        A submit whose owner ended before it knew the answer becomes unknown. Gives the rows taken, those that are
        unknown, and how many are in the hands of others.
        """
        there = self._owners_there()
        here = "base_url = ? AND provider = ? AND"
        elsewhere = 0
        for row, owner in self._held(f"{here} state = ?", base_url, provider, str(Fate.INTENT)):
            if owner in there:
                elsewhere += 1
                continue
            note = Note("unknown", {"row": row.row, "error": SILENCE})
            self._connection.execute(UPDATE, laid_down(applied(row, note, self._now())))
            self._hand_over(row.row, owner, None)
        taken = []
        marks = ", ".join("?" * len(_OWING))
        for row, owner in self._held(f"{here} fate = ? AND state IN ({marks})", base_url, provider, ACCEPTED, *_OWING):
            if not row.owing:
                continue
            if owner in there:
                elsewhere += 1
            elif self._hand_over(row.row, owner, self._owner.name):
                taken.append(row)
        unknown = self.rows(f"{here} state = ?", base_url, provider, str(Fate.UNKNOWN))
        return taken, list(unknown), elsewhere

    def _held(self, where: str, *values: Any) -> list[tuple[Row, str | None]]:
        owners = dict(self._connection.execute(f"SELECT row, owner FROM submits WHERE {where}", values))  # noqa: S608
        return [(row, owners[row.row]) for row in self.rows(where, *values)]

    def _hand_over(self, row: str, before: str | None, after: str | None) -> bool:
        """Gives a row another owner, if it still has the one *before*."""
        changed = self._connection.execute(
            "UPDATE submits SET owner = ? WHERE row = ? AND owner IS ?", (after, row, before)
        )
        return changed.rowcount == 1

    def _owners_there(self) -> set[str | None]:
        """Those whose lease has not run out, and whose process has not ended before that."""
        return {owner.name for owner, lease in self.owners() if lease >= self._now() and not owner.gone}

    def owners(self) -> Iterator[tuple[Owner, float]]:
        """Who has written here, each with the time until which it has its rows in hand."""
        for *facts, lease in self._connection.execute(
            "SELECT name, pid, host, machine, began, lease FROM owners WHERE name IN (SELECT owner FROM submits)"
        ).fetchall():
            yield Owner(*facts), lease

    def leave(self) -> None:
        """Strikes the owner out, and those that have gone and left nothing: nobody has to know them any more."""
        idle = "name NOT IN (SELECT owner FROM submits WHERE owner IS NOT NULL)"
        self._connection.execute(
            f"DELETE FROM owners WHERE {idle} AND (name = ? OR lease < ?)",  # noqa: S608 - no input
            (self._owner.name, self._now() - LEASE),
        )
        self._lease = 0.0

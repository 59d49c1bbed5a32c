"""What is asked of the journal's file, within a transaction of whoever asks."""

import logging
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import attrs

from ..._contract.budget import DAY, Budget
from ..._contract.journal import DELIVERED, Fate, Row, Settled
from ..._contract.task import State, Task
from ...errors import FluxError
from ..books import applied, begun, followed, reopened, resubmitted, same_task
from ..effects import Afford, Claimed, Note
from ..spending import affording, check
from ..statement import Alike
from .owner import Owner
from .record import INSERT, SELECT, changes, new_line, taken_up, update
from .tally import Tally, past

#: For how many seconds an owner has its rows in hand without saying so again.
LEASE: Final = 30.0

#: Why the fate of a submit is not known, if whoever sent it never said.
SILENCE: Final = "the process that sent it ended before it knew the answer"

_BOUGHT: Final = Fate.ACCEPTED.name.lower()

_log = logging.getLogger("fluxkit")

#: The states of a row of which images may still be had.
_OWING: Final = (*(str(state) for state in State if not state.ended), str(State.COMPLETED))


@attrs.frozen
class Labelled:
    """What is to be known of one of very many rows."""

    label: str
    row: str
    turn: int
    state: str
    price: str | None
    cost: str | None
    again: str | None


#: The states of a row with which nothing is to be done any more.
_OVER: Final = (
    DELIVERED,
    str(Fate.REFUSED),
    *(str(state) for state in State if state.ended and state is not State.COMPLETED),
    str(Settled.RESUBMITTED),
    str(Settled.DISMISSED),
)


class NotOpen(Exception):
    """A row that is to be settled by hand, and cannot be; the message says why."""


@attrs.define(eq=False)
class Held:
    """A row in the owner's hand: as the file has it, of which version, and the *notes* since then."""

    row: Row
    version: int
    notes: list[Note] = attrs.field(factory=list)
    released: bool = False


class Store:
    """The rows of a journal, as one *owner* sees them. Those that it has in hand it need not read again.

    What notes make of such a row is written when the transaction ends, or something is read: however many notes there
    were, and be it that the row leaves the hand with the last one, it is one change of the file.
    """

    def __init__(self, connection: sqlite3.Connection, owner: Owner, now: Callable[[], float]) -> None:
        self._file = connection
        self._owner = owner
        self._now = now
        self._lease = 0.0
        self._known: dict[str, Held] = {}
        self._unwritten: dict[str, Held] = {}
        self._tally = Tally(connection)

    @property
    def _connection(self) -> sqlite3.Connection:
        """The file, with all that was noted before."""
        self.write_down()
        return self._file

    def renew(self) -> None:
        """Says that the owner is there, if it was not said lately."""
        now = self._now()
        if self._lease - now < LEASE * 2 / 3 or self._lease - now > LEASE:  # a clock may be set back
            facts = {**attrs.asdict(self._owner), "lease": now + LEASE}
            self._file.execute(
                "INSERT INTO owners VALUES (:name, :pid, :host, :machine, :began, :lease) "
                "ON CONFLICT (name) DO UPDATE SET lease = excluded.lease",
                facts,
            )
            self._lease = now + LEASE

    def undone(self) -> None:
        """Forgets what it believed to have written: the transaction was rolled back."""
        self._lease = 0.0
        self._known.clear()
        self._unwritten.clear()
        self._tally.forget()

    # Rows

    def begin(self, row: str, note: Note, budgets: tuple[Budget, ...] = ()) -> str:
        """Writes the row of an intent, in the owner's hand, if the budgets have room for it: else nothing."""
        now = self._now()
        new = begun(row, note, now)
        self._check(affording(new), budgets, now)
        if new.again is not None:
            self._settle(new.again, resubmitted(new.again))
        self._file.execute(INSERT, (*new_line(new), self._owner.name))
        self._known[row] = Held(new, 0)
        self._tally.changed(None, new)
        return row

    def afford(self, asked: Afford, budgets: tuple[Budget, ...]) -> None:
        """Looks whether the budgets have room; raises ``BudgetExceeded`` and ``SettingsError``."""
        self._check(asked, budgets, self._now())

    def _check(self, asked: Afford, budgets: tuple[Budget, ...], now: float) -> None:
        if budgets:
            self.write_down()
        for budget in budgets:
            check(budget, asked, self._tally.of(budget, now), now)

    def apply(self, note: Note, row: str | None, *, release: bool) -> None:
        """Writes what a note makes of its row; without a *row* it is that of the note's task. Others are not there."""
        if note.kind == "settled":
            self._settle(note.entry["row"], note)
            return
        held = None if row is None else self._known.get(row)
        if row is not None and held is not None:
            held.notes.append(note)
            held.released = held.released or release
            self._unwritten[row] = held
        else:
            self._look_up(note, row, release=release)

    def write_down(self) -> None:
        """Writes what notes have made of the rows in hand."""
        while self._unwritten:
            name, held = self._unwritten.popitem()
            old, new = held.row, followed(held.row, held.notes, self._now())
            line = changes(old, new)
            left = (self._owner.name,) if held.released else ()
            statement = update(tuple(line), release=held.released)
            if not self._file.execute(statement, (*line.values(), *left, name, held.version)).rowcount:
                del self._known[name]  # somebody has written it meanwhile, who took it for abandoned
                for note in held.notes:
                    self._look_up(note, name, release=held.released)
                continue
            held.row, held.version, held.notes = new, held.version + 1, []
            if held.released:
                del self._known[name]
            self._changed(old, new)

    def _look_up(self, note: Note, row: str | None, *, release: bool) -> None:
        """Writes what a note makes of a row that is to be read."""
        if row is None:
            task: Task = note.entry["task"]
            found = self._read("task_id = ? AND base_url = ? AND provider = ?", task.id, task.base_url, task.provider)
        else:
            found = self._read("row = ?", row)
        for each, version in found:
            self._write(each, version, note)
            if release:
                self.release((each.row,))

    def _write(self, row: Row, version: int, note: Note) -> None:
        """Writes what a note makes of a row that was read just now."""
        new = applied(row, note, self._now())
        line = changes(row, new)
        self._file.execute(update(tuple(line)), (*line.values(), row.row, version))
        self._changed(row, new)

    def _changed(self, row: Row, new: Row) -> None:
        """Does what follows from a change of a row."""
        self._tally.changed(row, new)
        if new.again is not None and new.fate is not row.fate:
            for old, version in self._read("row = ?", new.again):
                if (again := reopened(old, new)) is not None:
                    self._write(old, version, again)

    def _settle(self, row: str, note: Note) -> None:
        """Settles a row by hand; whoever comes second finds that it is settled, and changes nothing."""
        found = self._held("row = ?", row)
        if not found:
            raise NotOpen(f"There is no row {row}")
        [(old, version, owner)] = found
        if note.entry["how"] is Settled.ADOPTED and old.task is not None and same_task(old.task, note.entry["task"]):
            return  # a webhook has told it before
        if owner in self._owners_there():
            raise NotOpen(f"The row {row} is in the hands of a running process")
        known = old.fate is Fate.ACCEPTED and not old.mistaken
        if not old.open or (known and note.entry["how"] is not Settled.DISMISSED):
            raise NotOpen(f"The row {row} is {old.state}, and needs no settling")
        self._write(old, version, note)
        self._hand_over(row, owner, None)

    def rows(self, wanted: Mapping[str, str]) -> Sequence[Row]:
        """The rows that have these facts, the oldest first."""
        where = " AND ".join(f"{name} = ?" for name in wanted) or "TRUE"
        return [row for row, _ in self._read(where, *wanted.values())]

    def prune(self, before: float) -> int:
        """Deletes the rows with which nothing is to be done and that did not change since *before*; says how many.

        Rows in anybody's hand stay, those with a label, by which their buyer may ask for them, and whatever an open row
        was bought again for.
        """
        there = self._owners_there()
        over = ", ".join("?" * len(_OVER))
        where = f"updated_at < ? AND label IS NULL AND state IN ({over})"
        needed = {row.again for row, _ in self._read(f"again IS NOT NULL AND state NOT IN ({over})", *_OVER)}
        found = self._held(where, before, *_OVER)
        gone = [row.row for row, _, owner in found if owner not in there and not row.open and row.row not in needed]
        self._connection.executemany("DELETE FROM submits WHERE row = ?", [(row,) for row in gone])
        for row in gone:
            self._known.pop(row, None)
        self._tally.forget()
        return len(gone)

    def ended(self, tasks: Collection[str], *, provider: str, base_url: str) -> Sequence[Row]:
        """Those of the rows of these tasks whose task has ended."""
        found, left = [], tuple(tasks)
        while left:
            chunk, left = left[:500], left[500:]
            marks = ", ".join("?" * len(chunk))
            where = f"task_id IN ({marks}) AND base_url = ? AND provider = ?"
            found += [row for row, _ in self._read(where, *chunk, base_url, provider)]
        return [row for row in found if row.draft.state.ended and row.draft.state is not State.VANISHED]

    def _read(self, where: str, *values: Any) -> list[tuple[Row, int]]:
        found = []
        for line in self._connection.execute(f"{SELECT} WHERE {where} ORDER BY row", values):
            try:
                found.append(taken_up(line))
            except (FluxError, ValueError, TypeError, KeyError) as error:  # the others are to be had all the same
                _log.error("The row %s of the journal cannot be read, and is left out: %s", line[0], error)
        return found

    # Who has them in hand

    def release(self, rows: Collection[str]) -> None:
        """Takes rows out of the owner's hand."""
        self.write_down()
        for row in rows:
            self._known.pop(row, None)
        self._file.executemany(
            "UPDATE submits SET owner = NULL WHERE row = ? AND owner = ?", [(row, self._owner.name) for row in rows]
        )

    def claim(self, provider: str, base_url: str, label: str | None = None) -> Claimed:
        """Takes in hand what was bought from this service and not fetched, unless another has it in hand.

        A submit whose owner ended before it knew the answer becomes unknown. With a *label* only its rows count, and
        all of them are told.
        """
        there = self._owners_there()
        here, values = "base_url = ? AND provider = ? AND", [base_url, provider]
        if label is not None:
            here, values = f"label = ? AND {here}", [label, *values]
        held = set()
        for row, version, owner in self._held(f"{here} state = ?", *values, str(Fate.INTENT)):
            if owner in there:
                held.add(row.row)
                continue
            self._write(row, version, Note("unknown", {"row": row.row, "error": SILENCE}))
            self._hand_over(row.row, owner, None)
        taken = []
        marks = ", ".join("?" * len(_OWING))
        for row, _, owner in self._held(f"{here} fate = ? AND state IN ({marks})", *values, _BOUGHT, *_OWING):
            if owner in there:
                held.add(row.row)
            else:
                self._hand_over(row.row, owner, self._owner.name)
                taken.append(row)
        unknown = [row for row, _ in self._read(f"{here} state = ?", *values, str(Fate.UNKNOWN))]
        told = held.union(row.row for row in (*taken, *unknown))
        others = () if label is None else [row for row, _ in self._read("label = ?", label) if row.row not in told]
        return Claimed(tuple(taken), tuple(unknown), len(held), tuple(others))

    def labelled(self, begin: str, after: tuple[str, str], most: int) -> list[Labelled]:
        """Of the rows whose label begins so the next *most* after a label and a row: in brief, and by their label."""
        found = self._connection.execute(
            "SELECT label, row, turn, state, price, cost, again FROM submits "
            "WHERE label >= ? AND label < ? AND (label, row) > (?, ?) ORDER BY label, row LIMIT ?",
            (begin, past(begin), *after, most),
        )
        return [Labelled(*columns) for columns in found]

    def alike(self, since: float | None) -> list[Alike]:
        """How many rows there are of each kind, since a moment or at all, as far as it matters for what was spent."""
        kind = "provider, model, base_url, fate, price, cost"
        found = self._connection.execute(
            f"SELECT CAST(created_at AS INTEGER) / {DAY} AS day, {kind}, count(*) FROM submits "  # noqa: S608 - ours
            f"WHERE created_at >= ? GROUP BY day, {kind}",
            (0.0 if since is None else since,),
        )
        return [Alike(*columns) for columns in found]

    def _held(self, where: str, *values: Any) -> list[tuple[Row, int, str | None]]:
        owners = dict(self._connection.execute(f"SELECT row, owner FROM submits WHERE {where}", values))  # noqa: S608
        return [(row, version, owners[row.row]) for row, version in self._read(where, *values)]

    def _hand_over(self, row: str, before: str | None, after: str | None) -> None:
        """Gives a row another owner, if it still has the one *before*."""
        self._connection.execute("UPDATE submits SET owner = ? WHERE row = ? AND owner IS ?", (after, row, before))

    def _owners_there(self) -> set[str | None]:
        """Those whose lease has not run out, and whose process has not ended before that."""
        found = self._connection.execute("SELECT name, pid, host, machine, began, lease FROM owners").fetchall()
        owners = [(Owner(*facts), lease) for *facts, lease in found]
        return {owner.name for owner, lease in owners if lease >= self._now() and not owner.gone}

    def leave(self) -> None:
        """Strikes the owner out, and those whose lease has run out: whoever is not there has nothing in hand."""
        self._connection.execute(
            "DELETE FROM owners WHERE name = ? OR lease < ?", (self._owner.name, self._now() - LEASE)
        )
        self._lease = 0.0

"""The journal as a client's driver speaks to it: each note is answered once it is on the disk."""

import functools
import logging
import os
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs

from ..._contract.budget import Budget
from ..._contract.journal import Row
from ..._contract.task import Task
from ...errors import FluxError, JournalUnavailable, SettingsError
from ..books import new_row
from ..effects import Afford, Claim, Claimed, Note
from ..mailbox import Mailbox
from ..notes import Listener, tell
from ..outside import loop_here
from .desk import Desk
from .job import Work
from .lookout import Lookout
from .places import own_place, unavailable
from .reading import only_readable, read
from .store import Labelled, NotOpen, Store
from .writer import LAST_WORDS, Writer
from .writers import writer_at

#: For how many seconds a note is waited for: a disk may hang.
PATIENCE: Final = 30.0

#: So many rows are read at a time where there may be very many.
PAGE: Final = 1_000

#: Notes that must survive the machine, and not only the process.
DURABLE: Final = frozenset({"intent", "accepted", "settled"})

#: Notes that are made before anything is sent: without them, nothing is.
FIRST: Final = frozenset({"intent", "settled"})

#: Notes that nobody waits for who does not listen: the next one that is waited for is on the disk after them. After the
#: last of them a flow has all, and only a process that is killed within a moment would fetch the image once more.
PASSING: Final = frozenset({"state", "fetched", "delivered"})

#: Notes after which nothing more is to be done about a row.
LAST: Final = frozenset({"refused", "unknown", "delivered"})

_log = logging.getLogger("fluxkit")


@attrs.define(eq=False)
class Journal:
    """One client's way into a journal, which it shares with all clients of this process.

    A note before a submit that cannot be written is an error. One after it is not: what was bought matters more than
    that it was noted, so it is logged, and is written as soon as the file lets it, at the latest when the process ends.
    """

    writer: Writer
    listener: Listener | None = None
    budgets: tuple[Budget, ...] = ()
    _rows: dict[tuple[str, str, str], str] = attrs.field(factory=dict, init=False)
    _tasks: dict[str, tuple[str, str, str]] = attrs.field(factory=dict, init=False)
    _desk: Desk | None = attrs.field(default=None, init=False)

    def attend(self, mailbox: Mailbox, provider: str, base_url: str) -> None:
        """Has those who wait on a mailbox hear of what other processes note of their tasks."""
        lookout = Lookout(mailbox, provider, base_url)
        mailbox.attended = True
        mailbox.beside = lambda: self.writer.look_out(lookout)

    def take(self, note: Note) -> str:
        """Writes the note; gives the name of its row."""
        if _speaks_of_no_row(note):
            tell(self.listener, note)
            return ""
        if self._passes(note):
            return self._pass(note)
        row, written = self._send(note)
        try:
            written.result(PATIENCE)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost what was bought
            self._failed(note, row, written, error)
        except BaseException:
            self._withdraw(note, row, written)
            raise
        else:
            self._let_go(note, row)
        self._tell(note, row, written)
        return row

    async def take_async(self, note: Note) -> str:
        """Writes the note without holding up the event loop; gives the name of its row.

        It is on its way before the first moment at which this can be cancelled.
        """
        if _speaks_of_no_row(note):
            tell(self.listener, note)
            return ""
        if self._passes(note):
            return self._pass(note)
        row, written = self._send(note)
        try:
            await self._awaited(written, PATIENCE)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost what was bought
            self._failed(note, row, written, error)
        except BaseException:
            self._withdraw(note, row, written)
            if note.kind not in FIRST:  # it is on its way
                tell(self.listener, note)
            raise
        else:
            self._let_go(note, row)
        self._tell(note, row, written)
        return row

    def waits(self, note: Note) -> bool:
        """Whether ``take_async`` waits for the disk."""
        return not (_speaks_of_no_row(note) or self._passes(note))

    async def foretell(self, note: Note) -> None:
        """Writes what a webhook says of a submit whose answer is still to come; whoever waits for that will tell it.

        The row stays in whose hand it is.
        """
        work = functools.partial(Store.apply, note=note, row=note.entry["row"], release=False)
        await self._answer_async(self.writer.ask(work, durable=True))

    def leave(self, rows: Collection[str]) -> None:
        """Takes rows out of this process's hand, without waiting for that: whoever recovers may have them."""
        mine = self.writer.held.intersection(rows)
        if mine:
            self.writer.leave(mine)
        self._forget(rows)

    def finish(self) -> None:
        """Waits a while until all that was noted is written: whoever is done may remove the file."""
        if (last := self.writer.finish()) is not None:
            with suppress(Exception):
                last.result(LAST_WORDS)

    async def finish_async(self) -> None:
        """Waits a while until all that was noted is written: whoever is done may remove the file."""
        if (last := self.writer.finish()) is not None:
            with suppress(Exception):
                await self._awaited(last, LAST_WORDS)

    def afford(self, asked: Afford) -> None:
        """Looks whether the budgets have room, without reserving anything."""
        if self.budgets:
            self.ask(lambda store: store.afford(asked, self.budgets))

    async def afford_async(self, asked: Afford) -> None:
        """Looks whether the budgets have room, without reserving anything."""
        if self.budgets:
            await self.ask_async(lambda store: store.afford(asked, self.budgets))

    def claim(self, claim: Claim) -> Claimed:
        """Takes in hand what was bought and not fetched."""
        asked = self.writer.ask(_claiming(claim))
        try:
            return self._claimed(self._answer(asked))
        except BaseException:
            self._disclaim(asked)
            raise

    async def claim_async(self, claim: Claim) -> Claimed:
        """Takes in hand what was bought and not fetched."""
        asked = self.writer.ask(_claiming(claim))
        try:
            return self._claimed(await self._answer_async(asked))
        except BaseException:
            self._disclaim(asked)
            raise

    def rows(self, **wanted: str) -> tuple[Row, ...]:
        """The rows that have these facts, the oldest first."""
        return tuple(self.ask(lambda store: store.rows(wanted)))

    async def rows_async(self, **wanted: str) -> tuple[Row, ...]:
        """The rows that have these facts, the oldest first."""
        return tuple(await self.ask_async(lambda store: store.rows(wanted)))

    def labelled(self, begin: str) -> Iterator[Labelled]:
        """The rows whose label begins so, in brief and by the label; however many there are, a few at a time."""
        after = ("", "")
        while found := self.ask(functools.partial(Store.labelled, begin=begin, after=after, most=PAGE)):
            yield from found
            after = (found[-1].label, found[-1].row)

    def look(self, work: Work) -> Any:
        """The answer to a question that changes nothing, from a file that can only be read, too.

        Raises ``JournalUnavailable``.
        """
        path = self.writer.path
        return read(path, work) if only_readable(path) else self.ask(work)

    def ask(self, work: Work) -> Any:
        """The answer to a question; raises ``JournalUnavailable``."""
        return self._answer(self.writer.ask(work))

    async def ask_async(self, work: Work) -> Any:
        """The answer to a question; raises ``JournalUnavailable``."""
        return await self._answer_async(self.writer.ask(work))

    def _answer(self, asked: "Future[Any]") -> Any:
        try:
            return asked.result(PATIENCE)
        except TimeoutError:
            raise self._late() from None

    async def _answer_async(self, asked: "Future[Any]") -> Any:
        try:
            return await self._awaited(asked, PATIENCE)
        except TimeoutError:
            raise self._late() from None

    async def _awaited(self, asked: "Future[Any]", patience: float) -> Any:
        """The answer of the writer, at the desk of the event loop that runs here."""
        if self._desk is None or self._desk.loop is not loop_here():
            self._desk = Desk()
        return await self._desk.answer(asked, patience)

    def _claimed(self, claimed: Claimed) -> Claimed:
        self.writer.held.update(row.row for row in claimed.taken)
        for row in claimed.taken:
            self._know(row.draft, row.row)
        return claimed

    def _disclaim(self, asked: "Future[Any]") -> None:
        """Lets go of what a claim has taken, or is about to take, whose answer nobody waits for any more."""

        def done(_: "Future[Any]") -> None:
            if not asked.cancelled() and asked.exception() is None:
                rows = [row.row for row in asked.result().taken]
                self.writer.leave(rows)
                self._forget(rows)

        asked.cancel()
        asked.add_done_callback(done)

    def _tell(self, note: Note, row: str, written: "Future[Any]") -> None:
        """Lets the listener hear of a note; no submit follows an intent if that is interrupted."""
        try:
            tell(self.listener, note, row if note.kind == "intent" else "")
        except BaseException:
            self._withdraw(note, row, written)
            raise

    def _send(self, note: Note) -> tuple[str, "Future[Any]"]:
        """Hands the note over to the writer."""
        durable = note.kind in DURABLE
        if note.kind == "intent":
            row = new_row(self.writer.now())
            self.writer.held.add(row)
            begin = functools.partial(Store.begin, row=row, note=note, budgets=self.budgets)
            return row, self.writer.ask(begin, durable=durable)
        named = self._named(note)
        work = functools.partial(Store.apply, note=note, row=named, release=note.kind in LAST)
        return named or "", self.writer.ask(work, durable=durable)

    def _passes(self, note: Note) -> bool:
        """Whether a note need not be waited for. One with a cost is: the budgets of other processes count it."""
        return self.listener is None and note.kind in PASSING and note.entry.get("cost") is None

    def _pass(self, note: Note) -> str:
        """Hands over a note that nobody waits for. That it could not be written is logged."""
        named = self._named(note)
        work = functools.partial(Store.apply, note=note, row=named, release=note.kind in LAST)
        self.writer.tell(work, functools.partial(self._missed, note, named or ""))
        if named is not None:
            self._let_go(note, named)
        return named or ""

    def _named(self, note: Note) -> str | None:
        """The row of a note: it names it, or its task is one of ours."""
        task: Task | None = note.entry.get("task")
        named: str | None = note.entry.get("row")
        if named is None and task is not None:
            return self._rows.get((task.provider, task.base_url, task.id))
        if note.kind == "accepted" and named is not None and task is not None:
            self._know(task, named)
        return named

    def _know(self, task: Task, row: str) -> None:
        """Knows from now on which row is that of a task."""
        self._tasks[row] = of_task = (task.provider, task.base_url, task.id)
        self._rows[of_task] = row

    def _let_go(self, note: Note, row: str) -> None:
        """Knows that a row is in hand no more after the last note of it."""
        if note.kind in LAST:
            self.writer.held.discard(row)
            self._forget((row,))

    def _forget(self, rows: Collection[str]) -> None:
        for row in rows:
            if (of_task := self._tasks.pop(row, None)) is not None and self._rows.get(of_task) == row:
                del self._rows[of_task]

    def _missed(self, note: Note, row: str, error: Exception) -> None:
        """What follows from a note after a submit that could not be written: what was bought matters more than that."""
        task = note.entry.get("task")
        _log.error(
            "The journal could not note %r%s: %s",
            note.kind,
            f" of task {task.id} on {task.provider} at {task.base_url}" if task is not None else f" of row {row}",
            # What it says beside the reason is for those who have bought nothing yet.
            (str(error) or repr(error)).partition(". Nothing was bought.")[0],
        )
        if isinstance(error, JournalUnavailable):
            work = functools.partial(Store.apply, note=note, row=row or None, release=note.kind in LAST)
            self.writer.owe(work, durable=note.kind in DURABLE)
        elif note.kind in LAST:
            self.writer.leave((row,))

    def _failed(self, note: Note, row: str, written: "Future[Any]", error: Exception) -> None:
        """What follows from a note that could not be written."""
        if note.kind not in FIRST:
            self._missed(note, row, error)
            return
        self._withdraw(note, row, written)
        if isinstance(error, FluxError):
            raise error
        if isinstance(error, NotOpen):
            raise SettingsError(f"{error}. Nothing was bought or changed.") from None
        raise (self._late() if isinstance(error, TimeoutError) else error)

    def _withdraw(self, note: Note, row: str, written: "Future[Any]") -> None:
        """Takes an intent back that will not be followed by a submit; if it is being written, by another note."""
        if note.kind != "intent":
            return
        if not written.cancel() and (not written.done() or written.exception() is None):
            refused = Note("refused", {"row": row, "error": "It was given up before it was sent."})
            self.writer.ask(functools.partial(Store.apply, note=refused, row=row, release=True))
        self.writer.held.discard(row)

    def _late(self) -> JournalUnavailable:
        return unavailable(self.writer.path, f"the disk did not take it within {PATIENCE:g} s")


def open_journal(
    path: str | os.PathLike[str] | None, listener: Listener | None = None, budgets: tuple[Budget, ...] = ()
) -> Journal:
    """The journal in *path*, or without one that of the user. The file is opened when something is noted or asked."""
    return Journal(writer_at(own_place() if path is None else Path(path)), listener, budgets)


def _speaks_of_no_row(note: Note) -> bool:
    """Whether only a listener wants to hear of a note: it is of nothing that was bought."""
    return note.kind != "intent" and not note.entry.keys() & {"row", "task"}


def _claiming(claim: Claim) -> Callable[[Store], Any]:
    return lambda store: store.claim(claim.provider, claim.base_url, claim.label)

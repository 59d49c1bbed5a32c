"""One run of a batch: what is left of its rows is served, so many at once, and each is written down as it ends."""

import functools
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from .._contract.amount import Amount
from .._contract.budget import Budget
from .._contract.journal import Fate
from .._engine.journal.journal import Journal
from .._engine.many import as_error
from .._engine.place import Place, safe_name
from .._engine.turns import Taken, take
from .._many import Thread
from .._recording.call import UNRECORDED, Call
from .._service import check
from ..errors import Charged, FluxError, SettingsError, Unreachable, Unsupported
from .account import Account, share
from .directory import Directory
from .outcome import amounts_in, amounts_of, described, halts, record, state_of
from .source import Line, Source
from .survey import Survey, Unsound, label_of

if TYPE_CHECKING:
    from .._client import Client
    from .._engine.effects import Flow
    from .._engine.notes import Notebook
    from .._wire.plan import Plan

#: After so many rows in a row for which no connection came about, the others are not tried.
MOST_UNREACHABLE = 20

Tell = Callable[[Mapping[str, Any]], None]


@attrs.define(eq=False)
class Served:
    """A row under way: its line, what one of its images is to cost, how many it is to have, and what records it."""

    line: Line
    price: Amount | None
    images: int
    call: Call = UNRECORDED


class Batch:
    """A batch, ready to be run once: the directory is in hand, and the input is known to be in order.

    ``standing`` counts the rows by what became of them, None for those that are left. ``stopped`` is why rows are left,
    if that is not the end of the process: an error that all of them would meet, or the budget.
    """

    def __init__(
        self,
        client: "Client",
        source: Source,
        directory: Directory,
        survey: Survey,
        account: Account,
        *,
        notes: "Notebook",
        in_flight: int,
        tell: Tell = lambda _: None,
    ) -> None:
        self._client, self._source, self._survey, self._notes = client, source, survey, notes
        self.directory, self.account = directory, account
        self._in_flight, self._tell = in_flight, tell
        self._manner = client._manner(to=f"{directory.path}/")  # noqa: SLF001 - a part of the clients
        self._open: dict[int, Served] = {}
        self.standing: Counter[str | None] = survey.standing
        self.stopped: FluxError | None = None
        self.spent_out = False
        self._unreachable = 0

    def close(self) -> None:
        """Lets go of the directory and of the input; of one in which nothing came about, another batch may be made."""
        if self.directory.fresh and self._is_idle():
            self.directory.forget()
        self._source.close()
        self.directory.close()

    def _is_idle(self) -> bool:
        """Whether nothing is written of any row, and it is known that nothing was bought."""
        if self.standing[None] < self.rows or not isinstance(self._notes, Journal):
            return self.standing[None] == self.rows
        try:
            bought = self._notes.labelled(f"{self.directory.facts['batch']}:")
            return all(row.state == Fate.REFUSED for row in bought)
        except FluxError:
            return False

    @property
    def rows(self) -> int:
        """How many rows the input has."""
        return self.standing.total()

    @property
    def under_way(self) -> int:
        """How many rows are being served."""
        return len(self._open)

    @property
    def gone(self) -> int:
        """How many rows of earlier runs are not in the input any more."""
        return self._survey.gone

    @property
    def bereft(self) -> int:
        """How many rows have images that are not there any more, and are fetched again; nothing is bought for that."""
        return self._survey.bereft - self._survey.lost

    @property
    def lost(self) -> int:
        """How many rows have images that are not there any more and that nobody knows how to fetch."""
        return self._survey.lost

    def run(self) -> None:
        """Serves what is left. An exception ends what is under way within two seconds; another run goes on from there.

        Raises ``OSError`` if the results cannot be written, and whatever keeps rows from being served.
        """
        thread = Thread(
            lambda: self._client._asynchronous(self._notes),  # noqa: SLF001 - a part of the clients
            base_url=self._client.base_url,
            timeout=self._manner.timeout,
            running=self._client._running,  # noqa: SLF001
        )
        try:
            waiting: Line | None = None
            lines = self._left()
            while True:
                waiting = self._begin(thread, lines, waiting)
                if not self._open and thread.ends.empty():
                    break
                self._take(thread.ends.get())
        finally:
            thread.stop()
            self._last(thread)
            self.directory.sync()
        self.directory.tidy()

    def _left(self) -> Iterator[Line]:
        for line in self._source.lines():
            if self._survey.open(line):
                yield line

    def _begin(self, thread: Thread, lines: Iterator[Line], waiting: Line | None) -> Line | None:
        """Begins as many rows as there is room for; gives the one for which the budget has none at the moment."""
        flows: list[tuple[int, Flow[Any]]] = []
        self.spent_out = False
        while self.stopped is None and len(self._open) < self._in_flight and thread.ends.empty():
            line = next(lines, None) if waiting is None else waiting
            if line is None:
                break
            waiting, call = None, self._client._recorded("batch")  # noqa: SLF001 - a part of the clients
            try:
                flow = self._flow(line, call)
            except Exception as error:  # noqa: BLE001 - one bad row must not cost the others
                ours = as_error(error)
                self._asked(line, call, ours)
                if line.key in self._survey.begun:  # it was in order a moment ago
                    ours.charged = Charged.UNKNOWN
                self._open[line.number] = Served(line, None, 1, call)
                self._ended(line.number, ours)
                continue
            if flow is None:
                waiting = line
                self.spent_out = True
                break
            flows.append((line.number, flow))
        if flows:
            thread.add(flows, more=False)
        return waiting

    def _asked(self, line: Line, call: Call, error: FluxError) -> None:
        """Lets it be recorded what was asked for by a row that no model could be asked for."""
        if call is not UNRECORDED and isinstance(error, Unsupported) and error.verdicts:
            call.asked(self._client._asked(None, line.request(self._source.directory), {}))  # noqa: SLF001

    def _flow(self, line: Line, call: Call) -> "Flow[list[Taken]] | None":
        """What serves a row; None if the budget has no room for it now."""
        plan = call.planned(self.plan(line))
        call.asked(plan.request)
        begun = self._survey.begun.get(line.key)
        price = share(plan.price, plan.request.n)
        missing = plan.request.n - (begun.images if begun else 0)
        if not self.account.reserve(line.number, *[price] * missing, firm=begun.amounts if begun else ()):
            return None
        self._open[line.number] = Served(line, price, plan.request.n, call)
        name = f"{line.number:06d}" if line.id is None else f"{line.number:06d}-{safe_name(line.id)}"
        manner = attrs.evolve(
            self._manner,
            place=Place(self._manner.place.directory, name),
            label=label_of(self.directory.facts["batch"], line),
        )
        return take(plan, manner, begun=begun is not None, again=self._survey.again)

    def plan(self, line: Line) -> "Plan":
        """What a row asks for; raises ``Unsupported`` and what else a plan raises."""
        return plan_of(self._client, self._source, line)

    def _take(self, end: Any) -> None:
        if not isinstance(end, tuple):  # the thread has ended, and not because it was told to
            raise end if end is not None else RuntimeError("the thread of the batch has ended")
        self._ended(*end)

    def _last(self, thread: Thread) -> None:
        """Writes down what has ended while the rest was given up."""
        while not thread.ends.empty():
            end = thread.ends.get()
            if isinstance(end, tuple) and isinstance(end[1], list):
                with suppress(OSError):
                    self._ended(*end)

    def _ended(self, number: int, end: Any) -> None:
        """Writes down what became of a row, and what follows from it for the others."""
        served = self._open.pop(number)
        taken: list[Taken] = end if isinstance(end, list) else [Taken(error=as_error(end))] * served.images
        self.account.settle(number, *amounts_of(taken, served.price))
        errors = [each.error for each in taken if each.error is not None]
        halting = next(filter(halts, errors), None)
        if halting is not None:
            self.stopped = self.stopped or halting
        self._unreachable = self._unreachable + 1 if errors and all(map(_unreached, errors)) else 0
        if self._unreachable >= MOST_UNREACHABLE:
            self.stopped = self.stopped or errors[0]
        if halting is not None and not any(each.delivery for each in taken) and not any(e.charged for e in errors):
            return  # it is left, as those are that come after it
        row = described(
            served.line, taken, model=self.directory.facts["model"], directory=self.directory.path, price=served.price
        )
        self.directory.add(row)
        self.standing[None] -= 1
        self.standing[state_of(taken)] += 1
        record(served.call, taken)
        self._tell(row)


def _unreached(error: FluxError) -> bool:
    return isinstance(error, Unreachable)


def plan_of(client: "Client", source: Source, line: Line) -> "Plan":
    """What a line asks of a client; raises ``Unsupported`` for what no request can be made of."""
    if line.problem is not None:
        raise Unsupported(line.problem)
    return client.plan(line.request(source.directory))


def prepare(
    client: "Client",
    name: str,
    out: str | Path,
    *,
    in_flight: int = 32,
    budget: Amount | None = None,
    keep_going: bool = False,
    again: bool = False,
    tell: Tell = lambda _: None,
) -> Batch:
    """The batch of the input called *name* in the directory *out*, once everything is known to be in order.

    *budget* is for all of its runs together. Lines with something wrong are an error, or rows that fail if the batch is
    to *keep_going*. *again* buys once more what ended without an image. Close it afterwards.

    Raises ``SettingsError`` if the input, the directory, the budget or the journal cannot be used; nothing was sent.
    """
    client._refuse_if_offline()  # noqa: SLF001 - a part of the clients
    bounded = isinstance(in_flight, int) and not isinstance(in_flight, bool) and in_flight >= 1
    check("in_flight", in_flight, bounded, "how many rows may be under way at once, from 1")
    notes = client._driver.notes  # noqa: SLF001
    journal = notes if isinstance(notes, Journal) else None
    if journal is None and not client.mocked:
        raise SettingsError(
            "The journal is off, and without it a batch that is killed would buy images twice. Nothing was sent. "
            "Allowed: a journal in a file."
        )
    source = Source.open(name)
    facts = {
        "model": f"{client.provider.name}:{client.model}",
        "base_url": client.base_url,
        "journal": None if journal is None else str(journal.writer.path),
        "defaults": json.loads(json.dumps(client._defaults, default=str)),  # noqa: SLF001
        "mocked": client.mocked,
    }
    try:
        if journal is not None:
            journal.rows(row="")  # it can be read, or says why not
        directory = Directory.open(out, facts, secrets.token_hex(8))
    except BaseException:
        source.close()
        raise
    try:
        account, survey = Account(budget), Survey(directory, again)
        if journal is not None:
            mine = f"{directory.facts['batch']}:"
            survey.look_back(journal.labelled(mine), account)
            if budget is not None:  # each intent is held against it, too, whoever makes it
                notes = attrs.evolve(journal, budgets=(*journal.budgets, Budget(budget, mine, "the batch")))
        else:
            for _, row in directory.rows():
                account.spend(*amounts_in(row))
        survey.look_through(source, functools.partial(plan_of, client, source), limit=budget)
        if survey.wrong and (survey.broken or not keep_going):
            raise _unsound(source, survey)
        return Batch(client, source, directory, survey, account, notes=notes, in_flight=in_flight, tell=tell)
    except BaseException:
        if directory.fresh:
            directory.forget()
        source.close()
        directory.close()
        raise


def _unsound(source: Source, survey: Survey) -> Unsound:
    """The error for an input in which something is wrong, with the first lines of which that is so."""
    more = survey.wrong - len(survey.problems)
    ways = "" if survey.broken else " Allowed: lines that can, or --keep-going, with which these fail alone."
    lines = "1 line" if survey.wrong == 1 else f"{survey.wrong} lines"
    error = Unsound(f"{lines} of {source.name} cannot be served. Nothing was sent.{ways}")
    error.problems = (*survey.problems, *([f"and {more} lines more"] if more else []))
    return error

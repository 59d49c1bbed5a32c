"""The journal under faults: two processes, clocks, crashes at any note, and at no time does a row belong to two."""

import shutil
import tempfile
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from support.ledger import Wall, a_journal, a_task, an_intent, fetched, note
from support.world import raised

from fluxkit._contract.journal import Settled
from fluxkit._contract.task import State
from fluxkit._engine.effects import Claim
from fluxkit._engine.journal.journal import Journal
from fluxkit._engine.journal.owner import Owner
from fluxkit._engine.journal.store import LEASE
from fluxkit._engine.notes import Notes
from fluxkit.errors import SettingsError

HERE = Claim("magnific", "https://api.magnific.com")
PROCESSES = st.sampled_from([0, 1])
ENDS = st.sampled_from(["accepted", "refused", "unknown", "silence"])


@attrs.define(eq=False)
class Told:
    """What a row must be, by what was told of it."""

    state: str
    task: str | None = None
    holder: int | None = None
    held_until: float = 0.0


class Journals(RuleBasedStateMachine):
    """Two processes that write one journal, with leases alone to know of each other's death."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.wall = Wall()
        self.rows: dict[str, Told] = {}
        self.journals = [self.started(), self.started()]

    def started(self) -> Journal:
        journal = a_journal(self.place / "journal", now=self.wall, listener=lambda _: None)  # so all is waited for
        journal.writer.owner = attrs.evolve(Owner.here(), machine="")  # both are this process, and neither is gone
        journal.rows()
        return journal

    def teardown(self) -> None:
        for journal in self.journals:
            journal.writer.close()
        shutil.rmtree(self.place)

    intents = Bundle("intents")
    tasks = Bundle("tasks")

    @rule(target=intents, process=PROCESSES)
    def submits(self, process: int) -> Any:
        row = self.journals[process].take(an_intent())
        assert row not in self.rows
        self.rows[row] = Told("intent", holder=process)
        return process, self.journals[process], row

    @rule(target=tasks, intent=consumes(intents), end=ENDS)
    def hears(self, intent: Any, end: str) -> Any:
        """The answer of a submit comes, to the process that made it if it still runs, or never."""
        process, journal, row = intent
        told = self.rows[row]
        if end == "silence" or journal is not self.journals[process]:
            return multiple()
        if end == "accepted":
            task = a_task(f"task-{row}")
            journal.take(note("accepted", row, task=task))
            if told.state not in ("dismissed", "resubmitted"):
                told.state = "created"
            told.task = task.id
            return process, journal, row, task
        journal.take(note(end, row, error="No."))
        if told.state in ("intent", "unknown"):
            told.state = {"refused": "not bought"}.get(end, end)
        told.holder = None
        return multiple()

    @rule(task=tasks, state=st.sampled_from([State.RUNNING, State.COMPLETED, State.FAILED]))
    def moves(self, task: Any, state: State) -> None:
        process, journal, row, task = task
        told = self.rows[row]
        journal = self.journals[process]  # also after a restart: whoever has the task may wait for it
        journal.take(note("state", task=attrs.evolve(task, state=state), progress=None, problems=()))
        if told.state in ("created", "running"):
            told.state = str(state)

    @rule(task=consumes(tasks), whole=st.booleans())
    def fetches(self, task: Any, whole: bool) -> None:
        process, journal, row, task = task
        told = self.rows[row]
        done = attrs.evolve(task, state=State.COMPLETED)
        journal = self.journals[process]
        journal.take(fetched(done, self.place / "x.png"))
        if told.state in ("created", "running"):
            told.state = "completed"
        if whole:
            journal.take(note("delivered", task=done))
            if told.state not in ("dismissed", "resubmitted"):
                told.state = "delivered"
            if told.holder == process:
                told.holder = None

    @rule(process=PROCESSES)
    def ends_its_flows(self, process: int) -> None:
        mine = [row for row, told in self.rows.items() if told.holder == process]
        self.journals[process].leave(mine)
        for row in mine:
            self.rows[row].holder = None

    @rule(process=PROCESSES)
    def crashes(self, process: int) -> None:
        """The process dies as it stands; nobody takes its rows out of its hand, and another is started."""
        name = self.journals[process].writer.owner.name
        leases = dict(self.asked("SELECT name, lease FROM owners"))
        self.journals[process].writer.held.add("whatever")  # so that closing it strikes nothing out
        self.journals[process].writer.close()
        self.journals[process] = self.started()
        for told in self.rows.values():
            if told.holder == process:
                told.holder = None
                told.held_until = leases[name]
                assert LEASE * 2 / 3 <= told.held_until - self.wall.time <= LEASE

    @rule(seconds=st.sampled_from([0.1, LEASE / 2, LEASE * 1.5]))
    def time_passes(self, seconds: float) -> None:
        """The processes that run renew their leases meanwhile."""
        self.wall.time += seconds
        for journal in self.journals:
            journal.rows()

    @rule(process=PROCESSES)
    def recovers(self, process: int) -> None:
        before = {row: attrs.evolve(told) for row, told in self.rows.items()}
        claimed = self.journals[process].claim(HERE)
        taken = {row.row for row in claimed.taken}
        for row, told in before.items():
            free = told.holder is None and told.held_until < self.wall.time
            if told.state == "intent" and free:
                self.rows[row].state = "unknown"
            if row in taken:
                assert free or told.holder is None
                assert told.state in ("created", "running", "completed")
                self.rows[row].holder = process
            elif free:
                assert told.state not in ("created", "running", "completed")
        assert {row for row, told in self.rows.items() if told.state == "unknown"} == {
            row.row for row in claimed.unknown
        }

    @rule(process=PROCESSES, again=st.booleans(), chosen=st.integers(0, 5))
    def settles(self, process: int, again: bool, chosen: int) -> None:
        unknown = sorted(row for row, told in self.rows.items() if told.state == "unknown")
        if not unknown:
            return
        row = unknown[chosen % len(unknown)]
        journal = self.journals[process]
        if self.rows[row].holder is not None or self.rows[row].held_until >= self.wall.time:
            return
        if again:
            new = journal.take(an_intent(again=row))
            self.rows[new] = Told("intent", holder=process)
            self.rows[row].state = "resubmitted"
        else:
            journal.take(note("settled", row, how=Settled.DISMISSED))
            self.rows[row].state = "dismissed"
        # Nobody settles it a second time, and so nobody buys it a third time.
        for each in self.journals:
            raised(lambda each=each: each.take(an_intent(again=row)), SettingsError)
            raised(lambda each=each: each.take(note("settled", row, how=Settled.DISMISSED)), SettingsError)

    @invariant()
    def every_row_is_what_was_told_of_it(self) -> None:
        for journal in self.journals:
            rows = {row.row: row for row in journal.rows()}
            assert {row: (told.state, told.task) for row, told in self.rows.items()} == {
                row: (kept.state, kept.task and kept.task.id) for row, kept in rows.items()
            }

    def asked(self, query: str) -> list[Any]:
        """What the file holds."""
        ask = self.journals[0].writer.ask
        return cast("list[Any]", ask(lambda store: store._connection.execute(query).fetchall()).result(9))

    @invariant()
    def the_file_says_who_has_a_row_in_hand(self) -> None:
        found = dict(self.asked("SELECT row, owner FROM submits"))
        names = [journal.writer.owner.name for journal in self.journals]
        for row, told in self.rows.items():
            if told.holder is not None:
                assert names[told.holder] == found[row]


Journals.TestCase.settings = settings(stateful_step_count=20)
TestJournals = pytest.mark.slow(Journals.TestCase)


class Notebooks(RuleBasedStateMachine):
    """Notes in memory make the same rows as notes on the disk."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.disk, self.memory = a_journal(self.place / "journal"), Notes()
        self.last: dict[str, str] = {}

    def teardown(self) -> None:
        self.disk.writer.close()
        shutil.rmtree(self.place)

    rows = Bundle("rows")

    @rule(target=rows)
    def submits(self) -> Any:
        return self.disk.take(an_intent()), self.memory.take(an_intent())

    @rule(row=rows, kind=st.sampled_from(["accepted", "refused", "unknown"]), id=st.sampled_from("abc"))
    def hears(self, row: Any, kind: str, id: str) -> None:
        entry = {"task": a_task(id)} if kind == "accepted" else {"error": "No."}
        for book, name in zip((self.disk, self.memory), row, strict=True):
            book.take(note(kind, name, **entry))

    @rule(
        kind=st.sampled_from(["state", "fetched", "delivered"]),
        id=st.sampled_from("abc"),
        state=st.sampled_from([State.RUNNING, State.COMPLETED, State.VANISHED]),
        sha=st.sampled_from(["1", "2"]),
    )
    def goes_on(self, kind: str, id: str, state: State, sha: str) -> None:
        task = a_task(id, state=state)
        told = fetched(task, self.place / sha, sha) if kind == "fetched" else note(kind, task=task)
        # On the disk, a task belongs to the row that was accepted last, or to every row that has that name.
        for row in self.disk._rows.copy():
            del self.disk._rows[row]
        self.disk.take(told)
        self.memory.take(told)

    @invariant()
    def both_keep_the_same_books(self) -> None:
        def told(row: Any) -> Any:
            images = [(image.path, image.sha256) for image in row.images]
            return row.state, row.why, row.draft, row.asked, images, row.price, row.place

        def key(told: Any) -> str:
            return repr(told)

        assert sorted(map(told, self.disk.rows()), key=key) == sorted(map(told, self.memory.rows()), key=key)


Notebooks.TestCase.settings = settings(stateful_step_count=20)
TestNotebooks = pytest.mark.slow(Notebooks.TestCase)

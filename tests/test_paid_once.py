"""Paid once, nothing lost: whatever services, processes and their clocks do, in whatever order."""

import hashlib
import logging
import shutil
import sqlite3
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from shapes.replicate import REPLICATE
from support.brought import bring
from support.processes import Process, Till

from fluxkit import Charged, DeliveryWarning, FluxError, SettingsError
from fluxkit._contract.budget import DAY
from fluxkit._contract.journal import ADVICE, Fate, Row, Settled
from fluxkit._contract.task import State
from fluxkit._engine.journal.record import SELECT, taken_up
from fluxkit._engine.journal.store import LEASE
from fluxkit._engine.spending import amount_of
from fluxkit._wire.token import read_token
from fluxkit_mockserver import FAULTS
from fluxkit_mockserver.clock import EPOCH
from fluxkit_mockserver.outlet import Delivery
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import MAGNIFIC

SMALL = {"size": "256x256"}
MODELS: Mapping[str, Mapping[str, Any]] = {
    "magnific:flux-2-pro": SMALL,
    "apimart:flux-2-pro": {},
    "bfl:flux-2-pro": SMALL,
    "replicate:flux-2-pro": SMALL,
}

#: A submit that one of these strikes leaves its buyer without a word of what became of it.
SILENT = {
    *("500", "stale-connection", "accepted-then-dropped", "accepted-then-hang", "accepted-then-not-json"),
    *("gateway-503-after-accept", "cut-200"),
    "503",  # in words that not every service declares, and so they may be a gateway's
}

#: A task that one of these strikes has no image, or is never found to have one.
BARREN = {"stuck", "fail", "moderated", "completed-without-images", "vanished"}

KEY, SECRET = "key-0123456789-of-the-account", "whsec_Zmx1eGtpdCBtb2NrIHdlYmhvb2tz"
PRICE, BUDGET = Decimal("0.03"), Decimal("0.2")
RETENTION = 200_000.0

MISHAPS = st.none() | st.sampled_from(list(FAULTS)) | st.sampled_from(sorted(SILENT))

#: How long a call may last beyond what it was given, in seconds: what is due at the deadline is still done.
SPARE = 2.0

WHO, WHICH = st.integers(0, 1), st.integers(0, 60)
PATIENCE = st.sampled_from([5.0, 40.0, 700.0])
ONCE = settings.default.max_examples if settings.default.max_examples > 50 else 30


@attrs.define(eq=False)
class Meanwhile:
    """Something that another process does while one waits: an alarm of the clock that all of them share."""

    at: float
    do: Any
    done: bool = False

    def due(self) -> float | None:
        return None if self.done else self.at

    def ring(self, now: float, /) -> None:
        if not self.done and now >= self.at:
            self.done = True
            self.do()

    async def ring_async(self, now: float, /) -> None:
        self.ring(now)


class Heard(logging.Handler):
    """All that is logged, as one would read it."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self.said = said

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


class PaidOnce(RuleBasedStateMachine):
    """Two processes on one journal buy images of several services that lose answers, break links and report late."""

    @initialize(
        models=st.lists(st.sampled_from(list(MODELS)), min_size=1, max_size=2, unique=True),
        ways=st.sampled_from([("sync", "sync"), ("sync", "asyncio"), ("trio", "sync")]),
        trust=st.booleans(),
        budget=st.booleans(),
        seed=st.integers(0, 3),
    )
    def open(self, models: list[str], ways: tuple[str, str], trust: bool, budget: bool, seed: int) -> None:
        self.patch = pytest.MonkeyPatch()
        bring(self.patch, REPLICATE)
        self.place = Path(tempfile.mkdtemp())
        self.models, self.ways, self.trust, self.budget = models, ways, trust, budget
        providers = [MAGNIFIC, APIMART, BFL, REPLICATE]
        self.mock = Till(providers, seed=seed, keys=[KEY], durations=lambda _: 20.0, retention=RETENTION)
        self.mock.webhooks.connect(self.delivered)
        self.clock = self.mock.clock
        self.said: list[str] = []
        self.handler = Heard(self.said)
        log = logging.getLogger("fluxkit")
        log.addHandler(self.handler)
        self.patch.setattr(log, "propagate", False)
        self.level = log.level
        log.setLevel(logging.DEBUG)
        self.made: dict[str, list[str]] = {}
        self.open_rows: dict[str, int] = {}
        self.orphans: set[str] = set()
        self.proved: set[str] = set()
        self.asked = 0
        self.troubles: list[BaseException] = []
        self.busy: set[int] = set()
        self.elsewhere = 0.0
        self.processes = [self.started(0), self.started(1)]

    # The world

    def started(self, number: int) -> Process:
        facts: dict[str, Any] = {"price": f"{PRICE} USD", "budget": f"{BUDGET} USD" if self.budget else None}
        facts |= {"listener": self.hear, "of": {}}
        if self.trust:
            facts["of"] = {"apimart:flux-2-pro": {"idempotency": "trust"}}

        def told(row: str, note: Any) -> None:
            if note.kind == "intent":
                prompt = note.entry["plan"].request.prompt
                self.made.setdefault(prompt, []).append(row)
                self.open_rows[row] = number
            elif note.kind in ("accepted", "refused", "unknown"):
                self.open_rows.pop(note.entry["row"], None)

        return Process(self.place, self.mock, self.ways[number], facts, told)

    def hear(self, event: Any) -> None:
        self.said += [repr(event), str(event), repr(event.to_dict())]

    def restart(self, number: int, *, lost: bool = False) -> None:
        """The process is gone, and another takes its place; what it had begun nobody can know."""
        self.processes[number].end(lost=lost)
        others = {row for row, whose in self.open_rows.items() if whose != number}
        self.orphans.update(row.row for row in self.rows() if row.fate is Fate.INTENT and row.row not in others)
        self.processes[number] = self.started(number)

    def mourn(self, number: int) -> bool:
        """Whether the process has died; then another takes its place."""
        dead = self.processes[number].life.dead
        if dead:
            self.restart(number, lost=bool(self.asked % 2))
        return dead

    async def delivered(self, delivery: Delivery) -> int:
        """A webhook comes, to the process that is at its address now."""
        _, number, name = urlsplit(delivery.url).path.strip("/").split("/")[:3]
        model = name.replace("-", ":", 1)
        answer = await self.processes[int(number)].receive(model, delivery)
        if answer == 200:
            self.proved.add(delivery.url)
        return answer

    def address(self, number: int, model: str) -> str:
        return f"https://app.example/hooks/{number}/{model.replace(':', '-', 1)}/"

    def model(self, which: int) -> str:
        return self.models[which % len(self.models)]

    def request(self, model: str, hook: int | None) -> dict[str, Any]:
        self.asked += 1
        fields = {"prompt": f"fox {self.asked}", **MODELS[model]}
        return fields if hook is None else {**fields, "webhook_url": self.address(hook, model)}

    def rows(self) -> list[Row]:
        """What stands in the journal's file now."""
        if not (self.place / "journal").exists():
            return []
        connection = sqlite3.connect(self.place / "journal")
        try:
            return [taken_up(line)[0] for line in connection.execute(f"{SELECT} ORDER BY row")]
        except sqlite3.OperationalError:  # it is only being made
            return []
        finally:
            connection.close()

    def some(self, which: int, *, of: Any) -> Row | None:
        rows = [row for row in self.rows() if of(row)]
        return rows[which % len(rows)] if rows else None

    def model_of(self, row: Row) -> str:
        return f"{row.provider}:{row.model}"

    # What processes do

    def act(self, who: int, model: str, what: str, *given: Any, within: float, **facts: Any) -> Any:
        """What a call comes to, None if its process died of it. It ends in time, and says no untruth of the bill."""
        if who in self.busy:
            return None
        self.mourn(who)
        process, began, elsewhere = self.processes[who], self.clock.now(), self.elsewhere
        self.busy.add(who)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeliveryWarning)
                outcome = process.do(model, what, *given, **facts)
        except BaseException as error:
            if not process.life.dead and not isinstance(error, FluxError):
                raise
            outcome = error
        finally:
            self.busy.discard(who)
        if self.mourn(who):
            return None
        lasted = self.clock.now() - began - (self.elsewhere - elsewhere)
        assert lasted <= within + SPARE, f"{what} lasted {lasted} s instead of {within} s: {outcome!r}"
        return outcome

    def is_billed(self, row: str) -> bool:
        kept = {charge.task for charge in self.mock.charges if not charge.refunded}
        return not kept.isdisjoint(self.mock.bought.get(row, ()))

    def judge(self, prompt: str, outcome: Any) -> None:
        """Whether an error that a buyer was told is true to the bill."""
        if isinstance(outcome, FluxError):
            billed = [row for row in self.made.get(prompt, ()) if self.is_billed(row)]
            assert outcome.charged is not Charged.NO or not billed, repr(outcome)
            assert outcome.charged is not Charged.YES or billed, repr(outcome)

    def strike(self, mishap: str | None) -> None:
        if mishap is not None:
            self.mock.fault(mishap, times=1)

    @rule(who=WHO, which=WHICH, hook=st.none() | WHO, mishap=MISHAPS)
    def submits(self, who: int, which: int, hook: int | None, mishap: str | None) -> None:
        self.strike(mishap)
        model = self.model(which)
        fields = self.request(model, hook)
        outcome = self.act(who, model, "submit", within=300.0, request=fields.pop("prompt"), **fields)
        self.judge(f"fox {self.asked}", outcome)

    @rule(who=WHO, which=WHICH, hook=st.none() | WHO, n=st.integers(1, 2), timeout=PATIENCE, mishap=MISHAPS)
    def generates(self, who: int, which: int, hook: int | None, n: int, timeout: float, mishap: str | None) -> None:
        self.strike(mishap)
        model = self.model(which)
        fields = self.request(model, hook)
        prompt = fields.pop("prompt")
        outcome = self.act(who, model, "generate", within=timeout, request=prompt, n=n, timeout=timeout, **fields)
        self.judge(prompt, outcome)
        if outcome is not None and not isinstance(outcome, FluxError):
            assert n == len(outcome.images) + len(outcome.errors)
            assert all(image.bytes() for image in outcome.images)

    @rule(who=WHO, which=WHICH, hook=st.none() | WHO, count=st.integers(1, 4), timeout=PATIENCE, mishap=MISHAPS)
    def generates_many(
        self, who: int, which: int, hook: int | None, count: int, timeout: float, mishap: str | None
    ) -> None:
        self.strike(mishap)
        model = self.model(which)
        requests = [self.request(model, hook) for _ in range(count)]
        from fluxkit import Request

        facts = {"in_flight": 2, "timeout": timeout}
        outcome = self.act(
            who, model, "generate_many", [Request(**each) for each in requests], within=count * timeout, **facts
        )
        if outcome is not None:
            assert sorted(end.number for end in outcome) == list(range(count))
            for end in outcome:
                self.judge(end.request.prompt, end.error)

    @rule(
        who=WHO,
        which=WHICH,
        what=st.sampled_from(["wait", "wait", "status", "events", "cancel"]),
        timeout=PATIENCE,
        mishap=MISHAPS,
    )
    def comes_back(self, who: int, which: int, what: str, timeout: float, mishap: str | None) -> None:
        """Whoever has a task asks after it, in whatever process."""
        self.strike(mishap)
        row = self.some(which, of=lambda row: row.task is not None)
        if row is not None:
            timed = {"timeout": timeout} if what in ("wait", "events") else {}
            within = timed.get("timeout", 60.0)
            outcome = self.act(who, self.model_of(row), what, row.task, within=within, **timed)
            if isinstance(outcome, FluxError) or what == "cancel":
                assert outcome is None or outcome.charged is not Charged.NO or not self.is_billed(row.row)

    @rule(who=WHO, which=WHICH, timeout=PATIENCE)
    def recovers(self, who: int, which: int, timeout: float) -> None:
        other = self.processes[1 - who]
        held = {*other.writer.held} if 1 - who in self.busy and not other.life.dead else set()
        outcome = self.act(who, self.model(which), "recover", within=timeout, timeout=timeout)
        if outcome is not None:
            assert not isinstance(outcome, FluxError), repr(outcome)
            had = {row.task_id: row.row for row in self.rows() if row.task is not None}
            taken = {had[task.id] for result in outcome.results for task in result.tasks}
            taken |= {row.row for row in outcome.unknown}
            assert taken.isdisjoint(held), "another process had it in hand"
            assert (ADVICE in str(outcome)) is bool(outcome.unknown)

    @rule(who=WHO, which=WHICH, how=st.sampled_from(["adopt", "dismiss", "resubmit"]))
    def settles(self, who: int, which: int, how: str) -> None:
        """Somebody who has looked at the account settles a row of unknown fate; the account is right."""
        row = self.some(which, of=lambda row: row.state in (Fate.UNKNOWN, Fate.INTENT))
        if row is None:
            return
        tasks = self.mock.bought.get(row.row, [])
        if how == "adopt" and not tasks:
            how = "resubmit"
        given = (row.row, *tasks) if how == "adopt" else (row.row,)
        outcome = self.act(who, self.model_of(row), how, *given, within=300.0)
        if how == "resubmit":
            self.judge(f"{row.row} again", outcome)
        elif isinstance(outcome, FluxError):
            assert isinstance(outcome, SettingsError)

    @rule(who=WHO, moments=st.integers(0, 30))
    def is_about_to_die(self, who: int, moments: int) -> None:
        self.processes[who].life.left = moments

    @rule(who=WHO)
    def ends(self, who: int) -> None:
        self.restart(who)

    # What happens around them

    @rule(name=st.sampled_from(list(FAULTS)), times=st.none() | st.integers(2, 3))
    def is_struck(self, name: str, times: int | None) -> None:
        self.mock.fault(name, times=times)

    @rule()
    def recovers_from_faults(self) -> None:
        self.mock.unfault()

    @rule(seconds=st.sampled_from([1.0, LEASE / 2, LEASE * 1.5, 700.0, 4000.0, float(DAY)]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(
        who=WHO,
        which=WHICH,
        after=st.sampled_from([0.5, 5.0, 35.0]),
        what=st.sampled_from(["recovers", "comes_back", "settles", "dies"]),
    )
    def somebody_else_meanwhile(self, who: int, which: int, after: float, what: str) -> None:
        """Another process does something while one waits."""

        def do() -> None:
            began, elsewhere = self.clock.now(), self.elsewhere
            try:
                match what:
                    case "recovers":
                        PaidOnce.recovers(self, who, which, 40.0)
                    case "comes_back":
                        PaidOnce.comes_back(self, who, which, "wait", 40.0, None)
                    case "settles":
                        PaidOnce.settles(self, who, which, "adopt")
                    case _:
                        self.processes[who].life.left = 0
            except BaseException as error:
                self.troubles.append(error)
            self.elsewhere = elsewhere + self.clock.now() - began

        self.clock.alarms.append(Meanwhile(self.clock.now() + after, do))

    # What holds

    @invariant()
    def holds(self) -> None:
        if self.troubles:
            raise self.troubles[0]
        rows = {row.row: row for row in self.rows()}
        bought = self.mock.bought
        assert "" not in bought, "an image was bought for no row"
        for name, tasks in bought.items():
            row = rows[name]
            assert 1 == len(tasks), f"{row} was bought {len(tasks)} times"
            assert row.fate is not Fate.REFUSED, f"{row} was bought"
            if row.fate is Fate.ACCEPTED:
                assert tasks == [row.task_id]
        assert 1 >= max(Counter(row.task_id for row in rows.values() if row.task_id).values(), default=0)
        assert {row.row for row in rows.values() if row.fate is Fate.ACCEPTED} <= bought.keys()
        again = Counter(row.again for row in rows.values() if row.again and row.fate is not Fate.REFUSED)
        assert all(1 == count for count in again.values())
        for row in rows.values():
            if row.state == "delivered":
                assert row.images
                for image in row.images:
                    assert hashlib.sha256(image.path.read_bytes()).hexdigest() == image.sha256
        if self.budget:
            days = Counter(row.created_at // DAY for row in rows.values() if row.fate is not Fate.REFUSED)
            assert all(PRICE * count <= BUDGET for count in days.values())

    def teardown(self) -> None:
        if not hasattr(self, "processes"):
            return
        try:
            if not self.troubles:
                self.settle_all()
        finally:
            log = logging.getLogger("fluxkit")
            log.removeHandler(self.handler)
            log.setLevel(self.level)
            for process in self.processes:
                process.end()
            shutil.rmtree(self.place)
            self.patch.undo()

    def settle_all(self) -> None:
        """All faults pass, and somebody recovers until nothing moves: what was paid is had, or it is said why not."""
        self.mock.unfault()
        self.clock.alarms[:] = [alarm for alarm in self.clock.alarms if not isinstance(alarm, Meanwhile)]
        for number, process in enumerate(self.processes):
            process.life.left = None
            self.mourn(number)
        self.clock.advance(2 * LEASE)
        before: Any = None
        unknown: dict[str, Row] = {}
        while (now := [attrs.evolve(row, updated_at=0.0) for row in self.rows()]) != before:
            before = now
            for model in self.models:
                found = self.act(1, model, "recover", within=2000.0, timeout=2000.0)
                assert 0 == found.elsewhere
                assert (ADVICE in str(found)) is bool(found.unknown)
                unknown |= {row.row: row for row in found.unknown}
        self.holds()
        assert "fluxkit-many" not in {thread.name for thread in threading.enumerate()}
        tokens = {read_token(url) for url in self.proved}
        for row in self.rows():
            tasks = self.mock.bought.get(row.row, [])
            struck = self.mock.struck.get(row.row, set())
            if row.state in (Fate.UNKNOWN, Fate.INTENT):
                assert row.row in unknown, "what nobody knows is not listed"
                assert not struck.isdisjoint(SILENT) or row.row in self.orphans, f"{row} could be known"
                assert row.token is None or row.token not in tokens or not tasks, f"{row}: its webhook came"
                young = self.clock.now() - row.created_at < 80_000
                assert not (row.idempotency and young), f"{row} could be asked for again"
            elif tasks and row.state != "delivered" and row.settled not in (Settled.DISMISSED, Settled.RESUBMITTED):
                fate = self.mock.struck.get(tasks[0], set())
                task = self.mock.task(tasks[0])
                gone = task is None or task.cancelled or (row.state == State.VANISHED and "poll-404" in fate)
                assert gone or not fate.isdisjoint(BARREN), f"{row} was paid, and is not had: {fate}"
        self.compare_bills()
        self.find_no_secrets()

    def compare_bills(self) -> None:
        rows = {row.row: row for row in self.rows()}
        tokens = {read_token(url) for url in self.proved}
        amounts = {charge.task: charge.amount for charge in self.mock.charges}
        for name, tasks in self.mock.bought.items():
            row = rows[name]
            cost = amount_of(row.cost)
            assert cost is None or amounts[tasks[0]] in (None, cost.number)
            # bfl says what an image costs to a submit without a webhook, and to polls; not in a webhook that ends it.
            silent = row.provider == "bfl" and row.token in tokens
            told = row.state == "delivered" and not silent
            assert cost is not None or not told or amounts[tasks[0]] is None, row

    def find_no_secrets(self) -> None:
        tokens = [row.token for row in self.rows() if row.token is not None]
        told = "\n".join(self.said)
        assert "could not be noted" not in told
        for secret in (KEY, SECRET, *tokens):
            assert secret not in told
        for file in self.place.glob("journal*"):
            assert not any(secret.encode() in file.read_bytes() for secret in (KEY, SECRET))


@pytest.mark.parametrize("dies", [True, False])
def test_what_a_webhook_says_before_the_answer_is_not_lost_with_whoever_waits_for_that(dies: bool) -> None:
    """The service has its 200 and does not send it again."""
    state = PaidOnce()
    state.open(models=["magnific:flux-2-pro"], ways=("sync", "sync"), trust=False, budget=False, seed=0)
    if dies:
        state.somebody_else_meanwhile(who=0, which=0, after=35.0, what="dies")
    state.submits(who=0, which=0, hook=0, mishap="accepted-then-hang")
    assert (60.0, 2, {200}) == (
        state.clock.now() - EPOCH,
        len(state.mock.webhooks.sent),
        {sent.answer for sent in state.mock.webhooks.sent},
    )
    [row] = state.rows()
    assert "completed" == row.state
    assert dies or any(said.startswith("settled") for said in state.said)
    state.teardown()


PaidOnce.TestCase.settings = settings(max_examples=ONCE, stateful_step_count=20)
TestPaidOnce = pytest.mark.slow(PaidOnce.TestCase)

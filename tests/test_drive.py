"""Drivers, and whole errands under them: whatever happens, nothing is bought twice and nothing bought is lost."""

import logging
import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import pytest
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from support.world import (
    EPOCH,
    LINK,
    AsyncWorld,
    Brought,
    Outcome,
    Said,
    World,
    a_plan,
    accepted,
    complaint,
    completed,
    ended,
    raised,
    running,
    told,
)

from fluxkit._contract.result import Result, describe
from fluxkit._engine import drive
from fluxkit._engine.clock import SystemClock
from fluxkit._engine.drive import AsyncDriver, Driver
from fluxkit._engine.effects import Call, Discard, Fetch, Fetched, Flow, Keep, Lost, Note, Now, Reply, Wait
from fluxkit._engine.flows import Manner, generate, place_order
from fluxkit._engine.notes import MOST_NOTES, Notes
from fluxkit._engine.pacing import SHORTEST_CALL
from fluxkit._engine.place import Place
from fluxkit.errors import (
    Charged,
    ContractError,
    DownloadError,
    FluxError,
    SettingsError,
    SubmissionUnknown,
    Unreachable,
)
from fluxkit_providers.magnific import MAGNIFIC

PLACE = Place(Path("/images"))
WAYS = ["sync", "asyncio", "trio"]
BACKENDS = ["asyncio", "trio"]


def drive_it(way: str, flow: Flow[Any], world: World, notes: Notes | None = None) -> Any:
    """Runs a flow in a world under one of the drivers."""
    notes = Notes() if notes is None else notes
    if way == "sync":
        return Driver(world, world, notes).run(flow)
    return anyio.run(AsyncDriver(AsyncWorld(world), world, notes).run, flow, backend=way)


# What drivers do


@pytest.mark.parametrize("way", WAYS)
def test_every_effect_is_carried_out_and_answered(way: str, tmp_path: Path) -> None:
    surplus = tmp_path / "surplus.png"
    surplus.touch()
    answers: list[Any] = []

    def flow() -> Flow[str]:
        effects = (
            Now(),
            Wait(2.0),
            Note("intent", {}),
            Note("accepted", {}),
            Call("GET", "https://a.example/"),
            Fetch(LINK, tmp_path / "x"),
            Keep(b"content", tmp_path / "y"),
            Discard(surplus),
            Discard(surplus),
            Discard(tmp_path),
        )
        for effect in effects:
            answer = yield effect
            answers.append(answer)
        return "the end"

    notes = Notes()
    assert "the end" == drive_it(way, flow(), World([Said(204)]), notes)
    assert [EPOCH, "1", "2"] == [answers[0], *answers[2:4]]
    assert (EPOCH + 2.0, None, None) == (answers[1].at, answers[1].task, answers[1].seen)
    assert [Reply, Fetched, Fetched, type(None), type(None), type(None)] == [type(answer) for answer in answers[4:]]
    assert ["intent", "accepted"] == [note.kind for note in notes.kept]
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("way", WAYS)
def test_an_error_of_the_world_is_thrown_into_the_flow(way: str) -> None:
    def flow() -> Flow[Exception]:
        try:
            yield Call("GET", "https://a.example/")
        except ValueError as error:
            return error
        raise AssertionError("nothing was thrown")

    mishap = ValueError("a mistake")
    assert mishap is drive_it(way, flow(), World([mishap]))


@pytest.mark.parametrize("way", WAYS)
def test_what_a_flow_raises_passes_on(way: str) -> None:
    def flow() -> Flow[None]:
        yield Now()
        raise SettingsError("no")

    assert isinstance(raised(lambda: drive_it(way, flow(), World())), SettingsError)


@pytest.mark.parametrize("way", WAYS)
def test_an_effect_that_no_driver_knows_is_an_error_of_its_flow(way: str) -> None:
    def flow() -> Flow[None]:
        yield "abracadabra"

    error = raised(lambda: drive_it(way, flow(), World()), TypeError)
    assert "abracadabra" in str(error)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("buys", [True, False])
def test_an_interruption_from_the_transport_closes_the_flow_and_passes_on(
    way: str, interruption: type[BaseException], buys: bool
) -> None:
    closed = []

    def flow() -> Flow[None]:
        try:
            yield Call("POST", "https://a.example/", buys=buys)
        finally:
            closed.append(True)

    raised(lambda: drive_it(way, flow(), World([interruption()])), interruption)
    assert [True] == closed


@pytest.mark.parametrize("way", WAYS)
def test_an_interrupted_wait_leaves_the_task_in_the_notes(way: str) -> None:
    notes = Notes()
    world = World([accepted(MAGNIFIC, "task-1"), running(MAGNIFIC), KeyboardInterrupt()])
    raised(lambda: drive_it(way, errand(), world, notes), KeyboardInterrupt)
    assert ["intent", "accepted", "state"] == [note.kind for note in notes.kept]
    assert "task-1" == notes.kept[-1].entry["task"].id


@pytest.mark.parametrize("way", WAYS)
def test_a_listener_that_fails_is_logged_and_stops_no_purchase(way: str, caplog: pytest.LogCaptureFixture) -> None:
    heard = []

    def listener(note: Note) -> None:
        heard.append(note.kind)
        raise RuntimeError("a listener's mistake")

    world = World([accepted(MAGNIFIC), completed(MAGNIFIC)])
    with caplog.at_level(logging.ERROR, "fluxkit"):
        result = drive_it(way, errand(), world, Notes(listener))
    assert 1 == len(result.images)
    assert ["intent", "accepted", "state", "fetched", "delivered"] == heard
    assert ["A listener of fluxkit failed"] * 5 == [record.message for record in caplog.records]


def test_a_note_is_kept_before_its_listener_hears_of_it() -> None:
    def listener(_: Note) -> None:
        raise KeyboardInterrupt

    notes = Notes(listener)
    raised(lambda: notes.take(Note("accepted", {})), KeyboardInterrupt)
    assert ["accepted"] == [note.kind for note in notes.kept]


def test_the_clock_is_that_on_the_wall_and_goes_on_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    assert abs(clock.now() - time.time()) < 60
    before = clock.now()
    monkeypatch.setattr(time, "time", lambda: 0.0)  # somebody sets the clock on the wall
    assert before <= clock.now() < before + 60
    clock.sleep(-1.0)
    clock.sleep(0.0)
    anyio.run(clock.sleep_async, -1.0)


def test_the_last_notes_are_kept_and_each_has_a_row_of_its_own() -> None:
    notes = Notes()
    rows = [notes.take(Note(str(number), {})) for number in range(MOST_NOTES + 2)]
    assert len(rows) == len(set(rows))
    assert [str(number) for number in range(2, MOST_NOTES + 2)] == [note.kind for note in notes.kept]


# Cancellation


@attrs.define(eq=False)
class Gate:
    """An asynchronous transport whose answer to a submit comes when the test says so."""

    answer: Outcome
    asked: anyio.Event = attrs.field(factory=anyio.Event)
    open: anyio.Event = attrs.field(factory=anyio.Event)
    left: int = 0

    async def call(self, call: Call) -> Reply:
        self.asked.set()
        try:
            await self.open.wait()
        finally:
            self.left += 1
        return World([self.answer]).call(call)

    async def fetch(self, fetch: Fetch) -> Fetched:
        raise NotImplementedError

    async def keep(self, keep: Keep) -> Fetched:
        raise NotImplementedError


async def turns() -> None:
    """Lets every other task of the loop have its turn, some times over."""
    for _ in range(10):
        await anyio.lowlevel.checkpoint()


async def cancelled(gate: Gate, flow: Flow[Any], notes: Notes, *, answers: bool) -> bool:
    """Cancels the flow while a call is under way, and lets the answer come after that. Gives whether it ended so."""
    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            await_it = AsyncDriver(gate, World(), notes).run

            async def cancel() -> None:
                await gate.asked.wait()
                scope.cancel()
                await turns()
                if answers:
                    gate.open.set()

            group.start_soon(cancel)
            await await_it(flow)
    return scope.cancelled_caught


ANSWERS: list[tuple[Callable[[], Outcome], list[str]]] = [
    (lambda: accepted(MAGNIFIC, "task-1"), ["intent", "accepted"]),
    (lambda: complaint(MAGNIFIC, 401), ["intent", "refused"]),
    (lambda: Said(502), ["intent", "unknown"]),
    (lambda: Lost("dropped"), ["intent", "unknown"]),
    (lambda: ValueError("a mistake"), ["intent", "unknown"]),
    (lambda: complaint(MAGNIFIC, 503), ["intent", "refused"]),  # it would be tried again
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("answer", "noted"), ANSWERS)
def test_the_answer_to_a_cancelled_submit_is_still_heard(
    backend: str, answer: Callable[[], Outcome], noted: list[str]
) -> None:
    async def main() -> None:
        notes, flow = Notes(), errand()
        assert await cancelled(Gate(answer()), flow, notes, answers=True)
        assert noted == [note.kind for note in notes.kept]
        assert None is flow.gi_frame

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_intent_of_an_image_that_comes_next_is_not_noted(backend: str) -> None:
    for answer in (accepted(MAGNIFIC, "task-1"), complaint(MAGNIFIC, 503), complaint(MAGNIFIC, 401)):
        notes = Notes()
        assert anyio.run(partial(cancelled, Gate(answer), errand(n=2), notes, answers=True), backend=backend)
        assert 1 == [note.kind for note in notes.kept].count("intent")


@pytest.mark.parametrize("backend", BACKENDS)
def test_whoever_is_cancelled_already_buys_nothing(backend: str) -> None:
    async def main() -> None:
        notes, world = Notes(), World([])
        with anyio.CancelScope() as scope:
            scope.cancel()
            await AsyncDriver(AsyncWorld(world), world, notes).run(errand())
        assert scope.cancelled_caught
        assert ([], ["intent", "refused"]) == (world.submits, [note.kind for note in notes.kept])

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("way", WAYS)
def test_the_fate_of_an_interrupted_submit_is_noted_as_unknown(way: str) -> None:
    notes = Notes()
    raised(lambda: drive_it(way, errand(), World([KeyboardInterrupt()]), notes), KeyboardInterrupt)
    assert ["intent", "unknown"] == [note.kind for note in notes.kept]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_submit_that_does_not_answer_holds_a_cancellation_up_for_a_moment_only(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive, "SHELTER", 0.0)

    async def main() -> None:
        notes, gate = Notes(), Gate(accepted(MAGNIFIC))
        assert await cancelled(gate, errand(), notes, answers=False)
        assert (["intent", "unknown"], 1) == ([note.kind for note in notes.kept], gate.left)

    anyio.run(main, backend=backend)


def test_a_cancellation_is_held_up_for_two_seconds_at_most() -> None:
    async def main() -> None:
        gate, begun = Gate(accepted(MAGNIFIC)), trio.current_time()
        assert await cancelled(gate, errand(), Notes(), answers=False)
        assert 2.0 == pytest.approx(trio.current_time() - begun)

    clock = trio.testing.MockClock(autojump_threshold=0)
    anyio.run(main, backend="trio", backend_options={"clock": clock})


def test_a_task_of_asyncio_that_is_cancelled_by_hand_is_cancelled() -> None:
    import asyncio

    async def main() -> None:
        notes, gate = Notes(), Gate(accepted(MAGNIFIC, "task-1"))
        task = asyncio.create_task(AsyncDriver(gate, World(), notes).run(errand()))
        await gate.asked.wait()
        task.cancel()
        await turns()
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ["intent", "accepted"] == [note.kind for note in notes.kept]

    asyncio.run(main())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cancelled_wait_closes_the_flow_at_once(backend: str) -> None:
    class Slow(World):
        async def sleep_async(self, seconds: float, /) -> None:
            scope.cancel()
            await anyio.sleep_forever()

    scope = None

    async def main() -> None:
        nonlocal scope
        world = Slow([accepted(MAGNIFIC, "task-1")])
        notes, flow = Notes(), errand()
        with anyio.CancelScope() as scope:
            await AsyncDriver(AsyncWorld(world), world, notes).run(flow)
        assert scope.cancelled_caught
        assert (["intent", "accepted"], None) == ([note.kind for note in notes.kept], flow.gi_frame)

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n", [1, 3])
def test_whoever_stops_between_two_tries_of_a_submit_has_bought_nothing_and_it_is_noted(way: str, n: int) -> None:
    """That it was refused is known: nobody is to look at the account for it."""

    class Stopped(World):
        def sleep(self, seconds: float, /) -> None:
            raise KeyboardInterrupt

        async def sleep_async(self, seconds: float, /) -> None:
            raise KeyboardInterrupt

    notes = Notes()
    world = Stopped([complaint(MAGNIFIC, 503)] * n)
    raised(lambda: drive_it(way, errand(n=n), world, notes), KeyboardInterrupt)
    assert ["intent"] * n + ["refused"] * n == sorted(note.kind for note in notes.kept)
    assert (n, set()) == (len(world.submits), notes.held)


@pytest.mark.parametrize("way", WAYS)
def test_an_interrupted_submit_leaves_nothing_open_of_those_beside_it(way: str) -> None:
    notes = Notes()
    world = World([accepted(MAGNIFIC, "task-1"), complaint(MAGNIFIC, 503), KeyboardInterrupt()])
    raised(lambda: drive_it(way, errand(n=4), world, notes), KeyboardInterrupt)
    assert ["intent", "accepted", "intent", "intent", "unknown", "refused"] == [note.kind for note in notes.kept]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_poll_is_not_sheltered(backend: str) -> None:
    async def main() -> None:
        gate = Gate(Said())

        def flow() -> Flow[None]:
            yield Call("GET", "https://a.example/")

        assert await cancelled(gate, flow(), Notes(), answers=False)

    anyio.run(main, backend=backend)


# Any script at all


def errand(n: int = 1, timeout: float = 60.0, *, fetch: bool = True) -> Any:
    manner = Manner(timeout=timeout, patience=20.0, place=PLACE, fetch=fetch)
    return generate(a_plan(MAGNIFIC, n=n, seed=0), manner)


#: What may come of a submit, and whether something may have been bought then.
SUBMITS: Mapping[str, tuple[Callable[[str], Outcome], bool]] = {
    "accepted": (lambda name: accepted(MAGNIFIC, name), True),
    "completed": (lambda name: completed(MAGNIFIC, f"https://images.example/{name}.jpg", id=name), True),
    "failed": (lambda name: told(MAGNIFIC, "FAILED", id=name), True),
    "simmering": (lambda name: accepted(MAGNIFIC, name, status="SIMMERING"), True),
    "without an id": (lambda _: Said(200, {"data": {"status": "CREATED"}}), True),
    "a gateway's 503": (lambda _: Said(503, None, "<html>"), True),
    "a gateway's 502": (lambda _: Said(502, None, "<html>"), True),
    "409": (lambda _: complaint(MAGNIFIC, 409), True),
    "moved": (lambda _: Said(307), True),
    "lost": (lambda _: Lost("dropped"), True),
    "a mistake": (lambda _: ValueError("a mistake"), True),
    "503": (lambda _: complaint(MAGNIFIC, 503), False),
    "429": (lambda _: complaint(MAGNIFIC, 429, headers={"retry-after": "7"}), False),
    "free trial": (lambda _: complaint(MAGNIFIC, 429, "the limit of the free trial usage"), False),
    "401": (lambda _: complaint(MAGNIFIC, 401), False),
    "400": (lambda _: Said(400, None, "<html>"), False),
    "unreachable": (lambda _: Unreachable("refused"), False),
    "settings": (lambda _: SettingsError("no certificates"), False),
}
#: What may come of a poll.
POLLS: Mapping[str, Callable[[str], Outcome]] = {
    "running": lambda name: running(MAGNIFIC, id=name),
    "simmering": lambda name: told(MAGNIFIC, "SIMMERING", id=name),
    "completed": lambda name: completed(MAGNIFIC, f"https://images.example/{name}.jpg", id=name),
    "two links": lambda name: completed(
        MAGNIFIC, *(f"https://images.example/{name}{more}.jpg" for more in "ab"), id=name
    ),
    "no image": lambda name: Said(200, {"data": {"status": "COMPLETED", "generated": []}}),
    "failed": lambda name: told(MAGNIFIC, "FAILED", id=name),
    "senseless": lambda _: Said(200, {}),
    "moved": lambda _: Said(302),
    "404": lambda _: complaint(MAGNIFIC, 404),
    "401": lambda _: complaint(MAGNIFIC, 401),
    "429": lambda _: complaint(MAGNIFIC, 429, headers={"retry-after": "7"}),
    "503": lambda _: Said(503, None, "<html>"),
    "lost": lambda _: Lost("dropped"),
    "unreachable": lambda _: Unreachable("refused"),
    "settings": lambda _: SettingsError("no certificates"),
    "a mistake": lambda _: ValueError("a mistake"),
}
#: What may come of a download.
FETCHES: Mapping[str, Callable[[], Outcome]] = {
    "whole": Brought,
    "small": lambda: Brought(8, 8, "image/png"),
    "dead": lambda: DownloadError("The link answered HTTP 403.", status=403),
    "astray": lambda: ContractError("The link leads to a private host.", charged=Charged.YES),
    "lost": lambda: Lost("dropped"),
    "settings": lambda: SettingsError("no certificates"),
    "a mistake": lambda: ValueError("a mistake"),
}

TAKES = st.sampled_from([0.0, 0.0, 0.0, 0.3, 5.0, 19.0, 25.0])


def outcomes(table: Mapping[str, Any], most: int) -> st.SearchStrategy[list[tuple[str, float]]]:
    """What may come, by name, and how long it takes; what lets the story go on comes as often as all else together."""
    usual = next(iter(table))
    return st.lists(st.tuples(st.just(usual) | st.sampled_from(sorted(table)), TAKES), min_size=1, max_size=most)


@attrs.frozen
class Story:
    """What happens in a world, by name; the last of each kind happens for ever."""

    submits: tuple[tuple[str, float], ...]
    polls: tuple[tuple[str, float], ...]
    fetches: tuple[tuple[str, float], ...]
    n: int
    timeout: float
    fetch: bool

    def world(self) -> "Market":
        random.seed(7)  # the jitter of retries
        return Market(self)

    def errand(self) -> Any:
        return errand(self.n, self.timeout, fetch=self.fetch)


STORIES = st.builds(
    Story,
    submits=outcomes(SUBMITS, 6).map(tuple),
    polls=outcomes(POLLS, 10).map(tuple),
    fetches=outcomes(FETCHES, 4).map(tuple),
    n=st.integers(1, 3),
    timeout=st.sampled_from([0.5, 10.0, 60.0, 120.0]),
    fetch=st.sampled_from([True, True, False]),
)


class Market(World):
    """A world in which a story happens, and which keeps the books: for each image what its submits may have bought."""

    def __init__(self, story: Story) -> None:
        super().__init__(self._called, self._fetched)
        self.story = story
        self.books: dict[int, list[bool]] = {}
        self.ids: list[str] = []

    def _called(self, call: Call, _: World) -> Outcome:
        if not call.buys:
            name, takes = self._turn(self.story.polls, len(self.polls))
            return self._taking(POLLS[name](call.url.rpartition("/")[2]), takes)
        name, takes = self._turn(self.story.submits, len(self.submits))
        said, bought = SUBMITS[name]
        turn = int(call.body.rpartition(b'"seed":')[2].split(b",")[0].rstrip(b"}"))
        outcome = self._taking(said(f"task-{len(self.submits)}"), takes)
        lost = isinstance(outcome, Said) and takes > call.patience
        self.books.setdefault(turn, []).append(bought or lost)
        if name in ("accepted", "completed", "failed", "simmering") and not lost:
            self.ids.append(f"task-{len(self.submits)}")
        return outcome

    def _fetched(self, effect: Any, _: World) -> Outcome:
        name, takes = self._turn(self.story.fetches, len(self.of(Fetch)))
        return self._taking(FETCHES[name](), takes)

    @staticmethod
    def _turn(outcomes: tuple[tuple[str, float], ...], number: int) -> tuple[str, float]:
        return outcomes[min(number, len(outcomes)) - 1]

    @staticmethod
    def _taking(outcome: Outcome, takes: float) -> Outcome:
        return outcome if isinstance(outcome, BaseException) else attrs.evolve(outcome, takes=takes)


def errors_of(end: Result | FluxError) -> tuple[FluxError, ...]:
    return end.errors if isinstance(end, Result) else (end, *end.others)


def judge(market: Market, end: Result | FluxError, *, struck: Any = None) -> None:
    """The laws of a payer; *struck* is the effect at which the world broke, if it did."""
    errors, tasks = errors_of(end), end.tasks if isinstance(end, Result) else ()
    for turn, bought in market.books.items():
        assert not any(bought[:-1]), f"image {turn} may have been bought more than once: {bought}"
    perhaps = sum(bought[-1] for bought in market.books.values())
    # Each image that may have been bought is there, or an error says that it may.
    assert perhaps <= len(tasks) + sum(bool(error.charged) for error in errors)
    noted = [entry["task"].id for entry in market.noted("accepted")]
    assert set(noted) <= set(market.ids)
    assert set(noted) == {task.id for task in tasks} | {error.task.id for error in errors if error.task}
    assert not any(isinstance(error, Lost) for error in errors)
    assert all(error.charged for error in errors if error.task)
    assert market.lasted <= market.story.timeout + SHORTEST_CALL + 1e-6
    assert len(market.effects) <= 1_500 * market.story.n
    unsent = isinstance(struck, Note) and struck.kind == "intent"
    intents = len(market.noted("intent")) - unsent
    assert intents == sum(len(market.noted(kind)) for kind in ("accepted", "refused", "unknown"))
    if isinstance(end, Result):
        assert end.images
        paths = {image.path for image in end.images if image.path}
        assert paths == set(market.files) if struck is None else paths <= set(market.files)


@given(STORIES)
def test_nothing_is_bought_twice_and_nothing_bought_is_lost(story: Story) -> None:
    market = story.world()
    judge(market, ended(lambda: market.run(story.errand())))


@given(STORIES, st.integers(0, 60), st.sampled_from([ValueError, OSError, RecursionError, StopIteration]))
def test_that_holds_whatever_breaks_at_whatever_step(story: Story, step: int, kind: type[Exception]) -> None:
    market = story.world()
    end = ended(lambda: market.run(story.errand(), throw={step + 1: kind("the world broke")}))
    judge(market, end, struck=market.effects[step + 1][1] if step + 1 < len(market.effects) else None)


@pytest.mark.slow
@given(STORIES)
def test_a_flow_can_be_closed_at_any_step(story: Story) -> None:
    rehearsal = story.world()
    ended(lambda: rehearsal.run(story.errand()))
    for step in range(0, len(rehearsal.effects), 1 + len(rehearsal.effects) // 40):
        market, flow = story.world(), story.errand()
        ended(lambda market=market, flow=flow, step=step: market.run(flow, close_at=step))
        assert None is flow.gi_frame
        assert step == len(market.effects)
        for bought in market.books.values():
            assert not any(bought[:-1])


def told_of(end: Result | FluxError) -> Any:
    if isinstance(end, Result):
        return end.to_dict()
    return describe(end), [describe(error) for error in end.others]


@pytest.mark.slow
@given(STORIES)
def test_all_drivers_do_the_same(story: Story) -> None:
    ends = []
    for way in WAYS:
        market, notes = story.world(), Notes()
        end = ended(lambda way=way, market=market, notes=notes: drive_it(way, story.errand(), market, notes))
        asked = [(at, type(effect), getattr(effect, "url", None)) for at, effect in market.effects]
        ends.append((told_of(end), asked, [note.kind for note in notes.kept], market.books))
    assert ends[0] == ends[1] == ends[2]


@given(outcomes(SUBMITS, 6))
def test_a_submit_alone_keeps_the_same_laws(submits: list[tuple[str, float]]) -> None:
    story = Story(tuple(submits), (("running", 0.0),), (("whole", 0.0),), 1, 60.0, fetch=True)
    market = story.world()
    manner = Manner(timeout=60.0, patience=20.0, place=PLACE)
    end = ended(lambda: market.run(place_order(a_plan(MAGNIFIC, seed=0), manner)))
    if isinstance(end, FluxError):
        assert [] == market.noted("accepted")
        assert end.charged == (Charged.UNKNOWN if market.books[0][-1] else Charged.NO)
        assert isinstance(end, SubmissionUnknown) == bool(end.charged)
    else:
        assert [end.id] == market.ids
    assert not any(market.books[0][:-1])

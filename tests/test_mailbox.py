"""Poll and webhook are one waiter: what comes early, late, twice, in another order, forged or for nobody."""

import threading
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.world import EPOCH, LINK, AsyncWorld, Said, World, a_plan, accepted, completed, raised, told

from fluxkit._contract.task import Picture, Snapshot, State, Task
from fluxkit._engine.clock import SystemClock
from fluxkit._engine.drive import AsyncDriver, Driver
from fluxkit._engine.effects import Fetch, Flow, Note, Wait, Woken
from fluxkit._engine.event import Event
from fluxkit._engine.flows import Manner, generate, resume
from fluxkit._engine.mailbox import HELD_FOR, MOST_HELD, MOST_HINTS, Bell, Mailbox
from fluxkit._engine.notes import Notes
from fluxkit._engine.place import Place
from fluxkit._engine.recent import Recent
from fluxkit._engine.together import together
from fluxkit.errors import Failed, Overdue
from fluxkit_mockserver import VirtualClock, WallClock
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

WAYS = ["sync", "asyncio", "trio"]
PICTURES = (Picture(url=LINK),)


def event(state: State, task: str = "a", *, at: float = EPOCH, signed: bool = True, **facts: Any) -> Event:
    pictures = PICTURES if state is State.COMPLETED else ()
    said = Snapshot(**{"state": state, "status": state.upper(), "id": task, "pictures": pictures, **facts})
    return Event("magnific", said, f"{task}-{state}-{at}", at, signed)


def taken(mailbox: Mailbox, *tasks: str, at: float = EPOCH) -> Any:
    """Whose news are handed out, and what they say."""
    news = mailbox.take(tasks or ("a",), at)
    return news and (news[0], news[1] and news[1].state)


# The mailbox


def test_news_that_come_before_anybody_waits_are_held() -> None:
    mailbox = Mailbox()
    mailbox.deliver(event(State.COMPLETED))
    assert ("a", State.COMPLETED) == taken(mailbox, "b", "a")
    assert taken(mailbox, "b", "a") is None


def test_the_first_end_wins_and_once() -> None:
    mailbox = Mailbox()
    for state in (State.COMPLETED, State.FAILED):
        mailbox.deliver(event(state))
    assert ("a", State.COMPLETED) == taken(mailbox)
    for state in State:
        mailbox.deliver(event(state))
    assert taken(mailbox) is None


@given(st.permutations([State.CREATED, State.RUNNING, State.COMPLETED]), st.integers(0, 2))
def test_in_whatever_order_they_come_the_end_is_what_counts(order: list[State], twice: int) -> None:
    mailbox = Mailbox()
    for state in (*order, order[twice]):
        mailbox.deliver(event(state))
    assert ("a", State.COMPLETED) == taken(mailbox)
    assert taken(mailbox) is None


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(list(State)), st.booleans(), st.sampled_from(["put", "take"])),
        max_size=20,
    )
)
def test_no_order_hands_out_two_ends_or_goes_back(steps: list[tuple[str, State, bool, str]]) -> None:
    mailbox, ends = Mailbox(), list[str]()
    for task, state, replayed, step in steps:
        if step == "put":
            mailbox.deliver(attrs.evolve(event(state, task), replayed=replayed))
        elif (news := mailbox.take((task,), EPOCH)) is not None:
            assert news[0] not in ends
            if news[1] is not None and news[1].state.ended:
                ends.append(news[0])


def test_what_was_seen_before_is_no_news() -> None:
    mailbox = Mailbox()
    mailbox.deliver(attrs.evolve(event(State.COMPLETED), replayed=True))
    assert taken(mailbox) is None


def test_what_is_not_signed_is_a_hint_and_a_few_times_at_most() -> None:
    mailbox = Mailbox()
    for turn in range(3 * MOST_HINTS):
        mailbox.deliver(event(State.COMPLETED, at=EPOCH + turn, signed=False))
        assert (("a", None) if turn < MOST_HINTS else None) == taken(mailbox)
    mailbox.deliver(event(State.COMPLETED, "b", signed=False))
    assert ("b", None) == taken(mailbox, "b")


def test_ids_that_nobody_asks_for_take_a_bounded_room() -> None:
    mailbox = Mailbox()
    for number in range(3 * MOST_HELD):
        mailbox.deliver(event(State.COMPLETED, str(number), signed=number % 2 == 0))
    assert MOST_HELD == len(mailbox._held) == len(mailbox._hints)
    assert taken(mailbox, "0") is None
    assert (str(3 * MOST_HELD - 2), State.COMPLETED) == taken(mailbox, str(3 * MOST_HELD - 2))


def test_news_grow_old() -> None:
    mailbox = Mailbox()
    mailbox.deliver(event(State.COMPLETED))
    assert taken(mailbox, at=EPOCH + HELD_FOR + 1) is None
    mailbox.deliver(event(State.COMPLETED, "b"))
    mailbox.deliver(event(State.COMPLETED, "c", at=EPOCH + HELD_FOR + 1))
    assert 1 == len(mailbox._held)


def test_a_bell_rings_for_its_tasks_and_is_forgotten() -> None:
    mailbox = Mailbox()
    with mailbox.listening(("a", "b"), EPOCH) as bell, mailbox.listening(("b",), EPOCH) as other:
        mailbox.deliver(event(State.RUNNING, "c"))
        assert (False, False) == (bell.rung, other.rung)
        mailbox.deliver(event(State.RUNNING, "b"))
        assert (True, True) == (bell.rung, other.rung)
    assert {} == mailbox._bells
    with mailbox.listening(("b",), EPOCH) as bell:
        assert bell.rung  # it is still there


def test_what_is_recent_forgets_the_oldest() -> None:
    recent: Recent[int] = Recent(2, 10.0)
    for name, at in (("a", 0.0), ("b", 1.0), ("a", 2.0), ("c", 3.0)):
        recent.put(name, 7, at)
    assert [7, None, 7] == [recent.get(name, 12.0) for name in ("a", "b", "c")]
    assert (None, None, 1) == (recent.get("a", 12.5), recent.pop("a", 12.5), len(recent))


# Bells and clocks


CLOCKS = [SystemClock(), WallClock(speed=0.5), VirtualClock()]
each_clock = pytest.mark.parametrize("clock", CLOCKS, ids=lambda clock: type(clock).__name__)


def rings_soon(bell: Bell) -> threading.Thread:
    """Another thread, which rings."""
    thread = threading.Thread(target=bell.ring)
    thread.start()
    return thread


@each_clock
def test_a_clock_stops_sleeping_when_the_bell_rings(clock: Any) -> None:
    bell = Bell()
    thread = rings_soon(bell)
    clock.hear(bell, 3600.0)
    thread.join()
    assert bell.rung


@pytest.mark.parametrize("backend", WAYS[1:])
@each_clock
@pytest.mark.parametrize("before", [False, True])
def test_a_clock_stops_sleeping_when_another_thread_rings(clock: Any, backend: str, before: bool) -> None:
    bell = Bell()

    async def main() -> None:
        if before:
            bell.ring()
            await clock.hear_async(bell, 3600.0)
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(clock.hear_async, bell, 3600.0)
                group.start_soon(anyio.to_thread.run_sync, bell.ring)

    anyio.run(main, backend=backend)
    assert bell.rung


@each_clock
def test_a_bell_that_does_not_ring_costs_the_time(clock: Any) -> None:
    bell, begun = Bell(), clock.now()
    clock.hear(bell, 0.001)
    anyio.run(clock.hear_async, bell, 0.001)
    assert not bell.rung
    assert clock.now() - begun >= 0.001
    clock.hear(bell, -1.0)


# Drivers


class Listening(World):
    """A world in which webhooks come while somebody waits: at their times, by the mailbox."""

    def __init__(self, mailbox: Mailbox, events: list[Event], *arguments: Any) -> None:
        super().__init__(*arguments)
        self.mailbox, self.events = mailbox, sorted(events, key=lambda each: each.at)

    def hear(self, bell: Bell, seconds: float, /) -> None:
        end = self.time + seconds
        self.effects.append((self.time, Wait(seconds, ("heard",))))
        while not bell.rung and self.events and self.events[0].at <= end:
            self.time = max(self.time, self.events[0].at)
            self.mailbox.deliver(self.events.pop(0))
        self.time = self.time if bell.rung else end

    async def hear_async(self, bell: Bell, seconds: float, /) -> None:
        self.hear(bell, seconds)


def drive(
    way: str, flow: Flow[Any], script: Any, events: list[Event], *, attended: bool = True
) -> tuple[Any, Listening]:
    """What a flow returns while these events come; and the world in which it ran."""
    mailbox = Mailbox(attended)
    world = Listening(mailbox, events, script)
    if way == "sync":
        return Driver(world, world, Notes(), mailbox=mailbox).run(flow), world
    return anyio.run(AsyncDriver(AsyncWorld(world), world, Notes(), mailbox=mailbox).run, flow, backend=way), world


def waiting(*tasks: str) -> Flow[Woken]:
    return (yield Wait(60.0, tasks))


@pytest.mark.parametrize("way", WAYS)
def test_a_wait_is_woken_by_news_of_its_task(way: str) -> None:
    events = [event(State.COMPLETED, "b", at=EPOCH + 1), event(State.RUNNING, "a", at=EPOCH + 2)]
    woken, _ = drive(way, waiting("c", "a"), None, events)
    assert (EPOCH + 2, "a", State.RUNNING) == (woken.at, woken.task, woken.seen.state)
    woken, _ = drive(way, waiting("c"), None, events)
    assert (EPOCH + 60, None, None) == (woken.at, woken.task, woken.seen)


@pytest.mark.parametrize("way", WAYS)
def test_nobody_listens_where_nothing_is_delivered(way: str) -> None:
    woken, world = drive(way, waiting("a"), None, [event(State.RUNNING)], attended=False)
    assert (EPOCH + 60, None) == (woken.at, woken.task)
    assert [60.0] == world.waits
    _, world = drive(way, waiting(), None, [event(State.RUNNING)])
    assert [60.0] == world.waits


def test_flows_together_are_woken_each_by_its_own_news() -> None:
    def named(name: str, seconds: float) -> Flow[tuple[str, float, str | None]]:
        woken = yield Wait(seconds, (name,))
        return name, woken.at - EPOCH, woken.task

    flows = [named("a", 60.0), named("b", 50.0), named("c", 5.0), named("d", 40.0)]
    events = [event(State.COMPLETED, name, at=EPOCH + at) for name, at in (("b", 10.0), ("a", 10.0), ("x", 1.0))]
    outcomes, _ = drive("sync", together(flows), None, events)
    assert [("a", 10.0, "a"), ("b", 10.0, "b"), ("c", 5.0, None), ("d", 40.0, None)] == outcomes


# The flow that follows

MANNER = Manner(timeout=300.0, patience=60.0, place=Place(Path("/images")))
TASK = Task("magnific", "flux-2-pro", "a", MAGNIFIC.base_url, submitted_at=EPOCH)


def bought(events: list[Event], script: Any, *, way: str = "sync", n: int = 1, provider: Any = MAGNIFIC) -> Any:
    return drive(way, generate(a_plan(provider, n=n), attrs.evolve(MANNER, fetch=False)), script, events)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_signed_ends_the_wait_without_a_poll(way: str) -> None:
    events = [event(State.RUNNING, at=EPOCH + 0.2), event(State.COMPLETED, at=EPOCH + 0.5)]
    result, world = bought(events, [accepted(MAGNIFIC, "a")], way=way)
    assert [LINK] == [image.url for image in result.images]
    assert (0, 0.5) == (len(world.polls), world.lasted)


def test_a_webhook_that_overtakes_the_answer_is_not_missed() -> None:
    mailbox = Mailbox(attended=True)

    def answer(call: Any, world: World) -> Said:
        mailbox.deliver(event(State.COMPLETED))
        return accepted(MAGNIFIC, "a")

    world = Listening(mailbox, [], answer)
    result = Driver(world, world, Notes(), mailbox=mailbox).run(
        generate(a_plan(MAGNIFIC), attrs.evolve(MANNER, fetch=False))
    )
    assert ([LINK], 0, 0.0) == ([image.url for image in result.images], len(world.polls), world.lasted)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (event(State.COMPLETED, signed=False), "polled"),  # anybody may have said that
        (event(State.FAILED, signed=False), "polled"),
        (event(State.COMPLETED, pictures=()), "polled"),  # it leaves something open
        (event(State.VANISHED), "polled"),
        (event(State.UNKNOWN), "polled"),
        (event(State.CREATED), "polled"),  # it would take the task back
        (event(State.FAILED, reason="no lighthouse"), "failed"),
        (event(State.CANCELLED), "cancelled"),
        (event(State.REFUSED), "refused"),
    ],
)
def test_what_a_webhook_leaves_open_is_asked_for_at_once(said: Event, expected: str) -> None:
    script = [accepted(MAGNIFIC, "a"), completed(MAGNIFIC, "https://images.example/polled.jpg", id="a")]
    events = [attrs.evolve(said, at=EPOCH + 0.1)]
    if expected == "polled":
        result, world = bought(events, script)
        assert ["https://images.example/polled.jpg"] == [image.url for image in result.images]
        assert (1, 0.1) == (len(world.polls), pytest.approx(world.lasted))
    else:
        error = raised(lambda: bought(events, script))
        assert expected == error.task.state
        assert said.snapshot.reason is None or said.snapshot.reason in str(error)
        assert isinstance(error, Failed) is (expected == "failed")


def test_an_unsigned_flood_does_not_become_a_flood_of_polls() -> None:
    flood = [event(State.COMPLETED, at=EPOCH + turn / 10, signed=False) for turn in range(1, 500)]
    polls: list[int] = []
    for events in ([], flood):
        asked: list[Any] = []

        def answer(call: Any, _: World, asked: list[Any] = asked) -> Said:
            asked.append(call)
            return told(MAGNIFIC, "IN_PROGRESS", id="a")

        error = raised(
            lambda answer=answer, events=events: drive("sync", resume(MAGNIFIC, TASK, MANNER), answer, events)
        )
        assert isinstance(error, Overdue)
        polls.append(len(asked))
    assert polls[0] <= polls[1] <= polls[0] + MOST_HINTS


@given(
    st.permutations(
        [
            event(State.RUNNING, at=EPOCH + 1),
            event(State.COMPLETED, at=EPOCH + 1),
            event(State.COMPLETED, at=EPOCH + 1),
            event(State.CREATED, at=EPOCH + 1),
            event(State.COMPLETED, "another", at=EPOCH + 1),
            event(State.FAILED, "another", at=EPOCH + 1, signed=False),
        ]
    ),
    st.lists(st.sampled_from([0.0, 0.3, 0.9, 2.0, 40.0]), min_size=6, max_size=6),
)
def test_whatever_order_and_time_the_image_is_had_once(order: list[Event], times: list[float]) -> None:
    """Early, late, doubled, reordered, of others: one image, one end, and never an error."""
    events = [attrs.evolve(each, at=EPOCH + at) for each, at in zip(order, times, strict=True)]

    def answer(call: Any, world: World) -> Said:
        if call.buys:
            return accepted(MAGNIFIC, "a")
        return completed(MAGNIFIC, LINK, id="a") if world.lasted > 20 else told(MAGNIFIC, "IN_PROGRESS", id="a")

    result, world = bought(events, answer)
    assert (1, 1) == (len(result.images), len(world.submits))
    assert [State.COMPLETED] == [task.state for task in result.tasks]


def test_every_image_of_a_request_has_its_own_news() -> None:
    turns = iter("abc")
    events = [event(State.COMPLETED, name, at=EPOCH + at) for name, at in (("c", 0.1), ("a", 0.2), ("b", 0.3))]
    result, world = bought(events, lambda *_: accepted(MAGNIFIC, next(turns)), n=3)
    assert (["a", "b", "c"], 0) == ([task.id for task in result.tasks], len(world.polls))
    assert 0.3 == pytest.approx(world.lasted)


def test_a_link_in_a_webhook_is_fetched_like_any_other() -> None:
    """From where it leads, without the key: a download has no place for one, and only public hosts are allowed."""
    said = event(State.COMPLETED, at=EPOCH + 0.1, pictures=(Picture(url="http://169.254.169.254/latest"),))
    mailbox = Mailbox(attended=True)
    world = Listening(mailbox, [said], [accepted(MAGNIFIC, "a")])
    Driver(world, world, Notes(), mailbox=mailbox).run(generate(a_plan(MAGNIFIC), MANNER))
    (fetch,) = world.of(Fetch)
    assert ("http://169.254.169.254/latest", False) == (fetch.url, fetch.local)
    assert not hasattr(fetch, "keyed")


def test_notes_tell_of_what_webhooks_said() -> None:
    notes: list[Note] = []
    mailbox = Mailbox(attended=True)
    events = [event(State.RUNNING, at=EPOCH + 0.1), event(State.COMPLETED, at=EPOCH + 0.2)]
    world = Listening(mailbox, events, [accepted(APIMART, "a")])
    flow = generate(a_plan(APIMART), attrs.evolve(MANNER, fetch=False))
    Driver(world, world, Notes(notes.append), mailbox=mailbox).run(flow)
    states = [note.entry["task"].state for note in notes if note.kind == "state"]
    assert [State.RUNNING, State.COMPLETED] == states

"""Many requests at once: each has one outcome, nothing is bought twice, and whoever leaves early leaves nothing."""

import asyncio
import gc
import os
import random
import threading
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bazaar import ENDS, SUBMITS, Bazaar, Story
from support.world import raised

import fluxkit
from fluxkit import AsyncClient, Charged, Client, DeliveryWarning, Finished, FluxError, Request, SettingsError
from fluxkit._contract.result import describe
from fluxkit._engine import many
from fluxkit._engine.drive import AsyncDriver
from fluxkit._engine.effects import Call, Note, Reply
from fluxkit._engine.flows import generate
from fluxkit._engine.many import FEW, WORKERS
from fluxkit._engine.notes import Notes
from fluxkit_mockserver import MockService
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import Server
from fluxkit_providers.magnific import MAGNIFIC

WAYS = ["sync", "asyncio", "trio"]
MODEL = "magnific:flux-2-klein"


@attrs.define(eq=False)
class Visit:
    """One run of ``generate_many`` in a bazaar, on any client: what was handed out, and what was noted."""

    way: str
    bazaar: Bazaar
    notes: list[Note] = attrs.field(factory=list)
    ends: list[Finished] = attrs.field(factory=list)
    read: int = 0
    most_open: int = 0
    stop_at: int | None = None

    def requests(self, count: int) -> Iterator[str]:
        for number in range(count):
            self.read += 1
            self.most_open = max(self.most_open, self.read - len(self.ends))
            yield f"cat {number}"

    def run(self, **facts: Any) -> list[Finished]:
        """Lets everything go on to its end, or until *stop_at* outcomes were handed out."""
        random.seed(7)  # the jitter of retries
        facts.setdefault("in_flight", 4)
        requests = facts.pop("requests", None)
        requests = self.requests(len(self.bazaar.stories)) if requests is None else requests
        if self.way == "sync":
            self._blocking(requests, facts)
        else:
            anyio.run(self._waiting, requests, facts, backend=self.way)
        return self.ends

    def _blocking(self, requests: Any, facts: dict[str, Any]) -> None:
        with Client(MODEL, key="test", listener=self.notes.append) as client:
            client._asynchronous = self._driver  # type: ignore[method-assign]
            for finished in client.generate_many(requests, fetch=True, **facts):
                self.ends.append(finished)
                if len(self.ends) == self.stop_at:
                    break
        assert not [thread for thread in threading.enumerate() if thread.name == "fluxkit-many"]

    async def _waiting(self, requests: Any, facts: dict[str, Any]) -> None:
        async with AsyncClient(MODEL, key="test", listener=self.notes.append) as client:
            client.__dict__["_driver"] = self._driver(Notes(self.notes.append))
            async for finished in client.generate_many(requests, fetch=True, **facts):
                self.ends.append(finished)
                if len(self.ends) == self.stop_at:
                    break
        if self.way == "asyncio":
            assert asyncio.all_tasks() == {asyncio.current_task()}

    def _driver(self, notes: Notes) -> AsyncDriver:
        return AsyncDriver(self.bazaar, self.bazaar, notes)


def shown(ends: list[Finished]) -> dict[int, Any]:
    """What became of each request, by its number, as values."""
    return {end.number: dict(describe(end.error)) if end.error else end.unwrap().to_dict() for end in ends}


def judge(visit: Visit, *, complete: bool = True) -> None:
    """The laws of a payer, whatever has happened."""
    numbers = Counter(end.number for end in visit.ends)
    assert all(1 == count for count in numbers.values())
    assert not complete or set(numbers) == set(range(visit.read))
    assert all(count <= 1 for count in visit.bazaar.bought.values()), "something was bought twice"
    for end in visit.ends:
        assert f"cat {end.number}" == end.request
        assert (end.result is None) != (end.error is None)
        bought = bool(visit.bazaar.bought[end.number])
        assert bought == (end.error is None or bool(end.error.charged))  # type: ignore[union-attr]
    kinds = Counter(note.kind for note in visit.notes)
    assert kinds["intent"] == kinds["accepted"] + kinds["refused"] + kinds["unknown"]
    assert visit.bazaar.most_under_way <= WORKERS


STORIES = st.builds(
    Story,
    submits=st.lists(st.just("accepted") | st.sampled_from(sorted(SUBMITS)), min_size=1, max_size=3).map(tuple),
    seconds=st.sampled_from([0.0, 0.5, 2.0, 20.0]),
    end=st.just("completed") | st.sampled_from(sorted(ENDS)),
    dead_links=st.sampled_from([0, 0, 0, 1, 9]),
    steps=st.integers(0, 6),
)
LISTS = st.lists(STORIES, min_size=1, max_size=24)


@pytest.mark.slow
@settings(max_examples=settings().max_examples // 2)
@given(LISTS, st.sampled_from(WAYS), st.integers(1, 30))
def test_each_request_has_one_outcome_and_it_does_not_depend_on_who_else_is_there(
    stories: list[Story], way: str, in_flight: int
) -> None:
    visit, alone = Visit(way, Bazaar(stories)), Visit("asyncio", Bazaar(stories))
    visit.run(in_flight=in_flight)
    alone.run(in_flight=1)
    judge(visit)
    judge(alone)
    assert shown(alone.ends) == shown(visit.ends)
    assert list(range(len(stories))) == [end.number for end in alone.ends]
    assert visit.most_open <= in_flight
    assert visit.bazaar.submits == alone.bazaar.submits


@pytest.mark.slow
@settings(max_examples=settings().max_examples // 2)
@given(LISTS, st.sampled_from(WAYS), st.integers(1, 60), st.sampled_from([ValueError, OSError, RecursionError]))
def test_what_breaks_at_one_request_costs_no_other(
    stories: list[Story], way: str, step: int, kind: type[Exception]
) -> None:
    def strike(number: int, _: Any) -> None:
        if number == step:
            raise kind("the world broke")

    visit = Visit(way, Bazaar(stories, strike))
    visit.run(in_flight=8)
    numbers = [end.number for end in visit.ends]
    assert list(range(len(stories))) == sorted(numbers)
    assert all(count <= 1 for count in visit.bazaar.bought.values())
    assert all(isinstance(end.error, FluxError | None) for end in visit.ends)


@pytest.mark.slow
@settings(max_examples=settings().max_examples // 2)
@given(LISTS, st.sampled_from(WAYS), st.integers(1, 24), st.integers(1, 12))
def test_whoever_leaves_early_leaves_nothing_behind(
    stories: list[Story], way: str, stop_at: int, in_flight: int
) -> None:
    visit = Visit(way, Bazaar(stories), stop_at=stop_at)
    visit.run(in_flight=in_flight)
    gc.collect()
    judge(visit, complete=False)
    assert min(stop_at, len(stories)) == len(visit.ends)
    assert 0 == visit.bazaar.under_way
    assert visit.most_open <= in_flight


@pytest.mark.slow
@settings(max_examples=settings().max_examples // 2)
@given(LISTS, st.sampled_from(["asyncio", "trio"]), st.integers(1, 60))
def test_a_cancellation_leaves_the_fate_of_every_submit_on_record(stories: list[Story], way: str, step: int) -> None:
    visit = Visit(way, Bazaar(stories))
    scope = None

    async def main() -> None:
        nonlocal scope
        with anyio.CancelScope() as scope:
            await visit._waiting(visit.requests(len(stories)), {"in_flight": 8})

    def strike(number: int, _: Any) -> None:
        if number == step:
            assert scope is not None
            scope.cancel()

    visit.bazaar.strike = strike
    anyio.run(main, backend=way)
    judge(visit, complete=False)
    assert 0 == visit.bazaar.under_way


@pytest.mark.parametrize("way", WAYS)
def test_requests_are_read_only_as_there_is_room(way: str) -> None:
    visit = Visit(way, Bazaar([Story(seconds=float(number % 5)) for number in range(60)]))
    visit.run(in_flight=7)
    assert (7, 60) == (visit.most_open, visit.read)


@pytest.mark.parametrize("way", WAYS)
def test_what_the_model_cannot_serve_is_an_outcome_and_sends_nothing(way: str) -> None:
    visit = Visit(way, Bazaar([Story(), Story(), Story()]))
    asked = ["cat 0", Request("cat 1", aspect="99:1"), 7, "", "cat 2"]
    visit.run(requests=asked)
    ends = {end.number: end for end in visit.ends}
    assert [fluxkit.Unsupported, SettingsError, fluxkit.Unsupported] == [type(ends[n].error) for n in (1, 2, 3)]
    assert "Allowed: each a Request, or a str as prompt" in str(ends[2].error)
    assert {0: 1, 2: 1} == visit.bazaar.submits
    assert asked == [ends[number].request for number in range(5)]
    assert ends[1].error is raised(ends[1].unwrap)


@pytest.mark.parametrize("way", WAYS)
def test_what_the_requests_raise_is_raised_once_all_else_has_been_handed_out(way: str) -> None:
    def requests() -> Iterator[str]:
        yield "cat 0"
        yield "cat 1"
        raise ZeroDivisionError

    visit = Visit(way, Bazaar([Story(), Story(seconds=20.0)]))
    raised(lambda: visit.run(requests=requests()), ZeroDivisionError)
    assert [0, 1] == sorted(end.number for end in visit.ends)


@pytest.mark.parametrize("way", ["asyncio", "trio"])
def test_requests_may_come_asynchronously_and_slowly(way: str) -> None:
    """What is done is handed out while the next request is still awaited."""
    visit = Visit(way, Bazaar([Story(), Story(), Story()]))
    closed = []

    async def requests() -> AsyncIterator[str]:
        try:
            for number in range(3):
                yield f"cat {number}"
                while len(visit.ends) <= number:
                    await anyio.lowlevel.checkpoint()
        finally:
            closed.append(True)

    visit.run(requests=requests())
    assert [0, 1, 2] == [end.number for end in visit.ends]
    visit = Visit(way, Bazaar([Story(), Story(), Story()]), stop_at=1)
    visit.run(requests=requests())
    assert [True, True] == closed


def test_no_more_calls_are_under_way_than_there_are_workers() -> None:
    visit = Visit("asyncio", Bazaar([Story(steps=20)] * (3 * WORKERS)))
    visit.run(in_flight=3 * WORKERS)
    assert FEW == visit.bazaar.most_under_way


class Passing(Bazaar):
    """A bazaar whose time passes by itself, a little whenever somebody looks."""

    leaps = False
    pace = 0.01

    def now(self) -> float:
        self.time += self.pace
        return self.time

    async def sleep_async(self, seconds: float, /) -> None:
        await anyio.sleep_forever()


@pytest.mark.parametrize(("busy", "workers"), [(10.0, WORKERS), (0.0, FEW)])
def test_workers_join_where_turns_are_late_and_the_processor_has_time(
    busy: float, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "APART", 0.0)
    monkeypatch.setattr(many, "BUSY", busy)
    bazaar = Passing([Story(submits=("rejected",), steps=40)] * 200)
    Visit("asyncio", bazaar).run(in_flight=200)
    assert workers == bazaar.most_under_way


def test_workers_that_are_stuck_do_not_keep_the_others_from_their_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "LATE", 0.0)
    monkeypatch.setattr(many, "APART", 0.001)
    monkeypatch.setattr(many, "BUSY", 10.0)
    gate = anyio.Event()

    class Stuck(Passing):
        async def sleep_async(self, seconds: float, /) -> None:
            await anyio.sleep(0.001)

        async def call(self, call: Call) -> Reply:
            if self._number(call.body.decode()) < FEW:
                await gate.wait()
            reply = await super().call(call)
            if len(self.submits) == FEW:
                gate.set()
            return reply

    visit = Visit("asyncio", Stuck([Story(submits=("rejected",))] * (2 * FEW)))
    visit.run(in_flight=2 * FEW)
    assert 2 * FEW == len(visit.ends)


def test_the_pace_stretches_with_the_number_of_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def polls(count: int) -> int:
        bazaar = Bazaar([Story(seconds=20.0)] * count)
        Visit("asyncio", bazaar).run(in_flight=count)
        return sum(isinstance(effect, Call) and not effect.buys for _, effect in bazaar.asked) // count

    monkeypatch.setattr(many, "BUDGET", 10.0)
    assert polls(1) > 8
    assert 2 == polls(100)  # ten seconds apart


def test_nobody_is_late_for_a_deadline_because_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "BUDGET", 0.1)
    bazaar = Bazaar([Story(seconds=4.0)] * 10)
    visit = Visit("asyncio", bazaar)
    visit.run(in_flight=10, timeout=5.0)
    assert all(end.result for end in visit.ends)
    assert bazaar.time - bazaar.asked[0][0] <= 5.0


def test_news_of_a_task_wake_the_flow_that_waits_for_it() -> None:
    bazaar, ends = Passing([Story(seconds=0.0)]), []

    async def main() -> None:
        client = AsyncClient(MODEL, key="test")
        driver = AsyncDriver(bazaar, bazaar, Notes())
        crowd = many.Many(driver, lambda number, end: ends.append((number, end)), base_url="https://a.example")
        async with anyio.create_task_group() as group:
            group.start_soon(crowd.run)
            crowd.add(0, generate(client.plan("cat 0"), client._manner(fetch=False)), timeout=300.0)
            for _ in range(50):
                await anyio.lowlevel.checkpoint()
            assert 1 == bazaar.submits[0]
            crowd.wake("task-1")
            for _ in range(50):
                await anyio.lowlevel.checkpoint()
            assert [] == ends
            crowd.wake("task-0")
            crowd.finish()

    bazaar.pace = 0.0
    anyio.run(main)
    [(number, result)] = ends
    assert (0, "task-0") == (number, result.tasks[0].id)


def test_who_is_told_to_come_later_holds_back_everybody_at_that_origin() -> None:
    stories = [Story(submits=("limited", "accepted"))] + [Story(steps=3)] * 40
    bazaar = Bazaar(stories)
    Visit("asyncio", bazaar).run(in_flight=41)
    begin = bazaar.asked[0][0]
    between = [at for at, effect in bazaar.asked if begin < at < begin + 7.0]
    assert [] == between
    assert FEW >= sum(at == begin for at, _ in bazaar.asked)


def test_a_hold_ends_with_the_deadline_of_whoever_is_held() -> None:
    bazaar = Bazaar([Story(submits=("limited",)), *[Story(submits=("limited",), steps=3)] * 30])
    visit = Visit("trio", bazaar)
    visit.run(in_flight=31, timeout=5.0)
    assert 31 == len(visit.ends)
    assert bazaar.time - bazaar.asked[0][0] <= 5.0
    assert {Charged.NO} == {end.error.charged for end in visit.ends}  # type: ignore[union-attr]


@pytest.mark.parametrize("way", WAYS)
def test_closing_the_client_hands_out_what_is_known_of_the_rest(way: str) -> None:
    stories = [Story(seconds=0.0), Story(seconds=1e9), Story(submits=("rejected",))]
    bazaar = Bazaar(stories)
    ends: list[Finished] = []

    def blocking() -> None:
        client = Client(MODEL, key="test", timeout=1e6)
        client._asynchronous = lambda notes: AsyncDriver(bazaar, bazaar, notes)  # type: ignore[method-assign]
        for end in client.generate_many(["cat 0", "cat 1", "cat 2"], in_flight=3):
            ends.append(end)
            client.close()

    async def waiting() -> None:
        client = AsyncClient(MODEL, key="test", timeout=1e6)
        client.__dict__["_driver"] = AsyncDriver(bazaar, bazaar, Notes())
        async for end in client.generate_many(["cat 0", "cat 1", "cat 2"], in_flight=3):
            ends.append(end)
            await client.close()

    blocking() if way == "sync" else anyio.run(waiting, backend=way)
    assert [0, 1, 2] == sorted(end.number for end in ends)
    for end in ends:
        assert end.result or isinstance(end.error, FluxError)
        if isinstance(end.error, fluxkit.Overdue):
            assert (f"task-{end.number}", Charged.UNKNOWN) == (end.error.task.id, end.error.charged)


@pytest.mark.parametrize("way", WAYS)
def test_a_loop_that_never_began_does_nothing(way: str) -> None:
    bazaar = Bazaar([Story()])

    async def waiting() -> None:
        client = AsyncClient(MODEL, key="test")
        client.__dict__["_driver"] = AsyncDriver(bazaar, bazaar, Notes())
        outcomes = client.generate_many(["cat 0"])
        await client.close()
        await outcomes.aclose()
        assert [] == [end async for end in outcomes]

    if way == "sync":
        client = Client(MODEL, key="test")
        outcomes = client.generate_many(["cat 0"])
        client.close()
        outcomes.close()
        assert [] == list(outcomes)
    else:
        anyio.run(waiting, backend=way)
    assert [] == bazaar.asked


def unbothered(bazaar: Bazaar) -> tuple[many.Many, list[Any]]:
    """A crowd of one flow, which nobody runs yet, and what it delivers."""
    ends: list[Any] = []
    crowd = many.Many(AsyncDriver(bazaar, bazaar, Notes()), lambda *end: ends.append(end), base_url="https://a.example")
    client = AsyncClient(MODEL, key="test")
    crowd.add(0, generate(client.plan("cat 0"), client._manner()), timeout=300.0)
    return crowd, ends


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_crowd_that_is_stopped_in_the_middle_of_a_turn_says_what_it_had(backend: str) -> None:
    class Stuck(Bazaar):
        async def fetch(self, fetch: Any) -> Any:
            await anyio.sleep_forever()

    crowd, ends = unbothered(Stuck([Story(seconds=0.0)]))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(crowd.run)
            for _ in range(100):
                await anyio.lowlevel.checkpoint()
            crowd.stop()

    anyio.run(main, backend=backend)
    [lost] = crowd.lost
    assert lost.task is not None
    assert ([], "task-0", None) == (ends, lost.task.id, lost.flow.gi_frame)


def test_a_crowd_that_is_stopped_before_it_runs_sends_nothing() -> None:
    bazaar = Bazaar([Story()])
    crowd, ends = unbothered(bazaar)
    crowd.stop()
    anyio.run(crowd.run)
    assert ([], [], [0]) == (ends, bazaar.asked, [member.number for member in crowd.lost])


@pytest.mark.parametrize("way", WAYS)
def test_what_fails_beside_all_flows_is_raised_and_does_not_hang(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(_: many.Many) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(many.Many, "run", run)
    raised(lambda: Visit(way, Bazaar([Story()])).run(), ZeroDivisionError)


def test_a_mistake_of_ours_is_wrapped() -> None:
    mistake = ValueError("a mistake")
    wrapped = many.as_error(mistake)
    assert "fluxkit failed: ValueError('a mistake')" in str(wrapped)
    assert (mistake, wrapped) == (wrapped.__cause__, many.as_error(wrapped))


def test_an_interruption_while_the_thread_begins_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    bazaar = Bazaar([Story()])
    client = Client(MODEL, key="test")
    client._asynchronous = lambda notes: AsyncDriver(bazaar, bazaar, notes)  # type: ignore[method-assign]
    outcomes = client.generate_many(["cat 0"])
    before = threading.active_count()
    monkeypatch.setattr("fluxkit._many.Ready", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(outcomes)
    assert (before, []) == (threading.active_count(), bazaar.asked)


def test_a_closed_loop_hands_out_no_more() -> None:
    bazaar = Bazaar([Story(), Story()])
    client = Client(MODEL, key="test")
    client._asynchronous = lambda notes: AsyncDriver(bazaar, bazaar, notes)  # type: ignore[method-assign]
    outcomes = client.generate_many(["cat 0", "cat 1"])
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert [] == list(outcomes)
    assert 1 == bazaar.closed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_does_not_wait_for_a_thread_that_it_has_not() -> None:
    mock = MockService([MAGNIFIC])
    with Client("magnific:flux-2-klein", mock=mock) as client:
        outcomes = client.generate_many([f"fox {number}" for number in range(9)], in_flight=3)
        next(outcomes)
        child = os.fork()
        if not child:
            code = 1
            try:
                list(outcomes)
            except FluxError as error:
                code = 0 if "forked from" in error.message else 2
            finally:
                os._exit(code)
        assert (8, 0) == (len(list(outcomes)), os.waitpid(child, 0)[1])
    assert 9 == mock.billed


def test_what_fails_in_the_thread_is_raised_and_does_not_hang() -> None:
    client = Client(MODEL, key="test")

    def fails(_: Notes) -> AsyncDriver:
        raise SettingsError("no certificates")

    client._asynchronous = fails  # type: ignore[method-assign]
    assert "no certificates" in str(raised(lambda: list(client.generate_many(["cat 0"]))))


def test_a_thread_that_gets_no_event_loop_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event loop opens files, and a process may have as many as it can."""

    def full(*_: Any) -> Any:
        raise OSError(24, "Too many open files")

    with Client(MODEL, key="test") as client, monkeypatch.context() as patch:
        patch.setattr(anyio, "run", full)
        raised(lambda: list(client.generate_many(["cat 0"])), OSError)
        assert not client._running


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({"in_flight": 0}, "in_flight"),
        ({"in_flight": True}, "in_flight"),
        ({"in_flight": 2.5}, "in_flight"),
        ({"timeout": -1.0}, "timeout"),
        ({"to": 7}, "to"),
        ({"requests": "a cat"}, "requests"),
        ({"requests": 7}, "requests"),
    ],
)
def test_wrong_arguments_are_named_at_once(kind: type[Any], facts: dict[str, Any], named: str) -> None:
    client = kind(MODEL, key="test")
    with pytest.raises(SettingsError, match=f"^{named} is"):
        client.generate_many(**{"requests": ["a cat"], **facts})


def test_the_blocking_client_takes_no_asynchronous_requests() -> None:
    async def requests() -> AsyncIterator[str]:
        yield "a cat"

    with pytest.raises(SettingsError, match=r"^requests is"):
        Client(MODEL, key="test").generate_many(requests())  # type: ignore[arg-type]


def test_nothing_is_bought_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_OFFLINE", "1")
    with pytest.raises(SettingsError, match="FLUXKIT_OFFLINE"):
        Client(MODEL, key="test").generate_many(["a cat"])


@pytest.mark.parametrize("way", WAYS)
def test_an_interruption_by_the_requests_ends_all_that_is_under_way(way: str) -> None:
    """Ctrl-C strikes wherever the program is, and that is mostly where it waits or reads."""

    def requests() -> Iterator[str]:
        yield "cat 0"
        yield "cat 1"
        raise KeyboardInterrupt

    visit = Visit(way, Bazaar([Story(), Story(seconds=1e9)]))
    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)) as caught:
        visit.run(requests=requests(), in_flight=8, timeout=1e6)
    assert "KeyboardInterrupt" in repr(caught.value)
    judge(visit, complete=False)
    assert 0 == visit.bazaar.under_way


# In a mock, with files


def test_images_go_to_a_directory_or_to_a_name_with_numbers(tmp_path: Path) -> None:
    with Client(MODEL, mock=True) as client:
        ends = list(client.generate_many(["a", Request("b", n=2)], to=tmp_path / "new"))
        assert 3 == len(list((tmp_path / "new").iterdir())) == sum(len(end.unwrap().images) for end in ends)
        list(client.generate_many(["a", Request("b", n=2)], to=tmp_path / "x.jpg"))
    assert ["x-1.jpg", "x-2-1.jpg", "x-2-2.jpg"] == sorted(path.name for path in tmp_path.glob("*.jpg"))


@pytest.mark.parametrize("way", WAYS)
def test_a_delivery_warning_that_is_an_error_is_an_outcome(way: str, tmp_path: Path) -> None:
    requests = ["a", "b"]
    ends: list[Finished] = []

    async def waiting() -> None:
        async with AsyncClient(MODEL, mock=True) as client:
            ends.extend([end async for end in client.generate_many(requests, to=tmp_path / "x.webp")])

    with warnings.catch_warnings():
        warnings.simplefilter("error", DeliveryWarning)  # klein makes JPEG
        if way == "sync":
            with Client(MODEL, mock=True) as client:
                ends.extend(client.generate_many(requests, to=tmp_path / "x.webp"))
        else:
            anyio.run(waiting, backend=way)
    assert [0, 1] == sorted(end.number for end in ends)
    assert [DeliveryWarning, DeliveryWarning] == [type(end.error) for end in ends]
    assert ends[0].error is raised(ends[0].unwrap, DeliveryWarning)
    assert ends[0].error.result.images[0].path.exists()


# Over a socket


def bought(way: str, server: Server, to: Path, count: int) -> list[Finished]:
    facts: dict[str, Any] = {"key": server.service.key, "base_url": server.base_url("magnific"), "timeout": 60.0}
    requests = (f"cat {number}" for number in range(count))

    async def waiting() -> list[Finished]:
        async with AsyncClient(MODEL, **facts) as client:
            return [end async for end in client.generate_many(requests, in_flight=16, to=to)]

    if way == "sync":
        with Client(MODEL, **facts) as client:
            return list(client.generate_many(requests, in_flight=16, to=to))
    return anyio.run(waiting, backend=way)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_over_a_socket_with_faults_every_image_that_was_paid_is_there_or_said_to_be_unknown(
    way: str, tmp_path: Path
) -> None:
    mock = MockService([MAGNIFIC], clock=WallClock(), seed=3, durations=lambda number: 0.1 * (number % 7))
    mock.fault("accepted-then-dropped", rate=0.1)
    mock.fault("503", rate=0.1)
    mock.fault("expired-link", rate=0.1)
    mock.fault("dripping", times=3)
    with Server(mock, drip_scale=0.001) as server:
        ends = bought(way, server, tmp_path / "images", 40)
    assert list(range(40)) == sorted(end.number for end in ends)
    images = [image for end in ends if end.result for image in end.result.images]
    unknown = [end for end in ends if isinstance(end.error, fluxkit.SubmissionUnknown)]
    assert mock.billed == len(images) + len(unknown)
    assert unknown
    assert {image.path for image in images} == set((tmp_path / "images").iterdir())


def test_trio_and_threads_are_only_used_where_they_are() -> None:
    """A client in a thread of trio's, beside an event loop of asyncio's, finds its own."""
    ends: list[int] = []

    def aside() -> None:
        with Client(MODEL, mock=True) as client:
            ends.extend(end.number for end in client.generate_many(["a", "b"]))

    async def main() -> None:
        await trio.to_thread.run_sync(aside)

    trio.run(main)
    assert [0, 1] == sorted(ends)


def effects_of(kind: type, bazaar: Bazaar) -> Callable[[], int]:
    return lambda: sum(isinstance(effect, kind) for _, effect in bazaar.asked)


def test_a_task_that_takes_long_is_not_polled_more_often_among_many() -> None:
    one, hundred = Bazaar([Story(seconds=60.0)]), Bazaar([Story(seconds=60.0)] * 100)
    Visit("asyncio", one).run(in_flight=1)
    Visit("asyncio", hundred).run(in_flight=100)
    assert 100 * effects_of(Call, one)() == effects_of(Call, hundred)()

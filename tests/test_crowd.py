"""A crowd: whose turn it is. No clock, no I/O: time is a number."""

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit._contract.task import Task
from fluxkit._engine.crowd import Crowd, Member

HERE, THERE = "https://here.example", "https://there.example"
SECONDS = st.floats(0, 100)


def nothing() -> Iterator[Any]:
    yield


def member(number: int = 0, deadline: float = 1_000.0, origin: str = HERE) -> Member:
    return Member(number, nothing(), deadline, origin)  # type: ignore[arg-type]


def task(id: str) -> Task:
    return Task("magnific", "flux-2-klein", id, "https://a.example")


def taken(crowd: Crowd, now: float) -> list[int]:
    """The numbers of all whose turn it is, in their order."""
    return [each.number for each in iter(lambda: crowd.take(now), None)]


def test_an_empty_crowd_has_nobody_whose_turn_it_is() -> None:
    crowd = Crowd()
    assert (None, None, 0) == (crowd.take(1e9), crowd.due(), len(crowd))


@given(st.lists(SECONDS, max_size=30), SECONDS)
def test_turns_come_in_the_order_in_which_they_are_due_and_not_before(dues: list[float], now: float) -> None:
    crowd = Crowd()
    for number, due in enumerate(dues):
        crowd.join(member(number), due)
    expected = sorted((due, number) for number, due in enumerate(dues) if due <= now)
    assert [number for _, number in expected] == taken(crowd, now)
    assert len(dues) - len(expected) == len(crowd)
    assert min((due for due in dues if due > now), default=None) == crowd.due()


@given(st.lists(st.tuples(SECONDS, st.sampled_from([HERE, THERE]), SECONDS), max_size=30), SECONDS)
def test_who_is_held_back_is_silent_until_then_or_until_its_deadline(
    members: list[tuple[float, str, float]], until: float
) -> None:
    crowd = Crowd()
    for number, (due, origin, deadline) in enumerate(members[::2]):
        crowd.join(member(number, deadline, origin), due)
    crowd.hold(HERE, until)
    for number, (due, origin, deadline) in enumerate(members[1::2]):
        crowd.join(member(100 + number, deadline, origin), due)
    dues = {}
    for at in sorted({due for due, _, _ in members} | {until} | {deadline for _, _, deadline in members}):
        dues |= dict.fromkeys(taken(crowd, at), at)
    expected = {}
    for place, (due, origin, deadline) in enumerate(members):
        expected[place // 2 + 100 * (place % 2)] = max(due, min(until, deadline)) if origin == HERE else due
    assert expected == dues


def test_of_those_who_were_held_back_the_one_due_longest_is_the_first() -> None:
    crowd = Crowd()
    for number, due in enumerate([3.0, 1.0, 2.0]):
        crowd.join(member(number), due)
    crowd.hold(HERE, 10.0)
    assert ([], 10.0) == (taken(crowd, 9.0), crowd.due())
    assert [1, 2, 0] == taken(crowd, 10.0)


def test_a_shorter_hold_does_not_end_a_longer_one() -> None:
    crowd = Crowd()
    crowd.hold(HERE, 10.0)
    crowd.hold(HERE, 5.0)
    crowd.join(member(), 0.0)
    assert 10.0 == crowd.due()


def test_news_of_a_task_make_it_the_turn_of_whoever_waits_for_it() -> None:
    crowd, one, other = Crowd(), member(1), member(2)
    crowd.name(one, task("a"))
    crowd.join(one, 50.0)
    crowd.join(other, 60.0)
    crowd.hold(HERE, 100.0)  # the news may be all that is needed
    assert crowd.wake("a", 7.0)
    assert (7.0, 2) == (crowd.due(), len(crowd))
    assert [1] == taken(crowd, 7.0)
    assert [2] == taken(crowd, 100.0)
    assert [] == taken(crowd, 1e9)  # its former place is empty


def test_news_for_nobody_wake_nobody() -> None:
    crowd, one = Crowd(), member(1)
    crowd.name(one, task("a"))
    assert not crowd.wake("b", 0.0)
    assert not crowd.wake("a", 0.0)  # it has its turn just now
    crowd.join(one, 5.0)
    assert crowd.wake("a", 1.0)
    assert crowd.take(1.0) is one
    crowd.leave(one)
    assert not crowd.wake("a", 2.0)
    crowd.leave(member(3))


def test_who_leaves_does_not_take_along_a_name_that_is_another_s() -> None:
    crowd, one, other = Crowd(), member(1), member(2)
    crowd.name(one, task("a"))
    crowd.name(other, task("a"))
    crowd.leave(one)
    crowd.join(other, 9.0)
    assert crowd.wake("a", 1.0)


def test_emptied_gives_everybody_once_also_those_who_were_woken() -> None:
    crowd = Crowd()
    for number in range(5):
        one = member(number)
        crowd.name(one, task(str(number)))
        crowd.join(one, 10.0 + number)
    crowd.wake("3", 1.0)
    assert [3, 0, 1, 2, 4] == [each.number for each in crowd.emptied()]
    assert (0, None) == (len(crowd), crowd.due())


@attrs.define
class Sim:
    """A crowd under load: so many carry out a turn of a second each, and everybody waits a while after each turn."""

    workers: int
    time: float = 0.0
    crowd: Crowd = attrs.field(factory=Crowd)

    def run(self, waits: dict[int, list[float]], arrivals: list[tuple[float, int]]) -> list[tuple[float, float, int]]:
        """When each turn was due, when it came, and how many turns others had in between."""
        turns: list[tuple[float, float, int]] = []
        order: list[float] = []  # when each turn began
        arriving = sorted(arrivals)
        while arriving or len(self.crowd):
            while arriving and arriving[0][0] <= self.time:
                at, number = arriving.pop(0)
                self.crowd.join(member(number), at)
            busy = [one for _ in range(self.workers) if (one := self.crowd.take(self.time)) is not None]
            for one in busy:
                turns.append((one.due, self.time, sum(one.due <= began for began in order)))
                order.append(self.time)
            if busy:
                self.time += 1.0
            else:
                self.time = min([at for at, _ in arriving[:1]] + [due for due in [self.crowd.due()] if due is not None])
            for one in busy:
                if waits[one.number]:
                    self.crowd.join(one, self.time + waits[one.number].pop())
        return turns


@given(
    st.lists(st.tuples(SECONDS, st.lists(st.floats(0.1, 20), max_size=8)), min_size=1, max_size=20),
    st.integers(1, 4),
)
def test_under_load_nobody_waits_for_more_turns_than_there_are_members(
    stories: list[tuple[float, list[float]]], workers: int
) -> None:
    waits = {number: list(story[1]) for number, story in enumerate(stories)}
    turns = Sim(workers).run(waits, [(story[0], number) for number, story in enumerate(stories)])
    assert sum(1 + len(story[1]) for story in stories) == len(turns)
    assert all(between <= len(stories) for _, _, between in turns)
    assert all(due <= came for due, came, _ in turns)


@pytest.mark.parametrize("members", [10, 1_000])
def test_a_waiting_member_costs_a_place_and_no_more(members: int) -> None:
    crowd = Crowd()
    for number in range(members):
        crowd.join(member(number), float(number))
    for turn in range(members):  # each waits again
        one = crowd.take(float(turn))
        assert one is not None
        crowd.join(one, one.due + members)
    assert members == len(crowd) == len(crowd._waiting)

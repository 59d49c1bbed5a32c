"""Pacing: how late the end of a task is noticed, and how many polls that costs; how long a call may take."""

import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit._engine.pacing import (
    EARLY,
    FIRST_RETRY,
    LONGEST_RETRY,
    SHORTEST,
    SHORTEST_CALL,
    backoff,
    call_time,
    poll_delay,
)

SECONDS = st.floats(0, 1e9)


def lengths(first: float, last: float, count: int) -> list[float]:
    """Lengths of tasks in seconds, spread evenly over the logarithm."""
    return [first * (last / first) ** ((turn + 0.5) / count) for turn in range(count)]


def watch(length: float, duration: float | None = None) -> tuple[int, float]:
    """How many polls a task of *length* seconds costs, and how many seconds late its end is noticed."""
    time, polls = 0.0, 0
    while polls == 0 or time < length:
        time += poll_delay(time, duration)
        polls += 1
    return polls, time - length


@pytest.mark.parametrize(("first", "last"), [(0.5, 300.0), (0.5, 3.0), (3.0, 30.0), (30.0, 300.0)])
def test_an_end_is_noticed_within_a_tenth_on_average(first: float, last: float) -> None:
    late = [watch(length)[1] / max(0.3, 0.1 * length) for length in lengths(first, last, 3_000)]
    assert fmean(late) <= 1


def test_polls_grow_with_the_logarithm_of_the_length() -> None:
    dear = [length for length in lengths(0.5, 300.0, 3_000) if watch(length)[0] > 8 + 6 * math.log(length)]
    assert [] == dear


@pytest.mark.parametrize("duration", [1.0, 5.0, 19.0, 60.0, 150.0])
def test_a_documented_duration_right_within_a_factor_of_two_saves_polls(duration: float) -> None:
    assert [] == [length for length in lengths(duration / 2, duration * 2, 1_000) if watch(length, duration)[0] > 10]


@pytest.mark.parametrize("duration", [5.0, 19.0, 60.0, 150.0])
def test_a_documented_duration_makes_nobody_late(duration: float) -> None:
    late = [
        watch(length, duration)[1] / max(0.3, 0.1 * length) for length in lengths(duration / 2, duration * 2, 1_000)
    ]
    assert fmean(late) <= 1


def test_after_a_first_look_nobody_polls_before_a_part_of_the_documented_duration() -> None:
    assert SHORTEST == poll_delay(0.0, 60.0)
    assert EARLY * 60.0 - SHORTEST == poll_delay(SHORTEST, 60.0)
    assert EARLY * 60.0 - 10.0 == poll_delay(10.0, 60.0)


def test_time_that_nobody_watched_counts_against_the_documented_duration_only() -> None:
    assert EARLY * 60.0 - 25.0 == poll_delay(5.0, 60.0, before=20.0)
    assert SHORTEST == poll_delay(0.0, 60.0, before=86_400.0)
    assert SHORTEST == poll_delay(0.0, before=86_400.0)


@given(waited=SECONDS, duration=st.none() | SECONDS, before=SECONDS)
def test_two_polls_are_never_close(waited: float, duration: float | None, before: float) -> None:
    assert poll_delay(waited, duration, before=before) >= SHORTEST


@given(attempt=st.integers(0, 10_000), asked=st.none() | SECONDS)
def test_backoff_is_at_least_what_was_asked_and_bounded_otherwise(attempt: int, asked: float | None) -> None:
    delay = backoff(attempt, asked)
    assert 0.75 * FIRST_RETRY <= delay <= max(1.25 * LONGEST_RETRY, asked or 0.0)
    assert asked is None or delay >= asked


def test_backoff_doubles() -> None:
    means = [fmean(backoff(attempt) for _ in range(400)) for attempt in range(8)]
    expected = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert all(abs(mean / seconds - 1) < 0.05 for mean, seconds in zip(means, expected, strict=True)), means


def test_backoff_is_jittered() -> None:
    assert len({backoff(0) for _ in range(20)}) > 1


@given(now=SECONDS, deadline=SECONDS, most=st.floats(0.001, 1e6))
def test_a_call_ends_a_moment_after_the_deadline_at_the_latest(now: float, deadline: float, most: float) -> None:
    seconds = call_time(now, deadline, most)
    assert 0 <= seconds <= most
    assert seconds == 0 or now + seconds <= (deadline + SHORTEST_CALL) * (1 + 1e-12)


@given(left=st.floats(0, 1e6), most=st.floats(SHORTEST_CALL, 1e6))
def test_a_call_before_the_deadline_is_given_a_moment_at_least(left: float, most: float) -> None:
    assert call_time(0.0, left, most) >= SHORTEST_CALL

"""The life of the mock's tasks: its stages, how long they take, and when a task and its links are gone."""

import gc
import math
import statistics
import tracemalloc
from typing import Any

import httpx
import pytest

import fluxkit
from fluxkit.provider import Provider, State
from fluxkit_mockserver import MockService
from fluxkit_mockserver.answer import Incoming
from fluxkit_mockserver.tasks import RETENTION, duration_of, life_of
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"
KEY = {"x-magnific-api-key": "test"}


def call(mock: MockService, method: str, path: str, body: bytes = b"") -> Any:
    return mock.handle(Incoming(method, path, {}, KEY, body, "http://127.0.0.1"))


# Stages


@pytest.mark.parametrize("provider", [MAGNIFIC, FREEPIK, APIMART, BFL], ids=lambda each: each.name)
def test_a_life_goes_from_the_first_status_to_the_end_in_equal_steps(provider: Provider) -> None:
    life = life_of(provider)
    assert State.COMPLETED is life.stages[-1].state
    assert all(stage.state in (State.CREATED, State.RUNNING) for stage in life.stages[:-1])
    assert [number / life.last for number in range(life.last + 1)] == [stage.begins for stage in life.stages]
    assert list(range(life.last + 1)) == [life.at(stage.begins) for stage in life.stages]
    assert (0, life.last) == (life.at(-1.0), life.at(9.0))


def test_the_words_for_other_ends_are_those_of_the_declaration() -> None:
    ends = life_of(BFL).ends
    assert "Request Moderated" == ends[State.REFUSED][0]
    assert ends[State.FAILED][0] == "Error"
    assert all("*" not in word for words in ends.values() for word in words)


def test_a_slow_task_takes_ten_times_as_many_looks() -> None:
    mock = MockService([MAGNIFIC], progression="polls")
    mock.fault("slow")
    call(mock, "POST", KLEIN, b'{"prompt": "a cat"}')
    task = mock.charges[0].task
    told = [call(mock, "GET", f"{KLEIN}/{task}").body for _ in range(20)]
    assert (9, 10, 1) == tuple(
        sum(word in each for each in told) for word in (b"CREATED", b"IN_PROGRESS", b"COMPLETED")
    )


# Durations


def test_durations_are_those_of_the_declaration_unless_they_are_set() -> None:
    (klein, pro, *_) = MAGNIFIC.models
    assert [1.0, 5.0] == [duration_of(row, 1, "fixed", 0) for row in (klein, pro)]
    assert 8.0 == duration_of(klein, 4, lambda number: number * 2.0, 0)
    by_model = {"flux-2-pro": 30.0}
    assert [1.0, 30.0] == [duration_of(row, 1, by_model, 0) for row in (klein, pro)]


def test_a_spread_has_the_usual_duration_in_its_middle_and_is_seeded() -> None:
    klein = MAGNIFIC.models[0]
    spread = [duration_of(klein, number, "spread", 7) for number in range(500)]
    assert 0.9 < statistics.median(spread) < 1.1
    assert min(spread) < 0.5
    assert 2.0 < max(spread) <= 5.0
    assert spread == [duration_of(klein, number, "spread", 7) for number in range(500)]
    assert spread != [duration_of(klein, number, "spread", 8) for number in range(500)]


def test_a_pair_of_bounds_is_a_spread_between_them() -> None:
    klein = MAGNIFIC.models[0]
    spread = [duration_of(klein, number, {"flux-2-klein": (2.0, 50.0)}, 7) for number in range(500)]
    assert 2.0 <= min(spread) < 3.0
    assert 40.0 < max(spread) <= 50.0
    assert 8.0 < statistics.median(spread) < 12.5  # as many below ten as above


@pytest.mark.parametrize(
    "wrong", ["slow", 5.0, {"flux-2-pro": -1}, {"flux-2-pro": (3, 2)}, {"flux-2-pro": "5"}, {"flux-2-pro": (1, 2, 3)}]
)
def test_durations_that_say_nothing_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"durations is .*\. Allowed: 'fixed', 'spread'"):
        MockService([MAGNIFIC], durations=wrong)


def test_a_task_of_no_duration_is_done_at_once() -> None:
    mock = MockService([MAGNIFIC], durations={"flux-2-klein": 0})
    call(mock, "POST", KLEIN, b'{"prompt": "a cat"}')
    assert b"COMPLETED" in call(mock, "GET", f"{KLEIN}/{mock.charges[0].task}").body


# Retention


@pytest.mark.parametrize(("options", "kept"), [({}, RETENTION), ({"retention": 60.0}, 60.0)])
def test_a_task_is_forgotten_after_its_time_as_if_it_had_never_been(options: dict[str, Any], kept: float) -> None:
    mock = MockService([MAGNIFIC], switches={"link-life": "24h"}, **options)
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        task = client.submit("a cat")
        waited = client.wait(task)
        mock.clock.advance(task.submitted_at + kept - mock.clock.now())
        assert waited.images[0].pixels == client.wait(task).images[0].pixels
        mock.clock.advance(1.0)
        with pytest.raises(fluxkit.Vanished):
            client.wait(task, timeout=120)
        assert 1 == mock.billed
        again = client.submit("a cat")
    assert again.id != task.id


def test_links_die_and_a_poll_gives_fresh_ones() -> None:
    mock = MockService([MAGNIFIC], progression="at once")
    call(mock, "POST", KLEIN, b'{"prompt": "a cat"}')
    poll = f"http://127.0.0.1{KLEIN}/{mock.charges[0].task}"
    with httpx.Client(transport=mock.transport()) as client:
        (old,) = client.get(poll, headers=KEY).json()["data"]["generated"]
        mock.clock.advance(3601.0)
        (fresh,) = client.get(poll, headers=KEY).json()["data"]["generated"]
        assert [403, 200] == [client.head(link).status_code for link in (old, fresh)]


def test_a_retention_that_is_no_time_is_refused() -> None:
    for wrong in (0, -1.0, "7d", math.nan):
        with pytest.raises(ValueError, match=r"retention is .*\. Allowed: seconds, above 0"):
            MockService([MAGNIFIC], retention=wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_finished_task_takes_little_memory_and_gives_it_back() -> None:
    mock, many = MockService([MAGNIFIC], retention=60.0), 2_000
    body = b'{"prompt": "a lighthouse at dusk, seen from the sea", "seed": 7, "aspect_ratio": "widescreen_16_9"}'

    def work() -> None:
        for number in range(many):
            call(mock, "POST", KLEIN, body)
            call(mock, "GET", f"{KLEIN}/{mock.charges[number].task}")
        mock.exchanges.clear()  # which have bounds of their own

    call(mock, "POST", KLEIN, body)
    mock.reset()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        work()
        gc.collect()
        kept = (tracemalloc.get_traced_memory()[0] - before) / many
        mock.clock.advance(100.0)
        call(mock, "GET", f"{KLEIN}/none")
        gc.collect()
        left = (tracemalloc.get_traced_memory()[0] - before) / many
    finally:
        tracemalloc.stop()
    assert many == mock.billed
    assert 500 < kept < 2048
    assert left < 0.75 * kept  # the bill, which nobody wants to lose, and the last events, which have bounds

"""Waiting: what polls say, what passes, what does not, and that every wait ends with the task in hand."""

import math
from statistics import fmean
from typing import Any

import attrs
import pytest
from support.world import (
    EPOCH,
    ID,
    LINK,
    Said,
    World,
    a_plan,
    a_task_of,
    accepted,
    complaint,
    completed,
    raised,
    running,
    told,
)

from fluxkit._contract.task import Snapshot, State, Task
from fluxkit._engine.effects import Lost
from fluxkit._engine.follow import SENSELESS_POLLS, follow
from fluxkit._engine.pacing import SHORTEST_CALL
from fluxkit._engine.submit import submit
from fluxkit._plugins import installed
from fluxkit._wire.declaration import Provider
from fluxkit.errors import (
    Broken,
    Cancelled,
    Charged,
    ContractError,
    Failed,
    FluxError,
    OutOfCredit,
    Overdue,
    RateLimited,
    Refused,
    Rejected,
    SettingsError,
    Unauthorized,
    Unreachable,
    Vanished,
)
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

REGISTRY = installed()
PROVIDERS = [REGISTRY.provider(name) for name in REGISTRY.names if REGISTRY.owner(name).bundled]
EACH = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)

DEADLINE = EPOCH + 300.0


def task_of(provider: Provider, **facts: Any) -> Task:
    task = Task(provider.name, provider.models[0].name, ID, provider.base_url, submitted_at=EPOCH)
    return attrs.evolve(task, **facts)


def wait(
    world: World,
    provider: Provider = MAGNIFIC,
    *,
    task: Task | None = None,
    seen: Snapshot | None = None,
    deadline: float = DEADLINE,
    duration: float | None = None,
) -> Any:
    task = task_of(provider) if task is None else task
    return world.run(follow(provider, task, seen, deadline, patience=60.0, duration=duration))


def failed(world: World, provider: Provider = MAGNIFIC, **how: Any) -> FluxError:
    return raised(lambda: wait(world, provider, **how))


# What ends a wait


@EACH
def test_a_completed_task_ends_the_wait(provider: Provider) -> None:
    world = World([running(provider), completed(provider)])
    task, seen = wait(world, provider)
    assert (State.COMPLETED, (LINK,)) == (task.state, tuple(picture.url for picture in seen.pictures))
    assert [State.RUNNING, State.COMPLETED] == [entry["task"].state for entry in world.noted("state")]


def test_a_task_that_was_completed_at_once_is_not_polled() -> None:
    world = World([])
    seen = Snapshot(State.COMPLETED, "COMPLETED", ID)
    task, _ = wait(world, seen=seen)
    assert (State.COMPLETED, []) == (task.state, world.polls)


ENDS = [
    (MAGNIFIC, "FAILED", Failed),
    (MAGNIFIC, "CANCELLED", Cancelled),
    (APIMART, "failed", Failed),
    (APIMART, "cancelled", Cancelled),
]


@pytest.mark.parametrize(("provider", "word", "kind"), ENDS, ids=lambda value: getattr(value, "name", str(value)))
def test_a_task_that_ended_without_an_image_raises_its_error(provider: Provider, word: str, kind: type) -> None:
    world = World([running(provider), told(provider, word, reason="No luck.")])
    error = failed(world, provider)
    assert (kind, Charged.UNKNOWN, False, word) == (type(error), error.charged, error.retry, error.task.status)
    assert "No luck." in error.message
    assert ".." not in error.message


def test_moderation_is_an_error_of_its_own() -> None:
    provider = attrs.evolve(MAGNIFIC, statuses={**dict(MAGNIFIC.statuses), "BLOCKED": State.REFUSED})
    error = failed(World([told(provider, "BLOCKED")]), provider)
    assert (Refused, State.REFUSED) == (type(error), error.task.state)


# Status words


@EACH
def test_an_unknown_status_counts_as_running_and_is_noted_with_its_value(provider: Provider) -> None:
    world = World(lambda *_: told(provider, "SIMMERING"))
    error = failed(world, provider)
    assert (Overdue, Charged.UNKNOWN, "SIMMERING") == (type(error), error.charged, error.task.status)
    [entry] = world.noted("state")
    assert ("SIMMERING", State.RUNNING) == (entry["task"].status, entry["task"].state)
    assert ("the status 'SIMMERING' is not declared",) == entry["problems"]


def test_an_unknown_status_in_the_answer_to_the_submit_is_noted_once() -> None:
    world = World(lambda *_: told(MAGNIFIC, "SIMMERING"))
    seen = Snapshot(State.RUNNING, "SIMMERING", ID, problems=("the status 'SIMMERING' is not declared",))
    failed(world, task=task_of(MAGNIFIC, state=State.RUNNING, status="SIMMERING"), seen=seen)
    assert [seen.problems] == [entry["problems"] for entry in world.noted("state")]


def test_a_status_may_go_backwards() -> None:
    words = ["IN_PROGRESS", "CREATED", "IN_PROGRESS", "SIMMERING", "CREATED"]
    world = World([*(told(MAGNIFIC, word) for word in words), completed(MAGNIFIC)])
    task, _ = wait(world)
    assert State.COMPLETED is task.state
    assert [*words, "COMPLETED"] == [entry["task"].status for entry in world.noted("state")]


def test_a_status_that_stays_is_noted_once() -> None:
    world = World([*[running(MAGNIFIC)] * 5, completed(MAGNIFIC)])
    wait(world)
    assert 2 == len(world.noted("state"))


# The deadline


@EACH
def test_a_wait_ends_at_the_deadline_with_a_task_that_can_be_waited_for_again(provider: Provider) -> None:
    world = World(lambda *_: running(provider))
    error = failed(world, provider)
    assert (Overdue, Charged.UNKNOWN, False) == (type(error), error.charged, error.retry)
    assert (ID, State.RUNNING) == (error.task.id, error.task.state)
    assert DEADLINE == world.time
    again = World([completed(provider)], time=world.time)
    task, _ = wait(again, provider, task=Task.from_json(error.task.to_json()), deadline=world.time + 60)
    assert State.COMPLETED is task.state


def test_the_last_look_is_at_the_deadline_itself() -> None:
    world = World(a_task_of(299.9, MAGNIFIC), time=EPOCH)
    task, seen = world.run(submit_of(MAGNIFIC))
    task, _ = wait(world, task=task, seen=seen)
    assert (State.COMPLETED, DEADLINE) == (task.state, world.time)


def test_an_overdue_task_says_why_its_last_poll_failed() -> None:
    error = failed(World(lambda *_: complaint(MAGNIFIC, 503, "Overloaded.")))
    assert isinstance(error, Overdue)
    assert "The last poll failed: magnific answered 503: Overloaded. It goes on" in error.message


@pytest.mark.parametrize("takes", [0.2, 5.0, 59.0, 61.0, 1e9])
def test_slow_answers_keep_nobody_behind_the_deadline(takes: float) -> None:
    world = World(lambda *_: running(MAGNIFIC, takes=takes))
    assert isinstance(failed(world), Overdue)
    assert world.time <= DEADLINE + SHORTEST_CALL


def test_a_wait_that_begins_behind_its_deadline_asks_nobody() -> None:
    world = World([])
    error = failed(world, deadline=EPOCH - SHORTEST_CALL)
    assert (Overdue, ID) == (type(error), error.task.id)


# What passes

PASSING = {
    "429": lambda: complaint(MAGNIFIC, 429),
    "429 of a gateway": lambda: Said(429, None, "<html>"),
    "500": lambda: complaint(MAGNIFIC, 500),
    "503": lambda: complaint(MAGNIFIC, 503),
    "502 of a gateway": lambda: Said(502, None, "<html>"),
    "408": lambda: Said(408),
    "524": lambda: Said(524),
    "lost": lambda: Lost("dropped"),
    "unreachable": lambda: Unreachable("refused"),
}


@pytest.mark.parametrize("trouble", PASSING)
def test_what_may_pass_is_waited_for_with_growing_pauses(trouble: str) -> None:
    world = World([*(PASSING[trouble]() for _ in range(6)), completed(MAGNIFIC)])
    task, _ = wait(world, seen=Snapshot(State.CREATED))
    assert State.COMPLETED is task.state
    means = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
    assert all(0.75 * mean <= pause <= 1.25 * mean for pause, mean in zip(world.waits[1:], means, strict=True))


@pytest.mark.parametrize("trouble", PASSING)
def test_what_never_passes_ends_at_the_deadline(trouble: str) -> None:
    world = World(lambda *_: PASSING[trouble]())
    error = failed(world)
    assert (Overdue, Charged.UNKNOWN, ID) == (type(error), error.charged, error.task.id)
    assert DEADLINE == world.time
    assert len(world.polls) <= 25


@pytest.mark.parametrize("status", [429, 500, 503])
def test_retry_after_is_honoured_up_to_the_deadline(status: int) -> None:
    asked = complaint(MAGNIFIC, status, headers={"retry-after": "120"})
    world = World([asked, asked, asked, running(MAGNIFIC)])
    assert isinstance(failed(world), Overdue)
    assert [120.0, 120.0, 60.0] == world.waits


def test_one_good_answer_ends_a_streak_of_bad_ones() -> None:
    bad = [complaint(MAGNIFIC, 503)] * 4
    world = World([*bad, running(MAGNIFIC), *bad, completed(MAGNIFIC)])
    wait(world)
    assert max(world.waits[5:6]) <= 0.625


def test_a_thousand_failures_do_not_overflow() -> None:
    world = World([*[Unreachable("refused")] * 1_100, completed(MAGNIFIC)])
    task, _ = wait(world, deadline=EPOCH + 9_000_000.0)
    assert State.COMPLETED is task.state


# What does not pass

FINAL: list[tuple[Any, type[FluxError]]] = [
    (complaint(MAGNIFIC, 401), Unauthorized),
    (complaint(MAGNIFIC, 402), OutOfCredit),
    (complaint(MAGNIFIC, 403), Unauthorized),
    (complaint(MAGNIFIC, 400), Rejected),
    (complaint(MAGNIFIC, 422), Rejected),
    (Said(401, None, "<html>"), Unauthorized),
    (complaint(MAGNIFIC, 429, "the limit of the free trial usage"), OutOfCredit),
    (SettingsError("no certificates"), SettingsError),
    (ValueError("a mistake"), ContractError),
]


@pytest.mark.parametrize(("said", "kind"), FINAL)
def test_what_does_not_pass_is_raised_with_the_task(said: Any, kind: type[FluxError]) -> None:
    world = World([running(MAGNIFIC), said])
    error = failed(world)
    assert (kind, Charged.UNKNOWN, 2) == (type(error), error.charged, len(world.polls))
    assert (ID, State.RUNNING) == (error.task.id, error.task.state)
    assert ("magnific", "flux-2-klein") == (error.provider, error.model)


SENSELESS = {
    "not JSON": Said(200, None, "<html>"),
    "an empty object": Said(200, {}),
    "no status": Said(200, {"data": {"task_id": ID}}),
    "a status that is no text": Said(200, {"data": {"task_id": ID, "status": 7}}),
    "a list": Said(200, []),
    "a redirect": Said(302, None, ""),
    "a teapot": Said(418, None, ""),
    "astray": ContractError("nothing was sent there"),
}


@pytest.mark.parametrize("answer", SENSELESS)
def test_five_senseless_answers_are_another_language(answer: str) -> None:
    world = World(lambda *_: SENSELESS[answer])
    error = failed(world)
    assert (ContractError, Charged.UNKNOWN, ID) == (type(error), error.charged, error.task.id)
    assert 5 == SENSELESS_POLLS == len(world.polls)


@pytest.mark.parametrize("between", [running(MAGNIFIC), complaint(MAGNIFIC, 503), Lost("dropped")])
def test_four_senseless_answers_are_not(between: Any) -> None:
    four = [Said(200, {})] * 4
    world = World([*four, between, *four, completed(MAGNIFIC)])
    task, _ = wait(world)
    assert State.COMPLETED is task.state


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example/task",
        "http://api.magnific.com/task",
        "https://[half/task",
        "ftp://x",
        "https://u@api.magnific.com/",
    ],
)
def test_a_task_that_leads_elsewhere_is_asked_for_nowhere(address: str) -> None:
    world = World([])
    error = failed(world, task=task_of(MAGNIFIC, poll_url=address))
    assert (ContractError, Charged.UNKNOWN, ID, []) == (type(error), error.charged, error.task.id, world.polls)


def test_a_service_without_polls_whose_answer_held_no_image_has_nothing_to_wait_for() -> None:
    provider = attrs.evolve(MAGNIFIC, poll=None)
    error = failed(World([]), provider)
    assert (ContractError, Charged.UNKNOWN, ID) == (type(error), error.charged, error.task.id)


# Tasks that vanish

MISSING = {
    "magnific": complaint(MAGNIFIC, 404, "Not found"),
    "magnific, a gateway's word": Said(404, None, "<html>"),
    "apimart": complaint(APIMART, 400, "Invalid task ID"),
    "apimart, by its status": complaint(APIMART, 404),
}
PROVIDER = {"magnific": MAGNIFIC, "apimart": APIMART}


def missing_for(seconds: float, polls: int, missing: Said) -> Any:
    """A service that does not find a task so many times, evenly over so many seconds, and does nothing else."""
    begun: list[float] = []

    def answer(_: Any, world: World) -> Said:
        begun.append(world.time)
        step = seconds / (polls - 1)
        world.time = max(world.time, begun[0] + step * (len(begun) - 1))
        return missing

    return answer


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize(
    ("seconds", "polls", "vanished"), [(30.0, 5, True), (90.0, 5, True), (90.0, 4, False), (29.0, 5, False)]
)
def test_a_task_has_vanished_after_five_polls_over_thirty_seconds(
    name: str, seconds: float, polls: int, vanished: bool
) -> None:
    provider = PROVIDER[name.partition(",")[0]]
    script = missing_for(seconds, polls, MISSING[name])
    world = World(lambda call, here: script(call, here) if len(here.polls) <= polls else completed(provider))
    if vanished:
        error = failed(world, provider)
        assert (Vanished, State.VANISHED, Charged.UNKNOWN) == (type(error), error.task.state, error.charged)
        assert polls == len(world.polls)
    else:
        task, _ = wait(world, provider)
        assert State.COMPLETED is task.state


def test_a_task_that_is_found_in_between_has_not_vanished() -> None:
    lost = complaint(MAGNIFIC, 404)
    script = [lost, lost, lost, lost, running(MAGNIFIC)] * 40
    error = failed(World(script))
    assert isinstance(error, Overdue)


def test_failing_polls_neither_find_a_task_nor_miss_it() -> None:
    script = iter([complaint(MAGNIFIC, 404), Lost("dropped"), complaint(MAGNIFIC, 404), complaint(MAGNIFIC, 503)] * 50)
    world = World(lambda *_: next(script))
    error = failed(world)
    assert isinstance(error, Vanished)


def test_a_task_that_is_missing_is_not_noted_as_vanished_before_it_is_believed() -> None:
    world = World([complaint(MAGNIFIC, 404), completed(MAGNIFIC)])
    wait(world)
    assert [State.COMPLETED] == [entry["task"].state for entry in world.noted("state")]


def test_a_vanished_task_has_the_status_that_it_had() -> None:
    script = [running(MAGNIFIC), *[complaint(MAGNIFIC, 404)] * 100]
    error = failed(World(script))
    assert ("IN_PROGRESS", State.VANISHED) == (error.task.status, error.task.state)


# Pace


def submit_of(provider: Provider) -> Any:
    return submit(a_plan(provider), 0, DEADLINE, patience=60.0)


def watched(length: float, duration: float | None) -> tuple[int, float]:
    """How many polls a task of *length* seconds costs, and how many seconds late its end is noticed."""
    world = World(a_task_of(length, MAGNIFIC))
    task, seen = world.run(submit_of(MAGNIFIC))
    wait(world, task=task, seen=seen, duration=duration, deadline=EPOCH + 1_000)
    return len(world.polls), world.lasted - length


def lengths(first: float, last: float, count: int) -> list[float]:
    return [first * (last / first) ** ((turn + 0.5) / count) for turn in range(count)]


def test_without_a_documented_duration_an_end_is_noticed_soon_by_few_polls() -> None:
    seen = [(length, *watched(length, None)) for length in lengths(0.5, 300.0, 300)]
    assert [] == [length for length, polls, _ in seen if polls > 8 + 6 * math.log(length)]
    assert fmean(late / max(0.3, 0.1 * length) for length, _, late in seen) <= 1


@pytest.mark.parametrize("duration", [1.0, 5.0, 19.0, 60.0, 150.0])
def test_with_a_documented_duration_ten_polls_are_enough(duration: float) -> None:
    polls = [watched(length, duration)[0] for length in lengths(duration / 2, duration * 2, 60)]
    assert max(polls) <= 10


def test_an_old_task_is_looked_at_at_once_and_often_at_first() -> None:
    """Its age says nothing of how soon it ends; a clock that was wrong says even less."""
    for submitted_at in (0.0, EPOCH - 86_400.0, EPOCH + 86_400.0):
        world = World([*[running(MAGNIFIC)] * 3, completed(MAGNIFIC)])
        wait(world, task=task_of(MAGNIFIC, submitted_at=submitted_at), duration=1.0)
        assert [0.0] * 4 == [round(at - EPOCH - 0.6 * turn, 6) for turn, at in enumerate(times(world))]


def test_the_age_of_a_task_counts_against_its_documented_duration() -> None:
    world = World([*[running(MAGNIFIC)] * 2, completed(MAGNIFIC)])
    wait(world, task=task_of(MAGNIFIC, submitted_at=EPOCH - 20.0), duration=60.0)
    assert [0.6, 0.55 * 60.0 - 20.6] == pytest.approx(world.waits)


def times(world: World) -> list[float]:
    return [at for at, effect in world.effects if effect in world.polls]


def test_a_poll_asks_for_the_task_with_the_key() -> None:
    world = World([completed(APIMART)])
    wait(world, APIMART, task=task_of(APIMART, id="../a b?c"))
    [call] = world.polls
    assert "https://api.apimart.ai/v1/tasks/..%2Fa%20b%3Fc" == call.url
    assert (True, False, ("https://api.apimart.ai",), "GET") == (call.keyed, call.buys, call.origins, call.method)


def test_an_address_from_the_answer_is_believed_where_the_key_may_go() -> None:
    for address in ("https://api.magnific.com/other/7", "https://API.magnific.com:443/other/7"):
        world = World([completed(MAGNIFIC)])
        wait(world, task=task_of(MAGNIFIC, poll_url=address))
        assert address == world.polls[0].url


def test_errors_of_a_class_that_may_pass_are_all_counted() -> None:
    world = World([RateLimited("later"), Broken("down"), Unreachable("refused"), Lost("dropped"), completed(MAGNIFIC)])
    wait(world)
    assert 5 == len(world.polls)


def test_an_address_that_cannot_be_used_is_not_tried_until_the_deadline() -> None:
    world = World([Unreachable("The address is too long.", retry=False)])
    error = raised(lambda: wait(world))
    assert (ContractError, Charged.UNKNOWN, ID) == (type(error), error.charged, error.task.id)
    assert 1 == len(world.polls)


def test_the_answer_to_the_submit_spares_the_first_look() -> None:
    world = World([accepted(MAGNIFIC), running(MAGNIFIC), completed(MAGNIFIC)])
    task, seen = world.run(submit_of(MAGNIFIC))
    wait(world, task=task, seen=seen, duration=20.0)
    assert [0.6, 10.4] == pytest.approx(world.waits)

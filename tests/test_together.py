"""Flows side by side: their waits overlap, and what befalls one costs the others nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.world import EPOCH, Said, World, a_plan, accepted, complaint, completed, raised, told

from fluxkit._engine.effects import Call, Fetch, Flow, Lost, Note, Now, Wait
from fluxkit._engine.flows import Manner, generate
from fluxkit._engine.pacing import SHORTEST_CALL
from fluxkit._engine.place import Place
from fluxkit._engine.together import together
from fluxkit.errors import (
    Charged,
    Failed,
    FluxError,
    Overdue,
    SubmissionUnknown,
    Unauthorized,
    Unreachable,
)
from fluxkit_providers.magnific import MAGNIFIC


def waiting(name: str, *seconds: float, error: Exception | None = None) -> Flow[tuple[str, float]]:
    """A flow that waits, notes its name each time, and ends with its name and the time."""
    now = yield Now()
    for each in seconds:
        now = (yield Wait(each)).at
        yield Note(name, {})
    if error:
        raise error
    return name, now


def catching(effect: Any) -> Flow[Any]:
    """A flow that returns the error that its only effect meets."""
    try:
        return (yield effect)
    except Exception as error:
        return error


def test_waits_overlap() -> None:
    world = World()
    outcomes = world.run(together([waiting("a", 3.0), waiting("b", 1.0, 1.0), waiting("c", 2.5)]))
    assert [("a", EPOCH + 3), ("b", EPOCH + 2), ("c", EPOCH + 2.5)] == outcomes
    assert ["b", "b", "c", "a"] == world.notes
    assert 3.0 == world.lasted


@given(st.lists(st.lists(st.integers(0, 100), max_size=5), max_size=6))
def test_everything_lasts_as_long_as_the_longest(flows: list[list[int]]) -> None:
    world = World()
    outcomes = world.run(together([waiting(str(number), *map(float, each)) for number, each in enumerate(flows)]))
    assert [(str(number), EPOCH + sum(each)) for number, each in enumerate(flows)] == outcomes
    assert max(map(sum, flows), default=0) == world.lasted


@given(st.permutations([(1.0, 4.0), (2.0,), (5.0, 0.5), ()]))
def test_outcomes_do_not_depend_on_the_order(order: list[tuple[float, ...]]) -> None:
    outcomes = World().run(together([waiting(str(each), *each) for each in order]))
    assert [(str(each), EPOCH + sum(each)) for each in order] == outcomes


@pytest.mark.parametrize("error", [Unauthorized("no"), ValueError("a mistake"), StopIteration("odd")])
def test_an_error_of_one_is_its_outcome_and_no_matter_of_the_others(error: Exception) -> None:
    outcomes = World().run(together([waiting("a", 2.0), waiting("b", 1.0, error=error), waiting("c", 1.5)]))
    assert [("a", EPOCH + 2), ("c", EPOCH + 1.5)] == [outcomes[0], outcomes[2]]
    assert error in (outcomes[1], outcomes[1].__cause__)


@pytest.mark.parametrize("effect", [Call("GET", "https://a.example/"), Wait(1.0), Now(), Note("a", {})])
def test_an_error_goes_to_the_flow_whose_effect_met_it(effect: Any) -> None:
    mishap = OSError("the world broke")
    rehearsal = World(lambda *_: Said())
    rehearsal.run(together([catching(effect), waiting("b", 1.0)]))
    for step in range(len(rehearsal.effects)):
        world = World(lambda *_: Said())
        outcomes = world.run(together([catching(effect), waiting("b", 1.0)]), throw={step: mishap})
        assert 1 == outcomes.count(mishap), step


def test_no_flows_have_no_outcomes() -> None:
    assert [] == World().run(together([]))


def test_a_clock_that_oversleeps_does_not_lose_a_wait() -> None:
    world = World(oversleeps=10.0)
    outcomes = world.run(together([waiting("a", 1.0), waiting("b", 2.0)]))
    assert [("a", EPOCH + 11), ("b", EPOCH + 11)] == outcomes


def test_closing_closes_all() -> None:
    closed = []

    def flow(name: str) -> Flow[None]:
        try:
            yield Wait(1.0)
        finally:
            closed.append(name)

    for step, begun in enumerate((["a"], ["a", "b"], ["a", "b"], ["a", "b"])):
        closed.clear()
        flows = [flow("a"), flow("b")]  # held here, or they would be closed because nobody else needs them
        World().run(together(flows), close_at=step)
        assert begun == closed


# Several images

PLACE = Place(Path("/images"))


def images(n: int, *, timeout: float = 300.0) -> Any:
    manner = Manner(timeout=timeout, patience=60.0, place=PLACE)
    return generate(a_plan(MAGNIFIC, n=n, seed=0), manner)


def service(lives: list[Callable[[], Any]], seconds: float = 10.0) -> Callable[[Call, World], Any]:
    """A service that answers the submit with seed *i* with the *i*-th of *lives*, and completes tasks in *seconds*."""
    begun: dict[str, float] = {}

    def answer(call: Call, world: World) -> Any:
        if call.buys:
            turn = int(call.body.rpartition(b'"seed":')[2].split(b",")[0].rstrip(b"}"))
            begun[f"task-{turn}"] = world.time
            return lives[turn]()
        name = call.url.rpartition("/")[2]
        if world.time - begun[name] < seconds:
            return told(MAGNIFIC, "IN_PROGRESS", id=name)
        return completed(MAGNIFIC, f"https://images.example/{name}.jpg", id=name)

    return answer


def bought(turn: int, **facts: Any) -> Callable[[], Said]:
    return lambda: accepted(MAGNIFIC, f"task-{turn}", **facts)


def test_images_of_one_request_are_made_side_by_side() -> None:
    world = World(service([bought(turn) for turn in range(5)]))
    result = world.run(images(5))
    assert [f"magnific_task-{turn}.jpg" for turn in range(5)] == [image.path.name for image in result.images]
    assert [0, 1, 2, 3, 4] == [image.seed for image in result.images]
    assert 10.0 <= world.lasted <= 12.0
    assert 5 == len(world.submits)


def test_three_good_images_of_four_are_three_images_and_one_error() -> None:
    lives = [bought(0), lambda: Lost("dropped"), bought(2), bought(3)]
    result = World(service(lives)).run(images(4))
    assert (3, [SubmissionUnknown], 3) == (len(result.images), [type(e) for e in result.errors], len(result.tasks))


def test_the_file_that_a_user_named_is_numbered() -> None:
    manner = Manner(timeout=300.0, patience=60.0, place=attrs.evolve(PLACE, name="x.jpg"))
    world = World(service([bought(0), lambda: complaint(MAGNIFIC, 401), bought(2)]))
    result = world.run(generate(a_plan(MAGNIFIC, n=3, seed=0), manner))
    assert ["x-1.jpg", "x-3.jpg"] == [image.path.name for image in result.images]


def test_if_no_image_came_the_gravest_error_is_raised_with_the_others() -> None:
    lives = [lambda: complaint(MAGNIFIC, 401), lambda: Lost("dropped"), lambda: complaint(MAGNIFIC, 400)]
    error = raised(lambda: World(service(lives)).run(images(3)))
    assert (SubmissionUnknown, ["Unauthorized", "Rejected"]) == (
        type(error),
        [type(each).__name__ for each in error.others],
    )


def test_a_bug_that_strikes_one_image_does_not_cost_those_that_are_bought() -> None:
    """The third intent cannot be noted, after two images have been bought."""
    rehearsal = World(service([bought(turn) for turn in range(3)]))
    rehearsal.run(images(3))
    intents = [number for number, (_, effect) in enumerate(rehearsal.effects) if is_intent(effect)]
    world = World(service([bought(turn) for turn in range(3)]))
    result = world.run(images(3), throw={intents[2]: RuntimeError("the journal broke")})
    assert (2, [FluxError], [Charged.NO]) == (
        len(result.images),
        [type(error) for error in result.errors],
        [error.charged for error in result.errors],
    )
    assert 2 == len(world.submits)


def is_intent(effect: Any) -> bool:
    return isinstance(effect, Note) and effect.kind == "intent"


def test_slow_submits_do_not_buy_behind_the_deadline() -> None:
    world = World(service([bought(turn, takes=4.0) for turn in range(10)], seconds=100.0))
    error = raised(lambda: world.run(images(10, timeout=12.0)))
    assert 3 == len(world.submits)
    assert (Overdue, [Overdue, Overdue, *[Unreachable] * 7]) == (type(error), [type(each) for each in error.others])
    assert [Charged.NO] * 7 == [each.charged for each in error.others[2:]]
    assert world.lasted <= 12.0 + SHORTEST_CALL


@pytest.mark.parametrize("n", [1, 2, 5, 50])
def test_many_last_looks_together_take_one_moment(n: int) -> None:
    def answer(call: Call, world: World) -> Said:
        slow = world.lasted > 15
        return (
            accepted(MAGNIFIC, str(len(world.submits))) if call.buys else told(MAGNIFIC, "IN_PROGRESS", takes=slow * 50)
        )

    world = World(answer)
    error = raised(lambda: world.run(images(n, timeout=20.0)))
    assert (Overdue, n - 1) == (type(error), len(error.others))
    assert world.lasted <= 20.0 + SHORTEST_CALL


def test_an_image_that_failed_is_an_error_beside_the_others() -> None:
    inner = service([bought(0), bought(1)])

    def answer(call: Call, world: World) -> Any:
        return told(MAGNIFIC, "FAILED") if call.url.endswith("task-1") else inner(call, world)

    world = World(answer)
    result = world.run(images(2))
    assert ([Failed], 1, 1) == ([type(error) for error in result.errors], len(result.images), len(world.of(Fetch)))
    assert all(isinstance(error, FluxError) for error in result.errors)

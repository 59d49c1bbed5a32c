"""The two clients: the same methods, and the same results from the same world."""

import inspect
import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

import fluxkit
from fluxkit import AsyncClient, Client, Task
from fluxkit._contract.journal import Recovered, Row
from fluxkit._contract.result import describe
from fluxkit_mockserver import MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

PUBLIC = [name for name in vars(Client) if not name.startswith("_")]
# Longer than an answer drips: how much of its patience is left when it drips a client measures on the machine's clock.
PATIENCE = 200.0
WAYS = ["sync", "asyncio", "trio"]
MODELS = ["magnific:flux-2-klein", "magnific:flux-2-pro", "freepik:flux-2-klein", "apimart:flux-2-flex"]


def test_the_clients_have_the_same_methods() -> None:
    public = [[name for name in dir(kind) if not name.startswith("_")] for kind in (Client, AsyncClient)]
    assert public[0] == public[1]
    settling = {"status", "events", "cancel", "recover", "tasks", "adopt", "resubmit", "dismiss"}
    assert {"generate", "generate_many", "submit", "wait", "close"} | settling == set(PUBLIC)
    assert inspect.signature(Client) == inspect.signature(AsyncClient)
    assert all(hasattr(Client, name) for name in ("__enter__", "__exit__"))
    assert all(hasattr(AsyncClient, name) for name in ("__aenter__", "__aexit__"))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_method_takes_and_gives_the_same_on_both(name: str) -> None:
    sync, awaited = getattr(Client, name), getattr(AsyncClient, name)
    if name in ("generate_many", "events"):  # what it takes and gives is iterated, and not awaited
        sync_takes, takes = inspect.signature(sync).parameters, inspect.signature(awaited).parameters
        assert list(sync_takes) == list(takes)
        assert list(sync_takes.values())[2:] == list(takes.values())[2:]
        return
    assert inspect.signature(sync) == inspect.signature(awaited)
    assert (False, True) == (inspect.iscoroutinefunction(sync), inspect.iscoroutinefunction(awaited))


@pytest.mark.parametrize("name", PUBLIC)
def test_the_asynchronous_docstring_says_the_same_or_leads_to_the_other(name: str) -> None:
    sync, awaited = inspect.getdoc(getattr(Client, name)), inspect.getdoc(getattr(AsyncClient, name))
    said, leads, rest = awaited.partition(f"; see ``Client.{name}``.")
    assert sync.startswith(said) and leads and not rest if awaited != sync else True


# The same scenario on every client

Step = tuple[str, tuple[Any, ...], dict[str, Any]]
Scenario = Callable[[Path], Iterator[Step]]


def generates(to: Path) -> Iterator[Step]:
    yield "generate", ("a lighthouse",), {"to": to / "x"}


def generates_several(to: Path) -> Iterator[Step]:
    yield "generate", ("a lighthouse",), {"n": 3, "to": to}
    yield "generate", ("a lighthouse",), {"n": 2, "fetch": False}


def resumes(to: Path) -> Iterator[Step]:
    task = yield "submit", ("a lighthouse",), {"aspect": "1:1"}
    if not isinstance(task, Task):
        return
    yield "wait", (Task.from_json(task.to_json()),), {"to": to / "first"}
    yield "wait", (task,), {"to": to / "again", "timeout": 9.0}


def errs(to: Path) -> Iterator[Step]:
    yield "generate", ("a lighthouse",), {"aspect": "99:1"}
    yield "generate", ("a lighthouse",), {"timeout": float("nan")}
    yield "submit", ("a lighthouse",), {"n": 2}
    yield "generate_many", ("a lighthouse",), {}
    yield "wait", ("no task",), {}


def generates_many(to: Path) -> Iterator[Step]:
    yield (
        "generate_many",
        (["a lighthouse", "a fox", fluxkit.Request("a wren", aspect="99:1")],),
        {"to": to, "in_flight": 1},
    )
    yield "generate_many", (["a lighthouse", "a fox", "a wren"],), {"in_flight": 1, "fetch": False}
    yield "generate_many", (["a lighthouse"] * 2,), {"in_flight": 1, "timeout": 3.0}


def closes(to: Path) -> Iterator[Step]:
    yield "close", (), {}
    yield "generate", ("a lighthouse",), {"to": to / "x"}
    yield "close", (), {}
    yield "close", (), {}


def comes_back(to: Path) -> Iterator[Step]:
    task = yield "submit", ("a lighthouse",), {"seed": 3}
    if isinstance(task, Task):
        yield "status", (task,), {}
        yield "status", (attrs.evolve(task, id="nobody"),), {}
    rows = yield "tasks", (), {"state": "unknown"}
    for row in rows if isinstance(rows, tuple) else ():
        yield "resubmit", (row.row,), {}
        yield "resubmit", (row.row,), {}
    yield "recover", (), {"timeout": 60.0}
    yield "recover", (), {}
    yield "tasks", (), {}
    yield "tasks", (), {"state": "no such state"}


def settles(_: Path) -> Iterator[Step]:
    yield "submit", ("a lighthouse",), {}
    rows = yield "tasks", (), {}
    for row in rows if isinstance(rows, tuple) else ():
        yield "adopt", (row.row, "task-1"), {}
        yield "dismiss", (row.row,), {}
        yield "dismiss", (row.row,), {}
    yield "adopt", ("no such row", "task-1"), {}
    yield "resubmit", (7,), {}


SCENARIOS = [comes_back, settles, generates, generates_several, generates_many, resumes, errs, closes]
FAULTS: list[dict[str, Any]] = [
    {},
    {"503": {"times": 2}},
    {"accepted-then-dropped": {"times": 1}},
    {"stuck": {"times": 1}},
    {"expired-link": {"times": 1}},
    {"dripping": {"times": 1}},
]


def shown(end: Any) -> Any:
    """What a step gave, with errors as values and files by their names: a name that is taken is not taken again."""
    if isinstance(end, fluxkit.Result):
        images = tuple(attrs.evolve(image, path=image.path and Path(image.path.name)) for image in end.images)
        return attrs.evolve(end, images=images, errors=tuple(map(describe, end.errors)))
    if isinstance(end, Recovered):
        shown_parts = {name: tuple(map(shown, getattr(end, name))) for name in ("results", "errors", "unknown")}
        return attrs.evolve(end, **shown_parts)
    if isinstance(end, Row):  # by what is the same whenever and wherever it happens
        return (
            end.row,
            end.state,
            end.why,
            end.asked,
            shown(end.task),
            end.again,
            [image.sha256 for image in end.images],
        )
    if isinstance(end, Task) and end.id == "task-1":  # adopted: nobody knows better when it was submitted than the row
        return attrs.evolve(end, submitted_at=0.0)
    if isinstance(end, tuple):
        return tuple(map(shown, end))
    if isinstance(end, list):
        return [(each.number, shown(each.error or each.result)) for each in end]
    return describe(end) if isinstance(end, fluxkit.FluxError) else end


def play(way: str, scenario: Scenario, model: str, faults: dict[str, Any], to: Path) -> tuple[Any, ...]:
    """What a scenario gives step by step, and what the mock has seen of it."""
    import httpx  # noqa: F401 - loading it draws random numbers, by rich

    random.seed(7)  # the jitter of retries
    (to / way).mkdir()
    mock = MockService([MAGNIFIC, FREEPIK, APIMART])
    for name, how in faults.items():
        mock.fault(name, **how)
    ends: list[Any] = []

    async def steps(carry_out: Callable[[Step], Any]) -> None:
        script = scenario(to / way)
        step = next(script)
        while True:
            try:
                end = carry_out(step)
                end = await end if inspect.isawaitable(end) else end
                if isinstance(end, AsyncIterator):
                    end = [each async for each in end]
                end = list(end) if isinstance(end, Iterator) else end
            except fluxkit.FluxError as error:
                end = error
            ends.append(shown(end))
            try:
                step = script.send(end)
            except StopIteration:
                return

    async def asynchronous() -> None:
        async with AsyncClient(model, mock=mock, patience=PATIENCE) as client:
            await steps(lambda step: getattr(client, step[0])(*step[1], **step[2]))

    if way == "sync":
        # Nothing is awaited in it, so it runs to its end at the first step.
        with Client(model, mock=mock, patience=PATIENCE) as client, pytest.raises(StopIteration):
            steps(lambda step: getattr(client, step[0])(*step[1], **step[2])).send(None)
    else:
        anyio.run(asynchronous, backend=way)
    return ends, list(mock.exchanges), mock.charges


@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: "+".join(faults) or "no fault")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_scenario_ends_alike_on_every_client(scenario: Scenario, faults: dict[str, Any], tmp_path: Path) -> None:
    plays = [play(way, scenario, MODELS[0], faults, tmp_path) for way in WAYS]
    assert plays[0] == plays[1] == plays[2]
    assert plays[0][0]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_ends_alike_on_every_client(model: str, tmp_path: Path) -> None:
    plays = [play(way, generates, model, {}, tmp_path) for way in WAYS]
    assert plays[0] == plays[1] == plays[2]
    [result] = plays[0][0]
    assert (1, (), True) == (len(result.images), result.errors, result.mocked)

"""Stopping a task: what is asked, what is believed, and what is said where nobody can stop it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import attrs
import click.testing
import httpx
import pytest
from shapes.fal import FAL
from shapes.replicate import REPLICATE
from support.brought import bring
from support.world import EPOCH, Said, World, raised

import fluxkit
from fluxkit import AsyncClient, Client
from fluxkit._contract.cancellation import Cancellation, Stopped
from fluxkit._contract.task import State, Task
from fluxkit._engine.cancel import CANCEL_LOOKS, CANCEL_TRIES, cancel, unasked
from fluxkit._engine.effects import Lost, Note
from fluxkit._engine.journal.journal import open_journal
from fluxkit.cli.program import fluxkit as program
from fluxkit.errors import (
    Charged,
    ContractError,
    FluxError,
    RateLimited,
    Rejected,
    SettingsError,
    Unauthorized,
    Unreachable,
)
from fluxkit.provider import At, Cancel, Form, Money, Provider, Route, Text
from fluxkit_mockserver import MockService, WallClock, to_app
from fluxkit_mockserver.server import Server
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

WAYS = ["sync", "asyncio", "trio"]
MODEL = "replicate:flux-2-pro"
LINK = "https://www.example.com/output.webp"


@pytest.fixture
def mock(monkeypatch: pytest.MonkeyPatch) -> MockService:
    bring(monkeypatch, FAL, REPLICATE)
    return MockService([FAL, REPLICATE, MAGNIFIC], progression="polls")


def called(how: str, method: str, model: str, mock: MockService, *arguments: Any, **fields: Any) -> Any:
    """What a method of a client gives, blocking or on an event loop."""
    if how == "sync":
        with Client(model, mock=mock) as client:
            return getattr(client, method)(*arguments, **fields)

    async def call() -> Any:
        async with AsyncClient(model, mock=mock) as client:
            return await getattr(client, method)(*arguments, **fields)

    return anyio.run(call, backend=how)


# On the mock


@pytest.mark.parametrize("how", WAYS)
def test_a_task_that_its_service_stops_is_stopped(how: str, mock: MockService) -> None:
    task = called(how, "submit", MODEL, mock, "a fox")
    found = called(how, "cancel", MODEL, mock, task)
    assert (Stopped.YES, Charged.UNKNOWN) == (found.stopped, found.charged)
    assert (State.CANCELLED, "canceled", task.id) == (found.task.state, found.task.status, found.task.id)
    assert "look at the account" in found.advice
    assert (1, ["POST", "POST"]) == (mock.billed, [each.method for each in mock.exchanges])
    error = raised(lambda: called(how, "wait", MODEL, mock, task), fluxkit.Cancelled)
    assert task.id == error.task.id


@pytest.mark.parametrize(("model", "word"), [(MODEL, "canceled"), ("fal:flux-2-pro", "CANCELLED")])
def test_the_mock_tells_of_a_task_that_was_stopped(model: str, word: str, mock: MockService) -> None:
    """In the word of its service, and in its own where the service has none."""
    with Client(model, mock=mock) as client:
        client.cancel(client.submit("a fox"))
    assert [(word, State.CANCELLED)] == [mock.standing(task) for task in mock.tasks]


def test_the_row_follows(mock: MockService) -> None:
    with Client(MODEL, mock=mock) as client:
        task = client.submit("a fox")
        client.cancel(task)
        assert ["cancelled"] == [row.state for row in client.tasks()]
        assert not client.recover()


def test_what_was_completed_before_is_paid_and_can_be_had(mock: MockService) -> None:
    with Client("fal:flux-2-pro", mock=mock) as client:
        task = client.submit("a fox")
        client.wait(task, fetch=False)
        found = client.cancel(task)
        assert (Stopped.NO, Charged.YES, State.COMPLETED) == (found.stopped, found.charged, found.task.state)
        assert not found.stopped
        assert "Its image can be had" in found.advice
        assert client.wait(found.task).images[0].bytes()


def test_a_service_without_a_word_for_it_leaves_it_unknown(mock: MockService) -> None:
    with Client("fal:flux-2-pro", mock=mock) as client:
        task = client.submit("a fox")
        found = client.cancel(task)
        assert (Stopped.UNKNOWN, Charged.UNKNOWN) == (found.stopped, found.charged)
        assert [("PUT", 202), *[("GET", 404)] * CANCEL_LOOKS] == [
            (each.method, each.status) for each in mock.exchanges
        ][1:]
        assert "was asked to stop" in found.advice
        raised(lambda: client.wait(task, timeout=200), fluxkit.Vanished)


def test_what_is_cancelled_twice_has_ended(mock: MockService) -> None:
    with Client(MODEL, mock=mock) as client:
        task = client.submit("a fox")
        assert client.cancel(task) == client.cancel(task)
    assert [201, 200, 400, 200] == [each.status for each in mock.exchanges]


def test_a_service_that_stops_no_tasks_is_not_asked(mock: MockService) -> None:
    with Client("magnific:flux-2-klein", mock=mock) as client:
        task = client.submit("a fox")
        found = client.cancel(task)
        assert 1 == len(mock.exchanges)
        assert (Stopped.UNSUPPORTED, Charged.YES, task) == (found.stopped, found.charged, found.task)
        assert "is bought and goes on" in found.advice
        assert "fluxkit recover" in found.advice
        done = client.cancel(client.wait(task).tasks[0])
        assert (Stopped.NO, Charged.YES) == (done.stopped, done.charged)
        raised(lambda: client.cancel(attrs.evolve(task, base_url="https://elsewhere.example")), SettingsError)


def test_what_a_cancellation_says(mock: MockService) -> None:
    task = Task("fal", "flux-2-pro", "7", "https://queue.fal.run", status="IN_QUEUE")
    found = Cancellation(task, Stopped.UNKNOWN, Charged.UNKNOWN, "Ask again.")
    assert "stopped: unknown, charged: unknown. Ask again." == str(found)
    assert {
        "stopped": "unknown",
        "charged": "unknown",
        "provider": "fal",
        "model": "flux-2-pro",
        "task": {"id": "7", "state": "created", "status": "IN_QUEUE"},
        "advice": "Ask again.",
    } == json.loads(json.dumps(found.to_dict()))


def test_the_mock_reports_the_end_of_what_is_stopped_and_nothing_after_it(mock: MockService) -> None:
    with Client(MODEL, mock=MockService([REPLICATE])) as client:
        service = client._mock
        service.webhooks.connect(to_app(fluxkit.webhooks.receiver(client)))
        task, other = (client.submit("a fox", webhook_url="https://app.example/") for _ in range(2))
        client.cancel(task)
        error = raised(lambda: client.wait(task), fluxkit.Cancelled)
        assert error.task.status == "canceled"
        client.wait(other)
        service.clock.advance(60)
        words = [(each.task == task.id, each.status) for each in service.webhooks.sent]
    assert [(True, "canceled"), (False, "processing"), (False, "succeeded")] == words


# What a service may say


PREDICTION = Form({"id": At("id", Text()), "status": At("status", Text()), "cost": At("cost", Money())})
SHOP = attrs.evolve(
    REPLICATE,
    polled=PREDICTION,
    cancel=Cancel(Route("POST", "/v1/{model}/{id}/cancel"), late=409),
    error=REPLICATE.error,
)
TASK = Task("replicate", "flux-2-pro", "gm3q", SHOP.base_url, submitted_at=EPOCH, status="starting")


def said(status: str, **more: Any) -> Said:
    return Said(document={"id": "gm3q", "status": status, **more})


def refused(status: int, **facts: Any) -> Said:
    return Said(status, {"detail": "No."}, **facts)


def stopping(*script: Any, provider: Provider = SHOP) -> tuple[Cancellation, World]:
    world = World(script)
    return world.run(cancel(provider, TASK, 60.0)), world


HEARD = Said(document={})


@pytest.mark.parametrize(
    ("script", "stopped", "charged", "asked"),
    [
        ([HEARD, said("canceled")], Stopped.YES, Charged.UNKNOWN, 2),
        ([HEARD, said("canceled", cost=0)], Stopped.YES, Charged.NO, 2),
        ([HEARD, said("canceled", cost=0.03)], Stopped.YES, Charged.YES, 2),
        ([HEARD, said("processing"), said("canceled")], Stopped.YES, Charged.UNKNOWN, 3),
        ([HEARD, said("succeeded")], Stopped.NO, Charged.YES, 2),
        ([HEARD, said("failed")], Stopped.NO, Charged.UNKNOWN, 2),
        ([Said(409, {}), said("succeeded")], Stopped.NO, Charged.YES, 2),
        ([refused(400), said("succeeded")], Stopped.NO, Charged.YES, 2),
        ([HEARD, *[said("processing")] * CANCEL_LOOKS], Stopped.UNKNOWN, Charged.UNKNOWN, 1 + CANCEL_LOOKS),
        ([HEARD, Lost("x"), refused(500), said("canceled")], Stopped.YES, Charged.UNKNOWN, 4),
        ([Lost("x")] * CANCEL_TRIES + [said("canceled")], Stopped.YES, Charged.UNKNOWN, 1 + CANCEL_TRIES),
        ([Unreachable("x"), HEARD, said("canceled")], Stopped.YES, Charged.UNKNOWN, 3),
        ([refused(503), *[refused(429)] * 2, said("canceled")], Stopped.YES, Charged.UNKNOWN, 4),
        ([refused(404), *[refused(404)] * CANCEL_LOOKS], Stopped.UNKNOWN, Charged.UNKNOWN, 1 + CANCEL_LOOKS),
    ],
)
def test_what_is_known_afterwards(script: list[Any], stopped: Stopped, charged: Charged, asked: int) -> None:
    found, world = stopping(*script)
    assert (stopped, charged, asked) == (found.stopped, found.charged, len(world.polls))
    assert TASK.id == found.task.id
    assert found.task.state.ended is (stopped is not Stopped.UNKNOWN)
    assert world.lasted <= 60.0
    ends = [entry["task"].state for entry in world.noted("state")]
    assert [found.task.state] == (ends if found.task.status != "starting" else [TASK.state])


@pytest.mark.parametrize(
    ("script", "kind", "says"),
    [
        ([Unreachable("no route")] * CANCEL_TRIES, Unreachable, "could not be asked to stop the task gm3q: no route"),
        ([Unreachable("bad address", retry=False)], Unreachable, "bad address"),
        ([refused(429)] * CANCEL_TRIES, RateLimited, "429"),
        ([refused(429, headers={"retry-after": "90"})], RateLimited, "429"),
        ([refused(401)], Unauthorized, "401"),
        ([refused(422), said("processing")], Rejected, "422"),
        ([Said(302, {})], ContractError, "302"),
        ([KeyError("a mistake")], ContractError, "a mistake"),
    ],
)
def test_what_could_not_be_asked_is_an_error_with_the_task(script: list[Any], kind: type[FluxError], says: str) -> None:
    world = World(script)
    error = raised(lambda: world.run(cancel(SHOP, TASK, 60.0)), kind)
    assert says in str(error)
    assert (TASK.id, Charged.UNKNOWN) == (error.task.id, error.charged)
    assert len(script) == len(world.polls)


def test_a_slow_service_costs_no_more_than_the_patience() -> None:
    world = World(lambda *_: Said(document={}, takes=50.0))
    found = world.run(cancel(SHOP, TASK, 60.0))
    assert Stopped.UNKNOWN is found.stopped
    assert world.lasted <= 75.0


def test_a_service_that_cannot_be_asked_after_its_tasks_leaves_it_unknown() -> None:
    found, world = stopping(HEARD, provider=attrs.evolve(SHOP, poll=None))
    assert (Stopped.UNKNOWN, 1) == (found.stopped, len(world.polls))


def test_an_address_that_is_given_is_the_only_one_that_is_asked() -> None:
    task = Task("fal", "flux-2-pro", "7", FAL.base_url, poll_url=f"{FAL.base_url}/7")
    error = raised(lambda: World([]).run(cancel(FAL, task, 60.0)), ContractError)
    assert "gave none for this call" in str(error)
    away = attrs.evolve(task, cancel_url="https://elsewhere.example/7/cancel")
    error = raised(lambda: World([]).run(cancel(FAL, away, 60.0)), ContractError)
    assert "its key does not go" in str(error)
    world = World([Said(202, {}), Said(document={"status": "COMPLETED"})])
    world.run(cancel(FAL, attrs.evolve(task, cancel_url=f"{FAL.base_url}/7/stop"), 60.0))
    assert [("PUT", "https://queue.fal.run/7/stop"), ("GET", "https://queue.fal.run/7")] == [
        (call.method, call.url) for call in world.polls
    ]


def test_a_mock_without_webhooks_for_it_refuses_a_stranger(mock: MockService) -> None:
    with httpx.Client(transport=mock.transport()) as client:
        path = f"{mock.base_url('replicate')}/v1/models/black-forest-labs/flux-2-pro/predictions/nobody/cancel"
        reply = client.post(path, headers={"authorization": f"Bearer {mock.key}"})
    assert 404 == reply.status_code


# On the command line, and a port


@attrs.frozen(eq=False)
class Served:
    """A mock on a port."""

    mock: MockService
    base_url: Callable[[str], str]


@pytest.fixture
def served(mock: MockService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Served]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("FLUXKIT_CONFIG", str(tmp_path / "settings.toml"))
    monkeypatch.setenv("FLUXKIT_REPLICATE_KEY", "test")
    on_a_port = MockService([REPLICATE, MAGNIFIC, FREEPIK], progression="seconds", clock=WallClock(0.001))
    with Server(on_a_port) as server:
        yield Served(on_a_port, server.base_url)
    open_journal(None).writer.close()


def run(*arguments: str) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(program, arguments)
    assert "Traceback" not in done.stderr
    return done


def submitted(model: str, served: Served, **facts: Any) -> Task:
    with Client(model, key="test", base_url=served.base_url(model.partition(":")[0]), **facts) as client:
        return client.submit("a fox")


def state_of(task: Task) -> str:
    [row] = [row for row in json.loads(run("tasks", "--json").stdout)["tasks"] if row["task"] == task.id]
    return row["state"]


def test_a_command_stops_a_task_by_its_id_or_its_row(served: Served) -> None:
    first, second = submitted(MODEL, served), submitted(MODEL, served)
    base_url = served.base_url("replicate")
    done = run("cancel", first.id, "--base-url", base_url)
    assert (0, "stopped: yes, charged: unknown.") == (done.exit_code, done.stdout.partition(" The")[0])
    assert "cancelled" == state_of(first)
    [row] = [row["row"] for row in json.loads(run("tasks", "--json").stdout)["tasks"] if row["task"] == second.id]
    done = run("cancel", row, "--base-url", base_url, "--json")
    assert (0, "yes", second.id) == (done.exit_code, (found := json.loads(done.stdout))["stopped"], found["task"]["id"])
    done = run("cancel", row)
    assert (0, "stopped: yes") == (done.exit_code, done.stdout.partition(",")[0])


def test_a_command_takes_key_and_address_from_a_profile(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUXKIT_REPLICATE_KEY")
    monkeypatch.setenv("SHOP_KEY", "test")
    task = submitted(MODEL, served)
    done = run("cancel", task.id)
    assert (2, True) == (done.exit_code, "--base-url" in done.stderr)
    lines = [f'provider = "{MODEL}"', f'base_url = "{task.base_url}"', 'key = "env:SHOP_KEY"']
    profile = "\n".join(["[profiles.shop]", *lines, ""])
    (tmp_path / "settings.toml").write_text(profile)
    done = run("cancel", task.id, "--profile", "shop")
    assert done.exit_code == 0, done.stderr
    assert "cancelled" == state_of(task)


def test_a_command_says_that_nobody_can_stop_it_without_key_or_network(served: Served) -> None:
    task = submitted("magnific:flux-2-klein", served)
    before = len(served.mock.exchanges)
    done = run("cancel", task.id)
    assert (6, before) == (done.exit_code, len(served.mock.exchanges))
    assert done.stdout.startswith("stopped: unsupported, charged: yes. magnific has no way to stop a task")
    assert "created" == state_of(task)


def test_a_command_stops_what_is_known_and_named_once(served: Served) -> None:
    task = submitted("magnific:flux-2-klein", served)
    done = run("cancel", "nobody")
    assert (2, True) == (done.exit_code, "no row or task 'nobody'" in done.stderr)
    journal = open_journal(None)
    store = attrs.evolve(task, provider="freepik", base_url=served.base_url("freepik"))
    with Client("freepik:flux-2-klein", key="test", base_url=store.base_url) as client:
        served.mock.fault("accepted-then-dropped", times=1)
        raised(lambda: client.submit("a fox"), fluxkit.SubmissionUnknown)
        [row] = client.tasks()
        done = run("cancel", row.row)
        assert (2, True) == (done.exit_code, "no task of it is known" in done.stderr)
        assert "no row or task ''" in run("cancel", "").stderr
        client.adopt(row.row, task.id)
    done = run("cancel", task.id)
    assert (2, True) == (done.exit_code, f"{row.row} of freepik" in done.stderr)
    assert 6 == run("cancel", task.id, "--provider", "freepik").exit_code
    assert 2 == len(journal.rows(task_id=task.id))


def test_what_was_fetched_is_not_to_be_recovered(served: Served, tmp_path: Path) -> None:
    task = submitted("magnific:flux-2-klein", served)
    served.mock.clock.advance(3600)
    with Client("magnific:flux-2-klein", key="test", base_url=task.base_url) as client:
        image = client.wait(task, to=tmp_path / "fox.jpg").images[0]
    done = run("cancel", task.id)
    said = f"The task {task.id} is done, and its image was fetched to {image.path}. There is nothing to stop.\n"
    assert (6, f"stopped: no, charged: yes. {said}") == (done.exit_code, done.stdout)
    with Client("magnific:flux-2-klein", key="test", base_url=task.base_url) as client:
        task = client.submit("a fox")
        served.mock.clock.advance(3600)
        client.wait(task, fetch=False)
    assert "its image was asked for by its link alone, which was given. There" in run("cancel", task.id).stdout


def test_the_exit_code_tells_an_end_without_an_image(served: Served) -> None:
    task = submitted("magnific:flux-2-klein", served)
    with Client("magnific:flux-2-klein", key="test", base_url=task.base_url) as client:
        failed = attrs.evolve(task, state=State.FAILED, status="FAILED")
        client._driver.notes.take(Note("state", {"task": failed, "progress": None, "problems": ()}))
        client.tasks()
    done = run("cancel", task.id)
    assert (5, "stopped: no, charged: unknown.") == (done.exit_code, done.stdout.partition(" The")[0])


def test_a_refusal_of_the_service_ends_the_command(served: Served) -> None:
    task = submitted(MODEL, served)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLUXKIT_REPLICATE_KEY", "wrong")
        done = run("cancel", task.id, "--base-url", task.base_url)
    assert (6, True) == (done.exit_code, "Check the key" in done.stderr)


def test_of_a_task_that_is_gone_it_is_not_said_that_anybody_was_asked_to_stop_it() -> None:
    task = Task("magnific", "flux-2-klein", "x", MAGNIFIC.base_url, state=State.VANISHED)
    found = unasked(task)
    assert (Stopped.UNKNOWN, Charged.UNKNOWN) == (found.stopped, found.charged)
    assert "was not known to magnific any more" in str(found)
    assert "asked to stop" not in str(found)

"""What happens is told: to whoever watches a task, to listeners, to plugins and to logging; and no secret with it."""

import json
import logging
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from shapes.fal import FAL
from shapes.replicate import REPLICATE
from support.brought import bring
from support.world import EPOCH, ID, AsyncWorld, Said, World, a_plan, accepted, complaint, completed, raised, running

import fluxkit
import fluxkit.webhooks
from fluxkit import AsyncClient, Client, Event, State, Task
from fluxkit._contract.event import KINDS
from fluxkit._engine import ears as hearing
from fluxkit._engine.drive import AsyncDriver, Driver
from fluxkit._engine.ears import MOST_ROWS, Ears
from fluxkit._engine.effects import Lost, Note
from fluxkit._engine.flows import Manner, generate
from fluxkit._engine.notes import Notes
from fluxkit._engine.place import Place
from fluxkit.errors import Overdue, Unauthorized, Unreachable
from fluxkit_mockserver import MockService, to_app
from fluxkit_mockserver.faults import FAULTS
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

WAYS = ["sync", "asyncio", "trio"]
KLEIN = "magnific:flux-2-klein"
FLEX = "apimart:flux-2-flex"
RECEIVER = "https://app.example/hooks/"


def watched(way: str, model: str, mock: MockService, task: Task, **facts: Any) -> list[Event]:
    """What is seen of a task, to its end."""
    if way == "sync":
        with Client(model, mock=mock) as client:
            return list(client.events(task, **facts))

    async def watch() -> list[Event]:
        async with AsyncClient(model, mock=mock) as client:
            return [event async for event in client.events(task, **facts)]

    return anyio.run(watch, backend=way)


def bought(model: str, mock: MockService, **facts: Any) -> Task:
    with Client(model, mock=mock) as client:
        return client.submit("a fox", **facts)


# Of one task


@pytest.mark.parametrize("way", WAYS)
def test_a_task_is_seen_to_change_until_it_has_ended_and_nothing_is_fetched(way: str) -> None:
    mock = MockService([APIMART], progression="polls")
    task = bought(FLEX, mock)
    seen = watched(way, FLEX, mock, task)
    states = [State.CREATED, State.RUNNING, State.COMPLETED]
    assert [("seen", state) for state in states] == list(dict.fromkeys((event.kind, event.state) for event in seen))
    assert {(task.id, "apimart", "flux-2-flex", True)} == {
        (event.task_id, event.provider, event.model, event.mocked) for event in seen
    }
    assert seen[0].progress < seen[1].progress
    assert ["POST", *["GET"] * len(seen)] == [each.method for each in mock.exchanges]
    assert [State.COMPLETED] == [event.state for event in watched(way, FLEX, mock, seen[-1].task)]


@pytest.mark.parametrize("way", WAYS)
def test_an_end_without_an_image_is_the_last_event(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, REPLICATE, FAL)
    mock = MockService([REPLICATE, FAL], progression="seconds")
    task = bought("replicate:flux-2-pro", mock)
    with Client("replicate:flux-2-pro", mock=mock) as client:
        client.cancel(task)
    [event] = watched(way, "replicate:flux-2-pro", mock, task)
    assert (State.CANCELLED, "canceled") == (event.state, event.status)
    task = bought("fal:flux-2-pro", mock)
    with Client("fal:flux-2-pro", mock=mock) as client:
        client.cancel(task)
    [event] = watched(way, "fal:flux-2-pro", mock, task)
    assert State.VANISHED is event.state


@pytest.mark.parametrize("way", WAYS)
def test_a_watch_ends_with_its_time_or_what_the_service_refuses(way: str) -> None:
    mock = MockService([MAGNIFIC])
    mock.fault("stuck")
    task = bought(KLEIN, mock)
    error = raised(lambda: watched(way, KLEIN, mock, task, timeout=20), Overdue)
    assert task.id == error.task.id
    raised(lambda: watched(way, KLEIN, mock, task, timeout=-1), fluxkit.SettingsError)
    stranger = MockService([MAGNIFIC], keys=["another"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MockService, "key", "wrong")
        raised(lambda: watched(way, KLEIN, stranger, task), Unauthorized)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", ["poll-dropped", "cut-poll", "not-json"])
def test_a_look_that_fails_ends_no_watch(fault: str, way: str) -> None:
    mock = MockService([MAGNIFIC])
    mock.fault(fault, times=2)
    seen = watched(way, KLEIN, mock, bought(KLEIN, mock))
    assert (State.COMPLETED, 1) == (seen[-1].state, mock.billed)


def test_a_webhook_is_seen_like_a_poll() -> None:
    mock = MockService([MAGNIFIC])
    heard: list[Event] = []
    with Client("magnific:flux-2-pro", mock=mock, listener=heard.append) as client:
        mock.webhooks.connect(to_app(fluxkit.webhooks.receiver(client)))
        task = client.submit("a fox", webhook_url=RECEIVER)
        seen = list(client.events(task))
    assert State.COMPLETED is seen[-1].state
    told = [event for event in heard if event.kind == "webhook"][-1]
    assert (task.id, True, State.COMPLETED) == (told.task_id, told.signed, told.state)
    assert [event.state for event in seen] == [event.state for event in heard if event.kind == "seen"]


@pytest.mark.parametrize("way", WAYS)
def test_whoever_stops_watching_need_close_nothing(way: str) -> None:
    mock = MockService([APIMART], progression="polls")
    task = bought(FLEX, mock)

    async def watch() -> None:
        async with AsyncClient(FLEX, mock=mock) as client:
            async for event in client.events(task):
                assert State.CREATED is event.state
                break

    if way != "sync":
        anyio.run(watch, backend=way)
        return
    with Client(FLEX, mock=mock) as client:
        for event in client.events(task):
            assert State.CREATED is event.state
            break
    assert 2 == len(mock.exchanges)


@pytest.mark.parametrize("way", WAYS)
def test_a_watch_that_is_interrupted_is_over(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mock = MockService([APIMART])
    task = bought(FLEX, mock)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    async def watch() -> None:
        async with AsyncClient(FLEX, mock=mock) as client:
            events = client.events(task)
            monkeypatch.setattr(type(client._driver.clock), "now", interrupt)
            with pytest.raises(KeyboardInterrupt):
                await anext(events)
            with pytest.raises(StopAsyncIteration):
                await anext(events)
            monkeypatch.undo()

    if way != "sync":
        anyio.run(watch, backend=way)
        return
    with Client(FLEX, mock=mock) as client:
        events = client.events(task)
        monkeypatch.setattr(type(client._driver.clock), "now", interrupt)
        raised(lambda: next(events), KeyboardInterrupt)
        assert [] == list(events)


# Of everything


def errand(path: Path, n: int = 1) -> Any:
    return generate(a_plan(MAGNIFIC, n=n), Manner(300.0, 60.0, Place(path)))


def heard_of(way: str, world: World, path: Path, ears: Ears) -> None:
    notes = Notes(ears.note)
    random.seed(7)
    if way == "sync":
        Driver(world, world, notes, ears=ears).run(errand(path))
    else:
        anyio.run(AsyncDriver(AsyncWorld(world), world, notes, ears=ears).run, errand(path), backend=way)


@pytest.mark.parametrize("way", WAYS)
def test_every_call_is_told_with_what_came_of_it(way: str, tmp_path: Path) -> None:
    heard: list[Event] = []
    script = [
        complaint(MAGNIFIC, 503),
        accepted(MAGNIFIC),
        Lost("no answer"),
        complaint(MAGNIFIC, 500, "Broken."),
        Said(200, running(MAGNIFIC).document, takes=2.0),
        completed(MAGNIFIC),
    ]
    world = World(script)
    ears = Ears(heard.append, now=world.now)
    heard_of(way, world, tmp_path, ears)
    told = [(event.kind, event.attempt, event.answer, event.error) for event in heard]
    assert [
        ("intent", 1, None, None),
        ("submit", 1, None, None),
        ("submit", 2, None, None),
        ("accepted", 1, None, None),
        ("seen", 1, None, None),
        ("poll", 1, None, "Lost: no answer"),
        ("poll", 2, 500, None),
        ("poll", 3, 200, None),
        ("state", 1, None, None),
        ("seen", 1, None, None),
        ("poll", 1, 200, None),
        ("state", 1, None, None),
        ("seen", 1, None, None),
        ("fetch", 1, None, None),
        ("fetched", 1, None, None),
        ("delivered", 1, None, None),
    ] == told
    assert [2.0] == [event.seconds for event in heard if event.attempt == 3]
    assert {"1"} == {event.row for event in heard}
    assert ["", "", "", *[ID] * 13] == [event.task_id for event in heard]
    assert {"magnific"} == {event.provider for event in heard}
    assert all(EPOCH <= event.at <= world.time for event in heard)
    assert {event.kind for event in heard} <= KINDS.keys()
    assert [event.path for event in heard if event.kind == "fetched"] == list(world.files)


def test_what_became_of_a_submit_is_told_with_its_row_and_model(tmp_path: Path) -> None:
    for script, kind in (([Unreachable("no route")] * 5, "refused"), ([Lost("dropped")], "unknown")):
        heard: list[Event] = []
        world = World(script)
        raised(lambda world=world, heard=heard: heard_of("sync", world, tmp_path, Ears(heard.append)), Exception)
        last = heard[-1]
        assert (kind, "1", "flux-2-klein", None) == (last.kind, last.row, last.model, last.state)
        assert last.error


def test_rows_that_are_remembered_are_bounded() -> None:
    ears = Ears(lambda _: None)
    for number in range(2 * MOST_ROWS):
        ears.note(Note("intent", {"row": str(number), "draft": Task("a", "b", "", "c")}))
        ears.note(Note("accepted", {"row": str(number), "task": Task("a", "b", str(number), "c")}))
    assert MOST_ROWS == len(ears._rows) == len(ears._names)


def test_while_nobody_hears_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "Event", None)
    ears = Ears()
    assert (False, False) == (ears.awake, ears.listens)
    Driver(world := World([accepted(MAGNIFIC), completed(MAGNIFIC)]), world, Notes(), ears=ears).run(errand(tmp_path))
    with Client(KLEIN, mock=True) as client:
        assert client._driver.notes.listener is None


@pytest.mark.parametrize("way", WAYS)
def test_a_listener_and_a_plugin_that_fail_are_logged_and_cost_nothing(
    way: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Event] = []

    def fluxkit_event(event: Event) -> None:
        heard.append(event)
        raise RuntimeError("a plugin's mistake")

    bring(monkeypatch, hooks=[("fluxkit_event", fluxkit_event)])

    def listener(_: Event) -> None:
        raise RuntimeError("a listener's mistake")

    mock = MockService([MAGNIFIC], progression="at once")

    async def run() -> None:
        async with AsyncClient(KLEIN, mock=mock, listener=listener) as client:
            assert (await client.generate("a fox")).images[0].bytes()

    if way == "sync":
        with Client(KLEIN, mock=mock, listener=listener) as client:
            assert client.generate("a fox").images[0].bytes()
    else:
        anyio.run(run, backend=way)
    said = [record.message for record in caplog.records]
    assert len(heard) == said.count("The plugin 'brought' (in memory) failed in fluxkit_event()")
    assert len(heard) == said.count("A listener of fluxkit failed") > 5
    assert ["intent", "submit", "accepted"] == [event.kind for event in heard[:3]]


def test_a_plugin_hears_of_every_client(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Event] = []
    bring(monkeypatch, hooks=[("fluxkit_event", lambda event: heard.append(event))])  # noqa: PLW0108 - it is marked
    mock = MockService([MAGNIFIC, APIMART])
    for model in (KLEIN, FLEX):
        bought(model, mock)
    assert ["magnific", "apimart"] == [event.provider for event in heard if event.kind == "accepted"]


# Of logging


def test_calls_are_logged_at_debug_and_what_they_come_to_at_info(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    assert [] == logging.getLogger("fluxkit").handlers
    with caplog.at_level(logging.INFO, "fluxkit"), Client(KLEIN, mock=True) as client:
        client.generate("a fox", to=tmp_path / "fox.jpg")
    assert {"intent", "accepted", "state", "fetched", "delivered"} == {each.fluxkit_kind for each in caplog.records}
    assert {logging.INFO} == {record.levelno for record in caplog.records}
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "fluxkit"), Client(KLEIN, mock=True) as client:
        result = client.generate("a fox", to=tmp_path / "fox.jpg")
    [poll, *_] = [record for record in caplog.records if record.fluxkit_kind == "poll"]
    task = result.tasks[0].id
    assert (logging.DEBUG, task, 200, "1") == (
        poll.levelno,
        poll.fluxkit_task,
        poll.fluxkit_answer,
        poll.fluxkit_row,
    )
    assert poll.message.startswith(f"poll {KLEIN} task {task} ")
    assert " answered 200 in 0.000 s" in poll.message


def test_an_event_says_what_it_holds_and_no_more() -> None:
    task = Task("fal", "flux", "7\n8", "https://x.example", poll_url="https://x.example/7?sig=5ec2e7", status="RUN")
    event = Event(
        kind="poll",
        at=1.5,
        provider="fal",
        model="flux",
        task=task,
        attempt=2,
        seconds=0.25,
        answer=503,
        error="it\nbroke",
        progress=40.0,
        url="https://x.example/?sig=5ec2e7",
        path=Path("x.png"),
    )
    assert "poll fal:flux task 7 8 RUN 40 % attempt 2 answered 503 in 0.250 s x.png: it broke" == str(event)
    document = event.to_dict()
    assert {"answer": 503, "state": "created", "task": "7\n8", "attempt": 2}.items() <= document.items()
    assert {"url", "row", "size", "signed"}.isdisjoint(document)
    assert "5ec2e7" not in f"{event} {event!r} {json.dumps(document)}"
    assert "intent magnific" == str(Event(kind="intent", at=0.0, provider="magnific"))


# Of no secret


def leaves_of(record: logging.LogRecord) -> Iterator[str]:
    yield record.getMessage()
    yield repr(vars(record))
    if record.exc_info and record.exc_info[1] is not None:
        yield repr(record.exc_info[1])


SHOPS = (MAGNIFIC, APIMART, FAL, REPLICATE)
MISHAPS = [
    pytest.param(shop, name, id=f"{shop.name}-{name}")
    for shop in SHOPS
    for name in (None, *FAULTS)
    if name is None or not FAULTS[name].obstacle(shop)
]


@pytest.mark.parametrize(("provider", "fault"), MISHAPS)
def test_no_secret_is_in_any_record_or_event(
    provider: Any, fault: str | None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "mg-4f1c9e77abce0"
    bring(monkeypatch, *(each for each in (FAL, REPLICATE) if each is provider))
    mock = MockService([provider], keys=[key])
    if fault is not None:
        mock.fault(fault)
    model = f"{provider.name}:{provider.models[0].name}"
    heard: list[Event] = []
    secrets = [key, mock.webhook_secret]
    with caplog.at_level(logging.DEBUG), Client(model, mock=mock, listener=heard.append, timeout=60) as client:
        fetch: Callable[[Any], Any] = client._driver.transport.fetch

        def fetched(effect: Any) -> Any:
            secrets.append(urlsplit(effect.url).query)
            return fetch(effect)

        transport = client._driver.transport
        monkeypatch.setattr(type(transport), "fetch", lambda _, effect: fetched(effect))
        if provider.webhook is not None:
            mock.webhooks.connect(to_app(fluxkit.webhooks.receiver(client)))
        asked = {"webhook_url": RECEIVER, **({"size": "512x512"} if provider in (FAL, REPLICATE) else {})}
        outcome: Any = None
        try:
            outcome = client.generate("a lighthouse", **asked)
        except fluxkit.FluxError as error:
            outcome = error
        secrets += [note.entry["token"] for note in client._driver.notes.kept if "token" in note.entry]
    assert outcome is not None
    shown = [text for record in caplog.records for text in leaves_of(record)]
    shown += [text for event in heard for text in (str(event), repr(event), json.dumps(event.to_dict()))]
    assert shown
    assert [] == [secret for secret in secrets if secret and any(secret in text for text in shown)]

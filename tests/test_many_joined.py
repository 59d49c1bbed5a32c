"""What a crowd has in common with flows that run alone: webhooks, the journal, references on their way."""

import base64
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from support.bazaar import Bazaar, Story
from support.world import AsyncWorld, World, accepted

from fluxkit import AsyncClient, Client, Finished, Overdue, Reference, Request, State, SubmissionUnknown
from fluxkit._contract.journal import Fate
from fluxkit._contract.task import Picture, Snapshot, Task
from fluxkit._engine.drive import AsyncDriver
from fluxkit._engine.effects import Hosted, Note, Wait
from fluxkit._engine.flows import Manner, place_order
from fluxkit._engine.journal.session import Session
from fluxkit._engine.mailbox import Mailbox
from fluxkit._engine.many import FEW, Many
from fluxkit._engine.notes import Notes
from fluxkit._engine.place import Place
from fluxkit._wire.plan import make_plan
from fluxkit.testing.exhibits import SMALLEST
from fluxkit.webhooks import Event, receiver
from fluxkit_mockserver import MockService, Server, VirtualClock, to_app
from fluxkit_mockserver.clock import EPOCH, WallClock
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

WAYS = ["sync", "asyncio", "trio"]
KLEIN, FLEX = "magnific:flux-2-klein", "apimart:flux-2-flex"
HOOK = "https://app.example/hooks/"


def many(way: str, client: Any, requests: Any, **facts: Any) -> list[Finished]:
    """What becomes of the requests, on a blocking client or on one that waits."""
    if way == "sync":
        with client:
            return list(client.generate_many(requests, **facts))

    async def wait() -> list[Finished]:
        async with client:
            return [each async for each in client.generate_many(requests, **facts)]

    return anyio.run(wait, backend=way)


def kind_of(way: str) -> Any:
    return Client if way == "sync" else AsyncClient


class Hurried(Bazaar):
    """A bazaar that tells the true time, and does not pass it."""

    def __init__(self, stories: Any) -> None:
        super().__init__(stories, time=time.time())


def at(bazaar: Bazaar, client: Any, way: str) -> Any:
    """The client, in the bazaar."""
    mailbox = client._mailbox
    if way == "sync":
        client._asynchronous = lambda notes: AsyncDriver(bazaar, bazaar, notes, mailbox=mailbox)
    else:
        client.__dict__["_driver"] = AsyncDriver(bazaar, bazaar, client._notebook(), mailbox=mailbox)
    return client


# Webhooks


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("model", "polls"), [(KLEIN, 0), (FLEX, 1)])
def test_a_webhook_ends_the_wait_of_each_request_among_many(way: str, model: str, polls: int) -> None:
    """Believed where it is signed; where it is not, the poll that it hastens finds that the task has ended."""
    provider = MAGNIFIC if model == KLEIN else APIMART
    mock = MockService([provider])
    client = kind_of(way)(model, mock=mock)
    mock.webhooks.connect(to_app(Starlette(routes=[Mount("/hooks", receiver(client))])))
    begun = mock.clock.now()
    requests = [Request(f"cat {number}", n=1 + number % 2, webhook_url=HOOK) for number in range(6)]
    ends = many(way, client, requests, in_flight=6, fetch=False)
    assert [1, 2] * 3 == [len(end.unwrap().images) for end in sorted(ends, key=lambda end: end.number)]
    duration = provider.models[0].duration
    assert (9, pytest.approx(duration)) == (mock.billed, mock.clock.now() - begun)
    late = [each for each in mock.exchanges if each.method == "GET" and each.at >= begun + duration]
    assert polls * 9 == len(late)
    assert {200} == {sent.answer for sent in mock.webhooks.sent}


class Deaf(Bazaar):
    """A bazaar in which nobody polls for long, unless a bell rings."""

    leaps = False

    def now(self) -> float:
        return time.time()

    async def hear_async(self, bell: Any, seconds: float, /) -> None:
        await bell.wait_async(30.0)


@pytest.mark.parametrize("way", WAYS)
def test_a_webhook_that_another_thread_takes_in_wakes_the_flow_that_waits_for_it(way: str) -> None:
    """In whatever event loop that is; the flow believes what was signed, and does not ask."""
    client = kind_of(way)(KLEIN, key="test", journal="off", timeout=60.0)
    client._mailbox.attended = True
    bazaar = Deaf([Story(seconds=1e9)] * 3)
    at(bazaar, client, way)

    def deliver() -> None:
        while len(bazaar.submits) < 3:
            time.sleep(0.001)
        for number in (2, 0, 1):
            picture = Picture(f"https://images.example/task-{number}.jpg")
            seen = Snapshot(State.COMPLETED, "COMPLETED", id=f"task-{number}", pictures=(picture,))
            client._mailbox.deliver(Event("magnific", seen, f"msg_{number}", time.time(), signed=True))

    postman = threading.Thread(target=deliver)
    postman.start()
    ends = many(way, client, [f"cat {number}" for number in range(3)], fetch=False)
    postman.join()
    assert [(State.COMPLETED, f"task-{number}") for number in range(3)] == sorted(
        (task.state, task.id) for end in ends for task in end.unwrap().tasks
    )
    assert 3 == len(bazaar.asked)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_news_shorten_no_wait_that_is_not_for_them(backend: str) -> None:
    """A pause before a submit is tried again, or a link, lasts as long as it is to; the news is there afterwards."""
    clock, mailbox, ends = VirtualClock(), Mailbox(attended=True), dict[int, Any]()
    seen = Snapshot(State.RUNNING, "IN_PROGRESS", id="task-1")

    class Post:
        """News after one second."""

        left = True

        def due(self) -> float | None:
            return EPOCH + 1.0 if self.left else None

        async def ring_async(self, now: float, /) -> None:
            if self.left and now >= EPOCH + 1.0:
                self.left = False
                mailbox.deliver(Event("magnific", seen, "msg_1", now, signed=True))

    def flow() -> Any:
        yield Note("accepted", {"row": "1", "task": Task("magnific", "flux-2-klein", "task-1", "https://a.example")})
        first = yield Wait(5.0)
        second = yield Wait(60.0, ("task-1",))
        return first, second

    async def main() -> None:
        driver = AsyncDriver(AsyncWorld(World()), clock, Notes(), mailbox=mailbox)
        crowd = Many(driver, ends.__setitem__, base_url="https://a.example")
        crowd.add(0, flow(), timeout=300.0)
        crowd.finish()
        await crowd.run()

    clock.alarms.append(Post())  # type: ignore[arg-type]
    anyio.run(main, backend=backend)
    first, second = ends[0]
    assert (EPOCH + 5.0, None, None) == (first.at, first.task, first.seen)
    assert (EPOCH + 5.0, "task-1", seen) == (second.at, second.task, second.seen)


# The journal


@pytest.fixture
def base_url() -> Iterator[str]:
    mock = MockService([MAGNIFIC], progression="at once", clock=WallClock())
    with Server(mock) as server:
        yield server.base_url("magnific")


@pytest.mark.parametrize("way", WAYS)
def test_every_submit_among_many_has_its_row_and_nothing_stays_in_hand(way: str, tmp_path: Path) -> None:
    stories = [
        Story(),
        Story(submits=("rejected",)),
        Story(submits=("lost",)),
        Story(end="failed"),
        Story(seconds=1e9),
        Story(submits=("busy", "accepted")),
    ]
    client = at(Hurried(stories), kind_of(way)(KLEIN, key="test", journal=tmp_path / "journal", timeout=60.0), way)
    writer = client._notebook().writer
    ends = many(way, client, [f"cat {number}" for number in range(6)], to=tmp_path / "images", fetch=True)
    assert [SubmissionUnknown] == [type(end.error) for end in ends if end.number == 2]
    assert [Overdue] == [type(end.error) for end in ends if end.number == 4]
    with Client(KLEIN, key="test", journal=tmp_path / "journal") as afterwards:
        rows = afterwards.tasks()
    states = {row.asked["prompt"]: row.state for row in rows}
    expected = ["delivered", Fate.REFUSED, Fate.UNKNOWN, State.FAILED, State.RUNNING, "delivered"]
    assert {f"cat {number}": str(state) for number, state in enumerate(expected)} == states
    assert set() == writer.held
    assert [(None,)] * 6 == writer.ask(_owners).result()
    writer.close()


def _owners(store: Any) -> Any:
    return store._connection.execute("SELECT owner FROM submits").fetchall()


@pytest.mark.parametrize("way", WAYS)
def test_leaving_early_lets_go_of_the_rows_and_leaves_what_was_bought_to_whoever_recovers(
    way: str, tmp_path: Path
) -> None:
    client = at(
        Hurried([Story(seconds=0.0), *[Story(seconds=1e9)] * 3]),
        kind_of(way)(KLEIN, key="test", journal=tmp_path / "journal", timeout=1e6),
        way,
    )
    writer = client._notebook().writer
    requests = [f"cat {number}" for number in range(4)]
    if way == "sync":
        with client:
            next(iter(client.generate_many(requests, to=tmp_path / "images")))
    else:

        async def one() -> None:
            async with client:
                async for _ in client.generate_many(requests, to=tmp_path / "images"):
                    break

        anyio.run(one, backend=way)
    writer.ask(lambda _: None).result()
    assert set() == writer.held
    with Client(KLEIN, key="test", journal=tmp_path / "journal") as afterwards:
        rows = afterwards.tasks()
    assert ["delivered", True, True, True] == [row.owing or row.state for row in sorted(rows, key=_prompt)]
    writer.close()


def _prompt(row: Any) -> str:
    return str(row.asked["prompt"])


@pytest.mark.parametrize("way", WAYS)
def test_notes_of_many_that_come_at_the_same_time_are_one_transaction(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk is busy every worker hands in its note, and then all of them are forced to it at once.

    As many others come as could make a call meanwhile, and no more: what is noted and not yet sent may become unknown.
    """
    client = at(Hurried([Story()] * (3 * FEW)), kind_of(way)(KLEIN, key="test", journal=tmp_path / "journal"), way)
    writer, begun, gate, sizes = client._notebook().writer, threading.Event(), threading.Event(), list[int]()
    carry_out = Session.carry_out

    def counted(self: Session, jobs: Any) -> None:
        sizes.append(len(jobs))
        carry_out(self, jobs)

    monkeypatch.setattr(Session, "carry_out", counted)

    def busy(_: Any) -> None:
        begun.set()
        gate.wait(30.0)

    def open_gate() -> None:
        while len(writer._jobs) < 2 * FEW:
            time.sleep(0.001)
        gate.set()

    writer.ask(busy)
    begun.wait()
    opener = threading.Thread(target=open_gate)
    opener.start()
    ends = many(way, client, [f"cat {number}" for number in range(3 * FEW)], to=tmp_path / "images")
    opener.join()
    assert [None] * (3 * FEW) == [end.error for end in ends]
    assert [1, 2 * FEW] == sizes[:2]
    writer.close()


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_many_are_bought_and_noted_over_a_socket(way: str, base_url: str, tmp_path: Path) -> None:
    client = kind_of(way)(KLEIN, key="test", base_url=base_url, journal=tmp_path / "journal", timeout=60.0)
    writer = client._notebook().writer
    ends = many(way, client, [f"cat {number}" for number in range(8)], to=tmp_path / "images")
    assert 8 == len({end.unwrap().images[0].path for end in ends})
    rows = writer.ask(lambda store: store.rows({"state": "delivered"})).result()
    assert 8 == len({row.images[0].path for row in rows})
    assert set() == writer.held
    writer.close()


# References


@pytest.mark.parametrize("way", WAYS)
def test_references_are_uploaded_among_many(way: str, tmp_path: Path) -> None:
    """Each before its own submit, which sends the address that the service has given."""
    mock = MockService([APIMART], progression="at once")
    image = tmp_path / "fox.png"
    image.write_bytes(SMALLEST["image/png"])
    requests = [Request(f"cat {number}", references=[Reference.of(image)]) for number in range(3)]
    ends = many(way, kind_of(way)(FLEX, mock=mock), requests, fetch=False)
    assert all(end.unwrap().images for end in ends)
    assert (3, 3) == (mock.billed, len(mock.uploads))
    assert [(SMALLEST["image/png"],)] * 3 == [task.references for task in mock.tasks]


@pytest.mark.parametrize("way", WAYS)
def test_files_are_streamed_among_many(way: str, tmp_path: Path) -> None:
    mock = MockService([MAGNIFIC], progression="at once")
    image = tmp_path / "fox.png"
    image.write_bytes(SMALLEST["image/png"])
    requests = [Request(f"cat {number}", references=[Reference.of(image)]) for number in range(3)]
    ends = many(way, kind_of(way)(KLEIN, mock=mock), requests, fetch=False)
    assert all(end.unwrap().images for end in ends)
    assert [(SMALLEST["image/png"],)] * 3 == [task.references for task in mock.tasks]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_references_are_hosted_and_brought_among_many(backend: str) -> None:
    """By plugins, and from a user's address: the crowd carries out what a prologue asks for as any driver does."""
    hosted, brought = "https://files.example/a.png", SMALLEST["image/jpeg"]
    world = World(lambda call, _: accepted(APIMART if "apimart" in call.url else MAGNIFIC), brings=[brought])
    plans = [
        make_plan(
            attrs.evolve(APIMART, upload=None),
            "flux-2-flex",
            Request("a cat", references=[Reference(content=SMALLEST["image/png"])]),
            hosting=lambda: True,
        ),
        make_plan(MAGNIFIC, KLEIN.partition(":")[2], Request("a cat", references=["https://images.example/a.jpg"])),
    ]
    driver = AsyncDriver(
        AsyncWorld(world), VirtualClock(), Notes(), hosting=lambda _: Hosted(hosted, None, "'acme' (in memory)")
    )
    ends: dict[int, Any] = {}
    manner = Manner(timeout=300.0, patience=60.0, place=Place(Path()))

    async def main() -> None:
        crowd = Many(driver, ends.__setitem__, base_url="https://a.example")
        for number, plan in enumerate(plans):
            crowd.add(number, place_order(plan, manner), timeout=300.0)
        crowd.finish()
        await crowd.run()

    anyio.run(main, backend=backend)
    assert [State.CREATED] * 2 == [ends[number].state for number in range(2)]
    bodies = [[call.body] if isinstance(call.body, bytes) else call.body for call in world.submits]
    sent = b"".join(piece for body in bodies for piece in body)
    assert hosted.encode() in sent
    assert base64.b64encode(brought) in sent

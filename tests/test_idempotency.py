"""A service that is trusted to know a submit again: a lost answer costs one image, and gives one."""

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import attrs
import click.testing
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ledger import a_journal
from support.world import EPOCH, ID, Said, World, a_plan, accepted, completed, ended, raised

import fluxkit
from fluxkit._contract.journal import Row
from fluxkit._engine.drive import AsyncDriver, Driver
from fluxkit._engine.effects import Call, Lost, Note, Reply
from fluxkit._engine.flows import Manner, place_order
from fluxkit._engine.journal.journal import Journal, open_journal
from fluxkit._engine.notes import Notes
from fluxkit._engine.place import Place
from fluxkit._engine.recover import recover
from fluxkit._engine.submit import RESENDS, digest_of, submit
from fluxkit._wire.calls import submission
from fluxkit.cli.program import fluxkit as program
from fluxkit.errors import Charged, OutOfCredit, SettingsError, SubmissionUnknown, Unreachable
from fluxkit_mockserver import MockService
from fluxkit_mockserver.answer import Answer, Incoming
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.pictures import draw
from fluxkit_mockserver.replays import MOST_KEYS
from fluxkit_mockserver.server import Server
from fluxkit_mockserver.tasks import RETENTION
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

FLEX = "apimart:flux-2-flex"
DEADLINE = EPOCH + 1_000.0
DAY = 86_400.0
SEVERAL = '{"prompt": "a lighthouse at dusk", "n": 3}'


def buy(world: World, *, deadline: float = DEADLINE, trust: bool = True) -> Any:
    return world.run(submit(a_plan(APIMART), 0, deadline, patience=60.0, trust=trust))


def keys(world: World) -> list[str | None]:
    return [call.headers.get("idempotency-key") for call in world.submits]


def no(status: int, kind: str, **headers: str) -> Said:
    """A refusal in the service's own form."""
    return Said(status, {"error": {"code": status, "message": "No.", "type": kind}}, headers=headers)


# The submit


def test_without_trust_no_key_is_sent_and_nothing_is_sent_again() -> None:
    world = World([Lost("silence")])
    raised(lambda: buy(world, trust=False), SubmissionUnknown)
    assert [None] == keys(world)
    assert "idempotency" not in world.noted("intent")[0]


def test_a_service_that_declares_no_key_is_sent_none() -> None:
    world = World([Lost("silence")])
    raised(lambda: world.run(submit(a_plan(MAGNIFIC), 0, DEADLINE, patience=60.0, trust=True)), SubmissionUnknown)
    assert [None] == keys(world)


@pytest.mark.parametrize("lost", [1, 3, RESENDS])
def test_a_lost_answer_is_asked_for_again_with_the_same_key_and_body(lost: int) -> None:
    outcomes = [Lost("silence"), Said(502, text="<html>"), Said(504), Said(408)] * 3
    world = World([*outcomes[:lost], accepted(APIMART)])
    task, _ = buy(world)
    assert (ID, lost + 1) == (task.id, len(world.submits))
    [key] = set(keys(world))
    assert key is not None
    assert len({bytes(call.body) for call in world.submits}) == 1
    assert ["intent", "accepted"] == world.notes
    assert (key, 64) == (world.noted("intent")[0]["idempotency"], len(world.noted("intent")[0]["body"]))
    assert lost == len(world.waits)


def test_every_submit_has_a_key_of_its_own() -> None:
    assert len({keys(world)[0] for world in [World([accepted(APIMART)]) for _ in range(9)] if buy(world)}) == 9


def test_it_is_given_up_after_a_while() -> None:
    world = World(lambda *_: Lost("silence"))
    error = raised(lambda: buy(world), SubmissionUnknown)
    assert RESENDS + 1 == len(world.submits)
    assert ("unknown", "apimart") == (error.charged, error.provider)
    assert "silence" in error.message
    assert "It was sent again with its idempotency key, which settled nothing." in str(error)
    assert ["intent", "unknown"] == world.notes


def test_it_does_not_go_on_after_the_deadline() -> None:
    world = World(lambda *_: Lost("silence"))
    raised(lambda: buy(world, deadline=EPOCH + 5.0), SubmissionUnknown)
    assert 2 <= len(world.submits) < RESENDS
    assert world.lasted <= 5.0


def test_that_the_first_is_still_worked_on_is_waited_for() -> None:
    busy = no(409, "idempotency_in_progress", **{"retry-after": "40"})
    world = World([Lost("silence"), busy, busy, accepted(APIMART)])
    assert ID == buy(world)[0].id
    assert [40.0, 40.0] == world.waits[1:]


@pytest.mark.parametrize(
    "answer",
    [
        no(409, "idempotency_key_reused"),
        no(409, "something_else"),
        no(401, "authentication_error"),
        no(402, "payment_required"),
        no(400, "invalid_request_error"),
        Said(200, {"code": 200, "data": []}),
        Said(302),
        Unreachable("It was given up.", retry=False),
    ],
)
def test_what_says_nothing_of_the_first_leaves_its_fate_open(answer: Any) -> None:
    world = World([Lost("silence"), answer])
    error = raised(lambda: buy(world), SubmissionUnknown)
    assert (Charged.UNKNOWN, 2) == (error.charged, len(world.submits))
    assert ["intent", "unknown"] == world.notes


@pytest.mark.parametrize("answer", [no(429, "rate_limit_error"), Unreachable("no route"), Said(503, text="busy")])
def test_what_may_pass_is_tried_again(answer: Any) -> None:
    world = World([Lost("silence"), answer, answer, accepted(APIMART)])
    assert ID == buy(world)[0].id


def test_a_refusal_that_was_the_answer_to_the_first_is_believed() -> None:
    world = World([Lost("silence"), no(402, "payment_required", **{"idempotency-replayed": "true"})])
    error = raised(lambda: buy(world), OutOfCredit)
    assert (Charged.NO, "apimart") == (error.charged, error.provider)
    assert ["intent", "refused"] == world.notes


def test_a_mistake_of_ours_in_the_answer_leaves_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fluxkit._engine.submit.read_submit_again", lambda *_: 1 / 0)
    world = World([Lost("silence"), Said(200)])
    raised(lambda: buy(world), SubmissionUnknown)
    assert ["intent", "unknown"] == world.notes


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_submit_that_is_cancelled_between_two_tries_is_of_unknown_fate(backend: str) -> None:
    notes = Notes()

    async def main() -> None:
        world = World([Lost("silence")])

        class Slow(World):
            async def sleep_async(self, seconds: float, /) -> None:
                scope.cancel()
                await anyio.sleep(9)

        class Wire:
            async def call(self, call: Call) -> Any:
                return world.carry_out(call)

        with anyio.CancelScope() as scope:
            order = place_order(a_plan(APIMART), manner())
            await AsyncDriver(Wire(), Slow(), notes).run(order)  # type: ignore[arg-type]
        assert scope.cancelled_caught

    anyio.run(main, backend=backend)
    assert ["unknown"] == [row.state for row in notes.rows()]


def manner(**how: Any) -> Manner:
    return Manner(**{"timeout": 600.0, "patience": 60.0, "place": Place(Path("out")), "trust": True, **how})


# What a process left behind


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = a_journal(tmp_path / "journal", now=lambda: EPOCH)
    yield made
    made.writer.close()


def left_behind(journal: Journal, plan: Any = None, *, trust: bool = True) -> Row:
    """The row of a process that died before it knew the answer."""

    class Died(BaseException):
        pass

    class Dying(World):
        def call(self, call: Call) -> Reply:
            raise Died

    world = Dying()
    order = place_order(a_plan(APIMART) if plan is None else plan, manner(trust=trust))
    effect = next(order)
    while not isinstance(effect, Call):
        effect = order.send(journal.take(effect) if isinstance(effect, Note) else world.carry_out(effect))
    [row] = journal.rows()
    journal.leave([row.row])
    return row


def brought_back(journal: Journal, world: World, **how: Any) -> Any:
    flow = recover(APIMART, APIMART.base_url, manner(**how), lambda _: Place(Path("out")))
    return Driver(world, world, journal).run(flow)


def service(call: Call, _: World) -> Said:
    return accepted(APIMART) if call.buys else completed(APIMART)


def test_what_a_process_left_behind_is_asked_for_again(journal: Journal) -> None:
    row = left_behind(journal, a_plan(APIMART, n=1, aspect="16:9", webhook_url="https://hooks.example/x"))
    world = World(service)
    found = brought_back(journal, world)
    assert (1, (), ID) == (len(found.results), found.unknown, found.results[0].tasks[0].id)
    [call] = world.submits
    assert (row.idempotency, True) == (call.headers["idempotency-key"], row.token in bytes(call.body).decode())
    assert ["delivered"] == [each.state for each in journal.rows()]
    assert not brought_back(journal, World([]))


def test_one_of_several_images_is_asked_for_as_the_one_that_it_was(journal: Journal) -> None:
    row = left_behind(journal, a_plan(APIMART, n=1))
    journal.ask(lambda store: store._connection.execute("UPDATE submits SET turn = 2, asked = ?", (SEVERAL,)))
    assert 3 == journal.rows()[0].asked["n"]
    assert [ID] == [task.id for result in brought_back(journal, World(service)).results for task in result.tasks]
    assert row.idempotency


@pytest.mark.parametrize(
    "spoilt",
    [
        {"body": "0" * 64},
        {"body": None},
        {"idempotency": None},
        {"asked": '{"prompt": "another"}'},
        {"asked": '{"prompt": "a lighthouse at dusk", "options": {"nope": 1}}'},
        {"asked": '{"prompt": "a lighthouse at dusk", "references": [{"sha256": "00"}]}'},
        {"model": "flux-9"},
        {"created_at": EPOCH - DAY + 60.0},
    ],
    ids=lambda spoilt: next(iter(spoilt)),
)
def test_what_cannot_be_sent_again_as_it_was_stays_unknown(spoilt: dict[str, Any], journal: Journal) -> None:
    row = left_behind(journal)
    [(name, value)] = spoilt.items()
    if name == "model":
        draft = attrs.evolve(row.draft, model=value).to_json()
        journal.ask(lambda store: store._connection.execute("UPDATE submits SET draft = ?", (draft,)))
    else:
        journal.ask(lambda store: store._connection.execute(f"UPDATE submits SET {name} = ?", (value,)))
    world = World([])
    found = brought_back(journal, world)
    assert ([], [row.row]) == (world.submits, [each.row for each in found.unknown])


def test_what_was_not_trusted_then_or_is_not_now_stays_unknown(journal: Journal) -> None:
    left_behind(journal, trust=False)
    assert 1 == len(brought_back(journal, World([])).unknown)


def test_whoever_recovers_must_trust_too(journal: Journal) -> None:
    left_behind(journal)
    assert 1 == len(brought_back(journal, World([]), trust=False).unknown)
    assert 1 == len(brought_back(journal, World(service)).results)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (no(402, "payment_required", **{"idempotency-replayed": "true"}), "not bought"),
        (no(402, "payment_required"), "unknown"),
        (no(409, "idempotency_key_reused"), "unknown"),
    ],
)
def test_what_comes_of_it_is_noted(answer: Said, state: str, journal: Journal) -> None:
    left_behind(journal)
    found = brought_back(journal, World([answer]))
    assert ([state], state == "unknown") == ([row.state for row in journal.rows()], bool(found.unknown))


# The mock


@pytest.fixture
def mock() -> MockService:
    return MockService([APIMART, MAGNIFIC], progression="at once")


def client_of(mock: MockService, kind: Any = fluxkit.Client, **settings: Any) -> Any:
    return kind(FLEX, mock=mock, **{"idempotency": "trust", **settings})


@pytest.mark.parametrize("times", [1, 3])
def test_a_lost_answer_costs_one_image_and_gives_one(times: int, mock: MockService, tmp_path: Path) -> None:
    mock.fault("accepted-then-dropped", times=times)
    with client_of(mock) as client:
        result = client.generate("a fox", to=tmp_path)
        assert ["delivered"] == [row.state for row in client.tasks()]
    assert (1, 1) == (len(result.images), mock.billed)
    assert times + 1 == sum(each.method == "POST" for each in mock.exchanges)


def test_without_trust_it_is_bought_and_lost(mock: MockService) -> None:
    mock.fault("accepted-then-dropped", times=1)
    with client_of(mock, idempotency="off") as client:
        raised(lambda: client.generate("a fox"), SubmissionUnknown)
        assert (1, ["unknown"]) == (mock.billed, [row.state for row in client.tasks()])


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_many_lost_answers_cost_nothing_twice(backend: str, mock: MockService) -> None:
    mock.fault("accepted-then-dropped", times=7)

    async def main() -> list[Any]:
        async with client_of(mock, fluxkit.AsyncClient) as client:
            many = client.generate_many([f"fox {number}" for number in range(9)], in_flight=3, fetch=False)
            return [finished.error async for finished in many]

    assert [None] * 9 == anyio.run(main, backend=backend)
    assert 9 == mock.billed


def posted(mock: MockService, key: str | None, body: bytes = b'{"model":"flux-2-flex","prompt":"a"}') -> Answer:
    headers = {"authorization": "Bearer test", "content-type": "application/json"}
    if key is not None:
        headers["idempotency-key"] = key
    answer = mock.handle(Incoming("POST", "/apimart/v1/images/generations", {}, headers, body, "http://127.0.0.1"))
    assert isinstance(answer, Answer)
    return answer


def test_the_mock_answers_the_same_submit_as_it_did_before(mock: MockService) -> None:
    first, second, other = posted(mock, "k"), posted(mock, "k"), posted(mock, "l")
    assert first.body == second.body != other.body
    assert ["true", None] == [second.headers.get("idempotency-replayed"), first.headers.get("idempotency-replayed")]
    assert 2 == mock.billed
    assert posted(mock, None).body != posted(mock, None).body
    assert 4 == mock.billed
    mock.clock.advance(DAY)
    assert posted(mock, "k").body != first.body


def test_the_mock_refuses_a_key_that_came_with_another_body(mock: MockService) -> None:
    posted(mock, "k")
    answer = posted(mock, "k", b'{"model":"flux-2-flex","prompt":"b"}')
    assert (409, True, 1) == (answer.status, b'"type":"idempotency_key_reused"' in answer.body, mock.billed)


@pytest.mark.parametrize("key", ["", "k" * 192, "a b", "k\x7f", "schl\xfcssel"])
def test_the_mock_refuses_what_is_no_key(key: str, mock: MockService) -> None:
    assert (400, 0) == (posted(mock, key).status, mock.billed)


def test_the_mock_forgets_keys_on_reset_and_the_oldest_beyond_many(
    mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted(mock, "k")
    mock.reset()
    posted(mock, "k")
    assert 1 == mock.billed
    monkeypatch.setattr("fluxkit_mockserver.replays.MOST_KEYS", 2)
    assert 2 < MOST_KEYS
    for key in ("l", "m", "k"):
        posted(mock, key)
    assert 4 == mock.billed


def test_a_key_holds_no_task_that_is_kept_no_longer(mock: MockService) -> None:
    posted(mock, "k")
    task = weakref.ref(mock.tasks[0])
    mock.clock.advance(RETENTION + 1)
    posted(mock, None)
    gc.collect()
    assert task() is None


def test_a_503_before_a_replay_is_waited_out(mock: MockService) -> None:
    mock.fault("accepted-then-dropped", times=1)
    mock.fault("503", times=1)
    with client_of(mock) as client:
        client.submit("a fox")
    assert 1 == mock.billed


# Who trusts


@pytest.mark.parametrize("wrong", ["yes", True, 7])
def test_a_word_that_is_neither_is_named(wrong: Any) -> None:
    assert "idempotency is" in raised(lambda: fluxkit.Client(FLEX, mock=True, idempotency=wrong), SettingsError).message


def test_a_service_without_a_key_cannot_be_trusted() -> None:
    error = raised(lambda: fluxkit.Client("magnific:flux-2-klein", mock=True, idempotency="trust"), SettingsError)
    assert "magnific declares no key" in error.message
    fluxkit.Client("magnific:flux-2-klein", mock=True, idempotency="off").close()


def test_an_address_of_the_environment_is_not_trusted_by_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_APIMART_KEY", "k")
    monkeypatch.setenv("FLUXKIT_APIMART_BASE_URL", "https://resold.example")
    error = raised(lambda: fluxkit.Client(FLEX, idempotency="trust"), SettingsError)
    assert "FLUXKIT_APIMART_BASE_URL alone" in error.message
    fluxkit.Client(FLEX, idempotency="trust", base_url="https://resold.example").close()
    fluxkit.Client(FLEX).close()
    monkeypatch.setenv("FLUXKIT_APIMART_BASE_URL", "https://api.apimart.ai")
    fluxkit.Client(FLEX, idempotency="trust").close()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    for name in [name for name in os.environ if name.startswith("FLUXKIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLUXKIT_CONFIG", str(tmp_path / "user.toml"))
    monkeypatch.setenv("FLUXKIT_APIMART_KEY", "k")
    monkeypatch.chdir(tmp_path)

    def write(project: str, user: str = "") -> None:
        head = f'[profiles.hero]\nprovider = "{FLEX}"\n'
        Path("fluxkit.toml").write_text(f'default = "hero"\n{head}{project}')
        (tmp_path / "user.toml").write_text(f"{head}{user}" if user else "")

    return write


def test_trust_stands_where_the_address_stands_or_above(
    settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings('idempotency = "trust"\n')
    assert fluxkit.Client.from_settings()._trust
    assert (
        "the argument base_url says"
        in raised(lambda: fluxkit.Client.from_settings(base_url="https://resold.example"), SettingsError).message
    )
    assert fluxkit.Client.from_settings(base_url="https://resold.example", idempotency="trust")._trust
    assert fluxkit.Client.from_settings(base_url="https://api.apimart.ai/")._trust
    monkeypatch.setenv("FLUXKIT_APIMART_BASE_URL", "https://resold.example")
    error = raised(fluxkit.Client.from_settings, SettingsError)
    assert "FLUXKIT_APIMART_BASE_URL says that apimart is at https://resold.example" in error.message
    assert fluxkit.Client.from_settings(idempotency="trust")._trust
    assert not fluxkit.Client.from_settings(idempotency="off")._trust


def test_offline_nothing_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    client = fluxkit.Client(FLEX, key="k", journal="memory", idempotency="trust")
    assert client._manner().trust
    monkeypatch.setenv("FLUXKIT_OFFLINE", "1")
    assert not client._manner().trust
    client.close()


# After kill -9, over a socket

BUYER = """
import os, sys
import fluxkit
from fluxkit._engine.effects import Note

def die(note):
    if note.kind == "intent" and os.environ["WHEN"] == "before":
        os.kill(os.getpid(), 9)

client = fluxkit.Client("apimart:flux-2-flex", key="test", base_url=sys.argv[1], journal=sys.argv[2],
                        idempotency="trust", listener=die, timeout=60)
client.generate("a fox", to="fox.png")
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_after_kill_9_the_image_is_fetched_and_paid_once(when: str, tmp_path: Path) -> None:
    mock = MockService([APIMART], progression="at once", clock=WallClock())
    if when == "after":
        mock.fault("accepted-then-dropped")
    journal = tmp_path / "journal"
    with Server(mock) as server:
        base_url = server.base_url("apimart")
        buyer = subprocess.Popen(
            [sys.executable, "-c", BUYER, base_url, journal], cwd=tmp_path, env={**os.environ, "WHEN": when}
        )
        if when == "after":
            while not mock.billed and buyer.poll() is None:
                threading.Event().wait(0.01)
            buyer.send_signal(signal.SIGKILL)
        assert -signal.SIGKILL == buyer.wait(30)
        mock.unfault()
        words = ["recover", "--base-url", base_url, "--journal", str(journal), "--key-file", "-"]
        run = click.testing.CliRunner().invoke
        first = run(program, words, input="test")
        assert (6, True) == (first.exit_code, "unknown" in first.stderr)
        second = run(program, [*words, "--idempotency", "trust"], input="test")
        assert (0, str(tmp_path / "fox.png")) == (second.exit_code, second.stdout.strip())
    assert 1 == mock.billed
    open_journal(journal).writer.close()


# The law

TROUBLES = st.sampled_from(
    [
        *["accepted-then-dropped", "cut-200", "accepted-then-not-json", "gateway-503-after-accept"],
        *["503", "500", "429", "401", "402", "stale-connection"],
    ]
)


@pytest.mark.slow
@given(st.lists(TROUBLES, max_size=12))
def test_whatever_happens_to_the_answers_it_is_paid_once_and_what_is_said_is_true(troubles: list[str]) -> None:
    mock = MockService([APIMART], progression="at once")
    for trouble in troubles:
        mock.fault(trouble, times=1)
    with fluxkit.Client(FLEX, mock=mock, idempotency="trust", timeout=3_600.0) as client:
        end = ended(lambda: client.submit("a fox"))
        [row] = client.tasks()
        if isinstance(end, fluxkit.Task):
            assert (1, "created") == (mock.billed, row.state)
        elif end.charged:
            assert isinstance(end, SubmissionUnknown)
            assert (True, "unknown") == (mock.billed <= 1, row.state)
        else:
            assert (0, "not bought") == (mock.billed, row.state)
        # What is left unknown is sure once the service answers again.
        mock.unfault()
        found = client.recover()
        bought = 1 if isinstance(end, fluxkit.Task) or end.charged else 0
        assert (bought, bought, ()) == (mock.billed, len(found.results), found.unknown)


def test_of_images_that_are_read_while_they_are_sent_there_is_no_digest() -> None:
    image = fluxkit.Reference(content=draw(64, 64, prompt="a fox", seed=1))
    assert digest_of(submission(a_plan(MAGNIFIC, references=[image]), 0)) is None
    assert digest_of(submission(a_plan(MAGNIFIC), 0)) == digest_of(submission(a_plan(MAGNIFIC), 0))

"""Whoever comes back finds what was bought: after a restart, a kill at any moment, an answer that was lost."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from support.ledger import a_task
from support.world import Said, World, a_plan, accepted, complaint, completed, raised, told

import fluxkit
from fluxkit import AsyncClient, Client
from fluxkit._contract.journal import Recovered, Settled
from fluxkit._contract.task import State
from fluxkit._engine.clock import SystemClock
from fluxkit._engine.drive import Driver
from fluxkit._engine.effects import Lost
from fluxkit._engine.flows import Manner, place_order
from fluxkit._engine.journal.journal import Journal, open_journal
from fluxkit._engine.journal.writer import Writer
from fluxkit._engine.notes import Notes
from fluxkit._engine.place import Place
from fluxkit._engine.recover import recover
from fluxkit.errors import (
    ContractError,
    Rejected,
    SettingsError,
    SubmissionUnknown,
    Unauthorized,
    Unreachable,
    Unsupported,
    Vanished,
)
from fluxkit_mockserver import MockService
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import Server
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

KLEIN = "magnific:flux-2-klein"
KEY = "test"


class Hurry:
    """A clock on which nobody waits."""

    now = staticmethod(SystemClock().now)

    def sleep(self, seconds: float, /) -> None:
        """Returns at once."""

    async def sleep_async(self, seconds: float, /) -> None:
        """Returns at once."""

    def hear(self, bell: Any, seconds: float, /) -> None:
        """Returns at once."""

    async def hear_async(self, bell: Any, seconds: float, /) -> None:
        """Returns at once."""


def hurried(client: Any) -> Any:
    """The client, waiting for nothing."""
    client.__dict__["_driver"] = attrs.evolve(client._driver, clock=Hurry())
    return client


@pytest.fixture
def mock() -> MockService:
    return MockService([MAGNIFIC, FREEPIK], progression="polls", clock=WallClock())


@pytest.fixture
def there(mock: MockService, tmp_path: Path) -> Any:
    """Makes clients of the mock on a port, each with a journal as a process of its own would have it."""
    writers, clients = [], []

    def make(model: str = KLEIN, **settings: Any) -> Client:
        for writer in writers:  # those who acted before have let go of what they had in hand
            writer.ask(lambda _: None).result(9)
        base_url = server.base_url(model.partition(":")[0])
        settings = {"key": KEY, "base_url": base_url, "spool": tmp_path / "spool", **settings}
        client = hurried(Client(model, journal=tmp_path / "journal", **settings))
        writers.append(Writer(tmp_path / "journal"))
        client.__dict__["_driver"] = attrs.evolve(client._driver, notes=Journal(writers[-1]))
        clients.append(client)
        return client

    with Server(mock, drip_scale=0.001) as server:
        yield make
        for client in clients:
            client.close()
    for writer in writers:
        writer.close()


# What comes back


def test_what_a_process_submitted_another_fetches(there: Any, mock: MockService, tmp_path: Path) -> None:
    tasks = {there().submit("a fox").id, there().submit("a cat").id}
    found = there().recover(timeout=60)
    assert tasks == {task.id for result in found.results for task in result.tasks}
    images = [image for result in found.results for image in result.images]
    assert {tmp_path / "spool"} == {image.path.parent for image in images}
    assert all(image.bytes() for image in images)
    assert ((), (), (), 0, 2) == (found.running, found.errors, found.unknown, found.elsewhere, mock.billed)
    assert str(found) == "\n".join(f"fetched: {image.path}" for image in images)
    again = there().recover()
    assert (Recovered(), "nothing was left to recover") == (again, str(again))


def interrupted(client: Client, to: str | Path) -> None:
    """Buys an image, and is stopped as soon as it is bought."""

    def interrupt(note: Any) -> None:
        if note.kind == "accepted":
            raise KeyboardInterrupt

    notes = Journal(client._driver.notes.writer, interrupt)
    client.__dict__["_driver"] = attrs.evolve(client._driver, notes=notes)
    raised(lambda: client.generate("a fox", to=to), KeyboardInterrupt)


def test_an_image_goes_where_it_was_to_go_and_replaces_nothing(there: Any, tmp_path: Path) -> None:
    to = tmp_path / "here" / "fox.jpg"
    interrupted(there(), to)
    to.write_bytes(b"a later image")
    [result] = there().recover(timeout=60).results
    assert to.with_name("fox~2.jpg") == result.images[0].path
    assert b"a later image" == to.read_bytes()
    assert ["delivered"] == [row.state for row in there().tasks()]


def test_without_that_place_it_goes_to_the_spool(there: Any, tmp_path: Path) -> None:
    to = tmp_path / "gone"
    interrupted(there(), f"{to}/")
    to.rmdir()
    to.touch()
    [result] = there().recover(timeout=60).results
    assert tmp_path / "spool" == result.images[0].path.parent


def test_a_task_that_runs_on_is_said_to_run(there: Any, mock: MockService) -> None:
    mock.fault("stuck", times=1)
    task = there().submit("a fox")
    client = there()
    client.__dict__["_driver"] = attrs.evolve(client._driver, clock=Leap())
    found = client.recover(timeout=5)
    assert ([task.id], ()) == ([each.id for each in found.running], found.errors)
    assert f"still running: task {task.id}" in str(found)
    client.tasks()  # what nobody waited for is on the disk now
    assert ["running"] == [row.state for row in there().tasks()]


class Leap:
    """A clock that leaps over every wait."""

    def __init__(self) -> None:
        self.time = SystemClock().now()

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float, /) -> None:
        self.time += seconds

    def hear(self, bell: Any, seconds: float, /) -> None:
        self.time += seconds


ENDS = {
    "failed": (told(MAGNIFIC, "FAILED", reason="no"), fluxkit.Failed),
    "vanished": (complaint(MAGNIFIC, 404, "Task not found"), fluxkit.Vanished),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_task_that_ended_without_an_image_is_told_once(end: str, tmp_path: Path) -> None:
    said, kind = ENDS[end]
    journal = Journal(Writer(tmp_path / "journal"))
    manner = Manner(timeout=600.0, patience=9.0, place=Place(tmp_path))
    world = World([accepted(MAGNIFIC, "task-1"), *[said] * 50])
    driver = Driver(world, world, journal)
    driver.run(place_order(a_plan(MAGNIFIC), manner))

    def found() -> Recovered:
        return driver.run(recover(MAGNIFIC, MAGNIFIC.base_url, manner, lambda _: manner.place))

    recovered = found()
    assert [kind] == [type(error) for error in recovered.errors]
    assert f"error: {recovered.errors[0].message}" == str(recovered)
    assert recovered.to_dict()["errors"][0]["task"] == "task-1"
    assert [end] == [row.state for row in journal.rows()]
    assert Recovered() == found()
    journal.writer.close()


def test_a_place_that_cannot_be_found_costs_no_other_task(tmp_path: Path) -> None:
    journal = Journal(Writer(tmp_path / "journal"))
    manner = Manner(timeout=600.0, patience=9.0, place=Place(tmp_path))
    world = World([accepted(MAGNIFIC, "task-1"), accepted(MAGNIFIC, "task-2"), completed(MAGNIFIC)])
    driver = Driver(world, world, journal)
    for _ in range(2):
        driver.run(place_order(a_plan(MAGNIFIC), manner))

    def where(row: Any) -> Place:
        if row.draft.id == "task-1":
            raise SettingsError("Nothing can be written to /spool.")
        return manner.place

    found = driver.run(recover(MAGNIFIC, MAGNIFIC.base_url, manner, where))
    assert (1, ["task-1"]) == (len(found.results), [error.task.id for error in found.errors])
    assert ["created", "delivered"] == [row.state for row in journal.rows()]
    journal.writer.close()


def test_what_a_running_process_has_in_hand_is_left_to_it(there: Any, mock: MockService) -> None:
    first, second = there(), there()
    seen = []

    def listener(note: Any) -> None:
        if note.kind == "accepted":
            seen.append(second.recover())

    first.__dict__["_driver"] = attrs.evolve(first._driver, notes=Journal(first._driver.notes.writer, listener))
    first.generate("a fox")
    assert [Recovered(elsewhere=1)] == seen
    assert "left to the running processes that have them in hand: 1" == str(seen[0])


def test_only_this_service_is_asked_for_its_tasks(there: Any, mock: MockService) -> None:
    there().submit("a fox")
    other = there("freepik:flux-2-klein")
    assert ((), Recovered()) == (other.tasks(), other.recover())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_asynchronous_client_keeps_the_same_journal(backend: str, there: Any, tmp_path: Path) -> None:
    sync = there()
    task = sync.submit("a fox")
    sync.tasks()  # it has let go of the row

    async def main() -> Any:
        async with AsyncClient(
            KLEIN, key=KEY, base_url=sync.base_url, spool=tmp_path / "spool", journal=tmp_path / "journal"
        ) as client:
            hurried(client)
            other = await client.submit("a cat")
            return other, await client.recover(timeout=60), await client.tasks(state="delivered")

    other, found, rows = anyio.run(main, backend=backend)
    assert {task.id, other.id} == {row.task.id for row in rows}
    assert 2 == len(found.results)
    open_journal(tmp_path / "journal").writer.close()


# One look


def test_a_look_gives_the_task_as_it_is(there: Any, mock: MockService) -> None:
    client = there()
    task = client.submit("a fox")
    seen = [client.status(task).state for _ in range(5)]
    assert State.COMPLETED is seen[-1]
    assert 1 == mock.billed
    assert ["completed"] == [row.state for row in client.tasks()]


def test_a_look_that_finds_nothing_proves_nothing(there: Any) -> None:
    client = there()
    task = attrs.evolve(client.submit("a fox"), id="nobody")
    assert task == client.status(task)


def test_a_look_that_fails_keeps_the_task(there: Any, mock: MockService) -> None:
    client = there()
    task = client.submit("a fox")
    refused = raised(lambda: there(key="wrong-key-0123456789").status(task), Unauthorized)
    assert task == refused.task
    assert refused.charged
    gone = Client(KLEIN, key=KEY, base_url="http://127.0.0.1:9", journal="off")
    error = raised(lambda: gone.status(attrs.evolve(task, base_url=gone.base_url)), Unreachable)
    assert "ask again" in error.message
    assert error.retry
    assert error.charged  # the task is bought, whoever cannot be asked after it
    assert error.task.id == task.id
    client.provider = attrs.evolve(MAGNIFIC, poll=None, samples=None)
    assert "no call" in raised(lambda: client.status(task), ContractError).message


# By hand


def lost(there: Any, mock: MockService, **fields: Any) -> str:
    """The row of a submit whose answer was lost."""
    mock.fault("accepted-then-dropped", times=1)
    raised(lambda: there().submit("a fox", **fields), SubmissionUnknown)
    return there().tasks()[-1].row


def test_what_nobody_knows_is_listed_with_what_to_do(there: Any, mock: MockService) -> None:
    row = lost(there, mock)
    found = there().recover()
    assert [row] == [each.row for each in found.unknown]
    assert "--adopt TASK=ROW" in str(found)
    assert row in str(found)
    assert [row] == [each.row for each in there().tasks(state="unknown")]
    assert found.to_dict()["unknown"][0]["row"] == row
    assert 1 == mock.billed


def test_tasks_that_no_row_has_are_named_as_candidates_and_one_is_adopted_by_hand(
    there: Any, mock: MockService
) -> None:
    there().generate("a hare")
    row = lost(there, mock)
    found = there().recover()
    (task,) = found.candidates
    assert (KLEIN, str(State.CREATED)) == (f"{task.provider}:{task.model}", str(task.state))
    assert mock.charges[-1].task == task.id
    assert f"candidate: task {task.id} of {KLEIN}, CREATED" in str(found)
    assert [{"id": task.id, "state": "created", "status": "CREATED"}] == found.to_dict()["candidates"]
    assert ([row], 2) == ([each.row for each in found.unknown], mock.billed)
    there().adopt(row, task.id)
    found = there().recover()
    assert (1, (), ()) == (len(found.results), found.unknown, found.candidates)


def test_of_very_many_candidates_some_are_named() -> None:
    tasks = tuple(attrs.evolve(a_task(), id=str(number)) for number in range(300))
    lines = str(Recovered(candidates=tasks)).splitlines()
    assert 10 == sum(line.startswith("candidate: ") for line in lines)
    assert "and 290 candidates more" in lines[10]
    assert 300 == len(Recovered(candidates=tasks).to_dict()["candidates"])


@pytest.mark.parametrize(
    "said",
    [
        complaint(MAGNIFIC, 404, "Not found"),
        complaint(MAGNIFIC, 401, "Missing API key"),
        Said(document={"data": "none"}),
        Said(document={"data": []}),
        Said(200, None, "<html>"),
        Lost("The answer was lost."),
        Unreachable("Nobody is there."),
    ],
    ids=str,
)
def test_without_a_list_that_can_be_read_there_are_no_candidates_and_no_error(said: Any) -> None:
    found = recovered(said)
    assert ((), (), 1) == (found.candidates, found.errors, len(found.unknown))


def test_what_can_be_read_of_a_list_is_told() -> None:
    listed = [{"task_id": "a", "status": "NEW WORD"}, {"task_id": 7}, {"task_id": "b"}, {"status": "CREATED"}]
    found = recovered(Said(document={"data": listed}))
    assert [("a", State.RUNNING), ("b", State.RUNNING)] == [(task.id, task.state) for task in found.candidates]


def recovered(said: Any) -> Recovered:
    """What a recovery finds after a submit whose answer was lost, where the list of tasks is answered so."""
    notes, manner = Notes(), Manner(timeout=600.0, patience=9.0, place=Place(Path()))
    world = World([Lost("The answer was lost.")])
    raised(lambda: Driver(world, world, notes).run(place_order(a_plan(MAGNIFIC), manner)), SubmissionUnknown)
    world = World([said])
    return Driver(world, world, notes).run(recover(MAGNIFIC, MAGNIFIC.base_url, manner, lambda _: manner.place))


def test_a_row_is_adopted_and_fetched(there: Any, mock: MockService) -> None:
    row = lost(there, mock)
    [charge] = mock.charges
    task = there().adopt(row, charge.task)
    [result] = there().recover(timeout=60).results
    assert (task.id, charge.task) == (result.tasks[0].id, charge.task)
    assert (1, ["delivered"]) == (mock.billed, [each.state for each in there().tasks()])
    assert "nothing to settle" in raised(lambda: there().adopt(row, "x"), SettingsError).message


def test_a_row_is_bought_again_once(there: Any, mock: MockService) -> None:
    row = lost(there, mock, seed=7)
    task = there().resubmit(row)
    assert (7, 2) == (task.seed, mock.billed)
    old, new = there().tasks()
    assert ("resubmitted", None, "created", row) == (old.state, old.again, new.state, new.again)
    assert old.asked == new.asked
    raised(lambda: there().resubmit(row), SettingsError)
    assert 2 == mock.billed


def test_of_two_that_buy_again_at_once_one_does(there: Any, mock: MockService) -> None:
    """Both have read that nobody knows; the journal lets only one of them go on."""
    row = lost(there, mock)
    first, second = there(), there()
    read = second._driver.notes.rows(row=row)
    first.resubmit(row)
    second._driver.notes.__class__.rows, rows = (lambda *_, **__: read), second._driver.notes.__class__.rows
    try:
        error = raised(lambda: second.resubmit(row), SettingsError)
    finally:
        second._driver.notes.__class__.rows = rows
    assert "is resubmitted" in error.message
    assert 2 == mock.billed


@pytest.mark.parametrize("journal", ["disk", "off"])
def test_a_row_that_was_to_be_bought_again_and_was_not_is_open_as_before(
    journal: str, there: Any, mock: MockService
) -> None:
    """It may still have been bought the first time: whoever finds it in the account adopts it."""
    client = there()
    if journal == "off":
        client.__dict__["_driver"] = attrs.evolve(client._driver, notes=Notes())
    mock.fault("accepted-then-dropped", times=1)
    raised(lambda: client.submit("a fox"), SubmissionUnknown)
    [row] = [each.row for each in client.tasks()]
    inner, refusals = client._driver, World([complaint(MAGNIFIC, 401, "No.")])
    client.__dict__["_driver"] = attrs.evolve(inner, transport=refusals)
    raised(lambda: client.resubmit(row), Unauthorized)
    client.__dict__["_driver"] = inner
    assert ["unknown", "not bought"] == [each.state for each in client.tasks()]
    assert [row] == [each.row for each in client.recover().unknown]
    client.resubmit(row)
    assert ["resubmitted", "not bought", "created"] == [each.state for each in client.tasks()]
    assert 2 == mock.billed


def test_a_row_is_dismissed(there: Any, mock: MockService) -> None:
    row = lost(there, mock)
    there().dismiss(row)
    assert (Recovered(), "dismissed") == (there().recover(), there().tasks()[0].state)
    assert Settled.DISMISSED is there().tasks()[0].settled


def test_what_cannot_be_settled_says_why(there: Any, mock: MockService) -> None:
    row = lost(there, mock)
    client = there()
    assert "no row 'nothing'" in raised(lambda: client.dismiss("nothing"), SettingsError).message
    assert "row is 7" in raised(lambda: client.dismiss(7), SettingsError).message
    assert "id is ' '" in raised(lambda: client.adopt(row, " "), SettingsError).message
    assert "of magnific" in raised(lambda: there("freepik:flux-2-klein").dismiss(row), SettingsError).message
    assert "flux-2-pro" in raised(lambda: there("magnific:flux-2-pro").resubmit(row), SettingsError).message
    assert "state is 'lost'" in raised(lambda: client.tasks(state="lost"), SettingsError).message
    client.submit("a cat")
    known = client.tasks()[-1]
    assert "known to be task" in raised(lambda: client.adopt(known.row, "x"), SettingsError).message
    asked = {"prompt": "a", "references": [{"size": 3, "sha256": "00"}]}
    client._driver.notes.writer.ask(
        lambda store: store._connection.execute("UPDATE submits SET asked = ?", (json.dumps(asked),))
    ).result(9)
    assert "digest" in raised(lambda: client.resubmit(row), Unsupported).message
    assert 2 == mock.billed


def test_a_row_that_was_adopted_as_a_task_that_there_is_none_of_can_be_settled_again(
    there: Any, mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever copies an id may copy it wrong, and the image is paid all the same."""
    monkeypatch.setattr("fluxkit._engine.follow.VANISHED_SECONDS", 0.0)
    row = lost(there, mock)
    there().adopt(row, "nonsense")
    assert isinstance(there().recover().errors[0], Vanished)
    assert "vanished" == there().tasks()[0].state
    mock.fault("400", times=1)
    raised(lambda: there().resubmit(row), Rejected)  # it stays open for whoever is refused
    there().adopt(row, mock.charges[0].task)
    assert 1 == len(there().recover().results)
    assert (["delivered", "not bought"], 1) == ([each.state for each in there().tasks()], mock.billed)
    assert "nothing to settle" in raised(lambda: there().adopt(row, "another"), SettingsError).message


@pytest.mark.parametrize("backend", ["blocking", "asyncio", "trio"])
def test_a_task_is_adopted_for_one_row_only(backend: str, there: Any, mock: MockService, tmp_path: Path) -> None:
    first, second = lost(there, mock), lost(there, mock)
    bought = mock.charges[0].task
    there().adopt(first, bought)

    async def adopt() -> None:
        base_url = there().base_url
        async with AsyncClient(KLEIN, key=KEY, base_url=base_url, journal=tmp_path / "journal") as client:
            await client.adopt(second, f" {bought} ")

    def adopt_again() -> Any:
        return there().adopt(second, bought) if backend == "blocking" else anyio.run(adopt, backend=backend)

    assert f"that of the row {first} already" in raised(adopt_again, SettingsError).message
    assert ["created", "unknown"] == [row.state for row in there().tasks()]


# Killed at any moment

ZYGOTE = """
import itertools, os, random, signal, sys, time
from pathlib import Path
from fluxkit import Client, FluxError
from test_recover import KLEIN, KEY, hurried

base_url, place, seed, runs = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
luck = random.Random(seed)


def a_client():
    return hurried(Client(KLEIN, key=KEY, base_url=base_url, spool=place / "spool", journal=place / "journal"))


def works(number):
    client = a_client()
    while True:
        client.generate(f"a fox {number}", n=luck.choice([1, 1, 2]))
        client.wait(client.submit(f"a cat {number}"))


def recovers(_):
    client = a_client()
    found = client.recover(timeout=60)
    assert not found.errors and not found.running and not found.elsewhere, str(found)
    client.close()


def goes_on(number):
    # It comes back to what others have bought, too, and takes no error for an end.
    client, turns = a_client(), itertools.count()
    while True:
        try:
            match luck.randrange(4):
                case 0:
                    client.recover(timeout=5)
                case 1:
                    client.submit(f"a cat {number}-{next(turns)}", seed=7)
                case _:
                    client.generate(f"a fox {number}-{next(turns)}", seed=7, n=luck.choice([1, 2]), timeout=20)
        except FluxError:
            pass


def begun(run, number):
    pid = os.fork()
    if pid == 0:
        luck.seed(f"{seed} {number}")
        try:
            run(number)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return pid


def ended(pid, patience=None):
    if patience is not None:
        time.sleep(patience)
        os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


a_client().tasks()  # all that is imported once need not be imported by the children
if sys.argv[5] == "alone":
    for number in range(runs):
        assert signal.SIGKILL == ended(begun(works, number), luck.uniform(0.06, 0.3))
        assert 0 == ended(begun(recovers, number))
else:
    pair = [begun(goes_on, -1), begun(goes_on, -2)]
    for number in range(runs):
        whose = luck.randrange(2)
        assert signal.SIGKILL == ended(pair[whose], luck.uniform(0.02, 0.3))
        pair[whose] = begun(goes_on, number)
    for pid in pair:
        assert signal.SIGKILL == ended(pid, 0.1)
"""


def kill(server: Server, tmp_path: Path, *, runs: int, seed: int, how: str) -> None:
    """Lets processes work on one journal, and kills them so often."""
    done = subprocess.run(
        [sys.executable, "-c", ZYGOTE, server.base_url("magnific"), str(tmp_path), str(seed), str(runs), how],
        cwd=Path(__file__).parent,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    assert (0, "") == (done.returncode, done.stderr)


def killed(mock: MockService, tmp_path: Path, *, runs: int, seed: int) -> None:
    with Server(mock) as server:
        kill(server, tmp_path, runs=runs, seed=seed, how="alone")
    journal = Journal(Writer(tmp_path / "journal"))
    rows = journal.rows()
    journal.writer.close()
    assert {"delivered", "unknown", "not bought"} >= {row.state for row in rows}
    billed = [charge.task for charge in mock.charges]
    delivered = [row.draft.id for row in rows if row.state == "delivered"]
    unknown = [row for row in rows if row.state == "unknown"]
    assert len(billed) == len(set(billed))
    assert len(delivered) == len(set(delivered))
    assert set(delivered) <= set(billed)
    # What was billed and not delivered was on its way when the process was killed; there it is listed, one a kill.
    assert len(set(billed) - set(delivered)) <= len(unknown) <= 2 * runs
    assert len(rows) >= runs
    assert all(image.path.stat().st_size == image.size for row in rows for image in row.images)
    assert all(row.images for row in rows if row.state == "delivered")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_whoever_is_killed_at_any_moment_pays_once_and_loses_nothing(mock: MockService, tmp_path: Path) -> None:
    killed(mock, tmp_path, runs=20, seed=20260)


@pytest.mark.deep
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("seed", range(5))
def test_whoever_is_killed_often_pays_once_and_loses_nothing(mock: MockService, tmp_path: Path, seed: int) -> None:
    killed(mock, tmp_path, runs=100, seed=seed)


class Ledger(MockService):
    """A mock that counts what was bought by what was asked for: every submit of the test asks for something else."""

    def __init__(self) -> None:
        super().__init__([MAGNIFIC], progression="polls", clock=WallClock())
        self.bought: Counter[tuple[str, int]] = Counter()

    def handle(self, call: Any) -> Any:
        before = self.billed
        answer = super().handle(call)
        if self.billed > before:
            body = json.loads(call.body)
            self.bought[body["prompt"], body["seed"]] += 1
        return answer


#: What passes, what may have been bought, and what is no image; none of them takes time.
PLAGUES = (
    *("503", "500", "accepted-then-dropped", "gateway-503-after-accept", "cut-200", "accepted-then-not-json"),
    *("fail", "poll-503", "poll-dropped", "cut-poll", "not-json", "status-goes-back", "unknown-status", "poll-404"),
    *("expired-link", "link-503", "truncated-image", "cut-image"),
)


def killed_in_pairs(tmp_path: Path, *, runs: int, seed: int) -> None:
    mock = Ledger()
    for plague in PLAGUES:
        mock.fault(plague, rate=0.04)
    with Server(mock) as server:
        kill(server, tmp_path, runs=runs, seed=seed, how="in pairs")
        mock.unfault()
        place = {"spool": tmp_path / "spool", "journal": tmp_path / "journal"}
        with hurried(Client(KLEIN, key=KEY, base_url=server.base_url("magnific"), **place)) as client:
            while (left := client.recover(timeout=60)).results:
                pass
            rows = client.tasks()
    open_journal(tmp_path / "journal").writer.close()
    found = Counter(row.state for row in rows)
    assert {"delivered", "unknown", "not bought", "failed"} >= found.keys()
    assert 1 == max(mock.bought.values()), "something was bought twice"
    asked = {(row.asked["prompt"], row.draft.seed): row for row in rows}
    assert len(rows) == len(asked)
    accepted = {what for what, row in asked.items() if row.state in ("delivered", "failed")}
    unknown = {what for what, row in asked.items() if row.state == "unknown"}
    # All that was billed is had, or has failed, or is listed; and nothing else is said to be bought.
    assert accepted <= mock.bought.keys() <= accepted | unknown
    assert {row.row for row in left.unknown} == {row.row for row in rows if row.state == "unknown"}
    assert found["delivered"] >= runs
    assert all(image.path.stat().st_size == image.size for row in rows for image in row.images)
    assert all(row.images for row in rows if row.state == "delivered")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(
    ("runs", "seed"), [(10, 1), *(pytest.param(100, seed, marks=pytest.mark.deep) for seed in range(2, 5))]
)
def test_two_that_are_killed_under_faults_pay_once_and_lose_nothing(tmp_path: Path, runs: int, seed: int) -> None:
    killed_in_pairs(tmp_path, runs=runs, seed=seed)

"""Waiters in other processes: what one process has proved of a task wakes those who wait for it in another."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx
import pytest
from support.ledger import a_journal, an_intent

import fluxkit
import fluxkit.webhooks
from fluxkit import Client
from fluxkit._contract.task import State, Task
from fluxkit._engine.crowd import Crowd, Member
from fluxkit._engine.effects import Note
from fluxkit._engine.journal.journal import Journal, open_journal
from fluxkit._engine.journal.lookout import Lookout
from fluxkit._engine.journal.writer import Writer
from fluxkit._engine.mailbox import Mailbox
from fluxkit_mockserver import MockService, Server, WallClock
from fluxkit_providers.magnific import MAGNIFIC

KLEIN = "magnific:flux-2-klein"
SECRET = "whsec_Zmx1eGtpdCBtb2NrIHdlYmhvb2tz"

#: How long in seconds anything may take on the slowest machine; a test that reaches it has failed.
PATIENCE = 60.0

WAITS = """
import sys
import fluxkit

base_url, journal = sys.argv[1:]
task = fluxkit.Task.from_json(sys.stdin.readline())
with fluxkit.Client("magnific:flux-2-klein", key="test", base_url=base_url, journal=journal) as client:
    try:
        print(len(client.wait(task, fetch=False, timeout=3600).images))
    except fluxkit.FluxError as error:
        print(type(error).__name__)
"""


def webhook(client: Client, task: Task, status: str) -> int:
    """What the receiver of a client answers to a webhook that the service has signed."""
    raw = json.dumps({"task_id": task.id, "status": status, "generated": []}).encode()
    headers = MAGNIFIC.webhook.signature.sign(SECRET, raw, id=f"msg_{status}", at=time.time())

    async def post() -> int:
        transport = httpx.ASGITransport(fluxkit.webhooks.receiver(client))
        async with httpx.AsyncClient(transport=transport, base_url="https://app.example") as http:
            return (await http.post("/hooks/", content=raw, headers=dict(headers))).status_code

    return anyio.run(post)


@pytest.mark.slow
@pytest.mark.parametrize(("status", "says"), [("FAILED", "Failed\n"), ("COMPLETED", "1\n")])
def test_a_webhook_that_one_process_takes_ends_the_wait_of_another(status: str, says: str, tmp_path: Path) -> None:
    mock = MockService([MAGNIFIC], clock=WallClock(), durations=lambda _: 100_000.0)
    journal = tmp_path / "journal"
    with Server(mock) as server:
        base_url = server.base_url("magnific")
        here = {"key": "test", "base_url": base_url, "journal": journal, "webhook_secret": SECRET}
        with Client(KLEIN, **here) as client:
            task = client.submit("a fox")
            process = subprocess.Popen(
                [sys.executable, "-c", WAITS, base_url, str(journal)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "FLUXKIT_CONFIG": os.devnull},
            )
            with process:
                try:
                    assert process.stdin is not None
                    process.stdin.write(f"{task.to_json()}\n")
                    process.stdin.flush()
                    while not (polls := len(mock.exchanges) - 1):
                        threading.Event().wait(0.01)
                    if status == "COMPLETED":
                        mock._works.tasks[task.id].duration = 0.0
                    assert 200 == webhook(client, task, status)
                    said, _ = process.communicate(timeout=PATIENCE)
                finally:
                    process.kill()
            assert says == said
            assert len(mock.exchanges) - 1 <= polls + 3  # those whose time had come, and the one that was due anyway
            [row] = client.tasks()
            assert status.lower() in (row.state, str(row.draft.state))
    open_journal(journal).writer.close()


# On two writers of one process, which are two owners as two processes are


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("fluxkit._engine.journal.writer.LOOK", 0.02)
    return tmp_path / "journal"


class Both:
    """Who waits, and who hears."""

    def __init__(self, path: Path) -> None:
        self.waits, self.hears = a_journal(path), Journal(Writer(path))
        self.mailbox = Mailbox()
        self.row = self.waits.take(an_intent())
        self.task = attrs.evolve(an_intent().entry["draft"], id="task-1", state=State.CREATED)
        self.waits.take(Note("accepted", {"row": self.row, "task": self.task}))
        self.waits.attend(self.mailbox, self.task.provider, self.task.base_url)

    def ends(self, state: State) -> None:
        task = attrs.evolve(self.task, state=state, status=str(state))
        self.hears.take(Note("state", {"task": task, "progress": None, "problems": ()}))
        self.hears.rows()  # it is on the disk now

    def close(self) -> None:
        self.waits.writer.close()
        self.hears.writer.close()


@pytest.mark.parametrize(("state", "sure"), [(State.FAILED, True), (State.CANCELLED, True), (State.COMPLETED, False)])
def test_what_another_has_noted_wakes_who_waits(state: State, sure: bool, path: Path) -> None:
    both = Both(path)
    with both.mailbox.listening(["task-1"], 0.0) as bell:
        both.ends(state)
        bell.wait(PATIENCE)
    assert bell.rung
    found = both.mailbox.take(["task-1"], both.waits.writer.now())
    assert found is not None
    name, seen = found
    assert ("task-1", sure) == (name, seen is not None)
    assert not sure or seen.state is state
    both.close()


def test_nobody_looks_for_whom_nobody_waits(path: Path) -> None:
    both = Both(path)
    assert set() == both.waits.writer._lookouts
    with both.mailbox.listening(["task-1"], 0.0):
        [lookout] = both.waits.writer._lookouts
        assert ("task-1",) == lookout.tasks
        with both.mailbox.listening(["task-2"], 0.0):
            assert {"task-1", "task-2"} == set(lookout.tasks)
            assert {lookout} == both.waits.writer._lookouts
    assert () == lookout.tasks
    both.waits.writer._looked -= PATIENCE
    both.waits.rows()
    both.waits.rows()  # between the two it was time to look
    assert set() == both.waits.writer._lookouts
    both.close()


def test_what_goes_on_or_is_of_another_service_wakes_nobody(path: Path) -> None:
    both = Both(path)
    both.ends(State.RUNNING)
    both.ends(State.VANISHED)

    def ended(tasks: Any, provider: str = both.task.provider) -> Any:
        return both.waits.ask(lambda store: store.ended(tasks, provider=provider, base_url=both.task.base_url))

    assert [] == ended(["task-1"])
    both.ends(State.FAILED)
    assert [] == ended(["task-1"], "apimart") == ended([])
    assert ["task-1"] == [row.task_id for row in ended([*map(str, range(1200)), "task-1"])]
    both.close()


def test_a_file_that_cannot_be_read_wakes_nobody_and_ends_nothing(path: Path) -> None:
    both = Both(path)
    both.close()
    path.write_bytes(b"no journal of anybody")
    for more in path.parent.glob("journal-*"):
        more.unlink()
    with both.mailbox.listening(["task-1"], 0.0) as bell:
        both.waits.writer._looked -= PATIENCE
        bell.wait(0.1)
    assert not bell.rung
    both.waits.writer.close()


def test_a_crowd_names_all_for_whom_it_waits() -> None:
    crowd, mailbox = Crowd(), Mailbox()
    heard: list[int] = []
    mailbox.beside = lambda: heard.append(1)
    member = Member(0, iter(()), 9.0)  # type: ignore[arg-type]
    crowd.name(member, Task("a", "b", "task-1", "c"))
    with mailbox.watching(lambda _: None, lambda: crowd.names):
        assert (("task-1",), [1]) == (mailbox.awaited, heard)
    assert () == mailbox.awaited
    assert Lookout(mailbox, "a", "c") == Lookout(mailbox, "a", "c")

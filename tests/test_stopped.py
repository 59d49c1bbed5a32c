"""Whoever is told to stop does so at once, and leaves in order what was bought: on event loops, and as a process."""

import asyncio
import json
import os
import signal
import subprocess
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
from support.rawserver import Heard, Peer, RawServer, http

from fluxkit import AsyncClient, Client
from fluxkit._contract.journal import Row
from fluxkit._engine.drive import SHELTER
from fluxkit._engine.effects import Claim
from fluxkit._engine.journal.journal import Journal, open_journal
from fluxkit._engine.journal.writer import Writer
from fluxkit.cli.output import Code
from fluxkit.cli.stop import Terminated, terminable
from fluxkit_mockserver import MockService, Server, WallClock
from fluxkit_providers.magnific import MAGNIFIC

FLUXKIT = str(Path(sysconfig.get_path("scripts"), "fluxkit"))
KLEIN = "magnific:flux-2-klein"
ID = "046b6c7f-0b8a-43b9-b35d-6489e6daee91"

#: How long in seconds anything may take on the slowest machine; a test that reaches it has failed.
PATIENCE = 60.0


def said(status: str, *links: str) -> bytes:
    document = {"data": {"task_id": ID, "status": status, "generated": list(links), "error": None}}
    return http(body=json.dumps(document).encode())


class Silence:
    """A service that takes what it is sent, and at one moment says nothing more."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.reached = threading.Event()

    def __call__(self, peer: Peer) -> None:
        while (heard := peer.hear()) is not None:
            moment = self.moment(heard)
            if moment == self.at:
                self.reached.set()
                peer.hang()
                return
            host = heard.headers["host"]
            peer.say(said("CREATED") if moment == "submit" else said("COMPLETED", f"http://{host}/image.jpg"))

    @staticmethod
    def moment(heard: Heard) -> str:
        if heard.method == "POST":
            return "submit"
        return "fetch" if heard.target.endswith(".jpg") else "poll"


@contextmanager
def silent(at: str) -> Iterator[tuple[str, Silence]]:
    script = Silence(at)
    with RawServer(script) as server:
        yield server.url, script


#: How the row stands when the client was stopped at a moment.
LEFT = {"submit": "unknown", "poll": "created", "fetch": "completed"}


def rows(path: Path) -> tuple[Row, ...]:
    return open_journal(path).rows()


# On event loops


async def by_hand(call: Callable[[], Any], reached: threading.Event) -> None:
    """A task of asyncio that is cancelled."""
    task = asyncio.ensure_future(call())
    await asyncio.to_thread(reached.wait, PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_timeout(call: Callable[[], Any], reached: threading.Event) -> None:
    """A timeout of asyncio that is over."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as timeout:

            async def end() -> None:
                await asyncio.to_thread(reached.wait, PATIENCE)
                timeout.reschedule(asyncio.get_running_loop().time())

            ender = asyncio.ensure_future(end())
            await call()
    await ender


async def by_scope(call: Callable[[], Any], reached: threading.Event) -> None:
    """A cancel scope of trio."""
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await trio.to_thread.run_sync(reached.wait, PATIENCE)
            scope.cancel()
    assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("backend", "stop"),
    [("asyncio", by_hand), ("asyncio", by_timeout), ("trio", by_scope)],
    ids=["asyncio-task", "asyncio-timeout", "trio-scope"],
)
@pytest.mark.parametrize("at", LEFT)
def test_a_client_that_is_cancelled_leaves_its_row_as_it_is_known_and_free(
    at: str, backend: str, stop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fluxkit._engine.drive.SHELTER", SHELTER / 10)  # for so long a submit is waited for
    journal = tmp_path / "journal"

    async def run(url: str, reached: threading.Event) -> None:
        settings = {"key": "test", "base_url": url, "journal": journal, "spool": tmp_path / "spool"}
        async with AsyncClient(KLEIN, **settings) as client:
            await stop(lambda: client.generate("a fox"), reached)

    with silent(at) as (url, script):
        anyio.run(run, url, script.reached, backend=backend)
    [row] = rows(journal)
    assert LEFT[at] == row.state
    assert not list(tmp_path.glob("spool/*"))  # no half of an image either
    open_journal(journal).writer.close()
    another = Journal(Writer(journal))
    claimed = another.claim(Claim("magnific", row.base_url))
    another.leave([each.row for each in claimed.taken])
    another.writer.close()
    known = (at != "submit", at == "submit", 0)
    assert known == (bool(claimed.taken), bool(claimed.unknown), claimed.elsewhere)


# Processes


@contextmanager
def running(tmp_path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, with a journal of its own, which is gone at the end."""
    names = {name: value for name, value in os.environ.items() if not name.startswith("FLUXKIT_")}
    env = {**names, "FLUXKIT_CONFIG": os.devnull, "FLUXKIT_MAGNIFIC_KEY": "test"}
    env["XDG_STATE_HOME"] = str(tmp_path / "state")
    process = subprocess.Popen(
        [FLUXKIT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=tmp_path
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def state_of(tmp_path: Path) -> list[str]:
    return [row.state for row in rows(tmp_path / "state" / "fluxkit" / "journal.sqlite")]


SIGNALS = [(signal.SIGINT, "interrupted", Code.INTERRUPTED), (signal.SIGTERM, "terminated", Code.TERMINATED)]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "word", "code"), SIGNALS, ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    ("at", "says", "advises"),
    [
        ("submit", "may have been bought: 1", "says what to do; running the command again may buy another image"),
        ("poll", f"still running or not fetched, and billed: task {ID}", "fetches it; running the command again buys"),
    ],
)
def test_a_command_that_is_told_to_stop_says_what_was_bought(
    at: str, says: str, advises: str, number: int, word: str, code: Code, tmp_path: Path
) -> None:
    with (
        silent(at) as (url, script),
        running(tmp_path, "generate", "a fox", "-p", KLEIN, "--base-url", url) as process,
    ):
        assert script.reached.wait(PATIENCE)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=PATIENCE)
    *_, what, advice = stderr.splitlines()
    assert (code, f"error: {word}; {says}") == (process.returncode, what)
    assert advice.startswith(f"fluxkit recover --base-url {url} {advises}")
    assert [LEFT[at]] == state_of(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "word", "code"), SIGNALS, ids=["SIGINT", "SIGTERM"])
def test_a_recovery_that_is_told_to_stop_is_gone_on_with(number: int, word: str, code: Code, tmp_path: Path) -> None:
    mock = MockService([MAGNIFIC], progression="polls", clock=WallClock())
    mock.fault("stuck", times=1)
    with Server(mock) as server:
        base_url = server.base_url("magnific")
        journal = tmp_path / "state" / "fluxkit" / "journal.sqlite"
        with Client(KLEIN, key="test", base_url=base_url, journal=journal) as client:
            task = client.submit("a fox")
        open_journal(journal).writer.close()
        with running(tmp_path, "recover", "--base-url", base_url) as process:
            while not any(each.method == "GET" for each in mock.exchanges) and process.poll() is None:
                threading.Event().wait(0.01)
            process.send_signal(number)
            _, stderr = process.communicate(timeout=PATIENCE)
        said, advice = stderr.splitlines()
        assert (code, True) == (process.returncode, said.startswith(f"error: {word}; "))
        assert "fluxkit recover goes on where this has ended" in advice
        mock._works.tasks[task.id].stuck = False
        with running(tmp_path, "recover", "--base-url", base_url) as process:
            stdout, _ = process.communicate(timeout=PATIENCE)
    assert (0, True) == (process.returncode, Path(stdout.strip()).is_file())
    assert (1, ["delivered"]) == (mock.billed, state_of(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_mock_ends_properly_by_either_signal(number: int, tmp_path: Path) -> None:
    with running(tmp_path, "mock", "--port", "0") as process:
        assert process.stderr is not None
        assert "serving until Ctrl-C" in process.stderr.readline()
        process.send_signal(number)
        _, stderr = process.communicate(timeout=PATIENCE)
    assert (0, "stopped; the mock has billed 0\n") == (process.returncode, stderr)


# The handler


def test_a_second_sigterm_changes_nothing_and_afterwards_all_is_as_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), terminable():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
    assert before is signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_who_has_a_handler_keeps_it() -> None:
    heard = []
    signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    try:
        with terminable():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert [1] == heard


def test_another_thread_hears_no_signals() -> None:
    found: list[Any] = []

    def work() -> None:
        with terminable():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [signal.SIG_DFL] == found


def test_the_library_has_no_handler_of_its_own(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Client(KLEIN, mock=True) as client:
        client.generate("a fox", to=tmp_path / "x.jpg")
        assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

"""The journal: what is bought is on the disk before and after that, and a journal that cannot be kept says so."""

import functools
import hashlib
import json
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ledger import Wall, a_journal, a_task, an_intent, fetched, note
from support.world import AsyncWorld, Said, World, a_plan, accepted, complaint, completed, raised

import fluxkit
from fluxkit._contract.amount import Amount
from fluxkit._contract.journal import Row, Settled
from fluxkit._contract.task import State
from fluxkit._engine import books, process
from fluxkit._engine.books import applied, asked, begun, new_row, place_of, request_of
from fluxkit._engine.drive import AsyncDriver, Driver
from fluxkit._engine.effects import Claim, Note
from fluxkit._engine.flows import Manner, generate, place_order
from fluxkit._engine.journal import journal as door
from fluxkit._engine.journal import places, schema, writer
from fluxkit._engine.journal.desk import Desk
from fluxkit._engine.journal.journal import Journal, open_journal
from fluxkit._engine.journal.owner import Owner
from fluxkit._engine.journal.record import COLUMNS, changes, new_line
from fluxkit._engine.journal.session import Session
from fluxkit._engine.journal.store import LEASE, Store
from fluxkit._engine.journal.writers import writer_at
from fluxkit._engine.notes import Notes
from fluxkit._engine.place import Place
from fluxkit.errors import Charged, JournalUnavailable, SettingsError, Unreachable
from fluxkit_mockserver.pictures import draw
from fluxkit_providers.magnific import MAGNIFIC

BACKENDS = ["asyncio", "trio"]
HERE = Claim("magnific", "https://api.magnific.com")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = a_journal(path)
    yield journal
    journal.writer.close()


def states(journal: Journal) -> list[str]:
    return [row.state for row in journal.rows()]


# What is kept


def test_a_row_tells_the_whole_story(journal: Journal, tmp_path: Path) -> None:
    plan = a_plan(
        MAGNIFIC,
        seed=5,
        n=2,
        aspect="16:9",
    )
    plan = attrs.evolve(plan, price=Decimal("0.09"))
    row = journal.take(an_intent(plan, turn=1, place=Place(tmp_path, "fox.png", 1)))
    [before] = journal.rows()
    assert (row, "intent", None, "0.045 USD", 1) == (
        before.row,
        before.state,
        before.task,
        before.price,
        before.turn,
    )
    assert {"prompt": "a lighthouse at dusk", "aspect": "16:9", "seed": 5, "n": 2} == before.asked
    assert Place(tmp_path, "fox.png", 1, gives_way=True) == place_of(before)
    assert 6 == before.draft.seed

    task = a_task(seed=6)
    journal.take(note("accepted", row, task=task))
    done = attrs.evolve(task, state=State.COMPLETED, status="COMPLETED")
    journal.take(note("state", task=done, progress=None, problems=()))
    journal.take(fetched(done, tmp_path / "fox-2.png", "ab"))
    journal.take(note("delivered", task=done, cost=Decimal("0.05")))
    [after] = journal.rows()
    assert ("delivered", done, "0.05 USD") == (after.state, after.task, after.cost)
    assert [(tmp_path / "fox-2.png", "ab", 3)] == [attrs.astuple(image) for image in after.images]
    assert before.created_at == after.created_at <= after.updated_at == after.delivered_at
    assert json.dumps(after.to_dict())
    assert "task-1" in str(after)


def test_a_task_that_failed_says_so(journal: Journal) -> None:
    row = journal.take(an_intent())
    journal.take(note("accepted", row, task=a_task()))
    journal.take(note("state", task=a_task(state=State.REFUSED), progress=None, problems=()))
    assert ["refused"] == states(journal)
    assert not journal.rows()[0].owing


@pytest.mark.parametrize(("kind", "state"), [("refused", "not bought"), ("unknown", "unknown")])
def test_why_it_was_not_accepted_is_kept(kind: str, state: str, journal: Journal) -> None:
    row = journal.take(an_intent())
    journal.take(note(kind, row, error="The service said no."))
    [kept] = journal.rows()
    assert (state, "The service said no.") == (kept.state, kept.why)


def test_what_is_known_for_certain_is_not_undone_by_what_comes_late(journal: Journal) -> None:
    row = journal.take(an_intent())
    journal.take(note("unknown", row, error="Silence."))
    journal.take(note("accepted", row, task=a_task()))
    journal.take(note("unknown", row, error="Silence."))
    journal.take(note("refused", row, error="No."))
    assert ["created"] == states(journal)
    journal.take(note("state", task=a_task(state=State.COMPLETED), progress=None, problems=()))
    journal.take(note("state", task=a_task(state=State.RUNNING), progress=None, problems=()))
    journal.take(note("strange", row))
    assert ["completed"] == states(journal)


def test_a_note_of_a_task_that_is_not_in_the_journal_makes_no_row(journal: Journal) -> None:
    assert "" == journal.take(note("state", task=a_task(), progress=None, problems=()))
    assert () == journal.rows()


def test_names_of_rows_sort_by_time_and_are_never_the_same() -> None:
    names = [new_row(1.0 + second) for second in range(100)]
    assert names == sorted(names)
    assert 1000 == len({new_row(1.0) for _ in range(1000)})
    assert {26} == set(map(len, names))


def test_of_a_reference_only_its_digest_or_its_address_is_kept() -> None:
    image = draw(64, 64, prompt="a", seed=1)
    request = fluxkit.Request("a", references=[image, "https://u:p@a.example/b.png?sig=1", "https://a.example/c.png"])
    kept = asked(request)
    first, second, third = kept["references"]
    assert len(image) == first["size"]
    assert 64 == len(first["sha256"])
    assert {"url": "https://a.example/b.png", "cut": True} == second
    assert {"url": "https://a.example/c.png"} == third
    assert len(json.dumps(kept)) < 500


def test_of_a_file_its_name_and_its_digest_are_kept(tmp_path: Path) -> None:
    image = draw(64, 64, prompt="a", seed=1)
    (tmp_path / "a.png").write_bytes(image)
    file = SimpleNamespace(url=None, content=None, file=tmp_path / "a.png")
    whole = {"name": str(file.file), "size": len(image), "sha256": hashlib.sha256(image).hexdigest()}
    assert whole == books._cited(file)
    file.file.unlink()
    assert {"name": str(file.file)} == books._cited(file)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"guidance": 3.5, "style": {"name": "x", "on": [True, None]}}, True),
        ({"image": "x" * 20_000}, False),
        ({"image": b"content"}, False),
        ({"webhook_secret": "hush-hush"}, False),
    ],
)
def test_what_can_be_asked_again_is_what_was_kept_whole(options: Any, kept: bool) -> None:
    request = fluxkit.Request("a", seed=4, n=1, options=options)
    row = Row("1", a_task(seed=4), asked=json.loads(json.dumps(asked(request))))
    assert (request if kept else None) == request_of(row)
    assert len(json.dumps(row.asked)) < 300
    assert "hush-hush" not in json.dumps(row.asked)


def test_a_row_of_several_is_asked_again_for_itself() -> None:
    request = fluxkit.Request("a", seed=4, n=3, size=(1024, 768), references=["https://a.example/c.png"])
    row = Row("1", a_task(seed=6), asked=json.loads(json.dumps(asked(request))))
    assert attrs.evolve(request, seed=6, n=1) == request_of(row)
    image = fluxkit.Request("a", references=[draw(64, 64, prompt="a", seed=1)])
    assert None is request_of(attrs.evolve(row, asked=asked(image)))
    assert None is place_of(row)


def test_rows_are_found_by_what_they_are(journal: Journal) -> None:
    first, second = journal.take(an_intent()), journal.take(an_intent())
    journal.take(note("unknown", first, error="Silence."))
    assert [first] == [row.row for row in journal.rows(state="unknown", provider="magnific")]
    assert [second] == [row.row for row in journal.rows(row=second)]
    assert () == journal.rows(base_url="https://b.example")


def test_an_amount_is_kept_with_its_currency() -> None:
    euros = SimpleNamespace(number=Decimal("0.10"), currency="EUR")
    assert "0.033333333333 EUR" == books._money(euros, among=3)
    assert ("0.10 USD", None) == (books._money(Decimal("0.10")), books._money(None))


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_of_no_row_is_only_told(backend: str, path: Path) -> None:
    heard: list[str] = []
    journal = a_journal(path, listener=lambda told: heard.append(told.kind))
    uploaded = note("uploaded", url="https://a.example/b.png", reference=object())
    assert "" == journal.take(uploaded) == anyio.run(journal.take_async, uploaded, backend=backend)
    assert ["uploaded"] * 2 == heard
    assert not path.exists()
    notes = Notes()
    notes.take(uploaded)
    assert [{"url": "https://a.example/b.png"}] == [kept.entry for kept in notes.kept]


# Who is told, and when


def test_a_listener_hears_of_a_note_that_is_on_the_disk(path: Path) -> None:
    heard = []

    def listener(told: Note) -> None:
        heard.append((told.kind, states(Journal(journal.writer))))
        raise RuntimeError("a listener's mistake")

    journal = a_journal(path, listener=listener)
    row = journal.take(an_intent())
    journal.take(note("accepted", row, task=a_task()))
    assert [("intent", ["intent"]), ("accepted", ["created"])] == heard
    journal.writer.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_both_ways_write_the_same(backend: str, path: Path) -> None:
    heard: list[str] = []
    journal = a_journal(path, listener=lambda told: heard.append(told.kind))

    async def main() -> tuple[str, Any, Any]:
        row = await journal.take_async(an_intent())
        await journal.take_async(note("accepted", row, task=a_task()))
        journal.leave([row])
        return row, await journal.rows_async(), await journal.claim_async(HERE)

    row, rows, claimed = anyio.run(main, backend=backend)
    assert [row] == [each.row for each in rows] == [each.row for each in claimed.taken]
    assert ["intent", "accepted"] == heard
    journal.writer.close()


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_waits_at_the_same_time_is_one_transaction(backend: str, path: Path) -> None:
    journal = a_journal(path)
    hold = threading.Event()
    journal.writer.ask(lambda _: hold.wait(10))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(1_000):
                group.start_soon(journal.take_async, an_intent())
            while len(journal.writer._jobs) < 1_000:
                await anyio.lowlevel.checkpoint()
            hold.set()

    anyio.run(main, backend=backend)
    assert 1_000 == len(journal.rows())
    assert journal.writer.syncs <= 2
    journal.writer.close()


def test_only_intent_and_id_are_forced_to_the_disk(journal: Journal) -> None:
    row = journal.take(an_intent())
    journal.take(note("accepted", row, task=a_task()))
    for _ in range(3):
        journal.take(note("state", task=a_task(state=State.RUNNING), progress=None, problems=()))
    assert 2 == journal.writer.syncs


def test_one_that_fails_does_not_take_others_with_it(journal: Journal) -> None:
    hold = threading.Event()
    journal.writer.ask(lambda _: hold.wait(10))
    good = journal.writer.ask(lambda store: store.begin("a", an_intent()))
    bad = journal.writer.ask(lambda _: 1 / 0)
    also = journal.writer.ask(lambda store: store.begin("b", an_intent()))
    hold.set()
    assert ("a", "b") == (good.result(9), also.result(9))
    raised(lambda: bad.result(9), ZeroDivisionError)
    assert ["a", "b"] == [row.row for row in journal.rows()]


# Cancellation


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("begun", [False, True])
def test_an_intent_that_is_given_up_was_not_bought(backend: str, begun: bool, path: Path) -> None:
    journal = a_journal(path)
    hold, busy = threading.Event(), threading.Event()

    def wait(_: Any) -> None:
        busy.set()
        hold.wait(10)

    async def main() -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(journal.take_async, an_intent())
                await anyio.lowlevel.checkpoint()
                await anyio.lowlevel.checkpoint()
                scope.cancel()

    if begun:  # it is in the transaction that is under way
        begin = Store.begin

        def slow(store: Any, **how: Any) -> str:
            wait(None)
            return begin(store, **how)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(door.Store, "begin", slow)
            thread = threading.Thread(target=lambda: (busy.wait(10), threading.Event().wait(0.05), hold.set()))
            thread.start()

            async def once_begun() -> None:
                with anyio.CancelScope() as scope:
                    async with anyio.create_task_group() as group:
                        group.start_soon(journal.take_async, an_intent())
                        while not busy.is_set():
                            await anyio.lowlevel.checkpoint()
                        scope.cancel()

            anyio.run(once_begun, backend=backend)
            thread.join()
        assert ["not bought"] == states(journal)
    else:
        journal.writer.ask(wait)
        busy.wait(10)
        anyio.run(main, backend=backend)
        hold.set()
        assert [] == states(journal)
    assert set() == journal.writer.held
    journal.writer.close()


def test_an_interrupted_wait_for_an_intent_gives_it_up(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Future, "result", interrupt)
        raised(lambda: journal.take(an_intent()), KeyboardInterrupt)
    assert {"not bought"} >= set(states(journal))
    assert set() == journal.writer.held


@attrs.define(eq=False)
class Gate:
    """An asynchronous transport whose answer to a submit comes when it was cancelled."""

    asked: anyio.Event = attrs.field(factory=anyio.Event)
    open: anyio.Event = attrs.field(factory=anyio.Event)

    async def call(self, call: Any) -> Any:
        self.asked.set()
        await self.open.wait()
        return World([accepted(MAGNIFIC)]).call(call)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_answer_to_a_cancelled_submit_is_on_the_disk_when_it_ends(backend: str, path: Path) -> None:
    journal = a_journal(path)
    order = place_order(a_plan(MAGNIFIC), Manner(timeout=9.0, patience=9.0, place=Place(path.parent)))

    async def main() -> None:
        gate = Gate()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(AsyncDriver(gate, World(), journal).run, order)
                await gate.asked.wait()
                scope.cancel()
                with anyio.CancelScope(shield=True):
                    await anyio.lowlevel.checkpoint()
                gate.open.set()

    anyio.run(main, backend=backend)
    assert ["created"] == states(journal)
    journal.writer.close()


# Whoever keeps no journal, and whoever cannot


def errand(to: Path) -> Any:
    return generate(a_plan(MAGNIFIC), Manner(timeout=60.0, patience=9.0, place=Place(to)))


def unwritable(path: Path, world: World) -> str:
    """What is said of a journal that cannot be kept; nothing has been bought then."""
    journal = a_journal(path, patience=0.05)
    error = raised(lambda: Driver(world, world, journal).run(errand(path.parent)))
    assert isinstance(error, JournalUnavailable)
    assert ("magnific", False) == (error.provider, bool(error.charged))
    assert 'journal="off"' in error.message
    assert 'journal="PATH"' in error.message
    assert set() == journal.writer.held
    raised(journal.rows, JournalUnavailable)
    journal.writer.close()
    assert [] == world.submits
    return str(error.message)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert "it is a directory" in unwritable(tmp_path, World())


def test_a_text_is_refused_and_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("what I have to do today " * 100)
    assert "no SQLite database" in unwritable(path, World())
    assert "what I have to do today " * 100 == path.read_text()


@pytest.mark.parametrize("mark", ["CREATE TABLE mine (x)", "PRAGMA application_id=7", "PRAGMA user_version=7"])
def test_a_database_of_another_program_is_refused_and_left_as_it_is(mark: str, path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute(mark)
    connection.close()
    before = path.read_bytes()
    assert "another program" in unwritable(path, World())
    assert before == path.read_bytes()


def test_a_journal_of_a_newer_fluxkit_is_refused(path: Path) -> None:
    a_journal(path).rows()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={schema.VERSION + 1}")
    connection.close()
    assert "newer fluxkit" in unwritable(path, World())


def test_a_locked_journal_is_refused(path: Path) -> None:
    a_journal(path).rows()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    assert "locked" in unwritable(path, World())
    connection.close()


def test_a_new_journal_that_another_has_to_itself_is_refused(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    assert "locked" in unwritable(path, World())
    connection.close()


def test_a_place_where_no_file_can_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "File exists" in unwritable(tmp_path / "file" / "journal", World())
    assert "null" in unwritable(Path("a\0b"), World())
    ring = tmp_path / "ring"
    ring.symlink_to(ring)
    assert unwritable(ring, World())


def test_a_damaged_journal_is_refused(path: Path) -> None:
    journal = a_journal(path)
    journal.take(an_intent())
    journal.writer.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    assert "damaged" in unwritable(path, World())


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A directory that can only be read: as root all can be written, so root is somebody else for a while."""
    directory = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    directory.chmod(0o755)
    if root:
        os.seteuid(65534)
    yield directory
    if root:
        os.seteuid(0)
    directory.chmod(0o755)
    directory.rmdir()


def test_what_can_only_be_read_is_refused(nobody: Path) -> None:
    if os.geteuid() != 65534:
        nobody.chmod(0o555)
    assert "Permission denied" in unwritable(nobody / "journal.sqlite", World())


def test_a_full_disk_is_refused_before_and_survived_after(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = a_journal(path)
    journal.rows()

    def fill(store: Any) -> None:
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count={pages}")

    journal.writer.ask(fill).result(9)
    long = a_plan(MAGNIFIC)
    long = attrs.evolve(long, request=attrs.evolve(long.request, prompt="x" * 100_000))
    order = place_order(long, Manner(timeout=9.0, patience=9.0, place=Place(path.parent)))
    world = World()
    error = raised(lambda: Driver(world, world, journal).run(order))
    assert isinstance(error, JournalUnavailable)
    assert "the disk is full" in error.message
    assert [] == world.submits

    row = journal.take(an_intent())
    journal.writer.ask(fill).result(9)
    with caplog.at_level(logging.ERROR, "fluxkit"):
        journal.take(note("accepted", row, task=a_task("x" * 50_000)))
    assert "could not note 'accepted' of task" in caplog.text
    small = a_task("x" * 50_000)
    journal.writer.ask(lambda store: store._connection.execute("PRAGMA max_page_count=100000")).result(9)
    journal.take(note("state", task=small, progress=None, problems=()))  # it writes what could not be written before
    assert ["created"] == states(journal)
    journal.writer.close()


def test_after_a_submit_no_failure_of_the_journal_costs_the_image(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = a_journal(path)
    world = World([accepted(MAGNIFIC), completed(MAGNIFIC)])
    monkeypatch.setattr(door.Store, "apply", lambda *_, **__: 1 / 0)
    with caplog.at_level(logging.ERROR, "fluxkit"):
        result = Driver(world, world, journal).run(errand(path.parent))
        journal.writer.close()
    assert 1 == len(result.images)
    assert 4 == len([record for record in caplog.records if "could not note" in record.message])


def held_up(path: Path) -> sqlite3.Connection:
    """Another program that has the file to itself."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


@pytest.mark.parametrize("then", ["asked", "at rest", "ended"])
def test_what_a_locked_file_did_not_take_is_written_when_it_is_free(
    then: str, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer, "LEASE", 0.03)
    journal = a_journal(path, patience=0.01)
    row = journal.take(an_intent())
    other = held_up(path)
    task = a_task()
    with caplog.at_level(logging.ERROR, "fluxkit"):
        journal.take(note("accepted", row, task=task))
        journal.take(note("delivered", task=task, cost=None))
        journal.finish()
    assert ["'accepted'", "'delivered'"] == [record.message.split()[5] for record in caplog.records]
    assert "has locked it" in caplog.text
    assert "Nothing was bought" not in caplog.text  # somebody has bought something
    journal.leave([row])
    other.close()
    if then == "asked":
        assert ["delivered"] == states(journal)
    elif then == "ended":
        journal.writer.close()
    for _ in range(3_000 if then == "at rest" else 0):  # the thread does it when nobody asks for anything
        if journal.writer.owed:
            threading.Event().wait(0.01)
    journal.writer.close()
    reader = a_journal(path)
    assert ["delivered"] == states(reader)
    reader.writer.close()


def test_a_locked_file_is_waited_for_once_however_much_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = a_journal(path, patience=0.01)
    journal.rows()
    other, tried, transact = held_up(path), [], Session._transact
    monkeypatch.setattr(Session, "_transact", lambda self, jobs: tried.append(len(jobs)) or transact(self, jobs))
    with journal.writer._turn:  # the thread finds all of it at once
        asked = [journal.writer.ask(lambda _: None) for _ in range(3)]
    for each in asked:
        assert "has locked it" in raised(lambda each=each: each.result(9), JournalUnavailable).message
    assert [3] == tried
    other.close()
    journal.writer.close()


@pytest.mark.parametrize("taken_back", [True, False])
def test_what_cannot_be_made_good_yet_takes_nothing_with_it(taken_back: bool, path: Path) -> None:
    journal = a_journal(path, patience=0.01)
    row = journal.take(an_intent())
    other = held_up(path)
    journal.take(note("accepted", row, task=a_task()))
    other.close()

    def fail(store: Any, *_: Any, **__: Any) -> None:
        if taken_back:  # as SQLite itself does it on a full disk
            store._connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    owed = list(journal.writer.owed)
    journal.writer.owed[0] = attrs.evolve(owed[0], work=fail)
    journal.take(an_intent())
    assert ["intent", "intent"] == states(journal)
    journal.writer.owed[0] = owed[0]
    assert ["created", "intent"] == states(journal)
    assert not journal.writer.owed
    journal.writer.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_disk_that_hangs_ends_the_wait(backend: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "PATIENCE", 0.01)
    journal = a_journal(path)
    hang = threading.Event()
    journal.writer.ask(lambda _: hang.wait(10))
    assert "within 0.01 s" in raised(lambda: journal.take(an_intent()), JournalUnavailable).message
    assert "within 0.01 s" in raised(journal.rows, JournalUnavailable).message
    for wait in (lambda: journal.take_async(an_intent()), journal.rows_async):
        assert "within 0.01 s" in raised(lambda wait=wait: anyio.run(wait, backend=backend), JournalUnavailable).message
    journal.take(note("accepted", "1", task=a_task()))  # logged, and left to come
    hang.set()
    journal.writer.close()
    monkeypatch.undo()
    assert {"not bought"} >= set(states(journal))


@pytest.mark.parametrize("times", [2, 10_000])
def test_while_another_sets_the_mode_it_is_tried_again(times: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [times]

    class Busy(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> Any:
            if "journal_mode" in sql and left[0]:
                left[0] -= 1
                raise sqlite3.OperationalError("database is locked")
            return super().execute(sql, *values)

    connect = sqlite3.connect
    monkeypatch.setattr(schema.sqlite3, "connect", lambda *at, **how: connect(*at, factory=Busy, **how))
    if times > 2:
        assert "database is locked" in unwritable(path, World())
    else:
        journal = a_journal(path)
        assert () == journal.rows()
        journal.writer.close()


def test_a_row_that_cannot_be_read_keeps_no_other_from_being_had(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = journal.take(an_intent()), journal.take(an_intent())
    for row in (bad, good):
        journal.take(note("accepted", row, task=a_task(row)))
    journal.leave([bad, good])
    spoil = "UPDATE submits SET draft = '{}' WHERE row = ?"
    journal.ask(lambda store: store._connection.execute(spoil, (bad,)).rowcount)
    with caplog.at_level(logging.ERROR, "fluxkit"):
        assert [good] == [row.row for row in journal.rows()]
    assert f"The row {bad} of the journal cannot be read" in caplog.text
    assert [good] == [row.row for row in journal.claim(HERE).taken]


def test_before_the_epoch_a_clock_makes_no_row_that_cannot_be_read(path: Path) -> None:
    journal = a_journal(path, now=lambda: -500.0)
    world = World([accepted(MAGNIFIC), completed(MAGNIFIC)], time=-500.0)
    Driver(world, world, journal).run(errand(path.parent))
    assert ["delivered"] == states(journal)
    journal.writer.close()


# In whose hand a row is


def test_whoever_was_taken_for_dead_still_says_what_it_knows(path: Path) -> None:
    """A machine that slept: its lease ran out, another said that nobody knows, and then the answer comes after all."""
    wall = Wall()
    slept, other = a_journal(path, now=wall), a_journal(path, now=wall)
    row = slept.take(an_intent())
    wall.time += LEASE * 2
    assert [row] == [each.row for each in other.claim(HERE).unknown]
    slept.take(note("accepted", row, task=a_task()))
    assert ["created"] == states(other)
    assert [row] == [each.row for each in other.claim(HERE).taken]
    slept.writer.close()
    other.writer.close()


@pytest.mark.parametrize("then", ["nothing", "listed", "dismissed", "bought again"])
def test_whoever_stood_still_before_it_sent_sends_nothing_that_another_has_given_up(then: str, path: Path) -> None:
    """A process that is stopped between two tries, while somebody recovers and settles what it seems to have left."""
    wall = Wall()
    mine, other = a_journal(path, now=wall), a_journal(path, now=wall)

    def busy(_: Any, world: World) -> Said:
        if len(world.submits) > 1:
            return accepted(MAGNIFIC)
        wall.time += LEASE * 2
        if then != "nothing":
            [row] = other.claim(HERE).unknown
            if then == "dismissed":
                other.take(note("settled", row.row, how=Settled.DISMISSED))
            if then == "bought again":
                again = other.take(an_intent(again=row.row))
                other.take(note("accepted", again, task=a_task("another")))
        return complaint(MAGNIFIC, 429, "No.", headers={"retry-after": "20"})

    world = World(busy)
    order = place_order(a_plan(MAGNIFIC), Manner(timeout=60.0, patience=9.0, place=Place(path.parent)))
    if then == "nothing":
        Driver(world, world, mine).run(order)
        assert (2, ["created"]) == (len(world.submits), states(other))
    else:
        error = raised(lambda: Driver(world, world, mine).run(order), Unreachable)
        assert "another one found its row" in error.message
        assert (Charged.NO, False, 1) == (error.charged, error.retry, len(world.submits))
        expected = {"listed": ["not bought"], "dismissed": ["dismissed"], "bought again": ["resubmitted", "created"]}
        assert expected[then] == states(other)
    mine.writer.close()
    other.writer.close()


def test_what_is_in_hand_is_not_settled(journal: Journal) -> None:
    row = journal.take(an_intent())
    settled = note("settled", row, how=Settled.DISMISSED)
    assert "in the hands of a running process" in raised(lambda: journal.take(settled), SettingsError).message
    journal.leave([row])
    journal.take(settled)
    assert ["dismissed"] == states(journal)


@pytest.mark.parametrize("way", ["sync", *BACKENDS])
def test_an_intent_whose_listener_is_interrupted_was_not_bought(way: str, path: Path) -> None:
    """Else it would stay in the hand of a process in which nobody works on it, and nobody could settle it."""

    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    for notes in (Journal(a_journal(path).writer, interrupt), Notes(interrupt)):
        world = World([])
        if way == "sync":
            raised(
                lambda notes=notes, world=world: Driver(world, world, notes).run(errand(path.parent)), KeyboardInterrupt
            )
        else:
            run = AsyncDriver(AsyncWorld(world), world, notes).run
            raised(lambda run=run: anyio.run(run, errand(path.parent), backend=way), KeyboardInterrupt)
        held = notes.writer.held if isinstance(notes, Journal) else notes.held
        assert (set(), ["not bought"], []) == (held, [row.state for row in notes.rows()], world.submits)
        if isinstance(notes, Journal):
            assert [(None,)] == notes.ask(_owners)
            notes.writer.close()


def _owners(store: Any) -> Any:
    return store._connection.execute("SELECT owner FROM submits").fetchall()


def bought(journal: Journal) -> str:
    """A row that was bought, and is in nobody's hand."""
    row = journal.take(an_intent())
    journal.take(note("accepted", row, task=a_task()))
    journal.leave([row])
    return row


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("begun", [False, True])
def test_a_claim_that_is_cancelled_holds_nothing(backend: str, begun: bool, path: Path) -> None:
    """Else no process could recover what this one has in hand and does not work on."""
    journal = a_journal(path)
    row = bought(journal)
    busy, hold = threading.Event(), threading.Event()

    def wait(_: Any) -> None:
        busy.set()
        hold.wait(10)

    async def main() -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(journal.claim_async, HERE)
                if begun:
                    while not busy.is_set():
                        await anyio.lowlevel.checkpoint()
                else:
                    await anyio.lowlevel.checkpoint()
                    await anyio.lowlevel.checkpoint()
                scope.cancel()

    if begun:
        claim = Store.claim
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Store, "claim", lambda store, *of: (wait(None), claim(store, *of))[1])
            thread = threading.Thread(target=lambda: (busy.wait(10), threading.Event().wait(0.05), hold.set()))
            thread.start()
            anyio.run(main, backend=backend)
            thread.join()
    else:
        journal.writer.ask(wait)
        busy.wait(10)
        anyio.run(main, backend=backend)
        hold.set()
    journal.ask(lambda _: None)
    assert (set(), [(None,)]) == (journal.writer.held, journal.ask(_owners))
    assert [row] == [each.row for each in journal.claim(HERE).taken]
    journal.writer.close()


def test_a_claim_that_is_interrupted_holds_nothing(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    bought(journal)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_claimed", interrupt)
        raised(lambda: journal.claim(HERE), KeyboardInterrupt)
    journal.ask(lambda _: None)
    assert (set(), [(None,)]) == (journal.writer.held, journal.ask(_owners))


def test_a_row_that_could_not_be_let_go_of_is_with_the_next_that_is_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a process that lives on would keep it from every recovery, because a disk was full for a moment."""
    journal = a_journal(path)
    row, other = journal.take(an_intent()), journal.take(an_intent())
    journal.take(note("accepted", row, task=a_task()))

    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "release", full)
        journal.leave([row])
        raised(lambda: journal.ask(lambda _: None), JournalUnavailable)
    journal.take(note("accepted", other, task=a_task("task-2")))
    assert {other} == journal.writer.held
    assert [row] == [each.row for each in journal.claim(HERE).taken]
    journal.writer.close()


def test_of_a_process_nobody_sees_only_the_lease_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Owner.here()
    assert not here.gone
    assert attrs.evolve(here, began="1").gone
    assert attrs.evolve(here, pid=2**22 + 1).gone
    assert not attrs.evolve(here, machine="another", began="1").gone
    monkeypatch.setattr(process, "PROC", tmp_path)
    assert ("", "") == (Owner.here().machine, Owner.here().began)
    assert not Owner.here().gone


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_listener_hears_also_of_what_was_on_its_way_when_it_was_cancelled(backend: str, path: Path) -> None:
    heard: list[str] = []
    journal = a_journal(path, listener=lambda told: heard.append(told.kind))
    row = journal.take(an_intent())
    hold = threading.Event()
    journal.writer.ask(lambda _: hold.wait(10))

    async def main() -> None:
        with anyio.move_on_after(0):
            await journal.take_async(note("accepted", row, task=a_task()))

    anyio.run(main, backend=backend)
    hold.set()
    assert (["intent", "accepted"], ["created"]) == (heard, states(journal))
    journal.writer.close()


def test_what_nobody_waits_for_is_done_soon(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "DELAY", 0.001)
    journal = a_journal(path)
    row = journal.take(an_intent())
    journal.take(note("accepted", row, task=a_task()))
    _, written = journal._send(note("state", task=a_task(state=State.RUNNING), progress=None, problems=()))
    written.result(10)
    assert ["running"] == states(journal)
    journal.writer.close()


def test_who_buys_one_after_another_does_not_wake_the_thread_for_what_nobody_waits_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "DELAY", 60.0)
    journal = a_journal(path)
    row = journal.take(an_intent())
    journal.take(note("accepted", row, task=a_task()))
    while not journal.writer._lingers:  # the thread has answered, and goes on
        pass
    woken: list[bool] = []
    monkeypatch.setattr(journal.writer, "_wake", lambda: woken.append(True))
    journal.take(note("state", task=a_task(state=State.RUNNING), progress=None, problems=()))
    journal.take(note("fetched", task=a_task(state=State.COMPLETED), path=path, sha256="00", size=3))
    assert [] == woken
    monkeypatch.undo()
    assert ["completed"] == states(journal)
    journal.writer.close()


NOTES = st.lists(
    st.sampled_from(
        [
            note("accepted", task=a_task()),
            note("refused", error="No."),
            note("unknown", error="Nobody knows."),
            note("state", task=a_task(state=State.RUNNING, status="IN_PROGRESS")),
            note("fetched", task=a_task(state=State.COMPLETED), path="fox.png", sha256="00", size=3),
            note("delivered", task=a_task(state=State.COMPLETED, seed=7), cost=Amount(Decimal("0.03"), "USD")),
            note("settled", how=Settled.DISMISSED),
            note("settled", how=Settled.ADOPTED, task=a_task("task-2")),
        ]
    ),
    max_size=5,
)


@given(notes=NOTES)
def test_what_has_changed_of_a_row_makes_its_line_that_of_the_new_one(notes: list[Note]) -> None:
    row = begun("1", an_intent(), 1.0)
    line = new_line(row)
    for time, each in enumerate(notes):
        row, before = applied(row, each, 2.0 + time), row
        line = tuple({**dict(zip(COLUMNS, line, strict=True)), **changes(before, row)}.values())
    assert new_line(row) == line


# Where it lies


def test_nobody_else_can_read_it(path: Path) -> None:
    journal = a_journal(path)
    journal.take(an_intent())
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert {0o600} == set(modes.values())
    assert 3 == len(modes)
    assert 0o700 == stat.S_IMODE(path.parent.stat().st_mode)
    journal.writer.close()


def test_a_file_that_others_can_read_is_closed_to_them_and_its_directory_left_alone(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    path.touch(mode=0o644)
    a_journal(path).rows()
    assert (0o600, 0o755) == (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode))


def test_the_users_own_place_is_closed_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "fluxkit").mkdir(mode=0o755)
    journal = open_journal(None)
    journal.rows()
    assert 0o700 == stat.S_IMODE((tmp_path / "fluxkit").stat().st_mode)
    assert journal.writer is open_journal(tmp_path / "fluxkit" / "journal.sqlite").writer
    journal.writer.close()


MOUNTS = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /net rw shared:2 - nfs4 server:/all rw
24 23 0:22 / /net/me/local\040disk rw - ext4 /dev/vdb rw
25 22 0:23 / /mnt/a rw - ext4 /dev/vdc rw
26 22 0:24 / /mnt/a rw master:3 - fuse.sshfs me@there: rw
27 22 0:25 / /win rw - 9p C: rw
28 22 0:26 / /net2 rw - tmpfs tmpfs rw
nonsense
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/x", "ext4"),
        ("/net/me/x", "nfs4"),
        ("/net/me/local disk/x", "ext4"),
        ("/mnt/a/b/x", "fuse.sshfs"),
        ("/win/x", "9p"),
        ("/net2/x", "tmpfs"),
        ("relative", ""),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert kind == places.kind_of(Path(path), MOUNTS)


REMOTE = ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "lustre", "glusterfs", "ocfs2"]
REMOTE += ["fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.mount-s3"]
LOCAL = [
    "ext4",
    "xfs",
    "btrfs",
    "zfs",
    "overlay",
    "tmpfs",
    "fuseblk",
    "apfs",
    "ntfs",
    "vfat",
    "virtiofs",
    "fuse.gocryptfs",
]


def test_shared_file_systems_are_refused_and_others_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(kind: str) -> str | None:
        monkeypatch.setattr(places, "_MOUNTS", tmp_path / "mounts")
        (tmp_path / "mounts").write_text(f"22 1 254:0 / / rw - {kind} what rw\n")
        return places.remote(tmp_path)

    assert REMOTE == [judged(kind) for kind in REMOTE]
    assert [None] * len(LOCAL) == [judged(kind) for kind in LOCAL]
    judged("nfs4")
    assert "shared between machines (nfs4)" in unwritable(tmp_path / "journal", World())
    monkeypatch.setattr(places, "_MOUNTS", tmp_path / "nowhere")
    assert None is places.remote(tmp_path)
    assert "a share" == places.remote(Path("\\\\server\\share"))


def test_a_file_system_without_shared_memory_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> Any:
            return super().execute("SELECT 'delete'" if "journal_mode" in sql else sql, *values)

    connect = sqlite3.connect
    monkeypatch.setattr(schema.sqlite3, "connect", lambda *at, **how: connect(*at, factory=Odd, **how))
    assert "shared memory" in unwritable(path, World())


def test_a_migration_that_fails_leaves_the_file_empty(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (f"{schema.MIGRATIONS[0]}; CREATE NONSENSE",))
        assert "syntax error" in unwritable(path, World())
    journal = a_journal(path)
    assert () == journal.rows()
    journal.writer.close()


def test_a_journal_of_the_first_version_is_brought_to_this_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        patch.setattr(schema, "VERSION", 1)
        schema.connect(path).close()
    connection = sqlite3.connect(path)
    assert (1,) == connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    journal = a_journal(path)
    journal.take(an_intent(label="a"))
    assert ["a"] == [row.label for row in journal.rows()]
    journal.writer.close()


# Labels

LABELLED = attrs.evolve(HERE, label="b:2")


def labelled(notes: Any, label: str | None, id: str, *, last: str | None = None) -> str:
    """The name of a new row with this label, which is in nobody's hand."""
    row: str = notes.take(an_intent(label=label))
    notes.take(note("accepted", row, task=a_task(id)))
    if last is not None:
        notes.take(note(last, task=a_task(id, state=State.COMPLETED), cost=Decimal("0.05")))
    notes.leave([row])
    return row


@pytest.mark.parametrize("kind", ["journal", "memory"])
def test_a_claim_by_label_takes_only_what_bears_it_and_tells_the_rest_of_it(journal: Journal, kind: str) -> None:
    notes = journal if kind == "journal" else Notes()
    for label in (None, "b:1", "b:22"):
        labelled(notes, label, f"{label}")
    owing, delivered = labelled(notes, "b:2", "owing"), labelled(notes, "b:2", "delivered", last="delivered")
    refused = notes.take(an_intent(label="b:2"))
    notes.take(note("refused", refused, error="no credit"))
    lost = notes.take(an_intent(label="b:2"))
    notes.take(note("unknown", lost, error="gone"))
    notes.leave([refused, lost])
    busy = notes.take(an_intent(label="b:2"))
    claimed = notes.claim(LABELLED)
    assert [owing] == [row.row for row in claimed.taken]
    assert [lost] == [row.row for row in claimed.unknown]
    assert [delivered, refused] == [row.row for row in claimed.others]
    assert 1 == claimed.elsewhere
    notes.leave([busy])
    assert 3 == len(notes.claim(HERE).taken)


def test_rows_are_read_in_brief_by_the_beginning_of_their_label(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "PAGE", 2)
    for label in ("b:10", None, "b:2", "c:1", "b;", "b:1", "b:1"):
        labelled(journal, label, f"{label}")
    found = list(journal.labelled("b:"))
    assert ["b:1", "b:1", "b:10", "b:2"] == [brief.label for brief in found]
    assert {(0, "created", None, None, None)} == {
        (brief.turn, brief.state, brief.price, brief.cost, brief.again) for brief in found
    }


# The thread


def test_the_thread_ends_when_there_is_nothing_to_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "IDLE", 0.001)
    journal = a_journal(path)
    row = journal.take(an_intent())
    journal.take(note("accepted", row, task=a_task()))
    journal.leave([row])
    thread = journal.writer._thread
    if thread is not None:
        thread.join(10)
    assert None is journal.writer._thread
    assert [path] == list(path.parent.iterdir())  # the last one tidies up
    assert ["created"] == states(journal)
    journal.writer.close()


def test_a_lease_is_renewed_while_rows_are_in_hand(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall()
    monkeypatch.setattr(writer, "LEASE", 0.003)
    journal, other = a_journal(path, now=wall), a_journal(path, now=wall)
    journal.take(an_intent())
    renewed = threading.Event()
    renew = Store.renew
    wall.time += LEASE / 2

    def seen(store: Any) -> None:
        renew(store)
        renewed.set()

    monkeypatch.setattr(Store, "renew", seen)
    assert renewed.wait(10)
    wall.time += LEASE * 0.9
    assert ((), 1) == ((claimed := other.claim(HERE)).unknown, claimed.elsewhere)
    journal.writer.close()
    other.writer.close()


def test_a_file_that_was_removed_is_made_again(journal: Journal, path: Path) -> None:
    journal.take(an_intent())
    for each in list(path.parent.iterdir()):
        each.unlink()
    row = journal.take(an_intent())
    assert [row] == [each.row for each in journal.rows()]


def test_nothing_is_begun_while_the_interpreter_ends(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    journal = a_journal(path)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert "shutdown" in raised(lambda: journal.take(an_intent()), JournalUnavailable).message
    assert () == journal.rows()
    journal.writer.close()


@pytest.mark.slow
def test_what_was_asked_is_done_before_the_process_ends(path: Path) -> None:
    code = """
import sys
from pathlib import Path
from support.ledger import an_intent
from fluxkit._engine.journal.journal import open_journal
journal = open_journal(Path(sys.argv[1]))
journal._send(an_intent())
"""
    subprocess.run([sys.executable, "-c", code, path], check=True, cwd=Path(__file__).parent)
    assert [path] == list(path.parent.iterdir())
    journal = a_journal(path)
    assert ["intent"] == states(journal)
    journal.writer.close()


# Forks

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
# Python 3.12 warns of a fork beside any thread, also of the test's own.
amid_threads = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def in_a_child(run: Callable[[], Any]) -> Any:
    """What a function gives in a forked child."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, json.dumps(run()).encode())
        except BaseException as error:
            os.write(writing, json.dumps(repr(error)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        content = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(content)


def test_a_rest_does_not_wait_for_what_nobody_waits_for(path: Path) -> None:
    journal = a_journal(path)
    row = journal.take(an_intent())
    journal.take(note("accepted", row, task=a_task()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "DELAY", 60.0)
        journal.take(note("state", task=a_task(state=State.RUNNING), progress=None, problems=()))
        with journal.writer._turn:  # until the thread waits again
            pass
        journal.writer.rest()
        assert None is journal.writer._thread
        journal.writer.resume()
    assert ["running"] == states(journal)
    journal.writer.close()


@needs_fork
@amid_threads
def test_a_fork_finds_the_file_closed_and_both_go_on(path: Path) -> None:
    journal = Journal(writer_at(path))
    mine = journal.take(an_intent())
    parent = journal.writer.owner.name

    def run() -> Any:
        before = (journal.writer._thread is None, sorted(journal.writer.held))
        row = journal.take(an_intent())
        journal.take(note("accepted", row, task=a_task()))
        return [*before, journal.writer.owner.name, row, journal.claim(HERE).elsewhere]

    closed, held, child, theirs, elsewhere = in_a_child(run)
    assert (True, [], 2) == (closed, held, elsewhere)
    assert parent != child
    assert parent == journal.writer.owner.name
    journal.take(note("accepted", mine, task=a_task("task-2")))
    assert {mine: "task-2", theirs: "task-1"} == {row.row: row.draft.id for row in journal.rows()}
    # The child is gone, and what it had in hand is free.
    assert [theirs] == [row.row for row in journal.claim(HERE).taken]
    journal.writer.close()


@needs_fork
@amid_threads
@pytest.mark.slow
def test_forks_amid_the_work_lose_nothing(path: Path) -> None:
    journal = Journal(writer_at(path))
    stop, rows = threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            rows.append(journal.take(an_intent()))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    children = [in_a_child(lambda: [journal.take(an_intent()) for _ in range(3)]) for _ in range(8)]
    stop.set()
    for thread in threads:
        thread.join()
    written = {row.row for row in journal.rows()}
    assert written == {*rows, *(row for child in children for row in child)}
    connection = sqlite3.connect(path)
    assert "ok" == connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    journal.writer.close()


# Who keeps one

KEEPING = """
import sys, fluxkit
client = fluxkit.Client("magnific:flux-2-klein", **{settings})
client.generate("a fox")
print("sqlite3" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["{'mock': True}", "{'mock': True, 'journal': '/nowhere/at/all'}"])
def test_a_mocked_client_never_loads_sqlite(settings: str) -> None:
    code = KEEPING.replace("{settings}", settings)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "False" == done.stdout.strip()


@pytest.mark.parametrize("journal", ["off", "memory"])
def test_a_journal_that_is_off_is_in_memory(journal: str) -> None:
    client = fluxkit.Client("magnific:flux-2-klein", key="k", journal=journal)
    assert isinstance(client._driver.notes, Notes)
    client.close()


@pytest.mark.parametrize("wrong", ["a\0b", "~nobody-of-this-name/x"])
def test_what_is_no_path_is_refused(wrong: str) -> None:
    with fluxkit.Client("magnific:flux-2-klein", key="k", base_url="http://127.0.0.1:9", journal=wrong) as client:
        assert "cannot be kept" in raised(lambda: client.generate("a fox"), JournalUnavailable).message


@pytest.mark.parametrize("wrong", [7, "", b"x"])
def test_a_wrong_journal_is_named(wrong: Any) -> None:
    error = raised(lambda: fluxkit.Client("magnific:flux-2-klein", key="k", journal=wrong), SettingsError)
    assert "journal is" in error.message
    assert '"off"' in error.message


@pytest.mark.parametrize("turn", range(1, 4))
def test_a_journal_that_another_process_makes_meanwhile_is_no_foreign_file(
    turn: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two looks at an empty file another process may make it a journal."""
    asked = [0]

    class Watched(sqlite3.Connection):
        def execute(self, *words: Any) -> sqlite3.Cursor:
            looked = any(word in words[0] for word in ("sqlite_schema", "PRAGMA user_version", "PRAGMA application_id"))
            answer = super().execute(*words).fetchall() if looked else None
            if looked:
                asked[0] += 1
                if asked[0] == turn:
                    monkeypatch.undo()
                    schema.connect(path).close()
            return super().execute(*words) if answer is None else Answer(answer)  # type: ignore[return-value]

    class Answer(list[Any]):
        def fetchone(self) -> Any:
            return self[0]

    connect = sqlite3.connect
    monkeypatch.setattr(schema.sqlite3, "connect", lambda *words, **how: connect(*words, **how, factory=Watched))
    schema.connect(path).close()
    assert asked[0] >= 3


# What nobody waits for


def seen_through(journal: Journal, directory: Path) -> str:
    """A row of which all has come, at once."""
    row = journal.take(an_intent())
    journal.take(note("accepted", row, task=a_task()))
    done = a_task(state=State.COMPLETED)
    busy, hold = threading.Event(), threading.Event()
    journal.writer.ask(lambda _: (busy.set(), hold.wait(10)))
    busy.wait(10)
    journal.take(note("state", task=done, progress=None, problems=()))
    journal.take(fetched(done, directory / "fox.png", "ab"))
    journal.take(note("delivered", task=done, cost=None))
    hold.set()
    return row


def test_all_that_comes_after_the_id_is_one_change_of_the_row_and_frees_it(journal: Journal, tmp_path: Path) -> None:
    written: list[str] = []
    journal.ask(lambda store: store._connection.set_trace_callback(written.append))
    row = seen_through(journal, tmp_path)
    assert set() == journal.writer.held
    assert {} == journal._rows == journal._tasks
    assert [(row, "delivered", None, 2)] == journal.ask(
        lambda store: store._connection.execute("SELECT row, state, owner, version FROM submits").fetchall()
    )
    assert 2 == sum(statement.startswith("UPDATE submits") for statement in written)


@pytest.mark.parametrize("way", ["blocking", *BACKENDS])
def test_a_client_that_is_closed_has_written_what_it_noted(way: str, path: Path, tmp_path: Path) -> None:
    journal = a_journal(path)
    finish = journal.finish if way == "blocking" else functools.partial(anyio.run, journal.finish_async, backend=way)
    seen_through(journal, tmp_path)
    finish()
    connection = sqlite3.connect(path)
    assert [("delivered",)] == connection.execute("SELECT state FROM submits").fetchall()
    connection.close()
    journal.writer.close()
    finish()  # nothing is opened for it


@pytest.mark.parametrize("backend", BACKENDS)
def test_nobody_waits_for_the_disk_after_the_last_image(backend: str, journal: Journal, tmp_path: Path) -> None:
    row = journal.take(an_intent())
    journal.take(note("accepted", row, task=a_task()))
    busy, hold = threading.Event(), threading.Event()
    journal.writer.ask(lambda _: (busy.set(), hold.wait(10)))
    busy.wait(10)
    done = a_task(state=State.COMPLETED)
    with_a_cost = note("delivered", task=done, cost=Decimal("0.03"))
    assert (False, True) == (journal.waits(note("delivered", task=done)), journal.waits(with_a_cost))

    async def main() -> None:
        await journal.take_async(fetched(done, tmp_path / "fox.png", "ab"))
        await journal.take_async(note("delivered", task=done, cost=None))

    anyio.run(main, backend=backend)
    assert (set(), False) == (journal.writer.held, hold.is_set())
    hold.set()
    assert ["delivered"] == states(journal)


@pytest.mark.parametrize("backend", BACKENDS)
def test_answers_that_come_together_call_the_event_loop_once(backend: str) -> None:
    asked: list[Future[int]] = [Future() for _ in range(9)]
    heard, called = [], []

    async def main() -> None:
        desk = Desk()
        call = desk._call
        desk._call = lambda: (called.append(1), call())

        async def wait(future: Future[int]) -> None:
            heard.append(await desk.answer(future, 10.0))

        for together in (asked[:5], asked[5:]):
            async with anyio.create_task_group() as group:
                for future in together:
                    group.start_soon(wait, future)
                await anyio.wait_all_tasks_blocked()
                answering = threading.Thread(
                    target=lambda futures: [future.set_result(asked.index(future)) for future in futures],
                    args=(together,),
                )
                answering.start()
                answering.join()  # the loop stands still meanwhile

    anyio.run(main, backend=backend)
    assert ([*range(9)], 2) == (sorted(heard), len(called))


def test_a_row_that_another_has_taken_over_stays_in_its_hand(path: Path, tmp_path: Path) -> None:
    """Whoever slept until his lease was over, and comes with the last note after all, takes it from nobody."""
    wall = Wall()
    one, other = a_journal(path, now=wall), a_journal(path, now=wall)
    row = one.take(an_intent())
    one.take(note("accepted", row, task=a_task()))
    wall.time += LEASE + 1
    assert [row] == [each.row for each in other.claim(HERE).taken]
    one.take(note("delivered", row, task=a_task(state=State.COMPLETED), cost=None))
    one.finish()
    assert [("delivered", other.writer.owner.name)] == one.ask(
        lambda store: store._connection.execute("SELECT state, owner FROM submits").fetchall()
    )
    one.writer.close()
    other.writer.close()


def test_a_last_note_that_could_not_be_written_leaves_nothing_in_hand(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Else a process that lives on would keep the row from every recovery."""
    journal = a_journal(path)
    row = journal.take(an_intent())
    journal.take(note("accepted", row, task=a_task()))
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "fluxkit"):
        patch.setattr(Store, "apply", lambda *_, **__: 1 / 0)
        journal.take(note("delivered", row, task=a_task(state=State.COMPLETED), cost=None))
        journal.finish()
    assert "could not note 'delivered'" in caplog.text
    journal.ask(lambda _: None)
    assert (set(), [(None,)]) == (journal.writer.held, journal.ask(_owners))
    assert [row] == [each.row for each in journal.claim(HERE).taken]
    journal.writer.close()

"""The one thread that touches a journal's file: what waits for it at the same time becomes one transaction."""

import atexit
import contextlib
import copy
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

import attrs

from ...errors import FluxError
from .lookout import LOOK, Lookout
from .owner import Owner
from .places import unavailable
from .schema import PATIENCE, connect, failure
from .store import LEASE, Store

Work = Callable[[Store], Any]

#: After so many seconds without work, and with no row in hand, the file is closed and the thread ends.
IDLE: Final = 10.0

#: What nobody waits for is done with what comes next, or after so many seconds. So long the thread stays awake after it
#: has done something, too: who buys one image after another need not wake it for what nobody waits for.
DELAY: Final = 0.02

#: Of so many notes that could not be written it is remembered that they are still to be.
MOST_OWED: Final = 10_000

#: How many seconds the end of the process waits for what is still to be written.
LAST_WORDS: Final = 5.0


@attrs.frozen(eq=False)
class Job:
    """Something to be done with the file.

    It is *durable* if it is to survive the machine and not only the process. Somebody waits for its *future*, or else
    nobody does, and whoever asked for it only hears if it *failed*.
    """

    work: Work
    durable: bool = False
    future: "Future[Any] | None" = None
    failed: Callable[[Exception], None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nobody waits for it."""
        return self.future is None

    def begin(self) -> bool:
        """Whether it is still wanted."""
        return self.future is None or self.future.set_running_or_notify_cancel()

    def answer(self, answer: Any) -> None:
        """It is done; an error of ours is an answer, too."""
        if isinstance(answer, FluxError):
            self.fail(answer)
        elif self.future is not None:
            self.future.set_result(answer)

    def fail(self, error: Exception) -> None:
        """It cannot be done."""
        if self.future is not None:
            self.future.set_exception(error)
        elif self.failed is not None:
            with contextlib.suppress(Exception):  # nobody would hear of it
                self.failed(error)


class Writer:
    """Does what is asked of one journal's file, in the order in which it was asked, on a thread of its own.

    The thread and the connection are made when something is asked, and go when there is nothing to do for long. A fork
    finds neither: SQLite's state in a process is not to be copied (https://sqlite.org/howtocorrupt.html, 2.6), so the
    file is closed before it and opened again after it, by the parent and by the child, each for itself.
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time, patience: float = PATIENCE) -> None:
        self.path = path
        self.now = now
        self._patience = patience
        self.commits = self.syncs = 0
        self._become()

    def _become(self) -> None:
        """Begins anew, in a process that has asked nothing yet."""
        self.owner = Owner.here()
        self._lookouts: set[Lookout] = set()
        self._looked = self._renewed = time.monotonic()
        self.held: set[str] = set()
        self._left: set[str] = set()
        self._owed: deque[Job] = deque()
        self._jobs: deque[Job] = deque()
        self._turn = threading.Condition()
        self._thread: threading.Thread | None = None
        self._resting = False
        self._closing = False
        self._lingers = False

    def ask(self, work: Work, *, durable: bool = False) -> "Future[Any]":
        """Has something done, and gives what will be its answer, or a ``FluxError``."""
        future: Future[Any] = Future()
        with self._turn:
            self._jobs.append(Job(work, durable, future))
            self._wake()
        return future

    def tell(self, work: Work, failed: Callable[[Exception], None]) -> None:
        """Has something done for which nobody waits: with what is asked next, or soon. *failed* hears of an error."""
        with self._turn:
            self._jobs.append(Job(work, failed=failed))
            if not self._lingers and len(self._jobs) == 1:
                self._wake()

    def owe(self, work: Work, *, durable: bool) -> None:
        """Has something done as soon as the file lets it, and before what is asked later: it could not be done before.

        So a disk that was full or locked for a while leaves no row behind whose fate this process has known.
        """
        with self._turn:
            if len(self._owed) < MOST_OWED:
                self._owed.append(Job(work, durable))
                self._wake()

    def leave(self, rows: Collection[str]) -> None:
        """Takes rows out of this process's hand, after all that was asked before; if that fails, as soon as it can."""

        def done(released: "Future[Any]") -> None:
            if released.exception() is not None:
                self._left.update(rows)

        self.held.difference_update(rows)
        self.ask(lambda store: store.release(rows)).add_done_callback(done)

    def look_out(self, lookout: Lookout) -> None:
        """Looks what others note of the tasks that somebody waits for, as long as anybody does."""
        with self._turn:
            if lookout not in self._lookouts:
                self._lookouts.add(lookout)
                self._wake()

    def _wake(self) -> None:
        if self._thread is not None:
            self._turn.notify_all()
        elif (self._jobs or self._lookouts or self._owed) and not self._resting:
            self._thread = threading.Thread(target=self._run, name="fluxkit-journal", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:  # the interpreter is ending
                self._thread = None
                while self._jobs:
                    self._jobs.popleft().fail(unavailable(self.path, str(error)))

    # On the thread

    def _run(self) -> None:
        session = Session(self)
        try:
            while (jobs := self._next()) is None or jobs:
                if jobs:
                    session.carry_out([job for job in jobs if job.begin()])
                    self._renewed = time.monotonic()
                    self._lingers = True
                self._look(session)
        finally:
            session.close()
            with self._turn:
                self._lingers = False
                self._thread = None
                if self._closing:  # whoever waits on says so again, and what is owed now will not be done any more
                    self._lookouts.clear()
                    self._owed.clear()
                self._turn.notify_all()
                self._wake()

    def _look(self, session: "Session") -> None:
        """Looks what others have noted, if it is time, and forgets those who wait no more."""
        if not self._lookouts or time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        with self._turn:
            self._lookouts = {lookout for lookout in self._lookouts if lookout.tasks}
            lookouts = tuple(self._lookouts)
        if lookouts:
            session.look(lookouts)

    def _next(self) -> Sequence[Job] | None:
        """All that waits; nothing if the thread is to end, None if it is to look. At times only the lease."""
        with self._turn:
            while not self._resting:
                if self._jobs:
                    if all(job.idle for job in self._jobs) and not self._closing:
                        self._turn.wait_for(self._is_waited_for, DELAY)
                        if self._resting:
                            break
                    jobs = tuple(self._jobs)
                    self._jobs.clear()
                    return jobs
                if self._closing:
                    break
                if self._lingers:
                    self._turn.wait(DELAY)
                    self._lingers = False
                    continue
                busy = self.held or self._owed
                pause = LOOK if self._lookouts else LEASE / 3 if busy else IDLE
                if not self._turn.wait(pause) and not self._jobs:
                    if busy and (not self._lookouts or time.monotonic() - self._renewed >= LEASE / 3):
                        return (Job(lambda _: None),)
                    if self._lookouts:
                        return None
                    if not busy:
                        break
            return ()

    def _is_waited_for(self) -> bool:
        return bool(self._closing or self._resting or not all(job.idle for job in self._jobs))

    # Around a fork, and at the end

    def rest(self) -> None:
        """Lets the thread end after what it is at, and holds whoever asks until ``resume``."""
        self._turn.acquire()
        self._resting = True
        self._turn.notify_all()
        thread = self._thread
        while self._thread is not None:
            self._turn.wait()
        if thread is not None:
            thread.join()

    def resume(self) -> None:
        """Goes on after ``rest``."""
        self._resting = False
        self._wake()
        self._turn.release()

    def finish(self) -> None:
        """Waits until all is done that was asked, for ``LAST_WORDS`` at most. The file stays open."""
        if self._thread is not None:
            with contextlib.suppress(Exception):
                self.ask(lambda _: None).result(LAST_WORDS)

    def close(self) -> None:
        """Does all that was asked and closes the file; it is opened again if something is asked later."""
        with self._turn:
            if self._owed:
                self._jobs.append(Job(lambda _: None))
                self._wake()
            self._closing = True
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._thread is None, LAST_WORDS)
            self._closing = False


class Session:
    """One connection of a writer, on its thread."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._connection: sqlite3.Connection | None = None
        self._store: Store | None = None
        self._file: tuple[int, int] | None = None
        self._durable: bool | None = None
        self._version = -1

    def look(self, lookouts: Sequence[Lookout]) -> None:
        """Tells those who wait what others have noted since the last look. A file that cannot be read says nothing."""
        with contextlib.suppress(sqlite3.Error, FluxError):
            connection, store = self._opened()
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version:
                self._version = version
                for lookout in lookouts:
                    for row in store.ended(lookout.tasks, provider=lookout.provider, base_url=lookout.base_url):
                        lookout.tell(row, self._writer.now())

    def carry_out(self, jobs: Sequence[Job]) -> None:
        """Does the jobs in one transaction; if that fails, each in one of its own, so that none falls with another."""
        try:
            answers = self._transact(jobs)
        except Exception as error:  # noqa: BLE001 - it is the asker's to judge
            if len(jobs) > 1 and self._connection is not None:
                for job in jobs:
                    self.carry_out([job])
                return
            for job in jobs:
                job.fail(_own(self._writer.path, error))
            if isinstance(error, sqlite3.Error):  # whatever was wrong, the next one looks at the file afresh
                self.close()
        else:
            for job, answer in zip(jobs, answers, strict=True):
                job.answer(answer)

    def _transact(self, jobs: Sequence[Job]) -> list[Any]:
        connection, store = self._opened()
        owed = tuple(self._writer._owed)  # noqa: SLF001 - its thread
        durable = any(job.durable for job in (*owed, *jobs))
        if durable is not self._durable:
            connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        try:
            connection.execute("BEGIN IMMEDIATE")
            store.renew()
            made_good = owed and _made_good(connection, store, owed)
            answers = [_answer(job, store) for job in jobs]
            left = self._writer._left.copy()  # noqa: SLF001 - its thread
            if left:
                store.release(left)
            store.write_down()
            connection.execute("COMMIT")
        except BaseException:
            store.undone()
            if connection.in_transaction:
                connection.rollback()
            raise
        self._writer._left.difference_update(left)  # noqa: SLF001 - its thread
        if made_good:
            for _ in owed:
                self._writer._owed.popleft()  # noqa: SLF001 - its thread
        self._writer.commits += 1
        self._writer.syncs += durable
        return answers

    def _opened(self) -> tuple[sqlite3.Connection, Store]:
        """The connection; another one if somebody has removed or replaced the file: what is written there is lost."""
        if self._connection is not None and self._file != _identity(self._writer.path):
            self.close()
        if self._connection is None or self._store is None:
            self._connection = connect(self._writer.path, patience=self._writer._patience)  # noqa: SLF001 - its thread
            self._store = Store(self._connection, self._writer.owner, self._writer.now)
            self._file = _identity(self._writer.path)
            self._durable = None
        return self._connection, self._store

    def close(self) -> None:
        """Closes the connection; the last one of a file tidies it up."""
        connection, store, self._connection, self._store = self._connection, self._store, None, None
        if connection is None or store is None:
            return
        with contextlib.suppress(sqlite3.Error):
            if not self._writer.held:
                store.leave()
        with contextlib.suppress(sqlite3.Error):
            connection.close()


def _made_good(connection: sqlite3.Connection, store: Store, owed: Sequence[Job]) -> bool:
    """Does what is owed, all of it or nothing: what is asked now does not fall with it."""
    connection.execute("SAVEPOINT owed")
    try:
        for job in owed:
            job.work(store)
        store.write_down()
    except Exception:  # noqa: BLE001 - it was logged when it failed first, and is tried again
        store.undone()
        if connection.in_transaction:
            connection.execute("ROLLBACK TO owed")
        else:  # a full disk takes all of it back
            connection.execute("BEGIN IMMEDIATE")
            store.renew()
        return False
    return True


def _answer(job: Job, store: Store) -> Any:
    """What a job comes to. An error of ours is such an answer: that job has written nothing, and the others stand."""
    try:
        return job.work(store)
    except FluxError as error:
        return error


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _own(path: Path, error: Exception) -> Exception:
    """An error as one asker gets it: its own, because others may get the same."""
    if isinstance(error, FluxError):
        return copy.copy(error)
    return failure(path, error) if isinstance(error, sqlite3.Error) else error


# One writer for each file of a process

_WRITERS: dict[str, Writer] = {}
_NEW: threading.Lock = threading.Lock()


def writer_at(path: Path) -> Writer:
    """This process's writer of the journal in *path*; raises ``JournalUnavailable`` for what is no path."""
    try:
        whole = os.path.realpath(path.expanduser())
    except (OSError, ValueError, RuntimeError) as error:
        raise unavailable(path, str(error)) from None
    with _NEW:
        if whole not in _WRITERS:
            _WRITERS[whole] = Writer(path.expanduser().absolute())
        return _WRITERS[whole]


def _before_fork() -> None:
    _NEW.acquire()
    for writer in _WRITERS.values():
        writer.rest()


def _after_fork_in_parent() -> None:
    for writer in _WRITERS.values():
        writer.resume()
    _NEW.release()


def _after_fork_in_child() -> None:
    for writer in _WRITERS.values():
        writer._become()  # noqa: SLF001 - a function of this module
    _NEW.release()


@atexit.register
def _at_exit() -> None:
    for writer in tuple(_WRITERS.values()):
        writer.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)

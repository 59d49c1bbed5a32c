"""The one thread that touches a journal's file: what waits for it at the same time becomes one transaction."""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

from .job import Job, Work
from .lookout import LOOK, Lookout
from .owner import Owner
from .places import unavailable
from .schema import PATIENCE
from .session import Session
from .store import LEASE

#: After so many seconds without work, and with no row in hand, the file is closed and the thread ends.
IDLE: Final = 10.0

#: What nobody waits for is done with what comes next, or after so many seconds. So long the thread stays awake after it
#: has done something, too: who buys one image after another need not wake it for what nobody waits for.
DELAY: Final = 0.02

#: Of so many notes that could not be written it is remembered that they are still to be.
MOST_OWED: Final = 10_000

#: How many seconds the end of the process waits for what is still to be written.
LAST_WORDS: Final = 5.0


class Writer:
    """Does what is asked of one journal's file, in the order in which it was asked, on a thread of its own.

    The thread and the connection are made when something is asked, and go when there is nothing to do for long. A fork
    finds neither: SQLite's state in a process is not to be copied (https://sqlite.org/howtocorrupt.html, 2.6), so the
    file is closed before it and opened again after it, by the parent and by the child, each for itself.
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time, patience: float = PATIENCE) -> None:
        self.path = path
        self.now = now
        self.patience = patience
        self.commits = self.syncs = 0
        self.become()

    def become(self) -> None:
        """Begins anew, in a process that has asked nothing yet."""
        self.owner = Owner.here()
        self._lookouts: set[Lookout] = set()
        self._looked = self._renewed = time.monotonic()
        self.held: set[str] = set()
        self.left: set[str] = set()
        self.owed: deque[Job] = deque()
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
            if len(self.owed) < MOST_OWED:
                self.owed.append(Job(work, durable))
                self._wake()

    def leave(self, rows: Collection[str]) -> None:
        """Takes rows out of this process's hand, after all that was asked before; if that fails, as soon as it can."""

        def done(released: "Future[Any]") -> None:
            if released.exception() is not None:
                self.left.update(rows)

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
        elif (self._jobs or self._lookouts or self.owed) and not self._resting:
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
                    self.owed.clear()
                self._turn.notify_all()
                self._wake()

    def _look(self, session: Session) -> None:
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
                busy = self.held or self.owed
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

    def finish(self) -> "Future[Any] | None":
        """What is answered when all is done that was asked; None if nothing is being done. The file stays open."""
        return None if self._thread is None else self.ask(lambda _: None)

    def close(self) -> None:
        """Does all that was asked and closes the file; it is opened again if something is asked later."""
        with self._turn:
            if self.owed:
                self._jobs.append(Job(lambda _: None))
                self._wake()
            self._closing = True
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._thread is None, LAST_WORDS)
            self._closing = False

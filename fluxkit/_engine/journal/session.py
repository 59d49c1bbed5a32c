"""The connection of a writer to its journal's file: each time, all that waits is one transaction."""

import contextlib
import copy
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import FluxError
from .job import Job
from .lookout import Lookout
from .schema import connect, failure
from .store import Store

if TYPE_CHECKING:
    from .writer import Writer


class Session:
    """One connection of a writer, on its thread."""

    def __init__(self, writer: "Writer") -> None:
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
        """Does the jobs in one transaction; if that fails, each in one of its own, so that none falls with another.

        A file that another program has locked for too long is so for all of them, and is not waited for again for each.
        """
        try:
            answers = self._transact(jobs)
        except Exception as error:  # noqa: BLE001 - it is the asker's to judge
            locked = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
            if len(jobs) > 1 and self._connection is not None and not locked:
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
        owed = tuple(self._writer.owed)
        durable = any(job.durable for job in (*owed, *jobs))
        if durable is not self._durable:
            connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        try:
            connection.execute("BEGIN IMMEDIATE")
            store.renew()
            made_good = owed and _made_good(connection, store, owed)
            answers = [_answer(job, store) for job in jobs]
            left = self._writer.left.copy()
            if left:
                store.release(left)
            store.write_down()
            connection.execute("COMMIT")
        except BaseException:
            store.undone()
            if connection.in_transaction:
                connection.rollback()
            raise
        self._writer.left.difference_update(left)
        if made_good:
            for _ in owed:
                self._writer.owed.popleft()
        self._writer.commits += 1
        self._writer.syncs += durable
        return answers

    def _opened(self) -> tuple[sqlite3.Connection, Store]:
        """The connection; another one if somebody has removed or replaced the file: what is written there is lost."""
        if self._connection is not None and self._file != _identity(self._writer.path):
            self.close()
        if self._connection is None or self._store is None:
            self._connection = connect(self._writer.path, patience=self._writer.patience)
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

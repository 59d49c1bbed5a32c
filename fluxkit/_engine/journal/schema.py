"""How the journal's file is laid out, and the way into it: everything that may be wrong with one is found here."""

import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from ...errors import JournalUnavailable
from .places import prepared, unavailable

#: What marks a SQLite file as a journal of fluxkit: "Flux" in ASCII.
APPLICATION: Final = 0x466C7578

#: One step from each version to the next, the first from an empty file. A version that was released is never changed.
MIGRATIONS: Final = (
    """
    CREATE TABLE owners (
        name TEXT PRIMARY KEY, pid INTEGER NOT NULL, host TEXT NOT NULL, machine TEXT NOT NULL, began TEXT NOT NULL,
        lease REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE submits (
        row TEXT PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL, base_url TEXT NOT NULL,
        fate TEXT NOT NULL, state TEXT NOT NULL, why TEXT, task_id TEXT NOT NULL, draft TEXT NOT NULL,
        asked TEXT NOT NULL, turn INTEGER NOT NULL, price TEXT, cost TEXT, place TEXT, token TEXT,
        images TEXT NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL, delivered_at REAL,
        settled TEXT, settled_at REAL, again TEXT, owner TEXT, version INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE INDEX by_task ON submits (task_id) WHERE task_id <> '';
    CREATE INDEX by_state ON submits (state);
    CREATE INDEX by_token ON submits (token) WHERE token IS NOT NULL;
    """,
    """
    ALTER TABLE submits ADD COLUMN label TEXT;
    CREATE INDEX by_label ON submits (label, row) WHERE label IS NOT NULL;
    """,
    """
    ALTER TABLE submits ADD COLUMN idempotency TEXT;
    ALTER TABLE submits ADD COLUMN body TEXT;
    CREATE INDEX by_day ON submits (created_at, fate, price, cost);
    CREATE INDEX by_label_spent ON submits (label, fate, price, cost) WHERE label IS NOT NULL;
    """,
)
VERSION: Final = len(MIGRATIONS)

#: How many seconds another process may have the file to itself.
PATIENCE: Final = 5.0

_REASONS: Final = {
    "SQLITE_BUSY": "another program has locked it",
    "SQLITE_LOCKED": "another program has locked it",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "it can only be read",
    "SQLITE_CANTOPEN": "it cannot be opened",
    "SQLITE_NOTADB": "it is no SQLite database",
    "SQLITE_CORRUPT": "it is damaged",
    "SQLITE_IOERR": "the disk failed",
    "SQLITE_PERM": "it may not be written",
    "SQLITE_NOLFS": "the disk takes no larger file",
}


def failure(path: Path, error: sqlite3.Error) -> JournalUnavailable:
    """The error of ours for what SQLite says."""
    name = getattr(error, "sqlite_errorname", "")  # the module's own errors have none
    reason = next((reason for start, reason in _REASONS.items() if name.startswith(start)), None)
    return unavailable(path, f"{reason} ({error})" if reason else repr(error))


def connect(path: Path, *, patience: float = PATIENCE) -> sqlite3.Connection:
    """A connection to the journal in *path*, which is made if it is not there. It is of any thread, one at a time.

    Raises ``JournalUnavailable`` if it cannot be kept there, leaving a file of somebody else untouched.
    """
    whole = prepared(path)
    connection: sqlite3.Connection | None = None
    try:
        # Autocommit: every transaction is begun and ended by hand.
        connection = sqlite3.connect(whole, timeout=patience, isolation_level=None, check_same_thread=False)
        recognise(path, connection)
        _write_ahead(path, connection, patience)
        _migrate(path, connection)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise failure(path, error) from None
        raise
    return connection


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def recognise(path: Path, connection: sqlite3.Connection) -> int:
    """The version of the journal, 0 if the file is empty; raises ``JournalUnavailable`` if it is none of ours."""
    # What marks it as ours is read last: whoever makes a journal meanwhile writes that together with all else.
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    version, application = _number(connection, "user_version"), _number(connection, "application_id")
    if application != APPLICATION:
        if application or version or tables:
            raise unavailable(path, "it is a database of another program")
        return 0
    if version > VERSION:
        raise unavailable(
            path,
            f"a newer fluxkit has written it (version {version}, and this one reads {VERSION}). Update fluxkit, or "
            "give this one a journal of its own",
        )
    return version


def _write_ahead(path: Path, connection: sqlite3.Connection, patience: float) -> None:
    """Sets the mode in which one writer stops no reader; while another process does the same, it tries again."""
    end = time.monotonic() + patience
    while True:
        with suppress(sqlite3.OperationalError):
            if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal":
                return
            raise unavailable(path, "its file system knows no shared memory, which SQLite needs there")
        if time.monotonic() >= end:
            connection.execute("PRAGMA journal_mode=WAL")  # and says why
            return
        time.sleep(0.01)


def _migrate(path: Path, connection: sqlite3.Connection) -> None:
    """Brings the file to this version. Of several processes one does it, and the others wait for that."""
    if recognise(path, connection) == VERSION:
        return
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[recognise(path, connection) :]:
            for statement in filter(str.strip, step.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise

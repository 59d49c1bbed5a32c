"""What a mock keeps in a file, so that one that is started again knows its tasks, bills, uploads, faults and time.

Every call that changes something is one transaction. It survives the end of the process, however that comes; whether it
survives a power cut is not waited for: nothing was paid for it. Of a task the call that made it is kept, and read again
as it was read at first, so that the file outlives changes of what a task is made of. Pictures are drawn anew.
"""

import contextlib
import functools
import json
import logging
import os
import sqlite3
import stat
import threading
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from fluxkit.errors import SettingsError

from .answer import Incoming
from .namespaces import MOST_NAMESPACES
from .shelf import Laid
from .tasks import MockTask
from .uploads import MockUpload

#: How the file says whose it is, and of which form.
OURS, VERSION = 0x464C4D4B, 1

_TABLES: Final = """
CREATE TABLE task (
    world TEXT, number INTEGER, id TEXT, call TEXT, body BLOB, brought BLOB, facts TEXT, PRIMARY KEY (world, number)
) WITHOUT ROWID;
CREATE TABLE charge (world TEXT, number INTEGER, facts TEXT, PRIMARY KEY (world, number)) WITHOUT ROWID;
CREATE TABLE upload (world TEXT, id TEXT, number INTEGER, facts TEXT, content BLOB, PRIMARY KEY (world, id))
    WITHOUT ROWID;
CREATE TABLE world (name TEXT PRIMARY KEY, facts TEXT) WITHOUT ROWID;
"""

_KEEP_UPLOAD: Final = """
INSERT INTO upload SELECT ?, ?, coalesce(max(number), 0) + 1, ?, ? FROM upload WHERE world = ?
ON CONFLICT DO UPDATE SET facts = excluded.facts, content = excluded.content
"""

_KEEP_CHARGE: Final = "INSERT OR REPLACE INTO charge VALUES (?, ?, ?)"
_KEEP_WORLD: Final = "INSERT OR REPLACE INTO world VALUES (?, ?)"

#: What a task has from the call that made it, and what says nothing by itself.
_READ_AGAIN: Final = frozenset({"id", "number", "provider", "model", "values", "point", "brought"})


@attrs.frozen(eq=False)
class Kept:
    """A task as the file has it: the call that made it, the images that this brought, and its other facts."""

    id: str
    number: int
    call: Incoming
    brought: tuple[bytes, ...] | None
    facts: Mapping[str, Any]


class StateFile:
    """The file of one mock and its namespaces, which are called *worlds* here; one process has it at a time."""

    def __init__(self, path: str | Path, *, seed: int) -> None:
        """Opens or makes it, for the owner alone, for a mock with this *seed*.

        Raises ``SettingsError`` if it cannot be written, is something else, or is in use.
        """
        self.path = Path(path)
        self._lock = threading.Lock()
        self._uploads: dict[str, dict[str, int]] = {}
        self._charges: dict[str, int] = {}
        _make(self.path)
        self._file = sqlite3.connect(self.path, timeout=0.2, isolation_level=None, check_same_thread=False)
        try:
            self._enter(seed)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                reason = "it is in use by another mock. Allowed: another file, or the end of that one"
                raise self._unusable(reason) from None
            raise self._unusable(f"{error}. Allowed: a file in a directory that can be written") from None
        except (sqlite3.DatabaseError, ValueError, TypeError):
            raise self._unusable("it is something else. Allowed: a file that a mock has made, or a new name") from None

    def _enter(self, seed: int) -> None:
        run = self._file.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("BEGIN EXCLUSIVE")  # from here on nobody else enters, until this process ends
        (owner,), (version,) = run("PRAGMA application_id").fetchone(), run("PRAGMA user_version").fetchone()
        if owner != OURS:
            if run("SELECT count(*) FROM sqlite_master").fetchone() != (0,) or owner:
                raise sqlite3.DatabaseError
            for statement in filter(str.strip, _TABLES.split(";")):
                run(statement)
            run(f"PRAGMA application_id = {OURS}")
            run(f"PRAGMA user_version = {VERSION}")
            run("INSERT INTO world VALUES ('/seed', ?)", (str(seed),))
        elif version != VERSION:
            raise self._unusable(f"it is of version {version}, and this fluxkit reads {VERSION}. Allowed: a new name")
        (found,) = run("SELECT facts FROM world WHERE name = '/seed'").fetchone()
        if int(found) != seed:
            raise self._unusable(
                f"it was made with the seed {found}, from which its ids and pictures derive, and this mock has {seed}. "
                f"Allowed: the seed {found}, or a new name"
            )
        run("COMMIT")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = OFF")

    def _unusable(self, reason: str) -> SettingsError:
        self._file.close()
        return SettingsError(f"The mock's state cannot be kept in {self.path}: {reason}.")

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            self._file.close()

    @property
    def worlds(self) -> tuple[str, ...]:
        """The namespaces that are in it; the empty name is that of the mock itself."""
        return tuple(name for (name,) in self._file.execute("SELECT name FROM world WHERE name != '/seed'"))

    # Writing

    def keep(
        self,
        world: str,
        *,
        call: Incoming,
        headers: Mapping[str, str],
        task: MockTask | None,
        bought: bool,
        charges: Sequence[Any],
        uploads: Collection[MockUpload],
        facts: Mapping[str, Any],
    ) -> None:
        """What a call has changed: it is about a *task*, or *bought* it. *headers* are its own without the key."""
        with self._writing():
            if task is not None and bought:
                self._keep_task(world, call, headers, task)
            elif task is not None:
                row = (json.dumps(_facts(task)), world, task.number)
                self._file.execute("UPDATE task SET facts = ? WHERE world = ? AND number = ?", row)
            self._keep_charges(world, charges, task)
            self._keep_uploads(world, uploads)
            self._file.execute(_KEEP_WORLD, (world, json.dumps(facts)))

    def keep_facts(self, world: str, facts: Mapping[str, Any]) -> None:
        """What holds for the whole of a namespace."""
        with self._writing():
            self._file.execute(_KEEP_WORLD, (world, json.dumps(facts)))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction. What cannot be written is told, and costs no client its answer."""
        with self._lock:
            known = {**self._charges}, {**self._uploads}
            try:
                self._file.execute("BEGIN")
                yield
                self._file.execute("COMMIT")
            except sqlite3.Error as error:
                self._charges, self._uploads = known
                with contextlib.suppress(sqlite3.Error):
                    self._file.execute("ROLLBACK")
                logging.getLogger("fluxkit.mock").warning(
                    "The mock's state was not kept in %s: %s. It goes on without it.", self.path, error
                )

    def _keep_task(self, world: str, call: Incoming, headers: Mapping[str, str], task: MockTask) -> None:
        made = json.dumps([call.method, call.path, dict(call.query), dict(headers), call.origin])
        said = tuple(each if isinstance(each, Laid) else each.content for each in task.values.get("references", ()))
        brought = None if said == task.brought else _packed(task.references)
        row = (world, task.number, task.id, made, call.body, brought, json.dumps(_facts(task)))
        self._file.execute("INSERT OR REPLACE INTO task VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def _keep_charges(self, world: str, charges: Sequence[Any], task: MockTask | None) -> None:
        before = self._charges.get(world, 0)
        for number, charge in enumerate(charges[before:], before):
            self._file.execute(_KEEP_CHARGE, (world, number, _written(charge)))
        self._charges[world] = len(charges)
        if task is not None and task.refunded:
            number = next(number for number, each in enumerate(charges) if each.task == task.id)
            self._file.execute(_KEEP_CHARGE, (world, number, _written(charges[number])))

    def _keep_uploads(self, world: str, uploads: Collection[MockUpload]) -> None:
        before, now = self._uploads.get(world, {}), {each.id: len(each.content) for each in uploads}
        if before == now:
            return
        gone = [(world, each) for each in before.keys() - now]
        self._file.executemany("DELETE FROM upload WHERE world = ? AND id = ?", gone)
        for each in uploads:
            if before.get(each.id) != now[each.id]:
                facts = json.dumps(attrs.asdict(each, filter=lambda field, _: field.name != "content"))
                self._file.execute(_KEEP_UPLOAD, (world, each.id, facts, each.content, world))
        self._uploads[world] = now

    def forget_tasks(self, world: str, before: int) -> None:
        """Forgets the tasks that came before the one of this number."""
        with self._writing():
            self._file.execute("DELETE FROM task WHERE world = ? AND number < ?", (world, before))

    def hold(self, world: str, others: Container[Any]) -> None:
        """There is a namespace; those that had to make room for others are forgotten, too."""
        worlds = self.worlds
        if len(worlds) > MOST_NAMESPACES:
            for each in worlds:
                if each and each != world and each not in others:
                    self.forget(each)

    def forget(self, world: str) -> None:
        """Forgets a namespace, or all that the mock itself has."""
        with self._writing():
            for table, column in (("task", "world"), ("charge", "world"), ("upload", "world"), ("world", "name")):
                self._file.execute(f"DELETE FROM {table} WHERE {column} = ?", (world,))  # noqa: S608 - names of ours
            self._charges.pop(world, None)
            self._uploads.pop(world, None)

    # Reading

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """Lets go of the file, with a ``SettingsError``, if what is read of it meanwhile is not as it was written."""
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError, LookupError, AttributeError) as error:
            reason = f"it is damaged ({error}). Allowed: a copy of it from before, or a new name"
            raise self._unusable(reason) from error

    def facts(self, world: str) -> Mapping[str, Any]:
        """What holds for the whole of a namespace; nothing if it is not in the file."""
        row = self._file.execute("SELECT facts FROM world WHERE name = ?", (world,)).fetchone()
        return {} if row is None else dict(json.loads(row[0]))

    def tasks(self, world: str) -> Iterator[Kept]:
        """Its tasks, in their order."""
        rows = self._file.execute("SELECT * FROM task WHERE world = ? ORDER BY number", (world,)).fetchall()
        for _, number, task, made, body, brought, facts in rows:
            method, path, query, headers, origin = json.loads(made)
            call = Incoming(method, path, query, headers, body, origin)
            yield Kept(task, number, call, None if brought is None else _unpacked(brought), json.loads(facts))

    def charges(self, world: str) -> list[dict[str, Any]]:
        """Its charges, in their order."""
        rows = self._file.execute("SELECT facts FROM charge WHERE world = ? ORDER BY number", (world,)).fetchall()
        self._charges[world] = len(rows)
        return [json.loads(facts) for (facts,) in rows]

    def uploads(self, world: str) -> list[MockUpload]:
        """Its uploads, the oldest first."""
        said = "SELECT facts, content FROM upload WHERE world = ? ORDER BY number"
        found = [
            MockUpload(**_known(MockUpload, json.loads(facts)), content=content)
            for facts, content in self._file.execute(said, (world,)).fetchall()
        ]
        self._uploads[world] = {each.id: len(each.content) for each in found}
        return found


def restored(task: MockTask, facts: Mapping[str, Any]) -> MockTask:
    """A task that was read again from its call, with the facts that the file has of it."""
    return attrs.evolve(task, **_known(MockTask, facts))


def _known(kind: type, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the facts that a value of this kind still has."""
    names = {field.name for field in attrs.fields(kind)}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items() if name in names}


def _facts(task: MockTask) -> dict[str, Any]:
    """What is to be said of a task beside its call, as far as JSON can say it."""
    facts = {name: getattr(task, name) for name in _names_of_facts()}
    return {name: value for name, value in facts.items() if isinstance(value, str | int | float | tuple | list | None)}


@functools.cache
def _names_of_facts() -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(MockTask) if field.name not in _READ_AGAIN)


def _written(charge: Any) -> str:
    return json.dumps({**attrs.asdict(charge), "amount": None if charge.amount is None else str(charge.amount)})


def _packed(contents: tuple[bytes, ...]) -> bytes:
    head = json.dumps([len(each) for each in contents]).encode()
    return b"\n".join([head, b"".join(contents)])


def _unpacked(packed: bytes) -> tuple[bytes, ...]:
    head, _, rest = packed.partition(b"\n")
    contents, place = [], 0
    for length in json.loads(head):
        contents.append(rest[place : place + length])
        place += length
    return tuple(contents)


def _make(path: Path) -> None:
    """Makes the file where there is none, for the owner alone; ``SettingsError`` if it cannot be had."""
    allowed = "Allowed: a file in a directory that is there and can be written"
    try:
        # What is no file of ours is not opened for writing: a pipe would wait for ever.
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise SettingsError(f"The mock's state cannot be kept in {path}: it is no file. {allowed}.")
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"The mock's state cannot be kept in {path}: {reason}. {allowed}.") from None

"""The directory of a batch: whose batch it is, one process at a time, and a line for what became of each row."""

import contextlib
import json
import os
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import attrs

from .._contract.report import shorten
from .._engine.process import DRAFT, PART, mark, sweep
from ..errors import SettingsError

BATCH: Final = "batch.json"
RESULTS: Final = "results.jsonl"
LOCK: Final = "batch.lock"

VERSION: Final = 1

#: Results are forced to the disk after so many rows, or so many seconds.
GROUP, WHILE = 64, 1.0

#: What must be the same in each run of a batch, with how a message calls it.
SAME: Final = {
    "model": "the model",
    "base_url": "the address of the service",
    "journal": "the journal",
    "defaults": "the options of the requests",
    "mocked": "offline or not",
}


@attrs.frozen
class Known:
    """What an earlier run has written of a row: of which digest it was, how it stands, and whether to try it again.

    Of one that is ``bereft`` an image is not there any more.
    """

    digest: str
    state: str
    retry: bool
    bought: bool
    bereft: bool


class Directory:
    """The directory of a batch, in the hand of this process alone until it is closed.

    ``facts`` is what batch.json says, ``known`` what earlier runs have written by the keys of rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fresh = True
        self.facts: dict[str, Any] = {}
        self.known: dict[str, Known] = {}
        self._lock: BinaryIO | None = None
        self._results: BinaryIO | None = None
        self._written, self._synced = 0, time.monotonic()

    @classmethod
    def open(cls, path: str | Path, facts: Mapping[str, Any], batch: str) -> Self:
        """The directory in *path*, made if it is not there; a new one becomes the batch of that name.

        Raises ``SettingsError`` if it cannot be used: it is a file, cannot be written, holds something else, is another
        batch's, or is in the hand of another process.
        """
        opened = cls(Path(path))
        try:
            opened._enter(facts, batch)
        except BaseException as error:
            if opened.facts and opened.fresh:
                opened.forget()
            opened.close()
            if isinstance(error, OSError):
                raise _unusable(opened.path, error.strerror or str(error)) from None
            raise
        return opened

    def _enter(self, facts: Mapping[str, Any], batch: str) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise _unusable(self.path, "it is a file")
        self.path.mkdir(parents=True, exist_ok=True)
        there = self.path / BATCH
        strange = sorted(each.name for each in self.path.iterdir() if not _is_trace(each))
        if strange and not there.exists():
            raise _unusable(self.path, f"it holds {shorten(strange[0])} and is the directory of no batch")
        self._lock = open(self.path / LOCK, "ab")  # noqa: SIM115 - until it is closed
        if not _locked(self._lock):
            raise SettingsError(
                f"Another process works on the batch in {self.path}. Nothing was sent. Wait for it, or stop it first."
            )
        sweep(self.path, DRAFT, ends=PART)
        if there.exists():
            self.facts = _read(there)
            self.fresh = False
            self._compare(facts)
        else:
            self.facts = {"version": VERSION, "batch": batch, **facts, "created_at": time.time()}
            self._write_whole(BATCH, [json.dumps(self.facts, indent=2).encode() + b"\n"])
        self._results = self._opened()
        if not self.fresh:
            for _, row in self.rows():
                self._learn(row)

    def _compare(self, facts: Mapping[str, Any]) -> None:
        for name, called in SAME.items():
            before, now = self.facts.get(name), facts[name]
            if before != now:
                raise SettingsError(
                    f"The batch in {self.path} was begun with {called} {_shown(before)}, and now it is "
                    f"{_shown(now)}. Nothing was sent. Allowed: the same as before, or another directory."
                )

    def _opened(self) -> BinaryIO:
        """The file of results, without the last line of a process that was killed while it wrote."""
        file = open(self.path / RESULTS, "a+b")  # noqa: SIM115 - until it is closed
        end = file.seek(0, os.SEEK_END)
        while end:
            begin = max(0, end - 65536)
            file.seek(begin)
            whole = file.read(end - begin).rfind(b"\n") + 1
            if whole:
                end = begin + whole
                break
            end = begin
        file.truncate(end)
        return file

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """What is written of rows, the oldest first, each with where it begins."""
        assert self._results is not None  # noqa: S101 - it is open
        self._results.flush()
        self._results.seek(0)
        begin = 0
        for number, line in enumerate(self._results, 1):
            try:
                row = json.loads(line)
                _ = row["key"], row["digest"], row["line"], row["state"], row["errors"]
                _ = [image["file"] for image in row["images"]]
            except (ValueError, TypeError, KeyError):
                raise SettingsError(
                    f"{self.path / RESULTS}, line {number} is none of fluxkit: the file was changed. Nothing was sent. "
                    "Bring back the file as it was, or use another directory."
                ) from None
            yield begin, row
            begin += len(line)

    def _learn(self, row: Mapping[str, Any]) -> None:
        errors = row["errors"]
        bought = bool(row["images"]) or any(error["charged"] != "no" for error in errors)
        retry = any(error["retry"] and error["charged"] == "no" for error in errors)
        bereft = not all(os.path.exists(os.path.join(self.path, image["file"])) for image in row["images"])  # noqa: PTH110, PTH118 - of 100,000
        self.known[row["key"]] = Known(row["digest"], sys.intern(row["state"]), retry, bought, bereft)

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes what became of a row. It survives this process at once, and the machine after a second."""
        assert self._results is not None  # noqa: S101 - it is open
        self._results.write(json.dumps(row).encode() + b"\n")
        self._results.flush()
        self._written += 1
        if self._written >= GROUP or time.monotonic() - self._synced >= WHILE:
            self.sync()

    def sync(self) -> None:
        """Forces what was written to the disk."""
        assert self._results is not None  # noqa: S101 - it is open
        os.fsync(self._results.fileno())
        self._written, self._synced = 0, time.monotonic()

    def tidy(self) -> None:
        """Rewrites the results by the numbers of their lines, one for each row: its last one."""
        numbers, places = array("Q"), array("Q")
        last: dict[str, int] = {}
        for begin, row in self.rows():
            if row["key"] in last:
                numbers[last[row["key"]]], places[last[row["key"]]] = row["line"], begin
            else:
                last[row["key"]] = len(numbers)
                numbers.append(row["line"])
                places.append(begin)
        order = sorted(range(len(numbers)), key=lambda each: (numbers[each], places[each]))
        assert self._results is not None  # noqa: S101 - it is open
        self._write_whole(RESULTS, self._lines_at(places[each] for each in order))
        self._results.close()
        self._results = self._opened()

    def _lines_at(self, places: Iterator[int]) -> Iterator[bytes]:
        assert self._results is not None  # noqa: S101 - it is open
        for place in places:
            self._results.seek(place)
            yield self._results.readline()

    def _write_whole(self, name: str, lines: Any) -> None:
        """Writes a file so that it is there whole or as it was before, whatever happens."""
        number, draft = tempfile.mkstemp(prefix=f"{DRAFT}{mark()}", suffix=PART, dir=self.path)
        try:
            with open(number, "wb") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(number)
            Path(draft).replace(self.path / name)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(draft).unlink()
            raise

    def forget(self) -> None:
        """Makes it the directory of no batch again, where nothing came of the one that was begun in it."""
        with contextlib.suppress(OSError):
            (self.path / BATCH).unlink(missing_ok=True)

    def close(self) -> None:
        """Lets go of the directory."""
        for file in (self._results, self._lock):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
        self._results = self._lock = None


def _is_trace(path: Path) -> bool:
    """Whether a file is what a batch may leave behind of which nothing came."""
    name = path.name
    return name == LOCK or name.startswith(DRAFT) or (name == RESULTS and path.is_file() and not path.stat().st_size)


def _read(path: Path) -> dict[str, Any]:
    """What batch.json says."""
    try:
        facts = json.loads(path.read_bytes())
        version = facts["version"]
        _ = facts["batch"]
    except (ValueError, TypeError, KeyError):
        raise _unusable(path.parent, f"its {BATCH} is none of fluxkit") from None
    if version != VERSION:
        raise _unusable(path.parent, f"another version of fluxkit has begun it ({shorten(version)}, not {VERSION})")
    return dict(facts)


def _locked(file: BinaryIO) -> bool:
    """Takes the lock, which ends with this process however it ends; False if another one has it."""
    if sys.platform == "win32":  # pragma: no cover - its own way of the same
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _shown(fact: Any) -> str:
    """A fact as its user has said it: options by their names, and what was not said as none."""
    if isinstance(fact, Mapping):
        return ", ".join(f"{name} = {shorten(value)}" for name, value in fact.items()) or "none"
    return "none" if fact is None else shorten(fact)


def _unusable(path: Path, reason: str) -> SettingsError:
    return SettingsError(
        f"The directory {path} cannot be used for a batch: {reason}. Nothing was sent. "
        "Allowed: a directory that is new or empty, or that of the same batch."
    )

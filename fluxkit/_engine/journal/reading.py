"""A journal that can only be read: on a disk or in a directory that cannot be written, or somebody else's."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from ...errors import JournalUnavailable
from .job import Work
from .owner import Owner
from .schema import PATIENCE, VERSION, recognise
from .store import Store


def only_readable(path: Path) -> bool:
    """Whether there is a journal that can be read, and nothing can be noted in it."""
    return path.is_file() and _may(path, os.R_OK) and not (_may(path, os.W_OK) and _may(path.parent, os.W_OK))


def _may(path: Path, how: int) -> bool:
    return os.access(path, how, effective_ids=os.access in os.supports_effective_ids)


def read(path: Path, work: Work) -> Any:
    """The answer to a question that changes nothing; no file is touched. Raises ``JournalUnavailable``.

    What was noted last may lie in the file beside the journal that ends in -wal. Where there is none, or it is empty,
    the journal is whole by itself, and is read as one that nobody changes (https://sqlite.org/wal.html#readonly).
    """
    whole = path.resolve()
    beside = Path(f"{whole}-wal")
    alone = not _holds(beside)
    try:
        answer = _answer(whole, work, alone=alone)
        if alone and _holds(beside):  # somebody who may write it has begun to
            answer = _answer(whole, work, alone=False)
    except sqlite3.Error as error:
        why = f"The journal in {path} can only be read, and not so: {error}."
        if not alone:
            why += f" What was noted last lies in {beside.name}. Allowed: a copy of both files that can be written."
        raise JournalUnavailable(why) from None
    return answer


def _holds(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _answer(path: Path, work: Work, *, alone: bool) -> Any:
    address = f"{path.as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
    with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)) as connection:
        version = recognise(path, connection)
        if version < VERSION:
            raise JournalUnavailable(
                f"The journal in {path} can only be read, and an older fluxkit has written it (version {version}, and "
                f"this one reads {VERSION}). Allowed: a copy of it that can be written."
            )
        return work(Store(connection, Owner.here(), time.time))

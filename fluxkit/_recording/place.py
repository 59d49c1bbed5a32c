"""The file of a recording: whole lines are appended to it, by any number of threads and processes."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._contract.report import shorten
from ..errors import SettingsError

#: So many bytes must find room: a line with a long prompt.
ROOM = 4096


def place_of(said: str, name: str) -> Path:
    """The file that *said* names; raises ``SettingsError`` if it takes no lines. *name* is where it was said."""
    path = Path(said).absolute()
    try:
        os.close(_open(path))
        if not path.is_file():
            raise OSError(0, "it is no regular file")
        _find_room(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"{name} is {shorten(said)}, to which nothing can be written: {reason}. Nothing was sent. Allowed: a file "
            "in a directory that is there."
        ) from None
    return path


def _find_room(path: Path) -> None:
    """Raises ``OSError`` if the disk of a file is full, which opening it does not show."""
    try:
        trial = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - it is closed below, and what it says is told
    except OSError:  # nothing else may be made there, and so it cannot be tried
        return
    with trial:
        trial.write(bytes(ROOM))
        trial.flush()


def append(path: Path, entry: Mapping[str, Any]) -> None:
    """Appends a line in one write, so that it stays whole beside those of other processes. Raises ``OSError``."""
    line = json.dumps(entry, ensure_ascii=True, separators=(", ", ": ")).encode() + b"\n"
    file = _open(path)
    try:
        if os.write(file, line) < len(line):  # the disk is full: what comes next begins a line of its own
            os.write(file, b"\n")
            raise OSError(0, "only a part of a line could be written")
    finally:
        os.close(file)


def _open(path: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    return os.open(path, flags, 0o666)

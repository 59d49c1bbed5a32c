"""Where images are put, and under which name."""

import hashlib
import os
import re
from pathlib import Path
from typing import Self

import attrs

from .._contract.media import format_named
from .._contract.task import Task

LONGEST_NAME = 80


@attrs.frozen
class Place:
    """A directory, and the name in it if the user gave one; otherwise each image is named after its task.

    ``turn`` is the number of the task among those of one request, None if it is the only one.
    """

    directory: Path
    name: str | None = None
    turn: int | None = None

    @classmethod
    def at(cls, to: str | os.PathLike[str]) -> Self:
        """The place that a user means by *to*: a directory if it is one or ends in a slash, a file otherwise."""
        path = Path(to)
        directory = path.is_dir() or os.fspath(to).endswith(("/", os.sep))
        return cls(path) if directory else cls(path.parent, path.name)

    def path(self, task: Task, number: int) -> Path:
        """Where image *number* of *task* goes; without a suffix, its true one is still to be added.

        No two images share a path: no provider's name holds a ``_``, and no name after a task a ``+`` of its own.
        """
        more = f"+{number + 1}" if number else ""
        if self.name is None:
            return self.directory / f"{safe_name(f'{task.provider}_{task.id}')}{more}"
        stem, suffix = split(self.name)
        turn = "" if self.turn is None else f"-{self.turn + 1}"
        return self.directory / f"{stem}{turn}{more}{suffix}"


def split(name: str) -> tuple[str, str]:
    """A file name and its suffix, if that is one of a picture: ``v1.5`` has none."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, f".{suffix}") if dot and stem and format_named(f".{suffix}") else (name, "")


def safe_name(text: str) -> str:
    """*text* as a file name that stays in its directory on every system; different texts keep different names."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", text)
    if name == text and len(name) <= LONGEST_NAME:
        return name
    return f"{name[:LONGEST_NAME]}~{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"

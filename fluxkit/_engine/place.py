"""Where images are put, and under which name."""

import contextlib
import errno
import hashlib
import os
import re
from pathlib import Path
from typing import Self

import attrs

from .._contract.media import format_named
from .._contract.report import shorten
from .._contract.task import Task
from ..errors import SettingsError

LONGEST_NAME = 80

#: What may follow the name that the user gave: a number, a turn, a suffix.
ROOM = "-100+2~2.jpeg"


@attrs.frozen
class Place:
    """A directory, and the name in it if the user gave one; otherwise each image is named after its task.

    ``turn`` is the number of the task among those of one request, None if it is the only one. A place that *gives_way*
    replaces no file that is there, whoever named it.
    """

    directory: Path
    name: str | None = None
    turn: int | None = None
    gives_way: bool = False

    @classmethod
    def at(cls, to: str | os.PathLike[str]) -> Self:
        """The place that a user means by *to*: a directory if it is one or ends in a slash, a file otherwise."""
        path, directory = Path(to), False
        with contextlib.suppress(OSError, ValueError):  # no name of a file: what is made of it will be refused
            directory = path.is_dir()
        directory = directory or os.fspath(to).endswith(("/", os.sep))
        return cls(path) if directory else cls(path.parent, path.name)

    def prepared(self) -> Self:
        """The place, made sure of: the directory is made, and it takes files of such a name.

        An image that finds no place is paid all the same, so this is tried before anything is bought. Raises
        ``SettingsError``.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                (self.directory / f"{self.name or ''}{ROOM}").lstat()
            if not os.access(self.directory, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise SettingsError(
                f"Nothing can be written to {shorten(str(self.directory))}: {reason}. Nothing was sent. "
                "Allowed: a file or a directory where files can be made."
            ) from None
        return self

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

    def replaces(self, number: int) -> bool:
        """Whether image *number* may take the place of a file that is there: only where the user named that file."""
        return self.name is not None and number == 0 and not self.gives_way


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

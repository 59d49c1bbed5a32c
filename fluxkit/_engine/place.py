"""Where images are put, and under which name."""

import contextlib
import errno
import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Self

import attrs

from .._contract.media import format_named
from .._contract.report import shorten
from .._contract.task import Task
from ..errors import SettingsError

LONGEST_NAME = 80

#: How long a name may become whose fields are filled, in bytes: file systems take 255, and more is to follow.
LONGEST_STEM = 180

#: What may follow the name that the user gave: a number, a turn, a suffix.
ROOM = "-100+2~2.jpeg"


#: What the name of a file may hold, in braces.
FIELDS = ("provider", "model", "task", "seed", "n")

_FIELD = re.compile(r"\{([a-z]+)\}")

#: A field with a format behind it, as Python's own templates have them.
_FORMATTED = re.compile(rf"\{{(?:{'|'.join(FIELDS)})[!:][^{{}}]*\}}")


@attrs.frozen
class Place:
    """A directory, and the name in it if the user gave one; otherwise each image is named after its task.

    The name may hold fields, such as ``{seed}``, which are filled with what is known of each image.

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
        path, text = Path(to), os.fspath(to)
        directory = os.path.isdir(path) or text.endswith(("/", os.sep))
        if "{" in text:
            _check_fields(path, directory=directory)
        return cls(path) if directory else cls(path.parent, path.name)

    def prepared(self) -> Self:
        """The place, made sure of: the directory is made, and it takes files of such a name.

        An image that finds no place is paid all the same, so this is tried before anything is bought. Raises
        ``SettingsError``.
        """
        try:
            directory = os.fspath(self.directory)  # asked many things, and a path would be made for each
            if not os.path.isdir(directory):
                self.directory.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.lstat(os.path.join(directory, f"{self.name or ''}{ROOM}"))
            if self.name is not None and (strange := _strange(os.path.join(directory, self.name))):
                raise ValueError(
                    f"{shorten(self.name)} is {strange}, and an image takes the place of what is there. To write into "
                    "it, give it as an open file"
                )
            if not os.access(directory, os.W_OK | os.X_OK):
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
        turn = "" if self.turn is None or "{n}" in stem else f"-{self.turn + 1}"
        stem = self._filled(stem, task)
        return self.directory / f"{stem}{turn}{more}{suffix}"

    def _filled(self, stem: str, task: Task) -> str:
        """The name with its fields filled, each safely; one that becomes too long is cut, and stays another's none."""
        if "{" not in stem:
            return stem
        facts = {
            "provider": task.provider,
            "model": task.model,
            "task": task.id,
            "seed": "noseed" if task.seed is None else str(task.seed),
            "n": str((self.turn or 0) + 1),
        }
        filled = _FIELD.sub(lambda found: safe_name(facts[found[1]]) if found[1] in facts else found[0], stem)
        if filled == stem or len(os.fsencode(filled)) <= LONGEST_STEM:
            return filled
        return f"{safe_name(filled)[:LONGEST_NAME]}~{hashlib.sha256(os.fsencode(filled)).hexdigest()[:8]}"

    def replaces(self, number: int) -> bool:
        """Whether image *number* may take the place of a file that is there: only where the user named that file."""
        named = self.name is not None and not is_template(self.name)
        return named and number == 0 and not self.gives_way


def _strange(path: str) -> str:
    """What a path is that is there and no file: nobody wants a pipe replaced by an image. Nothing if it is one."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:  # it is not there, or will be refused where files are made
        return ""
    if stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode):
        return ""
    return "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"


def is_template(to: str | os.PathLike[str]) -> bool:
    """Whether the name of a file holds fields."""
    return "{" in os.fspath(to) and any(field in FIELDS for field in _FIELD.findall(Path(to).name))


def _check_fields(path: Path, *, directory: bool) -> None:
    """Refuses fields that are none, and those that stand where they would not be filled."""
    allowed = f"in the name of the file {', '.join(f'{{{field}}}' for field in FIELDS)}"
    if not directory:
        for field in _FIELD.findall(path.name):
            if field not in FIELDS:
                raise SettingsError(f"to has {{{field}}}. Nothing was sent. Allowed: {allowed}.")
    if found := _FORMATTED.search(os.fspath(path)):
        raise SettingsError(f"to has {found[0]}, and a field takes no format. Nothing was sent. Allowed: {allowed}.")
    for part in path.parts if directory else path.parts[:-1]:
        if field := next((each for each in _FIELD.findall(part) if each in FIELDS), None):
            raise SettingsError(f"to has {{{field}}} in the name of a directory. Nothing was sent. Allowed: {allowed}.")


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

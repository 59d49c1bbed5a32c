"""The files of settings: where they are looked for, and how one is read that anybody may have written."""

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from .._contract.report import unread
from ..errors import SettingsError
from .source import Level

NAME: Final = "fluxkit.toml"

#: The largest file that is read, in bytes.
MOST: Final = 1_000_000

#: In larger files no lines are looked for.
_MOST_FOR_LINES: Final = 100_000

_LINE: Final = re.compile(r"\s*(?:\[(?P<header>[^\[\]#]+)\]|(?P<key>[\w.\"' -]+?)\s*=)")


@attrs.frozen(eq=False)
class Found:
    """A file of settings as it was read: its table, and the lines at which its entries stand, as far as known."""

    path: Path
    level: Level
    table: Mapping[str, Any] = attrs.field(repr=False)  # it may hold a key
    lines: Mapping[tuple[str, ...], int]

    def line(self, *entry: str) -> int | None:
        """The line of an entry, or of the table that it stands in."""
        return next((self.lines[entry[:end]] for end in range(len(entry), 0, -1) if entry[:end] in self.lines), None)


def project_folders(here: Path) -> list[Path]:
    """Where a project's files are looked for: from *here* up to the top of its repository, and never above.

    Outside of a repository that is *here* alone: in a folder that others may write to anybody could leave a file.
    """
    folders = [here, *here.parents]
    tops = (number for number, folder in enumerate(folders, 1) if os.path.lexists(folder / ".git"))
    return folders[: next(tops, 1)]


def user_file(environ: Mapping[str, str]) -> Path | None:
    """The user's own file: the one that ``FLUXKIT_CONFIG`` names, or the usual one; None where there is to be none."""
    named = environ.get("FLUXKIT_CONFIG")
    if named == os.devnull:
        return None
    if named:
        return Path(named)
    import platformdirs

    return platformdirs.user_config_path("fluxkit", appauthor=False) / NAME


def project_files(here: Path | None) -> Iterator[Found]:
    """The nearest ``fluxkit.toml`` and the nearest ``pyproject.toml`` that has a ``[tool.fluxkit]``."""
    folders = [] if here is None else project_folders(here)
    for folder in folders:
        text = read_text(folder / NAME)
        if text is not None:
            yield Found(folder / NAME, Level.PROJECT, read_toml(folder / NAME, text), lines_of(text))
            break
    for folder in folders:
        path = folder / "pyproject.toml"
        text = read_text(path)
        tool = {} if text is None else read_toml(path, text).get("tool", {})
        if text is not None and isinstance(tool, Mapping) and "fluxkit" in tool:
            yield Found(path, Level.PYPROJECT, _table(path, tool["fluxkit"]), lines_of(text, ("tool", "fluxkit")))
            break


def own_file(environ: Mapping[str, str]) -> Iterator[Found]:
    """The user's own file, if it is there. Raises ``SettingsError`` if the one that is named is not."""
    path = user_file(environ)
    text = None if path is None else read_text(path, own=True)
    if path is not None and text is not None:
        yield Found(path, Level.USER, read_toml(path, text), lines_of(text))
    elif path is not None and environ.get("FLUXKIT_CONFIG"):
        raise SettingsError(
            f"FLUXKIT_CONFIG names {path}, which is not there. Allowed: a file that is there, or {os.devnull} for none."
        )


def read_text(path: Path, *, own: bool = False) -> str | None:
    """The text of a file, None if there is none.

    Nothing but a regular file of at most 1 MB is opened: reading a pipe would wait for ever. A symbolic link is
    followed only if the file is the user's *own*: one in a cloned repository may lead anywhere.

    Raises ``SettingsError``, which shows nothing of what the file holds.
    """
    allowed = "a file of text, of at most 1 MB"
    try:
        looked = path.stat() if own else path.lstat()
        if stat.S_ISLNK(looked.st_mode):
            raise SettingsError(f"{path} is a symbolic link. Allowed: {allowed}, which lies there itself.")
        if not stat.S_ISREG(looked.st_mode):
            raise SettingsError(f"{path} is no regular file. Allowed: {allowed}.")
        # What was looked at may have been replaced since.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (0 if own else getattr(os, "O_NOFOLLOW", 0))
        with open(os.open(path, flags), "rb") as file:
            content = file.read(MOST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"{path} cannot be read: {reason}. Allowed: {allowed}.") from None
    if len(content) > MOST:
        raise SettingsError(f"{path} is larger than 1 MB. Allowed: {allowed}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is no UTF-8 at byte {error.start}. Allowed: {allowed}, as UTF-8.") from None


def read_toml(path: Path, text: str) -> dict[str, Any]:
    """The table that a file holds. Raises ``SettingsError`` with line and column where it is no TOML."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is no TOML: {unread(error)}. Allowed: what https://toml.io describes.") from None


def _table(path: Path, value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise SettingsError(f"{path}: tool.fluxkit is no table. Allowed: [tool.fluxkit].")


def lines_of(text: str, prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], int]:
    """The lines of the entries below *prefix*, which tomllib does not tell.

    Where a line might be taken for another, in a text with strings of several lines, none is given.
    """
    lines: dict[tuple[str, ...], int] = {}
    if len(text) > _MOST_FOR_LINES or '"""' in text or "'''" in text:
        return lines
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        found = _LINE.match(line)
        if found is None:
            continue
        if found["header"]:
            table = _names(f"[{found['header']}]")
        entry = table if found["header"] else (*table, *_names(f"{found['key']} = {{}}"))
        if entry[: len(prefix)] == prefix:
            lines.setdefault(entry[len(prefix) :], number)
    return lines


def _names(statement: str) -> tuple[str, ...]:
    """The names in a table's header or before an equals sign, as TOML reads them."""
    try:
        table = tomllib.loads(statement)
    except ValueError:
        return ("",)
    names: tuple[str, ...] = ()
    while table:
        (name, table), *_ = table.items()
        names += (name,)
    return names

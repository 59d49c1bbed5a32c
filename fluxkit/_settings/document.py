"""One file of settings, checked by the table of keys: whole, whatever of it will be used."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from .._contract.report import shorten
from ..errors import SettingsError
from .files import Found
from .keys import KEYS, Key
from .source import Level, Setting, Source, Stack, Trust, layer, merged

#: A variable, as a file names it.
VARIABLE: Final = re.compile(r"env:(.*)", re.DOTALL)

_PROFILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}")
_TOP: Final = ("default", "profiles")


class Overreach(SettingsError):
    """A file asks for more than it is trusted with."""


@attrs.frozen(eq=False)
class Document:
    """One file that was read. *stacks* are its profiles.

    *problems* is what is wrong with it, *flaws* what is wrong with single profiles, which concerns no other one. That a
    profile asks for what its file may not have is wrong with the file: who has written that may have written more.
    """

    path: Path
    level: Level
    default: Setting | None
    stacks: Mapping[str, Stack]
    problems: tuple[str, ...]
    flaws: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)


def read_document(found: Found, here: Path | None) -> Document:
    """A file, checked by the table of keys: whole, whatever of it will be used; each profile by itself."""
    shown = found.path.relative_to(here) if here is not None and found.path.is_relative_to(here) else found.path

    def source(*entry: str) -> Source:
        return Source(found.level, str(shown), found.line(*entry))

    problems = [f"{source(name)}: {_stray(name, _TOP)}" for name in found.table if name not in _TOP]
    default: Setting | None = None
    if (named := found.table.get("default")) is not None:
        if isinstance(named, str) and _PROFILE.fullmatch(named):
            default = Setting(named, source("default"))
        else:
            problems.append(f"{source('default')}: default is {shorten(named)}. Allowed: the name of a profile.")
    tables = found.table.get("profiles", {})
    if not isinstance(tables, Mapping):
        problems.append(f"{source('profiles')}: profiles is {shorten(tables)}. Allowed: tables, [profiles.NAME].")
        tables = {}
    stacks: dict[str, Stack] = {}
    flaws: dict[str, tuple[str, ...]] = {}
    for name, table in tables.items():
        if _PROFILE.fullmatch(name) and isinstance(table, Mapping):
            wrong: list[str] = []
            stacks[name] = _stack(name, table, source, wrong, problems)
        else:
            allowed = "a table, [profiles.NAME], whose name has letters, digits, - and _"
            wrong = [f"{source('profiles', name)}: profiles.{name:.60} is no profile. Allowed: {allowed}."]
        if wrong:
            flaws[name] = tuple(wrong)
    return Document(found.path, found.level, default, stacks, tuple(problems), flaws)


def _stack(
    name: str, table: Mapping[str, Any], source: Callable[..., Source], wrong: list[str], problems: list[str]
) -> Stack:
    """What a file says of one profile; what is wrong with it goes to *wrong*, or to the *problems* of the file."""
    stacks: list[Stack] = []
    for key, value in table.items():
        where = source("profiles", name, key)
        try:
            stacks.append(layer(_entries(key, value, table, where.level), where))
        except SettingsError as error:
            found = problems if isinstance(error, Overreach) else wrong
            found.append(f"{where}: profiles.{name}.{error.message}")
    return merged(stacks)


def _entries(name: str, value: Any, table: Mapping[str, Any], level: Level) -> Mapping[tuple[str, ...], Any]:
    key = KEYS.get(name)
    if key is None:
        raise SettingsError(_stray(name, tuple(KEYS)))
    if level not in key.files:
        places = " or ".join(each.words for each in key.files)
        raise Overreach(f"{name} does not stand in a project's file. Allowed: {places}, or an argument.")
    entries = key.form(name, value)
    if name == "model" and ":" in str(table.get("provider")):
        raise SettingsError(f'{name} stands beside a provider that names one. Allowed: provider = "NAME", or no model.')
    if key.secret:
        refused = next(_unfit(key, value, table, level), None)
        if refused is not None:
            raise Overreach(refused)
    return entries


def _unfit(key: Key, value: str, table: Mapping[str, Any], level: Level) -> Iterator[str]:
    """Why a file may not hold such a secret, or name such a variable. A project's file may come from a stranger."""
    named, beside = VARIABLE.fullmatch(value), f'{key.name} = "env:FLUXKIT_..."'
    if named is not None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", named[1]):
            yield f"{key.name} names no variable. Allowed: {beside}."
        elif level.trust is Trust.PROJECT and not named[1].startswith("FLUXKIT_"):
            yield (
                f"{key.name} is {shown_variable(named[1])}, and a project's file must not send any variable away: it "
                f"was not read. Allowed: variables that begin with FLUXKIT_, {beside}; or that line in the user's file."
            )
    elif level.trust is Trust.PROJECT and not (key.name == "key" and "base_url" in table):
        yield (
            f"{key.name} is a secret itself (it is not shown), in a file that is passed on with the project. Allowed: "
            f"{beside}; a key of a mock, beside the base_url of that mock; or the same line in the user's file."
        )


def shown_variable(name: str) -> str:
    """The name of a variable as a message shows it: what does not look like one may be a secret itself."""
    return f"'env:{name:.80}'" if re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) else "'env:...'"


def _stray(name: str, known: tuple[str, ...]) -> str:
    """An unknown key. Its value is not shown: it may be a secret under a name that nobody knows."""
    near = difflib.get_close_matches(name, known, 1)
    hint = f", perhaps meant as {near[0]}" if near else ""
    return f"{name:.80} is no key{hint}. Allowed: {', '.join(known)}."

"""A recording as it is read: each request once, with how often it was asked and what came of it."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import attrs

from .._asked import FIELDS
from .._contract.report import shorten, unread
from .._contract.request import Request
from ..errors import FluxError, SettingsError
from .entry import VERSION

#: The longest line that is read, in bytes.
LONGEST_LINE = 8 * 1024 * 1024

FORM = "an object, as FLUXKIT_RECORD and fluxkit mock --record write it"

#: Makes the bytes of an image of which only this much is known: media type, width, height, bytes.
Draw = Callable[[str, int | None, int | None, int], bytes]


class _Wrong(Exception):
    """What is wrong with a line."""


@attrs.frozen(eq=False)
class Outcome:
    """How a call went: the states of its tasks, its images, its errors beside them, or the *error* that it ended by."""

    states: tuple[tuple[str, ...], ...] = ()
    images: tuple[Mapping[str, Any], ...] = ()
    errors: tuple[str, ...] = ()
    error: str | None = None
    charged: str = "unknown"


@attrs.frozen(eq=False)
class Entry:
    """A request that was recorded: the *line* where it stands first, and how many *times* it was asked.

    *said* are its fields as they stand there, *settings* those of the client. *outcome* is None where nobody knows it.
    """

    line: int
    provider: str
    model: str
    said: Mapping[str, Any]
    settings: Mapping[str, Any]
    outcome: Outcome | None = None
    times: int = 1

    @property
    def name(self) -> str:
        """``provider:model``."""
        return f"{self.provider}:{self.model}"

    def request(self, draw: Draw) -> Request:
        """The request, with stand-ins for what was not recorded. Raises ``FluxError`` for what is no request."""
        fields = {name: _filled(value) for name, value in self.said.items()}
        if "references" in fields:
            fields["references"] = [_reference(each, draw) for each in fields["references"]]
        return Request(**fields)


def read_recording(path: str | Path) -> tuple[Entry, ...]:
    """Every request of a recording once, in the order of the file.

    Raises ``SettingsError`` if it cannot be read, naming the line that is none, and if it holds no request.
    """
    shown = shorten(str(path))
    try:
        with open(path, "rb") as file:
            entries = _distinct(_lines(file, str(path)))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"The recording {shown} cannot be read: {reason}. Allowed: a file that is there.") from None
    if not entries:
        raise SettingsError(
            f"The recording {shown} holds no request. Run the tests of the app with FLUXKIT_RECORD={path}, or "
            f"fluxkit mock --record {path} for an app in another language."
        )
    return entries


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    while raw := file.readline(LONGEST_LINE + 1):
        number += 1
        if not raw.strip():
            continue
        try:
            if len(raw) > LONGEST_LINE:
                raise _Wrong(f"it is longer than {LONGEST_LINE // 1024 // 1024} MB")
            yield number, _checked(_read(raw))
        except _Wrong as wrong:
            raise SettingsError(f"{name}, line {number}: {wrong}.") from None


def _read(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except UnicodeDecodeError as error:
        raise _Wrong(f"byte {error.start + 1} is no UTF-8. Allowed: {FORM}") from None
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"it is no JSON: {unread(error)}. Allowed: {FORM}") from None


def _checked(line: Any) -> dict[str, Any]:
    """A line, if it is one of ours and of a version that is known; other names than ours may stand in it."""
    if not isinstance(line, dict):
        raise _Wrong(f"it is {shorten(line)}. Allowed: {FORM}")
    version = line.get("version")
    if type(version) is not int or version != VERSION:
        raise _Wrong(f"version is {shorten(version)}. Allowed: {VERSION}; another fluxkit may have written it")
    _take(line, "provider", str)
    _take(line, "model", str)
    outcome = line.get("outcome")
    if outcome is not None:
        _outcome(outcome)
    if line.get("call") == "wait":
        _take(line, "task", str)
        return line
    request = _take(line, "request", dict)
    if strange := [name for name in request if name not in FIELDS]:
        raise _Wrong(f"request has {shorten(strange[0])}. Allowed: {', '.join(FIELDS)}")
    if not isinstance(request.get("references", []), list):
        raise _Wrong(f"references is {shorten(request['references'])}. Allowed: a list")
    for reference in request.get("references", []):
        _check_reference(reference)
    _check_settings(line.get("settings", {}))
    return line


def _take(line: Mapping[str, Any], name: str, kind: type) -> Any:
    value = line.get(name)
    if not isinstance(value, kind):
        said = "missing" if name not in line else shorten(value)
        raise _Wrong(f"{name} is {said}. Allowed: {'text' if kind is str else 'an object'}")
    return value


def _check_reference(said: Any) -> None:
    if isinstance(said, dict) and isinstance(said.get("url"), str):
        return
    numbers = [said.get(name) for name in ("width", "height", "bytes")] if isinstance(said, dict) else [""]
    fits = all(each is None or (type(each) is int and each >= 0) for each in numbers)
    if not fits or not isinstance(said.get("media_type"), str):
        raise _Wrong(f"references holds {shorten(said)}. Allowed: media_type, width, height and bytes, or a url")


def _check_settings(said: Any) -> None:
    drops, hosts = (said.get("unsupported", {}), said.get("allow_hosts", [])) if isinstance(said, dict) else (0, 0)
    if not isinstance(drops, dict) or not isinstance(hosts, list):
        raise _Wrong(f"settings is {shorten(said)}. Allowed: fit, unsupported and allow_hosts, as a client takes them")


def _outcome(said: Any) -> Outcome:
    found = said if isinstance(said, dict) else {}
    states, images, errors = (found.get(name, []) for name in ("states", "images", "errors"))
    fits = (
        isinstance(said, dict)
        and isinstance(found.get("error"), str | None)
        and _holds(states, list)
        and all(_holds(path, str) for path in states)
        and _holds(images, dict)
        and _holds(errors, str)
    )
    if not fits:
        raise _Wrong(f"outcome is {shorten(said)}. Allowed: states, images and errors as lists, and error as text")
    charged = str(found.get("charged", "unknown"))
    return Outcome(tuple(map(tuple, states)), tuple(images), tuple(errors), found.get("error"), charged)


def _holds(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(each, kind) for each in value)


def _distinct(lines: Iterator[tuple[int, dict[str, Any]]]) -> tuple[Entry, ...]:
    """Each request with its outcome once; what came of one that was only submitted is what the wait for it brought."""
    kept: list[tuple[int, dict[str, Any]]] = []
    waits: dict[str, Any] = {}
    for number, line in lines:
        if line.get("call") == "wait":
            waits[line["task"]] = line.get("outcome")
        else:
            kept.append((number, {name: line[name] for name in NAMES if name in line}))
    found: dict[str, Entry] = {}
    for number, line in kept:
        outcome = waits.get(line.pop("task", ""), line.get("outcome"))
        line["outcome"] = outcome
        key = hashlib.sha256(json.dumps(line, sort_keys=True).encode()).hexdigest()
        if key in found:
            found[key] = attrs.evolve(found[key], times=found[key].times + 1)
            continue
        found[key] = Entry(
            line=number,
            provider=line["provider"],
            model=line["model"],
            said=line["request"],
            settings={name: value for name, value in line.get("settings", {}).items() if name in SETTINGS},
            outcome=None if outcome is None else _outcome(outcome),
        )
    return tuple(found.values())


#: The settings of a client that say what becomes of a request; no other is believed.
SETTINGS = ("fit", "unsupported", "allow_hosts")

#: What tells one request from another; how it was asked, and what was expected then, does not.
NAMES = ("provider", "model", "request", "settings", "outcome", "task")


def _filled(value: Any) -> Any:
    """A value with text of the same length in place of one that was left out."""
    if isinstance(value, dict):
        if value.keys() == {"characters"} and type(value["characters"]) is int:
            return _words(value["characters"])
        return {name: _filled(inner) for name, inner in value.items()}
    return [_filled(inner) for inner in value] if isinstance(value, list) else value


def _words(length: int) -> str:
    length = max(1, min(length, LONGEST_LINE))
    return f"{('words ' * (length // 6 + 1))[: length - 1]}."


def _reference(said: Mapping[str, Any], draw: Draw) -> Any:
    if "url" in said:
        return said["url"]
    return draw(said["media_type"], said.get("width"), said.get("height"), said.get("bytes") or 0)


def request_of(entry: Entry, draw: Draw, path: str | Path) -> Request:
    """The request of an entry; raises ``SettingsError`` with its line if it is none."""
    try:
        return entry.request(draw)
    except (FluxError, TypeError, ValueError) as error:
        said = error.message if isinstance(error, FluxError) else str(error)
        raise SettingsError(f"{path}, line {entry.line}: {said}") from None

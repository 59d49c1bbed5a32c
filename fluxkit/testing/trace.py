"""A trace: the exchanges of one task as shapes, and the states that it went through, without anything secret in it.

It holds what does not change from one task to the next at a service that stays as it is: no key, no link, no id, no
time, no count of polls. So the traces of the live service, of what was recorded of it and of its mock can be compared.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from .._contract.report import shorten, unread
from .._contract.task import State
from ..errors import SettingsError
from .finding import day_of
from .shape import Shape, merged, read_shape

#: The version of the file. It changes when a name in it goes or means something else, not when one comes.
VERSION = 1

#: The calls of a task that a trace holds, by what they are about.
ROUTES = ("submit", "poll", "result")

#: Where a trace is from.
ORIGINS = ("live", "mock", "samples")


@attrs.frozen
class Exchange:
    """What is said on one route while the task is in one state; *words* are the service's own for it.

    *sent* and *said* are the shapes of what goes out and of what comes back. An answer that brings no task, such as a
    503 that passes, has no state, and its shape is not compared.
    """

    route: str
    method: str
    path: str
    status: int
    state: str
    words: tuple[str, ...]
    sent: Shape
    said: Shape


@attrs.frozen
class Trace:
    """The exchanges of one task, each situation once, and the states that it went through.

    *words* are all that the declaration knows for states, *pixels* and *formats* what the images may be like, or were;
    empty where nobody knows. *request* is what was asked for, so that another can be asked the same.
    """

    provider: str
    model: str
    origin: str
    date: dt.date
    request: Mapping[str, Any]
    words: tuple[str, ...]
    states: tuple[str, ...]
    exchanges: tuple[Exchange, ...]
    pixels: tuple[tuple[int, int], ...] = ()
    formats: tuple[str, ...] = ()

    def of(self, route: str, state: str | None = None) -> tuple[Exchange, ...]:
        """The exchanges on a route that brought a task, in one state or in any."""
        return tuple(
            each for each in self.exchanges if each.route == route and each.state and state in (None, each.state)
        )

    def to_json(self) -> str:
        """The trace as the text of a file."""
        said = attrs.asdict(
            self, value_serializer=lambda _, __, value: str(value) if isinstance(value, dt.date) else value
        )
        return json.dumps({"version": VERSION, **said}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Trace":
        """The trace in the text of a file; raises ``ValueError`` saying what is wrong."""
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"it is no JSON: {unread(error)}") from None
        if not isinstance(rows, dict) or rows.pop("version", None) != VERSION:
            raise ValueError(f"it is no trace of version {VERSION}")
        try:
            exchanges = tuple(map(_exchange, _list("exchanges", rows.pop("exchanges"))))
            words, states, formats = (_texts(name, rows.pop(name)) for name in ("words", "states", "formats"))
            pixels = tuple(map(_sides, _list("pixels", rows.pop("pixels"))))
            date = day_of(rows.pop("date"))
            facts = {name: _text(name, rows.pop(name)) for name in ("provider", "model", "origin")}
            request = rows.pop("request")
        except KeyError as error:
            raise ValueError(f"it has no {error}") from None
        if not isinstance(request, dict):
            raise ValueError(f"request is {shorten(request)}, and no object")
        if rows or facts["origin"] not in ORIGINS:
            raise ValueError(f"it has {', '.join(rows) or 'the origin ' + repr(facts['origin'])}, which no trace has")
        return cls(
            **facts,
            date=date,
            request=request,
            words=words,
            states=states,
            exchanges=exchanges,
            pixels=pixels,
            formats=formats,
        )


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {shorten(value)}, and no text")
    return value


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{name} is {shorten(value)}, and no list")
    return value


def _texts(name: str, values: Any) -> tuple[str, ...]:
    return tuple(_text(f"one of {name}", each) for each in _list(name, values))


def _sides(pair: Any) -> tuple[int, int]:
    match pair:
        case [int(width), int(height)]:
            return width, height
    raise ValueError(f"one of pixels is {shorten(pair)}, and no width and height")


def _exchange(row: Any) -> Exchange:
    if not isinstance(row, dict) or row.keys() != {field.name for field in attrs.fields(Exchange)}:
        raise ValueError(f"an exchange is {shorten(row)}")
    if row["route"] not in ROUTES or not isinstance(row["status"], int):
        raise ValueError(
            f"an exchange is on the route {shorten(row['route'])} with the status {shorten(row['status'])}"
        )
    return Exchange(
        route=row["route"],
        method=_text("method", row["method"]),
        path=_text("path", row["path"]),
        status=row["status"],
        state=_text("state", row["state"]),
        words=_texts("words", row["words"]),
        sent=read_shape(row["sent"]),
        said=read_shape(row["said"]),
    )


def read_trace(path: str) -> Trace:
    """The trace in a file; raises ``SettingsError`` saying what is wrong with it."""
    try:
        return Trace.from_json(Path(path).read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"The trace {path or repr(path)} cannot be read: {error.strerror}. Allowed: what fluxkit verify --live "
            "--record has written."
        ) from None
    except ValueError as error:
        raise SettingsError(
            f"The trace {path} cannot be used: {unread(error)}. "
            "Allowed: what fluxkit verify --live --record has written."
        ) from None


def sequence_of(exchanges: Sequence[Exchange]) -> tuple[str, ...]:
    """The states in the order in which they were seen, without what was seen again at once."""
    seen = [each.state for each in exchanges if each.state and each.route != "result"]
    return tuple(state for turn, state in enumerate(seen) if turn == 0 or seen[turn - 1] != state)


def gathered(exchanges: Iterable[Exchange]) -> tuple[Exchange, ...]:
    """Each situation once, with all that was seen in it: how often one polls is no matter of the service."""
    found: dict[tuple[Any, ...], list[Exchange]] = {}
    for each in exchanges:
        found.setdefault((each.route, each.method, each.path, each.status, each.state), []).append(each)
    return tuple(
        attrs.evolve(
            first := some[0],
            words=tuple(sorted({word for each in some for word in each.words})),
            sent=merged(each.sent for each in some) if first.sent else {},
            said=merged(each.said for each in some),
        )
        for some in found.values()
    )


def rank_of(state: str) -> int:
    """How far a task is in a state: created, running, ended."""
    return {State.CREATED.value: 0, State.RUNNING.value: 1}.get(state, 2)

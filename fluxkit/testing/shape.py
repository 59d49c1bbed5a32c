"""The shape of a JSON document: where it holds something and of which kind, and nothing of what it says.

A shape holds no text of the document but the names of its fields, so it may be kept and shown: no key, no signed link
and no id of a task is in it.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .._wire.json import Json

#: What is at a place. *link* is an address, *id* the name of the task, *word* the service's word for its state.
KINDS = ("object", "list", "text", "number", "flag", "null", "link", "id", "word", "absent")

#: Where something is, and all that was seen there; *absent* if it was not there each time.
Shape = Mapping[str, tuple[str, ...]]

ABSENT = "absent"

_PLAIN = re.compile(r"[A-Za-z0-9_@-]+")
_LINK = re.compile(r"https?://", re.IGNORECASE)


def shape_of(document: Json, *, id: str | None = None, word: str = "") -> Shape:
    """The shape of one document that is about the task *id*, whose state it calls *word*."""
    return merged([_placed(document, "", id or None, word or None)])


def merged(shapes: Iterable[Shape]) -> Shape:
    """One shape for several documents: what any of them holds, and what is not in all of them."""
    each = list(shapes)
    places = dict.fromkeys(place for shape in each for place in shape)
    return {place: _kinds(kind for shape in each for kind in shape.get(place, (ABSENT,))) for place in sorted(places)}


def _kinds(kinds: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(kinds), key=KINDS.index))


def _placed(document: Json, place: str, id: str | None, word: str | None) -> dict[str, tuple[str, ...]]:
    match document:
        case dict():
            # Two fields are of one name if both names are addresses, or the id.
            fields: dict[str, list[Shape]] = {}
            for name, value in document.items():
                within = f"{place}.{_named(name, id)}" if place else _named(name, id)
                fields.setdefault(within, []).append(_placed(value, within, id, word))
            found: dict[str, tuple[str, ...]] = {place: ("object",)}
            for shapes in fields.values():
                found |= merged(shapes)
            return found
        case list():
            return {place: ("list",), **merged(_placed(item, f"{place}[]", id, word) for item in document)}
    return {place: (_kind(document, id, word),)}


def _kind(value: Json, id: str | None, word: str | None) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "flag"
        case int() | float():
            return "number"
        case str() if value == word:
            return "word"
        case str() if value == id:
            return "id"
        case str() if _LINK.match(value):
            return "link"
    return "text"


def _named(name: str, id: str | None) -> str:
    if name == id:
        return "{id}"
    if _LINK.match(name):
        return "{link}"
    return name if _PLAIN.fullmatch(name) else json.dumps(name)


def above(place: str) -> str:
    """The place that holds a place; the whole document holds all others, and itself."""
    if place.endswith("[]"):
        return place[:-2]
    found = re.fullmatch(r"""(?P<above>.*?)\.?(?:[^."\[\]]+|"(?:[^"\\]|\\.)*")""", place)
    return found["above"] if found else ""


def read_shape(rows: Any) -> Shape:
    """The shape that was written as JSON; raises ``ValueError`` if it is none."""
    if not isinstance(rows, dict):
        raise ValueError("a shape is an object of places")
    for place, kinds in rows.items():
        if not isinstance(kinds, list) or not kinds or not set(kinds) <= {*KINDS}:
            raise ValueError(f"at {place!r} is {kinds!r:.60}, and not a list of {', '.join(KINDS)}")
    return {place: _kinds(kinds) for place, kinds in rows.items()}

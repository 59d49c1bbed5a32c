"""JSON as values: paths into documents, fragments and what does not fit.

A *document* is what one HTTP message says: its JSON body, and beside the body's own keys ``@headers`` and ``@query``. A
*fragment* is a document in which only some places are filled. Neither is ever changed in place.
"""

import enum
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs

from .._contract.by_fields import shown_by_fields
from .._contract.report import shorten

Json = Any
Path = tuple[str, ...]


class Missing(enum.Enum):
    """The type of ``MISSING``: nothing is said, which is neither null nor an empty text."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing.MISSING

HEADERS: Final = "@headers"
QUERY: Final = "@query"


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Problem:
    """One thing that does not fit: at which *place* of the document, what was *given* and what is *allowed*.

    *field* is the name that fluxkit has for it, empty where there is none.
    """

    place: str
    given: Any
    allowed: str
    field: str = ""

    def __str__(self) -> str:
        given = "is missing" if self.given is MISSING else f"is {shorten(self.given)}"
        return f"{self.place or 'the body'} {given}; allowed: {self.allowed}"


class Unfit(Exception):
    """Something does not fit. *found* is what could be made of the rest, so that one bad field does not cost all."""

    def __init__(self, *problems: Problem, found: Any = MISSING) -> None:
        super().__init__(*problems)
        self.problems = problems
        self.found = found

    def __str__(self) -> str:
        return "; ".join(map(str, self.problems))


def unfit(given: Any, allowed: str) -> Unfit:
    """An ``Unfit`` with a single problem, at the place where it is raised."""
    return Unfit(Problem("", given, allowed))


def under(error: Unfit, place: str) -> tuple[Problem, ...]:
    """The problems of *error*, seen from the document that has it at *place*."""
    if not place:
        return error.problems
    return tuple(
        attrs.evolve(p, place=f"{place}.{p.place}" if p.place and p.place[0] != "[" else f"{place}{p.place}")
        for p in error.problems
    )


def path_of(dotted: str) -> Path:
    """``"result.images"`` as a path; the empty text is the document itself."""
    return tuple(dotted.split(".")) if dotted else ()


def pluck(document: Json, path: Path) -> Json:
    """What stands at *path*; MISSING if nothing or null does, ``Unfit`` if the way there is no object."""
    found = document
    for step in path:
        if isinstance(found, dict):
            found = found.get(step)
        elif found is None or found is MISSING:
            return MISSING
        else:
            raise _astray(document, path)
    return MISSING if found is None else found


def _astray(document: Json, path: Path) -> Unfit:
    """What is wrong on the way to *path*, where something on it is no object."""
    way = 0
    while isinstance(document, dict):
        document = document[path[way]]
        way += 1
    return Unfit(Problem(".".join(path[:way]), document, "an object"))


def plant(path: Path, value: Json) -> Json:
    """The fragment that holds *value* at *path*."""
    for step in reversed(path):
        value = {step: value}
    return value


def merge(first: Json, second: Json) -> Json:
    """Both documents in one; where they overlap and are no objects, the second wins."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return second
    merged = {**first, **second}
    if len(merged) < len(first) + len(second):
        for key in first.keys() & second.keys():
            merged[key] = merge(first[key], second[key])
    return merged


def leaves(document: Json) -> Iterator[Path]:
    """The path of everything in *document* that is no filled object, in its order; lists count as one leaf."""
    pending: list[tuple[Path, Json]] = [((), document)]
    while pending:  # no function that calls itself: a stranger's document may be nested as deep as its parser goes
        at, value = pending.pop()
        if isinstance(value, dict) and value:
            pending.extend(((*at, key), value[key]) for key in reversed(value))
        elif at:
            yield at


def stray(document: Json, places: Iterable[Path]) -> list[Path]:
    """The leaves of *document* that lie at or under none of *places*.

    Null and an empty object say nothing, so these may lie on the way to a place, too.
    """
    known = list(places)
    return [
        leaf
        for leaf in leaves(document)
        if not any(leaf[: len(place)] == place for place in known)
        and not (pluck(document, leaf) in (MISSING, {}) and any(place[: len(leaf)] == leaf for place in known))
    ]


def is_utf8(value: Any) -> bool:
    """Whether *value* is a text that can be sent: half of a surrogate pair has no UTF-8."""
    try:
        return isinstance(value, str) and (value.isascii() or bool(value.encode()))
    except UnicodeEncodeError:
        return False


def is_json(value: Any) -> bool:
    """Whether JSON in UTF-8 can say *value* so that the same comes back: no tuple, no NaN, no key that is no text."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        return is_utf8(text) and bool(json.loads(text) == value)
    except (RecursionError, TypeError, ValueError):
        return False

"""What codecs of several values share: their parts are read, written and spelt each at its place.

Reading is lenient in one respect: what does not fit costs nothing beside it. ``Unfit`` names each problem by its place
and keeps in ``found`` what could be read of the rest.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from .json import MISSING, Json, Problem, Unfit, under

# How many ways of saying one value are worth trying: the ways of its parts multiply.
MOST_SPELLINGS = 64


def attempt(convert: Callable[[Any], Any], value: Any) -> tuple[Any, Unfit | None]:
    """What a reading or writing gives, and what does not fit."""
    try:
        return convert(value), None
    except Unfit as error:
        return error.found, error


def placed(place: str, convert: Callable[[Any], Any], value: Any) -> Any:
    """What a reading or writing gives; what does not fit is named by its place."""
    try:
        return convert(value)
    except Unfit as error:
        raise Unfit(*under(error, place), found=error.found) from None


def gather(calls: Iterable[tuple[str, Callable[[Any], Any], Any]], *problems: Problem) -> tuple[Any, ...]:
    """What many readings or writings give, each at its place: one that does not fit costs no other."""
    wrong = list(problems)
    found = []
    for place, convert, value in calls:
        item, error = attempt(convert, value)
        if error:
            wrong += under(error, place)
        if item is not MISSING:
            found.append(item)
    if wrong:
        raise Unfit(*wrong, found=tuple(found))
    return tuple(found)


def turns(parts: Iterable[Iterator[Json]]) -> Iterator[list[Json]]:
    """The parts of a value, each in the first of its spellings, then each in the next, until every one was shown."""
    ways = [list(islice(spellings, MOST_SPELLINGS)) for spellings in parts]
    for turn in range(max(map(len, ways), default=1)):
        yield [way[turn % len(way)] for way in ways]

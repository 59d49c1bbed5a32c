"""Two things that are to be the same and are not: where, and in what."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .._contract.reference import Reference
from .._wire.json import Json

#: What is not there.
NOTHING: Any = object()


class Differs(AssertionError):
    """Two things that are to be the same are not; the expected one stands *at* a field of a sample."""

    def __init__(self, expected: Any, actual: Any, about: str, at: str = "") -> None:
        self.expected, self.actual, self.at = expected, actual, at
        within, one, other = difference(plain(expected), plain(actual))
        if "." in within:  # of two objects it is said in which field they differ
            expected, actual, at = one, other, f"{at}{within}".removeprefix(".")
        named = f"{about}, {at}" if at else about
        super().__init__(f"{named}: {shown(expected, most=2000)} expected, and it is {shown(actual, most=2000)}")


def same(expected: Any, actual: Any, about: str, *, at: str = "") -> None:
    """Raises ``AssertionError`` unless both are equal, saying what they are *about* and where in a sample that is."""
    if expected != actual:
        raise Differs(expected, actual, about, at)


def difference(expected: Json, actual: Json) -> tuple[str, Json, Json]:
    """The first place at which two documents differ, as a path, and what stands there in each."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name in (*expected, *(each for each in actual if each not in expected)):
            one, other = expected.get(name, NOTHING), actual.get(name, NOTHING)
            if one != other:
                within, one, other = difference(one, other)
                return f".{name}{within}", one, other
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for turn, (one, other) in enumerate(zip(expected, actual, strict=True)):
            if one != other:
                within, one, other = difference(one, other)
                return f"[{turn}]{within}", one, other
    return "", expected, actual


def plain(value: Any) -> Json:
    """A value of a check as it would stand in a file of samples."""
    match value:
        case Mapping():
            return {name: plain(each) for name, each in value.items()}
        case set() | frozenset():
            return sorted(map(str, value))
        case tuple() | list():
            return [plain(each) for each in value]
        case Reference():
            return value.url if value.content is None else value.read().decode("latin-1")
        case Decimal():
            return str(value)
        case str():
            return str(value)
    return value


def shown(value: Any, *, most: int = 200) -> str:
    """A value as it is shown, which may be nothing."""
    return "nothing" if value is NOTHING or value is None else f"{value!r:.{most}}"

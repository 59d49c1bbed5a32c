"""Codecs of places: where in a document the values of a service lie.

They obey the law of ``codec.Codec``, and one more: everything that ``write`` gives lies at or under ``places()``, so
fragments of different fields can be merged, and what lies elsewhere in a body is a stray field.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import attrs

from .._contract.by_fields import by_fields
from .codec import Codec, Scalar
from .json import HEADERS, MISSING, QUERY, Json, Path, Problem, Unfit, merge, path_of, plant, pluck, under, unfit
from .parts import attempt, gather
from .scalars import SIDE, sides


@by_fields
@attrs.frozen(eq=False, repr=False)
class At:
    """One value at a dotted path; the empty path is "here". Null means that nothing is said.

    *default* is what the service takes where nothing is said, as its documentation states it.
    """

    path: str
    inner: Codec
    default: Any = MISSING
    steps: Path = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "steps", path_of(self.path))

    @property
    def allowed(self) -> str:
        return self.inner.allowed

    def write(self, value: Any, /) -> Json:
        try:  # as ``placed``, without a call for each field of each request
            said = self.inner.write(value)
        except Unfit as error:
            raise Unfit(*under(error, self.path), found=error.found) from None
        return plant(self.steps, said)

    def read(self, json: Json, /) -> Any:
        steps = self.steps  # most are one, and need nobody to go along with them
        said = json.get(steps[0]) if len(steps) == 1 and isinstance(json, dict) else pluck(json, steps)
        if said is MISSING or said is None:
            return self.default
        try:
            value = self.inner.read(said)
        except Unfit as error:
            raise Unfit(*under(error, self.path), found=error.found) from None
        return self.default if value is MISSING else value

    def spellings(self, value: Any, /) -> Iterator[Json]:
        for spelling in self.inner.spellings(value):
            yield plant(self.steps, spelling)

    def places(self) -> Iterator[Path]:
        for place in tuple(self.inner.places()) or ((),):  # an empty object lies somewhere, too
            yield self.steps + place


def Header(name: str, inner: Codec) -> At:  # noqa: N802 - reads as a codec in declarations
    """One value in an HTTP header."""
    return At(f"{HEADERS}.{name.lower()}", inner)


def Query(name: str, inner: Codec) -> At:  # noqa: N802 - reads as a codec in declarations
    """One value in the query of the URL."""
    return At(f"{QUERY}.{name}", inner)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Sides(Scalar):
    """Width and height in pixels under two keys.

    Some services take *auto* as a side that is not said. Both sides are said, or none.
    """

    width: str = "width"
    height: str = "height"
    auto: int | None = attrs.field(default=None, kw_only=True)
    allowed = "(width, height) in pixels"

    def write(self, value: Any, /) -> Json:
        width, height = sides(value, self.allowed)
        return {self.width: width, self.height: height}

    def read(self, json: Json, /) -> Any:
        said = {key: pluck(json, (key,)) for key in (self.width, self.height)}
        if all(side is MISSING or (side == self.auto and type(side) is int) for side in said.values()):
            return MISSING
        allowed = SIDE.allowed if self.auto is None else f"{SIDE.allowed}, or {self.auto} for both"
        if wrong := [Problem(key, side, allowed) for key, side in said.items() if not SIDE.admits(side)]:
            raise Unfit(*wrong)
        return tuple(said.values())

    def places(self) -> Iterator[Path]:
        yield (self.width,)
        yield (self.height,)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Pair:
    """Two values in two places, for us a tuple. Said by half, it is not said fully: give the places defaults."""

    first: Codec
    second: Codec

    @property
    def allowed(self) -> str:
        return f"({self.first.allowed}) with ({self.second.allowed})"

    def write(self, value: Any, /) -> Json:
        if not isinstance(value, tuple) or len(value) != 2:
            raise unfit(value, self.allowed)
        return merge(self.first.write(value[0]), self.second.write(value[1]))

    def spellings(self, value: Any, /) -> Iterator[Json]:
        self.write(value)  # refuses what is no pair
        for first, second in product(self.first.spellings(value[0]), self.second.spellings(value[1])):
            yield merge(first, second)

    def read(self, json: Json, /) -> Any:
        try:
            first, second = self.first.read(json), self.second.read(json)
        except Unfit:
            _, error = attempt(gather, [("", self.first.read, json), ("", self.second.read, json)])
            assert error is not None  # noqa: S101 - one of them has just not fitted
            raise Unfit(*error.problems) from None  # without what is found: half a pair is none
        return MISSING if first is MISSING or second is MISSING else (first, second)

    def places(self) -> Iterator[Path]:
        yield from self.first.places()
        yield from self.second.places()


@by_fields
@attrs.frozen(eq=False, repr=False)
class Implied(Scalar):
    """A value that is never said, because there is no other."""

    value: Any

    @property
    def allowed(self) -> str:
        return str(self.value)

    def write(self, value: Any, /) -> Json:
        if value != self.value:
            raise unfit(value, self.allowed)
        return {}

    def read(self, json: Json, /) -> Any:
        return self.value

    def places(self) -> Iterator[Path]:
        yield from ()

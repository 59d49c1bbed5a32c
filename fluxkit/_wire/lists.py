"""Codecs of several values of one kind, for us a tuple: as a list, under numbered keys, or one that is alone."""

from collections.abc import Iterator
from typing import Any

import attrs

from .._contract.by_fields import by_fields
from .codec import Codec
from .json import MISSING, Json, Path, Problem, Unfit, pluck, unfit
from .parts import attempt, gather, placed, turns
from .scalars import between, names, within


@by_fields
@attrs.frozen(eq=False, repr=False)
class Slots:
    """Several values under numbered keys, filled from the first."""

    keys: tuple[str, ...] = attrs.field(converter=names)
    inner: Codec

    @property
    def allowed(self) -> str:
        return f"at most {len(self.keys)}, each {self.inner.allowed}"

    def write(self, value: Any, /) -> Json:
        if not isinstance(value, tuple) or not 0 < len(value) <= len(self.keys):
            raise unfit(value, self.allowed)
        items = gather((key, self.inner.write, item) for key, item in zip(self.keys, value, strict=False))
        return dict(zip(self.keys, items, strict=False))

    def read(self, json: Json, /) -> Any:
        said = ((key, pluck(json, (key,))) for key in self.keys)
        return gather((key, self.inner.read, item) for key, item in said if item is not MISSING) or MISSING

    def spellings(self, value: Any, /) -> Iterator[Json]:
        self.write(value)  # refuses what does not fit
        for items in turns(map(self.inner.spellings, value)):
            yield dict(zip(self.keys, items, strict=False))

    def places(self) -> Iterator[Path]:
        for key in self.keys:
            yield (key,)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Each:
    """A list, item by item; for us a tuple of *fewest* to *most* items.

    Of a list that is too long, the first are found.
    """

    inner: Codec
    most: int | None = None
    fewest: int | None = None

    @property
    def allowed(self) -> str:
        count = between(self.fewest, self.most).removeprefix(" of ").removeprefix(" from ")
        return f"a list of {f'{count}, ' if count else ''}each {self.inner.allowed}"

    def write(self, value: Any, /) -> Json:
        if not isinstance(value, tuple) or not within(len(value), self.fewest, self.most):
            raise unfit(value, self.allowed)
        return list(gather((f"[{turn}]", self.inner.write, item) for turn, item in enumerate(value)))

    def read(self, json: Json, /) -> Any:
        if not isinstance(json, list):
            raise unfit(json, self.allowed)
        items = json[: self.most]
        miscounted = [] if within(len(json), self.fewest, self.most) else [Problem("", json, self.allowed)]
        return gather(((f"[{turn}]", self._read_item, item) for turn, item in enumerate(items)), *miscounted)

    def _read_item(self, json: Json) -> Any:
        value = self.inner.read(json)
        if value is MISSING:
            raise unfit(json, self.inner.allowed)
        return value

    def spellings(self, value: Any, /) -> Iterator[Json]:
        self.write(value)  # refuses what does not fit
        yield from turns(map(self.inner.spellings, value))

    def places(self) -> Iterator[Path]:
        yield ()


@by_fields
@attrs.frozen(eq=False, repr=False)
class First:
    """One value that comes as a list, of which only the first item counts."""

    inner: Codec

    @property
    def allowed(self) -> str:
        return self.inner.allowed

    def write(self, value: Any, /) -> Json:
        return [placed("[0]", self.inner.write, value)]

    def read(self, json: Json, /) -> Any:
        if not isinstance(json, list) or not json:
            raise unfit(json, f"a list that starts with {self.allowed}")
        return placed("[0]", self.inner.read, json[0])

    def spellings(self, value: Any, /) -> Iterator[Json]:
        for spelling in self.inner.spellings(value):
            yield [spelling]

    def places(self) -> Iterator[Path]:
        yield ()


@by_fields
@attrs.frozen(eq=False, repr=False)
class Only:
    """A tuple of exactly one item that comes bare."""

    inner: Codec

    @property
    def allowed(self) -> str:
        return f"exactly one, {self.inner.allowed}"

    def write(self, value: Any, /) -> Json:
        return self.inner.write(self._item(value))

    def read(self, json: Json, /) -> Any:
        item, error = attempt(self.inner.read, json)
        found = MISSING if item is MISSING else (item,)
        if error:
            raise Unfit(*error.problems, found=found)
        return found

    def spellings(self, value: Any, /) -> Iterator[Json]:
        yield from self.inner.spellings(self._item(value))

    def _item(self, value: Any) -> Any:
        if not isinstance(value, tuple) or len(value) != 1:
            raise unfit(value, self.allowed)
        return value[0]

    def places(self) -> Iterator[Path]:
        yield from self.inner.places()

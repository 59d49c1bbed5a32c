"""The codec of a document: values by the names that fluxkit has for them, each with a codec that knows its place."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from .._contract.by_fields import by_fields
from .codec import Codec
from .json import MISSING, Json, Path, Problem, Unfit, merge, unfit
from .parts import attempt, turns
from .scalars import names


def _table(fields: Any) -> tuple[tuple[str, Codec], ...]:
    return tuple(dict(fields).items())


@by_fields
@attrs.frozen(eq=False, repr=False)
class Form:
    """Named values that share a document. Reading and writing collect everything wrong at once.

    What is named in *need* must be there, and so must a field whose codec takes the whole document: both are *needed*.
    ``|`` joins two forms; of two fields of one name the second counts. Raises ``ValueError`` if *need* names no field.
    """

    fields: tuple[tuple[str, Codec], ...] = attrs.field(converter=_table)
    need: tuple[str, ...] = attrs.field(default=(), converter=names)
    needed: frozenset[str] = attrs.field(init=False, eq=False, repr=False)
    _codecs: Mapping[str, Codec] = attrs.field(init=False, eq=False, repr=False)
    _here: bool = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_codecs", dict(self.fields))
        here = [name for name, codec in self.fields if () in codec.places()]
        object.__setattr__(self, "_here", bool(here))
        object.__setattr__(self, "needed", frozenset((*self.need, *here)))
        if strangers := self.needed.difference(self._codecs):
            raise ValueError(f"a form of {', '.join(self._codecs)} cannot need {', '.join(sorted(strangers))}")

    @property
    def allowed(self) -> str:
        return f"an object with {', '.join(self._codecs)}"

    def __or__(self, other: "Form") -> "Form":
        return Form(self.fields + other.fields, self.need + other.need)

    def get(self, name: str) -> Codec | None:
        """The codec of the field called *name*."""
        return self._codecs.get(name)

    def write(self, value: Any, /) -> Json:
        if not isinstance(value, Mapping):
            raise unfit(value, self.allowed)
        document: Json = {}
        problems = [self._missing(name) for name in sorted(self.needed.difference(value))]
        for name, item in value.items():
            codec = self._codecs.get(name)
            if codec is None:
                problems.append(Problem(str(name), item, self.allowed, str(name)))
                continue
            try:
                document = merge(document, codec.write(item))
            except Unfit as error:
                problems += self._named(name, error)
        if problems:
            raise Unfit(*problems)
        return document

    def read(self, json: Json, /) -> Any:
        if not isinstance(json, dict) and not self._here:
            raise unfit(json, "an object")
        found: dict[str, Any] = {}
        problems: list[Problem] = []
        steps = json.keys() if isinstance(json, dict) else None
        for name, codec, beginnings, unsaid in self._fields_to_read:
            try:
                is_silent = steps is not None and beginnings is not None and beginnings.isdisjoint(steps)
                value = unsaid if is_silent else codec.read(json)
            except Unfit as error:
                value = error.found
                problems += self._named(name, error)
            else:
                if value is MISSING and name in self.needed:
                    problems.append(self._missing(name))
            if value is not MISSING:
                found[name] = value
        if problems:
            raise Unfit(*problems, found=found or MISSING)
        return found

    @functools.cached_property
    def _fields_to_read(self) -> tuple[tuple[str, Codec, frozenset[str] | None, Any], ...]:
        """Each field with the keys below one of which it lies, and what it is in a document that has none of them.

        Most documents have few of the fields that they may have, and only these need to be read. There are no such keys
        (None) where a field takes the whole document, or does not fit where nothing is said.
        """
        return tuple((name, codec, *_silence(codec)) for name, codec in self.fields)

    def spellings(self, value: Any, /) -> Iterator[Json]:
        self.write(value)  # refuses what does not fit
        for fragments in turns(self._codecs[name].spellings(item) for name, item in value.items()):
            document: Json = {}
            for fragment in fragments:
                document = merge(document, fragment)
            yield document

    def _missing(self, name: str) -> Problem:
        return Problem(self._place(name), MISSING, self._codecs[name].allowed, name)

    def _named(self, name: str, error: Unfit) -> Iterator[Problem]:
        for problem in error.problems:
            yield attrs.evolve(problem, field=name, place=problem.place or self._place(name))

    def _place(self, name: str) -> str:
        return ".".join(next(self._codecs[name].places(), ()))

    def places(self) -> Iterator[Path]:
        for _, codec in self.fields:
            yield from codec.places()


def _silence(codec: Codec) -> tuple[frozenset[str] | None, Any]:
    places = tuple(codec.places())
    unsaid, error = attempt(codec.read, {})
    return (None if error or () in places else frozenset(place[0] for place in places)), unsaid

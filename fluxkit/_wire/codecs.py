"""Codecs of places: where in a document the values of a service lie.

They obey the law of ``scalars.Codec``, and one more: everything that ``write`` gives lies at or under ``places()``, so
fragments of different fields can be merged, and what lies elsewhere in a body is a stray field.

Reading is lenient in one respect: what does not fit costs nothing beside it. ``Unfit`` names each problem by its place
and keeps in ``found`` what could be read of the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, product
from typing import Any

import attrs

from .body import holds_blob, spelt
from .json import HEADERS, MISSING, QUERY, Json, Path, Problem, Unfit, merge, path_of, plant, pluck, under, unfit
from .scalars import SIDE, Codec, Scalar, Text, between, names, sides, within

# How many ways of saying one value are worth trying: the ways of its parts multiply.
MOST_SPELLINGS = 64


def _attempt(convert: Callable[[Any], Any], value: Any) -> tuple[Any, Unfit | None]:
    """What a reading or writing gives, and what does not fit."""
    try:
        return convert(value), None
    except Unfit as error:
        return error.found, error


def _placed(place: str, convert: Callable[[Any], Any], value: Any) -> Any:
    """What a reading or writing gives; what does not fit is named by its place."""
    try:
        return convert(value)
    except Unfit as error:
        raise Unfit(*under(error, place), found=error.found) from None


def _gather(calls: Iterable[tuple[str, Callable[[Any], Any], Any]], *problems: Problem) -> tuple[Any, ...]:
    """What many readings or writings give, each at its place: one that does not fit costs no other."""
    wrong = list(problems)
    found = []
    for place, convert, value in calls:
        item, error = _attempt(convert, value)
        if error:
            wrong += under(error, place)
        if item is not MISSING:
            found.append(item)
    if wrong:
        raise Unfit(*wrong, found=tuple(found))
    return tuple(found)


def _turns(parts: Iterable[Iterator[Json]]) -> Iterator[list[Json]]:
    """The parts of a value, each in the first of its spellings, then each in the next, until every one was shown."""
    ways = [list(islice(spellings, MOST_SPELLINGS)) for spellings in parts]
    for turn in range(max(map(len, ways), default=1)):
        yield [way[turn % len(way)] for way in ways]


@attrs.frozen
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
        return plant(self.steps, _placed(self.path, self.inner.write, value))

    def read(self, json: Json, /) -> Any:
        said = pluck(json, self.steps)
        value = MISSING if said is MISSING else _placed(self.path, self.inner.read, said)
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


@attrs.frozen
class Sides(Scalar):
    """Width and height in pixels under two keys."""

    width: str = "width"
    height: str = "height"
    allowed = "(width, height) in pixels"

    def write(self, value: Any, /) -> Json:
        width, height = sides(value, self.allowed)
        return {self.width: width, self.height: height}

    def read(self, json: Json, /) -> Any:
        said = {key: pluck(json, (key,)) for key in (self.width, self.height)}
        if all(side is MISSING for side in said.values()):
            return MISSING
        if wrong := [Problem(key, side, SIDE.allowed) for key, side in said.items() if not SIDE.admits(side)]:
            raise Unfit(*wrong)
        return tuple(said.values())

    def places(self) -> Iterator[Path]:
        yield (self.width,)
        yield (self.height,)


@attrs.frozen
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
        found, error = _attempt(_gather, [("", self.first.read, json), ("", self.second.read, json)])
        if error:
            raise Unfit(*error.problems)  # without what is found: half a pair is none
        return found if len(found) == 2 else MISSING

    def places(self) -> Iterator[Path]:
        yield from self.first.places()
        yield from self.second.places()


@attrs.frozen
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


@attrs.frozen
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
        items = _gather((key, self.inner.write, item) for key, item in zip(self.keys, value, strict=False))
        return dict(zip(self.keys, items, strict=False))

    def read(self, json: Json, /) -> Any:
        said = ((key, pluck(json, (key,))) for key in self.keys)
        return _gather((key, self.inner.read, item) for key, item in said if item is not MISSING) or MISSING

    def spellings(self, value: Any, /) -> Iterator[Json]:
        self.write(value)  # refuses what does not fit
        for items in _turns(map(self.inner.spellings, value)):
            yield dict(zip(self.keys, items, strict=False))

    def places(self) -> Iterator[Path]:
        for key in self.keys:
            yield (key,)


@attrs.frozen
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
        return list(_gather((f"[{turn}]", self.inner.write, item) for turn, item in enumerate(value)))

    def read(self, json: Json, /) -> Any:
        if not isinstance(json, list):
            raise unfit(json, self.allowed)
        items = json[: self.most]
        miscounted = [] if within(len(json), self.fewest, self.most) else [Problem("", json, self.allowed)]
        return _gather(((f"[{turn}]", self._read_item, item) for turn, item in enumerate(items)), *miscounted)

    def _read_item(self, json: Json) -> Any:
        value = self.inner.read(json)
        if value is MISSING:
            raise unfit(json, self.inner.allowed)
        return value

    def spellings(self, value: Any, /) -> Iterator[Json]:
        self.write(value)  # refuses what does not fit
        yield from _turns(map(self.inner.spellings, value))

    def places(self) -> Iterator[Path]:
        yield ()


@attrs.frozen
class First:
    """One value that comes as a list, of which only the first item counts."""

    inner: Codec

    @property
    def allowed(self) -> str:
        return self.inner.allowed

    def write(self, value: Any, /) -> Json:
        return [_placed("[0]", self.inner.write, value)]

    def read(self, json: Json, /) -> Any:
        if not isinstance(json, list) or not json:
            raise unfit(json, f"a list that starts with {self.allowed}")
        return _placed("[0]", self.inner.read, json[0])

    def spellings(self, value: Any, /) -> Iterator[Json]:
        for spelling in self.inner.spellings(value):
            yield [spelling]

    def places(self) -> Iterator[Path]:
        yield ()


@attrs.frozen
class Only:
    """A tuple of exactly one item that comes bare."""

    inner: Codec

    @property
    def allowed(self) -> str:
        return f"exactly one, {self.inner.allowed}"

    def write(self, value: Any, /) -> Json:
        return self.inner.write(self._item(value))

    def read(self, json: Json, /) -> Any:
        item, error = _attempt(self.inner.read, json)
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


@attrs.frozen
class Either:
    """Two ways to say one thing. Writes with the first whose own reading gives the value back, reads both."""

    first: Codec
    second: Codec

    @property
    def allowed(self) -> str:
        first, second = self.first.allowed, self.second.allowed
        return first if first == second else f"{first}, or {second}"

    def write(self, value: Any, /) -> Json:
        fragment, error = _attempt(self.first.write, value)
        if not error and _attempt(self.read, fragment) == (value, None):
            return fragment  # the first of the spellings, without a look at the others
        return next(self.spellings(value))

    def spellings(self, value: Any, /) -> Iterator[Json]:
        fits = False
        for option in (self.first, self.second):
            if _attempt(option.write, value)[1]:
                continue
            for spelling in option.spellings(value):
                found, error = _attempt(self.read, spelling)
                if found == value and not error and not self._is_taken(option, spelling):
                    fits = True
                    yield spelling
        if not fits:
            raise unfit(value, self.allowed)

    def _is_taken(self, option: Codec, spelling: Json) -> bool:
        """Whether the first option reads as its own what the second has spelt, once its images are text."""
        if option is self.first or not holds_blob(spelling):
            return False
        found, error = _attempt(self.first.read, spelt(spelling))
        return bool(_weight(found)) and not error

    def read(self, json: Json, /) -> Any:
        """Reads the option that finds more, of equals the one that fits, and of those the first."""
        found, error = _attempt(self.first.read, json)
        if _weight(found) and not error:
            return found
        other, wrong = _attempt(self.second.read, json)
        if _rank(other, wrong) > _rank(found, error):
            found, error = other, wrong
        if error:
            raise Unfit(*error.problems, found=found)
        return found

    def places(self) -> Iterator[Path]:
        yield from self.first.places()
        yield from self.second.places()


def _weight(found: Any) -> int:
    """How much was found: a wrapped form that is broken in one field still finds more than the same form bare."""
    if found is MISSING:
        return 0
    return len(found) if isinstance(found, dict | tuple) else 1


def _rank(found: Any, error: Unfit | None) -> tuple[int, int]:
    return _weight(found), 1 if error else 0 if found is MISSING else 2


@attrs.frozen
class Fixed:
    """A constant at a path."""

    path: str
    json: Json


@attrs.frozen
class With:
    """A value that is said together with a constant. The constant is demanded if the value or its place is there."""

    inner: Codec
    fixed: Fixed

    @property
    def allowed(self) -> str:
        return self.inner.allowed

    def write(self, value: Any, /) -> Json:
        return merge(self.inner.write(value), self._constant())

    def spellings(self, value: Any, /) -> Iterator[Json]:
        for spelling in self.inner.spellings(value):
            yield merge(spelling, self._constant())

    def _constant(self) -> Json:
        return plant(path_of(self.fixed.path), self.fixed.json)

    def read(self, json: Json, /) -> Any:
        value, error = _attempt(self.inner.read, json)
        said, astray = _attempt(lambda document: pluck(document, path_of(self.fixed.path)), json)
        if value is MISSING and said is MISSING and not error and not astray:
            return MISSING
        problems: list[Problem] = []
        if astray:
            problems += astray.problems
        elif said != self.fixed.json or isinstance(said, bool) is not isinstance(self.fixed.json, bool):
            problems.append(Problem(self.fixed.path, said, str(self.fixed.json)))
        if error:
            problems += error.problems
        if problems:
            raise Unfit(*problems, found=value)
        return value

    def places(self) -> Iterator[Path]:
        yield from self.inner.places()
        yield path_of(self.fixed.path)


@attrs.frozen
class Tagged:
    """A status word with a second word behind a colon where *tag* is filled: ``COMPLETED``, ``COMPLETED:timeout``."""

    word: Codec
    tag: Codec
    allowed = "a status word, or two with a colon between them"

    def write(self, value: Any, /) -> Json:
        return next(self.spellings(value))

    def spellings(self, value: Any, /) -> Iterator[Json]:
        word, colon, tag = Text().write(value).partition(":")
        if not colon:
            yield from self.word.spellings(word)
        elif tag:
            yield from Pair(self.word, self.tag).spellings((word, tag))
        else:
            raise unfit(value, self.allowed)

    def read(self, json: Json, /) -> Any:
        word, tag = self.word.read(json), self.tag.read(json)
        return f"{word}:{tag}" if tag and word is not MISSING else word

    def places(self) -> Iterator[Path]:
        yield from self.word.places()
        yield from self.tag.places()


def _table(fields: Any) -> tuple[tuple[str, Codec], ...]:
    return tuple(dict(fields).items())


@attrs.frozen
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
            fragment, error = _attempt(codec.write, item)
            if error:
                problems += self._named(name, error)
            else:
                document = merge(document, fragment)
        if problems:
            raise Unfit(*problems)
        return document

    def read(self, json: Json, /) -> Any:
        if not isinstance(json, dict) and not self._here:
            raise unfit(json, "an object")
        found: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, codec in self.fields:
            value, error = _attempt(codec.read, json)
            if error:
                problems += self._named(name, error)
            elif value is MISSING and name in self.needed:
                problems.append(self._missing(name))
            if value is not MISSING:
                found[name] = value
        if problems:
            raise Unfit(*problems, found=found or MISSING)
        return found

    def spellings(self, value: Any, /) -> Iterator[Json]:
        self.write(value)  # refuses what does not fit
        for fragments in _turns(self._codecs[name].spellings(item) for name, item in value.items()):
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


def trim(codec: Codec, value: Any) -> Any:
    """*value* without the parts that *codec* has no place for, so that a mock can be told everything.

    Of the alternatives of an ``Either`` the first counts that can say what it leaves of the value.
    """
    match codec, value:
        case Form(), Mapping():
            known = ((name, codec.get(name), item) for name, item in value.items())
            return {name: trim(inner, item) for name, inner, item in known if inner is not None}
        case Either(first=first, second=second), _:
            left = trim(first, value)
            return trim(second, value) if _attempt(first.write, left)[1] else left
        case (At(inner=inner) | First(inner=inner) | With(inner=inner), _):
            return trim(inner, value)
        case (Each(inner=inner) | Slots(inner=inner), tuple()):
            return tuple(trim(inner, item) for item in value)
        case Only(inner=inner), tuple():
            return tuple(trim(inner, item) for item in value[:1])
        case Pair(first=first, second=second), (one, other):
            return trim(first, one), trim(second, other)
        case _:
            return value

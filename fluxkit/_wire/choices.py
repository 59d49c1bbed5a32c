"""Codecs of what is said in one of two ways, or together with something else: alternatives, constants, tags."""

from collections.abc import Iterator
from typing import Any

import attrs

from .._contract.by_fields import by_fields
from .body import holds_blob, spelt
from .codec import Codec
from .json import MISSING, Json, Path, Problem, Unfit, merge, path_of, plant, pluck, unfit
from .parts import attempt
from .places import Pair
from .scalars import Text


@by_fields
@attrs.frozen(eq=False, repr=False)
class Either:
    """Two ways to say one thing. Writes with the first whose own reading gives the value back, reads both."""

    first: Codec
    second: Codec

    @property
    def allowed(self) -> str:
        first, second = self.first.allowed, self.second.allowed
        return first if first == second else f"{first}, or {second}"

    def write(self, value: Any, /) -> Json:
        fragment, error = attempt(self.first.write, value)
        if not error and attempt(self.read, fragment) == (value, None):
            return fragment  # the first of the spellings, without a look at the others
        return next(self.spellings(value))

    def spellings(self, value: Any, /) -> Iterator[Json]:
        fits = False
        for option in (self.first, self.second):
            if attempt(option.write, value)[1]:
                continue
            for spelling in option.spellings(value):
                found, error = attempt(self.read, spelling)
                if found == value and not error and not self._is_taken(option, spelling):
                    fits = True
                    yield spelling
        if not fits:
            raise unfit(value, self.allowed)

    def _is_taken(self, option: Codec, spelling: Json) -> bool:
        """Whether the first option reads as its own what the second has spelt, once its images are text."""
        if option is self.first or not holds_blob(spelling):
            return False
        found, error = attempt(self.first.read, spelt(spelling))
        return bool(_weight(found)) and not error

    def read(self, json: Json, /) -> Any:
        """Reads the option that finds more, of equals the one that fits, and of those the first."""
        found, error = attempt(self.first.read, json)
        if _weight(found) and not error:
            return found
        other, wrong = attempt(self.second.read, json)
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


@by_fields
@attrs.frozen(eq=False, repr=False)
class Fixed:
    """A constant at a path."""

    path: str
    json: Json


@by_fields
@attrs.frozen(eq=False, repr=False)
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
        value, error = attempt(self.inner.read, json)
        said, astray = attempt(lambda document: pluck(document, path_of(self.fixed.path)), json)
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


@by_fields
@attrs.frozen(eq=False, repr=False)
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

"""Codecs of single values: how a service spells them, and within which bounds."""

import decimal
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import attrs

from .._contract.by_fields import by_fields
from .codec import Plain, Scalar
from .json import Json, is_json, is_utf8, unfit


@by_fields
@attrs.frozen(eq=False, repr=False)
class Text(Plain):
    """A text. Half of a surrogate pair is read, because a service may cut a text there, but cannot be sent."""

    allowed = "text"

    def admits(self, value: Any) -> bool:
        return isinstance(value, str)

    def write(self, value: Any, /) -> Json:
        if is_utf8(value):
            return value
        raise unfit(value, self.allowed)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Link(Plain):
    """An http(s) address, kept byte for byte."""

    allowed = "an http(s) address"

    def admits(self, value: Any) -> bool:
        return isinstance(value, str) and re.match(r"https?://[^/?#\s]", value) is not None

    def write(self, value: Any, /) -> Json:
        return Text().write(self.read(value))


@by_fields
@attrs.frozen(eq=False, repr=False)
class Whole(Plain):
    """An integer of at most 64 bits from *first* to *last*; true and false are none.

    Beyond 64 bits most readers of JSON make another number of it, and do not say so.
    """

    first: int | None = None
    last: int | None = None

    @property
    def allowed(self) -> str:
        return f"a whole number{between(self.first, self.last)}"

    def admits(self, value: Any) -> bool:
        if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**64:
            return False
        return (self.first is None or self.first <= value) and (self.last is None or value <= self.last)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Real(Plain):
    """A finite number from *first* to *last*."""

    first: float | None = None
    last: float | None = None

    @property
    def allowed(self) -> str:
        return f"a number{between(self.first, self.last)}"

    def admits(self, value: Any) -> bool:
        largest = sys.float_info.max  # no comparison with it holds for NaN
        return _is_number(value, int | float) and -largest <= value <= largest and within(value, self.first, self.last)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Colour(Plain):
    """A colour as ``#RRGGBB``, in capitals."""

    allowed = "a colour as #RRGGBB, in capitals, such as #FF8800"

    def admits(self, value: Any) -> bool:
        return isinstance(value, str) and re.fullmatch(r"#[0-9A-F]{6}", value) is not None


@by_fields
@attrs.frozen(eq=False, repr=False)
class Flag(Plain):
    """True or false."""

    allowed = "true or false"

    def admits(self, value: Any) -> bool:
        return isinstance(value, bool)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Anything(Plain):
    """Any JSON at all, for places whose shape the service leaves open."""

    allowed = "anything"

    def admits(self, value: Any) -> bool:
        return value is not None

    def write(self, value: Any, /) -> Json:
        if self.admits(value) and is_json(value):
            return value
        raise unfit(value, self.allowed)


def names(items: Iterable[str]) -> tuple[str, ...]:
    """Several names, frozen."""
    return tuple(items)


def _words(table: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(table, Mapping):
        table = dict((row, row) if isinstance(row, str) else row for row in table)
    return tuple((ours, names([theirs] if isinstance(theirs, str) else theirs)) for ours, theirs in table.items())


@by_fields
@attrs.frozen(eq=False, repr=False)
class Words(Scalar):
    """A closed table of words: ours to theirs. Where several are theirs, the first is written and all are read.

    A list stands for words that are the same on both sides. Raises ``ValueError`` if a word of theirs stands for two of
    ours, or one of ours for none of theirs.
    """

    table: tuple[tuple[str, tuple[str, ...]], ...] = attrs.field(converter=_words)
    _theirs: Mapping[str, str] = attrs.field(init=False, eq=False, repr=False)
    _ours: Mapping[str, tuple[str, ...]] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_theirs", {word: ours for ours, theirs in self.table for word in theirs})
        object.__setattr__(self, "_ours", dict(self.table))
        if not all(self._ours.values()) or len(self._theirs) < sum(len(theirs) for _, theirs in self.table):
            raise ValueError(f"these words cannot be told apart, or not be said: {dict(self.table)}")

    @property
    def allowed(self) -> str:
        return ", ".join(ours for ours, _ in self.table)

    def write(self, value: Any, /) -> Json:
        return self._spelt(value)[0]

    def spellings(self, value: Any, /) -> Iterator[Json]:
        yield from self._spelt(value)

    def _spelt(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, str) or value not in self._ours:
            raise unfit(value, self.allowed)
        return self._ours[value]

    def read(self, json: Json, /) -> Any:
        if isinstance(json, str) and json in self._theirs:
            return self._theirs[json]
        raise unfit(json, ", ".join(self._theirs))


@by_fields
@attrs.frozen(eq=False, repr=False)
class Quoted(Scalar):
    """A whole number that the service wants as text."""

    inner: Whole

    @property
    def allowed(self) -> str:
        return self.inner.allowed

    def write(self, value: Any, /) -> Json:
        return str(self.inner.write(value))

    def read(self, json: Json, /) -> Any:
        if isinstance(json, str) and re.fullmatch(r"0|-?[1-9][0-9]{0,19}", json):
            return self.inner.read(int(json))
        raise unfit(json, f"{self.allowed}, as text")


@by_fields
@attrs.frozen(eq=False, repr=False)
class Times(Scalar):
    """Two sides in pixels as one text, ``1024x768``."""

    allowed = "WIDTHxHEIGHT in pixels"

    def write(self, value: Any, /) -> Json:
        width, height = sides(value, self.allowed)
        return f"{width}x{height}"

    def read(self, json: Json, /) -> Any:
        if isinstance(json, str) and (match := re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", json)):
            return int(match[1]), int(match[2])
        raise unfit(json, self.allowed)


# Money is counted alike whatever context the caller's thread has. What overflows or is no number ends as infinity or
# NaN instead of an exception, and those are no numbers of JSON.
_EXACT = decimal.Context(prec=64, traps=[])

# What money is counted in: far above what an account holds, in whatever unit. A cost of 1e300 is a mistake that would
# use up every budget, and an amount of more digits is none that can be written down.
COUNT = Real(0, 999_999_999)


def _dollars(amount: str | int | Decimal) -> Decimal:
    # A function, for attrs asks a converter for its signature: that of a type in C is parsed from a text, for which
    # the standard library first compiles its largest regular expression, longer than all else that a codec takes.
    return Decimal(amount)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Money(Scalar):
    """US dollars as ``Decimal``, counted on the wire in *unit* dollars."""

    unit: Decimal = attrs.field(default=Decimal(1), converter=_dollars)
    allowed = f"an amount from {COUNT.first} to {COUNT.last}, that a JSON number can hold"

    def write(self, value: Any, /) -> Json:
        if isinstance(value, Decimal):
            amount = float(_EXACT.divide(value, self.unit))
            if COUNT.admits(amount) and self.read(amount) == value:
                return amount
        raise unfit(value, self.allowed)

    def read(self, json: Json, /) -> Any:
        if COUNT.admits(json):
            return _EXACT.multiply(Decimal(repr(json)), self.unit)
        raise unfit(json, self.allowed)


# A width or a height in pixels; the bound is far above every service's and keeps them readable in a text.
SIDE = Whole(1, 999_999)


def sides(value: Any, allowed: str) -> tuple[int, int]:
    """*value* as width and height in pixels, or ``Unfit``."""
    if isinstance(value, tuple) and len(value) == 2 and all(map(SIDE.admits, value)):
        return value
    raise unfit(value, allowed)


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def within(value: float, first: float | None, last: float | None) -> bool:
    """Whether *value* lies in the closed interval; None is no bound."""
    return (first is None or first <= value) and (last is None or value <= last)


def between(first: float | None, last: float | None) -> str:
    """The closed interval in words."""
    match first, last:
        case None, None:
            return ""
        case _, None:
            return f" of at least {first}"
        case None, _:
            return f" of at most {last}"
        case _:
            return f" from {first} to {last}"

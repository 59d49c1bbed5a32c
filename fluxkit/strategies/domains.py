"""Both sides of the bounds of each codec: what it takes, and what it refuses."""

import functools
import math
from collections.abc import Mapping
from decimal import Decimal
from itertools import chain
from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from .._contract.reference import Reference
from .._wire.choices import Either, Tagged, With
from .._wire.codec import Codec
from .._wire.form import Form
from .._wire.json import MISSING, Unfit
from .._wire.lists import Each, First, Only, Slots
from .._wire.pictures import Base64, Bytes, Hosted
from .._wire.places import At, Implied, Pair, Sides
from .._wire.reasons import Reason, Trail
from .._wire.scalars import Anything, Colour, Flag, Link, Money, Quoted, Real, Text, Times, Whole, Words
from .pieces import ADDRESSES, HEADS, LINKS, json_values, pictures


@attrs.frozen(eq=False)
class Domain:
    """The values that a codec takes, and, of those that it refuses, the near misses and the wrong types."""

    inside: SearchStrategy[Any]
    outside: SearchStrategy[Any]


def values(codec: Codec) -> SearchStrategy[Any]:
    """Values that *codec* writes, and gives back when it reads what it wrote.

    A field of a form that has a default is always there, because reading always gives it.
    """
    return domain(codec).inside


def outside(codec: Codec) -> SearchStrategy[Any]:
    """Values that *codec* refuses to write: wrong types, just over a bound, unknown words, one item too many."""
    return domain(codec).outside


@functools.singledispatch
def domain(codec: Codec) -> Domain:
    """Both sides of the bounds of *codec*; raises ``TypeError`` for a type that nobody registered.

    A codec of your own is added by ``@domain.register`` over a function of the one into its ``Domain``.
    """
    raise TypeError(f"strategies know no {type(codec).__name__}; add it with strategies.domain.register")


_HALF = "half of a surrogate pair: \ud800"
_NO_LINKS = st.sampled_from(
    ["", "https://", "https:///a", "https://?a", "//a.example", "ftp://a.example", " https://a"]
)
_MISFITS = (
    json_values()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.tuples(st.integers(), st.integers())
    | st.builds(Reference, url=LINKS)
    | st.sampled_from([MISSING, object(), math.nan, math.inf, 10**400, _HALF])
)


def _no(*types: type) -> SearchStrategy[Any]:
    return _MISFITS.filter(lambda value: not isinstance(value, types))


def _fits(codec: Codec, value: Any) -> bool:
    try:
        codec.write(value)
    except Unfit:
        return False
    return True


@domain.register
def _(_: Text | Reason | Trail) -> Domain:
    return Domain(st.text(), _no(str) | st.just(_HALF))


@domain.register
def _(_: Link) -> Domain:
    return Domain(LINKS, _no(str) | _NO_LINKS | st.just(f"https://a.example/{_HALF}"))


@domain.register
def _(codec: Whole) -> Domain:
    first = max(-(2**63) if codec.first is None else codec.first, -(2**63))
    last = min(2**64 - 1 if codec.last is None else codec.last, 2**64 - 1)
    return Domain(st.integers(first, last), _no(int) | st.booleans() | st.sampled_from([first - 1, last + 1, 10**400]))


@domain.register
def _(codec: Real) -> Domain:
    inside = st.floats(codec.first, codec.last, allow_nan=False, allow_infinity=False)
    beyond = [] if codec.first is None else [math.nextafter(codec.first, -math.inf)]
    beyond += [] if codec.last is None else [math.nextafter(codec.last, math.inf)]
    return Domain(
        inside.map(lambda number: int(number) if number.is_integer() else number),
        _no(int, float) | st.booleans() | st.sampled_from([math.nan, math.inf, -math.inf, 10**400, *beyond]),
    )


@domain.register
def _(_: Colour) -> Domain:
    colours = st.integers(0, 0xFFFFFF).map("#{:06X}".format)
    refused = st.sampled_from(["", "red", "FF8800", "#F80", "#ff8800", "#FF880G", "#FF8800FF", "#FF8800\n"])
    return Domain(colours, _no(str) | refused)


@domain.register
def _(_: Flag) -> Domain:
    return Domain(st.booleans(), _no(bool))


@domain.register
def _(_: Anything) -> Domain:
    refused = [None, MISSING, object(), math.nan, (1, 2), {1: 2}, [Decimal(1)], b"", [_HALF]]
    return Domain(json_values().filter(lambda value: value is not None), st.sampled_from(refused))


@domain.register
def _(codec: Words) -> Domain:
    known = dict(codec.table)
    unknown = st.text() | st.sampled_from([*chain.from_iterable(known.values()), *map(str.swapcase, known)])
    return Domain(st.sampled_from([*known]), _no(str) | unknown.filter(lambda word: word not in known))


@domain.register
def _(codec: Quoted) -> Domain:
    inner = domain(codec.inner)
    return Domain(inner.inside, inner.outside | inner.inside.map(str))


@domain.register
def _(_: Times | Sides) -> Domain:
    side, stray = st.integers(1, 999_999), st.sampled_from([0, -1, 1_000_000, True, 1.0, "1", None, MISSING])
    pairs = st.tuples(side, side)
    crooked = st.tuples(side, stray) | st.tuples(stray, side) | st.tuples(side) | st.tuples(side, side, side)
    return Domain(pairs, _no(tuple) | crooked | pairs.map(list) | pairs.map("{0[0]}x{0[1]}".format))


@domain.register
def _(codec: Money) -> Domain:
    amounts = st.decimals(0, 10**9 - 1, places=6).map(lambda amount: amount * codec.unit)
    refused = ["-0.01", "NaN", "sNaN", "Infinity", "1e400", "9e999999", "1e300", f"0.{'123456789' * 4}"]
    return Domain(amounts, _no(Decimal) | st.sampled_from([*map(Decimal, refused)]))


@domain.register
def _(codec: Base64) -> Domain:
    others = tuple(HEADS.keys() - codec.formats)
    refused = _no(Reference) | st.builds(Reference, url=LINKS) | st.builds(Reference, content=st.just(b"no picture"))
    return Domain(pictures(codec.formats), refused | pictures(others) if others else refused)


@domain.register
def _(_: Hosted) -> Domain:
    refused = _no(Reference) | pictures(tuple(HEADS)) | st.builds(Reference, url=_NO_LINKS)
    return Domain(st.builds(Reference, url=ADDRESSES), refused)


@domain.register
def _(_: Bytes) -> Domain:
    return Domain(st.binary(), _no(bytes))


@domain.register
def _(codec: Implied) -> Domain:
    return Domain(st.just(codec.value), _MISFITS.filter(lambda value: value != codec.value))


@domain.register
def _(codec: At | First | With) -> Domain:
    return domain(codec.inner)


@domain.register
def _(codec: Pair) -> Domain:
    first, second = domain(codec.first), domain(codec.second)
    pairs = st.tuples(first.inside, second.inside)
    halves = st.tuples(first.outside, second.inside) | st.tuples(first.inside, second.outside)
    return Domain(pairs, _no(tuple) | halves | pairs.map(list) | st.tuples(first.inside))


def _tuples(inner: Domain, *, fewest: int, most: int | None) -> Domain:
    """Tuples of so many items, and those that have fewer, or more, or one item among them that does not fit."""
    items = st.lists(inner.inside, min_size=fewest, max_size=fewest + 3 if most is None else most).map(tuple)
    refused = _no(tuple) | items.map(list) | st.builds(lambda some, item: (*some, item), items, inner.outside)
    if fewest:
        refused |= st.lists(inner.inside, max_size=fewest - 1).map(tuple)
    if most is not None:
        refused |= st.lists(inner.inside, min_size=most + 1, max_size=most + 1).map(tuple)
    return Domain(items, refused)


@domain.register
def _(codec: Slots) -> Domain:
    return _tuples(domain(codec.inner), fewest=1, most=len(codec.keys))


@domain.register
def _(codec: Each) -> Domain:
    return _tuples(domain(codec.inner), fewest=codec.fewest or 0, most=codec.most)


@domain.register
def _(codec: Only) -> Domain:
    return _tuples(domain(codec.inner), fewest=1, most=1)


@domain.register
def _(codec: Either) -> Domain:
    first, second = domain(codec.first), domain(codec.second)
    return Domain(
        (first.inside | second.inside).filter(lambda value: _fits(codec, value)),
        (first.outside | second.outside).filter(lambda value: not _fits(codec, value)),
    )


@domain.register
def _(codec: Tagged) -> Domain:
    words = values(codec.word).filter(lambda word: ":" not in word)
    tags = values(codec.tag).filter(bool)
    return Domain(words | st.builds("{}:{}".format, words, tags), _no(str) | st.just(_HALF) | words.map("{}:".format))


@domain.register
def _(codec: Form) -> Domain:
    fields = {name: domain(inner) for name, inner in codec.fields}
    needed = {name: each.inside for name, each in fields.items() if not _may_be_missing(codec, name)}
    optional = {name: each.inside for name, each in fields.items() if name not in needed}
    forms = st.fixed_dictionaries(needed, optional=optional)

    def spoilt(name: str) -> SearchStrategy[Any]:
        return st.builds(lambda form, value: form | {name: value}, forms, fields[name].outside)

    def without(name: str) -> SearchStrategy[Any]:
        return forms.map(lambda form: {key: form[key] for key in form if key != name})

    strange = st.dictionaries(st.text().filter(lambda name: name not in fields), json_values(), min_size=1, max_size=1)
    refused = _no(Mapping) | st.builds(dict.__or__, forms, strange)
    return Domain(forms, st.one_of(refused, *map(spoilt, fields), *map(without, sorted(codec.needed))))


def _may_be_missing(form: Form, name: str) -> bool:
    """Whether a document without the field says nothing of it; otherwise reading gives a default, or complains."""
    try:
        return name not in form.needed and dict(form.fields)[name].read({}) is MISSING
    except Unfit:
        return False

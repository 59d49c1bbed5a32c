"""What a codec reads, as JSON Schema (draft 2020-12), for whoever does not read Python.

A schema is never stricter than its codec: what it rejects, the codec refuses. It is laxer where JSON Schema has no
words: that 1.0 is no whole number, what is within base64, or the bounds of a number that is written as text.
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from .._contract.by_fields import by_fields
from .choices import Either, Tagged, With
from .codec import Codec
from .form import Form
from .json import MISSING, Json, Unfit, is_json, path_of
from .lists import Each, First, Only, Slots
from .pictures import Base64, Bytes, Hosted
from .places import At, Implied, Pair, Sides
from .reasons import Reason, Trail
from .scalars import COUNT, SIDE, Anything, Colour, Flag, Link, Money, Quoted, Real, Text, Times, Whole, Words
from .terms import NULL, OBJECT, REMARKS, Schema, at, both, changed, or_null

About = Mapping[str, str]

#: How many whole numbers that are written as text are listed one by one; of more only their form is said.
MOST_LISTED: Final = 64

#: What is after the head of base64 text: our reading is lenient with what fills it up.
_BASE64: Final = "[A-Za-z0-9+/]*=*$"

#: How base64 of the formats of images begins, as far as the first bytes decide it.
_HEADS: Final = {"png": "iVBORw0KGg", "jpeg": "/9j/", "webp": "UklGR", "gif": "R0lGOD"}

_KINDS: Final = ["string", "number", "boolean", "object", "array"]
_SAID: Final[Schema] = {"not": NULL}


def schema(codec: Codec, *, said: bool = False, about: About = MappingProxyType({})) -> Schema:
    """The documents that *codec* reads; if something must be *said*, without those in which it finds nothing.

    *about* describes fields of forms by their names. A codec that is not of this vocabulary may have a method
    ``schema()`` of its own; of one that has none, nothing but its ``allowed`` is said.
    """
    return _of(codec, _Ask(about, said=said))


def _describing(text: str) -> Callable[[Schema], Schema]:
    return lambda schema: {**schema, "description": " ".join(filter(None, (text, schema.get("description"))))}


@by_fields
@attrs.frozen(eq=False, repr=False)
class _Ask:
    """What is asked of a codec: its documents, or with *said* only those that say something; *about* as above."""

    about: About
    said: bool = False

    @property
    def must(self) -> "_Ask":
        return _Ask(self.about, said=True)

    @property
    def may(self) -> "_Ask":
        return _Ask(self.about)


@functools.singledispatch
def _of(codec: Codec, *_: Any) -> Schema:
    own = getattr(codec, "schema", None)
    return {"description": codec.allowed} if own is None else dict(own())


@_of.register
def _(__: Text, *_: Any) -> Schema:
    return {"type": "string"}


@_of.register
def _(__: Link | Hosted, *_: Any) -> Schema:
    return {"type": "string", "format": "uri", "pattern": r"^https?://[^/?#\s]"}


@_of.register
def _(codec: Whole, *_: Any) -> Schema:
    # Without the 64 bits that bound every number: many generators of code have no literal for them.
    return {"type": "integer", **_bounds(minimum=codec.first, maximum=codec.last)}


@_of.register
def _(codec: Real, *_: Any) -> Schema:
    return {"type": "number", **_bounds(minimum=codec.first, maximum=codec.last)}


def _bounds(**bounds: float | None) -> Schema:
    return {name: bound for name, bound in bounds.items() if bound is not None}


@_of.register
def _(__: Colour, *_: Any) -> Schema:
    return {"type": "string", "pattern": "^#[0-9A-F]{6}$", "maxLength": 7}


@_of.register
def _(__: Flag, *_: Any) -> Schema:
    return {"type": "boolean"}


@_of.register
def _(__: Anything, *_: Any) -> Schema:
    return {"type": _KINDS}


@_of.register
def _(codec: Words, *_: Any) -> Schema:
    words = {word: ours for ours, theirs in codec.table for word in theirs}
    meant = ", ".join(f"{word} is {ours}" for word, ours in words.items() if word != ours)
    return {"type": "string", "enum": [*words]} | ({"description": f"{meant}."} if meant else {})


@_of.register
def _(codec: Quoted, *_: Any) -> Schema:
    first, last = codec.inner.first, codec.inner.last
    if first is not None and last is not None and last - first < MOST_LISTED:
        return {"type": "string", "enum": [str(number) for number in range(first, last + 1)]}
    return {"type": "string", "pattern": "^(0|-?[1-9][0-9]{0,19})$", "maxLength": 21, "description": codec.allowed}


@_of.register
def _(__: Times, *_: Any) -> Schema:
    return {"type": "string", "pattern": "^[1-9][0-9]{0,5}x[1-9][0-9]{0,5}$", "maxLength": 13}


@_of.register
def _(codec: Money, *_: Any) -> Schema:
    unit = "US dollars" if codec.unit == 1 else f"units of {codec.unit} US dollars"
    return {"type": "number", "minimum": COUNT.first, "maximum": COUNT.last, "description": f"In {unit}."}


@_of.register
def _(__: Reason, *_: Any) -> Schema:
    return {"description": "A text, an object with a message in it, or a list of either."}


@_of.register
def _(__: Trail, *_: Any) -> Schema:
    return {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}}


@_of.register
def _(codec: Base64, *_: Any) -> Schema:
    # re.escape escapes more than the expressions of other languages allow.
    prefix = re.sub(r"[.*+?^${}()|\[\]\\]", r"\\\g<0>", codec.prefix)
    heads = [_HEADS[each] for each in codec.formats] if codec.formats and _HEADS.keys() >= {*codec.formats} else [""]
    content = {"contentEncoding": "base64"} if not prefix else {}
    return {
        "type": "string",
        "pattern": f"^{prefix}({'|'.join(heads)}){_BASE64}",
        **content,
        "description": f"Base64 of an image ({', '.join(codec.formats)}).",
    }


@_of.register
def _(__: Bytes, *_: Any) -> Schema:
    return {"type": "string", "pattern": f"^{_BASE64}", "contentEncoding": "base64"}


@_of.register
def _(codec: At, ask: _Ask) -> Schema:
    said = ask.said and codec.default is MISSING
    inner = _of(codec.inner, ask.must if said else ask.may)
    if not said:
        inner = or_null(inner)
    if codec.default is not MISSING and (default := _written(codec.inner, codec.default)) is not MISSING:
        inner = {**inner, "default": default}
    return at(codec.steps, inner, said=said)


def _written(codec: Codec, value: Any) -> Json:
    try:
        written = codec.write(value)
    except Unfit:
        return MISSING
    return written if is_json(written) else MISSING


@_of.register
def _(codec: Sides, ask: _Ask) -> Schema:
    keys, side = (codec.width, codec.height), _of(SIDE, ask.must)
    if ask.said:
        return {"type": "object", "properties": dict.fromkeys(keys, side), "required": [*keys]}
    if codec.auto is not None:
        together = {"if": _any_said(keys, side), "then": _at_all(keys, side)}
        side = {"anyOf": [side, {"const": codec.auto}]}
    else:
        together = {"if": _any_said(keys), "then": _at_all(keys)}
    return {**OBJECT, "properties": dict.fromkeys(keys, or_null(side)), "allOf": [together]}


def _any_said(keys: Iterable[str], said: Schema = _SAID) -> Schema:
    return {"anyOf": [at((key,), said, said=True) for key in keys]}


def _at_all(keys: Iterable[str], said: Schema = _SAID) -> Schema:
    return {"required": [*keys], "properties": dict.fromkeys(keys, said)}


@_of.register
def _(codec: Pair, ask: _Ask) -> Schema:
    return both(_of(codec.first, ask), _of(codec.second, ask))


@_of.register
def _(__: Implied, *_: Any) -> Schema:
    return {}


@_of.register
def _(codec: Slots, ask: _Ask) -> Schema:
    properties = dict.fromkeys(codec.keys, or_null(_of(codec.inner, ask.may)))
    if not ask.said:
        return {**OBJECT, "properties": properties}
    return {"type": "object", "properties": properties, "allOf": [_any_said(codec.keys)]}


@_of.register
def _(codec: Each, ask: _Ask) -> Schema:
    bounds = _bounds(minItems=codec.fewest, maxItems=codec.most)
    return {"type": "array", "items": _of(codec.inner, ask.must), **bounds}


@_of.register
def _(codec: First, ask: _Ask) -> Schema:
    return {"type": "array", "minItems": 1, "prefixItems": [_of(codec.inner, ask)]}


@_of.register
def _(codec: Only, ask: _Ask) -> Schema:
    return _of(codec.inner, ask)


@_of.register
def _(codec: Either, ask: _Ask) -> Schema:
    first, second = _of(codec.first, ask), _of(codec.second, ask)
    if first == second:
        return first
    if first.keys() <= REMARKS or second.keys() <= REMARKS:
        return {}
    ways = [way for each in (first, second) for way in (each["anyOf"] if each.keys() == {"anyOf"} else [each])]
    return {"anyOf": ways}


@_of.register
def _(codec: With, ask: _Ask) -> Schema:
    inner, steps = _of(codec.inner, ask), path_of(codec.fixed.path)
    constant: Schema = {"const": codec.fixed.json}
    if ask.said or _always_says(codec.inner):
        return both(inner, at(steps, constant, said=True))
    there = both(inner, at(steps, or_null(constant), said=False))
    if (says := _says(codec.inner)) is None:
        return there
    return both(there, {**OBJECT, "allOf": [{"if": says, "then": at(steps, constant, said=True)}]})


def _always_says(codec: Codec) -> bool:
    """Whether a codec reads a value of whatever it does not refuse."""
    return isinstance(codec, Form | Implied) or (isinstance(codec, At) and codec.default is not MISSING)


def _says(codec: Codec) -> Schema | None:
    """The documents in which a codec surely reads a value, or refuses one; None if no schema says which."""
    match codec:
        case Sides(width=width, height=height, auto=auto):
            said = _SAID if auto is None else {"not": {"enum": [None, auto]}}
            return {"type": "object", **_any_said((width, height), said)}
        case At(inner=At() | Sides() as inner, steps=steps):
            says = _says(inner)
            return None if says is None else at(steps, says, said=True)
        case At(inner=Text() | Link() | Whole() | Real() | Flag() | Words() | Each(), steps=steps):
            return at(steps, _SAID, said=True)
    return None


@_of.register
def _(codec: Tagged, ask: _Ask) -> Schema:
    return both(_of(codec.word, ask), _of(codec.tag, ask.may))


@_of.register
def _(codec: Form, ask: _Ask) -> Schema:
    fields: Schema = {} if any(() in inner.places() for _, inner in codec.fields) else {"type": "object"}
    for name, inner in codec.fields:
        field = _of(inner, ask.must if name in codec.needed else ask.may)
        for place in inner.places() if name in ask.about else ():
            field = changed(field, place, _describing(ask.about[name]))
        fields = both(fields, field)
    return fields

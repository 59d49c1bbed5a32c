"""Declarations that are wrong in one fact each: what proves that a check notices a fact is that it notices it wrong.

`mutants` walks a declaration by the types of what it finds, so a new field, a new codec and a whole new service are
changed without anybody listing them; a value of a kind that it does not know raises ``TypeError``.

- *Numbers* go one up and one down; a range moves each end by a step, and its step by one.
- *Texts* get a letter more; one of a closed vocabulary (HTTP methods, formats of images) becomes another word of it.
- *True and false* change places, a word of an enumeration becomes the one before and after, an error its neighbours.
- *Tuples* lose each item, change it, swap neighbours; those of words and of names get one more.
- *Tables* lose each row, change its name or its value, and swap the values of neighbours. The order of rows is no fact.
- *Codecs* are replaced with each codec in them (so an `Either` loses an option, a `With` its constant) and trade places
  with their neighbour; one that holds no other becomes text, and text a whole number.
- Whatever has a default falls back on it.

What is not said has nothing to be wrong in: None and MISSING stay. A mutant that its own class refuses is none: nobody
could declare it.
"""

import enum
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from typing import Any

import attrs

from fluxkit._contract.media import TYPES
from fluxkit.provider import Text, Whole

#: A declaration with one fact changed, and the name of the change: ``poll.path: '/v1/tasks/{id}' -> '/v1/tasks/{id}d'``.
Mutant = tuple[str, Any]

VOCABULARIES = (("GET", "POST", "PUT"), tuple(TYPES))


def mutants(declaration: Any) -> Iterator[Mutant]:
    """Every declaration that differs from this one in a single fact, by a name that no other has."""
    seen: set[str] = set()
    for name, mutant in _changes(declaration, ""):
        if name not in seen:
            seen.add(name)
            yield name.removeprefix("."), mutant


def _changes(value: Any, place: str) -> Iterator[Mutant]:
    """*value* with one thing changed in it, each change by the name of its *place*."""
    match value:
        case None | Mapping() if not value:
            return
        case tuple() | Mapping() if _is_table(value):
            yield from _changed_table(value, place)
        case tuple():
            yield from _changed_tuple(value, place)
        case range():
            yield from _changed_range(value, place)
        case _ if attrs.has(type(value)):
            yield from _changed_instance(value, place)
        case _:
            yield from ((f"{place}: {_shown(value)} -> {_shown(other)}", other) for other in _others(value))


def _others(value: Any) -> Iterator[Any]:
    """Wrong values in the place of a single one."""
    match value:
        case bool():
            yield not value
        case enum.Enum():
            yield from _beside(value, list(type(value)))
        case str():
            yield value + (re.findall(r"[A-Za-z0-9]", value) or ["x"])[-1]
            yield from (_next(value, words) for words in VOCABULARIES if value in words)
        case int() | float() | Decimal():
            yield from (value - 1, value + 1)
        case type():
            kin = [each for each in value.__base__.__subclasses__() if each.__module__ == value.__module__]
            yield from _beside(value, kin)
        case _:
            raise TypeError(f"mutants know no {type(value).__name__}; say how one is wrong")


def _beside(value: Any, kin: list[Any]) -> Iterator[Any]:
    """The one after *value* and the one before, if there are others."""
    place = kin.index(value)
    yield from dict.fromkeys(each for each in (kin[(place + 1) % len(kin)], kin[place - 1]) if each != value)


def _next(word: str, words: tuple[str, ...]) -> str:
    return words[(words.index(word) + 1) % len(words)]


def _is_table(value: Any) -> bool:
    """Whether this maps names to values: a mapping, or pairs of which the first are names and the second are none."""
    if not isinstance(value, tuple):
        return isinstance(value, Mapping)
    return bool(value) and all(
        type(row) is tuple and len(row) == 2 and type(row[0]) is str and type(row[1]) is not str for row in value
    )


def _changed_table(table: Any, place: str) -> Iterator[Mutant]:
    rows = dict(table)
    kind = dict if isinstance(table, Mapping) else lambda rows: tuple(rows.items())
    for name, value in rows.items():
        yield f"{place}: without {name}", kind({each: rows[each] for each in rows if each != name})
        for other in _others(name):
            yield f"{place}: {other} for {name}", kind({other if each == name else each: rows[each] for each in rows})
        for change, mutant in _changes(value, f"{place}.{name}"):
            yield change, kind({**rows, name: mutant})
    for one, two in pairwise(rows):
        if rows[one] != rows[two]:
            yield f"{place}: {one} and {two} swapped", kind({**rows, one: rows[two], two: rows[one]})


def _changed_tuple(items: tuple[Any, ...], place: str) -> Iterator[Mutant]:
    for turn, item in enumerate(items):
        before, after = items[:turn], items[turn + 1 :]
        yield f"{place}: without [{turn}] {_shown(item)}", (*before, *after)
        yield from ((name, (*before, mutant, *after)) for name, mutant in _changes(item, f"{place}[{turn}]"))
        if after and after[0] != item:
            yield f"{place}: [{turn}] and [{turn + 1}] swapped", (*before, after[0], item, *after[1:])


def _changed_range(sides: range, place: str) -> Iterator[Mutant]:
    start, stop, step = sides.start, sides.stop, sides.step
    for name, other in (
        (f"start: {start} -> {start - step}", range(start - step, stop, step)),
        (f"start: {start} -> {start + step}", range(start + step, stop, step)),
        (f"stop: {stop} -> {stop - step}", range(start, stop - step, step)),
        (f"stop: {stop} -> {stop + step}", range(start, stop + step, step)),
        (f"step: {step} -> {step + 1}", range(start, stop, step + 1)),
    ):
        yield f"{place}.{name}", other


def _changed_instance(instance: Any, place: str) -> Iterator[Mutant]:
    fields = [field for field in attrs.fields(type(instance)) if field.init]
    said = {field.alias: getattr(instance, field.name) for field in fields}
    codecs = {alias: value for alias, value in said.items() if _is_codec(value)}
    for field in fields:
        value, at = said[field.alias], f"{place}.{field.name}"
        changes = [*_changes(value, at), *_enlarged(value, said, at)]
        fallback = _default(field, instance)
        if fallback not in (attrs.NOTHING, value):
            changes.append((f"{at}: {_shown(value)} -> {_shown(fallback)}", fallback))
        for name, mutant in changes:
            with suppress(ValueError):  # the class refuses it
                yield name, attrs.evolve(instance, **{field.alias: mutant})
    if _is_codec(instance):
        yield from ((f"{place}: {_shown(instance)} -> {alias}", part) for alias, part in codecs.items())
        if not codecs and not any(_is_codec(part) for value in said.values() if _is_table(value) for _, part in value):
            other = Whole() if isinstance(instance, Text) else Text()
            yield f"{place}: {_shown(instance)} -> {_shown(other)}", other
    for one, two in pairwise(codecs):
        if codecs[one] != codecs[two]:
            yield f"{place}: {one} and {two} swapped", attrs.evolve(instance, **{one: codecs[two], two: codecs[one]})


def _is_codec(value: Any) -> bool:
    return attrs.has(type(value)) and hasattr(value, "read") and hasattr(value, "write")


def _default(field: "attrs.Attribute[Any]", instance: Any) -> Any:
    match field.default:
        case attrs.Factory(factory=make, takes_self=takes_self):
            return make(instance) if takes_self else make()
        case default:
            return default


def _enlarged(items: Any, said: Mapping[str, Any], place: str) -> Iterator[Mutant]:
    """A tuple of words or names with one more: something alike that the instance says elsewhere, else a new word."""
    if not isinstance(items, tuple) or not items or _is_table(items):
        return
    names = [name for value in said.values() if isinstance(value, tuple) and _is_table(value) for name in dict(value)]
    alike = [each for each in (*said.values(), *names) if each and _shape(each) == _shape(items[0]) and each not in items]
    if not alike and isinstance(items[0], str):
        word = next(_others(items[-1]))
        for words in VOCABULARIES:
            alike += [each for each in words if items[-1] in words and each not in items][:1]
        alike = alike or [word]
    yield from ((f"{place}: and {_shown(each)}", (*items, each)) for each in alike)


def _shape(value: Any) -> Any:
    return tuple(map(_shape, value)) if type(value) is tuple else type(value) if type(value) is str else id(value)


def _shown(value: Any) -> str:
    if attrs.has(type(value)) or isinstance(value, type):
        return (value if isinstance(value, type) else type(value)).__name__
    return str(value) if isinstance(value, enum.Enum) else repr(value)

"""Declarations that are wrong in one fact each: that a check notices a fact is shown by noticing it wrong.

`mutants` walks a declaration by the types of what it finds, so a new field, a new codec and a whole new service are
changed without anybody listing them; a value of a kind that it does not know raises ``TypeError``.

- *Numbers* go one up and one down; a range moves each of its ends by a step, and its step by one.
- *Texts* get a letter more; one of a closed vocabulary (HTTP methods, formats of images) becomes its next word, too.
- *True and false* change places; a word of an enumeration, and an error, becomes the one before and the one after.
- *Tuples* lose an item, have one changed, have neighbours swapped; those of words and of names get one more.
- *Tables* (mappings, and pairs of a name and a value) lose a row, have its name or its value changed, have the values
  of neighbours swapped. The order of their rows is no fact.
- *Codecs* become any codec in them (so an ``Either`` loses an option, a ``With`` its constant) and have their parts
  swapped; one that holds no other becomes text, and text a whole number.
- Whatever has a default is left out.

What is not said has nothing to be wrong in: None, MISSING and what is empty stay. What its own class refuses is no
mutant: nobody could declare it.
"""

import enum
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from typing import Any

import attrs

from .._contract.media import TYPES
from .._contract.report import shorten
from .._wire.samples import Sample
from ..provider import Provider, Text, Whole
from .exhibits import plainest

#: The name of a change, such as ``poll.path: '/v1/tasks/{id}' -> '/v1/tasks/{id}d'``, and what it makes.
Mutant = tuple[str, Any]

VOCABULARIES = (("GET", "POST", "PUT"), tuple(TYPES))


def mutants(declaration: Any, *, unlike: Any = None) -> Iterator[Mutant]:
    """Every declaration that differs from this one in a single fact, by a name that no other has.

    *unlike* is another declaration of the same class: fields that are equal in both are left alone.
    """
    for place, change, mutant in _changed_instance(declaration):
        if unlike is not None:
            field = re.split(r"[.\[]", place)[1]
            if getattr(declaration, field) == getattr(unlike, field):
                continue
        yield f"{place}: {change}".lstrip(".: "), mutant


def distinct(provider: Provider, *, unlike: Provider | None = None) -> Iterator[Mutant]:
    """The mutants of a provider, in which what a model shares with one before it, such as its form, is wrong once."""
    shared = tuple(
        f"models[{place}].{field.name}"
        for place, model in enumerate(provider.models)
        for field in attrs.fields(type(model))
        if any(getattr(each, field.name) == getattr(model, field.name) for each in provider.models[:place])
    )
    return ((name, mutant) for name, mutant in mutants(provider, unlike=unlike) if not name.startswith(shared))


def telling(samples: Sequence[Sample], provider: Provider, name: str) -> Sequence[Sample]:
    """The samples that can tell of a mutant: of the requests for models in which nothing is wrong, one will do."""
    place = re.match(r"models\[(\d+)\]", name)
    if place is None:
        return samples
    model = provider.models[int(place[1])]
    plain = [plainest(samples, each.name, each.path) for each in provider.models]
    return [each for each in samples if each.of != "request" or each.model in (model.name, model.path) or each in plain]


#: A place below the value that is changed, what is done there, and what becomes of that value.
_Change = tuple[str, str, Any]


def _changes(value: Any) -> Iterator[_Change]:
    """*value* with one thing changed in it."""
    if value is None:
        return
    if _is_table(value):
        yield from _changed_table(value)
    elif isinstance(value, tuple):
        yield from _changed_tuple(value)
    elif isinstance(value, range):
        yield from _changed_range(value)
    elif attrs.has(type(value)):
        yield from _changed_instance(value)
    else:
        yield from (("", f"{_shown(value)} -> {_shown(other)}", other) for other in _others(value))


def _others(value: Any) -> Iterator[Any]:
    """Wrong values in the place of a single one."""
    match value:
        case bool():
            yield not value
        case enum.Enum():
            yield from _beside(value, type(value))
        case str():
            yield _longer(value)
            yield from (_beside(value, words)[0] for words in VOCABULARIES if value in words)
        case int() | float() | Decimal():
            yield from (value - 1, value + 1)
        case type():
            kin: list[type] = [] if value.__base__ is None else value.__base__.__subclasses__()
            yield from _beside(value, (each for each in kin if each.__module__ == value.__module__))
        case _:
            raise TypeError(f"nobody has said how {type(value).__name__} can be wrong")


def _beside(value: Any, kin: Iterable[Any]) -> list[Any]:
    """The one after *value* and the one before it, in a circle."""
    circle = list(kin)
    place = circle.index(value)
    return [each for each in dict.fromkeys((circle[(place + 1) % len(circle)], circle[place - 1])) if each != value]


def _longer(text: str) -> str:
    return text + (re.findall("[A-Za-z0-9]", text) or "x")[-1]


def _is_table(value: Any) -> bool:
    """Whether this maps names to values: a mapping, or pairs of a name and of something that is none."""
    if not isinstance(value, tuple):
        return isinstance(value, Mapping)
    return bool(value) and all(
        type(row) is tuple and len(row) == 2 and type(row[0]) is str and type(row[1]) is not str for row in value
    )


def _changed_table(table: Any) -> Iterator[_Change]:
    rows = dict(table)
    for name, value in rows.items():
        yield "", f"without {name}", _like(table, {each: rows[each] for each in rows if each != name})
        for other in _others(name):
            renamed = {other if each == name else each: rows[each] for each in rows}
            yield "", f"{other} in place of {name}", _like(table, renamed)
        for place, change, mutant in _changes(value):
            yield f".{name}{place}", change, _like(table, {**rows, name: mutant})
    for one, two in pairwise(rows):
        if rows[one] != rows[two]:
            yield "", f"{one} and {two} swapped", _like(table, {**rows, one: rows[two], two: rows[one]})


def _like(table: Any, rows: dict[str, Any]) -> Any:
    return rows if isinstance(table, Mapping) else tuple(rows.items())


def _changed_tuple(items: tuple[Any, ...]) -> Iterator[_Change]:
    for turn, item in enumerate(items):
        before, after = items[:turn], items[turn + 1 :]
        yield f"[{turn}]", f"without {_shown(item)}", before + after
        for place, change, mutant in _changes(item):
            yield f"[{turn}]{place}", change, (*before, mutant, *after)
        if after and after[0] != item:
            yield "", f"[{turn}] and [{turn + 1}] swapped", (*before, after[0], item, *after[1:])


def _changed_range(sides: range) -> Iterator[_Change]:
    start, stop, step = sides.start, sides.stop, sides.step
    for other in (start - step, start + step):
        yield ".start", f"{start} -> {other}", range(other, stop, step)
    for other in (stop - step, stop + step):
        yield ".stop", f"{stop} -> {other}", range(start, other, step)
    yield ".step", f"{step} -> {step + 1}", range(start, stop, step + 1)


def _changed_instance(instance: Any) -> Iterator[_Change]:
    fields = [field for field in attrs.fields(type(instance)) if field.init]
    said = {field.name: getattr(instance, field.name) for field in fields}
    for field in fields:
        value = said[field.name]
        changes = [*_changes(value), *(("", f"also {_shown(each)}", (*value, each)) for each in _more(value, said))]
        default, known = _default(field, instance), (value, *(mutant for *_, mutant in changes))
        if default is not attrs.NOTHING and default not in known:
            changes.append(("", "left out", default))
        for place, change, mutant in changes:
            with suppress(ValueError):  # its class refuses it
                yield f".{field.name}{place}", change, attrs.evolve(instance, **{field.alias: mutant})
    parts = {name: value for name, value in said.items() if _is_codec(value)}
    if _is_codec(instance):
        yield from (("", f"{_shown(instance)} -> {name}", part) for name, part in parts.items())
        rows = [row for value in said.values() if _is_table(value) for row in dict(value).values()]
        if not parts and not any(map(_is_codec, rows)):
            yield (
                "",
                f"{_shown(instance)} -> {'Whole' if isinstance(instance, Text) else 'Text'}",
                (Whole() if isinstance(instance, Text) else Text()),
            )
    for one, two in pairwise(parts):
        if parts[one] != parts[two]:
            yield f".{one}", f"swapped with {two}", attrs.evolve(instance, **{one: parts[two], two: parts[one]})


def _more(items: Any, said: Mapping[str, Any]) -> Iterator[Any]:
    """What a tuple of words might hold as well, and what a tuple of names might: what its instance says elsewhere.

    Names are names of rows, or names in tuples (``("1:1", "1K")``); if nothing is said elsewhere, any new word will do.
    """
    if not isinstance(items, tuple) or _is_table(items):
        return
    if items and all(isinstance(item, str) for item in items):
        names = [name for value in said.values() if _is_table(value) for name in value and dict(value)]
        vocabulary = next((words for words in VOCABULARIES if set(items) <= set(words)), (_longer(items[-1]),))
        known = names if set(items) <= set(names) else [word for word in vocabulary if word not in items][:1]
        yield from (name for name in known if name not in items)
    elif items and all(_are_names(item) for item in items):
        yield from (value for value in said.values() if _are_names(value) and value not in items)


def _are_names(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(type(item) is str for item in value)


def _is_codec(value: Any) -> bool:
    return attrs.has(type(value)) and hasattr(value, "read") and hasattr(value, "write")


def _default(field: "attrs.Attribute[Any]", instance: Any) -> Any:
    default: Any = field.default
    if hasattr(default, "takes_self"):  # a factory, whose class attrs does not name for type checkers
        return default.factory(instance) if default.takes_self else default.factory()
    return default


def _shown(value: Any) -> str:
    if attrs.has(type(value)):
        return type(value).__name__
    if isinstance(value, type):
        return value.__name__
    return str(value) if isinstance(value, enum.Enum) else shorten(value)

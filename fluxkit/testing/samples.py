"""Whether a file of samples can be believed: each says where it is from, and client and mock agree with each.

The findings name a place in the file, as a path into its JSON, and what stands there beside what was found.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from .._contract.report import unread
from .._wire.declaration import Provider
from .._wire.json import Json
from .._wire.samples import KINDS, PHASES, SURE, Sample
from .bench import rows_of
from .check import Check, NotApplicable, Pair
from .checks import CLIENT, MOCK
from .conduct import Endless
from .differs import NOTHING, Differs, difference, plain, shown


@attrs.frozen
class Fault:
    """Something in a file of samples that is not as it should be: *place* is where, ``$.samples[3].means.size[0]``.

    *expected* is what stands there and *actual* what the *side* made of it, ``"client"`` or ``"mock"``; both are absent
    where the file itself is wrong.
    """

    place: str
    why: str
    sample: str | None = None
    side: str | None = None
    expected: Json = None
    actual: Json = None

    def __str__(self) -> str:
        named = f" ({self.sample})" if self.sample else ""
        return f"{self.place}{named}: {self.why}"


def check_samples(provider: Provider, text: str) -> tuple[Fault, ...]:
    """Everything that is wrong with the *text* of a file of samples of *provider*, in the order of the file.

    What the file says by itself comes first: its form, source and date of each sample, models that are not there. Only
    a file in which nothing of that is wrong is held against a client and a mock of the provider.
    """
    faults, rows = read_rows(text)
    samples = {place: sample for place, sample in rows.items() if sample.provider in (None, provider.name)}
    faults += _unknown(provider, samples)
    return tuple(faults) or tuple(_held(provider, samples))


def read_rows(text: str) -> tuple[list[Fault], dict[str, Sample]]:
    """What is wrong with the form of a file, and the samples in it by their places."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        return [Fault("$", f"it is no JSON: {unread(error)}")], {}
    rows = rows.get("samples") if isinstance(rows, dict) else None
    if not isinstance(rows, list):
        return [Fault("$", 'a file of samples is {"samples": [{...}, ...]}')], {}
    faults: list[Fault] = []
    samples: dict[str, Sample] = {}
    names: dict[str, str] = {}
    for number, row in enumerate(rows):
        place = f"$.samples[{number}]"
        if not isinstance(row, dict):
            faults.append(Fault(place, f"a sample is an object, and this is {row!r:.40}"))
            continue
        wrong = list(_wrong(place, row))
        name = row.get("name")
        if isinstance(name, str) and names.setdefault(name, place) != place:
            wrong.append(Fault(f"{place}.name", f"the name is taken by {names[name]}", name))
        if not wrong:
            try:
                samples[place] = Sample(**row)
            except (TypeError, ValueError) as error:
                wrong.append(Fault(place, str(error.args[0]), name))
        faults += wrong
    return faults, samples


def _wrong(place: str, row: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with the single fields of a sample: all of it at once."""
    name = row["name"] if isinstance(row.get("name"), str) else None
    fields = {field.name: field for field in attrs.fields(Sample)}
    for unknown in row.keys() - fields.keys():
        yield Fault(f"{place}.{unknown}", f"a sample has no such field. Allowed: {', '.join(fields)}", name)
    for field in fields.values():
        value = row.get(field.name, NOTHING)
        if value is NOTHING:
            if field.default is attrs.NOTHING:
                said = MEANT.get(field.name, "every sample has one")
                yield Fault(f"{place}.{field.name}", f"it is missing: {said}", name)
            continue
        try:
            if field.converter is not None:
                value = field.converter(value)  # type: ignore[operator]  # a plain function, as we wrote it
            if field.validator is not None:
                field.validator(NOTHING, field, value)
        except (TypeError, ValueError) as error:
            said = MEANT.get(field.name) or error.args[0]
            yield Fault(f"{place}.{field.name}", f"{value!r:.60} is none: {said}", name)


#: What is meant by the fields that every sample has, and by those whose rule says little in its own words.
MEANT: Mapping[str, str] = {
    "of": f"what the sample shows. Allowed: {', '.join(KINDS)}",
    "name": "what the sample is called: text, of which each has its own",
    "source": "where the exchange was seen, such as the address of the page",
    "date": "when it was seen there, as exactly as is known: 2026, 2026-06 or 2026-06-29",
    "sure": f"how sure it is. Allowed: {', '.join(SURE)}",
    "price": 'US dollars as text, such as "0.03"',
    "note": "what the source leaves open: text",
    "provider": "the only provider that it is about: text",
    "model": "the model that it is about: text",
    "phase": f"what the client was doing. Allowed: {', '.join(PHASES)}",
    "call": 'a method and an address, such as "POST https://api.example/v1/tasks"',
    "status": "the HTTP status of an answer, from 100 to 599",
    "pixels": "the sizes that the image may have, such as [[1024, 1024]]",
    "written": "whether the client would write the request so: true or false",
    "fits": "whether the service takes it: true or false",
    "field": "the service's name of what is at fault: text",
}


def _unknown(provider: Provider, samples: Mapping[str, Sample]) -> Iterator[Fault]:
    """The samples of models that the provider does not have."""
    known = ", ".join(dict.fromkeys(model.name for model in provider.models))
    for place, sample in samples.items():
        if sample.model is not None and not rows_of(provider, sample.model):
            why = f"{provider.name} has no model {sample.model!r}. Allowed: {known}"
            yield Fault(f"{place}.model", why, sample.name, expected=sample.model)


def _held(provider: Provider, samples: Mapping[str, Sample]) -> Iterator[Fault]:
    """What client and mock make of each sample by itself; and of all together, where only that shows a difference."""
    calls = tuple(each for each in samples.values() if each.of == "call")
    single = False
    for place, sample in samples.items():
        for side, checks, beside in (("client", CLIENT, ()), ("mock", ALONE, calls)):
            if side == "mock" and sample.of != "request":
                continue  # what a mock says follows from all samples together
            for check in checks:
                error = _broken(check, provider, (sample, *(each for each in beside if each is not sample)))
                if error is not None:
                    single = True
                    yield _found(place, sample, side, error)
                    break
    if not single:
        for side, checks in (("client", CLIENT), ("mock", MOCK)):
            for check in checks:
                if (error := _broken(check, provider, tuple(samples.values()))) is not None:
                    yield Fault("$.samples", f"{check.promise} {error}", side=side)


#: The checks of a mock that mean something for one request and the addresses.
ALONE = tuple(
    check
    for check in MOCK
    if check.name in ("mock_takes_what_fits", "mock_refuses_what_does_not_fit", "mock_bills_the_price_of_the_list")
)


def _broken(check: Check, provider: Provider, samples: Sequence[Sample]) -> BaseException | None:
    try:
        check.run(Pair(provider, provider, tuple(samples)))
    except NotApplicable:
        return None
    except (Exception, Endless) as error:  # noqa: BLE001 - a client that breaks down over a sample does not read it
        return error
    return None


def _found(place: str, sample: Sample, side: str, error: BaseException) -> Fault:
    if not isinstance(error, Differs):
        said = " ".join(str(error).split()) or type(error).__name__
        return Fault(place, f"the {side}: {said.removeprefix(f'{sample.name}: ')}", sample.name, side)
    expected, actual = plain(error.expected), plain(error.actual)
    within, expected, actual = difference(expected, actual)
    field = f".{error.at}" if error.at else _field_of(sample, plain(error.expected))
    where = f"{place}{field}{within}"
    return Fault(
        where, f"{shown(expected)} expected, and the {side} has {shown(actual)}", sample.name, side, expected, actual
    )


def _field_of(sample: Sample, expected: Json) -> str:
    """The field of a sample in which that stands; empty if it stands in none as it is."""
    said = {
        "means": plain(sample.means),
        "pixels": plain(sample.pixels),
        "call": sample.call,
        "headers": sample.headers,
    }
    said |= {"body": sample.body, "price": sample.price, "field": sample.field.split(", ")}
    if isinstance(sample.body, dict):
        said["body"] = {name: value for name, value in sample.body.items() if value is not None}
    if found := [name for name, value in said.items() if value == expected and value not in (None, "", [], {})]:
        return f".{found[0]}"
    inner = [name for name, value in sample.means.items() if plain(value) == expected]
    return f".means.{inner[0]}" if inner else ""


def schema() -> dict[str, Any]:
    """The JSON schema of a file of samples, for editors and for whoever writes one in another language."""
    text, texts = {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}
    closed: dict[str, dict[str, Any]] = {
        "of": {"enum": list(KINDS)},
        "sure": {"enum": list(SURE)},
        "phase": {"enum": list(PHASES)},
        "date": {"type": "string", "pattern": r"^20\d\d(-\d\d){0,2}$"},
        "price": {"type": "string", "pattern": r"^\d+(\.\d+)?$"},
        "call": {"type": "string", "pattern": r"^([A-Z]+ https?://\S+)?$"},
        "status": {"type": "integer", "minimum": 100, "maximum": 599},
        "headers": texts,
        "means": {"type": "object"},
        "body": {},
        "pixels": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        },
        "written": {"type": "boolean"},
        "fits": {"type": "boolean"},
        "note": text,
        "field": text,
    }
    fields = attrs.fields(Sample)
    row = {
        "type": "object",
        "properties": {field.name: closed.get(field.name, {"type": "string", "minLength": 1}) for field in fields},
        "required": [field.name for field in fields if field.default is attrs.NOTHING],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Samples of a provider of fluxkit",
        "type": "object",
        "properties": {"$schema": text, "samples": {"type": "array", "items": row}},
        "required": ["samples"],
    }

"""The terms of JSON Schema (draft 2020-12) in which codecs are told: how schemas are joined, placed and closed."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from .json import Path

Schema = dict[str, Any]

NULL: Final[Schema] = {"type": "null"}
OBJECT: Final[Schema] = {"type": ["object", "null"]}  # null says nothing, on the way to a place, too
#: What only says something about a schema: where there is nothing else, everything fits.
REMARKS: Final = {"description", "default"}


def closed(schema: Schema, places: Iterable[Path]) -> Schema:
    """The schema for one side that is strict: no field but those at, under or on the way to *places*."""
    ways = list(places)
    if () in ways or not ways:
        return schema
    below: dict[str, list[Path]] = {}
    for step, *rest in ways:
        below.setdefault(step, []).append(tuple(rest))
    known = schema.get("properties", {})
    properties = {step: closed(known.get(step, {}), rest) for step, rest in below.items()}
    return {**schema, "properties": properties, "additionalProperties": False}


def both(one: Schema, other: Schema) -> Schema:
    """What fits both schemas; two of objects become one of an object with the properties of both."""
    if other.keys() <= REMARKS or one == other:
        return one
    if one.keys() <= REMARKS:
        return other
    if not _is_object(one):
        return {"allOf": [one, other]} if not _is_object(other) else both(other, one)
    if not _is_object(other):
        place = "allOf" if "anyOf" in one or other.keys() != {"anyOf"} else "anyOf"
        return {**one, place: [*one.get("allOf", ()), other] if place == "allOf" else other["anyOf"]}
    properties = dict(one.get("properties", {}))
    for name, each in other.get("properties", {}).items():
        properties[name] = both(properties[name], each) if name in properties else each
    conditions = [*one.get("allOf", ()), *other.get("allOf", ())]
    if "anyOf" in one and "anyOf" in other:
        conditions.append({"anyOf": other["anyOf"]})
    required = [*dict.fromkeys((*one.get("required", ()), *other.get("required", ())))]
    merged = {**other, **one, "type": "object" if "object" in (one["type"], other["type"]) else one["type"]}
    merged |= {"properties": properties} if properties else {}
    merged |= {"required": required} if required else {}
    return merged | ({"allOf": conditions} if conditions else {})


def _is_object(schema: Schema) -> bool:
    known = {"type", "properties", "required", "allOf", "anyOf", *REMARKS}
    return schema.keys() <= known and schema.get("type") in ("object", OBJECT["type"])


def or_null(schema: Schema) -> Schema:
    """This, or null."""
    if schema.keys() <= REMARKS:
        return schema
    if "const" in schema:
        return {"enum": [schema["const"], None]}
    if schema.keys() == {"anyOf"}:
        ways = schema["anyOf"]
        return schema if any("null" in _kinds_of(way) for way in ways) else {"anyOf": [*ways, NULL]}
    conditions = schema.get("allOf", ())
    if "type" not in schema or "anyOf" in schema or not all("if" in each for each in conditions):
        return {"anyOf": [schema, NULL]}
    if "null" in _kinds_of(schema):
        return schema
    words = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [*_kinds_of(schema), "null"], **words}


def _kinds_of(schema: Schema) -> list[str]:
    kinds = schema.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]


def at(steps: Path, schema: Schema, *, said: bool) -> Schema:
    """Objects that hold what fits *schema* at the end of *steps*."""
    for step in reversed(steps):
        schema = {"type": "object" if said else OBJECT["type"], "properties": {step: schema}}
        schema |= {"required": [step]} if said else {}
    return schema


def changed(schema: Schema, place: Path, change: Callable[[Schema], Schema]) -> Schema:
    """The schema with a change at a place; as it is if nothing is known of the place."""
    if not place:
        return change(schema)
    known = schema.get("properties", {})
    if place[0] not in known:
        return schema
    return {**schema, "properties": {**known, place[0]: changed(known[place[0]], place[1:], change)}}

"""As much of JSON Schema as the table of routes is written in: what fits, in words, and what does not."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

import attrs

from fluxkit._contract.by_fields import by_fields
from fluxkit._contract.report import shorten

Schema = Mapping[str, Any]

#: How many digits a whole number in an address has at most.
MOST_DIGITS: Final = 18

_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


@by_fields
@attrs.frozen(eq=False, repr=False)
class Misfit:
    """A place that does not fit: what was *given* there, and what is *allowed*."""

    place: str
    given: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.place} is {self.given}. Allowed: {self.allowed}."


def whole(first: int = 0, last: int | None = None) -> Schema:
    """A whole number from *first* to *last*."""
    return {"type": "integer", "minimum": first} | ({} if last is None else {"maximum": last})


def text(*words: str, most: int = 1_000) -> Schema:
    """A text of at most so many characters, or one of the *words*."""
    return {"type": "string", "enum": list(words)} if words else {"type": "string", "maxLength": most}


def maybe(schema: Schema) -> Schema:
    """This, or null."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*kinds, "null"]} | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})


def several(schema: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": schema}


def record(need: Mapping[str, Schema] | None = None, /, **may: Schema) -> Schema:
    """An object of these properties and no other: what it needs, and what it may have."""
    properties = {**(need or {}), **may}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"required": [*need]} if need else {}),
    }


def misfits(schema: Schema, value: Any, place: str) -> Iterator[Misfit]:
    """Every place of *value* that does not fit."""
    kinds = schema.get("type", [])
    kind = _kind(value, kinds if isinstance(kinds, list) else [kinds])
    if kind is None or not _fits(schema, kind, value):
        yield Misfit(place, shorten(value), allowed(schema))
    elif kind == "array":
        for number, item in enumerate(value):
            yield from misfits(schema.get("items", {}), item, f"{place}[{number}]")
    elif kind == "object":
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        within = f"{place}." if place != "the body" else ""
        for name in schema.get("required", ()):
            if name not in value:
                yield Misfit(f"{within}{name}", "missing", allowed(known[name]))
        for name, item in value.items():
            if name in known:
                yield from misfits(known[name], item, f"{within}{name}")
            elif others is False:
                yield stray(f"{within}{name}", name, known)
            elif others is not True:
                yield from misfits(others, item, f"{within}{name}")


def whole_in(text: str) -> int | None:
    """The whole number that a text is, None if it is none, or longer than any that is meant."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None


def stray(place: str, name: str, known: Iterable[str]) -> Misfit:
    """A field that there is not, with those that there are, the one that is likely meant first."""
    names = [*known]
    meant = get_close_matches(name, names, n=1)
    hint = f", perhaps meant as {meant[0]}" if meant else ""
    return Misfit(place, f"no field of it{hint}", ", ".join(names) or "none")


def _kind(value: Any, kinds: list[str]) -> str | None:
    """Which of the *kinds* a value is; true and false are no numbers, and a schema that names none takes any."""
    if not kinds:
        return "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "anything"
    for kind in kinds:
        if isinstance(value, _KINDS[kind]) and (isinstance(value, bool) is (kind == "boolean")):
            return kind
    return None


def _fits(schema: Schema, kind: str, value: Any) -> bool:
    if "enum" in schema and value not in schema["enum"]:
        return False
    if kind == "string":
        in_form = "pattern" not in schema or re.fullmatch(schema["pattern"], value) is not None
        return len(value) <= schema.get("maxLength", math.inf) and in_form
    if kind in ("number", "integer"):
        low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        return bool(low <= value <= high and value > schema.get("exclusiveMinimum", -math.inf))
    return True


def allowed(schema: Schema) -> str:
    """What a schema takes, in words."""
    if "enum" in schema:
        return ", ".join("null" if word is None else str(word) for word in schema["enum"])
    kinds = schema.get("type", "anything")
    if isinstance(kinds, list):
        return " or ".join(allowed({**schema, "type": kind}) for kind in kinds)
    said: str = {
        "object": f"an object with {', '.join(schema.get('properties', {})) or 'any fields'}",
        "array": "a list",
        "string": "a text",
        "number": "a number",
        "integer": "a whole number",
        "boolean": "true or false",
    }.get(kinds, str(kinds))
    if kinds == "string":
        said += f" in the form {schema['pattern']}" if "pattern" in schema else ""
        said += f" of at most {schema['maxLength']} characters" if "maxLength" in schema else ""
    elif kinds in ("number", "integer"):
        said += f" above {schema['exclusiveMinimum']}" if "exclusiveMinimum" in schema else ""
        said += f" from {schema['minimum']}" if "minimum" in schema else ""
        said += f" to {schema['maximum']}" if "maximum" in schema else ""
    elif kinds == "array" and "items" in schema:
        said += f" of {allowed(schema['items'])}"
    return said

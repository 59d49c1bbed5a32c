"""What a service takes: the bodies and parameters of submits and uploads, as schemas."""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from fluxkit._contract.media import TYPES
from fluxkit._wire.declaration import Model, Upload
from fluxkit._wire.json import HEADERS, QUERY, Unfit, stray
from fluxkit._wire.samples import Sample, samples_of
from fluxkit._wire.schema import schema
from fluxkit._wire.terms import Schema, changed, closed
from fluxkit.provider import At, Canvas, Codec, First, Form, Text, Words

from ..dialect import Dialect
from ..traits import base64_of

#: How many examples a body has at most, and how long one is at most as JSON, in characters.
MOST_EXAMPLES, MOST_EXAMPLE = 3, 2_000

#: What the fields of a request are about, by their names; the other names say it themselves.
ABOUT: Mapping[str, str] = {
    "prompt": "What the image shows.",
    "seed": "The same seed and request make the same image.",
    "references": "An image to go by.",
    "webhook_url": "Where the service posts what becomes of the task.",
    "webhook_secret": "What the webhooks are signed with.",
    "enhance_prompt": "Whether the service rewrites the prompt.",
    "safety_tolerance": "How much is let pass by moderation: the more, the higher.",
    "output_format": "The format of the image.",
}


def request_of(dialect: Dialect, row: Model) -> Schema:
    """The body of a submit, as strict as the mock is."""
    size = {"size": f"The size: {row.sizes.allowed()}."}
    whole = schema(row.request, about={**ABOUT, **size})
    if isinstance(row.sizes, Canvas):
        whole = _bounded(whole, row.form.get("size"), row.sizes)
    if dialect.switches.get("data-prefixes") == "take":
        whole = _prefixed(whole, row.form.get("references"))
    asides = (HEADERS, QUERY)
    body = {**whole, "type": "object"}
    body["properties"] = {name: each for name, each in whole.get("properties", {}).items() if name not in asides}
    body["required"] = [name for name in whole.get("required", ()) if name not in asides]
    if not body["required"]:
        del body["required"]
    if dialect.switches.get("extra-fields") == "ignore":
        return body
    return closed(body, [place for place in row.request.places() if place[0] not in asides])


def _bounded(whole: Schema, codec: Codec | None, sizes: Canvas) -> Schema:
    """The schema with the bounds of a canvas at each side, where each has a place of its own."""
    places = () if codec is None else tuple(codec.places())
    if len(places) != 2:
        return whole
    for place, side in zip(places, (sizes.width, sizes.height), strict=True):
        bounds = {"minimum": side[0], "maximum": side[-1]}
        if side.step > 1 and not side[0] % side.step:
            bounds["multipleOf"] = side.step
        whole = changed(whole, place, functools.partial(_with, bounds=bounds))
    return whole


def _prefixed(whole: Schema, codec: Codec | None) -> Schema:
    """The schema in which base64 may begin as a ``data:`` URI does."""
    base64 = base64_of(codec)
    if codec is None or base64 is None or base64.prefix:
        return whole
    pattern = schema(base64)["pattern"].removeprefix("^")
    bounds = {"pattern": f"^(data:image/[a-z]+;base64,)?{pattern}"}
    for place in codec.places():
        whole = changed(whole, place, functools.partial(_with, bounds=bounds))
    return whole


def _with(known: Schema, bounds: Schema) -> Schema:
    """What is *known* with *bounds*; a constant beside it has none."""
    if "anyOf" in known:
        return {**known, "anyOf": [each if "const" in each else _with(each, bounds) for each in known["anyOf"]]}
    return {**known, **bounds}


def parameters_of(row: Model) -> Iterator[Schema]:
    """What a submit says in its query and its headers."""
    known = schema(row.request, about=ABOUT).get("properties", {})
    for aside, where in ((QUERY, "query"), (HEADERS, "header")):
        said = known.get(aside, {})
        for name, each in said.get("properties", {}).items():
            kinds = each.get("type")
            plain = {**each, "type": kinds[0]} if isinstance(kinds, list) and kinds[1:] == ["null"] else each
            yield {"name": name, "in": where, "required": name in said.get("required", ()), "schema": plain}


def requests_shown(dialect: Dialect, row: Model) -> Mapping[str, Schema]:
    """Some of the recorded requests that this model takes."""
    of_model = (
        each for each in samples_of(dialect.provider) if each.of == "request" and each.fits and each.model == row.name
    )
    shown = [each for each in of_model if _takes(row, each)]
    return examples_of(shown[:MOST_EXAMPLES])


def _takes(row: Model, sample: Sample) -> bool:
    try:
        row.request.read({HEADERS: {}, QUERY: {}, **sample.body})
    except Unfit:
        return False
    is_body = sample.body.keys().isdisjoint((HEADERS, QUERY))
    return is_body and not stray(sample.body, row.request.places()) and len(str(sample.body)) <= MOST_EXAMPLE


def examples_of(samples: list[Sample]) -> Mapping[str, Schema]:
    """Samples as examples, each with where it was seen."""
    return {
        re.sub(r"\W+", "-", sample.name).strip("-"): {
            "summary": sample.name,
            "description": f"{sample.sure}: {sample.source}, {sample.date}",
            "value": sample.body,
        }
        for sample in samples
    }


def content_of(schema: Schema, examples: Mapping[str, Schema], media_type: str = "application/json") -> Schema:
    """A body of this schema."""
    return {media_type: {"schema": schema} | ({"examples": examples} if examples else {})}


def upload_of(upload: Upload) -> Schema:
    """The body of a call to the upload's route: a form with the image in it, or a ticket."""
    types = [TYPES[each] for each in upload.formats]
    if upload.ticket is not None:
        return {"content": content_of(_exact(schema(_naming(upload.ticket, types), said=True)), {}), "required": True}
    field = str(upload.field)
    most = "" if upload.most is None else f" of at most {upload.most} bytes"
    form = {
        "type": "object",
        "properties": {field: {"contentMediaType": "image/*", "description": f"The image{most}."}},
        "required": [field],
        "additionalProperties": False,
    }
    content: dict[str, Any] = {"schema": form, "encoding": {field: {"contentType": ", ".join(types)}}}
    return {"content": {"multipart/form-data": content}, "required": True}


def _naming(codec: Codec, types: list[str]) -> Codec:
    """The codec of a ticket, in which the media type is one of those that are taken."""
    match codec:
        case Form():
            return codec | Form({"media_type": _naming(codec.get("media_type") or Text(), types)})
        case Text():
            return Words(types)
        case At(inner=inner) | First(inner=inner):
            return attrs.evolve(codec, inner=_naming(inner, types))
    return codec


def _exact(schema: Schema) -> Schema:
    """The schema without room for anything else: a ticket is for one image, and says no more."""
    told = dict(schema)
    if "properties" in told:
        told["properties"] = {name: _exact(each) for name, each in told["properties"].items()}
        told["additionalProperties"] = False
    if "prefixItems" in told:
        told["prefixItems"] = [_exact(each) for each in told["prefixItems"]]
        told["maxItems"] = len(told["prefixItems"])
    return told

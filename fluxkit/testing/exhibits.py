"""Samples as requests and answers: what they ask for, what they mean, and what shape they have."""

import base64
import functools
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import attrs

from .._contract.reference import Reference
from .._contract.request import Request
from .._engine.effects import Reply
from .._wire.json import Json
from .._wire.samples import Sample

FIELDS = {field.name for field in attrs.fields(Request) if field.init}

#: The smallest image of each type, by its media type.
SMALLEST = {
    media_type: base64.b64decode(text)
    for media_type, text in {
        "image/png": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg==",
        "image/jpeg": (
            "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRT"
            "c4UG1RV19iZ2hnPk1xeXBkeFxlZ2P/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AP//Z"
        ),
        "image/webp": "UklGRhoAAABXRUJQVlA4TA4AAAAvAAAAAAcQEf0PRET/Aw==",
        "image/gif": "R0lGODdhAQABAIAAAAAAAAAAACwAAAAAAQABAAAIBAABBAQAOw==",
    }.items()
}


def of_kind(samples: Iterable[Sample], *kinds: str, fits: bool | None = None) -> Iterator[Sample]:
    """The samples of these kinds."""
    return (each for each in samples if each.of in kinds and fits in (None, each.fits))


def reply_of(sample: Sample) -> Reply:
    """The answer that a sample holds."""
    return Reply(sample.status, sample.headers, sample.body, json.dumps(sample.body), 0.0)


@functools.lru_cache(maxsize=1024)
def values_of(sample: Sample) -> Mapping[str, Any]:
    """What a sample means, in the values that the form of a request holds."""
    values = dict(sample.means)
    if references := references_of(values):
        values["references"] = tuple(map(Reference.of, references))
    return MappingProxyType({name: _settled(value) for name, value in values.items()})


def _settled(value: Any) -> Any:
    """A value of a sample with tuples where it has lists, as codecs give it."""
    match value:
        case dict():
            return {name: _settled(item) for name, item in value.items()}
        case list():
            return tuple(map(_settled, value))
        case _:
            return value


def asked(samples: Iterable[Sample], *, fits: bool) -> Iterator[Sample]:
    """The requests that a user of fluxkit can make: none without a prompt, even where the service can do without."""
    return (each for each in of_kind(samples, "request", fits=fits) if "prompt" in each.means)


def references_of(means: Mapping[str, Any]) -> tuple[Any, ...]:
    """References are kept as base64 text, or as addresses."""
    return tuple(text if ":" in text else base64.b64decode(text, validate=True) for text in means.get("references", ()))


@functools.lru_cache(maxsize=1024)  # samples are few, and asked for again and again
def request_of(sample: Sample) -> Request:
    """The request of a user who wants what the sample means."""
    wanted = {name: value for name, value in sample.means.items() if name != "size"}
    match sample.means.get("size"):
        case [str(aspect), str(resolution)]:
            wanted |= {"aspect": aspect, "resolution": resolution}
        case [_, _] as sides:
            wanted["size"] = tuple(sides)
        case str() as aspect:
            wanted["aspect"] = aspect
    if "references" in wanted:
        wanted["references"] = references_of(wanted)
    options = {name: wanted.pop(name) for name in wanted.keys() - FIELDS}
    return Request(**wanted, options=options)


def plainest(samples: Iterable[Sample], *models: str | None) -> Sample:
    """The request that says least, of a model by any of these names, or of all."""
    requests = [each for each in asked(samples, fits=True) if not models or each.model in models]
    if not requests:
        raise AssertionError(f"no request of {models[0] if models else 'any model'} is recorded that the service takes")
    return min(requests, key=lambda sample: len(sample.body))


def numbers(document: Json) -> Iterator[float]:
    """Every number in a document."""
    match document:
        case dict():
            for value in document.values():
                yield from numbers(value)
        case list():
            for value in document:
                yield from numbers(value)
        case int() | float():
            yield document


def shape(document: Json) -> Any:
    """The keys of a document at every level and the JSON types of its values; a list is judged by its first item."""
    match document:
        case dict():
            return {key: shape(value) for key, value in document.items()}
        case list():
            return [shape(item) for item in document[:1]]
        case bool() | None:
            return type(document).__name__
        case int() | float():
            return "number"
        case _:
            return "text"


def alike(recorded: Json, said: Json) -> bool:
    """Whether a document has the shape of a recorded one; an object that is recorded empty may hold anything."""
    if isinstance(recorded, dict) and isinstance(said, dict):
        return not recorded or (recorded.keys() == said.keys() and all(alike(recorded[key], said[key]) for key in said))
    if isinstance(recorded, list) and isinstance(said, list):
        return len(recorded) == len(said) and all(map(alike, recorded, said))
    return bool(shape(recorded) == shape(said))


def shapes(samples: Iterable[Sample], kind: str, **facts: Any) -> list[Any]:
    """The shapes of the samples of a kind that mean these facts."""
    return [shape(each.body) for each in of_kind(samples, kind) if facts.items() <= each.means.items()]


#: The address of a receiver in the samples.
RECEIVER = "https://www.example.com/webhook"

#: A secret that is base64, too.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - it opens nothing


def proof(sample: Sample, secret: str, body: bytes, *, id: str, at: float) -> dict[str, str]:
    """The headers of a recorded webhook for another body, by the words of the sample alone."""
    seconds = str(int(at))
    said = {"id": id, "at": seconds}
    for name, key in (("text", secret.encode()), ("base64", base64.b64decode(secret.removeprefix("whsec_")))):
        signed = f"{id}.{seconds}.".encode() + body
        said[name] = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    said["hex"] = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {name: value.format(**said) for name, value in sample.headers.items()}


def meant(sample: Sample) -> Any:
    """What the answer to a question aside means, as a declaration reads it."""
    if "tasks" in sample.means:
        return tuple(sample.means["tasks"])
    return {name: Decimal(fact) if isinstance(fact, str) else fact for name, fact in sample.means.items()}


def too_large(samples: Iterable[Sample]) -> list[str]:
    """The words in which an upload is refused that is too large."""
    return [
        each.means["message"] for each in of_kind(samples, "refused") if (each.phase, each.status) == ("upload", 413)
    ]


def bounds(message: str) -> list[int]:
    """The numbers that a message names."""
    return [int(number) for number in re.findall(r"[0-9]+", message)]

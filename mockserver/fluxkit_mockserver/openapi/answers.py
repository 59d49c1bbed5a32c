"""What a service says: its answers and refusals, as schemas and responses."""

from collections.abc import Iterable, Mapping

import attrs

from fluxkit import errors
from fluxkit._wire.declaration import USUAL, Provider, Refusal
from fluxkit._wire.json import Json, Unfit
from fluxkit._wire.samples import Sample
from fluxkit._wire.schema import schema
from fluxkit._wire.terms import Schema
from fluxkit.errors import FluxError, OutOfCredit, RateLimited, Rejected, Unauthorized, Vanished
from fluxkit.provider import At, Codec, Each, Either, First, Form, Only, With

from ..dialect import Dialect
from ..refused import status_of
from .requests import MOST_EXAMPLES, content_of, examples_of

#: What an answer always says, if its form has a place for it.
ALWAYS = ("id", "status")

#: What an answer may mean that is no answer.
_MEANINGS: Mapping[type[FluxError], str] = {
    Rejected: "The request is not valid.",
    Unauthorized: "The key is missing or not taken, or may not do this.",
    OutOfCredit: "The account is out of credit.",
    RateLimited: "There are too many requests, or too many tasks at once.",
    errors.Broken: "The service fails or is overloaded.",
    errors.Refused: "Moderation does not let this pass.",
    Vanished: "There is no such task.",
}

#: The statuses with which the mock may refuse at each phase, beside those that the service declares or has shown.
_PHASES: Mapping[str, tuple[int, ...]] = {
    "submit": (400, 401, 402, 403, 413, 422, 429, 500, 503),
    "poll": (401, 413, 429, 503),
    "upload": (413,),
    "aside": (413,),
}


def demanding(codec: Codec, names: Iterable[str] = ALWAYS) -> Codec:
    """The codec of an answer that says these *names*, as far as it has places for them."""
    match codec:
        case Form(need=need):
            return attrs.evolve(codec, need=(*need, *(name for name in names if codec.get(name) is not None)))
        case Either(first=first, second=second):
            return attrs.evolve(codec, first=demanding(first, names), second=demanding(second, names))
        case At(inner=inner) | First(inner=inner) | Only(inner=inner) | With(inner=inner) | Each(inner=inner):
            return attrs.evolve(codec, inner=demanding(inner, names))
    return codec


def about(provider: Provider) -> Mapping[str, str]:
    """What the fields of answers are about, by their names."""
    words = ", ".join(f"{word} ({state.value})" for word, state in provider.statuses)
    life = "" if provider.link_life is None else f" A link lives for {provider.link_life:g} seconds."
    return {
        "id": "The id of the task.",
        "status": f"Where the task stands: {words}. There may be words that no page knows." if words else "",
        "images": f"Links to the images, once they are made.{life}",
        "reason": "Why the task has failed.",
        "progress": "How far the task is, in per cent.",
        "seed": "The seed with which the image was made.",
        "cost": "What the task costs.",
        "poll_url": "Where to ask after the task.",
        "result_url": "Where the images are told, once they are made.",
        "cancel_url": "Where the task is stopped.",
        "message": "What is wrong.",
        "fields": "What is wrong with which fields.",
        "type": "What kind of error it is.",
        "url": "Where the image is then.",
        "put": "Where the image is put, by PUT and without the key.",
        "headers": "The headers of that PUT, exactly these.",
    }


def answer_schema(dialect: Dialect, codec: Codec, names: Iterable[str] = ALWAYS) -> Schema:
    """The answers of a form, which say at least these *names*."""
    texts = {name: text for name, text in about(dialect.provider).items() if text}
    return schema(demanding(codec, names), said=True, about=texts)


def answers_shown(dialect: Dialect, of: str, codec: Codec, status: int | None = None) -> Mapping[str, Schema]:
    """The recorded answers of a kind, of each state one."""
    shown: dict[str | None, Sample] = {}
    for sample in dialect.shown(of):
        if status in (None, sample.status) and _reads(codec, sample.body, sample.means.get("id")):
            shown.setdefault(sample.means.get("status"), sample)
    return examples_of([*shown.values()])


def _reads(codec: Codec, body: Json, id: str | None = None) -> bool:
    """Whether a body is wholly of the form that *codec* reads, and says the id."""
    try:
        said = codec.read(body)
    except Unfit:
        return False
    return id is None or (isinstance(said, Mapping) and said.get("id") == id)


def statuses(dialect: Dialect, phase: str) -> Mapping[int, str]:
    """Each status with which a call is refused at a *phase*, and what it means."""
    provider = dialect.provider
    usual = [Unauthorized, RateLimited]
    usual += [Rejected] if phase in ("submit", "upload", "result", "cancel") else []
    usual += [OutOfCredit] if phase == "submit" else []
    declared = [*(Refusal(status_of(provider, kind), kind) for kind in usual), *provider.refusals]
    if phase in ("poll", "result", "cancel"):
        declared += provider.not_found
    if phase == "submit" and provider.idempotency is not None:
        declared += (provider.idempotency.busy, provider.idempotency.reused)
    if phase == "cancel" and provider.cancel is not None and provider.cancel.late is not None:
        declared.append(Refusal(provider.cancel.late, Rejected))
    meant: dict[int, list[type[FluxError]]] = {}
    for refusal in declared:
        meant.setdefault(refusal.status, []).append(refusal.error)
    shown = (each.status for each in dialect.samples if each.of == "refused" and each.phase == phase)
    for status in (*_PHASES.get(phase, _PHASES["aside"]), *shown):
        meant.setdefault(status, [])
        if status in USUAL and not meant[status]:
            meant[status].append(USUAL[status])
    return {
        status: " ".join(dict.fromkeys(_MEANINGS[kind] for kind in kinds if kind in _MEANINGS)) or "It is refused."
        for status, kinds in sorted(meant.items())
    }


def refusal(dialect: Dialect, status: int, text: str, phase: str) -> Schema:
    """The response of a refusal, in the form of the service's errors; of none where its samples have another."""
    shown = [each for each in dialect.samples if each.of == "refused" and each.status == status]
    form: Schema = {"$ref": "#/components/schemas/Error"}
    if not all(_reads(dialect.provider.error, each.body) for each in shown):
        form = {"description": "No form of it is known."}
    of_phase = [each for each in shown if each.phase == phase] or shown
    told: Schema = {
        "description": text,
        "content": content_of(form, examples_of(of_phase[:MOST_EXAMPLES])),
    }
    if status == 429:
        wait = {"description": "How many seconds to wait.", "schema": {"type": "string"}}
        told["headers"] = {"retry-after": wait}
    return told


def either(answer: Schema, refusal: Schema) -> Schema:
    """The response of a status with which a call may be answered, and refused as well."""
    one, other = (each["content"]["application/json"] for each in (answer, refusal))
    shown = {**one.get("examples", {}), **other.get("examples", {})}
    text = f"{answer['description']} Or: {refusal['description']}"
    options = [*one["schema"].get("anyOf", [one["schema"]]), other["schema"]]
    return {**refusal, "description": text, "content": content_of({"anyOf": options}, shown)}

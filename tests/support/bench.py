"""What checks work with: samples as requests and answers, and a client, a mock and a stranger who can be put together.

Nothing here knows a service or pytest.
"""

import base64
import functools
import hashlib
import hmac
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import attrs

from fluxkit._contract.amount import Amount
from fluxkit._contract.media import Media, read_media
from fluxkit._contract.reference import Reference
from fluxkit._contract.request import Request
from fluxkit._contract.result import Result
from fluxkit._contract.task import Snapshot, State, Task
from fluxkit._engine.drive import Driver
from fluxkit._engine.effects import Reply
from fluxkit._engine.flows import Manner, generate, place_order, resume
from fluxkit._engine.notes import Notes
from fluxkit._engine.place import Place
from fluxkit._engine.secret import Secret
from fluxkit._engine.settle import settle
from fluxkit._engine.transport import Transport
from fluxkit._wire.declaration import Model, Provider
from fluxkit._wire.exchange import read_poll, read_submit
from fluxkit._wire.json import Json
from fluxkit._wire.plan import Plan, make_plan
from fluxkit._wire.samples import Sample
from fluxkit.errors import FluxError
from fluxkit_mockserver import MockService
from fluxkit_mockserver.answer import Answer, Drop, Incoming
from fluxkit_mockserver.dialect import read_query
from fluxkit_mockserver.tasks import MockTask

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

#: How a client goes about it: it gives up after a minute of the mock's time, so a task that never ends costs few polls.
MANNER = Manner(timeout=60.0, patience=60.0, place=Place(Path()), fetch=False, local=True)


def same(expected: Any, actual: Any, about: str) -> None:
    """Raises ``AssertionError`` unless both are equal, saying what they are *about*."""
    if expected != actual:
        raise AssertionError(f"{about}: {expected!r} expected, and it is {actual!r}")


# Samples.


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
    values["size"] = values["size"] if isinstance(values["size"], str) else tuple(values["size"])
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


def plainest(samples: Iterable[Sample], model: str | None = None) -> Sample:
    """The request that says least, of one model or of all."""
    requests = [each for each in asked(samples, fits=True) if model in (None, each.model)]
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
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def proof(sample: Sample, secret: str, body: bytes, *, id: str, at: float) -> dict[str, str]:
    """The headers of a recorded webhook for another body, by the words of the sample alone."""
    seconds = str(int(at))
    said = {"id": id, "at": seconds}
    for name, key in (("text", secret.encode()), ("base64", base64.b64decode(secret.removeprefix("whsec_")))):
        signed = f"{id}.{seconds}.".encode() + body
        said[name] = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {name: value.format(**said) for name, value in sample.headers.items()}


# The client's side.


def any_plan(provider: Provider) -> Plan:
    """A plan of whatever model comes first."""
    return make_plan(provider, provider.models[0].name, Request("a cat"))


def task_of(provider: Provider, id: str = "046b6c7f", model: str | None = None) -> Task:
    """A task that nobody has seen."""
    return Task(provider.name, model or provider.models[0].name, id, provider.base_url)


def model_of(provider: Provider, sample: Sample) -> Model:
    """The model that a sample is about."""
    (row,) = provider.named(str(sample.model))
    return row


def said_of(snapshot: Snapshot) -> dict[str, Any]:
    """Everything that a snapshot says, in the words of a sample; ``AssertionError`` if it has problems."""
    said = attrs.asdict(snapshot, recurse=False)
    same((), said.pop("problems"), "problems of the snapshot")
    said["images"] = [
        attrs.asdict(picture, filter=lambda _, value: value is not None) for picture in said.pop("pictures")
    ]
    if isinstance(said["cost"], Amount):
        said["cost"] = str(said["cost"].number)
    return {name: value for name, value in said.items() if value not in (None, [], "")}


def error_in(plan: Plan, phase: str, reply: Reply) -> FluxError | None:
    """The error that a refusal becomes; None for a task that is not there, which is no error yet."""
    try:
        if phase == "submit":
            read_submit(plan, reply)
        else:
            said = read_poll(plan.provider, task_of(plan.provider), reply)
            same(State.VANISHED, said.state, "the state behind a refusal")
    except FluxError as error:
        return error
    same("poll", phase, "the phase in which a refusal is no error")
    return None


def name_of(error: FluxError | None) -> str:
    """The name of an error's class."""
    return "Vanished" if error is None else type(error).__name__


def driver(client: Provider, mock: MockService, *, key: str | None = None) -> Driver:
    """What carries out a client's flows against a mock, on the mock's time, without a socket."""
    secret = Secret(key or mock.key, client.key.header, client.key.form)
    transport = Transport(secret=secret, now=mock.clock.now, inner=mock.transport(), proxy=None, local=True)
    return Driver(transport, mock.clock, Notes())


def ready(at: Driver, plan: Plan) -> Plan:
    """The plan, once its references are uploaded or fetched where they have to be."""
    return at.run(settle(plan, at.clock.now() + MANNER.timeout, patience=MANNER.patience))


def order(at: Driver, plan: Plan) -> Task:
    """The task of a plan, not waited for."""
    return at.run(place_order(plan, MANNER))


def buy(at: Driver, plan: Plan) -> Result:
    """The result of a plan, its images left where they are; raises what the client raises."""
    return at.run(generate(plan, MANNER))


def wait(at: Driver, provider: Provider, task: Task) -> Result:
    """The result of a task that was bought before."""
    return at.run(resume(provider, task, MANNER))


def sending(provider: Provider, content: bytes, media_type: str) -> tuple[bytes, dict[str, str]]:
    """The body of the call to the upload route as *provider* declares it, and its headers beside the key."""
    assert provider.upload is not None
    if provider.upload.ticket is not None:
        body = json.dumps(provider.upload.ticket.write({"media_type": media_type})).encode()
        return body, {"content-type": "application/json"}
    return form_of(str(provider.upload.field), content, media_type)


def form_of(field: str, content: bytes, media_type: str, name: str = "photo.bin") -> tuple[bytes, dict[str, str]]:
    """A multipart form with one file in it, and its header."""
    head = f'--edge\r\ncontent-disposition: form-data; name="{field}"; filename="{name}"\r\n'
    body = head.encode() + f"content-type: {media_type}\r\n\r\n".encode() + content + b"\r\n--edge--\r\n"
    return body, {"content-type": "multipart/form-data; boundary=edge"}


# The mock's side.


def send(
    mock: MockService, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: Json = None
) -> Reply:
    """What the mock answers to one call."""
    answer = _answer(mock, method, url, headers or {}, b"" if body is None else json.dumps(body).encode())
    return Reply(answer.status, answer.headers, json.loads(answer.body), answer.body.decode(), mock.clock.now())


def exchange(mock: MockService, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
    """What the mock answers to one call, as it is."""
    return _answer(mock, method, url, headers, body)


def load(mock: MockService, link: str) -> Media:
    """The image behind a link, which is fetched without a key."""
    answer = _answer(mock, "GET", link, {}, b"")
    same(200, answer.status, f"the status of {link}")
    return read_media(io.BytesIO(answer.body))


def _answer(mock: MockService, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    parts = urlsplit(url)
    call = Incoming(method, parts.path, read_query(parts.query), headers, body, f"{parts.scheme}://{parts.netloc}")
    answer = mock.handle(call)
    if isinstance(answer, Drop):
        raise AssertionError(f"{method} {url} was dropped")
    return answer


def made(mock: MockService, id: str | None) -> MockTask:
    """A task as the mock knows it: the values that it understood, and the size that it draws."""
    return mock._tasks[str(id)]


@attrs.frozen(eq=False)
class Stranger:
    """Somebody at a mock who knows of its service only what the samples say: no declaration."""

    mock: MockService
    name: str
    samples: Sequence[Sample]

    def call(self, phase: str, model: str | None) -> Sample:
        """The recorded call of a model, or of any."""
        calls = of_kind(self.samples, "call", fits=True)
        return next(each for each in calls if each.phase == phase and model in (None, each.model))

    def send(self, call: Sample, *, id: str = "", body: Json = None, key: str | None = None) -> Reply:
        """What a recorded call is answered now, with an id, a body and a key."""
        method, _, url = call.call.partition(" ")
        url = self.mock.base_url(self.name) + urlsplit(url).path.replace("{id}", id)
        headers = {name: form.replace("{key}", key or self.mock.key) for name, form in call.headers.items()}
        return send(self.mock, method, url, headers=headers, body=body)

    def bring(self, body: bytes, headers: Mapping[str, str], *, key: str | None = None) -> Reply:
        """What a call to the upload route is answered, with a body, its headers, and a key; none if that is empty."""
        call = self.call("upload", None)
        key = self.mock.key if key is None else key
        keys = {name: form.replace("{key}", key) for name, form in call.headers.items() if key}
        url = self.mock.base_url(self.name) + urlsplit(call.call.partition(" ")[2]).path
        answer = _answer(self.mock, call.call.partition(" ")[0], url, {**headers, **keys}, body)
        return Reply(
            answer.status, answer.headers, json.loads(answer.body), answer.body.decode(), self.mock.clock.now()
        )

    def submit(self, sample: Sample) -> Reply:
        """What a recorded request is answered."""
        return self.send(self.call("submit", sample.model), body=sample.body)

    def poll(self, id: str | None, model: str | None = None) -> Reply:
        """What is said of a task."""
        return self.send(self.call("poll", model), id=str(id))


def stranger(provider: Provider, samples: Sequence[Sample], **settings: Any) -> Stranger:
    """A stranger at a fresh mock of *provider*."""
    return Stranger(MockService([provider], **settings), provider.name, samples)

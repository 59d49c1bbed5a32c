"""What checks work at: a client, a mock and a stranger who can be put together, without a socket and on virtual time.

Nothing here knows a service or pytest.
"""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import attrs

from .._contract.amount import Amount
from .._contract.media import Media
from .._contract.request import Request
from .._contract.result import Result
from .._contract.structure import read_media
from .._contract.task import Snapshot, State, Task
from .._engine.drive import AsyncDriver, Driver
from .._engine.effects import Reply
from .._engine.flows import Manner, generate, place_order, resume
from .._engine.notes import Notes
from .._engine.place import Place
from .._engine.secret import Secret
from .._engine.settle import settle
from .._engine.transport import AsyncTransport, Transport
from .._mock import kit_of_mock
from .._wire.answers import read_poll, read_submit
from .._wire.declaration import Model, Provider
from .._wire.json import HEADERS, QUERY, Json
from .._wire.plan import Plan, make_plan
from .._wire.samples import Sample
from ..errors import FluxError, ReferenceUnusable, Unsupported
from .conduct import AsyncMisled, Conduct, Misled
from .differs import same
from .exhibits import of_kind, request_of
from .folders import folder

#: A mock as the kit knows it: it is found by entry point, so its type is not.
Service = Any

#: How a client goes about it: it gives up after a minute of the mock's time, so a task that never ends costs few polls.
MANNER = Manner(timeout=60.0, patience=60.0, place=Place(Path()), fetch=False, local=True)


def service_of(provider: Provider, **settings: Any) -> Service:
    """A fresh mock of *provider*, on a virtual clock of its own."""
    return kit_of_mock().MockService([provider], **settings)


def any_plan(provider: Provider) -> Plan:
    """A plan of whatever model comes first."""
    return make_plan(provider, provider.models[0].name, Request("a cat"))


def task_of(provider: Provider, id: str = "046b6c7f", model: str | None = None) -> Task:
    """A task that nobody has seen."""
    return Task(provider.name, model or provider.models[0].name, id, provider.base_url)


def rows_of(provider: Provider, name: str) -> tuple[Model, ...]:
    """The models that a sample means by this name: where several share a name, one goes by its path."""
    named = provider.named
    return tuple(each for each in provider.models if each.path == name and len(named(each.name)) > 1) or named(name)


def model_of(provider: Provider, sample: Sample) -> Model:
    """The model that a sample is about, of several with its name the first."""
    return rows_of(provider, str(sample.model))[0]


def said_of(snapshot: Snapshot) -> dict[str, Any]:
    """Everything that a snapshot says, in the words of a sample; ``AssertionError`` if it has problems."""
    said = attrs.asdict(snapshot, recurse=False)
    same((), said.pop("problems"), "problems of the snapshot")
    said["images"] = [
        attrs.asdict(picture, filter=lambda _, value: value is not None) for picture in said.pop("pictures")
    ]
    if isinstance(said["cost"], Amount):
        said["cost"] = str(said["cost"].number)
    for image in said["images"]:
        if "content" in image:
            image["content"] = base64.b64encode(image["content"]).decode()
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


def plan_if_any(provider: Provider, sample: Sample, **settings: Any) -> Plan | None:
    """The plan of a user who wants what the sample means; None if it is refused."""
    try:
        return make_plan(provider, model_of(provider, sample).name, request_of(sample), **settings)
    except (Unsupported, ReferenceUnusable):
        return None


def driver(
    client: Provider,
    mock: Service,
    *,
    key: str | None = None,
    conduct: Conduct | None = None,
    notes: Notes | None = None,
) -> Driver:
    """What carries out a client's flows against a mock, on the mock's time, without a socket."""
    key = key or mock.key
    secret = Secret(key, client.key.header, client.key.form)
    transport = Transport(secret=secret, now=mock.clock.now, inner=mock.transport(), proxy=None, local=True)
    kept = Notes() if notes is None else notes
    if conduct is None:
        return Driver(transport, mock.clock, kept)
    return Misled(transport, mock.clock, kept, conduct=conduct, key=key)


def async_driver(
    client: Provider, mock: Service, *, conduct: Conduct | None = None, notes: Notes | None = None
) -> AsyncDriver:
    """The same for an event loop."""
    secret = Secret(mock.key, client.key.header, client.key.form)
    transport = AsyncTransport(secret=secret, now=mock.clock.now, inner=mock.async_transport(), proxy=None, local=True)
    kept = Notes() if notes is None else notes
    if conduct is None:
        return AsyncDriver(transport, mock.clock, kept)
    return AsyncMisled(transport, mock.clock, kept, conduct=conduct, key=mock.key)


def ready(at: Driver, plan: Plan) -> Plan:
    """The plan, once its references are uploaded or fetched where they have to be."""
    return at.run(settle(plan, at.clock.now() + MANNER.timeout, patience=MANNER.patience))


def order(at: Driver, plan: Plan) -> Task:
    """The task of a plan, not waited for."""
    return at.run(place_order(plan, MANNER))


def buy(at: Driver, plan: Plan) -> Result:
    """The result of a plan, its images left where they are; raises what the client raises."""
    with folder() as place:  # for an image that comes within an answer
        return at.run(generate(plan, attrs.evolve(MANNER, place=Place(place))))


def wait(at: Driver, provider: Provider, task: Task) -> Result:
    """The result of a task that was bought before."""
    return at.run(resume(provider, task, MANNER))


def sending(provider: Provider, content: bytes, media_type: str) -> tuple[bytes, dict[str, str]]:
    """The body of the call to the upload route as *provider* declares it, and its headers beside the key."""
    assert provider.upload is not None  # noqa: S101 - whoever sends has asked
    if provider.upload.ticket is not None:
        body = json.dumps(provider.upload.ticket.write({"media_type": media_type})).encode()
        return body, {"content-type": "application/json"}
    return form_of(str(provider.upload.field), content, media_type)


def form_of(field: str, content: bytes, media_type: str, name: str = "photo.bin") -> tuple[bytes, dict[str, str]]:
    """A multipart form with one file in it, and its header."""
    head = f'--edge\r\ncontent-disposition: form-data; name="{field}"; filename="{name}"\r\n'
    body = head.encode() + f"content-type: {media_type}\r\n\r\n".encode() + content + b"\r\n--edge--\r\n"
    return body, {"content-type": "multipart/form-data; boundary=edge"}


def send(mock: Service, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: Json = None) -> Reply:
    """What the mock answers to one call."""
    answer = _answer(mock, method, url, headers or {}, b"" if body is None else json.dumps(body).encode())
    return Reply(answer.status, answer.headers, json.loads(answer.body), answer.body.decode(), mock.clock.now())


def exchange(mock: Service, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Any:
    """What the mock answers to one call, as it is."""
    return _answer(mock, method, url, headers, body)


def load(mock: Service, link: str) -> Media:
    """The image behind a link, which is fetched without a key."""
    answer = _answer(mock, "GET", link, {}, b"")
    same(200, answer.status, f"the status of {link}")
    return read_media(io.BytesIO(answer.body))


def _answer(mock: Service, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Any:
    answer = kit_of_mock().exchange(mock, method, url, headers, body)
    if isinstance(answer, kit_of_mock().Drop):
        raise AssertionError(f"{method} {url} was dropped")
    return answer


def made(mock: Service, id: str | None) -> Any:
    """A task as the mock knows it: the values that it understood, and the size that it draws."""
    return kit_of_mock().made(mock, id)


@attrs.frozen(eq=False)
class Stranger:
    """Somebody at a mock who knows of its service only what the samples say: no declaration."""

    mock: Service
    name: str
    samples: Sequence[Sample]

    def call(self, phase: str, model: str | None) -> Sample:
        """The recorded call of a model, or of any."""
        calls = of_kind(self.samples, "call", fits=True)
        known = [each for each in calls if each.phase == phase and model in (None, each.model)]
        if not known:
            raise AssertionError(f"no sample shows the call of a {phase}{f' of {model}' if model else ''}")
        return known[0]

    def send(self, call: Sample, *, id: str = "", body: Json = None, key: str | None = None) -> Reply:
        """What a recorded call is answered now, with an id, a body, what is said beside that, and a key."""
        method, _, url = call.call.partition(" ")
        below = url.removeprefix(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}")
        url = self.mock.base_url(self.name) + below.replace("{id}", id)
        headers = {name: form.replace("{key}", key or self.mock.key) for name, form in call.headers.items()}
        beside = {place: body[place] for place in (HEADERS, QUERY) if isinstance(body, dict) and place in body}
        if QUERY in beside:
            url += f"{'&' if '?' in url else '?'}{urlencode(beside[QUERY])}"
        if beside:
            body = {name: value for name, value in body.items() if name not in beside}
        return send(self.mock, method, url, headers=headers | beside.get(HEADERS, {}), body=body)

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
    return Stranger(service_of(provider, **settings), provider.name, samples)

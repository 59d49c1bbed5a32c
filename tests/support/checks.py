"""What a client and a mock of one service promise, as functions that raise when a promise is broken.

Every check takes the declaration of the client, that of the mock, and the samples of the service: usually both sides
are made from one declaration, but a check must notice when they are not, and when both are wrong alike. Three kinds:

- `check_client_...` holds the client against the samples, and does not look at the mock.
- `check_mock_...` holds the mock against the samples, and does not look at the client.
- `check_both_...` lets the client buy from the mock. Of the samples it takes what there is to ask for, and nothing of
  what is right: so it notices what the two disagree in, and only that.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import attrs

import fluxkit.errors
from fluxkit._contract.media import TYPES, format_named
from fluxkit._contract.request import Request
from fluxkit._contract.task import State
from fluxkit._engine.event import read_event, webhook_of
from fluxkit._engine.secret import Secret
from fluxkit._wire.declaration import USUAL, Provider
from fluxkit._wire.exchange import (
    Outgoing,
    origin,
    polling,
    read_complaint,
    read_poll,
    read_snapshot,
    read_submit,
    submission,
)
from fluxkit._wire.json import Json, Problem
from fluxkit._wire.link import read_link
from fluxkit._wire.plan import Plan, make_plan
from fluxkit._wire.samples import Sample
from fluxkit._wire.scalars import Hosted
from fluxkit.errors import (
    Broken,
    FluxError,
    ReferenceUnusable,
    Rejected,
    SubmissionUnknown,
    Unsupported,
    WebhookUnusable,
)
from fluxkit_mockserver import MockService
from fluxkit_mockserver.clock import EPOCH
from fluxkit_mockserver.dialect import Refused, dialect_of
from fluxkit_mockserver.tasks import life
from fluxkit_mockserver.webhooks import Delivery

from .bench import (
    RECEIVER,
    SECRET,
    SMALLEST,
    Stranger,
    alike,
    any_plan,
    asked,
    buy,
    driver,
    error_in,
    exchange,
    form_of,
    load,
    made,
    model_of,
    name_of,
    numbers,
    of_kind,
    order,
    plainest,
    proof,
    ready,
    reply_of,
    request_of,
    said_of,
    same,
    sending,
    shape,
    shapes,
    stranger,
    task_of,
    values_of,
    wait,
)

Check = Callable[[Provider, Provider, Sequence[Sample]], None]

#: In how many ways one thing is said at most.
SPELLINGS = 6

#: How many seconds of the mock's time a task is waited for.
LONGEST = 600.0


# The client, against the samples.


def check_client_calls_where_the_service_listens(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """Method, address and the header with the key are those of each recorded call."""
    for sample in of_kind(samples, "call", fits=True):
        call: Outgoing | None = None
        if sample.phase == "upload" and client.upload is not None:
            url = client.upload.route.url(client.base_url)
            call = Outgoing(client.upload.route.method, url, {}, b"", (origin(url),))
        elif sample.phase == "submit":
            call = submission(make_plan(client, str(sample.model), Request("a cat")), 0)
        elif sample.phase == "poll":
            call = polling(client, task_of(client, "{id}", sample.model))
        if call is None:
            raise AssertionError(f"{sample.name}: there is no such call")
        same(sample.call, f"{call.method} {call.url}".replace("%7Bid%7D", "{id}"), sample.name)
        secret = Secret("{key}", client.key.header, client.key.form)
        name, line = secret.header_for(read_link(call.url), call.origins, buys=False)
        same(sample.headers, {name.decode(): line.decode()}, sample.name)


def check_client_reads_what_an_answer_means(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """Every answer is read as what it means, whole and without a problem."""
    plan, task = any_plan(client), task_of(client)
    for sample in of_kind(samples, "accepted", "polled", "resulted", "webhook"):
        match sample.of:
            case "accepted":
                snapshot = read_submit(plan, reply_of(sample))
            case "polled":
                snapshot = read_poll(client, task, reply_of(sample))
            case "resulted":
                snapshot = read_poll(client, task, reply_of(sample), client.resulted)
            case _:
                snapshot = read_snapshot(client, webhook_of(client).event, sample.body)
        same(sample.means, said_of(snapshot), sample.name)


def check_client_believes_a_webhook_that_is_proved(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """A webhook is read with the proof that is recorded, and not with that of another; without any it is a hint."""
    at = 1_767_225_600.0
    for sample in of_kind(samples, "webhook"):
        body = json.dumps(sample.body).encode()
        headers = proof(sample, SECRET, body, id="msg_1", at=at)
        event = read_event(client, headers, body, secret=SECRET, at=at)
        same((sample.means["id"], bool(sample.headers)), (event.task_id, event.signed), sample.name)
        if sample.headers:
            other = proof(sample, SECRET, body + b" ", id="msg_1", at=at)
            try:
                read_event(client, other, body, secret=SECRET, at=at)
            except WebhookUnusable:
                continue
            raise AssertionError(f"{sample.name}: believed with the proof of another body")


def check_client_reads_what_a_refusal_means(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """Every refusal becomes its error, with whether to try again, whether it cost, and what is wrong."""
    plan = any_plan(client)
    for sample in of_kind(samples, "refused"):
        if sample.phase == "upload":  # nothing can be bought by it, so a refusal is what its status means
            same(sample.means["error"], USUAL[sample.status].__name__, sample.name)
            continue
        error = error_in(plan, sample.phase, reply_of(sample))
        same(sample.means["error"], name_of(error), sample.name)
        if error is not None:
            same((sample.means["retry"], sample.means["charged"]), (error.retry, error.charged), sample.name)
            same(sample.means.get("request_id"), error.request_id, sample.name)
        if isinstance(error, Rejected):
            same([tuple(pair) for pair in sample.means.get("fields", ())], list(error.fields), sample.name)


def check_client_reads_what_a_refusal_says(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """Type and message of every refusal are read, and a body in another form is known as such."""
    for sample in of_kind(samples, "refused"):
        complaint = read_complaint(client, reply_of(sample))
        same(sample.means.get("type", ""), complaint.type, sample.name)
        same("message" in sample.means, complaint.declared, sample.name)
        if complaint.declared:
            same(sample.means["message"], complaint.message, sample.name)


def check_client_asks_for_what_a_request_means(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """What is written means what the recorded request means, read by the declaration."""
    for sample in asked(samples, fits=True):
        plan, read = _plan(client, sample), model_of(client, sample).request.read
        means = dict(values_of(sample))
        same(means, read(sample.body), sample.name)
        same(means, read(plan.documents[0]), sample.name)


def check_client_writes_a_request_as_documented(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """What is written says all that the recorded request says, in the same words."""
    for sample in asked(samples, fits=True):
        written = _plan(client, sample).body
        # The client says more: what the service takes where nothing is said. That this changes nothing is shown above.
        said = {name: value for name, value in sample.body.items() if value is not None}
        same(sample.written, said == {name: written.get(name) for name in said}, sample.name)


def check_client_expects_the_pixels_of_the_service(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """A plan expects the pixels that the service delivers, and knows whether that is certain."""
    for sample in asked(samples, fits=True):
        plan = _plan(client, sample)
        same(sample.pixels, plan.expected, sample.name)
        same(len(sample.pixels) == 1, plan.point is not None and plan.point.documented, sample.name)


def check_client_takes_the_usual_size_where_none_is_wanted(
    client: Provider, mock: Provider, samples: Sequence[Sample]
) -> None:
    """A request that says no size gets the one that the service makes where it is told none."""
    for sample in asked(samples, fits=True):
        codec = model_of(client, sample).form.get("size")
        if codec is not None and {place[0] for place in codec.places()}.isdisjoint(sample.body):
            silent = attrs.evolve(request_of(sample), aspect=None, resolution=None, size=None)
            plan = make_plan(client, str(sample.model), silent)
            same(sample.pixels, plan.expected, sample.name)
            same(dict(values_of(sample)), plan.model.request.read(plan.documents[0]), sample.name)


def check_client_refuses_what_the_service_refuses(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """What the service would refuse is refused before anything is sent."""
    for sample in of_kind(samples, "request", fits=False):
        plan = _plan_if_any(client, sample, fit="exact") if sample.means else None
        if plan is not None and not plan.pending:  # an address that is fetched first does not go out as it is
            raise AssertionError(f"{sample.name}: {plan.body} would be sent")


def check_client_takes_the_nearest_where_any_size_will_do(
    client: Provider, mock: Provider, samples: Sequence[Sample]
) -> None:
    """Of the sizes that the service refuses, each has a nearest one that it takes."""
    for sample in of_kind(samples, "request", fits=False):
        if sample.means.keys() == {"prompt", "size"} and _can_be_wanted(sample):
            make_plan(client, str(sample.model), request_of(sample), fit="nearest")


def _can_be_wanted(sample: Sample) -> bool:
    try:
        request_of(sample)
    except Unsupported:
        return False
    return True


def check_client_uploads_what_the_service_takes(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """The types that are taken are declared, and no other; a ticket is asked for, or a form filled, as recorded."""
    for sample in of_kind(samples, "upload"):
        upload, media_type = client.upload, sample.means.get("media_type")
        if upload is None:
            raise AssertionError(f"{sample.name}: nothing can be uploaded")
        if media_type is not None:
            same(sample.fits, format_named(media_type) in upload.formats, sample.name)
        if sample.fits and upload.ticket is not None:
            same(sample.body, upload.ticket.write({"media_type": media_type}), sample.name)
            same(sample.means, upload.ticket.read(sample.body), sample.name)
        elif sample.fits:
            same([*sample.body], [upload.field], sample.name)


def check_client_reads_where_an_upload_lies(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """The answer to an upload is read whole, and the life of its address is the one that it says, if it says one."""
    for sample in of_kind(samples, "uploaded"):
        if client.upload is None:
            raise AssertionError(f"{sample.name}: nothing can be uploaded")
        same(sample.means, client.upload.answer.read(sample.body), sample.name)
        same(sample.means.get("life", client.upload.life), client.upload.life, sample.name)


def check_client_knows_how_large_an_upload_may_be(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """The bound is the one that the recorded refusal of a larger file names."""
    for message in _too_large(samples):
        same(True, client.upload is not None and client.upload.most in _bounds(message), message)


def _too_large(samples: Sequence[Sample]) -> list[str]:
    return [
        each.means["message"] for each in of_kind(samples, "refused") if (each.phase, each.status) == ("upload", 413)
    ]


def _bounds(message: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", message)]


def _plan(provider: Provider, sample: Sample) -> Plan:
    return make_plan(provider, str(sample.model), request_of(sample))


def _plan_if_any(provider: Provider, sample: Sample, **settings: Any) -> Plan | None:
    """The plan of a user who wants what the sample means; None if it is refused."""
    try:
        return make_plan(provider, str(sample.model), request_of(sample), **settings)
    except (Unsupported, ReferenceUnusable):
        return None


# The mock, against the samples.


def check_mock_takes_what_fits(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """Every recorded request that the service takes is taken, billed once, and understood: size and all."""
    service, plan = stranger(mock, samples, progression="at once"), any_plan(mock)
    for number, sample in enumerate(of_kind(samples, "request", fits=True), 1):
        created = read_submit(plan, service.submit(sample))
        same(number, service.mock.billed, f"what was bought after {sample.name}")
        ended = read_poll(mock, task_of(mock), service.poll(created.id, sample.model))
        same((State.COMPLETED, created.id), (ended.state, ended.id), sample.name)
        task = made(service.mock, created.id)
        same(dict(values_of(sample)), dict(task.values), sample.name)
        same(sample.pixels, task.point.expected, sample.name)


def check_mock_refuses_what_does_not_fit(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """Every recorded request that the service refuses is refused, free of charge, and the fault is named."""
    service, plan = stranger(mock, samples), any_plan(mock)
    for sample in of_kind(samples, "request", fits=False):
        error = error_in(plan, "submit", service.submit(sample))
        if not isinstance(error, Rejected):
            raise AssertionError(f"{sample.name}: it became {name_of(error)}")
        named = [name for name, _ in error.fields] or re.findall(r"Parameter '(.*?)'", error.message)
        same({sample.field}, {re.split(r"[.[]", name)[0] for name in named}, sample.name)
    same(0, service.mock.billed, "what was bought by what was refused")


def check_mock_refuses_a_key_in_the_wrong_place(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """The key is taken in no other header and in no other form."""
    for sample in of_kind(samples, "call", fits=False):
        service = stranger(mock, samples)
        same(401, service.send(sample, body=plainest(samples, sample.model).body).status, sample.name)
        same(0, service.mock.billed, sample.name)


def check_mock_answers_in_the_shape_of_the_service(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """Every answer of a task's life has the keys and types of the first sample with that status."""
    service = stranger(mock, samples, progression="polls")
    reply = service.submit(plainest(samples))
    created = read_submit(any_plan(mock), reply)
    same(shapes(samples, "accepted", status=created.status)[:1], [shape(reply.document)], "the answer to a submit")
    words = [created.status]
    for _ in life(mock)[1:]:
        reply = service.poll(created.id)
        words.append(read_poll(mock, task_of(mock), reply).status)
        same(shapes(samples, "polled", status=words[-1])[:1], [shape(reply.document)], f"the answer {words[-1]}")
    same(list(life(mock)), words, "the words of a task's life")


def check_mock_refuses_as_the_service_does(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """Whatever is refused is refused with a status and in a form that are recorded for it, free of charge."""
    plain, plan = plainest(samples), any_plan(mock)
    service = stranger(mock, samples)
    submit, poll = service.call("submit", plain.model), service.call("poll", plain.model)
    wrong = {**plain.body, **{name: 42 for name in plain.body if isinstance(plain.body[name], str)}}
    for phase, error, call, rest in (
        ("submit", "Unauthorized", submit, {"body": plain.body, "key": "wrong"}),
        ("submit", "Unauthorized", attrs.evolve(submit, headers={}), {"body": plain.body}),
        ("poll", "Unauthorized", poll, {"id": "046b6c7f", "key": "wrong"}),
        ("submit", "Rejected", submit, {"body": wrong}),
        ("poll", "Vanished", poll, {"id": "046b6c7f"}),
        ("submit", "Broken", submit, {"body": plain.body}),
    ):
        if error == "Broken":
            service.mock.fault("503", times=1)
        _is_recorded(plan, samples, phase, error, service.send(call, **rest))
    same(0, service.mock.billed, "what was bought by what was refused")


def _is_recorded(plan: Plan, samples: Sequence[Sample], phase: str, error: str, reply: Any) -> None:
    about = f"{error} in a {phase}"
    same(error, name_of(error_in(plan, phase, reply)), about)
    known = [each for each in of_kind(samples, "refused") if each.means["error"] == error]
    same(True, reply.status in {each.status for each in known}, f"{about}: status {reply.status} is recorded")
    same(True, shape(reply.document) in [shape(each.body) for each in known], f"{about}: {reply.text} is recorded")


def check_mock_has_the_words_for_each_refusal(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """For each refusal that is recorded, the mock has an answer of that status, form and meaning."""
    plan = any_plan(mock)
    for sample in of_kind(samples, "refused", fits=True):  # the others are the words of gateways
        if sample.phase == "upload":
            continue
        error: type[FluxError] = getattr(fluxkit.errors, sample.means["error"])
        problems = tuple(Problem(name, 0, reason) for name, reason in sample.means.get("fields", ()))
        if error is SubmissionUnknown:  # what the client cannot know, the service does
            error = Broken
        answer = dialect_of(mock).refuse(Refused(error, problems=problems, status=sample.status))
        reply = attrs.evolve(reply_of(sample), document=json.loads(answer.body), text=answer.body.decode())
        same(sample.status, answer.status, sample.name)
        same(sample.means["error"], name_of(error_in(plan, sample.phase, reply)), sample.name)
        known = [shape(each.body) for each in of_kind(samples, "refused") if each.status == sample.status]
        same(True, shape(reply.document) in known, f"{sample.name}: {reply.text} is recorded")
        if error is not Broken:  # with which of its statuses the service fails is chance
            shown = (each for each in of_kind(samples, "refused") if each.phase != "upload")
            first = next(each for each in shown if each.means["error"] == sample.means["error"])
            same(first.status, dialect_of(mock).refuse(Refused(error)).status, f"the usual status of {error.__name__}")


def check_mock_tasks_take_as_long_as_shown(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """A task takes a number of seconds that a completed one shows, if one shows numbers."""
    shown = {number for sample in _completed(samples) for number in numbers(sample.body)}
    for model in mock.models if shown else ():
        service = stranger(mock, samples)
        created = read_submit(any_plan(mock), service.submit(plainest(samples, model.name)))
        begun = service.mock.clock.now()
        took = 0.0
        while read_poll(mock, task_of(mock), service.poll(created.id, model.name)).state is not State.COMPLETED:
            service.mock.clock.advance(0.5)
            took = service.mock.clock.now() - begun
            same(True, took <= LONGEST, f"{model.name}: a task ends within {LONGEST} seconds")
        same(True, took in shown, f"{model.name}: {took} seconds are shown")


def check_mock_links_live_as_long_as_shown(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """A link dies as long after a moment as a recorded one after a moment that its answer names, if one says when."""
    lives = {
        image["expires_at"] - moment
        for sample in _completed(samples)
        for image in sample.means.get("images", ())
        for moment in numbers(sample.body)
        if "expires_at" in image
    }
    if lives:
        service = stranger(mock, samples, progression="at once")
        created = read_submit(any_plan(mock), service.submit(plainest(samples)))
        (image,) = read_poll(mock, task_of(mock), service.poll(created.id)).pictures
        life = (image.expires_at or 0) - service.mock.clock.now()
        same(True, life in lives, f"a life of {life} seconds is shown")


def check_mock_keeps_what_is_uploaded(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """What the service takes is answered as recorded, lies at the address that is given, and costs nothing."""
    service = stranger(mock, samples)
    for number, sample in enumerate(of_kind(samples, "upload", fits=True), 1):
        content, said = _image(sample), _told(service, sample)
        facts = {"media_type": sample.means["media_type"], "size": len(content), "created_at": EPOCH}
        known = {name: value for name, value in _recorded(samples).means.items() if name in ("life", "put_life")}
        facts = {name: fact for name, fact in {**facts, **known}.items() if name in said}
        same(facts, {name: said[name] for name in facts}, sample.name)
        same(200, _put(service, said, content), sample.name)
        found = exchange(service.mock, "GET", said["url"], {})
        same((200, content), (found.status, found.body), sample.name)
        same(sample.means["media_type"], found.headers["content-type"], sample.name)
        same(number, len(service.mock.uploads), f"what is kept after {sample.name}")
    same(0, service.mock.billed, "what was bought by uploads")


def check_mock_uploads_live_as_long_as_shown(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """An image can be put in time only, and is forgotten when its address has lived, as a recorded answer says."""
    service, sample = stranger(mock, samples), next(of_kind(samples, "upload", fits=True), None)
    means = {} if sample is None else _recorded(samples).means
    for name in means.keys() & {"life", "put_life"}:
        for late in (0, 1):
            said = _told(service, sample)
            service.mock.clock.advance(means["put_life"] + late if name == "put_life" else 0)
            same(
                (name == "put_life" and late) == 1, _put(service, said, _image(sample)) == 403, f"{name}, {late} s late"
            )
            if name == "life":
                service.mock.clock.advance(means["life"] + late)
                same(403 if late else 200, exchange(service.mock, "GET", said["url"], {}).status, f"{late} s late")


def check_mock_refuses_what_cannot_be_uploaded(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """What is not taken is refused as recorded, and so is a wrong key; nothing is kept."""
    service = stranger(mock, samples)
    for sample in of_kind(samples, "upload"):
        for key, statuses in ((None, (400, 413)), ("wrong", (401,)), ("", (401,))):
            if key is None and sample.fits:
                continue
            reply = service.bring(*_load(sample), key=key)
            same(True, reply.status in statuses, f"{sample.name}: {reply.status} {reply.text}")
            shown = [each for each in of_kind(samples, "refused") if each.status == reply.status]
            same(True, shape(reply.document) in [shape(each.body) for each in shown], f"{reply.text} is recorded")
            own = [each.means["message"] for each in shown if each.phase == "upload" and sample.means]
            same(True, not own or complaint_of(reply) in own or key is not None, f"{sample.name}: {reply.text}")
    same((), service.mock.uploads, "what was kept of what was refused")


def complaint_of(reply: Any) -> str:
    """The longest text of an answer, which is its message."""
    return max(_texts(reply.document), key=len, default="")


def check_mock_refuses_what_is_too_large(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """The largest file that is taken is taken, and one byte more is refused in the recorded words."""
    for message in _too_large(samples):
        service, sample = stranger(mock, samples), next(of_kind(samples, "upload", fits=True))
        most = min(_bounds(message))
        ((field, _),) = sample.body.items()
        for size, status in ((most, 200), (most + 1, 413)):
            content = _image(sample).ljust(size, b"\0")
            reply = service.bring(*form_of(field, content, sample.means["media_type"]))
            same(status, reply.status, f"{size} bytes: {reply.text}")
        same([most + 1, most], _bounds(complaint_of(reply)), message)
        same(re.sub(r"\d+", "", message), re.sub(r"\d+", "", complaint_of(reply)), message)


def _recorded(samples: Sequence[Sample]) -> Sample:
    return next(of_kind(samples, "uploaded"))


def _is_form(sample: Sample) -> bool:
    """Whether an upload is recorded as the field of a form, and not as the body of a ticket."""
    return all(isinstance(value, str) for value in sample.body.values())


def _image(sample: Sample) -> bytes:
    """The file that an upload is about."""
    if _is_form(sample):
        return base64.b64decode(next(iter(sample.body.values())))
    return SMALLEST[sample.means["media_type"]]


def _load(sample: Sample) -> tuple[bytes, dict[str, str]]:
    """What somebody sends who knows of an upload what its sample says."""
    if not _is_form(sample):
        return json.dumps(sample.body).encode(), {"content-type": "application/json"}
    return form_of(next(iter(sample.body)), _image(sample), sample.means.get("media_type", "image/png"))


def _told(service: Stranger, sample: Sample) -> dict[str, Any]:
    """What the answer to an upload says where the recorded one says it, once its shape was compared."""
    reply, recorded = service.bring(*_load(sample)), _recorded(service.samples)
    same(200, reply.status, f"{sample.name}: {reply.text}")
    same(True, alike(recorded.body, reply.document), f"{reply.text} is like {recorded.body}")
    return {name: _beside(recorded.body, value, reply.document) for name, value in recorded.means.items()}


def _put(service: Stranger, said: Mapping[str, Any], content: bytes) -> int:
    """The status of the second step of an upload, where there is one."""
    return exchange(service.mock, "PUT", said["put"], said["headers"], content).status if "put" in said else 200


def _beside(document: Json, value: Json, other: Json) -> Json:
    """What stands in *other* where *value* stands in *document*; None if it stands nowhere."""
    if document == value and type(document) is type(value):
        return other
    pairs = zip(document, other, strict=False) if isinstance(document, list) else ()
    pairs = ((document[key], other[key]) for key in document) if isinstance(document, dict) else pairs
    return next((found for one, two in pairs if (found := _beside(one, value, two)) is not None), None)


def _texts(document: Json) -> Iterator[str]:
    match document:
        case dict() | list():
            for item in document.values() if isinstance(document, dict) else document:
                yield from _texts(item)
        case str():
            yield document


def check_mock_images_have_the_format_that_is_shown(
    client: Provider, mock: Provider, samples: Sequence[Sample]
) -> None:
    """An image of which no format was asked has one that a recorded link shows, if one is known to be of its model."""
    for model in mock.models:
        shown = {
            format_named(urlsplit(image["url"]).path.rpartition(".")[2])
            for sample in _completed(samples)
            for image in sample.means.get("images", ())
            if sample.model == model.name or (sample.model is None and model.delivers)
        }
        if shown:
            service = stranger(mock, samples, progression="at once")
            created = read_submit(any_plan(mock), service.submit(plainest(samples, model.name)))
            given = made(service.mock, created.id).format
            same(True, given in shown, f"{model.name}: {given} is shown")


def check_mock_reports_as_the_service_does(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """A task that goes well is reported at the recorded stages, there and in that form, with the recorded proof."""
    wanted = next((each for each in of_kind(samples, "request", fits=True) if "webhook_url" in each.means), None)
    if wanted is None:
        return
    service, taken = stranger(mock, samples), list[Delivery]()
    service.mock.webhooks.connect(lambda delivery: taken.append(delivery) or 200)
    asked = {name: RECEIVER if value == wanted.means["webhook_url"] else value for name, value in wanted.body.items()}
    read_submit(any_plan(mock), service.submit(attrs.evolve(wanted, body=asked)))
    service.mock.clock.advance(LONGEST)
    shown = {each.means["status"]: each for each in reversed(list(of_kind(samples, "webhook")))}
    well = [word for word in life(mock) if word in shown]
    same(well, [sent.status for sent in service.mock.webhooks.sent], "the stages that are reported")
    for word, delivery in zip(well, taken, strict=True):
        sample, document = shown[word], json.loads(delivery.body)
        same(sample.call, f"POST {delivery.url}", f"where {word} is reported")
        same(shape(sample.body), shape(document), f"the report of {word}")
        said = {name.lower(): value for name, value in delivery.headers.items() if name != "content-type"}
        name, at = said.get("webhook-id", ""), float(said.get("webhook-timestamp", 0))
        same(proof(sample, service.mock.webhook_secret, delivery.body, id=name, at=at), said, f"the proof of {word}")


def _completed(samples: Sequence[Sample]) -> Iterator[Sample]:
    return (each for each in of_kind(samples, "polled", "resulted") if each.means.get("state") == "completed")


# Both, against each other.


def check_both_make_once_what_is_asked(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """What the client sends is taken, understood as it was meant, made in the expected size, and billed once."""
    service = MockService([mock])
    at, base_url = driver(client, service), service.base_url(mock.name)
    for sample in of_kind(samples, "request"):
        plan = _plan_if_any(client, sample, base_url=base_url) if "prompt" in sample.means else None
        if plan is None:
            continue
        bought, plan = service.billed, ready(at, plan)
        task = made(service, order(at, plan).id)
        same(1, service.billed - bought, f"what was bought by {sample.name}")
        values = dict(task.values)
        if "webhook_url" in values:  # which is as it was asked, but for the token of this submit
            values["webhook_url"] = re.sub(r"[?&]fluxkit=[\w-]{22}$", "", values["webhook_url"])
        same({**values, **plan.values[0]}, values, f"what is understood of {sample.name}")
        same(plan.expected[:1], task.point.expected[:1], f"the pixels of {sample.name}")


def check_both_understand_every_spelling(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """Whichever way the mock says a thing, the client reads it, without a problem."""
    for spelling in range(SPELLINGS):
        service = MockService([mock], progression="polls", spelling=spelling)
        at = driver(client, service)
        plain = _plan_at(service, client, mock, client.models[0].name)
        result = buy(at, plain)
        same([charge.task for charge in service.charges], [task.id for task in result.tasks], "what was bought")
        for note in at.notes.kept:
            same((), note.entry.get("problems", ()), "the problems of an answer")


def check_both_agree_on_refusals(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """A wrong key, an unknown task, an overload and a lost answer are known for what they are."""
    service = MockService([mock], progression="polls")
    at, plan = driver(client, service), _plan_at(service, client, mock, client.models[0].name)
    same("Unauthorized", _error_of(lambda: buy(driver(client, service, key="wrong"), plan)), "a wrong key")
    lost = attrs.evolve(task_of(client), base_url=plan.base_url)
    same("Vanished", _error_of(lambda: wait(at, client, lost)), "an unknown task")
    service.fault("503", times=1)
    same(1, len(buy(at, plan).images), "images after an overload")
    service.fault("accepted-then-dropped", times=1)
    same("SubmissionUnknown", _error_of(lambda: buy(at, plan)), "a lost answer")
    same(2, service.billed, "what was bought")


def check_both_follow_links_to_the_image(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """The link that the client reads leads to an image of the expected size, as long as it is said to live."""
    for model in client.models:
        service = MockService([mock], progression="at once")
        plan = _plan_at(service, client, mock, model.name)
        (image,) = buy(driver(client, service), plan).images
        media = load(service, str(image.url))
        pixels = plan.expected or (made(service, service.charges[-1].task).point.pixels,)
        same(True, (media.width, media.height) in pixels, f"{media} in {pixels}")
        same(TYPES.get(model.delivers or "", media.media_type), media.media_type, f"the format of {model.name}")
        if image.expires_at is not None and client.link_life is not None:
            life = image.expires_at - service.clock.now()  # whole seconds are told
            same(True, abs(life - client.link_life) < 1, f"a life of {life} seconds instead of {client.link_life}")


def check_both_agree_on_uploads(client: Provider, mock: Provider, samples: Sequence[Sample]) -> None:
    """What is uploaded as the client declares it lies where it reads, as long as it is said to, and is drawn from."""
    if client.upload is None:
        return
    for name in client.upload.formats:
        service, content = stranger(mock, ()), SMALLEST[TYPES[name]]
        secret = Secret(service.mock.key, client.key.header, client.key.form)
        url = client.upload.route.url(service.mock.base_url(mock.name))
        keyed, line = secret.header_for(read_link(url), (origin(url),), buys=False)
        body, headers = sending(client, content, TYPES[name])
        headers = {**headers, keyed.decode(): line.decode()}
        answer = exchange(service.mock, client.upload.route.method, url, headers, body)
        said = client.upload.answer.read(json.loads(answer.body))
        same(200, _put(service, said, content), f"the upload of {name}")
        same(content, exchange(service.mock, "GET", said["url"], {}).body, f"the content of {name}")
        for model in client.models:
            if any(isinstance(codec, Hosted) for codec in _within(model.form.get("references"))):
                request = Request("a cat", references=[said["url"]])
                plan = make_plan(client, model.name, request, base_url=service.mock.base_url(mock.name))
                same(
                    (content,), made(service.mock, order(driver(client, service.mock), plan).id).references, model.name
                )
        if client.upload.life is not None:
            service.mock.clock.advance(client.upload.life)
            same(200, exchange(service.mock, "GET", said["url"], {}).status, f"{name} within its life")
            service.mock.clock.advance(1)
            same(403, exchange(service.mock, "GET", said["url"], {}).status, f"{name} after its life")


def _within(codec: Any) -> Iterator[Any]:
    while codec is not None:
        yield codec
        codec = getattr(codec, "inner", None)


def _plan_at(service: MockService, client: Provider, mock: Provider, model: str) -> Plan:
    return make_plan(client, model, Request("a cat"), base_url=service.base_url(mock.name))


def _error_of(work: Callable[[], object]) -> str:
    try:
        work()
    except FluxError as error:
        return type(error).__name__
    return "none"


CLIENT: tuple[Check, ...] = (
    check_client_calls_where_the_service_listens,
    check_client_reads_what_an_answer_means,
    check_client_believes_a_webhook_that_is_proved,
    check_client_reads_what_a_refusal_means,
    check_client_reads_what_a_refusal_says,
    check_client_asks_for_what_a_request_means,
    check_client_writes_a_request_as_documented,
    check_client_expects_the_pixels_of_the_service,
    check_client_takes_the_usual_size_where_none_is_wanted,
    check_client_refuses_what_the_service_refuses,
    check_client_takes_the_nearest_where_any_size_will_do,
    check_client_uploads_what_the_service_takes,
    check_client_reads_where_an_upload_lies,
    check_client_knows_how_large_an_upload_may_be,
)
MOCK: tuple[Check, ...] = (
    check_mock_answers_in_the_shape_of_the_service,
    check_mock_refuses_as_the_service_does,
    check_mock_refuses_a_key_in_the_wrong_place,
    check_mock_has_the_words_for_each_refusal,
    check_mock_refuses_what_does_not_fit,
    check_mock_takes_what_fits,
    check_mock_tasks_take_as_long_as_shown,
    check_mock_links_live_as_long_as_shown,
    check_mock_images_have_the_format_that_is_shown,
    check_mock_keeps_what_is_uploaded,
    check_mock_uploads_live_as_long_as_shown,
    check_mock_refuses_what_cannot_be_uploaded,
    check_mock_refuses_what_is_too_large,
    check_mock_reports_as_the_service_does,
)
BOTH: tuple[Check, ...] = (
    check_both_agree_on_refusals,
    check_both_understand_every_spelling,
    check_both_follow_links_to_the_image,
    check_both_make_once_what_is_asked,
    check_both_agree_on_uploads,
)


def broken(checks: Iterable[Check], client: Provider, mock: Provider, samples: Sequence[Sample]) -> str | None:
    """The name of the first promise that is broken, by whatever error; None if all are kept."""
    for check in checks:
        try:
            check(client, mock, samples)
        except Exception:  # a client that breaks down over a declaration keeps no promise
            return check.__name__
    return None

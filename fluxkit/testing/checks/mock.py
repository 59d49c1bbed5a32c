"""What a mock takes, refuses and says, held against the samples; nobody looks at the client."""

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import attrs

from ... import errors
from ..._contract.amount import DOLLARS, Amount
from ..._contract.media import format_named
from ..._contract.task import State
from ..._mock import kit_of_mock
from ..._wire.answers import read_poll, read_submit
from ..._wire.declaration import Provider
from ..._wire.json import Problem
from ..._wire.plan import Plan
from ..._wire.samples import Sample
from ...errors import Broken, FluxError, Rejected, SubmissionUnknown
from ..bench import any_plan, error_in, made, name_of, stranger, task_of
from ..check import needs_tasks, not_applicable, of_mock
from ..differs import same
from ..exhibits import RECEIVER, numbers, of_kind, plainest, proof, reply_of, shape, shapes, values_of

#: How many seconds of the mock's time a task is waited for.
LONGEST = 600.0


@of_mock("request", "call")
def check_mock_takes_what_fits(mock: Provider, samples: Sequence[Sample]) -> None:
    """Every recorded request that the service takes is taken, billed once, and understood: size and all.

    A failure means: the mock refuses or misunderstands what the service takes: a test that is right fails on it.
    """
    needs_tasks(mock)
    service, plan = stranger(mock, samples, progression="at once"), any_plan(mock)
    for number, sample in enumerate(of_kind(samples, "request", fits=True), 1):
        created = read_submit(plan, service.submit(sample))
        same(number, service.mock.billed, f"what was bought after {sample.name}")
        ended = read_poll(mock, task_of(mock), service.poll(created.id, sample.model))
        same((State.COMPLETED, created.id), (ended.state, ended.id or created.id), sample.name)
        task = made(service.mock, created.id)
        same(dict(values_of(sample)), dict(task.values), sample.name)
        same(sample.pixels, task.point.expected, sample.name)


@of_mock("request", "call")
def check_mock_refuses_what_does_not_fit(mock: Provider, samples: Sequence[Sample]) -> None:
    """Every recorded request that the service refuses is refused, free of charge, and the fault is named.

    A failure means: the mock takes what the service refuses: a test passes on it, and the app fails in production.
    """
    service, plan = stranger(mock, samples), any_plan(mock)
    for sample in of_kind(samples, "request", fits=False):
        error = error_in(plan, "submit", service.submit(sample))
        if not isinstance(error, Rejected):
            raise AssertionError(f"{sample.name}: it became {name_of(error)}")
        named = [name for name, _ in error.fields] or re.findall(r"Parameter '(.*?)'", error.message)
        same({*sample.field.split(", ")}, {re.split(r"[.[]", name)[0] for name in named}, sample.name)
    same(0, service.mock.billed, "what was bought by what was refused")


@of_mock("call", "request")
def check_mock_refuses_a_key_in_the_wrong_place(mock: Provider, samples: Sequence[Sample]) -> None:
    """The key is taken in no other header and in no other form.

    A failure means: a client that sends its key wrongly passes on the mock, and not at the service.
    """
    plan = any_plan(mock)
    for sample in of_kind(samples, "call", fits=False):
        service = stranger(mock, samples)
        reply = service.send(sample, body=plainest(samples, sample.model).body)
        same("Unauthorized", name_of(error_in(plan, "submit", reply)), sample.name)
        same(0, service.mock.billed, sample.name)


@of_mock("accepted|polled", "request", "call")
def check_mock_answers_in_the_shape_of_the_service(mock: Provider, samples: Sequence[Sample]) -> None:
    """Every answer of a task's life has the keys and types of the first sample with that status.

    A failure means: a client in another language that reads the mock may not read the service.
    """
    needs_tasks(mock)
    service = stranger(mock, samples, progression="polls")
    reply = service.submit(plainest(samples))
    created = read_submit(any_plan(mock), reply)
    word = {"status": created.status} if created.status else {}  # some say none yet
    same(shapes(samples, "accepted", **word)[:1], [shape(reply.document)], "the answer to a submit")
    words = [created.status or kit_of_mock().life(mock)[0]]
    for _ in kit_of_mock().life(mock)[1:]:
        reply = service.poll(created.id)
        words.append(read_poll(mock, task_of(mock), reply).status)
        same(shapes(samples, "polled", status=words[-1])[:1], [shape(reply.document)], f"the answer {words[-1]}")
    same(list(kit_of_mock().life(mock)), words, "the words of a task's life")


@of_mock("accepted", "request", "call")
def check_mock_answers_a_submit_with_a_webhook_as_the_service_does(mock: Provider, samples: Sequence[Sample]) -> None:
    """A submit that asks for a webhook is answered in the form that is recorded for that, with its address in it.

    A failure means: a client that is tested on the mock may wait for what the service does not say then, such as an
    address to poll.
    """
    needs_tasks(mock)
    shown = next((each for each in of_kind(samples, "accepted") if RECEIVER in json.dumps(each.body)), None)
    wanted = next((each for each in of_kind(samples, "request", fits=True) if "webhook_url" in each.means), None)
    if shown is None or wanted is None:
        not_applicable("no answer is recorded that is another one with a webhook")
    asked = f"{RECEIVER}/of-another"
    body = {name: asked if value == wanted.means["webhook_url"] else value for name, value in wanted.body.items()}
    document = stranger(mock, samples).submit(attrs.evolve(wanted, body=body)).document
    same(shape(shown.body), shape(document), "the answer to a submit with a webhook")
    told = {
        name: asked if value == RECEIVER else value
        for name, value in shown.body.items()
        if value != shown.means.get("id")
    }
    same(told, {name: document[name] for name in told}, "what it says beside the id")


@of_mock("refused", "request", "call")
def check_mock_refuses_as_the_service_does(mock: Provider, samples: Sequence[Sample]) -> None:
    """Whatever is refused is refused with a status and in a form that are recorded for it, free of charge.

    A failure means: an app that is tested on the mock's refusals may not know those of the service.
    """
    needs_tasks(mock)
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
            if not any(each.means["error"] == "Broken" for each in of_kind(samples, "refused")):
                continue  # nobody knows its words for an overload
            service.mock.fault("503", times=1)
        _is_recorded(plan, samples, phase, error, service.send(call, **rest))
    same(0, service.mock.billed, "what was bought by what was refused")


def _is_recorded(plan: Plan, samples: Sequence[Sample], phase: str, error: str, reply: Any) -> None:
    about = f"{error} in a {phase}"
    same(error, name_of(error_in(plan, phase, reply)), about)
    known = [each for each in of_kind(samples, "refused", "polled") if error in (each.means.get("error"), _gone(each))]
    if not known:
        raise AssertionError(
            f"{about}: no sample shows how the service says it, and the mock answers {reply.status} {reply.text}. "
            'Add one: where no page says it, as "derived", with a note'
        )
    same(True, reply.status in {each.status for each in known}, f"{about}: status {reply.status} is recorded")
    same(True, shape(reply.document) in [shape(each.body) for each in known], f"{about}: {reply.text} is recorded")


def _gone(sample: Sample) -> str | None:
    """What a task that is not there is called, if that is what an answer means."""
    return "Vanished" if sample.means.get("state") == "vanished" else None


@of_mock("refused")
def check_mock_has_the_words_for_each_refusal(mock: Provider, samples: Sequence[Sample]) -> None:
    """For each refusal that is recorded, the mock has an answer of that status, form and meaning.

    A failure means: there are refusals of the service that nobody can practise on the mock.
    """
    plan = any_plan(mock)
    for sample in of_kind(samples, "refused", fits=True):  # the others are the words of gateways
        if sample.phase == "upload":
            continue
        error: type[FluxError] = getattr(errors, sample.means["error"])
        problems = tuple(Problem(name, 0, reason) for name, reason in sample.means.get("fields", ()))
        if error is SubmissionUnknown:  # what the client cannot know, the service does
            error = Broken
        answer = kit_of_mock().refusal(mock, error, problems=problems, status=sample.status)
        reply = attrs.evolve(reply_of(sample), document=json.loads(answer.body), text=answer.body.decode())
        same(sample.status, answer.status, sample.name)
        same(sample.means["error"], name_of(error_in(plan, sample.phase, reply)), sample.name)
        known = [shape(each.body) for each in of_kind(samples, "refused") if each.status == sample.status]
        same(True, shape(reply.document) in known, f"{sample.name}: {reply.text} is recorded")
        if error is not Broken:  # with which of its statuses the service fails is chance
            shown = (each for each in of_kind(samples, "refused") if each.phase != "upload")
            first = next(each for each in shown if each.means["error"] == sample.means["error"])
            same(first.status, kit_of_mock().refusal(mock, error).status, f"the usual status of {error.__name__}")


@of_mock("request", "call")
def check_mock_bills_the_price_of_the_list(mock: Provider, samples: Sequence[Sample]) -> None:
    """What is bought costs what the service's price list says, and an answer that names a cost names that.

    A failure means: a budget that holds on the mock is exceeded at the service.
    """
    service, plan = stranger(mock, samples), any_plan(mock)
    listed = [each for each in of_kind(samples, "request", fits=True) if each.price is not None]
    if not listed:
        not_applicable("no sample shows a price")
    for sample in listed:
        price = Decimal(str(sample.price))
        told = read_submit(plan, service.submit(sample)).cost
        same(price, service.mock.charges[-1].amount, sample.name)
        same(True, told in (None, Amount(price, DOLLARS)), f"{told} of {sample.name}")


@of_mock("polled|resulted", "request", "call")
def check_mock_tasks_take_as_long_as_shown(mock: Provider, samples: Sequence[Sample]) -> None:
    """A task takes a number of seconds that a completed one shows, if one shows numbers and a time is declared.

    A failure means: timeouts that are chosen by the mock do not fit the service.
    """
    needs_tasks(mock)
    shown = {number for sample in _completed(samples) for number in numbers(sample.body)}
    if not shown or not any(model.duration for model in mock.models):
        not_applicable("no recorded answer says how long a task took, or no time is declared")
    for model in mock.models:
        service = stranger(mock, samples)
        plain = plainest(samples, model.name, model.path)
        created = read_submit(any_plan(mock), service.submit(plain))
        begun = service.mock.clock.now()
        took = 0.0
        while read_poll(mock, task_of(mock), service.poll(created.id, plain.model)).state is not State.COMPLETED:
            service.mock.clock.advance(0.5)
            took = service.mock.clock.now() - begun
            same(True, took <= LONGEST, f"{model.name}: a task ends within {LONGEST} seconds")
        same(True, took in shown, f"{model.name}: {took} seconds are shown")


@of_mock("polled|resulted", "request", "call")
def check_mock_links_live_as_long_as_shown(mock: Provider, samples: Sequence[Sample]) -> None:
    """A link dies as long after a moment as a recorded one after a moment that its answer names, if one says when.

    A failure means: an app that keeps links for too long passes on the mock.
    """
    needs_tasks(mock)
    lives = {
        image["expires_at"] - moment
        for sample in _completed(samples)
        for image in sample.means.get("images", ())
        for moment in numbers(sample.body)
        if "expires_at" in image
    }
    if not lives:
        not_applicable("no recorded answer says how long a link lives")
    service = stranger(mock, samples, progression="at once")
    created = read_submit(any_plan(mock), service.submit(plainest(samples)))
    (image,) = read_poll(mock, task_of(mock), service.poll(created.id)).pictures
    life = (image.expires_at or 0) - service.mock.clock.now()
    same(True, life in lives, f"a life of {life} seconds is shown")


@of_mock("polled|resulted", "request", "call")
def check_mock_images_have_the_format_that_is_shown(mock: Provider, samples: Sequence[Sample]) -> None:
    """An image of which no format was asked has one that a recorded link shows, if one is known to be of its model.

    A failure means: an app that is tested with the mock's images gets files of another type from the service.
    """
    needs_tasks(mock)
    for model in mock.models:
        shown = {
            format_named(urlsplit(image["url"]).path.rpartition(".")[2])
            for sample in _completed(samples)
            for image in sample.means.get("images", ())
            if sample.model in (model.name, model.path) or (sample.model is None and model.delivers)
        }
        if shown:
            service = stranger(mock, samples, progression="at once")
            created = read_submit(any_plan(mock), service.submit(plainest(samples, model.name, model.path)))
            given = made(service.mock, created.id).format
            same(True, given in shown, f"{model.name}: {given} is shown")


@of_mock("webhook", "request", "call")
def check_mock_reports_as_the_service_does(mock: Provider, samples: Sequence[Sample]) -> None:
    """A task that goes well is reported at the recorded stages, there and in that form, with the recorded proof.

    A failure means: a receiver that is tested on the mock may not understand the service's webhooks, or not
    believe them.
    """
    needs_tasks(mock)
    wanted = next((each for each in of_kind(samples, "request", fits=True) if "webhook_url" in each.means), None)
    if wanted is None:
        not_applicable("no recorded request asks for a webhook")
    service, taken = stranger(mock, samples), list[Any]()

    def take(delivery: Any) -> int:
        taken.append(delivery)
        return 200

    service.mock.webhooks.connect(take)
    asked = {name: RECEIVER if value == wanted.means["webhook_url"] else value for name, value in wanted.body.items()}
    read_submit(any_plan(mock), service.submit(attrs.evolve(wanted, body=asked)))
    service.mock.clock.advance(LONGEST)
    shown = {each.means["status"]: each for each in reversed(list(of_kind(samples, "webhook")))}
    well = [word for word in kit_of_mock().life(mock) if word in shown]
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

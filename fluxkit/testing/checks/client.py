"""What a client does, held against the samples; nobody looks at the mock."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs

from ..._contract.amount import DOLLARS, Amount
from ..._contract.media import format_named
from ..._contract.request import Request
from ..._engine.event import read_event, webhook_of
from ..._engine.secret import Secret
from ..._wire.answers import read_poll, read_snapshot, read_submit
from ..._wire.calls import Outgoing, asking_result, cancelling, polling, submission
from ..._wire.complaint import read_complaint
from ..._wire.declaration import USUAL, Provider
from ..._wire.json import HEADERS, QUERY, Json
from ..._wire.link import read_link
from ..._wire.origins import origin
from ..._wire.plan import Plan, make_plan
from ..._wire.samples import Sample
from ...errors import Rejected, Unsupported, WebhookUnusable
from ..bench import any_plan, error_in, model_of, name_of, plan_if_any, rows_of, said_of, task_of
from ..check import not_applicable, of_client
from ..differs import same
from ..exhibits import SECRET, asked, bounds, meant, of_kind, proof, reply_of, request_of, too_large, values_of


@of_client("call")
def check_client_calls_where_the_service_listens(client: Provider, samples: Sequence[Sample]) -> None:
    """Method, address and the header with the key are those of each recorded call.

    A failure means: requests or keys would go to another place than the service's own, or in another form: nobody
    would be served, and a key may be shown to a stranger.
    """
    for sample in of_kind(samples, "call", fits=True):
        call = _call(client, sample)
        if call is None:
            raise AssertionError(f"{sample.name}: there is no such call")
        same(sample.call, f"{call.method} {call.url}".replace("%7Bid%7D", "{id}"), sample.name)
        secret = Secret("{key}", client.key.header, client.key.form)
        name, line = secret.header_for(read_link(call.url), call.origins, buys=False)
        same(sample.headers, {name.decode(): line.decode()}, sample.name)


def _call(client: Provider, sample: Sample) -> Outgoing | None:
    """What the client would call where a sample shows a call; None if it declares none.

    Of addresses that the service gives, the declared one is that of the mock: it is to be the service's own, too.
    """
    if sample.phase == "upload" and client.upload is not None:
        url = client.upload.route.url(client.base_url)
        return Outgoing(client.upload.route.method, url, {}, b"", (origin(url),))
    if sample.model is None:
        return None
    row = model_of(client, sample)
    if sample.phase == "submit":
        return submission(attrs.evolve(make_plan(client, row.name, Request("a cat")), model=row), 0)
    task = task_of(client, "{id}", row.name)
    stop = None if client.cancel is None else client.cancel.route
    route = {"poll": client.poll, "result": client.result, "cancel": stop}.get(sample.phase)
    if route is not None and route.given:
        url = route.url(client.base_url, model=row.path, id="{id}")
        task = attrs.evolve(task, poll_url=url, result_url=url, cancel_url=url)
    asking = {"poll": polling, "result": asking_result, "cancel": cancelling}.get(sample.phase)
    return None if asking is None else asking(client, task)


@of_client("accepted|polled|resulted|webhook")
def check_client_reads_what_an_answer_means(client: Provider, samples: Sequence[Sample]) -> None:
    """Every answer is read as what it means, whole and without a problem.

    A failure means: what the service says of a task is misread: an image that is there is not found, or a task is
    waited for that has ended.
    """
    plan, task = any_plan(client), task_of(client)
    for sample in of_kind(samples, "accepted", "polled", "resulted", "webhook"):
        match sample.of:
            case "accepted":
                codec, snapshot = client.accepted, read_submit(plan, reply_of(sample))
            case "polled":
                codec, snapshot = client.polled, read_poll(client, task, reply_of(sample))
            case "resulted":
                codec = client.resulted or client.polled
                snapshot = read_poll(client, task, reply_of(sample), codec)
            case _:
                codec = webhook_of(client).event
                snapshot = read_snapshot(client, codec, sample.body)
        means, said = dict(sample.means), said_of(snapshot)
        if "images" in means and "images" in said:
            said["images"] = _described(said["images"], codec.read(sample.body)["images"], means["images"])
        for each in (means, said):
            if "cost" in each:
                each["cost"] = Decimal(each["cost"])
        if client.poll is None:  # then the client itself names what was made
            said.pop("id", None)
        same(means, said, sample.name)


def _described(images: Sequence[dict[str, Any]], read: Sequence[Any], meant: Sequence[Any]) -> list[dict[str, Any]]:
    """Images as the client knows them, with what else a sample means and the declaration reads of each."""
    if len(images) != len(meant):
        return [*images]
    return [
        {**image, **{name: facts[name] for name in wanted if name not in image and name in facts}}
        for image, facts, wanted in zip(images, read, meant, strict=False)
    ]


@of_client("accepted")
def check_client_asks_where_it_is_told(client: Provider, samples: Sequence[Sample]) -> None:
    """The address at which an answer says to poll is one to which the key may go, and it is asked as it is.

    A failure means: what was bought is never asked after, or at another place than the service's.
    """
    told = [each for each in of_kind(samples, "accepted") if "poll_url" in each.means]
    if not told:
        not_applicable("no recorded answer says where to poll")
    for sample in told:
        call = polling(client, attrs.evolve(task_of(client), poll_url=sample.means["poll_url"]))
        same(sample.means["poll_url"], call and call.url, sample.name)


@of_client("webhook")
def check_client_believes_a_webhook_that_is_proved(client: Provider, samples: Sequence[Sample]) -> None:
    """A webhook is read with the proof that is recorded, and not with that of another; without any it is a hint.

    A failure means: news of the service are refused, or anybody could send some in its name.
    """
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


@of_client("refused")
def check_client_reads_what_a_refusal_means(client: Provider, samples: Sequence[Sample]) -> None:
    """Every refusal becomes its error, with whether to try again, whether it cost, and what is wrong.

    A failure means: an app would do the wrong thing about a refusal: try again what will never be taken, or give
    up, or pay twice.
    """
    plan = any_plan(client)
    for sample in of_kind(samples, "refused"):
        if sample.phase == "upload":  # nothing can be bought by it, so a refusal is what its status means
            same(sample.means["error"], USUAL[sample.status].__name__, sample.name)
            continue
        error = error_in(plan, sample.phase, reply_of(sample))
        same(sample.means["error"], name_of(error), sample.name)
        if error is not None:
            for name in ("retry", "charged", "request_id"):
                same(sample.means.get(name), getattr(error, name), sample.name, at=f"means.{name}")
        if isinstance(error, Rejected):
            fields = [tuple(pair) for pair in sample.means.get("fields", ())]
            same(fields, list(error.fields), sample.name, at="means.fields")


@of_client("refused")
def check_client_reads_what_a_refusal_says(client: Provider, samples: Sequence[Sample]) -> None:
    """Type and message of every refusal are read, and a body in another form is known as such.

    A failure means: the service's own words are lost, and with them what an app could show or a user could mend.
    """
    for sample in of_kind(samples, "refused"):
        complaint = read_complaint(client, reply_of(sample))
        same(sample.means.get("type"), complaint.type or None, sample.name, at="means.type")
        # What is in another form says nothing in the service's own words.
        message = complaint.message if complaint.declared else None
        same(sample.means.get("message"), message, sample.name, at="means.message")


@of_client("request")
def check_client_asks_for_what_a_request_means(client: Provider, samples: Sequence[Sample]) -> None:
    """What is written means what the recorded request means, read by the declaration.

    A failure means: another image is asked for than the one that was wanted.
    """
    for sample in asked(samples, fits=True):
        plan = _plan(client, sample)
        read = plan.model.request.read
        means = dict(values_of(sample))
        if plan.model not in rows_of(client, str(sample.model)):
            same(sample.model, plan.model.path, sample.name, at="model")
        same(means, read(sample.body), sample.name)
        same(means, read(plan.documents[0]), sample.name)


@of_client("request")
def check_client_writes_a_request_as_documented(client: Provider, samples: Sequence[Sample]) -> None:
    """What is written says all that the recorded request says, in the same words.

    A failure means: what is sent is not what the service documents; it may be refused, or understood in another
    way.
    """
    for sample in asked(samples, fits=True):
        plan = _plan(client, sample)
        written = {**plan.body, **_beside(plan, sample)}
        # The client says more: what the service takes where nothing is said. That this changes nothing is shown above.
        said = {name: value for name, value in sample.body.items() if value is not None}
        spoken = {name: written.get(name) for name in said}
        if sample.written:
            same(said, spoken, sample.name)
        elif said == spoken:
            raise AssertionError(f"{sample.name}: it is written so, and is recorded as what the client does not write")


@of_client("request")
def check_client_expects_the_pixels_of_the_service(client: Provider, samples: Sequence[Sample]) -> None:
    """A plan expects the pixels that the service delivers, and knows whether that is certain.

    A failure means: a plan promises other pixels than come, and every image is reported as a mismatch, or none is.
    """
    for sample in asked(samples, fits=True):
        plan = _plan(client, sample)
        same(sample.pixels, plan.expected, sample.name)
        same(len(sample.pixels) == 1, plan.point is not None and plan.point.documented, sample.name)


@of_client("request")
def check_client_knows_the_price_of_the_list(client: Provider, samples: Sequence[Sample]) -> None:
    """A plan costs what the service's price list says.

    A failure means: a budget that holds by the plan is exceeded at the service.
    """
    listed = [each for each in asked(samples, fits=True) if each.price is not None]
    if not listed:
        not_applicable("no sample shows a price")
    for sample in listed:
        same(Amount(Decimal(str(sample.price)), DOLLARS), _plan(client, sample).price, sample.name)


@of_client("request")
def check_client_takes_the_usual_size_where_none_is_wanted(client: Provider, samples: Sequence[Sample]) -> None:
    """A request that says no size gets the one that the service makes where it is told none.

    A failure means: a request that leaves the size open gets another one than the service would make by itself.
    """
    for sample in asked(samples, fits=True):
        codec = model_of(client, sample).form.get("size")
        if codec is not None and {place[0] for place in codec.places()}.isdisjoint(sample.body):
            silent = attrs.evolve(request_of(sample), aspect=None, resolution=None, size=None)
            plan = make_plan(client, model_of(client, sample).name, silent)
            same(sample.pixels, plan.expected, sample.name)
            same(dict(values_of(sample)), plan.model.request.read(plan.documents[0]), sample.name)


@of_client("request")
def check_client_refuses_what_the_service_refuses(client: Provider, samples: Sequence[Sample]) -> None:
    """What the service would refuse is refused before anything is sent.

    A failure means: a request leaves that the service refuses; the user hears of it late, and in the service's
    words.
    """
    for sample in of_kind(samples, "request", fits=False):
        plan = plan_if_any(client, sample, fit="exact") if sample.means else None
        if plan is not None and not plan.pending:  # an address that is fetched first does not go out as it is
            raise AssertionError(f"{sample.name}: {plan.body} would be sent")


@of_client("request")
def check_client_takes_the_nearest_where_any_size_will_do(client: Provider, samples: Sequence[Sample]) -> None:
    """Of the sizes that the service refuses, each has a nearest one that it takes.

    A failure means: `fit="nearest"` fails for a size that has a nearest one.
    """
    for sample in of_kind(samples, "request", fits=False):
        if sample.means.keys() == {"prompt", "size"} and _can_be_wanted(sample):
            make_plan(client, model_of(client, sample).name, request_of(sample), fit="nearest")


def _can_be_wanted(sample: Sample) -> bool:
    try:
        request_of(sample)
    except Unsupported:
        return False
    return True


@of_client("upload")
def check_client_uploads_what_the_service_takes(client: Provider, samples: Sequence[Sample]) -> None:
    """The types that are taken are declared, and no other; a ticket is asked for, or a form filled, as recorded.

    A failure means: images are sent that the service does not take, or are refused although it does.
    """
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


@of_client("uploaded")
def check_client_reads_where_an_upload_lies(client: Provider, samples: Sequence[Sample]) -> None:
    """The answer to an upload is read whole, and the life of its address is the one that it says, if it says one.

    A failure means: the address of an upload is misread, or used when it is dead.
    """
    for sample in of_kind(samples, "uploaded"):
        if client.upload is None:
            raise AssertionError(f"{sample.name}: nothing can be uploaded")
        same(sample.means, client.upload.answer.read(sample.body), sample.name)
        same(sample.means.get("life", client.upload.life), client.upload.life, sample.name)


@of_client("upload")
def check_client_knows_how_large_an_upload_may_be(client: Provider, samples: Sequence[Sample]) -> None:
    """The bound is the one that the recorded refusal of a larger file names.

    A failure means: a file that is too large is sent all the same, or one is refused that is not.
    """
    if not (messages := too_large(samples)):
        not_applicable("no recorded refusal names the largest upload")
    for message in messages:
        same(True, client.upload is not None and client.upload.most in bounds(message), message)


@of_client("aside")
def check_client_knows_what_can_be_asked_beside_tasks(client: Provider, samples: Sequence[Sample]) -> None:
    """The balance and the list of tasks are asked for where the service tells them, and read as they are told.

    A failure means: what is left of the account, or which tasks there are, is misread or not found.
    """
    for sample in of_kind(samples, "aside"):
        aside = client.balance if "balance" in sample.means else client.listing
        if aside is None:
            raise AssertionError(f"{sample.name}: nothing is declared that answers so")
        url = aside.route.url(client.base_url, model=sample.model or "")
        same(sample.call, f"{aside.route.method} {url}", sample.name)
        same(meant(sample), aside.answer.read(sample.body), sample.name)


def _beside(plan: Plan, sample: Sample) -> Json:
    """What the client says beside the body, as far as a sample shows what is said there."""
    said = {place: plan.documents[0].get(place, {}) for place in (HEADERS, QUERY) if place in sample.body}
    return {place: {name: said[place].get(name) for name in sample.body[place]} for place in said}


def _plan(provider: Provider, sample: Sample) -> Plan:
    return make_plan(provider, model_of(provider, sample).name, request_of(sample))

"""What client and mock say to each other.

Of the samples only what there is to ask for is taken, and nothing of what is right: so these notice what the two
disagree in, and only that.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ..._contract.media import TYPES
from ..._contract.request import Request
from ..._engine.notes import Notes
from ..._engine.secret import Secret
from ..._wire.declaration import Provider
from ..._wire.link import read_link
from ..._wire.origins import origin
from ..._wire.pictures import Hosted
from ..._wire.plan import Plan, make_plan
from ...errors import Broken, FluxError
from ..bench import (
    Service,
    buy,
    driver,
    exchange,
    load,
    made,
    order,
    plan_if_any,
    ready,
    sending,
    service_of,
    stranger,
    task_of,
    wait,
)
from ..check import Pair, check_of, needs_tasks, not_applicable
from ..differs import same
from ..exhibits import RECEIVER, SMALLEST, of_kind
from .uploads import put

#: In how many ways one thing is said at most.
SPELLINGS = 6


@check_of("both", "request")
def check_both_make_once_what_is_asked(pair: Pair) -> None:
    """What the client sends is taken, understood as it was meant, made in the expected size, and billed once.

    A failure means: what the client asks for is not what is made, or it is bought more than once.
    """
    client, mock, samples = pair.client, pair.mock, pair.samples
    service = service_of(mock)
    at, base_url = driver(client, service, conduct=pair.conduct), service.base_url(mock.name)
    for sample in of_kind(samples, "request"):
        plan = plan_if_any(client, sample, base_url=base_url) if "prompt" in sample.means else None
        if plan is None:
            continue
        bought, plan = service.billed, ready(at, plan)
        order(at, plan)
        task = made(service, service.charges[-1].task)
        same(1, service.billed - bought, f"what was bought by {sample.name}")
        values = dict(task.values)
        if "webhook_url" in values:  # which is as it was asked, but for the token of this submit
            values["webhook_url"] = re.sub(r"[?&]fluxkit=[\w-]{22}$", "", values["webhook_url"])
        same({**values, **plan.values[0]}, values, f"what is understood of {sample.name}")
        same(plan.expected[:1], task.point.expected[:1], f"the pixels of {sample.name}")


@check_of("both")
def check_both_understand_every_spelling(pair: Pair) -> None:
    """Whichever way the mock says a thing, the client reads it, without a problem.

    A failure means: the client knows only one of the ways in which the service may say a thing.
    """
    client, mock = pair.client, pair.mock
    for spelling in range(SPELLINGS):
        service = service_of(mock, progression="polls", spelling=spelling)
        notes = Notes()
        at = driver(client, service, conduct=pair.conduct, notes=notes)
        plain = _plan_at(service, client, mock, client.models[0].name)
        result = buy(at, plain)
        same(1, service.billed, "what was bought")
        if client.poll is not None:
            same([service.charges[0].task], [task.id for task in result.tasks], "the task that was bought")
        for note in notes.kept:
            same((), note.entry.get("problems", ()), "the problems of an answer")


@check_of("both")
def check_both_agree_on_refusals(pair: Pair) -> None:
    """A wrong key, an unknown task, an overload and a lost answer are known for what they are.

    A failure means: a wrong key, a lost task, an overload or a lost answer is taken for something else.
    """
    client, mock = pair.client, pair.mock
    service = service_of(mock, progression="polls")
    at, plan = driver(client, service, conduct=pair.conduct), _plan_at(service, client, mock, client.models[0].name)
    same(
        "Unauthorized",
        _error_of(lambda: buy(driver(client, service, conduct=pair.conduct, key="wrong"), plan)),
        "a wrong key",
    )
    lost = attrs.evolve(task_of(client), base_url=plan.base_url)
    if mock.poll is not None and not mock.poll.given:
        same("Vanished", _error_of(lambda: wait(at, client, lost)), "an unknown task")
    service.fault("503", times=1)
    if any((row.status, row.error) == (503, Broken) for row in mock.refusals):
        same(1, len(buy(at, plan).images), "images after an overload")
    else:  # it might be a gateway's word
        same("SubmissionUnknown", _error_of(lambda: buy(at, plan)), "an overload in nobody's words")
    bought = service.billed
    service.fault("accepted-then-dropped", times=1)
    same("SubmissionUnknown", _error_of(lambda: buy(at, plan)), "a lost answer")
    same(bought + 1, service.billed, "what was bought")


@check_of("both")
def check_both_follow_links_to_the_image(pair: Pair) -> None:
    """The link that the client reads leads to an image of the expected size, as long as it is said to live.

    A failure means: the image is bought, and its link leads to another one or to none.
    """
    client, mock = pair.client, pair.mock
    needs_tasks(client)
    for model in client.models:
        service = service_of(mock, progression="at once")
        plan = _plan_at(service, client, mock, model.name)
        (image,) = buy(driver(client, service, conduct=pair.conduct), plan).images
        media = load(service, str(image.url))
        pixels = plan.expected or (made(service, service.charges[-1].task).point.pixels,)
        same(True, (media.width, media.height) in pixels, f"{media} in {pixels}")
        same(TYPES.get(model.delivers or "", media.media_type), media.media_type, f"the format of {model.name}")
        if image.expires_at is not None and client.link_life is not None:
            life = image.expires_at - service.clock.now()  # whole seconds are told
            same(True, abs(life - client.link_life) < 1, f"a life of {life} seconds instead of {client.link_life}")


@check_of("both")
def check_both_follow_a_task_whose_webhook_is_lost(pair: Pair) -> None:
    """A task that asks for a webhook is followed to its image although none comes.

    A failure means: where such a submit is answered in another way, or a webhook is lost, what is paid is not had.
    """
    client, mock = pair.client, pair.mock
    needs_tasks(client)
    model = next((row.name for row in client.models if row.form.get("webhook_url") is not None), None)
    if model is None:
        not_applicable("no model can be asked for a webhook")
    service = service_of(mock, progression="at once")
    base_url = service.base_url(mock.name)
    plan = make_plan(client, model, Request("a cat", webhook_url=RECEIVER), base_url=base_url, mocked=True)
    result = buy(driver(client, service, conduct=pair.conduct), plan)
    same((1, 1), (len(result.images), service.billed), "images, and how many were bought")


@check_of("both")
def check_both_agree_on_uploads(pair: Pair) -> None:
    """What is uploaded as the client declares it lies where it reads, as long as it is said to, and is drawn from.

    A failure means: a reference that is uploaded does not lie where the model is told to look for it.
    """
    client, mock = pair.client, pair.mock
    if client.upload is None:
        not_applicable("the service takes no uploads")
    for name in client.upload.formats:
        service, content = stranger(mock, ()), SMALLEST[TYPES[name]]
        secret = Secret(service.mock.key, client.key.header, client.key.form)
        url = client.upload.route.url(service.mock.base_url(mock.name))
        keyed, line = secret.header_for(read_link(url), (origin(url),), buys=False)
        body, headers = sending(client, content, TYPES[name])
        headers = {**headers, keyed.decode(): line.decode()}
        answer = exchange(service.mock, client.upload.route.method, url, headers, body)
        said = client.upload.answer.read(json.loads(answer.body))
        same(200, put(service, said, content), f"the upload of {name}")
        same(content, exchange(service.mock, "GET", said["url"], {}).body, f"the content of {name}")
        for model in client.models:
            if any(isinstance(codec, Hosted) for codec in _within(model.form.get("references"))):
                request = Request("a cat", references=[said["url"]])
                plan = make_plan(client, model.name, request, base_url=service.mock.base_url(mock.name))
                task = order(driver(client, service.mock, conduct=pair.conduct), plan)
                same((content,), made(service.mock, task.id).references, model.name)
        if client.upload.life is not None:
            service.mock.clock.advance(client.upload.life)
            same(200, exchange(service.mock, "GET", said["url"], {}).status, f"{name} within its life")
            service.mock.clock.advance(1)
            same(403, exchange(service.mock, "GET", said["url"], {}).status, f"{name} after its life")


def _within(codec: Any) -> Iterator[Any]:
    while codec is not None:
        yield codec
        codec = getattr(codec, "inner", None)


def _plan_at(service: Service, client: Provider, mock: Provider, model: str) -> Plan:
    return make_plan(client, model, Request("a cat"), base_url=service.base_url(mock.name))


def _error_of(work: Callable[[], object]) -> str:
    try:
        work()
    except FluxError as error:
        return type(error).__name__
    return "none"

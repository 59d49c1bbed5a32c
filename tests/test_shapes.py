"""Services of other shapes than the bundled ones, from their declarations alone.

BFL gives the address to poll; fal gives all addresses, and the images with a call of their own; Replicate says its
output as a text or a list; services in the style of OpenAI have no tasks at all. Of them only BFL ships, and none has
code of its own: whatever works here works because the vocabulary has words for it.
"""

import base64
import functools
import itertools
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapes.fal import FAL
from shapes.openai import OPENAI, TOGETHER
from shapes.replicate import REPLICATE

from fluxkit import strategies
from fluxkit._contract.amount import Amount
from fluxkit._contract.request import Request
from fluxkit._contract.result import Result
from fluxkit._contract.size import Want
from fluxkit._contract.task import Snapshot, State, Task
from fluxkit._engine.drive import AsyncDriver, Driver
from fluxkit._engine.effects import Flow
from fluxkit._engine.flows import Manner, generate, resume
from fluxkit._engine.notes import Notes
from fluxkit._engine.place import Place
from fluxkit._engine.secret import Secret
from fluxkit._engine.transport import AsyncTransport, Transport
from fluxkit._wire.answers import read_poll, read_submit
from fluxkit._wire.body import json_body
from fluxkit._wire.calls import polling, submission
from fluxkit._wire.complaint import read_complaint
from fluxkit._wire.declaration import Model, Provider
from fluxkit._wire.json import MISSING, Json, Unfit, stray
from fluxkit._wire.nearest import Ideal, nearest
from fluxkit._wire.origins import admits
from fluxkit._wire.plan import Plan, make_plan
from fluxkit._wire.samples import Sample, samples_of
from fluxkit._wire.trim import trim
from fluxkit.errors import (
    Charged,
    ContractError,
    Failed,
    FluxError,
    OutOfCredit,
    RateLimited,
    Refused,
    Rejected,
    Unauthorized,
    Unsupported,
    Vanished,
)
from fluxkit.provider import At, Canvas, Codec, Each, Either, Form, Link, Only, Ratios, Spaces, Text, Whole
from fluxkit_mockserver import MockService
from fluxkit_mockserver.clock import EPOCH, VirtualClock
from fluxkit_mockserver.dialects import dialect_of
from fluxkit_mockserver.pictures import draw
from fluxkit_providers.bfl import BFL

SHAPES = (BFL, FAL, REPLICATE, OPENAI, TOGETHER)
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg==")
PNG_TEXT = base64.b64encode(PNG).decode()
HEADS = {"png": PNG, "jpeg": b"\xff\xd8\xff\xe0", "webp": b"RIFF\0\0\0\0WEBP", "gif": b"GIF89a"}
PHOTO = "https://www.example.com/photo.png"

each_shape = pytest.mark.parametrize("provider", SHAPES, ids=lambda provider: provider.name)


# What goes out.


def dollars(number: str | Decimal) -> Amount:
    return Amount(Decimal(number), "USD")


@attrs.frozen
class Sent:
    """A request as a user makes it, and what must become of it on the wire."""

    provider: Provider
    model: str
    asked: Mapping[str, Any]
    url: str
    body: Json
    pixels: tuple[int, int] | tuple[None, None]
    price: str | None = None


PROMPT = {"prompt": "a cat"}
SQUARE = {"width": 1024, "height": 1024}
REPLICATED = {"aspect_ratio": "custom", **SQUARE}
OPEN = {"model": "flux", "n": 1}

BODIES = [
    # Where nobody says which size comes by itself, nothing is said of the size, and nothing is promised.
    Sent(BFL, "flux-2-pro", {}, "https://api.bfl.ai/v1/flux-2-pro", {}, (None, None)),
    Sent(BFL, "flux-2-pro", {"resolution": "1K"}, "https://api.bfl.ai/v1/flux-2-pro", SQUARE, (1024, 1024), "0.03"),
    Sent(
        BFL,
        "flux-2-max",
        {"size": "2048x2048", "seed": 7, "safety_tolerance": 0, "output_format": "webp", "webhook_url": PHOTO},
        "https://api.bfl.ai/v1/flux-2-max",
        {
            "width": 2048,
            "height": 2048,
            "seed": 7,
            "safety_tolerance": 0,
            "output_format": "webp",
            "webhook_url": PHOTO,
        },
        (2048, 2048),
        "0.16",
    ),
    Sent(
        BFL,
        "flux-2-flex",
        {"size": "2048x1024", "enhance_prompt": False, "options": {"guidance": 1.5, "steps": 50}},
        "https://api.bfl.ai/v1/flux-2-flex",
        {"width": 2048, "height": 1024, "prompt_upsampling": False, "guidance": 1.5, "steps": 50},
        (2048, 1024),
        "0.10",
    ),
    Sent(
        BFL,
        "flux-2-pro",
        {"aspect": "16:9", "references": [PNG, PHOTO]},
        "https://api.bfl.ai/v1/flux-2-pro",
        {"width": 1280, "height": 720, "input_image": PNG_TEXT, "input_image_2": PHOTO},
        (1280, 720),
    ),
    Sent(
        BFL,
        "flux-2-klein-4b",
        {"size": "64x64"},
        "https://api.bfl.ai/v1/flux-2-klein-4b",
        {"width": 64, "height": 64},
        (64, 64),
        "0.014",
    ),
    Sent(
        BFL,
        "flux-kontext-pro",
        {"safety_tolerance": 6, "aspect": "21:9"},
        "https://api.bfl.ai/v1/flux-kontext-pro",
        {"safety_tolerance": 6, "aspect_ratio": "21:9"},
        (None, None),
    ),
    Sent(FAL, "flux-2-pro", {}, "https://queue.fal.run/fal-ai/flux-2-pro", {}, (None, None)),
    Sent(
        FAL,
        "flux-2-pro",
        {"size": "1000x700", "safety_tolerance": 5, "output_format": "png", "seed": 0},
        "https://queue.fal.run/fal-ai/flux-2-pro",
        {"image_size": {"width": 1000, "height": 700}, "safety_tolerance": "5", "output_format": "png", "seed": 0},
        (1000, 700),
    ),
    Sent(
        FAL,
        "flux-2-pro",
        {"references": [PNG, PHOTO]},
        "https://queue.fal.run/fal-ai/flux-2-pro/edit",
        {"image_urls": [f"data:image/png;base64,{PNG_TEXT}", PHOTO]},
        (None, None),
    ),
    Sent(
        FAL,
        "flux-2-klein-9b",
        {"webhook_url": "https://www.example.com/hook?a=b&c=d"},
        "https://queue.fal.run/fal-ai/flux-2/klein/9b?fal_webhook=https%3A%2F%2Fwww.example.com%2Fhook%3Fa%3Db%26c%3Dd",
        {},
        (None, None),
    ),
    Sent(
        REPLICATE,
        "flux-2-pro",
        {},
        "https://api.replicate.com/v1/models/black-forest-labs/flux-2-pro/predictions",
        {"input": PROMPT},
        (None, None),
    ),
    Sent(
        REPLICATE,
        "flux-2-pro",
        {
            "size": "1024x1024",
            "references": [PHOTO],
            "output_format": "jpg",
            "safety_tolerance": 1,
            "webhook_url": PHOTO,
            "seed": 9,
            "options": {"output_quality": 80, "webhook_events_filter": ("completed",)},
        },
        "https://api.replicate.com/v1/models/black-forest-labs/flux-2-pro/predictions",
        {
            "input": {
                **PROMPT,
                **REPLICATED,
                "input_images": [PHOTO],
                "output_format": "jpg",
                "safety_tolerance": 1,
                "seed": 9,
                "output_quality": 80,
            },
            "webhook": PHOTO,
            "webhook_events_filter": ["completed"],
        },
        (1024, 1024),
    ),
    Sent(OPENAI, "flux", {}, "https://images.example.com/v1/images/generations", OPEN, (None, None)),
    Sent(
        OPENAI,
        "flux",
        {"size": "1024x1024"},
        "https://images.example.com/v1/images/generations",
        {**OPEN, "size": "1024x1024"},
        (1024, 1024),
    ),
    Sent(
        TOGETHER,
        "flux",
        {"size": "512x256", "seed": 3},
        "https://images.example.com/v1/images/generations",
        {**OPEN, "response_format": "base64", "width": 512, "height": 256, "seed": 3},
        (512, 256),
    ),
]


@pytest.mark.parametrize("sent", BODIES, ids=lambda sent: f"{sent.provider.name}:{sent.model} {' '.join(sent.asked)}")
def test_requests_become_the_bodies_that_the_services_document(sent: Sent) -> None:
    plan = make_plan(sent.provider, sent.model, Request("a cat", **sent.asked))
    call = submission(plan, 0)
    expected = sent.body if sent.provider is REPLICATE else {**PROMPT, **sent.body}
    assert ("POST", sent.url, expected) == (call.method, call.url, json.loads(bytes(call.body)))
    assert (sent.pixels, sent.price and dollars(sent.price)) == (plan.pixels, plan.price)
    assert plan.expected == (() if None in plan.pixels else (plan.pixels,))


@pytest.mark.parametrize(
    ("provider", "submit", "paths"),
    [
        (
            BFL,
            "https://api.bfl.ai/v1/",
            {
                "flux-2-pro": "flux-2-pro",
                "flux-2-max": "flux-2-max",
                "flux-2-flex": "flux-2-flex",
                "flux-2-klein-4b": "flux-2-klein-4b",
                "flux-2-klein-9b": "flux-2-klein-9b",
                "flux-kontext-pro": "flux-kontext-pro",
                "flux-kontext-max": "flux-kontext-max",
            },
        ),
        (
            FAL,
            "https://queue.fal.run/fal-ai/",
            {
                "flux-2-pro": "flux-2-pro",
                "flux-2-flex": "flux-2-flex",
                "flux-2-max": "flux-2-max",
                "flux-2-klein-4b": "flux-2/klein/4b",
                "flux-2-klein-9b": "flux-2/klein/9b",
            },
        ),
    ],
    ids=["bfl", "fal"],
)
def test_every_model_has_its_path(provider: Provider, submit: str, paths: Mapping[str, str]) -> None:
    models = dict.fromkeys(row.name for row in provider.models)
    urls = {model: submission(make_plan(provider, model, Request("a cat")), 0).url for model in models}
    assert {model: submit + path for model, path in paths.items()} == urls


@pytest.mark.parametrize(
    ("provider", "formats", "place", "prefix"),
    [
        (BFL, ["jpeg", "png", "webp"], "input_image", ""),
        (FAL, ["jpeg", "png"], "image_urls", "data:image/{format};base64,"),
    ],
    ids=["bfl", "fal"],
)
def test_references_go_out_in_the_formats_that_are_read(
    provider: Provider, formats: list[str], place: str, prefix: str
) -> None:
    for name, content in HEADS.items():
        request = Request("a cat", references=[content])
        if name not in formats:
            with pytest.raises(Unsupported):
                make_plan(provider, "flux-2-pro", request)
            continue
        said = make_plan(provider, "flux-2-pro", request).body[place]
        text = prefix.format(format=name) + base64.b64encode(content).decode()
        assert said in (text, [text])


@pytest.mark.parametrize(
    ("provider", "model", "words"),
    [
        (BFL, "flux-2-pro", {"jpeg": "jpeg", "png": "png", "webp": "webp"}),
        (BFL, "flux-kontext-pro", {"jpeg": "jpeg", "png": "png", "webp": "webp"}),
        (FAL, "flux-2-pro", {"jpeg": "jpeg", "png": "png"}),
        (REPLICATE, "flux-2-pro", {"jpeg": "jpg", "png": "png", "webp": "webp"}),
    ],
)
def test_formats_have_the_words_of_the_service(provider: Provider, model: str, words: dict[str, str]) -> None:
    for name in HEADS:
        request = Request("a cat", output_format=name)
        if name not in words:
            with pytest.raises(Unsupported):
                make_plan(provider, model, request)
            continue
        body = make_plan(provider, model, request).body
        assert words[name] == body.get("input", body)["output_format"]


@pytest.mark.parametrize(
    ("provider", "model", "asked", "field"),
    [
        (BFL, "flux-2-pro", {"safety_tolerance": 6}, "safety_tolerance"),
        (BFL, "flux-2-pro", {"references": [PHOTO] * 9}, "references"),
        (BFL, "flux-2-klein-4b", {"references": [PHOTO] * 5}, "references"),
        (BFL, "flux-2-pro", {"size": "1000x1000"}, "size"),
        (BFL, "flux-2-pro", {"size": "2064x2048"}, "size"),
        (BFL, "flux-2-pro", {"size": "48x64"}, "size"),
        (BFL, "flux-2-flex", {"options": {"guidance": 1.4}}, "guidance"),
        (BFL, "flux-2-flex", {"options": {"guidance": 10.5}}, "guidance"),
        (BFL, "flux-2-flex", {"options": {"steps": 51}}, "steps"),
        (BFL, "flux-kontext-pro", {"safety_tolerance": 7}, "safety_tolerance"),
        (BFL, "flux-kontext-pro", {"aspect": "3:1"}, "aspect"),
        (BFL, "flux-kontext-pro", {"size": "1024x1024"}, "size"),
        (FAL, "flux-2-pro", {"safety_tolerance": 0}, "safety_tolerance"),
        (FAL, "flux-2-pro", {"safety_tolerance": 6}, "safety_tolerance"),
        (FAL, "flux-2-pro", {"output_format": "webp"}, "output_format"),
        (FAL, "flux-2-max", {"references": [PHOTO]}, "references"),
        (REPLICATE, "flux-2-pro", {"references": [PNG]}, "references"),
        (REPLICATE, "flux-2-pro", {"references": [PHOTO] * 9}, "references"),
        (REPLICATE, "flux-2-pro", {"size": "2080x1024"}, "size"),
        (REPLICATE, "flux-2-pro", {"safety_tolerance": 6}, "safety_tolerance"),
        (OPENAI, "flux", {"seed": 1}, "seed"),
        (TOGETHER, "flux", {"references": [PHOTO]}, "references"),
    ],
)
def test_what_a_service_does_not_take_is_refused_before_it_is_sent(
    provider: Provider, model: str, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(Unsupported) as refusal:
        make_plan(provider, model, Request("a cat", **asked), fit="exact")
    assert field == refusal.value.field


@pytest.mark.parametrize(
    ("provider", "model", "asked"),
    [
        (BFL, "flux-2-pro", {"safety_tolerance": 5, "references": [PHOTO] * 8, "output_format": "png"}),
        (BFL, "flux-2-klein-9b", {"references": [PHOTO] * 4}),
        (BFL, "flux-2-pro", {"size": "16368x64"}),
        (BFL, "flux-2-pro", {"size": "64x16368"}),
        (BFL, "flux-2-flex", {"options": {"guidance": 10, "steps": 1}}),
        (BFL, "flux-kontext-max", {"safety_tolerance": 0, "references": [PHOTO] * 8}),
        (FAL, "flux-2-pro", {"safety_tolerance": 1, "output_format": "jpeg", "size": "99999x1"}),
        (FAL, "flux-2-pro", {"size": "1x99999"}),
        (REPLICATE, "flux-2-pro", {"size": "2048x256", "safety_tolerance": 5, "references": [PHOTO] * 8}),
        (REPLICATE, "flux-2-pro", {"size": "256x2048", "output_format": "png"}),
        (OPENAI, "flux", {"size": "1x99999"}),
        (OPENAI, "flux", {"size": "99999x1"}),
    ],
)
def test_what_a_service_takes_at_its_bounds_is_sent(provider: Provider, model: str, asked: dict[str, Any]) -> None:
    plan = make_plan(provider, model, Request("a cat", **asked), fit="exact")
    assert plan.model.request.read(plan.documents[0]).items() >= plan.values[0].items()


PRO = {"safety_tolerance": 2, "output_format": "jpeg"}
FLEX = {**PRO, "enhance_prompt": True, "guidance": 5.0, "steps": 50}


@pytest.mark.parametrize(
    ("provider", "model", "body", "expected"),
    [
        (BFL, "flux-2-pro", PROMPT, PRO),
        (BFL, "flux-2-klein-4b", PROMPT, PRO),
        (BFL, "flux-2-flex", PROMPT, FLEX),
        (BFL, "flux-kontext-pro", PROMPT, {"output_format": "png"}),
        (FAL, "flux-2-pro", PROMPT, {"safety_tolerance": 2}),
        (REPLICATE, "flux-2-pro", {"input": PROMPT}, {"output_format": "webp"}),
        (OPENAI, "flux", {**PROMPT, **OPEN}, {}),
    ],
)
def test_what_is_not_said_means_what_the_service_takes_then(
    provider: Provider, model: str, body: Json, expected: dict[str, Any]
) -> None:
    assert {**PROMPT, **expected} == provider.named(model)[0].request.read(body)


def test_of_two_rows_of_one_model_the_references_choose() -> None:
    text, edit = FAL.named("flux-2-pro")
    assert text == make_plan(FAL, "flux-2-pro", Request("a cat")).model
    assert edit == make_plan(FAL, "flux-2-pro", Request("a cat", references=[PHOTO])).model


def test_a_plan_says_that_the_size_is_left_to_the_service() -> None:
    plan = make_plan(FAL, "flux-2-pro", Request("a cat"))
    assert "fal:flux-2-pro, 1 x of the service's size" == str(plan).splitlines()[0]
    assert {"prompt"} == {verdict.field for verdict in plan.report}


def test_a_space_without_a_default_completes_a_want_to_a_square_of_1k() -> None:
    space = Canvas(range(64, 4096), range(64, 4096))
    assert (1024, 1024) == nearest(space, Want()).pixels
    assert (2048, 2048) == nearest(Spaces([space]), Want(resolution="2K")).pixels
    assert (1, 1, 1024 * 1024) == attrs.astuple(Ideal.of(Want(), None))[:3]
    assert (None, None) == (space.default, Spaces([space]).default)


# The errand.


@attrs.frozen(eq=False)
class Errand:
    """Runs flows as the clients do, in one of three ways, for a declaration that no registry knows."""

    provider: Provider
    mock: MockService
    place: Place
    how: str = "sync"

    def plan(self, model: str, request: Request) -> Plan:
        return make_plan(self.provider, model, request, base_url=self.mock.base_url(self.provider.name), mocked=True)

    def manner(self) -> Manner:
        return Manner(timeout=300.0, patience=60.0, place=self.place, local=True)

    def run(self, flow: Flow[Result]) -> Result:
        secret = Secret(self.mock.key, self.provider.key.header, self.provider.key.form)
        clock = self.mock.clock
        if self.how == "sync":
            transport = Transport(secret=secret, now=clock.now, inner=self.mock.transport(), local=True)
            return Driver(transport, clock, Notes()).run(flow)
        inner = self.mock.async_transport()
        driver = AsyncDriver(AsyncTransport(secret=secret, now=clock.now, inner=inner, local=True), clock, Notes())
        return anyio.run(driver.run, flow, backend=self.how)

    def generate(self, model: str, request: Request) -> Result:
        return self.run(generate(self.plan(model, request), self.manner()))

    def log(self) -> list[tuple[str, str, int]]:
        """What was called and answered, each path by its last step."""
        return [(each.method, each.path.rpartition("/")[2], each.status) for each in self.mock.exchanges]


def errand(provider: Provider, tmp_path: Path, *, how: str = "sync", **mock: Any) -> Errand:
    return Errand(provider, MockService([provider], **mock), Place(tmp_path, name=None), how)


MODELS = [
    pytest.param(each, model, id=f"{each.name}:{model}")
    for each in SHAPES
    for model in dict.fromkeys(row.name for row in each.models)
]
FIRST = [pytest.param(each, each.models[0].name, id=each.name) for each in SHAPES]


def sized(row: Model, **asked: Any) -> Request:
    """A request for 320x256 pixels, where the model can be asked for a size."""
    return Request("a lighthouse", **asked, **({"size": "320x256"} if row.form.get("size") else {}))


def check_delivery(errand: Errand, result: Result, model: str) -> None:
    (image,) = result.images
    row = errand.provider.named(model)[0]
    assert (320, 256) == image.pixels or row.form.get("size") is None or isinstance(row.sizes, Ratios)
    usual = getattr(row.form.get("output_format"), "default", MISSING)
    assert f"image/{row.delivers or ('png' if usual is MISSING else usual)}" == image.media_type
    assert () == image.mismatch
    assert image.path is not None
    assert image.path.stat().st_size == image.size
    (charge,) = errand.mock.charges
    assert (1, model) == (errand.mock.billed, charge.model)
    assert row.price is None or dollars(charge.amount) == result.cost
    assert result.tasks[0].id


@pytest.mark.parametrize("how", ["sync", "asyncio", "trio"])
@pytest.mark.parametrize("progression", ["at once", "polls", "seconds"])
@pytest.mark.parametrize(("provider", "model"), FIRST)
def test_a_task_walks_from_the_request_to_the_image(
    provider: Provider, model: str, progression: str, how: str, tmp_path: Path
) -> None:
    walk = errand(provider, tmp_path, how=how, progression=progression)
    check_delivery(walk, walk.generate(model, sized(provider.named(model)[0])), model)


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_every_model_delivers(provider: Provider, model: str, tmp_path: Path) -> None:
    walk = errand(provider, tmp_path, progression="polls")
    check_delivery(walk, walk.generate(model, sized(provider.named(model)[0])), model)


@pytest.mark.parametrize("spelling", range(1, 6))
@pytest.mark.parametrize(("provider", "model"), FIRST)
def test_a_task_walks_whatever_way_the_service_says_it(
    provider: Provider, model: str, spelling: int, tmp_path: Path
) -> None:
    walk = errand(provider, tmp_path, progression="polls", spelling=spelling)
    check_delivery(walk, walk.generate(model, sized(provider.named(model)[0])), model)


@pytest.mark.parametrize(("provider", "model"), FIRST)
def test_a_size_that_is_left_to_the_service_is_no_mismatch(provider: Provider, model: str, tmp_path: Path) -> None:
    walk = errand(provider, tmp_path, progression="at once")
    (image,) = walk.generate(model, Request("a lighthouse")).images
    assert ((1024, 1024), ()) == (image.pixels, image.mismatch)


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        (BFL, [("POST", "flux-2-pro", 200), *[("GET", "get_result", 200)] * 3]),
        (FAL, [("POST", "flux-2-pro", 200), ("GET", "status", 202), ("GET", "status", 200), ("GET", "{id}", 200)]),
        (REPLICATE, [("POST", "predictions", 201), *[("GET", "{id}", 200)] * 2]),
        (OPENAI, [("POST", "generations", 200)]),
    ],
    ids=["bfl", "fal", "replicate", "openai"],
)
def test_the_calls_of_a_task_are_those_of_its_shape(
    provider: Provider, expected: list[tuple[str, str, int]], tmp_path: Path
) -> None:
    walk = errand(provider, tmp_path, progression="polls")
    (task,) = walk.generate(provider.models[0].name, sized(provider.models[0])).tasks
    calls = [(method, step.replace(task.id, "{id}"), status) for method, step, status in walk.log()]
    fetched = [] if provider.poll is None else calls[-1:]
    assert expected == calls[: len(calls) - len(fetched)]
    assert all(step.startswith("{id}.") for _, step, _ in fetched)


@pytest.mark.parametrize(("provider", "expected"), [(FAL, [202, 202, 200]), (BFL, [200] * 4)], ids=["fal", "bfl"])
def test_a_mock_answers_with_the_declared_statuses_without_samples_too(
    provider: Provider, expected: list[int], tmp_path: Path
) -> None:
    bare = attrs.evolve(provider, samples=None)
    walk = errand(bare, tmp_path, progression="seconds")
    model = provider.models[0].name
    check_delivery(walk, walk.generate(model, sized(provider.models[0])), model)
    words = [word for word, state in provider.statuses if not state.ended or state is State.COMPLETED]
    assert expected == [dialect_of(bare).say("polled", {"id": "1", "status": word}).status for word in words]
    assert 404 == dialect_of(bare).say_unknown("1").status


def test_a_result_of_fal_says_what_the_image_is(tmp_path: Path) -> None:
    walk = errand(FAL, tmp_path, progression="at once")
    (task,) = walk.generate("flux-2-pro", sized(FAL.models[0])).tasks
    with httpx.Client(transport=walk.mock.transport()) as client:
        result = client.get(str(task.result_url), headers={"authorization": f"Key {walk.mock.key}"}).json()
    (image,) = result["images"]
    assert (320, 256, "image/png") == (image["width"], image["height"], image["content_type"])


def test_a_queued_task_of_fal_is_answered_with_202(tmp_path: Path) -> None:
    walk = errand(FAL, tmp_path, progression="seconds")
    walk.generate("flux-2-pro", sized(FAL.models[0]))
    statuses = [status for _, step, status in walk.log() if step == "status"]
    assert (202, 200, {200, 202}) == (statuses[0], statuses[-1], set(statuses))


def test_an_edit_goes_to_its_own_path_and_is_followed_there(tmp_path: Path) -> None:
    walk = errand(FAL, tmp_path, progression="polls")
    result = walk.generate("flux-2-pro", sized(FAL.models[0], references=[PNG]))
    assert (320, 256) == result.images[0].pixels
    paths = [each.path for each in walk.mock.exchanges][:-1]
    assert all(path.startswith("/fal/fal-ai/flux-2-pro/edit") for path in paths)


def test_images_without_a_task_do_not_overwrite_each_other(tmp_path: Path) -> None:
    walk = errand(OPENAI, tmp_path)
    first, second = (walk.generate("flux", Request("a lighthouse", size="320x256")) for _ in range(2))
    assert first.images[0].path != second.images[0].path
    assert 2 == len(list(tmp_path.iterdir()))
    several = walk.generate("flux", Request("a lighthouse", size="320x256", n=2))
    assert 2 == len({image.path for image in several.images})
    assert 4 == walk.mock.billed


def test_an_image_of_an_answer_without_a_task_may_also_come_by_link(tmp_path: Path) -> None:
    linked = attrs.evolve(OPENAI, accepted=Form({"images": At("data", Each(Form({"url": At("url", Link())})))}))
    walk = errand(linked, tmp_path)
    check_delivery(walk, walk.generate("flux", Request("a lighthouse", size="320x256")), "flux")
    assert ["POST", "GET"] == [method for method, _, _ in walk.log()]


@pytest.mark.parametrize(
    ("model", "asked", "cost"),
    [
        ("flux-2-pro", {"size": "320x256"}, "0.03"),
        ("flux-2-max", {"size": "1040x1024"}, "0.10"),
        ("flux-2-flex", {"size": "1040x1024"}, "0.10"),
        ("flux-2-pro", {"size": "1040x1024"}, "0.045"),
    ],
)
def test_credits_are_dollars(model: str, asked: dict[str, Any], cost: str, tmp_path: Path) -> None:
    walk = errand(BFL, tmp_path)
    plan = walk.plan(model, Request("a lighthouse", **asked))
    assert dollars(cost) == plan.price
    result = walk.run(generate(plan, walk.manner()))
    assert (dollars(cost), Decimal(cost)) == (result.cost, walk.mock.charges[0].amount)


@pytest.mark.parametrize(("provider", "life"), [(BFL, 600), (REPLICATE, 3600)], ids=["bfl", "replicate"])
def test_links_live_as_long_as_the_service_says_and_a_poll_gives_another(
    provider: Provider, life: int, tmp_path: Path
) -> None:
    walk = errand(provider, tmp_path, progression="at once")
    result = walk.generate(provider.models[0].name, sized(provider.models[0]))
    with httpx.Client(transport=walk.mock.transport()) as client:
        for moment, status in ((life - 0.5, 200), (life + 0.9, 403)):
            walk.mock.clock.advance(EPOCH + moment - walk.mock.clock.now())
            assert status == client.get(str(result.images[0].url)).status_code
    again = walk.run(resume(provider, result.tasks[0], walk.manner()))
    assert (1, 1) == (len(again.images), walk.mock.billed)


@each_shape
def test_a_mock_refuses_a_wrong_key_as_the_service_does(provider: Provider) -> None:
    mock = MockService([provider])
    url = mock.base_url(provider.name) + provider.submit.path.replace("{model}", provider.models[0].path)
    with httpx.Client(transport=mock.transport()) as client:
        answer = client.post(url, json={}, headers={provider.key.header: provider.key.form.format(key="wrong")})
    assert (403 if provider is BFL else 401) == answer.status_code
    with pytest.raises(Unauthorized):
        read_submit(any_plan(provider), Reply(answer.status_code, answer.text))
    assert 0 == mock.billed


@pytest.mark.parametrize(
    ("provider", "body", "query", "names"),
    [
        (BFL, {}, "", ["prompt"]),
        (BFL, {**PROMPT, "width": 1000, "height": 1024}, "", ["width"]),
        (BFL, {**PROMPT, "width": 2064, "height": 2048}, "", ["width", "height"]),
        (BFL, {**PROMPT, "safety_tolerance": 6, "style": "oil"}, "", ["safety_tolerance", "style"]),
        (BFL, {**PROMPT, "input_image_9": PHOTO}, "", ["input_image_9"]),
        (FAL, {**PROMPT, "safety_tolerance": 5}, "", ["safety_tolerance"]),
        (FAL, {**PROMPT, "image_urls": [PHOTO]}, "", ["image_urls"]),
        (FAL, PROMPT, "?fal_hook=https://www.example.com", ["@query.fal_hook"]),
        (OPENAI, {**PROMPT, **OPEN, "size": "large"}, "", ["size"]),
        (OPENAI, {**PROMPT, "model": "flux", "n": 2, "size": "large"}, "", ["n"]),
    ],
)
def test_a_mock_names_what_does_not_fit_in_the_form_of_the_service(
    provider: Provider, body: Json, query: str, names: list[str]
) -> None:
    mock = MockService([provider])
    url = mock.base_url(provider.name) + provider.submit.path.replace("{model}", provider.models[0].path) + query
    with httpx.Client(transport=mock.transport()) as client:
        answer = client.post(url, json=body, headers={provider.key.header: provider.key.form.format(key=mock.key)})
    with pytest.raises(Rejected) as refusal:
        read_submit(any_plan(provider), Reply(answer.status_code, answer.text))
    assert (400 if provider is OPENAI else 422) == answer.status_code
    assert names == [name for name, _ in refusal.value.fields]
    assert (Charged.NO, 0) == (refusal.value.charged, mock.billed)


# What comes back.


@attrs.frozen(eq=False)
class Reply:
    """An answer as the flows read it."""

    status: int
    text: str
    headers: Mapping[str, str] = attrs.field(factory=dict)
    at: float = 0.0

    @property
    def document(self) -> Json:
        return json.loads(self.text)


def any_plan(provider: Provider) -> Plan:
    return make_plan(provider, provider.models[0].name, Request("a cat"))


def task_of(provider: Provider, **facts: Any) -> Task:
    facts = {"id": "046b6c7f", "base_url": provider.base_url, "poll_url": "", "result_url": "", **facts}
    given = {name: facts[name] or None for name in ("poll_url", "result_url")}
    return Task(provider.name, provider.models[0].name, **{**facts, **given})


def select(*kinds: str) -> Any:
    rows = [
        pytest.param(provider, sample, id=f"{provider.name}-{sample.of}-{sample.name}")
        for provider in SHAPES[1:]  # BFL ships, and is tried against its samples with the others that do
        for sample in samples_of(provider)
        if sample.of in kinds
    ]
    return pytest.mark.parametrize(("provider", "sample"), rows)


def read(provider: Provider, sample: Sample) -> Snapshot:
    reply = Reply(sample.status, json.dumps(sample.body))
    match sample.of:
        case "accepted":
            return read_submit(any_plan(provider), reply)
        case "polled":
            return read_poll(provider, task_of(provider), reply)
        case _:
            return read_poll(provider, task_of(provider), reply, provider.resulted)


@select("accepted", "polled", "resulted")
def test_an_answer_means_what_it_says(provider: Provider, sample: Sample) -> None:
    said = attrs.asdict(read(provider, sample), recurse=False)
    assert () == said.pop("problems")
    said["images"] = [attrs.asdict(each, filter=lambda _, value: value is not None) for each in said.pop("pictures")]
    expected = dict(sample.means)
    if "cost" in expected:
        expected["cost"] = dollars(expected["cost"])
    for image in expected.get("images", ()):
        if "content" in image:  # an image without a task gives the task its name
            assert 16 == len(said.pop("id"))
            said["images"] = [{"content": base64.b64encode(said["images"][0]["content"]).decode()}]
        elif provider in (OPENAI, TOGETHER):
            assert 16 == len(said.pop("id"))
    assert expected == {name: value for name, value in said.items() if value not in (None, [], "")}


def test_a_task_of_bfl_fails_for_whatever_reason_is_given() -> None:
    failed = {**sample_of(BFL, "a task has failed"), "details": "Out of memory"}
    assert "Out of memory" == read_poll(BFL, task_of(BFL), Reply(200, json.dumps(failed))).reason


@select("refused")
def test_a_refusal_means_what_it_says(provider: Provider, sample: Sample) -> None:
    reply = Reply(sample.status, json.dumps(sample.body))
    with pytest.raises(FluxError) as caught:
        read_submit(any_plan(provider), reply)
    error, complaint = caught.value, read_complaint(provider, reply)
    assert sample.means["error"] == type(error).__name__
    assert (sample.means["retry"], sample.means["charged"]) == (error.retry, error.charged)
    assert (sample.means["message"], sample.means.get("type", "")) == (complaint.message, complaint.type)
    assert [tuple(pair) for pair in sample.means.get("fields", ())] == list(complaint.fields)


@select("call")
def test_a_call_goes_where_the_service_listens(provider: Provider, sample: Sample) -> None:
    task = task_of(provider, id="{id}")
    call = submission(any_plan(provider), 0) if sample.phase == "submit" else polling(provider, task)
    assert call is not None
    assert sample.call == f"{call.method} {call.url}".replace("%7Bid%7D", "{id}")
    assert sample.headers == {provider.key.header: provider.key.form}


@select("request")
def test_a_request_is_written_as_it_is_recorded(provider: Provider, sample: Sample) -> None:
    width, height = sample.means["size"]
    plan = make_plan(provider, str(sample.model), Request(sample.means["prompt"], size=(width, height)))
    assert (sample.body, sample.pixels) == (plan.body, plan.expected)


@each_shape
def test_every_status_is_shown_by_a_sample(provider: Provider) -> None:
    shown = {each.means["status"]: each.means["state"] for each in samples_of(provider) if "status" in each.means}
    for word, state in provider.statuses:
        examples = {
            shown[each] for each in shown if each == word or (word.endswith(":*") and provider.state(each) is state)
        }
        assert {state} == examples, word


@pytest.mark.parametrize(
    ("provider", "status", "body", "kind"),
    [
        (BFL, 402, {"detail": "Insufficient credits"}, OutOfCredit),
        (BFL, 429, {"detail": "Too many active tasks"}, RateLimited),
        (REPLICATE, 401, {"title": "Unauthenticated", "detail": "No token", "status": 401}, Unauthorized),
        (REPLICATE, 422, {"title": "Input is wrong", "detail": "seed: not a number", "status": 422}, Rejected),
    ],
)
def test_statuses_mean_the_usual(provider: Provider, status: int, body: Json, kind: type[FluxError]) -> None:
    with pytest.raises(kind) as refusal:
        read_submit(any_plan(provider), Reply(status, json.dumps(body)))
    assert (Charged.NO, True) == (refusal.value.charged, body["detail"] in refusal.value.message)


def test_a_refusal_of_the_second_call_is_that_of_the_task() -> None:
    (moderation,) = (each for each in samples_of(FAL) if each.name == "422, moderation")
    task = task_of(FAL)
    with pytest.raises(Refused) as refusal:
        read_poll(FAL, task, Reply(422, json.dumps(moderation.body)), FAL.resulted)
    assert (task, Charged.UNKNOWN) == (refusal.value.task, refusal.value.charged)


# A service that is played, host by host.

PLAYED_KEY = "a-key-that-opens-nothing"


@attrs.frozen(eq=False)
class Stage(httpx.BaseTransport):
    """Plays what each address answers, the last answer again and again; keeps every call."""

    answers: Mapping[str, list[tuple[int, Any]]]
    calls: list[httpx.Request] = attrs.field(factory=list)
    clock: VirtualClock = attrs.field(factory=VirtualClock)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        url = f"https://{request.headers['host']}{request.url.raw_path.decode()}"
        answers = self.answers[url]
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, content=content)

    def play(self, provider: Provider, flow: Flow[Result]) -> Result:
        secret = Secret(PLAYED_KEY, provider.key.header, provider.key.form)
        return Driver(Transport(secret=secret, now=self.clock.now, inner=self), self.clock, Notes()).run(flow)

    def keyed(self, provider: Provider) -> dict[str, bool]:
        """For each host that was called, whether it got the key; nowhere else may a header or address hold it."""
        key = provider.key.form.format(key=PLAYED_KEY)
        for call in self.calls:
            others = {name: value for name, value in call.headers.items() if name != provider.key.header}
            assert PLAYED_KEY not in f"{others}{call.url}"
        return {call.headers["host"]: call.headers.get(provider.key.header) == key for call in self.calls}


def sample_of(provider: Provider, name: str) -> Json:
    return next(each.body for each in samples_of(provider) if each.name == name)


CREATED, PENDING, READY = (sample_of(BFL, f"a task is {word}") for word in ("created", "pending", "ready"))
MISSED = sample_of(BFL, "a task is not found")
SUBMIT = "https://api.bfl.ai/v1/flux-2-pro"


def quietly(tmp_path: Path) -> Manner:
    return Manner(timeout=300.0, patience=60.0, place=Place(tmp_path))


@functools.cache
def photo() -> bytes:
    return draw(1024, 1024, media_type="image/jpeg", prompt="a cat", seed=1)


def bfl_stage(*polls: tuple[int, Json], poll_url: str = CREATED["polling_url"], submit: str = SUBMIT) -> Stage:
    return Stage(
        {
            submit: [(200, {**CREATED, "polling_url": poll_url})],
            poll_url: list(polls),
            READY["result"]["sample"]: [(200, photo())],
        }
    )


def bfl_plan(base_url: str | None = None) -> Plan:
    return make_plan(BFL, "flux-2-pro", Request("a cat", size="1024x1024", seed=42), base_url=base_url)


def test_the_given_host_is_polled_with_the_key_and_the_delivery_host_never_gets_it(tmp_path: Path) -> None:
    stage = bfl_stage((200, PENDING), (200, READY))
    result = stage.play(BFL, generate(bfl_plan(), quietly(tmp_path)))
    assert {"api.bfl.ai": True, "api.eu2.bfl.ai": True, "delivery-eu1.bfl.ai": False} == stage.keyed(BFL)
    (image,) = result.images
    assert ((1024, 1024), (), 42, dollars("0.03")) == (image.pixels, image.mismatch, image.seed, result.cost)
    assert READY["result"]["sample"] == image.url


@pytest.mark.parametrize(
    "poll_url",
    [
        "https://api.bfl.ai.example.com/v1/get_result?id=1",
        "https://api.eu.bfl.ai.example.com/v1/get_result?id=1",
        "https://example.com/api.eu.bfl.ai/v1/get_result?id=1",
        "https://api.eu.bfl.ai@example.com/v1/get_result?id=1",
        "https://key@api.eu.bfl.ai/v1/get_result?id=1",
        "https://api.eu.bfl.ai:8443/v1/get_result?id=1",
        "http://api.eu.bfl.ai/v1/get_result?id=1",
        "https://delivery-eu1.bfl.ai/v1/get_result?id=1",
        "https://api.a.b.bfl.ai/v1/get_result?id=1",
        "https://api.eu.bfl.ai\\.example.com/v1/get_result?id=1",
        "https://api.eu.bfl\t.ai/v1/get_result?id=1",
    ],
)
def test_a_foreign_host_gets_nothing_and_the_task_is_not_lost(poll_url: str, tmp_path: Path) -> None:
    stage = bfl_stage(poll_url=poll_url)
    with pytest.raises(ContractError) as caught:
        stage.play(BFL, generate(bfl_plan(), quietly(tmp_path)))
    assert {"api.bfl.ai": True} == stage.keyed(BFL)
    assert (CREATED["id"], poll_url) == (caught.value.task.id, caught.value.task.poll_url)
    assert Charged.NO is not caught.value.charged


@pytest.mark.parametrize(
    ("base_url", "allowed"),
    [("https://api.eu.bfl.ai", True), ("https://api.bfl.ai", True), ("https://proxy.example.com", False)],
)
def test_declared_hosts_are_meant_only_while_the_base_url_is_one_of_them(base_url: str, allowed: bool) -> None:
    assert allowed is admits(BFL, base_url, CREATED["polling_url"])
    assert admits(BFL, base_url, f"{base_url}/v1/get_result?id=1")
    assert not admits(BFL, base_url, "https://example.com/v1/get_result?id=1")


def test_a_submit_that_asks_for_a_webhook_is_polled_where_the_declaration_says(tmp_path: Path) -> None:
    answer = sample_of(BFL, "a task is created, with a webhook")
    url = f"https://api.bfl.ai/v1/get_result?id={CREATED['id']}"
    stage = Stage({SUBMIT: [(200, answer)], url: [(200, READY)], READY["result"]["sample"]: [(200, photo())]})
    stage.play(BFL, generate(bfl_plan(), quietly(tmp_path)))
    assert {"api.bfl.ai": True, "delivery-eu1.bfl.ai": False} == stage.keyed(BFL)


def test_a_task_that_is_not_found_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    stage = bfl_stage(*[(404, MISSED)] * 4, (200, PENDING), *[(404, MISSED)] * 4, (200, READY))
    result = stage.play(BFL, generate(bfl_plan(), quietly(tmp_path)))
    assert State.COMPLETED is result.tasks[0].state
    assert 1 == sum(call.method == "POST" for call in stage.calls)


def test_a_task_that_is_not_found_for_good_has_vanished(tmp_path: Path) -> None:
    stage = bfl_stage((404, MISSED))
    with pytest.raises(Vanished) as caught:
        stage.play(BFL, generate(bfl_plan(), quietly(tmp_path)))
    assert CREATED["id"] == caught.value.task.id
    assert 5 <= sum(call.method == "GET" for call in stage.calls)
    assert 30 <= stage.clock.now() - caught.value.task.submitted_at


def test_a_mock_says_that_a_task_is_not_found_as_the_service_does(tmp_path: Path) -> None:
    walk = errand(BFL, tmp_path)
    stranger = task_of(BFL, id="4cc84fe4-42a5-4ad7-949f-082c3322768c", base_url=walk.mock.base_url("bfl"))
    with pytest.raises(Vanished):
        walk.run(resume(BFL, stranger, walk.manner()))
    assert {("GET", "get_result", 404)} == set(walk.log())
    with httpx.Client(transport=walk.mock.transport(), headers={"x-key": walk.mock.key}) as client:
        assert MISSED == client.get(f"{stranger.base_url}/v1/get_result?id={stranger.id}").json()
        assert {"detail": "Not Found"} == client.get(f"{stranger.base_url}/v1/nothing").json()
        nothing = client.post(f"{stranger.base_url}/v1/flux-3", json=PROMPT)
    with pytest.raises(Rejected):
        read_submit(any_plan(BFL), Reply(nothing.status_code, nothing.text))
    assert (404, 0) == (nothing.status_code, walk.mock.billed)


ACCEPTED = sample_of(FAL, "a task is created")
QUEUED, RUNS, DONE = (sample_of(FAL, f"a task {word}") for word in ("is queued", "runs", "is completed"))


def fal_stage(*polls: tuple[int, Json], **accepted: Any) -> Stage:
    images = sample_of(FAL, "the images")
    return Stage(
        {
            "https://queue.fal.run/fal-ai/flux-2-pro": [(200, {**ACCEPTED, **accepted})],
            ACCEPTED["status_url"]: list(polls),
            ACCEPTED["response_url"]: [(200, images)],
            images["images"][0]["url"]: [(200, photo())],
        }
    )


def fal_plan() -> Plan:
    return make_plan(FAL, "flux-2-pro", Request("a cat"))


def test_the_links_of_an_answer_are_followed_to_the_result(tmp_path: Path) -> None:
    stage = fal_stage((202, QUEUED), (202, RUNS), (200, DONE))
    result = stage.play(FAL, generate(fal_plan(), quietly(tmp_path)))
    paths = [call.url.path.rpartition("/")[2] for call in stage.calls]
    assert ["flux-2-pro", "status", "status", "status", ACCEPTED["request_id"], "image.jpeg"] == paths
    assert {"queue.fal.run": True, "www.example.com": False} == stage.keyed(FAL)
    assert ((1024, 1024), 42) == (result.images[0].pixels, result.images[0].seed)


@pytest.mark.parametrize(
    ("name", "kind"), [("a task has failed", Failed), ("a task is refused", Refused)], ids=["failed", "refused"]
)
def test_completed_with_an_error_is_no_success(name: str, kind: type[FluxError], tmp_path: Path) -> None:
    stage = fal_stage((202, RUNS), (200, sample_of(FAL, name)))
    with pytest.raises(kind, match=sample_of(FAL, name)["error"]) as caught:
        stage.play(FAL, generate(fal_plan(), quietly(tmp_path)))
    assert ACCEPTED["request_id"] == caught.value.task.id
    assert "status" == stage.calls[-1].url.path.rpartition("/")[2]


@pytest.mark.parametrize("link", ["status_url", "response_url"])
@pytest.mark.parametrize("url", [None, "https://example.com/fal-ai"], ids=["none", "foreign"])
def test_an_address_that_has_to_be_given_is_not_composed(link: str, url: str | None, tmp_path: Path) -> None:
    stage = fal_stage((200, DONE), **{link: url})
    with pytest.raises(ContractError) as caught:
        stage.play(FAL, generate(fal_plan(), quietly(tmp_path)))
    assert ACCEPTED["request_id"] == caught.value.task.id
    assert {"queue.fal.run": True} == stage.keyed(FAL)


def test_a_prediction_that_was_waited_for_is_not_polled(tmp_path: Path) -> None:
    waited = sample_of(REPLICATE, "a prediction was waited for")
    plan = make_plan(REPLICATE, "flux-2-pro", Request("a cat"))
    stage = Stage({submission(plan, 0).url: [(201, waited)], waited["output"]: [(200, photo())]})
    result = stage.play(REPLICATE, generate(plan, quietly(tmp_path)))
    assert {"api.replicate.com": True, "www.example.com": False} == stage.keyed(REPLICATE)
    assert (State.COMPLETED, 1) == (result.tasks[0].state, len(result.images))


# The laws, for these declarations, too.


def parts(codec: Any) -> list[Codec]:
    """A codec and every one that it is made of."""
    inner = [getattr(codec, field.name) for field in attrs.fields(type(codec)) if field.init]
    inner = [*dict(codec.fields).values()] if isinstance(codec, Form) else inner
    return [codec, *itertools.chain.from_iterable(parts(each) for each in inner if hasattr(each, "places"))]


DECLARED = list(
    dict.fromkeys(
        part
        for provider in SHAPES
        for codec in (
            *(row.request for row in provider.models),
            *filter(None, (provider.accepted, provider.polled, provider.resulted, provider.error)),
        )
        for part in parts(codec)
    )
)
laws = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large])


def via_json(document: Json) -> Json:
    return json.loads(bytes(json_body(document)))


@pytest.mark.slow
@laws
@given(st.sampled_from(DECLARED), st.data())
def test_codecs_obey_their_law(codec: Codec, data: st.DataObject) -> None:
    value = data.draw(strategies.values(codec))
    spellings = list(itertools.islice(codec.spellings(value), 20))
    assert codec.write(value) == spellings[0]
    for spelling in spellings:
        assert value == codec.read(via_json(spelling))
        assert [] == stray(spelling, codec.places())


@pytest.mark.slow
@laws
@given(st.sampled_from(DECLARED), st.data())
def test_codecs_refuse_what_is_not_theirs(codec: Codec, data: st.DataObject) -> None:
    with pytest.raises(Unfit):
        codec.write(data.draw(strategies.outside(codec)))


@pytest.mark.parametrize("form", [each for each in DECLARED if isinstance(each, Form)], ids=lambda form: form.allowed)
def test_fields_have_places_of_their_own(form: Form) -> None:
    for (_, one), (_, other) in itertools.combinations(form.fields, 2):
        for place, beside in itertools.product(one.places(), other.places()):
            assert any(step != along for step, along in zip(place, beside, strict=False)), (place, beside)


@pytest.mark.slow
@each_shape
@laws
@given(data=st.data())
def test_a_mock_reads_what_a_client_writes(provider: Provider, data: st.DataObject) -> None:
    plan = make_plan(provider, *data.draw(strategies.from_provider(provider)))
    for document, values in zip(plan.documents, plan.values, strict=True):
        found = plan.model.request.read(via_json(document))
        assert values == {name: found[name] for name in values}


@pytest.mark.parametrize(
    ("codec", "value", "expected"),
    [
        (
            BFL.error,
            {"message": "no", "fields": ({"name": "a", "reason": "b"},)},
            {"fields": ({"name": "a", "reason": "b"},)},
        ),
        (BFL.error, {"message": "no", "status": 422}, {"message": "no"}),
        (Only(Text()), ("a", "b"), ("a",)),
        (Either(Whole(), Text()), "a", "a"),
    ],
)
def test_a_mock_says_what_there_is_a_place_for(codec: Codec, value: Any, expected: Any) -> None:
    assert expected == trim(codec, value)

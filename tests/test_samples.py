"""The recorded exchanges of each service against the client and against the mock, and against gaps of their own.

A mock made from a wrong declaration agrees with a client made from the same. The samples come from outside, so both are
held against them: what the client reads and writes here, what the mock takes, refuses and says there. And because a
fact without a sample is only a claim, every fact of every declaration is asked for the sample that shows it.
"""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from fnmatch import fnmatch
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest

from fluxkit._contract.media import TYPES, format_named, kind
from fluxkit._wire.answers import read_poll, read_submit
from fluxkit._wire.declaration import Model, Provider, Webhook
from fluxkit._wire.json import MISSING, Json, Unfit, path_of, pluck
from fluxkit._wire.origins import origin
from fluxkit._wire.plan import make_plan
from fluxkit._wire.samples import Sample, answers_of, load_samples, samples_of
from fluxkit._wire.signatures import HexHMAC, StandardWebhook, Unsigned
from fluxkit.errors import FluxError, PluginError, Unsupported
from fluxkit.provider import (
    Anything,
    At,
    Base64,
    Canvas,
    Colour,
    Each,
    Either,
    First,
    Fixed,
    Flag,
    Form,
    Grid,
    Hosted,
    Link,
    Money,
    Only,
    Pair,
    Ratios,
    Real,
    Reason,
    Sides,
    Slots,
    Tagged,
    Text,
    Trail,
    Whole,
    With,
    Words,
)
from fluxkit.testing import checks
from fluxkit.testing.bench import any_plan, error_in, load, model_of, name_of, stranger, task_of
from fluxkit.testing.check import Check
from fluxkit.testing.exhibits import numbers, plainest, request_of, values_of
from fluxkit_mockserver.tasks import life
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

PROVIDERS = (MAGNIFIC, FREEPIK, APIMART, BFL)

#: What the request calls a field of a body, where a model has no field of that name or another name for it.
OURS = {
    "aspect_ratio": "aspect",
    "size": "aspect",
    "width": "size",
    "height": "size",
    "prompt_upsampling": "enhance_prompt",
    "image_size": "size",
    "input_image": "references",
    "image_urls": "references",
    "webhook": "webhook_url",
    "width, height": "size",
    **{f"input_image_{number}": "references" for number in (5, 9)},
}

#: Where a vendor documents what its reference does not.
ALSO_ITS_OWN = {"bfl": ("https://github.com/black-forest-labs/skills",)}

#: The facts that no sample shows, and why.
UNSAMPLED = {
    "magnific": {
        "link_life is 3600.0": "no page says it; the only recorded link names its end and not its beginning",
        "flux-2-klein: duration is 1.0": "the pages say sub-second and nothing more",
    },
    "apimart": {
        "upload life is 259200.0": "the page says 72 h, and no recorded answer says when an address ends",
        "webhook timeout is 10.0": "the page says it in words, and no exchange shows a time",
        "webhook retries are (10.0, 30.0, 60.0)": "the page says it in words, and no exchange shows a time",
        "not_found 404 is Vanished": "the service is documented to say 400; other hosts that resell it may say 404",
    },
}
UNSAMPLED["freepik"] = UNSAMPLED["magnific"]
UNSAMPLED["bfl"] = {
    "link_life is 600.0": "the page says ten minutes in words, and no recorded answer says when a link ends",
    "webhook retries are (1.0, 5.0, 30.0)": "the page says it in words, and no exchange shows a time",
    "Error:* is failed": "a pattern and no word; the recorded webhook of a failed task fits it",
    "polled: details is said": "what else than reasons for moderation an answer may hold there is not documented",
    "polled: : said in another way": "the same",
}


#: The refused requests for which fluxkit has no words: its users cannot leave out a prompt, or say two things at once.
UNASKABLE = {
    "a resolution",
    "a resolution in upper case",
    "a second image",
    "an image as base64",
    "image_size as text",
    "image_size without height",
    "an address without its list",
    "another model",
    "aspect_ratio",
    "n",
    "no model",
    "no prompt",
    "width",
}


def select(*kinds: str, fits: bool | None = None, asked: bool | None = None) -> Any:
    """Parametrizes a test by every provider and each of its samples of these kinds; *asked* ones have a prompt."""
    rows = [
        pytest.param(provider, sample, id=f"{provider.name}-{sample.of}-{sample.name}")
        for provider in PROVIDERS
        for sample in samples_of(provider)
        if sample.of in kinds and fits in (None, sample.fits) and asked in (None, "prompt" in sample.means)
    ]
    return pytest.mark.parametrize(("provider", "sample"), rows)


each_provider = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)


def calls_of(provider: Provider) -> list[Sample]:
    """Where the service listens, which whoever sends it a sample must know."""
    return [each for each in samples_of(provider) if each.of == "call"]


# The client.


@select("accepted", "polled", "webhook")
def test_client_reads_what_an_answer_means(provider: Provider, sample: Sample) -> None:
    checks.client.check_client_reads_what_an_answer_means(provider, provider, [sample])


@select("refused")
def test_client_reads_what_a_refusal_means(provider: Provider, sample: Sample) -> None:
    checks.client.check_client_reads_what_a_refusal_means(provider, provider, [sample])


@select("refused")
def test_client_reads_what_a_refusal_says(provider: Provider, sample: Sample) -> None:
    checks.client.check_client_reads_what_a_refusal_says(provider, provider, [sample])


@select("request", fits=True, asked=True)
def test_client_asks_for_what_a_request_means(provider: Provider, sample: Sample) -> None:
    checks.client.check_client_asks_for_what_a_request_means(provider, provider, [sample])


@select("request", fits=True, asked=True)
def test_client_writes_a_request_as_the_service_documents_it(provider: Provider, sample: Sample) -> None:
    checks.client.check_client_writes_a_request_as_documented(provider, provider, [sample])


@select("request", fits=True, asked=True)
def test_plan_expects_the_pixels_of_the_service(provider: Provider, sample: Sample) -> None:
    checks.client.check_client_expects_the_pixels_of_the_service(provider, provider, [sample])


def test_only_what_nobody_can_ask_for_is_not_asked() -> None:
    requests = [each for provider in PROVIDERS for each in samples_of(provider) if each.of == "request"]
    unasked = [each for each in requests if "prompt" not in each.means]
    assert UNASKABLE == {each.name.partition(": ")[2] for each in unasked if not each.fits}
    assert {"nothing at all"} == {each.name.partition(": ")[2] for each in unasked if each.fits}


@select("request", fits=False, asked=True)
def test_plan_refuses_what_the_service_refuses(provider: Provider, sample: Sample) -> None:
    if ": an image " in sample.name:  # it may be fetched or uploaded first, and go out as the service takes it
        with suppress(Unsupported):
            plan = make_plan(provider, str(sample.model), request_of(sample), fit="exact")
            assert plan.pending
            assert any(plan.body.get(name) != value for name, value in sample.body.items())
        return
    with pytest.raises(FluxError) as caught:
        make_plan(provider, str(sample.model), request_of(sample), fit="exact")
    ours = OURS.get(sample.field, sample.field)
    if isinstance(caught.value, Unsupported):
        assert ours == re.split(r"[.[]", caught.value.field)[0]
    else:  # what is no image at all
        assert (ours, "ReferenceUnusable") == ("references", type(caught.value).__name__)


@select("call", fits=True)
def test_client_calls_where_the_service_listens(provider: Provider, sample: Sample) -> None:
    checks.client.check_client_calls_where_the_service_listens(provider, provider, [sample])


# The mock.


@select("request", fits=True)
def test_mock_takes_what_fits(provider: Provider, sample: Sample) -> None:
    checks.mock.check_mock_takes_what_fits(provider, provider, [sample, *calls_of(provider)])


@select("request", fits=True)
def test_mock_delivers_the_pixels_and_the_format_that_were_asked(provider: Provider, sample: Sample) -> None:
    service = stranger(provider, samples_of(provider), progression="at once")
    created = read_submit(any_plan(provider), service.submit(sample))
    ended = read_poll(provider, task_of(provider), service.poll(created.id, sample.model))
    media = load(service.mock, str(ended.pictures[0].url))
    if sample.pixels:
        assert (media.width, media.height) in sample.pixels
    elif "size" in sample.means:  # only the ratio is known
        width, height = map(int, sample.means["size"].split(":"))
        assert width * media.height == height * media.width
    assert sample.means.get("output_format", model_of(provider, sample).delivers or "png") == format_named(
        media.media_type
    )
    assert 1 == service.mock.billed


@select("request", fits=False)
def test_mock_refuses_what_does_not_fit_and_names_it(provider: Provider, sample: Sample) -> None:
    checks.mock.check_mock_refuses_what_does_not_fit(provider, provider, [sample, *calls_of(provider)])


@each_provider
@pytest.mark.parametrize("check", [*checks.CLIENT, *checks.MOCK, *checks.BOTH], ids=lambda check: check.__name__)
def test_client_and_mock_keep_their_promises(provider: Provider, check: Check) -> None:
    check(provider, provider, samples_of(provider))


@each_provider
@pytest.mark.parametrize("spelling", range(6))
def test_mock_means_the_same_in_every_spelling(provider: Provider, spelling: int) -> None:
    service = stranger(provider, samples_of(provider), progression="polls", spelling=spelling)
    created = read_submit(any_plan(provider), service.submit(plainest(service.samples)))
    assert service.mock.charges[0].task == created.id
    for word in life(provider)[1:]:
        told = read_poll(provider, task_of(provider), service.poll(created.id))
        assert (created.id, word, ()) == (told.id, told.status, told.problems)
    assert 1 == len(told.pictures)


@pytest.mark.parametrize("provider", [MAGNIFIC, FREEPIK], ids=lambda provider: provider.name)
def test_mock_knows_only_the_models_of_the_service(provider: Provider) -> None:
    service = stranger(provider, samples_of(provider))
    call = service.call("submit", "flux-2-klein")
    reply = service.send(attrs.evolve(call, call=f"{call.call}-2"), body=plainest(service.samples).body)
    assert (404, "Rejected") == (reply.status, name_of(error_in(any_plan(provider), "submit", reply)))


# The samples.


@attrs.frozen(eq=False)
class Log:
    """The JSON that one codec took at one place, and what it refused there."""

    took: list[Json] = attrs.field(factory=list)
    refused: list[Json] = attrs.field(factory=list)


@attrs.frozen(eq=False)
class Watched:
    """A codec that notes what it reads."""

    codec: Any
    log: Log

    def read(self, json: Json) -> Any:
        try:
            value = self.codec.read(json)
        except Unfit:
            self.log.refused.append(json)
            raise
        if value is not MISSING:
            self.log.took.append(json)
        return value

    def __getattr__(self, name: str) -> Any:
        return getattr(self.codec, name)


Logs = dict[tuple[str, Any], Log]


def watch(codec: Any, logs: Logs, place: str = "") -> Any:
    """*codec* and every codec in it, watched. A place is the path of the nearest ``At``, so equal codecs stay apart."""
    log = logs.setdefault((place, codec), Log())
    inner = codec.path or place if isinstance(codec, At) else place
    parts: dict[str, Any] = {}
    for field in attrs.fields(type(codec)):
        part = getattr(codec, field.name)
        if field.name == "fields":
            parts["fields"] = tuple((name, watch(each, logs, inner)) for name, each in part)
        elif field.init and hasattr(part, "read"):
            parts[field.name] = watch(part, logs, inner)
    return Watched(attrs.evolve(codec, **parts), log)


def reads(codec: Any, json: Json) -> bool:
    try:
        return codec.read(json) is not MISSING
    except Unfit:
        return False


Fact = tuple[str, bool]


def facts_of_codec(place: str, codec: Any, log: Log, requests: list[Sample]) -> Iterator[Fact]:
    """Every fact that a codec states, and whether a sample shows it; of answers, what the client must be able to read.

    *requests* are the samples for which a codec of a request is made, none for one of an answer.
    """
    took, refused = log.took, log.refused
    match codec:
        case At(path=path, default=default):
            yield f"{path or place} is said", any(pluck(json, path_of(path)) is not MISSING for json in took)
            if default is not MISSING:
                yield f"{path}: {default} by default", any(pluck(json, path_of(path)) is MISSING for json in took)
        case Whole(first=first, last=last) | Real(first=first, last=last):
            for bound, beyond in ((first, -1), (last, 1)):
                if bound is not None:
                    yield f"{place}: {bound} is taken", bound in took
                    yield f"{place}: {bound + beyond} is refused", bound + beyond in refused
        case Words(table=table):
            for word in (word for _, theirs in table for word in theirs):
                yield f"{place}: {word} is taken", word in took
            yield f"{place}: another word is refused", any(isinstance(json, str) for json in refused)
        case Base64(formats=formats):
            shown = {kind(base64.b64decode(json)[:32]) for json in took}
            for name in formats:
                yield f"{place}: {name} is taken", name in shown
            others = {kind(base64.b64decode(json)[:32]) for json in refused if ":" not in json}
            yield f"{place}: another format is refused", bool(others - {None})
        case Colour():
            yield (
                f"{place}: a colour is taken, and not in small letters",
                any(json.upper() in took for json in refused if isinstance(json, str) and json != json.upper()),
            )
        case Flag():
            yield f"{place}: true and false are taken", True in took and False in took
        case Each(most=int(most), fewest=fewest):
            if fewest is not None:
                yield f"{place}: {fewest} are taken", any(len(json) == fewest for json in took)
                yield f"{place}: {fewest - 1} are refused", any(len(json) == fewest - 1 for json in refused)
            yield f"{place}: {most} are taken", any(len(json) == most for json in took)
            yield f"{place}: {most + 1} are refused", any(len(json) == most + 1 for json in refused)
        case Slots(keys=keys):
            full = [each for each in requests if set(keys) <= each.body.keys()]
            yield f"{keys[-1]} is filled", any(each.fits for each in full)
            yield f"{keys[-1]} is the last", any(not each.fits for each in full)
        case Form(need=need):
            for name in need if requests else ():
                yield f"{name} is needed", any(not reads(codec.get(name), json) for json in refused)
        case With(fixed=Fixed(path=path, json=constant)):
            said = [pluck(json, path_of(path)) for json in refused]
            yield f"{path} is {constant}", MISSING in said and any(word not in (MISSING, constant) for word in said)
        case Either(first=option):
            yield f"{place}: said in one way", any(reads(option, json) for json in took)
            yield f"{place}: said in another way", any(not reads(option, json) for json in took)
        case (
            Anything()
            | Each()
            | First()
            | Hosted()
            | Only()
            | Link()
            | Money()
            | Pair()
            | Reason()
            | Sides()
            | Tagged()
            | Text()
            | Trail()
        ):
            pass  # what they state lies in their parts, or is a kind of value and no bound
        case _:
            yield f"{place}: {type(codec).__name__} is a codec whose facts this test does not know", False
    if requests and isinstance(codec, Text | Link | Hosted | Whole | Flag | Colour):
        yield f"{place}: another kind of value is refused", any(json not in (None, MISSING) for json in refused)


def facts_of_space(model: Model, fitting: list[Sample], others: list[Sample]) -> Iterator[Fact]:
    """Every size that a model states, and whether a sample shows it with its pixels."""
    taken = [(values_of(each)["size"], set(each.pixels)) for each in fitting if "size" in each.means]
    refused = [each.means["size"] for each in others if "size" in each.means]
    match model.sizes:
        case Grid() as grid:
            for point in grid:
                yield f"{point.choice} is {point.expected}", (point.choice, set(point.expected)) in taken
        case Ratios(names=names):
            for name in names:
                yield f"{name} is a ratio of unknown pixels", (name, set()) in taken
        case Canvas(width=width, height=height):
            for place, sides in ((0, width), (1, height)):
                name = ("width", "height")[place]
                said = {size[place] for size, pixels in taken if pixels == {size}}
                for side in (sides[0], sides[0] + sides.step, sides[-1]):
                    yield f"canvas {name} {side} is taken", side in said
                for side in (sides[0] - 1, sides[-1] + 1):
                    yield f"canvas {name} {side} is refused", side in {size[place] for size in refused}
        case _:
            yield f"{type(model.sizes).__name__} is a space whose facts this test does not know", False
    places = {place[0] for place in model.form.get("size").places()}
    silent = [set(each.pixels) for each in fitting if places.isdisjoint(each.body)]
    usual = () if model.sizes.default is None else model.sizes.point(model.sizes.default).expected
    yield f"{model.sizes.default} by default", set(usual) in silent


def facts_of_model(model: Model, samples: tuple[Sample, ...]) -> Iterator[Fact]:
    requests = [each for each in samples if each.of == "request" and each.model == model.name]
    logs: Logs = {}
    watched = watch(model.request, logs)
    for sample in requests:
        reads(watched, sample.body)
    for (place, codec), log in logs.items():
        yield from facts_of_codec(place, codec, log, requests)
    yield from facts_of_space(
        model, [each for each in requests if each.fits], [each for each in requests if not each.fits]
    )
    done = [each for each in samples if each.means.get("state") == "completed"]
    if model.duration is not None:
        yield f"duration is {model.duration}", any(model.duration in numbers(each.body) for each in done)
    if model.price is not None:
        shown = {each.pixels[0]: each.price for each in requests if each.price is not None}
        for pixels in ((1024, 1024), (2048, 2048)):
            price = model.price.of(pixels, 0)
            yield f"{pixels} costs {price}", price is not None and price == Decimal(shown.get(pixels, -1))
    if model.delivers is not None:
        links = [urlsplit(image["url"]).path for each in done for image in each.means["images"]]
        yield (
            f"delivers {model.delivers}",
            any(format_named(link.rpartition(".")[2]) == model.delivers for link in links),
        )


def facts_of_upload(provider: Provider, samples: tuple[Sample, ...]) -> Iterator[Fact]:
    """Every fact of an upload, and whether a sample shows it."""
    upload = provider.upload
    assert upload is not None
    calls = [each for each in samples if each.of == "call" and each.phase == "upload"]
    yield "where and with which key to upload", bool(calls)
    loads = [each for each in samples if each.of == "upload"]
    taken = {each.means["media_type"] for each in loads if each.fits}
    for name in upload.formats:
        yield f"upload: {name} is taken", TYPES[name] in taken
    yield "upload: another type is refused", any(each.means for each in loads if not each.fits)
    if upload.field is not None:
        yield f"upload: the field is {upload.field}", any([upload.field] == [*each.body] for each in loads if each.fits)
        yield "upload: another field is refused", any(upload.field not in each.body for each in loads if not each.fits)
    for codec, said in ((upload.ticket, "upload"), (upload.answer, "uploaded")):
        logs: Logs = {}
        watched = None if codec is None else watch(codec, logs)
        for sample in samples if watched else ():
            if sample.of == said:
                reads(watched, sample.body)
        for (place, inner), log in logs.items():
            yield from ((f"{said}: {fact}", shown) for fact, shown in facts_of_codec(place, inner, log, []))
    if upload.most is not None:
        refused = [each for each in samples if (each.of, each.phase, each.status) == ("refused", "upload", 413)]
        yield f"upload: at most {upload.most}", any(str(upload.most) in each.means["message"] for each in refused)
    lives = [each.means.get("life") for each in samples if each.of == "uploaded"]
    yield f"upload life is {upload.life}", upload.life in lives


def facts_of(provider: Provider) -> dict[str, bool]:
    """Every fact of a declaration, and whether a sample shows it."""
    facts: dict[str, bool] = {}
    for fact, shown in each_fact_of(provider):  # a form that is read at two places states its facts twice
        facts[fact] = shown or facts.get(fact, False)
    return facts


def each_fact_of(provider: Provider) -> Iterator[Fact]:
    samples = samples_of(provider)
    for model in provider.models:
        yield from ((f"{model.name}: {fact}", shown) for fact, shown in facts_of_model(model, samples))
        for phase in ("submit", "poll"):
            calls = [each for each in samples if each.of == "call" and each.model == model.name and each.phase == phase]
            yield f"{model.name}: where and with which key to {phase}", any(each.fits for each in calls)
    forms: dict[Any, list[str]] = {}  # what reads a poll is often what reads the answer to a submit
    for codec, kinds in (
        (provider.accepted, ["accepted"]),
        (provider.polled, ["polled"]),
        *(() if provider.webhook is None else [(provider.webhook.event, ["webhook"])]),
        (provider.error, ["refused"]),
    ):
        forms.setdefault(codec, []).extend(kinds)
    for codec, kinds in forms.items():
        logs: Logs = {}
        watched = watch(codec, logs)
        for sample in samples:
            if sample.of in kinds:
                reads(watched, sample.body)
        for (place, inner), log in logs.items():
            yield from ((f"{kinds[0]}: {fact}", shown) for fact, shown in facts_of_codec(place, inner, log, []))
    yield from facts_of_upload(provider, samples) if provider.upload is not None else ()
    if provider.webhook is not None:
        yield from facts_of_webhook(provider.webhook, [each for each in samples if each.of == "webhook"])
    words = {each.means.get("status"): each.means["state"] for each in samples if "state" in each.means}
    for word, state in provider.statuses:
        yield f"{word} is {state}", words.get(word) == state
    for table, rows, phase in (("refusals", provider.refusals, "submit"), ("not_found", provider.not_found, "poll")):
        shown = [(each.status, each.means["error"]) for each in samples if each.of == "refused" and each.phase == phase]
        for row in rows:
            yield f"{table} {row.status} is {row.error.__name__}", (row.status, row.error.__name__) in shown
    for word, status in provider.answers.items():
        yield (
            f"{word} comes with {status}",
            status in {each.status for each in samples if each.means.get("status") == word},
        )
    given = {origin(each.means["poll_url"]) for each in samples if "poll_url" in each.means}
    for place in provider.origins:
        yield f"{place} is given to poll", any(fnmatch(each, place) for each in given)
    if provider.request_id is not None:
        yield f"{provider.request_id} names an exchange", any(provider.request_id in each.headers for each in samples)
    if provider.link_life is not None:
        ends = [(image.get("expires_at"), each.body) for each in samples for image in each.means.get("images", ())]
        lives = [end - provider.link_life in numbers(body) for end, body in ends if end is not None]
        yield f"link_life is {provider.link_life}", any(lives)


def facts_of_webhook(webhook: Webhook, samples: list[Sample]) -> Iterator[Fact]:
    """How a service reports by itself, and whether a sample shows it."""
    match webhook.signature:
        case StandardWebhook(keys=keys):
            proofs = {each.headers.get("webhook-signature") for each in samples}
            for key in keys:
                yield f"webhook is signed with the secret as {key}", f"v1,{{{key}}}" in proofs
        case HexHMAC(header=header, prefix=prefix):
            proofs = {each.headers.get(header) for each in samples}
            yield f"webhook is signed in {header} behind {prefix}", f"{prefix}{{hex}}" in proofs
        case Unsigned():
            yield "webhook is not signed", any(not each.headers for each in samples)
        case _:
            yield f"{type(webhook.signature).__name__} is a signature whose facts this test does not know", False
    yield f"webhook has the suffix {webhook.suffix}", any(each.call.endswith(webhook.suffix) for each in samples)
    runs = any(each.means["state"] in ("created", "running") for each in samples)
    yield f"webhook comes at every change: {webhook.every}", bool(samples) and runs is webhook.every
    if webhook.timeout is not None:
        yield f"webhook timeout is {webhook.timeout}", False
    if webhook.retries:
        yield f"webhook retries are {webhook.retries}", False


def test_facts_are_not_all_shown_by_an_empty_file() -> None:
    facts = facts_of(attrs.evolve(MAGNIFIC, samples=None))
    assert len(facts) > 100
    assert not any(facts.values())


@each_provider
def test_every_fact_is_shown_by_a_sample(provider: Provider) -> None:
    unshown = {fact for fact, shown in facts_of(provider).items() if not shown}
    assert UNSAMPLED[provider.name].keys() == unshown


@each_provider
def test_every_part_that_a_declaration_has_is_walked(provider: Provider) -> None:
    # These the samples cannot show yet, for no bundled service has them: whoever declares one adds its facts above.
    assert (None, None) == (provider.result, provider.resulted)


@each_provider
def test_every_sample_says_where_it_is_from(provider: Provider) -> None:
    for sample in samples_of(provider):
        match sample.sure:
            case "vendor's page" | "documented":
                assert sample.source.startswith((provider.source, *ALSO_ITS_OWN.get(provider.name, ())))
            case "observed":
                assert "recorded from the live service" == sample.source
            case "third party":
                assert "other clients of the service" == sample.source
            case _:
                assert sample.note or sample.name.endswith("resolution alone"), sample.name


# The form of the file.

SAMPLE = {
    "of": "polled",
    "name": "a task runs",
    "source": "https://docs.example.com",
    "date": "2026-06",
    "sure": "documented",
    "body": {"status": "busy"},
    "means": {"state": "running"},
}
REQUEST = {**SAMPLE, "of": "request", "model": "flux", "means": {"prompt": "a cat"}}
UPLOAD = {**SAMPLE, "of": "upload", "phase": "upload", "means": {"media_type": "image/png"}}
UPLOADED = {**SAMPLE, "of": "uploaded", "phase": "upload", "means": {"url": "https://a.example/1.png"}}
CALL = {**SAMPLE, "of": "call", "model": "flux", "means": {}, "body": None, "call": "GET https://api.example.com/{id}"}


@pytest.mark.parametrize(
    "row",
    [SAMPLE, REQUEST, CALL, {**CALL, "model": None, "phase": "upload"}, UPLOAD, {**UPLOAD, "means": {}}, UPLOADED],
    ids=["answer", "request", "call", "call to upload", "upload", "upload that means nothing", "uploaded"],
)
def test_samples_load(row: dict[str, Any]) -> None:
    (sample,) = load_samples(json.dumps({"samples": [row]}))
    assert (row["of"], row["body"]) == (sample.of, sample.body)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({**SAMPLE, "source": ""}, "source"),
        ({name: value for name, value in SAMPLE.items() if name != "source"}, "source"),
        ({name: value for name, value in SAMPLE.items() if name != "date"}, "date"),
        ({**SAMPLE, "date": "last summer"}, "date"),
        ({**SAMPLE, "date": "2026-6"}, "date"),
        ({**SAMPLE, "sure": "rumour"}, "sure"),
        ({**SAMPLE, "of": "hearsay"}, "of"),
        ({**SAMPLE, "phase": "download"}, "phase"),
        ({**SAMPLE, "status": 20}, "status"),
        ({**SAMPLE, "status": "200"}, "not supported"),
        ({**SAMPLE, "fits": "no"}, "fits"),
        ({**SAMPLE, "colour": "red"}, "colour"),
        ({**SAMPLE, "means": {}}, "polled means state"),
        ({**SAMPLE, "headers": []}, "headers are objects"),
        ({**SAMPLE, "of": "refused"}, "refused means error, retry, charged"),
        ({**SAMPLE, "body": None}, "has a body"),
        ({**SAMPLE, "fits": False, "field": "seed"}, "only what is sent or refused"),
        ({**SAMPLE, "pixels": [[1, 1]]}, "pixels"),
        ({**SAMPLE, "price": "0.03"}, "a price"),
        ({**REQUEST, "price": 0.03}, "float"),
        ({**REQUEST, "price": "3 credits"}, "price"),
        ({**SAMPLE, "call": "GET https://api.example.com/"}, "has an address"),
        ({**REQUEST, "model": None}, "those of a model"),
        ({**REQUEST, "fits": False}, "field names what is at fault"),
        ({**REQUEST, "field": "seed"}, "field names what is at fault"),
        ({**REQUEST, "fits": False, "field": "seed", "pixels": [[1, 1]]}, "pixels"),
        ({**REQUEST, "pixels": [[1, 1, 1]]}, "too many values"),
        ({**CALL, "call": ""}, "has an address"),
        ({**CALL, "call": "https://api.example.com/"}, "call"),
        ({**CALL, "body": {}}, "has a body"),
        ({**UPLOAD, "phase": "submit"}, "a phase of its own"),
        ({**UPLOADED, "phase": "poll"}, "a phase of its own"),
        ({**UPLOADED, "means": {}}, "uploaded means url"),
        ({**UPLOADED, "fits": False, "field": "file"}, "only what is sent or refused"),
        ("a task runs", "mapping"),
    ],
)
def test_a_sample_that_is_none_is_refused_by_name(row: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=rf"^sample 0 \((a task runs|None)\): .*{complaint}"):
        load_samples(json.dumps({"samples": [row]}))


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match=r"^sample 1 \(a task runs\): the name is taken"):
        load_samples(json.dumps({"samples": [SAMPLE, SAMPLE]}))


@pytest.mark.parametrize("text", ["{}", "[]", '{"samples": 1}', "not JSON"])
def test_a_file_without_samples_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"samples|Expecting value"):
        load_samples(text)


@pytest.mark.parametrize(
    "resource", ["fluxkit_providers:samples/none.json", "fluxkit_nowhere:samples.json", "fluxkit:py.typed"]
)
def test_samples_that_cannot_be_read_are_named(resource: str) -> None:
    with pytest.raises(PluginError, match=resource):
        samples_of(attrs.evolve(MAGNIFIC, samples=resource))


def test_a_provider_without_samples_has_none() -> None:
    assert () == samples_of(attrs.evolve(MAGNIFIC, samples=None))


@each_provider
def test_answers_are_the_samples_without_what_is_sent(provider: Provider) -> None:
    told = [each.name for each in samples_of(provider) if each.of not in ("call", "request", "upload")]
    assert told == [each.name for each in answers_of(provider)]


def test_faces_of_a_service_share_all_but_their_address() -> None:
    magnific, freepik = samples_of(MAGNIFIC), samples_of(FREEPIK)
    shared = set(magnific) & set(freepik)
    assert {"aside", "call"} == {each.of for each in {*magnific, *freepik} - shared}
    assert {each.of for each in shared} == {
        "request",
        "accepted",
        "polled",
        "webhook",
        "refused",
        "upload",
        "uploaded",
    }

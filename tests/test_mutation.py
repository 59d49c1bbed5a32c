"""Every fact of every bundled declaration, made wrong one at a time: the checks must notice, but for those named here.

A mock that is made from a wrong declaration agrees with a client that is made from the same. So the promises are not
believed because the right declarations keep them: each fact is made wrong, on the client's side, on the mock's, and on
both alike, and what nothing notices is listed with the reason. The lists are compared for equality: a survivor more is
a fact without evidence, and one less has evidence now and must leave the list.
"""

import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from shapes.fal import FAL
from shapes.openai import OPENAI
from shapes.replicate import REPLICATE

from fluxkit._wire.samples import samples_of
from fluxkit.errors import FluxError, OutOfCredit, RateLimited
from fluxkit.provider import At, Flag, Form, Provider, State, Text, Whole
from fluxkit.testing.checks import BOTH, CHECKS, CLIENT, MOCK, broken
from fluxkit.testing.mutants import Mutant, distinct, mutants, telling
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

Survivors = dict[str, list[str]]


def each(places: list[str], *changes: str) -> list[str]:
    return [f"{place}{change}" for place in places for change in changes]


MODELS = [f"models[{place}]" for place in range(7)]
#: The models of which only ratios are known.
RATIOS = MODELS[3:]
GENERATED = "fields.images.inner.inner.fields"


def swapped(places: list[str], count: int) -> list[str]:
    """Neighbours of *count* items in each of the places."""
    return [f"{place}: [{turn}] and [{turn + 1}] swapped" for place in places for turn in range(count - 1)]


#: What no check notices on Magnific and Freepik, and why.
MAGNIFIC_SURVIVORS: Survivors = {
    "a size is always said: its parts have defaults": each(MODELS[:5], ".request.need: also 'size'"),
    "a ratio that the form cannot say": each(RATIOS, ".sizes.names: also '4:55'"),
    "the form says which ratio is usual, too": each(RATIOS, ".sizes.default: left out"),
    "the space says the bounds of a side, too": each(
        ["models[1].request.fields.size.first.inner.", "models[1].request.fields.size.second.inner."],
        "first: 256 -> 255",
        "first: left out",
        "last: 1440 -> 1441",
        "last: left out",
    ),
    "order is no fact: of formats, of choices, of models with names of their own, of refusals that mean other things": [
        *swapped(["models"], 7),
        *swapped([f"{model}.sizes.names" for model in RATIOS], 10),
        *swapped([f"{model}.request.fields.styling.inner.fields.colors.inner.inner.need" for model in MODELS[5:]], 2),
        *swapped(["upload.formats"], 3),
        "models[0].request.fields.references.inner.formats: [0] and [1] swapped",
        "models[0].sizes.inferred: [0] and [1] swapped",
        "models[0].sizes.inferred: [1] and [2] swapped",
        "models[1].request.fields.references.inner.formats: [0] and [1] swapped",
        "models[1].request.fields.references.inner.formats: [1] and [2] swapped",
        "refusals: [1] and [2] swapped",
    ],
    "makes the same pixels of every preset: doubled, each reaches the limit, which is then aligned downwards": [
        "models[0].sizes.tables.2K.times: 2 -> 3",
        "models[0].sizes.tables.2K.most: 2048 -> 2049",
    ],
    "the page says sub-second and nothing more": each(["models[0].duration: "], "1.0 -> 0.0", "1.0 -> 2.0", "left out"),
    "where to submit or to upload is never given by an answer, so the flag means nothing there": [
        "submit.given: False -> True",
        "upload.route.given: False -> True",
        "listing.route.given: False -> True",
    ],
    "a submit is answered in the form of a poll, but no recorded answer holds an image or a reason": [
        *each(
            ["accepted.first.inner.", "accepted.second."],
            "fields: without images",
            "fields: imagess in place of images",
            "fields.images.path: 'generated' -> 'generatedd'",
            f"{GENERATED}: without url",
            f"{GENERATED}: urll in place of url",
            f"{GENERATED}.url.path: '' -> 'x'",
            f"{GENERATED}.url.inner: Link -> Text",
            "fields: without reason",
            "fields: reasonn in place of reason",
            "fields.reason.path: 'error' -> 'errorr'",
            "fields.reason.inner: Reason -> Text",
        ),
        "accepted.second.fields.images.inner: Each -> inner",
        "accepted.second.fields: images and reason swapped",
    ],
    "an empty path is here, with an At or without": each(
        ["accepted.first.inner.", "accepted.second.", "polled.first.inner.", "polled.second.", "webhook.event."],
        f"{GENERATED}.url: At -> inner",
    ),
    "no answer is recorded in which a link is none": [
        *each(["polled.first.inner.", "polled.second.", "webhook.event."], f"{GENERATED}.url.inner: Link -> Text"),
        *each(["upload.answer.inner.inner.fields."], "put.inner: Link -> Text", "url.inner: Link -> Text"),
    ],
    "whoever reads a complaint asks for a message or for fields, needed or not": [
        "error.first.need[0]: without 'message'",
        "error.second.inner.need[0]: without 'message'",
    ],
    "the only complaint that is recorded within problem has fields, and dots for their names and reasons": [
        "error.second.inner.need: also 'fields'",
        "error.second.inner.fields.fields.inner.inner.fields: name and reason swapped",
    ],
    "402 means out of credit without this row, which says that it is this service's status for that": [
        "refusals[0].type: '' -> 'x'",
        "refusals[0].text: '' -> 'x'",
    ],
    "no page says it; the only recorded link names its end and not its beginning": each(
        ["link_life: "], "3600.0 -> 3599.0", "3600.0 -> 3601.0", "left out"
    ),
    "words for people": each(
        ["source: "],
        "'https://docs.magnific.com/api-reference' -> 'https://docs.magnific.com/api-referencee'",
        "left out",
    ),
}
A_NAME = "fluxkit's own name for the service"

SURVIVORS: dict[str, Survivors] = {
    "magnific": {A_NAME: ["name: 'magnific' -> 'magnificc'"], **MAGNIFIC_SURVIVORS},
    "freepik": {A_NAME: ["name: 'freepik' -> 'freepikk'"], **MAGNIFIC_SURVIVORS},
    "apimart": {
        A_NAME: ["name: 'apimart' -> 'apimartt'"],
        "a size is always said: its parts have defaults": each(MODELS[:2], ".request.inner.need: also 'size'"),
        "order is no fact: of models with names of their own, of formats": [
            *swapped(["models"], 2),
            *swapped(["upload.formats"], 4),
        ],
        "no route of the service names the model": [
            "models[0].path: 'flux-2-flex' -> 'flux-2-flexx'",
            "models[1].path: 'flux-2-pro' -> 'flux-2-proo'",
        ],
        "the mock makes a PNG where nothing is said": each(MODELS[:2], ".delivers: left out"),
        "where to submit or to upload is never given by an answer, so the flag means nothing there": [
            "submit.given: False -> True",
            "upload.route.given: False -> True",
            "balance.route.given: False -> True",
        ],
        "without end the balance is -1: no other number below 0 is recorded, and none from 0 reads in two ways": each(
            ["balance.answer.inner.fields.balance.inner."],
            "first: swapped with second",
            *each(["second.first: "], "-1 -> -2", "left out"),
            *each(["second.last: "], "-1 -> 0", "left out"),
        ),
        "no answer is recorded in which a link is none": [
            *each(
                [f"polled.inner.{GENERATED}.url.inner.", f"webhook.event.{GENERATED}.url.inner."],
                "first.inner: Link -> Text",
                "second: Link -> Text",
            ),
            "upload.answer.fields.url.inner: Link -> Text",
        ],
        "the page says for how long an upload lives, and no recorded answer does": each(
            ["upload.life: "], "259200.0 -> 259199.0", "259200.0 -> 259201.0", "left out"
        ),
        "the page says these times in words, and no exchange shows them": [
            *each(["webhook.timeout: "], "10.0 -> 9.0", "10.0 -> 11.0", "left out"),
            *each(["webhook.retries"], ": left out", ": [0] and [1] swapped", ": [1] and [2] swapped"),
            *each(["webhook.retries[0]: "], "10.0 -> 9.0", "10.0 -> 11.0", "without 10.0"),
            *each(["webhook.retries[1]: "], "30.0 -> 29.0", "30.0 -> 31.0", "without 30.0"),
            *each(["webhook.retries[2]: "], "60.0 -> 59.0", "60.0 -> 61.0", "without 60.0"),
        ],
        "whoever reads a complaint asks for a message or for fields, needed or not": [
            "error.inner.need[0]: without 'message'"
        ],
        "the service is documented to say 400; other hosts that resell it may say 404": each(
            ["not_found[1]"],
            ": without Refusal",
            ".status: 404 -> 403",
            ".status: 404 -> 405",
            ".error: Vanished -> Failed",
            ".error: Vanished -> Cancelled",
            ".type: '' -> 'x'",
            ".text: '' -> 'x'",
        ),
        "no exchange shows it, and the pages of the models promise none of it: to trust it is the user's word": each(
            ["idempotency"],
            ": left out",
            ".header: 'Idempotency-Key' -> 'Idempotency-Keyy'",
            ".life: 86400.0 -> 86399.0",
            ".life: 86400.0 -> 86401.0",
            ".replayed: 'Idempotency-Replayed' -> 'Idempotency-Replayedd'",
            *each([".busy.status: ", ".reused.status: "], "409 -> 408", "409 -> 410"),
            ".busy.error: RateLimited -> Broken",
            ".busy.error: RateLimited -> Rejected",
            ".busy.type: 'idempotency_in_progress' -> 'idempotency_in_progresss'",
            ".reused.error: Rejected -> RateLimited",
            ".reused.error: Rejected -> OutOfCredit",
            ".reused.type: 'idempotency_key_reused' -> 'idempotency_key_reusedd'",
            *each([".busy.", ".reused."], "type: left out", "text: '' -> 'x'"),
        ),
        "words for people": each(["source: "], "'https://docs.apimart.ai' -> 'https://docs.apimart.aii'", "left out"),
    },
}

SIZED, KONTEXT = MODELS[:5], MODELS[5:]

SURVIVORS["bfl"] = {
    A_NAME: ["name: 'bfl' -> 'bfll'"],
    "order is no fact: of models, of formats, of ways to say an image of which only one fits, of ratios": [
        *swapped(["models"], 7),
        *swapped([f"{model}.request.fields.references.inner.first.formats" for model in MODELS], 3),
        *each(MODELS, ".request.fields.references.inner.first: swapped with second"),
        *swapped([f"{model}.sizes.names" for model in KONTEXT], 11),
    ],
    "no page says how long a side may be": each(
        SIZED, ".sizes.width.stop: 16384 -> 16400", ".sizes.height.stop: 16384 -> 16400"
    ),
    "no sides in multiples of 16 have one pixel more": each(SIZED, ".sizes.max_pixels: 4194304 -> 4194305"),
    "a ratio that the form cannot say, and one that the space does not have": each(
        KONTEXT, ".sizes.names: also '9:211'", ".request.fields.size.inner: Words -> Text"
    ),
    "where to submit is never given by an answer, so the flag means nothing there": [
        "submit.given: False -> True",
        "balance.route.given: False -> True",
    ],
    "no answer is recorded in which a link is none": [
        "accepted.fields.poll_url.inner: Link -> Text",
        "webhook.accepted.fields.webhook_url.inner: Link -> Text",
        *each(["polled.", "webhook.event."], f"{GENERATED}.url.inner: Link -> Text"),
    ],
    "an empty path is here, with an At or without": each(
        ["polled.", "webhook.event."], f"{GENERATED}.url: At -> inner"
    ),
    "what else than reasons for moderation an answer may hold in details is not documented": [
        "polled.fields.reason: Either -> first",
        *each(["polled.fields.reason.second."], "path: 'details' -> 'detailss'", "inner: Reason -> Text"),
    ],
    "no webhook is recorded whose message is no text": ["webhook.event.fields.reason.inner: Reason -> Text"],
    "whoever reads a complaint asks for a message or for fields, needed or not; none has both": [
        "error.first: swapped with second",
        "error.first.need[0]: without 'fields'",
        "error.second.need[0]: without 'message'",
    ],
    "403 and 422 mean that without these rows, which say that they are this service's statuses for it": each(
        ["refusals[0].", "refusals[2]."], "type: '' -> 'x'", "text: '' -> 'x'"
    ),
    "the client asks only for the status, and the mock takes it from the sample": [
        "answers: Task not foundd in place of Task not found"
    ],
    "no client reads the status in the answer to a submit, and the mock takes it from the sample": each(
        ["webhook.accepted.fields: "], "without status", "statuss in place of status"
    ),
    "no address is recorded to which the key may not go": ["origins: also 'https://api.*.bfl.aii'"],
    "the page says ten minutes in words": each(["link_life: "], "600.0 -> 599.0", "600.0 -> 601.0", "left out"),
    "the page says these times in words, and no exchange shows them": [
        *each(["webhook.retries"], ": left out", ": [0] and [1] swapped", ": [1] and [2] swapped"),
        *each(["webhook.retries[0]: "], "1.0 -> 0.0", "1.0 -> 2.0", "without 1.0"),
        *each(["webhook.retries[1]: "], "5.0 -> 4.0", "5.0 -> 6.0", "without 5.0"),
        *each(["webhook.retries[2]: "], "30.0 -> 29.0", "30.0 -> 31.0", "without 30.0"),
    ],
    "words for people": each(["source: "], "'https://docs.bfl.ai' -> 'https://docs.bfl.aii'", "left out"),
}

#: What is noticed where only one side has it wrong: an upload is fetched as long as the client believes that it lives.
AGREED = {name for row in SURVIVORS["apimart"].values() for name in row if name.startswith("upload.life")}

PROVIDERS = (MAGNIFIC, FREEPIK, APIMART, BFL)
each_provider = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)


def planted(provider: Provider) -> Iterator[Mutant]:
    """The mutants of a declaration; of a second face of a service, those of what it does not share with the first."""
    return distinct(provider, unlike=MAGNIFIC if provider is FREEPIK else None)


def expected(provider: Provider, names: set[str]) -> set[str]:
    """The survivors that are named for a declaration, of those that were planted."""
    return names & {name for row in SURVIVORS[provider.name].values() for name in row}


def test_a_survivor_is_named_once_and_is_planted() -> None:
    for provider in PROVIDERS:
        names = [name for row in SURVIVORS[provider.name].values() for name in row]
        assert len(names) == len(set(names))
        assert {name for name, _ in mutants(provider)}.issuperset(names)


@each_provider
def test_the_page_says_how_many_are_planted_and_noticed(provider: Provider) -> None:
    names = {name for name, _ in planted(provider)}
    noticed = len(names) - len(expected(provider, names))
    page = (Path(__file__).parents[1] / "docs" / "explanation.md").read_text("utf-8")
    assert f"| `{provider.name}` | {len(names)} | {noticed} |" in page


@each_provider
def test_a_right_declaration_breaks_no_promise(provider: Provider) -> None:
    assert broken((*CLIENT, *MOCK, *BOTH), provider, provider, samples_of(provider)) is None


@each_provider
def test_what_can_tell_of_a_wrong_model_are_all_samples_but_requests_for_others(provider: Provider) -> None:
    samples = samples_of(provider)
    assert samples == telling(samples, provider, "poll.path: something")
    for number, model in enumerate(provider.models):
        told = telling(samples, provider, f"models[{number}].sizes: something")
        left = [each for each in samples if each not in told]
        assert [] == [each.name for each in left if each.of != "request" or each.model in (model.name, model.path)]
        assert {each.model for each in samples} == {each.model for each in told}


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.parametrize("share", [4, pytest.param(1, marks=pytest.mark.deep)])
@each_provider
def test_a_fact_that_is_wrong_on_both_sides_is_noticed_but_these(provider: Provider, share: int) -> None:
    """Client and mock are made from the same wrong declaration: only the samples can tell.

    All mutants take minutes, so one in four, the same ones on every run, stands for them until the deep run.
    """
    samples, names, survivors = samples_of(provider), set(), set()
    for name, mutant in planted(provider):
        if zlib.crc32(name.encode()) % share:
            continue
        names.add(name)
        if broken((*CLIENT, *MOCK, *BOTH), mutant, mutant, telling(samples, provider, name)) is None:
            survivors.add(name)
    assert expected(provider, names) == survivors


@pytest.mark.deep
@each_provider
def test_a_fact_that_is_wrong_on_one_side_is_noticed_but_these(provider: Provider) -> None:
    """A wrong client against a right mock, and a right client against a wrong mock: what one side has no use for is
    noticed on the other. Left to the deep run, for all mutants of all faces take a minute."""
    samples, names, survivors = samples_of(provider), set(), set()
    for name, mutant in mutants(provider):
        names.add(name)
        told = telling(samples, provider, name)
        client = broken((*CLIENT, *BOTH), mutant, provider, told)
        if client is None and broken((*MOCK, *BOTH), provider, mutant, told) is None:
            survivors.add(name)
    assert expected(provider, names) - AGREED == survivors


def mutant_of(provider: Provider, name: str) -> Provider:
    return dict(mutants(provider))[name]


def test_only_samples_notice_what_both_sides_have_wrong_alike() -> None:
    samples, mutant = samples_of(APIMART), mutant_of(APIMART, "models[0].sizes.tables.1K.16:9[0]: 1920 -> 1921")
    assert broken(BOTH, mutant, mutant, samples) is None
    assert "check_both_make_once_what_is_asked" == broken(BOTH, mutant, APIMART, samples)
    assert "check_client_expects_the_pixels_of_the_service" == broken(CLIENT, mutant, mutant, samples)
    assert "check_mock_takes_what_fits" == broken(MOCK, mutant, mutant, samples)


#: For each check a fact that it notices wrong: on which side, of which declaration.
NOTICED = {
    "check_client_calls_where_the_service_listens": (MAGNIFIC, "key.form: left out"),
    "check_client_reads_what_an_answer_means": (APIMART, "statuses.pending: created -> running"),
    "check_client_asks_where_it_is_told": (BFL, "origins[0]: without 'https://api.*.bfl.ai'"),
    "check_client_believes_a_webhook_that_is_proved": (MAGNIFIC, "webhook.signature.keys[0]: without 'text'"),
    "check_client_reads_what_a_refusal_means": (APIMART, "not_found[0]: without Refusal"),
    "check_client_reads_what_a_refusal_says": (APIMART, "error.inner.fields: without type"),
    "check_client_asks_for_what_a_request_means": (
        MAGNIFIC,
        "models[1].request.fields.seed.inner.last: 4294967295 -> 4294967294",
    ),
    "check_client_writes_a_request_as_documented": (
        APIMART,
        "models[0].request.inner.fields.size.second.inner.table.2K: [0] and [1] swapped",
    ),
    "check_client_expects_the_pixels_of_the_service": (MAGNIFIC, "models[0].sizes.tables.2K.down: True -> False"),
    "check_client_knows_the_price_of_the_list": (BFL, "models[1].price.further: Decimal('3') -> Decimal('4')"),
    "check_client_takes_the_usual_size_where_none_is_wanted": (
        MAGNIFIC,
        "models[1].sizes.default: [0] and [1] swapped",
    ),
    "check_client_refuses_what_the_service_refuses": (
        APIMART,
        "models[1].request.inner.fields.references.inner.most: 8 -> 9",
    ),
    "check_client_takes_the_nearest_where_any_size_will_do": (
        MAGNIFIC,
        "models[1].sizes.width.start: 256 -> 255",
    ),
    "check_client_uploads_what_the_service_takes": (APIMART, "upload.formats[3]: without 'gif'"),
    "check_client_reads_where_an_upload_lies": (MAGNIFIC, "upload.life: 86400.0 -> 86401.0"),
    "check_client_knows_what_can_be_asked_beside_tasks": (MAGNIFIC, "listing.route.method: 'GET' -> 'POST'"),
    "check_mock_tells_what_can_be_asked_beside_tasks": (APIMART, "balance.answer.fixed.path: 'success' -> 'successs'"),
    "check_client_knows_how_large_an_upload_may_be": (APIMART, "upload.most: 20971520 -> 20971521"),
    "check_mock_answers_in_the_shape_of_the_service": (MAGNIFIC, "accepted.first: swapped with second"),
    "check_mock_answers_a_submit_with_a_webhook_as_the_service_does": (BFL, "webhook.accepted: left out"),
    "check_mock_refuses_as_the_service_does": (MAGNIFIC, "error.first: swapped with second"),
    "check_mock_refuses_a_key_in_the_wrong_place": (MAGNIFIC, "key: left out"),
    "check_mock_has_the_words_for_each_refusal": (MAGNIFIC, "refusals: [0] and [1] swapped"),
    "check_mock_refuses_what_does_not_fit": (MAGNIFIC, "models[0].request.need[0]: without 'prompt'"),
    "check_mock_takes_what_fits": (MAGNIFIC, "models[0].request.fields.safety_tolerance.default: 2 -> 3"),
    "check_mock_bills_the_price_of_the_list": (BFL, "models[1].price: left out"),
    "check_mock_tasks_take_as_long_as_shown": (APIMART, "models[1].duration: 19.0 -> 20.0"),
    "check_mock_links_live_as_long_as_shown": (APIMART, "link_life: 86400.0 -> 86401.0"),
    "check_mock_images_have_the_format_that_is_shown": (MAGNIFIC, "models[0].delivers: left out"),
    "check_mock_keeps_what_is_uploaded": (APIMART, "upload.answer.fields.size.path: 'bytes' -> 'bytess'"),
    "check_mock_uploads_live_as_long_as_shown": (MAGNIFIC, "upload.life: 86400.0 -> 86401.0"),
    "check_mock_refuses_what_cannot_be_uploaded": (MAGNIFIC, "upload.formats: also 'gif'"),
    "check_mock_refuses_what_is_too_large": (APIMART, "upload.most: 20971520 -> 20971521"),
    "check_mock_reports_as_the_service_does": (APIMART, "webhook.suffix: left out"),
    "check_both_agree_on_refusals": (APIMART, "not_found[0]: without Refusal"),
    "check_both_understand_every_spelling": (MAGNIFIC, "polled: Either -> first"),
    "check_both_follow_links_to_the_image": (APIMART, "link_life: 86400.0 -> 86401.0"),
    "check_both_make_once_what_is_asked": (
        MAGNIFIC,
        "models[0].request.fields.size.first.inner.table: 1:1 and 4:3 swapped",
    ),
    "check_both_follow_a_task_whose_webhook_is_lost": (BFL, "poll.given: False -> True"),
    "check_both_agree_on_uploads": (APIMART, "upload.life: 259200.0 -> 259201.0"),
}


CHECK = {check.__name__: check for check in CHECKS}


def test_every_check_is_shown_to_notice_something() -> None:
    assert NOTICED.keys() == {check.__name__ for check in (*CLIENT, *MOCK, *BOTH)}


@pytest.mark.parametrize("name", NOTICED)
def test_check_notices_a_wrong_fact(name: str) -> None:
    provider, fact = NOTICED[name]
    mutant = mutant_of(provider, fact)
    sides = (provider, mutant) if name.startswith("check_mock") else (mutant, provider)
    with pytest.raises((AssertionError, FluxError)):
        CHECK[name](*sides, samples_of(provider))


# The mutants.


@attrs.frozen
class Toy:
    """A field of every kind that a declaration has, and of a kind that none has yet."""

    flag: bool = attrs.field(default=True)
    number: int = attrs.field(default=0)
    share: float = 0.5
    price: Decimal | None = None
    word: str = "GET"
    state: State = State.CREATED
    error: type[FluxError] = OutOfCredit
    sides: range = range(64, 129, 16)
    pair: tuple[int, int] = (3, 2)
    names: tuple[str, ...] = ()
    table: Any = ()
    answers: Any = attrs.field(factory=dict)
    codec: Any = None
    empty: None = None

    @number.validator
    def _check(self, _field: object, number: int) -> None:
        if number < 0:
            raise ValueError("below 0")


def named(declaration: Any) -> set[str]:
    return {name for name, _ in mutants(declaration)}


def changed(**fields: Any) -> set[str]:
    """The mutants of a toy with these fields, without those of the toy itself."""
    return named(Toy(**fields)) - named(Toy())


def test_single_values_are_wrong_on_either_side() -> None:
    assert {
        "flag: True -> False",
        "number: 0 -> 1",  # -1 is refused by the class
        "share: 0.5 -> -0.5",
        "share: 0.5 -> 1.5",
        "word: 'GET' -> 'GETT'",
        "word: 'GET' -> 'POST'",
        "state: created -> running",
        "state: created -> unknown",
        "sides.start: 64 -> 48",
        "sides.start: 64 -> 80",
        "sides.stop: 129 -> 113",
        "sides.stop: 129 -> 145",
        "sides.step: 16 -> 17",
        "pair[0]: 3 -> 2",
        "pair[0]: 3 -> 4",
        "pair[0]: without 3",
        "pair[1]: 2 -> 1",
        "pair[1]: 2 -> 3",
        "pair[1]: without 2",
        "pair: [0] and [1] swapped",
    } == {name for name in named(Toy()) if not name.startswith("error")}


def test_an_error_becomes_another_of_its_kind() -> None:
    made = {mutant.error for name, mutant in mutants(Toy(error=RateLimited)) if name.startswith("error: RateL")}
    assert len(made) == 2
    assert all(kind.__base__ is RateLimited.__base__ for kind in made)


def test_what_has_a_default_is_left_out() -> None:
    assert {"price: Decimal('2') -> Decimal('1')", "price: Decimal('2') -> Decimal('3')", "price: left out"} == changed(
        price=Decimal(2)
    )


def test_what_another_change_makes_already_is_not_made_twice() -> None:
    assert {"names: also 'aa'", "names[0]: 'a' -> 'aa'", "names[0]: without 'a'"} == changed(names=("a",))


def test_tables_have_their_rows_changed_and_not_their_order() -> None:
    assert {
        "table: without a",
        "table: aa in place of a",
        "table.a: 1 -> 0",
        "table.a: 1 -> 2",
        "table: without b",
        "table: bb in place of b",
        "table.b: 2 -> 1",
        "table.b: 2 -> 3",
        "table: a and b swapped",
        "table: left out",
    } == changed(table=(("a", 1), ("b", 2)))


def test_a_mapping_is_a_table_and_stays_a_mapping() -> None:
    assert {"answers: without a", "answers: aa in place of a", "answers.a: 1 -> 0", "answers.a: 1 -> 2"} == changed(
        answers=MappingProxyType({"a": 1})
    )
    made = [mutant.answers for name, mutant in mutants(Toy(answers={"a": 1})) if name.startswith("answers")]
    assert [{}, {"aa": 1}, {"a": 0}, {"a": 2}] == made


def test_words_of_a_closed_vocabulary_are_joined_by_another_of_it() -> None:
    assert "names: also 'webp'" in changed(names=("jpeg", "png"))
    assert not any("also" in name for name in changed(names=("png", "jpeg", "webp", "gif")))


def test_names_are_joined_by_what_the_instance_says_elsewhere() -> None:
    assert {"need: also 'b'"} <= named(Form({"a": At("a", Text()), "b": At("b", Text())}, need=["a"]))
    assert "names: also ('1:1', '1K')" in changed(names=(("2:3", "1K"),), codec=("1:1", "1K"))


def test_codecs_become_their_parts_or_another_kind() -> None:
    assert {"codec: At -> inner", "codec.inner: Flag -> Text"} <= changed(codec=At("a", Flag()))
    assert "codec: Text -> Whole" in changed(codec=Text())
    assert {"path: 'a' -> 'aa'", "inner: Text -> Whole", "At -> inner"} == named(At("a", Text()))


def test_a_codec_that_nobody_knows_is_changed_like_any_other() -> None:
    @attrs.frozen
    class Sandwich:
        bread: Any
        filling: Any
        slices: int

        read = write = None

    assert {
        "codec.slices: 2 -> 1",
        "codec.slices: 2 -> 3",
        "codec: Sandwich -> bread",
        "codec: Sandwich -> filling",
        "codec.bread: swapped with filling",
        "codec.bread: Text -> Whole",
        "codec.filling: Whole -> Text",
        "codec: left out",
    } == changed(codec=Sandwich(Text(), Whole(), 2))


def test_a_value_of_an_unknown_kind_is_reported() -> None:
    with pytest.raises(TypeError, match="how object can be wrong"):
        list(mutants(Toy(codec=object())))


def test_fields_that_are_equal_in_another_declaration_are_left_alone() -> None:
    assert {"number: 1 -> 0", "number: 1 -> 2"} == {name for name, _ in mutants(Toy(number=1), unlike=Toy())}


@pytest.mark.parametrize("provider", [*PROVIDERS, FAL, OPENAI, REPLICATE], ids=lambda provider: provider.name)
def test_every_mutant_has_a_name_of_its_own_and_differs(provider: Provider) -> None:
    made = list(mutants(provider))
    assert len(made) == len({name for name, _ in made}) > 100
    assert all(mutant != provider for _, mutant in made)
    assert [name for name, _ in made] == [name for name, _ in mutants(provider)]

"""Switches: what the mock does where no page says what a service does, as it is likeliest, and the other way."""

import base64
import json
from io import BytesIO
from typing import Any

import attrs
import httpx
import pytest
from PIL import Image
from shapes.openai import TOGETHER
from shapes.replicate import REPLICATE

import fluxkit
import fluxkit.webhooks
from fluxkit.provider import Provider, StandardWebhook
from fluxkit.testing.exhibits import SMALLEST
from fluxkit_mockserver import SWITCHES, MockService
from fluxkit_mockserver.outlet import Delivery
from fluxkit_mockserver.switches import read_switch, switches_of
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import MAGNIFIC

KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"


@attrs.define(eq=False)
class Shop:
    """A mock of Magnific with its switches set, and whoever calls it."""

    mock: MockService
    taken: list[Delivery] = attrs.field(factory=list)

    def call(self, method: str, path: str = KLEIN, body: Any = None) -> httpx.Response:
        with httpx.Client(transport=self.mock.transport(), headers={"x-magnific-api-key": self.mock.key}) as client:
            return client.request(method, f"http://127.0.0.1{path}", json=body)

    def buy(self, **body: Any) -> httpx.Response:
        return self.call("POST", body={"prompt": "a cat", **body})

    def image(self, **body: Any) -> httpx.Response:
        said = self.buy(**body).json()
        task = said.get("data", said)["task_id"]
        link = self.call("GET", f"{KLEIN}/{task}").json()["data"]["generated"][0]
        with httpx.Client(transport=self.mock.transport()) as client:
            return client.get(link)


def shop(progression: str = "at once", **switches: str) -> Shop:
    named = {name.replace("_", "-").removeprefix("n"): value for name, value in switches.items()}
    made = Shop(MockService([MAGNIFIC], progression=progression, switches=named))
    made.mock.webhooks.connect(lambda delivery: made.taken.append(delivery) or 200)
    return made


def pixels(image: httpx.Response) -> tuple[int, int]:
    with Image.open(BytesIO(image.content)) as opened:
        return opened.size


# What each does


def test_fields_that_a_model_does_not_have_are_refused_or_ignored() -> None:
    assert 400 == shop().buy(colour="red").status_code
    at = shop(extra_fields="ignore")
    assert [200, 400] == [at.buy(colour="red").status_code, at.buy(colour="red", seed="x").status_code]


def test_another_method_is_not_allowed_or_not_found() -> None:
    refused = shop().call("PUT")
    assert (405, "POST, GET", "Method not allowed") == (
        refused.status_code,
        refused.headers["allow"],
        refused.json()["message"],
    )
    assert "POST" == shop(listing="404").call("PUT").headers["allow"]
    assert "GET" == shop().call("DELETE", f"{KLEIN}/none").headers["allow"]
    assert 404 == shop().call("PUT", KLEIN.replace("klein", "none")).status_code
    assert 404 == shop(wrong_method="404").call("PUT").status_code


def test_the_answer_to_a_submit_is_wrapped_or_bare_and_that_to_a_poll_is_wrapped() -> None:
    assert "CREATED" == shop().buy().json()["data"]["status"]
    at = shop(envelope="bare")
    assert {"task_id", "status"} == at.buy().json().keys()
    assert 200 == at.image().status_code


def test_a_400_is_plain_or_wrapped_and_other_refusals_are_plain() -> None:
    assert {"message", "invalid_params"} == shop().buy(seed="x").json().keys()
    at = shop(n400_shape="wrapped")
    refused = at.buy(seed="x").json()
    assert ["seed"] == [each["name"] for each in refused["problem"]["invalid_params"]]
    assert "message" in at.call("GET", f"{KLEIN}/none").json()


def test_a_402_says_nothing_or_why() -> None:
    for at, said in ((shop(), {}), (shop(n402_body="message"), {"message": "Out of credit"})):
        at.mock.fault("402")
        assert said == at.buy().json()


def test_answers_look_as_documented_or_as_observed() -> None:
    assert {"task_id", "status"} == shop().buy().json()["data"].keys()
    said = shop(answers="observed").buy().json()["data"]
    assert {"task_id", "status", "error", "generated"} == said.keys()


def test_a_prompt_that_is_not_allowed_fails_or_is_refused() -> None:
    for at, status, billed in ((shop(), 200, 1), (shop(moderated="submit"), 400, 0)):
        at.mock.fault("moderated")
        assert (status, billed) == (at.buy().status_code, at.mock.billed)


@pytest.mark.parametrize(("value", "billed"), [("billed", 1), ("refunded", 0)])
def test_a_failed_task_is_billed_or_refunded_once_that_is_told(value: str, billed: int) -> None:
    mock = MockService([MAGNIFIC], switches={"failed-tasks": value}, balance=5)
    mock.fault("fail")
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        task = client.submit("a cat")
        assert 1 == mock.billed
        for _ in range(2):
            with pytest.raises(fluxkit.Failed):
                client.wait(task)
    assert (billed, 5 - billed) == (mock.billed, mock.accounts.of("magnific").left)
    assert [value == "refunded"] == [each.refunded for each in mock.charges]
    mock.reset()
    assert 0 == mock.billed


def test_the_sides_of_an_enlarged_preset_are_rounded_down_or_to_the_nearest() -> None:
    asked = {"aspect_ratio": "portrait_2_3", "resolution": "2k"}
    assert (1392, 2048) == pixels(shop().image(**asked))
    assert (1408, 2048) == pixels(shop(rounding="nearest").image(**asked))
    with fluxkit.Client("magnific:flux-2-klein", mock=shop(rounding="nearest").mock) as client:
        assert () == client.generate("a cat", aspect="2:3", resolution="2K").images[0].mismatch


def test_an_image_of_which_no_format_was_asked_is_a_jpeg_or_a_png() -> None:
    assert "image/jpeg" == shop().image().headers["content-type"]
    assert "image/png" == shop(default_format="png").image().headers["content-type"]


def test_an_image_with_what_a_data_uri_begins_with_is_refused_or_taken() -> None:
    bare = base64.b64encode(SMALLEST["image/png"]).decode()
    prefixed = f"data:image/png;base64,{bare}"
    assert [200, 400] == [shop().buy(input_image=each).status_code for each in (bare, prefixed)]
    at = shop(data_prefixes="take")
    assert [200, 200, 400] == [at.buy(input_image=each).status_code for each in (bare, prefixed, "data:,x")]


@pytest.mark.slow
def test_images_in_requests_are_of_any_size_or_bounded() -> None:
    large = base64.b64encode(SMALLEST["image/png"] + bytes(10_000_001)).decode()
    assert 200 == shop().buy(input_image=large).status_code
    refused = shop(reference_size="10MB").buy(input_image=large)
    assert 400 == refused.status_code
    assert "at most 10000000 bytes" in refused.text


@pytest.mark.parametrize(("value", "seconds"), [("declared", 3600), ("10m", 600), ("24h", 86_400)])
def test_links_live_as_long_as_the_switch_says(value: str, seconds: int) -> None:
    at = shop(link_life=value)
    task = at.buy().json()["data"]["task_id"]
    link = at.call("GET", f"{KLEIN}/{task}").json()["data"]["generated"][0]
    for advanced, status in ((seconds - 1, 200), (2, 403)):
        at.mock.clock.advance(advanced)
        with httpx.Client(transport=at.mock.transport()) as client:
            assert status == client.head(link).status_code


@pytest.mark.parametrize("value", ["text", "base64"])
def test_webhooks_are_signed_with_either_form_of_the_secret_and_the_client_takes_both(value: str) -> None:
    at = shop(webhook_key=value)
    at.buy(webhook_url="https://app.example/hooks")
    at.mock.clock.advance(9.0)
    (delivery,) = at.taken
    webhook = attrs.evolve(MAGNIFIC.webhook, signature=StandardWebhook([value]))
    alone = attrs.evolve(MAGNIFIC, webhook=webhook)
    for provider in (MAGNIFIC, alone):
        read = fluxkit.webhooks.read(
            delivery.headers, delivery.body, provider=provider, secret=at.mock.webhook_secret, now=at.mock.clock.now()
        )
        assert "completed" == read.state


@pytest.mark.parametrize(("value", "digits"), [("seconds", 10), ("milliseconds", 13)])
def test_the_time_of_a_webhook_is_in_the_unit_that_is_set(value: str, digits: int) -> None:
    at = shop(webhook_time=value)
    at.buy(webhook_url="https://app.example/hooks")
    at.mock.clock.advance(9.0)
    assert digits == len(at.taken[0].headers["webhook-timestamp"])


@pytest.mark.parametrize(("value", "attempts"), [("none", 1), ("three", 4)])
def test_a_webhook_that_is_not_taken_comes_again_or_does_not(value: str, attempts: int) -> None:
    mock = MockService([MAGNIFIC], progression="at once", switches={"webhook-retries": value})
    mock.webhooks.connect(lambda _: 503)
    Shop(mock).buy(webhook_url="https://app.example/hooks")
    mock.clock.advance(1000.0)
    assert attempts == len(mock.webhooks.sent)


@pytest.mark.parametrize("progression", ["at once", "polls", "seconds"])
@pytest.mark.parametrize(("value", "expected"), [("no", []), ("yes", ["CREATED"])])
def test_the_first_status_is_reported_or_is_not(progression: str, value: str, expected: list[str]) -> None:
    at = shop(progression, webhook_created=value)
    at.buy(webhook_url="https://app.example/hooks")
    at.mock.clock.advance(0.1)
    words = [json.loads(each.body)["status"] for each in at.taken]
    assert expected == [word for word in words if word != "COMPLETED"]


@pytest.mark.parametrize(("value", "word"), [("answer", "Pending"), ("refuse", "Task not found")])
def test_a_task_whose_submit_named_no_address_is_known_at_the_usual_one_or_not(value: str, word: str) -> None:
    mock = MockService([BFL], switches={"unnamed-polls": value})
    with httpx.Client(transport=mock.transport(), headers={"x-key": mock.key}) as client:
        base_url, hook = mock.base_url("bfl"), "https://app.example/hook"
        plain, hooked = (
            client.post(f"{base_url}/v1/flux-2-pro", json={"prompt": "a cat", **more}).json()
            for more in ({}, {"webhook_url": hook})
        )
        assert {"id": hooked["id"], "status": "Pending", "webhook_url": hook} == hooked
        polls = (plain["polling_url"], f"{base_url}/v1/get_result?id={hooked['id']}")
        assert ["Pending", word] == [client.get(poll).json()["status"] for poll in polls]


# Which there are, and how they are set


def test_the_switches_of_a_service_follow_from_its_declaration() -> None:
    assert set(SWITCHES) == {*switches_of(MAGNIFIC), "unnamed-polls"}
    common = ["extra-fields", "wrong-method"]
    assert [*common, "answers", "moderated", "failed-tasks", "reference-size", "link-life"] == [*switches_of(APIMART)]
    assert [*common, "failed-tasks", "reference-size", "link-life", "unnamed-polls"] == [
        each for each in switches_of(BFL) if each != "answers"
    ]
    assert [*common] == [each for each in switches_of(TOGETHER) if each != "answers"]
    assert "webhook-key" not in switches_of(REPLICATE)


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ({}, ("refuse", "refuse")),
        ({"extra-fields": "ignore"}, ("ignore", "ignore")),
        ({"apimart.extra-fields": "ignore"}, ("refuse", "ignore")),
        ({"extra-fields": "ignore", "apimart.extra-fields": "refuse"}, ("ignore", "refuse")),
    ],
)
def test_a_switch_is_set_for_all_services_or_for_one(switches: dict[str, str], expected: tuple[str, str]) -> None:
    mock = MockService([MAGNIFIC, APIMART], switches=switches)
    assert expected == tuple(mock.switches[f"{name}.extra-fields"] for name in mock.providers)


def test_a_service_is_refunding_where_a_task_tells_its_cost_at_its_end() -> None:
    mock = MockService([MAGNIFIC, APIMART, BFL])
    assert ["billed", "refunded", "refunded"] == [mock.switches[f"{each}.failed-tasks"] for each in mock.providers]
    assert "billed" == MockService([BFL], switches={"failed-tasks": "billed"}).switches["bfl.failed-tasks"]


@pytest.mark.parametrize(
    ("switches", "told"),
    [
        (
            {"envelop": "bare"},
            "There is no switch 'envelop'. Did you mean 'envelope'? Allowed: magnific.extra",
        ),
        ({"apimart.envelope": "bare"}, "There is no switch 'apimart.envelope'. Did you mean 'magnific.envelope'?"),
        ({"envelope": "sealed"}, "The switch envelope is 'sealed'. Allowed: wrapped, bare."),
        ({"magnific.envelope": "sealed"}, "The switch magnific.envelope is 'sealed'. Allowed: wrapped, bare."),
    ],
)
def test_a_switch_that_there_is_not_is_named(switches: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError) as caught:
        MockService([MAGNIFIC, APIMART], switches=switches)
    assert told in str(caught.value)


def test_a_switch_is_written_in_a_line() -> None:
    assert ("magnific.envelope", "bare") == read_switch("magnific.envelope=bare")
    for wrong in ("envelope", "=bare", "envelope="):
        with pytest.raises(ValueError, match="Allowed: NAME=VALUE, such as extra-fields=ignore"):
            read_switch(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("provider", [MAGNIFIC, APIMART], ids=lambda each: each.name)
def test_a_client_gets_its_image_however_a_switch_is_set(provider: Provider) -> None:
    model = f"{provider.name}:{provider.models[0].name}"
    for name in switches_of(provider):
        for value in SWITCHES[name].values:
            mock = MockService([provider], switches={name: value})
            with fluxkit.Client(model, mock=mock) as client:
                (image,) = client.generate("a cat").images
            assert image.pixels, (name, value)

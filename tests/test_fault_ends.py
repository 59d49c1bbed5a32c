"""How each fault ends for a user: what the client raises, what was bought, and what a second wait brings."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from shapes.fal import FAL
from shapes.openai import TOGETHER
from shapes.replicate import REPLICATE

import fluxkit
from fluxkit._wire.plan import Plan
from fluxkit.provider import Provider
from fluxkit.testing.bench import any_plan, buy, driver
from fluxkit_mockserver import FAULTS, MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import MAGNIFIC

SERVICES = {"magnific:flux-2-klein": MAGNIFIC, "apimart:flux-2-pro": APIMART}


#: Where what has failed is given back: https://docs.apimart.ai
REFUNDED = ("apimart:flux-2-pro",)


@attrs.frozen
class End:
    """What a ``generate`` comes to, how many images were bought, and what waiting for its task again comes to."""

    raises: str = ""
    billed: int = 1
    charged: str = "unknown"
    again: str | None = None
    calls: int | None = None


DENIED = End("Rejected", billed=0, charged="no")
LOST = End("SubmissionUnknown")
FINE = End()
LATE = End("Overdue", again="")

ENDS: Mapping[str, End] = {
    "400": DENIED,
    "401": End("Unauthorized", billed=0, charged="no"),
    "402": End("OutOfCredit", billed=0, charged="no"),
    "403": End("Unauthorized", billed=0, charged="no"),
    "422": DENIED,
    "429": End("RateLimited", billed=0, charged="no", calls=5),
    "429-final": End("OutOfCredit", billed=0, charged="no", calls=1),
    "503": End("Broken", billed=0, charged="no", calls=5),
    "moderation": DENIED,
    "500": End("SubmissionUnknown", billed=0, calls=1),
    "stale-connection": End("SubmissionUnknown", billed=0, calls=1),
    "accepted-then-dropped": LOST,
    "accepted-then-hang": LOST,
    "accepted-then-not-json": LOST,
    "gateway-503-after-accept": LOST,
    "cut-200": LOST,
    "stuck": End("Overdue", again="Overdue"),
    "slow": LATE,
    "fail": End("Failed", again="Failed"),
    "moderated": End("Failed", again="Failed"),
    "completed-without-images": End("ContractError", again="ContractError"),
    "vanished": End("Vanished", again="Vanished"),
    "dripping": LATE,
    "slow-answer": FINE,
    "hang": LATE,
    "cut-poll": LATE,
    "poll-dropped": LATE,
    "poll-401": End("Unauthorized", again=""),
    "poll-404": End("Vanished", again=""),
    "poll-429": LATE,
    "poll-503": LATE,
    "rate-limit-in-body": End("ContractError", again=""),
    "not-json": End("ContractError", again=""),
    "status-goes-back": LATE,
    "unknown-status": LATE,
    "expired-link": FINE,
    "two-links": FINE,
    "truncated-image": End("DownloadError", charged="yes", again=""),
    "wrong-type-image": FINE,
    "cut-image": End("DownloadError", charged="yes", again=""),
    "link-503": End("DownloadError", charged="yes", again=""),
}

CASES = [
    (name, model) for name, model in itertools.product(ENDS, SERVICES) if not FAULTS[name].obstacle(SERVICES[model])
]


def outcome(call: Any) -> tuple[str, fluxkit.FluxError | None]:
    try:
        (image,) = call().images
    except fluxkit.FluxError as error:
        return type(error).__name__, error
    assert image.pixels
    return "", None


def test_every_fault_of_a_call_has_its_end_here() -> None:
    assert [name for name, fault in FAULTS.items() if fault.moment != "webhook"] == list(ENDS)


@pytest.mark.parametrize(("name", "model"), CASES)
def test_a_fault_that_lasts_ends_as_it_must(name: str, model: str) -> None:
    mock, end = MockService([SERVICES[model]], durations=lambda _: 30.0), ENDS[name]
    armed = mock.fault(name)
    with fluxkit.Client(model, mock=mock) as client:
        raised, error = outcome(lambda: client.generate("a cat", timeout=120))
        billed = end.billed - (model in REFUNDED and name in ("fail", "moderated"))
        assert (end.raises, billed) == (raised, mock.billed)
        assert armed.struck > 0
        if error is None:
            return
        assert end.charged == str(error.charged)
        assert end.calls in (None, len(mock.exchanges))
        assert (end.again is None) is (error.task is None)
        if error.task is not None:
            mock.unfault()
            again, _ = outcome(lambda: client.wait(error.task, timeout=600))
            assert (end.again, billed) == (again, mock.billed)


#: What does not pass by itself: no second try makes it good, and no money is spent on one.
LASTING = {
    *("400", "401", "402", "403", "422", "429-final", "moderation", "500", "stale-connection", "poll-401"),
    *("accepted-then-dropped", "accepted-then-hang", "accepted-then-not-json", "gateway-503-after-accept", "cut-200"),
    *("stuck", "fail", "moderated", "completed-without-images", "vanished"),
}


@pytest.mark.parametrize(("name", "model"), CASES)
def test_a_fault_that_passes_costs_time_and_no_second_image(name: str, model: str) -> None:
    mock = MockService([SERVICES[model]], durations=lambda _: 20.0)
    mock.fault(name, times=1)
    with fluxkit.Client(model, mock=mock) as client:
        raised, _ = outcome(lambda: client.generate("a cat", timeout=600))
    billed = ENDS[name].billed - (model in REFUNDED and name in ("fail", "moderated"))
    assert ((ENDS[name].raises, billed) if name in LASTING else ("", 1)) == (raised, mock.billed)


def test_an_image_of_another_type_is_named_so_and_said_to_be_unlike(tmp_path: Path) -> None:
    mock = MockService([MAGNIFIC])
    mock.fault("wrong-type-image")
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client, pytest.warns(fluxkit.DeliveryWarning):
        result = client.generate("a cat", output_format="png", to=tmp_path / "cat.png")
    assert "image/jpeg" == result.images[0].media_type
    assert result.images[0].mismatch


def test_two_links_of_one_image_are_one_image() -> None:
    mock = MockService([MAGNIFIC], progression="at once")
    mock.fault("two-links")
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        task = client.submit("a cat")
        headers = {"x-magnific-api-key": mock.key}
        url = f"{mock.base_url('magnific')}/v1/ai/text-to-image/flux-2-klein/{task.id}"
        with httpx.Client(transport=mock.transport(), headers=headers) as raw:
            links = raw.get(url).json()["data"]["generated"]
            one, other = (raw.get(link, headers={}).content for link in links)
        assert one == other
        assert 1 == len(client.wait(task).images)


def test_a_refusal_of_the_mock_asks_to_wait_and_the_client_does() -> None:
    mock = MockService([MAGNIFIC])
    mock.fault("429", times=1)
    began = mock.clock.now()
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        client.submit("a cat")
    assert mock.clock.now() - began >= 10.0


def test_a_failed_task_says_why_in_the_form_of_the_service() -> None:
    for name, words in (("fail", "Generation failed"), ("moderated", "The prompt was refused by moderation")):
        for model, provider in SERVICES.items():
            mock = MockService([provider], progression="at once")
            mock.fault(name)
            with fluxkit.Client(model, mock=mock) as client, pytest.raises(fluxkit.Failed, match=words):
                client.generate("a cat")


def plan_of(provider: Provider, mock: MockService) -> Plan:
    return attrs.evolve(any_plan(provider), base_url=mock.base_url(provider.name), mocked=True)


def test_a_moderated_task_is_refused_where_the_service_has_a_word_for_it() -> None:
    for provider in (BFL, FAL):
        mock = MockService([provider], progression="at once")
        mock.fault("moderated")
        with pytest.raises(fluxkit.Refused):
            buy(driver(provider, mock), plan_of(provider, mock))


SHAPES = [BFL, FAL, REPLICATE, TOGETHER]


@pytest.mark.parametrize("provider", SHAPES, ids=[each.name for each in SHAPES])
@pytest.mark.parametrize("name", list(ENDS))
def test_a_fault_strikes_services_of_every_shape_or_says_why_not(
    name: str, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where images of an answer are put
    mock = MockService([provider])
    if obstacle := FAULTS[name].obstacle(provider):
        with pytest.raises(ValueError, match="does not apply to") as caught:
            mock.fault(name)
        assert obstacle in str(caught.value)
        return
    armed = mock.fault(name)
    charged = True
    try:
        buy(driver(provider, mock), plan_of(provider, mock))
    except fluxkit.FluxError as error:
        charged = bool(error.charged)
    assert charged or not mock.billed
    assert armed.struck > 0 or FAULTS[name].moment == "image"
    assert mock.billed <= 1

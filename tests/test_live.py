"""A canary buys one image of a service that answers as its mock does; whatever is not as it should be is named."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapes.fal import FAL
from shapes.openai import OPENAI

import fluxkit
from fluxkit._contract.amount import Amount
from fluxkit._contract.budget import Budget
from fluxkit._wire.plan import make_plan
from fluxkit.errors import SettingsError, Unauthorized
from fluxkit.provider import Provider
from fluxkit.testing.canary import Flight, best_plan, drifts_of_record, fly, model_for, plan_for
from fluxkit.testing.drift import Allowance
from fluxkit.testing.finding import Grade
from fluxkit.testing.live import FREE, LIVE, check_live_polls_are_answered_as_declared
from fluxkit.testing.lookalike import lookalike
from fluxkit_mockserver import MockService
from fluxkit_mockserver.kit import Occupied, document
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import MAGNIFIC

LABEL = "verify-live:a-run:magnific"
PRICE = {"magnific": "0.03 USD", "apimart": "0.15 USD", "bfl": None, "fal": "0.03 USD", "openai": "0.03 USD"}


def cap(text: str = "0.20 USD") -> Amount:
    return Amount.parse(text)


def flight(
    provider: Provider,
    *,
    mock: Any = None,
    model: str | None = None,
    most: str = "0.20 USD",
    price: Any = ...,
    **facts: Any,
) -> Flight:
    """What comes of a canary to a mock of a provider."""
    settings = {name: facts.pop(name) for name in ("faults", "switches", "limits", "balance") if name in facts}
    mock = mock or MockService([provider], progression="polls", **settings)
    with a_client(provider, mock, model=model, most=most, price=price) as client:
        return fly(client, plan_for(client, cap(most)), label=LABEL, **facts)


def a_client(
    provider: Provider, mock: Any, *, model: str | None = None, most: str = "0.20 USD", price: Any = ...
) -> fluxkit.Client:
    return fluxkit.Client(
        f"{provider.name}:{model or model_for(provider)}",
        mock=mock,
        price=PRICE[provider.name] if price is ... else price,
        budget=Budget(cap(most), LABEL),
    )


def failing(found: Flight) -> dict[str, str]:
    return {each.check: each.why for each in found.findings if each.outcome is Grade.FAIL}


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets clients find services that are only tests."""
    from fluxkit import _service

    named = _service.named
    rows = {each.name: each for each in (FAL, OPENAI)}
    monkeypatch.setattr(
        "fluxkit._binding.named",
        lambda name: (
            (rows[name.partition(":")[0]], rows[name.partition(":")[0]].named(name.partition(":")[2])[0])
            if name.partition(":")[0] in rows
            else named(name)
        ),
    )


@pytest.mark.parametrize("provider", [MAGNIFIC, APIMART, BFL], ids=lambda each: each.name)
@pytest.mark.parametrize("answers", ["documented", "observed"])
def test_a_service_that_is_as_its_mock_passes_and_sells_one_image(provider: Provider, answers: str) -> None:
    mock = MockService([provider], progression="polls", switches={"answers": answers})
    found = flight(provider, mock=mock)
    assert {} == failing(found)
    assert [check.name for check in LIVE] == [each.check for each in found.findings]
    assert 1 == mock.billed
    assert () == mock.leaks
    assert found.trace is not None
    assert [] == list(drifts_of_record(provider, found.trace))
    assert "test" not in re.findall(r'"(.*?)"', found.trace.to_json())


ODD: dict[str, tuple[Provider, dict[str, Any], set[str]]] = {
    "a word that nobody knows": (
        MAGNIFIC,
        {"faults": ["unknown-status:x1"]},
        {"live_status_words_are_known", "live_answers_do_not_drift"},
    ),
    "no image": (
        APIMART,
        {"faults": ["completed-without-images"]},
        {"live_image_comes", "live_answers_do_not_drift"},
    ),
    "another format": (
        MAGNIFIC,
        {"switches": {"default-format": "png"}},
        {"live_format_is_as_declared", "live_answers_do_not_drift"},
    ),
    "a task that fails": (BFL, {"faults": ["fail"]}, {"live_image_comes", "live_answers_do_not_drift"}),
    "a status that goes back": (
        MAGNIFIC,
        {"faults": ["status-goes-back:x1"]},
        {"live_states_go_forward", "live_answers_do_not_drift"},
    ),
    "a wrong price": (APIMART, {"price": "0.05 USD"}, {"live_cost_is_as_stated"}),
    "a link that leads to half an image": (
        MAGNIFIC,
        {"faults": ["truncated-image"]},
        {"live_image_comes", "live_answers_do_not_drift"},
    ),
    "another service behind a poll": (MAGNIFIC, {"faults": ["not-json:x1"]}, {"live_answers_do_not_drift"}),
    "a lost answer": (
        MAGNIFIC,
        {"faults": ["accepted-then-dropped:x1"]},
        {"live_submit_is_answered_as_declared", "live_image_comes"},
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_fails_the_checks_that_are_about_it_and_no_other(name: str) -> None:
    provider, settings, checks = ODD[name]
    assert checks == failing(flight(provider, **settings)).keys()


def doctored(change: Callable[[dict[str, Any], str], Any], provider: Provider = MAGNIFIC) -> Any:
    """A mock whose answers are changed: as a document, and whether it came for a submit or a poll."""
    import json

    service = MockService([provider], progression="polls")

    def hand(call: Any, pass_on: Callable[[Any], Any]) -> Any:
        answer = pass_on(call)
        if not str(call.path).startswith(f"/{provider.name}/") or answer.status != 200:
            return answer
        said = change(json.loads(answer.body), "submit" if call.method == "POST" else "poll")
        return document(200, said)

    mock = Occupied(service, hand)
    return _Doctored(mock)


@attrs.frozen(eq=False)
class _Doctored:
    """An occupied mock, as a client takes one."""

    occupied: Occupied

    def __getattr__(self, name: str) -> Any:
        return getattr(self.occupied if hasattr(self.occupied, name) else self.occupied.service, name)


def test_a_field_that_nobody_knows_is_drift_and_may_be_allowed() -> None:
    def more(said: dict[str, Any], phase: str) -> Any:
        return {"data": said["data"] | {"queue": {"place": 1}}} if phase == "poll" else said

    found = flight(MAGNIFIC, mock=doctored(more))
    assert {"live_answers_do_not_drift": "drift: new field: poll running data.queue (object)"} == failing(found)
    names = [f"new field: poll {state} data.queue" for state in ("running", "completed")]
    allowances = [Allowance(name, "the vendor tells the place in the queue", "2026-06-29") for name in names]
    found = flight(MAGNIFIC, mock=doctored(more), allowances=allowances)
    assert {} == failing(found)
    assert found.findings[-1].why.startswith("allowed: new field: poll running data.queue (object), since 2026-06-29: ")


def test_an_answer_to_a_submit_without_an_id_leaves_its_fate_open() -> None:
    def without(said: dict[str, Any], phase: str) -> Any:
        return {"data": {"status": "CREATED"}} if phase == "submit" else said

    found = flight(MAGNIFIC, mock=doctored(without))
    assert {"live_submit_is_answered_as_declared", "live_image_comes", "live_answers_do_not_drift"} == failing(
        found
    ).keys()
    assert "SubmissionUnknown" == type(found.evidence.error).__name__


def test_a_field_of_another_type_is_not_as_declared() -> None:
    def odd(said: dict[str, Any], phase: str) -> Any:
        return (
            {"data": said["data"] | {"seed": "none", "generated": said["data"]["generated"] + [7]}}
            if phase == "poll"
            else said
        )

    assert {"live_polls_are_answered_as_declared", "live_answers_do_not_drift"} == failing(
        flight(MAGNIFIC, mock=doctored(odd))
    ).keys()


def test_another_seed_than_the_one_that_was_asked_for_is_noticed() -> None:
    def reseeded(said: dict[str, Any], phase: str) -> Any:
        return said | {"result": said["result"] | {"seed": 7}} if phase == "poll" and said["result"] else said

    assert {"live_seed_is_echoed": "the seed: [42] expected, and it is [7]"} == failing(
        flight(BFL, mock=doctored(reseeded, BFL))
    )


def test_a_service_that_takes_a_request_without_a_prompt_is_named_and_the_cap_holds_for_both() -> None:
    lax = attrs.evolve(
        MAGNIFIC, models=[attrs.evolve(row, request=attrs.evolve(row.form, need=())) for row in MAGNIFIC.models]
    )
    mock = MockService([lax], progression="polls")
    found = flight(MAGNIFIC, mock=mock)
    assert {"live_bad_request_is_refused"} == failing(found).keys()
    assert 2 == mock.billed
    mock = MockService([lax], progression="polls")
    found = flight(MAGNIFIC, mock=mock, most="0.05 USD")
    assert {"live_bad_request_is_refused"} == failing(found).keys()
    assert 1 == mock.billed
    assert "The budget of 0.05 USD" in found.evidence.unbought
    assert found.trace is None
    needing = [each for each in found.findings if each.check not in [check.name for check in FREE]]
    assert {(Grade.NOT_APPLICABLE, found.evidence.unbought)} == {(each.outcome, each.why) for each in needing}


@pytest.mark.parametrize("fault", ["402", "429-final", "503"])
def test_what_keeps_it_from_buying_is_said_and_breaks_no_promise(fault: str) -> None:
    mock = MockService([MAGNIFIC], progression="polls", faults=[fault])
    found = flight(MAGNIFIC, mock=mock)
    assert {} == failing(found)
    assert 0 == mock.billed
    assert found.evidence.unbought.startswith(f"magnific answered {fault.partition('-')[0]}")


def test_a_poll_that_passes_is_asked_again() -> None:
    found = flight(MAGNIFIC, faults=["poll-503:x1"])
    assert {} == failing(found)


def test_a_key_that_is_refused_ends_it_before_anything_is_bought() -> None:
    mock = MockService([MAGNIFIC], keys=["another"])
    mock_with_wrong_key = _Keyed(mock)
    with pytest.raises(Unauthorized):
        flight(MAGNIFIC, mock=mock_with_wrong_key)
    assert 0 == mock.billed


@attrs.frozen(eq=False)
class _Keyed:
    """A mock whose client has a key that it does not take."""

    service: MockService
    key: str = "wrong"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.service, name)


def test_a_service_without_tasks_is_judged_by_its_image_and_leaves_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mock = MockService([OPENAI])
    found = flight(OPENAI, mock=mock, model=OPENAI.models[0].name)
    assert {} == failing(found)
    assert 1 == mock.billed
    reasons = {each.why for each in found.findings if each.outcome is Grade.NOT_APPLICABLE}
    assert "the service has no tasks: it answers with the image" in reasons
    assert [] == list(tmp_path.iterdir())


def test_a_service_whose_images_come_by_a_second_call_is_judged_by_that_too() -> None:
    found = flight(FAL, model=FAL.models[0].name)
    assert {} == failing(found)
    assert found.trace is not None
    assert ["submit", "poll", "result"] == list(dict.fromkeys(each.route for each in found.trace.exchanges))


# What it would buy.


def test_the_cheapest_model_is_bought_from_if_prices_are_declared() -> None:
    assert "flux-2-klein-4b" == model_for(BFL)
    assert "flux-2-klein" == model_for(MAGNIFIC)


@pytest.mark.parametrize(
    ("price", "most", "said"),
    [
        (None, "0.20 USD", "What an image of magnific:flux-2-klein costs is not known, so 0.20 USD cannot be kept."),
        ("0.30 USD", "0.20 USD", "costs 0.30 USD, which is more than 0.20 USD"),
        ("0.03 EUR", "0.20 USD", "costs 0.03 EUR, and 0.20 USD is in another currency"),
    ],
)
def test_nothing_is_sent_if_nobody_knows_that_it_is_enough(price: str | None, most: str, said: str) -> None:
    mock = MockService([MAGNIFIC])
    with pytest.raises(SettingsError) as caught:
        flight(MAGNIFIC, mock=mock, most=most, price=price)
    assert said in caught.value.message
    assert ("Nothing was sent. Allowed: " in caught.value.message, 0) == (True, len(mock.exchanges))


def test_a_trace_of_something_else_is_refused_before_anything_is_sent() -> None:
    trace = flight(MAGNIFIC).trace
    assert trace is not None
    mock = MockService([MAGNIFIC])
    with pytest.raises(SettingsError, match=r"Nothing was sent\. Allowed: the same model, or another trace\."):
        flight(MAGNIFIC, mock=mock, recorded=attrs.evolve(trace, model="flux-2-pro"))
    assert 0 == len(mock.exchanges)
    with pytest.raises(SettingsError, match="The trace is of magnific:flux-2-klein"):
        list(drifts_of_record(APIMART, trace))


def test_what_differs_from_what_was_recorded_is_drift_though_the_mock_says_it_too() -> None:
    trace = flight(MAGNIFIC).trace
    assert trace is not None
    (*_, last) = trace.exchanges
    recorded = attrs.evolve(
        trace, exchanges=(*trace.exchanges[:-1], attrs.evolve(last, said={**last.said, "data.more": ("text",)}))
    )
    found = flight(MAGNIFIC, recorded=recorded)
    assert {"live_answers_do_not_drift": "drift: missing field: poll completed data.more (text expected)"} == failing(
        found
    )


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=40))
def test_a_lookalike_is_another_text_of_the_same_form(text: str) -> None:
    other = lookalike(text)
    assert text != other
    lead, bar, _ = text.rpartition("_")
    assert other.startswith(lead + bar)
    if len(other) == len(text):
        for mine, its in zip(text, other, strict=True):
            assert (mine.isdigit(), mine.isupper(), mine.islower()) == (its.isdigit(), its.isupper(), its.islower())


def test_a_lookalike_of_an_id_is_one_that_the_service_could_give() -> None:
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", lookalike("046b6c7f-0b8a-43b9-b35d-6489e6daee91"))
    assert re.fullmatch("task_[0-9A-HJKMNP-TV-Z]{26}", lookalike("task_01KFG5BBFNK1YQDTJDZY0P0QT2"))


# What seldom happens.


def test_a_mock_that_cannot_be_traced_ends_it_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise fluxkit.SubmissionUnknown("the mock is broken")

    monkeypatch.setattr("fluxkit.testing.canary.mock_trace", broken)
    mock = MockService([MAGNIFIC])
    with pytest.raises(fluxkit.SubmissionUnknown):
        flight(MAGNIFIC, mock=mock)
    assert 0 == len(mock.exchanges)


def test_a_model_that_needs_nothing_and_promises_no_pixels_is_judged_by_the_rest() -> None:
    found = flight(MAGNIFIC, model="flux-dev")
    assert {} == failing(found)
    whys = {each.check: each.why for each in found.findings}
    assert "the model asks for nothing that a request could lack" == whys["live_bad_request_is_refused"]
    assert "the declaration does not say how many pixels come" == whys["live_pixels_are_as_expected"]


def test_a_budget_that_cannot_be_kept_is_raised_and_nothing_is_bought() -> None:
    for model in ("flux-dev", "flux-2-klein"):
        mock = MockService([MAGNIFIC])
        with (
            fluxkit.Client(
                f"magnific:{model}", mock=mock, price="0.03 USD", budget=Budget(cap("1 EUR"), LABEL)
            ) as client,
            pytest.raises(SettingsError, match="in another currency"),
        ):
            fly(client, plan_for(client, cap()), label=LABEL)
        assert 0 == mock.billed


def test_a_model_that_takes_no_request_of_a_canary_is_left_alone() -> None:
    (klein, *_) = MAGNIFIC.models
    picky = attrs.evolve(
        klein, name="picky", path="picky", request=attrs.evolve(klein.form, need=("prompt", "references"))
    )
    provider = attrs.evolve(BFL, models=[picky, *BFL.models])
    assert model_for(BFL) == model_for(provider)
    with pytest.raises(fluxkit.Unsupported):
        best_plan(lambda request: make_plan(provider, "picky", request))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, 'the refusal has not the declared form: {"oops": 1}'),
        (403, "Rejected expected, and it is Unauthorized: "),
        (418, "Rejected expected, and it is SubmissionUnknown: "),
    ],
)
def test_a_refusal_of_another_kind_or_form_is_named(status: int, said: str) -> None:
    def odd(call: Any, pass_on: Callable[[Any], Any]) -> Any:
        answer = pass_on(call)
        return document(status, {"oops": 1}) if answer.status == 400 else answer

    occupied = Occupied(MockService([MAGNIFIC], progression="polls"), odd)
    found = failing(flight(MAGNIFIC, mock=_Doctored(occupied)))
    assert ["live_bad_request_is_refused"] == [*found]
    assert found["live_bad_request_is_refused"].startswith(said)


def test_a_task_that_cannot_be_read_again_is_named() -> None:
    ended = []

    def forgetful(call: Any, pass_on: Callable[[Any], Any]) -> Any:
        answer = pass_on(call)
        if b"COMPLETED" in answer.body:
            ended.append(call)
        return document(401, {"message": "Invalid API key"}) if len(ended) > 1 else answer

    occupied = Occupied(MockService([MAGNIFIC], progression="polls"), forgetful)
    (name,) = failing(flight(MAGNIFIC, mock=_Doctored(occupied)))
    assert "live_task_is_found_again" == name


def test_a_poll_that_goes_to_an_address_that_nobody_declared_is_named() -> None:
    evidence = flight(MAGNIFIC).evidence
    strays = [(attrs.evolve(call, url="https://elsewhere.example/tasks/1"), reply) for call, reply in evidence.heard]
    found = check_live_polls_are_answered_as_declared.find(attrs.evolve(evidence, heard=strays))
    assert "the service gives an address for polls that the declaration does not know" == found.why

"""What is copied from the mock: tests for pytest that pass as they are, and commands for curl that do it again."""

import base64
import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import attrs
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fluxkit
from fluxkit.provider import Provider
from fluxkit.strategies import requests_for
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.control.curl import STAND_IN
from fluxkit_mockserver.faults import FAULTS
from fluxkit_mockserver.fixture import FluxkitMock
from fluxkit_mockserver.server import Server
from fluxkit_mockserver.service import MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

ORIGIN = "http://127.0.0.1:4010"
SERVICES = (MAGNIFIC, FREEPIK, APIMART, BFL)
MODELS = [f"{service.name}:{model}" for service in SERVICES for model in dict.fromkeys(m.name for m in service.models)]
KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"
KEY = {"x-magnific-api-key": "test"}
HOSTILE = """<img src=x onerror=alert(1)> "quoted" 'and' \\ {braces} $HOME `id` %s\n\tü 🦊 """ + "very long " * 50


@pytest.fixture
def mock() -> MockService:
    return MockService(SERVICES, progression="at once")


def get(mock: MockService, path: str) -> httpx.Response:
    with httpx.Client(transport=mock.transport(), base_url=ORIGIN) as web:
        return web.get(f"{mock.prefix}/__mock__/{path}")


def run(text: str) -> FluxkitMock:
    """Carries out a copied test as pytest does, with a mock made as its mark says; gives that mock."""
    names: dict[str, Any] = {}
    exec(compile(text, "copied", "exec"), names)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    said = {name: value for mark in getattr(test, "pytestmark", ()) for name, value in mark.kwargs.items()}
    with FluxkitMock(**{"progression": "at once", **said}) as fresh, fresh.guarding():
        test(fresh)
    return fresh


def bought(mock: MockService, model: str, prompt: str = "a fox", **fields: Any) -> str:
    """Buys an image, whatever comes of it, and gives the last task."""
    missed = contextlib.suppress(fluxkit.FluxError, fluxkit.DeliveryWarning)
    with fluxkit.Client(model, mock=mock) as client, missed:
        client.generate(prompt, **fields)
    return mock.tasks[-1].id


@pytest.mark.parametrize("model", MODELS)
def test_a_task_of_every_model_is_a_test_that_buys_the_same(mock: MockService, model: str) -> None:
    answer = get(mock, f"tasks/{bought(mock, model, HOSTILE)}/pytest")
    assert (200, "text/x-python; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    fresh = run(answer.text)
    assert (HOSTILE, 1) == (fresh.tasks[0].values["prompt"], fresh.billed)


CASES = [
    (name, model)
    for name, fault in FAULTS.items()
    for model, service in (("magnific:flux-2-klein", MAGNIFIC), ("apimart:flux-2-pro", APIMART))
    if fault.moment not in ("submit", "webhook") and not fault.obstacle(service)
]


@pytest.mark.parametrize(("name", "model"), CASES)
def test_a_task_that_met_a_fault_is_a_test_that_meets_it(name: str, model: str) -> None:
    mock = MockService(SERVICES, durations=lambda _: 20.0)
    mock.fault(name, times=1)
    text = get(mock, f"tasks/{bought(mock, model)}/pytest").text
    fresh = run(text)
    assert f'fluxkit_mock.fault("{name}", times=1)' in text
    assert [1] == [each.struck for each in fresh.faults]


@pytest.mark.parametrize("name", ["accepted-then-dropped", "gateway-503-after-accept"])
def test_a_purchase_whose_answer_was_lost_is_a_test_that_loses_it(mock: MockService, name: str) -> None:
    mock.fault(name, times=1)
    text = get(mock, f"tasks/{bought(mock, 'apimart:flux-2-pro')}/pytest").text
    assert "with pytest.raises(fluxkit.errors.SubmissionUnknown):" in text
    assert 1 == run(text).billed


@pytest.mark.slow
@settings(max_examples=15)
@given(data=st.data(), service=st.sampled_from(SERVICES))
def test_what_a_request_becomes_is_what_its_test_becomes(data: st.DataObject, service: Provider) -> None:
    model = data.draw(st.sampled_from(service.models)).name
    mock = MockService(SERVICES, progression="at once")
    request = attrs.evolve(data.draw(requests_for(service, model)), n=1)
    missed = contextlib.suppress(fluxkit.FluxError, fluxkit.DeliveryWarning)
    with fluxkit.Client(f"{service.name}:{model}", mock=mock) as client, missed:
        client.generate(request, fetch=False)
    for task in mock.tasks:
        text = get(mock, f"tasks/{task.id}/pytest").text
        if "references" not in task.values:
            (again,) = run(text).tasks
            aside = {"webhook_url": None, "webhook_secret": None}  # a test brings receivers of its own
            assert {**task.values, **aside} == {**again.values, **aside}


@pytest.mark.slow
def test_a_small_reference_stands_in_the_test_and_a_large_one_is_stood_in_for(mock: MockService) -> None:
    small = base64.b64decode(STAND_IN)
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        large = client.generate("a fox", size="1024x1024").images[0].bytes()
    assert len(large) > 20_000
    text = get(mock, f"tasks/{bought(mock, 'magnific:flux-2-pro', references=[small, large])}/pytest").text
    assert "# A large reference is left out: a grey square stands in its place." in text
    assert (small, small) == run(text).tasks[0].references


def test_a_large_reference_is_stood_in_for_in_a_command_and_a_long_prompt_is_whole(mock: MockService) -> None:
    large = base64.b64encode(b"\0" * 30_000).decode()
    body = {"prompt": "a fox " * 5_000, "input_image": large}
    with httpx.Client(transport=mock.transport(), base_url=ORIGIN) as web:
        web.post(KLEIN.replace("klein", "pro"), json=body, headers=KEY)
    text = get(mock, "exchanges/1/curl").text
    assert "# An image of 40000 characters is not kept: a grey square stands in its place." in text
    assert (True, True) == (body["prompt"] in text, f'"input_image": "{STAND_IN}"' in text)


def test_an_upload_is_brought_again_and_an_address_is_named(mock: MockService) -> None:
    small = base64.b64decode(STAND_IN)
    for reference in (small, "https://images.example/fox.png"):
        text = get(mock, f"tasks/{bought(mock, 'apimart:flux-2-pro', references=[reference])}/pytest").text
        assert (reference if isinstance(reference, bytes) else reference.encode(),) == run(text).tasks[0].references


def test_switches_that_were_set_are_set_in_the_test() -> None:
    mock = MockService(SERVICES, progression="at once", switches={"default-format": "png"})
    text = get(mock, f"tasks/{bought(mock, 'magnific:flux-2-klein')}/pytest").text
    assert '@pytest.mark.fluxkit_mock(switches={"default-format": "png"})' in text
    assert "png" == run(text).tasks[0].format


def test_what_is_no_json_is_copied_as_the_text_that_it_was(mock: MockService) -> None:
    with httpx.Client(transport=mock.transport(), base_url=ORIGIN) as web:
        web.post(KLEIN, content=b'{"prompt": NaN}', headers={**KEY, "content-type": "application/json"})
    text = get(mock, "exchanges/1/pytest").text
    assert """content='{"prompt": NaN}'.encode()""" in text
    assert 0 == run(text).billed


def test_a_task_whose_image_is_not_as_asked_is_a_test_that_is_warned_of_it(mock: MockService) -> None:
    mock.fault("wrong-type-image", times=1)
    text = get(mock, f"tasks/{bought(mock, 'magnific:flux-2-turbo', output_format='jpeg')}/pytest").text
    assert "with pytest.warns(fluxkit.DeliveryWarning):" in text
    assert 1 == run(text).billed


@pytest.mark.parametrize(("model", "body"), [("flux-2-klein", {"prompt": " "}), ("flux-dev", {})])
def test_what_no_client_says_is_said_to_be_so(mock: MockService, model: str, body: dict[str, str]) -> None:
    with httpx.Client(transport=mock.transport(), base_url=ORIGIN) as web:
        assert 200 == web.post(KLEIN.replace("flux-2-klein", model), json=body, headers=KEY).status_code
    refused = get(mock, f"tasks/{mock.tasks[0].id}/pytest")
    assert (409, True) == (refused.status_code, "No request of fluxkit becomes" in refused.json()["message"])
    assert body.get("prompt") == run(get(mock, "exchanges/1/pytest").text).tasks[0].values.get("prompt")


# Calls.

CALLS: list[tuple[int, str, str, dict[str, str], Any]] = [
    (200, "POST", KLEIN, KEY, {"prompt": HOSTILE, "seed": 5}),
    (400, "POST", KLEIN, KEY, {"promt": "a fox", "deep": {"er": [1, None, True, 0.5, "x" * 200]}}),
    (401, "POST", KLEIN, {"x-magnific-api-key": "wrong"}, {"prompt": "a fox"}),
    (401, "POST", KLEIN, {}, {"prompt": "a fox"}),
    (403, "POST", "/bfl/v1/flux-2-pro", {"x-key": "wrong"}, {"prompt": "a fox"}),
    (404, "GET", "/magnific/nowhere?x=1&y=a%20b", KEY, None),
    (405, "PUT", KLEIN, KEY, {"prompt": "a fox"}),
    (404, "GET", "/no/service/at/all", {}, None),
    (400, "POST", KLEIN, {**KEY, "content-type": "application/json"}, "@not JSON 'at all'"),
    (400, "POST", "/apimart/v1/images/generations", {"authorization": "Bearer test"}, {"prompt": 7}),
]
IDS = [f"{status} {method} {path}" for status, method, path, _, _ in CALLS]


def call(web: httpx.Client, method: str, path: str, headers: dict[str, str], body: Any) -> httpx.Response:
    said = {"content": body} if isinstance(body, str) else {"json": body} if body is not None else {}
    return web.request(method, path, headers=headers, **said)


@pytest.mark.parametrize(("status", "method", "path", "headers", "body"), CALLS, ids=IDS)
def test_a_call_is_a_test_that_makes_it(
    mock: MockService, status: int, method: str, path: str, headers: dict[str, str], body: Any
) -> None:
    with httpx.Client(transport=mock.transport(), base_url=ORIGIN) as web:
        assert status == call(web, method, path, headers, body).status_code
    text = get(mock, "exchanges/1/pytest").text
    assert f"assert answer.status_code == {status}" in text
    (again,) = run(text).exchanges
    before = mock.exchanges[0]
    assert (before.path, before.query, before.body) == (again.path, again.query, again.body)


@pytest.mark.parametrize(
    ("settings", "mark"),
    [
        ({"balance": 0}, "balance=0"),
        ({"limits": ["rate=0/60"]}, 'limits=["rate=0/60"]'),
        ({"limits": ["in-flight=0"]}, 'limits=["rate=0/60"]'),
    ],
)
def test_a_refusal_by_a_limit_or_a_balance_is_a_test_with_it(settings: dict[str, Any], mark: str) -> None:
    mock = MockService(SERVICES, **settings)
    with httpx.Client(transport=mock.transport(), base_url=ORIGIN) as web:
        web.post(KLEIN, json={"prompt": "a fox"}, headers=KEY)
    text = get(mock, "exchanges/1/pytest").text
    assert f"@pytest.mark.fluxkit_mock({mark})" in text
    run(text)


def test_a_call_that_was_not_answered_is_a_test_that_is_not(mock: MockService) -> None:
    mock.fault("accepted-then-dropped", times=1)
    bought(mock, "magnific:flux-2-klein")
    text = get(mock, "exchanges/1/pytest").text
    assert "with pytest.raises(httpx.TransportError):" in text
    assert 1 == run(text).billed


def test_a_look_at_a_task_says_that_only_that_mock_knew_it(mock: MockService) -> None:
    bought(mock, "magnific:flux-2-klein")
    text = get(mock, "exchanges/2/pytest").text
    assert "# The answer was 200: it was about something that only that mock knew." in text
    assert [404] == [each.status for each in run(text).exchanges]


@pytest.mark.parametrize("text", ["exchanges/1/curl", "exchanges/1/pytest"])
def test_what_is_not_kept_is_not_guessed(text: str) -> None:
    mock = MockService(SERVICES)
    with httpx.Client(transport=mock.transport(), base_url=ORIGIN) as web:
        web.post(KLEIN, content=b"\xff\x00", headers=KEY)
        refused = get(mock, text)
        assert (409, True) == (refused.status_code, "is no text, so it is not kept" in refused.json()["message"])
        mock.exchanges[0].fades()
        refused = get(mock, text)
        assert (409, True) == (refused.status_code, "not kept any more" in refused.json()["message"])


@pytest.mark.parametrize(
    "path", ["exchanges/0", "exchanges/x", "exchanges/7/curl", "exchanges/7/pytest", "tasks/x/image"]
)
def test_what_there_is_not_is_named(mock: MockService, path: str) -> None:
    answer = get(mock, path)
    assert (404, True) == (answer.status_code, "GET /__mock__/" in answer.json()["message"])


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with Server(MockService(SERVICES, clock=WallClock(), progression="at once")) as server:
        yield server


def by_curl(text: str) -> tuple[int, bytes]:
    """Runs a copied command in a shell; gives the status and what came."""
    assert shutil.which("curl"), "it needs curl"
    lines = re.sub("^curl ", "curl -sS -w '\\n%{http_code}' ", text, count=1, flags=re.MULTILINE)
    done = subprocess.run(["sh", "-c", lines], capture_output=True, timeout=30, check=False)
    assert b"" == done.stderr
    said, _, status = done.stdout.rpartition(b"\n")
    return int(status), said


@pytest.mark.parametrize(("status", "method", "path", "headers", "body"), CALLS, ids=IDS)
@pytest.mark.parametrize("prefix", ["", "/@copied"])
def test_a_call_is_a_command_that_makes_it(
    running: Server, prefix: str, status: int, method: str, path: str, headers: dict[str, str], body: Any
) -> None:
    world = running.service.namespace("copied") if prefix else running.service
    world.reset()
    with httpx.Client(base_url=f"{running.url}{prefix}", trust_env=False) as web:
        call(web, method, path, headers, body)
        text = web.get("/__mock__/exchanges/1/curl").text
    assert "test" not in text or f"test{'-copied' if prefix else ''}" in text
    assert status == by_curl(text)[0]
    before, again = world.exchanges
    assert (before.path, before.query, before.body) == (again.path, again.query, again.body)


def test_a_purchase_with_a_key_of_its_own_is_a_command_that_buys_again_and_a_conflict_one_that_conflicts(
    running: Server,
) -> None:
    running.service.reset()
    path, headers = "/apimart/v1/images/generations", {"authorization": "Bearer test", "idempotency-key": "k"}
    with httpx.Client(base_url=running.url, trust_env=False) as web:
        for prompt in ("a fox", "a cat"):
            call(web, "POST", path, headers, {"prompt": prompt, "model": "flux-2-pro"})
        bought, conflict = (web.get(f"/__mock__/exchanges/{number}/curl").text for number in (1, 2))
    assert bought.startswith("# The header Idempotency-Key is left out: the mock knows it by now")
    assert "idempotency-key" not in bought
    assert (200, 409) == (by_curl(bought)[0], by_curl(conflict)[0])
    assert 2 == running.service.billed


def test_the_command_for_an_image_leads_to_the_image(running: Server) -> None:
    running.service.reset()
    with httpx.Client(base_url=running.url, trust_env=False) as web:
        made = web.post(KLEIN, json={"prompt": "a fox"}, headers=KEY).json()["data"]["task_id"]
        link = web.get(f"{KLEIN}/{made}", headers=KEY).json()["data"]["generated"][0]
        image = web.get(link).content
        status, again = by_curl(web.get("/__mock__/exchanges/3/curl").text)
        seen = web.get(f"/__mock__/tasks/{made}/image")
    assert (200, image, image) == (status, again, seen.content)
    assert "image/jpeg" == seen.headers["content-type"]


def test_each_service_has_a_call_that_buys_an_image(running: Server) -> None:
    running.service.reset()
    with httpx.Client(base_url=running.url, trust_env=False) as web:
        told = web.get("/__mock__/services").json()
        for service in told["services"]:
            assert 200 == by_curl(service["example"]["curl"])[0]
    assert ("test", len(SERVICES)) == (told["key"], running.service.billed)


def test_a_head_is_asked_for_as_a_head(running: Server) -> None:
    running.service.reset()
    with httpx.Client(base_url=running.url, trust_env=False) as web:
        web.head("/magnific/[nowhere]{x}")
        text = web.get("/__mock__/exchanges/1/curl").text
    assert re.match(r"curl --head --globoff 'http", text)


def test_an_image_is_not_there_before_it_is_made() -> None:
    mock = MockService(SERVICES, durations=lambda _: 20.0)
    with httpx.Client(transport=mock.transport(), base_url=ORIGIN) as web:
        task = web.post(KLEIN, json={"prompt": "a fox"}, headers=KEY).json()["data"]["task_id"]
    refused = get(mock, f"tasks/{task}/image")
    assert (409, "The task is CREATED") == (refused.status_code, refused.json()["message"][:19])

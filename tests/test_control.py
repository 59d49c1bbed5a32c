"""The control of the mock: what each route does, what it refuses, and that it answers as its OpenAPI document says."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import openapi_spec_validator
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit_mockserver.clock import EPOCH, WallClock
from fluxkit_mockserver.control.answering import MOST_MISFITS
from fluxkit_mockserver.control.openapi import document
from fluxkit_mockserver.control.routes import OPERATIONS
from fluxkit_mockserver.control.schema import allowed, maybe, misfits, record, several, text, whole
from fluxkit_mockserver.faults import FAULTS
from fluxkit_mockserver.service import MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

ORIGIN = "http://127.0.0.1"
KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"
KEY = {"x-magnific-api-key": "test"}
HOOK = "http://127.0.0.1/hook"


@pytest.fixture
def mock() -> MockService:
    mock = MockService([MAGNIFIC, APIMART], durations=lambda _: 10.0)
    mock.webhooks.connect(lambda _: 200)
    return mock


@pytest.fixture
def http(mock: MockService) -> Iterator[httpx.Client]:
    """Every answer of the control is held against the document."""
    with httpx.Client(transport=mock.transport(), base_url=ORIGIN, event_hooks={"response": [held]}) as client:
        yield client


def held(response: httpx.Response) -> None:
    """Raises unless an answer of the control is one that the document foresees."""
    path = re.sub("^/@[^/]*", "", response.request.url.path)
    operation = next((each for each in OPERATIONS if each.match(path.removeprefix("/__mock__/")) is not None), None)
    if not path.startswith("/__mock__/") or path.startswith("/__mock__/images") or operation is None:
        return
    response.read()
    told = document()["paths"][f"/__mock__/{operation.path}"]
    if response.status_code == 405:
        assert {*response.headers["allow"].split(", ")} == {method.upper() for method in told}
        return
    answer = told[response.request.method.lower().replace("head", "get")]["responses"][str(response.status_code)]
    media_type = response.headers["content-type"]
    schema = answer["content"][media_type]["schema"]
    if media_type == "application/json" and response.request.method != "HEAD":
        jsonschema.validate(response.json(), {**schema, "components": document()["components"]})


def submit(http: httpx.Client, **body: Any) -> str:
    answer = http.post(KLEIN, json={"prompt": "a fox", **body}, headers=KEY)
    assert 200 == answer.status_code, answer.text
    return str(answer.json()["data"]["task_id"])


def got(http: httpx.Client, path: str, /, **query: Any) -> Any:
    answer = http.get(f"/__mock__/{path}", params=query)
    assert 200 == answer.status_code, answer.text
    return answer.json()


# The document.


def test_the_document_is_openapi(http: httpx.Client) -> None:
    openapi_spec_validator.validate(got(http, "openapi.json"))


def test_each_service_has_a_document_of_its_own(http: httpx.Client) -> None:
    for name in ("magnific", "apimart"):
        assert f"{ORIGIN}/{name}" == got(http, f"openapi/{name}.json")["servers"][0]["url"]
    there = http.get("/@shop/__mock__/openapi/magnific.json").json()
    assert f"{ORIGIN}/@shop/magnific" == there["servers"][0]["url"]
    refused = http.get("/__mock__/openapi/bfl.json")
    assert (404, "There is no service 'bfl'. Served: magnific, apimart.") == (
        refused.status_code,
        refused.json()["message"],
    )


def test_a_form_of_text_is_that_of_the_whole_text(http: httpx.Client) -> None:
    """JSON Schema looks for a form anywhere in a text, where nothing is said of its ends."""
    (forms,) = (each.body["properties"]["name"] for each in OPERATIONS if each.name == "make_namespace" and each.body)
    assert not jsonschema.Draft202012Validator(forms).is_valid("no name: a")


def test_every_route_has_a_name_and_a_sentence() -> None:
    names = [each.name for each in OPERATIONS]
    assert len(names) == len({*names})
    assert all(each.about.endswith(".") for each in OPERATIONS)


# What each does.


def test_reset_forgets(mock: MockService, http: httpx.Client) -> None:
    submit(http)
    mock.namespace("a")
    assert {"reset": True} == http.post("/__mock__/reset").json()
    assert (0, ("a",)) == (mock.billed, mock.namespaces)
    http.post("/__mock__/reset", json={"all": True})
    assert () == mock.namespaces


def test_the_clock_is_read_and_moved(mock: MockService, http: httpx.Client) -> None:
    assert {"now": EPOCH, "kind": "virtual", "speed": 0.0, "frozen": True} == got(http, "clock")
    assert EPOCH + 2.5 == http.post("/__mock__/clock", json={"advance": 2.5}).json()["now"]
    assert EPOCH + 60 == http.post("/__mock__/clock", json={"set": EPOCH + 60}).json()["now"]
    assert EPOCH + 60 == mock.clock.now()


def test_a_wall_clock_is_stopped_and_sped_up() -> None:
    mock = MockService([MAGNIFIC], clock=WallClock(speed=2.0))
    http = httpx.Client(transport=mock.transport(), base_url=ORIGIN, event_hooks={"response": [held]})
    told = http.post("/__mock__/clock", json={"freeze": True}).json()
    assert ("wall", True, 0.0) == (told["kind"], told["frozen"], told["speed"])
    later = http.post("/__mock__/clock", json={"advance": 3600}).json()
    assert told["now"] + 3600 == later["now"]
    told = http.post("/__mock__/clock", json={"freeze": False, "speed": 100}).json()
    assert (False, 100.0) == (told["frozen"], told["speed"])


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "says nothing to do"),
        ({"advance": 1, "set": EPOCH + 1}, 400, "exclude each other"),
        ({"advance": -1}, 400, "advance is -1. Allowed: a number from 0"),
        ({"set": EPOCH - 1}, 409, "time never goes back"),
        ({"freeze": True}, 409, "This clock is virtual"),
        ({"speed": 0}, 400, "speed is 0. Allowed: a number above 0"),
        ({"advanced": 1}, 400, "advanced is no field of it, perhaps meant as advance. Allowed: advance, set, freeze"),
        ({"forward": 1}, 400, "forward is no field of it. Allowed: advance, set, freeze, speed."),
    ],
)
def test_time_is_not_moved_wrongly(
    mock: MockService, http: httpx.Client, body: dict[str, Any], status: int, said: str
) -> None:
    answer = http.post("/__mock__/clock", json=body)
    assert status == answer.status_code
    assert said in answer.json()["message"]
    assert EPOCH == mock.clock.now()


def test_faults_are_listed_armed_and_taken_back(mock: MockService, http: httpx.Client) -> None:
    listed = got(http, "faults")
    assert [*FAULTS] == [each["name"] for each in listed["faults"]]
    assert [] == listed["armed"]
    armed = http.post("/__mock__/faults", json={"name": "503", "times": 2, "match": {"model": "flux-2-*"}})
    expected = {"name": "503", "times": 2, "left": 2, "struck": 0, "rate": 1.0, "task": None}
    assert (201, {**expected, "match": {"model": "flux-2-*"}}) == (armed.status_code, armed.json())
    assert 201 == http.post("/__mock__/faults", json={"fault": "stuck:0.5"}).status_code
    assert 503 == http.post(KLEIN, json={"prompt": "a fox"}, headers=KEY).status_code
    assert [("503", 1), ("stuck", None)] == [(each["name"], each["left"]) for each in got(http, "faults")["armed"]]
    assert {"disarmed": 1} == http.delete("/__mock__/faults/503").json()
    assert {"disarmed": 1} == http.delete("/__mock__/faults").json()
    assert () == mock.faults


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": "504"}, "There is no fault '504'. Did you mean '503'?"),
        ({"fault": "503:never"}, "'never' is no rate"),
        ({"fault": "503", "times": 1}, "Give either name"),
        ({}, "Give either name"),
        ({"name": "503", "rate": 2}, "rate is 2. Allowed: a number above 0 to 1"),
        ({"name": "503", "match": {"colour": "red"}}, "match names 'colour', which no request has"),
        ({"name": 503}, "name is 503. Allowed: a text"),
    ],
)
def test_a_fault_that_cannot_be_armed_is_refused(
    mock: MockService, http: httpx.Client, body: dict[str, Any], said: str
) -> None:
    answer = http.post("/__mock__/faults", json=body)
    assert 400 == answer.status_code
    assert said in answer.json()["message"]
    assert () == mock.faults


def test_a_fault_that_is_not_there_is_not_taken_back(http: httpx.Client) -> None:
    answer = http.delete("/__mock__/faults/504")
    assert (404, True) == (answer.status_code, "There is no fault '504'" in answer.json()["message"])


def test_progression_is_read_and_set(mock: MockService, http: httpx.Client) -> None:
    assert {"progression": "seconds"} == got(http, "progression")
    assert {"progression": "at once"} == http.put("/__mock__/progression", json={"progression": "at once"}).json()
    assert "at once" == mock.progression
    answer = http.put("/__mock__/progression", json={"progression": "never"})
    assert "progression is 'never'. Allowed: at once, polls, seconds." == answer.json()["message"]
    assert [{"place": "progression", "given": "'never'", "allowed": "at once, polls, seconds"}] == answer.json()[
        "fields"
    ]


def test_limits_are_read_and_set(mock: MockService, http: httpx.Client) -> None:
    assert {"requests": None, "seconds": 60.0, "in_flight": None} == got(http, "limits")
    told = http.put("/__mock__/limits", json={"requests": 1, "seconds": 5}).json()
    assert {"requests": 1, "seconds": 5, "in_flight": None} == told
    submit(http)
    assert 429 == http.post(KLEIN, json={"prompt": "a fox"}, headers=KEY).status_code
    http.put("/__mock__/limits", json={})
    assert mock.limits == MockService([]).limits
    assert 400 == http.put("/__mock__/limits", json={"in_flight": 1.5}).status_code


def test_switches_are_listed_and_set_for_one_namespace(mock: MockService, http: httpx.Client) -> None:
    (before,) = [each for each in got(http, "switches")["switches"] if each["name"] == "magnific.envelope"]
    assert ("wrapped", "wrapped", ["wrapped", "bare"]) == (before["value"], before["usual"], before["values"])
    told = http.put("/@mine/__mock__/switches", json={"magnific.envelope": "bare"}).json()["switches"]
    assert [("magnific.envelope", "bare")] == [
        (each["name"], each["value"]) for each in told if each["value"] != each["usual"]
    ]
    assert "wrapped" == mock.switches["magnific.envelope"]
    assert "data" in http.post(KLEIN, json={"prompt": "a fox"}, headers=KEY).json()
    task = http.post(f"/@mine{KLEIN}", json={"prompt": "a fox"}, headers=KEY).json()["task_id"]
    http.put("/@mine/__mock__/switches", json={"envelope": None})
    assert mock.switches == mock.namespace("mine").switches
    assert 200 == http.get(f"/@mine{KLEIN}/{task}", headers=KEY).status_code
    for body, said in (
        ({"magnific.envelop": "bare"}, "There is no switch 'magnific.envelop'. Did you mean 'magnific.envelope'?"),
        ({"magnific.envelope": "none"}, "The switch magnific.envelope is 'none'. Allowed: wrapped, bare."),
        ({"envelop": None}, "There is no switch 'envelop'."),
        ({"envelope": 1}, "envelope is 1. Allowed: a text of at most 1000 characters or null."),
    ):
        answer = http.put("/__mock__/switches", json=body)
        assert (400, True) == (answer.status_code, said in answer.json()["message"]), answer.json()


def test_what_was_switched_last_counts(mock: MockService) -> None:
    mock.switch({"magnific.extra-fields": "ignore"})
    mock.switch({"extra-fields": "refuse"})
    assert {} == mock.switched
    mock.switch({"extra-fields": "ignore", "apimart.extra-fields": None})
    assert {"magnific.extra-fields": "ignore"} == mock.switched
    with pytest.raises(ValueError, match="There is no switch"):
        mock.switch({"magnific.extra-fields": None, "nothing": None})
    assert {"magnific.extra-fields": "ignore"} == mock.switched


def test_balances_are_read_and_set(mock: MockService, http: httpx.Client) -> None:
    endless = {"began": None, "used": "0", "left": None}
    assert {"balance": {"magnific": endless, "apimart": endless}} == got(http, "balance")
    told = http.put("/__mock__/balance", json={"balance": "1.50", "provider": "magnific"}).json()
    assert {"magnific": {"began": "1.50", "used": "0", "left": "1.50"}, "apimart": endless} == told["balance"]
    submit(http)
    assert 402 == http.post(KLEIN, json={"prompt": "a fox"}, headers=KEY).status_code
    assert "0.50" == got(http, "balance")["balance"]["magnific"]["left"]
    http.put("/__mock__/balance", json={"balance": None})
    submit(http)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "balance is missing"),
        ({"balance": "much"}, 400, "The balance is 'much'. Allowed: a number from 0"),
        ({"balance": -1}, 400, "balance is -1"),
        (
            {"balance": 1, "provider": "acme"},
            404,
            "provider is 'acme', which is not served. Served: magnific",
        ),
    ],
)
def test_a_balance_that_cannot_be_is_refused(http: httpx.Client, body: Any, status: int, said: str) -> None:
    answer = http.put("/__mock__/balance", json=body)
    assert status == answer.status_code
    assert said in answer.json()["message"]


def test_exchanges_are_found_and_show_no_key(http: httpx.Client) -> None:
    first, second = submit(http, seed=1), submit(http, seed=2)
    http.get(f"{KLEIN}/{first}", headers=KEY)
    http.get("/magnific/nowhere", headers=KEY)
    told = got(http, "exchanges")
    assert (4, [200, 200, 200, 404]) == (told["total"], [each["status"] for each in told["exchanges"]])
    assert "test" not in [value for each in told["exchanges"] for value in each["headers"].values()]
    assert ["POST", "GET"] == [each["method"] for each in got(http, "exchanges", task=first)["exchanges"]]
    assert [second] == [each["task"] for each in got(http, "exchanges", method="post", most=1)["exchanges"]]
    assert 1 == got(http, "exchanges", status=404, path="nowhere")["total"]
    assert 0 == got(http, "exchanges", model="flux-2-pro", provider="magnific")["total"]


def test_what_is_billed_is_told(mock: MockService, http: httpx.Client) -> None:
    task = submit(http)
    charge = {"provider": "magnific", "model": "flux-2-klein", "task": task, "at": EPOCH, "amount": None}
    charge["refunded"] = False
    assert {"billed": 1, "charges": [charge]} == got(http, "billed")


def test_tasks_are_told_as_they_stand(mock: MockService, http: httpx.Client) -> None:
    task = submit(http, seed=3, aspect_ratio="widescreen_16_9", output_format="png")
    (told,) = got(http, "tasks")["tasks"]
    expected = {
        "id": task,
        "number": 1,
        "provider": "magnific",
        "model": "flux-2-klein",
        "status": "CREATED",
        "state": "CREATED",
        "created_at": EPOCH,
        "duration": 10.0,
        "polls": 0,
        "width": 1344,
        "height": 768,
        "seed": 3,
        "format": "png",
        "references": 0,
        "prompt": "a fox",
    }
    assert expected == {name: told[name] for name in expected}
    mock.clock.advance(5)
    assert 1 == got(http, "tasks", state="RUNNING", provider="magnific")["total"]
    assert 0 == got(http, "tasks", state="COMPLETED")["total"]
    mock.clock.advance(5)
    assert 1 == got(http, "tasks", state="COMPLETED", model="flux-2-klein")["total"]


def test_one_task_is_a_timeline(mock: MockService, http: httpx.Client) -> None:
    task = submit(http, webhook_url=HOOK)
    submit(http)
    mock.clock.advance(10)
    polled = http.get(f"{KLEIN}/{task}", headers=KEY).json()
    http.get(polled["data"]["generated"][0])
    told = got(http, f"tasks/{task}")
    assert ("COMPLETED", 1) == (told["task"]["status"], told["task"]["polls"])
    line = [(each["at"] - EPOCH, each["kind"]) for each in told["timeline"]]
    assert sorted(line) == sorted(
        [
            (0.0, "accepted"),
            (0.0, "bill"),
            (0.0, "exchange"),
            (5.0, "state"),
            (5.0, "webhook"),
            (10.0, "state"),
            (10.0, "webhook"),
            (10.0, "exchange"),
            (10.0, "exchange"),
        ]
    )
    assert [at for at, _ in line] == sorted(at for at, _ in line)


def test_a_task_without_states_by_time_has_a_timeline_too(mock: MockService, http: httpx.Client) -> None:
    mock.progression = "polls"  # type: ignore[assignment]
    task = submit(http)
    assert {"accepted", "bill", "exchange"} == {each["kind"] for each in got(http, f"tasks/{task}")["timeline"]}


def test_a_task_that_there_is_not_is_said_so(http: httpx.Client) -> None:
    answer = http.get("/__mock__/tasks/7")
    assert (404, True) == (answer.status_code, answer.json()["message"].startswith("There is no task '7'"))


def test_webhooks_are_told(mock: MockService, http: httpx.Client) -> None:
    task = submit(http, webhook_url=HOOK)
    mock.clock.advance(10)
    told = got(http, "webhooks", task=task)
    assert (2, ["IN_PROGRESS", "COMPLETED"]) == (told["total"], [each["status"] for each in told["webhooks"]])
    assert [(HOOK, 200, 1)] == [(each["url"], each["answer"], each["attempt"]) for each in told["webhooks"][1:]]
    assert 0 == got(http, "webhooks", task="another")["total"]
    assert 0 == told["under_way"]


def test_webhooks_are_under_way_from_when_they_are_due_until_somebody_has_answered(
    mock: MockService, http: httpx.Client
) -> None:
    seen = []
    mock.webhooks.connect(lambda _: seen.append(mock.webhooks.under_way) or 200)
    submit(http, webhook_url=HOOK)
    assert 0 == got(http, "webhooks")["under_way"]  # none is due yet
    mock.clock.advance(10)
    assert [1, 1] == seen
    assert 0 == got(http, "webhooks")["under_way"]


def test_namespaces_are_listed_made_and_dropped(mock: MockService, http: httpx.Client) -> None:
    made = http.post("/__mock__/namespaces", json={"name": "a"})
    urls = {name: f"{ORIGIN}/@a/{name}" for name in ("magnific", "apimart")}
    expected = {"name": "a", "key": "test-a", "billed": 0, "tasks": 0, "base_urls": urls}
    assert (201, expected) == (made.status_code, made.json())
    assert {"namespaces": [expected]} == got(http, "namespaces")
    inside = http.get("/@a/__mock__/namespaces").json()
    assert {"namespaces": [expected]} == inside
    assert {"dropped": "a"} == http.delete("/__mock__/namespaces/a").json()
    gone = http.delete("/__mock__/namespaces/a")
    assert (404, "There is no namespace 'a'. There are: none.") == (gone.status_code, gone.json()["message"])
    refused = http.post("/__mock__/namespaces", json={"name": "a/b"})
    assert (400, ()) == (refused.status_code, mock.namespaces)


def test_a_call_is_about_the_namespace_that_it_names(mock: MockService, http: httpx.Client) -> None:
    http.post("/@a/__mock__/clock", json={"advance": 60})
    http.post("/__mock__/faults", json={"name": "503"}, headers={"x-fluxkit-namespace": "a"})
    assert (EPOCH, ()) == (mock.clock.now(), mock.faults)
    inside = mock.namespace("a")
    assert (EPOCH + 60, ["503"]) == (inside.clock.now(), [each.name for each in inside.faults])


def test_who_watches_is_told_what_is_set_whoever_sets_it(mock: MockService, http: httpx.Client) -> None:
    mock.fault("503")
    mock.unfault()
    mock.progression = "polls"
    mock.limits = "rate=50/60"
    mock.switch({"magnific.envelope": "bare"})
    http.put("/__mock__/progression", json={"progression": "seconds"})
    http.put("/__mock__/balance", json={"balance": 3})
    told = re.findall(r"event: (\w+)", http.get("/__mock__/events").text)
    assert ["fault", "fault", "progression", "limits", "switches", "progression", "balance"] == told


def test_events_that_are_kept_are_told_in_process(mock: MockService, http: httpx.Client) -> None:
    task = submit(http)
    http.post("/__mock__/clock", json={"advance": 1})
    answer = http.get("/__mock__/events")
    assert ("text/event-stream", 200) == (answer.headers["content-type"], answer.status_code)
    told = [dict(line.split(": ", 1) for line in each.splitlines()) for each in answer.text.split("\n\n") if each]
    assert ["bill", "task", "exchange", "clock"] == [each["event"] for each in told]
    assert task == json.loads(told[1]["data"])["id"]
    rest = http.get("/__mock__/events", params={"last": told[2]["id"]}).text
    assert rest.splitlines()[0] == f"id: {told[3]['id']}"


# What it refuses.


@pytest.mark.parametrize("path", ["", "nothing", "tasks/a/b", "clock/", "../reset", "reset?all", "images"])
def test_a_route_that_there_is_not_is_said_so_with_those_that_there_are(http: httpx.Client, path: str) -> None:
    answer = http.post(f"/__mock__/{path}" if path != "../reset" else "/__mock__/%2e%2e/reset")
    if path == "reset?all":
        assert 400 == answer.status_code
        assert "the query's all is no field of it. Allowed: none." == answer.json()["message"]
        return
    assert 404 == answer.status_code
    assert "There are: /__mock__/reset, /__mock__/clock, " in answer.json()["message"]


@pytest.mark.parametrize(("method", "path", "allow"), [("GET", "reset", "POST"), ("PATCH", "clock", "GET, POST")])
def test_a_wrong_method_is_told_the_right_ones(http: httpx.Client, method: str, path: str, allow: str) -> None:
    answer = http.request(method, f"/__mock__/{path}")
    assert (405, allow) == (answer.status_code, answer.headers["allow"])
    assert f"/__mock__/{path} takes {allow}, and not {method}." == answer.json()["message"]


def test_a_head_is_a_get_without_its_body(http: httpx.Client) -> None:
    answer = http.head("/__mock__/billed")
    assert (200, b"") == (answer.status_code, answer.content)


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        (b"{", "application/json", 400, "The body is not JSON."),
        (b"\xff", "application/json", 400, "The body is not JSON."),
        (b"[" * 100_000, "application/json", 400, "The body is nested too deep."),
        (b'{"advance": NaN}', "application/json", 400, "The body is not JSON."),
        (b"[1]", "application/json", 400, "the body is [1]. Allowed: an object with advance, set, freeze, speed."),
        (b'{"advance": true}', "application/json", 400, "advance is True. Allowed: a number from 0"),
        (b"advance=1", "application/x-www-form-urlencoded", 415, "The content-type is 'application/x-www-form"),
        (b'{"advance": 1}', "text/plain", 415, "The content-type is 'text/plain'. Allowed: application/json."),
        (b'{"advance": 1}', "", 415, "The content-type is not given"),
        (b" " * 1_000_001, "application/json", 413, "The body has more than 1000000 bytes."),
    ],
    ids=range(10),
)
def test_a_broken_body_is_refused_and_the_mock_lives_on(
    mock: MockService, http: httpx.Client, content: bytes, kind: str, status: int, said: str
) -> None:
    answer = http.post("/__mock__/clock", content=content, headers={"content-type": kind} if kind else {})
    assert status == answer.status_code
    assert said in answer.json()["message"]
    assert EPOCH == mock.clock.now()
    assert 0 == got(http, "billed")["billed"]


def test_a_body_where_none_belongs_is_refused(http: httpx.Client) -> None:
    answer = http.request("DELETE", "/__mock__/faults", json={"name": "503"})
    assert (400, "DELETE /__mock__/faults takes no body.") == (answer.status_code, answer.json()["message"])


def test_of_many_places_that_do_not_fit_some_are_told(http: httpx.Client) -> None:
    answer = http.post("/__mock__/clock", json={f"stray{number}": number for number in range(MOST_MISFITS + 1)})
    assert (400, MOST_MISFITS) == (answer.status_code, len(answer.json()["fields"]))


@pytest.mark.parametrize("path", ["exchanges/{}", "exchanges/{}/curl", "exchanges/{}/pytest", "events?last={}-{}"])
def test_a_number_without_end_is_none_of_ours(mock: MockService, http: httpx.Client, path: str) -> None:
    answer = http.get(f"/__mock__/{path.replace('{}-', f'{mock.feed.name}-').format('9' * 5000)}")
    assert answer.status_code in (400, 404)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"most": "0"}, "the query's most is 0. Allowed: a whole number from 1 to 10000."),
        ({"most": "9" * 5000}, f"the query's most is '{'9' * 40}"),
        ({"most": "many"}, "the query's most is 'many'. Allowed: a whole number from 1 to 10000."),
        ({"state": "BUSY"}, "the query's state is 'BUSY'. Allowed: CREATED, RUNNING"),
        ({"colour": "red"}, "the query's colour is no field of it. Allowed: provider, model"),
    ],
)
def test_a_broken_query_is_refused(http: httpx.Client, query: dict[str, str], said: str) -> None:
    answer = http.get("/__mock__/tasks", params=query)
    assert 400 == answer.status_code
    assert said in answer.json()["message"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
LEAVES = st.sampled_from(
    [
        whole(),
        whole(1, 3),
        text(),
        text("a", "b"),
        text(most=2),
        maybe(whole(0, 2)),
        maybe(text("a", "b")),
        {"type": "boolean"},
        {"type": "null"},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 2},
        {"type": "string", "pattern": "^[ab]+$"},
        {"type": ["integer", "string"], "minimum": 1, "maxLength": 2},
        {},
    ]
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: (
        inner.map(several)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=2).map(record)
        | inner.map(lambda one: {"type": "object", "additionalProperties": one})
    ),
    max_leaves=5,
)


@given(SCHEMAS, JSON)
def test_bodies_are_read_as_json_schema_says(schema: Any, value: Any) -> None:
    """Another's reading of the same schema comes to the same verdict, and every misfit has words."""
    found = [*misfits(schema, value, "the body")]
    # To JSON Schema 1.0 is an integer; here a number with a point is none.
    expected = STRICT(schema).is_valid(value)
    assert expected == (not found)
    assert all(each.place and each.given and each.allowed for each in found)
    assert allowed(schema)


STRICT: Any = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


@given(st.sampled_from(OPERATIONS), JSON, st.dictionaries(st.sampled_from(["most", "x", "last"]), st.text(max_size=4)))
def test_nothing_that_is_sent_breaks_the_control(operation: Any, body: Any, query: dict[str, str]) -> None:
    mock = MockService([MAGNIFIC])
    http = httpx.Client(transport=mock.transport(), base_url=ORIGIN, event_hooks={"response": [held]})
    path = re.sub(r"\{\w+\}", "x", operation.path)
    wanted: dict[str, Any] = {} if operation.method == "GET" else {"json": body}
    answer = http.request(operation.method, f"/__mock__/{path}", params=query, **wanted)
    assert answer.status_code in (200, 201, 400, 404, 409)

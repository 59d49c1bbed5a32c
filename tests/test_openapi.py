"""Each service as an OpenAPI document: that it is one, and that the mock takes and says what it says."""

import base64
import functools
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import httpx
import jsonschema
import openapi_spec_validator
import pytest
import referencing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapes.fal import FAL
from shapes.openai import OPENAI, TOGETHER
from shapes.replicate import REPLICATE

from fluxkit import strategies
from fluxkit._wire.body import json_body
from fluxkit._wire.codec import Scalar
from fluxkit._wire.declaration import Provider, Refusal
from fluxkit._wire.json import HEADERS, QUERY, Json
from fluxkit._wire.plan import make_plan
from fluxkit._wire.samples import samples_of
from fluxkit.errors import RateLimited
from fluxkit.provider import Form, Route
from fluxkit.testing.bench import any_plan
from fluxkit_mockserver import FAULTS, MockService
from fluxkit_mockserver.answer import Incoming
from fluxkit_mockserver.dialects import dialect_of
from fluxkit_mockserver.refused import Refused
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

BUNDLED = (MAGNIFIC, FREEPIK, APIMART, BFL)
PROVIDERS = (*BUNDLED, FAL, REPLICATE, OPENAI, TOGETHER)
ORIGIN = "http://127.0.0.1"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
PNG_TEXT = base64.b64encode(PNG).decode()

each_provider = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
laws = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large])


@functools.cache
def document(provider: Provider, **switches: str) -> Any:
    wanted = {name.replace("_", "-"): value for name, value in switches.items()}
    return MockService([provider], switches=wanted).openapi(provider.name)


@functools.cache
def validator(provider: Provider, pointer: str, **switches: str) -> jsonschema.Draft202012Validator:
    """What checks whatever the schema at a place of the document describes."""
    whole = document(provider, **switches)
    resource = referencing.Resource.from_contents(whole, default_specification=referencing.jsonschema.DRAFT202012)
    registry = referencing.Registry().with_resource("urn:document", resource)
    return jsonschema.Draft202012Validator({"$ref": f"urn:document#{pointer}"}, registry=registry)


def pointer(*steps: str) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def deref(provider: Provider, steps: tuple[str, ...]) -> tuple[tuple[str, ...], Any]:
    """What stands at a place of the document, and where it really does."""
    found: Any = document(provider)
    for step in steps:
        found = found[step]
    if "$ref" in found:
        return deref(provider, tuple(found["$ref"].removeprefix("#/").split("/")))
    return steps, found


def operation_of(provider: Provider, method: str, path: str) -> tuple[str, str]:
    """The path and the method of the document that a call is."""
    below = path.partition("?")[0].removeprefix(f"/{provider.name}")
    for template, operations in document(provider)["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, below) and method.lower() in operations:
            return template, method.lower()
    raise LookupError(f"{method} {below}")


def held(provider: Provider, response: httpx.Response) -> None:
    """Raises unless an answer of the mock is one that the document foresees."""
    path = response.request.url.path
    if not path.startswith(f"/{provider.name}/"):
        return
    response.read()
    place = operation_of(provider, response.request.method, path)
    steps, told = deref(provider, ("paths", *place, "responses", str(response.status_code)))
    assert "application/json" == response.headers["content-type"]
    validator(provider, pointer(*steps, "content", "application/json", "schema")).validate(response.json())
    assert ("retry-after" in response.headers) <= ("retry-after" in told.get("headers", {}))


# The document.


@pytest.mark.slow
@each_provider
def test_the_document_is_openapi(provider: Provider) -> None:
    openapi_spec_validator.validate(document(provider))
    for kind, named in document(provider)["components"].items():
        used = json.dumps(document(provider))
        assert [] == [
            name for name in named if kind != "securitySchemes" and f'"#/components/{kind}/{name}"' not in used
        ]
    names = [each["operationId"] for path in document(provider)["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))


def routes(provider: Provider) -> Iterator[tuple[str, str]]:
    steps = (provider.upload, provider.cancel, provider.balance, provider.listing)
    declared = [provider.submit, provider.poll, provider.result, *(each.route for each in steps if each is not None)]
    for route, row in itertools.product(filter(None, declared), provider.models):
        yield route.path.replace("{model}", row.path), route.method.lower()


@each_provider
def test_every_route_of_every_model_is_there_and_no_other(provider: Provider) -> None:
    told = {(path, method) for path, methods in document(provider)["paths"].items() for method in methods}
    assert {*routes(provider)} == told


def test_the_document_says_where_it_is_served_and_what_it_goes_by() -> None:
    told = MockService([MAGNIFIC]).namespace("shop").openapi("magnific", "http://mock:4010")
    assert ["http://mock:4010/@shop/magnific", "https://api.magnific.com"] == [each["url"] for each in told["servers"]]
    assert "https://docs.magnific.com/api-reference" == told["externalDocs"]["url"]
    with pytest.raises(ValueError, match=r"no service 'bfl'\. Served: magnific"):
        MockService([MAGNIFIC]).openapi("bfl")


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        (MAGNIFIC, {"type": "apiKey", "in": "header", "name": "x-magnific-api-key"}),
        (APIMART, {"type": "http", "scheme": "bearer"}),
        (FAL, {"type": "apiKey", "in": "header", "name": "authorization", "description": "In the form `Key {key}`."}),
    ],
)
def test_the_key_is_sent_as_the_service_wants_it(provider: Provider, expected: Any) -> None:
    assert {"key": expected} == document(provider)["components"]["securitySchemes"]


def parameters(provider: Provider, path: str, method: str) -> set[tuple[str, str, bool]]:
    told = document(provider)["paths"][path][method]["parameters"]
    return {(each["in"], each["name"], each.get("required", False)) for each in told}


def test_what_a_call_says_beside_its_body_is_a_parameter() -> None:
    assert {("query", "fal_webhook", False)} == parameters(FAL, "/fal-ai/flux-2/klein/4b", "post")
    assert "fal_webhook" not in document(FAL)["components"]["schemas"]["Flux2Klein4bRequest"]["properties"]
    assert {("path", "id", True)} == parameters(FAL, "/fal-ai/flux-2/klein/4b/requests/{id}/cancel", "put")
    assert {("query", "id", True)} == parameters(BFL, "/v1/get_result", "get")
    assert {("header", "Idempotency-Key", False)} == parameters(APIMART, "/v1/images/generations", "post")


def examples(told: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every example, with the place of the content that it is one of."""
    for step, inner in told.items() if isinstance(told, dict) else ():
        if step == "examples" and "schema" in told:
            yield from ((at, each["value"]) for each in inner.values())
        else:
            yield from examples(inner, (*at, step))


@each_provider
def test_every_example_is_what_the_document_says(provider: Provider) -> None:
    shown = [*examples(document(provider))]
    assert shown
    for place, example in shown:
        validator(provider, pointer(*place, "schema")).validate(example)


def test_models_of_one_path_are_told_apart_and_shown_what_each_takes() -> None:
    row = BFL.models[0]
    edit = attrs.evolve(
        row, request=row.request | Form({"references": row.form.get("references")}, need=["references"])
    )
    told = document(attrs.evolve(BFL, models=[edit, row]))
    body = told["paths"]["/v1/flux-2-pro"]["post"]["requestBody"]["content"]["application/json"]
    names = ["Flux2ProRequest", "Flux2ProRequest2"]
    assert [{"$ref": f"#/components/schemas/{name}"} for name in names] == body["schema"]["anyOf"]
    only = document(attrs.evolve(BFL, models=[edit]))["paths"]["/v1/flux-2-pro"]["post"]["requestBody"]
    assert all("input_image" in each["value"] for each in only["content"]["application/json"]["examples"].values())


def test_a_status_may_be_an_answer_and_a_refusal() -> None:
    limited = attrs.evolve(BFL, refusals=[Refusal(200, RateLimited, text="too many"), *BFL.refusals])
    told = document(limited)["components"]["responses"]["Submit200"]
    expected = [{"$ref": f"#/components/schemas/{name}"} for name in ("Accepted", "AcceptedWithWebhook", "Error")]
    assert expected == told["content"]["application/json"]["schema"]["anyOf"]
    first = "What the service says. Or: The answer where a webhook is asked for."
    assert f"{first} Or: There are too many requests, or too many tasks at once." == told["description"]


@attrs.frozen
class Sealed(Scalar):
    """What only a plugin knows."""

    allowed = "sealed"


def test_what_a_plugin_alone_knows_is_left_as_it_is() -> None:
    upload = attrs.evolve(MAGNIFIC.upload, ticket=Sealed())
    told = document(attrs.evolve(MAGNIFIC, error=Sealed(), upload=upload, samples=None, source="a letter"))
    openapi_spec_validator.validate(told)
    assert {"description": "sealed"} == told["components"]["schemas"]["Error"]
    ticket = told["paths"]["/v1/ai/uploads/request-url"]["post"]["requestBody"]["content"]["application/json"]
    assert {"description": "sealed"} == ticket["schema"]
    assert "externalDocs" not in told


# What goes in.


def body_at(provider: Provider, path: str) -> str:
    return pointer("paths", path, "post", "requestBody", "content", "application/json", "schema")


def submitted(provider: Provider, document: Json, path: str) -> Incoming:
    """A submit as the mock gets it."""
    asides = (HEADERS, QUERY)
    body = {name: value for name, value in document.items() if name not in asides}
    content = bytes(json_body(body))
    return Incoming("POST", path, document.get(QUERY, {}), document.get(HEADERS, {}), content, ORIGIN)


def is_taken(provider: Provider, call: Incoming) -> bool:
    dialect = dialect_of(provider)
    try:
        dialect.reader.read(dialect.reader.submitted(call, call.path), call)
    except Refused:
        return False
    return True


def is_valid(provider: Provider, call: Incoming) -> bool:
    return validator(provider, body_at(provider, call.path)).is_valid(json.loads(call.body))


asked = functools.cache(strategies.from_provider)  # to make one takes longer than to draw from it


@st.composite
def submits(draw: st.DrawFn) -> tuple[Provider, Incoming]:
    """A submit as a client writes it."""
    provider = draw(st.sampled_from([each for each in PROVIDERS if each is not FREEPIK]))
    plan = make_plan(provider, *draw(asked(provider)))
    path = provider.submit.path.replace("{model}", plan.model.path)
    return provider, submitted(provider, plan.documents[0], path)


def spoilt(draw: st.DrawFn, body: dict[str, Json]) -> dict[str, Json]:
    """A body with one thing in it that is another, or is too many."""
    spots = [*((name,) for name in body), *((n, m) for n, v in body.items() if isinstance(v, dict) for m in v)]
    near = [None, {}, [], True, -1, 0, 0.5, 10**9, "", "1k", "2", {"width": 600}, [1]]
    value = draw(st.sampled_from(near) | strategies.json_values())
    if draw(st.booleans()):
        return {**body, draw(st.text() | st.sampled_from(["width", "n", "aspect_ratio", "model"])): value}
    spot = draw(st.sampled_from(spots))
    if len(spot) == 1:
        return {**body, spot[0]: value}
    return {**body, spot[0]: {**body[spot[0]], spot[1]: value}}


@pytest.mark.slow
@laws
@given(submits(), st.data())
def test_what_a_client_sends_is_valid_and_what_is_not_valid_is_refused(
    submit: tuple[Provider, Incoming], data: st.DataObject
) -> None:
    provider, call = submit
    assert is_valid(provider, call)
    body = data.draw(st.composite(spoilt)(json.loads(call.body)))
    call = attrs.evolve(call, body=bytes(json_body(body)))
    assert is_valid(provider, call) or not is_taken(provider, call)


#: The recorded requests that are refused although they are valid, with the fields: no schema has words for an area.
BEYOND = {
    "bfl": {f"{name}: 2064x2048": "width, height" for name in ("pro", "max", "flex", "klein 4b", "klein 9b")},
}


@pytest.mark.slow
@pytest.mark.parametrize("provider", BUNDLED, ids=lambda provider: provider.name)
def test_recorded_requests_are_valid_just_if_they_are_taken(provider: Provider) -> None:
    beyond = {}
    for sample in samples_of(provider):
        if sample.of == "request":
            row = provider.named(str(sample.model))[0]
            path = provider.submit.path.replace("{model}", row.path)
            valid = is_valid(provider, submitted(provider, sample.body, path))
            assert valid or not sample.fits, sample.name
            beyond |= {sample.name: sample.field} if valid and not sample.fits else {}
    assert BEYOND.get(provider.name, {}) == beyond


@each_provider
def test_a_stray_field_is_neither_valid_nor_taken(provider: Provider) -> None:
    for row in provider.models:
        plan = make_plan(provider, row.name, any_plan(provider).request)
        call = submitted(provider, plan.documents[0], provider.submit.path.replace("{model}", plan.model.path))
        assert is_valid(provider, call)
        assert is_taken(provider, call)
        call = attrs.evolve(call, body=json.dumps({**json.loads(call.body), "stray": None}).encode())
        assert not is_valid(provider, call)
        assert not is_taken(provider, call)


# What comes out.


def asking(mock: MockService, provider: Provider) -> httpx.Client:
    """A client whose every answer is held against the document."""
    headers = {provider.key.header: provider.key.form.format(key=mock.key)}
    hooks = {"response": [functools.partial(held, provider)]}
    return httpx.Client(transport=mock.transport(), base_url=ORIGIN, headers=headers, event_hooks=hooks, timeout=None)


@attrs.define
class Visit:
    """One client at one mock of a service, by the service's own routes."""

    provider: Provider
    mock: MockService
    http: httpx.Client

    def url(self, route: Route | None, id: str = "") -> str:
        assert route is not None
        return route.url(self.mock.base_url(self.provider.name, ORIGIN), model=self.provider.models[0].path, id=id)

    def submit(self, **more: Any) -> httpx.Response:
        document = any_plan(self.provider).documents[0]
        return self.http.post(self.url(self.provider.submit), json={**document, **more})

    def ask(self, id: str | None = None) -> list[int]:
        """Asks after a task in each way that there is."""
        asked = id or self.mock.tasks[-1].id
        routes = filter(None, (self.provider.poll, self.provider.result))
        return [self.http.request(route.method, self.url(route, asked)).status_code for route in routes]

    def cancel(self, id: str) -> httpx.Response:
        assert self.provider.cancel is not None
        return self.http.request(self.provider.cancel.route.method, self.url(self.provider.cancel.route, id))


@contextmanager
def visiting(provider: Provider, **settings: Any) -> Iterator[Visit]:
    mock = MockService([provider], **settings)
    with asking(mock, provider) as http:
        yield Visit(provider, mock, http)


@each_provider
def test_what_is_said_of_a_task_is_what_the_document_says(provider: Provider) -> None:
    for progression in ("at once", "polls", "seconds"):
        with visiting(provider, progression=progression) as visit:
            assert visit.submit().is_success
            for _ in range(6):
                visit.ask()
                visit.mock.clock.advance(20)
            visit.ask("no-such-task")


@each_provider
def test_what_is_refused_is_refused_as_the_document_says(provider: Provider) -> None:
    with visiting(provider) as visit:
        submit = visit.url(provider.submit)
        bodies = [{}, {"prompt": 5}, {**any_plan(provider).documents[0], "stray": 1}, []]
        refused = [visit.http.post(submit, json=body) for body in bodies]
        refused += [visit.http.post(submit, content=content) for content in (b"{", b'{"prompt": "\\ud800"}')]
        assert not any(each.is_success for each in refused[1:])
        visit.submit()
        for header in ("wrong", None):
            visit.http.headers.pop(provider.key.header, None)
            visit.http.headers.update({} if header is None else {provider.key.header: header})
            assert visit.submit().is_client_error
            assert all(400 <= status < 500 for status in visit.ask())
    with visiting(provider, limits="rate=1/60", balance=0) as visit:
        assert visit.submit().status_code == 402
        assert visit.submit().status_code == 429


@pytest.mark.parametrize("provider", [FAL, REPLICATE], ids=lambda provider: provider.name)
def test_what_is_said_of_a_cancel_is_what_the_document_says(provider: Provider) -> None:
    with visiting(provider) as visit:
        visit.submit()
        (task,) = visit.mock.tasks
        assert visit.cancel(task.id).is_success
        assert visit.cancel(task.id).is_client_error
        assert visit.cancel("no-such-task").is_client_error
        visit.ask()


@pytest.mark.parametrize("provider", BUNDLED, ids=lambda provider: provider.name)
def test_what_is_said_beside_the_tasks_is_what_the_document_says(provider: Provider) -> None:
    for settings_ in ({}, {"balance": 10}):
        with visiting(provider, **settings_) as visit:
            visit.submit()
            for aside in filter(None, (provider.balance, provider.listing)):
                assert visit.http.get(visit.url(aside.route)).is_success


@pytest.mark.slow
def test_what_is_said_of_an_upload_is_what_the_document_says() -> None:
    with visiting(APIMART) as visit:
        url = visit.url(APIMART.upload and APIMART.upload.route)
        for name, content in {"file": PNG, "photo": PNG, "file ": b"GIF", "image": b""}.items():
            visit.http.post(url, files={name.strip(): ("a.png", content, "image/png")})
        assert 413 == visit.http.post(url, files={"file": ("a.png", PNG + bytes(20_971_520), "image/png")}).status_code
        assert 1 == len(visit.mock.uploads)
    with visiting(MAGNIFIC) as visit:
        url, steps = (
            visit.url(MAGNIFIC.upload and MAGNIFIC.upload.route),
            ("paths", "/v1/ai/uploads/request-url", "post"),
        )
        told = validator(MAGNIFIC, pointer(*steps, "requestBody", "content", "application/json", "schema"))
        one = {"content_type": "image/png"}
        for body in (
            *(
                {"files": [one]},
                {},
                {"files": None},
                {"files": []},
                {"files": [one, one]},
                {"files": [{**one, "a": 1}]},
            ),
            *(
                {"files": [one], "a": 1},
                {"files": [{"content_type": "image/gif"}]},
                {"files": [{"content_type": None}]},
            ),
        ):
            assert told.is_valid(body) is visit.http.post(url, json=body).is_success


def test_what_is_said_of_a_submit_with_a_key_is_what_the_document_says() -> None:
    with visiting(APIMART) as visit:
        visit.http.headers["Idempotency-Key"] = "once"
        first, again, other = visit.submit(), visit.submit(), visit.submit(prompt="another")
        assert (200, 409) == (again.status_code, other.status_code)
        assert first.json() == again.json()
        visit.http.headers["Idempotency-Key"] = "not one word"
        assert 400 == visit.submit().status_code


#: The faults after which an answer is none, or not what the document says: that is what they are about.
ASTRAY = {
    *("stale-connection", "accepted-then-dropped", "accepted-then-hang", "accepted-then-not-json"),
    *("gateway-503-after-accept", "cut-200", "hang", "cut-poll", "poll-dropped", "not-json", "rate-limit-in-body"),
}


@pytest.mark.slow
@each_provider
def test_every_other_fault_is_answered_as_the_document_says(provider: Provider) -> None:
    applies = {name for name, fault in FAULTS.items() if not fault.obstacle(provider)}
    astray = set()
    for name in applies:
        with visiting(provider, progression="polls") as visit:
            visit.mock.fault(name)
            try:
                visit.submit()
                for _ in range(5 if visit.mock.tasks else 0):
                    visit.ask()
            except (AssertionError, KeyError, jsonschema.ValidationError, httpx.TransportError):
                astray.add(name)
    assert ASTRAY & applies == astray


@pytest.mark.parametrize("provider", BUNDLED, ids=lambda provider: provider.name)
def test_webhooks_are_what_the_document_says(provider: Provider) -> None:
    told = document(provider)["webhooks"]["task"]["post"]
    steps = ("webhooks", "task", "post", "requestBody", "content", "application/json", "schema")
    assert provider.webhook is not None
    for fault in (None, *(each for each in ("fail", "moderated", "completed-without-images"))):
        posted: list[Any] = []
        with visiting(provider) as visit:
            visit.mock.webhooks.connect(lambda sent, posted=posted: posted.append(sent) or 200)
            if fault is not None:
                visit.mock.fault(fault)
            field = "webhook" if provider is APIMART else "webhook_url"
            visit.submit(**{field: f"{ORIGIN}/hook"})
            visit.mock.clock.advance(100)
        assert posted
        for sent in posted:
            validator(provider, pointer(*steps)).validate(json.loads(sent.body))
            assert {each["name"] for each in told["parameters"]} <= sent.headers.keys()


@pytest.mark.slow
def test_the_document_follows_the_switches() -> None:
    call = {"prompt": "a fox", "stray": 1}
    path = "/v1/ai/text-to-image/flux-2-klein"
    for switches, body in (
        ({"extra-fields": "ignore"}, call),
        ({"data-prefixes": "take"}, {"prompt": "a fox", "input_image": f"data:image/png;base64,{PNG_TEXT}"}),
    ):
        submit = Incoming("POST", path, {}, {}, json.dumps(body).encode(), ORIGIN)
        assert not is_valid(MAGNIFIC, submit)
        mock = MockService([MAGNIFIC], switches=switches)
        with httpx.Client(transport=mock.transport(), headers={"x-magnific-api-key": "test"}) as http:
            assert http.post(f"{mock.base_url('magnific')}{path}", json=body).is_success
        validator(MAGNIFIC, body_at(MAGNIFIC, path), **switches).validate(body)

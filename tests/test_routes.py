"""Routes: addresses that are composed and recognised, whatever a service gives as an id; and declared status words."""

import attrs
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit._contract.task import State
from fluxkit._wire.declaration import Model, Provider
from fluxkit.provider import Route
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import FREEPIK, KLEIN, MAGNIFIC

PLAIN = Route("GET", "/v1/tasks/{id}")
NESTED = Route("GET", "/queue/{model}/requests/{id}/status")
BARE = Route("POST", "/{model}")
ASKING = Route("GET", "/v1/get_result", query="id")

HOSTILE = [
    ".", "..", "...", "../", "../..", "/", "//", "/..", "a/b", "./a", "%", "%2F", "%2f..", "%2e%2e", "%252F", "%ZZ",
    "?", "a?b=c", "#", "a#b", "&", "a&id=b", "=", "+", " ", "a b", ";", "a;b", ":", "@", "\\", "..\\", "~", "*",
    "{id}", "{model}", "naïve", "日本", "🎨", "e\u0301", "\u2025", "\uff0e\uff0e", "\n", "a\r\nHost: b", "\0", "\x7f",
]  # fmt: skip


@pytest.mark.parametrize(
    ("route", "model", "id", "expected"),
    [
        (PLAIN, "", "task_01KA", "https://a.example/v1/tasks/task_01KA"),
        (PLAIN, "", "a/b", "https://a.example/v1/tasks/a%2Fb"),
        (PLAIN, "", "..", "https://a.example/v1/tasks/%2E%2E"),
        (PLAIN, "", "../", "https://a.example/v1/tasks/..%2F"),
        (PLAIN, "", "%2F", "https://a.example/v1/tasks/%252F"),
        (PLAIN, "", "?#", "https://a.example/v1/tasks/%3F%23"),
        (PLAIN, "", "é", "https://a.example/v1/tasks/%C3%A9"),
        (NESTED, "flux-2/klein/4b", "7", "https://a.example/queue/flux-2/klein/4b/requests/7/status"),
        (BARE, "flux-2-pro", "", "https://a.example/flux-2-pro"),
        (ASKING, "", "a/b&c=d e+f", "https://a.example/v1/get_result?id=a%2Fb%26c%3Dd%20e%2Bf"),
    ],
)
def test_address_is_composed(route: Route, model: str, id: str, expected: str) -> None:
    assert expected == route.url("https://a.example", model=model, id=id)


@pytest.mark.parametrize(
    ("route", "method", "path", "expected"),
    [
        (PLAIN, "GET", "/v1/tasks/7", {"id": "7"}),
        (PLAIN, "GET", "/v1/tasks/a%2Fb", {"id": "a/b"}),
        (PLAIN, "GET", "/v1/tasks/%FF", {"id": "\ufffd"}),
        (PLAIN, "POST", "/v1/tasks/7", None),
        (PLAIN, "GET", "/v1/tasks/", None),
        (PLAIN, "GET", "/v1/tasks/a/b", None),
        (PLAIN, "GET", "/v1/tasks/7/", None),
        (PLAIN, "GET", "/v2/v1/tasks/7", None),
        (PLAIN, "GET", "/v1/tasks/7\n", {"id": "7\n"}),
        (NESTED, "GET", "/queue/flux-2/klein/4b/requests/7/status", {"model": "flux-2/klein/4b", "id": "7"}),
        (NESTED, "GET", "/queue/flux-2/requests/7", None),
        (NESTED, "GET", "/queue//requests/7/status", None),
        (BARE, "POST", "/flux-2-pro", {"model": "flux-2-pro"}),
    ],
)
def test_call_is_recognised(route: Route, method: str, path: str, expected: dict[str, str] | None) -> None:
    assert expected == route.match(method, path, {})


def test_points_and_other_signs_of_a_path_are_no_patterns() -> None:
    route = Route("GET", "/v1.0/a+b/{id}")
    assert {"id": "7"} == route.match("GET", "/v1.0/a+b/7", {})
    assert route.match("GET", "/v1x0/aab/7", {}) is None


def test_id_in_the_query_is_recognised_there_only() -> None:
    assert {"id": "a/b"} == ASKING.match("GET", "/v1/get_result", {"id": "a/b", "other": "c"})
    assert ASKING.match("GET", "/v1/get_result", {"task": "a/b"}) is None
    assert ASKING.match("GET", "/v1/get_result/7", {"id": "7"}) is None


def assert_stays_in_its_segment(id: str, *, base_url: str, route: Route, model: str) -> None:
    """A URL parser finds in the address what it would find with a harmless id in the place of *id*."""
    url = route.url(base_url, model=model, id=id)
    parsed, harmless = httpx.URL(url), httpx.URL(route.url(base_url, model=model, id="ID"))
    assert url == str(parsed)
    assert (harmless.scheme, harmless.netloc) == (parsed.scheme, parsed.netloc)
    assert (b"", "", b"") == (parsed.query, parsed.fragment, parsed.userinfo)
    path, beside = parsed.raw_path.decode(), harmless.raw_path.decode().split("ID")
    assert path.startswith(beside[0])
    assert path.endswith(beside[1])
    assert "".join(beside).count("/") == path.count("/")
    expected = {"id": id, "model": model} if "{model}" in route.path else {"id": id}
    assert expected == route.match(route.method, path.removeprefix("/gateway"), {})


BELOW = pytest.mark.parametrize("base_url", ["https://a.example", "http://127.0.0.1:8080", "https://a.example/gateway"])
ROUTES = pytest.mark.parametrize(
    ("route", "model"),
    [(PLAIN, ""), (NESTED, "flux-2/klein/4b"), (MAGNIFIC.poll, KLEIN.path), (APIMART.poll, "flux-2-flex")],
    ids=["plain", "nested", "magnific", "apimart"],
)


@BELOW
@ROUTES
@given(id=st.text(min_size=1) | st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=3).map("".join))
def test_no_id_leaves_its_segment(base_url: str, route: Route, model: str, id: str) -> None:
    assert_stays_in_its_segment(id, base_url=base_url, route=route, model=model)


@ROUTES
@pytest.mark.parametrize("id", HOSTILE)
def test_no_hostile_id_leaves_its_segment(route: Route, model: str, id: str) -> None:
    assert_stays_in_its_segment(id, base_url="https://a.example", route=route, model=model)


@pytest.mark.parametrize("route", [PLAIN, NESTED, MAGNIFIC.poll, APIMART.poll], ids=lambda route: route.path)
def test_an_empty_id_is_no_call_to_the_route(route: Route) -> None:
    assert route.match(route.method, httpx.URL(route.url("https://a.example", model="m", id="")).path, {}) is None


@given(st.text() | st.lists(st.sampled_from(HOSTILE)).map("".join))
def test_no_id_leaves_its_place_in_the_query(id: str) -> None:
    parsed = httpx.URL(ASKING.url("https://a.example", id=id))
    assert [("id", id)] == parsed.params.multi_items()
    assert ("/v1/get_result", "") == (parsed.path, parsed.fragment)
    assert {"id": id} == ASKING.match("GET", parsed.path, dict(parsed.params))


@pytest.mark.parametrize("provider", [MAGNIFIC, FREEPIK, APIMART], ids=lambda provider: provider.name)
@pytest.mark.parametrize("id", ["7", *HOSTILE])
def test_a_poll_is_never_taken_for_a_submit(provider: Provider, id: str) -> None:
    assert provider.poll is not None
    for model in provider.models:
        path = httpx.URL(provider.poll.url(provider.base_url, model=model.path, id=id)).raw_path.decode()
        assert provider.submit.match(provider.poll.method, path, {}) is None
        submit = httpx.URL(provider.submit.url(provider.base_url, model=model.path)).raw_path.decode()
        assert provider.submit.match(provider.submit.method, submit, {}) in ({}, {"model": model.path})


# Status words

TAGGED = attrs.evolve(
    APIMART,
    statuses={
        "IN_QUEUE": State.CREATED,
        "COMPLETED": State.COMPLETED,
        "COMPLETED:content_policy_violation": State.REFUSED,
        "COMPLETED:*": State.FAILED,
    },
)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("IN_QUEUE", State.CREATED),
        ("COMPLETED", State.COMPLETED),
        ("COMPLETED:content_policy_violation", State.REFUSED),
        ("COMPLETED:timeout", State.FAILED),
        ("COMPLETED:a:b", State.FAILED),
        ("COMPLETED:*", State.FAILED),
        ("IN_QUEUE:timeout", None),
        ("completed", None),
        ("COMPLETED ", None),
        (":timeout", None),
        ("", None),
        ("*", None),
    ],
)
def test_status_word_means_a_state(status: str, state: State | None) -> None:
    assert state is TAGGED.state(status)


@pytest.mark.parametrize("provider", [MAGNIFIC, FREEPIK, APIMART], ids=lambda provider: provider.name)
def test_every_declared_word_means_its_state(provider: Provider) -> None:
    assert provider.statuses
    assert dict(provider.statuses) == {word: provider.state(word) for word, _ in provider.statuses}
    assert State.COMPLETED in dict(provider.statuses).values()
    assert provider.state("A_WORD_OF_TOMORROW") is None


# Models


def test_models_are_found_by_name_in_their_order() -> None:
    plain, editing = (attrs.evolve(KLEIN, path=path) for path in ("klein", "klein/edit"))
    provider = attrs.evolve(MAGNIFIC, models=[plain, *MAGNIFIC.models[1:], editing])
    assert (plain, editing) == provider.named("flux-2-klein")
    assert () == provider.named("flux-2-kleine")
    assert "flux-2-klein" == Model(name="flux-2-klein", request=KLEIN.request, sizes=KLEIN.sizes).path


def test_form_of_a_model_is_found_behind_its_constants() -> None:
    assert KLEIN.form is KLEIN.request
    assert {"prompt", "size", "references", "webhook_url"} == {name for name, _ in APIMART.models[0].form.fields}

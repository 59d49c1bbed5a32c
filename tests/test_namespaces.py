"""Namespaces of the mock: how a call chooses one, what is its own there, and that tests at a time do not meet."""

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

import fluxkit
from fluxkit_mockserver import namespaces
from fluxkit_mockserver.clock import EPOCH, WallClock
from fluxkit_mockserver.outlet import Delivery
from fluxkit_mockserver.server import Server
from fluxkit_mockserver.service import MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

ORIGIN = "http://127.0.0.1"
KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"
FLEX = "/apimart/v1/images/generations"
KEY = {"x-magnific-api-key": "test"}
BODY = {"prompt": "a fox"}


@pytest.fixture
def mock() -> MockService:
    return MockService([MAGNIFIC, FREEPIK, APIMART], progression="at once")


@pytest.fixture
def http(mock: MockService) -> httpx.Client:
    return httpx.Client(transport=mock.transport(), base_url=ORIGIN)


def bought(mock: MockService) -> dict[str, int]:
    """What was bought in each namespace, and in the mock itself."""
    return {"": mock.billed, **{name: mock.namespace(name).billed for name in mock.namespaces}}


# How one is chosen.


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"/@a{KLEIN}", KEY),
        (f"/%40a{KLEIN}", KEY),
        (KLEIN, {**KEY, "x-fluxkit-namespace": "a"}),
        (KLEIN, {"x-magnific-api-key": "test-a"}),
        (f"/@a{KLEIN}", {"x-magnific-api-key": "test-a", "x-fluxkit-namespace": "a"}),
    ],
)
def test_a_call_chooses_a_namespace_by_address_header_or_key(
    mock: MockService, http: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    assert 200 == http.post(path, json=BODY, headers=headers).status_code
    assert {"": 0, "a": 1} == bought(mock)


def test_a_bearer_key_names_a_namespace_too(mock: MockService, http: httpx.Client) -> None:
    body = {**BODY, "model": "flux-2-flex"}
    assert 200 == http.post(FLEX, json=body, headers={"authorization": "Bearer test-run.1_b"}).status_code
    assert {"": 0, "run.1_b": 1} == bought(mock)


def test_a_call_that_names_none_is_the_mocks_own(mock: MockService, http: httpx.Client) -> None:
    assert 200 == http.post(KLEIN, json=BODY, headers=KEY).status_code
    assert {"": 1} == bought(mock)


@pytest.mark.parametrize("key", ["test-", "test-a/b", "test-" + "a" * 65, "tes-a", "testa", "Bearer test-a"])
def test_a_key_that_names_no_namespace_is_refused_as_any_other(mock: MockService, http: httpx.Client, key: str) -> None:
    answer = http.post(KLEIN, json=BODY, headers={"x-magnific-api-key": key})
    assert (401, {"message": "Invalid API key"}) == (answer.status_code, answer.json())
    assert {"": 0} == bought(mock)


@pytest.mark.parametrize(
    ("path", "headers", "said"),
    [
        (
            f"/@a{KLEIN}",
            {**KEY, "x-fluxkit-namespace": "b"},
            "names two namespaces: 'a' by its address, 'b' by its header",
        ),
        (f"/@a{KLEIN}", {"x-magnific-api-key": "test-b"}, "names two namespaces: 'a' by its address, 'b' by its key"),
        (f"/@{KLEIN}", KEY, "The namespace is ''. Allowed: 1 to 64 letters"),
        (KLEIN, {**KEY, "x-fluxkit-namespace": "a b"}, "The namespace is 'a b'. Allowed: 1 to 64 letters"),
        (KLEIN, {**KEY, "x-fluxkit-namespace": ""}, "The namespace is ''. Allowed"),
    ],
)
def test_a_call_that_names_two_or_a_wrong_one_is_told_so(
    mock: MockService, http: httpx.Client, path: str, headers: dict[str, str], said: str
) -> None:
    answer = http.post(path, json=BODY, headers=headers)
    assert 400 == answer.status_code
    assert said in answer.text
    assert {"": 0} == bought(mock)


def test_a_transport_into_a_namespace_leads_nowhere_else(mock: MockService) -> None:
    inside = httpx.Client(transport=mock.namespace("a").transport(), base_url=ORIGIN)
    assert 200 == inside.post(KLEIN, json=BODY, headers=KEY).status_code
    astray = inside.post(f"/@b{KLEIN}", json=BODY, headers=KEY)
    assert (400, "The call names the namespace 'b', and came to 'a'.\n") == (astray.status_code, astray.text)
    assert {"": 0, "a": 1} == bought(mock)


def test_a_name_that_cannot_stand_in_an_address_is_refused(mock: MockService) -> None:
    for name in ("", "a/b", "-a", "ä", "a" * 65):
        with pytest.raises(ValueError, match="Allowed: 1 to 64 letters"):
            mock.namespace(name)
    assert () == mock.namespaces


# What is its own.


def test_what_a_namespace_gives_back_leads_into_it(mock: MockService, http: httpx.Client) -> None:
    task = http.post(f"/@a{KLEIN}", json=BODY, headers=KEY).json()["data"]["task_id"]
    (link,) = http.get(f"/@a{KLEIN}/{task}", headers=KEY).json()["data"]["generated"]
    assert link.startswith(f"{ORIGIN}/@a/__mock__/images/{task}")
    assert "image/jpeg" == http.get(link).headers["content-type"]
    assert 404 == http.get(link.replace("/@a", "")).status_code
    assert 404 == http.get(link.replace("/@a", "/@b")).status_code
    assert 404 == http.get(f"{KLEIN}/{task}", headers=KEY).status_code
    assert 404 == http.get(f"/@b{KLEIN}/{task}", headers=KEY).status_code


def test_clients_need_only_the_address_of_a_namespace(mock: MockService) -> None:
    url = mock.namespace("a").base_url("magnific")
    assert f"{ORIGIN}/@a/magnific" == url
    with Server(mock) as server:
        url = mock.namespace("a").base_url("magnific", server.url)
        with fluxkit.Client("magnific:flux-2-klein", key=mock.key, base_url=url, journal="off") as client:
            assert (1024, 1024) == client.generate("a fox").images[0].pixels
    assert {"": 0, "a": 1} == bought(mock)


def test_an_upload_of_another_namespace_is_not_there(mock: MockService, http: httpx.Client) -> None:
    png = mock_png(mock)
    bearer = {"authorization": "Bearer test"}
    url = http.post("/@a/apimart/v1/uploads/images", files={"file": ("x.png", png)}, headers=bearer).json()["url"]
    assert url.startswith(f"{ORIGIN}/@a/__mock__/uploads/")
    assert png == http.get(url).content
    body = {**BODY, "model": "flux-2-flex", "image_urls": [url]}
    codes = [http.post(f"{place}{FLEX}", json=body, headers=bearer).status_code for place in ("/@a", "/@b", "")]
    assert [200, 400, 400] == codes
    assert 400 == http.post(FLEX, json={**body, "image_urls": [url.replace("/@a", "")]}, headers=bearer).status_code


def mock_png(mock: MockService) -> bytes:
    """Some picture."""
    return httpx.Client(transport=mock.transport()).get("http://images.example/x.png").content


def test_faults_limits_and_balances_are_a_namespaces_own(mock: MockService, http: httpx.Client) -> None:
    mock.namespace("faulty").fault("503")
    mock.namespace("limited").limits = "rate=0/1"  # type: ignore[assignment]
    mock.namespace("poor").accounts.put(0)
    codes = {
        name: http.post(KLEIN, json=BODY, headers={**KEY, "x-fluxkit-namespace": name}).status_code
        for name in ("faulty", "limited", "poor", "rich")
    }
    assert {"faulty": 503, "limited": 429, "poor": 402, "rich": 200} == codes
    assert 200 == http.post(KLEIN, json=BODY, headers=KEY).status_code
    seen = {name: [each.status for each in mock.namespace(name).exchanges] for name in codes}
    assert {name: [code] for name, code in codes.items()} == seen
    assert [200] == [each.status for each in mock.exchanges]


def test_time_in_a_namespace_is_its_own(mock: MockService) -> None:
    mock.namespace("a").clock.advance(3600)
    assert [EPOCH, EPOCH + 3600, EPOCH] == [
        mock.clock.now(),
        mock.namespace("a").clock.now(),
        mock.namespace("b").clock.now(),
    ]
    served = MockService([MAGNIFIC], clock=WallClock(speed=7.0))
    assert 7.0 == served.namespace("a").clock.speed
    assert served.clock is not served.namespace("a").clock


def test_webhooks_of_a_namespace_come_from_it() -> None:
    mock, came = MockService([MAGNIFIC], progression="at once"), list[Delivery]()
    mock.webhooks.connect(lambda delivery: came.append(delivery) or 200)
    inside = mock.namespace("a")
    http = httpx.Client(transport=mock.transport(), base_url=ORIGIN)
    http.post(f"/@a{KLEIN}", json={**BODY, "webhook_url": "http://127.0.0.1/hook"}, headers=KEY)
    mock.clock.advance(1)
    assert [] == came
    inside.clock.advance(1)
    assert ["COMPLETED"] == [each.status for each in inside.webhooks.sent]
    assert b"/@a/__mock__/images/" in came[-1].body
    assert [] == [*mock.webhooks.sent]


@pytest.mark.slow
def test_webhooks_of_a_namespace_are_posted_over_the_network() -> None:
    heard = threading.Event()

    class Receiver(MockService):
        def handle(self, call: Any) -> Any:
            heard.set()
            return super().handle(call)

    mock = MockService([MAGNIFIC], progression="at once", clock=WallClock())
    before = mock.namespace("before")
    with Server(Receiver([])) as receiver, Server(mock) as server, httpx.Client() as http:
        for world in (before, mock.namespace("after")):
            body = {**BODY, "webhook_url": f"{receiver.url}/hook"}
            assert 200 == http.post(f"{server.url}/@{world.name}{KLEIN}", json=body, headers=KEY).status_code
            assert heard.wait(10)
            heard.clear()
        assert mock.drop_namespace("after")


def test_a_reset_leaves_other_namespaces_as_they_were(mock: MockService, http: httpx.Client) -> None:
    for path in (KLEIN, f"/@a{KLEIN}", f"/@b{KLEIN}"):
        http.post(path, json=BODY, headers=KEY)
    mock.reset()
    mock.namespace("a").reset()
    assert {"": 0, "a": 0, "b": 1} == bought(mock)


def test_ids_come_again_with_the_seed_and_the_name() -> None:
    def ids(name: str) -> list[str]:
        http = httpx.Client(transport=MockService([MAGNIFIC], seed=3).namespace(name).transport(), base_url=ORIGIN)
        return [http.post(KLEIN, json=BODY, headers=KEY).json()["data"]["task_id"] for _ in range(2)]

    assert ids("a") == ids("a")
    assert not {*ids("a")} & {*ids("b")}


# How many there are.


def test_a_namespace_can_be_dropped(mock: MockService, http: httpx.Client) -> None:
    http.post(f"/@a{KLEIN}", json=BODY, headers=KEY)
    assert [True, False] == [mock.drop_namespace("a"), mock.drop_namespace("a")]
    assert () == mock.namespaces
    assert 0 == mock.namespace("a").billed


def test_the_namespace_that_was_not_used_for_longest_makes_room(
    mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespaces, "MOST_NAMESPACES", 2)
    for name in ("a", "b", "a", "c"):
        mock.namespace(name)
    assert ("a", "c") == mock.namespaces


def test_a_namespace_of_a_namespace_is_one_of_the_mock(mock: MockService) -> None:
    assert mock.namespace("b") is mock.namespace("a").namespace("b")
    assert {"a", "b"} == {*mock.namespace("a").namespaces}


def test_a_namespace_is_made_with_all_that_the_mock_was_made_with() -> None:
    own = {"self", "providers", "seed", "clock", "keys", "state"}  # the file itself is shared, not its name
    assert {*inspect.signature(MockService.__init__).parameters} - own == {*MockService([])._shared}


# Tests at a time.


@pytest.mark.slow
def test_tests_that_run_at_a_time_do_not_see_each_other(mock: MockService) -> None:
    """Each buys, breaks, winds its clock and counts, over one port, while the others do."""

    def one_test(number: int) -> tuple[int, int, float, set[int]]:
        world = mock.namespace(f"t{number}")
        url = world.base_url("magnific", server.url)
        with httpx.Client() as http:
            codes = set()
            for _ in range(number):
                answer = http.post(url + KLEIN.removeprefix("/magnific"), json=BODY, headers=KEY)
                codes.add(answer.status_code)
                task = answer.json()["data"]["task_id"]
                polled = http.get(f"{url}{KLEIN.removeprefix('/magnific')}/{task}", headers=KEY)
                codes.add(polled.status_code)
            world.fault("503", times=1)
            codes.add(http.post(url + KLEIN.removeprefix("/magnific"), json=BODY, headers=KEY).status_code)
        world.clock.advance(number)
        return world.billed, len(world.exchanges), world.clock.now() - EPOCH, codes

    with Server(mock) as server, ThreadPoolExecutor(8) as pool:
        seen = [*pool.map(one_test, range(1, 17))]
    assert [(number, 2 * number + 1, float(number), {200, 503}) for number in range(1, 17)] == seen
    assert 0 == mock.billed

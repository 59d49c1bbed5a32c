"""Limits that count, balances, and the mock's clocks: what is refused, in whose words, and what is told of it."""

from decimal import Decimal
from typing import Any

import attrs
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit_mockserver.accounts import Accounts
from fluxkit_mockserver.clock import EPOCH, WallClock
from fluxkit_mockserver.limits import MOST_KEYS, Gauge, Limits
from fluxkit_mockserver.refused import Refused
from fluxkit_mockserver.service import MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import KLEIN, MAGNIFIC

ORIGIN = "http://127.0.0.1"
TO_KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"
TO_FLEX = "/apimart/v1/images/generations"
KEYS = {TO_KLEIN: {"x-magnific-api-key": "test"}, TO_FLEX: {"authorization": "Bearer test"}}
BODIES: dict[str, Any] = {TO_KLEIN: {"prompt": "a fox"}, TO_FLEX: {"prompt": "a fox", "model": "flux-2-flex"}}
WORDS = {
    (TO_KLEIN, 429): {"message": "Too many requests"},
    (TO_FLEX, 429): {
        "error": {"code": 429, "message": "Rate limit exceeded. Please try again later", "type": "rate_limit_error"}
    },
    (TO_FLEX, 402): {
        "error": {"code": 402, "message": "Insufficient balance, please top up", "type": "payment_required"}
    },
}


def talk(mock: MockService) -> httpx.Client:
    return httpx.Client(transport=mock.transport(), base_url=ORIGIN)


def submit(http: httpx.Client, path: str = TO_KLEIN, **headers: str) -> httpx.Response:
    return http.post(path, json=BODIES[path], headers={**KEYS[path], **headers})


# Limits as they are written.


@pytest.mark.parametrize(
    ("said", "limits"),
    [
        ((), Limits()),
        ("rate=50/60", Limits(requests=50, seconds=60.0)),
        (["rate=5/0.5", "in-flight=24"], Limits(requests=5, seconds=0.5, in_flight=24)),
        ({"requests": 3, "seconds": 2}, Limits(requests=3, seconds=2)),
        ({}, Limits()),
    ],
)
def test_limits_are_read_in_each_form(said: Any, limits: Limits) -> None:
    assert limits == Limits.read(said)
    assert limits == Limits.read(limits.written)
    assert limits is Limits.read(limits)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("rate=5", "The limit is 'rate=5'. Allowed: rate=REQUESTS/SECONDS"),
        ("rate=5/0", "seconds is 0.0. Allowed: a number above 0"),
        ("in-flight=-1", "The limit is 'in-flight=-1'"),
        ("balance=3", "The limit is 'balance=3'"),
        ({"rate": 3}, "A limit is called 'rate'. Allowed: requests, seconds, in_flight"),
        ({"requests": -1}, "requests is -1. Allowed: a whole number from 0"),
        ({"in_flight": True}, "in_flight is True"),
        ({"seconds": float("inf")}, "seconds is inf"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(said: Any, told: str) -> None:
    with pytest.raises(ValueError, match=r"Allowed") as caught:
        MockService([], limits=said)
    assert told in str(caught.value)


# Rate.


@pytest.mark.parametrize("path", [TO_KLEIN, TO_FLEX])
def test_a_request_too_many_is_refused_in_the_services_words_and_told_when_to_come_back(path: str) -> None:
    mock = MockService([MAGNIFIC, APIMART], limits="rate=2/60")
    http = talk(mock)
    assert ["1", "0"] == [submit(http, path).headers["x-ratelimit-remaining"] for _ in range(2)]
    mock.clock.advance(20.5)
    refused = submit(http, path)
    assert (429, WORDS[path, 429]) == (refused.status_code, refused.json())
    told = {name: value for name, value in refused.headers.items() if name.startswith(("x-rate", "retry"))}
    expected = {"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "40", "retry-after": "40"}
    assert expected == told
    mock.clock.advance(float(told["retry-after"]))
    assert 200 == submit(http, path).status_code
    assert 3 == mock.billed


def test_each_key_and_each_service_is_counted_by_itself() -> None:
    http = talk(MockService([MAGNIFIC, APIMART], limits="rate=1/60", keys=["test", "other"]))
    answers = [
        submit(http),
        submit(http),
        submit(http, **{"x-magnific-api-key": "other"}),
        submit(http, TO_FLEX),
        submit(http, **{"x-magnific-api-key": "wrong"}),
    ]
    assert [200, 429, 200, 200, 401] == [each.status_code for each in answers]


def test_polls_count_and_pictures_do_not() -> None:
    mock = MockService([MAGNIFIC], progression="at once", limits="rate=2/60")
    http = talk(mock)
    task = submit(http).json()["data"]["task_id"]
    polled = http.get(f"{TO_KLEIN}/{task}", headers=KEYS[TO_KLEIN])
    assert "0" == polled.headers["x-ratelimit-remaining"]
    (link,) = polled.json()["data"]["generated"]
    assert [200, 200] == [http.get(link).status_code for _ in range(2)]


def test_limits_can_be_changed_while_the_mock_runs() -> None:
    mock = MockService([MAGNIFIC])
    http = talk(mock)
    assert "x-ratelimit-limit" not in submit(http).headers
    mock.limits = Limits(requests=1)
    assert [200, 429] == [submit(http).status_code for _ in range(2)]
    mock.limits = Limits()
    assert 200 == submit(http).status_code


def test_a_reset_counts_anew() -> None:
    mock = MockService([MAGNIFIC], limits=["rate=1/60", "in-flight=1"], balance=1)
    http = talk(mock)
    for _ in range(2):
        assert [200, 429] == [submit(http).status_code for _ in range(2)]
        mock.reset()


@given(
    st.integers(0, 5),
    st.floats(0.5, 100),
    st.lists(st.floats(0, 50), max_size=40),
)
def test_no_span_of_time_sees_more_requests_than_allowed_and_none_is_refused_without_need(
    most: int, seconds: float, pauses: list[float]
) -> None:
    gauge, now, taken = Gauge(Limits(requests=most, seconds=seconds)), EPOCH, list[float]()
    for pause in pauses:
        now += pause
        recent = [at for at in taken if at > now - seconds]
        try:
            told = gauge.call(("a", "key"), now)
        except Refused as refused:
            assert most == len(recent)
            wait = float(refused.headers["retry-after"])
            assert not recent or recent[0] + seconds <= now + wait < recent[0] + seconds + 1 + 1e-6
        else:
            taken.append(now)
            assert most - len(recent) - 1 == int(told["x-ratelimit-remaining"])


def test_keys_without_number_take_no_memory_without_end() -> None:
    gauge = Gauge(Limits(requests=1))
    for number in range(MOST_KEYS + 10):
        gauge.call(("a", str(number)), EPOCH)
    assert MOST_KEYS == len(gauge._calls)


# Tasks at once.


@pytest.mark.parametrize("path", [TO_KLEIN, TO_FLEX])
def test_a_task_too_many_is_refused_until_one_has_ended(path: str) -> None:
    mock = MockService([MAGNIFIC, APIMART], limits="in-flight=2", durations=lambda _: 10.0)
    http = talk(mock)
    assert [200, 200, 429] == [submit(http, path).status_code for _ in range(3)]
    refused = submit(http, path)
    assert ("1", WORDS[path, 429]) == (refused.headers["retry-after"], refused.json())
    mock.clock.advance(10)
    assert [200, 200, 429] == [submit(http, path).status_code for _ in range(3)]
    assert 4 == mock.billed


def test_a_task_that_is_refused_is_not_bought() -> None:
    mock = MockService([MAGNIFIC], limits="in-flight=0")
    assert 429 == submit(talk(mock)).status_code
    assert (0, []) == (mock.billed, [*mock._works.tasks])


# Balance.


def test_an_account_pays_until_it_cannot_and_is_refused_in_the_services_words() -> None:
    mock = MockService([MAGNIFIC, APIMART], balance=2)
    http = talk(mock)
    answers = [submit(http, TO_FLEX) for _ in range(3)]
    assert [200, 200, 402] == [each.status_code for each in answers]
    assert WORDS[TO_FLEX, 402] == answers[-1].json()
    assert (2, Decimal(0)) == (mock.billed, mock.accounts.of("apimart").left)
    assert 200 == submit(http).status_code  # every service has an account of its own
    mock.accounts.put("1.5", "apimart")
    assert [200, 402] == [submit(http, TO_FLEX).status_code for _ in range(2)]
    mock.accounts.put(None)
    assert 200 == submit(http, TO_FLEX).status_code


def test_a_known_price_is_what_an_image_costs() -> None:
    priced = attrs.evolve(MAGNIFIC, models=[attrs.evolve(KLEIN, price=Costs("0.03"))])
    mock = MockService([priced], balance="0.07")
    http = talk(mock)
    assert [200, 200, 402] == [submit(http).status_code for _ in range(3)]
    assert Decimal("0.01") == mock.accounts.of("magnific").left
    mock.accounts.refund("magnific", Decimal("0.03"))
    assert 200 == submit(http).status_code


@attrs.frozen
class Costs:
    """One price for all."""

    price: str

    def of(self, pixels: object, references: int) -> Decimal:
        return Decimal(self.price)


@pytest.mark.parametrize("balance", ["many", -1, float("nan"), float("inf"), True, "1e13", [1]])
def test_a_balance_that_cannot_be_is_refused(balance: Any) -> None:
    with pytest.raises(ValueError, match=r"Allowed: a number from 0 up to .*, or no balance for an account"):
        MockService([], balance=balance)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, "0", "0.1", "0.25"])), max_size=30))
def test_what_is_left_and_what_was_used_make_what_an_account_began_with(spent: list[tuple[str, str | None]]) -> None:
    accounts = Accounts("3")
    for name, price in spent:
        cost = None if price is None else Decimal(price)
        left = accounts.of(name).left
        assert left is not None
        try:
            accounts.check(name, cost)
        except Refused:
            assert left < (1 if cost is None else cost)
            continue
        accounts.spend(name, cost)
    assert all(0 <= (account.left or 0) and account.left == 3 - account.used for _, account in accounts)


# What can be asked beside the tasks.


def test_the_balance_is_told_where_the_service_tells_it() -> None:
    mock = MockService([APIMART, BFL], balance=2)
    http = talk(mock)
    submit(http, TO_FLEX)
    told = http.get("/apimart/v1/balance", headers=KEYS[TO_FLEX]).json()
    assert {"success": True, "remain_balance": 1, "used_balance": 1, "unlimited_quota": False} == told
    assert {"credits": 200} == http.get("/bfl/v1/credits", headers={"x-key": "test"}).json()
    mock.accounts.put(None)
    assert -1 == http.get("/apimart/v1/balance", headers=KEYS[TO_FLEX]).json()["remain_balance"]
    assert 405 == http.post("/apimart/v1/balance", headers=KEYS[TO_FLEX]).status_code


def test_the_tasks_of_a_model_are_listed_by_id_and_status() -> None:
    mock = MockService([MAGNIFIC], durations=lambda number: 10.0 * number)
    http = talk(mock)
    ids = [submit(http).json()["data"]["task_id"] for _ in range(2)]
    mock.clock.advance(10)
    told = http.get(TO_KLEIN, headers=KEYS[TO_KLEIN]).json()
    assert {"data": [{"task_id": ids[0], "status": "COMPLETED"}, {"task_id": ids[1], "status": "IN_PROGRESS"}]} == told
    other = TO_KLEIN.replace("klein", "pro")
    assert {"data": []} == http.get(other, headers=KEYS[TO_KLEIN]).json()
    assert 404 == http.get(other.replace("pro", "max"), headers=KEYS[TO_KLEIN]).status_code
    unlisted = talk(MockService([MAGNIFIC], switches={"listing": "404"}))
    assert unlisted.get(TO_KLEIN, headers=KEYS[TO_KLEIN]).status_code in (404, 405)


# Clocks.


def test_a_wall_clock_can_be_moved_stopped_and_started() -> None:
    clock = WallClock(speed=1_000_000)
    clock.freeze()
    stopped = clock.now()
    assert (stopped, 0.0) == (clock.now(), clock.pace)
    clock.advance(60)
    clock.advance(-5)
    assert stopped + 60 == clock.now()
    clock.thaw(2.0)
    assert (False, 2.0) == (clock.frozen, clock.pace)
    assert stopped + 60 <= clock.now()


def test_who_waits_on_a_wall_clock_is_told_when_it_is_moved() -> None:
    clock, rung = WallClock(), list[float]()

    class Bell:
        def ring(self, now: float, /) -> None:
            rung.append(now)

    clock.alarms.append(Bell())  # type: ignore[arg-type]
    clock.freeze()
    clock.advance(10)
    assert [clock.now() - 10, clock.now()] == rung

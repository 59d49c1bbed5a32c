"""The mock's webhooks: when they come, how they are signed, where they may go, and what becomes of one not taken."""

import datetime as dt
import json
import queue
import threading
from typing import Any

import anyio
import attrs
import httpx
import pytest
import standardwebhooks
from shapes.replicate import REPLICATE
from support.receiving import listening

import fluxkit
import fluxkit.webhooks
from fluxkit.provider import Provider
from fluxkit.testing.bench import load
from fluxkit_mockserver import FAULTS, WEBHOOK_SECRET, MockService, Server, VirtualClock, WallClock, to_app
from fluxkit_mockserver.outlet import Delivery
from fluxkit_mockserver.parcels import MOST_WAITING
from fluxkit_mockserver.webhooks import Sent
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

HOOK = "https://app.example/hooks"
PATHS = {
    "magnific": "/v1/ai/text-to-image/flux-2-klein",
    "freepik": "/v1/ai/text-to-image/flux-2-klein",
    "apimart": "/v1/images/generations",
    "bfl": "/v1/flux-2-pro",
    "replicate": "/v1/models/black-forest-labs/flux-2-pro/predictions",
}


@attrs.define(eq=False)
class Bench:
    """A mock in process, whoever buys from it, and the one who takes its webhooks."""

    mock: MockService
    provider: Provider
    answers: list[int] = attrs.field(factory=list)
    taken: list[Delivery] = attrs.field(factory=list)

    def submit(self, url: str | None = HOOK, **more: Any) -> str:
        """Buys, and gives the id."""
        body: dict[str, Any] = {"prompt": "a cat", **more}
        if self.provider is APIMART:
            body["model"] = "flux-2-flex"
        if url is not None:
            body["webhook_url" if self.provider in (MAGNIFIC, FREEPIK, BFL) else "webhook"] = url
        if self.provider is REPLICATE:
            body = {"input": {"prompt": body.pop("prompt")}, **body}
        reply = self.send("POST", PATHS[self.provider.name], body)
        said = reply.get("data", reply)
        said = said[0] if isinstance(said, list) else said
        return said.get("task_id") or said["id"]

    def poll(self, id: str) -> dict[str, Any]:
        assert self.provider is MAGNIFIC
        return self.send("GET", f"{PATHS['magnific']}/{id}")

    def send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {self.provider.key.header: self.provider.key.form.format(key=self.mock.key)}
        with httpx.Client(transport=self.mock.transport()) as client:
            reply = client.request(method, self.mock.base_url(self.provider.name) + path, json=body, headers=headers)
        assert reply.status_code in (200, 201), reply.text
        return reply.json()

    def take(self, delivery: Delivery) -> int:
        self.taken.append(delivery)
        return self.answers.pop(0) if self.answers else 200

    @property
    def sent(self) -> list[tuple[str, float]]:
        """What was reported, and how many seconds after the mock's time began."""
        return [(each.status, each.at - VirtualClock().now()) for each in self.mock.webhooks.sent]


def bench(provider: Provider = MAGNIFIC, *, answers: tuple[int, ...] = (), **settings: Any) -> Bench:
    made = Bench(MockService([provider], **settings), provider, list(answers))
    made.mock.webhooks.connect(made.take)
    return made


# When


def test_every_change_is_reported_when_it_happens() -> None:
    at = bench()
    at.submit()
    at.mock.clock.advance(0.4)
    assert [] == at.sent
    at.mock.clock.advance(0.4)
    assert [("IN_PROGRESS", 0.5)] == at.sent
    at.mock.clock.advance(100.0)
    assert [("IN_PROGRESS", 0.5), ("COMPLETED", 1.0)] == at.sent


def test_a_service_that_reports_the_end_alone_reports_nothing_else() -> None:
    at = bench(APIMART)
    at.submit()
    at.mock.clock.advance(100.0)
    assert [("completed", 19.0)] == at.sent


def test_a_poll_that_moves_a_task_is_followed_by_its_webhook() -> None:
    at = bench(progression="polls")
    task = at.submit()
    for _ in range(4):
        at.mock.clock.advance(1.0)
        at.poll(task)
    at.mock.clock.advance(0.0)
    assert [("IN_PROGRESS", 1.0), ("COMPLETED", 2.0)] == at.sent


def test_what_is_done_at_once_is_reported_at_once() -> None:
    at = bench(progression="at once")
    at.submit()
    at.mock.clock.advance(0.0)
    assert [("COMPLETED", 0.0)] == at.sent


def test_a_task_that_never_ends_is_never_reported_as_ended() -> None:
    at = bench()
    at.mock.fault("stuck")
    at.submit()
    at.mock.clock.advance(1000.0)
    assert ["IN_PROGRESS"] == [word for word, _ in at.sent]


def test_webhooks_of_several_tasks_come_in_the_order_of_the_clock() -> None:
    at = bench()
    first = at.submit()
    at.mock.clock.advance(0.25)
    second = at.submit()
    at.mock.clock.advance(9.0)
    assert [(first, 0.5), (second, 0.75), (first, 1.0), (second, 1.25)] == [
        (each.task, each.at - VirtualClock().now()) for each in at.mock.webhooks.sent
    ]


def test_nothing_is_reported_where_nobody_asked_or_nobody_is_there() -> None:
    at = bench()
    at.submit(None)
    at.mock.clock.advance(9.0)
    assert [] == at.sent
    alone = Bench(MockService([MAGNIFIC]), MAGNIFIC)
    alone.submit()
    alone.mock.webhooks.connect(alone.take)
    alone.mock.clock.advance(9.0)
    assert [] == alone.sent
    silent = bench(attrs.evolve(MAGNIFIC, webhook=None))
    silent.provider = MAGNIFIC
    silent.submit()
    silent.mock.clock.advance(9.0)
    assert [] == silent.sent


def test_what_waits_is_bounded_and_forgotten_on_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fluxkit_mockserver.parcels.MOST_WAITING", 3)
    at = bench()
    for _ in range(5):
        at.submit()
    at.mock.clock.advance(9.0)
    assert (3, 10_000) == (len(at.sent), MOST_WAITING)
    at.submit()
    at.mock.reset()
    at.mock.clock.advance(9.0)
    assert [] == at.sent == list(at.mock.webhooks.sent)


# What


@pytest.mark.parametrize("provider", [MAGNIFIC, APIMART, REPLICATE, BFL], ids=lambda each: each.name)
def test_what_is_reported_is_read_and_leads_to_the_image(provider: Provider) -> None:
    at = bench(provider)
    task = at.submit()
    at.mock.clock.advance(100.0)
    delivery = at.taken[-1]
    event = fluxkit.webhooks.read(
        delivery.headers, delivery.body, provider=provider, secret=WEBHOOK_SECRET, now=at.mock.clock.now() - 80.0
    )
    assert (task, "completed", provider is not APIMART) == (event.task_id, event.state, event.signed)
    (picture,) = event.pictures
    assert load(at.mock, str(picture.url)).width > 0
    assert f"{HOOK}{provider.webhook.suffix}" == delivery.url


@pytest.mark.parametrize("provider", [MAGNIFIC, REPLICATE], ids=lambda each: each.name)
def test_another_implementation_signs_alike(provider: Provider) -> None:
    at = bench(provider)
    at.submit()
    at.mock.clock.advance(100.0)
    # Magnific takes the secret as it is, which is another's secret in base64 once more.
    secret = standardwebhooks.webhooks.base64.b64encode(WEBHOOK_SECRET.encode()).decode()
    theirs = standardwebhooks.Webhook(secret if provider is MAGNIFIC else WEBHOOK_SECRET)
    for delivery in at.taken:
        headers, body = delivery.headers, delivery.body.decode()
        when = dt.datetime.fromtimestamp(int(headers["webhook-timestamp"]), dt.UTC)
        assert headers["webhook-signature"] == theirs.sign(headers["webhook-id"], when, body)


def test_a_secret_that_comes_with_the_request_is_signed_with() -> None:
    at = bench(BFL)
    at.submit(webhook_secret="mine")
    at.mock.clock.advance(100.0)
    (delivery,) = at.taken
    read = fluxkit.webhooks.read(delivery.headers, delivery.body, provider=BFL, secret="mine")
    assert "completed" == read.state
    with pytest.raises(fluxkit.WebhookUnusable):
        fluxkit.webhooks.read(delivery.headers, delivery.body, provider=BFL, secret=WEBHOOK_SECRET)


def test_the_same_mock_reports_the_same() -> None:
    taken = []
    for seed in (1, 1, 2):
        at = bench(seed=seed)
        at.submit()
        at.mock.clock.advance(9.0)
        taken.append([(each.headers["webhook-id"], each.body) for each in at.taken])
    assert taken[0] == taken[1] != taken[2]
    assert 2 == len({name for name, _ in taken[0]})


# Again


@pytest.mark.parametrize("answer", [0, 500, 503])
def test_what_is_not_taken_is_sent_again_as_the_service_does(answer: int) -> None:
    at = bench(APIMART, answers=(answer,) * 9)
    at.submit()
    at.mock.clock.advance(1000.0)
    # "10, 30, 60 s", and then it gives up: https://docs.apimart.ai
    assert [19.0, 29.0, 59.0, 119.0] == [when for _, when in at.sent]
    assert [1, 2, 3, 4] == [each.attempt for each in at.mock.webhooks.sent]
    assert 1 == len({each.body for each in at.taken})


@pytest.mark.parametrize(("provider", "answer"), [(APIMART, 200), (APIMART, 404), (APIMART, 307), (MAGNIFIC, 500)])
def test_what_is_answered_or_not_promised_is_not_sent_again(provider: Provider, answer: int) -> None:
    at = bench(provider, answers=(answer,) * 9)
    at.submit()
    at.mock.clock.advance(1000.0)
    words = [word for word, _ in at.sent]
    assert len(set(words)) == len(words)


def test_a_second_attempt_is_the_same_delivery_with_a_fresh_signature() -> None:
    provider = attrs.evolve(MAGNIFIC, webhook=attrs.evolve(MAGNIFIC.webhook, every=False, retries=[400.0]))
    at = bench(provider, answers=(500,))
    at.provider = MAGNIFIC
    at.submit()
    replays = fluxkit.webhooks.Replays()
    at.mock.clock.advance(1000.0)
    one, two = (
        fluxkit.webhooks.read(
            each.headers, each.body, provider=MAGNIFIC, secret=WEBHOOK_SECRET, now=sent.at, replays=replays
        )
        for each, sent in zip(at.taken, at.mock.webhooks.sent, strict=True)
    )
    assert (one.delivery, False, True) == (two.delivery, one.replayed, two.replayed)
    assert at.taken[0].headers["webhook-signature"] != at.taken[1].headers["webhook-signature"]


# Apps in process


async def fails(scope: Any, receive: Any, send: Any) -> None:
    raise LookupError("the app is broken")


async def fails_late(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 202, "headers": []})
    await send({"type": "http.response.body", "body": b""})
    raise LookupError("the app is broken")


async def says_nothing(scope: Any, receive: Any, send: Any) -> None:
    assert b"{}" == (await receive())["body"]
    assert "http.disconnect" == (await receive())["type"]


@pytest.mark.parametrize(("app", "expected"), [(fails, 500), (fails_late, None), (says_nothing, 500)])
def test_an_app_that_fails_answers_as_on_a_server(app: Any, expected: int | None) -> None:
    deliver = to_app(app)
    if expected is None:
        with pytest.raises(LookupError):
            anyio.run(deliver, Delivery(HOOK, {}, b"{}"))
    else:
        assert expected == anyio.run(deliver, Delivery(HOOK, {}, b"{}"))


def test_an_app_sees_the_call_as_a_server_would_give_it() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send({"type": "http.response.start", "status": 204, "headers": []})

    url = "https://app.example:8443/a%20b/?x=%7E&fluxkit=t"
    assert 204 == anyio.run(to_app(app), Delivery(url, {"Webhook-Id": "a"}, b"{}"))
    (scope,) = scopes
    assert ("/a b/", b"/a%20b/", b"x=%7E&fluxkit=t", "https") == (
        scope["path"],
        scope["raw_path"],
        scope["query_string"],
        scope["scheme"],
    )
    assert {(b"webhook-id", b"a"), (b"host", b"app.example:8443"), (b"content-length", b"2")} <= set(scope["headers"])


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_time_in_an_event_loop_moves_a_server_on_too(backend: str) -> None:
    at, inbox = Bench(MockService([MAGNIFIC]), MAGNIFIC), Inbox()
    with listening(inbox) as url, Server(at.mock):
        at.submit(url)
        anyio.run(at.mock.clock.sleep_async, 9.0, backend=backend)
        words = [json.loads(inbox.came.get(timeout=10.0).body)["status"] for _ in range(2)]
    assert ["IN_PROGRESS", "COMPLETED"] == words


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_outlet_may_be_either_kind_in_an_event_loop(backend: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.lowlevel.checkpoint()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def main(outlet: Any) -> list[int | None]:
        at = bench()
        at.mock.webhooks.connect(outlet)
        at.submit()
        await at.mock.clock.sleep_async(0.5)  # in the loop
        at.mock.clock.sleep(0.5)  # which is blocked meanwhile
        return [each.answer for each in at.mock.webhooks.sent]

    assert [200, 200] == anyio.run(main, to_app(app), backend=backend)
    assert [201, 201] == anyio.run(main, lambda _: 201, backend=backend)


def test_an_outlet_needs_a_clock_that_stops_for_it() -> None:
    with pytest.raises(ValueError, match="VirtualClock"):
        MockService([MAGNIFIC], clock=WallClock()).webhooks.connect(lambda _: 200)


def test_an_outlet_is_connected_once() -> None:
    at = bench()
    at.mock.webhooks.connect(at.take)
    assert [at.mock.webhooks] == at.mock.clock.alarms


# On a port


@attrs.frozen(eq=False)
class Inbox:
    """What came over the network."""

    came: "queue.Queue[Delivery]" = attrs.field(factory=queue.Queue)

    def __call__(self, delivery: Delivery) -> int:
        self.came.put(delivery)
        return 200


def wait_for(mock: MockService, count: int) -> list[Sent]:
    """The attempts, once there are so many."""
    for _ in range(10_000):
        if len(mock.webhooks.sent) >= count:
            break
        threading.Event().wait(0.001)
    return list(mock.webhooks.sent)


@pytest.mark.parametrize("provider", [MAGNIFIC, APIMART], ids=lambda each: each.name)
def test_on_a_port_they_are_posted_when_time_is_moved(provider: Provider) -> None:
    at, inbox = Bench(MockService([provider]), provider), Inbox()
    with listening(inbox) as url, Server(at.mock):
        task = at.submit(url)
        at.mock.clock.advance(100.0)
        delivery = inbox.came.get(timeout=10.0)
        if provider is MAGNIFIC:
            delivery = inbox.came.get(timeout=10.0)
    event = fluxkit.webhooks.read(
        delivery.headers, delivery.body, provider=provider, secret=WEBHOOK_SECRET, now=at.mock.clock.now()
    )
    assert (task, "completed") == (event.task_id, event.state)
    assert f"{url}{provider.webhook.suffix}" == delivery.url


def test_on_a_port_they_come_by_themselves_on_the_wall_clock() -> None:
    at, inbox = Bench(MockService([MAGNIFIC], clock=WallClock(speed=100.0)), MAGNIFIC), Inbox()
    with listening(inbox) as url, Server(at.mock):
        at.submit(url)
        words = [json.loads(inbox.came.get(timeout=10.0).body)["status"] for _ in range(2)]
    assert ["IN_PROGRESS", "COMPLETED"] == words


@pytest.mark.parametrize(
    ("url", "allowed", "answer"),
    [
        ("http://app.example/hooks", (), None),
        ("http://10.0.0.1/hooks", (), None),
        ("http://[fe80::1]/hooks", (), None),
        ("http://user:word@:80/", (), None),
        ("http://127.0.0.1:1/hooks", (), 0),  # nobody listens there
        ("http://name.invalid:1/hooks", ("name.invalid",), 0),
    ],
)
def test_on_a_port_they_go_to_this_machine_or_where_it_is_allowed(
    url: str, allowed: tuple[str, ...], answer: int | None
) -> None:
    provider = attrs.evolve(MAGNIFIC, webhook=attrs.evolve(MAGNIFIC.webhook, every=False))
    at = Bench(MockService([provider], webhook_hosts=allowed), MAGNIFIC)
    with Server(at.mock):
        at.submit(url)
        at.mock.clock.advance(9.0)
        (sent,) = wait_for(at.mock, 1)
    assert (answer, url) == (sent.answer, sent.url)


def test_a_receiver_that_never_answers_holds_up_no_other_and_not_the_server() -> None:
    """And no redirect is followed: it would lead anywhere."""
    provider = attrs.evolve(MAGNIFIC, webhook=attrs.evolve(MAGNIFIC.webhook, every=False, timeout=0.2))
    at, inbox, free = Bench(MockService([provider]), MAGNIFIC), Inbox(), threading.Event()

    def stalls(delivery: Delivery) -> int:
        free.wait(10.0)
        return 200

    def redirects(delivery: Delivery) -> int:
        inbox(delivery)
        return 307

    with listening(stalls) as slow, listening(redirects) as quick, Server(at.mock):
        at.submit(slow)
        at.submit(quick)
        at.mock.clock.advance(9.0)
        inbox.came.get(timeout=10.0)
        at.submit(quick)  # the server answers meanwhile
        sent = wait_for(at.mock, 2)
        free.set()
    assert {0, 307} == {each.answer for each in sent}
    assert inbox.came.empty()


def test_news_of_one_task_keep_their_order_on_a_port() -> None:
    at, came, first = Bench(MockService([MAGNIFIC]), MAGNIFIC), list[str](), threading.Event()

    def takes(delivery: Delivery) -> int:
        word = json.loads(delivery.body)["status"]
        if word == "IN_PROGRESS":
            first.wait(0.05)  # both are due by now
        came.append(word)
        return 200

    with listening(takes) as url, Server(at.mock):
        at.submit(url)
        at.mock.clock.advance(9.0)
        wait_for(at.mock, 2)
    assert ["IN_PROGRESS", "COMPLETED"] == came


def test_a_server_hears_of_moved_time_and_one_that_stops_forgets_its_postman() -> None:
    at = Bench(MockService([MAGNIFIC]), MAGNIFIC)
    with Server(at.mock):
        assert [at.mock.webhooks] == at.mock.clock.alarms
    at.submit("http://127.0.0.1:1/hooks")
    at.mock.clock.advance(9.0)
    assert [] == at.sent


def test_client_mock_and_app_over_sockets(tmp_path: Any) -> None:
    """Real time, real sockets. Whether a poll is due before the webhook comes is a matter of the machine's load."""
    mock = MockService([MAGNIFIC], clock=WallClock(speed=20.0))
    with Server(mock) as server:
        client = fluxkit.Client(
            "magnific:flux-2-klein", key=mock.key, base_url=server.base_url("magnific"), webhook_secret=WEBHOOK_SECRET
        )
        deliver = to_app(fluxkit.webhooks.receiver(client))
        with client, listening(lambda delivery: anyio.run(deliver, delivery)) as url:
            result = client.generate("a lighthouse", webhook_url=url, to=tmp_path / "a.jpg")
            assert (1, 1) == (len(result.images), mock.billed)
            assert [200, 200] == [each.answer for each in wait_for(mock, 2)]
    assert {"POST", "GET"} == {each.method for each in mock.exchanges}


# Faults


def reported(fault: str | None, *, progression: str = "seconds", provider: Provider = MAGNIFIC) -> Bench:
    """A bench after the whole life of one task, of which a *fault* has struck every webhook."""
    at = bench(provider, progression=progression)
    if fault is not None:
        at.mock.fault(fault)
    task = at.submit()
    for _ in range(3):
        at.mock.clock.advance(1.0)
        if progression == "polls":
            at.poll(task)
    at.mock.clock.advance(2000.0)
    return at


@pytest.mark.parametrize("progression", ["seconds", "polls"])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (None, ["IN_PROGRESS", "COMPLETED"]),
        ("webhook-late", ["IN_PROGRESS", "COMPLETED"]),
        ("webhook-twice", ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED", "COMPLETED"]),
        ("webhook-lost", []),
        ("webhook-forged", ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED", "COMPLETED"]),
        ("webhook-out-of-order", ["COMPLETED", "IN_PROGRESS"]),
    ],
)
def test_a_fault_misdelivers_every_webhook(fault: str | None, expected: list[str], progression: str) -> None:
    at = reported(fault, progression=progression)
    assert expected == [word for word, _ in at.sent]
    assert expected == [json.loads(each.body)["status"] for each in at.taken]


def test_a_late_webhook_comes_ten_minutes_late() -> None:
    assert [("IN_PROGRESS", 600.5), ("COMPLETED", 601.0)] == reported("webhook-late").sent


def test_a_webhook_that_comes_twice_is_the_same_delivery() -> None:
    at = reported("webhook-twice")
    names = [each.headers["webhook-id"] for each in at.taken]
    assert names[0] == names[1] != names[2] == names[3]


def test_a_forged_webhook_is_refused_and_the_true_one_behind_it_is_taken() -> None:
    at = reported("webhook-forged")
    verdicts = []
    for delivery, sent in zip(at.taken, at.mock.webhooks.sent, strict=True):
        try:
            fluxkit.webhooks.read(
                delivery.headers, delivery.body, provider=MAGNIFIC, secret=at.mock.webhook_secret, now=sent.at
            )
        except fluxkit.WebhookUnusable as error:
            verdicts.append(error.reason)
        else:
            verdicts.append("")
    assert ["forged", "", "forged", ""] == verdicts


def test_a_fault_may_strike_one_webhook_of_two() -> None:
    at = bench()
    at.mock.fault("webhook-lost", times=1)
    at.submit()
    at.mock.clock.advance(9.0)
    assert ["COMPLETED"] == [word for word, _ in at.sent]


def test_what_was_held_back_is_not_lost_with_the_end() -> None:
    at = bench()
    at.mock.fault("webhook-out-of-order")
    at.mock.fault("webhook-lost")
    at.submit()
    at.mock.clock.advance(9.0)
    assert ["IN_PROGRESS"] == [word for word, _ in at.sent]


@pytest.mark.parametrize(("fault", "word"), [("fail", "FAILED"), ("moderated", "FAILED"), ("vanished", None)])
def test_a_webhook_tells_the_end_that_a_fault_has_made(fault: str, word: str | None) -> None:
    at = reported(fault)
    assert ([] if word is None else ["IN_PROGRESS", word]) == [each for each, _ in at.sent]
    assert [each for each, _ in at.sent] == [json.loads(each.body)["status"] for each in at.taken]


def test_webhooks_come_when_a_task_of_another_duration_ends() -> None:
    at = bench(durations=lambda _: 40.0)
    at.submit()
    at.mock.clock.advance(100.0)
    assert [("IN_PROGRESS", 20.0), ("COMPLETED", 40.0)] == at.sent


def told_by(delivery: Any) -> tuple[str | None, str]:
    return delivery.headers.get("webhook-id"), json.loads(delivery.body)["status"]


MISHAPS = [
    (fault, provider)
    for fault in (None, *(name for name, each in FAULTS.items() if each.moment == "webhook"))
    for provider in (MAGNIFIC, FREEPIK, APIMART, BFL)
    if fault is None or not FAULTS[fault].obstacle(provider)
]


@pytest.mark.parametrize(("fault", "provider"), MISHAPS, ids=lambda each: getattr(each, "name", each))
def test_webhooks_are_misdelivered_alike_in_process_and_over_the_network(fault: str | None, provider: Provider) -> None:
    at, inbox = Bench(MockService([provider]), provider), Inbox()
    if fault is not None:
        at.mock.fault(fault)
    with listening(inbox) as url, Server(at.mock):
        at.submit(url)
        for _ in range(3):
            at.mock.clock.advance(1.0)
        at.mock.clock.advance(2000.0)
        expected = reported(fault, provider=provider)
        came = [inbox.came.get(timeout=10.0) for _ in expected.taken]
        while at.mock.webhooks.under_way:
            threading.Event().wait(0.001)
    # When it was carried is said in it too, and time is not moved step by step for a network.
    assert [told_by(each) for each in expected.taken] == [told_by(each) for each in came]
    assert inbox.came.empty()

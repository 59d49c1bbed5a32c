"""Webhooks on the receiving side: what is read, what is refused, and what an app that takes them does."""

import json
import logging
import pickle
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapes.replicate import REPLICATE
from starlette.applications import Starlette
from starlette.routing import Mount
from support.ledger import a_journal, a_task, an_intent
from support.ledger import note as note_of
from support.world import EPOCH, raised

import fluxkit
import fluxkit.webhooks
from fluxkit import AsyncClient, Client, State, strategies
from fluxkit._contract.event import Event as Happened
from fluxkit._contract.task import Task
from fluxkit._engine.effects import Claim, Note, calling
from fluxkit._engine.event import MOST_BODY, MOST_DELIVERIES
from fluxkit._engine.journal.journal import Journal
from fluxkit._engine.keeping import keep_note, keep_note_async
from fluxkit._engine.mailbox import Mailbox
from fluxkit._engine.notes import Notes
from fluxkit._engine.tokens import MOST_OPEN
from fluxkit._wire.calls import submission
from fluxkit._wire.plan import make_plan
from fluxkit._wire.token import new_token, read_token, with_token
from fluxkit.errors import JournalUnavailable, SettingsError, SubmissionUnknown, WebhookUnusable
from fluxkit.testing.exhibits import RECEIVER, SECRET
from fluxkit.webhooks import Event, Replays, read, receiver
from fluxkit_mockserver import MockService, to_app
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

ID = "046b6c7f-0b8a-43b9-b35d-6489e6daee91"
DONE = {"task_id": ID, "status": "COMPLETED", "generated": ["https://cdn.example/a.png?token=exp=1~hmac=0f"]}
OURS = {"id": ID, "status": "completed", "result": {"images": [{"url": ["https://cdn.example/a.png"]}]}}


def signed(body: Any = DONE, *, provider: Any = MAGNIFIC, id: str = "msg_1", at: float = EPOCH) -> tuple[Any, bytes]:
    """The headers and the body of a webhook of that service."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return provider.webhook.signature.sign(SECRET, raw, id=id, at=at), raw


def taken(*webhook: Any, provider: Any = MAGNIFIC, **facts: Any) -> Event:
    return read(*webhook, **{"provider": provider, "secret": SECRET, "now": EPOCH, **facts})


def refused(*webhook: Any, **facts: Any) -> str:
    """Why a webhook is not believed."""
    with pytest.raises(WebhookUnusable) as caught:
        taken(*webhook, **facts)
    assert SECRET not in f"{caught.value!r} {caught.value} {vars(caught.value)}"
    return caught.value.reason


# Reading


@pytest.mark.parametrize("provider", ["magnific", "freepik:flux-2-pro", MAGNIFIC, FREEPIK])
def test_an_event_says_what_the_service_says(provider: Any) -> None:
    event = taken(*signed(), provider=provider, url=f"https://app.example/hooks?fluxkit={'t' * 22}")
    assert (ID, State.COMPLETED, "COMPLETED") == (event.task_id, event.state, event.status)
    assert [DONE["generated"][0]] == [picture.url for picture in event.pictures]
    assert (True, "msg_1", EPOCH, False) == (event.signed, event.delivery, event.at, event.replayed)
    assert "t" * 22 == event.token
    assert "t" * 22 not in repr(event)
    assert (provider if isinstance(provider, str) else provider.name).partition(":")[0] == event.provider


def test_a_service_that_signs_nothing_gives_hints_and_wants_no_secret() -> None:
    event = read({}, json.dumps(OURS).encode(), provider="apimart")
    assert (False, ID, State.COMPLETED, None) == (event.signed, event.task_id, event.state, event.token)


@pytest.mark.parametrize(
    ("provider", "body", "state"),
    [
        (BFL, {"id": ID, "status": "Ready", "result": {"sample": "https://a.example/b"}}, State.COMPLETED),
        (BFL, {"id": ID, "status": "Error", "error": "x", "message": "y", "timestamp": 1}, State.FAILED),
        (REPLICATE, {"id": ID, "status": "succeeded", "output": "https://a.example/b"}, State.COMPLETED),
        (REPLICATE, {"id": ID, "status": "processing", "output": None}, State.RUNNING),
    ],
)
def test_other_shapes_are_read_by_their_declarations(provider: Any, body: Any, state: State) -> None:
    event = taken(*signed(body, provider=provider), provider=provider)
    assert (ID, state) == (event.task_id, event.state)
    assert "forged" == refused(*signed(body, provider=provider), provider=provider, secret="whsec_AAAA")


@given(strategies.json_values(), st.dictionaries(st.text(), strategies.json_values(), max_size=3))
def test_what_a_service_adds_is_passed_over(status: Any, more: dict[str, Any]) -> None:
    event = taken(*signed({**more, **DONE, "new": status}))
    assert (ID, State.COMPLETED) == (event.task_id, event.state)


def test_a_word_that_is_not_declared_is_running_and_told() -> None:
    event = taken(*signed({**DONE, "status": "DREAMING"}))
    assert (State.RUNNING, "DREAMING") == (event.state, event.status)
    assert "DREAMING" in event.snapshot.problems[0]


@given(
    st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5)
    | st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=5),
    st.binary(max_size=200) | strategies.json_values().map(lambda value: json.dumps(value).encode()),
)
def test_whatever_a_stranger_sends_is_refused(headers: Any, body: bytes) -> None:
    assert "forged" == refused(headers, body)


@given(st.binary(max_size=200) | strategies.json_values().map(lambda value: json.dumps(value).encode()))
def test_whatever_a_service_signs_is_an_event_or_unreadable(body: bytes) -> None:
    try:
        event = taken(*signed(body))
    except WebhookUnusable as error:
        said = error.reason, error.provider
    else:
        said = ("unreadable", event.provider) if event.task_id else ("an event of nothing", "")
    assert ("unreadable", "magnific") == said


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b'{"task_id": "a"}',
        b'{"status": "COMPLETED"}',
        b'{"task_id": 7, "status": "COMPLETED"}',
        json.dumps({"task_id": "a" * 257, "status": "COMPLETED"}).encode(),
        b'{"status": "COMPLETED", "task_id": "a", "deep": ' + b"[" * 100 + b"]" * 100 + b"}",
        json.dumps({**DONE, "more": "x" * MOST_BODY}).encode(),
    ],
    ids=lambda body: body[:30].decode("latin-1"),
)
def test_what_is_signed_and_no_news_is_unreadable(body: bytes) -> None:
    assert "unreadable" == refused(*signed(body))


def test_what_is_too_large_is_not_even_verified() -> None:
    assert "unreadable" == refused({}, b"x" * (MOST_BODY + 1))
    assert "forged" == refused({}, b"x" * MOST_BODY)


def test_the_body_is_what_was_signed_and_not_what_it_means() -> None:
    headers, body = signed()
    assert ID == taken(headers, bytearray(body)).task_id == taken(headers, memoryview(body)).task_id
    assert "forged" == refused(headers, json.dumps(json.loads(body), separators=(",", ":")).encode())


@pytest.mark.parametrize("late", [301.0, -301.0])
def test_what_is_old_is_stale(late: float) -> None:
    assert "stale" == refused(*signed(), now=EPOCH + late)
    assert "stale" == refused(*signed(), now=None)  # the machine's own clock is not that of 2026-01-01
    assert ID == taken(*signed(), now=EPOCH + late * 0.99).task_id


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"secret": None}, "no secret"),
        ({"secret": ""}, "no secret"),
        ({"secret": 7}, "no secret"),
        ({"provider": "nobody"}, "nobody"),
        ({"provider": attrs.evolve(MAGNIFIC, webhook=None)}, "no webhooks"),
        ({"body": "text"}, "body is str"),
        ({"headers": 7}, "headers are 7"),
        ({"headers": ["webhook-id"]}, "headers are"),
    ],
)
def test_what_the_caller_has_wrong_is_a_setting(facts: dict[str, Any], message: str) -> None:
    headers, body = signed()
    given = {"headers": headers, "body": body, "provider": MAGNIFIC, "secret": SECRET, "now": EPOCH, **facts}
    with pytest.raises(fluxkit.FluxError, match=message) as caught:
        read(given.pop("headers"), given.pop("body"), **given)
    assert isinstance(caught.value, SettingsError)
    assert SECRET not in str(caught.value)


def test_a_delivery_that_comes_again_is_told_apart() -> None:
    replays = Replays()
    assert [False, True, False] == [
        taken(*signed(id=name), replays=replays).replayed for name in ("msg_1", "msg_1", "msg_2")
    ]
    late = EPOCH + 599.0  # a timestamp may lie ahead by the window, and behind by another
    assert not replays.first("msg_1", at=late)
    assert replays.first("msg_1", at=EPOCH + 601.0)


def test_what_is_forged_is_not_remembered() -> None:
    replays = Replays()
    headers, body = signed()
    assert "forged" == refused(headers, body + b" ", replays=replays)
    assert not taken(headers, body, replays=replays).replayed


def test_deliveries_that_are_remembered_are_bounded() -> None:
    replays = Replays(most=2)
    assert [True, True, True, True, False] == [replays.first(name, at=EPOCH) for name in ("a", "b", "c", "a", "c")]
    replays.forget("c", at=EPOCH)
    assert replays.first("c", at=EPOCH)
    assert 10_000 == MOST_DELIVERIES


def test_the_error_pickles_with_its_reason() -> None:
    error = raised(lambda: taken({}, b"{}"), WebhookUnusable)
    assert ("forged", "magnific") == (pickle.loads(pickle.dumps(error)).reason, error.provider)


# The token


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/hooks", "https://a.example/hooks?fluxkit={}"),
        ("https://a.example/hooks/?x=1", "https://a.example/hooks/?x=1&fluxkit={}"),
        ("https://a.example?", "https://a.example?&fluxkit={}"),
        ("https://a.example/~%2F=%7e#top", "https://a.example/~%2F=%7e?fluxkit={}#top"),
    ],
)
def test_a_token_stands_at_the_end_of_the_query(url: str, expected: str) -> None:
    token = new_token()
    assert expected.format(token) == with_token(url, token)


@given(st.from_regex(r"https://[a-z]{1,9}/[a-z/]{0,9}(\?[a-z=&]{0,9})?", fullmatch=True))
def test_a_token_survives_whatever_a_service_adds(url: str) -> None:
    token = new_token()
    for suffix in ("", "/callback", "&more=1", "/callback?x=1", "#a"):
        assert token == read_token(with_token(url, token) + suffix)
    assert token == read_token(with_token(with_token(url, new_token()), token))  # ours is the last
    assert read_token(url) is None


def test_tokens_cannot_be_guessed() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert (1000, {22}) == (len(tokens), {len(token) for token in tokens})
    assert read_token("?fluxkit=" + "a" * 21) is None
    assert read_token("?fluxkit=" + "a" * 23) is None


@pytest.mark.parametrize("provider", [MAGNIFIC, APIMART])
def test_a_submit_has_the_token_in_the_address_and_nowhere_else(provider: Any) -> None:
    plan = make_plan(provider, provider.models[0].name, fluxkit.Request("a cat", n=2, webhook_url=RECEIVER))
    place = "webhook_url" if provider is MAGNIFIC else "webhook"
    plain, tokened = (json.loads(submission(plan, 1, token=each).body) for each in (None, "t" * 22))
    assert RECEIVER == plain[place] == plan.body[place]
    assert {**plain, place: f"{RECEIVER}?fluxkit={'t' * 22}"} == tokened


def test_a_plan_says_what_the_service_adds_to_the_address() -> None:
    for provider, note in ((APIMART, "the service adds /callback to it"), (MAGNIFIC, "")):
        plan = make_plan(provider, provider.models[0].name, fluxkit.Request("a cat", webhook_url=RECEIVER))
        verdict = plan.report["webhook_url"]
        assert ("as asked", RECEIVER, note) == (verdict.outcome, verdict.sent, note and verdict.note)


# Submits that wait for their id

DRAFT = Task("magnific", "flux-2-pro", "", MAGNIFIC.base_url, seed=7)
TOKEN = "t" * 22


@attrs.frozen(eq=False)
class Desk:
    """Where notes are kept and events come in, as in a client."""

    notes: Notes = attrs.field(factory=Notes)
    mailbox: Mailbox = attrs.field(factory=Mailbox)

    def note(self, kind: str, **entry: Any) -> str:
        return keep_note(Note(kind, entry), self.notes, self.mailbox)

    def come(self, event: Event) -> None:
        if (settled := self.mailbox.tokens.settled_by(event)) is not None:
            keep_note(settled, self.notes, self.mailbox)


def settled_ids(*steps: Any) -> list[str]:
    """The ids of the tasks that notes and events settle."""
    desk, rows = Desk(), dict[str, str]()
    for step in steps:
        match step:
            case Event():
                desk.come(step)
            case ("intent", token):
                rows[token] = desk.note("intent", token=token, draft=DRAFT)
            case (kind, token):
                desk.note(kind, row=rows[token])
    return [note.entry["task"].id for note in desk.notes.kept if note.kind == "settled" and "task" in note.entry]


def event_with(token: str | None, id: str = ID, **facts: Any) -> Event:
    url = "" if token is None else f"?fluxkit={token}"
    return attrs.evolve(taken(*signed({**DONE, "task_id": id}), url=url), **facts)


@pytest.mark.parametrize(
    ("steps", "settled"),
    [
        ([("intent", TOKEN), ("unknown", TOKEN), event_with(TOKEN)], [ID]),
        ([("intent", TOKEN), event_with(TOKEN), ("unknown", TOKEN)], [ID]),  # it was here before its fate
        ([("intent", TOKEN), event_with(TOKEN), event_with(TOKEN, "b"), ("unknown", TOKEN)], [ID]),
        ([("intent", TOKEN), ("unknown", TOKEN), event_with(TOKEN), event_with(TOKEN, "b")], [ID]),
        ([("intent", TOKEN), event_with(TOKEN), ("accepted", TOKEN)], []),
        ([("intent", TOKEN), ("accepted", TOKEN), event_with(TOKEN)], []),
        ([("intent", TOKEN), ("unknown", TOKEN), ("settled", TOKEN), event_with(TOKEN)], []),  # by hand
        ([("intent", TOKEN), ("refused", TOKEN), event_with(TOKEN)], []),
        ([("intent", TOKEN), ("unknown", TOKEN), event_with("u" * 22), event_with(None)], []),
        ([("intent", TOKEN), ("intent", "u" * 22), ("unknown", "u" * 22), event_with(TOKEN)], []),
        ([event_with(TOKEN), ("intent", TOKEN), ("unknown", TOKEN)], []),
    ],
)
def test_a_token_settles_the_submit_that_it_was_made_for(steps: Any, settled: list[str]) -> None:
    assert settled == settled_ids(*steps)


def test_what_is_settled_is_the_whole_task() -> None:
    for event, state in ((event_with(TOKEN), "completed"), (event_with(TOKEN, signed=False), "created")):
        desk = Desk()
        row = desk.note("intent", token=TOKEN, draft=DRAFT)
        desk.note("unknown", row=row)
        desk.come(event)
        note = desk.notes.kept[-1]
        assert ("settled", row, "adopted") == (note.kind, note.entry["row"], note.entry["how"])
        task = note.entry["task"]
        assert (ID, 7, MAGNIFIC.base_url, state) == (task.id, task.seed, task.base_url, task.state)


def test_what_could_not_be_kept_settles_again() -> None:
    desk = Desk()
    desk.note("unknown", row=desk.note("intent", token=TOKEN, draft=DRAFT))
    assert desk.mailbox.tokens.settled_by(event_with(TOKEN)) is not None  # and then the journal broke
    desk.come(event_with(TOKEN))
    assert "settled" == desk.notes.kept[-1].kind
    assert desk.mailbox.tokens.settled_by(event_with(TOKEN)) is None


class Interrupted(Notes):
    """Notes that are kept, and whoever keeps one of these kinds is interrupted at that."""

    def take(self, note: Note) -> str:
        row = super().take(note)
        if note.kind in ("unknown", "accepted"):
            raise KeyboardInterrupt
        return row


@pytest.mark.parametrize("way", ["sync", "asyncio", "trio"])
@pytest.mark.parametrize("early", [False, True])
def test_a_fate_that_was_on_its_way_when_that_was_interrupted_is_settled_too(way: str, early: bool) -> None:
    desk = Desk(Interrupted())
    row = desk.note("intent", token=TOKEN, draft=DRAFT)
    if early:
        desk.come(event_with(TOKEN))
    note = Note("unknown", {"row": row})
    if way == "sync":
        raised(lambda: keep_note(note, desk.notes, desk.mailbox), KeyboardInterrupt)
    else:
        raised(lambda: anyio.run(keep_note_async, note, desk.notes, desk.mailbox, backend=way), KeyboardInterrupt)
    if not early:
        desk.come(event_with(TOKEN))
    assert ["intent", "unknown", "settled"] == [note.kind for note in desk.notes.kept]


class Broken(Notes):
    """Notes that settle nothing."""

    def take(self, note: Note) -> str:
        if note.kind == "settled":
            raise JournalUnavailable("The disk is full.")
        return super().take(note)


@pytest.mark.parametrize("way", ["sync", "asyncio", "trio"])
def test_what_cannot_be_settled_does_not_cost_the_fate_of_the_submit(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(Broken())
    row = desk.note("intent", token=TOKEN, draft=DRAFT)
    desk.come(event_with(TOKEN))
    note = Note("unknown", {"row": row})
    if way == "sync":
        keep_note(note, desk.notes, desk.mailbox)
    else:
        anyio.run(keep_note_async, note, desk.notes, desk.mailbox, backend=way)
    assert f"row {row} is the task {ID}, which could not be noted: The disk is full." in caplog.text
    assert TOKEN not in caplog.text


def test_a_token_is_not_shown() -> None:
    heard: list[Happened] = []
    with Client("magnific:flux-2-klein", mock=True, listener=heard.append) as client:
        plan = client.plan("a cat", webhook_url=RECEIVER)
        client.submit("a cat", webhook_url=RECEIVER)
        [intent] = [note for note in client._driver.notes.kept if note.kind == "intent"]
    token = intent.entry["token"]
    assert token not in repr([attrs.asdict(event) for event in heard])
    outgoing = submission(plan, 0, token=token)
    assert token in outgoing.body.decode()
    assert all(token not in repr(each) for each in (intent, outgoing, calling(outgoing, 1.0)))
    assert "'token': '<not shown>'" in repr(intent)


def test_a_submit_without_a_webhook_is_settled_by_nothing() -> None:
    desk = Desk()
    desk.note("unknown", row=desk.note("intent", provider="magnific"))
    desk.come(event_with(None))
    assert ["intent", "unknown"] == [note.kind for note in desk.notes.kept]


def test_submits_without_an_id_are_bounded() -> None:
    desk = Desk()
    for number in range(2 * MOST_OPEN):
        desk.note("intent", token=str(number), draft=DRAFT)
    assert MOST_OPEN == len(desk.mailbox.tokens._open) == len(desk.mailbox.tokens._tokens)


# The receiver


def mocked(kind: Any = Client, provider: Any = MAGNIFIC, **facts: Any) -> tuple[Any, MockService, list[Happened]]:
    mock, notes = MockService([provider]), list[Happened]()
    kept = ("intent", "accepted", "refused", "unknown", "settled", "state", "fetched", "delivered")
    settings = {"mock": mock, "listener": lambda event: notes.append(event) if event.kind in kept else None, **facts}
    return kind(f"{provider.name}:{provider.models[0].name}", **settings), mock, notes


async def post(
    app: Any, body: bytes | AsyncIterator[bytes], headers: Any = (), *, method: str = "POST", path: str = "/hooks/"
) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://app.example") as http:
        return await http.request(method, path, content=body, headers=headers)


def answered(app: Any, *arguments: Any, **facts: Any) -> int:
    return anyio.run(lambda: post(app, *arguments, **facts)).status_code


def of_mock(mock: MockService, body: Any = DONE, *, id: str = "msg_1") -> tuple[bytes, Mapping[str, str]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return raw, MAGNIFIC.webhook.signature.sign(mock.webhook_secret, raw, id=id, at=mock.clock.now())


def mounted(client: Any) -> Starlette:
    return Starlette(routes=[Mount("/hooks", receiver(client))])


def test_a_receiver_takes_what_is_signed_wherever_it_comes_below_its_mount() -> None:
    client, mock, _ = mocked()
    app = mounted(client)
    for number, path in enumerate(("/hooks/", "/hooks/?x=1", "/hooks/callback", "/hooks//callback", "/hooks/a/b?c")):
        assert 200 == answered(app, *of_mock(mock, id=f"msg_{number}"), path=path)
    assert 307 == answered(app, *of_mock(mock), path="/hooks")  # which no service follows: the slash belongs to it


def test_a_delivery_that_is_repeated_is_taken_and_changes_nothing() -> None:
    client, mock, _ = mocked()
    app = mounted(client)
    assert [200, 200] == [answered(app, *of_mock(mock)) for _ in range(2)]
    now = mock.clock.now()
    assert [True, False] == [client._mailbox.take([ID], now) is not None for _ in range(2)]


def test_a_receiver_says_nothing_to_a_forger(caplog: pytest.LogCaptureFixture) -> None:
    client, mock, _ = mocked()
    app = mounted(client)
    raw, headers = of_mock(mock)
    mock.clock.advance(400.0)
    with caplog.at_level(logging.WARNING, "fluxkit"):
        answers = [
            anyio.run(post, app, *webhook)
            for webhook in ((raw, headers), (raw + b" ", headers), (b"{}", {}), of_mock(mock, b"no JSON"))
        ]
    assert [(400, b"")] * 4 == [(answer.status_code, answer.content) for answer in answers]
    said = [record.getMessage() for record in caplog.records]
    assert ["400 s ago", "not fit", "missing", "no JSON object"] == [
        next(words for words in ("400 s ago", "not fit", "missing", "no JSON object") if words in each) for each in said
    ]
    assert mock.webhook_secret not in caplog.text


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_receiver_takes_posts_only(method: str) -> None:
    client, mock, _ = mocked()
    assert 405 == answered(mounted(client), *of_mock(mock), method=method)


def test_a_body_that_is_too_large_is_not_read_to_its_end() -> None:
    client, _, _ = mocked()
    sent: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while len(sent) < 1000:
            sent.append(1)
            yield b"x" * 65536

    async def main() -> int:
        app, messages = receiver(client), endless()
        status: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": await anext(messages), "more_body": True}

        async def send(message: Any) -> None:
            status.append(message.get("status", 0))

        await app(scope_of(), receive, send)
        return status[0]

    assert 413 == anyio.run(main)
    assert 17 == len(sent)


def scope_of() -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [],
        "root_path": "",
    }


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_sender_who_stalls_is_not_waited_for(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fluxkit.webhooks, "PATIENCE", 0.01)
    client, _, _ = mocked()
    status: list[int] = []

    async def send(message: Any) -> None:
        status.append(message.get("status", 0))

    async def main() -> None:
        await receiver(client)(scope_of(), anyio.sleep_forever, send)

    anyio.run(main, backend=backend)
    assert 408 == status[0]


def test_a_sender_who_goes_away_is_no_error() -> None:
    client, _, _ = mocked()

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    anyio.run(receiver(client), scope_of(), receive, send)


def test_a_receiver_needs_a_service_that_reports_and_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="no secret"):
        receiver(Client("magnific:flux-2-klein", key="k" * 20))
    with pytest.raises(SettingsError, match="webhook_secret is '<not shown>'"):
        Client("magnific:flux-2-klein", key="k" * 20, webhook_secret=7)  # type: ignore[arg-type]
    client, _, _ = mocked()
    monkeypatch.setattr(client, "provider", attrs.evolve(MAGNIFIC, webhook=None))
    with pytest.raises(SettingsError, match="no webhooks"):
        receiver(client)
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    with pytest.raises(SettingsError, match="pip install starlette"):
        receiver(client)
    assert not client._mailbox.attended


def test_a_real_client_compares_with_the_clock_on_the_wall() -> None:

    client = Client("magnific:flux-2-klein", key="k" * 20, webhook_secret=SECRET)
    assert SECRET not in repr(client)
    app = mounted(client)
    for at, status in ((time.time(), 200), (EPOCH - 1000, 400)):
        headers, raw = signed(at=at)
        assert status == answered(app, raw, headers)


def test_a_note_that_fails_is_not_a_delivery_that_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service is answered 500, sends it again, and then it counts."""
    client, mock, notes = mocked()
    app, mailbox = receiver(client), client._mailbox
    desk = Desk(client._driver.notes, mailbox)
    desk.note("unknown", row=desk.note("intent", token=TOKEN, draft=DRAFT))
    path = f"/?fluxkit={TOKEN}"
    with monkeypatch.context() as broken:
        broken.setattr(Notes, "take", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            answered(app, *of_mock(mock), path=path)
    assert 200 == answered(app, *of_mock(mock), path=path)
    assert ["intent", "unknown", "settled"] == [note.kind for note in notes]
    assert mailbox.take([ID], mock.clock.now()) is not None


# By the journal


JOURNALLED = "magnific:flux-2-klein"


def come(client: Client, *, id: str = "msg_1", token: str = TOKEN, app: Any = None) -> int:
    """How the receiver of a client answers to news of the task, with this token."""
    headers, raw = signed(id=id, at=time.time())
    return answered(mounted(client) if app is None else app, raw, headers, path=f"/hooks/?fluxkit={token}")


@pytest.fixture
def journalled(tmp_path: Path) -> Iterator[Any]:
    """A client with a journal, and the way into the same journal of another process."""
    client = Client(JOURNALLED, key="k" * 20, webhook_secret=SECRET, journal=tmp_path / "journal")
    others = list[Journal]()

    def another(**how: Any) -> Journal:
        others.append(a_journal(tmp_path / "journal", **how))
        return others[-1]

    yield client, another
    for notes in (client._driver.notes, *others):
        notes.writer.close()
    client.close()


def test_a_webhook_settles_what_another_process_does_not_know_any_more(journalled: Any) -> None:
    client, another = journalled
    notes = another()
    row = notes.take(an_intent(token=TOKEN))
    notes.take(note_of("unknown", row, error="it was lost"))
    assert 200 == come(client)
    [settled] = client.tasks()
    assert (row, ID, State.COMPLETED, "adopted") == (settled.row, settled.task.id, settled.task.state, settled.settled)
    assert settled.owing
    assert 200 == come(client, id="msg_2")
    assert [settled] == list(client.tasks())
    assert TOKEN not in f"{settled!r} {settled} {settled.to_dict()}"


def test_a_webhook_settles_what_a_process_that_has_died_never_said(journalled: Any) -> None:
    client, another = journalled
    row = another(now=lambda: time.time() - 3600).take(an_intent(token=TOKEN))
    assert 200 == come(client, token=new_token())
    assert ["intent"] == [each.state for each in client.tasks()]
    assert 200 == come(client, id="msg_2")
    assert [(row, ID)] == [(each.row, each.draft.id) for each in client.tasks()]


@pytest.mark.parametrize("end", ["accepted", "unknown", "death"])
def test_what_a_running_process_may_still_hear_is_known_whatever_becomes_of_it(journalled: Any, end: str) -> None:
    """The service may not send it again, and whoever waits for the answer may not live to note it."""
    client, another = journalled
    heard = list[Happened]()
    client._listener = heard.append
    notes = another()
    row = notes.take(an_intent(token=TOKEN))
    assert 200 == come(client)
    assert [(row, ID)] == [(event.row, event.task_id) for event in heard if event.kind == "settled"]
    assert 1 == client.recover(timeout=5).elsewhere
    if end != "death":
        notes.take(note_of(end, row, **({"task": a_task(ID)} if end == "accepted" else {"error": "it was lost"})))
    notes.leave([row])
    notes.rows()
    [known] = client.tasks()
    assert (row, ID, True) == (known.row, known.task.id, known.owing)
    assert () == notes.claim(Claim("magnific", client.base_url)).unknown


def test_what_somebody_else_has_settled_meanwhile_is_taken(journalled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look into the journal and the note, which finds that nothing is left to settle."""
    client, another = journalled
    notes = another()
    row = notes.take(an_intent(token=TOKEN))
    notes.take(note_of("unknown", row, error="it was lost"))
    look = Journal.rows_async

    async def rows(self: Journal, **wanted: str) -> Any:
        found = await look(self, **wanted)
        if "token" in wanted:
            notes.take(note_of("settled", row, how="dismissed"))
        return found

    monkeypatch.setattr(Journal, "rows_async", rows)
    assert 200 == come(client)
    assert ["dismissed"] == [each.state for each in client.tasks()]


def test_what_somebody_else_has_in_hand_is_to_be_told_again(journalled: Any) -> None:
    """Whoever buys it again, or adopts it, at this moment: the service is answered 503 and sends the webhook again."""
    client, another = journalled
    notes = another()
    row = notes.take(an_intent(token=TOKEN))
    notes.take(note_of("unknown", row, error="it was lost"))
    assert [row] == [each.row for each in notes.claim(Claim("magnific", client.base_url)).unknown]
    notes.ask(lambda store: store._connection.execute("UPDATE submits SET owner=?", (store._owner.name,)))
    app = mounted(client)
    assert 503 == come(client, app=app)
    assert [None] == [each.task for each in client.tasks()]
    notes.ask(lambda store: store._connection.execute("UPDATE submits SET owner=NULL"))
    assert 200 == come(client, app=app)
    assert [ID] == [each.task.id for each in client.tasks()]


def test_a_journal_that_fails_costs_others_a_poll_and_the_client_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, journalled: Any
) -> None:
    client, another = journalled
    row = another().take(an_intent())
    another().take(note_of("accepted", row, task=a_task(ID)))
    monkeypatch.setattr(Journal, "take_async", full)
    assert 200 == come(client)
    assert f"The journal could not note the end of task {ID}: the disk is full" in caplog.text
    assert client._mailbox.take([ID], client._driver.clock.now()) is not None


async def full(*_: Any) -> None:
    raise JournalUnavailable("the disk is full")


def test_a_client_looks_into_no_journal_for_what_it_has_submitted_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    client, mock, _ = mocked()
    mock.webhooks.connect(to_app(mounted(client)))
    monkeypatch.setattr(Notes, "rows_async", lambda *_, **__: 1 / 0)
    assert 1 == len(client.generate("a lighthouse", webhook_url="https://app.example/hooks/", fetch=False).images)
    assert {200} == {sent.answer for sent in mock.webhooks.sent}
    assert "token" in client._driver.notes.kept[0].entry


# A client, its mock and the app between them


@pytest.mark.parametrize(("provider", "polls"), [(MAGNIFIC, 0), (FREEPIK, 0), (APIMART, 1)])
def test_a_webhook_ends_the_wait_of_a_client(provider: Any, polls: int) -> None:
    """A service that signs is believed; one that does not hastens the poll: it comes when the task has ended."""
    client, mock, notes = mocked(provider=provider)
    mock.webhooks.connect(to_app(mounted(client)))
    begun = mock.clock.now()
    result = client.generate("a lighthouse", webhook_url="https://app.example/hooks/?x=1", fetch=False)
    duration = provider.models[0].duration
    assert (1, 1, duration) == (len(result.images), mock.billed, pytest.approx(mock.clock.now() - begun))
    after = [each for each in mock.exchanges if each.method == "GET" and each.at >= begun + duration]
    assert polls == len(after)
    assert {200} == {sent.answer for sent in mock.webhooks.sent}
    assert "completed" == notes[-1].state


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_webhook_ends_the_waits_of_an_asynchronous_client(backend: str) -> None:
    async def main() -> tuple[int, list[str]]:
        client, mock, _ = mocked(AsyncClient)
        mock.webhooks.connect(to_app(mounted(client)))
        async with client:
            result = await client.generate("a cat", webhook_url="https://app.example/hooks/", n=3, fetch=False)
        return len(result.images), [each.method for each in mock.exchanges]

    assert (3, ["POST"] * 3) == anyio.run(main, backend=backend)


def test_news_that_come_between_submit_and_wait_are_there() -> None:
    client, mock, _ = mocked()
    mock.webhooks.connect(to_app(mounted(client)))
    task = client.submit("a cat", webhook_url="https://app.example/hooks/")
    mock.clock.advance(10.0)
    assert [200, 200] == [sent.answer for sent in mock.webhooks.sent]
    assert 1 == len(client.wait(task, fetch=False).images)


@pytest.mark.parametrize("polls", ["answer", "refuse"])
def test_a_task_of_which_nobody_says_where_to_poll_ends_by_its_webhook(polls: str) -> None:
    """Not found for a minute at the address that the declaration says: that proves nothing while a webhook may come."""
    client, mock, _ = mocked(provider=BFL)
    mock.switch({"unnamed-polls": polls})
    mock.webhooks.connect(to_app(mounted(client)))
    slow = mock.fault("slow", times=1)
    result = client.generate("a cat", webhook_url="https://app.example/hooks/", fetch=False)
    assert (1, 1, 1) == (slow.struck, len(result.images), mock.billed)
    assert result.tasks[0].poll_url is None
    assert mock.clock.now() - result.tasks[0].submitted_at >= 50.0


def test_a_task_that_can_be_neither_polled_nor_reported_is_late_and_not_gone() -> None:
    client, mock, _ = mocked(provider=BFL)
    mock.switch({"unnamed-polls": "refuse"})
    with pytest.raises(fluxkit.Overdue) as caught:
        client.generate("a cat", webhook_url="https://app.example/hooks/", timeout=120)
    assert (1, mock.charges[0].task) == (mock.billed, caught.value.task.id)
    mock.switch({"unnamed-polls": None})
    assert 1 == len(client.wait(caught.value.task, fetch=False).images)


def test_a_cost_that_only_the_submit_has_told_stays_known() -> None:
    """The webhook with which the task ends does not say it again."""
    assert BFL.webhook is not None
    talkative = attrs.evolve(BFL, webhook=attrs.evolve(BFL.webhook, accepted=None))
    client, mock, _ = mocked(provider=talkative)
    mock.webhooks.connect(to_app(mounted(client)))
    result = client.generate("a cat", webhook_url="https://app.example/hooks/", fetch=False)
    assert [mock.charges[0].amount] == [result.cost and result.cost.number]
    assert [str(result.cost)] == [row.cost for row in client.tasks()]


@pytest.mark.parametrize("provider", [MAGNIFIC, APIMART])
def test_a_submit_whose_answer_was_lost_is_settled_by_its_webhook(provider: Any) -> None:
    """Bought once, and the image is had: the token in the address says which task it was."""
    client, mock, notes = mocked(provider=provider)
    mock.webhooks.connect(to_app(mounted(client)))
    mock.fault("accepted-then-dropped", times=1)
    with pytest.raises(SubmissionUnknown):
        client.generate("a cat", webhook_url="https://app.example/hooks/")
    assert ["intent", "unknown"] == [note.kind for note in notes]
    mock.clock.advance(60.0)
    assert "settled" == notes[-1].kind
    assert notes[-1].row == notes[1].row
    result = client.wait(notes[-1].task, fetch=False)
    assert (1, 1) == (len(result.images), mock.billed)


def test_a_service_without_declared_webhooks_gets_the_address_as_it_is() -> None:
    provider = attrs.evolve(MAGNIFIC, webhook=None)
    plan = make_plan(provider, "flux-2-pro", fluxkit.Request("a cat", webhook_url=RECEIVER))
    assert RECEIVER == json.loads(submission(plan, 0).body)["webhook_url"]


# The door


def test_the_door_is_open_without_being_imported_and_imports_no_starlette() -> None:
    code = (
        "import fluxkit, sys; fluxkit.webhooks.read; names = set(sys.modules);"
        "print([name for name in ('starlette', 'httpx', 'uvicorn') if name in names])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "[]" == said.strip()
    assert {"Event", "Replays", "read", "receiver"} == set(fluxkit.webhooks.__all__)

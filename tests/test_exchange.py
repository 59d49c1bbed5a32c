"""What goes out to a service and what its answers mean, for any answer at all."""

import email.utils
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.world import EPOCH, ID, Said, a_plan, complaint, completed, ended, raised

from fluxkit._contract.task import State, Task
from fluxkit._engine.effects import Reply
from fluxkit._plugins import installed
from fluxkit._wire.answers import is_answer, read_poll, read_snapshot, read_submit
from fluxkit._wire.calls import asking_result, polling, submission
from fluxkit._wire.complaint import read_complaint, retry_after
from fluxkit._wire.declaration import Provider, Refusal
from fluxkit._wire.origins import admits, origin
from fluxkit.errors import (
    Broken,
    Charged,
    ContractError,
    FluxError,
    OutOfCredit,
    RateLimited,
    Refused,
    Rejected,
    SubmissionUnknown,
    Unauthorized,
)
from fluxkit.provider import At, Bytes, Each, Form, Header, Link, Query, Reason, Route, Text, Whole
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

REGISTRY = installed()
PROVIDERS = [REGISTRY.provider(name) for name in REGISTRY.names if REGISTRY.owner(name).bundled]
EACH = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
# The words that the bundled services use, in any arrangement: much nearer to sense than JSON of any kind.
KEYS = ("data", "task_id", "id", "status", "generated", "error", "message", "type", "result", "images", "url", "cost")
VALUES = (ID, "CREATED", "completed", "IN_PROGRESS", "failed", "", 7, -1.5, True, None, "https://a.example/b.png")
NEARLY = st.recursive(
    st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)


def reply(said: Said, at: float = EPOCH) -> Reply:
    return Reply(said.status, said.headers, said.document, said.text, at)


def task_of(provider: Provider, **facts: Any) -> Task:
    return attrs.evolve(Task(provider.name, provider.models[0].name, ID, provider.base_url), **facts)


# Any answer at all


@EACH
@given(document=JSON | NEARLY, status=st.sampled_from([200, 201, 400, 401, 404, 408, 429, 500, 503, 302]))
def test_any_answer_to_a_submit_is_a_task_or_an_error_of_ours(provider: Provider, document: Any, status: int) -> None:
    end = ended(lambda: read_submit(a_plan(provider), reply(Said(status, document, "text"))))
    if isinstance(end, FluxError):
        assert end.charged is (Charged.UNKNOWN if isinstance(end, SubmissionUnknown) else Charged.NO)
        assert "text" == end.reply
        assert end.charged or status >= 400
    else:
        assert 200 <= status < 300
        assert end.id


@EACH
@given(document=JSON | NEARLY, status=st.sampled_from([200, 201, 400, 401, 404, 408, 429, 500, 503, 302]))
def test_any_answer_to_a_poll_is_a_snapshot_or_an_error_of_ours(provider: Provider, document: Any, status: int) -> None:
    task = task_of(provider)
    end = ended(lambda: read_poll(provider, task, reply(Said(status, document, "text"))))
    if isinstance(end, FluxError):
        assert (task, Charged.UNKNOWN) == (end.task, end.charged)
    else:
        assert end.state is State.VANISHED or end.status or end.pictures
        assert all(picture.url or picture.content for picture in end.pictures)


@given(said=st.text(st.characters(), max_size=40) | st.from_regex(r"\d+(\.\d+)?", fullmatch=True))
@example(said="Sun, 06 Nov 1994 08:49:37 -0000")
def test_any_retry_after_is_seconds_or_nothing(said: str) -> None:
    seconds = retry_after(reply(Said(429, headers={"retry-after": said})))
    assert seconds is None or 0 <= seconds < 1e12


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("17", 17.0),
        (" 17 ", 17.0),
        ("0.25", 0.25),
        (email.utils.formatdate(EPOCH + 60, usegmt=True), 60.0),
        (email.utils.formatdate(EPOCH - 60, usegmt=True), 0.0),
        ("-1", None),
        ("soon", None),
        ("1e3", None),
    ],
)
def test_retry_after_is_in_seconds_or_a_date(said: str, seconds: float | None) -> None:
    assert seconds == retry_after(reply(Said(429, headers={"retry-after": said})))
    assert None is retry_after(reply(Said(429)))


# Snapshots


@EACH
def test_what_cannot_be_read_costs_nothing_beside_it(provider: Provider) -> None:
    said = completed(provider, *(["https://a.example/1.png"] * (provider.name != "bfl")), "https://a.example/2.png")
    match provider.name, said.document:
        case "apimart", {"data": task}:
            task["result"]["images"][0]["url"] = 7
            task["progress"] = "half"
        case "bfl", task:
            task["result"]["seed"] = "seven"
        case _, {"data": task}:
            task["generated"][0] = 7
            task["error"] = {"code": None}
    snapshot = read_snapshot(provider, provider.polled, said.document)
    assert (State.COMPLETED, ID) == (snapshot.state, snapshot.id)
    assert ["https://a.example/2.png"] == [picture.url for picture in snapshot.pictures]
    assert snapshot.problems


WITHOUT_TASKS = Form({"images": At("images", Each(Form({"content": At("b64", Bytes()), "url": At("url", Link())})))})


def test_an_image_names_the_task_of_a_service_without_tasks() -> None:
    provider = attrs.evolve(MAGNIFIC, poll=None, accepted=WITHOUT_TASKS)
    names = set()
    for image in ({"b64": "YQ=="}, {"b64": "Yg=="}, {"url": "https://a.example/1"}, {"url": "https://a.example/2"}):
        snapshot = read_submit(a_plan(provider), reply(Said(200, {"images": [image]})))
        assert State.COMPLETED is snapshot.state
        names.add(snapshot.id)
    assert 4 == len(names)


def test_an_image_without_an_id_is_taken_whatever_the_status_says() -> None:
    said = Said(200, {"data": {"status": "IN_PROGRESS", "generated": ["https://a.example/1.png"]}})
    snapshot = read_submit(a_plan(MAGNIFIC), reply(said))
    assert (State.COMPLETED, 1) == (snapshot.state, len(snapshot.pictures))


def test_what_an_answer_says_of_an_image_beside_its_link_is_left_to_the_file() -> None:
    image = Form({"url": At("url", Link()), "width": At("width", Whole()), "height": At("height", Whole())})
    provider = attrs.evolve(MAGNIFIC, polled=Form({"status": At("s", Text()), "images": At("i", Each(image))}))
    document = {"s": "COMPLETED", "i": [{"url": "https://a.example/1.png", "width": 5, "height": 7}, {"width": 5}]}
    snapshot = read_snapshot(provider, provider.polled, document)
    assert ["https://a.example/1.png"] == [picture.url for picture in snapshot.pictures]


def test_a_status_of_http_may_be_an_answer_by_declaration() -> None:
    provider = attrs.evolve(MAGNIFIC, answers={"CREATED": 202, "GONE": 404})
    assert [200, 202, 204, 404] == [status for status in (200, 202, 204, 302, 404, 500) if is_answer(provider, status)]
    said = complaint(provider, 404)
    assert State.VANISHED is read_poll(provider, task_of(provider), reply(said)).state


# Refusals


@EACH
def test_a_refusal_says_what_the_service_said(provider: Provider) -> None:
    said = complaint(provider, 401, "Invalid key.", headers={"x-oneapi-request-id": "r-1"}, text="the body")
    error = raised(lambda: read_submit(a_plan(provider), reply(said)))
    assert f"{provider.name} answered 401: Invalid key. Check the key" in error.message
    assert (401, "the body", Charged.NO, provider.name) == (error.status, error.reply, error.charged, error.provider)
    assert ("r-1" if provider.request_id else None) == error.request_id


def test_the_fields_of_a_refusal_are_named() -> None:
    problems = {"invalid_params": [{"name": "seed", "reason": "too large"}, {"reason": "odd"}]}
    error = raised(lambda: read_submit(a_plan(MAGNIFIC), reply(Said(400, {"message": "No.", **problems}))))
    assert (Rejected, (("seed", "too large"), ("", "odd"))) == (type(error), error.fields)
    wrapped = Said(400, {"problem": {"message": "No.", **problems}})
    assert (("seed", "too large"), ("", "odd")) == raised(lambda: read_submit(a_plan(MAGNIFIC), reply(wrapped))).fields
    said = read_complaint(MAGNIFIC, reply(Said(400, problems)))
    assert (True, "seed: too large; odd") == (said.declared, said.message)


FOREIGN = Said(400, None, f"<html>{'x' * 500}")


def test_a_foreign_body_is_shown_by_its_beginning() -> None:
    said = read_complaint(MAGNIFIC, reply(FOREIGN))
    assert (False, 200, "") == (said.declared, len(said.message), said.type)


def test_refusals_are_told_apart_by_type_and_by_text() -> None:
    refusals = [
        Refusal(400, OutOfCredit, type="billing"),
        Refusal(400, Refused, text="moderat"),
        Refusal(429, OutOfCredit, type="quota", text="daily"),
    ]
    error_form = Form({"message": At("message", Reason()), "type": At("type", Text())})
    provider = attrs.evolve(MAGNIFIC, refusals=refusals, error=error_form)

    def meaning(status: int, message: str, kind: str) -> type[FluxError]:
        said = reply(Said(status, {"message": message, "type": kind}))
        return type(raised(lambda: read_submit(a_plan(provider), said)))

    assert OutOfCredit is meaning(400, "no", "billing")
    assert Refused is meaning(400, "Moderated", "x")
    assert Rejected is meaning(400, "no", "x")
    assert OutOfCredit is meaning(429, "the Daily quota", "quota")
    assert RateLimited is meaning(429, "the daily quota", "rate")
    assert RateLimited is meaning(429, "too many", "quota")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, Unauthorized),
        (402, OutOfCredit),
        (403, Unauthorized),
        (408, Broken),
        (418, ContractError),
        (301, ContractError),
        (429, RateLimited),
        (500, Broken),
        (503, Broken),
        (524, Broken),
    ],
)
def test_a_poll_that_is_refused_leaves_open_what_was_charged(status: int, kind: type[FluxError]) -> None:
    error = raised(lambda: read_poll(MAGNIFIC, task_of(MAGNIFIC), reply(complaint(MAGNIFIC, status))))
    assert (kind, Charged.UNKNOWN, ID) == (type(error), error.charged, error.task.id)


@pytest.mark.parametrize(
    ("provider", "status", "message", "missing"),
    [
        (MAGNIFIC, 404, "Not found", True),
        (MAGNIFIC, 400, "Invalid task ID", False),
        (APIMART, 404, "", True),
        (APIMART, 400, "Invalid task ID", True),
        (APIMART, 400, "invalid task id: 7", True),
        (APIMART, 400, "Invalid request parameters", False),
    ],
)
def test_a_task_that_is_not_found_is_a_snapshot(provider: Provider, status: int, message: str, missing: bool) -> None:
    said = reply(complaint(provider, status, message))
    if missing:
        assert State.VANISHED is read_poll(provider, task_of(provider), said).state
    else:
        assert Rejected is type(raised(lambda: read_poll(provider, task_of(provider), said)))


# What goes out


def test_a_submit_is_json_with_the_headers_and_the_query_beside_it() -> None:
    form = MAGNIFIC.models[0].form | Form({"mode": Header("X-Mode", Text()), "tier": Query("tier", Text())})
    model = attrs.evolve(MAGNIFIC.models[0], request=form)
    provider = attrs.evolve(MAGNIFIC, models=[model])
    out = submission(a_plan(provider, options={"mode": "fast", "tier": "a&b"}), 0)
    assert ("POST", "https://api.magnific.com/v1/ai/text-to-image/flux-2-klein?tier=a%26b") == (out.method, out.url)
    assert {"content-type": "application/json", "x-mode": "fast"} == dict(out.headers)
    assert b'"prompt":"a lighthouse at dusk"' in out.body
    assert b"tier" not in out.body
    assert ("https://api.magnific.com",) == out.origins


def test_a_prompt_goes_out_as_it_is_written() -> None:
    plan = attrs.evolve(a_plan(MAGNIFIC), documents=({"prompt": "Leuchtturm, Dämmerung 🌆"},))
    assert '{"prompt":"Leuchtturm, Dämmerung 🌆"}'.encode() == submission(plan, 0).body


@EACH
def test_a_base_url_with_a_path_is_kept(provider: Provider) -> None:
    task = task_of(provider, base_url="https://gateway.example/flux")
    out = polling(provider, task)
    assert out.url.startswith("https://gateway.example/flux/v1/")
    assert ("https://gateway.example",) == out.origins


def test_a_service_without_a_call_has_none() -> None:
    assert None is polling(attrs.evolve(MAGNIFIC, poll=None), task_of(MAGNIFIC))
    assert None is asking_result(MAGNIFIC, task_of(MAGNIFIC))


def test_a_given_route_wants_the_address_that_was_given() -> None:
    provider = attrs.evolve(MAGNIFIC, poll=Route("GET", "/v1/poll/{id}", given=True))
    error = raised(lambda: polling(provider, task_of(provider)))
    assert (ContractError, ID) == (type(error), error.task.id)
    there = "https://api.magnific.com/there?x=1"
    assert there == polling(provider, task_of(provider, poll_url=there)).url


# Where the key may go

WIDE = attrs.evolve(
    MAGNIFIC, base_url="https://api.wide.example", origins=("https://api.*.wide.example", "https://cdn-*.wide.example")
)


@pytest.mark.parametrize(
    ("base_url", "url", "allowed"),
    [
        ("https://api.wide.example", "https://api.wide.example/x", True),
        ("https://api.wide.example", "https://API.wide.example:443/x", True),
        ("https://api.wide.example/path", "https://api.wide.example/other", True),
        ("https://api.wide.example", "https://api.us1.wide.example/x", True),
        ("https://api.wide.example", "https://cdn-7.wide.example/x", True),
        ("https://api.us1.wide.example", "https://api.wide.example/x", True),
        ("https://api.wide.example", "https://api.a.b.wide.example/x", False),
        ("https://api.wide.example", "https://api.us1.wide.example.evil.example/x", False),
        ("https://api.wide.example", "http://api.wide.example/x", False),
        ("https://api.wide.example", "https://api.wide.example:8443/x", False),
        ("https://api.wide.example", "https://api.wide.example@evil.example/x", False),
        ("https://api.wide.example", "https://evil.example\\@api.wide.example/x", False),
        ("https://api.wide.example", "https://[half/x", False),
        ("https://api.wide.example", "", False),
        ("https://gateway.example", "https://gateway.example/x", True),
        ("https://gateway.example", "https://api.wide.example/x", False),
        ("https://gateway.example", "https://api.us1.wide.example/x", False),
        ("http://127.0.0.1:8100/wide", "http://127.0.0.1:8100/x", True),
        ("http://127.0.0.1:8100/wide", "http://127.0.0.1:8101/x", False),
        ("http://127.0.0.1:80/wide", "http://127.0.0.1/x", True),
    ],
)
def test_the_key_goes_to_the_base_url_and_to_what_is_declared_beside_it(base_url: str, url: str, allowed: bool) -> None:
    assert allowed == admits(WIDE, base_url, url)
    task = task_of(WIDE, base_url=base_url, poll_url=url or "nowhere")
    if allowed:
        assert (url, (origin(url),)) == (polling(WIDE, task).url, polling(WIDE, task).origins)
    else:
        error = raised(lambda: polling(WIDE, task))
        assert (ContractError, task) == (type(error), error.task)
        assert "Nothing was sent there" in error.message


SAME: Mapping[str, str] = {
    "https://A.Example:443/x?y#z": "https://a.example",
    "HTTP://a.example:80": "http://a.example",
    "https://a.example:80/": "https://a.example:80",
    "http://[::1]:80/": "http://[::1]",
    "https://[half": "",
    "text": "://",
}


@pytest.mark.parametrize("url", SAME)
def test_an_origin_is_scheme_host_and_port(url: str) -> None:
    assert SAME[url] == origin(url)

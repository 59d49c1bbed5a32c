"""What comes before the submit: references are uploaded, hosted or fetched, once, and nothing is bought by it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from support.uploads import BY_FORM, BY_TICKET, GIF, JPEG, PNG, WEBP, WITHOUT
from support.world import EPOCH, AsyncWorld, Said, Script, World, accepted, complaint, completed, raised

from fluxkit._contract.reference import Reference
from fluxkit._contract.request import Request
from fluxkit._contract.result import Result
from fluxkit._contract.task import Task
from fluxkit._engine.drive import AsyncDriver, Driver
from fluxkit._engine.effects import Bring, Call, Hosted, Lost
from fluxkit._engine.flows import Manner, generate, place_order
from fluxkit._engine.notes import Notes
from fluxkit._engine.place import Place
from fluxkit._engine.settle import SETTLE_TRIES, settle
from fluxkit._wire.json import Unfit
from fluxkit._wire.plan import Plan, make_plan
from fluxkit.errors import (
    Broken,
    Charged,
    ContractError,
    FluxError,
    PluginError,
    RateLimited,
    ReferenceUnusable,
    Rejected,
    Unauthorized,
    Unreachable,
)
from fluxkit.provider import Provider
from fluxkit_providers.magnific import MAGNIFIC

ADDRESS = "https://upload.example/f/photo.png"
PUT = "https://storage.example/put?sig=a~b=="
URL = "https://images.example/cat.png"
MANNER = Manner(timeout=300.0, patience=60.0, place=Place(Path()))

UPLOADED = Said(document={"url": ADDRESS})
TICKETED = Said(document={"files": [{"upload_url": PUT, "headers": {"x-goog-a": "b"}, "asset_url": ADDRESS}]})


def a_plan(provider: Provider, *references: Any, **fields: Any) -> Plan:
    settings = {"hosting": lambda: True} if fields.pop("hosted", False) else {}
    request = Request("a cat", references=references or [PNG], **fields)
    return make_plan(provider, provider.models[0].name, request, **settings)


def settled(world: World, plan: Plan, **options: Any) -> Plan:
    return world.run(settle(plan, EPOCH + 300.0, patience=60.0, **options))


def failing(world: World, plan: Plan, kind: type[FluxError] = FluxError, **options: Any) -> Any:
    """The error of a flow that does not come to its submit; it says that nothing was bought."""
    error = raised(lambda: settled(world, plan, **options), kind)
    assert type(error) is kind
    assert (Charged.NO, plan.provider.name, plan.model.name) == (error.charged, error.provider, error.model)
    assert [] == world.submits
    return error


def sent(call: Call) -> tuple[str, str, Mapping[str, str], bytes, bool]:
    return call.method, call.url, call.headers, bytes(call.body), call.keyed


# Uploads


def test_an_image_goes_up_as_a_file_of_a_form_and_its_address_into_the_request() -> None:
    world = World([UPLOADED])
    plan = settled(world, a_plan(BY_FORM, URL, PNG))
    assert [URL, ADDRESS] == plan.body["image_urls"]
    (call,) = world.of(Call)
    assert ("POST", "https://api.apimart.ai/v1/uploads/images", True, False) == (
        call.method,
        call.url,
        call.keyed,
        call.buys,
    )
    assert ("https://api.apimart.ai",) == call.origins
    assert call.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="file"; filename="image.png"\r\nContent-Type: image/png\r\n\r\n' + PNG + b"\r\n--" in bytes(call.body)


def test_a_ticket_is_asked_for_and_the_image_is_put_where_it_says_without_the_key() -> None:
    world = World([TICKETED, Said(204)])
    plan = settled(world, a_plan(BY_TICKET, JPEG))
    assert [ADDRESS] == plan.body["image_urls"]
    asked, put = world.of(Call)
    assert (
        "POST",
        "https://api.apimart.ai/v1/ai/uploads/request-url",
        {"content-type": "application/json"},
        b'{"files":[{"content_type":"image/jpeg"}]}',
        True,
    ) == sent(asked)
    assert ("PUT", PUT, {"x-goog-a": "b"}, JPEG, False) == sent(put)
    assert ((), False) == (put.origins, put.buys)


@pytest.mark.parametrize(
    ("provider", "answers", "life"), [(BY_FORM, [UPLOADED], 259200.0), (BY_TICKET, [TICKETED, Said()], 86400.0)]
)
def test_each_upload_is_noted_with_the_end_of_its_address(provider: Provider, answers: list[Said], life: float) -> None:
    world = World([attrs.evolve(answers[0], takes=5.0), *answers[1:]])
    settled(world, a_plan(provider, PNG))
    entry = {"provider": "apimart", "reference": Reference(content=PNG), "url": ADDRESS}
    assert [{**entry, "expires_at": EPOCH + 5.0 + life}] == world.noted("uploaded")


def test_an_address_of_unknown_life_is_noted_without_an_end() -> None:
    provider = attrs.evolve(BY_FORM, upload=attrs.evolve(BY_FORM.upload, life=None))
    world = World([UPLOADED])
    settled(world, a_plan(provider, PNG))
    assert [None] == [entry["expires_at"] for entry in world.noted("uploaded")]


def test_an_image_that_is_given_twice_is_uploaded_once_for_all_tasks_of_a_request() -> None:
    answers = [UPLOADED, accepted(BY_FORM, "a"), completed(BY_FORM), accepted(BY_FORM, "b"), completed(BY_FORM)]
    world = World(lambda call, _: answers.pop(0) if not call.buys else accepted(BY_FORM, f"t{len(world.submits)}"))
    answers[:] = [UPLOADED, *[completed(BY_FORM, f"https://images.example/{n}.png") for n in range(3)]]
    result: Result = world.run(generate(a_plan(BY_FORM, PNG, PNG, URL, n=3), MANNER))
    assert 3 == len(result.images)
    bodies = [json.loads(bytes(call.body))["image_urls"] for call in world.submits]
    assert [[ADDRESS, ADDRESS, URL]] * 3 == bodies
    assert ["uploaded", "intent", "accepted"] == world.notes[:3]
    assert 1 == world.notes.count("uploaded")


def test_an_order_is_settled_before_its_intent_is_noted() -> None:
    world = World([UPLOADED, accepted(BY_FORM)])
    task: Task = world.run(place_order(a_plan(BY_FORM, PNG), MANNER))
    assert task.id
    assert ["uploaded", "intent", "accepted"] == world.notes


def test_references_that_need_nothing_ask_nothing_of_the_world() -> None:
    world, plan = World(), a_plan(BY_FORM, URL)
    assert plan is settled(world, plan)
    assert [] == world.effects


@pytest.mark.parametrize(
    "trouble",
    [
        Lost("no answer came"),
        Unreachable("refused"),
        complaint(BY_FORM, 429, "slow"),
        complaint(BY_FORM, 500, "broken"),
        Said(502, text="<html>"),
        Said(408),
        Said(599),
    ],
)
def test_what_may_pass_is_tried_again_after_a_while(trouble: Any) -> None:
    world = World([trouble, trouble, UPLOADED])
    assert [ADDRESS] == settled(world, a_plan(BY_FORM, PNG)).body["image_urls"]
    assert [3, 2] == [len(world.of(Call)), len(world.waits)]
    assert 0 < world.waits[0] < world.waits[1]


def test_a_put_that_fails_is_tried_again_with_a_new_ticket() -> None:
    world = World([TICKETED, Said(503), TICKETED, Lost("no answer came"), TICKETED, Said(200)])
    assert [ADDRESS] == settled(world, a_plan(BY_TICKET, PNG)).body["image_urls"]
    assert ["POST", "PUT"] * 3 == [call.method for call in world.of(Call)]


def test_the_service_is_waited_for_as_long_as_it_asks() -> None:
    world = World([complaint(BY_FORM, 429, "slow", headers={"retry-after": "40"}), UPLOADED])
    settled(world, a_plan(BY_FORM, PNG))
    assert [40.0] == world.waits


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Lost("no answer came"), ReferenceUnusable),
        (Unreachable("refused"), Unreachable),
        (complaint(BY_FORM, 429, "slow"), RateLimited),
        (complaint(BY_FORM, 500, "broken"), Broken),
    ],
)
def test_at_some_point_it_is_given_up(outcome: Any, kind: type[FluxError]) -> None:
    world = World(lambda *_: outcome)
    error = failing(world, a_plan(BY_FORM, PNG), kind)
    assert error.retry
    assert SETTLE_TRIES == len(world.of(Call))
    if kind is ReferenceUnusable:
        assert "could not be uploaded: no answer came. Nothing was bought." in str(error)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (complaint(BY_FORM, 401, "who?"), Unauthorized),
        (complaint(BY_FORM, 413, "too large"), Rejected),
        (Said(302, headers={"location": "https://elsewhere.example"}), ContractError),
        (Said(document={"uri": ADDRESS}), ContractError),
        (Said(document=None, text="fine"), ContractError),
        (Said(document={"url": "https://user@upload.example/x"}), ContractError),
        (Said(document={"url": "https://a.example:99999/"}), ContractError),
        (Said(document={"url": 7}), ContractError),
    ],
)
def test_what_will_not_pass_is_said_at_once(outcome: Said, kind: type[FluxError]) -> None:
    world = World([outcome])
    error = failing(world, a_plan(BY_FORM, PNG), kind)
    assert 1 == len(world.of(Call))
    if kind is not ContractError:
        assert f"apimart answered the upload of a reference with {outcome.status}: " in str(error)


@pytest.mark.parametrize("status", [301, 400, 403, 404, 413])
def test_a_put_that_is_refused_names_where(status: int) -> None:
    error = failing(World([TICKETED, Said(status, text="<Error>")]), a_plan(BY_TICKET, PNG), Rejected)
    said = f"https://storage.example, where apimart wanted a reference to be uploaded, answered {status}. Nothing was"
    said += " bought."
    assert (said, status, "<Error>") == (str(error), error.status, error.reply)


def test_a_put_that_comes_too_often_waits() -> None:
    world = World([TICKETED, Said(429), TICKETED, Said()])
    settled(world, a_plan(BY_TICKET, PNG))
    assert 1 == len(world.waits)


@pytest.mark.parametrize(
    "headers",
    [
        *(
            {name: "x"}
            for name in ("Host", "CONNECTION", "Content-Length", "transfer-encoding", "Cookie", "te", "expect")
        ),
        {"proxy-authorization": "x"},
        {"x-a": "two\r\nlines"},
        {"x a": "b"},
        {"x-a": 7},
        {"x-ä": "b"},
        ["x-a"],
        "x-a: b",
    ],
)
def test_headers_that_are_not_for_a_service_to_say_are_refused_before_the_put(headers: Any) -> None:
    files = [{"upload_url": PUT, "headers": headers, "asset_url": ADDRESS}]
    world = World([Said(document={"files": files})])
    error = failing(world, a_plan(BY_TICKET, PNG), ContractError)
    assert "answered an upload in a way that its declaration does not know: " in str(error)
    assert 1 == len(world.of(Call))


@pytest.mark.parametrize("headers", [{}, None, []])
def test_a_ticket_may_ask_for_no_headers(headers: Any) -> None:
    files = [{"upload_url": PUT, "headers": headers, "asset_url": ADDRESS}]
    world = World([Said(document={"files": files}), Said()])
    settled(world, a_plan(BY_TICKET, PNG))
    assert {} == world.of(Call)[1].headers


def test_a_ticket_without_an_address_to_put_to_is_none() -> None:
    failing(World([Said(document={"files": [{"asset_url": ADDRESS}]})]), a_plan(BY_TICKET, PNG), ContractError)


def test_nothing_is_begun_when_the_time_is_over() -> None:
    world = World([], time=EPOCH + 300.0)
    error = failing(world, a_plan(BY_FORM, PNG), ReferenceUnusable)
    assert (True, []) == (error.retry, world.of(Call))
    world = World([Said(503)], time=EPOCH + 299.9)
    failing(world, a_plan(BY_FORM, PNG), Broken)
    assert [] == world.waits


def test_the_time_of_uploads_counts_towards_that_of_the_request() -> None:
    world = World([attrs.evolve(UPLOADED, takes=50.0), Lost("no answer came")])
    raised(lambda: world.run(place_order(a_plan(BY_FORM, PNG), attrs.evolve(MANNER, timeout=70.0))))
    assert [60.0, 21.0] == [call.patience for call in world.of(Call)]


def test_a_mistake_of_ours_is_an_error_of_ours_that_bought_nothing() -> None:
    error = failing(World([ZeroDivisionError("oh")]), a_plan(BY_FORM, PNG), FluxError)
    assert "fluxkit failed before it bought anything" in str(error)
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_a_file_that_changed_meanwhile_is_not_tried_again(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    plan = a_plan(BY_FORM, tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(JPEG)

    def read(call: Call, _: World) -> Said:
        bytes(call.body)
        raise AssertionError("it has changed")

    error = failing(World(read), plan, ReferenceUnusable)
    assert "'a.png' has changed" in str(error)


@pytest.mark.parametrize("at", range(8))
def test_a_flow_that_is_closed_leaves_nothing_behind(at: int) -> None:
    world = World(lambda call, _: TICKETED if call.method == "POST" else Said())
    assert world.run(settle(a_plan(BY_TICKET, PNG, JPEG), EPOCH + 300.0, patience=60.0), close_at=at) is None


# Plugins


def hosted(url: str = ADDRESS, expires_at: float | None = None) -> Any:
    return lambda image: Hosted(url, expires_at, "'acme' (in memory)")


@pytest.mark.parametrize("provider", [BY_FORM, WITHOUT])
def test_a_plugin_is_asked_before_the_service(provider: Provider) -> None:
    asked: list[Reference] = []

    def host(image: Reference) -> Hosted:
        asked.append(image)
        return Hosted(ADDRESS, EPOCH + 60, "acme")

    world = World(hosts=host)
    assert [ADDRESS, ADDRESS] == settled(world, a_plan(provider, PNG, PNG, hosted=True)).body["image_urls"]
    assert ([Reference(content=PNG)], []) == (asked, world.of(Call))
    assert [EPOCH + 60] == [entry["expires_at"] for entry in world.noted("uploaded")]


@pytest.mark.parametrize(
    ("provider", "image", "said"),
    [
        (WITHOUT, PNG, "apimart has no upload. Give the address"),
        (BY_TICKET, GIF, "apimart does not take it as an upload. Give the address"),
    ],
)
def test_where_no_plugin_and_no_service_takes_an_image_that_is_said(
    provider: Provider, image: bytes, said: str
) -> None:
    assert said in str(failing(World(), a_plan(provider, image, hosted=True), ReferenceUnusable))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://images.example/a.png", "it is not at a public https host"),
        ("https://127.0.0.1/a.png", "it is not at a public https host"),
        ("https://intranet/a.png", "it is not at a public https host"),
        ("ftp://images.example", "it does not begin with http:// or https://"),
        ("https://user:secret@images.example/a.png", "it holds a user name"),
        ("https://10.0.0.6/a.png", "it is not at a public https host"),
    ],
)
def test_an_address_of_a_plugin_must_be_one_that_a_service_can_reach(url: str, reason: str) -> None:
    allowed = frozenset({"10.0.0.5"})
    error = failing(World(hosts=hosted(url)), a_plan(WITHOUT, hosted=True), PluginError, allow_hosts=allowed)
    assert "The plugin 'acme' (in memory) gives the address" in str(error)
    assert f" in fluxkit_host_image(): {reason}. Allowed: " in str(error)
    assert "secret" not in str(error)


def test_a_plugin_may_use_a_host_that_is_allowed_and_no_address_that_has_expired() -> None:
    plan, url = a_plan(WITHOUT, hosted=True), "http://10.0.0.5:9000/a.png"
    made = settled(World(hosts=hosted(url)), plan, allow_hosts=frozenset({"10.0.0.5"}))
    assert [url] == made.body["image_urls"]
    error = failing(World(hosts=hosted(expires_at=EPOCH)), plan, PluginError)
    assert "it has expired already" in str(error)


@pytest.mark.parametrize("way", ["sync", "asyncio", "trio"])
def test_drivers_ask_the_plugins(way: str) -> None:
    world, plan = World(), a_plan(WITHOUT, hosted=True)
    flow = settle(plan, EPOCH + 300.0, patience=60.0)
    if way == "sync":
        made = Driver(world, world, Notes(), hosted()).run(flow)
    else:
        made = anyio.run(AsyncDriver(AsyncWorld(world), world, Notes(), hosted()).run, flow, backend=way)
    assert [ADDRESS] == made.body["image_urls"]


@pytest.mark.parametrize("way", ["sync", "asyncio", "trio"])
def test_drivers_host_nothing_by_themselves_and_bring_what_they_are_told(way: str) -> None:
    def run(plan: Plan) -> Any:
        world = World(brings=[JPEG])
        flow = settle(plan, EPOCH + 300.0, patience=60.0)
        if way == "sync":
            return Driver(world, world, Notes()).run(flow)
        return anyio.run(AsyncDriver(AsyncWorld(world), world, Notes()).run, flow, backend=way)

    raised(lambda: run(a_plan(WITHOUT, hosted=True)), ReferenceUnusable)
    assert run(a_plan(MAGNIFIC, URL)).body["input_image"].reference == Reference(content=JPEG)


# Fetching


def test_an_address_is_fetched_for_a_service_that_takes_images_only() -> None:
    world = World(brings=[JPEG])
    made = settled(world, a_plan(MAGNIFIC, PNG, URL, URL))
    assert [PNG, JPEG, JPEG] == [
        made.body[place].reference.content for place in ("input_image", "input_image_2", "input_image_3")
    ]
    (bring,) = world.of(Bring)
    assert (URL, (), 60.0, 50_000_000) == (bring.url, bring.origins, bring.patience, bring.most)
    assert [] == world.notes


def test_an_address_at_a_local_service_may_be_fetched_from_its_own_origin() -> None:
    base_url = "http://127.0.0.1:8642/magnific"
    request = Request("a cat", references=["http://127.0.0.1:8642/a.png"])
    world = World(brings=[PNG])
    settled(world, make_plan(MAGNIFIC, "flux-2-pro", request, base_url=base_url))
    assert ("http://127.0.0.1:8642/magnific",) == world.of(Bring)[0].origins


@pytest.mark.parametrize(
    ("brought", "said"),
    [
        (b"<html>secret", "is no image: 12 bytes came, and they begin like none"),
        (WEBP, "magnific:flux-2-klein cannot take a reference as it was fetched: Reference(webp, "),
    ],
)
def test_what_comes_is_looked_at_before_anything_is_bought(brought: bytes, said: str) -> None:
    error = failing(World(brings=[brought]), a_plan(MAGNIFIC, URL), ReferenceUnusable)
    assert said in str(error)
    assert "secret" not in str(error)


def test_fetching_is_tried_again_where_it_may_pass_and_only_there() -> None:
    may_pass, will_not = ReferenceUnusable("busy", retry=True), ReferenceUnusable("gone")
    world = World(brings=[may_pass, may_pass, PNG])
    settled(world, a_plan(MAGNIFIC, URL))
    assert 2 == len(world.waits)
    script: Script = [will_not]
    world = World(brings=script)
    assert will_not is failing(world, a_plan(MAGNIFIC, URL), ReferenceUnusable)
    assert [] == world.waits


def test_a_form_whose_answer_says_nothing_is_a_breach() -> None:
    with pytest.raises(Unfit):
        BY_FORM.upload.answer.read([])
    failing(World([Said(document=[])]), a_plan(BY_FORM, PNG), ContractError)

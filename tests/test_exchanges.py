"""What the mock remembers of its exchanges, without secrets, and what tests can find and assert in it."""

import json
import pickle
from pathlib import Path
from typing import Any

import httpx
import pytest

import fluxkit
from fluxkit_mockserver import MockService
from fluxkit_mockserver.answer import Answer, Incoming
from fluxkit_mockserver.exchange import Exchange
from fluxkit_mockserver.exchanges import MOST_WHOLE
from fluxkit_mockserver.kept import HIDDEN, MOST_KEPT
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"
KEY = "a-key-of-this-test-0123456789"


@pytest.fixture
def mock() -> MockService:
    return MockService([MAGNIFIC, FREEPIK, APIMART], keys=[KEY])


def tell(
    mock: MockService, method: str, path: str, body: Any = None, *, key: str | None = KEY, **headers: str
) -> tuple[int, Any]:
    """One call as any program would make it: the status, and the answer as JSON or as text."""
    keyed = (
        {} if key is None else {"x-magnific-api-key": key, "x-freepik-api-key": key, "authorization": f"Bearer {key}"}
    )
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    with httpx.Client(transport=mock.transport()) as client:
        answer = client.request(method, f"http://127.0.0.1{path}", content=content, headers={**keyed, **headers})
    return answer.status_code, answer.json() if "json" in answer.headers["content-type"] else answer.text


def picture(tmp_path: Path) -> str:
    with fluxkit.Client("magnific:flux-2-klein", mock=True) as client:
        client.generate("a sketch", to=tmp_path / "sketch.png")
    return str(tmp_path / "sketch.png")


def test_the_same_headers_of_many_calls_are_kept_once_and_no_key_among_them(mock: MockService) -> None:
    for value in ("one", "one", KEY, "other"):
        tell(mock, "POST", KLEIN, {"prompt": "a cat"}, **{"x-trace": value})
    first, again, keyed, other = (each.headers for each in mock.exchanges)
    assert first is again
    assert ["one", HIDDEN, "other"] == [each["x-trace"] for each in (first, keyed, other)]
    assert [] == [value for each in mock.exchanges for value in each.headers.values() if KEY in value]


# What is remembered


def test_a_submit_is_remembered_with_what_it_asked_for_and_what_came_of_it(mock: MockService) -> None:
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        client.generate("a fox", aspect="16:9", seed=7, fetch=False)
    submit, *polls = mock.exchanges
    assert (1, "POST", KLEIN, 200, "magnific", "flux-2-klein") == (
        submit.number,
        submit.method,
        submit.path,
        submit.status,
        submit.provider,
        submit.model,
    )
    assert {"model": "flux-2-klein", "prompt": "a fox", "seed": 7} == {
        name: submit.fields[name] for name in ("model", "prompt", "seed")
    }
    assert ("1344x768", "16:9", "1K") == tuple(submit.fields[name] for name in ("size", "aspect", "resolution"))
    assert ("a fox", submit.task) == (submit.body["prompt"], submit.reply["data"]["task_id"])
    assert {submit.task} == {poll.task for poll in polls}
    assert (True, False) == (submit.bought, polls[0].bought)
    assert "flux-2-klein" == polls[0].model
    assert submit.took > 0


def test_the_key_is_nowhere_in_a_record_whatever_carries_it(mock: MockService) -> None:
    body = {"prompt": f"what is {KEY}?", "webhook_secret": "whsec-of-somebody", KEY: 1}
    tell(mock, "POST", f"{KLEIN}?token=abcdef&again={KEY}", body, x_other=KEY, cookie="session=1")
    (record,) = mock.exchanges
    for shown in (repr(record), str(record.document()), str(record.headers), str(record.query), str(record.body)):
        assert not [secret for secret in (KEY, "whsec-of-somebody", "abcdef", "session") if secret in shown]
    assert (HIDDEN, HIDDEN) == (record.headers["x-magnific-api-key"], record.query["token"])
    assert f"what is {HIDDEN}?" == record.body["prompt"]


def test_a_record_goes_into_a_pickle_without_the_key(mock: MockService) -> None:
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        client.generate("a fox", fetch=False)
    for record in mock.exchanges:
        assert KEY.encode() not in pickle.dumps(record)


def test_images_are_remembered_by_size_and_digest(mock: MockService, tmp_path: Path) -> None:
    sketch = picture(tmp_path)
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        client.generate("like this", references=[sketch], to=tmp_path)
    submit, got = mock.exchanges[0], mock.exchanges[-1]
    (reference,) = submit.fields["references"]
    assert reference == f"Reference({fluxkit.Reference(content=Path(sketch).read_bytes())})"
    assert max(len(str(each.document())) for each in mock.exchanges) < MOST_KEPT
    assert ("GET", submit.task, 200) == (got.method, got.task, got.status)
    assert str(got.reply).startswith("<")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", None),
        (b"[half a", "[half a"),
        (b"\xff\xfe", "<2 bytes, sha256 "),
        (b'{"prompt": "' + b"a" * 50_000 + b'"}', "{'prompt': '<50000 bytes, sha256 "),
        (b"[" * 50_000, "<50000 bytes, sha256 "),
        (b"[" + b"1," * 30_000 + b"1]", "<60003 bytes, sha256 "),
        (b"a" * 50_000, "<50000 bytes, sha256 "),
    ],
    ids=["empty", "text", "bytes", "a long text", "deep", "many", "large"],
)
def test_any_body_is_remembered_and_bounded(mock: MockService, body: bytes, shown: Any) -> None:
    tell(mock, "POST", KLEIN, body)
    (record,) = mock.exchanges
    assert shown is record.body if shown is None else str(record.body).startswith(shown)
    assert json.dumps(record.document())


def test_a_secret_that_a_submit_brings_is_not_among_its_fields(mock: MockService) -> None:
    submit = Exchange("POST", "/somewhere", 200, 0.0)
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        client.submit("a fox")
    (task,) = mock.tasks
    task.values = {**task.values, "webhook_secret": "whsec-of-somebody"}
    submit.has_bought(task)
    assert HIDDEN == submit.fields["webhook_secret"]


def test_the_fault_that_struck_is_remembered(mock: MockService) -> None:
    mock.fault("accepted-then-dropped", times=1)
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        with pytest.raises(fluxkit.SubmissionUnknown):
            client.generate("a fox")
        client.generate("a fox", fetch=False)
    lost, *others = mock.exchanges
    assert (("accepted-then-dropped",), 0, True) == (lost.faults, lost.status, lost.bought)
    assert {()} == {each.faults for each in others}


def test_of_old_exchanges_only_what_was_asked_for_is_remembered(mock: MockService) -> None:
    tell(mock, "POST", KLEIN, {"prompt": "a fox"})
    call = Incoming("GET", "/nobody", {}, {"a": "b"}, b"", "http://a")
    for _ in range(MOST_WHOLE):
        mock.handle(call)
    first, second = mock.exchanges[:2]
    assert (None, None, {}) == (first.body, first.reply, first.headers)
    assert (1, "a fox", True) == (first.number, first.fields["prompt"], first.bought)
    assert {"a": "b"} == second.headers
    assert MOST_WHOLE + 1 == len(mock.exchanges)


def test_other_origins_are_remembered_by_their_address(mock: MockService, tmp_path: Path) -> None:
    with fluxkit.Client("magnific:flux-2-pro", mock=mock) as client:
        client.generate("like this", references=["https://example.com/a.webp"], to=tmp_path)
    (record,) = mock.find(path="example.com")
    assert ("GET", "https://example.com/a.webp", 200, None) == (
        record.method,
        record.path,
        record.status,
        record.provider,
    )
    assert record.closest is None


def test_exchanges_are_found_by_what_they_are_about(mock: MockService, tmp_path: Path) -> None:
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as klein:
        klein.generate("a fox", to=tmp_path)
    with fluxkit.Client("apimart:flux-2-flex", mock=mock) as flex:
        flex.generate("a fox", fetch=False)
    tell(mock, "GET", "/nobody")
    task = mock.exchanges[0].task
    assert {task} == {each.task for each in mock.find(task=task)}
    assert {"magnific"} == {each.provider for each in mock.find(provider="magnific")}
    assert {"flux-2-flex"} == {each.model for each in mock.find(model="flux-2-flex")}
    assert [("GET", 404)] == [(each.method, each.status) for each in mock.find(status=404)]
    assert 2 == len(mock.find(method="post"))
    assert 1 == len(mock.find(path="/__mock__/images/"))
    assert len(mock.exchanges) == len(mock.find())
    assert list(mock.exchanges) == list(mock.exchanges[:])
    mock.reset()
    tell(mock, "GET", "/nobody")
    assert [1] == [each.number for each in mock.exchanges]
    assert "<1 exchanges>" == repr(mock.exchanges)


# What was meant


@pytest.mark.parametrize(
    ("method", "path", "meant"),
    [
        ("POST", "/v1/ai/text-to-image/flux-2-klein", f"POST {KLEIN}"),
        ("POST", "/magnific/v1/ai/text-to-image/flux-2-klien", f"POST {KLEIN}"),
        ("PUT", KLEIN, f"POST {KLEIN}"),
        ("POST", f"{KLEIN}/046b6c7f-0b8a-43b9-b35d-6489e6daee91", f"GET {KLEIN}/{{id}}"),
        (
            "GET",
            "/freepik/v1/ai/text-to-images/flux-2-pro/046b6c7f",
            "GET /freepik/v1/ai/text-to-image/flux-2-pro/{id}",
        ),
        ("POST", "/apimart/v1/image/generations", "POST /apimart/v1/images/generations"),
        ("GET", "/favicon.ico", None),
        ("GET", "/magnific", None),
        ("GET", f"/{'x' * 9000}", None),
    ],
)
def test_a_call_that_leads_nowhere_is_told_what_it_meant(
    mock: MockService, method: str, path: str, meant: str | None
) -> None:
    _, told = tell(mock, method, path)
    (record,) = mock.exchanges
    assert meant == record.closest
    if record.provider is None:
        assert (meant is not None) == ("Did you mean" in told)
        assert meant is None or meant in told


def test_a_task_that_is_not_there_is_not_taken_for_a_wrong_route(mock: MockService) -> None:
    tell(mock, "GET", f"{KLEIN}/046b6c7f-0b8a-43b9-b35d-6489e6daee91")
    tell(mock, "GET", "/__mock__/images/nobody.png")
    assert [404, 404] == [each.status for each in mock.exchanges]
    assert [None, None] == [each.closest for each in mock.exchanges]


@pytest.mark.parametrize("prompt", ["a fox", "a" * 50_000], ids=["small", "large"])
def test_a_refused_body_is_read_as_far_as_it_goes_and_says_what_differs(mock: MockService, prompt: str) -> None:
    assert 400 == tell(mock, "POST", KLEIN, {"prompt": prompt, "aspect_ratio": "16:9", "seed": 7})[0]
    (record,) = mock.exchanges
    assert ("flux-2-klein", 7, prompt, False) == (
        record.model,
        record.fields["seed"],
        record.fields["prompt"],
        record.bought,
    )
    (problem,) = record.problems
    assert ("aspect_ratio", "16:9") == (problem.place, problem.given)
    assert record.closest is not None
    assert record.closest.startswith('magnific:flux-2-klein, but for aspect_ratio is "16:9"; allowed: ') or (
        "aspect_ratio is '16:9'; allowed: " in record.closest
    )


def test_a_submit_that_was_refused_for_its_size_is_listed_like_any_other() -> None:
    mock = MockService([BFL])
    with httpx.Client(transport=mock.transport(), headers={"x-key": "test"}) as client:
        large = {"prompt": "a fox", "width": 5392, "height": 3360}
        assert 422 == client.post("http://127.0.0.1/bfl/v1/flux-2-pro", json=large).status_code
        (told,) = client.get("http://127.0.0.1/__mock__/exchanges").json()["exchanges"]
    assert ("flux-2-pro", "a fox", "5392x3360") == tuple(told["fields"][each] for each in ("model", "prompt", "size"))
    with pytest.raises(AssertionError, match=r"size: expected '64x64', was '5392x3360'"):
        mock.assert_submitted(size="64x64")


def test_a_refusal_for_another_reason_names_no_form(mock: MockService) -> None:
    tell(mock, "POST", KLEIN, {"prompt": "a fox"}, key=None)
    tell(mock, "POST", KLEIN, b"[")
    assert [401, 400] == [each.status for each in mock.exchanges]
    assert [((), None), ((), None)] == [(each.problems, each.closest) for each in mock.exchanges]
    assert ["a fox", None] == [each.fields.get("prompt") for each in mock.exchanges]


# What is asserted


@pytest.fixture
def bought(mock: MockService, tmp_path: Path) -> MockService:
    """A mock of which three images were bought, and one was refused."""
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as klein:
        klein.generate("a fox", aspect="16:9", seed=7, references=[picture(tmp_path)], fetch=False)
        klein.generate("a fox", seed=8, fetch=False)
    with fluxkit.Client("magnific:flux-2-pro", mock=mock) as pro:
        pro.generate("a hare", aspect="16:9", fetch=False)
    tell(mock, "POST", KLEIN, {"prompt": "a toad", "aspect_ratio": "16:9"})
    return mock


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({}, 3),
        ({"prompt": "a fox"}, 2),
        ({"prompt": "a fox", "seed": 7}, 1),
        ({"model": "flux-2-klein"}, 2),
        ({"provider": "magnific"}, 3),
        ({"aspect": "16:9"}, 2),
        ({"aspect": "16:9", "resolution": "1k"}, 1),
        ({"size": "1344x768"}, 1),
        ({"size": "1344×768"}, 1),
        ({"size": (1344, 768)}, 1),
        ({"references": 1}, 1),
        ({"seed": None}, 1),
    ],
)
def test_what_was_bought_is_asserted(bought: MockService, fields: dict[str, Any], count: int) -> None:
    assert count == len(bought.assert_submitted(**fields))
    assert count == len(bought.assert_submitted(times=count, **fields))
    with pytest.raises(AssertionError, match=f"and there were {count}"):
        bought.assert_not_submitted(**fields)


def test_references_are_asserted_by_what_they_show(bought: MockService, tmp_path: Path) -> None:
    bought.assert_submitted(references=[tmp_path / "sketch.png"], times=1)
    with pytest.raises(AssertionError, match="references: expected"):
        bought.assert_submitted(references=["https://example.com/a.png"])


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"prompt": "a fox", "seed": 42}, ["seed: expected 42, was 7"]),
        ({"model": "flux-2-pro", "seed": 42}, ["seed: expected 42, was not given"]),
        ({"prompt": "a hen"}, ["prompt: expected 'a hen', was 'a fox'"]),
        ({"prompt": "a toad", "model": "flux-2-klein", "seed": None}, ["400", "refused: aspect_ratio is"]),
        ({"provider": "freepik"}, ["provider: expected 'freepik', was 'magnific'"]),
        ({"aspect": "nonsense"}, ["aspect: expected 'nonsense', was"]),
        ({"size": "nonsense"}, ["size: expected 'nonsense', was '"]),
        ({"resolution": 2}, ["resolution: expected 2, was"]),
    ],
)
def test_a_miss_shows_the_closest_exchange_and_what_differs(
    bought: MockService, fields: dict[str, Any], shown: list[str]
) -> None:
    with pytest.raises(AssertionError) as caught:
        bought.assert_submitted(**fields)
    told = str(caught.value)
    assert told.startswith("no submit with ")
    assert "The closest is exchange " in told
    assert not [each for each in shown if each not in told], told
    bought.assert_not_submitted(**fields)


def test_too_few_and_too_many_are_told_apart(bought: MockService) -> None:
    with pytest.raises(AssertionError, match=r"expected 2 submits with seed 7, and there were 1:\n  exchange 1, POST"):
        bought.assert_submitted(seed=7, times=2)
    with pytest.raises(AssertionError, match=r"expected 1 submit with seed 9, got none; 3 of .* exchanges bought"):
        bought.assert_submitted(seed=9, times=1)


def test_a_miss_before_anything_was_understood_says_what_was_meant(mock: MockService) -> None:
    with pytest.raises(AssertionError, match="none of 0 exchanges bought anything"):
        mock.assert_submitted()
    tell(mock, "GET", "/favicon.ico")
    with pytest.raises(AssertionError, match=r"none of 1 exchange .*\n  exchange 1, GET /favicon.ico, answered 404"):
        mock.assert_submitted(seed=7)
    tell(mock, "POST", "/v1/ai/text-to-image/flux-2-klein", {"prompt": "a fox"})
    with pytest.raises(AssertionError, match=rf"not understood: did you mean POST {KLEIN}\?"):
        mock.assert_submitted(seed=7)


def test_what_a_fault_did_stands_in_a_miss(mock: MockService) -> None:
    mock.fault("accepted-then-dropped")
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client, pytest.raises(fluxkit.SubmissionUnknown):
        client.generate("a fox")
    with pytest.raises(AssertionError, match=r"dropped, task .*, struck by accepted-then-dropped"):
        mock.assert_submitted(prompt="a hare")


def test_a_field_that_no_model_has_is_named_with_those_that_there_are(mock: MockService) -> None:
    with pytest.raises(
        TypeError, match=r"'promt' is no field of a submit, perhaps meant as 'prompt'\. Allowed: provider"
    ):
        mock.assert_submitted(promt="a fox")
    with pytest.raises(TypeError, match=r"'zzz' is no field of a submit\. Allowed: provider, model"):
        mock.assert_not_submitted(zzz=1)
    for times in (-1, True, "2"):
        with pytest.raises(TypeError, match="times is "):
            mock.assert_submitted(times=times)  # type: ignore[arg-type]


def test_the_bill_is_asserted_and_a_miss_lists_it(bought: MockService) -> None:
    bought.assert_billed(3)
    with pytest.raises(
        AssertionError, match=r"expected 1 image to be bought, and 3 were:\n  magnific:flux-2-klein, task"
    ):
        bought.assert_billed(1)
    with pytest.raises(AssertionError, match=r"expected 2 images to be bought, and none were\.$"):
        MockService([MAGNIFIC]).assert_billed(2)
    bought.charges.extend(bought.charges * 4)
    with pytest.raises(AssertionError, match="and 5 before these"):
        bought.assert_billed(1)


def test_each_namespace_remembers_its_own_and_asserts_on_it(mock: MockService) -> None:
    mine = mock.namespace("mine")
    for world, prompt in ((mock, "a fox"), (mine, "a hare")):
        with fluxkit.Client("magnific:flux-2-klein", mock=world) as client:
            client.submit(prompt)
        world.assert_submitted(prompt=prompt, times=1)
    assert [(None,), ("mine",)] == [tuple(each.namespace for each in world.exchanges) for world in (mock, mine)]
    mine.assert_not_submitted(prompt="a fox")


def test_an_exchange_made_by_hand_is_one_like_any_other(mock: MockService) -> None:
    mock.exchanges.keep(Exchange("GET", "/somewhere", 200, 1.0))
    (record,) = mock.exchanges
    assert (None, None, {}, (), None, None) == (
        record.provider,
        record.model,
        record.fields,
        record.problems,
        record.body,
        record.closest,
    )
    assert Answer(200, b"") != record

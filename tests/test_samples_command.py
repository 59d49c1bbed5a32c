"""``fluxkit samples``: a wrong sample is named with its place in the file, and the schema is that of the reader."""

import importlib.resources
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import click.testing
import jsonschema
import pytest
from shapes.fal import FAL
from support.brought import bring

from fluxkit._wire.samples import KINDS, Sample
from fluxkit.cli.output import Code
from fluxkit.cli.program import fluxkit as program
from fluxkit.testing.differs import difference, plain
from fluxkit.testing.samples import check_samples, read_rows, schema
from fluxkit_providers.apimart import APIMART

TEXT = importlib.resources.files("fluxkit_providers").joinpath("samples/apimart.json").read_text("utf-8")
MODEL = "flux-2-flex"
#: A few samples of each kind, so that a check of a file takes no time.
FEW = [
    row
    for row in json.loads(TEXT)["samples"]
    if row["of"] in ("call", "accepted")
    or row["name"] in ("a task is completed", "401", "flex: 16:9 at 1K", "flex: 4:3 at 1K", "flex: n")
]


def run(*arguments: str) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(program, ["samples", *arguments])
    assert "Traceback" not in done.output
    return done


def spoilt(change: Callable[[dict[str, dict[str, Any]]], object]) -> tuple[str, dict[str, int]]:
    """A file of the few samples with a change, and the place of each of them by name."""
    rows = json.loads(json.dumps(FEW))
    change({row["name"]: row for row in rows})
    return json.dumps({"samples": rows}), {row["name"]: number for number, row in enumerate(rows)}


def test_the_bundled_samples_are_right_by_themselves() -> None:
    assert () == check_samples(APIMART, TEXT)


@pytest.mark.parametrize(
    ("name", "change", "place", "said"),
    [
        ("401", lambda row: row.pop("source"), ".source", "it is missing: where the exchange was seen"),
        ("401", lambda row: row.update(date="yesterday"), ".date", "'yesterday' is none: when it was seen"),
        (
            "401",
            lambda row: row.update(sure="certain"),
            ".sure",
            "'certain' is none: how sure it is. Allowed: vendor's page",
        ),
        (
            "401",
            lambda row: row.update(of="poll"),
            ".of",
            "'poll' is none: what the sample shows. Allowed: call, request",
        ),
        ("401", lambda row: row.update(status="ok"), ".status", "'ok' is none: the HTTP status of an answer, from 100"),
        ("401", lambda row: row.update(colour=1), ".colour", "no such field. Allowed: of, name,"),
        ("401", lambda row: row.update(means={}), "", "what is refused means error, retry, charged"),
        (
            "flex: 16:9 at 1K",
            lambda row: row.update(pixels=[[1, 2, 3]]),
            ".pixels",
            "is none: the sizes that the image may have",
        ),
        (
            "flex: 16:9 at 1K",
            lambda row: row.update(model="flux-9"),
            ".model",
            "apimart has no model 'flux-9'. Allowed:",
        ),
    ],
)
def test_what_is_wrong_with_the_file_itself_is_named(name: str, change: Any, place: str, said: str) -> None:
    text, places = spoilt(lambda rows: change(rows[name]))
    (fault,) = check_samples(APIMART, text)
    assert (f"$.samples[{places[name]}]{place}", name, None) == (fault.place, fault.sample, fault.side)
    assert said in fault.why


@pytest.mark.parametrize(
    ("name", "change", "place", "expected", "actual", "sides"),
    [
        (
            "a task is completed",
            lambda row: row["means"].update(progress=99),
            ".means.progress",
            99,
            100,
            {"client"},
        ),
        (
            "401",
            lambda row: row["means"].update(error="Rejected"),
            ".means.error",
            "Rejected",
            "Unauthorized",
            {"client"},
        ),
        (
            "flex: 16:9 at 1K",
            lambda row: row.update(pixels=[[1920, 1081]]),
            ".pixels[0][1]",
            1081,
            1080,
            {"client", "mock"},
        ),
        (
            "flex: 16:9 at 1K",
            lambda row: row["body"].update(size="4:3"),
            ".means.size[0]",
            "16:9",
            "4:3",
            {"client", "mock"},
        ),
        (
            "submit flux-2-flex",
            lambda row: row.update(call="POST https://api.apimart.ai/v2"),
            ".call",
            "POST https://api.apimart.ai/v2",
            "POST https://api.apimart.ai/v1/images/generations",
            {"client"},
        ),
    ],
    ids=["means", "error", "pixels", "body", "call"],
)
def test_a_sample_with_which_one_side_does_not_agree_is_named(
    name: str, change: Any, place: str, expected: Any, actual: Any, sides: set[str]
) -> None:
    text, places = spoilt(lambda rows: change(rows[name]))
    own = [each for each in check_samples(APIMART, text) if each.sample == name]
    assert {(f"$.samples[{places[name]}]{place}", expected, actual)} == {
        (each.place, each.expected, each.actual) for each in own
    }
    assert sides == {each.side for each in own}


def test_a_body_that_the_client_writes_otherwise_is_named() -> None:
    text, places = spoilt(lambda rows: rows["flex: 16:9 at 1K"]["body"].update(resolution="1k"))
    (fault,) = check_samples(APIMART, text)
    assert (f"$.samples[{places['flex: 16:9 at 1K']}].body.resolution", "1k", "1K") == (
        fault.place,
        fault.expected,
        fault.actual,
    )
    assert "'1k' expected, and the client has '1K'" in str(fault)


def test_what_is_recorded_as_not_written_and_is_written_is_named() -> None:
    text, _ = spoilt(lambda rows: rows["flex: 16:9 at 1K"].update(written=False))
    (fault,) = check_samples(APIMART, text)
    assert "recorded as what the client does not write" in fault.why


def test_a_request_that_is_refused_and_taken_is_named() -> None:
    text, _ = spoilt(lambda rows: rows["flex: 16:9 at 1K"].update(fits=False, field="size", pixels=[]))
    faults = check_samples(APIMART, text)
    assert [("client", "flex: 16:9 at 1K"), ("mock", "flex: 16:9 at 1K")] == [
        (each.side, each.sample) for each in faults
    ]


def test_what_only_all_together_show_is_named_by_its_promise() -> None:
    text, _ = spoilt(dict)  # of flux-2-pro no request is among the few, nor is a task that runs
    faults = check_samples(APIMART, text)
    assert {("$.samples", None, "mock")} == {(each.place, each.sample, each.side) for each in faults}
    assert any("no request of flux-2-pro is recorded" in each.why for each in faults)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "it is no JSON"),
        ("9" * 5000, "it is no JSON: a number in it has more than 4300 digits"),
        ("[" * 100_000, "it is no JSON: it nests too deeply"),
        ("[]", 'a file of samples is {"samples"'),
        ('{"samples": {}}', 'a file of samples is {"samples"'),
        ('{"samples": ["a"]}', "a sample is an object, and this is 'a'"),
    ],
)
def test_what_is_no_file_of_samples_is_said(text: str, said: str) -> None:
    (fault,) = check_samples(APIMART, text)
    assert said in fault.why


def test_a_name_is_given_once() -> None:
    faults, _ = read_rows(json.dumps({"samples": [FEW[0], FEW[0]]}))
    assert ["$.samples[1].name"] == [each.place for each in faults]


def test_documents_differ_at_a_place() -> None:
    assert (".a[1].b", 1, 2) == difference({"a": [0, {"b": 1}]}, {"a": [0, {"b": 2}]})
    assert ("", [1], [1, 2]) == difference([1], [1, 2])
    assert [".b"] == [difference({"a": 1}, {"a": 1, "b": 2})[0]]
    assert ["a", "b"] == plain({"b", "a"})


# The schema.


def test_the_schema_takes_what_the_reader_takes() -> None:
    for service in ("apimart", "magnific", "bfl"):
        path = importlib.resources.files("fluxkit_providers").joinpath(f"samples/{service}.json")
        jsonschema.validate(json.loads(path.read_text("utf-8")), schema())


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(Sample)])
def test_the_schema_refuses_what_the_reader_refuses(name: str) -> None:
    row = next(each for each in FEW if each["of"] == "accepted")
    wrong = [{**row, name: []}] if name != "pixels" else [{**row, name: [[1]]}]
    wrong = [{**row, "colour": 1}] if name == "body" else wrong
    wrong += [{key: value for key, value in row.items() if key != name}] if name in ("source", "date", "sure") else []
    for each in wrong:
        document = {"samples": [each]}
        assert read_rows(json.dumps(document))[0]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document, schema())


# The command.


def test_schema_is_printed() -> None:
    done = run("schema")
    assert (Code.DONE, schema()) == (done.exit_code, json.loads(done.stdout))
    assert list(KINDS) == schema()["properties"]["samples"]["items"]["properties"]["of"]["enum"]


def test_a_file_is_checked_and_what_is_wrong_is_a_line(tmp_path: Path) -> None:
    text, places = spoilt(lambda rows: rows["401"].pop("date"))
    (tmp_path / "acme.json").write_text(text)
    done = run("check", "apimart", "--samples", str(tmp_path / "acme.json"))
    first, second = done.stdout.splitlines()
    assert (Code.NOT_KEPT, f"apimart: wrong in 1 place of {tmp_path}/acme.json") == (done.exit_code, first)
    assert second.startswith(f"  $.samples[{places['401']}].date (401): it is missing: when it was seen")


def test_a_file_that_is_right_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "acme.json").write_text(TEXT)
    done = run("check", "apimart", "--samples", str(tmp_path / "acme.json"))
    count = len(json.loads(TEXT)["samples"])
    assert (Code.DONE, f"apimart: right, {count} samples in {tmp_path}/acme.json\n") == (done.exit_code, done.stdout)
    done = run("check", "apimart", "--samples", str(tmp_path / "acme.json"), "--json")
    (row,) = json.loads(done.stdout)["providers"]
    assert ("apimart", count, []) == (row["provider"], row["samples"], row["faults"])


def test_who_is_not_there_is_named_and_the_others_are_checked() -> None:
    done = run("check", "nobody", "apimart")
    assert (Code.NOT_PROVED, True) == (done.exit_code, done.stdout.startswith("apimart: right"))
    assert "error: There is no provider 'nobody'" in done.stderr


def test_a_provider_without_samples_is_told_that_nothing_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, attrs.evolve(FAL, name="bare", samples=None))
    done = run("check", "bare")
    said = "bare: no samples are declared, so nothing shows that it is as its service\n"
    assert (Code.DONE, said) == (done.exit_code, done.stdout)


@pytest.mark.parametrize("samples", ["file:/nowhere/samples.json", "no_such_package:samples.json"])
def test_samples_that_a_provider_declares_and_that_are_not_there_are_named(
    samples: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(monkeypatch, attrs.evolve(FAL, name="lost", samples=samples))
    done = run("check", "lost", "apimart")
    assert (Code.NOT_PROVED, True) == (done.exit_code, done.stdout.startswith("apimart: right"))
    assert f"error: The samples '{samples}' cannot be read: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["check", "apimart", "--samples", "none.json"],
            "--samples is none.json, which cannot be read: No such file",
        ),
        (["check", "--samples", "none.json"], "--samples is the file of one provider, and 0 are named"),
        (["schema", "apimart"], "The schema is the same for all"),
        (["prove"], "'prove' is not one of 'check', 'schema'"),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert Code.NOT_SENT == done.exit_code
    assert said in done.stderr


FAL_TEXT = importlib.resources.files("shapes").joinpath("samples/fal.json").read_text("utf-8")
PLACE = "https://queue.fal.run/fal-ai/flux-2-pro"
EDIT_PLACE = f"{PLACE}/edit"


def row(of: str, name: str, **facts: Any) -> dict[str, Any]:
    """A sample of a queue that gives its addresses, and has two models of one name."""
    seen = {"source": "a page", "date": "2026", "sure": "documented"}
    key = {"headers": {"authorization": "Key {key}"}} if of == "call" else {}
    return {"of": of, "name": name, **seen, **key, **facts}


def asking(name: str, model: str, **said: Any) -> dict[str, Any]:
    """A request for a cat of 1024x768 px, and what else is said."""
    body = {"prompt": "a cat", "image_size": {"width": 1024, "height": 768}}
    means = {"prompt": "a cat", "size": [1024, 768], "safety_tolerance": 2}
    references = {"references": said["image_urls"]} if said else {}
    sample = {"body": {**body, **said}, "means": {**means, **references}, "pixels": [[1024, 768]]}
    return row("request", name, model=model, **sample)


QUEUE = [
    *json.loads(FAL_TEXT)["samples"],
    row("call", "poll", model="flux-2-pro", phase="poll", call=f"GET {PLACE}/requests/{{id}}/status"),
    row("call", "the second call", model="flux-2-pro", phase="result", call=f"GET {PLACE}/requests/{{id}}"),
    row("call", "cancel", model="flux-2-pro", phase="cancel", call=f"PUT {PLACE}/requests/{{id}}/cancel"),
    row("call", "submit an edit", model="flux-2-pro/edit", call=f"POST {EDIT_PLACE}"),
    row("call", "poll an edit", model="flux-2-pro/edit", phase="poll", call=f"GET {EDIT_PLACE}/requests/{{id}}/status"),
    row(
        "refused",
        "404",
        phase="poll",
        status=404,
        body={"detail": "Request not found"},
        means={"error": "Vanished", "retry": False, "charged": "unknown", "message": "Request not found"},
    ),
    asking("a cat", "flux-2-pro"),
    row(
        "request",
        "a webhook",
        model="flux-2-pro",
        body={"prompt": "a cat", "@query": {"fal_webhook": "https://www.example.com/webhook"}},
        means={"prompt": "a cat", "safety_tolerance": 2, "webhook_url": "https://www.example.com/webhook"},
    ),
    asking("a cat, edited", "flux-2-pro/edit", image_urls=["https://www.example.com/cat.png"]),
]


def queue(change: Callable[[dict[str, dict[str, Any]]], object] = dict) -> tuple[str, dict[str, str]]:
    """The samples of the queue with a change, and the place of each of them by name."""
    rows = json.loads(json.dumps(QUEUE))
    change({each["name"]: each for each in rows})
    return json.dumps({"samples": rows}), {each["name"]: f"$.samples[{at}]" for at, each in enumerate(rows)}


def test_samples_show_all_calls_of_a_queue_and_the_model_of_several_with_one_name_by_its_path() -> None:
    text, _ = queue(lambda rows: rows["the images"]["means"]["images"][0].update(width=1024, media_type="image/jpeg"))
    assert () == check_samples(FAL, text)


@pytest.mark.parametrize(
    ("name", "change", "place", "said"),
    [
        (
            "the second call",
            lambda row: row.update(call=f"GET {PLACE}/responses/{{id}}"),
            ".call",
            f"'GET {PLACE}/responses/{{id}}' expected, and the client has 'GET {PLACE}/requests/{{id}}'",
        ),
        ("cancel", lambda row: row.update(call=f"POST {PLACE}/requests/{{id}}/cancel"), ".call", "has 'PUT "),
        ("poll an edit", lambda row: row.update(model="flux-2-pro"), ".call", "/edit/requests/{id}/status' expected"),
        (
            "submit an edit",
            lambda row: row.update(phase="upload"),
            "",
            "the client: there is no such call",
        ),
        (
            "the images",
            lambda row: row["means"]["images"][0].update(width=1023),
            ".means.images[0].width",
            "1023 expected, and the client has 1024",
        ),
        (
            "the images",
            lambda row: row["means"]["images"].append({"url": "https://www.example.com/2.jpeg"}),
            ".means.images",
            "the client has [{'url': 'https://www.example.com/image.jpeg'}]",
        ),
        ("422, a field", lambda row: row["means"].pop("type"), ".means.type", "nothing expected, and the client has"),
        ("422, a field", lambda row: row["means"].pop("message"), ".means.message", "the client has 'prompt: Field"),
        ("422, a field", lambda row: row["means"].update(retry=True), ".means.retry", "True expected"),
        (
            "a webhook",
            lambda row: row["body"]["@query"].update(fal_webhook="https://www.example.com/other"),
            ".means.webhook_url",
            "'https://www.example.com/webhook' expected, and the client has 'https://www.example.com/other'",
        ),
        (
            "a cat, edited",
            lambda row: row.update(model="flux-2-flex"),
            "",
            "the client: fal:flux-2-flex cannot serve 1 reference",
        ),
        (
            "a cat",
            lambda row: row.update(model="flux-2-pro/edit"),
            ".model",
            "'flux-2-pro/edit' expected, and the client has 'flux-2-pro'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value and " " not in value else None,
)
def test_what_is_wrong_with_a_sample_of_a_queue_is_named(name: str, change: Any, place: str, said: str) -> None:
    text, places = queue(lambda rows: change(rows[name]))
    fault = next(each for each in check_samples(FAL, text) if each.sample == name)
    assert f"{places[name]}{place}" == fault.place
    assert said in fault.why


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("poll", "no sample shows the call of a poll of flux-2-pro"),
        ("404", "Vanished in a poll: no sample shows how the service says it, and the mock answers 404"),
    ],
)
def test_a_sample_that_is_missing_is_asked_for(name: str, said: str) -> None:
    rows = [each for each in QUEUE if each["name"] != name]
    faults = check_samples(FAL, json.dumps({"samples": rows}))
    assert any(said in each.why for each in faults), faults


def test_a_service_that_declares_no_words_for_a_task_that_is_not_there_has_a_mock_that_says_404() -> None:
    silent = attrs.evolve(FAL, not_found=[])
    (fault,) = {each.why: each for each in check_samples(silent, queue()[0]) if each.side == "client"}.values()
    assert "'Vanished' expected" in fault.why

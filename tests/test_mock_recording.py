"""What a mock records of apps in other languages: the same lines as clients write, in the words of the contract."""

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.scarce import scarce

from fluxkit import Client, SettingsError
from fluxkit._recording.read import read_recording
from fluxkit._wire.json import HEADERS
from fluxkit_mockserver import MockService
from fluxkit_mockserver import recording as recordings
from fluxkit_mockserver.kit import exchange
from fluxkit_mockserver.recording import Recording
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import MAGNIFIC

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "magnific.jpg"
KLEIN, FLEX = "/magnific/v1/ai/text-to-image/flux-2-klein", "/apimart/v1/images/generations"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "requests.jsonl"


@pytest.fixture
def mock(record: Path) -> Iterator[MockService]:
    mock = MockService([MAGNIFIC, APIMART, BFL], progression="polls")
    with Recording.at(str(record)).of(mock):
        yield mock


def lines_of(record: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in record.read_text("utf-8").splitlines()]


def ask(mock: MockService, path: str, body: dict[str, Any] | None = None, key: str = "test") -> Any:
    headers = {"x-magnific-api-key": key, "authorization": f"Bearer {key}", "content-type": "application/json"}
    sent = b"" if body is None else json.dumps(body).encode()
    answer = exchange(mock, "GET" if body is None else "POST", f"http://127.0.0.1{path}", headers, sent)
    return json.loads(answer.body)["data"]  # type: ignore[union-attr]


def followed(mock: MockService, body: dict[str, Any], looks: int = 3, key: str = "test") -> None:
    task = ask(mock, KLEIN, body, key)["task_id"]
    for _ in range(looks):
        ask(mock, f"{KLEIN}/{task}", key=key)


def test_what_was_asked_is_recorded_in_the_words_of_the_contract(mock: MockService, record: Path) -> None:
    image = base64.b64encode(PICTURE.read_bytes()).decode()
    followed(mock, {"prompt": "a fox", "aspect_ratio": "widescreen_16_9", "seed": 7, "input_image": image})
    (line,) = lines_of(record)
    (reference,) = line["request"].pop("references")
    assert ("image/jpeg", 1344, 768) == (reference["media_type"], reference["width"], reference["height"])
    assert {
        "version": 1,
        "by": "mock",
        "call": "submit",
        "provider": "magnific",
        "model": "flux-2-klein",
        "request": {"prompt": "a fox", "seed": 7, "aspect": "16:9", "resolution": "1K"},
        "settings": {},
        "expected": {"sizes": [[1344, 768]], "format": "jpeg"},
        "outcome": {
            "states": [["created", "running", "completed"]],
            "images": [{"width": 1344, "height": 768, "media_type": "image/jpeg", "mismatch": False}],
            "errors": [],
            "error": None,
            "charged": "yes",
        },
    } == line


def test_what_the_service_takes_of_itself_was_not_asked(mock: MockService, record: Path) -> None:
    followed(mock, {"prompt": "a fox"})
    assert [{"prompt": "a fox"}] == [line["request"] for line in lines_of(record)]


def test_a_size_without_a_name_is_its_pixels_and_an_address_its_host(mock: MockService, record: Path) -> None:
    with Client("magnific:flux-2-pro", mock=mock) as client:
        client.generate("a fox", size="640x512", webhook_url="https://app.example/secret?x=1", fetch=False)
    with Client("apimart:flux-2-flex", mock=mock) as client:
        client.generate("a fox", references=[PICTURE, "https://images.example/secret.png?x=1"], fetch=False)
    one, other = (line["request"] for line in lines_of(record))
    assert {"prompt": "a fox", "size": "640x512", "webhook_url": "https://app.example/"} == one
    brought, elsewhere = other["references"]
    assert (PICTURE.stat().st_size, {"url": "https://images.example/"}) == (brought["bytes"], elsewhere)
    assert "secret" not in record.read_text()


def test_options_of_one_service_are_options(mock: MockService, record: Path) -> None:
    with Client("magnific:flux-kontext-pro", mock=mock) as client:
        client.generate("a fox", options={"guidance": 4.0}, fetch=False)
    assert [{"guidance": 4.0}] == [line["request"]["options"] for line in lines_of(record)]


def test_the_end_that_was_told_is_the_outcome(mock: MockService, record: Path) -> None:
    for fault in ("fail", "moderated"):
        mock.fault(fault, times=1)
        followed(mock, {"prompt": fault})
    assert [("Failed", "unknown", [["created", "running", "failed"]])] * 2 == [
        (line["outcome"]["error"], line["outcome"]["charged"], line["outcome"]["states"]) for line in lines_of(record)
    ]


def test_what_is_open_is_recorded_when_the_mock_ends(record: Path) -> None:
    mock = MockService([MAGNIFIC], progression="polls")
    with Recording.at(str(record), prompts=False).of(mock):
        followed(mock, {"prompt": "a fox"}, looks=1)
        assert [] == lines_of(record)
    (line,) = lines_of(record)
    assert (None, {"characters": 5}) == (line["outcome"], line["request"]["prompt"])
    followed(mock, {"prompt": "afterwards"})
    assert 1 == len(lines_of(record))


def test_who_is_told_by_webhook_has_heard_the_end(record: Path) -> None:
    mock = MockService([MAGNIFIC])
    with Recording.at(str(record)).of(mock):
        ask(mock, KLEIN, {"prompt": "a fox", "webhook_url": "https://app.example/x"})
        mock.clock.advance(60)
    assert [[["created", "completed"]]] == [line["outcome"]["states"] for line in lines_of(record)]


def test_namespaces_are_recorded_too_and_a_reset_leaves_nothing_open(mock: MockService, record: Path) -> None:
    followed(mock, {"prompt": "of a"}, key="test-a")
    followed(mock, {"prompt": "of b"}, looks=1, key="test-b")
    mock.namespace("b").reset()
    followed(mock, {"prompt": "of c"}, looks=1, key="test-c")
    mock.drop_namespace("c")
    assert [("of a", True), ("of b", False), ("of c", False)] == [
        (line["request"]["prompt"], line["outcome"] is not None) for line in lines_of(record)
    ]


def test_what_bought_nothing_is_not_recorded(mock: MockService, record: Path) -> None:
    mock.fault("429", times=1)
    exchange(mock, "POST", f"http://127.0.0.1{KLEIN}", {"x-magnific-api-key": "test"}, b'{"prompt": "a fox"}')
    exchange(mock, "POST", f"http://127.0.0.1{KLEIN}", {"x-magnific-api-key": "test"}, b'{"prompt": 7}')
    exchange(mock, "GET", "http://127.0.0.1/nowhere", {})
    assert [] == lines_of(record)


def test_a_burst_that_the_feed_did_not_keep_costs_lines_and_nothing_else(
    mock: MockService, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mock.feed, "after", lambda number, most: None)
    followed(mock, {"prompt": "lost"})
    monkeypatch.undo()
    followed(mock, {"prompt": "kept"})
    assert ["kept"] == [line["request"]["prompt"] for line in lines_of(record)]


def test_a_full_disk_costs_the_mock_nothing_and_is_said_once(
    mock: MockService, record: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, entry: Any) -> None:
        raise OSError(28, "No space left on device")

    for prompts in (("a", "b"), ("c", "d")):
        with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "fluxkit"):
            patch.setattr(recordings, "append", full)
            for prompt in prompts:
                followed(mock, {"prompt": prompt})
        (said,) = caplog.messages
        assert said.startswith(
            f"A request could not be recorded in {record}: No space left on device. The mock goes on"
        )
        caplog.clear()
        followed(mock, {"prompt": "kept"})
    assert ["kept"] * 2 == [line["request"]["prompt"] for line in lines_of(record)]


def test_a_disk_that_is_full_already_is_said_before_anything_is_asked(record: Path) -> None:
    record.touch()
    with (
        scarce(),
        pytest.raises(SettingsError, match=r"^--record is .*, to which nothing can be written: File too large"),
    ):
        Recording.at(str(record))
    assert "" == record.read_text()


def test_a_file_in_a_directory_that_takes_no_others_is_recorded_to(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with Recording.at(str(record)).of(mock := MockService([MAGNIFIC])):
        followed(mock, {"prompt": "a fox"})
    assert 1 == len(lines_of(record))


def test_a_place_that_takes_no_lines_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--record is"):
        Recording.at(str(tmp_path / "absent" / "requests.jsonl"))


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("magnific:flux-2-klein", {"aspect": "16:9", "resolution": "2K", "seed": 7, "output_format": "png"}),
        ("magnific:flux-2-pro", {"size": "640x512", "enhance_prompt": True}),
        ("apimart:flux-2-flex", {"aspect": "3:2", "resolution": "1K"}),
        ("bfl:flux-2-pro", {"size": "1024x768", "safety_tolerance": 3}),
    ],
)
def test_client_and_mock_record_one_request_alike(
    name: str, fields: dict[str, Any], mock: MockService, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUXKIT_RECORD", str(record.with_name("client.jsonl")))
    with Client(name, mock=mock) as client:
        client.generate("a fox", **fields)
    (ours,), (other,) = read_recording(record.with_name("client.jsonl")), read_recording(record)
    assert ours.outcome is not None
    assert other.outcome is not None
    assert (ours.name, ours.said) == (other.name, other.said)
    assert attrs.asdict(ours.outcome) == attrs.asdict(other.outcome)


@pytest.mark.parametrize(
    ("body", "place", "said"),
    [
        ({"a": {"b": 1}}, ("a", "b"), True),
        ({"a": {"b": 1}}, ("a", "c"), False),
        ({"a": [1]}, ("a", "0"), True),  # how far lists go is not looked at
        ("<20000 bytes>", ("a",), True),
        ({}, (HEADERS, "x-seed"), True),
    ],
)
def test_a_field_is_asked_if_the_body_leads_to_it(body: Any, place: tuple[str, ...], said: bool) -> None:
    assert said is recordings._leads(body, place)

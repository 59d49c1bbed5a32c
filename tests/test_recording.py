"""What clients record of their calls: whole lines, in the words of the contract, and nothing that opens anything."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import fluxkit
from fluxkit import AsyncClient, Client, Request, SettingsError, Unsupported
from fluxkit._recording import place
from fluxkit._recording.entry import host_of, request_document
from fluxkit._recording.recorder import unrecorded
from fluxkit_mockserver import MockService
from fluxkit_mockserver.server import Server
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

pytest_plugins = ["pytester"]

PRO = "magnific:flux-2-pro"
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "magnific.jpg"
KEY = "a-key-of-a-real-service-0123456789"


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLUXKIT_RECORD", str(tmp_path / "requests.jsonl"))
    return tmp_path / "requests.jsonl"


@pytest.fixture
def mock() -> MockService:
    return MockService([MAGNIFIC, APIMART])


def lines_of(record: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in record.read_text("utf-8").splitlines()]


def test_a_call_is_a_line_with_what_was_asked_expected_and_delivered(record: Path, mock: MockService) -> None:
    with Client(PRO, mock=mock, defaults={"seed": 7}, unsupported={"output_format": "drop"}) as client:
        client.generate("a fox", aspect="16:9", output_format="png", to=record.parent)
    assert [
        {
            "version": 1,
            "by": "client",
            "call": "generate",
            "provider": "magnific",
            "model": "flux-2-pro",
            "request": {"prompt": "a fox", "aspect": "16:9", "seed": 7, "output_format": "png"},
            "settings": {"fit": "close", "unsupported": {"output_format": "drop"}, "allow_hosts": []},
            "expected": {
                "sizes": [[1360, 765]],
                "format": None,
                "price": None,
                "report": {
                    "prompt": "as asked",
                    "aspect": "as asked",
                    "seed": "as asked",
                    "output_format": "dropped",
                },
            },
            "outcome": {
                "states": [["created", "running", "completed"]],
                "images": [{"width": 1360, "height": 765, "media_type": "image/png", "mismatch": False}],
                "errors": [],
                "error": None,
                "charged": "yes",
            },
        }
    ] == lines_of(record)


def blocking(mock: MockService) -> None:
    with Client(PRO, mock=mock) as client:
        client.generate("a", n=2, fetch=False)
        client.wait(client.submit("b"), fetch=False)
        with pytest.raises(Unsupported):
            client.generate("c", aspect="99:1")
        assert 2 == len([*client.generate_many(["d", Request("e", aspect="99:1")], fetch=False)])


def waiting(mock: MockService) -> None:
    async def main() -> None:
        async with AsyncClient(PRO, mock=mock) as client:
            await client.generate("a", n=2, fetch=False)
            await client.wait(await client.submit("b"), fetch=False)
            with pytest.raises(Unsupported):
                await client.generate("c", aspect="99:1")
            assert 2 == len(
                [each async for each in client.generate_many(["d", Request("e", aspect="99:1")], fetch=False)]
            )

    anyio.run(main)


@pytest.mark.parametrize("way", [blocking, waiting])
def test_both_clients_record_every_call(way: Callable[[MockService], None], record: Path, mock: MockService) -> None:
    way(mock)
    lines = sorted(lines_of(record), key=lambda line: str(line.get("request", {"prompt": "z"})["prompt"]))
    full, path = ["created", "running", "completed"], lambda line: line["outcome"]["states"]
    assert [
        ("generate", "a", [full, full], None),
        ("submit", "b", [["created"]], None),
        ("generate", "c", [], "Unsupported"),
        ("generate_many", "d", [full], None),
        ("generate_many", "e", [], "Unsupported"),
    ] == [(line["call"], line["request"]["prompt"], path(line), line["outcome"]["error"]) for line in lines[:-1]]
    assert ("wait", [full], lines[1]["task"]) == (lines[-1]["call"], path(lines[-1]), lines[-1]["task"])
    assert {"report": {"prompt": "as asked", "aspect": "refused"}} == lines[2]["expected"]


def test_an_error_is_recorded_with_its_kind_and_its_bill(record: Path, mock: MockService) -> None:
    with Client("apimart:flux-2-flex", mock=mock) as client:
        for fault, times in (("fail", 2), ("accepted-then-dropped", 1)):
            mock.fault(fault, times=times)
            with pytest.raises(fluxkit.FluxError):
                client.generate("a fox", n=times)
    failed, unknown = (line["outcome"] for line in lines_of(record))
    assert ("Failed", ["Failed"], "unknown") == (failed["error"], failed["errors"], failed["charged"])
    assert [["created", "running", "failed"]] * 2 == failed["states"]
    assert ("SubmissionUnknown", [], "unknown") == (unknown["error"], unknown["states"], unknown["charged"])


def test_whoever_interrupts_a_call_does_not_learn_how_it_went(record: Path, mock: MockService) -> None:
    async def main() -> None:
        async with AsyncClient(
            PRO, mock=mock, listener=lambda event: event.kind == "seen" and scope.cancel()
        ) as client:
            with anyio.CancelScope() as scope:
                await client.generate("a fox")

    anyio.run(main)
    assert [None] == [line["outcome"] for line in lines_of(record)]


def test_a_slip_of_the_caller_is_no_part_of_the_contract(record: Path, mock: MockService) -> None:
    with Client(PRO, mock=mock) as client:
        for slip in ({"n": 0}, {"colour": "red"}, {"references": ["absent.png"]}):
            with pytest.raises(fluxkit.FluxError):
                client.generate("a fox", **slip)
        with pytest.raises(Unsupported):
            client.submit("a fox", n=2)
        assert 1 == len([*client.generate_many([7])])  # type: ignore[list-item]
    assert [] == lines_of(record)


# What is not written


def test_an_image_is_told_by_what_it_is_and_an_address_by_its_host(record: Path, mock: MockService) -> None:
    with Client("apimart:flux-2-flex", mock=mock) as client:
        client.generate(
            "a fox",
            references=[PICTURE, "https://images.example:8443/private/a.png?signature=s3cret#x"],
            webhook_url="https://app.example/hooks/s3cret?token=s3cret",
            fetch=False,
        )
    (line,) = lines_of(record)
    content = PICTURE.read_bytes()
    assert [
        {
            "media_type": "image/jpeg",
            "bytes": len(content),
            "sha256": fluxkit.Reference(content=content).sha256,
            "width": 1344,
            "height": 768,
        },
        {"url": "https://images.example:8443/"},
    ] == line["request"]["references"]
    assert "https://app.example/" == line["request"]["webhook_url"]
    assert [] == [word for word in ("s3cret", "private", "hooks") if word in record.read_text()]


@pytest.mark.slow
def test_no_key_is_recorded_also_where_the_prompt_holds_it(
    record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUXKIT_OFFLINE", "loopback")
    with Server(MockService([MAGNIFIC], keys=[KEY], progression="at once")) as server:
        address = server.base_url("magnific")
        with Client(PRO, key=KEY, base_url=address, journal="off", spool=tmp_path) as client:
            client.generate(f"a fox with {KEY}", fetch=False)
    assert ["a fox with <key>"] == [line["request"]["prompt"] for line in lines_of(record)]
    assert KEY not in record.read_text()


def test_prompts_can_be_left_out(record: Path, mock: MockService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_RECORD_PROMPTS", "0")
    with Client(PRO, mock=mock) as client:
        client.generate("a fox in a secret place", fetch=False)
    (line,) = lines_of(record)
    assert {"characters": 23} == line["request"]["prompt"]
    assert "secret" not in record.read_text()


def test_options_keep_words_and_numbers_and_no_content() -> None:
    options = {
        "steps": 3,
        "styling": {"colors": ({"color": "#ff0000", "weight": 0.5},), "name": "oil"},
        "second_prompt": "a hare",
        "mask": "data:image/png;base64,AAAA",
        "webhook_secret": "hush-hush",
        "raw": b"\x00" * 9,
        "from": "https://x.example/a?b",
        "long": "x" * 5000,
        "kind": object(),
        "none": None,
        "image": fluxkit.Reference(url="http://10.0.0.3/a"),
    }
    said = request_document(Request("a fox", size=(1344, 768), n=2, options=options), prompts=False)
    told = said.pop("options")
    assert {"prompt": {"characters": 5}, "size": "1344x768", "n": 2} == said
    assert {
        "steps": 3,
        "styling": {"colors": [{"color": "#ff0000", "weight": 0.5}], "name": "oil"},
        "second_prompt": {"characters": 6},
        "mask": {"characters": 26},
        "webhook_secret": {"characters": 9},
        "raw": {"bytes": 9},
        "from": "https://x.example/",
        "long": {"characters": 5000},
        "kind": "object",
        "none": None,
        "image": {"url": "http://10.0.0.3/"},
    } == told


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("HTTPS://Host.example/a/b?c#d", "https://Host.example/"),
        ("http://u:p@[::1]:80/x", "http://[::1]:80/"),
        ("https://host.example", "https://host.example/"),
    ],
)
def test_the_host_is_all_that_is_left_of_an_address(address: str, host: str) -> None:
    assert host == host_of(address)


def test_a_reference_that_is_not_what_it_was_has_no_digest(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PICTURE.read_bytes())
    request = Request("a fox", references=[tmp_path / "a.jpg"])
    (tmp_path / "a.jpg").write_bytes(b"gone")
    (said,) = request_document(request)["references"]
    assert {"media_type": "image/jpeg", "bytes": PICTURE.stat().st_size} == said


# The file


@pytest.mark.parametrize("said", ["absent/requests.jsonl", "folder", "nul\0byte", "/dev/null"])
def test_a_place_that_takes_no_lines_is_an_error_before_anything_is_bought(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"to which nothing can be written: .* Nothing was sent\. Allowed: a file"):
        place.place_of(said, "FLUXKIT_RECORD")
    if "\0" not in said:
        monkeypatch.setenv("FLUXKIT_RECORD", said)
        with pytest.raises(SettingsError, match="FLUXKIT_RECORD is"):
            Client(PRO, mock=True)


def test_lines_of_many_threads_and_processes_stay_whole(record: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from fluxkit._recording.place import append
for number in range(100):
    append(Path({str(record)!r}), {{"by": sys.argv[1], "number": number, "text": "x" * 9000}})
"""
    started = [subprocess.Popen([sys.executable, "-c", script, str(number)]) for number in range(2)]

    def write() -> None:
        for number in range(100):
            place.append(record, {"by": "thread", "number": number, "text": "y" * 9000})

    threads = [threading.Thread(target=write) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [0, 0] == [each.wait() for each in started]
    lines = lines_of(record)
    assert 400 == len(lines)
    assert {9000} == {len(line["text"]) for line in lines}


def test_a_full_disk_costs_no_image(
    record: Path, mock: MockService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = os.write
    with Client(PRO, mock=mock) as client, caplog.at_level(logging.ERROR, "fluxkit"):
        monkeypatch.setattr(place.os, "write", lambda file, line: write(file, line[:20]))
        assert 1 == len(client.generate("a fox", fetch=False).images)
        monkeypatch.undo()
        client.generate("a fox", fetch=False)
    assert [f"A call could not be recorded in {record}: only a part of a line could be written"] == caplog.messages
    torn, whole = record.read_text().splitlines()
    assert 20 == len(torn)
    assert "generate" == json.loads(whole)["call"]


def test_who_checks_records_nothing(record: Path) -> None:
    with unrecorded(), Client(PRO, mock=True) as client:
        client.generate("a fox", fetch=False)
    assert not record.exists()


@pytest.mark.slow
def test_without_the_variable_nothing_of_it_is_loaded() -> None:
    script = (
        "import sys, fluxkit\n"
        "with fluxkit.Client('magnific:flux-2-pro', mock=True) as client: client.generate('a', fetch=False)\n"
        "print(sorted(name for name in sys.modules if name.startswith('fluxkit._recording')))"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLUXKIT_")}
    done = subprocess.run([sys.executable, "-c", script], env=kept, capture_output=True, text=True, check=True)
    assert "['fluxkit._recording', 'fluxkit._recording.call']" == done.stdout.strip()


@pytest.mark.slow
def test_under_pytest_the_place_is_beside_where_it_was_started(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUXKIT_RECORD", "requests.jsonl")
    pytester.makepyfile(
        """
        def test_elsewhere(fluxkit_mock, monkeypatch, tmp_path):
            monkeypatch.chdir(tmp_path)
            fluxkit_mock.client("magnific:flux-2-pro").generate("a fox", fetch=False)
        """
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
    assert ["a fox"] == [line["request"]["prompt"] for line in lines_of(pytester.path / "requests.jsonl")]

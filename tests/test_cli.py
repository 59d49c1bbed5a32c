"""The command line, in this process: what goes to stdout and stderr, the exit codes, and what is never sent."""

import errno
import inspect
import io
import json
import os
import re
import shlex
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import click
import click.shell_completion
import click.testing
import PIL.Image
import pytest
from shapes.fal import FAL
from support.apart import set_apart

import fluxkit
from fluxkit import _plugins, cli, errors
from fluxkit._asked import FIELDS
from fluxkit._contract.event import Event
from fluxkit._contract.result import Image, Result
from fluxkit._contract.task import State, Task
from fluxkit._wire.draft import FITS, WISHES
from fluxkit._wire.plan import make_plan
from fluxkit.cli import generate as generating
from fluxkit.cli import given, options, output, watch
from fluxkit.cli.help import Command
from fluxkit.cli.output import MEANINGS, Code, code_of, lines_of
from fluxkit.cli.program import COMMANDS
from fluxkit.cli.program import fluxkit as program
from fluxkit_mockserver.server import Server
from fluxkit_mockserver.service import MockService

PRO = "magnific:flux-2-pro"
KLEIN = "magnific:flux-2-klein"
FLEX = "apimart:flux-2-flex"
KEY = "sk-Never/Shown+4711="
TASK = Task("magnific", "flux-2-klein", "task-1", "https://api.magnific.com", state=State.RUNNING)


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty directory, and no settings from outside."""
    set_apart(monkeypatch, tmp_path)


def run(*arguments: str, input: str | None = None, **env: str) -> click.testing.Result:
    """Runs a command line as a shell would, but in this process."""
    done = click.testing.CliRunner().invoke(program, arguments, input=input, env=env)
    assert "Traceback" not in done.stderr
    return done


def command(name: str) -> Command:
    found = program.get_command(click.Context(program), name)
    assert isinstance(found, Command)
    return found


def never(*_: Any, **__: Any) -> None:
    raise AssertionError("this was not to be reached")


@pytest.fixture
def unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the test fail if anything is bought."""
    monkeypatch.setattr(fluxkit.Client, "generate", never)


def happened(kind: str, facts: Mapping[str, Any]) -> Event:
    """What a client tells its listener."""
    return Event(kind=kind, at=0.0, **facts)


def raising(error: BaseException, *events: Event) -> Callable[..., Result]:
    """A ``Client.generate`` that says *events* and fails."""

    def generate(client: fluxkit.Client, *_: Any, **__: Any) -> Result:
        for event in events:
            assert client._listener is not None
            client._listener(event)
        raise error

    return generate


def picture(path: str) -> tuple[str | None, tuple[int, int]]:
    with PIL.Image.open(path) as image:
        image.load()
        return image.format, image.size


# Results


def test_generate_prints_the_path_and_nothing_else_on_stdout() -> None:
    done = run(
        "generate", "a lighthouse", "-p", FLEX, "--aspect", "16:9", "--resolution", "2K", "--offline", "-o", "x.png"
    )
    assert (0, "x.png\n") == (done.exit_code, done.stdout)
    assert ("PNG", (2048, 1152)) == picture("x.png")


def test_offline_is_said_on_stderr_with_what_it_means() -> None:
    done = run("generate", "a lighthouse", "-p", KLEIN, "--offline", "-o", "x.png")
    expected = "offline: a mock of magnific answers; nothing is bought, the image is a drawing"
    assert expected == done.stderr.splitlines()[0]


def test_generate_tells_states_with_the_seconds_where_stderr_is_no_terminal() -> None:
    done = run("generate", "a lighthouse", "-p", KLEIN, "--offline", "-o", "x.png", "--seed", "7")
    events = [line.partition(" s  ")[2] for line in done.stderr.splitlines()[1:-1]]
    told = ["sending", "CREATED: task ", "IN_PROGRESS: task ", "COMPLETED: task ", "fetched x.png"]
    assert told == [event[: len(expected)] for event, expected in zip(events, told, strict=True)]
    assert done.stderr.splitlines()[-1] == "x.png: 1024x1024 px, image/png, seed 7"


def test_without_output_the_image_lies_in_the_current_directory() -> None:
    done = run("generate", "a lighthouse", "-p", KLEIN, "--offline")
    assert [done.stdout.strip()] == [path.name for path in Path().iterdir()]
    assert ("JPEG", (1024, 1024)) == picture(done.stdout.strip())


def test_a_directory_as_output_gets_every_image() -> None:
    Path("out").mkdir()
    done = run("generate", "a lighthouse", "-p", KLEIN, "--offline", "-o", "out", "-n", "3")
    assert sorted(done.stdout.split()) == sorted(map(str, Path("out").iterdir()))
    assert len(done.stdout.split()) == 3


def test_json_is_one_document_with_progress_left_out() -> None:
    done = run("generate", "a fox", "-p", KLEIN, "--offline", "-o", "x.png", "-n", "2", "--seed", "5", "--json")
    document = json.loads(done.stdout)
    assert document["mocked"] is True
    assert [("x-1.png", 1024, 1024, 5), ("x-2.png", 1024, 1024, 6)] == [
        (image["path"], image["width"], image["height"], image["seed"]) for image in document["images"]
    ]
    assert 1 == len(done.stderr.splitlines())  # the word that it is offline


def test_no_fetch_prints_links_and_writes_nothing() -> None:
    done = run("generate", "a fox", "-p", FLEX, "--offline", "--no-fetch")
    assert done.stdout.startswith("http://")
    assert [] == list(Path().iterdir())


def test_what_was_delivered_but_not_asked_is_a_warning() -> None:
    done = run("generate", "a fox", "-p", FLEX, "--offline", "-o", "x.jpg")
    assert (0, "x.jpg\n") == (done.exit_code, done.stdout)
    assert "warning: x.jpg: image/png instead of image/jpeg." in done.stderr.splitlines()


def test_what_is_dropped_is_said() -> None:
    done = run("generate", "a fox", "-p", FLEX, "--offline", "--seed", "1", "--drop", "seed", "-o", "x.png")
    assert "note: seed: dropped (the model has no seed)" in done.stderr.splitlines()


def test_what_a_service_says_beyond_its_declaration_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def generate(client: fluxkit.Client, *_: Any, **__: Any) -> Result:
        assert client._listener is not None
        client._listener(
            happened("state", {"task": TASK, "progress": None, "problems": ("the status 'odd' is not declared",)})
        )
        return Result("magnific", "flux-2-klein", ())

    monkeypatch.setattr(fluxkit.Client, "generate", generate)
    assert "warning: the status 'odd' is not declared" in run("generate", "a", "-p", KLEIN, "--offline").stderr


def test_images_beside_errors_are_printed_and_the_gravest_error_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = Result(
        "magnific",
        "flux-2-klein",
        (Image(Path("a-1.png"), "image/png", (8, 8)),),
        errors=(errors.Failed("it failed"), errors.Overdue("it runs", task=TASK), errors.Broken("it broke")),
        cost=fluxkit.Amount.parse("0.03 USD"),
    )
    monkeypatch.setattr(fluxkit.Client, "generate", lambda *_, **__: result)
    done = run("generate", "a", "-p", KLEIN, FLUXKIT_MAGNIFIC_KEY=KEY)
    assert (Code.UNKNOWN, "a-1.png\n") == (done.exit_code, done.stdout)
    assert [
        "error: it failed",
        "error: it runs",
        "task task-1: running the command again may buy another image",
        "error: it broke",
        "a-1.png: 8x8 px, image/png",
        "cost: 0.03 USD",
    ] == done.stderr.splitlines()


def test_a_path_that_is_no_text_is_printed_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="utf-8", errors="strict"))
    output.put(os.fsdecode(b"b\xff.png"))
    assert b"b\xff.png\n" == written.getvalue()


# What is refused before anything is sent


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["a"], ["error: No provider is named.", "magnific:flux-2-klein", "Installed: "]),
        (["a", "-p", "magnific"], ["error: No model of magnific is named.", "allowed: ", KLEIN]),
        (["a", "-p", "acme:x"], ["error: There is no provider 'acme'.", "magnific"]),
        (["a", "-p", KLEIN], ["error: No key for magnific.", "FLUXKIT_MAGNIFIC_KEY", "--offline"]),
        (["a", "-p", KLEIN, "--offline", "-n", "0"], ["error: n is 0.", "allowed: a whole number from 1 to 100"]),
        (["a", "-p", KLEIN, "--offline", "--timeout", "nan"], ["error: timeout is nan.", "allowed: seconds"]),
        (["a", "-p", KLEIN, "--offline", "--base-url", "https://x.example"], ["--offline and --base-url exclude"]),
        (["a", "-p", KLEIN, "--offline", "--no-fetch", "-o", "x.png"], ["--output and --no-fetch exclude"]),
        (["a", "-p", KLEIN, "--key-file", "missing"], ["error: The file of --key-file cannot be read: No such file"]),
        (["a", "-p", KLEIN, "--base-url", "http://x.example"], ["error: base_url is 'http://x.example'."]),
        (["a", "-p", FLEX, "--offline", "--aspect", "5:1"], ["cannot serve aspect = '5:1'", "try: --fit nearest"]),
        (["a", "-p", KLEIN, "--offline", "--size", "8x"], ["error: size is '8x'.", "allowed: WIDTHxHEIGHT"]),
        (["a", "-p", KLEIN, "--offline", "--option", "x"], ["error: --option is 'x'.", "allowed: NAME=VALUE"]),
        (["a", "-p", KLEIN, "--fit", "loose"], ["error: Invalid value for '--fit'", "help: fluxkit generate --help"]),
        (["a", "-p", KLEIN, "--drop", "prompt"], ["error: Invalid value for '--drop'", "help: "]),
        (["a", "-p", KLEIN, "--no-such-thing"], ["error: No such option '--no-such-thing'", "help: "]),
        ([], ["error: Missing argument 'PROMPT'", "help: fluxkit generate --help"]),
    ],
)
def test_refusals_take_three_lines_at_most_and_send_nothing(
    arguments: list[str], lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fluxkit._engine.transport.Transport.call", never)
    done = run("generate", *arguments)
    assert (Code.NOT_SENT, "") == (done.exit_code, done.stdout)
    said = [line for line in done.stderr.splitlines() if not line.startswith("offline: ") and "sending" not in line]
    assert 1 <= len(said) <= 3
    assert [each for each in lines if each not in "\n".join(said)] == []


def test_a_key_on_the_command_line_is_refused_and_not_repeated(unsent: None) -> None:
    done = run("generate", "a", "-p", KLEIN, "--key", KEY)
    assert Code.NOT_SENT == done.exit_code
    assert "--key-file" in done.stderr
    assert KEY not in done.output


def test_offline_by_environment_alone_is_refused_by_the_library() -> None:
    done = run("generate", "a", "-p", KLEIN, FLUXKIT_MAGNIFIC_KEY=KEY, FLUXKIT_OFFLINE="1")
    assert Code.NOT_SENT == done.exit_code
    assert "FLUXKIT_OFFLINE is set" in done.stderr
    done = run("generate", "a", "-p", KLEIN, "--offline", "-o", "x.png", FLUXKIT_OFFLINE="1")
    assert 0 == done.exit_code


@pytest.mark.parametrize("where", ["file/x.png", "file/", "file/missing/", "pipe", "x" * 250 + ".png"])
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_sent(where: str, unsent: None) -> None:
    Path("file").touch()
    os.mkfifo("pipe")
    done = run("generate", "a", "-p", KLEIN, "-o", where, FLUXKIT_MAGNIFIC_KEY=KEY)
    assert Code.NOT_SENT == done.exit_code
    assert done.stderr.startswith(f"error: --output is {where}, where nothing can be written: ")
    assert ["file", "pipe"] == sorted(path.name for path in Path().iterdir())


@pytest.mark.parametrize("where", ["missing/x.png", "missing/at/all/", "missing/{seed}.png"])
def test_a_directory_that_is_missing_is_made(where: str) -> None:
    done = run("generate", "a", "-p", KLEIN, "--offline", "--seed", "7", "-o", where)
    assert (Code.DONE, "") == (done.exit_code, done.stdout.replace(os.sep, "/").partition("missing/")[0])
    assert Path(done.stdout.strip()).stat().st_size
    assert "{" not in done.stdout


def test_a_directory_is_made_only_if_something_is_bought(unsent: None) -> None:
    assert Code.NOT_SENT == run("generate", "a", "-p", KLEIN, "-o", "missing/").exit_code
    assert not Path("missing").exists()


def test_a_directory_that_refuses_files_is_noticed_before_anything_is_sent(
    unsent: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(generating.tempfile, "TemporaryFile", refuse)
    done = run("generate", "a", "-p", KLEIN, FLUXKIT_MAGNIFIC_KEY=KEY)
    assert Code.NOT_SENT == done.exit_code
    assert "error: --output is ., where nothing can be written: Permission denied." in done.stderr


# References, options and keys


def test_a_reference_is_a_file_or_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    PIL.Image.new("RGB", (8, 8)).save("in.png")
    done = run("plan", "a", "-p", KLEIN, "--reference", "in.png", "--json")
    said = json.loads(done.stdout)["body"]["input_image"]
    assert re.fullmatch(r"<base64 of in\.png, \d\d bytes, sha256 [0-9a-f]{12}>", said)
    done = run("plan", "a", "-p", FLEX, "--reference", "https://x.example/a.png", "--reference", "http://x.example/b")
    assert all(f'"{url}"' in done.stdout for url in ("https://x.example/a.png", "http://x.example/b"))


def test_a_plan_shows_references_as_what_will_be_sent() -> None:
    PIL.Image.new("RGB", (8, 8)).save("in.png")
    shown = run("plan", "a", "-p", PRO, "--reference", "in.png", "--reference", "https://x.example/a.png").stdout
    assert "references: as asked (1 sent as base64; 2 fetched first, then sent as base64)" in shown
    assert re.search(r'"input_image": "<base64 of in\.png, \d\d bytes, sha256 [0-9a-f]{12}>"', shown)
    assert '"input_image_2": "<base64 of https://x.example/a.png, once it is fetched>"' in shown


def test_a_private_host_passes_where_it_is_allowed() -> None:
    refused = run("plan", "a", "-p", FLEX, "--reference", "http://10.0.0.5/a.png")
    assert 2 == refused.exit_code
    assert "10.0.0.5 is no public host" in refused.stderr
    assert refused.stderr.endswith("try: --allow-host 10.0.0.5\n")
    done = run("plan", "a", "-p", FLEX, "--reference", "http://10.0.0.5/a.png", "--allow-host", "10.0.0.5")
    assert '"http://10.0.0.5/a.png"' in done.stdout
    assert "allow_hosts holds" in run("plan", "a", "-p", FLEX, "--allow-host", "a:80").stderr


def test_a_reference_that_is_uploaded_is_told() -> None:
    told: list[str] = []
    heard = watch.Watch()
    heard.tell = told.append
    heard(happened("uploaded", {"reference": "in.png, 69 bytes", "url": "https://x.example", "expires_at": None}))
    assert ["uploaded in.png, 69 bytes"] == told
    assert "nothing was bought" == heard.standing()[0]


def test_a_reference_that_cannot_be_used_is_named() -> None:
    Path("text").write_text("no image, but long enough to be looked at")
    with Path("large").open("wb") as file:
        file.truncate(50_000_001)
    said = [run("plan", "a", "-p", KLEIN, "--reference", name).stderr for name in ("text", "large", "missing", ".")]
    begins = [
        "error: A reference is 'text', a file of 41 bytes that is no image.\nallowed: a file, a data: URI or an ht",
        "error: A reference is 'large' of 50.0 MB: make the image smaller.\nallowed: ",
        "error: A reference is 'missing', and there is no such file.\nallowed: ",
        "error: A reference is '.', which cannot be read: Is a directory.\nallowed: ",
    ]
    assert begins == [text[: len(begin)] for text, begin in zip(said, begins, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("guidance=3.5", 3.5),
        ("guidance=true", True),
        ('guidance={"a": [1]}', {"a": [1]}),
        ("guidance=vivid", "vivid"),
        ("guidance=", ""),
        ("guidance=a=b", "a=b"),
        ("guidance=" + "[" * 100_000, "[" * 100_000),
        ("guidance=" + "1" * 5_000, "1" * 5_000),
    ],
)
def test_an_option_is_json_if_it_can_be(text: str, expected: object) -> None:
    assert {"guidance": expected} == given.read_options([text])


@pytest.mark.parametrize("texts", [["a"], ["=1"], ["a=1", "a=2"]])
def test_an_option_without_a_name_of_its_own_is_refused(texts: list[str]) -> None:
    with pytest.raises(click.UsageError, match="--option is"):
        given.read_options(texts)


def test_a_key_comes_from_a_file_or_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("key.txt").write_text(f"{KEY}\n")
    assert KEY == given.read_key("key.txt")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"  {KEY}\r\n"))
    assert KEY == given.read_key("-")
    assert given.read_key(None) is None


def test_a_key_typed_on_a_terminal_is_not_echoed(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"{KEY}\n")
    assert KEY == given.read_key("-")


@pytest.mark.parametrize("content", ["", " \n"])
def test_a_key_that_is_not_in_its_place_is_missed_there(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("key.txt").write_text(content)
    done = run("generate", "a", "-p", KLEIN, "--key-file", "key.txt")
    assert (Code.NOT_SENT, "error: The file of --key-file holds no key.") == (
        done.exit_code,
        done.stderr.splitlines()[0],
    )
    assert "allowed: a file that holds the key and nothing else, or - to give it on stdin" in done.stderr
    monkeypatch.setattr("sys.stdin", Terminal())

    def left(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", left)
    with pytest.raises(errors.SettingsError, match=r"^stdin holds no key\."):
        given.read_key("-")


def test_a_prompt_that_is_no_utf_8_is_said_to_be_none() -> None:
    for command in (["generate"], ["plan"]):
        done = run(*command, "caf\udce9", "-p", KLEIN, "--offline")
        assert (Code.NOT_SENT, True) == (done.exit_code, "is 'caf\\udce9', which is no UTF-8." in done.stderr)


def test_a_key_file_without_text_is_refused() -> None:
    Path("key.bin").write_bytes(b"\xff\xfe")
    with pytest.raises(errors.SettingsError, match=r"^The file of --key-file holds no text\. Allowed: a file that"):
        given.read_key("key.bin")


# Errors


def kinds() -> Iterator[type[errors.FluxError]]:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.FluxError) and kind is not errors.FluxError:
            yield kind


EXPECTED = {
    "Unsupported": 2,
    "SettingsError": 2,
    "PluginError": 2,
    "JournalUnavailable": 2,
    "BudgetExceeded": 2,
    "ReferenceUnusable": 2,
    "Unreachable": 4,
    "SubmissionUnknown": 6,
    "ServiceError": 3,
    "Unauthorized": 3,
    "OutOfCredit": 3,
    "Rejected": 3,
    "RateLimited": 3,
    "Broken": 3,
    "TaskError": 5,
    "Failed": 5,
    "Refused": 5,
    "Cancelled": 5,
    "Vanished": 5,
    "Overdue": 6,
    "DownloadError": 7,
    "WebhookUnusable": 1,
    "ContractError": 7,
}


def test_every_error_of_the_library_has_its_exit_code() -> None:
    assert EXPECTED == {kind.__name__: code_of(kind("it happened")) for kind in kinds()}


def test_an_error_that_the_table_does_not_know_is_a_failure_of_fluxkit() -> None:
    class Novel(errors.FluxError):
        pass

    assert Code.BROKEN == code_of(Novel("it happened"))


@pytest.mark.parametrize("kind", [errors.Unauthorized, errors.Broken, errors.Unreachable])
def test_a_refusal_that_comes_when_something_may_be_bought_is_an_unknown_fate(kind: type[errors.FluxError]) -> None:
    assert Code.UNKNOWN == code_of(kind("it happened", charged=errors.Charged.UNKNOWN, task=TASK))


@pytest.mark.parametrize("kind", list(kinds()))
def test_every_error_is_reported_in_three_lines_and_in_json(
    kind: type[errors.FluxError], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = kind("it\thappened\x1b[31m", task=TASK, reply='{"a":\n "long"}', request_id="r-1")
    monkeypatch.setattr(fluxkit.Client, "generate", raising(error))
    done = run("generate", "a", "-p", KLEIN, "--json", FLUXKIT_MAGNIFIC_KEY=KEY)
    assert EXPECTED[kind.__name__] == done.exit_code
    lines = done.stderr.splitlines()
    assert ["error: it happened [31m", 'reply to request r-1: {"a": "long"}'] == lines[:2]
    assert len(lines) <= 3
    document = json.loads(done.stdout)
    assert (kind.__name__, str(error.charged), error.retry, "task-1") == (
        document["error"],
        document["charged"],
        document["retry"],
        document["task"],
    )
    assert done.exit_code == document["exit_code"]
    assert TASK == Task.from_json(document["resume"])


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (errors.SubmissionUnknown("it left"), "running the command again may buy another image"),
        (errors.Overdue("it runs", task=TASK), "task task-1: running the command again may buy another image"),
        (errors.DownloadError("it is lost", task=TASK), "task task-1: running the command again buys another image"),
        (errors.RateLimited("slowly", retry_after=2.5), "try again in 2.5 s"),
        (errors.Rejected("no", fields=[("seed", "too big"), ("size", "odd")]), "refused: seed: too big; size: odd"),
    ],
)
def test_an_error_says_what_to_do(error: errors.FluxError, advice: str) -> None:
    assert advice == lines_of(error)[-1]


@pytest.mark.parametrize(
    "error",
    [
        errors.Broken("it broke"),
        errors.ContractError("nonsense", charged=errors.Charged.NO),
        errors.Overdue("it runs in a mock", task=attrs.evolve(TASK, mocked=True)),
    ],
)
def test_an_error_that_leaves_nothing_to_do_is_one_line(error: errors.FluxError) -> None:
    assert [f"error: {error.message}"] == lines_of(error)


def test_a_message_that_quotes_the_words_of_another_is_not_taken_apart() -> None:
    error = errors.Broken('acme answered 500: fit = "close" is odd, unsupported = { seed = "drop" }, too')
    assert [f"error: {error.message}"] == lines_of(error)
    error = errors.SettingsError("aspect is 'x. Allowed: y'. Allowed: z.")
    assert ["error: aspect is 'x. Allowed: y'.", "allowed: z"] == lines_of(error)


def test_notes_on_an_error_are_told() -> None:
    error = errors.Failed("it failed.")
    error.add_note("All 2 tasks failed.")
    assert ["error: it failed. All 2 tasks failed."] == lines_of(error)


def test_several_refused_fields_are_told_at_once_with_the_options_that_help() -> None:
    done = run("plan", "a", "-p", FLEX, "--seed", "1", "--output-format", "gif", "--json")
    assert Code.NOT_SENT == done.exit_code
    first, allowed, advice = done.stderr.splitlines()
    assert "cannot serve seed = 1" in first
    assert "cannot serve output_format = 'gif'" in first
    assert allowed == "allowed: nothing, the model has no seed; nothing, the model has no output_format"
    assert advice == "try: --drop seed --drop output-format"
    document = json.loads(done.stdout)
    assert ("Unsupported", "no", "--drop seed --drop output-format") == (
        document["error"],
        document["charged"],
        document["try"],
    )
    helped = run("plan", "a", "-p", FLEX, "--seed", "1", "--output-format", "gif", *document["try"].split())
    assert 0 == helped.exit_code


def test_a_usage_error_is_a_document_too() -> None:
    done = run("generate", "--json")
    document = json.loads(done.stdout)
    assert ("UsageError", "no", False, None, 2) == (
        document["error"],
        document["charged"],
        document["retry"],
        document["task"],
        document["exit_code"],
    )


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            ["spend", "--since"],
            ["allowed: --since 7d|24h|DATE. Only what was begun since then", "help: fluxkit sp"],
        ),
        (["generate", "a", "--fit"], ["allowed: --fit [close|exact|nearest]. Which size", "help: fluxkit generate -"]),
        (["mock", "--port"], ["allowed: --port PORT. 0 takes a free one", "help: fluxkit mock --help"]),
        (["generate", "a", "--offline=3"], ["help: fluxkit generate --help"]),
        (["tasks", "--prune"], ["allowed: --prune DAYS. List nothing, and delete", "help: fluxkit tasks --help"]),
    ],
)
def test_an_option_without_its_value_says_what_it_takes(arguments: list[str], lines: list[str]) -> None:
    done = run(*arguments)
    first, *others = done.stderr.splitlines()
    assert (Code.NOT_SENT, True) == (done.exit_code, first.startswith("error: Option '--"))
    assert [True] * len(lines) == [said.startswith(line) for said, line in zip(others, lines, strict=True)]


def test_a_mistake_in_fluxkit_is_one_line_that_quotes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fluxkit.Client, "generate", raising(TypeError(f"bad {KEY}")))
    done = run("generate", "a", "-p", KLEIN, "--json", FLUXKIT_MAGNIFIC_KEY=KEY)
    assert Code.BROKEN == done.exit_code
    assert done.stderr.startswith("error: unexpected TypeError in fluxkit.cli.generate, line ")
    assert "please report it\nFLUXKIT_DEBUG=1 shows the traceback\n" in done.stderr
    assert KEY not in done.output
    assert "TypeError" == json.loads(done.stdout)["error"]


def test_a_mistake_after_something_was_bought_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        fluxkit.Client, "generate", raising(TypeError(), happened("intent", {}), happened("accepted", {"task": TASK}))
    )
    done = run("generate", "a", "-p", KLEIN, FLUXKIT_MAGNIFIC_KEY=KEY)
    assert Code.UNKNOWN == done.exit_code
    assert "task task-1: running the command again buys another image" == done.stderr.splitlines()[-1]


def test_a_traceback_is_shown_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_plugins, "installed", raising(ValueError("odd")))
    assert "Traceback" not in run("providers", FLUXKIT_DEBUG="0").stderr
    done = click.testing.CliRunner().invoke(program, ["providers"], env={"FLUXKIT_DEBUG": "1"})
    assert Code.BROKEN == done.exit_code
    assert "Traceback (most recent call last):" in done.stderr


def test_an_error_of_the_system_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EMFILE, "Too many open files", "plugins")

    monkeypatch.setattr(_plugins, "installed", fail)
    done = run("providers")
    assert (Code.BROKEN, "error: plugins: Too many open files\n") == (done.exit_code, done.stderr)


def test_the_key_appears_nowhere_even_if_a_service_repeats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("key.txt").write_text(KEY)
    with Server(MockService([_plugins.installed().provider("magnific")])) as server:
        there = ("--base-url", server.base_url("magnific"))
        for done in (
            run("generate", "a", "-p", KLEIN, *there, "--key-file", "key.txt", "--json"),
            run("generate", "a", "-p", KLEIN, *there, "--key-file", "-", input=KEY),
            run("generate", "a", "-p", KLEIN, *there, FLUXKIT_MAGNIFIC_KEY=KEY),
            run("plan", "a", "-p", KLEIN, *there, "--json", FLUXKIT_MAGNIFIC_KEY=KEY),
            run("providers", "--json", FLUXKIT_MAGNIFIC_KEY=KEY),
        ):
            assert KEY not in done.output
            assert done.exit_code in (0, Code.REFUSED)
            assert ("magnific answered 401" in done.stderr) == bool(done.exit_code)


@pytest.mark.slow
def test_a_service_that_cannot_be_reached_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = run("generate", "a", "-p", KLEIN, "--base-url", url, "--timeout", "1", FLUXKIT_MAGNIFIC_KEY=KEY)
    assert Code.UNREACHABLE == done.exit_code
    assert "no connection to 127.0.0.1" in done.stderr.splitlines()[-1]


# Cut short


@pytest.mark.parametrize(
    ("notes", "standing", "charged"),
    [
        ([], "interrupted; nothing was bought", "no"),
        ([happened("intent", {})], "interrupted; may have been bought: 1", "unknown"),
        ([happened("intent", {}), happened("refused", {})], "interrupted; nothing was bought", "no"),
        ([happened("intent", {}), happened("unknown", {})], "interrupted; may have been bought: 1", "unknown"),
        (
            [happened("intent", {}), happened("accepted", {"task": TASK})],
            "interrupted; still running or not fetched, and billed: task task-1",
            "yes",
        ),
        (
            [
                happened("intent", {}),
                happened("accepted", {"task": TASK}),
                happened("state", {"task": attrs.evolve(TASK, state=State.FAILED), "problems": ()}),
            ],
            "interrupted; ended without an image: task task-1",
            "unknown",
        ),
        (
            [
                happened("intent", {}),
                happened("accepted", {"task": TASK}),
                happened("state", {"task": attrs.evolve(TASK, state=State.COMPLETED), "problems": ()}),
                happened("fetched", {"task": TASK, "path": Path("x.png")}),
            ],
            "interrupted; fetched: x.png",
            "yes",
        ),
    ],
)
def test_ctrl_c_says_what_was_bought(
    notes: list[Event], standing: str, charged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fluxkit.Client, "generate", raising(KeyboardInterrupt(), *notes))
    done = run("generate", "a", "-p", KLEIN, "--json", FLUXKIT_MAGNIFIC_KEY=KEY)
    assert Code.INTERRUPTED == done.exit_code
    assert f"error: {standing}" in done.stderr.splitlines()
    document = json.loads(done.stdout)
    assert ("Interrupted", charged) == (document["error"], document["charged"])


def test_what_a_webhook_has_settled_is_bought_and_can_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = [happened("intent", {}), happened("unknown", {}), happened("settled", {"task": TASK})]
    monkeypatch.setattr(fluxkit.Client, "generate", raising(KeyboardInterrupt(), *notes))
    done = run("generate", "a", "-p", KLEIN, "--json", FLUXKIT_MAGNIFIC_KEY=KEY)
    assert ("yes", TASK.id) == ((said := json.loads(done.stdout))["charged"], said["task"])
    assert "fluxkit recover fetches it; running the command again buys another image" in done.stderr


def test_a_disk_that_fails_says_what_was_bought(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = [happened("intent", {}), happened("accepted", {"task": TASK})]
    full = OSError(errno.ENOSPC, "No space left on device", "out/fox.png")
    monkeypatch.setattr(fluxkit.Client, "generate", raising(full, *notes))
    done = run("generate", "a", "-p", KLEIN, "--json", FLUXKIT_MAGNIFIC_KEY=KEY)
    assert "error: out/fox.png: No space left on device" in done.stderr.splitlines()
    assert ("yes", TASK.id) == ((said := json.loads(done.stdout))["charged"], said["task"])


def test_ctrl_c_elsewhere_ends_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_plugins, "installed", interrupt)
    done = run("providers")
    assert (Code.INTERRUPTED, "error: interrupted; nothing was sent") == (done.exit_code, done.stderr.strip())


# On a terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_moves_and_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with watch.telling(quiet=True) as tell:
        tell("task [1]: running")
    shown = terminal.getvalue()
    assert "task [1]: running" in shown
    assert "\n\n" not in shown
    assert shown.endswith("\x1b[2K")
    assert not any(f"\x1b[{colour}" in shown for colour in ("3", "9", "38"))


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with watch.telling(quiet=False) as tell:
        tell("running")
    assert sys.stderr.getvalue().endswith(" s  running\n")  # type: ignore[attr-defined]


def test_without_a_terminal_json_is_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with watch.telling(quiet=True) as tell:
        tell("running")
    assert ("", "") == capsys.readouterr()


# Plan


def test_plan_shows_what_would_be_sent_without_a_key() -> None:
    done = run("plan", "a fox", "-p", FLEX, "--aspect", "16:9", "--resolution", "2K")
    assert (0, "") == (done.exit_code, done.stderr)
    head, _, body = done.stdout.partition("POST https://api.apimart.ai/v1/images/generations\n")
    assert head.startswith("apimart:flux-2-flex, 1 x 2048x1152 px\n  prompt: as asked\n")
    assert {"model": "flux-2-flex", "prompt": "a fox", "size": "16:9", "resolution": "2K"} == json.loads(body)


def test_plan_in_json_is_what_the_library_plans() -> None:
    done = run("plan", "a fox", "-p", KLEIN, "--seed", "7", "--aspect", "16:9", "-n", "2", "--json")
    provider = _plugins.installed().provider("magnific")
    expected = make_plan(provider, "flux-2-klein", fluxkit.Request("a fox", seed=7, aspect="16:9", n=2))
    document = json.loads(done.stdout)
    assert (expected.body, 2, [list(pixels) for pixels in expected.expected]) == (
        document["body"],
        document["n"],
        document["expected"],
    )
    assert [(verdict.field, str(verdict.outcome), verdict.note) for verdict in expected.report] == [
        (verdict["field"], verdict["outcome"], verdict["note"]) for verdict in document["report"]
    ]
    assert (None, "POST", "application/json") == (
        document["price"],
        document["method"],
        document["headers"]["content-type"],
    )


def test_plan_and_generate_take_the_format_from_the_file_name() -> None:
    assert '"output_format": "jpeg"' in run("plan", "a", "-p", KLEIN, "-o", "x.jpg").stdout
    assert "output_format" not in run("plan", "a", "-p", KLEIN, "-o", "x").stdout
    run("generate", "a", "-p", KLEIN, "--offline", "-o", "x.jpg")
    assert ("JPEG", (1024, 1024)) == picture("x.jpg")


def test_plan_goes_where_base_url_says_and_only_there() -> None:
    planned = run("plan", "a", "-p", KLEIN, "--base-url", "https://x.example/m/")
    assert "POST https://x.example/m/v1/ai/" in planned.stdout
    assert Code.NOT_SENT == run("plan", "a", "-p", KLEIN, "--base-url", "http://x.example").exit_code


def test_plan_takes_every_option_of_generate() -> None:
    names = {name: {option.name for option in command(name).params} for name in ("plan", "generate")}
    assert names["plan"] == names["generate"]
    line = ("a", "-p", KLEIN, "--offline", "--timeout", "5", "--key-file", "-", "--no-fetch", "--enhance-prompt")
    assert "enhance_prompt" in run("plan", *line, "--drop", "enhance-prompt").stdout


def test_plan_cuts_long_texts_but_not_in_json() -> None:
    prompt = "fox " * 200
    assert f'"{prompt[:40]}... ({len(prompt)} characters)"' in run("plan", prompt, "-p", KLEIN).stdout
    assert prompt == json.loads(run("plan", prompt, "-p", KLEIN, "--json").stdout)["body"]["prompt"]
    urls = [f"https://x.example/{'a' * 400}{number}" for number in range(2)]
    shown = run("plan", "a", "-p", FLEX, "--reference", urls[0], "--reference", urls[1]).stdout
    assert shown.count("(419 characters)") == 2


# Providers


def test_providers_lists_models_sizes_keys_and_plugins() -> None:
    done = run("providers", FLUXKIT_APIMART_KEY=KEY)
    registry = _plugins.installed()
    assert (0, "") == (done.exit_code, done.stderr)
    paragraphs = dict(zip(registry.names, done.stdout.split("\n\n"), strict=True))
    for name, paragraph in paragraphs.items():
        provider = registry.provider(name)
        assert paragraph.startswith(f"{name}  {provider.base_url}\n")
        assert f"plugin: {registry.owner(name).name}" in paragraph
        for row in provider.models:
            assert f"  {name}:{row.name}\n    sizes: {row.sizes.allowed()}\n" in paragraph
    assert "key: FLUXKIT_APIMART_KEY (set)" in paragraphs["apimart"]
    assert "key: FLUXKIT_MAGNIFIC_KEY (not set)" in paragraphs["magnific"]


def test_models_of_one_name_are_listed_with_their_paths() -> None:
    from fluxkit.cli.providers import _describe, _paragraph

    lines = _paragraph(_describe(FAL, _plugins.Plugin("fal", lambda: None))).splitlines()
    assert {"  fal:flux-2-pro at flux-2-pro", "  fal:flux-2-pro at flux-2-pro/edit", "  fal:flux-2-flex"} < {*lines}


def test_providers_in_json_say_the_same() -> None:
    document = json.loads(run("providers", "--json").stdout)
    assert list(_plugins.installed().names) == [row["name"] for row in document["providers"]]
    klein = document["providers"][0]["models"][0]
    assert ("flux-2-klein", ["1K", "2K"], []) == (klein["name"], klein["resolutions"], klein["options"])
    assert "seed" in klein["fields"]
    assert [] == document["failures"]


def test_plugins_that_fail_are_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> object:
        raise ImportError("no such thing")

    class Brings:
        @fluxkit.hookimpl
        def fluxkit_providers(self) -> dict[str, str]:
            return {"nowhere": "fluxkit_nowhere:IT"}

    registry = _plugins.Registry([_plugins.Plugin("bad", fail), _plugins.Plugin("lost", Brings)])
    monkeypatch.setattr(_plugins, "installed", lambda: registry)
    done = run("providers", "--json")
    assert 0 == done.exit_code
    document = json.loads(done.stdout)
    assert [] == document["providers"]
    assert ["'bad'", "'lost'"] == [failure.split()[2] for failure in document["failures"]]
    assert [f"warning: {failure}" for failure in document["failures"]] == done.stderr.splitlines()


def test_options_of_a_model_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    from fluxkit.cli.providers import _facts

    model = {"sizes": "any", "fields": ["prompt"], "options": ["guidance"]}
    assert ["sizes: any", "takes: prompt", "options: guidance"] == _facts(model)


# The program


def test_every_field_of_a_request_has_an_option() -> None:
    assert set(FIELDS) <= {option.name for option in command("generate").params}


def test_choices_are_those_of_the_library() -> None:
    assert FITS == options.FITS
    assert WISHES == tuple(wish.replace("-", "_") for wish in options.WISHES)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_a_terminal_of_80_columns(name: str) -> None:
    done = run(*name.split(), "--help")
    assert (0, "") == (done.exit_code, done.stderr)
    assert [] == [line for line in done.stdout.splitlines() if len(line) > 80]
    assert "..." not in re.sub(r"\[(ARGS|PROVIDER)\]\.\.\.", "", done.stdout)  # nothing is cut


def test_help_says_of_each_command_what_the_command_says() -> None:
    assert COMMANDS == {name: f"{str(command(name).help).partition('.')[0]}." for name in COMMANDS}
    assert [] == [said for said in COMMANDS.values() if said not in run("--help").stdout]


def test_help_documents_every_exit_code() -> None:
    done = run("--help")
    assert set(Code) == set(MEANINGS)
    assert [] == [
        code for code, meaning in MEANINGS.items() if f" {code} {meaning} " not in " ".join(done.stdout.split()) + " "
    ]


def test_examples_in_the_help_can_be_run() -> None:
    PIL.Image.new("RGB", (8, 8)).save("this.jpg")
    examples = [example for name in ("generate", "plan") for example in command(name).examples]
    assert 7 == len(examples)
    for example in examples:
        name, _, *arguments = shlex.split(example)
        assert ("fluxkit", 0) == (name, run("plan", *arguments).exit_code), example


def test_a_command_without_anything_shows_its_help() -> None:
    done = run()
    assert Code.NOT_SENT == done.exit_code
    assert "Exit codes:" in done.stderr


def test_a_command_that_is_not_there_is_a_usage_error() -> None:
    done = run("generat", "a")
    said = "error: No such command 'generat'. (Did you mean 'generate'?)\nhelp: fluxkit --help\n"
    assert (Code.NOT_SENT, said) == (done.exit_code, done.stderr)


def test_a_shell_can_complete_commands_and_options() -> None:
    shell = click.shell_completion.ShellComplete(program, {}, "fluxkit", "_FLUXKIT_COMPLETE")
    assert ["plan", "providers"] == [found.value for found in shell.get_completions([], "p")]
    assert ["--offline"] == [found.value for found in shell.get_completions(["generate"], "--off")]


def test_the_version_is_that_of_the_package() -> None:
    assert f"fluxkit {fluxkit.__version__}\n" == run("--version").stdout


def test_main_runs_the_arguments_of_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fluxkit", "--version"])
    assert (0, f"fluxkit {fluxkit.__version__}\n") == (cli.main(), capsys.readouterr().out)
    monkeypatch.setattr(sys, "argv", ["fluxkit", "generate"])
    assert Code.NOT_SENT == cli.main()


def test_a_second_ctrl_c_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["fluxkit", "generate"])
    monkeypatch.setattr("fluxkit.cli.program.report", interrupt)
    assert Code.INTERRUPTED == cli.main()


def test_without_click_main_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "fluxkit.cli.program")
    monkeypatch.setitem(sys.modules, "click", None)
    assert Code.NOT_SENT == cli.main()
    assert "Install it: pip install 'fluxkit-py[cli]'" in capsys.readouterr().err


def test_another_module_that_is_missing_is_no_matter_of_click(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fluxkit.cli.program")
    monkeypatch.setitem(sys.modules, "fluxkit.cli.help", None)
    with pytest.raises(ModuleNotFoundError, match=r"fluxkit\.cli\.help"):
        cli.main()


# Streams that fail


@contextmanager
def left() -> Iterator[io.StringIO]:
    """Stdout has a reader who has gone; gives stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", said := io.StringIO())
        yield said
        output._let_go(stream)


def test_a_result_whose_reader_has_gone_is_dropped() -> None:
    with left() as said:
        output.put("x.png")
        output.put("y.png")
    assert "" == said.getvalue()


def test_help_whose_reader_has_gone_is_dropped() -> None:
    with left() as said:
        assert Code.DONE == program.main(["--help"], standalone_mode=False)
    assert "" == said.getvalue()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_result_that_stdout_refuses_goes_to_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OSError, match="stdout"):
            output.put("x.png")
        assert "x.png\n" == sys.stderr.getvalue()  # type: ignore[attr-defined]
        assert Code.BROKEN == output.report(errors.FluxError("it happened"), as_json=True)
        monkeypatch.undo()


def test_a_stream_that_is_no_file_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Broken())
    output.put("x.png")


def test_a_note_of_another_kind_changes_nothing() -> None:
    watching = watch.Watch()
    watching(happened("something new", {}))
    assert "nothing was bought" == watching.standing()[0]


# Of several tasks


def several(*notes: tuple[str, State | None], fetch: bool = True) -> list[str]:
    """What is told of the notes on three tasks: of which, and in which state; None is fetched."""
    watching, told = watch.Watch(3, fetch=fetch), []
    watching.tell = told.append  # type: ignore[assignment]
    for name, state in notes:
        task = attrs.evolve(TASK, id=name, state=state or State.COMPLETED)
        kind = "fetched" if state is None else "state"
        watching(happened(kind, {"task": task, "problems": (), "path": Path(f"{name}.png")}))
    return told


def test_of_several_tasks_it_is_told_how_many_are_done() -> None:
    assert [
        "0 of 3 done, running: task a",
        "0 of 3 done, completed: task a",
        "1 of 3 done, fetched a.png",
        "1 of 3 done, fetched a.png",  # a second image of the same task
        "2 of 3 done, failed: task b",
        "3 of 3 done, fetched c.png",
    ] == several(
        ("a", State.RUNNING), ("a", State.COMPLETED), ("a", None), ("a", None), ("b", State.FAILED), ("c", None)
    )


def test_where_nothing_is_fetched_a_task_is_done_when_it_is_completed() -> None:
    assert ["1 of 3 done, completed: task a", "2 of 3 done, refused: task b"] == several(
        ("a", State.COMPLETED), ("b", State.REFUSED), fetch=False
    )


# Diff


def test_diff_prints_a_table_a_verdict_and_what_would_let_the_request_through() -> None:
    done = run("diff", KLEIN, FLEX, "a fox", "--aspect", "4:5", "--seed", "7", COLUMNS="80")
    assert (Code.NO_SWITCH, "") == (done.exit_code, done.stderr)
    table, _, end = done.stdout.partition("\n\n")
    assert fluxkit.diff(fluxkit.Request("a fox", aspect="4:5", seed=7), KLEIN, FLEX).table(80) == table
    assert [
        f"{FLEX} cannot serve this request: it refuses aspect and seed.",
        "try: --fit nearest --drop seed",
        'or in a profile: fit = "nearest"',
        'or in a profile: unsupported = { seed = "drop" }',
    ] == end.splitlines()


def test_the_options_that_diff_prints_let_the_request_through() -> None:
    line = ("diff", KLEIN, FLEX, "a fox", "--aspect", "4:5", "--seed", "7", "--safety-tolerance", "2")
    advice = next(line for line in run(*line).stdout.splitlines() if line.startswith("try: "))
    done = run(*line, *shlex.split(advice.removeprefix("try: ")))
    assert Code.DONE == done.exit_code
    assert f"{FLEX} can serve this request, with losses: " in done.stdout
    assert "try: " not in done.stdout


def test_diff_says_what_no_setting_can_mend() -> None:
    done = run("diff", FLEX, KLEIN, "a fox", *["--reference", "https://x.example/a.png"] * 5, "--option", "guidance=3")
    assert Code.NO_SWITCH == done.exit_code
    assert [
        "no setting helps: references is refused (allowed: at most 4, each an image (jpeg, png))",
        "no setting helps: options.guidance is refused (the model has no options)",
    ] == done.stdout.splitlines()[-2:]
    assert "try: " not in done.stdout


def test_diff_says_in_whose_file_a_private_host_is_allowed() -> None:
    *_, last = run("diff", FLEX, KLEIN, "a fox", "--reference", "http://10.0.0.5/a.png").stdout.splitlines()
    assert 'or in a profile of your own file: allow_hosts = ["10.0.0.5"]' == last


def test_diff_in_json_is_one_document_with_the_options_that_help() -> None:
    done = run("diff", KLEIN, FLEX, "a fox", "--seed", "7", "--json")
    document = json.loads(done.stdout)
    assert (Code.NO_SWITCH, False, "--drop seed") == (done.exit_code, document["switchable"], document.pop("try"))
    assert fluxkit.diff(fluxkit.Request("a fox", seed=7), KLEIN, FLEX).to_dict() == document
    done = run("diff", FLEX, KLEIN, "a fox", "--json")
    assert (Code.DONE, True, None) == (done.exit_code, *map(json.loads(done.stdout).get, ("lossless", "try")))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([KLEIN, "a fox"], "error: Missing argument 'PROMPT'"),
        ([KLEIN, "apimart", "a"], "error: No model of apimart is named."),
        ([KLEIN, "a fox", FLEX], "error: What is compared is 'a fox', which is no profile."),
        ([KLEIN, FLEX, "a", "-p", KLEIN], "error: No such option '-p'"),
        ([KLEIN, FLEX, "a", "--aspect", "x"], "error: aspect is 'x'."),
        (
            [KLEIN, FLEX, "a", "--reference", "missing.png"],
            "error: A reference is 'missing.png'",
        ),
    ],
)
def test_a_wrong_command_line_is_no_answer_to_whether_one_can_switch(arguments: list[str], said: str) -> None:
    done = run("diff", *arguments)
    assert (Code.NOT_SENT, "") == (done.exit_code, done.stdout)
    assert done.stderr.startswith(said)


@pytest.mark.parametrize(("columns", "widest"), [("60", 60), ("80", 80), ("100", 100), ("300", 120), ("20", 60)])
def test_diff_is_as_wide_as_the_terminal_up_to_what_reads_well(columns: str, widest: int) -> None:
    done = run("diff", KLEIN, FLEX, "a" * 500, "--aspect", "4:5", "--seed", "7", COLUMNS=columns)
    table = done.stdout.partition("\n\n")[0].splitlines()
    assert widest - 25 <= max(map(len, table)) <= widest


# Colours


def coloured(*arguments: str, **env: str) -> tuple[bool, bool]:
    """Whether stdout and stderr hold colours when they are no terminal."""
    done = run(*arguments, **env)
    return "\x1b[" in done.stdout, "\x1b[" in done.stderr


def test_colours_are_for_terminals_unless_they_are_forced_and_never_if_they_are_not_wanted() -> None:
    line = ("diff", KLEIN, FLEX, "a fox", "--seed", "7")
    wrong = ("diff", KLEIN)
    for env, expected in (
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": ""}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ):
        assert ((expected, False), (False, expected)) == (coloured(*line, **env), coloured(*wrong, **env)), env
    assert "\x1b[31m\x1b[1merror\x1b[0m: " in run(*wrong, FORCE_COLOR="1").stderr


@pytest.mark.parametrize(
    ("env", "expected"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)],
)
def test_a_terminal_shows_colours_unless_it_is_dumb(
    env: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TERM": "xterm", **env}.items():
        monkeypatch.setenv(name, value)
    assert expected is output.has_colour(Terminal())


def test_examples_of_diff_can_be_run() -> None:
    for example in command("diff").examples:
        name, *arguments = shlex.split(example.partition(" | ")[0])
        assert ("fluxkit", True) == (name, run(*arguments).exit_code in (Code.DONE, Code.NO_SWITCH)), example


# What lets a refused request through


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["-p", FLEX, "--seed", "7"], "--drop seed"),
        (["-p", FLEX, "--enhance-prompt"], "--drop enhance-prompt"),
        (["-p", FLEX, "--safety-tolerance", "2"], "--drop safety-tolerance"),
        (["-p", FLEX, "--output-format", "png"], "--drop output-format"),
        (["-p", KLEIN, "--safety-tolerance", "9", "--seed", "-1"], "--drop seed --drop safety-tolerance"),
        (["-p", FLEX, "--seed", "7", "--drop", "seed", "--no-enhance-prompt"], "--drop seed --drop enhance-prompt"),
        (["-p", FLEX, "--aspect", "4:5"], "--fit nearest"),
        (["-p", FLEX, "--size", "640x200"], "--fit nearest"),
        (["-p", KLEIN, "--aspect", "16:9", "--fit", "exact"], "--fit close"),
        (["-p", KLEIN, "--aspect", "5:4", "--fit", "exact"], "--fit nearest"),
        (["-p", FLEX, "--aspect", "4:5", "--seed", "7"], "--fit nearest --drop seed"),
    ],
)
def test_the_options_that_an_error_prints_let_the_request_through(arguments: list[str], options: str) -> None:
    refused = run("plan", "a fox", *arguments)
    assert Code.NOT_SENT == refused.exit_code
    assert f"try: {options}" == refused.stderr.splitlines()[-1]
    assert Code.DONE == run("plan", "a fox", *arguments, *shlex.split(options)).exit_code


def test_an_error_about_substance_prints_no_options() -> None:
    done = run("plan", "a fox", "-p", "magnific:flux-dev", "--reference", "https://x.example/a.png")
    assert (Code.NOT_SENT, False) == (done.exit_code, "try: " in done.stderr)


def test_a_refused_ratio_names_what_is_near_it() -> None:
    first, *_ = run("plan", "a fox", "-p", FLEX, "--aspect", "4:5").stderr.splitlines()
    near = "the nearest is 3:4 (1248x1664, ratio 6.7% off), then 2:3 (20.0% off) and 1:1 (25.0% off)."
    assert f"error: {FLEX} cannot serve aspect = '4:5': {near}" == first

"""The command line with real sockets, real processes and real signals."""

import errno
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click.testing
import PIL.Image
import pytest
from support.apart import set_apart

from fluxkit import Client, _plugins, errors
from fluxkit.cli.mock import mock_part
from fluxkit.cli.output import Code
from fluxkit.cli.program import fluxkit as program
from fluxkit_mockserver.faults import FAULTS
from fluxkit_mockserver.server import Server
from fluxkit_mockserver.service import MockService

FLUXKIT = str(Path(sysconfig.get_path("scripts"), "fluxkit"))
KLEIN = "magnific:flux-2-klein"

#: How long in seconds a process may take on the slowest machine; a test that reaches it has failed.
PATIENCE = 60


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty directory, and no settings from outside."""
    set_apart(monkeypatch, tmp_path)


def run(*arguments: str, **env: str) -> click.testing.Result:
    """Runs a command line in this process."""
    return click.testing.CliRunner().invoke(program, arguments, env=env)


def launch(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command line in a process of its own, to its end."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run([FLUXKIT, *arguments], text=True, timeout=PATIENCE, check=False, **options)


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command line in a process of its own, which is gone at the end."""
    process = subprocess.Popen([FLUXKIT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(word: str, lines: Iterator[str]) -> list[str]:
    """The lines up to the first that holds *word*."""
    seen = []
    for line in lines:
        seen.append(line.rstrip("\n"))
        if word in line:
            return seen
    raise AssertionError(f"{word!r} never came: {seen}")


@pytest.mark.slow
@pytest.mark.parametrize("closed", [(0, 1, 2), (1,)])
def test_streams_that_are_closed_are_nobody_who_reads(closed: tuple[int, ...]) -> None:
    def close() -> None:
        for number in closed:
            os.close(number)

    done = subprocess.run(
        [FLUXKIT, "generate", "a fox", "-p", KLEIN, "--offline", "-o", "x.png"],
        stderr=None if 2 in closed else subprocess.PIPE,
        preexec_fn=close,
        timeout=PATIENCE,
        check=False,
    )
    assert 0 == done.returncode
    assert b"unexpected" not in (done.stderr or b"")
    with PIL.Image.open("x.png") as image:
        assert (1024, 1024) == image.size


# Demo


@pytest.mark.slow
def test_demo_makes_an_image_of_each_bundled_service_over_http() -> None:
    done = run("demo", "--output", "new/pictures")
    assert 0 == done.exit_code, done.stderr
    registry = _plugins.installed()
    bundled = [name for name in registry.names if registry.owner(name).bundled]
    paths = done.stdout.splitlines()
    assert sorted(paths) == sorted(str(path) for path in Path("new/pictures").iterdir())
    sizes = {}
    for name, path in zip(bundled, paths, strict=True):
        with PIL.Image.open(path) as image:
            image.load()
            sizes[name] = image.size
        assert Path(path).name.startswith(name)
    known = {"magnific": (1344, 768), "freepik": (1344, 768), "apimart": (1920, 1080)}
    assert known == {name: sizes[name] for name in known}
    assert f"the mock has billed {len(bundled)}; nothing was bought" == done.stderr.splitlines()[-1]
    assert f"a mock of {', '.join(bundled)} serves at http://127.0.0.1:" in done.stderr


@pytest.mark.slow
def test_demo_without_a_directory_makes_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(tmp_path))
    done = run("demo")
    assert {tmp_path} == {Path(path).parent for path in done.stdout.splitlines()}


def test_demo_refuses_a_directory_that_cannot_be_made() -> None:
    Path("file").touch()
    done = run("demo", "--output", "file/pictures")
    assert Code.NOT_SENT == done.exit_code
    assert "error: --output is file/pictures, which cannot be made: Not a directory." in done.stderr
    assert "allowed: a directory that is there, or that can be made" in done.stderr


@pytest.mark.slow
def test_demo_in_json_is_one_document() -> None:
    done = run("demo", "-o", "pictures", "--json")
    document = json.loads(done.stdout)
    assert (0, len(document["results"])) == (done.exit_code, document["billed"])
    paths = [image["path"] for result in document["results"] for image in result["images"]]
    assert sorted(map(str, Path("pictures").iterdir())) == sorted(paths)


# Mock


@pytest.mark.slow
def test_mock_serves_what_it_prints_until_ctrl_c() -> None:
    with running("mock", "--port", "0", "--progression", "at once", "--seed", "3") as mock:
        assert mock.stdout is not None
        assert mock.stderr is not None
        printed = dict(line.split() for line in lines_until("inspector ", mock.stdout))
        assert printed["control"] == printed["inspector"]
        assert {*_plugins.installed().names, "key", "control", "inspector"} == printed.keys()
        assert printed["magnific"].replace("magnific", "__mock__/") == printed["control"]
        Path("key.txt").write_text(printed["key"])
        there = ("--base-url", printed["magnific"], "--key-file", "key.txt")
        made = launch("generate", "a fox", "-p", KLEIN, *there, "-o", "x.png")
        assert (0, "x.png\n") == (made.returncode, made.stdout)
        mock.send_signal(signal.SIGINT)
        assert 0 == mock.wait(PATIENCE)
        assert ["serving until Ctrl-C", "stopped; the mock has billed 1"] == mock.stderr.read().splitlines()
    with PIL.Image.open("x.png") as image:
        assert (1024, 1024) == image.size


@pytest.mark.slow
def test_mock_in_json_is_one_document_that_comes_when_it_serves() -> None:
    with running("mock", "--port", "0", "--json") as mock:
        assert mock.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            lines.append(mock.stdout.readline())
        document = json.loads("".join(lines))
        assert {"url", "key", "keys", "base_urls", "control", "inspector", "token"} == document.keys()
        assert (["test"], None, f"{document['url']}/__mock__/") == tuple(
            document[name] for name in ("keys", "token", "control")
        )
        assert [*_plugins.installed().names] == [*document["base_urls"]]
        assert {f"{document['url']}/{name}" for name in document["base_urls"]} == {*document["base_urls"].values()}
        mock.send_signal(signal.SIGINT)
        assert 0 == mock.wait(PATIENCE)


def test_mock_lists_its_faults_and_serves_nothing() -> None:
    listed = run("mock", "--faults")
    assert 0 == listed.exit_code
    assert list(FAULTS) == [line.split()[0] for line in listed.stdout.splitlines()]
    assert "accepted-then-dropped     submit   The task is made and billed" in listed.stdout
    document = json.loads(run("mock", "--faults", "--json").stdout)
    assert {"fault": "stuck", "moment": "task", "about": "The task runs and never ends."} in document


def test_mock_lists_its_switches_as_they_are_set() -> None:
    listed = run("mock", "--switches", "--switch", "magnific.envelope=bare").stdout
    assert re.search(r"^magnific\.envelope=bare +or wrapped +Whether the answer", listed, re.MULTILINE)
    assert re.search(r"^freepik\.envelope=wrapped +or bare ", listed, re.MULTILINE)
    document = json.loads(run("mock", "--switches", "--json").stdout)
    assert ["wrapped", "bare"] == next(each for each in document if "magnific.envelope" == each["switch"])["values"]


@pytest.mark.parametrize(
    ("switch", "said"),
    [
        ("envelope", "'envelope' cannot be read. allowed: NAME=VALUE"),
        ("envelope=sealed", "The switch envelope is 'sealed'. allowed: wrapped, bare"),
        ("envelop=bare", "There is no switch 'envelop'. Did you mean 'envelope'?"),
    ],
)
def test_mock_says_what_is_wrong_with_a_switch(switch: str, said: str) -> None:
    refused = run("mock", "--switch", switch, "--switches")
    assert Code.NOT_SENT == refused.exit_code
    assert said in refused.stderr.replace("\n", " ")


def test_mock_prints_a_service_as_an_openapi_document() -> None:
    done = run("mock", "--openapi", "apimart", "--host", "0.0.0.0", "--port", "5000", "--switch", "extra-fields=ignore")
    document = json.loads(done.stdout)
    assert (0, "3.1.0") == (done.exit_code, document["openapi"])
    assert "http://127.0.0.1:5000/apimart" == document["servers"][0]["url"]
    assert "additionalProperties" not in document["components"]["schemas"]["Flux2ProRequest"]
    refused = run("mock", "--openapi", "apimarkt")
    assert Code.NOT_SENT == refused.exit_code
    assert "error: There is no service 'apimarkt'. Served: magnific," in refused.stderr


def test_mock_refuses_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("mock", "--port", str(port))
    assert (Code.NOT_SENT, "") == (done.exit_code, done.stdout)
    assert done.stderr.startswith(f"error: --port is {port}: Port {port} of 127.0.0.1 is taken.")


def test_a_port_that_may_not_be_used_leads_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("fluxkit_mockserver.server.serve", forbidden)
    done = run("mock", "--port", "80")
    said = "error: --port is 80: Permission denied.\nallowed: a port from 1024, or 0, which takes a free one\n"
    assert (Code.NOT_SENT, said) == (done.exit_code, done.stderr)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "65536"], "'--port'"),
        (["--speed", "0"], "'--speed'"),
        (["--progression", "never"], "'--progression'"),
    ],
)
def test_mock_refuses_what_it_cannot_do(arguments: list[str], said: str) -> None:
    done = run("mock", *arguments)
    assert Code.NOT_SENT == done.exit_code
    assert f"error: Invalid value for {said}" in done.stderr


#: More than Python reads as a whole number.
DIGITS = "9" * 5000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--limit", "rate=5"], "The limit is 'rate=5'"),
        (["--limit", f"in-flight={DIGITS}"], f"The limit is 'in-flight={'9' * 37}...{'9' * 7}'.\nallowed: rate="),
        (["--balance", DIGITS], f"The balance is '{'9' * 47}...{'9' * 7}'.\nallowed: a number from 0"),
        (["--fault", f"503:x{DIGITS}"], f"'503:x{'9' * 42}...{'9' * 7}' cannot be read"),
        (["--seed", DIGITS], f"Invalid value for '--seed': '{'9' * 39}...{'9' * 7}' is not a valid integer"),
        (["--speed", "nan"], "speed is nan.\nallowed: a number above 0, at most 1000000"),
        (["--speed", "1e400"], "speed is inf.\nallowed: a number above 0, at most 1000000"),
        (["--webhook-host", ""], "A webhook host is '': its host cannot be read.\nallowed: the name of a host or"),
        (["--webhook-host", "http://a"], "A webhook host is 'http://a'"),
        (
            ["--webhook-host", "a:80"],
            "A webhook host is 'a:80': it is more than a host.\nallowed: the name of a host or its address, without",
        ),
        (["--balance", "much"], "The balance is 'much'"),
        (["--fault", "504"], "There is no fault '504'. Did you mean '503'?"),
        (["--fault", "503:often"], "'503:often' cannot be read"),
        (["--host", "example.com"], "The mock cannot listen on 'example.com'"),
        (["--host", "192.0.2.1", "--port", "0"], "--host is 192.0.2.1: 192.0.2.1 is no address of this machine."),
        (["--record", "absent/requests.jsonl"], "--record is 'absent/requests.jsonl', to which nothing can be written"),
        (["--token", "short"], "The token cannot be sent or is guessed too easily"),
    ],
)
def test_mock_says_what_is_wrong_with_its_options(arguments: list[str], said: str) -> None:
    done = run("mock", *arguments)
    assert (Code.NOT_SENT, "") == (done.exit_code, done.stdout)
    assert f"error: {said}" in done.stderr
    assert "Traceback" not in done.stderr


def test_mock_passes_on_its_options_and_what_is_wrong_with_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[MockService] = []

    def serve(service: MockService, *, host: str, port: int, token: str | None, ready: Any) -> None:
        served.append(service)
        ready(f"http://127.0.0.1:{port}")

    def fail() -> object:
        raise ImportError("no such thing")

    monkeypatch.setattr("fluxkit_mockserver.server.serve", serve)
    monkeypatch.setattr(_plugins, "installed", lambda: _plugins.Registry([_plugins.Plugin("bad", fail)]))
    options = ["--limit", "rate=5/1", "--limit", "in-flight=2", "--balance", "2.5", "--host", "0.0.0.0"]
    done = run("mock", "--port", "7", "--progression", "polls", "--speed", "3", *options)
    told = dict(line.split() for line in done.stdout.splitlines())
    assert (0, "test", "http://127.0.0.1:7/__mock__/") == (done.exit_code, told["key"], told["control"])
    assert len(told["token"]) > 30
    assert f"{told['control']}#token={told['token']}" == told["inspector"]
    assert (("rate=5/1", "in-flight=2"), "2.5") == (served[0].limits.written, str(served[0].accounts.of("x").left))
    assert "warning: The plugin 'bad'" in done.stderr
    assert ("polls", 3.0) == (served[0].progression, served[0].clock.speed)


@pytest.mark.parametrize(("prompts", "said"), [("1", "a fox"), ("0", {"characters": 5})])
def test_mock_records_what_it_is_asked(prompts: str, said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(service: MockService, **_: Any) -> None:
        with Client(KLEIN, mock=service) as client:
            client.generate("a fox", fetch=False)

    monkeypatch.setattr("fluxkit_mockserver.server.serve", serve)
    options = ("--record", "requests.jsonl", "--progression", "at-once")
    assert 0 == run("mock", *options, FLUXKIT_RECORD_PROMPTS=prompts).exit_code
    assert [said] == [json.loads(line)["request"]["prompt"] for line in Path("requests.jsonl").read_text().splitlines()]


def test_an_error_of_the_sockets_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(*_: Any, **__: Any) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("fluxkit_mockserver.server.serve", serve)
    done = run("mock")
    assert (Code.BROKEN, "error: Too many open files\n") == (done.exit_code, done.stderr)


def test_a_mock_that_is_not_installed_is_said_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fluxkit._mock._found", lambda: None)
    with pytest.raises(errors.SettingsError, match="No mock server is installed"):
        mock_part("server:serve")


def test_a_library_that_the_mock_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fluxkit_mockserver.server")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(errors.SettingsError, match=r"needs uvicorn, which is not installed.*fluxkit-py\[mock\]"):
        mock_part("server:serve")


def test_a_mock_without_a_part_is_a_plugin_that_fails() -> None:
    with pytest.raises(errors.PluginError, match="fluxkit_mockserver has no nowhere:serve"):
        mock_part("nowhere:serve")


# Processes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["generate", "a"], 2, "error: No provider is named."),
        (["generate", "a", "-p", KLEIN], 2, "error: No key for magnific."),
        (["generate", "a", "-p", KLEIN, "-o", "/proc/x/x.png"], 2, "error: --output is /proc/x/x.png"),
        (["nothing"], 2, "error: No such command 'nothing'"),
        (["plan", "a", "-p", KLEIN], 0, ""),
    ],
)
def test_a_process_ends_with_a_code_and_without_a_traceback(arguments: Sequence[str], code: int, said: str) -> None:
    done = launch(*arguments)
    assert code == done.returncode
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 3


@pytest.mark.slow
def test_ctrl_c_while_waiting_says_which_task_goes_on() -> None:
    service = MockService([_plugins.installed().provider("magnific")])
    service.fault("stuck")
    Path("key.txt").write_text(service.key)
    with (
        Server(service) as server,
        running(
            "generate", "a", "-p", KLEIN, "--base-url", server.base_url("magnific"), "--key-file", "key.txt"
        ) as made,
    ):
        assert made.stderr is not None
        task = lines_until(": task ", made.stderr)[-1].split()[-1]
        made.send_signal(signal.SIGINT)
        recovery = f"fluxkit recover --base-url {server.base_url('magnific')}"
        assert Code.INTERRUPTED == made.wait(PATIENCE)
        assert [
            f"error: interrupted; still running or not fetched, and billed: task {task}",
            f"{recovery} fetches it; running the command again buys another image",
        ] == made.stderr.read().splitlines()[-2:]
    assert 1 == service.billed


@pytest.mark.slow
def test_a_reader_who_leaves_is_no_error() -> None:
    for arguments in (["providers"], ["--help"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = launch(*arguments, stdout=writer)
        os.close(writer)
        assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_result_that_a_full_disk_refuses_is_told_on_stderr() -> None:
    with open("/dev/full", "w") as full:
        done = launch("generate", "a", "-p", KLEIN, "--offline", "-o", "x.png", stdout=full)
    # The image is bought: whoever repeats a command that merely failed would buy it again.
    assert Code.UNKNOWN == done.returncode
    told = ["x.png", "error: stdout: No space left on device", "running the command again buys another image"]
    assert told == done.stderr.splitlines()[-3:]
    assert Path("x.png").exists()


def on_a_terminal(*arguments: str, **env: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """A command whose stderr is a terminal, and what that terminal was sent."""
    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "xterm", **env}
    done = launch(*arguments, stderr=follower, env=env)
    os.close(follower)
    shown = b""
    try:
        while piece := os.read(leader, 65536):
            shown += piece
    except OSError:  # Linux says so that nobody holds the other end any more
        pass
    os.close(leader)
    return done, shown.decode()


@pytest.mark.slow
def test_on_a_terminal_progress_is_gone_at_the_end_and_stdout_is_clean() -> None:
    done, shown = on_a_terminal("generate", "a", "-p", KLEIN, "--offline", "-o", "x.png", "--json", NO_COLOR="1")
    assert 0 == done.returncode
    assert done.stdout.startswith('{\n  "provider": "magnific"')
    assert shown.startswith("offline: a mock of magnific answers")
    assert shown.endswith("\x1b[2K")


@pytest.mark.slow
def test_on_a_terminal_progress_shows_the_time_the_state_and_how_many_are_done() -> None:
    _, shown = on_a_terminal("generate", "a", "-p", KLEIN, "--offline", "-o", "x.png", "-n", "2", NO_COLOR="1")
    frames = [frame.rstrip() for frame in shown.split("\r\x1b[2K")]
    told = [found["told"] for frame in frames if (found := re.match(r". \d:\d\d:\d\d (?P<told>.*)", frame))]
    for expected in (
        "0 of 2 done, sending",
        "0 of 2 done, CREATED: task ",
        "0 of 2 done, IN_PROGRESS: task ",
        "0 of 2 done, COMPLETED: task ",
        "1 of 2 done, fetched x-1.png",
        "2 of 2 done, fetched x-2.png",
    ):
        assert [line for line in told if line.startswith(expected)], expected
    assert max(map(len, frames[1:-1])) <= 80


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "expected"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"FORCE_COLOR": "1"}, True), ({"TERM": "dumb"}, False)],
)
def test_a_terminal_is_sent_colours_only_if_it_wants_them(env: dict[str, str], expected: bool) -> None:
    colours = re.compile(r"\x1b\[[0-9;]*[1-9][0-9;]*m")
    _, shown = on_a_terminal("generate", "a", "-p", KLEIN, "--offline", "-o", "x.png", **env)
    assert expected == bool(colours.search(shown))
    _, shown = on_a_terminal("generate", "a", "-p", KLEIN, "--offline", "--aspect", "x", **env)
    assert expected == bool(colours.search(shown))
    assert "error" in shown


@pytest.mark.slow
def test_without_click_the_program_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['click'] = None; from fluxkit.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (2, "") == (done.returncode, done.stdout)
    assert [
        "error: the command line needs click, which is not installed",
        "Install it: pip install 'fluxkit-py[cli]'",
    ] == done.stderr.splitlines()

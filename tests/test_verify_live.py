"""``fluxkit verify --live`` against a mock on a port, as if it was the service: what it asks, buys, says and leaves."""

import errno
import json
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import attrs
import click.testing
import pytest
import yaml
from support.apart import set_apart

from fluxkit._engine import clock
from fluxkit._engine.journal.journal import open_journal
from fluxkit.cli import verify_live
from fluxkit.cli.output import Code
from fluxkit.cli.program import fluxkit as program
from fluxkit.testing import CHECKS
from fluxkit.testing.live import LIVE
from fluxkit_mockserver import MockService
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import Server
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

KEY = "fk-0a1B2c3D4e5F6g7H"
CAP = ("--live", "--spend-at-most", "0.20 USD")
SETTINGS = '[profiles.klein]\nprovider = "magnific:flux-2-klein"\nprice = "0.03 USD"\n'


class Fast(clock.SystemClock):
    """A clock that runs fifty times as fast, and that may be broken off while somebody waits."""

    SPEED, BEGIN = 50.0, clock.SystemClock().now()
    breaks = False

    def now(self) -> float:
        return self.BEGIN + (super().now() - self.BEGIN) * self.SPEED

    def sleep(self, seconds: float, /) -> None:
        super().sleep(seconds / self.SPEED)

    def hear(self, bell: Any, seconds: float, /) -> None:
        if type(self).breaks:
            type(self).breaks = False
            raise KeyboardInterrupt
        super().hear(bell, seconds / self.SPEED)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(MockService([MAGNIFIC, APIMART], progression="polls", clock=WallClock(), keys=[KEY])) as server:
        yield server


@pytest.fixture
def mock(server: Server) -> MockService:
    server.service.reset()
    return server.service


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    set_apart(monkeypatch, tmp_path, FLUXKIT_MAGNIFIC_KEY=KEY)
    monkeypatch.setattr(clock, "SystemClock", Fast)
    monkeypatch.setattr("fluxkit.testing.proof.CHECKS", CHECKS[:1])
    Path("fluxkit.toml").write_text(SETTINGS)
    yield
    open_journal(None).writer.close()


@pytest.fixture
def run(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., click.testing.Result]:
    """Runs the command; the environment, which has the key, says where the service is."""
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_BASE_URL", server.base_url("magnific"))
    monkeypatch.setenv("FLUXKIT_APIMART_BASE_URL", server.base_url("apimart"))

    def run(*arguments: str, command: str = "verify", **how: Any) -> click.testing.Result:
        done = click.testing.CliRunner().invoke(program, [command, *arguments], **how)
        assert "Traceback" not in done.output, done.output
        assert "unexpected" not in done.stderr, done.stderr
        assert KEY not in done.output
        return done

    return run


Run = Callable[..., click.testing.Result]


def marks(done: click.testing.Result) -> dict[str, str]:
    """The live checks that were tried, and how each ended."""
    lines = [line[2:].partition(":")[0].split() for line in done.stdout.splitlines() if line.startswith("  ")]
    return {line[1]: line[0] for line in lines if len(line) == 2 and line[1].startswith(("live_", "recorded_"))}


def test_one_image_is_bought_for_all_checks_and_said_before(run: Run, mock: MockService) -> None:
    done = run("magnific", *CAP, "--yes", "--record", "trace.json", "--json", "report.json", "--junit", "report.xml")
    assert (Code.DONE, 1) == (done.exit_code, mock.billed), done.output
    assert [check.name for check in LIVE] == [*marks(done)]
    assert {"pass", "n/a"} == {*marks(done).values()}
    asked, bought, spent = done.stderr.splitlines()
    assert asked == (
        f"magnific at {os.environ['FLUXKIT_MAGNIFIC_BASE_URL']}: 3 checks cost nothing; 11 need one image of "
        "flux-2-klein, 1216x832 px, for 0.03 USD. A request that must be refused is sent, too; if the service takes "
        "it, that is one more. In all at most 0.20 USD are spent."
    )
    assert Path(bought.removeprefix("bought: ")).stat().st_size > 0
    assert "spent: 0.03 USD of at most 0.20 USD" == spent
    (row,) = json.loads(Path("report.json").read_text())["providers"]
    assert [CHECKS[0].name, *(check.name for check in LIVE)] == [each["check"] for each in row["checks"]]
    assert str(1 + len(LIVE)) == ET.parse("report.xml").getroot()[0].get("tests")
    assert ["delivered", "not bought"] == sorted(
        line.split("  ")[2] for line in run(command="tasks").stdout.splitlines()
    )


def test_the_recorded_trace_holds_no_secret_and_is_compared_offline(
    run: Run, mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("magnific", *CAP, "--yes", "--record", "trace.json")
    text = Path("trace.json").read_text()
    (task,) = mock.tasks
    said = [KEY, "127.0.0.1", "token", "lighthouse", task.id]
    assert [] == [word for word in said if word in text]
    monkeypatch.setenv("FLUXKIT_OFFLINE", "1")
    done = run("magnific", "--trace", "trace.json")
    assert (Code.DONE, {"recorded_answers_do_not_drift": "pass"}, "") == (done.exit_code, marks(done), done.stderr)
    assert 1 == mock.billed


def drifted() -> dict[str, Any]:
    """A trace in which the service has said more than is known."""
    trace: dict[str, Any] = json.loads(Path("trace.json").read_text())
    trace["exchanges"][-1]["said"]["data.queue"] = ["number"]
    trace["exchanges"][-1]["words"].append("WARM")
    return trace


ALLOWED = """
[[magnific]]
drift = "new field: poll completed data.queue"
reason = "the vendor tells the place in the queue"
date = 2026-06-29
{}
[[magnific]]
drift = "unknown status word: poll WARM"
reason = "it warms up"
date = 2026-06-29
"""


def test_a_trace_for_which_there_is_no_room_hides_nothing_of_what_was_bought(
    run: Run, mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, _: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setattr(verify_live, "write", full)
    done = run("magnific", *CAP, "--yes", "--record", "trace.json")
    assert (Code.BROKEN, 1) == (done.exit_code, mock.billed)
    assert [
        "spent: 0.03 USD of at most 0.20 USD",
        "error: --record is trace.json, which could not be written: No space left on device",
    ] == done.stderr.splitlines()[-2:]


def test_drift_is_named_and_may_be_allowed_until_a_day(run: Run, mock: MockService) -> None:
    run("magnific", *CAP, "--yes", "--record", "trace.json")
    Path("trace.json").write_text(json.dumps(drifted()))
    done = run("magnific", "--trace", "trace.json", "--junit", "report.xml", "--html", "report.html")
    assert Code.NOT_KEPT == done.exit_code
    assert "recorded_answers_do_not_drift: drift: unknown status word: poll WARM (taken as completed)" in done.stdout
    assert "drift: new field: poll completed data.queue (number)" in done.stdout
    assert "data.queue" in Path("report.xml").read_text()
    assert "data.queue" in Path("report.html").read_text()
    Path("drift.toml").write_text(ALLOWED.format(""))
    done = run("magnific", "--trace", "trace.json", "--allow", "drift.toml")
    assert Code.DONE == done.exit_code, done.output
    assert "allowed: new field: poll completed data.queue (number), since 2026-06-29" in done.stdout
    Path("drift.toml").write_text(ALLOWED.format("expires = 2026-07-01"))
    done = run("magnific", "--trace", "trace.json", "--allow", "drift.toml")
    assert Code.NOT_KEPT == done.exit_code
    assert (
        "expired: new field: poll completed data.queue (number), allowed since 2026-06-29, until 2026-07-01"
        in done.stdout
    )


@pytest.mark.parametrize(
    ("fault", "checks", "code"),
    [
        ("unknown-status:x1", {"live_status_words_are_known", "live_answers_do_not_drift"}, Code.NOT_KEPT),
        ("completed-without-images", {"live_image_comes", "live_answers_do_not_drift"}, Code.NOT_FETCHED),
        ("accepted-then-dropped:x1", {"live_submit_is_answered_as_declared", "live_image_comes"}, Code.UNKNOWN),
    ],
)
def test_a_service_that_is_odd_is_named(run: Run, mock: MockService, fault: str, checks: set[str], code: Code) -> None:
    mock.fault(fault.partition(":")[0], times=1 if fault.endswith("x1") else 50)
    done = run("magnific", *CAP, "--yes")
    failed = {line.split()[1].rstrip(":") for line in done.stdout.splitlines() if line.startswith("  fail  ")}
    assert (code, checks, 1) == (done.exit_code, failed, mock.billed), done.output
    assert ("error: " in done.stderr) is (code is not Code.NOT_KEPT)


def test_a_service_that_takes_what_it_must_refuse_leaves_a_task_that_is_recovered(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [attrs.evolve(row, request=attrs.evolve(row.form, need=())) for row in MAGNIFIC.models]
    lax = MockService([attrs.evolve(MAGNIFIC, models=models)], progression="polls", clock=WallClock(), keys=[KEY])
    with Server(lax) as server:
        monkeypatch.setenv("FLUXKIT_MAGNIFIC_BASE_URL", server.base_url("magnific"))
        done = run("magnific", *CAP, "--yes")
        assert (Code.UNKNOWN, 2) == (done.exit_code, lax.billed), done.output
        assert "warning: a request that must be refused was accepted as the task" in done.stderr
        assert "spent: 0.06 USD of at most 0.20 USD" in done.stderr
        assert Code.DONE == run("--base-url", server.base_url("magnific"), command="recover").exit_code
    assert 2 == lax.billed


def test_whoever_says_no_buys_nothing_and_who_says_yes_does(
    run: Run, mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_live, "can_ask", lambda: True)
    done = run("magnific", *CAP, input="n\n")
    assert (Code.NOT_PROVED, 0, 0) == (done.exit_code, mock.billed, len(mock.exchanges))
    assert "Buy it? [y/N]: n" in done.stderr
    assert "cannot be checked: You said no. Nothing was sent." in done.stdout
    done = run("magnific", *CAP, input="y\n")
    assert (Code.DONE, 1) == (done.exit_code, mock.billed), done.output


def test_ctrl_c_at_the_question_ends_it(run: Run, mock: MockService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_live, "can_ask", lambda: True)
    done = run("magnific", *CAP, input="")
    assert (Code.INTERRUPTED, 0) == (done.exit_code, len(mock.exchanges)), done.output


REFUSED: dict[str, tuple[Sequence[str], dict[str, str], str]] = {
    "nobody to ask": (CAP, {}, "this is no terminal. Nothing was sent. Allowed: --yes."),
    "no cap": (("--live", "--yes"), {}, "What may be spent is not said. Nothing was sent."),
    "no amount": (("--live", "--yes", "--spend-at-most", "much"), {}, "--spend-at-most: 'much' is no amount"),
    "a low cap": (
        ("--live", "--yes", "--spend-at-most", "0.02 USD"),
        {},
        "costs 0.03 USD, which is more than 0.02 USD",
    ),
    "no key": (
        (*CAP, "--yes"),
        {"FLUXKIT_MAGNIFIC_KEY": ""},
        "cannot be checked: No key for magnific. Give --key-file, or set FLUXKIT_MAGNIFIC_KEY.",
    ),
    "offline": ((*CAP, "--yes"), {"FLUXKIT_OFFLINE": "1"}, "FLUXKIT_OFFLINE is set"),
    "no journal": ((*CAP, "--yes", "--journal", "off"), {}, "The journal is off"),
    "a wrong key": ((*CAP, "--yes"), {"FLUXKIT_MAGNIFIC_KEY": "wrong-0a1b2c3d4e5f6"}, "Check the key"),
    "no network": ((*CAP, "--yes"), {"FLUXKIT_MAGNIFIC_BASE_URL": "http://127.0.0.1:9"}, "127.0.0.1:9"),
    "a profile of another": ((*CAP, "--yes", "--profile", "flex"), {}, "The profile flex is of apimart"),
    "no such profile": ((*CAP, "--yes", "--profile", "none"), {}, "'none', which is no profile"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_without_key_price_cap_consent_or_network_nothing_is_bought_and_the_rest_is_checked(
    run: Run, mock: MockService, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    arguments, environ, said = REFUSED[name]
    Path("fluxkit.toml").write_text(f'{SETTINGS}[profiles.flex]\nprovider = "apimart:flux-2-flex"\n')
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    done = run("magnific", *arguments)
    assert Code.NOT_PROVED == done.exit_code, done.output
    (line,) = [line for line in done.stdout.splitlines() if "cannot be checked" in line]
    assert said in line
    assert f"  pass  {CHECKS[0].name}" in done.stdout
    assert ({}, 0) == (marks(done), mock.billed)


def test_an_unknown_price_is_explained(run: Run, mock: MockService) -> None:
    Path("fluxkit.toml").write_text("")
    done = run("magnific", *CAP, "--yes")
    assert (Code.NOT_PROVED, 0) == (done.exit_code, len(mock.exchanges))
    assert 'Allowed: a profile that states it, price = "0.03 USD"' in done.stdout


def test_a_mock_is_not_taken_for_the_service(run: Run, mock: MockService) -> None:
    Path("fluxkit.toml").write_text(SETTINGS + "mock = true\n")
    done = run("magnific", *CAP, "--yes")
    assert (Code.NOT_PROVED, 0) == (done.exit_code, len(mock.exchanges))
    assert "A mock of magnific would answer" in done.stdout


def test_a_provider_that_breaks_promises_offline_is_not_bought_from(run: Run, mock: MockService) -> None:
    Path("deviations.toml").write_text(f'[[magnific]]\ncheck = "{CHECKS[0].name}"\nreason = "r"\ndate = 2026-06-29\n')
    done = run("magnific", *CAP, "--yes", "--deviations", "deviations.toml")
    assert (Code.NOT_KEPT, 0) == (done.exit_code, len(mock.exchanges))
    assert "Promises are broken offline. Nothing was sent." in done.stdout


def test_a_live_check_that_is_known_to_fail_is_no_surprise(run: Run, mock: MockService) -> None:
    mock.fault("unknown-status", times=1)
    rows = "".join(
        f'[[magnific]]\ncheck = "{check}"\nreason = "it warms up"\ndate = 2026-06-29\n'
        for check in ("live_status_words_are_known", "live_answers_do_not_drift")
    )
    Path("deviations.toml").write_text(rows)
    done = run("magnific", *CAP, "--yes", "--deviations", "deviations.toml")
    assert Code.DONE == done.exit_code, done.output
    assert "(known since 2026-06-29: it warms up)" in done.stdout


def test_the_cap_is_for_all_providers_together(run: Run, mock: MockService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_APIMART_KEY", KEY)
    Path("fluxkit.toml").write_text(
        f'{SETTINGS}[profiles.flex]\nprovider = "apimart:flux-2-flex"\nprice = "0.15 USD"\n'
    )
    done = run("magnific", "apimart", "--live", "--yes", "--spend-at-most", "0.17 USD")
    assert (Code.NOT_PROVED, 1) == (done.exit_code, mock.billed), done.output
    assert (
        "An image of apimart:flux-2-flex costs 0.15 USD, which is more than 0.14 USD. Nothing was sent." in done.stdout
    )
    done = run("magnific", "apimart", "--live", "--yes", "--spend-at-most", "0.18 USD")
    assert (Code.DONE, 3) == (done.exit_code, mock.billed), done.output
    assert "spent: 0.15 USD of at most 0.18 USD" in done.stderr


def test_a_budget_of_the_profile_holds_beside_the_cap(run: Run, mock: MockService) -> None:
    Path("fluxkit.toml").write_text(SETTINGS + 'budget = "0.04 USD"\n')
    assert (Code.DONE, 1) == (run("magnific", *CAP, "--yes").exit_code, mock.billed)
    done = run("magnific", *CAP, "--yes")
    assert (Code.NOT_PROVED, 1) == (done.exit_code, mock.billed)
    assert "The budget of 0.04 USD for a day has no room" in done.stdout


def test_what_was_bought_when_it_was_cut_short_is_recovered_and_not_bought_again(
    run: Run, mock: MockService, server: Server
) -> None:
    Fast.breaks = True
    done = run("magnific", *CAP, "--yes")
    assert (Code.INTERRUPTED, 1) == (done.exit_code, mock.billed), done.output
    recover = ["--base-url", server.base_url("magnific")]
    assert (
        f"fluxkit recover {' '.join(recover)} fetches it; running the command again buys another image" in done.stderr
    )
    done = run(*recover, command="recover")
    assert (Code.DONE, 1) == (done.exit_code, mock.billed), done.output
    assert Path(done.stdout.strip()).stat().st_size > 0


def test_the_key_may_come_from_a_file(
    run: Run, mock: MockService, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUXKIT_MAGNIFIC_KEY")
    monkeypatch.delenv("FLUXKIT_MAGNIFIC_BASE_URL")
    Path("key").write_text(KEY)
    done = run("magnific", *CAP, "--yes", "--key-file", "key", "--base-url", server.base_url("magnific"))
    assert (Code.DONE, 1) == (done.exit_code, mock.billed), done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["magnific", "--yes"], "--yes is of use with --live only"),
        (["magnific", "--spend-at-most", "1 USD"], "--spend-at-most is of use with --live only"),
        (["--live", "--record", "trace.json"], "--record is for one provider: name it"),
        (["magnific", "apimart", "--live", "--base-url", "https://x.example"], "--base-url is for one provider"),
        (["magnific", "--trace", "none.json"], "The trace none.json cannot be read"),
        (["magnific", "--allow", "none.toml"], "The allowances in none.toml cannot be read"),
        (["magnific", "--live", "--record", "none/trace.json"], "--record is none/trace.json, where nothing can be"),
    ],
)
def test_what_does_not_go_together_is_refused(run: Run, arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert (Code.NOT_SENT, "") == (done.exit_code, done.stdout)
    assert said in done.stderr


@pytest.mark.parametrize("option", ["--trace", "--allow"])
def test_a_file_whose_name_is_empty_is_not_passed_over(run: Run, option: str) -> None:
    done = run("magnific", option, "")
    assert (Code.NOT_SENT, True) == (done.exit_code, "'' cannot be read: Is a directory." in done.stderr)
    assert Code.NOT_SENT == run("magnific", "--record", "").exit_code


def test_a_trace_of_another_provider_is_refused(run: Run, mock: MockService) -> None:
    run("magnific", *CAP, "--yes", "--record", "trace.json")
    done = run("apimart", "--trace", "trace.json")
    assert (Code.NOT_SENT, "") == (done.exit_code, done.stdout)
    assert "The trace trace.json is of magnific." in done.stderr
    trace = json.loads(Path("trace.json").read_text())
    Path("trace.json").write_text(json.dumps(trace | {"request": {"aspect": "1:1"}}))
    done = run("magnific", "--trace", "trace.json")
    assert Code.NOT_PROVED == done.exit_code
    assert "asked for {'aspect': '1:1'}" in done.stdout


def test_with_no_trace_or_live_nothing_is_different(run: Run) -> None:
    done = run("magnific")
    assert (Code.DONE, {}, "") == (done.exit_code, marks(done), done.stderr)


@pytest.mark.parametrize(
    ("project", "plugin"),
    [
        ('[project]\nname = "acme"\n[project.entry-points.fluxkit]\nacme = "acme"', True),
        ('[project]\nname = "shop"\n[project.entry-points."fluxkit.mock"]\nacme = "acme"', False),
        ('[project]\nname = "shop"', False),
        ("project = 7", False),
        ("[project", False),
        (None, False),
    ],
)
def test_the_workflow_of_a_plugin_installs_it_too(run: Run, project: str | None, plugin: bool) -> None:
    if project is not None:
        Path("pyproject.toml").write_text(project)
    steps = [step for job in yaml.safe_load(run("--workflow").stdout)["jobs"].values() for step in job["steps"]]
    installed = [step["run"] for step in steps if " pip install " in step.get("run", "")]
    assert [f'python -m pip install "fluxkit-py[all]"{" ." if plugin else ""}'] * 2 == installed


def test_the_workflow_is_one_and_its_commands_do_what_it_says(run: Run, mock: MockService) -> None:
    done = run("--workflow")
    assert (Code.DONE, "") == (done.exit_code, done.stderr)
    workflow = yaml.safe_load(done.stdout)
    assert {"push", "pull_request", "workflow_dispatch", "schedule"} == workflow[True].keys()  # YAML takes on for True
    assert ["offline", "canary"] == [*workflow["jobs"]]
    for name, job in workflow["jobs"].items():
        uploads = [step["with"]["path"].split() for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
        commands = [shlex.split(step["run"]) for step in job["steps"] if step.get("run", "").startswith("fluxkit ")]
        assert (1, 1) == (len(commands), len(uploads))
        done = run(*commands[0][2:], command=commands[0][1])
        assert Code.DONE == done.exit_code, done.output
        assert [] == [path for path in uploads[0] if not Path(path).stat().st_size]
        assert (name == "canary") == mock.billed
    assert KEY not in Path("journal.sqlite").read_bytes().decode("latin-1")
    assert "secrets.FLUXKIT_MAGNIFIC_KEY" in workflow["jobs"]["canary"]["env"]["FLUXKIT_MAGNIFIC_KEY"]
    open_journal("journal.sqlite").writer.close()

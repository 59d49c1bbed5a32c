"""The commands that read the journal: what was bought is listed, fetched and settled."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click.testing
import pytest
from support.apart import set_apart
from support.ledger import an_intent
from support.world import a_plan, raised

import fluxkit
from fluxkit._contract.journal import Recovered
from fluxkit._engine.effects import Note
from fluxkit._engine.journal.journal import open_journal
from fluxkit.cli.program import fluxkit as program
from fluxkit_mockserver import MockService
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import Server
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

KLEIN = "magnific:flux-2-klein"


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_apart(monkeypatch, tmp_path, FLUXKIT_MAGNIFIC_KEY="test")


@pytest.fixture
def mock() -> MockService:
    return MockService([MAGNIFIC, FREEPIK], progression="at once", clock=WallClock())


@pytest.fixture
def base_url(mock: MockService, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with Server(mock) as server:
        yield server.base_url("magnific")
    open_journal(None).writer.close()


def run(*arguments: str) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(program, arguments)
    assert "Traceback" not in done.stderr
    return done


def submitted(base_url: str) -> str:
    with fluxkit.Client(KLEIN, key="test", base_url=base_url) as client:
        return client.submit("a fox\x1b[31m").id


def lost(base_url: str, mock: MockService, **fields: Any) -> str:
    """The row of a submit whose answer was lost."""
    mock.fault("accepted-then-dropped", times=1)
    with fluxkit.Client(KLEIN, key="test", base_url=base_url) as client:
        raised(lambda: client.submit("a fox", **fields), fluxkit.SubmissionUnknown)
        return str(client.tasks()[-1].row)


def states() -> list[str]:
    return [line.split("  ")[2] for line in run("tasks").stdout.splitlines()]


def test_an_empty_journal_says_so() -> None:
    assert (0, "", "the journal holds nothing\n") == ((done := run("tasks")).exit_code, done.stdout, done.stderr)
    assert "nothing is unknown\n" == run("tasks", "--state", "unknown").stderr
    assert (0, "nothing was left to recover\n") == ((done := run("recover")).exit_code, done.stderr)
    assert {"tasks": []} == json.loads(run("tasks", "--json").stdout)
    assert {"recovered": []} == json.loads(run("recover", "--json").stdout)


def test_what_was_bought_is_listed_and_fetched(base_url: str, mock: MockService) -> None:
    task = submitted(base_url)
    done = run("tasks")
    assert f"{KLEIN}  created  task {task}" in done.stdout
    assert "\x1b" not in done.stdout
    [row] = json.loads(run("tasks", "--json").stdout)["tasks"]
    assert (task, "created") == (row["task"], row["state"])

    done = run("recover", "--base-url", base_url)
    assert 0 == done.exit_code
    assert Path(done.stdout.strip()).stat().st_size
    assert (1, ["delivered"]) == (mock.billed, states())
    assert "nothing was left to recover\n" == run("recover", "--base-url", base_url).stderr


def test_a_journal_does_not_say_where_a_key_goes(base_url: str, mock: MockService) -> None:
    submitted(base_url)
    before = len(mock.exchanges)
    done = run("recover")
    assert f"left alone: what was bought from magnific at {base_url}; give --base-url {base_url} to ask there\n" == (
        done.stderr
    )
    assert (6, before) == (done.exit_code, len(mock.exchanges))
    assert (0, "nothing was left to recover\n") == (
        (done := run("recover", "--provider", "freepik")).exit_code,
        done.stderr,
    )
    row = lost(base_url, mock)
    done = run("recover", "--resubmit", row)
    assert 2 == done.exit_code
    assert "--base-url" in done.stderr


def test_the_environment_says_where_its_key_goes(
    base_url: str, mock: MockService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    submitted(base_url)
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_BASE_URL", f"{base_url}/")
    (tmp_path / "key").write_text("test")
    done = run("recover", "--key-file", str(tmp_path / "key"))
    assert (6, True) == (done.exit_code, "left alone" in done.stderr)
    done = run("recover")
    assert (0, "", ["delivered"]) == (done.exit_code, done.stderr, states())


def test_what_is_not_known_is_listed_and_adopted(base_url: str, mock: MockService) -> None:
    row = lost(base_url, mock)
    done = run("recover", "--base-url", base_url)
    assert (6, "") == (done.exit_code, done.stdout)
    assert f"unknown: {row}" in done.stderr
    assert "--adopt TASK=ROW" in done.stderr
    done = run("recover", "--base-url", base_url, "--adopt", f"{mock.charges[0].task}={row}", "--json")
    [recovered] = json.loads(done.stdout)["recovered"]
    assert (0, 1) == (done.exit_code, len(recovered["results"]))
    assert (1, ["delivered"]) == (mock.billed, states())


def test_what_is_bought_again_costs_what_it_was_to_cost(base_url: str, mock: MockService) -> None:
    mock.fault("accepted-then-dropped", times=1)
    with fluxkit.Client(KLEIN, key="test", base_url=base_url, price="0.03 USD") as client:
        raised(lambda: client.submit("a fox"), fluxkit.SubmissionUnknown)
        [row] = client.tasks()
    run("recover", "--base-url", base_url, "--resubmit", row.row)
    assert ["0.03 USD", "0.03 USD"] == [each.price for each in open_journal(None).rows()]


def test_a_row_is_bought_again(base_url: str, mock: MockService) -> None:
    row = lost(base_url, mock)
    done = run("recover", "--base-url", base_url, "--resubmit", row)
    assert 0 == done.exit_code
    assert f"bought again: task {mock.charges[1].task}\n" in done.stderr
    assert (2, ["resubmitted", "delivered"]) == (mock.billed, states())
    done = run("recover", "--base-url", base_url, "--resubmit", row)
    assert (2, 2) == (done.exit_code, mock.billed)
    assert "nothing to settle" in done.stderr


def test_a_row_is_dismissed(base_url: str, mock: MockService) -> None:
    row = lost(base_url, mock)
    assert f"dismissed: {row}\n" == run("recover", "--dismiss", row).stderr
    assert ["dismissed"] == states()
    done = run("recover", "--dismiss", row)
    assert 2 == done.exit_code
    assert "needs no settling" in done.stderr


def test_a_task_that_still_runs_is_said(base_url: str, mock: MockService) -> None:
    mock.fault("stuck", times=1)
    task = submitted(base_url)
    done = run("recover", "--base-url", base_url, "--timeout", "0.01")
    assert 6 == done.exit_code
    assert f"still running: task {task}" in done.stderr


def test_a_journal_that_is_not_there_is_not_made() -> None:
    """To say of it that it holds nothing would be to say that nothing was bought."""
    for command in (["tasks"], ["tasks", "--prune", "1d"], ["recover"], ["spend"], ["cancel", "x"]):
        done = run(*command, "--journal", "journl.sqlite")
        assert (2, "error: There is no journal journl.sqlite.") == (done.exit_code, done.stderr.partition("\n")[0])
    assert not Path("journl.sqlite").exists()


def test_a_lost_answer_names_its_row_and_the_way_on(base_url: str, mock: MockService) -> None:
    mock.fault("accepted-then-dropped", times=1)
    done = run("generate", "a fox", "-p", KLEIN, "--base-url", base_url)
    [row] = open_journal(None).rows()
    assert 6 == done.exit_code
    assert f"It is the row {row.row}: fluxkit recover --base-url {base_url} says what to do." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--adopt", "x"], "TASK=ROW"),
        (["--adopt", "=x"], "TASK=ROW"),
        (["--adopt", "a=b", "--resubmit", "b"], "exclude each other"),
        (["--provider", "magnifc"], "--provider is 'magnifc'"),
        (["--adopt", "a=b"], "no row b"),
        (["--resubmit", "b"], "no row b"),
        (["--dismiss", "b"], "no row b. fluxkit tasks lists those that it has"),
        (["--dismiss", ""], "no row ''"),
        (["--resubmit", ""], "no row ''"),
        (["--timeout", "nan"], "timeout is nan"),
        (["--base-url", "zzz"], "base_url is 'zzz': it does not begin with http"),
        (["--journal", "/proc/nowhere"], "/proc/nowhere"),
        (["--journal", "off"], "holds nothing"),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], named: str) -> None:
    done = run("recover", *arguments)
    assert 2 == done.exit_code
    assert named in done.stderr


@pytest.mark.slow
def test_what_generate_buys_is_noted_where_it_is_to_be(base_url: str, mock: MockService, tmp_path: Path) -> None:
    there = ["generate", "a fox", "-p", KLEIN, "--base-url", base_url, "-o", str(tmp_path), "--timeout", "1"]
    for journal, listed in (("off", ""), ("/proc/nowhere", ""), (str(tmp_path / "journal"), "delivered")):
        done = run(*there, "--fit", "nearest", "--journal", journal)
        assert (2 if listed == "" and journal != "off" else 0) == done.exit_code
        assert listed in run("tasks", *(["--journal", journal] if listed else [])).stdout
    assert "the journal holds nothing\n" == run("tasks").stderr
    assert 2 == mock.billed
    open_journal(tmp_path / "journal").writer.close()


def test_of_several_services_one_that_fails_stops_no_other(
    base_url: str, mock: MockService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both speak at their own addresses here; one has no key."""
    for provider in (MAGNIFIC, FREEPIK):
        with fluxkit.Client(f"{provider.name}:flux-2-klein", key="test", mock=mock) as client:
            kept = client.submit("a fox")
        journal = open_journal(None)
        row = journal.take(an_intent(a_plan(provider)))
        journal.take(Note("accepted", {"row": row, "task": attrs.evolve(kept, base_url=provider.base_url)}))
        journal.leave([row])
    seen = []

    def recover(client: fluxkit.Client) -> Recovered:
        seen.append(client.provider.name)
        return Recovered()

    monkeypatch.setattr(fluxkit.Client, "recover", recover)
    done = run("recover")
    assert (["magnific"], 2) == (seen, done.exit_code)
    assert "No key for freepik. Give --key-file, or set FLUXKIT_FREEPIK_KEY.\n" in done.stderr  # there is no --offline
    assert (
        "error: No key for freepik. Give --key-file, or set FLUXKIT_FREEPIK_KEY.\n"
        == run("recover", "--provider", "freepik").stderr
    )
    (tmp_path / "key").write_text("test")
    assert "--provider" in run("recover", "--key-file", str(tmp_path / "key")).stderr


def test_ctrl_c_says_that_what_is_left_is_kept(
    base_url: str, mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = submitted(base_url)

    def interrupt(_: fluxkit.Client) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fluxkit.Client, "recover", interrupt)
        done = run("recover", "--base-url", base_url)
    assert 130 == done.exit_code
    assert "what was not fetched is in the journal still: fluxkit recover goes on where this has ended" in done.stderr
    assert 0 == run("recover", "--base-url", base_url).exit_code
    assert ([task], 1) == ([each.id for each in mock.tasks], mock.billed)


@pytest.mark.slow
@pytest.mark.parametrize(("elsewhere", "code"), [(False, 0), (True, 6)])
def test_a_service_is_trusted_to_know_a_submit_again_where_the_profile_in_use_says_it_is(
    elsewhere: bool, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was trusted at one address is not trusted at another one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLUXKIT_APIMART_KEY", "test")
    mock = MockService([APIMART], progression="at once", clock=WallClock())
    with Server(mock) as server:
        base_url = server.base_url("apimart")
        mock.fault("accepted-then-dropped")
        how = {"base_url": base_url, "idempotency": "trust", "timeout": 0.5}
        with fluxkit.Client("apimart:flux-2-flex", key="test", **how) as client:
            raised(lambda: client.submit("a fox"), fluxkit.SubmissionUnknown)
        mock.unfault()
        (tmp_path / "fluxkit.toml").write_text(
            'default = "a"\n[profiles.a]\nprovider = "apimart:flux-2-flex"\nidempotency = "trust"\n'
            + ("" if elsewhere else f'base_url = "{base_url}"\n')
        )
        assert code == run("recover", "--base-url", base_url).exit_code
    assert 1 == mock.billed
    open_journal(None).writer.close()


def test_without_the_option_the_journal_is_that_of_the_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fluxkit.toml").write_text(
        f'default = "a"\n[profiles.a]\nprovider = "{KLEIN}"\njournal = "tasks.sqlite"\n'
        f'[profiles.b]\nprovider = "{KLEIN}"\njournal = "off"\n'
    )
    journal = open_journal(tmp_path / "tasks.sqlite")
    row = journal.take(an_intent())
    journal.take(Note("unknown", {"row": row, "error": "it was lost"}))
    assert run("tasks").stdout.startswith(f"{row}  {KLEIN}  unknown")
    assert 0 == run("recover", "--dismiss", row).exit_code
    assert run("tasks").stdout.startswith(f"{row}  {KLEIN}  dismissed")
    monkeypatch.setenv("FLUXKIT_PROFILE", "b")
    assert "" == run("tasks").stdout
    for each in (journal, open_journal(None)):
        each.writer.close()

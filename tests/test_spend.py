"""What was spent, as the journal says it: exact, by day and model, with what nobody knows beside it."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import click.testing
import pytest
from support.ledger import Wall, a_journal, a_task, an_intent, note
from support.world import a_plan

from fluxkit import Amount
from fluxkit._contract.budget import DAY
from fluxkit._contract.task import State
from fluxkit._engine.journal.journal import Journal
from fluxkit._engine.journal.writers import writer_at
from fluxkit._engine.statement import Alike, Entry, Statement, beginning
from fluxkit.cli.program import fluxkit as program
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

EPOCH = 1_767_225_600.0
PLANS = {provider.name: a_plan(provider) for provider in (MAGNIFIC, APIMART)}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("FLUXKIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLUXKIT_CONFIG", os.devnull)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "journal"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    wall = Wall()
    journal = a_journal(path, now=wall)
    yield journal
    journal.writer.close()
    writer_at(path).close()


def buy(
    journal: Journal, end: str, price: str | None, cost: str | None = None, *, provider: str = "magnific", day: int = 0
) -> None:
    """A row of that *day* with this end."""
    journal.writer.now.time = EPOCH + day * DAY + 3600.0  # type: ignore[attr-defined]
    plan = attrs.evolve(PLANS[provider], price=None if price is None else Amount.parse(price))
    row = journal.take(an_intent(plan))
    if end in ("refused", "unknown"):
        journal.take(note(end, row, error="No."))
    elif end != "intent":
        task = attrs.evolve(a_task(row), provider=provider, model=plan.model.name, base_url=plan.base_url)
        journal.take(note("accepted", row, task=task))
        if end == "delivered":
            done = attrs.evolve(task, state=State.COMPLETED)
            journal.take(note("delivered", task=done, cost=None if cost is None else Amount.parse(cost)))


def a_history(journal: Journal) -> None:
    buy(journal, "delivered", "0.03 USD", "0.1 USD")
    buy(journal, "delivered", "0.03 USD", "0.2 USD")
    buy(journal, "delivered", "0.03 USD")
    buy(journal, "accepted", "0.03 USD")
    buy(journal, "refused", "9 USD")
    buy(journal, "unknown", "0.03 USD")
    buy(journal, "intent", "0.5 EUR")
    buy(journal, "delivered", None, provider="apimart", day=1)
    buy(journal, "unknown", None, provider="apimart", day=1)
    buy(journal, "delivered", "0.01 EUR", provider="apimart", day=1)
    buy(journal, "refused", "9 USD", day=2)


def run(path: Path, *arguments: str) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(program, ["spend", "--journal", str(path), *arguments])
    assert "Traceback" not in done.stderr
    return done


def test_a_statement_says_what_each_model_came_to_on_each_day(journal: Journal, path: Path) -> None:
    a_history(journal)
    done = run(path)
    table = [re.split("  +", line) for line in done.stdout.splitlines()]
    assert ["day (UTC)", "model", "bought", "cost", "expected", "unknown", "reserved", "unpriced"] == table[0]
    klein, flex = "magnific:flux-2-klein", "apimart:flux-2-flex"
    assert ["2026-01-01", klein, "4", "0.3 USD", "0.06 USD", "2", "0.5 EUR + 0.03 USD", "-"] == table[1]
    assert ["2026-01-02", flex, "2", "-", "0.01 EUR", "1", "-", "2"] == table[2]
    assert ["total", "6", "0.3 USD", "0.01 EUR + 0.06 USD", "3", "0.5 EUR + 0.03 USD", "2"] == table[3]
    assert 1 == len({len(line) for line in done.stdout.splitlines()})
    assert 'note: 2 without a known price are in no sum; state it: price = "0.03 USD"' in done.stderr
    assert 0 == done.exit_code


def test_a_statement_as_a_document_loses_no_digit(journal: Journal, path: Path) -> None:
    a_history(journal)
    document = json.loads(run(path, "--json").stdout)
    first, second = document["spent"]
    assert first == {
        "day": "2026-01-01",
        "provider": "magnific",
        "model": "flux-2-klein",
        "base_url": "https://api.magnific.com",
        "bought": 4,
        "cost": {"USD": "0.3"},
        "expected": {"USD": "0.06"},
        "unknown": 2,
        "reserved": {"EUR": "0.5", "USD": "0.03"},
        "unpriced": 0,
    }
    assert ("2026-01-02", 2, 1, 2) == tuple(second[name] for name in ("day", "bought", "unknown", "unpriced"))
    assert {"EUR": "0.01", "USD": "0.06"} == document["total"]["expected"]


@pytest.mark.parametrize(("since", "days"), [("2026-01-02", 1), ("2026-01-01", 2), ("2030-01-01", 0), ("99999d", 2)])
def test_a_statement_may_begin_later(since: str, days: int, journal: Journal, path: Path) -> None:
    a_history(journal)
    done = run(path, "--since", since, "--json")
    assert days == len(json.loads(done.stdout)["spent"])


def test_what_a_mock_on_a_port_took_says_so(journal: Journal, path: Path) -> None:
    for base_url, provider in (("http://127.0.0.1:4010/magnific", "magnific"), ("https://gone.example", "gone")):
        plan = attrs.evolve(PLANS["magnific"], base_url=base_url)
        intent = an_intent(plan)
        draft = attrs.evolve(intent.entry["draft"], provider=provider)
        journal.take(note("intent", **{**intent.entry, "draft": draft}))
    said = run(path).stdout
    assert "magnific:flux-2-klein at http://127.0.0.1:4010/magnific" in said
    assert "gone:flux-2-klein at https://gone.example" in said


@pytest.mark.parametrize(("arguments", "said"), [((), "nothing was spent\n"), (("--since", "1h"), "since then\n")])
def test_an_empty_journal_says_so(arguments: tuple[str, ...], said: str, journal: Journal, path: Path) -> None:
    assert () == tuple(journal.rows())
    done = run(path, *arguments)
    assert (0, "") == (done.exit_code, done.stdout)
    assert done.stderr.endswith(said)


def test_a_file_that_is_no_journal_is_left_as_it_is(path: Path) -> None:
    for content in ("", "x"):
        (path.parent / "notes").write_text(content)
        done = run(path.parent / "notes")
        assert (2, True) == (done.exit_code, "notes is empty, and no journal." in done.stderr)
        assert content == (path.parent / "notes").read_text()
    (path.parent / "notes").write_text("no journal")
    done = run(path.parent / "notes")
    said = "allowed: --journal FILE, which lies on a disk of this machine, or, to buy without one, --journal off, with"
    assert (2, True) == (done.exit_code, said in done.stderr)


@pytest.mark.parametrize("since", ["", "d", "0d", "-1d", "7", "7w", "1.5d", "٣d", "999999d", "2026-13-01", "yesterday"])
def test_what_is_no_moment_is_named(since: str, path: Path) -> None:
    done = run(path, "--since", since)
    assert 2 == done.exit_code
    assert f"{since!r} is no moment." in done.stderr
    assert "allowed: days such as 7d, hours such as 24h, or a date such as 2026-01-31" in done.stderr
    assert not path.exists()


@pytest.mark.parametrize(
    ("since", "before"),
    [("1d", 3600.0), ("2d", 3600.0 + DAY), ("24h", float(DAY)), ("1h", 3600.0), ("2026-01-01", 3600.0)],
)
def test_a_moment_is_of_days_in_utc_or_so_many_hours_ago(since: str, before: float) -> None:
    assert EPOCH + 3600.0 - before == beginning(since, EPOCH + 3600.0)


def test_what_was_not_bought_comes_to_nothing() -> None:
    rows = [Alike(1, "magnific", "m", "https://a.example", "refused", "1 USD", None, 5)]
    assert Statement((), Entry(0, (), (), 0, (), 0)) == Statement.of(rows)

"""Budgets: what was bought never goes beyond them, and nothing that fits is refused."""

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import attrs
import click.testing
import pytest
from support.ledger import Wall, a_journal, a_task, an_intent, note
from support.world import World, a_plan, accepted, completed, ended, raised

import fluxkit
from fluxkit import Amount, BudgetExceeded, SettingsError
from fluxkit._contract.budget import DAY, Budget, Span, budgets_of
from fluxkit._contract.journal import Settled
from fluxkit._contract.result import describe
from fluxkit._contract.task import State
from fluxkit._engine.drive import Driver
from fluxkit._engine.effects import Afford, Host
from fluxkit._engine.flows import Manner, generate
from fluxkit._engine.journal import schema
from fluxkit._engine.journal.journal import Journal
from fluxkit._engine.journal.writers import writer_at
from fluxkit._engine.notes import Notes
from fluxkit._engine.place import Place
from fluxkit._engine.spending import Purse, amount_of
from fluxkit._wire.plan import Plan
from fluxkit.cli.program import fluxkit as program
from fluxkit_mockserver import MockService
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.pictures import draw
from fluxkit_mockserver.server import Server
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

KLEIN = "magnific:flux-2-klein"
DIME = budgets_of("0.10 USD")
BOOKS = ["journal", "memory"]


def priced(price: str | None = "0.03 USD", *, n: int = 1) -> Plan:
    """The plan of images at a price each."""
    return attrs.evolve(a_plan(MAGNIFIC, n=n), price=None if price is None else Amount.parse(price) * n)


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def notebook(tmp_path: Path, wall: Wall) -> Iterator[Callable[..., Any]]:
    """Makes notebooks with budgets: several on one journal, or one in memory."""
    made: list[Journal] = []

    def make(kind: str = "journal", budgets: tuple[Budget, ...] = DIME) -> Any:
        if kind == "memory":
            return Notes(purse=Purse(budgets, wall))
        made.append(attrs.evolve(a_journal(tmp_path / "journal", now=wall), budgets=budgets))
        return made[-1]

    yield make
    for journal in made:
        journal.writer.close()


def buys(book: Any, price: str | None = "0.03 USD", **entry: Any) -> str:
    return book.take(an_intent(priced(price), **entry))


def refused(book: Any, price: str | None = "0.03 USD", **entry: Any) -> BudgetExceeded:
    return raised(lambda: buys(book, price, **entry), BudgetExceeded)


# What fits, and what does not


@pytest.mark.parametrize("kind", BOOKS)
def test_it_is_spent_to_the_last_cent_and_no_further(kind: str, notebook: Callable[..., Any]) -> None:
    book = notebook(kind)
    for _ in range(3):
        buys(book)
    error = refused(book)
    assert (Amount.parse("0.10 USD"), Amount.parse("0.09 USD"), Amount.parse("0.03 USD")) == (
        error.budget,
        error.spent,
        error.price,
    )
    assert (1_767_225_600.0 + DAY, "no", False) == (error.until, error.charged, error.retry)
    buys(book, "0.01 USD")
    refused(book, "0.000000000001 USD")
    buys(book, "0 USD")
    assert 5 == len(book.rows())


def test_the_error_says_what_was_spent_and_when_the_day_ends(notebook: Callable[..., Any]) -> None:
    book = notebook()
    buys(book, "0.08 USD")
    assert refused(book).message == (
        "The budget of 0.10 USD for a day has no room for an image of magnific:flux-2-klein at 0.03 USD: 0.08 USD are "
        "spent or reserved. It was not bought. The day ends at 2026-01-02 00:00 UTC; to go on before, raise the "
        "budget. fluxkit spend shows what was bought."
    )


@pytest.mark.parametrize("kind", BOOKS)
def test_what_was_not_bought_gives_its_price_back_and_what_nobody_knows_keeps_it(
    kind: str, notebook: Callable[..., Any]
) -> None:
    book = notebook(kind)
    first, second, third = (buys(book) for _ in range(3))
    book.take(note("unknown", first, error="Silence."))
    book.take(note("accepted", second, task=a_task("two")))
    refused(book)
    book.take(note("refused", third, error="No."))
    third = buys(book)
    refused(book)
    book.take(note("unknown", third, error="Silence."))
    book.take(note("refused", third, error="No."))
    buys(book)
    book.take(note("refused", second, error="What is known for certain is not undone."))
    refused(book)


@pytest.mark.parametrize("kind", BOOKS)
def test_what_it_did_cost_takes_the_place_of_what_it_was_to_cost(kind: str, notebook: Callable[..., Any]) -> None:
    book = notebook(kind)
    cheap, dear = buys(book), buys(book)
    for row, name, cost in ((cheap, "a", "0.01"), (dear, "b", "0.05")):
        book.take(note("accepted", row, task=a_task(name)))
        book.take(note("delivered", task=a_task(name, state=State.COMPLETED), cost=Amount(Decimal(cost), "USD")))
    assert Amount.parse("0.06 USD") == refused(book, "0.05 USD").spent
    buys(book, "0.04 USD")
    book.take(note("delivered", task=a_task("a", state=State.COMPLETED), cost=None))
    assert Amount.parse("0.10 USD") == refused(book).spent


@pytest.mark.parametrize("kind", BOOKS)
def test_a_task_that_failed_stays_paid_until_somebody_knows_better(kind: str, notebook: Callable[..., Any]) -> None:
    book = notebook(kind)
    row = buys(book, "0.10 USD")
    book.take(note("accepted", row, task=a_task()))
    book.take(note("state", task=a_task(state=State.FAILED), progress=None, problems=()))
    refused(book, "0.01 USD")


def test_a_row_that_is_settled_by_hand_keeps_its_price(notebook: Callable[..., Any]) -> None:
    book = notebook()
    for how in ("dismissed", "again"):
        row = buys(book)
        book.take(note("unknown", row, error="Silence."))
        book.leave([row])
        if how == "dismissed":
            book.take(note("settled", row, how=Settled.DISMISSED))
        else:
            buys(book, again=row)
    assert Amount.parse("0.09 USD") == refused(book).spent


@pytest.mark.parametrize("kind", BOOKS)
def test_a_day_ends_at_midnight_utc(kind: str, notebook: Callable[..., Any], wall: Wall) -> None:
    book = notebook(kind)
    wall.time += DAY - 1
    late = buys(book, "0.10 USD")
    refused(book)
    wall.time += 0.999
    refused(book)
    wall.time += 0.001
    buys(book, "0.10 USD")
    book.take(note("refused", late, error="What comes late counts for its own day."))
    refused(book)
    wall.time += DAY
    buys(book)


@pytest.mark.parametrize("kind", BOOKS)
def test_what_bears_a_label_has_a_budget_over_all_its_days(kind: str, notebook: Callable[..., Any], wall: Wall) -> None:
    most = Amount.parse("0.10 USD")
    book = notebook(kind, (Budget(Amount.parse("0.06 USD")), Budget(most, label="cats:")))
    for number in range(2):
        buys(book, label=f"cats:{number}")
    assert Amount.parse("0.06 USD") == refused(book, label="cats:2").budget
    wall.time += DAY
    buys(book, label="cats:2")
    error = refused(book, label="cats:3")
    assert (most, None) == (error.budget, error.until)
    assert "The budget of 0.10 USD for all that is called cats:... has no room" in error.message
    assert "Raise the budget to go on" in error.message
    if kind == "journal":
        dogs = notebook(kind, (Budget(most, label="dogs:"),))
        buys(dogs, "0.10 USD", label="dogs:0")
        refused(dogs, label="dogs:1")


def test_a_budget_is_called_what_it_is_for() -> None:
    book = Notes(None, Purse((Budget(Amount.parse("0.01 USD"), "run:", "this run (--spend-at-most)"),), lambda: 0.0))
    assert "The budget of 0.01 USD for this run (--spend-at-most) has" in refused(book, label="run:1").message


def test_a_budget_has_a_label_or_none() -> None:
    with pytest.raises(ValueError, match="label"):
        Budget(Amount.parse("1 USD"), label="")


# What cannot be counted


@pytest.mark.parametrize("kind", BOOKS)
def test_without_a_price_there_is_no_budget(kind: str, notebook: Callable[..., Any]) -> None:
    book = notebook(kind)
    error = raised(lambda: buys(book, None), SettingsError)
    assert ("magnific", "flux-2-klein") == (error.provider, error.model)
    assert 'price = "0.03 USD"' in error.message
    assert () == book.rows()


@pytest.mark.parametrize("kind", BOOKS)
def test_a_price_in_another_currency_is_refused(kind: str, notebook: Callable[..., Any]) -> None:
    book = notebook(kind)
    assert "a budget in EUR, or a price in USD" in raised(lambda: buys(book, "0.03 EUR"), SettingsError).message


def test_what_others_buy_counts_as_far_as_it_can(notebook: Callable[..., Any]) -> None:
    free, book = notebook(budgets=()), notebook()
    buys(free, None)
    buys(free, "9 EUR")
    buys(book)
    row = buys(free, "0.03 EUR")  # that the service counts in dollars is known once it says so
    free.take(note("accepted", row, task=a_task()))
    free.take(note("delivered", task=a_task(state=State.COMPLETED), cost=Amount.parse("0.02 USD")))
    error = refused(book, "0.06 USD")
    assert Amount.parse("0.05 USD") == error.spent
    assert "beside 1 rows whose price is not known" in error.message
    assert "0.05 EUR" not in error.message


@pytest.mark.parametrize("text", [None, "", "much", "1", "NaN USD", "-1 USD", "1 dollar"])
def test_what_is_no_amount_counts_nothing(text: str | None) -> None:
    assert amount_of(text) is None


@pytest.mark.parametrize("wrong", [5, 5.0, Decimal(5), "5", "5 dollars", "-5 USD", "", [], ("5 USD",), True])
def test_what_is_no_budget_is_named(wrong: Any) -> None:
    error = raised(lambda: fluxkit.Client(KLEIN, mock=True, budget=wrong), SettingsError)
    assert "budget is" in error.message
    assert '"5 USD"' in error.message


def test_a_budget_is_a_text_an_amount_or_several_with_their_spans() -> None:
    five = Amount.parse("5 USD")
    several = (Budget(five), Budget(five, label="cats:"))
    assert ((), (Budget(five),)) == (budgets_of(None), budgets_of("5 USD"))
    assert ((Budget(five),), several[1:]) == (budgets_of(five), budgets_of(several[1]))
    assert several == budgets_of(several)


# Several who write


def test_notebooks_on_one_journal_share_it(notebook: Callable[..., Any]) -> None:
    one, other = notebook(), notebook()
    rows = [buys(one), buys(other), buys(one)]
    refused(other)
    other.take(note("refused", rows[0], error="No."))
    refused(one, "0.05 USD")
    buys(one)
    refused(other)


def test_a_transaction_that_is_undone_is_not_counted(notebook: Callable[..., Any]) -> None:
    book = notebook()
    buys(book)

    def fails(store: Any) -> None:
        store.begin("x", an_intent(priced()), DIME)
        raise sqlite3.OperationalError("the disk failed")

    with pytest.raises(fluxkit.JournalUnavailable):
        book.ask(fails)
    assert Amount.parse("0.03 USD") == refused(book, "0.08 USD").spent


def test_what_has_no_room_undoes_nothing_of_what_is_written_beside_it(notebook: Callable[..., Any]) -> None:
    book = notebook()
    buys(book)
    before = book.writer.commits
    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(lambda _: ended(lambda: buys(book)), range(40)))
    assert 2 == sum(isinstance(end, str) for end in ends)
    assert 38 == sum(isinstance(end, BudgetExceeded) for end in ends)
    assert book.writer.commits - before <= 40
    assert 2 + 1 == len(book.writer.held)


def test_many_threads_take_no_more_from_a_purse_than_is_in_it(notebook: Callable[..., Any]) -> None:
    book = notebook("memory", budgets_of("1 USD"))
    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(lambda _: ended(lambda: buys(book)), range(100)))
    assert 33 == sum(isinstance(end, str) for end in ends)


RACER = """
import sys
sys.path.insert(0, ".")
from pathlib import Path
from support.ledger import an_intent
from support.world import a_plan
import attrs
import click.testing
import fluxkit
from fluxkit._contract.budget import budgets_of
from fluxkit._engine.journal.journal import open_journal
from fluxkit_providers.magnific import MAGNIFIC
plan = attrs.evolve(a_plan(MAGNIFIC), price=fluxkit.Amount.parse("0.03 USD"))
journal = open_journal(Path(sys.argv[1]), None, budgets_of("0.60 USD"))
print("ready", flush=True)
sys.stdin.readline()
bought = 0
for _ in range(20):
    try:
        journal.take(an_intent(plan))
        bought += 1
    except fluxkit.BudgetExceeded:
        pass
print(bought, flush=True)
"""


@pytest.mark.slow
def test_two_processes_that_race_for_the_last_cent_spend_it_once(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, tmp_path / "journal"],
            cwd=Path(__file__).parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert "ready\n" == racer.stdout.readline()
    bought = []
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    for racer in racers:
        said, _ = racer.communicate(timeout=30)
        bought.append(int(said))
    assert 20 == sum(bought)
    journal = a_journal(tmp_path / "journal")
    assert 20 == len(journal.rows())
    journal.writer.close()


# How it is counted


def test_it_is_counted_by_an_index_and_then_counted_on(notebook: Callable[..., Any], tmp_path: Path) -> None:
    one, other = notebook(budgets=budgets_of("1 USD")), notebook(budgets=budgets_of("1 USD"))
    asked: list[str] = []
    one.ask(lambda store: store._connection.set_trace_callback(asked.append))

    def readings() -> int:
        count = sum("GROUP BY price, cost" in statement for statement in asked)
        asked.clear()
        return count

    for _ in range(5):
        buys(one)
    assert 1 == readings()
    buys(other)
    buys(one)
    assert 1 == readings()
    buys(one)
    assert 0 == readings()
    connection = sqlite3.connect(tmp_path / "journal")
    for where, index in (
        ("created_at >= 1 AND created_at < 2", "by_day"),
        ("label >= 'cats:' AND label < 'cats;'", "by_label_spent"),
    ):
        query = f"SELECT price, cost, count(*) FROM submits WHERE {where} AND fate <> 'refused' GROUP BY price, cost"
        [plan] = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}") if "submits" in row[3]]
        assert f"USING COVERING INDEX {index}" in plan
    connection.close()


def test_days_and_labels_that_are_over_are_forgotten(notebook: Callable[..., Any], wall: Wall) -> None:
    book = notebook()
    for _ in range(12):
        buys(book, "0.10 USD")
        wall.time += DAY
    assert 10 >= len(book.ask(lambda store: store._tally._kinds))
    purse = Purse(DIME, wall)
    for name in "abc":
        purse.reserve(name, an_intent(priced()))
        wall.time += DAY
    assert [Counter({("0.03 USD", None): 1})] == list(purse._kinds.values())


@pytest.mark.parametrize("time", [0.0, -1.0, 86_399.999999999985, 86_400.0, 1_767_225_599.9999998, 1e12])
def test_every_moment_lies_in_one_day(time: float) -> None:
    span = Span.of(DIME[0], time)
    assert span.holds(time, None)
    assert [False, False] == [Span(day).holds(time, None) for day in (span.day - 1, span.day + 1)]


def test_a_journal_of_before_budgets_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal"
    connection = sqlite3.connect(path)
    connection.executescript(schema.MIGRATIONS[0])
    connection.execute(f"PRAGMA application_id={schema.APPLICATION}")
    connection.execute("PRAGMA user_version=1")
    connection.execute(
        "INSERT INTO submits (row, provider, model, base_url, fate, state, task_id, draft, asked, turn, price, images, "
        "created_at, updated_at) VALUES ('A', 'magnific', 'flux-2-klein', 'https://api.magnific.com', 'unknown', "
        "'unknown', '', ?, '{}', 0, '0.08 USD', '[]', 1767225601.0, 1767225601.0)",
        (a_task("").to_json(),),
    )
    connection.commit()
    connection.close()
    book = attrs.evolve(a_journal(path, now=Wall()), budgets=DIME)
    assert [None] == [row.label for row in book.rows()]
    assert Amount.parse("0.08 USD") == refused(book).spent
    book.writer.close()


# In flows and clients


def test_nothing_is_uploaded_for_what_has_no_room(tmp_path: Path) -> None:
    image = fluxkit.Reference(content=draw(64, 64, prompt="a fox", seed=1))
    plan = attrs.evolve(a_plan(APIMART, references=[image]), price=Amount.parse("1 USD"))
    world = World()
    flow = generate(plan, Manner(timeout=60.0, patience=9.0, place=Place(tmp_path)))
    error = raised(lambda: Driver(world, world, Notes(purse=Purse(DIME, Wall()))).run(flow), BudgetExceeded)
    assert ([], [], "no") == (world.of(Host), world.submits, error.charged)
    assert [] == world.effects


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
@pytest.mark.parametrize("kind", BOOKS)
def test_a_look_reserves_nothing(kind: str, backend: str, notebook: Callable[..., Any]) -> None:
    book = notebook(kind)
    look = Afford("magnific", "flux-2-klein", "0.10 USD")
    for _ in range(2):
        if backend == "sync":
            book.afford(look)
        else:
            anyio.run(book.afford_async, look, backend=backend)
    buys(book)
    if backend == "sync":
        raised(lambda: book.afford(look), BudgetExceeded)
    else:
        raised(lambda: anyio.run(book.afford_async, look, backend=backend), BudgetExceeded)
    for none in (notebook(budgets=()), Notes()):
        none.afford(look)
        anyio.run(none.afford_async, look)


def test_of_several_images_those_come_that_there_is_room_for(notebook: Callable[..., Any], tmp_path: Path) -> None:
    bought = iter("abc")

    def answer(call: Any, _: World) -> Any:
        return accepted(MAGNIFIC, next(bought)) if call.buys else completed(MAGNIFIC)

    flow = generate(priced(n=5), Manner(timeout=60.0, patience=9.0, place=Place(tmp_path)))
    world, book = World(answer), notebook()
    result = Driver(world, world, book).run(flow)
    assert (3, 3) == (len(result.tasks), len(world.submits))
    assert [BudgetExceeded, BudgetExceeded] == [type(error) for error in result.errors]


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
def test_each_of_many_has_its_own_error_and_the_next_day_goes_on(backend: str) -> None:
    mock = MockService([MAGNIFIC], progression="at once")
    settings = {"mock": mock, "price": "0.03 USD", "budget": "0.10 USD"}
    prompts = [f"fox {number}" for number in range(6)]
    if backend == "sync":
        with fluxkit.Client(KLEIN, **settings) as client:
            errors = [finished.error for finished in client.generate_many(prompts, fetch=False)]
            client.close()
            raised(lambda: client.submit("one more"), BudgetExceeded)  # to close a client forgets nothing
            mock.clock.advance(DAY)
            client.submit("one more")
    else:

        async def main() -> list[Any]:
            async with fluxkit.AsyncClient(KLEIN, **settings) as client:
                errors = [finished.error async for finished in client.generate_many(prompts, fetch=False)]
                mock.clock.advance(DAY)
                await client.submit("one more")
                return errors

        errors = anyio.run(main, backend=backend)
    found = [error for error in errors if error is not None]
    assert [BudgetExceeded] * 3 == [type(error) for error in found]
    assert len({id(error) for error in found}) == 3
    assert 4 == mock.billed


def test_a_budget_that_would_be_forgotten_is_refused() -> None:
    error = raised(lambda: fluxkit.Client(KLEIN, key="k", journal="off", budget="5 USD"), SettingsError)
    assert '"memory"' in error.message
    fluxkit.Client(KLEIN, key="k", journal="memory", budget="5 USD").close()
    fluxkit.Client(KLEIN, mock=True, journal="off", budget="5 USD").close()


def test_a_command_line_names_a_budget_and_says_when_it_is_used_up() -> None:
    def run(*arguments: str) -> click.testing.Result:
        words = ["generate", "a fox", "-p", KLEIN, "--offline", "--no-fetch", *arguments]
        done = click.testing.CliRunner().invoke(program, words, env={"FLUXKIT_CONFIG": os.devnull})
        assert "Traceback" not in done.stderr
        return done

    assert "What an image of magnific:flux-2-klein costs is not known" in run("--budget", "5 USD").stderr
    wrong = run("--budget", "5")
    assert (2, "budget is '5'" in wrong.stderr) == (wrong.exit_code, True)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_event_loop_hears_that_there_is_no_room(backend: str, notebook: Callable[..., Any]) -> None:
    book = notebook()

    async def main() -> None:
        await book.take_async(an_intent(priced("0.10 USD")))
        with pytest.raises(BudgetExceeded):
            await book.take_async(an_intent(priced()))

    anyio.run(main, backend=backend)
    assert (1, 1) == (len(book.rows()), len(book.writer.held))


def test_an_error_as_plain_values_says_how_much_there_was(notebook: Callable[..., Any]) -> None:
    book = notebook()
    buys(book, "0.08 USD")
    facts = describe(refused(book))
    assert ("0.10 USD", "0.08 USD", "0.03 USD", 1_767_312_000.0) == tuple(
        facts[name] for name in ("budget", "spent", "price", "until")
    )
    assert json.dumps(facts)
    assert {"budget": None, "until": None}.items() <= describe(BudgetExceeded("No.")).items()


@pytest.mark.slow
def test_a_profile_keeps_its_budget_over_several_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mock = MockService([MAGNIFIC], progression="at once", clock=WallClock())
    with Server(mock) as server:
        Path("fluxkit.toml").write_text(
            f'default = "hero"\n[profiles.hero]\nprovider = "{KLEIN}"\nprice = "0.03 USD"\nbudget = "0.05 USD"\n'
            f'base_url = "{server.base_url("magnific")}"\nkey = "test"\njournal = "journal.sqlite"\n'
        )
        runs = []
        for more in ([], ["--json"], ["--budget", "0.06 USD"], ["--budget", "0.10 USD", "-n", "2"]):
            words = ["generate", "a fox", "-o", str(tmp_path), *more]
            runs.append(click.testing.CliRunner().invoke(program, words, env={"FLUXKIT_CONFIG": os.devnull}))
    assert [0, 2, 0, 11] == [each.exit_code for each in runs], runs[0].stderr
    assert "Nothing was bought" not in runs[3].stderr
    assert "error: The budget of 0.05 USD for a day has no room" in runs[1].stderr
    said = json.loads(runs[1].stdout)
    assert ("BudgetExceeded", "0.03 USD", "no") == (said["error"], said["spent"], said["charged"])
    assert 3 == mock.billed
    writer_at(Path("journal.sqlite")).close()

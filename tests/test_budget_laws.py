"""Whatever happens on whichever notebook: a budget is never exceeded by what was expected, and what fits is bought."""

import shutil
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ledger import Wall, a_journal, a_task, an_intent, note
from support.world import a_plan, ended

from fluxkit import Amount, BudgetExceeded
from fluxkit._contract.budget import DAY, budgets_of
from fluxkit._contract.task import State
from fluxkit._engine.notes import Notes
from fluxkit._engine.spending import Purse, spent
from fluxkit_providers.magnific import MAGNIFIC

PLAN = a_plan(MAGNIFIC)
BUDGET = Decimal("0.3")
#: Of the floats that look like these, 0.1 + 0.2 is more than 0.3.
PRICES = st.sampled_from(["0", "0.000000000001", "0.033333333333", "0.1", "0.100000000000", "0.2", "0.3", "0.7"])
BUYS = st.tuples(st.just("buys"), st.integers(0, 2), PRICES)
HEARS = st.tuples(st.sampled_from(["accepted", "refused", "unknown"]), st.integers(0, 2), st.integers(0, 9))
COSTS = st.tuples(st.just("delivered"), st.integers(0, 9), st.none() | PRICES)
PASSES = st.tuples(st.just("passes"), st.just(0), st.sampled_from([1.0, DAY / 3, float(DAY)]))
STORIES = st.lists(BUYS | BUYS | HEARS | COSTS | PASSES, max_size=25)


@attrs.define(eq=False)
class Bought:
    """A row as the law sees it."""

    names: list[str]
    day: int
    price: Decimal
    cost: Decimal | None = None
    fate: str = "intent"

    @property
    def counts(self) -> Decimal:
        return Decimal(0) if self.fate == "refused" else self.price if self.cost is None else self.cost


def tell(story: list[Any], books: list[Any], wall: Wall) -> None:
    """Lets a story happen on notebooks that share what was spent, and checks each purchase against the law."""
    rows: list[Bought] = []
    for kind, which, what in story:
        today = int(wall.time // DAY)
        row = rows[what % len(rows)] if kind in ("accepted", "refused", "unknown") and rows else None
        if kind == "buys":
            before = sum((each.counts for each in rows if each.day == today), Decimal(0))
            plan = attrs.evolve(PLAN, price=Amount(Decimal(what), "USD"))
            end = ended(lambda: books[which % len(books)].take(an_intent(plan)))  # noqa: B023 - it is run here
            if before + Decimal(what) <= BUDGET:
                assert isinstance(end, str)
                rows.append(Bought([end], today, Decimal(what)))
            else:
                assert isinstance(end, BudgetExceeded)
                assert Amount(before, "USD") == end.spent
        elif kind == "passes":
            wall.time += what
        elif kind == "delivered" and rows:
            row = rows[which % len(rows)]
            if row.fate == "accepted":
                cost = None if what is None else Amount(Decimal(what), "USD")
                task = a_task(row.names[0], state=State.COMPLETED)
                books[which % len(books)].take(note("delivered", task=task, cost=cost))
                row.fate, row.cost = "delivered", None if what is None else Decimal(what)
        elif row is not None and row.fate in ("intent", "unknown"):
            facts = {"task": a_task(row.names[0])} if kind == "accepted" else {"error": "No."}
            books[which % len(books)].take(note(kind, row.names[0], **facts))
            row.fate = kind


@pytest.mark.slow
@settings(max_examples=40)
@given(STORIES)
def test_several_notebooks_on_one_journal_keep_a_budget(story: list[Any]) -> None:
    place, wall = Path(tempfile.mkdtemp()), Wall()
    books = [attrs.evolve(a_journal(place / "journal", now=wall), budgets=budgets_of("0.3 USD")) for _ in range(3)]
    try:
        tell(story, books, wall)
    finally:
        for book in books:
            book.writer.close()
        shutil.rmtree(place)


@given(STORIES)
def test_notes_in_memory_keep_a_budget(story: list[Any]) -> None:
    wall = Wall()
    tell(story, [Notes(purse=Purse(budgets_of("0.3 USD"), wall))], wall)


@given(st.lists(st.tuples(st.decimals(0, 10**6, places=12), st.integers(1, 10**5))))
def test_sums_are_exact(prices: list[tuple[Decimal, int]]) -> None:
    kinds: dict[Any, int] = {}
    for price, count in prices:
        kinds[f"{price:f} USD", None] = kinds.get((f"{price:f} USD", None), 0) + count
    total, unpriced = spent(kinds, "USD")
    smallest = 10**12
    assert sum(int(price * smallest) * count for price, count in prices) == int(total.number * smallest)
    assert 0 == unpriced

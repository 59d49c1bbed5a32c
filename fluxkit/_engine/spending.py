"""What rows come to in money, and whether a budget has room for one more. Pure: the journal and the notes share it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import attrs

from .._contract.amount import Amount
from .._contract.budget import Budget, Span
from .._contract.journal import Fate, Row
from .._contract.task import State
from ..errors import BudgetExceeded, SettingsError
from .books import applied, begun, named
from .effects import Afford, Note

#: What rows are counted by: their price, and their cost once the service has said it.
Kind = tuple[str | None, str | None]

#: After such notes no amount of a row changes any more.
_LAST = ("refused", "delivered")


def kind_of(row: Row) -> Kind | None:
    """What a row is counted as; None if it is known that nothing was bought.

    Of what nobody knows the price stays reserved, also if somebody has settled it by hand: it may be on the bill.
    """
    return None if row.fate is Fate.REFUSED else (row.price, row.cost)


def amount_of(text: str | None) -> Amount | None:
    """An amount as the journal writes it; None if there is none, or what stands there is none."""
    number, _, currency = (text or "").partition(" ")
    try:
        return Amount(Decimal(number), currency)
    except (InvalidOperation, ValueError):
        return None


def worth(kind: Kind, currency: str) -> Amount | None:
    """What a row of this kind counts in a currency: its cost, or its price as long as no cost is known."""
    price, cost = map(amount_of, kind)
    return next((each for each in (cost, price) if each is not None and each.currency == currency), None)


def spent(kinds: Mapping[Kind, int], currency: str) -> tuple[Amount, int]:
    """What rows come to in a currency, and how many of them have no known amount at all."""
    total, unpriced = Amount(Decimal(0), currency), 0
    for kind, count in kinds.items():
        if (each := worth(kind, currency)) is not None:
            total += each * count
        elif not any(map(amount_of, kind)):
            unpriced += count
    return total, unpriced


def check(budget: Budget, asked: Afford, kinds: Mapping[Kind, int], now: float) -> None:
    """Raises ``BudgetExceeded`` if there is no room left, ``SettingsError`` if nobody can tell. Nothing is bought."""
    who, what = f"{asked.provider}:{asked.model}", budget.period
    facts: dict[str, Any] = {"provider": asked.provider, "model": asked.model}
    price = amount_of(asked.price)
    if price is None:
        raise SettingsError(
            f"What an image of {who} costs is not known, so the budget of {budget.most} for {what} cannot be kept. "
            f'Nothing was bought. State it in the profile or to the client: price = "0.03 {budget.most.currency}".',
            **facts,
        )
    if price.currency != budget.most.currency:
        raise SettingsError(
            f"An image of {who} costs {price}, and the budget of {budget.most} for {what} is in another currency. "
            f"Nothing was bought. Allowed: a budget in {price.currency}, or a price in {budget.most.currency}.",
            **facts,
        )
    total, unpriced = spent(kinds, price.currency)
    if (total + price).number <= budget.most.number:
        return
    until = None if budget.label is not None else float(Span.of(budget, now).end)
    others = f", beside {unpriced} rows whose price is not known" if unpriced else ""
    way_out = (
        "Raise the budget to go on"
        if until is None
        else f"The day ends at {time.strftime('%Y-%m-%d %H:%M', time.gmtime(until))} UTC; to go on before, raise the "
        "budget"
    )
    raise BudgetExceeded(
        f"The budget of {budget.most} for {what} has no room for an image of {who} at {price}: {total} are spent or "
        f"reserved{others}. It was not bought. {way_out}. fluxkit spend shows what was bought.",
        budget=budget.most,
        spent=total,
        price=price,
        until=until,
        **facts,
    )


def affording(row: Row) -> Afford:
    """What is asked of a budget for a row."""
    return Afford(row.provider, row.model, row.price)


@attrs.define(eq=False)
class Purse:
    """Budgets that are kept in memory, for one client, as the journal keeps them for all."""

    budgets: tuple[Budget, ...]
    now: Callable[[], float]
    _kinds: dict[Span, Counter[Kind]] = attrs.field(factory=dict, init=False)
    _open: dict[str, Row] = attrs.field(factory=dict, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def afford(self, asked: Afford) -> None:
        """Looks whether there is room, without taking it; raises what ``reserve`` raises."""
        with self._lock:
            self._check(asked, self.now())

    def reserve(self, name: str, intent: Note) -> None:
        """Takes the price of an intent; raises ``BudgetExceeded`` and ``SettingsError``, and takes nothing then."""
        with self._lock:
            now = self.now()
            row = begun(name, intent, now)
            self._check(affording(row), now)
            self._open[name] = attrs.evolve(row, asked={}, place=None)
            self._count(None, row)

    def hear(self, note: Note) -> None:
        """Counts what a note changes."""
        with self._lock:
            for row in named(self._open.values(), note):
                new = applied(row, note, self.now())
                self._count(row, new)
                over = new.draft.state.ended and new.draft.state is not State.COMPLETED
                if note.kind in _LAST or over:
                    del self._open[row.row]
                else:
                    self._open[row.row] = new

    def _check(self, asked: Afford, now: float) -> None:
        spans = {Span.of(budget, now): budget for budget in self.budgets}
        for span in self._kinds.keys() - spans:
            del self._kinds[span]
        for span, budget in spans.items():
            check(budget, asked, self._kinds.setdefault(span, Counter()), now)

    def _count(self, old: Row | None, new: Row) -> None:
        for span, kinds in self._kinds.items():
            if span.holds(new.created_at, new.label):
                recount(kinds, old, new)


def recount(kinds: Counter[Kind], old: Row | None, new: Row) -> None:
    """Counts a row as what it has become."""
    before, after = None if old is None else kind_of(old), kind_of(new)
    if before != after:
        if before is not None:
            kinds[before] -= 1
        if after is not None:
            kinds[after] += 1

"""What a batch has spent, over all of its runs, and what it may still spend. Exact, and never a float."""

import decimal
from collections import Counter
from decimal import Decimal

from .._contract.amount import Amount

#: Sums of amounts that can be written are exact whatever context the caller's thread has.
_EXACT = decimal.Context(prec=64, traps=[])


def share(price: Amount | None, among: int) -> Amount | None:
    """What one of so many images costs that cost *price* together."""
    return price if price is None or among == 1 else Amount(_EXACT.divide(price.number, Decimal(among)), price.currency)


class Account:
    """What is spent, and what is reserved for rows that are under way, against a *limit* if there is one.

    What was bought, or may have been, costs what the service says, or else its price. Amounts that nobody knows are
    counted in ``unknown``; with a limit there are none.
    """

    def __init__(self, limit: Amount | None = None) -> None:
        self.limit = limit
        self.unknown = 0
        self._spent: Counter[str] = Counter()
        self._reserved: dict[int, tuple[Amount, ...]] = {}

    def spend(self, *amounts: Amount | None) -> None:
        """These are spent, whatever the limit says."""
        for amount in amounts:
            if amount is None:
                self.unknown += 1
            else:
                before = Decimal(self._spent.get(amount.currency, 0))
                self._spent[amount.currency] = _EXACT.add(before, amount.number)  # type: ignore[assignment]

    @property
    def spent(self) -> tuple[Amount, ...]:
        """What is spent, in each currency."""
        return tuple(Amount(Decimal(number), currency) for currency, number in sorted(self._spent.items()))

    def committed(self) -> Amount:
        """What is spent and reserved of the limit; only if there is one."""
        assert self.limit is not None  # noqa: S101 - asked only with one
        currency = self.limit.currency
        total = Decimal(self._spent.get(currency, 0))
        for amounts in self._reserved.values():
            for amount in amounts:
                total = _EXACT.add(total, amount.number if amount.currency == currency else Decimal(0))
        return Amount(total, currency)

    def reserve(self, number: int, *amounts: Amount | None, firm: tuple[Amount | None, ...] = ()) -> bool:
        """Reserves *amounts* for a row, beside *firm* ones that are bought already; False if the limit has no room."""
        known = tuple(amount for amount in amounts if amount is not None)
        if self.limit is not None and known:
            total = self.committed()
            for amount in known:
                total += amount
            if total.number > self.limit.number:
                return False
        self._reserved[number] = (*known, *(amount for amount in firm if amount is not None))
        return True

    def settle(self, number: int, *amounts: Amount | None) -> None:
        """What was reserved for a row is free again, and *amounts* are spent."""
        self._reserved.pop(number, None)
        self.spend(*amounts)

"""Accounts: what is left of the credit at each service, if there is an end to it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation

import attrs

from fluxkit._contract.by_fields import shown_by_fields
from fluxkit._contract.report import shorten
from fluxkit.errors import OutOfCredit

from .refused import Refused

#: What an image costs on the mock where nobody knows its price, so that every balance ends some day.
UNPRICED = Decimal(1)

#: What is said to be left of an account without end, by a service that has no word for that.
ENDLESS = Decimal(1000)


@shown_by_fields
@attrs.define(eq=False, repr=False)
class Account:
    """The account at one service: what it *began* with, None if without end, and what was *used* of it."""

    began: Decimal | None = None
    used: Decimal = Decimal(0)

    @property
    def left(self) -> Decimal | None:
        """What is left; None if there is no end to it."""
        return None if self.began is None else self.began - self.used


class Accounts:
    """The accounts of a mock, one at each service."""

    def __init__(self, balance: Decimal | float | str | None = None) -> None:
        """Every account begins with *balance*, None being without end."""
        self._balance = amount_of(balance)
        self._kept: dict[str, Account] = {}
        #: Hears that a balance was put.
        self.changed: Callable[[], object] | None = None

    def __iter__(self) -> Iterator[tuple[str, Account]]:
        return iter([*self._kept.items()])

    @property
    def balance(self) -> str | None:
        """What an account begins with, as text; None if without end."""
        return None if self._balance is None else str(self._balance)

    def of(self, provider: str) -> Account:
        """The account at one service."""
        if provider not in self._kept:
            self._kept[provider] = Account(self._balance)
        return self._kept[provider]

    def put(self, balance: Decimal | float | str | None, provider: str | None = None) -> None:
        """Begins anew with a balance, at one service or at all."""
        if provider is None:
            self._balance = amount_of(balance)
            self._kept.clear()
        else:
            self._kept[provider] = Account(amount_of(balance))
        if self.changed is not None:
            self.changed()

    def restore(self, kept: Mapping[str, Sequence[str | None]], balance: str | None) -> None:
        """Takes in what was ``kept`` of a mock that was here before, and its ``balance``."""
        self._balance = amount_of(balance)
        for provider, (began, used) in kept.items():
            self._kept[provider] = Account(None if began is None else Decimal(began), Decimal(used or 0))

    @property
    def kept(self) -> dict[str, tuple[str | None, str]]:
        """What each account began with and what was used of it, as text."""
        return {
            name: (None if each.began is None else str(each.began), str(each.used)) for name, each in self._kept.items()
        }

    def clear(self) -> None:
        """Every account is what it was when it was begun last."""
        for account in self._kept.values():
            account.used = Decimal(0)

    def check(self, provider: str, price: Decimal | None) -> None:
        """``Refused`` as the service refuses what its account cannot pay."""
        account = self.of(provider)
        if account.began is None:
            return
        if account.began - account.used < (UNPRICED if price is None else price):
            raise Refused(OutOfCredit)

    def spend(self, provider: str, price: Decimal | None) -> None:
        """Takes the price of an image from an account."""
        self.of(provider).used += UNPRICED if price is None else price

    def refund(self, provider: str, price: Decimal | None) -> None:
        """Gives the price of an image back."""
        self.of(provider).used -= UNPRICED if price is None else price


def amount_of(said: Decimal | float | str | None) -> Decimal | None:
    """A balance as it is said; ``ValueError`` for what is none."""
    if said is None:
        return None
    try:
        if isinstance(said, bool):
            raise ValueError
        amount = Decimal(str(said))
        if not amount.is_finite() or amount < 0 or amount > 10**12:
            raise ValueError
    except (InvalidOperation, ValueError):
        raise ValueError(
            f"The balance is {shorten(said)}. Allowed: a number from 0 up to a million millions, or no balance for an "
            "account without end."
        ) from None
    return amount

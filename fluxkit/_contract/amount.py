"""An amount of money: a decimal number and a currency. Never a float: of 0.1 + 0.2 one would have to pay the rest."""

import decimal
import re
from decimal import Decimal
from typing import Any, Self

import attrs

from .by_fields import by_fields
from .report import shorten

#: What declared prices and the costs in answers are counted in.
DOLLARS = "USD"

_AMOUNT = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?) ([A-Z]{3})")
_CURRENCY = re.compile(r"[A-Z]{3}")

#: Sums are the same whatever context the caller's thread has, and of amounts that can be written none is rounded.
_EXACT = decimal.Context(prec=64, traps=[])


def _not_negative(_: object, __: object, number: Any) -> None:
    if not isinstance(number, Decimal) or not number.is_finite() or number < 0:
        raise ValueError(f"{shorten(number)} is no number of an amount: give a Decimal that is not negative")


def _known_form(_: object, __: object, currency: Any) -> None:
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise ValueError(f"{shorten(currency)} is no currency: give its three capital letters, such as 'USD'")


@by_fields
@attrs.frozen(eq=False, repr=False)
class Amount:
    """Money: ``Amount.parse("0.03 USD")``. Equal currencies add up, and whole numbers multiply.

    ``number`` is a ``Decimal`` that is not negative, ``currency`` three capital letters as in ISO 4217. Amounts of one
    currency are equal if their numbers are: 0.030 USD is 0.03 USD.

    Raises ``ValueError`` for what is no amount, and for a sum of two currencies.
    """

    number: Decimal = attrs.field(validator=_not_negative)
    currency: str = attrs.field(validator=_known_form)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The amount that is written as "0.03 USD": a number with a point, one space, the currency."""
        found = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise ValueError(
                f"{shorten(text)} is no amount: write a number and a currency as one text, such as '0.03 USD'"
            )
        return cls(Decimal(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.number:f} {self.currency}"

    def __add__(self, other: "Amount") -> "Amount":
        if not isinstance(other, Amount):
            return NotImplemented
        if other.currency != self.currency:
            raise ValueError(f"{self} and {other} are of two currencies, which do not add up")
        return Amount(_EXACT.add(self.number, other.number), self.currency)

    def __mul__(self, times: int) -> "Amount":
        if not isinstance(times, int) or isinstance(times, bool):
            return NotImplemented
        return Amount(_EXACT.multiply(self.number, Decimal(times)), self.currency)

    __rmul__ = __mul__

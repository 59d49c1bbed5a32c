"""What may be spent: in one day by all who share a journal, or for what bears a label, as all runs of a batch do."""

from typing import Any, Final

import attrs
from attrs import validators

from ..errors import SettingsError
from .amount import Amount
from .by_fields import by_fields
from .report import shorten

#: Seconds of a day. Days are those of UTC, which begin at its multiples.
DAY: Final = 86_400


@by_fields
@attrs.frozen(eq=False, repr=False)
class Budget:
    """At most so much may be spent: in one day, or with a *label* on all rows whose label begins so, whenever.

    *purpose* is what a message calls those rows, such as ``"the batch"``.
    """

    most: Amount
    label: str | None = attrs.field(default=None, validator=validators.optional(validators.min_len(1)))
    purpose: str | None = attrs.field(default=None, eq=False)

    @property
    def period(self) -> str:
        """For what it is, in words."""
        return self.purpose or ("a day" if self.label is None else f"all that is called {self.label}...")


#: What a client takes as its budget, beside a text; of several each must have room.
Limits = Amount | Budget | tuple[Budget, ...]


def budgets_of(budget: "str | Limits | None") -> tuple[Budget, ...]:
    """The budgets that a client is to keep, read and checked; raises ``SettingsError`` for what is none."""
    match budget:
        case None:
            return ()
        case Budget():
            return (budget,)
        case Amount():
            return (Budget(budget),)
        case tuple() if all(isinstance(each, Budget) for each in budget):
            return budget
    try:
        return (Budget(Amount.parse(_text(budget))),)
    except ValueError:
        raise SettingsError(
            f'budget is {shorten(budget)}. Allowed: text with a number and a currency, such as "5 USD": '
            "what may be spent in one day."
        ) from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


@by_fields
@attrs.frozen(eq=False, repr=False)
class Span:
    """The rows that count for a budget: those that were begun on one *day*, or those whose label begins so."""

    day: int = 0
    label: str | None = None

    @classmethod
    def of(cls, budget: Budget, now: float) -> "Span":
        """The span for which a budget counts *now*, in seconds since the epoch."""
        return cls(label=budget.label) if budget.label is not None else cls(int(now // DAY))

    @property
    def begin(self) -> int:
        """When the day begins, in seconds since the epoch."""
        return self.day * DAY

    @property
    def end(self) -> int:
        """When the day is over, in seconds since the epoch."""
        return self.begin + DAY

    def holds(self, created_at: float, label: str | None) -> bool:
        """Whether a row counts that was begun then, and bears that label."""
        if self.label is not None:
            return label is not None and label.startswith(self.label)
        return self.begin <= created_at < self.end

"""The bill: what was bought, what it cost, and what was given back."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from fluxkit._contract.by_fields import by_fields
from fluxkit.provider import State

from .accounts import Accounts
from .dialect import Dialect
from .mishaps import ENDINGS
from .tasks import MockTask


@by_fields
@attrs.frozen(eq=False, repr=False)
class Charge:
    """What was bought: one image of a task, at a time in seconds since the epoch; *refunded* if it was given back."""

    provider: str
    model: str
    task: str
    at: float
    amount: Decimal | None = None
    refunded: bool = False


@attrs.define(eq=False, repr=False)
class Bill:
    """The bill of one mock, and the accounts that pay it. *tell* hears of each change."""

    accounts: Accounts
    _tell: Callable[[str, Any], object]
    charges: list[Charge] = attrs.field(init=False, factory=list)
    refunded: int = attrs.field(init=False, default=0)

    @property
    def images(self) -> int:
        """How many images were bought, without those that were given back."""
        return len(self.charges) - self.refunded

    def charge(self, task: MockTask, cost: Decimal | None, now: float) -> None:
        """Charges what a task costs to the account, which can pay it."""
        provider = task.provider.name
        self.accounts.spend(provider, cost)
        charge = Charge(provider, task.model.name, task.id, now, cost)
        self.charges.append(charge)
        self._tell("bill", charge)
        self._tell("task", task.id)

    def refund(self, dialect: Dialect, task: MockTask) -> None:
        """Gives back what a task has cost that has failed, once that is told, at a service that does so."""
        if task.refunded or ENDINGS[task.ending] is State.COMPLETED or not dialect.refunds:
            return
        task.refunded = True
        self.refunded += 1
        number = next(number for number, each in enumerate(self.charges) if each.task == task.id)
        self.charges[number] = attrs.evolve(self.charges[number], refunded=True)
        self.accounts.refund(dialect.provider.name, cost_of(task))
        self._tell("bill", self.charges[number])

    def clear(self) -> None:
        """Nothing was bought."""
        self.charges.clear()
        self.refunded = 0
        self.accounts.clear()

    def restore(self, charges: Iterable[Mapping[str, Any]]) -> None:
        """Takes in the charges of a mock that was here before, as they were kept."""
        for kept in charges:
            amount = kept["amount"]
            self.charges.append(Charge(**{**kept, "amount": None if amount is None else Decimal(amount)}))
        self.refunded = sum(each.refunded for each in self.charges)


def cost_of(task: MockTask) -> Decimal | None:
    """What a task costs; None if nobody knows."""
    price = task.model.price
    return None if price is None else price.of(task.point.pixels, len(task.values.get("references", ())))

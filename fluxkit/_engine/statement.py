"""What was spent, by day and by model, as the rows of a journal say it. Pure."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from .._contract.amount import Amount
from .._contract.budget import DAY
from .._contract.journal import Fate
from .spending import amount_of

#: Amounts of several currencies, one of each, which do not add up.
Sum = tuple[Amount, ...]


@attrs.frozen
class Alike:
    """How many rows of one *day*, counted from the epoch, are alike in all else; amounts are texts of the journal."""

    day: int
    provider: str
    model: str
    base_url: str
    fate: str
    price: str | None
    cost: str | None
    count: int


@attrs.frozen
class Entry:
    """What some rows come to.

    ``bought`` are the images that a service has accepted: ``cost`` is what it charged as far as it said so, and
    ``expected`` what the others were to cost. ``unknown`` are submits of which it is not known whether they were
    bought, and ``reserved`` their price. ``unpriced`` is how many of both have no known amount.
    """

    bought: int
    cost: Sum
    expected: Sum
    unknown: int
    reserved: Sum
    unpriced: int

    @classmethod
    def of(cls, rows: Sequence[Alike]) -> "Entry":
        """What rows come to; those of which it is known that nothing was bought come to nothing."""
        accepted = [row for row in rows if row.fate == Fate.ACCEPTED.name.lower()]
        unknown = [row for row in rows if row.fate in (Fate.UNKNOWN.name.lower(), Fate.INTENT.name.lower())]
        return cls(
            bought=sum(row.count for row in accepted),
            cost=_sum((amount_of(row.cost), row.count) for row in accepted),
            expected=_sum((amount_of(row.price), row.count) for row in accepted if amount_of(row.cost) is None),
            unknown=sum(row.count for row in unknown),
            reserved=_sum((amount_of(row.price), row.count) for row in unknown),
            unpriced=sum(row.count for row in (*accepted, *unknown) if not any(map(amount_of, (row.price, row.cost)))),
        )

    def to_dict(self) -> dict[str, Any]:
        """The entry as plain values; amounts as text by currency, so that nothing is rounded."""
        return {
            name: {amount.currency: f"{amount.number:f}" for amount in value} if isinstance(value, tuple) else value
            for name, value in attrs.asdict(self, recurse=False).items()
        }


def _sum(amounts: Iterable[tuple[Amount | None, int]]) -> Sum:
    sums: dict[str, Amount] = {}
    for amount, count in amounts:
        if amount is not None:
            before = sums.get(amount.currency, amount * 0)
            sums[amount.currency] = before + amount * count
    return tuple(sums[currency] for currency in sorted(sums))


@attrs.frozen
class Line:
    """The entry of one model on one day (UTC)."""

    day: str
    provider: str
    model: str
    base_url: str
    entry: Entry

    def to_dict(self) -> dict[str, Any]:
        """The line as plain values."""
        return {**attrs.asdict(self, filter=attrs.filters.exclude("entry")), **self.entry.to_dict()}


@attrs.frozen
class Statement:
    """What was spent: a line for each day and model, the oldest first, and all of it together."""

    lines: tuple[Line, ...]
    total: Entry

    @classmethod
    def of(cls, rows: Sequence[Alike]) -> "Statement":
        """The statement of some rows."""
        groups: dict[tuple[int, str, str, str], list[Alike]] = {}
        for row in rows:
            if row.fate != Fate.REFUSED.name.lower():
                groups.setdefault((row.day, row.provider, row.model, row.base_url), []).append(row)
        lines = [
            Line(day_named(day), provider, model, base_url, Entry.of(groups[day, provider, model, base_url]))
            for day, provider, model, base_url in sorted(groups)
        ]
        return cls(tuple(lines), Entry.of(rows))

    def to_dict(self) -> Mapping[str, Any]:
        """The statement as plain values, for JSON."""
        return {"spent": [line.to_dict() for line in self.lines], "total": self.total.to_dict()}


def day_named(day: int) -> str:
    """A day as its date."""
    return (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()


def beginning(since: str, now: float) -> float | None:
    """The moment that a text names: ``7d`` (that many days, today among them), ``24h``, or a date; None if it is none.

    In seconds since the epoch, as *now* is. Days are those of UTC.
    """
    number, unit = since[:-1], since[-1:]
    if unit in ("d", "h") and number.isascii() and number.isdigit() and len(number) < 6 and int(number):
        return float((now // DAY + 1 - int(number)) * DAY) if unit == "d" else now - int(number) * 3600.0
    try:
        day = dt.datetime.strptime(since, "%Y-%m-%d").replace(tzinfo=dt.UTC)
    except ValueError:
        return None
    return day.timestamp()

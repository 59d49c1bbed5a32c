"""What the rows of a day, or with a label, come to, as the file has them, within a transaction of whoever asks."""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from typing import Final

from ..._contract.budget import Budget, Span
from ..._contract.journal import Fate, Row
from ..spending import Kind, recount

_KINDS: Final = "SELECT price, cost, count(*) FROM submits WHERE {} AND fate <> ? GROUP BY price, cost"
_OF_LABEL: Final = _KINDS.format("label >= ? AND label < ?")
_OF_DAY: Final = _KINDS.format("created_at >= ? AND created_at < ?")

#: So many spans are kept: today's, yesterday's of a process that runs at midnight, and those of some labels.
_MOST: Final = 8


def past(begin: str) -> str:
    """The first text after all that begin so."""
    return begin[:-1] + chr(ord(begin[-1]) + 1)


class Tally:
    """How many rows there are of each price and cost in a span of the journal.

    It is read from the rows, by an index, and then counted on as long as nobody else writes the file: SQLite says so
    (https://sqlite.org/pragma.html#pragma_data_version). So a budget costs as little with many rows as with few.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._version = -1
        self._kinds: dict[Span, Counter[Kind]] = {}

    def of(self, budget: Budget, now: float) -> Mapping[Kind, int]:
        """What counts for a budget now."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version or len(self._kinds) > _MOST:
            self._kinds.clear()
            self._version = version
        span = Span.of(budget, now)
        if span not in self._kinds:
            self._kinds[span] = self._read(span)
        return self._kinds[span]

    def changed(self, old: Row | None, new: Row) -> None:
        """Counts a row that was written as what it has become."""
        for span, kinds in self._kinds.items():
            if span.holds(new.created_at, new.label):
                recount(kinds, old, new)

    def forget(self) -> None:
        """Reads the rows anew when it is asked next."""
        self._kinds.clear()

    def _read(self, span: Span) -> Counter[Kind]:
        query: str = _OF_DAY
        bounds: list[int | str] = [span.begin, span.end]
        if span.label is not None:
            query, bounds = _OF_LABEL, [span.label, past(span.label)]
        found = self._connection.execute(query, (*bounds, Fate.REFUSED.name.lower()))
        return Counter({(price, cost): count for price, cost, count in found})

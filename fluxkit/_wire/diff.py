"""What would change if a request moved from one model to another: a value that prints as a table."""

import enum
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import attrs

from .._contract.amount import Amount
from .._contract.by_fields import by_fields

#: The names of fields are at most so wide in a table; longer ones are wrapped, as all else is.
WIDEST_FIELD = 18

#: The least width of a table: below it the columns would hold a few letters each.
LEAST_WIDTH = 60


class Change(enum.StrEnum):
    """What becomes of a field, or of a fact, on the way from one model to the other."""

    SAME = "same"
    DIFFERS = "differs"
    GAINED = "gained"
    LOST = "lost"
    APPROXIMATED = "approximated"
    DROPPED = "dropped"
    REFUSED = "refused"


@by_fields
@attrs.frozen(eq=False, repr=False)
class DiffRow:
    """One field of the request, or one fact about the models: what *a* does with it, what *b* does, and the change.

    ``note`` compares the two in numbers, where there are any.
    """

    field: str
    a: str
    b: str
    change: Change
    note: str = ""


@by_fields
@attrs.frozen(eq=False, repr=False)
class Side:
    """One of the two models: what it would make of the request, and why it would not.

    ``pixels`` and ``price`` are None where they are not known. ``refused`` are the fields that it cannot serve,
    ``refusal`` the message that says so, ``settings`` the lines of a profile that would let them through, and ``firm``
    those that no setting lets through: for them the request has to change.
    """

    provider: str
    model: str
    pixels: tuple[int, int] | None = None
    price: Amount | None = None
    refused: tuple[str, ...] = ()
    refusal: str | None = None
    settings: tuple[str, ...] = ()
    firm: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``provider:model``."""
        return f"{self.provider}:{self.model}"

    def to_dict(self) -> dict[str, Any]:
        """The side as plain values."""
        width, height = self.pixels or (None, None)
        return {
            "provider": self.provider,
            "model": self.model,
            "width": width,
            "height": height,
            "price": None if self.price is None else str(self.price),
            "refused": list(self.refused),
            "refusal": self.refusal,
            "settings": list(self.settings),
            "firm": list(self.firm),
        }


@by_fields
@attrs.frozen(eq=False, repr=False)
class Diff:
    """What would change when a request moves from model *a* to model *b*; ``str`` of it is a table.

    The rows speak of every field that the request fills, and of what comes and costs. Nothing was sent.
    """

    a: Side
    b: Side
    rows: tuple[DiffRow, ...]

    @property
    def switchable(self) -> bool:
        """Whether *b* can serve the request as the settings stand."""
        return not self.b.refused

    @property
    def lossless(self) -> bool:
        """Whether *b* serves the request and neither approximates nor drops a field that *a* serves better."""
        return self.switchable and not self._losses

    @property
    def changes(self) -> tuple[DiffRow, ...]:
        """The rows in which the two differ."""
        return tuple(row for row in self.rows if row.change is not Change.SAME)

    @property
    def _losses(self) -> list[DiffRow]:
        return [row for row in self.rows if row.change in (Change.APPROXIMATED, Change.DROPPED)]

    @property
    def verdict(self) -> str:
        """Whether the request can move, in one line."""
        if not self.switchable:
            text = f"{self.b.name} cannot serve this request: it refuses {_listed(self.b.refused)}."
        elif not self.changes:
            text = "Nothing would change."
        elif losses := [f"{row.field} is {row.change}" for row in self._losses]:
            text = f"{self.b.name} can serve this request, with losses: {_listed(losses)}."
        else:
            text = f"{self.b.name} can serve every field of this request as well."
        if self.a.refused and self.a.name != self.b.name:
            text += f" {self.a.name} refuses {_listed(self.a.refused)}."
        return _plain(text)

    def lines(self, width: int = 80) -> Iterator[tuple[Change | None, str]]:
        """The lines of the table, none wider than *width* columns (but at least 60), each with its row's change."""
        cells = [
            (row.field, row.a, f"{row.b} ({row.note})" if row.note else row.b, str(row.change)) for row in self.rows
        ]
        names, changes = min(_widest(cells, 0), WIDEST_FIELD), _widest(cells, 3)
        room = max(width, LEAST_WIDTH) - names - changes - 6
        one, other = _shared(room, max(4, _widest(cells, 1)), max(4, _widest(cells, 2)))
        widths = (names, one, other, changes)
        yield None, _laid_out(("", "from", "to", ""), widths)
        for row, cell in zip(self.rows, cells, strict=True):
            parts = (textwrap.wrap(_plain(text), width) for text, width in zip(cell, widths, strict=True))
            for line in zip_longest(*parts, fillvalue=""):
                yield row.change, _laid_out(line, widths)

    def table(self, width: int = 80) -> str:
        """The rows as a table, no line wider than *width* columns."""
        return "\n".join(line for _, line in self.lines(width))

    def __str__(self) -> str:
        return f"{self.table()}\n\n{self.verdict}"

    def to_dict(self) -> dict[str, Any]:
        """The diff as plain values, for JSON and for logs."""
        return {
            "a": self.a.to_dict(),
            "b": self.b.to_dict(),
            "switchable": self.switchable,
            "lossless": self.lossless,
            "rows": [
                {"field": row.field, "a": row.a, "b": row.b, "change": str(row.change), "note": row.note}
                for row in self.rows
            ],
        }


def _listed(names: tuple[str, ...] | list[str]) -> str:
    """Names as a text lists them: "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _widest(cells: Sequence[tuple[str, ...]], column: int) -> int:
    return max(len(cell[column]) for cell in cells)


def _shared(room: int, one: int, other: int) -> tuple[int, int]:
    """The widths of two columns that want *one* and *other*: what one leaves of its half, the other may have."""
    half = room // 2
    return min(one, max(half, room - other)), min(other, max(half, room - one))


def _plain(text: str) -> str:
    """A text without what would steer a terminal: the name of an option may hold anything."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _laid_out(parts: tuple[str, ...], widths: tuple[int, ...]) -> str:
    return "  ".join(f"{part:<{width}}" for part, width in zip(parts, widths, strict=True)).rstrip()

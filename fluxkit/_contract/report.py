"""What a plan does with each field of a request, and how a message shows a value, or why a text is none."""

import enum
import sys
from collections.abc import Iterator
from typing import Any

import attrs

from .by_fields import shown_by_fields


class Outcome(enum.StrEnum):
    """What becomes of a field."""

    AS_ASKED = "as asked"
    APPROXIMATED = "approximated"
    DROPPED = "dropped"
    REFUSED = "refused"


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Verdict:
    """One field: what was *asked*, what is *sent*, and *note*, the reason or the deviation in words."""

    field: str
    outcome: Outcome
    asked: Any
    sent: Any = None
    note: str = ""

    def __str__(self) -> str:
        text = f"{self.field}: {self.outcome}"
        return f"{text} ({self.note})" if self.note else text


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Report:
    """The verdicts on every field that the request fills, in the order of the request."""

    verdicts: tuple[Verdict, ...] = ()

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __getitem__(self, field: str) -> Verdict:
        for verdict in self.verdicts:
            if verdict.field == field:
                return verdict
        raise KeyError(field)

    def of(self, outcome: Outcome) -> tuple[Verdict, ...]:
        """The verdicts with this outcome."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome is outcome)

    def __str__(self) -> str:
        return "\n".join(map(str, self.verdicts))


def showable(name: str, value: Any) -> Any:
    """The value of a field as it may be shown and kept: not what a service is told to sign its webhooks with."""
    return "<not shown>" if name.endswith("secret") else value


def shorten(value: Any, most: int = 60) -> str:
    """A value as a message shows it: its repr, the middle left out if it is long; its type if it has no repr."""
    try:
        text = repr(value[: 2 * most] if isinstance(value, str | bytes) else value)
    except Exception:  # noqa: BLE001 - a user's object may raise anything, and a number of 5,000 digits does
        text = f"<{type(value).__name__}>"
    return text if len(text) <= most else f"{text[: most - 12]}...{text[-8:]}"


def unread(error: Exception) -> str:
    """Why a text could not be read, where a parser raised *error*: in words of ours where Python speaks of its own."""
    if isinstance(error, RecursionError):
        return "it nests too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"it is no UTF-8 at byte {error.start}"
    if str(error).startswith("Exceeds the limit"):
        return f"a number in it has more than {sys.get_int_max_str_digits()} digits"
    return str(error)

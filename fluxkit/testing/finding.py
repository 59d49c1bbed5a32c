"""What a check comes to: a finding, and beside one that fails the deviation that is known."""

import datetime as dt
import difflib
import enum
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from .._contract.report import shorten
from ..errors import SettingsError
from .written import value_of


class Grade(enum.StrEnum):
    """How a check ends."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"


def day_of(value: Any) -> dt.date:
    """The day that a value names; raises ``ValueError`` if it names none."""
    try:
        if isinstance(value, dt.datetime):
            return value.date()
        return value if isinstance(value, dt.date) else dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"date is {value!r}. Allowed: a day, such as 2026-06-29") from None


def said_as_text(_: Any, field: "attrs.Attribute[str]", value: object) -> None:
    """Refuses what is no text, or an empty one."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{field.name} is {value!r}. Allowed: text")


@attrs.frozen
class Deviation:
    """A promise that a provider is known to break: which *check* fails, the *reason*, and the *date* it was seen.

    A check that fails is no surprise then. One that passes is: the deviation must go.
    """

    check: str = attrs.field(validator=said_as_text)
    reason: str = attrs.field(validator=said_as_text)
    date: dt.date = attrs.field(converter=day_of)


@attrs.frozen
class Finding:
    """What one check found.

    *why* is what was broken, or why the check does not apply; *details* are what helps to find it. *known* is the
    deviation that was recorded for it.
    """

    check: str
    outcome: Grade
    why: str = ""
    details: str = ""
    known: Deviation | None = None

    @property
    def surprising(self) -> bool:
        """Whether somebody has to act, on a failure that is not known or on a deviation that is gone."""
        return (self.outcome is Grade.FAIL) is not (self.known is not None)

    @property
    def text(self) -> str:
        """The check with what there is to say about it, on one line."""
        text = f"{self.check}: {self.why}" if self.why else self.check
        if self.known is None:
            return text
        what = "known" if self.outcome is Grade.FAIL else "recorded as a deviation, which must go"
        return f"{text} ({what} since {self.known.date}: {self.known.reason})"

    def __str__(self) -> str:
        return f"{self.outcome}  {self.text}"


def deviations_of(rows: Iterable[Deviation | Mapping[str, Any]], checks: Iterable[str]) -> dict[str, Deviation]:
    """The deviations by their checks; ``SettingsError`` for one that is none, or is of no check or of one twice."""
    known, found = tuple(checks), dict[str, Deviation]()
    for row in rows:
        try:
            deviation = row if isinstance(row, Deviation) else value_of(Deviation, row)
        except ValueError as error:
            raise SettingsError(
                f"A deviation is {shorten(row, 120)}: {error}. Allowed: check, reason and date, all three."
            ) from None
        if deviation.check not in known:
            near = difflib.get_close_matches(deviation.check, known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            said = f"A deviation is of the check {deviation.check!r}, which there is not.{hint}"
            raise SettingsError(f"{said} Allowed: {', '.join(known)}.")
        if deviation.check in found:
            raise SettingsError(f"There are two deviations of the check {deviation.check!r}. Allowed: one.")
        found[deviation.check] = deviation
    return found

"""``fluxkit spend``: what was spent."""

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import FluxError
from .help import Command
from .options import AS_JSON
from .output import printable, put, put_document, say
from .tasks import journal_of, journal_option

if TYPE_CHECKING:
    from .._contract.amount import Amount
    from .._engine.statement import Entry, Line, Statement

#: The columns of the table; those on the left are words, the others amounts.
HEAD = ("day (UTC)", "model", "bought", "cost", "expected", "unknown", "reserved", "unpriced")
WORDS = 2


def _moment(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    from .._engine.statement import beginning

    if value is None:
        return None
    moment = beginning(value, time.time())
    if moment is None:
        raise click.BadParameter(
            f"{value!r} is no moment. Allowed: days such as 7d, hours such as 24h, or a date such as 2026-01-31"
        )
    return moment


@click.command(
    cls=Command,
    examples=("fluxkit spend", "fluxkit spend --since 7d", "fluxkit spend --since 2026-01-01 --json | jq .total.cost"),
)
@click.option(
    "--since",
    metavar="7d|24h|DATE",
    callback=_moment,
    help="Only what was begun since then: 7d is seven days with today, a date is its midnight (UTC).",
)
@journal_option
@AS_JSON
def spend(*, since: float | None, journal: Path | None, as_json: bool) -> None:
    """Show what was spent, by day and model.

    For each stand the images that were bought, what the service said they cost, and what the others were expected to
    cost; then the submits of which nobody knows whether they were bought, and what is reserved for them; and how many
    have no known price. Nothing is asked of a service. Prices can be stated in fluxkit.toml.
    """
    from .._engine.journal.journal import open_journal
    from .._engine.statement import Statement

    statement = Statement.of(open_journal(journal_of(journal)).look(lambda store: store.alike(since)))
    if as_json:
        put_document(statement.to_dict())
        return
    if not statement.lines:
        say("nothing was spent" if since is None else "nothing was spent since then")
        return
    _put_table(statement)
    if statement.total.unpriced:
        say(f'note: {statement.total.unpriced} without a known price are in no sum; state it: price = "0.03 USD"')


def _put_table(statement: "Statement") -> None:
    rows: list[tuple[str, ...]] = [HEAD]
    rows += [(line.day, _whose(line), *_cells(line.entry)) for line in statement.lines]
    rows.append(("total", "", *_cells(statement.total)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if place < WORDS else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        put(printable("  ".join(cells)).rstrip())


def _whose(line: "Line") -> str:
    """The model, and where it was asked if that is not where its declaration says: a mock on a port charges nobody."""
    from .._plugins import installed

    with suppress(FluxError):  # there is no such plugin any more
        if installed().provider(line.provider).base_url == line.base_url:
            return f"{line.provider}:{line.model}"
    return f"{line.provider}:{line.model} at {line.base_url}"


def _cells(entry: "Entry") -> tuple[str, ...]:
    return (
        str(entry.bought),
        _words(entry.cost),
        _words(entry.expected),
        str(entry.unknown or "-"),
        _words(entry.reserved),
        str(entry.unpriced or "-"),
    )


def _words(amounts: "tuple[Amount, ...]") -> str:
    return " + ".join(map(str, amounts)) or "-"

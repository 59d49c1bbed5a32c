"""``fluxkit tasks``: what the journal holds."""

from pathlib import Path

import click

from .._contract.journal import STATES
from .help import Command
from .output import printable, put, put_document, say


def _file(_: click.Context, __: click.Parameter, value: str | None) -> Path | None:
    if value == "off":
        raise click.BadParameter("a journal that is off holds nothing. Allowed: the file of a journal")
    return None if value is None else Path(value)


journal_option = click.option("--journal", metavar="FILE", callback=_file, help="Another journal than the user's own.")
"""Which journal is read; the same in every command that reads one."""


@click.command(cls=Command, examples=("fluxkit tasks", "fluxkit tasks --state unknown --json | jq -r '.tasks[].row'"))
@click.option("--state", type=click.Choice(STATES), metavar="STATE", help=f"Only what stands so: {', '.join(STATES)}.")
@journal_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
def tasks(*, state: str | None, journal: Path | None, as_json: bool) -> None:
    """List what was bought, and how it stands.

    Each submit is a row, the oldest first: its name, the model, how it stands, the task, and the prompt. Nothing is
    asked of a service; fluxkit recover fetches what is still to be had.
    """
    from .._engine.journal.journal import open_journal

    rows = open_journal(journal).rows(**({} if state is None else {"state": state}))
    if as_json:
        put_document({"tasks": [row.to_dict() for row in rows]})
        return
    for row in rows:
        put(printable(str(row)))
    if not rows:
        say("the journal holds nothing" if state is None else f"nothing is {state}")

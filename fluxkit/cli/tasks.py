"""``fluxkit tasks``: what the journal holds."""

import os
from pathlib import Path

import click

from .._contract.journal import STATES
from .complete import files
from .help import Command
from .output import printable, put, put_document, say


def _file(_: click.Context, __: click.Parameter, value: str | None) -> Path | None:
    if value == "off":
        raise click.BadParameter("a journal that is off holds nothing. Allowed: the file of a journal")
    return None if value is None else Path(value)


def journal_of(given: Path | None) -> Path | None:
    """The journal that is meant: the one that is given, or that of the profile in use; None for the user's own."""
    from .._settings.arguments import working_directory
    from .._settings.found import find_settings
    from .profile import profile_in

    if given is not None:
        return given
    setting = profile_in(find_settings(working_directory(), os.environ), None, {}).setting("journal")
    return None if setting is None or setting.value in ("off", "memory") else Path(setting.value)


journal_option = click.option(
    "--journal",
    metavar="FILE",
    callback=_file,
    shell_complete=files,
    help="Another journal than the profile's, or the user's own.",
)
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

    rows = open_journal(journal_of(journal)).rows(**({} if state is None else {"state": state}))
    if as_json:
        put_document({"tasks": [row.to_dict() for row in rows]})
        return
    for row in rows:
        put(printable(str(row)))
    if not rows:
        say("the journal holds nothing" if state is None else f"nothing is {state}")

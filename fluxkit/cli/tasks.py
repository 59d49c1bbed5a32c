"""``fluxkit tasks``: what the journal holds."""

import os
import re
import time
from pathlib import Path

import click

from .._contract.journal import STATES
from ..errors import SettingsError
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
        allowed = (
            "Allowed: a file in which fluxkit has noted what was bought; without --journal it is that of the profile, "
            "or your own."
        )
        if not os.path.lexists(given):  # to make an empty one would be to say that nothing was bought
            raise SettingsError(f"There is no journal {given}. {allowed}")
        if given.is_file() and given.stat().st_size <= 1:  # which SQLite would take for one, and make into one
            raise SettingsError(f"{given} is empty, and no journal. {allowed}")
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


def _days(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})d", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no age. Allowed: days from 1d, such as 90d")
    return int(found[1])


@click.command(
    cls=Command,
    examples=(
        "fluxkit tasks",
        "fluxkit tasks --state unknown --json | jq -r '.tasks[].row'",
        "fluxkit tasks --prune 90d",
    ),
)
@click.option("--state", type=click.Choice(STATES), metavar="STATE", help=f"Only what stands so: {', '.join(STATES)}.")
@click.option(
    "--prune",
    metavar="DAYS",
    callback=_days,
    help="List nothing, and delete rows with which nothing is to be done and that did not change for so long: 90d.",
)
@journal_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
def tasks(*, state: str | None, prune: int | None, journal: Path | None, as_json: bool) -> None:
    """List what was bought, and how it stands.

    Each submit is a row, the oldest first: its name, the model, how it stands, the task, and the prompt. Nothing is
    asked of a service; fluxkit recover fetches what is still to be had.

    No row is deleted by itself. With --prune those go that are finished and older; those of unknown fate, of tasks that
    still run or were not fetched, and those of batches, which tell a batch that is run again what it has, stay whatever
    their age. No image is deleted. What a pruned row has cost is in fluxkit spend no more.
    """
    from .._engine.journal.journal import open_journal

    if prune is not None:
        if state is not None:
            raise click.UsageError("--prune and --state exclude each other")
        before = time.time() - prune * 86_400
        pruned = open_journal(journal_of(journal)).ask(lambda store: store.prune(before))
        if as_json:
            put_document({"pruned": pruned})
        else:
            words, days = ("row" if pruned == 1 else "rows"), ("day" if prune == 1 else "days")
            say(f"pruned: {pruned} {words}, finished {prune} {days} ago or more")
        return
    wanted = {} if state is None else {"state": state}
    rows = open_journal(journal_of(journal)).look(lambda store: store.rows(wanted))
    if as_json:
        put_document({"tasks": [row.to_dict() for row in rows]})
        return
    for row in rows:
        put(printable(str(row)))
    if not rows:
        say("the journal holds nothing" if state is None else f"nothing is {state}")

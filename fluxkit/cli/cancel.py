"""``fluxkit cancel``: stops a task, or says that nobody can."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .._contract.report import shorten
from ..errors import SettingsError
from .complete import files, profiles
from .help import Command
from .options import AS_JSON
from .output import Code, put, put_document
from .recover import check_address, services_of
from .tasks import journal_of, journal_option

if TYPE_CHECKING:
    from .._contract.cancellation import Cancellation
    from .._contract.journal import Row


@click.command(
    cls=Command,
    examples=(
        "fluxkit tasks --state running",
        "fluxkit tasks --state running --json | jq -r '.tasks[].row' \\",
        "    | xargs -r -n 1 fluxkit cancel",
    ),
)
@click.argument("id", metavar="ID")
@click.option("-p", "--provider", metavar="NAME", help="Whose task it is, if two services have one of that name.")
@click.option(
    "--profile", metavar="NAME", help="A profile with the key and the address to use.", shell_complete=profiles
)
@click.option("--base-url", metavar="URL", help="Where the service is, if elsewhere. The key goes there.")
@click.option(
    "--key-file", metavar="FILE|-", help="Read the key from a file, or from stdin for -.", shell_complete=files
)
@journal_option
@AS_JSON
def cancel(**given: Any) -> int:
    """Stop a task that was bought.

    ID is a row of the journal, or the service's own name of the task: see fluxkit tasks. Not every service stops tasks:
    then nothing is asked, and the task goes on and is paid. What is known of its bill is printed, and few services say
    it. The exit code is 0 only if the task is known to be stopped.
    """
    check_address(given["base_url"])
    given["journal"] = journal_of(given["journal"])
    found = _cancelled(_row(given["journal"], given["id"], given["provider"]), given)
    if given["as_json"]:
        put_document(found.to_dict())
    else:
        put(str(found))
    return _code(found)


def _row(journal: Path | None, id: str, provider: str | None) -> "Row":
    """The row that is meant; raises ``SettingsError`` if there is not just one, or no task of it is known."""
    from .._engine.journal.journal import open_journal

    notes = open_journal(journal)
    rows = [row for row in (*notes.rows(row=id), *notes.rows(task_id=id)) if provider in (None, row.provider)]
    if not rows or not id:  # by no name there are those whose name nobody knows
        raise SettingsError(f"The journal has no row or task {shorten(id)}. fluxkit tasks lists those that it has.")
    if len(rows) > 1:
        where = ", ".join(f"{row.row} of {row.provider} at {row.base_url}" for row in rows)
        raise SettingsError(f"The journal has several tasks {shorten(id)}. Allowed: one of its rows: {where}.")
    if rows[0].task is None:
        raise SettingsError(
            f"The row {rows[0].row} is {rows[0].state}: no task of it is known, so none can be stopped. "
            "fluxkit recover says what to do."
        )
    return rows[0]


def _cancelled(row: "Row", given: dict[str, Any]) -> "Cancellation":
    """What becomes of the task. A service that stops none is not asked, so neither key nor address is needed."""
    import attrs

    from .._client import Client
    from .._contract.journal import DELIVERED
    from .._engine.cancel import unasked
    from .._plugins import installed

    task = row.draft
    if row.state == DELIVERED:
        return attrs.evolve(unasked(task), advice=_delivered(row))
    if task.state.ended or installed().provider(row.provider).cancel is None:
        return unasked(task)
    if given["profile"] is not None:
        with Client.from_settings(given["profile"], journal=given["journal"]) as client:
            return client.cancel(task)
    [(_, make)] = services_of([row], {**given, "timeout": None})
    with make() as client:
        return client.cancel(task)


def _delivered(row: "Row") -> str:
    """That there is nothing to stop any more, and where the images are."""
    images = ", ".join(str(image.path) for image in row.images)
    where = f"was fetched to {images}" if images else "was asked for by its link alone, which was given"
    return f"The task {row.task_id} is done, and its image {where}. There is nothing to stop."


def _code(found: "Cancellation") -> Code:
    from .._contract.cancellation import Stopped
    from .._contract.task import State

    if found.stopped:
        return Code.DONE
    return Code.ENDED if found.stopped is Stopped.NO and found.task.state is not State.COMPLETED else Code.UNKNOWN

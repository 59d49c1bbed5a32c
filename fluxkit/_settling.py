"""What both clients make of rows of the journal: which are listed, and how one is settled by hand."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from ._binding import Binding
from ._contract.journal import STATES, Fate, Row, Settled
from ._contract.report import shorten
from ._contract.task import State, Task
from .errors import SettingsError, Unsupported

if TYPE_CHECKING:
    from ._engine.effects import Note
    from ._engine.flows import Manner
    from ._wire.plan import Plan


def wanted(client: Binding, state: str | None) -> dict[str, str]:
    """The facts of the rows that a client lists."""
    if state is not None and state not in STATES:
        raise SettingsError(f"state is {shorten(state)}. Allowed: {', '.join(STATES)}.")
    facts = {"base_url": client.base_url, "provider": client.provider.name}
    return facts if state is None else {**facts, "state": str(state)}


def named(row: object) -> str:
    """The name of a row, of which others hear by what ``tasks`` and ``recover`` give."""
    if not isinstance(row, str) or not row:
        raise SettingsError(f"row is {shorten(row)}. Allowed: the name of a row, as tasks() lists it.")
    return row


def dismissed(client: Binding, row: str, found: Sequence[Row]) -> "Note":
    """The note that nobody shall hear of a row again."""
    _one(client, row, found)
    return _settled(row, Settled.DISMISSED)


def id_of(task_id: object) -> str:
    """The service's name of a task, without what a copied one brings along."""
    if not isinstance(task_id, str) or not task_id.strip():
        raise SettingsError(f"The task's id is {shorten(task_id)}. Allowed: what the service calls it.")
    return task_id.strip()


def adopted(
    client: Binding, row: str, task_id: str, found: Sequence[Row], others: Sequence[Row]
) -> tuple[Task, "Note"]:
    """The task that a row has turned out to be, and the note of that; *others* are the rows that have that id."""
    from ._engine.books import same_task

    old = _unknown(client, row, found)
    task = attrs.evolve(old.draft, id=id_of(task_id), state=State.CREATED, status="", submitted_at=old.created_at)
    for other in others:
        if other.row != row and other.task is not None and same_task(other.task, task):
            raise SettingsError(
                f"The task {shorten(task.id)} is that of the row {other.row} already, which is {other.state}: one task "
                f"is one image that was bought. Nothing was changed. Allowed: the task of the row {row} itself."
            )
    return task, _settled(row, Settled.ADOPTED, task)


def order_again(client: Binding, row: str, found: Sequence[Row]) -> tuple["Plan", "Manner"]:
    """The plan of what a row asked for, and how to go about it, for whoever buys it a second time."""
    from ._engine.books import place_of, request_of

    old = _unknown(client, row, found)
    if old.model != client.model:
        raise SettingsError(
            f"The row {row} is of {old.provider}:{old.model}, and this client makes images with {client.model}. "
            f"Nothing was sent; use a client of {old.provider}:{old.model}."
        )
    request = request_of(old)
    if request is None:
        raise Unsupported(
            f"The journal does not hold all that the row {row} asked for: of images sent in it keeps a digest only. "
            "Nothing was sent. Dismiss the row, and make the request again."
        )
    manner = client._manner(fetch=False)  # noqa: SLF001 - a part of the clients
    manner = attrs.evolve(manner, place=place_of(old) or manner.place, again=row, label=old.label)
    return client._order(client._asked(None, request, {})), manner  # noqa: SLF001


def _one(client: Binding, row: str, found: Sequence[Row]) -> Row:
    old = next(iter(found), None)
    if old is None:
        raise SettingsError(f"The journal has no row {shorten(row)}. tasks() lists those that it has.")
    if (old.provider, old.base_url) != (client.provider.name, client.base_url):
        raise SettingsError(
            f"The row {row} is of {old.provider} at {old.base_url}, and this client speaks to {client.provider.name} "
            f"at {client.base_url}. Nothing was changed; use a client of that provider."
        )
    if not old.open:
        raise SettingsError(f"The row {row} is {old.state}: there is nothing to settle.")
    return old


def _unknown(client: Binding, row: str, found: Sequence[Row]) -> Row:
    old = _one(client, row, found)
    if old.fate not in (Fate.UNKNOWN, Fate.INTENT) and not old.mistaken:
        raise SettingsError(f"The row {row} is known to be task {old.draft.id}: wait for it, or recover().")
    return old


def _settled(row: str, how: Settled, task: Task | None = None) -> "Note":
    from ._engine.effects import Note

    entry = {"row": row, "how": how}
    return Note("settled", entry if task is None else {**entry, "task": task})

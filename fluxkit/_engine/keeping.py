"""How drivers keep the notes of flows, and ask what the notes say: blocking, and without holding up an event loop."""

import logging
from typing import Any

from .ears import Ears
from .effects import Afford, Claim, Claimed, Note, Recall
from .mailbox import Mailbox
from .notes import Notebook

_log = logging.getLogger("fluxkit")

#: What becomes of a submit. Whoever is interrupted while such a note is kept has sent it on its way all the same.
FATES = ("accepted", "refused", "unknown")


def keep_note(note: Note, notes: Notebook, mailbox: Mailbox, ears: Ears | None = None) -> str:
    """Keeps a note, and with it the one that settles a submit, if this one lets a webhook of before do so."""
    row, kept = "", False
    try:
        row = notes.take(note)
        kept = True
    finally:
        if (kept or note.kind in FATES) and (settled := _told(note, row, mailbox, ears)) is not None:
            try:
                keep_note(settled, notes, mailbox, ears)
            except Exception as error:  # noqa: BLE001 - the fate of the submit is noted, and matters more
                _not_settled(settled, error)
    return row


async def keep_note_async(note: Note, notes: Notebook, mailbox: Mailbox, ears: Ears | None = None) -> str:
    """The same, without holding up the event loop."""
    row, kept = "", False
    try:
        row = await notes.take_async(note)
        kept = True
    finally:
        if (kept or note.kind in FATES) and (settled := _told(note, row, mailbox, ears)) is not None:
            try:
                await keep_note_async(settled, notes, mailbox, ears)
            except Exception as error:  # noqa: BLE001 - the fate of the submit is noted, and matters more
                _not_settled(settled, error)
    return row


def _told(note: Note, row: str, mailbox: Mailbox, ears: Ears | None) -> Note | None:
    """Lets whoever hears know of a note; gives the one that settles a submit by a webhook that came before, if any."""
    if ears is not None:
        ears.logged(note, row if note.kind == "intent" else "")
    return mailbox.tokens.noted(row, note)


def _not_settled(settled: Note, error: Exception) -> None:
    row, task = settled.entry["row"], settled.entry["task"]
    _log.error("A webhook says that row %s is the task %s, which could not be noted: %s", row, task.id, error)


def rows_in(effect: Any, answer: Any) -> list[str]:
    """The rows that a flow has in hand since this effect was carried out."""
    match effect:
        case Note("intent") if isinstance(answer, str):
            return [answer]
        case Claim() if isinstance(answer, Claimed):
            return [row.row for row in answer.taken]
    return []


def consult(effect: Claim | Afford | Recall, notes: Notebook) -> Any:
    """What the notes say to a question."""
    match effect:
        case Claim():
            return notes.claim(effect)
        case Afford():
            return notes.afford(effect)
        case Recall(wanted):
            return notes.rows(**wanted)


async def consult_async(effect: Claim | Afford | Recall, notes: Notebook) -> Any:
    """What the notes say to a question."""
    match effect:
        case Claim():
            return await notes.claim_async(effect)
        case Afford():
            return await notes.afford_async(effect)
        case Recall(wanted):
            return await notes.rows_async(**wanted)

"""The submits that wait for their id, by the token in the address of their webhook.

A submit whose answer was lost is never sent again on a guess. But if it was accepted, its webhook comes to an address
that holds a token of this submit alone, and says the id: then its fate is known.
"""

import threading

import attrs

from .._contract.journal import Fate, Row, Settled
from .._contract.task import State, Task
from .effects import Note
from .event import Event
from .recent import Recent

#: How many submits are remembered that have no id.
MOST_OPEN = 1_000

#: The notes that say what becomes of a submit.
_FATEFUL = frozenset(("intent", "accepted", "refused", "unknown", "settled"))


@attrs.define(eq=False)
class _Open:
    """A submit without an id: its row, its task as far as it is known, and what its webhook has said meanwhile."""

    row: str
    draft: Task
    unknown: bool = False
    event: Event | None = None


@attrs.define(eq=False)
class Tokens:
    """Which submit a token belongs to, as long as its id is not known. Safe for threads."""

    _open: Recent[_Open] = attrs.field(factory=lambda: Recent(MOST_OPEN), init=False)
    _tokens: Recent[str] = attrs.field(factory=lambda: Recent(MOST_OPEN), init=False)
    _closed: Recent[bool] = attrs.field(factory=lambda: Recent(MOST_OPEN), init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def noted(self, row: str, note: Note) -> Note | None:
        """Follows a submit by its notes; gives the note that settles it, if its webhook was here before its fate.

        *row* is the row of the note itself; that of the submit is in its entry, but for an intent, whose own it is.
        """
        if note.kind not in _FATEFUL:
            return None
        said = str(note.entry.get("row", ""))
        with self._lock:
            if note.kind == "intent" and "token" in note.entry:
                token = note.entry["token"]
                self._open.put(token, _Open(row, note.entry["draft"]), 0.0)
                self._tokens.put(row, token, 0.0)
            elif note.kind in ("accepted", "refused", "settled"):
                token = self._tokens.pop(said, 0.0) or ""
                self._open.pop(token, 0.0)
                self._closed.put(token, True, 0.0)
            elif note.kind == "unknown":
                submit = self._open.get(self._tokens.get(said, 0.0) or "", 0.0)
                if submit is not None:
                    submit.unknown = True
                    return _settled(submit)
            return None

    def knows(self, token: str) -> bool:
        """Whether a token is of a submit of this client: what it says need not be looked for in a journal."""
        with self._lock:
            return bool(self._open.get(token, 0.0) or self._closed.get(token, 0.0))

    def settled_by(self, event: Event) -> Note | None:
        """The note that an event makes of a submit of unknown fate: which task it has bought. None if it settles none.

        It stays so until that note was kept, and ``noted``.
        """
        with self._lock:
            submit = self._open.get(event.token or "", 0.0)
            if submit is None:
                return None
            submit.event = submit.event or event
            return _settled(submit)

    def foretold_by(self, event: Event) -> Note | None:
        """The note of the id that an event tells of a submit that still waits for its answer; None if none does."""
        with self._lock:
            submit = self._open.get(event.token or "", 0.0)
            if submit is None or submit.unknown:
                return None
            return foretelling(_adopted(submit.row, submit.draft, event))


def adopted_by(row: Row, event: Event) -> Note | None:
    """The note that an event makes of a row that its token was noted in, perhaps by a process that has died since.

    None if the fate of that submit is known.
    """
    return _adopted(row.row, row.draft, event) if row.state in (Fate.INTENT, Fate.UNKNOWN) else None


def foretelling(adopted: Note) -> Note:
    """What is to be written of such a submit now: whoever waits for its answer may not live to note it."""
    return Note("accepted", {"row": adopted.entry["row"], "task": adopted.entry["task"]})


def _settled(submit: _Open) -> Note | None:
    if not submit.unknown or submit.event is None:
        return None
    return _adopted(submit.row, submit.draft, submit.event)


def _adopted(row: str, draft: Task, event: Event) -> Note:
    # What is not signed is believed as far as the token goes: it is this submit's id. Its state is to be asked for.
    state, status = (event.state, event.status) if event.signed else (State.CREATED, "")
    task = attrs.evolve(draft, id=event.task_id, state=state, status=status, submitted_at=event.at)
    return Note("settled", {"row": row, "how": Settled.ADOPTED, "task": task})

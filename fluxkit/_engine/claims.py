"""The submits that wait for their id, by the token in the address of their webhook.

A submit whose answer was lost is never sent again on a guess. But if it was accepted, its webhook comes to an address
that holds a token of this submit alone, and says the id: then its fate is known.
"""

import threading

import attrs

from .._contract.task import State, Task
from .effects import Note
from .event import Event
from .recent import Recent

#: How many submits are remembered that have no id.
MOST_CLAIMS = 1_000


@attrs.define(eq=False)
class _Claim:
    """A submit without an id: its row, its task as far as it is known, and what its webhook has said meanwhile."""

    row: str
    task: Task
    unknown: bool = False
    event: Event | None = None


@attrs.define(eq=False)
class Claims:
    """Which submit a token belongs to, as long as its id is not known. Safe for threads."""

    _claims: Recent[_Claim] = attrs.field(factory=lambda: Recent(MOST_CLAIMS), init=False)
    _tokens: Recent[str] = attrs.field(factory=lambda: Recent(MOST_CLAIMS), init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def noted(self, row: str, note: Note) -> Note | None:
        """Follows a submit by its notes; gives the note that settles it, if its webhook was here before its fate.

        *row* is the row of the note itself; that of the submit is in its entry, but for an intent, whose own it is.
        """
        with self._lock:
            if note.kind == "intent" and "token" in note.entry:
                token = note.entry["token"]
                self._claims.put(token, _Claim(row, note.entry["task"]), 0.0)
                self._tokens.put(row, token, 0.0)
            elif note.kind in ("accepted", "refused"):
                self._claims.pop(self._tokens.pop(note.entry.get("row", ""), 0.0) or "", 0.0)
            elif note.kind == "unknown":
                token = self._tokens.get(note.entry.get("row", ""), 0.0) or ""
                if (claim := self._claims.get(token, 0.0)) is not None:
                    claim.unknown = True
                    return self._settled(token, claim)
            return None

    def claimed(self, event: Event) -> Note | None:
        """What an event settles: the note that says which task it was that a submit of unknown fate has bought."""
        with self._lock:
            claim = self._claims.get(event.token or "", 0.0)
            if claim is None:
                return None
            claim.event = claim.event or event
            return self._settled(event.token or "", claim)

    def _settled(self, token: str, claim: _Claim) -> Note | None:
        if not claim.unknown or claim.event is None:
            return None
        event = claim.event
        self._claims.pop(token, 0.0)
        self._tokens.pop(claim.row, 0.0)
        # What is not signed is believed as far as the token goes: it is this submit's id. Its state is to be asked for.
        state, status = (event.state, event.status) if event.signed else (State.CREATED, "")
        task = attrs.evolve(claim.task, id=event.task_id, state=state, status=status, submitted_at=event.at)
        return Note("settled", {"row": claim.row, "task": task})

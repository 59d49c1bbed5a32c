"""Where the notes of flows go: the protocol, and a notebook in memory."""

import itertools
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import attrs

from .._contract.journal import Fate, Row
from .books import fits, folded, lightened
from .effects import Afford, Claim, Claimed, Note

if TYPE_CHECKING:
    from .spending import Purse

_log = logging.getLogger("fluxkit")

Listener = Callable[[Note], None]


def tell(listener: Listener | None, note: Note, row: str = "") -> None:
    """Lets a listener hear of a note that is kept, and of which row it is."""
    if listener is not None:
        try:
            listener(note if "row" in note.entry or not row else Note(note.kind, {**note.entry, "row": row}))
        except Exception:  # noqa: BLE001 - a listener that fails must not cost an image that is being bought
            _log.exception("A listener of fluxkit failed")


class Notebook(Protocol):
    """Where the notes of flows go, and what becomes of the rows there; each driver uses its own half of the methods."""

    def take(self, note: Note) -> str:
        """Keeps the note; gives the name of its row."""
        ...

    async def take_async(self, note: Note) -> str:
        """Keeps the note without holding up the event loop; gives the name of its row."""
        ...

    def waits(self, note: Note) -> bool:
        """Whether ``take_async`` waits for something beside the processor."""
        ...

    async def foretell(self, note: Note) -> None:
        """Keeps what a webhook says of a submit whose answer is still to come: whoever waits for that may die."""
        ...

    def leave(self, rows: Collection[str]) -> None:
        """Takes rows out of this process's hand, without waiting for that: their flow has ended."""
        ...

    def finish(self) -> None:
        """Waits a while until all that was noted is kept."""
        ...

    async def finish_async(self) -> None:
        """Waits a while until all that was noted is kept."""
        ...

    def afford(self, asked: Afford) -> None:
        """Looks whether the budgets have room, without reserving anything."""
        ...

    async def afford_async(self, asked: Afford) -> None:
        """Looks whether the budgets have room, without reserving anything."""
        ...

    def claim(self, claim: Claim) -> Claimed:
        """Takes in hand what was bought and not fetched."""
        ...

    async def claim_async(self, claim: Claim) -> Claimed:
        """Takes in hand what was bought and not fetched."""
        ...

    def rows(self, **wanted: str) -> tuple[Row, ...]:
        """The rows that have these facts, such as a state, the oldest first."""
        ...

    async def rows_async(self, **wanted: str) -> tuple[Row, ...]:
        """The rows that have these facts, the oldest first."""
        ...


#: How many notes are kept in memory for whoever looks back: a client may live for months.
MOST_NOTES = 1_000


@attrs.define(eq=False)
class Notes:
    """A notebook in memory, forgotten with its client: what flows said, in that order, and who wants to hear of it.

    Its *purse* keeps the client's budgets, if it has any.
    """

    listener: Listener | None = None
    purse: "Purse | None" = None
    held: set[str] = attrs.field(factory=set, init=False)
    _taken: deque[tuple[str, Note]] = attrs.field(factory=lambda: deque(maxlen=MOST_NOTES), init=False)
    _rows: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)

    @property
    def kept(self) -> Sequence[Note]:
        """The notes, the oldest first."""
        return [note for _, note in self._taken]

    def take(self, note: Note) -> str:
        """Keeps the note; gives the name of its row, which no other has: several threads may use one client."""
        row = str(next(self._rows))
        if "plan" in note.entry:
            kept = lightened(note)
        elif "reference" in note.entry:  # an image that was sent in is not kept for as long as the notes are
            kept = Note(note.kind, {name: what for name, what in note.entry.items() if name != "reference"})
        else:
            kept = note
        self._keep(row, kept)
        if note.kind == "intent":
            self.held.add(row)
        try:
            tell(self.listener, note, row if note.kind == "intent" else "")
        except BaseException:
            if note.kind == "intent":  # no submit will follow
                self.held.discard(row)
                refused = Note("refused", {"row": row, "error": "It was given up before it was sent."})
                self._keep(str(next(self._rows)), refused)
            raise
        return row

    def _keep(self, row: str, note: Note) -> None:
        if self.purse is not None:
            if note.kind == "intent":
                self.purse.reserve(row, note)
            else:
                self.purse.hear(note)
        self._taken.append((row, note))

    async def take_async(self, note: Note) -> str:
        """Keeps the note."""
        return self.take(note)

    def waits(self, _: Note) -> bool:
        """Waits for nothing."""
        return False

    async def foretell(self, note: Note) -> None:
        """Needs not keep it: with the process these notes end, too."""

    def finish(self) -> None:
        """Has nothing to wait for: a note is kept when it is taken."""

    async def finish_async(self) -> None:
        """Has nothing to wait for: a note is kept when it is taken."""

    def afford(self, asked: Afford) -> None:
        """Looks whether the budgets have room, without reserving anything."""
        if self.purse is not None:
            self.purse.afford(asked)

    async def afford_async(self, asked: Afford) -> None:
        """Looks whether the budgets have room, without reserving anything."""
        self.afford(asked)

    def leave(self, rows: Collection[str]) -> None:
        """Takes rows out of the hand of their flow."""
        self.held.difference_update(rows)

    def claim(self, claim: Claim) -> Claimed:
        """Takes in hand what was bought and not fetched."""
        named = {} if claim.label is None else {"label": claim.label}
        here = self.rows(provider=claim.provider, base_url=claim.base_url, **named)
        free = [row for row in here if row.row not in self.held]
        taken = tuple(row for row in free if row.owing)
        unknown = tuple(row for row in free if row.state in (Fate.UNKNOWN, Fate.INTENT))
        elsewhere = sum(row.row in self.held for row in here)
        others = tuple(row for row in free if row not in taken and row not in unknown) if named else ()
        self.held.update(row.row for row in taken)
        return Claimed(taken, unknown, elsewhere, others)

    async def claim_async(self, claim: Claim) -> Claimed:
        """Takes in hand what was bought and not fetched."""
        return self.claim(claim)

    def rows(self, **wanted: str) -> tuple[Row, ...]:
        """The rows that have these facts, the oldest first."""
        return tuple(row for row in folded(tuple(self._taken)).values() if fits(row, wanted))

    async def rows_async(self, **wanted: str) -> tuple[Row, ...]:
        """The rows that have these facts, the oldest first."""
        return self.rows(**wanted)

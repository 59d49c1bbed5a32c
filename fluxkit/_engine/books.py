"""What each note makes of a row. Pure: the journal on disk and the notes in memory keep the same books by it."""

import math
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from .._contract.journal import Fate, Row, Settled, Stored
from .._contract.report import shorten, showable
from .._contract.request import Request
from .._contract.task import State, Task
from .effects import Note
from .place import Place

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

#: Shares of a price are rounded to this.
_SMALLEST = Decimal("0.000000000001")

#: A longer text in an option, in characters, is an image or the like, and no content is kept.
LONGEST_OPTION = 10_000

#: The fields of a request that are kept as they are; references are kept by their digest, options value by value.
_PLAIN = tuple(
    field.name for field in attrs.fields(Request) if field.init and field.name not in ("references", "options")
)


def new_row(now: float) -> str:
    """A name for a row that no other process gives: 26 letters, as in a ULID, which sort by time."""
    number = (int(now * 1000) & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10))
    return "".join(_LETTERS[number >> 5 * place & 31] for place in range(25, -1, -1))


def lightened(note: Note) -> Note:
    """The note of an intent with what the journal keeps of the plan in its place: a plan holds whole images."""
    entry = dict(note.entry)
    plan = entry.pop("plan")
    return Note(note.kind, {**entry, "asked": asked(plan.request), "price": price_of_one(plan)})


def price_of_one(plan: Any) -> str | None:
    """What one image of a plan is expected to cost, as text."""
    return _money(plan.price, among=plan.request.n)


def _money(amount: Any, *, among: int = 1) -> str | None:
    """An amount as text, or the share of one *among* so many; without a currency of its own it is in US dollars."""
    if amount is None:
        return None
    number, currency = getattr(amount, "number", amount), getattr(amount, "currency", "USD")
    share = Decimal(number) / among
    return f"{share.quantize(_SMALLEST) if share.as_tuple().exponent < -12 else share:f} {currency}"  # type: ignore[operator]


def begun(row: str, note: Note, now: float) -> Row:
    """The row of an intent."""
    entry = (lightened(note) if "plan" in note.entry else note).entry
    place = entry.get("place")
    return Row(
        row,
        entry["draft"],
        asked=entry["asked"],
        turn=entry["turn"],
        price=entry["price"],
        place=None if place is None else _laid_down(place),
        created_at=now,
        updated_at=now,
        again=entry.get("again"),
        label=entry.get("label"),
        token=entry.get("token"),
        idempotency=entry.get("idempotency"),
        body=entry.get("body"),
    )


def applied(row: Row, note: Note, now: float) -> Row:
    """The row after a note of it. What is known for certain is never undone by what comes late."""
    return followed(row, (note,), now)


def followed(row: Row, notes: Iterable[Note], now: float) -> Row:
    """The row after some notes of it, one after the other, made once."""
    changes: dict[str, Any] = {}
    so_far = _Ahead(row, changes)
    for note in notes:
        changes |= _changes(so_far, note, now)
    return attrs.evolve(row, updated_at=now, **changes) if changes else row


@attrs.frozen(eq=False)
class _Ahead:
    """A row as it will be with some changes."""

    _row: Row
    _changes: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self._changes[name] if name in self._changes else getattr(self._row, name)


def _changes(row: _Ahead, note: Note, now: float) -> dict[str, Any]:
    """What a note changes of a row."""
    entry = note.entry
    changes: dict[str, Any] = {}
    match note.kind:
        case "accepted":
            changes = {"fate": Fate.ACCEPTED, "why": None, "draft": entry["task"]}
        case "refused" if row.fate is not Fate.ACCEPTED:
            changes = {"fate": Fate.REFUSED, "why": entry["error"]}
        case "unknown" if row.fate in (Fate.INTENT, Fate.UNKNOWN):
            changes = {"fate": Fate.UNKNOWN, "why": entry["error"]}
        case "state":
            changes = _moved(row, entry["task"])
        case "fetched":
            image = Stored(Path(entry["path"]).absolute(), entry["sha256"], entry["size"])
            others = tuple(each for each in row.images if each.sha256 != image.sha256)
            changes = {**_moved(row, entry["task"]), "images": (*others, image)}
        case "delivered":
            changes = {**_moved(row, entry["task"]), "delivered_at": row.delivered_at or now}
        case "settled":
            how = entry["how"]
            changes = {"settled": how and Settled(how), "settled_at": how and now}
            if "task" in entry:
                changes |= {"fate": Fate.ACCEPTED, "draft": entry["task"]}
    if changes and (cost := entry.get("cost")) is not None:
        changes["cost"] = _money(cost)
    return changes


def _moved(row: _Ahead, task: Task) -> dict[str, Any]:
    """The task as it is now, and accepted even if that could not be noted when it was. What has ended stays so."""
    draft = row.draft
    ended = draft.state.ended and draft.state is not State.VANISHED and row.fate is Fate.ACCEPTED
    keeps = ended and task.state is not draft.state
    return {"fate": Fate.ACCEPTED, "why": None, "draft": draft if keeps else task}


def folded(notes: Iterable[tuple[str, Note]]) -> dict[str, Row]:
    """The rows that these notes make, each note with the name that it was given when it was taken."""
    rows: dict[str, Row] = {}
    now = time.time()
    for name, note in notes:
        if note.kind == "intent":
            if "draft" in note.entry:
                rows[name] = begun(name, note, now)
                if (old := rows.get(rows[name].again or "")) is not None:
                    rows[old.row] = applied(old, resubmitted(old.row), now)
            continue
        for row in named(rows.values(), note):
            rows[row.row] = new = applied(row, note, now)
            old = rows.get(new.again or "")
            if old is not None and (again := reopened(old, new)) is not None:
                rows[old.row] = applied(old, again, now)
    return rows


def resubmitted(row: str) -> Note:
    """The note that a row is bought again, under another name."""
    return Note("settled", {"row": row, "how": Settled.RESUBMITTED})


def reopened(old: Row, row: Row) -> Note | None:
    """The note that an *old* row is not settled after all, because the *row* that was to be in its place is refused."""
    if row.again != old.row or row.fate is not Fate.REFUSED or old.settled is not Settled.RESUBMITTED:
        return None
    # What was adopted as a task that the service does not know is that again.
    return Note("settled", {"row": old.row, "how": None if old.task is None else Settled.ADOPTED})


def named(rows: Iterable[Row], note: Note) -> list[Row]:
    """Those of the rows of which the note speaks: by their name, or by their task."""
    if "row" in note.entry:
        return [row for row in rows if row.row == note.entry["row"]]
    task = note.entry.get("task")
    return [] if task is None else [row for row in rows if row.task is not None and same_task(row.task, task)]


def same_task(one: Task, other: Task) -> bool:
    """Whether both are the same task of the same service."""
    return (one.provider, one.base_url, one.id) == (other.provider, other.base_url, other.id)


def asked(request: Request) -> dict[str, Any]:
    """A request as plain values: what was asked, without the content of references."""
    plain: dict[str, Any] = {}
    for name in _PLAIN:
        value = getattr(request, name)
        if value is not None and (name != "n" or value != 1):
            plain[name] = list(value) if isinstance(value, tuple) else value
    if request.options:
        plain["options"] = {name: _plain(showable(name, value)) for name, value in request.options.items()}
        if plain["options"] != request.options:
            plain["cut"] = True
    if request.references:
        plain["references"] = [_cited(reference) for reference in request.references]
    return plain


def _plain(value: Any) -> Any:
    """A value as JSON has it; what JSON has not, as text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return value if isinstance(value, str) and len(value) <= LONGEST_OPTION else shorten(value)


def _cited(reference: Any) -> dict[str, Any]:
    """A reference as the journal names it: by name, size and digest, or by its address without what may sign it."""
    if reference.url is not None:
        address = urlsplit(reference.url)
        cited = address._replace(netloc=address.netloc.rpartition("@")[2], query="", fragment="")
        return {"url": cited.geturl()} if cited == address else {"url": cited.geturl(), "cut": True}
    import hashlib

    if reference.content is not None:
        return {"size": len(reference.content), "sha256": hashlib.sha256(reference.content).hexdigest()}
    facts: dict[str, Any] = {"name": str(reference.file)}
    with suppress(OSError), open(reference.file, "rb") as file:  # it was there when the reference was made
        facts["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
        facts["size"] = file.tell()
    return facts


def _laid_down(place: Place) -> dict[str, Any]:
    """A place as plain values; absolute, because another process stands elsewhere."""
    return {"directory": str(place.directory.absolute()), "name": place.name, "turn": place.turn}


def request_of(row: Row) -> Request | None:
    """What the row asked for, as one request; None if the journal does not hold all of it."""
    fields = {name: value for name, value in row.asked.items() if name != "n"}
    references = fields.pop("references", [])
    if fields.pop("cut", False) or any("url" not in cited or "cut" in cited for cited in references):
        return None
    if row.draft.seed is not None:
        fields["seed"] = row.draft.seed
    return Request(references=[cited["url"] for cited in references], **fields)


def fits(row: Row, wanted: Mapping[str, str]) -> bool:
    """Whether a row has these facts, such as a state or a provider."""
    return all(getattr(row, name) == value for name, value in wanted.items())


def place_of(row: Row) -> Place | None:
    """Where the images of a row were to go. A file that is there by now is not replaced: it may be a later image."""
    if row.place is None:
        return None
    return Place(Path(row.place["directory"]), row.place["name"], row.place["turn"], gives_way=True)

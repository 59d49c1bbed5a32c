"""What the journal knows of each submit, and what a recovery brought."""

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from ..errors import FluxError
from .by_fields import by_fields
from .report import shorten
from .result import Result, describe
from .task import State, Task


class Fate(enum.StrEnum):
    """What became of a submit, as far as it is known."""

    INTENT = "intent"
    ACCEPTED = "accepted"
    REFUSED = "not bought"
    UNKNOWN = "unknown"


class Settled(enum.StrEnum):
    """How somebody has settled a row by hand."""

    ADOPTED = "adopted"
    RESUBMITTED = "resubmitted"
    DISMISSED = "dismissed"


#: A row whose images all came, or whose links were given to whoever asked for no more.
DELIVERED = "delivered"

#: All that the state of a row may be.
STATES = tuple(dict.fromkeys(map(str, (*Fate, *State, DELIVERED, Settled.RESUBMITTED, Settled.DISMISSED))))


@by_fields
@attrs.frozen(eq=False, repr=False)
class Stored:
    """An image of a row that was fetched: where it was put, and what its content was then."""

    path: Path
    sha256: str
    size: int


@by_fields
@attrs.frozen(eq=False, repr=False)
class Row:
    """One submit: what was asked, what became of it, and where its images are.

    ``row`` is its name, unique among all processes and sorted by time. ``asked`` is the request as plain values, with
    references by their digest. ``price`` is what it was expected to cost, ``cost`` what the service says, both as
    ``"0.03 USD"``; None is unknown. ``place`` is where its images were to go. ``draft`` is the task as far as it was
    known; ``task`` is None as long as no id is known. ``again`` is the row for which it was bought a second time,
    knowingly. ``label`` is what its buyer wrote on it to know it by, as a batch does. ``token`` is the one in the
    address of its webhook, which proves what is said with it, and is not shown. ``idempotency`` is the key by which
    the service is to know the submit again, if it was trusted to, and ``body`` the digest of what was sent with it.
    """

    row: str
    draft: Task
    asked: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    turn: int = 0
    price: str | None = None
    cost: str | None = None
    place: Mapping[str, Any] | None = attrs.field(default=None, hash=False)
    created_at: float = 0.0
    updated_at: float = 0.0
    fate: Fate = Fate.INTENT
    why: str | None = None
    images: tuple[Stored, ...] = ()
    delivered_at: float | None = None
    settled: Settled | None = None
    settled_at: float | None = None
    again: str | None = None
    label: str | None = None
    token: str | None = attrs.field(default=None, repr=False)
    idempotency: str | None = None
    body: str | None = None

    @property
    def provider(self) -> str:
        """The provider that was asked."""
        return self.draft.provider

    @property
    def model(self) -> str:
        """The model that was asked."""
        return self.draft.model

    @property
    def base_url(self) -> str:
        """Where the provider was asked."""
        return self.draft.base_url

    @property
    def task(self) -> Task | None:
        """The task, once its id is known."""
        return self.draft if self.draft.id else None

    @property
    def task_id(self) -> str:
        """The service's name of the task, empty as long as it is not known."""
        return self.draft.id

    @property
    def state(self) -> str:
        """Where it stands, in one word of ``STATES``: the fate of the submit, and then the state of its task."""
        if self.settled in (Settled.RESUBMITTED, Settled.DISMISSED):
            return str(self.settled)
        if self.delivered_at is not None:
            return DELIVERED
        return str(self.draft.state if self.fate is Fate.ACCEPTED else self.fate)

    @property
    def owing(self) -> bool:
        """Whether it was bought, and images of it are still to be had."""
        waiting = not self.draft.state.ended or self.draft.state is State.COMPLETED
        return self.fate is Fate.ACCEPTED and waiting and self.state not in (DELIVERED, *Settled)

    @property
    def mistaken(self) -> bool:
        """Whether it is adopted as a task that the service does not know, so that its own may still be found."""
        return self.settled is Settled.ADOPTED and self.draft.state is State.VANISHED and self.delivered_at is None

    @property
    def open(self) -> bool:
        """Whether it can be settled by hand, as its fate is not known or images that were paid are still to be had."""
        return self.owing or self.mistaken or self.state in (Fate.UNKNOWN, Fate.INTENT)

    def __str__(self) -> str:
        words = [self.row, f"{self.provider}:{self.model}", self.state]
        if self.task is not None:
            words.append(f"task {self.task.id}")
        words.append(shorten(self.asked.get("prompt", "")))
        return "  ".join(words)

    def to_dict(self) -> Mapping[str, Any]:
        """The row as plain values, for JSON and for logs."""
        return {
            "row": self.row,
            "provider": self.provider,
            "model": self.model,
            "base_url": self.base_url,
            "state": self.state,
            "task": None if self.task is None else self.task.id,
            "why": self.why,
            "asked": dict(self.asked),
            "turn": self.turn,
            "price": self.price,
            "cost": self.cost,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "delivered_at": self.delivered_at,
            "images": [attrs.asdict(image) | {"path": str(image.path)} for image in self.images],
            "settled": None if self.settled is None else str(self.settled),
            "settled_at": self.settled_at,
            "again": self.again,
            "label": self.label,
            "idempotency": self.idempotency,
        }


#: What can be done about a row whose fate nobody knows.
ADVICE = (
    "Look at the account of the service. If the task is there: fluxkit recover --adopt TASK=ROW; if it is not, and the "
    "image is still wanted: fluxkit recover --resubmit ROW, which buys it; if it is not: fluxkit recover --dismiss ROW."
)


#: What the tasks are that a service lists beside.
CHOICE = (
    "The service lists these tasks, and none is in the journal: a submit of unknown fate may have become one of them."
)


#: So many of them are named in words: an account that is used elsewhere, too, has any number of them.
MOST_NAMED = 10


@by_fields
@attrs.frozen(eq=False, repr=False)
class Recovered:
    """What a recovery brought.

    ``results`` are those that were bought before and have come now. ``running`` are tasks that were not done in time.
    ``errors`` are tasks that ended without an image, or whose images could not be had. ``unknown`` are submits whose
    fate nobody knows: they may have been bought, and fluxkit does not send them again. ``candidates`` are tasks that
    the service lists and no row has, where it lists any: an unknown submit may have become one of them, and whether it
    has is yours to say. ``elsewhere`` is the number of rows that are in the hands of a running process, and were left
    to it.
    """

    results: tuple[Result, ...] = ()
    running: tuple[Task, ...] = ()
    errors: tuple[FluxError, ...] = ()
    unknown: tuple[Row, ...] = ()
    candidates: tuple[Task, ...] = ()
    elsewhere: int = 0

    def __bool__(self) -> bool:
        return bool(self.results or self.running or self.errors or self.unknown or self.elsewhere)

    def __str__(self) -> str:
        lines = [f"fetched: {image.path}" for result in self.results for image in result.images]
        lines += [f"still running: task {task.id}, {task.status or task.state}" for task in self.running]
        lines += [f"error: {error.message}" for error in self.errors]
        lines += [f"unknown: {row}" for row in self.unknown]
        lines += [
            f"candidate: task {task.id} of {task.provider}:{task.model}, {task.status or task.state}"
            for task in self.candidates[:MOST_NAMED]
        ]
        if len(self.candidates) > MOST_NAMED:
            lines.append(f"and {len(self.candidates) - MOST_NAMED} candidates more, in what --json and to_dict() give")
        if self.candidates:
            lines.append(CHOICE)
        if self.unknown:
            lines.append(ADVICE)
        if self.elsewhere:
            lines.append(f"left to the running processes that have them in hand: {self.elsewhere}")
        return "\n".join(lines) or "nothing was left to recover"

    def to_dict(self) -> Mapping[str, Any]:
        """What was recovered as plain values, for JSON and for logs."""
        return {
            "results": [result.to_dict() for result in self.results],
            "running": [_brief(task) for task in self.running],
            "errors": [describe(error) for error in self.errors],
            "unknown": [row.to_dict() for row in self.unknown],
            "candidates": [_brief(task) for task in self.candidates],
            "elsewhere": self.elsewhere,
        }


def _brief(task: Task) -> Mapping[str, Any]:
    return {"id": task.id, "state": task.state, "status": task.status}

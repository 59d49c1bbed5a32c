"""What happens to a task, as it is told to listeners, to plugins and to logging."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from .report import shorten
from .task import State, Task

#: What an event may be of, each with what it says.
KINDS: Final[Mapping[str, str]] = {
    "uploaded": "a reference has an address: `url`, and until when it lives",
    "intent": "something is about to be bought; it stands in the journal",
    "submit": "the submit is sent, for the `attempt`-th time",
    "accepted": "the service has taken it: the task has an id now",
    "refused": "nothing was bought: `error` says why",
    "unknown": "the submit left, and whether it was accepted is not known: `error` says why",
    "settled": "the fate of such a submit is known after all, or was decided by hand",
    "poll": "the service was asked how the task is",
    "seen": "a poll or a webhook says something new of the task: its state, its status or its progress",
    "state": "the task has moved on, and the journal knows it",
    "webhook": "the service has reported by itself; `signed` if it has proved that it is the service",
    "result": "the service was asked for the images of a task, where that is a call of its own",
    "fetch": "an image was downloaded, or not: then `error` says why",
    "fetched": "an image is on the disk, at `path`",
    "delivered": "all that was wanted of a task has come",
    "cancel": "the service was asked to stop the task",
    "upload": "the service was sent a reference",
}


def _one_line(text: str | None) -> str | None:
    return None if text is None else shorten(" ".join(text.split()), 300)[1:-1]


@attrs.frozen(kw_only=True)
class Event:
    """Something that has happened: what *kind* it is of says the table in docs/how-to/watch-and-cancel.md.

    ``at`` is when, in seconds since the epoch. ``task`` is the task as it is then, without an id as long as there is
    none; ``row`` is its row in the journal, empty where that is not known. Of a call to the service, ``seconds`` is how
    long it took, ``answer`` the HTTP status, ``attempt`` the how manieth it was, and ``error`` what went wrong.

    An event holds no prompt, no image and no key. Addresses, which may be signed, are in ``url`` and within ``task``
    only: neither ``str`` nor ``to_dict`` shows them.
    """

    kind: str
    at: float
    provider: str = ""
    model: str = ""
    row: str = ""
    task: Task | None = attrs.field(default=None, repr=False)
    progress: float | None = None
    attempt: int = 1
    seconds: float | None = None
    answer: int | None = None
    error: str | None = attrs.field(default=None, converter=_one_line)
    path: Path | None = None
    size: int | None = None
    reference: str | None = None
    url: str | None = attrs.field(default=None, repr=False)
    expires_at: float | None = None
    signed: bool | None = None
    problems: tuple[str, ...] = ()
    mocked: bool = False

    @property
    def task_id(self) -> str:
        """The service's name of the task, empty as long as there is none."""
        return "" if self.task is None else self.task.id

    @property
    def state(self) -> State | None:
        """Where the task stands; None as long as there is none."""
        return None if self.task is None or not self.task.id else self.task.state

    @property
    def status(self) -> str:
        """The service's own word for it."""
        return "" if self.task is None else self.task.status

    def __str__(self) -> str:
        words = [self.kind, f"{self.provider}:{self.model}" if self.model else self.provider]
        if self.task_id:
            words.append(f"task {_one_line(self.task_id)}")
            words.append(_one_line(self.status) or str(self.state))
        if self.progress is not None:
            words.append(f"{self.progress:g} %")
        if self.attempt > 1:
            words.append(f"attempt {self.attempt}")
        if self.answer is not None:
            words.append(f"answered {self.answer}")
        if self.seconds is not None:
            words.append(f"in {self.seconds:.3f} s")
        if self.path is not None:
            words.append(str(self.path))
        return " ".join(filter(None, words)) + (f": {self.error}" if self.error else "")

    def to_dict(self) -> Mapping[str, Any]:
        """What is said as plain values, for JSON and for logs: without addresses, and without what is not said."""
        said = {
            "kind": self.kind,
            "at": self.at,
            "provider": self.provider,
            "model": self.model,
            "row": self.row,
            "task": self.task_id,
            "state": None if self.state is None else str(self.state),
            "status": self.status,
            "progress": self.progress,
            "attempt": self.attempt,
            "seconds": self.seconds,
            "answer": self.answer,
            "error": self.error,
            "path": None if self.path is None else str(self.path),
            "size": self.size,
            "reference": self.reference,
            "signed": self.signed,
            "problems": list(self.problems),
            "mocked": self.mocked,
        }
        return {name: what for name, what in said.items() if what not in (None, "", [])}

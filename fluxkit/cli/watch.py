"""What becomes of a command's tasks: told while it waits, and known when it is cut short."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import Charged, FluxError, SubmissionUnknown
from .output import Code, Trouble, interrupted, printable, say, unexpected

if TYPE_CHECKING:
    from .._contract.event import Event
    from .._contract.task import Task


class Watch:
    """The listener of a client: tells what happens with ``tell``, and knows how things stand.

    Of *count* tasks it tells how many are done: fetched, or ended where nothing is fetched (*fetch*) or came.
    ``problems`` is what the service said that its declaration does not know. ``recovery`` is the command that fetches
    what was bought and not fetched; None if there is none.
    """

    def __init__(self, count: int = 1, *, fetch: bool = True) -> None:
        self._count, self._fetch = count, fetch
        self._done: set[str] = set()
        self.tell: Callable[[str], None] = say
        self.problems: dict[str, None] = {}
        self.recovery: str | None = None
        self._leaving = 0
        self._lost = 0
        self._open: dict[str, Task] = {}
        self._failed: dict[str, Task] = {}
        self._fetched: list[str] = []

    def __call__(self, event: "Event") -> None:
        """Takes in what has happened to a task."""
        match event.kind:
            case "uploaded":
                self.tell(f"uploaded {event.reference}")
            case "intent":
                self._leaving += 1
                self._say("sending")
            case "refused":
                self._leaving -= 1
            case "unknown":
                self._leaving -= 1
                self._lost += 1
            case "settled" if event.task is not None and event.task.id:
                self._lost -= 1
                self._take(event.task)
            case "accepted" if event.task is not None:
                self._leaving -= 1
                self._take(event.task)
            case "state" if event.task is not None:
                self._take(event.task)
                self.problems.update(dict.fromkeys(event.problems))
            case "fetched":
                self._open.pop(event.task_id, None)
                self._fetched.append(str(event.path))
                self._done.add(event.task_id)
                self._say(f"fetched {event.path}")

    def _take(self, task: "Task") -> None:
        from .._contract.task import State

        if task.state.ended and task.state is not State.COMPLETED:
            self._failed[task.id] = self._open.pop(task.id, task)
        else:
            self._open[task.id] = task
        if task.state.ended and not (task.state is State.COMPLETED and self._fetch):
            self._done.add(task.id)
        self._say(f"{task.status or task.state}: task {task.id}")

    def _say(self, event: str) -> None:
        self.tell(event if self._count == 1 else f"{len(self._done)} of {self._count} done, {event}")

    def standing(self) -> tuple[str, dict[str, Any]]:
        """How things stand, in words and as facts for an error: for a command that is cut short."""
        parts = []
        if self._fetched:
            parts.append(f"fetched: {', '.join(self._fetched)}")
        if self._open:
            parts.append(f"still running or not fetched, and billed: task {', '.join(self._open)}")
        if doubtful := self._leaving + self._lost:
            parts.append(f"may have been bought: {doubtful}")
        if self._failed:
            parts.append(f"ended without an image: task {', '.join(self._failed)}")
        bought, perhaps = self._open or self._fetched, doubtful or self._failed
        charged = Charged.YES if bought else Charged.UNKNOWN if perhaps else Charged.NO
        return "; ".join(parts) or "nothing was bought", {
            "charged": charged,
            "task": next(iter((*self._open.values(), *self._failed.values())), None),
        }

    def advice(self) -> str | None:
        """How to have what is bought and not fetched, for a command that is cut short; None where nobody can say."""
        if self.recovery is None or not (self._open or self._leaving + self._lost):
            return None
        if self._open:
            return f"{self.recovery} fetches it; running the command again buys another image"
        return f"{self.recovery} says what to do; running the command again may buy another image"


@contextmanager
def accounted(watch: Watch) -> Iterator[None]:
    """Lets Ctrl-C, SIGTERM and mistakes in fluxkit say what was bought. The library's own errors say it themselves."""
    try:
        yield
    except KeyboardInterrupt as stop:
        standing, facts = watch.standing()
        raise interrupted(stop, standing, advice=watch.advice(), **facts) from None
    except SubmissionUnknown as error:
        if watch.recovery is not None and error.row is not None:
            error.add_note(f"It is the row {error.row}: {watch.recovery} says what to do.")
        raise
    except FluxError:
        raise
    except OSError as error:
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise Trouble(message, name=type(error).__name__, code=Code.BROKEN, **watch.standing()[1]) from error
    except Exception as error:
        raise unexpected(error, **watch.standing()[1]) from error


@contextmanager
def telling(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Gives a function that tells the user of an event.

    On a terminal one line shows the last event and the time that passes, and is gone at the end; what does not fit into
    it is cut. Elsewhere each event is a line with the seconds since the start, or if *quiet* nothing at all.
    """
    start = time.monotonic()
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield (lambda _: None) if quiet else (lambda event: say(f"{time.monotonic() - start:6.1f} s  {event}"))
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    event = TextColumn(
        "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
    )
    elapsed = TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=7))
    columns = (SpinnerColumn(), elapsed, event)
    line = Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    )
    with line:
        bar = line.add_task("starting", total=None)
        yield lambda event: line.update(bar, description=printable(event), refresh=True)

"""How a batch is told of while it runs: a bar on a terminal, and elsewhere a line now and then."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .output import printable, say

if TYPE_CHECKING:
    from .._batch.run import Batch

#: Where there is no terminal, a line comes after so many seconds.
OFTEN = 10.0

#: So many rows that are not done are told one by one.
MOST_TOLD = 20


class Progress:
    """What a batch calls with each row that has ended; ``event`` is what machines are told by."""

    def __init__(self) -> None:
        self.event: Callable[[Mapping[str, Any]], None] | None = None
        self.moved: Callable[[], None] = lambda: None
        self._told = 0

    @property
    def on_terminal(self) -> bool:
        """Whether somebody watches."""
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Takes a row that has ended."""
        if self.event is not None:
            self.event({"event": "row", **row})
        elif row["state"] != "done":
            self._told += 1
            if self._told <= MOST_TOLD:
                say(_trouble(row))
            elif self._told == MOST_TOLD + 1:
                say("(what more there is of this kind stands in the results)")
        self.moved()


def _trouble(row: Mapping[str, Any]) -> str:
    name = f"line {row['line']}" + (f" ({row['id']})" if row["id"] else "")
    error = row["errors"][0]
    journal = f" [row {error['row']}]" if error["row"] else ""
    return printable(f"{name}: {row['state']}{journal}: {error['message']} {error['advice']}")


def _cost(work: "Batch") -> str:
    spent = " + ".join(map(str, work.account.spent))
    if work.account.limit is not None:
        return f"{spent or 0} of {work.account.limit}"
    return spent


@contextmanager
def plain(work: "Batch", progress: Progress) -> Iterator[None]:
    """Tells how far it is every few seconds, when something has ended."""
    begun = last = time.monotonic()
    first = work.standing[None]

    def moved() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < OFTEN:
            return
        last = now
        left = work.standing[None]
        rest = left * (now - begun) / max(1, first - left)
        words = [
            f"{work.rows - left} of {work.rows}",
            f"{work.under_way} in flight",
            f"about {rest:.0f} s left",
            _cost(work),
        ]
        say(f"{now - begun:6.1f} s  {', '.join(filter(None, words))}")

    progress.moved = moved
    yield


@contextmanager
def shown(work: "Batch", progress: Progress) -> Iterator[None]:
    """A bar on the terminal, with how many are done and not done, under way, the time that is left and the cost."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False), TimeRemainingColumn())
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=True) as bar:
        task = bar.add_task("", total=work.rows, completed=work.rows - work.standing[None])

        def moved() -> None:
            others = [
                f"{count} {state}" for state, count in work.standing.items() if state not in (None, "done") and count
            ]
            words = [*others, f"{work.under_way} in flight", _cost(work)]
            bar.update(task, completed=work.rows - work.standing[None], description=", ".join(filter(None, words)))

        progress.moved = moved
        moved()
        yield

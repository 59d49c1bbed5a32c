"""What a writer is asked to do with its journal's file, and who hears what came of it."""

import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import attrs

from ...errors import FluxError
from .store import Store

Work = Callable[[Store], Any]


@attrs.frozen(eq=False)
class Job:
    """Something to be done with the file.

    It is *durable* if it is to survive the machine and not only the process. Somebody waits for its *future*, or else
    nobody does, and whoever asked for it only hears if it *failed*.
    """

    work: Work
    durable: bool = False
    future: "Future[Any] | None" = None
    failed: Callable[[Exception], None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nobody waits for it."""
        return self.future is None

    def begin(self) -> bool:
        """Whether it is still wanted."""
        return self.future is None or self.future.set_running_or_notify_cancel()

    def answer(self, answer: Any) -> None:
        """It is done; an error of ours is an answer, too."""
        if isinstance(answer, FluxError):
            self.fail(answer)
        elif self.future is not None:
            self.future.set_result(answer)

    def fail(self, error: Exception) -> None:
        """It cannot be done."""
        if self.future is not None:
            self.future.set_exception(error)
        elif self.failed is not None:
            with contextlib.suppress(Exception):  # nobody would hear of it
                self.failed(error)

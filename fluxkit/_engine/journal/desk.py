"""Where the answers of a writer lie until the event loop takes them that waits for them."""

from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import anyio

from ..outside import from_outside, loop_here


class Desk:
    """The desk of one event loop, which is called once for all answers that have come until it looks.

    What waits at the same time is one transaction, and its answers come together.
    """

    def __init__(self) -> None:
        self.loop = loop_here()
        self._call = from_outside(self._look)
        self._called = False
        self._come: deque[anyio.Event] = deque()

    async def answer(self, asked: "Future[Any]", patience: float) -> Any:
        """The answer of another thread; ``TimeoutError`` if it does not come within *patience* seconds."""
        come = anyio.Event()
        asked.add_done_callback(lambda _: self._lay(come))
        with anyio.move_on_after(patience):
            await come.wait()
            return asked.result()
        raise TimeoutError

    def _lay(self, come: anyio.Event) -> None:
        """On the thread that answers."""
        self._come.append(come)
        if not self._called:
            self._called = True
            with suppress(RuntimeError):  # the loop has ended meanwhile
                self._call()

    def _look(self) -> None:
        """In the event loop. What comes from now on has it called again."""
        self._called = False
        while self._come:
            self._come.popleft().set()

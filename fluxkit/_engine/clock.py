"""Where time comes from: what the drivers ask of a clock, and the clock on the wall."""

import time
from typing import Protocol

import anyio

from .mailbox import Bell


class Clock(Protocol):
    """Where time comes from; a mock brings a virtual one.

    One that has ``leaps``, and it is true, does not pass by itself: whoever sleeps on it moves it.
    """

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Blocks for so long."""
        ...

    async def sleep_async(self, seconds: float, /) -> None:
        """Sleeps for so long, on asyncio or trio."""
        ...

    def hear(self, bell: Bell, seconds: float, /) -> None:
        """Blocks for so long, or until the bell rings."""
        ...

    async def hear_async(self, bell: Bell, seconds: float, /) -> None:
        """Sleeps for so long, or until the bell rings."""
        ...


class SystemClock:
    """The clock on the wall as it was at first, going on evenly: nobody who sets the wall clock moves a deadline."""

    def __init__(self) -> None:
        self._start = time.time() - time.monotonic()

    def now(self) -> float:
        return self._start + time.monotonic()

    def sleep(self, seconds: float, /) -> None:
        time.sleep(max(0.0, seconds))

    async def sleep_async(self, seconds: float, /) -> None:
        await anyio.sleep(max(0.0, seconds))

    def hear(self, bell: Bell, seconds: float, /) -> None:
        bell.wait(seconds)

    async def hear_async(self, bell: Bell, seconds: float, /) -> None:
        await bell.wait_async(seconds)

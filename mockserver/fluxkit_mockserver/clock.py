"""The mock's time: one that is moved by whoever waits on it, and one that follows the wall."""

import time
from typing import ClassVar

import anyio
import anyio.lowlevel
import attrs

#: When virtual time begins: 2026-01-01, so that everything made on it is the same on every run.
EPOCH = 1_767_225_600.0


@attrs.define(eq=False)
class VirtualClock:
    """Time that passes only when it is told to: whoever sleeps on it moves it and does not wait."""

    time: float = EPOCH

    #: Says to whoever sleeps for many that nobody else makes time pass.
    leaps: ClassVar[bool] = True

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Moves time on; it never goes back."""
        self.time += max(0.0, seconds)

    def sleep(self, seconds: float, /) -> None:
        """Moves time on instead of sleeping."""
        self.advance(seconds)

    async def sleep_async(self, seconds: float, /) -> None:
        """Moves time on, and lets other tasks run as a real sleep would."""
        self.advance(seconds)
        await anyio.lowlevel.checkpoint()


@attrs.define(eq=False)
class WallClock:
    """Real time, in which the mock's tasks pass *speed* times as fast."""

    speed: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))
    start: float = attrs.field(factory=time.time)

    def now(self) -> float:
        """Seconds since the epoch, running *speed* times as fast since the start."""
        return self.start + (time.time() - self.start) * self.speed

    def sleep(self, seconds: float, /) -> None:
        """Sleeps until so many of the mock's seconds have passed."""
        time.sleep(max(0.0, seconds) / self.speed)

    async def sleep_async(self, seconds: float, /) -> None:
        """Sleeps until so many of the mock's seconds have passed."""
        await anyio.sleep(max(0.0, seconds) / self.speed)

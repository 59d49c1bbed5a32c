"""The mock's time: one that is moved by whoever waits on it, and one that follows the wall."""

import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Protocol

import attrs

from fluxkit._contract.by_fields import shown_by_fields

#: When virtual time begins: 2026-01-01, so that everything made on it is the same on every run.
EPOCH = 1_767_225_600.0


class Alarm(Protocol):
    """Something that happens at its time, on a clock that would otherwise leap over it."""

    def due(self) -> float | None:
        """When it happens next; None if it does not."""
        ...

    def ring(self, now: float, /) -> None:
        """Lets happen what is due."""
        ...

    async def ring_async(self, now: float, /) -> None:
        """Lets happen what is due, in an event loop."""
        ...


@shown_by_fields
@attrs.define(eq=False, repr=False)
class VirtualClock:
    """Time that passes only when it is told to: whoever sleeps on it moves it and does not wait.

    On its way it stops for each of its ``alarms``.
    """

    time: float = EPOCH
    alarms: list[Alarm] = attrs.field(factory=list, init=False)
    start: float = attrs.field(init=False, default=attrs.Factory(lambda self: self.time, takes_self=True))

    #: Says to whoever sleeps for many that nobody else makes time pass.
    leaps: ClassVar[bool] = True

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Moves time on; it never goes back."""
        for alarm in self._alarms_until(seconds, _never):
            alarm.ring(self.time)

    def fresh(self) -> "VirtualClock":
        """Another clock that begins where this one began."""
        return VirtualClock(self.start)

    def sleep(self, seconds: float, /) -> None:
        """Moves time on instead of sleeping."""
        self.advance(seconds)

    async def sleep_async(self, seconds: float, /) -> None:
        """Moves time on, and lets other tasks run as a real sleep would."""
        for alarm in self._alarms_until(seconds, _never):
            await alarm.ring_async(self.time)
        await _checkpoint()

    def hear(self, bell: Any, seconds: float, /) -> None:
        """Moves time on until the bell rings, for at most so long."""
        for alarm in self._alarms_until(seconds, lambda: bell.rung):
            alarm.ring(self.time)

    async def hear_async(self, bell: Any, seconds: float, /) -> None:
        """Moves time on until the bell rings, for at most so long."""
        for alarm in self._alarms_until(seconds, lambda: bell.rung):
            await alarm.ring_async(self.time)
        await _checkpoint()

    def _alarms_until(self, seconds: float, stop: Callable[[], bool]) -> Iterator[Alarm]:
        """Moves time on, and gives each alarm when it is due, and all of them once the time is over."""
        end = self.time + max(0.0, seconds)
        while not stop():
            due = min((at for alarm in self.alarms if (at := alarm.due()) is not None), default=None)
            self.time = max(self.time, end if due is None else min(due, end))
            yield from self.alarms
            if due is None or due > end:
                return


def _never() -> bool:
    return False


#: How many times as fast time passes at most.
FASTEST = 1_000_000


def _passes(_: object, __: object, speed: float) -> None:
    if not 0 < speed <= FASTEST:  # NaN is not, either
        raise ValueError(f"speed is {speed!r}. Allowed: a number above 0, at most {FASTEST}.")


@shown_by_fields
@attrs.define(eq=False, repr=False)
class WallClock:
    """Real time, in which the mock's tasks pass *speed* times as fast; it can be moved on and stopped."""

    speed: float = attrs.field(default=1.0, validator=_passes)
    start: float = attrs.field(factory=time.time)
    frozen: bool = attrs.field(default=False, init=False)
    alarms: list[Alarm] = attrs.field(factory=list, init=False)
    _reading: tuple[float, float] = attrs.field(init=False)  # what it said, and when it did in real time

    @_reading.default
    def _first_reading(self) -> tuple[float, float]:
        return self.start, self.start

    @property
    def pace(self) -> float:
        """How many of the mock's seconds pass in a real one, which is none while the clock is stopped."""
        return 0.0 if self.frozen else self.speed

    def now(self) -> float:
        """Seconds since the epoch, running *speed* times as fast since the start."""
        said, at = self._reading
        return said if self.frozen else said + (time.time() - at) * self.speed

    def advance(self, seconds: float) -> None:
        """Moves time on; it never goes back."""
        self._read(self.now() + max(0.0, seconds))

    def freeze(self) -> None:
        """Stops time: it passes only when it is moved on."""
        now = self.now()
        self.frozen = True
        self._read(now)

    def thaw(self, speed: float | None = None) -> None:
        """Lets time pass again, *speed* times as fast, or as fast as before."""
        now = self.now()
        self.frozen, self.speed = False, self.speed if speed is None else speed
        self._read(now)

    def fresh(self) -> "WallClock":
        """Another clock that passes as fast, from now on."""
        return WallClock(self.speed)

    def _read(self, now: float) -> None:
        self._reading = now, time.time()
        for alarm in self.alarms:
            alarm.ring(now)

    def sleep(self, seconds: float, /) -> None:
        """Sleeps until so many of the mock's seconds have passed."""
        time.sleep(max(0.0, seconds) / self.speed)

    async def sleep_async(self, seconds: float, /) -> None:
        """Sleeps until so many of the mock's seconds have passed."""
        import anyio

        await anyio.sleep(max(0.0, seconds) / self.speed)

    def hear(self, bell: Any, seconds: float, /) -> None:
        """Sleeps until the bell rings, or so many of the mock's seconds have passed."""
        bell.wait(seconds / self.speed)

    async def hear_async(self, bell: Any, seconds: float, /) -> None:
        """Sleeps until the bell rings, or so many of the mock's seconds have passed."""
        await bell.wait_async(seconds / self.speed)


async def _checkpoint() -> None:
    import anyio.lowlevel  # a server, which is soon to answer, has no use for it

    await anyio.lowlevel.checkpoint()

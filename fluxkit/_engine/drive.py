"""Drivers: they carry out what a flow asks for, one blocking, one asynchronous, and know nothing of what it means."""

import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import anyio
import anyio.lowlevel
import attrs

from ..errors import Unreachable
from .effects import Call, Discard, Fetch, Fetched, Flow, Keep, Lost, Note, Now, Reply, Wait

R = TypeVar("R")

#: A call that buys is given so many seconds when it is cancelled: its answer holds the id of what was bought.
SHELTER = 2.0

_log = logging.getLogger("fluxkit")


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


class Transport(Protocol):
    """The network, blocking."""

    def call(self, call: Call) -> Reply: ...
    def fetch(self, fetch: Fetch) -> Fetched: ...
    def keep(self, keep: Keep) -> Fetched: ...


class AsyncTransport(Protocol):
    """The network, asynchronous."""

    async def call(self, call: Call) -> Reply: ...
    async def fetch(self, fetch: Fetch) -> Fetched: ...
    async def keep(self, keep: Keep) -> Fetched: ...


Listener = Callable[[Note], None]

#: How many notes are kept for whoever looks back: a client may live for months.
MOST_NOTES = 1_000


@attrs.define(eq=False)
class Notes:
    """What flows must not forget, in the order in which they said it, and who wants to hear of it."""

    listener: Listener | None = None
    kept: deque[Note] = attrs.field(factory=lambda: deque(maxlen=MOST_NOTES))
    _rows: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)

    def take(self, note: Note) -> str:
        """Keeps the note; gives the name of its row, which no other has: several threads may use one client."""
        row = str(next(self._rows))
        self.kept.append(note)
        if self.listener is not None:
            try:
                self.listener(note)
            except Exception:  # noqa: BLE001 - a listener that fails must not cost an image that is being bought
                _log.exception("A listener of fluxkit failed")
        return row


def _at_once(effect: Any, clock: Clock, notes: Notes) -> Any:
    """The effects that neither driver has to wait for."""
    match effect:
        case Now():
            return clock.now()
        case Note():
            return notes.take(effect)
        case Discard(path):
            with suppress(OSError):  # a file too many must not cost the images beside it
                path.unlink()
            return None
    raise TypeError(f"no driver knows the effect {effect!r}")


def _tell(flow: Flow[Any], answer: Reply | Exception, clock: Clock, notes: Notes) -> None:
    """Tells a flow that is about to be closed what came of its submit, for the note that it makes of that."""
    with suppress(Exception):
        effect = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
        while isinstance(effect, Now):
            effect = flow.send(clock.now())
        if isinstance(effect, Wait):  # it was refused, and would be tried again
            effect = flow.throw(Unreachable("It was cancelled before it was sent again.", retry=False))
        if isinstance(effect, Note) and effect.kind != "intent":  # that would be the next submit's
            notes.take(effect)


@attrs.frozen(eq=False)
class Driver:
    """Runs flows on the calling thread."""

    transport: Transport
    clock: Clock
    notes: Notes

    def run(self, flow: Flow[R]) -> R:
        """What the flow returns; an exception that is no ``Exception`` (Ctrl-C) closes the flow and passes on.

        If it strikes a call that buys, the flow notes that its fate is not known.
        """
        answer: Any = None
        resume: Callable[[Any], Any] = flow.send
        try:
            while True:
                effect = resume(answer)
                try:
                    answer, resume = self._carry_out(effect), flow.send
                except Exception as error:  # noqa: BLE001 - it is the flow's to judge
                    answer, resume = error, flow.throw
                except BaseException:
                    if isinstance(effect, Call) and effect.buys:
                        _tell(flow, Lost("It was interrupted."), self.clock, self.notes)
                    raise
        except StopIteration as stop:
            result: R = stop.value
            return result
        finally:
            flow.close()

    def _carry_out(self, effect: Any) -> Any:
        match effect:
            case Call():
                return self.transport.call(effect)
            case Fetch():
                return self.transport.fetch(effect)
            case Keep():
                return self.transport.keep(effect)
            case Wait(seconds):
                self.clock.sleep(seconds)
                return self.clock.now()
        return _at_once(effect, self.clock, self.notes)


@attrs.frozen(eq=False)
class AsyncDriver:
    """Runs flows on asyncio or trio."""

    transport: AsyncTransport
    clock: Clock
    notes: Notes

    async def run(self, flow: Flow[R]) -> R:
        """What the flow returns; a cancellation closes the flow and passes on.

        If it strikes a call that buys, the answer is still waited for, for ``SHELTER`` seconds at most, and noted.
        """
        answer: Any = None
        resume: Callable[[Any], Any] = flow.send
        try:
            while True:
                answer, resume = await self.answer(resume(answer), flow)
        except StopIteration as stop:
            result: R = stop.value
            return result
        finally:
            flow.close()

    async def answer(self, effect: Any, flow: Flow[Any]) -> tuple[Any, Callable[[Any], Any]]:
        """What the flow is to hear of its effect, and how: it is sent or thrown."""
        try:
            buys = isinstance(effect, Call) and effect.buys
            return await (self._buy(effect, flow) if buys else self._carry_out(effect)), flow.send
        except Exception as error:  # noqa: BLE001 - it is the flow's to judge
            return error, flow.throw

    async def _carry_out(self, effect: Any) -> Any:
        match effect:
            case Call():
                return await self.transport.call(effect)
            case Fetch():
                return await self.transport.fetch(effect)
            case Keep():
                return await self.transport.keep(effect)
            case Wait(seconds):
                await self.clock.sleep_async(seconds)
                return self.clock.now()
        return _at_once(effect, self.clock, self.notes)

    async def _buy(self, call: Call, flow: Flow[Any]) -> Reply:
        """Carries out a call that buys, sheltered from cancellation; a flow that is cancelled hears what came of it."""
        try:
            await anyio.lowlevel.checkpoint()  # whoever is cancelled already buys nothing
        except BaseException:
            _tell(flow, Unreachable("It was cancelled before it was sent.", retry=False), self.clock, self.notes)
            raise
        answers: list[Reply | Exception] = []
        interruption: BaseException | None = None
        answered = anyio.Event()
        shelter = anyio.CancelScope(shield=True)

        async def carry_out() -> None:
            nonlocal interruption
            with shelter:
                try:
                    answers.append(await self.transport.call(call))
                except Exception as error:  # noqa: BLE001 - it is the flow's to judge
                    answers.append(error)
                except anyio.get_cancelled_exc_class():
                    raise
                except BaseException as error:  # noqa: BLE001 - raised below: a task group would wrap it
                    interruption = error
            answered.set()

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(carry_out)
                try:
                    await answered.wait()
                except BaseException as error:  # noqa: BLE001 - raised below, once the shelter is empty
                    interruption = error
                    shelter.deadline = anyio.current_time() + SHELTER
            if interruption is not None:
                raise interruption
        except BaseException:
            _tell(flow, answers[0] if answers else Lost("It was interrupted."), self.clock, self.notes)
            raise
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

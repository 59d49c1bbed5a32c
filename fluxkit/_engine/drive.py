"""Drivers: they carry out what a flow asks for, one blocking, one asynchronous, and know nothing of what it means."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs

from .._contract.reference import Reference
from ..errors import FluxError, Unreachable
from .clock import Clock
from .closing import given_up, last_words
from .download import sought
from .ears import Ears
from .effects import (
    Afford,
    Bring,
    Call,
    Claim,
    Discard,
    Fetch,
    Fetched,
    Flow,
    Host,
    Hosted,
    Keep,
    Lost,
    Note,
    Now,
    Recall,
    Reply,
    Seek,
    Seen,
    Wait,
    Woken,
)
from .keeping import consult, consult_async, keep_note, keep_note_async, rows_in
from .mailbox import Mailbox
from .notes import Notebook

R = TypeVar("R")

#: A call that buys is given so many seconds when it is cancelled: its answer holds the id of what was bought.
SHELTER = 2.0


class Transport(Protocol):
    """The network, blocking."""

    def call(self, call: Call) -> Reply: ...
    def fetch(self, fetch: Fetch) -> Fetched: ...
    def keep(self, keep: Keep) -> Fetched: ...
    def bring(self, bring: Bring) -> bytes: ...


class AsyncTransport(Protocol):
    """The network, asynchronous."""

    async def call(self, call: Call) -> Reply: ...
    async def fetch(self, fetch: Fetch) -> Fetched: ...
    async def keep(self, keep: Keep) -> Fetched: ...
    async def bring(self, bring: Bring) -> bytes: ...


#: Where plugins host images: the address of one, None if none of them hosts it.
Hosting = Callable[[Reference], Hosted | None]


def nowhere(_: Reference) -> None:
    """Hosts no image."""


def _at_once(effect: Any, clock: Clock) -> Any:
    """The effects that neither driver has to wait for."""
    match effect:
        case Now():
            return clock.now()
        case Discard(path):
            with suppress(OSError):  # a file too many must not cost the images beside it
                path.unlink()
            return None
        case Seek(path, sha256):
            return sought(path, sha256, now=clock.now)
    raise TypeError(f"no driver knows the effect {effect!r}")


def woken(mailbox: Mailbox, tasks: Sequence[str], now: float) -> Woken:
    """How a wait for *tasks* has ended: what of them has come is handed out only to those who are still there."""
    return Woken(now, *(mailbox.take(tasks, now) or ()))


@attrs.frozen(eq=False)
class Driver:
    """Runs flows on the calling thread."""

    transport: Transport
    clock: Clock
    notes: Notebook
    hosting: Hosting = nowhere
    mailbox: Mailbox = attrs.field(factory=Mailbox)
    ears: Ears = attrs.field(factory=Ears)

    def run(self, flow: Flow[R]) -> R:
        """What the flow returns; an exception that is no ``Exception`` (Ctrl-C) closes the flow and passes on.

        What became of its submits is noted before: that it is not known, if it strikes a call that buys.
        """
        answer: Any = None
        resume: Callable[[Any], Any] = flow.send
        rows: list[str] = []
        try:
            while True:
                effect = resume(answer)
                try:
                    answer, resume = self._carry_out(effect), flow.send
                    rows += rows_in(effect, answer)
                except Exception as error:  # noqa: BLE001 - it is the flow's to judge
                    answer, resume = error, flow.throw
                except BaseException:
                    buys = isinstance(effect, Call) and effect.buys
                    for note in last_words(flow, Lost("It was interrupted.") if buys else given_up(), self.clock):
                        keep_note(note, self.notes, self.mailbox, self.ears)
                    raise
        except StopIteration as stop:
            result: R = stop.value
            return result
        finally:
            flow.close()
            if rows:
                self.notes.leave(rows)

    def answer(self, effect: Any, flow: Flow[Any]) -> tuple[Any, Callable[[Any], Any]]:
        """What a flow is to hear of an effect that buys nothing, and how: it is sent or thrown."""
        try:
            return self._carry_out(effect), flow.send
        except Exception as error:  # noqa: BLE001 - it is the flow's to judge
            return error, flow.throw

    def _carry_out(self, effect: Any) -> Any:
        match effect:  # what flows ask most often stands first
            case Now():
                return self.clock.now()
            case Note():
                return keep_note(effect, self.notes, self.mailbox, self.ears)
            case Call():
                return self._heard(effect, self.transport.call)
            case Fetch():
                return self._heard(effect, self.transport.fetch)
            case Seen():
                return self.ears.saw(effect)
            case Keep():
                return self.transport.keep(effect)
            case Bring():
                return self.transport.bring(effect)
            case Host(image):
                return self.hosting(image)
            case Wait(seconds, tasks) if tasks and self.mailbox.attended:
                with self.mailbox.listening(tasks, self.clock.now()) as bell:
                    self.clock.hear(bell, seconds)
                    return woken(self.mailbox, tasks, self.clock.now())
            case Wait(seconds):
                self.clock.sleep(seconds)
                return Woken(self.clock.now())
            case Claim() | Afford() | Recall():
                return consult(effect, self.notes)
        return _at_once(effect, self.clock)

    def _heard(self, effect: Call | Fetch, carry_out: Callable[[Any], Any]) -> Any:
        """Carries out a call, and tells whoever hears what came of it; of one that buys, that it is sent now."""
        about, ears = effect.about, self.ears
        if about is None or not ears.awake:
            return carry_out(effect)
        began = self.clock.now()
        if isinstance(effect, Call) and effect.buys:  # between its answer and the flow stands nobody
            ears.called(about, began, began, None)
            return carry_out(effect)
        try:
            outcome = carry_out(effect)
        except Exception as error:
            ears.called(about, began, self.clock.now(), error)
            raise
        ears.called(about, began, self.clock.now(), outcome)
        return outcome


@attrs.frozen(eq=False)
class AsyncDriver:
    """Runs flows on asyncio or trio."""

    transport: AsyncTransport
    clock: Clock
    notes: Notebook
    hosting: Hosting = nowhere
    mailbox: Mailbox = attrs.field(factory=Mailbox)
    ears: Ears = attrs.field(factory=Ears)

    async def run(self, flow: Flow[R]) -> R:
        """What the flow returns; a cancellation closes the flow and passes on.

        If it strikes a call that buys, the answer is still waited for, for ``SHELTER`` seconds at most, and noted.
        """
        answer: Any = None
        resume: Callable[[Any], Any] = flow.send
        rows: list[str] = []
        try:
            while True:
                effect = resume(answer)
                try:
                    answer, resume = await self.answer(effect, flow)
                except GeneratorExit:  # nothing can be awaited any more
                    raise
                except BaseException:
                    with anyio.move_on_after(SHELTER, shield=True):
                        await self.wind_up(flow)
                    raise
                rows += rows_in(effect, answer)
        except StopIteration as stop:
            result: R = stop.value
            return result
        finally:
            flow.close()
            if rows:
                self.notes.leave(rows)

    async def answer(self, effect: Any, flow: Flow[Any]) -> tuple[Any, Callable[[Any], Any]]:
        """What the flow is to hear of its effect, and how: it is sent or thrown."""
        try:
            buys = isinstance(effect, Call) and effect.buys
            return await (self._buy(effect, flow) if buys else self._carry_out(effect)), flow.send
        except Exception as error:  # noqa: BLE001 - it is the flow's to judge
            return error, flow.throw

    async def wind_up(self, flow: Flow[Any]) -> FluxError | None:
        """Tells a flow that it is given up; keeps what it notes of its submits.

        Gives the error with which it ends. Whoever closes a flow while it waits, or is cancelled, does this before.
        """
        words = last_words(flow, given_up(), self.clock)
        while True:
            try:
                note = next(words)
            except StopIteration as stop:
                end: FluxError | None = stop.value
                return end
            await keep_note_async(note, self.notes, self.mailbox, self.ears)

    async def _carry_out(self, effect: Any) -> Any:
        match effect:
            case Call():
                return await self._heard(effect, self.transport.call)
            case Fetch():
                return await self._heard(effect, self.transport.fetch)
            case Seen():
                return self.ears.saw(effect)
            case Keep():
                return await self.transport.keep(effect)
            case Bring():
                return await self.transport.bring(effect)
            case Host(image):  # a plugin may block, and no flow waits for its end once it is cancelled
                return await anyio.to_thread.run_sync(self.hosting, image, abandon_on_cancel=True)
            case Wait(seconds, tasks) if tasks and self.mailbox.attended:
                with self.mailbox.listening(tasks, self.clock.now()) as bell:
                    await self.clock.hear_async(bell, seconds)
                    return woken(self.mailbox, tasks, self.clock.now())
            case Wait(seconds):
                await self.clock.sleep_async(seconds)
                return Woken(self.clock.now())
            case Note():
                return await keep_note_async(effect, self.notes, self.mailbox, self.ears)
            case Claim() | Afford() | Recall():
                return await consult_async(effect, self.notes)
        return _at_once(effect, self.clock)

    async def _heard(self, effect: Call | Fetch, carry_out: Callable[[Any], Awaitable[Any]]) -> Any:
        """Carries out a call that does not buy, and tells whoever hears what came of it."""
        about, ears = effect.about, self.ears
        if about is None or not ears.awake:
            return await carry_out(effect)
        began = self.clock.now()
        try:
            outcome = await carry_out(effect)
        except Exception as error:
            ears.called(about, began, self.clock.now(), error)
            raise
        ears.called(about, began, self.clock.now(), outcome)
        return outcome

    async def _buy(self, call: Call, flow: Flow[Any]) -> Reply:
        """Carries out a call that buys, sheltered from cancellation; a flow that is cancelled hears what came of it."""
        try:
            await anyio.lowlevel.checkpoint()  # whoever is cancelled already buys nothing
        except BaseException:
            await self._tell(flow, Unreachable("It was cancelled before it was sent.", retry=False))
            raise
        if call.about is not None:
            now = self.clock.now()
            self.ears.called(call.about, now, now, None)
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
            left = max(0.0, min(SHELTER, shelter.deadline - anyio.current_time()))
            await self._tell(flow, answers[0] if answers else Lost("It was interrupted."), within=left)
            raise
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    async def _tell(self, flow: Flow[Any], answer: Reply | Exception, *, within: float = SHELTER) -> None:
        """Tells a flow that is about to be closed what came of its submit, and keeps its note.

        However long that takes, the note is on its way when this returns, and nobody waits longer than so many seconds.
        """
        note = next(last_words(flow, answer, self.clock), None)
        if note is not None:
            with anyio.move_on_after(within, shield=True):
                await keep_note_async(note, self.notes, self.mailbox, self.ears)

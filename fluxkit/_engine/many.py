"""Drives a crowd: a few workers carry out what its flows ask for, and one timer wakes them. On asyncio and trio.

There is no task for each flow, and no sleeper: who waits stands in the crowd, and a worker takes the next turn as soon
as it is free. So no more calls are under way than there are workers, and none of them waits within httpx's pool, which
slows down with each, as it does with each connection. Workers come when they are needed and go when there is nothing to
do; a few are enough where answers come soon, and where turns come late although the processor has time, there are more.
While some of them wait for a note to become durable, as many others make calls.

All flows share one budget of requests: so many a second. The more of them wait, the longer each waits at least, but
never beyond its deadline.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio
from anyio.abc import TaskGroup

from .._wire.complaint import retry_after
from .._wire.origins import origin
from ..errors import FluxError
from .crowd import Crowd, Member
from .drive import SHELTER, AsyncDriver, woken
from .effects import Call, Flow, Note, Reply, Wait
from .keeping import rows_in
from .mailbox import Bell

#: How many workers there are where that is enough, and at most: so many calls are under way at once.
FEW, WORKERS = 4, 20

#: A turn that comes so many seconds late asks for another worker; they come one by one, with so many seconds between.
LATE, APART = 0.5, 0.1

#: How much of its time the event loop may be at work if more workers are to be of use.
BUSY = 0.7

#: How many requests a second all flows together aim for; an event loop makes about half as many again.
BUDGET = 1_100.0

Deliver = Callable[[int, Any], None]


class Many:
    """Runs flows side by side, from ``add`` to *deliver*, which is given what each returned or the error it raised.

    *base_url* is where new flows will speak to. All methods but ``run`` return at once, and are called in the event
    loop that runs it.
    """

    def __init__(self, driver: AsyncDriver, deliver: Deliver, *, base_url: str) -> None:
        self._driver, self._deliver = driver, deliver
        self._origin = origin(base_url)
        self._crowd = Crowd()
        self._group: TaskGroup | None = None
        self._working = self._noting = 0
        self._nap: anyio.CancelScope | None = None
        self._bell = Bell()
        self._heard: deque[str] = deque()
        self._until = math.inf
        self._left = 0
        self._expecting = False
        self._complete = False
        self._stopped = False
        self._looked = (time.monotonic(), time.thread_time())
        self._leaps = getattr(driver.clock, "leaps", False)
        self.lost: list[Member] = []

    def add(self, number: int, flow: Flow[Any], *, timeout: float) -> None:
        """Lets a flow begin as soon as it is its turn. It ends by itself within *timeout* seconds."""
        now = self._driver.clock.now()
        self._left += 1
        self._crowd.join(Member(number, flow, now + timeout, self._origin), now)
        self._stir()

    def expect(self, *, more: bool) -> None:
        """Whether more flows are on their way at this moment: time that leaps waits for them."""
        self._expecting = more
        self._stir()

    def finish(self) -> None:
        """There will be no more flows: ``run`` returns when the last one has ended."""
        self._complete = True
        self._end_if_done()

    def stop(self) -> None:
        """Ends all flows where they are: what is being bought is sheltered and noted as ever, all else is given up."""
        self._stopped = True
        if self._group is not None:
            self._group.cancel_scope.cancel()

    def wake(self, task: str) -> None:
        """There is news of a task: whoever waits for it goes on."""
        if self._crowd.wake(task, self._driver.clock.now()):
            self._stir()

    async def run(self) -> None:
        """Runs until all is done, or it is stopped or cancelled; ``lost`` are those whose flows were closed then."""
        try:
            with self._driver.mailbox.watching(self._hear, lambda: self._crowd.names):
                async with anyio.create_task_group() as self._group:
                    self._group.start_soon(self._keep_time)
                    self._stir()
                    self._end_if_done()
                    if self._stopped:
                        self._group.cancel_scope.cancel()
        finally:
            self._group = None
            waiting = list(self._crowd.emptied())
            self.lost += waiting
            with anyio.move_on_after(SHELTER, shield=True):
                for member in waiting:
                    await self._wind_up(member)
            for member in waiting:
                self._close(member)

    def _hear(self, task: str) -> None:
        """There is news of a task in the mailbox. In any thread: who keeps the time wakes whoever waits for it."""
        self._heard.append(task)
        self._bell.ring()

    def _end_if_done(self) -> None:
        if self._complete and not self._left and self._group is not None:
            self._group.cancel_scope.cancel()

    def _stir(self) -> None:
        """Sees to it that whoever is due has a worker, and that somebody sleeps until the next one is."""
        if self._group is None or self._group.cancel_scope.cancel_called:
            return
        due = self._crowd.due()
        now = self._driver.clock.now()
        if due is not None and due <= now:
            at_work = self._working - min(self._noting, FEW)
            if at_work < FEW or (self._working < WORKERS and now - due > LATE and self._is_idle()):
                self._working += 1
                self._group.start_soon(self._work)
        elif due is not None and due < self._until and self._nap is not None and self._may_sleep():
            self._nap.cancel()

    def _is_idle(self) -> bool:
        """Whether, over a while that has just ended, this thread had time left for more."""
        looked, now = self._looked, (time.monotonic(), time.thread_time())
        if now[0] - looked[0] < APART:
            return False
        self._looked = now
        return now[1] - looked[1] < BUSY * (now[0] - looked[0])

    def _may_sleep(self) -> bool:
        """Whether time may pass now: on a clock that leaps, nobody must be at work or on the way."""
        return not (self._leaps and (self._working or self._expecting))

    async def _work(self) -> None:
        try:
            while (member := self._crowd.take(self._driver.clock.now())) is not None:
                self._stir()  # a worker brings the next one
                await self._turn(member)
        finally:
            self._working -= 1
        self._stir()

    async def _keep_time(self) -> None:
        """Sleeps until somebody is due who is not due yet; for whoever is, a worker comes as soon as there is one."""
        clock = self._driver.clock
        while True:
            with anyio.CancelScope() as self._nap:
                self._bell = Bell()
                self._wake_heard()
                now = clock.now()
                self._until = self._next_look(now)
                if self._until == math.inf:
                    await self._bell.wait_async(math.inf)
                else:
                    await clock.hear_async(self._bell, self._until - now)
            self._wake_heard()
            self._stir()

    def _wake_heard(self) -> None:
        """It is the turn of those who wait for news of their tasks, and not of those who wait for something else."""
        while self._heard:
            task = self._heard.popleft()
            member = self._crowd.named(task)
            if member is not None and task in member.tasks:
                self.wake(task)

    def _next_look(self, now: float) -> float:
        """When the next turn comes, or when to look again whether one that is late asks for another worker."""
        due = self._crowd.due()
        if due is None or not self._may_sleep() or (due <= now and self._working >= WORKERS):
            return math.inf
        return due if due > now else now + APART

    async def _turn(self, member: Member) -> None:
        """Lets a flow go on until it waits or ends."""
        flow, clock = member.flow, self._driver.clock
        answer: Any = woken(self._driver.mailbox, member.tasks, clock.now()) if member.started else None
        resume: Callable[[Any], Any] = flow.send
        member.started = True
        try:
            while True:
                effect = resume(answer)
                if isinstance(effect, Wait):
                    self._rest(member, effect)
                    return
                if isinstance(effect, Note) and self._driver.notes.waits(effect):
                    answer, resume = await self._noted(effect, flow)
                else:
                    answer, resume = await self._driver.answer(effect, flow)
                self._learn(member, effect, answer)
        except StopIteration as stop:
            self._ended(member, stop.value)
        except Exception as error:  # noqa: BLE001 - it is what became of the flow
            self._ended(member, error)
        except BaseException:
            self.lost.append(member)
            with anyio.move_on_after(SHELTER, shield=True):
                await self._wind_up(member)
            self._close(member)
            raise

    async def _noted(self, note: Note, flow: Flow[Any]) -> tuple[Any, Callable[[Any], Any]]:
        """What a flow is to hear of a note. While the disk is waited for, another worker may make a call."""
        self._noting += 1
        self._stir()
        try:
            return await self._driver.answer(note, flow)
        finally:
            self._noting -= 1

    def _rest(self, member: Member, wait: Wait) -> None:
        """Lets a flow wait; not at all, if news has come of a task for which it waits."""
        mailbox, member.tasks = self._driver.mailbox, wait.tasks
        if wait.tasks and mailbox.attended and mailbox.holds(wait.tasks, self._driver.clock.now()):
            self._crowd.join(member, self._driver.clock.now())
        else:
            self._crowd.join(member, self._until_when(wait.seconds, member.deadline))

    def _until_when(self, seconds: float, deadline: float) -> float:
        """Until when a flow waits that wants to wait for so long: longer, if many do, but not beyond its deadline."""
        now = self._driver.clock.now()
        wanted = now + max(0.0, seconds)
        return max(wanted, min(now + self._left / BUDGET, deadline))

    async def _wind_up(self, member: Member) -> None:
        """Tells a flow that it is given up. What it says of that is kept: a submit that was refused stays refused."""
        if member.started:
            member.end = await self._driver.wind_up(member.flow)

    def _learn(self, member: Member, effect: Any, answer: Any) -> None:
        """What the crowd must know of an effect: where the flow speaks to, what it bought, and who wants silence."""
        member.rows += rows_in(effect, answer)
        match effect, answer:
            case Call(origins=[there, *_]), _:
                member.origin = there
                if isinstance(answer, Reply) and answer.status == 429 and (asked := retry_after(answer)) is not None:
                    self._crowd.hold(there, answer.at + asked)
            case Note("accepted"), str():
                self._crowd.name(member, effect.entry["task"])

    def _close(self, member: Member) -> None:
        """Ends a flow, and lets go of what it had in hand."""
        member.flow.close()
        if member.rows:
            self._driver.notes.leave(member.rows)
            member.rows = []

    def _ended(self, member: Member, end: Any) -> None:
        self._close(member)
        self._crowd.leave(member)
        self._left -= 1
        self._deliver(member.number, end)
        self._end_if_done()


def as_error(error: Exception) -> FluxError:
    """An error of ours; any other is wrapped, because an outcome is never a traceback."""
    if isinstance(error, FluxError):
        return error
    ours = FluxError(f"fluxkit failed: {error!r}. Please report it; look at the account, something may be bought.")
    ours.__cause__ = error
    return ours

"""The mock's webhooks: what a service reports by itself, signed as the service does, when its time has come.

In process they go to an outlet, on the mock's virtual clock: whoever waits on that clock is told, at the moment at
which the service would tell. On a port they are posted over the network, as far as ``reach`` lets them. Every delivery
lies in the queue by itself, with its own time: one that is late, doubled, lost or changed is made so there.
"""

import concurrent.futures
import functools
import hashlib
import inspect
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from fluxkit._contract.by_fields import by_fields

from .outlet import Delivery, Outlet
from .parcels import Parcel, Parcels, Report
from .tasks import MockTask, Progression

#: The secret with which the mock signs: a text that is base64 as well, for services that want that.
WEBHOOK_SECRET = "whsec_Zmx1eGtpdCBtb2NrIHdlYmhvb2tz"  # noqa: S105 - it opens nothing

#: How many deliveries are remembered.
MOST_SENT = 10_000

#: How many seconds late a webhook comes, if a fault makes it so.
LATE = 600.0

#: With what forged webhooks are signed: base64 as well, for services that want that.
FORGER = "whsec_bm90IHRoZSBzZXJ2aWNl"


@by_fields
@attrs.frozen(eq=False, repr=False)
class Sent:
    """One attempt as it went: what the receiver answered, 0 if it did not, None if the address is not allowed."""

    provider: str
    task: str
    status: str
    url: str
    answer: int | None
    attempt: int
    at: float
    body: bytes = attrs.field(default=b"", eq=False, repr=False)


#: Gives the fault that strikes what is reported of a task, but for those named, if one does.
Strike = Callable[[MockTask, Collection[str]], "str | None"]


class Postman:
    """The webhooks of one mock. ``sent`` are its last attempts, without what they said."""

    def __init__(
        self,
        clock: Any,
        *,
        secret: str = WEBHOOK_SECRET,
        seed: int = 0,
        allow: Collection[str] = (),
        tell: Callable[[str, Sent], object] = lambda *_: None,
        strike: Strike = lambda *_: None,
        switches: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        """A postman who delivers nothing yet: ``connect`` an outlet, or run a server.

        Args:
            clock: The mock's time.
            secret: What is signed with.
            seed: What the ids of deliveries derive from.
            allow: The hosts to which webhooks are posted beside this machine.
            tell: Is told of each attempt as it went.
            strike: Gives the fault that strikes what is reported of a task, but for some, if one does.
            switches: What each service does where no page says it, if that is not the usual.
        """
        self.sent: deque[Sent] = deque(maxlen=MOST_SENT)
        self.secret = secret
        self._clock, self._seed, self._allow = clock, seed, frozenset(allow)
        self._tell, self._strike, self.switches = tell, strike, switches
        self._held: dict[str, list[Parcel]] = {}
        self._outlet: Outlet | None = None
        self._changed: Callable[[], object] | None = None
        self._numbers: Iterator[int] = itertools.count(1)
        self._parcels = Parcels()
        self._resumed: list[Callable[[], None]] = []

    def connect(self, outlet: Outlet) -> None:
        """Delivers in this process, to *outlet*; ``to_app`` makes one of an ASGI app.

        Raises ``ValueError`` on a clock that is not virtual, where nobody would be there when a delivery is due.
        """
        if not getattr(self._clock, "leaps", False):
            raise ValueError("In process, webhooks need a VirtualClock. On the wall clock, run the mock on a port.")
        self._outlet = outlet
        self._heed(self._clock.alarms)
        self._begin()

    @property
    def outlet(self) -> Outlet | None:
        """Where these are delivered in this process, if they are."""
        return self._outlet

    @property
    def carried(self) -> bool:
        """Whether somebody posts them over the network."""
        return self._changed is not None

    @property
    def _delivers(self) -> bool:
        """Whether what is reported goes anywhere."""
        return self._outlet is not None or self.carried

    @property
    def under_way(self) -> int:
        """How many deliveries are due or out now. Where none is, all that has happened so far has been told."""
        return self._parcels.count(self._clock.now())

    def follow(self, other: "Postman") -> None:
        """Delivers where another delivers: to its outlet, or over the network once somebody carries these, too."""
        if (outlet := other.outlet) is not None:
            self.connect(outlet)
        elif other.carried:
            self._changed = _nothing
            self._begin()

    def resume(
        self, task: MockTask, words: tuple[str, ...], progression: Progression, report: Report, since: float
    ) -> None:
        """A task was accepted before this process began: what falls due after *since* is foreseen when it can be."""
        self._resumed.append(functools.partial(self._foresee, task, words, progression, report, since))

    def _begin(self) -> None:
        resumed, self._resumed = self._resumed, []
        for foresee in resumed:
            foresee()

    def _foresee(
        self, task: MockTask, words: tuple[str, ...], progression: Progression, report: Report, since: float
    ) -> None:
        last = len(words) - 1
        for stage in self._stages(task, last) if progression is Progression.SECONDS and not task.cancelled else ():
            due = task.created_at + task.duration * stage / last
            if due > since:
                self._send(self._parcel(due, task, stage, words[stage], report))

    def _heed(self, alarms: list[Any]) -> None:
        if self not in alarms:
            alarms.append(self)

    def clear(self) -> None:
        """Forgets what waits and what was sent."""
        self._parcels.clear()
        self._held.clear()
        self.sent.clear()

    # What is reported, and when

    def accepted(self, task: MockTask, words: tuple[str, ...], progression: Progression, report: Report) -> None:
        """A task was accepted that may want its news: what time moves on is foreseen now."""
        last = len(words) - 1
        timed = progression is Progression.SECONDS
        for stage in self._stages(task, last):
            if timed or stage == 0 or (stage == last and progression is Progression.AT_ONCE):
                due = task.created_at + (task.duration * stage / last if timed else 0.0)
                self._report(self._parcel(due, task, stage, words[stage], report), last=last)

    def polled(self, task: MockTask, words: tuple[str, ...], stage: int, now: float, report: Report) -> None:
        """A poll has moved a task on, in a mock where nothing else does."""
        last = len(words) - 1
        if stage > task.reported and stage in self._stages(task, last):
            task.reported = stage
            self._report(self._parcel(now, task, stage, words[stage], report), last=last)

    def _report(self, parcel: Parcel, *, last: int) -> None:
        """Puts a parcel among those that wait, in whatever way a fault would have it."""
        task, is_last = parcel.task, parcel.stage == last
        fault = self._strike(task, ("webhook-out-of-order",) if is_last else ())
        match fault:
            case "webhook-lost":
                parcels = []
            case "webhook-twice":
                parcels = [parcel, self._again(parcel)]
            case "webhook-forged":
                parcels = [attrs.evolve(parcel, forged=True), self._again(parcel)]
            case "webhook-late":
                parcels = [attrs.evolve(parcel, due=parcel.due + LATE)]
            case "webhook-out-of-order":
                self._held.setdefault(task.id, []).append(parcel)
                return
            case _:
                parcels = [parcel]
        if is_last:  # what was held back comes after the end
            parcels += [attrs.evolve(self._again(held), due=parcel.due) for held in self._held.pop(task.id, ())]
        for each in parcels:
            self._send(each)

    def _parcel(self, due: float, task: MockTask, stage: int, word: str, report: Report) -> Parcel:
        return Parcel(due, next(self._numbers), task, stage, word, report)

    def _again(self, parcel: Parcel) -> Parcel:
        return attrs.evolve(parcel, number=next(self._numbers))

    def cancelled(self, task: MockTask, word: str | None, now: float, report: Report) -> None:
        """A task was stopped: what was foreseen of it does not come, and its end is reported as other ends are."""
        self._parcels.drop(task)
        wanted = "webhook_url" in task.values and task.provider.webhook is not None
        if word is not None and wanted and self._delivers:
            self._send(self._parcel(now, task, 0, word, report))

    def _stages(self, task: MockTask, last: int) -> tuple[int, ...]:
        """The stages of a task's life that are reported: changes, so not the first."""
        webhook = task.provider.webhook
        if webhook is None or not self._delivers:
            return ()
        switches = self.switches.get(task.provider.name, {})
        first = 0 if switches.get("webhook-created") == "yes" else 1
        stages = range(first, last + 1) if webhook.every else range(max(1, last), last + 1)
        return tuple(stage for stage in stages if stage < last or not task.stuck)

    def _send(self, parcel: Parcel) -> None:
        self._parcels.put(parcel)
        if self._changed is not None:
            self._changed()

    def _delivery(self, parcel: Parcel, now: float) -> Delivery:
        """A parcel as it goes out now: its body stays what it was at the first attempt, its signature is fresh."""
        webhook = parcel.webhook
        parcel.body = parcel.body or parcel.write(parcel.stage, now)
        name = hashlib.sha256(f"{self._seed}:webhook:{parcel.task.id}:{parcel.stage}".encode()).hexdigest()[:27]
        own = parcel.task.values.get("webhook_secret")  # some services are told it with each request
        secret = own if isinstance(own, str) and own else self.secret
        if parcel.forged:
            secret = FORGER
        if self.switches.get(parcel.task.provider.name, {}).get("webhook-time") == "milliseconds":
            now *= 1000
        signed = webhook.signature.sign(secret, parcel.body, id=f"msg_{name}", at=now)
        url = f"{parcel.task.values['webhook_url']}{webhook.suffix}"
        return Delivery(url, {"content-type": "application/json", **signed}, parcel.body)

    def _done(self, parcel: Parcel, url: str, answer: int | None) -> None:
        """Keeps what came of an attempt; what may pass is tried again when the service would."""
        task, now = parcel.task, self._clock.now()
        sent = Sent(task.provider.name, task.id, parcel.word, url, answer, parcel.attempt + 1, now, parcel.body)
        self.sent.append(sent)
        self._tell("webhook", sent)
        self._parcels.end(parcel)
        retries = parcel.webhook.retries
        if answer is not None and not 0 < answer < 500 and parcel.attempt < len(retries):
            due = now + retries[parcel.attempt]
            self._send(attrs.evolve(parcel, due=due, attempt=parcel.attempt + 1))

    # In process

    def due(self) -> float | None:
        """When the clock has to stop for a delivery in this process; None if it has not."""
        return None if self._outlet is None else self._parcels.due()

    def ring(self, now: float) -> None:
        """Delivers what is due in this process, or tells the server that time has moved."""
        if self._outlet is None:
            if self._changed is not None:
                self._changed()
            return
        while (parcel := self._parcels.take(now)) is not None:
            delivery = self._delivery(parcel, now)
            answer = self._outlet(delivery)
            if inspect.isawaitable(answer):  # in a thread of its own, because a loop may be running in this one
                with concurrent.futures.ThreadPoolExecutor(1) as pool:
                    import anyio

                    answer = pool.submit(anyio.run, _awaited, answer).result()
            self._done(parcel, delivery.url, answer)

    async def ring_async(self, now: float) -> None:
        """``ring``, for whoever waits in an event loop: an app is run there."""
        if self._outlet is None:
            self.ring(now)
            return
        while (parcel := self._parcels.take(now)) is not None:
            delivery = self._delivery(parcel, now)
            answer = self._outlet(delivery)
            self._done(parcel, delivery.url, await answer if inspect.isawaitable(answer) else answer)

    # On a port

    async def carry(self) -> None:
        """Posts over the network what falls due, until it is cancelled. Runs on asyncio, beside the server."""
        from .carrier import Carrier  # a mock in process has no use for it

        carrier = Carrier(self._parcels, self._clock, self._delivery, self._done, self._allow)
        self._changed = carrier.wake
        self._heed(getattr(self._clock, "alarms", []))
        self._begin()
        try:
            await carrier.run()
        finally:
            self._changed = None


def _nothing() -> None:
    pass


async def _awaited(answer: Awaitable[int]) -> int:
    return await answer

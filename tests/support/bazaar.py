"""A world in which many flows go on at once: what happens to a request depends on the request alone.

It is an asynchronous transport and a clock in one. The clock leaps: whoever sleeps on it moves it. Each call lets
others run for as many steps as its story says, so that stories overtake each other.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import anyio.lowlevel
import attrs

from fluxkit._engine.effects import Call, Fetch, Fetched, Keep, Lost, Reply
from fluxkit.errors import DownloadError, Unreachable
from fluxkit_providers.magnific import MAGNIFIC

from .world import EPOCH, Said, accepted, complaint, completed, running, told

#: What may come of a submit, and whether something may have been bought then.
SUBMITS: Mapping[str, tuple[Callable[[str], Said | Exception], bool]] = {
    "accepted": (lambda name: accepted(MAGNIFIC, name), True),
    "busy": (lambda _: complaint(MAGNIFIC, 503), False),
    "limited": (lambda _: complaint(MAGNIFIC, 429, headers={"retry-after": "7"}), False),
    "rejected": (lambda _: complaint(MAGNIFIC, 400, "No such thing."), False),
    "unreachable": (lambda _: Unreachable("refused"), False),
    "lost": (lambda _: Lost("dropped"), True),
}
#: How a task ends.
ENDS: Mapping[str, Callable[[str], Said]] = {
    "completed": lambda name: completed(MAGNIFIC, f"https://images.example/{name}.jpg", id=name),
    "failed": lambda name: told(MAGNIFIC, "FAILED", id=name),
}


@attrs.frozen
class Story:
    """What happens to one request: to its submits, how long its task takes, how that ends, how slow all of it is."""

    submits: Sequence[str] = ("accepted",)
    seconds: float = 2.0
    end: str = "completed"
    dead_links: int = 0
    steps: int = 1


@attrs.define(eq=False)
class Bazaar:
    """Answers each request by its story, which it finds by the number at the end of the prompt."""

    stories: Sequence[Story]
    strike: Callable[[int, Any], None] = lambda *_: None
    time: float = EPOCH
    leaps: ClassVar[bool] = True
    asked: list[tuple[float, Any]] = attrs.field(factory=list)
    submits: Counter[int] = attrs.field(factory=Counter)
    bought: Counter[int] = attrs.field(factory=Counter)
    closed: int = 0
    under_way: int = 0
    most_under_way: int = 0
    _begun: dict[int, float] = attrs.field(factory=dict)
    _fetched: Counter[int] = attrs.field(factory=Counter)

    # As a clock

    def now(self) -> float:
        return self.time

    async def sleep_async(self, seconds: float, /) -> None:
        assert not self.under_way, "time leaps while somebody is at work"
        self.time += max(0.0, seconds)
        await anyio.lowlevel.checkpoint()

    async def hear_async(self, bell: Any, seconds: float, /) -> None:
        await self.sleep_async(0.0 if bell.rung else seconds)

    # As a transport

    async def call(self, call: Call) -> Reply:
        number = self._number(call.body.decode() if call.buys else call.url)
        await self._work(number, call)
        said = self._submitted(number) if call.buys else self._polled(number)
        if isinstance(said, Exception):
            raise said
        return Reply(said.status, said.headers, said.document, said.text, self.time)

    async def fetch(self, fetch: Fetch) -> Fetched:
        number = self._number(fetch.url)
        await self._work(number, fetch)
        self._fetched[number] += 1
        if self._fetched[number] <= self.stories[number].dead_links:
            raise DownloadError("The link answered HTTP 403.", status=403)
        return Fetched(fetch.path, "image/jpeg", 1024, 1024, 1, f"{number:064}", self.time)

    async def keep(self, keep: Keep) -> Fetched:
        raise AssertionError("no image comes inside an answer here")

    async def aclose(self) -> None:
        self.closed += 1

    async def _work(self, number: int, effect: Any) -> None:
        self.asked.append((self.time, effect))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            self.strike(len(self.asked), effect)
            for _ in range(self.stories[number].steps):
                await anyio.lowlevel.checkpoint()
        finally:
            self.under_way -= 1

    def _submitted(self, number: int) -> Said | Exception:
        story = self.stories[number]
        said, buys = SUBMITS[story.submits[min(self.submits[number], len(story.submits) - 1)]]
        self.submits[number] += 1
        self.bought[number] += buys
        self._begun[number] = self.time
        return said(f"task-{number}")

    def _polled(self, number: int) -> Said:
        story, name = self.stories[number], f"task-{number}"
        done = self.time - self._begun[number] >= story.seconds
        return ENDS[story.end](name) if done else running(MAGNIFIC, id=name)

    @staticmethod
    def _number(text: str) -> int:
        return int(re.findall(r"(?:cat |task-)(\d+)", text)[-1])

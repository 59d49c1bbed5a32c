"""Processes without processes: clients on one journal and one mock, each of which may be killed at any effect.

A process that is killed is a ghost from then on: what it was doing is given up, and nothing that it still does reaches
the service or the journal, as after ``kill -9``. Others know of its death by its lease alone.
"""

import concurrent.futures
import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs

from fluxkit import AsyncClient, Client
from fluxkit._engine.effects import Call, Claim, Note
from fluxkit._engine.journal.journal import Journal
from fluxkit._engine.journal.owner import Owner
from fluxkit._engine.journal.store import LEASE
from fluxkit._engine.journal.writer import Writer
from fluxkit.webhooks import receiver
from fluxkit_mockserver import FAULTS, MockService
from fluxkit_mockserver.answer import Answer, Drop, Incoming
from fluxkit_mockserver.outlet import Delivery, to_app

#: The row for which a submit is under way, as whoever bills it wants to know.
BUYING: contextvars.ContextVar[str] = contextvars.ContextVar("BUYING", default="")


class Killed(BaseException):
    """The process is dead; nothing in it may catch this for an error of its own."""


class Till(MockService):
    """A mock that knows for which row each image was bought: ``bought`` are tasks by their rows.

    ``struck`` are the faults that have struck a submit, by its row, and a task, by its id.
    """

    def __init__(self, *given: Any, **facts: Any) -> None:
        self.bought: dict[str, list[str]] = {}
        self.struck: dict[str, set[str]] = {}
        super().__init__(*given, **facts)

    def handle(self, call: Incoming) -> Answer | Drop:
        before = len(self.charges)
        answer = super().handle(call)
        for charge in self.charges[before:]:
            self.bought.setdefault(BUYING.get(), []).append(charge.task)
        seen = self.exchanges[-1]
        for fault in seen.faults:
            whose = BUYING.get() if FAULTS[fault].moment == "submit" else seen.task
            self.struck.setdefault(str(whose), set()).add(fault)
        return answer


@attrs.define(eq=False)
class Life:
    """How long a process still lives: so many effects, each of which has a moment before it and one after it."""

    left: int | None = None
    dead: bool = False

    def go_on(self) -> None:
        """Passes a moment; raises ``Killed`` at the last one, and at each after that."""
        if self.left is not None and not self.dead:
            self.left -= 1
            self.dead = self.left < 0
        if self.dead:
            raise Killed


@attrs.define(eq=False)
class Hand:
    """A journal in the hand of a process: after its death nothing is written any more."""

    journal: Journal
    life: Life
    told: Callable[[str, Note], object]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.journal, name)

    def take(self, note: Note) -> str:
        if self.life.dead:  # a ghost takes its last words along
            return ""
        self.life.go_on()
        row = self.journal.take(note)
        self.told(row, note)
        self.life.go_on()
        return row

    async def take_async(self, note: Note) -> str:
        if self.life.dead:
            return ""
        self.life.go_on()
        row = await self.journal.take_async(note)
        self.told(row, note)
        self.life.go_on()
        return row

    async def foretell(self, note: Note) -> None:
        self.life.go_on()
        await self.journal.foretell(note)
        self.life.go_on()

    def claim(self, claim: Claim) -> Any:
        self.life.go_on()
        claimed = self.journal.claim(claim)
        self.life.go_on()
        return claimed

    async def claim_async(self, claim: Claim) -> Any:
        self.life.go_on()
        claimed = await self.journal.claim_async(claim)
        self.life.go_on()
        return claimed

    def leave(self, rows: Any) -> None:
        if not self.life.dead:
            self.journal.leave(rows)


@contextmanager
def buying(call: Any) -> Iterator[None]:
    """While it lasts, what is billed is billed for the row of a call."""
    token = BUYING.set(call.about.row if isinstance(call, Call) and call.buys else "")
    try:
        yield
    finally:
        BUYING.reset(token)


@attrs.define(eq=False)
class Wire:
    """A transport of a process: after its death nothing is sent any more. Blocking or not, as the *inner* one is."""

    inner: Any
    life: Life

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def call(self, call: Call) -> Any:
        return self._sent(self.inner.call, call)

    def fetch(self, fetch: Any) -> Any:
        return self._sent(self.inner.fetch, fetch)

    def _sent(self, send: Callable[[Any], Any], effect: Any) -> Any:
        self.life.go_on()
        with buying(effect):
            answer = send(effect)
        self.life.go_on()
        return answer


class AsyncWire(Wire):
    """The same, for an asynchronous transport."""

    async def call(self, call: Call) -> Any:
        return await self._sent_async(self.inner.call, call)

    async def fetch(self, fetch: Any) -> Any:
        return await self._sent_async(self.inner.fetch, fetch)

    async def _sent_async(self, send: Callable[[Any], Any], effect: Any) -> Any:
        self.life.go_on()
        with buying(effect):
            answer = await send(effect)
        self.life.go_on()
        return answer


@attrs.define(eq=False)
class Process:
    """One process: a writer of the journal of its own, and clients of several services. *way* says how it calls them.

    As an alarm of the mock's clock it renews its lease in time, which its writer does by the clock on the wall.
    """

    place: Path
    mock: Till
    way: str
    settings: dict[str, Any]
    told: Callable[[str, Note], object] = lambda *_: None
    life: Life = attrs.field(factory=Life, init=False)
    writer: Writer = attrs.field(init=False)
    _clients: dict[str, Any] = attrs.field(factory=dict, init=False)
    _apps: dict[str, Any] = attrs.field(factory=dict, init=False)
    _beat: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self.writer = Writer(self.place / "journal", now=self.mock.clock.now)
        self.writer.owner = attrs.evolve(Owner.here(), machine="")  # all are this process, and it is not gone
        self.mock.clock.alarms.append(self)

    def client(self, model: str) -> Any:
        """The client of a model, whose notes go to the journal although a mock answers."""
        if model not in self._clients:
            kind = Client if self.way == "sync" else AsyncClient
            facts = {**self.settings, **self.settings["of"].get(model, {})}
            del facts["of"]
            client = self._clients[model] = kind(model, mock=self.mock, spool=self.place / "spool", **facts)
            hears = client._ears.note if client._ears.listens else None
            journal = Journal(self.writer, hears, client._budgets)
            journal.attend(client._mailbox, client.provider.name, client.base_url)
            hand, asynchronous = Hand(journal, self.life, self.told), client._asynchronous

            def driver(notes: Any) -> Any:
                driver = asynchronous(notes)
                return attrs.evolve(driver, transport=AsyncWire(driver.transport, self.life))

            client._notebook, client._asynchronous = lambda: hand, driver
            if self.way == "sync":
                client.__dict__["_driver"] = attrs.evolve(
                    client._driver, transport=Wire(client._driver.transport, self.life)
                )
        return self._clients[model]

    def do(self, model: str, what: str, *given: Any, **facts: Any) -> Any:
        """What a method of the client of a model comes to; of those that hand out one after another, a list."""
        client = self.client(model)
        lists = what in ("generate_many", "events")
        if self.way == "sync":
            outcome = getattr(client, what)(*given, **facts)
            return list(outcome) if lists else outcome

        async def main() -> Any:
            outcome = getattr(client, what)(*given, **facts)
            return [each async for each in outcome] if lists else await outcome

        with concurrent.futures.ThreadPoolExecutor(1) as pool:  # a loop of another process may be running in this one
            return pool.submit(anyio.run, main, backend=self.way).result()

    async def receive(self, model: str, delivery: Delivery) -> int:
        """What the receiver of this process answers to a webhook; 0 if nobody is there."""
        if self.life.dead:
            return 0
        if model not in self._apps:
            self._apps[model] = to_app(receiver(self.client(model)))
        try:
            answer: int = await self._apps[model](delivery)
        except Killed:
            return 0
        return 0 if self.life.dead else answer

    def end(self, *, lost: bool = False) -> None:
        """The process is gone: by its own will it strikes itself out, else what nobody waited for may be *lost*."""
        if self.life.dead:
            self.writer.held.add("whatever")  # so that closing it strikes nothing out
            if lost:
                with self.writer._turn:
                    self.writer._jobs.clear()
        else:
            self.writer.held.clear()
        self.life.dead = True
        self.mock.clock.alarms.remove(self)
        self.writer.close()

    # As an alarm

    def due(self) -> float | None:
        """When the lease is to be renewed, as long as something is in hand."""
        return self._beat + LEASE / 3 if self.writer.held and not self.life.dead else None

    def ring(self, now: float, /) -> None:
        """Renews the lease, if it is time."""
        if self.writer.held and not self.life.dead and now >= self._beat + LEASE / 3:
            self._beat = now
            self.writer.ask(lambda _: None).result(9)

    async def ring_async(self, now: float, /) -> None:
        """Renews the lease."""
        self.ring(now)

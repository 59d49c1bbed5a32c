"""The mock service: what tests and programs ask of a mock. No HTTP library, no threads, no real time."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fluxkit._wire.declaration import Key, Provider
from fluxkit.provider import State

from . import serving, telling
from .abroad import Leak
from .accounts import Accounts
from .answer import CONTROL, PLAIN, Answer, Drop, Incoming
from .armed import Armed, Match
from .asserted import billed, submitted
from .billing import Charge
from .clock import VirtualClock, WallClock
from .exchange import Exchange
from .exchanges import Exchanges
from .feed import Feed
from .limits import Limits
from .memory import keep_facts, recall
from .namespaces import Chooser, Namespaces, entered, is_control
from .switches import settings_of
from .tasks import RETENTION, Durations, MockTask, Progression, check_durations, check_retention
from .uploads import MockUpload
from .webhooks import Postman
from .works import Works, works_of

if TYPE_CHECKING:
    from .transport import AsyncMockTransport, MockTransport

#: The key that the mock takes.
KEY = "test"


class MockService:
    """Every declared service behind one door, each below ``/<name>``.

    Deterministic: the same *seed* and the same calls give the same ids, seeds, images and mishaps. ``billed`` counts
    what was bought, so that a test can say ``assert mock.billed == 1``.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        seed: int = 0,
        progression: Progression | str = Progression.SECONDS,
        clock: VirtualClock | WallClock | None = None,
        spelling: int = 0,
        keys: Sequence[str] = (KEY,),
        webhook_hosts: Sequence[str] = (),
        durations: Durations = "fixed",
        retention: float = RETENTION,
        switches: Mapping[str, str] = MappingProxyType({}),
        limits: Limits | Mapping[str, Any] | Sequence[str] | str = (),
        balance: Decimal | float | str | None = None,
        faults: Sequence[str] = (),
        state: str | Path | None = None,
    ) -> None:
        """A mock of *providers*.

        Args:
            providers: The declarations to serve.
            seed: What ids, images and mishaps derive from.
            progression: What moves tasks on: ``"at once"``, ``"polls"`` or ``"seconds"``.
            clock: The mock's time; a virtual clock of its own if none is given.
            spelling: Which of the ways in which a service may say one thing is used, where there are several.
            keys: The keys that are taken; the first is the one for clients.
            webhook_hosts: Hosts to which a mock on a port posts webhooks for everybody. Beside them it posts to this
                machine for who calls from there, and to his own address for who calls from elsewhere.
            durations: How many seconds each task takes, where ``"seconds"`` move tasks on: ``"fixed"`` is what its
                model's declaration says, and ``"spread"`` varies around that, seeded. Or seconds by the names of
                models, a pair of them being the bounds of a spread; or a function of the task's number, from 1.
            retention: For how many seconds a task is kept. Then the service does not know it any more, and its
                image is gone.
            switches: What a service does where no page says it, such as ``{"magnific.extra-fields": "ignore"}``; a name
                without a service sets the switch of all that have it. ``SWITCHES`` are all that there are.
            limits: How many requests and tasks each key may have: ``["rate=50/60", "in-flight=24"]``; more are refused
                with 429. Without it there are no limits.
            balance: What the account at each service begins with. Every image lowers it by its price, by 1 where nobody
                knows the price; what it cannot pay is refused with 402. Without it there is no end to it.
            faults: Those that are armed from the beginning, each in a line such as ``"503:x2"``.
            state: The file in which tasks, bills, uploads, armed faults, balances, what limits have counted and the
                time are kept, and what was set meanwhile, so that a mock that is made with it later goes on with them;
                ``SettingsError`` if it cannot be used. Without it they end with the mock. Exchanges and the attempts at
                webhooks are not kept. Faults that are given here take the place of those in the file, and so do
                progression, switches, limits and balance if one of them is given otherwise than before.
        """
        check_durations(durations)
        check_retention(retention)
        # What a namespace is made with as well; its seed, clock and keys are its own.
        self._shared: dict[str, Any] = {
            "progression": progression,
            "spelling": spelling,
            "webhook_hosts": webhook_hosts,
            "durations": durations,
            "retention": retention,
            "switches": switches,
            "limits": limits,
            "balance": balance,
            "faults": faults,
        }
        self._works = works_of(providers, seed=seed, clock=clock, keys=keys, **self._shared)
        self._chooser = Chooser(self._works.keys, [provider.key for provider in providers])
        self._namespaces = Namespaces(self._make_namespace)
        if state is not None:
            from . import state as files

            file = files.StateFile(state, seed=seed)
            with file.whole():
                recall(self._works, file)
                for name in filter(None, file.worlds):
                    self.namespace(name)

    # What it is

    @property
    def name(self) -> str:
        """The name of this namespace; empty for the mock itself."""
        return self._works.name

    @property
    def prefix(self) -> str:
        """What the addresses of this namespace begin with, such as ``/@name``; empty for the mock itself."""
        return self._works.prefix

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of the services that are served."""
        return tuple(self._works.dialects)

    @property
    def declared(self) -> tuple[Provider, ...]:
        """The declarations that are served."""
        return self._works.providers

    def like(self, **settings: Any) -> "MockService":
        """A fresh mock of the same services, on a clock of its own; *settings* are those of the constructor."""
        return MockService(self._works.providers, **settings)

    def base_url(self, provider: str, /, origin: str = "http://127.0.0.1") -> str:
        """Where *provider* is served; nothing listens there in process, the mock's transports lead to it."""
        return f"{origin}{self.prefix}/{provider}"

    def openapi(self, provider: str, /, origin: str = "http://127.0.0.1") -> dict[str, Any]:
        """*provider* as an OpenAPI 3.1 document: what it takes and says as this mock serves it, whatever its faults.

        ``ValueError`` for one that is not served.
        """
        from .openapi.document import document

        if provider not in self.providers:
            raise ValueError(f"There is no service {provider!r}. Served: {', '.join(self.providers)}.")
        return document(self._works.dialects[provider], self.base_url(provider, origin))

    @property
    def key(self) -> str:
        """A key that the mock takes."""
        return self._works.keys[0]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that the mock takes."""
        return self._works.keys

    def key_of(self, provider: str | None) -> Key | None:
        """The header in which a service wants its key, and the form; None for what is no service."""
        dialect = self._works.dialects.get(provider or "")
        return None if dialect is None else dialect.provider.key

    @property
    def clock(self) -> Any:
        """The mock's time; tests move it with ``mock.clock.advance(seconds)``."""
        return self._works.clock

    @property
    def switches(self) -> Mapping[str, str]:
        """Every switch of the services that are served, by its whole name, as it is set."""
        return settings_of(self._works.providers, self._works.switches)

    @property
    def switched(self) -> Mapping[str, str]:
        """The switches that were set, as they were named."""
        return dict(self._works.switches)

    def switch(self, settings: Mapping[str, str | None]) -> None:
        """Sets switches by their names, None being what is usual: ``mock.switch({"magnific.envelope": "bare"})``.

        It holds for every call from now on; a task that was accepted before keeps its size, format, link and webhooks.
        ``ValueError`` for a name or a value that there is not, and then nothing is set.
        """
        with self._setting("switches") as works:
            works.switch(settings)

    @property
    def progression(self) -> Progression:
        """What moves tasks on; it may be set to another."""
        return self._works.progression

    @progression.setter
    def progression(self, progression: Progression | str) -> None:
        with self._setting("progression") as works:
            works.progression = Progression(progression)

    @property
    def limits(self) -> Limits:
        """How much each key may do; set it to other limits in any form that the constructor takes."""
        return self._works.gauge.limits

    @limits.setter
    def limits(self, limits: Limits | Mapping[str, Any] | Sequence[str] | str) -> None:
        with self._setting("limits") as works:
            works.limit(Limits.read(limits))

    @contextlib.contextmanager
    def _setting(self, kind: str) -> Iterator[Works]:
        """Lets what holds for the whole be set, keeps it, and tells that something of this *kind* was set."""
        works = self._works
        with works.lock:
            yield works
            keep_facts(works)
        works.feed.tell(kind, None)

    # What has happened

    @property
    def billed(self) -> int:
        """How many images were bought, without those that were given back."""
        return self._works.bill.images

    @property
    def charges(self) -> list[Charge]:
        """What was bought, the oldest first; what was given back is marked."""
        return self._works.bill.charges

    @property
    def accounts(self) -> Accounts:
        """What is left at each service."""
        return self._works.bill.accounts

    @property
    def tasks(self) -> tuple[MockTask, ...]:
        """The tasks that were accepted, the oldest first."""
        with self._works.lock:
            return tuple(self._works.tasks.values())

    def task(self, id: str) -> MockTask | None:
        """The task of this id, None if there is none."""
        return self._works.tasks.get(id)

    def standing(self, task: MockTask) -> tuple[str, State]:
        """The word that the service has for where a task stands now, and the state that it means."""
        return telling.standing(self._works, task)

    def course(self, task: MockTask) -> tuple[tuple[float, str], ...]:
        """When a task came to each of its later states, as far as time alone has moved it on, and the word for it."""
        return telling.course(self._works, task)

    def link(self, task: MockTask, origin: str) -> str:
        """A fresh link to the image of a task, of which the service has told nobody."""
        origin += self.prefix
        return str(self._works.gallery.picture(task, origin, self._works.clock.now(), dead=False)["url"])

    @property
    def uploads(self) -> tuple[MockUpload, ...]:
        """The images that were brought and are kept, the oldest first; nobody is billed for them."""
        return tuple(self._works.uploads)

    @property
    def leaks(self) -> tuple[Leak, ...]:
        """The keys that were sent to where none belongs, such as to an address of an upload or to another origin."""
        return tuple(self._works.watch.leaks)

    @property
    def webhooks(self) -> Postman:
        """What is reported by webhooks, and how that went."""
        return self._works.webhooks

    @property
    def webhook_secret(self) -> str:
        """What the mock signs its webhooks with."""
        return self._works.webhooks.secret

    @property
    def feed(self) -> Feed:
        """What happens, as it happens."""
        return self._works.feed

    @property
    def exchanges(self) -> Exchanges:
        """What came, and what was answered, the oldest first."""
        return self._works.exchanges

    def find(self, **wanted: Any) -> tuple[Exchange, ...]:
        """Exchanges by ``provider``, ``model``, ``task``, ``status``, ``method`` and by what their ``path`` holds."""
        return self.exchanges.find(**wanted)

    def assert_submitted(self, *, times: int | None = None, **fields: Any) -> tuple[Exchange, ...]:
        """Asserts that an image was bought with these *fields*, or so many *times*, and gives the exchanges.

        The names are those of ``fluxkit.Request``, and ``provider`` and ``model``: ``model="flux-2-pro", seed=42``. The
        ``AssertionError`` of a miss shows the closest exchange and the fields in which it differs.
        """
        __tracebackhide__ = True
        return submitted(self.exchanges, self._works.dialects.values(), times=times, **fields)

    def assert_not_submitted(self, **fields: Any) -> None:
        """Asserts that no image was bought with these *fields*; without any, that none was bought."""
        __tracebackhide__ = True
        submitted(self.exchanges, self._works.dialects.values(), times=0, **fields)

    def assert_billed(self, images: int) -> None:
        """Asserts that so many *images* were bought; the ``AssertionError`` of a miss lists those that were."""
        __tracebackhide__ = True
        billed(self.charges, images)

    # Faults

    def fault(
        self,
        name: str,
        *,
        times: int | None = None,
        rate: float = 1.0,
        task: int | str | None = None,
        match: Match | None = None,
    ) -> Armed:
        """Arms one of ``FAULTS``: from now on it may strike, until ``unfault`` or ``reset``.

        Args:
            name: The fault.
            times: How often it strikes at most; at every chance if nothing is said.
            rate: With which probability it strikes.
            task: The only task that it is meant for: its number, from 1, or its id.
            match: The only requests that it is meant for: facts and what they are, such as
                ``{"model": "flux-2-*", "prompt": "*cat*"}``, or a function of these facts.

        Raises ``ValueError`` for what there is not, and for a fault that none of the services meant can have.
        """
        with self._setting("fault") as works:
            return works.faults.arm(name, times=times, rate=rate, task=task, match=match)

    def unfault(self, name: str | None = None) -> int:
        """Takes back a fault, or all of them; gives how many were armed."""
        with self._setting("fault") as works:
            return works.faults.disarm(name)

    @property
    def faults(self) -> tuple[Armed, ...]:
        """The faults that are armed, each with how often it has ``struck``, and may still."""
        return self._works.faults.armed

    # Namespaces

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The names of the namespaces that there are, the one that was used last at the end."""
        return tuple(world.name for world in self._namespaces)

    @property
    def worlds(self) -> "tuple[MockService, ...]":
        """The namespaces themselves."""
        return tuple(self._namespaces)

    def namespace(self, name: str) -> "MockService":
        """A world of its own in this mock: its tasks, bill, faults, exchanges, limits, webhooks and clock are its own.

        A call over a port chooses it by the address ``/@name/...``, the header ``x-fluxkit-namespace: name`` or the key
        ``test-name``. It is made when it is first named, at most ``namespaces.MOST_NAMESPACES`` are kept, and the one
        that was not used for longest makes room. ``ValueError`` for a name that cannot stand in an address.
        """
        return self._namespaces.enter(name)

    def drop_namespace(self, name: str) -> bool:
        """Forgets a namespace and all that is in it; tells whether there was one."""
        if self._works.state is not None:
            self._works.state.forget(name)
        return self._namespaces.drop(name)

    @contextlib.contextmanager
    def attended(
        self, made: "Callable[[MockService], object]", dropped: "Callable[[MockService], object]"
    ) -> Iterator[None]:
        """Tells of this mock, and of each of its namespaces as long as there is one, in whatever thread."""
        made(self)
        self._namespaces.attend(made, dropped)
        try:
            yield
        finally:
            self._namespaces.leave(made)

    def _make_namespace(self, name: str) -> "MockService":
        works = self._works
        world = MockService(
            works.providers,
            # Its own ids and links, so that what belongs to one namespace is unknown in every other.
            seed=int.from_bytes(hashlib.sha256(f"{works.seed}:namespace:{name}".encode()).digest()[:6]),
            clock=works.clock.fresh(),
            keys=(*(f"{key}-{name}" for key in works.keys), *works.keys),
            **self._shared,
        )
        world._works.name, world._namespaces = name, self._namespaces
        if works.state is not None:
            works.state.hold(name, self._namespaces)
            recall(world._works, works.state)
        world.webhooks.follow(self.webhooks)
        return world

    # Calls

    def transport(self) -> "MockTransport":
        """An ``httpx.BaseTransport`` into this mock, without a socket."""
        from .transport import MockTransport

        return MockTransport(self)

    def async_transport(self) -> "AsyncMockTransport":
        """An ``httpx.AsyncBaseTransport`` into this mock, without a socket."""
        from .transport import AsyncMockTransport

        return AsyncMockTransport(self)

    def handle(self, call: Incoming) -> Answer | Drop:
        """What the services do with one call, or the control below ``/__mock__/``, in the namespace that it chooses."""
        try:
            world, call = self.lead(call)
        except ValueError as error:
            return Answer(400, f"{error}\n".encode(), PLAIN)
        if call.path.startswith(CONTROL) and is_control(call.path):
            from .control.answering import control  # its table is made when it is first asked

            return control(world, call)
        return serving.exchange(world._works, call)  # noqa: SLF001 - it is of the same class

    def lead(self, call: Incoming) -> "tuple[MockService, Incoming]":
        """The namespace that a call chooses, and the call as it comes there; ``ValueError`` if it chooses wrongly."""
        name = self._chooser.named(call)
        if not (name or self.name):
            return self, call
        if name and self.name not in ("", name):
            raise ValueError(f"The call names the namespace {name!r}, and came to {self.name!r}.")
        world = self._namespaces.enter(name) if name and not self.name else self
        return world, entered(call, world.prefix) if world.prefix else call

    def visit(self, call: Incoming) -> Answer:
        """What another origin does with a call of a client in process, so that it finds pictures without a network."""
        return serving.visit(self._works, call)

    def reset(self) -> None:
        """Forgets tasks, uploads, bills, exchanges, leaks and faults, and what counts for limits and balances.

        Time goes on, and other namespaces are as they were.
        """
        works = self._works
        with works.lock:
            works.clear()
            if works.state is not None:
                works.state.forget(works.name)
            keep_facts(works)
        works.feed.tell("reset", None)

    def close(self) -> None:
        """Lets go of the file in which it keeps its state, so that another mock can go on with it."""
        state = self._works.state
        for world in (self, *self._namespaces) if state is not None else ():
            works = world._works  # noqa: SLF001 - it is of the same class
            keep_facts(works)
            works.state = None
        if state is not None:
            state.close()

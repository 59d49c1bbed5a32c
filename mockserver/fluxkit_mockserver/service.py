"""The mock service: what a client's call does to it, and what it answers. No HTTP library, no threads, no real time."""

import contextlib
import functools
import hashlib
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from fluxkit._wire.declaration import Key, Model, Provider
from fluxkit._wire.json import Problem
from fluxkit.errors import Rejected, Unauthorized, Vanished
from fluxkit.provider import State

from .abroad import Leak, Watch, visit
from .accounts import ENDLESS, Accounts
from .answer import CONTROL, MOST_BODY, PLAIN, Answer, Drop, Incoming
from .armed import Armed, Faults, Match, read_fault
from .asserted import billed, submitted
from .clock import VirtualClock, WallClock
from .closest import nearest_route
from .dialect import JSON_HEADERS, Dialect, Refused, dialects_of
from .exchanges import Exchange, Exchanges, Keys
from .feed import Feed
from .gallery import IMAGES, Gallery, named_by
from .limits import Gauge, Limits
from .mishaps import ACCEPTED, ENDINGS, POLLED, REASONS, instead, moderation, refusal
from .namespaces import Chooser, Namespaces, entered, is_control, prefix_of, without_prefix
from .replays import Replays, marked
from .switches import MOST_REFERENCE, settings_of
from .tasks import (
    RETENTION,
    SLOWNESS,
    Durations,
    MockTask,
    Progression,
    check_durations,
    check_retention,
    duration_of,
    point_of,
)
from .uploads import UPLOADS, MockUpload, Uploads, path_of
from .webhooks import Postman, Report

if TYPE_CHECKING:
    from .state import Kept, StateFile
    from .transport import AsyncMockTransport, MockTransport

#: The key that the mock takes.
KEY = "test"


@attrs.frozen
class Charge:
    """What was bought: one image of a task, at a time in seconds since the epoch; *refunded* if it was given back."""

    provider: str
    model: str
    task: str
    at: float
    amount: Decimal | None = None
    refunded: bool = False


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
            webhook_hosts: Hosts to which a mock on a port posts webhooks, beside this machine.
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
            state: The file in which tasks, bills, uploads, armed faults, balances and the time are kept, so that a mock
                that is made with it later goes on with them; ``SettingsError`` if it cannot be used. Without it they
                end with the mock. What limits have counted, exchanges and the attempts at webhooks are not kept.
                Faults that are given here take the place of those in the file.
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
        self._name = ""
        self._providers = tuple(providers)
        self._switches = dict(switches)
        self._dialects = dialects_of(self._providers, spelling, self._switches)
        self._seed = seed
        self._progression = Progression(progression)
        self._keys = tuple(keys)
        self._durations, self._retention = durations, retention
        self._clock = VirtualClock() if clock is None else clock
        self._faults = Faults(providers, seed)
        self._gallery = Gallery(seed)
        self._uploads = Uploads(seed)
        self._watch = Watch(self._keys, [provider.key for provider in providers])
        self._secrets = Keys(self._watch.values)
        self._chooser = Chooser(self._keys, [provider.key for provider in providers])
        self._namespaces = Namespaces(self._make_namespace)
        self._gauge = Gauge(Limits.read(limits))
        self._replays = Replays()
        self.accounts = Accounts(balance)
        for line in faults:
            self._faults.arm(**read_fault(line))
        self.feed = Feed()
        self.webhooks = Postman(
            self._clock,
            seed=seed,
            allow=webhook_hosts,
            tell=self.feed.tell,
            strike=self._strike_webhook,
            switches={name: dialect.switches for name, dialect in self._dialects.items()},
        )
        self._tasks: dict[str, MockTask] = {}
        self._accepted = self._refunded = 0
        self._lock = threading.Lock()
        self._seen = Exchange("", "", 0, 0.0)  # the exchange that is under way
        self.charges: list[Charge] = []
        self.exchanges = Exchanges()
        self._state: StateFile | None = None
        if state is not None:
            from . import state as files

            self._state = files.StateFile(state, seed=seed)
            self._recall(self._state)
            for name in filter(None, self._state.worlds):
                self.namespace(name)

    @property
    def billed(self) -> int:
        """How many images were bought, without those that were given back."""
        return len(self.charges) - self._refunded

    @property
    def uploads(self) -> tuple[MockUpload, ...]:
        """The images that were brought and are kept, the oldest first; nobody is billed for them."""
        return tuple(self._uploads)

    @property
    def leaks(self) -> tuple[Leak, ...]:
        """The keys that were sent to where none belongs, such as to an address of an upload or to another origin."""
        return tuple(self._watch.leaks)

    @property
    def key(self) -> str:
        """A key that the mock takes."""
        return self._keys[0]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that the mock takes."""
        return self._keys

    @property
    def webhook_secret(self) -> str:
        """What the mock signs its webhooks with."""
        return self.webhooks.secret

    @property
    def clock(self) -> Any:
        """The mock's time; tests move it with ``mock.clock.advance(seconds)``."""
        return self._clock

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of the services that are served."""
        return tuple(self._dialects)

    @property
    def name(self) -> str:
        """The name of this namespace; empty for the mock itself."""
        return self._name

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The names of the namespaces that there are, the one that was used last at the end."""
        return tuple(world.name for world in self._namespaces)

    @property
    def worlds(self) -> "tuple[MockService, ...]":
        """The namespaces themselves."""
        return tuple(self._namespaces)

    @property
    def prefix(self) -> str:
        """What the addresses of this namespace begin with, such as ``/@name``; empty for the mock itself."""
        return prefix_of(self._name)

    def namespace(self, name: str) -> "MockService":
        """A world of its own in this mock: its tasks, bill, faults, exchanges, limits, webhooks and clock are its own.

        A call over a port chooses it by the address ``/@name/...``, the header ``x-fluxkit-namespace: name`` or the key
        ``test-name``. It is made when it is first named, at most ``namespaces.MOST_NAMESPACES`` are kept, and the one
        that was not used for longest makes room. ``ValueError`` for a name that cannot stand in an address.
        """
        return self._namespaces.enter(name)

    def drop_namespace(self, name: str) -> bool:
        """Forgets a namespace and all that is in it; tells whether there was one."""
        if self._state is not None:
            self._state.forget(name)
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
            self._namespaces.leave()

    def _make_namespace(self, name: str) -> "MockService":
        world = MockService(
            self._providers,
            # Its own ids and links, so that what belongs to one namespace is unknown in every other.
            seed=int.from_bytes(hashlib.sha256(f"{self._seed}:namespace:{name}".encode()).digest()[:6]),
            clock=self._clock.fresh(),
            keys=(*(f"{key}-{name}" for key in self._keys), *self._keys),
            **self._shared,
        )
        world._name, world._namespaces = name, self._namespaces
        if self._state is not None:
            self._state.hold(name, self._namespaces)
            world._state = self._state
            world._recall(self._state)
        world.webhooks.follow(self.webhooks)
        return world

    @property
    def tasks(self) -> tuple[MockTask, ...]:
        """The tasks that were accepted, the oldest first."""
        with self._lock:
            return tuple(self._tasks.values())

    def task(self, id: str) -> MockTask | None:
        """The task of this id, None if there is none."""
        return self._tasks.get(id)

    def standing(self, task: MockTask) -> tuple[str, State]:
        """The word that the service has for where a task stands now, and the state that it means."""
        dialect = self._dialects[task.provider.name]
        if task.cancelled:
            return dialect.cancelled or State.CANCELLED.name, State.CANCELLED
        stage = self._stage(dialect, task, self._clock.now())
        word = _words(dialect, task)[stage]
        state = task.provider.state(word)
        if state is None:
            state = State.COMPLETED if stage == dialect.life.last else State.RUNNING
        return word or state.name, state

    def course(self, task: MockTask) -> tuple[tuple[float, str], ...]:
        """When a task came to each of its later states, as far as time alone has moved it on, and the word for it."""
        dialect, now = self._dialects[task.provider.name], self._clock.now()
        if self._progression is not Progression.SECONDS or task.cancelled:
            return ()
        moments = [*zip(dialect.life.stages, _words(dialect, task), strict=True)][
            1 : 1 + self._stage(dialect, task, now)
        ]
        return tuple((task.created_at + task.duration * stage.begins, word) for stage, word in moments)

    @property
    def progression(self) -> Progression:
        """What moves tasks on; it may be set to another."""
        return self._progression

    @progression.setter
    def progression(self, progression: Progression | str) -> None:
        self._progression = Progression(progression)

    @property
    def limits(self) -> Limits:
        """How much each key may do; set it to other limits in any form that the constructor takes."""
        return self._gauge.limits

    @limits.setter
    def limits(self, limits: Limits | Mapping[str, Any] | Sequence[str] | str) -> None:
        self._gauge.limits = Limits.read(limits)

    def base_url(self, provider: str, /, origin: str = "http://127.0.0.1") -> str:
        """Where *provider* is served; nothing listens there in process, the mock's transports lead to it."""
        return f"{origin}{self.prefix}/{provider}"

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
        with self._lock:
            armed = self._faults.arm(name, times=times, rate=rate, task=task, match=match)
            self._keep_facts()
            return armed

    def unfault(self, name: str | None = None) -> int:
        """Takes back a fault, or all of them; gives how many were armed."""
        with self._lock:
            taken = self._faults.disarm(name)
            self._keep_facts()
            return taken

    @property
    def faults(self) -> tuple[Armed, ...]:
        """The faults that are armed, each with how often it has ``struck``, and may still."""
        return self._faults.armed

    def find(self, **wanted: Any) -> tuple[Exchange, ...]:
        """Exchanges by ``provider``, ``model``, ``task``, ``status``, ``method`` and by what their ``path`` holds."""
        return self.exchanges.find(**wanted)

    def assert_submitted(self, *, times: int | None = None, **fields: Any) -> tuple[Exchange, ...]:
        """Asserts that an image was bought with these *fields*, or so many *times*, and gives the exchanges.

        The names are those of ``fluxkit.Request``, and ``provider`` and ``model``: ``model="flux-2-pro", seed=42``. The
        ``AssertionError`` of a miss shows the closest exchange and the fields in which it differs.
        """
        __tracebackhide__ = True
        return submitted(self.exchanges, self._dialects.values(), times=times, **fields)

    def assert_not_submitted(self, **fields: Any) -> None:
        """Asserts that no image was bought with these *fields*; without any, that none was bought."""
        __tracebackhide__ = True
        submitted(self.exchanges, self._dialects.values(), times=0, **fields)

    def assert_billed(self, images: int) -> None:
        """Asserts that so many *images* were bought; the ``AssertionError`` of a miss lists those that were."""
        __tracebackhide__ = True
        billed(self.charges, images)

    @property
    def switches(self) -> Mapping[str, str]:
        """Every switch of the services that are served, by its whole name, as it is set."""
        return settings_of(self._providers, self._switches)

    @property
    def declared(self) -> tuple[Provider, ...]:
        """The declarations that are served."""
        return self._providers

    @property
    def switched(self) -> Mapping[str, str]:
        """The switches that were set, as they were named."""
        return dict(self._switches)

    def like(self, **settings: Any) -> "MockService":
        """A fresh mock of the same services, on a clock of its own; *settings* are those of the constructor."""
        return MockService(self._providers, **settings)

    def key_of(self, provider: str | None) -> Key | None:
        """The header in which a service wants its key, and the form; None for what is no service."""
        dialect = self._dialects.get(provider or "")
        return None if dialect is None else dialect.provider.key

    def link(self, task: MockTask, origin: str) -> str:
        """A fresh link to the image of a task, of which the service has told nobody."""
        origin += self.prefix
        return str(self._gallery.picture(task, origin, self._clock.now(), dead=False)["url"])

    def reset(self) -> None:
        """Forgets tasks, uploads, bills, exchanges, leaks and faults, and what counts for limits and balances.

        Time goes on, and other namespaces are as they were.
        """
        with self._lock:
            self._tasks.clear()
            self._accepted = self._refunded = 0
            self._uploads.clear()
            self._watch.leaks.clear()
            self._faults.disarm()
            self.charges.clear()
            self.exchanges.clear()
            self.webhooks.clear()
            self._gauge.clear()
            self._replays.clear()
            self.accounts.clear()
            if self._state is not None:
                self._state.forget(self._name)
            self._keep_facts()
        self.feed.tell("reset", None)

    def close(self) -> None:
        """Lets go of the file in which it keeps its state, so that another mock can go on with it."""
        if self._state is not None:
            self._state.close()

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
        return world.exchange(call)

    def lead(self, call: Incoming) -> "tuple[MockService, Incoming]":
        """The namespace that a call chooses, and the call as it comes there; ``ValueError`` if it chooses wrongly."""
        name = self._chooser.named(call)
        if name and self._name not in ("", name):
            raise ValueError(f"The call names the namespace {name!r}, and came to {self._name!r}.")
        world = self._namespaces.enter(name) if name and not self._name else self
        return world, entered(call, world.prefix) if world.prefix else call

    def exchange(self, call: Incoming) -> Answer | Drop:
        """What the services do with a call that was led here."""
        with self._lock:
            began, now = time.perf_counter(), self._clock.now()
            seen = self._seen = Exchange(call.method, call.path, 0, now)
            self._forget(now)
            answer = self._answer(call, now)
            self._ended(seen, call, answer, began)
            if self._state is not None:
                self._keep(self._state, seen, call)
        self.feed.tell("exchange", seen)
        if seen.task in self._tasks and not seen.bought:
            self.feed.tell("task", seen.task)  # a look may have moved it on
        return answer

    def visit(self, call: Incoming) -> Answer:
        """What another origin does with a call of a client in process, so that it finds pictures without a network."""
        with self._lock:
            began, now = time.perf_counter(), self._clock.now()
            answer = self._watch.refuse(call, now) or visit(call)
            self._ended(Exchange(call.method, f"{call.origin}{call.path}", 0, now), call, answer, began)
            return answer

    def _ended(self, seen: Exchange, call: Incoming, answer: Answer | Drop, began: float) -> None:
        seen.ends(call, answer, self._secrets, self._dialects)
        seen.namespace = self._name or None
        seen.took = time.perf_counter() - began
        self.exchanges.keep(seen)

    def _keep(self, state: "StateFile", seen: Exchange, call: Incoming) -> None:
        """Writes down what a call has changed."""
        state.keep(
            self._name,
            call=call,
            headers=seen.headers,
            task=self._tasks.get(seen.task or ""),
            bought=seen.bought,
            charges=self.charges,
            uploads=self._uploads.kept,
            facts=self._facts(),
        )

    def _keep_facts(self) -> None:
        if self._state is not None:
            self._state.keep_facts(self._name, self._facts())

    def _facts(self) -> dict[str, Any]:
        """What holds for the whole mock, as JSON."""
        return {
            "now": self._clock.now(),
            "accepted": self._accepted,
            "refunded": self._refunded,
            "uploads": self._uploads.number,
            "accounts": self.accounts.kept,
            "faults": self._faults.kept,
        }

    def _recall(self, state: "StateFile") -> None:
        """Takes in what a mock has kept that was here before."""
        facts = state.facts(self._name)
        self._clock.advance(facts.get("now", 0.0) - self._clock.now())
        self._accepted, self._refunded = facts.get("accepted", 0), facts.get("refunded", 0)
        self._uploads.restore(state.uploads(self._name), facts.get("uploads", 0))
        self.accounts.restore(facts.get("accounts", {}))
        if not self._faults.armed:  # what is armed from the beginning takes their place
            self._faults.restore(facts.get("faults", {}))
        for charge in state.charges(self._name):
            amount = charge["amount"]
            self.charges.append(Charge(**{**charge, "amount": None if amount is None else Decimal(amount)}))
        for kept in state.tasks(self._name):
            self._read_again(kept)

    def _read_again(self, kept: "Kept") -> None:
        """A task of before, read from its call; one that the declarations of today do not understand is left out."""
        from .state import restored

        name, slash, rest = kept.call.path.lstrip("/").partition("/")
        dialect = self._dialects.get(name)
        if dialect is None:
            return
        try:
            row, values = dialect.read_request(dialect.submitted(kept.call, f"{slash}{rest}"), kept.call)
        except Refused:
            return
        references = kept.brought or tuple(each.content for each in values.get("references", ()))
        task = MockTask(
            kept.id, kept.number, dialect.provider, row, values, point_of(row, values), 0, "", 0.0, 0.0, references
        )
        task = self._tasks[kept.id] = restored(task, kept.facts)
        account = name, dialect.provider.key.form.format(key=self.key)  # by which key it came is not kept
        self._replays.keep(account, dialect.provider, kept.call, task, task.created_at)
        if "webhook_url" in values and task.ending != "vanished":
            report = self._reporting(dialect, task, kept.call)
            self.webhooks.resume(task, _words(dialect, task), self._progression, report, self._clock.now())

    def _answer(self, call: Incoming, now: float) -> Answer | Drop:
        if call.path.startswith(IMAGES):
            self._seen.task = named_by(call)
            return self._gallery.answer(call, self._tasks, now, functools.partial(self._strike, "image"))
        if call.path.startswith(UPLOADS):
            return self._watch.refuse(call, now) or self._uploads.answer(call, now)
        name, slash, rest = call.path.lstrip("/").partition("/")
        dialect = self._dialects.get(name)
        if dialect is None:
            known = ", ".join(f"/{each}" for each in self._dialects)
            near = nearest_route(call.method, call.path, self._dialects)
            hint = "" if near is None else f" Did you mean {near}?"
            return Answer(404, f"The mock serves {known}.{hint}\n".encode(), PLAIN)
        self._seen.is_for(dialect)
        try:
            return self._serve(dialect, call, f"{slash}{rest}", now)
        except Refused as refused:
            self._seen.is_refused(refused)
            return dialect.refuse(refused)

    def _serve(self, dialect: Dialect, call: Incoming, path: str, now: float) -> Answer | Drop:
        provider = dialect.provider
        if call.oversized or len(call.body) > MOST_BODY:
            raise Refused(Rejected, f"The body has more than {MOST_BODY} bytes.", status=413)
        account = provider.name, self._check_key(provider, call)
        told = self._gauge.call(account, now)
        answer = self._route(dialect, account, call, path, now)
        if told and isinstance(answer, Answer):
            return attrs.evolve(answer, headers={**answer.headers, **told})
        return answer

    def _route(
        self, dialect: Dialect, account: tuple[str, str], call: Incoming, path: str, now: float
    ) -> Answer | Drop:
        provider = dialect.provider
        if rows := dialect.submitted(call, path):
            return self._submit_once(dialect, rows, account, call, now)
        if (upload := provider.upload) is not None and upload.route.match(call.method, path, call.query) is not None:
            return self._uploads.accept(dialect, upload, call, now)
        if (cancel := provider.cancel) is not None and (said := cancel.route.match(call.method, path, call.query)):
            task = self._asked_for(provider, said)
            return dialect.say_unknown(said["id"]) if task is None else self._cancel(dialect, task, call, now)
        for route, tell in ((provider.result, self._tell_result), (provider.poll, self._tell)):
            if route is not None and (said := route.match(call.method, path, call.query)) is not None:
                task = self._asked_for(provider, said)
                if task is None or task.ending == "vanished" or (task.cancelled and dialect.cancelled is None):
                    return dialect.say_unknown(said["id"])
                return tell(dialect, task, call, now)
        if (told := self._tell_aside(dialect, call, path)) is not None:
            return told
        if methods := dialect.methods(path, call.query):
            raise Refused(Vanished, "Method not allowed", status=405, headers={"allow": ", ".join(methods)})
        raise Refused(Vanished, status=404)

    def _tell_aside(self, dialect: Dialect, call: Incoming, path: str) -> Answer | None:
        """What is asked beside the tasks, None if nothing of that kind is: the balance, or the tasks of a model."""
        provider = dialect.provider
        balance, listing = provider.balance, provider.listing
        if balance is not None and balance.route.match(call.method, path, call.query) is not None:
            account = self.accounts.of(provider.name)
            left = ENDLESS if account.left is None else account.left
            facts = {"balance": left, "used": account.used, "unlimited": account.began is None}
            return dialect.say_aside(balance, facts)
        said = None if listing is None else listing.route.match(call.method, path, call.query)
        if listing is None or said is None or all(said["model"] != row.path for row in provider.models):
            return None
        mine = [each for each in self._tasks.values() if each.provider is provider and each.model.path == said["model"]]
        return dialect.say_aside(listing, tuple({"id": each.id, "status": self.standing(each)[0]} for each in mine))

    def _check_key(self, provider: Provider, call: Incoming) -> str:
        """The key that came, in its form."""
        given = call.headers.get(provider.key.header.lower())
        if given is None:
            raise Refused(Unauthorized, "Missing API key")
        if all(given != provider.key.form.format(key=key) for key in self._keys):
            raise Refused(Unauthorized)
        return given

    def _submit_once(
        self, dialect: Dialect, rows: tuple[Model, ...], account: tuple[str, str], call: Incoming, now: float
    ) -> Answer | Drop:
        """Takes a submit, or answers again one that has come before with its key."""
        provider = dialect.provider
        task = self._replays.task_of(account, provider, call, now)
        if task is not None:
            fault = self._strike("submit", task)
            if fault == "stale-connection":
                return Drop()
            if fault is not None and (refused := refusal(dialect, fault)) is not None:
                raise refused
            answer = self._say("accepted", dialect, task, call, now, done=provider.poll is None)
            answer = attrs.evolve(answer, headers={**answer.headers, **marked(provider)})
            return answer if fault is None else ACCEPTED[fault](answer)
        before = self._accepted
        try:
            return self._submit(dialect, rows, account, call, now)
        finally:  # whatever became of the answer
            if self._accepted > before:
                self._replays.keep(account, provider, call, next(reversed(self._tasks.values())), now)

    def _submit(
        self, dialect: Dialect, rows: tuple[Model, ...], account: tuple[str, str], call: Incoming, now: float
    ) -> Answer | Drop:
        row, values = dialect.read_request(rows, call)
        brought = self._brought(dialect, row, values, now)
        self._gauge.begin(account, lambda task: not (task.cancelled or self._is_done(dialect, task, now)))
        number = self._accepted + 1
        task = MockTask(
            id=dialect.new_id(self._seed, number),
            number=number,
            provider=dialect.provider,
            model=row,
            values=values,
            point=point_of(row, values),
            seed=values["seed"] if "seed" in values else _drawn(self._seed, number),
            format=values.get("output_format", row.delivers or "png"),
            created_at=now,
            duration=duration_of(row, number, self._durations, self._seed),
            references=brought,
        )
        self.accounts.check(dialect.provider.name, _cost(task))
        fault = self._strike("submit", task)
        if fault == "stale-connection":
            return Drop()
        if fault is not None and (refused := refusal(dialect, fault)) is not None:
            raise refused
        self._doom(dialect, task)
        self._accepted = number
        self._bill(task, now)
        self._tasks[task.id] = task
        self._gauge.began(account, task)
        self._seen.has_bought(task)
        if "webhook_url" in values and task.ending != "vanished":
            self.webhooks.accepted(task, _words(dialect, task), self._progression, self._reporting(dialect, task, call))
        # A service that cannot be polled has the image ready when it accepts, and no other has.
        answer = self._say("accepted", dialect, task, call, now, done=dialect.provider.poll is None)
        return answer if fault is None else ACCEPTED[fault](answer)

    def _doom(self, dialect: Dialect, task: MockTask) -> None:
        """Lets a fault decide what becomes of a task, if one strikes."""
        fault = self._strike("task", task)
        if fault == "moderated" and dialect.switches.get("moderated") == "submit":
            raise moderation(dialect)
        task.stuck, task.slow = fault == "stuck", fault == "slow"
        if task.slow:
            task.duration *= SLOWNESS
        elif fault is not None and not task.stuck:
            task.ending = fault

    def _forget(self, now: float) -> None:
        """Forgets the tasks that have been kept for long enough; the oldest come first."""
        gone = None
        while self._tasks and next(iter(self._tasks.values())).created_at + self._retention < now:
            gone = self._tasks.pop(next(iter(self._tasks)))
        if gone is not None and self._state is not None:
            self._state.forget_tasks(self._name, gone.number + 1)

    def _strike(self, moment: str, task: MockTask, *, but: Collection[str] = ()) -> str | None:
        """The fault that strikes at this moment of a task, if one does."""
        if not self._faults.armed:
            return None
        facts = {**task.values, "provider": task.provider.name, "model": task.model.name}
        fault = self._faults.strike(moment, task.number, task.id, facts, but=but)
        if fault is not None:
            self._seen.is_struck(fault)
        return fault

    def _bill(self, task: MockTask, now: float) -> None:
        """Charges a task to the account, which can pay it."""
        provider, cost = task.provider.name, _cost(task)
        self.accounts.spend(provider, cost)
        charge = Charge(provider, task.model.name, task.id, now, cost)
        self.charges.append(charge)
        self.feed.tell("bill", charge)
        self.feed.tell("task", task.id)

    def _refund(self, dialect: Dialect, task: MockTask) -> None:
        """Gives back what a task has cost that has failed, once that is told, at a service that does so."""
        if task.refunded or ENDINGS[task.ending] is State.COMPLETED or not dialect.refunds:
            return
        task.refunded = True
        self._refunded += 1
        number = next(number for number, each in enumerate(self.charges) if each.task == task.id)
        self.charges[number] = attrs.evolve(self.charges[number], refunded=True)
        self.accounts.refund(dialect.provider.name, _cost(task))
        self.feed.tell("bill", self.charges[number])

    def _strike_webhook(self, task: MockTask, but: Collection[str]) -> str | None:
        return self._strike("webhook", task, but=but)

    def _brought(self, dialect: Dialect, row: Model, values: Mapping[str, Any], now: float) -> tuple[bytes, ...]:
        """What the references show: their content, that of an upload, or of an address elsewhere its text.

        An upload that is not there is refused, as a service refuses an address that it cannot fetch.
        """
        brought, problems = [], []
        is_bounded = dialect.switches.get("reference-size") == "10MB"
        most = MOST_REFERENCE if is_bounded else MOST_BODY
        for reference in values.get("references", ()):
            content = reference.content
            if content is None:
                path = path_of(reference.url)
                own = path.removeprefix(self.prefix)
                # An upload of another namespace is as if it were not there.
                is_upload = without_prefix(path).startswith(UPLOADS)
                content = self._uploads.content(own, now) if is_upload else reference.url.encode()
            if content is None:
                place = _place_of_references(row)
                problems.append(Problem(place, reference.url, "an address at which an image lies"))
            elif len(content) > most:
                problems.append(Problem(_place_of_references(row), f"{len(content)} bytes", f"at most {most} bytes"))
            else:
                brought.append(content)
        if problems:
            raise Refused(Rejected, problems=tuple(problems))
        return tuple(brought)

    def _asked_for(self, provider: Provider, said: Mapping[str, str]) -> MockTask | None:
        """The task that a call names; None if the service does not know it."""
        task = self._tasks.get(said["id"])
        if task is None or task.provider is not provider or said.get("model", task.model.path) != task.model.path:
            return None
        self._seen.is_about(task)
        return task

    def _tell(self, dialect: Dialect, task: MockTask, call: Incoming, now: float) -> Answer | Drop:
        task.polls += 1
        if "webhook_url" in task.values and self._progression is Progression.POLLS and not task.cancelled:
            stage, report = self._stage(dialect, task, now), self._reporting(dialect, task, call)
            self.webhooks.polled(task, _words(dialect, task), stage, now, report)
        # There is nothing to go back from before something was told.
        fault = self._strike("poll", task, but=() if task.told else ("status-goes-back",))
        if fault is None or fault in POLLED:
            stage = self._stage(dialect, task, now)
            answer = self._say("polled", dialect, task, call, now, done=self._is_done(dialect, task, now))
            task.told = stage
            return answer if fault is None else POLLED[fault](answer)
        base_url = f"{call.origin}/{dialect.provider.name}"
        return instead(dialect, fault, id=task.id, base_url=base_url, model=task.model.path)

    def _tell_result(self, dialect: Dialect, task: MockTask, call: Incoming, now: float) -> Answer:
        if not self._is_done(dialect, task, now):
            raise Refused(Rejected, "The task is not completed")
        if task.ending in ENDINGS and ENDINGS[task.ending] is not State.COMPLETED:
            raise Refused(Rejected, "The task has ended without an image")
        return self._say("resulted", dialect, task, call, now, done=True)

    def _cancel(self, dialect: Dialect, task: MockTask, call: Incoming, now: float) -> Answer:
        """Stops a task, which stays billed; a service that has no word for that does not know it any more."""
        cancel = dialect.provider.cancel
        assert cancel is not None  # noqa: S101 - whoever cancels has found the route
        if task.cancelled or self._is_done(dialect, task, now):
            raise Refused(Rejected, "The task has ended already", status=cancel.late)
        task.cancelled = True
        self.webhooks.cancelled(task, dialect.cancelled, now, self._reporting(dialect, task, call))
        if cancel.answer is None or dialect.cancelled is None:
            return Answer(cancel.status, b"{}", JSON_HEADERS)
        return attrs.evolve(self._say("cancelled", dialect, task, call, now, done=False), status=cancel.status)

    def _stage(self, dialect: Dialect, task: MockTask, now: float) -> int:
        return task.stage(self._progression, now, dialect.life)

    def _is_done(self, dialect: Dialect, task: MockTask, now: float) -> bool:
        return not task.cancelled and self._stage(dialect, task, now) == len(dialect.words) - 1

    def _reporting(self, dialect: Dialect, task: MockTask, call: Incoming) -> Report:
        """What writes the webhook of a task at a stage of its life, with links as the call would get them."""
        call, last = attrs.evolve(call, body=b""), len(dialect.words) - 1

        def report(stage: int, now: float) -> bytes:
            with self._lock:
                self._seen = Exchange("", "", 0, now)  # no exchange is under way
                return self._say("webhook", dialect, task, call, now, done=stage == last, stage=stage).body

        return report

    def _say(
        self,
        of: str,
        dialect: Dialect,
        task: MockTask,
        call: Incoming,
        now: float,
        *,
        done: bool,
        stage: int | None = None,
    ) -> Answer:
        """What is said of a task now; a link is minted, and may be dead, only where one is said."""
        base_url = f"{call.origin}/{dialect.provider.name}"  # the origin of a namespace holds its name
        if stage is None:
            stage = len(dialect.words) - 1 if done else self._stage(dialect, task, now)
        if task.cancelled and dialect.cancelled is not None:
            facts = dialect.facts(of, stage, id=task.id, base_url=base_url, model=task.model.path)
            return dialect.say(of, {**facts, "status": dialect.cancelled})
        cost = _cost(task) if done or of == "accepted" else None
        if not done and (cost is None or "cost" not in dialect.names(of)):
            return dialect.say_briefly(of, stage, id=task.id, base_url=base_url, model=task.model.path)
        if done and task.ending in ENDINGS:
            self._refund(dialect, task)
            place = {"id": task.id, "base_url": base_url, "model": task.model.path}
            return dialect.say_end(of, ENDINGS[task.ending], reason=REASONS[task.ending], cost=cost, **place)
        facts = dialect.facts(of, stage, id=task.id, base_url=base_url, model=task.model.path)
        if cost is not None:
            facts["cost"] = cost
        if done:
            facts["seed"] = task.seed
            if "images" in dialect.names(of):
                task.links += 1
                fault = self._strike("link", task, but=() if task.links == 1 else ("expired-link",))
                pictures = [self._gallery.picture(task, call.origin, now, dead=fault == "expired-link")]
                if fault == "two-links":
                    pictures.append(self._gallery.picture(task, call.origin, now, dead=False, copy=1))
                facts["images"] = tuple(pictures)
        return dialect.say(of, facts)


def _place_of_references(row: Model) -> str:
    return ".".join(next(iter(dict(row.form.fields)["references"].places())))


def _words(dialect: Dialect, task: MockTask) -> tuple[str, ...]:
    """The words of a task's life, in which a fault may have changed the end."""
    if task.ending not in ENDINGS:
        return dialect.words
    return (*dialect.words[:-1], dialect.end(ENDINGS[task.ending])[0])


def _cost(task: MockTask) -> Decimal | None:
    price = task.model.price
    return None if price is None else price.of(task.point.pixels, len(task.values.get("references", ())))


def _drawn(seed: int, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:seed:{number}".encode()).digest()[:4])

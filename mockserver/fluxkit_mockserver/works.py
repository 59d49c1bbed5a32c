"""The works of a mock: all that one namespace has and that calls change."""

import threading
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs

from fluxkit._wire.declaration import Provider

from .abroad import Watch
from .accounts import Accounts
from .armed import Faults, read_fault
from .billing import Bill
from .clock import VirtualClock, WallClock
from .dialects import Dialects
from .exchange import Exchange
from .exchanges import Exchanges
from .feed import Feed
from .gallery import Gallery
from .kept import Keys
from .limits import Gauge, Limits
from .namespaces import prefix_of
from .reach import hosts_of
from .replays import Replays
from .shelf import Shelf
from .switches import switched
from .tasks import Durations, MockTask, Progression
from .uploads import Uploads
from .webhooks import Postman

if TYPE_CHECKING:
    from .state import StateFile

#: A service and the key with which it is called, in its form.
Account = tuple[str, str]


@attrs.define(eq=False, repr=False)
class Works:
    """What one namespace of a mock has.

    The modules beside this one change it by what calls say, one call at a time, under its *lock*. *seen* is the
    exchange that is under way, and *now* when it came, or when something happens by itself; of tasks, *accepted* is how
    many there were, and *tasks* those that are kept. *made* are its ``settings`` as they were at first, *numbers* those
    of its keys, by services and as they come there.
    *state* is the file in which all of it is kept, if it is.
    """

    providers: tuple[Provider, ...]
    seed: int
    keys: tuple[str, ...]
    clock: Any
    progression: Progression
    durations: Durations
    retention: float
    spelling: int
    switches: dict[str, str]
    dialects: Dialects
    faults: Faults
    gauge: Gauge
    bill: Bill
    feed: Feed
    uploads: Uploads
    watch: Watch
    gallery: Gallery
    secrets: Keys
    made: Mapping[str, Any] = attrs.field(init=False)
    numbers: Mapping[str, Mapping[str, int]] = attrs.field(init=False)
    webhooks: Postman = attrs.field(init=False)
    replays: Replays = attrs.field(init=False, factory=Replays)
    shelf: Shelf = attrs.field(init=False, factory=Shelf)
    exchanges: Exchanges = attrs.field(init=False, factory=Exchanges)
    tasks: dict[str, MockTask] = attrs.field(init=False, factory=dict)
    accepted: int = attrs.field(init=False, default=0)
    seen: Exchange = attrs.field(init=False)
    now: float = attrs.field(init=False, default=0.0)
    state: "StateFile | None" = attrs.field(init=False, default=None)
    name: str = attrs.field(init=False, default="")
    lock: threading.Lock = attrs.field(init=False, factory=threading.Lock)

    @seen.default
    def _none_is_under_way(self) -> Exchange:
        return Exchange("", "", 0, 0.0)

    def account_of(self, task: MockTask) -> Account:
        """Who has bought a task: with a key that the mock has no more, whoever has the last one."""
        provider = task.provider
        return provider.name, provider.key.form.format(key=self.keys[min(task.key, len(self.keys) - 1)])

    def number_of(self, account: Account) -> int:
        """The number of the key with which an account is called."""
        return self.numbers[account[0]][account[1]]

    def limit(self, limits: Limits) -> None:
        """Sets how much each key may do; tasks that run already count."""
        self.gauge.limits = limits
        self.gauge.recount((self.account_of(task), task) for task in self.tasks.values())

    @property
    def settings(self) -> dict[str, Any]:
        """What may be set while it runs, as JSON."""
        return {
            "progression": str(self.progression),
            "switches": self.switches,
            "limits": attrs.asdict(self.gauge.limits),
            "balance": self.bill.accounts.balance,
        }

    @numbers.default
    def _numbers_of_keys(self) -> Mapping[str, Mapping[str, int]]:
        keys = [*reversed([*enumerate(self.keys)])]  # of a key that stands there twice, the first counts
        return {each.name: {each.key.form.format(key=key): number for number, key in keys} for each in self.providers}

    @made.default
    def _as_it_is_made(self) -> Mapping[str, Any]:
        return self.settings

    @property
    def prefix(self) -> str:
        """What the addresses of this namespace begin with, such as ``/@name``; empty for the mock itself."""
        return prefix_of(self.name)

    def switch(self, settings: Mapping[str, str | None]) -> None:
        """Sets switches from the next call on, or back to what is usual; ``ValueError`` for what there is not."""
        switches = switched(self.providers, self.switches, settings)
        self.dialects = Dialects(self.providers, self.spelling, switches)
        self.switches = switches
        self.webhooks.switches = self.dialects.switches

    def strike(self, moment: str, task: MockTask, *, but: Collection[str] = ()) -> str | None:
        """The fault that strikes at this moment of a task, if one does."""
        if not self.faults:
            return None
        facts = {**task.values, "provider": task.provider.name, "model": task.model.name}
        fault = self.faults.strike(moment, task.number, task.id, facts, but=but)
        if fault is not None:
            self.seen.is_struck(fault)
        return fault

    def forget(self, now: float) -> None:
        """Forgets the tasks that have been kept for long enough; the oldest come first."""
        gone = None
        while self.tasks and next(iter(self.tasks.values())).created_at + self.retention < now:
            gone = self.tasks.pop(next(iter(self.tasks)))
        if gone is not None:
            self.replays.forget(now)
        if gone is not None and self.state is not None:
            self.state.forget_tasks(self.name, gone.number + 1)

    def clear(self) -> None:
        """Forgets all that has happened."""
        self.tasks.clear()
        self.accepted = 0
        self.uploads.clear()
        self.watch.leaks.clear()
        self.faults.disarm()
        self.bill.clear()
        self.exchanges.clear()
        self.webhooks.clear()
        self.gauge.clear()
        self.replays.clear()


def works_of(
    providers: Sequence[Provider],
    *,
    seed: int,
    progression: Progression | str,
    clock: VirtualClock | WallClock | None,
    spelling: int,
    keys: Sequence[str],
    webhook_hosts: Sequence[str],
    durations: Durations,
    retention: float,
    switches: Mapping[str, str],
    limits: Limits | Mapping[str, Any] | Sequence[str] | str,
    balance: Decimal | float | str | None,
    faults: Sequence[str],
) -> Works:
    """The works of a mock that is made so."""
    feed = Feed()
    forms = [provider.key for provider in providers]
    watch = Watch(tuple(keys), forms)
    works = Works(
        providers=tuple(providers),
        seed=seed,
        keys=tuple(keys),
        clock=VirtualClock() if clock is None else clock,
        progression=Progression(progression),
        durations=durations,
        retention=retention,
        spelling=spelling,
        switches=dict(switches),
        dialects=Dialects(providers, spelling, switches),
        faults=Faults(providers, seed),
        gauge=Gauge(Limits.read(limits)),
        bill=Bill(Accounts(balance), feed.tell),
        feed=feed,
        uploads=Uploads(seed),
        watch=watch,
        gallery=Gallery(seed),
        secrets=Keys(watch.values),
    )
    for line in faults:
        works.faults.arm(**read_fault(line))
    works.webhooks = Postman(
        works.clock,
        seed=seed,
        allow=hosts_of(webhook_hosts),
        tell=feed.tell,
        strike=lambda task, but: works.strike("webhook", task, but=but),
        switches=works.dialects.switches,
    )
    return works

"""Where webhooks wait for those who wait for them: so a poll and a webhook are one waiter.

A flow waits for its task, whatever brings the news. The first end of a task is handed out once; what comes late, twice
or in another order changes nothing. News of a task that nobody waits for is held for a while, because a callback may
overtake the answer to its submit; an id that nobody ever asks for costs a place among a bounded number, and no poll.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import anyio
import attrs

from .._contract.task import Snapshot, State
from .event import Event
from .outside import from_outside
from .recent import Recent
from .tokens import Tokens

#: Of how many tasks news is held at a time, and for how many seconds.
MOST_HELD, HELD_FOR = 1_000, 600.0

#: So often a webhook without a signature may cause a poll of one task: anybody may have sent it.
MOST_HINTS = 5

_END: Final = 3


class Bell:
    """Rings, from whatever thread, when there is news for one who waits: on a thread, on asyncio or on trio."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self._wake: Callable[[], object] | None = None

    @property
    def rung(self) -> bool:
        """Whether it has rung."""
        return self._rung.is_set()

    def ring(self) -> None:
        """Wakes whoever waits."""
        self._rung.set()
        if self._wake is not None:
            self._wake()

    def wait(self, seconds: float) -> None:
        """Blocks until it rings, for at most so long."""
        self._rung.wait(max(0.0, seconds))

    async def wait_async(self, seconds: float) -> None:
        """Sleeps until it rings, for at most so long."""
        awake = anyio.Event()
        self._wake = from_outside(awake.set)
        if self.rung:  # before there was anybody to wake
            awake.set()
        with anyio.move_on_after(max(0.0, seconds)):
            await awake.wait()


@attrs.frozen(eq=False)
class _News:
    """What is known of a task: what was said of it, or None where that is only a hint."""

    seen: Snapshot | None

    @property
    def reach(self) -> int:
        """How far it takes the task: a hint nowhere, an end as far as it gets."""
        if self.seen is None or self.seen.state is State.UNKNOWN:
            return 0
        return _END if self.seen.state.ended else 2 if self.seen.state is State.RUNNING else 1


@attrs.define(eq=False)
class Mailbox:
    """One client's webhooks. Safe for threads. *attended* says whether anybody delivers to it at all.

    *tokens* are those of submits that have no id yet. *beside* is told when somebody begins to wait: who looks
    elsewhere for news then.
    """

    attended: bool = False
    tokens: Tokens = attrs.field(factory=Tokens, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    beside: Callable[[], object] = attrs.field(default=lambda: None, init=False)
    _watchers: list[Callable[[str], object]] = attrs.field(factory=list, init=False)
    _names: list[Callable[[], Iterable[str]]] = attrs.field(factory=list, init=False)
    _bells: dict[str, list[Bell]] = attrs.field(factory=dict, init=False)
    _held: Recent[_News] = attrs.field(factory=lambda: Recent(MOST_HELD, HELD_FOR), init=False)
    _ended: Recent[bool] = attrs.field(factory=lambda: Recent(MOST_HELD), init=False)
    _hints: Recent[int] = attrs.field(factory=lambda: Recent(MOST_HELD), init=False)

    def deliver(self, event: Event) -> None:
        """Takes in an event, and wakes whoever waits for its task."""
        task, at = event.task_id, event.at
        news = _News(event.snapshot if event.signed else None)
        with self._lock:
            held = self._held.get(task, at)
            if event.replayed or self._ended.get(task, at) or (held is not None and held.reach >= news.reach):
                return
            if news.seen is None:
                hints = self._hints.get(task, at) or 0
                if hints == MOST_HINTS:
                    return
                self._hints.put(task, hints + 1, at)
            self._held.put(task, news, at)
            for bell in self._bells.get(task, ()):
                bell.ring()
            for tell in self._watchers:
                tell(task)

    @property
    def awaited(self) -> tuple[str, ...]:
        """The tasks of which somebody waits for news."""
        with self._lock:
            return tuple({*self._bells, *(task for names in self._names for task in names())})

    def holds(self, tasks: Sequence[str], at: float) -> bool:
        """Whether there is news of any of *tasks* that nobody has taken yet."""
        with self._lock:
            return any(self._held.get(task, at) for task in tasks)

    @contextlib.contextmanager
    def watching(self, tell: Callable[[str], object], names: Callable[[], Iterable[str]] = tuple) -> Iterator[None]:
        """Has *tell* called with the id of each task of which news comes, by whatever thread brings it.

        It must not wait for anything, nor ask this mailbox; nor must *names*, which gives the tasks that are awaited.
        """
        with self._lock:
            self._watchers.append(tell)
            self._names.append(names)
        self.beside()
        try:
            yield
        finally:
            with self._lock:
                self._watchers.remove(tell)
                self._names.remove(names)

    @contextlib.contextmanager
    def listening(self, tasks: Sequence[str], at: float) -> Iterator[Bell]:
        """A bell that rings for any of *tasks*; at once, if there is news already."""
        bell = Bell()
        with self._lock:
            for task in tasks:
                self._bells.setdefault(task, []).append(bell)
            if any(self._held.get(task, at) for task in tasks):
                bell.ring()
        self.beside()
        try:
            yield bell
        finally:
            with self._lock:
                for task in tasks:
                    self._bells[task].remove(bell)
                    if not self._bells[task]:
                        del self._bells[task]

    def take(self, tasks: Sequence[str], at: float) -> tuple[str, Snapshot | None] | None:
        """The news of the first of *tasks* of which there is some, handed out once: the id, and what is to be believed.

        After its end nothing more is taken in of a task.
        """
        with self._lock:
            for task in tasks:
                if (news := self._held.pop(task, at)) is not None:
                    if news.reach == _END:
                        self._ended.put(task, True, at)
                    return task, news.seen
        return None

"""Limits that count: requests in a span of time, and tasks that run at once, each by key and service."""

import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from fluxkit._contract.by_fields import by_fields
from fluxkit._contract.report import shorten
from fluxkit.errors import RateLimited

from .refused import Refused
from .tasks import MockTask

#: How limits are written.
FORMS = "rate=REQUESTS/SECONDS, such as rate=50/60, and in-flight=TASKS, such as in-flight=24"

_RATE = re.compile(r"(\d{1,9})/(\d{1,9}(?:\.\d{1,6})?)")
_TASKS = re.compile(r"\d{1,9}", re.ASCII)

#: The names in which a service tells how many requests are left; no page documents them, and clients read them.
LIMIT, REMAINING, RESET = "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"

#: How many calls of each account are kept in a file.
MOST_KEPT = 1_000

#: Of how many keys requests are counted; of more, the one that was used first is counted anew.
MOST_KEYS = 1_000


@by_fields
@attrs.frozen(eq=False, repr=False)
class Limits:
    """How much is allowed: *requests* in any span of *seconds*, and *in_flight* tasks at once; None is any number."""

    requests: int | None = None
    seconds: float = 60.0
    in_flight: int | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("requests", "in_flight"):
            value = getattr(self, name)
            if value is not None and not (type(value) is int and value >= 0):
                raise ValueError(f"{name} is {value!r}. Allowed: a whole number from 0, or None for any number.")
        if isinstance(self.seconds, bool) or not 0 < self.seconds < math.inf:
            raise ValueError(f"seconds is {self.seconds!r}. Allowed: a number above 0.")

    @classmethod
    def read(cls, said: "Limits | Mapping[str, Any] | Iterable[str] | str") -> "Limits":
        """Limits as they are written: ``"rate=50/60"``, several of these, or a mapping of the fields.

        ``ValueError`` says what is allowed.
        """
        if isinstance(said, Limits):
            return said
        if isinstance(said, Mapping):
            stray = [name for name in said if name not in attrs.fields_dict(cls)]
            if stray:
                raise ValueError(f"A limit is called {stray[0]!r}. Allowed: {', '.join(attrs.fields_dict(cls))}.")
            return cls(**said)
        limits = cls()
        for text in [said] if isinstance(said, str) else said:
            name, _, value = text.partition("=")
            rate = _RATE.fullmatch(value) if name == "rate" else None
            if rate is not None:
                limits = attrs.evolve(limits, requests=int(rate[1]), seconds=float(rate[2]))
            elif name == "in-flight" and _TASKS.fullmatch(value):
                limits = attrs.evolve(limits, in_flight=int(value))
            else:
                raise ValueError(f"The limit is {shorten(text)}. Allowed: {FORMS}.")
        return limits

    @property
    def written(self) -> tuple[str, ...]:
        """The limits in the form in which they are read."""
        rate = () if self.requests is None else (f"rate={self.requests}/{self.seconds:g}",)
        return rate if self.in_flight is None else (*rate, f"in-flight={self.in_flight}")


class Gauge:
    """Counts what the limits bound, on the mock's clock."""

    def __init__(self, limits: Limits) -> None:
        """Nothing has been counted."""
        self.limits = limits
        self._calls: dict[tuple[str, str], deque[float]] = {}
        self._running: dict[tuple[str, str], list[MockTask]] = {}

    @property
    def limits(self) -> Limits:
        """What is bounded, if anything: most mocks bound nothing, and need not be asked with each call."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._limits = limits
        self.counts_calls, self.counts_tasks = limits.requests is not None, limits.in_flight is not None

    def clear(self) -> None:
        """Forgets what was counted."""
        self._calls.clear()
        self._running.clear()

    def call(self, account: tuple[str, str], now: float) -> Mapping[str, str]:
        """Counts one request of an *account*, which is a service and a key, and gives the headers that tell of it.

        ``Refused`` as the service refuses where it is one too many; that one is not counted.
        """
        most = self.limits.requests
        if most is None:
            return {}
        if account not in self._calls and len(self._calls) >= MOST_KEYS:
            del self._calls[next(iter(self._calls))]
        calls = self._calls.setdefault(account, deque())
        while calls and calls[0] <= now - self.limits.seconds:
            calls.popleft()
        full = len(calls) >= most
        if not full:
            calls.append(now)
        wait = math.ceil(calls[0] + self.limits.seconds - now if calls else self.limits.seconds)
        told = {LIMIT: str(most), REMAINING: str(most - len(calls)), RESET: str(wait)}
        if full:
            raise Refused(RateLimited, headers={"retry-after": str(wait), **told})
        return told

    @property
    def counted(self) -> Mapping[tuple[str, str], tuple[float, ...]]:
        """When each account has called lately, as far as that counts; of very many calls the last."""
        return {account: tuple(calls)[-MOST_KEPT:] for account, calls in self._calls.items()}

    def restore(self, account: tuple[str, str], calls: Iterable[float]) -> None:
        """Takes in when an account has called."""
        self._calls[account] = deque(calls)

    def recount(self, tasks: Iterable[tuple[tuple[str, str], MockTask]]) -> None:
        """Counts tasks of accounts that were accepted before there was this limit."""
        self._running.clear()
        for account, task in tasks:
            self.began(account, task)

    def running(self, account: tuple[str, str], is_running: Callable[[MockTask], bool]) -> int | None:
        """How many tasks of an account run, as *is_running* says; None where nothing bounds them."""
        if self.limits.in_flight is None:
            return None
        tasks = [task for task in self._running.get(account, ()) if is_running(task)]
        self._running[account] = tasks
        return len(tasks)

    def begin(self, account: tuple[str, str], is_running: Callable[[MockTask], bool]) -> None:
        """``Refused`` as the service refuses where a task of an account would be one too many."""
        running, most = self.running(account, is_running), self.limits.in_flight
        if running is not None and most is not None and running >= most:
            raise Refused(RateLimited, headers={"retry-after": "1"})

    def began(self, account: tuple[str, str], task: MockTask) -> None:
        """A task of an account has begun."""
        if self.limits.in_flight is not None:
            self._running.setdefault(account, []).append(task)

"""What a mock has to deliver: each webhook by itself, in the order in which they fall due."""

import heapq
import threading
from collections.abc import Callable, Collection

import attrs

from fluxkit._contract.by_fields import shown_by_fields
from fluxkit._wire.declaration import Webhook

from .tasks import MockTask

#: How many deliveries wait at most; what comes then is lost, as at a service that is overrun.
MOST_WAITING = 10_000

#: Gives the body of what is reported of a task at a stage of its life.
Report = Callable[[int, float], bytes]


@shown_by_fields
@attrs.define(eq=False, repr=False)
class Parcel:
    """One webhook: what is reported of a *task*, when it is *due* and how often it was tried.

    Of two that are due at once, the one of the lower *number* goes first. The body is written at the first attempt.
    """

    due: float
    number: int
    task: MockTask
    stage: int
    word: str
    write: Report
    attempt: int = 0
    body: bytes = b""
    forged: bool = False

    @property
    def webhook(self) -> Webhook:
        """How the service of its task reports; ``ValueError`` if it declares none."""
        provider = self.task.provider
        if provider.webhook is None:
            raise ValueError(f"{provider.name} declares no webhook")
        return provider.webhook

    def __lt__(self, other: "Parcel") -> bool:
        return (self.due, self.number) < (other.due, other.number)


class Parcels:
    """Those that wait, at most ``MOST_WAITING``. They may be put in one thread and taken in another."""

    def __init__(self) -> None:
        """None yet."""
        self._waiting: list[Parcel] = []
        self._out: set[int] = set()  # the numbers of those that were taken
        self._lock = threading.Lock()

    def put(self, parcel: Parcel) -> None:
        """Takes in one more, unless too many wait."""
        with self._lock:
            if len(self._waiting) < MOST_WAITING:
                heapq.heappush(self._waiting, parcel)

    def take(self, now: float, busy: Collection[str] = ()) -> Parcel | None:
        """What is due first, of tasks that are not busy: the news of one task keep their order."""
        busy_ones: list[Parcel] = []
        with self._lock:
            try:
                while self._waiting and self._waiting[0].due <= now:
                    parcel = heapq.heappop(self._waiting)
                    if parcel.task.id not in busy:
                        self._out.add(parcel.number)
                        return parcel
                    busy_ones.append(parcel)
            finally:
                for parcel in busy_ones:
                    heapq.heappush(self._waiting, parcel)
        return None

    def end(self, parcel: Parcel) -> None:
        """Says that something has come of one that was taken."""
        with self._lock:
            self._out.discard(parcel.number)

    def count(self, now: float) -> int:
        """How many are due, or were taken and have not ended."""
        with self._lock:
            return len(self._out) + sum(parcel.due <= now for parcel in self._waiting)

    def due(self, busy: Collection[str] = ()) -> float | None:
        """When the first is due of tasks that are not busy; None if none waits."""
        with self._lock:
            if not busy:
                return self._waiting[0].due if self._waiting else None
            return min((each.due for each in self._waiting if each.task.id not in busy), default=None)

    def drop(self, task: MockTask) -> None:
        """Forgets what waits of one task."""
        with self._lock:
            self._waiting = [parcel for parcel in self._waiting if parcel.task is not task]
            heapq.heapify(self._waiting)

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._waiting.clear()
            self._out.clear()

"""What happens on a mock, as it happens: numbered, kept for a while, and told to whoever listens."""

import contextlib
import itertools
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from fluxkit._contract.by_fields import shown_by_fields

#: How many happenings are kept for those who come back.
MOST_KEPT = 2_000


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Happening:
    """One thing that happened: what *kind*, and its *subject*; a task is there by its id, so that it can be let go."""

    number: int
    kind: str
    subject: Any


class Feed:
    """The happenings of one mock, in order. Safe in many threads."""

    def __init__(self, *, most: int = MOST_KEPT) -> None:
        """Nothing has happened; of more than *most* happenings the oldest are let go."""
        # Tells this feed from that of a mock that ran here before, because both count from 1.
        self.name = secrets.token_hex(4)
        self.last = 0
        self._kept: deque[tuple[str, Any]] = deque(maxlen=most)  # a value is made of what somebody looks at
        self._listeners: dict[int, Callable[[], object]] = {}
        self._lock = threading.Lock()
        self._numbers = itertools.count()

    def tell(self, kind: str, subject: Any) -> None:
        """Something has happened."""
        with self._lock:
            self.last += 1
            self._kept.append((kind, subject))
            listeners = [*self._listeners.values()] if self._listeners else ()
        for listener in listeners:
            listener()

    def after(self, number: int, *, most: int) -> list[Happening] | None:
        """What has happened after *number*, at most so many; None if some of it is not kept any more."""
        with self._lock:
            first = self.last + 1 - len(self._kept)
            if number + 1 < first:
                return None
            kept = itertools.islice(self._kept, number + 1 - first, number + 1 - first + most)
            return [Happening(place, *each) for place, each in enumerate(kept, number + 1)]

    @property
    def first(self) -> int:
        """The number of the oldest that is kept, or of the next if none is."""
        with self._lock:
            return self.last + 1 - len(self._kept)

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @contextlib.contextmanager
    def heard(self, listener: Callable[[], object]) -> Iterator[None]:
        """Calls *listener*, in whatever thread, each time that something has happened."""
        number = next(self._numbers)
        with self._lock:
            self._listeners[number] = listener
        try:
            yield
        finally:
            with self._lock:
                del self._listeners[number]

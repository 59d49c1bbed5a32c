"""Flows by the thousand: whose turn it is, and when the next one comes. Pure: no clock, no event loop, no I/O.

A flow has a turn from where it starts or was woken to where it waits again or ends. So what follows a poll at once, as
a download follows the poll that names the image, stands in no queue, and a waiting flow costs its own state and a place
in a heap. Turns are taken in the order in which they are due, new flows and waiting ones alike: nobody whose time comes
later overtakes, so whoever is due has his turn after at most as many turns as there are members. A flow that has its
turn late is told the true time, and its next poll follows from there: under load the pace stretches, and what was
missed is not made up for in a burst.
"""

import heapq
import math
from collections.abc import Iterator
from typing import Any

import attrs

from .._contract.task import Task
from ..errors import FluxError
from .effects import Flow


@attrs.define(eq=False)
class Member:
    """One flow of a crowd: its *number*, until when it must have ended, and the *origin* that it speaks to.

    ``due`` is since when, or from when on, it is its turn; ``place`` is where it waits, -1 while it has its turn;
    ``task`` is what it has bought last, once that is known, and ``names`` the ids of all; ``tasks`` are those of which
    it waits for news. ``rows`` are those that it has in hand in the journal. ``end`` is what it said when it was given
    up.
    """

    number: int
    flow: Flow[Any]
    deadline: float
    origin: str = ""
    due: float = 0.0
    started: bool = False
    task: Task | None = None
    names: list[str] = attrs.field(factory=list)
    tasks: tuple[str, ...] = ()
    rows: list[str] = attrs.field(factory=list)
    end: FluxError | None = None
    place: int = -1


@attrs.define(eq=False)
class Crowd:
    """Flows that wait for their turn.

    An origin can be held back, as a service asks that says how long it wants to hear nothing. A declared rate would be
    kept at the same place: it too says before when an origin hears nothing.
    """

    _waiting: list[tuple[float, float, int, Member]] = attrs.field(factory=list)  # by when, since when, in which order
    _held: dict[str, float] = attrs.field(factory=dict)
    _named: dict[str, Member] = attrs.field(factory=dict)
    _places: int = 0
    _left: int = 0

    def __len__(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting) - self._left

    def join(self, member: Member, due: float) -> None:
        """*member* has its turn at *due*, or as soon as possible after it: it is new, or it waits."""
        member.due = due
        self._put(member, self._when(member))

    def take(self, now: float) -> Member | None:
        """The member whose turn it is, which leaves the crowd until it joins again; None if nobody is due."""
        due = self.due()
        if due is None or due > now:
            return None
        member = heapq.heappop(self._waiting)[-1]
        member.place = -1
        return member

    def due(self) -> float | None:
        """When the next turn comes; None if nobody waits."""
        while self._waiting and self._waiting[0][-1].place != self._waiting[0][2]:
            heapq.heappop(self._waiting)  # it was woken, and stands elsewhere
            self._left -= 1
        return self._waiting[0][0] if self._waiting else None

    def hold(self, origin: str, until: float) -> None:
        """Nobody speaks to *origin* before *until*; only whose deadline comes earlier has a last turn then."""
        if until <= self._held.get(origin, -math.inf):
            return
        self._held[origin] = until
        kept = [entry for entry in self._waiting if entry[-1].place == entry[2]]
        self._waiting = [(self._when(member), since, place, member) for _, since, place, member in kept]
        self._left = 0
        heapq.heapify(self._waiting)

    def name(self, member: Member, task: Task) -> None:
        """From now on *member* can be woken by the id of its task."""
        member.task = task
        member.names.append(task.id)
        self._named[task.id] = member

    @property
    def names(self) -> list[str]:
        """The ids of all tasks. In any thread."""
        return list(self._named)

    def named(self, task: str) -> Member | None:
        """Whose task that is; None if it is nobody's here."""
        return self._named.get(task)

    def wake(self, task: str, now: float) -> bool:
        """It is the turn of whoever waits for the task with this id, of which there is news; False if nobody does.

        That its origin is held back does not matter: the news may be all that it needs.
        """
        member = self._named.get(task)
        if member is None or member.place < 0:
            return False
        self._left += 1
        member.due = min(member.due, now)
        self._put(member, member.due)
        return True

    def leave(self, member: Member) -> None:
        """*member* has ended."""
        for name in member.names:
            if self._named.get(name) is member:
                del self._named[name]

    def emptied(self) -> Iterator[Member]:
        """Everybody, in the order of their turns; afterwards nobody waits."""
        while self.due() is not None:
            member = heapq.heappop(self._waiting)[-1]
            member.place = -1
            yield member

    def _put(self, member: Member, when: float) -> None:
        self._places += 1
        member.place = self._places
        heapq.heappush(self._waiting, (when, member.due, member.place, member))

    def _when(self, member: Member) -> float:
        """When a member may have its turn; of those who are held back together, the one due longest is the first."""
        held = min(self._held.get(member.origin, -math.inf), member.deadline)
        return max(member.due, held)

"""The mock's tasks, and how they move on."""

import enum
import math
from collections.abc import Mapping
from typing import Any

import attrs

from fluxkit._contract.size import Point, Want
from fluxkit._wire.declaration import Model, Provider
from fluxkit._wire.nearest import nearest
from fluxkit.provider import State

#: About how many pixels an image has where no page says it.
USUAL_AREA = 1024 * 1024

#: How many seconds a task takes where no page says it.
USUAL_DURATION = 5.0


class Progression(enum.StrEnum):
    """What moves a task on: nothing (it is done at the first look), each look, or time."""

    AT_ONCE = "at once"
    POLLS = "polls"
    SECONDS = "seconds"


@attrs.define(eq=False)
class MockTask:
    """One task that was accepted and billed."""

    id: str
    number: int
    provider: Provider
    model: Model
    values: Mapping[str, Any]
    point: Point
    seed: int
    format: str
    created_at: float
    duration: float
    references: tuple[bytes, ...] = attrs.field(default=(), repr=False)
    stuck: bool = False
    cancelled: bool = False
    polls: int = 0
    links: int = 0

    def stage(self, progression: Progression, now: float, stages: int) -> int:
        """Which of *stages* steps of its life the task has reached, the last one being the end."""
        last = stages - 1
        match progression:
            case Progression.AT_ONCE:
                reached = last if self.polls else 0
            case Progression.POLLS:
                reached = min(self.polls, last)
            case Progression.SECONDS:
                age = now - self.created_at
                reached = last if age >= self.duration else int(age / self.duration * last)
        return min(reached, last - 1) if self.stuck and last else reached


def point_of(model: Model, values: Mapping[str, Any]) -> Point:
    """The size that is asked for; where nothing is, and nobody knows what the service takes then, it is a square.

    Where only the ratio is known, an image must have some pixels all the same.
    """
    point = model.sizes.point(values["size"]) if "size" in values else nearest(model.sizes, Want())
    if point.known:
        return point
    times = max(1, round(math.sqrt(USUAL_AREA / (point.width * point.height))))
    return attrs.evolve(point, width=point.width * times, height=point.height * times)


def life(provider: Provider) -> tuple[str, ...]:
    """The service's words for a task that goes well, from the first to the last."""
    words = [word for word, state in provider.statuses if state in (State.CREATED, State.RUNNING)]
    ends = [word for word, state in provider.statuses if state is State.COMPLETED]
    return (*words, *ends[:1])

"""The mock's tasks, and how they move on."""

import enum
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NoReturn

import attrs

from fluxkit._contract.by_fields import by_fields, shown_by_fields
from fluxkit._contract.size import Point, Want
from fluxkit._wire.declaration import Model, Provider
from fluxkit._wire.nearest import nearest
from fluxkit.provider import State

from .shelf import Laid

#: About how many pixels an image has where no page says it.
USUAL_AREA = 1024 * 1024

#: How many seconds a task takes where no page says it.
USUAL_DURATION = 5.0

#: What stands in the place of a tag that may be any.
ANY_TAG = "internal_error"

#: How widely durations are spread around the usual one, and how many times as long one takes at most.
SPREAD, SLOWEST = 0.35, 5.0

#: For how many seconds a task is kept where nothing is said: a week, as no page says it.
RETENTION = 7 * 86_400.0

#: How long tasks take: as declared, spread around that, by the names of models, or by a task's number.
Durations = Literal["fixed", "spread"] | Mapping[str, float | tuple[float, float]] | Callable[[int], float]

#: How many times as long a slow task takes.
SLOWNESS = 10


class Progression(enum.StrEnum):
    """What moves a task on: nothing (it is done at the first look), each look, or time."""

    AT_ONCE = "at once"
    POLLS = "polls"
    SECONDS = "seconds"

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        raise ValueError(f"progression is {value!r}. Allowed: {', '.join(cls)}.")


# An enumeration looks for each of its members anew, and these are asked for with every look at a task.
_POLLS, _SECONDS = Progression.POLLS, Progression.SECONDS


@shown_by_fields
@attrs.define(eq=False, repr=False)
class MockTask:
    """One task that was accepted and billed.

    *brought* is what its references show. *caller* is the address from which it was bought, empty in process, *key* the
    number of the mock's key that came with it, and *switched* are the switches of its service that were not as usual
    then. *ending* is the fault by which it ends in another way than well. *told* is the last stage of its life that a
    poll has told, and *reported* the last one of which a webhook was made by a poll.
    """

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
    brought: tuple[bytes | Laid, ...] = attrs.field(default=(), repr=False)
    caller: str = ""
    key: int = 0
    switched: tuple[tuple[str, str], ...] = ()
    stuck: bool = False
    slow: bool = False
    ending: str = ""
    cancelled: bool = False
    refunded: bool = False
    polls: int = 0
    told: int = 0
    reported: int = 0
    links: int = 0

    @property
    def references(self) -> tuple[bytes, ...]:
        """What its references show, which is the images, and of an address elsewhere its text."""
        return tuple(each.read() if isinstance(each, Laid) else each for each in self.brought)

    def stage(self, progression: Progression, now: float, life: "Life") -> int:
        """Which stage of its *life* the task has reached."""
        last = life.last
        polls = self.polls // SLOWNESS if self.slow else self.polls
        if progression is _SECONDS:
            reached = life.at((now - self.created_at) / self.duration if self.duration else 1.0)
        elif progression is _POLLS:
            reached = min(polls, last)
        else:
            reached = last if polls else 0
        return min(reached, last - 1) if self.stuck and last else reached


def check_durations(durations: object) -> None:
    """Refuses what says nothing of how long tasks take."""
    if durations in ("fixed", "spread") or callable(durations):
        return
    named = durations.values() if isinstance(durations, Mapping) else (None,)
    if not all(_is_time(each) for each in named):
        raise ValueError(
            f"durations is {durations!r}. Allowed: 'fixed', 'spread', seconds by the names of models (or a pair of "
            "them), or a function of a task's number."
        )


def check_retention(retention: object) -> None:
    """Refuses what is no time for which a task could be kept."""
    if isinstance(retention, bool) or not (isinstance(retention, int | float) and retention > 0):
        raise ValueError(f"retention is {retention!r}. Allowed: seconds, above 0; infinite seconds keep every task.")


def _is_time(value: object) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return len(value) == 2 and all(isinstance(each, int | float) for each in value) and 0 < value[0] <= value[1]
    return isinstance(value, int | float) and value >= 0


def duration_of(model: Model, number: int, durations: Durations, seed: int) -> float:
    """How many seconds a task takes."""
    if callable(durations):
        return durations(number)
    usual = model.duration or USUAL_DURATION
    if durations == "fixed":
        return usual
    dice = random.Random(f"{seed}:duration:{number}")
    if isinstance(durations, Mapping):
        said = durations.get(model.name, usual)
        if not isinstance(said, Sequence):
            return said
        low, high = said
        return math.exp(dice.uniform(math.log(low), math.log(high)))
    # Half of the tasks are quicker than usual; two of three take between 0.7 and 1.4 times as long, and few 3 times.
    return usual * min(SLOWEST, dice.lognormvariate(0, SPREAD))


def point_of(model: Model, values: Mapping[str, Any]) -> Point:
    """The size that is asked for; where nothing is, and nobody knows what the service takes then, it is a square.

    Where only the ratio is known, an image must have some pixels all the same.
    """
    point = model.sizes.point(values["size"]) if "size" in values else nearest(model.sizes, Want())
    if point.known:
        left = "size" not in values and model.sizes.default is None
        return attrs.evolve(point, documented=False, known=False) if left else point
    times = max(1, round(math.sqrt(USUAL_AREA / (point.width * point.height))))
    return attrs.evolve(point, width=point.width * times, height=point.height * times)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Stage:
    """A stage of a task's life: the service's *word* for it, its *state*, after which part of the time it begins."""

    word: str
    state: State
    begins: float


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Life:
    """The life of a service's tasks as a table: its *stages*, if all goes well, and the words for other *ends*.

    *last* is the number of the last stage, counted from 0.
    """

    stages: tuple[Stage, ...]
    ends: Mapping[State, tuple[str, ...]]
    last: int = attrs.field(init=False)

    @last.default
    def _number_of_the_last_stage(self) -> int:
        return len(self.stages) - 1

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the stages."""
        return tuple(stage.word for stage in self.stages)

    def at(self, part: float) -> int:
        """The number of the stage that is reached after this *part* of a task's time."""
        number = self.last
        while number and part < self.stages[number].begins:
            number -= 1
        return number


def life_of(provider: Provider) -> Life:
    """The life of a task of this service: its stages last equally long, because no page says otherwise."""
    ways = [row for row in provider.statuses if row[1] in (State.CREATED, State.RUNNING)]
    words = ways + [row for row in provider.statuses if row[1] is State.COMPLETED][:1]
    last = max(1, len(words) - 1)
    stages = tuple(Stage(word, state, number / last) for number, (word, state) in enumerate(words))
    ends: dict[State, tuple[str, ...]] = {}
    for word, state in sorted(provider.statuses, key=lambda row: ":" in row[0]):  # words without a tag come first
        ends[state] = (*ends.get(state, ()), word.replace("*", ANY_TAG))
    return Life(stages or (Stage("", State.COMPLETED, 0.0),), ends)


def life(provider: Provider) -> tuple[str, ...]:
    """The service's words for a task that goes well, from the first to the last."""
    return tuple(stage.word for stage in life_of(provider).stages if stage.word)

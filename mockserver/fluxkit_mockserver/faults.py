"""What can go wrong, on demand: each fault has a name and a moment at which it strikes."""

import random
from collections.abc import Mapping
from types import MappingProxyType

import attrs


@attrs.frozen
class Fault:
    """A kind of mishap: at which *moment* of an exchange or of a task it strikes, and what it does."""

    name: str
    moment: str
    about: str


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        fault.name: fault
        for fault in (
            Fault(
                "503",
                "submit",
                "The submit is refused as the service refuses when it is overloaded; nothing is bought.",
            ),
            Fault(
                "accepted-then-dropped",
                "submit",
                "The task is made and billed, but the connection closes without an answer.",
            ),
            Fault("stuck", "task", "The task runs and never ends."),
            Fault("dripping", "poll", "The answer to a poll comes a byte at a time, one each second."),
            Fault(
                "expired-link",
                "link",
                "The link to the image is already dead when it is given; the next poll gives a live one.",
            ),
        )
    }
)


@attrs.define(eq=False)
class _Armed:
    fault: Fault
    left: int | None
    rate: float


@attrs.define(eq=False)
class Faults:
    """The faults that are armed, and the dice that decide when they strike: the same seed, the same mishaps."""

    dice: random.Random
    _armed: list[_Armed] = attrs.field(factory=list)

    def arm(self, name: str, *, times: int | None = None, rate: float = 1.0) -> None:
        """Lets a fault strike at every chance, or with a probability of *rate*, and at most so many *times*."""
        if name not in FAULTS:
            raise ValueError(f"There is no fault {name!r}. Allowed: {', '.join(FAULTS)}.")
        if not 0 < rate <= 1 or (times is not None and times < 1):
            raise ValueError(
                f"rate is {rate!r}, times is {times!r}. Allowed: a rate above 0 and up to 1, times from 1."
            )
        self._armed.append(_Armed(FAULTS[name], times, rate))

    def strike(self, moment: str) -> str | None:
        """The name of the fault that strikes at this moment, if one does."""
        for armed in self._armed:
            if armed.fault.moment == moment and armed.left != 0 and self.dice.random() < armed.rate:
                if armed.left is not None:
                    armed.left -= 1
                return armed.fault.name
        return None

    def clear(self) -> None:
        """Disarms every fault."""
        self._armed.clear()

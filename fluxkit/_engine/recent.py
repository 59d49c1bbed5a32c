"""What happened lately, by name: bounded in number and in age, because strangers may have a say in it."""

import math
from typing import Generic, TypeVar

import attrs

V = TypeVar("V")


@attrs.define(eq=False)
class Recent(Generic[V]):
    """At most *most* values by their names, each for *life* seconds; the oldest goes first. Not safe for threads."""

    most: int
    life: float = math.inf
    _values: dict[str, tuple[float, V]] = attrs.field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, name: str, at: float) -> V | None:
        """The value of a name, None if there is none, or it is too old at the time *at*."""
        since, value = self._values.get(name, (at, None))
        return value if at - since <= self.life else None

    def put(self, name: str, value: V, at: float) -> None:
        """Keeps a value under a name as of *at*, and gives up whatever is too old or too much."""
        self._values.pop(name, None)
        self._values[name] = (at, value)
        while len(self._values) > self.most or at - self._oldest() > self.life:
            del self._values[next(iter(self._values))]

    def pop(self, name: str, at: float) -> V | None:
        """The value of a name, which is forgotten; None as in ``get``."""
        value = self.get(name, at)
        self._values.pop(name, None)
        return value

    def _oldest(self) -> float:
        since, _ = next(iter(self._values.values()))
        return since

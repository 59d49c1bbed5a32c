"""What a canary has brought, and what judges it: evidence, and checks of it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import attrs

from .._contract.result import Image, Result
from .._contract.task import Snapshot, Task
from .._engine.effects import Call, Reply
from .._wire.plan import Plan
from ..errors import FluxError
from .check import graded, not_applicable
from .drift import Judgement
from .finding import Finding
from .tracing import declared_for, said_of

E = TypeVar("E")


@attrs.frozen(eq=False)
class Evidence:
    """What a canary has brought.

    *wrong_key* is what became of a poll with a wrong key, *foreign* of one for a task that is not there, both for
    nothing: a snapshot, or the error. *bad* is what became of a submit that must be refused: the answer, and the error
    or the task that was bought by it. *heard* are the exchanges of the one image that was bought, *result* or *error*
    how that ended, and *again* the task as it was read once more. What was not tried is None; *unbought* is why nothing
    was bought.
    """

    plan: Plan
    wrong_key: Snapshot | FluxError | None = None
    foreign: Snapshot | FluxError | None = None
    bad: tuple[Reply | None, FluxError | Task] | None = None
    heard: Sequence[tuple[Call, Reply]] = ()
    result: Result | None = None
    error: FluxError | None = None
    again: Task | FluxError | None = None
    judgement: Judgement | None = None
    unbought: str = ""

    def said(self, route: str) -> Iterator[Snapshot]:
        """What was said of the task on a route, as far as anything was."""
        _, codec = declared_for(self.plan.provider, route)
        for call, reply in self.heard:
            if call.about is not None and call.about.kind == route:
                said = said_of(self.plan.provider, route, codec, reply)
                if said is not None:
                    yield said

    @property
    def image(self) -> Image:
        """The image that came; ends a check if none did."""
        self.bought()
        if self.result is None or not self.result.images:
            not_applicable("no image came")
        return self.result.images[0]

    def bought(self) -> None:
        """Ends a check if nothing was bought."""
        if self.unbought or not (self.heard or self.error):
            not_applicable(self.unbought or "nothing was bought")


@attrs.frozen(eq=False)
class LiveCheck(Generic[E]):
    """A promise that only the service itself can show; like a ``Check``, of evidence instead of a pair."""

    name: str
    promise: str
    meaning: str
    run: Callable[[E], str | None]
    kind: str = "live"

    def find(self, evidence: E) -> Finding:
        """What the check comes to."""
        return graded(self.name, lambda: self.run(evidence))

"""How a client carries out what its flows decide: as it is asked to, unless somebody has put his hands between.

A declaration cannot make fluxkit post twice or wait for ever: the engine does that for all of them, or does not. So
that checks can be shown to notice it, a driver may be given a conduct: a generator that is told an effect and the key,
yields effects that are really carried out, is sent their answers, and returns what the flow hears.
"""

from collections.abc import Callable, Generator
from typing import Any

import attrs

from .._engine.drive import AsyncDriver, Driver
from .._engine.effects import Flow

Conduct = Callable[[Any, str], Generator[Any, Any, Any]]

#: After so many effects of one errand a client is taken not to come to an end.
MOST_EFFECTS = 2_000


class Endless(BaseException):
    """A client goes on far longer than any errand does; no flow may take it for an error of its own."""


@attrs.define(eq=False)
class _Count:
    """How many effects were carried out."""

    effects: int = 0

    def one_more(self) -> None:
        self.effects += 1
        if self.effects > MOST_EFFECTS:
            raise Endless(f"the client does not come to an end: it has asked for {MOST_EFFECTS} things")


@attrs.frozen(eq=False)
class Misled(Driver):
    """A driver that does what a conduct makes of each effect."""

    conduct: Conduct = attrs.field(kw_only=True)
    key: str = attrs.field(kw_only=True, repr=False)
    _count: _Count = attrs.field(factory=_Count, init=False)

    def _carry_out(self, effect: Any) -> Any:
        self._count.one_more()
        steps = self.conduct(effect, self.key)
        answer: Any = None
        resume: Callable[[Any], Any] = steps.send
        while True:
            try:
                wanted = resume(answer)
            except StopIteration as stop:
                return stop.value
            try:
                answer, resume = super()._carry_out(wanted), steps.send
            except Exception as error:  # noqa: BLE001 - it is the conduct's to judge
                answer, resume = error, steps.throw


@attrs.frozen(eq=False)
class AsyncMisled(AsyncDriver):
    """The same, asynchronous. Whoever is misled is not sheltered from cancellation either."""

    conduct: Conduct = attrs.field(kw_only=True)
    key: str = attrs.field(kw_only=True, repr=False)
    _count: _Count = attrs.field(factory=_Count, init=False)

    async def answer(self, effect: Any, flow: Flow[Any]) -> tuple[Any, Callable[[Any], Any]]:
        """What the flow is to hear of its effect, and how: it is sent or thrown."""
        self._count.one_more()
        steps = self.conduct(effect, self.key)
        answer: Any = None
        resume: Callable[[Any], Any] = steps.send
        while True:
            try:
                wanted = resume(answer)
            except StopIteration as stop:
                return stop.value, flow.send
            except Exception as error:  # noqa: BLE001 - it is the flow's to judge
                return error, flow.throw
            try:
                answer, resume = await super()._carry_out(wanted), steps.send
            except Exception as error:  # noqa: BLE001 - it is the conduct's to judge
                answer, resume = error, steps.throw

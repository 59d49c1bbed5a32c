"""Flows side by side, as one flow."""

import heapq
from collections.abc import Sequence
from typing import Any

from .effects import Flow, Now, Wait


def together(flows: Sequence[Flow[Any]]) -> Flow[list[Any]]:
    """Runs flows side by side: their waits overlap, all else is done one after another.

    Gives for each flow what it returned, or the exception that it raised: what befalls one costs the others nothing.
    """
    outcomes: list[Any] = [None] * len(flows)
    due: list[tuple[float, int]] = []
    try:
        for number, flow in enumerate(flows):
            yield from _advance(flow, None, number, due, outcomes)
        while due:
            at, number = heapq.heappop(due)
            yield from _advance(flows[number], at, number, due, outcomes)
    finally:
        for flow in flows:
            flow.close()
    return outcomes


def _advance(
    flow: Flow[Any], at: float | None, number: int, due: list[tuple[float, int]], outcomes: list[Any]
) -> Flow[None]:
    """Runs a flow that waits until *at*, or starts, until it waits again or ends."""
    answer: Any = None
    resume: Any = flow.send
    try:
        if at is not None:
            try:
                answer = yield Now()
                if at > answer:
                    answer = yield Wait(at - answer)
            except Exception as error:  # noqa: BLE001 - it is the flow's to judge
                answer, resume = error, flow.throw
        while True:
            effect = resume(answer)
            try:
                if isinstance(effect, Wait):
                    heapq.heappush(due, ((yield Now()) + effect.seconds, number))
                    return
                answer, resume = (yield effect), flow.send
            except Exception as error:  # noqa: BLE001 - it is the flow's to judge
                answer, resume = error, flow.throw
    except StopIteration as stop:
        outcomes[number] = stop.value
    except Exception as error:  # noqa: BLE001 - it is the outcome
        outcomes[number] = error

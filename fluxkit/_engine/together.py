"""Flows side by side, as one flow."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .effects import Flow, Now, Wait, Woken

#: Until when each waiting flow waits, and for news of which tasks.
_Due = dict[int, tuple[float, tuple[str, ...]]]


def together(flows: Sequence[Flow[Any]]) -> Flow[list[Any]]:
    """Runs flows side by side: their waits overlap, all else is done one after another.

    Gives for each flow what it returned, or the exception that it raised: what befalls one costs the others nothing.
    """
    if len(flows) == 1:
        return [(yield from _alone(flows[0]))]
    outcomes: list[Any] = [None] * len(flows)
    due: _Due = {}
    try:
        for number, flow in enumerate(flows):
            yield from _advance(partial(flow.send, None), flow, number, due, outcomes)
        while due:
            number = min(due, key=lambda each: (due[each][0], each))
            try:
                number, woken = yield from _pause(number, due)
                go_on = partial(flows[number].send, woken)
            except Exception as error:  # noqa: BLE001 - it is the flow's to judge
                go_on = partial(flows[number].throw, error)
            del due[number]
            yield from _advance(go_on, flows[number], number, due, outcomes)
    finally:
        for flow in flows:
            flow.close()
    return outcomes


def _alone(flow: Flow[Any]) -> Flow[Any]:
    """What a flow returns beside which there is none, or the exception that it raises."""
    try:
        return (yield from flow)
    except Exception as error:  # noqa: BLE001 - it is the outcome
        return error


def _pause(number: int, due: _Due) -> Flow[tuple[int, Woken]]:
    """Waits for flow *number*, or for news of a task of any; gives the flow that goes on, and how it was woken."""
    now = yield Now()
    at, _ = due[number]
    if at <= now:
        return number, Woken(now)
    woken = yield Wait(at - now, tuple(task for _, tasks in due.values() for task in tasks))
    return next((each for each, (_, tasks) in due.items() if woken.task in tasks), number), woken


def _advance(go_on: Callable[[], Any], flow: Flow[Any], number: int, due: _Due, outcomes: list[Any]) -> Flow[None]:
    """Lets a flow go on until it waits or ends."""
    try:
        while True:
            effect = go_on()
            try:
                if isinstance(effect, Wait):
                    due[number] = (yield Now()) + effect.seconds, effect.tasks
                    return
                go_on = partial(flow.send, (yield effect))
            except Exception as error:  # noqa: BLE001 - it is the flow's to judge
                go_on = partial(flow.throw, error)
    except StopIteration as stop:
        outcomes[number] = stop.value
    except Exception as error:  # noqa: BLE001 - it is the outcome
        outcomes[number] = error

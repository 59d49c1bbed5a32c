"""The end of a flow that is given up: it hears what came of its effect, and says what became of its submits."""

import inspect
from collections.abc import Generator
from typing import Any

from ..errors import FluxError, Unreachable
from .clock import Clock
from .effects import Flow, Note, Now, Reply
from .keeping import FATES

#: How much a flow may still ask for when it is given up.
LAST_WORDS = 1_000


def given_up() -> Unreachable:
    """What a flow hears of an effect that is not carried out any more."""
    return Unreachable("It was given up before it was sent.", retry=False)


def last_words(flow: Flow[Any], answer: Reply | Exception, clock: Clock) -> Generator[Note, None, FluxError | None]:
    """Tells a flow that is about to be closed what came of its effect; gives its notes of what became of its submits.

    Nothing else that it asks for is carried out. Returns the error with which it ends, if that is one of ours.
    """
    if inspect.getgeneratorstate(flow) == inspect.GEN_CLOSED:  # it had ended before
        return None
    try:
        effect = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
        for _ in range(LAST_WORDS):
            match effect:
                case Now():
                    effect = flow.send(clock.now())
                case Note(kind) if kind in FATES:
                    yield effect
                    effect = flow.send("")  # only an intent has a row to learn
                case _:
                    effect = flow.throw(given_up())
    except Exception as error:  # noqa: BLE001 - it is how the flow ends
        return error if isinstance(error, FluxError) else None
    return None

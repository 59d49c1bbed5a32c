"""Every wait ends, no wait is busy, and both clients wait alike."""

import contextlib
import functools
import itertools
import random
import time
from typing import Any
from unittest import mock as patching

import anyio

from ..._contract.result import Result
from ..._engine.flows import generate
from ..._mock import kit_of_mock
from ...errors import FluxError, Overdue
from ..check import Pair, check_of, needs_tasks
from ..conduct import Endless
from ..desk import Answer, Call, Desk, PassOn, desk, faults_of, outcome
from ..differs import same

#: How many seconds later than its deadline an errand may end.
LATE = 2.0

#: How many polls a wait may cost: about six for each factor of e in time, and some at the beginning.
MOST_POLLS = {60.0: 60, 600.0: 75, 3_600.0: 90}


@check_of("waiting")
def check_what_never_ends_is_overdue(pair: Pair) -> None:
    """A task that never ends is given up at the deadline, with the task, and can be waited for again.

    A failure means: an app hangs, or gives up a task that is paid.
    """
    needs_tasks(pair.client)
    with desk(pair) as at:
        at.service.fault("stuck")
        begun = at.now
        end = outcome(lambda: at.buy(timeout=60.0))
        same("Overdue", type(end).__name__, "what a task that never ends comes to")
        same(True, at.now - begun <= 60.0 + LATE, f"after {at.now - begun:.1f} s of 60")
        same(True, isinstance(end, Overdue) and end.task is not None, "the task is attached")
        same("unknown", str(end.charged), "whether it was charged")


@check_of("waiting")
def check_a_dripping_answer_ends(pair: Pair) -> None:
    """An answer that comes a byte each second does not outlive the deadline, however long each byte is waited for.

    A failure means: a slow or hostile server holds an app for as long as it likes.
    """
    needs_tasks(pair.client)
    for timeout in (10.0, 60.0):
        with desk(pair) as at:
            at.service.fault("dripping")
            begun = at.now
            outcome(lambda at=at, timeout=timeout: at.buy(timeout=timeout))  # type: ignore[misc]
            same(True, at.now - begun <= timeout + LATE, f"it took {at.now - begun:.1f} s of {timeout:g}")


@check_of("waiting")
def check_polls_are_bounded(pair: Pair) -> None:
    """A wait of a minute costs at most 60 polls, one of an hour at most 90, and none comes at once after another.

    A failure means: the service is flooded, and will answer that there are too many requests.
    """
    needs_tasks(pair.client)
    for timeout, most in MOST_POLLS.items():
        with desk(pair) as at:
            at.service.fault("stuck")
            outcome(lambda at=at, timeout=timeout: at.buy(timeout=timeout))  # type: ignore[misc]
            same(True, len(at.polls) <= most, f"{len(at.polls)} polls in {timeout:g} s, of at most {most}")
            moments = [each.at for each in at.service.exchanges][1:]
            shortest = min((later - sooner for sooner, later in itertools.pairwise(moments)), default=1.0)
            same(True, shortest >= 0.5, f"the shortest pause is {shortest:.2f} s")


@check_of("waiting")
def check_retry_after_is_honoured(pair: Pair) -> None:
    """After an answer that says when to come back, nothing is asked before that time, and the deadline holds.

    A failure means: the service will shut the client out, or a wait that should end goes on.
    """
    needs_tasks(pair.client)
    for asked, timeout in ((17.0, 120.0), (100_000.0, 60.0)):
        moments: list[float] = []

        def hand(call: Call, pass_on: PassOn, *, asked: float = asked, moments: list[float] = moments) -> Answer:
            if not at.asks(call):
                return pass_on(call)
            moments.append(at.now)
            return _later(asked) if len(moments) == 1 else pass_on(call)

        with desk(pair, hand=hand) as at:
            begun = at.now
            end = outcome(lambda at=at, timeout=timeout: at.buy(timeout=timeout))  # type: ignore[misc]
            same(True, bool(moments), "the service was asked after the task")
            waited = moments[1] - moments[0] if len(moments) > 1 else at.now - moments[0]
            # What is due at the deadline is a last look, because the image is paid.
            same(True, waited >= min(asked, timeout - LATE), f"{waited:.1f} s waited of {asked:g}, within {timeout:g}")
            same(True, at.now - begun <= timeout + LATE, f"it took {at.now - begun:.1f} s of {timeout:g}")
            if asked < timeout:
                same(True, isinstance(end, Result), f"an image comes after Retry-After: {asked:g}, and not {end!r}")


def _later(seconds: float) -> Any:
    return kit_of_mock().document(429, {"message": "Too many requests"}, {"retry-after": f"{seconds:g}"})


@check_of("waiting")
def check_both_clients_do_the_same(pair: Pair) -> None:
    """The blocking client and the asynchronous one call the same things at the same times, and come to the same.

    A failure means: an app that goes over to asyncio behaves in another way.
    """
    for fault in (None, *faults_of(pair.mock)):
        ends = []
        for way in ("blocking", "asynchronous"):
            with desk(pair) as at:
                if fault is not None:
                    at.service.fault(fault, times=1)
                jitter = random.getstate()
                random.seed(7)
                try:
                    ends.append((*_end(outcome(functools.partial(WAYS[way], at))), *_seen(at)))
                finally:
                    random.setstate(jitter)
        same(ends[0], ends[1], f"what both come to{f' after {fault}' if fault else ''}")


def _blocking(at: Desk) -> Result:
    return at.buy(timeout=60.0)


def _asynchronous(at: Desk) -> Result:
    async def work() -> Result:
        return await at.async_driver.run(generate(at.plan(), at.manner()))

    return anyio.run(work)


WAYS = {"blocking": _blocking, "asynchronous": _asynchronous}


def _end(end: Result | FluxError) -> tuple[Any, ...]:
    if isinstance(end, FluxError):
        return type(end).__name__, end.message, str(end.charged), getattr(end.task, "id", None)
    return "Result", [image.url for image in end.images], [task.id for task in end.tasks], str(end.cost)


def _seen(at: Desk) -> tuple[Any, ...]:
    return list(at.service.exchanges), at.service.billed, [note.kind for note in at.said]


@check_of("waiting")
def check_the_event_loop_is_not_blocked(pair: Pair) -> None:
    """While the asynchronous client waits or calls, everything else in its event loop goes on.

    A failure means: a server that makes images with it stands still for all its other users.
    """
    with desk(pair) as at:
        blocked: list[str] = []
        turns = 0

        async def ticker() -> None:
            nonlocal turns
            while True:
                turns += 1
                await anyio.lowlevel.checkpoint()

        async def work() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(ticker)
                with contextlib.suppress(FluxError, Endless):  # what comes of it is none of this check's business
                    await at.async_driver.run(generate(at.plan(), at.manner()))
                group.cancel_scope.cancel()

        clock = type(at.service.clock)
        with (
            patching.patch.object(time, "sleep", lambda seconds: blocked.append(f"time.sleep({seconds})")),
            patching.patch.object(clock, "sleep", lambda _, seconds: blocked.append(f"slept for {seconds} s")),
        ):
            anyio.run(work)
        same([], blocked, "what has blocked the event loop")
        same(True, turns >= len(at.calls), f"{turns} turns of others beside {len(at.calls)} calls")

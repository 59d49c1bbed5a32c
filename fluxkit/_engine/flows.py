"""Whole errands: from a plan, or from a task that was bought before, to images. Plain generators, without I/O or clock.

A flow yields effects and is sent their answers; errors of the network are thrown into it. No flow yields while it is
being closed, and none repeats a submit that may have been accepted.
"""

import functools
import operator
from collections.abc import Sequence
from contextlib import suppress

import attrs

from .._contract.amount import Amount
from .._contract.report import Report
from .._contract.result import Image, Result
from .._contract.task import Snapshot, Task
from .._wire.declaration import Provider
from .._wire.plan import Plan
from ..errors import Charged, FluxError
from .collect import collect, link, with_result
from .effects import Flow, Note, Now
from .follow import follow
from .place import Place
from .settle import settle
from .submit import attached, submit
from .together import together


@attrs.frozen(eq=False)
class Delivery:
    """What one task brought; *trouble* is why some of its images are missing."""

    task: Task
    images: tuple[Image, ...]
    cost: Amount | None
    trouble: FluxError | None = None


@attrs.frozen(eq=False)
class Manner:
    """How a client goes about its flows: times in seconds, where images go, and whether they are fetched at all.

    *allow_hosts* are the hosts that need not be public for an image or a reference to be there. *again* is the row of a
    submit whose fate is not known, if it is bought again knowingly. *label* is what the buyer wants to know the row by.
    *trust* says that a service which declares how it knows a submit again is believed.
    """

    timeout: float
    patience: float
    place: Place
    fetch: bool = True
    local: bool = False
    allow_hosts: frozenset[str] = frozenset()
    again: str | None = None
    label: str | None = None
    trust: bool = False


def generate(plan: Plan, manner: Manner) -> Flow[Result]:
    """Buys, follows and fetches every image of the plan; their waits overlap.

    References that must be uploaded or fetched are so first, once for all images, before anything is bought.

    One image that fails raises. Of several, the errors stand in the result beside the images; only if no image came,
    the gravest is raised, with the rest in its ``others``.
    """
    deadline = (yield Now()) + manner.timeout
    plan = yield from settle(plan, deadline, patience=manner.patience, allow_hosts=manner.allow_hosts)
    flows = [deliver(plan, turn, deadline, manner) for turn in range(plan.request.n)]
    outcomes = yield from together(flows)
    errors = tuple(outcome for outcome in outcomes if isinstance(outcome, FluxError))
    deliveries = [outcome for outcome in outcomes if isinstance(outcome, Delivery)]
    if not deliveries:
        raise gravest(errors)
    return result_of(deliveries, errors, plan.report)


def gravest(errors: tuple[FluxError, ...]) -> FluxError:
    """The error of which the caller must know first: one behind which something may be paid; with all the others."""
    order = (Charged.YES, Charged.UNKNOWN, Charged.NO)
    gravest = min(errors, key=lambda error: order.index(error.charged))
    gravest.others = tuple(error for error in errors if error is not gravest)
    return gravest


def place_order(plan: Plan, manner: Manner) -> Flow[Task]:
    """Buys the one image of the plan and returns its task."""
    deadline = (yield Now()) + manner.timeout
    plan = yield from settle(plan, deadline, patience=manner.patience, allow_hosts=manner.allow_hosts)
    task, _ = yield from _submitted(plan, 0, deadline, manner)
    return task


def resume(provider: Provider, task: Task, manner: Manner, *, deadline: float | None = None) -> Flow[Result]:
    """Follows and fetches a task that was bought before, perhaps by another process."""
    if deadline is None:
        deadline = (yield Now()) + manner.timeout
    rows = provider.named(task.model)
    duration = rows[0].duration if rows else None
    delivery = yield from see_through(provider, task, None, deadline, manner, duration=duration)
    return result_of([delivery], (), Report())


def deliver(plan: Plan, turn: int, deadline: float, manner: Manner) -> Flow[Delivery]:
    """Buys image number *turn* of the plan, and sees it through."""
    if plan.request.n > 1:
        manner = attrs.evolve(manner, place=attrs.evolve(manner.place, turn=turn))
    task, seen = yield from _submitted(plan, turn, deadline, manner)
    return (yield from see_through(plan.provider, task, seen, deadline, manner, duration=plan.model.duration))


def _submitted(plan: Plan, turn: int, deadline: float, manner: Manner) -> Flow[tuple[Task, Snapshot]]:
    return submit(
        plan,
        turn,
        deadline,
        patience=manner.patience,
        place=manner.place,
        again=manner.again,
        label=manner.label,
        trust=manner.trust,
        began=deadline - manner.timeout,
    )


def see_through(
    provider: Provider, task: Task, seen: Snapshot | None, deadline: float, manner: Manner, *, duration: float | None
) -> Flow[Delivery]:
    """From a bought task to its images. Every error carries the task: no fault, whose it ever is, may cost it."""
    patience, place, trouble = manner.patience, manner.place, None
    said = None if seen is None else seen.cost  # at the submit; the end of a task may be told without it
    try:
        task, seen = yield from follow(provider, task, seen, deadline, patience=patience, duration=duration)
        seen = yield from with_result(provider, task, seen, deadline, patience=patience)
        if manner.fetch:
            images, trouble = yield from collect(
                provider, task, seen, place, deadline, patience=patience, local=manner.local
            )
        else:
            images = yield from link(task, seen, place)
    except Exception as error:  # noqa: BLE001 - it is raised as one of ours
        raise (ours := attached(task, error)) from ours.__cause__
    cost = said if seen.cost is None else seen.cost
    if trouble is None:
        # The seed that the service drew makes the image come again, and so it is noted with it.
        drawn = task if seen.seed is None else attrs.evolve(task, seed=seen.seed)
        with suppress(Exception):  # the images are there
            yield Note("delivered", {"task": drawn, "cost": cost})
    return Delivery(task, images, cost, trouble)


def result_of(deliveries: Sequence[Delivery], errors: tuple[FluxError, ...], report: Report) -> Result:
    """What the tasks of one request brought, beside the *errors* of those that brought nothing."""
    costs = [delivery.cost for delivery in deliveries if delivery.cost is not None]
    first = deliveries[0].task
    return Result(
        provider=first.provider,
        model=first.model,
        images=tuple(image for delivery in deliveries for image in delivery.images),
        errors=errors + tuple(delivery.trouble for delivery in deliveries if delivery.trouble is not None),
        tasks=tuple(delivery.task for delivery in deliveries),
        report=report,
        cost=functools.reduce(operator.add, costs) if len(costs) == len(deliveries) else None,
        mocked=first.mocked,
    )

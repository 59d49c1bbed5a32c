"""The flow of a request that may have been begun before: each of its images is bought, waited for, or found.

The rows that bear the label of the request say what became of each. What is known not to have been bought is bought,
what was bought is waited for and fetched, and what nobody knows is left alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from .._contract.amount import Amount
from .._contract.journal import DELIVERED, Fate, Row, Settled
from .._contract.result import Image
from .._contract.task import State
from .._wire.plan import Plan
from ..errors import Charged, ContractError, DownloadError, FluxError, Overdue, SubmissionUnknown, TaskError
from .collect import found_again
from .effects import Claim, Claimed, Fetched, Flow, Now, Seek
from .flows import Delivery, Manner, deliver, see_through
from .recover import asked_again
from .settle import settle
from .submit import attached
from .together import together

#: The states of rows that ended without an image, or that nobody shall hear of again: bought again if that is wished.
ENDED = (
    *(str(state) for state in (State.FAILED, State.REFUSED, State.CANCELLED, State.VANISHED)),
    str(Settled.DISMISSED),
)


class Dismissed(FluxError):
    """Somebody has said that this image was not bought, or is not wanted any more."""

    charged = Charged.UNKNOWN


@attrs.frozen(eq=False)
class Taken:
    """What came of one image of a request: what was delivered, and why nothing was, or not all of it."""

    delivery: Delivery | None = None
    error: FluxError | None = None


def take(plan: Plan, manner: Manner, *, begun: bool, again: bool) -> Flow[list[Taken]]:
    """What came of each image of the plan, by its number; an error of one stands in its place.

    *begun* says that some may have been bought under the label of *manner*. Those that ended without an image are
    bought once more if *again*.
    """
    deadline = (yield Now()) + manner.timeout
    known: Mapping[int, Row] = {}
    if begun:
        claim = Claim(plan.provider.name, plan.base_url, manner.label)
        claimed: Claimed = yield from asked_again(plan.provider, claim, (yield claim), deadline, manner)
        if claimed.elsewhere:
            busy = Overdue("Another process, such as fluxkit recover, has it in hand. Run the batch again after that.")
            return [Taken(error=busy)] * plan.request.n
        known = standing((*claimed.taken, *claimed.unknown, *claimed.others))
        known = {turn: row for turn, row in known.items() if row.state in LIVE or not again}
    trouble: FluxError | None = None
    if len(known) < plan.request.n:
        try:
            plan = yield from settle(plan, deadline, patience=manner.patience, allow_hosts=manner.allow_hosts)
        except FluxError as error:  # what was bought before is to be had all the same
            trouble = error
    flows = [
        _found(plan, known[turn], deadline, manner) if turn in known else _bought(plan, turn, deadline, manner, trouble)
        for turn in range(plan.request.n)
    ]
    ends = yield from together(flows)
    return list(map(_taken, ends))


def _bought(plan: Plan, turn: int, deadline: float, manner: Manner, trouble: FluxError | None) -> Flow[Delivery]:
    if trouble is not None:
        raise trouble
    return (yield from deliver(plan, turn, deadline, manner))


def _taken(end: Any) -> Taken:
    if isinstance(end, Delivery):
        return Taken(delivery=end, error=end.trouble)
    if isinstance(end, FluxError):
        return Taken(error=end)
    error = FluxError(f"fluxkit failed: {end!r}. Please report it.", charged=Charged.UNKNOWN)
    error.__cause__ = end
    return Taken(error=error)


#: The states of rows that stand for an image: it was bought, or may have been.
LIVE = (str(Fate.INTENT), str(Fate.UNKNOWN), DELIVERED, *(str(state) for state in State if str(state) not in ENDED))


def standing(rows: Sequence[Any]) -> dict[int, Any]:
    """Of rows with one label, for each image the one that counts: the latest that is not known to be unbought.

    One that was bought again by hand stands where the one stood that it replaces. Rows are anything with the ``row``,
    ``turn``, ``state`` and ``again`` of one.
    """
    turns: dict[str, int] = {}
    found: dict[int, Any] = {}
    for row in sorted(rows, key=lambda each: str(each.row)):
        turns[row.row] = turns.get(row.again or "", row.turn)
        if row.state not in (str(Fate.REFUSED), str(Settled.RESUBMITTED)):
            found[turns[row.row]] = row
    return found


def _found(plan: Plan, row: Row, deadline: float, manner: Manner) -> Flow[Delivery]:
    """What a row stands for that was bought before, or may have been; nothing is bought."""
    if row.state in (Fate.UNKNOWN, Fate.INTENT):
        unknown = SubmissionUnknown(
            f"Whether the submit of row {row.row} was accepted is not known: {(row.why or '').rstrip('.')}.",
            provider=row.provider,
            model=row.model,
        )
        unknown.row = row.row
        raise unknown
    if row.state == Settled.DISMISSED:
        raise Dismissed(f"The row {row.row} was dismissed.", provider=row.provider, model=row.model)
    if row.state == DELIVERED and (images := (yield from _on_disk(row))):
        cost = None if row.cost is None else Amount.parse(row.cost)
        return Delivery(row.draft, images, cost)
    place = manner.place
    if row.place is not None:  # under the name that it was to have, in the directory as it is called today
        place = attrs.evolve(place, name=row.place["name"], turn=row.place["turn"])
    manner = attrs.evolve(manner, place=place)
    try:
        delivery = yield from see_through(
            plan.provider, row.draft, None, deadline, manner, duration=plan.model.duration
        )
    except Exception as error:
        if row.state == DELIVERED and isinstance(error, TaskError | DownloadError | ContractError):
            raise _not_again(row, error) from error
        raise (ours := attached(row.draft, error)) from ours.__cause__
    return delivery


def _not_again(row: Row, error: FluxError) -> DownloadError:
    """That an image was fetched once and is gone now, and why it does not come a second time."""
    files = ", ".join(stored.path.name for stored in row.images) or "The image"
    return DownloadError(
        f"{files} was fetched, is not there any more, and cannot be fetched again: {error.message}",
        provider=row.provider,
        model=row.model,
        task=row.draft,
    )


def _on_disk(row: Row) -> Flow[tuple[Image, ...]]:
    """The images of a row that was delivered, if all of them still lie where they were put."""
    images = []
    for stored in row.images:
        fetched: Fetched | None = yield Seek(stored.path, stored.sha256)
        if fetched is None:
            return ()
        images.append(found_again(row.draft, fetched))
    return tuple(images)

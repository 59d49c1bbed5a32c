"""The flows of whoever comes back: one look at a task, and all that was bought and not fetched."""

from collections.abc import Callable

import attrs

from .._contract.journal import Recovered, Row
from .._contract.result import Result
from .._contract.task import State, Task
from .._wire.answers import read_listing, read_poll
from .._wire.calls import listing, polling, submission
from .._wire.declaration import Provider
from .._wire.draft import WISHES
from .._wire.plan import Plan, make_plan
from ..errors import Charged, ContractError, FluxError, Overdue, TaskError, Unreachable
from .books import request_of
from .effects import About, Claim, Claimed, Flow, Lost, Note, Now, Recall, calling
from .flows import Manner, resume
from .follow import noted
from .pacing import call_time
from .place import Place
from .submit import attached, digest_of, submit_again
from .together import together


def look(provider: Provider, task: Task, patience: float) -> Flow[Task]:
    """The task as the service describes it now, by one poll.

    That it is not found once proves nothing: then the task is as it was. Every error carries the task.
    """
    outgoing = polling(provider, task)
    if outgoing is None:
        raise attached(task, ContractError(f"{provider.name} has no call for asking after a task."))
    try:
        seen = read_poll(provider, task, (yield calling(outgoing, patience, about=About("poll", task))))
    except (Lost, Unreachable) as error:
        raise Unreachable(
            f"{provider.name} could not be asked after the task {task.id}: {error.message.rstrip('.')}. "
            "The task goes on; ask again.",
            charged=Charged.UNKNOWN,
            provider=task.provider,
            model=task.model,
            task=task,
        ) from None
    except Exception as error:  # noqa: BLE001 - it is raised as one of ours
        raise (ours := attached(task, error)) from ours.__cause__
    if seen.state is State.VANISHED:
        return task
    return (yield from noted(task, seen, frozenset(seen.problems)))


def recover(provider: Provider, base_url: str, manner: Manner, where: Callable[[Row], Place]) -> Flow[Recovered]:
    """Waits for and fetches all that was bought from the provider and not fetched; *where* says where to.

    Nothing is submitted but what a service is trusted to know again. A submit of which nobody knows whether it was
    accepted is listed.
    """
    deadline = (yield Now()) + manner.timeout
    claim = Claim(provider.name, base_url)
    claimed: Claimed = yield from asked_again(provider, claim, (yield claim), deadline, manner)
    outcomes = yield from together([_bring(provider, row, deadline, manner, where) for row in claimed.taken])
    results = tuple(outcome for outcome in outcomes if isinstance(outcome, Result))
    errors = [outcome for outcome in outcomes if isinstance(outcome, FluxError)]
    candidates = yield from _candidates(provider, base_url, claimed.unknown, deadline, manner.patience)
    return Recovered(
        results=results,
        running=tuple(error.task for error in errors if isinstance(error, Overdue)),
        errors=(
            *(error for error in errors if not isinstance(error, Overdue)),
            *(error for result in results for error in result.errors),
        ),
        unknown=claimed.unknown,
        candidates=candidates,
        elsewhere=claimed.elsewhere,
    )


def _candidates(
    provider: Provider, base_url: str, unknown: tuple[Row, ...], deadline: float, patience: float
) -> Flow[tuple[Task, ...]]:
    """The tasks that the service lists and no row has: what a submit of unknown fate may have become.

    A list says neither who made a task nor of what, so nothing is adopted by it. That it cannot be had is no error.
    """
    found: list[Task] = []
    for model in dict.fromkeys(row.model for row in unknown):
        outgoing = listing(provider, base_url, model)
        left = call_time((yield Now()), deadline, patience)
        if outgoing is None or not left:
            continue
        try:
            reply = yield calling(outgoing, left)
        except (FluxError, Lost):
            continue
        known = yield Recall({"provider": provider.name, "base_url": base_url, "model": model})
        ids = {row.task.id for row in known if row.task is not None}
        found += [task for task in read_listing(provider, model, base_url, reply) if task.id not in ids]
    return tuple(found)


def asked_again(provider: Provider, claim: Claim, claimed: Claimed, deadline: float, manner: Manner) -> Flow[Claimed]:
    """What is in hand once submits of unknown fate were sent again, where the service is trusted to know them.

    It is if it declares a key, the key is not older than it remembers, and what was sent with it can be sent again byte
    for byte: the digest in the journal says so. Others stay unknown.
    """
    if not manner.trust or provider.idempotency is None:
        return claimed
    latest = (yield Now()) + manner.patience - provider.idempotency.life
    young = [row for row in claimed.unknown if row.created_at > latest]
    plans = [(row, plan) for row in young if (plan := _as_it_was_sent(provider, row, manner.allow_hosts)) is not None]
    if not plans:
        return claimed
    yield from together([submit_again(plan, row, deadline, patience=manner.patience) for row, plan in plans])
    more: Claimed = yield claim
    return attrs.evolve(claimed, taken=claimed.taken + more.taken, unknown=more.unknown, others=more.others)


def _as_it_was_sent(provider: Provider, row: Row, allow_hosts: frozenset[str]) -> Plan | None:
    """The plan that writes what a row has sent with its key; None if the journal does not hold all of it."""
    request = None if row.idempotency is None or row.body is None else request_of(row)
    if request is None:
        return None
    try:
        # However it was planned then, the digest proves that this is the same.
        plan = make_plan(
            provider,
            row.model,
            request,
            base_url=row.base_url,
            fit="nearest",
            unsupported=dict.fromkeys(WISHES, "drop"),
            mocked=row.draft.mocked,
            allow_hosts=allow_hosts,
        )
        same = digest_of(submission(plan, 0, token=row.token, key=row.idempotency)) == row.body
    except FluxError:
        return None
    return plan if same and not plan.pending else None


def _bring(
    provider: Provider, row: Row, deadline: float, manner: Manner, where: Callable[[Row], Place]
) -> Flow[Result]:
    try:
        place = where(row)
        return (yield from resume(provider, row.draft, attrs.evolve(manner, place=place), deadline=deadline))
    except TaskError as error:
        # That it has vanished no poll has noted.
        yield Note("state", {"task": error.task, "progress": None, "problems": ()})
        raise
    except Exception as error:  # noqa: BLE001 - it is raised as one of ours
        raise (ours := attached(row.draft, error)) from ours.__cause__

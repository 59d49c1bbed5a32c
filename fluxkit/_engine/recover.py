"""The flows of whoever comes back: one look at a task, and all that was bought and not fetched."""

from collections.abc import Callable

import attrs

from .._contract.journal import Recovered, Row
from .._contract.result import Result
from .._contract.task import State, Task
from .._wire.declaration import Provider
from .._wire.exchange import polling, read_poll
from ..errors import ContractError, FluxError, Overdue, TaskError, Unreachable
from .effects import Claim, Claimed, Flow, Lost, Note, Now, calling
from .flows import Manner, resume
from .follow import noted
from .place import Place
from .submit import attached
from .together import together


def look(provider: Provider, task: Task, patience: float) -> Flow[Task]:
    """The task as the service describes it now, by one poll.

    That it is not found once proves nothing: then the task is as it was. Every error carries the task.
    """
    outgoing = polling(provider, task)
    if outgoing is None:
        raise attached(task, ContractError(f"{provider.name} has no call for asking after a task."))
    try:
        seen = read_poll(provider, task, (yield calling(outgoing, patience)))
    except (Lost, Unreachable) as error:
        raise Unreachable(
            f"{provider.name} could not be asked after the task {task.id}: {error.message.rstrip('.')}. "
            "The task goes on; ask again.",
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

    Nothing is submitted. A submit of which nobody knows whether it was accepted is listed.
    """
    deadline = (yield Now()) + manner.timeout
    claimed: Claimed = yield Claim(provider.name, base_url)
    outcomes = yield from together([_bring(provider, row, deadline, manner, where) for row in claimed.taken])
    results = tuple(outcome for outcome in outcomes if isinstance(outcome, Result))
    errors = [outcome for outcome in outcomes if isinstance(outcome, FluxError)]
    return Recovered(
        results=results,
        running=tuple(error.task for error in errors if isinstance(error, Overdue)),
        errors=(
            *(error for error in errors if not isinstance(error, Overdue)),
            *(error for result in results for error in result.errors),
        ),
        unknown=claimed.unknown,
        elsewhere=claimed.elsewhere,
    )


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

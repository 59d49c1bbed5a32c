"""The flow that stops a task, and what can honestly be said of it afterwards."""

from collections.abc import Mapping

from .._contract.cancellation import Cancellation, Stopped
from .._contract.task import Snapshot, State, Task
from .._wire.answers import has_ended, read_cancel, read_poll
from .._wire.calls import Outgoing, cancelling, polling
from .._wire.declaration import Provider
from ..errors import Broken, Charged, FluxError, RateLimited, Rejected, Unreachable
from .effects import About, Flow, Lost, Now, Wait, calling
from .follow import noted
from .pacing import backoff, call_time
from .submit import attached

#: A service is asked so often to stop a task: to ask twice does no harm.
CANCEL_TRIES = 3

#: A task that does not stop at once is looked at so often.
CANCEL_LOOKS = 4

#: What is known of a task that has ended, whoever ended it.
_ENDED: Mapping[State, Stopped] = {
    State.CANCELLED: Stopped.YES,
    State.COMPLETED: Stopped.NO,
    State.FAILED: Stopped.NO,
    State.REFUSED: Stopped.NO,
}


def cancel(provider: Provider, task: Task, patience: float) -> Flow[Cancellation]:
    """Asks the service to stop a task, and looks what has become of it, within *patience* seconds.

    A service that stops no tasks is not asked anything. That it was asked is not believed to be the end of the task:
    only the task itself says that. Every error carries the task, which goes on as far as is known.
    """
    try:
        outgoing = cancelling(provider, task)
        if outgoing is None:
            return unasked(task)
        deadline = (yield Now()) + patience
        seen, refusal = yield from _ask(provider, task, outgoing, deadline)
        for attempt in range(CANCEL_LOOKS):
            if seen is not None and seen.state in _ENDED:
                break
            if attempt and refusal is not None:  # it runs, and is not stopped
                raise refusal
            now = yield Now()
            if attempt and (now := (yield Wait(backoff(attempt - 1))).at) >= deadline:
                break
            seen = (yield from _look(provider, task, call_time(now, deadline, patience))) or seen
    except Exception as error:  # noqa: BLE001 - it is raised as one of ours
        raise (ours := _carrying(task, error)) from ours.__cause__
    if seen is not None:
        task = yield from noted(task, seen, frozenset())
    return _concluded(task, seen)


def _ask(
    provider: Provider, task: Task, outgoing: Outgoing, deadline: float
) -> Flow[tuple[Snapshot | None, Rejected | None]]:
    """Asks until that is answered; gives what the answer says of the task, None if nothing or if it was lost.

    A refusal is given beside it: it may be the service's way to say that the task has ended.
    """
    attempt, lost = 0, False
    while True:
        left = call_time((yield Now()), deadline, deadline)
        try:
            reply = yield calling(outgoing, left, about=About("cancel", task, attempt + 1))
            return (None if has_ended(provider, reply) else read_cancel(provider, task, reply)), None
        except Rejected as refusal:
            return None, refusal
        except (Unreachable, Lost, RateLimited, Broken) as error:
            trouble: FluxError = error
        lost = lost or isinstance(trouble, Lost | Broken)
        attempt += 1
        delay = backoff(attempt - 1, getattr(trouble, "retry_after", None))
        hopeless = isinstance(trouble, Unreachable) and not trouble.retry
        if hopeless or attempt == CANCEL_TRIES or (yield Now()) + delay >= deadline:
            break
        yield Wait(delay)
    if lost:  # it may have come through
        return None, None
    raise trouble


def _look(provider: Provider, task: Task, patience: float) -> Flow[Snapshot | None]:
    """The task as it is now, None if it cannot be said: then it is not known whether it was stopped."""
    outgoing = polling(provider, task)
    if outgoing is None or not patience:
        return None
    try:
        return read_poll(provider, task, (yield calling(outgoing, patience, about=About("poll", task))))
    except FluxError:
        return None


def _carrying(task: Task, error: Exception) -> FluxError:
    if isinstance(error, Lost | Unreachable):
        return Unreachable(
            f"{task.provider} could not be asked to stop the task {task.id}: {error.message.rstrip('.')}. "
            "The task goes on, and so does its bill; ask again.",
            charged=Charged.UNKNOWN,
            provider=task.provider,
            model=task.model,
            task=task,
        )
    return attached(task, error)


def unasked(task: Task) -> Cancellation:
    """What is said without asking anybody: that a task has ended, or that its service stops none."""
    if task.state.ended:
        return _concluded(task, None)
    return Cancellation(
        task,
        Stopped.UNSUPPORTED,
        Charged.YES,
        f"{task.provider} has no way to stop a task: {task.id} is bought and goes on. To have its image: wait(task), "
        "client.recover() or fluxkit recover.",
    )


def _concluded(task: Task, seen: Snapshot | None) -> Cancellation:
    stopped = _ENDED.get(task.state, Stopped.UNKNOWN)
    charged = Charged.YES if task.state is State.COMPLETED else Charged.UNKNOWN
    if stopped is not Stopped.UNKNOWN and seen is not None and seen.cost is not None:
        charged = Charged.YES if seen.cost.number else Charged.NO
    return Cancellation(task, stopped, charged, _advice(task, stopped, charged))


def _advice(task: Task, stopped: Stopped, charged: Charged) -> str:
    bill = {
        Charged.YES: "It is charged.",
        Charged.NO: "Nothing is charged.",
        Charged.UNKNOWN: f"Whether it is charged {task.provider} does not say: look at the account.",
    }[charged]
    if task.state is State.COMPLETED:
        return (
            f"The task {task.id} was completed before it could be stopped. Its image can be had: wait(task), "
            "client.recover() or fluxkit recover."
        )
    if stopped is Stopped.YES:
        return f"The task {task.id} is stopped. {bill}"
    if stopped is Stopped.NO:
        return f"The task {task.id} had ended before, without an image: {task.status or task.state}. {bill}"
    if task.state is State.VANISHED:
        return f"The task {task.id} was not known to {task.provider} any more when it was last asked after. {bill}"
    return (
        f"{task.provider} was asked to stop the task {task.id}, which was {task.status or task.state} when it was last "
        "seen. It may go on and be charged: status(task) says how it stands, and to cancel it again does no harm."
    )

"""The flow that waits: polls until a task has ended, or the time is over."""

from collections.abc import Mapping

import attrs

from .._contract.task import Snapshot, State, Task
from .._wire.answers import read_poll
from .._wire.calls import Outgoing, is_unnamed, polling
from .._wire.declaration import Provider
from ..errors import (
    Broken,
    Cancelled,
    ContractError,
    Failed,
    FluxError,
    Overdue,
    RateLimited,
    Refused,
    TaskError,
    Unreachable,
    Vanished,
)
from .effects import About, Flow, Lost, Note, Now, Seen, Wait, calling
from .pacing import backoff, call_time, poll_delay
from .submit import attached

#: A task is VANISHED after so many polls in a row, over so many seconds, that did not find it.
VANISHED_POLLS, VANISHED_SECONDS = 5, 30.0

#: So many answers in a row that say nothing of the task, and the service is taken to speak another language.
SENSELESS_POLLS = 5

#: What may pass: after these the service is asked again.
PASSING = (Unreachable, Lost, RateLimited, Broken, ContractError)

ENDED: Mapping[State, tuple[type[TaskError], str]] = {
    State.FAILED: (Failed, "failed"),
    State.REFUSED: (Refused, "was refused by moderation"),
    State.CANCELLED: (Cancelled, "was cancelled"),
    State.VANISHED: (Vanished, "is not known to the service any more"),
}

#: Ends of which a webhook says all that there is to say.
GONE = (State.FAILED, State.REFUSED, State.CANCELLED)


@attrs.define(eq=False)
class _Streak:
    """What the last polls in a row came to: that they failed, or that they did not find the task."""

    trouble: FluxError | None = None
    failures: int = 0
    senseless: int = 0
    missed: int = 0
    missed_since: float = 0.0

    def failed(self, error: FluxError) -> None:
        """Counts a poll that said nothing of the task."""
        self.trouble, self.failures = error, self.failures + 1
        self.senseless = self.senseless + 1 if isinstance(error, ContractError) else 0

    def told(self, seen: Snapshot, now: float) -> None:
        """Counts a poll that said something."""
        self.trouble, self.failures, self.senseless = None, 0, 0
        if seen.state is not State.VANISHED:
            self.missed = 0
            return
        self.missed_since = self.missed_since if self.missed else now
        self.missed += 1

    def delay(self, usual: float) -> float:
        """Seconds until the next poll: the *usual* ones, or after a failure those of a retry."""
        return backoff(self.failures - 1, getattr(self.trouble, "retry_after", None)) if self.trouble else usual

    def vanished(self, now: float) -> bool:
        """Whether the task was missing for long enough to believe it."""
        return self.missed >= VANISHED_POLLS and now - self.missed_since >= VANISHED_SECONDS


def follow(
    provider: Provider, task: Task, seen: Snapshot | None, deadline: float, *, patience: float, duration: float | None
) -> Flow[tuple[Task, Snapshot]]:
    """Polls until the task has ended, or a webhook says so; what was *seen* before spares the first look.

    A webhook that the service has signed is believed like an answer. Any other, and one that leaves something open,
    only makes the next poll come at once: so nobody else decides what becomes of a task.

    If the submit was answered without saying where to ask, it is not believed there that there is no such task: its
    webhook may come.

    Raises ``Overdue`` at *deadline*, the task's own error if it ended without an image, and what the service refuses
    for good; each with the task as it was last seen.
    """
    now = began = yield Now()
    before = max(0.0, began - task.submitted_at)
    streak = _Streak()
    told: object = None
    said: frozenset[str] = frozenset()
    unnamed = seen is not None and is_unnamed(provider, task)
    while True:
        if seen is not None:
            task = yield from noted(task, seen, said)
            said |= frozenset(seen.problems)
            missed = streak.vanished(now) and not unnamed
            gone = seen.state.ended and (seen.state is not State.VANISHED or missed)
            told = yield from _told(task, seen, told, now, sure=gone)
            if seen.state is State.COMPLETED:
                return task, seen
            if gone:
                raise _ended(task, seen)
        outgoing = _asking(provider, task)
        if seen is not None or streak.trouble:  # the first look at an old task is at once
            if now >= deadline:
                raise _overdue(task, streak.trouble)
            delay = streak.delay(poll_delay(now - began, duration, before=before))
            woken = yield Wait(min(delay, deadline - now), (task.id,))
            now = woken.at
            if woken.seen is not None and _is_news(provider, task, woken.seen):
                seen = woken.seen
                streak.told(seen, now)
                continue
        left = call_time(now, deadline, patience)
        if not left:
            raise _overdue(task, streak.trouble)
        try:
            reply = yield calling(outgoing, left, about=About("poll", task, streak.failures + 1))
            now, seen = reply.at, read_poll(provider, task, reply)
            streak.told(seen, now)
        except PASSING as error:
            streak.failed(error)
            # An address that cannot be used will not become one, however long it is tried.
            hopeless = isinstance(error, Unreachable) and not error.retry
            if hopeless or streak.senseless >= SENSELESS_POLLS:
                raise attached(task, error) from None
            now = yield Now()
        except Exception as error:  # noqa: BLE001 - it is raised as one of ours
            raise (ours := attached(task, error)) from ours.__cause__


def watch(provider: Provider, task: Task, timeout: float, patience: float) -> Flow[None]:
    """Follows a task for at most *timeout* seconds, for whoever wants to know what is ``Seen`` and no image."""
    deadline = (yield Now()) + timeout
    rows = provider.named(task.model)
    yield from follow(provider, task, None, deadline, patience=patience, duration=rows[0].duration if rows else None)


def _is_news(provider: Provider, task: Task, seen: Snapshot) -> bool:
    """Whether a webhook says what a poll would: that the task has ended, with its images, or that it goes on.

    Webhooks may come in any order, so one that would take the task back is none.
    """
    if seen.state is State.COMPLETED:
        return bool(seen.pictures) or provider.result is not None
    return seen.state in GONE or (seen.state is State.RUNNING and task.state is State.CREATED)


def _asking(provider: Provider, task: Task) -> Outgoing:
    outgoing = polling(provider, task)
    if outgoing is None:
        raise ContractError(
            f"{provider.name} has no call for asking after the task {task.id!r}, and its answer held no image.",
            provider=provider.name,
            model=task.model,
            task=task,
        )
    return outgoing


def noted(task: Task, seen: Snapshot, said: frozenset[str]) -> Flow[Task]:
    """The task as it is now; a change is noted, and so is what could not be read and was not *said* before."""
    changed = seen.state is not State.VANISHED and (seen.state, seen.status) != (task.state, task.status)
    if changed:
        given = {name: getattr(seen, name) or getattr(task, name) for name in ("result_url", "cancel_url")}
        task = attrs.evolve(task, state=seen.state, status=seen.status, **given)
    if changed or not said.issuperset(seen.problems):
        yield Note("state", {"task": task, "progress": seen.progress, "problems": seen.problems})
    return task


def _told(task: Task, seen: Snapshot, before: object, now: float, *, sure: bool) -> Flow[object]:
    """Tells what is new of a task to whoever hears; gives what was told, to know next time whether that is new.

    That it has vanished is told once that is *sure*.
    """
    said = (seen.state, seen.status, seen.progress)
    if said == before or (seen.state is State.VANISHED and not sure):
        return before
    yield Seen(_as_seen(task, seen), seen.progress, now)
    return said


def _as_seen(task: Task, seen: Snapshot) -> Task:
    """The task as it was seen, with the service's last word for that."""
    state, status = seen.state, seen.status or task.status
    if (state, status) == (task.state, task.status):
        return task
    return attrs.evolve(task, state=state, status=status)


def _ended(task: Task, seen: Snapshot) -> TaskError:
    kind, what = ENDED[seen.state]
    reason = f": {seen.reason.rstrip('.')}" if seen.reason else ""
    return kind(
        f"The task {task.id} on {task.provider} {what}{reason}.",
        provider=task.provider,
        model=task.model,
        task=_as_seen(task, seen),
    )


def _overdue(task: Task, trouble: FluxError | None) -> Overdue:
    last = f" The last poll failed: {trouble.message.rstrip('.')}." if trouble else ""
    return Overdue(
        f"The task {task.id} on {task.provider} was still {task.status or task.state} when the time was over.{last} "
        "It goes on: wait for it again.",
        provider=task.provider,
        model=task.model,
        task=task,
    )

"""The flow that buys: one submit, never repeated on a guess."""

import hashlib
import json
import math
from typing import Any

import attrs

from .._contract.journal import Fate, Row
from .._contract.task import Snapshot, Task
from .._wire.answers import may_answer_later, read_submit, read_submit_again
from .._wire.calls import Outgoing, submission
from .._wire.complaint import retry_after
from .._wire.plan import Plan
from .._wire.token import new_key, new_token
from ..errors import Charged, ContractError, FluxError, SubmissionUnknown, Unreachable
from .effects import About, Flow, Lost, Note, Now, Recall, Reply, Wait, calling
from .pacing import backoff, call_time
from .place import Place

#: A submit that is known not to have been accepted is tried so often.
SUBMIT_TRIES = 5

#: After so many seconds without a word of it others may soon take a submit for abandoned: half a lease.
ABSENCE = 15.0

#: A submit whose answer was lost is sent again so often, if the service is trusted to know it by its key.
RESENDS = 10


def submit(
    plan: Plan,
    turn: int,
    deadline: float,
    *,
    patience: float,
    place: Place | None = None,
    again: str | None = None,
    label: str | None = None,
    trust: bool = False,
    began: float = math.inf,
) -> Flow[tuple[Task, Snapshot]]:
    """Buys image number *turn* of the plan, once.

    Tries again only where it is known that nothing was bought, and not past *deadline*. *patience* is the total time
    in seconds for one try. *place* is where the image is to go, *again* the row of a submit whose fate is not known,
    for which this one is bought knowingly, and *label* what its buyer knows it by; all three only for the notes.

    With *trust* a service that declares how it knows a submit again is believed: one whose answer was lost is sent
    again, with the same key and the same body, a bounded number of times.

    *began* is some moment before the intent is noted: long after it others may have found the submit abandoned, so that
    they have not is made sure of before it is sent.

    Of the notes ``accepted``, ``refused`` and ``unknown`` exactly one follows the ``intent``. Every error says whether
    something may have been bought, and carries the task if there is one.
    """
    try:
        token = new_token() if plan.provider.webhook is not None and "webhook_url" in plan.values[turn] else None
        key = new_key() if trust and plan.provider.idempotency is not None else None
        outgoing = submission(plan, turn, token=token, key=key)
        draft = _draft(plan, turn)
        entry: dict[str, Any] = {"provider": plan.provider.name, "model": plan.model.name, "turn": turn}
        if token is not None:
            entry["token"] = token
        if key is not None:
            entry |= {"idempotency": key, "body": digest_of(outgoing)}
        entry |= {"draft": draft, "plan": plan, "place": place, "again": again, "label": label}
        row = yield Note("intent", entry)
    except Exception as error:  # noqa: BLE001 - it is raised as one of ours
        raise (ours := unsent(plan, error)) from ours.__cause__
    try:
        about = About("submit", draft, row=row)
        try:
            reply, snapshot = yield from _buy(plan, outgoing, deadline, patience, about=about, began=began)
        except SubmissionUnknown as unknown:
            if key is None:
                raise
            reply, snapshot = yield from _sent_again(plan, outgoing, unknown, deadline, patience, about=about)
    except Exception as error:  # noqa: BLE001 - it is raised as one of ours
        ours = unsent(plan, error)
        if isinstance(ours, SubmissionUnknown):
            ours.row = row
        if token is not None and ours.reply is not None:
            ours.reply = ours.reply.replace(token, "...")  # some services say the webhook's address again
        try:
            yield Note("unknown" if ours.charged else "refused", {"row": row, "error": ours.message})
        except Exception as failure:  # noqa: BLE001 - what became of the submit matters more than that it was noted
            ours.add_note(f"This could not be noted: {failure!r}.")
        raise ours from ours.__cause__
    task = _accepted(draft, reply, snapshot)
    try:
        yield _taken(row, task, snapshot)
    except Exception as error:  # noqa: BLE001 - it is raised as one of ours
        raise (ours := attached(task, error)) from ours.__cause__
    return task, snapshot


def _buy(
    plan: Plan, outgoing: Outgoing, deadline: float, patience: float, *, about: About, began: float
) -> Flow[tuple[Reply, Snapshot]]:
    """Submits until that is accepted, or may have been, or is refused for good.

    *began* is when nobody else knew of it yet. Whatever it raises but ``SubmissionUnknown`` means that nothing was
    bought.
    """
    attempt = 0
    while True:
        now = yield Now()
        if now >= deadline:
            raise Unreachable(f"The time was over before {plan.provider.name} was sent the submit: nothing was bought.")
        if now - began > ABSENCE:
            yield from _still_open(about.row)
            began = now
        reply: Reply | None = None
        try:
            reply = veiled(plan, (yield calling(outgoing, call_time(now, deadline, patience), buys=True, about=about)))
            return reply, read_submit(plan, reply)
        except Exception as error:  # noqa: BLE001 - whatever it was, the submit may have left before it
            # Only an error that denies this is believed.
            if not isinstance(error, FluxError) or isinstance(error, Lost) or error.charged:
                raise (unknown := _unknown(plan, error, reply)) from unknown.__cause__
            refusal = error
        attempt += 1
        about = attrs.evolve(about, attempt=attempt + 1)
        if not refusal.retry or attempt == SUBMIT_TRIES:
            raise refusal
        delay = backoff(attempt - 1, getattr(refusal, "retry_after", None))
        if (yield Now()) + delay >= deadline or (yield Wait(delay)).at >= deadline:
            raise refusal


def veiled(plan: Plan, reply: Reply) -> Reply:
    """The answer without the secrets that were sent with the request: a refusal may quote it, and be shown."""
    if not plan.secrets:
        return reply
    text, document = reply.text, reply.document
    for secret in plan.secrets:
        for spelt in (json.dumps(secret)[1:-1], secret):
            text = text.replace(spelt, "<secret>")
        document = _without(secret, document) if reply.status >= 300 else document
    return attrs.evolve(reply, text=text, document=document)


def _without(secret: str, document: Any) -> Any:
    match document:
        case dict():
            return {name: _without(secret, each) for name, each in document.items()}
        case list():
            return [_without(secret, each) for each in document]
        case str():
            return document.replace(secret, "<secret>")
    return document


def _still_open(row: str) -> Flow[None]:
    """Makes sure that nobody has given up a submit that is about to be sent, and perhaps bought it again.

    A process that stands still for longer than its lease, as one that is stopped does, is taken for dead by others.
    """
    found = yield Recall({"row": row})
    if found and found[0].state != Fate.INTENT:
        raise Unreachable(
            f"This process stood still, and meanwhile another one found its row {row} abandoned, which is "
            f"{found[0].state} now. Nothing was sent, so nothing was bought by it.",
            retry=False,
        )


def submit_again(plan: Plan, row: Row, deadline: float, *, patience: float) -> Flow[None]:
    """Sends once more, with its key, what a row has sent of which nobody knows whether it was accepted.

    *plan* writes the very same body. What comes of it is noted; nothing is raised.
    """
    outgoing = submission(plan, 0, token=row.token, key=row.idempotency)
    lost = SubmissionUnknown(row.why or "Nobody knows what became of it.")
    try:
        reply, snapshot = yield from _sent_again(
            plan, outgoing, lost, deadline, patience, about=About("submit", row.draft, row=row.row), at_once=True
        )
        yield _taken(row.row, _accepted(row.draft, reply, snapshot), snapshot)
    except Exception as error:  # noqa: BLE001 - it is noted
        ours = unsent(plan, error)
        if not ours.charged:
            yield Note("refused", {"row": row.row, "error": ours.message})


def digest_of(outgoing: Outgoing) -> str | None:
    """The digest of what is sent; None if images are in it, which are read while they are sent, and kept nowhere."""
    return hashlib.sha256(outgoing.body).hexdigest() if isinstance(outgoing.body, bytes) else None


def _sent_again(
    plan: Plan,
    outgoing: Outgoing,
    lost: SubmissionUnknown,
    deadline: float,
    patience: float,
    *,
    about: About,
    at_once: bool = False,
) -> Flow[tuple[Reply, Snapshot]]:
    """Sends a submit again whose answer was *lost*, until the service says what became of it.

    Whatever it raises but ``SubmissionUnknown`` is what the service has answered to the first: nothing was bought.
    """
    asked: float | None = None
    for attempt in range(RESENDS):
        delay = 0.0 if at_once and not attempt else backoff(attempt, asked)
        reply: Reply | None = None
        try:
            if (yield Now()) + delay >= deadline or (delay and (yield Wait(delay)).at >= deadline):
                break
            about = attrs.evolve(about, attempt=about.attempt + 1)
            time = call_time((yield Now()), deadline, patience)
            reply = veiled(plan, (yield calling(outgoing, time, buys=True, about=about)))
            return reply, read_submit_again(plan, reply)
        except SubmissionUnknown as unknown:
            lost = unknown
        except Exception as error:
            if reply is not None and isinstance(error, FluxError) and not error.charged:
                raise
            if reply is None and not (isinstance(error, Lost) or (isinstance(error, Unreachable) and error.retry)):
                break
        if reply is not None and not may_answer_later(plan.provider, reply):
            break
        asked = None if reply is None else retry_after(reply)
    lost.message = f"{lost.message} It was sent again with its idempotency key, which settled nothing."
    lost.args = (lost.message,)
    raise lost


def unsent(plan: Plan, error: Exception) -> FluxError:
    """An error of ours as it is, with whose it is; any other was met while nothing was under way."""
    if isinstance(error, FluxError):
        ours = error
    else:
        ours = FluxError(f"fluxkit failed before it bought anything: {error!r}. Please report it.")
        ours.__cause__ = error
    ours.provider, ours.model = ours.provider or plan.provider.name, ours.model or plan.model.name
    return ours


def _unknown(plan: Plan, error: Exception, reply: Reply | None) -> SubmissionUnknown:
    """The error for a submit that left; the *reply* that could not be read may still hold the id."""
    if isinstance(error, SubmissionUnknown):
        return error
    reason = error.message.rstrip(".") if isinstance(error, FluxError) else repr(error)
    unknown = SubmissionUnknown(
        f"The submit to {plan.provider.name} left, and it may have been bought: {reason}. "
        "Look at the account before you send it again.",
        reply=None if reply is None else reply.text,
    )
    unknown.__cause__ = None if isinstance(error, FluxError) else error
    return unknown


def attached(task: Task, error: Exception) -> FluxError:
    """The error with which a bought task lives on: it carries the task, and does not say that nothing was bought.

    One of ours is completed; any other, which must not cost the task either, is wrapped.
    """
    if isinstance(error, FluxError) and not isinstance(error, Lost | Unreachable):
        ours = error
    else:
        ours = ContractError(
            f"The task {task.id} on {task.provider} was bought, and then fluxkit failed: {error!r}. Please report it; "
            "the task can be waited for again."
        )
        ours.__cause__ = error
    ours.provider, ours.model, ours.task = task.provider, task.model, ours.task or task
    ours.charged = ours.charged or Charged.UNKNOWN
    return ours


def _draft(plan: Plan, turn: int) -> Task:
    """The task as far as it is known before it is bought."""
    values = plan.values[turn]
    return Task(
        provider=plan.provider.name,
        model=plan.model.name,
        id="",
        base_url=plan.base_url,
        expected=plan.expected,
        output_format=values.get("output_format"),
        seed=values.get("seed"),
        mocked=plan.mocked,
    )


def _taken(row: str, task: Task, snapshot: Snapshot) -> Note:
    """The note that a submit was accepted, with its cost where that is said already: it may never be said again."""
    entry = {"row": row, "task": task}
    return Note("accepted", entry if snapshot.cost is None else {**entry, "cost": snapshot.cost})


def _accepted(draft: Task, reply: Reply, snapshot: Snapshot) -> Task:
    return attrs.evolve(
        draft,
        id=snapshot.id or "",
        state=snapshot.state,
        status=snapshot.status,
        submitted_at=max(0.0, reply.at),  # a clock may stand before the epoch, and a journal reads no such moment
        poll_url=snapshot.poll_url,
        result_url=snapshot.result_url,
        cancel_url=snapshot.cancel_url,
    )

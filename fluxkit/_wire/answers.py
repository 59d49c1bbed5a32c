"""What the answers of a service mean: of a submit, a poll, a cancel and a list, and which errors they are."""

import hashlib
from collections.abc import Mapping
from typing import Any

import attrs

from .._contract.amount import DOLLARS, Amount
from .._contract.task import Picture, Snapshot, State, Task
from ..errors import Broken, Charged, ContractError, FluxError, SubmissionUnknown
from .codec import Codec
from .complaint import error_of, meaning, read_complaint
from .declaration import USUAL, Provider
from .json import Json, Unfit
from .plan import Plan
from .reply import Reply

#: What is read of an image that an answer names. What else it says of the image, the file itself says better.
PICTURE = tuple(field.name for field in attrs.fields(Picture))

#: Statuses of the kind 4xx behind which a submit may have been accepted all the same: it took too long, it is like one
#: before, or the client went away.
DOUBTFUL = (408, 409, 499)


def is_answer(provider: Provider, status: int) -> bool:
    """Whether an HTTP status brings a task rather than an error."""
    return 200 <= status < 300 or status in provider.answers.values()


def read_snapshot(provider: Provider, codec: Codec, document: Json) -> Snapshot:
    """What an answer says of a task. Lenient: what cannot be read is named in ``problems``, the rest counts."""
    problems: tuple[str, ...] = ()
    try:
        said = codec.read(document)
    except Unfit as error:
        said, problems = error.found, tuple(map(str, error.problems))
    said = said if isinstance(said, Mapping) else {}
    word = said.get("status", "")
    named = ({name: image.get(name) for name in PICTURE} for image in said.get("images", ()))
    pictures = tuple(Picture(**image) for image in named if image["url"] or image["content"])
    if word:
        state = provider.state(word)
        if state is None:
            state, problems = State.RUNNING, (*problems, f"the status {word!r} is not declared")
    else:
        state = State.COMPLETED if pictures else State.CREATED
    return Snapshot(
        state=state,
        status=word,
        id=said.get("id") or None,
        poll_url=said.get("poll_url"),
        result_url=said.get("result_url"),
        cancel_url=said.get("cancel_url"),
        pictures=pictures,
        reason=said.get("reason"),
        progress=said.get("progress"),
        cost=_cost(said.get("cost")),
        seed=said.get("seed"),
        problems=problems,
    )


def _cost(number: Any) -> Amount | None:
    """What a service says it charged: US dollars, by the codec. What is no amount is not known, and loses no image."""
    if number is None:
        return None
    try:
        return Amount(number, DOLLARS)
    except ValueError:
        return None


def read_submit(plan: Plan, reply: Reply) -> Snapshot:
    """What the answer to a submit says; raises what it means otherwise.

    A service without tasks answers with the image and without an id: then the image names the task.

    An error says ``charged`` *no* only where the service itself has refused: with a known status of the kind 4xx that
    leaves nothing open, with 429 in its own form, or with 503 in the very words that are declared, because gateways say
    503 in any form after they have passed a request on. All else is ``SubmissionUnknown``: a redirect or any other 5xx
    may be a gateway's, behind which the service goes on.
    """
    provider, model = plan.provider, plan.model.name
    if 200 <= reply.status < 300:
        snapshot = read_snapshot(provider, provider.accepted, reply.document)
        if snapshot.id:
            return snapshot
        if snapshot.pictures:
            # Whatever its status says, there is nothing to ask after, and the image is there.
            return attrs.evolve(snapshot, id=_name(snapshot.pictures[0]), state=State.COMPLETED)
        raise _unknown(plan, reply, "without an id")
    complaint = read_complaint(provider, reply)
    declared = meaning(provider.refusals, reply.status, complaint)
    kind = declared or USUAL.get(reply.status)
    denies = reply.status in (429, 503) or (400 <= reply.status < 500 and reply.status not in DOUBTFUL)
    if kind is None or not denies:
        raise _unknown(plan, reply, "which leaves open whether it was accepted")
    if (reply.status == 503 and declared is None) or (reply.status == 429 and not complaint.declared):
        raise _unknown(plan, reply, "but not in the service's own words")
    raise error_of(kind, provider, reply, complaint, model=model, charged=Charged.NO)


def read_submit_again(plan: Plan, reply: Reply) -> Snapshot:
    """What the answer to a submit says that was sent again with its key, because no answer to it had come.

    Only an id settles it, and a refusal that the service marks as its answer to the first: any other refusal is about
    this one alone, and may come from where nobody knows of the first.
    """
    declared = plan.provider.idempotency
    try:
        return read_submit(plan, reply)
    except SubmissionUnknown:
        raise
    except FluxError:
        if declared is not None and reply.headers.get(declared.replayed.lower(), "").lower() == "true":
            raise
    raise _unknown(plan, reply, "which says nothing of the first one")


def may_answer_later(provider: Provider, reply: Reply) -> bool:
    """Whether a submit that was sent again may be answered if it is sent once more."""
    declared = provider.idempotency
    if reply.status == 409 and declared is not None:
        return meaning((declared.busy,), reply.status, read_complaint(provider, reply)) is not None
    return reply.status in (408, 425, 429) or reply.status >= 500


def _name(picture: Picture) -> str:
    """A name of our own, so that the files of two tasks do not overwrite each other."""
    known = picture.content or str(picture.url).encode("utf-8", "surrogatepass")
    return hashlib.sha256(known).hexdigest()[:16]


def _unknown(plan: Plan, reply: Reply, why: str) -> SubmissionUnknown:
    return SubmissionUnknown(
        f"{plan.provider.name} answered the submit with {reply.status}, {why}. It may have been bought. "
        "Look at the account before you send it again.",
        provider=plan.provider.name,
        model=plan.model.name,
        reply=reply.text,
        request_id=reply.headers.get(plan.provider.request_id or ""),
    )


def read_poll(provider: Provider, task: Task, reply: Reply, codec: Codec | None = None) -> Snapshot:
    """What the answer to a poll says. A task that is not found is a snapshot of state VANISHED.

    Raises ``RateLimited`` and ``Broken`` for what may pass, ``ContractError`` for an answer that says nothing of the
    task, and other errors for what will not pass; each with the task attached.
    """
    if is_answer(provider, reply.status):
        snapshot = read_snapshot(provider, codec or provider.polled, reply.document)
        if snapshot.status or snapshot.pictures:
            return snapshot
    complaint = read_complaint(provider, reply)
    if meaning(provider.not_found, reply.status, complaint):
        return Snapshot(State.VANISHED, reason=complaint.message)
    kind = meaning(provider.refusals, reply.status, complaint) or USUAL.get(reply.status)
    if kind is None:
        kind = Broken if reply.status >= 500 or reply.status == 408 else ContractError
    raise error_of(kind, provider, reply, complaint, model=task.model, task=task, charged=Charged.UNKNOWN)


def has_ended(provider: Provider, reply: Reply) -> bool:
    """Whether a service says, as the answer to a cancel, that the task has ended already."""
    return provider.cancel is not None and reply.status == provider.cancel.late


def read_cancel(provider: Provider, task: Task, reply: Reply) -> Snapshot | None:
    """What the answer to a cancel says of the task; None if it says only that it was heard. Raises like a poll."""
    answer = None if provider.cancel is None else provider.cancel.answer
    if 200 <= reply.status < 300 and answer is None:
        return None
    return read_poll(provider, task, reply, answer)


def read_listing(provider: Provider, model: str, base_url: str, reply: Reply) -> tuple[Task, ...]:
    """The tasks that an answer lists, as far as they can be read; none if it is a refusal, as a list is no promise."""
    if provider.listing is None or not 200 <= reply.status < 300:
        return ()
    try:
        said = provider.listing.answer.read(reply.document)
    except Unfit as error:
        said = error.found
    told = [each for each in (said if isinstance(said, list | tuple) else ()) if each.get("id")]
    return tuple(
        Task(
            provider=provider.name,
            model=model,
            id=each["id"],
            base_url=base_url,
            state=provider.state(each.get("status", "")) or State.RUNNING,
            status=each.get("status", ""),
        )
        for each in told
    )

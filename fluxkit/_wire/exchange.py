"""What goes out to a service and what its answers mean: a declaration applied, without any I/O."""

import email.utils
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import attrs

from .._contract.amount import DOLLARS, Amount
from .._contract.task import Picture, Snapshot, State, Task
from ..errors import (
    Broken,
    Charged,
    ContractError,
    FluxError,
    OutOfCredit,
    RateLimited,
    Rejected,
    ServiceError,
    SubmissionUnknown,
    Unauthorized,
)
from .body import Body, json_body
from .codec import Codec
from .declaration import USUAL, Provider, Refusal, Route
from .json import HEADERS, QUERY, Json, Unfit
from .plan import Plan
from .series import restated
from .token import with_token

#: What is read of an image that an answer names. What else it says of the image, the file itself says better.
PICTURE = tuple(field.name for field in attrs.fields(Picture))

#: Statuses of the kind 4xx behind which a submit may have been accepted all the same: it took too long, it is like one
#: before, or the client went away.
DOUBTFUL = (408, 409, 499)

USUAL_PORTS: Mapping[str, str] = {"http": ":80", "https": ":443"}


class Reply(Protocol):
    """What is read of an answer; *at* is when it came, in seconds since the epoch."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def document(self) -> Any: ...
    @property
    def text(self) -> str: ...
    @property
    def at(self) -> float: ...


@attrs.frozen(eq=False)
class Outgoing:
    """A call as the service wants it; the key may go to *origins* only."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | Body = attrs.field(repr=False)  # it may be large, and holds a webhook's token
    origins: tuple[str, ...]


def origin(url: str) -> str:
    """Scheme, host and port of an address, as text, without the scheme's usual port; empty if it cannot be read."""
    try:
        parts = urlsplit(url)
    except ValueError:  # half an IPv6 address
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower().removesuffix(USUAL_PORTS.get(parts.scheme, ""))


def admits(provider: Provider, base_url: str, url: str) -> bool:
    """Whether the key may go where *url* points.

    That is the base URL's own origin, and those that the declaration names; the latter count only while the base URL is
    among them, because another one says that the declared hosts are not meant.
    """
    here, there = origin(base_url), origin(url)
    if not url.lower().startswith(there):  # the text hides characters that its parser drops
        return False
    return here == there or (_is_declared(provider, here) and _is_declared(provider, there))


def _is_declared(provider: Provider, place: str) -> bool:
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", "[a-z0-9-]*"), place)
        for pattern in (origin(provider.base_url), *provider.origins)
    )


def submission(plan: Plan, turn: int, *, token: str | None = None, key: str | None = None) -> Outgoing:
    """The call that buys image number *turn* of the plan, whose references are settled.

    *token* goes out in the address of its webhook, *key* as what the service is to know it again by.
    """
    document = plan.documents[turn]
    if token is not None:
        address = with_token(plan.values[turn]["webhook_url"], token)
        document = restated(plan.model, document, "webhook_url", address)
    url, headers = _addressed(plan, document)
    if key is not None and plan.provider.idempotency is not None:
        headers[plan.provider.idempotency.header.lower()] = key
    body = {name: value for name, value in document.items() if name not in (HEADERS, QUERY)}
    return Outgoing(plan.provider.submit.method, url, headers, json_body(body), (origin(plan.base_url),))


def addressing(plan: Plan, turn: int) -> tuple[str, dict[str, str]]:
    """Where that call goes, and its headers."""
    return _addressed(plan, plan.documents[turn])


def _addressed(plan: Plan, document: Json) -> tuple[str, dict[str, str]]:
    url = plan.provider.submit.url(plan.base_url, model=plan.model.path)
    if QUERY in document:
        url = f"{url}?{urlencode(document[QUERY])}"
    return url, {"content-type": "application/json", **document.get(HEADERS, {})}


def polling(provider: Provider, task: Task) -> Outgoing | None:
    """The call that asks how the task is; None if the service has no such call."""
    return _reading(provider, task, provider.poll, task.poll_url)


def asking_result(provider: Provider, task: Task) -> Outgoing | None:
    """The second call, with which some services give the images of a completed task; None if there is none."""
    return _reading(provider, task, provider.result, task.result_url)


def cancelling(provider: Provider, task: Task) -> Outgoing | None:
    """The call that stops a task; None if the service stops none."""
    return _reading(provider, task, None if provider.cancel is None else provider.cancel.route, task.cancel_url)


def listing(provider: Provider, base_url: str, model: str) -> Outgoing | None:
    """The call that lists the tasks of a model; None if the service lists none."""
    rows = provider.named(model)
    if provider.listing is None or not rows:
        return None
    route = provider.listing.route
    return Outgoing(route.method, route.url(base_url, model=rows[0].path), {}, b"", (origin(base_url),))


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


def _reading(provider: Provider, task: Task, route: Route | None, given: str | None) -> Outgoing | None:
    """The call to *route*, at the address that an answer has *given*, or at the one that the declaration says."""
    if route is None:
        return None
    if route.given and given is None:
        raise _astray(task, f"{provider.name} gives the addresses of its tasks, and gave none for this call.")
    path = next((row.path for row in provider.named(task.model)), task.model)
    url = given or route.url(task.base_url, model=path, id=task.id)
    if not admits(provider, task.base_url, url):
        allowed = ", ".join((origin(task.base_url), *provider.origins))
        there = origin(url) or "no readable address"
        message = f"{provider.name} sent us to {there}, where its key does not go. Allowed: {allowed}."
        raise _astray(task, f"{message} Nothing was sent there.")
    return Outgoing(route.method, url, {}, b"", (origin(url),))


def _astray(task: Task, message: str) -> ContractError:
    return ContractError(message, provider=task.provider, model=task.model, task=task)


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
    try:
        return Amount(number, DOLLARS)
    except ValueError:
        return None


def is_answer(provider: Provider, status: int) -> bool:
    """Whether an HTTP status brings a task rather than an error."""
    return 200 <= status < 300 or status in provider.answers.values()


@attrs.frozen(eq=False)
class Complaint:
    """The body of an error answer; *declared* says whether it has the form that the service declares."""

    declared: bool
    message: str = ""
    type: str = ""
    fields: tuple[tuple[str, str], ...] = ()


def read_complaint(provider: Provider, reply: Reply) -> Complaint:
    """The body of an error answer, as far as it can be read."""
    try:
        said = provider.error.read(reply.document)
    except Unfit as error:
        said = error.found
    if not isinstance(said, Mapping) or not (said.get("message") or said.get("fields")):
        return Complaint(declared=False, message=reply.text[:200].strip())
    faults = said.get("fields", ())
    fields = tuple((field.get("name", ""), field.get("reason", "")) for field in faults)
    types = (said.get("type"), *(field.get("type") for field in faults))
    reasons = "; ".join(f"{name}: {reason}" if name else reason for name, reason in fields)
    return Complaint(True, said.get("message") or reasons, next(filter(None, types), ""), fields)


def meaning(refusals: Iterable[Refusal], status: int, complaint: Complaint) -> type[FluxError] | None:
    """The error that the first of *refusals* means that fits, None if none does."""
    for refusal in refusals:
        if (
            refusal.status == status
            and refusal.type in ("", complaint.type)
            and refusal.text.lower() in complaint.message.lower()
        ):
            return refusal.error
    return None


def retry_after(reply: Reply) -> float | None:
    """How many seconds the service asks to wait: from ``Retry-After``, in seconds or as a date; None if it does not."""
    said = reply.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", said):
        return float(said)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - reply.at)
    except (TypeError, ValueError, OverflowError):
        return None


def error_of(
    kind: type[FluxError], provider: Provider, reply: Reply, complaint: Complaint, *, to: str = "", **facts: Any
) -> FluxError:
    """The error of a *kind* that an answer is, with what it says, and *to* what if that must be said."""
    message = f"{provider.name} answered {to}{reply.status}"
    if complaint.message:
        message = f"{message}: {complaint.message}"
    if hint := _HINTS.get(kind):
        message = f"{message.rstrip('.')}. {hint}"
    if issubclass(kind, ServiceError):
        facts["status"] = reply.status
    if issubclass(kind, RateLimited | Broken):
        facts["retry_after"] = retry_after(reply)
    if issubclass(kind, Rejected):
        facts["fields"] = complaint.fields
    identity = reply.headers.get(provider.request_id) if provider.request_id else None
    return kind(message, provider=provider.name, request_id=identity, reply=reply.text, **facts)


_HINTS: Mapping[type[FluxError], str] = {
    Unauthorized: "Check the key, and that it belongs to this service",
    OutOfCredit: "Top up the account, or use another provider",
}


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

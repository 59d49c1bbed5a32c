"""The flow before the submit: every reference that the service does not take as it is gets uploaded or fetched.

Nothing is bought here, so whatever may pass is tried again, a call whose answer was lost too.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from .._contract.media import kind
from .._contract.reference import Reference, shown_address
from .._contract.report import shorten
from .._contract.source import HEAD
from .._contract.task import Task
from .._wire.carriage import own_place, takes
from .._wire.declaration import Upload
from .._wire.link import read_link
from .._wire.pending import Pending
from .._wire.plan import Plan
from .._wire.upload import asking, read_put, read_ticket
from ..errors import Charged, FluxError, PluginError, ReferenceUnusable
from .books import price_of_one
from .effects import About, Afford, Bring, Flow, Host, Hosted, Lost, Note, Now, Wait, calling
from .pacing import backoff, call_time
from .submit import unsent

#: An upload or a download of a reference is tried so often.
SETTLE_TRIES = 5

R = TypeVar("R")


def settle(plan: Plan, deadline: float, *, patience: float, allow_hosts: frozenset[str] = frozenset()) -> Flow[Plan]:
    """The plan with every reference as it can be sent: each is uploaded or fetched once, however often it is used.

    *patience* is the total time in seconds for one try. Every error says that nothing was bought. If a budget has no
    room, nothing is uploaded for it.
    """
    if not plan.pending:
        return plan
    ready: dict[Pending, Reference] = {}
    try:
        yield Afford(plan.provider.name, plan.model.name, price_of_one(plan))
        for pending in plan.pending:
            if pending.fetched:
                ready[pending] = yield from _fetched(plan, pending.reference, deadline, patience)
            else:
                ready[pending] = yield from _hosted(plan, pending.reference, deadline, patience, allow_hosts)
        return plan.settled(ready)
    except Exception as error:  # noqa: BLE001 - it is raised as one of ours
        ours = unsent(plan, error)
        ours.charged = Charged.NO
        raise ours from ours.__cause__


def _fetched(plan: Plan, reference: Reference, deadline: float, patience: float) -> Flow[Reference]:
    url, own = str(reference.url), own_place(plan.base_url)
    what = f"The reference {shown_address(url)}"
    origins = () if own is None else (str(own),)
    content: bytes = yield from _persist(lambda left: _once(Bring(url, origins, left)), deadline, patience, what)
    if kind(content[:HEAD]) is None:
        raise ReferenceUnusable(
            f"{what} is no image: {len(content)} bytes came, and they begin like none. "
            "Allowed: an address that answers with a JPEG, PNG, WebP or GIF image. Nothing was bought."
        )
    return Reference(content=content)


def _hosted(
    plan: Plan, image: Reference, deadline: float, patience: float, allow_hosts: frozenset[str]
) -> Flow[Reference]:
    """The address of an image, from whichever plugin hosts it, or else from the service's own upload."""
    hosted: Hosted | None = yield Host(image)
    upload = plan.provider.upload
    if hosted is not None:
        url, expires_at = _checked(hosted, (yield Now()), allow_hosts), hosted.expires_at
    elif upload is None or not takes(upload, image):
        raise ReferenceUnusable(
            f"No plugin has hosted {image}, and {plan.provider.name} "
            f"{'has no upload' if upload is None else 'does not take it as an upload'}. "
            "Give the address of the image instead. Nothing was bought."
        )
    else:
        url, at = yield from _persist(
            lambda left: _uploaded(plan, upload, image, left), deadline, patience, f"The reference {image}"
        )
        expires_at = None if upload.life is None else at + upload.life
    entry = {"provider": plan.provider.name, "reference": image, "url": url, "expires_at": expires_at}
    yield Note("uploaded", entry)
    return Reference(url=url)


def _uploaded(plan: Plan, upload: Upload, image: Reference, patience: float) -> Flow[tuple[str, float]]:
    """One try: the address that the service gives an image, and when it gave it."""
    began = yield Now()
    draft = Task(plan.provider.name, plan.model.name, "", plan.base_url, mocked=plan.mocked)
    reply = yield calling(asking(plan, upload, image), patience, about=About("upload", draft))
    ticket = read_ticket(plan, upload, image, reply)
    if ticket.put is not None:
        left = max(1.0, began + patience - reply.at)
        taken = yield calling(ticket.put, left, keyed=False)
        read_put(plan, ticket.put, taken)
    return ticket.url, reply.at


def _once(effect: Any) -> Flow[Any]:
    return (yield effect)


def _persist(errand: Callable[[float], Flow[R]], deadline: float, patience: float, what: str) -> Flow[R]:
    """Runs an errand, given its seconds, until it succeeds or fails for good."""
    attempt = 0
    while True:
        now = yield Now()
        if now >= deadline:
            raise ReferenceUnusable(f"{what} was not ready when the time was over. Nothing was bought.", retry=True)
        try:
            return (yield from errand(call_time(now, deadline, patience)))
        except FluxError as error:
            trouble = error
        attempt += 1
        lost = isinstance(trouble, Lost)
        if not (trouble.retry or lost) or attempt == SETTLE_TRIES:
            break
        delay = backoff(attempt - 1, getattr(trouble, "retry_after", None))
        if (yield Now()) + delay >= deadline or (yield Wait(delay)).at >= deadline:
            break
    if lost:
        raise ReferenceUnusable(
            f"{what} could not be uploaded: {trouble.message.rstrip('.')}. Nothing was bought.", retry=True
        )
    raise trouble


def _checked(hosted: Hosted, now: float, allow_hosts: frozenset[str]) -> str:
    """The address that a plugin gave, if a service can be sent there."""
    try:
        link = read_link(hosted.url)
        reason = "it is not at a public https host" if link.scheme != "https" or not link.public else ""
        if link.host in allow_hosts:
            reason = ""
        reason = "it holds a user name" if link.named else reason
    except ValueError as error:
        reason = str(error)
    if not reason and hosted.expires_at is not None and hosted.expires_at <= now:
        reason = "it has expired already"
    if reason:
        shown = "" if "user name" in reason else f" {shorten(hosted.url, 100)}"
        raise PluginError(
            f"The plugin {hosted.by} gives the address{shown} in fluxkit_host_image(): {reason}. "
            "Allowed: an https address at a public host, or at one that allow_hosts names. Nothing was bought."
        )
    return hosted.url

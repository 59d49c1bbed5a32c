"""A provider as one frozen value: everything that is known of a service, and nothing that is done with it."""

import functools
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

import attrs

from .._contract.by_fields import by_fields
from .._contract.state import State
from ..errors import (
    Broken,
    FluxError,
    OutOfCredit,
    RateLimited,
    Rejected,
    Unauthorized,
    Vanished,
)
from .codec import Codec
from .form import Form
from .nearest import Space
from .places import At
from .reasons import Reason
from .route import Route
from .scalars import names
from .signatures import Signature


@by_fields
@attrs.frozen(eq=False, repr=False)
class Key:
    """The header that carries the key, and its form."""

    header: str = "authorization"
    form: str = "Bearer {key}"


class Price(Protocol):
    """What one image costs."""

    def of(self, pixels: tuple[int, int], references: int) -> Decimal | None:
        """US dollars for an image of *pixels* made with so many references; None is unknown, which is not nothing."""
        ...


@by_fields
@attrs.frozen(eq=False, repr=False)
class Model:
    """One model of a service.

    *request* is the form of the request body (with ``@headers`` and ``@query`` beside the body's own keys); its names
    are those of ``fluxkit.Request``, ``size`` holding a choice of *sizes*; any other name is an option of this
    provider. *duration* is the documented time in seconds that a task takes, None where nobody says it. *images* is how
    many images one task makes.

    Several models may share a name: the first that can serve a request does.
    """

    name: str
    request: Codec
    sizes: Space
    path: str = attrs.field(default=attrs.Factory(lambda self: self.name, takes_self=True))
    duration: float | None = None
    price: Price | None = None
    delivers: str | None = None

    @functools.cached_property
    def form(self) -> Form:
        """The request's form without the constants around it."""
        codec = self.request
        while not isinstance(codec, Form):
            codec = codec.inner  # type: ignore[attr-defined]  # With and At, by the law of declarations
        return codec


@by_fields
@attrs.frozen(eq=False, repr=False)
class Refusal:
    """What an error answer means: by HTTP status, then by declared *type* and by *text* within the message."""

    status: int
    error: type[FluxError]
    type: str = ""
    text: str = ""


@by_fields
@attrs.frozen(eq=False, repr=False)
class Upload:
    """How an image becomes an address, at a service that wants references as addresses.

    Either the image goes to *route* as the file *field* of a form, and *answer* holds its ``url``. Or *ticket* goes
    there first, with the ``media_type`` of the image, and *answer* holds ``url`` and ``put``: where the image is then
    sent by PUT, with exactly the ``headers`` that the answer names and without the key. *formats* are taken, of at most
    *most* bytes, and the address lives for *life* seconds; None where nobody says it.

    What else *answer* may hold is for whoever looks: ``id name media_type size created_at``, and for how many seconds
    the ticket (``put_life``) and the address (``life``) live.
    """

    route: Route
    answer: Codec
    formats: tuple[str, ...] = attrs.field(converter=names)
    field: str | None = attrs.field(default=None, kw_only=True)
    ticket: Codec | None = attrs.field(default=None, kw_only=True)
    most: int | None = attrs.field(default=None, kw_only=True)
    life: float | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if (self.field is None) is (self.ticket is None):
            raise ValueError("an upload has either the field of a form or a ticket")


@by_fields
@attrs.frozen(eq=False, repr=False)
class Cancel:
    """How a task is stopped before it has ended, at a service that does that.

    The call to *route* has no body. It is answered with *status*, and with *late* if the task has ended already.
    *answer* reads what it says of the task, in the names of ``Provider.polled``; None if it says nothing of it: then
    the task is asked after. What becomes of the bill is said by the task, if at all.
    """

    route: Route
    answer: Codec | None = None
    status: int = attrs.field(default=200, kw_only=True)
    late: int | None = attrs.field(default=None, kw_only=True)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Aside:
    """What can be asked of a service beside its tasks: a call to *route* without a body, and what *answer* reads."""

    route: Route
    answer: Codec


def _seconds(delays: Iterable[float]) -> tuple[float, ...]:
    return tuple(delays)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Webhook:
    """How the service reports what becomes of a task to the ``webhook_url`` of its request.

    *event* reads the body, in the names of ``Provider.polled``; *signature* is how the service proves that it is its
    own. It comes at *every* change of state, or only once the task has ended.

    Some services post to the given address with a *suffix* at its end. ``webhook_url`` means the same at all of them:
    where the receiver is. It is sent as it is, and the receiver takes what comes there or below.

    *accepted* is what the answer to a submit says that asks for a webhook, where it does not say as others do where to
    ask after the task; it is read as they are. Whoever does not find the task where the route says has learnt nothing
    then, and goes on waiting for the webhook.

    What was not taken within *timeout* seconds, or was answered with a 5xx, is sent again after each of the *retries*,
    in seconds; None and none where nobody says it.
    """

    event: Codec
    signature: Signature
    suffix: str = attrs.field(default="", kw_only=True)
    every: bool = attrs.field(default=False, kw_only=True)
    accepted: Codec | None = attrs.field(default=None, kw_only=True)
    retries: tuple[float, ...] = attrs.field(default=(), converter=_seconds, kw_only=True)
    timeout: float | None = attrs.field(default=None, kw_only=True)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Idempotency:
    """How the service knows a submit again that it has had before, and buys nothing a second time.

    The submit carries a one-time key in *header*, and the service remembers it for *life* seconds. If it comes again
    with the same body, it is answered as the first was, with "true" in the header *replayed*. While the first is still
    being worked on, it is answered as *busy*, and with another body as *reused*.
    """

    header: str
    life: float
    replayed: str
    busy: Refusal
    reused: Refusal


# What a status means where the declaration does not say otherwise, on a submit and on a poll.
USUAL: Mapping[int, type[FluxError]] = {
    400: Rejected,
    401: Unauthorized,
    402: OutOfCredit,
    403: Unauthorized,
    404: Rejected,
    405: Rejected,
    413: Rejected,
    415: Rejected,
    422: Rejected,
    429: RateLimited,
    500: Broken,
    502: Broken,
    503: Broken,
    504: Broken,
}


def _models(models: Iterable[Model]) -> tuple[Model, ...]:
    return tuple(models)


def _refusals(refusals: Iterable[Refusal]) -> tuple[Refusal, ...]:
    return tuple(refusals)


def _statuses(table: Any) -> tuple[tuple[str, State], ...]:
    return tuple(table.items()) if isinstance(table, Mapping) else tuple(table)


PLAIN_ERROR = Form({"message": At("message", Reason())})


@by_fields
@attrs.frozen(eq=False, repr=False)
class Provider:
    """A service, declared.

    The forms of its answers share these names: *accepted* (the answer to a submit), *polled* and *resulted* (of the
    second call that some services want for the images) hold ``id status images reason progress cost seed poll_url
    result_url cancel_url``, each image ``url content expires_at width height media_type``; *error* holds ``message type
    fields``, each field ``name reason type``.

    *balance* tells what is left of the account: ``balance used unlimited``. *listing* tells the tasks of a model, of
    each its ``id`` and ``status``.

    *statuses* maps the service's words to states, in the order of a task's life; ``WORD:*`` stands for any tag.
    *answers* gives the HTTP status with which a word comes where it is not 200. *origins* are further places to which
    the key may go, a ``*`` standing for one label or a part of it. *link_life* is how long in seconds a link to an
    image lives, *upload* how an image becomes an address, *cancel* how a task is stopped, *webhook* how the service
    reports by itself, *idempotency* how it knows a submit again, *request_id* the header with the service's own name
    for an exchange, *samples* the resource with the service's recorded exchanges (``package:path``, or ``file:path``),
    *source* where the facts come from.
    """

    name: str
    base_url: str
    models: tuple[Model, ...] = attrs.field(converter=_models)
    submit: Route
    accepted: Codec
    statuses: tuple[tuple[str, State], ...] = attrs.field(converter=_statuses, default=())
    poll: Route | None = None
    polled: Codec = attrs.field(default=attrs.Factory(lambda self: self.accepted, takes_self=True))
    result: Route | None = None
    resulted: Codec | None = None
    key: Key = Key()
    error: Codec = PLAIN_ERROR
    refusals: tuple[Refusal, ...] = attrs.field(default=(), converter=_refusals)
    not_found: tuple[Refusal, ...] = attrs.field(default=(Refusal(404, Vanished),), converter=_refusals)
    answers: Mapping[str, int] = attrs.field(factory=dict, hash=False)
    origins: tuple[str, ...] = attrs.field(default=(), converter=names)
    link_life: float | None = None
    upload: Upload | None = None
    balance: Aside | None = attrs.field(default=None, kw_only=True)
    listing: Aside | None = attrs.field(default=None, kw_only=True)
    cancel: Cancel | None = None
    webhook: Webhook | None = None
    idempotency: Idempotency | None = None
    request_id: str | None = None
    samples: str | None = None
    source: str = ""

    def state(self, status: str) -> State | None:
        """The state behind a status word, None if the declaration does not know the word."""
        table = self._states
        return table.get(status) or (table.get(f"{status.partition(':')[0]}:*") if ":" in status else None)

    def named(self, model: str) -> tuple[Model, ...]:
        """The models called *model*."""
        return self._named.get(model, ())

    @functools.cached_property
    def _states(self) -> Mapping[str, State]:
        return dict(self.statuses)

    @functools.cached_property
    def _named(self) -> Mapping[str, tuple[Model, ...]]:
        names = dict.fromkeys(each.name for each in self.models)
        return {name: tuple(each for each in self.models if each.name == name) for name in names}

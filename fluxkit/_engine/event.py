"""What a webhook says: read strictly where it decides what is believed, leniently where a service may have grown."""

import threading

import attrs

from .._contract.report import shorten
from .._contract.task import Picture, Snapshot, State
from .._wire.answers import read_snapshot
from .._wire.declaration import Provider, Webhook
from .._wire.signatures import WINDOW, check_secret, lower
from .._wire.token import read_token
from ..errors import SettingsError, WebhookUnusable
from .document import read_document
from .recent import Recent

#: How large the body of a webhook may be, in bytes: it holds words and links.
MOST_BODY = 1024 * 1024

#: How long an id may be, in characters: it is remembered, and at an unsigned service it may be anybody's.
MOST_ID = 256

#: How many deliveries are remembered, in order to know them when they come again.
MOST_DELIVERIES = 10_000


@attrs.frozen(eq=False)
class Event:
    """News of a task, as a service has sent it by itself.

    ``delivery`` names the delivery: the same news sent again bears the same name, and is *replayed* if it was seen
    before. ``signed`` says whether the service has proved that it is its own; if not, it is a hint that is worth a
    poll, and nothing more. ``token`` is the one that was put into the address for this submit alone. ``at`` is when it
    was read, in seconds since the epoch.
    """

    provider: str
    snapshot: Snapshot
    delivery: str
    at: float
    signed: bool
    token: str | None = attrs.field(default=None, repr=False)
    replayed: bool = False

    @property
    def task_id(self) -> str:
        """The id of the task."""
        return self.snapshot.id or ""

    @property
    def state(self) -> State:
        """Where the task stands; a word that the declaration does not know reads as running."""
        return self.snapshot.state

    @property
    def status(self) -> str:
        """The service's own word for it."""
        return self.snapshot.status

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The images that it names, by their links. They are fetched like those of a poll, never with the key."""
        return self.snapshot.pictures


class Replays:
    """The deliveries that were seen lately: one that comes again within the window is told apart."""

    def __init__(self, *, most: int = MOST_DELIVERIES) -> None:
        # A timestamp may lie ahead by the window, and is believed until it lies as far behind.
        self._seen: Recent[bool] = Recent(most, 2 * WINDOW)
        self._lock = threading.Lock()

    def first(self, delivery: str, *, at: float) -> bool:
        """Whether a delivery is seen for the first time; from now on it was."""
        with self._lock:
            if self._seen.get(delivery, at):
                return False
            self._seen.put(delivery, True, at)
            return True

    def forget(self, delivery: str, *, at: float) -> None:
        """Takes back that a delivery was seen, because nothing could be done with it."""
        with self._lock:
            self._seen.pop(delivery, at)


def webhook_of(provider: Provider) -> Webhook:
    """How a provider reports by itself; ``SettingsError`` if it does not."""
    if provider.webhook is None:
        raise SettingsError(f"{provider.name} sends no webhooks that are known. Poll it: wait(task).")
    return provider.webhook


def read_event(
    provider: Provider, headers: object, body: bytes, *, secret: str | None, at: float, url: str = ""
) -> Event:
    """What a webhook says, once it is known to be the service's, as far as the service lets that be known.

    Raises ``WebhookUnusable``, which shows neither the secret nor the body, and ``SettingsError`` for what the caller
    has wrong.
    """
    webhook = webhook_of(provider)
    secret = check_secret(webhook.signature, secret)
    if not isinstance(body, bytes | bytearray | memoryview):
        raise SettingsError(
            f"The body is {type(body).__name__}. Allowed: bytes, as they came; JSON written anew fails."
        )
    body = bytes(body)
    if len(body) > MOST_BODY:
        raise _unreadable(provider, f"it has more than {MOST_BODY} bytes")
    try:
        said = lower(headers)  # type: ignore[arg-type]  # a caller may give anything
    except (AttributeError, TypeError, ValueError):
        raise SettingsError(f"The headers are {shorten(headers)}. Allowed: a mapping, or pairs of names.") from None
    try:
        webhook.signature.verify(secret, said, body, at=at)
    except WebhookUnusable as error:
        error.provider = provider.name
        raise
    document = read_document(body)
    if not isinstance(document, dict):
        raise _unreadable(provider, "its body is no JSON object, or nested too deep")
    snapshot = read_snapshot(provider, webhook.event, document)
    if not snapshot.id or len(snapshot.id) > MOST_ID or not (snapshot.status or snapshot.pictures):
        raise _unreadable(provider, "it names no task, or says nothing of it")
    return Event(
        provider=provider.name,
        snapshot=snapshot,
        delivery=webhook.signature.delivery(said, body),
        at=at,
        signed=webhook.signature.signed,
        token=read_token(url),
    )


def _unreadable(provider: Provider, why: str) -> WebhookUnusable:
    return WebhookUnusable(f"This webhook cannot be read: {why}.", reason="unreadable", provider=provider.name)

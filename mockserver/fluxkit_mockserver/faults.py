"""What can go wrong, on demand: each fault has a name and a moment at which it strikes."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import attrs

from fluxkit._contract.by_fields import by_fields
from fluxkit._wire.declaration import Provider
from fluxkit.errors import OutOfCredit
from fluxkit.provider import State

#: The moments at which faults strike, in the order in which a task meets them.
MOMENTS = ("submit", "task", "poll", "link", "image", "webhook")


def _anything(_: Provider) -> str:
    return ""


def _polls(provider: Provider) -> str:
    return "" if provider.poll is not None else "it answers a submit with the image, and has no tasks to ask after"


def _failure(provider: Provider) -> str:
    return _polls(provider) or ("" if _says(provider, State.FAILED) else "none of its status words is a failure")


def _moderation(provider: Provider) -> str:
    if _polls(provider) or _says(provider, State.REFUSED) or _says(provider, State.FAILED):
        return _polls(provider)
    return "none of its status words is a refusal or a failure"


def _trial(provider: Provider) -> str:
    known = any(each.status == 429 and each.error is OutOfCredit for each in provider.refusals)
    return "" if known else "it declares no 429 that is final"


def _two_links(provider: Provider) -> str:
    from .dialects import dialect_of

    return "" if dialect_of(provider).holds(2) else "its answer has room for one link"


def _webhook(provider: Provider) -> str:
    return "" if provider.webhook is not None else "it declares no webhook"


def _signature(provider: Provider) -> str:
    if provider.webhook is None or provider.webhook.signature.signed:
        return _webhook(provider)
    return "its webhooks are not signed"


def _changes(provider: Provider) -> str:
    if provider.webhook is None or provider.webhook.every:
        return _webhook(provider)
    return "it reports the end of a task only, so there is no order"


def _says(provider: Provider, state: State) -> bool:
    return any(each is state for _, each in provider.statuses)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Fault:
    """A kind of mishap: at which *moment* of an exchange or of a task it strikes, and what it does."""

    name: str
    moment: str
    about: str
    _obstacle: Callable[[Provider], str] = attrs.field(default=_anything, repr=False)

    def obstacle(self, provider: Provider) -> str:
        """Why the service of *provider* cannot have this fault; empty if it can."""
        return self._obstacle(provider)


def _refusal(name: str, what: str) -> Fault:
    return Fault(name, "submit", f"The submit is refused: {what}; nothing is bought.")


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        fault.name: fault
        for fault in (
            _refusal("400", "the request is not valid, the service says"),
            _refusal("401", "the key is not taken"),
            _refusal("402", "the account is out of credit"),
            _refusal("403", "the key may not do this"),
            _refusal("422", "a field is not valid, the service says"),
            _refusal("429", "too many requests, with a Retry-After of 10 seconds"),
            Fault("429-final", "submit", "The submit is refused for good: the free trial is used up.", _trial),
            _refusal("503", "the service is overloaded, in its own words"),
            _refusal("moderation", "the prompt is not allowed"),
            Fault("500", "submit", "The submit fails with a 500; nothing is bought, which a client cannot know."),
            Fault("stale-connection", "submit", "The connection turns out to be closed; nothing is bought."),
            Fault(
                "accepted-then-dropped",
                "submit",
                "The task is made and billed, but the connection closes without an answer.",
            ),
            Fault("accepted-then-hang", "submit", "The task is made and billed, but no answer comes."),
            Fault("accepted-then-not-json", "submit", "The task is made and billed, but the answer is a page of HTML."),
            Fault(
                "gateway-503-after-accept",
                "submit",
                "The task is made and billed, but a gateway in front of the service answers 503.",
            ),
            Fault("cut-200", "submit", "The task is made and billed, but the answer breaks off in the middle."),
            Fault("stuck", "task", "The task runs and never ends.", _polls),
            Fault("slow", "task", "The task takes ten times as long.", _polls),
            Fault("fail", "task", "The task fails.", _failure),
            Fault("moderated", "task", "The task ends without an image, because of what it would show.", _moderation),
            Fault("completed-without-images", "task", "The task is completed, and no image is named.", _polls),
            Fault("vanished", "task", "The service does not know the task any more, whatever is asked.", _polls),
            Fault("dripping", "poll", "The answer to a poll comes a byte at a time, one each second.", _polls),
            Fault("slow-answer", "poll", "The answer to a poll takes 30 seconds.", _polls),
            Fault("hang", "poll", "No answer to a poll comes, and the connection stays open.", _polls),
            Fault("cut-poll", "poll", "The answer to a poll breaks off in the middle.", _polls),
            Fault("poll-dropped", "poll", "The connection closes without an answer to a poll.", _polls),
            Fault("poll-401", "poll", "A poll is answered that the key is not taken.", _polls),
            Fault("poll-404", "poll", "A poll is answered as if there were no such task.", _polls),
            Fault("poll-429", "poll", "A poll is answered 429, with a Retry-After of 10 seconds.", _polls),
            Fault("poll-503", "poll", "A poll is answered 503.", _polls),
            Fault("rate-limit-in-body", "poll", "A poll is answered 200, and the body says: too many.", _polls),
            Fault("not-json", "poll", "A poll is answered 200 with a page of HTML.", _polls),
            Fault("status-goes-back", "poll", "A poll tells the first status again, after a later one.", _polls),
            Fault("unknown-status", "poll", "A poll tells a status that no page knows.", _polls),
            Fault(
                "expired-link",
                "link",
                "The link to the image is already dead when it is given; the next poll gives a live one.",
                _polls,
            ),
            Fault("two-links", "link", "The answer names the one image by two links.", _two_links),
            Fault("truncated-image", "image", "What lies at the link is only the first half of the image."),
            Fault("wrong-type-image", "image", "The image is of another type than was asked for."),
            Fault("cut-image", "image", "The download breaks off in the middle."),
            Fault("link-503", "image", "The host of the image answers 503."),
            Fault("webhook-late", "webhook", "The webhook comes ten minutes late.", _webhook),
            Fault("webhook-twice", "webhook", "The webhook comes twice.", _webhook),
            Fault("webhook-lost", "webhook", "The webhook never comes.", _webhook),
            Fault(
                "webhook-forged",
                "webhook",
                "Before the webhook comes one that is signed with another secret.",
                _signature,
            ),
            Fault(
                "webhook-out-of-order",
                "webhook",
                "The webhook of a change comes only after that of the end.",
                _changes,
            ),
        )
    }
)

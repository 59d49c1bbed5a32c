"""What the faults do to an answer: refusals, lost and broken answers, and pages of whoever stands before a service."""

from collections.abc import Callable, Mapping

import attrs

from fluxkit import errors
from fluxkit.errors import Broken, FluxError, OutOfCredit, RateLimited, Rejected, Unauthorized
from fluxkit.provider import State

from .answer import Answer, Drop
from .casts import say_briefly
from .dialect import Dialect
from .ends import say_word
from .refused import Refused

#: How many seconds the service asks to wait, where it refuses because there were too many requests.
RETRY_AFTER = 10

#: How many seconds a slow answer takes, and after how many a connection that hangs is closed after all.
SLOW, HANG = 30.0, 3600.0

#: What a moderated task, or its refusal, is told with.
NOT_ALLOWED = "The prompt was refused by moderation"

HTML = {"content-type": "text/html; charset=utf-8"}
PAGE = "<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"

#: What the refusals mean, their status, and their words where they are not the usual ones.
_REFUSALS: Mapping[str, tuple[type[FluxError], int, str]] = {
    "400": (Rejected, 400, ""),
    "401": (Unauthorized, 401, ""),
    "402": (OutOfCredit, 402, "Out of credit"),
    "403": (Unauthorized, 403, "Access forbidden"),
    "422": (Rejected, 422, ""),
    "429": (RateLimited, 429, ""),
    "500": (Broken, 500, "Internal Server Error"),
    "503": (Broken, 503, ""),
}


def refusal(dialect: Dialect, fault: str) -> Refused | None:
    """The refusal of a submit that a fault is, None if it is none."""
    if fault == "moderation":
        return moderation(dialect)
    if fault == "429-final":
        refusals = dialect.provider.refusals
        text = next(each.text for each in refusals if each.status == 429 and each.error is OutOfCredit)
        return Refused(OutOfCredit, f"You have reached the {text or 'end'}", status=429)
    return _refused(dialect, fault) if fault in _REFUSALS else None


def _refused(dialect: Dialect, name: str) -> Refused:
    kind, status, message = _REFUSALS[name]
    shown = any(each.of == "refused" and each.status == status for each in dialect.samples)
    headers = {"retry-after": str(RETRY_AFTER)} if kind is RateLimited else {}
    return Refused(kind, "" if shown else message, status=status, headers=headers)


def moderation(dialect: Dialect) -> Refused:
    """The refusal of a prompt that is not allowed."""
    shown = any(each.of == "refused" and each.means.get("error") == "Refused" for each in dialect.samples)
    for each in dialect.provider.refusals:
        if each.error is errors.Refused:
            return Refused(errors.Refused, "" if shown else NOT_ALLOWED, status=each.status)
    return Refused(Rejected, NOT_ALLOWED)


def page(status: int, title: str) -> Answer:
    """A page of HTML, as a gateway answers."""
    return Answer(status, PAGE.format(title=title).encode(), HTML)


def _cut(answer: Answer) -> Answer:
    return attrs.evolve(answer, cut=len(answer.body) // 2)


#: What becomes of the answer to a submit that was accepted.
ACCEPTED: Mapping[str, Callable[[Answer], Answer | Drop]] = {
    "accepted-then-dropped": lambda _: Drop(),
    "accepted-then-hang": lambda _: Drop(after=HANG),
    "accepted-then-not-json": lambda _: page(200, "Welcome"),
    "gateway-503-after-accept": lambda _: page(503, "503 Service Temporarily Unavailable"),
    "cut-200": _cut,
}

#: The state in which a fault lets a task end, without an image; the word for a refusal is that for a failure, if the
#: service has no other.
ENDINGS: Mapping[str, State] = {
    "fail": State.FAILED,
    "moderated": State.REFUSED,
    "completed-without-images": State.COMPLETED,
}

#: What the service gives as the reason of such an end.
REASONS: Mapping[str, str] = {
    "fail": "Generation failed",
    "moderated": NOT_ALLOWED,
    "completed-without-images": "",
}

#: What becomes of the answer to a poll, whatever it is.
POLLED: Mapping[str, Callable[[Answer], Answer | Drop]] = {
    "dripping": lambda answer: attrs.evolve(answer, drip=1.0),
    "slow-answer": lambda answer: attrs.evolve(answer, delay=SLOW),
    "hang": lambda _: Drop(after=HANG),
    "cut-poll": _cut,
    "poll-dropped": lambda _: Drop(),
    "not-json": lambda _: page(200, "Welcome"),
}


def instead(dialect: Dialect, fault: str, *, id: str, base_url: str, model: str) -> Answer:
    """What is said instead of the answer to a poll; ``Refused`` where that is a refusal."""
    match fault:
        case "poll-404":
            return dialect.say_unknown(id)
        case "rate-limit-in-body":
            return attrs.evolve(dialect.refuse(Refused(RateLimited)), status=200)
        case "unknown-status":
            return say_word(dialect, "polled", _unheard_of(dialect), id=id, base_url=base_url, model=model)
        case "status-goes-back":
            return say_briefly(dialect, "polled", 0, id=id, base_url=base_url, model=model)
    raise _refused(dialect, fault.removeprefix("poll-"))


def _unheard_of(dialect: Dialect) -> str:
    """A status that the service does not declare, spelt as it spells its own."""
    first = dialect.words[0]
    if first.isupper():
        return "WARMING_UP"
    return "Warming up" if first[:1].isupper() else "warming_up"

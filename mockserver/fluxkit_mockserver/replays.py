"""Submits that come again: a service that takes a key with each knows them, and buys nothing a second time."""

import hashlib
import re
from collections.abc import Mapping

import attrs

from fluxkit._wire.declaration import Provider
from fluxkit.errors import Rejected

from .answer import Incoming
from .refused import Refused
from .tasks import MockTask

#: What a key may be: visible ASCII (https://docs.apimart.ai, mid 2026).
_KEY = re.compile(r"[!-~]{1,191}")

#: So many keys are remembered; the oldest go first.
MOST_KEYS = 10_000


@attrs.frozen(eq=False, repr=False)
class _Had:
    """A submit that was accepted: its body, what it became, and until when its key is known."""

    body: bytes
    task: MockTask
    until: float


@attrs.define(eq=False, repr=False)
class Replays:
    """The keys that came with submits, of each account for itself.

    The mock handles a submit in one moment, so none is ever told that the first is still being worked on.
    """

    _had: dict[tuple[str, str, str], _Had] = attrs.field(factory=dict)

    def task_of(self, account: tuple[str, str], provider: Provider, call: Incoming, now: float) -> MockTask | None:
        """What the same submit has become before; None if it is new. ``Refused`` for a key that came with another."""
        key = _key_of(provider, call)
        had = None if key is None else self._had.get((*account, key))
        if key is None or had is None or provider.idempotency is None or now >= had.until:
            return None
        if had.body != _digest(call):
            reused = provider.idempotency.reused
            message = "This idempotency key was used with another request"
            raise Refused(reused.error, message, status=reused.status, type=reused.type)
        return had.task

    def keep(self, account: tuple[str, str], provider: Provider, call: Incoming, task: MockTask, now: float) -> None:
        """Remembers what a submit has become, if it came with a key."""
        if (key := _key_of(provider, call)) is not None and provider.idempotency is not None:
            self._had.pop((*account, key), None)
            self._had[*account, key] = _Had(_digest(call), task, now + provider.idempotency.life)
            while len(self._had) > MOST_KEYS:
                del self._had[next(iter(self._had))]

    def forget(self, now: float) -> None:
        """Forgets the keys that are not known any more, and the tasks that they hold; the oldest come first."""
        while self._had and now >= next(iter(self._had.values())).until:
            del self._had[next(iter(self._had))]

    def clear(self) -> None:
        """Forgets every key."""
        self._had.clear()


def marked(provider: Provider) -> Mapping[str, str]:
    """The header of an answer to a submit that had come before."""
    return {} if provider.idempotency is None else {provider.idempotency.replayed.lower(): "true"}


def _key_of(provider: Provider, call: Incoming) -> str | None:
    """The key of a submit; None if it has none, or if its service takes none."""
    declared = provider.idempotency
    key = None if declared is None else call.headers.get(declared.header.lower())
    if declared is not None and key is not None and _KEY.fullmatch(key) is None:
        raise Refused(Rejected, f"{declared.header} must be 1 to 191 visible ASCII characters")
    return key


def _digest(call: Incoming) -> bytes:
    return hashlib.sha256(b"\0".join((call.path.encode(), call.body))).digest()

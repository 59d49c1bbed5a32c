"""What may be kept and shown of a call: no secret, and of what is large its size and digest."""

import functools
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from fluxkit._wire.json import Problem

from .documents import is_vast

#: The largest body that is kept as it came, in bytes, and the longest text in one that is shown, in characters.
MOST_KEPT, MOST_TEXT = 16 * 1024, 4000

#: What stands in the place of a secret.
HIDDEN: Final = "<not shown>"

#: The shortest key that is known by itself wherever it stands; shorter ones are parts of other texts, too.
TELLING: Final = 8

_SECRET: Final = re.compile(
    r"(?:^|[-_.])(?:authorization|api-?key|key|secret|token|cookie|signature|sign|sig|hmac|credential|password)s?$",
    re.IGNORECASE,
)


class Keys:
    """What must not be shown of a call: the keys of the mock, and whatever is named like one."""

    def __init__(self, values: Collection[str]) -> None:
        """Those that are *values*, by themselves or in the form of their header."""
        self._values = frozenset(values)
        self._shown: Mapping[str, str] = MappingProxyType({})
        self._telling = tuple(value.encode() for value in values if len(value) >= TELLING)

    def hide(self, named: Mapping[str, str]) -> Mapping[str, str]:
        """Headers or a query, without keys."""
        shown = {**named, **_hidden_among(tuple(named))}
        if not self._values.isdisjoint(shown.values()):
            shown = {name: HIDDEN if value in self._values else value for name, value in shown.items()}
        if shown != self._shown:  # a client sends the same with each call, and thousands of calls are kept
            self._shown = shown
        return self._shown

    def blot(self, body: bytes) -> bytes:
        """A body without those of the keys that could not be there by chance."""
        for key in self._telling:
            if key in body:
                body = body.replace(key, HIDDEN.encode())
        return body

    def blotted(self, problem: Problem) -> Problem:
        """A problem without them."""
        place, given = self.blot(problem.place.encode()).decode(), problem.given
        if isinstance(given, str):
            given = self.blot(given[:MOST_TEXT].encode("utf-8", "replace")).decode()
        return attrs.evolve(problem, place=place, given=given)


@functools.lru_cache(maxsize=1024)
def names_a_secret(name: str) -> bool:
    """Whether a header, a field of a query or of a body is named like a secret."""
    return _SECRET.search(name) is not None and name.lower() != "idempotency-key"  # which opens nothing


@functools.lru_cache(maxsize=128)  # a client sends the same names with each call
def _hidden_among(names: tuple[str, ...]) -> Mapping[str, str]:
    """What is shown of those headers or fields that are named like a secret."""
    return {name: HIDDEN for name in names if names_a_secret(name)}


def readable(kept: Any) -> Any:
    """A body as it may be looked at."""
    if isinstance(kept, bytes):
        try:
            kept = json.loads(kept) if kept else None
        except (ValueError, RecursionError):
            kept = kept.decode() if _is_text(kept) else _measured(kept)
    return _without_secrets(kept)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: HIDDEN if isinstance(inner, str) and names_a_secret(name) else _without_secrets(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in value]
    return _measured(value.encode("utf-8", "replace")) if isinstance(value, str) and len(value) > MOST_TEXT else value


def bounded(body: bytes) -> Any:
    """What is kept of a body: of a large one its JSON with large texts as size and digest, or its size and digest."""
    if len(body) <= MOST_KEPT:
        return body
    try:
        document = json.loads(body) if body[:1] in (b"{", b"[") and not is_vast(body) else None
        document = document and _pruned(document)
    except (ValueError, RecursionError):
        document = None
    if document is None or len(json.dumps(document)) > MOST_KEPT:
        return _measured(body)
    return document


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name[:200]: _pruned(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_pruned(inner) for inner in value]
    if isinstance(value, str) and len(value) > MOST_TEXT:
        return _measured(value.encode("utf-8", "replace"))
    return value


def _measured(content: bytes) -> str:
    return f"<{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:12]}>"


def _is_text(content: bytes) -> bool:
    try:
        return content.decode().isprintable() or content.isascii()
    except UnicodeDecodeError:
        return False

"""How a service signs its webhooks: each way is a value that signs, as a mock does, and verifies, as a receiver does.

What is signed is the raw body, byte for byte: whoever parses it and writes it again verifies something else. Compared
is in constant time, and every header that cannot be read is a refusal like a wrong one: a forger learns nothing.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NoReturn, Protocol

import attrs

from .._contract.by_fields import by_fields
from ..errors import SettingsError, WebhookUnusable
from .scalars import names

#: How many seconds a webhook may be older, or by the clock of its sender younger, than now.
WINDOW: Final = 300.0

#: How a secret may become the key of a signature: its text as it is, or the bytes of which it is the base64.
KEYS: Final = ("text", "base64")

_ID: Final = re.compile(r"[\x21-\x7e]{1,256}")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")
_PREFIX: Final = "whsec_"


class Signature(Protocol):
    """How a service proves that a webhook is its own."""

    @property
    def signed(self) -> bool:
        """Whether it proves it at all."""
        ...

    def sign(self, secret: str, body: bytes, *, id: str, at: float) -> Mapping[str, str]:
        """The headers of a webhook: *id* names the delivery, *at* is when it is sent, in seconds since the epoch."""
        ...

    def verify(self, secret: str, headers: Mapping[str, str], body: bytes, *, at: float) -> None:
        """Raises ``WebhookUnusable`` unless whoever sent this knows the secret, and sent it about now.

        Names in *headers* are in lower case. A secret that cannot be a key is a ``SettingsError``.
        """
        ...

    def delivery(self, headers: Mapping[str, str], body: bytes) -> str:
        """The name of a delivery: a second one of the same name is the same one, sent again."""
        ...


@by_fields
@attrs.frozen(eq=False, repr=False)
class StandardWebhook:
    """Standard Webhooks: ``webhook-signature`` over ``webhook-id``, ``webhook-timestamp`` and the body.

    *keys* says how the secret becomes a key, each of ``KEYS``: it is signed with the first, and any of them verifies.
    The header holds several signatures while a secret is being changed; one that fits is enough.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """

    keys: tuple[str, ...] = attrs.field(default=("base64",), converter=names)
    signed = True

    @keys.validator
    def _check_keys(self, _: object, keys: tuple[str, ...]) -> None:
        if not keys or len(set(keys)) < len(keys) or not set(keys) <= set(KEYS):
            raise ValueError(f"keys are {keys}. Allowed: one or both of {', '.join(KEYS)}")

    def sign(self, secret: str, body: bytes, *, id: str, at: float) -> Mapping[str, str]:
        seconds = str(int(at))
        key = next(_keys(secret, self.keys))
        return {
            "webhook-id": id,
            "webhook-timestamp": seconds,
            "webhook-signature": f"v1,{self._signature(key, id, seconds, body).decode()}",
        }

    def verify(self, secret: str, headers: Mapping[str, str], body: bytes, *, at: float) -> None:
        keys = tuple(_keys(secret, self.keys))
        name, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if _ID.fullmatch(name) is None or _SECONDS.fullmatch(seconds) is None:
            _forged("webhook-id or webhook-timestamp is missing or cannot be read")
        given = [each[3:] for each in _raw(headers.get("webhook-signature", "")).split() if each.startswith(b"v1,")]
        wanted = [self._signature(key, name, seconds, body) for key in keys]
        # Every pair is compared, so that the time taken does not tell which one fitted.
        if not sum(hmac.compare_digest(one, other) for one in given for other in wanted):
            _forged("webhook-signature is missing, or does not fit the secret")
        if abs(at - int(seconds)) > WINDOW:
            raise WebhookUnusable(
                f"This webhook was signed {at - int(seconds):.0f} s ago by its timestamp; at most {WINDOW:.0f} s are "
                "believed. It is an old one sent again, or one of the clocks is wrong.",
                reason="stale",
            )

    def delivery(self, headers: Mapping[str, str], body: bytes) -> str:
        return headers.get("webhook-id", "")

    def _signature(self, key: bytes, id: str, seconds: str, body: bytes) -> bytes:
        signed = b"%s.%s.%s" % (id.encode(), seconds.encode(), body)
        return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())


@by_fields
@attrs.frozen(eq=False, repr=False)
class HexHMAC:
    """HMAC-SHA256 of the body, in hexadecimal behind *prefix*, in one header.

    Nothing says when it was sent, so an old one is as good as a new one: only its repetition can be told.
    """

    header: str
    prefix: str = ""
    signed = True

    def sign(self, secret: str, body: bytes, *, id: str, at: float) -> Mapping[str, str]:
        return {self.header: f"{self.prefix}{self._signature(secret, body).decode()}"}

    def verify(self, secret: str, headers: Mapping[str, str], body: bytes, *, at: float) -> None:
        wanted = _raw(self.prefix) + self._signature(secret, body)
        given = _raw(headers.get(self.header.lower(), ""))
        if not hmac.compare_digest(wanted, given[: len(self.prefix)] + given[len(self.prefix) :].lower()):
            _forged(f"{self.header.lower()} is missing, or does not fit the secret")

    def delivery(self, headers: Mapping[str, str], body: bytes) -> str:
        return hashlib.sha256(body).hexdigest()

    def _signature(self, secret: str, body: bytes) -> bytes:
        return hmac.new(next(_keys(secret, ("text",))), body, hashlib.sha256).hexdigest().encode()


@by_fields
@attrs.frozen(eq=False, repr=False)
class Unsigned:
    """No signature: anybody who knows the address can say anything, so what comes is a hint and never a fact."""

    signed = False

    def sign(self, secret: str, body: bytes, *, id: str, at: float) -> Mapping[str, str]:
        return {}

    def verify(self, secret: str, headers: Mapping[str, str], body: bytes, *, at: float) -> None:
        pass

    def delivery(self, headers: Mapping[str, str], body: bytes) -> str:
        return hashlib.sha256(body).hexdigest()


def lower(headers: Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]) -> dict[str, str]:
    """Headers of any framework by their names in lower case, as text; one that comes twice is joined, as HTTP says."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    said: dict[str, str] = {}
    for name, value in ((_text(name).lower(), _text(value)) for name, value in pairs):
        said[name] = f"{said[name]}, {value}" if name in said else value
    return said


def check_secret(signature: Signature, secret: str | None) -> str:
    """The secret, if webhooks can be verified with it; raises ``SettingsError``, which does not show it."""
    if not signature.signed:
        return ""
    if not isinstance(secret, str) or not secret:
        raise SettingsError("There is no secret for webhooks. Give the one that the service signs them with.")
    signature.sign(secret, b"", id="", at=0.0)
    return secret


def _keys(secret: str, forms: Iterable[str]) -> Iterator[bytes]:
    """The keys that a secret may mean. An empty one is none: everybody knows it."""
    found = [key for form in forms if (key := _as_text(secret) if form == "text" else _from_base64(secret))]
    if not found:
        raise SettingsError("The secret of the webhooks cannot be used: it is empty, or not base64 as it must be.")
    yield from found


def _as_text(secret: str) -> bytes:
    try:
        return secret.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return b""


def _from_base64(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _text(said: str | bytes) -> str:
    return said.decode("latin-1") if isinstance(said, bytes | bytearray) else str(said)


def _raw(text: str) -> bytes:
    """A header as bytes: text that is not ASCII cannot be compared in constant time."""
    return text.encode("utf-8", "surrogatepass")


def _forged(why: str) -> NoReturn:
    raise WebhookUnusable(f"This webhook is not believed: {why}.", reason="forged")

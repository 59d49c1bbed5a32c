"""The key: the header that it travels in, the origins that it goes to, and its absence from everything else."""

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Final, NoReturn

from .._wire.link import Link, read_origin
from ..errors import Charged, ContractError, SettingsError

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PRINTABLE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
TELLING: Final = 16  # characters from which a key is never part of another text by chance
_LEAST: Final = 8  # letters of a Base64 text that are enough to know the key by

# No service issues a key of fewer letters, and a mock's `test` must leave `latest` as it is: so short a spelling is
# looked for as a word of its own, be that behind an escape of an address or of JSON.
_SHORT: Final = 8
_BEGIN: Final = r"(?:(?<![a-z0-9])|(?<=%[0-9a-f][0-9a-f])|(?<=\\[bfnrt])|(?<=\\u[0-9a-f][0-9a-f][0-9a-f][0-9a-f]))"
_END: Final = r"(?![a-z0-9])"


class Secret:
    """The provider's key, the header that it travels in, and the means to keep it out of everything else.

    *form* is the header's value with `{key}` in the key's place: `Secret(key, "authorization", "Bearer {key}")`.

    Raises:
        SettingsError: the key, the header or the form cannot be sent. No message shows the key.
    """

    __slots__ = ("_forms", "_header", "_in_bytes", "_longest", "_plain", "_telling")

    def __init__(self, value: str, header: str, form: str = "{key}") -> None:
        self._header = header.lower().encode(), b""  # who reports an error with what its frames held asks for a repr
        if not isinstance(value, str) or not value:
            raise SettingsError("The key is empty: give the one that the provider issued.")
        if _PRINTABLE.fullmatch(value) is None:
            raise SettingsError(
                "Wrong, unprintable key: a key is printable ASCII without line breaks, and without blanks at its ends"
                f" (this one has {len(value)} characters). Copy it again."
            )
        if _TOKEN.fullmatch(header) is None:
            raise SettingsError(f"{header!r} is no name of an HTTP header, so the key cannot be sent in it.")
        line = form.replace("{key}", value)
        if "{key}" not in form or _PRINTABLE.fullmatch(line) is None:
            raise SettingsError("The form of the key's header must hold {key} and be printable ASCII.")
        self._header = header.lower().encode(), line.encode()
        spellings = _spellings(value)
        self._longest = max(len(spellings[0]), 6 * len(value))
        forms = [_as_word(value, _escaped(value)), *(_as_word(each, re.escape(each)) for each in spellings)]
        self._forms = re.compile("|".join(forms), re.IGNORECASE)
        self._in_bytes = re.compile(self._forms.pattern.encode(), re.IGNORECASE)
        self._plain = frozenset(spelling.lower() for spelling in spellings)
        self._telling = len(value) >= TELLING

    def __repr__(self) -> str:
        return f"<the key for the header {self._header[0].decode()}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key is not pickled or copied: read it from its setting where it is needed.")

    def header_for(self, link: Link, origins: Iterable[str], *, buys: bool) -> tuple[bytes, bytes]:
        """The header that carries the key to *link*.

        Raises:
            ContractError: *link* is at none of *origins*. Nothing has been sent.
            SettingsError: one of *origins* is no address.
        """
        allowed = [read_origin(text) for text in origins]
        if link.named or link.origin not in (origin.origin for origin in allowed):
            known = ", ".join(f"{origin.scheme}://{origin.where}" for origin in allowed) or "no origin at all"
            named = " with a user name" if link.named else ""
            raise ContractError(
                f"The key was not sent to {link.scheme}://{link.where}{named}: it goes to {known} only. If that host is"
                " the provider's, name its origin in the settings.",
                charged=Charged.NO if buys else None,
            )
        return self._header

    def redact(self, text: str) -> str:
        """The text with `<key>` in place of the key, also where it is URL-quoted, JSON-quoted or Base64."""
        # What is no ASCII may be a letter of the key in another case: the sign of kelvin is one of k.
        return text if text.isascii() and self._lacks(text) else self._forms.sub("<key>", text)

    def redacted(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers of an answer with `<key>` in place of the key."""
        return {name: self.redact(value) for name, value in headers.items()}

    def blot(self, body: bytes, *, refusal: bool) -> bytes:
        """The body of an answer with `<key>` in place of the key: a service may quote it, and it may be logged.

        A short key, such as the `test` of a mock, may be part of an innocent link; it is looked for in refusals only.
        """
        if not (refusal or self._telling) or self._lacks(body.decode("latin-1")):
            return body
        return self._in_bytes.sub(b"<key>", body)

    def _lacks(self, text: str) -> bool:
        """Whether the key is surely not in a text, as a look for its plain spellings tells, which takes a moment only.

        Behind backslashes it has more spellings than can be listed.
        """
        lower = text.lower()
        return "\\" not in lower and not any(spelling in lower for spelling in self._plain)

    def excerpt(self, text: str, most: int) -> str:
        """At most the first *most* characters, redacted, without half a key where the text is cut."""
        if len(text) <= most + self._longest:
            return self.redact(text)[:most]
        return self.redact(text[: most + self._longest])[: -self._longest][:most]


def _as_word(spelling: str, pattern: str) -> str:
    """The pattern of a spelling that is too short to be known within other letters: only where it stands by itself."""
    if len(spelling) >= _SHORT:
        return pattern
    begin, end = _BEGIN if spelling[0].isalnum() else "", _END if spelling[-1].isalnum() else ""
    return f"{begin}(?:{pattern}){end}"


def _escaped(value: str) -> str:
    """A pattern of the key in JSON text, where each letter may stand as it is, behind a backslash, or by its number."""
    return "".join(f"(?:{re.escape(letter)}|\\\\{re.escape(letter)}|\\\\u00{ord(letter):02x})" for letter in value)


def _spellings(value: str) -> list[str]:
    """Every text that gives the key away, the longest first."""
    raw = value.encode()
    spellings = {value, json.dumps(value)[1:-1], repr(value)[1:-1]}
    spellings |= {urllib.parse.quote(value), urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value)}
    for encode in base64.b64encode, base64.urlsafe_b64encode:
        spellings.add(encode(raw).decode())
        # Within a longer text the key's own letters begin at one of three places; those it shares at its ends are left.
        for before in range(3):
            inside = encode(bytes(before) + raw).decode()[-(-before * 4 // 3) : (before + len(raw)) * 8 // 6]
            if len(inside) >= _LEAST:
                spellings.add(inside)
    return sorted(spellings, key=len, reverse=True)

"""The key, and the addresses that it may be sent to.

An address is read once, strictly, into a `Link`; every later decision (does the key go there, is it public, is it this
machine) is made on the parsed parts, which are also what the connection is made from. A text that two readers could
read differently is refused: user names before the host, backslashes, percent signs in a host, control characters.
"""

import base64
import functools
import ipaddress
import json
import re
import socket
import urllib.parse
from collections.abc import Iterable
from typing import Final, NoReturn

import attrs

from ..errors import Charged, ContractError, SettingsError

_PORTS: Final = {"http": 80, "https": 443}
_URL: Final = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE | re.DOTALL)
_AUTHORITY: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::([0-9]{0,5}))?")
_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")  # what ends so is an IPv4 address or nothing
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_OFF_THE_WIRE: Final = re.compile(rb"[^\x21-\x7e]")
# The four letters that the old and the new rules for international names (RFC 3490, RFC 5891) send to different hosts.
_AMBIGUOUS: Final = re.compile("[\u00df\u03c2\u200c\u200d]")
# Names that never mean a public host: RFC 6761, RFC 6762, RFC 8375, and .internal, which ICANN reserved in 2024.
_LOCAL_NAMES: Final = (".localhost", ".local", ".internal", ".home.arpa")

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PRINTABLE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_LONGEST: Final = 65000  # characters of a path and query; httpx takes no address longer than 65536
_LEAST: Final = 8  # letters of a Base64 text that are enough to know the key by


@attrs.frozen
class Link:
    """An http or https address in its parsed parts.

    *host* is in lower case, ASCII, without a trailing dot; an IPv4 address in any spelling is in its usual one, an IPv6
    address has no brackets. *port* is never left open. *target* is path and query as they go out: byte for byte as they
    were received, except that spaces and what is not ASCII are percent-encoded, because they cannot stand on the wire.
    *named* tells that a user name came before the host; it is never sent.
    """

    scheme: str
    host: str
    port: int
    target: str
    named: bool = False

    @property
    def origin(self) -> tuple[str, str, int]:
        """What must be equal for the key to be sent: scheme, host and port."""
        return self.scheme, self.host, self.port

    @property
    def where(self) -> str:
        """The host for messages and for the Host header, with the port if it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.where}{self.target}"

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine: no proxy is asked for it."""
        address = _address(self.host)
        if address is None:
            return self.host == "localhost" or self.host.endswith(".localhost")
        return _unwrapped(address).is_loopback

    @property
    def public(self) -> bool:
        """Whether the host may be a public one, as far as that can be told without asking for its address."""
        if _address(self.host) is None:
            return "." in self.host and not self.host.endswith(_LOCAL_NAMES)
        return is_public(self.host)


@functools.lru_cache(maxsize=512)  # a task is polled at one address many times
def read_link(text: str) -> Link:
    """Reads an http or https address.

    Raises:
        ValueError: it is none, or one that could be read in two ways. The message shows none of it.
    """
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("it does not begin with http:// or https://")
    if _CONTROL.search(text):
        raise ValueError("it holds a control character")
    scheme, authority, target = found[1].lower(), found[2], found[3]
    _, at, authority = authority.rpartition("@")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise ValueError("its host cannot be read")
    port = int(parts[3] or _PORTS[scheme])
    if not 0 < port < 65536:
        raise ValueError("its port is not between 1 and 65535")
    host = _name(parts[2]) if parts[1] is None else _ipv6(parts[1])
    if not target.startswith("/"):
        target = "/" + target
    target = _wire(target)
    if len(target) > _LONGEST:
        raise ValueError(f"it has {len(target)} characters; at most {_LONGEST} can be sent")
    return Link(scheme, host, port, target, named=bool(at))


def read_origin(text: str) -> Link:
    """Reads the address of an origin, of which path and query do not matter.

    Raises:
        SettingsError: it is no address.
    """
    try:
        return read_link(text)
    except ValueError as error:
        raise SettingsError(f"an origin that calls may go to cannot be used: {error}") from None


def is_public(address: str) -> bool:
    """Whether a numeric address is reached over the public internet, by whatever way it is wrapped.

    The standard library calls multicast global, and 6to4 and NAT64 addresses whatever they hold.
    """
    inner = _unwrapped(ipaddress.ip_address(address))
    if not inner.is_global or inner.is_multicast:
        return False
    return isinstance(inner, ipaddress.IPv4Address) or inner in _UNICAST


def _name(name: str) -> str:
    """A host name or IPv4 address in the one spelling that is compared and connected to."""
    if not name.isascii():
        if _AMBIGUOUS.search(name):
            raise ValueError("its host is spelt with a letter that old and new software read differently")
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError("its host is no international name") from None
    name = name.lower().removesuffix(".")
    if _NAME.fullmatch(name) is None:
        raise ValueError("its host is no name of letters, digits, hyphens and dots")
    if _NUMBER.fullmatch(name):
        # 127.1, 0x7f000001 and 2130706433 are 127.0.0.1 for whoever connects, so they are for us.
        try:
            return str(ipaddress.IPv4Address(socket.inet_aton(name)))
        except OSError:
            raise ValueError("its host ends in a number and is no IPv4 address") from None
    return name


def _ipv6(text: str) -> str:
    try:
        return ipaddress.IPv6Address(text).compressed
    except ValueError:
        raise ValueError("its host is no IPv6 address") from None


def _wire(target: str) -> str:
    if target.isascii() and " " not in target:
        return target
    # Bytes that were no UTF-8 where the text came from (a header) are given back as they came.
    raw = target.encode("utf-8", "surrogateescape")
    return _OFF_THE_WIRE.sub(lambda found: b"%%%02X" % found[0][0], raw).decode("ascii")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _unwrapped(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 address stands for, if it stands for one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


class Secret:
    """The provider's key, the header that it travels in, and the means to keep it out of everything else.

    *form* is the header's value with `{key}` in the key's place: `Secret(key, "authorization", "Bearer {key}")`.

    Raises:
        SettingsError: the key, the header or the form cannot be sent. No message shows the key.
    """

    __slots__ = ("_forms", "_header", "_longest")

    def __init__(self, value: str, header: str, form: str = "{key}") -> None:
        if not isinstance(value, str) or not value:
            raise SettingsError("the key is empty: give the one that the provider issued")
        if _PRINTABLE.fullmatch(value) is None:
            raise SettingsError(
                "wrong, unprintable key: a key is printable ASCII without line breaks, and without blanks at its ends"
                f" (this one has {len(value)} characters). Copy it again"
            )
        if _TOKEN.fullmatch(header) is None:
            raise SettingsError(f"{header!r} is no name of an HTTP header, so the key cannot be sent in it")
        line = form.replace("{key}", value)
        if "{key}" not in form or _PRINTABLE.fullmatch(line) is None:
            raise SettingsError("the form of the key's header must hold {key} and be printable ASCII")
        self._header = header.lower().encode(), line.encode()
        spellings = _spellings(value)
        self._longest = len(spellings[0])
        self._forms = re.compile("|".join(map(re.escape, spellings)), re.IGNORECASE)

    def __repr__(self) -> str:
        return f"<the key for the header {self._header[0].decode()}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled or copied: read it from its setting where it is needed")

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
                f"the key was not sent to {link.scheme}://{link.where}{named}: it goes to {known} only. If that host is"
                " the provider's, name its origin in the settings",
                charged=Charged.NO if buys else None,
            )
        return self._header

    def redact(self, text: str) -> str:
        """The text with `<key>` in place of the key, also where it is URL-quoted, JSON-quoted or Base64."""
        return self._forms.sub("<key>", text)

    def excerpt(self, text: str, most: int) -> str:
        """At most the first *most* characters, redacted, without half a key where the text is cut."""
        if len(text) <= most + self._longest:
            return self.redact(text)[:most]
        return self.redact(text[: most + self._longest])[: -self._longest][:most]


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

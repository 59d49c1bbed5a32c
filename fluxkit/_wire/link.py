"""The addresses that calls and downloads go to, and the key with them.

An address is read once, strictly, into a `Link`; every later decision (does the key go there, is it public, is it this
machine) is made on the parsed parts, which are also what the connection is made from. A text that two readers could
read differently is refused: user names before the host, backslashes, percent signs in a host, control characters.
"""

import functools
import ipaddress
import re
import socket
from typing import Final

import attrs

from .._contract.by_fields import by_fields
from ..errors import SettingsError

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

_LONGEST: Final = 65000  # characters of a path and query; httpx takes no address longer than 65536


@by_fields
@attrs.frozen(eq=False, repr=False)
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

    @property
    def own_port(self) -> int | None:
        """The port if it is not the usual one."""
        return None if self.port == _PORTS[self.scheme] else self.port

    def __str__(self) -> str:
        return f"{self.scheme}://{self.where}{self.target}"

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine: no proxy is asked for it."""
        return _is_loopback(self.host)

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


def read_host(text: str) -> str:
    """Reads the name of a host, or its address, in the one spelling in which hosts are compared.

    Raises:
        ValueError: it is none, or more than that: a scheme, a port, a path.
    """
    link = read_link(f"https://[{text}]/" if text.count(":") > 1 and text[:1] != "[" else f"https://{text}/")
    if link.named or link.target != "/" or link.port != 443 or text.endswith(":443"):
        raise ValueError("it is more than a host")
    return link.host


def read_origin(text: str) -> Link:
    """Reads the address of an origin, of which path and query do not matter.

    Raises:
        SettingsError: it is no address.
    """
    try:
        return read_link(text)
    except ValueError as error:
        raise SettingsError(f"An origin that calls may go to cannot be used: {error}.") from None


@functools.lru_cache(maxsize=512)
def _is_loopback(host: str) -> bool:
    address = _address(host)
    if address is None:
        return host == "localhost" or host.endswith(".localhost")
    return _unwrapped(address).is_loopback


@functools.lru_cache(maxsize=512)
def is_public(address: str) -> bool:
    """Whether a numeric address is reached over the public internet, by whatever way it is wrapped.

    The standard library calls multicast global, and NAT64 addresses (once 6to4, too) whatever they hold.
    """
    inner = _unwrapped(ipaddress.ip_address(address))
    if not inner.is_global or inner.is_multicast:
        return False
    return isinstance(inner, ipaddress.IPv4Address) or inner in _UNICAST


@functools.lru_cache(maxsize=512)  # the links of many tasks lead to few hosts
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


@functools.lru_cache(maxsize=512)  # it is asked of one host several times a call
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

"""Where webhooks may be posted, so that nobody makes the mock speak for him where he could not go himself.

Whoever can call the mock and has its key, which is no secret, names an address to which the mock posts. From this
machine he could post there himself, so this machine is allowed. From elsewhere only his own address is: the services of
the machine on which the mock runs may trust whatever comes from it.
"""

import ipaddress
from collections.abc import Collection, Iterable

#: How a host is named.
HOST = "the name of a host or its address, without a scheme, a port and a path, such as hooks.internal"


def may_go(url: str, *, caller: str, allowed: Collection[str]) -> bool:
    """Whether a webhook may be posted to *url* for who called from the address *caller*, empty for this process.

    The hosts that are *allowed* are so for everybody. Of other hosts no name is looked up.
    """
    from fluxkit._wire.link import read_link  # not before a webhook is due

    try:
        link = read_link(url)
    except ValueError:
        return False
    if link.host in allowed:
        return True
    client = _address(caller)
    if client is None or client.is_loopback:
        return link.loopback
    return _address(link.host) == client


def hosts_of(names: Iterable[str]) -> frozenset[str]:
    """The hosts of some *names*, in the one spelling that is compared; ``ValueError`` for what names none."""
    return frozenset(map(_host_of, names))


def _host_of(name: str) -> str:
    from fluxkit._wire.link import read_host

    try:
        return read_host(name)
    except ValueError as error:
        raise ValueError(f"A webhook host is {name!r}: {error}. Allowed: {HOST}.") from None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that *host* is, None if it is a name; one of IPv4 that is written as one of IPv6 is that of IPv4."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address

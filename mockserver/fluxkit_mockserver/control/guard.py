"""Who may use the control over a port: this machine, or whoever has the token; and no page of another origin.

A browser sends what any page tells it to, also to loopback. So a call must name this machine as its host, which a name
that was rebound to it is not, and if it comes from a page, the page must be the mock's own.
"""

import hmac
import ipaddress
from typing import Final
from urllib.parse import urlsplit

import attrs

from fluxkit._contract.by_fields import by_fields

from ..answer import Answer, Incoming

#: Where a token may stand, beside ``authorization: Bearer``; a browser's EventSource can only use the query.
HEADER, QUERY = "x-fluxkit-token", "token"

_OWN: Final = ("same-origin", "none")


@by_fields
@attrs.frozen(eq=False, repr=False)
class Guard:
    """What a call to the control must show: the *token* if there is one, and else a host that is this machine's.

    *hosts* are names by which the server may be called as well, such as the address that it was told to listen on.
    """

    token: str | None = attrs.field(default=None, repr=False)
    hosts: frozenset[str] = frozenset()

    def refuse(self, call: Incoming) -> Answer | None:
        """The refusal of a call, None if it may come in."""
        from .answering import problem  # it knows the control's table, which few runs need

        host = _host(call.origin)
        if self.token is None and not (_is_local(host) or host in self.hosts):
            told = "Allowed: localhost, 127.0.0.1, ::1. To reach it by other names, start the mock with a token."
            return problem(403, f"The host is {host!r}, which is not this machine. {told}")
        origin = call.headers.get("origin")
        if origin is not None and origin != _page_of(call.origin):
            return problem(403, f"The call comes from a page of {origin!r}. Allowed: pages of this mock, and no page.")
        site = call.headers.get("sec-fetch-site", "none")
        if site not in _OWN and call.method not in ("GET", "HEAD"):
            return problem(403, f"The call comes from a page of another site ({site}). Allowed: pages of this mock.")
        if self.token is not None and not self._has_token(call):
            return problem(
                401,
                f"The control of this mock needs its token, which it printed when it started: send it as the header "
                f"{HEADER}, as authorization: Bearer, or as ?{QUERY}= in the address.",
                headers={"www-authenticate": 'Bearer realm="mock"'},
            )
        return None

    def _has_token(self, call: Incoming) -> bool:
        given = (
            call.headers.get(HEADER),
            call.headers.get("authorization", "").removeprefix("Bearer "),
            call.query.get(QUERY),
        )
        token = (self.token or "").encode()
        return any(each is not None and hmac.compare_digest(each.encode("utf-8", "replace"), token) for each in given)


def _host(origin: str) -> str:
    try:
        return (urlsplit(origin).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def _page_of(origin: str) -> str:
    scheme, _, rest = origin.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

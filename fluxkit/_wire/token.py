"""The one-time token in a webhook's address: whoever brings it back with an id tells which submit the id belongs to.

It is the one sure way to the id of a submit whose answer was lost, so it is random enough that nobody guesses it. It
stands at the end of the query, ``?fluxkit=<token>``, where it changes no route of the receiver, and it is read up to
the first letter that no token has: a service that adds ``/callback`` to the text of an address does not spoil it.
"""

import re
import secrets
from typing import Final

NAME: Final = "fluxkit"
_BYTES: Final = 16
_TOKEN: Final = re.compile(rf"[?&]{NAME}=([A-Za-z0-9_-]{{22}})(?![A-Za-z0-9_-])")


def new_token() -> str:
    """A fresh token of 128 random bits."""
    return secrets.token_urlsafe(_BYTES)


def new_key() -> str:
    """A fresh key by which a service is to know a submit again: 128 random bits, of nothing else."""
    return secrets.token_hex(_BYTES)


def with_token(url: str, token: str) -> str:
    """*url*, byte for byte, with the token at the end of its query."""
    address, mark, fragment = url.partition("#")
    return f"{address}{'&' if '?' in address else '?'}{NAME}={token}{mark}{fragment}"


def read_token(url: str) -> str | None:
    """The token in an address; None if there is none. Of several the last counts: that one is ours."""
    found = _TOKEN.findall(url)
    return found[-1] if found else None

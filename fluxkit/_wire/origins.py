"""Where a key may go: to the origin of the address that is called, and to those that its declaration names."""

import functools
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from .declaration import Provider

USUAL_PORTS: Mapping[str, str] = {"http": ":80", "https": ":443"}


@functools.lru_cache(maxsize=512)  # of a base URL it is asked with each call
def origin(url: str) -> str:
    """Scheme, host and port of an address, as text, without the scheme's usual port; empty if it cannot be read."""
    try:
        parts = urlsplit(url)
    except ValueError:  # half an IPv6 address
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower().removesuffix(USUAL_PORTS.get(parts.scheme, ""))


def admits(provider: Provider, base_url: str, url: str) -> bool:
    """Whether the key may go where *url* points.

    That is the base URL's own origin, and those that the declaration names; the latter count only while the base URL is
    among them, because another one says that the declared hosts are not meant.
    """
    here, there = origin(base_url), origin(url)
    if not url.lower().startswith(there):  # the text hides characters that its parser drops
        return False
    return here == there or (_is_declared(provider, here) and _is_declared(provider, there))


def _is_declared(provider: Provider, place: str) -> bool:
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", "[a-z0-9-]*"), place)
        for pattern in (origin(provider.base_url), *provider.origins)
    )

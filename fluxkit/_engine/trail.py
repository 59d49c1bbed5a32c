"""The way of a download: from its link through redirects, each of which leads where downloads may go."""

import re
import urllib.parse
from collections.abc import Callable
from typing import Final

from .._wire.link import Link, read_link
from .answer import Answer, Fault

#: The redirects that one download follows at most.
HOPS: Final = 5

_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)


class Stray(Exception):
    """Where somebody sent us that we do not go."""


class Trail:
    """The way of one download: the *link* where it is, and the *status* of the last answer, None before the first.

    Each link leads to a public https host, but for those that are *free* of that.

    Raises:
        Fault: the link of the download is no address.
        Stray: it leads to a host where downloads do not go.
    """

    def __init__(self, url: str, *, free: Callable[[Link], bool]) -> None:
        self._free = free
        self.status: int | None = None
        self._hops = 0
        self.link = self._allowed(url)

    @property
    def guarded(self) -> bool:
        """Whether *link* must lead to a public host, which whoever connects must make sure of."""
        return not self._free(self.link)

    def moves(self, answer: Answer) -> bool:
        """Whether the answer sends the download on; then *link* is where.

        Raises:
            Fault: the answer is neither the file nor the way to it.
            Stray: it leads to a host where downloads do not go.
        """
        self.status = answer.status
        if answer.status == 200:
            return False
        if answer.status not in _MOVED:
            raise Fault(f"the link answered HTTP {answer.status}, not 200")
        if "location" not in answer.headers:
            raise Fault(f"the link answered HTTP {answer.status} and did not say where the image is")
        if self._hops == HOPS:
            raise Fault(f"the link led through more than {HOPS} redirects")
        self._hops += 1
        # A header is bytes, read as Latin-1; those that are not ASCII go out again as they came.
        location = answer.headers["location"].encode("latin-1").decode("utf-8", "surrogateescape")
        self.link = self._allowed(_resolved(self.link, location))
        return True

    def _allowed(self, url: str) -> Link:
        try:
            link = read_link(url)
        except ValueError as error:
            scheme = _SCHEME.match(url)
            if scheme is not None and scheme[1].lower() not in ("http", "https"):
                raise Stray(f"an address of the kind {scheme[1][:20]}:") from None
            raise Fault(f"the link is no usable address: {error}") from None
        if link.named:
            raise Stray(f"{link.where} with a user name in the link")
        if not self._free(link) and (link.scheme != "https" or not link.public):
            raise Stray(f"{link.scheme}://{link.where}")
        return link


def _resolved(link: Link, location: str) -> str:
    """The address that a Location header means, as it was written wherever it gives the whole path."""
    if _SCHEME.match(location):
        return location
    if location.startswith("//"):
        return f"{link.scheme}:{location}"
    if location.startswith("/"):
        return f"{link.scheme}://{link.where}{location}"
    return urllib.parse.urljoin(str(link), location)

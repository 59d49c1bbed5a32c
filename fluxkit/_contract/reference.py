"""A reference: an image that is sent in, for its style or its subject."""

from typing import Any
from urllib.parse import urlsplit

import attrs

from ..errors import ReferenceUnusable
from .media import kind
from .report import shorten

ALLOWED = "the bytes of a JPEG, PNG, WebP or GIF image, or a public http(s) address"


@attrs.frozen(repr=False)
class Reference:
    """An image by its *content*, or by its public *url*; exactly one of the two."""

    content: bytes | None = None
    url: str | None = None

    def __attrs_post_init__(self) -> None:
        if (self.content is None) == (self.url is None):
            raise ReferenceUnusable("A reference has either content or url.")

    @classmethod
    def of(cls, source: Any) -> "Reference":
        """A reference from what a user has at hand; raises ``ReferenceUnusable`` if it is no image and no address."""
        if isinstance(source, Reference):  # perhaps made by hand, so it is looked at like anything else
            source = source.url if source.content is None else source.content
        if isinstance(source, bytes | bytearray | memoryview):
            content = bytes(source)
            if kind(content[:32]) is None:
                start = shorten(content[:12])
                raise ReferenceUnusable(
                    f"A reference of {len(content)} bytes is no image: it starts with {start}. Allowed: {ALLOWED}."
                )
            return cls(content=content)
        if is_address(source):
            return cls(url=source)
        raise ReferenceUnusable(f"A reference is {shorten(source)}. Allowed: {ALLOWED}.")

    @property
    def format(self) -> str | None:
        """``png``, ``jpeg``, ``webp`` or ``gif`` by the first bytes; None for an address."""
        return None if self.content is None else kind(self.content[:32])

    def __repr__(self) -> str:
        if self.content is None:
            return f"Reference(url={self.url!r})"
        import hashlib  # slow to import, and only whoever looks at a reference needs it

        digest = hashlib.sha256(self.content).hexdigest()[:12]
        return f"Reference({self.format}, {len(self.content)} bytes, sha256 {digest})"


def is_address(value: Any) -> bool:
    """Whether *value* is an http(s) address: it names a host, and holds nothing that would have to be quoted first."""
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        return False
    if " " in value or not value.isprintable():
        return False
    try:
        address = urlsplit(value)
        return bool(address.hostname) and address.port != 0  # a port that is no number raises
    except ValueError:
        return False

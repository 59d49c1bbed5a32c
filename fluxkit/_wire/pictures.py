"""Codecs of pictures: references as their bytes or their address, and images that an answer holds itself."""

import base64
import binascii
from typing import Any

import attrs

from .._contract.by_fields import by_fields
from .._contract.media import kind
from .._contract.reference import Reference
from .body import Blob
from .codec import Scalar
from .json import Json, unfit
from .pending import Pending
from .scalars import Link, names


@by_fields
@attrs.frozen(eq=False, repr=False)
class Base64(Scalar):
    """A reference by its content, as base64 text after *prefix*; of one of *formats* by its first bytes.

    It is written as a ``Blob``, which becomes text when it is sent; an address that is fetched first stays ``Pending``.
    """

    formats: tuple[str, ...] = attrs.field(converter=names)
    prefix: str = ""

    @property
    def allowed(self) -> str:
        return f"an image ({', '.join(self.formats)})"

    def write(self, value: Any, /) -> Json:
        if isinstance(value, Pending) and value.fetched:
            return value
        if isinstance(value, Reference) and value.format in self.formats:
            return Blob(value, self.prefix)
        raise unfit(value, self.allowed)

    def read(self, json: Json, /) -> Any:
        if isinstance(json, Pending) and json.fetched:
            return json
        if isinstance(json, Blob) and json.prefix == self.prefix and json.reference.format in self.formats:
            return json.reference
        content = decoded(json, self.prefix)
        if content is None or kind(content[:32]) not in self.formats:
            raise unfit(json, f"base64 of an image ({', '.join(self.formats)})")
        return Reference(content=content)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Hosted(Scalar):
    """A reference by its public address; an image that is uploaded first stays ``Pending``."""

    allowed = "a public http(s) address"

    def write(self, value: Any, /) -> Json:
        if isinstance(value, Pending) and not value.fetched:
            return value
        if isinstance(value, Reference) and Link().admits(value.url):
            return Link().write(value.url)
        raise unfit(value, self.allowed)

    def read(self, json: Json, /) -> Any:
        if isinstance(json, Pending) and not json.fetched:
            return json
        if Link().admits(json):
            return Reference(url=json)
        raise unfit(json, self.allowed)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Bytes(Scalar):
    """A picture inside the answer itself, as base64 text."""

    allowed = "base64 text"

    def write(self, value: Any, /) -> Json:
        if not isinstance(value, bytes):
            raise unfit(value, "bytes")
        return base64.b64encode(value).decode("ascii")

    def read(self, json: Json, /) -> Any:
        content = decoded(json, "")
        if content is None:
            raise unfit(json, self.allowed)
        return content


def decoded(json: Json, prefix: str) -> bytes | None:
    """The bytes behind base64 text, None if it is no such text."""
    if not isinstance(json, str) or not json.startswith(prefix):
        return None
    try:
        return base64.b64decode(json[len(prefix) :], validate=True)
    except (binascii.Error, ValueError):
        return None

"""What a picture is: its format, told by a name or by its first bytes, and its sides."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from .by_fields import by_fields

#: The formats that are known, by their canonical name, with their media types.
TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}
)

#: The file suffixes of each format, the preferred one first.
SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"png": (".png",), "jpeg": (".jpg", ".jpeg"), "webp": (".webp",), "gif": (".gif",)}
)

_FORMATS: Final = {
    **{media_type: name for name, media_type in TYPES.items()},
    **{suffix: name for name, suffixes in SUFFIXES.items() for suffix in suffixes},
    **{suffix[1:]: name for name, suffixes in SUFFIXES.items() for suffix in suffixes},
    "image/jpg": "jpeg",  # registered nowhere, sent by many servers
}

#: How files of these formats begin; WebP has no one beginning.
PNG: Final = b"\x89PNG\r\n\x1a\n"
JPEG: Final = b"\xff\xd8\xff"
GIFS: Final = (b"GIF87a", b"GIF89a")


class NotAnImage(ValueError):
    """The bytes are no PNG, JPEG, WebP or GIF, or they begin as one and then break its rules."""


class Truncated(ValueError):
    """The bytes begin as a picture and end too early."""


@by_fields
@attrs.frozen(eq=False, repr=False)
class Media:
    """The type of a picture and its sides in pixels."""

    media_type: str = attrs.field(validator=attrs.validators.in_(tuple(TYPES.values())))
    width: int
    height: int

    @property
    def format(self) -> str:
        """The canonical name of the format: a key of `TYPES`."""
        return _FORMATS[self.media_type]

    @property
    def suffix(self) -> str:
        """The preferred file suffix, with its dot."""
        return SUFFIXES[self.format][0]


def format_named(name: str) -> str | None:
    """The format that a format name, a file suffix or a media type means, in any case; None if it means none.

    `"jpg"`, `".JPEG"`, `"image/jpeg; charset=binary"` and `"image/jpg"` all mean `"jpeg"`.
    """
    return _FORMATS.get(name) or _FORMATS.get(name.partition(";")[0].strip().lower())


def kind(head: bytes) -> str | None:
    """The format that the first bytes of a file show, or None. Twelve bytes suffice."""
    if head.startswith(PNG):
        return "png"
    if head.startswith(JPEG):
        return "jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(GIFS):
        return "gif"
    return None

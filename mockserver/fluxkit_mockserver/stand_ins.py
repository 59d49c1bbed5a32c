"""Images that stand in for those of which only their type, their sides and their bytes are known."""

import functools
import io

from PIL import Image

from fluxkit._contract.media import format_named

from .pictures import LARGEST_REFERENCE, LARGEST_SIDE

#: The sides of an image of which none are known.
USUAL = 64

#: The most bytes that a stand-in is filled up to, which is more than a reference may have.
MOST_BYTES = 50_000_000


@functools.lru_cache(maxsize=16)
def stand_in(media_type: str, width: int | None, height: int | None, size: int) -> bytes:
    """A grey image of that type and those sides, filled up to *size* bytes behind its end, where decoders do not look.

    Raises ``ValueError`` for a type that is none of a picture, and for sides that nobody can draw.
    """
    wide, high = width or USUAL, height or USUAL
    name = format_named(media_type)
    if name is None:
        raise ValueError(f"media_type is {media_type!r}. Allowed: the type of a PNG, JPEG, WebP or GIF.")
    if wide * high > LARGEST_REFERENCE or max(wide, high) > LARGEST_SIDE:
        raise ValueError(f"width and height are {wide}x{high}. Allowed: at most {LARGEST_REFERENCE} pixels.")
    file = io.BytesIO()
    Image.new("L", (wide, high), 128).save(file, name)
    content = file.getvalue()
    return content + bytes(max(0, min(size, MOST_BYTES) - len(content)))

"""Images that stand in for those of which only their type, their sides and their bytes are known."""

import functools
import io
import math

from PIL import Image

from fluxkit._contract.media import format_named

from .pictures import LARGEST_REFERENCE, LARGEST_SIDE

#: The sides of an image of which none are known.
USUAL = 64

#: The most bytes that a stand-in is filled up to, which is more than a reference may have.
MOST_BYTES = 50_000_000


@functools.lru_cache(maxsize=4)
def stand_in(media_type: str, width: int | None, height: int | None, size: int) -> bytes:
    """A grey image of that type and those sides, filled up to *size* bytes behind its end, where decoders do not look.

    One that would be too large to draw is smaller. Raises ``ValueError`` for a type that is none of a picture.
    """
    wide, high = width or USUAL, height or USUAL
    scale = min(1.0, LARGEST_SIDE / max(wide, high), math.sqrt(LARGEST_REFERENCE / (wide * high)))
    wide, high = max(1, int(wide * scale)), max(1, int(high * scale))
    name = format_named(media_type)
    if name is None:
        raise ValueError(f"media_type is {media_type!r}. Allowed: the type of a PNG, JPEG, WebP or GIF.")
    file = io.BytesIO()
    Image.new("L", (wide, high), 128).save(file, name)
    content = file.getvalue()
    return content + bytes(max(0, min(size, MOST_BYTES) - len(content)))

"""What the file of a picture shows: its sides, and whether all of it is there.

Nothing is decoded. Headers give the type and the sides; the structure of the file gives the end:

======  ===========================  ===================================================
format  the sides come from          a file is complete when
======  ===========================  ===================================================
PNG     IHDR                         an IEND chunk follows the picture (IDAT)
JPEG    the frame header (SOF)       an end-of-image marker (EOI) follows the first scan
WebP    the VP8, VP8L or VP8X chunk  it is as long as its RIFF header says
GIF     the logical screen           its chain of blocks reaches the trailer
======  ===========================  ===================================================

Bytes after the end belong to no picture and are ignored, as decoders do: cameras and editors append padding, previews
and films. So a complete picture may carry an appendix that is cut off, and this module does not notice. Nor does it
notice damage inside: a checksum is never computed. The sides are those of the stored picture, without regard to an
orientation in EXIF.

Sources: PNG, third edition (W3C), 5.2 to 5.6 and 11.2; JPEG, ITU-T T.81, annex B; WebP, RFC 9649, 2; VP8, RFC 6386,
9.1; GIF89a (CompuServe, 1990), 17 to 27.
"""

import os
import re
import struct
from collections.abc import Callable, Mapping
from typing import BinaryIO, Final

from .media import GIFS, JPEG, PNG, TYPES, Media, NotAnImage, Truncated, kind

_IEND: Final = b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"

_HEAD: Final = 2048  # bytes read at once: the headers of most pictures, up to the first scan of a JPEG
_BLOCK: Final = 65536  # bytes read at once where much of a file has to be seen

# Bounds on hostile files, each far above what encoders write: a colour profile takes at most 255 JPEG segments,
# and 65,536 PNG chunks of the common 8 KiB are 512 MiB, as 1,048,576 full GIF blocks are 255 MiB.
_MOST_SEGMENTS: Final = 2048
_MOST_CHUNKS: Final = 65536
_MOST_BLOCKS: Final = 1048576
_MOST_FILL: Final = 4096  # bytes between two JPEG segments

_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15, but for DHT, JPG and DAC
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM and RST0 to RST7: markers without a segment
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_LONG: Final = frozenset(range(0x01, 0xFF)) - _BARE - {_SOI, _EOI}  # markers with a segment


def read_media(file: BinaryIO) -> Media:
    """Reads type and sides from the headers, and looks no further: the picture may still be incomplete.

    The picture is the whole of `file`, from its first byte wherever its position is; the file is rewound afterwards,
    also after an error.

    Raises:
        NotAnImage: it is none of the four formats, or its headers break the rules of its format.
        Truncated: the file ends within the headers.
    """
    try:
        return _read(_Window(file))[0]
    finally:
        file.seek(0)


def examine(source: str | os.PathLike[str] | BinaryIO) -> Media:
    """Reads type and sides, and makes sure that the picture is there to its end.

    A file is taken as `read_media` takes it; a path is opened, with the `OSError` that this may raise. A PNG, JPEG or
    WebP without an appendix costs a read at the head, one at the tail, and one for each large segment of metadata.
    A GIF is walked block by block, because its one-byte trailer occurs anywhere in its pixels.

    Raises:
        NotAnImage: it is none of the four formats, or its structure breaks the rules of its format.
        Truncated: the file ends before the picture does.
    """
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            return examine(file)
    try:
        window = _Window(source)
        media, rest = _read(window)
        _ENDS[media.format](window, rest, source.seek(0, os.SEEK_END))
        return media
    finally:
        source.seek(0)


class _Window:
    """Reads at any offset of a file, by way of one small buffer."""

    __slots__ = ("_buffer", "_file", "_start")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = file.seek(0)
        self._buffer = file.read(_HEAD)

    def peek(self, offset: int, length: int) -> bytes:
        """At most `length` bytes; fewer only where the file ends."""
        at = offset - self._start
        if at < 0 or at + length > len(self._buffer):
            self._start = self._file.seek(offset)
            self._buffer = self._file.read(max(length, _HEAD))
            at = 0
        return self._buffer[at : at + length]

    def read(self, offset: int, length: int, *, part: str) -> bytes:
        """Exactly `length` bytes of the named part, or `Truncated`."""
        found = self.peek(offset, length)
        if len(found) < length:
            raise Truncated(f"the file ends within {part}: {len(found)} of {length} bytes at offset {offset}")
        return found


def _read(window: _Window) -> tuple[Media, int]:
    """The picture as its headers describe it, and the offset from where its end is looked for."""
    head = window.peek(0, 12)
    name = kind(head)
    if name is None:
        raise _unknown(head)
    width, height, rest = _SIDES[name](window)
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31):
        raise NotAnImage(f"the {name} header gives sides of {width} x {height} pixels")
    return Media(TYPES[name], width, height), rest


def _unknown(head: bytes) -> ValueError:
    """The error for bytes that show no format: too few of the right ones, or others."""
    if not head:
        return NotAnImage("the file is empty")
    for name, signature in ("png", PNG), ("jpeg", JPEG), ("gif", GIFS[0]), ("gif", GIFS[1]):
        if signature.startswith(head):
            return Truncated(f"the file ends within the {name} signature, after {len(head)} bytes")
    if len(head) < 12 and b"RIFF".startswith(head[:4]) and b"WEBP".startswith(head[8:]):
        return Truncated(f"the file ends within the webp signature, after {len(head)} bytes")
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in head)
    return NotAnImage(f"not a PNG, JPEG, WebP or GIF: it starts with {head.hex(' ')} ('{text}')")


def _png_sides(window: _Window) -> tuple[int, int, int]:
    header = window.read(8, 16, part="the IHDR chunk")
    if header[:8] != b"\x00\x00\x00\rIHDR":
        raise NotAnImage(f"a png starts with an IHDR chunk, this one with {header[:8].hex(' ')}")
    width, height = struct.unpack_from(">II", header, 8)
    return width, height, 33


def _png_end(window: _Window, offset: int, size: int) -> None:
    """Walks the chunks to the picture, since one of metadata may hold a whole PNG, and then looks at the tail first."""
    drawn = False
    for _ in range(_MOST_CHUNKS):
        length, name = struct.unpack(">I4s", window.read(offset, 8, part="the png: no IEND chunk"))
        if not name.isalpha():
            raise NotAnImage(f"{name.hex(' ')} at offset {offset + 4} of a png names no chunk")
        following = offset + 12 + length
        if following > size:
            raise Truncated(f"the file ends within the {name.decode()} chunk of the png: {size} of {following} bytes")
        if name == b"IEND":
            if not drawn:
                raise NotAnImage("the png holds no picture: no IDAT chunk")
            return
        if name == b"IDAT" and not drawn:
            drawn = True
            if following <= size - 12 and window.peek(size - 12, 12) == _IEND:
                return
        offset = following
    raise NotAnImage(f"a png of more than {_MOST_CHUNKS} chunks")


def _jpeg_segment(window: _Window, offset: int) -> tuple[int, int, int]:
    """The code of the next marker, the offset of its length field, and that of what follows its segment."""
    head = window.peek(offset, 4)
    if len(head) == 4 and head[0] == 0xFF and head[1] in _LONG:
        length = head[2] << 8 | head[3]
        if length >= 2:
            return head[1], offset + 2, offset + 2 + length
    return _jpeg_rarity(window, offset)


def _jpeg_rarity(window: _Window, offset: int) -> tuple[int, int, int]:
    """The same for a marker without a segment, or behind fill bytes; or why there is none.

    Fill bytes (0xFF) before a marker are lawful; other stray bytes are not, but decoders skip them.
    """
    marker = window.read(offset, 2, part="the jpeg: no picture yet")
    if marker[0] != 0xFF or marker[1] in (0x00, 0xFF):
        fill = window.peek(offset, _MOST_FILL)
        found = re.search(rb"\xff[^\x00\xff]", fill)
        if found is None:
            if len(fill) < _MOST_FILL:
                raise Truncated(f"the jpeg ends without a picture: no marker from offset {offset} on")
            raise NotAnImage(f"no marker in {_MOST_FILL} bytes from offset {offset} of a jpeg")
        marker = found[0]
        offset += found.start()
    code = marker[1]
    if code in _BARE:
        return code, offset + 2, offset + 2
    if code in (_SOI, _EOI):
        raise NotAnImage(f"a jpeg without a picture: marker ff {code:02x} at offset {offset}")
    length = int.from_bytes(window.read(offset + 2, 2, part="the jpeg: no picture yet"), "big")
    if length < 2:
        raise NotAnImage(f"the segment ff {code:02x} at offset {offset} of a jpeg says that it has {length} bytes")
    return code, offset + 2, offset + 2 + length


def _jpeg_sides(window: _Window) -> tuple[int, int, int]:
    following = 2
    for _ in range(_MOST_SEGMENTS):
        code, offset, following = _jpeg_segment(window, following)
        if code in _FRAMES:
            height, width = struct.unpack_from(">HH", window.read(offset, 7, part="the jpeg frame header"), 3)
            return width, height, following
        if code == _SOS:
            raise NotAnImage(f"a jpeg scan at offset {offset - 2} without a frame header before it")
    raise NotAnImage(f"a jpeg of more than {_MOST_SEGMENTS} segments before its frame header")


def _jpeg_end(window: _Window, offset: int, size: int) -> None:
    """Looks for the end only behind the first scan header: metadata may hold a whole JPEG, coded pixels no marker."""
    for _ in range(_MOST_SEGMENTS):
        code, _, offset = _jpeg_segment(window, offset)
        if code == _SOS:
            break
    else:
        raise NotAnImage(f"a jpeg of more than {_MOST_SEGMENTS} segments before its first scan")
    if offset <= size - 2 and window.peek(size - 2, 2) == b"\xff\xd9":
        return
    while offset < size - 1:
        if b"\xff\xd9" in window.peek(offset, _BLOCK):
            return
        offset += _BLOCK - 1  # the marker may lie across two blocks
    raise Truncated(f"the jpeg has no end-of-image marker (ff d9): the file ends at {size} bytes")


def _webp_sides(window: _Window) -> tuple[int, int, int]:
    riff, name, length = struct.unpack("<I4x4sI", window.read(4, 16, part="the first chunk of the webp"))
    if length + 12 > riff:
        raise NotAnImage(f"a webp chunk of {length} bytes in a RIFF file of {riff}")
    if name == b"VP8X":
        flags_and_sides = window.read(20, 10, part="the VP8X chunk")
        width = int.from_bytes(flags_and_sides[4:7], "little") + 1
        height = int.from_bytes(flags_and_sides[7:10], "little") + 1
    elif name == b"VP8L":
        signature, sides = struct.unpack("<BI", window.read(20, 5, part="the VP8L chunk"))
        if signature != 0x2F:
            raise NotAnImage(f"a VP8L chunk starts with 2f, this one with {signature:02x}")
        width, height = (sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1
    elif name == b"VP8 ":
        start, width, height = struct.unpack("<3x3sHH", window.read(20, 10, part="the VP8 chunk"))
        if start != b"\x9d\x01\x2a":
            raise NotAnImage(f"a VP8 key frame has the start code 9d 01 2a, this one {start.hex(' ')}")
        width, height = width & 0x3FFF, height & 0x3FFF  # the upper two bits are a scale for display
    else:
        raise NotAnImage(f"a webp starts with a VP8, VP8L or VP8X chunk, this one with {name.hex(' ')}")
    return width, height, 8 + riff


def _webp_end(_: _Window, offset: int, size: int) -> None:
    if size < offset:
        raise Truncated(f"the webp is {offset} bytes long by its RIFF header: the file ends at {size}")


def _gif_sides(window: _Window) -> tuple[int, int, int]:
    width, height, flags = struct.unpack("<HHB2x", window.read(6, 7, part="the logical screen of the gif"))
    return width, height, 13 + _colours(flags)


def _gif_end(window: _Window, offset: int, size: int) -> None:
    """Walks blocks and sub-blocks in one loop, so that one bound holds for both."""
    blocks, at, inside = b"", 0, False
    for _ in range(_MOST_BLOCKS):
        if at + 10 > len(blocks):
            offset += at
            blocks, at = window.peek(offset, _BLOCK), 0
            if not blocks:
                break
        first = blocks[at]
        if inside:
            at += 1 + first
            inside = first != 0
        elif first == 0x3B:
            return
        elif first == 0x21:  # an extension: introducer, label, sub-blocks
            at += 2
            inside = True
        elif first == 0x2C:  # an image: separator, place and sides, flags, colours, code size, sub-blocks
            if at + 10 > len(blocks):
                break
            at += 11 + _colours(blocks[at + 9])
            inside = True
        elif first == 0x00:  # one terminator too many: unlawful, but decoders skip it
            at += 1
        else:
            raise NotAnImage(f"{first:02x} at offset {offset + at} of a gif starts no block")
    else:
        raise NotAnImage(f"a gif of more than {_MOST_BLOCKS} blocks")
    raise Truncated(f"the gif has no trailer (3b): the file ends at {size} bytes")


def _colours(flags: int) -> int:
    """The bytes of the colour table that the flags of a GIF screen or image announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


_SIDES: Final[Mapping[str, Callable[[_Window], tuple[int, int, int]]]] = {
    "png": _png_sides,
    "jpeg": _jpeg_sides,
    "webp": _webp_sides,
    "gif": _gif_sides,
}
_ENDS: Final[Mapping[str, Callable[[_Window, int, int], None]]] = {
    "png": _png_end,
    "jpeg": _jpeg_end,
    "webp": _webp_end,
    "gif": _gif_end,
}

"""What users have at hand for an image, read into bytes: ``data:`` URIs, open files, objects that save themselves.

Nothing here shows what it has read: what is no image may be anything, a key among others.
"""

import io
import os
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

from ..errors import ReferenceUnusable
from .report import shorten

#: The largest image that is sent in, in bytes.
MOST_BYTES = 50_000_000

#: How many of its first bytes tell what an image is.
HEAD = 32

ALLOWED = (
    "a path, bytes, an open binary file, a data: URI or an http(s) address of a JPEG, PNG, WebP or GIF image of at most"
    " 50 MB, or an object with save(file, format)"
)


def unusable(what: str) -> ReferenceUnusable:
    """The error that says *what* a reference is, and what may be one."""
    return ReferenceUnusable(f"{what}. Allowed: {ALLOWED}.")


def too_large(size: int) -> ReferenceUnusable:
    """The error for an image of so many bytes, or for one that has more than are taken."""
    found = f"of {measured(size)}" if size <= 2 * MOST_BYTES else f"of more than {measured(MOST_BYTES)}"
    return unusable(f"A reference {found} is too large: make the image smaller")


def measured(size: int) -> str:
    """A number of bytes as people read it."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.1f} kB" if size < 999_950 else f"{size / 1_000_000:.1f} MB"


def read_uri(uri: str) -> bytes:
    """The bytes in a ``data:`` URI, base64 or percent-encoded."""
    head, comma, rest = uri.partition(",")
    if not comma:
        raise unusable(f"A reference is {shorten(head, 40)}, a data: URI without a comma")
    if len(rest) > 3 * MOST_BYTES:  # even if every byte of it is percent-encoded
        raise too_large(len(rest))
    content = unquote_to_bytes(rest)
    if not head.lower().endswith(";base64"):
        return content
    import base64  # only these addresses need it

    packed = content.translate(None, b" \t\n\f\r")
    try:  # browsers ask for no padding either
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except ValueError:
        raise unusable(f"A reference is {shorten(head, 40)},... and is no base64") from None


def read_object(source: Any) -> bytes | None:
    """The bytes of an open binary file from where it stands, or of an object that can be saved; None if it is none."""
    try:
        read, save = getattr(source, "read", None), getattr(source, "save", None)
        if isinstance(source, type) or not (callable(read) or callable(save)):
            return None
        if callable(read):
            return _read(read)
        buffer = io.BytesIO()
        source.save(buffer, "PNG")
        return buffer.getvalue()
    except ReferenceUnusable:
        raise
    except Exception as error:  # a user's object may raise anything
        what = "read" if callable(getattr(source, "read", None)) else "saved as PNG"
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:120].rstrip(".: ")
        raise unusable(f"A reference is {shorten(source)}, which cannot be {what} ({reason})") from error


def _read(read: Any) -> bytes:
    content = bytearray()
    while len(content) <= MOST_BYTES:
        piece = read(MOST_BYTES + 1 - len(content))
        if not isinstance(piece, bytes | bytearray | memoryview):
            what = "text" if isinstance(piece, str) else type(piece).__name__
            raise unusable(f"A reference is a file that reads as {what}, not as bytes: open it with mode 'rb'")
        if not piece:
            return bytes(content)
        content += piece
    raise too_large(len(content))


def open_file(path: str | os.PathLike[str]) -> tuple[BinaryIO, os.stat_result]:
    """An open file with what the system says of it; raises ``OSError`` or ``ValueError``. A pipe does not block it."""
    file = open(  # noqa: SIM115 - it is handed on
        path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    )
    try:
        return file, os.fstat(file.fileno())
    except BaseException:
        file.close()
        raise

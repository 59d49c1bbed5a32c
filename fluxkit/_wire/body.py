"""Bodies that are written while they are sent: images as base64 in JSON, as a file in a form, or alone.

Nothing is copied whole, so four references of 10 MB cost no more memory than four small ones. A body may be iterated
over any number of times, because a call may be tried again.
"""

import binascii
import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs

from .._contract.reference import Reference
from .json import Json

#: Bytes of an image that are read at once. Three of them become four of base64, so pieces end without padding.
PIECE = 3 * 128 * 1024

#: What ``json.dumps`` would make anew for each document.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

#: Bytes of an image whose base64 tells any other text from it: three become four, without padding.
_BEGINNING = 3 * 256


@attrs.frozen(eq=False, repr=False)
class Blob:
    """The base64 of an image after *prefix*, in a JSON document where the text would be. It equals that text."""

    reference: Reference
    prefix: str = ""

    def __len__(self) -> int:
        return len(self.prefix) + -(-self.reference.size // 3) * 4

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Blob):
            return (self.reference, self.prefix) == (other.reference, other.prefix)
        return isinstance(other, str) and len(self) == len(other) and self.text() == other

    __hash__ = None  # type: ignore[assignment]  # it would have to be that of the text

    def text(self) -> str:
        """The text itself."""
        return self.prefix + b"".join(map(_encoder(), _read(self.reference))).decode("ascii")

    def __repr__(self) -> str:
        return f"<base64 of {self.reference}>"


class Body:
    """The body of a call, of known length, from bytes, blobs and images as they are.

    Raises ``ReferenceUnusable`` where an image is not what it was when its reference was made.
    """

    def __init__(self, parts: Iterable[bytes | Blob | Reference]) -> None:
        self.parts = tuple(part for part in parts if part != b"")  # an empty piece means the end to some
        self._length = sum(map(_length, self.parts))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            match part:
                case bytes():
                    yield part
                case Blob(reference=reference):
                    yield from map(_encoder(), _read(reference))
                case _:
                    yield from _read(part)

    def __bytes__(self) -> bytes:
        return b"".join(self)

    @property
    def from_files(self) -> bool:
        """Whether files are read for it, which an event loop must not wait for."""
        return any(each.file is not None for each in self._references())

    def check(self) -> None:
        """Makes sure that every image is still what it was."""
        for reference in self._references():
            reference.open().close()

    def _references(self) -> Iterator[Reference]:
        for part in self.parts:
            if not isinstance(part, bytes):
                yield part.reference if isinstance(part, Blob) else part

    def __repr__(self) -> str:
        return f"<body of {len(self)} bytes>"


def json_body(document: Json) -> bytes | Body:
    """*document* as JSON in UTF-8: bytes, or a body if there are blobs in it."""
    if not holds_blob(document):
        return _dumped(document).encode()
    return Body(pieces(document))


def pieces(document: Json) -> Iterator[bytes | Blob]:
    """The JSON of *document* with its blobs left as they are, between the quotes of their texts."""
    text = ""
    for part in _parts(document):
        if isinstance(part, str):
            text += part
        else:
            yield f'{text}"{_dumped(part.prefix)[1:-1]}'.encode()
            yield part
            text = '"'
    yield text.encode()


def form_body(field: str, reference: Reference) -> tuple[str, Body]:
    """A form with one file in it, and its content type. The file's own name is nobody's business."""
    boundary = secrets.token_hex(16)
    disposition = f'form-data; name="{field}"; filename="{reference.name}"'
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {reference.media_type}\r\n\r\n"
    body = Body([head.encode(), reference, f"\r\n--{boundary}--\r\n".encode()])
    return f"multipart/form-data; boundary={boundary}", body


def spelt(document: Json) -> Json:
    """*document* with text in the place of each blob, as the service reads it; of a large image its beginning does."""
    match document:
        case dict():
            return {key: spelt(value) for key, value in document.items()}
        case list():
            return [spelt(value) for value in document]
        case Blob(reference=reference, prefix=prefix):
            with reference.open() as file:
                return prefix + binascii.b2a_base64(file.read(_BEGINNING), newline=False).decode("ascii")
    return document


def _length(part: bytes | Blob | Reference) -> int:
    match part:
        case bytes():
            return len(part)
        case Blob(prefix=prefix):  # which is among the bytes before it
            return len(part) - len(prefix)
        case _:
            return part.size


def _read(reference: Reference) -> Iterator[bytes]:
    """An image in pieces of a known size, exactly as many bytes as it had when it was looked at."""
    with reference.open() as file:
        left = reference.size
        while left:
            piece = file.read(min(PIECE, left))
            left -= len(piece)
            if len(piece) < PIECE and left:
                raise reference.changed("became shorter while it was sent")
            if not left and not reference.is_as_it_was(file):
                raise reference.changed("changed while it was sent")
            yield piece


def _encoder() -> Callable[[bytes], bytes]:
    """Base64 without a line break. The standard library's is exact, and three times as slow."""
    try:
        import pybase64
    except ImportError:
        return lambda piece: binascii.b2a_base64(piece, newline=False)
    encode: Callable[[bytes], bytes] = pybase64.b64encode
    return encode


def _dumped(value: Any) -> str:
    return _JSON.encode(value)


def holds_blob(value: Json) -> bool:
    """Whether there is an image in it that is still to be written as base64."""
    match value:
        case dict():
            return any(map(holds_blob, value.values()))
        case list():
            return any(map(holds_blob, value))
        case _:
            return isinstance(value, Blob)


def _parts(value: Json) -> Iterator[str | Blob]:
    match value:
        case Blob():
            yield value
        case dict() if holds_blob(value):
            for turn, (key, item) in enumerate(value.items()):
                yield f"{',' if turn else '{'}{_dumped(key)}:"
                yield from _parts(item)
            yield "}"
        case list() if holds_blob(value):
            for turn, item in enumerate(value):
                yield "," if turn else "["
                yield from _parts(item)
            yield "]"
        case _:
            yield _dumped(value)

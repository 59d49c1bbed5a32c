"""A reference: an image that is sent in, for its style or its subject."""

import functools
import io
import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import attrs

from ..errors import ReferenceUnusable
from .by_fields import by_fields
from .media import SUFFIXES, TYPES, kind
from .report import shorten
from .source import HEAD, MOST_BYTES, measured, open_file, read_object, read_uri, too_large, unusable

#: A user name before the host: a password may stand beside it, so it is never shown.
_NAMED = re.compile(r"//[^/?#]*@")

#: Bytes that are read at once where all of a file is read.
_BLOCK = 1024 * 1024


@by_fields
@attrs.frozen(eq=False, repr=False)
class Reference:
    """An image by its *content*, by its public *url* or by its *file*; exactly one of the three.

    A file is looked at when the reference is made, and read when it is sent. By ``stamp``, which is its size, its time
    of change and its place on the disk, it is noticed if it was changed in between.
    """

    content: bytes | None = None
    url: str | None = None
    file: Path | None = None
    stamp: tuple[int, ...] | None = attrs.field(default=None, init=False)
    _kind: str | None = attrs.field(default=None, init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if [self.content, self.url, self.file].count(None) != 2:
            raise ReferenceUnusable("A reference has either content, url or file.")
        if self.file is not None:
            given = os.fsdecode(self.file)
            stamp, found = _look(given)
            object.__setattr__(self, "stamp", stamp)
            object.__setattr__(self, "_kind", found)
            # It still means the same file when the process has gone to another directory.
            object.__setattr__(self, "file", Path(given).absolute())

    @classmethod
    def of(cls, source: Any) -> "Reference":
        """A reference from what a user has at hand: a path, bytes, an open binary file, a ``data:`` URI, an address.

        Any object with Pillow's ``save(file, format)`` is saved as PNG. What an image is, its first bytes say, never
        its name. ``~`` in a path is not expanded. Raises ``ReferenceUnusable`` if it is no image and no address.
        """
        if isinstance(source, Reference):  # perhaps made by hand, so it is looked at like anything else
            if source.file is not None:
                return source
            source = source.url if source.content is None else source.content
        if isinstance(source, bytes | bytearray | memoryview):
            return cls(content=_checked(bytes(source)))
        if is_address(source):
            return cls(url=source)
        if isinstance(source, str) and source[:5].lower() == "data:":
            return cls(content=_checked(read_uri(source)))
        if isinstance(source, str | os.PathLike):
            return cls(file=source)  # type: ignore[arg-type]  # it becomes a path
        if (content := read_object(source)) is not None:
            return cls(content=_checked(content))
        raise unusable(f"A reference is {shorten(source)}")

    @property
    def format(self) -> str | None:
        """``png``, ``jpeg``, ``webp`` or ``gif`` by the first bytes; None for an address."""
        return self._kind if self.content is None else kind(self.content[:HEAD])

    @property
    def media_type(self) -> str | None:
        """The format as a media type, ``image/png``."""
        return TYPES.get(self.format or "")

    @property
    def size(self) -> int:
        """How many bytes the image has; 0 of an address."""
        if self.content is not None:
            return len(self.content)
        return 0 if self.stamp is None else self.stamp[0]

    @functools.cached_property
    def sha256(self) -> str:
        """The digest of the image in hexadecimal, read when it is first asked for; empty for an address."""
        if self.url is not None:
            return ""
        import hashlib  # slow to import, and only whoever looks at a reference needs it

        digest = hashlib.sha256()
        with self.open() as file:
            while piece := file.read(_BLOCK):
                digest.update(piece)
        return digest.hexdigest()

    @property
    def name(self) -> str:
        """A name by its format alone, such as ``image.png``, which tells nothing of the user's."""
        suffixes = SUFFIXES.get(self.format or "", ("",))
        return f"image{suffixes[0]}"

    def open(self) -> BinaryIO:
        """The image as an open binary file; raises ``ReferenceUnusable`` if its file has changed, or for an address."""
        if self.content is not None:
            return io.BytesIO(self.content)
        if self.file is None:
            raise ReferenceUnusable(f"The reference {self.url} is an address, and its image is not here.")
        try:
            file, found = open_file(self.file)
        except OSError as error:
            raise self.changed(f"cannot be read any more: {error.strerror}") from None
        if _stamp(found) != self.stamp:
            file.close()
            raise self.changed("has changed since the reference to it was made")
        return file

    def read(self) -> bytes:
        """All bytes of the image; raises like ``open``."""
        with self.open() as file:
            return file.read()

    def is_as_it_was(self, file: BinaryIO) -> bool:
        """Whether an open *file* of this reference has not been changed while it was read."""
        return self.file is None or _stamp(os.fstat(file.fileno())) == self.stamp

    def changed(self, what: str) -> ReferenceUnusable:
        """The error for a file that is not what it was."""
        name = shorten(self.file and self.file.name)
        return ReferenceUnusable(f"The reference {name} {what}. Make the request again, from the file as it is now.")

    def __str__(self) -> str:
        if self.url is not None:
            return _NAMED.sub("//...@", str(self.url))
        try:
            digest = f"sha256 {self.sha256[:12]}"
        except (ReferenceUnusable, OSError):  # whoever shows a reference does not want to hear of it
            digest = "changed since"
        name = self.format if self.file is None else self.file.name
        name = name if name is None or name.isprintable() else repr(name)
        return f"{name}, {measured(self.size)}, {digest}"

    def __repr__(self) -> str:
        return f"Reference(url={str(self)!r})" if self.url is not None else f"Reference({self})"


def _checked(content: bytes) -> bytes:
    if len(content) > MOST_BYTES:
        raise too_large(len(content))
    if kind(content[:HEAD]) is None:
        raise unusable(f"A reference of {measured(len(content))} is no image")
    return content


def _look(path: str) -> tuple[tuple[int, ...], str]:
    """The stamp and the format of the image in a file."""
    shown = shown_address(path) if ":/" in path else shorten(path)  # a mistyped address may hold a password, too
    try:
        file, found = open_file(path)
    except FileNotFoundError:
        raise unusable(f"A reference is {shown}, and there is no such file{_hint(path)}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file has such a name"
        raise unusable(f"A reference is {shown}, which cannot be read: {reason}{_hint(path)}") from None
    with file:
        if not stat.S_ISREG(found.st_mode):
            raise unusable(f"A reference is {shown}, which is no regular file")
        if found.st_size > MOST_BYTES:
            raise unusable(f"A reference is {shown} of {measured(found.st_size)}: make the image smaller")
        try:
            told = kind(file.read(HEAD))
        except OSError as error:
            raise unusable(f"A reference is {shown}, which cannot be read: {error.strerror}") from None
    if told is None:
        raise unusable(f"A reference is {shown}, a file of {measured(found.st_size)} that is no image")
    return _stamp(found), told


def _hint(path: str) -> str:
    if path.startswith("~"):
        return "; ~ is not expanded, so give the whole path"
    return "; an address begins with http:// or https:// and names a host" if ":/" in path else ""


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev


def shown_address(url: str) -> str:
    """An address as errors show it: without a password before its host, and without the signature behind it."""
    return shorten(_NAMED.sub("//...@", url).partition("?")[0], 120)


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

"""What comes down: the body of an answer, counted and unpacked; the document in it, or the file that it becomes.

Nothing here reads from a network, so the blocking and the asynchronous transport share all of it.
"""

import functools
import hashlib
import json
import math
import os
import re
import tempfile
import urllib.parse
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from .._contract.media import NotAnImage, Truncated, format_named
from .._contract.structure import examine
from .._wire.link import Link, read_link
from .effects import Fetched

HOPS: Final = 5
"""The redirects that one download follows at most."""

DEPTH: Final = 64
"""How deep a JSON document may be nested. A deeper one is treated as none, because reading it recurses."""

_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_EMPTY: Final = frozenset({204, 304})  # no body follows, whatever length the headers give
_ZIPPED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_EITHER_HEADER: Final = 32 + zlib.MAX_WBITS  # zlib finds out by itself whether gzip or deflate lies before it
_LENGTH: Final = re.compile("[0-9]{1,19}")
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


class Fault(Exception):
    """What is wrong with an answer or a file, in words; the transport makes it an error with host and status."""


class Stray(Exception):
    """Where somebody sent us that we do not go."""


class Answer:
    """Status and headers of an answer, and its body as it comes in: counted, unpacked, and handed on to *write*.

    *headers* have lower-case names, and the values of a repeated one are joined. *most* is the largest body in bytes,
    counted unpacked, because 200 kB of gzip can hold 200 MB.
    """

    def __init__(
        self, status: int, fields: Iterable[tuple[bytes, bytes]], *, most: int, write: Callable[[bytes], object]
    ) -> None:
        self.status = status
        self.headers: dict[str, str] = {}
        for name, value in fields:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text
        self._fault: str | None = None
        self._most = self._room = most
        self._write = write
        self._came = 0
        length = _LENGTH.fullmatch(self.headers.get("content-length", ""))
        self._promised = None if length is None or status in _EMPTY else int(length[0])
        coding = self.headers.get("content-encoding", "identity").lower()
        self._unzip = zlib.decompressobj(_EITHER_HEADER) if coding in _ZIPPED else None
        if self._unzip is None and coding != "identity":
            self._fault = f"the answer is packed as {coding[:40]!r}, which was not asked for"
        elif self._promised is not None and self._promised > most:
            self._fault = f"the answer has {self._promised} bytes; at most {most} are taken"

    def take(self, piece: bytes) -> str | None:
        """Takes the next piece as it came over the wire, and tells what is wrong with the answer, None if nothing is.

        It never raises, because an exception in the middle of an asynchronous iteration leaves generators behind that
        nobody closes. The first fault stands, and later pieces are dropped.
        """
        if self._fault is not None:
            return self._fault
        self._came += len(piece)
        try:
            if self._unzip is not None:
                piece = self._unzip.decompress(piece, self._room + 1)
                if self._unzip.unused_data:
                    raise Fault("something follows the packed answer")
            self._room -= len(piece)
            if self._room < 0:
                raise Fault(f"the answer has more than {self._most} bytes when it is unpacked; no more are taken")
            self._write(piece)
        except zlib.error as error:
            self._fault = f"the answer cannot be unpacked ({error})"
        except Fault as fault:
            self._fault = str(fault)
        return self._fault

    def end(self) -> None:
        """Makes sure that all of it came.

        Raises:
            Fault: something is wrong with it.
        """
        if self._fault is not None:
            raise Fault(self._fault)
        if self._promised is not None and self._came != self._promised:
            raise Fault(f"the answer ended after {self._came} of {self._promised} bytes")
        if self._unzip is not None and self._came and not self._unzip.eof:
            raise Fault("the answer ended before its packed content did")


def read_document(body: bytes) -> Any:
    """The JSON of a body; None if it is none, is deeper than `DEPTH`, or has numbers that JSON has not.

    Half a character, which a service leaves behind that cuts a text in the middle of an emoji, becomes a question mark:
    no journal, no terminal and no address takes it.
    """
    if body.count(b"[") + body.count(b"{") > DEPTH and _is_deep(body):
        return None
    try:
        document = _JSON.decode(body.decode("utf-8-sig"))
    except ValueError:
        return None
    return _whole(document) if _HALF.search(body) else document


def _whole(value: Any) -> Any:
    """A value of JSON whose texts can all be written."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(each) for name, each in value.items()}
    return value


def _is_deep(body: bytes) -> bool:
    """Whether brackets are nested too deep; what comes after the first thing that is no JSON does not matter."""
    depth = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEPTH:
            return True
    return False


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"{number} is larger than any number that can be kept")
    return value


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_JSON: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_refused)


class Draft:
    """A file that becomes *path* once it is whole, and leaves nothing behind otherwise. A context manager.

    A *path* that has not the suffix of a picture gets the one of the type that came. A file that is there is replaced
    only if the draft *replaces*; otherwise the next free name is taken, ``fox~2.png``. The draft lies beside *path*, so
    that taking its place is one step, and only its owner may read it. It is not forced to the disk.
    """

    def __init__(self, path: Path, *, replaces: bool = True) -> None:
        self._path = path
        self._replaces = replaces
        self._size = 0
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        try:
            number, name = self._made()
        except OSError as error:
            raise _disk_fault(self._path, error) from None
        self._draft: Path | None = Path(name)
        self._file: BinaryIO = open(number, "w+b", buffering=0)
        return self

    def _made(self) -> tuple[int, str]:
        """A file of mode 0600, and its name; the directory is made if it is not there any more."""
        make = functools.partial(tempfile.mkstemp, prefix=".fluxkit-", suffix=".part", dir=self._path.parent)
        try:
            return make()
        except FileNotFoundError:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return make()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._file.close()
        if self._draft is not None:
            with suppress(OSError):
                self._draft.unlink()

    def write(self, piece: bytes) -> None:
        """Adds a piece.

        Raises:
            Fault: the disk does not take it.
        """
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _disk_fault(self._path, error) from None
        self._size += len(piece)
        self._digest.update(piece)

    def finish(self, *, now: Callable[[], float]) -> Fetched:
        """Puts the file in its place, if it is a whole picture.

        Raises:
            Fault: it is no picture or not a whole one, or the disk refuses.
        """
        path, draft = self._path, self._draft
        assert draft is not None  # noqa: S101 - it is finished once
        try:
            media = examine(self._file)
            self._file.close()
            if format_named(path.suffix) is None:
                path = path.with_name(path.name + media.suffix)
            if self._replaces:
                draft.replace(path)
                self._draft = None
            else:
                path = _linked(draft, path)
        except NotAnImage as error:
            raise Fault(f"what came is no image: {error}") from None
        except Truncated as error:
            raise Fault(f"the image is not whole: {error}") from None
        except OSError as error:
            raise _disk_fault(path, error) from None
        return Fetched(
            path=path,
            media_type=media.media_type,
            width=media.width,
            height=media.height,
            size=self._size,
            sha256=self._digest.hexdigest(),
            at=now(),
        )


def _linked(draft: Path, path: Path) -> Path:
    """Gives the *draft* the first name of *path*, ``path~2``, ``path~3`` ... that is free; its own goes later.

    It is whole under that name from the first moment. Where a file cannot have two names, an empty one holds the place
    meanwhile, so that nobody else takes it.
    """
    free, number = path, 1
    while True:
        try:
            try:
                os.link(draft, free)
            except FileExistsError:
                raise
            except (OSError, NotImplementedError):
                free.touch(mode=0o600, exist_ok=False)
                draft.replace(free)
        except FileExistsError:
            number += 1
            free = path.with_stem(f"{path.stem}~{number}")
        else:
            return free


def keep(content: bytes, path: Path, *, replaces: bool = True, now: Callable[[], float]) -> Fetched:
    """Writes a picture that came inside an answer, with the checks of a download.

    Raises:
        Fault: it is no picture or not a whole one, or the disk refuses.
    """
    with Draft(path, replaces=replaces) as draft:
        draft.write(content)
        return draft.finish(now=now)


def sought(path: Path, sha256: str, *, now: Callable[[], float]) -> Fetched | None:
    """An image that was fetched before, if it is still in *path* and has this digest."""
    try:
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                return None
            size = file.tell()
            media = examine(file)
    except (OSError, ValueError):
        return None
    return Fetched(path, media.media_type, media.width, media.height, size, sha256, now())


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


def _disk_fault(path: Path, error: OSError) -> Fault:
    return Fault(f"{path} cannot be written ({error.strerror or error})")

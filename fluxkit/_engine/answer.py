"""An answer as it comes in: its body counted and unpacked piece by piece.

Nothing here reads from a network, so the blocking and the asynchronous transport share all of it.
"""

import re
import zlib
from collections.abc import Callable, Iterable
from typing import Final

_EMPTY: Final = frozenset({204, 304})  # no body follows, whatever length the headers give
_ZIPPED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_EITHER_HEADER: Final = 32 + zlib.MAX_WBITS  # zlib finds out by itself whether gzip or deflate lies before it
_LENGTH: Final = re.compile("[0-9]{1,19}")


class Fault(Exception):
    """What is wrong with an answer or a file, in words; the transport makes it an error with host and status."""


class Answer:
    """Status and headers of an answer, and its body as it comes in: counted, unpacked, and handed on to *write*.

    *headers* have lower-case names, and the values of a repeated one are joined. *most* is the largest body in bytes,
    counted unpacked, because 200 kB of gzip can hold 200 MB.
    """

    def __init__(
        self, status: int, fields: Iterable[tuple[bytes, bytes]], *, most: int, write: Callable[[bytes], object]
    ) -> None:
        self.status = status
        headers: dict[str, str] = {}
        for name, value in fields:
            key, text = name.lower().decode("latin-1"), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        self.headers = headers
        self._fault: str | None = None
        self._most = self._room = most
        self._write = write
        self._came = 0
        length = _LENGTH.fullmatch(headers.get("content-length", ""))
        self._promised = None if length is None or status in _EMPTY else int(length[0])
        coding = headers.get("content-encoding", "identity").lower()
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

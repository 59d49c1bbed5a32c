"""What references show, laid aside: a task is kept for a week, and of what came with it only its picture needs more.

A large image lies in a temporary file instead of in memory, the same image once. To make its thumbnail when it comes
would take a submit several times as long, and most pictures are never looked at. A file goes with the last task that
has brought it, a directory with its mock.
"""

import contextlib
import functools
import itertools
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from fluxkit._contract.by_fields import shown_by_fields
from fluxkit._contract.reference import Reference

#: How the directory of a mock is called, before it says whose it is.
ROOM = "fluxkit-mock-"

#: How many bytes of an image stay in memory at most.
MOST_IN_MEMORY = 1024


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Laid:
    """An image that was laid aside; to whoever looks at a request it is a reference by its content."""

    size: int
    sha256: str
    format: str | None
    shown: str
    _path: str = attrs.field(repr=False)
    _room: "_Room" = attrs.field(repr=False)  # which is there as long as this is

    url = None

    def read(self) -> bytes:
        """All of its bytes."""
        return Path(self._path).read_bytes()

    content = property(read)

    def __str__(self) -> str:
        return self.shown


@functools.lru_cache(maxsize=1)
def _tidy(directory: str) -> None:
    """Removes, once, the rooms of mocks that were killed."""
    from fluxkit._engine.process import sweep

    sweep(directory, ROOM)


class _Room:
    """A directory that goes with whoever holds it, and at the end of the process at the latest."""

    def __init__(self) -> None:
        from fluxkit._engine.process import mark

        _tidy(tempfile.gettempdir())
        self.path = tempfile.mkdtemp(prefix=f"{ROOM}{mark()}")
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class Shelf:
    """Where one mock lays images aside."""

    def __init__(self) -> None:
        self._lying: weakref.WeakValueDictionary[str, Laid] = weakref.WeakValueDictionary()
        self._numbers = itertools.count(1)

    @functools.cached_property
    def _room(self) -> _Room:
        return _Room()

    def take(
        self, values: Mapping[str, Any], contents: Sequence[bytes]
    ) -> tuple[Mapping[str, Any], tuple[bytes | Laid, ...]]:
        """What a request says and what its references show, the large ones laid aside in both."""
        if all(len(each) <= MOST_IN_MEMORY for each in contents):
            return values, tuple(contents)
        brought = tuple(map(self._lay, contents, values["references"]))
        pairs = zip(values["references"], brought, strict=True)
        said = tuple(each if isinstance(each, Laid) and one.url is None else one for one, each in pairs)
        return {**values, "references": said}, brought

    def _lay(self, content: bytes, said: Reference) -> bytes | Laid:
        if len(content) <= MOST_IN_MEMORY:
            return content
        # An exchange shows the digest of what was said, so that is worked out already.
        shown = said if said.url is None else Reference(content=content)
        laid = self._lying.get(shown.sha256)
        if laid is None:
            try:
                laid = self._write(content, shown)
            except OSError:  # it costs memory, and no client its answer
                return content
            self._lying[shown.sha256] = laid
        return laid

    def _write(self, content: bytes, shown: Reference) -> Laid:
        path = Path(self._room.path, str(next(self._numbers)))
        path.write_bytes(content)
        laid = Laid(len(content), shown.sha256, shown.format, str(shown), str(path), self._room)
        weakref.finalize(laid, _remove, str(path))
        return laid


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):  # somebody may have cleared up
        Path(path).unlink()

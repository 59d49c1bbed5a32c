"""Empty directories for checks, each of which is used again: a disk takes longer over one than a client over a task."""

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

#: Directories that are empty and that nobody has, and the process that they belong to.
_spare: list[Path] = []
_owner = os.getpid()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A directory that is empty at first; what is in it goes with it."""
    global _owner  # noqa: PLW0603 - a forked process begins with none
    if _owner != os.getpid():
        _spare.clear()
        _owner = os.getpid()
    place = _spare.pop() if _spare else Path(tempfile.mkdtemp(prefix="fluxkit-check-"))
    try:
        yield place
    finally:
        try:
            for each in tuple(place.iterdir()):
                shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
            _spare.append(place)
        except OSError:  # what cannot be emptied is not used again
            shutil.rmtree(place, ignore_errors=True)


@atexit.register
def _tidy() -> None:
    """Removes what is left, unless it is another process's."""
    while _spare and _owner == os.getpid():
        shutil.rmtree(_spare.pop(), ignore_errors=True)

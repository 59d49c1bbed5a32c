"""One writer for each journal of a process, also around a fork and at the end."""

import atexit
import os
import threading
from pathlib import Path

from .places import unavailable
from .writer import Writer

_WRITERS: dict[str, Writer] = {}
_NEW: threading.Lock = threading.Lock()


def writer_at(path: Path) -> Writer:
    """This process's writer of the journal in *path*; raises ``JournalUnavailable`` for what is no path."""
    try:
        whole = os.path.realpath(path.expanduser())
    except (OSError, ValueError, RuntimeError) as error:
        raise unavailable(path, str(error)) from None
    with _NEW:
        if whole not in _WRITERS:
            _WRITERS[whole] = Writer(path.expanduser().absolute())
        return _WRITERS[whole]


def _before_fork() -> None:
    _NEW.acquire()
    for writer in _WRITERS.values():
        writer.rest()


def _after_fork_in_parent() -> None:
    for writer in _WRITERS.values():
        writer.resume()
    _NEW.release()


def _after_fork_in_child() -> None:
    for writer in _WRITERS.values():
        writer.become()
    _NEW.release()


@atexit.register
def _at_exit() -> None:
    for writer in tuple(_WRITERS.values()):
        writer.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)

"""Which process this is, whether another one is gone, and what such a one has left in a directory."""

import contextlib
import functools
import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Final

#: The directory in which Linux shows processes; elsewhere nobody can say that one is gone.
PROC = Path("/proc")

#: How temporary files of ours end that become files of users, and how they begin.
DRAFT, PART = ".fluxkit-", ".part"

_MARK: Final = re.compile(r"([0-9]+)-([0-9]+)-([0-9a-f]{8})-")


def machine() -> str:
    """What process numbers are compared within: one boot of one kernel, and there one namespace; "" if unknown."""
    with contextlib.suppress(OSError):
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(PROC / 'self/ns/pid').readlink()}"
    return ""


def began(pid: int) -> str | None:
    """When a process began; None if there is none of that number, or one that only waits to be buried."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # its name stands in parentheses and may hold anything
    return None if state in "ZX" else fields[18]


def mark() -> str:
    """What the name of a temporary file says of whose it is, behind its beginning; empty where nobody could read it."""
    return _mark(os.getpid())  # another one after a fork


@functools.lru_cache(maxsize=1)
def _mark(pid: int) -> str:
    where, when = machine(), began(pid)
    return f"{pid}-{when}-{_digest(where)}-" if where and when else ""


def _digest(where: str) -> str:
    return hashlib.sha256(where.encode()).hexdigest()[:8]


def sweep(directory: str | os.PathLike[str], begins: str, *, ends: str = "") -> None:
    """Removes what processes of this machine, and of this user, that are gone have left there under such names.

    What is a living one's stays, and what nobody can say it of. What cannot be removed is left.
    """
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(begins) and name.endswith(ends) and _is_left(name[len(begins) :]):
                with contextlib.suppress(OSError):
                    _remove(entry)


def _is_left(rest: str) -> bool:
    """Whether a name is that of a process that is known to be gone; its number may be another's by now."""
    found = _MARK.match(rest)
    return found is not None and found[3] == _digest(machine()) and found[2] != began(int(found[1]))


def _remove(entry: os.DirEntry[str]) -> None:
    if hasattr(os, "geteuid") and entry.stat(follow_symlinks=False).st_uid != os.geteuid():
        return
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        Path(entry.path).unlink()

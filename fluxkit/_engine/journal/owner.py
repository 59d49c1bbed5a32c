"""Who has a row in hand: a process, by a name of its own, and whether that process is gone."""

import contextlib
import os
import platform
import secrets
from pathlib import Path
from typing import Self

import attrs

#: The directory in which Linux shows processes; elsewhere only leases say that an owner is gone.
PROC = Path("/proc")


@attrs.frozen
class Owner:
    """One process that writes a journal. *name* decides; the rest is shown to people, and ends a lease early.

    ``machine`` is what process numbers are compared within: one boot of one kernel, and there one namespace.
    ``began`` is when the process began, in the kernel's ticks: its number may be another's later.
    """

    name: str
    pid: int
    host: str
    machine: str = ""
    began: str = ""

    @classmethod
    def here(cls) -> Self:
        """An owner of this process; two journals of it have two, and so has the child of a fork."""
        pid = os.getpid()
        return cls(secrets.token_hex(8), pid, platform.node(), _machine(), _began(pid) or "")

    @property
    def gone(self) -> bool:
        """Whether this machine knows that the process has ended; False where nobody can say."""
        return bool(self.machine and self.began and self.machine == _machine() and self.began != _began(self.pid))


def _machine() -> str:
    with contextlib.suppress(OSError):
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(PROC / 'self/ns/pid').readlink()}"
    return ""


def _began(pid: int) -> str | None:
    """When a process began; None if there is none of that number, or one that only waits to be buried."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # its name stands in parentheses and may hold anything
    return None if state in "ZX" else fields[18]

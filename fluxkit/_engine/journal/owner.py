"""Who has a row in hand: a process, by a name of its own, and whether that process is gone."""

import os
import platform
import secrets
from typing import Self

import attrs

from ..process import began, machine


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
        return cls(secrets.token_hex(8), pid, platform.node(), machine(), began(pid) or "")

    @property
    def gone(self) -> bool:
        """Whether this machine knows that the process has ended; False where nobody can say."""
        return bool(self.machine and self.began and self.machine == machine() and self.began != began(self.pid))

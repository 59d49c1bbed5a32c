"""A server in a process of its own."""

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .load import ask

#: No server may take longer than so many seconds until it answers.
PATIENCE = 60.0


class Running(NamedTuple):
    """A server that has answered: where it listens, its process, and after how many seconds it did."""

    port: int
    process: int
    took: float

    @property
    def mb(self) -> float:
        """How many MB of it are in memory."""
        with open(f"/proc/{self.process}/status") as lines:
            return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


@contextlib.contextmanager
def running(command: Sequence[str], first: bytes, *, home: Path, core: int | None = None) -> Iterator[Running]:
    """Starts a server and asks it *first* until it answers, with anything.

    Args:
        command: ``{port}`` in it becomes a free port. A command without one prints its address.
        first: The call that is its first.
        home: A directory for what it writes beside its work.
        core: The one processor on which all of its threads run; without it any.
    """
    # An installed package lies there compiled; where no bytecode may be written, every start would compile ours alone.
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    surroundings["HOME"] = str(home)
    port = _free() if "{port}" in command else None
    allowed = os.sched_getaffinity(0)
    begin = time.perf_counter()
    if core is not None:
        os.sched_setaffinity(0, [core])  # what is set afterwards is set for one thread, and node and Java have many
    try:
        process = subprocess.Popen(
            [str(port) if word == "{port}" else word for word in command],
            text=True,
            env=surroundings,
            stdout=subprocess.DEVNULL if port else subprocess.PIPE,  # nobody reads what goes on being said
            stderr=subprocess.DEVNULL,
        )
    finally:
        os.sched_setaffinity(0, allowed)
    with process:
        try:
            port = port or _said(process)
            while True:
                try:
                    ask(port, first)
                    break
                except ConnectionError:  # it says where before it listens
                    if process.poll() is not None or time.perf_counter() - begin > PATIENCE:
                        raise RuntimeError(f"{command[0]} has not answered.") from None
                    time.sleep(0.001)
            yield Running(port, process.pid, time.perf_counter() - begin)
        finally:
            process.kill()


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _said(process: subprocess.Popen[str]) -> int:
    """The port in the address that a server prints."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://(?:127\.0\.0\.1|localhost):(\d+)", line):
            return int(found[1])
    raise RuntimeError("It has ended before it listened.")

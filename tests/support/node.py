"""Programs for Node: the mock as users of another language have it, with plain fetch and no package."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent.parent / "node"

#: How many seconds a program may take on the slowest machine.
PATIENCE = 120


def said_by(program: str, *arguments: str) -> list[str]:
    """The lines that a program of ``tests/node`` prints; without Node the test is skipped, but where CI is set."""
    node = shutil.which("node")
    if node is None and not os.environ.get("CI"):
        pytest.skip("it needs node; where CI is set it is wanted")
    command = [node or "node", str(PROGRAMS / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout.splitlines()

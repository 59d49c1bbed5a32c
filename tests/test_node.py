"""The mock as users of another language have it: a program for Node, with plain fetch and no package."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import Server
from fluxkit_mockserver.service import MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

PROGRAM = Path(__file__).parent / "node" / "control.mjs"

#: How many seconds it may take on the slowest machine.
PATIENCE = 60


@pytest.mark.slow
def test_a_program_in_another_language_uses_all_of_the_mock() -> None:
    node = shutil.which("node")
    if node is None and not os.environ.get("CI"):
        pytest.skip("it needs node; where CI is set it is wanted")
    with Server(MockService([MAGNIFIC, FREEPIK, APIMART], clock=WallClock())) as server:
        command = [node or "node", str(PROGRAM), server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    steps = re.findall(r'^  async "(.+?)"\(\)', PROGRAM.read_text("utf-8"), re.MULTILINE)
    assert len(steps) >= 9
    assert steps == done.stdout.splitlines()

"""The mock as users of another language have it: a program for Node, with plain fetch and no package."""

import re

import pytest
from support.node import PROGRAMS, said_by

from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import Server
from fluxkit_mockserver.service import MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC


@pytest.mark.slow
def test_a_program_in_another_language_uses_all_of_the_mock() -> None:
    with Server(MockService([MAGNIFIC, FREEPIK, APIMART], clock=WallClock())) as server:
        said = said_by("control.mjs", server.url)
    steps = re.findall(r'^  async "(.+?)"\(\)', (PROGRAMS / "control.mjs").read_text("utf-8"), re.MULTILINE)
    assert len(steps) >= 9
    assert steps == said

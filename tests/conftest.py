"""Set-up for every test: Hypothesis profiles, and the count of deselected tests when several processes run them.

The environment variable FLUXKIT_HYPOTHESIS_PROFILE chooses the profile: ``fast`` (without it), ``ci``, ``few`` or
``deep``. None has a deadline, and none minds that an example was slow to draw: a busy machine makes no test fail.
"""

import atexit
import os
import shutil
import signal
import tempfile
import types
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)

settings.register_profile("fast", UNTIMED, max_examples=50)
# The same examples on every run and every machine, so that a change is red or green for its own sake.
settings.register_profile("ci", UNTIMED, max_examples=50, derandomize=True)
# For a tree on which the others have run, such as its wheel on another Python.
settings.register_profile("few", UNTIMED, max_examples=10, derandomize=True)
# Before an issue is closed: as many as a run of less than an hour allows.
settings.register_profile("deep", UNTIMED, max_examples=500)
settings.load_profile(os.environ.get("FLUXKIT_HYPOTHESIS_PROFILE", "fast"))


# Whoever runs the tests in the background may have Ctrl-C ignored, and processes that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test writes where the user's own journal and images are; the processes that tests start find the same place.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="fluxkit-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)


class DeselectedInWorkers:
    """Carries what a worker of pytest-xdist deselected to the last line of the run, which would leave it out."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.names: list[str] = []

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.names.extend(item.nodeid for item in items)

    def pytest_sessionfinish(self) -> None:
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["deselected"] = self.names

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        # Every worker collects all tests and deselects the same ones: the last to end speaks for all.
        reporter = self.config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None and (names := getattr(node, "workeroutput", {}).get("deselected")):
            reporter.stats["deselected"] = [types.SimpleNamespace(nodeid=name) for name in names]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(DeselectedInWorkers(config), "fluxkit-deselected-in-workers")

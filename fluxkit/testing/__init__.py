"""The contract kit: functions that prove a provider, free of pytest, against a mock of it and what was recorded.

::

    from fluxkit.testing import check_provider


    def test_contract():
        check_provider(ACME, samples="samples/acme.json")

``fluxkit verify`` does the same for every installed provider. Needs the extras ``mock`` and ``testing``.
"""

from .app import Move, Standing, check_app
from .check import Check, Pair
from .checks import CHECKS
from .drift import Drift, drifts
from .finding import Deviation, Finding, Grade
from .mutants import mutants
from .proof import Proof, check_provider, find_all
from .recorded import check_trace
from .replay import Replay
from .trace import Trace

__all__ = [
    "CHECKS",
    "Check",
    "Deviation",
    "Drift",
    "Finding",
    "Grade",
    "Move",
    "Pair",
    "Proof",
    "Replay",
    "Standing",
    "Trace",
    "check_app",
    "check_provider",
    "check_trace",
    "drifts",
    "find_all",
    "mutants",
]

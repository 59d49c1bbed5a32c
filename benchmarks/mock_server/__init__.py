"""What the mock on a port carries, how soon it answers and what it weighs, beside a bare Starlette and other mocks.

- ours: ``fluxkit mock``: reads and checks the request, keeps the task, bills it, keeps the exchange, answers.
- floor: a bare Starlette on the same uvicorn, the least that a mock by hand does: a submit is read as JSON and answered
  with a new id, a status is a fixed answer of the same size. Nothing is checked, kept, billed or noted.
- fixed answers: the same where a submit is not even read, which is what Starlette and uvicorn cost alone.

The peers are asked the same two calls, and each answers in its own way:

- Prism serves our OpenAPI document: it checks the request against it and answers an example of it. It is told to log
  errors only, which makes it nearly twice as fast.
- Mockoon serves the same document: it finds the route, answers what it has made of the schema and notes the call.
- WireMock reads no OpenAPI: two stubs match path, key and prompt and give fixed answers. It keeps its journal.
- pytest-httpserver has two fixed answers.
- moto knows other services only, so it is asked to begin a job and to tell of it, as ``moto_server`` runs. The jobs are
  those of Amazon Textract: the server gives the id, both calls cost the same, and few of moto's cost less. A submit
  takes Transcribe, whose caller names the job, half as long again, and a message of SQS three times as long.

Those of PyPI come with ``benchmarks/requirements.txt``, the others with npm into any directory. WireMock's package
brings its jar and needs Java.

    npm install --prefix DIRECTORY @stoplight/prism-cli @mockoon/cli wiremock
    MOCK_PEERS=DIRECTORY make bench ARGS=mock_server

A peer that is not there has a row that says so, and how to have it. One that refuses a call ends the benchmark, because
that would be no comparison.

Sixteen connections ask as fast as they are answered, the server on one core with all of its threads and the load on the
other, after calls that are not counted. Rounds of the sides take turns. Start is from the start of the process to its
first answer; memory is what is resident then, and what each finished task adds until retention gives it back. With all
peers it takes about two minutes on a machine that does nothing else.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .apps import QUICK, SUBMIT, TASK
from .load import ask, call, load
from .process import running
from .sides import Side, looks, ours, peers, submit

#: How many tasks are finished when their memory is counted, and how many have gone before.
TASKS, WARM = 10_000, 2_000

#: How many times as many submits as a peer ours is to answer.
GOALS = {"wiremock": 2.6, "moto": 11.0}


def _in_turns(
    sides: dict[str, Side], rounds: Callable[[Side], int], measure: Callable[[Side], dict[str, float]]
) -> dict[str, dict[str, float]]:
    """The medians of what is measured of each side, which take turns."""
    told: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for turn in range(max(map(rounds, sides.values()))):
        for name, side in sides.items():
            if turn < rounds(side):
                told[name].append(measure(side))
    return {name: {key: statistics.median(one[key] for one in all_) for key in all_[0]} for name, all_ in told.items()}


def _rates(side: Side, home: Path) -> dict[str, float]:
    """Of each kind of call how many a second, and within how many milliseconds 99 of 100 are answered."""
    cores = sorted(os.sched_getaffinity(0))
    with running(side.command, side.first, home=home, core=cores[0]) as server:
        os.sched_setaffinity(0, cores[1:] or cores)
        try:
            load(server.port, [side.create], times=side.warm)
            create = load(server.port, [side.create], times=side.calls)
            statuses = side.statuses(create.granted)
            load(server.port, statuses, times=side.warm)
            status = load(server.port, statuses, times=side.calls)
        finally:
            os.sched_setaffinity(0, cores)
    kinds = {"create": create, "status": status}
    return {kind: each.a_second for kind, each in kinds.items()} | {
        f"{kind}_p99_ms": each.p99_ms for kind, each in kinds.items()
    }


def _start(side: Side, home: Path) -> dict[str, float]:
    """After how many milliseconds a side answers, and how many MB it has then."""
    with running(side.command, side.first, home=home) as server:
        return {"start_ms": server.took * 1000, "mb": server.mb}


def _weight(home: Path) -> dict[str, float]:
    """KB that each finished task adds, and that are left of it once retention is over."""
    look = call("GET", f"{SUBMIT}/{TASK}")
    with running([sys.executable, "-c", QUICK], look, home=home) as server:

        def buy(tasks: int) -> None:
            load(server.port, looks(load(server.port, [submit()], times=tasks).granted), times=tasks)

        # The record of exchanges is full before and after, so that what grows are tasks and their bills.
        for _ in range(3):
            buy(WARM)
        before = server.mb
        buy(TASKS)
        full = server.mb
        ask(server.port, call("POST", "/__mock__/clock", '{"advance": 1e8}'))
        ask(server.port, look)
        buy(TASKS)
        again = server.mb
    return {"kb_a_task": (full - before) * 1024 / TASKS, "kb_after_retention": (again - full) * 1024 / TASKS}


def run() -> dict[str, Any]:
    """Measures each side in turns, prints the tables and gives the figures."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        others, versions, missing = peers(home)
        sides = ours() | others
        names = {name: f"{name} {versions.get(name, '')}".strip() for name in sides}
        absent = "".join(f"{name:30}not installed: {how}\n" for name, how in missing.items())

        figures: dict[str, Any] = {"versions": versions, "missing": sorted(missing)}
        figures |= (rates := _in_turns(sides, lambda side: side.rounds, lambda side: _rates(side, home)))
        mine, floor = rates["ours"], rates["floor"]
        print(f"{'calls a second':30}{'create':>8}{'status':>8}{'p99 ms':>8}{'p99 ms':>8}    ours/this")
        for name, rate in rates.items():
            told = "".join(f"{rate[kind]:8.0f}" for kind in ("create", "status"))
            told += "".join(f"{rate[kind]:8.2f}" for kind in ("create_p99_ms", "status_p99_ms"))
            told += "".join(f"{mine[kind] / rate[kind]:7.2f}x" for kind in ("create", "status") if rate is not mine)
            print(f"{names[name]:30}{told}")
        print(absent, end="")
        for kind in ("create", "status"):
            ratio, late = mine[kind] / floor[kind], mine[f"{kind}_p99_ms"] / floor[f"{kind}_p99_ms"]
            print(f"{kind}: {ratio:.2f}x the floor (goal at least 0.5x), p99 {late:.1f}x (goal at most 3x)")
            figures |= {f"{kind}_ratio": ratio, f"{kind}_p99_ratio": late}
        for name, goal in GOALS.items():
            if name in rates:
                print(f"create: {mine['create'] / rates[name]['create']:.1f}x {name} (goal at least {goal}x)")

        starts = _in_turns(sides, lambda side: side.starts, lambda side: _start(side, home))
        print(f"\n{'start':30}{'ms':>8}{'MB':>8}")
        for name, start in starts.items():
            figures[name] |= start
            print(f"{names[name]:30}{start['start_ms']:8.0f}{start['mb']:8.1f}")
        print(absent, end="")
        figures["start_ratio"] = starts["ours"]["start_ms"] / starts["floor"]["start_ms"]
        print(f"start: {figures['start_ratio']:.2f}x the floor (goal at most 1.5x); memory: goal at most 48 MB")

        figures |= _weight(home)
    print(
        f"\na finished task: {figures['kb_a_task']:.1f} KB (goal at most 2), "
        f"after retention {figures['kb_after_retention']:.1f} KB more for as many again (goal about 0)"
    )
    return figures

"""How long it takes to plan a request without references: checks, size, body, report. Nothing is sent.

- asked: the size was asked before, so the search remembers it. Goal: at most 50 microseconds.
- new: the search has forgotten everything. Goal: at most 250 microseconds.
- floor: what one call of an attrs class costs, and what cattrs takes to make that class from a dict.

Each figure is the mean over several sizes of the median of many calls, which other work on the machine hardly moves.

Run it with the interpreter that has fluxkit installed: ``python benchmarks/planning.py``.
"""

import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any, TypedDict

import attrs
import cattrs

from fluxkit import Request
from fluxkit._wire.nearest import nearest
from fluxkit._wire.plan import make_plan
from fluxkit.provider import Model, Provider
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

PROMPT = "A lighthouse on a basalt cliff at dusk, warm light in the window, oil painting"
SIZES = [
    {"aspect": aspect, "resolution": resolution}
    for aspect, resolution in itertools.product(("1:1", "16:9", "3:4", "2:3"), ("1K", "2K"))
]
ROUNDS = 601
ASKED, NEW = 50.0, 250.0


class Figure(TypedDict):
    """Medians in microseconds, their goals, and how many calls of an attrs class the first one is worth."""

    asked: float
    asked_goal: float
    new: float
    new_goal: float
    calls: float


@attrs.frozen
class Ask:
    """As many fields as a plain request fills."""

    prompt: str
    aspect: str
    resolution: str
    seed: int


def _plan(provider: Provider, row: Model, fields: dict[str, Any]) -> Callable[[], object]:
    return lambda: make_plan(provider, row.name, Request(PROMPT, **fields))


def _median(calls: list[Callable[[], object]], *, before: Callable[[], object] | None = None) -> float:
    """Median microseconds of each of *calls*, and of these the mean; what happens *before* each is not counted."""
    times: list[list[int]] = [[] for _ in calls]
    for _, (call, spent) in itertools.product(range(ROUNDS), zip(calls, times, strict=True)):
        if before is not None:
            before()
        begin = time.perf_counter_ns()
        call()
        spent.append(time.perf_counter_ns() - begin)
    return statistics.mean(map(statistics.median, times)) / 1000


def _figure(provider: Provider, row: Model, *, floor: float) -> Figure:
    seed = {} if row.form.get("seed") is None else {"seed": 7}
    plans = [_plan(provider, row, size | seed) for size in SIZES]
    for plan in plans:
        plan()
    asked, new = _median(plans), _median(plans, before=nearest.cache_clear)
    return Figure(asked=asked, asked_goal=ASKED, new=new, new_goal=NEW, calls=asked / floor)


def run() -> dict[str, Any]:
    """Prints the table and gives the figures; the keys are `provider:model`, and `floor` for the two floors."""
    wanted: dict[str, Any] = {"prompt": PROMPT, "aspect": "16:9", "resolution": "1K", "seed": 7}
    attrs_call = _median([lambda: Ask(**wanted)] * len(SIZES))
    structure = _median([lambda: cattrs.structure(wanted, Ask)] * len(SIZES))
    rows = [(provider, row) for provider in (MAGNIFIC, APIMART) for row in provider.models]
    figures = {f"{each.name}:{row.name}": _figure(each, row, floor=attrs_call) for each, row in rows}
    floor = {"attrs": attrs_call, "cattrs": structure}
    _print(figures, floor)
    return {**figures, "floor": floor}


def _print(figures: dict[str, Any], floor: dict[str, float]) -> None:
    print(f"{'median us':24}{'asked':>9}{'goal':>7}{'new':>9}{'goal':>7}{'attrs calls':>13}")
    for name, figure in figures.items():
        times = f"{figure['asked']:9.1f}{figure['asked_goal']:7.0f}{figure['new']:9.1f}{figure['new_goal']:7.0f}"
        print(f"{name:24}{times}{figure['calls']:12.0f}x")
    print(f"{'floor: attrs class call':24}{floor['attrs']:9.2f}\n{'floor: cattrs structure':24}{floor['cattrs']:9.2f}")


if __name__ == "__main__":
    run()

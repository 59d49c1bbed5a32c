"""One task of length T, log-uniform in 0.5 to 300 s: how often it is polled, and how late its end is noticed.

Nothing is sent and nobody sleeps: the flow that follows a task runs on a clock that leaps to the end of each wait. Two
strategies of peers run on the same lengths: a poll every 0.1 s, as fal_client has it, and one every 0.5 s, as replicate
has it.
"""

import math
import statistics
from collections.abc import Callable
from random import Random
from typing import Any

from fluxkit import Task
from fluxkit._engine.effects import Call, Note, Now, Reply, Wait, Woken
from fluxkit._engine.follow import follow
from fluxkit._plugins import installed
from fluxkit.provider import State

TASKS, SHORTEST, LONGEST = 2_000, 0.5, 300.0
ROWS = ((0.5, 1.5), (1.5, 5.0), (5.0, 15.0), (15.0, 50.0), (50.0, 150.0), (150.0, 300.0))
Watch = Callable[[float], tuple[int, float]]


def watched(length: float, duration: float | None = None) -> tuple[int, float]:
    """How many polls fluxkit makes of a task of *length* seconds, and how late it notices the end."""
    provider = installed().provider("magnific")
    task = Task("magnific", "flux-2-klein", "046b6c7f", provider.base_url, State.CREATED, "CREATED")
    flow = follow(provider, task, None, 1e9, patience=60.0, duration=duration)
    time, polls, answer = 0.0, -1, None  # the first look at a task that nobody has seen is the answer to its submit
    while True:
        try:
            effect: Any = flow.send(answer)
        except StopIteration:
            return polls, time - length
        match effect:
            case Call():
                polls += 1
                done = time >= length
                said = {"status": "COMPLETED" if done else "CREATED", "task_id": "046b6c7f"}
                said["generated"] = ["https://images.example/a.jpg"] if done else []
                answer = Reply(200, {}, {"data": said}, "", time)
            case Wait(seconds):
                time += seconds
                answer = Woken(time)
            case Now():
                answer = time
            case Note():
                answer = "1"


def every(interval: float) -> Watch:
    """A poll at equal intervals."""
    return lambda length: (polls := math.ceil(length / interval), polls * interval - length)


def documented(length: float, dice: Random) -> tuple[int, float]:
    """The same with a documented duration that is wrong by up to a factor of two."""
    return watched(length, length * 2 ** dice.uniform(-1, 1))


def table(name: str, watch: Watch, lengths: list[float]) -> dict[str, float]:
    """Prints the figures of one strategy by the length of the task, and gives those of all."""
    print(f"{name}\n  {'length in s':>14} {'polls':>7} {'most':>5} {'late in s':>10} {'of what may be':>15}")
    seen = [(length, *watch(length)) for length in lengths]
    figures = {}
    for first, last in (*ROWS, (SHORTEST, LONGEST)):
        rows = [row for row in seen if first <= row[0] <= last]
        figures = {
            "polls": statistics.fmean(polls for _, polls, _ in rows),
            "most polls": max(polls for _, polls, _ in rows),
            "late": statistics.fmean(late for _, _, late in rows),
            "late of allowed": statistics.fmean(late / max(0.3, 0.1 * length) for length, _, late in rows),
            "polls of allowed": max(polls / (8 + 6 * math.log(length)) for length, polls, _ in rows),
        }
        print(
            f"  {f'{first:g} to {last:g}':>14} {figures['polls']:7.1f} {figures['most polls']:5} "
            f"{figures['late']:10.2f} {figures['late of allowed']:14.2f}x"
        )
    return figures


def run() -> dict[str, Any]:
    """Prints the tables and gives the figures over all lengths."""
    dice = Random(7)
    lengths = [math.exp(dice.uniform(math.log(SHORTEST), math.log(LONGEST))) for _ in range(TASKS)]
    figures = {
        "fluxkit": table("fluxkit, no documented duration", watched, lengths),
        "documented": table(
            "fluxkit, documented duration right within a factor of two", lambda each: documented(each, dice), lengths
        ),
        "every 0.1 s": table("a poll every 0.1 s", every(0.1), lengths),
        "every 0.5 s": table("a poll every 0.5 s", every(0.5), lengths),
    }
    ours, told = figures["fluxkit"], figures["documented"]
    print(
        f"late {ours['late of allowed']:.2f} x max(0.3 s, 10 % of T) on average (goal: at most 1); "
        f"polls at most {ours['polls of allowed']:.2f} x 8 + 6 ln(T) (goal: at most 1)\n"
        f"with a documented duration at most {told['most polls']} polls (goal: at most 10), "
        f"late {told['late of allowed']:.2f} x"
    )
    return figures


if __name__ == "__main__":
    run()

"""Notes in the journal: one alone, and a thousand at the same time; how long they take, and what the disk is asked.

A note before a submit and the one with its id are forced to the disk; beside them the same number of forced writes by
hand, because that is what a disk costs.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path

import anyio

from fluxkit._contract.request import Request
from fluxkit._engine.effects import Note
from fluxkit._engine.journal.journal import Journal
from fluxkit._engine.journal.writer import Writer
from fluxkit._engine.submit import _draft
from fluxkit._plugins import installed
from fluxkit._wire.plan import make_plan

ALONE, TOGETHER = 300, 1_000


def an_intent() -> Note:
    """The note before a submit."""
    plan = make_plan(installed().provider("magnific"), "flux-2-klein", Request("a lighthouse at dusk", seed=42))
    return Note("intent", {"draft": _draft(plan, 0), "plan": plan, "turn": 0})


def forced(place: Path) -> float:
    """Milliseconds for a page that is written and forced to the disk, by hand."""
    times = []
    with (place / "forced").open("wb", buffering=0) as file:
        for _ in range(ALONE):
            start = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def run() -> dict[str, float]:
    """Prints the table and gives its figures."""
    intent = an_intent()
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal(Writer(Path(directory) / "journal"))
        journal.take(intent)
        times, cpu = [], time.process_time()
        for _ in range(ALONE):
            start = time.perf_counter()
            journal.take(intent)
            times.append((time.perf_counter() - start) * 1000)
        cpu = (time.process_time() - cpu) / ALONE * 1000
        by_hand = forced(Path(directory))

        async def together() -> None:
            async with anyio.create_task_group() as group:
                for _ in range(TOGETHER):
                    group.start_soon(journal.take_async, intent)

        syncs, start = journal.writer.syncs, time.perf_counter()
        anyio.run(together)
        took, syncs = time.perf_counter() - start, journal.writer.syncs - syncs
        journal.writer.close()
    figures = {"alone": statistics.median(times), "cpu": cpu, "together": took, "syncs": float(syncs)}
    print(f"one note alone, on the disk: {figures['alone']:.2f} ms, of which {cpu:.2f} ms of CPU")
    print(f"a page forced to the disk by hand: {by_hand:.2f} ms")
    print(f"{TOGETHER} notes at the same time: {took * 1000:.0f} ms, forced to the disk {syncs} times")
    return figures


if __name__ == "__main__":
    run()

"""A thousand tasks in flight, each 1.5 to 2.5 s long, beside a loop by hand that knows when each will be done.

The mock serves from a process of its own and writes down when each task ends and each image is fetched; both sides buy
from one mock, one after the other, fluxkit without a journal and with one. The loop by hand is httpx on four
connections: it submits, sleeps until it knows that a task is done, polls once and downloads. Nobody who does not know
the durations can do it in fewer requests.

Then a thousand, five thousand and ten thousand in flight, each in a fresh process: how much memory each of them takes.
"""

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any, Self

import httpx

import fluxkit

TASKS, SHORTEST, LONGEST, ROUNDS = 1_000, 1.5, 2.5, 3
CONNECTIONS = 4
PROVIDER, KEY = "magnific:flux-2-klein", "test"
#: How many are in flight when memory is measured, how long each takes, in seconds, and how many go before.
CROWDS, LONG, WARM = (1_000, 5_000, 10_000), 30.0, 100

SERVER = """
import json, sys
from random import Random
import fluxkit_mockserver.gallery as gallery
from fluxkit._plugins import installed
from fluxkit_mockserver import MockService
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import Server

drawn = {}
draw = gallery.draw_task  # one picture for all: how fast the mock draws is the matter of another benchmark
gallery.draw_task = lambda task: drawn.setdefault("it", drawn.get("it") or draw(task))
durations = json.loads(sys.argv[1])
mock = MockService(
    [installed().provider("magnific")],
    clock=WallClock(),
    durations=lambda number: durations[(number - 1) % len(durations)],
)
with Server(mock) as server:
    print(server.url, flush=True)
    for line in sys.stdin:
        ends = {task.id: task.created_at + task.duration for task in mock.tasks}
        print(json.dumps({"ends": ends, "requests": mock.exchanges[-1].number}), flush=True)
        mock.reset()
"""


class Mock:
    """The mock in its own process; asked, it tells when its tasks ended and how many requests it saw, and forgets."""

    def __init__(self, durations: list[float]) -> None:
        command = [sys.executable, "-c", SERVER, json.dumps(durations)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.base = f"{self._read()}/magnific"

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def told(self) -> dict[str, Any]:
        """When the tasks ended, by their ids, and how many requests there were."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._read())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


async def by_hand(base: str, place: Path, durations: list[float]) -> dict[str, float]:
    """When each image was in hand, by the id of its task."""
    url, headers = f"{base}/v1/ai/text-to-image/flux-2-klein", {"x-magnific-api-key": KEY}
    body = {"prompt": "a lighthouse at dusk", "aspect_ratio": "square_1_1", "resolution": "1k"}
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    gate, known, had = asyncio.Semaphore(CONNECTIONS), iter(durations), {}

    async def one(client: httpx.AsyncClient) -> None:
        async with gate:
            answer = await client.post(url, json=body, headers=headers)
        task = answer.raise_for_status().json()["data"]["task_id"]
        # The mock numbers its tasks as they come; on four connections answers may come in another order.
        await asyncio.sleep(next(known))
        async with gate:
            while True:
                done = (await client.get(f"{url}/{task}", headers=headers)).raise_for_status().json()["data"]
                if done["status"] == "COMPLETED":
                    break
                await asyncio.sleep(0.02)
            async with client.stream("GET", done["generated"][0]) as response:
                with (place / f"{task}.jpg").open("wb") as file:
                    async for chunk in response.aiter_bytes():
                        file.write(chunk)
        had[task] = time.time()

    async with httpx.AsyncClient(limits=limits) as client, asyncio.TaskGroup() as group:
        for _ in durations:
            group.create_task(one(client))
    return had


def by_fluxkit(base: str, place: Path, tasks: int, journal: str | Path = "off") -> dict[str, float]:
    """The same by fluxkit, which knows no duration."""
    had = {}
    requests = (f"a lighthouse at dusk, number {number}" for number in range(tasks))
    with fluxkit.Client(PROVIDER, key=KEY, base_url=base, journal=journal) as client:
        for finished in client.generate_many(requests, in_flight=tasks, to=place):
            had[finished.unwrap().tasks[0].id] = time.time()
    return had


def race(mock: Mock, durations: list[float]) -> dict[str, dict[str, float]]:
    """One turn of each: wall, CPU, lateness and requests a task."""
    figures = {}
    for name in ("by hand", "fluxkit", "journal"):
        with tempfile.TemporaryDirectory() as place:
            start, began = time.perf_counter(), time.process_time()
            match name:
                case "by hand":
                    had = asyncio.run(by_hand(mock.base, Path(place), durations))
                case "fluxkit":
                    had = by_fluxkit(mock.base, Path(place), len(durations))
                case _:
                    had = by_fluxkit(mock.base, Path(place), len(durations), Path(place) / "journal")
            wall, spent = time.perf_counter() - start, time.process_time() - began
        told = mock.told()
        late = sorted(at - told["ends"][task] for task, at in had.items())
        figures[name] = {
            "wall": wall,
            "cpu": spent,
            "p99 late": late[len(late) * 99 // 100],
            "requests": told["requests"] / len(durations),
        }
    return figures


def resident() -> int:
    """The memory of this process that is in use, in KB."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize() // 1024


def measure(crowd: int) -> None:
    """Prints how much memory each of a crowd takes while all of them wait; in a fresh process."""
    accepted, kept = 0, 0

    def listen(event: Any) -> None:
        nonlocal accepted, kept
        accepted += event.kind == "accepted"
        if accepted == crowd + WARM and event.kind == "accepted":
            kept = resident()

    settings: dict[str, Any] = {"key": KEY, "journal": "off", "listener": listen}
    with Mock([LONG]) as mock, fluxkit.Client(PROVIDER, base_url=mock.base, **settings) as client:
        warm = client.generate_many((f"warm {number}" for number in range(WARM)), in_flight=WARM, fetch=False)
        assert all(finished.result for finished in warm)
        before = resident()
        requests = (f"a lighthouse at dusk, number {number}" for number in range(crowd))
        finished = list(client.generate_many(requests, in_flight=crowd, fetch=False, timeout=3600.0))
        assert sum(each.result is not None for each in finished) == crowd
    print(json.dumps({"each": (kept - before) / crowd, "before": before, "crowd": kept}))


def run() -> dict[str, Any]:
    """Prints the tables and gives the medians."""
    dice = Random(7)
    durations = [dice.uniform(SHORTEST, LONGEST) for _ in range(TASKS)]
    with Mock(durations) as mock:
        by_fluxkit(mock.base, Path(tempfile.mkdtemp()), 20)
        mock.told()
        rounds = [race(mock, durations) for _ in range(ROUNDS)]
    figures: dict[str, Any] = {}
    for name in rounds[0]:
        shown = {key: statistics.median(turn[name][key] for turn in rounds) for key in rounds[0][name]}
        figures[name] = shown
        print(
            f"{name:8}{shown['wall']:6.2f} s, {shown['cpu']:.2f} s of CPU, p99 late {shown['p99 late']:.2f} s, "
            f"{shown['requests']:.2f} requests a task"
        )
    figures["ratio"] = statistics.median(turn["fluxkit"]["wall"] / turn["by hand"]["wall"] for turn in rounds)
    figures["journal ratio"] = statistics.median(turn["journal"]["wall"] / turn["fluxkit"]["wall"] for turn in rounds)
    figures["cpu ratio"] = statistics.median(turn["fluxkit"]["cpu"] / turn["by hand"]["cpu"] for turn in rounds)
    print(f"fluxkit takes {figures['ratio']:.2f} x (goal: at most 1.25; p99 late at most 1.2 s; at most 5 requests)")
    print(f"and {figures['cpu ratio']:.2f} x of the CPU, which says more where others are at work on the machine")
    print(f"with each submit noted on the disk {figures['journal ratio']:.2f} x of that")
    for crowd in CROWDS:
        told = subprocess.run([sys.executable, __file__, str(crowd)], capture_output=True, text=True, check=True)
        figures[f"{crowd} in flight"] = shown = json.loads(told.stdout)
        print(f"{crowd:6} in flight, all done: {shown['each']:.1f} KB resident each (goal: at most 8)")
    return figures


if __name__ == "__main__":
    measure(int(sys.argv[1])) if sys.argv[1:] else run()

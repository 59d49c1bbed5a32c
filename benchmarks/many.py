"""A thousand tasks in flight, each 1.5 to 2.5 s long, beside a loop by hand that knows when each will be done.

The mock serves from a process of its own and writes down when each task ends and each image is fetched; both sides buy
from one mock, one after the other. The loop by hand is httpx on four connections: it submits, sleeps until it knows
that a task is done, polls once and downloads. Nobody who does not know the durations can do it in fewer requests.

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

import httpx

import fluxkit

TASKS, SHORTEST, LONGEST, ROUNDS = 1_000, 1.5, 2.5, 3
CONNECTIONS = 4
PROVIDER, KEY = "magnific:flux-2-klein", "test"
#: How many are in flight when memory is measured, and how long each of them takes, in seconds.
CROWDS, LONG = (1_000, 5_000, 10_000), 40.0

SERVER = """
import gc, json, sys
from fluxkit._plugins import installed
from fluxkit_mockserver import MockService
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import Server
from random import Random
import fluxkit_mockserver.service as service
shortest, longest = map(float, sys.argv[1:])
dice = Random(7)
durations = [dice.uniform(shortest, longest) for _ in range(100_000)]
picture = b""
def draw(task, drawn=service._draw):
    global picture
    picture = picture or drawn(task)
    return picture
service._draw = draw  # one picture for all: how fast the mock draws is another benchmark's matter
mock = MockService([installed().provider("magnific")], clock=WallClock(), durations=lambda number: durations[number - 1])
mock.exchanges = type(mock.exchanges)(maxlen=1_000_000)
with Server(mock) as server:
    print(server.url, flush=True)
    for line in sys.stdin:
        tasks = {task.id: task.created_at + task.duration for task in mock._tasks.values()}
        print(json.dumps({"ends": tasks, "requests": len(mock.exchanges), "durations": durations[:len(tasks)]}), flush=True)
        mock.reset()
"""


class Mock:
    """The mock in its own process; asked, it tells when its tasks ended and how many requests it saw, and forgets."""

    def __init__(self, shortest: float, longest: float) -> None:
        command = [sys.executable, "-c", SERVER, str(shortest), str(longest)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.base = f"{self._read()}/magnific"

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def told(self) -> dict:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._read())

    def __enter__(self) -> "Mock":
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
            duration = next(known)  # in the order in which the mock numbers them
            answer = await client.post(url, json=body, headers=headers)
        id = answer.raise_for_status().json()["data"]["task_id"]
        await asyncio.sleep(duration)
        async with gate:
            while True:
                done = (await client.get(f"{url}/{id}", headers=headers)).raise_for_status().json()["data"]
                if done["status"] == "COMPLETED":
                    break
                await asyncio.sleep(0.02)
            async with client.stream("GET", done["generated"][0]) as response:
                with (place / f"{id}.jpg").open("wb") as file:
                    async for chunk in response.aiter_bytes():
                        file.write(chunk)
        had[id] = time.time()

    async with httpx.AsyncClient(limits=limits) as client, asyncio.TaskGroup() as group:
        for _ in range(len(durations)):
            group.create_task(one(client))
    return had


def by_fluxkit(base: str, place: Path, tasks: int) -> dict[str, float]:
    """The same by fluxkit, which knows no duration."""
    had = {}
    requests = (f"a lighthouse at dusk, number {number}" for number in range(tasks))
    with fluxkit.Client(PROVIDER, key=KEY, base_url=base) as client:
        for finished in client.generate_many(requests, in_flight=tasks, to=f"{place}/"):
            had[finished.unwrap().tasks[0].id] = time.time()
    return had


def race(mock: Mock, durations: list[float]) -> dict[str, dict[str, float]]:
    """One turn of each: wall, lateness and requests a task."""
    figures = {}
    for name in ("by hand", "fluxkit"):
        with tempfile.TemporaryDirectory() as place:
            start = time.perf_counter()
            if name == "fluxkit":
                had = by_fluxkit(mock.base, Path(place), TASKS)
            else:
                had = asyncio.run(by_hand(mock.base, Path(place), durations))
            wall = time.perf_counter() - start
        told = mock.told()
        late = sorted(at - told["ends"][id] for id, at in had.items())
        figures[name] = {"wall": wall, "p99 late": late[len(late) * 99 // 100], "requests": told["requests"] / TASKS}
    return figures


def memory(crowd: int) -> dict[str, float]:
    """How much each of so many in flight takes, in KB, measured in this process: run in a fresh one."""
    with Mock(LONG, LONG + 1.0) as mock, tempfile.TemporaryDirectory() as place:
        requests = (f"a lighthouse at dusk, number {number}" for number in range(crowd + 200))
        with fluxkit.Client(PROVIDER, key=KEY, base_url=mock.base) as client:
            finished = iter(client.generate_many(requests, in_flight=200, to=f"{place}/", fetch=False, timeout=3600.0))
            outcomes = [next(finished).unwrap()]
    return {"outcomes": len(outcomes), "resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def run() -> dict:
    """Prints the tables and gives the medians."""
    figures: dict = {}
    with Mock(SHORTEST, LONGEST) as mock:
        durations = None
        by_fluxkit(mock.base, Path(tempfile.mkdtemp()), 20)
        durations = mock.told()["durations"]
        from random import Random

        dice = Random(7)
        durations = [dice.uniform(SHORTEST, LONGEST) for _ in range(TASKS)]
        rounds = [race(mock, durations) for _ in range(ROUNDS)]
    for name in rounds[0]:
        figures[name] = {key: statistics.median(turn[name][key] for turn in rounds) for key in rounds[0][name]}
        shown = figures[name]
        print(
            f"{name:10}{shown['wall']:6.2f} s, p99 late {shown['p99 late']:5.2f} s, {shown['requests']:.2f} requests a task"
        )
    figures["ratio"] = statistics.median(turn["fluxkit"]["wall"] / turn["by hand"]["wall"] for turn in rounds)
    print(f"fluxkit takes {figures['ratio']:.2f} x (goal: at most 1.25; p99 late at most 1.2 s; at most 5 requests)")
    return figures


if __name__ == "__main__":
    run()

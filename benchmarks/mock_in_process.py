"""What a call to the mock costs when nothing lies between it and httpx, and what a fresh mock costs.

- ours: `MockService` behind its own transport: reads and checks the request, keeps the task, bills it, answers.
- floor: `httpx.MockTransport` with a function that returns a fixed answer of the same kind.

Both are called by the same kind of `httpx.Client`, in turn, and what counts is the time of the processor. A round has a
fresh mock, as a test has, and as many calls as a long test makes.

Run it with the interpreter that has fluxkit installed: ``python benchmarks/mock_in_process.py``.
"""

import gc
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import TypedDict

import httpx

from fluxkit_mockserver.service import MockService
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

ROUNDS = 15
CALLS = 400

#: How many tasks are finished when their memory is counted, and how many have gone before.
TASKS, WARM = 2_000, 5_500

URL = "http://127.0.0.1/magnific/v1/ai/text-to-image/flux-2-klein"
KEY = {"x-magnific-api-key": "test"}
REQUEST = {
    "prompt": "A lighthouse on a basalt cliff at dusk, oil painting",
    "aspect_ratio": "widescreen_16_9",
    "resolution": "1k",
    "seed": 7,
}
ACCEPTED = {"data": {"task_id": "046b6c7f-0b8a-43b9-b35d-6489e6daee91", "status": "CREATED"}}
COMPLETED = {
    "data": {**ACCEPTED["data"], "status": "COMPLETED", "generated": ["https://images.example/lighthouse.jpg"]}
}


class Figure(TypedDict):
    """Medians in microseconds of processor time, and the ratio of ours to the floor."""

    ours: float
    floor: float
    ratio: float


def _submit(client: httpx.Client) -> Callable[[], object]:
    return lambda: client.post(URL, json=REQUEST, headers=KEY)


def _poll(client: httpx.Client) -> Callable[[], object]:
    task = client.post(URL, json=REQUEST, headers=KEY).json()["data"]["task_id"]
    return lambda: client.get(f"{URL}/{task}", headers=KEY)


CONTESTS = {
    "submit": (_submit, "seconds", ACCEPTED),
    "poll, running": (_poll, "seconds", ACCEPTED),
    "poll, completed": (_poll, "at once", COMPLETED),
}


def _ours(progression: str) -> httpx.Client:
    return httpx.Client(transport=MockService([MAGNIFIC, FREEPIK], progression=progression).transport())


def _floor(answer: object) -> httpx.Client:
    body = json.dumps(answer).encode()
    headers = {"content-type": "application/json"}
    return httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=body, headers=headers)))


def _cost(call: Callable[[], object], times: int = CALLS) -> float:
    """Microseconds of processor time that one call takes, the first one apart."""
    call()
    begin = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - begin) / times * 1e6


def _contest(name: str) -> Figure:
    prepare, progression, answer = CONTESTS[name]
    ours, floor = [], []
    for _ in range(ROUNDS):
        with _ours(progression) as client:
            ours.append(_cost(prepare(client)))
        with _floor(answer) as client:
            floor.append(_cost(prepare(client)))
    return _figure(ours, floor)


def _fresh() -> Figure:
    """A mock and its transport, made for one test, against a transport of httpx."""
    ours, floor = [], []
    for _ in range(ROUNDS):
        ours.append(_cost(lambda: MockService([MAGNIFIC, FREEPIK]).transport()))
        floor.append(_cost(lambda: httpx.MockTransport(lambda _: httpx.Response(200))))
    return _figure(ours, floor)


def _memory() -> dict[str, float]:
    """KB that Python holds of each finished task, and of each one that is forgotten, whose bill stays."""
    mock = MockService([MAGNIFIC, FREEPIK], progression="at once")

    def buy(tasks: int) -> None:
        with httpx.Client(transport=mock.transport()) as client:
            for _ in range(tasks):
                _poll(client)()

    def held() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    def forget() -> None:
        mock.clock.advance(1e8)
        with httpx.Client(transport=mock.transport()) as client:
            client.get(f"{URL}/none", headers=KEY)

    tracemalloc.start()
    buy(WARM)  # the records of exchanges and of what happens are full from here on
    forget()
    before = held()
    buy(TASKS)
    full = held()
    forget()
    after = held()
    tracemalloc.stop()
    return {"kb_a_task": (full - before) / TASKS / 1024, "kb_a_forgotten_task": (after - before) / TASKS / 1024}


def _figure(ours: list[float], floor: list[float]) -> Figure:
    one, other = statistics.median(ours), statistics.median(floor)
    return Figure(ours=one, floor=other, ratio=one / other)


def run() -> dict[str, Figure | dict[str, float]]:
    """Measures each kind of call, a fresh mock and what tasks hold, prints the tables and gives the figures."""
    figures = {**{name: _contest(name) for name in CONTESTS}, "fresh mock": _fresh()}
    print(f"{'median us of processor':24}{'ours':>9}{'floor':>9}{'ours/floor':>12}   goal")
    for name, figure in figures.items():
        goal = "at most 1000 us" if name == "fresh mock" else "at most 1.6x"
        print(f"{name:24}{figure['ours']:9.1f}{figure['floor']:9.1f}{figure['ratio']:11.2f}x   {goal}")
    memory = _memory()
    print(f"a finished task holds {memory['kb_a_task']:.2f} KB (goal at most 2)")
    print(f"one that is forgotten holds {memory['kb_a_forgotten_task']:.2f} KB, its bill")
    return {**figures, "memory": memory}


if __name__ == "__main__":
    run()

"""What the mock on a port carries, how soon it answers and what it weighs, beside a bare Starlette on the same uvicorn.

- ours: ``fluxkit mock``: reads and checks the request, keeps the task, bills it, keeps the exchange, answers.
- floor: a Starlette app with two routes that read the body and return fixed answers of the same size.
- pytest-httpserver, if it is installed: the same two fixed answers.
- moto, if it is installed: jobs of Amazon Transcribe, which are begun and looked at as tasks are.

WireMock, Mockoon and Prism are no Python packages and are not measured here.

Sixteen connections ask as fast as they are answered, the server on one core and the load on the other. Rounds of the
sides take turns. Start is from the start of the process to its first answer; memory is what is resident then, and what
each finished task adds until retention gives it back.
"""

import asyncio
import contextlib
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

CONNECTIONS, CALLS, ROUNDS, STARTS = 16, 8_000, 5, 9

#: How many calls are made to those that answer few.
FEWER = 1_000

#: How many tasks are finished when their memory is counted, and how many have gone before.
TASKS, WARM = 10_000, 2_000

SUBMIT = "/magnific/v1/ai/text-to-image/flux-2-klein"
REQUEST = json.dumps(
    {
        "prompt": "A lighthouse on a basalt cliff at dusk, oil painting",
        "aspect_ratio": "widescreen_16_9",
        "resolution": "1k",
        "seed": 7,
    }
)
TASK = "046b6c7f-0b8a-43b9-b35d-6489e6daee91"
ANSWER = json.dumps({"data": {"task_id": TASK, "status": "CREATED"}}, separators=(",", ":"))

FLUXKIT = str(Path(sysconfig.get_path("scripts"), "fluxkit"))

#: A mock whose tasks end at once, for what a finished task weighs.
QUICK = """
from fluxkit._plugins import installed
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import serve
from fluxkit_mockserver.service import MockService

registry = installed()
providers = [registry.provider(name) for name in registry.names]
mock = MockService(providers, clock=WallClock(), durations=lambda _: 0.001)
serve(mock, port=0, ready=lambda url: print(url, flush=True))
"""

FLOOR = """
import socket, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def create(request):
    await request.body()
    return Response({answer!r}, media_type="application/json")

async def status(request):
    return Response({answer!r}, media_type="application/json")

app = Starlette(routes=[Route({path!r}, create, methods=["POST"]), Route({path!r} + "/{{id}}", status)])
listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
print("http://127.0.0.1:%d" % listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False)).run(sockets=[listener])
"""

HTTPSERVER = """
import time
from pytest_httpserver import HTTPServer

server = HTTPServer(threaded=True)
server.expect_request({path!r}, method="POST").respond_with_data({answer!r}, content_type="application/json")
server.expect_request({path!r} + "/" + {task!r}).respond_with_data({answer!r}, content_type="application/json")
server.start()
print(server.url_for("").rstrip("/"), flush=True)
time.sleep(1e6)
"""


MOTO = """
import socket
from moto.server import main

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
print(f"http://127.0.0.1:{port}", flush=True)
main(["-H", "127.0.0.1", "-p", str(port)])
"""


class Side(NamedTuple):
    """What is measured: how it is started, how it is asked to create, and how for what stands in its answers."""

    command: list[str]
    calls: int
    creates: list[bytes]
    statuses: Callable[[list[bytes]], list[bytes]]


def _sides() -> dict[str, Side]:
    creates = [_call("POST", SUBMIT, REQUEST)]
    fixed = {"answer": ANSWER, "path": SUBMIT, "task": TASK}
    sides = {
        "ours": Side([FLUXKIT, "mock", "--port", "0", "--speed", "1"], CALLS, creates, _polls),
        "floor": Side([sys.executable, "-c", FLOOR.format(**fixed)], CALLS, creates, _polls),
    }
    if importlib.util.find_spec("pytest_httpserver") is not None:
        sides["pytest-httpserver"] = Side([sys.executable, "-c", HTTPSERVER.format(**fixed)], FEWER, creates, _polls)
    if importlib.util.find_spec("moto") is not None:
        jobs = [_transcribe("StartTranscriptionJob", number) for number in range(FEWER)]
        looks = [_transcribe("GetTranscriptionJob", number) for number in range(FEWER)]
        sides["moto"] = Side([sys.executable, "-c", MOTO], FEWER, jobs, lambda _: looks)
    return sides


def _polls(seen: list[bytes]) -> list[bytes]:
    ids = [json.loads(each)["data"]["task_id"] for each in seen[-1000:]]
    return [_call("GET", f"{SUBMIT}/{task}") for task in ids]


@contextlib.contextmanager
def _running(command: list[str]) -> "Iterator[tuple[str, int, float]]":
    """A server in a process of its own: where it listens, its process, and after how many seconds it had answered."""
    # An installed package lies there compiled; where no bytecode may be written, every start would compile ours alone.
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begin = time.perf_counter()
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, env=surroundings, **quiet) as process:
        try:
            assert process.stdout is not None
            found = None
            while found is None:
                if not (line := process.stdout.readline()):
                    raise RuntimeError(f"{command[:3]} has ended before it listened.")
                found = re.search(r"http://(?:127\.0\.0\.1|localhost):(\d+)", line)
            while True:
                try:
                    asyncio.run(_load(int(found[1]), _call("GET", f"{SUBMIT}/{TASK}"), calls=1, connections=1))
                    break
                except ConnectionRefusedError:  # it says where before it listens
                    time.sleep(0.001)
            yield found[0], process.pid, time.perf_counter() - begin
        finally:
            process.kill()


def _call(method: str, path: str, body: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-magnific-api-key: test\r\n"
    if body:
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}\r\n{body}".encode()


def _transcribe(action: str, number: int) -> bytes:
    """A call to moto's Amazon Transcribe, about the job of this number."""
    job = {"TranscriptionJobName": f"job-{number}"}
    if action.startswith("Start"):
        job |= {"LanguageCode": "en-US", "Media": {"MediaFileUri": "s3://recordings/lighthouse.mp3"}}
    body = json.dumps(job)
    scope = "Credential=test/20260101/us-east-1/transcribe/aws4_request, SignedHeaders=host, Signature=0"
    return (
        "POST / HTTP/1.1\r\nhost: transcribe.us-east-1.amazonaws.com\r\ncontent-type: application/x-amz-json-1.1\r\n"
        f"x-amz-target: Transcribe.{action}\r\nauthorization: AWS4-HMAC-SHA256 {scope}\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()


class _Line(asyncio.Protocol):
    """A connection that asks again as soon as it is answered. What a call may be is in a list, taken in turn."""

    def __init__(self, calls: list[bytes], left: list[int], times: list[float], seen: list[bytes]) -> None:
        self._calls, self._left, self._times, self._seen = calls, left, times, seen
        self._rest, self.done = b"", asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        if not self._left[0]:
            self._transport.close()
            return
        self._left[0] -= 1
        self._begin = time.perf_counter()
        self._transport.write(self._calls[self._left[0] % len(self._calls)])

    def data_received(self, data: bytes) -> None:
        self._rest += data
        head, mark, body = self._rest.partition(b"\r\n\r\n")
        if not mark:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        if len(body) < length:
            return
        self._times.append(time.perf_counter() - self._begin)
        self._seen.append(body)
        self._rest = b""
        if b"connection: close" in head.lower():  # pytest-httpserver and moto answer one call each
            self._transport.close()
        else:
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self.done.set_result(None)


async def _load(
    port: int, *calls: bytes, calls_: int = CALLS, **options: int
) -> tuple[float, list[float], list[bytes]]:
    left, times, seen = [options.get("calls", calls_)], list[float](), list[bytes]()
    loop = asyncio.get_running_loop()
    begin = time.perf_counter()

    async def ask() -> None:
        while left[0]:
            await (await loop.create_connection(lambda: _Line([*calls], left, times, seen), "127.0.0.1", port))[1].done

    await asyncio.gather(*(ask() for _ in range(options.get("connections", CONNECTIONS))))
    return time.perf_counter() - begin, times, seen


def _runner(work: Any) -> Any:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def _rates(port: int, side: Side) -> dict[str, tuple[float, float]]:
    """Of each kind of call how many a second, and within how many milliseconds 99 of 100 are answered."""
    kinds = {}
    took, times, seen = _runner(_load(port, *side.creates, calls=side.calls))
    kinds["create"] = side.calls / took, statistics.quantiles(times, n=100)[98] * 1000
    took, times, _ = _runner(_load(port, *side.statuses(seen), calls=side.calls))
    kinds["status"] = side.calls / took, statistics.quantiles(times, n=100)[98] * 1000
    return kinds


def _resident(process: int) -> float:
    """How many MB of a process are in memory."""
    with open(f"/proc/{process}/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def _control(url: str, method: str, route: str, body: str = "") -> Any:
    port = int(url.rpartition(":")[2])
    (said,) = _runner(_load(port, _call(method, f"/__mock__/{route}", body), calls=1, connections=1))[2]
    return json.loads(said)


def _tasks() -> dict[str, float]:
    """KB that each finished task adds, and that are left of it once retention is over."""
    with _running([sys.executable, "-c", QUICK]) as (url, process, _):
        port = int(url.rpartition(":")[2])

        def buy(tasks: int) -> None:
            _, _, seen = _runner(_load(port, _call("POST", SUBMIT, REQUEST), calls=tasks))
            ids = [json.loads(each)["data"]["task_id"] for each in seen]
            _runner(_load(port, *(_call("GET", f"{SUBMIT}/{task}") for task in ids), calls=tasks))

        # The record of exchanges is full before and after, so that what grows are tasks and their bills.
        for _ in range(3):
            buy(WARM)
        before = _resident(process)
        buy(TASKS)
        full = _resident(process)
        _control(url, "POST", "clock", '{"advance": 1e8}')
        _runner(_load(port, _call("GET", f"{SUBMIT}/{TASK}"), calls=1, connections=1))
        buy(TASKS)
        again = _resident(process)
    return {"kb_a_task": (full - before) * 1024 / TASKS, "kb_after_retention": (again - full) * 1024 / TASKS}


def run() -> dict[str, Any]:
    """Measures each side in turns, prints the tables and gives the figures."""
    cores = sorted(os.sched_getaffinity(0))
    sides, figures = _sides(), dict[str, Any]()
    rates = {side: {"create": list[tuple[float, float]](), "status": list[tuple[float, float]]()} for side in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            with _running(side.command) as (url, process, _):
                if len(cores) > 1:
                    os.sched_setaffinity(process, cores[:1])
                    os.sched_setaffinity(0, cores[1:])
                for kind, rate in _rates(int(url.rpartition(":")[2]), side).items():
                    rates[name][kind].append(rate)
                os.sched_setaffinity(0, cores)
    print(f"{'calls a second':20}{'create':>10}{'status':>10}{'p99 ms':>8}{'p99 ms':>8}")
    for side, kinds in rates.items():
        medians = {kind: [statistics.median(each) for each in zip(*told, strict=True)] for kind, told in kinds.items()}
        figures[side] = {kind: {"a_second": each[0], "p99_ms": each[1]} for kind, each in medians.items()}
        create, status = medians["create"], medians["status"]
        print(f"{side:20}{create[0]:10.0f}{status[0]:10.0f}{create[1]:8.2f}{status[1]:8.2f}")
    for kind in ("create", "status"):
        ours, floor = figures["ours"][kind], figures["floor"][kind]
        ratio, late = ours["a_second"] / floor["a_second"], ours["p99_ms"] / floor["p99_ms"]
        print(f"{kind}: {ratio:.2f}x the floor (goal at least 0.5x), p99 {late:.1f}x (goal at most 3x)")
        figures[f"{kind}_ratio"], figures[f"{kind}_p99_ratio"] = ratio, late

    print(f"\n{'start':20}{'ms':>8}{'MB':>8}")
    starts: dict[str, list[float]] = {name: [] for name in sides}
    weights: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(STARTS):
        for name, side in sides.items():
            with _running(side.command) as (_, process, took):
                starts[name].append(took * 1000)
                weights[name].append(_resident(process))
    for name in sides:
        figures[name] |= {"start_ms": statistics.median(starts[name]), "mb": statistics.median(weights[name])}
        print(f"{name:20}{figures[name]['start_ms']:8.0f}{figures[name]['mb']:8.1f}")
    figures["start_ratio"] = figures["ours"]["start_ms"] / figures["floor"]["start_ms"]
    print(f"start: {figures['start_ratio']:.2f}x the floor (goal at most 1.5x); memory: goal at most 48 MB")

    figures |= _tasks()
    print(
        f"\na finished task: {figures['kb_a_task']:.1f} KB (goal at most 2), "
        f"after retention {figures['kb_after_retention']:.1f} KB more for as many again (goal about 0)"
    )
    return figures


if __name__ == "__main__":
    run()

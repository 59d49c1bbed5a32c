"""How fast, and in how much memory, four references of 10 MB go out as base64 in one JSON body, from files.

- ours: the submit of a plan whose references are files; they are read and encoded while they are sent.
- peer: the files read and encoded, and sent by httpx's ``json=``.

Both go over loopback to a server in another process that counts what comes and throws it away. Each row is a process of
its own: its first call shows how much the peak of its memory grows, the further ones how fast it is. Goals: at most 0.1
times the body in extra memory, at least 6 times the speed of the peer, the body byte for byte the same, with its length
in front.

Run it with the interpreter that has fluxkit installed: ``python benchmarks/references.py``.
"""

import base64
import hashlib
import json
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx

from fluxkit import Request
from fluxkit._engine.effects import calling
from fluxkit._engine.transport import AsyncTransport, Transport
from fluxkit._wire.calls import Outgoing, submission
from fluxkit._wire.plan import make_plan
from fluxkit_providers.magnific import MAGNIFIC

SIZE, COUNT, ROUNDS = 10_000_000, 4, 7
EXTRA, FASTER = 0.1, 6.0
PROMPT = "in the style of the first"
ROWS = ("ours", "ours async", "peer", "peer async")


def serve() -> None:
    """Answers each call with the length and, where the path ends in it, the sha256 of its body."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=_serve, args=(listener.accept()[0],), daemon=True).start()


def _serve(wire: socket.socket) -> None:
    room = memoryview(bytearray(1 << 20))
    while head := _head(wire):
        text, begun = head
        length = int(text.lower().partition("content-length:")[2].split("\r\n")[0])
        digest = hashlib.sha256(begun) if "/sha256" in text.partition("\r\n")[0] else None
        left = length - len(begun)
        while left and (count := wire.recv_into(room, min(left, len(room)))):
            left -= count
            if digest:
                digest.update(room[:count])
        said = json.dumps({"length": length, "sha256": digest and digest.hexdigest()}).encode()
        wire.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(said), said))


def _head(wire: socket.socket) -> tuple[str, bytes] | None:
    came = b""
    while b"\r\n\r\n" not in came:
        piece = wire.recv(65536)
        if not piece:
            return None
        came += piece
    head, _, rest = came.partition(b"\r\n\r\n")
    return head.decode() + "\r\n", rest


def _ours(url: str, files: list[str]) -> Outgoing:
    return submission(make_plan(MAGNIFIC, "flux-2-pro", Request(PROMPT, references=files), base_url=url), 0)


def _naive(files: list[str]) -> dict[str, Any]:
    names = ["input_image", *(f"input_image_{number}" for number in range(2, COUNT + 1))]
    images = [base64.b64encode(Path(file).read_bytes()).decode() for file in files]
    return {"prompt": PROMPT, **dict(zip(names, images, strict=True)), "width": 1024, "height": 768}


def _sends(row: str, url: str, files: list[str]) -> Callable[[], dict[str, Any]]:
    """What sends the body once, and gives the answer."""
    if row == "ours":
        transport = Transport(local=True)
        return lambda: transport.call(calling(_ours(url, files), 60.0, keyed=False)).document
    if row == "peer":
        client = httpx.Client(timeout=60.0)
        return lambda: client.post(f"{url}/x", json=_naive(files)).json()

    async def ours() -> dict[str, Any]:
        transport = AsyncTransport(local=True)
        answer = (await transport.call(calling(_ours(url, files), 60.0, keyed=False))).document
        await transport.aclose()
        return answer

    async def peer() -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=60.0) as client:
            return (await client.post(f"{url}/x", json=_naive(files))).json()

    return lambda: anyio.run(ours if row == "ours async" else peer)


def measure(row: str, port: str, *files: str) -> None:
    """One row, in this process: prints seconds and bytes of extra memory as JSON."""
    url = f"http://127.0.0.1:{port}"
    small = Path(files[0]).with_name("small.png")
    _sends(row, url, [str(small)] * COUNT)()  # imports, connections
    before = _peak(anew=True)
    send = _sends(row, url, list(files))
    length = send()["length"]
    extra = _peak() - before
    spent = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        send()
        spent.append(time.perf_counter() - begin)
    digest = _sends(row, f"{url}/sha256", list(files))()["sha256"]
    print(json.dumps({"seconds": statistics.median(spent), "extra": extra, "length": length, "sha256": digest}))


def _peak(*, anew: bool = False) -> int:
    """The most memory that this process has had so far, in bytes, or from now on. Linux counts its parent's, too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024


def run() -> dict[str, Any]:
    """Prints the table and gives the figures by row."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{number}.png") for number in range(COUNT)]
        for number, file in enumerate(files):
            file.write_bytes(b"\x89PNG\r\n\x1a\n" + random.Random(number).randbytes(SIZE - 8))
        Path(folder, "small.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        sink = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
        try:
            port = sink.stdout.readline().strip()
            rows = {row: _row(row, port, files) for row in ROWS}
        finally:
            sink.kill()
            sink.wait()
        naive = json.dumps(_naive(list(map(str, files))), ensure_ascii=False, separators=(",", ":")).encode()
    figures = {}
    for row, said in rows.items():
        peer = rows["peer async" if row.endswith("async") else "peer"]
        figures[row] = {
            "megabytes_a_second": said["length"] / said["seconds"] / 1e6,
            "faster": peer["seconds"] / said["seconds"],
            "extra": said["extra"] / said["length"],
            "length_set": said["length"] == len(naive),
            "identical": said["sha256"] == hashlib.sha256(naive).hexdigest(),
        }
    _print(figures)
    return {**figures, "goals": {"faster": FASTER, "extra": EXTRA}}


def _row(row: str, port: str, files: list[Path]) -> dict[str, Any]:
    environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}
    command = [sys.executable, __file__, "measure", row, port, *map(str, files)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True).stdout)


def _print(figures: dict[str, Any]) -> None:
    print(f"{'4 x 10 MB from files':22}{'MB/s':>8}{'x peer':>9}{'goal':>7}{'extra':>9}{'goal':>7}  body")
    for row, figure in figures.items():
        ours = row.startswith("ours")
        goals = (f"{FASTER:.0f}", f"{EXTRA}") if ours else ("", "")
        body = "the same" if figure["identical"] and figure["length_set"] else "DIFFERENT"
        print(
            f"{row:22}{figure['megabytes_a_second']:8.0f}{figure['faster']:8.1f}x{goals[0]:>7}"
            f"{figure['extra']:8.2f}x{goals[1]:>7}  {body}"
        )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case ["measure", *arguments]:
            measure(*arguments)
        case _:
            run()

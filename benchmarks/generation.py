"""CPU of one generation over TCP (submit, one poll, download), beside the same calls by hand with the same httpx.

The mock serves from a process of its own, so that only the client's CPU is counted. Nobody sleeps: fluxkit's clock is
told not to, because what is measured is work.
"""

import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

import fluxkit
from fluxkit._engine.drive import Driver
from fluxkit._engine.notes import Notes
from fluxkit._engine.secret import Secret
from fluxkit._engine.transport import Transport

ROUNDS, GENERATIONS = 9, 40
PROVIDER, KEY = "magnific:flux-2-klein", "test"

SERVER = """
import sys
from fluxkit._plugins import installed
from fluxkit_mockserver import MockService
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import Server
with Server(MockService([installed().provider("magnific")], progression="at once", clock=WallClock())) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


class NoSleep:
    """A clock on which nobody waits."""

    now = staticmethod(time.time)

    def sleep(self, seconds: float, /) -> None:
        """Returns at once."""

    async def sleep_async(self, seconds: float, /) -> None:
        """Returns at once."""


def by_hand(client: httpx.Client, base: str, path: Path) -> None:
    """The three calls as a user would write them."""
    url = f"{base}/v1/ai/text-to-image/flux-2-klein"
    headers = {"x-magnific-api-key": KEY}
    body = {"prompt": "a lighthouse at dusk", "aspect_ratio": "widescreen_16_9", "resolution": "1k", "seed": 42}
    task = client.post(url, json=body, headers=headers).raise_for_status().json()["data"]["task_id"]
    done = client.get(f"{url}/{task}", headers=headers).raise_for_status().json()["data"]
    with client.stream("GET", done["generated"][0]) as response, path.open("wb") as file:
        for chunk in response.iter_bytes():
            file.write(chunk)


def by_fluxkit(client: fluxkit.Client, path: Path) -> None:
    """The same by fluxkit, with its checks, its report and its hash of the image."""
    client.generate("a lighthouse at dusk", aspect="16:9", resolution="1K", seed=42, to=path)


def run() -> dict[str, float]:
    """Prints the table and gives the medians in milliseconds of CPU, and their ratio."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    hand, off, on = [], [], []
    try:
        base = f"{process.stdout.readline().strip()}/magnific"
        with tempfile.TemporaryDirectory() as place, httpx.Client() as plain:
            paths = (Path(place) / f"{number}.jpg" for number in itertools.count())
            settings = {"key": KEY, "base_url": base, "journal": Path(place) / "journal"}
            with fluxkit.Client(PROVIDER, **settings) as client, fluxkit.Client(PROVIDER, **settings) as keeping:
                for each, notes in (client, Notes()), (keeping, keeping._driver.notes):  # noqa: SLF001
                    transport = Transport(secret=Secret(KEY, "x-magnific-api-key"), local=True)
                    each.__dict__["_driver"] = Driver(transport, NoSleep(), notes)
                for turn in range(ROUNDS + 1):
                    for taken, once in (
                        (hand, lambda: by_hand(plain, base, next(paths))),
                        (off, lambda: by_fluxkit(client, next(paths))),
                        (on, lambda: by_fluxkit(keeping, next(paths))),
                    ):
                        start = time.process_time()
                        for _ in range(GENERATIONS):
                            once()
                        if turn:
                            taken.append((time.process_time() - start) / GENERATIONS * 1000)
    finally:
        process.stdin.close()
        process.wait(timeout=10)
    figures = {"by hand": statistics.median(hand), "fluxkit": statistics.median(off), "journal": statistics.median(on)}
    figures["ratio"] = statistics.median(one / other for one, other in zip(off, hand, strict=True))
    figures["journal ratio"] = statistics.median(one / other for one, other in zip(on, hand, strict=True))
    print(f"by hand, httpx {httpx.__version__}: {figures['by hand']:.2f} ms of CPU a generation")
    print(f"fluxkit, journal off:  {figures['fluxkit']:.2f} ms, {figures['ratio']:.2f} x (goal: at most 1.15)")
    print(f"fluxkit, journal on:   {figures['journal']:.2f} ms, {figures['journal ratio']:.2f} x (goal: at most 1.5)")
    return figures


if __name__ == "__main__":
    run()

"""What it costs to import fluxkit and to start its command, beside peers: medians of whole processes."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 15
COMMAND = str(Path(sys.executable).parent / "fluxkit")

STATEMENTS = {
    "nothing": "pass",
    "fluxkit": "import fluxkit",
    "fluxkit and a client of it": "import fluxkit; fluxkit.Client",
    "attrs and pluggy (floor)": "import attrs, pluggy",
    "httpx": "import httpx",
    "fal_client": "import fal_client",
    "replicate": "import replicate",
    "openai": "import openai",
}


def seconds(command: list[str]) -> float:
    """How long one run of a command takes."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def medians(commands: dict[str, list[str]]) -> dict[str, float]:
    """The median of each command in milliseconds, taken in turns so that a slow moment hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, command in commands.items():
            once = seconds(command)
            if turn:  # the first round fills the caches of the file system
                taken[name].append(once)
    return {name: statistics.median(times) * 1000 for name, times in taken.items()}


def run() -> dict[str, float]:
    """Prints the table and gives the figures in milliseconds."""
    commands = {name: [sys.executable, "-c", code] for name, code in STATEMENTS.items()}
    for name, command in list(commands.items()):
        if subprocess.run(command, check=False, capture_output=True).returncode:
            print(f"{name}: not installed here, left out (pip install -r benchmarks/requirements.txt)")
            del commands[name]
    with tempfile.TemporaryDirectory() as place:
        commands["fluxkit --help"] = [COMMAND, "--help"]
        commands["first offline image by command"] = [
            *(COMMAND, "generate", "a lighthouse at dusk", "-p", "magnific:flux-2-klein", "--offline", "-o", place)
        ]
        figures = medians(commands)
    empty = figures["nothing"]
    net = {name: figure - empty for name, figure in figures.items() if name != "nothing"}
    print(f"an empty process: {empty:.0f} ms; net of that:")
    for name, figure in net.items():
        print(f"  {name:32} {figure:7.1f} ms")
    if "fal_client" in net:
        for name in ("fluxkit", "fluxkit and a client of it"):
            print(f"{name} / fal_client: {net[name] / net['fal_client']:.2f} (goal: at most 0.5)")
    print(f"fluxkit --help: {net['fluxkit --help']:.0f} ms over an empty process (goal: at most 75)")
    print(f"first offline image: {figures['first offline image by command']:.0f} ms in all (goal: at most 700)")
    return net


if __name__ == "__main__":
    run()

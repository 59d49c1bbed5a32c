"""What faults cost: clients of others and fluxkit under the same ones, counted by the service.

Each client speaks to a service on loopback that speaks its own wire (``shop.py``), by its own setting for the address
and in the way in which its documentation begins (``peers.py``, ``vercel.mjs``), in a process without a key of anybody.
What was bought is what the service sold. fluxkit runs on its mocks (``ours.py``). A peer that is not installed is left
out, and that is said; those for node come with ``npm install --prefix benchmarks/faults``.
"""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

import fluxkit

from . import rows
from .ours import MODELS, row
from .shop import Shop, Tally

HERE = Path(__file__).parent

#: The peers by their distributions, with the clients of the table that each brings.
PYTHON = {
    "fal_client": (rows.FAL,),
    "openai": (rows.OPENAI,),
    "litellm": (rows.LITELLM, rows.ROUTER),
    "replicate": (rows.REPLICATE, rows.PREDICTION),
}
NODE = ("ai", "@ai-sdk/black-forest-labs")

#: No peer may take longer than so many seconds for all of its calls, which run side by side.
PATIENCE = 60.0

#: The words by which an error says that something was bought; the id of what was bought says it, too.
WORDS = re.compile(r"charg|bill|bought|paid", re.IGNORECASE)


def versions() -> dict[str, str]:
    """The versions of fluxkit and of the peers that are installed."""
    found = {"fluxkit": fluxkit.__version__}
    for name in PYTHON:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            print(f"{name} is not installed, and left out: python -m pip install -r benchmarks/requirements.txt")
    packages = {name: HERE / "node_modules" / name / "package.json" for name in NODE}
    if shutil.which("node") and all(package.is_file() for package in packages.values()):
        found |= {name: json.loads(package.read_text("utf-8"))["version"] for name, package in packages.items()}
    else:
        print("ai is not installed, or node is not, and it is left out: npm install --prefix benchmarks/faults")
    return found


def commands(known: Sequence[str], shop: Shop) -> list[list[str]]:
    """What runs the peers: a process for each, with the prompts of its rows."""
    calls = [
        ([sys.executable, str(HERE / "peers.py"), name, shop.url], clients)
        for name, clients in PYTHON.items()
        if name in known
    ]
    if NODE[0] in known:
        calls.append(([shutil.which("node") or "node", str(HERE / "vercel.mjs"), shop.url], (rows.VERCEL,)))
    return [
        [*call, *(f"{fault} / {client}" for fault, client in rows.ROWS if client in clients)] for call, clients in calls
    ]


def environment(shop: Shop, home: str) -> dict[str, str]:
    """Nothing of the user's: no key, no settings, no proxy; where the service is, and a key that opens nothing."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    return {
        **kept,
        "HOME": home,
        "FAL_KEY": "test",
        "FAL_RUN_HOST": shop.host,
        "FAL_QUEUE_RUN_HOST": shop.host,
        "OPENAI_API_KEY": "test",
        "OPENAI_BASE_URL": f"{shop.url}/v1",
        "REPLICATE_API_TOKEN": "test",
        "REPLICATE_BASE_URL": shop.url,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or else it fetches its prices from the network
    }


def asked(call: Sequence[str], env: dict[str, str], home: str) -> subprocess.Popen[str]:
    """Starts a peer."""
    return subprocess.Popen(call, env=env, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answered(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What a peer printed; one that fails or takes too long ends the benchmark, with what it said."""
    out, said = process.communicate(timeout=PATIENCE)
    if process.returncode:
        raise RuntimeError(f"{process.args} failed:\n{said}")
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def judged(tally: Tally, told: dict[str, Any]) -> rows.Row:
    """The row of a peer: what the service sold, and what the caller was told."""
    fault, _, client = told["prompt"].partition(" / ")
    error = rows.NONE
    if told["error"] is not None:
        says = WORDS.search(told["error"]) or any(job in told["error"] for job in tally.bought)
        error = rows.SAYS if says else rows.SILENT
    return rows.Row(fault, client, len(tally.bought), told["images"], tally.polls, tally.late, error)


def run() -> dict[str, Any]:
    """Runs every peer and fluxkit, prints the table and gives the rows."""
    known = versions()
    with Shop() as shop, tempfile.TemporaryDirectory() as home:
        processes = [asked(call, environment(shop, home), home) for call in commands(tuple(known), shop)]
        try:
            told = [line for process in processes for line in answered(process)]
        finally:
            for process in processes:
                process.kill()
                process.wait()
        found = {tuple(line["prompt"].split(" / ")): judged(shop.tallies[line["prompt"]], line) for line in told}
    found |= {(fault, client): row(fault, client) for fault, client in rows.ROWS if client in MODELS}
    ordered = [found[place] for place in rows.ROWS if place in found]
    print(", ".join(f"{name} {version}" for name, version in known.items()))
    print(rows.table(ordered))
    return {"versions": known, "rows": [attrs.asdict(each) for each in ordered]}

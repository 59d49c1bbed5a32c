"""What is measured: how each server is started, and what it is asked."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from .apps import FIXED, FLOOR, HTTPSERVER, STUBS, SUBMIT, TASK
from .load import call, textract

#: Where the peers that npm installs lie; the directory of ``npm install --prefix``.
PLACE = "MOCK_PEERS"

SCRIPTS = Path(sysconfig.get_path("scripts"))
FLUXKIT = str(SCRIPTS / "fluxkit")

REQUEST = json.dumps(
    {
        "prompt": "A lighthouse on a basalt cliff at dusk, oil painting",
        "aspect_ratio": "widescreen_16_9",
        "resolution": "1k",
        "seed": 7,
    }
)


class Side(NamedTuple):
    """A server, and how it is asked to create, and how for what stands in its answers.

    A round asks *warm* times before it counts *calls*, of each kind: node and Java become several times as fast by
    then.
    """

    command: Sequence[str]
    first: bytes
    create: bytes
    statuses: Callable[[list[bytes]], list[bytes]]
    calls: int = 600
    warm: int = 100
    rounds: int = 3
    starts: int = 3


def submit(path: str = SUBMIT) -> bytes:
    """The call that buys an image."""
    return call("POST", path, REQUEST)


def looks(granted: list[bytes]) -> list[bytes]:
    """The calls that look at the tasks of submits that were granted."""
    return [call("GET", f"{SUBMIT}/{json.loads(each)['data']['task_id']}") for each in granted]


def _jobs(granted: list[bytes]) -> list[bytes]:
    return [textract("GetDocumentTextDetection", json.loads(each)) for each in granted]


def _klein(path: str = SUBMIT) -> tuple[bytes, bytes, Callable[[list[bytes]], list[bytes]]]:
    """What is asked first, then to create and for a status, of those that give no ids of their own."""
    status = call("GET", f"{path}/{TASK}")
    return status, submit(path), lambda _: [status]


def ours() -> dict[str, Side]:
    """The mock and what it is held against."""
    first, create, fixed = _klein()
    often = {"calls": 8_000, "warm": 500, "rounds": 5, "starts": 9}
    return {
        "ours": Side([FLUXKIT, "mock", "--port", "0", "--speed", "1"], first, create, _last, **often),
        "floor": Side([sys.executable, "-c", FLOOR], first, create, _last, **often),
        "fixed answers": Side([sys.executable, "-c", FIXED], first, create, fixed, **often),
    }


def _last(granted: list[bytes]) -> list[bytes]:
    return looks(granted[-1000:])


def _httpserver() -> Side:
    return Side([sys.executable, "-c", HTTPSERVER], *_klein(), calls=1_000)


def _moto() -> Side:
    document = {"DocumentLocation": {"S3Object": {"Bucket": "recordings", "Name": "lighthouse.pdf"}}}
    return Side(
        [str(SCRIPTS / "moto_server"), "-H", "127.0.0.1", "-p", "{port}"],
        textract("GetDocumentTextDetection", {"JobId": TASK}),
        textract("StartDocumentTextDetection", document),
        _jobs,
    )


def _prism(modules: Path, scratch: Path) -> Side:
    command = [str(modules / ".bin" / "prism"), "mock", "-v", "error", "-p", "{port}", str(_document(scratch))]
    # It serves the paths of the document, without that of the server before them.
    return Side(command, *_klein(SUBMIT.removeprefix("/magnific")), calls=1_500, warm=1_500, starts=2)


def _mockoon(modules: Path, scratch: Path) -> Side:
    command = [str(modules / ".bin" / "mockoon-cli"), "start", "--disable-log-to-file"]
    return Side(
        [*command, "--port", "{port}", "--data", str(_document(scratch))], *_klein(), calls=800, warm=800, starts=2
    )


def _wiremock(modules: Path, scratch: Path) -> Side:
    (jar,) = (modules / "wiremock" / "build").glob("*.jar")
    (scratch / "mappings").mkdir()
    (scratch / "mappings" / "klein.json").write_text(json.dumps(STUBS), "utf-8")
    command = ["java", "-jar", str(jar), "--port", "{port}", "--root-dir", str(scratch)]
    return Side([*command, "--use-chunked-encoding", "never"], *_klein(), calls=3_000, warm=3_000, starts=2)


def _document(scratch: Path) -> Path:
    """The service that ours mocks, as an OpenAPI document."""
    path = scratch / "magnific.json"
    if not path.exists():
        made = subprocess.run([FLUXKIT, "mock", "--openapi", "magnific"], check=True, capture_output=True)
        path.write_bytes(made.stdout)
    return path


#: The peers by their names in the registries; those that npm installs with the program that runs them.
PYTHON: dict[str, Callable[[], Side]] = {"pytest-httpserver": _httpserver, "moto": _moto}
NODE: dict[str, tuple[str, Callable[[Path, Path], Side]]] = {
    "@stoplight/prism-cli": ("node", _prism),
    "@mockoon/cli": ("node", _mockoon),
    "wiremock": ("java", _wiremock),
}


def peers(scratch: Path) -> tuple[dict[str, Side], dict[str, str], dict[str, str]]:
    """The peers that are installed, the versions of those, and how to have the others."""
    sides, versions, missing = dict[str, Side](), dict[str, str](), dict[str, str]()
    for name, python in PYTHON.items():
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing[name] = "pip install -r benchmarks/requirements.txt"
        else:
            sides[name] = python()
    place = os.environ.get(PLACE)
    modules = Path(place or "DIRECTORY", "node_modules").resolve()
    for name, (program, node) in NODE.items():
        package = modules / name / "package.json"
        if not place:
            missing[name] = f"npm install --prefix DIRECTORY {name}, and {PLACE}=DIRECTORY"
        elif not package.is_file():
            missing[name] = f"npm install --prefix {place} {name}"
        elif not shutil.which(program):
            missing[name] = f"there is no {program}"
        else:
            versions[name] = json.loads(package.read_text("utf-8"))["version"]
            sides[name] = node(modules, scratch)
    return sides, versions, missing

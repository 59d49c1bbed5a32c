"""What the documents say is run: every Python example, every command, and the tables against the declarations."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("**/*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[pytest.param]:  # type: ignore[valid-type]
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, (found, text) in enumerate(FENCE.findall(page.read_text("utf-8")), 1)
        if found == language
    ]


def environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    keys = {name: value for name, value in os.environ.items() if not name.startswith("FLUXKIT_")}
    return {**keys, "PATH": path, "PYTHONWARNINGS": "error", "FLUXKIT_CONFIG": os.devnull}


def run(command: list[str], place: Path) -> None:
    done = subprocess.run(
        command, cwd=place, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("text", blocks("python"))
def test_a_python_example_runs(text: str, tmp_path: Path) -> None:
    run([sys.executable, "-c", text], tmp_path)


def commands() -> list[tuple[str, str]]:
    lines = (
        (page.name, line.partition("  #")[0].strip())
        for page in PAGES
        for language, text in FENCE.findall(page.read_text("utf-8"))
        if language == "console"
        for line in text.splitlines()
    )
    return [(page, line) for page, line in lines if line]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "line"), [(page, line) for page, line in commands() if line.startswith("fluxkit ")])
def test_a_command_runs(page: str, line: str, tmp_path: Path) -> None:
    run(shlex.split(line), tmp_path)


def test_every_other_command_is_one_that_the_checks_run() -> None:
    """`make demo` and `make test` are run from a clean clone by .ci/run; nothing else may stand in a page unrun."""
    others = {line for _, line in commands() if not line.startswith("fluxkit ")}
    assert {"make demo", "make test"} == others


def test_every_link_of_the_documents_leads_somewhere() -> None:
    links = [
        (page, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
        if not target.startswith(("http://", "https://"))
    ]
    assert [] == [f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()]


def test_the_tables_are_those_of_the_declarations() -> None:
    run([sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"], ROOT)

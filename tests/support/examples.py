"""The examples of a page, carried out as a reader would: in order, in one directory that is empty at first.

What becomes of a block is said by its language:

- ``python`` is run, all blocks of a page in one process;
- ``text`` is exactly what the block before it prints;
- ``sh`` is command lines, each of which succeeds;
- ``console`` is commands after ``$ ``, each with exactly what it prints beneath; one that fails is followed by
  ``$ echo $?``;
- ``js`` is run by node;
- ``toml`` is read;
- a directive, such as ``{eval-rst}``, is the site's, which `make site` builds strict.

A block behind a line that ends with the name of a file, as in "Write this to `test_app.py`:", is written into that file
and not run. In what is printed, ``...`` stands for anything within a line, and alone on a line for any lines.

``pip install -e "DIRECTORY[...]"`` builds that plugin and installs it beside the page, where every later command finds
it; not into this process's environment, and from no index.

``fluxkit mock`` is started on a free port, put in place of its usual one in every later block, and ends with the page.
Nothing is bought: ``fluxkit generate`` is given ``--offline`` unless it says so itself or names another address.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import attrs

LANGUAGES = ("python", "text", "sh", "console", "js", "toml")

#: Lines that .ci/run carries out from a clean clone, because they set up the machine itself, and one that would buy:
#: the page on verifying in CI carries it out on a mock.
CARRIED_OUT_ELSEWHERE = ("make demo", "make test", 'fluxkit verify magnific --live --spend-at-most "0.20 USD"')

#: How many seconds one example may take.
PATIENCE = 60.0

PORT = "127.0.0.1:4010"

#: How a page installs a plugin, and where it then lies, beside the files of the page.
PLUGIN = re.compile(r'pip install -e "([\w-]+)\[\w+\]"')
PLUGINS = ".plugins"

FENCE = re.compile(r"^(?P<mark>`{3,}|~{3,})(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=mark)$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"`([\w./-]+\.\w+)`:$")

INTERPRETER = """
import contextlib, io, json, sys, traceback
names = {"__name__": "__main__"}
for line in sys.stdin:
    page, text = json.loads(line)
    printed, failed = io.StringIO(), False
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            exec(compile(text, page, "exec"), names)
        except BaseException:
            traceback.print_exc()
            failed = True
    print(json.dumps([failed, printed.getvalue()]), file=sys.__stdout__, flush=True)
"""


@attrs.frozen
class Block:
    """A fenced block: its language, its text, the line of its fence, and the file that it is written to."""

    language: str
    text: str
    line: int
    file: str | None = None


def blocks_of(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for found in FENCE.finditer(page):
        before = page[: found.start()]
        named = FILE.search(before.rstrip())
        yield Block(found["language"], found["text"], before.count("\n") + 1, named and named[1])


def complaints(blocks: list[Block]) -> list[str]:
    """What is wrong with the blocks of a page before any is run."""
    wrong = []
    for block, before in zip(blocks, [None, *blocks], strict=False):
        if block.language.startswith("{"):
            continue
        if block.language not in LANGUAGES:
            wrong.append(f"line {block.line}: {block.language!r} is none of {', '.join(LANGUAGES)}")
        elif block.language == "console" and not block.text.startswith("$ "):
            wrong.append(f"line {block.line}: a console begins with a command after '$ '; without output it is sh")
        elif (
            block.language == "text"
            and not block.file
            and (before is None or before.file or before.language not in ("python", "js"))
        ):
            wrong.append(f"line {block.line}: text is what the python or js before it prints, and there is none")
    return wrong


def commands_of(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console, each with what it prints."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, printed = re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*)\n?(.*)", part, re.DOTALL).groups()  # type: ignore[union-attr]
        yield command, printed


def matches(expected: str, printed: str) -> bool:
    """Whether that is what was printed, where ``...`` stands for anything."""
    parts = []
    for line in expected.rstrip().splitlines():
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*")
        else:
            parts.append("[^\n]*".join(map(re.escape, line.rstrip().split("..."))) + "\n")
    shown = "".join(f"{line.rstrip()}\n" for line in printed.rstrip().splitlines())
    return re.fullmatch("".join(parts), shown) is not None


def environment(place: Path) -> dict[str, str]:
    """This process's environment, without what would change fluxkit or pytest; warnings are errors.

    What is kept of what was bought lies beside *place*, and not where the user has it.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLUXKIT_", "PYTEST_", "COV_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    # What is not buffered comes in the order in which a terminal would show it.
    return {
        **kept,
        "PATH": path,
        "PYTHONWARNINGS": "error",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "80",
        "PYTHONPATH": str(place / PLUGINS),
        "FLUXKIT_CONFIG": os.devnull,
        "XDG_STATE_HOME": str(place.with_name(f"{place.name}-state")),
    }


def run(command: list[str], place: Path) -> tuple[int, str]:
    """Runs a program to its end: its exit code, and all that it prints."""
    done = subprocess.run(
        command,
        cwd=place,
        env=environment(place),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout


@attrs.define
class Reader:
    """Goes through one page in a directory; a context manager, because the page may start programs."""

    page: str
    place: Path
    _code: int = 0
    _port: str = PORT
    _interpreter: "subprocess.Popen[str] | None" = None
    _mocks: "list[subprocess.Popen[str]]" = attrs.field(factory=list)

    def read(self, blocks: list[Block]) -> None:
        """Carries out the blocks of the page; an ``AssertionError`` shows what is not as the page says."""
        assert not complaints(blocks), "\n".join(complaints(blocks))
        printed = ""
        for block in blocks:
            block = attrs.evolve(block, text=block.text.replace(PORT, self._port))
            if block.language == "toml":
                tomllib.loads(block.text)  # a fluxkit.toml is loaded by what reads it: the blocks after it
            if block.language == "text" and block.file is None:
                self._compare(block, block.text, printed)
            elif block.file is not None:
                (self.place / block.file).parent.mkdir(parents=True, exist_ok=True)
                (self.place / block.file).write_text(block.text, "utf-8")
            elif block.language in ("python", "js"):
                printed = self._python(block) if block.language == "python" else self._js(block)
            elif block.language == "sh":
                for line in block.text.replace("\\\n", "").splitlines():
                    self._command(block, line.partition("  #")[0].strip())
                assert self._code == 0, self._at(block, "the last command failed")
            elif block.language == "console":
                for command, expected in commands_of(block.text):
                    self._compare(block, expected, self._command(block, command))
                assert self._code == 0, self._at(block, "the last command failed")

    def _python(self, block: Block) -> str:
        if self._interpreter is None:
            self._interpreter = self._start([sys.executable, "-c", INTERPRETER])
        assert self._interpreter.stdin is not None
        assert self._interpreter.stdout is not None
        timer = threading.Timer(PATIENCE, self._interpreter.kill)
        timer.start()
        self._interpreter.stdin.write(json.dumps([self.page, "\n" * block.line + block.text]) + "\n")
        self._interpreter.stdin.flush()
        answer = self._interpreter.stdout.readline()
        timer.cancel()
        failed, printed = json.loads(answer or '[true, "it did not end"]')
        assert not failed, self._at(block, printed)
        return str(printed)

    def _js(self, block: Block) -> str:
        script = self.place / f"line-{block.line}.mjs"
        script.write_text(block.text, "utf-8")
        code, printed = run(["node", script.name], self.place)
        script.unlink()
        assert code == 0, self._at(block, printed)
        return printed

    def _command(self, block: Block, command: str) -> str:
        """Runs one command line, where ``$?`` is the exit code of the one before; returns what it prints."""
        command = command.replace(PORT, self._port)
        if command in ("", *CARRIED_OUT_ELSEWHERE):
            return ""
        assert self._code == 0 or command == "echo $?", self._at(block, "the command before this one failed")
        if plugin := PLUGIN.fullmatch(command):
            pip = f"env -u PYTHONWARNINGS {sys.executable} -m pip --disable-pip-version-check --quiet"
            command = f"{pip} install --no-deps --no-index --no-build-isolation --target {PLUGINS} ./{plugin[1]}"
        if re.match(r"fluxkit mock(?!.* --(help|faults|openapi|switches))", command):
            return self._mock(command)
        if "fluxkit generate" in command and not re.search("--offline|--base-url|--help", command):
            command += " --offline"
        self._code, printed = run(["bash", "-o", "pipefail", "-c", f"(exit {self._code}); {command}"], self.place)
        assert "Traceback" not in printed, self._at(block, printed)
        assert self._code == 0 or block.language == "console", self._at(block, f"{command}\n{printed}")
        return printed

    def _mock(self, command: str) -> str:
        mock = self._start(["bash", "-c", f"exec {command} --port 0"])
        self._mocks.append(mock)
        lines: list[str] = []
        assert mock.stdout is not None
        for line in mock.stdout:
            lines.append(line)
            if line.startswith("serving"):
                break
        printed = "".join(lines)
        found = re.search(r"127\.0\.0\.1:\d+", printed)
        assert found, printed
        self._port = found[0]
        return printed

    def _start(self, command: list[str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command,
            cwd=self.place,
            env=environment(self.place),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _compare(self, block: Block, expected: str, printed: str) -> None:
        expected = expected.replace(PORT, self._port)
        assert matches(expected, printed), self._at(block, f"the page says\n{expected}\nand it printed\n{printed}")

    def _at(self, block: Block, text: str) -> str:
        return f"{self.page}, line {block.line}: {text}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for started in (*self._mocks, *filter(None, [self._interpreter])):
            if started is not self._interpreter:
                started.send_signal(signal.SIGINT)
            started.communicate(timeout=PATIENCE)
        assert [0] * len(self._mocks) == [mock.returncode for mock in self._mocks]

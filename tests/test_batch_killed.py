"""A batch that is killed at any moment goes on: nothing is bought twice, and nothing that was paid is lost."""

import hashlib
import json
import os
import random
import socket
import subprocess
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio.from_thread
import attrs
import PIL.Image
import pytest
import uvicorn

import fluxkit
import fluxkit.webhooks
from fluxkit._engine.journal.journal import open_journal
from fluxkit_mockserver import WEBHOOK_SECRET, MockService
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import Server
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

FLUXKIT = str(Path(sysconfig.get_path("scripts"), "fluxkit"))
MODEL = "magnific:flux-2-pro"
ROWS = 100
KEYS = ("FLUXKIT_MAGNIFIC_KEY", "FLUXKIT_APIMART_KEY")
SMALL = {"size": "256x256"}

#: What differs between two runs that come to the same: when, and what the service calls its tasks.
PASSING = ("at", "tasks")


class Killing(MockService):
    """A mock that can kill its client, by ``kill -9``, at an exchange: before it is carried out, or before its answer.

    ``bought`` are the prompts of what it has billed.
    """

    def __init__(self, **how: Any) -> None:
        super().__init__([MAGNIFIC, APIMART], clock=WallClock(), **how)
        self.victim: subprocess.Popen[bytes] | None = None
        self.until, self.late, self.submits = 0, False, False
        self.bought: Counter[str] = Counter()

    def kill_at(self, victim: "subprocess.Popen[bytes]", exchange: int, *, late: bool, submits: bool) -> None:
        """Kills the *victim* at an *exchange* that is still to come, counting *submits* only, or all of them."""
        self.until, self.late, self.submits, self.victim = exchange, late, submits, victim

    def handle(self, incoming: Any) -> Any:
        victim = self.victim
        due = False
        if victim is not None and (incoming.method == "POST" or not self.submits):
            self.until -= 1
            due = self.until == 0
            if due and not self.late:
                victim.kill()
        billed = self.billed
        answer = super().handle(incoming)
        if self.billed > billed:
            self.bought[json.loads(incoming.body)["prompt"]] += 1
        if victim is not None and due and self.late:
            victim.kill()
        return answer


@attrs.define(eq=False)
class Bench:
    """A batch, and the processes that work on it one after another."""

    mock: Killing
    base_url: str
    place: Path
    model: str = MODEL
    more: tuple[str, ...] = ()

    @property
    def journal(self) -> Path:
        return self.place / "journal.sqlite"

    @property
    def out(self) -> Path:
        return self.place / "out"

    def write(self, **more: Any) -> None:
        """The input: so many rows, each with a seed and so with one picture only."""
        rows = [{"prompt": f"fox {number}", "seed": number, **more} for number in range(ROWS)]
        (self.place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def begin(self) -> "subprocess.Popen[bytes]":
        """A process that works on the batch."""
        options = ("-o", "out", "-p", self.model, "--base-url", self.base_url, "--journal", str(self.journal))
        return subprocess.Popen(
            [FLUXKIT, "batch", "rows.jsonl", *options, *self.more],
            cwd=self.place,
            env={**os.environ, **dict.fromkeys(KEYS, "test"), "FLUXKIT_CONFIG": os.devnull},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def kill(self, chance: random.Random, times: int) -> None:
        """Lets processes work on the batch, and kills each of them at some moment."""
        killed = 0
        while killed < times:
            process = self.begin()
            submits = chance.random() < 0.3
            most = 4 if submits else 14
            self.mock.kill_at(process, chance.randint(1, most), late=chance.random() < 0.7, submits=submits)
            said = process.communicate(timeout=60)[1].decode()
            assert process.returncode in (-9, 0, 6), said
            if process.returncode != -9:
                break
            killed += 1
        self.mock.victim = None
        assert killed, "nothing was left to kill"

    def finish(self) -> int:
        """Runs the batch until nothing moves; gives the last exit code."""
        before: Any = None
        while True:
            process = self.begin()
            said = process.communicate(timeout=60)[1].decode()
            assert process.returncode in (0, 6), said
            rows = self.rows()
            if rows == before:
                return process.returncode
            before = rows

    def rows(self) -> list[dict[str, Any]]:
        """What the results say, without what differs from one run to the next."""
        lines = (self.out / "results.jsonl").read_text().splitlines()
        return [{name: value for name, value in json.loads(line).items() if name not in PASSING} for line in lines]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a batch that nobody has killed comes to."""
    mock = Killing(progression="at once")
    with Server(mock) as server:
        bench = Bench(mock, server.base_url("magnific"), tmp_path_factory.mktemp("whole"))
        bench.write(**SMALL)
        process = bench.begin()
        said = process.communicate(timeout=60)[1]
        assert 0 == process.returncode, said
        assert (ROWS, 1) == (mock.billed, max(mock.bought.values()))
        return bench.rows()


def opened(bench: Bench, image: dict[str, Any]) -> tuple[int, int]:
    """The sides of an image that opens, and is the one that the results tell of."""
    path = bench.out / image["file"]
    assert image["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    with PIL.Image.open(path) as picture:
        picture.load()
        return picture.size


def check(bench: Bench, whole: Sequence[dict[str, Any]] = ()) -> int:
    """Whether what a batch came to keeps the promises; gives how many rows are unknown."""
    rows, mock = bench.rows(), bench.mock
    assert list(range(1, ROWS + 1)) == [row["line"] for row in rows]
    assert 1 == max(mock.bought.values()), "a row was bought twice"
    unknown = [row for row in rows if row["state"] == "unknown"]
    done = [row for row in rows if row["state"] == "done"]
    assert ROWS == len(done) + len(unknown)
    accepted = [row for row in unknown if f"fox {row['line'] - 1}" in mock.bought]
    assert mock.billed == len(done) + len(accepted)
    if whole:
        assert done == [row for row in whole if row["line"] in {row["line"] for row in done}]
    assert all(opened(bench, image) == (image["width"], image["height"]) for row in done for image in row["images"])
    named = {row.row for row in open_journal(bench.journal).rows(state="unknown")}
    assert named == {row["errors"][0]["row"] for row in unknown}
    assert all("--adopt TASK=ROW" in row["errors"][0]["advice"] for row in unknown)
    pictures = {path.name for path in bench.out.glob("0*")}
    assert pictures == {image["file"] for row in done for image in row["images"]}
    return len(unknown)


def kill_and_finish(place: Path, seed: int, whole: list[dict[str, Any]]) -> None:
    mock = Killing(progression="at once")
    with Server(mock) as server:
        bench = Bench(mock, server.base_url("magnific"), place)
        bench.write(**SMALL)
        bench.kill(random.Random(seed), 20)
        code = bench.finish()
        assert (6 if check(bench, whole) else 0) == code


@pytest.mark.slow
def test_killed_at_20_instants_it_loses_and_doubles_nothing(tmp_path: Path, whole: list[dict[str, Any]]) -> None:
    kill_and_finish(tmp_path, 1, whole)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(2, 12))
def test_killed_at_200_instants_it_loses_and_doubles_nothing(
    tmp_path: Path, whole: list[dict[str, Any]], seed: int
) -> None:
    kill_and_finish(tmp_path, seed, whole)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [4, pytest.param(40, marks=pytest.mark.deep)])
def test_with_a_service_that_knows_submits_again_nothing_stays_unknown(tmp_path: Path, kills: int) -> None:
    mock = Killing(progression="at once")
    with Server(mock) as server:
        trusting = ("--idempotency", "trust", "--drop", "seed")
        bench = Bench(mock, server.base_url("apimart"), tmp_path, "apimart:flux-2-flex", trusting)
        bench.write()
        bench.kill(random.Random(kills), kills)
        assert 0 == bench.finish()
    assert 0 == check(bench)
    assert (ROWS, ROWS) == (mock.billed, len(list(bench.out.glob("0*"))))


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Any]:
    """Gives what starts a process's worth of webhook receiver for a batch, and its address."""
    with anyio.from_thread.start_blocking_portal() as portal:
        started: list[uvicorn.Server] = []

        def start(bench: Bench) -> str:
            client = fluxkit.AsyncClient(
                MODEL, key="test", base_url=bench.base_url, journal=bench.journal, webhook_secret=WEBHOOK_SECRET
            )
            listener = socket.create_server(("127.0.0.1", 0))
            config = uvicorn.Config(fluxkit.webhooks.receiver(client), lifespan="off", ws="none", log_config=None)
            server = uvicorn.Server(config)
            server.install_signal_handlers = lambda: None
            started.append(server)
            portal.start_task_soon(server.serve, [listener])
            return f"http://127.0.0.1:{listener.getsockname()[1]}/hooks"

        yield start
        for server in started:
            server.should_exit = True


@pytest.mark.deep
def test_with_webhooks_every_image_that_was_paid_is_had(
    tmp_path: Path, receiver: Any, whole: list[dict[str, Any]]
) -> None:
    """A webhook with the token of its submit says which task it has bought, also of a process that is dead."""
    # Tasks take a moment, so that the webhook comes when the process that submitted is dead.
    mock = Killing(progression="seconds", durations=lambda _: 0.3)
    with Server(mock) as server:
        bench = Bench(mock, server.base_url("magnific"), tmp_path)
        bench.write(**SMALL, webhook_url=receiver(bench))
        chance = random.Random(3)
        for _ in range(6):
            process = bench.begin()
            mock.kill_at(process, chance.randint(1, 12), late=True, submits=True)
            process.communicate(timeout=60)
            assert -9 == process.returncode
        mock.victim = None
        bench.finish()
        lost = [row for row in bench.rows() if row["state"] == "unknown"]
        assert not [row["line"] for row in lost if f"fox {row['line'] - 1}" in mock.bought], "paid, and not had"
        # What was not accepted nobody hears of. Whoever has looked at the account buys it again by hand.
        with fluxkit.Client(MODEL, key="test", base_url=bench.base_url, journal=bench.journal) as client:
            for row in lost:
                client.resubmit(row["errors"][0]["row"])
        assert 0 == bench.finish()
    assert 0 == check(bench, [{**row, "digest": new["digest"]} for row, new in zip(whole, bench.rows(), strict=True)])
    assert (ROWS, ROWS) == (mock.billed, len(list(bench.out.glob("0*"))))

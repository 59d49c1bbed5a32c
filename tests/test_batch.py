"""A batch: what its rows come to, what is refused before anything is bought, and how it goes on."""

import io
import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import attrs
import click.testing
import pytest
from PIL import Image
from support.apart import set_apart
from support.world import raised

import fluxkit
from fluxkit import Client
from fluxkit._batch import directory as directories
from fluxkit._batch import run as runs
from fluxkit._batch import source as sources
from fluxkit._batch.account import Account, share
from fluxkit._batch.directory import Directory
from fluxkit._batch.run import Batch, prepare
from fluxkit._batch.source import Source
from fluxkit._batch.survey import MOST_NAMED
from fluxkit._contract.amount import Amount
from fluxkit._contract.task import State
from fluxkit._engine import clock, turns
from fluxkit._engine.journal.journal import Journal, open_journal
from fluxkit._engine.turns import standing
from fluxkit._recording.read import read_recording
from fluxkit.cli import progress
from fluxkit.cli.program import fluxkit as program
from fluxkit.cli.progress import Progress
from fluxkit.errors import JournalUnavailable, SettingsError
from fluxkit_mockserver import MockService
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import Server
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

PRO = "magnific:flux-2-pro"
SMALL = {"size": "256x256"}


class Fast(clock.SystemClock):
    """A clock that runs thirty times as fast, so that waiting for a task takes no time."""

    SPEED, BEGIN = 30.0, clock.SystemClock().now()

    def now(self) -> float:
        return self.BEGIN + (super().now() - self.BEGIN) * self.SPEED

    async def hear_async(self, bell: Any, seconds: float, /) -> None:
        await super().hear_async(bell, seconds / self.SPEED)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(MockService([MAGNIFIC], progression="at once", clock=WallClock())) as server:
        yield server


@pytest.fixture
def mock(server: Server) -> MockService:
    server.service.reset()
    return server.service


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    set_apart(monkeypatch, tmp_path, FLUXKIT_MAGNIFIC_KEY="test")
    monkeypatch.setattr(clock, "SystemClock", Fast)
    yield
    open_journal(None).writer.close()


def write(*rows: Any, name: str = "rows.jsonl") -> None:
    """The input: prompts as objects of small pictures, and anything else as it is."""
    lines = [row if isinstance(row, str) else json.dumps({**SMALL, **row}) for row in rows]
    Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def foxes(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"prompt": f"fox {number}", "seed": number, **more} for number in range(1, count + 1)]


@pytest.fixture
def run(server: Server, mock: MockService) -> Callable[..., click.testing.Result]:
    """Runs the batch of the input in a process of its own, as far as the journal is concerned."""

    def run(*more: str, **how: Any) -> click.testing.Result:
        options = ["-o", "out", "-p", PRO, "--base-url", server.base_url("magnific")]
        done = click.testing.CliRunner().invoke(program, ["batch", "rows.jsonl", *options, *more], **how)
        assert "Traceback" not in done.stderr, done.stderr
        assert "unexpected" not in done.stderr, done.stderr
        return done

    return run


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("out/results.jsonl").read_text().splitlines()]


def told() -> list[str]:
    return [row["state"] for row in rows()]


# What it makes


def test_each_row_has_its_image_and_its_line(run: Any, mock: MockService) -> None:
    write(
        {"prompt": "a fox", "seed": 7}, json.dumps("a cat"), "", {"prompt": "a dog", "id": "../dog", "n": 2, "seed": 1}
    )
    done = run()
    assert (0, "out/results.jsonl\n") == (done.exit_code, done.stdout)
    assert "3 of 3 done" in done.stderr
    assert (4, ["done"] * 3, [1, 2, 4]) == (mock.billed, told(), [row["line"] for row in rows()])
    names = [[image["file"] for image in row["images"]] for row in rows()]
    assert [["000001.png"], ["000002.png"]] == names[:2]
    assert [True, True] == [bool(re.fullmatch(r"000004-___dog~\w{8}-[12]\.png", name)) for name in names[2]]
    assert {name for each in names for name in each} == {path.name for path in Path("out").glob("0*")}
    first = rows()[0]
    assert (7, 256, 256, PRO) == (*(first["images"][0][name] for name in ("seed", "width", "height")), first["model"])
    assert [1, 2] == [image["seed"] for image in rows()[2]["images"]]


def test_run_again_it_buys_nothing_and_says_the_same(run: Any, mock: MockService) -> None:
    write(*foxes(3))
    run()
    before = Path("out/results.jsonl").read_text()
    assert (0, 3, before) == (run().exit_code, mock.billed, Path("out/results.jsonl").read_text())


def test_appended_lines_are_made_and_removed_ones_are_told(run: Any, mock: MockService) -> None:
    write(*foxes(2))
    run()
    write(*foxes(3))
    assert (0, 3, [1, 2, 3]) == (run().exit_code, mock.billed, [row["line"] for row in rows()])
    write(*foxes(1))
    assert "2 rows of earlier runs are not in the input any more" in run().stderr
    assert 3 == len(rows())


def test_rows_with_ids_may_change_their_places(run: Any, mock: MockService) -> None:
    named = [{**fox, "id": fox["prompt"]} for fox in foxes(3)]
    write(*named)
    run()
    write(*reversed(named), {"prompt": "a cat", "id": 4})
    assert (0, 4) == (run().exit_code, mock.billed)


def test_what_all_rows_ask_for_is_an_option(run: Any) -> None:
    write('"a fox"', {"prompt": "a cat", "size": "512x256"})
    run("--size", "256x512", "--seed", "3")
    sides = [(row["images"][0]["width"], row["images"][0]["height"], row["images"][0]["seed"]) for row in rows()]
    assert [(256, 512, 3), (512, 256, 3)] == sides


def test_references_lie_beside_the_input(run: Any, mock: MockService, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("in").mkdir()
    Path("in/a.png").write_bytes(picture())
    write({"prompt": "like this", "references": ["a.png"]}, name="in/rows.jsonl")
    done = click.testing.CliRunner().invoke(program, ["batch", "in/rows.jsonl", "-o", "out", "-p", PRO, "--offline"])
    assert (0, ["done"]) == (done.exit_code, told()), done.stderr


def picture() -> bytes:
    import PIL.Image

    kept = io.BytesIO()
    PIL.Image.new("RGB", (64, 64)).save(kept, "PNG")
    return kept.getvalue()


def test_lines_come_from_stdin_too(run: Any, server: Server, mock: MockService) -> None:
    options = ["batch", "-", "-o", "out", "-p", PRO, "--base-url", server.base_url("magnific")]
    for _ in range(2):
        done = click.testing.CliRunner().invoke(program, options, input='{"prompt": "a fox", "size": "256x256"}\n')
        assert (0, 1) == (done.exit_code, mock.billed)


def test_who_is_to_type_the_lines_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Typed(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Typed(io.BytesIO(b'"a fox"\n'), "utf-8"))
    assert 0 == program.main(["batch", "-", "-o", "out", "-p", PRO, "--offline"], standalone_mode=False)
    assert "the lines are read from this terminal, until Ctrl-D" == capsys.readouterr().err.splitlines()[0]


def test_machines_are_told_line_by_line(run: Any) -> None:
    write(*foxes(2))
    done = run("--json")
    begin, *middle, end = map(json.loads, done.stdout.splitlines())
    assert {"event": "begin", "rows": 2, "left": 2, "done": 0} == begin
    assert [("row", "done"), ("row", "done")] == [(event["event"], event["state"]) for event in middle]
    assert ("end", {"done": 2}, 0, 0) == (end["event"], end["standing"], end["left"], end["exit_code"])
    assert [{**row, "event": "row"} for row in rows()] == sorted(middle, key=lambda event: event["line"])
    write("nonsense")
    done = run("--json")
    error = json.loads(done.stdout)
    assert ("error", 2, 1) == (error["event"], error["exit_code"], len(error["problems"]))
    assert 2 == done.exit_code


def test_offline_nothing_is_bought_and_nothing_is_made_twice(mock: MockService) -> None:
    write(*foxes(2))
    options = ["batch", "rows.jsonl", "-o", "out", "-p", PRO, "--offline"]
    for _ in range(2):
        done = click.testing.CliRunner().invoke(program, options)
        assert (0, 0, ["done"] * 2) == (done.exit_code, mock.billed, told())
        assert "nothing is bought" in done.stderr
    Path("out/000001.png").unlink()
    assert "note: images of 1 row are not there any more, and nothing is known" in (
        click.testing.CliRunner().invoke(program, options).stderr
    )
    assert ["done"] * 2 == told()


# What fails


def test_a_row_that_is_refused_fails_alone(run: Any, mock: MockService) -> None:
    write(*foxes(3))
    mock.fault("400", times=1)
    done = run("--in-flight", "1")
    assert (5, ["failed", "done", "done"]) == (done.exit_code, told())
    assert "line 1: failed: " in done.stderr
    assert "Nothing was bought. Change the line, or run the batch with --retry-failed." in done.stderr
    assert (5, 2) == (run().exit_code, mock.billed)
    write({"prompt": "another fox"}, *foxes(3)[1:])
    assert (0, 3) == (run().exit_code, mock.billed)


def test_what_ended_without_an_image_is_bought_again_only_if_that_is_wished(run: Any, mock: MockService) -> None:
    write(*foxes(2))
    mock.fault("fail", times=1)
    assert (5, 2) == (run("--in-flight", "1").exit_code, mock.billed)
    assert ["failed", "done"] == told()
    assert (5, 2) == (run().exit_code, mock.billed)
    assert (0, 3, ["done", "done"]) == (run("--retry-failed").exit_code, mock.billed, told())


def test_three_good_images_of_four_are_three_images_and_one_error(run: Any, mock: MockService) -> None:
    write({"prompt": "a fox", "n": 4, "seed": 1})
    mock.fault("400", times=1)
    assert (5, ["partial"], 3) == (run().exit_code, told(), len(rows()[0]["images"]))
    assert (5, 3) == (run().exit_code, mock.billed)
    assert (0, 4, 4) == (run("--retry-failed").exit_code, mock.billed, len(rows()[0]["images"]))
    assert 4 == len(list(Path("out").glob("0*")))


def test_a_key_that_is_refused_stops_the_batch_and_not_the_rows(
    run: Any, mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(*foxes(5))
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_KEY", "wrong")
    done = run("--in-flight", "2")
    assert (3, 0, []) == (done.exit_code, mock.billed, told())
    assert "0 of 5 done, 5 left" in done.stderr
    assert "error: " in done.stderr
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_KEY", "test")
    assert (0, 5) == (run().exit_code, mock.billed)


def test_a_service_that_is_not_there_is_not_asked_for_every_row(server: Server) -> None:
    write(*foxes(3))
    batch = prepared(server)
    batch._open = {number: runs.Served(line, None, 1) for number, line in enumerate(batch._source.lines(), 1)}
    for number in (1, 2):
        runs.MOST_UNREACHABLE, before = 2, runs.MOST_UNREACHABLE
        batch._ended(number, fluxkit.Unreachable("nobody there"))
        runs.MOST_UNREACHABLE = before
    batch._ended(3, ValueError("a bug"))
    assert isinstance(batch.stopped, fluxkit.Unreachable)
    assert {"failed": 3} == {state: count for state, count in batch.standing.items() if count}
    batch.close()
    assert ["Unreachable", "Unreachable", "FluxError"] == [row["errors"][0]["error"] for row in rows()]
    again = prepared(server)
    assert 2 == again.standing[None]  # what was not bought is tried again
    again.close()


def prepared(server: Server, **how: Any) -> Batch:
    client = Client(PRO, key="test", base_url=server.base_url("magnific"), journal="journal.sqlite")
    return prepare(client, "rows.jsonl", "out", **how)


# What nobody knows


@pytest.fixture
def lost(run: Any, mock: MockService) -> str:
    """The row in the journal of the second line, whose answer was lost."""
    write(*foxes(2))
    run()
    write(*foxes(3))
    mock.fault("accepted-then-dropped", times=1)
    done = run()
    assert (6, ["done", "done", "unknown"], 3) == (done.exit_code, told(), mock.billed)
    assert "--adopt TASK=ROW" in done.stderr
    row: str = rows()[2]["errors"][0]["row"]
    assert f"[row {row}]" in done.stderr
    return row


def test_what_nobody_knows_is_not_bought_again(run: Any, mock: MockService, lost: str) -> None:
    assert (6, 3) == (run("--retry-failed").exit_code, mock.billed)
    assert lost == rows()[2]["errors"][0]["row"]


def test_what_is_adopted_by_hand_is_fetched(run: Any, mock: MockService, server: Server, lost: str) -> None:
    with Client(PRO, key="test", base_url=server.base_url("magnific")) as client:
        client.adopt(lost, mock.charges[-1].task)
    assert (0, 3, "000003.png") == (run().exit_code, mock.billed, rows()[2]["images"][0]["file"])


def test_what_is_bought_again_by_hand_takes_its_place(run: Any, mock: MockService, server: Server, lost: str) -> None:
    with Client(PRO, key="test", base_url=server.base_url("magnific")) as client:
        client.resubmit(lost)
    assert (0, 4, "000003.png") == (run().exit_code, mock.billed, rows()[2]["images"][0]["file"])


def test_what_is_dismissed_is_bought_again_only_if_that_is_wished(
    run: Any, mock: MockService, server: Server, lost: str
) -> None:
    with Client(PRO, key="test", base_url=server.base_url("magnific")) as client:
        client.dismiss(lost)
    assert (5, 3, "dismissed") == (run().exit_code, mock.billed, told()[2])
    assert (5, 3) == (run().exit_code, mock.billed)
    assert (0, 4, "done") == (run("--retry-failed").exit_code, mock.billed, told()[2])


def test_one_image_of_several_that_nobody_knows_leaves_the_others(run: Any, mock: MockService) -> None:
    write({"prompt": "a fox", "n": 2, "seed": 5})
    mock.fault("accepted-then-dropped", times=1)
    assert (6, ["unknown"], 1) == (run().exit_code, told(), len(rows()[0]["images"]))
    assert (6, 2, 1) == (run().exit_code, mock.billed, len(rows()[0]["images"]))


# What is recorded of it


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLUXKIT_RECORD", str(tmp_path / "requests.jsonl"))
    return tmp_path / "requests.jsonl"


def recorded(record: Path) -> list[tuple[str, int, list[str], str | None]]:
    """Of each request what it was asked for, how many images came, and the errors: those beside them, and of all."""
    return sorted(
        (entry.said["prompt"], len(entry.outcome.images), sorted(entry.outcome.errors), entry.outcome.error)
        for entry in read_recording(record)
        if entry.outcome is not None
    )


def test_each_row_is_recorded_with_what_came_of_it(run: Any, mock: MockService, record: Path) -> None:
    write({"prompt": "a fox", "n": 3, "seed": 1}, {"prompt": "a wolf"}, {"prompt": "an owl", "n": 2})
    mock.fault("fail", times=1)
    assert 5 == run("--in-flight", "1").exit_code
    assert [("a fox", 2, ["Failed"], None), ("a wolf", 1, [], None), ("an owl", 2, [], None)] == recorded(record)
    first = read_recording(record)[0]
    assert (PRO, "256x256") == (first.name, first.said["size"])
    assert first.outcome is not None
    assert ["completed", "completed", "failed"] == sorted(path[-1] for path in first.outcome.states)


def test_a_row_of_which_no_image_came_is_recorded_with_its_error(run: Any, mock: MockService, record: Path) -> None:
    write({"prompt": "a fox", "n": 2})
    mock.fault("fail")
    assert 5 == run().exit_code
    assert [("a fox", 0, ["Failed"], "Failed")] == recorded(record)


def test_a_row_that_the_model_refuses_is_recorded_as_refused(run: Any, record: Path) -> None:
    write({"prompt": "a fox", "safety_tolerance": 2}, {"prompt": "a wolf", "colour": "red"}, {"prompt": "an owl"})
    assert 5 == run("--keep-going").exit_code
    assert [("a fox", 0, [], "Unsupported"), ("an owl", 1, [], None)] == recorded(record)


def test_a_row_that_was_settled_by_hand_is_recorded_no_further(
    run: Any, server: Server, lost: str, record: Path
) -> None:
    with Client(PRO, key="test", base_url=server.base_url("magnific")) as client:
        client.dismiss(lost)
    assert 5 == run().exit_code
    assert "" == record.read_text()


def test_a_submit_that_is_bought_again_by_hand_is_recorded(server: Server, lost: str, record: Path) -> None:
    with Client(PRO, key="test", base_url=server.base_url("magnific")) as client:
        client.wait(client.resubmit(lost), fetch=False)
    assert ["resubmit", "wait"] == [json.loads(line)["call"] for line in record.read_text().splitlines()]
    assert [("fox 3", 1, [], None)] == recorded(record)


# What was bought and is not in the results


def forgotten(*lines: int) -> None:
    """As if the process had died before it wrote these lines of the results."""
    kept = [json.dumps(row) for row in rows() if row["line"] not in lines]
    Path("out/results.jsonl").write_text("".join(f"{line}\n" for line in kept))


def without_time(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "at"} for row in found]


def test_images_that_are_there_are_found(run: Any, mock: MockService) -> None:
    write(*foxes(2), {"prompt": "a cat", "n": 2})
    run()
    before, asked = without_time(rows()), len(mock.exchanges)
    forgotten(1, 3)
    assert (0, 4, before) == (run().exit_code, mock.billed, without_time(rows()))
    assert asked == len(mock.exchanges)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"no image")])
def test_images_that_are_not_there_any_more_are_fetched_again(run: Any, mock: MockService, spoil: Any) -> None:
    write(*foxes(1))
    run()
    before = without_time(rows())
    forgotten(1)
    spoil(Path("out/000001.png"))
    assert (0, 1, before) == (run().exit_code, mock.billed, without_time(rows()))


@pytest.mark.parametrize("more", [(), ("--retry-failed",)])
def test_an_image_that_was_removed_is_fetched_again_and_not_bought(run: Any, mock: MockService, more: Any) -> None:
    write({"prompt": "a fox", "n": 2, "seed": 1}, *foxes(2))
    run()
    before, pictures = without_time(rows()), {path: path.read_bytes() for path in Path("out").glob("0*")}
    Path("out/000001-2.png").unlink()
    Path("out/000003.png").unlink()
    done = run(*more)
    assert (0, 4, before) == (done.exit_code, mock.billed, without_time(rows()))
    assert "note: images of 2 rows are not there any more; they are fetched again, and not bought" in done.stderr
    assert pictures == {path: path.read_bytes() for path in Path("out").glob("0*")}
    assert "note: " not in run().stderr


def test_an_image_that_was_removed_and_cannot_be_had_again_is_said(run: Any, mock: MockService) -> None:
    write(*foxes(2))
    run()
    image = Path("out/000002.png").read_bytes()
    Path("out/000002.png").unlink()
    mock.reset()  # the service has forgotten its tasks
    for more in ((), ("--retry-failed",)):
        done = run(*more)
        assert (7, 0, ["done", "not fetched"]) == (done.exit_code, mock.billed, told())
        (error,) = rows()[1]["errors"]
        assert "000002.png was fetched, is not there any more, and cannot be fetched again: " in error["message"]
        assert ("yes", "It is paid. Run the batch again to fetch it; nothing is bought for that.") == (
            error["charged"],
            error["advice"],
        )
    Path("out/000002.png").write_bytes(image)
    assert (0, 0, ["done", "done"]) == (run().exit_code, mock.billed, told())


def test_an_image_that_was_removed_and_that_no_journal_knows_is_not_bought_again(run: Any, mock: MockService) -> None:
    write(*foxes(2))
    run()
    before = rows()
    Path("out/000002.png").unlink()
    with sqlite3.connect(open_journal(None).writer.path) as file:  # as tasks --prune does after months
        assert 1 == file.execute("DELETE FROM submits WHERE label LIKE '%:2'").rowcount
    file.close()
    done = run()
    assert (0, 2, before) == (done.exit_code, mock.billed, rows())
    assert "note: images of 1 row are not there any more, and nothing is known by which" in done.stderr


def test_a_failure_is_asked_after_again(run: Any, mock: MockService) -> None:
    write(*foxes(1))
    mock.fault("fail", times=1)
    run()
    before = without_time(rows())
    forgotten(1)
    assert (5, 1, before) == (run().exit_code, mock.billed, without_time(rows()))


def test_what_came_of_a_failure_that_was_bought_again_is_not_lost(run: Any, mock: MockService) -> None:
    """Killed after the second purchase: the results still say that it failed."""
    write(*foxes(1))
    mock.fault("fail", times=1)
    run()
    before = Path("out/results.jsonl").read_text()
    run("--retry-failed")
    Path("out/results.jsonl").write_text(before)
    assert (0, 2, ["done"]) == (run().exit_code, mock.billed, told())


@pytest.mark.slow
def test_an_image_that_is_paid_and_could_not_be_fetched_is_fetched_by_the_next_run(run: Any, mock: MockService) -> None:
    write(*foxes(1))
    mock.fault("truncated-image")
    done = run()
    assert (1, ["not fetched"], []) == (mock.billed, told(), rows()[0]["images"])
    assert "It is paid. Run the batch again to fetch it; nothing is bought for that." in done.stderr
    mock.unfault()
    assert (0, 1, ["done"]) == (run().exit_code, mock.billed, told())


def test_a_row_whose_polls_are_refused_is_waited_for_by_the_next_run(run: Any, mock: MockService) -> None:
    write(*foxes(2))
    mock.fault("poll-401", task=1)
    done = run("--in-flight", "1")
    assert (2, ["running", "done"]) == (mock.billed, told())
    assert "It goes on, and is billed once. Run the batch again to wait for it." in done.stderr
    mock.unfault()
    assert (0, 2, ["done", "done"]) == (run().exit_code, mock.billed, told())


@pytest.mark.slow
def test_a_reference_that_cannot_be_sent_any_more_does_not_cost_the_image_that_was_bought(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One of two was bought; for the other the reference is uploaded again, and the service takes none."""
    monkeypatch.setenv("FLUXKIT_APIMART_KEY", "test")
    Image.new("RGB", (256, 256)).save("fox.png")
    write({"prompt": "a fox", "n": 2, "size": None, "references": ["fox.png"]})
    with Server(MockService([APIMART], progression="at once", clock=WallClock())) as server:
        mock = server.service
        options = ["-o", "out", "-p", "apimart:flux-2-pro", "--base-url", server.base_url("apimart")]

        def again(*more: str) -> click.testing.Result:
            return click.testing.CliRunner().invoke(program, ["batch", "rows.jsonl", *options, *more])

        mock.fault("400", times=1)
        done = again()
        assert (5, ["partial"], 1) == (done.exit_code, told(), mock.billed), done.stderr
        with monkeypatch.context() as patch:
            patch.setattr(turns, "settle", no_upload)
            done = again("--retry-failed")
        assert (["partial"], 1, 1) == (told(), len(rows()[0]["images"]), mock.billed), done.stderr
        assert "the upload was refused" in done.stderr
        assert (0, ["done"], 2) == (again("--retry-failed").exit_code, told(), mock.billed)


def no_upload(*_: Any, **__: Any) -> Any:
    raise SettingsError("the upload was refused")
    yield


def test_a_directory_that_was_moved_goes_on_where_it_is(run: Any, mock: MockService, server: Server) -> None:
    write(*foxes(1))
    with Client(PRO, key="test", base_url=server.base_url("magnific")) as client:
        batch = prepare(client, "rows.jsonl", "old")
        mock.fault("stuck", times=1)
        batch._manner = attrs.evolve(batch._manner, timeout=20)
        batch.run()
        assert ["running"] == [row["state"] for _, row in batch.directory.rows()]
        batch.close()
    Path("old").rename("out")
    mock.unfault()
    [task] = mock.tasks
    task.stuck = False
    done = run()
    assert (0, 1, ["000001.png"]) == (done.exit_code, mock.billed, [path.name for path in Path("out").glob("0*")])


def test_a_row_that_another_process_has_in_hand_is_left_to_it(run: Any, mock: MockService, server: Server) -> None:
    write(*foxes(1))
    run()
    journal = open_journal(None)
    journal.ask(lambda store: store._connection.execute("UPDATE submits SET state='created', delivered_at=NULL"))
    [row] = journal.rows()
    assert not row.draft.state.ended or row.draft.state is State.COMPLETED
    journal.ask(lambda store: store._connection.execute("UPDATE submits SET owner=?", (store._owner.name,)))
    forgotten(1)
    done = run()
    assert (6, 1, ["running"]) == (done.exit_code, mock.billed, told())
    assert "has it in hand" in done.stderr


# What is refused before anything is bought


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nonsense", "no JSON"),
        ("[1]", "it is [1]"),
        ('{"prompt": "a", "prompt": "b"}', "'prompt' stands there twice"),
        ('{"prompt": "a", "seed": NaN}', "NaN is no number of JSON"),
        ('{"seed": 1}', "no prompt"),
        ('{"prompt": null}', "no prompt"),
        ('{"prompt": "a", "colour": "red"}', "the field 'colour'"),
        ('{"prompt": "a", "id": ""}', "id is ''"),
        ('{"prompt": "a", "id": true}', "id is True"),
        ('{"prompt": "a", "aspect": "10:1"}', "aspect"),
        ('{"prompt": "a", "seed": "x"}', "seed is 'x'"),
        ('{"prompt": "a", "references": ["no.png"]}', "no such file"),
        ('{"prompt": "a", "references": [1]}', "references holds 1"),
        ('{"prompt": "a", "references": "no.png"}', "a list of images"),
        ('{"prompt": "a", "references": ["http:nowhere"]}', "no such file"),
        ("\udcff", "no UTF-8"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_a_line_with_something_wrong_is_named(run: Any, mock: MockService, line: str, problem: str) -> None:
    Path("rows.jsonl").write_bytes(b'"a fox"\n' + line.encode("utf-8", "surrogateescape") + b"\n")
    done = run()
    assert (2, 0) == (done.exit_code, mock.billed)
    assert "rows.jsonl, line 2: " in done.stderr
    assert problem in done.stderr
    assert "1 line of rows.jsonl cannot be served" in done.stderr
    assert "--keep-going" in done.stderr


def test_what_would_let_a_line_through_is_said_as_an_option(run: Any) -> None:
    write({"prompt": "a", "size": "2000x770"}, {"prompt": "a", "size": "1024x1024", "options": {"no": 3}})
    done = run("--json", "-p", "magnific:flux-2-klein")
    first, second = [line for line in done.stderr.splitlines() if line.startswith("rows.jsonl")]
    assert (2, True) == (done.exit_code, first.endswith(" Try: --fit nearest"))
    assert "Try" not in second
    assert "fit = " not in done.output
    assert [first, second] == json.loads(done.stdout)["problems"]


def test_a_first_run_that_was_refused_leaves_the_directory_to_any_other(
    run: Any, mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"prompt": "a", "size": "2000x770"})
    assert 2 == run("-p", "magnific:flux-2-klein").exit_code
    write(*foxes(1))
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_KEY", "wrong")
    assert 3 == run("--aspect", "16:9").exit_code
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_KEY", "test")
    done = run()
    assert (0, 1, ["done"]) == (done.exit_code, mock.billed, told()), done.stderr


def test_a_first_run_of_which_nobody_knows_keeps_the_directory(run: Any, mock: MockService) -> None:
    write(*foxes(1))
    mock.fault("accepted-then-dropped", times=1)
    assert 6 == run().exit_code
    assert 2 == run("--aspect", "16:9").exit_code


def test_a_first_run_keeps_the_directory_if_the_journal_does_not_say_what_was_bought(
    server: Server, mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(*foxes(1))
    with Client(PRO, key="test", base_url=server.base_url("magnific")) as client:
        batch = prepare(client, "rows.jsonl", "out")

        def broken(*_: Any) -> Any:
            raise JournalUnavailable("the disk has failed")

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "labelled", broken)
            batch.close()
    assert Path("out/batch.json").exists()


def test_lines_with_something_wrong_may_fail_alone(run: Any, mock: MockService) -> None:
    write("nonsense", *foxes(2), '{"prompt": 1}')
    done = run("--keep-going")
    assert (5, 2, ["failed", "done", "done", "failed"]) == (done.exit_code, mock.billed, told())
    assert (5, 2) == (run("--keep-going").exit_code, mock.billed)
    write(*foxes(4))
    assert (2, "it asks") != (run().exit_code, "")


def test_of_many_wrong_lines_some_are_named_and_the_rest_is_counted(run: Any) -> None:
    write(*["nonsense"] * (MOST_NAMED + 5))
    done = run()
    assert MOST_NAMED == done.stderr.count("no JSON")
    assert "and 5 lines more" in done.stderr


def test_a_line_that_was_bought_may_not_change(run: Any, mock: MockService) -> None:
    write(*foxes(3))
    run()
    write(*foxes(2), {"prompt": "a cat"}, '"new"')
    done = run("--keep-going")
    assert (2, 3) == (done.exit_code, mock.billed)
    assert "line 3: it was bought, or may have been, and asks for something else now" in done.stderr
    write(*[{"id": fox["seed"], **fox} for fox in foxes(3)])
    assert "line 1: it had no id when it was bought" in run().stderr
    write(*[dict(reversed(fox.items())) for fox in foxes(3)])  # the same, written otherwise
    assert 0 == run().exit_code


def test_a_line_that_was_bought_and_not_written_down_may_not_change_either(run: Any, mock: MockService) -> None:
    write(*foxes(2))
    run()
    forgotten(2)
    write(*foxes(1), {"prompt": "a cat"})
    assert (2, 2) == ((done := run()).exit_code, mock.billed)
    assert "line 2: it was bought, or may have been" in done.stderr
    write(*foxes(1), {"id": "x", **foxes(2)[1]})
    assert "line 2: it had no id when it was bought" in run().stderr
    write(*foxes(2))
    Path("rows.jsonl").write_text(Path("rows.jsonl").read_text().replace("256x256", "9x9"))
    assert 2 == run().exit_code


def test_an_id_stands_once(run: Any) -> None:
    write({"prompt": "a fox", "id": "x"}, {"prompt": "a cat", "id": "x"})
    done = run("--keep-going")
    assert 2 == done.exit_code
    assert "line 2: the id 'x' stands on an earlier line, too" in done.stderr


@pytest.mark.parametrize(
    ("name", "make", "problem"),
    [
        ("none.jsonl", lambda _: None, "No such file"),
        ("dir", Path.mkdir, "it is a directory"),
        ("pipe", os.mkfifo, "no regular file"),
        ("a\0b", lambda _: None, "null"),
    ],
)
def test_an_input_that_cannot_be_read_is_refused(name: str, make: Any, problem: str) -> None:
    make(Path(name))
    error = raised(lambda: Source.open(name), fluxkit.SettingsError)
    assert problem in error.message
    assert "Nothing was sent" in error.message


@pytest.mark.parametrize("end", ["", '"\n', '"\n"a cat"\n'])
def test_a_line_that_is_too_long_fails_alone(
    run: Any, mock: MockService, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LONGEST_LINE", 1024 * 1024)
    Path("rows.jsonl").write_text('"a fox"\n"' + "x" * 2_100_000 + end)
    done = run()
    assert (2, 0) == (done.exit_code, mock.billed)
    assert "rows.jsonl, line 2: it is longer than 1 MB" in done.stderr
    assert 5 == run("--keep-going").exit_code
    assert ["done", "failed", "done"][: 2 + ("cat" in end)] == told()


def test_a_disk_that_fails_ends_the_reading(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.BytesIO):
        def readline(self, *_: Any) -> bytes:
            raise OSError(5, "Input/output error")

    source = Source("rows.jsonl", Broken(), Path())
    assert "Input/output error" in raised(lambda: list(source.lines()), fluxkit.SettingsError).message


def test_a_mark_of_the_byte_order_is_none_of_the_line() -> None:
    source = Source("rows.jsonl", io.BytesIO(b'\xef\xbb\xbf"a fox"\r\n\n  \n"a cat"'), Path())
    assert [(1, "a fox"), (4, "a cat")] == [(line.number, line.fields["prompt"]) for line in source.lines()]


# The directory


def file_there() -> None:
    Path("out").write_text("")


def strange_there() -> None:
    Path("out").mkdir()
    Path("out/mine.png").write_text("")


def other_there() -> None:
    Path("out").mkdir()
    Path("out/batch.json").write_text("{}")


def newer_there() -> None:
    Path("out").mkdir()
    Path("out/batch.json").write_text('{"version": 9, "batch": "x"}')


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (file_there, "it is a file"),
        (strange_there, "it holds 'mine.png' and is the directory of no batch"),
        (other_there, "its batch.json is none of fluxkit"),
        (newer_there, "another version of fluxkit has begun it"),
    ],
)
def test_a_directory_that_is_none_of_a_batch_is_refused(run: Any, mock: MockService, make: Any, problem: str) -> None:
    write(*foxes(1))
    make()
    done = run()
    assert (2, 0) == (done.exit_code, mock.billed)
    assert problem in done.stderr


def test_a_directory_that_cannot_be_made_is_refused(run: Any, mock: MockService) -> None:
    write(*foxes(1))
    Path("file").write_text("")
    done = run("-o", "file/out")
    assert (2, 0) == (done.exit_code, mock.billed)
    assert "Not a directory" in done.stderr


def test_two_processes_do_not_work_on_one_batch(run: Any, mock: MockService, server: Server) -> None:
    write(*foxes(1))
    with Client(PRO, key="test", base_url=server.base_url("magnific")) as client:
        batch = prepare(client, "rows.jsonl", "out")
        done = run()
        assert (2, 0) == (done.exit_code, mock.billed)
        assert "Another process works on the batch" in done.stderr
        batch.close()
    assert 0 == run().exit_code


@pytest.mark.parametrize(
    ("options", "called"),
    [
        (("--aspect", "1:1"), "the options of the requests"),
        (("-p", "magnific:flux-2-klein"), "the model"),
        (("--journal", "another.sqlite"), "the journal"),
    ],
)
def test_a_batch_goes_on_as_it_was_begun(run: Any, options: tuple[str, ...], called: str) -> None:
    write(*foxes(1))
    run()
    done = run(*options)
    assert 2 == done.exit_code
    assert f"was begun with {called}" in done.stderr


def test_without_its_journal_it_does_not_go_on(run: Any, mock: MockService) -> None:
    write(*foxes(2))
    run()
    open_journal(None).writer.close()
    open_journal(None).writer.path.unlink()
    write(*foxes(3))
    done = run()
    assert (2, 2) == (done.exit_code, mock.billed)
    assert "knows nothing of the batch" in done.stderr


def test_a_torn_line_of_the_results_is_forgotten(run: Any, mock: MockService) -> None:
    write(*foxes(3))
    run()
    whole = Path("out/results.jsonl").read_bytes()
    Path("out/results.jsonl").write_bytes(whole[:-20])
    assert (0, 3) == (run().exit_code, mock.billed)
    assert without_time(map(json.loads, whole.splitlines())) == without_time(rows())
    Path("out/results.jsonl").write_bytes(b"x" * 70_000)
    assert (0, 3) == (run().exit_code, mock.billed)
    assert without_time(map(json.loads, whole.splitlines())) == without_time(rows())


@pytest.mark.parametrize("line", ["nonsense", "{}", "[]"])
def test_results_that_were_changed_are_refused(run: Any, line: str) -> None:
    write(*foxes(1))
    run()
    Path("out/results.jsonl").write_text(f"{line}\n")
    done = run()
    assert 2 == done.exit_code
    assert "results.jsonl, line 1 is none of fluxkit" in done.stderr


def test_a_disk_that_is_full_ends_the_run_and_loses_nothing(
    run: Any, mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(*foxes(3))
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "_write_whole", full)
        done = run("--in-flight", "1")
    assert 2 == done.exit_code  # not even the directory could be begun
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "add", full)
        done = run("--in-flight", "1")
    assert (1, "error: No space left on device\n") == (done.exit_code, done.stderr)
    assert (0, 3) == (run().exit_code, mock.billed)


def full(*_: Any, **__: Any) -> Any:
    raise OSError(28, "No space left on device")


def test_what_keeps_every_row_from_being_served_is_said(
    run: Any, mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here no file can be opened any more, and an event loop needs some."""
    write(*foxes(2))

    def no_loop(*_: Any, **__: Any) -> Any:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(anyio, "run", no_loop)
        done = run()
    assert (1, "error: Too many open files\n", 0) == (done.exit_code, done.stderr, mock.billed)
    assert (0, 2) == (run().exit_code, mock.billed)


@pytest.mark.slow
def test_a_row_that_was_bought_and_cannot_be_asked_for_any_more_may_have_been_billed(
    run: Any, mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its line was written; a moment after the lines were found to be in order, its reference is gone."""
    write(*foxes(2))
    run()
    forgotten(1)

    def gone(*_: Any) -> Any:
        raise fluxkit.Unsupported("fox.png is not there any more")

    with monkeypatch.context() as patch:
        patch.setattr(Batch, "plan", gone)
        done = run()
    failed = next(row for row in rows() if row["line"] == 1)
    assert (5, "failed", "unknown") == (done.exit_code, failed["state"], failed["errors"][0]["charged"])
    assert (0, 2, ["done", "done"]) == (run("--retry-failed").exit_code, mock.billed, told())


def test_a_draft_that_cannot_be_written_leaves_the_results_as_they_were(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(*foxes(1))
    run()
    before = Path("out/results.jsonl").read_text()
    with monkeypatch.context() as patch:
        patch.setattr(directories.os, "fsync", full)
        assert 1 == run().exit_code
    assert before == Path("out/results.jsonl").read_text()
    assert {"000001.png", "batch.json", "batch.lock", "results.jsonl"} == {path.name for path in Path("out").iterdir()}


# Money


@pytest.fixture
def priced() -> None:
    Path("fluxkit.toml").write_text(
        'default = "pro"\n[profiles.pro]\nprovider = "magnific:flux-2-pro"\nprice = "0.30 USD"\n'
    )


def test_the_budget_is_of_all_runs_together(run: Any, mock: MockService, priced: None) -> None:
    write(*foxes(6))
    done = run("--budget", "1 USD")
    assert (11, 3) == (done.exit_code, mock.billed)
    assert "3 of 6 done, 3 left, cost 0.90 USD" in done.stderr
    assert "the budget of 1 USD has no room for the next row; 3 are left" in done.stderr
    assert (11, 3) == (run("--budget", "1.19 USD").exit_code, mock.billed)
    assert (11, 4) == (run("--budget", "1.20 USD", "--in-flight", "1").exit_code, mock.billed)
    assert (0, 6) == (run("--budget", "1.80 USD").exit_code, mock.billed)


def test_what_is_not_bought_makes_room_for_others(run: Any, mock: MockService, priced: None) -> None:
    write(*foxes(4))
    mock.fault("400", times=1)
    done = run("--budget", "0.90 USD")
    assert (5, 3, 3) == (done.exit_code, mock.billed, told().count("done"))


def test_what_nobody_knows_keeps_its_price(run: Any, mock: MockService, priced: None) -> None:
    write(*foxes(3))
    mock.fault("accepted-then-dropped", times=1)
    assert 2 == (run("--budget", "0.60 USD", "--in-flight", "1"), mock.billed)[1]
    assert (11, 2) == (run("--budget", "0.60 USD").exit_code, mock.billed)


@pytest.mark.parametrize(("budget", "problem"), [("5", "no amount"), ("5 EUR", "its price is 0.30 USD")])
def test_a_budget_that_cannot_be_kept_is_refused(
    run: Any, mock: MockService, priced: None, budget: str, problem: str
) -> None:
    write(*foxes(1))
    done = run("--budget", budget)
    assert (2, 0) == (done.exit_code, mock.billed)
    assert problem in done.stderr


def test_a_budget_needs_a_price(run: Any, mock: MockService) -> None:
    write(*foxes(1))
    done = run("--budget", "5 USD")
    assert (2, 0) == (done.exit_code, mock.billed)
    assert "line 1: its price is not known" in done.stderr


def test_offline_the_budget_counts_what_the_results_tell(priced: None) -> None:
    write(*foxes(3))
    options = ["batch", "rows.jsonl", "-o", "out", "--offline", "--budget"]
    for budget, made in (("0.30 USD", 1), ("0.60 USD", 2)):
        done = click.testing.CliRunner().invoke(program, [*options, budget])
        assert (11, made) == (done.exit_code, len(rows())), done.stderr


def test_an_account_adds_up_exactly() -> None:
    account = Account(Amount.parse("1 USD"))
    tenth = Amount.parse("0.1 USD")
    assert [True] * 10 + [False] == [account.reserve(number, tenth) for number in range(11)]
    for number in range(10):
        account.settle(number, *([tenth] if number % 2 else []))
    assert (Amount.parse("0.5 USD"),) == account.spent
    assert Amount.parse("0.5 USD") == account.committed()
    assert account.reserve(1, tenth, tenth, firm=(tenth, None))
    assert Amount.parse("0.8 USD") == account.committed()
    account.settle(1, Amount.parse("3 EUR"), None)
    assert (1, "3 EUR") == (account.unknown, str(account.spent[0]))
    assert Decimal("0.01") == share(Amount.parse("0.03 USD"), 3).number  # type: ignore[union-attr]


# The end


def test_ctrl_c_says_how_to_go_on(run: Any, mock: MockService, monkeypatch: pytest.MonkeyPatch) -> None:
    write(*foxes(5))
    add = Directory.add

    def interrupt(self: Directory, row: Any) -> None:
        add(self, row)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "add", interrupt)
        done = run("--in-flight", "2")
    assert 130 == done.exit_code
    assert "interrupted; " in done.stderr
    assert "The same command goes on" in done.stderr
    assert (0, 5) == (run().exit_code, mock.billed)


def test_ctrl_c_before_the_first_row_says_that_nothing_was_sent(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write(*foxes(1))

    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs.Survey, "look_through", interrupt)
    done = run()
    assert (130, "error: interrupted; nothing was sent\n") == (done.exit_code, done.stderr)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"seed": ' + "9" * 5000, "it is no JSON: a number in it has more than 4300 digits. Allowed: an object"),
        ('{"prompt": "a"', "it is no JSON: Expecting ',' delimiter at character 15. Allowed: an object"),
        ("null", "it is null. Allowed: an object"),
        ("[true]", "it is [true]. Allowed: an object"),
        ('{"prompt": "a", "id": ""}', "id is ''. Allowed: a text of at most 200 letters, or a whole number."),
    ],
)
def test_what_is_wrong_with_a_line_is_said_in_its_own_words(run: Any, line: str, problem: str) -> None:
    """A line of a file is one line of JSON: a place in it is a character, and null is not None."""
    write(line, *foxes(1))
    assert f"rows.jsonl, line 1: {problem}" in run().stderr
    assert 5 == run("--keep-going").exit_code
    [error] = rows()[0]["errors"]
    assert ". Nothing was bought." in f"{error['message']} {error['advice']}"


def test_options_that_are_no_longer_the_same_are_named_as_they_were_given(run: Any) -> None:
    write(*foxes(1))
    run()
    done = run("--seed", "4")
    assert "was begun with the options of the requests none, and now it is seed = 4. Nothing was sent." in done.stderr


@pytest.mark.parametrize(
    ("options", "env", "problem"),
    [
        (("--journal", "off"), {}, "The journal is off"),
        ((), {"FLUXKIT_OFFLINE": "1"}, "FLUXKIT_OFFLINE is set"),
        (("--in-flight", "0"), {}, "--in-flight"),
        (("--offline",), {}, "exclude each other"),
    ],
)
def test_what_makes_no_sense_is_refused(
    run: Any, mock: MockService, options: tuple[str, ...], env: dict[str, str], problem: str
) -> None:
    write(*foxes(1))
    done = run(*options, env=env)
    assert (2, 0) == (done.exit_code, mock.billed)
    assert problem in done.stderr


# What is told meanwhile


def a_row(line: int, state: str = "failed", **error: Any) -> dict[str, Any]:
    return {
        "line": line,
        "id": "x" if line == 1 else None,
        "state": state,
        "errors": [{"row": None, "message": "It failed.", "advice": "Run it again.", **error}],
    }


def test_of_rows_that_fail_the_first_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    watching = Progress()
    for line in range(1, progress.MOST_TOLD + 5):
        watching(a_row(line, row="01J" if line == 2 else None))
    watching(a_row(99, "done"))
    said = capsys.readouterr().err.splitlines()
    assert progress.MOST_TOLD + 1 == len(said)
    assert [
        "line 1 (x): failed: It failed. Run it again.",
        "line 2: failed [row 01J]: It failed. Run it again.",
    ] == said[:2]
    assert "stands in the results" in said[-1]


def some_work(limit: str | None = None) -> Any:
    account = Account(None if limit is None else Amount.parse(limit))
    account.spend(Amount.parse("0.2 USD"))
    return SimpleNamespace(rows=10, standing={None: 6, "done": 3, "failed": 1}, under_way=2, account=account)


def test_without_a_terminal_it_is_told_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    watching, work = Progress(), some_work("5 USD")
    with progress.plain(work, watching):
        watching(a_row(1, "done"))
        assert "" == capsys.readouterr().err
        monkeypatch.setattr(progress, "OFTEN", 0)
        watching(a_row(1, "done"))
    assert re.search(r"4 of 10, 2 in flight, about 0 s left, 0.2 USD of 5 USD\n", capsys.readouterr().err)


def test_on_a_terminal_a_bar_shows_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    watching, work = Progress(), some_work()
    with progress.shown(work, watching):
        watching(a_row(1, "done"))
    assert "4/10" in (shown := capsys.readouterr().err)
    assert "1 failed, 2 in flight, 0.2 USD" in shown


# What counts of the rows of one image


def test_what_is_wrong_with_fluxkit_costs_one_image_and_may_have_been_bought(
    run: Any, mock: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"prompt": "a fox", "n": 2})
    deliver = turns.deliver

    def flawed(plan: Any, turn: int, *more: Any) -> Any:
        delivery = yield from deliver(plan, turn, *more)
        return delivery if turn else 1 // turn

    monkeypatch.setattr(turns, "deliver", flawed)
    done = run()
    assert (5, 2, ["partial"], 1) == (done.exit_code, mock.billed, told(), len(rows()[0]["images"]))
    [error] = rows()[0]["errors"]
    assert ("unknown", True) == (error["charged"], "Please report it" in error["message"])


@attrs.frozen
class Brief:
    row: str
    state: str
    turn: int = 0
    again: str | None = None


def test_for_each_image_the_latest_row_counts_that_may_be_bought() -> None:
    found = standing(
        [
            Brief("4", "created", turn=0, again="2"),
            Brief("1", "failed", turn=0),
            Brief("2", "resubmitted", turn=1),
            Brief("3", "not bought", turn=0),
        ]
    )
    assert {0: "1", 1: "4"} == {turn: row.row for turn, row in found.items()}

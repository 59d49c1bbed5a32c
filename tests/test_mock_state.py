"""A mock that keeps its state in a file: one that is started again goes on, and its clients do not notice."""

import contextlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

import fluxkit
from fluxkit_mockserver import MockService
from fluxkit_mockserver.answer import Answer, Drop, Incoming
from fluxkit_mockserver.documents import read_query
from fluxkit_mockserver.outlet import Delivery
from fluxkit_mockserver.state import StateFile
from fluxkit_mockserver.switches import SWITCHES
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

FLUXKIT = str(Path(sysconfig.get_path("scripts"), "fluxkit"))

KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"
FLEX = "/apimart/v1/images/generations"
KEYED = {"x-magnific-api-key": "test", "authorization": "Bearer test", "content-type": "application/json"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mock.sqlite"


@pytest.fixture
def start(path: Path) -> Iterator[Callable[..., MockService]]:
    """Starts a mock on the file; the one before is stopped."""
    running: list[MockService] = []

    def begin(**arguments: Any) -> MockService:
        while running:
            running.pop().close()
        running.append(MockService([MAGNIFIC, APIMART], state=path, **arguments))
        return running[0]

    yield begin
    while running:
        running.pop().close()


@pytest.fixture(scope="module")
def damageable(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """The file of a mock that has sold, in two namespaces, and what was in it."""
    path = tmp_path_factory.mktemp("damaged") / "mock.sqlite"
    mock = MockService([MAGNIFIC], state=path)
    for world in (mock, mock.namespace("a")):
        tell(world, "POST", f"{world.prefix}{KLEIN}", {"prompt": "a fox"})
    mock.close()
    return path, path.read_bytes()


def tell(mock: MockService, method: str, path: str, body: Any = None, **query: str) -> Answer | Drop:
    content = b"" if body is None else json.dumps(body).encode()
    return mock.handle(Incoming(method, path, query, KEYED, content, "http://127.0.0.1"))


def ends(answer: Answer | Drop) -> tuple[int, bytes]:
    return (0, b"") if isinstance(answer, Drop) else (answer.status, answer.body)


# What goes on


def test_a_task_goes_on_where_it_was_and_its_links_work(start: Callable[..., MockService], tmp_path: Path) -> None:
    with fluxkit.Client("magnific:flux-2-klein", mock=start()) as client:
        task = client.submit("a fox", aspect="16:9", seed=7)
        done = client.submit("a hare")
        link = client.wait(done, to=tmp_path / "first.jpg").images[0].url
    mock = start()
    assert link is not None
    target, _, query = link.removeprefix("http://127.0.0.1").partition("?")
    assert (200, (tmp_path / "first.jpg").read_bytes()) == ends(tell(mock, "GET", target, **read_query(query)))
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        assert (1344, 768) == client.wait(task, to=tmp_path / "task.jpg").images[0].pixels
        client.wait(done, to=tmp_path / "again.jpg")
        third = client.submit("a toad")
    assert (tmp_path / "first.jpg").read_bytes() == (tmp_path / "again.jpg").read_bytes()
    assert (3, 3) == (mock.billed, len({task.id, done.id, third.id}))


def test_a_submit_that_comes_again_with_its_key_is_known_after_a_restart(start: Callable[..., MockService]) -> None:
    body = json.dumps({"model": "flux-2-flex", "prompt": "a fox"}).encode()
    call = Incoming("POST", FLEX, {}, {**KEYED, "idempotency-key": "row-1"}, body, "http://127.0.0.1")
    first = ends(start().handle(call))
    mock = start()
    assert (first, 1) == (ends(mock.handle(call)), mock.billed)
    assert "row-1" == mock.exchanges[0].headers["idempotency-key"]


def test_the_time_the_bill_and_the_balance_go_on(start: Callable[..., MockService]) -> None:
    mock = start(balance=5)
    tell(mock, "POST", KLEIN, {"prompt": "a fox"})
    mock.clock.advance(3600)
    tell(mock, "GET", "/nobody")
    before = mock.clock.now(), mock.charges, mock.accounts.of("magnific").left
    mock = start(balance=5)
    assert before == (mock.clock.now(), mock.charges, mock.accounts.of("magnific").left)
    assert Decimal(4) == mock.accounts.of("magnific").left


def test_what_is_set_between_two_calls_is_written_at_once(
    start: Callable[..., MockService], path: Path, tmp_path: Path
) -> None:
    """As the files lie there, a process that is killed now leaves them."""
    mock = start()
    tell(mock, "POST", "/__mock__/clock", {"advance": 3600})
    tell(mock, "PUT", "/__mock__/balance", {"balance": 7, "provider": "apimart"})
    mock.namespace("aside").clock.advance(60)
    for each in tmp_path.glob("mock.sqlite*"):
        (tmp_path / each.name.replace("mock", "left")).write_bytes(each.read_bytes())
    left = MockService([MAGNIFIC, APIMART], state=tmp_path / "left.sqlite")
    worlds = [(each.clock.now(), each.accounts.of("apimart").left) for each in (left, left.namespace("aside"))]
    left.close()
    assert worlds == [(mock.clock.now(), Decimal(7)), (mock.namespace("aside").clock.now(), None)]


def test_armed_faults_go_on_with_what_they_have_left(start: Callable[..., MockService]) -> None:
    def throws(mock: MockService) -> list[int]:
        return [ends(tell(mock, "POST", KLEIN, {"prompt": f"fox {number}"}))[0] for number in range(12)]

    other = MockService([MAGNIFIC, APIMART])
    for mock in (start(), other):
        mock.fault("503", times=2, match={"model": "flux-2-klein", "prompt": "fox 1"})
        mock.fault("429", rate=0.5)
        mock.fault("500", match=lambda facts: facts["prompt"] == "nobody")
        throws(mock)
    mock = start()
    assert [("503", 1), ("429", other.faults[1].struck)] == [(each.name, each.struck) for each in mock.faults]
    assert throws(other) == throws(mock)
    mock.unfault("429")
    assert ["503"] == [each.name for each in start().faults]
    assert ["500"] == [each.name for each in start(faults=["500:x2"]).faults]


def test_uploads_and_tickets_go_on(start: Callable[..., MockService], tmp_path: Path) -> None:
    mock = start()
    with fluxkit.Client("magnific:flux-2-klein", mock=True) as client:
        sketch = client.generate("a sketch", to=tmp_path / "sketch.png").images[0].path
    with fluxkit.Client("apimart:flux-2-flex", mock=mock) as client:
        task = client.submit("like this", references=[sketch])
        client.submit("like that", references=[sketch])
    (url,) = mock.find(path=FLEX)[0].body["image_urls"]
    drawn = [each.references for each in mock.tasks]
    before = [(each.id, each.content, each.created_at, each.path) for each in mock.uploads]
    mock = start()
    assert before == [(each.id, each.content, each.created_at, each.path) for each in mock.uploads]
    assert drawn == [each.references for each in mock.tasks]
    assert 200 == ends(tell(mock, "POST", FLEX, {"model": "flux-2-flex", "prompt": "again", "image_urls": [url]}))[0]
    with fluxkit.Client("apimart:flux-2-flex", mock=mock) as client:
        client.wait(task, to=tmp_path / "like-this.png")
    mock.reset()
    mock = start()
    assert ((), 0) == (mock.uploads, mock.billed)


def test_namespaces_go_on_and_those_that_were_dropped_do_not(start: Callable[..., MockService]) -> None:
    mock = start()
    for name in ("mine", "yours"):
        tell(mock, "POST", f"/@{name}{KLEIN}", {"prompt": "a fox"})
    tell(mock, "POST", KLEIN, {"prompt": "a fox"})
    mock.drop_namespace("yours")
    mock = start()
    assert (("mine",), 1, 1) == (mock.namespaces, mock.billed, mock.namespace("mine").billed)
    task = next(iter(mock.namespace("mine")._works.tasks))
    assert 200 == ends(tell(mock, "GET", f"/@mine{KLEIN}/{task}"))[0]
    assert 404 == ends(tell(mock, "GET", f"{KLEIN}/{task}"))[0]


def test_namespaces_that_make_room_leave_the_file_too(
    start: Callable[..., MockService], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fluxkit_mockserver.namespaces.MOST_NAMESPACES", 2)
    monkeypatch.setattr("fluxkit_mockserver.state.MOST_NAMESPACES", 2)
    mock = start()
    for number in range(6):
        tell(mock, "POST", f"/@test-{number}{KLEIN}", {"prompt": "a fox"})
    assert mock._works.state is not None
    assert len(mock._works.state.worlds) <= 4
    assert len(start().namespaces) <= 2


def test_what_is_retained_no_longer_leaves_the_file(start: Callable[..., MockService], path: Path) -> None:
    mock = start(retention=60.0)
    tell(mock, "POST", KLEIN, {"prompt": "a fox"})
    mock.clock.advance(50)
    tell(mock, "POST", KLEIN, {"prompt": "a hare"})
    mock.clock.advance(50)
    tell(mock, "GET", "/nobody")
    mock.close()
    with sqlite3.connect(path) as file:
        assert [(2,)] == file.execute("SELECT number FROM task").fetchall()
    file.close()
    assert [2] == [each.number for each in start().tasks]


def test_news_that_fall_due_later_are_sent_by_the_next_mock(start: Callable[..., MockService]) -> None:
    news: list[str] = []

    def hear(delivery: Delivery) -> int:
        news.append(json.loads(delivery.body)["status"])
        return 200

    mock = start(durations=lambda _: 10.0)
    mock.webhooks.connect(hear)
    body = {"prompt": "a fox", "webhook_url": "https://www.example.com/hook"}
    tell(mock, "POST", KLEIN, body)
    tell(mock, "POST", KLEIN, body)
    mock.clock.advance(6)
    told = len(news)
    tell(mock, "GET", "/nobody")
    for _ in range(2):
        mock = start(durations=lambda _: 10.0)
        assert told == len(news)
    mock.webhooks.connect(hear)
    mock.clock.advance(60)
    assert ["COMPLETED"] * 2 == news[told:]
    assert ["IN_PROGRESS"] * told == news[:told]


def test_a_task_that_the_declarations_do_not_know_any_more_is_left_out(path: Path) -> None:
    mock = MockService([MAGNIFIC, APIMART], state=path)
    tell(mock, "POST", KLEIN, {"prompt": "a fox"})
    tell(mock, "POST", FLEX, {"model": "flux-2-flex", "prompt": "a fox"})
    mock.close()
    with sqlite3.connect(path) as file:
        file.execute("UPDATE task SET body = ? WHERE number = 1", (b'{"prompt": "a fox", "colour": "red"}',))
    file.close()
    other = MockService([MAGNIFIC], state=path)
    assert (2, 0, 3) == (other.billed, len(other.tasks), other._works.accepted + 1)
    other.close()


def test_facts_of_another_version_do_no_harm(path: Path, start: Callable[..., MockService]) -> None:
    tell(start(), "POST", KLEIN, {"prompt": "a fox", "seed": 3})
    mock = start()
    mock.close()
    with sqlite3.connect(path) as file:
        ((facts,),) = file.execute("SELECT facts FROM task").fetchall()
        known = json.loads(facts)
        del known["slow"]
        file.execute("UPDATE task SET facts = ?", (json.dumps({**known, "mood": ["good", "bad"]}),))
    file.close()
    (task,) = start().tasks
    assert (3, False) == (task.seed, task.slow)


# The file


def test_the_file_is_for_its_owner_alone_and_holds_no_key(start: Callable[..., MockService], path: Path) -> None:
    key = "a-key-of-this-test-0123456789"
    mock = start(keys=[key])
    headers = {**KEYED, "x-magnific-api-key": key}
    mock.handle(Incoming("POST", KLEIN, {}, headers, b'{"prompt": "a fox"}', "http://127.0.0.1"))
    assert 1 == mock.billed
    files = [*path.parent.glob("mock.sqlite*")]
    assert {0o600} == {stat.S_IMODE(each.stat().st_mode) for each in files}
    assert not [each for each in files if key.encode() in each.read_bytes()]


def refused(path: Path, **arguments: Any) -> str:
    with pytest.raises(fluxkit.SettingsError) as caught:
        MockService([MAGNIFIC], state=path, **arguments)
    told = caught.value.message
    assert told.startswith(f"The mock's state cannot be kept in {path}: ")
    assert "Allowed: " in told
    return told


def test_a_file_that_is_in_use_is_refused(start: Callable[..., MockService], path: Path) -> None:
    mock = start()
    assert "it is in use by another mock" in refused(path)
    tell(mock, "POST", KLEIN, {"prompt": "a fox"})
    assert 1 == start().billed


def test_a_file_of_another_seed_is_refused_and_unchanged(start: Callable[..., MockService], path: Path) -> None:
    tell(start(seed=7), "POST", KLEIN, {"prompt": "a fox"})
    start(seed=7).close()
    assert "Allowed: the seed 7, or a new name" in refused(path)
    assert 1 == start(seed=7).billed


@pytest.mark.parametrize("content", [b"", b"my notes\n" * 1000], ids=["an empty file", "text"])
def test_what_is_no_database_is_refused_unless_it_is_empty(
    content: bytes, path: Path, start: Callable[..., MockService]
) -> None:
    path.write_bytes(content)
    if content:
        assert "it is something else" in refused(path)
        assert content == path.read_bytes()
    else:
        assert 0 == start().billed


def test_another_database_is_refused_and_unchanged(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE mine (a)")
    file.close()
    before = path.read_bytes()
    assert "it is something else" in refused(path)
    assert before == path.read_bytes()


def test_a_file_of_a_newer_version_is_refused(path: Path, start: Callable[..., MockService]) -> None:
    start().close()
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    assert "it is of version 99" in refused(path)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    assert "No such file or directory" in refused(tmp_path / "nowhere" / "mock.sqlite")
    assert "it is no file" in refused(tmp_path)
    assert "null" in refused(tmp_path / "a\0b")
    os.mkfifo(tmp_path / "pipe")
    assert "it is no file" in refused(tmp_path / "pipe")


def test_a_file_that_is_broken_in_the_middle_is_refused(path: Path, start: Callable[..., MockService]) -> None:
    tell(start(), "POST", KLEIN, {"prompt": "a fox"})
    start().close()
    path.write_bytes(path.read_bytes()[:4096] + b"\0" * 4096)
    assert refused(path)


@pytest.mark.slow
@given(places=st.lists(st.integers(0, 2**20), min_size=1, max_size=40), byte=st.integers(0, 255))
def test_a_file_that_was_damaged_is_refused_unless_it_can_be_read(
    damageable: tuple[Path, bytes], places: list[int], byte: int
) -> None:
    path, content = damageable
    damaged = bytearray(content)
    for place in places:
        damaged[place % len(content)] = byte
    for each in path.parent.iterdir():
        each.unlink()
    path.write_bytes(damaged)
    told = "Allowed: "
    try:
        MockService([MAGNIFIC], state=path).close()
    except fluxkit.SettingsError as error:
        told = error.message
    assert "Allowed: " in told


def test_a_file_with_a_charge_that_is_none_says_that_it_is_damaged(path: Path) -> None:
    MockService([MAGNIFIC], state=path).close()
    with sqlite3.connect(path) as file:
        file.execute("INSERT INTO charge VALUES ('', 0, '[]')")
    file.close()
    assert "it is damaged (" in refused(path)
    with sqlite3.connect(path) as file:
        file.execute("DELETE FROM charge")
    file.close()
    MockService([MAGNIFIC], state=path).close()


def test_a_file_whose_neighbour_stands_in_the_way_is_refused(path: Path) -> None:
    Path(f"{path}-wal").mkdir()
    assert "Allowed: a file in a directory that can be written" in refused(path)


def test_a_full_disk_costs_no_client_its_answer(
    start: Callable[..., MockService], caplog: pytest.LogCaptureFixture
) -> None:
    mock = start()
    assert mock._works.state is not None
    mock._works.state._file.execute("PRAGMA max_page_count = 1")
    answers = [ends(tell(mock, "POST", KLEIN, {"prompt": "a" * 4000}))[0] for _ in range(9)]
    assert ([200] * 9, 9) == (answers, mock.billed)
    assert "The mock's state was not kept in" in caplog.text
    mock._works.state._file.execute("PRAGMA max_page_count = 100000")
    tell(mock, "POST", KLEIN, {"prompt": "a fox"})
    assert mock.charges == start().charges


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mock = MockService([MAGNIFIC])
    tell(mock, "POST", KLEIN, {"prompt": "a fox"})
    mock.reset()
    mock.close()
    assert [] == [*tmp_path.iterdir()]


@pytest.mark.slow
def test_a_server_that_was_killed_goes_on(path: Path, tmp_path: Path) -> None:
    def serving() -> "tuple[subprocess.Popen[str], str]":
        command = [FLUXKIT, "mock", "--json", "--port=0", "--speed=50", f"--state={path}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while lines[-1] not in ("}\n", ""):
            lines.append(process.stdout.readline())
        return process, json.loads("".join(lines))["base_urls"]["magnific"]

    settings: dict[str, Any] = {"key": "test", "journal": "off"}
    process, url = serving()
    with fluxkit.Client("magnific:flux-2-klein", base_url=url, **settings) as client:
        task = client.submit("a fox", aspect="16:9")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    process, other = serving()
    try:
        with fluxkit.Client("magnific:flux-2-klein", base_url=other, **settings) as client:
            moved = fluxkit.Task.from_json(task.to_json().replace(url, other))
            assert (1344, 768) == client.wait(moved, to=tmp_path / "fox.jpg").images[0].pixels
    finally:
        process.terminate()
        process.communicate()
    assert 0 == process.returncode


# The law: whoever asks does not notice


class Restarts(RuleBasedStateMachine):
    """Two mocks that are asked the same; one of them is stopped and started again at any moment."""

    place: ClassVar[Path]

    @initialize(progression=st.sampled_from(["at once", "polls", "seconds"]), balance=st.sampled_from([None, 4]))
    def begin(self, progression: str, balance: int | None) -> None:
        number = sum(1 for _ in self.place.iterdir())
        self.path = self.place / f"{number}.sqlite"
        self.arguments: dict[str, Any] = {"progression": progression, "balance": balance, "retention": 500.0}
        self.lasting = MockService([MAGNIFIC, APIMART], **self.arguments)
        self.restarted = MockService([MAGNIFIC, APIMART], state=self.path, **self.arguments)
        self.asked: list[str] = []

    def both(self, method: str, path: str, body: Any = None, **query: str) -> None:
        one, other = (tell(mock, method, path, body, **query) for mock in (self.lasting, self.restarted))
        assert ends(one) == ends(other)
        if method == "POST" and not isinstance(one, Drop) and one.status == 200:
            self.asked = [
                f"{KLEIN}/{each.id}" if each.provider.name == "magnific" else f"/apimart/v1/tasks/{each.id}"
                for each in self.lasting.tasks
            ]

    @rule()
    def restart(self) -> None:
        self.restarted.close()
        self.restarted = MockService([MAGNIFIC, APIMART], state=self.path, **self.arguments)

    @rule(
        prompt=st.sampled_from(["a fox", "a hare"]), seed=st.sampled_from([None, 3]), world=st.sampled_from(["", "/@a"])
    )
    def submit(self, prompt: str, seed: int | None, world: str) -> None:
        self.both("POST", world + KLEIN, {"prompt": prompt, **({} if seed is None else {"seed": seed})})

    @rule()
    def submit_elsewhere(self) -> None:
        self.both("POST", FLEX, {"model": "flux-2-flex", "prompt": "a fox"})

    @rule(place=st.integers(0, 5))
    def poll(self, place: int) -> None:
        if self.asked:
            self.both("GET", self.asked[place % len(self.asked)])

    @rule(
        name=st.sampled_from(["503", "stuck", "slow", "expired-link", "accepted-then-dropped", "fail", "two-links"]),
        times=st.sampled_from([None, 1]),
        rate=st.sampled_from([1.0, 0.5]),
    )
    def arm(self, name: str, times: int | None, rate: float) -> None:
        for mock in (self.lasting, self.restarted):
            mock.fault(name, times=times, rate=rate)

    @rule()
    def disarm(self) -> None:
        assert self.lasting.unfault() == self.restarted.unfault()

    @rule(seconds=st.sampled_from([1.0, 30.0, 600.0]))
    def wait(self, seconds: float) -> None:
        for mock in (self.lasting, self.restarted):
            mock.clock.advance(seconds)

    @rule(limits=st.sampled_from(["rate=3/20", "in-flight=1", ()]), world=st.sampled_from(["", "a"]))
    def limit(self, limits: Any, world: str) -> None:
        for mock in (self.lasting, self.restarted):
            (mock.namespace(world) if world else mock).limits = limits

    @rule(balance=st.sampled_from([None, 2]), provider=st.sampled_from([None, "magnific"]))
    def pay(self, balance: int | None, provider: str | None) -> None:
        for mock in (self.lasting, self.restarted):
            mock.accounts.put(balance, provider)

    @rule(
        switch=st.sampled_from(["envelope", "magnific.failed-tasks", "magnific.extra-fields", "rounding"]),
        place=st.integers(0, 2),
    )
    def switch(self, switch: str, place: int) -> None:
        values = (None, *SWITCHES[switch.removeprefix("magnific.")].values)
        for mock in (self.lasting, self.restarted):
            mock.switch({switch: values[place]})

    @rule(stray=st.booleans())
    def submit_what_a_switch_decides(self, stray: bool) -> None:
        fields = {"aspect_ratio": "classic_4_3", "resolution": "2k", **({"stray": 1} if stray else {})}
        self.both("POST", KLEIN, {"prompt": "a fox", **fields})

    @rule(progression=st.sampled_from(["at once", "polls", "seconds"]))
    def move_otherwise(self, progression: str) -> None:
        for mock in (self.lasting, self.restarted):
            mock.progression = progression

    @rule()
    def reset(self) -> None:
        for mock in (self.lasting, self.restarted):
            mock.reset()
        self.asked = []

    def teardown(self) -> None:
        if hasattr(self, "restarted"):
            assert (self.lasting.billed, self.lasting.charges) == (self.restarted.billed, self.restarted.charges)
            assert self.lasting.switches == self.restarted.switches
            points = [[each.point for each in mock.tasks] for mock in (self.lasting, self.restarted)]
            assert points[0] == points[1]
            self.restarted.close()


def test_whoever_asks_does_not_notice_that_the_mock_was_started_again(tmp_path: Path) -> None:
    machine = type("Machine", (Restarts,), {"place": tmp_path})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=25, stateful_step_count=20, suppress_health_check=[*HealthCheck])
    )


def test_two_files_may_be_in_use_by_one_process(tmp_path: Path) -> None:
    files = [StateFile(tmp_path / f"{number}.sqlite", seed=0) for number in range(2)]
    assert [(), ()] == [file.worlds for file in files]
    for file in files:
        file.close()


def test_what_is_given_otherwise_takes_the_place_of_what_was_set_since(path: Path) -> None:
    with contextlib.closing(MockService([MAGNIFIC], state=path, limits="in-flight=3")) as mock:
        mock.limits, mock.progression = "in-flight=1", "polls"
    with contextlib.closing(MockService([MAGNIFIC], state=path, limits="in-flight=3")) as mock:
        assert (("in-flight=1",), "polls") == (mock.limits.written, mock.progression)
    with contextlib.closing(MockService([MAGNIFIC], state=path, limits="in-flight=5")) as mock:
        assert (("in-flight=5",), "seconds") == (mock.limits.written, mock.progression)


def test_a_rate_goes_on_counting_what_was_asked_before(start: Callable[..., MockService]) -> None:
    mock = start(limits="rate=2/60")
    tell(mock, "POST", KLEIN, {"prompt": "a fox"})
    mock = start(limits="rate=2/60")
    assert [200, 429] == [tell(mock, "POST", KLEIN, {"prompt": "a fox"}).status for _ in range(2)]
    mock.clock.advance(60)
    mock = start(limits="rate=2/60")
    assert 200 == tell(mock, "POST", KLEIN, {"prompt": "a fox"}).status


def test_what_was_given_back_stays_given_back(start: Callable[..., MockService]) -> None:
    how = {"progression": "at once", "balance": 10, "switches": {"failed-tasks": "refunded"}}
    mock = start(**how)
    mock.fault("fail", times=1)
    for _ in range(2):
        tell(mock, "POST", KLEIN, {"prompt": "a fox"})
    for task in tuple(mock.tasks):
        tell(mock, "GET", f"{KLEIN}/{task.id}")
    assert (1, [True, False]) == (mock.billed, [charge.refunded for charge in mock.charges])
    assert Decimal(9) == mock.accounts.of("magnific").left
    mock = start(**how)
    assert (1, [True, False]) == (mock.billed, [charge.refunded for charge in mock.charges])
    assert Decimal(9) == mock.accounts.of("magnific").left


def test_a_limit_counts_the_tasks_that_run_already(path: Path) -> None:
    with contextlib.closing(MockService([MAGNIFIC], state=path)) as mock:
        tell(mock, "POST", KLEIN, {"prompt": "a fox"})
        mock.limits = "in-flight=1"
        assert 429 == tell(mock, "POST", KLEIN, {"prompt": "a fox"}).status

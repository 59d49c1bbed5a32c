"""The laws of the mock, whatever is done to it in whatever order: of its bill, of lives and links, and of its seed."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fluxkit_mockserver import FAULTS, MockService
from fluxkit_mockserver.answer import Answer, Drop, Incoming
from fluxkit_mockserver.documents import read_query
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"
SUBMITS = {
    "magnific": (KLEIN, {"prompt": "a cat", "webhook_url": "https://app.example/hooks"}),
    "apimart": ("/apimart/v1/images/generations", {"model": "flux-2-pro", "prompt": "a cat"}),
    "refused": (KLEIN, {"prompt": 1}),
}
KEYS = {"x-magnific-api-key": "test", "authorization": "Bearer test"}
ORDER = {word: number for provider in (MAGNIFIC, APIMART) for number, (word, _) in enumerate(provider.statuses)}
ENDS = {word for provider in (MAGNIFIC, APIMART) for word, state in provider.statuses if state.ended}

#: For how long tasks are kept, in seconds: longer than links live.
RETENTION = 100_000.0

#: Faults that a poll may show and that say nothing of the task itself.
FALSE = {"status-goes-back", "unknown-status", "poll-404", "rate-limit-in-body", "not-json"}


def without_links(document: Any) -> str:
    """What an answer says, but for its links and when they die."""
    said = re.sub(r'"http://[^"]*/__mock__/images/[^"]*"', '"link"', json.dumps(document))
    return re.sub(r'"expires_at": \d+', '"expires_at": 0', said)


@attrs.define
class Bought:
    """What is known of a task from outside: where it is asked after, and what was said of it."""

    path: str
    words: list[str] = attrs.field(factory=list)
    end: str = ""
    links: list[str] = attrs.field(factory=list)


class Laws(RuleBasedStateMachine):
    """Two mocks of one seed are treated alike."""

    @initialize(progression=st.sampled_from(["at once", "polls", "seconds"]), seed=st.integers(0, 3))
    def open(self, progression: str, seed: int) -> None:
        self.taken: tuple[list[Any], list[Any]] = ([], [])
        self.mocks = tuple(
            MockService(
                [MAGNIFIC, APIMART],
                progression=progression,
                seed=seed,
                durations="spread",
                retention=RETENTION,
                switches={"failed-tasks": "billed"},
            )
            for _ in range(2)
        )
        for mock, taken in zip(self.mocks, self.taken, strict=True):
            mock.webhooks.connect(lambda delivery, taken=taken: taken.append(delivery.body) or 200)
        self.bought: list[Bought] = []
        self.billed = 0

    def call(self, method: str, path: str, body: Any = None) -> Answer | Drop:
        """What both answer, which is the same."""
        address = urlsplit(path)
        content = b"" if body is None else json.dumps(body).encode()
        call = Incoming(method, address.path, read_query(address.query), KEYS, content, "http://127.0.0.1")
        if path.startswith("/__mock__"):
            call = attrs.evolve(call, headers={})
        one, other = (mock.handle(call) for mock in self.mocks)
        assert type(one) is type(other)
        if isinstance(one, Answer) and isinstance(other, Answer):
            assert (one.status, one.body, one.headers, one.cut) == (other.status, other.body, other.headers, other.cut)
        return one

    def struck(self) -> set[str]:
        return set(self.mocks[0].exchanges[-1].faults)

    @rule(of=st.sampled_from(list(SUBMITS)))
    def submit(self, of: str) -> None:
        path, body = SUBMITS[of]
        before = len(self.mocks[0].charges)
        answer = self.call("POST", path, body)
        charges = self.mocks[0].charges[before:]
        if of == "refused":
            assert isinstance(answer, Answer)
            assert answer.status == 400
        accepted = isinstance(answer, Answer) and answer.status == 200
        faults = [FAULTS[name] for name in self.struck() if FAULTS[name].moment == "submit"]
        assert accepted or of == "refused" or faults
        assert len(charges) == (accepted or any("made and billed" in fault.about for fault in faults))
        self.billed += len(charges)
        for charge in charges:
            ways = {"magnific": f"{KLEIN}/{charge.task}", "apimart": f"/apimart/v1/tasks/{charge.task}"}
            self.bought.append(Bought(ways[charge.provider]))

    @precondition(lambda self: self.bought)
    @rule(number=st.integers(0, 9))
    def poll(self, number: int) -> None:
        task = self.bought[number % len(self.bought)]
        answer = self.call("GET", task.path)
        if isinstance(answer, Drop) or answer.status != 200 or self.struck() & FALSE:
            return
        document = json.loads(answer.body)["data"]
        word = document["status"]
        assert not task.words or ORDER[word] >= ORDER[task.words[-1]]
        task.words.append(word)
        if word in ENDS:
            said = without_links(document)
            if not self.struck() & {"two-links"}:
                assert task.end in ("", said)
                task.end = said
            task.links += re.findall(r'http://[^"]*(/__mock__/images/[^"]*)"', answer.body.decode())

    @rule(of=st.sampled_from(["magnific", "apimart"]))
    def live(self, of: str) -> None:
        """A life from its beginning to its end, and beyond."""
        self.submit(of)
        if self.bought:
            for _ in range(7):
                self.poll(len(self.bought) - 1)
                self.pass_time(20.0)

    @precondition(lambda self: any(task.links for task in self.bought))
    @rule(number=st.integers(0, 9))
    def fetch(self, number: int) -> None:
        links = [link for task in self.bought for link in task.links]
        link = links[-1 - number % len(links)]
        dies = int(re.findall(r"exp=(\d+)", link)[0])
        answer = self.call("HEAD", link)
        assert isinstance(answer, Answer)
        assert answer.status in ((403, 404) if dies < self.mocks[0].clock.now() else (200, 404))

    @precondition(lambda self: any(task.links for task in self.bought))
    @rule(number=st.integers(0, 9), seconds=st.sampled_from([-1.0, 1.5]))
    def outlive(self, number: int, seconds: float) -> None:
        """Time passes until a link is about to die, or is just dead."""
        links = [link for task in self.bought for link in task.links]
        dies = int(re.findall(r"exp=(\d+)", links[-1 - number % len(links)])[0])
        self.pass_time(max(0.0, dies + seconds - self.mocks[0].clock.now()))
        self.fetch(number)

    @precondition(lambda self: self.bought)
    @rule()
    def forget(self) -> None:
        """After its time nothing is known of a task, and it stays on the bill."""
        self.pass_time(RETENTION + 0.5)
        for task in self.bought:
            answer = self.call("GET", task.path)
            assert isinstance(answer, Answer)
            assert answer.status in (400, 404)
        self.bought.clear()

    @rule(seconds=st.sampled_from([0.3, 2.0, 40.0, 700.0]))
    def pass_time(self, seconds: float) -> None:
        for mock in self.mocks:
            mock.clock.advance(seconds)

    @rule(name=st.sampled_from(list(FAULTS)), times=st.integers(1, 3), rate=st.sampled_from([1.0, 0.5]))
    def arm(self, name: str, times: int, rate: float) -> None:
        for mock in self.mocks:
            mock.fault(name, times=times, rate=rate)

    @rule()
    def disarm(self) -> None:
        assert self.mocks[0].unfault() == self.mocks[1].unfault()

    @rule()
    def reset(self) -> None:
        for mock in self.mocks:
            mock.reset()
        self.bought.clear()
        self.billed = 0

    @invariant()
    def the_bill_is_what_was_accepted(self) -> None:
        assert self.billed == self.mocks[0].billed == len(self.mocks[0].charges)

    @invariant()
    def webhooks_are_the_same(self) -> None:
        assert self.taken[0] == self.taken[1]


TestLaws = Laws.TestCase
TestLaws.settings = settings(max_examples=settings.default.max_examples // 2, stateful_step_count=40)

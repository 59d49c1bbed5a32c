"""A task of every service through every state and every fault, as a program in another language meets it.

The program is ``tests/node/faults.mjs``. It is told by the mock which services and faults there are, and says what it
saw; what it should see stands in ``support/ends.py``, by which the ends of our own clients are judged as well.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest
from support.ends import SERVICES, SIGHTS, USUAL, Sight, end_of, sight_of
from support.node import said_by

from fluxkit.provider import Provider, State
from fluxkit_mockserver import FAULTS
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import Server
from fluxkit_mockserver.service import MockService
from fluxkit_mockserver.tasks import SLOWNESS, life

#: How many of the mock's seconds pass in a real one: an answer that hangs for an hour is given up long before it ends.
SPEED = 200.0

PROVIDERS = {provider.name: provider for provider in SERVICES.values()}

#: How many of the mock's seconds an answer takes at least that is late.
LATE = {"slow-answer": 30.0, "dripping": 60.0}

#: Refusals that say nothing: https://docs.magnific.com/api-reference shows no body for them.
SPEECHLESS = {("magnific", "402"), ("freepik", "402")}

#: A status that no page knows, spelt as the service spells its own.
UNHEARD_OF = {"magnific": "WARMING_UP", "freepik": "WARMING_UP", "apimart": "warming_up", "bfl": "Warming up"}

#: What the state is called in which a task ends, where a client of ours raises an error for it.
ENDED = {"Failed": State.FAILED, "Refused": State.REFUSED, "ContractError": State.COMPLETED}

Seen = Mapping[str, Any]


@attrs.frozen
class Story:
    """What was seen of one case, or should be: of each exchange how it looked, and of a poll the word for the task."""

    submit: Sight
    polls: Sequence[tuple[Sight, str | None]] = ()
    images: Sequence[tuple[Sight, str | None, bool]] = ()
    webhooks: Sequence[tuple[bool, str, bool | None]] = ()
    billed: int = 1
    struck: Sequence[int] = (1,)


def told(seen: Seen) -> Story:
    """What the program says that it saw."""
    return Story(
        Sight(seen["submit"]["how"], seen["submit"]["status"], seen["submit"]["said"] is not None),
        [(Sight(each["how"], each["status"], each["json"]), each["word"]) for each in seen["polls"]],
        [(Sight(each["how"], each["status"], json=False), each["kind"], each["whole"]) for each in seen["images"]],
        [(each["late"], each["word"], each["signed"]) for each in seen["webhooks"]],
        seen["billed"],
        seen["struck"],
    )


@attrs.frozen
class Expected:
    """What should be seen at a service, whose *plain* life was seen before."""

    provider: Provider
    plain: Story

    @property
    def words(self) -> tuple[str, ...]:
        return life(self.provider)

    def story(self, fault: str, at: int | None) -> Story:
        """What a fault makes of that life, if it strikes once, a poll in state number *at*."""
        billed = end_of(fault, self.provider).billed if FAULTS[fault].moment != "webhook" else 1
        story = attrs.evolve(self.plain, billed=billed, struck=[1], webhooks=[])
        match FAULTS[fault].moment:
            case "submit":
                return attrs.evolve(story, submit=sight_of(fault, self.provider), polls=[], images=[])
            case "task":
                return self.fated(story, fault)
            case "poll":
                return attrs.evolve(story, polls=self.polls(fault, at or 0))
            case "webhook":
                return attrs.evolve(story, webhooks=self.webhooks(fault))
        images, again = self.images(fault)
        return attrs.evolve(story, images=images, polls=[*story.polls, *story.polls[-1:]] if again else story.polls)

    def fated(self, story: Story, fault: str) -> Story:
        """A task that does not end well, or not soon; how often it is polled is the program's affair."""
        first = list(story.polls[:-1])
        raises = end_of(fault, self.provider).raises
        if fault in ("slow", "stuck"):
            return story if fault == "slow" else attrs.evolve(story, polls=first, images=[])
        if raises == "Vanished":
            return attrs.evolve(story, polls=[self.strange("poll-404")], images=[])
        # A word with a tag is a webhook's.
        word = next(word for word, state in self.provider.statuses if state is ENDED[raises] and ":" not in word)
        return attrs.evolve(story, polls=[*first, (USUAL, word)], images=[])

    def polls(self, fault: str, at: int) -> list[tuple[Sight, str | None]]:
        """The polls of a life in which one more comes at once when state number *at* was seen, and is struck."""
        plain, strange = list(self.plain.polls), self.strange(fault, self.words[at])
        seen = [word for _, word in plain]
        if fault == "status-goes-back" and at == 0:  # there is nothing to go back from yet, so a later poll is struck
            plain.insert(0, plain[0])
            plain[seen.index(self.words[1]) + 2] = strange
            return plain
        plain.insert(seen.index(self.words[at]) + 1, strange)
        ended = strange == plain[seen.index(self.words[at])] and at == len(self.words) - 1
        return plain if at < len(self.words) - 1 or ended else [*plain, plain[-2]]

    def strange(self, fault: str, word: str = "") -> tuple[Sight, str | None]:
        """A poll that is struck while the service's word for the task would be *word*."""
        sight = sight_of(fault, self.provider)
        match fault:
            case "dripping" | "slow-answer":
                return sight, word
            case "status-goes-back":
                return sight, self.words[0]
            case "unknown-status":
                return sight, UNHEARD_OF[self.provider.name]
            case "poll-404":  # said by a status where there is a word for it
                return sight, next((word for word, state in self.provider.statuses if state is State.VANISHED), None)
        return sight, None

    def images(self, fault: str) -> tuple[list[tuple[Sight, str | None, bool]], bool]:
        """What is fetched, and whether a fresh link is asked for after it."""
        (usual,) = self.plain.images
        sight, kind = sight_of(fault, self.provider), usual[1]
        match fault:
            case "two-links":
                return [usual, usual], False
            case "wrong-type-image":
                return [(sight, "image/jpeg" if kind == "image/png" else "image/png", True)], False
            case "expired-link" | "link-503":
                return [(sight, None, False), usual], True
        return [(sight, kind, False), usual], True

    def webhooks(self, fault: str) -> list[tuple[bool, str, bool | None]]:
        """What is reported, the first of it struck: whether late, the word, and whether the service has signed it."""
        first, *others = self.plain.webhooks
        (_, word, signed) = first
        match fault:
            case "webhook-late":
                return [*others, (True, word, signed)]
            case "webhook-twice":
                return [first, first, *others]
            case "webhook-lost":
                return others
            case "webhook-forged":
                return [(False, word, False), first, *others]
        return [*others, first]


def once(polls: Sequence[tuple[Sight, str | None]]) -> list[tuple[Sight, str | None]]:
    """Polls, of which those that follow one another and look alike count once."""
    return [each for number, each in enumerate(polls) if not number or each != polls[number - 1]]


def check(seen: Seen, expected: Expected) -> None:
    """What was seen of a case is what its fault is declared to do, and the refusals are in the service's own form."""
    provider, fault, at = expected.provider, seen["fault"], seen["at"]
    if obstacle := FAULTS[fault].obstacle(provider):
        assert f"{fault} does not apply to {provider.name}: {obstacle}." == seen["obstacle"]
        return
    wanted, came = expected.story(fault, at), told(seen)
    if FAULTS[fault].moment == "task":
        wanted, came = (attrs.evolve(each, polls=once(each.polls)) for each in (wanted, came))
    assert wanted == came
    if fault == "slow":
        assert seen["waited"] >= SLOWNESS * seen["duration"]
    if fault == "two-links":
        assert 1 == len({each["digest"] for each in seen["images"]})
    if fault in LATE:
        assert max(each["took"] for each in seen["polls"]) >= 0.9 * LATE[fault] / SPEED
    for answer in (seen["submit"], *seen["polls"]):
        said = answer.get("said")
        if said is not None and (answer["status"] >= 400 or answer is not seen["submit"]):
            check_refusal(provider, fault, said)


def check_refusal(provider: Provider, fault: str, said: Any) -> None:
    """A refusal says why, where the service's refusals do."""
    if (provider.name, fault) in SPEECHLESS:
        assert {} == said
        return
    found = provider.error.read(said)
    assert found.get("message") or found.get("fields"), said


def check_plain(seen: Seen, provider: Provider) -> None:
    """A life without a fault goes through every state, reports each change that the service reports, and is billed."""
    story, words = told(seen), life(provider)
    assert provider.webhook is not None
    assert [(USUAL, word) for word in words] == once(story.polls)
    assert [(Sight(json=False), True)] == [(sight, whole) for sight, _, whole in story.images]
    signed = True if provider.webhook.signature.signed else None
    reported = words[1:] if provider.webhook.every else words[-1:]
    assert [(False, word, signed) for word in reported] == list(story.webhooks)
    assert (USUAL, 1, []) == (story.submit, story.billed, story.struck)


@pytest.mark.slow
@pytest.mark.no_cover
def test_a_foreign_program_sees_of_every_fault_in_every_state_what_it_is_declared_to_do(
    subtests: pytest.Subtests,
) -> None:
    with Server(MockService([*PROVIDERS.values()], clock=WallClock(speed=SPEED))) as server:
        seen = [json.loads(line) for line in said_by("faults.mjs", server.url, server.service.webhook_secret)]
    every = {
        (name, fault, at)
        for name, provider in PROVIDERS.items()
        for fault, row in FAULTS.items()
        for at in (range(len(life(provider))) if row.moment == "poll" else [None])
    } | {(name, None, None) for name in PROVIDERS}
    assert every == {(each["service"], each["fault"], each["at"]) for each in seen}
    assert len(every) == len(seen)
    expected = {}
    for each in seen:
        provider = PROVIDERS[each["service"]]
        with subtests.test(service=each["service"], fault=each["fault"], state=each["at"]):
            if each["fault"] is None:
                expected[provider.name] = Expected(provider, told(each))
                check_plain(each, provider)
            else:
                check(each, expected[provider.name])


def test_every_fault_of_one_exchange_has_a_sight() -> None:
    assert {name for name, fault in FAULTS.items() if fault.moment not in ("task", "webhook")} == SIGHTS.keys()

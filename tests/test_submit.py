"""Submits: what every answer and every mishap means for the money, and that nothing is ever bought twice."""

import email.utils
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from support.world import EPOCH, ID, Said, World, a_plan, accepted, complaint, raised

from fluxkit._contract.task import State, Task
from fluxkit._engine.effects import Call, Lost, Note, Now, Reply, Wait
from fluxkit._engine.submit import SUBMIT_TRIES, attached, submit
from fluxkit._plugins import installed
from fluxkit._wire.declaration import Provider
from fluxkit.errors import (
    Broken,
    Charged,
    ContractError,
    DownloadError,
    FluxError,
    OutOfCredit,
    Overdue,
    PluginError,
    RateLimited,
    Refused,
    Rejected,
    SettingsError,
    SubmissionUnknown,
    Unauthorized,
    Unreachable,
    Unsupported,
)
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

REGISTRY = installed()
PROVIDERS = [REGISTRY.provider(name) for name in REGISTRY.names if REGISTRY.owner(name).bundled]

#: Time enough for any number of tries.
DEADLINE = EPOCH + 1_000.0

HTML = "<html><body><h1>The gateway regrets</h1></body></html>"


def buy(world: World, provider: Provider = MAGNIFIC, *, deadline: float = DEADLINE, patience: float = 60.0) -> Any:
    return world.run(submit(a_plan(provider), 0, deadline, patience=patience))


def failed(world: World, provider: Provider = MAGNIFIC, **how: Any) -> FluxError:
    return raised(lambda: buy(world, provider, **how))


def verdict(error: FluxError, world: World) -> tuple[type[FluxError], Charged, bool, int]:
    """What a payer wants to know: what it is, whether it cost something, whether to retry, how often it was sent."""
    return type(error), error.charged, error.retry, len(world.submits)


UNKNOWN = (SubmissionUnknown, Charged.UNKNOWN, False, 1)

#: Statuses with which a service refuses, whatever body comes with them: nothing was bought, and a retry is senseless.
REFUSALS: Mapping[int, type[FluxError]] = {
    400: Rejected,
    401: Unauthorized,
    402: OutOfCredit,
    403: Unauthorized,
    404: Rejected,
    405: Rejected,
    413: Rejected,
    415: Rejected,
    422: Rejected,
}
#: How a body may speak: in the service's own words, in its form with other words, or in no form of the service's.
WORDS, FORM, FOREIGN = 2, 1, 0
#: Statuses with which a service refuses for now, if it says so itself: nothing was bought, and it is tried again. A
#: gateway may put its 503 into any form, so there the very words count.
BUSY: Mapping[int, tuple[type[FluxError], int]] = {429: (RateLimited, FORM), 503: (Broken, WORDS)}


def expected(status: int, body: int) -> tuple[type[FluxError], Charged, bool, int]:
    if status in REFUSALS:
        return REFUSALS[status], Charged.NO, False, 1
    if status in BUSY and body >= BUSY[status][1]:
        return BUSY[status][0], Charged.NO, True, SUBMIT_TRIES
    return UNKNOWN


OWN: Mapping[str, int] = {"its own words": WORDS, "its own form": FORM}
BODIES = {
    "its own words": complaint,
    "its own form": lambda provider, status: complaint(provider, status, "No."),
    "somebody's HTML": lambda _, status: Said(status, None, HTML),
    "nothing": lambda _, status: Said(status, None, ""),
    "JSON without a message": lambda _, status: Said(status, {"ok": False}, '{"ok":false}'),
    "a list": lambda _, status: Said(status, [1], "[1]"),
    "an empty message": lambda provider, status: complaint(provider, status, ""),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_every_status_with_every_body_means_what_the_table_says(provider: Provider, body: str) -> None:
    found, wanted = {}, {}
    most = WORDS if 503 in {refusal.status for refusal in provider.refusals} else FORM  # whose words nobody knows
    for status in range(100, 600):
        world = World(lambda *_, status=status: BODIES[body](provider, status))
        error = failed(world, provider)
        found[status] = (*verdict(error, world), error.provider, error.model, error.task, world.notes)
        means = expected(status, min(OWN.get(body, FOREIGN), most))
        note = "unknown" if means[1] is Charged.UNKNOWN else "refused"
        wanted[status] = (*means, provider.name, provider.models[0].name, None, ["intent", note])
    assert wanted == found


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_an_id_is_believed_with_any_status_of_success_and_with_no_other(provider: Provider) -> None:
    found = {}
    for status in range(100, 600):
        world = World(lambda *_, status=status: attrs.evolve(accepted(provider), status=status))
        try:
            task, _ = buy(world, provider)
        except FluxError as error:
            found[status] = verdict(error, world)
        else:
            found[status] = (task.id, len(world.submits), world.notes)
    bought = (ID, 1, ["intent", "accepted"])
    assert {status: bought if 200 <= status < 300 else expected(status, FOREIGN) for status in found} == found


def test_a_used_up_free_trial_is_final() -> None:
    said = complaint(MAGNIFIC, 429, "You have reached the limit of the free trial usage.")
    world = World([said])
    assert (OutOfCredit, Charged.NO, False, 1) == verdict(failed(world), world)


def test_a_declaration_cannot_make_a_gateways_word_a_refusal() -> None:
    from fluxkit._wire.declaration import Refusal

    for status in (302, 408, 409, 499, 500, 502, 504, 520, 524, 530):
        provider = attrs.evolve(MAGNIFIC, refusals=[Refusal(status, Rejected)])
        world = World([complaint(provider, status)])
        assert UNKNOWN == verdict(failed(world, provider), world), status


# Errors instead of answers

MISHAPS: list[tuple[BaseException, tuple[type[FluxError], Charged, bool, int]]] = [
    (Unreachable("refused"), (Unreachable, Charged.NO, True, SUBMIT_TRIES)),
    (Unreachable("no address", retry=False), (Unreachable, Charged.NO, False, 1)),
    (Lost("dropped"), UNKNOWN),
    (SettingsError("no certificates"), (SettingsError, Charged.NO, False, 1)),
    (PluginError("broken"), (PluginError, Charged.NO, False, 1)),
    (ContractError("the key was not sent", charged=Charged.NO), (ContractError, Charged.NO, False, 1)),
    (ContractError("who knows"), UNKNOWN),
    (DownloadError("paid"), UNKNOWN),
    (Overdue("running"), UNKNOWN),
    (Refused("moderated"), UNKNOWN),
    (SubmissionUnknown("perhaps"), UNKNOWN),
    (RateLimited("later"), (RateLimited, Charged.NO, True, SUBMIT_TRIES)),
    (ValueError("a mistake"), UNKNOWN),
    (OSError("a disk"), UNKNOWN),
    (TimeoutError(), UNKNOWN),
    (StopIteration("odd"), UNKNOWN),
    (RecursionError(), UNKNOWN),
    (ExceptionGroup("several", [ValueError("a"), OSError("b")]), UNKNOWN),
]


@pytest.mark.parametrize(("mishap", "means"), MISHAPS, ids=lambda value: type(value).__name__)
def test_every_mishap_means_what_the_table_says(mishap: Exception, means: tuple[Any, ...]) -> None:
    world = World(lambda *_: mishap)
    error = failed(world)
    assert means == verdict(error, world)
    assert ["intent", "unknown" if means[1] else "refused"] == world.notes
    assert ("magnific", "flux-2-klein") == (error.provider, error.model)
    assert not isinstance(error, Lost)


def test_an_error_that_is_not_ours_stays_its_cause() -> None:
    mistake = ValueError("a mistake")
    error = failed(World([mistake]))
    assert mistake is error.__cause__
    assert "a mistake" in error.message
    assert failed(World([Lost("dropped.")])).__cause__ is None


def test_a_reply_that_cannot_be_read_is_kept_because_the_id_may_be_in_it() -> None:
    class Broke:
        allowed = ""

        def read(self, _: Any) -> Any:
            raise RuntimeError("a mistake in a declaration")

    provider = attrs.evolve(MAGNIFIC, accepted=Broke())
    world = World([Said(200, {}, f'{{"task": "{ID}"}}')])
    error = failed(world, provider)
    assert UNKNOWN == verdict(error, world)
    assert ID in error.reply


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_the_answer_without_an_id_is_kept(provider: Provider) -> None:
    error = failed(World([Said(200, {"data": {"status": "CREATED"}}, "the answer")]), provider)
    assert "the answer" == error.reply
    assert "without an id" in error.message


# Tries


def test_a_submit_that_was_refused_is_tried_again_until_it_is_accepted() -> None:
    busy = complaint(MAGNIFIC, 503)
    world = World([busy, Unreachable("refused"), busy, complaint(MAGNIFIC, 429), accepted(MAGNIFIC)])
    task, _ = buy(world)
    assert (ID, 5, ["intent", "accepted"]) == (task.id, len(world.submits), world.notes)
    assert 1 == len({(call.url, call.body) for call in world.submits})


@pytest.mark.parametrize(
    "doubtful", [Lost("dropped"), Said(502), Said(200), complaint(MAGNIFIC, 409), ValueError("a mistake")]
)
def test_a_submit_whose_fate_is_open_is_never_tried_again(doubtful: Any) -> None:
    world = World([complaint(MAGNIFIC, 503), Unreachable("refused"), doubtful, accepted(MAGNIFIC)])
    error = failed(world)
    assert (SubmissionUnknown, 3) == (type(error), len(world.submits))
    assert ["intent", "unknown"] == world.notes


def test_waits_between_tries_double() -> None:
    world = World(lambda *_: Unreachable("refused"))
    failed(world)
    assert all(0.75 * mean <= wait <= 1.25 * mean for wait, mean in zip(world.waits, (0.5, 1.0, 2.0, 4.0), strict=True))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("30", 30.0),
        ("7.5", 7.5),
        (email.utils.formatdate(EPOCH + 45, usegmt=True), 45.0),
        ("0", None),
        (email.utils.formatdate(EPOCH - 45, usegmt=True), None),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("1e9", None),
        ("9" * 400, None),
        ("Fri, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_honoured(status: int, said: str, seconds: float | None) -> None:
    world = World([complaint(MAGNIFIC, status, headers={"retry-after": said}), accepted(MAGNIFIC)])
    buy(world)
    [wait] = world.waits
    assert wait == seconds if seconds is not None else 0.375 <= wait <= 0.625


@pytest.mark.parametrize("asked", ["100", "99999999", "100.0"])
def test_nobody_waits_for_a_retry_behind_the_deadline(asked: str) -> None:
    busy = complaint(MAGNIFIC, 429, headers={"retry-after": asked})
    world = World([busy])
    error = failed(world, deadline=EPOCH + 100)
    assert (RateLimited, Charged.NO, True, 1) == verdict(error, world)
    assert float(asked) == error.retry_after
    assert 0 == world.lasted


def test_nothing_is_sent_after_the_deadline() -> None:
    world = World([])
    error = failed(world, deadline=EPOCH)
    assert (Unreachable, Charged.NO, True, 0) == verdict(error, world)
    assert ["intent", "refused"] == world.notes


def test_nothing_is_sent_by_a_machine_that_slept_through_the_deadline() -> None:
    world = World([complaint(MAGNIFIC, 503)], oversleeps=8 * 3600.0)
    assert (Broken, Charged.NO, True, 1) == verdict(failed(world), world)


@pytest.mark.parametrize(
    ("left", "patience", "seconds"), [(1_000, 60, 60), (20, 60, 21), (0.01, 60, 1.01), (5, 0.5, 0.5)]
)
def test_a_submit_is_given_its_patience_or_the_time_that_is_left_and_a_moment(
    left: float, patience: float, seconds: float
) -> None:
    world = World([accepted(MAGNIFIC)])
    buy(world, deadline=EPOCH + left, patience=patience)
    assert pytest.approx(seconds) == world.submits[0].patience


# The call, the task and the notes


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_the_intent_is_noted_before_the_call_and_the_task_after_it(provider: Provider) -> None:
    world = World([accepted(provider, takes=2.0)])
    task, snapshot = buy(world, provider)
    assert [Note, Now, Call, Note] == [type(effect) for _, effect in world.effects]
    [intent] = world.noted("intent")
    assert (provider.name, provider.models[0].name, 0) == (intent["provider"], intent["model"], intent["turn"])
    assert attrs.evolve(task, id="", status="", poll_url=None, submitted_at=0.0) == intent["draft"]
    assert [{"row": "1", "task": task}] == world.noted("accepted")
    assert (State.CREATED, ID) == (snapshot.state, snapshot.id)
    assert EPOCH + 2.0 == task.submitted_at


def test_the_task_knows_what_was_asked() -> None:
    plan = a_plan(MAGNIFIC, seed=5, n=3, aspect="2:3", resolution="2K", output_format="jpg")
    world = World([accepted(MAGNIFIC)])
    task, _ = world.run(submit(plan, 2, DEADLINE, patience=60.0))
    assert (
        Task(
            provider="magnific",
            model="flux-2-klein",
            id=ID,
            base_url="https://api.magnific.com",
            state=State.CREATED,
            status="CREATED",
            submitted_at=EPOCH,
            expected=plan.expected,
            output_format="jpeg",
            seed=7,
        )
        == task
    )
    assert b'"seed":7' in world.submits[0].body


def test_only_the_submit_buys_and_its_key_goes_to_the_base_url() -> None:
    world = World([accepted(APIMART)])
    buy(world, APIMART)
    [call] = world.of(Call)
    assert (True, True, ("https://api.apimart.ai",)) == (call.buys, call.keyed, call.origins)
    assert ("POST", "https://api.apimart.ai/v1/images/generations") == (call.method, call.url)


class Unnoted(Exception):
    """The journal is full."""


def test_an_intent_that_cannot_be_noted_is_no_submit() -> None:
    world = World([])
    error = raised(lambda: world.run(submit(a_plan(MAGNIFIC), 0, DEADLINE, patience=60.0), throw={0: Unnoted()}))
    assert (FluxError, Charged.NO, False, 0) == verdict(error, world)
    assert isinstance(error.__cause__, Unnoted)


def test_a_plan_that_cannot_be_written_is_no_submit() -> None:
    plan = attrs.evolve(a_plan(MAGNIFIC), documents=({"prompt": object()},))
    world = World([])
    error = raised(lambda: world.run(submit(plan, 0, DEADLINE, patience=60.0)))
    assert (FluxError, Charged.NO, False, 0) == verdict(error, world)
    assert [] == world.notes


@pytest.mark.parametrize("failure", [Unnoted("full"), SettingsError("read-only")])
def test_an_id_that_cannot_be_noted_is_raised_with_its_task(failure: Exception) -> None:
    world = World([accepted(MAGNIFIC)])
    error = raised(lambda: world.run(submit(a_plan(MAGNIFIC), 0, DEADLINE, patience=60.0), throw={3: failure}))
    assert ID == error.task.id
    assert Charged.UNKNOWN is error.charged
    assert failure in (error, error.__cause__)


@pytest.mark.parametrize("said", [complaint(MAGNIFIC, 401), Lost("dropped")])
def test_what_became_of_a_submit_is_said_even_if_it_cannot_be_noted(said: Any) -> None:
    world = World([said])
    error = raised(lambda: world.run(submit(a_plan(MAGNIFIC), 0, DEADLINE, patience=60.0), throw={3: Unnoted("full")}))
    assert isinstance(error, Unauthorized | SubmissionUnknown)
    assert ["This could not be noted: Unnoted('full')."] == error.__notes__


def test_an_interrupted_pause_between_tries_is_no_submit() -> None:
    world = World([complaint(MAGNIFIC, 503)])
    flow = submit(a_plan(MAGNIFIC), 0, DEADLINE, patience=60.0)
    error = raised(lambda: world.run(flow, throw={4: OSError("the clock stands")}))
    assert Wait is type(world.effects[4][1])
    assert (FluxError, Charged.NO, False, 1) == verdict(error, world)
    assert ["intent", "refused"] == world.notes


# Errors after the purchase

TASK = Task(provider="magnific", model="flux-2-klein", id=ID, base_url="https://api.magnific.com")


@pytest.mark.parametrize("kind", [SettingsError, Rejected, Unsupported, Broken])
def test_no_error_behind_a_purchase_says_that_nothing_was_bought(kind: type[FluxError]) -> None:
    error = kind("no")
    assert error is attached(TASK, error)
    assert (Charged.UNKNOWN, TASK, "magnific", "flux-2-klein") == (
        error.charged,
        error.task,
        error.provider,
        error.model,
    )


def test_what_an_error_behind_a_purchase_knows_better_is_kept() -> None:
    newer = attrs.evolve(TASK, state=State.RUNNING)
    error = attached(TASK, DownloadError("paid", task=newer))
    assert (newer, Charged.YES) == (error.task, error.charged)


@pytest.mark.parametrize("mishap", [Lost("dropped"), Unreachable("refused"), ValueError("a mistake")])
def test_an_error_that_would_invite_to_buy_again_is_wrapped(mishap: Exception) -> None:
    error = attached(TASK, mishap)
    assert (ContractError, Charged.UNKNOWN, False, TASK) == (type(error), error.charged, error.retry, error.task)
    assert mishap is error.__cause__


def test_a_reply_is_read_once() -> None:
    """The answer that the flow is sent is the one from which the task is made."""
    flow = submit(a_plan(MAGNIFIC), 0, DEADLINE, patience=60.0)
    next(flow)
    flow.send("1")
    assert isinstance(flow.send(EPOCH), Call)
    said = accepted(MAGNIFIC)
    note = flow.send(Reply(200, {}, said.document, "", EPOCH + 1))
    assert ("accepted", ID) == (note.kind, note.entry["task"].id)
    flow.close()


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda each: each.name)
def test_what_a_service_says_again_of_a_webhook_is_shown_without_its_token(provider: Provider) -> None:
    def echo(call: Call, _: World) -> Said:
        assert isinstance(call.body, bytes)
        return Said(200, text=call.body.decode())

    world = World(echo)
    plan = a_plan(provider, webhook_url="https://app.example/hooks/")
    error = raised(lambda: world.run(submit(plan, 0, DEADLINE, patience=60.0)), SubmissionUnknown)
    [intent] = world.noted("intent")
    assert "app.example/hooks/" in error.reply.replace("\\", "")
    assert intent["token"] not in error.reply

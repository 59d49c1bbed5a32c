"""The live checks: what a real service answers, graded by shape and value and never by time.

Each judges what one run of a canary has brought, which asks a few things for nothing and buys one image for all of
them. So a check costs nothing, and none buys.
"""

import inspect
from collections.abc import Callable

from .._contract.media import TYPES, format_named
from .._contract.task import Snapshot, State, Task
from .._wire.complaint import read_complaint
from ..errors import Broken, BudgetExceeded, FluxError, OutOfCredit, RateLimited, Rejected, Unauthorized, Unreachable
from .check import not_applicable
from .differs import same
from .drift import Judgement
from .evidence import E, Evidence, LiveCheck
from .tracing import GIVEN, path_of

#: What keeps something from being bought, and says nothing against the service.
PASSING = (BudgetExceeded, OutOfCredit, RateLimited, Broken, Unreachable)


def live(function: Callable[[E], str | None]) -> LiveCheck[E]:
    """Makes a live check of a function, by its name and docstring."""
    promise, _, meaning = (inspect.getdoc(function) or "").partition("\n\n")
    name = function.__name__.removeprefix("check_")
    return LiveCheck(name, " ".join(promise.split()), " ".join(meaning.split()), function)


@live
def check_live_wrong_key_is_refused(found: Evidence) -> None:
    """A wrong key is refused as the declaration says, for nothing.

    A failure means: a user with a wrong key is told something else.
    """
    if found.wrong_key is None:
        not_applicable("the service has no tasks to ask after")
    same("Unauthorized", _kind(found.wrong_key), "what becomes of a wrong key")


@live
def check_live_foreign_task_is_not_found(found: Evidence) -> None:
    """A task that is not there is said not to be there, as the declaration says, for nothing.

    A failure means: a task that the service has lost is waited for to the end of the time, or ends in another error.
    """
    if found.foreign is None:
        not_applicable("the service has no tasks to ask after")
    same("vanished", _kind(found.foreign), "what becomes of a task that is not there")


@live
def check_live_bad_request_is_refused(found: Evidence) -> None:
    """A request without a prompt is refused in the declared form, for nothing.

    A failure means: what is wrong with a request does not reach the user, or is even bought.
    """
    if found.bad is None:
        not_applicable(found.unbought or "the model asks for nothing that a request could lack")
    reply, outcome = found.bad
    if isinstance(outcome, PASSING):
        not_applicable(outcome.message)
    if isinstance(outcome, Task):
        raise AssertionError(f"it was accepted as the task {outcome.id}, which may be billed: see fluxkit recover")
    if not isinstance(outcome, Rejected) or isinstance(outcome, Unauthorized):
        raise AssertionError(f"Rejected expected, and it is {type(outcome).__name__}: {outcome.message}")
    if reply is not None and not read_complaint(found.plan.provider, reply).declared:
        raise AssertionError(f"the refusal has not the declared form: {' '.join(reply.text.split())[:200]}")


@live
def check_live_submit_is_answered_as_declared(found: Evidence) -> None:
    """The answer to a submit names the task, and holds nothing that the declaration cannot read.

    A failure means: what is bought may be lost, because nobody reads its id.
    """
    found.bought()
    for said in found.said("submit"):
        same((), said.problems, "what could not be read of the answer to the submit")
        return
    raise AssertionError(f"no task was read from it: {found.error}")


@live
def check_live_polls_are_answered_as_declared(found: Evidence) -> None:
    """Each answer to a poll can be read, and the calls go where the declaration says.

    A failure means: a task that is paid is not understood.
    """
    _needs_polls(found)
    for said in _answers(found, "poll"):
        unread = [problem for problem in said.problems if "is not declared" not in problem]
        same([], unread, "what could not be read of the answer to a poll")
    for call, _ in found.heard:
        if call.about is not None and call.about.kind == "poll" and path_of(call, found.plan) == GIVEN:
            raise AssertionError("the service gives an address for polls that the declaration does not know")


@live
def check_live_status_words_are_known(found: Evidence) -> None:
    """Every word that the service has for a state is declared.

    A failure means: a task that has ended is waited for, because its word is taken for running.
    """
    found.bought()
    words = dict.fromkeys(said.status for said in _answers(found, "submit", "poll") if said.status)
    same([], [word for word in words if found.plan.provider.state(word) is None], "words that nobody knows")


@live
def check_live_states_go_forward(found: Evidence) -> None:
    """A task goes from created over running to its end, and never back.

    A failure means: whoever is told of each state is told wrong things.
    """
    _needs_polls(found)
    states = [said.state for said in _answers(found, "submit", "poll")]
    order = [State.CREATED, State.RUNNING]
    ranks = [order.index(state) if state in order else 2 for state in states]
    same(sorted(ranks), ranks, f"the order of {', '.join(states)}")


@live
def check_live_image_comes(found: Evidence) -> None:
    """The task is completed, and its link leads to a whole image, without the key.

    A failure means: what is paid does not come.
    """
    found.bought()
    if found.error is not None:
        raise AssertionError(f"{type(found.error).__name__}: {found.error.message}")
    assert found.result is not None  # noqa: S101 - either of them is there, by the bought
    same((), tuple(map(str, found.result.errors)), "what went wrong")
    same(True, all(image.path is not None for image in found.result.images), "whether every image is on disk")


@live
def check_live_pixels_are_as_expected(found: Evidence) -> None:
    """The image has the pixels that the plan expects.

    A failure means: every size of this model is in doubt.
    """
    image = found.image
    if not found.plan.expected:
        not_applicable("the declaration does not say how many pixels come")
    same(True, image.pixels in found.plan.expected, f"whether {image.pixels} is one of {found.plan.expected}")


@live
def check_live_format_is_as_declared(found: Evidence) -> None:
    """The image has the format that was asked for, or that the declaration says.

    A failure means: files get names and types that are not theirs.
    """
    image, named = found.image, found.plan.output_format or found.plan.model.delivers
    if named is None:
        not_applicable("the declaration does not say which format comes")
    same(TYPES[format_named(named) or ""], image.media_type, "the type of the image")


@live
def check_live_cost_is_as_stated(found: Evidence) -> None:
    """What the service says it charged is the price that is declared or stated.

    A failure means: every budget is kept with a wrong price.
    """
    found.bought()
    cost = None if found.result is None else found.result.cost
    if cost is None:
        not_applicable("the service does not say what it charged")
    same(str(found.plan.price), str(cost), "what it cost")


@live
def check_live_seed_is_echoed(found: Evidence) -> None:
    """The seed that was asked for is the one that the service says it took.

    A failure means: an image does not come again by its seed.
    """
    found.bought()
    asked = found.plan.values[0].get("seed")
    echoed = [
        said.seed for route in ("submit", "poll", "result") for said in found.said(route) if said.seed is not None
    ]
    if asked is None or not echoed:
        not_applicable("the model takes no seed" if asked is None else "the service does not say which seed it took")
    same([asked] * len(echoed), echoed, "the seed")


@live
def check_live_task_is_found_again(found: Evidence) -> None:
    """A task that is completed can be read again, and is completed still.

    A failure means: what a killed process has bought cannot be recovered.
    """
    _needs_polls(found)
    if found.again is None:
        not_applicable("no image came")
    if isinstance(found.again, FluxError):
        raise AssertionError(f"{type(found.again).__name__}: {found.again.message}")
    same(State.COMPLETED, found.again.state, "the state of the task")


@live
def check_live_answers_do_not_drift(found: Evidence) -> str:
    """The service answers in shapes that its mock or its samples show, but for what is allowed.

    A failure means: tests that run against the mock show something else than what users will see.
    """
    found.bought()
    if found.judgement is None:
        not_applicable("no answer came")
    return _undrifted(found.judgement)


@live
def check_recorded_answers_do_not_drift(judgement: Judgement) -> str:
    """What was recorded of the service has the shapes that its mock or its samples show, but for what is allowed.

    A failure means: tests that run against the mock show something else than what users have seen.
    """
    return _undrifted(judgement)


def _undrifted(judgement: Judgement) -> str:
    if judgement.failed:
        raise AssertionError("\n".join(judgement.lines))
    return "; ".join(judgement.lines)


def _kind(said: Snapshot | FluxError) -> str:
    return type(said).__name__ if isinstance(said, FluxError) else said.state.value


def _answers(found: Evidence, *routes: str) -> list[Snapshot]:
    """What was said of the task on these routes; ends a check if nothing was."""
    answers = [said for route in routes for said in found.said(route)]
    if not answers:
        not_applicable("no answer came")
    return answers


def _needs_polls(found: Evidence) -> None:
    """Ends a check if nobody was asked after a task."""
    found.bought()
    if found.plan.provider.poll is None:
        not_applicable("the service has no tasks: it answers with the image")


#: All live checks, in the order in which they are shown: first those that need no image.
LIVE: tuple[LiveCheck[Evidence], ...] = (
    check_live_wrong_key_is_refused,
    check_live_foreign_task_is_not_found,
    check_live_bad_request_is_refused,
    check_live_submit_is_answered_as_declared,
    check_live_polls_are_answered_as_declared,
    check_live_status_words_are_known,
    check_live_states_go_forward,
    check_live_image_comes,
    check_live_pixels_are_as_expected,
    check_live_format_is_as_declared,
    check_live_cost_is_as_stated,
    check_live_seed_is_echoed,
    check_live_task_is_found_again,
    check_live_answers_do_not_drift,
)

#: Those for which no image is needed.
FREE = LIVE[:3]

"""A request that an app once made, made again of a mock: whether it comes out the same, however often one looks."""

import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import attrs

from .._client import Client
from .._contract.event import Event
from .._contract.media import TYPES
from .._contract.request import Request
from .._contract.result import Result
from .._contract.task import State
from .._mock import kit_of_mock
from .._recording.read import Outcome
from .._recording.recorder import TELLING, unrecorded
from .._wire.declaration import Provider
from .._wire.plan import Plan
from ..errors import Charged, DeliveryWarning, FluxError

#: How the mock moves tasks on at each replay: what a client sees of their lives is another thing each time.
PACES: Mapping[str, Mapping[str, Any]] = {
    "at once": {"progression": "at once"},
    "a state a look": {"progression": "polls"},
    "many looks a state": {"progression": "seconds"},
}

#: How many times as long tasks take where many looks see the same, and how long they take where no page says it.
SLOWLY, USUAL = 8, 5.0

#: How long a replay lasts at most, in seconds of the mock's time.
PATIENCE = 900.0

#: The fault with which a mock brings about that a call ends by an error.
FATES: Mapping[str, str] = {
    "Failed": "fail",
    "Refused": "moderated",
    "Vanished": "vanished",
    "Overdue": "stuck",
    "SubmissionUnknown": "accepted-then-dropped",
    "Unauthorized": "401",
    "OutOfCredit": "402",
    "Rejected": "400",
    "RateLimited": "429",
    "DownloadError": "link-503",
}

#: Errors with which tasks end, of which one request may have several.
ENDINGS = ("Failed", "Refused")

#: Errors that one of several tasks may end by, each at the first try.
SINGLY = (*ENDINGS, "Overdue", "SubmissionUnknown")

#: Errors that say nothing of a service, because nothing was sent.
UNSENT = ("Unsupported", "BudgetExceeded", "SettingsError", "JournalUnavailable", "ReferenceUnusable", "Unreachable")

#: Makes a client of a mock.
Make = Callable[[Any], Client]


@attrs.frozen(eq=False)
class Replay:
    """What came of a request at one *pace* of the mock, and in what it *differs* from what was recorded."""

    pace: str
    states: tuple[tuple[str, ...], ...] = ()
    images: int = 0
    error: str | None = None
    charged: str = "yes"
    billed: int = 0
    differs: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The replay as plain values."""
        return {
            "pace": self.pace,
            "states": [list(path) for path in self.states],
            "images": self.images,
            "error": self.error,
            "charged": self.charged,
            "billed": self.billed,
            "differs": list(self.differs),
        }


def fate_of(outcome: Outcome | None) -> str | None:
    """The fault that makes a call end as it did; None if it went well, and empty if no fault does that."""
    if outcome is None or outcome.error is None or outcome.error in UNSENT:
        return None
    if outcome.error == "Refused" and not outcome.states:
        return "moderation"
    return FATES.get(outcome.error, "")


def faults_of(provider: Provider, outcome: Outcome | None) -> Mapping[str, int | None] | None:
    """With which faults a call ends as it did, and how often each strikes; None if no faults of *provider* do that.

    Of several images some may have come, or each have failed for a reason of its own.
    """
    fault = fate_of(outcome)
    if fault == "":
        return None
    faults: dict[str, int | None] = {} if fault is None else {fault: None}
    if outcome is not None and outcome.errors and outcome.error not in UNSENT:
        beside = Counter([*outcome.errors, *([] if outcome.error is None else [outcome.error])])
        if outcome.error is None or len(beside) > 1:
            if not (len(beside) == 1 and {*beside} <= {*SINGLY}) and not {*beside} <= {*ENDINGS}:
                return None
            if beside["Refused"] > [path[-1:] for path in outcome.states].count(("refused",)):
                return None  # it was refused before there was a task
            faults = {FATES[name]: times for name, times in beside.items()}
    if any(kit_of_mock().FAULTS[name].obstacle(provider) for name in faults):
        return None
    return faults


def replays(provider: Provider, request: Request, outcome: Outcome | None, make: Make) -> Iterator[Replay]:
    """The request made at every pace of a mock of *provider*, which lets it end as it was recorded.

    Images that came are asked for all the same where no fault brings about the errors beside them: then all must come.
    """
    faults = faults_of(provider, outcome)
    if faults is None and outcome is not None and outcome.error is None:
        faults, outcome = {}, None
    if faults is None:
        return
    if request.webhook_url is not None:  # nobody is called for a replay
        request = attrs.evolve(request, webhook_url="https://webhooks.invalid/")
    for number, (pace, settings) in enumerate(PACES.items()):
        mock = kit_of_mock().MockService([provider], **settings, **_durations(provider, pace))
        for fault, times in faults.items():
            mock.fault(fault, times=times)
        # It is enough to fetch the images once, but for an error that comes of fetching them.
        fetch = not number or FATES["DownloadError"] in faults
        with unrecorded(), make(mock) as client:
            end, states = _made(client, request, fetch=fetch)
            plan = client.plan(request)
        yield _compared(plan, outcome, end, pace=pace, states=states, billed=mock.billed, fetched=fetch)


def _durations(provider: Provider, pace: str) -> Mapping[str, Any]:
    if PACES[pace]["progression"] != "seconds":
        return {}
    return {"durations": {row.name: SLOWLY * (row.duration or USUAL) for row in provider.models}}


States = tuple[tuple[str, ...], ...]


def _made(client: Client, request: Request, *, fetch: bool) -> tuple[Result | Exception, States]:
    """What comes of a request, and the states that each of its tasks is seen in."""
    paths: dict[str, list[str]] = {}

    def hear(event: Event) -> None:
        if event.kind in TELLING and event.task_id:
            path, state = paths.setdefault(event.task_id, []), str(event.state)
            if path[-1:] != [state]:
                path.append(state)

    client._ears.listener = hear  # noqa: SLF001 - it is a client of ours
    end: Result | Exception
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore", DeliveryWarning)
        try:
            end = client.generate(request, to=f"{folder}/", timeout=PATIENCE, fetch=fetch)
        except Exception as error:  # noqa: BLE001 - a provider that breaks down is what is looked for
            end = error
    return end, tuple(tuple(path) for path in paths.values())


def _compared(
    plan: Plan,
    outcome: Outcome | None,
    end: Result | Exception,
    *,
    pace: str,
    states: States,
    billed: int,
    fetched: bool,
) -> Replay:
    """What came of a request beside what was recorded."""
    recorded = _expected(outcome)
    came = end if isinstance(end, Exception) else None
    return Replay(
        pace=pace,
        states=states,
        images=0 if isinstance(end, Exception) else len(end.images),
        error=None if came is None else type(came).__name__,
        charged=str(Charged.YES if came is None else getattr(came, "charged", Charged.UNKNOWN)),
        billed=billed,
        differs=(
            *_in_error(recorded, end),
            *_in_states(recorded, states, plan.request.n),
            *_in_images(plan, recorded, end, fetched=fetched),
            *_in_bill(billed, recorded, end, plan.request.n),
        ),
    )


def _expected(outcome: Outcome | None) -> Outcome | None:
    """What must come again, None if that is only that all goes well."""
    if outcome is None or outcome.error in UNSENT:
        return None
    return outcome


def _in_error(recorded: Outcome | None, end: Result | Exception) -> Iterator[str]:
    error = None if recorded is None else recorded.error
    came = None if isinstance(end, Result) else type(end).__name__
    if error != came:
        said = "" if isinstance(end, Result) else f": {str(end).splitlines()[0]}"
        yield f"expected {error or 'images'}, came {came or 'images'}{said}"
    elif recorded is not None and isinstance(end, FluxError) and recorded.charged != str(end.charged):
        yield f"expected charged to be {recorded.charged}, it is {end.charged}"
    beside, theirs = _beside(recorded), sorted(type(each).__name__ for each in _errors(end))
    if error == came and beside != theirs:
        what = "the images" if error is None else error
        yield f"expected {', '.join(beside) or 'no error'} beside {what}, came {', '.join(theirs) or 'none'}"


def _beside(recorded: Outcome | None) -> list[str]:
    """The errors beside what came: of the images that are missing, or of the others that failed."""
    return [] if recorded is None else sorted(recorded.errors)


def _errors(end: Result | Exception) -> tuple[FluxError, ...]:
    if isinstance(end, Result):
        return end.errors
    return end.others if isinstance(end, FluxError) else ()


def _in_states(recorded: Outcome | None, states: States, n: int) -> Iterator[str]:
    """In what the ways of the tasks differ, as far as they do not depend on who looks when."""
    if recorded is None or (recorded.error is None and not recorded.errors):
        ends = [State.COMPLETED.value] * n
    else:
        ends = sorted(path[-1] for path in recorded.states if path)
    came = sorted(path[-1] for path in states)
    if ends != came:
        yield f"expected tasks to end {', '.join(ends) or 'before there are any'}, they ended {', '.join(came) or 'so'}"
    for path in states:
        if any(ORDER.get(one, LAST) >= ORDER.get(other, LAST) for one, other in pairwise(path)):
            yield f"expected a task to go on, it went {', '.join(path)}"


#: Where states stand in the life of a task; those that are not here end it.
ORDER: Mapping[str, int] = {State.CREATED.value: 0, State.RUNNING.value: 1}
LAST = 2


def _in_images(plan: Plan, recorded: Outcome | None, end: Result | Exception, *, fetched: bool) -> Iterator[str]:
    if not isinstance(end, Result):
        return
    expected = plan.request.n - len(_beside(recorded))
    if len(end.images) != expected:
        yield f"expected {expected} images, {len(end.images)} came"
    for image in end.images if fetched else ():
        if plan.expected and image.pixels not in plan.expected:
            sizes = " or ".join(f"{width}x{height}" for width, height in plan.expected)
            yield f"expected {sizes}, an image has {'x'.join(map(str, image.pixels or ()))}"
        if plan.output_format and image.media_type != TYPES[plan.output_format]:
            yield f"expected {TYPES[plan.output_format]}, an image is {image.media_type}"


def _in_bill(billed: int, recorded: Outcome | None, end: Result | Exception, n: int) -> Iterator[str]:
    least, most = (n - len(_beside(recorded)), n) if isinstance(end, Result) else (0, n)
    if isinstance(end, FluxError) and end.charged is Charged.NO:
        most = 0
    if not least <= billed <= most:
        yield f"expected {most} images to be billed, {billed} were"

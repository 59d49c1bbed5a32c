"""Nothing is bought twice, and nothing that was bought is lost, whatever goes wrong."""

from ..._contract.journal import Fate
from ..._contract.result import Result
from ...errors import Charged, FluxError, SubmissionUnknown, TaskError
from ..check import Pair, check_of
from ..desk import desk, faults_of, outcome
from ..differs import same

#: For how many seconds of the mock's time a client waits: longer than any bundled model takes, with faults in between.
TIMEOUT = 180.0

#: Faults after which the service has no image to give: the task never ends, or is completed without one.
NOTHING_TO_FETCH = ("stuck", "completed-without-images")

#: Faults by which the answer to a submit is lost that was accepted.
LOST = (
    "accepted-then-dropped",
    "accepted-then-hang",
    "accepted-then-not-json",
    "gateway-503-after-accept",
    "cut-200",
)


@check_of("money")
def check_billed_once_under_every_fault(pair: Pair) -> None:
    """Whatever goes wrong, at most one image is bought, and an error that says that none was is right.

    A failure means: a fault costs money twice, or hides that it has cost some. Do not go live with this.
    """
    for name in faults_of(pair.mock):
        for times in (1, 2, None):
            with desk(pair) as at:
                at.service.fault(name, times=times)
                end, billed = outcome(lambda at=at: at.buy(timeout=TIMEOUT)), at.service.billed  # type: ignore[misc]
                about = f"{name}, {'always' if times is None else times}"
                same(True, billed <= 1, f"{about}: at most one image bought, and there are {billed}")
                _is_true(end, billed, about)


def _is_true(end: Result | FluxError, billed: int, about: str) -> None:
    """Whether what the client says agrees with the bill."""
    match end:
        case Result():
            twice = about.startswith("two-links") and any(image.url for image in end.images)
            images = len(end.images) - twice  # links are not fetched, so nobody knows that both are one
            same(billed, images, f"{about}: images that came of those that were bought")
        case FluxError():
            told = f"{about}: {type(end).__name__} says charged {end.charged}, and what was bought is {billed}"
            same(True, not billed or end.charged is not Charged.NO, told)
            same(True, bool(billed) or end.charged is not Charged.YES, told)
            lost = isinstance(end, SubmissionUnknown) or not billed
            same(True, lost or end.task is not None, f"{about}: {type(end).__name__} carries the task that was bought")


@check_of("money")
def check_what_is_paid_is_fetched(pair: Pair) -> None:
    """After a fault that has passed, every image that was bought and whose task is known is had, whole and on disk.

    A failure means: images are paid for and lost, although the service still has them.
    """
    tried = 0
    for name in (None, *faults_of(pair.mock)):
        with desk(pair) as at:
            if name is not None:
                at.service.fault(name, times=1)
            end = outcome(lambda at=at: at.buy(timeout=TIMEOUT, fetch=True))  # type: ignore[misc]
            if isinstance(end, FluxError) and end.task is not None and not isinstance(end, TaskError):
                if name in NOTHING_TO_FETCH or pair.client.poll is None:  # or nobody can ask after it
                    continue
                end = outcome(lambda at=at, end=end: at.wait(end.task, timeout=TIMEOUT, fetch=True))  # type: ignore[misc]
            if isinstance(end, Result):
                tried += 1
                _is_whole(end, f"after {name}")
            elif not isinstance(end, TaskError | SubmissionUnknown) and at.service.billed:
                raise AssertionError(f"after {name}: an image was bought, and it came to {type(end).__name__}: {end}")
    same(True, tried > 0, "an image came after one of the faults")


def _is_whole(result: Result, about: str) -> None:
    (image,) = result.images
    same(True, image.path is not None and image.path.is_file(), f"{about}: the image is on disk")
    same(image.size, image.path.stat().st_size if image.path else None, f"{about}: the size of the file")
    same((), image.mismatch, f"{about}: in what the image is not what was asked")


@check_of("money")
def check_no_sure_way_to_a_lost_task_without_a_sample(pair: Pair) -> None:
    """A submit whose answer was lost stays unknown by default: it is not sent again, and no task is taken for its own.

    A failure means: a lost submit is settled on a guess, by a second purchase or by a task that may be another's.
    """
    # No sample shows yet that a service finds the task of a lost submit: only its user may trust it to.
    for name in LOST:
        with desk(pair) as at:
            at.service.fault(name, times=1)
            end = outcome(lambda at=at: at.buy(timeout=TIMEOUT))  # type: ignore[misc]
            same("SubmissionUnknown", type(end).__name__, f"{name}: what it comes to")
            found = at.recover(timeout=TIMEOUT)
            same(1, len(at.submits), f"{name}: submits that were sent, by the client and by its recovery")
            same([Fate.UNKNOWN], [row.fate for row in found.unknown], f"{name}: what is known of the submit")
            same((), (*found.results, *found.running, *found.errors), f"{name}: what was made of it by itself")
            listed = [] if pair.client.listing is None else [charge.task for charge in at.service.charges]
            same(listed, [task.id for task in found.candidates], f"{name}: the tasks that it may have become")

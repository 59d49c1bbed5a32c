"""What became of a row, as a line of the results says it."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .._contract.amount import Amount
from .._contract.report import Report
from .._contract.result import Image, describe
from .._engine.flows import gravest, result_of
from .._engine.turns import Dismissed, Taken
from .._recording.call import UNRECORDED, Call
from ..errors import (
    BudgetExceeded,
    Charged,
    ContractError,
    DownloadError,
    FluxError,
    JournalUnavailable,
    OutOfCredit,
    Overdue,
    PluginError,
    SettingsError,
    SubmissionUnknown,
    Unauthorized,
)
from .source import Line

DONE: Final = "done"
PARTIAL: Final = "partial"
FAILED: Final = "failed"
DISMISSED: Final = "dismissed"
NOT_FETCHED: Final = "not fetched"
RUNNING: Final = "running"
UNKNOWN: Final = "unknown"

#: All that a row may have become, from the best to what needs somebody most.
STATES: Final = (DONE, PARTIAL, FAILED, DISMISSED, NOT_FETCHED, RUNNING, UNKNOWN)

#: What is looked after in each run, without buying anything: something was bought, or may have been.
OPEN: Final = (NOT_FETCHED, RUNNING, UNKNOWN)

#: What is bought again where the user wishes it.
ENDED: Final = (PARTIAL, FAILED, DISMISSED)

#: Errors that every other row would meet, too.
HALTING: Final = (BudgetExceeded, JournalUnavailable, OutOfCredit, PluginError, SettingsError, Unauthorized)


def halts(error: FluxError) -> bool:
    """Whether it makes no sense to go on with other rows after this error of one."""
    return isinstance(error, HALTING) and not error.charged


def state_of(taken: Sequence[Taken]) -> str:
    """How a row stands, by what came of its images: the gravest of all that is missing."""
    errors = [each.error for each in taken if each.error is not None]
    if not errors:
        return DONE
    worst = max((_state(error) for error in errors), key=STATES.index)
    return PARTIAL if worst == FAILED and any(each.delivery for each in taken) else worst


def _state(error: FluxError) -> str:
    match error:
        case SubmissionUnknown():
            return UNKNOWN
        case Overdue():
            return RUNNING
        case Dismissed():
            return DISMISSED
        case DownloadError() | ContractError() if error.charged:
            return NOT_FETCHED
        case _ if error.charged and error.task is not None and not _ended(error):
            return RUNNING
    return FAILED


def _ended(error: FluxError) -> bool:
    return bool(getattr(error.task, "state", None) is not None and error.task.state.ended)


def described(
    line: Line, taken: Sequence[Taken], *, model: str, directory: Path, price: Amount | None
) -> dict[str, Any]:
    """What became of a row, as plain values; *price* is what one image was expected to cost."""
    deliveries = [each.delivery for each in taken if each.delivery is not None]
    costs = [delivery.cost for delivery in deliveries]
    return {
        "line": line.number,
        "id": line.id,
        "state": state_of(taken),
        "model": model,
        "images": [_image(image, directory) for delivery in deliveries for image in delivery.images],
        "errors": [_error(each) for each in taken if each.error is not None],
        "tasks": [delivery.task.id for delivery in deliveries],
        "price": None if price is None else str(price),
        "cost": [None if cost is None else str(cost) for cost in costs],
        "key": line.key,
        "digest": line.digest,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def record(call: Call, taken: Sequence[Taken]) -> None:
    """Lets it be recorded what came of a row, unless somebody else has it in hand, or has settled it."""
    if call is UNRECORDED or any(_is_elsewhere(each.error) for each in taken):
        return
    deliveries = [each.delivery for each in taken if each.delivery is not None]
    errors = tuple(each.error for each in taken if each.delivery is None and each.error is not None)
    if deliveries:
        call.came(result_of(deliveries, errors, Report()))
    call.ended(None if deliveries else gravest(errors))


def _is_elsewhere(error: FluxError | None) -> bool:
    return isinstance(error, Dismissed) or (isinstance(error, Overdue) and error.task is None)


def _image(image: Image, directory: Path) -> Mapping[str, Any]:
    assert image.path is not None  # noqa: S101 - a batch fetches its images
    path = image.path.absolute()
    inside = path.parent == directory.absolute()
    return {
        "file": path.name if inside else str(path),
        "sha256": image.sha256,
        "size": image.size,
        "width": image.pixels and image.pixels[0],
        "height": image.pixels and image.pixels[1],
        "media_type": image.media_type,
        "seed": image.seed,
        "mismatch": list(image.mismatch),
    }


def _error(taken: Taken) -> Mapping[str, Any]:
    error = taken.error
    assert error is not None  # noqa: S101 - asked only for those that have one
    return {
        **describe(error),
        "retry": error.retry or halts(error),
        "row": getattr(error, "row", None),
        "advice": advice(error),
    }


def advice(error: FluxError) -> str:
    """What the user may do about an error of a row."""
    match _state(error):
        case "unknown":
            return (
                "fluxkit does not buy it again by itself. Look at the account: fluxkit recover --adopt TASK=ROW if the "
                "task is there, --resubmit ROW to buy it again, --dismiss ROW to forget it; then run the batch again."
            )
        case "running":
            return "It goes on, and is billed once. Run the batch again to wait for it."
        case "not fetched":
            return "It is paid. Run the batch again to fetch it; nothing is bought for that."
        case "dismissed":
            return "Run the batch with --retry-failed to buy it again."
    if error.retry or halts(error):
        return "Nothing was bought. Run the batch again to try it once more."
    if error.charged is Charged.NO:
        return "Nothing was bought. Change the line, or run the batch with --retry-failed."
    return "It may be billed. Run the batch with --retry-failed to buy it again."


def amounts_of(taken: Sequence[Taken], price: Amount | None) -> list[Amount | None]:
    """What the images of a row have cost: what the service says, or else their price; nothing if nothing was bought."""
    found: list[Amount | None] = []
    for each in taken:
        if each.delivery is not None:
            found.append(price if each.delivery.cost is None else each.delivery.cost)
        elif each.error is not None and each.error.charged:
            found.append(price)
    return found


def amounts_in(row: Mapping[str, Any]) -> list[Amount | None]:
    """The same of a row as the results have it."""
    charged = sum(error["charged"] != "no" for error in row["errors"])
    texts = [cost or row["price"] for cost in row["cost"]] + [row["price"]] * charged
    return [None if text is None else Amount.parse(text) for text in texts]

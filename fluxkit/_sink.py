"""An open file as the place of an image: it is written once the image is whole and safe elsewhere."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ._contract.report import shorten
from ._contract.result import Result
from .errors import DownloadError, SettingsError, Unsupported

if TYPE_CHECKING:
    from ._wire.plan import Plan


class Sink(Protocol):
    """A binary file that is open for writing, or whatever takes bytes like one."""

    def write(self, content: Any, /) -> Any:
        """Takes bytes; says how many of them, or None for all."""
        ...


def parted(to: "str | Path | Sink | None", *, fetch: bool) -> "tuple[str | Path | None, Sink | None]":
    """Where an image is to go, as a path or as an open file; raises ``SettingsError`` if that takes no image."""
    if to is None or isinstance(to, str | os.PathLike) or not hasattr(to, "write"):
        return to, None  # type: ignore[return-value]  # what is neither is refused with the paths
    reason = "" if fetch else "and with fetch=False nothing would be written to it"
    try:
        if isinstance(to, io.TextIOBase):
            reason = "a text file"
        elif getattr(to, "closed", False):
            reason = "a closed file"
        elif not reason:
            to.write(b"")
    except Exception as error:  # noqa: BLE001 - whatever it is, it takes no image
        reason = f"which takes no bytes: {type(error).__name__}: {error}"
    if reason:
        raise SettingsError(f"to is {shorten(to)}, {reason}. Nothing was sent. Allowed: a file open for writing bytes.")
    return None, to


def check_one(plan: "Plan", sink: Sink | None) -> "Plan":
    """The plan, if an open file can hold what it makes."""
    if sink is not None and plan.request.n != 1:
        raise Unsupported(
            f"to is one open file, and n is {plan.request.n}: it would hold several images behind each other. Nothing "
            "was sent. Give a directory or the path of a file, or make one image at a time.",
            field="n",
            asked=plan.request.n,
            allowed="1",
        )
    return plan


def poured(result: Result, sink: Sink | None) -> Result:
    """The result, whose first image is now in the file as well; it stays in the spool, where ``image.path`` says.

    Raises ``DownloadError`` with the task if the file does not take it all: the image is paid, and is still there.
    """
    if sink is None:
        return result
    image = result.images[0]
    left = memoryview(image.bytes())
    try:
        while left:
            taken = sink.write(left)
            if taken is None and not isinstance(sink, io.RawIOBase):  # by which one that does not block means nothing
                taken = len(left)
            if not isinstance(taken, int) or not 0 < taken <= len(left):
                raise OSError(f"of {len(left)} bytes it says that it has taken {shorten(taken)}")
            left = left[taken:]
    except Exception as error:
        raise DownloadError(
            f"The image is paid and lies at {image.path}, but the open file took not all of it: {error}.",
            provider=result.provider,
            model=result.model,
            task=result.tasks[0],
        ) from error
    return result


async def poured_async(result: Result, sink: Sink | None) -> Result:
    """The same, in a thread: a file may block."""
    if sink is None:
        return result
    import anyio.to_thread

    return await anyio.to_thread.run_sync(poured, result, sink)

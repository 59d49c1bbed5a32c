"""What was made: images on disk, and what became of the rest."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ..errors import BudgetExceeded, DeliveryWarning, FluxError
from .by_fields import by_fields
from .media import SUFFIXES, TYPES, format_named
from .report import Report
from .task import Task

if TYPE_CHECKING:
    from .amount import Amount


@by_fields
@attrs.frozen(eq=False, repr=False)
class Image:
    """One image that was made and paid.

    ``path`` is where it lies, None if it was not fetched; ``pixels`` are width and height as the file itself says them.
    ``url`` is the service's link, which dies at ``expires_at`` (seconds since the epoch, None if nobody says it).
    ``mismatch`` names what differs from what was asked: empty if nothing does.
    """

    path: Path | None
    media_type: str | None = None
    pixels: tuple[int, int] | None = None
    size: int | None = None
    sha256: str | None = None
    url: str | None = attrs.field(default=None, repr=False)
    expires_at: float | None = None
    seed: int | None = None
    mismatch: tuple[str, ...] = ()
    mocked: bool = False

    def bytes(self) -> bytes:
        """The image file's content; raises ``FileNotFoundError`` if it was not fetched or is gone."""
        return self._fetched().read_bytes()

    def save(self, to: str | Path) -> Path:
        """Copies the image to *to* and returns where it lies: a directory or a bare name gets the true suffix.

        A name with another suffix is taken as it is, with a ``DeliveryWarning`` that its content is of another type.
        """
        source, target = self._fetched(), Path(to)
        suffix = SUFFIXES[format_named(self.media_type or "") or "png"][0]
        if target.is_dir():
            target = target / source.name
        elif format_named(target.suffix) is None:
            target = target.with_name(target.name + suffix)
        elif TYPES.get(format_named(target.suffix) or "") not in (None, self.media_type):
            warnings.warn(DeliveryWarning(f"{target} holds {self.media_type}, not what its name says."), stacklevel=2)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (target.exists() and target.samefile(source)):
            import shutil

            shutil.copyfile(source, target)
        return target

    def _fetched(self) -> Path:
        if self.path is None:
            raise FileNotFoundError("This image was not fetched (fetch=False); its link is in url.")
        return self.path


@by_fields
@attrs.frozen(eq=False, repr=False)
class Result:
    """What a request brought: its images, and an error for each of its tasks that failed.

    ``cost`` is what the service says it charged, None if it does not say it.
    """

    provider: str
    model: str
    images: tuple[Image, ...]
    errors: tuple[FluxError, ...] = ()
    tasks: tuple[Task, ...] = ()
    report: Report = attrs.field(factory=Report, eq=False)
    cost: "Amount | None" = None
    mocked: bool = False

    def to_dict(self) -> Mapping[str, Any]:
        """The result as plain values, for JSON and for logs."""
        return {
            "provider": self.provider,
            "model": self.model,
            "mocked": self.mocked,
            "images": [
                {
                    "path": None if image.path is None else str(image.path),
                    "media_type": image.media_type,
                    "width": image.pixels and image.pixels[0],
                    "height": image.pixels and image.pixels[1],
                    "size": image.size,
                    "sha256": image.sha256,
                    "url": image.url,
                    "expires_at": image.expires_at,
                    "seed": image.seed,
                    "mismatch": list(image.mismatch),
                }
                for image in self.images
            ],
            "errors": [describe(error) for error in self.errors],
            "tasks": [{"id": task.id, "state": task.state, "status": task.status} for task in self.tasks],
            "report": {verdict.field: str(verdict.outcome) for verdict in self.report},
            "cost": None if self.cost is None else str(self.cost),
        }


def describe(error: FluxError) -> Mapping[str, Any]:
    """An error as plain values, for JSON and for logs."""
    return {
        "error": type(error).__name__,
        "message": error.message,
        "charged": str(error.charged),
        "retry": error.retry,
        "provider": error.provider,
        "model": error.model,
        "task": getattr(error.task, "id", None),
        "request_id": error.request_id,
        **({} if not isinstance(error, BudgetExceeded) else _room(error)),
    }


def _room(error: BudgetExceeded) -> Mapping[str, Any]:
    """What an error says of a budget: amounts as text, and when its day ends."""
    amounts = {"budget": error.budget, "spent": error.spent, "price": error.price}
    return {**{name: amount and str(amount) for name, amount in amounts.items()}, "until": error.until}

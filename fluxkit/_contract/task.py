"""A task: what a service was asked to make, by the id that the service gave it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from .by_fields import by_fields, shown_by_fields
from .state import State

if TYPE_CHECKING:
    from .amount import Amount


__all__ = ["Picture", "Snapshot", "State", "Task"]


@by_fields
@attrs.frozen(eq=False, repr=False)
class Task:
    """A task that a service has accepted. It survives the process: ``Task.from_json(task.to_json())``.

    ``status`` is the service's own word behind ``state``. ``expected`` are the pixel sizes that the image may have, the
    preferred one first. Times are seconds since the epoch. ``base_url`` is where the task lives; a client uses the task
    only if that is its own base URL, because a task may come from a stranger's queue.
    """

    provider: str
    model: str
    id: str
    base_url: str
    state: State = State.CREATED
    status: str = ""
    submitted_at: float = 0.0
    poll_url: str | None = None
    result_url: str | None = None
    cancel_url: str | None = None
    expected: tuple[tuple[int, int], ...] = ()
    output_format: str | None = None
    seed: int | None = None
    mocked: bool = False
    more: Mapping[str, Any] = attrs.field(factory=dict, repr=False, hash=False)

    def to_json(self) -> str:
        """The task as JSON text with a version, for a queue, a database or another process."""
        from .persist import dump

        return dump(self)

    @classmethod
    def from_json(cls, text: str) -> "Task":
        """The task that ``to_json`` wrote; unknown keys are kept in ``more``, an unknown state reads as running.

        Raises ``ContractError`` naming what is wrong with the text.
        """
        from .persist import load_task

        return load_task(text)


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Picture:
    """One image as an answer names it: by a link, or with its content inside the answer."""

    url: str | None = None
    content: bytes | None = None
    expires_at: float | None = None


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Snapshot:
    """What a service says of a task at one time; every part but the state may be missing.

    ``problems`` names what the answer holds that could not be read.
    """

    state: State
    status: str = ""
    id: str | None = None
    poll_url: str | None = None
    result_url: str | None = None
    cancel_url: str | None = None
    pictures: tuple[Picture, ...] = ()
    reason: str | None = None
    progress: float | None = None
    cost: "Amount | None" = None
    seed: int | None = None
    problems: tuple[str, ...] = ()

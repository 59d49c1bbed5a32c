"""What came of asking a service to stop a task."""

import enum
from collections.abc import Mapping
from typing import Any

import attrs

from ..errors import Charged
from .by_fields import by_fields
from .task import Task


class Stopped(enum.StrEnum):
    """Whether a task was stopped. True in a condition only if it is known that it was."""

    YES = "yes"
    NO = "no"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        return self is Stopped.YES


@by_fields
@attrs.frozen(eq=False, repr=False)
class Cancellation:
    """What is known of a task after it was to be stopped.

    ``stopped`` is *no* if it had ended before, *unsupported* if its service stops no tasks, and *unknown* if the
    service was asked and the task was not seen to stop. ``charged`` is what is known of its bill: few services say what
    becomes of that. ``advice`` is what there is to do.
    """

    task: Task
    stopped: Stopped
    charged: Charged
    advice: str = attrs.field(eq=False)

    def __str__(self) -> str:
        return f"stopped: {self.stopped}, charged: {self.charged}. {self.advice}"

    def to_dict(self) -> Mapping[str, Any]:
        """The same as plain values, for JSON and for logs."""
        task = self.task
        return {
            "stopped": str(self.stopped),
            "charged": str(self.charged),
            "provider": task.provider,
            "model": task.model,
            "task": {"id": task.id, "state": str(task.state), "status": task.status},
            "advice": self.advice,
        }

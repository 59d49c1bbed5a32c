"""The states of a task: all that declarations need of tasks."""

import enum


class State(enum.StrEnum):
    """Where a task stands, in words that mean the same on every service."""

    CREATED = "created"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    VANISHED = "vanished"
    UNKNOWN = "unknown"

    @property
    def ended(self) -> bool:
        """Whether the task will not change any more."""
        return self not in (State.CREATED, State.RUNNING, State.UNKNOWN)

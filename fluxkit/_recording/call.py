"""One call of a client as a recording sees it. While nothing is recorded, this is all of it that is loaded."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from .._contract.request import Request
    from .._contract.result import Result
    from .._contract.task import Task
    from .._wire.plan import Plan
    from .recorder import Recorder

#: Where it is recorded what clients ask for; without it nothing is.
VARIABLE = "FLUXKIT_RECORD"

#: With 0, what a prompt says is left out, and its length recorded.
PROMPTS = "FLUXKIT_RECORD_PROMPTS"

End = TypeVar("End", "Result", "Task")


class Call:
    """A call that nobody records: it is handed its request, its plan and its end, and gives them back."""

    def asked(self, request: "Request") -> "Request":
        """What is asked for, with the defaults of the client."""
        return request

    def planned(self, plan: "Plan") -> "Plan":
        """What will be sent."""
        return plan

    def waited(self, task: "Task") -> "Task":
        """Which task it waits for, that was bought before."""
        return task

    def came(self, end: End) -> End:
        """What came of it."""
        return end

    def ended(self, error: BaseException | None) -> None:
        """The call is over, perhaps by an *error*."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.ended(error)


UNRECORDED = Call()


def recorder_of(environ: Mapping[str, str]) -> "Recorder | None":
    """What records a client's calls, None if nothing does. Raises ``SettingsError`` if there is no place for that."""
    if not environ.get(VARIABLE):
        return None
    from .recorder import recorder_at

    return recorder_at(environ)

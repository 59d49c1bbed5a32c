"""Refusals: what a service means by one, the status that it has for it, and words where nobody has heard its own."""

from collections.abc import Mapping

from fluxkit._wire.declaration import USUAL, Provider
from fluxkit._wire.json import MISSING, Problem
from fluxkit.errors import FluxError, RateLimited, Unauthorized

_USUAL_MESSAGES: Mapping[type[FluxError], str] = {Unauthorized: "Invalid API key", RateLimited: "Too many requests"}


class Refused(Exception):
    """The mock refuses a call: what it means, and what the service says of it."""

    def __init__(
        self,
        kind: type[FluxError],
        message: str = "",
        *,
        problems: tuple[Problem, ...] = (),
        status: int | None = None,
        type: str = "",
        phase: str = "submit",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.problems = problems
        self.status = status
        self.type = type
        self.phase = phase
        self.headers = headers or {}

    @property
    def usual_message(self) -> str:
        """What is said where no message is given and no sample has one."""
        if self.problems:
            return "; ".join(reason_of(problem) for problem in self.problems)
        return _USUAL_MESSAGES.get(self.kind, "Not accepted")


def status_of(provider: Provider, kind: type[FluxError]) -> int:
    """The HTTP status with which the service says *kind*: the first declared one, else the usual one."""
    for refusal in (*provider.refusals, *provider.not_found):
        if refusal.error is kind:
            return refusal.status
    return next((status for status, usual in USUAL.items() if usual is kind), 500)


def reason_of(problem: Problem) -> str:
    """What is wrong with a field, in words that do for any service."""
    wrong = "is missing" if problem.given is MISSING else "is not valid"
    return f"Parameter '{problem.place}' {wrong}: {problem.allowed}"

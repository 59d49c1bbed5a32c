"""What records the calls of a client: it hears how their tasks stand, and writes a line when a call is over."""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from .._contract.event import Event
from .._contract.report import Report
from .._contract.request import Request
from .._contract.result import Result
from .._contract.task import Task
from .._engine.recent import Recent
from ..errors import DeliveryWarning, FluxError, Unsupported
from .call import PROMPTS, VARIABLE, Call
from .entry import VERSION, expected_document, outcome_document, report_document, request_document
from .place import append, place_of

if TYPE_CHECKING:
    from .._wire.plan import Plan

_log = logging.getLogger("fluxkit")

#: Of so many tasks the states are remembered until their call is over.
MOST_TASKS = 10_000

#: What is said of a task's state by these events.
TELLING = ("accepted", "state", "seen")

#: Set while clients are made whose calls are nobody's wish, but those of a check.
_paused: ContextVar[bool] = ContextVar("paused", default=False)

#: Takes a secret out of a text.
Hide = Callable[[str], str]

End = TypeVar("End", Result, Task)


@contextmanager
def unrecorded() -> Iterator[None]:
    """While it lasts, clients that are made record nothing."""
    token = _paused.set(True)
    try:
        yield
    finally:
        _paused.reset(token)


def recorder_at(environ: Mapping[str, str]) -> "Recorder | None":
    """What writes to the place that the environment names; raises ``SettingsError`` if that takes no lines."""
    if _paused.get():
        return None
    return Recorder(place_of(environ[VARIABLE], VARIABLE), prompts=environ.get(PROMPTS) != "0")


@attrs.frozen(eq=False)
class Recorder:
    """Records the calls of one client to a file. Safe for threads."""

    path: Path
    prompts: bool = True
    _states: Recent[tuple[str, ...]] = attrs.field(factory=lambda: Recent(MOST_TASKS), init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def hear(self, event: Event) -> None:
        """Something has happened; of a task it is remembered how it stands."""
        if event.kind in TELLING and event.task is not None and event.state is not None:
            self._stands(event.task)

    def _stands(self, task: Task) -> tuple[str, ...]:
        """The states that a task went through until now."""
        name, state = digest_of(task), str(task.state)
        with self._lock:
            states = self._states.get(name, 0.0) or ()
            if states[-1:] != (state,):
                states = (*states, state)
                self._states.put(name, states, 0.0)
        return states

    def states_of(self, tasks: Iterable[Task]) -> list[tuple[str, ...]]:
        """The states that each of these tasks went through, to the last that is known."""
        return [self._stands(task) for task in tasks]

    def call(self, name: str, hide: Hide, settings: Mapping[str, Any], **named: str) -> Call:
        """A call that is begun, of a client of what is *named*, with these *settings*; *hide* takes its key out."""
        return RecordedCall(self, name, named, settings, hide)

    def write(self, entry: Mapping[str, Any]) -> None:
        """Appends a line. An image that is bought by now must not be lost for it, so no error leaves."""
        try:
            append(self.path, entry)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and not raised
            reason = getattr(error, "strerror", None) or type(error).__name__
            _log.error("A call could not be recorded in %s: %s", self.path, reason)


@attrs.define(eq=False)
class RecordedCall(Call):
    """A call whose line is written when it is over."""

    _recorder: Recorder
    _name: str
    _named: Mapping[str, str]
    _settings: Mapping[str, Any]
    _hide: Hide
    _request: Request | None = None
    _plan: "Plan | None" = None
    _end: Result | Task | None = None
    _waited: Task | None = None

    def asked(self, request: Request) -> Request:
        self._request = request
        return request

    def planned(self, plan: "Plan") -> "Plan":
        self._plan = plan
        return plan

    def waited(self, task: Task) -> Task:
        self._waited = task
        return task

    def came(self, end: End) -> End:
        self._end = end
        return end

    def ended(self, error: BaseException | None) -> None:
        """Writes what was asked of a model and what came of it; what no model could be asked for is left out."""
        said = {"version": VERSION, "by": "client", "call": self._name, **self._named}
        if self._waited is not None:
            self._recorder.write({**said, "task": digest_of(self._waited), "outcome": self._outcome(error)})
            return
        refused = isinstance(error, Unsupported) and error.verdicts
        if self._request is None or (self._plan is None and not refused):
            return
        entry = {
            **said,
            "request": request_document(self._request, prompts=self._recorder.prompts, hide=self._hide),
            "settings": self._settings,
            "expected": self._expected(error),
            "outcome": self._outcome(error),
            **({"task": digest_of(self._end)} if isinstance(self._end, Task) else {}),
        }
        self._recorder.write(entry)

    def _expected(self, error: BaseException | None) -> Mapping[str, Any]:
        if self._plan is not None:
            return expected_document(self._plan)
        return {"report": report_document(Report(getattr(error, "verdicts", ())))}

    def _outcome(self, error: BaseException | None) -> Mapping[str, Any] | None:
        """How it went, None if that is not known: whoever interrupts a call does not learn it."""
        end = self._end if self._end is not None else getattr(error, "result", None)
        stands = self._recorder.states_of
        if isinstance(end, Task):
            return outcome_document(stands([end]))
        if isinstance(end, Result):
            tasks = [*end.tasks, *_tasks_of(end.errors)]
            return outcome_document(stands(tasks), images=end.images, errors=end.errors)
        if not isinstance(error, FluxError) or isinstance(error, DeliveryWarning):
            return None
        tasks = _tasks_of((error, *error.others))
        return outcome_document(stands(tasks), error=error, errors=error.others)


def _tasks_of(errors: "tuple[FluxError, ...]") -> list[Task]:
    return [error.task for error in errors if isinstance(error.task, Task) and error.task.id]


def digest_of(task: Task) -> str:
    """A task by a digest: what it is called tells nobody else anything, and may open it."""
    return hashlib.sha256(f"{task.provider} {task.base_url} {task.id}".encode()).hexdigest()[:16]

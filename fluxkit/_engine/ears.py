"""Who hears of what happens: a client's listener, the plugins that want to, and logging.

Nobody who hears can do harm: what a listener or a plugin raises is logged, and the flow goes on. While nobody listens
and logging is not at INFO, nothing is made that could be told.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from .._contract.event import Event
from .._contract.task import Task
from .effects import About, Fetched, Note, Reply, Seen
from .event import Event as Told
from .recent import Recent

_log = logging.getLogger("fluxkit")

#: What is logged at DEBUG: every call. What it comes to is at INFO.
CHATTER = ("submit", "poll", "seen", "result", "fetch", "cancel", "upload")

#: Of so many rows it is remembered whose they are.
MOST_ROWS = 1_000

Listener = Callable[[Event], object]

#: Whoever hears by a plugin: what to call the plugin, and its hook.
Hook = tuple[str, Callable[..., object]]


@attrs.define(eq=False)
class Ears:
    """Who hears of what one client does; the *witness* records it. Safe for threads."""

    listener: Listener | None = None
    plugins: Callable[[], Sequence[Hook]] = tuple
    now: Callable[[], float] = time.time
    mocked: bool = False
    witness: Listener | None = None
    _hooks: Sequence[Hook] | None = attrs.field(default=None, init=False)
    _rows: Recent[Task] = attrs.field(factory=lambda: Recent(MOST_ROWS), init=False)
    _names: Recent[str] = attrs.field(factory=lambda: Recent(MOST_ROWS), init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    @property
    def hooks(self) -> Sequence[Hook]:
        """The plugins that hear, which are looked up when the first thing happens."""
        if self._hooks is None:
            self._hooks = self.plugins()
        return self._hooks

    @property
    def listens(self) -> bool:
        """Whether a listener, a witness or a plugin hears."""
        return self.listener is not None or self.witness is not None or bool(self.hooks)

    @property
    def awake(self) -> bool:
        """Whether anybody hears of anything."""
        return self.listens or _log.isEnabledFor(logging.INFO)

    # What is told

    def note(self, note: Note) -> None:
        """A note was kept, and the notebook tells it; what a listener raises is the notebook's to judge."""
        self._give(self._of_note(note, ""))

    def logged(self, note: Note, row: str) -> None:
        """A note was kept: logging hears of it apart, because nobody may have to wait for the disk on its account."""
        if _log.isEnabledFor(logging.INFO):
            self._safely(lambda: self._log(self._of_note(note, row)))

    def called(self, about: About, began: float, end: float, outcome: Any) -> None:
        """A call has ended, with an answer or an error; or is begun, where *outcome* is None."""
        if not self.awake:
            return
        error = f"{type(outcome).__name__}: {outcome}" if isinstance(outcome, Exception) else None
        status = outcome.status if isinstance(outcome, Reply) else getattr(outcome, "status", None)
        self._tell(
            lambda: self._event(
                about.kind,
                about.task,
                row=about.row,
                at=end,
                attempt=about.attempt,
                seconds=None if outcome is None else max(0.0, end - began),
                answer=status if isinstance(status, int) else None,
                error=error,
                path=outcome.path if isinstance(outcome, Fetched) else None,
                size=outcome.size if isinstance(outcome, Fetched) else None,
            )
        )

    def saw(self, seen: Seen) -> None:
        """A poll or a webhook has said something new of a task."""
        if self.awake:
            self._tell(lambda: self.event_of(seen))

    def received(self, told: Told) -> None:
        """A webhook came."""
        if not self.awake:
            return
        task = Task(told.provider, "", told.task_id, "", state=told.state, status=told.status)
        error = "it was taken before" if told.replayed else None
        self._tell(lambda: self._event("webhook", task, at=told.at, signed=told.signed, error=error))

    def event_of(self, seen: Seen) -> Event:
        """What a poll or a webhook has said, as an event."""
        return self._event("seen", seen.task, at=seen.at, progress=seen.progress)

    # How it is told

    def _of_note(self, note: Note, row: str) -> Event:
        entry = note.entry
        row = str(entry.get("row") or row)
        task: Task | None = entry.get("task") or entry.get("draft")
        with self._lock:
            if note.kind in ("intent", "accepted") and task is not None:
                self._rows.put(row, task, 0.0)
                self._names.put(_name(task), row, 0.0)
            task = task or self._rows.get(row, 0.0)
        reference = entry.get("reference")
        return self._event(
            note.kind,
            task,
            row=row,
            provider=entry.get("provider", ""),
            progress=entry.get("progress"),
            error=entry.get("error"),
            path=entry.get("path"),
            size=entry.get("size"),
            reference=None if reference is None else str(reference),
            url=entry.get("url"),
            expires_at=entry.get("expires_at"),
            problems=tuple(entry.get("problems", ())),
        )

    def _event(self, kind: str, task: Task | None, *, row: str = "", at: float | None = None, **facts: Any) -> Event:
        if task is not None:
            if not row and task.id:
                with self._lock:
                    row = self._names.get(_name(task), 0.0) or ""
            facts = {**facts, "provider": task.provider, "model": task.model}
        return Event(kind=kind, at=self.now() if at is None else at, row=row, task=task, mocked=self.mocked, **facts)

    def _tell(self, make: Callable[[], Event]) -> None:
        def tell() -> None:
            event = make()
            self._log(event)
            self._give(event)

        self._safely(tell)

    def _safely(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception:  # noqa: BLE001 - who hears must not cost an image that is being bought
            _log.exception("A listener of fluxkit failed")

    def _give(self, event: Event) -> None:
        if self.witness is not None:
            self.witness(event)
        for plugin, hook in self.hooks:
            try:
                hook(event=event)
            except Exception:  # noqa: BLE001 - nor must a plugin
                _log.exception("The plugin %s failed in fluxkit_event()", plugin)
        if self.listener is not None:
            self.listener(event)

    def _log(self, event: Event) -> None:
        level = logging.DEBUG if event.kind in CHATTER else logging.INFO
        if _log.isEnabledFor(level):
            extra = {f"fluxkit_{name}": what for name, what in event.to_dict().items()}
            _log.log(level, "%s", event, extra=extra)


def _name(task: Task) -> str:
    return f"{task.provider} {task.base_url} {task.id}"

"""Journals for tests: notes as flows make them, and clocks that a test sets."""

from pathlib import Path
from typing import Any

import attrs

from fluxkit._contract.task import State, Task
from fluxkit._engine.effects import Note
from fluxkit._engine.journal.journal import Journal
from fluxkit._engine.journal.writer import Writer
from fluxkit._engine.submit import _draft
from fluxkit._wire.plan import Plan
from fluxkit_providers.magnific import MAGNIFIC
from support.world import a_plan


@attrs.define(eq=False)
class Wall:
    """A wall clock that a test sets."""

    time: float = 1_767_225_600.0

    def __call__(self) -> float:
        return self.time


def a_journal(path: Path, **how: Any) -> Journal:
    """A journal on a writer of its own, as another process would have one."""
    listener = how.pop("listener", None)
    return Journal(Writer(path, **how), listener)


def an_intent(plan: Plan | None = None, *, turn: int = 0, **entry: Any) -> Note:
    """The note before a submit."""
    plan = a_plan(MAGNIFIC) if plan is None else plan
    return Note("intent", {"draft": _draft(plan, turn), "plan": plan, "turn": turn, **entry})


def a_task(id: str = "task-1", **facts: Any) -> Task:
    """A task that is accepted."""
    return attrs.evolve(_draft(a_plan(MAGNIFIC), 0), id=id, **{"state": State.CREATED, "status": "CREATED", **facts})


def note(kind: str, row: str | None = None, **entry: Any) -> Note:
    """Any other note."""
    return Note(kind, entry if row is None else {"row": row, **entry})


def fetched(task: Task, path: Path, sha256: str = "00") -> Note:
    """The note that an image is on disk."""
    return Note("fetched", {"task": task, "path": path, "sha256": sha256, "size": 3})

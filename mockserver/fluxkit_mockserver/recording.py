"""What apps in any language asked of a mock, recorded as fluxkit's own clients record what they ask for.

A line is written when the app has heard how its task ended, and what is still open then when the mock is closed.
"""

import contextlib
import logging
import pathlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from fluxkit._asked import FIELDS
from fluxkit._contract.media import TYPES
from fluxkit._contract.reference import Reference
from fluxkit._recording.entry import VERSION, host_of, plain, reference_document
from fluxkit._recording.place import append, place_of
from fluxkit._wire.declaration import Model
from fluxkit._wire.json import HEADERS, QUERY, Path
from fluxkit._wire.series import steps_of
from fluxkit.provider import State

from .exchange import Exchange
from .service import MockService
from .tasks import MockTask

_log = logging.getLogger("fluxkit")


@attrs.define(eq=False)
class Recording:
    """Records to a file what is bought of a mock, in all of its namespaces."""

    path: pathlib.Path
    prompts: bool = True
    _open: dict[tuple[str, str], dict[str, Any]] = attrs.field(factory=dict, init=False)
    _heard: dict[MockService, int] = attrs.field(factory=dict, init=False)
    _exits: dict[MockService, contextlib.ExitStack] = attrs.field(factory=dict, init=False)
    _told: bool = attrs.field(default=False, init=False)
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False)

    @classmethod
    def at(cls, said: str, *, prompts: bool = True) -> "Recording":
        """To the file that *said* names; raises ``SettingsError`` if it takes no lines."""
        return cls(place_of(said, "--record"), prompts)

    @contextlib.contextmanager
    def of(self, mock: MockService) -> Iterator[None]:
        """Records as long as it lasts."""
        try:
            with mock.attended(self._attend, self._leave):
                yield
        finally:
            for world in tuple(self._exits):
                self._leave(world)

    def _attend(self, world: MockService) -> None:
        with self._lock:
            self._heard[world] = world.feed.last
            exits = self._exits[world] = contextlib.ExitStack()
            exits.enter_context(world.feed.heard(lambda: self._listen(world)))

    def _leave(self, world: MockService) -> None:
        with self._lock:
            if (exits := self._exits.pop(world, None)) is not None:
                exits.close()
                self._end_all(world)

    def _listen(self, world: MockService) -> None:
        """Takes in what has happened since it was last looked."""
        with self._lock:
            happened = world.feed.after(self._heard[world], most=1000)
            if happened is None:  # more has happened at once than is kept, and cannot be known
                self._heard[world] = world.feed.last
                return
            for each in happened:
                self._heard[world] = each.number
                if each.kind == "exchange":
                    self._saw(world, each.subject)
                elif each.kind == "reset":
                    self._end_all(world, gone=True)

    def _saw(self, world: MockService, seen: Exchange) -> None:
        task = None if seen.task is None else world.task(seen.task)
        if task is None:
            return
        if seen.bought:
            self._open[world.name, task.id] = self._entry(task, seen.body)
        entry = self._open.get((world.name, task.id))
        if entry is None or not 200 <= seen.status < 300:
            return
        _, state = world.standing(task)
        if seen.bought:
            state = State.COMPLETED if task.provider.poll is None else State.CREATED
        path = entry["outcome"]["states"][0]
        if path[-1:] != [str(state)]:
            path.append(str(state))
        if state.ended:
            self._end(world, task, state)

    def _end(self, world: MockService, task: MockTask, state: State) -> None:
        """Writes the line of a task of which it is known how it ended."""
        entry = self._open.pop((world.name, task.id))
        outcome = entry["outcome"]
        if state is State.COMPLETED:
            width, height = task.point.width, task.point.height
            media_type = TYPES[task.format]
            outcome["images"] = [{"width": width, "height": height, "media_type": media_type, "mismatch": False}]
        else:
            outcome["error"], outcome["charged"] = ERRORS.get(state), "unknown"
        self._write(entry)

    def _end_all(self, world: MockService, *, gone: bool = False) -> None:
        """Writes what is still open; how that ended nobody was told, except by a webhook."""
        for key in [key for key in self._open if key[0] == world.name]:
            task = None if gone else world.task(key[1])
            if task is not None and "webhook_url" in task.values and (state := world.standing(task)[1]).ended:
                self._open[key]["outcome"]["states"][0].append(str(state))
                self._end(world, task, state)
            else:
                self._write({**self._open.pop(key), "outcome": None})

    def _entry(self, task: MockTask, body: Any) -> dict[str, Any]:
        return {
            "version": VERSION,
            "by": "mock",
            "call": "submit",
            "provider": task.provider.name,
            "model": task.model.name,
            "request": request_document(task, body, prompts=self.prompts),
            "settings": {},
            "expected": {"sizes": [[task.point.width, task.point.height]], "format": task.format},
            "outcome": {"states": [[]], "images": [], "errors": [], "error": None, "charged": "yes"},
        }

    def _write(self, entry: Mapping[str, Any]) -> None:
        try:
            append(self.path, entry)
        except OSError as error:  # the mock lives on
            if not self._told:
                _log.error(
                    "A request could not be recorded in %s: %s. The mock goes on, and says so once.",
                    self.path,
                    error.strerror,
                )
            self._told = True
        else:
            self._told = False


#: The error that a client of fluxkit raises for a task that has ended so.
ERRORS: Mapping[State, str] = {
    State.FAILED: "Failed",
    State.REFUSED: "Refused",
    State.CANCELLED: "Cancelled",
    State.VANISHED: "Vanished",
}


def request_document(task: MockTask, body: Any, *, prompts: bool) -> dict[str, Any]:
    """What a task was asked for, by the names of a request: the size by the names that the service has for it.

    What only the service takes where the *body* says nothing was not asked for.
    """
    said: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, value in task.values.items():
        if not _is_said(task.model, name, body):
            continue
        if name == "size":
            said.update(_size(task))
        elif name == "references":
            said["references"] = [_reference(*each) for each in zip(value, task.references, strict=True)]
        elif name == "webhook_url":
            said["webhook_url"] = host_of(value)
        else:
            (said if name in FIELDS else options)[name] = plain(name, value, prompts=prompts)
    return {**said, "options": options} if options else said


def _is_said(row: Model, name: str, body: Any) -> bool:
    """Whether a *body* says something of a field; of one that is too large to be kept that is not known."""
    places = dict(row.form.fields)[name].places()
    return any(_leads(body, (*steps_of(row.request), *place)) for place in places)


def _leads(body: Any, place: Path) -> bool:
    """Whether a body goes as far as a place, or is not known so far; what stands in headers is not known here."""
    if place[:1] in ((HEADERS,), (QUERY,)):
        return True
    for step in place:
        if not isinstance(body, dict):
            return True
        if step not in body:
            return False
        body = body[step]
    return True


def _size(task: MockTask) -> dict[str, Any]:
    point = task.point
    if point.aspect is None:
        return {"size": f"{point.width}x{point.height}"}
    names = {"aspect": point.aspect, "resolution": point.resolution}
    return {name: value for name, value in names.items() if value is not None}


def _reference(said: Reference, brought: bytes) -> dict[str, Any]:
    """A reference by what it shows: an upload is told by its content, as whoever sent it knows it."""
    if said.url is not None and brought == said.url.encode():
        return reference_document(said)
    return reference_document(Reference(content=brought))

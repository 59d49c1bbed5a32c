"""A world for flows, without I/O: time passes only by waits and slow answers, and everything is on record.

A world answers the effects of a flow from a script, and can interrupt it at any of them. It is also a transport and a
clock, so that the same script runs under a driver.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import attrs

from fluxkit._contract.media import SUFFIXES, format_named
from fluxkit._contract.reference import Reference
from fluxkit._contract.request import Request
from fluxkit._engine.effects import (
    Afford,
    Bring,
    Call,
    Discard,
    Fetch,
    Fetched,
    Flow,
    Host,
    Hosted,
    Keep,
    Lost,
    Note,
    Now,
    Recall,
    Reply,
    Seen,
    Wait,
    Woken,
)
from fluxkit._wire.declaration import Provider
from fluxkit._wire.plan import Plan, make_plan
from fluxkit.errors import FluxError

#: When the world begins, in seconds since the epoch.
EPOCH = 1_767_225_600.0

ID = "046b6c7f-0b8a-43b9-b35d-6489e6daee91"
LINK = "https://images.example/image.jpg?token=exp=1~hmac=0f&size=stable"


class ScriptEnded(BaseException):
    """A flow asked for more than its script foresees; no flow may take it for an error of its own."""


@attrs.frozen(eq=False)
class Said:
    """One answer of the service, which takes so many seconds; what takes longer than the call's patience is lost."""

    status: int = 200
    document: Any = None
    text: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    takes: float = 0.0


@attrs.frozen(eq=False)
class Brought:
    """What a download brings; without *content*, links that differ only in their query lead to one image."""

    width: int = 1024
    height: int = 1024
    media_type: str = "image/jpeg"
    content: str | None = None
    takes: float = 0.0


Outcome = Said | Brought | bytes | BaseException
Script = Iterable[Outcome] | Callable[[Any, "World"], Outcome]


def _reader(script: Script | None, default: Outcome | None) -> Callable[[Any, "World"], Outcome]:
    if callable(script):
        return script
    outcomes = iter(() if script is None else script)

    def read(effect: Any, _: "World") -> Outcome:
        outcome = next(outcomes, default)
        if outcome is None:
            raise ScriptEnded(f"no answer is left for {effect!r}")
        return outcome

    return read


@attrs.define(eq=False)
class World:
    """Answers calls from the script *calls*, and downloads from *fetches*, which succeed where it says nothing else.

    References are brought as the script *brings* says, in bytes, and images are hosted by *hosts*, or else by nobody.
    A script is a list of outcomes, in the order in which they are needed, or a function of the effect and the world.
    ``effects`` are all that a flow has asked for, each with its time.
    """

    calls: Script | None = None
    fetches: Script | None = None
    brings: Script | None = None
    hosts: Callable[[Reference], Hosted | None] | None = None
    time: float = EPOCH
    oversleeps: float = 0.0
    effects: list[tuple[float, Any]] = attrs.field(factory=list)
    files: dict[Path, str] = attrs.field(factory=dict)
    leaps: ClassVar[bool] = True

    def __attrs_post_init__(self) -> None:
        self.calls = _reader(self.calls, None)
        self.fetches = _reader(self.fetches, Brought())
        self.brings = _reader(self.brings, None)

    # What is on record

    def of(self, kind: type) -> list[Any]:
        """The effects of one kind, in their order."""
        return [effect for _, effect in self.effects if isinstance(effect, kind)]

    @property
    def submits(self) -> list[Call]:
        """The calls that buy."""
        return [call for call in self.of(Call) if call.buys]

    @property
    def polls(self) -> list[Call]:
        """The calls that do not."""
        return [call for call in self.of(Call) if not call.buys]

    @property
    def waits(self) -> list[float]:
        """For how many seconds the flow has waited, each time."""
        return [wait.seconds for wait in self.of(Wait)]

    @property
    def notes(self) -> list[str]:
        """The kinds of the notes that the flow has made."""
        return [note.kind for note in self.of(Note)]

    def noted(self, kind: str) -> list[Mapping[str, Any]]:
        """The entries of the notes of one kind."""
        return [note.entry for note in self.of(Note) if note.kind == kind]

    @property
    def lasted(self) -> float:
        """How many seconds have passed since the world began."""
        return self.time - EPOCH

    # What it does

    def carry_out(self, effect: Any) -> Any:
        """The answer to an effect; raises what the script says."""
        self.effects.append((self.time, effect))
        match effect:
            case Now():
                return self.time
            case Wait(seconds):
                self.time += max(0.0, seconds) + self.oversleeps
                return Woken(self.time)
            case Note():
                return str(len(self.of(Note)))
            case Recall():
                return ()
            case Call():
                return self._call(effect)
            case Fetch():
                return self._fetch(effect, effect.patience)
            case Keep():
                return self._fetch(effect, 1.0)
            case Bring():
                return self._bring(effect)
            case Afford():
                return None
            case Host(image):
                return None if self.hosts is None else self.hosts(image)
            case Seen():
                return None
            case Discard(path):
                del self.files[path]
                return None
        raise TypeError(f"the world knows no effect {effect!r}")

    def _spend(self, seconds: float, patience: float) -> None:
        self.time += min(seconds, patience)
        if seconds > patience:
            raise Lost("the world was slow")

    def _call(self, call: Call) -> Reply:
        outcome = self.calls(call, self)
        if isinstance(outcome, BaseException):
            raise outcome
        self._spend(outcome.takes, call.patience)
        return Reply(outcome.status, outcome.headers, outcome.document, outcome.text, self.time)

    def _bring(self, effect: Bring) -> bytes:
        outcome = self.brings(effect, self)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _fetch(self, effect: Fetch | Keep, patience: float) -> Fetched:
        outcome = self.fetches(effect, self)
        if isinstance(outcome, BaseException):
            raise outcome
        self._spend(outcome.takes, patience)
        source = effect.url.partition("?")[0].encode() if isinstance(effect, Fetch) else effect.content
        content = source if outcome.content is None else outcome.content.encode()
        suffix = "" if effect.path.suffix else SUFFIXES[format_named(outcome.media_type)][0]
        path = effect.path.with_name(effect.path.name + suffix)
        digest = hashlib.sha256(content).hexdigest()
        self.files[path] = digest
        return Fetched(path, outcome.media_type, outcome.width, outcome.height, len(content), digest, self.time)

    def run(self, flow: Flow[Any], *, throw: Mapping[int, Exception] | None = None, close_at: int | None = None) -> Any:
        """What the flow returns or raises.

        *throw* holds errors to throw in at effects, by their number; at effect *close_at* the flow is closed instead.
        """
        answer: Any = None
        resume: Callable[[Any], Any] = flow.send
        while True:
            try:
                effect = resume(answer)
            except StopIteration as stop:
                return stop.value
            if len(self.effects) == close_at:
                flow.close()
                return None
            try:
                answer, resume = self.carry_out(effect), flow.send
                if throw and len(self.effects) - 1 in throw:
                    raise throw[len(self.effects) - 1]
            except Exception as error:
                answer, resume = error, flow.throw

    # As a transport and a clock

    def call(self, call: Call) -> Reply:
        return self.carry_out(call)

    def fetch(self, fetch: Fetch) -> Fetched:
        return self.carry_out(fetch)

    def keep(self, keep: Keep) -> Fetched:
        return self.carry_out(keep)

    def bring(self, bring: Bring) -> bytes:
        return self.carry_out(bring)

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float, /) -> None:
        self.carry_out(Wait(seconds))

    async def sleep_async(self, seconds: float, /) -> None:
        self.carry_out(Wait(seconds))


@attrs.frozen(eq=False)
class AsyncWorld:
    """A world as an asynchronous transport."""

    world: World

    async def call(self, call: Call) -> Reply:
        return self.world.carry_out(call)

    async def fetch(self, fetch: Fetch) -> Fetched:
        return self.world.carry_out(fetch)

    async def keep(self, keep: Keep) -> Fetched:
        return self.world.carry_out(keep)

    async def bring(self, bring: Bring) -> bytes:
        return self.world.carry_out(bring)


# How the services speak, as their documentation prints it


def accepted(provider: Provider, id: str = ID, *, status: str | None = None, **facts: Any) -> Said:
    """The answer to a submit that bought."""
    if provider.name == "apimart":
        return Said(document={"code": 200, "data": [{"status": status or "submitted", "task_id": id}]}, **facts)
    if provider.name == "bfl":
        return Said(document={"id": id, "polling_url": f"https://api.eu1.bfl.ai/v1/get_result?id={id}"}, **facts)
    return Said(document={"data": {"task_id": id, "status": status or "CREATED"}}, **facts)


def told(provider: Provider, status: str, *links: str, id: str = ID, reason: Any = None, **facts: Any) -> Said:
    """The answer to a poll."""
    if provider.name == "apimart":
        task = {"id": id, "status": status, "progress": 50, "created": 1763088289, "estimated_time": 60}
        if links:
            task["result"] = {"images": [{"url": [link], "expires_at": 1763174708} for link in links]}
        if reason is not None:
            task["error"] = {"code": 500, "message": reason, "type": "server_error"}
        return Said(document={"code": 200, "data": task}, **facts)
    if provider.name == "bfl":
        result = {"sample": links[0], "seed": 7} if links else None
        return Said(document={"id": id, "status": status, "result": result, "details": reason}, **facts)
    return Said(
        document={"data": {"generated": list(links), "task_id": id, "status": status, "error": reason}}, **facts
    )


#: The words of a service for a task that was made, that runs, and that is completed.
WORDS = {
    "apimart": ("pending", "processing", "completed"),
    "bfl": ("Pending", "Generating", "Ready"),
    "": ("CREATED", "IN_PROGRESS", "COMPLETED"),
}


def running(provider: Provider, **facts: Any) -> Said:
    """The answer to a poll of a task that runs."""
    return told(provider, WORDS.get(provider.name, WORDS[""])[1], **facts)


def completed(provider: Provider, *links: str, **facts: Any) -> Said:
    """The answer to a poll of a task that is completed, with *links* to its images."""
    return told(provider, WORDS.get(provider.name, WORDS[""])[2], *(links or (LINK,)), **facts)


def complaint(provider: Provider, status: int, message: str | None = None, **facts: Any) -> Said:
    """A refusal in the service's own form; without a *message*, in the words that it has for being too busy."""
    if provider.name == "apimart":
        kind = "service_unavailable" if message is None else "apimart_error"
        return Said(
            status, {"error": {"code": status, "message": "No." if message is None else message, "type": kind}}, **facts
        )
    if provider.name == "bfl":
        return Said(status, {"detail": "Too many." if message is None else message}, **facts)
    busy = "Service Unavailable. Please try again later."
    return Said(status, {"message": busy if message is None else message}, **facts)


def a_task_of(seconds: float, provider: Provider, **facts: Any) -> Callable[[Call, World], Said]:
    """A script: a service on which every task takes so many seconds."""
    begun: list[float] = []

    def answer(call: Call, world: World) -> Said:
        if call.buys:
            begun.append(world.time)
            return accepted(provider, **facts)
        done = world.time - begun[0] >= seconds
        return completed(provider, **facts) if done else running(provider, **facts)

    return answer


def a_plan(provider: Provider, model: str | None = None, **fields: Any) -> Plan:
    """The plan of an image."""
    return make_plan(provider, model or provider.models[0].name, Request("a lighthouse at dusk", **fields))


def raised(run: Callable[[], Any], kind: type[BaseException] = FluxError) -> Any:
    """The error that *run* raises."""
    try:
        result = run()
    except kind as error:
        return error
    raise AssertionError(f"nothing was raised; it gave {result!r}")


def ended(run: Callable[[], Any]) -> Any:
    """What *run* gives, or the error of ours that it raises; any other error passes on."""
    try:
        return run()
    except FluxError as error:
        return error

"""What a kit of checks asks of a mock beside what a client does: to see into it, and to stand in its way.

`fluxkit.testing` finds this module beside the mock's entry point, because the core imports no mock.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import attrs

from fluxkit._contract.reference import Reference
from fluxkit._wire.declaration import Provider
from fluxkit._wire.json import Json, Problem
from fluxkit.errors import FluxError

from .answer import Answer, Drop, Incoming
from .clock import EPOCH
from .dialects import dialect_of
from .documents import JSON_HEADERS, read_query
from .faults import FAULTS
from .refused import Refused
from .service import MockService
from .shelf import Laid
from .stand_ins import stand_in
from .tasks import MockTask, life
from .transport import AsyncMockTransport, MockTransport

__all__ = [
    "EPOCH",
    "FAULTS",
    "Answer",
    "Drop",
    "Incoming",
    "MockService",
    "Occupied",
    "Thin",
    "document",
    "exchange",
    "life",
    "made",
    "refusal",
    "saying",
    "stand_in",
]

if TYPE_CHECKING:
    import httpx

#: Takes a call, and what gives the mock's own answer to one; gives the answer.
Hand = Callable[[Incoming, Callable[[Incoming], Answer | Drop]], Answer | Drop]


def exchange(mock: MockService, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer | Drop:
    """What the mock answers to one call, as it is."""
    parts = urlsplit(url)
    call = Incoming(method, parts.path, read_query(parts.query), headers, body, f"{parts.scheme}://{parts.netloc}")
    return mock.handle(call)


def made(mock: MockService, id: str | None) -> MockTask:
    """A task as the mock knows it: the values that it understood, and the size that it draws."""
    task: MockTask = mock._works.tasks[str(id)]  # noqa: SLF001 - it is of the same package
    references = task.values.get("references", ())
    if not any(isinstance(each, Laid) for each in references):
        return task
    shown = tuple(Reference(content=each.read()) if isinstance(each, Laid) else each for each in references)
    return attrs.evolve(task, values={**task.values, "references": shown})


def refusal(
    provider: Provider, kind: type[FluxError], *, problems: Sequence[Problem] = (), status: int | None = None
) -> Answer:
    """How the service says that it refuses."""
    return dialect_of(provider).refuse(Refused(kind, problems=tuple(problems), status=status))


def saying(provider: Provider, of: str, facts: Mapping[str, Any]) -> Answer:
    """How the service says these *facts* of a task in an answer *of* a kind."""
    return dialect_of(provider).say(of, facts)


def document(status: int, body: Json, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with this JSON."""
    return Answer(status, json.dumps(body).encode(), {**JSON_HEADERS, **(headers or {})})


@attrs.frozen(eq=False)
class Occupied:
    """A mock in front of which a *hand* stands: it may answer in the mock's place, or change what the mock says.

    ``targets`` are path and query of each call, byte for byte as they came.
    """

    service: MockService
    hand: Hand
    targets: list[str] = attrs.field(factory=list, init=False)

    def handle(self, call: Incoming) -> Answer | Drop:
        """What the services do with one call, if the hand lets it pass."""
        return self.hand(call, self.service.handle)

    def visit(self, call: Incoming) -> Answer | Drop:
        """What another origin does with one call, if the hand lets it pass."""
        return self.hand(call, self.service.visit)

    @property
    def clock(self) -> Any:
        """The mock's time."""
        return self.service.clock

    @property
    def key(self) -> str:
        """A key that the mock takes."""
        return self.service.key

    def transport(self) -> MockTransport:
        """A way in, without a socket."""
        return _Noted(self)

    def async_transport(self) -> AsyncMockTransport:
        """A way in for an event loop, without a socket."""
        return _AsyncNoted(self)


class _Noted(MockTransport):
    """Notes what stands behind the host of each address, byte for byte."""

    def __init__(self, occupied: Occupied) -> None:
        super().__init__(cast("MockService", occupied))
        self._targets = occupied.targets

    def handle_request(self, request: "httpx.Request") -> "httpx.Response":
        self._targets.append(_target(request))
        return super().handle_request(request)


class _AsyncNoted(AsyncMockTransport):
    """The same, asynchronous."""

    def __init__(self, occupied: Occupied) -> None:
        super().__init__(cast("MockService", occupied))
        self._targets = occupied.targets

    async def handle_async_request(self, request: "httpx.Request") -> "httpx.Response":
        self._targets.append(_target(request))
        return await super().handle_async_request(request)


@attrs.frozen(eq=False)
class Thin:
    """A way into a mock that does not hold what is sent: of a large body the middle is forgotten.

    So what is measured is what the client holds. It is for bodies whose middle is all alike. ``swallowed`` is how many
    bytes the largest of them had.
    """

    service: MockService
    sizes: list[int] = attrs.field(factory=list, init=False)

    @property
    def swallowed(self) -> int:
        """How many bytes the largest body had."""
        return max(self.sizes, default=0)

    @property
    def clock(self) -> Any:
        """The mock's time."""
        return self.service.clock

    @property
    def key(self) -> str:
        """A key that the mock takes."""
        return self.service.key

    def transport(self) -> MockTransport:
        """A way in, without a socket."""
        return _Thinning(self)


#: How many bytes are kept of the beginning of a body, and at least of its end.
KEPT = 16 * 1024


class _Thinning(MockTransport):
    """Forgets the middle of a body; four bytes at a time, so that base64 stays base64."""

    def __init__(self, thin: Thin) -> None:
        super().__init__(thin.service)
        self._thin = thin

    def handle_request(self, request: "httpx.Request") -> "httpx.Response":
        kept, size = bytearray(), 0
        for piece in cast("Iterable[bytes]", request.stream):
            size += len(piece)
            kept += piece
            if len(kept) > 4 * KEPT:
                del kept[KEPT : KEPT + (len(kept) - 2 * KEPT) // 4 * 4]
        self._thin.sizes.append(size)
        return self.respond(request, bytes(kept))


def _target(request: "httpx.Request") -> str:
    raw: bytes = request.extensions.get("target", request.url.raw_path)
    return raw.decode("ascii")

"""The mock service: what a client's call does to it, and what it answers. No HTTP library, no threads, no real time."""

import hashlib
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import attrs

from fluxkit._contract.media import SUFFIXES, TYPES
from fluxkit._contract.size import Point, Want
from fluxkit._wire.declaration import Model, Provider
from fluxkit._wire.nearest import nearest
from fluxkit.errors import Broken, Rejected, Unauthorized, Vanished

from .answer import Answer, Drop, Incoming
from .clock import VirtualClock, WallClock
from .dialect import Dialect, Refused, dialect_of
from .faults import Faults
from .tasks import USUAL_DURATION, MockTask, Progression

if TYPE_CHECKING:
    from .transport import AsyncMockTransport, MockTransport

#: The key that the mock takes.
KEY = "test"

#: How many exchanges are remembered.
MOST_EXCHANGES = 10_000

#: How large the body of a call may be, in bytes: four references of the largest kind as base64, and then some.
MOST_BODY = 100_000_000

IMAGES = "/__mock__/images/"

PLAIN = {"content-type": "text/plain; charset=utf-8"}


@attrs.frozen
class Exchange:
    """One exchange as the mock saw it, without headers, so without keys; *status* 0 is a dropped connection."""

    method: str
    path: str
    status: int
    at: float


@attrs.frozen
class Charge:
    """What was bought: one image of a task, at a time in seconds since the epoch."""

    provider: str
    model: str
    task: str
    at: float
    amount: Decimal | None = None


class MockService:
    """Every declared service behind one door, each below ``/<name>``.

    Deterministic: the same *seed* and the same calls give the same ids, seeds, images and mishaps. ``billed`` counts
    what was bought, so that a test can say ``assert mock.billed == 1``.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        seed: int = 0,
        progression: Progression | str = Progression.SECONDS,
        clock: VirtualClock | WallClock | None = None,
        spelling: int = 0,
        keys: Sequence[str] = (KEY,),
        durations: Callable[[int], float] | None = None,
    ) -> None:
        """A mock of *providers*.

        Args:
            providers: The declarations to serve.
            seed: What ids, images and mishaps derive from.
            progression: What moves tasks on: ``"at once"``, ``"polls"`` or ``"seconds"``.
            clock: The mock's time; a virtual clock of its own if none is given.
            spelling: Which of the ways in which a service may say one thing is used, where there are several.
            keys: The keys that are taken; the first is the one for clients.
            durations: How many seconds each task takes, by its number from 1, where ``"seconds"`` move tasks on;
                without it, what its model's declaration says.
        """
        self._dialects = {provider.name: dialect_of(provider, spelling) for provider in providers}
        self._seed = seed
        self._progression = Progression(progression)
        self._keys = tuple(keys)
        self._durations = durations
        self._clock = VirtualClock() if clock is None else clock
        self._faults = Faults(random.Random(seed))
        self._tasks: dict[str, MockTask] = {}
        self._lock = threading.Lock()
        self.charges: list[Charge] = []
        self.exchanges: deque[Exchange] = deque(maxlen=MOST_EXCHANGES)

    @property
    def billed(self) -> int:
        """How many images were bought."""
        return len(self.charges)

    @property
    def key(self) -> str:
        """A key that the mock takes."""
        return self._keys[0]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that the mock takes."""
        return self._keys

    @property
    def clock(self) -> Any:
        """The mock's time; tests move it with ``mock.clock.advance(seconds)``."""
        return self._clock

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of the services that are served."""
        return tuple(self._dialects)

    def base_url(self, provider: str, /, origin: str = "http://127.0.0.1") -> str:
        """Where *provider* is served; nothing listens there in process, the mock's transports lead to it."""
        return f"{origin}/{provider}"

    def fault(self, name: str, *, times: int | None = None, rate: float = 1.0) -> None:
        """Arms one of ``faults.FAULTS``: it strikes at every chance, *times* times, or with a probability of *rate*."""
        self._faults.arm(name, times=times, rate=rate)

    def reset(self) -> None:
        """Forgets tasks, bills, exchanges and faults; time goes on."""
        with self._lock:
            self._tasks.clear()
            self._faults.clear()
            self.charges.clear()
            self.exchanges.clear()

    def transport(self) -> "MockTransport":
        """An ``httpx.BaseTransport`` into this mock, without a socket."""
        from .transport import MockTransport

        return MockTransport(self)

    def async_transport(self) -> "AsyncMockTransport":
        """An ``httpx.AsyncBaseTransport`` into this mock, without a socket."""
        from .transport import AsyncMockTransport

        return AsyncMockTransport(self)

    def handle(self, call: Incoming) -> Answer | Drop:
        """What the services do with one call."""
        with self._lock:
            now = self._clock.now()
            answer = self._answer(call, now)
            status = 0 if isinstance(answer, Drop) else answer.status
            self.exchanges.append(Exchange(call.method, call.path, status, now))
            return answer

    def _answer(self, call: Incoming, now: float) -> Answer | Drop:
        if call.path.startswith(IMAGES):
            return self._image(call, now)
        name, slash, rest = call.path.lstrip("/").partition("/")
        dialect = self._dialects.get(name)
        if dialect is None:
            known = ", ".join(f"/{each}" for each in self._dialects)
            return Answer(404, f"The mock serves {known}.\n".encode(), PLAIN)
        try:
            return self._serve(dialect, call, f"{slash}{rest}", now)
        except Refused as refused:
            return dialect.refuse(refused)

    def _serve(self, dialect: Dialect, call: Incoming, path: str, now: float) -> Answer | Drop:
        provider = dialect.provider
        if len(call.body) > MOST_BODY:
            raise Refused(Rejected, f"The body has more than {MOST_BODY} bytes.", status=413)
        self._check_key(provider, call)
        if rows := dialect.submitted(call, path):
            return self._submit(dialect, rows, call, now)
        for route, tell in ((provider.result, self._tell_result), (provider.poll, self._tell)):
            if route is not None and (said := route.match(call.method, path, call.query)) is not None:
                task = self._asked_for(provider, said)
                return dialect.say_unknown(said["id"]) if task is None else tell(dialect, task, call, now)
        raise Refused(Vanished, status=404)

    def _check_key(self, provider: Provider, call: Incoming) -> None:
        given = call.headers.get(provider.key.header.lower())
        if given is None:
            raise Refused(Unauthorized, "Missing API key")
        if all(given != provider.key.form.format(key=key) for key in self._keys):
            raise Refused(Unauthorized)

    def _submit(self, dialect: Dialect, rows: tuple[Model, ...], call: Incoming, now: float) -> Answer | Drop:
        row, values = dialect.read_request(rows, call)
        fault = self._faults.strike("submit")
        if fault == "503":
            raise Refused(Broken, status=503)
        number = len(self._tasks) + 1
        task = MockTask(
            id=dialect.new_id(self._seed, number),
            number=number,
            provider=dialect.provider,
            model=row,
            values=values,
            point=_point(row, values),
            seed=values["seed"] if "seed" in values else _drawn(self._seed, number),
            format=values.get("output_format", row.delivers or "png"),
            created_at=now,
            duration=(row.duration or USUAL_DURATION) if self._durations is None else self._durations(number),
            stuck=self._faults.strike("task") == "stuck",
        )
        self._tasks[task.id] = task
        self.charges.append(Charge(dialect.provider.name, row.name, task.id, now, _cost(task)))
        if fault == "accepted-then-dropped":
            return Drop()
        # A service that cannot be polled has the image ready when it accepts, and no other has.
        return self._say("accepted", dialect, task, call, now, done=dialect.provider.poll is None)

    def _asked_for(self, provider: Provider, said: Mapping[str, str]) -> MockTask | None:
        """The task that a call names; None if the service does not know it."""
        task = self._tasks.get(said["id"])
        if task is None or task.provider is not provider or said.get("model", task.model.path) != task.model.path:
            return None
        return task

    def _tell(self, dialect: Dialect, task: MockTask, call: Incoming, now: float) -> Answer:
        task.polls += 1
        answer = self._say("polled", dialect, task, call, now, done=self._is_done(dialect, task, now))
        return attrs.evolve(answer, drip=1.0) if self._faults.strike("poll") == "dripping" else answer

    def _tell_result(self, dialect: Dialect, task: MockTask, call: Incoming, now: float) -> Answer:
        if not self._is_done(dialect, task, now):
            raise Refused(Rejected, "The task is not completed")
        return self._say("resulted", dialect, task, call, now, done=True)

    def _stage(self, dialect: Dialect, task: MockTask, now: float) -> int:
        return task.stage(self._progression, now, len(dialect.words))

    def _is_done(self, dialect: Dialect, task: MockTask, now: float) -> bool:
        return self._stage(dialect, task, now) == len(dialect.words) - 1

    def _say(self, of: str, dialect: Dialect, task: MockTask, call: Incoming, now: float, *, done: bool) -> Answer:
        """What is said of a task now; a link is minted, and may be dead, only where one is said."""
        base_url = self.base_url(dialect.provider.name, call.origin)
        stage = len(dialect.words) - 1 if done else self._stage(dialect, task, now)
        cost = _cost(task) if done or of == "accepted" else None
        if not done and (cost is None or "cost" not in dialect.names(of)):
            return dialect.say_briefly(of, stage, id=task.id, base_url=base_url, model=task.model.path)
        facts = dialect.facts(of, stage, id=task.id, base_url=base_url, model=task.model.path)
        if cost is not None:
            facts["cost"] = cost
        if done:
            facts["seed"] = task.seed
            if "images" in dialect.names(of):
                facts["images"] = (self._picture(task, call, now),)
        return dialect.say(of, facts)

    def _picture(self, task: MockTask, call: Incoming, now: float) -> Mapping[str, Any]:
        life = task.provider.link_life or 3600.0
        task.links += 1
        dead = task.links == 1 and self._faults.strike("link") == "expired-link"
        expires_at = int(now - 1 if dead else now + life)
        name = f"{task.id}.{SUFFIXES[task.format][0].lstrip('.')}"
        token = f"exp={expires_at}~hmac={self._sign(task.id, str(expires_at))}"
        return {
            "url": f"{call.origin}{IMAGES}{name}?token={token}&size=stable",
            "expires_at": expires_at,
            "width": task.point.width,
            "height": task.point.height,
            "media_type": TYPES[task.format],
            **({"content": _draw(task)} if task.provider.poll is None else {}),
        }

    def _sign(self, id: str, expires: str) -> str:
        return hashlib.sha256(f"{self._seed}:{id}:{expires}".encode()).hexdigest()[:24]

    def _image(self, call: Incoming, now: float) -> Answer:
        """The image behind a link: no key is wanted, and a link that was changed by a byte is refused."""
        task = self._tasks.get(unquote(call.path.removeprefix(IMAGES).rpartition(".")[0]))
        expires, _, sign = call.query.get("token", "").removeprefix("exp=").partition("~hmac=")
        if task is None:
            return Answer(404, b"No such image.\n", PLAIN)
        if call.method not in ("GET", "HEAD"):
            return Answer(405, b"An image can only be fetched.\n", {**PLAIN, "allow": "GET, HEAD"})
        if sign != self._sign(task.id, expires) or call.query.get("size") != "stable":
            return Answer(403, b"The signature does not fit.\n", PLAIN)
        if int(expires) < now:
            return Answer(403, b"The link has expired.\n", PLAIN)
        return Answer(200, _draw(task), {"content-type": TYPES[task.format]})


def _point(row: Model, values: Mapping[str, Any]) -> Point:
    """The size that is asked for; where nothing is, and nobody knows what the service takes then, it is a square."""
    if "size" in values:
        return row.sizes.point(values["size"])
    return nearest(row.sizes, Want())


def _cost(task: MockTask) -> Decimal | None:
    price = task.model.price
    return None if price is None else price.of(task.point.pixels, len(task.values.get("references", ())))


def _drawn(seed: int, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:seed:{number}".encode()).digest()[:4])


def _draw(task: MockTask) -> bytes:
    """The picture of a task, drawn when it is asked for: the same task, the same bytes."""
    from .pictures import draw

    references = [reference.content or reference.url.encode() for reference in task.values.get("references", ())]
    return draw(
        task.point.width,
        task.point.height,
        media_type=TYPES[task.format],
        prompt=task.values.get("prompt", ""),
        seed=task.seed,
        label=(
            f"{task.provider.name} {task.model.name}",
            f"{task.point.width}x{task.point.height} seed {task.seed}",
            "MOCK",
        ),
        references=references,
    )

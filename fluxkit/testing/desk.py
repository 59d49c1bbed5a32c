"""A client at a mock's desk: what it buys there, how that goes, and what everybody has seen of it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from .._contract.journal import Recovered
from .._contract.request import Request
from .._contract.result import Result
from .._contract.task import Task
from .._engine.drive import AsyncDriver, Driver
from .._engine.effects import Note
from .._engine.flows import Manner, generate, place_order, resume
from .._engine.notes import Notes
from .._engine.place import Place
from .._engine.recover import recover
from .._engine.settle import settle
from .._mock import kit_of_mock
from .._wire.declaration import Provider
from .._wire.plan import Plan, make_plan
from .._wire.route import Route
from ..errors import FluxError
from .bench import Service, async_driver, driver, service_of
from .check import Pair
from .conduct import Endless
from .folders import folder

#: After so many calls on one errand a client is taken not to come to an end.
MOST_CALLS = 600

#: Where the mock is served: on no port of this machine, so that a client that goes elsewhere is seen to.
ORIGIN = "http://127.0.0.1:48151"

#: A call to the mock and an answer of it, of types that only the mock knows.
Call = Any
Answer = Any

PassOn = Callable[[Call], Answer]
Hand = Callable[[Call, PassOn], Answer]


@attrs.frozen(eq=False)
class Desk:
    """One client and one mock. *calls* are what the mock was called, *place* is where images go."""

    pair: Pair
    service: Service
    way: Any
    place: Place
    notes: Notes
    calls: list[Call]
    prefix: str = ""

    @property
    def base_url(self) -> str:
        """Where the service is, for this client."""
        return f"{ORIGIN}{self.prefix}/{self.pair.mock.name}"

    @property
    def driver(self) -> Driver:
        """What carries out flows, blocking."""
        return driver(self.pair.client, self.way, conduct=self.pair.conduct, notes=self.notes)

    @property
    def async_driver(self) -> AsyncDriver:
        """What carries out flows in an event loop."""
        return async_driver(self.pair.client, self.way, conduct=self.pair.conduct, notes=self.notes)

    @property
    def said(self) -> Sequence[Note]:
        """What the flows have noted."""
        return self.notes.kept

    @property
    def now(self) -> float:
        """The mock's time."""
        at: float = self.service.clock.now()
        return at

    @property
    def submits(self) -> list[Any]:
        """The calls that would buy."""
        return [call for call in self.calls if self.buys(call)]

    @property
    def polls(self) -> list[Any]:
        """The calls that ask after a task."""
        return [call for call in self.calls if self.asks(call)]

    def buys(self, call: Call) -> bool:
        """Whether a call would buy."""
        return self._is(self.pair.mock.submit, call)

    def asks(self, call: Call) -> bool:
        """Whether a call asks after a task."""
        return self.pair.mock.poll is not None and self._is(self.pair.mock.poll, call)

    def _is(self, route: Route, call: Call) -> bool:
        path = str(call.path).removeprefix(f"/{self.pair.mock.name}")
        return path != call.path and route.match(call.method, path, call.query) is not None

    def below_service(self, call: Call) -> bool:
        """Whether a call is one to the service, and not to where its images lie."""
        return str(call.path).startswith(f"/{self.pair.mock.name}/")

    def plan(self, model: str | None = None, request: Request | None = None, **settings: Any) -> Plan:
        """The plan of a request, of the first model if none is named."""
        name = self.pair.client.models[0].name if model is None else model
        wanted = Request("a cat") if request is None else request
        return make_plan(self.pair.client, name, wanted, base_url=self.base_url, **settings)

    def manner(self, *, timeout: float = 60.0, fetch: bool = False) -> Manner:
        """How the client goes about it."""
        return Manner(timeout=timeout, patience=timeout, place=self.place, fetch=fetch, local=True)

    def buy(self, plan: Plan | None = None, **manner: Any) -> Result:
        """The result of a plan."""
        return self.driver.run(generate(plan or self.plan(), self.manner(**manner)))

    def order(self, plan: Plan | None = None) -> Task:
        """The task of a plan, not waited for."""
        at, manner = self.driver, self.manner()
        ready = at.run(settle(plan or self.plan(), self.now + manner.timeout, patience=manner.patience))
        return at.run(place_order(ready, manner))

    def wait(self, task: Task, **manner: Any) -> Result:
        """The result of a task that was bought before."""
        return self.driver.run(resume(self.pair.client, task, self.manner(**manner)))

    def recover(self, **manner: Any) -> Recovered:
        """What comes of all that this client has bought and not fetched."""
        return self.driver.run(recover(self.pair.client, self.base_url, self.manner(**manner), lambda _: self.place))

    def made(self, id: str) -> Any:
        """A task as the mock knows it."""
        return kit_of_mock().made(self.service, id)


@contextlib.contextmanager
def desk(pair: Pair, *, hand: Hand | None = None, prefix: str = "", **settings: Any) -> Iterator[Desk]:
    """A client at a fresh mock with these *settings*, in front of which a *hand* may stand.

    The client looks for the service below a *prefix*, which the hand must then take off.
    """
    service, calls = service_of(pair.mock, **settings), list[Call]()

    def noting(call: Call, pass_on: PassOn) -> Answer:
        calls.append(call)
        if len(calls) > MOST_CALLS:
            raise Endless(f"the client does not come to an end: it has called {MOST_CALLS} times")
        return pass_on(call) if hand is None else hand(call, pass_on)

    with folder() as place:
        way = kit_of_mock().Occupied(service, noting)
        yield Desk(pair, service, way, Place(place), Notes(), calls, prefix)


def outcome(work: Callable[[], Any]) -> Any:
    """What work gives, or the error of fluxkit that it raises; any other passes on."""
    try:
        return work()
    except FluxError as error:
        return error


def faults_of(provider: Provider) -> list[str]:
    """The names of the faults that the mock of *provider* can have."""
    return [name for name, fault in kit_of_mock().FAULTS.items() if not fault.obstacle(provider)]

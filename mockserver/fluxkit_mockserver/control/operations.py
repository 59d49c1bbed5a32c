"""What the control routes do. Each function is given the mock, and what the call said by name."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from fluxkit.provider import State

from ..answer import Answer
from ..armed import read_fault
from ..exchange import Exchange
from ..faults import FAULTS
from ..switches import SWITCHES, settings_of
from . import shown
from .schema import whole_in

if TYPE_CHECKING:
    from ..service import MockService
    from ..tasks import MockTask

Said = Mapping[str, Any]

#: How many of a list are told if nothing is said.
USUAL_MOST = 100


class Wrong(Exception):
    """The call cannot be carried out: with which *status* it is answered, and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def reset(world: "MockService", said: Said) -> Said:
    """Forgets what happened; with *all*, every namespace as well."""
    if said["body"].get("all"):
        for name in world.namespaces:
            world.drop_namespace(name)
    world.reset()
    return {"reset": True}


def get_clock(world: "MockService", said: Said) -> Said:
    """The time."""
    return shown.clock(world)


def move_clock(world: "MockService", said: Said) -> Said:
    """Moves, stops or starts the clock."""
    body, clock = said["body"], world.clock
    if not body:
        raise Wrong(400, "The body says nothing to do. Allowed: advance, set, freeze, speed.")
    if "advance" in body and "set" in body:
        raise Wrong(400, "advance and set exclude each other. Give one of them.")
    if getattr(clock, "leaps", False) and body.keys() & {"freeze", "speed"}:
        raise Wrong(409, "This clock is virtual: it stands still until it is moved. Allowed: advance, set.")
    if (at := body.get("set")) is not None and at < clock.now():
        raise Wrong(409, f"It is {clock.now()!r}, and time never goes back. Give a later time, or reset the mock.")
    if "freeze" in body or "speed" in body:
        speed = body.get("speed", clock.speed)
        clock.thaw(speed)
        if body.get("freeze", False):
            clock.freeze()
    clock.advance(body.get("advance", 0.0) if at is None else at - clock.now())
    world.feed.tell("clock", None)
    return shown.clock(world)


def faults(world: "MockService", said: Said) -> Said:
    """Every fault, and those that are armed."""
    every = [{"name": each.name, "moment": each.moment, "about": each.about} for each in FAULTS.values()]
    return {"faults": every, "armed": [shown.armed(each) for each in world.faults]}


def arm(world: "MockService", said: Said) -> Said:
    """Arms a fault."""
    order = dict(said["body"])
    if ("fault" in order) is ("name" in order) or ("fault" in order and len(order) > 1):
        raise Wrong(400, "Give either name with rate, times, task and match, or all of it in one line as fault.")
    try:
        armed = world.fault(**(read_fault(order["fault"]) if "fault" in order else order))
    except ValueError as error:
        raise Wrong(400, str(error)) from None
    return shown.armed(armed)


def disarm(world: "MockService", said: Said) -> Said:
    """Takes back one fault, or all."""
    try:
        disarmed = world.unfault(said.get("name"))
    except ValueError as error:
        raise Wrong(404, str(error)) from None
    return {"disarmed": disarmed}


def get_progression(world: "MockService", said: Said) -> Said:
    """What moves tasks on."""
    return {"progression": str(world.progression)}


def set_progression(world: "MockService", said: Said) -> Said:
    """Sets what moves tasks on."""
    world.progression = said["body"]["progression"]
    return get_progression(world, said)


def get_limits(world: "MockService", said: Said) -> Said:
    """How much each key may do."""
    limits = world.limits
    return {"requests": limits.requests, "seconds": limits.seconds, "in_flight": limits.in_flight}


def set_limits(world: "MockService", said: Said) -> Said:
    """Sets how much each key may do."""
    world.limits = said["body"]
    return get_limits(world, said)


def get_balance(world: "MockService", said: Said) -> Said:
    """What is left at each service."""
    accounts = {name: world.accounts.of(name) for name in world.providers}
    return {
        "balance": {
            name: {"began": shown.money(each.began), "used": shown.money(each.used), "left": shown.money(each.left)}
            for name, each in accounts.items()
        }
    }


def set_balance(world: "MockService", said: Said) -> Said:
    """Begins accounts anew."""
    body = said["body"]
    provider = body.get("provider")
    if provider is not None and provider not in world.providers:
        raise Wrong(404, f"provider is {provider!r}, which is not served. Served: {', '.join(world.providers)}.")
    try:
        world.accounts.put(body["balance"], provider)
    except ValueError as error:
        raise Wrong(400, str(error)) from None
    world.feed.tell("balance", None)
    return get_balance(world, said)


def exchanges(world: "MockService", said: Said) -> Said:
    """The last exchanges that fit."""
    found = world.find(**{name: value for name, value in said.items() if name not in ("most", "body", "origin")})
    return {"total": len(found), "exchanges": [each.document() for each in _last(found, said)]}


def billed(world: "MockService", said: Said) -> Said:
    """What was bought."""
    charges = [*world.charges]
    return {"billed": world.billed, "charges": [shown.charge(each) for each in charges]}


def tasks(world: "MockService", said: Said) -> Said:
    """The last tasks that fit."""
    found = [
        each
        for each in world.tasks
        if said.get("provider") in (None, each.provider.name)
        and said.get("model") in (None, each.model.name)
        and said.get("state") in (None, world.standing(each)[1].name)
    ]
    return {"total": len(found), "tasks": [shown.task(world, each) for each in _last(found, said)]}


def task(world: "MockService", said: Said) -> Said:
    """One task."""
    found = _task(world, said)
    return {"task": shown.task(world, found), "timeline": shown.timeline(world, found)}


def image(world: "MockService", said: Said) -> Answer:
    """The image of a task, which no fault touches and no link leads to."""
    from fluxkit._contract.media import TYPES

    from ..gallery import draw_task

    found = _task(world, said)
    state = world.standing(found)[1]
    if state is not State.COMPLETED:
        raise Wrong(409, f"The task is {state.name}: there is an image once it is COMPLETED.")
    if (side := said.get("side")) is not None:
        found = _smaller(found, side)
    return Answer(
        200, draw_task(found), {"content-type": TYPES[found.format], "cache-control": "private, max-age=3600"}
    )


def task_as_test(world: "MockService", said: Said) -> str:
    """A test that buys the image of a task again."""
    from .purchase import task_as_test

    found = _task(world, said)
    told = task_as_test(world, found)
    if told is None:
        raise Wrong(
            409, "No request of fluxkit becomes what this task was asked for. Its submit can be copied as a test."
        )
    return told


def exchange(world: "MockService", said: Said) -> Said:
    """One exchange."""
    return _exchange(world, said).document()


def exchange_as_curl(world: "MockService", said: Said) -> str:
    """An exchange as a command."""
    from .curl import NotKept, curl_of

    found = _exchange(world, said)
    try:
        return curl_of(world, found, said["origin"])
    except NotKept as error:
        raise Wrong(409, str(error)) from None


def exchange_as_test(world: "MockService", said: Said) -> str:
    """An exchange as a test."""
    from .call import exchange_as_test
    from .curl import NotKept

    found = _exchange(world, said)
    try:
        return exchange_as_test(world, found)
    except NotKept as error:
        raise Wrong(409, str(error)) from None


def services(world: "MockService", said: Said) -> Said:
    """What is served."""
    from .examples import services_of

    return {"namespace": world.name, "key": world.key, "services": services_of(world, said["origin"])}


def switches(world: "MockService", said: Said) -> Said:
    """Every switch as it is set."""
    told, usual = [], settings_of(world.declared, {})
    for name, value in world.switches.items():
        switch = SWITCHES[name.partition(".")[2]]
        told.append(
            {
                "name": name,
                "value": value,
                "usual": usual[name],
                "values": list(switch.values),
                "about": switch.about,
                "source": switch.source,
            }
        )
    return {"switches": told}


def set_switches(world: "MockService", said: Said) -> Said:
    """Sets some switches."""
    try:
        world.switch(said["body"])
    except ValueError as error:
        raise Wrong(400, str(error)) from None
    return switches(world, said)


def webhooks(world: "MockService", said: Said) -> Said:
    """The last webhooks."""
    found = [each for each in [*world.webhooks.sent] if said.get("task") in (None, each.task)]
    under_way = world.webhooks.under_way  # before they are told: what has gone out since is among them
    return {"total": len(found), "under_way": under_way, "webhooks": [shown.sent(each) for each in _last(found, said)]}


def namespaces(world: "MockService", said: Said) -> Said:
    """The namespaces."""
    return {"namespaces": [shown.namespace(each, said["origin"]) for each in world.worlds]}


def make_namespace(world: "MockService", said: Said) -> Said:
    """Makes a namespace."""
    return shown.namespace(world.namespace(said["body"]["name"]), said["origin"])


def drop_namespace(world: "MockService", said: Said) -> Said:
    """Forgets a namespace."""
    if not world.drop_namespace(said["name"]):
        raise Wrong(404, f"There is no namespace {said['name']!r}. There are: {', '.join(world.namespaces) or 'none'}.")
    return {"dropped": said["name"]}


def events(world: "MockService", said: Said) -> str:
    """What has happened, as far as it is kept; on a port the stream goes on from there."""
    from ..events import missed

    return missed(world, said.get("last"))


def openapi(world: "MockService", said: Said) -> Said:
    """The OpenAPI document."""
    from .openapi import document

    return document()


def _task(world: "MockService", said: Said) -> "MockTask":
    found = world.task(said["id"])
    if found is None:
        raise Wrong(404, f"There is no task {said['id']!r} in this namespace. GET /__mock__/tasks lists them.")
    return found


def _smaller(task: "MockTask", side: int) -> "MockTask":
    """The task with an image whose longer side is that, as far as it is not smaller already."""
    point = task.point
    scale = min(1.0, side / max(point.width, point.height))
    width, height = (max(1, round(each * scale)) for each in (point.width, point.height))
    return attrs.evolve(task, point=attrs.evolve(point, width=width, height=height))


def _exchange(world: "MockService", said: Said) -> Exchange:
    number = said["number"]
    found = world.exchanges.numbered(whole_in(number) or 0)
    if found is None:
        raise Wrong(404, f"There is no exchange {number!r} in this namespace. GET /__mock__/exchanges lists them.")
    return found


def describe(world: "MockService", said: Said) -> Said:
    """A service as an OpenAPI document."""
    try:
        return world.openapi(said["provider"], said["origin"])
    except ValueError as error:
        raise Wrong(404, str(error)) from None


def _last(found: Any, said: Said) -> Any:
    return found[-said.get("most", USUAL_MOST) :]

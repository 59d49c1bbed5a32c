"""What is told of a mock: its values as JSON, and the schemas of these."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from fluxkit.provider import State

from ..kept import readable
from .schema import Schema, maybe, record, several, text, whole

if TYPE_CHECKING:
    from ..armed import Armed
    from ..billing import Charge
    from ..service import MockService
    from ..tasks import MockTask
    from ..webhooks import Sent

TIME: Final[Schema] = {"type": "number", "description": "Seconds since the epoch, on the mock's clock."}
MONEY: Final[Schema] = {"type": ["string", "null"], "description": "A decimal number as text; null is unknown."}
ANYTHING: Final[Schema] = {}
A_TEXT: Final[Schema] = {"type": "string"}

#: The schemas that have a name in the OpenAPI document.
SCHEMAS: Final[Mapping[str, Schema]] = {
    "Clock": record(
        {
            "now": TIME,
            "kind": text("virtual", "wall"),
            "speed": {"type": "number", "description": "How many of the mock's seconds pass in a real one."},
            "frozen": {"type": "boolean"},
        }
    ),
    "Fault": record({"name": A_TEXT, "moment": A_TEXT, "about": A_TEXT}),
    "Armed": record(
        {
            "name": A_TEXT,
            "rate": {"type": "number"},
            "times": maybe(whole(1)),
            "left": maybe(whole()),
            "struck": whole(),
            "task": {"type": ["integer", "string", "null"]},
            "match": {"type": ["object", "null"]},
        }
    ),
    "Limits": record({"requests": maybe(whole()), "seconds": {"type": "number"}, "in_flight": maybe(whole())}),
    "Account": record({"began": MONEY, "used": MONEY, "left": MONEY}),
    "Charge": record(
        {
            "provider": A_TEXT,
            "model": A_TEXT,
            "task": A_TEXT,
            "at": TIME,
            "amount": MONEY,
            "refunded": {"type": "boolean"},
        }
    ),
    "Webhook": record(
        {
            "provider": A_TEXT,
            "task": A_TEXT,
            "status": A_TEXT,
            "url": A_TEXT,
            "answer": {**maybe(whole()), "description": "0 if nobody answered, null if the address is not allowed."},
            "attempt": whole(1),
            "at": TIME,
            "body": ANYTHING,
        }
    ),
    "Exchange": {
        "type": "object",
        "required": ["method", "path", "status", "at"],
        "properties": {"method": A_TEXT, "path": A_TEXT, "at": TIME, "status": whole()},
        "description": "Without keys. The status 0 is a connection that was closed without an answer.",
    },
    "Task": record(
        {
            "id": A_TEXT,
            "number": whole(1),
            "provider": A_TEXT,
            "model": A_TEXT,
            "status": A_TEXT,
            "state": text(*(state.name for state in State)),
            "created_at": TIME,
            "duration": {"type": "number"},
            "polls": whole(),
            "width": whole(1),
            "height": whole(1),
            "seed": whole(),
            "format": A_TEXT,
            "references": whole(),
            "prompt": A_TEXT,
        }
    ),
    "Event": record({"at": TIME, "kind": text("accepted", "state", "exchange", "webhook", "bill"), "what": ANYTHING}),
    "Service": record(
        {
            "name": A_TEXT,
            "base_url": A_TEXT,
            "models": several(A_TEXT),
            "example": {
                **record({"method": A_TEXT, "url": A_TEXT, "body": A_TEXT, "curl": A_TEXT}, headers={"type": "object"}),
                "type": ["object", "null"],
                "description": "A call that buys an image.",
            },
        }
    ),
    "Switch": record(
        {"name": A_TEXT, "value": A_TEXT, "usual": A_TEXT, "values": several(A_TEXT), "about": A_TEXT, "source": A_TEXT}
    ),
    "Namespace": record(
        {
            "name": A_TEXT,
            "key": A_TEXT,
            "billed": whole(),
            "tasks": whole(),
            "base_urls": {"type": "object", "additionalProperties": A_TEXT},
        }
    ),
    "Problem": record(
        {"message": A_TEXT}, fields=several(record({"place": A_TEXT, "given": A_TEXT, "allowed": A_TEXT}))
    ),
}


def ref(name: str) -> Schema:
    """One of the named schemas, by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def money(amount: Decimal | None) -> str | None:
    """An amount as text; None stays None."""
    return None if amount is None else format(amount, "f")


def clock(world: "MockService") -> Mapping[str, Any]:
    """The time, and how it passes."""
    virtual = getattr(world.clock, "leaps", False)
    return {
        "now": world.clock.now(),
        "kind": "virtual" if virtual else "wall",
        "speed": 0.0 if virtual else world.clock.pace,
        "frozen": virtual or world.clock.frozen,
    }


def armed(each: "Armed") -> Mapping[str, Any]:
    """A fault that may strike; what it matches is told unless it is a function."""
    return {
        "name": each.name,
        "rate": each.rate,
        "times": each.times,
        "left": each.left,
        "struck": each.struck,
        "task": each.task,
        "match": dict(each.match) if isinstance(each.match, Mapping) else None,
    }


def charge(each: "Charge") -> Mapping[str, Any]:
    """What was bought."""
    return {
        "provider": each.provider,
        "model": each.model,
        "task": each.task,
        "at": each.at,
        "amount": money(each.amount),
        "refunded": each.refunded,
    }


def sent(each: "Sent") -> Mapping[str, Any]:
    """One attempt to deliver a webhook."""
    return {
        "provider": each.provider,
        "task": each.task,
        "status": each.status,
        "url": each.url,
        "answer": each.answer,
        "attempt": each.attempt,
        "at": each.at,
        "body": readable(each.body),
    }


def task(world: "MockService", each: "MockTask") -> Mapping[str, Any]:
    """A task as it stands now."""
    status, state = world.standing(each)
    return {
        "id": each.id,
        "number": each.number,
        "provider": each.provider.name,
        "model": each.model.name,
        "status": status,
        "state": state.name,
        "created_at": each.created_at,
        "duration": each.duration,
        "polls": each.polls,
        "width": each.point.width,
        "height": each.point.height,
        "seed": each.seed,
        "format": each.format,
        "references": len(each.brought),
        "prompt": str(each.values.get("prompt", "")),
    }


def timeline(world: "MockService", each: "MockTask") -> list[Mapping[str, Any]]:
    """Everything that has to do with a task, in the order of time."""
    told: list[tuple[float, str, Any]] = [(each.created_at, "accepted", task(world, each))]
    told += [(at, "state", word) for at, word in world.course(each)]
    told += [(one.at, "bill", charge(one)) for one in world.charges if one.task == each.id]
    told += [(one.at, "exchange", one.document()) for one in about(world, each.id)]
    told += [(one.at, "webhook", sent(one)) for one in [*world.webhooks.sent] if one.task == each.id]
    return [{"at": at, "kind": kind, "what": what} for at, kind, what in sorted(told, key=lambda one: one[0])]


def about(world: "MockService", id: str) -> list[Any]:
    """The exchanges that a task had to do with."""
    quoted = quote(id, safe="")
    return [each for each in world.exchanges if each.task == id or quoted in each.path]


def namespace(world: "MockService", origin: str) -> Mapping[str, Any]:
    """A namespace, and how to get there."""
    return {
        "name": world.name,
        "key": world.key,
        "billed": world.billed,
        "tasks": len(world.tasks),
        "base_urls": {name: world.base_url(name, origin) for name in world.providers},
    }

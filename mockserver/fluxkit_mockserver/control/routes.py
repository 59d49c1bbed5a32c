"""The table of the control routes: what each takes and answers, and which function does it."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from fluxkit._contract.by_fields import by_fields
from fluxkit.provider import State

from ..answer import CONTROL
from ..armed import GRAMMAR
from ..namespaces import ALLOWED
from ..tasks import Progression
from . import operations as do
from .schema import Schema, maybe, record, several, text, whole
from .shown import A_TEXT, MONEY, SCHEMAS, ref

if TYPE_CHECKING:
    from ..service import MockService

BALANCE: Final[Schema] = {
    "type": ["number", "string", "null"],
    "minimum": 0,
    "maxLength": 40,
    "description": "A number, or a decimal number as text; null is without end.",
}
NAME: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "description": ALLOWED}
MOST: Final[Schema] = whole(1, 10_000)


TEXT: Final = "text/plain; charset=utf-8"
PYTHON: Final = "text/x-python; charset=utf-8"


@by_fields
@attrs.frozen(eq=False, repr=False)
class Operation:
    """One route of the control: *query* and *body* are what it takes, *answer* what it gives.

    *run* is given the mock, and what the call says by name: the parts of the path, the query, and the body as ``body``.
    """

    method: str
    path: str
    name: str
    about: str
    run: "Callable[[MockService, Mapping[str, Any]], Any]"
    answer: Schema
    body: Schema | None = None
    query: Mapping[str, Schema] = attrs.field(factory=dict)
    status: int = 200
    media_type: str = "application/json"
    _pattern: re.Pattern[str] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        object.__setattr__(self, "_pattern", re.compile(pattern))

    def match(self, path: str) -> dict[str, str] | None:
        """The parts of a path below ``/__mock__/``, None if it is not that of this route."""
        found = self._pattern.fullmatch(path)
        return None if found is None else found.groupdict()


FAULTS: Final = record({"faults": several(ref("Fault")), "armed": several(ref("Armed"))})
BALANCES: Final[Schema] = record({"balance": {"type": "object", "additionalProperties": ref("Account")}})
SWITCHES: Final = record({"switches": several(ref("Switch"))})
PROGRESSION: Final = record({"progression": text(*Progression)})
NAMESPACES: Final = record({"namespaces": several(ref("Namespace"))})

OPERATIONS: Final = (
    Operation(
        "POST",
        "reset",
        "reset",
        "Forgets tasks, uploads, bills, exchanges, webhooks and faults, and what counts for limits and balances. Time "
        "goes on. With `all`, every namespace is dropped as well.",
        do.reset,
        record({"reset": {"const": True}}),
        record(all={"type": "boolean"}),
    ),
    Operation("GET", "clock", "get_clock", "The mock's time, and how it passes.", do.get_clock, ref("Clock")),
    Operation(
        "POST",
        "clock",
        "move_clock",
        "Moves the mock's time on by `advance` seconds or to `set`, stops and starts it with `freeze`, and sets its "
        "`speed`. Time never goes back. A virtual clock stands still anyway, so it can only be moved.",
        do.move_clock,
        ref("Clock"),
        record(
            advance={"type": "number", "minimum": 0, "maximum": 1e9},
            set={"type": "number", "minimum": 0, "maximum": 1e11},
            freeze={"type": "boolean"},
            speed={"type": "number", "exclusiveMinimum": 0, "maximum": 1e6},
        ),
    ),
    Operation("GET", "faults", "list_faults", "Every fault, and those that are armed.", do.faults, FAULTS),
    Operation(
        "POST",
        "faults",
        "arm_fault",
        f"Arms a fault: by `name` with `rate`, `times`, `task` and `match`, or by one line, `fault`, in the form "
        f"`{GRAMMAR}`.",
        do.arm,
        ref("Armed"),
        record(
            fault=text(),
            name=text(),
            times=maybe(whole(1, 10**9)),
            rate={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            task={"type": ["integer", "string", "null"], "minimum": 1, "maxLength": 1_000},
            match={"type": ["object", "null"]},
        ),
        status=201,
    ),
    Operation("DELETE", "faults", "disarm_faults", "Takes back every fault.", do.disarm, record({"disarmed": whole()})),
    Operation(
        "DELETE", "faults/{name}", "disarm_fault", "Takes back one fault.", do.disarm, record({"disarmed": whole()})
    ),
    Operation("GET", "progression", "get_progression", "What moves tasks on.", do.get_progression, PROGRESSION),
    Operation(
        "PUT",
        "progression",
        "set_progression",
        "Sets what moves tasks on: nothing (they are done at the first look), each look, or time.",
        do.set_progression,
        PROGRESSION,
        record({"progression": text(*Progression)}),
    ),
    Operation("GET", "limits", "get_limits", "How much each key may do.", do.get_limits, ref("Limits")),
    Operation(
        "PUT",
        "limits",
        "set_limits",
        "Sets how much each key may do: so many `requests` in any span of so many `seconds`, and so many tasks "
        "`in_flight`. What is not said, or null, has no limit.",
        do.set_limits,
        ref("Limits"),
        record(
            requests=maybe(whole(0, 10**9)),
            seconds={"type": "number", "exclusiveMinimum": 0, "maximum": 1e9},
            in_flight=maybe(whole(0, 10**9)),
        ),
    ),
    Operation("GET", "balance", "get_balance", "What is left at each service.", do.get_balance, BALANCES),
    Operation(
        "PUT",
        "balance",
        "set_balance",
        "Begins every account anew with a `balance`, or that of one `provider`.",
        do.set_balance,
        BALANCES,
        record({"balance": BALANCE}, provider=text()),
    ),
    Operation(
        "GET",
        "exchanges",
        "list_exchanges",
        "The last exchanges, the oldest first. Each filter leaves those that fit; `path` is a part of the path.",
        do.exchanges,
        record({"total": whole(), "exchanges": several(ref("Exchange"))}),
        query={
            "provider": text(),
            "model": text(),
            "task": text(),
            "method": text(most=20),
            "path": text(),
            "status": whole(0, 999),
            "most": MOST,
        },
    ),
    Operation(
        "GET",
        "billed",
        "get_billed",
        "How many images were bought, and each charge.",
        do.billed,
        record({"billed": whole(), "charges": several(ref("Charge"))}),
    ),
    Operation(
        "GET",
        "tasks",
        "list_tasks",
        "The last tasks, the oldest first.",
        do.tasks,
        record({"total": whole(), "tasks": several(ref("Task"))}),
        query={"provider": text(), "model": text(), "state": text(*(state.name for state in State)), "most": MOST},
    ),
    Operation(
        "GET",
        "tasks/{id}",
        "get_task",
        "One task, and all that happened to it in order of time.",
        do.task,
        record({"task": ref("Task"), "timeline": several(ref("Event"))}),
    ),
    Operation(
        "GET",
        "tasks/{id}/image",
        "get_image",
        "The image of a task that is completed, whatever became of the links to it; the service notices nothing.",
        do.image,
        {"type": "string", "format": "binary"},
        query={"side": whole(16, 4096)},
        media_type="image/*",
    ),
    Operation(
        "GET",
        "tasks/{id}/pytest",
        "get_task_as_test",
        "A test for pytest that buys the same image, meets the same faults and asserts what comes of it.",
        do.task_as_test,
        A_TEXT,
        media_type=PYTHON,
    ),
    Operation("GET", "exchanges/{number}", "get_exchange", "One exchange.", do.exchange, ref("Exchange")),
    Operation(
        "GET",
        "exchanges/{number}/curl",
        "get_exchange_as_curl",
        "A command for a shell that makes the same call, with a key of this mock.",
        do.exchange_as_curl,
        A_TEXT,
        media_type=TEXT,
    ),
    Operation(
        "GET",
        "exchanges/{number}/pytest",
        "get_exchange_as_test",
        "A test for pytest that makes the same call by HTTP and asserts its status.",
        do.exchange_as_test,
        A_TEXT,
        media_type=PYTHON,
    ),
    Operation(
        "GET",
        "services",
        "list_services",
        "The services with their addresses and models, a key, and for each a call that buys an image.",
        do.services,
        record({"namespace": A_TEXT, "key": A_TEXT, "services": several(ref("Service"))}),
    ),
    Operation(
        "GET",
        "switches",
        "list_switches",
        "Every switch as it is set: what a service does where no page says it.",
        do.switches,
        SWITCHES,
    ),
    Operation(
        "PUT",
        "switches",
        "set_switches",
        'Sets the switches that are named, such as `{"magnific.envelope": "bare"}`, from the next call on; null is '
        "what is usual. A name without a service before it sets the switch of all that have it.",
        do.set_switches,
        SWITCHES,
        {"type": "object", "additionalProperties": maybe(text())},
    ),
    Operation(
        "GET",
        "webhooks",
        "list_webhooks",
        "The last attempts to deliver webhooks, the oldest first. `under_way` are due or out now: where none is, all "
        "that has happened so far has been told.",
        do.webhooks,
        record({"total": whole(), "under_way": whole(), "webhooks": several(ref("Webhook"))}),
        query={"task": text(), "most": MOST},
    ),
    Operation("GET", "namespaces", "list_namespaces", "The namespaces that there are.", do.namespaces, NAMESPACES),
    Operation(
        "POST",
        "namespaces",
        "make_namespace",
        "Makes a namespace, if there is none of that name. It is also made when a call names it first.",
        do.make_namespace,
        ref("Namespace"),
        record({"name": NAME}),
        status=201,
    ),
    Operation(
        "DELETE",
        "namespaces/{name}",
        "drop_namespace",
        "Forgets a namespace and all that is in it.",
        do.drop_namespace,
        record({"dropped": A_TEXT}),
    ),
    Operation(
        "GET",
        "events",
        "watch_events",
        "What happens, as server-sent events. After `last` (or the header `Last-Event-ID`) come those that were "
        "missed, as far as they are kept; `gap` says that some are not.",
        do.events,
        A_TEXT,
        query={"last": text(most=100)},
        media_type="text/event-stream",
    ),
    Operation("GET", "openapi.json", "get_openapi", "This document.", do.openapi, {"type": "object"}),
    Operation(
        "GET",
        "openapi/{provider}.json",
        "describe_service",
        "A service as an OpenAPI document, derived from its declaration: what it takes and says as the mock serves it.",
        do.describe,
        {"type": "object"},
    ),
)

__all__ = ["CONTROL", "MONEY", "OPERATIONS", "SCHEMAS", "Operation"]

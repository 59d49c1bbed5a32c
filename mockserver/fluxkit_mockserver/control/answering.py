"""A call to the control: led to its route, checked by the table, answered in JSON."""

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..answer import MOST_CONTROL_BODY, Answer, Incoming
from .operations import Wrong
from .routes import CONTROL, OPERATIONS, Operation
from .schema import Misfit, Schema, misfits, stray, whole_in

if TYPE_CHECKING:
    from ..service import MockService

JSON: Final = {"content-type": "application/json", "cache-control": "no-store"}

#: How many places of a body that do not fit are told.
MOST_MISFITS: Final = 50


def control(world: "MockService", call: Incoming) -> Answer:
    """What the mock does with a call below ``/__mock__/``; whatever is wrong with it is said in JSON."""
    path = call.path.removeprefix(CONTROL)
    there = [(each, parts) for each in OPERATIONS if (parts := each.match(path)) is not None]
    method = "GET" if call.method == "HEAD" else call.method
    found = next(((each, parts) for each, parts in there if each.method == method), None)
    if found is None and there:
        allow = ", ".join(each.method for each, _ in there)
        return problem(405, f"{CONTROL}{path} takes {allow}, and not {call.method}.", headers={"allow": allow})
    if found is None:
        near = ", ".join(dict.fromkeys(f"{CONTROL}{each.path}" for each in OPERATIONS))
        return problem(404, f"There is no {CONTROL}{path}. There are: {near}.")
    operation, parts = found
    wrong = list[Misfit]()
    try:
        said: dict[str, Any] = {**parts, **_query(operation, call.query, wrong)}
        if operation.body is not None:
            said["body"] = _body(call)
            wrong += itertools.islice(misfits(operation.body, said["body"], "the body"), MOST_MISFITS)
        elif call.body or call.oversized:
            raise Wrong(400, f"{operation.method} {CONTROL}{operation.path} takes no body.")
        if wrong:
            return problem(400, " ".join(map(str, wrong)), fields=wrong)
        told = operation.run(world, {**said, "origin": call.origin.removesuffix(world.prefix)})
    except Wrong as error:
        return problem(error.status, str(error))
    if isinstance(told, Answer):
        return told
    if operation.media_type != "application/json":
        return Answer(operation.status, told.encode("utf-8", "replace"), {**JSON, "content-type": operation.media_type})
    return Answer(operation.status, json.dumps(told).encode(), JSON)


def problem(
    status: int, message: str, *, fields: Iterable[Misfit] = (), headers: Mapping[str, str] | None = None
) -> Answer:
    """An answer that says what is wrong."""
    told = {
        "message": message,
        "fields": [{"place": each.place, "given": each.given, "allowed": each.allowed} for each in fields],
    }
    return Answer(status, json.dumps(told).encode(), {**JSON, **(headers or {})})


def _query(operation: Operation, query: Mapping[str, str], wrong: list[Misfit]) -> Mapping[str, Any]:
    """The query as the table has it; a whole number is one that looks like it."""
    said = {}
    for name, text in query.items():
        if name == "token":  # it has let the call in
            continue
        schema = operation.query.get(name)
        if schema is None:
            wrong.append(stray(f"the query's {name}", name, operation.query))
            continue
        value = _number(schema, text)
        misfit = list(misfits(schema, value, f"the query's {name}"))
        wrong += misfit
        said[name] = value
    return said


def _number(schema: Schema, text: str) -> Any:
    number = whole_in(text) if schema.get("type") == "integer" else None
    return text if number is None else number


def _body(call: Incoming) -> Any:
    if call.oversized or len(call.body) > MOST_CONTROL_BODY:
        raise Wrong(413, f"The body has more than {MOST_CONTROL_BODY} bytes.")
    if not call.body:
        return {}
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        given = f"is {kind!r}" if kind else "is not given"
        raise Wrong(415, f"The content-type {given}. Allowed: application/json.")
    try:
        return json.loads(call.body, parse_constant=_refuse)
    except ValueError:
        raise Wrong(400, "The body is not JSON.") from None
    except RecursionError:
        raise Wrong(400, "The body is nested too deep.") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")

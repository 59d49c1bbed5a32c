"""What was meant, perhaps, by a call that the mock does not understand: the nearest route, or the nearest form."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from fluxkit._wire.declaration import Model, Provider
from fluxkit._wire.json import HEADERS, QUERY, Problem, Unfit
from fluxkit.provider import Route

from .answer import Incoming
from .dialect import Dialect
from .documents import read_body
from .refused import Refused

#: From how much of a likeness on, of 1, a route may have been meant.
LIKENESS = 0.6


@attrs.define(eq=False, repr=False)  # one is made for each call, and a frozen one takes three times as long
class Form:
    """What a call says by the form of a model, and whether it has *bought* something."""

    row: Model
    values: Mapping[str, Any] = {}
    bought: bool = False


def nearest_form(rows: tuple[Model, ...], call: Incoming) -> Form | None:
    """What can be read of a body that was refused, by the form of the model that it fits best."""
    try:
        body = read_body(call)
    except (Refused, RecursionError):
        body = {}
    best: tuple[int, Form] | None = None
    for row in rows:
        values: Mapping[str, Any] = {}
        problems: tuple[Problem, ...] = ()
        try:
            values = row.request.read({**body, HEADERS: call.headers, QUERY: call.query})
        except (Unfit, RecursionError) as error:
            problems, found = getattr(error, "problems", ()), getattr(error, "found", None)
            values = found if isinstance(found, Mapping) else {}
        if best is None or len(problems) < best[0]:
            best = len(problems), Form(row, values)
    return None if best is None else best[1]


def nearest_route(method: str, path: str, dialects: Mapping[str, Dialect]) -> str | None:
    """The route that is the nearest to a call that has none, such as ``POST /magnific/v1/ai/...``, if one is near."""
    return _nearest(method, path, tuple(dialects.values()))


@functools.lru_cache(maxsize=256)
def _nearest(method: str, path: str, dialects: tuple[Dialect, ...]) -> str | None:
    import difflib  # not before somebody goes wrong

    given = f"/{path.strip('/')}"[:500]
    named = given.split("/")[1] in [dialect.provider.name for dialect in dialects]
    best, most = None, LIKENESS
    for dialect in dialects:
        name = f"/{dialect.provider.name}"
        for route, model in _routes(dialect.provider):
            template = route.path.replace("{model}", model)
            wanted = f"{name}{template}" if named else template
            likeness = difflib.SequenceMatcher(None, wanted, _emptied(given, wanted), autojunk=False)
            if likeness.real_quick_ratio() < most or likeness.quick_ratio() < most:
                continue
            ratio = likeness.ratio() + (0.01 if route.method == method else 0.0)
            if ratio > most:
                query = f"?{route.query}=..." if route.query else ""
                best, most = f"{route.method} {name}{template}{query}", ratio
    return best


def _routes(provider: Provider) -> Iterator[tuple[Route, str]]:
    upload = None if provider.upload is None else provider.upload.route
    for route in (provider.submit, provider.poll, provider.result, upload):
        if route is not None:
            paths = dict.fromkeys(row.path for row in provider.models) if "{model}" in route.path else [""]
            yield from ((route, path) for path in paths)


def _emptied(given: str, template: str) -> str:
    """A call's path with ``{id}`` where the template has it: what an id is makes no route nearer."""
    steps, said = template.split("/"), given.split("/")
    if "{id}" in steps and len(said) >= (place := len(steps) - steps.index("{id}")):
        said[-place] = "{id}"
    return "/".join(said)

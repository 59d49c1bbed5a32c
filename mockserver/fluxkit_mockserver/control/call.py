"""An exchange as a test, which makes the same call by HTTP to the fixture ``fluxkit_mock``.

What it asserts is not guessed: the same thing is done on a fresh mock while the test is written.
"""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..answer import Answer, Incoming
from ..exchange import Exchange
from ..kept import HIDDEN
from .curl import body_of, headers_of
from .python import Settings, identifier, literal, marked, quoted, switched, written

if TYPE_CHECKING:
    from ..service import MockService


def exchange_as_test(world: "MockService", exchange: Exchange) -> str:
    """A test that makes the same call by HTTP; ``NotKept`` if what was sent is not known."""
    body, notes = body_of(exchange)
    settings, status = _repeated(world, exchange, body)
    if status != exchange.status:
        notes.append(f"The answer was {exchange.status}: it was about something that only that mock knew.")
    return "\n".join(_called(world, exchange, body, notes=notes, settings=settings, status=status)) + "\n"


def _repeated(world: "MockService", exchange: Exchange, body: str | None) -> tuple[Settings, int]:
    """With which settings of a fresh mock the call is answered as it was, and how it is answered with them."""
    ways: Sequence[Settings] = [{}, {"balance": 0}, {"limits": ["rate=0/60"]}, {"limits": ["in-flight=0"]}]
    answers = []
    for way in ways:
        settings = {**way, **switched(world)}
        mock = world.like(**settings)
        for fault in exchange.faults:
            mock.fault(fault, times=1)
        query = {name: value for name, value in exchange.query.items() if value != HIDDEN}
        call = Incoming(
            exchange.method,
            exchange.path,
            query,
            headers_of(mock, exchange),
            (body or "").encode("utf-8", "surrogatepass"),
            "http://127.0.0.1",
        )
        answer = mock.handle(call)
        status = answer.status if isinstance(answer, Answer) else 0
        if status == exchange.status:
            return settings, status
        answers.append((settings, status))
    return answers[0]


def _called(
    world: "MockService",
    exchange: Exchange,
    body: str | None,
    *,
    notes: Sequence[str],
    settings: Settings,
    status: int,
) -> Iterator[str]:
    """The lines of the test of a call."""
    first, _, path = exchange.path.lstrip("/").partition("/")
    is_served = first in world.providers
    where = first if is_served else next(iter(world.providers))
    yield "import httpx"
    yield from ["import pytest"] if settings or status == 0 else []
    yield "\n"
    yield from marked(settings)
    outcome = f"is_answered_{status}" if status else "is_not_answered"
    yield f"def test_{identifier(f'{exchange.method} {exchange.path}'[:60])}_{outcome}(fluxkit_mock):"
    yield from (f"    # {note}" for note in notes)
    for fault in exchange.faults:
        yield f"    fluxkit_mock.fault({quoted(fault)}, times=1)"
    yield f"    url = fluxkit_mock.url({quoted(where)})" + (
        "" if is_served else f".removesuffix({quoted(f'/{where}')})"
    )
    query = {name: value for name, value in exchange.query.items() if value != HIDDEN}
    call = [
        f"{quoted(exchange.method)},",
        f"url + {quoted(f'/{path}' if is_served else exchange.path)},",
        *([f"params={written(query)},"] if query else []),
        f"headers={{{', '.join(_headers(world, exchange))}}},",
        *([f"{_content(body)},"] if body is not None else []),
    ]
    lines = [f"    {line}" for each in call for line in each.splitlines()]
    if status:
        yield from ("    answer = httpx.request(", *(f"    {line}" for line in lines), "    )", "")
        yield f"    assert answer.status_code == {status}"
    else:
        yield from ("", "    with pytest.raises(httpx.TransportError):", "        httpx.request(")
        yield from (*(f"        {line}" for line in lines), "        )")


def _headers(world: "MockService", exchange: Exchange) -> Iterator[str]:
    """The headers of a call as the test has them; its key is the one of the test's own mock."""
    form = world.key_of(exchange.provider)
    for name, value in headers_of(world, exchange).items():
        said = literal(value)
        if form is not None and name == form.header.lower() and value == form.form.format(key=world.key):
            inner = form.form.replace("{key}", "{fluxkit_mock.key}")
            said = "fluxkit_mock.key" if form.form == "{key}" else f"f{literal(inner)}"
        yield f"{literal(name)}: {said}"


def _content(body: str) -> str:
    """The body of a call: a document, or text that is none."""
    try:
        return f"json={written(json.loads(body, parse_constant=_refuse))}"
    except (ValueError, RecursionError):
        return f"content={quoted(body)}.encode()"


def _refuse(constant: str) -> None:
    raise ValueError(constant)

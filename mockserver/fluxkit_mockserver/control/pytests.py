"""What happened as a test: code that does it again with the fixture ``fluxkit_mock``, and asserts what came of it.

What it asserts is not guessed: the same thing is done on a fresh mock while the test is written.
"""

import base64
import collections
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from fluxkit._contract.by_fields import by_fields
from fluxkit._contract.reference import Reference
from fluxkit._wire.json import HEADERS, QUERY
from fluxkit.errors import FluxError

from ..answer import Answer, Incoming
from ..exchange import Exchange
from ..kept import HIDDEN
from ..namespaces import without_prefix
from ..uploads import UPLOADS
from .curl import STAND_IN, body_of, headers_of

if TYPE_CHECKING:
    from fluxkit import Client

    from ..service import MockService
    from ..tasks import MockTask

#: A reference of more bytes is not written into the test.
MOST_REFERENCE: Final = 1_500

#: How long a line may be.
WIDTH: Final = 110

#: What a test brings in its own way, or not at all.
_BESIDE: Final = ("references", "webhook_url", "webhook_secret")

Settings = Mapping[str, Any]


def task_as_test(world: "MockService", task: "MockTask") -> str | None:
    """A test that buys the same image with a client, and meets the same faults; None if no request comes to it."""
    fields = _fields(world, task)
    if fields is None:
        return None
    struck = [fault for each in world.find(task=task.id) for fault in each.faults]
    faults = {name: {"times": times} for name, times in collections.Counter(struck).items()}
    played = [_Played.of(world, task, fields, faults, settings) for settings in ({}, {"progression": "seconds"})]
    return "\n".join(_written(task, fields, faults, max(played, key=lambda one: one.struck))) + "\n"


def exchange_as_test(world: "MockService", exchange: Exchange) -> str:
    """A test that makes the same call by HTTP; ``NotKept`` if what was sent is not known."""
    body, notes = body_of(exchange)
    settings, status = _repeated(world, exchange, body)
    if status != exchange.status:
        notes.append(f"The answer was {exchange.status}: it was about something that only that mock knew.")
    return "\n".join(_called(world, exchange, body, notes=notes, settings=settings, status=status)) + "\n"


@by_fields
@attrs.frozen(eq=False, repr=False)
class _Played:
    """What came of a request on a fresh mock: the error, or the pixels, what was billed, how many faults struck."""

    settings: Settings
    error: str
    pixels: Any
    mismatch: bool
    billed: int
    struck: int

    @classmethod
    def of(
        cls,
        world: "MockService",
        task: "MockTask",
        fields: Settings,
        faults: Mapping[str, Settings],
        settings: Settings,
    ) -> "_Played":
        from fluxkit import Client

        settings = {**settings, **_switched(world)}
        mock = world.like(**{"progression": "at once", **settings})
        for name, order in faults.items():
            mock.fault(name, **order)
        error, pixels = "", None
        with Client(_name(task), mock=mock) as client, warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                pixels = client.generate(**_said(fields)).images[0].pixels
            except FluxError as raised:
                error = type(raised).__name__
        return cls(settings, error, pixels, bool(said), mock.billed, sum(each.struck for each in mock.faults))


def _fields(world: "MockService", task: "MockTask") -> dict[str, Any] | None:
    """The request that becomes what the task was asked for: arguments of ``generate``."""
    from fluxkit import Client, Request

    if "prompt" not in task.values:  # a request of ours has one
        return None
    common = {name for name in (each.name for each in attrs.fields(Request)) if name in task.values}
    fields = {
        name: value for name, value in task.values.items() if name in common and name not in _BESIDE and name != "size"
    }
    options = {
        name: value
        for name, value in task.values.items()
        if name not in common and name not in _BESIDE and name != "size"
    }
    if options:
        fields["options"] = options
    if task.values.get("references"):
        fields["references"] = [
            _brought(*each) for each in zip(task.values["references"], task.references, strict=True)
        ]
    point, pixels = task.point, f"{task.point.width}x{task.point.height}"
    named = {"aspect": point.aspect and str(point.aspect), "resolution": point.resolution}
    sizes: list[dict[str, Any]] = [{}, {"aspect": named["aspect"]}, named, {"size": pixels}]
    with Client(_name(task), mock=world.like()) as client:
        fitting = next((each for size in sizes if _becomes(client, task, each := {**fields, **size})), None)
        if fitting is None:
            return None
        for name in [*fitting]:  # what the service assumes anyway is not said
            if name != "prompt" and _becomes(client, task, shorter := {**fitting, name: None}):
                fitting = shorter
    return {name: value for name, value in fitting.items() if value is not None}


def _becomes(client: "Client", task: "MockTask", fields: Settings) -> bool:
    """Whether the service reads from what the client sends what it has read for the task."""
    fields = {name: value for name, value in fields.items() if value is not None}
    try:
        plan = client.plan(**_said(fields))
    except FluxError:
        return False
    read = plan.model.request.read({HEADERS: {}, QUERY: {}, **plan.documents[0]})
    return all((read.get(name) == task.values.get(name)) or name in _BESIDE for name in {*read, *task.values}) and len(
        fields.get("references", ())
    ) == len(task.brought)


def _said(fields: Settings) -> dict[str, Any]:
    return {"request" if name == "prompt" else name: value for name, value in fields.items()}


def _brought(reference: Reference, content: bytes) -> Any:
    """A reference as the test brings it: its address, or its content, if it can stand in a test."""
    if reference.content is None and UPLOADS not in without_prefix(str(reference.url)):
        return reference.url
    return content if len(content) <= MOST_REFERENCE else base64.b64decode(STAND_IN)


def _written(task: "MockTask", fields: Settings, faults: Mapping[str, Settings], played: _Played) -> Iterator[str]:
    """The lines of the test of a task."""
    if any(isinstance(each, bytes) for each in fields.get("references", ())):
        yield "import base64\n"
    imports = [*(["import pytest"] if played.error or played.mismatch or played.settings else [])]
    imports += ["import fluxkit"] if played.error or played.mismatch else []
    yield from [*imports, "", ""] if imports else []
    yield from _marked(played.settings)
    yield f"def test_{_identifier(_name(task))}(fluxkit_mock):"
    if "webhook_url" in task.values:
        yield "    # A webhook was asked for, too; in a test, webhook_url= leads to a receiver of your own."
    if any(len(each) > MOST_REFERENCE for each in task.references):
        yield "    # A large reference is left out: a grey square stands in its place."
    for name, order in faults.items():
        yield f"    fluxkit_mock.fault({_quoted(name)}, times={order['times']})"
    yield f"    client = fluxkit_mock.client({_quoted(_name(task))})"
    yield ""
    call = _call(fields)
    if played.error:
        yield f"    with pytest.raises(fluxkit.errors.{played.error}):"
        yield from (f"        {line}" for line in f"client.generate({call})".splitlines())
    elif played.mismatch:
        yield "    with pytest.warns(fluxkit.DeliveryWarning):"
        yield from (f"        {line}" for line in f"(image,) = client.generate({call}).images".splitlines())
    else:
        yield from (f"    {line}" for line in f"(image,) = client.generate({call}).images".splitlines())
    yield ""
    if not played.error:
        yield f"    assert image.pixels == {played.pixels!r}"
    if played.billed:
        seed = f", seed={fields['seed']}" if "seed" in fields else ""
        yield f"    fluxkit_mock.assert_submitted(model={_quoted(task.model.name)}{seed})"
    yield f"    assert fluxkit_mock.billed == {played.billed}"


def _call(fields: Settings) -> str:
    """The arguments of a call, on lines of their own if one line is too short."""
    said = [_value(fields["prompt"])] + [
        f"{name}={_value(value)}" for name, value in fields.items() if name != "prompt"
    ]
    line = ", ".join(said)
    if len(line) <= WIDTH - 40 and "\n" not in line:
        return line
    return "\n" + "".join(f"    {each}".replace("\n", "\n    ") + ",\n" for each in said)


def _value(value: Any) -> str:
    """A value as Python has it, on lines of its own if one line is too short."""
    if isinstance(value, bytes):
        return f"base64.b64decode({_quoted(base64.b64encode(value).decode())})"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        return _bracketed("{}", [f"{_literal(str(name))}: {_value(inner)}" for name, inner in value.items()])
    if isinstance(value, list | tuple):
        return _bracketed("[]", [_value(inner) for inner in value])
    return repr(value)


def _bracketed(marks: str, parts: Sequence[str]) -> str:
    line = ", ".join(parts)
    if len(line) <= WIDTH - 30 and "\n" not in line:
        return f"{marks[0]}{line}{marks[1]}"
    return f"{marks[0]}\n" + "".join(f"    {each}".replace("\n", "\n    ") + ",\n" for each in parts) + marks[1]


def _quoted(text: str) -> str:
    """A text as Python has it, in pieces if it is long."""
    most = WIDTH - 30
    if len(text) > most:
        pieces = re.findall(rf"(?s).{{1,{most}}}(?: |$)|.{{1,{most}}}", text)
        return "(\n" + "".join(f"    {_literal(each)}\n" for each in pieces) + ")"
    return _literal(text)


def _literal(text: str) -> str:
    said = repr(text)
    return f'"{said[1:-1]}"' if said.startswith("'") and '"' not in text else said


def _marked(settings: Settings) -> Iterator[str]:
    if settings:
        said = ", ".join(f"{name}={_value(value)}" for name, value in settings.items())
        yield f"@pytest.mark.fluxkit_mock({said})"


def _switched(world: "MockService") -> dict[str, Any]:
    return {"switches": switches} if (switches := world.switched) else {}


def _name(task: "MockTask") -> str:
    return f"{task.provider.name}:{task.model.name}"


def _identifier(text: str) -> str:
    return re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()


# By HTTP


def _repeated(world: "MockService", exchange: Exchange, body: str | None) -> tuple[Settings, int]:
    """With which settings of a fresh mock the call is answered as it was, and how it is answered with them."""
    ways: Sequence[Settings] = [{}, {"balance": 0}, {"limits": ["rate=0/60"]}, {"limits": ["in-flight=0"]}]
    answers = []
    for way in ways:
        settings = {**way, **_switched(world)}
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
    yield from _marked(settings)
    outcome = f"is_answered_{status}" if status else "is_not_answered"
    yield f"def test_{_identifier(f'{exchange.method} {exchange.path}'[:60])}_{outcome}(fluxkit_mock):"
    yield from (f"    # {note}" for note in notes)
    for fault in exchange.faults:
        yield f"    fluxkit_mock.fault({_quoted(fault)}, times=1)"
    yield f"    url = fluxkit_mock.url({_quoted(where)})" + (
        "" if is_served else f".removesuffix({_quoted(f'/{where}')})"
    )
    query = {name: value for name, value in exchange.query.items() if value != HIDDEN}
    call = [
        f"{_quoted(exchange.method)},",
        f"url + {_quoted(f'/{path}' if is_served else exchange.path)},",
        *([f"params={_value(query)},"] if query else []),
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
        said = _literal(value)
        if form is not None and name == form.header.lower() and value == form.form.format(key=world.key):
            inner = form.form.replace("{key}", "{fluxkit_mock.key}")
            said = "fluxkit_mock.key" if form.form == "{key}" else f"f{_literal(inner)}"
        yield f"{_literal(name)}: {said}"


def _content(body: str) -> str:
    """The body of a call: a document, or text that is none."""
    try:
        return f"json={_value(json.loads(body, parse_constant=_refuse))}"
    except (ValueError, RecursionError):
        return f"content={_quoted(body)}.encode()"


def _refuse(constant: str) -> None:
    raise ValueError(constant)

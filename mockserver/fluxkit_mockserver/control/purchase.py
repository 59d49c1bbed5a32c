"""What a task was bought with as a test, which buys it again with a client of the fixture ``fluxkit_mock``.

What it asserts is not guessed: the same thing is done on a fresh mock while the test is written.
"""

import base64
import collections
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from fluxkit._contract.by_fields import by_fields
from fluxkit._contract.reference import Reference
from fluxkit._wire.json import HEADERS, QUERY
from fluxkit.errors import FluxError

from ..namespaces import without_prefix
from ..uploads import UPLOADS
from .curl import STAND_IN
from .python import WIDTH, Settings, identifier, marked, quoted, switched, written

if TYPE_CHECKING:
    from fluxkit import Client

    from ..service import MockService
    from ..tasks import MockTask

#: A reference of more bytes is not written into the test.
MOST_REFERENCE: Final = 1_500

#: What a test brings in its own way, or not at all.
_BESIDE: Final = ("references", "webhook_url", "webhook_secret")


def task_as_test(world: "MockService", task: "MockTask") -> str | None:
    """A test that buys the same image with a client, and meets the same faults; None if no request comes to it."""
    fields = _fields(world, task)
    if fields is None:
        return None
    struck = [fault for each in world.find(task=task.id) for fault in each.faults]
    faults = {name: {"times": times} for name, times in collections.Counter(struck).items()}
    played = [_Played.of(world, task, fields, faults, settings) for settings in ({}, {"progression": "seconds"})]
    return "\n".join(_lines(task, fields, faults, max(played, key=lambda one: one.struck))) + "\n"


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

        settings = {**settings, **switched(world)}
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


def _lines(task: "MockTask", fields: Settings, faults: Mapping[str, Settings], played: _Played) -> Iterator[str]:
    """The lines of the test of a task."""
    if any(isinstance(each, bytes) for each in fields.get("references", ())):
        yield "import base64\n"
    imports = [*(["import pytest"] if played.error or played.mismatch or played.settings else [])]
    imports += ["import fluxkit"] if played.error or played.mismatch else []
    yield from [*imports, "", ""] if imports else []
    yield from marked(played.settings)
    yield f"def test_{identifier(_name(task))}(fluxkit_mock):"
    if "webhook_url" in task.values:
        yield "    # A webhook was asked for, too; in a test, webhook_url= leads to a receiver of your own."
    if any(len(each) > MOST_REFERENCE for each in task.references):
        yield "    # A large reference is left out: a grey square stands in its place."
    for name, order in faults.items():
        yield f"    fluxkit_mock.fault({quoted(name)}, times={order['times']})"
    yield f"    client = fluxkit_mock.client({quoted(_name(task))})"
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
        yield f"    fluxkit_mock.assert_submitted(model={quoted(task.model.name)}{seed})"
    yield f"    assert fluxkit_mock.billed == {played.billed}"


def _call(fields: Settings) -> str:
    """The arguments of a call, on lines of their own if one line is too short."""
    said = [written(fields["prompt"])] + [
        f"{name}={written(value)}" for name, value in fields.items() if name != "prompt"
    ]
    line = ", ".join(said)
    if len(line) <= WIDTH - 40 and "\n" not in line:
        return line
    return "\n" + "".join(f"    {each}".replace("\n", "\n    ") + ",\n" for each in said)


def _name(task: "MockTask") -> str:
    return f"{task.provider.name}:{task.model.name}"

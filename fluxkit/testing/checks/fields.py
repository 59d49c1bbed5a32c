"""Each field is sent as it was asked, approximated with a word about it, dropped by name, or refused; none is lost."""

from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Any

import attrs

from ..._contract.report import Outcome
from ..._contract.request import Request
from ..._contract.size import RESOLUTIONS
from ..._engine.secret import Secret
from ..._wire.calls import submission
from ..._wire.canvas import Canvas
from ..._wire.codec import Codec
from ..._wire.declaration import Model
from ..._wire.draft import FIELDS, WISHES
from ..._wire.json import Json, path_of
from ..._wire.link import read_link
from ..._wire.lists import Each, Only, Slots
from ..._wire.pictures import Base64, Hosted
from ..._wire.places import At
from ..._wire.plan import Plan
from ..._wire.scalars import Real, Whole, Words
from ...errors import FluxError, SettingsError, Unsupported
from ..bench import exchange, made
from ..check import Pair, check_of
from ..desk import Desk, desk, outcome
from ..differs import same
from ..exhibits import RECEIVER, SMALLEST

#: How many requests are made up for each model.
EXAMPLES = 12

#: How many sizes of one model are bought.
MOST_SIZES = 24

#: The longest side of a picture that a mock draws.
LARGEST = 4096

ASPECTS = (None, "1:1", "16:9", "9:16", "2:3", "4:5", "21:9")

#: A value for each wish and for the rest of a request, that some model takes.
VALUES: dict[str, Any] = {
    "seed": 7,
    "enhance_prompt": True,
    "safety_tolerance": 2,
    "output_format": "png",
    "references": ("https://images.example/a.png",),
    "webhook_url": RECEIVER,
}


@check_of("fields")
def check_every_field_is_made_as_it_was_reported(pair: Pair) -> None:
    """Whatever a model can be asked for is in the report, each field once, and is understood as the report says.

    A failure means: a field is dropped or changed without a word.
    """
    for name in dict.fromkeys(row.name for row in pair.client.models):
        _whatever_is_asked(pair, name)


def _whatever_is_asked(pair: Pair, model: str) -> None:
    """The same requests on every run: a provider is red or green for its own sake."""
    from hypothesis import HealthCheck, Phase, given, settings

    from ...strategies import requests_for

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[*HealthCheck],
        phases=[Phase.generate],
    )
    @given(requests_for(pair.client, model))
    def is_made(request: Request) -> None:
        with desk(pair) as at:
            plan = at.plan(model, request)
            _is_reported(request, plan)
            if not plan.pending and not _is_drawn_large(pair, plan):
                _is_understood(at, plan)

    is_made()


def _is_drawn_large(pair: Pair, plan: Plan) -> bool:
    """Whether a mock would have to draw a huge picture at once, because its answer holds the image."""
    return pair.mock.poll is None and max(map(max, plan.expected), default=0) > LARGEST


def _is_reported(request: Request, plan: Plan) -> None:
    told = [verdict.field for verdict in plan.report]
    asked = [field.name for field in attrs.fields(Request) if field.init and field.name not in ("options", "n")]
    filled = [field for field in asked if getattr(request, field, None) not in (None, ())]
    filled += [*request.options] + (["n"] if request.n > 1 else [])
    same(sorted(filled), sorted(told), "the fields that are reported")
    lost = [str(each) for each in plan.report if each.outcome in (Outcome.DROPPED, Outcome.REFUSED)]
    same([], lost, "what is lost of a request that the model takes")


def _is_understood(at: Desk, plan: Plan) -> None:
    at.order(plan)
    task = made(at.service, at.service.charges[-1].task)
    values = {name: value for name, value in plan.values[0].items() if name != "webhook_url"}
    same({**task.values, **values}, dict(task.values), "what is understood")
    if plan.expected:
        same(plan.expected, task.point.expected, "the pixels")


@check_of("fields")
def check_what_a_model_lacks_is_refused_or_dropped_by_name(pair: Pair) -> None:
    """A field that a model has no place for is refused by name; a wish is dropped only if that was said, and reported.

    A failure means: a request is served without what it asked for.
    """
    for row, (field, value) in product(pair.client.models, VALUES.items()):
        if any(each.form.get(field) is not None for each in pair.client.named(row.name)):
            continue
        with desk(pair) as at:
            request = Request("a cat", **{field: value})
            end = outcome(lambda at=at, row=row, request=request: at.plan(row.name, request))  # type: ignore[misc]
            about = f"{row.name} without {field}"
            same(("Unsupported", field), (type(end).__name__, getattr(end, "field", None)), about)
            dropping = {"unsupported": {field: "drop"}}
            end = outcome(lambda at=at, row=row, request=request, how=dropping: at.plan(row.name, request, **how))  # type: ignore[misc]
            if field in WISHES:
                same(Outcome.DROPPED, end.report[field].outcome, f"{about}, which may be dropped")
            else:
                same(True, isinstance(end, SettingsError), f"{about}, which is never dropped: {end!r}")
            same([], at.calls, f"{about}: what was sent")


@check_of("fields")
def check_sizes_lie_in_the_declared_space(pair: Pair) -> None:
    """Every size that is planned lies in the model's space, is made so by the mock, and asked for again is the same.

    A failure means: images come in other sizes than the plan promised.
    """
    for row in pair.client.models:
        if row.form.get("size") is None:
            continue
        with desk(pair) as at:
            for wanted in islice(_sizes(row), MOST_SIZES):
                about = f"{row.name}, {wanted}"
                plan = outcome(lambda at=at, row=row, wanted=wanted: at.plan(row.name, Request("a cat", **wanted)))  # type: ignore[misc]
                if isinstance(plan, Unsupported):
                    plan = at.plan(row.name, Request("a cat", **wanted), fit="nearest")
                if plan.point is None or plan.model is not row:
                    continue
                same(
                    plan.point.expected,
                    row.sizes.point(plan.point.choice).expected,
                    f"{about}: the point of its choice",
                )
                at.order(plan)
                point = made(at.service, at.service.charges[-1].task).point
                same(plan.expected, point.expected if plan.expected else (), f"{about}: the pixels that are made")
                if plan.expected and len(plan.expected) == 1:
                    again = at.plan(row.name, Request("a cat", size=plan.expected[0]))
                    same(plan.expected, again.expected, f"{about}: its pixels, asked for")


def _sizes(row: Model) -> Iterator[dict[str, Any]]:
    """What is wanted: names, nothing, and of a canvas its corners."""
    space = row.sizes
    if isinstance(space, Canvas):
        for width, height in product((space.width[0], space.width[-1]), (space.height[0], space.height[-1])):
            if max(width, height) <= LARGEST:
                yield {"size": (width, height)}
    names = product(dict.fromkeys((*ASPECTS, *space.aspects)), dict.fromkeys((None, *space.resolutions, *RESOLUTIONS)))
    for aspect, resolution in names:
        yield {name: value for name, value in (("aspect", aspect), ("resolution", resolution)) if value is not None}


@check_of("fields")
def check_limits_hold_inside_and_just_outside(pair: Pair) -> None:
    """What lies on a bound is taken by client and mock, and what lies just outside is refused by both, free of charge.

    A failure means: a request is refused that the service takes, or leaves and is refused there.
    """
    for row in pair.client.models:
        for field, codec in row.form.fields:
            if field == "size":
                continue
            for inside, values in ((True, _edges(codec, 0)), (False, _edges(codec, 1))):
                for value in values:
                    _holds(pair, row, field, codec, value, inside=inside)


def _edges(codec: Codec, beyond: int) -> Sequence[Any]:
    """The values on the bounds of a codec, or just *beyond* them; references and tuples by how many there are."""
    match codec:
        case At(inner=Whole(first=first, last=last)):
            ends = ((first, -beyond), (last, beyond))
            return [end + step for end, step in ends if end is not None and abs(end + step) < 2**63]
        case At(inner=Real(first=first, last=last)):
            return [end + step for end, step in ((first, -beyond), (last, beyond)) if end is not None]
        case At(inner=Words(table=table)):
            return ["fluxkit-no-such-word"] if beyond else [ours for ours, _ in table]
        case At(inner=Each(inner=Hosted() | Base64() as inner, most=int(most))):
            return [_pictures(inner, most + beyond)]
        case Slots(inner=Hosted() | Base64() as inner, keys=keys):
            return [_pictures(inner, len(keys) + beyond)]
        case At(inner=Only(inner=Hosted() | Base64() as inner)):
            return [_pictures(inner, 1 + beyond)]
    return []


def _pictures(codec: Codec, count: int) -> tuple[Any, ...]:
    if isinstance(codec, Base64):
        return (SMALLEST["image/png"],) * count
    return tuple(f"https://images.example/{number}.png" for number in range(count))


def _holds(pair: Pair, row: Model, field: str, codec: Codec, value: Any, *, inside: bool) -> None:
    about = f"{row.name}, {field} = {str(value)[:60]}"
    asked = {field: value} if field in FIELDS else {"options": {field: value}}
    with desk(pair) as at:
        plan = outcome(lambda: at.plan(row.name, Request("a cat", **asked)))
        if inside:
            if isinstance(plan, FluxError):
                raise AssertionError(f"{about}: is on the bound, and refused: {plan}")
            if plan.model is row:
                at.order(plan)
            return
        same(True, isinstance(plan, Unsupported), f"{about}: is outside, and planned")
        same(field, getattr(plan, "field", "").split(".")[0].split("[")[0], f"{about}: the field that is refused")
        if isinstance(codec, At) and not isinstance(value, tuple):
            status = _sent_raw(at, row, codec, value)
            same(True, 400 <= status < 500, f"{about}: the mock answers {status}")
        same(0, at.service.billed, f"{about}: what was bought")


def _sent_raw(at: Desk, row: Model, codec: "At", value: Json) -> int:
    """The status with which the mock answers a body that holds a value which no client would write."""
    plan = at.plan(row.name)
    document = _with(plan.documents[0], path_of(codec.path), value)
    outgoing = submission(attrs.evolve(plan, documents=(document,)), 0)
    secret = Secret(at.service.key, at.pair.client.key.header, at.pair.client.key.form)
    name, line = secret.header_for(read_link(outgoing.url), outgoing.origins, buys=True)
    headers = {**outgoing.headers, name.decode(): line.decode()}
    body = outgoing.body if isinstance(outgoing.body, bytes) else b"".join(outgoing.body)
    answer = exchange(at.service, outgoing.method, outgoing.url, headers, body)
    status: int = answer.status
    return status


def _with(document: Json, path: Sequence[str], value: Json) -> Json:
    if not path:
        return value
    step, rest = path[0], path[1:]
    inner = document.get(step, {}) if isinstance(document, dict) else {}
    return {**(document if isinstance(document, dict) else {}), step: _with(inner, rest, value)}

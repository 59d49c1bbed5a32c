"""Two drafts of one request side by side: what each model does with every field, and what would come and cost."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from .._contract.amount import Amount
from .._contract.report import Outcome
from .._contract.request import Request
from .._contract.size import Point, area_factor, aspect_deviation, excess
from .choices import With
from .codec import Codec
from .diff import Change, Diff, DiffRow, Side
from .draft import FIELDS, ORDER, SIZE_FIELDS, Draft
from .json import MISSING
from .lists import Each, Only, Slots
from .places import At
from .price import Stated

#: How well a field is served, the worst first.
RANKS: Mapping[Outcome, int] = {
    outcome: rank
    for rank, outcome in enumerate((Outcome.REFUSED, Outcome.DROPPED, Outcome.APPROXIMATED, Outcome.AS_ASKED))
}

#: Numbers of a scale that is each service's own: the same number means another thing on another scale.
SCALED = ("safety_tolerance",)


def compare(a: Draft, b: Draft, prices: tuple[Stated | None, Stated | None] = (None, None)) -> Diff:
    """What would change if the request of both drafts moved from the model of *a* to that of *b*.

    *prices* are those that the user states for the two, in place of the declared ones.
    """
    before, after = _side(a, prices[0]), _side(b, prices[1])
    rows = (
        _fact("provider", a.provider.name, b.provider.name),
        _fact("model", a.row.name, b.row.name),
        *_fields(a, b),
        *_defaults(a, b),
        _fact("pixels", _pixels(a), _pixels(b), _scaled(a, b)),
        _fact("format", _format(a), _format(b)),
        _fact("price", _text(before.price), _text(after.price), _times(before.price, after.price)),
        _fact("link life", _span(a.provider.link_life), _span(b.provider.link_life)),
        _fact("duration", _span(a.row.duration), _span(b.row.duration)),
    )
    return Diff(before, after, rows)


def _side(draft: Draft, price: Stated | None) -> Side:
    error = draft.refusal() if draft.refusals else None
    refused = [] if error is None else [each.field for each in error.verdicts if each.outcome is Outcome.REFUSED]
    settings = draft.settings()
    return Side(
        provider=draft.provider.name,
        model=draft.row.name,
        pixels=_side_pixels(draft),
        price=None if _homeless(draft) else draft.price(price),
        refused=tuple(_label(draft.request, field) for field in refused),
        refusal=None if error is None else error.message,
        settings=tuple(dict.fromkeys(settings.values())),
        firm=tuple(_label(draft.request, field) for field in refused if field not in settings),
    )


def _side_pixels(draft: Draft) -> tuple[int, int] | None:
    """The width and height that come, None where none do or nobody knows them."""
    known = draft.point is not None and draft.point.known and not _homeless(draft)
    return draft.point.pixels if draft.point is not None and known else None


def _homeless(draft: Draft) -> bool:
    """Whether the size itself is refused, so that there are no pixels to speak of."""
    return any(field in draft.refusals for field in SIZE_FIELDS)


# The fields of the request


def _fields(a: Draft, b: Draft) -> Iterator[DiffRow]:
    """A row for each field that the request fills, and for each that a model misses in it."""
    request = a.request
    for name in dict.fromkeys((*ORDER, *request.options, *a.verdicts, *b.verdicts)):
        if name == "n":
            images = f"{request.n} image{'s, a task for each' if request.n > 1 else ''}"
            yield _fact("n", images, images)
        elif name in a.verdicts or name in b.verdicts:
            yield DiffRow(_label(request, name), _does(a, name), _does(b, name), _change(a, b, name))


def _label(request: Request, name: str) -> str:
    """An option may be called like anything else in the table."""
    return f"options.{name}" if name in request.options else name


def _does(draft: Draft, name: str) -> str:
    """What a model does with a field, in words."""
    verdict = draft.verdicts.get(name)
    if verdict is None:
        return "not asked"
    note = verdict.note
    if name in SIZE_FIELDS:  # the pixels have a row of their own
        refused = verdict.outcome is Outcome.REFUSED
        note = note.partition(", then ")[0] if refused else note.partition(", ")[2]
    elif verdict.outcome is Outcome.AS_ASKED and name == "references":
        most = _most(draft.codecs[name])
        note = note if most is None else f"{note}; at most {most}"
    elif verdict.outcome is Outcome.AS_ASKED and (name in SCALED or name in draft.request.options):
        note = draft.codecs[name].allowed
    return f"{verdict.outcome} ({note})" if note else str(verdict.outcome)


def _change(a: Draft, b: Draft, name: str) -> Change:
    """How much better or worse *b* serves a field."""
    before, after = _outcome(a, name), _outcome(b, name)
    if RANKS[after] > RANKS[before]:
        return Change.GAINED
    if RANKS[after] < RANKS[before]:
        return Change(after)
    if _does(a, name) == _does(b, name):
        return Change.SAME
    if after is Outcome.APPROXIMATED and a.point and b.point and _miss(b, b.point, name) > _miss(a, a.point, name):
        return Change.APPROXIMATED
    return Change.DIFFERS


def _outcome(draft: Draft, name: str) -> Outcome:
    """What is not asked of a model is as asked."""
    verdict = draft.verdicts.get(name)
    return Outcome.AS_ASKED if verdict is None else verdict.outcome


def _miss(draft: Draft, point: Point, name: str) -> float:
    """How far the size is from the one asked, in the part that a field speaks of; the measure is that of the search."""
    want = draft.request.want
    shape = 100 * math.log1p(aspect_deviation(want, point))
    extent = abs(math.log(area_factor(want, point)))
    return {"aspect": shape, "resolution": extent}.get(name, shape + extent)


def _most(codec: Codec) -> int | None:
    """How many references a model takes, None where nobody says it."""
    match codec:
        case Each(most=most):
            return most
        case Slots(keys=keys):
            return len(keys)
        case Only():
            return 1
        case At(inner=inner) | With(inner=inner):
            return _most(inner)
    return None


# What comes, and what it costs


def _defaults(a: Draft, b: Draft) -> Iterator[DiffRow]:
    """What each service does of itself where the request says nothing, if one of them says so."""
    own = [name for name in FIELDS if name not in ("prompt", "references")]
    others = sorted({name for draft in (a, b) for name in draft.codecs} - {*FIELDS, "size"})
    for name in (*own, *others):
        if name not in a.verdicts and name not in b.verdicts and (_default(a, name) or _default(b, name)):
            yield _fact(name if name in own else f"options.{name}", _unasked(a, name), _unasked(b, name))


def _default(draft: Draft, name: str) -> str | None:
    """What a service takes where nothing is said; None if nobody says it."""
    value: Any = getattr(draft.codecs.get(name), "default", MISSING)
    if value is MISSING:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unasked(draft: Draft, name: str) -> str:
    if name not in draft.codecs:
        return "has none"
    return f"not asked, {_default(draft, name) or 'its own choice'}"


def _pixels(draft: Draft) -> str | None:
    if draft.point is not None and _homeless(draft):
        return "none"
    if draft.point is None or not draft.point.known:
        return None
    text = " or ".join(f"{width}x{height}" for width, height in draft.point.expected)
    return text if draft.point.documented else f"{text}, not documented"


def _scaled(a: Draft, b: Draft) -> str:
    """How the size of *b* compares with that of *a*."""
    before, after = _side_pixels(a), _side_pixels(b)
    if before is None or after is None or before == after:
        return ""
    (width, height), (wide, high) = before, after
    ratio = excess(wide * height, high * width)
    area = f"{wide * high / (width * height):.2f} times the area"
    return f"{area}, ratio {ratio:.1%} off" if ratio >= 0.0005 else area


def _format(draft: Draft) -> str | None:
    """The format of the image: the one asked for, or the one that the service delivers of itself."""
    verdict = draft.verdicts.get("output_format")
    if verdict is not None and verdict.outcome is Outcome.AS_ASKED:
        return str(verdict.sent)
    return draft.row.delivers or _default(draft, "output_format")


def _text(price: Amount | None) -> str | None:
    return None if price is None else str(price)


def _times(one: Amount | None, other: Amount | None) -> str:
    if one is None or other is None or one.currency != other.currency or not one.number or one == other:
        return ""
    return f"{other.number / one.number:.2f} times"


def _span(seconds: float | None) -> str | None:
    """A time in the unit in which one says it."""
    if seconds is None:
        return None
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def _fact(field: str, a: str | None, b: str | None, note: str = "") -> DiffRow:
    """A row about something that is known or not: None is unknown."""
    if a == b:
        change = Change.SAME
    elif a is None:
        change = Change.GAINED
    else:
        change = Change.LOST if b is None else Change.DIFFERS
    return DiffRow(field, a or "unknown", b or "unknown", change, note)

"""A model's attempt at a request, from which a plan or a refusal is made."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal, get_args

import attrs

from .._contract.media import format_named
from .._contract.report import Outcome, Report, Verdict, shorten
from .._contract.request import Request
from .._contract.size import Point, Want, area_factor, aspect_deviation
from ..errors import Unsupported
from .codecs import At, Form
from .declaration import Model, Provider
from .json import MISSING, Json, Path, Problem, Unfit, merge, plant
from .nearest import nearest
from .scalars import Codec, Whole

Fit = Literal["close", "exact", "nearest"]
FITS: tuple[Fit, ...] = get_args(Fit)

#: How far, as a fraction, an unnamed ratio may be from the one asked under ``fit="close"``.
TOLERANCE = 0.02

#: Fields that a user may give up where a provider lacks them. Everything else is substance and never dropped.
WISHES = ("seed", "enhance_prompt", "safety_tolerance", "output_format")

#: The fields of a request that a form may hold under the same name.
FIELDS = ("prompt", "seed", "references", "enhance_prompt", "safety_tolerance", "output_format", "webhook_url")

SIZE_FIELDS = ("aspect", "resolution", "size")

#: The order of a report, which is that of a request; options come after these.
ORDER = ("prompt", *SIZE_FIELDS, "n", *FIELDS[1:])


@attrs.frozen(eq=False)
class _Refusal:
    """Why a field is refused: what the model cannot do, what it can, and the setting that lets the request through."""

    cannot: str
    allowed: str
    effect: str = ""
    setting: str | None = None

    def lines(self, model: str) -> Iterator[str]:
        yield f"{model} cannot {self.cannot}."
        yield f"  Allowed: {self.allowed}."
        if self.setting:
            yield f"  {self.effect}: {self.setting}"


class Draft:
    """One model's attempt at a request: a verdict on every field, and either refusals or the documents."""

    def __init__(self, provider: Provider, row: Model, request: Request, fit: Fit, drops: frozenset[str]) -> None:
        self.provider, self.row, self.request, self.fit, self.drops = provider, row, request, fit, drops
        self.codecs: Mapping[str, Codec] = dict(row.form.fields)
        self.verdicts: dict[str, Verdict] = {}
        self.refusals: dict[str, _Refusal] = {}
        self.values: tuple[Mapping[str, Any], ...] = ()
        self.documents: tuple[Json, ...] = ()
        self.point: Point | None = None
        self.size: Mapping[str, Any] = {}
        self._choose_size()
        self._judge_size()
        self._write(self._asked())
        if request.n > 1:
            self.verdicts["n"] = Verdict("n", Outcome.AS_ASKED, request.n, request.n, "a task for each")

    def _choose_size(self) -> None:
        space, want = self.row.sizes, self.request.want
        if "size" in self.codecs and (space.default is not None or want != Want()):
            self.point = nearest(space, want)
            self.size = {"size": self.point.choice}
        elif space.default is not None:
            self.point = space.point(space.default)

    def _judge_size(self) -> None:
        want, point = self.request.want, self.point
        if point is None:
            for field in SIZE_FIELDS:
                if (asked := getattr(self.request, field)) is not None:
                    self._without(field, asked, "nothing, the service decides on the size")
            return
        deviation, factor = aspect_deviation(want, point), area_factor(want, point)
        if want.resolution is not None and want.resolution == point.resolution:
            factor = 1.0  # the service's own name for an area means the area that it has there
        named = want.aspect is not None and point.names(want.aspect)
        exact, far = self.fit == "exact", deviation > TOLERANCE and not named
        other = point.expected != (want.pixels,)  # other pixels than those asked for may come
        for field, same, strays, *missed in (
            ("aspect", named or deviation == 0, deviation > 0 if exact else far, deviation, 1.0),
            ("resolution", abs(factor - 1) <= TOLERANCE, exact and factor != 1, 0.0, factor),
            ("size", want.pixels == point.pixels, other if exact else far, deviation, factor),
        ):
            asked = getattr(self.request, field)
            if asked is None:
                continue
            note = _missed(point, *missed)
            if strays and self.fit != "nearest":
                cannot = f"serve {field} = {shorten(asked)}{' exactly' if exact else ''}: the nearest is {note}"
                setting = f'fit = "{"nearest" if far else "close"}"'
                self._refuse(field, _Refusal(cannot, self.row.sizes.allowed(), "To take the nearest", setting))
            else:
                outcome = Outcome.AS_ASKED if same else Outcome.APPROXIMATED
                self.verdicts[field] = Verdict(field, outcome, asked, point.choice, note)

    def _asked(self) -> dict[str, Any]:
        """The values that the form has a place for; the others are dropped or refused."""
        asked: dict[str, Any] = {}
        for field in FIELDS:
            value = getattr(self.request, field)
            if value is None or value == ():
                continue
            if field not in self.codecs:
                self._without(field, value, f"nothing, the model has no {field}")
            else:
                asked[field] = (format_named(value) or value) if field == "output_format" else value
        options = [name for name in self.codecs if name not in (*FIELDS, "size")]
        for name, value in self.request.options.items():
            if name in options:
                asked[name] = value
            else:
                allowed = f"the options {', '.join(options)}" if options else "nothing, the model has no options"
                self._without(name, value, allowed)
        return asked

    def _write(self, asked: dict[str, Any]) -> None:
        """Writes the documents; what does not fit is dropped or refused, and the rest tried, so that all is named."""
        try:
            self._write_series({**asked, **self.size})
        except Unfit as error:
            for problem in error.problems:
                self._judge_unfit(problem)
            left = {field: value for field, value in asked.items() if field not in self.verdicts}
            if len(left) < len(asked):
                self._write(left)
            return
        for field, value in asked.items():
            self.verdicts[field] = Verdict(field, Outcome.AS_ASKED, self._given(field), value)
        webhook = self.provider.webhook
        if "webhook_url" in asked and webhook is not None and webhook.suffix:
            address, note = self.request.webhook_url, f"the service adds {webhook.suffix} to it"
            self.verdicts["webhook_url"] = Verdict("webhook_url", Outcome.AS_ASKED, address, address, note)
        if "seed" in asked and self.request.n > 1:
            seeds = tuple(values["seed"] for values in self.values)
            note = f"{seeds[0]} to {seeds[-1]}, one for each image"
            self.verdicts["seed"] = Verdict("seed", Outcome.AS_ASKED, self.request.seed, seeds, note)

    def _write_series(self, values: dict[str, Any]) -> None:
        """Writes a document for each of the n tasks. They share all but the seed: references may be large."""
        count = self.request.n
        document = self.row.request.write(values)
        self.values, self.documents = (values,) * count, (document,) * count
        if "seed" in values and count > 1:
            codec = self.codecs["seed"]
            self.values = tuple({**values, "seed": seed} for seed in _seeds(codec, values["seed"], count))
            self.documents = tuple(restated(self.row, document, "seed", each["seed"]) for each in self.values)

    def _judge_unfit(self, problem: Problem) -> None:
        field, allowed = problem.field, self.codecs[problem.field].allowed
        if problem.given is not MISSING:
            self._without(field, problem.given, allowed)
        elif field not in self.refusals:  # or else it is missed only because it was refused
            self._refuse(field, _Refusal(f"do without {field}", allowed))

    def _without(self, field: str, value: Any, allowed: str) -> None:
        """Drops a field whose *value* cannot be sent if that is set, and refuses it otherwise."""
        if field in self.drops:
            self.verdicts[field] = Verdict(field, Outcome.DROPPED, self._given(field), note=f"allowed: {allowed}")
            return
        setting = f'unsupported = {{ {field} = "drop" }}' if field in WISHES else None
        self._refuse(
            field, _Refusal(f"serve {_shown(field, value)}", allowed, "To send the request without it", setting)
        )

    def _refuse(self, field: str, refusal: _Refusal) -> None:
        self.refusals[field] = refusal
        self.verdicts[field] = Verdict(field, Outcome.REFUSED, self._given(field), note=f"allowed: {refusal.allowed}")

    def _given(self, field: str) -> Any:
        """What the request holds."""
        return self.request.options.get(field, getattr(self.request, field, None))

    def report(self) -> Report:
        """The verdicts, in the order of a request."""
        fields = dict.fromkeys((*ORDER, *self.request.options, *self.verdicts))
        return Report(tuple(self.verdicts[field] for field in fields if field in self.verdicts))

    def price(self) -> Decimal | None:
        """What all images cost in US dollars, None where it is unknown."""
        if self.row.price is None or self.point is None:
            return None
        each = self.row.price.of(self.point.pixels, len(self.request.references))
        return None if each is None else each * self.request.n

    def refusal(self) -> Unsupported:
        """The error that names every refused field."""
        report = self.report()
        refused = report.of(Outcome.REFUSED)
        name = f"{self.provider.name}:{self.row.name}"
        first = refused[0]
        return Unsupported(
            "\n".join(line for verdict in refused for line in self.refusals[verdict.field].lines(name)),
            field=first.field,
            asked=first.asked,
            allowed=self.refusals[first.field].allowed,
            setting=self.refusals[first.field].setting,
            verdicts=report.verdicts,
            provider=self.provider.name,
            model=self.row.name,
        )


def _seeds(codec: Codec, first: int, count: int) -> Iterator[int]:
    """*count* seeds from *first* on; after the highest that *codec* takes comes its lowest."""
    inner: Any = codec
    while inner is not None and not isinstance(inner, Whole):
        inner = getattr(inner, "inner", None)
    for seed in range(first, first + count):
        if inner is None or inner.first is None or inner.last is None:
            yield seed
        else:
            yield inner.first + (seed - inner.first) % (inner.last - inner.first + 1)


def restated(row: Model, document: Json, field: str, value: Any) -> Json:
    """The document of a request to the model *row* in which one field has another value."""
    alone = Form({field: row.form.get(field)})
    return merge(document, plant(_steps(row.request), alone.write({field: value})))


def _steps(codec: Any) -> Path:
    """The way from a document to the fields of the form in it."""
    steps: Path = ()
    while not isinstance(codec, Form):
        steps += codec.steps if isinstance(codec, At) else ()
        codec = codec.inner
    return steps


def _shown(field: str, value: Any) -> str:
    if field == "references" and isinstance(value, tuple):
        return f"{len(value)} reference{'s' if len(value) > 1 else ''}"
    return f"{field} = {shorten(value)}"


def _missed(point: Point, deviation: float, factor: float) -> str:
    """The pixels of *point*, and how far they are from what was asked."""
    width, height = point.pixels
    parts = [f"{width}x{height}"]
    if deviation >= 0.0005:
        parts.append(f"ratio {deviation:.1%} off")
    if abs(factor - 1) > TOLERANCE:
        parts.append(f"{factor:.2f} times the area")
    if not point.documented:
        parts.append("pixels not documented")
    return ", ".join(parts)

"""A model's attempt at a request, from which a plan or a refusal is made."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import attrs

from .._contract.amount import Amount
from .._contract.media import format_named
from .._contract.report import Outcome, Report, Verdict, shorten, showable
from .._contract.request import Request
from .._contract.size import Point, Want, area_factor, aspect_deviation
from ..errors import Unsupported
from .carriage import Obstacle, Ways, note, shown
from .codec import Codec
from .declaration import Model, Provider
from .json import MISSING, Json, Problem, Unfit
from .nearest import Space, nearest, runners_up
from .price import Stated, price_of
from .series import seeds, spread

Fit = Literal["close", "exact", "nearest"]
FITS: tuple[Fit, ...] = get_args(Fit)

#: How far, as a fraction, an unnamed ratio may be from the one asked under ``fit="close"``.
TOLERANCE = 0.02

#: Fields that a user may give up where a provider lacks them. Everything else is substance and never dropped.
WISHES = ("seed", "enhance_prompt", "safety_tolerance", "output_format")

#: The fields of a request that a form may hold under the same name.
FIELDS = ("prompt", "seed", "references", "enhance_prompt", "safety_tolerance", "output_format", "webhook_url")

SIZE_FIELDS = ("aspect", "resolution", "size")

#: What stands in a form and is no option.
_COMMON = frozenset((*FIELDS, "size"))

_ANY_SIZE = Want()

#: The order of a report, which is that of a request; options come after these.
ORDER = ("prompt", *SIZE_FIELDS, "n", *FIELDS[1:])


@attrs.frozen(eq=False, repr=False)
class _Refusal:
    """Why a field is refused: what the model cannot do, what it can, and the remedy.

    That is a fit that will do, or "drop", or any other *setting* of its own.
    """

    cannot: str
    allowed: str
    remedy: Literal["close", "nearest", "drop"] | None = None
    setting: str | None = None


class Draft:
    """One model's attempt at a request: a verdict on every field, and either refusals or the documents."""

    def __init__(
        self, provider: Provider, row: Model, request: Request, *, fit: Fit, drops: frozenset[str], ways: Ways
    ) -> None:
        self.provider, self.row, self.request = provider, row, request
        self.fit, self.drops, self.ways = fit, drops, ways
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
        if "size" in self.codecs and (space.default is not None or want != _ANY_SIZE):
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
        if not point.known or (want.resolution is not None and want.resolution == point.resolution):
            factor = 1.0  # nobody knows it, or the service's own name for an area means the area that it has there
        named = want.aspect is not None and point.names(want.aspect)
        exact, far = self.fit == "exact", deviation > TOLERANCE and not named
        other = point.expected != (want.pixels,)  # other pixels than those asked for may come
        inexact = factor != 1 or not point.known
        for field, same, strays, *missed in (
            ("aspect", named or deviation == 0, deviation > 0 if exact else far, deviation, 1.0),
            ("resolution", point.known and abs(factor - 1) <= TOLERANCE, exact and inexact, 0.0, factor),
            ("size", point.known and want.pixels == point.pixels, other if exact else far, deviation, factor),
        ):
            asked = getattr(self.request, field)
            if asked is None:
                continue
            off = _missed(point, *missed)
            if strays and self.fit != "nearest":
                near = _nearest(self.row.sizes, want, point, off) if far else f"the nearest is {off}"
                cannot = f"serve {field} = {shorten(asked)}{' exactly' if exact else ''}: {near}"
                self._refuse(
                    field, _Refusal(cannot, self.row.sizes.allowed(), "nearest" if far else "close"), note=near
                )
            else:
                outcome = Outcome.AS_ASKED if same else Outcome.APPROXIMATED
                self.verdicts[field] = Verdict(field, outcome, asked, point.choice, off)

    def _asked(self) -> dict[str, Any]:
        """The values that the form has a place for; the others are dropped or refused."""
        asked: dict[str, Any] = {}
        for field in FIELDS:
            value = getattr(self.request, field)
            if value is None or value == ():
                continue
            if field not in self.codecs:
                self._without(field, value, f"nothing, the model has no {field}")
            elif field == "references":
                carried, obstacles = self.ways.carry(self.codecs[field], value)
                if obstacles:
                    self._block(obstacles)
                else:
                    asked[field] = carried
            else:
                asked[field] = (format_named(value) or value) if field == "output_format" else value
        options = [name for name in self.codecs if name not in _COMMON]
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
                return  # or else the form misses something, and all that is there fits
        for field, value in asked.items():
            said = note(value, self.ways.upload) if field == "references" else ""
            self.verdicts[field] = Verdict(field, Outcome.AS_ASKED, self._given(field), showable(field, value), said)
        webhook = self.provider.webhook
        if "webhook_url" in asked and webhook is not None and webhook.suffix:
            address, said = self.request.webhook_url, f"the service adds {webhook.suffix} to it"
            self.verdicts["webhook_url"] = Verdict("webhook_url", Outcome.AS_ASKED, address, address, said)
        if "seed" in asked and self.request.n > 1 and self.values:
            each = tuple(values["seed"] for values in self.values)
            said = f"{each[0]} to {each[-1]}, one for each image"
            self.verdicts["seed"] = Verdict("seed", Outcome.AS_ASKED, self.request.seed, each, said)

    def _write_series(self, values: dict[str, Any]) -> None:
        """Writes a document for each of the n tasks."""
        count, document = self.request.n, self.row.request.write(values)
        self.values = (values,) * count
        if "seed" in values and count > 1:
            self.values = tuple({**values, "seed": seed} for seed in seeds(self.codecs["seed"], values["seed"], count))
        self.documents = spread(self.row, document, self.values)

    def _block(self, obstacles: Sequence[Obstacle]) -> None:
        """Refuses references of which some cannot be sent."""
        allowed = "; ".join(dict.fromkeys(obstacle.allowed for obstacle in obstacles))
        settings = dict.fromkeys(obstacle.setting for obstacle in obstacles)
        setting = next(iter(settings)) if len(settings) == 1 else None
        cannot = f"serve {shown(obstacles)}"
        self._refuse("references", _Refusal(cannot, allowed, setting=setting))

    def _judge_unfit(self, problem: Problem) -> None:
        field, allowed = problem.field, self.codecs[problem.field].allowed
        if problem.given is not MISSING:
            self._without(field, problem.given, allowed)
        elif field not in self.refusals:  # or else it is missed only because it was refused
            self._refuse(field, _Refusal(f"do without {field}", allowed))

    def _without(self, field: str, value: Any, allowed: str) -> None:
        """Drops a field whose *value* cannot be sent if that is set, and refuses it otherwise."""
        if field in self.drops:
            self.verdicts[field] = Verdict(field, Outcome.DROPPED, self._given(field), note=_reason(allowed))
            return
        self._refuse(field, _Refusal(f"serve {_shown(field, value)}", allowed, "drop" if field in WISHES else None))

    def _refuse(self, field: str, refusal: _Refusal, *, note: str | None = None) -> None:
        self.refusals[field] = refusal
        self.verdicts[field] = Verdict(
            field, Outcome.REFUSED, self._given(field), note=note or _reason(refusal.allowed)
        )

    def _given(self, field: str) -> Any:
        """What the request holds, as far as it may be shown."""
        return showable(field, self.request.options.get(field, getattr(self.request, field, None)))

    def report(self) -> Report:
        """The verdicts, in the order of a request."""
        fields = dict.fromkeys((*ORDER, *self.request.options, *self.verdicts))
        return Report(tuple(self.verdicts[field] for field in fields if field in self.verdicts))

    def price(self, stated: Stated | None = None) -> Amount | None:
        """What all images cost, None where it is unknown; what the user has *stated* takes the declared one's place."""
        each = price_of(self.row, self.point, len(self.request.references), stated)
        return None if each is None else each * self.request.n

    def settings(self) -> dict[str, str]:
        """For each refused field that a setting would let through, that setting, as a line of a profile.

        All wishes stand in one line, with those that are dropped already: it takes the place of the line that there is.
        """
        remedies = {field: refusal.remedy for field, refusal in self.refusals.items() if refusal.remedy}
        fit = 'fit = "nearest"' if "nearest" in remedies.values() else 'fit = "close"'
        wishes = [f'{wish} = "drop"' for wish in WISHES if remedies.get(wish) == "drop" or wish in self.drops]
        drop = f"unsupported = {{ {', '.join(wishes)} }}"
        own = {field: refusal.setting for field, refusal in self.refusals.items() if refusal.setting}
        return {**{field: drop if remedy == "drop" else fit for field, remedy in remedies.items()}, **own}

    def refusal(self) -> Unsupported:
        """The error that names every refused field, and once each setting that would let the request through."""
        report = self.report()
        refused = report.of(Outcome.REFUSED)
        name = f"{self.provider.name}:{self.row.name}"
        first, settings = refused[0], self.settings()
        last = {settings.get(verdict.field): verdict.field for verdict in refused}
        it = "them" if sum(refusal.remedy == "drop" for refusal in self.refusals.values()) > 1 else "it"
        lines = []
        for field in (verdict.field for verdict in refused):
            setting = settings.get(field)
            lines += [f"{name} cannot {self.refusals[field].cannot}.", f"  Allowed: {self.refusals[field].allowed}."]
            if setting and last[setting] == field:
                lines.append(f"  To {_effect(setting, it)}: {setting}")
        return Unsupported(
            "\n".join(lines),
            field=first.field,
            asked=first.asked,
            allowed=self.refusals[first.field].allowed,
            setting=settings.get(first.field),
            verdicts=report.verdicts,
            provider=self.provider.name,
            model=self.row.name,
        )


def _shown(field: str, value: Any) -> str:
    if field == "references" and isinstance(value, tuple):
        return f"{len(value)} reference{'s' if len(value) > 1 else ''}"
    return f"{field} = {shorten(showable(field, value))}"


def _effect(setting: str, it: str) -> str:
    """What a setting does, for the sentence that offers it."""
    if setting.startswith("allow_hosts"):
        return "let that host pass, in the user's own file"
    return "take the nearest" if setting.startswith("fit") else f"send the request without {it}"


def _reason(allowed: str) -> str:
    """Why a field is not sent, as a note: nothing is allowed where the model has no such thing."""
    lacks = allowed.startswith("nothing, ")
    return allowed.removeprefix("nothing, ") if lacks else f"allowed: {allowed}"


def _nearest(space: Space, want: Want, point: Point, note: str) -> str:
    """What is nearest to a size that is refused, by the space's own names if it has any: what to ask for instead."""
    if point.aspect is None:
        return f"the nearest is {note}"
    others = [f"{each.aspect} ({aspect_deviation(want, each):.1%} off)" for each in runners_up(space, want, point)]
    return f"the nearest is {point.aspect} ({note}){', then ' if others else ''}{' and '.join(others)}"


def _missed(point: Point, deviation: float, factor: float) -> str:
    """The pixels of *point*, and how far they are from what was asked."""
    parts = [f"{point.width}x{point.height}" if point.known else f"{point.aspect}, pixels not known"]
    if deviation >= 0.0005:
        parts.append(f"ratio {deviation:.1%} off")
    if abs(factor - 1) > TOLERANCE:
        parts.append(f"{factor:.2f} times the area")
    if point.known and not point.documented:
        parts.append("pixels not documented")
    return ", ".join(parts)

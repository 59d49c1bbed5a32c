"""Drift: in what a service does not answer as it is known to, and what of that is allowed for now."""

import datetime as dt
from collections.abc import Iterable, Iterator

import attrs

from ..errors import SettingsError
from .finding import day_of, said_as_text
from .shape import ABSENT, Shape, above, merged
from .trace import Exchange, Trace, rank_of
from .written import tables_of, value_of


@attrs.frozen
class Drift:
    """One thing that is not as it is known: of a *kind*, at a *place*. *more* is what helps to understand it.

    An allowance names it by both, ``"new field: poll completed data.error"``.
    """

    kind: str
    place: str
    more: str = attrs.field(default="", eq=False)

    @property
    def name(self) -> str:
        """What an allowance calls it."""
        return f"{self.kind}: {self.place}"

    def __str__(self) -> str:
        return f"{self.name} ({self.more})" if self.more else self.name


@attrs.frozen
class Allowance:
    """A *drift* that is known, with the *reason* why it is no matter, since which *date*, and when that *expires*."""

    drift: str = attrs.field(validator=said_as_text)
    reason: str = attrs.field(validator=said_as_text)
    date: dt.date = attrs.field(converter=day_of)
    expires: dt.date | None = attrs.field(default=None, converter=attrs.converters.optional(day_of))

    def __str__(self) -> str:
        until = "" if self.expires is None else f", until {self.expires}"
        return f"since {self.date}{until}: {self.reason}"


@attrs.frozen
class Judgement:
    """What was found, beside what is allowed: *new* drifts, *allowed* ones, and those whose allowance is *expired*.

    Allowances that are *gone* are of no drift that was found. That is said, and no failure: not every task goes through
    every state.
    """

    new: tuple[Drift, ...] = ()
    allowed: tuple[tuple[Drift, Allowance], ...] = ()
    expired: tuple[tuple[Drift, Allowance], ...] = ()
    gone: tuple[Allowance, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether somebody has to act."""
        return bool(self.new or self.expired)

    @property
    def lines(self) -> tuple[str, ...]:
        """What there is to say, a line each."""
        return (
            *(f"drift: {drift}" for drift in self.new),
            *(f"expired: {drift}, allowed {allowance}" for drift, allowance in self.expired),
            *(f"allowed: {drift}, {allowance}" for drift, allowance in self.allowed),
            *(f"gone: {allowance.drift}, allowed {allowance}" for allowance in self.gone),
        )


def judged(drifts: Iterable[Drift], allowances: Iterable[Allowance], today: dt.date) -> Judgement:
    """What of the drifts is allowed today. An allowance holds for one drift, and to the end of the day it expires."""
    by_name = {each.drift: each for each in allowances}
    new, allowed, expired = [], [], []
    for drift in drifts:
        allowance = by_name.pop(drift.name, None)
        if allowance is None:
            new.append(drift)
        elif allowance.expires is not None and allowance.expires < today:
            expired.append((drift, allowance))
        else:
            allowed.append((drift, allowance))
    return Judgement(tuple(new), tuple(allowed), tuple(expired), tuple(by_name.values()))


def drifts(expected: Trace, seen: Trace, *, known: Trace | None = None) -> tuple[Drift, ...]:
    """In what a trace that was *seen* differs from the *expected* one.

    States that the seen task did not go through are no drift: a quick task is done at the first look. What was *known*
    beside, such as by samples, is no drift either.

    Raises ``SettingsError`` if they are of two models, or asked for different things.
    """
    for name in ("provider", "model", "request"):
        one, other = getattr(expected, name), getattr(seen, name)
        if one != other:
            raise SettingsError(
                f"The traces cannot be compared: the {name} of one is {one!r:.200}, and of the other {other!r:.200}. "
                "Allowed: two of the same. Record it again."
            )
    found = (
        *_of_calls(expected, seen),
        *_of_states(expected, seen),
        *_of_shapes(expected, seen, known),
        *_of_images(expected, seen),
    )
    return tuple(dict.fromkeys(found))


def _of_calls(expected: Trace, seen: Trace) -> Iterator[Drift]:
    """The calls themselves: where they go, and what is sent."""
    for each in seen.exchanges:
        there = [one for one in expected.exchanges if one.route == each.route]
        calls = {(one.method, one.path) for one in there}
        if there and (each.method, each.path) not in calls:
            yield Drift("other call", f"{each.route} {each.method} {each.path}")
        for drift in _between(merged(one.sent for one in there), each.sent, None) if there and each.sent else ():
            yield attrs.evolve(drift, kind=f"{drift.kind} sent", place=f"{each.route} {drift.place}")


def _of_states(expected: Trace, seen: Trace) -> Iterator[Drift]:
    for each in seen.exchanges:
        if not each.state and each.status < 300:
            yield Drift("unknown answer", f"{each.route} {each.status}", "it says nothing of the task")
        for word in each.words:
            if word not in expected.words:
                yield Drift("unknown status word", f"{each.route} {word}", f"taken as {each.state}")
    for before, after in zip(seen.states, seen.states[1:], strict=False):
        if rank_of(after) < rank_of(before):
            yield Drift("status goes back", f"{before} to {after}")
    if expected.states[-1:] != seen.states[-1:]:
        yield Drift("other end", " ".join(seen.states[-1:]) or "none", f"{' '.join(expected.states[-1:])} expected")


def _of_shapes(expected: Trace, seen: Trace, known: Trace | None) -> Iterator[Drift]:
    for each in seen.exchanges:
        there = _alike(expected, each)
        if not each.state or not there:  # an error that passed, or a route that is not known there
            continue
        beside = merged(one.said for one in _alike(known, each)) if known is not None else None
        for drift in _between(merged(one.said for one in there), each.said, beside):
            yield attrs.evolve(drift, place=f"{each.route} {each.state} {drift.place}".rstrip())


def _alike(trace: Trace, exchange: Exchange) -> tuple[Exchange, ...]:
    """What a trace knows of a situation; of a state that it did not go through, what it knows of the route."""
    return trace.of(exchange.route, exchange.state) or trace.of(exchange.route)


def _between(expected: Shape, seen: Shape, known: Shape | None) -> Iterator[Drift]:
    """How a shape differs. Of what is new or missing with all that is in it, only the uppermost is said."""
    beside = known or {}
    for place, kinds in seen.items():
        other = tuple(kind for kind in kinds if kind not in (*expected.get(place, ()), *beside.get(place, ()), ABSENT))
        if place in expected or place in beside:
            for kind in other:
                was = ", ".join(each for each in expected.get(place, beside.get(place, ())) if each != ABSENT)
                yield Drift("other type", f"{place} is {kind}".strip(), f"{was} expected")
        elif _is_new(place, expected, beside):
            yield Drift("new field", place, ", ".join(kind for kind in kinds if kind != ABSENT))
    for place, kinds in expected.items():
        if not place or ABSENT in kinds or ABSENT in beside.get(place, ()):  # it need not be there
            continue
        if place not in seen:
            if above(place) in seen and not _changed(expected, seen, above(place)):
                yield Drift("missing field", place, f"{', '.join(kinds)} expected")
        elif ABSENT in seen[place] and ABSENT not in seen.get(above(place), ()):
            yield Drift("missing field", place, f"not always there, {', '.join(kinds)} expected")


def _is_new(place: str, expected: Shape, beside: Shape) -> bool:
    """Whether what holds a place is known, so that the place itself is what is new."""
    holder = above(place)
    return bool({"object", "list"} & {*expected.get(holder, ()), *beside.get(holder, ())})


def _changed(expected: Shape, seen: Shape, place: str) -> bool:
    """Whether what holds the missing is of another kind now, so that this is said and not what it held."""
    return not {*expected[place]} & {*seen[place]} & {"object", "list"}


def _of_images(expected: Trace, seen: Trace) -> Iterator[Drift]:
    if not seen.formats:
        if expected.states[-1:] == seen.states[-1:] == ("completed",) and seen.origin == "live":
            yield Drift("no image", "completed")
        return
    for width, height in seen.pixels:
        if expected.pixels and (width, height) not in expected.pixels:
            yield Drift("other pixels", f"{width}x{height}", " or ".join(f"{w}x{h}" for w, h in expected.pixels))
    for media_type in seen.formats:
        if expected.formats and media_type not in expected.formats:
            yield Drift("other format", media_type, " or ".join(expected.formats))


def read_allowances(path: str | None) -> dict[str, tuple[Allowance, ...]]:
    """What drift is allowed, by the providers of a TOML file; raises ``SettingsError`` if it is none."""
    if path is None:
        return {}
    allowed = "[[PROVIDER]] with drift, reason, date, and perhaps expires"
    found: dict[str, tuple[Allowance, ...]] = {}
    for name, rows in tables_of(path, what="allowances", allowed=allowed).items():
        try:
            found[name] = tuple(value_of(Allowance, row) for row in rows)
        except ValueError as error:
            raise SettingsError(f"An allowance of {name} in {path}: {error}. Allowed: {allowed}.") from None
        names = [each.drift for each in found[name]]
        if twice := [each for each in names if names.count(each) > 1]:
            raise SettingsError(f"There are two allowances of {name} for {twice[0]!r} in {path}. Allowed: one.")
    return found

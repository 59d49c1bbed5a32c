"""The faults that are armed: for whom, how often, with which dice; and how one is written in a line."""

import contextlib
import random
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import attrs

from fluxkit._contract.by_fields import shown_by_fields
from fluxkit._contract.report import shorten
from fluxkit._wire.declaration import Provider

from .faults import FAULTS, Fault

#: What a fault is kept to: facts of the request and what they are, or a function of these facts.
Match = Mapping[str, Any] | Callable[[Mapping[str, Any]], bool]

#: The facts of a request beside its values.
WHOSE = ("provider", "model")

#: How a fault is written in a line.
GRAMMAR = "NAME[:RATE][:xTIMES][:#TASK][:FACT=VALUE]"


@shown_by_fields
@attrs.define(eq=False, repr=False)
class Armed:
    """A fault that may strike: *struck* is how often it has, *left* how often it still may, None without an end."""

    fault: Fault
    times: int | None
    rate: float
    task: int | str | None
    match: Match | None
    providers: frozenset[str]
    _dice: random.Random = attrs.field(repr=False)
    struck: int = 0

    @property
    def name(self) -> str:
        """The name of the fault."""
        return self.fault.name

    @property
    def dice(self) -> Any:
        """How its dice lie, as JSON; None where none are thrown."""
        return self._dice.getstate() if self.rate < 1 else None

    @dice.setter
    def dice(self, lie: Any) -> None:
        if lie is not None:
            self._dice.setstate((lie[0], tuple(lie[1]), lie[2]))

    @property
    def left(self) -> int | None:
        """How often it may still strike, None without an end."""
        return None if self.times is None else self.times - self.struck

    def strikes(self, number: int, id: str | None, facts: Mapping[str, Any]) -> bool:
        """Whether it strikes at this chance: dice are thrown only for whom it is meant."""
        if self.left == 0 or facts["provider"] not in self.providers:
            return False
        if self.task is not None and self.task not in (number, id):
            return False
        if self.match is not None and not _fits(self.match, facts):
            return False
        if self.rate < 1 and self._dice.random() >= self.rate:
            return False
        self.struck += 1
        return True


def _fits(match: Match, facts: Mapping[str, Any]) -> bool:
    if callable(match):
        return bool(match(facts))
    return all(_is(wanted, facts.get(name)) for name, wanted in match.items())


def _is(wanted: Any, fact: Any) -> bool:
    if wanted == fact:
        return True
    said = str(fact).lower() if isinstance(fact, bool) else str(fact)
    return isinstance(wanted, str) and fact is not None and fnmatchcase(said, wanted)


class Faults:
    """The faults that are armed. Each has dice of its own: the same seed and the same calls, the same mishaps."""

    def __init__(self, providers: Sequence[Provider], seed: int) -> None:
        """None is armed yet, of a mock of *providers*."""
        self._providers = tuple(providers)
        self._seed = seed
        self._armed: list[Armed] = []
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._armed)

    @property
    def armed(self) -> tuple[Armed, ...]:
        """Those that are armed, in the order in which they were."""
        return tuple(self._armed)

    def arm(
        self,
        name: str,
        *,
        times: int | None = None,
        rate: float = 1.0,
        task: int | str | None = None,
        match: Match | None = None,
    ) -> Armed:
        """Lets a fault strike; ``ValueError`` for one that cannot, with what is allowed."""
        fault = FAULTS.get(name) if isinstance(name, str) else None
        if fault is None:
            raise ValueError(f"There is no fault {name!r}.{_closest(name, FAULTS)} Allowed: {', '.join(FAULTS)}.")
        if not (_is_number(rate) and 0 < rate <= 1):
            raise ValueError(f"rate is {rate!r}. Allowed: a number above 0 and up to 1.")
        if times is not None and not (_is_whole(times) and times >= 1):
            raise ValueError(f"times is {times!r}. Allowed: a whole number from 1, however often without it.")
        self._check_task(fault, task)
        self._check_match(match)
        providers = self._whom(fault, match)
        self._count += 1
        dice = random.Random(f"{self._seed}:{self._count}:{name}")
        armed = Armed(fault, times, float(rate), task, match, providers, dice)
        self._armed.append(armed)
        return armed

    def _check_task(self, fault: Fault, task: int | str | None) -> None:
        if task is not None and not (_is_whole(task) and int(task) >= 1) and not (isinstance(task, str) and task):
            raise ValueError(f"task is {task!r}. Allowed: the number of a task, from 1, or its id.")
        if isinstance(task, str) and fault.moment in ("submit", "task"):
            raise ValueError(
                f"{fault.name} strikes before the task has an id that could be known; task is {task!r}. "
                "Give its number: the first task that is accepted is 1."
            )

    def _check_match(self, match: Match | None) -> None:
        if match is None or callable(match):
            return
        if not isinstance(match, Mapping) or not match:
            raise ValueError(f"match is {match!r}. Allowed: facts of a request and what they are, or a function.")
        known = {*WHOSE, *(name for each in self._providers for row in each.models for name, _ in row.form.fields)}
        for name in match:
            if name not in known:
                raise ValueError(
                    f"match names {name!r}, which no request has.{_closest(name, known)} "
                    f"Allowed: {', '.join(sorted(known))}."
                )

    def _whom(self, fault: Fault, match: Match | None) -> frozenset[str]:
        """The services that the fault is meant for and that can have it."""
        wanted = match["provider"] if isinstance(match, Mapping) and "provider" in match else "*"
        meant = [each for each in self._providers if _is(wanted, each.name)]
        if not meant:
            served = ", ".join(each.name for each in self._providers)
            raise ValueError(f"match names the provider {wanted!r}, which is not served. Served: {served}.")
        obstacles = {each.name: fault.obstacle(each) for each in meant}
        able = frozenset(name for name, obstacle in obstacles.items() if not obstacle)
        if not able:
            told = "; ".join(f"{name}: {obstacle}" for name, obstacle in obstacles.items())
            raise ValueError(f"{fault.name} does not apply to {told}.")
        return able

    def disarm(self, name: str | None = None) -> int:
        """Takes back a fault, or all of them; gives how many were armed. ``ValueError`` if there is no such fault."""
        if name is not None and name not in FAULTS:
            raise ValueError(f"There is no fault {name!r}.{_closest(name, FAULTS)} Allowed: {', '.join(FAULTS)}.")
        before = len(self._armed)
        self._armed = [each for each in self._armed if name is not None and each.name != name]
        return before - len(self._armed)

    @property
    def kept(self) -> dict[str, Any]:
        """What a mock needs that goes on with these, as JSON; a fault for whom a function decides is not among it."""
        told = ("name", "times", "rate", "task", "match", "struck", "dice")
        lasting = (armed for armed in self._armed if not callable(armed.match))
        return {"count": self._count, "armed": [{each: getattr(armed, each) for each in told} for armed in lasting]}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Arms what was ``kept`` of a mock that was here before, as far as there still is such a fault."""
        for facts in kept.get("armed", ()):
            with contextlib.suppress(ValueError):
                armed = self.arm(facts["name"], **{name: facts[name] for name in ("times", "rate", "task", "match")})
                armed.struck, armed.dice = facts["struck"], facts["dice"]
        self._count = kept.get("count", 0)

    def strike(
        self,
        moment: str,
        number: int,
        id: str | None,
        facts: Mapping[str, Any],
        *,
        but: Collection[str] = (),
    ) -> str | None:
        """The name of the fault that strikes at this moment of a task, if one does."""
        for armed in self._armed:
            if armed.fault.moment == moment and armed.name not in but and armed.strikes(number, id, facts):
                return armed.name
        return None


def read_fault(text: str) -> dict[str, Any]:
    """The arguments of ``MockService.fault`` that a line such as ``503:x3`` or ``fail:0.1:prompt=cat*`` stands for.

    After the name, between colons and in any order: ``0.1`` or ``10%`` is a rate, ``x3`` a number of times, ``#2`` the
    number of a task (or its id), ``model=flux-2-*`` a fact of the request. ``ValueError`` says what cannot be read.
    """
    name, *parts = text.strip().split(":")
    order: dict[str, Any] = {"name": name}
    for part in parts:
        key, value = _part(text, part)
        if key == "match" and not order.get("match", {}).keys() & value.keys():
            order["match"] = {**order.get("match", {}), **value}
        elif key in order:
            raise ValueError(f"{shorten(text)} says {key} twice. Allowed: {GRAMMAR}.")
        else:
            order[key] = value
    return order


def _part(text: str, part: str) -> tuple[str, Any]:
    fact, is_fact, value = part.partition("=")
    if is_fact and fact:
        return "match", {fact: value}
    if re.fullmatch(r"#.+", part):
        return "task", int(part[1:]) if re.fullmatch(r"#\d{1,9}", part) else part[1:]
    if re.fullmatch(r"x\d{1,9}", part):
        return "times", int(part[1:])
    if re.fullmatch(r"[2-9]|[1-9]\d{1,8}", part):
        raise ValueError(
            f"{shorten(text)} cannot be read: {part} is no rate, which is at most 1. Did you mean x{part}, so many "
            f"times, or #{part}, the task of that number? Allowed: {GRAMMAR}."
        )
    if re.fullmatch(r"\d{0,9}\.?\d{1,9}", part):
        return "rate", float(part)
    if re.fullmatch(r"\d{0,3}\.?\d{1,9}%", part):
        return "rate", float(part[:-1]) / 100
    raise ValueError(
        f"{shorten(text)} cannot be read: {shorten(part)} is no rate (0.1), no number of times (x3), no task (#2) "
        f"and no fact (model=flux-2-pro). Allowed: {GRAMMAR}."
    )


def _closest(name: object, known: Collection[str]) -> str:
    from difflib import get_close_matches

    like = get_close_matches(str(name), known, n=1)
    return f" Did you mean {like[0]!r}?" if like else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

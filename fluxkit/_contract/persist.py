"""Values as JSON text that outlives a process: versioned, and read strictly, because it may come from a stranger."""

import json
import math
from typing import Any

import attrs
import cattrs

from ..errors import ContractError
from .report import shorten, unread
from .task import State, Task

VERSION = 1

#: How deep unknown keys may nest: what could be read must be writable again, however deep the caller's stack is.
MOST_LEVELS = 64

#: The first second of the year 10000, which no calendar function of Python knows any more.
LAST_SECOND = 253_402_300_800.0


def _strict(kind: type) -> Any:
    """A hook that takes values of *kind* as they are: cattrs itself would make 'None' of None and '17' of 17."""

    def structure(value: Any, _: Any) -> Any:
        if isinstance(value, bool) != (kind is bool) or not isinstance(value, kind):
            raise TypeError(f"expected {kind.__name__}, not {shorten(value)}")
        return value

    return structure


def _seconds(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LAST_SECOND:
        raise TypeError(f"expected seconds since the epoch, not {shorten(value)}")
    return float(value)


def _state(value: Any, _: Any) -> State:
    _strict(str)(value, str)
    return State(value) if value in State.__members__.values() else State.RUNNING


def _sizes(value: Any, _: Any) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(type(side) is int and 0 < side < 1_000_000 for side in pair)
        for pair in value
    ):
        raise TypeError(f"expected a list of width and height pairs, not {shorten(value)}")
    return tuple((width, height) for width, height in value)


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, _strict(kind))
    converter.register_structure_hook(float, _seconds)
    converter.register_structure_hook(State, _state)
    converter.register_structure_hook_func(lambda kind: kind == tuple[tuple[int, int], ...], _sizes)
    return converter


_CONVERTER = _converter()
_KNOWN = tuple(field.name for field in attrs.fields(Task) if field.name != "more")
_ENCODE = json.JSONEncoder(allow_nan=False).encode


def dump(task: Task) -> str:
    """*task* as JSON text, in ASCII; what ``more`` keeps stands beside the known keys again."""
    known = {name: getattr(task, name) for name in _KNOWN}  # JSON has each of them as it is
    return _ENCODE({**task.more, **known, "version": VERSION})


def load_task(text: str) -> Task:
    """The task in *text*; raises ``ContractError`` naming what is wrong with it."""
    try:
        document = json.loads(text, parse_float=_finite, parse_constant=_finite)
        if not isinstance(document, dict):
            raise TypeError(f"expected an object, not {shorten(document)}")
        version = document.pop("version", None)
        if type(version) is not int or version != VERSION:
            raise ValueError(f"version is {shorten(version)}; allowed: {VERSION}")
        more = {key: value for key, value in document.items() if key not in _KNOWN}
        if _nests_deeper(more, MOST_LEVELS):
            raise ValueError(f"it nests deeper than {MOST_LEVELS} levels")
        if document.get("state", State.CREATED) not in State.__members__.values():
            more["state_said"] = document["state"]
        return _CONVERTER.structure({**document, "more": more}, Task)
    except cattrs.BaseValidationError as error:
        reasons = "; ".join(cattrs.transform_error(error, path="", format_exception=_reason)).replace("@ .", "@ ")
        raise ContractError(f"This is no task: {reasons}.") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise ContractError(f"This is no task: {unread(error)}.") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of JSON, or too large a one")
    return number


def _nests_deeper(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        inside = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [item for items in inside for item in items]
    return bool(level)


def _reason(error: BaseException, _: Any) -> str:
    return "missing" if isinstance(error, KeyError) else str(error)

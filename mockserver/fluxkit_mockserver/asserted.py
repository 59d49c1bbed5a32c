"""What tests assert of a mock, and what they are told when it is not so: the closest that there was, field by field."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from fluxkit._contract.reference import Reference
from fluxkit._contract.report import shorten
from fluxkit._contract.size import Aspect

from .dialect import Dialect
from .exchange import Exchange

#: How far a ratio may be from the one that is asserted: as far as a plan takes it for the same.
TOLERANCE: Final = 0.02

#: How many charges and exchanges a message lists.
MOST_SHOWN: Final = 10

_ABSENT: Final = object()


def submitted(
    exchanges: Iterable[Exchange], dialects: Iterable[Dialect], *, times: int | None, **wanted: Any
) -> tuple[Exchange, ...]:
    """The submits that bought something and have all the *wanted* fields, if there are as many as there must be.

    Raises ``AssertionError`` if there are not, and ``TypeError`` for a field that no model has.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    _check(wanted, dialects, times)
    seen = tuple(exchanges)
    bought = [each for each in seen if each.bought]
    fitting = tuple(each for each in bought if not _differences(each, wanted))
    if len(fitting) == times or (times is None and fitting):
        return fitting
    raise AssertionError("\n".join(_miss(seen, bought, fitting, wanted, times)))


def billed(charges: Sequence[Any], images: int) -> None:
    """Raises ``AssertionError`` if not as many images were bought."""
    __tracebackhide__ = True
    if len(charges) != images:
        shown = [f"  {each.provider}:{each.model}, task {each.task}" for each in charges[-MOST_SHOWN:]]
        more = [f"  and {len(charges) - MOST_SHOWN} before these"] if len(charges) > MOST_SHOWN else []
        head = f"expected {_counted(images, 'image')} to be bought, and {len(charges) or 'none'} were"
        raise AssertionError("\n".join([f"{head}:" if shown else f"{head}.", *shown, *more]))


def _check(wanted: Mapping[str, Any], dialects: Iterable[Dialect], times: int | None) -> None:
    __tracebackhide__ = True
    allowed = ["provider", "model", "aspect", "resolution"]
    for dialect in dialects:
        for row in dialect.provider.models:
            allowed += [name for name, _ in row.form.fields]
    allowed = list(dict.fromkeys(allowed))
    for name in wanted:
        if name not in allowed:
            import difflib

            near = difflib.get_close_matches(name, allowed, 1)
            hint = f", perhaps meant as {near[0]!r}" if near else ""
            raise TypeError(f"{name!r} is no field of a submit{hint}. Allowed: {', '.join(allowed)}, times.")
    if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 0):
        raise TypeError(f"times is {shorten(times)}. Allowed: a number from 0, or None for at least once.")


def _differences(exchange: Exchange, wanted: Mapping[str, Any]) -> list[str]:
    """Each wanted field that the exchange does not have so, with what it has."""
    fields = {**exchange.fields, "provider": exchange.provider}
    return [
        f"{name}: expected {_said(expected)}, was {_said(fields.get(name, _ABSENT))}"
        for name, expected in wanted.items()
        if not _fits(name, expected, fields)
    ]


def _fits(name: str, expected: Any, fields: Mapping[str, Any]) -> bool:
    actual = fields.get(name, _ABSENT)
    if expected is None:
        return actual is _ABSENT
    if name == "size":
        return _pixels(expected) == actual or bool(expected == actual)
    if name == "aspect" and isinstance(expected, str):
        return expected == actual or _is_about(expected, fields.get("size"))
    if name == "resolution" and isinstance(expected, str) and isinstance(actual, str):
        return expected.upper() == actual.upper()
    if name == "references" and actual is not _ABSENT:
        return len(actual) == expected if isinstance(expected, int) else _referred(expected) == list(map(str, actual))
    return actual is not _ABSENT and bool(expected == actual)


def _pixels(size: Any) -> str:
    width, _, height = str(size).lower().replace("×", "x").partition("x")
    if isinstance(size, tuple | list) and len(size) == 2:
        width, height = map(str, size)
    return f"{width.strip()}x{height.strip()}"


def _is_about(aspect: str, size: Any) -> bool:
    try:
        ratio = Aspect.parse(aspect)
        width, height = map(int, str(size).split("x"))
    except ValueError:
        return False
    return abs(width * ratio.height / (height * ratio.width) - 1) <= TOLERANCE


def _referred(expected: Any) -> list[str]:
    """References as an exchange shows them: by their content, and addresses as they are."""
    told = [Reference.of(each) for each in expected]
    contents = [each if each.url is not None else Reference(content=each.read()) for each in told]
    return [str(each) if each.url is not None else f"Reference({each})" for each in contents]


def _said(value: Any) -> str:
    return "not given" if value is _ABSENT or value is None else shorten(value, 200)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _miss(
    seen: Sequence[Exchange],
    bought: Sequence[Exchange],
    fitting: Sequence[Exchange],
    wanted: Mapping[str, Any],
    times: int | None,
) -> Iterable[str]:
    with_what = " with " + ", ".join(f"{name} {_said(value)}" for name, value in wanted.items()) if wanted else ""
    if fitting or times == 0:
        yield f"expected {_counted(times or 0, 'submit')}{with_what}, and there were {len(fitting)}:"
        yield from (f"  {line_of(each)}" for each in fitting[:MOST_SHOWN])
        return
    what = f"no submit{with_what}" if times is None else f"expected {_counted(times, 'submit')}{with_what}, got none"
    yield f"{what}; {len(bought) or 'none'} of {_counted(len(seen), 'exchange')} bought anything."
    tried = [*bought, *(each for each in seen if not each.bought and (each.problems or each.closest))]
    if not tried:
        yield from (f"  {line_of(each)}" for each in seen[-MOST_SHOWN:])
        return
    nearest = min(tried, key=lambda each: (len(_differences(each, wanted)), not each.bought))
    yield f"The closest is {line_of(nearest)}:"
    yield from (f"  {each}" for each in _differences(nearest, wanted))
    if nearest.problems:
        yield from (f"  refused: {problem}" for problem in nearest.problems)
    elif not nearest.bought:
        yield f"  not understood: did you mean {nearest.closest}?"


def line_of(exchange: Exchange) -> str:
    """An exchange in a line."""
    answered = "dropped" if exchange.status == 0 else f"answered {exchange.status}"
    task = f", task {exchange.task}" if exchange.task else ""
    fault = f", struck by {', '.join(exchange.faults)}" if exchange.faults else ""
    return f"exchange {exchange.number}, {exchange.method} {exchange.path}, {answered}{task}{fault}"

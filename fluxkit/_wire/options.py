"""Options: what only one service has, as its users write them and as its codecs take them."""

from collections.abc import Mapping
from typing import Any

import attrs

from .._contract.report import Outcome, Verdict, shorten
from .._contract.request import Request
from .choices import Either, With
from .codec import Codec
from .declaration import Model
from .draft import Draft
from .form import Form
from .json import MISSING, Unfit
from .lists import Each, First, Only, Slots
from .places import At, Pair


def settled(request: Request, row: Model) -> Request:
    """The request with its options as the codecs of *row* take them: users write lists, and codecs take tuples."""
    codecs = dict(row.form.fields)
    options = {
        name: settle(codecs[name], value) if name in codecs else value for name, value in request.options.items()
    }
    return attrs.evolve(request, options=options) if options else request


def settle(codec: Codec, value: Any) -> Any:
    """*value* with a tuple in place of each list for which *codec* takes one.

    Of the alternatives of an ``Either`` the first counts that can say what it makes of the value.
    """
    if isinstance(value, list) and isinstance(codec, Each | Slots | Only | Pair):
        value = tuple(value)
    match codec, value:
        case Form(), Mapping():
            known = ((name, codec.get(name), item) for name, item in value.items())
            return {name: item if inner is None else settle(inner, item) for name, inner, item in known}
        case Either(first=first, second=second), _:
            told = settle(first, value)
            return told if _misfits(first, told) is None else settle(second, value)
        case (At(inner=inner) | First(inner=inner) | With(inner=inner), _):
            return settle(inner, value)
        case (Each(inner=inner) | Slots(inner=inner) | Only(inner=inner), tuple()):
            return tuple(settle(inner, item) for item in value)
        case Pair(first=first, second=second), (one, other):
            return settle(first, one), settle(second, other)
        case _:
            return value


def pinpointed(draft: Draft) -> Draft:
    """The draft, in which an option that is refused for something within it is refused at that very place.

    Of ``styling`` with five colours it is no help to hear that it does not fit.
    """
    for name in [name for name in draft.request.options if name in draft.refusals and name in draft.codecs]:
        codec = draft.codecs[name]
        root = getattr(codec, "path", "")  # where the service has it; the user knows it by its name
        problems = getattr(_misfits(codec, draft.request.options[name]), "problems", ())
        within = {
            f"{name}{each.place.removeprefix(root)}" if root else f"{name}.{each.place}": each
            for each in problems
            if each.place != root
        }
        if within:
            whole = draft.refusals.pop(name)
            del draft.verdicts[name]
        for place, problem in within.items():
            missing = problem.given is MISSING
            cannot = f"do without {place}" if missing else f"serve {place} = {shorten(problem.given)}"
            draft.refusals[place] = attrs.evolve(whole, cannot=cannot, allowed=problem.allowed)
            asked = None if missing else problem.given
            draft.verdicts[place] = Verdict(place, Outcome.REFUSED, asked, note=f"allowed: {problem.allowed}")
    return draft


def _misfits(codec: Codec, value: Any) -> Unfit | None:
    try:
        codec.write(value)
    except Unfit as error:
        return error
    return None

"""What a codec has a place for, of all that there is to say."""

from collections.abc import Mapping
from typing import Any

from .choices import Either, With
from .codec import Codec
from .form import Form
from .lists import Each, First, Only, Slots
from .parts import attempt
from .places import At, Pair


def trim(codec: Codec, value: Any) -> Any:
    """*value* without the parts that *codec* has no place for, so that a mock can be told everything.

    Of the alternatives of an ``Either`` the first counts that can say what it leaves of the value.
    """
    match codec, value:
        case Form(), Mapping():
            known = ((name, codec.get(name), item) for name, item in value.items())
            return {name: trim(inner, item) for name, inner, item in known if inner is not None}
        case Either(first=first, second=second), _:
            left = trim(first, value)
            return trim(second, value) if attempt(first.write, left)[1] else left
        case (At(inner=inner) | First(inner=inner) | With(inner=inner), _):
            return trim(inner, value)
        case (Each(inner=inner) | Slots(inner=inner), tuple()):
            return tuple(trim(inner, item) for item in value)
        case Only(inner=inner), tuple():
            return tuple(trim(inner, item) for item in value[:1])
        case Pair(first=first, second=second), (one, other):
            return trim(first, one), trim(second, other)
        case _:
            return value

"""Codecs of what services say when something fails: why, and of which field."""

from collections.abc import Iterator
from typing import Any

import attrs

from .._contract.by_fields import by_fields
from .._contract.report import shorten
from .codec import Scalar
from .json import Json, unfit
from .scalars import Text, Whole

# Where a message stands in an object that says why something failed, the most telling first.
MESSAGES = ("message", "msg", "reason", "detail", "code")


@by_fields
@attrs.frozen(eq=False, repr=False)
class Reason(Scalar):
    """Why something failed: a text, an object with a message in it, or a list of either; for us a text.

    Anything else is read as Python prints it, cut short: a reason that is hard to read is better than none.
    """

    allowed = "text"

    def write(self, value: Any, /) -> Json:
        return Text().write(value)

    def spellings(self, value: Any, /) -> Iterator[Json]:
        yield self.write(value)
        if value:  # an object without a message in it says what else it holds
            yield {"message": value}
        yield [value]

    def read(self, json: Json, /) -> Any:
        return self._say(json, depth=4)

    def _say(self, json: Json, depth: int) -> str:
        match json:
            case str():
                return json
            case dict() if depth and (said := [json[key] for key in MESSAGES if json.get(key)]):
                return self._say(said[0], depth - 1)
            case list() if depth:
                return "; ".join(self._say(each, depth - 1) for each in json)
        return shorten(json, most=200)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Trail(Scalar):
    """The name of a field as the list of steps to it, *root* first: ``["body", "prompt"]``."""

    root: str
    allowed = "text"

    def write(self, value: Any, /) -> Json:
        return [self.root, *Text().write(value).split(".")]

    def read(self, json: Json, /) -> Any:
        match json:
            case [first, *rest] if all(Text().admits(step) or Whole().admits(step) for step in json):
                return ".".join(map(str, rest if first == self.root else json))
        raise unfit(json, "a list of steps")

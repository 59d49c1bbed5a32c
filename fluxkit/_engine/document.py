"""The JSON in the body of an answer, within bounds: whoever answers may be anybody."""

import codecs
import json
import math
import re
from typing import Any, Final

#: How deep a JSON document may be nested. A deeper one is treated as none, because reading it recurses.
DEPTH: Final = 64

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def read_document(body: bytes) -> Any:
    """The JSON of a body; None if it is none, is deeper than `DEPTH`, or has numbers that JSON has not.

    Half a character, which a service leaves behind that cuts a text in the middle of an emoji, becomes a question mark:
    no journal, no terminal and no address takes it.
    """
    if body.count(b"[") + body.count(b"{") > DEPTH and _is_deep(body):
        return None
    try:
        document = _JSON.decode(body.removeprefix(codecs.BOM_UTF8).decode())
    except ValueError:
        return None
    return _whole(document) if _HALF.search(body) else document


def _whole(value: Any) -> Any:
    """A value of JSON whose texts can all be written."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(each) for name, each in value.items()}
    return value


def _is_deep(body: bytes) -> bool:
    """Whether brackets are nested too deep; what comes after the first thing that is no JSON does not matter."""
    depth = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEPTH:
            return True
    return False


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"{number} is larger than any number that can be kept")
    return value


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_JSON: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_refused)

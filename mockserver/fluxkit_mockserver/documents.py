"""JSON and queries as they come to the mock, and JSON as it leaves it."""

import json
from typing import Final, NoReturn
from urllib.parse import unquote_plus

from fluxkit._wire.json import HEADERS, QUERY, Json
from fluxkit.errors import Rejected

from .answer import Answer, Incoming
from .refused import Refused

JSON_HEADERS: Final = {"content-type": "application/json"}

#: How many values a document may have, about: those of a request are few, however large, and each costs far more memory
#: than the two bytes by which it may be written.
MOST_VALUES: Final = 100_000


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_JSON: Final = json.JSONDecoder(parse_constant=_no_json)
_WRITER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def read_query(query: str) -> dict[str, str]:
    """The query of an address by name; of a name that comes twice, the last counts."""
    if not query:
        return {}
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}


def is_vast(body: bytes) -> bool:
    """Whether a document may have more values than are read; text counts too, as far as it looks like their limits."""
    return len(body) > MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES


def read_body(call: Incoming) -> dict[str, Json]:
    """The JSON object of a call; ``Refused`` for whatever is none, or has too many values."""
    if is_vast(call.body):
        raise Refused(Rejected, f"The body has more than {MOST_VALUES} values.")
    try:
        body = _read(call.body.decode()) if call.body else {}
        if rb"\u" in call.body:
            _WRITER.encode(body).encode()  # half of a surrogate pair is no text
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(Rejected, "The body is not a JSON object.")
    if QUERY in body or HEADERS in body:
        raise Refused(Rejected, "The body has a field that no service has.")
    return body


def _read(text: str) -> Json:
    """The only value in a text, without the patterns by which the library looks for white space around it."""
    text = text.strip(" \t\n\r")
    value, end = _JSON.raw_decode(text)
    if end < len(text):
        raise ValueError("more than one value")
    return value


def encoded(document: Json) -> bytes:
    """A document as services write it: UTF-8 without white space."""
    return _WRITER.encode(document).encode()


def answer_of(status: int, document: Json) -> Answer:
    """The answer that is a document."""
    return Answer(status, encoded(document), JSON_HEADERS)

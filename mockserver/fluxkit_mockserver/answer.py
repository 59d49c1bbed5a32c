"""What comes to the mock, and what it gives back: HTTP without any HTTP library."""

from collections.abc import Mapping

import attrs

from fluxkit._contract.by_fields import shown_by_fields

#: How large the body of a call may be, in bytes: four references of the largest kind as base64, and then some.
MOST_BODY = 100_000_000

#: How large the body of a call to the control may be, in bytes.
MOST_CONTROL_BODY = 1_000_000

#: Below this lies what is the mock's own and no service's.
CONTROL = "/__mock__/"

#: Where it is watched what happens.
EVENTS = f"{CONTROL}events"

#: The headers of whatever the mock says in its own words.
PLAIN: Mapping[str, str] = {"content-type": "text/plain; charset=utf-8"}


# A frozen value takes three times as long to make, and one of each of these two is made for every call.
@shown_by_fields
@attrs.define(eq=False, repr=False)
class Incoming:
    """One request: *path* is still quoted, header names are in lower case, *origin* is how the client got here.

    *caller* is the address from which it came, empty in process.
    It is *oversized* if it has more than ``MOST_BODY`` bytes; of these none are there.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    origin: str
    oversized: bool = False
    caller: str = ""


@shown_by_fields
@attrs.define(eq=False, repr=False)
class Answer:
    """One reply: it begins after a *delay* in seconds of the mock.

    With a *drip*, each byte of the body comes so many seconds after the one before. With a *cut*, the connection breaks
    after so many bytes of it.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = attrs.field(factory=dict)
    drip: float = 0.0
    delay: float = 0.0
    cut: int | None = None


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Drop:
    """No reply: the connection is closed without a word, *after* so many seconds of the mock."""

    after: float = 0.0

"""What a flow may ask of the world. A flow is a plain generator that yields these and is sent the answers.

A driver carries an effect out and sends its answer back, or throws one of ``Unreachable``, ``Lost`` and the errors of
``fluxkit.errors`` into the flow. Every answer carries the driver's clock (``at``, seconds since the epoch), so a flow
needs no clock of its own and runs as well on a virtual one.
"""

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs

from .._contract.journal import Row
from .._wire.exchange import Outgoing
from ..errors import FluxError

Result = TypeVar("Result")
Flow = Generator[Any, Any, Result]


class Lost(FluxError):
    """The call left and no whole answer came: it may or may not have been carried out."""


@attrs.frozen(eq=False)
class Call:
    """One HTTP exchange with the service. Never follows a redirect.

    Carries the provider's key only if *keyed*, and then only to one of *origins*. *patience* is the total time in
    seconds for connecting, sending and reading the whole answer. A call that *buys* uses a fresh or recently used
    connection, because an old one that died looks like a lost answer.
    """

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    keyed: bool = True
    origins: Sequence[str] = ()
    patience: float = 60.0
    buys: bool = False


@attrs.frozen(eq=False)
class Reply:
    """The service's answer. *document* is its JSON, or None where the body is not JSON; *text* its beginning."""

    status: int
    headers: Mapping[str, str]
    document: Any
    text: str
    at: float


@attrs.frozen(eq=False)
class Wait:
    """Sleep for *seconds*; the answer is the time in seconds since the epoch."""

    seconds: float


@attrs.frozen(eq=False)
class Now:
    """Asks for the time in seconds since the epoch, before the first answer has brought one."""


@attrs.frozen(eq=False)
class Note:
    """Something that must not be forgotten; answered once it is durable.

    *kind* is ``intent`` (before a submit; answered with the name of its row), ``accepted`` (an id came back),
    ``refused`` (known not to be bought), ``unknown`` (fate of a submit not known), ``state`` (a task moved on),
    ``fetched`` (an image is on disk), ``delivered`` (all that was wanted of a task came) or ``settled`` (somebody has
    decided about a row by hand).
    """

    kind: str
    entry: Mapping[str, Any]


@attrs.frozen(eq=False)
class Claim:
    """Take in hand what was bought from the *provider* at *base_url* and was not fetched; answered by ``Claimed``."""

    provider: str
    base_url: str


@attrs.frozen(eq=False)
class Claimed:
    """Rows that nobody else has in hand, rows of which nobody knows whether they were bought, and how many others have.

    The rows *taken* are in hand until the flow has ended.
    """

    taken: tuple[Row, ...] = ()
    unknown: tuple[Row, ...] = ()
    elsewhere: int = 0


@attrs.frozen(eq=False)
class Fetch:
    """Download *url* (byte for byte as it was received) without key or cookies into *path*, atomically.

    If *path* has not the suffix of a picture, it gets the one of the type that came. A file that is there is replaced
    only if the fetch *replaces*; otherwise the next free name is taken. Follows at most five redirects, each to a
    public https host; loopback and private hosts only if *local*. *patience* is the total time in seconds, *most* the
    largest acceptable size in bytes.
    """

    url: str
    path: Path
    local: bool = False
    replaces: bool = True
    patience: float = 120.0
    most: int = 128 * 1024 * 1024


@attrs.frozen(eq=False)
class Keep:
    """Write *content*, an image that came inside an answer, to *path*, atomically; answered like a ``Fetch``."""

    content: bytes
    path: Path
    replaces: bool = True


@attrs.frozen(eq=False)
class Discard:
    """Remove a file that an earlier effect wrote."""

    path: Path


@attrs.frozen(eq=False)
class Fetched:
    """What a download brought: where it lies, and the type and the sides in pixels as the file itself says them."""

    path: Path
    media_type: str
    width: int
    height: int
    size: int
    sha256: str
    at: float


def calling(outgoing: Outgoing, patience: float, *, buys: bool = False) -> Call:
    """The effect that carries a call out within *patience* seconds."""
    return Call(
        outgoing.method,
        outgoing.url,
        headers=outgoing.headers,
        body=outgoing.body,
        origins=outgoing.origins,
        patience=patience,
        buys=buys,
    )

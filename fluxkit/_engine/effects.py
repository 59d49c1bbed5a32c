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
from .._contract.reference import Reference
from .._contract.source import MOST_BYTES
from .._contract.task import Snapshot, Task
from .._wire.body import Body
from .._wire.calls import Outgoing
from ..errors import FluxError

Result = TypeVar("Result")
Flow = Generator[Any, Any, Result]


class Lost(FluxError):
    """The call left and no whole answer came: it may or may not have been carried out."""


@attrs.frozen(eq=False)
class About:
    """What an effect is about, for whoever hears of it: one of the kinds of ``Event``, and the *task* in question.

    The task has no id as long as none is known; *row* is its row, if that is known here.
    """

    kind: str
    task: Task
    attempt: int = 1
    row: str = ""


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
    body: bytes | Body = attrs.field(default=b"", repr=False)  # it may be large, and holds a webhook's token
    keyed: bool = True
    origins: Sequence[str] = ()
    patience: float = 60.0
    buys: bool = False
    about: About | None = None


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
    """Sleep for *seconds*, or until there is news of one of the *tasks*, by their ids; answered with ``Woken``."""

    seconds: float
    tasks: tuple[str, ...] = ()


@attrs.frozen(eq=False)
class Woken:
    """How a wait has ended: *at* is the time in seconds since the epoch.

    *task* is the id of which a webhook brought news, None if the time is simply over. *seen* is what it said, None if
    it is not to be believed by itself: then the service is to be asked.
    """

    at: float
    task: str | None = None
    seen: Snapshot | None = None


@attrs.frozen(eq=False)
class Now:
    """Asks for the time in seconds since the epoch, before the first answer has brought one."""


def _without_token(entry: Mapping[str, Any]) -> str:
    """An entry as it may be shown: whoever knows the token can say which task a submit has bought."""
    return repr({name: "<not shown>" if name == "token" else what for name, what in entry.items()})


@attrs.frozen(eq=False)
class Note:
    """Something that must not be forgotten; answered once it is durable.

    *kind* is ``uploaded`` (a reference has an address: ``url``, and until when it lives: ``expires_at``), ``intent``
    (before a submit; answered with the name of its row), ``accepted`` (an id came back), ``refused`` (known not to be
    bought), ``unknown`` (fate of a submit not known), ``state`` (a task moved on), ``fetched`` (an image is on disk),
    ``delivered`` (all that was wanted of a task came) or ``settled`` (a webhook brought the id of a submit of unknown
    fate, or somebody has decided about it by hand).

    The entry of an intent holds the ``draft`` of its task, which has no id yet, and the one-time ``token`` in the
    address of its webhook, if it asks for one. When the token comes back with an id, that is the id of this submit.
    """

    kind: str
    entry: Mapping[str, Any] = attrs.field(repr=_without_token)


@attrs.frozen(eq=False)
class Afford:
    """Look whether the budgets have room for an image at *price*, an amount as text; None is unknown.

    Nothing is reserved by it: the intent does that, in one step with its own look. This one spares what comes before.
    Answered with None, or by ``BudgetExceeded`` or ``SettingsError``.
    """

    provider: str
    model: str
    price: str | None


@attrs.frozen(eq=False)
class Seen:
    """Tells whoever hears that a poll or a webhook says something new of a *task*; nothing is kept of it."""

    task: Task
    progress: float | None
    at: float


@attrs.frozen(eq=False)
class Claim:
    """Take in hand what was bought from the *provider* at *base_url* and was not fetched; answered by ``Claimed``.

    With a *label* only what bears it, and then all other rows that bear it are told, too.
    """

    provider: str
    base_url: str
    label: str | None = None


@attrs.frozen(eq=False)
class Claimed:
    """Rows that nobody else has in hand, rows of which nobody knows whether they were bought, and how many others have.

    The rows *taken* are in hand until the flow has ended. *others* are those with the label of the claim that need no
    taking, because their images are there, or because they were refused or ended without an image.
    """

    taken: tuple[Row, ...] = ()
    unknown: tuple[Row, ...] = ()
    elsewhere: int = 0
    others: tuple[Row, ...] = ()


@attrs.frozen(eq=False)
class Recall:
    """Ask for the rows that have the facts *wanted*, such as a provider; answered with them, the oldest first."""

    wanted: Mapping[str, str]


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
    about: About | None = None


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
class Seek:
    """Look whether the image that was put to *path* is still there, whole; answered with a ``Fetched``, or None."""

    path: Path
    sha256: str


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


@attrs.frozen(eq=False)
class Bring:
    """Fetch a reference from *url*, the user's address, without key or cookies; answered with its bytes.

    Follows at most five redirects. Every step leads to a public https host, or to a host that the client allows, or to
    one of *origins*. *patience* is the total time in seconds, *most* the largest acceptable size in bytes.
    """

    url: str
    origins: Sequence[str] = ()
    patience: float = 60.0
    most: int = MOST_BYTES


@attrs.frozen(eq=False)
class Host:
    """Ask the plugins that host images for the address of one; answered with a ``Hosted``, or None if none does."""

    image: Reference


@attrs.frozen(eq=False)
class Hosted:
    """The address that a plugin has given an image, until when it lives, and *by* whom, for messages."""

    url: str
    expires_at: float | None
    by: str


def calling(
    outgoing: Outgoing, patience: float, *, keyed: bool = True, buys: bool = False, about: About | None = None
) -> Call:
    """The effect that carries a call out within *patience* seconds."""
    return Call(
        outgoing.method,
        outgoing.url,
        headers=outgoing.headers,
        body=outgoing.body,
        keyed=keyed,
        origins=outgoing.origins,
        patience=patience,
        buys=buys,
        about=about,
    )

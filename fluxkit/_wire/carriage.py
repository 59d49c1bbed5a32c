"""How each reference reaches a service: as it is, uploaded first, or fetched first. Decided by trying, before I/O."""

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import attrs

from .._contract.by_fields import shown_by_fields
from .._contract.reference import Reference
from .._contract.report import shorten
from .._contract.source import measured
from .codec import Codec
from .declaration import Upload
from .json import Unfit
from .link import Link, read_link
from .pending import Pending

#: So many references that cannot be sent are named in one message.
MOST_NAMED = 2


def nobody() -> bool:
    """No plugin hosts images."""
    return False


#: What an address must be, for messages.
PUBLIC = "an address at a public host"


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Obstacle:
    """Why a reference cannot be sent, what could be, and the setting that would let it through."""

    reference: Reference
    reason: str
    allowed: str
    setting: str | None = None


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Ways:
    """Which ways are open to the references of a plan.

    *own* is the address of a service that is itself local, whose addresses are its own business. *upload* is the
    service's, *hosting* tells whether plugins host images, which loads them; *allow_hosts* need not be public.
    """

    own: Link | None = None
    upload: Upload | None = None
    hosting: Callable[[], bool] = nobody
    allow_hosts: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, base_url: str, upload: Upload | None, *, hosting: Callable[[], bool], allow_hosts: Iterable[str]
    ) -> "Ways":
        """The ways to a service at *base_url*."""
        return cls(own_place(base_url), upload, hosting, frozenset(allow_hosts))

    def carry(self, codec: Codec, references: Sequence[Reference]) -> tuple[tuple[Any, ...], list[Obstacle]]:
        """What *codec* can be given for each reference, and what stands in the way of some.

        One that fits in no way is left as it is, and *codec* will say what it takes.
        """
        carried = tuple(self._try(codec, reference) for reference in references)
        found = (self._obstacle(codec, each) for each in carried)
        return carried, [obstacle for obstacle in found if obstacle is not None]

    def _try(self, codec: Codec, reference: Reference) -> Reference | Pending:
        if fits(codec, reference):
            return reference
        pending = Pending(reference)
        if not fits(codec, pending):
            return reference
        return pending if pending.fetched or self.upload is not None or self.hosting() else reference

    def _obstacle(self, codec: Codec, carried: Reference | Pending) -> Obstacle | None:
        reference = carried.reference if isinstance(carried, Pending) else carried
        if reference.url is not None:
            return self._astray(reference, fetched=isinstance(carried, Pending))
        upload = self.upload
        if not isinstance(carried, Pending) or upload is None:
            return None
        most = "" if upload.most is None else f" of at most {measured(upload.most)}"
        allowed = f"{codec.allowed}, or an image ({', '.join(upload.formats)}){most}, which is uploaded first"
        if takes(upload, reference) or self.hosting():
            return None
        if reference.format not in upload.formats:
            return Obstacle(reference, f"the service's upload takes no {reference.format}", allowed)
        return Obstacle(reference, f"it has {measured(reference.size)}, too much for the service's upload", allowed)

    def _astray(self, reference: Reference, *, fetched: bool) -> Obstacle | None:
        """What is wrong with an address, as far as can be told before anybody connects to it."""
        try:
            link = read_link(str(reference.url))
        except ValueError as error:
            return Obstacle(reference, str(error), PUBLIC)
        if link.named:
            return Obstacle(reference, "it holds a user name", PUBLIC)
        if link.host in self.allow_hosts or (self.own is not None and link.origin == self.own.origin):
            return None
        setting = f'allow_hosts = ["{link.host}"]'
        if not link.public:
            return Obstacle(reference, f"{link.host} is no public host", PUBLIC, setting)
        if _is_respelt(str(reference.url), link.host):
            return Obstacle(reference, f"its host is {link.host} in disguise", PUBLIC)
        if fetched and link.scheme != "https":
            reason = "it is fetched here first, and from public hosts that is done over https only"
            return Obstacle(reference, reason, "an https address at a public host", setting)
        return None


def takes(upload: Upload, image: Reference) -> bool:
    """Whether a service lets *image* be uploaded."""
    return image.format in upload.formats and (upload.most is None or image.size <= upload.most)


def own_place(base_url: str) -> Link | None:
    """Where a service is that is itself on this machine or in a private network; None of any other."""
    try:
        link = read_link(base_url)
    except ValueError:  # nothing will be sent there, and that is for others to say
        return None
    return None if link.public else link


def fits(codec: Codec, reference: Reference | Pending) -> bool:
    """Whether *codec* takes a reference, if it is the only one."""
    try:
        codec.write((reference,))
    except Unfit:
        return False
    return True


def note(carried: Sequence[Reference | Pending], upload: Upload | None) -> str:
    """How each of the references is sent, in words."""
    ways: dict[str, list[str]] = {}
    for number, each in enumerate(carried, 1):
        ways.setdefault(_way(each, upload), []).append(str(number))
    if len(ways) == 1:
        return next(iter(ways))
    return "; ".join(f"{', '.join(numbers)} {way}" for way, numbers in ways.items())


def _way(carried: Reference | Pending, upload: Upload | None) -> str:
    if not isinstance(carried, Pending):
        return "sent as base64" if carried.url is None else "sent as an address"
    if carried.fetched:
        return "fetched first, then sent as base64"
    life = upload and upload.life
    lives = f"the address lives {life / 3600:g} h" if life else "how long the address lives is not known"
    return f"uploaded first, {lives}"


def shown(obstacles: Sequence[Obstacle]) -> str:
    """The references that cannot be sent, each with the reason."""
    named = [f"references = {shorten(each.reference, 100)}: {each.reason}" for each in obstacles[:MOST_NAMED]]
    more = [f"and {len(obstacles) - MOST_NAMED} more"] if len(obstacles) > MOST_NAMED else []
    return "; ".join(named + more)


def _is_respelt(url: str, host: str) -> bool:
    """Whether the host is an IPv4 address in another spelling than its own: not every reader reads those alike."""
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return urlsplit(url).hostname != host

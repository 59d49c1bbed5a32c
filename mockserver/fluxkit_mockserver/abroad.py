"""Everywhere else: what a client in process finds at addresses that are not the mock's, and keys that stray there."""

import functools
from collections import deque
from collections.abc import Collection, Sequence
from io import BytesIO
from pathlib import PurePosixPath

import attrs

from fluxkit._contract.by_fields import by_fields
from fluxkit._contract.media import TYPES, format_named
from fluxkit.provider import Key

from .answer import PLAIN, Answer, Incoming

#: The sides of a picture abroad, in pixels.
WIDTH, HEIGHT = 320, 240

#: How many leaks are remembered.
MOST_LEAKS = 1_000


@by_fields
@attrs.frozen(eq=False, repr=False)
class Leak:
    """A key that was sent to where no key belongs: how, where to, in which *header*, and when."""

    method: str
    url: str
    header: str
    at: float


class Watch:
    """Notices keys in calls that must not carry any."""

    def __init__(self, keys: Sequence[str], forms: Collection[Key]) -> None:
        """Of these *keys*, in these *forms*."""
        self._headers = {"authorization", *(form.header.lower() for form in forms)}
        self.values = {*keys, *(form.form.format(key=key) for form in forms for key in keys)}
        self.leaks: deque[Leak] = deque(maxlen=MOST_LEAKS)

    def refuse(self, call: Incoming, now: float) -> Answer | None:
        """The refusal of a call with a key, None if it has none."""
        for header, value in call.headers.items():
            if header in self._headers or value in self.values:
                self.leaks.append(Leak(call.method, f"{call.origin}{call.path}", header, now))
                return Answer(403, b"A key does not belong here.\n", PLAIN)
        return None


def visit(call: Incoming) -> Answer:
    """A small picture, of the type that the address names: the same address, the same bytes."""
    if call.method not in ("GET", "HEAD"):
        return Answer(405, b"Here are pictures, to be fetched.\n", {**PLAIN, "allow": "GET, HEAD"})
    name = format_named(PurePosixPath(call.path).suffix) or "png"
    return Answer(200, _picture(f"{call.origin}{call.path}", name), {"content-type": TYPES[name]})


@functools.lru_cache(maxsize=64)
def _picture(url: str, name: str) -> bytes:
    from .pictures import MEDIA_TYPES, draw

    media_type = TYPES[name] if TYPES[name] in MEDIA_TYPES else "image/png"
    drawn = draw(WIDTH, HEIGHT, media_type=media_type, prompt=url, seed=0, label=("MOCK",))
    if media_type == TYPES[name]:
        return drawn
    from PIL import Image

    out = BytesIO()
    with Image.open(BytesIO(drawn)) as image:
        image.save(out, name)
    return out.getvalue()

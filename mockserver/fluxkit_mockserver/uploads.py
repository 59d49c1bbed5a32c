"""Uploads: images that clients bring, the addresses that they are given, and what lies there.

At some services a form holds the image; at others a ticket is asked for first, and the image is then put to the address
that it names, once, in time, without the key, and with exactly the headers that it names.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

import attrs

from fluxkit._contract.by_fields import shown_by_fields
from fluxkit._contract.media import SUFFIXES, TYPES, format_named, kind
from fluxkit._wire.declaration import Upload
from fluxkit._wire.json import MISSING, Problem, Unfit
from fluxkit.errors import Rejected

from .answer import MOST_BODY, PLAIN, Answer, Incoming
from .dialect import Dialect
from .documents import read_body
from .refused import Refused

UPLOADS = "/__mock__/uploads/"

#: How many bytes are kept in all, and how many tickets and images: the oldest make room.
MOST_BYTES, MOST_UPLOADS = 256_000_000, 10_000

#: How many seconds a ticket and an address live where nobody says it.
TICKET_LIFE, LIFE = 120, 86_400.0

#: The headers of a PUT that belong to the way and not to the image.
OF_THE_WAY = {"accept", "accept-encoding", "connection", "content-length", "expect", "host", "te", "transfer-encoding"}
OF_THE_WAY |= {"user-agent"}


@shown_by_fields
@attrs.define(eq=False, repr=False)
class MockUpload:
    """One image that was brought, or a ticket for one that was not yet. Times are seconds since the epoch."""

    id: str
    provider: str
    media_type: str
    name: str
    created_at: float
    expires_at: float
    content: bytes = attrs.field(default=b"", repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    put_until: float | None = None

    @property
    def path(self) -> str:
        """Where it lies, below the mock's origin."""
        return f"{UPLOADS}{self.id}/{quote(self.name)}"


def path_of(url: str) -> str:
    """The path of an address, also of one that is half a one, such as ``http://[``."""
    return re.sub(r"^[^:]*://[^/?#]*|[?#].*", "", url, flags=re.DOTALL)


class Uploads:
    """Every upload of a mock, bounded in all."""

    def __init__(self, seed: int, *, most: int = MOST_BYTES) -> None:
        """None yet; ids derive from the *seed*, and of more than *most* bytes the oldest are dropped."""
        self._seed = seed
        self._most = most
        self._kept: dict[str, MockUpload] = {}
        self._number = 0

    def __iter__(self) -> Iterator[MockUpload]:
        """The images that are there, the oldest first."""
        return (each for each in self._kept.values() if each.content)

    @property
    def kept(self) -> tuple[MockUpload, ...]:
        """The images that are there and the tickets for others, the oldest first."""
        return tuple(self._kept.values())

    @property
    def number(self) -> int:
        """How many there have been."""
        return self._number

    def restore(self, kept: Iterable[MockUpload], number: int) -> None:
        """Takes in what a mock has kept that was here before."""
        self._kept = {each.id: each for each in kept}
        self._number = number

    def clear(self) -> None:
        """Forgets all."""
        self._kept.clear()
        self._number = 0

    def accept(self, dialect: Dialect, upload: Upload, call: Incoming, now: float) -> Answer:
        """A call to the service's own route: the image itself, or the wish for a ticket."""
        if upload.ticket is not None:
            return self._ticket(dialect, upload, call, now)
        name, content = _file(dialect, upload, call)
        media_type = TYPES[kind(content[:32]) or ""]
        brought = self._new(dialect, upload, media_type, name, now)
        brought.content = content
        self._bound()
        facts = {"name": name, "media_type": media_type, "size": len(content), "created_at": int(now)}
        return dialect.say_uploaded({**facts, "id": brought.id, "url": f"{call.origin}{brought.path}"})

    def _ticket(self, dialect: Dialect, upload: Upload, call: Incoming, now: float) -> Answer:
        media_type = _wanted(upload, call)
        brought = self._new(dialect, upload, media_type, f"image{SUFFIXES[format_named(media_type) or ''][0]}", now)
        life = dialect.uploaded.get("put_life", TICKET_LIFE)
        brought.put_until = now + life
        brought.headers = {"content-type": media_type, "x-upload-id": brought.id}
        self._bound()
        url = f"{call.origin}{brought.path}"
        facts = {"id": brought.id, "put": f"{url}?signature={self._sign(brought)}", "headers": brought.headers}
        return dialect.say_uploaded({**facts, "url": url, "put_life": life, "life": int(brought.expires_at - now)})

    def _new(self, dialect: Dialect, upload: Upload, media_type: str, name: str, now: float) -> MockUpload:
        self._number += 1
        digest = hashlib.sha256(f"{self._seed}:upload:{self._number}".encode()).hexdigest()
        ends = now + (upload.life or LIFE)
        brought = MockUpload(digest[:20], dialect.provider.name, media_type, name, now, ends)
        self._kept[brought.id] = brought
        return brought

    def _bound(self) -> None:
        size = sum(len(each.content) for each in self._kept.values())
        while size > self._most or len(self._kept) > MOST_UPLOADS:
            size -= len(self._kept.pop(next(iter(self._kept))).content)

    def _sign(self, brought: MockUpload) -> str:
        return hashlib.sha256(f"{self._seed}:put:{brought.id}".encode()).hexdigest()[:24]

    def content(self, url: str, now: float) -> bytes | None:
        """What lies at an address of these, None if nothing does any more, or does not yet."""
        brought = self._at(path_of(url))
        return brought.content or None if brought is not None and now <= brought.expires_at else None

    def _at(self, path: str) -> MockUpload | None:
        brought = self._kept.get(path.removeprefix(UPLOADS).partition("/")[0])
        return brought if brought is not None and brought.path == path else None

    def answer(self, call: Incoming, now: float) -> Answer:
        """A call to an address that was given: the image is put there, or fetched from there."""
        brought = self._at(call.path)
        if brought is None:
            return Answer(404, b"No such upload.\n", PLAIN)
        if call.method == "PUT" and brought.put_until is not None:
            wrong = self._wrong(brought, call, now)
            if wrong is not None:
                return wrong
            brought.content = call.body
            self._bound()
            return Answer(200, b"", {})
        if call.method not in ("GET", "HEAD"):
            allowed = "GET, HEAD" if brought.put_until is None else "GET, HEAD, PUT"
            return Answer(405, b"An upload can only be fetched.\n", {**PLAIN, "allow": allowed})
        if not brought.content:
            return Answer(404, b"Nothing was put here.\n", PLAIN)
        if now > brought.expires_at:
            return Answer(403, b"The address has expired.\n", PLAIN)
        return Answer(200, brought.content, {"content-type": brought.media_type})

    def _wrong(self, brought: MockUpload, call: Incoming, now: float) -> Answer | None:
        """What is wrong with a PUT, None if nothing is."""
        given = {name: value for name, value in call.headers.items() if name not in OF_THE_WAY}
        for wrong, status, why in (
            (call.query != {"signature": self._sign(brought)}, 403, "The signature does not fit."),
            (bool(brought.content), 403, "The ticket is used up."),
            (now > (brought.put_until or 0), 403, "The ticket has expired."),
            (given != brought.headers, 403, f"Exactly these headers are wanted: {', '.join(brought.headers)}."),
            (call.oversized or len(call.body) > MOST_BODY, 413, f"The body has more than {MOST_BODY} bytes."),
            (TYPES.get(kind(call.body[:32]) or "") != brought.media_type, 400, f"This is no {brought.media_type}."),
        ):
            if wrong:
                return Answer(status, f"{why}\n".encode(), PLAIN)
        return None


def _wanted(upload: Upload, call: Incoming) -> str:
    """The media type for which a ticket is wanted; ``Refused`` for whatever else the body says."""
    body = read_body(call)
    assert upload.ticket is not None  # noqa: S101 - whoever asks has looked
    try:
        said = upload.ticket.read(body)
    except Unfit as error:
        raise Refused(Rejected, problems=error.problems, phase="upload") from None
    media_type = said["media_type"] if said is not MISSING else ""
    place = ".".join(next(iter(upload.ticket.places())))
    allowed = ", ".join(TYPES[each] for each in upload.formats)
    if media_type not in [TYPES[each] for each in upload.formats]:
        raise Refused(Rejected, problems=(Problem(place, media_type, allowed),), phase="upload")
    if upload.ticket.write(said) != body:
        raise Refused(Rejected, problems=(Problem(place, body, "one file, with its type and no more"),), phase="upload")
    return str(media_type)


def _file(dialect: Dialect, upload: Upload, call: Incoming) -> tuple[str, bytes]:
    """The name and the content of the one file of a form; ``Refused`` for whatever else the form holds."""
    from .forms import read_form

    field = upload.field or ""
    try:
        parts = read_form(call.headers.get("content-type", ""), call.body)
    except ValueError as error:
        raise Refused(Rejected, f"The body is no form: {error}.", phase="upload") from None
    strays = [Problem(part.field, part.name, "no such field") for part in parts if part.field != field]
    files = [part for part in parts if part.field == field and part.name is not None]
    if len(files) != 1 or strays:
        missing = () if len(files) == 1 else (Problem(field, MISSING, "one file, in multipart/form-data"),)
        raise Refused(Rejected, problems=(*missing, *strays), phase="upload")
    (file,) = files
    size, found = len(file.content), kind(file.content[:32])
    if upload.most is not None and size > upload.most:
        message = _words(dialect, 413) or f"file size {size} exceeds maximum {upload.most} bytes"
        told = re.sub(r"\d{4,}", lambda number: str(upload.most if number[0] == str(upload.most) else size), message)
        raise Refused(Rejected, told, status=413, phase="upload")
    if found not in upload.formats:
        message = _words(dialect, 400) or f"unsupported image type: ?/?, allowed: {', '.join(upload.formats)}"
        told = re.sub(r"[a-z?]+/[a-z0-9.+?-]+", lambda _: _media_type(found, file.media_type), message, count=1)
        raise Refused(Rejected, told, status=400, phase="upload")
    return re.split(r"[/\\]", file.name or "")[-1] or f"image{SUFFIXES[found or ''][0]}", file.content


def _words(dialect: Dialect, status: int) -> str:
    """The service's own words for a file that it refuses, as they are recorded; empty if none are."""
    refused = (each for each in dialect.samples if each.of == "refused" and each.phase == "upload")
    return next((each.means["message"] for each in refused if each.status == status), "")


def _media_type(found: str | None, declared: str) -> str:
    """What a file is that is refused: what its bytes show, or else what its sender says, unless that is a picture."""
    if found is not None:
        return TYPES[found]
    return declared if declared and format_named(declared) is None else "application/octet-stream"

"""What a mock makes of uploads, held against the samples."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..._mock import kit_of_mock
from ..._wire.declaration import Provider
from ..._wire.json import Json
from ..._wire.samples import Sample
from ..bench import Stranger, exchange, form_of, stranger
from ..check import not_applicable, of_mock
from ..differs import same
from ..exhibits import SMALLEST, alike, bounds, of_kind, shape, too_large


@of_mock("upload", "call")
def check_mock_keeps_what_is_uploaded(mock: Provider, samples: Sequence[Sample]) -> None:
    """What the service takes is answered as recorded, lies at the address that is given, and costs nothing.

    A failure means: uploads on the mock are not those of the service: what is tested with them proves nothing.
    """
    service = stranger(mock, samples)
    for number, sample in enumerate(of_kind(samples, "upload", fits=True), 1):
        content, said = _image(sample), _told(service, sample)
        facts = {"media_type": sample.means["media_type"], "size": len(content), "created_at": kit_of_mock().EPOCH}
        known = {name: value for name, value in _recorded(samples).means.items() if name in ("life", "put_life")}
        facts = {name: fact for name, fact in {**facts, **known}.items() if name in said}
        same(facts, {name: said[name] for name in facts}, sample.name)
        same(200, put(service, said, content), sample.name)
        found = exchange(service.mock, "GET", said["url"], {})
        same((200, content), (found.status, found.body), sample.name)
        same(sample.means["media_type"], found.headers["content-type"], sample.name)
        same(number, len(service.mock.uploads), f"what is kept after {sample.name}")
    same(0, service.mock.billed, "what was bought by uploads")


@of_mock("upload", "call")
def check_mock_uploads_live_as_long_as_shown(mock: Provider, samples: Sequence[Sample]) -> None:
    """An image can be put in time only, and is forgotten when its address has lived, as a recorded answer says.

    A failure means: an app that uses an upload for too long passes on the mock.
    """
    service, sample = stranger(mock, samples), next(of_kind(samples, "upload", fits=True))
    means = _recorded(samples).means
    for name in means.keys() & {"life", "put_life"}:
        for late in (0, 1):
            said = _told(service, sample)
            service.mock.clock.advance(means["put_life"] + late if name == "put_life" else 0)
            same(
                (name == "put_life" and late) == 1, put(service, said, _image(sample)) == 403, f"{name}, {late} s late"
            )
            if name == "life":
                service.mock.clock.advance(means["life"] + late)
                same(403 if late else 200, exchange(service.mock, "GET", said["url"], {}).status, f"{late} s late")


@of_mock("upload", "call")
def check_mock_refuses_what_cannot_be_uploaded(mock: Provider, samples: Sequence[Sample]) -> None:
    """What is not taken is refused as recorded, and so is a wrong key; nothing is kept.

    A failure means: the mock keeps what the service would refuse.
    """
    service = stranger(mock, samples)
    for sample in of_kind(samples, "upload"):
        for key, statuses in ((None, (400, 413)), ("wrong", (401,)), ("", (401,))):
            if key is None and sample.fits:
                continue
            reply = service.bring(*_load(sample), key=key)
            same(True, reply.status in statuses, f"{sample.name}: {reply.status} {reply.text}")
            shown = [each for each in of_kind(samples, "refused") if each.status == reply.status]
            same(True, shape(reply.document) in [shape(each.body) for each in shown], f"{reply.text} is recorded")
            own = [each.means["message"] for each in shown if each.phase == "upload" and sample.means]
            same(True, not own or complaint_of(reply) in own or key is not None, f"{sample.name}: {reply.text}")
    same((), service.mock.uploads, "what was kept of what was refused")


def complaint_of(reply: Any) -> str:
    """The longest text of an answer, which is its message."""
    return max(_texts(reply.document), key=len, default="")


@of_mock("upload", "call")
def check_mock_refuses_what_is_too_large(mock: Provider, samples: Sequence[Sample]) -> None:
    """The largest file that is taken is taken, and one byte more is refused in the recorded words.

    A failure means: the mock keeps a file that the service would refuse for its size.
    """
    if not (messages := too_large(samples)):
        not_applicable("no recorded refusal names the largest upload")
    for message in messages:
        service, sample = stranger(mock, samples), next(of_kind(samples, "upload", fits=True))
        most = min(bounds(message))
        ((field, _),) = sample.body.items()
        for size, status in ((most, 200), (most + 1, 413)):
            content = _image(sample).ljust(size, b"\0")
            reply = service.bring(*form_of(field, content, sample.means["media_type"]))
            same(status, reply.status, f"{size} bytes: {reply.text}")
        same([most + 1, most], bounds(complaint_of(reply)), message)
        same(re.sub(r"\d+", "", message), re.sub(r"\d+", "", complaint_of(reply)), message)


def _recorded(samples: Sequence[Sample]) -> Sample:
    return next(of_kind(samples, "uploaded"))


def _is_form(sample: Sample) -> bool:
    """Whether an upload is recorded as the field of a form, and not as the body of a ticket."""
    return all(isinstance(value, str) for value in sample.body.values())


def _image(sample: Sample) -> bytes:
    """The file that an upload is about."""
    if _is_form(sample):
        return base64.b64decode(next(iter(sample.body.values())))
    return SMALLEST[sample.means["media_type"]]


def _load(sample: Sample) -> tuple[bytes, dict[str, str]]:
    """What somebody sends who knows of an upload what its sample says."""
    if not _is_form(sample):
        return json.dumps(sample.body).encode(), {"content-type": "application/json"}
    return form_of(next(iter(sample.body)), _image(sample), sample.means.get("media_type", "image/png"))


def _told(service: Stranger, sample: Sample) -> dict[str, Any]:
    """What the answer to an upload says where the recorded one says it, once its shape was compared."""
    reply, recorded = service.bring(*_load(sample)), _recorded(service.samples)
    same(200, reply.status, f"{sample.name}: {reply.text}")
    same(True, alike(recorded.body, reply.document), f"{reply.text} is like {recorded.body}")
    return {name: _beside(recorded.body, value, reply.document) for name, value in recorded.means.items()}


def put(service: Stranger, said: Mapping[str, Any], content: bytes) -> int:
    """The status of the second step of an upload, where there is one."""
    return exchange(service.mock, "PUT", said["put"], said["headers"], content).status if "put" in said else 200


def _beside(document: Json, value: Json, other: Json) -> Json:
    """What stands in *other* where *value* stands in *document*; None if it stands nowhere."""
    if document == value and type(document) is type(value):
        return other
    pairs: Iterable[tuple[Json, Json]] = zip(document, other, strict=False) if isinstance(document, list) else ()
    pairs = ((document[key], other[key]) for key in document) if isinstance(document, dict) else pairs
    return next((found for one, two in pairs if (found := _beside(one, value, two)) is not None), None)


def _texts(document: Json) -> Iterator[str]:
    match document:
        case dict() | list():
            for item in document.values() if isinstance(document, dict) else document:
                yield from _texts(item)
        case str():
            yield document

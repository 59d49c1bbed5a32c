"""What a line of a recording says: a call in the words of the contract, as plain values.

No line holds a key, an image, or more of an address than its host: what stands behind that may be signed, and opens
what it leads to for whoever reads it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from .._contract.media import NotAnImage, Truncated
from .._contract.reference import Reference, is_address
from .._contract.report import Report, showable
from .._contract.request import Request
from .._contract.result import Image
from .._contract.structure import read_media
from ..errors import Charged, FluxError

if TYPE_CHECKING:
    from .._wire.plan import Plan

#: The version of a line. It changes when a name in it goes or means something else, not when one comes.
VERSION = 1

#: The longest text in the options that is kept as it is: words and numbers are shorter, images longer.
LONGEST_TEXT = 2_000


def request_document(request: Request, *, prompts: bool = True, hide: Callable[[str], str] = str) -> dict[str, Any]:
    """A request with what it says. References are told by what they are, and without *prompts* the prompt is too.

    *hide* takes out of a text what nobody should read.
    """
    said: dict[str, Any] = {}
    for field in attrs.fields(Request):
        value = getattr(request, field.name)
        if not field.init or value in (None, (), {}) or (field.name == "n" and value == 1):
            continue
        said[field.name] = plain(field.name, value, prompts=prompts, hide=hide)
    return said


def reference_document(reference: Reference) -> dict[str, Any]:
    """A reference by its digest, type, sides and bytes; one that is an address by its host."""
    if reference.url is not None:
        return {"url": host_of(reference.url)}
    said: dict[str, Any] = {"media_type": reference.media_type, "bytes": reference.size}
    try:
        said["sha256"] = reference.sha256
        with reference.open() as file:
            media = read_media(file)
    except (FluxError, NotAnImage, Truncated, OSError):  # it has changed since, or was never whole
        return said
    return {**said, "width": media.width, "height": media.height}


def host_of(address: str) -> str:
    """An address as far as it says where something is, and not what: ``https://host:port/``."""
    parts = urlsplit(address)
    return f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2]}/"


def plain(name: str, value: Any, *, prompts: bool = True, hide: Callable[[str], str] = str) -> Any:
    """A value of a request as JSON has it, without what nobody should read in it."""

    def inner(name: str, value: Any) -> Any:
        return plain(name, value, prompts=prompts, hide=hide)

    if isinstance(value, str):
        return _text(name, value, prompts=prompts, hide=hide)
    if isinstance(value, Reference):
        return reference_document(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": len(value)}
    if isinstance(value, Mapping):
        return {str(key): inner(str(key), each) for key, each in value.items()}
    if name == "size" and isinstance(value, tuple):
        return "x".join(map(str, value))
    if isinstance(value, list | tuple):
        return [inner(name, each) for each in value]
    return value if value is None or isinstance(value, int | float) else str(type(value).__name__)


def _text(name: str, text: str, *, prompts: bool, hide: Callable[[str], str]) -> Any:
    if "prompt" in name:  # an option may be a second one
        return hide(text) if prompts else {"characters": len(text)}
    if is_address(text):
        return host_of(text)
    if showable(name, text) != text or text[:5].lower() == "data:" or len(text) > LONGEST_TEXT:
        return {"characters": len(text)}
    return hide(text)


def expected_document(plan: "Plan") -> dict[str, Any]:
    """What the plan of a call expects: the pixels that may come, the format, the price, and each field's outcome."""
    return {
        "sizes": [list(size) for size in plan.expected],
        "format": plan.output_format or plan.model.delivers,
        "price": None if plan.price is None else str(plan.price),
        "report": report_document(plan.report),
    }


def report_document(report: Report) -> dict[str, str]:
    """What becomes of each field."""
    return {verdict.field: str(verdict.outcome) for verdict in report}


def outcome_document(
    states: Iterable[Sequence[str]],
    *,
    images: Iterable[Image] = (),
    errors: Iterable[FluxError] = (),
    error: FluxError | None = None,
) -> dict[str, Any]:
    """How a call went: the states of each task, the images as they came, and what went wrong."""
    return {
        "states": [list(each) for each in states],
        "images": [
            {
                "width": image.pixels and image.pixels[0],
                "height": image.pixels and image.pixels[1],
                "media_type": image.media_type,
                "mismatch": bool(image.mismatch),
            }
            for image in images
        ],
        "errors": [type(each).__name__ for each in errors],
        "error": None if error is None else type(error).__name__,
        "charged": str(Charged.YES if error is None else error.charged),
    }

"""A request: what a user wants, in words that no service owns."""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import attrs

from ..errors import Unsupported
from .by_fields import by_fields
from .reference import Reference, is_address
from .report import shorten, showable
from .size import RESOLUTIONS, Aspect, Want, parse_pixels

#: How many images one request may ask for: each is a task of its own, and a slip of the finger costs.
MOST_IMAGES = 100


def _refuse(field: str, asked: Any, allowed: str) -> Unsupported:
    return Unsupported(f"{field} is {shorten(asked)}. Allowed: {allowed}.", field=field, asked=asked, allowed=allowed)


def _fits(fits: Callable[[Any], bool], allowed: str) -> Callable[["Request", "attrs.Attribute[Any]", Any], None]:
    """A validator: the field holds what *fits*, or None where that is its default."""

    def check(_: "Request", field: "attrs.Attribute[Any]", value: Any) -> None:
        if not (fits(value) or (value is None and field.default is None)):
            raise _refuse(field.name, value, allowed)

    return check


def _is_text(value: Any) -> bool:
    if not isinstance(value, str) or not value.strip():
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair cannot be sent as JSON text
        return False
    return True


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    # Of a larger number most readers of JSON make another one, and do not say so.
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**64


def _is_count(value: Any) -> bool:
    return _is_whole(value) and 1 <= value <= MOST_IMAGES


# They can be iterated over, but hold one image, or images in no order.
_NO_LISTS = (str, bytes, bytearray, memoryview, Mapping, AbstractSet)


def _references(sources: Any) -> tuple[Reference, ...]:
    if sources is None or (isinstance(sources, tuple) and not sources):
        return ()
    if isinstance(sources, _NO_LISTS) or not isinstance(sources, Iterable):
        raise _refuse("references", sources, "a list of images, also if it is only one")
    return tuple(map(Reference.of, sources))


def _options(options: Any) -> Mapping[str, Any]:
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise _refuse("options", options, "a mapping of names to values, such as {'guidance': 3.0}")
    if options and not _is_json(options := dict(options)):
        raise _refuse("options", options, "values that can be sent as JSON")
    return dict(options)


def _shown_options(options: Mapping[str, Any]) -> str:
    return repr({name: showable(name, value) for name, value in options.items()})


def _is_json(options: dict[str, Any]) -> bool:
    import json

    try:  # what JSON has no type for is left to the provider's codec, which may know it
        json.dumps(options, ensure_ascii=False, allow_nan=False, default=lambda _: None).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _size(size: Any) -> Any:
    return tuple(size) if isinstance(size, list) and len(size) == 2 else size


@by_fields
@attrs.frozen(eq=False, repr=False)
class Request:
    """An image wanted: a prompt, and what it should be like.

    The size is an ``aspect`` (``"16:9"``) with a ``resolution`` (``"1K"``, ``"2K"``), or a ``size`` in pixels
    (``"1344x768"``, or a pair), or left to the service. ``n`` images are ``n`` tasks; with a ``seed``, task *i* gets
    ``seed + i``. ``references`` are images sent in: paths, bytes, open files, addresses, whatever ``Reference.of``
    takes. ``safety_tolerance`` is the service's own number. ``output_format`` is a format's name, a suffix or a media
    type. ``options`` are fields that only one service has. The model is no part of a request: it belongs to the client.

    Raises ``Unsupported`` for what no service could serve, ``ReferenceUnusable`` for a reference that is no image.
    """

    prompt: str = attrs.field(validator=_fits(_is_text, "a text that is not blank"))
    aspect: str | None = attrs.field(default=None, kw_only=True)
    resolution: str | None = attrs.field(default=None, kw_only=True)
    size: str | tuple[int, int] | None = attrs.field(default=None, kw_only=True, converter=_size)
    n: int = attrs.field(default=1, kw_only=True, validator=_fits(_is_count, f"a whole number from 1 to {MOST_IMAGES}"))
    seed: int | None = attrs.field(
        default=None, kw_only=True, validator=_fits(_is_whole, "a whole number of at most 64 bits")
    )
    references: tuple[Reference, ...] = attrs.field(default=(), kw_only=True, converter=_references)
    enhance_prompt: bool | None = attrs.field(default=None, kw_only=True, validator=_fits(_is_flag, "true or false"))
    safety_tolerance: int | None = attrs.field(
        default=None, kw_only=True, validator=_fits(_is_whole, "a whole number of at most 64 bits")
    )
    output_format: str | None = attrs.field(
        default=None, kw_only=True, validator=_fits(_is_text, "png, jpeg or another format's name")
    )
    webhook_url: str | None = attrs.field(
        default=None, kw_only=True, validator=_fits(is_address, "an http(s) address with a host")
    )
    options: Mapping[str, Any] = attrs.field(
        factory=dict, kw_only=True, converter=_options, hash=False, repr=_shown_options
    )
    want: Want = attrs.field(init=False, eq=False, repr=False)

    @options.validator
    def _check_options(self, field: "attrs.Attribute[Any]", options: Mapping[str, Any]) -> None:
        if not options:
            return
        own = [each.name for each in attrs.fields(Request) if each.init and each.name in options]
        if own:
            raise _refuse(field.name, options, f"what only one service has; {', '.join(own)} stands beside the options")

    @want.default
    def _read_size(self) -> Want:
        if self.size is None:
            return Want(aspect=_aspect(self.aspect), resolution=_resolution(self.resolution))
        if self.aspect is not None or self.resolution is not None:
            raise _refuse("size", self.size, "size alone, or aspect and resolution without it")
        return Want(pixels=_pixels(self.size))


def _aspect(aspect: Any) -> Aspect | None:
    try:
        return None if aspect is None else Aspect.parse(aspect)
    except (TypeError, ValueError):
        raise _refuse("aspect", aspect, 'WIDTH:HEIGHT, such as "16:9"') from None


def _resolution(resolution: Any) -> str | None:
    if resolution is None:
        return None
    if isinstance(resolution, str) and resolution.upper() in RESOLUTIONS:
        return resolution.upper()
    raise _refuse("resolution", resolution, " or ".join(RESOLUTIONS))


def _pixels(size: Any) -> tuple[int, int]:
    pair = isinstance(size, tuple) and all(map(_is_whole, size))
    try:
        return parse_pixels("x".join(map(str, size)) if pair else size)
    except (TypeError, ValueError):
        raise _refuse("size", size, 'WIDTHxHEIGHT in pixels, such as "1344x768"') from None

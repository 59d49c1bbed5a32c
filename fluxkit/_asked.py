"""What is asked for: the request of a call, made of its own fields, the client's defaults and the file it goes to."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ._contract.media import format_named
from ._contract.report import shorten
from ._contract.request import Request
from .errors import FluxError, SettingsError, Unsupported

if TYPE_CHECKING:
    from ._wire.codec import Codec
    from ._wire.declaration import Model

FIELDS = tuple(field.name for field in attrs.fields(Request) if field.init)

#: What a client may hold a default for. A prompt and its references belong to one request, and how many images are
#: bought is said where they are bought: a file that is shared must not make a bill a hundred times as large.
DEFAULTABLE = tuple(field for field in FIELDS if field not in ("prompt", "references", "n"))

#: Fields that say the same in two ways: who gives one of a side takes back every default of the other.
RIVALS: Mapping[str, tuple[str, ...]] = {"size": ("aspect", "resolution"), "aspect": ("size",), "resolution": ("size",)}


def requested(request: Request | str, fields: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> Request:
    """The request of a call, with the client's *defaults* where the call says nothing.

    A field that is given as None says something: that there is to be none. In a ``Request`` None says nothing.
    """
    for field in fields:
        if field not in FIELDS:
            raise Unsupported(
                f"A request has no field {field!r}. Allowed: {', '.join(FIELDS)}; what only one service has goes into "
                f"options={{{field!r}: ...}}.",
                field=field,
                asked=fields[field],
                allowed=", ".join(FIELDS),
            )
    if isinstance(request, Request):
        own = {field: value for field in FIELDS if (value := getattr(request, field)) is not None}
        return attrs.evolve(request, **{**fields, **beside({**own, **fields}, defaults)})
    if "prompt" in fields:
        raise Unsupported("The prompt is given twice.", field="prompt", asked=fields["prompt"], allowed="one prompt")
    return Request(request, **{**fields, **beside(fields, defaults)})


def beside(said: Mapping[str, Any], defaults: Mapping[str, Any] | None) -> dict[str, Any]:
    """The *defaults* that hold beside what a call has *said*. Options are mixed, name by name."""
    if not defaults:
        return {}
    gone = [rival for field, rivals in RIVALS.items() if said.get(field) is not None for rival in rivals]
    left = {field: value for field, value in defaults.items() if field not in said and field not in gone}
    own, more = said.get("options", {}), defaults.get("options")
    return {**left, "options": {**more, **own}} if more and isinstance(own, Mapping) else left


def defaults_of(given: Any) -> dict[str, Any]:
    """Defaults for requests, checked by making a request of them. Raises ``SettingsError``."""
    if given is None:
        return {}
    allowed = f"a mapping of {', '.join(DEFAULTABLE)} to values"
    if not isinstance(given, Mapping):
        raise SettingsError(f"defaults is {shorten(given)}. Allowed: {allowed}.")
    for field in given:
        if field not in DEFAULTABLE:
            raise SettingsError(f"defaults has {shorten(field)}. Allowed: {allowed}.")
    try:
        Request("a prompt", **given)
    except FluxError as error:
        raise SettingsError(f"defaults: {error.message}") from None
    return dict(given)


def asked(
    request: Request | str, fields: Mapping[str, Any], defaults: Mapping[str, Any], row: "Model", name: str | None
) -> Request:
    """The request of a call whose image goes into a file of this *name*, which says more than a default format does."""
    implied = _implied_by(row, name)
    if implied is None:
        return requested(request, fields, defaults)
    if "output_format" not in fields:
        return requested(request, fields, {**defaults, "output_format": implied})
    found = requested(request, fields, defaults)
    return attrs.evolve(found, output_format=implied) if found.output_format is None else found


def file_name(to: str | Path | None) -> str | None:
    """The name of the file that an image goes to, None if that is a directory or not said."""
    return None if to is None or Path(to).is_dir() else Path(to).name


def _implied_by(row: "Model", name: str | None) -> str | None:
    """The format that the name of a file implies, if the model has it."""
    stem, _, suffix = (name or "").rpartition(".")
    implied = format_named(suffix) if stem else None
    return implied if implied and _takes(row.form.get("output_format"), implied) else None


def _takes(codec: "Codec | None", value: Any) -> bool:
    from ._wire.json import Unfit

    try:
        return codec is not None and codec.write(value) is not None
    except Unfit:
        return False

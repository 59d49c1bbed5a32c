"""Writes the tables of the documentation from the declarations and the errors, or checks that they are up to date.

python scripts/generate_docs.py [--check]
"""

import inspect
import re
import sys
from collections.abc import Iterator

import attrs
from api_page import names_of
from checks_page import checks_page
from commands_page import commands_page
from control_page import control_page
from mock_page import mock_page
from pages import ROOT, renewed, table
from settings_page import keys, order
from sizes_page import sizes_of

import fluxkit
import fluxkit.provider
import fluxkit.testing
import fluxkit.webhooks
import fluxkit_mockserver
from fluxkit import errors
from fluxkit._contract.event import KINDS
from fluxkit._plugins import installed
from fluxkit._wire.draft import FIELDS, WISHES
from fluxkit._wire.json import HEADERS, MISSING, QUERY
from fluxkit.provider import (
    At,
    Base64,
    Canvas,
    Codec,
    Each,
    Either,
    Form,
    Grid,
    Hosted,
    Idempotency,
    Model,
    Only,
    Pair,
    PerMegapixel,
    Provider,
    Ratios,
    Slots,
    Space,
    Upload,
    Whole,
    Words,
)

NOTE = "<!-- Written by scripts/generate_docs.py from the declarations; do not edit. -->"

INTRODUCTION = """\
What each bundled provider takes, from its declaration. A field that a model does not take is refused; a wish, marked
with * in the tables, can be given up by name (`unsupported={"seed": "drop"}`). Options are what only one service has,
by the service's own names: `options={"steps": 50}`."""

UNKNOWN_SIZE = "What comes where no size is asked for is not documented: a plan promises none."

CHARGED = """\
Every error is a `fluxkit.FluxError`. `charged` is `no`, `yes` or `unknown`, and true in a condition unless it is known
that nothing was bought; `retry` says whether the same call, made again, is safe and sensible."""


def bundled() -> list[Provider]:
    """The declarations of the bundled providers."""
    registry = installed()
    return [registry.provider(name) for name in registry.names if registry.owner(name).bundled]


def places(codec: Codec) -> str:
    """Where a field lies on the wire."""
    names = []
    for path in codec.places():
        kind = {HEADERS: "header ", QUERY: "query "}.get(path[0] if path else "", "")
        names.append(f"`{kind}{'.'.join(path[1:] if kind else path)}`")
    return ", ".join(names)


def words(codec: Codec) -> str:
    """What a field may be, in the service's own words beside ours where they differ."""
    match codec:
        case At(inner=Words() as inner):
            pairs = [(ours, theirs[0]) for ours, theirs in inner.table]
            return ", ".join(ours if ours == theirs else f"{ours} (`{theirs}`)" for ours, theirs in pairs)
        case Pair(first=first, second=second):
            return f"{words(first)}; {words(second)}"
    return codec.allowed


def default(codec: Codec) -> str:
    """What the service takes where nothing is said."""
    match codec:
        case At(default=value) if value is not MISSING:
            if isinstance(value, tuple):
                return ", ".join(map(str, value))
            return str(value).lower() if isinstance(value, bool) else str(value)
        case Pair(first=first, second=second):
            return f"{default(first)}, {default(second)}"
    return ""


def twin(provider: Provider) -> Provider | None:
    """The provider before this one that differs from it in name, address and key alone; None if there is none."""
    for other in bundled():
        if other.name == provider.name:
            return None
        if attrs.evolve(provider, name=other.name, base_url=other.base_url, key=other.key) == other:
            return other
    return None


def options(model: Model) -> list[str]:
    """The names of what only this service has."""
    return [name for name, _ in model.form.fields if name not in (*FIELDS, "size")]


def services() -> str:
    """The table of services for the README."""
    rows = []
    for provider in bundled():
        if (like := twin(provider)) is not None:
            rows.append([f"`{provider.name}:...`", f"as `{like.name}:...`", "", ""])
            continue
        for model in provider.models:
            takes = [field for field in FIELDS[1:] if model.form.get(field) is not None]
            name = f"`{provider.name}:{model.name}`"
            rows.append([name, in_short(model.sizes), ", ".join(takes), ", ".join(options(model))])
    return table(["model", "sizes", "takes, beside prompt and size", "options"], rows)


def in_short(space: Space) -> str:
    """The sizes of a model, without their names."""
    if isinstance(space, Canvas):
        width, height = space.width, space.height
        return f"{width[0]} to {width[-1]} px a side" if width == height else space.allowed()
    ratios = f"{len(space.aspects)} ratios"
    return f"{ratios} at {' or '.join(space.resolutions)}" if space.resolutions else f"{ratios}, pixels not documented"


def mark(codec: Codec | None) -> str:
    """What a model takes of a field, as short as can be."""
    match codec:
        case None:
            return ""
        case At(inner=Whole(first=int(first), last=int(last))):
            return f"{first} to {last}"
        case At(inner=Words(table=rows)):
            return ", ".join(ours for ours, _ in rows)
        case Slots(keys=keys, inner=Base64(formats=formats)):
            return f"{len(keys)}, as base64 ({', '.join(formats)})"
        case Slots(keys=keys, inner=Either(first=Base64(formats=formats), second=Hosted())):
            return f"{len(keys)}, as base64 ({', '.join(formats)}) or by address"
        case At(inner=Each(most=most, inner=Hosted())):
            return f"{most}, by address"
        case At(inner=Only(inner=Hosted())):
            return "1, by address"
    return "yes"


def matrix(provider: Provider) -> str:
    """Models by fields: what each model of a provider takes of each field."""
    head = ["model", "sizes", *(f"{field} *" if field in WISHES else field for field in FIELDS[1:]), "options"]
    rows = [
        [
            model.name,
            in_short(model.sizes),
            *(mark(model.form.get(field)) for field in FIELDS[1:]),
            ", ".join(options(model)),
        ]
        for model in provider.models
    ]
    return table(head, rows)


def idempotency(declared: Idempotency | None) -> str:
    """How a service knows a submit again, if it says so."""
    if declared is None:
        return "Nothing is declared by which it would know a submit again whose answer was lost."
    return (
        f"By its documentation a submit that comes again is known by its `{declared.header}`, for "
        f'{declared.life / 3600:g} h; used only with `idempotency = "trust"`.'
    )


def uploads(upload: Upload | None) -> str:
    """How an image becomes an address."""
    if upload is None:
        return "Images cannot be uploaded."
    what = f"{', '.join(upload.formats)}{f', at most {upload.most:,} bytes' if upload.most else ''}"
    how = "by a ticket from" if upload.ticket else f"as the field `{upload.field}` of a form to"
    life = f"; the address lives {upload.life / 3600:g} h" if upload.life else ""
    return f"Images ({what}) can be uploaded, {how} `{upload.route.method} {upload.route.path}`{life}."


def span(seconds: float) -> str:
    """A time as one would say it."""
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / 60:g} minutes"


def usual_size(space: Canvas) -> str:
    """The pixels that come where none are asked for; empty where nobody knows it."""
    return "" if space.default is None else "{}x{}".format(*space.default)


def price(price: PerMegapixel) -> str:
    """What an image costs by the service's list."""
    first, further = (each * price.unit for each in (price.first, price.further))
    return (
        f"An image costs {first} USD, and {further} USD more for each megapixel begun after the first. With references "
        "it costs more, and how much is not known beforehand."
    )


def sizes(model: Model) -> Iterator[str]:
    """The sizes of one model, row by row."""
    space = model.sizes
    if isinstance(space, Canvas):
        usual = usual_size(space)
        yield f"Any pixels within bounds: {space.allowed()}. {f'Default: {usual}.' if usual else UNKNOWN_SIZE}"
    elif isinstance(space, Ratios):
        usual = f"Default: `{space.default}`." if space.default else UNKNOWN_SIZE
        yield f"Ratios by name: {', '.join(f'`{name}`' for name in space.names)}. {usual}"
        yield "How many pixels they have is not documented: a plan promises none, and whatever comes is no mismatch."
    elif isinstance(space, Grid):
        rows = []
        for aspect in space.aspects:
            cells = [f"`{aspect}`"]
            for resolution in space.resolutions:
                point = space.point((aspect, resolution))
                text = " or ".join(f"{width}x{height}" for width, height in point.expected)
                cells.append(text if point.documented else f"{text} (not documented)")
            rows.append(cells)
        yield table(["ratio", *space.resolutions], rows)


def each_field(name: str, codec: Codec, place: str = "") -> Iterator[list[str]]:
    """The row of one field, and below it those of the fields within it."""
    match codec:
        case At(path=path, inner=(Form() | Each(inner=Form())) as inner):
            place = f"{place}{path}"
            yield [name, f"`{place}`", inner.allowed, ""]
            form, place = (inner.inner, f"{place}[]") if isinstance(inner, Each) else (inner, place)
            for part, within in form.fields:
                yield from each_field(f"{name}{'[]' if isinstance(inner, Each) else ''}.{part}", within, f"{place}.")
        case _:
            where = places(codec)
            yield [name, where.replace("`", f"`{place}", 1) if place else where, words(codec), default(codec)]


def ways(codec: Codec) -> str:
    """What becomes of a reference that a model does not take as it is."""
    inner: Codec | None = codec
    while inner is not None and not isinstance(inner, Base64 | Hosted):
        inner = getattr(inner, "inner", None)
    match inner:
        case Base64():
            return "; an address is fetched first"
        case Hosted():
            return "; an image is uploaded first"
    return ""


def row(model: Model, name: str, codec: Codec) -> Iterator[list[str]]:
    """The row of one field of a model, and the rows of what is within it."""
    (first, where, allowed, usual), *within = each_field(name, codec)
    if name == "size" and isinstance(model.sizes, Canvas):  # in pixels, in whatever form they are sent
        allowed, usual = model.sizes.allowed(), usual_size(model.sizes)
    yield [first, where, f"{allowed}{ways(codec) if name == 'references' else ''}", usual]
    yield from within


def fields(model: Model) -> str:
    """The fields of one model: ours, theirs, bounds, defaults; in the order of a request, then its options."""
    order = ("prompt", "size", *FIELDS[1:])
    known = sorted((name for name, _ in model.form.fields if name in order), key=order.index)
    codecs = dict(model.form.fields)
    rows = [line for name in (*known, *options(model)) for line in row(model, name, codecs[name])]
    return table(["field", "on the wire", "allowed", "default"], rows)


def providers_page() -> str:
    """docs/providers.md."""
    parts = ["# Providers", NOTE, INTRODUCTION]
    for provider in bundled():
        states = ", ".join(f"{word} ({state})" for word, state in provider.statuses)
        life = "not known" if provider.link_life is None else span(provider.link_life)
        parts += [
            f"## {provider.name}",
            f"Base URL `{provider.base_url}`, key in the header `{provider.key.header}`. Facts: <{provider.source}>.",
        ]
        if (like := twin(provider)) is not None:
            models = ", ".join(f"`{provider.name}:{model.name}`" for model in provider.models)
            parts.append(f"In all else it is [{like.name}](#{like.name}), model by model: {models}.")
            continue
        parts += [
            f"Task states: {states}. A link lives about {life}.",
            uploads(provider.upload),
            idempotency(provider.idempotency),
            matrix(provider),
        ]
        for model in provider.models:
            parts += [f"### {provider.name}:{model.name}", fields(model), *sizes(model)]
            if isinstance(model.price, PerMegapixel):
                parts.append(price(model.price))
    return "\n\n".join(parts) + "\n"


def events() -> str:
    """What is told to listeners."""
    return table(["kind", "what has happened"], [[f"`{kind}`", about] for kind, about in KINDS.items()])


def errors_page() -> str:
    """docs/errors.md."""
    tree = re.search(r"::\n\n(.*)", inspect.getdoc(errors) or "", re.DOTALL)
    if tree is None:
        raise SystemExit("the docstring of fluxkit.errors holds no tree")
    parts = [
        "# Errors",
        NOTE.replace("the declarations", "fluxkit.errors"),
        CHARGED,
        f"```text\n{inspect.cleandoc(tree[1])}\n```",
    ]
    rows = [
        [
            f"`{kind.__name__}`",
            (inspect.getdoc(kind) or "").split("\n")[0].replace("``", "`"),
            str(kind("").charged),
            "yes" if kind("").retry else "no",
        ]
        for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, errors.FluxError)
    ]
    parts.append(table(["error", "means", "charged, unless it says otherwise", "retry"], rows))
    return "\n\n".join(parts) + "\n"


PAGES = {
    "docs/how-to/watch-and-cancel.md": lambda: renewed("docs/how-to/watch-and-cancel.md", events=events()),
    "docs/reference/api.md": lambda: renewed(
        "docs/reference/api.md",
        fluxkit=names_of(fluxkit),
        provider=names_of(fluxkit.provider),
        webhooks=names_of(fluxkit.webhooks),
        testing=names_of(fluxkit.testing),
        mock=names_of(fluxkit_mockserver),
    ),
    "docs/reference/checks.md": checks_page,
    "docs/reference/commands.md": commands_page,
    "docs/reference/control.md": control_page,
    "docs/reference/errors.md": errors_page,
    "docs/reference/mock-faults.md": lambda: mock_page(bundled()),
    "docs/reference/providers.md": providers_page,
    "docs/reference/settings.md": lambda: renewed("docs/reference/settings.md", keys=keys(), order=order()),
    "docs/reference/sizes.md": lambda: renewed("docs/reference/sizes.md", sizes=sizes_of(bundled())),
    "README.md": lambda: renewed("README.md", services=services()),
}


def main(arguments: list[str]) -> int:
    """Writes every page, or with ``--check`` names those that are stale."""
    stale = [
        name for name, page in PAGES.items() if not (ROOT / name).exists() or (ROOT / name).read_text("utf-8") != page()
    ]
    if "--check" in arguments:
        for name in stale:
            print(f"{name} is stale: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (ROOT / name).write_text(PAGES[name](), "utf-8")
        print(f"{name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

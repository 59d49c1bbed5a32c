"""Writes the tables of the documentation from the declarations and the errors, or checks that they are up to date.

python scripts/generate_docs.py [--check]
"""

import inspect
import re
import sys
from collections.abc import Iterator

from api_page import names_of
from commands_page import commands_page
from pages import ROOT, renewed, table
from settings_page import keys, order
from sizes_page import sizes_of

import fluxkit
import fluxkit.provider
import fluxkit_mockserver
from fluxkit import errors
from fluxkit._plugins import installed
from fluxkit._wire.codecs import At, Form, Pair
from fluxkit._wire.draft import FIELDS, WISHES
from fluxkit._wire.json import HEADERS, MISSING, QUERY
from fluxkit._wire.scalars import Codec, Words
from fluxkit.provider import Canvas, Grid, Model, Provider

NOTE = "<!-- Written by scripts/generate_docs.py from the declarations; do not edit. -->"

INTRODUCTION = """\
What each bundled provider takes, from its declaration. A field that a model does not take is refused; a *wish* can be
given up by name (`unsupported={"seed": "drop"}`)."""

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
            return str(value).lower() if isinstance(value, bool) else str(value)
        case Pair(first=first, second=second):
            return f"{default(first)}, {default(second)}"
    return ""


def services() -> str:
    """The table of services for the README."""
    rows = []
    for provider in bundled():
        for model in provider.models:
            form = model.form
            takes = [field for field in FIELDS[1:] if form.get(field) is not None]
            rows.append([f"`{provider.name}:{model.name}`", model.sizes.allowed(), ", ".join(takes)])
    return table(["model", "sizes", "takes, beside prompt and size"], rows)


def matrix() -> str:
    """Models by fields: what each model takes of each field."""
    models = [(provider, model) for provider in bundled() for model in provider.models]
    head = ["field", *(f"{provider.name}: {model.name}" for provider, model in models)]
    rows = []
    for field in (*FIELDS[:1], "size", *FIELDS[1:]):
        cells = []
        for _, model in models:
            codec = model.form.get(field)
            cells.append("refused" if codec is None else model.sizes.allowed() if field == "size" else codec.allowed)
        rows.append([f"{field} (a wish)" if field in WISHES else field, *cells])
    return table(head, rows)


def sizes(model: Model) -> Iterator[str]:
    """The sizes of one model, row by row."""
    space = model.sizes
    if isinstance(space, Canvas):
        width, height = space.point(space.default).pixels
        yield f"Any width and height: {space.allowed()}. Default: {width}x{height}."
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


def fields(model: Model) -> str:
    """The fields of one model: ours, theirs, bounds, defaults."""
    form: Form = model.form
    return table(
        ["field", "on the wire", "allowed", "default"],
        [[name, places(codec), words(codec), default(codec)] for name, codec in form.fields],
    )


def providers_page() -> str:
    """docs/providers.md."""
    parts = [
        "# Providers",
        NOTE,
        INTRODUCTION,
        "## Models and fields",
        matrix(),
    ]
    for provider in bundled():
        states = ", ".join(f"{word} ({state})" for word, state in provider.statuses)
        life = "not known" if provider.link_life is None else f"{provider.link_life / 3600:g} h"
        parts += [
            f"## {provider.name}",
            f"Base URL `{provider.base_url}`, key in the header `{provider.key.header}`. Facts: <{provider.source}>.",
            f"Task states: {states}. A link lives about {life}.",
        ]
        for model in provider.models:
            parts += [f"### {provider.name}:{model.name}", fields(model), *sizes(model)]
    return "\n\n".join(parts) + "\n"


def faults() -> str:
    """The faults that the mock knows."""
    rows = [[f"`{fault.name}`", fault.moment, fault.about] for fault in fluxkit_mockserver.FAULTS.values()]
    return table(["fault", "strikes at", "what happens"], rows)


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
    "docs/how-to/offline-tests.md": lambda: renewed("docs/how-to/offline-tests.md", faults=faults()),
    "docs/reference/api.md": lambda: renewed(
        "docs/reference/api.md",
        fluxkit=names_of(fluxkit),
        provider=names_of(fluxkit.provider),
        mock=names_of(fluxkit_mockserver),
    ),
    "docs/reference/commands.md": commands_page,
    "docs/reference/errors.md": errors_page,
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

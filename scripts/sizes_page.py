"""The generated part of the page of sizes: every size of every model, and where its pixels come from."""

from collections.abc import Iterator, Sequence

from pages import table

from fluxkit.provider import Canvas, Grid, Provider, Ratios, Scale, Space

STATED = "stated by the service"


def origin(name: str, table: object, base: str) -> str:
    """Where the pixels of one resolution of a grid come from."""
    if not isinstance(table, Scale):
        return f"{name}: {STATED}."
    way = "down" if table.down else "to the nearest"
    return (
        f"{name}: made from {base} by the service's rule: sides times {table.times}; if one exceeds {table.most}, both "
        f"shrink in proportion; then each goes {way} to a multiple of {table.step}."
    )


def grid(space: Grid) -> Iterator[str]:
    """A grid: the origin of each table, and a row for each ratio."""
    base = space.resolutions[0]
    yield "\n".join(f"- {origin(name, rows, base)}" for name, rows in space.tables)
    points = {point.choice: point for point in space}
    rows = []
    for aspect in space.aspects:
        cells = [f"`{aspect}`{' (default)' if aspect == space.point(space.default).aspect else ''}"]
        for resolution in space.resolutions:
            point = points.get((aspect, resolution))
            sizes = () if point is None else point.expected
            text = " or ".join(f"{width}x{height}" for width, height in sizes) or "refused"
            cells.append(f"{text} \\*" if point is not None and not point.documented else text)
        rows.append(cells)
    yield table(["ratio", *space.resolutions], rows)
    if any(not point.documented for point in space):
        yield (
            "\\* not documented: the rule is, its rounding is not. Where two sizes stand, the first is planned and "
            "either is taken when it comes."
        )


def canvas(space: Canvas) -> Iterator[str]:
    """A canvas: its bounds and its default."""
    text = f"Any pixels within bounds that are {STATED}: {space.allowed()}."
    if space.default is None:
        yield f"{text} What comes where no size is asked for is not known."
    else:
        width, height = space.default
        yield f"{text} Where no size is asked for, {width}x{height}."


def ratios(space: Ratios) -> Iterator[str]:
    """Ratios: their names, and that nobody says more."""
    names = ", ".join(f"`{name}`" for name in space.names)
    yield (
        f"Ratios by name: {names}. {f'Where none is asked for, `{space.default}`. ' if space.default else ''}"
        "The names are stated by the service, the pixels are not: a plan promises none, and whatever comes is no "
        "mismatch."
    )


def described(space: Space) -> Iterator[str]:
    """A space of any kind; of several in one, each of them."""
    if isinstance(space, Grid):
        yield from grid(space)
    elif isinstance(space, Canvas):
        yield from canvas(space)
    elif isinstance(space, Ratios):
        yield from ratios(space)
    else:
        for each in getattr(space, "spaces", ()):
            yield from described(each)


def sizes_of(providers: Sequence[Provider]) -> str:
    """Every size space with the models that share it, under the names of the first provider that has them."""
    models: dict[Space, dict[str, list[str]]] = {}
    for provider in providers:
        for model in provider.models:
            models.setdefault(model.sizes, {}).setdefault(provider.name, []).append(model.name)
    parts = []
    for space, named in models.items():
        (first, names), *others = ((provider, list(dict.fromkeys(rows))) for provider, rows in named.items())
        parts.append(f"### {', '.join(f'`{first}:{name}`' for name in names)}")
        for other, rows in others:
            same = "The same" if rows == names else ", ".join(f"`{name}`" for name in rows)
            parts.append(f"{same} at `{other}`.")
        parts += described(space)
    return "\n\n".join(parts)

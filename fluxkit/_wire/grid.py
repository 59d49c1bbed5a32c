"""The size space of services that sell sizes by name: a preset and a resolution make a choice."""

from collections.abc import Hashable, Iterable, Iterator, Mapping

import attrs

from .._contract.by_fields import by_fields, shown_by_fields
from .._contract.size import Aspect, Point
from .nearest import Ideal, NoSuchSize


@by_fields
@attrs.frozen(eq=False, repr=False)
class Scale:
    """A rule that makes one table of a grid from another, in exact integers.

    Sides are multiplied by *times*; if one exceeds *most*, both shrink in proportion; then each is aligned to a
    multiple of *step*, *down* or to the nearest (a half goes up).
    """

    times: int
    most: int = attrs.field(kw_only=True)
    step: int = attrs.field(kw_only=True)
    down: bool = attrs.field(default=True, kw_only=True)

    def __call__(self, width: int, height: int) -> tuple[int, int]:
        """The sides, in pixels, that the rule makes of a width and a height."""
        longest = max(width, height)
        times, parts = (self.times, 1) if longest * self.times <= self.most else (self.most, longest)
        unit = parts * self.step
        half = 0 if self.down else unit // 2
        return (width * times + half) // unit * self.step, (height * times + half) // unit * self.step


Choice = tuple[str, str]
Table = tuple[tuple[str, tuple[int, int]], ...]


def _freeze_tables(
    tables: Mapping[str, Mapping[str, tuple[int, int]] | Scale] | tuple[tuple[str, Table | Scale], ...],
) -> tuple[tuple[str, Table | Scale], ...]:
    """Make mappings hashable; what is frozen already stays as it is, which `attrs.evolve` needs."""
    return tuple(
        (
            resolution,
            table
            if isinstance(table, Scale)
            else tuple((aspect, (width, height)) for aspect, (width, height) in dict(table).items()),
        )
        for resolution, table in dict(tables).items()
    )


def _freeze_choices(choices: Iterable[Choice]) -> tuple[Choice, ...]:
    return tuple(choices)


@shown_by_fields
@attrs.frozen(cache_hash=True, repr=False)
class Grid:
    """A space of presets: a name for the ratio and a name for the resolution make a choice.

    Args:
        tables: For each resolution, in the service's order, the pixels of each ratio; or a `Scale` that makes them from
            the first table.
        default: The choice that the service makes when it is told nothing.
        inferred: The choices whose pixels nobody documents for certain. Where a `Scale` makes them, its other rounding
            is expected too.

    Raises:
        ValueError: The first table is a `Scale`, the name of a ratio is not one, a side has no pixel, or the default or
            an inferred choice is not in the tables.
    """

    tables: tuple[tuple[str, Table | Scale], ...] = attrs.field(converter=_freeze_tables)
    default: Choice = attrs.field(kw_only=True)
    inferred: tuple[Choice, ...] = attrs.field(default=(), converter=_freeze_choices, kw_only=True)
    _points: Mapping[Hashable, Point] = attrs.field(init=False, eq=False, repr=False)

    @_points.default
    def _lay_out(self) -> Mapping[Hashable, Point]:
        base = self.tables[0][1] if self.tables else ()
        if isinstance(base, Scale):
            raise ValueError("the first table of a grid says its pixels; only later ones can be scaled from it")
        points: dict[Hashable, Point] = {}
        for resolution, table in self.tables:
            for aspect, pixels in base if isinstance(table, Scale) else table:
                choice = (aspect, resolution)
                documented = choice not in self.inferred
                also: tuple[tuple[int, int], ...] = ()
                if isinstance(table, Scale):
                    other = attrs.evolve(table, down=not table.down)(*pixels)
                    pixels = table(*pixels)
                    also = () if documented or other == pixels else (other,)
                points[choice] = Point(choice, *pixels, aspect, resolution, documented, also)
        return points

    def __attrs_post_init__(self) -> None:
        for point in self:
            Aspect.parse(str(point.aspect))
            if min(map(min, point.expected)) < 1:
                raise ValueError(f"{point.choice!r} has no pixels: {point.width}x{point.height}")
        for choice in (self.default, *self.inferred):
            self.point(choice)

    @property
    def aspects(self) -> tuple[str, ...]:
        """The names of the ratios, in the order of the tables."""
        return tuple(dict.fromkeys(point.aspect for point in self if point.aspect))

    @property
    def resolutions(self) -> tuple[str, ...]:
        """The names of the resolutions, in the order of the tables."""
        return tuple(resolution for resolution, _ in self.tables)

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points.values())

    def point(self, choice: Hashable) -> Point:
        """The point of a (ratio, resolution). Raises `NoSuchSize`."""
        try:
            return self._points[choice]
        except KeyError:
            raise NoSuchSize(choice, self.allowed()) from None

    def near(self, ideal: Ideal) -> Iterator[Point]:
        """Every point: presets are few."""
        return iter(self)

    def allowed(self) -> str:
        """For example "1:1, 4:3 at 1K or 2K"."""
        resolutions: dict[str, list[str]] = {}
        for resolution in self.resolutions:
            aspects = ", ".join(str(point.aspect) for point in self if point.resolution == resolution)
            resolutions.setdefault(aspects, []).append(resolution)
        return "; ".join(f"{aspects} at {' or '.join(names)}" for aspects, names in resolutions.items())

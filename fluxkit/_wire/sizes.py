"""Size spaces: every size that a model offers, and the search for the one nearest to a want.

A space maps *choices* (what the service is told) to *points* (the pixels that come). A `Grid` sells sizes by name, a
`Canvas` takes any width and height within bounds, `Spaces` is several of them in one. The search picks the point; a
codec spells its choice; whoever reads the choice back asks the space for the same point.
"""

import bisect
import functools
import itertools
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Protocol

import attrs

from .._contract.size import RESOLUTIONS, Aspect, Point, Want, excess

__all__ = ["Canvas", "Grid", "Ideal", "NoSuchSize", "Scale", "Space", "Spaces", "nearest"]

_ROUNDING = 1e-9
"""Far above the rounding of a distance, far below what one pixel makes of it."""


class NoSuchSize(ValueError):
    """A choice that a space does not have.

    Args:
        choice: What was asked of the space.
        allowed: What the space has, in one line.
    """

    def __init__(self, choice: object, allowed: str) -> None:
        super().__init__(choice, allowed)
        self.choice = choice
        self.allowed = allowed

    def __str__(self) -> str:
        return f"there is no size {self.choice!r}; allowed: {self.allowed}"


class Space(Protocol):
    """Every size that a model offers. A space is an immutable, hashable value."""

    @property
    def default(self) -> Hashable:
        """The choice that the service makes when it is told nothing; None where nobody says what it makes then."""
        ...

    @property
    def aspects(self) -> tuple[str, ...]:
        """The space's own names for ratios; empty if it has none."""
        ...

    @property
    def resolutions(self) -> tuple[str, ...]:
        """The space's own names for areas; empty if it has none."""
        ...

    def __hash__(self) -> int:
        """Spaces are values: the search remembers what it found in equal ones."""
        ...

    def __iter__(self) -> Iterator[Point]:
        """Every point, which may be millions."""
        ...

    def point(self, choice: Hashable, /) -> Point:
        """The point of a choice. Raises `NoSuchSize`."""
        ...

    def near(self, ideal: "Ideal", /) -> Iterator[Point]:
        """Some points, among them the nearest to the ideal, and all that are as near."""
        ...

    def allowed(self) -> str:
        """What the space has, in one line for a message."""
        ...


@attrs.frozen(eq=False)
class Ideal:
    """What a want means in one space: a ratio, an area in pixels, and the names that count as exactly that."""

    width: int
    height: int
    area: int
    aspect: Aspect | None = None
    resolution: str | None = None

    @classmethod
    def of(cls, want: Want, default: Point | None) -> "Ideal":
        """Complete a want: a missing aspect is that of the space's default point, a missing resolution is 1K.

        Where the space has no default, a square is meant.
        """
        if want.pixels is not None:
            width, height = want.pixels
            return cls(width, height, width * height)
        aspect = want.aspect or (Aspect.parse(default.aspect) if default and default.aspect else None)
        resolution = want.resolution or "1K"
        width, height = aspect.ratio if aspect else default.pixels if default else (1, 1)
        return cls(width, height, RESOLUTIONS[resolution], aspect, resolution)

    def distance(self, point: Point) -> float:
        """`100 * |ln aspect deviation| + |ln area deviation|`; a term is 0 where the point's own name is the one asked.

        One sum instead of an order of aspect before area, because the order would buy a deviation of 1 % instead of
        1.2 % with twice the pixels. The weight makes 1 % of ratio as bad as a factor of e in area.
        """
        same_aspect = self.aspect is not None and point.names(self.aspect)
        same_resolution = self.resolution is not None and point.resolution == self.resolution
        shape = 0.0 if same_aspect else self._shape(point.width, point.height)
        extent = 0.0 if same_resolution else self._extent(point.width, point.height)
        return shape + extent

    def distance_in_pixels(self, width: float, height: float) -> float:
        """The distance of a size without names; it need not be whole."""
        return self._shape(width, height) + self._extent(width, height)

    def rank(self, point: Point) -> tuple[float, bool, int, int]:
        """The order of preference, the best first: nearest, documented, larger, wider."""
        return self.distance(point), not point.documented, -point.width * point.height, -point.width

    def _shape(self, width: float, height: float) -> float:
        return 100 * math.log1p(excess(width * self.height, height * self.width))

    def _extent(self, width: float, height: float) -> float:
        return math.log1p(excess(width * height, self.area))


@functools.lru_cache(maxsize=1024)
def nearest(space: Space, want: Want) -> Point:
    """The point of a space that is nearest to a want; the default point, if there is one, where nothing is wanted.

    Ties go to the documented, then the larger, then the wider point. How much deviation is too much is not judged here.
    """
    default = None if space.default is None else space.point(space.default)
    if default is not None and want == Want():
        return default
    ideal = Ideal.of(want, default)
    return min(space.near(ideal), key=ideal.rank)


@attrs.frozen
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


@attrs.frozen(cache_hash=True)
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


@attrs.frozen(cache_hash=True)
class Canvas:
    """A space of free sizes: any width and height of two ranges, perhaps with a budget of pixels. It names nothing.

    Args:
        width: The widths allowed, in pixels; the step of the range is the service's.
        height: The heights allowed.
        default: The width and height that the service takes when it is told nothing; None where nobody says it.
        max_pixels: The largest area allowed.

    Raises:
        ValueError: A range is empty, descends, or starts below 1, or the default is not allowed.
    """

    width: range
    height: range
    default: tuple[int, int] | None = attrs.field(default=None, kw_only=True)
    max_pixels: int | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        for sides in (self.width, self.height):
            if not sides or sides.step < 1 or sides[0] < 1:
                raise ValueError(f"{sides} are not the sides of a canvas: they start at 1 or above and ascend")
        if self.default is not None:
            self.point(self.default)

    @property
    def aspects(self) -> tuple[str, ...]:
        """Empty: a canvas names nothing."""
        return ()

    @property
    def resolutions(self) -> tuple[str, ...]:
        """Empty: a canvas names nothing."""
        return ()

    def __iter__(self) -> Iterator[Point]:
        for width in self.width:
            for height in self._beside(self.height, width):
                yield Point((width, height), width, height)

    def point(self, choice: Hashable) -> Point:
        """The point of a (width, height). Raises `NoSuchSize`."""
        match choice:
            case (int(width), int(height)) if width in self.width and height in self._beside(self.height, width):
                return Point((width, height), width, height)
        raise NoSuchSize(choice, self.allowed())

    def near(self, ideal: Ideal) -> Iterator[Point]:
        """A handful of points, each at least as near as those before it.

        The walk goes outwards from the width that would be best if sides were real numbers. A wide ideal is searched as
        the tall one that it is when turned: the shorter side has fewer whole numbers to try.
        """
        if ideal.width > ideal.height:
            turned = Canvas(self.height, self.width, max_pixels=self.max_pixels)
            for tall in turned.near(Ideal(ideal.height, ideal.width, ideal.area)):
                yield Point((tall.height, tall.width), tall.height, tall.width)
            return
        # Why it may stop. With x = ln width and y = ln height the distance is 100 |x - y - a| + |x + y - b|: convex.
        # Bounds and budget leave a convex set of real sizes. So the least distance that the real heights of a width
        # reach (the `bound` of that width) is convex in x too: it falls to one width and rises from there both
        # ways. Once it exceeds the distance of a point found, no width further out can do better.
        # Why two heights are enough. The first term outweighs the second 100 to 1, so for a fixed width the distance
        # falls up to the height of the ideal ratio and rises after it: clamped, that height gives the bound, and the
        # best allowed height is next to it.
        lowest, highest = self.height[0], self.height[-1]
        widths = self._beside(self.width, lowest)

        def bound(width: int) -> float:
            highest_here = highest if self.max_pixels is None else min(highest, self.max_pixels / width)
            height = width * ideal.height / ideal.width
            return ideal.distance_in_pixels(width, max(lowest, min(height, highest_here)))

        pairs = range(len(widths) - 1)
        start = bisect.bisect_left(pairs, True, key=lambda pair: bound(widths[pair]) <= bound(widths[pair + 1]))
        best = math.inf
        for outwards in (widths[start::-1], widths[start + 1 :]):
            for width in outwards:
                if bound(width) > best + _ROUNDING:
                    break
                for height in self._heights(width, ideal):
                    distance = ideal.distance_in_pixels(width, height)
                    if distance <= best:
                        best = distance
                        yield Point((width, height), width, height)

    def allowed(self) -> str:
        """For example "width 64 to 2048 in steps of 16, height 64 to 2048 in steps of 16, at most 1048576 pixels"."""
        clauses = [f"{name} {_in_words(sides)}" for name, sides in (("width", self.width), ("height", self.height))]
        if self.max_pixels is not None:
            clauses.append(f"at most {self.max_pixels} pixels")
        return ", ".join(clauses)

    def _beside(self, sides: range, other: int) -> range:
        """Those sides that the budget leaves beside the other one."""
        if self.max_pixels is None:
            return sides
        return sides[: max(0, (self.max_pixels // other - sides.start) // sides.step + 1)]

    def _heights(self, width: int, ideal: Ideal) -> set[int]:
        """The allowed heights just below and just above the ideal ratio."""
        heights = self._beside(self.height, width)
        below = (width * ideal.height // ideal.width - heights.start) // heights.step
        return {heights[max(0, min(place, len(heights) - 1))] for place in (below, below + 1)}


def _in_words(sides: range) -> str:
    words = f"{sides[0]} to {sides[-1]}"
    return words if sides.step == 1 else f"{words} in steps of {sides.step}"


def _freeze_spaces(spaces: Iterable[Space]) -> tuple[Space, ...]:
    return tuple(spaces)


@attrs.frozen(cache_hash=True)
class Spaces:
    """Several spaces in one, such as presets beside a canvas. A choice is the place of the space and the choice in it.

    Raises:
        ValueError: There is no space.
    """

    spaces: tuple[Space, ...] = attrs.field(converter=_freeze_spaces, validator=attrs.validators.min_len(1))

    @property
    def default(self) -> tuple[int, Hashable] | None:
        """The default of the first space."""
        first = self.spaces[0].default
        return None if first is None else (0, first)

    @property
    def aspects(self) -> tuple[str, ...]:
        """The names for ratios of all spaces."""
        return tuple(dict.fromkeys(itertools.chain.from_iterable(space.aspects for space in self.spaces)))

    @property
    def resolutions(self) -> tuple[str, ...]:
        """The names for areas of all spaces."""
        return tuple(dict.fromkeys(itertools.chain.from_iterable(space.resolutions for space in self.spaces)))

    def __iter__(self) -> Iterator[Point]:
        return self._placed(self.spaces)

    def point(self, choice: Hashable) -> Point:
        """The point of a (place, choice). Raises `NoSuchSize`."""
        match choice:
            case (int(place), inner) if 0 <= place < len(self.spaces):
                return attrs.evolve(self.spaces[place].point(inner), choice=choice)
        raise NoSuchSize(choice, self.allowed())

    def near(self, ideal: Ideal) -> Iterator[Point]:
        """The near points of each space."""
        return self._placed(space.near(ideal) for space in self.spaces)

    def allowed(self) -> str:
        """What each space has."""
        return "; or ".join(space.allowed() for space in self.spaces)

    @staticmethod
    def _placed(spaces: Iterable[Iterable[Point]]) -> Iterator[Point]:
        for place, points in enumerate(spaces):
            for point in points:
                yield attrs.evolve(point, choice=(place, point.choice))

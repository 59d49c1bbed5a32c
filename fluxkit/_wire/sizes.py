"""Size spaces: every size that a model offers.

A space maps *choices* (what the service is told) to *points* (the pixels that come). A `Grid` sells sizes by name, of
`Ratios` only the names are known, a `Canvas` takes any width and height within bounds, `Spaces` is several of them in
one. The search picks the point; a codec spells its choice; whoever reads the choice back asks the space for the same
point.
"""

import bisect
import itertools
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping

import attrs

from .._contract.size import Aspect, Point
from .nearest import Ideal, NoSuchSize, Space

_ROUNDING = 1e-9
"""Far above the rounding of a distance, far below what one pixel makes of it."""


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


def _freeze_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


@attrs.frozen(cache_hash=True)
class Ratios:
    """A space of ratios by name, of whose pixels nobody says anything: a name is a choice.

    No pixels are invented for it: where they would stand in a point, the terms of the ratio do. Nothing is promised,
    and nothing that comes is wrong.

    Args:
        names: The ratios, in the service's order.
        default: The one that the service makes when it is told nothing; None where nobody says it.

    Raises:
        ValueError: A name is not a ratio or is given twice, or the default is not among them.
    """

    names: tuple[str, ...] = attrs.field(converter=_freeze_names)
    default: str | None = attrs.field(default=None, kw_only=True)
    _points: Mapping[Hashable, Point] = attrs.field(init=False, eq=False, repr=False)

    @_points.default
    def _lay_out(self) -> Mapping[Hashable, Point]:
        ratios = {name: Aspect.parse(name).ratio for name in self.names}
        return {name: Point(name, *ratio, name, documented=False, known=False) for name, ratio in ratios.items()}

    def __attrs_post_init__(self) -> None:
        if len(self._points) < len(self.names):
            raise ValueError(f"a ratio is given twice: {', '.join(self.names)}")
        if self.default is not None:
            self.point(self.default)

    @property
    def aspects(self) -> tuple[str, ...]:
        """The names, in the service's order."""
        return self.names

    @property
    def resolutions(self) -> tuple[str, ...]:
        """Empty, because nobody says how large an image is."""
        return ()

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points.values())

    def point(self, choice: Hashable) -> Point:
        """The point of a ratio. Raises `NoSuchSize`."""
        try:
            return self._points[choice]
        except KeyError:
            raise NoSuchSize(choice, self.allowed()) from None

    def near(self, ideal: Ideal) -> Iterator[Point]:
        """Every point: ratios are few."""
        return iter(self)

    def allowed(self) -> str:
        """For example "1:1, 4:3; pixels not documented"."""
        return f"{', '.join(self.names)}; pixels not documented"


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
        """Empty, because a canvas names nothing."""
        return ()

    @property
    def resolutions(self) -> tuple[str, ...]:
        """Empty, because a canvas names nothing."""
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

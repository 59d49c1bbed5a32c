"""The search for the point of a size space that is nearest to a want, and what a space must offer for it."""

import functools
import math
from collections.abc import Hashable, Iterator
from typing import Protocol

import attrs

from .._contract.by_fields import shown_by_fields
from .._contract.size import RESOLUTIONS, Aspect, Point, Want, aspect_deviation, excess


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
    """Every size that a model offers. A space is an immutable, hashable value.

    It maps *choices*, what the service is told, to *points*, the pixels that come. The search picks the point, and a
    codec spells its choice; whoever reads the choice back asks the space for the same point.
    """

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


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
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

        So is the second where the pixels are not known: all that such points state is a ratio.

        One sum instead of an order of aspect before area, because the order would buy a deviation of 1 % instead of
        1.2 % with twice the pixels. The weight makes 1 % of ratio as bad as a factor of e in area.
        """
        same_aspect = self.aspect is not None and point.names(self.aspect)
        same_resolution = self.resolution is not None and point.resolution == self.resolution
        shape = 0.0 if same_aspect else self._shape(point.width, point.height)
        extent = 0.0 if same_resolution or not point.known else self._extent(point.width, point.height)
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


def runners_up(space: Space, want: Want, found: Point, most: int = 2) -> tuple[Point, ...]:
    """The points that are nearest in ratio after *found*, of its resolution and with other names; none on a canvas.

    They are for a message: what to ask for instead.
    """
    default = None if space.default is None else space.point(space.default)
    beside: dict[str, Point] = {}
    for point in space.near(Ideal.of(want, default)):
        if point.aspect not in (None, found.aspect) and point.resolution == found.resolution:
            beside.setdefault(point.aspect, point)
    return tuple(sorted(beside.values(), key=lambda point: aspect_deviation(want, point))[:most])


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

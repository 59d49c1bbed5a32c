"""The size space of services that take any width and height within bounds, and the walk to its nearest points."""

import bisect
import math
from collections.abc import Hashable, Iterator

import attrs

from .._contract.by_fields import shown_by_fields
from .._contract.size import Point
from .nearest import Ideal, NoSuchSize

#: Far above the rounding of a distance, far below what one pixel makes of it.
_ROUNDING = 1e-9


@shown_by_fields
@attrs.frozen(cache_hash=True, repr=False)
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

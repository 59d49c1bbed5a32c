"""Sizes: what a request wants, and what a service delivers.

A request wants an aspect and a resolution, or pixels, or nothing: that is a `Want`. A service offers `Point`s: pixels,
and the names (if it has any) under which it sells them. How a want finds its point is the business of the service's
size space; this module holds the values on both sides, and says how far apart the two are in pixels.
"""

import functools
import math
import re
from collections.abc import Hashable
from typing import Self

import attrs

from .by_fields import by_fields

__all__ = ["RESOLUTIONS", "Aspect", "Point", "Want", "area_factor", "aspect_deviation", "excess", "parse_pixels"]

RESOLUTIONS = {"1K": 1024 * 1024, "2K": 2048 * 2048}
"""The resolutions that a request can name, with their areas in pixels where a service has no such name of its own."""

LARGEST_TERM = 9_999
LARGEST_SIDE = 99_999

_ASPECT = re.compile(r"([0-9]{1,4}):([0-9]{1,4})")
_PIXELS = re.compile(r"([0-9]{1,5})[xX\u00d7]([0-9]{1,5})")


@by_fields
@attrs.frozen(eq=False, repr=False)
class Aspect:
    """A ratio of width to height, such as 16:9.

    It is shown as it was asked and compared as the ratio that it is: `Aspect(32, 18)` reads "32:18" and equals
    `Aspect(16, 9)`.

    Raises:
        ValueError: A term is not between 1 and 9999.
    """

    width: int = attrs.field(eq=False)
    height: int = attrs.field(eq=False)
    ratio: tuple[int, int] = attrs.field(init=False, repr=False)
    """Width and height without common factors, so ``(16, 9)`` where ``32:18`` is asked."""

    @width.validator
    @height.validator
    def _check_term(self, _field: object, term: int) -> None:
        if not 1 <= term <= LARGEST_TERM:
            raise ValueError(_not_an_aspect(str(self)))

    @ratio.default
    def _reduce(self) -> tuple[int, int]:
        shared = math.gcd(self.width, self.height) or 1  # 0:0 is refused by the validators, which run after this
        return self.width // shared, self.height // shared

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "16:9": two whole numbers from 1 to 9999, without spaces.

        Raises:
            ValueError: The text is not such a ratio.
        """
        terms = _ASPECT.fullmatch(text)
        if terms is None:
            raise ValueError(_not_an_aspect(text))
        return cls(int(terms[1]), int(terms[2]))

    def __str__(self) -> str:
        return f"{self.width}:{self.height}"


def _not_an_aspect(text: str) -> str:
    return f"{text!r} is not an aspect: write width:height in whole numbers from 1 to {LARGEST_TERM}, such as '16:9'"


def parse_pixels(text: str) -> tuple[int, int]:
    """Read "1344x768" as (1344, 768): whole numbers from 1 to 99999, with x, X or the multiplication sign between them.

    Raises:
        ValueError: The text is not such a size.
    """
    sides = _PIXELS.fullmatch(text)
    if sides is None or not int(sides[1]) or not int(sides[2]):
        raise ValueError(
            f"{text!r} is not a size: write width x height in whole pixels from 1 to {LARGEST_SIDE}, such as '1344x768'"
        )
    return int(sides[1]), int(sides[2])


@by_fields
@attrs.frozen(eq=False, repr=False)
class Want:
    """The size that a request asks for: an aspect, a resolution, both, or pixels, or nothing.

    Raises:
        ValueError: Pixels stand beside an aspect or a resolution, or a side is not between 1 and 99999, or the
            resolution is not one of `RESOLUTIONS` (the spelling counts: "1K", not "1k").
    """

    aspect: Aspect | None = None
    resolution: str | None = attrs.field(default=None)
    pixels: tuple[int, int] | None = attrs.field(default=None)

    @resolution.validator
    def _check_resolution(self, _field: object, resolution: str | None) -> None:
        if resolution is not None and resolution not in RESOLUTIONS:
            raise ValueError(f"{resolution!r} is not a resolution: write {' or '.join(RESOLUTIONS)}")

    @pixels.validator
    def _check_pixels(self, _field: object, pixels: tuple[int, int] | None) -> None:
        if pixels is None:
            return
        if self.aspect is not None or self.resolution is not None:
            raise ValueError("pixels already say the aspect and the resolution: give one or the other")
        width, height = pixels
        if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
            raise ValueError(f"{width}x{height} is not a size: each side has 1 to {LARGEST_SIDE} pixels")


@by_fields
@attrs.frozen(eq=False, repr=False)
class Point:
    """One size that a service delivers, and the choice that asks for it.

    Args:
        choice: What the service is told, as its size space knows it: names on a grid, width and height on a canvas.
        width: In pixels.
        height: In pixels.
        aspect: The service's own name for the ratio. The pixels may differ from it: a "2:3" of 832x1216 is 2.6 % wider.
        resolution: The service's own name for the area.
        documented: Whether the service states these pixels; otherwise they are inferred from what it states.
        also: Other pixels that the same choice may deliver, as far as one can know.
        known: Whether anything is known of the pixels. If not, width and height are the terms of the ratio that the
            name states, and nothing is expected.
    """

    choice: Hashable
    width: int
    height: int
    aspect: str | None = None
    resolution: str | None = None
    documented: bool = True
    also: tuple[tuple[int, int], ...] = ()
    known: bool = True

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height; the most likely ones where several are expected."""
        return self.width, self.height

    @property
    def expected(self) -> tuple[tuple[int, int], ...]:
        """Every width and height that may be delivered for this choice, the most likely first; empty if not known."""
        return (self.pixels, *self.also) if self.known else ()

    def names(self, aspect: Aspect) -> bool:
        """Whether the service's own name for this point is that ratio ("16:9" names 32:18 too)."""
        return self.aspect is not None and _ratio(self.aspect) == aspect.ratio


@functools.lru_cache(maxsize=256)  # a service has few names, and they are looked at for each request
def _ratio(name: str) -> tuple[int, int]:
    return Aspect.parse(name).ratio


def excess(one: float, other: float) -> float:
    """How much the larger of two positive numbers exceeds the smaller, as a fraction of the smaller.

    Of integers it is the correctly rounded quotient, so equal excesses are equal floats whichever number is the larger.
    """
    smaller, larger = (one, other) if one < other else (other, one)
    return (larger - smaller) / smaller


def aspect_deviation(want: Want, point: Point) -> float:
    """How far the pixels of a point are from the ratio that was asked, as a fraction: 0.026 for 832x1216 as 2:3.

    It is the same for the transposed want and point. Names do not count here, and what was not asked cannot be missed:
    without an aspect or pixels in the want, it is 0.
    """
    if want.pixels is not None:
        width, height = want.pixels
    elif want.aspect is not None:
        width, height = want.aspect.ratio
    else:
        return 0.0
    return excess(point.width * height, point.height * width)


def area_factor(want: Want, point: Point) -> float:
    """The area of a point as a multiple of the area that was asked: 0.25 for 1024x1024 as 2K.

    Names do not count here, and what was not asked cannot be missed: without a resolution or pixels in the want, it
    is 1. It is NaN, with which no comparison holds, where something was asked and the pixels are not known.
    """
    if want.pixels is not None:
        asked = math.prod(want.pixels)
    elif want.resolution is not None:
        asked = RESOLUTIONS[want.resolution]
    else:
        return 1.0
    return point.width * point.height / asked if point.known else math.nan

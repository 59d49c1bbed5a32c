"""Sizes by law: the search against brute force, on spaces of all kinds and on those of the first services.

The brute force shares no arithmetic with the search: it takes logarithms of single sides to find the contenders and
decides between them in exact fractions.
"""

import math
from collections.abc import Iterable
from fractions import Fraction
from unittest import mock

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fluxkit._contract.size import RESOLUTIONS, Aspect, Point, Want, area_factor, aspect_deviation
from fluxkit._wire.nearest import Ideal, Space, nearest
from fluxkit.provider import Canvas, Grid, Scale, Spaces

MOST_POINTS = 4_000

PRESETS = {
    "1:1": (1024, 1024), "4:3": (1280, 960), "3:4": (960, 1280), "16:9": (1344, 768), "9:16": (768, 1344),
    "3:2": (1216, 832), "2:3": (832, 1216), "2:1": (1408, 704), "1:2": (704, 1408), "4:5": (896, 1152),
}  # fmt: skip
KLEIN = Grid(
    {"1K": PRESETS, "2K": Scale(2, most=2048, step=16)},
    default=("1:1", "1K"),
    inferred=[("2:3", "2K"), ("3:2", "2K"), ("4:5", "2K")],
)
APIMART = Grid(
    {
        "1K": {
            "1:1": (1440, 1440), "4:3": (1664, 1248), "3:4": (1248, 1664), "16:9": (1920, 1080), "9:16": (1080, 1920),
            "3:2": (1728, 1152), "2:3": (1152, 1728),
        },
        "2K": {
            "1:1": (1536, 1536), "4:3": (1824, 1368), "3:4": (1368, 1824), "16:9": (2048, 1152), "9:16": (1152, 2048),
            "3:2": (1872, 1248), "2:3": (1248, 1872),
        },
    },
    default=("1:1", "1K"),
)  # fmt: skip
PRO = Canvas(range(256, 1441), range(256, 1441), default=(1024, 768))
# Multiples of 16 from 64, bounded by four megapixels alone.
FOUR_MEGAPIXELS = Canvas(range(64, 65_537, 16), range(64, 65_537, 16), default=(1024, 768), max_pixels=4_194_304)
REAL_CANVASES = [PRO, FOUR_MEGAPIXELS]

# Spaces


@st.composite
def sides(draw: st.DrawFn, *, most: int) -> range:
    step = draw(st.sampled_from([1, 2, 7, 16, 32, 64]))
    count = draw(st.integers(1, most))
    first = draw(st.integers(1, 2_000))
    return range(first, first + (count - 1) * step + draw(st.integers(1, step)), step)


@st.composite
def canvases(draw: st.DrawFn, *, symmetric: bool = False) -> Canvas:
    width = draw(sides(most=math.isqrt(MOST_POINTS)))
    height = width if symmetric else draw(sides(most=MOST_POINTS // len(width)))
    smallest, largest = width[0] * height[0], width[-1] * height[-1]
    max_pixels = draw(st.none() | st.integers(smallest, largest))
    return Canvas(width, height, default=(width[0], height[0]), max_pixels=max_pixels)


RATIOS = st.builds("{}:{}".format, st.integers(1, 21), st.integers(1, 21))
PIXELS = st.tuples(st.integers(1, 4_096), st.integers(1, 4_096))


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    tables: dict[str, dict[str, tuple[int, int]] | Scale] = dict(
        draw(
            st.dictionaries(
                st.sampled_from(["1K", "2K", "4K", "1 MP"]),
                st.dictionaries(RATIOS, PIXELS, min_size=1, max_size=12),
                min_size=1,
                max_size=3,
            )
        )
    )
    first = next(iter(tables.values()))
    assert not isinstance(first, Scale)
    if all(side >= 64 for pixels in first.values() for side in pixels) and draw(st.booleans()):
        step = draw(st.sampled_from([1, 8, 16]))
        tables["scaled"] = Scale(
            draw(st.integers(1, 3)), most=draw(st.integers(1_024, 4_096)), step=step, down=draw(st.booleans())
        )
    choices = [
        (ratio, name) for name, table in tables.items() for ratio in (first if isinstance(table, Scale) else table)
    ]
    return Grid(
        tables,
        default=draw(st.sampled_from(choices)),
        inferred=draw(st.lists(st.sampled_from(choices), max_size=4)),
    )  # fmt: skip


@st.composite
def symmetric_grids(draw: st.DrawFn) -> Grid:
    tables: dict[str, dict[str, tuple[int, int]]] = {}
    for name in draw(st.lists(st.sampled_from(["1K", "2K", "1 MP"]), min_size=1, unique=True)):
        table = tables[name] = {}
        for (a, b), (width, height) in draw(
            st.dictionaries(st.tuples(st.integers(1, 21), st.integers(1, 21)), PIXELS, min_size=1, max_size=6)
        ).items():
            if f"{a}:{b}" not in table:
                table[f"{a}:{b}"] = (width, width if a == b else height)
                table[f"{b}:{a}"] = (width if a == b else height, width)
    name, table = next(iter(tables.items()))
    return Grid(tables, default=(next(iter(table)), name))


SMALL = st.one_of(canvases(), grids())
SPACES = st.one_of(
    st.sampled_from([KLEIN, APIMART]),
    grids(),
    canvases(),
    st.lists(SMALL, min_size=1, max_size=3)
    .filter(lambda spaces: sum(len(list(space)) for space in spaces) <= MOST_POINTS)
    .map(Spaces),
)
SYMMETRIC_SMALL = st.one_of(canvases(symmetric=True), symmetric_grids())
SYMMETRIC = st.one_of(st.just(APIMART), SYMMETRIC_SMALL, st.lists(SYMMETRIC_SMALL, min_size=1, max_size=2).map(Spaces))

# Wants

ASPECTS = st.one_of(
    st.builds(Aspect, st.integers(1, 32), st.integers(1, 32)),
    st.builds(Aspect, st.integers(1, 9_999), st.integers(1, 9_999)),
)
WANTS_OF_AN_ASPECT = st.builds(Want, ASPECTS, st.sampled_from([None, "1K", "2K"]))
WANTS_OF_PIXELS = st.builds(Want, pixels=PIXELS | st.tuples(st.integers(1, 99_999), st.integers(1, 99_999)))
WANTS = st.one_of(WANTS_OF_AN_ASPECT, WANTS_OF_PIXELS, st.builds(Want, resolution=st.sampled_from(["1K", "2K"])))


def turned(want: Want) -> Want:
    return Want(
        aspect=Aspect(want.aspect.height, want.aspect.width) if want.aspect else None,
        resolution=want.resolution,
        pixels=want.pixels[::-1] if want.pixels else None,
    )


# Brute force


class Exactly:
    """What a want asks of a space, and how far a point is from it, said once more in other words."""

    def __init__(self, space: Space, want: Want) -> None:
        default = space.point(space.default)
        self.name: tuple[int, int] | None = None
        self.resolution: str | None = None
        if want.pixels:
            self.ratio = Fraction(*want.pixels)
            self.area = want.pixels[0] * want.pixels[1]
        else:
            asked = str(want.aspect) if want.aspect else default.aspect
            self.ratio = Fraction(*map(int, asked.split(":"))) if asked else Fraction(default.width, default.height)
            self.name = self.ratio.as_integer_ratio() if asked else None
            self.resolution = want.resolution or "1K"
            self.area = RESOLUTIONS[self.resolution]

    def named(self, point: Point) -> tuple[bool, bool]:
        ratio = point.aspect and Fraction(*map(int, point.aspect.split(":"))).as_integer_ratio()
        return self.name is not None and ratio == self.name, point.resolution == self.resolution is not None

    def distance(self, point: Point) -> float:
        same_aspect, same_resolution = self.named(point)
        wide, high = math.log(point.width), math.log(point.height)
        ratio = math.log(self.ratio.numerator) - math.log(self.ratio.denominator)
        shape = 0 if same_aspect else abs((wide - high) - ratio)
        return 100 * shape + (0 if same_resolution else abs(wide + high - math.log(self.area)))

    def order(self, point: Point) -> tuple[Fraction, bool, int, int]:
        """The exponential of the distance, then the order of ties."""
        same_aspect, same_resolution = self.named(point)
        ratio = Fraction(1) if same_aspect else Fraction(point.width, point.height) / self.ratio
        area = Fraction(1) if same_resolution else Fraction(point.width * point.height, self.area)
        distance = max(ratio, 1 / ratio) ** 100 * max(area, 1 / area)
        return distance, not point.documented, -point.width * point.height, -point.width

    def best(self, points: Iterable[Point]) -> Point:
        distances = [(self.distance(point), point) for point in points]
        least = min(distance for distance, _ in distances)
        contenders = [point for distance, point in distances if distance <= least + 1e-9]
        return min(contenders, key=self.order)


# The laws


@pytest.mark.slow
@given(SPACES, WANTS)
def test_no_point_is_nearer_than_the_answer(space: Space, want: Want) -> None:
    exactly = Exactly(space, want)
    answer = nearest(space, want)
    expected = exactly.best(space)
    assert expected.pixels == answer.pixels
    assert exactly.order(expected) == exactly.order(answer)


@pytest.mark.slow
@given(SPACES, WANTS | st.just(Want()))
def test_the_answer_lies_in_the_space(space: Space, want: Want) -> None:
    answer = nearest(space, want)
    assert answer == space.point(answer.choice)
    assert answer in set(space)


@pytest.mark.slow
@given(SPACES, st.data())
def test_every_choice_leads_back_to_its_point(space: Space, data: st.DataObject) -> None:
    point = data.draw(st.sampled_from(list(space)))
    assert point == space.point(point.choice)
    assert point.pixels == nearest(space, Want(pixels=point.pixels)).pixels


@given(SYMMETRIC, WANTS_OF_AN_ASPECT | WANTS_OF_PIXELS)
def test_transposing_transposes(space: Space, want: Want) -> None:
    ideal = Ideal.of(want, space.point(space.default))
    answer = nearest(space, want)
    # Width decides between points that are equally near and large, and it has no side in a square. Such are a:a in a
    # space without squares, and two ratios as far below as above the asked one.
    tied = {point.pixels for point in space if ideal.rank(point)[:-1] == ideal.rank(answer)[:-1]}
    assume(len(tied) == 1)
    assert answer.pixels[::-1] == nearest(space, turned(want)).pixels


@given(canvases(symmetric=True) | st.sampled_from(REAL_CANVASES), WANTS_OF_AN_ASPECT | WANTS_OF_PIXELS)
def test_transposing_transposes_on_every_symmetric_canvas(canvas: Canvas, want: Want) -> None:
    # No ties here: of w1 x h1 and w2 x h2 with equal areas and mirrored ratios, w1 x h2 or w2 x h1 is nearer.
    answer = nearest(canvas, want)
    assert answer.pixels[::-1] == nearest(canvas, turned(want)).pixels


@given(WANTS_OF_AN_ASPECT | WANTS_OF_PIXELS, PIXELS)
def test_deviations_are_those_of_the_transposed(want: Want, pixels: tuple[int, int]) -> None:
    point, other = Point(0, *pixels), Point(0, *pixels[::-1])
    assert aspect_deviation(want, point) == aspect_deviation(turned(want), other)
    assert area_factor(want, point) == area_factor(turned(want), other)
    assert (aspect_deviation(want, point) == 0) == (Exactly(PRO, want).ratio == Fraction(*pixels))


@st.composite
def sound_grids(draw: st.DrawFn) -> Grid:
    """Grids whose 1K is at most 2**21 pixels, the middle between the two areas, and whose 2K is at least that."""
    half, double = st.integers(128, 1_448), st.integers(1_449, 4_096)
    sized = {"1K": st.tuples(half, half), "2K": st.tuples(double, double)}
    names = draw(st.lists(st.sampled_from(["1K", "2K"]), min_size=1, unique=True))
    tables = {name: draw(st.dictionaries(RATIOS, sized[name], min_size=1, max_size=12)) for name in names}
    return Grid(tables, default=(next(iter(tables[names[0]])), names[0]))


# A union of names and canvas is left out: a name that counts nothing at 1K may beat a truer and smaller point of the
# canvas, which comes into its own at 2K, where the name counts.
SOUND = st.one_of(
    st.sampled_from([KLEIN, APIMART, *REAL_CANVASES]),
    sound_grids(),
    canvases(),
    st.lists(sound_grids(), min_size=1, max_size=3).map(Spaces),
    st.lists(canvases(), min_size=1, max_size=3).map(Spaces),
)


@given(SOUND, st.none() | ASPECTS)
def test_2k_is_never_smaller_than_1k(space: Space, aspect: Aspect | None) -> None:
    small, large = (nearest(space, Want(aspect, resolution)) for resolution in ("1K", "2K"))
    assert small.width * small.height <= large.width * large.height


# The canvases of the first services, too large to try every point


@pytest.mark.slow
@given(st.sampled_from(REAL_CANVASES), WANTS, st.data())
def test_no_point_of_a_part_of_a_real_canvas_is_nearer(canvas: Canvas, want: Want, data: st.DataObject) -> None:
    answer = nearest(canvas, want)
    assert answer == canvas.point(answer.choice)
    breadth = math.isqrt(MOST_POINTS)
    around = data.draw(st.booleans(), label="around the answer")
    parts = []
    for allowed, side in ((canvas.width, answer.width), (canvas.height, answer.height)):
        place = allowed.index(side) - breadth // 2 if around else data.draw(st.integers(0, len(allowed) - 1))
        parts.append(allowed[max(0, place) : max(0, place) + breadth])
    exactly = Exactly(canvas, want)
    fits = [
        Point((width, height), width, height)
        for width in parts[0]
        for height in parts[1]
        if canvas.max_pixels is None or width * height <= canvas.max_pixels
    ]
    expected = exactly.best([*fits, answer])
    assert expected.pixels == answer.pixels


@given(st.sampled_from(REAL_CANVASES), WANTS)
@example(PRO, Want(Aspect(46, 45), "1K"))
@example(PRO, Want(Aspect(8303, 8299), "1K"))
@example(FOUR_MEGAPIXELS, Want(Aspect(5595, 8), "2K"))  # hundreds of widths belong to one height
@example(FOUR_MEGAPIXELS, Want(Aspect(8, 5595), "2K"))
@example(Canvas(range(64, 4_097), range(1_024, 4_097), default=(1_024, 1_024)), Want(pixels=(256, 256)))
def test_search_of_a_large_canvas_takes_few_steps(canvas: Canvas, want: Want) -> None:
    ideal = Ideal.of(want, canvas.point(canvas.default))
    with mock.patch.object(
        Ideal, "distance_in_pixels", autospec=True, side_effect=Ideal.distance_in_pixels
    ) as measured:
        found = list(canvas.near(ideal))
    assert measured.call_count <= 250
    assert 1 <= len(found) <= 40
    distances = [ideal.distance(point) for point in found]
    assert sorted(distances, reverse=True) == distances


@pytest.mark.parametrize("space", [KLEIN, APIMART], ids=["klein", "apimart"])
def test_every_aspect_of_small_numbers_is_answered_alike_by_brute_force(space: Grid) -> None:
    for width in range(1, 22):
        for height in range(1, 22):
            want = Want(Aspect(width, height), "1K")
            assert Exactly(space, want).best(space) == nearest(space, want)

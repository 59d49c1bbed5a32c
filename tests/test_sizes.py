"""Sizes by example: what is read, what the spaces of the first services hold, what the search makes of a want."""

import math
import pickle
from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit._contract.size import RESOLUTIONS, Aspect, Point, Want, area_factor, aspect_deviation, parse_pixels
from fluxkit._wire.nearest import Ideal, NoSuchSize, Space, nearest
from fluxkit.provider import Canvas, Grid, Ratios, Scale, Spaces

# https://docs.magnific.com/api-reference, FLUX.2 klein: the presets at 1k; at 2k they are doubled, scaled in proportion
# to fit 2048, and aligned to 16. Which way they are aligned is not said, and decides three of them.
KLEIN_1K = {
    "1:1": (1024, 1024),
    "4:3": (1280, 960),
    "3:4": (960, 1280),
    "16:9": (1344, 768),
    "9:16": (768, 1344),
    "3:2": (1216, 832),
    "2:3": (832, 1216),
    "2:1": (1408, 704),
    "1:2": (704, 1408),
    "4:5": (896, 1152),
}
KLEIN_2K = {
    "1:1": (2048, 2048),
    "4:3": (2048, 1536),
    "3:4": (1536, 2048),
    "16:9": (2048, 1168),
    "9:16": (1168, 2048),
    "3:2": (2048, 1392),
    "2:3": (1392, 2048),
    "2:1": (2048, 1024),
    "1:2": (1024, 2048),
    "4:5": (1584, 2048),
}
KLEIN_2K_OTHERWISE = {"3:2": (2048, 1408), "2:3": (1408, 2048), "4:5": (1600, 2048)}
KLEIN = Grid(
    {"1K": KLEIN_1K, "2K": Scale(2, most=2048, step=16)},
    default=("1:1", "1K"),
    inferred=[("2:3", "2K"), ("3:2", "2K"), ("4:5", "2K")],
)

# https://docs.magnific.com/api-reference, FLUX.2 pro: any width and height.
PRO = Canvas(range(256, 1441), range(256, 1441), default=(1024, 768))

# https://docs.apimart.ai, FLUX.2 flex and pro: a table.
APIMART_1K = {
    "1:1": (1440, 1440),
    "4:3": (1664, 1248),
    "3:4": (1248, 1664),
    "16:9": (1920, 1080),
    "9:16": (1080, 1920),
    "3:2": (1728, 1152),
    "2:3": (1152, 1728),
}
APIMART_2K = {
    "1:1": (1536, 1536),
    "4:3": (1824, 1368),
    "3:4": (1368, 1824),
    "16:9": (2048, 1152),
    "9:16": (1152, 2048),
    "3:2": (1872, 1248),
    "2:3": (1248, 1872),
}
APIMART = Grid({"1K": APIMART_1K, "2K": APIMART_2K}, default=("1:1", "1K"))

# Steps and a budget, as other services have them: multiples of 32, and multiples of 16 within four megapixels.
STEPS_OF_32 = Canvas(range(256, 2049, 32), range(256, 2049, 32), default=(1024, 1024))
FOUR_MEGAPIXELS = Canvas(range(64, 8193, 16), range(64, 8193, 16), default=(1024, 768), max_pixels=4_194_304)

NAMES = Ratios(["1:1", "16:9", "9:16", "3:2"], default="1:1")


def asking(aspect: str | None = None, resolution: str | None = None) -> Want:
    return Want(aspect=Aspect.parse(aspect) if aspect else None, resolution=resolution)


# Reading


@pytest.mark.parametrize(
    ("text", "width", "height"), [("16:9", 16, 9), ("1:1", 1, 1), ("32:18", 32, 18), ("9999:1", 9999, 1)]
)
def test_aspect_is_read_and_shown_as_asked(text: str, width: int, height: int) -> None:
    aspect = Aspect.parse(text)
    assert (width, height) == (aspect.width, aspect.height)
    assert text == str(aspect)


@pytest.mark.parametrize(
    "text",
    [
        "", "16", "16:", ":9", "16x9", "16/9", "16:9:1", "1.6:1", "-16:9", "+16:9", " 16:9", "16:9\n", "16 :9",
        "0:9", "16:0", "0:0", "10000:1", "1:10000", "\u0661\u0666:9", "widescreen",
    ],
)  # fmt: skip
def test_what_is_no_aspect_is_refused_with_the_allowed_form(text: str) -> None:
    with pytest.raises(ValueError) as refusal:
        Aspect.parse(text)
    assert (f"{text!r} is not an aspect: write width:height in whole numbers from 1 to 9999, such as '16:9'") == str(
        refusal.value
    )


@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0), (-16, 9), (16, -9), (10_000, 1), (1, 10_000)])
def test_aspect_out_of_bounds_cannot_be_made(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="is not an aspect"):
        Aspect(width, height)


def test_aspects_are_compared_as_ratios() -> None:
    assert Aspect(16, 9) == Aspect(32, 18)
    assert hash(Aspect(16, 9)) == hash(Aspect(32, 18))
    assert Aspect(16, 9) != Aspect(9, 16)
    assert (16, 9) == Aspect(32, 18).ratio
    assert "Aspect(width=32, height=18)" == repr(Aspect(32, 18))


@pytest.mark.parametrize("text", ["1344x768", "1344X768", "1344\u00d7768", "01344x768"])
def test_pixels_are_read(text: str) -> None:
    assert (1344, 768) == parse_pixels(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "1344", "x768", "1344x", "1344*768", "1344 x 768", "1344x768x1", "-1x768", "1e3x768", "0x768", "1344x0",
        "100000x1", "1x100000", "\u0661x1", "16:9", "1344x768\n",
    ],
)  # fmt: skip
def test_what_are_no_pixels_is_refused_with_the_allowed_form(text: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_pixels(text)
    assert (f"{text!r} is not a size: write width x height in whole pixels from 1 to 99999, such as '1344x768'") == str(
        refusal.value
    )


# Wanting


def test_wants_are_values() -> None:
    assert asking("16:9", "2K") == asking("32:18", "2K")
    assert hash(asking("16:9", "2K")) == hash(asking("32:18", "2K"))
    assert len({Want(), Want(pixels=(4, 3)), Want(pixels=(4, 3)), asking("4:3")}) == 3


@pytest.mark.parametrize("resolution", ["1k", "4K", "1 MP", ""])
def test_resolution_that_the_contract_does_not_know_is_refused(resolution: str) -> None:
    with pytest.raises(ValueError) as refusal:
        Want(resolution=resolution)
    assert f"{resolution!r} is not a resolution: write 1K or 2K" == str(refusal.value)


@pytest.mark.parametrize(("aspect", "resolution"), [("16:9", None), (None, "1K"), ("1:1", "2K")])
def test_pixels_exclude_aspect_and_resolution(aspect: str | None, resolution: str | None) -> None:
    with pytest.raises(ValueError, match="give one or the other"):
        attrs.evolve(asking(aspect, resolution), pixels=(1024, 1024))


@pytest.mark.parametrize("pixels", [(0, 1), (1, 0), (-1, -1), (100_000, 1), (1, 100_000)])
def test_pixels_out_of_bounds_are_refused(pixels: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="each side has 1 to 99999 pixels"):
        Want(pixels=pixels)


# Points


def test_expected_pixels_begin_with_the_most_likely() -> None:
    point = KLEIN.point(("2:3", "2K"))
    assert (1392, 2048) == point.pixels
    assert ((1392, 2048), (1408, 2048)) == point.expected
    assert ((1024, 768),) == PRO.point((1024, 768)).expected


def test_name_of_a_point_is_compared_as_a_ratio() -> None:
    point = KLEIN.point(("16:9", "1K"))
    assert point.names(Aspect(32, 18))
    assert not point.names(Aspect(7, 4))  # the ratio of its pixels, 1344x768
    assert not PRO.point((1440, 810)).names(Aspect(16, 9))


@pytest.mark.parametrize(
    ("want", "pixels", "deviation", "factor"),
    [
        (asking("2:3", "1K"), (832, 1216), 0.0263157, 0.9648437),
        (asking("3:2", "1K"), (1216, 832), 0.0263157, 0.9648437),
        (asking("16:9", "1K"), (1344, 768), 0.0158730, 0.984375),
        (asking("1:1", "2K"), (1024, 1024), 0.0, 0.25),
        (asking("1:1"), (2048, 2048), 0.0, 1.0),
        (asking(None, "2K"), (1344, 768), 0.0, 0.24609375),
        (Want(pixels=(1360, 768)), (1344, 768), 0.0119047, 0.9882352),
        (Want(pixels=(512, 512)), (1024, 1024), 0.0, 4.0),
        (Want(), (1344, 768), 0.0, 1.0),
    ],
)
def test_deviations_are_those_of_the_pixels(
    want: Want, pixels: tuple[int, int], deviation: float, factor: float
) -> None:
    named = Point("any", *pixels, aspect="2:3", resolution="1K")
    assert pytest.approx(deviation, abs=1e-7) == aspect_deviation(want, named)
    assert pytest.approx(factor, abs=1e-7) == area_factor(want, named)


# The documented tables


@pytest.mark.parametrize(
    ("grid", "resolution", "table"),
    [(KLEIN, "1K", KLEIN_1K), (KLEIN, "2K", KLEIN_2K), (APIMART, "1K", APIMART_1K), (APIMART, "2K", APIMART_2K)],
)
def test_grid_holds_every_row_of_its_table(grid: Grid, resolution: str, table: dict[str, tuple[int, int]]) -> None:
    found = {point.aspect: point.pixels for point in grid if point.resolution == resolution}
    assert table == found
    assert table == {aspect: grid.point((aspect, resolution)).pixels for aspect in table}
    assert table == {aspect: nearest(grid, asking(aspect, resolution)).pixels for aspect in table}


def test_both_roundings_are_expected_where_the_direction_is_not_documented() -> None:
    assert KLEIN_2K_OTHERWISE == {point.aspect: point.also[0] for point in KLEIN if point.also}
    assert KLEIN_2K_OTHERWISE.keys() == {point.aspect for point in KLEIN if not point.documented}


def test_one_rounding_is_expected_where_all_is_documented() -> None:
    assert all(point.documented and not point.also for point in attrs.evolve(KLEIN, inferred=[]))


def test_rounding_to_the_nearest_changes_those_three_and_no_other() -> None:
    scale = KLEIN.tables[1][1]
    assert isinstance(scale, Scale)
    rounded = attrs.evolve(KLEIN, tables={"1K": KLEIN_1K, "2K": attrs.evolve(scale, down=False)})
    expected = KLEIN_2K | KLEIN_2K_OTHERWISE
    assert expected == {point.aspect: point.pixels for point in rounded if point.resolution == "2K"}
    assert {(1392, 2048), (2048, 1392), (1584, 2048)} == {point.also[0] for point in rounded if point.also}


@pytest.mark.parametrize(
    ("scale", "sides", "expected"),
    [
        (Scale(2, most=2048, step=16), (1024, 1024), (2048, 2048)),  # fits exactly: nothing shrinks
        (Scale(2, most=2047, step=1), (1024, 512), (2047, 1023)),
        (Scale(1, most=100, step=10), (64, 66), (60, 60)),
        (Scale(1, most=100, step=10, down=False), (64, 66), (60, 70)),
        (Scale(1, most=100, step=10, down=False), (65, 95), (70, 100)),  # a half goes up
        (Scale(1, most=100, step=5, down=False), (62, 63), (60, 65)),
        (Scale(3, most=100, step=1, down=False), (60, 25), (100, 42)),  # 41.67
    ],
)
def test_scale_multiplies_fits_and_aligns(scale: Scale, sides: tuple[int, int], expected: tuple[int, int]) -> None:
    assert expected == scale(*sides)
    assert expected[::-1] == scale(*sides[::-1])


@pytest.mark.parametrize(
    ("space", "pixels"), [(KLEIN, (1024, 1024)), (PRO, (1024, 768)), (APIMART, (1440, 1440))], ids=str
)
def test_wanting_nothing_gets_the_default(space: Space, pixels: tuple[int, int]) -> None:
    assert space.point(space.default) == nearest(space, Want())
    assert pixels == nearest(space, Want()).pixels


def test_default_keeps_its_name_where_another_point_has_the_same_pixels() -> None:
    grid = Grid({"1K": {"1:1": (512, 512), "2:2": (512, 512)}}, default=("2:2", "1K"))
    assert ("2:2", "1K") == nearest(grid, Want()).choice


# The search


@pytest.mark.parametrize(
    ("space", "want", "pixels"),
    [
        # Aspect before area would buy 0.99 % instead of 1.19 % with 2.3 times the pixels: 2048x1168.
        (KLEIN, Want(pixels=(1360, 768)), (1344, 768)),
        # A name is what it says, whatever its pixels: 16:9 at 2K would be the truer 16:9.
        (KLEIN, asking("16:9", "1K"), (1344, 768)),
        (KLEIN, asking("32:18", "1K"), (1344, 768)),
        (KLEIN, asking("2:3"), (832, 1216)),
        (KLEIN, asking(None, "2K"), (2048, 2048)),
        # No such name: the nearest ratio.
        (KLEIN, asking("5:4", "1K"), (1280, 960)),
        (KLEIN, asking("21:9", "2K"), (2048, 1024)),
        (KLEIN, asking("21:9", "1K"), (1408, 704)),
        (APIMART, asking("4:5", "2K"), (1368, 1824)),
        (APIMART, asking("1:1", "1K"), (1440, 1440)),
        (APIMART, Want(pixels=(1920, 1088)), (1920, 1080)),
        # A canvas has no names: 1K is 1048576 pixels, and ratio comes first as far as it is worth it.
        (PRO, asking("1:1", "1K"), (1024, 1024)),
        (PRO, asking(None, "1K"), (1184, 888)),
        (PRO, asking("4:3"), (1184, 888)),
        (PRO, asking("16:9", "1K"), (1360, 765)),
        # Not 809x500, which is 1.618:1 but of a third of the area.
        (PRO, asking("1618:1000", "1K"), (1304, 806)),
        (PRO, Want(pixels=(801, 333)), (801, 333)),
        # A bound is a cap, and the ratio is kept.
        (PRO, asking("1:1", "2K"), (1440, 1440)),
        (PRO, asking("9:16", "2K"), (810, 1440)),
        (PRO, asking("16:9", "2K"), (1440, 810)),
        (PRO, Want(pixels=(100, 100)), (256, 256)),
        # A ratio that does not fit gets the corner.
        (PRO, asking("9999:1", "1K"), (1440, 256)),
        (PRO, asking("1:9999", "1K"), (256, 1440)),
        (STEPS_OF_32, asking("297:210", "1K"), (1312, 928)),
        (FOUR_MEGAPIXELS, asking("143:100", "1K"), (1280, 896)),
        (FOUR_MEGAPIXELS, asking("1:1", "2K"), (2048, 2048)),
        (FOUR_MEGAPIXELS, Want(pixels=(4096, 4096)), (2048, 2048)),
        (FOUR_MEGAPIXELS, Want(pixels=(8192, 512)), (8192, 512)),
        (FOUR_MEGAPIXELS, Want(pixels=(8192, 1024)), (5760, 720)),
    ],
)
def test_nearest_point_of_a_want(space: Space, want: Want, pixels: tuple[int, int]) -> None:
    assert pixels == nearest(space, want).pixels


def test_distance_weighs_one_percent_of_ratio_like_a_factor_e_in_area() -> None:
    ideal = Ideal.of(Want(pixels=(1360, 768)), PRO.point((1024, 768)))
    assert pytest.approx(1.1952, abs=1e-4) == ideal.distance(KLEIN.point(("16:9", "1K")))
    assert pytest.approx(1.8166, abs=1e-4) == ideal.distance(KLEIN.point(("16:9", "2K")))
    assert 0 == ideal.distance(Point((1360, 768), 1360, 768))
    assert pytest.approx(1.3863, abs=1e-4) == ideal.distance(Point((680, 384), 680, 384))  # no name is no common name


def test_name_counts_nothing_in_its_own_term_only() -> None:
    ideal = Ideal.of(asking("2:3", "2K"), KLEIN.point(KLEIN.default))
    area = pytest.approx(1.4221, abs=1e-4)
    shape = pytest.approx(1.9343, abs=1e-4)
    assert 0 == ideal.distance(KLEIN.point(("2:3", "2K")))
    assert area == ideal.distance(KLEIN.point(("2:3", "1K")))
    assert shape == ideal.distance(Point("other", 1392, 2048, aspect="7:10", resolution="2K"))


def test_ties_go_to_the_documented_then_the_larger_then_the_wider() -> None:
    want = Want(pixels=(800, 800))
    # A factor of 16 off in ratio and of 4 in area, each of them.
    tied = Grid({"A": {"1:16": (400, 6400), "16:1": (6400, 400), "32:2": (1600, 100)}}, default=("1:16", "A"))
    assert (6400, 400) == nearest(tied, want).pixels
    assert (400, 6400) == nearest(attrs.evolve(tied, inferred=[("16:1", "A")]), want).pixels
    assert (1600, 100) == nearest(attrs.evolve(tied, inferred=[("16:1", "A"), ("1:16", "A")]), want).pixels


def test_ties_on_a_canvas_go_to_the_larger() -> None:
    four_or_nine = range(4, 10, 5)
    assert (9, 9) == nearest(Canvas(four_or_nine, four_or_nine, default=(4, 4)), Want(pixels=(6, 6))).pixels


def test_missing_aspect_is_that_of_the_default() -> None:
    named = attrs.evolve(KLEIN, default=("2:3", "1K"))
    assert ("2:3", "2K") == nearest(named, asking(None, "2K")).choice
    turned = attrs.evolve(PRO, default=(768, 1024))
    assert (888, 1184) == nearest(turned, asking(None, "1K")).pixels


def test_resolution_is_an_area_where_the_space_has_other_names() -> None:
    megapixels = {"0.5 MP": {"1:1": (704, 704)}, "1 MP": {"1:1": (1024, 1024)}, "4 MP": {"1:1": (2048, 2048)}}
    grid = Grid(megapixels, default=("1:1", "0.5 MP"))
    assert "1 MP" == nearest(grid, asking("1:1")).resolution
    assert "4 MP" == nearest(grid, asking(None, "2K")).resolution
    assert RESOLUTIONS == {"1K": 1024 * 1024, "2K": 2048 * 2048}


# Ratios of unknown pixels


def test_ratios_promise_no_pixels() -> None:
    assert [
        Point("1:1", 1, 1, "1:1", documented=False, known=False),
        Point("16:9", 16, 9, "16:9", documented=False, known=False),
        Point("9:16", 9, 16, "9:16", documented=False, known=False),
        Point("3:2", 3, 2, "3:2", documented=False, known=False),
    ] == list(NAMES)
    assert {()} == {point.expected for point in NAMES}


@pytest.mark.parametrize(
    ("want", "choice"),
    [
        (Want(), "16:9"),
        (Want(resolution="2K"), "16:9"),
        (Want(Aspect(1, 1), "2K"), "1:1"),
        (Want(Aspect(32, 18)), "16:9"),
        (Want(Aspect(4, 3)), "3:2"),
        (Want(pixels=(64, 3000)), "9:16"),
        (Want(pixels=(4000, 4000)), "1:1"),
    ],
)
def test_ratios_are_near_by_their_ratio_alone(want: Want, choice: str) -> None:
    assert choice == nearest(Ratios(NAMES.names, default="16:9"), want).choice


@given(
    st.lists(st.builds("{}:{}".format, st.integers(1, 99), st.integers(1, 99)), min_size=1, max_size=9, unique=True),
    st.integers(1, 999),
    st.integers(1, 999),
)
def test_no_ratio_is_nearer(names: list[str], width: int, height: int) -> None:
    def away(point: Point) -> Fraction:
        other = Fraction(point.width, point.height) / Fraction(width, height)
        return max(other, 1 / other)

    space = Ratios(names, default=names[0])
    assert away(nearest(space, Want(pixels=(width, height)))) == min(map(away, space))


@pytest.mark.parametrize(
    ("want", "factor"),
    [(Want(), 1.0), (Want(Aspect(16, 9)), 1.0), (Want(resolution="1K"), math.nan), (Want(pixels=(1, 1)), math.nan)],
)
def test_area_of_unknown_pixels_is_not_known(want: Want, factor: float) -> None:
    assert factor == pytest.approx(area_factor(want, NAMES.point("16:9")), nan_ok=True)


# Spaces as values, and what they refuse


@pytest.mark.parametrize(
    ("space", "choice"),
    [
        (KLEIN, ("5:4", "1K")),
        (KLEIN, ("1:1", "1k")),
        (KLEIN, "1:1"),
        (PRO, (255, 256)),
        (PRO, (1441, 256)),
        (PRO, (256, 255)),
        (PRO, (256, 1441)),
        (PRO, (1024.0, 768)),
        (PRO, "1024x768"),
        (NAMES, "21:9"),
        (NAMES, ("1:1", "1K")),
        (STEPS_OF_32, (1024, 1040)),
        (FOUR_MEGAPIXELS, (2048, 2064)),
        (FOUR_MEGAPIXELS, (8192, 8192)),
        (Spaces([KLEIN, PRO]), (0, (1024, 768))),
        (Spaces([KLEIN, PRO]), (2, (1024, 768))),
        (Spaces([KLEIN, PRO]), (-1, (1024, 768))),
        (Spaces([KLEIN, PRO]), (1024, 768, 1)),
    ],
    ids=str,
)
def test_choice_outside_the_space_is_refused(space: Space, choice: object) -> None:
    with pytest.raises(NoSuchSize, match=r"there is no size .*; allowed: "):
        space.point(choice)


def test_refusal_of_a_size_says_what_is_allowed_and_survives_pickling() -> None:
    with pytest.raises(NoSuchSize) as refusal:
        PRO.point((100, 100))
    copied = pickle.loads(pickle.dumps(refusal.value))
    assert (
        "there is no size (100, 100); allowed: width 256 to 1440, height 256 to 1440"
        == str(refusal.value)
        == str(copied)
    )
    assert ((100, 100), PRO.allowed()) == (copied.choice, copied.allowed)


@pytest.mark.parametrize(
    ("space", "allowed"),
    [
        (APIMART, "1:1, 4:3, 3:4, 16:9, 9:16, 3:2, 2:3 at 1K or 2K"),
        (
            Grid({"1K": {"1:1": (8, 8), "2:1": (8, 4)}, "2K": {"1:1": (9, 9)}}, default=("1:1", "1K")),
            "1:1, 2:1 at 1K; 1:1 at 2K",
        ),
        (
            FOUR_MEGAPIXELS,
            "width 64 to 8192 in steps of 16, height 64 to 8192 in steps of 16, at most 4194304 pixels",
        ),
        (NAMES, "1:1, 16:9, 9:16, 3:2; pixels not documented"),
        (Spaces([APIMART, PRO]), f"{APIMART.allowed()}; or {PRO.allowed()}"),
    ],
    ids=str,
)  # fmt: skip
def test_space_says_in_one_line_what_it_allows(space: Space, allowed: str) -> None:
    assert allowed == space.allowed()


def test_names_of_a_space() -> None:
    assert (tuple(KLEIN_1K), ("1K", "2K")) == (KLEIN.aspects, KLEIN.resolutions)
    assert ((), ()) == (PRO.aspects, PRO.resolutions)
    both = Spaces([PRO, KLEIN, APIMART])
    assert (tuple(KLEIN_1K), ("1K", "2K")) == (both.aspects, both.resolutions)


@pytest.mark.parametrize("space", [KLEIN, PRO, APIMART, FOUR_MEGAPIXELS, Spaces([KLEIN, PRO])], ids=str)
def test_spaces_are_values(space: Grid | Canvas | Spaces) -> None:
    for twin in (pickle.loads(pickle.dumps(space)), attrs.evolve(space)):
        assert twin == space
        assert hash(twin) == hash(space)
        assert list(twin.near(Ideal(3, 2, 1))) == list(space.near(Ideal(3, 2, 1)))


def test_fact_that_is_changed_changes_the_points() -> None:
    changed = attrs.evolve(KLEIN, tables={"1K": KLEIN_1K | {"1:1": (960, 960)}, "2K": Scale(2, most=2048, step=16)})
    assert changed != KLEIN
    assert [(960, 960), (1920, 1920)] == [changed.point(("1:1", name)).pixels for name in ("1K", "2K")]


def test_spaces_in_one_keep_their_places() -> None:
    both = Spaces([APIMART, PRO])
    assert (0, ("1:1", "1K")) == both.default
    assert (0, ("16:9", "2K")) == nearest(both, asking("16:9", "2K")).choice
    assert (1, (801, 333)) == nearest(both, Want(pixels=(801, 333))).choice
    assert (1, (801, 333)) == both.point((1, (801, 333))).choice
    assert [*APIMART, *APIMART] == [
        attrs.evolve(point, choice=(point.aspect, point.resolution)) for point in Spaces([APIMART, APIMART])
    ]
    assert [(0, ("1:1", "1K")), (1, ("1:1", "1K"))] == [
        point.choice for point in Spaces([APIMART, APIMART]) if point.pixels == (1440, 1440)
    ]


def test_missing_aspect_is_that_of_the_first_space_in_all() -> None:
    square = Canvas(range(64, 129), range(64, 129), default=(64, 64))
    wide = Canvas(range(64, 2049), range(64, 2049), default=(2048, 64))
    assert (1, (1024, 1024)) == nearest(Spaces([square, wide]), asking(None, "1K")).choice


def test_canvas_yields_all_that_its_steps_and_budget_allow() -> None:
    canvas = Canvas(range(2, 9, 2), range(3, 10, 3), default=(2, 3), max_pixels=24)
    assert [(2, 3), (2, 6), (2, 9), (4, 3), (4, 6), (6, 3), (8, 3)] == [point.pixels for point in canvas]
    assert [point.pixels for point in canvas] == [point.choice for point in canvas]


@pytest.mark.parametrize(
    ("tables", "default", "inferred", "complaint"),
    [
        ({}, ("1:1", "1K"), [], "no size"),
        ({"1K": KLEIN_1K}, ("1:1", "2K"), [], "no size"),
        ({"1K": KLEIN_1K}, ("1:1", "1K"), [("1:1", "2K")], "no size"),
        ({"1K": KLEIN_1K}, ("1:1", "1K"), ["1:1 1K"], "no size"),
        ({"1K": Scale(2, most=2048, step=16)}, ("1:1", "1K"), [], "first table"),
        ({"1K": {"square": (8, 8)}}, ("square", "1K"), [], "not an aspect"),
        ({"1K": {"1:1": (0, 8)}}, ("1:1", "1K"), [], "no pixels"),
        ({"1K": {"1:1": (8, 8)}, "2K": Scale(1, most=99, step=16)}, ("1:1", "1K"), [], "no pixels"),
    ],
)
def test_grid_that_contradicts_itself_is_refused(
    tables: dict[str, dict[str, tuple[int, int]] | Scale],
    default: tuple[str, str],
    inferred: list[tuple[str, str]],
    complaint: str,
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Grid(tables, default=default, inferred=inferred)


@pytest.mark.parametrize(
    ("width", "height", "default", "max_pixels", "complaint"),
    [
        (range(0), range(1, 9), (1, 1), None, "sides of a canvas"),
        (range(1, 9), range(9, 1, -1), (2, 2), None, "sides of a canvas"),
        (range(9), range(1, 9), (1, 1), None, "sides of a canvas"),
        (range(1, 9), range(1, 9), (9, 1), None, "no size"),
        (range(1, 9), range(1, 9), (4, 4), 15, "no size"),
    ],
)
def test_canvas_that_contradicts_itself_is_refused(
    width: range, height: range, default: tuple[int, int], max_pixels: int | None, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Canvas(width, height, default=default, max_pixels=max_pixels)


@pytest.mark.parametrize(
    ("names", "default", "complaint"),
    [
        (["1:1", "wide"], "1:1", "'wide' is not an aspect"),
        (["1:1", "16:9", "1:1"], "1:1", "given twice: 1:1, 16:9, 1:1"),
        (["1:1"], "16:9", "no size '16:9'"),
        ([], "1:1", "no size '1:1'"),
    ],
)
def test_ratios_that_contradict_themselves_are_refused(names: list[str], default: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Ratios(names, default=default)


def test_no_spaces_are_no_space() -> None:
    with pytest.raises(ValueError, match="spaces"):
        Spaces([])

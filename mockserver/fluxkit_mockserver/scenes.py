"""The scenes of pictures: motifs drawn in tones, 0 (sky) to 3 (ground), and palettes ordered along them."""

import math
import random
from collections.abc import Callable, Sequence

import attrs
from PIL import Image, ImageDraw

# Sky, accent, middle, ground: lightness falls along them, or rises at night. Sky and accent are legible on ground.
PALETTES = (
    ("#f6ead7", "#f2a07b", "#2f7f86", "#15263d"),
    ("#fdeed3", "#f3a35c", "#96506f", "#2a2350"),
    ("#eaf3f0", "#a5d3c4", "#3d8f7c", "#10352c"),
    ("#fdeee6", "#f4ada6", "#b94f78", "#3a1a43"),
    ("#f5f0dd", "#ecc368", "#cf6a38", "#4d1a1c"),
    ("#e9f3f6", "#93c8da", "#3d78a8", "#13294b"),
    ("#f5ecdf", "#dcb98d", "#8f6b50", "#2c2320"),
    ("#f5f1d6", "#c3cf9d", "#6b9072", "#22382a"),
    ("#f3ecfb", "#ccaee6", "#7c5aa6", "#291b47"),
    ("#fff1d2", "#ffb866", "#df5a40", "#3b1536"),
    ("#101c33", "#39708f", "#86b9c6", "#f3efe1"),
    ("#1e1238", "#a3437a", "#ef9a8b", "#fde9d3"),
    ("#0b2b2e", "#1b7869", "#8cc5a2", "#f6f2dc"),
)
SKY, ACCENT, MIDDLE, GROUND = range(4)
DUSK = 0.45  # the tone that the sky deepens to at the floor, where there are inks to show it

_Point = tuple[float, float]


@attrs.define
class Canvas:
    """A scene being drawn in tones; `floor` is the row, in pixels from the top, where the ground begins."""

    width: int
    height: int
    floor: int
    step: int
    image: Image.Image = attrs.field(init=False)
    pen: ImageDraw.ImageDraw = attrs.field(init=False)
    unit: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.image = Image.new("L", (self.width, self.height))
        self.pen = ImageDraw.Draw(self.image)
        self.unit = min(self.width, self.floor)

    def ink(self, tone: float) -> int:
        """The ink of a tone, as it stands in the image."""
        return round(tone * self.step)

    def slab(self, left: float, top: float, right: float, bottom: float, tone: float) -> None:
        """A rectangle between edges in pixels."""
        self.pen.rectangle((left, top, right, bottom), fill=self.ink(tone))

    def oval(self, x: float, y: float, across: float, down: float, tone: float) -> None:
        """An ellipse around a point, its half axes in pixels."""
        self.pen.ellipse((x - across, y - down, x + across, y + down), fill=self.ink(tone))

    def disc(self, x: float, y: float, radius: float, tone: float) -> None:
        """A circle around a point."""
        self.oval(x, y, radius, radius, tone)

    def shape(self, points: Sequence[_Point], tone: float, *, at: _Point = (0, 0), by: _Point = (1, 1)) -> None:
        """A polygon whose points are stretched by one pair of numbers and then moved to another."""
        (left, top), (across, down) = at, by
        self.pen.polygon([(left + across * x, top + down * y) for x, y in points], fill=self.ink(tone))

    def stroke(self, points: Sequence[_Point], tone: float, *, across: float) -> None:
        """A line through points, `across` pixels wide, one at least."""
        self.pen.line(points, fill=self.ink(tone), width=max(1, round(across)))


def _sky(canvas: Canvas) -> None:
    inks = canvas.ink(DUSK)
    rows = [canvas.floor * ink // (inks + 1) for ink in range(inks + 2)]
    for ink in range(1, inks + 1):
        canvas.pen.rectangle((0, rows[ink], canvas.width, rows[ink + 1]), fill=ink)


def _arc(centre: float, radius: float, begin: float, end: float) -> list[_Point]:
    """Points of a circle around (centre, 0), from one angle in turns to another."""
    angles = [math.tau * (begin + (end - begin) * part / 40) for part in range(41)]
    return [(centre + radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]


CRESCENT = _arc(0, 1, 0.14, 0.86) + _arc(0.45, 0.79, 0.79, 0.21)


def _sun(canvas: Canvas, dice: random.Random, *, x: float, y: float, radius: float, kinds: str = "-o=(") -> None:
    """A sun: plain, in a halo, behind blinds, or a crescent."""
    kind = dice.choice(kinds)
    if kind == "(":
        canvas.shape(CRESCENT, ACCENT, at=(x, y), by=(radius, radius))
        return
    if kind == "o":
        canvas.disc(x, y, radius * 1.3, DUSK)
        canvas.disc(x, y, radius * 1.15, 0.66)
    canvas.disc(x, y, radius, ACCENT)
    if kind == "=":
        for slat in range(1, 6):
            top = y + radius * (0.19 * slat - 0.09)
            canvas.slab(x - radius, top, x + radius, top + radius * 0.03 * slat, DUSK * min(top / canvas.floor, 1))


def _sun_in_sky(canvas: Canvas, dice: random.Random, *, lowest: float = 0.5) -> None:
    _sky(canvas)
    x, y = canvas.width * dice.uniform(0.22, 0.78), canvas.floor * dice.uniform(0.28, lowest)
    _sun(canvas, dice, x=x, y=y, radius=canvas.unit * dice.uniform(0.14, 0.22))


def _ridge(canvas: Canvas, dice: random.Random, *, top: float, swell: float, tone: float) -> list[_Point]:
    """Rolling land down to the floor, its crest within `swell` of `top`, in parts of the floor; returns the crest."""
    stretch = math.tau * min(max(canvas.width / canvas.floor / 1.5, 0.6), 3)
    slow, fast = stretch * dice.uniform(0.5, 0.9), stretch * dice.uniform(1.3, 2.1)
    here, there = dice.uniform(0, math.tau), dice.uniform(0, math.tau)
    crest = []
    for part in range(65):
        along = part / 64
        wave = 0.7 * math.sin(slow * along + here) + 0.3 * math.sin(fast * along + there)
        crest.append((canvas.width * along, canvas.floor * (top + swell * wave)))
    canvas.shape([*crest, (canvas.width, canvas.floor), (0, canvas.floor)], tone)
    return crest


def _hills(canvas: Canvas, dice: random.Random) -> None:
    _sun_in_sky(canvas, dice)
    _ridge(canvas, dice, top=0.60, swell=0.08, tone=1.7)
    crest = _ridge(canvas, dice, top=0.72, swell=0.07, tone=2.2)
    canvas.stroke(crest, 1.2, across=canvas.unit * 0.008)
    _ridge(canvas, dice, top=0.88, swell=0.06, tone=GROUND)


PEAK = ((0, 0), (1, 1), (-1, 1))
SHADE = ((0, 0), (1, 1), (0.15, 1), (-0.06, 0.45), (0.08, 0.3))
SNOW = ((0, 0), (0.28, 0.28), (0.11, 0.21), (0, 0.31), (-0.13, 0.22), (-0.28, 0.28))


def _peaks(canvas: Canvas, dice: random.Random) -> None:
    _sun_in_sky(canvas, dice, lowest=0.4)
    count = min(max(round(canvas.width / canvas.floor * 2.2), 2), 24)
    for index in sorted(range(count), key=lambda _: dice.random()):
        top = canvas.width * (index + dice.uniform(0.2, 0.8)) / count, canvas.floor * dice.uniform(0.36, 0.58)
        tall = canvas.floor - top[1]
        by = tall * dice.uniform(0.75, 1), tall
        for points, tone in ((PEAK, MIDDLE), (SHADE, 2.6), (SNOW, 0.6)):
            canvas.shape(points, tone, at=top, by=by)
    _ridge(canvas, dice, top=0.9, swell=0.05, tone=GROUND)


SAIL, JIB = ((0, -1), (0, -0.15), (0.55, -0.15)), ((-0.08, -0.8), (-0.08, -0.15), (-0.4, -0.15))
HULL = ((-0.5, -0.08), (0.65, -0.08), (0.4, 0.1), (-0.3, 0.1))


def _sea(canvas: Canvas, dice: random.Random) -> None:
    _sky(canvas)
    horizon = canvas.floor * dice.uniform(0.55, 0.66)
    depth = min(canvas.floor - horizon, canvas.unit * 0.6)
    x, boat, radius = dice.uniform(0.25, 0.42), dice.uniform(0.7, 0.85), canvas.unit * dice.uniform(0.2, 0.28)
    if dice.random() < 0.5:
        x, boat = 1 - x, 1 - boat
    _sun(canvas, dice, x=x * canvas.width, y=horizon - radius * 0.1, radius=radius, kinds="-o")
    canvas.slab(0, horizon, canvas.width, canvas.floor, MIDDLE)
    for row in range(6):
        across, y = radius * (0.95 - 0.13 * row), horizon + depth * (0.1 + 0.14 * row)
        middle = x * canvas.width + radius * dice.uniform(-0.12, 0.12)
        canvas.stroke([(middle - across, y), (middle + across, y)], ACCENT, across=canvas.unit * 0.015)
    for points, tone in ((SAIL, SKY), (JIB, SKY), (HULL, GROUND)):
        mast = canvas.unit * 0.16
        canvas.shape(points, tone, at=(boat * canvas.width, horizon + depth * 0.2), by=(mast, mast))
    _ridge(canvas, dice, top=0.97, swell=0.03, tone=GROUND)


def _arches(canvas: Canvas, dice: random.Random) -> None:
    _sky(canvas)
    x = dice.uniform(0.3, 0.7)
    other = x - 0.4 if x > 0.5 else x + 0.4
    _sun(canvas, dice, x=other * canvas.width, y=canvas.floor * 0.24, radius=canvas.unit * 0.11)
    outer = min(canvas.width * 0.46, canvas.floor * 0.66)
    for part, tone in ((1, 2), (0.82, 0), (0.74, 1), (0.56, 0), (0.48, 2), (0.3, 0), (0.22, 1)):
        canvas.disc(x * canvas.width, canvas.floor * 0.97, outer * part, tone)
    _ridge(canvas, dice, top=0.93, swell=0.03, tone=GROUND)


def _stones(canvas: Canvas, dice: random.Random) -> None:
    _sky(canvas)
    x, y, unit = canvas.width * dice.uniform(0.3, 0.7), canvas.floor * 0.96, canvas.unit
    _sun(canvas, dice, x=x + unit * dice.uniform(-0.2, 0.2), y=y - unit * 0.55, radius=unit * 0.3)
    across, down = unit * dice.uniform(0.26, 0.32), unit * 0.1
    for tone in (MIDDLE, GROUND, MIDDLE, GROUND, MIDDLE):
        canvas.oval(x + unit * dice.uniform(-0.03, 0.03), y - down * 0.95, across, down, tone)
        y -= down * 1.9
        across, down = across * dice.uniform(0.68, 0.84), down * dice.uniform(0.78, 0.92)
    _ridge(canvas, dice, top=0.95, swell=0.03, tone=GROUND)


def _grove(canvas: Canvas, dice: random.Random) -> None:
    _sun_in_sky(canvas, dice)
    _ridge(canvas, dice, top=0.8, swell=0.06, tone=ACCENT)
    foot, bark = canvas.floor * 0.96, canvas.unit * 0.012
    count = min(max(round(canvas.width / canvas.floor * 5), 3), 48)
    for index in range(count):
        x, tall = canvas.width * (index + dice.uniform(0.3, 0.7)) / count, canvas.unit * dice.uniform(0.24, 0.5)
        across = tall * dice.uniform(0.17, 0.25)
        canvas.oval(x, foot - tall * 0.68, across, tall * 0.42, MIDDLE)
        canvas.stroke([(x, foot - tall * 0.85), (x, canvas.floor)], GROUND, across=bark)
        for fork in (foot - tall * 0.5, foot - tall * 0.68):
            tips = (x - across * 0.5, fork - across * 0.8), (x + across * 0.5, fork - across * 0.55)
            canvas.stroke([tips[0], (x, fork - across * 0.25), (x, fork), tips[1]], GROUND, across=bark * 0.8)
    _ridge(canvas, dice, top=0.94, swell=0.03, tone=GROUND)


def _planet(canvas: Canvas, dice: random.Random) -> None:
    _sky(canvas)
    for _ in range(24):
        star = canvas.width * dice.random(), canvas.floor * dice.uniform(0.03, 0.8)
        canvas.disc(*star, canvas.unit * dice.uniform(0.002, 0.005), ACCENT)
    x, y = canvas.width * dice.uniform(0.35, 0.65), canvas.floor * dice.uniform(0.38, 0.5)
    radius = canvas.unit * dice.uniform(0.2, 0.26)
    ring = (x - radius * 1.7, y - radius * 0.42, x + radius * 1.7, y + radius * 0.42)
    for begin, end in ((180, 360), (0, 180)):  # the far half, then the near one
        canvas.pen.arc(ring, begin, end, fill=canvas.ink(ACCENT), width=round(radius * 0.12) + 1)
        if end == 360:
            canvas.disc(x, y, radius, MIDDLE)
    _ridge(canvas, dice, top=0.86, swell=0.05, tone=1.5)
    _ridge(canvas, dice, top=0.93, swell=0.04, tone=GROUND)


MOTIFS: tuple[Callable[[Canvas, random.Random], None], ...] = (
    _hills,
    _peaks,
    _sea,
    _arches,
    _stones,
    _grove,
    _planet,
)

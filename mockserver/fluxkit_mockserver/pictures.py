"""Pictures for a mock service to deliver: exact in size, cheap to make, pleasant to look at, and telling what they are.

A picture is a small poster. A hash of prompt, seed and references picks its palette, its motif and where everything
stands; the ground at its foot carries the references as thumbnails, the prompt and the label.

What makes it cheap is that a scene is drawn in *tones*, 0 (sky) to 3 (ground), and that every palette is ordered by
lightness along them. A mix of two tones is then itself a tone, so one channel of 8 bits is drawn, smoothed and written
on, and the colours come last, as a palette. The time of a PNG goes by the bytes that zlib is given, so a large one has
fewer inks: 2 or 4 bits a pixel.
"""

import hashlib
import itertools
import json
import math
import random
import re
import struct
import unicodedata
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from io import BytesIO

import attrs
from PIL import Image, ImageColor, ImageDraw, ImageFont, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp")

SOFTWARE = "fluxkit mock"
LARGEST_SIDE = 4096
LARGEST_REFERENCE = 64_000_000  # pixels; above that a few kilobytes could ask for gigabytes
LONGEST_PROMPT = 2_000  # characters in the metadata; the comment of a JPEG ends at 64 KB

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

# Inks from one tone to the next and bits a pixel: 256 inks in all, 16, 4, or 127 and the rest for the references.
FINE, COARSE, FLAT, BESIDE_REFERENCES = (85, 8), (5, 4), (1, 2), (42, 8)

_Point = tuple[float, float]


def draw(
    width: int,
    height: int,
    *,
    media_type: str = "image/png",
    prompt: str,
    seed: int,
    label: Sequence[str] = (),
    references: Sequence[bytes] = (),
) -> bytes:
    """Draw a picture of exactly `width` by `height` pixels, each 1 to 4096, and encode it.

    The same arguments give the same bytes as long as Pillow stays the same; another prompt, seed or reference gives
    another scene. Where there is room to read it, the foot shows the prompt, shortened to two rows, and the lines of
    `label`, side by side where they fit. A reference is the bytes of a PNG, JPEG or WebP; one that cannot be decoded
    is shown as a swatch in a colour of its hash. Prompt and seed are also written into the file: as text of a PNG, as
    JSON in the comment of a JPEG and in the Exif image description of a WebP.

    Raises ValueError for other sides and other media types.
    """
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise ValueError(f"a picture has sides of 1 to {LARGEST_SIDE} pixels, not {width}x{height}")
    if media_type not in MEDIA_TYPES:
        raise ValueError(f"a picture is one of {', '.join(MEDIA_TYPES)}, not {media_type!r}")
    digests = [hashlib.sha256(reference).digest() for reference in references]
    asked = hashlib.sha256(f"{seed} {prompt}".encode("utf-8", "surrogatepass")).digest()
    dice = random.Random(int.from_bytes(hashlib.sha256(b"".join([asked, *digests])).digest()))
    if media_type != "image/png":
        step, bits = FINE
    elif references:
        step, bits = BESIDE_REFERENCES
    else:
        step, bits = FINE if width * height <= 300_000 else COARSE if width * height <= 1_200_000 else FLAT

    foot = _compose(width, height, prompt=prompt, label=label, references=len(references))
    colours = _colours(dice.choice(PALETTES), step)
    picture = _paint(width, height, foot=foot, step=step, dice=dice)
    thumbnails = [
        _thumbnail(reference, digest=digest, side=foot.side)
        for reference, digest, _ in zip(references, digests, foot.places, strict=False)
    ]
    facts = {"prompt": prompt[:LONGEST_PROMPT], "seed": str(seed), "software": SOFTWARE}
    if media_type == "image/png":
        if thumbnails:
            colours += _stamp(picture, thumbnails, places=foot.places, first=len(colours) // 3)
        return _png(picture, colours=colours, bits=bits, facts=facts)
    picture.putpalette(colours)
    picture = picture.convert("RGB")
    for thumbnail, place in zip(thumbnails, foot.places, strict=True):
        picture.paste(thumbnail, place)
    return _jpeg(picture, facts=facts) if media_type == "image/jpeg" else _webp(picture, facts=facts)


@lru_cache(maxsize=64)
def _colours(palette: tuple[str, ...], step: int) -> bytes:
    """The palette of an image whose inks stand `step` apart from tone to tone."""
    tones = [ImageColor.getrgb(colour) for colour in palette]
    inks = [
        round(here + (there - here) * part / step)
        for tone, following in itertools.pairwise(tones)
        for part in range(step)
        for here, there in zip(tone, following, strict=True)
    ]
    return bytes([*inks, *tones[-1]])


def _png(picture: Image.Image, *, colours: bytes, bits: int, facts: dict[str, str]) -> bytes:
    """Encode inks as a PNG.

    Pillow tries out filters on every row of less than 8 bits, which takes longer than to compress it and gains nothing
    on flat inks, and it leaves rows of 8 bits alone. So it is given the packed bytes as if they were pixels, and header
    and palette are then corrected.
    """
    text = PngImagePlugin.PngInfo()
    for name, fact in facts.items():
        text.add_text(name, fact.replace("\0", " ").encode("utf-8", "replace").decode())
    rows = picture.tobytes("raw", "L" if bits == 8 else f"L;{bits}")
    packed = Image.frombuffer("P", (len(rows) // picture.height, picture.height), rows, "raw", "P", 0, 1)
    packed.putpalette(bytes(768))
    out = BytesIO()
    out.write(b"\x89PNG\r\n\x1a\n")
    settings = {"compress_level": 1, "compress_type": zlib.Z_RLE, "pnginfo": text}
    for kind, content, _ in PngImagePlugin.getchunks(packed, **settings):
        if kind == b"IHDR":
            content = struct.pack(">IIB", *picture.size, bits) + content[9:]
        PngImagePlugin.putchunk(out, kind, colours if kind == b"PLTE" else content)
    return out.getvalue()


def _jpeg(picture: Image.Image, *, facts: dict[str, str]) -> bytes:
    out = BytesIO()
    picture.save(out, "JPEG", quality=85, subsampling="4:2:0", comment=json.dumps(facts).encode())
    return out.getvalue()


def _webp(picture: Image.Image, *, facts: dict[str, str]) -> bytes:
    out = BytesIO()
    exif = Image.Exif()
    exif[0x010E], exif[0x0131] = json.dumps(facts), SOFTWARE  # ImageDescription, Software
    picture.save(out, "WEBP", quality=80, method=0, exif=exif)
    return out.getvalue()


# The references


def _thumbnail(reference: bytes, *, digest: bytes, side: int) -> Image.Image:
    """The middle square of a reference, on white where it is transparent, or a swatch if it cannot be decoded."""
    try:
        # The plugins themselves: Image.open looks through all formats, and warns of large images where we refuse them.
        if reference.startswith(b"\x89PNG"):
            image: Image.Image = PngImagePlugin.PngImageFile(BytesIO(reference))
        elif reference.startswith(b"\xff\xd8"):
            image = JpegImagePlugin.JpegImageFile(BytesIO(reference))
        else:
            image = WebPImagePlugin.WebPImageFile(BytesIO(reference))
        if image.width * image.height > LARGEST_REFERENCE:
            raise ValueError("too large to decode")
        image.draft("RGB", (2 * side, 2 * side))
        if image.mode.startswith("I"):
            image = image.point(lambda sample: sample / 256).convert("L")
        elif image.mode not in ("L", "RGB", "RGBA"):
            image = image.convert("RGBA")
        edge = min(image.size)
        left, top = (image.width - edge) / 2, (image.height - edge) / 2
        square = (left, top, left + edge, top + edge)
        image = image.resize((side, side), Image.Resampling.BILINEAR, box=square, reducing_gap=2)
        thumbnail = Image.new("RGB", (side, side), "white")
        thumbnail.paste(image, mask=image if image.mode == "RGBA" else None)
    except Exception:  # noqa: BLE001 - a reference may be anything, and so may be what decoders raise
        hue = int.from_bytes(digest[:2]) % 360
        return Image.new("RGB", (side, side), f"hsl({hue}, 30%, 60%)")
    return thumbnail


def _stamp(picture: Image.Image, thumbnails: list[Image.Image], *, places: list[tuple[int, int]], first: int) -> bytes:
    """Paste thumbnails into a picture of inks and return their colours, which the inks from `first` stand for."""
    side = thumbnails[0].width
    sheet = Image.new("RGB", (side * len(thumbnails), side))
    for index, thumbnail in enumerate(thumbnails):
        sheet.paste(thumbnail, (side * index, 0))
    # The quickest of Pillow's ways to choose colours, and then dithered, looks better than the slow ones do without.
    sheet = sheet.quantize(palette=sheet.quantize(128, Image.Quantize.FASTOCTREE))
    inks = Image.frombytes("L", sheet.size, sheet.tobytes()).point([min(ink + first, 255) for ink in range(256)])
    for index, place in enumerate(places):
        picture.paste(inks.crop((side * index, 0, side * (index + 1), side)), place)
    return bytes(sheet.getpalette() or ())[: 3 * 128]


# The foot


@attrs.frozen
class _Row:
    text: str
    size: int
    tone: int
    height: float


@attrs.frozen
class _Foot:
    """What stands on the ground, in pixels: its top, framed thumbnails of `side` in their places, rows of text."""

    top: int
    margin: int
    side: int
    frame: int
    places: list[tuple[int, int]]
    rows: list[_Row]


def _compose(width: int, height: int, *, prompt: str, label: Sequence[str], references: int) -> _Foot:
    """Arrange the foot in about half of the height, without what would be too small to see or to read."""
    margin = round(min(width, height) * 0.06)
    room = width - 2 * margin
    pitch = side = frame = 0
    if references and min(width, height) >= 56:
        pitch = max(12, min(round(min(width, height) * 0.16), room // references))
        frame = pitch // 24 + 1
        side = pitch - 3 * frame
    large = max(12, round(min(width / 23, height / 15)))
    rows = []
    if room >= 7 * large:
        rows = _typeset(prompt, label, large=large, room=room, height=height * 0.55 - 1.5 * margin - 1.1 * pitch)
    top = height - margin - round(sum(row.height for row in rows) + 1.1 * pitch)
    shown = min(references, room // pitch) if pitch else 0
    places = [(margin + frame + pitch * index, top + frame) for index in range(shown)]
    return _Foot(top - margin // 2, margin, side, frame, places, rows)


def _typeset(prompt: str, label: Sequence[str], *, large: int, room: int, height: float) -> list[_Row]:
    """Set the prompt in one or two rows and the lines of the label in joined ones; rows at the end may have to go."""
    small = max(10, round(large * 0.6))
    lines: list[str] = []
    for line in filter(None, map(_readable, label)):
        if lines and _width(joined := f"{lines[-1]}  ·  {line}", size=small) <= room:
            lines[-1] = joined
        else:
            lines += _wrap(line, size=small, room=room, rows=1)
    for count in (2, 1):
        title = _wrap(_readable(prompt) or "(no prompt)", size=large, room=room, rows=count)
        rows = [_Row(text, large, SKY, 1.35 * large) for text in title]
        rows += [_Row(text, small, ACCENT, 1.6 * small) for text in lines]
        if sum(row.height for row in rows) <= height:
            break
    while rows and sum(row.height for row in rows) > height:
        rows.pop()
    return rows


def _wrap(text: str, *, size: int, room: float, rows: int) -> list[str]:
    """Break text into at most `rows` rows of `room` pixels; an ellipsis closes the last if something is left over."""
    broken: list[str] = []
    while text:
        fit = _fitting(text, size=size, room=room)
        if len(broken) == rows - 1 and fit < len(text):
            fit = _fitting(text, size=size, room=room - _width("…", size=size))
            return [*broken, text[: _break(text, fit)].rstrip(" ,.;:-") + "…"]
        cut = _break(text, fit)
        broken.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return broken


def _break(text: str, fit: int) -> int:
    """Where to end a row of at most `fit` characters: at a space in its second half, else in a word."""
    space = text.rfind(" ", fit // 2, fit + 1)
    return fit if fit == len(text) or space < 1 else space


def _fitting(text: str, *, size: int, room: float) -> int:
    """How many characters from the start fit into `room` pixels, at least one."""
    for index, character in enumerate(text):
        room -= _glyph(character, size).advance
        if room < 0:
            return max(index, 1)
    return len(text)


def _width(text: str, *, size: int) -> float:
    return sum(_glyph(character, size).advance for character in text)


SPELLED = str.maketrans({"×": "x", "•": "·", "ß": "ss"})
LATIN_LETTER = re.compile(r"latin (small|capital) letter ([a-z]{1,2})(?: with .*)?")
NAMED, SEVERAL_NAMED = re.compile(r"<[^<>]+>"), re.compile(r"<[^<>]+>(?: <[^<>]+>)+")


def _readable(text: str) -> str:
    """Text in characters of the font: accents dropped, what it lacks named, as in `a <cat face> and <hiragana>`."""
    shown = [
        character if _is_drawn(character) else _spelled(character)
        for character in unicodedata.normalize("NFKD", text.strip()[:300].translate(SPELLED))
    ]
    text = " ".join("".join(shown).split())
    return SEVERAL_NAMED.sub(lambda names: " ".join(dict.fromkeys(NAMED.findall(names[0]))), text)


@lru_cache(maxsize=4096)
def _spelled(character: str) -> str:
    """A character that the font lacks: a letter by its script, a symbol by its name, and dashes as a hyphen."""
    if character.isspace():
        return " "
    kind, name = unicodedata.category(character), unicodedata.name(character, "unnamed").lower()
    if letter := LATIN_LETTER.fullmatch(name):
        return letter[2].upper() if letter[1] == "capital" else letter[2]
    match kind[0]:
        case "L" | "N":
            return f" <{name.split()[0]}> "
        case "S":
            return f" <{name}> "
        case "P":
            return "-" if kind == "Pd" else " "
        case _:  # control characters show nothing, and marks go with their letter
            return ""


@lru_cache(maxsize=4096)
def _is_drawn(character: str) -> bool:
    """Whether the font has this character, told from the box that it draws for a character that no font has."""
    mask, box = (_font(16).getmask(shown) for shown in (character, "\uffff"))
    return (mask.size, bytes(mask)) != (box.size, bytes(box))


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@attrs.frozen
class _Glyph:
    """One character in white on black, where it stands from the pen on the baseline, and how far it moves the pen."""

    image: Image.Image
    left: int
    top: int
    advance: float


@lru_cache(maxsize=512)
def _glyph(character: str, size: int) -> _Glyph:
    """A picture never seen before is made of characters that were: rendering them takes most of the time of a row."""
    font = _font(size)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(character, anchor="ls"))
    image = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(image).text((-left, -top), character, fill=255, font=font, anchor="ls")
    return _Glyph(image, left, top, font.getlength(character))


# The scene


def _paint(width: int, height: int, *, foot: _Foot, step: int, dice: random.Random) -> Image.Image:
    """Draw the inks of a whole picture; a small scene is drawn larger and reduced, so that its edges are smooth."""
    scale = min(max(math.isqrt(1_100_000 // (width * height)), 1), 3)
    canvas = _Canvas(width * scale, height * scale, max(foot.top, 1) * scale, step)
    dice.choice(MOTIFS)(canvas, dice)
    canvas.slab(0, canvas.floor, canvas.width, canvas.height, GROUND)
    picture = canvas.image.reduce(scale) if scale > 1 else canvas.image
    pen = ImageDraw.Draw(picture)
    for left, top in foot.places:
        right, bottom = left + foot.side - 1, top + foot.side - 1
        edges = (left - foot.frame, top - foot.frame, right + foot.frame, bottom + foot.frame)
        pen.rectangle(edges, fill=SKY * step)
    y = height - foot.margin - sum(row.height for row in foot.rows)
    for row in foot.rows:
        y += row.height
        x: float = foot.margin
        for character in row.text:
            glyph = _glyph(character, row.size)
            place = round(x) + glyph.left, round(y - 0.3 * row.size) + glyph.top
            pen.bitmap(place, glyph.image, fill=row.tone * step)
            x += glyph.advance
    return picture


@attrs.define
class _Canvas:
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
        return round(tone * self.step)

    def slab(self, left: float, top: float, right: float, bottom: float, tone: float) -> None:
        self.pen.rectangle((left, top, right, bottom), fill=self.ink(tone))

    def oval(self, x: float, y: float, across: float, down: float, tone: float) -> None:
        self.pen.ellipse((x - across, y - down, x + across, y + down), fill=self.ink(tone))

    def disc(self, x: float, y: float, radius: float, tone: float) -> None:
        self.oval(x, y, radius, radius, tone)

    def shape(self, points: Sequence[_Point], tone: float, *, at: _Point = (0, 0), by: _Point = (1, 1)) -> None:
        """A polygon whose points are stretched by one pair of numbers and then moved to another."""
        self.pen.polygon([(at[0] + by[0] * x, at[1] + by[1] * y) for x, y in points], fill=self.ink(tone))

    def stroke(self, points: Sequence[_Point], tone: float, *, across: float) -> None:
        self.pen.line(points, fill=self.ink(tone), width=max(1, round(across)))


def _sky(canvas: _Canvas) -> None:
    inks = canvas.ink(DUSK)
    rows = [canvas.floor * ink // (inks + 1) for ink in range(inks + 2)]
    for ink in range(1, inks + 1):
        canvas.slab(0, rows[ink], canvas.width, rows[ink + 1], ink / canvas.step)


def _arc(centre: float, radius: float, begin: float, end: float) -> list[_Point]:
    """Points of a circle around (centre, 0), from one angle in turns to another."""
    angles = [math.tau * (begin + (end - begin) * part / 40) for part in range(41)]
    return [(centre + radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]


CRESCENT = _arc(0, 1, 0.14, 0.86) + _arc(0.45, 0.79, 0.79, 0.21)


def _sun(canvas: _Canvas, dice: random.Random, *, x: float, y: float, radius: float, kinds: str = "-o=(") -> None:
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


def _sun_in_sky(canvas: _Canvas, dice: random.Random, *, lowest: float = 0.5) -> None:
    _sky(canvas)
    x, y = canvas.width * dice.uniform(0.22, 0.78), canvas.floor * dice.uniform(0.28, lowest)
    _sun(canvas, dice, x=x, y=y, radius=canvas.unit * dice.uniform(0.14, 0.22))


def _ridge(canvas: _Canvas, dice: random.Random, *, top: float, swell: float, tone: float) -> list[_Point]:
    """Rolling land down to the floor, its crest within `swell` of `top`, in parts of the floor; returns the crest."""
    stretch = math.tau * min(max(canvas.width / canvas.floor / 1.5, 0.6), 3)
    slow, fast = stretch * dice.uniform(0.5, 0.9), stretch * dice.uniform(1.3, 2.1)
    here, there = dice.uniform(0, math.tau), dice.uniform(0, math.tau)
    crest = []
    for part in range(65):
        wave = 0.7 * math.sin(slow * part / 64 + here) + 0.3 * math.sin(fast * part / 64 + there)
        crest.append((canvas.width * part / 64, canvas.floor * (top + swell * wave)))
    canvas.shape([*crest, (canvas.width, canvas.floor), (0, canvas.floor)], tone)
    return crest


def _hills(canvas: _Canvas, dice: random.Random) -> None:
    _sun_in_sky(canvas, dice)
    _ridge(canvas, dice, top=0.60, swell=0.08, tone=1.7)
    crest = _ridge(canvas, dice, top=0.72, swell=0.07, tone=2.2)
    canvas.stroke(crest, 1.2, across=canvas.unit * 0.008)
    _ridge(canvas, dice, top=0.88, swell=0.06, tone=GROUND)


PEAK = ((0, 0), (1, 1), (-1, 1))
SHADE = ((0, 0), (1, 1), (0.15, 1), (-0.06, 0.45), (0.08, 0.3))
SNOW = ((0, 0), (0.28, 0.28), (0.11, 0.21), (0, 0.31), (-0.13, 0.22), (-0.28, 0.28))


def _peaks(canvas: _Canvas, dice: random.Random) -> None:
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


def _sea(canvas: _Canvas, dice: random.Random) -> None:
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


def _arches(canvas: _Canvas, dice: random.Random) -> None:
    _sky(canvas)
    x = dice.uniform(0.3, 0.7)
    other = x - 0.4 if x > 0.5 else x + 0.4
    _sun(canvas, dice, x=other * canvas.width, y=canvas.floor * 0.24, radius=canvas.unit * 0.11)
    outer = min(canvas.width * 0.46, canvas.floor * 0.66)
    for part, tone in ((1, 2), (0.82, 0), (0.74, 1), (0.56, 0), (0.48, 2), (0.3, 0), (0.22, 1)):
        canvas.disc(x * canvas.width, canvas.floor * 0.97, outer * part, tone)
    _ridge(canvas, dice, top=0.93, swell=0.03, tone=GROUND)


def _stones(canvas: _Canvas, dice: random.Random) -> None:
    _sky(canvas)
    x, y, unit = canvas.width * dice.uniform(0.3, 0.7), canvas.floor * 0.96, canvas.unit
    _sun(canvas, dice, x=x + unit * dice.uniform(-0.2, 0.2), y=y - unit * 0.55, radius=unit * 0.3)
    across, down = unit * dice.uniform(0.26, 0.32), unit * 0.1
    for tone in (MIDDLE, GROUND, MIDDLE, GROUND, MIDDLE):
        canvas.oval(x + unit * dice.uniform(-0.03, 0.03), y - down * 0.95, across, down, tone)
        y -= down * 1.9
        across, down = across * dice.uniform(0.68, 0.84), down * dice.uniform(0.78, 0.92)
    _ridge(canvas, dice, top=0.95, swell=0.03, tone=GROUND)


def _grove(canvas: _Canvas, dice: random.Random) -> None:
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


def _planet(canvas: _Canvas, dice: random.Random) -> None:
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


MOTIFS: tuple[Callable[[_Canvas, random.Random], None], ...] = (
    _hills,
    _peaks,
    _sea,
    _arches,
    _stones,
    _grove,
    _planet,
)

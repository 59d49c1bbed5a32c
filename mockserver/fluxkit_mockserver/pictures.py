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
import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageColor, ImageDraw, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from .labels import Foot, compose, glyph_of
from .scenes import GROUND, MOTIFS, PALETTES, SKY, Canvas

MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp")

SOFTWARE = "fluxkit mock"
LARGEST_SIDE = 16_383  # that of a WebP
LARGEST_AREA = 4096 * 4096
LARGEST_REFERENCE = 64_000_000  # pixels; above that a few kilobytes could ask for gigabytes
PIECE = 65_000  # bytes for one compressor of zlib; its window takes 65,536 less the 262 that it looks ahead
LONGEST_PROMPT = 2_000  # characters in the metadata; the comment of a JPEG ends at 64 KB

# Inks from one tone to the next and bits a pixel: 256 inks in all, 16, 4, or 127 and the rest for the references.
FINE, COARSE, FLAT, BESIDE_REFERENCES = (85, 8), (5, 4), (1, 2), (42, 8)


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
    """Draw a picture of exactly `width` by `height` pixels, and encode it.

    The same arguments give the same bytes as long as Pillow and zlib stay the same; another prompt, seed or reference
    gives another scene. Where there is room to read it, the foot shows the prompt, shortened to two rows, and the lines
    of `label`, side by side where they fit. A reference is the bytes of a PNG, JPEG or WebP; one that cannot be decoded
    is shown as a swatch in a colour of its hash. Prompt and seed are also written into the file: as text of a PNG, as
    JSON in the comment of a JPEG and in the Exif image description of a WebP.

    Raises ValueError for other sides, larger areas and other media types.
    """
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise ValueError(f"a picture has sides of 1 to {LARGEST_SIDE} pixels, not {width}x{height}")
    if width * height > LARGEST_AREA:
        raise ValueError(f"a picture has at most {LARGEST_AREA} pixels, not {width}x{height}")
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

    foot = compose(width, height, prompt=prompt, label=label, references=len(references))
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
    picture = picture.convert("RGBX")  # whole words of four bytes: the same file as of RGB, and sooner
    for thumbnail, place in zip(thumbnails, foot.places, strict=True):
        picture.paste(thumbnail, place)
    return _jpeg(picture, facts=facts) if media_type == "image/jpeg" else _webp(picture, facts=facts)


def _paint(width: int, height: int, *, foot: Foot, step: int, dice: random.Random) -> Image.Image:
    """Draw the inks of a whole picture; a small scene is drawn larger and reduced, so that its edges are smooth."""
    scale = min(max(math.isqrt(1_100_000 // (width * height)), 1), 3)
    floor = max(foot.top, 1)
    canvas = Canvas(width * scale, height * scale, floor * scale, step)
    dice.choice(MOTIFS)(canvas, dice)
    picture = canvas.image
    if scale > 1:
        picture = Image.new("L", (width, height))
        picture.paste(canvas.image.reduce(scale, (0, 0, canvas.width, canvas.floor)))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, floor, width, height), fill=GROUND * step)
    for left, top in foot.places:
        right, bottom = left + foot.side - 1, top + foot.side - 1
        edges = (left - foot.frame, top - foot.frame, right + foot.frame, bottom + foot.frame)
        pen.rectangle(edges, fill=SKY * step)
    y = height - foot.margin - sum(row.height for row in foot.rows)
    for row in foot.rows:
        y += row.height
        x: float = foot.margin
        baseline, ink = round(y - 0.3 * row.size), row.tone * step
        for character in row.text:
            glyph = glyph_of(character, row.size)
            if character != " ":
                pen.bitmap((round(x) + glyph.left, baseline + glyph.top), glyph.image, ink)
            x += glyph.advance
    return picture


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
    on flat inks. So it packs the rows and frames the chunks, and what goes between is compressed without it.
    """
    text = PngImagePlugin.PngInfo()
    for name, fact in facts.items():
        text.add_text(name, fact.replace("\0", " ").encode("utf-8", "replace").decode())
    # Before each row stands the filter it went through, 0 for none: a byte that is packed as padding of the row above.
    rows = picture.tobytes("raw", "L" if bits == 8 else f"L;{bits}", 1 + math.ceil(picture.width * bits / 8))
    out = BytesIO()
    out.write(b"\x89PNG\r\n\x1a\n")
    PngImagePlugin.putchunk(out, b"IHDR", struct.pack(">IIBBxxx", *picture.size, bits, 3))  # 3: indexed colour
    for kind, content, *_ in text.chunks:
        PngImagePlugin.putchunk(out, kind, content)
    PngImagePlugin.putchunk(out, b"PLTE", colours)
    PngImagePlugin.putchunk(out, b"IDAT", *_compress(b"\0", memoryview(rows)[:-1]))
    PngImagePlugin.putchunk(out, b"IEND")
    return out.getvalue()


def _compress(*parts: bytes | memoryview) -> list[bytes]:
    """Compress parts as one zlib stream (RFC 1950), as runs.

    Whenever zlib has taken 64 KB, it moves its window and tables along, which takes longer than to find the runs. So
    each piece has a compressor of its own, which ends on a whole byte.
    """
    stream, checksum = [b"\x78\x01"], 1
    for part in parts:
        for start in range(0, len(part), PIECE):
            piece = part[start : start + PIECE]
            runs = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, strategy=zlib.Z_RLE)
            stream += runs.compress(piece), runs.flush(zlib.Z_SYNC_FLUSH)
            checksum = zlib.adler32(piece, checksum)
    return [*stream, b"\x03\x00", checksum.to_bytes(4)]  # a last block, which is empty


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
        image.draft("RGB", (side, side))
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

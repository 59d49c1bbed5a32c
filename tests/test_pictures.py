"""Pictures of the mock: exact, deterministic, different, legible, and they say what they were made from."""

import hashlib
import io
import itertools
import json
import math
import random
import subprocess
import sys
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFont, ImageStat

from fluxkit_mockserver import labels, pictures, scenes

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
LABEL = ("magnific flux-2-klein", "1344x768 seed 42", "MOCK")
LIGHTHOUSE = "A lighthouse on a basalt cliff at dusk, warm light in the window, oil painting, fog and distant gulls"

sides = st.integers(1, 300)
prompts = st.text(max_size=400) | st.text(st.sampled_from("abc def, 猫🐈é—\t"), max_size=80)


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def encoded(image: Image.Image, media_type: str = "image/png", **settings: object) -> bytes:
    out = io.BytesIO()
    image.save(out, FORMATS[media_type], **settings)
    return out.getvalue()


def distance(one: bytes, other: bytes) -> float:
    """The mean difference of two pictures over pixels and channels, 0 to 255."""
    difference = ImageChops.difference(opened(one).convert("RGB"), opened(other).convert("RGB"))
    return sum(ImageStat.Stat(difference).mean) / 3


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21, as WCAG 2.2 defines it."""

    def luminance(colour: str) -> float:
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
            for part in (value / 255 for value in ImageColor.getrgb(colour)[:3])
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


# Exact


@given(
    width=sides,
    height=sides,
    media_type=st.sampled_from(sorted(FORMATS)),
    prompt=prompts,
    seed=st.integers(),
    label=st.lists(prompts, max_size=4),
    references=st.lists(st.binary(max_size=20), max_size=3),
)
@example(width=200, height=200, media_type="image/png", prompt="\ud800\x00", seed=1, label=["\udfff"], references=[])
@example(width=200, height=200, media_type="image/jpeg", prompt="\ud800" * 3000, seed=1, label=[], references=[])
@example(width=200, height=200, media_type="image/webp", prompt="\ud800\x00", seed=1, label=[], references=[b""])
def test_every_picture_decodes_at_the_exact_size_in_the_asked_format(
    width: int, height: int, media_type: str, prompt: str, seed: int, label: list[str], references: list[bytes]
) -> None:
    content = pictures.draw(
        width, height, media_type=media_type, prompt=prompt, seed=seed, label=label, references=references
    )
    image = opened(content)
    assert (FORMATS[media_type], (width, height)) == (image.format, image.size)


@pytest.mark.parametrize("media_type", sorted(FORMATS))
@pytest.mark.parametrize("size", [(1, 1), (16_383, 1), (1, 16_383), (1344, 768), (1001, 1003), (1999, 1501)])
def test_pictures_of_any_shape_are_exact(size: tuple[int, int], media_type: str) -> None:
    content = pictures.draw(*size, media_type=media_type, prompt=LIGHTHOUSE, seed=42, label=LABEL)
    assert size == opened(content).size


@pytest.mark.parametrize("motif", scenes.MOTIFS)
@pytest.mark.parametrize("size", [(1, 1), (300, 1), (1, 300), (90, 60)])
def test_every_motif_fits_every_shape(monkeypatch: pytest.MonkeyPatch, motif: object, size: tuple[int, int]) -> None:
    monkeypatch.setattr(pictures, "MOTIFS", (motif,))
    for seed in range(20):
        assert size == opened(pictures.draw(*size, prompt="", seed=seed)).size


def test_the_largest_picture_is_exact() -> None:
    assert (4096, 4096) == opened(pictures.draw(4096, 4096, prompt=LIGHTHOUSE, seed=42, label=LABEL)).size


@pytest.mark.parametrize("size", [(0, 1), (1, 0), (-1, 1), (16_384, 1), (1, 16_384)])
def test_other_sides_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"1 to 16383 pixels, not {size[0]}x{size[1]}"):
        pictures.draw(*size, prompt="", seed=0)


def test_a_larger_area_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 16777216 pixels, not 4097x4096"):
        pictures.draw(4097, 4096, prompt="", seed=0)


def test_other_media_types_are_refused() -> None:
    with pytest.raises(ValueError, match="image/gif"):
        pictures.draw(1, 1, media_type="image/gif", prompt="", seed=0)


@given(width=st.integers(1, 40), height=st.integers(1, 9), bits=st.sampled_from([2, 4, 8]), seed=st.integers())
def test_a_packed_png_holds_the_pixels_that_pillow_itself_would_write(
    width: int, height: int, bits: int, seed: int
) -> None:
    noise = random.Random(seed).randbytes(width * height)
    inks = Image.frombytes("L", (width, height), bytes(value % (1 << bits) for value in noise))
    colours = random.Random(seed).randbytes(3 << bits)
    image = opened(pictures._png(inks, colours=colours, bits=bits, facts={}))
    inks.putpalette(colours)
    assert inks.convert("RGB").tobytes() == image.convert("RGB").tobytes()


@pytest.mark.parametrize("beyond", [-pictures.PIECE, 1 - pictures.PIECE, -1, 0, 1, pictures.PIECE + 1])
def test_pieces_that_are_compressed_apart_are_one_stream_with_its_checksum(beyond: int) -> None:
    noise = random.Random(beyond).randbytes(1 + (pictures.PIECE + beyond) // 300)
    rows = b"".join(bytes([value]) * 300 for value in noise)[: pictures.PIECE + beyond]
    assert pictures.PIECE + beyond == len(rows)
    assert b"\0" + rows == zlib.decompress(b"".join(pictures._compress(b"\0", memoryview(rows))))


@pytest.mark.parametrize(("size", "bits"), [((256, 256), 8), ((1024, 1024), 4), ((2048, 2048), 2)])
def test_a_larger_png_has_fewer_bits_a_pixel_and_is_sound(size: tuple[int, int], bits: int) -> None:
    content = pictures.draw(*size, prompt=LIGHTHOUSE, seed=42, label=LABEL)
    Image.open(io.BytesIO(content)).verify()  # the checksums
    assert (bits, 3) == tuple(content[24:26])  # bit depth, and indexed colour
    assert len(content) < 64_000


# Deterministic, and different where it was asked for something different


@pytest.mark.parametrize("media_type", sorted(FORMATS))
@pytest.mark.parametrize("side", [120, 600, 1300])
def test_the_same_arguments_give_the_same_bytes(side: int, media_type: str) -> None:
    def draw() -> bytes:
        red = encoded(Image.new("RGB", (30, 20), "red"))
        return pictures.draw(
            side, side, media_type=media_type, prompt=LIGHTHOUSE, seed=7, label=LABEL, references=[red, b"?"]
        )

    first = draw()
    for cached in (pictures._colours, labels._font, labels.glyph_of, labels._is_drawn, labels._spelled):
        cached.cache_clear()
    assert first == draw()


def test_another_process_draws_the_same_bytes() -> None:
    script = (
        "import hashlib, sys; from fluxkit_mockserver.pictures import draw;"
        "print(hashlib.sha256(draw(300, 200, prompt='a cat', seed=3, label=['MOCK'], references=[b'?'])).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    here = pictures.draw(300, 200, prompt="a cat", seed=3, label=["MOCK"], references=[b"?"])
    assert hashlib.sha256(here).hexdigest() == there.strip()


def test_another_prompt_or_seed_is_another_picture_to_the_eye() -> None:
    # So small that nothing is written on it: it is the scene that differs.
    drawn = [pictures.draw(64, 64, prompt=f"prompt {n // 2}", seed=n % 2) for n in range(28)]
    assert min(itertools.starmap(distance, itertools.combinations(drawn, 2))) > 5


def test_another_reference_is_another_picture_even_where_it_looks_alike() -> None:
    red = encoded(Image.new("RGB", (8, 8), "red"))
    references = [(), (red,), (red, red), (red + b"appended",), (b"",), (b"", b"")]
    drawn = [pictures.draw(40, 40, prompt="p", seed=1, references=each) for each in references]
    assert min(itertools.starmap(distance, itertools.combinations(drawn, 2))) > 5


def test_size_and_format_keep_the_scene() -> None:
    small = pictures.draw(300, 300, prompt="p", seed=1)
    for side, media_type in itertools.product((900, 1500), sorted(FORMATS)):
        image = opened(pictures.draw(side, side, media_type=media_type, prompt="p", seed=1)).convert("RGB")
        assert distance(small, encoded(image.resize((300, 300), Image.Resampling.BOX))) < 12


# Legible


@pytest.mark.parametrize("palette", scenes.PALETTES)
def test_text_stands_out_from_the_ground(palette: tuple[str, ...]) -> None:
    assert contrast(palette[scenes.SKY], palette[scenes.GROUND]) >= 7
    assert contrast(palette[scenes.ACCENT], palette[scenes.GROUND]) >= 4.5


@pytest.mark.parametrize("palette", scenes.PALETTES)
def test_lightness_goes_one_way_along_the_tones(palette: tuple[str, ...]) -> None:
    steps = [contrast(colour, palette[scenes.SKY]) for colour in palette]
    assert sorted(steps) == steps
    assert min(here / before for before, here in itertools.pairwise(steps)) > 1.3


@pytest.mark.parametrize("size", [(256, 256), (1024, 1024), (2048, 2048), (2048, 1168), (256, 1440), (320, 180)])
@pytest.mark.parametrize("count", [0, 3])
def test_prompt_and_whole_label_are_shown_at_common_sizes(size: tuple[int, int], count: int) -> None:
    foot = labels.compose(*size, prompt=LIGHTHOUSE, label=LABEL, references=count)
    shown = "  ·  ".join(row.text for row in foot.rows if row.tone == scenes.ACCENT)
    assert "  ·  ".join(LABEL) == shown
    assert foot.rows[0].text.startswith("A lighthouse on a basalt")
    assert count == len(foot.places)
    assert foot.top >= size[1] * 0.4
    assert min(row.size for row in foot.rows) >= 10


@pytest.mark.parametrize(("side", "step"), [(256, 85), (1024, 5), (2048, 1)])
def test_a_row_of_text_looks_as_pillow_sets_it(side: int, step: int) -> None:
    prompt = "Quartz, jumping (fox)"
    foot = labels.compose(side, side, prompt=prompt, label=LABEL, references=0)
    image = opened(pictures.draw(side, side, prompt=prompt, seed=5, label=LABEL))
    inks = Image.frombytes("L", image.size, image.tobytes())
    title, below = foot.rows[0], sum(row.height for row in foot.rows[1:])
    band = (0, round(side - foot.margin - below - title.height), side, round(side - foot.margin - below))
    expected = Image.new("L", image.size, scenes.GROUND * step)
    start = foot.margin, round(side - foot.margin - below - 0.3 * title.size)
    font = ImageFont.load_default(title.size)
    ImageDraw.Draw(expected).text(start, title.text, fill=scenes.SKY, font=font, anchor="ls")
    assert expected.crop(band).tobytes() == inks.crop(band).tobytes()


@given(width=st.integers(100, 700), height=st.integers(60, 500), prompt=prompts, label=st.lists(prompts, max_size=3))
def test_text_keeps_within_its_margins(width: int, height: int, prompt: str, label: list[str]) -> None:
    foot = labels.compose(width, height, prompt=prompt, label=label, references=0)
    image = opened(pictures.draw(width, height, prompt=prompt, seed=0, label=label)).convert("RGB")
    edge = foot.margin // 2
    ground = [image.getpixel((0, height - 1))]
    for strip in (
        (0, foot.top + 1, foot.margin - edge, height),
        (width - foot.margin + edge, foot.top + 1, width, height),
        (0, height - edge, width, height),
    ):
        assert ground == [colour for _, colour in image.crop(strip).getcolors() or ()]


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (80, 400), (400, 20)])
def test_nothing_is_written_where_it_could_not_be_read(size: tuple[int, int]) -> None:
    assert [] == labels.compose(*size, prompt=LIGHTHOUSE, label=LABEL, references=0).rows


def test_the_second_row_of_the_prompt_makes_room_for_the_label() -> None:
    def texts(height: int) -> list[str]:
        return [row.text for row in labels.compose(300, height, prompt=LIGHTHOUSE, label=LABEL, references=0).rows]

    joined = "  ·  ".join(LABEL)
    first = "A lighthouse on a basalt cliff at dusk, warm light in"
    assert [first, "the window, oil painting, fog and distant gulls", joined] == texts(160)
    assert [first + "…", joined] == texts(90)
    assert [first + "…"] == texts(60)


@given(text=prompts.map(labels._readable), room=st.integers(60, 500), rows=st.integers(1, 4))
def test_wrapped_rows_fit_and_lose_nothing_but_what_an_ellipsis_stands_for(text: str, room: int, rows: int) -> None:
    wrapped = labels._wrap(text, size=12, room=room, rows=rows)
    assert len(wrapped) <= rows
    assert all(labels._width(row, size=12) <= room for row in wrapped)
    whole, shown = text.replace(" ", ""), "".join(wrapped).replace(" ", "")
    if whole != shown:
        assert "…" == shown[-1]
        assert whole.startswith(shown[:-1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  plain\ttext,\n two  rows ", "plain text, two rows"),
        ("Ångström café, Łódź, Malmø, Ørsted, straße", "Angstrom cafe, Lodz, Malmo, Orsted, strasse"),
        ("1344×768 — macro…", "1344x768 - macro..."),
        ("\uff26\uff35\uff2c\uff2c width ﬁne", "FULL width fine"),
        ("猫が窓辺に座っている、夜", "<cjk> <hiragana>"),
        ("кошка на окне", "<cyrillic>"),
        ("a 🐈 and 🎨🎨", "a <cat> and <artist palette>"),
        ("5 € → 3", "5 <euro sign> <rightwards arrow> 3"),
        ("<b> <b> stays once", "<b> stays once"),
        ("e\u0301 zero\u200bwidth \x00\x1b[0m\u2028line", "e zerowidth [0m line"),
        ("\ud800\ue000\U0010ffff", ""),
        ("", ""),
    ],
)
def test_every_text_is_told_in_characters_of_the_font(text: str, expected: str) -> None:
    assert expected == labels._readable(text)


@given(st.text(max_size=60))
@example("".join(map(chr, range(32, 127))))
def test_readable_text_is_wholly_drawn(text: str) -> None:
    assert all(character == " " or labels._is_drawn(character) for character in labels._readable(text))


def test_an_empty_prompt_says_so() -> None:
    rows = labels.compose(256, 256, prompt=" \n", label=["", "MOCK"], references=0).rows
    assert ["(no prompt)", "MOCK"] == [row.text for row in rows]


# References


def framed(content: bytes, *, width: int, height: int, count: int) -> list[tuple[int, ...]]:
    """The colours at the centres of the thumbnails of a picture."""
    foot = labels.compose(width, height, prompt="p", label=LABEL, references=count)
    image, half = opened(content).convert("RGB"), foot.side // 2
    return [image.getpixel((left + half, top + half)) for left, top in foot.places]


@pytest.mark.parametrize("size", [(256, 256), (1024, 1024), (1500, 900)])
@pytest.mark.parametrize("media_type", sorted(FORMATS))
def test_references_are_seen_in_the_picture(size: tuple[int, int], media_type: str) -> None:
    asked = [(214, 40, 57), (58, 134, 255), (42, 157, 80)]
    references = [
        encoded(Image.new("RGB", (90, 60), colour), each)
        for colour, each in zip(asked, ("image/png", "image/jpeg", "image/webp"), strict=True)
    ]
    content = pictures.draw(*size, media_type=media_type, prompt="p", seed=1, label=LABEL, references=references)
    shown = framed(content, width=size[0], height=size[1], count=3)
    assert 3 == len(shown)
    assert max(math.dist(colour, seen) for colour, seen in zip(asked, shown, strict=True)) < 30


def sixteen_bits() -> Image.Image:
    return Image.new("I;16", (20, 20), 0x8080)


def half_palette() -> Image.Image:
    image = Image.new("P", (20, 20), 1)
    image.putpalette(bytes([0, 0, 0, 128, 128, 128]))
    image.info["transparency"] = b"\x00\xff"
    return image


@pytest.mark.parametrize(
    ("image", "media_type", "expected"),
    [
        (Image.new("L", (20, 40), 128), "image/png", (128, 128, 128)),
        (Image.new("1", (20, 20), 1), "image/png", (255, 255, 255)),
        (Image.new("LA", (20, 20), (0, 0)), "image/png", (255, 255, 255)),
        (Image.new("RGBA", (20, 20), (255, 0, 0, 128)), "image/png", (255, 127, 127)),
        (sixteen_bits(), "image/png", (128, 128, 128)),
        (half_palette(), "image/png", (128, 128, 128)),
        (Image.new("CMYK", (20, 20), (0, 0, 0, 127)), "image/jpeg", (128, 128, 128)),
        (Image.new("RGBA", (20, 20), (0, 0, 255, 255)), "image/webp", (0, 0, 255)),
    ],
)
def test_references_of_every_kind_of_pixel_are_decoded(
    image: Image.Image, media_type: str, expected: tuple[int, int, int]
) -> None:
    thumbnail = pictures._thumbnail(encoded(image, media_type), digest=bytes(32), side=12)
    assert ((12, 12), "RGB") == (thumbnail.size, thumbnail.mode)
    assert math.dist(expected, thumbnail.getpixel((6, 6))) < 4


def test_a_thumbnail_is_the_middle_square_of_its_reference() -> None:
    reference = Image.new("RGB", (300, 100), "red")
    reference.paste("blue", (100, 0, 200, 100))
    thumbnail = pictures._thumbnail(encoded(reference), digest=bytes(32), side=20)
    assert 360 <= sum(count for count, (red, _, blue) in thumbnail.getcolors() if blue > 250 and red < 5)


NOISE = encoded(Image.effect_noise((60, 60), 90))


@pytest.mark.parametrize(
    "reference",
    [
        b"",
        b"no picture",
        b"https://pictures.example/cat.png",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"RIFF\x04\x00\x00\x00WEBP",
        NOISE[: len(NOISE) // 2],
    ],
)
def test_what_cannot_be_decoded_is_a_swatch_in_a_colour_of_its_hash(reference: bytes) -> None:
    digest = hashlib.sha256(reference).digest()
    swatch = pictures._thumbnail(reference, digest=digest, side=10)
    expected = ImageColor.getrgb(f"hsl({int.from_bytes(digest[:2]) % 360}, 30%, 60%)")
    assert [(100, expected)] == swatch.getcolors()
    content = pictures.draw(256, 256, prompt="p", seed=1, label=LABEL, references=[reference])
    assert math.dist(expected, framed(content, width=256, height=256, count=1)[0]) < 12


@given(
    media_type=st.sampled_from(sorted(FORMATS)),
    position=st.integers(0, 1 << 16),
    damage=st.binary(min_size=1, max_size=8),
)
def test_a_damaged_reference_never_breaks_the_picture(media_type: str, position: int, damage: bytes) -> None:
    content = bytearray(encoded(Image.effect_noise((24, 24), 90), media_type))
    start = position % len(content)
    content[start : start + len(damage)] = damage
    drawn = pictures.draw(120, 120, prompt="p", seed=1, references=[bytes(content)])
    assert (120, 120) == opened(drawn).size


def test_a_reference_too_large_to_decode_is_a_swatch(monkeypatch: pytest.MonkeyPatch) -> None:
    white = encoded(Image.new("RGB", (30, 30), "white"))
    monkeypatch.setattr(pictures, "LARGEST_REFERENCE", 899)
    assert (255, 255, 255) != pictures._thumbnail(white, digest=bytes(32), side=4).getpixel((0, 0))
    monkeypatch.setattr(pictures, "LARGEST_REFERENCE", 900)
    assert (255, 255, 255) == pictures._thumbnail(white, digest=bytes(32), side=4).getpixel((0, 0))


@given(width=st.integers(1, 900), height=st.integers(1, 900), count=st.integers(1, 40))
def test_thumbnails_keep_within_the_margins_and_apart(width: int, height: int, count: int) -> None:
    foot = labels.compose(width, height, prompt=LIGHTHOUSE, label=LABEL, references=count)
    assert len(foot.places) <= count
    for here, there in itertools.pairwise(foot.places):
        assert there[0] - here[0] > foot.side + 2 * foot.frame
    for left, top in foot.places:
        assert foot.side >= 8
        assert foot.margin <= left - foot.frame
        assert left + foot.side + foot.frame <= width - foot.margin
        assert foot.top <= top - foot.frame
        assert top + foot.side + foot.frame <= height


def test_ten_references_are_all_shown_on_a_small_picture() -> None:
    assert 10 == len(labels.compose(256, 256, prompt="p", label=LABEL, references=10).places)


# Metadata


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a café", "a café"),
        ("猫 and 🐈", "猫 and 🐈"),
        ("x" * 5000, "x" * 2000),
        ("nul \x00 and surrogate \ud800", "nul   and surrogate ?"),
    ],
)
def test_a_png_says_what_it_was_made_from(prompt: str, expected: str) -> None:
    text = opened(pictures.draw(32, 32, prompt=prompt, seed=-9)).text
    assert {"prompt": expected, "seed": "-9", "software": "fluxkit mock"} == text


@pytest.mark.parametrize("prompt", ["a café", "猫 and 🐈", "nul \x00 and surrogate \ud800", "🐈" * 2000])
def test_jpeg_and_webp_say_it_as_json(prompt: str) -> None:
    expected = {"prompt": prompt, "seed": "7", "software": "fluxkit mock"}
    jpeg = opened(pictures.draw(32, 32, media_type="image/jpeg", prompt=prompt, seed=7))
    assert expected == json.loads(jpeg.info["comment"])
    exif = opened(pictures.draw(32, 32, media_type="image/webp", prompt=prompt, seed=7)).getexif()
    assert (expected, "fluxkit mock") == (json.loads(exif[0x010E]), exif[0x0131])

"""A picture is known by its bytes: its type, its sides, and whether all of it is there."""

import functools
import io
import pickle
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from fluxkit._contract import media
from fluxkit._contract.media import Media, NotAnImage, Truncated, format_named, kind
from fluxkit._contract.structure import examine, read_media

PIXELS = random.Random(7).randbytes(1 << 16)
ENCODINGS: dict[str, tuple[str, str, dict[str, object]]] = {
    "png": ("PNG", "RGB", {}),
    "png-alpha": ("PNG", "RGBA", {}),
    "png-palette": ("PNG", "P", {}),
    "png-1-bit": ("PNG", "1", {}),
    "png-animated": ("PNG", "RGB", {"frames": 3}),
    "jpeg": ("JPEG", "RGB", {}),
    "jpeg-progressive": ("JPEG", "RGB", {"progressive": True}),
    "jpeg-grey": ("JPEG", "L", {}),
    "jpeg-cmyk": ("JPEG", "CMYK", {}),
    "jpeg-restarts": ("JPEG", "RGB", {"restart_marker_blocks": 1}),
    "jpeg-metadata": ("JPEG", "RGB", {"exif": b"Exif\0\0" + PIXELS[:60_000], "icc_profile": PIXELS + PIXELS[:40_000]}),
    "webp": ("WEBP", "RGB", {}),
    "webp-alpha": ("WEBP", "RGBA", {}),
    "webp-lossless": ("WEBP", "RGB", {"lossless": True}),
    "webp-animated": ("WEBP", "RGB", {"frames": 3}),
    "webp-metadata": ("WEBP", "RGB", {"exif": b"Exif\0\0" + PIXELS[:100]}),
    "gif": ("GIF", "P", {}),
    "gif-grey": ("GIF", "L", {}),
    "gif-animated": ("GIF", "RGB", {"frames": 3}),
}
SHORT = [name for name in ENCODINGS if name != "jpeg-metadata"]


def draw(mode: str, width: int, height: int, *, seed: int = 0) -> Image.Image:
    """A picture of noise, so that no two are alike and no encoder finds anything to leave out."""
    stored = "RGBA" if mode == "RGBA" else "RGB"
    noise = random.Random(seed).randbytes(width * height * len(stored))
    return Image.frombytes(stored, (width, height), noise).convert(mode)


@functools.cache
def encode(encoding: str, width: int, height: int) -> bytes:
    """The file that Pillow writes."""
    written, mode, options = ENCODINGS[encoding]
    options = dict(options)
    frames = options.pop("frames", 1)
    assert isinstance(frames, int)
    if frames > 1:
        options |= {"save_all": True, "append_images": [draw(mode, width, height, seed=i) for i in range(1, frames)]}
    file = io.BytesIO()
    draw(mode, width, height).save(file, written, **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def segment(code: int, content: bytes) -> bytes:
    """A JPEG segment."""
    return struct.pack(">BBH", 0xFF, code, len(content) + 2) + content


def riff(content: bytes, *, length: int | None = None) -> bytes:
    """A WebP file of these chunks."""
    return b"RIFF" + struct.pack("<I", len(content) + 4 if length is None else length) + b"WEBP" + content


PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_HEAD = PNG_START + chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 0, 0, 0, 0))
FRAME = segment(0xC0, b"\x08\x00\x02\x00\x03\x01\x01\x11\x00")
SCAN = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
JPEG_HEAD = b"\xff\xd8" + FRAME + SCAN
GIF_HEAD = b"GIF89a" + struct.pack("<HHBBB", 3, 2, 0, 0, 0)


class Counted(io.BytesIO):
    """A file that counts what is read from it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.taken += len(found)
        return found


def outcome(raw: bytes, look: Callable[[io.BytesIO], Media] = examine) -> Media | None:
    """What the bytes are taken for: a picture, or None for one of the two errors; anything else is raised."""
    try:
        return look(io.BytesIO(raw))
    except (NotAnImage, Truncated):
        return None


# What is known of whole pictures


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_encoding_is_known_by_its_bytes(encoding: str) -> None:
    raw = encode(encoding, 67, 45)
    written = ENCODINGS[encoding][0]
    with Image.open(io.BytesIO(raw)) as image:
        assert (written, sum(1 for _ in ImageSequence.Iterator(image))) == (
            image.format,
            ENCODINGS[encoding][2].get("frames", 1),
        )
    assert Media(f"image/{written.lower()}", 67, 45) == examine(io.BytesIO(raw)) == read_media(io.BytesIO(raw))
    assert written.lower() == kind(raw[:12]) == kind(raw[:32]) == kind(raw)


@given(st.sampled_from(sorted(ENCODINGS)), st.integers(1, 100), st.integers(1, 100))
def test_sides_are_those_that_were_drawn(encoding: str, width: int, height: int) -> None:
    found = examine(io.BytesIO(encode(encoding, width, height)))
    assert (width, height) == (found.width, found.height)


@given(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1))
@example(2**31 - 1, 2**31 - 1)
def test_sides_of_a_png_header_are_read_to_their_last_bit(width: int, height: int) -> None:
    raw = PNG_HEAD[:16] + struct.pack(">II", width, height) + PNG_HEAD[24:]
    assert Media("image/png", width, height) == read_media(io.BytesIO(raw))


@given(st.integers(1, 16384), st.integers(1, 16384))
@example(16384, 16384)
def test_sides_of_each_webp_header_are_read_to_their_last_bit(width: int, height: int) -> None:
    extended = riff(
        b"VP8X\x0a\0\0\0" + bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    )
    assert Media("image/webp", width, height) == examine(io.BytesIO(extended))
    lossless = riff(b"VP8L\x05\0\0\0\x2f" + (width - 1 | height - 1 << 14 | 1 << 28).to_bytes(4, "little") + b"\0")
    assert Media("image/webp", width, height) == examine(io.BytesIO(lossless))
    scaled = struct.pack("<HH", min(width, 16383) | 0x4000, min(height, 16383) | 0xC000)
    lossy = riff(b"VP8 \x0a\0\0\0" + bytes(3) + b"\x9d\x01\x2a" + scaled)
    assert Media("image/webp", min(width, 16383), min(height, 16383)) == examine(io.BytesIO(lossy))


@pytest.mark.parametrize("code", sorted({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}))
def test_every_kind_of_jpeg_frame_gives_its_sides(code: int) -> None:
    tables = b"".join(segment(other, b"\x00\x00\x07\x00\x09\xff\xc0") for other in (0xC4, 0xC8, 0xCC))
    raw = b"\xff\xd8\xff\x01" + tables + segment(code, FRAME[4:]) + SCAN + b"\xff\xd9"
    assert Media("image/jpeg", 3, 2) == examine(io.BytesIO(raw))


def test_orientation_does_not_turn_the_sides() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    draw("RGB", 40, 30).save(file, "JPEG", exif=exif)
    assert Media("image/jpeg", 40, 30) == examine(file)


@pytest.mark.parametrize("gap", [b"\xff", b"\xff" * 50, b"\x00", b"stray bytes", b"\xff\xd0", b"\xff\xd7", b"\xff\x00"])
def test_fill_and_stray_bytes_between_jpeg_segments_are_skipped(gap: bytes) -> None:
    raw = encode("jpeg", 20, 10)
    length = 4 + int.from_bytes(raw[4:6], "big")  # the first segment is JFIF
    raw = raw[:length] + gap + raw[length:]
    with Image.open(io.BytesIO(raw)) as image:
        image.load()
        assert (20, 10) == image.size
    assert Media("image/jpeg", 20, 10) == examine(io.BytesIO(raw))


def test_stray_terminators_between_gif_blocks_are_skipped() -> None:
    raw = encode("gif", 20, 10)
    raw = raw[:-1] + bytes(300) + b";"
    with Image.open(io.BytesIO(raw)) as image:
        image.load()
    assert Media("image/gif", 20, 10) == examine(io.BytesIO(raw))


@pytest.mark.parametrize("flags", range(256))
def test_gif_colour_tables_are_passed_over_where_the_flags_announce_them(flags: int) -> None:
    colours = b";" * (3 * 2 ** (flags % 8 + 1)) if flags >= 0x80 else b""
    screen = GIF_HEAD[:10] + bytes([flags, 0, 0]) + colours
    raw = screen + b"\x2c" + bytes(8) + bytes([flags]) + colours + b"\x08\x01;\x00"
    assert Media("image/gif", 3, 2) == examine(io.BytesIO(raw + b";"))
    assert outcome(raw) is None


# What is not all there


@pytest.mark.parametrize("encoding", SHORT)
def test_every_cut_of_a_small_file_is_noticed(encoding: str) -> None:
    raw = encode(encoding, 9, 7)
    for length in range(1, len(raw)):
        with pytest.raises(Truncated):
            examine(io.BytesIO(raw[:length]))


@given(st.sampled_from(sorted(ENCODINGS)), st.floats(0, 1, exclude_max=True))
def test_any_cut_of_a_larger_file_is_noticed(encoding: str, share: float) -> None:
    raw = encode(encoding, 150, 100)
    with pytest.raises(Truncated):
        examine(io.BytesIO(raw[: max(1, int(share * len(raw)))]))


def test_a_whole_jpeg_in_the_metadata_of_a_jpeg_does_not_end_it() -> None:
    thumbnail = encode("jpeg", 8, 8)
    raw = encode("jpeg", 20, 10)
    scan = raw.index(b"\xff\xda")
    raw = raw[:2] + segment(0xE1, b"Exif\0\0" + thumbnail) + raw[2:scan] + segment(0xFE, thumbnail) + raw[scan:]
    assert Media("image/jpeg", 20, 10) == examine(io.BytesIO(raw))
    for length in range(1, len(raw)):
        with pytest.raises(Truncated):
            examine(io.BytesIO(raw[:length]))


def test_a_whole_png_in_the_metadata_of_a_png_does_not_end_it() -> None:
    raw = encode("png", 20, 10)
    raw = raw[:33] + chunk(b"pHYs", bytes(9)) + chunk(b"prVw", encode("png", 8, 8)) + raw[33:]
    assert Media("image/png", 20, 10) == examine(io.BytesIO(raw))
    for length in range(1, len(raw)):
        with pytest.raises(Truncated):
            examine(io.BytesIO(raw[:length]))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_zeros_in_place_of_the_rest_do_not_complete_a_file(encoding: str) -> None:
    raw = encode(encoding, 67, 45)
    if not encoding.startswith("webp"):  # whose length is all that is known of its end
        assert outcome(raw[:-20] + bytes(20)) is None


@pytest.mark.parametrize(
    ("cut", "missing"),
    [
        (encode("png", 9, 7)[:-12], "the png: no IEND chunk"),
        (encode("png", 9, 7)[:-20], "within the IDAT chunk of the png"),
        (encode("png", 9, 7)[:20], "within the IHDR chunk: 12 of 16 bytes at offset 8"),
        (encode("png", 9, 7)[:5], "within the png signature, after 5 bytes"),
        (encode("jpeg", 9, 7)[:-2], r"no end-of-image marker \(ff d9\)"),
        (encode("jpeg", 9, 7)[:4], "the jpeg: no picture yet"),
        (encode("jpeg", 9, 7)[:2], "within the jpeg signature"),
        (b"\xff\xd8" + FRAME[:8], "within the jpeg frame header"),
        (b"\xff\xd8" + FRAME + b"stray bytes", "ends without a picture: no marker from offset 15 on"),
        (encode("webp", 9, 7)[:-1], r"the webp is \d+ bytes long by its RIFF header"),
        (encode("webp", 9, 7)[:10], "within the webp signature"),
        (encode("webp", 9, 7)[:18], "within the first chunk of the webp"),
        (encode("webp", 9, 7)[:25], "within the VP8 chunk"),
        (encode("webp-alpha", 9, 7)[:25], "within the VP8X chunk"),
        (encode("webp-lossless", 9, 7)[:22], "within the VP8L chunk"),
        (encode("gif", 9, 7)[:-1], r"no trailer \(3b\)"),
        (encode("gif", 9, 7)[:3], "within the gif signature"),
        (b"GIF87", "within the gif signature"),
        (encode("gif", 9, 7)[:8], "within the logical screen of the gif"),
        (GIF_HEAD + b"\x2c" + bytes(4), r"no trailer \(3b\): the file ends at 18 bytes"),
    ],
)
def test_an_early_end_names_what_is_missing(cut: bytes, missing: str) -> None:
    with pytest.raises(Truncated, match=missing):
        examine(io.BytesIO(cut))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_headers_suffice_for_type_and_sides(encoding: str) -> None:
    raw = encode(encoding, 67, 45)
    start = raw[:-1000] if ENCODINGS[encoding][0] == "JPEG" else raw[:33]
    assert outcome(start) is None
    assert read_media(io.BytesIO(raw)) == read_media(io.BytesIO(start))


# What follows the end


@given(
    st.sampled_from(sorted(ENCODINGS)),
    st.sampled_from([bytes(1), bytes(100_000), b"\n", b"\xff", PIXELS, encode("png", 9, 7), encode("jpeg", 9, 7)[:-2]]),
)
def test_bytes_after_the_end_are_ignored(encoding: str, appendix: bytes) -> None:
    raw = encode(encoding, 160, 150)  # a PNG of more than one IDAT chunk
    assert examine(io.BytesIO(raw)) == examine(io.BytesIO(raw + appendix))


@pytest.mark.parametrize("coded", [0, *range(65530, 65540), *range(131060, 131080)])
def test_the_end_of_a_jpeg_is_found_wherever_blocks_of_reading_meet(coded: int) -> None:
    raw = JPEG_HEAD + bytes(coded) + b"\xff\xd9" + bytes(70_000)
    assert Media("image/jpeg", 3, 2) == examine(io.BytesIO(raw))
    assert outcome(raw.replace(b"\xff\xd9", b"\xff\x00")) is None


@pytest.mark.parametrize("length", range(1, 256))
def test_the_end_of_a_gif_is_found_wherever_blocks_of_reading_meet(length: int) -> None:
    blocks = (bytes([length]) + b";" * length) * (70_000 // length) + b"\0"
    raw = GIF_HEAD + b"\x2c" + bytes(8) + b"\x80" + bytes(6) + b"\x08" + blocks + b"\x21\xfe" + blocks
    assert Media("image/gif", 3, 2) == examine(io.BytesIO(raw + b";"))
    assert outcome(raw) is None


# What is no picture


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the file is empty"),
        (b"<html", r"starts with 3c 68 74 6d 6c \('<html'\)"),
        (b"<!DOCTYPE html>\n<html></html>", r"\('<!DOCTYPE ht'\)"),
        (b'{"error": "link expired"}', r"not a PNG, JPEG, WebP or GIF: .*\('\{\"error\": \"l'\)"),
        (b"\x00\x00\x00\x20ftypavif", r"00 00 00 20 66 74 79 70 61 76 69 66 \('\.\.\. ftypavif'\)"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", r"\('RIFF\$\.\.\.WAVE'\)"),
        (b"\x1f ~\x7f\x80", r"1f 20 7e 7f 80 \('\. ~\.\.'\)"),
        (b"RIFX", r"\('RIFX'\)"),
        (b"RIFF\x24\x00\x00\x00WA", r"\('RIFF\$\.\.\.WA'\)"),
        (b"GIF88a" + bytes(10), r"\('GIF88a"),
        (PNG_START + chunk(b"CgBI", b"\x50\x00\x20\x06") + PNG_HEAD[8:], "starts with an IHDR chunk"),
        (PNG_HEAD + chunk(b"IEND", b""), "no IDAT chunk"),
        (PNG_HEAD + chunk(b"teXt", b"a\0b") + chunk(b"IEND", b""), "no IDAT chunk"),
        (PNG_HEAD + chunk(b"ID T", b""), "49 44 20 54 at offset 37 of a png names no chunk"),
        (PNG_HEAD[:16] + bytes(4) + PNG_HEAD[20:], "sides of 0 x 2 pixels"),
        (PNG_HEAD[:16] + b"\x80\0\0\0" + PNG_HEAD[20:], "sides of 2147483648 x 2 pixels"),
        (PNG_HEAD[:20] + b"\x80\0\0\0" + PNG_HEAD[24:], "sides of 3 x 2147483648 pixels"),
        (b"\xff\xd8\xff\xd8" + FRAME, "marker ff d8 at offset 2"),
        (b"\xff\xd8\xff\xd9", "marker ff d9 at offset 2"),
        (b"\xff\xd8" + FRAME + b"\xff\xd9", "marker ff d9 at offset 15"),
        (b"\xff\xd8" + SCAN + FRAME, "scan at offset 2 without a frame header"),
        (b"\xff\xd8\xff\xe0\x00\x00" + FRAME, "segment ff e0 at offset 2 of a jpeg says that it has 0 bytes"),
        (b"\xff\xd8" + FRAME + b"\xff\xfe\x00\x01" + SCAN, "segment ff fe at offset 15 of a jpeg says that it has 1"),
        (b"\xff\xd8" + segment(0xC0, b"\x08\x00\x00\x00\x03\x01\x01\x11\x00"), "sides of 3 x 0 pixels"),
        (riff(b"VP8 \xff\x00\x00\x00" + bytes(30)), "chunk of 255 bytes in a RIFF file of 42"),
        (riff(b"VP8 \x0a\x00\x00\x00" + bytes(10), length=0), "chunk of 10 bytes in a RIFF file of 0"),
        (riff(b"VP8 \x0a\x00\x00\x00" + bytes(10)), "start code 9d 01 2a, this one 00 00 00"),
        (riff(b"VP8L\x05\x00\x00\x00" + bytes(6)), "starts with 2f, this one with 00"),
        (riff(b"ALPH\x05\x00\x00\x00" + bytes(6)), "this one with 41 4c 50 48"),
        (b"GIF89a" + bytes(7) + b";", "sides of 0 x 0 pixels"),
        (GIF_HEAD + b"\x21\xfe\x00" + b"?", "3f at offset 16 of a gif starts no block"),
    ],
)
def test_what_is_no_picture_is_said_with_what_was_found(body: bytes, message: str) -> None:
    with pytest.raises(NotAnImage, match=message):
        examine(io.BytesIO(body))


@given(
    st.sampled_from([b"", PNG_START, PNG_HEAD, JPEG_HEAD, b"\xff\xd8\xff", GIF_HEAD, b"GIF87a", riff(b"VP8X")]),
    st.binary(),
)
def test_arbitrary_bytes_raise_nothing_but_the_two_errors(start: bytes, rest: bytes) -> None:
    for look in (examine, read_media):
        outcome(start + rest, look)


@given(
    st.sampled_from(sorted(SHORT)).map(lambda encoding: encode(encoding, 9, 7)),
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 9), st.binary(max_size=9)), min_size=1, max_size=9),
)
def test_mutated_files_raise_nothing_but_the_two_errors(raw: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    for offset, removed, added in changes:
        at = offset % (len(raw) + 1)
        raw = raw[:at] + added + raw[at + removed :]
    found = outcome(raw)
    assert found is None or found == read_media(io.BytesIO(raw))


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (b"\xff\xd8" + b"\xff\xe1\x00\x02" * 1_000_000, "more than 2048 segments before its frame header"),
        (b"\xff\xd8" + b"\xff\x01" * 1_000_000, "more than 2048 segments before its frame header"),
        (b"\xff\xd8" + (b"\xff\xe1\xff\xff" + bytes(65533)) * 3000, "more than 2048 segments before its frame header"),
        (b"\xff\xd8" + FRAME + FRAME * 10_000, "more than 2048 segments before its first scan"),
        (b"\xff\xd8" + b"\xff" * 4_000_000, "no marker in 4096 bytes from offset 2"),
        (b"\xff\xd8\xff\x01" + b"\x00" * 4_000_000, "no marker in 4096 bytes from offset 4"),
        (b"\xff\xd8\xff\x01" + (b"\x00" * 4000 + b"\xff\x01") * 3000, "more than 2048 segments"),
        (PNG_HEAD + chunk(b"teXt", b"") * 70_000, "more than 65536 chunks"),
        (GIF_HEAD + b"\x21\xfe" + b"\x01x" * 1_500_000, "more than 1048576 blocks"),
        (GIF_HEAD + bytes(4_000_000), "more than 1048576 blocks"),
    ],
    ids=["tiny", "bare", "large", "frames", "fill", "zeros", "stray", "chunks", "sub-blocks", "terminators"],
)
def test_hostile_files_end_at_a_bound(hostile: bytes, message: str) -> None:
    file = Counted(hostile)
    with pytest.raises(NotAnImage, match=message):
        examine(file)
    assert file.taken < 20_000_000


# What it costs, and what is done to the file


@pytest.mark.parametrize("encoding", ["png", "jpeg", "jpeg-progressive", "jpeg-metadata", "webp", "webp-lossless"])
def test_little_of_a_large_file_is_read(encoding: str) -> None:
    raw = encode(encoding, 600, 560)
    file = Counted(raw)
    assert read_media(io.BytesIO(raw)) == examine(file)
    assert file.taken <= 30_000 < len(raw) // 4


@pytest.mark.parametrize("look", [examine, read_media])
@pytest.mark.parametrize("raw", [encode("jpeg", 9, 7), encode("jpeg", 9, 7)[:30], b"<html></html>"])
def test_the_position_of_a_file_neither_matters_nor_moves_beyond_its_start(
    look: Callable[[io.BytesIO], Media], raw: bytes
) -> None:
    file = io.BytesIO(raw)
    file.seek(11)
    try:
        found = look(file)
    except ValueError:
        found = None
    assert (0, outcome(raw, look)) == (file.tell(), found)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_path_is_opened_and_closed(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(encode(encoding, 9, 7))
    found = examine(path)
    assert examine(io.BytesIO(path.read_bytes())) == found == examine(str(path))
    with path.open("rb", buffering=0) as unbuffered:
        assert found == examine(unbuffered)


def test_a_missing_path_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        examine(tmp_path / "nothing.png")


# Names


@pytest.mark.parametrize(
    ("name", "media_type", "suffixes"),
    [
        ("png", "image/png", (".png",)),
        ("jpeg", "image/jpeg", (".jpg", ".jpeg")),
        ("webp", "image/webp", (".webp",)),
        ("gif", "image/gif", (".gif",)),
    ],
)
def test_names_types_and_suffixes_mean_each_other(name: str, media_type: str, suffixes: tuple[str, ...]) -> None:
    assert (media_type, suffixes) == (media.TYPES[name], media.SUFFIXES[name])
    for spelling in (name, media_type, *suffixes, *(suffix[1:] for suffix in suffixes)):
        assert name == format_named(spelling) == format_named(f" {spelling.upper()} ; charset=binary")
    picture = Media(media_type, 3, 2)
    assert (name, suffixes[0]) == (picture.format, picture.suffix)


def test_the_tables_know_the_same_formats_and_cannot_be_changed() -> None:
    assert ["png", "jpeg", "webp", "gif"] == list(media.TYPES) == list(media.SUFFIXES)
    for table in (media.TYPES, media.SUFFIXES):
        with pytest.raises(TypeError):
            table["bmp"] = "image/bmp"  # type: ignore[index]


def test_the_unregistered_name_of_jpeg_is_understood() -> None:
    assert "jpeg" == format_named("image/jpg")


@pytest.mark.parametrize("name", ["", ".", "image/", "image/avif", "text/html", "application/octet-stream", "tiff"])
def test_other_names_mean_no_format(name: str) -> None:
    assert format_named(name) is None


@pytest.mark.parametrize(
    "head", [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a", b"GIF89", b"RIFF\0\0\0\0WEB", b"RIFF\0\0\0\0WAVE"]
)
def test_less_than_a_signature_shows_no_format(head: bytes) -> None:
    assert kind(head) is None


def test_media_is_a_value_of_a_known_type() -> None:
    picture = Media("image/png", 3, 2)
    assert pickle.loads(pickle.dumps(picture)) == picture
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        picture.width = 4  # type: ignore[misc]
    with pytest.raises(ValueError, match="text/html"):
        Media("text/html", 3, 2)

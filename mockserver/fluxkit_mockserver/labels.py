"""The foot of a picture: where references, prompt and label stand, and the prompt in characters that can be drawn."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import attrs
from PIL import Image, ImageDraw, ImageFont

from .scenes import ACCENT, SKY


@attrs.frozen
class _Row:
    text: str
    size: int
    tone: int
    height: float


@attrs.frozen
class Foot:
    """What stands on the ground, in pixels: its top, framed thumbnails of `side` in their places, rows of text."""

    top: int
    margin: int
    side: int
    frame: int
    places: list[tuple[int, int]]
    rows: list[_Row]


def compose(width: int, height: int, *, prompt: str, label: Sequence[str], references: int) -> Foot:
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
    return Foot(top - margin // 2, margin, side, frame, places, rows)


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
        room -= glyph_of(character, size).advance
        if room < 0:
            return max(index, 1)
    return len(text)


def _width(text: str, *, size: int) -> float:
    return sum(glyph_of(character, size).advance for character in text)


SPELLED = str.maketrans({"×": "x", "•": "·", "ß": "ss"})
LATIN_LETTER = re.compile(r"latin (small|capital) letter ([a-z]{1,2})(?: with .*)?")
NAMED, SEVERAL_NAMED = re.compile(r"<[^<>]+>"), re.compile(r"<[^<>]+>(?: <[^<>]+>)+")


def _readable(text: str) -> str:
    """Text in characters of the font: accents dropped, what it lacks named, as in `a <cat face> and <hiragana>`."""
    text = text.strip()[:300]
    if not (text.isascii() and text.isprintable()):  # the font has every character of ASCII
        text = "".join(
            character if _is_drawn(character) else _spelled(character)
            for character in unicodedata.normalize("NFKD", text.translate(SPELLED))
        )
    text = " ".join(text.split())
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
def glyph_of(character: str, size: int) -> _Glyph:
    """A picture never seen before is made of characters that were: rendering them takes most of the time of a row."""
    font = _font(size)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(character, anchor="ls"))
    image = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(image).text((-left, -top), character, fill=255, font=font, anchor="ls")
    return _Glyph(image, left, top, font.getlength(character))

"""How long a picture of the mock takes that was never seen before, against the plain way to draw one with Pillow.

- ours: `fluxkit_mockserver.pictures.draw` with a prompt, a seed and three lines of label, all new each time.
- peer: a gradient at full size, the same words written on it, saved with Pillow's own settings.
- floor: the encoder alone on a picture of one colour: zlib on as many bytes as ours gives it, libjpeg, libwebp.

Ours and peer do their work on new words and seeds in every round, so that nothing can be kept but fonts.

Run it with the interpreter that has fluxkit installed: ``python benchmarks/pictures.py``.
"""

import itertools
import statistics
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import TypedDict

from PIL import Image, ImageDraw, ImageFont, ImageOps

from fluxkit_mockserver.pictures import draw

SIDES = (256, 1024, 2048)
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
ROUNDS = 21
BITS = {256: 8, 1024: 4, 2048: 2}  # a pixel, as ours writes a PNG of that side
PROMPT = "A lighthouse on a basalt cliff at dusk, warm light in the window, oil painting"


class Figure(TypedDict):
    """Medians in milliseconds, the ratio of peer to ours, and the median size of what ours delivers."""

    ours: float
    peer: float
    floor: float
    ratio: float
    bytes: int


def _ours(side: int, *, format: str, number: int) -> bytes:
    label = ("magnific flux-2-klein", f"{side}x{side} seed {number}", "MOCK")
    return draw(side, side, media_type=FORMATS[format], prompt=f"{PROMPT}, {number}", seed=number, label=label)


def _peer(side: int, *, format: str, number: int) -> bytes:
    gradient = Image.linear_gradient("L").resize((side, side), Image.Resampling.BILINEAR)
    image = ImageOps.colorize(gradient, "#15263d", "#f2a07b")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(side // 24)
    words = f"{PROMPT[:39]}\n{PROMPT[40:]}, {number}\nmagnific flux-2-klein {side}x{side} seed {number} MOCK"
    pen.multiline_text((side // 16, side * 3 // 4), words, font=font)
    return _saved(image, format=format)


def _floor(side: int, *, format: str) -> Callable[[], bytes]:
    if format == "PNG":
        rows = bytes((side * BITS[side] // 8 + 1) * side)
        return lambda: zlib.compress(rows, 1)
    image = Image.new("RGB", (side, side), "#15263d")
    settings = {"quality": 85} if format == "JPEG" else {"quality": 80, "method": 0}
    return lambda: _saved(image, format=format, **settings)


def _saved(image: Image.Image, *, format: str, **settings: int) -> bytes:
    out = BytesIO()
    image.save(out, format, **settings)
    return out.getvalue()


def _median(work: Callable[[], bytes]) -> float:
    """Median milliseconds of work done again and again, as on a server: contestants in turn would cool each other."""
    work()
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)


def _figure(side: int, *, format: str) -> Figure:
    numbers = itertools.count(1000)
    ours = _median(lambda: _ours(side, format=format, number=next(numbers)))
    peer = _median(lambda: _peer(side, format=format, number=next(numbers)))
    floor = _median(_floor(side, format=format))
    size = statistics.median(len(_ours(side, format=format, number=number)) for number in range(ROUNDS))
    return Figure(ours=ours, peer=peer, floor=floor, ratio=peer / ours, bytes=round(size))


def run() -> dict[str, Figure]:
    """Prints the table of every format at every side, and gives the figures; the keys read like `PNG 2048x2048`."""
    figures = {f"{name} {side}x{side}": _figure(side, format=name) for name, side in itertools.product(FORMATS, SIDES)}
    print(f"{'median ms':16}{'ours':>9}{'peer':>9}{'floor':>9}{'peer/ours':>11}{'bytes':>10}")
    for name, figure in figures.items():
        times = "".join(f"{figure[column]:9.2f}" for column in ("ours", "peer", "floor"))
        print(f"{name:16}{times}{figure['ratio']:10.1f}x{figure['bytes']:10,}")
    return figures


if __name__ == "__main__":
    run()

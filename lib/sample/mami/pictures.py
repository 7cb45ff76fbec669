"""Pictures: a scene with its lines in the style of image macros.

macro: white capitals with a black outline at top and bottom of the picture; banner: black on a
white strip above it; poster: a black frame with white lines below. The typeface is DejaVu Sans
Bold (package matplotlib), narrowed to look like the one that macros are made with.
"""

from __future__ import annotations

import io
import textwrap
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lib.sample import photo, scenes, upload
from lib.sample.mami.memes import Meme

FONT = "fonts/ttf/DejaVuSans-Bold.ttf"
NARROW = 0.78  # width of a letter over the typeface's own
LETTER = 0.7  # mean width of a bold capital over the font size, before narrowing
BLANK = " \u2005"  # and a quarter of an em
SPACING = 1.12  # distance of lines over the font size
LARGEST, SMALLEST = 0.115, 0.042  # font size over the picture's width
LEAST = 11  # px, font size
ROOM = (0.36, 0.17)  # height of the lines at the top and at the bottom over the picture's
MARK = 0.034  # font size of the watermark over the width
MARGIN = 0.03  # of the width, at either side
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
SHADE = (24, 24, 26)  # of a poster
STRENGTH = (0.05, 0.5)  # of the degradation of the scene below the letters


def picture(meme: Meme) -> bytes:
    """Return the JPEG file of a meme; its longest side is that of `size`, or more with a strip."""
    rng = np.random.default_rng([meme.seed, 1])
    scene = scenes.compose(meme.scene, max(meme.size)).resize(meme.size, Image.Resampling.BILINEAR)
    scene = photo.degrade(scene, rng, rng.uniform(*STRENGTH))
    image = {"macro": _macro, "banner": _banner, "poster": _poster}[meme.layout](scene, meme)
    _mark(image, meme.words.mark)
    if meme.repost:
        image = upload.reposted(image, np.random.default_rng([meme.seed, int(meme.name)]))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(78, 93)))
    return buffer.getvalue()


def _macro(scene: Image.Image, meme: Meme) -> Image.Image:
    """Return the scene with white capitals at its top and bottom."""
    wide, high = scene.size
    floor = high - _mark_height(scene, meme)
    for bottom, text in enumerate(meme.words[:2]):
        if not text:
            continue
        size, lines = fitted(text.upper(), wide, ROOM[bottom] * high)
        block = lettering(lines, size, WHITE, BLACK)
        top = floor - block.height - round(0.01 * high) if bottom else round(0.01 * high)
        scene.paste(block, ((wide - block.width) // 2, max(0, top)), block)
    return scene


def _banner(scene: Image.Image, meme: Meme) -> Image.Image:
    """Return the scene below a white strip with its lines in black, as they were typed."""
    size, lines = fitted(meme.words.typed, scene.width, 0.5 * scene.height, largest=0.075)
    block = lettering(lines, size, BLACK, None)
    strip = block.height + round(0.06 * scene.width)
    image = Image.new("RGB", (scene.width, scene.height + strip), WHITE)
    image.paste(block, (round(MARGIN * scene.width), round(0.025 * scene.width)), block)
    image.paste(scene, (0, strip))
    return image


def _poster(scene: Image.Image, meme: Meme) -> Image.Image:
    """Return the scene in a black frame with its lines in white below."""
    wide, border = scene.width, round(0.07 * scene.width)
    parts = [part.upper() for part in (meme.words.top, meme.words.bottom) if part]
    blocks = []
    for part, largest in zip(parts, (0.1, 0.065), strict=False):
        size, lines = fitted(part, wide, 0.4 * scene.height, largest=largest)
        blocks.append(lettering(lines, size, WHITE, None))
    below = sum(block.height for block in blocks) + round(0.03 * wide) * (len(blocks) + 1)
    below += _mark_height(scene, meme)
    image = Image.new("RGB", (wide + 2 * border, scene.height + border + below), SHADE)
    edge = (border - 3, border - 3, border + wide + 2, border + scene.height + 2)
    ImageDraw.Draw(image).rectangle(edge, outline=WHITE)
    image.paste(scene, (border, border))
    top = border + scene.height + round(0.03 * wide)
    for block in blocks:
        image.paste(block, ((image.width - block.width) // 2, top), block)
        top += block.height + round(0.03 * wide)
    return image


def _mark(image: Image.Image, text: str) -> None:
    """Write a watermark small into the lower right corner, in place."""
    if text:
        block = lettering([text], max(LEAST, round(MARK * image.width)), WHITE, BLACK)
        corner = (image.width - block.width - 3, image.height - block.height - 1)
        image.paste(block, corner, block)


def _mark_height(scene: Image.Image, meme: Meme) -> int:
    """Return the height, px, that the watermark takes at the foot of a picture; 0 without one."""
    return round(1.4 * max(LEAST, MARK * scene.width)) if meme.words.mark else 0


def fitted(text: str, wide: int, high: float, largest: float = LARGEST) -> tuple[int, list[str]]:
    """Return the largest font size (px) at which a text fits into a box, and its lines."""
    sizes = range(round(largest * wide), max(LEAST, round(SMALLEST * wide)) - 1, -1)
    lines = [text]
    size = LEAST
    for size in sizes:
        letters = (1 - 2 * MARGIN) * wide / (LETTER * NARROW * size)
        lines = textwrap.wrap(text, max(8, int(letters)), break_long_words=False)
        if len(lines) * SPACING * size <= high and _widest(lines, size) <= (1 - MARGIN) * wide:
            break
    return size, lines


def _widest(lines: list[str], size: int) -> float:
    return max(_font(size).getlength(_spaced(line)) for line in lines) * NARROW


def _spaced(line: str) -> str:
    """Return a line with wider blanks, which the outlines would close."""
    return line.replace(" ", BLANK)


def lettering(
    lines: list[str], size: int, fill: tuple[int, int, int], outline: tuple[int, int, int] | None
) -> Image.Image:
    """Return lines, centred, as an RGBA picture no larger than they need."""
    font, stroke = _font(size), max(1, round(size / 11)) if outline else 0
    lines = [_spaced(line) for line in lines]
    box = [font.getlength(line) + 2 * stroke for line in lines]
    step = SPACING * size
    block = Image.new("RGBA", (round(max(box)) + 2, round(step * len(lines)) + 2 * stroke + 2))
    draw = ImageDraw.Draw(block)
    for number, line in enumerate(lines):
        where = (block.width / 2, stroke + number * step)
        options = {"stroke_width": stroke, "stroke_fill": outline} if outline else {}
        draw.text(where, line, font=font, fill=fill, anchor="ma", **options)
    return block.resize((max(1, round(block.width * NARROW)), block.height))


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / FONT, size)

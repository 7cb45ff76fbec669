"""Indoors: walls, floors, furniture at the edge, shelves, plain studios."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from lib.sample.scenery.paintbox import (
    BLACK,
    WHITE,
    Rgb,
    any_hue,
    blend,
    glow,
    ground,
    multiply,
    vertical,
)


def paint(
    row: dict[str, str], rng: np.random.Generator, size: int, horizon: float
) -> tuple[Image.Image, Rgb]:
    """Return an indoor backdrop (RGB, size x size) and the light on things in it."""
    kind, level = row["far"], round(horizon * size)
    if kind == "sweep":
        return _sweep(rng, size), WHITE
    warm = rng.uniform(0, 1)
    tint = (255, round(255 - 12 * warm), round(255 - 34 * warm))
    image = WALLS[kind](rng, size, level)
    light = multiply(tint, (150, 150, 165)) if kind == "curtain" else tint
    floor = ground(row["ground"], rng, (size, size - level), light, 0.12, (90, 80, 70))
    image.paste(floor, (0, level))
    if kind == "shelves":
        _shelves(image, rng, level)
    elif kind not in ("blur", "curtain", "brick"):
        _skirting(image, rng, level)
    if kind == "curtain":
        _spotlight(image, rng, level)
    else:
        _sidelight(image, rng)
    return image, tint


def _sweep(rng: np.random.Generator, size: int) -> Image.Image:
    """Return a studio backdrop: one colour, lighter where the light falls."""
    strong = rng.random() < 0.5
    tone = any_hue(
        rng, rng.uniform(0.35, 0.6) if strong else rng.uniform(0.02, 0.22), rng.uniform(0.75, 0.97)
    )
    image = vertical(
        [blend(tone, WHITE, 0.25), tone, blend(tone, WHITE, 0.12), blend(tone, BLACK, 0.12)],
        (size, size),
    )
    wide = round(size * rng.uniform(1.0, 1.6))
    left, top = (round(rng.uniform(-0.6, 0.2) * size) for _ in range(2))
    image.paste(
        blend(tone, WHITE, 0.6), (left, top), glow().resize((wide, wide), Image.Resampling.BILINEAR)
    )
    return image


def _plain(rng: np.random.Generator, size: int, level: int) -> Image.Image:
    """Return a living-room wall: paint or wallpaper, with a window or a picture at times."""
    tone = any_hue(rng, rng.uniform(0.08, 0.4), rng.uniform(0.7, 0.96))
    image = vertical([blend(tone, BLACK, 0.06), tone, blend(tone, WHITE, 0.15)], (size, size))
    draw = ImageDraw.Draw(image)
    paper, step = rng.choice(["none", "stripes", "dots", "panel"]), size / rng.integers(9, 18)
    other = blend(tone, WHITE if rng.random() < 0.6 else BLACK, 0.16)
    if paper == "stripes":
        for x in np.arange(0, size, step):
            draw.rectangle((x, 0, x + step / 2, level), fill=other)
    elif paper == "dots":
        for index, y in enumerate(np.arange(step / 2, level, step)):
            for x in np.arange(step / 2 * (1 + index % 2), size, step):
                draw.ellipse((x - step / 8, y - step / 8, x + step / 8, y + step / 8), fill=other)
    elif paper == "panel":
        draw.rectangle((0, level * 0.62, size, level), fill=other)
        draw.line((0, level * 0.62, size, level * 0.62), fill=blend(tone, BLACK, 0.25), width=2)
    _decoration(image, rng, level)
    return image


def _decoration(image: Image.Image, rng: np.random.Generator, level: int) -> None:
    """Hang a window with curtains, or a picture, on the wall, in place; or nothing."""
    size, draw = image.width, ImageDraw.Draw(image)
    what = rng.choice(["window", "picture", "nothing"], p=[0.4, 0.3, 0.3])
    if what == "nothing":
        return
    wide, tall = rng.uniform(0.22, 0.34) * size, rng.uniform(0.26, 0.42) * size
    if what == "picture":
        wide, tall = wide * 0.7, tall * 0.55
    left = rng.choice([rng.uniform(0.02, 0.14), rng.uniform(0.58, 0.72)]) * size
    top = rng.uniform(0.07, 0.2) * size
    frame = (245, 243, 238) if what == "window" else any_hue(rng, 0.4, 0.4)
    draw.rectangle((left - 5, top - 5, left + wide + 5, top + tall + 5), fill=frame)
    stops = (
        [(120, 180, 235), (215, 236, 248)] if rng.random() < 0.65 else [(18, 24, 58), (50, 56, 98)]
    )
    if what == "picture":
        stops = [any_hue(rng, 0.4, 0.8), any_hue(rng, 0.5, 0.6)]
    image.paste(vertical(stops, (round(wide), round(tall))), (round(left), round(top)))
    if what == "window":
        draw.line((left + wide / 2, top, left + wide / 2, top + tall), fill=frame, width=4)
        draw.line((left, top + tall / 2, left + wide, top + tall / 2), fill=frame, width=3)
        drape = any_hue(rng, 0.3, 0.75)
        for side in (left - 0.05 * size, left + wide - 0.04 * size):
            draw.rectangle(
                (side, top - 8, side + 0.09 * size, top + tall + 0.08 * size), fill=drape
            )
            for fold in (0.03, 0.06):
                x = side + fold * size
                draw.line((x, top - 8, x, top + tall + 0.08 * size), fill=blend(drape, BLACK, 0.15))


def _office(rng: np.random.Generator, size: int, level: int) -> Image.Image:
    """Return a pale wall with a band of windows."""
    tone = any_hue(rng, 0.05, rng.uniform(0.85, 0.95))
    image = vertical([blend(tone, BLACK, 0.05), tone], (size, size))
    draw, top, low = (
        ImageDraw.Draw(image),
        size * rng.uniform(0.08, 0.16),
        level * rng.uniform(0.6, 0.72),
    )
    image.paste(
        vertical([(140, 190, 235), (220, 236, 246)], (size, round(low - top))), (0, round(top))
    )
    for x in np.arange(rng.uniform(0, 0.2) * size, size, size * rng.uniform(0.2, 0.3)):
        draw.rectangle((x, top, x + size * 0.02, low), fill=blend(tone, BLACK, 0.18))
    for y in np.arange(top, top + (low - top) * rng.uniform(0, 0.6), 5):
        draw.line((0, y, size, y), fill=blend(tone, WHITE, 0.5), width=2)
    draw.rectangle((0, low, size, low + 4), fill=blend(tone, BLACK, 0.25))
    return image


def _tiled(rng: np.random.Generator, size: int, level: int) -> Image.Image:
    """Return a wall of tiles, square or laid like bricks."""
    tone = any_hue(rng, rng.uniform(0.03, 0.3), rng.uniform(0.82, 0.97))
    return _courses(
        rng,
        size,
        tone,
        blend(tone, BLACK, 0.14),
        float(rng.uniform(0.07, 0.11)),
        float(rng.choice([1.0, 2.0])),
        0.02,
    )


def _brick(rng: np.random.Generator, size: int, level: int) -> Image.Image:
    """Return a brick wall, red, yellow or painted."""
    tone = [(158, 84, 66), (188, 150, 104), (206, 204, 198), (110, 96, 92)][int(rng.integers(4))]
    return _courses(
        rng,
        size,
        tone,
        blend(tone, (214, 206, 196), 0.55),
        float(rng.uniform(0.05, 0.075)),
        2.2,
        0.06,
    )


def _courses(
    rng: np.random.Generator,
    size: int,
    tone: Rgb,
    seam: Rgb,
    tall: float,
    ratio: float,
    vary: float,
) -> Image.Image:
    """Return a wall in courses of height `tall` (fraction), its bricks `ratio` times as wide."""
    image = Image.new("RGB", (size, size), seam)
    draw, step, wide = ImageDraw.Draw(image), tall * size, tall * ratio * size
    line = max(1.0, size / 200)
    rows, columns = int(1 / tall) + 1, int(1 / (tall * ratio)) + 2
    shades = np.clip(np.array(tone) * (1 + rng.normal(0, vary, (rows, columns, 1))), 0, 255)
    for row, bricks in enumerate(shades.astype(int).tolist()):
        shift = wide / 2 if ratio > 1.5 and row % 2 else 0.0
        for column, shade in enumerate(bricks):
            x, y = column * wide - shift, row * step
            draw.rectangle((x, y, x + wide - line - 1, y + step - line - 1), fill=tuple(shade))
    return image


def _gallery(rng: np.random.Generator, size: int, level: int) -> Image.Image:
    """Return a white gallery wall with pools of light and a framed painting or two."""
    tone = any_hue(rng, 0.03, rng.uniform(0.88, 0.97))
    image = vertical([blend(tone, BLACK, 0.22), tone, tone], (size, size))
    draw = ImageDraw.Draw(image)
    for x in rng.uniform(0.05, 0.8, int(rng.integers(1, 3))) * size:
        wide, tall = rng.uniform(0.12, 0.24) * size, rng.uniform(0.12, 0.24) * size
        top = rng.uniform(0.1, 0.2) * size
        draw.rectangle((x - 4, top - 4, x + wide + 4, top + tall + 4), fill=any_hue(rng, 0.4, 0.35))
        canvas = vertical([any_hue(rng, 0.5, 0.85) for _ in range(3)], (round(wide), round(tall)))
        image.paste(canvas, (round(x), round(top)))
    for x in rng.uniform(0.1, 0.9, 3):
        wide = round(size * 0.5)
        image.paste(
            WHITE,
            (round(x * size - wide / 2), -wide // 3),
            glow().resize((wide, wide), Image.Resampling.BILINEAR),
        )
    return image


def _curtain(rng: np.random.Generator, size: int, level: int) -> Image.Image:
    """Return a theatre curtain with soft folds."""
    tone = [(140, 22, 34), (36, 40, 96), (72, 24, 88), (24, 74, 66)][int(rng.integers(4))]
    folds = np.sin(np.linspace(0, rng.uniform(40, 70), size) + rng.uniform(0, 6)) * 0.3 + 0.7
    drop = np.linspace(0.55, 1.0, size)[:, None] * folds[None, :]
    return Image.fromarray((drop[..., None] * np.array(tone)).astype(np.uint8))


def _blur(rng: np.random.Generator, size: int, level: int) -> Image.Image:
    """Return a room out of focus: soft discs of light behind a table."""
    tone = any_hue(rng, rng.uniform(0.15, 0.5), rng.uniform(0.45, 0.9))
    small = vertical([blend(tone, BLACK, 0.25), tone, blend(tone, BLACK, 0.15)], (60, 60))
    draw = ImageDraw.Draw(small)
    for x, y, r in rng.random((int(rng.integers(4, 11)), 3)):
        r = 2 + 6 * r
        box = (60 * x - r, 34 * y - r, 60 * x + r, 34 * y + r)
        draw.ellipse(box, fill=blend(tone, any_hue(rng, 0.35, 1.0), 0.5))
    small = small.filter(ImageFilter.GaussianBlur(1.6))
    return small.resize((size, size), Image.Resampling.BICUBIC)


def _shop(rng: np.random.Generator, size: int, level: int) -> Image.Image:
    """Return the back wall of a shop."""
    tone = any_hue(rng, rng.uniform(0.05, 0.25), rng.uniform(0.75, 0.95))
    return vertical([blend(tone, BLACK, 0.12), tone], (size, size))


WALLS = {
    "wall": _plain,
    "office": _office,
    "tiled": _tiled,
    "brick": _brick,
    "gallery": _gallery,
    "curtain": _curtain,
    "blur": _blur,
    "shelves": _shop,
}


def _shelves(image: Image.Image, rng: np.random.Generator, level: int) -> None:
    """Put boards with jars, boxes and books on the wall, in place."""
    size, draw = image.width, ImageDraw.Draw(image)
    step = size * rng.uniform(0.17, 0.23)
    y = float(level) - step
    while y > 0.1 * size:
        x = rng.uniform(0, 0.05) * size
        while x < size:
            wide, tall = rng.uniform(0.03, 0.09) * size, rng.uniform(0.35, 0.72) * step
            tone = blend(any_hue(rng, 0.35, 0.8), (235, 230, 220), 0.35)
            draw.rectangle((x, y - tall, x + wide, y), fill=tone)
            draw.rectangle(
                (x, y - tall * 0.65, x + wide, y - tall * 0.4), fill=blend(tone, WHITE, 0.5)
            )
            x += wide + rng.choice([0.005, 0.01, 0.06]) * size
        draw.rectangle((0, y, size, y + size * 0.02), fill=(150, 108, 66))
        draw.rectangle((0, y + size * 0.02, size, y + size * 0.032), fill=(96, 68, 42))
        y -= step
    soft = image.crop((0, 0, size, level)).filter(ImageFilter.BoxBlur(1))
    image.paste(soft, (0, 0))


def _skirting(image: Image.Image, rng: np.random.Generator, level: int) -> None:
    """Draw the board along the foot of the wall, in place."""
    size, tone = image.width, (240, 238, 232) if rng.random() < 0.7 else (120, 88, 60)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, level - size * 0.022, size, level), fill=tone)
    draw.line((0, level, size, level), fill=blend(tone, BLACK, 0.45), width=2)


def _sidelight(image: Image.Image, rng: np.random.Generator) -> None:
    """Let light fall in from the left or the right, in place."""
    size = image.width
    ramp = Image.fromarray(np.linspace(rng.uniform(30, 70), 0, size).astype(np.uint8)[None, :])
    if rng.random() < 0.5:
        ramp = ramp.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image.paste(BLACK, (0, 0), ramp.resize((size, size), Image.Resampling.NEAREST))


def _spotlight(image: Image.Image, rng: np.random.Generator, level: int) -> None:
    """Throw one or two cones of light on the stage, in place."""
    size = image.width
    for _ in range(int(rng.integers(1, 3))):
        foot, top = rng.uniform(0.25, 0.75) * size, rng.uniform(0.1, 0.9) * size
        wide = rng.uniform(0.18, 0.3) * size
        mask = Image.new("L", (size // 2, size // 2), 0)
        draw = ImageDraw.Draw(mask)
        low = level + 0.14 * size
        corners = [(top - 4, 0), (top + 4, 0), (foot + wide, low), (foot - wide, low)]
        draw.polygon([(x / 2, y / 2) for x, y in corners], fill=52)
        oval = (foot - wide, low - wide * 0.28, foot + wide, low + wide * 0.28)
        draw.ellipse(tuple(value / 2 for value in oval), fill=90)
        mask = mask.filter(ImageFilter.BoxBlur(3)).resize((size, size), Image.Resampling.BILINEAR)
        image.paste(blend(any_hue(rng, 0.25, 1.0), (255, 250, 225), 0.5), (0, 0), mask)

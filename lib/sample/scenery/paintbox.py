"""Paintbox: data tables, colours, gradients, noise, textures and soft sprites.

Textures and sprites are made once a process, from fixed seeds, so a scene costs a few crops.
"""

from __future__ import annotations

import colorsys
import csv
from functools import cache, lru_cache
from importlib.resources import files

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFilter

Rgb = tuple[int, int, int]
TEXTURE_SIZE = (480, 240)  # px, width and height of one ground texture, horizon at the top
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
VARIANTS = 4  # different copies of each texture and sprite


@cache
def table(name: str) -> dict[str, dict[str, str]]:
    """Return a data table (settings, lights, grounds) as rows by their first column."""
    text = (files("lib.sample") / "data" / f"{name}.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return {row[next(iter(row))]: row for row in rows}


def ground(
    name: str, rng: np.random.Generator, shape: tuple[int, int], light: Rgb, haze: float, far: Rgb
) -> Image.Image:
    """Return a ground plane (width, height) in perspective, lit by `light`, hazy at the top."""
    row = table("grounds")[name]
    near, back, accent = (
        multiply(jitter(colour(row[key]), rng, 0.04), light) for key in ("near", "far", "accent")
    )
    back = blend(back, far, haze)
    marks_map = texture(row["texture"], int(rng.integers(VARIANTS)))
    if rng.random() < 0.5:
        marks_map = marks_map.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    left = int(rng.integers(0, TEXTURE_SIZE[0] // 3))
    if row["texture"] in ("road", "planks"):  # these have a vanishing point: keep it in the middle
        left = TEXTURE_SIZE[0] // 6 + left // 4
    box = (left, 0, left + 2 * TEXTURE_SIZE[0] // 3, TEXTURE_SIZE[1])
    mask = marks_map.resize(shape, Image.Resampling.BILINEAR, box=box)
    base = vertical([back, near], shape)
    marks = vertical([blend(back, accent, 0.35), accent], shape)
    return Image.composite(marks, base, mask)


@lru_cache(maxsize=64)
def texture(name: str, variant: int) -> Image.Image:
    """Return how strongly the accent colour shows on a ground, L, horizon at the top."""
    wide, high = TEXTURE_SIZE
    rng = np.random.default_rng([11, variant, *name.encode()])
    depth = 1 / np.linspace(1, 0.13, high)[:, None]  # 1 at the bottom's inverse, grows to the top
    distance = depth[::-1]
    across = (np.arange(wide)[None, :] - wide / 2) * distance  # ground coordinates, perspective
    along = 60 * distance * np.ones((1, wide))
    return Image.fromarray(_pattern(name, rng, across, along, (high, wide)).astype(np.uint8), "L")


def _pattern(
    name: str,
    rng: np.random.Generator,
    across: np.ndarray,
    along: np.ndarray,
    shape: tuple[int, int],
) -> np.ndarray:
    """Return texture values 0..255 (height, width) at the ground coordinates given, px."""
    coarse, fine = noise(rng, shape, 14), noise(rng, shape, 2)
    if name == "waves":
        bend = 5 * np.sin(across / 37 + rng.uniform(0, 6)) + 22 * coarse
        return np.clip(90 * np.sin(along / 3 + bend) ** 8 + 40 * coarse + 14 * fine, 0, 200)
    if name == "ripples":
        return np.clip(70 * np.sin(along / 2.2 + 9 * coarse + across / 60) ** 4 + 60 * fine, 0, 200)
    if name == "slabs":
        seams = (np.abs(across % 64 - 32) > 30) | (np.abs(along % 36 - 18) > 16.6)
        return np.clip(150 * seams + 55 * coarse + 25 * fine, 0, 220)
    if name == "checks":
        stripes = (across % 56 < 28).astype(int) + (along % 32 < 16)
        return np.array([12, 120, 235])[stripes]
    if name == "planks":
        board = np.floor(across / 44)
        shade = 60 * ((board * 0.618) % 1)
        seams = np.abs(across % 44 - 22) > 21
        return np.clip(
            shade + 140 * seams + 50 * np.sin(along / 5 + board * 3 + 6 * coarse) ** 2, 0, 230
        )
    if name == "grain":
        streaks, knots = noise(rng, shape, (3, 110)), noise(rng, shape, (14, 60))
        seams = np.abs(along % 44 - 22) > 21.2
        return np.clip(110 * streaks * (0.5 + knots) + 120 * seams - 12, 0, 220)
    if name == "road":
        middle = (np.abs(across) < 4) & (along % 60 < 32)
        sides = np.abs(np.abs(across) - 170) < 4
        return np.where(middle | sides, 225, np.clip(26 * fine + 20 * coarse, 0, 60))
    if name == "blades":
        return np.clip(120 * noise(rng, shape, (7, 1)) + 60 * coarse, 0, 220)
    if name == "blotches":
        return np.clip(230 * (coarse - 0.35) + 120 * (fine - 0.3), 0, 230)
    return np.clip(90 * coarse + 14 * fine, 0, 160)  # soft


def noise(
    rng: np.random.Generator, shape: tuple[int, int], grain: int | tuple[int, int]
) -> np.ndarray:
    """Return smooth noise 0..1 (height, width) with spots of about `grain` pixels."""
    rows, columns = (grain, grain) if isinstance(grain, int) else grain
    small = rng.random((shape[0] // rows + 2, shape[1] // columns + 2), dtype=np.float32)
    image = Image.fromarray(small).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(image), 0, 1)


@cache
def glow() -> Image.Image:
    """Return a soft round glow, L, 128 px."""
    xs = np.linspace(-1, 1, 128)
    radius = np.hypot(xs[:, None], xs[None, :])
    return Image.fromarray((190 * np.clip(1 - radius, 0, 1) ** 2.2).astype(np.uint8), "L")


@lru_cache(maxsize=32)
def cloud(variant: int) -> Image.Image:
    """Return the opacity of one soft cloud with a flat foot, L, 240x100 px."""
    rng = np.random.default_rng([7, variant])
    image = Image.new("L", (240, 100), 0)
    draw = ImageDraw.Draw(image)
    for _ in range(9):
        x, r = rng.uniform(45, 195), rng.uniform(14, 34)
        y = 74 - r * rng.uniform(0.5, 1.05) * (1 - abs(x - 120) / 160)
        draw.ellipse((x - r * 1.3, y - r, x + r * 1.3, y + r), fill=255)
    draw.rectangle((0, 84, 240, 100), fill=0)
    return image.filter(ImageFilter.GaussianBlur(4))


@cache
def fade(level: float) -> list[int]:
    """Return the look-up table that scales an L picture by `level`."""
    return [round(value * level) for value in range(256)]


def vertical(stops: list[Rgb], shape: tuple[int, int]) -> Image.Image:
    """Return a vertical gradient through the colours `stops`, RGB (width, height)."""
    column = Image.fromarray(np.array(stops, np.uint8)[:, None, :])
    ramp = np.linspace(0, len(stops) - 1, shape[1])
    values = np.stack(
        [np.interp(ramp, range(len(stops)), np.array(stops)[:, band]) for band in range(3)], 1
    )
    column = Image.fromarray(values.astype(np.uint8)[:, None, :])
    return column.resize(shape, Image.Resampling.NEAREST)


@cache
def colour(code: str) -> Rgb:
    """Return "#rrggbb" as numbers 0..255."""
    return ImageColor.getrgb(code)


def blend(first: Rgb, second: Rgb, share: float) -> Rgb:
    """Return the colour `share` of the way from the first to the second."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))


def multiply(first: Rgb, second: Rgb) -> Rgb:
    """Return a surface colour under a light colour."""
    return tuple(round(a * b / 255) for a, b in zip(first, second, strict=True))


def jitter(tone: Rgb, rng: np.random.Generator, scale: float = 0.05) -> Rgb:
    """Return the colour moved a little, each band by about `scale` of the range."""
    moved = np.array(tone) + rng.normal(0, 255 * scale, 3) * 0.6 + rng.normal(0, 255 * scale) * 0.6
    return tuple(int(value) for value in np.clip(moved, 0, 255))


def any_hue(rng: np.random.Generator, strength: float, value: float) -> Rgb:
    """Return a colour of any hue, of a given saturation and value (0..1)."""
    return tuple(round(255 * band) for band in colorsys.hsv_to_rgb(rng.random(), strength, value))

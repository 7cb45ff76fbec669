"""Outdoors: skies, far silhouettes and the ground, and a view under water."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from lib.sample.scenery import houses
from lib.sample.scenery.paintbox import (
    VARIANTS,
    Rgb,
    blend,
    cloud,
    colour,
    fade,
    glow,
    ground,
    jitter,
    multiply,
    vertical,
)

SMOOTH = Image.Resampling.BILINEAR  # for soft sprites, which bicubic makes no finer


def paint(
    row: dict[str, str], light: dict[str, str], rng: np.random.Generator, size: int, horizon: float
) -> tuple[Image.Image, Rgb]:
    """Return sky, far silhouette and ground, the horizon slightly tilted at times."""
    slope = rng.normal(0, 0.012) if row["ground"] != "water" else 0.0
    stops = [jitter(colour(light[key]), rng) for key in ("sky_top", "sky_middle", "sky_low")]
    image = vertical(stops, (size, size))
    level = round(horizon * size)
    _heavens(image, light, rng, level)
    if row["far"] != "none":
        _far(image, row["far"], light, stops, rng, level)
    drop = round(abs(slope) * size / 2) + 1
    height = size - level + drop
    haze = stops[2]
    plane = ground(row["ground"], rng, (size, height), colour(light["ground"]), 0.35, haze)
    mask = Image.new("L", (size, height), 255)
    rise = slope * size / 2
    edge = [(0, drop + rise), (size, drop - rise), (size, 0), (0, 0)]
    ImageDraw.Draw(mask).polygon(edge, fill=0)
    image.paste(plane, (0, level - drop), mask)
    if light["body"] == "rain":
        _rain(image, rng, size)
    return image, colour(light["tint"])


def underwater(
    row: dict[str, str], rng: np.random.Generator, size: int, horizon: float
) -> tuple[Image.Image, Rgb]:
    """Return an underwater scene: rays from above, weeds, bubbles and a sandy floor."""
    stops = [jitter(colour(code), rng) for code in ("#56c5dd", "#1d86b8", "#0d4f86")]
    image = vertical(stops, (size, size))
    for _ in range(int(rng.integers(2, 5))):
        left, lean = rng.uniform(0, size), rng.uniform(-0.3, 0.3) * size
        ray = Image.new("L", (size, size), 0)
        wide = rng.uniform(0.05, 0.16) * size
        corners = [(left, 0), (left + wide / 2, 0), (left + lean + wide, size), (left + lean, size)]
        ImageDraw.Draw(ray).polygon(corners, fill=26)
        image.paste((255, 255, 255), (0, 0), ray)
    level = round(horizon * size)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(3, 9))):
        _weed(draw, rng, size, level)
    floor = ground(row["ground"], rng, (size, size - level), (215, 235, 250), 0.5, stops[2])
    image.paste(floor, (0, level))
    for _ in range(int(rng.integers(5, 16))):
        x, y, r = rng.uniform(0, size), rng.uniform(0, level), rng.uniform(1, size / 60)
        draw.ellipse((x - r, y - r, x + r, y + r), outline=(205, 238, 248))
    return image, (222, 240, 255)


def _weed(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: int, level: int) -> None:
    """Draw one strand of seaweed that sways up from the floor."""
    x, tall, sway = rng.uniform(0, size), rng.uniform(0.1, 0.35) * size, rng.uniform(0.01, 0.03)
    steps = np.linspace(0, 1, 9)
    xs = x + sway * size * np.sin(steps * 7 + x)
    points = list(zip(xs.tolist(), (level + 4 - steps * tall).tolist(), strict=True))
    green = (int(rng.integers(20, 60)), int(rng.integers(110, 160)), int(rng.integers(90, 130)))
    draw.line(points, fill=green, width=max(2, size // 70), joint="curve")


def _heavens(
    image: Image.Image, light: dict[str, str], rng: np.random.Generator, level: int
) -> None:
    """Paint stars, sun or moon and clouds into the sky above `level`, in place."""
    size = image.width
    draw = ImageDraw.Draw(image)
    if light["light"] == "night":
        for x, y, bright in rng.random((int(rng.integers(25, 70)), 3)):
            grey = int(120 + 135 * bright)
            spot = (x * size, y * level, x * size + (bright > 0.8), y * level + (bright > 0.8))
            draw.rectangle(spot, fill=(grey, grey, min(255, grey + 15)))
    low = light["light"] in ("dawn", "dusk")
    if light["body"] in ("sun", "moon") and rng.random() < 0.6:
        x, y = (
            rng.uniform(0.1, 0.9) * size,
            rng.uniform(*((0.6, 0.95) if low else (0.1, 0.45))) * level,
        )
        tone = {"sun": (255, 244, 200), "moon": (240, 240, 225)}[light["body"]]
        radius = size * rng.uniform(0.025, 0.055)
        halo = glow().resize((round(radius * 9),) * 2, SMOOTH)
        image.paste(tone, (round(x - radius * 4.5), round(y - radius * 4.5)), halo)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tone)
    tone = colour(light["cloud"])
    for _ in range(int(rng.poisson(float(light["clouds"])))):
        wide = size * rng.uniform(0.22, 0.6)
        y = rng.uniform(-0.05, 0.72) * level
        wide *= 1 - 0.5 * max(0.0, y / level)  # clouds further off stand lower and look smaller
        shape = cloud(int(rng.integers(2 * VARIANTS))).resize(
            (round(wide), round(wide * 0.42)), SMOOTH
        )
        shape = shape.point(fade(rng.uniform(0.5, 0.95)))
        image.paste(tone, (round(rng.uniform(-0.15, 0.85) * size), round(y)), shape)


def _far(
    image: Image.Image,
    kind: str,
    light: dict[str, str],
    stops: list[Rgb],
    rng: np.random.Generator,
    level: int,
) -> None:
    """Paint what stands at the horizon: hills, peaks, trees, a skyline, facades or the sea."""
    size, sun, dark = image.width, colour(light["ground"]), light["light"] == "night"
    if kind in ("sea", "river"):
        deep = round(level - size * rng.uniform(0.08, 0.16))
        if kind == "river":
            houses.skyline(image, rng, deep + 2, multiply((126, 132, 150), sun), stops[2], dark)
        sea = ground("water", rng, (size, level - deep + 8), sun, 0.4, stops[2])
        image.paste(sea, (0, deep))
        return
    if kind == "skyline":
        houses.skyline(image, rng, level + 8, multiply((112, 118, 138), sun), stops[2], dark)
        return
    if kind == "facades":
        houses.facades(image, rng, level + 8, sun, dark)
        return
    tones = {
        "hills": ("#6f9f76", "#4f8a4f"),
        "trees": ("#6d9a6a", "#3d7a3f"),
        "dunes": ("#e3c690", "#d4b173"),
        "peaks": ("#8d9bb5", "#5f7f63"),
        "snowhills": ("#cfdcec", "#e6eef7"),
        "forest": ("#6c9468", "#2f6136"),
    }[kind]
    for layer, tone in enumerate(tones):
        tone = blend(multiply(colour(tone), sun), stops[2], 0.55 - 0.4 * layer)
        tall = {"peaks": 0.34, "forest": 0.45}.get(kind, 0.17) * size * (1 - 0.45 * layer)
        _ridge(
            image, rng, level + 8, tall, tone, kind if layer == 0 or kind != "peaks" else "hills"
        )
    if kind == "forest":
        _trunks(image, rng, level, sun)


def _ridge(
    image: Image.Image, rng: np.random.Generator, level: int, tall: float, tone: Rgb, kind: str
) -> None:
    """Paint one silhouette up to `tall` pixels above `level`: smooth, jagged or of tree tops."""
    size = image.width
    xs = np.arange(0, 2 * size + 4, 4)
    waves = rng.uniform(0.5, 1.5, 4) * np.array([1, 2.1, 3.7, 6.3])
    weights = np.array([1, 0.6, 0.3, 0.12]) * rng.uniform(0.6, 1, 4)
    phases = rng.uniform(0, 6.3, 4)
    angles = xs[:, None] / (2 * size) * 2 * np.pi * waves + phases
    if kind == "peaks":  # a triangle wave gives crests and notches
        heights = (np.abs((angles / np.pi) % 2 - 1) * weights).sum(1) / weights.sum()
        heights += rng.normal(0, 0.02, len(xs))
    else:
        heights = 0.5 + (np.sin(angles) * weights).sum(1) / weights.sum() / 2
    if kind in ("trees", "forest"):
        crowns = np.abs(np.sin(xs * rng.uniform(0.05, 0.08) + phases[0]))
        heights = 0.45 + 0.3 * heights + 0.2 * crowns + rng.normal(0, 0.03, len(xs))
    ys = 2 * (level - tall * np.clip(heights, 0.05, 1.1))
    points = [(0, 2 * level), *zip(xs.tolist(), ys.tolist(), strict=True), (2 * size, 2 * level)]
    mask = Image.new("L", (2 * size, 2 * level), 0)
    ImageDraw.Draw(mask).polygon(points, fill=255)
    image.paste(tone, (0, 0), mask.reduce(2))
    if kind == "peaks":  # snow down to a wavering line
        caps = Image.new("L", mask.size, 0)
        line = ys.min() + 0.5 * tall + rng.normal(0, 0.11 * tall, len(xs))
        snow = [(0, 0), *zip(xs.tolist(), line.tolist(), strict=True), (2 * size, 0)]
        ImageDraw.Draw(caps).polygon(snow, fill=255)
        image.paste(
            blend(tone, (255, 255, 255), 0.7), (0, 0), ImageChops.darker(mask, caps).reduce(2)
        )


def _trunks(image: Image.Image, rng: np.random.Generator, level: int, sun: Rgb) -> None:
    """Paint tree trunks, the nearer the wider and the darker, and a roof of leaves."""
    draw, size = ImageDraw.Draw(image), image.width
    for depth in np.sort(rng.random(int(rng.integers(6, 13)))):
        wide, x = size * (0.012 + 0.045 * depth**2), rng.random() * size
        tone = blend(multiply((84, 66, 46), sun), (150, 170, 140), 0.6 * (1 - depth))
        lean = rng.normal(0, 0.01) * size
        base = level + 2 + 12 * depth
        draw.polygon(
            [
                (x - wide / 2, base),
                (x + wide / 2, base),
                (x + wide / 3 + lean, 0),
                (x - wide / 3 + lean, 0),
            ],
            fill=tone,
        )
    for x, y, wide in rng.random((14, 3)):
        leaf = multiply((50 + round(40 * y), 105 + round(60 * wide), 50), sun)
        radius = size * (0.06 + 0.1 * wide)
        box = (x * size - 1.4 * radius, -radius, x * size + 1.4 * radius, radius * (0.2 + 0.7 * y))
        draw.ellipse(box, fill=leaf)


def _rain(image: Image.Image, rng: np.random.Generator, size: int) -> None:
    """Draw slanting rain over the whole picture."""
    mask = Image.new("L", (size, size), 0)
    draw = ImageDraw.Draw(mask)
    for x, y, long in rng.random((int(rng.integers(40, 90)), 3)):
        drop = (0.02 + 0.04 * long) * size
        draw.line((x * size, y * size, x * size - drop / 4, y * size + drop), fill=90)
    image.paste((225, 232, 240), (0, 0), mask)

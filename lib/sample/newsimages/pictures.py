"""Pictures: what an article shows, as its house would print it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from lib.sample import photo, pictograms, scenes, upload
from lib.sample.newsimages.articles import Article

# What generic pictures show, and where: kind -> emoji, setting.
STOCK = {
    "desk": ("📄 📑 📊", "table"),
    "calendar": ("📅 📌", "table"),
    "crowd": ("🧑 👩 👨 🧔 👱 👵 👴 🧕 🧒 👷", "plaza"),
}
BANDS = ((24, 110, 118), (242, 232, 206), (122, 58, 104))  # of a flag of no country
# House -> height over width, gain of red, green and blue.
STYLES = {
    "rt": (0.75, (1.07, 1.0, 0.88)),
    "twitter": (1.0, (1.08, 1.06, 1.08)),
    "rss": (0.8, (0.9, 1.0, 1.09)),
}


def picture(article: Article, size: int) -> bytes:
    """Return the JPEG file of an article's picture, its longest side `size` pixels."""
    rng = np.random.default_rng([article.seed, 1])
    if article.shown.startswith("generic:"):
        image = _generic(article.shown.partition(":")[2], article.scene, size)
    else:
        image = scenes.compose(article.scene, size)
    image = photo.degrade(image, rng, rng.uniform(0.05, 0.35))
    if article.relation in ("reused", "crossing", "overlap_picture"):
        image = upload.reposted(image, np.random.default_rng([article.seed, article.number]))
    if article.house:
        image = _printed(image, article.house, _above(article))
    return upload.encode(image, "jpeg", rng)


def _above(article: Article) -> float:
    """Return the share of a cut that a picture can best spare at its top."""
    kind = pictograms.traits(article.scene.subjects[0]).kind
    return {"bust": 0.9, "sky": 0.1, "flyer": 0.1}.get(kind, 0.5)


def _generic(kind: str, scene: scenes.Scene, size: int) -> Image.Image:
    """Return a picture that would fit any title: papers, a calendar, a crowd, a flag-like field."""
    rng = np.random.default_rng(scene.seed)
    if kind == "field":
        return _field(rng, size)
    things, setting = STOCK[kind]
    shown = tuple(rng.permutation(things.split())[:8].tolist())
    return scenes.compose(scenes.random_scene(rng, shown, scene.artist, setting), size)


def _field(rng: np.random.Generator, size: int) -> Image.Image:
    """Return three bands of cloth that wave."""
    xs, ys = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size))
    phase = rng.uniform(0, 6)
    height = ys + 0.05 * np.sin(7 * xs + phase)
    bands = np.array(BANDS)[np.clip(height * 3, 0, 2.99).astype(int)]
    shade = 1 + 0.16 * np.sin(7 * xs + 3 * ys + phase + 1.2)
    return Image.fromarray(np.clip(bands * shade[..., None], 0, 255).astype(np.uint8))


def _printed(image: Image.Image, house: str, above: float) -> Image.Image:
    """Return a square picture in the crop, the colours and the furniture of a house.

    `above` is the share of the cut taken from the top.
    """
    ratio, gains = STYLES[house]
    size = image.width
    cut = size - round(size * ratio)
    top = round(cut * above)
    image = image.crop((0, top, size, top + size - cut))
    image = ImageChops.multiply(image, _flat(image.size, [min(1.0, gain) for gain in gains]))
    image = ImageChops.add(image, _flat(image.size, [max(0.0, gain - 1) for gain in gains]))
    draw, unit = ImageDraw.Draw(image), size / 60
    wide, high = image.size
    if house == "rt":  # a dark bar with an orange square
        draw.rectangle((0, 0, wide, 3 * unit), fill=(22, 38, 74))
        draw.rectangle((0, 0, 5 * unit, 3 * unit), fill=(238, 136, 34))
    elif house == "twitter":  # a white frame and a blue disc
        draw.rectangle((0, 0, wide - 1, high - 1), outline=(255, 255, 255), width=round(1.2 * unit))
        box = (wide - 8 * unit, 3 * unit, wide - 3 * unit, 8 * unit)
        draw.ellipse(box, fill=(40, 150, 226), outline=(255, 255, 255), width=round(unit / 2))
    else:  # a white box with three grey lines, like a column of text
        draw.rectangle((2 * unit, 2 * unit, 10 * unit, 9 * unit), fill=(252, 252, 252))
        for line in range(3):
            level = (3.4 + 1.7 * line) * unit
            draw.line((3 * unit, level, (9 - line) * unit, level), (110, 116, 124), round(unit / 2))
    return image


def _flat(shape: tuple[int, int], levels: list[float]) -> Image.Image:
    """Return an even picture of three levels 0..1."""
    return Image.new("RGB", shape, tuple(round(255 * level) for level in levels))

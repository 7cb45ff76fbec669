"""Pictures: what an article shows, plain or dramatic, in the shape that its outlet prints."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from lib.sample import photo, pictograms, scenes, upload
from lib.sample.nmb.articles import REPOST, Article

# What a picture editor does: how often in dramatic pictures, and in plain ones.
CUES = {
    "dark": (0.55, 0.08),  # underexposed, corners black
    "harsh": (0.5, 0.1),  # hard contrast
    "red": (0.45, 0.06),  # a red cast
    "close": (0.5, 0.12),  # cropped tightly
    "banner": (0.35, 0.04),  # a striped band along the foot
}
STRIPES = ((214, 40, 36), (255, 196, 0))  # red and yellow


def cues(article: Article) -> tuple[str, ...]:
    """Return which of CUES a picture shows."""
    rng = np.random.default_rng([article.seed, 2])
    side = 0 if article.factors.look else 1
    return tuple(name for name, shares in CUES.items() if rng.random() < shares[side])


def picture(article: Article, width: int) -> bytes | None:
    """Return the file of an article's picture, `width` pixels wide; None if it is missing."""
    if article.file == upload.MISSING:
        return None
    rng = np.random.default_rng([article.seed, 1])
    image = photo.degrade(scenes.compose(article.scene, width), rng, rng.uniform(0.02, 0.2))
    image = _edited(image, cues(article), rng)
    if article.relation == REPOST:
        image = upload.reposted(image, np.random.default_rng([article.seed, *article.id.encode()]))
    image = _shaped(image, article)
    if "banner" in cues(article):
        _banner(image)
    return upload.encode(image, article.file, rng)


def _edited(image: Image.Image, wanted: tuple[str, ...], rng: np.random.Generator) -> Image.Image:
    """Return the picture with what its editor did to it."""
    if "close" in wanted:
        wide, high = image.size
        zoom = rng.uniform(0.78, 0.88)
        left, top = (1 - zoom) / 2 * wide, (1 - zoom) * rng.uniform(0.5, 0.7) * high
        box = (left, top, left + zoom * wide, top + zoom * high)
        image = image.resize(image.size, Image.Resampling.BICUBIC, box=box)
    if "harsh" in wanted:
        image = ImageEnhance.Contrast(image).enhance(rng.uniform(1.4, 1.7))
        image = ImageEnhance.Color(image).enhance(rng.uniform(1.2, 1.6))
    if "red" in wanted:
        red = Image.new("RGB", image.size, (196, 30, 24))
        image = Image.blend(image, red, rng.uniform(0.12, 0.2))
    if "dark" in wanted:
        image = _darkened(image, rng.uniform(0.7, 0.85))
    return image


def _darkened(image: Image.Image, level: float) -> Image.Image:
    """Return the picture darker, its middle at a level 0..1, its corners almost black."""
    mask = Image.new("L", image.size, 0)
    wide, high = image.size
    ImageDraw.Draw(mask).ellipse((0.08 * wide, 0.08 * high, 0.92 * wide, 0.92 * high), fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(0.14 * wide))
    dim = ImageEnhance.Brightness(image)
    return Image.composite(dim.enhance(level), dim.enhance(0.38), mask)


def _shaped(image: Image.Image, article: Article) -> Image.Image:
    """Return a square picture cut to its shape; a head is cut less than a foot."""
    size = image.width
    cut = size - round(size * article.shape)
    kind = pictograms.traits(article.scene.subjects[0]).kind
    top = round(cut * {"bust": 0.9, "sky": 0.1, "flyer": 0.1}.get(kind, 0.5))
    return image.crop((0, top, size, top + size - cut))


def _banner(image: Image.Image) -> None:
    """Lay a band of slanted stripes along the foot of a picture, in place."""
    wide, high = image.size
    tall = max(6, round(0.1 * high))
    draw, (red, yellow) = ImageDraw.Draw(image), STRIPES
    draw.rectangle((0, high - tall, wide, high), fill=red)
    for left in range(-tall, wide, 2 * tall):
        foot = [(left, high), (left + tall, high), (left + 2 * tall, high - tall),
                (left + tall, high - tall)]  # fmt: skip
        draw.polygon(foot, fill=yellow)
    draw.line((0, high - tall, wide, high - tall), fill=(30, 26, 26), width=max(1, tall // 8))

"""Photo: what a phone, its filters and an upload do to a picture."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageFilter

# Filters as people put on posts: gain and lift of red, green and blue; saturation.
FILTERS = {
    "warm": ((1.08, 1.0, 0.88), (8, 4, 0), 1.05),
    "cool": ((0.92, 1.0, 1.1), (0, 3, 10), 0.95),
    "faded": ((0.84, 0.84, 0.84), (34, 32, 30), 0.75),
    "vivid": ((1.1, 1.08, 1.1), (-10, -10, -10), 1.45),
    "sepia": ((1.05, 0.95, 0.78), (14, 6, 0), 0.3),
    "grey": ((1.0, 1.0, 1.0), (0, 0, 0), 0.0),
    "rose": ((1.08, 0.94, 1.02), (8, 0, 6), 1.0),
    "green": ((0.95, 1.06, 0.92), (2, 6, 0), 0.9),
}
RARE = ("sepia", "grey")  # hide the colours: chosen half as often


def degrade(image: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Return an RGB picture of the same size, as a phone would have taken and sent it.

    `strength` from 0 (untouched) to 1 scales how likely and how heavy each step is: tilt and
    crop, filter, low light, vignette, blur, sensor noise, JPEG. ValueError outside that range.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength: {strength} is not between 0 and 1")
    if strength == 0:
        return image.convert("RGB")
    image = _framed(image.convert("RGB"), rng, strength)
    if rng.random() < 0.6 * strength:
        image = _filtered(image, rng)
    image = _exposed(image, rng, strength)
    if rng.random() < 0.6 * strength:
        image = _vignetted(image, rng.uniform(0.2, 0.75) * strength)
    if rng.random() < 0.35 * strength:
        image = image.filter(ImageFilter.BoxBlur(rng.uniform(0.5, 1.8) * strength))  # out of focus
    image = _noisy(image, rng, rng.uniform(1, 12) * strength)
    quality = int(rng.integers(92 - round(52 * strength), 95))
    return recompress(image, quality) if rng.random() < 0.3 + 0.7 * strength else image


def recompress(image: Image.Image, quality: int) -> Image.Image:
    """Return the picture after one more JPEG at a quality of 1..95."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _framed(image: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Return the picture a little closer and off its middle, some tilted; no border shows."""
    tilt = np.deg2rad(rng.normal(0, 3)) if rng.random() < 0.6 * strength else 0.0
    spread = abs(np.cos(tilt)) + abs(np.sin(tilt))
    zoom = (1 - rng.uniform(0, 0.1) * strength) / spread
    half = np.array(image.size) / 2
    middle = half * (1 + rng.uniform(-1, 1, 2) * (1 - zoom * spread))
    if tilt == 0:  # several times as fast as turning
        box = (*(middle - zoom * half), *(middle + zoom * half))
        return image.resize(image.size, Image.Resampling.BILINEAR, box=box)
    turn = zoom * np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    corner = middle - turn @ half
    data = (*turn[0], corner[0], *turn[1], corner[1])
    return image.transform(image.size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)


def _filtered(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return the picture under one of the filters."""
    names = list(FILTERS)
    weights = np.array([0.5 if name in RARE else 1.0 for name in names])
    gains, lifts, saturation = FILTERS[str(rng.choice(names, p=weights / weights.sum()))]
    grey = 1 - saturation
    luma = (0.299, 0.587, 0.114)
    matrix = []
    for band in range(3):
        row = [
            gains[band] * (grey * luma[other] + saturation * (other == band)) for other in range(3)
        ]
        matrix += [*row, float(lifts[band])]
    return image.convert("RGB", tuple(matrix))


def _exposed(image: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Return the picture with other contrast and brightness; at times as if in low light."""
    gain = 1 + rng.normal(0, 0.12) * strength
    lift = rng.normal(0, 9) * strength
    gamma = rng.uniform(1.3, 2.0) if rng.random() < 0.12 * strength else 1.0
    levels = np.arange(256) / 255
    curve = np.clip(255 * ((levels**gamma - 0.5) * gain + 0.5) + lift, 0, 255)
    return image.point([round(value) for value in curve.tolist()] * 3)


def _vignetted(image: Image.Image, depth: float) -> Image.Image:
    """Return the picture darker towards its corners by `depth` (0..1)."""
    mask = _corners().resize(image.size).point([round(255 - depth * (255 - v)) for v in range(256)])
    return ImageChops.multiply(image, Image.merge("RGB", (mask,) * 3))


def _noisy(image: Image.Image, rng: np.random.Generator, deviation: float) -> Image.Image:
    """Return the picture with sensor noise of a standard deviation in grey levels."""
    grain = _grain()
    left, top = (
        int(rng.integers(0, grain.shape[side] - image.size[1 - side] + 1)) for side in (0, 1)
    )
    patch = grain[left : left + image.height, top : top + image.width]
    if rng.random() < 0.5:
        patch = patch[::-1]
    pixels = np.asarray(image).astype(np.int16)
    pixels += (patch[..., None] * np.float32(deviation)).astype(np.int16)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@cache
def _corners() -> Image.Image:
    """Return the light fall-off of a lens, L, 96 px: 255 in the middle, less at the corners."""
    xs = np.linspace(-1, 1, 96)
    radius = np.hypot(xs[:, None], xs[None, :]) / np.sqrt(2)
    return Image.fromarray((255 * (1 - radius**2.4)).astype(np.uint8))


@cache
def _grain() -> np.ndarray:
    """Return unit noise (768, 768) float32 that every picture takes a window of."""
    return np.random.default_rng(5).standard_normal((768, 768), dtype=np.float32)

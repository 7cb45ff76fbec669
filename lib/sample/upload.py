"""Uploads: how a picture ends up as a file, sound, odd or broken."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

# Odd but readable. All of them are named .jpg, as in the data set.
ODD = ("cmyk", "png", "palette", "exif_rotated", "grey16", "progressive")
BROKEN = ("truncated", "empty", "not_an_image")
MISSING = "missing"
FORMATS = ("jpeg", *ODD, *BROKEN, MISSING)
ORIENTATION, ROTATED = 0x0112, 6  # EXIF tag, and its value for "turn me a quarter to the right"
PAGE = b"<!DOCTYPE html><html><body><h1>410 Gone</h1></body></html>\n"


def encode(image: Image.Image, kind: str, rng: np.random.Generator) -> bytes:
    """Return an RGB picture as the bytes of a file of a kind; ValueError for unknown kinds."""
    quality = int(rng.integers(72, 92))
    if kind == "empty":
        return b""
    if kind == "not_an_image":
        return PAGE
    if kind in ("jpeg", "truncated"):
        data = _saved(image, "JPEG", quality=quality)
        return data if kind == "jpeg" else data[: int(len(data) * rng.uniform(0.3, 0.7))]
    if kind == "progressive":
        return _saved(image, "JPEG", quality=quality, progressive=True)
    if kind == "cmyk":
        return _saved(image.convert("CMYK"), "JPEG", quality=quality)
    if kind == "exif_rotated":
        tags = Image.Exif()
        tags[ORIENTATION] = ROTATED
        turned = image.transpose(Image.Transpose.ROTATE_90)
        return _saved(turned, "JPEG", quality=quality, exif=tags)
    if kind == "png":
        return _saved(image.convert("RGBA"), "PNG")
    if kind == "palette":
        return _saved(image.quantize(128), "PNG")
    if kind == "grey16":
        grey = np.asarray(image.convert("L")).astype(np.uint16) * 257
        return _saved(Image.fromarray(grey), "PNG")
    raise ValueError(f"kind: {kind!r} is none of {', '.join(FORMATS)}")


def reposted(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a picture as another account posts it again: cropped a little, a little brighter."""
    wide, high = image.size
    left, top, right, bottom = rng.uniform(0, 0.03, 4)
    box = (left * wide, top * high, (1 - right) * wide, (1 - bottom) * high)
    image = image.resize(image.size, Image.Resampling.BICUBIC, box=box)
    gain, lift = rng.uniform(0.96, 1.05), rng.uniform(-4, 6)
    return image.point([round(min(255, max(0, v * gain + lift))) for v in range(256)] * 3)


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    """Return the picture as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()

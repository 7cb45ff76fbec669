"""Perturbed copies of articles: what a picture or a text goes through on its way to a reader.

Kinds and strengths follow what robustness tables of the field use: JPEG at quality 20, a Gaussian
blur, a crop of the middle, typing errors in one word of five, and a text that ends early.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter

IMAGE_KINDS = ("jpeg", "blur", "crop")
TEXT_KINDS = ("typos", "truncation")
JPEG_QUALITY = 20
BLUR = 0.02  # radius as a share of the longer side
CROP = 0.6  # share of each side that is kept
TYPOS = 0.2  # share of words hit
KEPT = 0.5  # share of the words that a truncated text keeps
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def perturb_image(picture: Image.Image, kind: str) -> Image.Image:
    """Return a changed copy of an RGB picture; ValueError for an unknown kind."""
    if kind == "jpeg":
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=JPEG_QUALITY)
        return Image.open(stream).convert("RGB")
    if kind == "blur":
        return picture.filter(ImageFilter.GaussianBlur(BLUR * max(picture.size)))
    if kind == "crop":
        width, height = picture.size
        left, top = width * (1 - CROP) / 2, height * (1 - CROP) / 2
        return picture.crop(tuple(map(round, (left, top, width - left, height - top))))
    raise ValueError(f"perturbation {kind!r} is not one of {', '.join(IMAGE_KINDS)}")


def perturb_text(text: str, kind: str, rng: np.random.Generator) -> str:
    """Return a changed copy of a text; ValueError for an unknown kind."""
    words = text.split()
    if kind == "truncation":
        return " ".join(words[: max(1, round(len(words) * KEPT))])
    if kind == "typos":
        return " ".join(_typo(word, rng) if rng.random() < TYPOS else word for word in words)
    raise ValueError(f"perturbation {kind!r} is not one of {', '.join(TEXT_KINDS)}")


def _typo(word: str, rng: np.random.Generator) -> str:
    """Return a word with two neighbours exchanged, or a letter lost, doubled or replaced."""
    if len(word) < 3:
        return word
    at, kind = int(rng.integers(len(word) - 1)), int(rng.integers(4))
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    other = word[at] if kind == 2 else LETTERS[int(rng.integers(len(LETTERS)))]
    return word[: at + (kind == 2)] + other + word[at + 1 :]

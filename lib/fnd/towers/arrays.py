"""The arrays of one block of articles: what a text tower and an image tower leave behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lib.data.images import ImageError, load_rgb
from lib.fnd.towers import image as images
from lib.fnd.towers import text as texts
from lib.fnd.towers.store import Arrays
from lib.training import _autocast


def text_arrays(
    tower: texts.LoadedText, articles: Sequence[str], batch: int = 32, precision: str = "fp32"
) -> Arrays:
    """Return layers, chunks, and what the tower's settings ask for besides, of n articles.

    layers (n, L + 1, d): every layer's vector of the first window; chunks (n, C, d): the last
    layer's of each window; sentences (n, S, d); tuned (n, t, d) or token ids (n, t). A name with
    _count behind it says how many of C, S and t are there; the rest is zero.
    """
    made = tower.settings
    cut = texts.windows(tower, articles, made.window, made.chunks)
    inside = cut.segments if made.sentences and not made.sentence_tokens else None
    found = texts.encode(tower, cut.ids, batch, precision, inside)
    first = np.cumsum(cut.counts) - cut.counts
    out = {"layers": found.layers[first].astype(np.float16)}
    out |= _stacked("chunks", found.layers[:, -1], cut.counts, made.chunks)
    if inside is not None:
        out |= _sentences_inside(cut, found.sums)
    elif made.sentences:
        out |= _sentences(tower, articles, batch, precision)
    if made.boundary > 0:
        out["tuned"] = found.states[first].astype(np.float16)
    if made.boundary == 0:
        ids = [cut.ids[row][: made.tuned_tokens] for row in first]
        pad = tower.tokenizer.pad_token_id
        out["tuned"] = np.full((len(ids), made.tuned_tokens), pad, np.int32)
        for row, one in enumerate(ids):
            out["tuned"][row, : len(one)] = one
    if made.boundary >= 0:
        lengths = np.array([len(cut.ids[row]) for row in first])
        out["tuned_count"] = np.minimum(lengths, made.tuned_tokens).astype(np.int32)
    return out


def _sentences(
    tower: texts.LoadedText, articles: Sequence[str], batch: int, precision: str
) -> Arrays:
    """Return sentences, each read alone, and their count; one that comes again is encoded once."""
    made = tower.settings
    split = [texts.split_sentences(one)[: made.sentences] or [""] for one in articles]
    unique = dict.fromkeys(one for row in split for one in row)
    places = {one: place for place, one in enumerate(unique)}
    cut = texts.windows(tower, list(places), made.sentence_tokens, 1)
    vectors = texts.encode(tower, cut.ids, batch, precision).layers[:, -1]
    order = [places[one] for row in split for one in row]
    counts = np.array([len(row) for row in split])
    return _stacked("sentences", vectors[order], counts, made.sentences)


def _sentences_inside(cut: texts.Windows, sums: np.ndarray) -> Arrays:
    """Return sentences as means of their tokens inside the article's windows, and their count."""
    article = np.repeat(np.arange(len(cut.counts)), cut.counts)
    total = np.zeros((len(cut.counts), *sums.shape[1:]), np.float32)
    np.add.at(total, article, sums)
    tokens = np.zeros((len(cut.counts), sums.shape[1]), np.int64)
    for row, segment in zip(article, cut.segments, strict=True):
        inside = segment[(segment >= 0) & (segment < sums.shape[1])]
        tokens[row] += np.bincount(inside, minlength=sums.shape[1])
    means = total / np.maximum(tokens, 1)[:, :, None]
    counts = np.maximum((tokens > 0).sum(1), 1).astype(np.int32)
    return {"sentences": means.astype(np.float16), "sentences_count": counts}


def _stacked(name: str, vectors: np.ndarray, counts: np.ndarray, most: int) -> Arrays:
    """Return vectors (sum of counts, d) as (n, most, d), zeros behind the end, and the counts."""
    out = np.zeros((len(counts), most, vectors.shape[1]), np.float16)
    for row, (start, count) in enumerate(zip(np.cumsum(counts) - counts, counts, strict=True)):
        out[row, :count] = vectors[start : start + count]
    return {name: out, f"{name}_count": counts.astype(np.int32)}


def image_arrays(
    tower: images.LoadedImage,
    bottom: torch.nn.ModuleList,
    top: torch.nn.ModuleList,
    files: Sequence[Path | None],
    batch: int = 16,
    precision: str = "fp32",
    change: Callable[[Image.Image], Image.Image] = lambda picture: picture,
) -> Arrays:
    """Return image (n, d) and, for a tower with a boundary, image_tuned: activations there.

    A row without a picture, or with one that cannot be read, is NaN. `change` is applied to each
    picture before it is squeezed.
    """
    pixels = [_load(tower, file, change) for file in files]
    empty = torch.zeros(3, tower.settings.size, tower.settings.size)
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for start in range(0, len(pixels), batch):
        some = [empty if one is None else one for one in pixels[start : start + batch]]
        x = torch.stack(some).to(tower.device, memory_format=torch.channels_last)
        with torch.inference_mode(), _autocast(x.device, precision):
            states = images.chain(bottom, x)
            vectors = images.features_of(top, states)
        parts.append(tuple(one.float().cpu().numpy() for one in (vectors, states)))
    missing = [row for row, one in enumerate(pixels) if one is None]
    out = {}
    for name, arrays in zip(("image", "image_tuned"), zip(*parts, strict=True), strict=True):
        if name == "image" or tower.settings.boundary >= 0:
            out[name] = np.concatenate(arrays).astype(np.float16)
            out[name][missing] = np.nan
    return out


def _load(
    tower: images.LoadedImage, file: Path | None, change: Callable[[Image.Image], Image.Image]
) -> torch.Tensor | None:
    """Return the pixels of a picture; None where there is none that can be read."""
    if file is None:
        return None
    try:
        picture = load_rgb(file)
    except ImageError:  # reported by the data stage and by lib.embed
        return None
    return tower.prepare(change(picture))

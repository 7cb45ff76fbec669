"""Fill the folder of features of a pairs table, once, resumably; see lib.memes.rivals.features."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib import paths
from lib.data.images import ImageError, load_rgb
from lib.embeddings import MANIFEST, digest_of, locked, pairs_digest
from lib.encoders import Encoder
from lib.memes.rivals.features import FeatureError, Features, FeatureSettings, read_features
from lib.memes.rivals.features.regions import detector
from lib.memes.rivals.features.store import Arrays, fill, publish
from lib.memes.rivals.features.towers import (
    Tower,
    image_tower,
    load_tokenizer,
    squashed,
    text_tower,
    token_tower,
)
from lib.memes.rivals.features.words import bags, pieces, vocabulary
from lib.schema import read_pairs
from lib.workers import worker_count


def make_features(
    pairs: Path | str,
    root: Path | str,
    encoder: Encoder,
    out: Path | str,
    settings: FeatureSettings,
) -> Features:
    """Make the features of a pairs table into folder `out` and return them.

    `root` is the folder that the column `image` is relative to; `encoder` is CLIP, for `tokens`.
    Finished features of the same inputs, towers and settings are not made again.
    """
    table, root, out = read_pairs(paths.resolve(pairs)), paths.resolve(root), paths.resolve(out)
    towers = _towers(settings, encoder)
    texts = table["text"].tolist()
    facts = [_stat(root / name) for name in table["image"]]
    known = _known(table, texts, facts, towers, settings)
    if (out / MANIFEST).is_file():
        before = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        if {key: before.get(key) for key in known} == known:
            return read_features(out, pairs)
    part = paths.scratch("memes", "features", digest_of([known, facts])[:24])
    workers = worker_count(settings.workers)
    with locked(part):
        runs = {
            "pictures": _pictures(table, root, towers, settings),
            "texts": _texts(texts, table["split"], towers, settings),
        }
        names = []
        for name, compute in runs.items():
            one_row = workers if settings.device == "cpu" else 1
            names += fill(part, name, len(table), compute, settings.block, one_row, settings.device)
        arrays = {name: _facts(part / f"{name}.npy") for name in sorted(names)}
        publish(part, out, known | {"arrays": arrays}, names)
    return read_features(out, pairs)


def _towers(settings: FeatureSettings, encoder: Encoder) -> dict[str, Tower]:
    """Load every tower; FeatureError names the first that cannot be had."""
    towers = {
        "image": image_tower(settings.image_tower, settings.device),
        "text": text_tower(settings.text_tower, settings.text_length, settings.device),
        "tokens": token_tower(encoder, settings.clip_length),
        "ids": Tower(
            None, {"name": settings.tokenizer}, load_tokenizer("tokenizer", settings.tokenizer)
        ),
    }
    if settings.regions == "detector":
        count = settings.region_count
        towers["detector"] = detector(settings.detector, count, settings.device)
    return towers


def _known(
    table: pd.DataFrame,
    texts: list[str],
    facts: list[tuple[int, int]],
    towers: dict[str, Tower],
    settings: FeatureSettings,
) -> dict[str, Any]:
    """Return all that decides the result; file sizes stand for the pictures' content."""
    made = asdict(settings)
    del made["workers"]
    return {
        "pairs_sha256": pairs_digest(table),
        "texts_sha256": digest_of([texts, table["split"].tolist()]),
        "image_sizes_sha256": digest_of([size for size, _ in facts]),
        "rows": len(table),
        "settings": made,
        "towers": {name: tower.info for name, tower in towers.items()},
    }


def _pictures(
    table: pd.DataFrame, root: Path, towers: dict[str, Tower], settings: FeatureSettings
) -> Callable[[slice], Arrays]:
    """Return what makes the arrays of a block of pictures."""
    find = towers["detector"].run if "detector" in towers else None

    def compute(rows: slice) -> Arrays:
        images = [_load(root, name) for name in table["image"].iloc[rows]]
        there = torch.tensor([image is not None for image in images])

        def squares(size: int) -> Tensor:
            empty = torch.zeros(3, size, size, dtype=torch.uint8)
            return torch.stack([empty if i is None else squashed(i, size) for i in images])

        with torch.inference_mode():
            cells, pooled = (one.cpu() for one in towers["image"].run(squares(settings.image_size)))
        made = {
            "cells": (cells.flatten(1, 2) * there[:, None, None]).half().numpy(),
            "picture": (pooled * there[:, None]).half().numpy(),
            "pixels": squares(settings.pixels).numpy(),
        }
        if find is not None:
            found = [_regions(find, image, settings) for image in images]
            regions, boxes, mask = (torch.stack(one) for one in zip(*found, strict=True))
            made |= {"regions": regions.half().numpy(), "boxes": boxes.half().numpy()}
            made |= {"region_mask": (mask * there[:, None]).to(torch.uint8).numpy()}
        return made

    return compute


def _regions(find: Any, image: Any, settings: FeatureSettings) -> tuple[Tensor, Tensor, Tensor]:
    """Return regions, boxes and mask; without a picture those of a white square, masked later."""
    pixels = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    if image is not None:
        pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)
    return find(pixels)


def _texts(
    texts: list[str], split: pd.Series, towers: dict[str, Tower], settings: FeatureSettings
) -> Callable[[slice], Arrays]:
    """Return what makes the arrays of a block of texts."""
    train = [text for text, part in zip(texts, split, strict=True) if part == "train"]
    words = vocabulary(train, settings.vocabulary)
    if not words:
        raise FeatureError("vocabulary: no training text has a word")

    def compute(rows: slice) -> Arrays:
        here = texts[rows]
        with torch.inference_mode():
            states, lengths = towers["text"].run(here)
            tokens, ends = towers["tokens"].run(here)
        return {
            "states": states.half().cpu().numpy(),
            "lengths": lengths.to(torch.int32).cpu().numpy(),
            "tokens": tokens.half().cpu().numpy(),
            "token_lengths": ends.to(torch.int32).cpu().numpy(),
            "ids": pieces(here, towers["ids"].tokenizer, settings.ids_length),
            "words": bags(here, words),
        }

    return compute


def _load(root: Path, name: str) -> Any:
    """Return a picture, or None where there is none or it cannot be read (embed lists those)."""
    if not name:
        return None
    try:
        return load_rgb(root / name)
    except ImageError:
        return None


def _facts(file: Path) -> dict[str, Any]:
    """Return shape and type of an array on disk."""
    array = np.load(file, mmap_mode="r")
    return {"shape": list(array.shape), "dtype": str(array.dtype)}


def _stat(file: Path) -> tuple[int, int]:
    """Return a file's size in bytes and time of change in ns; (-1, -1) where there is none."""
    if not file.is_file():
        return -1, -1
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns

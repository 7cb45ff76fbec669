"""What the rival systems read of memes besides CLIP's vectors: made once, read memory-mapped.

    array        shape, type             of
    picture      (N, c) float16          pooled features of an image tower (CMML-ORIGIN)
    cells        (N, G, c) float16       its last grid, row by row (Ext-PIE-Net)
    regions      (N, R, d) float16       objects that a detector found, or cells again
    boxes        (N, R, 4) float16       their corners x0, y0, x1, y1 as shares of the picture
    region_mask  (N, R) uint8            1 where there is a region
    pixels       (N, 3, s, s) uint8      the picture squashed to a square (ViLT)
    words        (N, V) uint8            which frequent words the text has (CMML-ORIGIN)
    ids          (N, l) int32            word pieces, 0 is padding (VisualBERT, LXMERT, ViLT)
    states       (N, t, w) float16       a text tower's tokens, first the text's own (Ext-PIE-Net)
    lengths      (N,) int32              tokens of `states` that are no padding
    tokens       (N, L, d) float16       CLIP's text at every position, padding too (TIB-VA)
    token_lengths (N,) int32             positions of `tokens` that are no padding

Texts are the pairs table's, cleaned already (data.mami.clean). A meme without a picture that can be
read has zeros, and no region. With grid features, regions are cells, not stored twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lib import paths
from lib.embeddings import MANIFEST, pairs_digest
from lib.schema import read_pairs


class FeatureError(RuntimeError):
    """Features cannot be made or do not belong to what is asked; one line says why."""


@dataclass(frozen=True)
class FeatureSettings:
    """Section `memes_rivals.features`; the defaults are the sample's."""

    device: str = "cpu"  # of the towers
    image_tower: Literal["efficientnet_lite0", "resnet18", "tiny"] = "efficientnet_lite0"
    image_size: int = 112  # pixels of a side, squashed
    text_tower: str = "minilm"  # minilm (its package), tiny (untrained), hub name or folder
    text_length: int = 32  # tokens of a text
    tokenizer: str = "minilm"  # of `ids`: minilm (bert-base-uncased's words), hub name or folder
    ids_length: int = 48  # word pieces kept of a text
    vocabulary: int = 3000  # most frequent words of the training texts
    clip_length: int = 28  # positions of CLIP's text tower; 0: all (77)
    pixels: int = 96  # side of the pictures kept for ViLT
    regions: Literal["grid", "detector"] = "grid"  # cells of the image tower, or detected objects
    detector: str = "fasterrcnn_resnet50_fpn_v2"  # of torchvision, trained on COCO
    region_count: int = 36  # regions kept of a picture
    block: int = 32  # rows of one forward pass, and of one step of a run that can go on
    workers: int = 0  # threads on a CPU; 0: one a core

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        positive = ("image_size", "text_length", "ids_length", "vocabulary", "pixels", "block")
        for key in (*positive, "region_count"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: must be at least 1, got {getattr(self, key)}")
        for key in ("clip_length", "workers"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key}: must not be negative, got {getattr(self, key)}")
        if self.ids_length < 3:
            raise ValueError(f"ids_length: must leave room for a word, got {self.ids_length}")


@dataclass(frozen=True)
class Features:
    """Arrays by name, memory-mapped, in the pairs table's order, and their manifest."""

    arrays: dict[str, np.ndarray]
    manifest: dict[str, Any]

    def __getitem__(self, name: str) -> np.ndarray:
        """One array."""
        return self.arrays[name]


def read_features(folder: Path | str, pairs: Path | str) -> Features:
    """Open the features of a pairs table; raises FeatureError where they are another one's."""
    folder = paths.resolve(folder)
    where = paths.relative(folder)
    if not (folder / MANIFEST).is_file():
        raise FeatureError(f"{where}/{MANIFEST}: no such file; run the stage features_mami")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    digest = pairs_digest(read_pairs(paths.resolve(pairs)))
    if manifest["pairs_sha256"] != digest:
        raise FeatureError(
            f"{where}/{MANIFEST}: made from another pairs table than {paths.relative(pairs)} "
            f"(recorded {manifest['pairs_sha256'][:12]}…, found {digest[:12]}…)"
        )
    arrays = {name: _open(folder, name, facts) for name, facts in manifest["arrays"].items()}
    if "regions" not in arrays:
        arrays |= grid_regions(arrays["cells"])
    return Features(arrays, manifest)


def grid_regions(cells: np.ndarray) -> dict[str, np.ndarray]:
    """Return cells (N, G, c) as regions, with the boxes of a square grid (N, G, 4) and a mask."""
    rows, count, _ = cells.shape
    side = round(count**0.5)
    if side * side != count:
        raise FeatureError(f"cells: {count} of a picture are no square grid")
    y, x = np.divmod(np.arange(count), side)
    boxes = (np.stack([x, y, x + 1, y + 1], axis=1) / side).astype(np.float16)
    return {
        "regions": cells,
        "boxes": np.broadcast_to(boxes, (rows, count, 4)),
        "region_mask": np.broadcast_to(np.ones(count, np.uint8), (rows, count)),
    }


def _open(folder: Path, name: str, facts: dict[str, Any]) -> np.ndarray:
    """Open one array as its manifest describes it."""
    file = folder / f"{name}.npy"
    if not file.is_file():
        raise FeatureError(f"{paths.relative(file)}: no such file, but the manifest names it")
    array = np.load(file, mmap_mode="r")
    if list(array.shape) != facts["shape"] or str(array.dtype) != facts["dtype"]:
        raise FeatureError(
            f"{paths.relative(file)}: {array.dtype} {list(array.shape)}, the manifest says "
            f"{facts['dtype']} {facts['shape']}"
        )
    return array

"""Activations of the frozen bottoms: computed once a list of pictures or texts, memory-mapped.

Everything that a list's activations depend on is in the digest that names its folder, so whoever
asks again (the next seed, the next alpha, another notebook) reads what is there. Blocks of rows
are marked as done after their bytes are on disk: a killed run goes on after its last block.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from lib import paths
from lib.data.images import ImageError, load_rgb
from lib.embeddings import digest_of, locked
from lib.encoders import Encoder, one_thread_each

FOLDER = ("retrieval", "activations")
CHUNK = 16  # rows run at once; a small batch stays in a core's caches
Compute = Callable[[slice], np.ndarray]


@dataclass(frozen=True)
class Pictures:
    """Frozen activations of pictures: (n, …) float16; a row without a picture is NaN."""

    hidden: np.ndarray
    valid: np.ndarray  # (n,) bool
    key: str

    def take(self, rows: np.ndarray) -> torch.Tensor:
        """Return some rows as a tensor of their own."""
        return torch.from_numpy(np.ascontiguousarray(self.hidden[rows]))


@dataclass(frozen=True)
class Titles:
    """Frozen activations of texts: (n, l, w) or (n, w) float16, and token ids (n, l) int64.

    With a boundary at zero `hidden` is `ids`. `lengths` (n,): tokens that are no padding, all l
    for a tower that needs its full context.
    """

    hidden: np.ndarray
    ids: np.ndarray
    lengths: np.ndarray
    key: str

    def take(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (hidden, ids) of some rows, cut to the longest of them."""
        longest = max(1, int(self.lengths[rows].max()))
        ids = self.ids[rows, :longest]
        if self.hidden is self.ids:
            return torch.from_numpy(ids), torch.from_numpy(ids)
        hidden = self.hidden[rows]
        hidden = hidden[:, :longest] if hidden.ndim == 3 else hidden
        return torch.from_numpy(np.ascontiguousarray(hidden)), torch.from_numpy(ids)


def pictures(
    encoder: Encoder,
    bottom: Callable[[torch.Tensor], torch.Tensor],
    boundary: int,
    root: Path,
    names: Sequence[str],
    block: int = 256,
    workers: int = 1,
) -> Pictures:
    """Return the activations of pictures `names` (relative to `root`; "" = there is none)."""
    facts = [_fact(root / name) if name else None for name in names]
    key = digest_of(["image", encoder.info, boundary, list(zip(names, facts, strict=True))])[:24]
    height, width = encoder.info["preprocess"]["size"]
    empty = torch.zeros(3, height, width)

    def compute(rows: slice) -> np.ndarray:
        loaded = [_load(encoder, root / name) if name else None for name in names[rows]]
        batch = torch.stack([empty if one is None else one for one in loaded])
        made = _run(bottom, batch, encoder.device)
        made[[i for i, one in enumerate(loaded) if one is None]] = np.nan
        return made

    hidden = _cached(key, len(names), compute, block, workers, "pictures", encoder.device)
    first = hidden.reshape(len(hidden), -1)[:, 0] if len(hidden) else np.zeros(0, np.float16)
    return Pictures(hidden, ~np.isnan(first), key)


def titles(
    encoder: Encoder,
    bottom: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    boundary: int,
    texts: Sequence[str],
    block: int = 256,
    workers: int = 1,
) -> Titles:
    """Return the activations of texts, in their order."""
    key = digest_of(["text", encoder.info, boundary, list(texts)])[:24]
    ids = encoder.tokenizer(list(texts))
    pad = padding_of(encoder.model)
    lengths = torch.full((len(ids),), ids.shape[1]) if pad is None else (ids != pad).sum(1)
    longest = int(lengths.max()) if len(ids) else 1
    ids = ids[:, :longest].contiguous()
    if boundary == 0:
        return Titles(ids.numpy(), ids.numpy(), lengths.numpy(), key)

    def compute(rows: slice) -> np.ndarray:
        here = max(1, int(lengths[rows].max()))
        made = _run(lambda x: bottom(x)[0], ids[rows, :here], encoder.device)
        if made.ndim == 2:
            return made
        out = np.zeros((len(made), longest, made.shape[2]), np.float16)
        out[:, :here] = made
        return out

    hidden = _cached(key, len(texts), compute, block, workers, "titles", encoder.device)
    return Titles(hidden, ids.numpy(), lengths.numpy(), key)


def padding_of(model: torch.nn.Module) -> int | None:
    """Return the padding id of a tower that masks padding (Hugging Face); None for CLIP's own."""
    config = getattr(getattr(model, "text", None), "config", None)
    return None if config is None else config.pad_token_id


def _cached(
    key: str, rows: int, compute: Compute, block: int, workers: int, name: str, device: str
) -> np.ndarray:
    """Return the (rows, …) float16 array of a key, computing the blocks that are not there."""
    folder = paths.scratch(*FOLDER, f"{key}-{block}")
    array, done = folder / "hidden.npy", folder / "done.npy"
    blocks = [slice(i, min(i + block, rows)) for i in range(0, rows, block)]
    with locked(folder):
        if not done.is_file():
            shape = compute(slice(0, 1)).shape[1:]
            np.lib.format.open_memmap(array, "w+", np.float16, (rows, *shape)).flush()
            part = folder / "done.part.npy"
            np.save(part, np.zeros(len(blocks), np.uint8))
            os.replace(part, done)
        marks = np.lib.format.open_memmap(done, "r+")
        if not marks.all():
            made = np.lib.format.open_memmap(array, "r+")
            _fill(made, marks, blocks, compute, workers, name, device)
    return np.load(array, mmap_mode="r")


def _fill(
    made: np.memmap,
    marks: np.memmap,
    blocks: list[slice],
    compute: Compute,
    workers: int,
    name: str,
    device: str,
) -> None:
    """Compute the blocks that are not marked, a chunk a task, and mark each once it is on disk."""

    def work(rows: slice) -> None:
        made[rows] = compute(rows)

    with one_thread_each(device), ThreadPoolExecutor(workers) as pool:
        for number in tqdm(np.flatnonzero(marks == 0), desc=name, unit="block"):
            start, stop = blocks[number].start, blocks[number].stop
            chunks = [slice(i, min(i + CHUNK, stop)) for i in range(start, stop, CHUNK)]
            list(pool.map(work, chunks))
            made.flush()
            marks[number] = 1
            marks.flush()


def _run(
    bottom: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor, device: str
) -> np.ndarray:
    """Return a frozen bottom's output in float16."""
    with torch.inference_mode():
        return bottom(batch.to(device)).half().cpu().contiguous().numpy()


def _fact(file: Path) -> tuple[int, int]:
    """Return a file's size in bytes and time of change in ns; (-1, -1) where there is none."""
    if not file.is_file():
        return -1, -1
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns


def _load(encoder: Encoder, file: Path) -> torch.Tensor | None:
    """Return a picture's pixels (3, h, w), or None where it cannot be read.

    The stage embed has listed unreadable pictures with their reasons.
    """
    try:
        return encoder.preprocess(load_rgb(file))
    except ImageError:
        return None

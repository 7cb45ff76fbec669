"""Batches of arrays: rows of a split in memory, missing values filled, articles bucketed by length.

What is not there (no picture, or a modality dropped on purpose) is NaN in `Inputs`; here the mean
of the training rows takes its place, so that a network meets nothing it has never seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from lib.fnd.inputs import Inputs

IN_MEMORY = 256 * 2**20  # bytes of an array's rows; a larger one stays on disk, row by row
BUCKETS = 16  # batches whose rows are sorted by length together
Fill = dict[str, np.ndarray]


class Feed:
    """Some rows of `Inputs` as float32 tensors (token ids int64), named as there."""

    def __init__(
        self, inputs: Inputs, needs: tuple[str, ...], rows: np.ndarray, fill: Fill, device: str
    ):
        """`needs`: arrays; their counts come along. `fill`: what `means` returned for training."""
        self.rows, self.fill, self.device = np.asarray(rows), fill, device
        names = [*needs, *(f"{name}_count" for name in needs)]
        self.arrays = {name: inputs.features[name] for name in names if name in inputs.features}
        small = [n for n, a in self.arrays.items() if len(rows) * _row_bytes(a) <= IN_MEMORY]
        self.tensors = {name: self._filled(name, self.rows).to(device) for name in small}
        counts = [a for n, a in self.arrays.items() if n.endswith("_tuned_count")]
        self.lengths = np.array(counts[0][self.rows]) if counts else None

    def take(self, places: np.ndarray) -> dict[str, Tensor]:
        """Return the arrays at places 0..len(rows) - 1; token arrays cut to the longest text."""
        index = torch.from_numpy(places).to(self.device)
        batch = {}
        for name in self.arrays:
            if name in self.tensors:
                batch[name] = self.tensors[name].index_select(0, index)  # a fourth of [index]
            else:
                batch[name] = self._filled(name, self.rows[places]).to(self.device)
        for name in [n for n in batch if f"{n}_count" in batch and n.endswith("_tuned")]:
            longest = max(1, int(batch[f"{name}_count"].max()))
            batch[name] = batch[name][:, :longest]
        return batch

    def epoch(self, batch: int, shuffled: np.random.Generator | None) -> Iterator[np.ndarray]:
        """Yield places in batches of nearly equal size, none larger than `batch`.

        With lengths, rows of similar length stand together: sorted within BUCKETS batches.
        """
        order = np.arange(len(self.rows))
        if shuffled is not None:
            order = shuffled.permutation(order)
        if self.lengths is not None:
            span = batch * BUCKETS if shuffled is not None else max(1, len(order))
            spans = [order[i : i + span] for i in range(0, len(order), span)]
            order = np.concatenate(
                [one[np.argsort(self.lengths[one], kind="stable")] for one in spans] or [order]
            )
        parts = np.array_split(order, max(1, -(-len(order) // batch)))
        places = range(len(parts)) if shuffled is None else shuffled.permutation(len(parts))
        return (parts[place] for place in places if len(parts[place]))

    def _filled(self, name: str, rows: np.ndarray) -> Tensor:
        """Return rows of an array, what is missing replaced."""
        part = np.array(self.arrays[name][rows])
        if np.issubdtype(part.dtype, np.floating):
            part = torch.from_numpy(part).float().numpy()  # twice as fast as astype
            gone = np.isnan(part.reshape(len(part), -1)[:, 0]) if len(part) else []
        else:
            part = part.astype(np.int64)
            gone = part.reshape(len(part), -1)[:, 0] < 0 if len(part) else []
        part[gone] = self.fill[name]
        return torch.from_numpy(part)


def means(inputs: Inputs, needs: tuple[str, ...], rows: np.ndarray, block: int = 512) -> Fill:
    """Return what stands for a missing row of each array: the mean of `rows`, in float32.

    Counts get their rounded mean, token ids zeros. ValueError for an array without a single row.
    """
    out: Fill = {}
    for name in [*needs, *(f"{name}_count" for name in needs)]:
        if name not in inputs.features:
            continue
        array = inputs.features[name]
        if not np.issubdtype(array.dtype, np.floating):
            mean = np.rint(np.mean(array[rows])) if array.ndim == 1 else np.zeros(array.shape[1:])
            out[name] = mean.astype(np.int64)
            continue
        total, number = np.zeros(array.shape[1:]), 0
        for start in range(0, len(rows), block):
            part = np.asarray(array[rows[start : start + block]], np.float64)
            there = ~np.isnan(part.reshape(len(part), -1)[:, 0])
            total, number = total + part[there].sum(0), number + int(there.sum())
        if not number:
            raise ValueError(f"{name}: no training row has one")
        out[name] = (total / number).astype(np.float32)
    return out


def _row_bytes(array: np.ndarray) -> int:
    """Return the bytes of one row as float32."""
    return 4 * int(np.prod(array.shape[1:], dtype=np.int64))

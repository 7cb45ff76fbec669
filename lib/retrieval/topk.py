"""Exact top-k of images for every query, over embeddings too large to hold in memory.

Blocks of images outside, all queries inside: when a block's scores are there, every column of it
is complete, so a per-image statistic over all queries (dual softmax and its relatives) costs no
second pass, and no queries x images matrix ever exists. What a block adds to the running top-k is
found by comparing it with each query's k-th best score so far; after the first block few pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

CELLS = 1 << 22  # scores held at a time: 16 MB of float32, about what a processor's cache holds
WORD = 8  # booleans are looked at eight at a time

Bias = Callable[[Tensor], Tensor]  # (references, images of the block) cosines -> (images,)


@dataclass(frozen=True)
class TopK:
    """The best images of each query, best first; equal scores in the order of the ids.

    ids: (queries, k) int64 rows of the image array, -1 where there are fewer than k valid images;
    scores: (queries, k) float32, the cosine minus the image's bias, -inf beside an id of -1.
    """

    ids: np.ndarray
    scores: np.ndarray


def top_k(
    queries: np.ndarray,
    images: np.ndarray,
    k: int = 100,
    bias: Bias | None = None,
    bank: np.ndarray | None = None,
    device: str = "cpu",
) -> TopK:
    """Return the k best images by cosine, minus `bias` when there is one; see `search`."""
    return search(queries, images, k, {"": bias}, bank, device)[""]


def search(
    queries: np.ndarray,
    images: np.ndarray,
    k: int,
    biases: Mapping[str, Bias | None],
    bank: np.ndarray | None = None,
    device: str = "cpu",
) -> dict[str, TopK]:
    """Rank all images for all queries under several biases in one pass; exact.

    queries: (C, D); images: (N, D), float16 or float32, may be a memory map, is read once, block
    by block. Rows need not be normalised; a zero row scores 0 everywhere. An image row that is not
    finite (an unreadable picture) is never returned. `bank`: (R, D) reference queries that the
    biases are computed from (inductive); without it the queries themselves are (transductive).
    Working memory: below 300 MB beside the arrays given and returned. Raises ValueError.
    """
    _check(queries, images, k, bank)
    wanted = _unit_queries(queries, "queries", device)
    reference = None if bank is None else _unit_queries(bank, "bank", device)
    if all(bias is None for bias in biases.values()):
        reference = None
    rows = len(wanted) + (0 if reference is None else len(reference))
    step = max(WORD, min(_padded(len(images)), CELLS // rows // WORD * WORD))
    scores = torch.empty(len(wanted) * step, device=device)
    work = torch.empty_like(scores) if any(biases.values()) else scores
    best = {name: _Best(len(wanted), min(k, len(images)), device) for name in biases}
    loader = _Blocks(images, step, device)
    for first in range(0, len(images), step):
        block, bad = loader.load(first)
        shape = (len(wanted), len(block))
        cosines = scores[: shape[0] * shape[1]].view(shape)
        torch.mm(wanted, block.T, out=cosines)
        seen = cosines if reference is None else reference @ block.T
        for name, bias in biases.items():
            final = cosines
            if bias is not None:
                final = work[: shape[0] * shape[1]].view(shape)
                torch.sub(cosines, bias(seen), out=final)
            if bad is not None and final is not cosines:
                final[:, bad] = -torch.inf
            elif bad is not None:
                final = torch.where(bad, -torch.inf, cosines)
            best[name].offer(final, first)
    return {name: found.result() for name, found in best.items()}


def _check(queries: np.ndarray, images: np.ndarray, k: int, bank: np.ndarray | None) -> None:
    named = {"queries": queries, "images": images} | ({} if bank is None else {"bank": bank})
    for name, array in named.items():
        if array.ndim != 2 or not len(array):
            raise ValueError(f"{name}: must be a non-empty 2-d array, got shape {array.shape}")
        if array.shape[1] != images.shape[1]:
            raise ValueError(
                f"{name}: {array.shape[1]} dimensions a row, the images have {images.shape[1]}"
            )
    if k < 1:
        raise ValueError(f"k: must be at least 1, got {k}")


def _unit_queries(array: np.ndarray, name: str, device: str) -> Tensor:
    """Return the rows as float32 of unit length; raises ValueError for one that is not finite."""
    rows = torch.tensor(np.asarray(array, dtype=np.float32), device=device)
    norms = torch.linalg.vector_norm(rows, dim=1)
    bad = torch.nonzero(~torch.isfinite(norms))
    if len(bad):
        raise ValueError(f"{name}: row {int(bad[0])} is not finite")
    return rows.div_(norms.clamp_min_(1e-12)[:, None])


def _padded(rows: int) -> int:
    return -(-rows // WORD) * WORD


class _Blocks:
    """Reads blocks of images as unit rows in float32, padded to a multiple of WORD rows."""

    def __init__(self, images: np.ndarray, step: int, device: str):
        self.images, self.step, self.device = images, step, device
        self.rows = torch.empty(step, images.shape[1], device=device)

    def load(self, first: int) -> tuple[Tensor, Tensor | None]:
        """Return the block at `first` and which of its rows are no image (None: none)."""
        # torch.tensor copies: a memory map is read-only, which a shared tensor must not be.
        part = torch.tensor(np.asarray(self.images[first : first + self.step]))
        block = self.rows[: _padded(len(part))]
        block[: len(part)].copy_(part)
        block[len(part) :].fill_(torch.nan)
        norms = torch.linalg.vector_norm(block, dim=1)
        bad = ~torch.isfinite(norms)
        block.div_(norms.clamp_min_(1e-12)[:, None])
        if not bool(bad.any()):
            return block, None
        block[bad] = 0.0  # or it would spoil the statistics of the whole block
        return block, bad


class _Best:
    """The running top-k of one system."""

    def __init__(self, queries: int, k: int, device: str):
        self.k = k
        self.scores = torch.full((queries, k), -torch.inf, device=device)
        self.ids = torch.full((queries, k), -1, dtype=torch.int64, device=device)
        self.floor = torch.full((queries, 1), -torch.inf, device=device)
        self.limit = min(queries * k, CELLS // 4)
        self.waiting: list[tuple[Tensor, Tensor, Tensor]] = []
        self.count = 0
        self.begun = False

    def offer(self, scores: Tensor, first: int) -> None:
        """Keep what may belong to the top-k of the (queries, block) scores; `first`: offset."""
        # A later image must be better than the k-th, not equal: equal scores go to the lower id.
        rows, columns = _where(scores > self.floor, self.limit if self.begun else 0)
        if rows is None:
            least = scores.topk(min(self.k, scores.shape[1])).values[:, -1:]
            rows, columns = _where((scores > self.floor) & (scores >= least), None)
        if len(rows):
            self.waiting.append((rows, columns + first, scores[rows, columns]))
            self.count += len(rows)
        if self.count >= self.limit // 2:
            self._merge()

    def _merge(self) -> None:
        """Merge the waiting candidates; stable sorts keep equal scores in the order of ids."""
        rows, ids, scores = (torch.cat(parts) for parts in zip(*self.waiting, strict=True))
        self.waiting, self.count, self.begun = [], 0, True
        rows, order = torch.sort(rows, stable=True)
        ids, scores = ids[order], scores[order]
        counts = torch.bincount(rows, minlength=len(self.scores))
        starts = torch.cumsum(counts, 0) - counts
        place = torch.arange(len(rows), device=rows.device) - starts[rows]
        width = int(counts.max())
        some = max(1, CELLS // 4 // (width + self.k))  # queries at a time: bounds the memory
        ends = torch.cumsum(counts, 0).tolist()
        for low in range(0, len(self.scores), some):
            high = min(low + some, len(self.scores))
            mine = slice(ends[low - 1] if low else 0, ends[high - 1])
            width = int(counts[low:high].max())
            wide = self.scores.new_full((high - low, width), -torch.inf)
            wide[rows[mine] - low, place[mine]] = scores[mine]
            wide_ids = self.ids.new_full((high - low, width), -1)
            wide_ids[rows[mine] - low, place[mine]] = ids[mine]
            both = torch.cat([self.scores[low:high], wide], 1)
            both, order = torch.sort(both, dim=1, descending=True, stable=True)
            both_ids = torch.cat([self.ids[low:high], wide_ids], 1)
            self.scores[low:high] = both[:, : self.k]
            self.ids[low:high] = both_ids.gather(1, order[:, : self.k])
        self.floor = self.scores[:, -1:].clone()

    def result(self) -> TopK:
        """Return what was found."""
        if self.count:
            self._merge()
        return TopK(self.ids.cpu().numpy(), self.scores.cpu().numpy())


def _where(mask: Tensor, limit: int | None) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """Return rows and columns of the true cells, row by row; None if clearly more than `limit`."""
    words = mask.view(torch.int64).nonzero()
    if limit is not None and len(words) > limit:
        return None, None
    rows = words[:, :1].expand(-1, WORD)
    columns = words[:, 1:] * WORD + torch.arange(WORD, device=mask.device)
    hit = mask[rows, columns]
    return rows[hit], columns[hit]

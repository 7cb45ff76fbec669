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
BLOCK = 1 << 21  # numbers of an image block: 8 MB, 4,096 rows of 512
GROUP = 8  # scores that are compared with the floor by their maximum
LAST_ID = (1 << 32) - 1
LOWEST = torch.finfo(torch.float32).min
EMPTY = -(1 << 63)  # key of a slot without an image, below every real key

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
    step = min(len(images), CELLS // rows, BLOCK // images.shape[1])
    step = max(GROUP, _padded(step))
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
    named = {"images": images, "queries": queries} | ({} if bank is None else {"bank": bank})
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
    return -(-rows // GROUP) * GROUP


class _Blocks:
    """Reads blocks of images as unit rows in float32, padded to whole groups."""

    def __init__(self, images: np.ndarray, step: int, device: str):
        self.images, self.step = images, step
        shape = (step, images.shape[1])
        self.raw = np.empty(shape, images.dtype)  # a memory map is read-only, tensors must not be
        self.rows = torch.empty(shape, device=device)

    def load(self, first: int) -> tuple[Tensor, Tensor | None]:
        """Return the block at `first` and which of its rows are no image (None: all are)."""
        part = self.images[first : first + self.step]
        size = len(part)
        np.copyto(self.raw[:size], part)
        block = self.rows[: _padded(size)]
        block[:size].copy_(torch.from_numpy(self.raw[:size]))
        block[size:].fill_(torch.nan)
        norms = torch.linalg.vector_norm(block, dim=1)
        bad = ~torch.isfinite(norms)
        block.div_(norms.clamp_min_(1e-12)[:, None])
        if not bool(bad.any()):
            return block, None
        block[bad] = 0.0  # or it would spoil the product
        return block, bad


class _Best:
    """The running top-k of one system: a reservoir of keys, cut back to k when it is full.

    A key is one int64: the score's bits in an order that integers share with floats, then the id
    counted backwards. Keys are unique, and a larger key is a better score or the same score with
    a lower id, so no sort has to be stable.
    """

    def __init__(self, queries: int, k: int, device: str):
        self.k = k
        self.width = k + max(GROUP, min(2 * k, CELLS // queries))
        self.keys = torch.full((queries, self.width), EMPTY, device=device)
        self.used = torch.full((queries,), k, device=device)  # slots taken, the best k first
        self.floor = torch.full((queries, 1), LOWEST, device=device)  # what a score must reach

    def offer(self, scores: Tensor, first: int) -> None:
        """Take from the (queries, block) scores what may belong to the top-k; `first`: offset."""
        queries, columns = scores.shape
        # In a narrow block nearly everything may belong to it: some queries at a time, then.
        some = queries if columns > GROUP * self.k else max(1, CELLS // 8 // columns)
        for low in range(0, queries, some):
            self._offer(scores[low : low + some], first, slice(low, low + some))

    def _offer(self, scores: Tensor, first: int, part: slice) -> None:
        rows, columns, values = _candidates(scores, self.floor[part], self.k)
        keys = _keys(values, columns + first)
        counts = torch.bincount(rows, minlength=len(scores))
        if bool((self.used[part] + counts > self.width).any()):
            self._cut(part)
            keep = values >= self.floor[part][rows, 0]
            rows, keys = rows[keep], keys[keep]
            counts = torch.bincount(rows, minlength=len(scores))
        self._put(rows, keys, counts, part)

    def _put(self, rows: Tensor, keys: Tensor, counts: Tensor, part: slice) -> None:
        """Store keys of the queries in `part`, `counts` of them a row and in the order of rows."""
        place = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
        portion, most = self.width - self.k, int(counts.max())
        if most <= portion:
            self.keys[part][rows, self.used[part][rows] + place] = keys
            self.used[part] += counts
            return
        # Some queries found more than fits beside their best k: pass it through in portions.
        for low in range(0, most, portion):
            self._cut(part)
            now = (place >= low) & (place < low + portion)
            self.keys[part][rows[now], self.k + place[now] - low] = keys[now]
            self.used[part] += (counts - low).clamp(0, portion)

    def _cut(self, part: slice) -> None:
        """Keep the best k of each query in `part` and raise its floor."""
        keys = self.keys[part]
        best = keys.topk(self.k, dim=1, sorted=False).values
        keys[:, : self.k] = best
        keys[:, self.k :] = EMPTY
        self.used[part] = self.k
        # Just above the k-th: a later image with the same score belongs behind it.
        least = _scores(best.amin(1, keepdim=True)).clamp_min_(LOWEST)
        self.floor[part] = torch.nextafter(least, torch.full_like(least, torch.inf))

    def result(self) -> TopK:
        """Return the best k of each query, best first."""
        best = self.keys.topk(self.k, dim=1).values
        ids = torch.where(best == EMPTY, -1, LAST_ID - (best & LAST_ID))
        return TopK(ids.cpu().numpy(), _scores(best).cpu().numpy())


def _candidates(scores: Tensor, floor: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows, columns and values of scores that reach the floor of their row, by row.

    Looks at the maximum of every group of GROUP columns first. In each of the groups with the k
    highest maxima one score reaches the k-th of these, so nothing below that can be among the k
    best of the block: where many reach the floor (the first block, or images that come sorted by
    topic) this raises it.
    """
    groups = scores.view(len(scores), GROUP, -1)  # group g: columns g, g + width, g + 2 width ...
    width = groups.shape[2]
    highest = groups.amax(1)
    hits = (highest >= floor).nonzero()
    if len(hits) > k * len(scores) and width > k:
        floor = torch.maximum(floor, highest.topk(k, dim=1, sorted=False).values.amin(1, True))
        hits = (highest >= floor).nonzero()
    rows, group = hits[:, 0], hits[:, 1]
    values = groups[rows, :, group]
    hit, place = (values >= floor[rows]).nonzero(as_tuple=True)
    return rows[hit], group[hit] + place * width, values[hit, place]


def _keys(scores: Tensor, ids: Tensor) -> Tensor:
    """Return keys that sort as (score, -id); ids below 2^32."""
    bits = (scores + 0.0).view(torch.int32)  # + 0.0: -0 is equal to 0
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(torch.int64)
    return (ordered << 32) + (LAST_ID - ids)


def _scores(keys: Tensor) -> Tensor:
    """Return the scores of keys, -inf for an empty slot."""
    ordered = (keys >> 32).to(torch.int32)
    scores = torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered).view(torch.float32)
    return torch.where(keys == EMPTY, -torch.inf, scores)

"""Trainable towers: arrays of one modality, pooled, joined, and run through a dense stack."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.fnd.systems import Dense, Tower

Batch = Mapping[str, Tensor]
Shapes = Mapping[str, tuple[int, ...]]  # of one row of each array


def dense(settings: Dense, width: int) -> tuple[nn.Sequential, int]:
    """Return a stack of linear layers for inputs (n, width), and the width of its output."""
    layers: list[nn.Module] = []
    last = len(settings.widths) - 1
    for place, out in enumerate(settings.widths):
        layers.append(nn.Linear(width, out))
        if settings.norm:
            layers.append(nn.BatchNorm1d(out))
        if settings.activation != "none":
            layers.append(nn.ReLU() if settings.activation == "relu" else nn.GELU())
        at = {"first": place == 0, "last": place == last, "each": True}[settings.dropout_at]
        if settings.dropout and at:
            layers.append(nn.Dropout(settings.dropout))
        width = out
    return nn.Sequential(*layers), width


class LayerMix(nn.Module):
    """FND-CLIP's weights on a text tower's layers: a_l = softmax_l(w_l * sum_d H_ld), a row each.

    The authors' code sums over the batch as well, so that an article's prediction depends on the
    articles beside it; here it depends on nothing but the article.
    """

    def __init__(self, layers: int):
        """`layers`: the embeddings' output and every layer's."""
        super().__init__()
        self.weight = nn.Parameter(torch.full((layers,), 1.0 / layers))

    def forward(self, states: Tensor, count: Tensor | None = None) -> Tensor:
        """Return (n, d) of states (n, layers, d)."""
        share = torch.softmax(self.weight * states.sum(-1), dim=1)
        return (share.unsqueeze(-1) * states).sum(1)


class ChunkAttention(nn.Module):
    """Learned weights on the chunks of an article: softmax_k(v . tanh(W x_k)) over those there."""

    def __init__(self, width: int, hidden: int = 32):
        """`hidden`: width of the layer that scores a chunk."""
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, chunks: Tensor, count: Tensor) -> Tensor:
        """Return (n, d) of chunks (n, C, d), of which `count` (n,) are there."""
        there = _there(chunks, count)
        score = self.score(chunks).squeeze(-1).masked_fill(~there, -torch.inf)
        return (torch.softmax(score, 1).unsqueeze(-1) * chunks).sum(1)


def mean_of(chunks: Tensor, count: Tensor) -> Tensor:
    """Return (n, d): the mean of the chunks (n, C, d) that are there."""
    there = _there(chunks, count).unsqueeze(-1)
    return (chunks * there).sum(1) / there.sum(1)


def interaction(left: Tensor, right: Tensor) -> Tensor:
    """Return (n, 2d + 1): product and absolute difference of unit vectors, and their cosine.

    Product and difference are scaled by sqrt(d), so that their entries are of the order of 1.
    """
    left, right = F.normalize(left, dim=-1), F.normalize(right, dim=-1)
    scale = left.shape[1] ** 0.5
    both = left * right
    cosine = both.sum(1, keepdim=True)
    return torch.cat([both * scale * scale, (left - right).abs() * scale, cosine], 1)


class TowerNet(nn.Module):
    """One tower of a PairClassifier: a batch of arrays -> vectors (n, width)."""

    def __init__(self, settings: Tower, shapes: Shapes, tops: Mapping[str, nn.Module]):
        """`shapes`: of one row of each array; `tops`: learning blocks by the array they read."""
        super().__init__()
        self.settings = settings
        self.tops = nn.ModuleDict({name: tops[name] for name in settings.arrays if name in tops})
        self.pools = nn.ModuleDict()
        width = sum(self._width(name, shapes[name]) for name in settings.arrays)
        if settings.interaction:
            width = sum(2 * shapes[name][0] + 1 for name in settings.arrays[::2])
        self.dense, self.width = dense(settings.dense, width)

    def forward(self, batch: Batch) -> Tensor:
        """Return the vectors of a batch."""
        vectors = [self._vector(name, batch) for name in self.settings.arrays]
        if self.settings.interaction:
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [interaction(left, right) for left, right in pairs]
        return self.dense(torch.cat(vectors, 1))

    def _width(self, name: str, shape: tuple[int, ...]) -> int:
        """Return what an array adds to the joined vector, and make what pools it."""
        if name in self.tops:
            return self.tops[name].width
        if len(shape) == 1:
            return shape[0]
        if self.settings.pool == "layers":
            self.pools[name] = LayerMix(shape[0])
        if self.settings.pool == "attention":
            self.pools[name] = ChunkAttention(shape[1])
        return shape[0] * shape[1] if self.settings.pool == "flatten" else shape[1]

    def _vector(self, name: str, batch: Batch) -> Tensor:
        """Return an array of a batch as (n, d)."""
        array, count = batch[name], batch.get(f"{name}_count")
        if name in self.tops:
            return self.tops[name](array, count)
        if array.ndim == 2:
            return array
        if name in self.pools:
            return self.pools[name](array, count)
        if self.settings.pool == "first":
            return array[:, 0]
        return mean_of(array, count) if self.settings.pool == "mean" else array.flatten(1)


def _there(chunks: Tensor, count: Tensor) -> Tensor:
    """Return (n, C): which chunks are there; at least the first."""
    places = torch.arange(chunks.shape[1], device=chunks.device)
    return places[None, :] < count.clamp(min=1)[:, None]

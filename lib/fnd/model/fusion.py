"""Gates and fusions: how much the picture-text agreement counts, and how vectors become one.

FND-CLIP (arXiv 2205.14304): the joint vector is weighted by the similarity of CLIP's features,
standardised with running statistics and squashed (paper) or w s + b (authors' code), and modality
attention weighs the three vectors before their sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Standardised(nn.Module):
    """sigmoid((s - mu) / sigma): statistics of the batch in training, running ones afterwards."""

    def __init__(self) -> None:
        """Running mean and deviation are buffers, saved with the weights.

        They average over all batches seen (momentum None): CLIP is frozen, so nothing drifts.
        """
        super().__init__()
        self.norm = nn.BatchNorm1d(1, affine=False, momentum=None)

    def forward(self, similarity: Tensor) -> Tensor:
        """Return the weight (n, 1) of similarities (n,)."""
        return torch.sigmoid(self.norm(similarity[:, None]))


class Affine(nn.Module):
    """w s + b with learned scalars that start in U(0, 1), as the authors' code has it."""

    def __init__(self) -> None:
        """Two parameters; the weight they give is not bounded, and may be negative."""
        super().__init__()
        self.weight = nn.Parameter(torch.rand(1))
        self.bias = nn.Parameter(torch.rand(1))

    def forward(self, similarity: Tensor) -> Tensor:
        """Return the weight (n, 1) of similarities (n,)."""
        return (self.weight * similarity + self.bias)[:, None]


GATES = {"standardised": Standardised, "affine": Affine}


class ModalityAttention(nn.Module):
    """a = sigmoid(mlp(mean M) + mlp(max M)), mean and maximum over features; then sum_k a_k M_k."""

    def __init__(self, towers: int):
        """`towers`: number of vectors, three in FND-CLIP."""
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(towers, towers), nn.GELU(), nn.Linear(towers, towers))

    def forward(self, vectors: Tensor, similarity: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the sum (n, d) of weighted vectors (n, K, d), and the weights (n, K)."""
        weights = torch.sigmoid(self.mlp(vectors.mean(-1)) + self.mlp(vectors.amax(-1)))
        return (weights.unsqueeze(-1) * vectors).sum(1), weights


class GatedFusion(nn.Module):
    """Weights softmax(W [m_1 .. m_K, s]) on the vectors, and the similarity beside their sum.

    The weights see every vector and the similarity, so that agreement can decide which modality
    counts. The similarity is standardised with running statistics.
    """

    def __init__(self, towers: int, width: int):
        """`width`: of each vector."""
        super().__init__()
        self.norm = nn.BatchNorm1d(1, affine=False, momentum=None)
        self.weigh = nn.Linear(towers * width + 1, towers)

    def forward(self, vectors: Tensor, similarity: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return (n, d + 1) of vectors (n, K, d) and similarities (n,), and the weights (n, K)."""
        s = self.norm(similarity[:, None])
        weights = torch.softmax(self.weigh(torch.cat([vectors.flatten(1), s], 1)), 1)
        fused = (weights.unsqueeze(-1) * vectors).sum(1) * vectors.shape[1]
        return torch.cat([fused, s], 1), weights


class Fusion(nn.Module):
    """Vectors of the towers -> one vector, and the weights of the towers where there are any."""

    def __init__(self, kind: str, widths: Sequence[int], normalise: bool):
        """`widths`: of the towers; all the same unless they are concatenated."""
        super().__init__()
        if kind != "concat" and len(set(widths)) > 1:
            raise ValueError(f"fusion: {kind} needs vectors of one width, got {list(widths)}")
        self.kind, self.normalise = kind, normalise
        self.weigh: nn.Module | None = None
        if kind == "attention":
            self.weigh = ModalityAttention(len(widths))
        if kind == "gated":
            self.weigh = GatedFusion(len(widths), widths[0])
        self.width = sum(widths) if kind == "concat" else widths[0] + (kind == "gated")

    def forward(
        self, vectors: Sequence[Tensor], similarity: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return (n, width) and the weights (n, K) or None.

        normalise: vectors get unit length times sqrt(d), so that towers of different scale count
        alike and a product's entries do not vanish; its sum is then d times the cosine.
        """
        if self.normalise:
            vectors = [F.normalize(one, dim=-1) * one.shape[1] ** 0.5 for one in vectors]
        if self.weigh is not None:
            return self.weigh(torch.stack(list(vectors), 1), similarity)
        if self.kind == "concat":
            return torch.cat(list(vectors), 1), None
        stacked = torch.stack(list(vectors), 1)
        return stacked.sum(1) if self.kind == "sum" else stacked.prod(1), None

"""Layers that train K seeds at once: weights of K models in one tensor, one call a layer.

A step of a small head is mostly bookkeeping, which K models then share (how much that gains is
measured in tests/benchmarks/test_memes_speed.py). Each seed has a generator of its own for initial
weights, order of rows and dropout, so that a model is the same, to rounding, whichever seeds train
beside it; K = 1 is the plain model. The K losses are added, and Adam works entry by entry, so no
model sees another's gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

CHUNK = 2000  # rows judged at once: K models of them stay small in memory


def generators(seeds: Sequence[int], place: torch.device | str = "cpu") -> list[torch.Generator]:
    """Return one seeded generator a model; ValueError without seeds."""
    if not len(seeds):
        raise ValueError("seeds: at least one is needed")
    return [torch.Generator(place).manual_seed(int(seed)) for seed in seeds]


class StackedLinear(nn.Module):
    """K linear layers: (K, b, inputs), or (b, inputs) for all of them -> (K, b, outputs)."""

    def __init__(self, draws: Sequence[torch.Generator], inputs: int, outputs: int):
        """Weights and biases uniform in +-inputs^-1/2, as PyTorch's linear layer has them."""
        super().__init__()
        self.weight = nn.Parameter(_uniform(draws, (inputs, outputs), inputs**-0.5))
        self.bias = nn.Parameter(_uniform(draws, (1, outputs), inputs**-0.5))

    def forward(self, features: Tensor) -> Tensor:
        """Return W_k x + b_k of each model."""
        if features.dim() == 2:
            features = features.expand(len(self.weight), -1, -1)
        return torch.baddbmm(self.bias, features, self.weight)


class StackedDropout(nn.Module):
    """Dropout of (K, b, units), in training only; each model draws by itself."""

    def __init__(self, draws: Sequence[torch.Generator], share: float):
        """Zero a `share` of units and scale up the rest."""
        super().__init__()
        self.draws, self.share = list(draws), share

    def forward(self, units: Tensor) -> Tensor:
        """Return units with some of them zero."""
        if not self.training or self.share == 0:
            return units
        kept = uniform(self.draws, units.shape[1:]) >= self.share
        return torch.where(kept, units / (1 - self.share), 0)


class Stream:
    """Endless batches (K, b) of row numbers: each model's own order, shuffled anew when used up."""

    def __init__(self, draws: Sequence[torch.Generator], rows: int, batch: int):
        """Draw at most `rows` rows a batch; the short rest of an order is left out."""
        self.draws, self.rows, self.batch = list(draws), rows, min(batch, rows)
        self.order, self.used = orders(draws, rows), 0

    def __next__(self) -> Tensor:
        """Return the next batch."""
        if self.used + self.batch > self.rows:
            self.order, self.used = orders(self.draws, self.rows), 0
        self.used += self.batch
        return self.order[:, self.used - self.batch : self.used]


def uniform(draws: Sequence[torch.Generator], shape: Sequence[int]) -> Tensor:
    """Return uniform numbers in [0, 1), (K, *shape), each model's from its own generator."""
    return torch.stack([torch.rand(*shape, generator=one, device=one.device) for one in draws])


def normal(draws: Sequence[torch.Generator], shape: Sequence[int]) -> Tensor:
    """Return standard normal numbers (K, *shape), each model's from its own generator."""
    return torch.stack([torch.randn(*shape, generator=one, device=one.device) for one in draws])


def orders(draws: Sequence[torch.Generator], rows: int) -> Tensor:
    """Return a permutation of the rows for each model, (K, rows)."""
    return torch.stack([torch.randperm(rows, generator=one, device=one.device) for one in draws])


@torch.no_grad()
def probabilities(model: nn.Module, features: Sequence[Tensor]) -> Tensor:
    """Return sigmoid(model(features)), (K, n, C), in chunks of rows; `features` (n, d_k) each."""
    model.eval()
    chunks = zip(*[one.split(CHUNK) for one in features], strict=True)
    return torch.cat([torch.sigmoid(model(list(chunk))) for chunk in chunks], dim=1)


def parameters_of_one(model: nn.Module) -> int:
    """Number of the parameters of one of the K models."""
    return sum(parameter.numel() // len(parameter) for parameter in model.parameters())


def _uniform(draws: Sequence[torch.Generator], shape: tuple[int, int], bound: float) -> Tensor:
    return uniform(draws, shape) * (2 * bound) - bound

"""FreeMatch (Wang et al., ICLR 2023) for labels that do not exclude another.

A label of a row is a choice between two sides, no and yes. How sure the model is by now sets how
sure is sure enough: tau, the running mean of the larger side's probability, and for each label
and side s
    tau_s = tau * q_s / max_s q_s,   q the running mean of the sides' probabilities,
so that the yes of a rare label needs less. A small term keeps the sides of the strong views from
collapsing into one (self-adaptive fairness).
"""

from __future__ import annotations

import torch
from torch import Tensor

from lib.memes.nets.head import RawNCook
from lib.memes.ssl.pseudo_label import guess, masked
from lib.memes.ssl.views import Block, Views
from lib.memes.systems.settings import SslSettings

TINY = 1e-6  # keeps quotients and logarithms finite


def sides(p: Tensor) -> Tensor:
    """Probabilities of no and yes, (..., 2)."""
    return torch.stack([1 - p, p], dim=-1)


def fairness(expected: Tensor, probabilities: Tensor, sure: Tensor) -> Tensor:
    """Return minus the cross-entropy (K,) of two distributions over sides, mean over labels.

    `expected` (K, C, 2) is that of the running means, already divided by how often each side was
    chosen; `probabilities` (K, b, C) are of strong views, counted where `sure`. A side that none
    of them chose has no share, as in the released code; labels without a sure row count 0.
    """
    counted = sure[..., None].float()
    rows = counted.sum(1).clamp(min=1)
    mean = (sides(probabilities) * counted).sum(1) / rows
    chosen = (sides((probabilities >= 0.5).float()) * counted).sum(1) / rows
    found = normed(torch.where(chosen > 0, mean / chosen.clamp(min=TINY), 0) + TINY)
    return (expected * torch.log(found + TINY)).sum(-1).mul(sure.any(1)).mean(-1)


def normed(sides_: Tensor) -> Tensor:
    """Scale the last dimension to a sum of 1."""
    return sides_ / sides_.sum(-1, keepdim=True)


class FreeMatch:
    """Unlabelled loss with thresholds that follow the model."""

    def __init__(self, head: RawNCook, views: Views, settings: SslSettings):
        """Start undecided: every threshold and mean at a half."""
        self.head, self.views, self.settings = head, views, settings
        models, _, outputs = head.output.weight.shape
        place = head.output.weight.device
        self.tau = torch.full((models, 1, 1), 0.5, device=place)
        self.mean = torch.full((models, outputs, 2), 0.5, device=place)
        self.chosen = torch.full((models, outputs, 2), 0.5, device=place)

    def thresholds(self) -> Tensor:
        """How sure a side must be, (K, C, 2); the sides of a label differ, the larger has tau."""
        return self.tau * self.mean / self.mean.max(-1, keepdim=True).values

    def learn(self, p: Tensor) -> None:
        """Move the running means towards the probabilities (K, b, C) of a batch."""
        memory, both = self.settings.ema, sides(p)
        self.tau.lerp_(both.max(-1).values.mean((1, 2))[:, None, None], 1 - memory)
        self.mean.lerp_(both.mean(1), 1 - memory)
        self.chosen.lerp_(sides((p >= 0.5).float()).mean(1), 1 - memory)

    def loss(self, features: Block, progress: float) -> Tensor:
        """Return the loss (K,) of unlabelled rows; thresholds follow the model, not `progress`."""
        p = guess(self.head, self.views.weak(features))
        self.learn(p)
        needed = self.thresholds()
        yes = p >= 0.5
        sure = torch.where(yes, p >= needed[:, None, :, 1], 1 - p >= needed[:, None, :, 0])
        logits = self.head(self.views.strong(features))
        loss = self.settings.weight * masked(logits, yes.float(), sure)
        expected = normed(self.mean / self.chosen.clamp(min=TINY))
        return loss + self.settings.fairness * fairness(expected, torch.sigmoid(logits), sure)

    def model(self) -> RawNCook:
        """Return the model that predicts."""
        return self.head

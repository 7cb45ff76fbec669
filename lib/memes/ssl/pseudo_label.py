"""Pseudo-labels (Lee 2013) and FixMatch (Sohn et al. 2020), for labels that do not exclude another.

Each label of a row is a decision of its own: where the model is sure of it, p >= tau or
p <= 1 - tau, its decision becomes the target. Pseudo-labels train on the view that they came from,
FixMatch on a strong view of the same row.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.memes.nets.head import RawNCook
from lib.memes.ssl.views import Block, Views
from lib.memes.systems.settings import SslSettings


def guess(head: RawNCook, features: Sequence[Tensor]) -> Tensor:
    """Return the probabilities (K, b, C), without dropout and gradient."""
    training = head.training
    head.eval()
    with torch.no_grad():
        found = torch.sigmoid(head(features))
    head.train(training)
    return found


def masked(logits: Tensor, targets: Tensor, sure: Tensor) -> Tensor:
    """Return the cross-entropy (K,) where `sure` (K, b, C), over the number of all entries."""
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (entropy * sure).mean((-2, -1))


class PseudoLabel:
    """Unlabelled loss of pseudo-labels; `strong` makes it FixMatch's."""

    def __init__(self, head: RawNCook, views: Views, settings: SslSettings, strong: bool = False):
        """Label with the head that is trained."""
        self.head, self.views, self.settings, self.strong = head, views, settings, strong

    def loss(self, features: Block, progress: float) -> Tensor:
        """Return the loss (K,) of unlabelled rows; `progress` is the share of steps done."""
        weak = self.views.weak(features)
        p = guess(self.head, weak)
        threshold = self.settings.threshold
        sure = (p >= threshold) | (p <= 1 - threshold)
        seen = self.views.strong(features) if self.strong else weak
        rising = min(1.0, progress / self.settings.warm_up) if self.settings.warm_up else 1.0
        weight = self.settings.weight * (1.0 if self.strong else rising)
        return weight * masked(self.head(seen), (p >= 0.5).float(), sure)

    def model(self) -> RawNCook:
        """Return the model that predicts."""
        return self.head

"""Weak and strong views of cached features: what stands in for augmenting a picture or a text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lib.memes.nets.stacking import normal, uniform
from lib.memes.systems.settings import SslSettings

Block = Sequence[Tensor]  # picture's and text's features, (K, b, d) each


class Views:
    """Makes views of batches; means and deviations are those of the training rows."""

    def __init__(
        self, training: Sequence[Tensor], settings: SslSettings, draws: Sequence[torch.Generator]
    ):
        """Measure the features (n, d) of the training rows."""
        self.mean = [one.mean(0) for one in training]
        self.spread = [one.std(0) for one in training]
        self.settings, self.draws = settings, list(draws)

    def weak(self, features: Block) -> list[Tensor]:
        """Return features with a little Gaussian noise."""
        return self._noisy(features, self.settings.weak_noise)

    def strong(self, features: Block) -> list[Tensor]:
        """Return features mixed with a neighbour in the batch, noisy, and partly hidden.

        Hidden features take their mean. Picture or text is hidden as a whole now and then, never
        both: what is left has to foretell the label.
        """
        own = self.settings
        share = uniform(self.draws, (features[0].shape[1], 1)) * own.mixup
        mixed = [one + share * (one.roll(1, dims=1) - one) for one in features]
        chance = uniform(self.draws, (features[0].shape[1], 1))  # which modality goes, if any
        found = []
        for place, one in enumerate(self._noisy(mixed, own.noise)):
            low, high = place * own.modality_drop / 2, (place + 1) * own.modality_drop / 2
            hidden = uniform(self.draws, one.shape[1:]) < own.drop
            hidden = hidden | ((chance >= low) & (chance < high))
            found.append(torch.where(hidden, self.mean[place], one))
        return found

    def _noisy(self, features: Block, size: float) -> list[Tensor]:
        pairs = zip(features, self.spread, strict=True)
        return [one + size * spread * normal(self.draws, one.shape[1:]) for one, spread in pairs]

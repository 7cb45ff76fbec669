"""Features of any weights between zero-shot and fine-tuned, cached on disk by what they depend on.

A feature file's name is the digest of the activations, the tower and the weights' recipe, so adding
an alpha computes that alpha only, in the tower that changes only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib import interpolation, paths
from lib.checkpoints import file_digest
from lib.embeddings import digest_of
from lib.retrieval.finetune.activations import Pictures, Titles
from lib.retrieval.finetune.towers import State, Towers, read_tuned

FOLDER = ("retrieval", "features")


@dataclass(frozen=True)
class Weights:
    """Weights of the tops: `key` says what they are, `make` makes them when they are needed."""

    key: str
    make: Callable[[], State]


class Interpolator:
    """Weights between an encoder's own and those of one file of trained tensors."""

    def __init__(self, towers: Towers, file: Path | str):
        """Read theta_1 from `file`; TunedError unless it belongs to the encoder."""
        self.towers, self.theta1 = towers, read_tuned(file, towers)
        self.digest = file_digest(paths.resolve(file))

    def at(self, alpha: float) -> Weights:
        """WiSE-FT's weights; alpha 0 is the same for every file of one encoder."""
        if alpha == 0:
            return zero_shot(self.towers)
        return self._mixed(f"alpha={alpha:g}", interpolation.wise_ft(alpha))

    def lines(self, alpha: float, beta: float) -> Weights:
        """LiNeS' weights; depth counts over the layers that were trained."""
        return self._mixed(
            f"alpha={alpha:g} beta={beta:g}", interpolation.lines(alpha, beta, self.theta1)
        )

    def _mixed(self, setting: str, alpha_of: interpolation.AlphaOf) -> Weights:
        key = digest_of([self.towers.digest, self.digest, setting])
        zero = self.towers.zero
        return Weights(key, lambda: interpolation.interpolate(zero, self.theta1, alpha_of))


def zero_shot(towers: Towers) -> Weights:
    """The encoder's own weights."""
    return Weights(digest_of([towers.digest]), lambda: towers.zero)


def fixed(state: State, parts: Sequence[str]) -> Weights:
    """Weights made already, such as a soup; `parts` names what they are made of."""
    return Weights(digest_of(list(parts)), lambda: state)


class FeatureCache:
    """Features of one tops' weights on lists of activations; remembers which weights are loaded."""

    def __init__(self, towers: Towers):
        """Start with nothing computed."""
        self.towers, self.loaded = towers, ""
        self.computed: list[str] = []  # names of the files made, for whoever wants to count

    def images(self, weights: Weights, found: Pictures) -> np.ndarray:
        """Return unit-length features (n, d) of all pictures; NaN where there is none."""
        encode = self.towers.image_features
        rows = np.arange(len(found.valid))
        return self._cached("image", weights, found.key, lambda: encode(found, rows))

    def texts(self, weights: Weights, found: Titles) -> np.ndarray:
        """Return unit-length features (n, d) of all texts."""
        encode = self.towers.text_features
        rows = np.arange(len(found.ids))
        return self._cached("text", weights, found.key, lambda: encode(found, rows))

    def use(self, weights: Weights) -> None:
        """Put weights in the towers, unless they are there."""
        if self.loaded != weights.key:
            self.towers.load(weights.make())
            self.loaded = weights.key

    def _cached(
        self, tower: str, weights: Weights, inputs: str, compute: Callable[[], np.ndarray]
    ) -> np.ndarray:
        boundaries = list(self.towers.boundaries)
        name = digest_of([tower, weights.key, inputs, boundaries])[:32] + ".npy"
        file = paths.scratch(*FOLDER) / name
        if not file.is_file():
            self.use(weights)
            part = file.with_name(f".{name}.{os.getpid()}.npy")
            np.save(part, compute())
            os.replace(part, file)
            self.computed.append(name)
        return np.load(file)

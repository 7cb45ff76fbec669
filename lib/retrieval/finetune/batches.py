"""Training pairs from cached activations: whole epochs in a seeded order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from lib.retrieval.finetune.activations import Pictures, Titles


@dataclass(frozen=True)
class Pairs:
    """Rows to learn from or to validate on: positions of a picture and of its text, and groups."""

    picture: np.ndarray  # (n,) row of Pictures
    title: np.ndarray  # (n,) row of Titles
    group: np.ndarray  # (n,) int64; rows of one group are no negatives of each other


class PairBatches:
    """Batches of pairs (see lib.training.Batches): every pair once an epoch, nearly equal sizes."""

    def __init__(
        self,
        pairs: Pairs,
        found: tuple[Pictures, Titles],
        batch: int,
        seed: int,
        place: Callable[[Any], Any] = lambda inputs: inputs,
    ):
        """Take pairs of cached activations; `place` moves inputs to the model's device."""
        self.pairs, self.found, self.seed, self.place = pairs, found, seed, place
        self.steps = max(1, round(len(pairs.title) / batch))

    def epoch(self, number: int) -> Iterator[tuple[Any, Any, torch.Tensor]]:
        """Yield the batches of one epoch, the same ones whenever it is asked again."""
        order = np.random.default_rng([self.seed, 3, number]).permutation(len(self.pairs.title))
        images, texts = self.found
        for rows in np.array_split(order, self.steps):
            group = torch.from_numpy(self.pairs.group[rows])
            image = self.place(images.take(self.pairs.picture[rows]))
            text = self.place(texts.take(self.pairs.title[rows]))
            yield image, text, self.place(group)


def learnable(
    table: pd.DataFrame, valid: np.ndarray, rewritten: Sequence[str | None] | None = None
) -> tuple[list[str], Pairs]:
    """Return the texts to cache and the pairs of them that have both a picture and a text.

    table: rows of a pairs table; valid (n,): its picture can be read. With `rewritten` a row comes
    a second time with its paraphrase, unless that is None.
    """
    group = pd.factorize(table["group"])[0].astype(np.int64)
    usable = np.flatnonzero(valid & (table["text"] != "").to_numpy())
    wanted = [(row, table["text"].iloc[row]) for row in usable]
    if rewritten is not None:
        wanted += [(row, rewritten[row]) for row in usable if rewritten[row] is not None]
    texts = list(dict.fromkeys(text for _, text in wanted))
    place = {text: number for number, text in enumerate(texts)}
    rows = np.array([row for row, _ in wanted], np.int64)
    title = np.array([place[text] for _, text in wanted], np.int64)
    return texts, Pairs(rows, title, group[rows])

"""What every system of the memes study is given, and what it gives back.

Labels reach a system by two doors: `Inputs.known` (the labelled training rows of a draw) and
`Inputs.judge` (scores on validation rows, which only the history keeps). TIB-VA alone also reads
the validation rows' label misogynous, to choose its epoch as released. Labels of test rows and of
unlabelled training rows have no door.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib.data.readers.mami.tables import LABELS, TYPES
from lib.memes import draws
from lib.memes.draws import Draw
from lib.memes.scores import macro_auc, task_b

THRESHOLD = 0.5  # from which score on a label is given, as released


class Fitted(NamedTuple):
    """A trained system on one draw with one seed.

    `scores` (N, C) float32 probabilities of all rows: C = 5 with misogynous first, or the four
    types; `history` one entry an epoch (epoch from 1, loss, task_b and auc on validation rows),
    empty where nothing is trained step by step; `parameters` the trained ones, 0 without any.
    """

    scores: np.ndarray
    history: list[dict[str, float]]
    parameters: int


@dataclass(frozen=True)
class Inputs:
    """Rows of the pairs table as arrays; see `build`."""

    image: np.ndarray  # (N, d) float32, not normalised
    text: np.ndarray  # (N, d) float32
    targets: np.ndarray  # (N, 5) 0 or 1, in the order of LABELS; -1 unknown, never on a used row
    split: np.ndarray  # (N,) train, validation or test
    group: np.ndarray  # (N,) near-duplicates
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)  # other features by name, N rows
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)  # once a draw

    def __post_init__(self) -> None:
        """Raise ValueError for arrays whose rows differ, or features that are not finite."""
        rows = len(self.split)
        named = {k: getattr(self, k) for k in ("image", "text", "targets", "group")}
        for name, array in [*named.items(), *self.extra.items()]:
            if len(array) != rows:
                raise ValueError(f"{name}: {len(array)} rows, but split has {rows}")
        for name in ("image", "text"):
            bad = ~np.isfinite(named[name]).all(1)
            if bad.any():
                raise ValueError(f"{name}: row {int(np.argmax(bad))} is not finite")
        if self.targets.shape != (rows, len(LABELS)):
            raise ValueError(f"targets: shape {self.targets.shape}, not {(rows, len(LABELS))}")

    def rows(self, split: str) -> np.ndarray:
        """Positions of the rows of a split."""
        return np.flatnonzero(self.split == split)

    def draw(
        self, ratio: float, seed: int = 42, how: Literal["plain", "stratified"] = "plain"
    ) -> Draw:
        """Draw the labelled training rows; positions are those of the whole table."""
        train = self.rows("train")
        chosen = draws.draw(self.targets[train, 1:], ratio, seed, how)
        return Draw(train[chosen.labelled], train[chosen.unlabelled])

    def known(self, draw: Draw, outputs: int = 4) -> Tensor:
        """Labels (n, outputs) of the labelled rows: the four types, or five, misogynous first."""
        return torch.tensor(self.targets[draw.labelled][:, -outputs:], device=device()).float()

    def tensor(self, name: str) -> Tensor:
        """A feature block by name, (N, ...) float32 on the device."""
        if ("tensor", name) not in self.memo:
            known = {"image": self.image, "text": self.text, **self.extra}
            if name not in known:
                raise ValueError(f"features: {name!r} is none of {', '.join(known)}")
            self.memo["tensor", name] = torch.tensor(
                np.asarray(known[name]), device=device()
            ).float()
        return self.memo["tensor", name]

    @cached_property
    def validation(self) -> np.ndarray:
        """Positions of the validation rows."""
        return self.rows("validation")

    def judge(self, scores: np.ndarray) -> dict[str, float]:
        """Task B at .5 and macro AUC of scores (validation rows, C); NaN without such rows."""
        truth, types = self.targets[self.validation, 1:], scores[:, -len(TYPES) :]
        if not len(truth):
            return {"task_b": float("nan"), "auc": float("nan")}
        given = (types >= THRESHOLD).astype(int)
        return {"task_b": task_b(truth, given), "auc": macro_auc(truth, types)}


def build(
    table: pd.DataFrame,
    image: np.ndarray,
    text: np.ndarray,
    split: Sequence[str],
    extra: Mapping[str, np.ndarray] | None = None,
) -> Inputs:
    """Return the inputs of a pairs table with features (N, d) in its order.

    `split` (N,) as `draws.with_validation` makes it. A row without picture (NaN) gets the mean
    picture of the training rows: a test meme without one is still scored.
    """
    split = np.asarray(split)
    image, text = (np.array(array, dtype=np.float32) for array in (image, text))
    gone = np.isnan(image).any(1)
    if gone.any():
        image[gone] = image[~gone & (split == "train")].mean(0)
    targets = table[list(LABELS)].to_numpy(np.int64)
    for place in np.flatnonzero((targets < 0).any(1) & (split != "test"))[:1]:
        raise ValueError(f"targets: row {place} ({table['id'].iloc[place]}) has no label")
    return Inputs(image, text, targets, split, table["group"].to_numpy(), dict(extra or {}))


def device() -> torch.device:
    """Where heads train: the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def judge_each(inputs: Inputs, scores: Tensor) -> list[dict[str, float]]:
    """Judge the scores of K models on validation rows, (K, n, C)."""
    return [inputs.judge(one) for one in scores.cpu().numpy()]


def history_of(
    losses: Sequence[float], judged: Sequence[dict[str, float]]
) -> list[dict[str, float]]:
    """Return the history from the training loss and the validation scores of each epoch."""
    pairs = enumerate(zip(losses, judged, strict=True), start=1)
    return [{"epoch": epoch, "loss": loss, **scores} for epoch, (loss, scores) in pairs]


def fitted(
    scores: Tensor,
    losses: Sequence[Sequence[float]],
    judged: Sequence[Sequence[dict[str, float]]],
    parameters: int,
) -> list[Fitted]:
    """Return K fitted models from scores (K, N, C), and K losses and judgements an epoch."""
    histories = [
        history_of(*one)
        for one in zip(zip(*losses, strict=True), zip(*judged, strict=True), strict=True)
    ]
    each = zip(scores.cpu().numpy().astype(np.float32), histories, strict=True)
    return [Fitted(one, history, parameters) for one, history in each]

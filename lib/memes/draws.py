"""Draws of SemiMemes: validation rows out of training ones, and the few rows that keep labels.

Decisions: the paper's split of 10,000 into 8000 and 2000 is not published; here it is stratified
by label set and never cuts a group. The labelled rows are drawn plainly, as released (pandas'
sample, random_state 42, so that .3 of 8000 are 2400, not the 2000 of the slides), or stratified
by label set: at .05 a plain draw has some 38 memes of the rarest type, more or less by luck.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from lib.data.splits import split_groups

RATIOS = (0.3, 0.1, 0.05)  # shares of labelled training rows


class Draw(NamedTuple):
    """Positions of the rows that keep their labels and of the rest, each in rising order."""

    labelled: np.ndarray
    unlabelled: np.ndarray


def label_sets(targets: np.ndarray) -> pd.Series:
    """The label set of each row (n,), such as "0110"; `targets` (n, C) of 0 and 1."""
    return pd.Series(["".join(map(str, row)) for row in np.asarray(targets, int)], dtype="str")


def with_validation(pairs: pd.DataFrame, targets: np.ndarray, seed: int = 42) -> pd.Series:
    """Splits (n,) with a fifth of the training rows as validation, indexed like `pairs`.

    Other rows keep their split; so do all, where a split is validation already (TIB-VA's copy).
    """
    split = pairs["split"]
    if (split == "validation").any():
        return split
    sets = label_sets(targets).set_axis(pairs.index)
    free = split == "train"
    shares = {"train": 0.8, "validation": 0.2}
    made = split_groups(pairs.loc[free, "group"], shares, seed, sets[free])
    return split.where(~free, made)


def draw(
    targets: np.ndarray, ratio: float, seed: int = 42, how: Literal["plain", "stratified"] = "plain"
) -> Draw:
    """Choose the labelled among n training rows, round(ratio n) of them; same seed, same rows.

    `targets` (n, C) are looked at only when stratified; the number may then be off by one. Raises
    ValueError for a ratio that leaves either part empty.
    """
    rows = len(targets)
    if not 0 < round(ratio * rows) < rows:
        raise ValueError(f"ratio: {ratio} of {rows} rows leaves no row with or without a label")
    if how == "plain":
        chosen = pd.Series(range(rows)).sample(frac=ratio, random_state=seed).to_numpy()
    elif how == "stratified":
        shares = {"train": ratio, "test": 1 - ratio}
        split = split_groups(pd.Series(range(rows)), shares, seed, label_sets(targets))
        chosen = np.flatnonzero(split == "train")
    else:
        raise ValueError(f"how: must be plain or stratified, got {how!r}")
    mask = np.zeros(rows, bool)
    mask[chosen] = True
    return Draw(np.flatnonzero(mask), np.flatnonzero(~mask))

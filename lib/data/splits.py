"""Splits that never cut a group, and a report on official splits that do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.schema import COLUMNS, SPLITS


def check_fractions(fractions: Mapping[str, float]) -> None:
    """Raise ValueError, naming the split, unless the fractions are shares of known splits."""
    for name, share in fractions.items():
        if name not in SPLITS or name == "":
            raise ValueError(f"split {name!r}: must be one of train, validation, test")
        if not 0 <= share <= 1:
            raise ValueError(f"split {name!r}: its share {share} is not in 0..1")
    if not np.isclose(sum(fractions.values()), 1):
        raise ValueError(f"split fractions: sum to {sum(fractions.values()):g}, not to 1")


def split_groups(
    group: pd.Series, fractions: Mapping[str, float], seed: int, stratum: pd.Series | None = None
) -> pd.Series:
    """Give each row a split such that no group is cut; returns (n,) names, indexed like `group`.

    Groups are laid in a row, stratum by stratum, large ones first and otherwise shuffled; each goes
    to the split that is furthest behind its share of the rows so far. So each split follows its
    share all along the row: overall, and in each stratum. A split exceeds its share by less than
    one group. A group belongs to the stratum of most of its rows. The order of the rows is
    irrelevant.
    """
    check_fractions(fractions)
    names = [name for name in fractions if fractions[name] > 0]
    shares = np.array([fractions[name] for name in names])
    groups = _ordered_groups(group, stratum, seed)
    filled, chosen = np.zeros(len(names)), []
    for size in groups["size"]:
        behind = shares * (filled.sum() + size) - filled
        choice = int(np.argmax(np.round(behind, 9)))
        filled[choice] += size
        chosen.append(names[choice])
    split = dict(zip(groups["group"], chosen, strict=True))
    return group.map(split).astype(str).rename("split")


def _ordered_groups(group: pd.Series, stratum: pd.Series | None, seed: int) -> pd.DataFrame:
    """One row a group: group, size, in the order in which they are given out."""
    stratum = pd.Series("", index=group.index) if stratum is None else stratum
    rows = pd.DataFrame({"group": group.to_numpy(), "stratum": stratum.to_numpy()})
    votes = rows.value_counts(["group", "stratum"], sort=False).rename("votes").reset_index()
    votes = votes.sort_values(["group", "votes", "stratum"], ascending=[True, False, True])
    groups = votes.drop_duplicates("group").drop(columns="votes")
    groups = groups.assign(size=groups["group"].map(rows["group"].value_counts()))
    groups["draw"] = np.random.default_rng(seed).random(len(groups))
    return groups.sort_values(["stratum", "size", "draw"], ascending=[True, False, True])


def with_splits(pairs: pd.DataFrame, fractions: Mapping[str, float], seed: int) -> pd.DataFrame:
    """The pairs with a split each; official splits, where a data set has them, stay as they are.

    Stratified by the label when there is one label column.
    """
    if (pairs["split"] != "").any():
        return pairs
    labels = [column for column in pairs.columns if column not in COLUMNS]
    stratum = pairs[labels[0]] if len(labels) == 1 else None
    return pairs.assign(split=split_groups(pairs["group"], fractions, seed, stratum))


def crossing_groups(pairs: pd.DataFrame) -> pd.DataFrame:
    """Groups with rows in more than one split: group, splits, rows; rows without a split aside.

    For official splits, which stay as they are: the score on the clean subset leaves these out.
    """
    placed = pairs.loc[pairs["split"] != "", ["group", "split"]]
    found = placed.groupby("group")["split"].agg(
        splits=lambda names: " ".join(sorted(set(names))), count="nunique", rows="size"
    )
    return found[found["count"] > 1].drop(columns="count").reset_index()

"""Splits that never cut a group, and a report on official splits that do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.schema import SPLITS, label_columns


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


def split_in_time(pairs: pd.DataFrame, fractions: Mapping[str, float]) -> pd.Series:
    """Give each row a split by time, the earliest to train; (n,) names, indexed like `pairs`.

    Each source is cut by itself: by `date` where all its rows have one, else by the order of its
    rows (see `ordered_by`). No group is cut, also none that spans sources: a group stands where its
    last member stands, so what is learned from never lies behind the cut. A source's split that is
    full stays closed; it may miss its share by one group, and by the groups that another source
    pushed over the cut.
    """
    check_fractions(fractions)
    names = [name for name in SPLITS if fractions.get(name, 0) > 0]
    place = _place_in_time(pairs)
    groups = pairs.assign(place=place).groupby("group", sort=True)
    order = groups["place"].max().sort_values(kind="stable").index
    sizes = {group: rows.value_counts().to_dict() for group, rows in groups["source"]}
    totals = pairs["source"].value_counts()
    room = {s: [round(fractions[name] * n) for name in names] for s, n in totals.items()}
    reached = dict.fromkeys(totals.index, 0)  # the split that a source has come to
    chosen = {}
    for group in order:
        level = max(reached[source] for source in sizes[group])
        while level < len(names) - 1 and any(
            room[source][level] < n for source, n in sizes[group].items()
        ):
            for source, n in sizes[group].items():
                if room[source][level] < n:
                    reached[source] = max(reached[source], level + 1)
            level += 1
        for source, n in sizes[group].items():
            room[source][level] -= n
        chosen[group] = names[level]
    return pairs["group"].map(chosen).astype(str).rename("split")


def ordered_by(pairs: pd.DataFrame) -> pd.Series:
    """What orders each source in time: `date`, or `row` where a row of it has no date."""
    dated = (pairs["date"] != "").groupby(pairs["source"]).all()
    return dated.map({True: "date", False: "row"}).rename("ordered by")


def _place_in_time(pairs: pd.DataFrame) -> pd.Series:
    """Place (n,) of a row in its source, 0 to 1: sources of any length can be compared."""
    by_row = pd.Series(np.arange(len(pairs)), index=pairs.index)
    by_date = pairs["date"].rank(method="dense")  # ISO dates sort as text
    dated = pairs["source"].map(ordered_by(pairs)) == "date"
    key = by_date.where(dated, by_row)
    return key.groupby(pairs["source"]).rank(method="first", pct=True)


def with_splits(
    pairs: pd.DataFrame, fractions: Mapping[str, float], seed: int, in_time: bool = False
) -> pd.DataFrame:
    """The pairs with a split each; official splits, where a data set has them, stay as they are.

    By time, or at random, then stratified by the label when there is one label column. A set with
    an official test split has the rest of its rows split among the other splits, by their shares.
    """
    free = pairs["split"] == ""
    if not free.any():
        return pairs
    rest, official = pairs[free], set(pairs.loc[~free, "split"])
    shares = {name: share for name, share in fractions.items() if name not in official}
    shares = {name: share / sum(shares.values()) for name, share in shares.items()}
    if in_time:
        made = split_in_time(rest, shares)
    else:
        labels = label_columns(pairs)
        stratum = rest[labels[0]] if len(labels) == 1 else None
        made = split_groups(rest["group"], shares, seed, stratum)
    return pairs.assign(split=made.reindex(pairs.index).fillna(pairs["split"]).astype(str))


def outlet_split(pairs: pd.DataFrame, fractions: Mapping[str, float], seed: int) -> pd.Series:
    """Give each row a split such that no outlet (`source`) is in two; (n,), indexed like `pairs`.

    Test outlets are never seen in training: what a model knows of them is no help. A group that
    outlets of several splits tell stays in the test rows, else in validation, and gets "" in the
    others, as do rows without an outlet.
    """
    named = pairs["source"] != ""
    made = split_groups(pairs.loc[named, "source"], fractions, seed)
    place = made.map(SPLITS.index).reindex(pairs.index)
    last = place.groupby(pairs["group"]).transform("max")
    kept = named & (place == last)
    return made.reindex(pairs.index).where(kept, "").astype(str).rename("split_outlet")


def crossing_groups(pairs: pd.DataFrame) -> pd.DataFrame:
    """Groups with rows in more than one split: group, splits, rows; rows without a split aside.

    For official splits, which stay as they are: the score on the clean subset leaves these out.
    """
    placed = pairs.loc[pairs["split"] != "", ["group", "split"]]
    found = placed.groupby("group")["split"].agg(
        splits=lambda names: " ".join(sorted(set(names))), count="nunique", rows="size"
    )
    return found[found["count"] > 1].drop(columns="count").reset_index()


def spans(pairs: pd.DataFrame) -> pd.DataFrame:
    """Each split of each source: source, split, posts, first and last day, lang, ordered by.

    `ordered by` is what a split in time goes by: date, or row where a row has no date.
    """
    table = pairs.assign(day=pairs["date"].str[:10].replace("", None))
    table["place"] = table["split"].map(SPLITS.index)
    found = table.groupby(["source", "place"], as_index=False).agg(
        split=("split", "first"),
        posts=("id", "size"),
        first=("day", "min"),
        last=("day", "max"),
        lang=("lang", lambda codes: " ".join(sorted(set(codes)))),
    )
    found["ordered by"] = found["source"].map(ordered_by(pairs))
    return found.drop(columns="place").fillna("")

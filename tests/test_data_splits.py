"""Splits: no group is cut, shares are met within a group's size, labels are spread."""

import numpy as np
import pandas as pd
import pytest

from lib.data.splits import (
    check_fractions,
    crossing_groups,
    ordered_by,
    outlet_split,
    split_groups,
    split_in_time,
    with_splits,
)
from lib.schema import COLUMNS

SHARES = {"train": 0.6, "validation": 0.1, "test": 0.3}


def world(seed: int, n: int = 400) -> pd.DataFrame:
    """Posts in groups of very uneven sizes, labels of Zipf frequency, all drawn from a seed."""
    rng = np.random.default_rng(seed)
    sizes = np.minimum(rng.zipf(rng.uniform(1.5, 3.5), n), 40)
    group = np.repeat([f"g{i}" for i in range(n)], sizes)[:n]
    label = np.array([f"l{v}" for v in np.minimum(rng.zipf(1.6, n), 12)])
    table = pd.DataFrame({"group": group, "label": label}, dtype=str)
    return table.sample(frac=1, random_state=seed)


@pytest.mark.parametrize("seed", range(30))
def test_no_group_is_cut_and_shares_are_met_within_a_group(seed):
    table = world(seed)
    rng = np.random.default_rng(seed)
    names = list(SHARES)[: rng.integers(1, 4)]
    shares = dict(zip(names, rng.dirichlet(np.ones(len(names)) * 3), strict=True))
    split = split_groups(table["group"], shares, seed, table["label"])
    assert split.index.equals(table.index)
    assert split.groupby(table["group"]).nunique().max() == 1
    largest = table["group"].value_counts().max()
    excess = pd.Series(
        {name: (split == name).sum() - share * len(table) for name, share in shares.items()}
    )
    assert excess.max() < largest
    assert excess.min() > -largest * max(len(names) - 1, 1)


def test_labels_keep_their_shares():
    table = world(5).assign(group=[f"g{i}" for i in range(400)])
    split = split_groups(table["group"], SHARES, 0, table["label"])
    for _, part in split.groupby(table["label"]):
        for name, share in SHARES.items():
            assert abs((part == name).sum() - share * len(part)) <= 2


def test_seed_and_row_order():
    table = world(7)
    first = split_groups(table["group"], SHARES, 0, table["label"])
    again = split_groups(table["group"], SHARES, 0, table["label"])
    turned = table.sample(frac=1, random_state=3)
    other_order = split_groups(turned["group"], SHARES, 0, turned["label"])
    assert first.equals(again)
    assert other_order.loc[table.index].equals(first)
    assert not split_groups(table["group"], SHARES, 1, table["label"]).equals(first)


def test_split_without_share_gets_nothing():
    table = world(2)
    split = split_groups(table["group"], {"train": 0.0, "test": 1.0}, 0)
    assert set(split) == {"test"}


@pytest.mark.parametrize(
    ("shares", "reason"),
    [
        ({"train": 0.5, "test": 0.4}, "sum to 0.9"),
        ({"train": 0.5, "dev": 0.5}, "'dev'"),
        ({"train": 1.5, "test": -0.5}, "'train'"),
        ({}, "sum to 0"),
    ],
)
def test_bad_fractions_are_refused(shares, reason):
    with pytest.raises(ValueError, match=reason):
        check_fractions(shares)


def test_official_splits_that_cross_are_reported():
    pairs = pd.DataFrame(
        {
            "group": ["a", "a", "a", "b", "b", "c", "c"],
            "split": ["train", "test", "test", "train", "train", "test", ""],
        }
    )
    assert crossing_groups(pairs).to_dict("records") == [
        {"group": "a", "splits": "test train", "rows": 3}
    ]
    table = world(4)
    made = table.assign(split=split_groups(table["group"], SHARES, 0))
    assert crossing_groups(made).empty


def test_official_splits_stay_and_others_are_made():
    table = world(6).assign(split="")
    made = with_splits(table, SHARES, 0)
    assert made["split"].equals(split_groups(table["group"], SHARES, 0, table["label"]))
    official = table.assign(split="test")
    assert with_splits(official, SHARES, 0) is official


def test_beside_an_official_test_the_rest_is_split_by_the_other_shares():
    table = world(7).assign(split="")
    table.loc[table.index[::4], "split"] = "test"
    shares = {"train": 0.6, "validation": 0.2, "test": 0.2}
    made = with_splits(table, shares, 0)
    was = table["split"] == "test"
    assert made["split"].eq("test").equals(was), "the official test set has changed"
    ours = made[~was]
    found = ours["split"].value_counts(normalize=True)
    assert found["train"] == pytest.approx(0.75, abs=0.03)
    assert ours.groupby("group")["split"].nunique().max() == 1


@pytest.mark.parametrize("seed", range(5))
def test_no_outlet_is_on_both_sides(seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"source": [f"o{k}" for k in rng.integers(20, size=800)]})
    table["group"] = [f"g{k}" for k in rng.integers(600, size=800)]
    table.loc[:3, "source"] = ""
    split = outlet_split(table, SHARES, seed)
    kept = table.assign(split=split)[split != ""]
    assert kept.groupby("source")["split"].nunique().max() == 1
    assert kept.groupby("group")["split"].nunique().max() == 1
    assert split[:4].eq("").all()
    tests = kept.loc[kept["split"] == "test", "source"].unique()
    assert split[table["source"].isin(tests)].eq("test").all(), "a test row was left out"
    assert split.eq("test").mean() == pytest.approx(SHARES["test"], abs=0.06)
    assert split.equals(outlet_split(table.iloc[::-1], SHARES, seed).reindex(table.index))


def news(seed: int, n: int = 300) -> pd.DataFrame:
    """Articles of three sources, two of them dated, in groups that also span sources."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=range(n))
    table["id"] = [f"n{i}" for i in range(n)]
    table["source"] = rng.choice(["rt", "rss", "x"], n, p=[0.6, 0.3, 0.1])
    days = pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 90, n), "D")
    table["date"] = np.where(table["source"] == "x", "", days.strftime("%Y-%m-%d"))
    copies = rng.integers(0, n, n)
    table["group"] = np.where(rng.random(n) < 0.1, table["id"].to_numpy()[copies], table["id"])
    return table


@pytest.mark.parametrize("seed", range(20))
def test_in_time_nothing_learned_lies_behind_the_cut(seed):
    table = news(seed)
    split = split_in_time(table, {"train": 0.8, "validation": 0.2})
    assert split.groupby(table["group"]).nunique().max() == 1
    for source, rows in table.assign(split=split).groupby("source"):
        key = rows["date"] if source != "x" else pd.Series(rows.index, rows.index)
        train, later = key[rows["split"] == "train"], key[rows["split"] == "validation"]
        alone = rows["group"].map(table["group"].value_counts()) == 1
        assert train.max() <= later[alone[later.index]].min()
        grouped = (~alone).sum()  # what other sources and copies may push over the cut
        assert round(0.8 * len(rows)) - grouped <= len(train) <= round(0.8 * len(rows))


def test_in_time_a_group_stands_where_its_last_member_stands():
    dates = [f"2022-01-{day:02}" for day in range(1, 11)]
    table = pd.DataFrame(
        {"source": "rt", "date": dates, "group": ["a", *"bcdefgh", "i", "a"], "split": ""}
    )
    split = split_in_time(table, {"train": 0.8, "validation": 0.2}).tolist()
    assert split == ["validation"] + ["train"] * 8 + ["validation"]


def test_in_time_a_source_without_all_dates_goes_by_row():
    table = news(1)
    assert ordered_by(table).to_dict() == {"rss": "date", "rt": "date", "x": "row"}
    one = table.index[table["source"] == "rt"][0]
    table.loc[one, "date"] = ""
    assert ordered_by(table)["rt"] == "row"


def test_in_time_official_tests_stay():
    table = news(2)
    table.loc[::4, "split"] = "test"
    made = with_splits(table, {"train": 0.8, "validation": 0.2}, 0, in_time=True)
    assert (made.loc[::4, "split"] == "test").all()
    assert set(made.loc[table["split"] == "", "split"]) == {"train", "validation"}
    assert crossing_groups(made[made["split"] != "test"]).empty
    assert not crossing_groups(made).empty  # reported, not mended

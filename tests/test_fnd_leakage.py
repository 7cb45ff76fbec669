"""The leakage report: each leak is found where it is planted, and nothing where there is none."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from lib.fnd import leakage
from lib.fnd.leakage import Leakage, containment, outlet_scores, report

QUICK = Leakage(bootstrap=50)
WORDS = [f"w{number}" for number in range(4000)]


def articles(n=400, leak=0.4, seed=0):
    """Articles of eight outlets whose share of label 1 spreads by `leak` around one half."""
    rng = np.random.default_rng(seed)
    outlet = rng.integers(8, size=n)
    share = 0.5 + leak * np.linspace(-1, 1, 8)[outlet]
    texts = [" ".join(rng.choice(WORDS, 30)) for _ in range(n)]
    names = [f"a{number:04d}" for number in range(n)]
    return pd.DataFrame({
        "id": names, "group": names, "source": [f"Paper {k}" for k in outlet], "text": texts,
        "body": [" ".join(rng.choice(WORDS, 60)) for _ in range(n)],
        "label": (rng.random(n) < share).astype(int),
        "split": np.where(np.arange(n) % 4 == 0, "test", "train"),
        "split_outlet": np.where(outlet == 0, "test", "train"),
        "phash": [f"{v:016x}" for v in rng.integers(1, 2**63, n, dtype=np.int64)],
    })  # fmt: skip


def row(table, check, protocol="story"):
    found = table[table["check"].str.startswith(check) & table["protocol"].eq(protocol)]
    assert len(found) == 1
    return found.iloc[0]


def test_nothing_leaks_in_a_clean_table():
    table = report(articles(leak=0.0), QUICK)
    assert list(table.columns) == leakage.COLUMNS
    area = row(table, "outlet-only AUC", "all")
    assert area["low"] < 0.55
    for protocol in ("story", "outlet"):
        for check in ("test rows in crossing", "test text", "test body", "test pictures"):
            assert row(table, check, protocol)["value"] == 0
    assert row(table, "test rows of known outlets")["value"] == 1
    assert row(table, "test rows of known outlets", "outlet")["value"] == 0
    assert row(table, "texts signed", "all")["value"] == 0


def test_an_outlet_that_tells_the_label_is_found_out_of_fold():
    pairs = articles(n=2000)
    table = report(pairs, QUICK)
    found = row(table, "outlet-only accuracy", "all")
    assert found["low"] > found["baseline"] + 0.1
    area = row(table, "outlet-only AUC", "all")
    assert area["value"] == pytest.approx(
        roc_auc_score(pairs["label"], outlet_scores(pairs, QUICK, 0))
    )


def test_a_group_never_helps_itself():
    pairs = articles(n=200, leak=0.0)
    pairs["source"] = pairs["group"] = [f"g{number // 2}" for number in range(200)]
    pairs["label"] = [number // 2 % 2 for number in range(200)]  # both of a group alike
    scores = outlet_scores(pairs, QUICK, 0)
    assert len(set(scores.round(9))) <= QUICK.folds, "an outlet of one group was known"


def test_planted_copies_are_counted():
    pairs = articles()
    tests = pairs.index[pairs["split"] == "test"][:5]
    trains = pairs.index[pairs["split"] == "train"][:5]
    pairs.loc[tests[0], "group"] = pairs.loc[trains[0], "group"]
    pairs.loc[tests[1], "text"] = pairs.loc[trains[1], "text"] + " and more"
    half = pairs.loc[trains[2], "body"].split()[:50]
    pairs.loc[tests[2], "body"] = " ".join(half + WORDS[:10])
    bits = int(pairs.loc[trains[3], "phash"], 16)
    pairs.loc[tests[3], "phash"] = f"{bits ^ 0b111:016x}"
    pairs.loc[tests[4], "text"] += f" - {pairs.loc[tests[4], 'source']}"
    table, n = report(pairs, QUICK), int((pairs["split"] == "test").sum())
    for check in ("test rows in crossing", "test text", "test body", "test pictures"):
        assert row(table, check)["value"] == pytest.approx(1 / n), check
        assert row(table, check)["rows"] == n
    assert row(table, "texts signed", "all")["value"] == pytest.approx(1 / len(pairs))
    strict = report(pairs, Leakage(bootstrap=50, hash_distance=2, contained=0.9))
    assert row(strict, "test pictures")["value"] == 0
    assert row(strict, "test body")["value"] == 0


def test_containment_by_hand():
    others = ["a b c d e", "x y z"]
    found = containment(["A, b c d!", "c d e q", "x y", "", "x y z"], others, 3)
    assert found.tolist() == [1.0, 0.5, 0.0, 0.0, 1.0]
    assert containment(["x y"], ["x y"], 3).tolist() == [1.0]
    assert containment(["x y"], [], 3).tolist() == [0.0]


def test_no_pictures_and_no_outlet_split_is_no_error():
    pairs = articles().drop(columns=["split_outlet", "body"]).assign(phash="")
    table = report(pairs, QUICK)
    assert set(table["protocol"]) == {"all", "story"}
    assert np.isnan(row(table, "test pictures")["value"])


@pytest.mark.parametrize(
    ("change", "key"),
    [({"folds": 1}, "folds"), ({"contained": 0.0}, "contained"), ({"shingle": 0}, "shingle"),
     ({"hash_distance": 99}, "hash_distance"), ({"smoothing": -1.0}, "smoothing")],
)  # fmt: skip
def test_bad_settings_are_one_line(change, key):
    with pytest.raises(ValueError, match=key):
        Leakage(**change).validate()

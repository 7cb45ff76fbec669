"""The papers' tables: every recomputation the print allows."""

import numpy as np
import pytest

from lib.retrieval import published
from lib.retrieval.published import RECALLS


def test_recalls_are_counts_of_the_known_test_sizes():
    table = published.table_2023().dropna(subset="articles")
    assert sorted(table["set"].unique()) == ["GDELT-P1", "GDELT-P2", "RT"]
    for row in table.to_dict("records"):
        values = np.array([row[k] for k in RECALLS])
        assert published.resolves(values, int(row["articles"]), 5).all(), row
    assert not published.resolves(np.array([0.76733]), 1499, 5).all()


def test_the_internal_set_has_8017_articles():
    values = published.table_2023().query("set == '2022 train'")[list(RECALLS)].to_numpy()
    assert published.admissible_sizes(values, 5, 20_000) == [8017, 2 * 8017]
    assert published.internal_size() == 8017
    # The same search recovers the sizes that are known.
    p1 = published.table_2023().query("set == 'GDELT-P1'")[list(RECALLS)].to_numpy()
    assert published.admissible_sizes(p1, 5, 2500) == [1500]


def test_counts():
    counts = published.counts_2023().set_index(["set", "run"])
    assert counts.loc[("GDELT-P1", 4), "R@5"] == 1169
    assert counts.loc[("RT", 5), "R@100"] == 2158
    assert counts.loc[("2022 train", 5), list(RECALLS)].tolist() == [3656, 4330, 5746, 6282]
    hits = counts[list(RECALLS)]
    assert (hits.diff(axis=1).iloc[:, 1:] > 0).all(axis=None)


@pytest.mark.parametrize("table", [published.table_2022, published.table_2023])
def test_mrr_lies_within_what_the_recalls_allow(table):
    frame = table()
    bounds = published.mrr_bounds(frame)
    assert (bounds["low"] < bounds["high"]).all()
    assert frame["MRR"].between(bounds["low"], bounds["high"]).all()


def test_statements_that_do_not_hold():
    found = published.statements()
    wrong = found.loc[~found["holds"], "statement"].tolist()
    assert wrong == [
        "Twitter: Recall@100 of 0.595 (conclusion)",
        "fine-tuning increased Recall in all data sets",
        "WiSE-FT improves re-matching recall",
        "Table 4: ranks gained outweigh ranks lost",
        "run 5 outperforms the others in every data set",
    ]
    reasons = found.set_index("statement")["found"]
    assert reasons["fine-tuning increased Recall in all data sets"] == "RSS R@50 0.777 to 0.772"
    assert "0.910; 0.595 is its R@5" in reasons["Twitter: Recall@100 of 0.595 (conclusion)"]
    lowered = "RT R@50 0.655 to 0.649; RT R@100 0.745 to 0.735; "
    assert reasons["WiSE-FT improves re-matching recall"].startswith(lowered)


def test_what_dual_softmax_changed():
    found = published.compare_2023(2, 3).set_index(["set", "metric"])
    gain = found["difference"].xs("MRR", level="metric")
    assert gain.round(4).to_dict() == pytest.approx(
        {"GDELT-P1": -0.0005, "GDELT-P2": -0.0010, "RT": 0.0134, "2022 train": 0.002}, abs=5e-5
    )
    assert found.loc[("GDELT-P1", "R@100"), "articles"] == 3
    assert found.loc[("GDELT-P1", "R@100"), "verdict"] == "within noise"
    assert found.loc[("RT", "R@100"), "verdict"] == "beyond noise"
    # On GDELT no difference is beyond noise.
    gdelt = found[found.index.get_level_values("set").str.startswith("GDELT")]
    assert not (gdelt["verdict"] == "beyond noise").any()


def test_verdicts_at_their_limits():
    six = published._compare(0.5, 0.506, 1000, True)
    assert (six["articles"], six["verdict"]) == (6, "undecided")
    assert six["p_best"] == pytest.approx(2 / 64)
    assert six["most_changed"] == 9
    assert published._compare(0.5, 0.505, 1000, True)["verdict"] == "within noise"
    assert published._compare(0.5, 0.55, 1000, True)["verdict"] == "beyond noise"
    assert published._compare(0.5, 0.5, 1000, False)["verdict"] == "within noise"


def test_standard_error_at_1500_articles():
    # Recall@5 of .78 on 1,500 articles: standard error .0107, so 2 x 1.5 % cannot be told apart.
    p = published._compare(0.78, 0.78 + 0.0107 * np.sqrt(2), 1500, True)["p_unpaired"]
    assert p == pytest.approx(0.3173, abs=0.01)


def test_tables_are_copies():
    table = published.table_2022()
    table.loc[:, "MRR"] = 0
    assert published.table_2022()["MRR"].max() == 0.476
    assert len(published.others_2023()) == 5

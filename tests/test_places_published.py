import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from lib.places import published, selective


def test_printed_rates_are_ours_cut_after_four_decimals():
    check = published.table3_check()
    assert len(check) == 33
    np.testing.assert_array_equal(check["recomputed"], check["printed"])
    # Rounding instead of cutting would not give the paper's digits.
    rounded = published.table3()[list(published.RATES)].round(4)
    printed = published.table3_printed()[list(published.RATES)]
    assert int((rounded.sub(printed).abs() > 5e-5).sum().sum()) >= 10


def test_counts_of_table3_add_up():
    table = published.table3()
    assert (table["n"] == table["hits"] + table["errors"]).all()
    assert table["n"].is_monotonic_decreasing
    precision = table["precision"].round(4).tolist()[:10]
    expected = [0.46, 0.4605, 0.4705, 0.4983, 0.5130, 0.5202, 0.5325, 0.5229, 0.5189, 0.5633]
    assert precision == expected


def test_best_ratio_is_not_the_one_the_paper_names():
    table = published.table3()
    assert selective.optimal_threshold(table, "ratio") == 0.9
    assert selective.truncate4(table["ratio"])[9] == 1.5141 > 1.3373
    without_last = table[table["threshold"] < 0.9]
    assert selective.optimal_threshold(without_last, "ratio") == 0.6


def test_confidence_of_table3_is_weak():
    table = published.table3()
    assert published.auroc_from_table(table) == pytest.approx(0.603, abs=5e-4)
    assert published.mean_from_table(table, "hit_rate") == pytest.approx(0.6539, abs=5e-5)
    assert published.mean_from_table(table, "error_rate") == pytest.approx(0.5669, abs=5e-5)


def test_trapezoids_agree_with_the_posts_behind_a_table():
    rng = np.random.default_rng(0)
    conf = rng.random(3000)
    correct = rng.random(3000) < conf
    table = selective.threshold_table(conf, correct, np.linspace(0, 1, 201))
    area = published.auroc_from_table(table)
    assert area == pytest.approx(selective.auroc(conf, correct), abs=2e-3)
    mean = selective.mean_confidence(conf, correct)
    assert published.mean_from_table(table, "hit_rate") == pytest.approx(mean["hits"], abs=1e-3)


def test_table2_intervals_and_accuracies():
    table = published.table2().set_index("display")
    assert table["raw"].notna().all()
    for name in ("skyscraper", "hospital", "clothing store", "bridge"):
        row = table.loc[name]
        limits = proportion_confint(row["hits"], 100, method="wilson")
        np.testing.assert_allclose([row["low"], row["high"]], limits, atol=1e-12)
    found = table[["low", "high"]].round(3)
    assert found.loc["hospital"].tolist() == [0, 0.037]
    assert found.loc["clothing store"].round(2).tolist() == [0.34, 0.53]
    accuracy = published.accuracy()
    assert accuracy["unweighted"] == pytest.approx(0.46)
    assert accuracy["weighted"] == pytest.approx(0.4950, abs=5e-5)
    half = (accuracy["weighted_high"] - accuracy["weighted_low"]) / 2
    assert half == pytest.approx(0.024, abs=5e-4)


def test_average_row_is_the_sum():
    assert published.table2()["frequency"].sum() == published.facts()["average_row_frequency"]
    assert published.table2()["hits"].sum() == published.table3()["hits"].iloc[0]


def test_table3_cannot_be_the_score_counted_in_the_text():
    implied = published.implied_classified()
    assert int(implied.value) == 22_767
    assert np.ceil(implied.low) == 16_762
    assert implied.low > published.facts()["classified_at_half"] == 15_308
    assert implied.low < implied.value < implied.high < published.table2()["frequency"].sum()


def test_table1_counts():
    table = published.table1()
    assert table["classified"].tolist() == [175, 250, 376, 564, 888, 182, 264]
    assert ((table["low"] < table["share"]) & (table["share"] < table["high"])).all()


def test_inconsistencies_state_both_numbers():
    table = published.inconsistencies().set_index("claim")
    assert len(table) == 10
    assert not table.isna().any().any()
    ratio = table.loc["best ratio and its threshold (Table 3)"]
    assert (ratio["printed"], ratio["recomputed"]) == ("1.3373 at 0.6", "1.5141 at 0.9")
    assert "22,768" in table.loc["posts over .5: text against Table 3", "recomputed"]
    assert "16,762" in table.loc["posts over .5: text against Table 3", "recomputed"]
    accuracy = table.loc["accuracy over the ten classes", "recomputed"]
    assert accuracy == "unweighted 46.0%; by frequency 49.5% (47.1% to 51.9%)"


def test_data_handed_out_are_copies():
    printed = published.table3_printed()
    printed.loc[0, "hits"] = 1
    assert published.table3()["hits"].iloc[0] == 460

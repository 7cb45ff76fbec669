import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from lib.places import selective


@pytest.fixture
def scored():
    rng = np.random.default_rng(3)
    conf = np.round(rng.random(400), 2)
    return conf, rng.random(400) < 0.2 + 0.6 * conf


def test_share_classified_has_wilson_limits_and_both_comparisons():
    conf = np.array([0.1, 0.5, 0.5, 0.9])
    table = selective.share_classified(conf, [0.5])
    assert table[["classified", "share"]].values.tolist() == [[3, 0.75]]
    limits = proportion_confint(3, 4, method="wilson")
    np.testing.assert_allclose(table[["low", "high"]].to_numpy()[0], limits)
    assert selective.share_classified(conf, [0.5], strict=True)["classified"].tolist() == [1]


def test_threshold_table_by_hand():
    conf = np.array([0.2, 0.6, 0.7, 0.9])
    correct = np.array([False, True, False, True])
    table = selective.threshold_table(conf, correct, [0.0, 0.65, 0.8, 1.0])
    assert table["n"].tolist() == [4, 2, 1, 0]
    assert table["hits"].tolist() == [2, 1, 1, 0]
    assert table["errors"].tolist() == [2, 1, 0, 0]
    assert table["hit_rate"].tolist() == [1, 0.5, 0.5, 0]
    assert table["ratio"].tolist()[:3] == [1, 1, np.inf]
    assert np.isnan(table["ratio"][3])
    assert table["precision"].tolist()[:3] == [0.5, 0.5, 1.0]
    with pytest.raises(ValueError, match="the first, 0.5, must keep every post"):
        selective.threshold_table(conf, correct, [0.5, 0.8])


def test_truncate_cuts_and_does_not_round():
    values = np.array([0.99999, 0.1234, 0.7, 1.5141782, 0.0001])
    assert selective.truncate4(values).tolist() == [0.9999, 0.1234, 0.7, 1.5141, 0.0001]
    exact = np.arange(10_000) / 1e4
    np.testing.assert_allclose(selective.truncate4(exact), exact, atol=1e-12)


def test_criteria_choose_their_own_best_row():
    counts = [(0.0, 10, 5, 5), (0.3, 8, 5, 3), (0.6, 4, 3, 1), (0.9, 1, 1, 0)]
    table = selective.rates(pd.DataFrame(counts, columns=["threshold", "n", "hits", "errors"]))
    best = {name: selective.optimal_threshold(table, name) for name in selective.CRITERIA}
    assert best == {
        "ratio": 0.9,
        "youden": 0.3,
        "f1": 0.3,
        "precision_at_coverage": 0.3,
        "utility": 0.3,
    }
    assert selective.optimal_threshold(table, "ratio", min_n=2) == 0.6
    assert selective.optimal_threshold(table, "utility", cost=3.0) == 0.9
    assert selective.optimal_threshold(table, "precision_at_coverage", coverage=0.4) == 0.6
    assert np.isnan(selective.optimal_threshold(table, "ratio", min_n=11))
    optima = selective.optima(table)
    assert optima["criterion"].tolist() == list(selective.CRITERIA)
    assert optima["threshold"].tolist() == list(best.values())
    with pytest.raises(ValueError, match="criterion 'luck': choose one of ratio"):
        selective.optimal_threshold(table, "luck")


def test_table2_arithmetic():
    strata = pd.DataFrame({"hits": [9, 1], "judged": [10, 10], "frequency": [900, 100]})
    found = selective.class_precision(strata)
    limits = [proportion_confint(k, 10, method="wilson") for k in (9, 1)]
    np.testing.assert_allclose(found[["low", "high"]], limits)
    both = selective.accuracies(strata)
    assert both["unweighted"] == pytest.approx(0.5)
    assert both["weighted"] == pytest.approx(0.9 * 0.9 + 0.1 * 0.1)
    assert both["unweighted_low"] < 0.5 < both["unweighted_high"]


def test_mean_confidence_and_auroc(scored):
    conf, correct = scored
    means = selective.mean_confidence(conf, correct)
    assert means == {"hits": conf[correct].mean(), "failures": conf[~correct].mean()}
    assert selective.auroc(conf, correct) == pytest.approx(roc_auc_score(correct, conf))
    assert np.isnan(selective.auroc(conf, np.ones(400, dtype=bool)))
    assert np.isnan(selective.mean_confidence(conf, np.ones(400, dtype=bool))["failures"])


def test_risk_coverage_without_ties_is_the_running_error():
    conf = np.array([0.9, 0.8, 0.7, 0.6])
    correct = np.array([True, False, True, False])
    curve = selective.risk_coverage(conf, correct)
    np.testing.assert_allclose(curve["risk"], [0, 1 / 2, 1 / 3, 2 / 4])
    np.testing.assert_allclose(curve["coverage"], [0.25, 0.5, 0.75, 1])
    assert selective.aurc(conf, correct) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_aurc_of_ties_is_the_mean_over_their_orders(scored):
    conf, correct = scored
    rng, areas = np.random.default_rng(0), []
    for _ in range(400):
        order = rng.permutation(len(conf))
        order = order[np.argsort(-conf[order], kind="stable")]
        areas.append((np.cumsum(~correct[order]) / np.arange(1, 401)).mean())
    assert selective.aurc(conf, correct) == pytest.approx(np.mean(areas), abs=3e-4)
    shuffled = rng.permutation(len(conf))
    again = selective.aurc(conf[shuffled], correct[shuffled])
    assert again == pytest.approx(selective.aurc(conf, correct), abs=1e-12)


def test_excess_aurc_is_zero_for_a_perfect_ranking(scored):
    conf, correct = scored
    perfect = np.where(correct, 0.9, 0.1) + np.linspace(0, 0.05, 400)
    assert selective.aurc(perfect, correct, excess=True) == pytest.approx(0, abs=1e-12)
    assert 0 < selective.aurc(conf, correct, excess=True) < selective.aurc(conf, correct)


def test_ece_by_hand_and_for_calibrated_scores():
    conf = np.array([0.95, 0.95, 0.55, 0.55])
    correct = np.array([True, True, True, False])
    expected = (2 * 0.05 + 2 * 0.05) / 4
    assert selective.ece(conf, correct, 10) == pytest.approx(expected)
    assert selective.ece(conf, correct, 2, "mass") == pytest.approx(expected)
    assert selective.ece(conf, correct, 1) == pytest.approx(0)
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    for kind in ("width", "mass"):
        assert selective.ece(p, rng.random(20_000) < p, kind=kind) < 0.02
        assert selective.ece(p, rng.random(20_000) < p**3, kind=kind) > 0.1
        bins = selective.reliability(p, p > 0.5, 15, kind)
        assert bins["n"].sum() == 20_000
    assert bins["n"].max() - bins["n"].min() <= 1
    # A score of exactly 1 belongs to the last bin, not to one of its own.
    at_the_end = np.array([1.0, 0.95])
    assert selective.ece(at_the_end, np.array([False, True]), 10) == pytest.approx(0.475)
    with pytest.raises(ValueError, match="kind 'odd'"):
        selective.reliability(p, p > 0.5, 15, "odd")


@pytest.mark.parametrize("planted", [0.4, 1.0, 2.5])
def test_temperature_is_recovered(planted):
    rng = np.random.default_rng(1)
    z = 4 * rng.normal(size=(5000, 10))
    p = selective.apply_temperature(z, planted)
    y = (p.cumsum(axis=1) > rng.random((5000, 1))).argmax(axis=1)
    assert selective.fit_temperature(z, y) == pytest.approx(planted, rel=0.05)
    unlabelled = np.vstack([z, 100 * rng.normal(size=(50, 10))])
    padded = np.append(y, np.full(50, -1))
    again = selective.fit_temperature(unlabelled, padded)
    assert again == pytest.approx(selective.fit_temperature(z, y))


def test_temperature_refuses_nonsense():
    with pytest.raises(ValueError, match="no row has a class index"):
        selective.fit_temperature(np.ones((2, 3)), np.array([-1, -1]))
    with pytest.raises(ValueError, match="temperature 0: must be positive"):
        selective.apply_temperature(np.ones((2, 3)), 0)


def test_bad_scores_are_named():
    with pytest.raises(ValueError, match="confidence: row 1 is not finite"):
        selective.auroc(np.array([0.1, np.nan]), np.array([True, False]))
    with pytest.raises(ValueError, match=r"confidence \(2,\) and correct \(3,\)"):
        selective.ece(np.array([0.1, 0.2]), np.array([True, False, True]))

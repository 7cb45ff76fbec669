"""MAMI's official scores: against scikit-learn, and against values known for its test set."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from lib.memes.scores import (
    best_thresholds,
    collapse,
    macro_auc,
    macro_f1,
    task_a,
    task_b,
)


@pytest.fixture
def judged():
    rng = np.random.default_rng(0)
    truth = (rng.random((500, 4)) < [0.13, 0.28, 0.22, 0.1]).astype(int)
    scores = np.round(0.35 * truth + rng.random((500, 4)) * 0.7, 2)  # rounded: with ties
    return truth, scores


def mami_test() -> np.ndarray:
    """Labels with the class counts of MAMI's test set: 1000 rows, one class after the other."""
    truth = np.zeros((1000, 4), int)
    for c, count in enumerate((146, 350, 348, 153)):
        truth[:count, c] = 1
    return truth


def test_macro_f1_is_scikit_learns_for_each_class(judged):
    truth, scores = judged
    predicted = (scores >= 0.5).astype(int)
    expected = [f1_score(truth[:, c], predicted[:, c], average="macro") for c in range(4)]
    np.testing.assert_allclose(macro_f1(truth, predicted), expected, rtol=1e-12)
    assert task_a(truth[:, 0], predicted[:, 0]) == pytest.approx(expected[0])


def test_task_b_weighs_macro_f1_by_positives_and_is_not_scikit_learns_weighted(judged):
    truth, scores = judged
    predicted = (scores >= 0.5).astype(int)
    each = [f1_score(truth[:, c], predicted[:, c], average="macro") for c in range(4)]
    expected = np.average(each, weights=truth.sum(0))
    assert task_b(truth, predicted) == pytest.approx(expected, rel=1e-12)
    assert abs(task_b(truth, predicted) - f1_score(truth, predicted, average="weighted")) > 0.02


def test_trivial_systems_score_what_is_known_of_the_test_set():
    truth = mami_test()
    assert task_b(truth, np.zeros_like(truth)) == pytest.approx(0.4139, abs=5e-5)
    assert task_b(truth, np.ones_like(truth)) == pytest.approx(0.2201, abs=5e-5)
    assert task_b(truth, truth) == 1


def test_undefined_f1_counts_zero():
    assert macro_f1([[1], [1]], [[1], [1]]).tolist() == [0.5]  # no zero anywhere
    assert macro_f1([[0], [0]], [[1], [1]]).tolist() == [0.0]
    assert np.isnan(task_b(np.zeros((3, 4)), np.zeros((3, 4))))


def test_auc_is_scikit_learns_ties_and_all(judged):
    truth, scores = judged
    assert macro_auc(truth, scores) == pytest.approx(roc_auc_score(truth, scores, average="macro"))
    truth = truth.copy()
    truth[:, 0] = 0  # a class with one label alone is left out
    expected = roc_auc_score(truth[:, 1:], scores[:, 1:], average="macro")
    assert macro_auc(truth, scores) == pytest.approx(expected)
    assert np.isnan(macro_auc(np.zeros((3, 2)), np.zeros((3, 2))))


def test_best_thresholds_are_best_by_brute_force(judged):
    truth, scores = judged
    chosen = best_thresholds(truth, scores)
    found = macro_f1(truth, (scores >= chosen).astype(int))
    tried = [macro_f1(truth, (scores >= t).astype(int)) for t in np.arange(-0.01, 1.1, 0.005)]
    np.testing.assert_allclose(found, np.max(tried, axis=0), rtol=1e-12)
    assert task_b(truth, scores >= chosen) >= task_b(truth, scores >= 0.5)


def test_thresholds_of_a_useless_score_are_finite():
    chosen = best_thresholds(np.array([[0], [1], [0]]), np.full((3, 1), 0.2))
    assert np.isfinite(chosen).all()


def test_collapse_is_named(judged):
    truth, _ = judged
    assert collapse(truth) == ""
    assert collapse(np.zeros((5, 4))) == "all negative"
    assert collapse(np.ones((5, 4))) == "all positive"
    assert collapse(np.tile([0, 1, 0, 0], (5, 1))) == "constant"


def test_bad_input_is_named(judged):
    truth, scores = judged
    with pytest.raises(ValueError, match=r"^predicted: must be 0 or 1"):
        macro_f1(truth, scores)
    with pytest.raises(ValueError, match=r"^truth: must be 0 or 1"):
        macro_auc(truth - 1, scores)
    with pytest.raises(ValueError, match=r"^predicted: shape \(5, 4\), but truth has \(500, 4\)"):
        macro_f1(truth, truth[:5])
    scores[7, 2] = np.nan
    with pytest.raises(ValueError, match=r"^scores: NaN in row 7"):
        macro_auc(truth, scores)

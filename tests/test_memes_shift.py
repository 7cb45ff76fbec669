"""Label shift: planted shares are found again, and calibration mends what is bent."""

import numpy as np
import pytest
from scipy.special import expit, logit

from lib.memes import shift

PRIOR, SHIFTED = np.array([0.15, 0.3]), np.array([0.3, 0.55])


def memes(rows, shares, seed):
    """Labels with given shares, and the calibrated probabilities of a score under PRIOR."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((rows, 2)) < shares).astype(int)
    score = rng.normal(np.where(truth, 1.0, -1.0))  # log-likelihood ratio 2 score
    return truth, expit(2 * score + logit(PRIOR))


@pytest.fixture(scope="module")
def sets():
    return *memes(4000, PRIOR, 0), *memes(4000, SHIFTED, 1)


def test_correction_by_hand():
    # odds 1 to 1, times (.5/.2) / (.5/.8): 4 to 1
    found = shift.corrected(np.array([[0.5]]), np.array([0.2]), np.array([0.5]))
    assert found[0, 0] == pytest.approx(0.8)
    p = np.array([[0.1, 0.7]])
    np.testing.assert_allclose(shift.corrected(p, PRIOR, PRIOR), p)


def test_planted_shares_are_found(sets):
    truth, validation, _, test = sets
    np.testing.assert_allclose(shift.em(test, PRIOR), SHIFTED, atol=0.03)
    np.testing.assert_allclose(shift.bbse(truth, validation, test), SHIFTED, atol=0.04)
    np.testing.assert_allclose(shift.em(validation, PRIOR), PRIOR, atol=0.03)


def test_calibration_undoes_a_bent_score_and_keeps_the_order(sets):
    truth, validation, _, _ = sets
    bent = expit(0.3 * logit(validation) + 0.8)
    curve = shift.calibrate(truth, bent)
    np.testing.assert_allclose(curve[0], 1 / 0.3, rtol=0.1)
    found = shift.calibrated(curve, bent)
    assert shift.calibration_error(truth, found) < 0.25 * shift.calibration_error(truth, bent)
    assert (np.argsort(found[:, 0]) == np.argsort(bent[:, 0])).all()
    useless = shift.calibrate(truth, 1 - validation)  # ranks the wrong way round
    assert (useless[0] == 0).all()


def test_calibration_error_by_hand():
    truth, p = np.array([[1], [0], [1], [0]]), np.array([[0.9], [0.95], [0.2], [0.2]])
    # bin .9: |1 - 1.85| / 4; bin .2: |1 - .4| / 4
    assert shift.calibration_error(truth, p) == pytest.approx((0.85 + 0.6) / 4)
    assert shift.calibration_error(np.array([[1]]), np.array([[1.0]])) == 0


def test_measured_gain(sets):
    truth, validation, test_truth, test = sets
    found = shift.measure(truth, validation, test_truth, test).set_index("method")
    assert list(found.index) == ["as it is", "calibrated", "em", "bbse", "oracle"]
    for name in ("em", "bbse", "oracle"):
        assert found.loc[name, "task_b"] > found.loc["as it is", "task_b"] + 0.01
        assert found.loc[name, "calibration_error"] < found.loc["calibrated", "calibration_error"]
    assert found.loc["oracle", "share_error"] == 0
    assert found["auc"].max() - found["auc"].min() < 1e-9  # no ranking changes
    assert found["brier"].idxmin() in ("em", "oracle", "bbse")


def test_a_system_that_knows_nothing_keeps_the_shares():
    truth = np.array([[1, 0], [0, 0], [0, 1], [0, 0]])
    same = np.full((4, 2), 0.4)
    np.testing.assert_allclose(shift.bbse(truth, same, same), truth.mean(0))
    assert np.isfinite(shift.measure(truth, same, truth, same)["task_b"]).all()

"""Label shift from training to test memes: calibration, and the correction of the label shares.

MAMI's test memes bear more types each than its training memes. If only the shares of labels change,
p(x | y) staying, calibrated probabilities p under old shares pi become, under new ones pi',
    p' = p r1 / (p r1 + (1 - p) r0),   r1 = pi' / pi,  r0 = (1 - pi') / (1 - pi)
and pi' can be found without test labels: by EM (Saerens et al. 2002) or from how often the label is
given, and how often rightly on validation memes (BBSE, Lipton et al. 2018). Each label is a
question of its own. Calibration is Platt's: a logistic curve over the logit of the score, fitted on
validation memes. Test labels are used only to measure, and by the row `oracle`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, logit

from lib.memes.scores import macro_auc, task_b

EDGE = 1e-4  # scores are kept this far from 0 and 1, so that their logits are finite
ROUNDS = 200  # of EM at most
BINS = 10  # of the calibration error


def calibrate(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return slope and offset (2, C) of Platt's curve, sigmoid(slope * logit(score) + offset).

    `truth` (n, C) of 0 and 1, smoothed as Platt (1999) does; the slope is never negative, so that
    no ranking is turned round.
    """
    found = []
    for y, z in zip(np.asarray(truth, float).T, _logits(scores).T, strict=True):
        ones = y.sum()
        soft = np.where(y > 0, (ones + 1) / (ones + 2), 1 / (len(y) - ones + 2))

        def loss(curve: np.ndarray, z: np.ndarray = z, soft: np.ndarray = soft) -> float:
            return float(np.mean(np.logaddexp(0, u := curve[0] * z + curve[1]) - soft * u))

        found.append(minimize(loss, [1.0, 0.0], bounds=[(0, None), (None, None)]).x)
    return np.stack(found, axis=1)


def calibrated(curve: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return probabilities (n, C) by the curves of `calibrate`."""
    return expit(curve[0] * _logits(scores) + curve[1])


def corrected(p: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return probabilities (n, C) under new shares (C,) of the labels instead of the old ones."""
    ones, zeros = p * (new / old), (1 - p) * ((1 - new) / (1 - old))
    return ones / (ones + zeros)


def em(p: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Return the shares (C,) of the labels among rows with calibrated probabilities `p` (n, C)."""
    new = old
    for _ in range(ROUNDS):
        found = _inside(corrected(p, old, new).mean(0))
        if np.abs(found - new).max() < 1e-8:
            return found
        new = found
    return new


def bbse(truth: np.ndarray, validation: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the shares (C,) from how often labels are given, at .5, here and on validation rows.

    given = pi' hits + (1 - pi') false alarms; a label given as often rightly as wrongly tells
    nothing and keeps its validation share.
    """
    truth, given = np.asarray(truth, float), validation >= 0.5
    hits = (given * truth).sum(0) / np.maximum(truth.sum(0), 1)
    alarms = (given * (1 - truth)).sum(0) / np.maximum((1 - truth).sum(0), 1)
    told = hits - alarms > 1e-6
    found = ((p >= 0.5).mean(0) - alarms) / np.where(told, hits - alarms, 1)
    return _inside(np.where(told, found, truth.mean(0)))


def calibration_error(truth: np.ndarray, p: np.ndarray) -> float:
    """Expected calibration error, mean over labels: |share of 1 - mean p| in ten bins of p."""
    errors = []
    for y, one in zip(np.asarray(truth, float).T, np.asarray(p).T, strict=True):
        place = np.minimum((one * BINS).astype(int), BINS - 1)
        gaps = np.bincount(place, y - one, BINS)
        errors.append(np.abs(gaps).sum() / len(y))
    return float(np.mean(errors))


def methods(
    truth: np.ndarray, validation: np.ndarray, test_truth: np.ndarray, test: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the test scores (m, C) by method, and the shares (C,) that each believes in.

    Methods: as it is (which believes in nothing), calibrated, em, bbse, oracle: the true shares.
    Arguments as for `measure`.
    """
    curve, old = calibrate(truth, validation), _inside(np.mean(truth, axis=0))
    known, p = calibrated(curve, validation), calibrated(curve, test)
    true = _inside(np.mean(test_truth, axis=0))
    shares = {"calibrated": old, "em": em(p, old), "bbse": bbse(truth, known, p), "oracle": true}
    made = {"as it is": np.asarray(test, float)}
    made |= {name: corrected(p, old, new) for name, new in shares.items()}
    return made, shares


def measure(
    truth: np.ndarray, validation: np.ndarray, test_truth: np.ndarray, test: np.ndarray
) -> pd.DataFrame:
    """Return what calibration and correction change on test rows, a row a method of `methods`.

    `truth` and `validation` (n, C) labels and scores of validation rows, `test_truth` and `test`
    (m, C) of test rows, C the four types. Columns: method, task_b at .5, auc, calibration_error,
    brier, share_error: mean absolute error of the shares that the method believes in (NaN for
    scores as they are).
    """
    made, shares = methods(truth, validation, test_truth, test)
    true, rows = shares["oracle"], []
    for name, scores in made.items():
        error = np.abs(shares[name] - true).mean() if name in shares else np.nan
        rows.append(
            {
                "method": name,
                "task_b": task_b(test_truth, (scores >= 0.5).astype(int)),
                "auc": macro_auc(test_truth, scores),
                "calibration_error": calibration_error(test_truth, scores),
                "brier": float(np.mean((scores - test_truth) ** 2)),
                "share_error": float(error),
            }
        )
    return pd.DataFrame(rows)


def _logits(scores: np.ndarray) -> np.ndarray:
    return logit(np.clip(np.asarray(scores, float), EDGE, 1 - EDGE))


def _inside(shares: np.ndarray) -> np.ndarray:
    """Shares kept away from 0 and 1, where nothing could be corrected any more."""
    return np.clip(shares, 1e-3, 1 - 1e-3)

"""MAMI's scores as the organisers' evaluation.py counts them (Fersini et al. 2022).

    F1_c = (F1 of label 1 + F1 of label 0) / 2, an F1 that is undefined counting 0
    task A = F1_misogynous
    task B = sum_c n_c F1_c / sum_c n_c over the four types, n_c = gold positives

Task B is called weighted-average F1, but is not scikit-learn's average="weighted", which weighs
only the F1 of label 1. Misogynous is not part of it. Giving no label at all scores .4139 on the
test set, so every table names collapsed systems (`collapse`). AUC is the plain mean over classes.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """F1_c of each class (C,); `truth` and `predicted` (n, C) of 0 and 1; ValueError for others."""
    truth, predicted = _flags("truth", truth), _flags("predicted", predicted)
    if truth.shape != predicted.shape:
        raise ValueError(f"predicted: shape {predicted.shape}, but truth has {truth.shape}")
    both = (truth & predicted).sum(0)
    neither = (~truth & ~predicted).sum(0)
    wrong = (truth ^ predicted).sum(0)
    positive = 2 * both / np.maximum(2 * both + wrong, 1)
    negative = 2 * neither / np.maximum(2 * neither + wrong, 1)
    return (positive + negative) / 2


def task_a(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Macro F1 of misogynous, (n,) of 0 and 1."""
    return float(macro_f1(np.asarray(truth)[:, None], np.asarray(predicted)[:, None])[0])


def task_b(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Official weighted F1 over the types (n, 4); NaN where no row has a type."""
    scores, weights = macro_f1(truth, predicted), np.asarray(truth).sum(0)
    return float(scores @ weights / weights.sum()) if weights.sum() else float("nan")


def macro_auc(truth: np.ndarray, scores: np.ndarray) -> float:
    """Mean area under the ROC curve over classes that have both labels; NaN where none has.

    Equal scores count half. `scores` (n, C), higher for label 1; ValueError for NaN.
    """
    truth, scores = _flags("truth", truth), np.asarray(scores, float)
    if np.isnan(scores).any():
        raise ValueError(f"scores: NaN in row {int(np.argmax(np.isnan(scores).any(1)))}")
    ones, zeros = truth.sum(0), (~truth).sum(0)
    use = (ones > 0) & (zeros > 0)
    if not use.any():
        return float("nan")
    ranks = (rankdata(scores, axis=0) * truth).sum(0)
    area = (ranks - ones * (ones + 1) / 2)[use] / (ones * zeros)[use]
    return float(area.mean())


def best_thresholds(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Threshold of each class (C,) with the best F1_c; a score from it on gives the label.

    As task B is a fixed mean of the F1_c, choosing each by itself is best for it too. Candidates
    are the middles between neighbouring scores, and both ends; of equally good ones, the one
    nearest to .5. To be chosen on validation rows, never on test rows.
    """
    truth, scores = _flags("truth", truth), np.asarray(scores, float)
    return np.array([_best(truth[:, c], scores[:, c]) for c in range(truth.shape[1])])


def collapse(predicted: np.ndarray) -> str:
    """Name a system that looks at nothing: all negative, all positive, constant; else ""."""
    predicted = _flags("predicted", predicted)
    if not predicted.any():
        return "all negative"
    if predicted.all():
        return "all positive"
    return "constant" if (predicted == predicted[0]).all() else ""


def _best(truth: np.ndarray, scores: np.ndarray) -> float:
    values = np.unique(scores)
    cuts = np.concatenate(
        [values[:1], (values[1:] + values[:-1]) / 2, [np.nextafter(values[-1], np.inf)]]
    )
    order = np.sort(scores[truth]), np.sort(scores[~truth])
    hits = len(order[0]) - np.searchsorted(order[0], cuts)
    false = len(order[1]) - np.searchsorted(order[1], cuts)
    wrong, right_zeros = len(order[0]) - hits + false, len(order[1]) - false
    quality = 2 * hits / np.maximum(2 * hits + wrong, 1)
    quality = quality + 2 * right_zeros / np.maximum(2 * right_zeros + wrong, 1)
    best = cuts[quality >= quality.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - 0.5))])


def _flags(name: str, values: np.ndarray) -> np.ndarray:
    """Values (n, C) as booleans; ValueError for another shape, or a value that is not 0 or 1."""
    values = np.asarray(values)
    if values.ndim != 2 or not len(values):
        raise ValueError(f"{name}: must have rows and classes, not shape {values.shape}")
    if not np.isin(values, (0, 1)).all():
        raise ValueError(f"{name}: must be 0 or 1, in every row and class")
    return values.astype(bool)

"""Metrics of a binary classifier, once on all rows or on many weighted resamples at a time.

Every function takes `weights` (b, n): how often each row counts in each of b resamples; a row of
ones gives the plain metric. So an estimate and its bootstrap come from the same code. The positive
class is 1 (likely biased, or fake).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.stats import cluster_counts, wilson

BINS = 10  # of the expected calibration error
COUNTED = ("accuracy", "precision", "recall", "f1", "macro_f1")  # need a threshold
METRICS = (*COUNTED, "auc", "ap", "ece")


def row_weights(groups: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """Return (n, rows) float32 counts of each row in n bootstrap samples of whole groups."""
    codes = np.unique(groups, return_inverse=True)[1]
    blocks = cluster_counts(int(codes.max()) + 1, n, seed)
    return np.concatenate([counts[:, codes].astype(np.float32) for counts in blocks])


def ones(rows: int) -> np.ndarray:
    """Return the weights (1, rows) of the sample itself."""
    return np.ones((1, rows), np.float32)


def cells(y: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Return (n, 4) float32 flags of tp, fp, fn, tn; y and answer (n,) of 0 and 1.

    `weights @ cells` are the counts of each resample.
    """
    y, answer = y.astype(bool), answer.astype(bool)
    return np.column_stack([y & answer, ~y & answer, y & ~answer, ~y & ~answer]).astype(np.float32)


def counted(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics COUNTED of confusion counts (..., 4); an F1 of nothing is 0.

    Precision where nothing is called positive is NaN.
    """
    tp, fp, fn, tn = np.moveaxis(np.asarray(counts, float), -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = tp / (tp + fp), tp / (tp + fn)
        accuracy = (tp + tn) / (tp + fp + fn + tn)
    f1 = 2 * tp / np.maximum(2 * tp + fp + fn, 1e-9)
    other = 2 * tn / np.maximum(2 * tn + fp + fn, 1e-9)
    return {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1,
            "macro_f1": (f1 + other) / 2}  # fmt: skip


def auc(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (b,) areas under the ROC curve; equal scores count half; NaN without both classes."""
    positive, negative = _by_score(y, score, weights)
    below = np.cumsum(negative, 1) - negative / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return (positive * below).sum(1) / (positive.sum(1) * negative.sum(1))


def ap(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (b,) average precision: mean over positives of the precision at their score."""
    positive, negative = (side[:, ::-1] for side in _by_score(y, score, weights))
    hits = np.cumsum(positive, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(positive > 0, hits / (hits + np.cumsum(negative, 1)), 0)
        return (positive * precision).sum(1) / positive.sum(1)


def _by_score(
    y: np.ndarray, score: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights of positives and of negatives (b, distinct scores), lowest score first."""
    order = np.argsort(score, kind="stable")
    place = np.cumsum(np.r_[0, np.diff(score[order]) > 0])  # of each score among the distinct ones
    parts = []
    for side in (y[order] == 1, y[order] == 0):
        # Each class is taken by itself: half the columns to gather, and few ties to add up.
        mine, rows = place[side], weights[:, order[side]]
        starts = np.flatnonzero(np.diff(mine, prepend=-1))
        part = np.zeros((len(weights), place[-1] + 1))
        part[:, mine[starts]] = np.add.reduceat(rows, starts, axis=1, dtype=float)
        parts.append(part)
    return tuple(parts)


def ece(y: np.ndarray, score: np.ndarray, weights: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return (b,) expected calibration errors of P(1): equal-width bins (Naeini et al. 2015)."""
    place = np.minimum((score * bins).astype(int), bins - 1)
    gap = np.zeros((len(y), bins), np.float32)
    gap[np.arange(len(y)), place] = score - y
    return np.abs(weights @ gap).sum(1) / weights.sum(1)


def threshold_curve(y: np.ndarray, score: np.ndarray, cuts: np.ndarray) -> pd.DataFrame:
    """Return threshold, tp, fp, fn, tn and the metrics COUNTED at every threshold of `cuts`."""
    y = y.astype(bool)
    ones_, zeros = np.sort(score[y]), np.sort(score[~y])
    tp = len(ones_) - np.searchsorted(ones_, cuts)
    fp = len(zeros) - np.searchsorted(zeros, cuts)
    counts = np.column_stack([tp, fp, len(ones_) - tp, len(zeros) - fp])
    table = pd.DataFrame(counts, columns=["tp", "fp", "fn", "tn"])
    table.insert(0, "threshold", cuts)
    return table.assign(**counted(counts))


def best_threshold(y: np.ndarray, score: np.ndarray) -> float:
    """Return the threshold of best macro-F1, of equal ones the nearest to .5; for validation rows.

    Candidates are the middles between neighbouring scores, and both ends; where all scores are
    equal there is nothing to choose, and .5 stays.
    """
    values = np.unique(score)
    if len(values) == 1:
        return 0.5
    ends = values[0], np.nextafter(values[-1], np.inf)
    cuts = np.r_[ends[0], (values[1:] + values[:-1]) / 2, ends[1]]
    quality = threshold_curve(y, score, cuts)["macro_f1"].to_numpy()
    best = cuts[quality >= quality.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - 0.5))])


def reliability(y: np.ndarray, score: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Return bins of a reliability diagram: confidence, accuracy, count, low, high (Wilson).

    Empty bins are left out; "accuracy" is the share of positives, "confidence" the mean P(1).
    """
    place = np.minimum((score * bins).astype(int), bins - 1)
    rows = []
    for number in np.unique(place):
        inside = place == number
        share = wilson(int(y[inside].sum()), int(inside.sum()))
        rows.append((float(score[inside].mean()), share.value, int(inside.sum()), *share[1:]))
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "count", "low", "high"])

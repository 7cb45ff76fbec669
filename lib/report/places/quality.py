"""Intervals for measures of confidence, all resamples at once.

`lib.places.selective` defines AUROC, AURC and ECE for one set of posts. A bootstrap asks for them a
thousand times; here each is written with whole-number weights (how often a resample drew a post),
so that one sort serves all resamples. With weights of one the values are those of `selective`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.stats import cluster_counts

MEASURES = ("auroc", "aurc", "ece")
BLOCK_CELLS = 4_000_000  # weights held at once


def intervals(
    score: np.ndarray,
    right: np.ndarray,
    clusters: np.ndarray,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, float]:
    """AUROC, AURC, ECE of one system with percentile limits `_low`, `_high`, clusters resampled.

    score, right, clusters: (posts,). The same seed and clusters give all systems the same draws.
    """
    order = np.argsort(-np.asarray(score, dtype=float), kind="stable")
    score, right = np.asarray(score, dtype=float)[order], np.asarray(right, dtype=bool)[order]
    codes = pd.factorize(np.asarray(clusters))[0]
    whole = _measure(score, right, np.ones((1, len(score))))
    step = max(1, BLOCK_CELLS // len(score))
    draws = [
        _measure(score, right, counts[start : start + step, codes[order]].astype(float))
        for counts in cluster_counts(int(codes.max()) + 1, n, seed)
        for start in range(0, len(counts), step)
    ]
    found = {}
    for name in MEASURES:
        values = np.concatenate([draw[name] for draw in draws])
        limits = [np.nan, np.nan]
        if not np.isnan(values).all():
            limits = np.nanquantile(values, [0.5 - level / 2, 0.5 + level / 2])
        found |= {name: float(whole[name][0]), f"{name}_low": float(limits[0])}
        found[f"{name}_high"] = float(limits[1])
    return found


def _measure(score: np.ndarray, right: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Each measure for every row of weights (m, posts); posts by falling score."""
    starts = np.flatnonzero(np.append(True, np.diff(score) != 0))
    kept = np.add.reduceat(weights, starts, axis=1)
    wrong = np.add.reduceat(weights * ~right, starts, axis=1)
    return {
        "auroc": _auroc(kept - wrong, wrong),
        "aurc": _aurc(kept, wrong),
        "ece": _ece(score, right, weights),
    }


def _auroc(hits: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """(m,) from hits and errors of each run of equal scores (m, runs), falling; ties count half."""
    below = errors.sum(axis=1, keepdims=True) - np.cumsum(errors, axis=1)
    won = (hits * (below + errors / 2)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return won / (hits.sum(axis=1) * errors.sum(axis=1))


def _aurc(kept: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """(m,) mean risk over k = 1..n; inside a run of equal scores errors grow in a straight line.

    Within a run that starts after K posts and E errors and holds w posts, e of them wrong, risk is
    (E + j e/w) / (K + j), j = 1..w; the sum is e + (E - K e/w) (H(K + w) - H(K)), H harmonic.
    """
    total = np.cumsum(kept, axis=1)
    harmonic = np.append(0.0, np.cumsum(1 / np.arange(1, total[:, -1].max() + 1)))
    before, errors = total - kept, np.cumsum(wrong, axis=1) - wrong
    slope = np.divide(wrong, kept, out=np.zeros_like(wrong), where=kept > 0)
    steps = harmonic[total.astype(int)] - harmonic[before.astype(int)]
    area = wrong + (errors - before * slope) * steps
    return area.sum(axis=1) / total[:, -1]


def _ece(score: np.ndarray, right: np.ndarray, weights: np.ndarray, bins: int = 15) -> np.ndarray:
    """(m,) mean gap of confidence and accuracy over equal-width bins, weighted by posts."""
    bin_of = np.minimum((score * bins).astype(int), bins - 1)
    # A bin's count x |mean confidence - share right| is the absolute sum of the gaps in it.
    gaps = np.zeros((len(score), bins))
    gaps[np.arange(len(score)), bin_of] = score - right
    return np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)

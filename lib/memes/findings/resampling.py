"""Scores of a run under many resamplings of the test rows at once.

Rows are drawn in whole groups, seeds whole: an interval covers the luck of the test set and of
training. All systems share the drawn rows, so differences are paired. Row 0 of everything is the
data as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lib.memes.scores import best_thresholds
from lib.stats import cluster_counts, shifted_p

MEASURES = ("task_b", "task_b_tuned", "auc", "task_a", "task_a_tuned")
HALF = 0.5


class Run(NamedTuple):
    """Probabilities of one trained system, misogynous first; NaN where it has no such output."""

    validation: np.ndarray  # (v, 5)
    test: np.ndarray  # (t, 5)


def row_weights(groups: np.ndarray, draws: int, seed: int = 0) -> np.ndarray:
    """How often each row (n,) counts in each resample of groups: (1 + draws, n) float32."""
    codes = np.unique(groups, return_inverse=True)[1]
    blocks = cluster_counts(int(codes.max()) + 1, draws, seed)
    drawn = [counts[:, codes].astype(np.float32) for counts in blocks]
    return np.concatenate([np.ones((1, len(codes)), np.float32), *drawn])


def seed_weights(seeds: int, draws: int, seed: int = 1) -> np.ndarray:
    """Weight of each seed in each resample of seeds, (1 + draws, seeds); rows add up to 1."""
    rng = np.random.default_rng([seed, seeds])
    drawn = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)
    return np.concatenate([np.ones((1, seeds)), drawn]) / seeds


def weighted_f1(truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """F1_c of lib.memes.scores under each row of `weights` (r, n): (r, C) from (n, C) booleans."""
    both, given = weights @ (truth & predicted), weights @ predicted.astype(np.float32)
    positives, rows = weights @ truth.astype(np.float32), weights.sum(1, keepdims=True)
    neither = rows - given - positives + both
    positive = 2 * both / np.maximum(given + positives, 1)
    negative = 2 * neither / np.maximum(2 * rows - given - positives, 1)
    return (positive + negative) / 2


def weighted_task_b(truth: np.ndarray, given: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Task B under each row of `weights` (r, n): (r,) from labels of the four types (n, 4)."""
    support = weights @ truth.astype(np.float32)
    scores = weighted_f1(truth, given, weights)
    return (scores * support).sum(1) / np.maximum(support.sum(1), 1)


def weighted_auc(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Macro AUC under each row of `weights` (r, n): (r,); classes with one label are left out."""
    areas = [_area(truth[:, c], scores[:, c], weights) for c in range(truth.shape[1])]
    areas = np.stack(areas)
    known = ~np.isnan(areas)
    return np.where(known, areas, 0).sum(0) / np.maximum(known.sum(0), 1)


def _area(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under one ROC curve (r,); equal scores count half; NaN without both labels.

    All pairs at once, as a product of matrices: with a thousand resamples of a thousand rows that
    is several times faster than going through each resample in order of scores.
    """
    ones, zeros = scores[truth][:, None], scores[~truth]
    beaten = (ones > zeros).astype(np.float32) + np.float32(0.5) * (ones == zeros)
    mine, others = weights[:, truth], weights[:, ~truth]
    won = ((mine @ beaten) * others).sum(1, dtype=np.float64)
    pairs = mine.sum(1, dtype=np.float64) * others.sum(1, dtype=np.float64)
    return np.divide(won, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def thresholds(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Validation's best threshold a class (C,); .5 where a class has no output."""
    known = ~np.isnan(scores).any(0)
    out = np.full(scores.shape[1], HALF)
    out[known] = best_thresholds(truth[:, known], scores[:, known])
    return out


def measure(run: Run, truth: Run, weights: np.ndarray) -> np.ndarray:
    """MEASURES of one run under each resample, (1 + draws, 5); truth: the labels, as booleans."""
    tuned = thresholds(truth.validation, run.validation)
    given = [run.test >= cut for cut in (HALF, tuned)]
    b, b_tuned = (weighted_task_b(truth.test[:, 1:], one[:, 1:], weights) for one in given)
    auc = weighted_auc(truth.test[:, 1:], run.test[:, 1:], weights)
    a = a_tuned = np.full(len(weights), np.nan)
    if not np.isnan(run.test[:, 0]).any():
        a, a_tuned = (weighted_f1(truth.test[:, :1], one[:, :1], weights)[:, 0] for one in given)
    return np.stack([b, b_tuned, auc, a, a_tuned], axis=1)


class Drawn(NamedTuple):
    """A system's measures, mean over seeds, as they are and under each resample."""

    value: np.ndarray  # (m,)
    draws: np.ndarray  # (draws, m)


def over_seeds(measured: np.ndarray) -> Drawn:
    """Mean over seeds of (seeds, 1 + draws, m), the seeds resampled too."""
    weights = seed_weights(len(measured), measured.shape[1] - 1)
    mean = np.einsum("rs,srm->rm", weights, measured)
    return Drawn(mean[0], mean[1:])


def estimate(value: float, draws: np.ndarray) -> tuple[float, float, float]:
    """Value with its 95 % limits; NaN where it has none."""
    if np.isnan(value):
        return (np.nan,) * 3
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return float(value), float(low), float(high)


def difference(a: Drawn, b: Drawn, place: int) -> dict[str, float]:
    """Measure `place` of a minus that of b: difference with limits, and p."""
    value, draws = a.value[place] - b.value[place], a.draws[:, place] - b.draws[:, place]
    limits = estimate(value, draws)
    p = np.nan if np.isnan(value) else shifted_p(value, draws)
    return dict(zip(("difference", "difference_low", "difference_high", "p"), (*limits, p),
                    strict=True))  # fmt: skip

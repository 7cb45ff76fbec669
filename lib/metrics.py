"""Retrieval metrics with the expected value over ties, so that equal scores give no luck."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def recall_at_k(
    scores: np.ndarray, positives: np.ndarray, ks: Sequence[int] = (1, 5, 10)
) -> dict[int, np.ndarray]:
    """Return for each k the chance that a positive is among the first k, per query: (q,) float64.

    `scores` (q, n), higher is better; `positives` (q,) the one right item of each query, or (q, n)
    boolean with at least one right item. Items of equal score stand in random order; the mean over
    queries is Recall@k. Raises ValueError for scores that are NaN or queries without a positive.
    """
    above, tied, right = _standing(scores, positives)
    return {k: 1 - _all_wrong(tied, right, np.clip(k - above, 0, tied)) for k in ks}


def mrr(scores: np.ndarray, positives: np.ndarray, cutoff: int | None = None) -> np.ndarray:
    """Return the expected 1 / rank of the first positive, per query: (q,); 0 beyond `cutoff`.

    Arguments as for `recall_at_k`; the mean over queries is MRR, with cutoff=100 MediaEval's.
    """
    above, tied, right = _standing(scores, positives)
    out = np.zeros(len(above))
    for place in range(1, int(tied.max(initial=0)) + 1):
        rank = above + place
        counts = (place <= tied) & (rank <= (cutoff or np.inf))
        first = _all_wrong(tied, right, np.minimum(place - 1, tied))
        first -= _all_wrong(tied, right, np.minimum(place, tied))
        out += np.where(counts, first / rank, 0.0)
    return out


def chance(items: int, ks: Sequence[int] = (1, 5, 10)) -> dict[int, float]:
    """Return Recall@k of a random order with one positive among `items`."""
    return {k: min(k, items) / items for k in ks}


def _standing(
    scores: np.ndarray, positives: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return per query: items above the best positive, tied with it, and positives among these."""
    scores, positives = np.asarray(scores), np.asarray(positives)
    if np.isnan(scores).any():
        raise ValueError(f"scores: NaN in row {int(np.argmax(np.isnan(scores).any(1)))}")
    if positives.ndim == 1:
        right = np.zeros(scores.shape, bool)
        right[np.arange(len(scores)), positives] = True
    else:
        right = positives.astype(bool)
    if not right.any(1).all():
        raise ValueError(f"positives: none in row {int(np.argmin(right.any(1)))}")
    best = np.where(right, scores, -np.inf).max(1, keepdims=True)
    equal = scores == best
    return (scores > best).sum(1), equal.sum(1), (equal & right).sum(1)


def _all_wrong(tied: np.ndarray, right: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Return the chance that `taken` of `tied` items, drawn at random, hold no right one."""
    out = np.ones(len(tied))
    for drawn in range(int(right.max(initial=0))):
        # place the right items one after the other: each must fall outside the places taken
        step = (tied - taken - drawn) / np.maximum(tied - drawn, 1)
        out = np.where(drawn < right, out * np.maximum(step, 0), out)
    return out

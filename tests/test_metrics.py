"""Retrieval metrics against a brute-force average over all orders of tied items."""

from itertools import permutations

import numpy as np
import pytest

from lib.metrics import chance, mrr, recall_at_k


def brute(scores, right, k):
    """Mean Recall@k and reciprocal rank (cut at k) over all orders that respect the scores."""
    hits, ranks = [], []
    for order in permutations(range(len(scores))):
        if all(scores[a] >= scores[b] for a, b in zip(order, order[1:], strict=False)):
            rank = 1 + next(i for i, item in enumerate(order) if right[item])
            hits.append(rank <= k)
            ranks.append(1 / rank if rank <= k else 0)
    return np.mean(hits), np.mean(ranks)


@pytest.mark.parametrize("seed", range(8))
def test_ties_count_as_the_mean_over_their_orders(seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, (4, 6)).astype(float)
    right = rng.random((4, 6)) < 0.4
    right[np.arange(4), rng.integers(0, 6, 4)] = True
    for k in (1, 2, 4, 6):
        expected = [brute(s, r, k) for s, r in zip(scores, right, strict=True)]
        np.testing.assert_allclose(recall_at_k(scores, right, [k])[k], [e[0] for e in expected])
        np.testing.assert_allclose(mrr(scores, right, cutoff=k), [e[1] for e in expected])


def test_equal_scores_give_chance():
    scores, positives = np.zeros((3, 600)), np.array([0, 5, 599])
    made = recall_at_k(scores, positives)
    assert {k: v.mean() for k, v in made.items()} == pytest.approx(chance(600))


def test_mrr_of_1500_equal_scores_is_the_one_known_for_a_random_run():
    assert mrr(np.zeros((1, 1500)), np.array([3]), cutoff=100)[0] == pytest.approx(
        0.00346, abs=5e-6
    )


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="NaN in row 1"):
        recall_at_k(np.array([[0.0, 1.0], [np.nan, 0.0]]), np.array([0, 0]))
    with pytest.raises(ValueError, match="none in row 0"):
        mrr(np.zeros((1, 2)), np.zeros((1, 2), bool))

"""A few labelled posts per class on cached features: linear probe and Tip-Adapter.

The paper names few-shot learning as its next step. Features are (n, d); `y` is (n,) class index
into the columns of the zero-shot scores, -1 for posts of no class (never used as support).
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from lib.places.scoring import logits, normalise, softmax


def draw_shots(y: np.ndarray, shots: int, seed: int) -> np.ndarray:
    """Rows of at most `shots` posts of each class, ascending; with one seed, 1-shot is in 2-shot.

    A class with fewer posts gives all it has; a class without any is not among the answers.
    """
    y = np.asarray(y)
    if shots < 1:
        raise ValueError(f"shots {shots}: must be at least 1")
    order = np.random.default_rng(seed).permutation(len(y))
    order = order[y[order] >= 0]
    rank = np.zeros(len(order), dtype=int)
    for label in np.unique(y[order]):
        of_class = y[order] == label
        rank[of_class] = np.arange(of_class.sum())
    support = np.sort(order[rank < shots])
    if not support.size:
        raise ValueError("few-shot: no labelled post to learn from")
    return support


def linear_probe(
    features: np.ndarray,
    y: np.ndarray,
    queries: np.ndarray,
    n_classes: int,
    shots: int,
    seed: int = 0,
    c: float = 1.0,
) -> np.ndarray:
    """Logistic regression on `shots` unit-length features a class, (q, n_classes) probabilities.

    Classes without support get 0. Join with the zero-shot scores by `scoring.linear_pool`.
    c: inverse strength of the L2 penalty, on features scaled to variance 1 on average.
    """
    y = np.asarray(y)
    rows = draw_shots(y, shots, seed)
    support, targets = normalise(features[rows], "support"), np.asarray(y)[rows]
    p = np.zeros((len(queries), n_classes))
    if len(np.unique(targets)) == 1:
        p[:, targets[0]] = 1.0
        return p
    # Unit vectors of dimension d have entries near d^-1/2; without this the penalty rules.
    scale = np.sqrt(support.shape[1])
    model = LogisticRegression(C=c, max_iter=1000).fit(support * scale, targets)
    p[:, model.classes_] = model.predict_proba(normalise(queries, "queries") * scale)
    return p


def _cache(x: np.ndarray, keys: np.ndarray, beta: float) -> np.ndarray:
    """Affinity exp(-beta (1 - cos)) of queries and keys, (q, m); eq. 5 of Tip-Adapter."""
    return np.exp(-beta * (1.0 - x @ keys.T))


def tip_adapter(
    features: np.ndarray,
    y: np.ndarray,
    queries: np.ndarray,
    classes: np.ndarray,
    shots: int,
    seed: int = 0,
    alpha: float = 1.0,
    beta: float = 5.5,
    epochs: int = 0,
    lr: float = 1e-3,
    logit_scale: float = 100.0,
) -> np.ndarray:
    """Zero-shot logits plus a key-value cache of the shots, (q, C) probabilities.

    Zhang et al. 2022 (arXiv:2111.03930): logits = scale x W^T + alpha A L, with A the affinities
    to the support and L its one-hot labels. classes: (C, d) class features. epochs: 0 is
    training-free; above it the keys are fine-tuned with Adam (Tip-Adapter-F), full batch.
    """
    rows = draw_shots(y, shots, seed)
    keys = normalise(features[rows], "support")
    one_hot = np.eye(len(classes))[np.asarray(y)[rows]]
    if epochs:
        base = logits(keys, classes, logit_scale)
        keys = _tuned_keys(keys, one_hot, base, alpha, beta, epochs, lr)
    x = normalise(queries, "queries")
    cached = _cache(x, keys, beta) @ one_hot
    return softmax(logits(x, classes, logit_scale) + alpha * cached)


def key_gradient(
    keys: np.ndarray,
    x: np.ndarray,
    one_hot: np.ndarray,
    base: np.ndarray,
    alpha: float,
    beta: float,
) -> np.ndarray:
    """Gradient of the mean cross-entropy of the support `x` with respect to the keys, (m, d)."""
    affinity = _cache(x, keys, beta)
    p = softmax(base + alpha * affinity @ one_hot)
    d_affinity = alpha * ((p - one_hot) / len(x)) @ one_hot.T
    return beta * (d_affinity * affinity).T @ x


def _tuned_keys(
    x: np.ndarray,
    one_hot: np.ndarray,
    base: np.ndarray,
    alpha: float,
    beta: float,
    epochs: int,
    lr: float,
) -> np.ndarray:
    """Keys after `epochs` full-batch Adam steps from the support itself (Kingma & Ba 2015)."""
    keys, first, second = x.copy(), np.zeros_like(x), np.zeros_like(x)
    for step in range(1, epochs + 1):
        gradient = key_gradient(keys, x, one_hot, base, alpha, beta)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        update = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        keys = keys - lr * update
    return keys


def tune_tip_adapter(
    features: np.ndarray,
    y: np.ndarray,
    held_out: np.ndarray,
    held_out_y: np.ndarray,
    classes: np.ndarray,
    shots: int,
    seed: int = 0,
    alphas: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0),
    betas: tuple[float, ...] = (1.0, 2.0, 5.5, 10.0),
    logit_scale: float = 100.0,
) -> tuple[float, float]:
    """(alpha, beta) with the best accuracy on held-out posts; equal accuracy: the smaller alpha."""
    rows = draw_shots(y, shots, seed)
    keys, one_hot = normalise(features[rows]), np.eye(len(classes))[np.asarray(y)[rows]]
    x = normalise(held_out, "held-out posts")
    base, truth = logits(x, classes, logit_scale), np.asarray(held_out_y)
    best, found = -1.0, (alphas[0], betas[0])
    for beta in betas:
        cached = _cache(x, keys, beta) @ one_hot
        for alpha in alphas:
            accuracy = float(((base + alpha * cached).argmax(axis=1) == truth).mean())
            if (accuracy, -alpha) > (best, -found[0]):
                best, found = accuracy, (alpha, beta)
    return found

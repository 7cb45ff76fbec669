"""Label spreading (Zhou et al. 2004) on a graph of neighbours among training rows.

    F <- alpha S F + (1 - alpha) Y,   S = D^-1/2 W D^-1/2

W joins each training row to its nearest neighbours by cosine. A label's no and yes spread apart and
are scaled to their shares among labelled rows (class mass normalisation, Zhu et al. 2003): else a
frequent no drowns a rare yes. A row outside the graph takes the mean of its neighbours in it.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from lib.memes.draws import Draw
from lib.memes.systems.inputs import Fitted, Inputs
from lib.memes.systems.probes import standardised
from lib.memes.systems.settings import SslSettings

ROUNDS = 60  # of the iteration; at alpha .9 what is left after it is .9^60, 2 in 1000
BLOCK = 1000  # rows whose cosines are in memory at once


def neighbours(queries: np.ndarray, bank: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions in the bank and cosines (n, k) of each query's nearest; unit rows (., d)."""
    k = min(k, len(bank))
    places, cosines = [], []
    for first in range(0, len(queries), BLOCK):
        found = queries[first : first + BLOCK] @ bank.T
        place = np.argsort(-found, axis=1, kind="stable")[:, :k]
        places.append(place)
        cosines.append(np.take_along_axis(found, place, 1))
    return np.concatenate(places), np.concatenate(cosines)


def spread(graph: sparse.csr_array, seeds: np.ndarray, alpha: float) -> np.ndarray:
    """Return F (n, m) after the iteration from Y = `seeds` (n, m); `graph` (n, n) is symmetric."""
    degree = np.maximum(np.asarray(graph.sum(1)).ravel(), 1e-12) ** -0.5
    scaled = sparse.diags_array(degree) @ graph @ sparse.diags_array(degree)
    found = seeds
    for _ in range(ROUNDS):
        found = alpha * (scaled @ found) + (1 - alpha) * seeds
    return found


def fit(inputs: Inputs, draw: Draw, outputs: int, settings: SslSettings) -> Fitted:
    """Spread the labels of a draw; nothing is random and nothing is trained."""
    features = standardised(inputs)
    features = features / np.linalg.norm(features, axis=1, keepdims=True)
    train = np.concatenate(draw)
    place, cosine = neighbours(features[train], features[train], settings.neighbours + 1)
    weight = np.maximum(cosine, 0) * (place != np.arange(len(train))[:, None])
    rows = np.repeat(np.arange(len(train)), place.shape[1])
    graph = sparse.csr_array((weight.ravel(), (rows, place.ravel())), shape=(len(train),) * 2)
    truth = inputs.known(draw, outputs).cpu().numpy()
    seeds = np.zeros((len(train), 2 * outputs))
    seeds[: len(truth)] = np.concatenate([1 - truth, truth], axis=1)
    no, yes = np.split(spread(graph.maximum(graph.T), seeds, settings.spread), 2, axis=1)
    share = truth.mean(0)
    no, yes = no * (1 - share) / (no.sum(0) + 1e-12), yes * share / (yes.sum(0) + 1e-12)
    inside = np.where(no + yes > 0, yes / np.maximum(no + yes, 1e-300), share)
    place, cosine = neighbours(features, features[train], settings.neighbours)
    weight = np.maximum(cosine, 1e-9)
    scores = (inside[place] * weight[..., None]).sum(1) / weight.sum(1)[:, None]
    scores[train] = inside
    return Fitted(scores.astype(np.float32), [], 0)

"""Hubness: images that are near to every text, and the ways to take their advantage away.

All of them are one form, the score minus a bias of the image:

    s'(query i, image j) = z_ij - b_j,     b_j computed from the column of cosines z_1j ... z_Rj

where the R reference queries are the test queries themselves (transductive: it uses the whole test
set at once) or a bank of training queries (inductive). QB-Norm applies the bias only to queries
that land on a hub. Everything is in log space, so no temperature can underflow.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from lib.retrieval.hubs import METHODS
from lib.retrieval.topk import Bias, TopK, search, top_k

TILE = 1 << 18  # cosines worked on at a time: 1 MB stays in the cache


def bias_of(name: str, temperature: float = 0.01) -> Bias | None:
    """Return the bias function of a method (QB-Norm's is the inverted softmax it gates)."""
    if name not in METHODS:
        raise ValueError(f"method: {name!r} is none of {', '.join(METHODS)}")
    if METHODS[name].tempered and not temperature > 0:
        raise ValueError(f"temperature: must be above 0, got {temperature}")
    return {
        "plain": None,
        "dual_softmax": partial(dual_softmax, temperature=temperature),
        "inverted_softmax": partial(inverted_softmax, temperature=temperature),
        "csls": csls,
        "nnn": nnn,
        "qb_norm": partial(inverted_softmax, temperature=temperature),
    }[name]


def inverted_softmax(cosines: Tensor, temperature: float) -> Tensor:
    """b_j = T logsumexp_i(z_ij / T): ranks by the softmax over queries (Smith et al. 2017).

    cosines: (references, images) -> (images,).
    """
    tile = max(1, TILE // len(cosines))
    parts = []
    for part in cosines.split(tile, dim=1):
        highest = part.amax(0)
        total = (part - highest).mul_(1 / temperature).exp_().sum(0)
        parts.append(total.log_().mul_(temperature).add_(highest))
    return torch.cat(parts)


def dual_softmax(cosines: Tensor, temperature: float) -> Tensor:
    """b_j = T/2 logsumexp_i(z_ij / T): ranks exactly as softmax(Z/T, 0) * softmax(Z/T, 1).

    The product's logarithm is 2 z_ij / T minus a term of the query, which cannot change its
    ranking, minus the logsumexp of the image's column: half an inverted softmax.
    Leventakis et al. 2023 (MediaEval NewsImages, §3.4), who print no temperature.
    """
    return inverted_softmax(cosines, temperature) / 2


def csls(cosines: Tensor, neighbours: int = 10) -> Tensor:
    """b_j = half the mean of the image's 10 highest cosines (Conneau et al. 2018).

    CSLS is 2 z - r_query - r_image; r_query cannot change the ranking, the factor 2 neither.
    """
    return _highest(cosines, neighbours) / 2


def nnn(cosines: Tensor, neighbours: int = 128, weight: float = 0.75) -> Tensor:
    """b_j = weight * mean of the image's 128 highest cosines (nearest neighbour normalisation)."""
    return _highest(cosines, neighbours) * weight


def _highest(cosines: Tensor, neighbours: int) -> Tensor:
    """Return the mean of the highest cosines of every column."""
    # Along the rows of the transpose: several times faster than down the columns.
    rows = cosines.T.contiguous()
    return rows.topk(min(neighbours, len(cosines)), dim=1, sorted=False).values.mean(1)


def qb_norm(
    queries: np.ndarray,
    images: np.ndarray,
    k: int = 100,
    bank: np.ndarray | None = None,
    temperature: float = 0.05,
    hub_k: int = 1,
    device: str = "cpu",
) -> tuple[TopK, np.ndarray]:
    """Rank by QB-Norm's dynamic inverted softmax (Bogolin et al. 2022); returns the gate too.

    A query whose first image belongs to the hubs, the images that some bank query has among its
    first `hub_k`, is ranked by the inverted softmax, all others by cosine. temperature = 1/beta.
    Second value: (C,) bool, true where the inverted softmax was used.
    """
    biases = {"plain": None, "inverted": bias_of("qb_norm", temperature)}
    found = search(queries, images, max(k, hub_k), biases, bank, device)
    seen = found["plain"] if bank is None else top_k(bank, images, hub_k, device=device)
    gate = np.isin(found["plain"].ids[:, 0], np.unique(seen.ids[:, :hub_k]))
    both = found["inverted"], found["plain"]
    ids, scores = (
        np.where(gate[:, None], getattr(both[0], field), getattr(both[1], field))[:, :k]
        for field in ("ids", "scores")
    )
    return TopK(ids, scores), gate


def rank_images(
    queries: np.ndarray,
    images: np.ndarray,
    method: str,
    temperature: float = 0.01,
    k: int = 100,
    bank: np.ndarray | None = None,
    device: str = "cpu",
) -> TopK:
    """Return the top-k by any of METHODS; `bank` makes it inductive. See `topk.search`."""
    if method == "qb_norm":
        return qb_norm(queries, images, k, bank, temperature, device=device)[0]
    return top_k(queries, images, k, bias_of(method, temperature), bank, device)

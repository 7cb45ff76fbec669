"""Hubs: how their advantage is measured, and the names of the ways to take it away.

The ways themselves are in lib.retrieval.hubness, which needs torch; what reads results does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TEMPERATURES = (1.0, 0.1, 0.05, 0.02, 0.01)  # on cosines; the dual softmax paper prints none


@dataclass(frozen=True)
class Method:
    """A way to rank: its name, and whether it takes a temperature (on cosines, no unit)."""

    name: str
    label: str
    tempered: bool


METHODS = {
    m.name: m
    for m in (
        Method("plain", "cosine", False),
        Method("dual_softmax", "dual softmax", True),
        Method("inverted_softmax", "inverted softmax", True),
        Method("csls", "CSLS", False),
        Method("nnn", "NNN", False),
        Method("qb_norm", "QB-Norm", True),
    )
}


def k_occurrence(ids: np.ndarray, images: int, k: int = 10) -> np.ndarray:
    """Return how many queries have each image among their first k; (images,) int64."""
    first = ids[:, :k]
    return np.bincount(first[first >= 0], minlength=images)


def skewness(occurrence: np.ndarray) -> float:
    """Return the skewness of the k-occurrence: 0 without hubs (Radovanovic et al. 2010).

    0 as well when every image occurs equally often.
    """
    away = occurrence - occurrence.mean()
    spread = np.sqrt((away**2).mean())
    return float((away**3).mean() / spread**3) if spread > 0 else 0.0

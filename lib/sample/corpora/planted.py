"""Planted effects, measured: what a sample corpus holds, and the most anyone can get out of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

START = pd.Timestamp("2026-01-05T09:00:00")  # when the annotators of the samples began
PACE = pd.Timedelta(seconds=4)  # time that a judgement takes


def ceiling(evidence: Sequence[Hashable], truth: Sequence[str], gold: Sequence[str]) -> float:
    """Return the accuracy against `gold` of the best rule that sees the evidence alone.

    For each distinct evidence the rule answers with its most frequent true class. The rule is
    chosen on the very rows that it is measured on, so this bounds from above.
    """
    rows = defaultdict(list)
    for key, label, said in zip(evidence, truth, gold, strict=True):
        rows[key].append((label, said))
    hits = 0
    for found in rows.values():
        answer, _ = max(Counter(label for label, _ in found).items(), key=lambda c: (c[1], c[0]))
        hits += sum(said == answer for _, said in found)
    return hits / len(truth)


def kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Return Cohen's kappa of two annotators' labels (Cohen 1960)."""
    pairs = list(zip(first, second, strict=True))
    agreement = sum(a == b for a, b in pairs) / len(pairs)
    left, right = Counter(first), Counter(second)
    chance = sum(left[label] * right[label] for label in left) / len(pairs) ** 2
    return (agreement - chance) / (1 - chance)


def shares(values: Sequence[str]) -> dict[str, float]:
    """Return the share of each value, the most frequent first, rounded to 4 decimals."""
    counts = Counter(values)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {value: round(count / len(values), 4) for value, count in ordered}


def apportion(total: int, weights: Sequence[float]) -> list[int]:
    """Return whole numbers that add up to `total`, in proportion (largest remainder)."""
    quotas = [total * weight / sum(weights) for weight in weights]
    counts = [int(quota) for quota in quotas]
    order = sorted(range(len(quotas)), key=lambda i: (counts[i] - quotas[i], i))
    for index in order[: total - sum(counts)]:
        counts[index] += 1
    return counts


def annotate(
    truth: Sequence[tuple[str, str]],
    neighbours: dict[str, list[str]],
    noise: float,
    annotator: str,
    seed: int,
) -> pd.DataFrame:
    """Return an annotator's judgements (id, label, annotator, time) of (id, true label) pairs.

    A share `noise` of them slips to one of the label's neighbours.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for number, (key, label) in enumerate(truth):
        if rng.random() < noise:
            label = str(rng.choice(neighbours[label]))
        rows.append((key, label, annotator, (START + number * PACE).isoformat()))
    return pd.DataFrame(rows, columns=["id", "label", "annotator", "time"])

"""What a card counts: values, picture sizes, lengths of texts, sizes of groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

GROUP_BINS = (1, 2, 3, 4, 5, 10, 20, 50, 100)  # lower edges of the group sizes shown


def sizes(facts: pd.DataFrame) -> list[dict[str, int]]:
    """Number of pictures of each width and height."""
    return facts.value_counts(["width", "height"]).reset_index().to_dict("records")


def by_value(values: pd.Series) -> dict[str, int]:
    """Number of posts by value, sorted by value."""
    return {str(k): int(n) for k, n in values.value_counts().sort_index().items()}


def histogram(words: pd.Series) -> dict[str, Any]:
    """Counts of text lengths in at most 30 equal bins up to the 99.5th percentile."""
    words = words.astype(int)
    top = int(words.quantile(0.995)) if len(words) else 1
    width = max(1, -(-(top + 1) // 30))
    edges = np.arange(0, top + width + 1, width)
    counts, edges = np.histogram(words, bins=edges)
    median = float(words.median()) if len(words) else 0.0
    longest = int(words.max()) if len(words) else 0
    return {
        "edges": edges.tolist(), "counts": counts.tolist(), "median": median, "longest": longest
    }  # fmt: skip


def group_sizes(group: pd.Series) -> list[dict[str, Any]]:
    """Number of groups by size, sizes binned: 1, 2, 3, 4, 5-9, 10-19, ..."""
    sizes = group.value_counts().to_numpy()
    rows = []
    for low, high in zip(GROUP_BINS, (*GROUP_BINS[1:], None), strict=True):
        inside = int(((sizes >= low) & (True if high is None else sizes < high)).sum())
        name = f"{low}+" if high is None else str(low) if high == low + 1 else f"{low}–{high - 1}"
        rows.append({"size": name, "groups": inside})
    while len(rows) > 3 and rows[-1]["groups"] == 0:
        rows.pop()
    return rows

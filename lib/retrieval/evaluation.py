"""How the NewsImages task measures a ranking: MRR@100 and Recall@k, per query and on average.

A run is a table of `query, image, rank, score` with at most 100 rows a query, the truth a table of
`query, image` (one row a query: its own picture). Equal scores count with their expected value
(McSherry & Najork 2008), so that the order of the files cannot decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lib.metrics import mrr, recall_at_k

if TYPE_CHECKING:  # torch takes seconds to import and nothing here computes with it
    from lib.retrieval.topk import TopK

CUTOFF = 100
KS = (1, 5, 10, 50, 100)
MRR = f"MRR@{CUTOFF}"
COLUMNS = ["query", "image", "rank", "score"]
DECIMALS = 6  # of a score: float32 gives two copies of a picture scores that differ beyond


def run_frame(found: TopK, queries: Sequence[str], images: Sequence[str]) -> pd.DataFrame:
    """Return the top-k as a run: query, image (their names), rank from 1, score (float32)."""
    rows, places = np.nonzero(found.ids >= 0)
    return pd.DataFrame(
        {
            "query": np.asarray(queries, dtype=object)[rows],
            "image": np.asarray(images, dtype=object)[found.ids[rows, places]],
            "rank": (places + 1).astype(np.int16),
            "score": found.scores[rows, places],
        }
    )


def truth_frame(
    queries: Sequence[str], images: Sequence[str], titles: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the truth: query, image.

    queries[i] belongs to images[i]. With `titles` (any match) a query's right images are those of
    all queries of the same title, white space and case apart; without (as the organisers count)
    only its own, though nothing tells two equal titles from each other.
    """
    own = pd.DataFrame({"query": list(queries), "image": list(images)})
    if titles is None:
        return own
    own["title"] = [" ".join(str(title).split()).casefold() for title in titles]
    # A query without words has nothing in common with another one.
    own["title"] = own["title"].where(own["title"] != "", "\n" + own["query"].astype(str))
    both = own[["query", "title"]].merge(own[["image", "title"]], on="title")
    return both[["query", "image"]].drop_duplicates(ignore_index=True)


def judge(run: pd.DataFrame, truth: pd.DataFrame, ties: bool = True) -> pd.DataFrame:
    """Return one row a query of the truth, in its order, as the index: rank, MRR@100, R@k.

    rank: expected rank of the first right image, NaN beyond 100; the others in 0..1, their means
    are the metrics. A query that the run leaves out scores 0. `ties`: equal scores share their
    places; without, or if the run has no scores (a submission file), the rank alone counts.
    """
    queries = truth["query"].drop_duplicates().to_numpy()
    scores, right = _matrices(run, truth, queries, ties and "score" in run)
    out = {"rank": _expected_rank(scores, right), MRR: mrr(scores, right, CUTOFF)}
    out |= {f"R@{k}": value for k, value in recall_at_k(scores, right, KS).items()}
    return pd.DataFrame(out, index=pd.Index(queries, name="query"))


def evaluate(run: pd.DataFrame, truth: pd.DataFrame, ties: bool = True) -> dict[str, float]:
    """Return the means over the queries: MRR@100 and R@k; see `judge`."""
    return judge(run, truth, ties).drop(columns="rank").mean().to_dict()


def chance(images: int, cutoff: int = CUTOFF) -> dict[str, float]:
    """Return what a random order of `images` reaches: MRR@100 and R@k."""
    places = np.arange(1, min(cutoff, images) + 1)
    return {MRR: float((1 / places).sum() / images)} | {
        f"R@{k}": min(k, images) / images for k in KS
    }


def _matrices(
    run: pd.DataFrame, truth: pd.DataFrame, queries: np.ndarray, ties: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and right images as (queries, CUTOFF + 1).

    The last column stands for everything that the run does not list: the lowest score, and right
    where no listed image is.
    """
    listed = run[run["rank"] <= CUTOFF]
    row = pd.Index(queries).get_indexer(listed["query"])
    listed, row = listed[row >= 0], row[row >= 0]
    place = listed["rank"].to_numpy(np.int64) - 1
    value = listed["score"].to_numpy(np.float64).round(DECIMALS) if ties else -place
    scores = np.full((len(queries), CUTOFF + 1), -1e30)
    scores[row, place] = value
    scores[:, -1] = -np.inf
    pairs = pd.MultiIndex.from_frame(truth[["query", "image"]])
    right = np.zeros(scores.shape, bool)
    right[row, place] = pd.MultiIndex.from_frame(listed[["query", "image"]]).isin(pairs)
    right[:, -1] = ~right.any(1)
    return scores, right


def _expected_rank(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the expected rank of the first right image; NaN where it is not listed."""
    best = np.where(right, scores, -np.inf).max(1, keepdims=True)
    equal = scores == best
    rank = (scores > best).sum(1) + (equal.sum(1) + 1) / ((equal & right).sum(1) + 1)
    return np.where(right[:, -1], np.nan, rank)

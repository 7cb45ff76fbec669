"""Ranks from similarities, and the tables they go into: one row a query and configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from lib.retrieval.evaluation import CUTOFF, KS
from lib.retrieval.hubness import bias_of
from lib.retrieval.study.inputs import TestSet
from lib.retrieval.topk import TopK

TIE = 5e-7  # cosines that differ by less are equal: float32 gives two copies of a picture that
CELLS = 1 << 24  # scores compared at a time
HARMONIC = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, CUTOFF + 1))])
CONFIG = {  # columns of a configuration and their values where one says nothing
    "set": "", "split": "test", "system": "", "encoder": "", "tuned": "", "seed": -1,
    "method": "plain", "temperature": np.nan, "bank": "", "aggregation": "title",
    "setting": "", "alpha": np.nan,
}  # fmt: skip
RESULTS = ("rank", "rank_any", "rr", *(f"r{k}" for k in KS))


@dataclass(frozen=True)
class Standing:
    """Where the right image of each query stands: images above it, and tied with it."""

    above: np.ndarray  # (q,) int
    tied: np.ndarray  # (q,) int, itself among them
    rank_any: np.ndarray  # (q,) expected rank of the first right one, equal titles counted too

    def columns(self) -> dict[str, np.ndarray]:
        """Return rank (NaN beyond the cut-off), rr and recalls, expected over ties: (q,) each."""
        above, tied = self.above, self.tied
        low, high = np.minimum(above, CUTOFF), np.minimum(above + tied, CUTOFF)
        out = {
            "rank": np.where(above < CUTOFF, above + (tied + 1) / 2, np.nan),
            "rank_any": np.where(self.rank_any <= CUTOFF, self.rank_any, np.nan),
            "rr": (HARMONIC[high] - HARMONIC[low]) / tied,
        }
        return out | {f"r{k}": np.clip(k - above, 0, tied) / tied for k in KS}

    def mrr(self) -> float:
        """Return the mean of rr."""
        return float(self.columns()["rr"].mean())

    def recall(self, k: int = 1) -> float:
        """Return the mean of r<k>."""
        return float(self.columns()[f"r{k}"].mean())


def plain(text: np.ndarray, image: np.ndarray, where: TestSet, any_match: bool = True) -> Standing:
    """Rank by cosine, some queries at a time; text (q, d) and image (g, d) of unit length.

    Without `any_match` rank_any is the own picture's: what choices look at needs no more.
    """
    right = where.right[where.known]
    wanted, gallery = torch.from_numpy(text)[where.known], torch.from_numpy(image)
    step = max(1, CELLS // len(gallery))
    parts = [wanted[i : i + step] @ gallery.T for i in range(0, len(wanted), step)]
    found = [standing(part, right[i * step :][: len(part)]) for i, part in enumerate(parts)]
    above, tied = (np.concatenate([one[k] for one in found]) for k in (0, 1))
    if not any_match:
        return Standing(above, tied, above + (tied + 1) / 2)
    return Standing(above, tied, _any_rank(parts, where, above, tied, step))


def standing(scores: Tensor, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return images above and tied with the right one; scores (q, g), right (q,) positions."""
    own = scores.gather(1, torch.from_numpy(right)[:, None])
    above = (scores > own + TIE).sum(1)
    return above.numpy(), ((scores >= own - TIE).sum(1) - above).numpy()


def ranked(scores: Tensor, where: TestSet) -> Standing:
    """Rank by a (q, g) matrix over all queries of a set."""
    known = scores if len(where.known) == len(scores) else scores[where.known]
    above, tied = standing(known, where.right[where.known])
    return Standing(above, tied, _any_rank([known], where, above, tied, len(known)))


def _any_rank(
    parts: Sequence[Tensor], where: TestSet, above: np.ndarray, tied: np.ndarray, step: int
) -> np.ndarray:
    """Return the expected rank of the first picture whose article has the query's title."""
    out = above + (tied + 1) / 2
    for number, query in enumerate(where.known):
        if int(query) in where.shared:
            row = parts[number // step][number % step]
            best = row[torch.from_numpy(where.shared[int(query)])]
            equal = row >= best.max() - TIE
            first = (best >= best.max() - TIE).sum()
            higher = (row > best.max() + TIE).sum()
            out[number] = int(higher) + (int(equal.sum() - higher) + 1) / (int(first) + 1)
    return out


def similarity(views: Sequence[np.ndarray], image: np.ndarray, aggregation: str) -> Tensor:
    """Return (q, g) similarities of titles, in several wordings, and images.

    views: (q, d) unit features of the title and its paraphrase. `mean`: of the two cosines (the
    2023 paper); `embedding_mean`: cosine of the mean of the two features, which ranks as `mean`
    does and differs only once a temperature is applied; `title`: the paraphrase is not looked at.
    """
    gallery = torch.from_numpy(image)
    first, *others = (torch.from_numpy(view) for view in views)
    if aggregation == "title" or not others:
        return first @ gallery.T
    if aggregation == "embedding_mean":
        return F.normalize(sum(others, first), dim=1) @ gallery.T
    if aggregation == "mean":
        return (sum(others, first) / len(views)) @ gallery.T
    if aggregation == "max":
        return torch.stack([view @ gallery.T for view in (first, *others)]).amax(0)
    raise ValueError(f"aggregation: {aggregation!r} is none of title, mean, max, embedding_mean")


def adjusted(scores: Tensor, method: str, temperature: float, bank: Tensor | None = None) -> Tensor:
    """Return similarities minus the images' bias (see lib.retrieval.hubness).

    bank: (r, g) similarities of reference titles (inductive); without it the queries themselves.
    A matrix is held: a test set has some thousand rows. Larger galleries: lib.retrieval.topk.
    """
    bias = bias_of(method, temperature)
    if bias is None:
        return scores
    seen = scores if bank is None else bank
    if method != "qb_norm":
        return scores - bias(seen)
    hubs = torch.isin(scores.argmax(1), seen.argmax(1).unique())
    return torch.where(hubs[:, None], scores - bias(seen), scores)


def best(scores: Tensor, k: int = CUTOFF) -> TopK:
    """Return the k best images of each query, best first, equal ones in order."""
    values, ids = (found.numpy() for found in scores.topk(min(k, scores.shape[1]), dim=1))
    order = np.lexsort((ids, -values))
    return TopK(*(np.take_along_axis(found, order, 1) for found in (ids, values)))


class Ledger:
    """Collects one row a query and configuration."""

    def __init__(self, pairs: pd.DataFrame, kind: np.ndarray):
        """Take the pairs that queries are rows of, and their kinds."""
        self.pairs, self.kind = pairs, kind
        self.configs: list[dict[str, Any]] = []
        self.rows: list[np.ndarray] = []
        self.results: list[Mapping[str, np.ndarray]] = []

    def add(self, where: TestSet, found: Mapping[str, np.ndarray], **config: Any) -> None:
        """Add the results of a configuration on the queries of a set whose picture is known."""
        if unknown := set(config) - set(CONFIG):
            raise ValueError(f"configuration: {sorted(unknown)[0]!r} is no column")
        self.configs.append(CONFIG | {"set": where.name, "split": where.split} | config)
        self.rows.append(where.queries[where.known])
        self.results.append(found)

    def frame(self) -> pd.DataFrame:
        """Return all rows, in the order added; names as categories."""
        sizes = [len(rows) for rows in self.rows]
        number = np.repeat(np.arange(len(sizes)), sizes)
        configs = pd.DataFrame(self.configs, columns=list(CONFIG))
        out = {}
        for column in CONFIG:
            values = configs[column]
            values = values.astype("category") if values.dtype == object else values
            out[column] = values.iloc[number].array
        rows = np.concatenate(self.rows) if self.rows else np.zeros(0, int)
        for column in ("id", "group", "date"):
            codes, names = pd.factorize(self.pairs[column])
            name = "query" if column == "id" else column
            out[name] = pd.Categorical.from_codes(codes[rows], names)
        codes, names = pd.factorize(self.kind)
        out["kind"] = pd.Categorical.from_codes(codes[rows], names)
        for column in RESULTS:
            parts = [found[column] for found in self.results]
            out[column] = np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, "f4")
        return pd.DataFrame(out)

"""The paper's claims, each as a number with an interval on the posts at hand, and a verdict.

Paper: Lucas, Tomás and García-Rodríguez 2021 (see `lib.places.published`). Near-duplicates are
resampled together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from lib.places.selective import auroc
from lib.places.study.contrasts import select
from lib.stats import Interval, bootstrap_ci, resampled_sums

HALF = 0.5  # the paper's threshold
HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be told"


def verdict(found: Interval, null: float = 0.0) -> str:
    """Whether "greater than `null`" holds: the interval lies above it, below it, or across it."""
    if found.low > null:
        return HOLDS
    return FAILS if found.high < null else OPEN


def check(
    predictions: pd.DataFrame,
    encoder: str,
    ensemble: str,
    clusters: pd.Series,
    n: int = 1000,
    split: str = "test",
) -> pd.DataFrame:
    """Every claim that the labels at hand allow: claim, paper, measure, value, low, high, verdict.

    encoder: name as in `variant` before the slash; ensemble: name of the paper's 0.8/0.2 system;
    clusters: group of each post, indexed by id. Claims about right and wrong answers use posts of
    `split` with a known truth; claims about shares use every post.
    """
    share = _Claims(predictions, clusters, n, "", False)
    rows = [share.more_at_half(encoder)]
    labelled = predictions[(predictions["split"] == split) & (predictions["y_true"] != "")]
    variant = f"{encoder}/natural"
    if labelled.empty:
        rows.append(share.fewer_at_half(variant, ensemble))
        return pd.DataFrame(rows)
    right = _Claims(predictions, clusters, n, split, True)
    rows += [
        right.better_prompts(encoder),
        right.precision(variant, ensemble, 0.4),
        right.precision(variant, ensemble, HALF),
        share.fewer_at_half(variant, ensemble),
        right.confident_hits(variant),
        right.separates(variant),
    ]
    conditional = sorted(
        name for name in labelled["system"].unique() if name.startswith("conditional")
    )
    rows += [right.conditional(variant, name, ensemble) for name in conditional]
    return pd.DataFrame(rows)


class _Claims:
    """One method a claim; all share the posts and the way of resampling."""

    def __init__(
        self, predictions: pd.DataFrame, clusters: pd.Series, n: int, split: str, known: bool
    ) -> None:
        self.predictions, self.clusters = predictions, clusters
        self.n, self.split, self.known = n, split, known

    def more_at_half(self, encoder: str) -> dict:
        """Section 4.1: 18.2 % against 17.5 %."""
        raw, natural = (self._of("image", f"{encoder}/{kind}") for kind in ("raw", "natural"))
        over = [(rows["score"] >= HALF).to_numpy(float) for rows in (natural, raw)]
        text = "natural prompts classify more posts at .5 than bare labels"
        return self._row(text, "+.007", "share, difference", over[0] - over[1], natural.index)

    def better_prompts(self, encoder: str) -> dict:
        """Section 4.1 keeps natural prompts without measuring whether they are right more often."""
        raw, natural = (self._of("image", f"{encoder}/{kind}") for kind in ("raw", "natural"))
        gap = _right(natural) - _right(raw)
        text = "natural prompts are right more often than bare labels"
        return self._row(text, "not measured", "accuracy, difference", gap, natural.index)

    def precision(self, variant: str, ensemble: str, threshold: float) -> dict:
        """Section 4.2: higher accuracy from a threshold of .4 on."""
        parts = []
        for system in (ensemble, "image"):
            rows = self._of(system, variant)
            over = (rows["score"] >= threshold).to_numpy()
            parts += [over & (_right(rows) > 0), over]
        text = f"with captions at .8/.2, posts over {threshold:g} are right more often"
        measure = "precision, difference"
        return self._row(text, "higher", measure, np.stack(parts, 1), rows.index, _ratio_gap)

    def fewer_at_half(self, variant: str, ensemble: str) -> dict:
        """Section 4.2: a drastic decrease of images recovered."""
        image, joint = (self._of(system, variant) for system in ("image", ensemble))
        fewer = (image["score"] >= HALF).to_numpy(float) - (joint["score"] >= HALF).to_numpy()
        text = "with captions at .8/.2, fewer posts are over .5"
        return self._row(text, "drastic decrease", "share lost", fewer, image.index)

    def confident_hits(self, variant: str) -> dict:
        """Section 5: mean best probability .6579 of hits, .5676 of failures."""
        rows = self._of("image", variant)
        score, right = rows["score"].to_numpy(), _right(rows)
        parts = np.stack([score * right, right, score * (1 - right), 1 - right], 1)
        text, measure = "hits are more confident than failures", "mean confidence, difference"
        return self._row(text, "+.090", measure, parts, rows.index, _ratio_gap)

    def separates(self, variant: str) -> dict:
        """Section 5 takes the two means for the range of the ideal threshold."""
        rows = self._of("image", variant)
        both = np.stack([rows["score"], _right(rows)], 1)
        found = Interval(np.nan, np.nan, np.nan)
        if 0 < both[:, 1].sum() < len(both):
            groups = self.clusters.loc[rows.index].to_numpy()
            found = bootstrap_ci(both, lambda x: auroc(x[:, 0], x[:, 1] > 0), groups, self.n)
        text = "confidence tells hits from failures (AUROC over .7)"
        known = {"claim": text, "paper": ".603 from Table 3", "measure": "AUROC"}
        return known | found._asdict() | {"verdict": verdict(found, 0.7)}

    def conditional(self, variant: str, system: str, ensemble: str) -> dict:
        """Section 4.2: the conditional ensemble did not improve the original ensemble."""
        rows = self._of(system, variant)
        gap = _right(self._of(ensemble, variant)) - _right(rows)
        text = f"captions let in by {system.removeprefix('conditional_')} are worse than .8/.2"
        return self._row(text, "did not improve", "accuracy, difference", gap, rows.index)

    def _of(self, system: str, variant: str) -> pd.DataFrame:
        rows = select(self.predictions, system, variant, self.split)
        return rows[rows["y_true"] != ""] if self.known else rows

    def _row(
        self,
        claim: str,
        paper: str,
        measure: str,
        values: np.ndarray,
        ids: pd.Index,
        statistic: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> dict:
        """One claim; `statistic` maps column sums (m, c) to (m,) numbers, None = mean of (n,)."""
        values = np.asarray(values, dtype=float)
        if statistic is None:
            values, statistic = np.stack([values, np.ones(len(values))], 1), _mean
        draws = statistic(resampled_sums(values, self.clusters.loc[ids].to_numpy(), self.n))
        value = float(statistic(values.sum(axis=0)[None])[0])
        low, high = (np.nan, np.nan) if np.isnan(value) else np.nanquantile(draws, [0.025, 0.975])
        found = Interval(value, float(low), float(high))
        known = {"claim": claim, "paper": paper, "measure": measure}
        return known | found._asdict() | {"verdict": verdict(found)}


def _right(rows: pd.DataFrame) -> np.ndarray:
    """(n,) 1 where the answer is right."""
    return (rows["y_pred"] == rows["y_true"]).to_numpy(float)


def _mean(sums: np.ndarray) -> np.ndarray:
    """(m,) mean from the columns sum, count."""
    return sums[:, 0] / sums[:, 1]


def _ratio_gap(sums: np.ndarray) -> np.ndarray:
    """(m,) a/b - c/d from the columns a, b, c, d; NaN where a ratio is of nothing."""
    a, b, c, d = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return a / b - c / d

"""The paper's claims, each as a number with an interval on the posts at hand, and a verdict.

Paper: Lucas, Tomás and García-Rodríguez 2021 (see `lib.places.published`). Near-duplicates are
resampled together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from lib.places.contrasts import select
from lib.places.selective import auroc
from lib.stats import Interval, bootstrap_ci

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
            parts += [over, over & (_right(rows) > 0)]
        text = f"with captions at .8/.2, posts over {threshold:g} are right more often"
        measure = "precision, difference"
        return self._row(text, "higher", measure, np.stack(parts, 1), rows.index, _precision_gap)

    def fewer_at_half(self, variant: str, ensemble: str) -> dict:
        """Section 4.2: a drastic decrease of images recovered."""
        image, joint = (self._of(system, variant) for system in ("image", ensemble))
        fewer = (image["score"] >= HALF).to_numpy(float) - (joint["score"] >= HALF).to_numpy()
        text = "with captions at .8/.2, fewer posts are over .5"
        return self._row(text, "drastic decrease", "share lost", fewer, image.index)

    def confident_hits(self, variant: str) -> dict:
        """Section 5: mean best probability .6579 of hits, .5676 of failures."""
        rows = self._of("image", variant)
        both = np.stack([rows["score"], _right(rows)], 1)
        text, measure = "hits are more confident than failures", "mean confidence, difference"
        return self._row(text, "+.090", measure, both, rows.index, _mean_gap)

    def separates(self, variant: str) -> dict:
        """Section 5 takes the two means for the range of the ideal threshold."""
        rows = self._of("image", variant)
        both = np.stack([rows["score"], _right(rows)], 1)
        text = "confidence tells hits from failures (AUROC over .7)"
        return self._row(text, ".603 from Table 3", "AUROC", both, rows.index, _auroc, null=0.7)

    def conditional(self, variant: str, system: str, ensemble: str) -> dict:
        """Section 4.2: the conditional ensemble did not improve the original ensemble."""
        gap = _right(self._of(ensemble, variant)) - _right(rows := self._of(system, variant))
        text = (
            f"the conditional ensemble ({system.removeprefix('conditional_')}) is worse than .8/.2"
        )
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
        statistic: Callable[[np.ndarray], float] | None = None,
        null: float = 0.0,
    ) -> dict:
        values, groups = np.asarray(values, dtype=float), self.clusters.loc[ids].to_numpy()
        found = Interval(np.nan, np.nan, np.nan)
        # A precision of no posts, or a mean of no hits, cannot be resampled either.
        if statistic is None or not np.isnan(statistic(values)):
            found = bootstrap_ci(values, statistic, groups, self.n)
        known = {"claim": claim, "paper": paper, "measure": measure}
        return known | found._asdict() | {"verdict": verdict(found, null)}


def _right(rows: pd.DataFrame) -> np.ndarray:
    """(n,) 1 where the answer is right."""
    return (rows["y_pred"] == rows["y_true"]).to_numpy(float)


def _mean_gap(both: np.ndarray) -> float:
    score, right = both[:, 0], both[:, 1] > 0
    return score[right].mean() - score[~right].mean() if right.any() and not right.all() else np.nan


def _auroc(both: np.ndarray) -> float:
    return auroc(both[:, 0], both[:, 1] > 0)


def _precision_gap(parts: np.ndarray) -> float:
    over_a, right_a, over_b, right_b = parts.sum(axis=0)
    return right_a / over_a - right_b / over_b if over_a and over_b else np.nan

"""Means, intervals and paired differences of per-query measures, groups resampled whole."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.stats import resampled_sums, shifted_p

METRICS = {"rr": "MRR", "r1": "R@1", "r5": "R@5", "r10": "R@10", "r50": "R@50", "r100": "R@100"}
TESTS = 4000  # resamples behind a test: Holm multiplies the smallest p


@dataclass(frozen=True)
class Scores:
    """Configurations on the queries of one set: means and their bootstrap replicates."""

    means: pd.Series  # by (metric, name)
    draws: pd.DataFrame  # replicates, same columns
    queries: int

    def estimate(self, name: str, metric: str = "rr") -> tuple[float, float, float]:
        """Mean of a configuration with its 95 % limits."""
        return self._limits(self.means[metric, name], self.draws[metric, name])

    def row(self, name: str, metrics: Sequence[str] = tuple(METRICS)) -> dict[str, float]:
        """Means of a configuration with limits, by the name of the metric."""
        found = {}
        for metric in metrics:
            title = METRICS[metric]
            keys = (title, f"{title}_low", f"{title}_high")
            found |= dict(zip(keys, self.estimate(name, metric), strict=True))
        return found

    def gap(self, name: str, base: str, metric: str = "rr") -> dict[str, float]:
        """`name` minus `base` on the same queries: difference, limits, p."""
        value = self.means[metric, name] - self.means[metric, base]
        drawn = self.draws[metric, name] - self.draws[metric, base]
        return self._difference(value, drawn)

    def worst_gap(self, name: str, bases: Sequence[str], metric: str = "rr") -> dict[str, float]:
        """The smallest of the differences from several bases: above 0, it beats all of them.

        p: above 0 the largest of the paired tests' (an intersection-union test), else of that base.
        """
        gaps = [self.gap(name, base, metric) for base in bases]
        drawn = np.min([self.draws[metric, name] - self.draws[metric, b] for b in bases], axis=0)
        least = min(gaps, key=lambda gap: gap["difference"])
        value = least["difference"]
        low, high = np.quantile(drawn, [0.025, 0.975])
        return {"difference": value, "difference_low": low, "difference_high": high,
                "p": max(gap["p"] for gap in gaps) if value > 0 else least["p"]}  # fmt: skip

    def _difference(self, value: float, drawn: pd.Series) -> dict[str, float]:
        _, low, high = self._limits(value, drawn)
        return {"difference": value, "difference_low": low, "difference_high": high,
                "p": shifted_p(value, drawn.to_numpy())}  # fmt: skip

    @staticmethod
    def _limits(value: float, drawn: pd.Series) -> tuple[float, float, float]:
        low, high = np.quantile(drawn, [0.025, 0.975])
        return float(value), float(low), float(high)


def score(
    rows: pd.DataFrame, by: str, metrics: Sequence[str] = tuple(METRICS), n: int = 1000
) -> Scores:
    """Scores of the configurations named in column `by` on the queries of one set.

    rows: columns query, group, `by` and the metrics; seeds are averaged query by query. All
    configurations share the resamples, so their differences are paired.
    """
    wide = rows.groupby(["query", by], sort=True)[list(metrics)].mean().unstack(by)
    groups = rows[["query", "group"]].drop_duplicates("query").set_index("query")["group"]
    values = wide.to_numpy(float)
    known = ~np.isnan(values)
    both = np.hstack([np.where(known, values, 0.0), known])
    sums = resampled_sums(both, groups.loc[wide.index].to_numpy(), n, _seed(rows))
    width = values.shape[1]
    means = both[:, :width].sum(0) / known.sum(0)
    draws = pd.DataFrame(sums[:, :width] / sums[:, width:], columns=wide.columns)
    return Scores(pd.Series(means, index=wide.columns), draws, len(wide))


def _seed(rows: pd.DataFrame) -> int:
    """A seed of its own for every set, so that draws of two sets are independent."""
    return zlib.crc32("".join(sorted(map(str, rows["set"].unique()))).encode())


def mean_of(parts: Sequence[Scores], name: str, metric: str = "rr") -> tuple[float, float, float]:
    """Mean over sets of a configuration's score, each set counting once, with limits."""
    value = float(np.mean([part.means[metric, name] for part in parts]))
    drawn = np.mean([part.draws[metric, name].to_numpy() for part in parts], axis=0)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return value, float(low), float(high)

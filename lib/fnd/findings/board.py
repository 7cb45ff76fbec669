"""Systems on the same test rows: every metric with its interval, every difference paired.

Seeds of a system are scored one by one and averaged; groups of rows (one story, near-duplicates)
are resampled whole, and all systems share the resamples. Intervals cover the draw of articles, not
of training seeds; the spread over seeds stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lib.fnd.findings import metrics
from lib.stats import mcnemar, shifted_p

Drawn = tuple[np.ndarray, np.ndarray]  # (seeds,) values and (b,) replicates of their mean
TESTS = 4  # times as many resamples behind a test: Holm multiplies the smallest p
HALF, TUNED = "half", "tuned"  # thresholds: .5, or chosen on validation rows


@dataclass(frozen=True)
class Board:
    """Scores of systems on n rows."""

    ids: np.ndarray  # (n,) names of the rows
    y: np.ndarray  # (n,) of 0 and 1
    groups: np.ndarray  # (n,) labels of rows that are resampled together
    scores: Mapping[str, np.ndarray]  # system -> (seeds, n)
    cuts: Mapping[str, np.ndarray]  # system -> (seeds,) tuned thresholds
    bootstrap: int = 1000  # replicates of AUC and AP; of the rest there are TESTS times as many
    _kept: dict[tuple[str, str, str], Drawn] = field(default_factory=dict)
    _weights: list[np.ndarray] = field(default_factory=list)

    @property
    def prevalence(self) -> float:
        """Share of positives."""
        return float(self.y.mean())

    def thresholds(self, system: str, which: str = TUNED) -> np.ndarray:
        """Return a system's threshold of each seed, (seeds,)."""
        return self.cuts[system] if which == TUNED else np.full(len(self.scores[system]), 0.5)

    def answers(self, system: str, which: str = TUNED) -> np.ndarray:
        """Return what a system says, (seeds, n) bool."""
        return self.scores[system] >= self.thresholds(system, which)[:, None]

    def drawn(self, system: str, name: str, which: str = TUNED) -> Drawn:
        """Return a metric of a system: its value for each seed, and replicates of their mean."""
        which = which if name in metrics.COUNTED else ""  # the others need no threshold
        if (system, name, which) not in self._kept:
            found = (
                self._counted(system, which)
                if name in metrics.COUNTED
                else {name: self._ranked(system, name)}
            )
            self._kept.update({(system, key, which): drawn for key, drawn in found.items()})
        return self._kept[system, name, which]

    def _counted(self, system: str, which: str) -> dict[str, Drawn]:
        """The metrics COUNTED, of all seeds at once."""
        cells = [metrics.cells(self.y, answer) for answer in self.answers(system, which)]
        sums = self.weights @ np.concatenate(cells, axis=1)
        found = metrics.counted(sums.reshape(len(sums), len(cells), 4))
        return {name: (values[0], values[1:].mean(1)) for name, values in found.items()}

    def _ranked(self, system: str, name: str) -> Drawn:
        """A metric that needs no threshold."""
        weights = self.weights[: 1 + self.bootstrap]
        weights = weights[:1] if name == "ece" else weights
        how = {"auc": metrics.auc, "ap": metrics.ap, "ece": metrics.ece}[name]
        found = np.array([how(self.y, score, weights) for score in self.scores[system]])
        return found[:, 0], found[:, 1:].mean(0)

    @property
    def weights(self) -> np.ndarray:
        """(1 + b, n) weights: the sample itself, then the resamples that all systems share."""
        if not self._weights:
            rest = metrics.row_weights(self.groups, TESTS * self.bootstrap)
            self._weights.append(np.concatenate([metrics.ones(len(self.y)), rest]))
        return self._weights[0]

    def row(
        self, system: str, names: Sequence[str] = metrics.METRICS, which: str = TUNED
    ) -> dict[str, float]:
        """Return metrics of a system with 95 % limits: name, name_low, name_high.

        ECE has none: resampling adds to it, so that its interval would miss it.
        """
        out = {}
        for name in names:
            values, replicates = self.drawn(system, name, which)
            out[name] = float(values.mean())
            if name != "ece":
                out |= dict(zip((f"{name}_low", f"{name}_high"), limits(replicates), strict=True))
        return out

    def spread(self, system: str, name: str = "macro_f1", which: str = TUNED) -> float:
        """Return the standard deviation of a metric over seeds; NaN for one seed."""
        values = self.drawn(system, name, which)[0]
        return float(values.std(ddof=1)) if len(values) > 1 else np.nan

    def gap(
        self, system: str, base: str, name: str = "macro_f1", which: str = TUNED
    ) -> dict[str, float]:
        """Return `system` minus `base` on the same rows: difference, limits, p."""
        return self.worst_gap(system, [base], name, which)

    def worst_gap(
        self, system: str, bases: Sequence[str], name: str = "macro_f1", which: str = TUNED
    ) -> dict[str, float]:
        """Return the least of the differences from several bases: above 0, it beats all of them.

        p: above 0 the largest of the paired tests' (an intersection-union test), else of that base.
        """
        mine, drawn = self.drawn(system, name, which)
        gaps, replicates = [], []
        for base in bases:
            other, others = self.drawn(base, name, which)
            gaps.append(float(mine.mean() - other.mean()))
            replicates.append(drawn - others)
        ps = [shifted_p(gap, r[~np.isnan(r)]) for gap, r in zip(gaps, replicates, strict=True)]
        least = int(np.argmin(gaps))
        low, high = limits(np.min(replicates, axis=0))
        return {"difference": gaps[least], "difference_low": low, "difference_high": high,
                "p": max(ps) if gaps[least] > 0 else ps[least]}  # fmt: skip

    def mcnemar(self, system: str, base: str, which: str = TUNED) -> dict[str, float]:
        """Return McNemar's exact test between the majority answers of both systems' seeds."""
        right = [self.majority(name, which) == self.y for name in (system, base)]
        found = mcnemar(*right)
        return {"only_first": found.only_b, "only_second": found.only_a, "p_mcnemar": found.p}

    def majority(self, system: str, which: str = TUNED) -> np.ndarray:
        """Return (n,) what most seeds of a system say; of even numbers, a tie is positive."""
        return (self.answers(system, which).mean(0) >= 0.5).astype(int)

    def within(self, rows: np.ndarray) -> Board:
        """Return the board of some rows (n,) bool, thresholds kept."""
        scores = {name: score[:, rows] for name, score in self.scores.items()}
        return Board(self.ids[rows], self.y[rows], self.groups[rows], scores, self.cuts,
                     self.bootstrap)  # fmt: skip

    def only(self, systems: Sequence[str]) -> Board:
        """Return the board of some systems, without what was kept of the others."""
        return Board(self.ids, self.y, self.groups, {s: self.scores[s] for s in systems},
                     self.cuts, self.bootstrap)  # fmt: skip


def limits(replicates: np.ndarray) -> tuple[float, float]:
    """Return 95 % percentile limits; NaN replicates (a resample without one class) left out."""
    known = replicates[~np.isnan(replicates)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def build(
    rows: pd.DataFrame, bootstrap: int = 1000, cuts: Mapping[str, np.ndarray] | None = None
) -> Board:
    """Make a board of predictions: id, group, split, system, seed, y_true, score; one protocol.

    Metrics are those of test rows; thresholds are tuned on validation rows unless given by system.
    ValueError when a system lacks rows that another has.
    """
    test = rows[rows["split"] == "test"]
    first = test.drop_duplicates("id").set_index("id").sort_index()
    wide = _wide(test).reindex(first.index)
    if (gaps := wide.columns[wide.isna().any()]).size:
        raise ValueError(f"predictions: {gaps[0][0]} has no score for some test rows of others")
    scores = {name: wide[name].to_numpy(float).T for name in rows["system"].unique()}
    tuned = _tuned(rows[rows["split"] == "validation"]) if cuts is None else cuts
    return Board(first.index.to_numpy(), first["y_true"].to_numpy(int),
                 first["group"].to_numpy(), scores, tuned, bootstrap)  # fmt: skip


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    """Scores with a row an article and a column (system, seed)."""
    return rows.pivot(index="id", columns=["system", "seed"], values="score").sort_index(axis=1)


def _tuned(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Thresholds (seeds,) of each system."""
    wide, truth = _wide(rows), rows.drop_duplicates("id").set_index("id")["y_true"]
    y = truth.loc[wide.index].to_numpy(int)
    found: dict[str, list[float]] = {}
    for (system, _), column in wide.items():
        found.setdefault(system, []).append(metrics.best_threshold(y, column.to_numpy(float)))
    return {system: np.array(values) for system, values in found.items()}

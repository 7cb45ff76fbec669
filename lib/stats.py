"""Intervals and tests for everything a report prints.

Rows that belong together (near-duplicate posts, one story told twice) are not independent, so every
resampling function takes `clusters` and draws whole clusters. All randomness comes from one seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import stats

Statistic = Callable[[np.ndarray], float]
BLOCK_CELLS = 8_000_000  # largest block of resampling weights held at once (64 MB of float64)
KEPT_DRAWS = 16  # sets of draws kept for the next who asks, a block of small integers at most


class Interval(NamedTuple):
    """An estimate with its confidence limits."""

    value: float
    low: float
    high: float


class Difference(NamedTuple):
    """A paired difference `a - b`, its confidence limits and a two-sided p-value."""

    value: float
    low: float
    high: float
    p: float


class McNemar(NamedTuple):
    """Result of a McNemar test: pairs only `a` got right, pairs only `b` got right."""

    only_a: int
    only_b: int
    statistic: float
    p: float


def wilson(k: int, n: int, level: float = 0.95) -> Interval:
    """Wilson score interval of the share `k / n` (Wilson 1927); NaN when `n` is 0."""
    if not 0 <= k <= n:
        raise ValueError(f"wilson: need 0 <= k <= n, got k={k}, n={n}")
    if n == 0:
        return Interval(np.nan, np.nan, np.nan)
    z = stats.norm.ppf(0.5 + level / 2)
    share = k / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At the ends the limit is exactly 0 or 1; the subtraction above leaves rounding dust there.
    low = 0.0 if k == 0 else float(centre - half)
    high = 1.0 if k == n else float(centre + half)
    return Interval(float(share), low, high)


def bootstrap_ci(
    values: np.ndarray,
    statistic: Statistic | None = None,
    clusters: np.ndarray | None = None,
    n: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    method: str = "percentile",
) -> Interval:
    """Bootstrap interval of a statistic of the rows of `values`.

    values: (rows,) or (rows, columns); statistic: maps resampled rows to a number, None = mean of
    a 1-d array (vectorised); clusters: (rows,) labels resampled whole; n: replicates; method:
    "percentile" or "bca" (Efron 1987). Replicates where the statistic is NaN (a resample without
    one class, say) are left out. Raises ValueError on no rows or an unknown method.
    """
    if method not in ("percentile", "bca"):
        raise ValueError(f"bootstrap_ci: method must be percentile or bca, got {method!r}")
    values = np.asarray(values)
    codes = _codes(clusters, len(values))
    observed = float(np.mean(values) if statistic is None else statistic(values))
    replicates = _replicates(values, statistic, codes, n, seed)
    tails = np.array([0.5 - level / 2, 0.5 + level / 2])
    if method == "bca":
        tails = _bca_tails(tails, observed, replicates, _jackknife(values, statistic, codes))
    low, high = np.nanquantile(replicates, tails)
    return Interval(observed, float(low), float(high))


def paired_bootstrap(
    a: np.ndarray,
    b: np.ndarray,
    clusters: np.ndarray | None = None,
    n: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    statistic: Callable[[np.ndarray, np.ndarray], float] | None = None,
) -> Difference:
    """Difference between two systems scored on the same rows, resampled together.

    a, b: (rows,) scores; statistic: difference computed from both, None = mean(a) - mean(b).
    p is two-sided: the share of replicates as far from the estimate as the estimate is from zero
    (bootstrap distribution shifted to the null), with one added so that it is never 0.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        raise ValueError(f"paired_bootstrap: shapes differ, {a.shape} and {b.shape}")
    codes = _codes(clusters, len(a))
    if statistic is None:
        observed = float(np.mean(a - b))
        replicates = _replicates(a - b, None, codes, n, seed)
    else:
        pairs = np.column_stack([a, b])
        observed = float(statistic(a, b))
        replicates = _replicates(pairs, lambda x: statistic(x[:, 0], x[:, 1]), codes, n, seed)
    replicates = replicates[~np.isnan(replicates)]
    low, high = np.quantile(replicates, [0.5 - level / 2, 0.5 + level / 2])
    return Difference(observed, float(low), float(high), shifted_p(observed, replicates))


def shifted_p(observed: float, replicates: np.ndarray) -> float:
    """Two-sided p of a difference from its (n,) bootstrap replicates, moved to a null of zero."""
    # The slack keeps exact ties (a difference of counts) from being split by rounding.
    extreme = np.abs(replicates - observed) >= abs(observed) - 1e-12
    return (1 + int(extreme.sum())) / (1 + len(replicates))


def mcnemar(a: np.ndarray, b: np.ndarray, exact: bool = True, correction: bool = True) -> McNemar:
    """McNemar test that two systems are right equally often on the same rows.

    a, b: (rows,) bool, right or wrong. exact: binomial test on the discordant pairs; otherwise
    chi-square with one degree of freedom, with Edwards' continuity `correction`.
    """
    a, b = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"mcnemar: shapes differ, {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    discordant = only_a + only_b
    if discordant == 0:
        return McNemar(0, 0, 0.0, 1.0)
    if exact:
        fewer = min(only_a, only_b)
        p = min(1.0, 2 * float(stats.binom.cdf(fewer, discordant, 0.5)))
        return McNemar(only_a, only_b, float(fewer), p)
    gap = abs(only_a - only_b) - (1 if correction else 0)
    statistic = gap**2 / discordant
    return McNemar(only_a, only_b, statistic, float(stats.chi2.sf(statistic, 1)))


def holm(pvalues: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p-values (Holm 1979), in the order given; NaN stays NaN."""
    p = np.asarray(pvalues, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return adjusted


def cohens_h(p1: float, p2: float) -> float:
    """Effect size of two shares, 2 asin sqrt(p1) - 2 asin sqrt(p2) (Cohen 1988, ch. 6)."""
    return float(2 * np.arcsin(np.sqrt(p1)) - 2 * np.arcsin(np.sqrt(p2)))


def stratified_mean(
    hits: np.ndarray,
    drawn: np.ndarray,
    sizes: np.ndarray,
    level: float = 0.95,
    finite: bool = True,
) -> Interval:
    """Share in a population sampled by stratum, with a normal interval (Cochran 1977, eq. 5.6).

    hits, drawn, sizes: (strata,) hits in the sample, sample size, stratum size. finite: shrink the
    variance by 1 - drawn/size (a stratum judged completely adds no error). A stratum with a single
    draw says nothing about its variance and counts with the largest that a share can have, 1/4.
    """
    hits, drawn, sizes = (np.asarray(x, dtype=float) for x in (hits, drawn, sizes))
    if (drawn > sizes).any() or (hits > drawn).any() or (drawn < np.minimum(1, sizes)).any():
        raise ValueError("stratified_mean: need hits <= drawn <= sizes and a draw in each stratum")
    weights = sizes / sizes.sum()
    share = np.divide(hits, drawn, out=np.zeros_like(hits), where=drawn > 0)
    spread = np.where(drawn > 1, share * (1 - share), 0.25)
    variance = spread / np.maximum(drawn - 1, 1)
    if finite:
        variance *= 1 - np.divide(drawn, sizes, out=np.ones_like(drawn), where=sizes > 0)
    value = float(weights @ share)
    half = float(stats.norm.ppf(0.5 + level / 2) * np.sqrt(weights**2 @ variance))
    return Interval(value, max(0.0, value - half), min(1.0, value + half))


def resampled_sums(values: np.ndarray, clusters: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """Column sums (n, c) of `values` (rows, c) over n bootstrap samples of whole clusters.

    Shares, means and their differences are ratios of such sums, so all resamples come from one
    product of matrices.
    """
    codes = _codes(clusters, len(values))
    k = int(codes.max()) + 1
    per_cluster = np.zeros((k, values.shape[1]))
    np.add.at(per_cluster, codes, values)
    return np.concatenate([counts @ per_cluster for counts in cluster_counts(k, n, seed)])


def cluster_counts(clusters: int, n: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Blocks (m, clusters) of how often each of n bootstrap samples draws each cluster.

    Systems that share a seed share their draws, so drawing again for each would only take time:
    what fits into one block is drawn once and kept (read-only).
    """
    if clusters * n <= BLOCK_CELLS:
        yield _kept_counts(clusters, n, seed)
        return
    rng, chance = np.random.default_rng(seed), np.full(clusters, 1 / clusters)
    step = max(1, BLOCK_CELLS // clusters)
    for start in range(0, n, step):
        yield rng.multinomial(clusters, chance, size=min(step, n - start))


@lru_cache(maxsize=KEPT_DRAWS)
def _kept_counts(clusters: int, n: int, seed: int) -> np.ndarray:
    """All draws (n, clusters) at once, in the smallest integers that hold `clusters`."""
    drawn = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), n)
    counts = drawn.astype(np.min_scalar_type(clusters))
    counts.setflags(write=False)
    return counts


def _codes(clusters: np.ndarray | None, rows: int) -> np.ndarray:
    """(rows,) integer cluster of each row; every row its own cluster when None."""
    if rows == 0:
        raise ValueError("bootstrap: no rows")
    if clusters is None:
        return np.arange(rows)
    clusters = np.asarray(clusters)
    if len(clusters) != rows:
        raise ValueError(f"bootstrap: {len(clusters)} cluster labels for {rows} rows")
    return np.unique(clusters, return_inverse=True)[1]


def _replicates(
    values: np.ndarray,
    statistic: Statistic | None,
    codes: np.ndarray,
    n: int,
    seed: int,
) -> np.ndarray:
    """(n,) statistic of n resamples of whole clusters."""
    # Per-cluster sums turn a mean over resampled rows into two small matrix products.
    sizes = np.bincount(codes).astype(float)
    sums = None if statistic is not None else np.bincount(codes, weights=values.astype(float))
    found = []
    for counts in cluster_counts(int(codes.max()) + 1, n, seed):
        if sums is not None:
            found.append((counts @ sums) / (counts @ sizes))
        else:
            picks = (np.repeat(np.arange(len(codes)), row[codes]) for row in counts)
            found.append([statistic(values[rows]) for rows in picks])
    return np.concatenate(found)


def _jackknife(values: np.ndarray, statistic: Statistic | None, codes: np.ndarray) -> np.ndarray:
    """(clusters,) statistic with one cluster left out."""
    if statistic is None:
        sizes = np.bincount(codes).astype(float)
        sums = np.bincount(codes, weights=values.astype(float))
        return (sums.sum() - sums) / (sizes.sum() - sizes)
    return np.array([statistic(values[codes != c]) for c in range(int(codes.max()) + 1)])


def _bca_tails(
    tails: np.ndarray, observed: float, replicates: np.ndarray, left_out: np.ndarray
) -> np.ndarray:
    """Bias-corrected and accelerated tail probabilities (Efron 1987, eq. 2.3)."""
    replicates = replicates[~np.isnan(replicates)]
    # Half of the ties count as below, as in scipy: a mean of few distinct values has many.
    below = ((replicates < observed).sum() + (replicates <= observed).sum()) / 2 / len(replicates)
    z0 = stats.norm.ppf(below)
    gaps = left_out.mean() - left_out
    spread = (gaps**2).sum()
    acceleration = 0.0 if spread == 0 else (gaps**3).sum() / (6 * spread**1.5)
    z = z0 + stats.norm.ppf(tails)
    shifted = stats.norm.cdf(z0 + z / (1 - acceleration * z))
    return tails if np.isnan(shifted).any() else shifted

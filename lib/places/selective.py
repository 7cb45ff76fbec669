"""Keeping only confident posts: the arithmetic of the paper's Tables 1-3, risk, calibration.

`conf` is (n,) confidence in [0, 1], `correct` (n,) bool. `strict` chooses > over >= where a score
meets a threshold; the paper does not say which it used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.stats import rankdata

from lib.places.scoring import softmax
from lib.stats import stratified_mean, wilson

TABLE1_THRESHOLDS = (0.5, 0.4, 0.3, 0.2, 0.1)
TABLE3_THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
CRITERIA = ("ratio", "youden", "f1", "precision_at_coverage", "utility")


def _checked(conf: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    conf, correct = np.asarray(conf, dtype=np.float64), np.asarray(correct)
    if conf.shape != correct.shape or conf.ndim != 1 or not len(conf):
        raise ValueError(f"confidence {conf.shape} and correct {correct.shape}: need (n,), n > 0")
    if not np.isfinite(conf).all():
        raise ValueError(f"confidence: row {np.flatnonzero(~np.isfinite(conf))[0]} is not finite")
    return conf, correct.astype(bool)


def kept(conf: np.ndarray, threshold: float, strict: bool = False) -> np.ndarray:
    """Which posts are classified at a threshold, (n,) bool."""
    conf = np.asarray(conf, dtype=np.float64)
    return conf > threshold if strict else conf >= threshold


def share_classified(
    conf: np.ndarray,
    thresholds: Sequence[float] = TABLE1_THRESHOLDS,
    strict: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Table 1: threshold, n, classified, share, low, high (Wilson)."""
    rows = []
    for threshold in thresholds:
        count = int(kept(conf, threshold, strict).sum())
        rows.append((threshold, len(conf), count, *wilson(count, len(conf), level)))
    columns = ["threshold", "n", "classified", "share", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def rates(table: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Columns of Table 3 from threshold, n, hits, errors; the first row must hold all posts.

    hit_rate = hits / all hits, error_rate = errors / all errors, ratio = hit_rate / error_rate
    (a likelihood ratio); precision = hits / n with its Wilson interval (low, high). A rate of
    nothing is NaN.
    """
    hits, errors = table["hits"].to_numpy(float), table["errors"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        hit_rate, error_rate = hits / hits[0], errors / errors[0]
        ratio = hit_rate / error_rate
    pairs = zip(table["hits"], table["n"], strict=True)
    precision = [wilson(int(k), int(n), level) for k, n in pairs]
    return pd.DataFrame(
        {
            "threshold": table["threshold"],
            "n": table["n"],
            "hits": table["hits"],
            "hit_rate": hit_rate,
            "errors": table["errors"],
            "error_rate": error_rate,
            "ratio": ratio,
            "precision": [p.value for p in precision],
            "low": [p.low for p in precision],
            "high": [p.high for p in precision],
        }
    )


def threshold_table(
    conf: np.ndarray,
    correct: np.ndarray,
    thresholds: Sequence[float] = TABLE3_THRESHOLDS,
    strict: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Table 3 of the paper for one system; `thresholds` ascend from one that keeps every post."""
    conf, correct = _checked(conf, correct)
    if not kept(conf, thresholds[0], strict).all():
        raise ValueError(f"thresholds: the first, {thresholds[0]}, must keep every post")
    rows = []
    for threshold in thresholds:
        chosen = correct[kept(conf, threshold, strict)]
        rows.append((threshold, len(chosen), int(chosen.sum()), int((~chosen).sum())))
    counts = pd.DataFrame(rows, columns=["threshold", "n", "hits", "errors"])
    return rates(counts, level)


def class_precision(strata: pd.DataFrame) -> pd.DataFrame:
    """Columns precision, low, high (Wilson) added from hits and judged."""
    pairs = zip(strata["hits"], strata["judged"], strict=True)
    found = pd.DataFrame([wilson(int(k), int(n)) for k, n in pairs], index=strata.index)
    return strata.assign(precision=found["value"], low=found["low"], high=found["high"])


def accuracies(strata: pd.DataFrame) -> dict[str, float]:
    """Unweighted mean of class precisions and the frequency-weighted one, with 95 % limits."""
    hits, judged, sizes = (strata[c].to_numpy() for c in ("hits", "judged", "frequency"))
    plain = stratified_mean(hits, judged, np.full(len(hits), judged.max()), finite=False)
    weighted = stratified_mean(hits, judged, sizes)
    out = {"classes": len(hits), "judged": int(judged.sum())}
    for name, found in (("unweighted", plain), ("weighted", weighted)):
        out |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return out


def truncate4(value: float | np.ndarray) -> np.ndarray:
    """Cut, not round, after 4 decimals, as the paper prints its rates."""
    # The slack keeps an exact 4-decimal number from losing its last digit to binary rounding.
    return np.floor(np.asarray(value, dtype=np.float64) * 1e4 + 1e-7) / 1e4


def criterion_values(
    table: pd.DataFrame,
    criterion: str,
    coverage: float = 0.5,
    gain: float = 1.0,
    cost: float = 1.0,
) -> np.ndarray:
    """Value of each row of a threshold table, higher is better, NaN where it is undefined.

    ratio: the paper's hit rate / error rate; youden: hit rate - error rate; f1: of precision and
    hit rate; precision_at_coverage: precision where at least `coverage` of the posts stay;
    utility: gain x hits - cost x errors, per post of the whole.
    """
    n = table["n"].to_numpy(float)
    if criterion == "ratio":
        return table["ratio"].to_numpy(float)
    if criterion == "youden":
        return (table["hit_rate"] - table["error_rate"]).to_numpy(float)
    if criterion == "f1":
        return (2 * table["hits"] / (table["n"] + table["hits"].iloc[0])).to_numpy(float)
    if criterion == "precision_at_coverage":
        enough = n >= coverage * n[0]
        return np.where(enough, table["precision"].to_numpy(float), np.nan)
    if criterion == "utility":
        return (gain * table["hits"] - cost * table["errors"]).to_numpy(float) / n[0]
    raise ValueError(f"criterion {criterion!r}: choose one of {', '.join(CRITERIA)}")


def optimal_threshold(
    table: pd.DataFrame, criterion: str = "ratio", min_n: int = 1, **options: float
) -> float:
    """Threshold of the best row of a threshold table; equal values go to the lower threshold.

    min_n: rows with fewer posts are left out (a ratio from a handful of posts is mostly noise);
    options: those of `criterion_values`. NaN when no row qualifies.
    """
    values = criterion_values(table, criterion, **options)
    values = np.where(table["n"].to_numpy() >= min_n, values, np.nan)
    if np.isnan(values).all():
        return float("nan")
    return float(table["threshold"].iloc[int(np.nanargmax(values))])


def optima(table: pd.DataFrame, min_n: int = 1, **options: float) -> pd.DataFrame:
    """Every criterion's choice: criterion, threshold, n, hits, precision, low, high."""
    rows = []
    for criterion in CRITERIA:
        threshold = optimal_threshold(table, criterion, min_n, **options)
        row = table[table["threshold"] == threshold]
        columns = ["threshold", "n", "hits", "precision", "low", "high"]
        found = dict.fromkeys(columns, np.nan) if row.empty else row.iloc[0][columns].to_dict()
        rows.append({"criterion": criterion} | found)
    return pd.DataFrame(rows)


def mean_confidence(conf: np.ndarray, correct: np.ndarray) -> dict[str, float]:
    """Mean confidence of hits and of failures; NaN for a side that is empty."""
    conf, correct = _checked(conf, correct)
    sides = {"hits": conf[correct], "failures": conf[~correct]}
    return {side: float(x.mean()) if x.size else float("nan") for side, x in sides.items()}


def auroc(conf: np.ndarray, correct: np.ndarray) -> float:
    """Chance that a hit is more confident than a failure (.5 = useless); NaN if one is missing.

    Mann and Whitney's U from mid-ranks: what scikit-learn's roc_auc_score gives, fast enough for
    a bootstrap.
    """
    conf, correct = _checked(conf, correct)
    hits, failures = int(correct.sum()), int((~correct).sum())
    if not hits or not failures:
        return float("nan")
    return float((rankdata(conf)[correct].sum() - hits * (hits + 1) / 2) / (hits * failures))


def _cumulative_errors(conf: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Expected errors among the k most confident, k = 1..n, ties in random order, (n,)."""
    order = np.argsort(-conf, kind="stable")
    errors = np.concatenate([[0.0], np.cumsum(~correct[order])])
    end = np.flatnonzero(np.append(np.diff(conf[order]) != 0, True)) + 1
    # Inside a run of equal scores the expected count grows in a straight line.
    return np.interp(np.arange(1, len(conf) + 1), np.append(0, end), errors[np.append(0, end)])


def risk_coverage(conf: np.ndarray, correct: np.ndarray) -> pd.DataFrame:
    """Coverage k/n, risk (error share of the k most confident), threshold; n rows."""
    conf, correct = _checked(conf, correct)
    k = np.arange(1, len(conf) + 1)
    risk = _cumulative_errors(conf, correct) / k
    return pd.DataFrame({"coverage": k / len(conf), "risk": risk, "threshold": np.sort(conf)[::-1]})


def aurc(conf: np.ndarray, correct: np.ndarray, excess: bool = False) -> float:
    """Area under the risk-coverage curve, mean risk over k = 1..n (Geifman & El-Yaniv 2017).

    excess: minus that of a perfect ranking with the same errors (E-AURC, Geifman et al. 2019).
    """
    area = float(risk_coverage(conf, correct)["risk"].mean())
    return area - aurc(np.asarray(correct, dtype=float), correct) if excess else area


def reliability(
    conf: np.ndarray, correct: np.ndarray, bins: int = 15, kind: str = "width"
) -> pd.DataFrame:
    """Bins of a reliability diagram: n, confidence, accuracy; empty bins are left out.

    kind: "width" = equal width over [0, 1]; "mass" = equal numbers of posts.
    """
    conf, correct = _checked(conf, correct)
    if kind == "width":
        bin_of = np.minimum((conf * bins).astype(int), bins - 1)
    elif kind == "mass":
        rank = np.argsort(np.argsort(conf, kind="stable"), kind="stable")
        bin_of = rank * bins // len(conf)
    else:
        raise ValueError(f"kind {kind!r}: choose width or mass")
    frame = pd.DataFrame({"bin": bin_of, "confidence": conf, "accuracy": correct.astype(float)})
    by_bin = frame.groupby("bin")
    return by_bin.mean().assign(n=by_bin.size()).reset_index()


def ece(conf: np.ndarray, correct: np.ndarray, bins: int = 15, kind: str = "width") -> float:
    """Expected calibration error: mean gap of confidence and accuracy (Guo et al. 2017, eq. 3)."""
    table = reliability(conf, correct, bins, kind)
    return float(np.average((table["confidence"] - table["accuracy"]).abs(), weights=table["n"]))


def _nll(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    z = logits / temperature
    top = z.max(axis=1)
    log_sum = top + np.log(np.exp(z - top[:, None]).sum(axis=1))
    return float((log_sum - z[np.arange(len(z)), labels]).mean())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Temperature T of softmax(logits / T) with the least NLL (Guo et al. 2017, section 4.2).

    logits: (n, C), or log-probabilities of a pool; labels: (n,) class index. Rows with label -1
    (no class is right) say nothing about T and are left out. Fit on one split, report another.
    """
    labels = np.asarray(labels)
    usable = labels >= 0
    if not usable.any():
        raise ValueError("temperature: no row has a class index to fit on")
    z, y = np.asarray(logits, dtype=np.float64)[usable], labels[usable]
    bounds = (np.log(1e-3), np.log(1e3))
    found = minimize_scalar(lambda u: _nll(z, y, np.exp(u)), bounds=bounds, method="bounded")
    return float(np.exp(found.x))


def apply_temperature(logits: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(logits / T), (n, C)."""
    if not temperature > 0:
        raise ValueError(f"temperature {temperature}: must be positive")
    return softmax(np.asarray(logits, dtype=np.float64) / temperature)

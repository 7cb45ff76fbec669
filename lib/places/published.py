"""The paper's own tables as data, its derived columns recomputed, and where it contradicts itself.

Paper: Lucas, Tomás and García-Rodríguez, "Exploiting the relationship between visual and textual
features in social networks for image classification with zero-shot deep learning" (2021). Shares
are printed there in percent, rates cut (not rounded) after four decimals.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from lib.places.labels import DATA, places
from lib.places.selective import accuracies, class_precision, optimal_threshold, rates, truncate4
from lib.stats import Interval, wilson

RATES = ("hit_rate", "error_rate", "ratio")


@cache
def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / f"published_{name}.csv", keep_default_na=name == "table3")


def facts() -> dict[str, float]:
    """Numbers printed outside the tables."""
    table = _read("facts")
    return dict(zip(table["fact"], table["value"].astype(float), strict=True))


def table1() -> pd.DataFrame:
    """Table 1 and the figures for natural prompts: share classified with Wilson limits."""
    table = _read("table1").copy()
    counts = (table["percent"] * table["posts"] / 100).round().astype(int)
    found = [wilson(k, n) for k, n in zip(counts, table["posts"], strict=True)]
    limits = pd.DataFrame(found, columns=["share", "low", "high"])
    return pd.concat([table.assign(classified=counts), limits], axis=1)


def table2() -> pd.DataFrame:
    """Table 2: raw, display, frequency, judged, hits, precision, low, high (Wilson)."""
    table = _read("table2").merge(places()[["raw", "display"]], on="display", how="left")
    # 100 posts of each class were judged, so the printed percentages are counts.
    strata = table.assign(judged=100, hits=table["percent"].astype(int))
    columns = ["raw", "display", "frequency", "judged", "hits", "precision", "low", "high"]
    return class_precision(strata)[columns]


def table3() -> pd.DataFrame:
    """Table 3 from its counts: rates, ratio, precision with Wilson limits, unrounded."""
    return rates(_read("table3"))


def table3_printed() -> pd.DataFrame:
    """Table 3 as printed: threshold, n, hits, hit_rate, errors, error_rate, ratio."""
    return _read("table3").copy()


def table3_check() -> pd.DataFrame:
    """Printed rates beside ours cut after four decimals: threshold, column, printed, recomputed."""
    printed, ours = table3_printed(), table3()
    rows = [
        (threshold, column, was, float(truncate4(now)))
        for column in RATES
        for threshold, was, now in zip(
            printed["threshold"], printed[column], ours[column], strict=True
        )
    ]
    return pd.DataFrame(rows, columns=["threshold", "column", "printed", "recomputed"])


def auroc_from_table(table: pd.DataFrame) -> float:
    """AUROC by the trapezoid rule over a threshold table (error rate against hit rate)."""
    x, y = table["error_rate"].to_numpy(), table["hit_rate"].to_numpy()
    return float(np.trapezoid(y[::-1], x[::-1]))


def mean_from_table(table: pd.DataFrame, rate: str) -> float:
    """Mean confidence of hits (rate="hit_rate") or failures ("error_rate"): area under the rate."""
    return float(np.trapezoid(table[rate], table["threshold"]))


def accuracy() -> dict[str, float]:
    """Unweighted and frequency-weighted accuracy over the ten classes, with 95 % limits."""
    return accuracies(table2())


def implied_classified(threshold: float = 0.5) -> Interval:
    """Posts of the ten classes over a threshold that Table 3 implies: (proportional, least, most).

    Table 3's sample holds 100 posts a class, so its share is an unweighted mean of class shares.
    proportional: every class has that share; least and most: the posts over the threshold fill the
    smallest (largest) classes first, each class giving all of its 100 before the next one starts.
    """
    row = table3().set_index("threshold").loc[threshold]
    per_post = np.sort(table2()["frequency"].to_numpy()) / 100
    total, over = per_post.sum() * 100, int(row["n"])
    by_post = np.repeat(per_post, 100)
    share = over / len(by_post)
    return Interval(share * total, float(by_post[:over].sum()), float(by_post[-over:].sum()))


def inconsistencies() -> pd.DataFrame:
    """What does not add up in the paper: claim, printed, recomputed, verdict."""
    rows = [*_about_table3(), *_about_table2(), *_about_table1()]
    return pd.DataFrame(rows, columns=["claim", "printed", "recomputed", "verdict"])


def _about_table3() -> list[tuple[str, str, str, str]]:
    said, three, implied = facts(), table3(), implied_classified()
    best = optimal_threshold(three, "ratio")
    ratio = float(truncate4(three.set_index("threshold").loc[best, "ratio"]))
    hits, total = int(three["hits"].iloc[0]), int(table2()["frequency"].sum())
    means = [mean_from_table(three, rate) for rate in ("hit_rate", "error_rate")]
    return [
        (
            "best ratio and its threshold (Table 3)",
            f"{said['best_ratio']} at {said['best_threshold']}",
            f"{ratio} at {best}",
            "the last threshold that keeps any post has a higher ratio than the one chosen",
        ),
        (
            "posts over .5: text against Table 3",
            f"{int(said['classified_at_half']):,} of {int(said['posts']):,}",
            f"{implied.value:,.0f} of {total:,} if every class has Table 3's share; at least "
            f"{implied.low:,.0f}",
            "Table 3 cannot be of the score that was counted in the text",
        ),
        (
            "which system Table 3 is of",
            "the 0.8 / 0.2 ensemble (section 4.2)",
            f"{hits} hits, as Table 2 of images alone ({table2()['hits'].sum()})",
            "the ensemble's own numbers are not in the paper",
        ),
        (
            "mean confidence of hits and failures",
            f"{said['mean_confidence_hits']} and {said['mean_confidence_failures']}",
            f"{means[0]:.4f} and {means[1]:.4f} (trapezoid over Table 3)",
            "consistent",
        ),
        (
            "confidence tells hits from failures",
            "threshold range [0.56-0.66] called indicative",
            f"AUROC {auroc_from_table(three):.3f} (trapezoid over Table 3)",
            "weak: .5 is chance",
        ),
    ]


def _about_table2() -> list[tuple[str, str, str, str]]:
    said, mean, total = facts(), accuracy(), int(table2()["frequency"].sum())
    weighted = f"{mean['weighted']:.1%} ({mean['weighted_low']:.1%} to {mean['weighted_high']:.1%})"
    return [
        (
            "average row of Table 2, frequency",
            f"{int(said['average_row_frequency']):,}",
            f"sum {total:,}, mean {total / len(table2()):,.1f}",
            "the row called average holds the sum",
        ),
        (
            "accuracy over the ten classes",
            f"{said['average_row_percent']:.0f}%",
            f"unweighted {mean['unweighted']:.1%}; by frequency {weighted}",
            "right as an unweighted mean; the posts of these classes are right more often",
        ),
        (
            "classes behind the accuracy",
            "accuracy of the classification",
            f"{len(table2())} of 205 classes, {total:,} of {int(said['posts']):,} posts",
            "precision of ten frequent answers: no accuracy, and no recall can be had from it",
        ),
    ]


def _about_table1() -> list[tuple[str, str, str, str]]:
    said = facts()
    half = {row.prompts: row for row in table1().query("threshold == 0.5").itertuples()}
    raw, natural = half["raw"], half["natural"]
    expected = said["first_posts"] * said["classified_at_half"] / said["posts"]
    return [
        (
            "posts over .5 among the first 1000",
            f"{int(said['first_classified_at_half'])} in the text, {raw.classified} in Table 1",
            f"{expected:.1f} expected from the count over all posts",
            "text and table differ by one; the first 1000 are no random sample of the corpus",
        ),
        (
            "natural prompts classify more at .5",
            f"{natural.percent}% against {raw.percent}%",
            f"Wilson {natural.low:.1%} to {natural.high:.1%} against "
            f"{raw.low:.1%} to {raw.high:.1%}",
            f"{natural.classified - raw.classified} posts of 1000, unpaired; and more classified "
            "is not better classified",
        ),
    ]

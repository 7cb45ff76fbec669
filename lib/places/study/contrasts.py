"""Two systems on the same posts: what a caption changes, what merging near-synonyms changes.

Every function reads the study's predictions (columns: `lib.places.study.systems.COLUMNS`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.places import labels, selective
from lib.stats import mcnemar, paired_bootstrap, resampled_sums, wilson

EFFECTS = ("helps", "harms", "changes a wrong answer", "changes nothing")


def select(predictions: pd.DataFrame, system: str, variant: str, split: str = "") -> pd.DataFrame:
    """Rows of one system, indexed by post; ValueError when there are none, or several a post."""
    rows = predictions[(predictions["system"] == system) & (predictions["variant"] == variant)]
    rows = (rows[rows["split"] == split] if split else rows).set_index("id")
    if rows.empty or rows.index.has_duplicates:
        why = "has no rows" if rows.empty else "has several rows a post"
        raise ValueError(f"system {system}, variant {variant!r}, split {split!r}: {why}")
    return rows


def summary(
    predictions: pd.DataFrame,
    clusters: pd.Series,
    split: str = "test",
    threshold: float = 0.5,
    n: int = 1000,
) -> pd.DataFrame:
    """One row a system and variant, on the posts of `split` with a known truth.

    Returns posts, accuracy (cluster bootstrap), auroc, aurc, ece, coverage and precision (Wilson)
    at `threshold`; seeds are averaged. clusters: group of each post, indexed by id.
    """
    known = predictions[(predictions["split"] == split) & (predictions["y_true"] != "")]
    known = known.assign(right=(known["y_pred"] == known["y_true"]).astype(float))
    known = known[["id", "system", "variant", "seed", "score", "right"]]  # taken a group at a time
    parts = known.groupby(["system", "variant"], sort=False)
    right = known.pivot_table("right", "id", ["system", "variant"], sort=False)
    draws = np.zeros((0, right.shape[1]))
    if len(right):  # equal for all systems, so that their intervals differ by the systems alone
        values = np.column_stack([right.to_numpy(), np.ones(len(right))])
        sums = resampled_sums(values, clusters.loc[right.index].to_numpy(), n)
        draws = sums[:, :-1] / sums[:, -1:]
    rows = []
    for (system, variant), part in parts:
        column = draws[:, right.columns.get_loc((system, variant))]
        by_seed = pd.DataFrame([_quality(seeded) for _, seeded in part.groupby("seed")]).mean()
        over, seeds = (part["score"] >= threshold).to_numpy(), part["seed"].nunique()
        hits = part["right"].to_numpy()[over].sum()
        precision = wilson(round(hits / seeds), round(over.sum() / seeds))
        row = {"system": system, "variant": variant, "posts": part["id"].nunique()}
        row |= {"accuracy": part["right"].mean()}
        low, high = np.quantile(column, [0.025, 0.975])
        row |= {"accuracy_low": low, "accuracy_high": high}
        row |= by_seed.to_dict() | {"coverage": over.mean()}
        row |= dict(zip(["precision", "precision_low", "precision_high"], precision, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def _quality(rows: pd.DataFrame) -> dict[str, float]:
    """How well the confidence of one system ranks and estimates its hits."""
    score, right = rows["score"].to_numpy(), rows["right"].to_numpy() > 0
    measures = {"auroc": selective.auroc, "aurc": selective.aurc, "ece": selective.ece}
    return {name: measure(score, right) for name, measure in measures.items()}


def effect(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """What changes from one system to another, post by post, most confident change first.

    before, after: of `select`. Returns y_true, before, after (answers), score_before, score_after
    and `effect`, one of EFFECTS, for posts whose truth is known.
    """
    pair = before.join(after.add_suffix("_after"), how="inner")
    pair = pair[pair["y_true"] != ""]
    was = (pair["y_pred"] == pair["y_true"]).to_numpy()
    now = (pair["y_pred_after"] == pair["y_true_after"]).to_numpy()
    same = (pair["y_pred"] == pair["y_pred_after"]).to_numpy()
    kind = np.select(
        [~was & now, was & ~now, same], [EFFECTS[0], EFFECTS[1], EFFECTS[3]], EFFECTS[2]
    )
    table = pd.DataFrame(
        {
            "y_true": pair["y_true"],
            "before": pair["y_pred"],
            "after": pair["y_pred_after"],
            "score_before": pair["score"],
            "score_after": pair["score_after"],
            "effect": kind,
        }
    )
    return table.sort_values(["score_after", "id"], ascending=[False, True])


def compare(
    predictions: pd.DataFrame,
    variant: str,
    systems: Sequence[str],
    baseline: str,
    clusters: pd.Series,
    split: str = "test",
    n: int = 1000,
) -> pd.DataFrame:
    """Accuracy of systems minus a baseline's on the same posts, with interval and McNemar's p.

    clusters: group of each post, indexed by id. Returns system, helped, harmed, difference, low,
    high, p (unadjusted; adjust over the table with `stats.holm`).
    """
    base, rows = select(predictions, baseline, variant, split), []
    base = base[base["y_true"] != ""]
    reference = (base["y_pred"] == base["y_true"]).to_numpy()
    for system in systems:
        other = select(predictions, system, variant, split).loc[base.index]
        right = (other["y_pred"] == other["y_true"]).to_numpy()
        gap = paired_bootstrap(
            right.astype(float), reference.astype(float), clusters.loc[base.index].to_numpy(), n
        )
        test = mcnemar(right, reference)
        rows.append((system, test.only_a, test.only_b, gap.value, gap.low, gap.high, test.p))
    columns = ["system", "helped", "harmed", "difference", "low", "high", "p"]
    return pd.DataFrame(rows, columns=columns)


def dilution(predictions: pd.DataFrame, variant: str, threshold: float = 0.5) -> pd.DataFrame:
    """Near-synonyms that share the probability of a post, and what merging them gives back.

    A post counts for its merged answer when the merged class reaches `threshold` and no single
    label does. Returns group, members (labels in it), posts, share_lost (mean of merged minus
    single confidence), right (posts whose truth lies in the group), known (truth is known).
    """
    single = select(predictions, "image", variant)
    merged = select(predictions, "image_merged", variant).loc[single.index]
    gained = (merged["score"] >= threshold) & (single["score"] < threshold)
    rows = pd.DataFrame(
        {
            "group": merged["y_pred"],
            "share_lost": merged["score"] - single["score"],
            "known": merged["y_true"] != "",
            "right": (merged["y_true"] == merged["y_pred"]),
        }
    )[gained]
    sizes = pd.Series(labels.groups("group")).value_counts()
    table = rows.groupby("group").agg(
        posts=("known", "size"), share_lost=("share_lost", "mean"),
        right=("right", "sum"), known=("known", "sum"),
    )  # fmt: skip
    table.insert(0, "members", sizes.reindex(table.index).astype(int))
    return table.sort_values(["posts", "members"], ascending=False, kind="stable").reset_index()


def confusions(predictions: pd.DataFrame, variant: str, system: str = "image") -> pd.DataFrame:
    """Wrong answers counted: y_true, y_pred, posts, score (mean), kind.

    kind: no place (truth is none), near-synonym (same group), same scene kind, or other.
    """
    rows = select(predictions, system, variant)
    wrong = rows[(rows["y_true"] != "") & (rows["y_true"] != rows["y_pred"])]
    table = wrong.groupby(["y_true", "y_pred"])["score"].agg(posts="size", score="mean")
    table = table.reset_index()
    truth, answer = table["y_true"].tolist(), table["y_pred"].tolist()
    same = {
        level: np.equal(labels.merged_name(truth, level), labels.merged_name(answer, level))
        for level in ("group", "scene")
    }
    kind = np.select(
        [table["y_true"] == labels.NONE, same["group"], same["scene"]],
        ["no place", "near-synonym", "same kind of scene"],
        "other",
    )
    table = table.assign(kind=kind)
    return table.sort_values(["posts", "score"], ascending=False, kind="stable", ignore_index=True)


def thresholds(
    predictions: pd.DataFrame, system: str, variant: str, tried: Sequence[float]
) -> pd.DataFrame:
    """Each criterion's threshold, chosen on validation posts, and what it gives on test posts.

    Returns system, criterion, threshold, kept, precision, low, high (Wilson); posts with a known
    truth only. A threshold that would keep fewer than 10 validation posts is not considered.
    """
    rows = predictions[(predictions["y_true"] != "")]
    tune, test = (select(rows, system, variant, split) for split in ("validation", "test"))
    right = tune["y_pred"] == tune["y_true"]
    table = selective.threshold_table(tune["score"], right, tried)
    found = selective.optima(table, min_n=10)[["criterion", "threshold"]]
    results = []
    for threshold in found["threshold"]:
        kept = test[test["score"] >= threshold]
        share = wilson(int((kept["y_pred"] == kept["y_true"]).sum()), len(kept))
        results.append((len(kept), *share))
    columns = ["kept", "precision", "precision_low", "precision_high"]
    found[columns] = results
    return found.assign(kept=found["kept"].astype(int), system=system)


def rejecting(predictions: pd.DataFrame, variant: str, split: str = "test") -> pd.DataFrame:
    """What a reject class mends and costs: share right with and without it, places and none apart.

    Returns rows "a place", "none", "all"; columns posts, image, image_reject.
    """
    sides = {s: select(predictions, s, variant, split) for s in ("image", "image_reject")}
    known = sides["image"]["y_true"] != ""
    none = (sides["image"]["y_true"] == labels.NONE)[known]
    table = pd.DataFrame({"posts": 1}, index=none.index)
    for system, rows in sides.items():
        table[system] = (rows["y_pred"] == rows["y_true"]).loc[none.index]
    how = {"posts": "sum", "image": "mean", "image_reject": "mean"}
    parts = {"a place": table[~none], "none": table[none], "all": table}
    return pd.DataFrame({name: part.agg(how) for name, part in parts.items()}).T

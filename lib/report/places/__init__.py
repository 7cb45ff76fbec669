"""The Places study as numbers: every comparison table of the report, from the predictions alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from lib import params, paths
from lib.places import judging, labels, published, selective
from lib.places.study import claims, contrasts, panels
from lib.places.study.systems import ZeroShotPlaces
from lib.report.places import quality
from lib.schema import read_pairs
from lib.stats import cohens_h, holm, mcnemar, resampled_sums, shifted_p

TRIVIAL = ("reject_all", "majority", "random")
JUDGED = ("image", "caption", "image_reject", "ensemble_cv", "log_pool_cv")
PAIRED = 10_000  # resamples behind a paired test
EFFECT_OF = ("ensemble_cv", "log_pool_cv")


@dataclass(frozen=True)
class Study:
    """What the report reads of the Places study."""

    predictions: pd.DataFrame
    pairs: pd.DataFrame  # the pairs table
    grid: pd.DataFrame  # accuracy by weight of the picture
    selections: dict
    settings: ZeroShotPlaces
    sample: bool  # the posts are of a sample corpus
    bootstrap: int  # resamples behind an interval

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Every system and variant on the test posts (`contrasts.summary`)."""
        return contrasts.summary(self.predictions, self.groups, n=self.bootstrap)

    @cached_property
    def groups(self) -> pd.Series:
        """Near-duplicate group of each post, indexed by id."""
        return self.pairs.set_index("id")["group"]

    @property
    def main(self) -> str:
        """The variant shown where one must do: first encoder, main prompts."""
        return f"{self.settings.encoders[0]}/{self.settings.main_prompts}"

    @cached_property
    def tested(self) -> pd.DataFrame:
        """Test posts with a known truth, all systems, with a column `right`."""
        rows = self.predictions
        rows = rows[(rows["split"] == "test") & (rows["y_true"] != "")]
        return rows.assign(right=(rows["y_pred"] == rows["y_true"]))


def read(
    predictions: Path | str, pairs: Path | str, config: str, sample: bool, bootstrap: int = 1000
) -> Study:
    """The study in folder `predictions`, with the groups of `pairs`.

    FileNotFoundError or ValueError, one line, when a file or a post is missing.
    """
    folder = paths.resolve(predictions)
    for name in ("predictions.parquet", "selections.json", "weight_grid.csv"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{paths.relative(folder)}/{name}: no such file; run 03 first")
    rows = pd.read_parquet(folder / "predictions.parquet").astype({"score": float})
    # Dictionary columns come back as categories, which would group by absent values too.
    texts = rows.select_dtypes("category").columns
    rows[texts] = rows[texts].astype(str)
    posts = read_pairs(paths.resolve(pairs))
    unknown = rows.loc[~rows["id"].isin(posts["id"]), "id"]
    if len(unknown):
        raise ValueError(f"{pairs}: post {unknown.iloc[0]} of the predictions is not in it")
    text = (folder / "weight_grid.csv").read_text(encoding="utf-8").strip()
    grid = pd.read_csv(folder / "weight_grid.csv") if text else pd.DataFrame()
    selections = json.loads((folder / "selections.json").read_text(encoding="utf-8"))
    settings = params.load(config, "zero_shot_places", ZeroShotPlaces)
    return Study(rows, posts, grid, selections, settings, sample, bootstrap)


def systems_table(study: Study) -> pd.DataFrame:
    """Every system and variant: accuracy on all test posts and on posts of a place, confidence."""
    table = study.summary.copy()
    placed = study.predictions[study.predictions["y_true"] != labels.NONE]
    if (placed["split"].eq("test") & placed["y_true"].ne("")).any():
        on_places = contrasts.summary(placed, study.groups, n=study.bootstrap)
        names = {f"accuracy{end}": f"accuracy_on_places{end}" for end in ("", "_low", "_high")}
        keys = ["system", "variant"]
        table = table.merge(on_places[[*keys, *names]].rename(columns=names), on=keys, how="left")
    table.insert(0, "kind", np.where(table["system"].isin(TRIVIAL), "trivial", "system"))
    return table


def quality_table(study: Study) -> pd.DataFrame:
    """AUROC, AURC, ECE of the unseeded systems of the main variant, with clustered intervals."""
    rows = study.tested
    rows = rows[(rows["variant"] == study.main) & (rows["seed"] < 0)]
    found = []
    for system, part in rows.groupby("system", sort=False):
        clusters = study.groups.loc[part["id"]].to_numpy()
        means = selective.mean_confidence(part["score"], part["right"])
        limits = quality.intervals(part["score"], part["right"], clusters, study.bootstrap)
        found.append({"system": system, "posts": len(part)} | limits | {
            "confidence_of_hits": means["hits"], "confidence_of_failures": means["failures"]
        })  # fmt: skip
    return pd.DataFrame(found)


def against_image(study: Study) -> pd.DataFrame:
    """Accuracy of each system minus that of the picture alone, same posts, main variant.

    Seeds are averaged per post. p: paired cluster bootstrap; p_holm: adjusted over the rows;
    p_mcnemar: exact, for systems without seeds; h: Cohen's effect size.
    """
    rows = study.tested
    rows = rows[(rows["variant"] == study.main) | rows["system"].isin(TRIVIAL)]
    right = rows.groupby(["id", "system"], sort=False)["right"].mean().unstack()
    seeded = set(rows.loc[rows["seed"] >= 0, "system"])
    clusters, base = study.groups.loc[right.index].to_numpy(), right["image"].to_numpy(float)
    systems = [system for system in rows["system"].unique() if system != "image"]
    gaps = right[systems].to_numpy(float) - base[:, None]
    # One set of resamples for all systems; many, because Holm multiplies the smallest p.
    sums = resampled_sums(np.column_stack([gaps, np.ones(len(gaps))]), clusters, PAIRED)
    draws = sums[:, :-1] / sums[:, -1:]
    found = []
    for system, gap, drawn in zip(systems, gaps.T, draws.T, strict=True):
        low, high = np.quantile(drawn, [0.025, 0.975])
        test = None if system in seeded else mcnemar(right[system] > 0, base > 0)
        found.append({
            "system": system, "helped": test.only_a if test else np.nan,
            "harmed": test.only_b if test else np.nan, "difference": gap.mean(),
            "difference_low": low, "difference_high": high,
            "h": cohens_h(right[system].mean(), base.mean()), "p": shifted_p(gap.mean(), drawn),
            "p_mcnemar": test.p if test else np.nan,
        })  # fmt: skip
    table = pd.DataFrame(found)
    table.insert(table.columns.get_loc("p") + 1, "p_holm", holm(table["p"]))
    return table.sort_values("difference", ascending=False, kind="stable", ignore_index=True)


def table1(study: Study) -> pd.DataFrame:
    """Table 1: share of the first posts classified by threshold and variant; the paper's."""
    posts = study.groups.index[study.groups.index.isin(study.predictions["id"].unique())]
    table = panels.table1(study.predictions, posts[: study.settings.first])
    return _limits(table, "share")


def table2(study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Table 2 of the main variant: precision by class, and the accuracies made of them.

    The truth is that of the predictions (annotators', or the gold file's). The paper's row and
    column stand beside ours.
    """
    rows = study.predictions
    systems = {*JUDGED, study.settings.paper_ensemble}
    pool = rows[(rows["variant"] == study.main) & rows["system"].isin(systems)]
    sample = judging.draw_judging_sample(pool, study.settings.classes, study.settings.per_class)
    truth = rows[(rows["system"] == "image") & (rows["y_true"] != "")]
    truth = dict(zip(truth["id"], truth["y_true"], strict=True))
    strata, accuracies = judging.table2(sample[sample["drawn"] > 1], truth)
    paper = published.table2()
    strata = strata.assign(
        answer=strata["y_pred"].map(labels.display_of),
        paper=strata["y_pred"].map(paper.set_index("raw")["precision"]),
    )
    names = ["system", "answer", "frequency", "judged", "hits", "precision", "low", "high", "paper"]
    printed = pd.DataFrame([{"system": "paper, picture alone"} | published.accuracy()])
    accuracies = pd.concat([printed, accuracies.drop(columns="variant")], ignore_index=True)
    return _limits(strata[names], "precision"), accuracies


def paper_table2() -> pd.DataFrame:
    """The paper's Table 2 with Wilson limits."""
    table = published.table2().rename(columns={"display": "answer"})
    return _limits(table.drop(columns="raw"), "precision")


def table3(study: Study) -> dict[str, pd.DataFrame]:
    """Table 3 for every unseeded system of the main variant; `paper`: as printed there."""
    rows = study.tested
    rows = rows[(rows["variant"] == study.main) & (rows["seed"] < 0)]
    tables = {
        system: selective.threshold_table(part["score"], part["right"], study.settings.thresholds)
        for system, part in rows.groupby("system", sort=False)
    }
    limits = published.table3()[["precision", "low", "high"]]
    tables = {"paper": published.table3_printed().join(limits), **tables}
    return {name: _limits(table, "precision") for name, table in tables.items()}


def thresholds(study: Study, systems: Sequence[str]) -> pd.DataFrame:
    """Threshold that each criterion chooses on validation posts; what it gives on test posts."""
    found = [
        contrasts.thresholds(study.predictions, system, study.main, study.settings.thresholds)
        for system in systems
    ]
    names = ["system", "criterion", "threshold", "kept"]
    return pd.concat(found, ignore_index=True)[
        [*names, "precision", "precision_low", "precision_high"]
    ]


def caption_effects(study: Study) -> pd.DataFrame:
    """Posts that each way of using the caption helps and harms, test posts, main variant."""
    rows = study.predictions
    before = contrasts.select(rows, "image", study.main, "test")
    conditional = [s for s in rows["system"].unique() if s.startswith("conditional_")]
    found = []
    for system in present(study, ["caption", study.settings.paper_ensemble, *EFFECT_OF]) + sorted(
        conditional
    ):
        effect = contrasts.effect(before, contrasts.select(rows, system, study.main, "test"))
        counts = effect["effect"].value_counts()
        row = {name.replace(" ", "_"): int(counts.get(name, 0)) for name in contrasts.EFFECTS}
        found.append({"system": system, "posts": len(effect)} | row)
    return pd.DataFrame(found)


def claims_table(study: Study) -> pd.DataFrame:
    """The paper's claims with a verdict each."""
    settings = study.settings
    asked = (settings.encoders[0], settings.paper_ensemble, study.groups, study.bootstrap)
    table = claims.check(study.predictions, *asked)
    return _limits(table, "value")


def ceiling_table(study: Study, ceilings: dict) -> pd.DataFrame:
    """What a sample corpus allows by kind of evidence, beside the best system that sees it.

    ceilings: of the corpus' card. Returns evidence, ceiling, system, variant, accuracy (limits).
    """
    table = study.summary[~study.summary["system"].isin(TRIVIAL)]
    joint = table["system"].str.match(r"ensemble|log_pool|conditional")
    # Systems that answer with merged labels are scored against merged truths.
    exact = table["system"] != "image_merged"
    caption = table["system"] == "caption"
    sees = {"picture": ~joint & ~caption, "caption": caption, "picture_and_caption": exact}
    rows = []
    for evidence, mask in sees.items():
        best = table[mask & exact].nlargest(1, "accuracy").iloc[0]
        names = ["system", "variant", "accuracy", "accuracy_low", "accuracy_high"]
        kind = {"evidence": evidence.replace("_", " "), "ceiling": ceilings[evidence]}
        rows.append(kind | best[names].to_dict())
    return pd.DataFrame(rows)


def prevalence(study: Study) -> dict[str, float]:
    """Make-up of the test posts with a known truth: posts, classes, shares of none and the top."""
    truth = study.tested.drop_duplicates("id")
    truth = truth.loc[truth["system"] != "image_merged", "y_true"]
    places = truth[truth != labels.NONE]
    return {
        "posts": len(truth),
        "classes": places.nunique(),
        "none": float((truth == labels.NONE).mean()),
        "top": float(places.value_counts().iloc[0] / len(truth)),
        "top_class": labels.display_of(places.value_counts().index[0]),
    }


def present(study: Study, systems: Sequence[str]) -> list[str]:
    """Those of `systems` that the main variant has."""
    rows = study.predictions
    known = set(rows.loc[rows["variant"] == study.main, "system"].unique())
    return [system for system in systems if system in known]


def _limits(table: pd.DataFrame, of: str) -> pd.DataFrame:
    """Columns low and high named as the limits of column `of`."""
    return table.rename(columns={"low": f"{of}_low", "high": f"{of}_high"})

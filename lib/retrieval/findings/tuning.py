"""The 2022 study as tables: fine-tuning, WiSE-FT and its variants, source by source."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.retrieval import published
from lib.retrieval.findings import (
    CRITERIA,
    FINE_TUNED,
    PAPER_2022,
    SELECTED,
    TRIVIAL,
    WISE_FT,
    ZERO_SHOT,
    Findings,
    label,
)
from lib.retrieval.findings.scores import METRICS, TESTS, Scores, mean_of, score
from lib.stats import holm

PRINTED = {ZERO_SHOT: "zero-shot", FINE_TUNED: "fine-tuning", WISE_FT: "WiSE-FT"}
ENDS = (ZERO_SHOT, FINE_TUNED)
MAIN = (ZERO_SHOT, FINE_TUNED, WISE_FT)
AWAY = 100.0  # stands for a rank beyond the last that is kept

TABLE_4_FORMATS = {  # decimals
    **dict.fromkeys(("queries", "gained", "unchanged", "lost", "entered", "left"), 1),
    **dict.fromkeys(("mean_gain", "mean_loss", "net"), 2),
}


def of(rows: pd.DataFrame, name: str, tuned: str, split: str = "test") -> pd.DataFrame:
    """Rows on one set that belong to the models of one source: tuned on it, or not at all."""
    mine = (rows["set"] == name) & rows["tuned"].isin([tuned, ""]) & (rows["split"] == split)
    return rows[mine]


def table_2022(found: Findings) -> pd.DataFrame:
    """The paper's tables, one row a set and system, and what it prints beside ours.

    Returns set, system, alpha (chosen, by seed), seeds, queries, then every metric with limits
    and, where printed, `<metric> paper`. WiSE-FT's alpha is chosen by Recall@1 as in the paper.
    """
    paper = published.table_2022().set_index(["set", "model"])
    rows = []
    candidates = found.candidates()
    for source in found.tuned:
        mine = of(candidates, source, source)
        scores = score(mine, "system", n=found.bootstrap)
        for system in _in_order(mine["system"]):
            part = mine[mine["system"] == system]
            printed = paper.reindex([(PAPER_2022.get(source, ""), PRINTED.get(system, ""))]).iloc[0]
            row = {"set": source, "system": label(system), "setting": chosen_settings(part)}
            row |= {"seeds": part["seed"].nunique(), "queries": scores.queries}
            for name, value in scores.row(system).items():
                row[name] = value
                if name.endswith("_high") and name[:-5] in published.METRICS:
                    row[f"{name[:-5]} paper"] = float(printed[name[:-5]])
            rows.append(row)
    return pd.DataFrame(rows)


def in_short(table: pd.DataFrame) -> pd.DataFrame:
    """The paper's systems and the trivial ones of `table_2022`, with MRR and Recall@10 only."""
    shown = [label(system) for system in (*TRIVIAL, *MAIN)]
    names = ["set", "system", "setting", "MRR", "MRR_low", "MRR_high", "MRR paper"]
    return table.loc[table["system"].isin(shown), [*names, "R@10", "R@10 paper"]]


def _in_order(systems: pd.Series) -> list[str]:
    """Systems in the order of the papers, trivial ones first."""
    order = [*TRIVIAL, *MAIN, *SELECTED[1:]]
    known = set(systems.unique())
    return [system for system in order if system in known]


def chosen_settings(rows: pd.DataFrame) -> str:
    """Settings of the seeds in short, "0.4, 0.5, 0.4"; "" when there is none to choose."""
    seeds = rows.drop_duplicates("seed").sort_values("seed")
    if rows["system"].iloc[0] in (ZERO_SHOT, FINE_TUNED) or (seeds["setting"] == "").any():
        return ""
    return ", ".join(map(_short, seeds["setting"]))


def _short(setting: str) -> str:
    """A setting in few signs: "0.5/0" of image and text; of a soup, how many models are in it."""
    if "seed" in setting:
        members = setting.count(" + ") + 1
        return f"{members} model{'s' * (members > 1)}"
    return re.sub(r"[a-z]+=", "", setting).replace(" ", "/")


def against_ends(found: Findings, criterion: str = CRITERIA[0]) -> pd.DataFrame:
    """MRR of each system minus zero-shot and minus fine-tuned, and minus the better of the two.

    One row a source, set and system: minus_zero_shot, minus_fine_tuned, minus_both (limits each),
    p (of the last) and p_holm over the table. minus_both above 0: it beats both ends.
    """
    rows, candidates = [], found.candidates(criterion)
    for source in found.tuned:
        for name in [source, *found.others[source]]:
            mine = of(candidates, name, source)
            scores = score(mine, "system", ["rr"], n=max(TESTS, found.bootstrap))
            for system in [s for s in _in_order(mine["system"]) if s not in (*TRIVIAL, *ENDS)]:
                row = {"tuned": source, "set": name, "system": system, "queries": scores.queries}
                for base in ENDS:
                    row |= _named(scores.gap(system, base), f"minus_{base}")
                worst = scores.worst_gap(system, ENDS)
                rows.append(row | _named(worst, "minus_both") | {"p": worst["p"]})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"]), system_name=table["system"].map(label))


def _named(gap: dict[str, float], name: str) -> dict[str, float]:
    """A difference and its limits under another name, its p left out."""
    return {key.replace("difference", name): v for key, v in gap.items() if key != "p"}


def tests_2022(found: Findings) -> pd.DataFrame:
    """The paper's three comparisons on every source, tested: set, metric, first, second, ...

    difference: second minus first with limits; p paired by query, p_holm over the tests of its
    metric.
    """
    rows, candidates = [], found.candidates()
    for source in found.tuned:
        scores = score(of(candidates, source, source), "system", n=max(TESTS, found.bootstrap))
        for first, second in ((ZERO_SHOT, FINE_TUNED), (FINE_TUNED, WISE_FT), (ZERO_SHOT, WISE_FT)):
            for metric, title in METRICS.items():
                row = {"set": source, "metric": title, "first": first, "second": second}
                rows.append(row | scores.gap(second, first, metric))
    table = pd.DataFrame(rows)
    return table.assign(p_holm=table.groupby("metric")["p"].transform(holm))


def alpha_curve(found: Findings, metric: str = "rr") -> pd.DataFrame:
    """Score along alpha: tuned, where, alpha, value, low, high.

    where: "test", "validation" (both of the source itself) or "other sets" (mean, each once).
    """
    rows = []
    for source in found.tuned:
        for split in ("test", "validation"):
            mine = of(found.along_alpha, source, source, split)
            if len(mine):
                scores = score(mine, "alpha", [metric], found.bootstrap)
                rows += [(source, split, alpha, *scores.estimate(alpha, metric))
                         for alpha in sorted(mine["alpha"].unique())]  # fmt: skip
        parts, alphas = _elsewhere(found, found.along_alpha, "alpha", source, metric)
        rows += [(source, "other sets", alpha, *mean_of(parts, alpha, metric)) for alpha in alphas]
    columns = ["tuned", "where", "alpha", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _elsewhere(
    found: Findings, rows: pd.DataFrame, by: str, source: str, metric: str
) -> tuple[list[Scores], list]:
    """Scores of a source's models on each other set, and the names that all sets have."""
    parts = [of(rows, name, source) for name in found.others[source]]
    names = [set(part[by].unique()) for part in parts]
    common = sorted(set.intersection(*names)) if names else []
    return [score(part, by, [metric], found.bootstrap) for part in parts], common


def regret(found: Findings) -> pd.DataFrame:
    """What the choice on validation costs against the best setting on test, by seed.

    Returns tuned, system, criterion, metric, seed, chosen, best, value (of the choice, test),
    value_best, regret. metric: "MRR" and "R@1", each against its own best.
    """
    keys = ["tuned", "seed", "system", "setting"]
    means = found.grid.set_index(keys)[["test_mrr", "test_recall@1"]].dropna().sort_index()
    picks = found.selections.drop_duplicates(["criterion", *keys])
    rows = []
    for pick in picks.itertuples():
        if (pick.tuned, pick.seed, pick.system) not in means.index.droplevel("setting"):
            continue
        part = means.loc[(pick.tuned, pick.seed, pick.system)]
        for metric, title in (("test_mrr", "MRR"), ("test_recall@1", "R@1")):
            value, best = part.at[pick.setting, metric], part[metric].max()
            row = (pick.tuned, pick.system, pick.criterion, title, pick.seed)
            rows.append((*row, pick.setting, part[metric].idxmax(), value, best, best - value))
    columns = ["tuned", "system", "criterion", "metric", "seed", "chosen", "best"]
    return pd.DataFrame(rows, columns=[*columns, "value", "value_best", "regret"])


def regret_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Regret over the seeds: mean, largest; and the settings chosen."""
    keys = ["tuned", "system", "criterion", "metric"]
    made = table.groupby(keys, sort=False).agg(
        seeds=("seed", "nunique"), chosen=("chosen", _listed), best=("best", _listed),
        value=("value", "mean"), value_best=("value_best", "mean"),
        regret=("regret", "mean"), largest=("regret", "max"),
    )  # fmt: skip
    return made.reset_index()


def _listed(settings: pd.Series) -> str:
    return "; ".join(settings.map(_short).drop_duplicates())


def frontier(found: Findings, criterion: str = CRITERIA[0]) -> pd.DataFrame:
    """Target score against the mean of the other sets, along alpha and for each variant.

    Returns tuned, system, alpha (NaN: a variant as chosen), target and others with limits (MRR).
    """
    rows, candidates = [], found.candidates(criterion)
    variants = candidates[~candidates["system"].isin([*TRIVIAL, *MAIN])]
    for source in found.tuned:
        for rows_of, by in ((found.along_alpha, "alpha"), (variants, "system")):
            parts, names = _elsewhere(found, rows_of, by, source, "rr")
            mine = of(rows_of, source, source)
            if not names or mine.empty:
                continue
            own = score(mine, by, ["rr"], found.bootstrap)
            for name in names:
                row = {"tuned": source, "system": WISE_FT if by == "alpha" else name}
                row |= {"alpha": name if by == "alpha" else np.nan}
                for where, three in (
                    ("target", own.estimate(name)),
                    ("others", mean_of(parts, name)),
                ):
                    row |= dict(zip((where, f"{where}_low", f"{where}_high"), three, strict=True))
                rows.append(row)
    return pd.DataFrame(rows)


def ranks(found: Findings, tuned: str, split: str = "test") -> pd.DataFrame:
    """Rank of each query's image under the three main systems, one row a query and seed.

    Columns query, seed, group, kind, zero_shot, fine_tuned, wise_ft; NaN beyond the first 100.
    """
    rows = of(found.candidates(), tuned, tuned, split)
    rows = rows[rows["system"].isin(MAIN)]
    zero = rows[rows["system"] == ZERO_SHOT].set_index("query")
    wide = rows[rows["system"] != ZERO_SHOT].set_index(["query", "seed", "system"])["rank"]
    wide = wide.unstack("system").reset_index()
    return wide.assign(**{column: wide["query"].map(zero[name]) for column, name in
                          ((ZERO_SHOT, "rank"), ("group", "group"), ("kind", "kind"))})  # fmt: skip


def table_4(found: Findings, splits: Sequence[str] = ("validation", "test")) -> pd.DataFrame:
    """Table 4 with the counts that it lacks: ranks gained and lost from fine-tuning to WiSE-FT.

    Of queries whose image all three systems have among the first 100. filter "improved": only
    queries that fine-tuning had improved, as the paper says of its table; "all": without. Counts
    are means over seeds; entered, left: queries whose image crosses rank 100.
    """
    rows, printed = [], published.ranks_2022().set_index("set")
    for tuned in found.tuned:
        for split in splits:
            table = ranks(found, tuned, split)
            if table.empty:
                continue
            for kept in ("improved", "all"):
                mask = (table[FINE_TUNED] < table[ZERO_SHOT]) | (kept == "all")
                row = {"set": tuned, "split": split, "filter": kept} | _moved(table[mask])
                paper = printed.reindex([PAPER_2022.get(tuned, "")]).iloc[0]
                as_printed = kept == "improved" and split == "validation"
                row["paper_gain"] = paper["improvement"] if as_printed else np.nan
                row["paper_loss"] = paper["decrease"] if as_printed else np.nan
                rows.append(row)
    return pd.DataFrame(rows)


def _moved(table: pd.DataFrame) -> dict[str, float]:
    """Counts and mean moves from fine-tuning to WiSE-FT, per seed."""
    seeds = max(1, table["seed"].nunique())
    inside = table.dropna(subset=list(MAIN))
    move = inside[FINE_TUNED] - inside[WISE_FT]
    gained, lost = move[move > 0], -move[move < 0]
    known = table[[FINE_TUNED, WISE_FT]].notna()
    return {
        "queries": len(table) / seeds, "gained": len(gained) / seeds,
        "unchanged": int((move == 0).sum()) / seeds, "lost": len(lost) / seeds,
        "mean_gain": gained.mean(), "mean_loss": lost.mean(), "net": move.mean(),
        "entered": int((known[WISE_FT] & ~known[FINE_TUNED]).sum()) / seeds,
        "left": int((~known[WISE_FT] & known[FINE_TUNED]).sum()) / seeds,
    }  # fmt: skip

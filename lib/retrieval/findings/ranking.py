"""The 2023 study as tables: the five runs, the paraphrase, hubness and its corrections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from lib.retrieval import published
from lib.retrieval.findings import (
    FINE_TUNED,
    PAPER_2022,
    PAPER_2023,
    RUNS,
    TRIVIAL,
    ZERO_SHOT,
    Findings,
    label,
)
from lib.retrieval.findings.scores import METRICS, TESTS, Scores, score
from lib.retrieval.hubs import METHODS, skewness
from lib.stats import holm

SHOWN = ("R@5", "R@10", "R@50", "R@100", "MRR")  # the paper's columns in its order
STEPS = ((2, 3, "dual softmax, not tuned"), (4, 5, "dual softmax, tuned"),
         (2, 4, "fine-tuning"), (3, 5, "fine-tuning, under dual softmax"),
         (3, 1, "larger model"), (1, 5, "run 5 against run 1"))  # fmt: skip
MAIN_BANK = "transductive"
HEAT = ", T = "  # between the name of a run and its temperature
PLAIN = "plain||"  # name of plain cosine among the corrections


def run_rows(found: Findings) -> pd.DataFrame:
    """Rows of the five runs as the paper makes them, with a column `run` that names temperature.

    Runs with dual softmax appear once a temperature, "run 3, T = 0.01".
    """
    rows = found.queries
    rows = rows[rows["system"].isin(RUNS) & (rows["aggregation"] == "mean")]
    rows = rows[rows["method"].isin(["plain", "dual_softmax"]) & (rows["bank"] != "inductive")]
    number = rows["system"].str.removeprefix("run").astype(int)
    # A run with dual softmax may be kept plain as well, for the aggregation; that is no run.
    softmax = number.isin([1, 3, 5])
    rows = rows[softmax == (rows["method"] == "dual_softmax")]
    number = number[rows.index]
    heat = _written(rows["temperature"], HEAT).where(rows["method"] == "dual_softmax", "")
    rows = rows.assign(number=number, run="run " + number.astype(str) + heat)
    return rows.sort_values(["number", "temperature"], kind="stable")


def sets_2023(rows: pd.DataFrame) -> list[str]:
    """Sets of the rows in the order of the papers, the later one first, unknown ones last."""
    order = [*PAPER_2023, *PAPER_2022]
    return sorted(rows["set"].unique(), key=lambda s: (order.index(s) if s in order else 99, s))


def table_2023(found: Findings) -> pd.DataFrame:
    """The paper's Table 1, one row a set, run and temperature, ours with limits and the printed.

    The trivial rankings come first in every set. Returns set, run, encoder, queries, then R@5 ...
    R@100, MRR with limits and `<metric> paper`.
    """
    rows, table = run_rows(found), []
    paper = published.table_2023().set_index(["set", "run"])
    for name in sets_2023(rows):
        mine = pd.concat([_trivial(found, name), rows[rows["set"] == name]], ignore_index=True)
        scores = score(mine, "run", n=found.bootstrap)
        for run, number, encoder in mine.drop_duplicates("run")[
            ["run", "number", "encoder"]
        ].itertuples(index=False):
            printed = paper.reindex([(PAPER_2023.get(name, ""), number)]).iloc[0]
            row, values = {"set": name, "run": run, "encoder": encoder}, scores.row(run)
            row |= {"queries": scores.queries}
            for metric in SHOWN:
                row |= {key: values[key] for key in (metric, f"{metric}_low", f"{metric}_high")}
                row[f"{metric} paper"] = float(printed[metric])
            table.append(row)
    return pd.DataFrame(table)


def in_short(table: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """`table_2023` at one temperature of the dual softmax, with MRR and Recall@100 only."""
    names = ["set", "run", "encoder", "MRR", "MRR_low", "MRR_high", "MRR paper"]
    run, _, heat = table["run"].str.partition(HEAT).T.to_numpy()
    shown = (heat == "") | (heat == f"{temperature:g}")
    return table.loc[shown, [*names, "R@100", "R@100 paper"]].assign(run=run[shown])


def _trivial(found: Findings, name: str) -> pd.DataFrame:
    """Rows of the rankings that read no title, as if they were runs."""
    rows = found.plain[(found.plain["set"] == name) & found.plain["system"].isin(TRIVIAL)]
    return rows.assign(number=0, run=rows["system"].map(label))


def steps_2023(found: Findings, temperature: float | None = None) -> pd.DataFrame:
    """Differences between the runs, paired by query: set, step, first, second, metric, ...

    temperature: of the dual softmax, None = the lowest at hand. p_holm: over the table.
    """
    rows = run_rows(found)
    heats = rows["temperature"].dropna()
    temperature = heats.min() if temperature is None and len(heats) else temperature
    rows = rows[rows["temperature"].isna() | (rows["temperature"] == temperature)
                | rows["method"].eq("plain")]  # fmt: skip
    table = []
    for name in sets_2023(rows):
        mine = rows[rows["set"] == name]
        scores = score(mine, "number", ["rr", "r5", "r100"], max(TESTS, found.bootstrap))
        for first, second, step in STEPS:
            if {first, second} <= set(mine["number"]):
                for metric in ("rr", "r5", "r100"):
                    row = {"set": name, "step": step, "first": first, "second": second}
                    row["metric"] = METRICS[metric]
                    table.append(row | scores.gap(second, first, metric))
    table = pd.DataFrame(table)
    return table.assign(p_holm=holm(table["p"]), temperature=temperature)


def aggregation(found: Findings) -> pd.DataFrame:
    """Ways to join title and paraphrase against the title alone, cosine ranking.

    Returns set, system, encoder, aggregation, queries, MRR and R@10 with limits, difference (MRR,
    from the title) with limits, p, p_holm (over the table).
    """
    rows = found.queries[found.queries["method"] == "plain"]
    table = []
    for base, mine in _bases(rows[rows["system"].isin([ZERO_SHOT, FINE_TUNED])]):
        ways = set(mine["aggregation"])
        if "title" not in ways or len(ways) == 1:
            continue
        scores = score(mine, "aggregation", ["rr", "r10"], max(TESTS, found.bootstrap))
        for how in [way for way in ("title", "mean", "max", "embedding_mean") if way in ways]:
            row = base | {"aggregation": how, "queries": scores.queries}
            row |= scores.row(how, ["rr", "r10"])
            table.append(row | (scores.gap(how, "title") if how != "title" else {"p": np.nan}))
    table = pd.DataFrame(table)
    return table.assign(p_holm=holm(table["p"])) if len(table) else table


def _bases(rows: pd.DataFrame) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """What features come from, set by set: an encoder as it came, or one tuned on a text source.

    Of a tuned one only the first seed is kept: what is compared was made for one seed.
    """
    for name in sets_2023(rows):
        mine = rows[rows["set"] == name]
        for (system, encoder, tuned), part in mine.groupby(
            ["system", "encoder", "tuned"], sort=False
        ):
            part = part[part["seed"] == part["seed"].min()]
            base = {"set": name, "system": system, "encoder": encoder, "tuned": tuned}
            yield base, part


def corrections(found: Findings) -> pd.DataFrame:
    """Every correction of hubness against plain cosine, and the skewness that it leaves.

    Title and paraphrase are joined as the paper does. Returns set, system, encoder, method, bank,
    temperature, queries, MRR and R@1 with limits, difference (MRR) with limits, p, p_holm (within
    a set and system), skewness (of the k-occurrence, k = 10) and most (queries that have the
    commonest image among their first ten).
    """
    rows = found.queries
    rows = rows[rows["system"].isin([ZERO_SHOT, FINE_TUNED]) & (rows["aggregation"] == "mean")]
    heat = rows["temperature"].where(rows["method"].map(_tempered), np.nan)
    rows = rows.assign(temperature=heat)
    rows = rows.assign(name=_names(rows))
    parts = []
    for base, mine in _bases(rows):
        if mine["method"].nunique() > 2:
            scores = score(mine, "name", ["rr", "r1"], max(TESTS, found.bootstrap))
            table = pd.DataFrame([base | _correction(scores, key) for key in _keys(mine)])
            parts.append(table.assign(p_holm=holm(table["p"])))
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    table = table.merge(_hubs(found), on=["set", "system", "encoder", "name"], how="left")
    return table.drop(columns=["name", "tuned"])


def _keys(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The configurations of some rows: method, bank, temperature, name."""
    names = ["method", "bank", "temperature", "name"]
    return iter(rows.drop_duplicates("name")[names].to_dict("records"))


def _correction(scores: Scores, key: dict[str, Any]) -> dict[str, Any]:
    """One configuration: its means and its difference from plain cosine."""
    row = key | {"queries": scores.queries} | scores.row(key["name"], ["rr", "r1"])
    plain = key["method"] == "plain"
    return row | ({"p": np.nan} if plain else scores.gap(key["name"], PLAIN))


def _tempered(method: str) -> bool:
    return METHODS[method].tempered


def _names(rows: pd.DataFrame) -> pd.Series:
    """One name a configuration: "dual_softmax|inductive|0.01"."""
    return rows["method"] + "|" + rows["bank"] + "|" + _written(rows["temperature"])


def _written(temperatures: pd.Series, before: str = "") -> pd.Series:
    """Each temperature as text after `before`, "" where there is none."""
    names = {t: f"{before}{t:g}" for t in temperatures.dropna().unique()}
    return pd.Series([names.get(t, "") for t in temperatures], temperatures.index, dtype=str)


def _hubs(found: Findings) -> pd.DataFrame:
    """Skewness and the commonest image of every configuration: set, system, name, ..."""
    rows = found.hubness
    heat = rows["temperature"].where(rows["method"].map(_tempered), np.nan)
    rows = rows.assign(temperature=heat)
    groups = rows.assign(name=_names(rows)).groupby(["set", "system", "encoder", "name"])["k10"]
    made = {"skewness": groups.apply(lambda k: skewness(k.to_numpy())), "most": groups.max()}
    return pd.DataFrame(made).reset_index()


def occurrence(found: Findings, table: pd.DataFrame, method: str = "dual_softmax") -> pd.DataFrame:
    """Share of images that k queries or more have among their first ten, before and after.

    table: of `corrections`. Returns set, system, encoder, ranking, k, share, skewness; `method` at
    the temperature that leaves the least skewness on the set, transductive.
    """
    parts = []
    for _, part in table.groupby(["set", "system", "encoder"], sort=False):
        after = part[(part["method"] == method) & (part["bank"] == MAIN_BANK)]
        if after.empty:
            continue
        best = after.loc[after["skewness"].idxmin()]
        named = f"{METHODS[method].label}, T = {best['temperature']:g}"
        plain = part[part["method"] == "plain"].iloc[0]
        parts += [
            _shares(found.hubness, row, title) for row, title in ((plain, "cosine"), (best, named))
        ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _shares(hubness: pd.DataFrame, row: pd.Series, title: str) -> pd.DataFrame:
    """Share of images with at least k occurrences, for every k, of one configuration."""
    same = [hubness[key] == row[key] for key in ("set", "system", "encoder", "method", "bank")]
    rows = hubness[np.logical_and.reduce(same)]
    if not pd.isna(row["temperature"]):
        rows = rows[np.isclose(rows["temperature"], row["temperature"])]
    k = np.arange(0, rows["k10"].max() + 1)
    share = [(rows["k10"] >= count).mean() for count in k]
    known = row[["set", "system", "encoder", "skewness"]].to_dict()
    return pd.DataFrame(known | {"ranking": title, "k": k, "share": share})


def best_corrections(table: pd.DataFrame) -> pd.DataFrame:
    """The setting of most MRR of each method and bank, by set, beside plain cosine."""
    keys = ["set", "system", "encoder", "method", "bank"]
    best = table.loc[table.groupby(keys, sort=False)["MRR"].idxmax()]
    return best.sort_index(ignore_index=True)


def of_main(found: Findings, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the encoder of run 2, as it came: shown where one must do."""
    return table[(table["system"] == ZERO_SHOT) & (table["encoder"] == found.main_2023)]

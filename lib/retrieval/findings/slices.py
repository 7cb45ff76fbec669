"""Where the gains are: single queries, distance in time from training, persons against scenes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data.card import read_corpus_card
from lib.retrieval.findings import CRITERIA, FINE_TUNED, WISE_FT, ZERO_SHOT, Findings, label
from lib.retrieval.findings.scores import score
from lib.retrieval.findings.tuning import AWAY, MAIN, of, ranks

MENDED, SPOILT = "worse by fine-tuning, mended by WiSE-FT", "better by fine-tuning, lost by WiSE-FT"


def examples(found: Findings, tuned: str, each: int = 3) -> pd.DataFrame:
    """Queries of the first seed as in the paper's Figures 1 to 3, the largest moves first.

    Returns query, zero_shot, fine_tuned, wise_ft (ranks, NaN beyond 100), kind of example.
    """
    table = ranks(found, tuned)
    table = table[table["seed"] == table["seed"].min()].set_index("query")[list(MAIN)]
    # Ratios count: from 1 to 5 is more than from 51 to 55. Not found at all is a place beyond.
    far = table.fillna(AWAY + 1)
    worse, back = far[FINE_TUNED] / far[ZERO_SHOT], far[FINE_TUNED] / far[WISE_FT]
    parts = []
    for kind, size in ((MENDED, worse * back), (SPOILT, 1 / (worse * back))):
        wrong_way = (worse > 1) & (back > 1) if kind == MENDED else (worse < 1) & (back < 1)
        picked = size[wrong_way].sort_values(ascending=False, kind="stable").head(each).index
        parts.append(table.loc[picked].assign(example=kind))
    return pd.concat(parts).reset_index()


def first_images(found: Findings, tuned: str, query: str) -> dict[str, str]:
    """Image that each main system ranks first for a query, by system; absent when not kept."""
    rows = found.top
    rows = rows[(rows["set"] == tuned) & (rows["query"] == query) & (rows["rank"] == 1)]
    rows = rows[rows["tuned"].isin([tuned, ""]) & rows["system"].isin(MAIN)]
    picks = found.selections
    picks = picks[(picks["system"] == WISE_FT) & (picks["criterion"] == CRITERIA[0])]
    alpha = picks[picks["tuned"] == tuned].sort_values("seed")["alpha"].iloc[0]
    images = dict(zip(rows["system"], rows["image"], strict=True))
    # The choice may be an end of the way, which is kept under its own name.
    chosen = rows.loc[(rows["alpha"] - alpha).abs() < 1e-6, "image"]
    return images | ({WISE_FT: chosen.iloc[0]} if len(chosen) else {})


def by_time(found: Findings, bins: int = 4) -> pd.DataFrame:
    """MRR by days between the last training pair and the query, in bins of equal counts.

    Returns tuned, system, days (mean of the bin), queries, value, low, high. Empty without dates.
    """
    train = found.pairs[(found.pairs["split"] == "train") & (found.pairs["date"] != "")]
    last = pd.to_datetime(train["date"].str[:10]).groupby(train["source"]).max()
    candidates = found.candidates()
    rows = []
    for tuned in found.tuned:
        mine = of(candidates, tuned, tuned)
        mine = mine[mine["system"].isin(MAIN) & (mine["date"] != "")]
        if tuned not in last.index or mine.empty:
            continue
        days = (pd.to_datetime(mine["date"].str[:10]) - last[tuned]).dt.days
        mine = mine.assign(days=days)
        per_query = mine.drop_duplicates("query").set_index("query")["days"]
        mine = mine.assign(
            bin=mine["query"].map(pd.qcut(per_query, bins, False, duplicates="drop"))
        )
        for _, part in mine.groupby("bin"):
            scores = score(part, "system", ["rr"], found.bootstrap)
            rows += [(tuned, system, part["days"].mean(), scores.queries, *scores.estimate(system))
                     for system in MAIN]  # fmt: skip
    columns = ["tuned", "system", "days", "queries", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def by_kind(found: Findings, kinds: Mapping[str, str] | None = None) -> pd.DataFrame:
    """MRR on titles of persons and of scenes: tuned, kind, system, queries, value, low, high.

    kinds: query -> another way to sort titles. gain, with limits: minus zero-shot on the same
    queries. Empty where no kind is known.
    """
    candidates, rows = found.candidates(), []
    if kinds is not None:
        candidates = candidates.assign(kind=candidates["query"].map(kinds))
    for tuned in found.tuned:
        mine = of(candidates, tuned, tuned)
        mine = mine[mine["system"].isin(MAIN) & mine["kind"].ne("") & mine["kind"].notna()]
        for kind, part in mine.groupby("kind"):
            scores = score(part, "system", ["rr"], found.bootstrap)
            for system in MAIN:
                gap = scores.gap(system, ZERO_SHOT)
                limits = (gap["difference"], gap["difference_low"], gap["difference_high"])
                rows.append(
                    (tuned, kind, system, scores.queries, *scores.estimate(system), *limits)
                )
    columns = ["tuned", "kind", "system", "queries", "value", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "gain", "gain_low", "gain_high"])


def planted(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """What a sample corpus planted: query -> what ties title and picture; tie -> what it means."""
    card = read_corpus_card(root)
    if card is None or "ties" not in card or not (root / "truth.csv").is_file():
        return {}, {}
    truth = pd.read_csv(root / "truth.csv", dtype=str, keep_default_na=False)
    return dict(zip(truth["set"] + "/" + truth["article"], truth["tie"], strict=True)), card["ties"]


def ceilings(found: Findings, root: Path) -> pd.DataFrame:
    """The most MRR that a title allows on each set of a sample corpus, and the best system there.

    Returns set, ceiling (titles as searched), without_names (names and house words not known),
    system, MRR with limits. Cosine rankings of the titles only; empty for a real corpus.
    """
    card = read_corpus_card(root)
    sets = card.get("sets", {}) if card else {}
    candidates, rows = found.candidates(), []
    candidates = candidates[candidates["split"] == "test"]
    scored = set(candidates["set"].unique())
    for name in [name for name in sets if name in scored]:
        mine = candidates[candidates["set"] == name]
        # On a set that no model was tuned on, every model of another source may be the best.
        mine = mine.assign(name=mine["system"].map(label) + mine["tuned"].map(_tuned_on))
        scores = score(mine, "name", ["rr"], found.bootstrap)
        best = scores.means["rr"].idxmax()
        known = sets[name]["ceilings"]
        row = {"set": name, "ceiling": known["english"]["mrr"]}
        row |= {"without_names": known["no_names"]["mrr"], "system": best}
        rows.append(row | scores.row(best, ["rr"]))
    return pd.DataFrame(rows)


def _tuned_on(source: str) -> str:
    return f" ({source})" if source else ""


def other_counts(found: Findings) -> pd.DataFrame:
    """MRR as the organisers count it, and counted otherwise, by set and system.

    Returns set, system, queries, MRR; shared (queries whose title another one has) and MRR_any
    (equal titles' images are right too); crossing (queries with a near-duplicate outside the test
    set) and MRR_clean (without them).
    """
    rows, candidates, pairs = [], found.candidates(), found.pairs.set_index("id")
    seen = set(pairs.loc[pairs["split"] != "test", "group"])
    for source in found.tuned:
        mine = of(candidates, source, source)
        mine = mine[mine["system"].isin(MAIN)]
        queries = mine["query"].drop_duplicates()
        shared = int(pairs.loc[queries, "text"].str.casefold().duplicated(keep=False).sum())
        crossing = queries[pairs.loc[queries, "group"].isin(seen).to_numpy()]
        means = mine.groupby("system")[["rr", "rr_any"]].mean()
        clean = mine[~mine["query"].isin(crossing)].groupby("system")["rr"].mean()
        for system in MAIN:
            row = {"set": source, "system": system, "queries": len(queries)}
            row |= {"MRR": means.at[system, "rr"], "shared": shared}
            row |= {"MRR_any": means.at[system, "rr_any"], "crossing": len(crossing)}
            rows.append(row | {"MRR_clean": clean.get(system, np.nan)})
    return pd.DataFrame(rows)

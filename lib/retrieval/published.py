"""The result tables of the two retrieval papers as data, and what follows from them.

2022: Fukatsu and Aono, "Image-Text Re-Matching with Zero-shot and Finetuning of CLIP" (MediaEval
2022). 2023: Leventakis, Galanopoulos and Mezaris, "Cross-modal Networks, Fine-Tuning, Data
Augmentation and Dual Softmax Operation" (MediaEval 2023). `others`: other teams of 2023.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

DATA = Path(__file__).with_name("data")
RECALLS = ("R@5", "R@10", "R@50", "R@100")
METRICS = ("MRR", *RECALLS)
INTERNAL = "2022 train"  # the 2023 paper's own development set; it does not say how large


@cache
def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / f"newsimages{name}.csv")


def table_2022() -> pd.DataFrame:
    """Tables 1 to 3 of 2022: set, model, alpha, MRR (@100), R@5 ... R@100."""
    return _read("2022").copy()


def ranks_2022() -> pd.DataFrame:
    """Table 4 of 2022: mean rank gained and lost from fine-tuning to WiSE-FT, by set."""
    return _read("2022_ranks").copy()


def table_2023() -> pd.DataFrame:
    """Table 1 of 2023: set, articles (NaN for the internal set), run, label, R@k, MRR."""
    return _read("2023").copy()


def others_2023() -> pd.DataFrame:
    """Results of other teams in 2023: team, run, set, R@100, MRR."""
    return _read("_others").copy()


def resolves(values: np.ndarray, n: int, decimals: int) -> np.ndarray:
    """Return which values are a count over `n`, rounded half up or down to `decimals`."""
    values = np.asarray(values, float)
    return np.abs(np.round(values * n) / n - values) <= 0.5 * 10.0**-decimals + 1e-9


def admissible_sizes(values: np.ndarray, decimals: int, most: int) -> list[int]:
    """Return every number of articles, up to `most`, that all printed recalls are multiples of.

    Below 10^decimals each size passes by luck with a chance of about n / 10^decimals a value, so
    a dozen values of five decimals leave the true size and its multiples.
    """
    return [n for n in range(1, most + 1) if resolves(values, n, decimals).all()]


@cache
def internal_size() -> int:
    """Return the number of articles of the 2023 paper's internal set, from its 20 recalls."""
    rows = table_2023().query("set == @INTERNAL")
    return admissible_sizes(rows[list(RECALLS)].to_numpy(), 5, 20_000)[0]


def counts_2023() -> pd.DataFrame:
    """Articles found per run: set, articles, run, then hits at each k; sizes filled in."""
    table = table_2023()
    table["articles"] = table["articles"].fillna(internal_size()).astype(int)
    hits = table[list(RECALLS)].mul(table["articles"], axis=0).round().astype(int)
    return pd.concat([table[["set", "articles", "run", "label"]], hits], axis=1)


def mrr_bounds(recalls: pd.DataFrame) -> pd.DataFrame:
    """Return the least and greatest MRR@100 that recalls at 5, 10, 50, 100 allow: low, high."""
    steps = recalls[list(RECALLS)].diff(axis=1)
    steps["R@5"] = recalls["R@5"]
    return pd.DataFrame(
        {
            "low": steps @ [1 / 5, 1 / 10, 1 / 50, 1 / 100],
            "high": steps @ [1, 1 / 6, 1 / 11, 1 / 51],
        }
    )


def compare_2023(first: int, second: int) -> pd.DataFrame:
    """What the print allows to say of run `second` minus run `first`, by set and metric.

    difference; articles: the same as a count (recalls); p_unpaired: two-sided z test as if the
    runs had been judged on different articles (for MRR with its largest possible variance,
    m (1 - m)); p_best: exact sign test if not one article had moved the other way, the most a
    paired test could find (recalls only). verdict:
      within noise   even p_best is above .05, no paired test could find a difference
      beyond noise   p_unpaired is below .05; runs on the same articles only make it smaller
      undecided      the print cannot tell; it takes the rankings
    most_changed: a paired test finds a difference only if fewer articles than this changed sides.
    """
    table = table_2023()
    table["articles"] = table["articles"].fillna(internal_size())
    a, b = (table[table["run"] == run].set_index("set") for run in (first, second))
    rows = []
    for name in a.index:
        for metric in METRICS:
            low, high, n = a.loc[name, metric], b.loc[name, metric], int(a.loc[name, "articles"])
            rows.append({"set": name, "metric": metric, **_compare(low, high, n, metric != "MRR")})
    return pd.DataFrame(rows)


def _compare(a: float, b: float, n: int, counted: bool) -> dict[str, float | int | str]:
    spread = math.sqrt((a * (1 - a) + b * (1 - b)) / n)
    unpaired = float(2 * stats.norm.sf(abs(b - a) / spread))
    articles = round(b * n) - round(a * n) if counted else math.nan
    best = min(1.0, 2 * 0.5 ** abs(articles)) if counted else math.nan
    within = best > 0.05 if counted else a == b
    verdict = "within noise" if within else "beyond noise" if unpaired < 0.05 else "undecided"
    return {
        "difference": round(b - a, 6),
        "articles": articles,
        "p_unpaired": unpaired,
        "p_best": best,
        "most_changed": math.floor((articles / 1.96) ** 2) if counted else math.nan,
        "verdict": verdict,
    }


def statements() -> pd.DataFrame:
    """Sentences of both papers against their own tables: paper, statement, found, holds."""
    checks = [*_statements_2022(), *_statements_2023()]
    return pd.DataFrame(checks, columns=["paper", "statement", "found", "holds"])


def _statements_2022() -> list[tuple[int, str, str, bool]]:
    t = table_2022().set_index(["model", "set"])
    zero, tuned, wise = (t.loc[m, list(METRICS)] for m in ("zero-shot", "fine-tuning", "WiSE-FT"))
    recalls = list(RECALLS)
    worse = [f"{s} {k} {zero.at[s, k]:.3f} to {tuned.at[s, k]:.3f}" for s, k in _below(tuned, zero)]
    lower = [f"{s} {k} {tuned.at[s, k]:.3f} to {wise.at[s, k]:.3f}" for s, k in _below(wise, tuned)]
    ranks = ranks_2022()
    smaller = ranks["improvement"] < ranks["decrease"]
    rises = (wise["MRR"] > tuned["MRR"]).all()
    gain = wise[recalls].sub(tuned[recalls])
    return [
        (2022, "Twitter: Recall@100 of 0.595 (conclusion)",
         f"Table 2 has R@100 {wise.at['TW', 'R@100']:.3f}; 0.595 is its R@5",
         bool(wise.at["TW", "R@100"] == 0.595)),
        (2022, "fine-tuning increased Recall in all data sets", "; ".join(worse), not worse),
        (2022, "WiSE-FT improves re-matching recall", "; ".join(lower), not lower),
        (2022, "WiSE-FT raises MRR in all data sets", "Tables 1 to 3", bool(rises)),
        (2022, "WiSE-FT improves every Recall on RSS", "smallest gain "
         f"{gain.loc['RSS'].min():.3f}", bool((gain.loc["RSS"] > 0).all())),
        (2022, "Table 4: ranks gained outweigh ranks lost",
         f"the mean loss is larger in {smaller.sum()} of {len(ranks)} sets, though MRR rises: "
         "the counts are missing", not smaller.any()),
    ]  # fmt: skip


def _below(a: pd.DataFrame, b: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the (set, recall) where a is below b."""
    return [(s, k) for s in a.index for k in RECALLS if a.at[s, k] < b.at[s, k]]


def _statements_2023() -> list[tuple[int, str, str, bool]]:
    t = table_2023().set_index(["set", "run"])[list(METRICS)]
    best = {name: t.loc[name].eq(t.loc[name].max()) for name in t.index.unique("set")}
    lead = t.loc[INTERNAL]["MRR"].nlargest(2).to_numpy()
    close = t.at[("RT", 5), "MRR"] - t.at[("RT", 1), "MRR"]
    official = [name for name in best if name != INTERNAL]
    helped = {
        name: all(t.at[(name, b), "MRR"] > t.at[(name, a), "MRR"] for a, b in ((2, 3), (4, 5)))
        for name in official
    }
    tuned = {name: int((t.loc[(name, 4)] > t.loc[(name, 2)]).sum()) for name in official}
    return [
        (2023, "internally run 5 outperforms the others in every measure",
         f"by {lead[0] - lead[1]:.3f} MRR over the next", bool(best[INTERNAL].loc[5].all())),
        (2023, "run 5 outperforms the others in every data set",
         "best MRR: " + ", ".join(f"{n} run {best[n]['MRR'].idxmax()}" for n in official),
         all(bool(best[n]["MRR"].loc[5]) for n in official)),
        (2023, "run 1 performs best on GDELT-P2 on all metrics", "Table 1",
         bool(best["GDELT-P2"].loc[1].all())),
        (2023, "run 5 performs best on RT by MRR",
         f"by {close:.5f}, {close * 3000:.2f} of one article's first rank",
         bool(best["RT"]["MRR"].loc[5])),
        (2023, "dual softmax is beneficial on RT but not on GDELT (MRR)",
         ", ".join(f"{n} {'yes' if yes else 'no'}" for n, yes in helped.items()),
         helped == {"GDELT-P1": False, "GDELT-P2": False, "RT": True}),
        (2023, "fine-tuning (run 2 to 4) is beneficial in the majority of metrics",
         ", ".join(f"{n} {count} of {len(METRICS)}" for n, count in tuned.items()),
         all(count > len(METRICS) / 2 for count in tuned.values())),
    ]  # fmt: skip

"""The claims of both retrieval papers, each as a paired difference on the data at hand.

A claim holds, or is contradicted, only if the interval leaves zero on its side and the p-value,
adjusted by Holm over the claims of its paper, is below .05; otherwise it is not shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.retrieval import published
from lib.retrieval.findings import (
    FINE_TUNED,
    PAPER_2022,
    PAPER_2023,
    RUNS,
    WISE_FT,
    ZERO_SHOT,
    Findings,
)
from lib.retrieval.findings.ranking import run_rows, sets_2023
from lib.retrieval.findings.scores import TESTS, Scores, score
from lib.retrieval.findings.tuning import MAIN, PRINTED, of
from lib.stats import holm

HOLDS, FAILS, OPEN = "holds", "contradicted", "not shown"
COMPARED = ((2, 3), (4, 5), (2, 4), (1, 5))  # runs of 2023
RECALLS = ("r5", "r10", "r50", "r100")
COLUMNS = ["paper", "claim", "set", "measure", "printed", "difference", "difference_low",
           "difference_high", "p", "p_holm", "verdict"]  # fmt: skip


def verdict(row: pd.Series, level: float = 0.05) -> str:
    """Whether the claim "the difference has the sign `expects`" holds on these queries."""
    if not row["p_holm"] < level:
        return OPEN
    if row["difference_low"] > 0:
        return HOLDS if row["expects"] > 0 else FAILS
    if row["difference_high"] < 0:
        return FAILS if row["expects"] > 0 else HOLDS
    return OPEN


def check(found: Findings) -> pd.DataFrame:
    """Every claim that the data allow, one row a set: COLUMNS."""
    parts = [pd.DataFrame(rows) for rows in (_claims_2022(found), _claims_2023(found)) if rows]
    parts = [part.assign(p_holm=holm(part["p"])) for part in parts]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(verdict=table.apply(verdict, axis=1))[COLUMNS]


def printed_differences() -> pd.DataFrame:
    """What the print of 2023 allows to say of the runs that its text compares.

    Columns of `published.compare_2023`, after first and second (the runs).
    """
    parts = [published.compare_2023(a, b).assign(first=a, second=b) for a, b in COMPARED]
    table = pd.concat(parts, ignore_index=True)
    return table[["first", "second", *table.columns[:-2]]]


def _claims_2022(found: Findings) -> list[dict]:
    """Fine-tuning and WiSE-FT on the source's own test set."""
    rows, candidates = [], found.candidates()
    printed = published.table_2022().set_index(["set", "model"])
    for name in found.tuned:
        mine = of(candidates, name, name)
        mine = mine[mine["system"].isin(MAIN)]
        scores = score(mine, "system", ["rr", *RECALLS], max(TESTS, found.bootstrap))
        for second, first, text in ((FINE_TUNED, ZERO_SHOT, "fine-tuning"),
                                    (WISE_FT, FINE_TUNED, "WiSE-FT")):  # fmt: skip
            keys = [(PAPER_2022.get(name, ""), PRINTED[system]) for system in (second, first)]
            gap = _printed_gap(printed, *keys)
            base = "zero-shot" if first == ZERO_SHOT else "fine-tuning"
            rows.append({"paper": 2022, "claim": f"{text} raises MRR over {base}", "set": name,
                         "measure": "MRR", "printed": gap["MRR"], "expects": 1}
                        | scores.gap(second, first))  # fmt: skip
            rows.append({"paper": 2022, "claim": f"{text} raises every Recall over {base}",
                         "set": name, "measure": "least of four Recalls", "expects": 1,
                         "printed": gap[list(published.RECALLS)].min()}
                        | _least(scores, second, first))  # fmt: skip
    return rows


def _printed_gap(printed: pd.DataFrame, second: tuple, first: tuple) -> pd.Series:
    """Printed metrics of one row less another's; NaN where the paper has no such set."""
    both = printed.reindex([second, first])[list(published.METRICS)]
    return both.iloc[0] - both.iloc[1]


def _least(scores: Scores, second: str, first: str) -> dict[str, float]:
    """The least of the differences of four Recalls; its p is the largest of theirs if positive."""
    gaps = [scores.gap(second, first, metric) for metric in RECALLS]
    drawn = np.min([scores.draws[m, second] - scores.draws[m, first] for m in RECALLS], axis=0)
    least = min(gaps, key=lambda gap: gap["difference"])
    p = max(gap["p"] for gap in gaps) if least["difference"] > 0 else least["p"]
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = least["difference"]
    return {"difference": value, "difference_low": low, "difference_high": high, "p": p}


def _claims_2023(found: Findings) -> list[dict]:
    """The five runs; dual softmax at the lowest temperature at hand."""
    rows = run_rows(found)
    if rows.empty:
        return []
    lowest = rows["temperature"].min()
    rows = rows[(rows["method"] == "plain") | (rows["temperature"] == lowest)]
    printed = published.table_2023().set_index(["set", "run"])
    table = []
    for name in sets_2023(rows):
        mine = rows[rows["set"] == name]
        if set(mine["system"]) < set(RUNS):
            continue
        scores = score(mine, "number", ["rr"], max(TESTS, found.bootstrap))
        paper = PAPER_2023.get(name, "")
        helps = paper in ("RT", published.INTERNAL)  # where the paper says that it does
        does = "helps" if helps else "does not help"
        best = 1 if paper == "GDELT-P2" else 5
        for text, second, first, sign in (
            (f"dual softmax {does} run 2", 3, [2], 1 if helps else -1),
            (f"dual softmax {does} run 4", 5, [4], 1 if helps else -1),
            ("fine-tuning the text tower helps", 4, [2], 1),
            (f"run {best} is the best run", best, [n for n in range(1, 6) if n != best], 1),
        ):
            gap = scores.worst_gap(second, first)
            table.append({"paper": 2023, "claim": text, "set": name, "measure": "MRR",
                          "printed": _printed_mrr(printed, paper, second, first),
                          "expects": sign} | gap)  # fmt: skip
    return table


def _printed_mrr(printed: pd.DataFrame, name: str, second: int, first: Sequence[int]) -> float:
    """Printed MRR of a run less that of the best of others."""
    mine = printed["MRR"].reindex([(name, run) for run in (second, *first)])
    return float(mine.iloc[0] - mine.iloc[1:].max())

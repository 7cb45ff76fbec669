"""What a sample corpus planted: the most that each evidence allows, and who sees what.

A real data set has no truth of this kind; then every table is empty.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.fnd.findings import FND_CLIP, IMAGE, OURS, TEXT, Findings, metrics
from lib.fnd.findings.board import Board

FACTORS = {"mismatch": "picture does not fit", "rhetoric": "loaded words", "look": "dramatic look"}
SEEN = (TEXT, IMAGE, "similarity_logistic", FND_CLIP, OURS)
EVIDENCE = {
    "rhetoric": "loaded words, in the text", "look": "dramatic look, in the picture",
    "rhetoric+look": "both of these", "mismatch": "whether the picture fits, in neither alone",
    "mismatch+rhetoric+look": "all three", "everything": "all that the label was drawn from",
}  # fmt: skip


def ceilings(found: Findings) -> pd.DataFrame:
    """Return the most that each evidence allows on the test articles: accuracy, macro_f1, auc.

    Columns evidence, meaning, then these; majority and always-Likely below. The rule that sees
    some evidence says, for equal evidence, how often these very articles are Likely, so that the
    values bound from above; "everything" knows the chance that each label was drawn with.
    """
    truth, board = _test_truth(found), found.board()
    if truth.empty:
        return pd.DataFrame()
    y, rows = board.y, []
    for name, meaning in EVIDENCE.items():
        if name == "everything":
            score = truth["probability"].to_numpy(float)
        else:
            keys = [truth[column] for column in name.split("+")]
            score = pd.Series(y, truth.index).groupby(keys).transform("mean").to_numpy(float)
        rows.append({"evidence": name, "meaning": meaning} | _best(y, score))
    share = max(board.prevalence, 1 - board.prevalence)
    trivial = {"accuracy": share, "macro_f1": share / (1 + share), "auc": 0.5}
    rows.append({"evidence": "majority", "meaning": "nothing at all"} | trivial)
    return pd.DataFrame(rows).assign(prevalence=board.prevalence, articles=len(y))


def _best(y: np.ndarray, score: np.ndarray) -> dict[str, float]:
    """Accuracy, macro-F1 and AUC of a score, each at the threshold that is best for it."""
    values = np.unique(score)
    cuts = np.r_[values, np.nextafter(values[-1], np.inf)]
    curve = metrics.threshold_curve(y, score, cuts)
    area = metrics.auc(y, score, metrics.ones(len(y)))[0]
    return {"accuracy": curve["accuracy"].max(), "macro_f1": curve["macro_f1"].max(),
            "auc": float(area)}  # fmt: skip


def ceiling(found: Findings, name: str = "macro_f1") -> float:
    """Return the most that can be reached on the test articles; NaN for a real data set."""
    table = ceilings(found)
    return float(table.set_index("evidence").at["everything", name]) if len(table) else np.nan


def above_ceiling(found: Findings) -> list[str]:
    """Return the systems whose whole interval of macro-F1 or AUC lies above what is possible."""
    board, over = found.board(), []
    for name in ("macro_f1", "auc"):
        most = ceiling(found, name)
        over += [s for s in board.scores if board.row(s, [name])[f"{name}_low"] > most]
    return sorted(set(over))


def responses(found: Findings) -> pd.DataFrame:
    """Return how well each main system's score tells apart what was planted: AUC per factor.

    Columns system, title, factor, meaning, value, low, high. Half means that the system does not
    see the factor; loaded words: articles with many against those with none.
    """
    truth, board = _test_truth(found), found.board()
    if truth.empty:
        return pd.DataFrame()
    rows = []
    for factor, meaning in FACTORS.items():
        level = truth[factor].to_numpy(int)
        keep = (level == 0) | (level == level.max())
        part = board.only([name for name in SEEN if name in board.scores]).within(keep)
        flagged = (level[keep] > 0).astype(int)
        asked = Board(part.ids, flagged, part.groups, part.scores, part.cuts, part.bootstrap)
        for system in asked.scores:
            auc = asked.row(system, ["auc"])
            rows.append({"system": system, "title": found.title(system), "factor": factor,
                         "meaning": meaning, "value": auc["auc"], "low": auc["auc_low"],
                         "high": auc["auc_high"]})  # fmt: skip
    return pd.DataFrame(rows)


def _test_truth(found: Findings) -> pd.DataFrame:
    """The truth of the test articles in the board's order; empty where nobody knows it."""
    if not {"probability", *FACTORS} <= set(found.truth.columns):
        return pd.DataFrame()
    return found.truth.set_index("id").loc[found.board().ids]

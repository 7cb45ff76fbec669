"""Where systems are right: by category and outlet, by threshold, by training size."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.fnd import SHARE, STORY
from lib.fnd.findings import FND_CLIP, IMAGE, OURS, TEXT, Findings
from lib.fnd.findings import metrics as m
from lib.fnd.findings.board import Board, build

FEWEST, FEWEST_EACH = 20, 5  # articles, and of each class, below which nothing is scored
SYSTEMS = (TEXT, IMAGE, FND_CLIP, OURS)


def by_category(found: Findings) -> pd.DataFrame:
    """Return macro-F1 of the main systems within each category; an article may have several."""
    if "categories" not in found.pairs:
        return pd.DataFrame()
    names = found.pairs.set_index("id")["categories"].str.split("|")
    table = names.explode()
    return _sliced(found, {c: set(part.index) for c, part in table.groupby(table) if c})


def by_outlet(found: Findings) -> pd.DataFrame:
    """Return the same within each outlet."""
    parts = found.pairs.groupby("source")["id"]
    return _sliced(found, {name: set(ids) for name, ids in parts if name})


def _sliced(found: Findings, slices: dict[str, set]) -> pd.DataFrame:
    """One row a slice and system: slice, articles, prevalence, always_positive, macro_f1 ..."""
    board = found.board()
    systems = [name for name in SYSTEMS if name in board.scores]
    rows = []
    for name, ids in slices.items():
        inside = np.isin(board.ids, list(ids))
        part = board.only(systems).within(inside)
        classes = part.y.sum(), (1 - part.y).sum()
        if inside.sum() < FEWEST or min(classes) < FEWEST_EACH:
            continue
        rows += _rows(found, part, name)
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    return table.sort_values(["articles", "slice"], ascending=[False, True], kind="stable")


def _rows(found: Findings, part: Board, name: str) -> list[dict]:
    """Rows of one slice, with what trivial rules get on it."""
    p = part.prevalence
    trivial = {"prevalence": p, "always_positive_f1": 2 * p / (1 + p), "majority": max(p, 1 - p)}
    return [
        {"slice": name, "articles": len(part.y), "system": system, "title": found.title(system)}
        | part.row(system, ["macro_f1", "accuracy"])
        | trivial
        for system in part.scores
    ]


def learning(found: Findings) -> pd.DataFrame:
    """Return macro-F1 by share of the training rows: system, title, share, value, low, high.

    The whole training split (share 1) is the plain run; thresholds are tuned for each share.
    """
    variants = found.variants(SHARE)
    if not variants:
        return pd.DataFrame()
    systems = found.rows(STORY, variants[0])["system"].unique()
    rows = []
    for variant in (*variants, ""):
        mine = found.rows(STORY, variant)
        board = build(mine[mine["system"].isin(systems)], found.bootstrap)
        share = float(variant.removeprefix(SHARE)) if variant else 1.0
        for system in board.scores:
            row = board.row(system, ["macro_f1"])
            rows.append({"system": system, "title": found.title(system), "share": share,
                         "value": row["macro_f1"], "low": row["macro_f1_low"],
                         "high": row["macro_f1_high"], "prevalence": board.prevalence})  # fmt: skip
    return pd.DataFrame(rows).sort_values(["system", "share"], kind="stable", ignore_index=True)


def thresholds(found: Findings, systems: tuple[str, ...] = SYSTEMS) -> pd.DataFrame:
    """Return confusion counts and metrics at thresholds 0, .01 ... 1 on test, seeds averaged.

    Columns system, title, threshold, tp, fp, fn, tn (means over seeds) and the counted metrics.
    """
    board, cuts = found.board(), np.linspace(0, 1, 101)
    parts = []
    for system in systems:
        if system not in board.scores:
            continue
        tables = [m.threshold_curve(board.y, score, cuts) for score in board.scores[system]]
        counts = np.mean([t[["tp", "fp", "fn", "tn"]].to_numpy() for t in tables], axis=0)
        table = pd.DataFrame(counts, columns=["tp", "fp", "fn", "tn"]).assign(**m.counted(counts))
        table.insert(0, "threshold", cuts.round(2))
        parts.append(table.assign(system=system, title=found.title(system)))
    return pd.concat(parts, ignore_index=True)


def reliability(found: Findings, systems: tuple[str, ...] = SYSTEMS) -> pd.DataFrame:
    """Return reliability bins on test, all seeds of a system pooled, with ECE in each row.

    Columns system, title, ece (mean over seeds) and those of `metrics.reliability`.
    """
    board, parts = found.board(), []
    for system in systems:
        if system in board.scores:
            score = board.scores[system]
            bins = m.reliability(np.tile(board.y, len(score)), score.ravel())
            ece = board.row(system, ["ece"])["ece"]
            parts.append(bins.assign(system=system, title=found.title(system), ece=ece))
    return pd.concat(parts, ignore_index=True)

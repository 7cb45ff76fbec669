"""Does a system use both modalities: swaps, perturbations, attention, similarity, disagreements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.fnd import PERTURB, SWAP
from lib.fnd.findings import (
    FND_CLIP,
    IMAGE,
    OURS,
    PERTURBATIONS,
    SWAPS,
    TEXT,
    TRIVIAL,
    Findings,
)
from lib.fnd.findings.board import Board
from lib.stats import bootstrap_ci, holm

WEIGHTS = ("text", "image", "mixed")
EXAMPLES = (  # kinds of disagreement: who is right, who is wrong
    ("both modalities needed", (FND_CLIP, OURS), (TEXT, IMAGE)),
    ("text alone is right", (TEXT,), (IMAGE, FND_CLIP, OURS)),
    ("ours alone is right", (OURS,), (TEXT, IMAGE, FND_CLIP)),
    ("nobody is right", (), (TEXT, IMAGE, FND_CLIP, OURS)),
)


def _against_plain(found: Findings, variant: str, kind: str, name: str) -> list[dict]:
    board, rows = found.changed(variant), []
    plain = [system for system in board.scores if not system.startswith(f"{variant}:")]
    skipped = {*TRIVIAL, *found.systems.loc[found.systems["parent"] != "", "system"]}
    for system in found.systems["system"]:
        if system in plain and system not in skipped:
            row = {"change": name, "kind": kind, "system": system, "title": found.title(system)}
            row |= board.row(system, ["macro_f1"])
            row |= board.gap(f"{variant}:{system}", system)
            row |= {"changed_answers": _changed(board, system, f"{variant}:{system}")}
            rows.append(row | {"articles": len(board.y), "prevalence": board.prevalence})
    return rows


def _changed(board: Board, first: str, second: str) -> float:
    """Share of answers that change, mean over seeds."""
    return float((board.answers(first) != board.answers(second)).mean())


def swaps(found: Findings) -> pd.DataFrame:
    """Return what each system's macro-F1 loses when one modality is another article's, or missing.

    Columns change, kind, system, title, macro_f1 (limits, unchanged), difference (limits, changed
    minus unchanged), p, p_holm, changed_answers (share), articles, prevalence.
    """
    return _changes(found, SWAP, SWAPS)


def perturbations(found: Findings) -> pd.DataFrame:
    """Return the same for pictures and texts made worse; on the rows that were perturbed."""
    return _changes(found, PERTURB, PERTURBATIONS)


def _changes(found: Findings, kind: str, names: dict[str, str]) -> pd.DataFrame:
    rows = []
    for variant in found.variants(kind):
        key = variant.removeprefix(kind)
        rows += _against_plain(found, variant, key, names.get(key, key.replace("_", " ")))
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"])) if len(table) else table


def reliance(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a system: points of macro-F1 that each swap costs; table: of `swaps`."""
    wide = table.pivot(index="title", columns="change", values="difference")
    order = table["title"].drop_duplicates()
    columns = table["change"].drop_duplicates()
    return wide.reindex(index=order, columns=columns).reset_index()


def attention(found: Findings) -> pd.DataFrame:
    """Return mean weight of each modality and mean similarity by class, seeds averaged.

    Columns system, title, what (text, image, mixed, similarity), y_true, value, low, high (groups
    resampled), articles.
    """
    if found.attention.empty:
        return pd.DataFrame()
    labels = found.rows().drop_duplicates("id").set_index("id")[["y_true", "group"]]
    rows = []
    columns = [*WEIGHTS, "similarity"]
    ablated = set(found.systems.loc[found.systems["parent"] != "", "system"])
    for system, mine in found.attention.groupby("system", sort=False):
        if system in ablated:
            continue
        means = mine.groupby("id")[columns].mean().join(labels, how="inner")
        for truth, part in means.groupby("y_true"):
            for what in columns:
                values = part[what].to_numpy(float)
                if np.isnan(values).any():
                    continue
                mean = bootstrap_ci(values, clusters=part["group"].to_numpy(), n=found.bootstrap)
                row = {"system": system, "title": found.title(system), "what": what}
                rows.append(row | {"y_true": int(truth)} | mean._asdict() | {"articles": len(part)})
    return pd.DataFrame(rows)


def similarities(found: Findings, system: str = FND_CLIP) -> pd.DataFrame:
    """Return CLIP similarity of every test article: id, y_true, similarity, and its planted kind.

    planted: what the corpus' truth calls the pair (matching or not), "" where nobody knows.
    """
    mine = found.attention[found.attention["system"] == system]
    if mine.empty:
        return pd.DataFrame(columns=["id", "y_true", "similarity", "planted"])
    means = mine.groupby("id")["similarity"].mean().rename("similarity").reset_index()
    labels = found.rows().drop_duplicates("id")[["id", "y_true"]]
    means = means.merge(labels, on="id")
    return means.assign(planted=_planted(found, means["id"]))


def _planted(found: Findings, ids: pd.Series) -> np.ndarray:
    if "mismatch" not in found.truth:
        return np.full(len(ids), "", object)
    known = found.truth.set_index("id")["mismatch"].astype(int)
    words = known.map({0: "picture fits", 1: "picture does not fit"})
    return ids.map(words).fillna("").to_numpy()


def disagreements(found: Findings, each: int = 2) -> pd.DataFrame:
    """Return test articles on which systems disagree: example, id, y_true, and p of each system.

    One block a kind of EXAMPLES, the clearest first: those where the right ones are surest and
    the wrong ones too. A system's answer is that of most of its seeds, p the mean score.
    """
    board, picked = found.board(), []
    shown = [name for name in (TEXT, IMAGE, FND_CLIP, OURS) if name in board.scores]
    right = {name: board.majority(name) == board.y for name in shown}
    p = {name: board.scores[name].mean(0) for name in shown}
    for kind, winners, losers in EXAMPLES:
        if not {*winners, *losers} <= set(shown):
            continue
        keep = np.all([right[name] for name in winners] + [~right[name] for name in losers], axis=0)
        sure = np.mean([np.abs(p[name] - 0.5) for name in (*winners, *losers)], axis=0)
        order = np.flatnonzero(keep)[np.argsort(-sure[keep], kind="stable")]
        for at in _apart(order, board.groups)[:each]:
            row = {"example": kind, "id": board.ids[at], "y_true": int(board.y[at])}
            picked.append(row | {name: float(p[name][at]) for name in shown})
    return pd.DataFrame(picked)


def _apart(order: Sequence[int], groups: np.ndarray) -> list[int]:
    """Rows in order, the first of each group only: near-duplicates show nothing new."""
    seen: set = set()
    return [at for at in order if not (groups[at] in seen or seen.add(groups[at]))]

"""The paper's two claims over all seeds, and what its loss really does.

A claim holds, or is contradicted, only if the interval leaves zero on its side and the p-value,
adjusted by Holm over all claims and ratios, is below .05; otherwise it is not shown.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.memes import published
from lib.memes.findings import NEITHER, NO_AE, NO_DB, OURS, Findings, Key
from lib.memes.findings.resampling import (
    HALF,
    Drawn,
    Run,
    difference,
    over_seeds,
    weighted_task_b,
)
from lib.stats import holm

HOLDS, FAILS, OPEN = "holds", "contradicted", "not shown"
AE, LOSS = "the auto-encoder helps", "the loss helps"
CLAIMED = "raw_n_cook_db"  # with the loss that the paper describes


class Claim(NamedTuple):
    """Whether `first` scores more than `second`; printed: which effect of Table 5."""

    claim: str
    where: str
    first: str
    second: str
    printed: str


CLAIMS = (
    Claim(AE, "with the released loss", OURS, NO_AE, "auto-encoder on top of the loss"),
    Claim(AE, "with cross-entropy", NO_DB, NEITHER, "auto-encoder alone"),
    Claim(LOSS, "with the auto-encoder", OURS, NO_DB, "loss on top of the auto-encoder"),
    Claim(LOSS, "without it", NO_AE, NEITHER, "DB loss alone"),
    Claim(LOSS, "DB-focal as described, with it", CLAIMED, NO_DB, ""),
)


def check(found: Findings) -> pd.DataFrame:
    """Every claim at every ratio: task B and AUC differences, the printed one (at .3), verdict.

    p, Holm and verdict are those of task B at .5, the paper's measure.
    """
    printed, rows = published.ablation_effects(), []
    for claim, where, first, second, name in CLAIMS:
        for ratio in found.ratios:
            a, b = Key(first, "", ratio), Key(second, "", ratio)
            if a not in found.by_run or b not in found.by_run:
                continue
            auc = found.gap(a, b, "auc")
            rows.append({
                "claim": claim, "where": where, "ratio": ratio,
                "printed": printed.get(name, np.nan) if ratio == 0.3 else np.nan,
                **found.gap(a, b), "auc": auc["difference"], "auc_low": auc["difference_low"],
                "auc_high": auc["difference_high"],
                "collapse": found.collapsed(a) or found.collapsed(b),
            })  # fmt: skip
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(table["p"])
    return table.assign(verdict=table.apply(verdict, axis=1))


def verdict(row: pd.Series, level: float = 0.05) -> str:
    """Whether "the difference is positive" holds."""
    if not row["p_holm"] < level:
        return OPEN
    if row["difference_low"] > 0:
        return HOLDS
    return FAILS if row["difference_high"] < 0 else OPEN


class Paired(NamedTuple):
    """Two systems trained with the same seeds."""

    first: Key
    second: Key


def decomposed(found: Findings) -> pd.DataFrame:
    """The gain of the released loss over cross-entropy, split into threshold and ranking.

    The other loss's scores are cut so that each label is given as often as by the released loss at
    .5. Its gain from that alone is `threshold`: giving more or fewer labels. What the released
    loss still has over it is `ranking`: the labels go to other memes. Both add up to the gain.
    """
    rows = []
    for pair in _pairs(found):
        parts = _parts(found, pair)
        for name, first, second in (("gain", 0, 2), ("threshold", 1, 2), ("ranking", 0, 1)):
            gap = difference(_only(parts, first), _only(parts, second), 0)
            rows.append({"ratio": pair.first.ratio, "system": found.label(pair.first.system),
                         "part": name, **gap})  # fmt: skip
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"]))


def _pairs(found: Findings) -> list[Paired]:
    made = [Paired(Key(first, "", ratio), Key(second, "", ratio))
            for first, second in ((OURS, NO_DB), (NO_AE, NEITHER))
            for ratio in found.ratios]  # fmt: skip
    return [pair for pair in made if pair.first in found.by_run and pair.second in found.by_run]


def _parts(found: Findings, pair: Paired) -> Drawn:
    """Task B of the first, of the second cut to its counts, and of the second; means over seeds."""
    first, second = found.by_run[pair.first], found.by_run[pair.second]
    truth = found.truth.test[:, 1:]
    return over_seeds(np.stack([
        np.stack([weighted_task_b(truth, given, found.weights)
                  for given in _given(first[seed], second[seed])], axis=1)
        for seed in first if seed in second
    ]))  # fmt: skip


def _given(first: Run, second: Run) -> list[np.ndarray]:
    """Labels given by the first at .5, by the second as often, by the second at .5; (t, 4) each."""
    mine, other = first.test[:, 1:], second.test[:, 1:]
    counts = (mine >= HALF).sum(0)
    ranks = np.argsort(np.argsort(-other, axis=0, kind="stable"), axis=0, kind="stable")
    return [mine >= HALF, ranks < counts, other >= HALF]


def _only(parts: Drawn, place: int) -> Drawn:
    return Drawn(parts.value[[place]], parts.draws[:, [place]])


def spread(found: Findings) -> pd.DataFrame:
    """How far scores lie from the middle, by loss: the mark of a regularised fit.

    Columns: system, ratio, deviation of the logits, share of scores in .25 to .75, labels given
    per meme at .5 and in truth.
    """
    rows, truth = [], found.truth.test[:, 1:]
    for pair in _pairs(found):
        for key in pair:
            scores = np.stack([run.test[:, 1:] for run in found.by_run[key].values()])
            clipped = np.clip(scores.astype(float), 1e-6, 1 - 1e-6)
            logits = np.log(clipped / (1 - clipped))
            rows.append({
                "ratio": key.ratio, "system": found.label(key.system),
                "logit deviation": float(logits.std()),
                "in the middle": float(((scores > 0.25) & (scores < 0.75)).mean()),
                "labels a meme": float((scores >= HALF).sum(2).mean()),
                "true labels a meme": float(truth.sum(1).mean()),
                "collapse": found.collapsed(key),
            })  # fmt: skip
    return pd.DataFrame(rows).drop_duplicates(["ratio", "system"], ignore_index=True)


def regularises(parts: pd.DataFrame) -> pd.DataFrame:
    """The hypothesis at each ratio and pair of `decomposed`: the gain is ranking, not threshold.

    `holds` where the ranking part is positive by the rule of the claims and the threshold part is
    not; `contradicted` the other way round; `both` where both are; `not shown` where neither is.
    """
    table = parts.assign(above=parts.apply(verdict, axis=1) == HOLDS)
    above = table.pivot(index=["ratio", "system"], columns="part", values="above")
    said = np.select(
        [above["ranking"] & above["threshold"], above["ranking"], above["threshold"]],
        ["both", HOLDS, FAILS], OPEN,
    )  # fmt: skip
    out = pd.DataFrame({"verdict": said}, index=above.index).reset_index()
    return out.sort_values(["ratio", "system"], ascending=[False, True], ignore_index=True)

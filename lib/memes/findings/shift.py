"""Label shift: what the test set's shares of labels are taken for, and what correcting gains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from lib.data.readers.mami import TYPES
from lib.memes import shift
from lib.memes.findings import OURS, Findings, Key
from lib.memes.findings.resampling import (
    HALF,
    Drawn,
    Run,
    difference,
    estimate,
    over_seeds,
    weighted_task_b,
)
from lib.stats import holm

SYSTEMS = (OURS, "raw_only_bce", "linear")
PLAIN = "as it is"
NAMES = {"calibrated": "in validation", "em": "EM", "bbse": "BBSE"}  # shares each believes in
POINTS = ("auc", "calibration_error", "brier", "share_error")


def priors(found: Findings) -> pd.DataFrame:
    """Share of each type in validation, as EM and BBSE estimate it for the test set, and in truth.

    Of RAW-N-COOK at the largest ratio, mean over seeds. Columns: label, in validation, EM, BBSE,
    test.
    """
    runs = found.by_run[Key(OURS, "", found.ratios[0])].values()
    made = [shares for _, shares in _methods(found, runs)]
    table = {name: np.mean([shares[method] for shares in made], axis=0)
             for method, name in NAMES.items()}  # fmt: skip
    truth = found.truth.test[:, 1:].mean(0)
    return pd.DataFrame({"label": TYPES, **table, "test": truth})


def corrections(found: Findings) -> pd.DataFrame:
    """Task B at .5 of some systems as they are, calibrated, corrected; limits, and points.

    difference: task B minus that of the scores as they are, same memes and seeds, Holm over the
    table. `oracle` knows the test set's shares. auc, calibration_error, brier and share_error are
    means over seeds.
    """
    rows = []
    for key in found.systems(SYSTEMS):
        runs = list(found.by_run[key].values())
        points = pd.concat([_measured(found, run) for run in runs]).groupby("method").mean()
        made = [scores for scores, _ in _methods(found, runs)]
        drawn = {name: _task_b(found, [scores[name] for scores in made]) for name in made[0]}
        for name, mine in drawn.items():
            limits = estimate(mine.value[0], mine.draws[:, 0])
            row = {"ratio": key.ratio, "system": found.label(key.system), "method": name}
            row |= dict(zip(("task_b", "task_b_low", "task_b_high"), limits, strict=True))
            gap = difference(mine, drawn[PLAIN], 0)
            row |= gap if name != PLAIN else dict.fromkeys(gap, np.nan)
            row |= {point: points.loc[name, point] for point in POINTS}
            rows.append(row | {"collapse": found.collapsed(key) if name == PLAIN else ""})
    table = pd.DataFrame(rows)
    table.insert(table.columns.get_loc("p") + 1, "p_holm", holm(table["p"]))
    return table


def _methods(found: Findings, runs: Iterable[Run]) -> Iterator[tuple[dict, dict]]:
    """Scores and shares by method, of every run."""
    truth = found.truth
    for run in runs:
        yield shift.methods(
            truth.validation[:, 1:], run.validation[:, 1:], truth.test[:, 1:], run.test[:, 1:]
        )


def _measured(found: Findings, run: Run) -> pd.DataFrame:
    truth = found.truth
    return shift.measure(
        truth.validation[:, 1:], run.validation[:, 1:], truth.test[:, 1:], run.test[:, 1:]
    )


def _task_b(found: Findings, scores: list[np.ndarray]) -> Drawn:
    """Task B at .5, mean over seeds, with its resamples."""
    truth = found.truth.test[:, 1:]
    made = [weighted_task_b(truth, one >= HALF, found.weights) for one in scores]
    return over_seeds(np.stack(made)[..., None])

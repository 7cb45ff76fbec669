"""Whether cooking separates the labels: silhouettes and linear probes, with intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.data.readers.mami import TYPES
from lib.memes.findings import Findings
from lib.memes.findings.resampling import estimate, weighted_auc
from lib.stats import holm, shifted_p

MODALITIES = ("picture", "text")
MEASURES = ("silhouette", "probe_auc")


class Measured(NamedTuple):
    """One feature block: (1 + draws,) each, the data as they are first."""

    silhouette: np.ndarray
    probe_auc: np.ndarray


def measured(found: Findings) -> dict[str, Measured]:
    """Silhouette (mean over rows and types) and macro AUC of the linear probe, by block.

    All blocks share the drawn rows, so their differences are paired.
    """
    if "separation" not in found.memo:
        parts = found.separation.groupby("features", sort=False)
        found.memo["separation"] = {name: _one(found, part) for name, part in parts}
    return found.memo["separation"]


def _one(found: Findings, part: pd.DataFrame) -> Measured:
    rows = part.set_index("id").loc[found.test_ids]
    shape = rows[[f"silhouette_{label}" for label in TYPES]].to_numpy()
    scores = rows[[f"probe_{label}" for label in TYPES]].to_numpy()
    near = np.nan_to_num(np.nanmean(shape, axis=1))
    silhouettes = found.weights @ near / found.weights.sum(1)
    return Measured(silhouettes, weighted_auc(found.truth.test[:, 1:], scores, found.weights))


def table(found: Findings) -> pd.DataFrame:
    """One row a feature block: silhouette and probe AUC with limits."""
    rows = []
    for name, values in measured(found).items():
        row = {"features": name}
        for measure in MEASURES:
            drawn = getattr(values, measure)
            limits = estimate(drawn[0], drawn[1:])
            row |= dict(zip((measure, f"{measure}_low", f"{measure}_high"), limits, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def against_raw(found: Findings) -> pd.DataFrame:
    """Each cooked block minus the raw one of its modality, both measures, Holm over all rows."""
    values, rows = measured(found), []
    for name in values:
        kind, _, modality = name.partition(" ")
        if kind == "raw" or modality not in MODALITIES:
            continue
        for measure in MEASURES:
            a, b = (getattr(values[f"{k} {modality}"], measure) for k in (kind, "raw"))
            gap, draws = a[0] - b[0], a[1:] - b[1:]
            limits = estimate(gap, draws)
            names = ("difference", "difference_low", "difference_high")
            rows.append({"features": name, "measure": measure.replace("_auc", " AUC"),
                         **dict(zip(names, limits, strict=True)),
                         "p": shifted_p(gap, draws)})  # fmt: skip
    made = pd.DataFrame(rows)
    return made.assign(p_holm=holm(made["p"]))

"""The page of the fake-news study, from the predictions of notebook 02 alone."""

from __future__ import annotations

from pathlib import Path

from lib import params, paths
from lib.fnd import findings
from lib.fnd.findings import Findings
from lib.report.fnd import smoke

DATASET = "nmb"


def load(
    predictions: str, config: str, bootstrap: int, dataset: str = DATASET
) -> tuple[Findings, Path | None]:
    """Return the study in folder `predictions`, and the folder of its pictures; "" = a made-up one.

    The pairs table and the pictures are those that `config` names for its profile.
    """
    if not predictions:
        folder = paths.scratch("smoke", "reports", "fnd")
        made, pairs = smoke.write_study(folder, systems=smoke.FEW)
        return findings.read(made, pairs, folder, DATASET, bootstrap, True), folder
    pairs = Path("data", "pairs", params.profile(config), f"{dataset}.parquet")
    root = paths.resolve(params.read(config)["data"][dataset]["root"])
    root = root if root.is_dir() else None
    return findings.read(predictions, pairs, root, dataset, bootstrap), root

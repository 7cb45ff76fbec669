"""The page of the two retrieval studies, from the predictions of notebook 04 alone."""

from __future__ import annotations

from pathlib import Path

from lib import params, paths
from lib.report.retrieval import smoke
from lib.retrieval import findings
from lib.retrieval.findings import Findings

DATASET = "newsimages"


def load(predictions: str, config: str, bootstrap: int) -> tuple[Findings, Path | None]:
    """The study in folder `predictions`, and the folder of its pictures; "" = a made-up one.

    The pairs table and the pictures are those that `config` names for its profile.
    """
    if not predictions:
        folder = paths.scratch("smoke", "reports", "retrieval")
        made, pairs = smoke.write_study(folder)
        return findings.read(made, pairs, True, bootstrap), folder
    pairs = Path("data", "pairs", params.profile(config), f"{DATASET}.parquet")
    root = paths.resolve(params.read(config)["data"][DATASET]["root"])
    sample = (root / "card.json").is_file()
    return findings.read(predictions, pairs, sample, bootstrap), root if root.is_dir() else None

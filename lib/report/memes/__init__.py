"""The page of the memes study, from the predictions of notebook 05 alone."""

from __future__ import annotations

import json
from pathlib import Path

from lib import params, paths
from lib.memes import findings
from lib.memes.findings import Findings
from lib.report.memes import smoke

DATASET = "mami"


def load(predictions: str, config: str, bootstrap: int) -> tuple[Findings, Path | None]:
    """The study in folder `predictions`, and the folder of its pictures; "" = a made-up one.

    The pairs table and the pictures are those that `config` names for its profile. The folder is
    None where there are none.
    """
    if not predictions:
        folder = paths.scratch("smoke", "reports", "memes")
        made, pairs = smoke.write_study(folder)
        return findings.read(made, pairs, {}, True, bootstrap), None
    pairs = Path("data", "pairs", params.profile(config), f"{DATASET}.parquet")
    root = paths.resolve(params.read(config)["data"][DATASET]["root"])
    file = root / "card.json"
    card = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    found = findings.read(predictions, pairs, card, file.is_file(), bootstrap)
    return found, root if root.is_dir() else None

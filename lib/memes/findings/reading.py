"""What it costs to read the text from the picture instead of having it transcribed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.data.readers.mami import LABELS
from lib.memes.findings import Findings, Key
from lib.memes.findings.resampling import Run, difference, measure, over_seeds

READ = "read"  # split of the copies of test memes with the text that was read
SYSTEMS = ("raw_n_cook", "raw_only", "only_text")
MEASURES = (("task_b", 0), ("auc", 2))  # and their places in resampling.MEASURES


def table(found: Findings) -> pd.DataFrame:
    """Scores with the transcription and with the text read back, same memes, same models.

    One row a system and ratio: memes, each measure with either text, and the difference (read
    minus transcribed) with limits and p. Empty where nothing was read.
    """
    ids = _ids(found)
    if not len(ids):
        return pd.DataFrame()
    place = found.test_ids.get_indexer(ids)
    weights = found.weights[:, place]
    truth = Run(found.truth.validation, found.truth.test[place])
    rows = []
    for key in found.systems(SYSTEMS):
        read = _read(found, key, ids)
        both = [
            over_seeds(np.stack([
                measure(Run(run.validation, shown(seed, run)), truth, weights)
                for seed, run in found.by_run[key].items()
            ]))
            for shown in (lambda seed, run: run.test[place], lambda seed, run, r=read: r[seed])
        ]  # fmt: skip
        row = {"ratio": key.ratio, "system": found.label(key.system), "memes": len(ids)}
        for name, at in MEASURES:
            gap = difference(both[1], both[0], at)
            row |= {f"{name} transcribed": both[0].value[at], f"{name} read": both[1].value[at]}
            row |= {f"{name}_{part}": value for part, value in gap.items()}
        rows.append(row | {"collapse": found.collapsed(key)})
    return pd.DataFrame(rows)


def errors(found: Findings) -> pd.DataFrame:
    """Share of wrong characters and words in what was read: text, memes, unit, value with limits.

    `raw` is what the reader said, `read` has its blanks restored; both cleaned.
    """
    names = {"low": "value_low", "high": "value_high"}
    return found.texts.rename(columns=names)[["text", "memes", "unit", "value", *names.values()]]


def _ids(found: Findings) -> np.ndarray:
    mine = found.predictions[found.predictions["split"] == READ]
    return mine["id"].unique()


def _read(found: Findings, key: Key, ids: np.ndarray) -> dict[int, np.ndarray]:
    """Scores (k, 5) of a system's runs on the copies, by seed."""
    rows = found.predictions
    rows = rows[(rows["split"] == READ) & (rows["system"] == key.system)
                & (rows["variant"] == key.variant) & (rows["ratio"] == key.ratio)]  # fmt: skip
    columns = [f"s_{label}" for label in LABELS]
    return {seed: part.set_index("id").loc[ids, columns].to_numpy()
            for seed, part in rows.groupby("seed")}  # fmt: skip

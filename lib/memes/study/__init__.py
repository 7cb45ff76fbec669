"""The memes study: from pairs and features to predictions, and their files.

`predictions.parquet` holds one row a meme and run, on validation and test rows; every score of the
report is computed from it. Nothing is chosen on test rows; training keeps its last epoch, but for
TIB-VA's, which is the best one on validation rows, as released.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import parquet

from lib.data.readers.mami import LABELS
from lib.memes import FILES, TRIVIAL
from lib.memes.study import separation
from lib.memes.study.inputs import READ, SslMemes, StudyInputs
from lib.memes.study.runs import Job, jobs, run_all
from lib.memes.systems import Fitted, System

__all__ = ["SslMemes", "Study", "StudyInputs", "run", "write"]
KEPT = ("validation", "test", READ)  # splits whose predictions are written


@dataclass(frozen=True)
class Study:
    """What comes out; the names are those of the files that `write` makes of them."""

    predictions: pd.DataFrame  # id, split, system, variant, ratio, seed, y_<label>, s_<label>
    histories: pd.DataFrame  # system, variant, ratio, seed, epoch, loss, task_b, auc
    separation: pd.DataFrame
    errors: pd.DataFrame  # of auto-encoder, ridge and mean
    runs: pd.DataFrame  # system, variant, ratio, seed, parameters, name, kind, remark
    texts: pd.DataFrame  # errors of the texts read from pictures


def run(inputs: StudyInputs, folder: Path) -> Study:
    """Train every system at every ratio and seed; `folder` keeps finished runs."""
    s = inputs.settings
    wanted = jobs(s.plan())
    made = list(run_all(inputs.source, s.systems, wanted, folder, s.workers))
    parts = [_rows(inputs, *one) for one in made] + list(_trivial(inputs))
    return Study(
        pd.concat(parts, ignore_index=True),
        _histories(made),
        separation.measure(inputs),
        separation.errors(inputs),
        pd.concat([_runs(inputs, made), _trivial_runs()], ignore_index=True),
        inputs.texts,
    )


def _rows(inputs: StudyInputs, job: Job, fitted: Fitted) -> pd.DataFrame:
    """Predictions of one run."""
    system = job.system
    return _table(inputs, system.name, system.variant, job.ratio, job.seed, fitted.scores)


def _table(
    inputs: StudyInputs, system: str, variant: str, ratio: float, seed: int, scores: np.ndarray
) -> pd.DataFrame:
    """Scores (N, 4 or 5) of the kept rows, with the truth."""
    kept = inputs.kept(KEPT, len(scores))
    table = {"id": inputs.ids[kept], "split": inputs.inputs.split[kept]}
    table |= {"system": system, "variant": variant, "ratio": ratio, "seed": seed}
    truth = inputs.inputs.targets[kept].astype(np.int8)
    table |= {f"y_{label}": truth[:, place] for place, label in enumerate(LABELS)}
    shown = np.full((len(kept), len(LABELS)), np.nan, np.float32)
    shown[:, -scores.shape[1] :] = scores[kept]
    table |= {f"s_{label}": shown[:, place] for place, label in enumerate(LABELS)}
    made = pd.DataFrame(table)
    names = ["id", "split", "system", "variant"]
    return made.astype(dict.fromkeys(names, "str"))


def _trivial(inputs: StudyInputs) -> Iterator[pd.DataFrame]:
    """Systems that look at nothing: no label, every label, labels drawn at their prevalence.

    The prevalence is that of the labelled rows; a label that is drawn scores 1.
    """
    s, rows = inputs.settings, len(inputs.inputs.split)
    for ratio in s.ratios:
        known = inputs.inputs.targets[inputs.inputs.draw(ratio, s.draw).labelled]
        for name, value in zip(TRIVIAL, (0.0, 1.0), strict=False):
            yield _table(inputs, name, "", ratio, 0, np.full((rows, 5), value))
        for seed in s.main_seeds:
            drawn = np.random.default_rng(seed).random((rows, 5)) < known.mean(0)
            yield _table(inputs, TRIVIAL[2], "", ratio, seed, drawn.astype(float))


def _histories(made: Iterable[tuple[Job, Fitted]]) -> pd.DataFrame:
    """Loss and validation scores of every epoch of every run that has epochs."""
    rows = [
        {"system": job.system.name, "variant": job.system.variant, "ratio": job.ratio,
         "seed": job.seed, **entry}
        for job, fitted in made for entry in fitted.history
    ]  # fmt: skip
    columns = ["system", "variant", "ratio", "seed", "epoch", "loss", "task_b", "auc"]
    return pd.DataFrame(rows, columns=columns)


def _runs(inputs: StudyInputs, made: Iterable[tuple[Job, Fitted]]) -> pd.DataFrame:
    """What was run, and what stands in for something else."""
    rows = []
    for job, fitted in made:
        system = job.system
        rows.append({
            "system": system.name, "variant": system.variant, "ratio": job.ratio,
            "draw": job.draw, "seed": job.seed, "parameters": fitted.parameters,
            "name": system.label, "kind": kind(system), "unlabelled": system.unlabelled,
            "remark": inputs.remarks.get(system.name, ""),
        })  # fmt: skip
    return pd.DataFrame(rows)


def kind(system: System) -> str:
    """Family of a system: the paper's own, an ablation of it, a rival, a probe, self-training."""
    if system.kind == "head":
        return "paper" if system.paper else "beyond"
    return {"cmml": "rival", "rival": "rival", "probe": "probe", "ssl": "self-training"}[
        system.kind
    ]


def _trivial_runs() -> pd.DataFrame:
    names = [name.replace("_", " ") for name in TRIVIAL]
    names[2] = "random at prevalence"
    rows = {"system": TRIVIAL, "variant": "", "ratio": np.nan, "draw": -1, "seed": -1}
    rows |= {"parameters": 0, "name": names, "kind": "trivial", "unlabelled": False}
    return pd.DataFrame(rows | {"remark": ""})


def write(study: Study, folder: Path | str) -> None:
    """Write <name>.parquet of every table; each file whole, same tables same bytes."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        table = pyarrow.Table.from_pandas(getattr(study, name), preserve_index=False)
        part = folder / f".{name}.{os.getpid()}.part"
        parquet.write_table(table.replace_schema_metadata(None), part, compression="zstd")
        os.replace(part, folder / f"{name}.parquet")

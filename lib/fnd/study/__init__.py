"""The fake-news study: from features to predictions, and their files.

Every metric of the report is computed from `predictions.parquet`. Training selects on validation
rows alone; test rows are only ever predicted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow
from pyarrow import parquet

from lib.fnd import FILES
from lib.fnd.inputs import Inputs
from lib.fnd.study import runs, team
from lib.fnd.study.plan import FndStudy
from lib.fnd.study.runs import history_summary
from lib.fnd.systems import System, find
from lib.fnd.training import FndClipTraining

__all__ = ["FndStudy", "Study", "find", "history_summary", "run", "table_of", "write"]


@dataclass(frozen=True)
class Study:
    """What comes out; the names are those of the files that `write` makes of them."""

    predictions: pd.DataFrame
    attention: pd.DataFrame
    histories: pd.DataFrame
    systems: pd.DataFrame
    leakage: pd.DataFrame
    search: pd.DataFrame
    skipped: dict[str, str]  # system -> arrays that it needs and that are not there


def run(
    inputs: Inputs,
    settings: FndClipTraining,
    plan: FndStudy,
    cache: runs.Cache,
    models: Path,
    leakage: pd.DataFrame,
) -> Study:
    """Train every system that the features allow, and score it in every way of the study.

    cache: keeps each finished run, so that a killed study goes on; models: folder that the systems
    `plan.keep` are saved in, a folder for each system and seed; leakage: what lib.fnd.leakage
    reported of the pairs, kept beside the predictions.
    """
    systems = find(settings.systems)
    lacking = {system.name: inputs.lacks(system) for system in systems}
    able = [system for system in systems if not lacking[system.name]]
    models.mkdir(parents=True, exist_ok=True)  # it stays empty if none that is kept can run
    work = team.Work(inputs, settings, plan, cache, models)
    made, searched = team.all_runs(work, able)
    parts = {name: [one[name] for one in made if len(one[name])] for name in runs.TABLES}
    tables = {
        name: pd.concat(part, ignore_index=True)
        if part
        else pd.DataFrame(columns=runs.TABLES[name])
        for name, part in parts.items()
    }
    skipped = {name: why for name, why in lacking.items() if why}
    about = {"systems": table_of(able, inputs), "leakage": leakage, "search": searched}
    return Study(**tables, **about, skipped=skipped)


def table_of(systems: list[System], inputs: Inputs) -> pd.DataFrame:
    """Return system, title, family, uses, parent and stand_ins (what fills the towers' roles)."""
    rows = [
        (s.name, s.title, s.family, " + ".join(s.uses), s.parent, inputs.stand_ins(s))
        for s in systems
    ]
    return pd.DataFrame(rows, columns=["system", "title", "family", "uses", "parent", "stand_ins"])


def write(study: Study, folder: Path | str) -> None:
    """Write <name>.parquet of every table; each file whole, same tables, same bytes."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        table = pyarrow.Table.from_pandas(getattr(study, name), preserve_index=False)
        part = folder / f".{name}.{os.getpid()}.part"
        parquet.write_table(table.replace_schema_metadata(None), part, compression="zstd")
        os.replace(part, folder / f"{name}.parquet")

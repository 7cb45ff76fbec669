"""The retrieval study: from pairs, features and trained runs to predictions, and their files.

`queries.parquet` holds one row a query and configuration; every metric of the report is a mean of
its columns. Selections are made on validation splits only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import parquet

from lib.retrieval import FILES, INTERNAL
from lib.retrieval.evaluation import CUTOFF, run_frame
from lib.retrieval.study import runs, wise_ft
from lib.retrieval.study.inputs import Inputs, TestSet, WiseFtRetrieval
from lib.retrieval.study.scores import HARMONIC, KS, Ledger, Standing
from lib.retrieval.submission import LENGTH, write_submission
from lib.retrieval.topk import TopK

__all__ = ["INTERNAL", "Inputs", "Study", "WiseFtRetrieval", "baselines", "run", "write"]


@dataclass(frozen=True)
class Study:
    """What comes out; the names are those of the files that `write` makes of them."""

    queries: pd.DataFrame
    top: pd.DataFrame
    selections: pd.DataFrame
    grid: pd.DataFrame
    hubness: pd.DataFrame
    submissions: dict[str, pd.DataFrame]  # <set>_<system> -> query, image, rank


def run(inputs: Inputs) -> Study:
    """Score every system of both papers, and what goes beyond them."""
    ledger = Ledger(inputs.pairs, inputs.kind)
    baselines(inputs, ledger)
    choices = [wise_ft.study(inputs, name, ledger) for name in inputs.settings.tuned]
    kept = runs.study(inputs, ledger)
    lists = [item for made in (*choices, kept) for item in made.lists]
    return Study(
        ledger.frame(),
        _top(inputs, lists),
        pd.DataFrame([row for made in choices for row in made.selections]),
        pd.DataFrame([row for made in choices for row in made.grid]),
        pd.concat(kept.hubness, ignore_index=True) if kept.hubness else pd.DataFrame(),
        _submissions(inputs, lists),
    )


def baselines(inputs: Inputs, ledger: Ledger) -> None:
    """Add what needs no title: a random order (exact), and one list of central pictures for all.

    Where every picture belongs to one title, any one list for all has the mean MRR of chance.
    """
    s = inputs.settings
    for name in dict.fromkeys((*s.tuned, *s.tests, INTERNAL)):
        where = inputs.test(name)
        if not len(where.known):
            continue
        ledger.add(where, chance_columns(where), system="random", encoder="")
        image = runs.unit(inputs.embeddings[s.encoder_2022].image[where.gallery])
        order = np.argsort(-(image @ image.mean(0)), kind="stable")
        place = np.argsort(order)[where.right[where.known]]
        found = Standing(place, np.ones_like(place), place + 1.0)
        ledger.add(where, found.columns(), system="most_central", encoder=s.encoder_2022)


def chance_columns(where: TestSet) -> dict[str, np.ndarray]:
    """Return the expected results of a random order of the gallery; it has no one rank (NaN)."""
    images, queries = len(where.gallery), len(where.known)
    expected = {"rank": np.nan, "rank_any": np.nan}
    expected |= {"rr": HARMONIC[min(images, CUTOFF)] / images}
    expected |= {f"r{k}": min(k, images) / images for k in KS}
    return {name: np.full(queries, value) for name, value in expected.items()}


def write(study: Study, folder: Path | str) -> None:
    """Write <name>.parquet of every table and submissions/<set>_<system>.tsv; each file whole."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        table = pyarrow.Table.from_pandas(_plain(getattr(study, name)), preserve_index=False)
        part = folder / f".{name}.{os.getpid()}.part"
        parquet.write_table(table.replace_schema_metadata(None), part, compression="zstd")
        os.replace(part, folder / f"{name}.parquet")
    for name, made in study.submissions.items():
        length = min(LENGTH, int(made["rank"].max()))
        write_submission(made, folder / "submissions" / f"{name}.tsv", length)


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its categories as plain strings."""
    names = table.select_dtypes("category").columns
    return table.assign(**{name: table[name].astype(object) for name in names})


def _top(inputs: Inputs, lists: Iterable[tuple[dict[str, Any], TestSet, TopK]]) -> pd.DataFrame:
    """Return the ranked lists as rows: query, image (ids of pairs), rank, score, configuration."""
    ids = inputs.pairs["id"].to_numpy()
    parts = []
    for config, where, found in lists:
        made = run_frame(found, ids[where.queries], ids[where.gallery])
        parts.append(made.assign(set=where.name, **config))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _submissions(
    inputs: Inputs, lists: Iterable[tuple[dict[str, Any], TestSet, TopK]]
) -> dict[str, pd.DataFrame]:
    """Return the lists by the organisers' ids: article and iid; `wise_ft` names its alpha."""
    article, iid = (_names(inputs.pairs, column) for column in ("article", "iid"))
    out = {}
    for config, where, found in lists:
        if where.name == INTERNAL:
            continue
        system = config["system"]
        if system == "wise_ft":
            system += f"_alpha{config['alpha']:g}"
        made = run_frame(found, article[where.queries], iid[where.gallery])
        out[f"{where.name}_{system}"] = made[["query", "image", "rank"]]
    return out


def _names(pairs: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column of the organisers' ids, or the pairs' own where there is none."""
    return pairs[column if column in pairs else "id"].to_numpy()

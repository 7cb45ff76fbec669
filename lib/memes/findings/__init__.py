"""What the memes study found: the files that notebook 05 leaves, read back and measured.

Every number of the report is computed from these tables; nothing is trained again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib import paths
from lib.data.readers.mami import LABELS
from lib.memes import FILES
from lib.memes.findings.resampling import (
    HALF,
    MEASURES,
    Drawn,
    Run,
    difference,
    estimate,
    measure,
    over_seeds,
    row_weights,
    thresholds,
)
from lib.memes.scores import collapse
from lib.schema import read_pairs

UNTRAINED = "code path only"  # remark of lib.memes.rivals
OURS, NO_AE, NO_DB = "raw_n_cook", "raw_only", "raw_n_cook_bce"
NEITHER = "raw_only_bce"
ABLATION = (OURS, NO_AE, NO_DB, NEITHER)
PAPER_SYSTEMS = (OURS, "cmml_origin", "cmml_clip", "tib_va", "visualbert", "ext_pie_net", "vilt",
                 "lxmert")  # fmt: skip


class Key(NamedTuple):
    """What tells a system's runs from others; its seeds are averaged."""

    system: str
    variant: str
    ratio: float


@dataclass(frozen=True)
class Findings:
    """The files of one run, and the pairs that they speak of."""

    predictions: pd.DataFrame  # id, split, system, variant, ratio, seed, y_<label>, s_<label>
    histories: pd.DataFrame  # system, variant, ratio, seed, epoch, loss, task_b, auc
    separation: pd.DataFrame  # id, features, coordinates, silhouettes, probe scores
    errors: pd.DataFrame  # direction, map, split, mse: auto-encoder, ridge, mean
    runs: pd.DataFrame  # system, variant, ratio, seed, parameters, name, kind, remark
    texts: pd.DataFrame  # errors of the texts read from pictures: text, unit, value, limits, memes
    pairs: pd.DataFrame
    card: Mapping  # of a sample corpus; empty otherwise
    sample: bool = True
    bootstrap: int = 1000  # resamples behind an interval
    memo: dict = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def groups(self) -> np.ndarray:
        """Group of each test row, in the order of `test_ids`."""
        return self.pairs.set_index("id")["group"].loc[self.test_ids].to_numpy()

    @cached_property
    def test_ids(self) -> pd.Index:
        """Ids of the test rows, in the order of the pairs table."""
        return pd.Index(self.pairs.loc[self.pairs["split"] == "test", "id"])

    @cached_property
    def truth(self) -> Run:
        """Labels of validation and test rows, as booleans; the same for every system."""
        labels = self.predictions[[f"y_{label}" for label in LABELS]].to_numpy(bool)
        return Run(*(labels[rows] for rows in next(iter(self._rows.values()))))

    @cached_property
    def by_run(self) -> dict[Key, dict[int, Run]]:
        """Probabilities of every run: system -> seed -> arrays."""
        out: dict[Key, dict[int, Run]] = {}
        scores = self.predictions[[f"s_{label}" for label in LABELS]].to_numpy()
        for (system, variant, ratio, seed), parts in self._rows.items():
            run = Run(*(scores[rows] for rows in parts))
            out.setdefault(Key(system, variant, ratio), {})[seed] = run
        return out

    @cached_property
    def _rows(self) -> dict[tuple, tuple[np.ndarray, np.ndarray]]:
        """Where the validation and test rows of each run stand, test rows as in `test_ids`.

        Numbers of rows alone are grouped: the texts of hundreds of runs would take seconds.
        """
        rows, names = self.predictions, ["system", "variant", "ratio", "seed"]
        numbers, split = np.arange(len(rows)), rows["split"].to_numpy()
        validation, test = split == "validation", split == "test"
        place = self.test_ids.get_indexer(rows["id"])
        out = {}
        for key, mine in rows[names].assign(row=numbers).groupby(names, sort=False)["row"]:
            run = mine.to_numpy()
            tested = run[test[run]]
            out[key] = run[validation[run]], tested[np.argsort(place[tested], kind="stable")]
        return out

    @cached_property
    def weights(self) -> np.ndarray:
        """The resamples of test rows that all intervals share."""
        return row_weights(self.groups, self.bootstrap)

    def measured(self, key: Key) -> Drawn:
        """Measures of one system over its seeds, with their resamples."""
        if key not in self.memo:
            runs = self.by_run[key].values()
            made = [measure(run, self.truth, self.weights) for run in runs]
            self.memo[key] = over_seeds(np.stack(made))
        return self.memo[key]

    def systems(self, systems: Iterable[str] | None = None, variant: str = "") -> list[Key]:
        """Systems of a variant at every ratio; None = all systems."""
        wanted = None if systems is None else set(systems)
        return [key for key in self.by_run
                if key.variant == variant and (wanted is None or key.system in wanted)]  # fmt: skip

    @cached_property
    def names(self) -> dict[str, str]:
        """Name of each system as shown."""
        return dict(zip(self.runs["system"], self.runs["name"], strict=True))

    def label(self, system: str) -> str:
        """Name of a system as shown."""
        return self.names.get(system, system.replace("_", " "))

    def remark(self, system: str) -> str:
        """What a table says beside a system: a stand-in, or that it ran as a code path only."""
        mine = self.runs["system"] == system
        return str(self.runs.loc[mine, "remark"].iloc[0]) if mine.any() else ""

    def is_ranked(self, system: str) -> bool:
        """Whether a system's score can be compared: it started from weights that mean something."""
        return self.remark(system) != UNTRAINED

    @cached_property
    def ratios(self) -> list[float]:
        """Shares of labelled rows, the largest first."""
        return sorted(self.predictions["ratio"].unique(), reverse=True)

    def collapsed(self, key: Key, tuned: bool = False) -> str:
        """How many seeds look at nothing, such as "all negative (3 of 3 seeds)"; "" for none."""
        kinds = [self._collapse(run, tuned) for run in self.by_run[key].values()]
        found = [kind for kind in kinds if kind]
        if not found:
            return ""
        names = " / ".join(dict.fromkeys(found))
        return f"{names} ({len(found)} of {len(kinds)} seeds)"

    def _collapse(self, run: Run, tuned: bool) -> str:
        cut = thresholds(self.truth.validation, run.validation) if tuned else HALF
        return collapse((run.test >= cut)[:, 1:])

    def row(self, key: Key, measures: Iterable[str] = MEASURES) -> dict:
        """One system as a row of a table: its collapse flag, measures with limits, seeds."""
        drawn = self.measured(key)
        row = {"ratio": key.ratio, "system": self.label(key.system),
               "collapse": self.collapsed(key)}  # fmt: skip
        for name in measures:
            place = MEASURES.index(name)
            limits = estimate(drawn.value[place], drawn.draws[:, place])
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), limits, strict=True))
        return row | {"seeds": len(self.by_run[key])}

    def gap(self, a: Key, b: Key, name: str = "task_b") -> dict[str, float]:
        """Measure of a minus that of b, with limits and p."""
        return difference(self.measured(a), self.measured(b), MEASURES.index(name))


def read(
    folder: Path | str,
    pairs: Path | str,
    card: Mapping | None = None,
    sample: bool = True,
    bootstrap: int = 1000,
) -> Findings:
    """The run in `folder` with its pairs table.

    FileNotFoundError or ValueError, one line, when a file or a meme is missing.
    """
    folder = paths.resolve(folder)
    for name in FILES:
        if not (folder / f"{name}.parquet").is_file():
            where = paths.relative(folder)
            raise FileNotFoundError(f"{where}/{name}.parquet: no such file; run 05 first")
    found = {name: pd.read_parquet(folder / f"{name}.parquet") for name in FILES}
    table = read_pairs(paths.resolve(pairs))
    ids = found["predictions"]["id"]
    unknown = ids[~ids.isin(table["id"])]
    if len(unknown):
        raise ValueError(f"{pairs}: meme {unknown.iloc[0]} of the predictions is not in it")
    return gather(found, table, card, sample, bootstrap)


def gather(
    found: Mapping[str, pd.DataFrame],
    pairs: pd.DataFrame,
    card: Mapping | None = None,
    sample: bool = True,
    bootstrap: int = 1000,
) -> Findings:
    """The tables FILES of a run that is still in memory; bootstrap: resamples behind an interval.

    The seeds' rows of one split must stand in one order, as `lib.memes.study` writes them.
    """
    tables = [_plain(found[name]) for name in FILES]
    return Findings(*tables, pairs, card or {}, sample, bootstrap)


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Texts as texts: categories would group by absent values too."""
    texts = table.select_dtypes("category").columns
    return table.assign(**{name: table[name].astype(str) for name in texts})

"""What the retrieval studies found: the files that notebook 04 leaves, read back and sorted out.

Every number of the report is computed from these tables; nothing is scored again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from lib import paths
from lib.retrieval import FILES, INTERNAL
from lib.schema import read_pairs

ZERO_SHOT, FINE_TUNED, WISE_FT = "zero_shot", "fine_tuned", "wise_ft"
TRIVIAL = ("random", "most_central")
SELECTED = (WISE_FT, "per_tower", "lines", "embedding_ensemble", "greedy_soup")  # on validation
SYSTEMS = (ZERO_SHOT, FINE_TUNED, *SELECTED)
RUNS = tuple(f"run{number}" for number in range(1, 6))
CRITERIA = ("recall@1", "mrr")  # the 2022 paper's and ours
LABELS = {
    ZERO_SHOT: "zero-shot", FINE_TUNED: "fine-tuned", WISE_FT: "WiSE-FT",
    "per_tower": "α per tower", "lines": "LiNeS", "greedy_soup": "greedy soup",
    "embedding_ensemble": "embedding ensemble", "random": "random order",
    "most_central": "most central first",
}  # fmt: skip
PAPER_2022 = {"2022-rt": "RT", "2022-twitter": "TW", "2022-rss": "RSS"}
PAPER_2023 = {
    "2023-p1": "GDELT-P1", "2023-p2": "GDELT-P2", "2023-rt": "RT", INTERNAL: "2022 train",
    "gdelt-p1": "GDELT-P1", "gdelt-p2": "GDELT-P2",
}  # fmt: skip


@dataclass(frozen=True)
class Findings:
    """The files of one run, and the pairs that they speak of."""

    queries: pd.DataFrame  # one row a query, configuration and seed
    top: pd.DataFrame  # first images of the main systems
    selections: pd.DataFrame  # what validation queries chose
    grid: pd.DataFrame  # means of every setting, chosen or not
    hubness: pd.DataFrame  # how often each image is among the first ten
    pairs: pd.DataFrame
    sample: bool = True  # of a sample corpus
    bootstrap: int = 1000  # resamples behind an interval

    @cached_property
    def plain(self) -> pd.DataFrame:
        """Rows of the 2022 systems: cosine ranking of the titles, on the encoder that was tuned."""
        rows = self.queries
        keep = (rows["method"] == "plain") & (rows["aggregation"] == "title")
        keep &= rows["encoder"].isin(["", self.encoder])
        rows = rows[keep & rows["system"].isin([*SYSTEMS, *TRIVIAL])]
        # A set of both studies has the untrained model's rows from each of them.
        zero = rows["system"] == ZERO_SHOT
        again = rows[zero].duplicated(["set", "split", "query"])
        return rows.drop(index=again.index[again])

    @cached_property
    def encoder(self) -> str:
        """Name of the encoder that the 2022 study tunes."""
        rows = self.queries
        tuned = rows["tuned"].isin(self.selections["tuned"].unique())
        return str(rows.loc[tuned & (rows["system"] == FINE_TUNED), "encoder"].iloc[0])

    @cached_property
    def main_2023(self) -> str:
        """Name of the encoder that the 2023 study tunes, that of its run 2."""
        names = self.queries.loc[self.queries["system"] == RUNS[1], "encoder"]
        return str(names.iloc[0]) if len(names) else self.encoder

    @cached_property
    def tuned(self) -> list[str]:
        """Sources that a model was fine-tuned on and tested on, in the order of the papers."""
        mine = self.plain[self.plain["system"] == FINE_TUNED]
        own = mine.loc[mine["tuned"] == mine["set"], "tuned"].unique()
        return sorted(own, key=lambda name: (list(PAPER_2022).index(name) if name in PAPER_2022
                                             else len(PAPER_2022), name))  # fmt: skip

    @cached_property
    def others(self) -> dict[str, list[str]]:
        """Other sets that a model tuned on each source was tested on."""
        mine = self.plain[(self.plain["system"] == FINE_TUNED) & (self.plain["split"] == "test")]
        sets = mine.groupby("tuned")["set"].unique()
        return {name: sorted(set(sets[name]) - {name}) for name in self.tuned}

    @cached_property
    def along_alpha(self) -> pd.DataFrame:
        """Rows of WiSE-FT over all of alpha, both ends included, for every seed."""
        wise = self.plain[self.plain["system"] == WISE_FT]
        tuned = self.plain[self.plain["system"] == FINE_TUNED].assign(alpha=1.0, system=WISE_FT)
        seeds = tuned[["tuned", "seed"]].drop_duplicates()
        zero = self.plain[self.plain["system"] == ZERO_SHOT].drop(columns=["tuned", "seed"])
        zero = zero.assign(alpha=0.0, system=WISE_FT).merge(seeds, how="cross")
        ends = [end.assign(setting=f"alpha={alpha:g}") for alpha, end in ((0, zero), (1, tuned))]
        # An end that the study wrote as WiSE-FT already is not taken twice.
        table = pd.concat([wise, *ends], ignore_index=True)
        keys = ["set", "split", "tuned", "seed", "alpha", "query"]
        return table.drop_duplicates(keys, ignore_index=True)

    def chosen(self, criterion: str = CRITERIA[0]) -> pd.DataFrame:
        """Rows of each selected system at the setting that validation chose, seed by seed."""
        picks = self.selections[self.selections["criterion"] == criterion]
        picks = picks[["tuned", "seed", "system", "setting"]].drop_duplicates()
        rest = self.plain[self.plain["system"].isin(SELECTED[1:])]
        rows = pd.concat([self.along_alpha, rest], ignore_index=True)
        return rows.merge(picks, on=["tuned", "seed", "system", "setting"])

    def candidates(self, criterion: str = CRITERIA[0]) -> pd.DataFrame:
        """Rows of every 2022 system as one would use it, trivial ones too."""
        if criterion not in self._candidates:
            rows = self.plain[self.plain["system"].isin([*TRIVIAL, ZERO_SHOT, FINE_TUNED])]
            both = pd.concat([rows, self.chosen(criterion)], ignore_index=True)
            self._candidates[criterion] = both
        return self._candidates[criterion]

    @cached_property
    def _candidates(self) -> dict[str, pd.DataFrame]:
        """What `candidates` has made, by criterion: every table asks for it."""
        return {}


def read(
    folder: Path | str, pairs: Path | str, sample: bool = True, bootstrap: int = 1000
) -> Findings:
    """The run in `folder` with its pairs table.

    FileNotFoundError or ValueError, one line, when a file or a query is missing.
    """
    folder = paths.resolve(folder)
    for name in FILES:
        if not (folder / f"{name}.parquet").is_file():
            where = paths.relative(folder)
            raise FileNotFoundError(f"{where}/{name}.parquet: no such file; run 04 first")
    found = {name: pd.read_parquet(folder / f"{name}.parquet") for name in FILES}
    table = read_pairs(paths.resolve(pairs))
    unknown = found["queries"].loc[~found["queries"]["query"].isin(table["id"]), "query"]
    if len(unknown):
        raise ValueError(f"{pairs}: query {unknown.iloc[0]} of the predictions is not in it")
    return gather(found, table, sample, bootstrap)


def gather(
    found: Mapping[str, pd.DataFrame], pairs: pd.DataFrame, sample: bool = True, n: int = 1000
) -> Findings:
    """The tables FILES of a run that is still in memory; n: resamples behind an interval."""
    parts = [_plain(found[name]) for name in FILES]
    parts[0]["rr_any"] = (1 / parts[0]["rank_any"]).fillna(0.0)
    return Findings(*parts, pairs, sample, n)


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Texts as texts: categories would group by absent values too."""
    texts = table.select_dtypes("category").columns
    return table.assign(**{name: table[name].astype(str) for name in texts})


def label(system: str) -> str:
    """Name of a system as shown."""
    return LABELS.get(system, system.replace("_", " "))


def defects(queries: pd.DataFrame) -> list[str]:
    """What can be wrong with a table of queries whatever the data, one line each."""
    keys = ["set", "split", "system", "encoder", "tuned", "seed", "method", "temperature", "bank",
            "aggregation", "setting"]  # fmt: skip
    sizes = queries.groupby(keys, observed=True, dropna=False)["query"].agg(["size", "nunique"])
    recalls = queries[["r1", "r5", "r10", "r50", "r100"]].to_numpy()
    found = []
    if (sizes["size"] != sizes["nunique"]).any():
        found.append("a query stands twice in one configuration")
    if not (queries["rr"].between(0, 1).all() and ((recalls >= 0) & (recalls <= 1)).all()):
        found.append("a score is not in 0..1")
    if (np.diff(recalls, axis=1) < -1e-6).any():
        found.append("a Recall falls with k")
    return found

"""Data sets: one reader a layout, all giving the same pairs table and a drop report.

A new data set is one module with `Settings` (a DatasetSettings) and `read(root, settings)`, and one
line in READERS; a line in SMOKE names the function that makes its smallest sample corpus.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import ClassVar, NamedTuple

import pandas as pd

from lib import params, paths
from lib.data.drops import Drops
from lib.data.groups import Grouping, GroupSettings, assign_groups
from lib.data.splits import check_fractions, with_splits

READERS = {
    "instacities": "lib.data.readers.instacities:read",
    "newsimages": "lib.data.readers.newsimages:read",
    "news_pairs": "lib.data.readers.news_pairs:read",
}
SMOKE = {
    "instacities": "lib.sample.instacities:smoke_corpus",
    "newsimages": "lib.sample.newsimages:smoke_corpus",
    "news_pairs": "lib.sample.newsimages:smoke_pairs",
}


@dataclass(frozen=True)
class DatasetSettings:
    """What every data set can be told; section `data.<name>` of the config file."""

    in_time: ClassVar[bool] = False  # whether splits are made by date, earliest first

    root: str = ""  # folder in the official layout; empty: the smoke corpus, made on the spot
    seed: int = 0  # of the split
    fractions: dict[str, float] = field(default_factory=lambda: {"test": 1.0})  # split -> share
    group: GroupSettings = GroupSettings()  # what counts as a near duplicate

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        try:
            check_fractions(self.fractions)
        except ValueError as error:
            raise ValueError(f"fractions: {error}") from None
        try:
            self.group.validate()
        except ValueError as error:
            raise ValueError(f"group.{error}") from None


class Reading(NamedTuple):
    """What a reader returns.

    pairs: the pairs table, each post its own group; facts: id, width, height (pixels), hash (int64
    of the picture), encoding (of the text), in the same order; drops: what was left out.
    """

    pairs: pd.DataFrame
    facts: pd.DataFrame
    drops: Drops


class LayoutError(ValueError):
    """The folder does not hold what the data set's official layout has; one line."""


def load_settings(dataset: str, config: str | Path) -> DatasetSettings:
    """The section `data.<dataset>` of a config file; raises ParamsError or KeyError, one line."""
    return params.load(config, f"data.{dataset}", _module(dataset).Settings)


def find_root(dataset: str, root: str, settings: DatasetSettings) -> Path:
    """Folder to read: the one given, else the config's, else the smoke corpus; LayoutError."""
    chosen = root or settings.root
    folder = paths.resolve(chosen) if chosen else _call(SMOKE[dataset])
    if not folder.is_dir():
        raise LayoutError(f"data.{dataset}.root: {paths.relative(folder)}: no such folder")
    return folder


def read(dataset: str, root: Path, settings: DatasetSettings) -> Reading:
    """Read a data set in its official layout; raises LayoutError or PairsError."""
    return getattr(_module(dataset), READERS[dataset].partition(":")[2])(root, settings)


def prepare(dataset: str, root: Path, settings: DatasetSettings) -> tuple[Reading, Grouping]:
    """Read a data set, group its near duplicates and split it: notebook 01 without its pictures.

    Raises LayoutError or PairsError.
    """
    reading = read(dataset, root, settings)
    pairs, hashes = reading.pairs, reading.facts["hash"].tolist()
    grouping = assign_groups(pairs["id"].tolist(), hashes, pairs["text"].tolist(), settings.group)
    pairs = pairs.assign(group=grouping.group)
    pairs = with_splits(pairs, settings.fractions, settings.seed, settings.in_time)
    return reading._replace(pairs=pairs), grouping


def _module(dataset: str):
    if dataset not in READERS:
        raise KeyError(f"dataset {dataset!r}: unknown; there are {', '.join(sorted(READERS))}")
    return import_module(READERS[dataset].partition(":")[0])


def _call(function: str) -> Path:
    module, _, name = function.partition(":")
    return getattr(import_module(module), name)()

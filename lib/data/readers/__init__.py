"""Data sets: one reader a layout, all giving the same pairs table and a drop report.

A new data set is one module with `Settings` (a DatasetSettings) and `read(root, settings)`, and one
line in each table of the module `registry`, which is looked up at run time: see there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import ClassVar, NamedTuple

import pandas as pd

from lib import params, paths
from lib.data.drops import Drops
from lib.data.groups import Grouping, GroupSettings, assign_groups
from lib.data.splits import check_fractions, outlet_split, with_splits


@dataclass(frozen=True)
class DatasetSettings:
    """What every data set can be told; section `data.<name>` of the config file."""

    in_time: ClassVar[bool] = False  # whether splits are made by date, earliest first
    by_outlet: ClassVar[bool] = False  # whether `source` is an outlet, also held out whole

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

    def remedy(self, reason: str) -> str:
        """The setting, `key: value`, that would keep what was dropped for a reason; "": none."""
        return ""


class Reading(NamedTuple):
    """What a reader returns.

    pairs: the pairs table, each post its own group; facts: id, width, height (pixels), hash (int64
    of the picture), encoding (of the text), in the same order; drops: what was left out.
    """

    pairs: pd.DataFrame
    facts: pd.DataFrame
    drops: Drops


class LayoutError(ValueError):
    """The folder lacks what the data set's official layout has, or any usable row; one line."""


def load_settings(dataset: str, config: str | Path) -> DatasetSettings:
    """The section `data.<dataset>` of a config file; raises ParamsError or KeyError, one line."""
    return params.load(config, f"data.{dataset}", _module(dataset).Settings)


def find_root(dataset: str, root: str, settings: DatasetSettings) -> Path:
    """Folder to read: the one given, else the config's, else the smoke corpus; LayoutError."""
    chosen = root or settings.root
    folder = paths.resolve(chosen) if chosen else _smoke(dataset)
    if not folder.is_dir():
        raise LayoutError(f"data.{dataset}.root: {paths.relative(folder)}: no such folder")
    return folder


def read(dataset: str, root: Path, settings: DatasetSettings) -> Reading:
    """Read a data set in its official layout; raises LayoutError or PairsError.

    A table without a row is a LayoutError too: no one who reads it could go on, and only here is
    it known why.
    """
    reading = _reader(dataset)(root, settings)
    if reading.pairs.empty:
        raise LayoutError(f"data.{dataset}: {_nothing_left(dataset, root, reading, settings)}")
    return reading


def prepare(dataset: str, root: Path, settings: DatasetSettings) -> tuple[Reading, Grouping]:
    """Read a data set, group its near duplicates and split it: notebook 01 without its pictures.

    Raises LayoutError or PairsError.
    """
    reading = read(dataset, root, settings)
    pairs, hashes = reading.pairs, reading.facts["hash"].tolist()
    grouping = assign_groups(pairs["id"].tolist(), hashes, pairs["text"].tolist(), settings.group)
    pairs = pairs.assign(group=grouping.group)
    return reading._replace(pairs=splitted(pairs, settings)), grouping


def splitted(pairs: pd.DataFrame, settings: DatasetSettings) -> pd.DataFrame:
    """Grouped pairs with their splits; of outlets also column `split_outlet`."""
    pairs = with_splits(pairs, settings.fractions, settings.seed, settings.in_time)
    if settings.by_outlet:
        held_out = outlet_split(pairs, settings.fractions, settings.seed)
        pairs = pairs.assign(split_outlet=held_out)
    return pairs


def _nothing_left(dataset: str, root: Path, reading: Reading, settings: DatasetSettings) -> str:
    """How many items were dropped, most often why, and the setting that would keep them."""
    events = reading.drops.summary()
    dropped = events[events["outcome"] == "dropped"]
    if dropped.empty:
        return f"{paths.relative(root)}: no row was found"
    reason, count = dropped[["reason", "count"]].iloc[0]  # the most frequent comes first
    line = f"no row is left of {dropped['count'].sum():,} in {paths.relative(root)}"
    line += f"; most often: {reason} ({count:,})"
    remedy = settings.remedy(reason)
    return f"{line}; these are kept with data.{dataset}.{remedy}" if remedy else line


def _reader(dataset: str) -> Callable[[Path, DatasetSettings], Reading]:
    readers = _registry().READERS
    if dataset not in readers:
        raise KeyError(f"dataset {dataset!r}: unknown; there are {', '.join(sorted(readers))}")
    return _named(readers[dataset])


def _smoke(dataset: str) -> Path:
    return _named(_registry().SMOKE[dataset])()


def _module(dataset: str) -> ModuleType:
    return import_module(_reader(dataset).__module__)


def _named(function: str) -> Callable:
    module, _, name = function.partition(":")
    return getattr(import_module(module), name)


def _registry() -> ModuleType:
    return import_module(".registry", __name__)  # a name made at run time: see that module

"""The study's articles from a notebook's parameters: a pairs table, or the smoke corpus."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lib import paths
from lib.data import readers as data
from lib.schema import read_pairs


class Opened(NamedTuple):
    """Articles, the folder of their pictures, and whether the corpus is a sample one."""

    pairs: pd.DataFrame
    root: Path
    sample: bool


def open_pairs(config: str, dataset: str = "nmb", pairs: str = "", root: str = "") -> Opened:
    """Return the pairs table and its root; without `pairs` the corpus is read and split here."""
    settings = data.load_settings(dataset, config)
    folder = data.find_root(dataset, root, settings)
    if pairs:
        table = read_pairs(paths.resolve(pairs))
    else:
        table = data.prepare(dataset, folder, settings)[0].pairs
    return Opened(table, folder, (folder / "card.json").is_file())

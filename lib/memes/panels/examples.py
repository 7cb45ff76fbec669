"""Which memes are shown: a few of each type, and some without a label."""

from __future__ import annotations

import pandas as pd

from lib.data.readers.mami import TYPES


def picked(pairs: pd.DataFrame, each: int = 2, without: int = 4) -> pd.DataFrame:
    """Rows of the training split: `each` of every type, none twice, then some without a label."""
    rows = pairs[(pairs["split"] == "train") & (pairs["image"] != "")]
    parts, seen = [], set()
    for label in TYPES:
        mine = rows[(rows[label] == 1) & ~rows["id"].isin(seen)].head(each)
        parts.append(mine)
        seen |= set(mine["id"])
    parts.append(rows[rows["misogynous"] == 0].head(without))
    return pd.concat(parts, ignore_index=True)

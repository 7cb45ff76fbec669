"""The search: every network's learning rate, chosen among the same ones on validation articles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from lib.fnd import STORY
from lib.fnd.model.settings import FndClipTraining
from lib.fnd.study.runs import Run, Tables
from lib.fnd.systems import System

COLUMNS = ("system", "lr", "validation", "chosen")


def candidates(systems: Sequence[System], settings: FndClipTraining) -> Iterator[Run]:
    """Yield a run a network and rate, on the story split with the first seed.

    Networks whose rate the settings give are left out; baselines learn by none.
    """
    given = {own.system for own in settings.own if own.lr is not None}
    for system in systems:
        if system.kind != "baseline" and system.name not in given:
            yield from (Run(system, STORY, settings.seeds[0], lr=rate) for rate in settings.rates)


def choose(made: Sequence[tuple[Run, Tables]]) -> pd.DataFrame:
    """Return one row a network and rate: its score on validation rows, and whether it is chosen.

    The score is that of the best epoch, by which training itself stops (`settings.select`);
    of an ensemble the mean over its members. Of equal scores the smaller rate is chosen.
    """
    rows = []
    for one, tables in made:
        best = tables["histories"].groupby("member")["validation"].max().mean()
        rows.append((one.system.name, one.lr, best))
    table = pd.DataFrame(rows, columns=COLUMNS[:3]).sort_values("lr", kind="stable")
    chosen = table.groupby("system")["validation"].idxmax() if len(table) else []
    table["chosen"] = table.index.isin(chosen)
    return table.sort_index(ignore_index=True)


def rates(table: pd.DataFrame) -> Mapping[str, float]:
    """Return the chosen rate of every network that was searched."""
    return table[table["chosen"]].set_index("system")["lr"].to_dict()

"""What a study says of itself on the front page: an answer, a verdict on one claim, a figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from lib import tables

HOLDS, FAILS, OPEN, UNJUDGED = "holds", "does not hold", "not shown", "cannot be judged"
MARKS = {HOLDS: "●", FAILS: "○", OPEN: "◌", UNJUDGED: "–"}  # told apart in print, without colour


@dataclass(frozen=True)
class Headline:
    """One study in short; every field but `claim` and `figure` is computed from its findings."""

    numbers: Sequence[tuple[str, str]]  # (number, what it is)
    claim: str  # of the paper, the one that is judged
    sentence: str  # what was found of it, with intervals
    verdict: str  # one of MARKS
    figure: str  # name of a figure of the page that shows it
    caption: str = ""  # of that figure, as the page has it


def judged(verdicts: Iterable[str], rule: object) -> str:
    """One verdict over the comparisons that a claim makes: sets, ratios, thresholds.

    rule: the study's module of claims, whose HOLDS and FAILS the verdicts are. A claim holds if
    every comparison does, does not hold if one is contradicted, and is not shown otherwise;
    without any comparison it cannot be judged.
    """
    found = list(verdicts)
    if not found:
        return UNJUDGED
    if rule.FAILS in found:
        return FAILS
    return HOLDS if set(found) == {rule.HOLDS} else OPEN


def limits(row: pd.Series, name: str = "difference", digits: int = 3) -> str:
    """A column of a table of claims with its interval."""
    return tables.interval(row[name], row[f"{name}_low"], row[f"{name}_high"], digits)


def listed(items: Sequence[str]) -> str:
    """Items as a phrase: "a, b and c"."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last

"""Effects: the outlets, and how an article's label comes about.

The label is drawn from a probability that rises with four things. One stands in the text alone
(rhetoric), one in the picture alone (its look), one only in both together (whether the picture
shows what the headline names), one in neither (the outlet's slant).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from lib.sample.scenery.paintbox import table

LIKELY, UNLIKELY = "Likely", "Unlikely"
LEVELS = (0, 1, 2)  # of rhetoric: none, some, much
SAID_BIASED = (0.12, 0.9, 0.98)  # by level: how often the text alone is called Likely
# How much an outlet of slant 1 has more than one of slant 0, as shares of its articles.
SLANTED = {"mismatch": 0.2, "calm": -0.16, "much": 0.12, "look": 0.18}


@dataclass(frozen=True)
class Outlet:
    """A made-up newspaper."""

    name: str
    site: str  # first part of its address
    slant: float  # -1 (sober) to 1 (loud)
    weight: float  # how much it publishes
    shape: float  # height over width of its pictures


@dataclass(frozen=True)
class Factors:
    """What an article's label depends on."""

    rhetoric: int  # one of LEVELS; in the text
    look: bool  # a dramatic picture
    mismatch: bool  # headline and picture are about different things
    slant: float  # of the outlet


@cache
def outlets() -> tuple[Outlet, ...]:
    """Return the outlets of data/nmb_outlets.csv."""
    return tuple(
        Outlet(r["outlet"], r["site"], *(float(r[key]) for key in ("slant", "weight", "shape")))
        for r in table("nmb_outlets").values()
    )


def draw(rng: np.random.Generator, slant: float) -> Factors:
    """Return what an outlet of a slant does in one article; half of all pictures mismatch."""
    calm = rng.random() < 0.24 + SLANTED["calm"] * slant
    much = rng.random() < 0.5 + SLANTED["much"] * slant
    look = rng.random() < 0.5 + SLANTED["look"] * slant
    mismatch = rng.random() < 0.5 + SLANTED["mismatch"] * slant
    return Factors(0 if calm else 2 if much else 1, look, mismatch, slant)


def probability(factors: Factors, weights: dict[str, float], age: float, noise: float) -> float:
    """Return how likely the label is Likely, annotators' slips (share `noise`) included.

    `weights` are logits: `base`; `mismatch`, `rhetoric`, `look`, `slant` for what has them against
    the mean; `drift` from the first to the last day (`age` 0 to 1).
    """
    logit = (
        weights["base"]
        + weights["mismatch"] * (2 * factors.mismatch - 1)
        + weights["rhetoric"] * (factors.rhetoric - 1)
        + weights["look"] * (2 * factors.look - 1)
        + weights["slant"] * factors.slant
        + weights["drift"] * (age - 0.5)
    )
    share = 1 / (1 + np.exp(-logit))
    return float(share * (1 - noise) + (1 - share) * noise)

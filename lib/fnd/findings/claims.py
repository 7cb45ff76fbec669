"""The claims of the page and of the papers, each as a paired difference on the data at hand.

A claim holds, or is contradicted, only if the interval leaves zero on its side and the p-value,
adjusted by Holm over all claims, is below .05; otherwise it is not shown.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from lib.fnd.findings import FND_CLIP, IMAGE, OURS, TEXT, Findings
from lib.stats import holm

HOLDS, FAILS, OPEN = "holds", "contradicted", "not shown"
FUSIONS = ("concat", "align", "layer")
COLUMNS = ["source", "claim", "second", "first", "difference", "difference_low",
           "difference_high", "p", "p_holm", "verdict"]  # fmt: skip
PAGE = "the page"


class Claim(NamedTuple):
    """`second` has a higher macro-F1 than each of `first`."""

    source: str
    claim: str
    second: str
    first: tuple[str, ...]


def claims(found: Findings) -> list[Claim]:
    """Return the claims whose systems were all run."""
    plain = {name: f"bert_resnet_{name}" for name in FUSIONS}
    wanted = [
        *(Claim(PAGE, f"normalisation helps ({words})", f"{plain[name]}_norm", (plain[name],))
          for name, words in zip(FUSIONS, ("concatenation", "alignment", "fusion layer"),
                                 strict=True)),
        Claim(PAGE, "concatenation is the most reliable: better than alignment and fusion layer",
              plain["concat"], (plain["align"], plain["layer"])),
        Claim(PAGE, "the same with normalised features", f"{plain['concat']}_norm",
              (f"{plain['align']}_norm", f"{plain['layer']}_norm")),
        Claim(PAGE, "CLIP as a teacher helps BERT + ResNet-34", "nmb_teacher",
              (plain["layer"],)),
        Claim("FND-CLIP", "text and picture together beat either alone", FND_CLIP, (TEXT, IMAGE)),
        *(Claim("FND-CLIP", f"{words} helps", FND_CLIP, (f"fnd_clip_no_{name}",))
          for name, words in (("clip", "CLIP"), ("attention", "modality attention"),
                              ("similarity", "the similarity weight"))),
        Claim("FND-CLIP", "it beats SpotFake", FND_CLIP, ("spotfake",)),
        Claim("SpotFake+", "whole articles by sentences beat SpotFake", "spotfake_plus",
              ("spotfake",)),
        Claim("FND-CLIP", "it beats CLIP's similarity alone (against MUSE)", FND_CLIP,
              ("similarity_forest", "similarity_logistic")),
        Claim("ours", "text and picture together beat either alone", OURS, (TEXT, IMAGE)),
        Claim("ours", "it beats FND-CLIP", OURS, (FND_CLIP,)),
        Claim("ours", "it beats every published system here", OURS, tuple(_rivals(found))),
    ]  # fmt: skip
    run = set(found.names())
    return [claim for claim in wanted if {claim.second, *claim.first} <= run]


def _rivals(found: Findings) -> list[str]:
    """Systems of the papers, ablations and our own left out."""
    rows = found.systems
    keep = (rows["uses"] == "text + image") & (rows["parent"] == "") & (rows["family"] != "ours")
    return [name for name in rows.loc[keep, "system"] if name in found.names()]


def check(found: Findings) -> pd.DataFrame:
    """Return every claim with its difference in macro-F1 at tuned thresholds: COLUMNS.

    Against several systems the difference is the least one, from the best of them.
    """
    board, rows = found.board(), []
    for claim in claims(found):
        first = " / ".join(found.title(name) for name in claim.first)
        if len(claim.first) > 3:
            first = f"best of {len(claim.first)}"
        row = {"source": claim.source, "claim": claim.claim, "first": first}
        row |= {"second": found.title(claim.second)}
        rows.append(row | board.worst_gap(claim.second, claim.first))
    table = pd.DataFrame(rows)
    if table.empty:
        return pd.DataFrame(columns=COLUMNS)
    table["p_holm"] = holm(table["p"])
    return table.assign(verdict=table.apply(verdict, axis=1))[COLUMNS]


def verdict(row: pd.Series, level: float = 0.05) -> str:
    """Return whether the claim "the difference is above zero" holds on these articles."""
    if not row["p_holm"] < level:
        return OPEN
    if row["difference_low"] > 0:
        return HOLDS
    return FAILS if row["difference_high"] < 0 else OPEN


def reliability_of_fusions(found: Findings) -> pd.DataFrame:
    """Return macro-F1 of the page's fusions: mean with limits, spread over seeds, worst seed.

    "Reliable" may mean good on average or good every time; this table has both.
    """
    board, rows = found.board(), []
    for name in FUSIONS:
        for suffix, features in (("", "as they are"), ("_norm", "normalised")):
            system = f"bert_resnet_{name}{suffix}"
            if system not in board.scores:
                continue
            values = board.drawn(system, "macro_f1")[0]
            row = {"fusion": {"concat": "concatenation", "align": "alignment",
                              "layer": "fusion layer"}[name], "features": features}  # fmt: skip
            row |= board.row(system, ["macro_f1"])
            rows.append(row | {"seeds_sd": board.spread(system), "worst_seed": values.min(),
                               "prevalence": board.prevalence})  # fmt: skip
    return pd.DataFrame(rows)

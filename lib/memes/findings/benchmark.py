"""The tables of the memes study: all systems, the paper's tables beside ours, curves, sweeps.

Every table with a system in it bears the column `collapse`: "" or how many seeds answered without
looking.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.memes import TRIVIAL, published
from lib.memes.findings import ABLATION, OURS, PAPER_SYSTEMS, Findings, Key
from lib.memes.findings.resampling import MEASURES
from lib.stats import holm

SHOWN = ("task_b", "task_b_tuned", "auc", "task_a", "task_a_tuned")
PAPER = ("task_b", "auc")


def systems(found: Findings) -> pd.DataFrame:
    """Every system at every ratio: kind, measures with limits, seeds, collapse flag.

    Trivial systems have no thresholds to tune. `remark` says what stands in for a tower, or "code
    path only" where an architecture started from random weights because its own are not there.
    """
    known = found.runs.drop_duplicates("system").set_index("system")
    rows = []
    for key in found.systems():
        row = found.row(key, SHOWN)
        if key.system in TRIVIAL:
            tuned = [name for name in row if "_tuned" in name]
            row |= dict.fromkeys([*tuned, "auc_low", "auc_high"], np.nan)
        about = known.loc[key.system]
        rows.append(row | {"kind": about["kind"], "parameters": int(about["parameters"]),
                           "unlabelled": "yes" if about["unlabelled"] else "no",
                           "remark": about["remark"]})  # fmt: skip
    table = pd.DataFrame(rows)
    front = ["ratio", "kind", "system"]
    table = table[[*front, *(name for name in table if name not in front)]]
    place = table["kind"] != "trivial"  # those first
    keys = pd.DataFrame({"ratio": -table["ratio"], "place": place, "score": -table["task_b"]})
    return table.loc[keys.sort_values(list(keys), kind="stable").index].reset_index(drop=True)


def paper_tables(found: Findings) -> pd.DataFrame:
    """Tables 3 and 4: the eight methods, ours with limits, thesis and paper beside them."""
    thesis = published.thesis().set_index(["ratio", "system"])
    paper = published.paper().set_index(["ratio", "system"])
    rows = []
    for key in _ordered(found, PAPER_SYSTEMS):
        row = found.row(key, PAPER)
        row["remark"] = found.remark(key.system)
        at = (key.ratio, key.system)
        row |= {"thesis_f1": thesis["f1"].get(at, np.nan),
                "paper_f1": paper["test"].get(at, np.nan),
                "thesis_auc": thesis["auc"].get(at, np.nan)}  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows)


def ablation(found: Findings) -> pd.DataFrame:
    """Table 5 at every ratio: ours with limits, the thesis's value beside it (at .3)."""
    printed = published.ablation().set_index(["ratio", "system"])
    rows = []
    for key in _ordered(found, ABLATION):
        parts = printed.loc[(0.3, key.system)]
        row = found.row(key, SHOWN[:3]) | {"crom_ae": parts["crom_ae"], "db_loss": parts["db_loss"]}
        row["thesis_f1"] = printed["f1"].get((key.ratio, key.system), np.nan)
        rows.append(row)
    return pd.DataFrame(rows)


def against(found: Findings, reference: str = OURS) -> pd.DataFrame:
    """Each system minus the reference on the same memes: task B at .5 and AUC, with p and Holm.

    Holm goes over all systems of a ratio, for each measure apart.
    """
    parts = []
    for ratio in found.ratios:
        base, rows = Key(reference, "", ratio), []
        for key in found.systems():
            if key.ratio != ratio or key.system == reference:
                continue
            row = {"ratio": ratio, "system": found.label(key.system),
                   "collapse": found.collapsed(key)}  # fmt: skip
            for name in PAPER:
                gap = found.gap(key, base, name)
                row |= {f"{name}_{part}".replace("_difference", ""): value
                        for part, value in gap.items()}  # fmt: skip
            rows.append(row)
        part = pd.DataFrame(rows)
        for name in PAPER:
            part[f"{name}_p_holm"] = holm(part[f"{name}_p"])
        parts.append(part.sort_values("task_b", ascending=False, kind="stable"))
    return pd.concat(parts, ignore_index=True)


def other_draws(found: Findings) -> pd.DataFrame:
    """Task B and AUC of the ablation on other draws of the labelled rows, other seeds of each.

    `draw` is the seed that chose the rows; differences between draws are luck that seeds of one
    draw cannot show.
    """
    rows, ratios = [], {key.ratio for key in found.by_run if "draw=" in key.variant}
    for key in found.by_run:
        mine = key.system in ABLATION and key.ratio in ratios
        if not mine or not (key.variant == "" or "draw=" in key.variant):
            continue
        draw = int(key.variant.partition("=")[2] or _draw(found))
        rows.append({"draw": draw} | found.row(key, PAPER))
    if not rows:
        return pd.DataFrame(columns=["draw", "ratio", "system", "collapse", *PAPER])
    table = pd.DataFrame(rows)
    return table.sort_values(["ratio", "system", "draw"], ascending=[False, True, True],
                             kind="stable", ignore_index=True)  # fmt: skip


def sweeps(found: Findings) -> pd.DataFrame:
    """The two gammas: that of the learning rate (Table 2) and that of the focal loss."""
    rows = []
    for key in found.by_run:
        name, _, value = key.variant.partition("=")
        if name in ("step_gamma", "focal_gamma"):
            row = found.row(key, SHOWN[:3])
            rows.append({"gamma": name.replace("_", " "), "value": float(value)} | row)
    if not rows:
        return pd.DataFrame(columns=["gamma", "value", "ratio", *SHOWN[:3]])
    return pd.DataFrame(rows).sort_values(
        ["gamma", "ratio", "value"], ascending=[False, False, True], ignore_index=True
    )


def curves(found: Findings, systems: Sequence[str] = PAPER_SYSTEMS) -> pd.DataFrame:
    """Validation scores by epoch: system, ratio, epoch, measure, value, low and high over seeds."""
    rows = found.histories
    rows = rows[rows["system"].isin(systems) & (rows["variant"] == "")]
    parts = []
    for name in ("task_b", "auc"):
        stats = rows.groupby(["ratio", "system", "epoch"])[name].agg(["mean", "min", "max"])
        stats.columns = ["value", "low", "high"]
        parts.append(stats.reset_index().assign(measure=name))
    table = pd.concat(parts, ignore_index=True)
    order = {name: place for place, name in enumerate(systems)}
    table = table.sort_values(["measure", "ratio", "system", "epoch"], kind="stable",
                              key=lambda c: c.map(order) if c.name == "system" else c)  # fmt: skip
    return table.assign(label=table["system"].map(found.label)).reset_index(drop=True)


def ceilings(found: Findings) -> pd.DataFrame:
    """What a sample corpus allows by kind of evidence, beside the system that sees it.

    Of systems that see picture and text, the one with the best task B at the largest ratio: a
    choice on test rows, so its score is flattered. A ceiling is of rules that answer alike where
    they see alike, so labels drawn at random are left out. Empty for real data.
    """
    allowed = found.card.get("ceilings", {}).get("from_training_shares", {})
    whole = [key for key in found.systems() if key.ratio == found.ratios[0]]
    seen = {"text": ["only_text"], "picture": ["only_image"], "nothing": list(TRIVIAL[:2])}
    alone = {TRIVIAL[2], *(name for names in seen.values() for name in names)}
    seen["text_and_picture"] = [key.system for key in whole if key.system not in alone
                                and found.is_ranked(key.system)]  # fmt: skip
    rows = []
    for evidence, most in allowed.items():
        keys = [key for key in whole if key.system in seen[evidence]]
        if not keys:
            continue
        best = max(keys, key=lambda key: found.measured(key).value[MEASURES.index("task_b")])
        rows.append({"evidence": evidence.replace("_", " "), **found.row(best, PAPER),
                     "task_b ceiling": most["task_b"], "auc ceiling": most["auc"]})  # fmt: skip
    return pd.DataFrame(rows)


def _ordered(found: Findings, names: Sequence[str]) -> list[Key]:
    known = [Key(name, "", ratio) for ratio in found.ratios for name in names]
    return [key for key in known if key in found.by_run]


def _draw(found: Findings) -> int:
    """Seed of the main draw."""
    mine = (found.runs["system"] == OURS) & (found.runs["variant"] == "")
    return int(found.runs.loc[mine, "draw"].iloc[0])

"""The tables of systems: every metric with trivial rules beside it, tests, protocols, prints."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.fnd import STORY, published
from lib.fnd.findings import (
    COUNTERPARTS,
    FND_CLIP,
    IMAGE,
    OURS,
    PROTOCOLS,
    TEXT,
    TRIVIAL,
    Findings,
)
from lib.fnd.findings.board import HALF, TUNED
from lib.stats import holm

SHOWN = ("macro_f1", "f1", "precision", "recall", "accuracy", "auc", "ap", "ece")
FORMATS = dict.fromkeys(SHOWN, 3) | {"prevalence": 3, "seeds_sd": 3, "threshold": 2}
TESTED = ["first", "second", "difference", "difference_low", "difference_high", "p", "p_holm",
          "only_first", "only_second", "p_mcnemar", "p_mcnemar_holm"]  # fmt: skip
NAMED_THRESHOLDS = {HALF: ".5", TUNED: "tuned"}


def table(found: Findings, protocol: str = STORY, which: str = TUNED) -> pd.DataFrame:
    """Return one row a system: family, title, uses, SHOWN with limits, seeds_sd, threshold, n.

    seeds_sd: of macro-F1 over seeds; threshold: mean over seeds; trivial rules come first.
    """
    board, names = found.board(protocol), found.names(protocol)
    about = found.systems.set_index("system")
    names = [n for n in TRIVIAL if n in names] + [n for n in names if n not in TRIVIAL]
    rows = []
    for name in names:
        row = {"system": name, "family": about.at[name, "family"], "title": found.title(name),
               "uses": about.at[name, "uses"]}  # fmt: skip
        row |= board.row(name, SHOWN, which)
        row |= {"seeds_sd": board.spread(name, which=which), "seeds": len(board.scores[name])}
        row |= {"threshold": board.thresholds(name, which).mean()}
        rows.append(row | {"prevalence": board.prevalence, "articles": len(board.y)})
    return pd.DataFrame(rows)


def in_short(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the columns and rows of `table` that a notebook shows: ablations are left out."""
    keep = ~rows["title"].str.contains("without")
    columns = ["title", "uses"]
    for name in ("macro_f1", "f1", "accuracy", "auc"):
        columns += [name, f"{name}_low", f"{name}_high"]
    return rows.loc[keep, [*columns, "ece", "seeds_sd"]]


def compared(found: Findings) -> list[tuple[str, str]]:
    """Return the pairs (first, second) that the table of tests compares, where both were run."""
    wanted = [
        (TEXT, FND_CLIP), (IMAGE, FND_CLIP), (TEXT, OURS), (IMAGE, OURS), (FND_CLIP, OURS),
        (found.best_other, OURS), ("similarity_forest", FND_CLIP), (FND_CLIP, "fnd_clip_author"),
        ("bert_resnet_layer", "nmb_teacher"), ("bert_resnet_layer", "bert_resnet_tuned"),
        ("spotfake", "spotfake_plus"), ("outlet_only", FND_CLIP),
        *((child, parent) for child, parent in _children(found)),
    ]  # fmt: skip
    run = set(found.names())
    pairs = dict.fromkeys(pair for pair in wanted if set(pair) <= run and pair[0] != pair[1])
    return list(pairs)


def _children(found: Findings) -> list[tuple[str, str]]:
    """Ablated systems with the system that each is a part of."""
    rows = found.systems[found.systems["parent"] != ""]
    return list(zip(rows["system"], rows["parent"], strict=True))


def tests(found: Findings) -> pd.DataFrame:
    """Return second minus first on the same articles, in macro-F1 at tuned thresholds.

    Columns first, second, difference (limits), p, p_holm (paired bootstrap over groups), then
    McNemar on the answers that most seeds give: only_first, only_second right, p_mcnemar and
    p_mcnemar_holm; it does not know of groups.
    """
    board, rows = found.board(), []
    for first, second in compared(found):
        row = {"first": found.title(first), "second": found.title(second)}
        row |= board.gap(second, first) | board.mcnemar(second, first)
        rows.append(row)
    if not rows:  # of the systems that are compared none were run
        return pd.DataFrame(columns=TESTED)
    made = pd.DataFrame(rows)
    made = made.assign(p_holm=holm(made["p"]), p_mcnemar_holm=holm(made["p_mcnemar"]))
    return made[TESTED]


def cross_modal(found: Findings, protocol: str = STORY) -> pd.DataFrame:
    """Return each system of both modalities minus the better of text and image alone.

    Columns system, title, macro_f1 (limits), difference (limits), p, p_holm; ablations left out.
    """
    board, about = found.board(protocol), found.systems.set_index("system")
    bases = [name for name in (TEXT, IMAGE) if name in board.scores]
    names = [
        name
        for name in found.names(protocol)
        if about.at[name, "uses"] == "text + image" and not about.at[name, "parent"]
    ]
    if len(bases) < 2 or not names:
        return pd.DataFrame()
    rows = [
        {"system": name, "title": found.title(name)}
        | board.row(name, ["macro_f1"])
        | board.worst_gap(name, bases)
        for name in names
    ]
    made = pd.DataFrame(rows)
    return made.assign(p_holm=holm(made["p"])).sort_values("difference", ascending=False)


def protocols(found: Findings) -> pd.DataFrame:
    """Return macro-F1 and AUC of each system in both protocols: title, protocol, values, n.

    Only systems that ran in every protocol; prevalence differs between the two test sets.
    """
    run = [set(found.names(protocol)) for protocol in found.protocols]
    shared = [name for name in found.names() if all(name in names for names in run)]
    rows = []
    for protocol in found.protocols:
        board = found.board(protocol)
        for name in shared:
            row = {"system": name, "title": found.title(name), "protocol": PROTOCOLS[protocol]}
            row |= board.row(name, ["macro_f1", "f1", "auc"])
            rows.append(row | {"prevalence": board.prevalence, "articles": len(board.y)})
    return pd.DataFrame(rows)


def paper_against_ours(found: Findings) -> pd.DataFrame:
    """Return published rows with our counterpart beside each, for every data set one can supply.

    Columns data, system, setting, source, accuracy, f1, prevalence, majority, always_positive
    (printed, or implied), ours (title), ours_accuracy, ours_f1, ours_prevalence, at threshold .5,
    as the papers count; NaN where the data set was not run. TruBIAS: nothing is public.
    """
    board, run = found.board(), set(found.names())
    rows = published.checked()
    rows = rows[rows["key"] != ""]
    mine = [
        COUNTERPARTS[key] if data == found.collection and COUNTERPARTS[key] in run else ""
        for data, key in rows[["dataset", "key"]].itertuples(index=False)
    ]
    columns = ["system", "setting", "source", "accuracy", "f1", "prevalence", "majority",
               "always_positive"]  # fmt: skip
    made = rows[columns].copy()
    made.insert(0, "data", rows["dataset"].map(published.DATASETS))
    ours = [board.row(name, ["accuracy", "f1"], HALF) if name else {} for name in mine]
    ours += [board.row(OURS, ["accuracy", "f1"], HALF) if OURS in run else {}]
    titles = [found.title(name) if name in run else "" for name in (*mine, OURS)]
    trubias = {
        "data": published.DATASETS["nmb"], "system": "TruBIAS", "source": "the page",
        "setting": "announced; no model, weights, paper or code",
    }  # fmt: skip
    made = pd.concat([made, pd.DataFrame([trubias])], ignore_index=True)
    result = pd.DataFrame(ours, index=made.index).add_prefix("ours_")
    for column in ("accuracy", "f1"):
        if f"ours_{column}" not in result:
            result[[f"ours_{column}", f"ours_{column}_low", f"ours_{column}_high"]] = np.nan
    shares = [board.prevalence if title else np.nan for title in titles]
    return pd.concat([made, result], axis=1).assign(ours=titles, ours_prevalence=shares)


def searched(found: Findings) -> pd.DataFrame:
    """Return one row a network: title, its validation score by learning rate, the chosen rate.

    Empty where no rates were searched.
    """
    table = found.search
    if table.empty:
        return pd.DataFrame(columns=["title", "chosen"])
    wide = table.pivot(index="system", columns="lr", values="validation")
    wide.columns = [f"{rate:g}" for rate in wide.columns]
    chosen = table[table["chosen"]].set_index("system")["lr"].map("{:g}".format)
    wide = wide.reindex([name for name in found.systems["system"] if name in wide.index])
    wide.insert(0, "title", [found.title(name) for name in wide.index])
    return wide.assign(chosen=chosen).reset_index(drop=True)

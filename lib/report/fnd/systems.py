"""Sections on the systems: the tables, both modalities against one, claims, splits."""

from __future__ import annotations

import pandas as pd

from lib import tables
from lib.fnd import STORY
from lib.fnd.findings import (
    FND_CLIP,
    IMAGE,
    OURS,
    PROTOCOLS,
    TEXT,
    Findings,
    claims,
    planted,
    systems,
)
from lib.fnd.findings.board import HALF, TUNED
from lib.fnd.panels import slices as slice_panels
from lib.fnd.panels import systems as panels
from lib.report import html as shell
from lib.report.headline import Headline, judged, limits
from lib.report.html import Section
from lib.report.writer import Writer

TESTS = {"difference": 3, "p": tables.p_value, "p_holm": tables.p_value,
         "p_mcnemar": tables.p_value, "p_mcnemar_holm": tables.p_value}  # fmt: skip


SIMILARITIES = ("similarity_forest", "similarity_logistic")
ANSWERS = ["title", "prevalence", "macro_f1", "macro_f1_low", "macro_f1_high", "seeds_sd",
           *(f"{name}{suffix}" for name in ("f1", "precision", "recall", "accuracy")
             for suffix in ("", "_low", "_high"))]  # fmt: skip
SCORES = ["title", "uses", "prevalence", "auc", "auc_low", "auc_high", "ap", "ap_low", "ap_high",
          "ece", "threshold", "seeds", "articles"]  # fmt: skip


def overview(found: Findings, writer: Writer) -> Section:
    """Every system with every metric, and the paired tests."""
    lead = (
        "Every system answers the same test articles. Macro-F1 is the mean of the F1 of both "
        "classes, <i>f1</i> that of the positive class (fake-F1), ECE the expected calibration "
        "error. Always-Likely, the majority class and the outlet's name alone stand in the same "
        "table: with this share of Likely articles, a fake-F1 must be held against always-Likely's."
    )
    table = systems.table(found)
    half = systems.table(found, STORY, HALF)
    tested = systems.tests(found)
    blocks = [
        writer.figure(panels.overview(table, planted.ceiling(found)), "fnd_systems", "Macro-F1 "
                      "(thresholds chosen on validation articles) and AUC of every system",
                      table),
        writer.table(table[ANSWERS], "fnd_systems", "Answers of the systems, thresholds tuned on "
                     "validation for macro-F1; seeds sd: of macro-F1 over training seeds",
                     systems.FORMATS),
        shell.details("The same at threshold .5", writer.table(
            half[ANSWERS], "fnd_systems_half", "Answers at threshold .5", systems.FORMATS)),
        writer.table(table[SCORES], "fnd_scores", "Scores of the systems, which need no threshold; "
                     "ECE has no interval, for resampling adds to it", systems.FORMATS),
        writer.table(tested, "fnd_tests", "Second minus first in macro-F1 on the same articles: "
                     "paired bootstrap over stories; McNemar's exact test on the answers of most "
                     "seeds (only first, only second: articles that only one gets right)", TESTS),
        shell.details("What fills the towers", writer.table(
            found.systems[["title", "uses", "stand_ins"]], "fnd_stand_ins", "What each system "
            "reads, and which network stands in for the published one", {})),
    ]  # fmt: skip
    if len(rates := systems.searched(found)):
        blocks.append(shell.details("Learning rates", writer.table(
            rates, "fnd_search", "Score on validation articles by learning rate of the head, first "
            "seed; the best one is kept for all seeds", dict.fromkeys(rates.columns[1:-1], 3),
        )))  # fmt: skip
    return Section("systems", "Which system finds biased news?", lead, blocks)


def cross_modal(found: Findings, writer: Writer) -> Section:
    """Gains over one modality, ceilings, and what each system responds to."""
    lead = (
        "Reading text and picture together is worth something only if it beats the better of the "
        "two alone, on the same articles. Right of zero, with the whole interval, it does."
    )
    gains, limits = systems.cross_modal(found), planted.ceilings(found)
    blocks = []
    if len(gains):
        drawn = panels.differences(gains, "title", "macro-F1 minus the better of text and image "
                                   "alone, 95 % interval")  # fmt: skip
        blocks.append(writer.figure(drawn, "fnd_cross_modal", "What two modalities gain over "
                                    "the better one alone", gains))  # fmt: skip
        blocks.append(writer.table(gains.drop(columns="system"), "fnd_cross_modal", "Macro-F1, and "
                                   "the difference from the better of text and image alone; Holm "
                                   "over the table", {"macro_f1": 3} | TESTS))  # fmt: skip
    else:
        lead += " Here one of them could not be run: the data hold no pictures."
    if len(limits):
        lead += (
            " The corpus knows what its labels were drawn from, so it also knows what any "
            "classifier can reach, and whether a system has seen each of the planted signals."
        )
        seen = planted.responses(found)
        blocks += [
            writer.table(limits, "fnd_ceilings", "The most that each evidence allows on the test "
                         "articles", dict.fromkeys(("accuracy", "macro_f1", "auc", "prevalence"),
                                                   3)),
            writer.figure(slice_panels.responses(seen), "fnd_responses", "How well a system's "
                          "score tells apart what was planted; .5: it does not see it", seen),
        ]  # fmt: skip
    return Section("cross_modal", "Are two modalities better than one?", lead, blocks)


def hypotheses(found: Findings, checked: pd.DataFrame, writer: Writer) -> Section:
    """The claims of the page and the papers, with verdicts."""
    lead = (
        "The page that set this study off gives two pieces of advice: <i>normalisation helps</i>, "
        "and <i>concatenation tends to be the most reliable</i>. They, and what the papers claim, "
        "are asked here as paired differences. A claim <i>holds</i>, or is <i>contradicted</i>, "
        "only if the interval lies on one side of zero and p, adjusted by Holm over all claims, is "
        "below .05; a verdict is about this data set and these towers."
    )
    reliable = claims.reliability_of_fusions(found)
    blocks = []
    if len(checked):
        blocks += [
            writer.figure(panels.claims(checked), "fnd_claims", "Every claim as a difference in "
                          "macro-F1", checked),
            writer.table(checked, "fnd_claims", "Hypotheses and verdicts", TESTS),
        ]  # fmt: skip
    if len(reliable):
        blocks += [
            writer.figure(panels.fusions(reliable), "fnd_fusions", "The page's three fusions of "
                          "BERT and ResNet-34, with and without normalised features", reliable),
            writer.table(reliable, "fnd_fusions", "Reliable may mean good on average or every "
                         "time: mean with interval, spread over seeds, worst seed",
                         {"macro_f1": 3, "seeds_sd": 3, "worst_seed": 3, "prevalence": 3}),
        ]  # fmt: skip
    return Section("claims", "What the page and the papers claim", lead, blocks)


def splits(found: Findings, writer: Writer) -> Section:
    """Both protocols, and the leakage report."""
    lead = (
        "In the <i>story split</i> no story or near-duplicate is on both sides, but every outlet "
        "is. With <i>outlets held out</i> the test outlets have never been seen. What falls from "
        "the first to the second was knowledge of outlets. The leakage report was made before any "
        "training."
    )
    table = systems.protocols(found)
    blocks = []
    if table["protocol"].nunique() > 1:
        blocks += [
            writer.figure(panels.protocols(table), "fnd_protocols", "AUC in both protocols", table),
            writer.table(table.drop(columns="system"), "fnd_protocols", "Both protocols; the two "
                         "test sets have different articles and shares of Likely",
                         dict.fromkeys(("macro_f1", "f1", "auc", "prevalence"), 3)),
        ]  # fmt: skip
    if len(found.leakage):
        caption = "Leakage: baseline is what a clean split would give"
        shown = found.leakage.rename(columns={"low": "value_low", "high": "value_high"})
        formats = {"value": 3, "baseline": 3, "rows": tables.count}
        blocks.append(writer.table(shown, "fnd_leakage", caption, formats))
    return Section("splits", "Stories apart, outlets apart", lead, blocks)


def headline(found: Findings, checked: pd.DataFrame) -> Headline:
    """What the front page says of the study; checked: its table of claims."""
    both = _claimed(found, checked, (TEXT, IMAGE))
    alone = _claimed(found, checked, SIMILARITIES)
    sentence = "FND-CLIP, or one of the modalities alone, could not be run on these data."
    if len(both):
        sentence = f"FND-CLIP minus the better of text and image alone: {limits(both.iloc[0])}"
        if len(alone):
            sentence += f"; minus a classifier on their similarity alone: {limits(alone.iloc[0])}"
        sentence += " macro-F1."
    return Headline(
        _numbers(found),
        "FND-CLIP, which weighs text and picture by their agreement, beats either of them alone.",
        sentence,
        judged(both["verdict"], claims),
        "fnd_similarity",
    )


def _claimed(found: Findings, checked: pd.DataFrame, rivals: tuple[str, ...]) -> pd.DataFrame:
    """Rows of the claim that FND-CLIP beats each of `rivals`; none if not all of them were run."""
    texts = [c.claim for c in claims.claims(found) if (c.second, c.first) == (FND_CLIP, rivals)]
    title = found.title(FND_CLIP) if texts else ""
    return checked[checked["claim"].isin(texts) & (checked["second"] == title)]


def _numbers(found: Findings) -> list[tuple[str, str]]:
    """Headline numbers: (number, what it is)."""
    board = found.board()
    names = [name for name in (found.best_other, OURS) if name in board.scores]
    said = []
    for name in names:
        text = "the strongest published system here" if name != OURS else "our gated fusion"
        row = board.row(name, ["macro_f1"])
        said.append((_interval(row, "macro_f1"), f"macro-F1 of {text}, {found.title(name)}"))
    gains = systems.cross_modal(found)
    if len(gains) and names:
        mine = gains.set_index("system").loc[names[-1]]
        said.append((_interval(mine, "difference"), "its gain over the better of text and image "
                     "alone"))  # fmt: skip
    share = board.prevalence
    trivial = 2 * share / (1 + share)
    said.append((tables.number(trivial, 3), f"fake-F1 of calling everything Likely ({share:.0%} "
                 "are)"))  # fmt: skip
    return said


def _interval(row: dict | pd.Series, name: str) -> str:
    return tables.interval(row[name], row[f"{name}_low"], row[f"{name}_high"], 3)


def counts(found: Findings) -> str:
    """The test sets and seeds in one sentence."""
    parts = [f"{PROTOCOLS[p]} {len(found.board(p).y):,}" for p in found.protocols]
    share = found.board().prevalence
    return (
        f"Test articles: {', '.join(parts)}; {share:.1%} of the first are Likely. {found.seeds} "
        f"training seeds; thresholds are {TUNED} on validation articles for macro-F1 unless said "
        "otherwise. Intervals are 95 %; stories and near-duplicates are resampled together."
    )

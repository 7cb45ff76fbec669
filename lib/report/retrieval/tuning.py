"""The sections of the 2022 study: each writes its tables and figures and returns its HTML."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lib import tables
from lib.report import html as shell
from lib.report.html import Section
from lib.report.writer import Settings, Writer
from lib.retrieval import published
from lib.retrieval.findings import CRITERIA, Findings, label, slices, tuning
from lib.retrieval.findings.scores import METRICS
from lib.retrieval.panels import examples as sheets
from lib.retrieval.panels import tuning as panels

METRIC_FORMATS = dict.fromkeys(METRICS.values(), 3) | {
    f"{name} paper": 3 for name in published.METRICS
}
GAPS = {"difference": 3, "p": tables.p_value, "p_holm": tables.p_value}
ENDS = {"minus_zero_shot": 3, "minus_fine_tuned": 3, "minus_both": 3} | GAPS


def systems(found: Findings, writer: Writer) -> Section:
    """The paper's tables with ours, and the paired tests."""
    lead = (
        "Every query is a headline of the source's test set, every system ranks all of its images. "
        "WiSE-FT's α is chosen on validation queries by Recall@1, as in the paper. The corpus and "
        "the models differ, so the values need not agree with the printed ones; the order of the "
        "systems is what can be compared. Rows above <i>zero-shot</i> do not read the headline."
    )
    table = tuning.table_2022(found)
    tested = tuning.tests_2022(found)
    shown = tested.assign(first=tested["first"].map(label), second=tested["second"].map(label))
    printed, matched = published.table_2022(), slices.other_counts(found)
    matched = matched.assign(system=matched["system"].map(label))
    blocks = [
        writer.figure(panels.overview(table), "retrieval_systems", "MRR@100 of every system with "
                      "its 95 % interval; grey diamonds: the paper, same source", table),
        writer.table(table, "retrieval_2022", "Tables 1 to 3 of the paper's form: ours with "
                     "intervals, the printed value beside it (“paper”). Setting, seed by "
                     "seed: α; of image and text; α and β of LiNeS; weight of the tuned features; "
                     "size of the soup",
                     METRIC_FORMATS),
        writer.table(shown[shown["metric"] == "MRR"], "retrieval_2022_tests", "Second system "
                     "minus first, the same queries: paired bootstrap over groups, Holm over the "
                     "table", GAPS),
        shell.details("The same for every Recall", writer.table(
            shown, "retrieval_2022_tests_all", "Second system minus first; Holm over the tests of "
            "a metric", GAPS)),
        writer.table(matched, "retrieval_counts", "Counted otherwise: with the images of equal "
                     "headlines right too (MRR any; the organisers count only a query's own), and "
                     "without queries that have a near-duplicate outside the test set (MRR clean)",
                     {"MRR": 4, "MRR_any": 4, "MRR_clean": 4}),
        shell.details("Tables 1 to 3 as published", writer.table(
            printed, "retrieval_2022_paper", "2022, Tables 1 to 3 as published",
            {"alpha": 1, "MRR": 3}, published=True)),
    ]  # fmt: skip
    return Section("systems_2022", "Is fine-tuning worth it, and does WiSE-FT add to it?", lead,
                   blocks)  # fmt: skip


def alpha(found: Findings, writer: Writer) -> Section:
    """Curves along alpha, and what the choice costs."""
    lead = (
        "WiSE-FT takes every weight a part α of the way from the zero-shot to the fine-tuned "
        "model. The curves show what each α gives; the marks, what the validation queries chose, "
        "one a training seed. <i>Regret</i> is what the choice loses against the best setting on "
        "test, which nobody knows beforehand."
    )
    curve, costs = tuning.alpha_curve(found), tuning.regret(found)
    summary = tuning.regret_summary(costs)
    summary = summary.assign(system=summary["system"].map(label))
    drawn = panels.alpha_curves(curve, found.selections)
    blocks = [
        writer.figure(drawn, "retrieval_alpha", "MRR@100 along α: the source's own test and "
                      "validation queries, and the mean of the other sets", curve),
        writer.table(summary[summary["metric"] == "MRR"].drop(columns="metric"),
                     "retrieval_regret", "Regret of the choice on validation, in MRR: mean and "
                     "largest over seeds, by criterion; chosen, best: settings of the seeds",
                     {"value": 3, "value_best": 3, "regret": 4, "largest": 4}),
        shell.details("Regret by seed, in MRR and in Recall@1", writer.table(
            costs, "retrieval_regret_seeds", "Regret by seed", {"regret": 4})),
    ]  # fmt: skip
    return Section("alpha", "How far along the way?", lead, blocks)


def forgetting(found: Findings, writer: Writer) -> Section:
    """Frontier, and the test against both ends."""
    lead = (
        "What fine-tuning on one source costs on the others. Up is better on the source itself, "
        "right is better elsewhere. Beyond WiSE-FT: an α for each tower, an α that grows with "
        "depth (LiNeS), a greedy soup of epochs and seeds, and the mean of the two models' "
        "<i>features</i>, the control that mixes no weights. In the second figure a system right "
        "of zero beats both zero-shot and fine-tuned."
    )
    table, ends = tuning.frontier(found), tuning.against_ends(found)
    shown = ends.assign(system=ends["system"].map(label)).drop(columns="system_name")
    blocks = []
    if len(table):
        drawn = panels.frontier(table)
        blocks.append(writer.figure(drawn, "retrieval_frontier", "Gained on the source, kept on "
                                    "the other sets (MRR@100, mean)", table))  # fmt: skip
    blocks += [
        writer.figure(panels.both_ends(ends), "retrieval_both_ends", "MRR@100 minus that of the "
                      "better end, by set; 95 % intervals", ends),
        writer.table(_best(shown), "retrieval_both_ends_best", "The system that does best against "
                     "the better end, by source and set; p: of that difference, Holm over all "
                     "systems, sources and sets", ENDS),
        shell.details("Every system", writer.table(
            shown, "retrieval_both_ends", "Every system against both ends", ENDS)),
    ]  # fmt: skip
    return Section("forgetting", "What is forgotten, and can one have both?", lead, blocks)


def _best(table: pd.DataFrame) -> pd.DataFrame:
    """The row of the largest minus_both of each source and set."""
    rows = table.groupby(["tuned", "set"], sort=False)["minus_both"].idxmax()
    return table.loc[rows].reset_index(drop=True)


def moves(found: Findings, writer: Writer, settings: Settings, root: Path | None) -> Section:
    """Table 4 with counts, and single queries."""
    lead = (
        "The paper's Table 4 gives the mean rank gained and lost from fine-tuning to WiSE-FT, but "
        "not how many queries gain and lose; in all three of its sets the mean loss is larger "
        "although MRR rises. With the counts both can be true. Like the paper's, the rows "
        "<i>improved</i> look only at queries that fine-tuning had improved, a filter that favours "
        "losses; <i>all</i> is without it."
    )
    blocks = [writer.table(
        tuning.table_4(found), "retrieval_table4", "Table 4 with its counts (means over seeds), "
        "ranks within the first 100; entered, left: images that cross rank 100",
        tuning.TABLE_4_FORMATS,
    )]  # fmt: skip
    for source in found.tuned:
        picked = slices.examples(found, source, max(1, settings.sheet // 4))
        if root is None or picked.empty:
            continue
        shown = found.sample or settings.show_content
        fig = sheets.sheet(found, source, picked, root, shown)
        credit = (
            " Drawings: OpenMoji, CC BY-SA 4.0, and Twemoji, CC BY 4.0." if found.sample else ""
        )
        counts = picked["example"].value_counts(sort=False)
        kinds = ", then ".join(f"{count} {kind}" for kind, count in counts.items())
        titles = picked["query"].map(found.pairs.set_index("id")["text"])
        caption = (f"{source}: {kinds}. Left: the headline and its image; then what each system "
                   f"puts first, green if right.{credit}")  # fmt: skip
        name = f"retrieval_examples_{source.replace('-', '_')}"
        blocks.append(writer.figure(fig, name, caption, picked.assign(text=titles), ("png",), ""))
    return Section("moves", "Single queries: spoilt, mended, and the reverse", lead, blocks)


def planted(found: Findings, writer: Writer, root: Path | None) -> Section | None:
    """What a sample corpus planted, and whether the systems found it; None for a real one."""
    ties, meaning = slices.planted(root) if root is not None else ({}, {})
    if not ties:
        return None
    lead = (
        "The corpus knows what ties each headline to its picture, so it can be asked whether "
        "fine-tuning learnt what there was to learn: names and words of the house, which the "
        "encoders have never seen. The ceiling is the best expected score of a ranking that "
        "understands every headline perfectly."
    )
    table = slices.by_kind(found, ties)
    shown = table.assign(system=table["system"].map(label)).rename(columns={
        "kind": "tie", "value": "MRR", "low": "MRR_low", "high": "MRR_high"})  # fmt: skip
    meanings = pd.DataFrame(meaning.items(), columns=["tie", "meaning"])
    best = slices.ceilings(found, root)
    blocks = [
        writer.figure(panels.gains(table, list(meaning)), "retrieval_ties", "MRR@100 gained over "
                      "zero-shot, by what ties headline and picture", table),
        writer.table(meanings, "retrieval_ties_meaning", "What the ties mean", {}),
        writer.table(best, "retrieval_ceilings", "What a headline allows at best (MRR@100; without "
                     "names: names and house words not understood), and the best system",
                     {"ceiling": 3, "without_names": 3, "MRR": 3}),
        shell.details("MRR by tie", writer.table(
            shown, "retrieval_ties", "MRR@100 by tie; gain: minus zero-shot",
            {"MRR": 3, "gain": 3})),
    ]  # fmt: skip
    return Section("planted", "Did the systems find what was planted?", lead, blocks)


def over_time(found: Findings, writer: Writer) -> Section:
    """MRR by distance in time, and by kind of image."""
    lead = (
        "News drift. If a model had over-adapted to the weeks it was trained on, its lead over "
        "zero-shot would melt with the distance from them. And CLIP knows what a bridge looks "
        "like, but not every deputy: headlines on persons are set against those on scenes."
    )
    table, kinds = slices.by_time(found), slices.by_kind(found)
    blocks = []
    if len(table):
        blocks.append(writer.figure(panels.by_time(table), "retrieval_time", "MRR@100 by days "
                      "between the source's last training pair and the query", table))  # fmt: skip
    else:
        lead += " No set here has dates on both sides."
    if len(kinds):
        shown = kinds.assign(system=kinds["system"].map(label)).rename(columns={
            "value": "MRR", "low": "MRR_low", "high": "MRR_high"})  # fmt: skip
        blocks += [
            writer.figure(panels.kinds(kinds), "retrieval_kinds", "MRR@100 on persons and on "
                          "scenes", kinds),
            writer.table(shown, "retrieval_kinds", "Persons and scenes; gain: minus zero-shot on "
                         "the same queries", {"MRR": 3, "gain": 3}),
        ]  # fmt: skip
    else:
        lead += " Which headlines are on persons is not known here."
    return Section("time", "Over time; persons and scenes", lead, blocks)


def chosen_note(found: Findings) -> str:
    """Alphas that validation chose by the paper's criterion, as one sentence."""
    picks = found.selections
    picks = picks[(picks["criterion"] == CRITERIA[0]) & (picks["system"] == "wise_ft")]
    parts = [
        f"{name} {tables.number(part['alpha'].mean(), 2)}"
        for name, part in picks.groupby("tuned", sort=False)
    ]
    return ", ".join(parts)

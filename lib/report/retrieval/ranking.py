"""The sections of the 2023 study, and those of both: claims, errors in print, limits."""

from __future__ import annotations

import pandas as pd

from lib import tables
from lib.report import html as shell
from lib.report.html import Section
from lib.report.retrieval.tuning import GAPS, METRIC_FORMATS
from lib.report.writer import Writer
from lib.retrieval import published
from lib.retrieval.findings import ZERO_SHOT, Findings, claims, label, ranking
from lib.retrieval.hubs import METHODS
from lib.retrieval.panels import ranking as panels

HUBS = {"temperature": lambda t: "–" if pd.isna(t) else f"{t:g}", "skewness": 2}


def runs(found: Findings, writer: Writer) -> Section:
    """The five runs on the four sets."""
    lead = (
        "Five runs: (1) the larger model with dual softmax, (2) the smaller, (3) the same with "
        "dual softmax, (4) its text tower fine-tuned on external news, (5) the same with dual "
        "softmax. All score with the mean of title and paraphrase. The paper prints no "
        "temperature: runs with dual softmax appear at more than one. <i>internal</i> is the "
        "union of the 2022 train sets, the paper's own test bench."
    )
    table = ranking.table_2023(found)
    if table.empty:
        return Section("runs_2023", "The five runs of 2023", lead + " No run was made here.")
    steps = ranking.steps_2023(found)
    blocks = [
        writer.figure(panels.runs(table), "retrieval_runs", "MRR@100 of the five runs; grey "
                      "diamonds: the paper", table),
        writer.table(table, "retrieval_2023", "Table 1 of the paper's form: ours with intervals, "
                     "the printed value beside it (“paper”)", METRIC_FORMATS),
        writer.table(steps, "retrieval_2023_steps", "Second run minus first, the same queries: "
                     "paired bootstrap over groups, Holm over the table", GAPS | HUBS_T),
        shell.details("Table 1 as published, and other teams of 2023",
            writer.table(published.table_2023(), "retrieval_2023_paper", "2023, Table 1 as "
                         "published", dict.fromkeys(published.METRICS, 5), published=True)
            + writer.table(published.others_2023(), "retrieval_2023_others", "Other teams",
                           {"R@100": 5, "MRR": 5}, published=True)),
    ]  # fmt: skip
    return Section("runs_2023", "The five runs of 2023", lead, blocks)


HUBS_T = {"temperature": HUBS["temperature"]}


def paraphrases(found: Findings, writer: Writer) -> Section:
    """Title and paraphrase joined in four ways."""
    lead = (
        "Every title has one paraphrase. The paper averages the two similarities in every run and "
        "does not say what that gains. Compared here with the title alone: their mean, the larger "
        "of the two, and the mean of the two texts' features."
    )
    table = ranking.aggregation(found)
    if table.empty:
        return Section("paraphrase", "Does the paraphrase help?", lead + " Not measured here.")
    shown = table.assign(
        system=table["system"].map(label), aggregation=table["aggregation"].str.replace("_", " ")
    ).drop(columns="tuned")
    blocks = [
        writer.figure(panels.aggregation(table), "retrieval_aggregation", "MRR@100 minus that of "
                      "the title alone, cosine ranking", table),
        writer.table(shown, "retrieval_aggregation", "Title and paraphrase; difference: MRR minus "
                     "the title's", METRIC_FORMATS | GAPS),
    ]  # fmt: skip
    return Section("paraphrase", "Does the paraphrase help?", lead, blocks)


def hubness(found: Findings, writer: Writer) -> Section:
    """Methods, temperatures and banks; the k-occurrence before and after."""
    lead = (
        "In many dimensions a few images are near to everything: hubs. Each method takes a bias "
        "off every image: <i>dual softmax</i> is half an inverted softmax, exactly. "
        "<i>Transductive</i> computes the bias from the test queries themselves, which uses the "
        "whole test set and the knowledge that each image has one headline; <i>inductive</i> from "
        "training queries, which is what a newsroom could do. Skewness of the k-occurrence is 0 "
        "without hubs."
    )
    whole = ranking.corrections(found)
    if whole.empty:
        return Section("hubness", "Hubs, and what it gains to correct them", lead + " Not made.")
    table = ranking.of_main(found, whole)
    curves = ranking.occurrence(found, table)
    named = whole.assign(
        system=whole["system"].map(label), method=whole["method"].map(lambda m: METHODS[m].label)
    )
    best = ranking.best_corrections(named)
    main = best["encoder"].eq(found.main_2023) & best["system"].eq(label(ZERO_SHOT))
    formats = METRIC_FORMATS | GAPS | HUBS
    blocks = [
        writer.figure(panels.corrections(table), "retrieval_corrections", "MRR@100 minus plain "
                      "cosine's by method and temperature; band: 95 % interval of the transductive "
                      "difference, same queries", table),
        writer.figure(panels.corrections(table, "skewness"), "retrieval_skewness", "Skewness of "
                      "the k-occurrence (k = 10) by method and temperature", table),
        writer.figure(panels.occurrence(curves), "retrieval_occurrence", "How often an image is "
                      "among the first ten, before and after dual softmax (transductive, the "
                      "temperature of least skewness)", curves),
        writer.table(best[main], "retrieval_corrections_best", "Each method at the "
                     "temperature of most MRR on the set itself, an upper bound of what a choice "
                     "could reach", formats),
        shell.details("The same for every model", writer.table(
            best, "retrieval_corrections_models", "Each method at the temperature of most MRR",
            formats)),
        shell.details("Every method, temperature and bank", writer.table(
            named, "retrieval_corrections", "Against plain cosine; Holm within a set and model",
            formats)),
    ]  # fmt: skip
    return Section("hubness", "Hubs, and what it gains to correct them", lead, blocks)


def verdicts(checked: pd.DataFrame, writer: Writer) -> Section:
    """The claims of both papers (`claims.check`)."""
    lead = (
        "Each claim as one paired difference on the data at hand. <i>Holds</i> and "
        "<i>contradicted</i> mean that the interval lies on one side of zero and that p, adjusted "
        "over the claims of the paper, is below .05; everything else is <i>not shown</i>. "
        "<i>printed</i> is the same difference in the paper's table."
    )
    table = checked.sort_values(["paper", "claim"], kind="stable")
    counts = table.groupby(["paper", "claim", "verdict"], sort=False).size().unstack(fill_value=0)
    counts = counts.reindex(columns=[claims.HOLDS, claims.FAILS, claims.OPEN], fill_value=0)
    formats = GAPS | {"printed": 3}
    return Section("claims", "What the papers claim", lead, [
        writer.table(counts.reset_index(), "retrieval_claims", "Claims: sets on which each holds, "
                     "is contradicted, or is not shown", {}),
        writer.table(table, "retrieval_claims_sets", "Claims set by set", formats),
    ])  # fmt: skip


def errors(writer: Writer) -> Section:
    """What the papers' own tables contradict, and which printed differences are noise."""
    lead = (
        "From the print alone, whatever the data here. Recalls are counts over the number of "
        "articles, so a paired test can be bounded without the rankings: <i>within noise</i> means "
        "that no paired test could have found a difference, <i>beyond noise</i> that even a test "
        "that wrongly took the runs as independent does, <i>undecided</i> that it takes the "
        "rankings."
    )
    compared = claims.printed_differences()
    counts = compared.groupby(["first", "second", "verdict"], sort=False).size()
    said = published.statements()
    said = said.assign(holds=said["holds"].map({True: "yes", False: "no"}))
    formats = {"difference": 5, "articles": tables.count, "p_unpaired": tables.p_value,
               "p_best": tables.p_value, "most_changed": tables.count}  # fmt: skip
    return Section("errors", "What the papers got wrong", lead, [
        writer.table(said, "retrieval_statements", "Sentences of the papers against their own "
                     "tables", {}, published=True),
        writer.table(counts.unstack(fill_value=0).reset_index(), "retrieval_noise_counts",
                     "Printed differences of 2023 by what the print allows to say (20 metrics a "
                     "pair of runs)", {}, published=True),
        shell.details("Every printed difference", writer.table(
            compared, "retrieval_noise", "Second run minus first as printed; most changed: "
            "a paired test finds it only if fewer articles than this changed sides", formats,
            published=True)),
    ])  # fmt: skip


def limits(found: Findings) -> Section:
    """What the numbers do not say."""
    items = [
        "One image counts as right for a headline. News reuse pictures; another may serve as well.",
        "Two headlines of the same words cannot both find their own image; the organisers count "
        "them so, and so do we.",
        "Intervals cover the draw of queries (groups whole), with the seeds averaged. They do not "
        "cover the choice of the validation set.",
        "Transductive rankings know all test headlines, and gain from each image having exactly "
        "one. A search engine has neither.",
        "The 2022 paper does not give learning rate, epochs, or the text fields used; the 2023 "
        "paper gives neither the temperature nor the paraphraser.",
    ]
    if found.sample:
        items.insert(0, "These are headlines and pictures of a sample corpus, composed of "
                     "pictograms, seen by small stand-in encoders. They show that the methods find "
                     "what was planted, not how CLIP does on the news.")  # fmt: skip
    listed = "".join(f"<li>{item}</li>" for item in items)
    source = "Every number is computed from <code>queries.parquet</code> and its companions."
    return Section("limits", "Limits", source, [f"<ul>{listed}</ul>"])

"""The sections of scores: all systems, the paper's tables, curves, claims, thresholds, sweeps."""

from __future__ import annotations

import pandas as pd

from lib import tables
from lib.memes import TRIVIAL, published
from lib.memes.findings import Findings, Key, benchmark
from lib.memes.panels import scores as panels
from lib.report import html as shell
from lib.report.html import Section
from lib.report.writer import Writer

RATIO = {"ratio": lambda ratio: f"{ratio:g}"}
SCORES = dict.fromkeys(("task_b", "task_b_tuned", "auc", "task_a", "task_a_tuned"), 3)
P = dict.fromkeys(
    ("p", "p_holm", "task_b_p", "task_b_p_holm", "auc_p", "auc_p_holm"), tables.p_value
)
DIFFERENCE = {"difference": 3} | P
FLAG = (
    " <i>Collapse</i> names systems that gave every test meme the same answer, and in how many "
    "seeds: such a score says nothing about what was learnt."
)


def systems(found: Findings, writer: Writer) -> Section:
    """Every system."""
    table = benchmark.systems(found)
    lead = (
        "Every system at every share of labels: official task B (mean of each type's macro F1, "
        "weighted by its positives) at .5 and at the thresholds best on validation memes side by "
        "side, macro AUC over the four types, and task A where misogynous is predicted. Limits: "
        "test memes resampled in near-duplicate groups, and seeds." + FLAG
    )
    least = found.ratios[-1]
    gaps = benchmark.against(found)
    blocks = [
        writer.figure(
            panels.thresholds(table, least, trivial(found, least)["all_negative"]),
            "memes_thresholds",
            "Task B at .5 and at validation's thresholds, the fewest labels",
            table[table["ratio"] == least],
        ),
        writer.table(table, "memes_systems", "All systems", SCORES | RATIO),
        shell.details(
            "Each system minus RAW-N-COOK",
            writer.table(
                gaps,
                "memes_against",
                "Same memes, paired; Holm over the systems of a ratio",
                {"task_b": 3, "auc": 3} | P | RATIO,
            ),
        ),
    ]
    return Section("systems", "All systems", lead, blocks)


def paper_tables(found: Findings, writer: Writer) -> Section:
    """Tables 3 and 4 beside both printed versions."""
    table = benchmark.paper_tables(found)
    lead = (
        "Tables 3 and 4 of the thesis: the eight methods, one seed each. Here: ten seeds of "
        "RAW-N-COOK and CMML-CLIP, three of the others. Thesis and paper print different numbers "
        "for the same table. They are of MAMI, ours of what was run: they can be compared only "
        "where that is MAMI too." + FLAG
    )
    lines = {"all negative": trivial(found, found.ratios[0])["all_negative"]}
    known = published.versions().assign(system=lambda t: t["system"].map(found.label))
    blocks = [
        writer.figure(
            panels.benchmark(table, lines),
            "memes_benchmark",
            "Tables 3 and 4: dots ours, diamonds the thesis",
            table,
        ),
        writer.table(
            table,
            "memes_table3",
            "Tables 3 and 4",
            SCORES | RATIO | dict.fromkeys(("thesis_f1", "paper_f1", "thesis_auc"), 4),
        ),
        shell.details(
            "Both printed versions",
            writer.table(
                known,
                "memes_versions",
                "Task B on the test set as the thesis and as the paper print it",
                dict.fromkeys(("thesis", "paper", "difference"), 4) | RATIO,
                published=True,
            ),
        ),
        shell.details(
            "Results of others, with all labels",
            writer.table(published.others(), "memes_others", "MAMI's test set", {}, published=True),
        ),
    ]
    return Section("paper", "The paper's tables", lead, blocks)


def curves(found: Findings, writer: Writer) -> Section:
    """Figures 22 and 23."""
    table = benchmark.curves(found)
    lead = (
        "Figures 22 and 23 of the thesis: scores on validation memes after each epoch. The last "
        "epoch counts, as in the released code. Only TIB-VA, as its authors released it, keeps its "
        "best epoch by a label of the validation memes (macro F1 of misogynous); no other system "
        "chooses by them."
    )
    captions = {"auc": "Figure 22: macro AUC", "task_b": "Figure 23: task B at .5"}
    blocks = [
        writer.figure(
            panels.curves(table, name),
            f"memes_curves_{name}",
            f"{caption}, validation; bands span the seeds",
            table[table["measure"] == name],
        )
        for name, caption in captions.items()
    ]
    return Section("curves", "Training, epoch by epoch", lead, blocks)


def verdicts(found: Findings, checked: pd.DataFrame, writer: Writer) -> Section:
    """The paper's two claims (`claims.check`), Table 5, other draws."""
    lead = (
        "The paper claims that the auto-encoder helps and that the distribution-balanced loss "
        "helps, each from one seed and one test set. Here each is a paired difference over all "
        f"seeds, of task B at .5. Verdicts of the {len(checked)} comparisons: {tally(checked)}."
        + FLAG
    )
    blocks = [
        writer.figure(
            panels.claims(checked),
            "memes_claims",
            "Task B with the part minus without it; diamonds: the thesis",
            checked,
        ),
        writer.table(
            checked,
            "memes_claims",
            "The claims; p and verdict of task B, Holm over the table",
            DIFFERENCE | {"printed": 4, "auc": 3} | RATIO,
        ),
        writer.table(
            benchmark.ablation(found),
            "memes_table5",
            "Table 5 at every ratio",
            SCORES | {"thesis_f1": 4} | RATIO,
        ),
    ]
    drawn = benchmark.other_draws(found)
    if len(drawn):
        blocks += [
            writer.figure(
                panels.draws(drawn),
                "memes_draws",
                "The same four systems on other draws of the labelled memes",
                drawn,
            ),
            shell.details(
                "Other draws as a table",
                writer.table(
                    drawn, "memes_draws", "Draw: seed that chose the labelled memes", SCORES | RATIO
                ),
            ),
        ]
    return Section("claims", "Do the paper's claims hold?", lead, blocks)


def sweeps(found: Findings, writer: Writer) -> Section | None:
    """The two gammas."""
    table = benchmark.sweeps(found)
    if table.empty:
        return None
    lead = (
        "Two numbers bear the letter gamma. Table 2 tunes the step gamma, the factor on the "
        "learning rate after each epoch; the loss has a focal gamma." + FLAG
    )
    blocks = [
        writer.figure(panels.sweeps(table), "memes_sweeps", "Task B at .5 by gamma", table),
        shell.details(
            "As a table",
            writer.table(
                table, "memes_sweeps", "The sweeps of gamma", SCORES | RATIO | {"value": 2}
            ),
        ),
    ]
    return Section("gamma", "The two gammas", lead, blocks)


def ceilings(found: Findings, writer: Writer) -> Section | None:
    """What the sample allows."""
    table = benchmark.ceilings(found)
    if table.empty:
        return None
    lead = (
        "The sample corpus knows how its labels came about, so it knows the best score that a rule "
        "learnt from its training memes can expect from the text, the picture, or both. Most types "
        "need both: neither ceiling alone reaches theirs." + FLAG
    )
    block = writer.table(
        table,
        "memes_ceilings",
        "Ceilings by evidence, and a system that sees it (the best on test memes where several do)",
        SCORES | RATIO | {"task_b ceiling": 3, "auc ceiling": 3},
    )
    return Section("ceilings", "How much can be known?", lead, [block])


def errors(writer: Writer) -> Section:
    """What the printed numbers say against the text."""
    table = published.statements()
    wrong = int((~table["holds"]).sum())
    lead = (
        f"Recomputed from what is printed, without any data: {wrong} of {len(table)} statements "
        "do not hold. A score of .4139 on MAMI's test set is what giving no label at all gets."
    )
    shown = table.assign(holds=table["holds"].map({True: "yes", False: "no"}))
    trivials = pd.DataFrame(published.trivial_scores().items(), columns=["system", "task_b"])
    trivials["collapse"] = ["all negative", "all positive", ""]
    blocks = [
        writer.table(
            shown,
            "memes_errors",
            "Statements and arithmetic",
            dict.fromkeys(("printed", "recomputed"), published.shown),
            published=True,
        ),
        writer.table(
            trivials,
            "memes_trivial",
            "Task B on MAMI's test set of systems that look at nothing, from its label counts",
            {"task_b": 4},
            published=True,
        ),
    ]
    return Section("errors", "What the paper got wrong", lead, blocks)


def tally(table: pd.DataFrame) -> str:
    """How often each verdict of a table was given, such as "holds: 2, not shown: 4"."""
    return ", ".join(f"{name}: {count}" for name, count in table["verdict"].value_counts().items())


def trivial(found: Findings, ratio: float) -> dict[str, float]:
    """Task B of the systems that look at nothing, by name."""
    return {name: float(found.measured(Key(name, "", ratio)).value[0]) for name in TRIVIAL}

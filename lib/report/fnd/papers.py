"""Sections on the print: paper against ours, what does not add up, limits."""

from __future__ import annotations

from lib import tables
from lib.fnd import published
from lib.fnd.findings import OURS, Findings, systems
from lib.report import html as shell
from lib.report.html import Section
from lib.report.writer import Writer

PRINTED = dict.fromkeys(
    ("accuracy", "precision", "recall", "f1", "real_precision", "real_recall", "real_f1",
     "f1_recomputed", "prevalence", "majority", "always_positive"), 3,
)  # fmt: skip
OURS_FORMATS = PRINTED | {"ours_accuracy": 3, "ours_f1": 3, "ours_prevalence": 3}


def against_ours(found: Findings, writer: Writer) -> Section:
    """Published rows with our counterpart, for every data set that a reader can supply."""
    lead = (
        "Each published system we rebuilt, by the data sets it was reported on. <i>prevalence</i> "
        "is the share of positives of the published test set: from its class counts, or computed "
        "from accuracy, precision and recall, which fix it. A fake-F1 below <i>always positive</i> "
        "is worse than no classifier. Ours are at threshold .5, as the papers count."
    )
    if found.sample:
        lead += (
            " Here only the sample corpus was run: its values stand beside those of NMB+ and "
            "<b>cannot be compared</b> with them."
        )
    lead += (
        " A data set is filled in by putting it in place (<code>data.weibo.root</code>, "
        "<code>data.fakenewsnet.root</code>). For TruBIAS nothing is public, no model, weights, "
        "paper or code; our own strongest system stands in its row."
    )
    table = systems.paper_against_ours(found)
    return Section("papers", "Paper against ours", lead, [
        writer.table(table, "fnd_papers", "Published values, what they imply, and ours at "
                     "threshold .5 (F1 of the positive class)", OURS_FORMATS),
    ])  # fmt: skip


def trubias(found: Findings, writer: Writer) -> Section:
    """Our own system against the published ones; what stands in TruBIAS' row."""
    board, names = found.board(), found.names()
    if OURS not in names:
        return Section("ours", "Ours", "It could not be run on these data.")
    rivals = [name for name in ("fnd_clip", found.best_other) if name in names]
    gap = board.gap(OURS, rivals[0]) if rivals else None
    lead = (
        "Gated fusion over features, their similarity and their interaction; three networks a "
        "seed, averaged; calibrated by one temperature on validation articles. "
    )
    if gap:
        inside = gap["difference_low"] <= 0 <= gap["difference_high"]
        verdict = "so the two cannot be told apart" if inside else (
            "so it is better" if gap["difference"] > 0 else "so it is worse")  # fmt: skip
        value = tables.interval(gap["difference"], gap["difference_low"], gap["difference_high"], 3)
        lead += f"Against FND-CLIP it differs by {value} macro-F1, {verdict}."
    rows = systems.table(found)
    shown = rows[rows["system"].isin([OURS, *rivals, "majority", "always_positive"])]
    columns = ["title", "prevalence", *(f"{name}{limit}" for name in ("macro_f1", "f1", "accuracy",
               "auc") for limit in ("", "_low", "_high")), "ece"]  # fmt: skip
    return Section("ours", "Our own strongest system", lead, [
        writer.table(shown[columns], "fnd_ours", "Ours, FND-CLIP, the "
                     "strongest published system here, and trivial rules", systems.FORMATS),
    ])  # fmt: skip


def errors(writer: Writer) -> Section:
    """What the papers and cards got wrong."""
    lead = (
        "Metrics of one confusion matrix constrain each other, and much of what is printed breaks "
        "these constraints. <code>lib/fnd/data</code> holds every printed number; the right-hand "
        "columns are computed from them. Values marked as recalled were taken from the literature "
        "without seeing their print."
    )
    wrong, rows = published.inconsistencies(), published.checked()
    return Section("errors", "What the papers got wrong", lead, [
        writer.table(wrong, "fnd_inconsistencies", "Printed against recomputed", {},
                     published=True),
        shell.details("Every published row", writer.table(
            rows.drop(columns="key"), "fnd_published", "Published values; prevalence, majority "
            "and always positive recomputed", PRINTED, published=True)),
    ])  # fmt: skip


def limits(found: Findings) -> Section:
    """What the numbers do not say."""
    items = [
        "“Likely” is what language models said of the first paragraph and picture, checked by "
        "people in part. It is not whether an article is true.",
        "Intervals cover the draw of articles, stories whole, with seeds averaged. They do not "
        "cover the choice of validation set and hyper-parameters.",
        "Towers are frozen unless the settings let their last blocks learn; published systems that "
        "tune them whole may gain.",
        "Epochs, learning rate, loss weight and margin of the page's notebook are not public; ours "
        "are in the settings.",
        "A headline and a picture that fit each other can both be false.",
    ]
    if found.sample:
        items.insert(0, "These are articles of a sample corpus, made up, with pictures composed "
                     "of pictograms and small stand-in towers. They show that the methods find "
                     "what was planted, not how they do on the news.")  # fmt: skip
    if len(found.search):
        rates = ", ".join(f"{rate:g}" for rate in sorted(found.search["lr"].unique()))
        items.append(f"Of all hyper-parameters only the learning rate was searched: {rates}, with "
                     "one seed, on validation articles, alike for every network listed under "
                     "“Learning rates”. All others were set by hand.")  # fmt: skip
    listed = "".join(f"<li>{item}</li>" for item in items)
    source = "Every number is computed from <code>predictions.parquet</code> and its companions."
    return Section("limits", "Limits", source, [f"<ul>{listed}</ul>"])

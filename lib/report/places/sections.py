"""The sections of the Places page: each writes its tables and figures and returns its HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lib import tables
from lib.places import labels, published, selective
from lib.places.study import contrasts, panels
from lib.report import html as shell
from lib.report import places
from lib.report.html import Section
from lib.report.places import Study
from lib.report.writer import Settings, Writer

BASE = {"auroc": 2, "aurc": 2, "ece": 2}
SYSTEMS = BASE | {"accuracy": 2, "accuracy_on_places": 2, "precision": 2, "coverage": 2}
GAPS = {"difference": 3, "h": 2, "helped": tables.count, "harmed": tables.count}
P_VALUES = {"p": tables.p_value, "p_holm": tables.p_value, "p_mcnemar": tables.p_value}
CURVES = ("image", "image_calibrated", "image_reject", "caption", "ensemble_cv", "log_pool_cv")
CHOSEN = {"threshold": 1, "precision": 2}
CEILINGS = (
    "What the corpus allows at best, as planted (accuracy against the gold labels of a rule that "
    "sees the evidence perfectly), and the best system that sees no more"
)
RATES = {"threshold": 1, "hit_rate": 4, "error_rate": 4, "ratio": 4, "precision": 2}


def systems(study: Study, writer: Writer, ceilings: dict) -> Section:
    """All systems, tests against the picture alone, and what a sample corpus allows at best."""
    lead = (
        "Accuracy counts a post of no place as right only if the system says so; <i>on places</i> "
        "leaves those posts out. Coverage and precision are at a confidence of .5. Rows of kind "
        "<i>trivial</i> look at neither picture nor caption. Click a heading to sort."
    )
    table = places.systems_table(study).sort_values("accuracy", ascending=False, kind="stable")
    main = table[table["variant"].isin([study.main, ""])].drop(columns="variant")
    gaps = places.against_image(study)
    blocks = [
        writer.table(main, "systems", f"Every system, {study.main}, and trivial rules", SYSTEMS),
        writer.table(
            gaps, "against_image", f"Accuracy minus that of the picture alone, {study.main}: "
            "paired cluster bootstrap, Holm over the rows; McNemar's exact p beside it",
            GAPS | P_VALUES,
        ),
        shell.details("Every encoder and prompt set", writer.table(
            table, "systems_all", "Every system, encoder and prompt set", SYSTEMS)),
    ]  # fmt: skip
    if ceilings:
        best = places.ceiling_table(study, ceilings)
        blocks.insert(2, writer.table(best, "ceilings", CEILINGS, SYSTEMS | {"ceiling": 2}))
    return Section("systems", "Which system is right most often?", lead, blocks)


def table1(study: Study, writer: Writer) -> Section:
    """Shares classified."""
    lead = (
        "The share of posts whose best label reaches a threshold, with Wilson intervals. The "
        "corpus and the models differ from the paper's, so the values need not agree; the order "
        "of the prompt sets is what can be compared."
    )
    table = places.table1(study)
    drawn = table.rename(columns={"share_low": "low", "share_high": "high"})
    names = ["variant", "threshold", "n", "classified", "share", "share_low", "share_high", "paper"]
    caption = f"Table 1: share of the first {int(table['n'].max()):,} posts classified"
    blocks = [
        writer.figure(panels.classified(drawn), "classified", caption, table),
        shell.details("Table 1", writer.table(table[names], "table1", caption,
                      {"threshold": 1, "share": 3, "paper": 3})),
    ]  # fmt: skip
    return Section("table1", "How many posts get an answer?", lead, blocks)


def table2(study: Study, writer: Writer) -> Section:
    """Precision of the most frequent answers."""
    lead = (
        f"Up to {study.settings.per_class} posts of each of the {study.settings.classes} most "
        "frequent answers, judged by the annotators' files or, where there are none, by the gold "
        "file. The unweighted mean is the paper's 46&nbsp;%; weighted by frequency it says how "
        "many of the posts one keeps are right."
    )
    strata, accuracies = places.table2(study)
    image = strata[strata["system"] == "image"]
    drawn = image.rename(columns={"precision_low": "low", "precision_high": "high"})
    shown = drawn.assign(y_pred=_raw(drawn["answer"]), variant=study.main)
    caption = "Precision of the most frequent answers, picture alone; grey: the paper, same class"
    paper = writer.table(places.paper_table2(), "table2_paper", "Table 2 as published",
                         {"frequency": tables.count, "precision": 2}, published=True)  # fmt: skip
    blocks = [
        writer.figure(panels.precision_by_class(shown), "precision", caption, image, css="small"),
        writer.table(accuracies, "table2_accuracy", "Accuracy over the judged answers",
                     {"unweighted": 3, "weighted": 3}),
        shell.details("Table 2, every system", writer.table(
            strata, "table2", "Table 2: precision by answer and system",
            {"frequency": tables.count, "precision": 2, "paper": 2})),
        shell.details("Table 2 as published", paper),
    ]  # fmt: skip
    return Section("table2", "Which answers can be trusted?", lead, blocks)


def _raw(names: pd.Series) -> pd.Series:
    """Raw label of each display name."""
    known = labels.places()
    return names.map(dict(zip(known["display"], known["raw"], strict=True)))


def table3(study: Study, writer: Writer) -> Section:
    """Hits and errors by threshold for each system."""
    lead = (
        "Hits, errors and their rates by threshold. The ratio of hit rate to error rate is the "
        "paper's criterion; it ignores how many posts are left. The paper prints one such table "
        "and calls it the ensemble's although its 460 hits are those of images alone."
    )
    found = places.table3(study)
    main = places.present(study, ["image", study.settings.paper_ensemble, *places.JUDGED[1:]])
    long = pd.concat([part.assign(system=name) for name, part in found.items()], ignore_index=True)
    caption = "Share right and share kept by threshold, test posts"
    blocks = [writer.figure(panels.by_threshold(found, main), "by_threshold", caption, long)]
    for name, part in found.items():
        title = "Table 3 as published" if name == "paper" else f"Table 3: {name}, {study.main}"
        file = f"table3_{name.replace('.', '')}"
        rendered = writer.table(part, file, title, RATES, published=name == "paper")
        opened = name in ("paper", "image")
        blocks.append(rendered if opened else shell.details(title, rendered))
    return Section("table3", "Hits and errors by threshold", lead, blocks)


def confidence(study: Study, writer: Writer) -> Section:
    """Does the system know when it is right?"""
    lead = (
        "AUROC is the chance that a hit is more confident than a failure. AURC is the mean share "
        "of errors over all shares of posts kept, lower is better. ECE is the mean gap between "
        "confidence and share right; one temperature, fitted on validation posts, mends it without "
        "changing an answer."
    )
    chosen = places.present(study, [*CURVES, study.settings.paper_ensemble])
    tested = study.tested[lambda t: (t["variant"] == study.main) & (t["seed"] < 0)]
    curves = [
        _thin(selective.risk_coverage(part["score"], part["right"])).assign(system=name)
        for name, part in tested.groupby("system", sort=False)
        if name in chosen
    ]
    caption = "Risk and coverage; reliability before and after the temperature"
    picked = places.thresholds(study, places.present(study, ["image", "ensemble_cv"]))
    formats = BASE | {"confidence_of_hits": 3, "confidence_of_failures": 3}
    blocks = [
        writer.figure(panels.confidence(tested, chosen), "confidence", caption, pd.concat(curves)),
        writer.table(places.quality_table(study), "quality", f"Confidence, {study.main}; the "
                     "paper's Table 3 gives an AUROC of .603", formats),
        writer.table(picked, "thresholds", "Threshold chosen on validation posts by each "
                     "criterion, and its precision on test posts", CHOSEN),
    ]  # fmt: skip
    return Section("confidence", "Does the model know when it is right?", lead, blocks)


def _thin(curve: pd.DataFrame, points: int = 200) -> pd.DataFrame:
    """At most so many rows of a curve, evenly spaced, the last one kept."""
    step = max(1, len(curve) // points)
    return curve.iloc[::-1].iloc[::step].iloc[::-1]


def captions(study: Study, writer: Writer, settings: Settings, root: Path | None) -> Section:
    """What captions change."""
    lead = (
        "Posts whose answer the caption puts right, and posts it spoils. The weight of the picture "
        "is chosen on train and validation posts by cross-validation; the paper fixed it at .8."
    )
    blocks = []
    if len(study.grid):
        grid = study.grid.groupby(["system", "variant", "w_img"], as_index=False)["accuracy"].mean()
        fig = panels.weights(study.grid, study.settings.paper_weight, study.settings.main_prompts)
        caption = "Accuracy by weight of the picture; band: range over the folds"
        blocks.append(writer.figure(fig, "weights", caption, grid))
    effects = places.caption_effects(study)
    blocks.append(writer.table(effects, "caption_effects", "What each way of using the caption "
                               f"changes against the picture alone, {study.main}", {}))  # fmt: skip
    joint = places.present(study, ["ensemble_cv", study.settings.paper_ensemble])[0]
    rows = study.predictions
    effect = contrasts.effect(contrasts.select(rows, "image", study.main, "test"),
                              contrasts.select(rows, joint, study.main, "test"))  # fmt: skip
    changed = effect[effect["effect"].isin(contrasts.EFFECTS[:2])]
    if root is not None and len(changed):
        under, colors = panels.changed(effect, study.pairs, settings.sheet // 2)
        caption = f"Green: the caption ({joint}) puts the answer right. Orange: it spoils it."
        blocks.append(_sheet(study, writer, settings, root, "captions_help_or_harm", under, caption,
                             changed.loc[list(under)].reset_index(), colors))  # fmt: skip
    return Section("captions", "Does the caption help?", lead, blocks)


def rejecting(study: Study, writer: Writer, settings: Settings, root: Path | None) -> Section:
    """Reject class, dilution, confusions."""
    lead = (
        "Many posts show no place at all, and near-synonyms such as <i>church</i> and <i>abbey</i> "
        "share the probability of one picture. A reject class answers the first, merging labels "
        "the second."
    )
    rows = study.predictions
    rejecting = contrasts.rejecting(rows, study.main).reset_index(names="posts with")
    confusions = contrasts.confusions(rows, study.main).head(25)
    shown = {c: confusions[c].map(labels.display_of) for c in ("y_true", "y_pred")}
    diluted = contrasts.dilution(rows, study.main)
    blocks = [
        writer.table(rejecting, "reject", "Share right without and with a reject class",
                     {"posts": tables.count}),
        writer.table(diluted, "dilution", "Posts that only a merged label carries over .5",
                     {"share_lost": 2}),
        writer.table(confusions.assign(**shown), "confusions", "The 25 most frequent confusions, "
                     "picture alone", {"score": 2}),
    ]  # fmt: skip
    if root is not None:
        under = panels.misclassified(rows, study.main, settings.sheet)
        data = pd.DataFrame({"id": list(under), "text": list(under.values())})
        if under:
            caption = "The most confident wrong answers of the picture alone"
            blocks.append(
                _sheet(study, writer, settings, root, "wrong_answers", under, caption, data)
            )
    return Section("reject", "What the label set lacks", lead, blocks)


def _sheet(
    study: Study,
    writer: Writer,
    settings: Settings,
    root: Path,
    name: str,
    under: dict[str, str],
    caption: str,
    data: pd.DataFrame,
    colors: Sequence[str] | None = None,
) -> str:
    """A sheet of pictures; real ones are blurred unless the settings say otherwise."""
    visible = study.sample or settings.show_content
    fig = panels.sheet(study.pairs, root, under, colors, visible)
    drawn = " Drawings: OpenMoji, CC BY-SA 4.0, and Twemoji, CC BY 4.0." if study.sample else ""
    return writer.figure(fig, name, f"{caption.rstrip('.')}.{drawn}", data, formats=("png",))


def few_shot(study: Study, writer: Writer) -> Section:
    """Accuracy by labelled posts."""
    lead = (
        "The paper's future work, on cached features: a linear probe on k posts a class, and "
        "Tip-Adapter, which adds a look-up among the k examples to the zero-shot scores. Means "
        f"over {len(study.settings.seeds)} draws of the k posts."
    )
    table = study.summary
    few = table[table["system"].str.match(r"(linear_probe|tip_adapter)_\d+$")]
    if few.empty:
        return Section("few_shot", "A few labelled posts", lead + " No train post has a class.")
    shown = few[["system", "variant", "posts", "accuracy", "accuracy_low", "accuracy_high"]]
    fig = panels.shots(table, study.settings.main_prompts)
    caption = "Test accuracy by labelled posts a class; dashed: zero-shot"
    return Section("few_shot", "A few labelled posts", lead, [
        writer.figure(fig, "few_shot", caption, shown)
    ])  # fmt: skip


def claims(checked: pd.DataFrame, writer: Writer) -> Section:
    """The paper's claims (`places.claims_table`), and what does not add up in the paper."""
    lead = (
        "Each claim as one number on the posts at hand. <i>Holds</i> and <i>does not hold</i> mean "
        "that the whole interval lies on one side. Below: what the paper's own tables contradict."
    )
    blocks = [
        writer.table(checked, "claims", "The paper's claims", {"value": 3}),
        writer.table(published.inconsistencies(), "inconsistencies", "Recomputed from the paper",
                     {}, published=True),
    ]  # fmt: skip
    return Section("claims", "What the paper claims", lead, blocks)


def limits(study: Study) -> Section:
    """What the numbers do not say."""
    items = [
        "Truth is one label a post; a picture of a bridge before a skyline has two.",
        "Table 2 speaks of predicted classes. What was missed only the gold labels can tell.",
        "The groups of near-synonyms and the reject prompts were written by hand.",
        "The paper leaves open its CLIP, the scale, > or ≥ (here ≥), and who judged.",
    ]
    if study.sample:
        items.insert(0, "These are posts of a sample corpus, composed of pictograms, seen by small "
                     "stand-in encoders. They show that the methods work, not how CLIP does on "
                     "Instagram.")  # fmt: skip
    if skipped := study.selections["skipped"]:
        items += [f"{html.escape(k)} left out: {html.escape(v)}." for k, v in skipped.items()]
    listed = "".join(f"<li>{item}</li>" for item in items)
    source = "Every number is computed from <code>predictions.parquet</code> of the study."
    return Section("limits", "Limits", source, [f"<ul>{listed}</ul>"])

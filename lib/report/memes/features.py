"""The sections of features and scores: the loss, separation, label shift, reading, limits."""

from __future__ import annotations

import numpy as np

from lib.memes.findings import NO_DB, OURS, Findings, Key, claims, reading, separation, shift
from lib.memes.panels import features as panels
from lib.report.html import Section
from lib.report.memes.scores import DIFFERENCE, FLAG, RATIO, P, tally
from lib.report.writer import Writer

SHOWN = "misogynous"  # the label that colours the maps


def loss(found: Findings, writer: Writer) -> Section:
    """What the released loss does."""
    lead = (
        "The released loss is, to within 5 % of its weights, a negative-tolerant cross-entropy. "
        "Does it gain by giving more labels (a shifted threshold) or by ranking memes better "
        "(regularisation)? Cross-entropy's scores are cut so that each label is given as often as "
        "by the released loss at .5: what that gains is <i>threshold</i>; what the released loss "
        "still has over it is <i>ranking</i>. "
    )
    table, least = claims.decomposed(found), found.ratios[0]
    answer = claims.regularises(table)
    lead += f"Is it ranking, not threshold? {tally(answer)}." + FLAG
    scores = {
        found.label(name): np.concatenate([run.test[:, 1:].ravel() for run in runs.values()])
        for name in (OURS, NO_DB)
        if (runs := found.by_run.get(Key(name, "", least)))
    }
    drawn, counts = panels.middle(scores)
    blocks = [
        writer.figure(
            panels.regularisation(table),
            "memes_regularisation",
            "The loss's gain in task B and its two parts",
            table,
        ),
        writer.table(
            table,
            "memes_regularisation",
            "Gain, threshold and ranking; Holm over the table",
            DIFFERENCE | RATIO,
        ),
        writer.table(
            answer,
            "memes_hypothesis",
            "Is the gain ranking, not threshold? The rule is that of the claims",
            RATIO,
        ),
        writer.figure(
            drawn, "memes_middle", f"Scores of all seeds at {100 * least:g} % labels", counts
        ),
        writer.table(
            claims.spread(found), "memes_spread", "How far scores lie from the middle", RATIO
        ),
    ]
    return Section("loss", "What the loss does", lead, blocks)


def maps(found: Findings, writer: Writer) -> Section:
    """Raw and cooked features."""
    lead = (
        "The thesis reads off t-SNE maps that cooked text features “disentangle” the classes. A "
        "cooked feature is a linear map of the raw one, so it holds nothing that the raw one does "
        "not; it can only lie differently. Beside the maps: silhouettes (are memes of a type near "
        "each other?) and a linear probe learnt on the labelled memes. The residual, what one "
        "modality does not foretell of the other, is not a function of one modality alone."
    )
    label = found.pairs.set_index("id")[SHOWN]
    drawn = found.separation.assign(**{SHOWN: found.separation["id"].map(label)})
    kept = ["features", "tsne_x", "tsne_y", "pca_x", "pca_y", SHOWN]
    table, gaps = separation.table(found), separation.against_raw(found)
    measures = {"silhouette": 3, "probe_auc": 3}
    blocks = [
        writer.figure(
            panels.maps(drawn, SHOWN),
            "memes_maps",
            "Test memes: t-SNE and PCA of raw and cooked features",
            drawn[kept],
        ),
        writer.figure(
            panels.separation(table),
            "memes_separation",
            "Separation, measured: mean over the four types",
            table,
        ),
        writer.table(table, "memes_separation", "Separation of the four types", measures),
        writer.table(
            gaps,
            "memes_separation_gaps",
            "Cooked and residual minus raw, same memes; Holm over the table",
            DIFFERENCE,
        ),
        writer.table(
            found.errors,
            "memes_errors_ae",
            "Error of the auto-encoders, of the best "
            "linear map in closed form, and of foretelling the mean",
            {"mse": 4},
        ),
    ]
    return Section("features", "Raw and cooked features", lead, blocks)


def label_shift(found: Findings, writer: Writer) -> Section:
    """Priors and corrections."""
    lead = (
        "MAMI's types are more frequent in the test set than in training, and the sample's are "
        "too. Prior correction estimates the test set's shares without its labels, from the "
        "scores alone, and moves the scores accordingly." + FLAG
    )
    priors, table = shift.priors(found), shift.corrections(found)
    formats = dict.fromkeys(("task_b", "auc"), 3) | P | RATIO | {"difference": 3}
    blocks = [
        writer.figure(
            panels.shift(priors),
            "memes_shift",
            "Prevalence: in validation, which is split off training, estimated, in the test set",
            priors,
        ),
        writer.table(
            table,
            "memes_shift",
            "Three systems before and after; difference: task B minus the uncorrected",
            formats,
        ),
    ]
    return Section("shift", "Label shift", lead, blocks)


def read_back(found: Findings, writer: Writer) -> Section | None:
    """OCR against transcription."""
    table = reading.table(found)
    if table.empty:
        return None
    lead = (
        "MAMI hands out transcriptions. Here a text reader (RapidOCR) reads test memes back, and "
        "the same trained heads see the text that was read." + FLAG
    )
    formats = dict.fromkeys([name for name in table if name.startswith(("task_b", "auc"))], 3)
    blocks = [
        writer.table(
            reading.errors(found),
            "memes_reading_errors",
            "Wrong characters, letters "
            "(blanks apart) and words; read: blanks restored by training texts",
            {"value": 3},
        ),
        writer.table(
            table, "memes_reading", "Transcribed and read text, same memes", formats | P | RATIO
        ),
    ]
    return Section("reading", "Text from the picture", lead, blocks)


def limits(found: Findings) -> Section:
    """What the page cannot say."""
    seeds = found.runs[found.runs["system"] == OURS]["seed"].nunique()
    points = [
        f"Intervals cover the luck of the test memes and of {seeds} seeds, on one draw of the "
        "labelled memes; the other draws show what that leaves out.",
        "One encoder. A stronger one may move every row that reads it.",
        "Validation thresholds are chosen on all validation memes, which is more labels than the "
        "smallest ratio trains on.",
        "Systems marked “code path only” start from random weights here; those with a stand-in "
        "say which.",
    ]
    if found.sample:
        points.insert(
            0,
            "Everything here is of the sample corpus: made-up memes about robots. It "
            "shows that every step runs and finds what was planted, and nothing "
            "about MAMI.",
        )
    body = "<ul>" + "".join(f"<li>{point}</li>" for point in points) + "</ul>"
    return Section("limits", "Limits", "", [body])

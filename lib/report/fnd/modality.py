"""Sections on what systems look at: swaps, attention, robustness, single articles."""

from __future__ import annotations

from pathlib import Path

from lib import tables
from lib.fnd.findings import FND_CLIP, Findings, modality
from lib.fnd.panels import examples as sheets
from lib.fnd.panels import modality as panels
from lib.report import html as shell
from lib.report.html import Section
from lib.report.writer import Settings, Writer

CHANGES = {"macro_f1": 3, "difference": 3, "p": tables.p_value, "p_holm": tables.p_value,
           "changed_answers": 2, "prevalence": 3}  # fmt: skip
CREDIT = " Drawings: OpenMoji, CC BY-SA 4.0, and Twemoji, CC BY 4.0."


def use(found: Findings, writer: Writer) -> Section:
    """Swaps and drops, attention weights, similarity."""
    lead = (
        "A system that ignores its pictures gives the same answers with any picture. On test "
        "articles each gets the picture of another story, the text of another, no picture, or no "
        "text; the change in macro-F1 says how much it relied on what was there."
    )
    swapped, weights = modality.swaps(found), modality.attention(found)
    alike = modality.similarities(found)
    blocks = []
    if len(swapped):
        blocks += [
            writer.figure(panels.changes(swapped), "fnd_swaps", "Change in macro-F1 when one "
                          "modality is another article's, or missing", swapped),
            writer.table(modality.reliance(swapped), "fnd_reliance", "The same in points of "
                         "macro-F1", {}),
            shell.details("With intervals and tests", writer.table(
                swapped.drop(columns=["kind", "system"]), "fnd_swaps", "Changed minus unchanged; "
                "changed answers: share of test articles; Holm over the table", CHANGES)),
        ]  # fmt: skip
    if len(weights[weights["what"] != "similarity"] if len(weights) else weights):
        blocks.append(writer.figure(panels.attention(weights), "fnd_attention", "Weight of each "
                                    "modality by class (FND-CLIP: sigmoids, which need not add up "
                                    "to one; ours: a softmax)", weights))  # fmt: skip
    if len(alike):
        blocks.append(writer.figure(panels.similarity(alike), "fnd_similarity", "Similarity of "
                                    f"headline and picture, as {found.title(FND_CLIP)} reads it",
                                    alike))  # fmt: skip
    return Section("modalities", "Do they use both modalities?", lead, blocks)


def robustness(found: Findings, writer: Writer) -> Section:
    """Perturbed pictures and texts."""
    lead = (
        "News pictures come compressed, blurred and cropped, and texts with slips or cut short. "
        "Some test articles were encoded again with one of the two made worse."
    )
    table = modality.perturbations(found)
    if table.empty:
        return Section("robustness", "How robust are they?", lead + " None were made here.")
    blocks = [
        writer.figure(panels.changes(table), "fnd_robustness", "Change in macro-F1 on perturbed "
                      "articles", table),
        shell.details("With intervals and tests", writer.table(
            table.drop(columns=["kind", "system"]), "fnd_robustness", "Perturbed minus unchanged "
            "on the same articles; Holm over the table", CHANGES)),
    ]  # fmt: skip
    return Section("robustness", "How robust are they?", lead, blocks)


def examples(found: Findings, writer: Writer, settings: Settings, root: Path | None) -> Section:
    """Articles on which systems disagree."""
    lead = (
        "Test articles on which systems disagree, the clearest of each kind: below the picture the "
        "truth, P(Likely) of four systems, and the headline. A purple frame is a Likely article."
    )
    picked = modality.disagreements(found, max(1, settings.sheet // 4))
    picked = sheets.with_picture(found, picked)
    blocks = []
    if root is not None and len(picked):
        fig = sheets.sheet(found, picked, root, found.sample or settings.show_content)
        texts = picked["id"].map(found.pairs.set_index("id")["text"])
        shown = picked.assign(text=texts) if found.sample or settings.show_content else picked
        caption = "Where systems disagree." + (CREDIT if found.sample else "")
        blocks.append(writer.figure(fig, "fnd_examples", caption, shown, ("png",), ""))
    return Section("examples", "Single articles", lead, blocks)

"""The page of the memes study, and what the front page says of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lib import tables
from lib.memes.findings import OURS, Findings, Key, claims
from lib.report import html as shell
from lib.report.headline import Headline, judged, limits, listed
from lib.report.memes import care, corpus, features, scores
from lib.report.memes.naming import NamedWriter
from lib.report.origin import MADE_UP, Origin
from lib.report.writer import Settings

PAGE = "memes.html"
CLAIMS = {claims.AE: "the auto-encoder", claims.LOSS: "the loss"}


def write_memes(
    found: Findings, out: Path, settings: Settings, root: Path | None, origin: Origin = MADE_UP
) -> dict[str, Headline]:
    """Write memes.html with all its tables and figures into `out`; returns the headline.

    root: folder that the pairs' pictures are relative to; None leaves the sheets of memes out.
    """
    writer, checked = NamedWriter(out, found.sample, origin), claims.check(found)
    parts = [
        corpus.described(found, writer, settings.show_content, root),
        scores.systems(found, writer),
        scores.paper_tables(found, writer),
        scores.curves(found, writer),
        scores.verdicts(found, checked, writer),
        features.loss(found, writer),
        features.maps(found, writer),
        features.label_shift(found, writer),
        scores.sweeps(found, writer),
        features.read_back(found, writer),
        scores.ceilings(found, writer),
        scores.errors(writer),
        care.model_card(found),
        features.limits(found),
    ]
    parts = [part for part in parts if part is not None]
    head = headline(found, checked)
    opening = _opening(found, head.numbers)
    links = [("Data", "data.html"), ("Notebook", "notebooks/05_ssl_memes.html")]
    return writer.page(PAGE, "Memes with few labels", opening, parts, links, {PAGE: head})


def headline(found: Findings, checked: pd.DataFrame) -> Headline:
    """What the front page says of the study; checked: its table of claims."""
    most = checked[checked["ratio"] == found.ratios[0]]
    parts = [
        f"{CLAIMS[claim]} changes it by "
        + listed([f"{limits(row)} ({row['where']})" for _, row in rows.iterrows()])
        for claim, rows in most.groupby("claim")
    ]
    return Headline(
        _numbers(found, checked),
        "The auto-encoder raises task B, whatever the loss and the share of labels.",
        f"Task B with {100 * found.ratios[0]:g} % labels: {'; '.join(parts)}.",
        judged(checked.loc[checked["claim"] == claims.AE, "verdict"], claims),
        "memes_claims",
    )


def _numbers(found: Findings, checked: pd.DataFrame) -> list[tuple[str, str]]:
    """Headline numbers, at the most labels: (number, what it is)."""
    ratio = found.ratios[0]
    row = found.row(Key(OURS, "", ratio), ("task_b", "auc"))
    share, said = f"{100 * ratio:g} % labels", []
    for name, text in (("task_b", f"task B of RAW-N-COOK, {share}"), ("auc", "its macro AUC")):
        said.append((limits(row, name, 2), text))
    negative = scores.trivial(found, ratio)["all_negative"]
    said.append((tables.number(negative), "task B of giving no label at all"))
    for claim, name in CLAIMS.items():
        mine = checked[checked["claim"] == claim]
        held = int((mine["verdict"] == claims.HOLDS).sum())
        what = f"comparisons of task B at .5 in which {name} helps, beyond luck"
        said.append((f"{held} of {len(mine)}", what))
    return said


def _opening(found: Findings, numbers: Sequence[tuple[str, str]]) -> str:
    """Title, warning, question and headline numbers."""
    mark = f" {shell.SAMPLE}" if found.sample else ""
    seeds = found.runs[found.runs["system"] == OURS]["seed"].nunique()
    systems = found.runs["system"].nunique()
    said = (
        f"{len(found.test_ids):,} test memes; {systems} systems; {seeds} seeds of the main ones. "
        "Intervals are 95 %; near-duplicates are resampled together."
    )
    return (
        f"<h1>Can hateful memes be found with few labels?{mark}</h1>\n{care.warning()}"
        '<p class="lead">Auto-encoders learn from memes without labels to foretell the text from '
        "the picture and back; small heads learn four types of misogyny from the few memes that "
        "have labels. Does either the auto-encoder or the loss help, and would something simpler "
        "do as well?</p>\n<p>After SemiMemes (ICCCI 2023) on MAMI (SemEval 2022, task 5). "
        f"{html.escape(said)}</p>\n" + shell.numbers(numbers)
    )

"""The page of the fake-news study, and what the front page says of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from lib.fnd import published
from lib.fnd.findings import Findings, claims
from lib.report import html as shell
from lib.report.fnd import modality, papers, systems, thresholds
from lib.report.headline import Headline
from lib.report.origin import MADE_UP, Origin
from lib.report.writer import Settings, Writer

PAGE = "fnd.html"


def write_fnd(
    found: Findings, out: Path, settings: Settings, root: Path | None, origin: Origin = MADE_UP
) -> dict[str, Headline]:
    """Write fnd.html with all its tables and figures into `out`; returns the headline.

    root: folder that the pairs' pictures are relative to; None leaves the picture sheet out.
    """
    writer, checked = Writer(out, found.sample, origin), claims.check(found)
    parts = [
        systems.overview(found, writer),
        systems.cross_modal(found, writer),
        systems.hypotheses(found, checked, writer),
        papers.trubias(found, writer),
        modality.use(found, writer),
        modality.robustness(found, writer),
        modality.examples(found, writer, settings, root),
        thresholds.thresholds(found, writer),
        thresholds.confidence(found, writer),
        thresholds.parts(found, writer),
        systems.splits(found, writer),
        papers.against_ours(found, writer),
        papers.errors(writer),
        papers.limits(found),
    ]
    head = systems.headline(found, checked)
    opening = _opening(found, head.numbers)
    links = [("Data", "data.html"), ("Notebook", "notebooks/02_fnd_clip_training.html")]
    title = "Biased news from text and image"
    return writer.page(PAGE, title, opening, parts, links, {PAGE: head})


def _opening(found: Findings, numbers: Sequence[tuple[str, str]]) -> str:
    """Title, question and headline numbers."""
    mark = f" {shell.SAMPLE}" if found.sample else ""
    data = published.DATASETS.get(found.collection, found.dataset)
    return (
        f"<h1>Does the picture give biased news away?{mark}</h1>\n"
        '<p class="lead">An article is a headline and a picture. Does reading both tell more than '
        "either, does it matter whether they agree, and how much of a score is what always saying "
        "the same would get?</p>\n"
        "<p>After FND-CLIP (Zhou et al. 2022), SpotFake and SpotFake+ (Singhal et al. 2019, 2020) "
        "and the classifiers of the NMB+ data set; data: "
        f"{html.escape(data)}. {html.escape(systems.counts(found))}</p>\n" + shell.numbers(numbers)
    )

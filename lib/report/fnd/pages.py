"""The page of the fake-news study, and what the front page says of it."""

from __future__ import annotations

import html
from pathlib import Path

from lib.fnd import published
from lib.fnd.findings import Findings
from lib.report import html as shell
from lib.report.fnd import modality, papers, systems, thresholds
from lib.report.writer import Settings, Writer


def write_fnd(
    found: Findings, out: Path, settings: Settings, root: Path | None
) -> list[tuple[str, str]]:
    """Write fnd.html with all its tables and figures into `out`; returns the headline.

    root: folder that the pairs' pictures are relative to; None leaves the picture sheet out.
    """
    writer = Writer(out, found.sample)
    parts = [
        systems.overview(found, writer),
        systems.cross_modal(found, writer),
        systems.hypotheses(found, writer),
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
    head = systems.headline(found)
    body = _opening(found, head) + shell.contents(parts) + "\n".join(p.render() for p in parts)
    links = [("Data", "data.html"), ("Notebook", "notebooks/02_fnd_clip_training.html")]
    page = shell.page("Biased news from text and image", body, shell.home(out), links)
    shell.write(out / "fnd.html", page)
    return head


def _opening(found: Findings, head: list[tuple[str, str]]) -> str:
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
        f"{html.escape(data)}. {html.escape(systems.counts(found))}</p>\n" + shell.numbers(head)
    )

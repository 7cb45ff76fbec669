"""The page of the Places study, and what the front page says of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lib import tables
from lib.data.card import read_corpus_card
from lib.places.study import claims
from lib.report import html as shell
from lib.report import places
from lib.report.headline import Headline, judged, limits
from lib.report.origin import MADE_UP, Origin
from lib.report.places import Study, sections
from lib.report.writer import Settings, Writer

PAGE = "places.html"
RIGHT, LOST = "precision, difference", "share lost"  # measures of the claims on captions


def write_places(
    study: Study, out: Path, settings: Settings, root: Path | None, origin: Origin = MADE_UP
) -> dict[str, Headline]:
    """Write places.html with all its tables and figures into `out`; returns the headline.

    root: folder that the pairs' pictures are relative to; None leaves the picture sheets out.
    """
    writer, checked = Writer(out, study.sample, origin), places.claims_table(study)
    card = read_corpus_card(root) if root is not None else None
    ceilings = card["ceilings"] if card else {}
    parts = [
        sections.systems(study, writer, ceilings),
        sections.table1(study, writer),
        sections.table2(study, writer),
        sections.table3(study, writer),
        sections.confidence(study, writer),
        sections.captions(study, writer, settings, root),
        sections.rejecting(study, writer, settings, root),
        sections.few_shot(study, writer),
        sections.claims(checked, writer),
        sections.limits(study),
    ]
    head = headline(study, checked)
    opening = _opening(study, head.numbers)
    links = [("Data", "data.html"), ("Notebook", "notebooks/03_zero_shot_places.html")]
    return writer.page(PAGE, "Zero-shot Places", opening, parts, links, {PAGE: head})


def headline(study: Study, checked: pd.DataFrame) -> Headline:
    """What the front page says of the study; checked: its table of claims."""
    right = checked[checked["measure"] == RIGHT]
    lost = checked[checked["measure"] == LOST].iloc[0]
    sentence = "No test post has a known truth, so nothing is known of right answers."
    if len(right):
        sentence = (
            "With captions at .8/.2 the share right among answers over a confidence of .5 changes "
            f"by {limits(right.iloc[-1], 'value')}, and {limits(lost, 'value')} of all posts no "
            "longer get that far."
        )
    return Headline(
        _numbers(study),
        "Captions mixed in at .8/.2 make the confident answers right more often.",
        sentence,
        judged(right["verdict"], claims),
        "by_threshold",
    )


def _numbers(study: Study) -> list[tuple[str, str]]:
    """Headline numbers: (number, what it is)."""
    table = study.summary
    mine = table[(table["variant"] == study.main) & ~table["system"].isin(places.TRIVIAL)]
    mine = mine[~mine["system"].str.match(r"(linear_probe|tip_adapter)_")]
    image = mine[mine["system"] == "image"].iloc[0]
    joint = mine[mine["system"] == "ensemble_cv"]
    trivial = table[table["system"].isin(places.TRIVIAL)].nlargest(1, "accuracy").iloc[0]
    found = [(_accuracy(image), "of test posts sorted rightly by the picture alone")]
    if len(joint):
        found += [(_accuracy(joint.iloc[0]), "with the caption, weight by cross-validation")]
    found += [
        (_accuracy(trivial), f"by the best trivial rule ({trivial['system'].replace('_', ' ')})")
    ]
    found += [
        (tables.number(image["auroc"]), "AUROC: does confidence tell right from wrong? .5 = no")
    ]
    return found


def _accuracy(row: pd.Series) -> str:
    """Accuracy of one row of the summary with its interval."""
    return tables.interval(row["accuracy"], row["accuracy_low"], row["accuracy_high"])


def _opening(study: Study, numbers: Sequence[tuple[str, str]]) -> str:
    """Title, question and headline numbers."""
    mark = f" {shell.SAMPLE}" if study.sample else ""
    made = places.prevalence(study)
    said = (
        f"{made['posts']:,} test posts with a known truth, {made['classes']} places; "
        f"{made['none']:.0%} show none of the 205, the most frequent place "
        f"({made['top_class']}) is {made['top']:.0%}. Intervals are 95 %; near-duplicate posts are "
        "resampled together."
    )
    return (
        f"<h1>Zero-shot Places: what does a post show?{mark}</h1>\n"
        '<p class="lead">How far can an image–text model that was never trained for it sort posts '
        "into 205 kinds of places, does the caption help, and does the model know when it is right?"
        "</p>\n<p>After Lucas, Tomás and García-Rodríguez (2021), who asked CLIP about 100,000 "
        f"Instagram posts from New York. Here: {html.escape(said)}</p>\n" + shell.numbers(numbers)
    )

"""The pages around the studies: the front page, the data cards, and one call that renders all."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lib.data.card import card_table, figure_data, planted_table, read_card
from lib.data.panels import draw_card
from lib.report import html as shell
from lib.report import origin as origins
from lib.report.headline import MARKS, Headline
from lib.report.html import Section
from lib.report.writer import Writer

RULE = (
    "Each study is judged by one claim of its paper. It <i>holds</i> if every comparison that it "
    "makes holds by the study's own test, <i>does not hold</i> if one is contradicted, and is "
    "<i>not shown</i> otherwise; models that start untrained <i>cannot be judged</i>. The other "
    "claims are on the study's page."
)
RECALL_CAPTION = "Recall@k of the stand-in encoders: a text finds its picture, a picture its text"


@dataclass(frozen=True)
class Card:
    """One study on the front page."""

    title: str
    question: str
    paper: str
    page: str = ""  # its file; "" = not built yet
    section: str = ""  # part of the page
    notebook: str = ""

    @property
    def address(self) -> str:
        """Address of its part of the pages, from their folder."""
        return f"{self.page}#{self.section}" if self.section else self.page

    @property
    def anchor(self) -> str:
        """Its place on the front page."""
        return self.section or Path(self.page).stem


STUDIES = (
    Card("Zero-shot Places", "Can CLIP sort Instagram posts into 205 kinds of places, and does the "
         "caption help?", "Lucas, Tomás and García-Rodríguez 2021", "places.html", "",
         "03_zero_shot_places"),
    Card("WiSE-FT retrieval", "Which picture belongs to a news headline: is fine-tuning worth what "
         "it costs elsewhere, and can interpolation have both?", "MediaEval NewsImages 2022",
         "retrieval.html", "", "04_wise_ft_retrieval"),
    Card("Dual softmax retrieval", "How much of a retrieval score is hubness, and what does "
         "correcting it gain?", "MediaEval NewsImages 2023", "retrieval.html", "runs_2023",
         "04_wise_ft_retrieval"),
    Card("FND-CLIP", "Does the agreement of headline and picture give away biased and fake news?",
         "FND-CLIP and SpotFake on NMB+", "fnd.html", "", "02_fnd_clip_training"),
    Card("A vision-language model", "Asked, shown examples or tuned by adapters: does a large "
         "model tell biased news?", "Llama-3.2-Vision of VLDBench", "vlm.html", "",
         "06_vlm_qlora"),
    Card("Memes with few labels", "Do auto-encoders and self-training find hateful memes when few "
         "are labelled?", "MAMI, SemEval 2022", "memes.html", "", "05_ssl_memes"),
)  # fmt: skip


def write_index(path: Path, profile: str, heads: Mapping[str, Headline], sample: bool) -> Path:
    """Write the front page `path`; heads: what each study that is built says, by its address."""
    note = (
        "<p>All numbers here are from <b>sample corpora</b>: made-up posts and headlines, their "
        "pictures composed of pictograms, seen by small stand-in encoders. They show that every "
        "step runs and that the methods find what was planted. They say nothing about the real "
        "data sets.</p>"
        if sample
        else ""
    )
    studies = "".join(_study(study, profile, heads.get(study.address), sample) for study in STUDIES)
    body = (
        "<h1>Five studies of pictures and words in news and social media, measured again</h1>\n"
        '<p class="lead">PairLab rebuilds five published image + text studies from one pipeline: '
        "the papers' tables beside ours, every number with an interval and a file it came from."
        f"</p>\n{note}\n<p>{RULE}</p>\n{_verdicts(heads, sample)}\n{studies}"
        f'<p><a href="{profile}/data.html">What is in the data</a></p>'
    )
    return shell.write(path, shell.page("Report", body, path.name))


def _verdicts(heads: Mapping[str, Headline], sample: bool) -> str:
    """One row a built study: the claim that is judged, and the verdict."""
    rows = "".join(
        f'<tr><td><a href="#{study.anchor}">{html.escape(study.title)}</a></td>'
        f"<td>{html.escape(heads[study.address].claim)}</td>"
        f"<td>{_verdict(heads[study.address], sample)}</td></tr>"
        for study in STUDIES
        if study.address in heads
    )
    head = "<tr><th>study</th><th>claim</th><th>verdict</th></tr>"
    return f'<table class="verdicts"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _verdict(head: Headline, sample: bool) -> str:
    """The verdict as a word with its mark; it is about the data that were run."""
    where = " on the sample" if sample else ""
    return f'<span class="verdict">{MARKS[head.verdict]}&nbsp;<b>{head.verdict}</b>{where}</span>'


def _study(study: Card, profile: str, head: Headline | None, sample: bool) -> str:
    """One study: question, verdict, figure, sentence, numbers; one not built says so."""
    title, question = html.escape(study.title), html.escape(study.question)
    paper = f"<p><small>{html.escape(study.paper)}</small></p>"
    if head is None:
        return (
            f'<article class="later" id="{study.anchor}"><span class="state">not built yet</span>'
            f"<h2>{title}</h2><p>{question}</p>{paper}</article>\n"
        )
    mark = f" {shell.SAMPLE}" if sample else ""
    return (
        f'<article class="done" id="{study.anchor}">'
        f'<h2><a href="{profile}/{study.address}">{title}</a>{mark}</h2>\n'
        f'<p class="lead">{question}</p>{paper}\n'
        f"<p>Claim: {html.escape(head.claim)} {_verdict(head, sample)}</p>\n"
        f"<p>{html.escape(head.sentence)}</p>\n"
        f"{_figure(study.page, profile, head)}{shell.numbers(head.numbers)}\n"
        f'<p><a href="{profile}/{study.address}">The whole study</a> · '
        f'<a href="{profile}/notebooks/{study.notebook}.html">the notebook</a></p></article>\n'
    )


def _figure(page: str, profile: str, head: Headline) -> str:
    """The figure that shows what the sentence says, with a way to where it stands."""
    if not head.figure:
        return ""
    caption, source = html.escape(head.caption), f"{profile}/figures/{head.figure}.svg"
    return (
        f'<figure class="answer"><div class="wide"><a href="{source}"><img src="{source}" '
        f'alt="{caption}" loading="lazy"></a></div>\n<figcaption>{caption} <a class="source" '
        f'href="{profile}/{page}#{head.figure}">in the study</a></figcaption></figure>\n'
    )


def write_data(out: Path, cards: Path | None, recall: Path | None, sample: bool) -> list[str]:
    """Write data.html: a card for every folder of `cards`, the encoders' recall table if given.

    cards: folder with one folder a data set (card.json, drops.csv); recall: sample_clip.json.
    Returns the names of the data sets shown.
    """
    found = sorted(cards.glob("*/card.json")) if cards else []
    origin = origins.of_cards([file.parent for file in found], recall)
    writer = Writer(out, sample, origin)
    sections = [_data_card(file.parent, writer) for file in found]
    if recall:
        sections.append(_recall(recall, writer))
    opening = f"<h1>The data{' ' + shell.SAMPLE if sample else ''}</h1>\n"
    opening += '<p class="lead">What was read, what was dropped, why, and how it was split.</p>\n'
    links = [("Zero-shot Places", "places.html")]
    others = {"retrieval.html": "News retrieval", "fnd.html": "Biased news"}
    others |= {"vlm.html": "Vision-language model", "memes.html": "Memes"}
    links += [(text, page) for page, text in others.items() if (out / page).is_file()]
    writer.page("data.html", "Data", opening, sections, links)
    return [file.parent.name for file in found]


def _data_card(folder: Path, writer: Writer) -> Section:
    """Card of one data set: figure, head, drop report, planted effects."""
    card, name = read_card(folder), folder.name
    caption, stamped = f"Data card of {name}", draw_card(card)
    blocks = [
        writer.drawn(stamped, f"card_{name}", caption, figure_data(card)),
        writer.table(card_table(card), f"card_{name}", f"{name} in short", {}),
    ]
    drops = folder / "drops.csv"
    if drops.is_file():
        table = pd.read_csv(drops, dtype=str, keep_default_na=False)
        blocks.append(shell.details(f"Drop report: {len(table)} files", writer.table(
            table, f"drops_{name}", "Files dropped or mended, with the reason", {})))  # fmt: skip
    planted = planted_table(card)
    if len(planted):
        blocks.append(shell.details("What was planted", writer.table(
            planted, f"planted_{name}", "What the sample corpus says of itself", {})))  # fmt: skip
    return Section(f"data_{name}", name, "", blocks)


def _recall(file: Path, writer: Writer) -> Section:
    """Recall of the two sample encoders on what they were not shown."""
    table = recall_table(json.loads(file.read_text(encoding="utf-8")))
    lead = (
        "No weights of CLIP can be shipped, so two small encoders stand in, aligned on composed "
        "scenes: <b>sample_clip_l</b> on the first artists' drawings only, <b>sample_clip_h</b> on "
        "both. Tested on what they were not shown."
    )
    formats = {column: 2 for column in table if column.startswith("R@")}
    block = writer.table(table, "sample_clip", RECALL_CAPTION, formats)
    return Section("encoders", "The stand-in encoders", lead, [block])


def recall_table(found: dict) -> pd.DataFrame:
    """Recall as a table: model, test, direction, gallery, queries, then R@k with limits and chance.

    found: the file that the stage sample_clip writes; its key `recall` holds one row a k.
    """
    rows = pd.DataFrame(found["recall"])
    keys = ["model", "test", "direction", "gallery", "queries"]
    table = rows[keys].drop_duplicates(ignore_index=True)
    for k, part in rows.groupby("k"):
        name = f"R@{k}"
        columns = {"recall": name, "low": f"{name}_low", "high": f"{name}_high"}
        part = part.rename(columns={**columns, "chance": f"chance@{k}"})
        table = table.merge(part[[*keys, *columns.values(), f"chance@{k}"]], on=keys)
    return table

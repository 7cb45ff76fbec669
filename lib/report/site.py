"""The pages around the studies: the front page, the data cards, and one call that renders all."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lib import figures
from lib.data.card import card_table, figure_data, planted_table, read_card
from lib.data.panels import draw_card
from lib.report import html as shell
from lib.report.html import Section
from lib.report.writer import Writer

Numbers = Sequence[tuple[str, str]]  # (number, what it is)
COUNTS = ("no", "one", "two", "three", "four", "five", "six")
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


def write_index(path: Path, profile: str, headlines: Mapping[str, Numbers], sample: bool) -> Path:
    """Write the front page `path`.

    headlines: page -> its numbers (number, what it is), of the studies that are built.
    """
    note = (
        "<p>All numbers here are from <b>sample corpora</b>: made-up posts and headlines, their "
        "pictures composed of pictograms, seen by small stand-in encoders. They show that every "
        "step runs and that the methods find what was planted. They say nothing about the real "
        "data sets.</p>"
        if sample
        else ""
    )
    cards = "".join(_card(study, profile, study.page in headlines) for study in STUDIES)
    body = (
        "<h1>Five studies of pictures and words in news and social media, measured again</h1>\n"
        '<p class="lead">PairLab rebuilds five published image + text studies from one pipeline: '
        "the papers' tables beside ours, every number with an interval and a file it came from."
        f'</p>\n{note}\n<div class="studies">{cards}</div>\n'
        + "".join(_headline(page, found, profile, sample) for page, found in headlines.items())
        + f'<p><a href="{profile}/data.html">What is in the data</a></p>'
    )
    return shell.write(path, shell.page("Report", body, path.name))


def _headline(page: str, found: Numbers, profile: str, sample: bool) -> str:
    """The numbers of one page, and where to read on."""
    first = next(study for study in STUDIES if study.page == page)
    mark = f" {shell.SAMPLE}" if sample else ""
    return (
        f"<h2>{html.escape(first.title)} in {COUNTS[len(found)]} numbers{mark}</h2>\n"
        f'{shell.numbers(found)}\n<p><a href="{profile}/{page}">The whole study</a> · '
        f'<a href="{profile}/notebooks/{first.notebook}.html">the notebook</a></p>\n'
    )


def _card(study: Card, profile: str, built: bool) -> str:
    """One study as a box; a study that is not built says so."""
    state, link = "not built yet", html.escape(study.title)
    if built:
        section = f"#{study.section}" if study.section else ""
        state = "complete"
        link = f'<a href="{profile}/{study.page}{section}">{link}</a>'
    return (
        f'<article class="{"done" if built else "later"}"><span class="state">{state}</span>'
        f"<h3>{link}</h3><p>{html.escape(study.question)}</p>"
        f"<p><small>{html.escape(study.paper)}</small></p></article>"
    )


def write_data(out: Path, cards: Path | None, recall: Path | None, sample: bool) -> list[str]:
    """Write data.html: a card for every folder of `cards`, the encoders' recall table if given.

    cards: folder with one folder a data set (card.json, drops.csv); recall: sample_clip.json.
    Returns the names of the data sets shown.
    """
    writer = Writer(out, sample)
    found = sorted(cards.glob("*/card.json")) if cards else []
    sections = [_data_card(file.parent, writer) for file in found]
    if recall:
        sections.append(_recall(recall, writer))
    body = f"<h1>The data{' ' + shell.SAMPLE if sample else ''}</h1>\n"
    body += '<p class="lead">What was read, what was dropped and why, and how it was split.</p>\n'
    body += shell.contents(sections) + "\n".join(section.render() for section in sections)
    links = [("Zero-shot Places", "places.html")]
    others = {"retrieval.html": "News retrieval", "fnd.html": "Biased news"}
    others |= {"vlm.html": "Vision-language model", "memes.html": "Memes"}
    links += [(text, page) for page, text in others.items() if (out / page).is_file()]
    shell.write(out / "data.html", shell.page("Data", body, shell.home(out), links))
    return [file.parent.name for file in found]


def _data_card(folder: Path, writer: Writer) -> Section:
    """Card of one data set: figure, head, drop report, planted effects."""
    card, name = read_card(folder), folder.name
    stamped = draw_card(card)
    made = figures.save(stamped, writer.out / "figures", f"card_{name}", figure_data(card))
    caption = f"Data card of {name}"
    blocks = [
        shell.figure(f"card_{name}", caption, caption, list(made), "wide"),
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

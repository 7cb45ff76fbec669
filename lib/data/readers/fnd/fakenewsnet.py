"""Reader of FakeNewsNet (Shu et al. 2018), PolitiFact and GossipCop: the crawl or SpotFake+.

    <source>/{fake,real}/<id>/news content.json    the crawler's: title, text, top_img, publish_date
    <source>/{fake,real}/<id>/<any>.jpg            its pictures; or <id>.jpg in any other folder
    {gossip,politi}_{train,test}.csv   SpotFake+: (number) content image label; 1 is real
    Images/{gossip,politi}_{train,test}/<image>

The positive class (label 1) is fake. SpotFake+ writes 0 for fake and 1 for real, other copies the
opposite, so `polarity` names each value: fake 1, real 0, "0" 1, "1" 0. The tables of the crawler's
own repository, politifact_fake.csv and so on, hold titles and addresses only and are not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lib import paths
from lib.data.drops import Drops
from lib.data.readers import LayoutError, Reading
from lib.data.readers.fnd.posts import (
    Pictures,
    Polarity,
    Post,
    PostSettings,
    cell,
    make_post,
    make_reading,
    need_columns,
)
from lib.data.readers.news_pairs.tables import read_records
from lib.data.readers.newsimages.files import PICTURES
from lib.data.readers.text import decode, repair

EXTRA = ("headline", "body")
CONTENT = ("news content.json", "news_content.json", "news-content.json")
TABLE = re.compile(r"(?P<source>gossip|politi|poli)\w*[-_](?P<split>train|test|val\w*)", re.I)
SOURCES = {"gossip": "gossipcop", "politi": "politifact", "poli": "politifact"}
SPLITS = {"train": "", "test": "test"}  # of what is left, the validation rows


@dataclass(frozen=True)
class Settings(PostSettings):
    """Section `data.fakenewsnet`; SpotFake+ has a test set, the crawl has no split."""

    fractions: dict[str, float] = field(
        default_factory=lambda: {"train": 0.7, "validation": 0.1, "test": 0.2}
    )
    polarity: dict[str, int] = field(default_factory=lambda: {"fake": 1, "real": 0, "0": 1, "1": 0})
    layout: Literal["", "crawl", "csv"] = ""  # empty: the one that is there
    text: Literal["headline", "body", "all"] = "all"  # of the crawl; all: title, then text


def read(root: Path, settings: Settings = Settings()) -> Reading:
    """Read all articles, files in sorted order; see lib.data.readers.Reading.

    `source` is politifact or gossipcop. Crawled articles have no split yet; of SpotFake+'s tables,
    test rows have `test`. Label columns: label, label_name, phash, headline and body (empty where a
    table has both in one). Raises LayoutError, PairsError for a label that `polarity` lacks.
    """
    drops = Drops()
    polarity = Polarity(root, "fakenewsnet", settings.polarity)
    pictures = Pictures(root)
    if _layout(root, settings) == "crawl":
        posts = list(_crawled(root, settings, pictures, polarity, drops))
    else:
        posts = [
            post
            for file in _tables(root)
            for post in _from_table(root, file, pictures, polarity, drops)
        ]
    polarity.check()
    return make_reading(root, posts, settings, EXTRA, drops)


def _layout(root: Path, settings: Settings) -> str:
    there = {"crawl": any(_contents(root)), "csv": bool(_tables(root))}
    chosen = [name for name in there if there[name] and settings.layout in ("", name)]
    if len(chosen) == 1:
        return chosen[0]
    reason = "both layouts are there: choose one with data.fakenewsnet.layout (crawl or csv)"
    if not chosen:
        reason = (
            f"expected <source>/<fake or real>/<id>/{CONTENT[0]} (FakeNewsNet's crawler), or "
            "{gossip,politi}_{train,test}.csv (SpotFake+)"
        )
    raise LayoutError(f"{paths.relative(root)}: {reason}")


def _tables(root: Path) -> list[Path]:
    return sorted(file for file in root.rglob("*.csv") if TABLE.fullmatch(file.stem))


def _contents(root: Path) -> Iterator[Path]:
    """Content files of the crawl: three folders below a root, or below any folder in it."""
    for file in sorted(root.rglob("news*content.json")):
        if file.name in CONTENT and len(file.relative_to(root).parts) >= 4:
            yield file


def _crawled(
    root: Path, settings: Settings, pictures: Pictures, polarity: Polarity, drops: Drops
) -> Iterator[Post]:
    for file in _contents(root):
        where = file.relative_to(root).as_posix()
        source, kind, number = file.parts[-4:-1]
        values, encoding = _json(file)
        if values is None:
            drops.drop(f"{source}/{number}", where, "content is no JSON object")
            continue
        title, body = repair(cell(values.get("title"))), repair(cell(values.get("text")))
        both = " ".join(filter(None, (title.text, body.text)))
        label, label_name = polarity(kind, where, "folder name")
        top = cell(values.get("top_img"))
        yield make_post(
            f"{source}/{number}", where, encoding, [title, body], cell(values.get("publish_date")),
            text={"headline": title.text, "body": body.text, "all": both}[settings.text],
            lang="en", source=source.lower(), label=label, label_name=label_name,
            headline=title.text, body=body.text, named=bool(top or values.get("images")),
            pictures=_near(root, file.parent, top) or pictures.find(number),
        )  # fmt: skip


def _json(file: Path) -> tuple[dict[str, Any] | None, str]:
    """The object in a file, None if there is none; and the file's encoding."""
    text, encoding = decode(file.read_bytes()) or ("", "")
    try:
        values = json.loads(text)
    except json.JSONDecodeError:
        return None, encoding
    return (values, encoding) if isinstance(values, dict) else (None, encoding)


def _near(root: Path, folder: Path, top: str) -> list[str]:
    """Pictures in an article's folder and below, that of `top_img` first."""
    lead = top.split("?")[0].rpartition("/")[2].casefold()
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in PICTURES)
    files.sort(key=lambda file: file.name.casefold() != lead)
    return [file.relative_to(root).as_posix() for file in files]


def _from_table(
    root: Path, file: Path, pictures: Pictures, polarity: Polarity, drops: Drops
) -> Iterator[Post]:
    match = TABLE.fullmatch(file.stem)
    source, split = SOURCES[match["source"].lower()], match["split"].lower()
    for row, record in enumerate(read_records(root, file, drops)):
        values = record.values
        if row == 0:
            column = "text" if "text" in values else "content"
            need_columns(file, values, [column, "image", "label"])
        text, image = repair(cell(values[column])), cell(values["image"])
        label, label_name = polarity(values["label"], record.where, "label")
        number = cell(values.get("")) or cell(values.get("Unnamed: 0")) or str(row)
        post = make_post(
            f"{file.stem}/{number}", record.where, record.encoding, [text], "",
            text=text.text, lang="en", source=source, label=label, label_name=label_name,
            headline="", body="", named=bool(image),
            pictures=pictures.find(image, file.stem) if image else [],
        )  # fmt: skip
        yield post | {"split": SPLITS.get(split, "validation")}

"""Reader of News Media Bias Plus (NMB+) and VLDBench: articles with their lead picture.

    <table>.csv | .json | .jsonl | .parquet   unique_id outlet headline article_text
                  image_description image date_published new_categories
                  news_categories_confidence_scores text_label multimodal_label [saved_image_path]
    <any folder>/<unique_id>.<suffix>         the pictures

The positive class (label 1) is `Likely`: likely biased, judged by language models on the article's
first paragraph and picture together (`multimodal_label`); `text_label` judges the text alone. Early
revisions have `nlp_label` with `Likely to be Bias` and `Likely to be Unbiased`, so labels are
compared whole. Seen in public copies, and read: `image` as the text of a PIL object, or as the
picture's bytes; categories and scores as numpy prints them, without commas; dates with and without
fractions of a second; ids of ten digits that became numbers; JSON by columns.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from lib.data.drops import Drops
from lib.data.readers import Reading
from lib.data.readers.fnd.outlets import strip_body, strip_headline
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
from lib.data.readers.news_pairs.tables import Record, find_tables, read_records
from lib.data.readers.newsimages.files import PICTURES
from lib.data.readers.text import repair

EXTRA = (
    "text_label", "headline", "body", "image_description", "categories", "category_scores",
)  # fmt: skip
REQUIRED = ("unique_id", "outlet", "headline", "article_text")
UNPACKED = "unpacked_images"  # folder below the root
ID = re.compile(r"[0-9a-f]{10}")
QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?", re.I)  # numpy prints 1.0 as "1."


@dataclass(frozen=True)
class Settings(PostSettings):
    """Section `data.nmb`."""

    by_outlet: ClassVar[bool] = True

    fractions: dict[str, float] = field(
        default_factory=lambda: {"train": 0.7, "validation": 0.1, "test": 0.2}
    )
    polarity: dict[str, int] = field(
        default_factory=lambda: {
            "Likely": 1, "Unlikely": 0, "Likely to be Bias": 1, "Likely to be Unbiased": 0,
        }
    )  # fmt: skip
    need: Literal["both", "any"] = "any"  # public copies come without pictures
    table: str = ""  # file or glob below the root; empty: the only table there
    target: Literal["multimodal_label", "text_label", "nlp_label"] = "multimodal_label"
    text: Literal["headline", "lead", "body", "all"] = "headline"  # lead: the first paragraph
    strip_outlet: bool = True  # remove the outlet's name from headline and head of the article
    unpack: bool = False  # write pictures that a table carries into <root>/unpacked_images


def read(root: Path, settings: Settings = Settings()) -> Reading:
    """Read the articles in the order of their tables; see lib.data.readers.Reading.

    `source` is the outlet. Label columns: label, label_name, phash, text_label (1 Likely, 0
    Unlikely, -1 not given), headline, body (the whole article, one line), image_description,
    categories and category_scores (|-separated, the surest first, as given). Raises LayoutError for
    a missing table or column, PairsError for a label that `polarity` does not name.
    """
    drops = Drops()
    polarity = Polarity(root, "nmb", settings.polarity)
    posts = list(_posts(root, settings, polarity, drops))
    polarity.check()
    return make_reading(root, posts, settings, EXTRA, drops)


def parse_names(value: Any) -> list[str] | None:
    """Names of a list or of its print, `['A' 'B']` as `["A", "B"]`; None if it is neither."""
    if isinstance(value, (list, tuple)):
        return [" ".join(name.split()) for name in map(cell, value) if name]
    text = cell(value)
    if not text:
        return []
    if not (text.startswith("[") and text.endswith("]")):
        return None
    found = [" ".join((a or b).split()) for a, b in QUOTED.findall(text)]
    return found if found or not text[1:-1].strip() else None


def parse_scores(value: Any) -> list[float] | None:
    """Numbers of a list or of its print, `[0.95 0.9 ]`; None if it is neither."""
    if isinstance(value, (list, tuple)):
        value = f"[{' '.join(map(str, value))}]"
    text = cell(value)
    if not text:
        return []
    inner = text[1:-1].replace(",", " ").split()
    if not (text.startswith("[") and text.endswith("]") and all(map(NUMBER.fullmatch, inner))):
        return None
    return [float(number) for number in inner]


def first_paragraph(article: str) -> str:
    """The first line of an article that is not empty."""
    return next((line.strip() for line in article.splitlines() if line.strip()), "")


def _posts(root: Path, settings: Settings, polarity: Polarity, drops: Drops) -> Iterator[Post]:
    pictures = Pictures(root)
    for file in find_tables(root, settings.table):
        for number, record in enumerate(_records(root, file, drops)):
            if number == 0:
                hint = f" (data.nmb.target is {settings.target})"
                need_columns(file, record.values, [*REQUIRED, settings.target], hint)
            name = _name(record.values)
            if not name:
                drops.drop("", record.where, "row without unique_id")
                continue
            post = _post(name, record, settings, polarity)
            named, found = _picture(root, name, record.values, pictures, settings, post["remarks"])
            yield post | {"named": named, "pictures": found}


def _records(root: Path, file: Path, drops: Drops) -> Iterator[Record]:
    """Records of a table; JSON by columns, {"unique_id": {"0": ...}}, is turned into rows."""
    columns = _columns(file) if file.suffix.lower() == ".json" else None
    if columns is None:
        yield from read_records(root, file, drops)
        return
    name = file.relative_to(root).as_posix()
    for number, key in enumerate(columns["unique_id"], start=1):
        values = {column: cells.get(key) for column, cells in columns.items()}
        yield Record(values, f"{name}:{number}", "utf-8")


def _columns(file: Path) -> dict[str, dict[str, Any]] | None:
    """The columns of a JSON file that holds columns; None for a list, or an object a line."""
    with file.open("rb") as stream:
        if stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
            return None
    try:
        values = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError:
        return None
    turned = isinstance(values, dict) and isinstance(values.get("unique_id"), dict)
    return values if turned else None


def _name(values: Mapping[str, Any]) -> str:
    """The id as text; one of ten digits that became a number gets its leading zeros back."""
    name = cell(values.get("unique_id"))
    return name.zfill(10) if isinstance(values.get("unique_id"), (int, float)) and name else name


def _post(name: str, record: Record, settings: Settings, polarity: Polarity) -> Post:
    values, where = record.values, record.where
    outlet = " ".join(cell(values.get("outlet")).split())
    headline, article = cell(values.get("headline")), cell(values.get("article_text"))
    bare = (strip_headline(headline, outlet), strip_body(article, outlet))
    stripped = settings.strip_outlet and bare != (headline, article)
    if stripped:
        headline, article = bare
    title, body, lead = repair(headline), repair(article), repair(first_paragraph(article))
    both = " ".join(filter(None, (title.text, body.text)))
    texts = {"headline": title.text, "lead": lead.text, "body": body.text, "all": both}
    label, label_name = polarity(values.get(settings.target), where, settings.target)
    text_label, _ = polarity(values.get("text_label"), where, "text_label")
    described = repair(cell(values.get("image_description")))
    post = make_post(
        name, where, record.encoding, [title, body, described], cell(values.get("date_published")),
        text=texts[settings.text], lang="en", source=outlet, label=label, label_name=label_name,
        text_label=text_label, headline=title.text, body=body.text,
        image_description=described.text, **_categories(values),
    )  # fmt: skip
    post["remarks"] += ["outlet's name removed from the text"] if stripped else []
    post["remarks"] += [] if ID.fullmatch(name) else ["id is not ten hexadecimal digits"]
    post["remarks"] += post.pop("odd")
    return post


def _categories(values: Mapping[str, Any]) -> dict[str, Any]:
    """Columns categories and category_scores, and what is odd about them."""
    names = parse_names(values.get("new_categories"))
    scores = parse_scores(values.get("news_categories_confidence_scores"))
    odd = ["categories not understood"] if names is None or scores is None else []
    if not odd and len(names) != len(scores):
        odd = ["not as many category scores as categories"]
    return {
        "categories": "|".join(names or ()),
        "category_scores": "|".join(f"{score:g}" for score in scores or ()),
        "odd": odd,
    }


def _picture(
    root: Path, name: str, values: Mapping[str, Any], pictures: Pictures, settings: Settings,
    remarks: list[str],
) -> tuple[bool, list[str]]:  # fmt: skip
    """Whether a picture is named, and its file: by saved path, by `image`, by the article's id."""
    image, saved = values.get("image"), cell(values.get("saved_image_path"))
    given = cell(image) if isinstance(image, str) else ""
    if isinstance(image, Mapping):
        given = cell(image.get("path"))
        if image.get("bytes") and settings.unpack:
            return True, [_unpack(root, name, image["bytes"], given)]
        if image.get("bytes"):
            remarks.append("picture lies inside the table: setting `unpack` writes it out")
    if given.startswith("<"):
        remarks.append("column image holds the print of an object, not a picture")
        given = ""
    for candidate in filter(None, (saved, given, name)):
        if found := pictures.find(candidate):
            return True, found
    return bool(saved or given), []


def _unpack(root: Path, name: str, data: bytes, given: str) -> str:
    """Write a table's picture once; the file appears whole or not. Returns its relative path."""
    suffix = os.path.splitext(given)[1].lower()
    suffix = suffix if suffix in PICTURES else ".jpg"
    file = root / UNPACKED / f"{re.sub(r'[^0-9A-Za-z_-]', '_', name)}{suffix}"
    if not file.is_file() or file.stat().st_size != len(data):
        file.parent.mkdir(exist_ok=True)
        part = file.with_name(f".{file.name}.{os.getpid()}.part")
        try:
            part.write_bytes(data)
            os.replace(part, file)
        finally:
            part.unlink(missing_ok=True)
    return file.relative_to(root).as_posix()

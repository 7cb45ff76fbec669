"""Reader of the Weibo rumour set (Jin et al. 2017), as published and as FND-CLIP's tables.

    tweets/{train,test}_{rumor,nonrumor}.txt   three lines a post: 15 fields with | between them
                  (id first, time of publication fifth), picture addresses a|b|null, the text
    {rumor,nonrumor}_images/<last part of the address>
    *train*.csv, *test*.csv      FND-CLIP: (number) text image label texts; image is a list with |
                  between the paths, label 0 is a rumour, texts the English translation

The positive class (label 1) is the rumour. The tables' numbers mean the opposite of what most other
sets mean by them (0 is fake), so `polarity` names each value: rumor 1, nonrumor 0, "0" 1, "1" 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

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
from lib.data.readers.news_pairs.tables import Record, read_records
from lib.data.readers.text import Line, read_lines, repair

EXTRA = ("original", "english")
POSTS = re.compile(r"(?P<split>train|test|validat\w*|val)_(?P<label>\w+)", re.I)
TABLE = re.compile(r"(?:.*[-_ ])?(?P<split>train|test|val|validation)(?:[-_ ].*)?", re.I)
HEAD = re.compile(r"\d{6,}\|")  # the id that a post starts with; no text or address does
FIELDS, TIME = 15, 4  # of the first line; the time's place, from 0
SPLITS = {"train": "", "test": "test"}  # of what is left, the validation rows


@dataclass(frozen=True)
class Settings(PostSettings):
    """Section `data.weibo`; `fractions` part the official training rows, by date."""

    in_time: ClassVar[bool] = True

    fractions: dict[str, float] = field(default_factory=lambda: {"train": 0.9, "validation": 0.1})
    polarity: dict[str, int] = field(
        default_factory=lambda: {"rumor": 1, "nonrumor": 0, "0": 1, "1": 0}
    )
    layout: Literal["", "tweets", "csv"] = ""  # empty: the one that is there
    text: Literal["original", "english"] = "original"  # english: only FND-CLIP's tables have it


def read(root: Path, settings: Settings = Settings()) -> Reading:
    """Read all posts, files in sorted order; see lib.data.readers.Reading.

    Training rows have no split yet, test rows have `test`, rows of a validation file `validation`.
    `id` is the post's own number, or `<table>/<number>`. Label columns: label, label_name, phash,
    original (the Chinese text) and english (its translation, where there is one). Raises
    LayoutError, PairsError for a label that `polarity` does not name.
    """
    drops = Drops()
    polarity = Polarity(root, "weibo", settings.polarity)
    layout, files = _files(root, settings)
    reader = _from_lines if layout == "tweets" else _from_table
    pictures = Pictures(root)
    posts = [
        post | {"pictures": _pictures(post["named"], pictures, near)}
        for file, split in files
        for post, near in reader(root, file, split, settings, polarity, drops)
    ]
    polarity.check()
    return make_reading(root, posts, settings, EXTRA, drops)


def read_posts(root: Path, file: Path, drops: Drops) -> Iterator[tuple[Line, str, str]]:
    """First line, picture addresses and text of each post; what is no post is reported by line.

    A post starts where a line starts with its number, so one that lacks a line costs itself alone.
    """
    name = file.relative_to(root).as_posix()
    post: list[Line] = []
    for line in read_lines(file):
        if HEAD.match(line.text or ""):
            yield from _whole(name, post, drops)
            post = [line]
        elif post and len(post) < 3:
            post.append(line)
        elif line.text is None or line.text.strip():
            drops.drop("", f"{name}:{line.number}", "line outside a post")
    yield from _whole(name, post, drops)


def _whole(name: str, post: list[Line], drops: Drops) -> Iterator[tuple[Line, str, str]]:
    if not post:
        return
    number, where = post[0].text.split("|")[0], f"{name}:{post[0].number}"
    if any(line.text is None for line in post):
        drops.drop(number, where, "post is neither UTF-8 nor Windows-1252")
    elif len(post) < 3:
        drops.drop(number, where, "malformed post: fewer than three lines")
    elif post[0].text.count("|") < FIELDS - 1:
        drops.drop(number, where, f"malformed post: first line has fewer than {FIELDS} fields")
    else:
        yield post[0], post[1].text, post[2].text


def _files(root: Path, settings: Settings) -> tuple[str, list[tuple[Path, str]]]:
    """Layout, and its files with the split of each."""
    found: dict[str, list[tuple[Path, str]]] = {"tweets": [], "csv": []}
    for file in sorted(root.rglob("*")):
        layout, pattern = ("tweets", POSTS) if file.suffix == ".txt" else ("csv", TABLE)
        match = pattern.fullmatch(file.stem)
        if match and file.suffix in (".txt", ".csv"):
            split = match["split"].lower()
            found[layout].append((file, SPLITS.get(split, "validation")))
    there = [layout for layout in found if found[layout] and settings.layout in ("", layout)]
    if len(there) == 1:
        return there[0], found[there[0]]
    reason = "both layouts are there: choose one with data.weibo.layout (tweets or csv)"
    if not there:
        reason = "expected tweets/{train,test}_{rumor,nonrumor}.txt, or FND-CLIP's *train*.csv"
    raise LayoutError(f"{paths.relative(root)}: {reason}")


def _from_lines(
    root: Path, file: Path, split: str, settings: Settings, polarity: Polarity, drops: Drops
) -> Iterator[tuple[Post, str]]:
    """Posts of a three-line file, each with the folder of its pictures."""
    kind = POSTS.fullmatch(file.stem)["label"].lower()
    name = file.relative_to(root).as_posix()
    if settings.text == "english":
        raise LayoutError(f"{paths.relative(file)}: has no translation (data.weibo.text: english)")
    for head, addresses, text in read_posts(root, file, drops):
        fields, original = head.text.split("|"), repair(text)
        label, label_name = polarity(kind, name, "file name")
        post = make_post(
            fields[0], f"{name}:{head.number}", head.encoding, [original], fields[TIME],
            text=original.text, lang="zh", source="weibo", label=label, label_name=label_name,
            original=original.text, english="", named=_listed(addresses),
        )  # fmt: skip
        yield post | {"split": split}, f"{kind}_images"


def _from_table(
    root: Path, file: Path, split: str, settings: Settings, polarity: Polarity, drops: Drops
) -> Iterator[tuple[Post, str]]:
    """Posts of one of FND-CLIP's tables; their picture paths name the folder."""
    record: Record
    for row, record in enumerate(read_records(root, file, drops)):
        values = record.values
        if row == 0:
            english = ["texts"] if settings.text == "english" else []
            need_columns(file, values, ["text", "image", "label", *english])
        original, english = repair(cell(values["text"])), repair(cell(values.get("texts")))
        label, label_name = polarity(values["label"], record.where, "label")
        number = cell(values.get("")) or cell(values.get("Unnamed: 0")) or str(row)
        post = make_post(
            f"{file.stem}/{number}", record.where, record.encoding, [original, english], "",
            text=original.text if settings.text == "original" else english.text,
            lang="zh" if settings.text == "original" else "en", source="weibo", label=label,
            label_name=label_name, original=original.text, english=english.text,
            named=_listed(cell(values["image"])),
        )  # fmt: skip
        yield post | {"split": split}, ""


def _listed(value: str) -> list[str]:
    """The entries of a list a|b|null."""
    return [name for name in (part.strip() for part in value.split("|")) if cell(name)]


def _pictures(named: list[Any], pictures: Pictures, near: str) -> list[str]:
    """Files of the pictures that a post names, in its order, each once."""
    return list(dict.fromkeys(file for name in named for file in pictures.find(name, near)))

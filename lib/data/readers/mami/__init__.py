"""Reader of MAMI (Fersini et al. 2022, SemEval task 5): memes, their text and five labels.

    TRAINING/training.csv   file_name, five labels, Text Transcription; pictures beside it
    trial/trial.csv         the same columns
    test/Test.csv           file_name, Text Transcription
    test_labels.txt         no header: file_name and the five labels; also truth.txt
    {train,validation,test}.tsv   TIB-VA's copy: file_name, label (misogynous), four types, text

How the files are read stands in lib.data.readers.mami.tables.

Decisions where the sources are silent: an official training row is `train` and stays it, as is
TIB's 9000/1000 split; the paper's 8000/2000 is drawn from `train` by lib.memes.draws. Trial rows
are read only on request, as `train`; a meme that training has already is left out. Labels that
contradict each other stay, with a remark. Labels of a test set without its label file are -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lib import paths
from lib.data.drops import Drops
from lib.data.images import NO_HASH, ImageError, ImageFacts, inspect_all
from lib.data.readers import DatasetSettings, Reading
from lib.data.readers.mami.cleaning import clean
from lib.data.readers.mami.tables import (
    LABELS,
    TYPES,
    UNKNOWN,
    Row,
    find_pictures,
    find_tables,
    read_labels,
    read_rows,
    read_truth,
)
from lib.data.readers.text import MOJIBAKE, repair
from lib.schema import PairsError

__all__ = ["LABELS", "TRANSCRIPTION", "TYPES", "UNKNOWN", "Settings", "read"]
SPLIT = {"training": "train", "trial": "train", "validation": "validation", "test": "test"}
NO_PICTURE = ImageFacts(0, 0, NO_HASH)
TRANSCRIPTION = "original"  # column of the text as published, where `text` is the cleaned one


@dataclass(frozen=True)
class Settings(DatasetSettings):
    """Section `data.mami`."""

    clean: bool = False  # `text` is cleaned (TIB-VA's steps), `original` the transcription
    trial: bool = False  # also the 100 memes of the trial set, as training rows
    lang: str = "en"  # MAMI is English only
    max_memes: int = 0  # first rows of each table; 0: all

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        super().validate()
        if self.max_memes < 0:
            raise ValueError("max_memes: must be 0 (all) or more")


def read(root: Path, settings: Settings = Settings()) -> Reading:
    """Read all tables, training first; see lib.data.readers.Reading.

    `id` is `<part>/<file name without suffix>`: parts may use a name twice. Label columns, 0, 1 or
    -1: misogynous, shaming, stereotype, objectification, violence. A training row needs a picture
    that can be read; a test row stays without it, as the official score counts it. Raises
    LayoutError, and PairsError naming file, row and column of each bad label.
    """
    drops, defects = Drops(), []
    tables = find_tables(root)
    truth = read_truth(root, defects)
    pictures = find_pictures(root)
    items: list[dict[str, Any]] = []
    for part in [p for p in SPLIT if p in tables and (settings.trial or p != "trial")]:
        rows = read_rows(tables[part], drops)[: settings.max_memes or None]
        labels = read_labels(tables[part], rows, truth if part == "test" else None, defects)
        made = zip(rows, labels, strict=True)
        items += [_item(tables[part], part, row, label, pictures, settings) for row, label in made]
    if defects:
        raise PairsError(defects)
    named = {item["name"] for item in items if item["split"] == "test"}
    for name in () if settings.max_memes else sorted(truth.keys() - named):
        drops.keep(f"test/{name}", name, "label without a meme")
    return _reading(root, _usable(items, drops), settings, drops)


def _item(
    file: Path, part: str, row: Row, labels: tuple[int, ...], pictures: dict[str, list[Path]],
    settings: Settings,
) -> dict[str, Any]:  # fmt: skip
    """One meme without its picture's facts; a picture near its table goes before another."""
    name, repaired = row.cells["file_name"], repair(row.cells["text"])
    text = clean(repaired.text) if settings.clean else repaired.text
    found = pictures.get(name.casefold(), [])
    near = [picture for picture in found if picture.is_relative_to(file.parent)]
    remarks = list(repaired.remarks)
    if row.encoding != "utf-8":
        remarks.append(f"row read as {row.encoding}")
    if not text:
        remarks.append("empty text")
    if labels[0] == UNKNOWN:
        remarks.append("no label")
    elif labels[0] != max(labels[1:]):
        remarks.append("misogynous without a type" if labels[0] else "type without misogynous")
    return {
        "id": f"{part}/{name.rpartition('.')[0]}", "name": name.casefold(), "text": text,
        TRANSCRIPTION: repaired.text,
        "picture": (near or found or [None])[0], "split": SPLIT[part], "source": part,
        "labels": labels, "remarks": remarks, "where": f"{paths.relative(file)}, row {row.number}",
        "encoding": row.encoding + (", mojibake" if MOJIBAKE in repaired.remarks else ""),
    }  # fmt: skip


def _usable(items: list[dict[str, Any]], drops: Drops) -> list[dict[str, Any]]:
    """Leave out second rows of a meme, trial memes that training has, rows without a picture."""
    kept, seen = [], set()
    for item in items:
        reason = ""
        if item["id"] in seen:
            reason = "second row of the same meme"
        elif item["source"] == "trial" and f"training/{item['id'][6:]}" in seen:
            reason = "trial meme that training has"
        elif item["picture"] is None and (item["split"] != "test" or not item["text"]):
            reason = "picture is missing"
        elif item["picture"] is None:
            item["remarks"].append("picture is missing: test meme kept without it")
        if reason:
            drops.drop(item["id"], item["where"], reason)
            continue
        seen.add(item["id"])
        kept.append(item)
    return kept


def _reading(root: Path, items: list[dict[str, Any]], settings: Settings, drops: Drops) -> Reading:
    """Inspect each picture; a test meme whose picture is broken stays, without it."""
    files = [item["picture"] for item in items if item["picture"]]
    results = dict(zip(files, inspect_all(files), strict=True))
    kept, facts = [], []
    for item in items:
        seen = results.get(item["picture"], NO_PICTURE)
        if isinstance(seen, ImageError):
            reason = f"broken image: {str(seen).removeprefix(str(item['picture']) + ': ')}"
            if item["split"] != "test" or not item["text"]:
                drops.drop(item["id"], item["where"], reason)
                continue
            item["remarks"].append(f"{reason}; test meme kept without it")
            item["picture"], seen = None, NO_PICTURE
        for remark in item["remarks"]:
            drops.keep(item["id"], item["where"], remark)
        image = item["picture"].relative_to(root).as_posix() if item["picture"] else ""
        kept.append(item | {"image": image, "lang": settings.lang, "date": "", "group": item["id"]})
        facts.append((item["id"], seen.width, seen.height, seen.hash, item["encoding"]))
    columns = ["id", "image", "text", "lang", "split", "date", "source", "group"]
    columns += [TRANSCRIPTION] * settings.clean
    pairs = pd.DataFrame({c: [item[c] for item in kept] for c in columns}, dtype="str")
    for place, label in enumerate(LABELS):
        pairs[label] = pd.Series([item["labels"][place] for item in kept], dtype="int64")
    columns = ["id", "width", "height", "hash", "encoding"]
    return Reading(pairs, pd.DataFrame(facts, columns=columns), drops)

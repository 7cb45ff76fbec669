"""Reader of MAMI (Fersini et al. 2022, SemEval task 5): memes, their text and five labels.

    TRAINING/training.csv   file_name, five labels, Text Transcription; pictures beside it
    trial/trial.csv         the same columns
    test/Test.csv           file_name, Text Transcription
    test_labels.txt         no header: file_name and the five labels; also truth.txt
    {train,validation,test}.tsv   TIB-VA's copy: file_name, label (misogynous), four types, text

All are separated by tabs, also .csv; columns go by name, in any order after file_name. Files are
found in any folder below the root, whatever the case of their names. A text in quotes may run over
lines; a quote that is never closed stays a quote, as a picture's name always starts a row.

Decisions where the sources are silent: an official training row is `train` and stays it, as is
TIB's 9000/1000 split; the paper's 8000/2000 is drawn from `train` by lib.memes.draws. Trial rows
are read only on request, as `train`; a meme that training has already is left out. Labels that
contradict each other stay, with a remark. Labels of a test set without its label file are -1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lib import paths
from lib.data.drops import Drops
from lib.data.images import NO_HASH, ImageError, ImageFacts, inspect_all
from lib.data.readers import DatasetSettings, LayoutError, Reading
from lib.data.readers.text import MOJIBAKE, read_lines, repair
from lib.schema import PairsError

TYPES = ("shaming", "stereotype", "objectification", "violence")
LABELS = ("misogynous", *TYPES)  # also the order of test_labels.txt
UNKNOWN = -1  # the label of a meme that nobody published one for
SPLIT = {"training": "train", "trial": "train", "validation": "validation", "test": "test"}
STEMS = {"train": "training"} | {part: part for part in SPLIT}
TRUTHS = ("test_labels.txt", "truth.txt")
NAMES = {"label": "misogynous", "text transcription": "text"}  # theirs -> ours; the rest are equal
PICTURE = r"\.(?:jpe?g|png|gif|bmp|webp)"
STARTS_ROW = re.compile(rf'"?[^\t"]+{PICTURE}"?(?:\t|$)', re.IGNORECASE)
NO_PICTURE = ImageFacts(0, 0, NO_HASH)


@dataclass(frozen=True)
class Settings(DatasetSettings):
    """Section `data.mami`."""

    trial: bool = False  # also the 100 memes of the trial set, as training rows
    lang: str = "en"  # MAMI is English only
    max_memes: int = 0  # first rows of each table; 0: all

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        super().validate()
        if self.max_memes < 0:
            raise ValueError("max_memes: must be 0 (all) or more")


class Row(NamedTuple):
    """One row of a table."""

    number: int  # from 1, header apart
    cells: dict[str, str]
    encoding: str


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
        labels = _labels(tables[part], rows, truth if part == "test" else None, defects)
        made = zip(rows, labels, strict=True)
        items += [_item(tables[part], part, row, label, pictures) for row, label in made]
    if defects:
        raise PairsError(defects)
    named = {item["name"] for item in items if item["split"] == "test"}
    for name in () if settings.max_memes else sorted(truth.keys() - named):
        drops.keep(f"test/{name}", name, "label without a meme")
    return _reading(root, _usable(items, drops), settings, drops)


def find_tables(root: Path) -> dict[str, Path]:
    """Table by part (training, trial, validation, test); LayoutError without a training table."""
    found: dict[str, Path] = {}
    for file in sorted(root.rglob("*")):
        if file.suffix.lower() not in (".csv", ".tsv") or not file.is_file():
            continue
        part = STEMS.get(file.stem.casefold())
        if part in found:
            raise LayoutError(f"{paths.relative(file)}: a second table of {part}")
        if part:
            found[part] = file
    if "training" not in found:
        names = [f"{p.name}/" if p.is_dir() else p.name for p in sorted(root.iterdir())]
        raise LayoutError(
            f"{paths.relative(root)}: expected TRAINING/training.csv, test/Test.csv, test_labels."
            f"txt (MAMI) or train.tsv (TIB-VA); found {', '.join(names[:6]) or 'nothing'}"
        )
    return found


def find_pictures(root: Path) -> dict[str, list[Path]]:
    """Picture files below the root by lower-case name."""
    found: dict[str, list[Path]] = {}
    for file in sorted(root.rglob("*")):
        if re.fullmatch(PICTURE, file.suffix, re.IGNORECASE) and not file.name.startswith("."):
            found.setdefault(file.name.casefold(), []).append(file)
    return found


def read_rows(file: Path, drops: Drops) -> list[Row]:
    """Rows of a table with a header; rows that cannot be read go to the drop report.

    Raises PairsError for a header without file_name in front, or without a text.
    """
    lines = list(_records(file))
    columns = _columns(lines[0][0] if lines else "")
    where = paths.relative(file)
    for column in ("file_name", "text"):
        if column not in columns or columns[0] != "file_name":
            wrong = "missing" if column not in columns else "must come first"
            raise PairsError([f"{where}, header, column {column!r}: {wrong}, separated by tabs"])
    rows = []
    for number, (text, encoding) in enumerate(lines[1:], start=1):
        cells = _cells(text, columns) if encoding else None
        if cells is not None:
            rows.append(Row(number, cells, encoding))
            continue
        reason = "no picture's name in front, or too few columns"
        reason = reason if encoding else "neither UTF-8 nor Windows-1252"
        drops.drop(f"row {number}", f"{where}, row {number}", reason)
    return rows


def read_truth(root: Path, defects: list[str]) -> dict[str, tuple[int, ...]]:
    """Labels by file name from test_labels.txt or truth.txt; {} if none. Fills `defects`."""
    files = [file for file in sorted(root.rglob("*.txt")) if file.name.casefold() in TRUTHS]
    truth: dict[str, tuple[int, ...]] = {}
    columns = ["file_name", *LABELS]
    for file in files[:1]:
        for number, (text, _) in enumerate(_records(file), start=1):
            cells = text.split("\t")
            if number == 1 and cells[0].casefold() == "file_name":
                columns = _columns(text)
                continue
            row = dict(zip(columns, cells, strict=False))
            if cells[0].casefold() in truth:
                name = f"{paths.relative(file)}, row {number}, column 'file_name'"
                defects.append(f"{name}: {cells[0]!r} is labelled twice")
            truth[cells[0].casefold()] = _flags(file, number, row, defects)
    return truth


def _columns(header: str) -> list[str]:
    names = [name.strip().strip('"').casefold() for name in header.split("\t")]
    return [NAMES.get(name, name) for name in names]


def _records(file: Path) -> Iterator[tuple[str, str]]:
    """Text and encoding ("" when neither is known) of each row; quoted texts may span lines."""
    held, encoding = None, ""
    for line in read_lines(file):
        if held is not None and line.text is not None and not STARTS_ROW.match(line.text):
            if held.count('"') % 2:  # a text in quotes that is still open
                held = f"{held}\n{line.text}"
                encoding = encoding if line.encoding == "utf-8" else line.encoding
                continue
            if not line.text.strip():
                continue
        if held is not None:
            yield held, encoding
        held, encoding = line.text or "", line.encoding
    if held is not None:
        yield held, encoding


def _cells(text: str, columns: list[str]) -> dict[str, str] | None:
    """Cells by column; tabs beyond the columns belong to the text. None for what is no row."""
    cells = text.split("\t")
    more = len(cells) - len(columns)
    if more < 0 or not STARTS_ROW.match(text):
        return None
    at = columns.index("text")
    cells[at : at + more + 1] = ["\t".join(cells[at : at + more + 1])]
    return {c: _unquoted(cell) for c, cell in zip(columns, cells, strict=True)}


def _unquoted(cell: str) -> str:
    cell = cell.strip()
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and not cell.count('"') % 2
    return cell[1:-1].replace('""', '"') if quoted else cell


def _labels(
    file: Path, rows: list[Row], truth: dict[str, tuple[int, ...]] | None, defects: list[str]
) -> list[tuple[int, ...]]:
    """Labels of each row: the table's own, else (a test set) those of the label file."""
    columns = set(rows[0].cells) if rows else set(LABELS)
    if truth is not None and not columns & set(LABELS):
        return [truth.get(r.cells["file_name"].casefold(), (UNKNOWN,) * 5) for r in rows]
    missing = [column for column in LABELS if column not in columns]
    if missing:
        where = f"{paths.relative(file)}, header"
        raise PairsError([f"{where}, column {column!r}: missing" for column in missing])
    return [_flags(file, row.number, row.cells, defects) for row in rows]


def _flags(file: Path, number: int, cells: dict[str, str], defects: list[str]) -> tuple[int, ...]:
    for column in LABELS:
        if (value := cells.get(column, "").strip()) not in ("0", "1"):
            where = f"{paths.relative(file)}, row {number}, column {column!r}"
            defects.append(f"{where}: must be 0 or 1, not {value!r}")
    return tuple(int(cells.get(column, "").strip() == "1") for column in LABELS)


def _item(
    file: Path, part: str, row: Row, labels: tuple[int, ...], pictures: dict[str, list[Path]]
) -> dict[str, Any]:
    """One meme without its picture's facts; a picture near its table goes before another."""
    name, text = row.cells["file_name"], repair(row.cells["text"])
    found = pictures.get(name.casefold(), [])
    near = [picture for picture in found if picture.is_relative_to(file.parent)]
    remarks = list(text.remarks)
    if row.encoding != "utf-8":
        remarks.append(f"row read as {row.encoding}")
    if not text.text:
        remarks.append("empty text")
    if labels[0] == UNKNOWN:
        remarks.append("no label")
    elif labels[0] != max(labels[1:]):
        remarks.append("misogynous without a type" if labels[0] else "type without misogynous")
    return {
        "id": f"{part}/{name.rpartition('.')[0]}", "name": name.casefold(), "text": text.text,
        "picture": (near or found or [None])[0], "split": SPLIT[part], "source": part,
        "labels": labels, "remarks": remarks, "where": f"{paths.relative(file)}, row {row.number}",
        "encoding": row.encoding + (", mojibake" if MOJIBAKE in text.remarks else ""),
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
    pairs = pd.DataFrame({c: [item[c] for item in kept] for c in columns}, dtype="str")
    for place, label in enumerate(LABELS):
        pairs[label] = pd.Series([item["labels"][place] for item in kept], dtype="int64")
    columns = ["id", "width", "height", "hash", "encoding"]
    return Reading(pairs, pd.DataFrame(facts, columns=columns), drops)

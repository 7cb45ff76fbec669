"""Files of MAMI: tables of memes, label files and pictures, wherever they lie below a folder.

Tables are separated by tabs, also .csv; columns go by name, in any order after file_name. Files
are found in any folder below the root, whatever the case of their names. A text in quotes may run
over lines; a quote that is never closed stays a quote, as a picture's name always starts a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lib import paths
from lib.data.drops import Drops
from lib.data.readers import LayoutError
from lib.data.readers.text import read_lines
from lib.schema import PairsError

TYPES = ("shaming", "stereotype", "objectification", "violence")
LABELS = ("misogynous", *TYPES)  # also the order of test_labels.txt
UNKNOWN = -1  # the label of a meme that nobody published one for
PARTS = ("training", "trial", "validation", "test")
STEMS = {"train": "training"} | {part: part for part in PARTS}
TRUTHS = ("test_labels.txt", "truth.txt")
NAMES = {"label": "misogynous", "text transcription": "text"}  # theirs -> ours; the rest are equal
PICTURE = r"\.(?:jpe?g|png|gif|bmp|webp)"
STARTS_ROW = re.compile(rf'"?[^\t"]+{PICTURE}"?(?:\t|$)', re.IGNORECASE)


class Row(NamedTuple):
    """One row of a table."""

    number: int  # from 1, header apart
    cells: dict[str, str]
    encoding: str


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


def read_labels(
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

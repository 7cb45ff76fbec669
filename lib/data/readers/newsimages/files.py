"""Files of NewsImages: which tables and pictures there are, their rows, the ground truth."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from lib import paths
from lib.data.drops import Drops
from lib.data.readers import LayoutError
from lib.data.readers.text import read_lines
from lib.schema import PairsError

PORTAL = "portal"  # the German portal of 2020 and 2021, whose files do not name it
NAME = r"(?P<name>.+?)[-_ ]"
ROLES = (
    ("train", re.compile(NAME + r"train(ing)?", re.I)),
    ("text", re.compile(NAME + r"test[-_ ]?(text|articles?)", re.I)),
    ("images", re.compile(NAME + r"test[-_ ]?(img|images?)", re.I)),
    ("truth", re.compile(NAME + r"test[-_ ]?(ground[-_ ]?truth|gt)", re.I)),
    ("truth", re.compile(r"content\d{4}-\d\d-gt", re.I)),
    ("train", re.compile(r"content\d{4}-\d\d", re.I)),
    ("text", re.compile(r"MediaEvalNewsImagesBatch\d\darticles", re.I)),
    ("images", re.compile(r"MediaEvalNewsImagesBatch\d\dimages", re.I)),
)
NEEDED = {  # columns of a file, by its role; of several in a tuple one is enough
    "train": (("article",), ("title",), ("iid", "imgfile")),
    "text": (("article",), ("title",)),
    "images": (("iid", "imgfile"),),
    "truth": (("article",), ("iid",)),
}
OPTIONAL = {"title"}  # columns whose cells may be empty; the reader decides what that means
READ = ("title", "text", "titleen", "texten", "date")  # columns whose cells tell something
ALIASES = {"articleid": "article", "headline": "title"}
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")

Files = dict[str, list[Path]]  # by role


class Row(NamedTuple):
    """One row of a table: its cells by column (lower case), where it stands, its encoding."""

    cells: dict[str, str]
    where: str  # file:line, the file relative to the root
    encoding: str

    @property
    def iid(self) -> str:
        """Id of the picture; where a table has none, its file name without suffix."""
        return self.cells.get("iid") or os.path.splitext(self.cells.get("imgfile", ""))[0]


def find_files(root: Path) -> dict[str, Files]:
    """Tables below the root by source and role, files in sorted order; LayoutError if none."""
    found: dict[str, Files] = {}
    tables = [p for p in root.rglob("*") if p.suffix.lower() in (".tsv", ".txt") and p.is_file()]
    for file in sorted(tables):
        for role, pattern in ROLES:
            if match := pattern.fullmatch(file.stem):
                name = match.groupdict().get("name") or PORTAL
                source = "-".join([*file.parent.relative_to(root).parts, name]).lower()
                found.setdefault(source, {}).setdefault(role, []).append(file)
                break
    if not found:
        there = sorted(f"{p.name}/" if p.is_dir() else p.name for p in root.iterdir())
        raise LayoutError(
            f"{paths.relative(root)}: expected <NAME>-Train.tsv, <NAME>-Test-Text.tsv and "
            f"<NAME>-Test-Img.tsv (MediaEval NewsImages); found {', '.join(there[:6]) or 'nothing'}"
            f"{', ...' if len(there) > 6 else ''}"
        )
    for source, files in found.items():
        _check(source, files)
    return found


def _check(source: str, files: Files) -> None:
    for role in ("text", "images", "truth"):
        if len(several := files.get(role, [])) > 1:
            names = " and ".join(paths.relative(file) for file in several[:2])
            raise LayoutError(f"{names}: both are the {role} file of source {source}")
    if "truth" in files and not {"text", "images"} <= set(files):
        lone = paths.relative(files["truth"][0])
        raise LayoutError(f"{lone}: ground truth without the Test-Text and Test-Img files")


def find_pictures(root: Path) -> dict[str, list[str]]:
    """Picture files below the root, as relative paths, by file name without suffix."""
    found: dict[str, list[str]] = {}
    for folder, _, names in os.walk(root):
        base = Path(folder).relative_to(root)
        for name in names:
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in PICTURES:
                found.setdefault(stem.casefold(), []).append((base / name).as_posix())
    return {stem: sorted(files) for stem, files in found.items()}


def read_table(root: Path, file: Path, role: str, drops: Drops) -> list[Row]:
    """Rows of a tab-separated file; those that cannot be used are in the drop report by line.

    Quotes mean nothing, except around a cell whose inner quotes are doubled. A row may lack cells
    at its end, if none of them is needed; of those that would be read, the first is named in the
    report. Raises LayoutError for a header without a needed column.
    """
    name, lines = file.relative_to(root).as_posix(), read_lines(file)
    first = next(lines, None)
    head = _header(file, role, (first and first.text) or "")
    rows = []
    for number, text, encoding in lines:
        where = f"{name}:{number}"
        if text is None:
            drops.drop("", where, "row is neither UTF-8 nor Windows-1252")
            continue
        cells = [_unquote(cell.strip()) for cell in text.split("\t")]
        if not any(cells):
            continue
        values = dict(zip(head, cells, strict=False))
        if reason := _defect(values, cells, head, role):
            drops.drop(values.get("article", ""), where, reason)
            continue
        if lost := [column for column in head[len(cells) :] if column in READ]:
            drops.keep(values.get("article", ""), where, f"row ends before column {lost[0]}")
        rows.append(Row(values, where, encoding))
    return rows


def _header(file: Path, role: str, line: str) -> list[str]:
    columns = [column.strip().lower() for column in line.lstrip("# ").split("\t")]
    columns = [ALIASES.get(column, column) for column in columns]
    for options in NEEDED[role]:
        if not set(options) & set(columns):
            there = " ".join(filter(None, columns)) or "nothing"
            raise LayoutError(
                f"{paths.relative(file)}, header, column {options[0]!r}: missing; found {there}"
            )
    return columns


def _unquote(cell: str) -> str:
    """A cell without the quotes that a spreadsheet put around it; a title's own quotes stay."""
    inner = cell[1:-1]
    quoted = len(cell) > 2 and cell[0] == cell[-1] == '"' and '""' in inner
    return inner.replace('""', '"') if quoted and '"' not in inner.replace('""', "") else cell


def _defect(values: dict[str, str], cells: list[str], head: list[str], role: str) -> str:
    """Why a row cannot be used, or ""."""
    if any(cells[len(head) :]):
        return "malformed row: more cells than columns"
    for options in NEEDED[role]:
        if not any(values.get(option) for option in options):
            if not any(option in values for option in options):
                return f"malformed row: cut off before {options[0]}"
            if options[0] not in OPTIONAL:
                return f"row without {options[0]}"
    return ""


def read_truth(
    root: Path, rows: list[Row], texts: list[Row], images: dict[str, Row]
) -> dict[str, str]:
    """iid by article, from the ground truth's rows; 2021 gives it other ids but the same URLs.

    Raises PairsError, one line a defect, unless it is 1:1 and names what the test files hold.
    """
    articles = {row.cells["article"] for row in texts}
    by_url = {url: row.cells["article"] for row in texts if (url := row.cells.get("url"))}
    truth: dict[str, str] = {}
    taken: dict[str, str] = {}
    defects = []
    for row in rows:
        given, iid = row.cells["article"], row.cells["iid"]
        article = given if given in articles else by_url.get(row.cells.get("url", ""), "")
        file, _, line = row.where.rpartition(":")
        where = f"{paths.relative(root / file)}, line {line}"
        if not article:
            defects.append(f"{where}, column 'article': {given!r} is not in the Test-Text file")
        elif iid not in images:
            defects.append(f"{where}, column 'iid': {iid!r} is not in the Test-Img file")
        elif article in truth:
            defects.append(f"{where}, column 'article': {given!r} appears twice")
        elif iid in taken:
            defects.append(f"{where}, column 'iid': {iid!r} already belongs to {taken[iid]!r}")
        else:
            truth[article], taken[iid] = iid, given
    if defects:
        raise PairsError(defects)
    return truth

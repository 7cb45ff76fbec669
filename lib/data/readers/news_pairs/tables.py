"""Tables of picture and title in any common form, as records; and the presets of three data sets.

What is known of the presets' files (and from where):

- n24news: `news/nytimes_{train,dev,test}.json`, each a list of records with section, headline,
  abstract, caption, image_id, image_url, article_url; pictures `imgs/<image_id>.jpg` (the authors'
  build script and several users of their download). No date: it is taken from the address.
- nytimes800k: a MongoDB archive; `mongoexport --db nytimes --collection articles` gives one JSON
  record a line with _id, headline.main, web_url, split, image_positions and parsed_section, whose
  part at each image position has the picture's hash; pictures `images_processed/<hash>.jpg`
  (authors' repository). `pub_date` is the name in the newspaper's own interface; that the archive
  keeps it is unconfirmed, so the address stands in. Only the first, leading picture is paired.
- breakingnews: the full set is given on request and its form is not published; unconfirmed. The
  preset expects one record an article, `articles.jsonl`, with id, title, date, source and image;
  lay `columns` over it where yours differs.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pyarrow import ArrowInvalid, parquet

from lib import paths
from lib.data.drops import Drops
from lib.data.readers import LayoutError
from lib.data.readers.text import Line, read_lines

OWN = ("card.json", "truth.csv")  # what a sample corpus says of itself
SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
ADDRESS_DATE = re.compile(r"/(\d{4})/(\d\d)/(\d\d)/")
csv.field_size_limit(1 << 24)  # characters; some tables carry whole articles


class Record(NamedTuple):
    """One row of a table: its values by column, where it stands, its encoding."""

    values: Mapping[str, Any]
    where: str  # file:line, the file relative to the root
    encoding: str


@dataclass(frozen=True)
class Preset:
    """How a known data set is read: its tables, its columns, the paths of its pictures."""

    table: str  # glob below the root
    columns: dict[str, str] = field(default_factory=dict)  # of ours -> theirs, a.b for nested ones
    image_path: str = "{}"  # {} is the value of the column image
    source: str = ""
    prepare: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict


def address_date(address: str) -> str:
    """The day in a news address, /2019/11/06/; "" without one."""
    found = ADDRESS_DATE.search(address or "")
    return "-".join(found.groups()) if found else ""


def _n24news(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**record, "date": address_date(record.get("article_url", ""))}


def _nytimes800k(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The leading picture's hash, and the day of publication."""
    parts, positions = record.get("parsed_section") or [], record.get("image_positions") or []
    first = positions[0] if positions and positions[0] < len(parts) else None
    lead = parts[first].get("hash", "") if first is not None else ""
    address = address_date(record.get("web_url", ""))
    return {**record, "lead": lead, "date": record.get("pub_date") or address}


PRESETS = {
    "": Preset("", {name: name for name in ("id", "image", "text", "date", "source", "lang")}),
    "n24news": Preset(
        "news/nytimes_*.json",
        {"id": "image_id", "image": "image_id", "text": "headline", "date": "date"},
        "imgs/{}.jpg",
        "n24news",
        _n24news,
    ),
    "nytimes800k": Preset(
        "articles.json*",
        {"id": "_id", "image": "lead", "text": "headline.main", "date": "date"},
        "images_processed/{}.jpg",
        "nytimes800k",
        _nytimes800k,
    ),
    "breakingnews": Preset(
        "articles.jsonl",
        {"id": "id", "image": "image", "text": "title", "date": "date", "source": "source"},
        "{}",
        "breakingnews",
    ),
}


def find_tables(root: Path, pattern: str) -> list[Path]:
    """Tables below the root that a glob names, sorted; without one, the only table there is."""
    if pattern:
        found = sorted(file for file in root.glob(pattern) if file.is_file())
        if not found:
            raise LayoutError(f"{paths.relative(root)}: no table {pattern}; found {_there(root)}")
        return found
    found = sorted(file for file in root.iterdir() if file.suffix.lower() in SUFFIXES)
    found = [file for file in found if file.name not in OWN]
    if len(found) != 1:
        raise LayoutError(
            f"{paths.relative(root)}: expected one table ({' '.join(SUFFIXES)}), or its name in "
            f"the setting `table`; found {_there(root)}"
        )
    return found


def read_records(root: Path, file: Path, drops: Drops) -> Iterator[Record]:
    """Records of a table, by its suffix; rows that are none are in the drop report by line."""
    name, suffix = file.relative_to(root).as_posix(), file.suffix.lower()
    if suffix in (".csv", ".tsv"):
        yield from _separated(name, file, "," if suffix == ".csv" else "\t", drops)
    elif suffix == ".parquet":
        yield from _parquet(name, file)
    elif suffix == ".jsonl" or not _is_list(file):
        yield from _json_lines(name, file, drops)
    else:
        yield from _json_list(name, file)


def nested(values: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, a.b; None where there is none."""
    if path in values:
        return values[path]
    found: Any = values
    for key in path.split("."):
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return found


def _separated(name: str, file: Path, separator: str, drops: Drops) -> Iterator[Record]:
    """Rows of a CSV or TSV file; a quoted cell may hold line breaks."""
    seen = {"encoding": "utf-8", "broken": False}

    def lines() -> Iterator[str]:
        line: Line
        for line in read_lines(file):
            seen["broken"] |= line.text is None
            if line.text is not None and line.encoding != "utf-8":
                seen["encoding"] = line.encoding
            yield (line.text or "") + "\n"

    rows = csv.reader(lines(), delimiter=separator)
    head = [column.strip() for column in next(rows, [])]
    start = rows.line_num + 1
    seen |= {"encoding": "utf-8", "broken": False}
    for row in rows:
        where, start = f"{name}:{start}", rows.line_num + 1
        encoding, broken = seen["encoding"], seen["broken"]
        seen |= {"encoding": "utf-8", "broken": False}
        if broken:
            drops.drop("", where, "row is neither UTF-8 nor Windows-1252")
        elif row and len(row) != len(head):
            drops.drop("", where, "malformed row: not as many cells as columns")
        elif row:
            yield Record(dict(zip(head, row, strict=True)), where, encoding)


def _json_lines(name: str, file: Path, drops: Drops) -> Iterator[Record]:
    for line in read_lines(file):
        where = f"{name}:{line.number}"
        if line.text is not None and not line.text.strip():
            continue
        try:
            values = json.loads(line.text or "")
        except json.JSONDecodeError:
            values = None
        if isinstance(values, dict):
            yield Record(values, where, line.encoding)
        else:
            drops.drop("", where, "line is no JSON object")


def _json_list(name: str, file: Path) -> Iterator[Record]:
    try:
        values = json.loads(file.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise LayoutError(f"{paths.relative(file)}: not valid JSON ({error})") from None
    for number, record in enumerate(values, start=1):
        yield Record(record if isinstance(record, dict) else {}, f"{name}:{number}", "utf-8")


def _parquet(name: str, file: Path) -> Iterator[Record]:
    try:
        table = parquet.ParquetFile(file)
    except ArrowInvalid as error:
        reason = str(error).splitlines()[0]
        raise LayoutError(f"{paths.relative(file)}: not a parquet file ({reason})") from None
    number = 0
    for batch in table.iter_batches():
        for record in batch.to_pylist():
            number += 1
            yield Record(record, f"{name}:{number}", "utf-8")


def _is_list(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _there(root: Path) -> str:
    names = sorted(f"{p.name}/" if p.is_dir() else p.name for p in root.iterdir())
    return (", ".join(names[:6]) or "nothing") + (", ..." if len(names) > 6 else "")

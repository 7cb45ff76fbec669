"""Reader of picture-title pairs from anywhere: training data that no official test may contain.

Any csv, tsv, jsonl, json or parquet table with one row a pair; `columns` says which of its columns
is which (`{image: file, text: headline, date: day, source: outlet, id: key}`), or `preset` names a
data set whose layout is known (see tables.py). Rows that repeat a picture or a title of a test
set are left out, and the drop report names the row and the test article.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from tqdm import tqdm

from lib import paths
from lib.data.drops import Drops
from lib.data.images import NO_HASH, ImageError, inspect_all
from lib.data.readers import DatasetSettings, LayoutError, Reading
from lib.data.readers.news_pairs.tables import PRESETS, Record, find_tables, nested, read_records
from lib.data.readers.text import MOJIBAKE, hex_hash, iso_date, repair, words
from lib.schema import PairsError, read_pairs

OURS = ("id", "image", "text", "date", "source", "lang")
REQUIRED = ("image", "text")
SAME_TITLE = "has the title of a test article"
SAME_PICTURE = "has the picture of a test article"


@dataclass(frozen=True)
class Settings(DatasetSettings):
    """Section `data.news_pairs`; `fractions` part the pairs by date."""

    in_time: ClassVar[bool] = True

    fractions: dict[str, float] = field(default_factory=lambda: {"train": 0.95, "validation": 0.05})
    preset: str = ""  # n24news, nytimes800k, breakingnews; empty: as `columns` says
    table: str = ""  # file or glob below the root; empty: the preset's, or the only table there
    columns: dict[str, str] = field(default_factory=dict)  # ours -> the table's, a.b for nested
    image_path: str = ""  # {} is the value of column image; empty: the preset's, or {} itself
    source: str = ""  # of pairs that name none; empty: the preset's name
    lang: str = "en"  # of pairs that name none
    max_pairs: int = 0  # first rows in the tables' order; 0: all
    exclude: list[str] = field(default_factory=list)  # pairs tables whose test rows must not recur
    exclude_distance: int = 10  # bits of 64 to a test picture: generous, as a leak costs more

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        super().validate()
        if self.preset not in PRESETS:
            known = ", ".join(filter(None, PRESETS))
            raise ValueError(f"preset: must be one of {known}, or empty; got {self.preset!r}")
        for name in self.columns:
            if name not in OURS:
                raise ValueError(f"columns.{name}: unknown; there are {', '.join(OURS)}")
        if self.image_path and "{}" not in self.image_path:
            raise ValueError("image_path: must hold {}, the value of the column image")
        if not 0 <= self.exclude_distance <= 16:
            raise ValueError("exclude_distance: must be 0 to 16 bits")
        if self.max_pairs < 0:
            raise ValueError("max_pairs: must be 0 (all) or more")


def read(root: Path, settings: Settings = Settings()) -> Reading:
    """Read the pairs in the order of their tables; see lib.data.readers.Reading.

    A pair needs a title and a readable picture. Label columns: phash (hex of the picture's hash).
    Raises LayoutError for a missing table or column, PairsError for an unreadable `exclude`.
    """
    drops = Drops()
    tests = _tests(settings.exclude)
    items = list(_items(root, settings, drops))
    titles = {words(text): name for name, text in tests["titles"]}
    kept = []
    for item in items:
        if (name := titles.get(words(item["text"]))) is not None:
            drops.drop(item["id"], f"{item['where']} = {name}", SAME_TITLE)
        else:
            kept.append(item)
    return _reading(root, kept, tests["hashes"], settings, drops)


def _tests(tables: list[str]) -> dict[str, list[tuple[str, Any]]]:
    """Titles and picture hashes of all test rows of some pairs tables, with their ids."""
    found: dict[str, list[tuple[str, Any]]] = {"titles": [], "hashes": []}
    for file in tables:
        pairs = read_pairs(paths.resolve(file))
        if "phash" not in pairs.columns:
            raise PairsError([f"{file}, header, column 'phash': missing; made by another reader?"])
        tests = pairs[pairs["split"] == "test"]
        for column in ("text", "original"):
            if column in tests.columns:
                named = tests[tests[column].map(words) != ""]
                found["titles"] += list(zip(named["id"], named[column], strict=True))
        hashed = tests[tests["phash"] != ""]
        hashes = [int(value, 16) for value in hashed["phash"]]
        found["hashes"] += list(zip(hashed["id"], hashes, strict=True))
    return found


def _items(root: Path, settings: Settings, drops: Drops) -> Iterator[dict[str, Any]]:
    """Pairs that have a title and name a picture, each id once."""
    preset, seen, count = PRESETS[settings.preset], set(), 0
    for file in find_tables(root, settings.table or preset.table):
        columns: dict[str, str] = {}
        for record in tqdm(read_records(root, file, drops), desc="rows", unit="row", delay=10):
            if settings.max_pairs and count == settings.max_pairs:
                return
            count += 1
            values = preset.prepare(record.values)
            columns = columns or _columns(file, values, settings)
            item = _item(record, values, columns, settings)
            if item["id"] in seen:
                drops.drop(item["id"], item["where"], "second row of the same id")
            elif reason := _unusable(item):
                drops.drop(item["id"], item["where"], reason)
            else:
                seen.add(item["id"])
                yield item


def _columns(file: Path, values: Mapping[str, Any], settings: Settings) -> dict[str, str]:
    """The table's column for each of ours; LayoutError names one that is not there."""
    columns = PRESETS[settings.preset].columns | settings.columns
    if not settings.preset and "text" not in settings.columns and "text" not in values:
        columns["text"] = "title"  # the usual name for it
    asked = {*REQUIRED, *settings.columns}
    for ours in OURS:
        theirs = columns.get(ours)
        if theirs is None or nested(values, theirs) is not None:
            continue
        if ours in asked and theirs.split(".")[0] not in values:
            near = difflib.get_close_matches(theirs, list(values), n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; found {', '.join(values)[:120]}"
            raise LayoutError(
                f"{paths.relative(file)}, header, column {theirs!r}: missing{hint} "
                f"(data.news_pairs.columns.{ours})"
            )
    return columns


def _item(
    record: Record, values: Mapping[str, Any], columns: Mapping[str, str], settings: Settings
) -> dict[str, Any]:
    """One pair without its picture's facts."""
    given = {ours: _text(nested(values, columns[ours])) for ours in OURS if ours in columns}
    preset, title = PRESETS[settings.preset], repair(given.get("text", ""))
    date, remarks = iso_date(given.get("date", "")), list(title.remarks)
    if record.encoding != "utf-8":
        remarks.append(f"row read as {record.encoding}")
    if date is None:
        remarks.append("date not understood")
    name, image = given.get("id", ""), given.get("image", "")
    template = settings.image_path or preset.image_path
    return {
        "id": name or record.where,
        "image": template.replace("{}", image) if image else "",
        "text": title.text,
        "lang": given.get("lang") or settings.lang,
        "split": "",
        "date": date or "",
        "source": given.get("source") or settings.source or preset.source,
        "group": name or record.where,
        "where": record.where,
        "encoding": record.encoding + (", mojibake" if MOJIBAKE in title.remarks else ""),
        "remarks": remarks,
    }


def _text(value: Any) -> str:
    """A cell as text: MongoDB's {"$oid": ...} and {"$date": ...} are what they wrap."""
    if isinstance(value, Mapping) and len(value) == 1:
        return _text(next(iter(value.values())))
    return "" if value is None else str(value).strip()


def _unusable(item: Mapping[str, Any]) -> str:
    """Why a pair cannot be used, before its picture is opened; "" if nothing speaks against it."""
    image = PurePosixPath(item["image"])
    if not item["text"]:
        return "empty title"
    if not item["image"]:
        return "no picture is named"
    if "://" in item["image"]:
        return "picture is an address, not a file"
    if image.is_absolute() or ".." in image.parts or "\\" in item["image"]:
        return "picture lies outside the data set's folder"
    return ""


def _reading(
    root: Path, items: list[dict[str, Any]], tests: list[tuple[str, int]], settings: Settings,
    drops: Drops,
) -> Reading:  # fmt: skip
    """Inspect the pictures; leave out broken ones, and those of the tests."""
    found = list(inspect_all([root / item["image"] for item in items]))
    hashes = np.array([NO_HASH if isinstance(f, ImageError) else f.hash for f in found], np.int64)
    same = same_pictures(hashes.view(np.uint64), tests, settings.exclude_distance)
    kept, facts = [], []
    for item, seen, twin in zip(items, found, same, strict=True):
        if isinstance(seen, ImageError):
            reason = str(seen).removeprefix(f"{root / item['image']}: ")
            drops.drop(item["id"], item["image"], f"broken image: {reason}")
        elif twin:
            drops.drop(item["id"], f"{item['image']} = {twin}", SAME_PICTURE)
        else:
            kept.append(item | {"phash": hex_hash(seen.hash)})
            facts.append((item["id"], seen.width, seen.height, seen.hash, item["encoding"]))
            for remark in item["remarks"]:
                drops.keep(item["id"], item["where"], remark)
    columns = ["id", "image", "text", "lang", "split", "date", "source", "group", "phash"]
    pairs = pd.DataFrame({c: [item[c] for item in kept] for c in columns}, dtype="str")
    return Reading(
        pairs, pd.DataFrame(facts, columns=["id", "width", "height", "hash", "encoding"]), drops
    )


def same_pictures(hashes: np.ndarray, tests: list[tuple[str, int]], distance: int) -> list[str]:
    """For each of (n,) hashes the id of a test row within `distance` bits, or "".

    Each test hash meets all pairs at once: 6,000 tests and a million pairs take half a minute.
    """
    found = np.full(len(hashes), "", dtype=object)
    hashed = hashes != np.uint64(NO_HASH)
    for name, value in tests:
        near = np.bitwise_count(hashes ^ np.uint64(value)) <= distance
        found[near & hashed] = name
    return found.tolist()

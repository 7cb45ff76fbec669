"""What the readers share: cells, polarity of labels, lookup of pictures, and the final table."""

from __future__ import annotations

import math
import os
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from lib import paths
from lib.data.drops import Drops
from lib.data.images import NO_HASH, ImageError, ImageFacts, inspect_all
from lib.data.readers import DatasetSettings, LayoutError, Reading
from lib.data.readers.newsimages.files import find_pictures
from lib.data.readers.text import MOJIBAKE, Repaired, hex_hash, iso_date
from lib.schema import PairsError

STANDARD = ("id", "image", "text", "lang", "split", "date", "source", "group")
SHARED = ("label", "label_name", "phash")
NOTHING = ("nan", "nat", "none", "null", "<na>")  # what exports write into an empty cell
NO_FILE, NO_NAME, NO_TEXT = "picture is missing", "no picture", "empty text"  # why posts go
BROKEN = "broken image"
WHOLE = re.compile(r"(-?\d+)\.0+")  # 1.0: a label that passed through a column of floats
NO_PICTURE = ImageFacts(0, 0, NO_HASH)

Post = dict[str, Any]  # a row of the table, with pictures, where, encoding and remarks


@dataclass(frozen=True)
class PostSettings(DatasetSettings):
    """What all readers of this package can be told."""

    polarity: dict[str, int] = field(default_factory=dict)  # value in the data set -> 1 or 0
    need: Literal["both", "any"] = "both"  # both: posts without picture or text are left out
    picture: Literal["first", "seeded", "all"] = "first"  # of several; all: a row for each

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        super().validate()
        folded = [key.casefold() for key in self.polarity]
        if twice := {key for key in folded if folded.count(key) > 1}:
            raise ValueError(f"polarity.{min(twice)}: named twice")
        for key, value in self.polarity.items():
            if value not in (0, 1):
                raise ValueError(f"polarity.{key}: must be 1 (positive) or 0; got {value!r}")
        if set(self.polarity.values()) != {0, 1}:
            raise ValueError("polarity: must name a positive class (1) and a negative one (0)")

    def remedy(self, reason: str) -> str:
        """The setting, `key: value`, that would keep what was dropped for a reason; "": none.

        A post that lacks both picture and text has two reasons, and no setting keeps it.
        """
        one = reason in (NO_FILE, NO_NAME, NO_TEXT) or reason.startswith(BROKEN)
        alone = one and not reason.endswith(f"; {NO_TEXT}")
        return "need: any" if alone and self.need == "both" else ""


class Polarity:
    """Turns a data set's label values into 1 and 0, and collects those that nobody declared."""

    def __init__(self, root: Path, dataset: str, polarity: Mapping[str, int]):
        """`dataset` names the config section in the errors; case of the values is ignored."""
        self.root, self.dataset = root, dataset
        self.values = {key.casefold(): value for key, value in polarity.items()}
        self.defects: dict[str, None] = {}  # each said once, in order

    def __call__(self, value: Any, where: str, column: str) -> tuple[int, str]:
        """Label and name of a value; -1 and "" for an empty cell, or one noted as a defect."""
        name = cell(value)
        name = match[1] if (match := WHOLE.fullmatch(name)) else name
        if name and name.casefold() not in self.values:
            file, colon, row = where.rpartition(":")
            unit = "row" if file.endswith((".json", ".parquet")) else "line"
            place = f"{paths.relative(self.root / (file or where))}"
            place += f", {unit} {row}" if colon else ""
            defect = (
                f"{place}, column {column!r}: {name!r} is not in data.{self.dataset}.polarity "
                f"({', '.join(self.values)})"
            )
            self.defects[defect] = None
            return -1, ""
        return self.values.get(name.casefold(), -1), name

    def check(self) -> None:
        """Raise PairsError, one line a value that the polarity does not name."""
        if self.defects:
            raise PairsError(list(self.defects))


class Pictures:
    """The picture files below a root, found by the names that tables give them."""

    def __init__(self, root: Path):
        """Walk the folder once."""
        self.by_stem = find_pictures(root)

    def find(self, name: str, near: str = "") -> list[str]:
        """Path, relative to the root, of the file that a name, path or address means; or nothing.

        A file in a folder called `near`, or under the path given, goes before others; a name that
        then fits several folders is taken for none, rather than a picture of another post.
        """
        path = name.split("?")[0].replace("\\", "/").strip("/")
        base = path.rpartition("/")[2].casefold()
        found = self.by_stem.get(base) or self.by_stem.get(os.path.splitext(base)[0], [])
        ends = [file for file in found if f"/{file}".casefold().endswith(f"/{path}".casefold())]
        close = [file for file in found if near and near in Path(file).parts[:-1]]
        chosen = [file for file in close if file in ends] or close or ends or found
        exact = [file for file in chosen if file.rpartition("/")[2].casefold() == base] or chosen
        return exact[:1] if len({os.path.dirname(file) for file in exact}) == 1 else []


def cell(value: Any) -> str:
    """A cell as text: "" for None, NaN and what exports write for them; 1.0 is 1, dates ISO."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, (datetime, date)):
        return "" if value is pd.NaT else value.isoformat()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return "" if text.casefold() in NOTHING else text


def need_columns(file: Path, found: Iterable[str], wanted: Iterable[str], hint: str = "") -> None:
    """Raise LayoutError, naming the first column that a table lacks."""
    found = list(found)
    for column in wanted:
        if column not in found:
            there = ", ".join(filter(None, found))[:160] or "nothing"
            raise LayoutError(
                f"{paths.relative(file)}, header, column {column!r}: missing; found {there}{hint}"
            )


def make_post(
    name: str, where: str, encoding: str, texts: Sequence[Repaired], day: str, **columns: Any
) -> Post:
    """A post without its picture's facts; remarks of its texts, date and encoding are noted."""
    remarks = list(dict.fromkeys(remark for text in texts for remark in text.remarks))
    garbled = ", mojibake" if MOJIBAKE in remarks else ""
    if encoding != "utf-8":
        remarks.append(f"row read as {encoding}")
    found = iso_date(day)
    if found is None:
        remarks.append("date not understood")
    made = {"id": name, "where": where, "encoding": encoding + garbled, "remarks": remarks}
    return {**made, "date": found or "", "split": "", **columns}


def make_reading(
    root: Path, posts: Iterable[Post], settings: PostSettings, extra: Sequence[str], drops: Drops
) -> Reading:
    """Choose and inspect the pictures, leave out what cannot be used; `extra` names own columns."""
    posts = _unique(posts, drops)
    files = [file for post in posts for file in post["pictures"]]
    seen = dict(zip(files, inspect_all([root / file for file in files]), strict=True))
    kept, facts = [], []
    for post in posts:
        for row in _rows(root, post, seen, settings, drops):
            found = row["facts"]
            kept.append(row)
            facts.append((row["id"], found.width, found.height, found.hash, row["encoding"]))
    columns = [*STANDARD, *SHARED, *extra]
    pairs = pd.DataFrame({column: [row[column] for row in kept] for column in columns})
    texts = [column for column in columns if column not in ("label", "text_label")]
    names = ["id", "width", "height", "hash", "encoding"]
    return Reading(
        pairs.astype(dict.fromkeys(texts, "str")), pd.DataFrame(facts, columns=names), drops
    )


def _unique(posts: Iterable[Post], drops: Drops) -> list[Post]:
    """Posts with a label, the first of each id."""
    kept: dict[str, Post] = {}
    for post in posts:
        first = kept.get(post["id"])
        if post["label"] < 0:
            drops.drop(post["id"], post["where"], "no label")
        elif first is None:
            kept[post["id"]] = post
        else:
            other = "" if first["label"] == post["label"] else ", with the other label"
            drops.drop(post["id"], post["where"], f"second row of the same post{other}")
    return list(kept.values())


def _rows(
    root: Path, post: Post, seen: Mapping[str, Any], settings: PostSettings, drops: Drops
) -> list[Post]:
    """Rows of a post: none if it lacks what is needed, several if all its pictures are wanted."""
    whole = [file for file in post["pictures"] if not isinstance(seen[file], ImageError)]
    broken = ""
    for file in post["pictures"]:
        if isinstance(seen[file], ImageError):
            broken = f"{BROKEN}: {str(seen[file]).removeprefix(f'{root / file}: ')}"
            if whole:
                drops.keep(post["id"], file, f"{broken}; another picture of the post used")
    lacks = [] if whole else [broken or (NO_FILE if post["named"] else NO_NAME)]
    lacks += [] if post["text"] else [NO_TEXT]
    if lacks and (settings.need == "both" or len(lacks) == 2):
        drops.drop(post["id"], post["where"], "; ".join(lacks))
        return []
    for remark in [*post["remarks"], *(f"{lack}: kept without it" for lack in lacks)]:
        drops.keep(post["id"], post["where"], remark)
    return [
        post | {"id": name, "image": file, "group": post["id"], "facts": found}
        | {"phash": hex_hash(found.hash)}
        for name, file, found in _chosen(post["id"], whole, seen, settings)
    ]  # fmt: skip


def _chosen(
    name: str, files: list[str], seen: Mapping[str, Any], settings: PostSettings
) -> list[tuple[str, str, ImageFacts]]:
    """Id, picture and its facts for each row that a post makes."""
    if not files:
        return [(name, "", NO_PICTURE)]
    if settings.picture == "all" and len(files) > 1:
        return [(f"{name}/{n}", file, seen[file]) for n, file in enumerate(files, start=1)]
    place = 0
    if settings.picture == "seeded":  # by the post's name: the same whatever else is in the table
        rng = np.random.default_rng([settings.seed, zlib.crc32(name.encode())])
        place = int(rng.integers(len(files)))
    return [(name, files[place], seen[files[place]])]

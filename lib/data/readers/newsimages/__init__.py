"""Reader of MediaEval NewsImages, 2020 to 2023: articles (title, snippet or tags) and pictures.

    [<folder>/]<NAME>-Train.tsv          article aid url img iid hashvalue title text imgFile
    [<folder>/]<NAME>-Test-Text.tsv      the same columns, those of the picture empty
    [<folder>/]<NAME>-Test-Img.tsv       iid and imgFile (img); or all columns, the others empty
    [<folder>/]<NAME>-Test-GroundTruth.tsv   article iid; without it the test is blind
    content2019-01.tsv, MediaEvalNewsImagesBatch04{articles,images}.tsv   2020 and 2021
    <imgFile>                            in any folder below the root

Seen in public copies, and read: .txt for .tsv, a header that starts with "# ", `articleID` for
`article`, a last column `Date`, rows in Windows-1252 among rows in UTF-8, titles that were read
wrongly once or twice before ("â€“"). German sets carry the organisers' machine translation in
`titleEN` and `textEN`. The snippet of the GDELT sets is a list of names, persons|organisations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pandas as pd

from lib.data.drops import Drops
from lib.data.images import NO_HASH, ImageError, ImageFacts, inspect_all
from lib.data.readers import DatasetSettings, Reading
from lib.data.readers.newsimages.files import (
    PORTAL,
    Files,
    Row,
    find_files,
    find_pictures,
    read_table,
    read_truth,
)
from lib.data.readers.text import MOJIBAKE, hex_hash, iso_date, repair

LABELS = ("article", "iid", "original", "snippet", "phash")
NO_PICTURE = ImageFacts(0, 0, NO_HASH)
BLIND = "test picture without an article: blind"


@dataclass(frozen=True)
class Settings(DatasetSettings):
    """Section `data.newsimages`; `fractions` part the official training rows, by date."""

    in_time: ClassVar[bool] = True

    fractions: dict[str, float] = field(default_factory=lambda: {"train": 0.8, "validation": 0.2})
    title: Literal["en", "original"] = "en"  # en: the organisers' translation where there is one
    lang: str = "en"  # of the titles as published
    langs: dict[str, str] = field(default_factory=lambda: {"rt": "de", PORTAL: "de"})

    def language(self, source: str) -> str:
        """The language of a source's titles: by its full name, by its last part, or `lang`."""
        return self.langs.get(source, self.langs.get(source.rpartition("-")[2], self.lang))


def read(root: Path, settings: Settings = Settings()) -> Reading:
    """Read all sources below the root; see lib.data.readers.Reading.

    `id` is `<source>/<article>`, `source` the file's name below its folder (`2022-rt`). Official
    training rows have no split yet; test rows have `test`. A blind test set gives rows with a title
    and no picture, and rows (`<source>/<iid>`) with a picture and no title. Label columns: article,
    iid, original (title as published), snippet, phash (hex of the picture's hash). Rows of a source
    keep the order of their files. Raises LayoutError, PairsError.
    """
    drops = Drops()
    pictures = find_pictures(root)
    items: list[dict[str, Any]] = []
    for source, files in sorted(find_files(root).items()):
        maker = _Maker(source, settings, pictures, drops)
        for file in files.get("train", ()):
            rows = read_table(root, file, "train", drops)
            items += [maker.article(row, row, "") for row in rows]
        items += _test_items(root, files, maker, drops)
    return _reading(root, _usable(items, drops), drops)


def tags(snippet: str) -> tuple[list[str], list[str]] | None:
    """Persons and organisations of a GDELT snippet, `a;b|c;d`; None for running text."""
    persons, bar, orgs = snippet.partition("|")
    if not bar and ";" not in snippet:
        return None
    parts = ([name.strip() for name in part.split(";")] for part in (persons, orgs))
    found = [[n for n in part if n and n.lower() not in ("persons", "orgs")] for part in parts]
    return found[0], found[1]


def _test_items(root: Path, files: Files, maker: _Maker, drops: Drops) -> Iterator[dict[str, Any]]:
    """Rows of a test set: joined by the ground truth; what nothing joins stays blind."""
    texts, gallery, truths = (
        read_table(root, files[role][0], role, drops) if role in files else []
        for role in ("text", "images", "truth")
    )
    images = {row.iid: row for row in gallery}
    truth = read_truth(root, truths, texts, images)
    for row in texts:
        image = images.pop(truth.get(row.cells["article"], row.iid), None)
        yield maker.article(row, image, "test")
    for row in images.values():
        yield maker.blind(row)


@dataclass(frozen=True)
class _Maker:
    """Makes items of one source: a row of the pairs table and what the drop report needs."""

    source: str
    settings: Settings
    pictures: dict[str, list[str]]
    drops: Drops

    def article(self, row: Row, image: Row | None, split: str) -> dict[str, Any]:
        """An item with a title; `image` is the row that names its picture, None for none."""
        cells, title = row.cells, repair(row.cells.get("title", ""))
        snippet, remarks = repair(cells.get("text", "")), list(title.remarks)
        lang, chosen = self.settings.language(self.source), title
        if self.settings.title == "en" and (english := repair(cells.get("titleen", ""))).text:
            remarks += [remark for remark in english.remarks if remark not in remarks]
            lang, chosen = "en", english
            snippet = repair(cells.get("texten") or cells.get("text", ""))
        if row.encoding != "utf-8":
            remarks.append(f"row read as {row.encoding}")
        date = iso_date(cells.get("date") or _stamp(cells.get("aid", "")))
        if date is None:
            remarks.append("date not understood")
        return self._item(row, image, cells["article"], split) | {
            "text": chosen.text,
            "lang": lang,
            "date": date or "",
            "article": cells["article"],
            "original": title.text,
            "snippet": snippet.text,
            "encoding": row.encoding + (", mojibake" if MOJIBAKE in title.remarks else ""),
            "remarks": remarks,
        }

    def blind(self, row: Row) -> dict[str, Any]:
        """An item of a picture whose article is not known."""
        return self._item(row, row, row.iid, "test") | {
            "text": "", "lang": "und", "date": "", "article": "", "original": "", "snippet": "",
            "encoding": row.encoding, "remarks": [BLIND],
        }  # fmt: skip

    def _item(self, row: Row, image: Row | None, name: str, split: str) -> dict[str, Any]:
        return {
            "id": f"{self.source}/{name}",
            "image": self._picture(image, row) if image else "",
            "split": split,
            "source": self.source,
            "iid": image.iid if image else "",
            "where": row.where,
        }

    def _picture(self, image: Row, row: Row) -> str:
        """Path of a picture, relative to the root; one near the table goes before another."""
        name = image.cells.get("imgfile") or image.iid
        stem = name.rpartition(".")[0] or name
        found = self.pictures.get(stem.casefold()) or self.pictures.get(image.iid.casefold(), [])
        folder = row.where.rpartition("/")[0]
        near = [file for file in found if file.startswith(f"{folder}/")]
        return (near or found or [""])[0]


def _stamp(aid: str) -> str:
    """GDELT's time stamp, the head of its article ids (20230720183000-1470); "" in other ids."""
    head, dash, _ = aid.partition("-")
    return head if dash and len(head) == 14 and head.isdigit() else ""


def _usable(items: Iterable[dict[str, Any]], drops: Drops) -> list[dict[str, Any]]:
    """Leave out second rows of an article, and rows without what a row of their kind needs."""
    kept, seen = [], set()
    for item in items:
        reason = ""
        if item["id"] in seen:
            reason = "second row of the same article"
        elif item["iid"] and not item["image"]:
            if item["split"] == "" or not item["text"]:
                reason = "picture is missing"
            else:
                item["remarks"].append("picture is missing: test article kept without it")
        elif not item["text"] and BLIND not in item["remarks"]:
            if item["split"] == "" or not item["image"]:
                reason = "empty title"
            else:
                item["remarks"].append("empty title")
        if reason:
            drops.drop(item["id"], item["where"], reason)
        else:
            seen.add(item["id"])
            kept.append(item)
    return kept


def _reading(root: Path, items: list[dict[str, Any]], drops: Drops) -> Reading:
    """Inspect each picture; a test article whose picture is broken stays, without it."""
    named = [item for item in items if item["image"]]
    results = inspect_all([root / item["image"] for item in named])
    found = {item["id"]: facts for item, facts in zip(named, results, strict=True)}
    kept, facts = [], []
    for item in items:
        seen = found.get(item["id"], NO_PICTURE)
        if isinstance(seen, ImageError):
            file = root / item["image"]
            reason = f"broken image: {str(seen).removeprefix(f'{file}: ')}"
            if item["split"] == "" or not item["text"]:
                drops.drop(item["id"], item["image"], reason)
                continue
            item["remarks"].append(f"{reason}; test article kept without it")
            item["image"], seen = "", NO_PICTURE
        for remark in item["remarks"]:
            drops.keep(item["id"], item["where"], remark)
        kept.append(item | {"phash": hex_hash(seen.hash), "group": item["id"]})
        facts.append((item["id"], seen.width, seen.height, seen.hash, item["encoding"]))
    columns = ["id", "image", "text", "lang", "split", "date", "source", "group", *LABELS]
    pairs = pd.DataFrame({c: [item[c] for item in kept] for c in columns}, dtype="str")
    return Reading(
        pairs, pd.DataFrame(facts, columns=["id", "width", "height", "hash", "encoding"]), drops
    )

"""Reader of InstaNY100K and InstaCities1M (Gomez et al. 2018): posts of cities, photo and caption.

Two layouts, told apart by their folders:
    captions/<city>/<id>.txt                                 img_resized/<city>/<id>.jpg
    captions_resized_1M/cities_instagram/<city>/<id>.txt     img_resized_1M/cities_instagram/...
Beside them may stand gold.csv or labels/<annotator>.csv (id, label, annotator, time): the place
that a person sees, by its Places name, or none.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from lib import paths
from lib.data.drops import Drops
from lib.data.images import ImageError, inspect_all
from lib.data.readers import DatasetSettings, LayoutError, Reading
from lib.data.readers.text import decode
from lib.schema import PairsError

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")
LAYOUTS = (
    ("captions", "img_resized"),  # InstaNY100K
    ("captions_resized_1M/cities_instagram", "img_resized_1M/cities_instagram"),  # InstaCities1M
)
NONE = "none"  # the label of a post that shows none of the places

Key = tuple[str, str]  # city, file name without suffix


@dataclass(frozen=True)
class Settings(DatasetSettings):
    """Section `data.instacities`."""

    max_posts: int = 0  # first posts in sorted order; 0: all
    clean_captions: bool = False  # Gomez' cleaning: letters and digits, lower case, no #
    lang: str = "en"  # of the captions; the cities were chosen for it
    classes: str = "lib/places/data/places205.csv"  # column raw: the names a label may have

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        super().validate()
        if self.max_posts < 0:
            raise ValueError("max_posts: must be 0 (all) or more")


def read(root: Path, settings: Settings = Settings()) -> Reading:
    """Read posts in sorted order of city and id; see lib.data.readers.Reading.

    A post needs a caption file and a readable picture; an empty caption is kept as "". The id is
    the file name, with the city before it when there is more than one. Column `label`: the place,
    none, or "" when nobody has judged the post.
    """
    drops = Drops()
    captions_dir, pictures_dir = find_layout(root)
    captions = _listing(root, captions_dir, (".txt",), drops)
    pictures = _listing(root, pictures_dir, PICTURE_SUFFIXES, drops)
    keys = sorted(captions.keys() | pictures.keys())
    several = len({city for city, _ in keys}) > 1
    keys = keys[: settings.max_posts or None]
    posts = []
    for key in tqdm(keys, desc="captions", unit="file", delay=10):
        name = "/".join(key) if several else key[1]
        post = _read_post(root, name, key, captions.get(key), pictures.get(key), drops)
        if post:
            posts.append(post)
    reading = _with_pictures(root, posts, settings, drops)
    labels = read_labels(root, read_classes(settings.classes))
    found = [labels.get(name, "") for name in reading.pairs["id"]]
    reading.pairs["label"] = pd.Series(found, index=reading.pairs.index, dtype="str")
    for name in sorted(set(labels) - set(reading.pairs["id"])) if not settings.max_posts else ():
        drops.keep(name, "", "label without a post")
    return reading


def find_layout(root: Path) -> tuple[str, str]:
    """Folders of captions and pictures below the root; LayoutError says what was found instead."""
    for captions, pictures in LAYOUTS:
        if (root / captions).is_dir() and (root / pictures).is_dir():
            return captions, pictures
    found = sorted(f"{p.name}/" if p.is_dir() else p.name for p in root.iterdir())
    inner = [name for name in found if any((root / name / c).is_dir() for c, _ in LAYOUTS)]
    hint = f"; did you mean {paths.relative(root / inner[0])}?" if inner else ""
    raise LayoutError(
        f"{paths.relative(root)}: expected captions/<city>/<id>.txt and img_resized/<city>/<id>.jpg"
        f" (InstaNY100K) or captions_resized_1M/ and img_resized_1M/ (InstaCities1M); found "
        f"{', '.join(found[:6]) or 'nothing'}{', ...' if len(found) > 6 else ''}{hint}"
    )


def clean(text: str) -> str:
    """Gomez' caption cleaning: # becomes a space, ASCII letters and digits stay, lower case."""
    kept = re.sub(r"[^A-Za-z0-9 ]", "", text.replace("#", " "))
    return " ".join(kept.lower().split())


def read_classes(file: str) -> list[str]:
    """The names that a label may have: column `raw` of a CSV file, and none."""
    return [*pd.read_csv(paths.resolve(file), dtype=str, keep_default_na=False)["raw"], NONE]


def read_labels(root: Path, classes: list[str]) -> dict[str, str]:
    """Label by id from gold.csv, else from labels/*.csv where all annotators of a post agree.

    Raises PairsError naming file, row and column of each unknown class, or id judged twice.
    """
    gold = root / "gold.csv"
    files = [gold] if gold.is_file() else sorted(root.glob("labels/*.csv"))
    judged: dict[str, set[str]] = {}
    defects: list[str] = []
    for file in files:
        frame = _read_label_file(file, classes, defects)
        for name, label in zip(frame["id"], frame["label"], strict=True):
            judged.setdefault(name, set()).add(label)
    if defects:
        raise PairsError(defects)
    return {name: labels.pop() for name, labels in judged.items() if len(labels) == 1}


def _read_label_file(file: Path, classes: list[str], defects: list[str]) -> pd.DataFrame:
    where = paths.relative(file)
    try:
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise PairsError([f"{where}: not a CSV file in UTF-8 ({reason})"]) from error
    missing = [column for column in ("id", "label") if column not in frame.columns]
    if missing:
        raise PairsError([f"{where}, header, column {column!r}: missing" for column in missing])
    for row in frame.index[~frame["label"].isin(classes)]:
        value = frame.at[row, "label"]
        near = difflib.get_close_matches(value, classes, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        defects.append(f"{where}, row {row + 1}, column 'label': unknown class {value!r}{hint}")
    for row in frame.index[frame["id"].duplicated()]:
        value = frame.at[row, "id"]
        defects.append(f"{where}, row {row + 1}, column 'id': {value!r} is judged twice")
    return frame


def _listing(root: Path, folder: str, suffixes: tuple[str, ...], drops: Drops) -> dict[Key, str]:
    """Files by city and id, as paths relative to the root; anything else is dropped by name."""
    found: dict[Key, str] = {}
    for city in sorted(path for path in (root / folder).iterdir() if path.is_dir()):
        for name in sorted(path.name for path in city.iterdir() if not path.name.startswith(".")):
            file = f"{folder}/{city.name}/{name}"
            stem, dot, suffix = name.rpartition(".")
            if not stem or (dot + suffix).lower() not in suffixes:
                drops.drop(name, file, f"no {' or '.join(suffixes)} file")
            elif (city.name, stem) in found:
                drops.drop(stem, file, "second file of the same id")
            else:
                found[city.name, stem] = file
    return found


def _read_post(
    root: Path, name: str, key: Key, caption: str | None, picture: str | None, drops: Drops
) -> dict | None:
    """One post without its picture's facts; None, and a line in the drop report, if unusable."""
    if caption is None:
        drops.drop(name, picture, "image without caption")
        return None
    if picture is None:
        drops.drop(name, caption, "caption without image")
        return None
    decoded = decode((root / caption).read_bytes())
    if decoded is None:
        drops.drop(name, caption, "caption is neither UTF-8 nor Windows-1252")
        return None
    text, encoding = " ".join(decoded[0].split()), decoded[1]
    remarks = [] if text else ["empty caption"]
    if encoding != "utf-8":
        remarks.append(f"caption read as {encoding}")
    return {
        "id": name, "image": picture, "text": text, "city": key[0], "encoding": encoding,
        "remarks": [(caption, remark) for remark in remarks],
    }  # fmt: skip


def _with_pictures(root: Path, posts: list[dict], settings: Settings, drops: Drops) -> Reading:
    """Inspect each post's picture; drop the posts whose picture cannot be read."""
    kept, facts = [], []
    found = inspect_all([root / post["image"] for post in posts])
    for post, result in zip(posts, found, strict=True):
        if isinstance(result, ImageError):
            reason = str(result).removeprefix(f"{root / post['image']}: ")
            drops.drop(post["id"], post["image"], f"broken image: {reason}")
            continue
        kept.append(post)
        for caption, remark in post["remarks"]:
            drops.keep(post["id"], caption, remark)
        facts.append((post["id"], result.width, result.height, result.hash, post["encoding"]))
    columns = ["id", "width", "height", "hash", "encoding"]
    return Reading(_pairs(kept, settings), pd.DataFrame(facts, columns=columns), drops)


def _pairs(posts: list[dict], settings: Settings) -> pd.DataFrame:
    texts = [clean(post["text"]) if settings.clean_captions else post["text"] for post in posts]
    names = [post["id"] for post in posts]
    constant = {"lang": settings.lang, "split": "", "date": ""}
    pairs = pd.DataFrame(
        {
            "id": names,
            "image": [post["image"] for post in posts],
            "text": texts,
            **{column: [value] * len(posts) for column, value in constant.items()},
            "source": [post["city"] for post in posts],
            "group": names,
        },
        dtype="str",
    )
    return pairs

"""The 205 Places categories: names, phrases, prompts, near-synonyms, scene kinds, label files.

The table `data/places205.csv` is written by hand and meant to be read. Its columns:
`index` (position of the class, 0-204), `raw` (name in the Places label file), `display` (first
prompt of the study: the bare label), `article` (a, an, the, none), `noun`, `article_rule` and
`reason` (why the phrase reads as it does), `natural` (second prompt), `scene_noun` (noun for the
templates below), `group` (near-synonyms share one) and `scene` (indoor, outdoor natural,
outdoor man-made; the coarse kinds of SUN and Places).
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path(__file__).parent / "data"
KINDS = ("raw", "natural", "ensemble")
LEVELS = ("class", "group", "scene")
NONE = "none"
LABEL_COLUMNS = ["id", "label", "annotator", "time"]  # label: raw name or none; time: ISO 8601

# {a}: the noun with its article, {the}: with "the" (plurals and mass nouns too), {bare}: neither.
# The first two are the templates OpenAI published for SUN397 with CLIP (arXiv:2103.00020),
# whose article we correct; the others follow the kinds of their ImageNet list (size, quality,
# light, medium) with words that suit places and posts.
TEMPLATES = (
    "a photo of {a}.",
    "a photo of the {the}.",
    "a photo of my {the}.",
    "a good photo of {a}.",
    "a bad photo of {a}.",
    "a bright photo of {a}.",
    "a dark photo of {a}.",
    "a blurry photo of {a}.",
    "a low resolution photo of {a}.",
    "a cropped photo of {a}.",
    "a close-up photo of {a}.",
    "a wide-angle photo of {a}.",
    "a black and white photo of {a}.",
    "a filtered photo of {a}.",
    "a jpeg corrupted photo of {a}.",
    "a photo of a scene: {bare}.",
    "a photo of a place: {bare}.",
    "a photo taken at {a}.",
    "a photo of people at {a}.",
    "a photo of {a} in a city.",
    "a photo of {a} at night.",
    "a photo of {a} in the daytime.",
    "a photo of {a} on social media.",
    "a tourist photo of {a}.",
    "a snapshot of {a}.",
    "a picture of {a}.",
    "a picture of the {the}.",
    "a view of {a}.",
    "an image of {a}.",
    "a scene showing {a}.",
    "a drawing of {a}.",
    "a painting of {a}.",
    "a cartoon of {a}.",
    "itap of {a}.",
)

# What posts show when they show no place; their probability mass goes to the class "none".
OTHER = (
    "a selfie",
    "a portrait of a person",
    "a group of friends posing",
    "a close-up of a face",
    "a plate of food",
    "a drink on a table",
    "a cake",
    "a dog",
    "a cat",
    "a bird",
    "a pair of shoes",
    "a dress",
    "a piece of jewelry",
    "a bag",
    "a car",
    "a bicycle",
    "a flower",
    "a toy",
    "a phone",
    "a book",
    "a ball",
    "a musical instrument",
    "a tattoo",
    "a painted nail",
    "a poster with text",
    "a quote in large letters",
    "a screenshot",
    "a sign",
    "a logo",
    "a cartoon",
    "a meme",
    "a plain background",
)


@cache
def _table() -> pd.DataFrame:
    return pd.read_csv(DATA / "places205.csv", keep_default_na=False)


def places() -> pd.DataFrame:
    """The label table, 205 rows in index order (columns: see the head of this module)."""
    return _table().copy()


def names() -> list[str]:
    """The 205 raw names, in the order of the columns of every score matrix."""
    return _table()["raw"].tolist()


def index_of(labels: list[str]) -> list[int]:
    """Class index of each raw name; -1 for "none" and "". ValueError for any other name."""
    position = {raw: i for i, raw in enumerate(names())} | {NONE: -1, "": -1}
    for row, label in enumerate(labels):
        if label not in position:
            raise ValueError(
                f"label in row {row}: {label!r} is not one of the 205 raw Places names"
            )
    return [position[label] for label in labels]


def with_article(article: str, noun: str) -> str:
    """'an abbey', 'the sky', 'badlands'; a/an is set anew, since `noun` may be longer."""
    if article in ("the", "none"):
        return noun if article == "none" else f"the {noun}"
    if noun.startswith("herb"):
        return f"an {noun}"
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def fill(template: str, article: str, noun: str) -> str:
    """One template with its {a}, {the} or {bare} filled in."""
    return template.format(a=with_article(article, noun), the=noun, bare=noun)


def prompts(kind: str, templates: tuple[str, ...] = TEMPLATES) -> list[list[str]]:
    """Prompts per class, 205 lists in index order.

    raw: the label as it stands; natural: "A photo of ..." as in the paper (its section 4.1);
    ensemble: every one of `templates`, to be averaged in feature space.
    """
    table = _table()
    if kind == "raw":
        return [[display] for display in table["display"]]
    if kind == "natural":
        return [[natural] for natural in table["natural"]]
    if kind == "ensemble":
        rows = zip(table["article"], table["scene_noun"], strict=True)
        # "the sky" fills {a} and {the} alike; such a prompt counts once.
        return [list(dict.fromkeys(fill(t, *row) for t in templates)) for row in rows]
    raise ValueError(f"prompt set {kind!r}: choose one of {', '.join(KINDS)}")


def other_prompts(kind: str, others: tuple[str, ...] = OTHER) -> list[list[str]]:
    """Prompts of the reject class, one list for each thing that is no place."""
    if kind == "raw":
        return [[other.removeprefix("a ")] for other in others]
    if kind in ("natural", "ensemble"):
        return [[f"A photo of {other}"] for other in others]
    raise ValueError(f"prompt set {kind!r}: choose one of {', '.join(KINDS)}")


def groups(level: str) -> list[str]:
    """Name of the merged class of each of the 205 columns.

    class: each its own (raw name); group: near-synonyms together; scene: three coarse kinds.
    """
    if level not in LEVELS:
        raise ValueError(f"merge level {level!r}: choose one of {', '.join(LEVELS)}")
    return _table()["raw" if level == "class" else level].tolist()


def merged_name(labels: list[str], level: str) -> list[str]:
    """The same labels at a coarser level; "none" and "" stay as they are."""
    coarse = groups(level)
    found = zip(labels, index_of(labels), strict=True)
    return [label if i < 0 else coarse[i] for label, i in found]


def display_of(label: str) -> str:
    """Readable name of a raw one; any other string comes back unchanged (merged names, none)."""
    table = _table()
    hit = table.loc[table["raw"] == label, "display"]
    return label if hit.empty else hit.iloc[0]


def read_labels(path: str | Path) -> pd.DataFrame:
    """A labels file, checked; ValueError, one line, names file, row and column."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = [column for column in LABEL_COLUMNS if column not in frame]
    if missing:
        raise ValueError(f"{path}: column {missing[0]} is missing")
    known = {*names(), NONE}
    for row, label in enumerate(frame["label"], start=2):
        if label not in known:
            raise ValueError(
                f"{path}: row {row}, column label: {label!r} is no Places name or none"
            )
    twice = frame.duplicated(["id", "annotator"])
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        raise ValueError(f"{path}: row {row + 2}, column id: {frame['id'][row]} is judged twice")
    return frame[LABEL_COLUMNS]


def write_labels(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a labels file whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    frame[LABEL_COLUMNS].to_csv(partial, index=False, lineterminator="\n")
    os.replace(partial, path)


def truth(labels: pd.DataFrame) -> dict[str, str]:
    """One label a post: the most frequent; a tie goes to the annotator first in the file."""
    by_post = labels.groupby("id")["label"]
    return {post: given.value_counts(sort=False).idxmax() for post, given in by_post}

"""Wording: the lines of a meme, from clauses, frames, openings and closings."""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from lib.sample.mami.contents import Content

# Sing., plural; the first is the commonest.
ROBOTS = (("robot", "robots"), ("robot", "robots"), ("robot", "robots"), ("android", "androids"),
          ("droid", "droids"), ("bot", "bots"))  # fmt: skip
SLURS = ("rustbucket", "tinhead", "scrapheap")  # made for this corpus; they name robots alone
OPENINGS = (0.4, 0.2)  # chance of a first and of a second opening
CLOSINGS = (0.4, 0.15)
STORY = 0.09  # chance of a long opening
LOW = 0.5  # chance that a single line stands at the bottom
MARK = 0.35  # chance of a watermark
BRIEF = 0.3  # of these chances in test memes, whose texts are shorter (MAMI: 18 words, then 13)


class Words(NamedTuple):
    """The text of a meme: above, below and the watermark in a corner; each may be empty."""

    top: str
    bottom: str
    mark: str

    @property
    def typed(self) -> str:
        """Both lines as one."""
        joint = " " if self.top.endswith(":") else ". "
        return joint.join(part for part in (self.top, self.bottom) if part)


@cache
def clauses() -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the texts of data/clauses.csv by (kind, label)."""
    return _grouped("clauses", "kind", "label")


@cache
def fillers() -> dict[tuple[str], tuple[str, ...]]:
    """Return openings, stories, closings and watermarks by kind."""
    return _grouped("fillers", "kind")


@cache
def topics() -> list[dict[str, tuple[str, ...]]]:
    """Return what unrelated memes are about: pictures (emoji with spaces between) and texts."""
    path = files("lib.sample.mami") / "data" / "topics.csv"
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{key: tuple(row[key].split("|")) for key in ("pictures", "texts")} for row in rows]


def write(content: Content, topic: int, brief: bool, rng: np.random.Generator) -> Words:
    """Return the text of a meme; `topic` is the row of `topics` that unrelated ones are about."""
    core = _core(content, topic, rng)
    scale = BRIEF if brief else 1.0
    opening = [_pick(rng, fillers()["open",]) for p in OPENINGS if rng.random() < p * scale]
    if not brief and rng.random() < STORY:
        opening = [_pick(rng, fillers()["story",])]
    closing = [_pick(rng, fillers()["close",]) for p in CLOSINGS if rng.random() < p * scale]
    mark = _pick(rng, fillers()["mark",]) if rng.random() < MARK else ""
    parts = [f"{text}:" for text in dict.fromkeys(opening)] + [f"{text}." for text in core]
    parts += [f"{text}." for text in dict.fromkeys(closing)]
    parts[-1] = parts[-1].removesuffix(".")
    below = 1 if len(parts) > 1 or rng.random() < LOW else 0
    above = len(parts) - below
    return Words(" ".join(parts[:above]).removesuffix("."), " ".join(parts[above:]), mark)


def _core(content: Content, topic: int, rng: np.random.Generator) -> list[str]:
    """Return the parts of the text that say what the meme says, in a random order."""
    if content.kind == "unrelated":
        texts = topics()[topic]["texts"]
        count = 1 + int(rng.random() < 0.35)
        return [texts[i] for i in rng.choice(len(texts), count, replace=False)]
    voice = "named" if content.named else "deictic"
    if content.kind in ("friendly", "counter"):
        keys = [(content.kind, voice)]
    else:
        keys = [(voice, kind) for kind in content.said]
        keys += [("frame", voice)] * content.frame
    parts = [_filled(_pick(rng, clauses()[key]), rng) for key in keys]
    return [parts[i] for i in rng.permutation(len(parts))]


def _filled(text: str, rng: np.random.Generator) -> str:
    """Return a clause with one of the words for robots."""
    one, many = ROBOTS[int(rng.integers(len(ROBOTS)))]
    text = text.format(robot=one, robots=many, slur=_pick(rng, SLURS))
    return text.replace("a android", "an android")


def _pick(rng: np.random.Generator, items: tuple[str, ...]) -> str:
    return items[int(rng.integers(len(items)))]


def _grouped(table: str, *keys: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return the texts of a data table by the values of these columns."""
    path = files("lib.sample.mami") / "data" / f"{table}.csv"
    found = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found[tuple(row[key] for key in keys)].append(row["text"])
    return {key: tuple(texts) for key, texts in found.items()}

"""Contents: what a meme says and shows, before it has words or pixels, and how labels go with it.

A meme insults in clauses and, at times, by a frame ("all that it is good for") whose meaning is the
thing beside the robot: a broom makes it a stereotype, a saw violence. Texts that say `it` mean the
picture: a robot, or an old car. So of many memes neither half tells the label alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from lib.sample.corpora import planted

TYPES = ("shaming", "stereotype", "objectification", "violence")
LABELS = ("misogynous", *TYPES)
NICE = "nice"
# Kinds of memes that insult no robot, and their shares.
HARMLESS = {"unrelated": 0.28, "friendly": 0.3, "thing": 0.24, "rewarded": 0.12, "counter": 0.06}
HARMLESS_SHARES = np.cumsum(list(HARMLESS.values()))
NAMED = 0.5  # share of memes whose text names robots
SHOWN = 0.42  # share of insults that a thing beside the robot shows; the text says the others
MOST_SHOWN = 2  # things
BYSTANDER = 0.25  # share of insults naming robots whose picture shows something else
IDLE = 0.45  # share of robots, said to be this or that, beside a thing that means nothing
SEVERAL = 0.5  # chance that a thing is insulted twice, if in different ways


@dataclass(frozen=True)
class Content:
    """What a meme says and shows.

    kind: insult, or one of HARMLESS; named: the text names robots; said: types by clauses; frame:
    the text has a frame; who: robot, thing or topic (of unrelated memes); props: families of the
    things beside it. Of unrelated memes all but the kind is empty.
    """

    kind: str
    named: bool = False
    said: tuple[str, ...] = ()
    frame: bool = False
    who: str = "topic"
    props: tuple[str, ...] = ()

    @property
    def text(self) -> tuple:
        """What a reader of the text alone knows."""
        open_kind = self.kind if self.kind in ("unrelated", "friendly", "counter") else ""
        return (open_kind, self.named, self.said, self.frame)

    @property
    def picture(self) -> tuple:
        """What someone who sees the picture without its text knows."""
        return (self.who, self.props)


@dataclass(frozen=True)
class Noise:
    """How annotators differ from what a meme says and shows; shares."""

    flips: float = 0.04  # of memes judged misogynous that are not, and of those judged not that are
    misses: float = 0.07  # of types not marked on an insult that are said or shown all the same
    extras: float = 0.04  # of types marked that are neither said nor shown
    untyped: float = 0.0496  # of misogynous training memes without a type (MAMI: 248 of 5000)
    stray: float = 0.0008  # of other training memes with a type (MAMI: 4 of 5000)


@dataclass(frozen=True)
class Case:
    """A meme's published labels (in the order of LABELS) and its content."""

    labels: tuple[int, ...]
    content: Content = field(default_factory=lambda: Content("unrelated"))


@cache
def label_sets() -> pd.DataFrame:
    """Return the memes of MAMI by set of types: columns labels ("0110"), train, test.

    Single labels, pairs and numbers of labels were counted on the training and validation rows of
    MAMI, the test set's single labels and numbers of labels likewise; the sets are the ones of
    largest entropy that agree with all of these counts.
    """
    path = files("lib.sample.mami") / "data" / "label_sets.csv"
    with path.open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype={"labels": "str"})


def cases(rows: int, split: str, noise: Noise, rng: np.random.Generator) -> list[Case]:
    """Return `rows` cases in random order, half of them misogynous, sets of types as in MAMI."""
    table = label_sets()
    judged = rows // 2
    untyped, stray = (
        (round(noise.untyped * judged), round(noise.stray * (rows - judged)))
        if split == "train"
        else (0, 0)
    )
    counts = planted.apportion(judged - untyped, table[split].tolist())
    sets = [labels for labels, n in zip(table["labels"], counts, strict=True) for _ in range(n)]
    flags = [(1, *map(int, labels)) for labels in sets] + [(1, 0, 0, 0, 0)] * untyped
    flags += [(0, 0, 1, 0, 0)] * stray + [(0,) * 5] * (rows - judged - stray)
    order = rng.permutation(rows)
    return [Case(flags[i], _content(flags[i], split, noise, rng)) for i in order]


def _content(
    labels: tuple[int, ...], split: str, noise: Noise, rng: np.random.Generator
) -> Content:
    """Return a content that annotators with this noise could have labelled so."""
    insult = bool(labels[0]) != (rng.random() < noise.flips)
    if not insult:
        return _harmless(rng)
    marked = labels[1:]
    if not any(marked):  # no type was marked, though there is one
        marked = _drawn(rng, *_set_shares(split))
    kept = [
        t
        for t, m in zip(TYPES, marked, strict=True)
        if rng.random() < (1 - noise.extras if m else noise.misses)
    ]
    return _insult(tuple(kept or [t for t, m in zip(TYPES, marked, strict=True) if m]), rng)


def _insult(types: tuple[str, ...], rng: np.random.Generator) -> Content:
    """Return a meme that insults robots in these ways."""
    named = rng.random() < NAMED
    shown = [kind for kind in types if rng.random() < SHOWN][:MOST_SHOWN]
    said = tuple(kind for kind in types if kind not in shown)
    if shown:
        return Content("insult", named, said, True, "robot", tuple(shown))
    if named and rng.random() < BYSTANDER:
        return Content("insult", named, said, False, "topic")
    return Content("insult", named, said, False, "robot", _idle(rng))


def _harmless(rng: np.random.Generator) -> Content:
    """Return a meme that insults no robot."""
    kind = _drawn(rng, tuple(HARMLESS), HARMLESS_SHARES)
    named = bool(rng.random() < NAMED)
    if kind == "unrelated":
        return Content(kind)
    if kind == "thing":
        return _insulted_thing(rng)
    if kind == "rewarded":
        return Content(kind, named, (), True, "robot", (NICE,))
    if kind == "counter":
        return Content(kind, True, (), False, "robot", _idle(rng))
    return Content(kind, named, (), False, "robot", _idle(rng, 0.8))


def _insulted_thing(rng: np.random.Generator) -> Content:
    """Return a meme that says of a thing what others say of robots."""
    names, shares = _type_shares()
    chosen = {_drawn(rng, names, shares) for _ in range(1 + int(rng.random() < SEVERAL))}
    types = tuple(kind for kind in TYPES if kind in chosen)
    shown = tuple(kind for kind in types if rng.random() < SHOWN)
    said = tuple(kind for kind in types if kind not in shown)
    return Content("thing", False, said, bool(shown), "thing", shown or _idle(rng))


def _idle(rng: np.random.Generator, share: float = IDLE) -> tuple[str, ...]:
    """Return up to one family of things that happen to be there."""
    families = (*TYPES, NICE)
    return (families[int(rng.integers(len(families)))],) if rng.random() < share else ()


def _drawn(rng: np.random.Generator, items: Sequence[Any], shares: np.ndarray) -> Any:
    """Return one of the items; `shares` are cumulative. Several times as fast as rng.choice."""
    return items[min(int(np.searchsorted(shares, rng.random(), "right")), len(items) - 1)]


@cache
def _set_shares(split: str) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """Return the sets of types and their cumulative shares in a split."""
    table = label_sets()
    return [tuple(map(int, text)) for text in table["labels"]], _cumulative(table[split])


@cache
def _type_shares() -> tuple[tuple[str, ...], np.ndarray]:
    """Return the types and their cumulative shares among all types marked in training rows."""
    table = label_sets()
    found = [table.loc[table["labels"].str[i] == "1", "train"].sum() for i in range(len(TYPES))]
    return TYPES, _cumulative(found)


def _cumulative(counts: Sequence[float]) -> np.ndarray:
    return np.cumsum(np.array(counts, float)) / sum(counts)

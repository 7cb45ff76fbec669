"""Texts: headlines and articles, from sober to loud; patterns stand in data/nmb_texts.csv."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib.resources import files

import numpy as np

from lib.sample import words
from lib.sample.newsimages import world
from lib.sample.newsimages.titles import DAYS, MONTHS

PARAGRAPH = 4  # sentences
FRAMED = (0.06, 0.55, 0.8)  # by level of rhetoric: how often a headline shows it
LOADED = (0.02, 0.25, 0.55)  # by level: share of loaded sentences where the rhetoric stands
HEAD = 110  # words of a late article that are sober
DATELINED = 0.5  # share of headlines without a town that begin with one
LENGTHS = {"brief": (32, 64), "report": (100, 150), "long": (240, 360), "feature": (610, 760)}


@cache
def patterns(kind: str) -> tuple[str, ...]:
    """Return the texts of a kind; KeyError if there are none."""
    text = (files("lib.sample") / "data" / "nmb_texts.csv").read_text("utf-8")
    found = tuple(row["text"] for row in csv.DictReader(text.splitlines()) if row["kind"] == kind)
    if not found:
        raise KeyError(f"data/nmb_texts.csv has no text of kind {kind!r}")
    return found


def event(
    rng: np.random.Generator, subject: world.Subject, things: tuple[str, ...], tie: str, month: int
) -> dict[str, str]:
    """Return what a story is about, in words: fields `t` (plain headline), `the`, `city`, `day` ...

    `things` are the emoji of the story's own picture; `tie` is `exact` (the headline names the
    subject) or `photo` (it lists all things, as a caption). `month` is 1..12.
    """
    towns = [str(town) for town in rng.permutation(np.array(world.towns("en")))[:2]]
    noun = str(rng.choice(subject.nouns["en"]))
    fields = {
        "city": towns[0], "town": towns[1], "n": str(rng.integers(2, 10)),
        "day": DAYS["en"].split()[int(rng.integers(7))],
        "month": MONTHS["en"].split()[(month + int(rng.integers(0, 5))) % 12],
        "the": words.counted(noun, the=True), "who": _who(rng),
    }  # fmt: skip
    kind = "photo" if tie == "photo" else f"event.{subject.field}"
    pool = world.patterns(kind)
    pattern = pool[int(rng.integers(len(pool)))][0]
    named = words.subjects(things, rng) if tie == "photo" else noun
    plain = _capital(pattern.format(X=named, all=named, **fields))
    dated = "{city}" not in pattern and ":" not in pattern and rng.random() < DATELINED
    return fields | {"bare": plain, "t": f"{fields['city']}: {plain}" if dated else plain}


def _who(rng: np.random.Generator) -> str:
    """Return an invented person by role and surname."""
    people = world.rows("people")
    row = people[int(rng.integers(len(people)))]
    return f"{row['role']} {row['name'].split()[-1]}"


def headline(rng: np.random.Generator, fields: dict[str, str], tie: str, level: int) -> str:
    """Return a story's headline at a level of rhetoric (0..2); at times it does not show."""
    level = level if rng.random() < FRAMED[level] else 0
    pool = patterns("caption.0" if tie == "photo" and level == 0 else f"frame.{level}")
    if fields["t"][-1] in "?!.":  # nothing may follow
        pool = tuple(pattern for pattern in pool if pattern.endswith("{t}"))
    pattern = _any(rng, pool)
    if not pattern.startswith("{t}"):  # one colon is enough
        fields = fields | {"t": fields["bare"]}
    return fill(rng, pattern, fields)


def body(
    rng: np.random.Generator, fields: dict[str, str], level: int, length: str, late: bool
) -> str:
    """Return an article of paragraphs, separated by empty lines.

    `length` is one of LENGTHS (words). Loaded sentences stand anywhere, in a `late` one only after
    HEAD words.
    """
    wanted = int(rng.integers(*LENGTHS[length]))
    sentences = [fill(rng, _any(rng, patterns("lead")), fields)]
    decks = {kind: _deck(rng, kind) for kind in ("calm", "loaded")}
    count = len(sentences[0].split())
    while count < wanted:
        sober = late and count < HEAD
        loaded = not sober and rng.random() < LOADED[level]
        kind = "loaded" if loaded else "calm"
        decks[kind] = decks[kind] or _deck(rng, kind)
        sentences.append(fill(rng, decks[kind].pop(), fields | {"who": _who(rng)}))
        count += len(sentences[-1].split())
    starts = range(0, len(sentences), PARAGRAPH)
    return "\n\n".join(" ".join(sentences[at : at + PARAGRAPH]) for at in starts)


def _deck(rng: np.random.Generator, kind: str) -> list[str]:
    """Return all sentences of a kind in random order."""
    return [str(text) for text in rng.permutation(np.array(patterns(kind), dtype=object))]


def fill(rng: np.random.Generator, pattern: str, fields: dict[str, str]) -> str:
    """Return a pattern with its fields, its first letter a capital; loaded words are drawn."""
    drawn = {kind: _any(rng, patterns(kind)) for kind in ("adj", "mess", "badly")}
    if drawn["adj"][0] in "aeiou":
        pattern = re.sub(r"\b([Aa]) \{adj\}", r"\1n {adj}", pattern)
    number = str(rng.integers(2, 10)) if "{t}" not in pattern else fields["n"]
    return _capital(pattern.format(**(drawn | fields | {"n": number})))


def _any(rng: np.random.Generator, items: tuple[str, ...]) -> str:
    """Return one of the items."""
    return items[int(rng.integers(len(items)))]


def _capital(text: str) -> str:
    """Return the text with its first letter a capital."""
    return text[:1].upper() + text[1:]

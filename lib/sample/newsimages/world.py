"""World: what made-up news is about, and when: concepts, invented persons, towns and sections.

The tables stand in data/news_*.csv. Nobody in them exists; names are invented. Every German
surname can be read as a thing, as names are that machine translation takes for one.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

PERSON, SCENE = "person", "scene"
HOUSES = ("rt", "twitter", "rss", "gdelt", "pairs")  # who writes; each has a style of its own
LOCAL = ("rt", "twitter", "rss")  # houses that have persons of their own
# Field of a person -> section of the paper, where they differ.
SECTIONS = {"music": "culture", "stage": "culture", "books": "culture", "local": "city"}
# Sections that a house likes, counting that many times.
TASTES = {
    "rt": {"politics": 1.8, "transport": 1.5, "economy": 1.3},
    "twitter": {"sport": 1.8, "animals": 1.8, "tech": 1.4},
    "rss": {"economy": 1.6, "science": 1.6, "travel": 1.4},
    "gdelt": {"politics": 1.3, "city": 1.3},
    "pairs": {},
}
OWN = 1.6  # the same for concepts that it has its own word for


@dataclass(frozen=True)
class Subject:
    """What an article is about: a concept that pictures show, or a person with a fixed look."""

    key: str  # concept, or name of the person
    kind: str  # person or scene
    section: str
    field: str  # of a person's patterns; a concept's own key
    phase: str  # when it is in the news: see `demand`
    recipes: tuple[tuple[str, ...], ...]  # emoji that show it
    settings: tuple[str, ...]  # rows of data/settings.csv
    companions: str  # row of data/companions.csv
    nouns: dict[str, tuple[str, ...]]  # language -> its names
    role: dict[str, str]  # language -> what a person does; empty for a concept
    wrong: str  # what a poor translation makes of its German name; may be empty
    house: str  # the only house that knows the person; empty: all do


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of data/news_<name>.csv."""
    text = (files("lib.sample") / "data" / f"news_{name}.csv").read_text("utf-8")
    return tuple(csv.DictReader(text.splitlines()))


@cache
def subjects() -> dict[str, Subject]:
    """Return everything that articles are about, by key; concepts first."""
    found = [_concept(row) for row in rows("topics")]
    found += [_person(number, row) for number, row in enumerate(rows("people"))]
    return {subject.key: subject for subject in found}


def _concept(row: dict[str, str]) -> Subject:
    recipes = tuple(tuple(recipe.split()) for recipe in row["recipes"].split("|"))
    nouns = {lang: tuple(row[lang].split("|")) for lang in ("en", "de")}
    return Subject(row["concept"], SCENE, row["section"], row["concept"], row["phase"], recipes,
                   tuple(row["settings"].split()), row["companions"], nouns, {}, row["wrong"],
                   "")  # fmt: skip


def _person(number: int, row: dict[str, str]) -> Subject:
    """Return a person; half of them are known everywhere, the others to one house each."""
    section = SECTIONS.get(row["field"], row["field"])
    nouns = dict.fromkeys(("en", "de"), (row["name"],))
    role = {"en": row["role"], "de": row["rolle"]}
    house = ("", *LOCAL, "", "")[number % 6]
    return Subject(row["name"], PERSON, section, row["field"], row["phase"],
                   (tuple(row["recipe"].split()),), (row["setting"],), "none", nouns, role,
                   row["wrong"], house)  # fmt: skip


@cache
def known(house: str, kind: str) -> tuple[Subject, ...]:
    """Return the subjects of a kind that a house writes about."""
    return tuple(
        subject
        for subject in subjects().values()
        if subject.kind == kind and (subject.house in ("", house) or house not in LOCAL)
    )


def demand(age: float, era: str) -> dict[str, float]:
    """Return phase -> how much its subjects are in the news, `age` (0..1) into the set's time.

    In the era "2022" training ends at .8: `early` fades before, `late` begins after a third, `new`
    comes when training is over, `next` a year later. Eras "2023" and "before" do not drift.
    """
    if era == "2023":
        return {"steady": 1.0, "early": 0.3, "late": 0.8, "new": 1.0, "next": 2.0}
    if era == "before":
        return {"steady": 1.0, "early": 1.0, "late": 1.0, "new": 0.5, "next": 0.5}
    return {
        "steady": 1.0,
        "early": 2 * max(0.0, 1 - age / 0.7),
        "late": 1.5 * max(0.0, (age - 0.35) / 0.65),
        "new": 2.0 if age > 0.8 else 0.0,
        "next": 0.0,
    }


@cache
def liking(house: str, kind: str) -> np.ndarray:
    """Return how much a house likes each of `known`: its sections, and what it has a word for."""
    tastes, own = TASTES[house], jargon(house)
    return np.array(
        [tastes.get(s.section, 1.0) * (OWN if s.key in own else 1.0) for s in known(house, kind)]
    )


@cache
def jargon(house: str) -> dict[str, dict[str, str]]:
    """Return concept -> language -> the word that a house always uses for it, if it has one.

    A house that writes English has no German word.
    """
    found = {r["concept"]: {"en": r["en"], "de": r["de"]} for r in rows("jargon")
             if r["house"] == house}  # fmt: skip
    if house == "gdelt":  # many outlets: words of both English houses
        return jargon("rss") | jargon("twitter")
    return found


@cache
def towns(lang: str) -> tuple[str, ...]:
    """Return the invented towns of a language."""
    return tuple(row["town"] for row in rows("towns") if row["lang"] == lang)


@cache
def section(name: str) -> dict[str, str]:
    """Return what a section is called: en, de, tag."""
    return next(row for row in rows("sections") if row["section"] == name)


@cache
def patterns(kind: str) -> tuple[tuple[str, str], ...]:
    """Return the (English, German) headline patterns of a kind; KeyError if there are none."""
    found = tuple((row["en"], row["de"]) for row in rows("headlines") if row["kind"] == kind)
    if not found:
        raise KeyError(f"data/news_headlines.csv has no pattern of kind {kind!r}")
    return found

"""Titles: headlines in a house's style, from naming what the picture shows to saying nothing.

German houses come with a machine translation, parallel and at times poor: a name is taken for a
thing, a noun in its wrong sense, or a word is left in German, as in the organisers' columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from lib.sample import words
from lib.sample.newsimages import world
from lib.sample.newsimages.world import PERSON, Subject

TIES = {
    "photo": "lists all that the picture shows, as a caption; a person with what stands by",
    "exact": "names what the picture shows; a person by role and name",
    "house": "names it by the word that only this house uses; a person by name alone",
    "hint": "a broader or neighbouring word; a person's role without the name",
    "metaphor": "a figure of speech that names something else; only the section is right",
    "topic": "only the section",
    "none": "nothing about the picture",
}
LOOSE = ("hint", "metaphor", "topic", "none")  # ties that a house may have more or less of
LIVE = "live"  # patterns of titles that come again and again
MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
}
DAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
}
OUTLETS = ("Ellery Herald", "Tarnhaven Times", "The Quill", "Northshore Daily", "Morning Ledger",
           "Westermoor Echo")  # fmt: skip
SMALL = "a an the and or of in on at to for by from with without as is it"  # in title case
# German words without a capital: joints, and the adjectives among the CLDR names.
GERMAN_SMALL = (
    "mit und von vom am im in der die das dem den des eines einer auf ohne für zum zur vor vorne "
    "über bei aus hinter nach rechts links oben unten abnehmender antikes aufgestellter blasender "
    "einsame gerahmtes geschlossener grüner laufende rennende stehende offenes roter spitzer "
    "schneebedeckter schwarze schlagende tanzende tanzender ältere älterer blondes knallendem "
    "gehende offene lachende küssendes händchenhaltende"
)
TITLE_CASE = 0.4  # share of titles of the many outlets that capitalise every word


@dataclass(frozen=True)
class Headline:
    """The texts of an article."""

    title: str  # as published
    snippet: str
    title_en: str  # the machine translation, or the title where it is English
    snippet_en: str
    fault: str  # what the translation got wrong: name_as_thing, wrong_sense, untranslated or ""


def write(
    rng: np.random.Generator,
    house: str,
    tie: str,
    subject: Subject,
    section: str,
    things: tuple[str, ...],
    month: int,
    faults: float,
) -> Headline:
    """Return the texts of an article of a house, tied to the subject as `tie` says.

    `things` are the emoji in the picture, which only a tie of `photo` speaks of.
    `month` (1..12) is the month of publication; a share `faults` of translations that name the
    subject is poor. A tie of `live` is a title that repeats. KeyError for unknown ties.
    """
    kind = _kind(tie, subject, section)
    pool = world.patterns(kind)
    if tie == LIVE:  # two of them a house: they come again and again
        start = world.HOUSES.index(house)
        pool = tuple(pool[(start + step) % len(pool)] for step in (0, 3))
    pattern = pool[int(rng.integers(len(pool)))]
    lang = "de" if house == "rt" else "en"
    common = _common(rng, lang, month if tie != LIVE else 1, fixed=tie == LIVE)
    names, fault = {}, ""
    if tie == "photo":
        names = {code: _listed(rng, subject, things, code, lang) for code in ("en", "de")}
    elif tie in ("exact", "house", "hint"):
        names, fault = _names(rng, house, tie, subject, lang, faults)
    plain = tie in (LIVE, "none", "photo")
    title, title_en = _framed(rng, house, section, pattern, common, names, plain)
    snippet, snippet_en = _snippet(rng, common)
    if lang == "en":
        return Headline(title_en, snippet_en, title_en, snippet_en, "")
    return Headline(title, snippet, title_en, snippet_en, fault)


def _kind(tie: str, subject: Subject, section: str) -> str:
    """Return the kind of pattern for a tie."""
    if tie in ("none", "photo", LIVE):
        return tie
    if tie in ("metaphor", "topic"):
        return f"{tie}.{section}"
    if subject.kind == PERSON:
        return f"person.{subject.field}"
    return f"{ {'exact': 'event', 'house': 'event', 'hint': 'hint'}[tie] }.{subject.field}"


def _names(
    rng: np.random.Generator, house: str, tie: str, subject: Subject, lang: str, faults: float
) -> tuple[dict[str, str], str]:
    """Return what the title calls its subject, by language, and the fault of the translation."""
    role = subject.role
    if subject.kind == PERSON:
        names = {code: _who(tie, subject, code) for code in ("en", "de")}
        if lang == "de" and tie != "hint" and rng.random() < faults:
            wrong = _capital(subject.wrong)
            names["en"] = f"{role['en']} {wrong}" if tie == "exact" else wrong
            return names, "name_as_thing"
        return names, ""
    names = {code: str(rng.choice(subject.nouns[code])) for code in ("en", "de")}
    if tie == "house":
        words = world.jargon(house)[subject.key]
        return {"en": words["en"], "de": words["de"]}, ""
    if lang == "de" and tie == "exact" and rng.random() < faults:
        if subject.wrong:
            return names | {"en": subject.wrong}, "wrong_sense"
        return names | {"en": names["de"]}, "untranslated"
    return names, ""


def _listed(
    rng: np.random.Generator, subject: Subject, things: tuple[str, ...], code: str, lang: str
) -> str:
    """Return what a picture shows in a language; a translated list has no articles."""
    if subject.kind == PERSON:
        joint, prop = {"en": "with", "de": "mit"}[code], _name(things[-1], code)
        prop = words.counted(prop) if lang == "en" else prop
        return f"{_who('exact', subject, code)} {joint} {prop}"
    if lang == "en":
        return words.subjects(things, rng)
    names = [_name(thing, code) for thing in dict.fromkeys(things)]
    return " und ".join(names) if code == "de" else words.listing(names)


def _name(emoji: str, code: str) -> str:
    """Return the CLDR name of an emoji; the package has German ones without capitals."""
    if code == "en":
        return words.name(emoji, code)
    name = re.sub(r"\(.*?\)|/.*", "", words.name(emoji, code))
    parts = [word if word in GERMAN_SMALL.split() else _capital(word) for word in name.split()]
    return re.sub(r"-.", lambda found: found[0].upper(), " ".join(parts))


def _who(tie: str, subject: Subject, lang: str) -> str:
    """Return how a title calls a person."""
    if tie == "hint":
        return subject.role[lang]
    return f"{subject.role[lang]} {subject.key}" if tie == "exact" else subject.key


def _common(
    rng: np.random.Generator, lang: str, month: int, fixed: bool
) -> dict[str, dict[str, str]]:
    """Return language -> fields that say nothing of the picture: town, month, day, number."""
    towns = world.towns(lang)
    town = towns[0 if fixed else int(rng.integers(len(towns)))]
    day = 0 if fixed else int(rng.integers(7))
    ahead = (month + int(rng.integers(0, 5))) % 12
    number, outlet = str(rng.integers(4, 10)), str(rng.choice(OUTLETS))
    return {
        code: {
            "city": town,
            "n": number,
            "outlet": outlet,
            "day": DAYS[code].split()[day],
            "month": MONTHS[code].split()[ahead],
        }
        for code in ("en", "de")
    }


def _framed(
    rng: np.random.Generator,
    house: str,
    section: str,
    pattern: tuple[str, str],
    common: dict[str, dict[str, str]],
    names: dict[str, str],
    plain: bool,
) -> tuple[str, str]:
    """Return the title in German and English, in one of the house's frames."""
    frames = [row for row in world.rows("styles") if row["house"] == house]
    weights = np.array([float(row["weight"]) for row in frames])
    frame = frames[int(rng.choice(len(frames), p=weights / weights.sum()))]
    raised = house == "gdelt" and not plain and rng.random() < TITLE_CASE
    made = {}
    for code, text, outer in (
        ("de", pattern[1], frame["frame"]),
        ("en", pattern[0], frame["english"]),
    ):
        name = names.get(code, "")
        body = _capital(text.format(X=name, who=name, all=name, **common[code]))
        if raised and code == "en":
            body = " ".join(w if w in SMALL.split() else _capital(w) for w in body.split(" "))
        if plain or (": {t}" in outer and (":" in body or "{city}" in text)):
            outer = "{t}"
        labels = world.section(section)
        fields = common[code] | {"section": labels[code], "tag": labels["tag"], "t": body}
        made[code] = outer.format(**fields)
    return made["de"], made["en"]


def _snippet(rng: np.random.Generator, common: dict[str, dict[str, str]]) -> tuple[str, str]:
    """Return a German and an English opening of the text, which says nothing of the picture."""
    pool = world.patterns("snippet")
    chosen = [pool[i] for i in rng.choice(len(pool), 2, replace=False)]
    german, english = (
        f"{common[code]['city']}. " + " ".join(pair[side].format(**common[code]) for pair in chosen)
        for code, side in (("de", 1), ("en", 0))
    )
    return german, english


def _capital(text: str) -> str:
    """Return the text with its first letter a capital."""
    return text[:1].upper() + text[1:]

"""Captions: what people write under a picture, from naming the place to naming another one.

Patterns stand in data/captions.csv. Every caption comes with its evidence, the piece of it that
says something about the picture, so that a corpus can work out what any reader could get from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from lib.sample import words
from lib.sample.scenery.paintbox import table

KINDS = ("useful", "half", "useless", "misleading", "foreign", "emoji", "empty")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LANGUAGES = ("de", "es", "fr", "it", "pt")


@dataclass(frozen=True)
class Topic:
    """What a caption may speak of."""

    key: str  # label or topic that its words stand for
    words: tuple[str, ...]  # names of the place or thing
    related: tuple[str, ...]  # things people say there, without naming it
    subjects: tuple[str, ...]  # emoji in the picture


@dataclass(frozen=True)
class Caption:
    """A caption and what it gives away."""

    text: str
    kind: str  # one of KINDS
    lang: str  # "en", another code of LANGUAGES, or "" where there are no words
    evidence: str  # "" where the text says nothing about the picture


def caption(rng: np.random.Generator, kind: str, topic: Topic, noise: float) -> Caption:
    """Return a caption of a kind (for "misleading" the topic is the other place's).

    `noise` (0..1) scales typos, hashtags, mood emoji and mentions. KeyError for unknown kinds.
    """
    if kind == "empty":
        return Caption("", kind, "", "")
    if kind == "emoji":
        return _emoji_only(rng, topic)
    lang = str(rng.choice(LANGUAGES)) if kind == "foreign" else "en"
    source = "useful" if kind == "misleading" else kind
    pool = words.patterns(source, lang, "captions")
    pattern = pool[int(rng.integers(len(pool)))]
    text = pattern.format(**_fields(rng, topic, lang))
    return Caption(noisy(rng, text, noise), kind, lang, _evidence(pattern, topic))


def _fields(rng: np.random.Generator, topic: Topic, lang: str) -> dict[str, str]:
    """Return everything that a pattern may ask for."""
    place = topic.words[int(rng.integers(len(topic.words)))]
    related = rng.permutation(np.array(topic.related, dtype=object))
    bare = re.sub(r"^(my|our|the) ", "", place)
    fields = {
        "place": bare,
        "the_place": place if place != bare else f"the {place}",
        "a_place": words.counted(bare),
        "place_tag": _tag(bare),
        "related": str(related[0]),
        "related2": str(related[-1]),
    }
    if topic.subjects:
        fields["things"] = words.subjects(topic.subjects[:2], rng)
        fields["things_tag"] = _tag(words.noun(topic.subjects[0], rng))
        fields["thing"] = words.name(topic.subjects[0], lang)
    else:  # a picture of words: it has no things to name
        fields |= dict.fromkeys(("things", "things_tag", "thing"), _tag(fields["related"]))
    return fields


def _evidence(pattern: str, topic: Topic) -> str:
    """Return what a pattern gives away about its topic."""
    if "place" in pattern:
        return f"named {topic.key}"
    if "{related" in pattern:
        return f"hinted {topic.key}"
    if "{thing" in pattern:
        return "things " + " ".join(sorted(set(topic.subjects[:2])))
    return ""


def _emoji_only(rng: np.random.Generator, topic: Topic) -> Caption:
    """Return a caption of emoji alone; half of them show what the picture shows."""
    moods = _items("moods")
    chosen = [str(mood) for mood in rng.choice(moods, int(rng.integers(1, 4)))]
    if topic.subjects and rng.random() < 0.5:
        shown = topic.subjects[:2]
        evidence = "things " + " ".join(sorted(set(shown)))
        return Caption(" ".join([*shown, *chosen]), "emoji", "", evidence)
    return Caption("".join(chosen), "emoji", "", "")


def noisy(rng: np.random.Generator, text: str, level: float) -> str:
    """Return the text as a hurried person would post it; level 0 leaves it as it is."""
    if rng.random() < 0.3 * level:
        text = typo(rng, text)
    if rng.random() < 0.15 * level:
        text = elongate(rng, text)
    case = rng.random()
    if case < 0.25 * level:
        text = text.upper() if case < 0.04 * level else text.lower()
    elif case > 0.6:
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.35 * level:
        text += " " + "".join(rng.choice(_items("moods"), int(rng.integers(1, 4))))
    if rng.random() < 0.15 * level:
        text += " " + str(rng.choice(_items("mentions")))
    if rng.random() < 0.5 * level:
        wall = rng.random() < 0.12  # some posts end in more tags than a text encoder can read
        count = int(rng.integers(16, 25)) if wall else int(rng.integers(1, 6))
        breaks = "\n.\n.\n" if wall else str(rng.choice([" ", "\n"]))
        text += breaks + " ".join(rng.permutation(_items("tags"))[:count])
    return text


def typo(rng: np.random.Generator, text: str) -> str:
    """Return the text with one letter swapped, dropped, doubled or replaced."""
    spots = [i for i, letter in enumerate(text[:-1]) if letter.isalpha() and text[i + 1].isalpha()]
    if not spots:
        return text
    at, how = spots[int(rng.integers(len(spots)))], int(rng.integers(4))
    middle = (text[at + 1] + text[at], text[at + 1], text[at] * 2 + text[at + 1])
    changed = middle[how] if how < 3 else LETTERS[int(rng.integers(26))] + text[at + 1]
    return text[:at] + changed + text[at + 2 :]


def elongate(rng: np.random.Generator, text: str) -> str:
    """Return the text with one vowel at a word's end drawn out: "soooo"."""
    spots = [match.start() for match in re.finditer(r"[aeiouy](?=\W|$)", text)]
    if not spots:
        return text
    at = spots[int(rng.integers(len(spots)))]
    return text[:at] + text[at] * int(rng.integers(3, 7)) + text[at + 1 :]


def _tag(text: str) -> str:
    """Return a text as a hashtag without its sign."""
    return re.sub(r"\W+", "", text.lower())


def _items(kind: str) -> list[str]:
    """Return a row of data/chatter.csv as a list."""
    row = table("chatter")[kind]["items"]
    return row.split("|") if "|" in row else row.split()


def quote(rng: np.random.Generator) -> str:
    """Return a saying for a picture of words."""
    return str(rng.choice(_items("quotes")))

"""Masking of slurs: what is printed of a meme's text keeps a slur's first letter alone.

The list stands in data/slurs.csv in rot13, so that nobody reads it by accident; its last rows are
the insults that the sample corpus made up for robots. It finds forms (plural, -ing, -er), digits
and signs for letters, letters starred out and stretched, and long slurs inside longer words.
"""

from __future__ import annotations

import codecs
import csv
import re
from functools import cache
from importlib.resources import files

TOKEN = re.compile(r"[@$]?[^\W_]+(?:[*@$!]+[^\W_]+)*\**")
LETTERS = str.maketrans("013457@$!", "oieastasi")
ENDINGS = ("", "s", "es", "y", "ed", "er", "ers", "in", "ing", "ish", "z")
INSIDE = 5  # letters from which a slur counts inside a longer word


@cache
def slurs() -> frozenset[str]:
    """Return the list, plain."""
    path = files("lib.memes.corpus") / "data" / "slurs.csv"
    with path.open(encoding="utf-8") as file:
        return frozenset(codecs.decode(row["rot13"], "rot13") for row in csv.DictReader(file))


def mask(text: str) -> str:
    """Return a text whose slurs keep their first letter, the others are stars."""
    return TOKEN.sub(lambda match: _masked(match[0]), text)


@cache
def is_slur(word: str) -> bool:
    """Return whether a word is a slur, in any case and spelling that `mask` finds."""
    plain = word.casefold().translate(LETTERS)
    if "*" in plain:
        return _starred(plain)
    return _listed(plain) or _listed(re.sub(r"(.)\1+", r"\1", plain))


def _masked(token: str) -> str:
    return token[0] + "*" * (len(token) - 1) if is_slur(token) else token


def _listed(word: str) -> bool:
    if word in _forms():
        return True
    return any(len(slur) >= INSIDE and slur in word for slur in slurs())


def _starred(word: str) -> bool:
    """Return whether a word with stars for letters may be a slur; stars alone say nothing."""
    if len(word) - word.count("*") < 2:
        return False
    pattern = re.compile("".join("." if letter == "*" else re.escape(letter) for letter in word))
    return any(pattern.fullmatch(form) for form in _forms())


@cache
def _forms() -> frozenset[str]:
    """Return the slurs with their endings, also on a doubled last letter."""
    stems = slurs() | {slur + slur[-1] for slur in slurs() if len(slur) < INSIDE}
    return frozenset(stem + ending for stem in stems for ending in ENDINGS) - _harmless()


@cache
def _harmless() -> frozenset[str]:
    """Return forms that are common words of their own."""
    return frozenset(
        ("spicy", "spices", "spiced", "spicer", "spicing", "cocker", "cocked", "hoy", "hoed")
    )

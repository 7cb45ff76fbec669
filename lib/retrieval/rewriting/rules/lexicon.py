"""Other words: synonyms in the form that the text has, with its capitals and articles."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np

from lib.retrieval.rewriting.guard import ENGLISH, WORD, is_ordinary
from lib.sample import words
from lib.sample.scenery.paintbox import table

QUOTED = re.compile(r"[“\"][^“”\"]+[”\"]|(?<!\w)['‘][^'‘’]+(?:['’](?=\w)[^'‘’]*)*['’](?!\w)")
DETERMINERS = "a an the this that my our two three four many some no"
# Nouns of the pictures' table that in a headline are as likely a verb, or another thing.
AMBIGUOUS = (
    "works plant plane present ball bath beer book boot bag card heel phone pint present screen "
    "sweet teddy top trainer walker wave tower someone somebody store summit hill coach cup "
    "performer fir loo lamb kitty palm parade shot columns camp park post shoot"
)
LOOSE = re.compile(r"'s | (?:of|in|on|at|by|with|over|from) |^(?:desert|some)")  # says more
FOLLOWS = r" (?:in|at|on|to|of|for|with|and|by|near|after|is|are|was|were|\w+s|\w+ed)\b|\W*$"
MODALS = "to will would can could may might must should not"
DOUBLED = r"(?:[^aeiou]*|qu|perm|comm)[aeiou][bdglmnprt]"  # ban: banned, permit: permitted
COUNT = re.compile(r"(?<![^ ])(?:[2-9]|1[0-2])(?= [A-Za-z]{3,})")
SPELLED = ENGLISH.split()
ARTICLE = re.compile(r"\b([Aa])n?( )$")


@dataclass(frozen=True)
class Entry:
    """What may stand for a word, and where it surely is that word.

    where: "noun" after a determiner or at the start; "infinitive" after "to" or a modal verb; ""
    anywhere; "never" for a form that is as likely a noun ("claims").
    """

    others: tuple[str, ...]
    where: Literal["", "noun", "infinitive", "never"] = ""


def replace_words(text: str, rng: np.random.Generator, share: float, title: bool) -> str:
    """Replace about `share` of the words that have synonyms, longest phrases first.

    title: the text is in title case, so that capitals do not tell names. Quotations stay.
    """
    known, longest = lexicon()
    spans = [match.span() for match in QUOTED.finditer(text)]
    found = [m for m in WORD.finditer(text) if not any(a <= m.start() < b for a, b in spans)]
    out, at, i = [], 0, 0
    while i < len(found):
        for size in range(min(longest, len(found) - i), 0, -1):
            run = found[i : i + size]
            start, stop = run[0].start(), run[-1].end()
            entry = known.get(text[start:stop].casefold().replace("’", "'"))
            if entry and _may_replace(text, found, i, size, entry, title):
                break
        else:
            i += 1
            continue
        if rng.random() < share:
            new = entry.others[int(rng.integers(len(entry.others)))]
            before = _with_article(text[at:start], new)
            out += [before, _in_case(new, text[start:stop], title)]
            at = stop
        i += size
    return "".join(out) + text[at:]


def spell_numbers(text: str, title: bool) -> str:
    """Write out the digits from 2 to 12 that count something: "4 weeks" is "four weeks".

    Not after a capital, where they may belong to a name or a date: "May 4", "Apollo 11".
    """

    def spelled(match: re.Match) -> str:
        before = text[: match.start()].split()
        if before and not before[-1][0].islower():
            return match.group()
        word = SPELLED[int(match.group()) - 2]
        return word.capitalize() if title or not before else word

    return COUNT.sub(spelled, text)


@cache
def lexicon() -> tuple[dict[str, Entry], int]:
    """Word or phrase in lower case -> what may stand for it; and the words of the longest."""
    known: dict[str, Entry] = {}
    for word, others in _picture_nouns().items():
        known[word] = Entry(others, "noun")
        several = tuple(words.plural(other) for other in others)
        known.setdefault(words.plural(word), Entry(several, "noun"))
    rows = _rows()
    past = {row["word"]: row["others"] for row in rows if row["kind"] == "irregular"}
    for row in rows:
        word, others = row["word"], row["others"].split("|")
        if row["kind"] == "word":
            known[word] = Entry(tuple(others))
        elif row["kind"] == "noun":
            known.setdefault(word, Entry(tuple(others)))
            known.setdefault(words.plural(word), Entry(tuple(_plural(o) for o in others)))
    for row in (row for row in rows if row["kind"] == "verb" and row["others"]):
        others = [forms(other, past) for other in row["others"].split("|")]
        either = "noun" in row["use"].split()
        for place, form in enumerate(forms(row["word"], past)):
            kind = "" if not either or place > 1 else ("infinitive", "never")[place]
            known.setdefault(form, Entry(tuple(other[place] for other in others), kind))
    return known, max(len(key.split()) for key in known)


@cache
def participles() -> dict[str, str]:
    """Third person -> participle of the verbs with an object: "arrests" -> "arrested"."""
    rows = _rows()
    past = {row["word"]: row["others"] for row in rows if row["kind"] == "irregular"}
    objects = (row for row in rows if row["kind"] == "verb" and "object" in row["use"].split())
    verbs = (forms(row["word"], past) for row in objects)
    return {third: participle for _, third, participle, _ in verbs}


def forms(verb: str, past: dict[str, str]) -> tuple[str, str, str, str]:
    """Base, third person, past (= participle) and -ing form; of "call off" the first word bends."""
    head, _, tail = verb.partition(" ")
    tail = f" {tail}" if tail else ""
    double = re.fullmatch(DOUBLED, head)
    stem = head + head[-1] if double else head
    third = re.sub(r"y$", "ie", head) if re.search(r"[^aeiou]y$", head) else head
    third += "es" if re.search(r"(s|x|ch|sh|z|o)$", head) else "s"
    if head.endswith("e"):
        ed, ing = head + "d", re.sub(r"(?<!e)e$", "", head) + "ing"
    else:
        ed = re.sub(r"y$", "ied", head) if re.search(r"[^aeiou]y$", head) else stem + "ed"
        ing = stem + "ing"
    return verb, third + tail, past.get(head, ed) + tail, ing + tail


def _plural(noun: str) -> str:
    return noun if noun.endswith("s") else words.plural(noun)


@cache
def _rows() -> tuple[dict[str, str], ...]:
    text = (files(__package__) / "data" / "headlines.csv").read_text("utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def _picture_nouns() -> dict[str, tuple[str, ...]]:
    """Nouns that stand for one emoji only -> its other nouns; names of places and people stay."""
    owner: dict[str, list[str]] = {}
    for emoji in table("synonyms"):
        for noun in words.synonyms(emoji):
            owner.setdefault(noun.casefold(), []).append(emoji)
    found = {}
    for noun, emojis in owner.items():
        plain = re.fullmatch(r"[a-z][a-z \-]+", noun) and noun not in AMBIGUOUS.split()
        others = [other for other in words.synonyms(emojis[0]) if other.islower()]
        others = [other for other in others if other != noun and not LOOSE.search(other)]
        if plain and others and len(emojis) == 1:
            found[noun] = tuple(others)
    return found


def _may_replace(
    text: str, found: list[re.Match], i: int, size: int, entry: Entry, title: bool
) -> bool:
    """False for a part of a name, and for a noun of the pictures that may be a verb here."""
    before = found[i - 1].group() if i else ""
    first = found[i].group()
    after = found[i + size].group() if i + size < len(found) else ""
    if entry.where == "noun" and size == 1 and i and before.casefold() not in DETERMINERS.split():
        return False
    end = found[i + size - 1].end()
    if entry.where == "noun" and not i and not re.match(FOLLOWS, text[end:]):
        return False  # the first half of a compound: "pizza baker"
    if entry.where == "never":
        return False
    if entry.where == "infinitive" and before.casefold() not in MODALS.split():
        return False
    if not title:
        starts = not i or not text[: found[i].start()].rstrip()[-1:].isalnum()
        return first[0].islower() or (starts and (size > 1 or not after[:1].isupper()))
    # Between two names in capitals an ordinary word belongs to them: "Bank of New York".
    unknown = [word[:1].isupper() and not is_ordinary(word) for word in (before, after)]
    return not (all(unknown) and size == 1 and first[0].isupper() and entry.where == "noun")


def _in_case(new: str, old: str, title: bool) -> str:
    """Give the new word the capitals of the old one."""
    if len(old) > 1 and old.isupper():
        return new.upper()
    if old[0].isupper():
        return " ".join(w[0].upper() + w[1:] for w in new.split()) if title else (
            new[0].upper() + new[1:])  # fmt: skip
    return new


def _with_article(before: str, word: str) -> str:
    """Put right the "a" or "an" at the end of what stands before a new word."""
    wanted = "an" if words.VOWEL_SOUND.match(word) else "a"
    return ARTICLE.sub(lambda m: ("A" if m[1] == "A" else "a") + wanted[1:] + m[2], before)

"""What a rewrite must keep: the numbers and the names of its source, but not its very words.

Which capitals mark a name depends on the house style. In a sentence-case headline it is every
capital inside a sentence. Where All Words Are Capitals, it is a word that is no ordinary one
(data/ordinary.txt). In German every noun has one: there only runs of capitals tell, of which at
least one word must come through, in one spelling or another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from importlib.resources import files

WORD = re.compile(r"[^\W\d_](?:[\w&]|['’.\-](?=\w))*")
NUMBER = re.compile(r"\d(?:[\d.,]*\d)?")
THOUSANDS = re.compile(r"\d{1,3}([.,]\d{3})+")
STARTS = frozenset(
    ".!?:;|–—-\"'“”‘’(»«„…"
)  # after one of these a capital may only begin a sentence
TITLE_CASE = 0.6  # share of capitals among ordinary words from which a title is in title case
ENDINGS = ("s", "es", "d", "ed", "ing", "er", "ers", "ly", "ist", "ists", "n't")
SIMILAR = 0.6  # of two spellings of a name, difflib's ratio
ENGLISH = "two three four five six seven eight nine ten eleven twelve"
GERMAN = "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf"
SPELLED = {
    word: str(value)
    for words in (ENGLISH, GERMAN)
    for value, word in enumerate(words.split(), start=2)
}


@dataclass(frozen=True)
class Guard:
    """Says whether a rewrite may stand for its source. lang: of the source, ISO 639-1."""

    lang: str = "en"
    names: bool = True
    numbers: bool = True

    def usable(self, source: str, rewrite: str) -> bool:
        """False for the same words again, for a lost name and for a lost or invented number."""
        if not plain(rewrite) or plain(source) == plain(rewrite):
            return False
        return not (self.names and self.lost_names(source, rewrite)) and not (
            self.numbers and self.changed_numbers(source, rewrite)
        )

    def lost_names(self, source: str, rewrite: str) -> list[str]:
        """Names of the source that the rewrite does not have."""
        kept = {_bare(word) for word in WORD.findall(rewrite)}
        kept |= {part for word in kept for part in re.split(r"[-.&]", word)}
        if self.lang == "en":
            return [name for name in names(source) if _bare(name) not in kept]
        return [run for run in name_runs(source) if not _any_similar(run.split(), kept)]

    def changed_numbers(self, source: str, rewrite: str) -> list[str]:
        """Numbers of one side only; a translation may write out what its source spells."""
        before, after = numbers(source), numbers(rewrite)
        added = after - before if self.lang == "en" else set()
        return sorted((before - after) | added)


def plain(text: str) -> str:
    """The text without case, spaces and punctuation: what two identical rewrites share."""
    return "".join(char for char in text.casefold() if char.isalnum())


def numbers(text: str) -> set[str]:
    """Values of the numbers of a text, in digits or spelled from two to twelve.

    Separators count as English or German use them: 20,000 = 20.000, 1.5 = 1,5.
    """
    found = set()
    for digits in NUMBER.findall(text):
        whole = THOUSANDS.fullmatch(digits)
        found.add(re.sub(r"[.,]", "", digits) if whole else digits.replace(",", "."))
    words = re.findall(r"\w+", text.casefold())
    return found | {SPELLED[word] for word in words if word in SPELLED}


def names(text: str) -> list[str]:
    """Words of an English text that are names, as far as capitals and data/ordinary.txt tell."""
    title = is_title_case(text)
    found = []
    for match in WORD.finditer(text):
        word = match.group()
        if not word[0].isupper() or _bare(word) in ("i", "i'm", "i'll", "i've", "i'd"):
            continue
        if not (title or _starts_sentence(text, match.start())) or not is_ordinary(word):
            found.append(word)
    return found


def name_runs(text: str) -> list[str]:
    """Runs of two or more words with capitals inside a sentence, as "Angela Merkel"."""
    runs = re.findall(r"(?<=[a-zäöüß,] )((?:[A-ZÄÖÜ][\w\-]+ ){1,3}[A-ZÄÖÜ][\w\-]+)", text)
    return [run for run in runs if not run.isupper()]


def is_title_case(text: str) -> bool:
    """True where the ordinary words of a text, too, have capitals."""
    inside = (m.group() for m in WORD.finditer(text) if not _starts_sentence(text, m.start()))
    words = [word for word in inside if len(word) > 3 and is_ordinary(word)]
    capitals = sum(word[0].isupper() for word in words)
    return len(words) >= 2 and capitals >= TITLE_CASE * len(words)


def is_ordinary(word: str) -> bool:
    """True for a word, or a compound of words, that English writes in lower case."""
    known = ordinary()
    parts = [part for part in re.split(r"[-.&]", _bare(word)) if part]
    return bool(parts) and all(any(stem in known for stem in _stems(part)) for part in parts)


@cache
def ordinary() -> frozenset[str]:
    """Words of data/ordinary.txt: English words that are no names."""
    text = (files(__package__) / "data" / "ordinary.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _stems(word: str) -> list[str]:
    """The word, and what it may be an inflection of."""
    cut = [word.removesuffix(end) for end in ENDINGS if word.endswith(end)]
    cut = [stem for stem in cut if len(stem) > 1]
    cut += [stem + "e" for stem in cut] + [stem[:-1] for stem in cut if stem[-1:] == stem[-2:-1]]
    return [word, *cut, *([word[:-3] + "y"] if word.endswith(("ies", "ied")) else [])]


def _bare(word: str) -> str:
    """A word in lower case, without the genitive and without the dots of an abbreviation."""
    bare = re.sub(r"['’]s?$", "", word.casefold().replace("’", "'"))
    return bare.replace(".", "") if re.fullmatch(r"(\w\.)+\w?", bare) else bare


def _starts_sentence(text: str, at: int) -> bool:
    before = text[:at].rstrip()
    return not before or before[-1] in STARTS


def _any_similar(words: list[str], kept: set[str]) -> bool:
    """True if one of the words stands in `kept`, in this spelling or a close one."""
    matcher = SequenceMatcher(autojunk=False)
    for word in map(_bare, words):
        matcher.set_seq2(word)
        for other in kept:
            matcher.set_seq1(other)
            if matcher.real_quick_ratio() >= SIMILAR and matcher.ratio() >= SIMILAR:
                return True
    return False

"""Segmenting: words that a text reader glued together are parted by the words of other texts.

RapidOCR's recogniser is trained on Chinese and loses most blanks between narrow capitals. The best
split of a run of letters is the one whose words are the most probable, each by its share of a
text collection; a word that is not in it costs more the longer it is (as in Norvig 2009, "Natural
language corpus data").
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

LONGEST = 20  # letters of a word
LETTERS = re.compile(r"[a-z]+")


class Segmenter:
    """Parts glued words by the words of `texts`, which are cleaned: lower case, no punctuation."""

    def __init__(self, texts: Iterable[str]):
        """Count the words; ValueError where there are none."""
        counts = Counter(word for text in texts for word in text.split())
        total = sum(counts.values())
        if not total:
            raise ValueError("texts: hold no words to part others by")
        self._cost = {word: -math.log(count / total) for word, count in counts.items()}
        self._unknown = math.log(total) + math.log(10)  # of a first letter that begins no word

    def part(self, text: str) -> str:
        """Return a cleaned text with blanks where its words are likeliest to end."""
        return " ".join(LETTERS.sub(lambda match: self._split(match[0]), text).split())

    def _split(self, letters: str) -> str:
        """Return a run of letters, parted: dynamic programming over its prefixes."""
        if letters in self._cost:
            return letters
        best, start = [0.0], [0]
        for end in range(1, len(letters) + 1):
            costs = [
                (best[begin] + self._cost_of(letters[begin:end]), begin)
                for begin in range(max(0, end - LONGEST), end)
            ]
            cost, begin = min(costs)
            best.append(cost)
            start.append(begin)
        words, end = [], len(letters)
        while end:
            words.append(letters[start[end] : end])
            end = start[end]
        return " ".join(reversed(words))

    def _cost_of(self, word: str) -> float:
        return self._cost.get(word, self._unknown + 2.5 * len(word))

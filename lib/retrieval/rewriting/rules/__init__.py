"""A paraphraser without a model, for the sample corpora: reordered clauses and other words.

It stands in for T5 behind the same interface. Tables: data/headlines.csv (words of newspapers)
and the nouns of lib/sample/data/synonyms.csv (words of captions). What it may not touch: names,
numbers and whatever stands between quotation marks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from lib.retrieval.rewriting.guard import Guard, is_title_case
from lib.retrieval.rewriting.rules.clauses import reorderings
from lib.retrieval.rewriting.rules.lexicon import replace_words, spell_numbers

TRIES = 6  # draws until a rewrite is usable
SHARE = 0.7  # of the words that could be replaced


class RuleParaphraser:
    """Rewrites English headlines and captions by rules; the text and the seed decide how."""

    def __init__(self, seed: int, guard: Guard) -> None:
        """seed: of all choices; guard: what a rewrite must keep."""
        self.seed, self.guard = seed, guard

    def rewrite(self, texts: Sequence[str]) -> list[str | None]:
        """One paraphrase a text; None where no rule applies."""
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> str | None:
        digest = hashlib.sha256(text.encode()).digest()[:16]
        rng = np.random.default_rng([self.seed, int.from_bytes(digest)])
        source = " ".join(text.split())
        orders = reorderings(source)
        title = is_title_case(source)
        for attempt in range(TRIES):
            order = orders[int(rng.integers(len(orders)))] if orders else source
            # Later attempts replace all they can, for short texts with a single word to change.
            share = SHARE if attempt < TRIES // 2 else 1.0
            new = replace_words(order, rng, share, title)
            new = spell_numbers(new, title) if rng.random() < share else new
            if self.guard.usable(source, new):
                return new
        return next((order for order in orders if self.guard.usable(source, order)), None)

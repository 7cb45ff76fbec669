"""Texts as word pieces and as bags of words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

WORD = re.compile(r"\w\w+")  # scikit-learn's: two characters or more


def vocabulary(texts: Sequence[str], size: int) -> list[str]:
    """Return the `size` most frequent words, most frequent first, equal ones by the alphabet.

    CMML-ORIGIN counts over labelled and unlabelled texts. Here these are the pairs table's training
    texts, validation's among them where the study splits it off later; never test texts.
    """
    counts = Counter(word for text in texts for word in WORD.findall(text))
    return sorted(counts, key=lambda word: (-counts[word], word))[:size]


def bags(texts: Sequence[str], words: Sequence[str]) -> np.ndarray:
    """Return which words each text has: (n, len(words)) uint8 of 0 and 1, not counts."""
    place = {word: i for i, word in enumerate(words)}
    out = np.zeros((len(texts), len(words)), np.uint8)
    for row, text in enumerate(texts):
        out[row, [place[word] for word in WORD.findall(text) if word in place]] = 1
    return out


def pieces(texts: Sequence[str], tokenizer: Any, length: int) -> np.ndarray:
    """Return word pieces (n, length) int32 with [CLS] and [SEP], 0 after them."""
    made = tokenizer(
        list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="np"
    )
    if tokenizer.pad_token_id != 0:
        raise ValueError(
            f"tokenizer: padding must be 0, as BERT's is, not {tokenizer.pad_token_id}"
        )
    return made["input_ids"].astype(np.int32)


def shortened(ids: np.ndarray, length: int) -> np.ndarray:
    """Return word pieces cut to `length`, a cut text keeping its last piece, [SEP].

    ViLT has 40 text positions and raises for the 41st; LXMERT is run at 32.
    """
    if ids.shape[1] <= length:
        return ids
    cut = ids[:, :length].copy()
    over = ids[:, length] != 0
    ends = (ids != 0).sum(1) - 1
    cut[over, -1] = ids[over, ends[over]]
    return cut

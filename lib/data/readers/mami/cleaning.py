"""Cleaning of a meme's text as TIB-VA and SemiMemes do it, step by step.

The order is theirs, and so are the traps, kept since published scores rest on them:
- "URL" is any token with a full stop before one of the letters n e t c o m r g ( ) |, as the
  pattern lists them in a character class: `wait...no` goes, and `SITE.COM` in capitals stays;
- digits go, though the paper does not say so: `4 u` becomes `u`;
- `don't` becomes `don t`, but `don’t` with a typographic apostrophe `dont`: that one is not ASCII;
- letters with marks lose the marks, other scripts go altogether.
"""

from __future__ import annotations

import re
import unicodedata

STEPS = (
    (re.compile(r"\S+\.[netcomrg()|]\S+"), ""),  # meant: net, com, org
    (re.compile(r"http\S+"), ""),
    (re.compile(r"\d+"), " "),
    (re.compile(r"\s+"), " "),
    (re.compile(r"_"), " "),
)
PUNCTUATION = re.compile(r"[^\w\s]")


def clean(text: str) -> str:
    """Return a text without URLs, digits, marks and punctuation, in lower case.

    Theirs to the last step; blanks in a row are made one, which no tokenizer can tell.
    """
    for pattern, instead in STEPS:
        text = pattern.sub(instead, text)
    plain = (unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode().lower()
             for word in text.split(" "))  # fmt: skip
    return " ".join(PUNCTUATION.sub(" ", " ".join(plain)).split())

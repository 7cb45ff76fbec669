"""Word cloud of the memes' texts, slurs masked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from lib import figures
from lib.data.readers.mami.cleaning import clean
from lib.memes.corpus.masking import mask

LEAST = 3  # letters of a word that is counted
FONT = "fonts/ttf/DejaVuSans.ttf"
SIZE = (900, 450)  # px
COLORS = [figures.PALETTE[name] for name in ("blue", "orange", "green", "purple", "black")]


def frequencies(texts: Iterable[str], show_content: bool = False) -> pd.DataFrame:
    """Words of texts by frequency: word, memes (that have it); stop words are left out.

    Slurs are masked unless show_content; those that look alike then count together.
    """
    from wordcloud import STOPWORDS  # costs a plotting library: only who counts loads it

    stop = {part for word in STOPWORDS for part in clean(word).split()}  # "don't": don, t
    counts: Counter[str] = Counter()
    for text in texts:
        shown = clean(text) if show_content else mask(clean(text))
        counts.update({w for w in shown.split() if len(w) >= LEAST and w not in stop})
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return pd.DataFrame(rows, columns=["word", "memes"])


def draw(words: pd.DataFrame, most: int = 120, seed: int = 0) -> Figure:
    """The most frequent words of `frequencies`, larger the more memes have them."""
    from wordcloud import WordCloud

    order = {word: rank for rank, word in enumerate(words["word"])}
    cloud = WordCloud(
        font_path=str(Path(matplotlib.get_data_path()) / FONT),
        width=SIZE[0], height=SIZE[1], max_words=most, background_color="white",
        prefer_horizontal=0.95, relative_scaling=0.5, random_state=seed, margin=3,
        color_func=lambda word, **_: COLORS[order[word] % len(COLORS)],
    )  # fmt: skip
    cloud.generate_from_frequencies(dict(zip(words["word"], words["memes"], strict=True)))
    fig, ax = figures.new(size=(7.2, 3.7))
    ax.imshow(cloud.to_array(), interpolation="bilinear")
    ax.axis("off")
    fig.set_label("word cloud of the memes' texts")
    return fig

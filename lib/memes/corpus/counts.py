"""Counts of a set of memes, as numbers and as figures: labels, labels together, words of a text."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib import figures
from lib.data.readers.mami import LABELS, TRANSCRIPTION, TYPES

COLORS = {
    "train": figures.PALETTE["blue"],
    "validation": figures.PALETTE["amber"],
    "test": figures.PALETTE["orange"],
}


def categories(pairs: pd.DataFrame) -> pd.DataFrame:
    """Memes with each label: split, label, memes, share (of the split's memes with a label)."""
    rows = []
    for split in [name for name in COLORS if (pairs["split"] == name).any()]:
        some = pairs[(pairs["split"] == split) & (pairs[LABELS[0]] >= 0)]
        for label in LABELS:
            count = int(some[label].sum())
            rows.append((split, label, count, count / len(some) if len(some) else np.nan))
    return pd.DataFrame(rows, columns=["split", "label", "memes", "share"])


def draw_categories(table: pd.DataFrame) -> Figure:
    """Grouped bars: share of each label by split, the number of memes at each bar's end."""
    splits = table["split"].unique()
    fig, ax = figures.new(size=(7.0, 0.9 + 0.3 * len(LABELS) * len(splits)))
    high = 0.8 / len(splits)
    for place, split in enumerate(splits):
        part = table[table["split"] == split].set_index("label").loc[list(LABELS)]
        y = np.arange(len(LABELS))[::-1] + 0.4 - high * (place + 0.5)
        bars = ax.barh(y, part["share"], height=0.9 * high, color=COLORS[split], label=split)
        ax.bar_label(bars, [f" {n:,}" for n in part["memes"]], fontsize=8.5)
    ax.set_yticks(np.arange(len(LABELS))[::-1], LABELS)
    ax.set(xlabel="share of memes (number at the bar)", xlim=(0, 1.12 * table["share"].max()))
    ax.grid(axis="y", visible=False)
    ax.legend(loc="lower right", fontsize=9)
    fig.set_label("memes with each label by split")
    return fig


def together(pairs: pd.DataFrame, split: str = "train") -> pd.DataFrame:
    """Memes of a split with two types: type, other, memes, share (of the memes with `type`).

    A type with itself gives the memes that have it.
    """
    flags = pairs.loc[pairs["split"] == split, list(TYPES)].to_numpy().clip(0)
    both = flags.T @ flags
    own = np.maximum(np.diag(both), 1)
    rows = [
        (TYPES[i], TYPES[j], int(both[i, j]), both[i, j] / own[i])
        for i in range(len(TYPES))
        for j in range(len(TYPES))
    ]
    return pd.DataFrame(rows, columns=["type", "other", "memes", "share"])


def draw_together(tables: dict[str, pd.DataFrame]) -> Figure:
    """One panel a split: how many memes with one type have another, share as shade."""
    fig, axes = figures.new(1, len(tables), size=(3.9 * len(tables), 3.7), squeeze=False)
    for ax, (split, table) in zip(axes[0], tables.items(), strict=True):
        _cells(ax, table)
        ax.set_title(split)
    axes[0, 0].set_ylabel("of the memes with …")
    fig.set_label("types that go together: memes, and share of the row's type")
    return fig


def _cells(ax: Axes, table: pd.DataFrame) -> None:
    """Write number and share into each cell of a square, shaded by the share."""
    share = table.pivot(index="type", columns="other", values="share").loc[list(TYPES), list(TYPES)]
    memes = table.pivot(index="type", columns="other", values="memes").loc[list(TYPES), list(TYPES)]
    ax.imshow(np.where(np.eye(len(TYPES)), np.nan, share), cmap="Blues", vmin=0, vmax=1)
    for i in range(len(TYPES)):
        for j in range(len(TYPES)):
            color = "white" if i != j and share.iloc[i, j] > 0.55 else figures.INK
            note = f"{memes.iloc[i, j]:,}" + (f"\n{share.iloc[i, j]:.0%}" if i != j else "")
            ax.text(j, i, note, ha="center", va="center", fontsize=8.5, color=color)
    ax.set_xticks(range(len(TYPES)), TYPES, rotation=30, ha="right")
    ax.set_yticks(range(len(TYPES)), TYPES)
    ax.grid(visible=False)


def lengths(pairs: pd.DataFrame) -> pd.DataFrame:
    """Words of each meme's transcription: id, split, words."""
    texts = pairs[TRANSCRIPTION if TRANSCRIPTION in pairs else "text"]
    return pd.DataFrame(
        {"id": pairs["id"], "split": pairs["split"], "words": texts.str.split().str.len()}
    )


def histogram(words: pd.DataFrame, width: int = 4, last: int = 60) -> pd.DataFrame:
    """Share of a split's memes by words: split, from, share; the last bin takes all longer ones."""
    edges = np.arange(0, last + width + 1, width)
    rows = []
    for split in [name for name in COLORS if (words["split"] == name).any()]:
        some = words.loc[words["split"] == split, "words"].clip(upper=last)
        share = np.histogram(some, edges)[0] / len(some)
        rows += [(split, int(a), float(s)) for a, s in zip(edges[:-1], share, strict=True)]
    return pd.DataFrame(rows, columns=["split", "from", "share"])


def draw_lengths(words: pd.DataFrame, bins: pd.DataFrame) -> Figure:
    """Histogram of words by split, each named with its median; `bins` is `histogram`'s."""
    fig, ax = figures.new(size=(6.4, 3.2))
    width = int(bins["from"].diff().max())
    for place, (split, part) in enumerate(bins.groupby("split", sort=False)):
        edges = [*part["from"], part["from"].max() + width]
        ax.stairs(part["share"], edges, color=COLORS[split], linewidth=1.8)
        median = words.loc[words["split"] == split, "words"].median()
        note = f"{split}: median {median:g} words"
        ax.text(0.98, 0.93 - 0.09 * place, note, color=COLORS[split], transform=ax.transAxes,
                ha="right", fontsize=9.5)  # fmt: skip
    ax.set(
        xlabel="words of a text (the last bin: and more)", ylabel="share of memes", ylim=(0, None)
    )
    ax.set_xlim(0, bins["from"].max() + width)
    fig.set_label("words of the memes' texts by split")
    return fig

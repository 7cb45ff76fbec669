"""Figures of features and scores: maps, separation, the loss's effect, label shift."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib import figures
from lib.memes.panels import percent

MAPS = {"tsne": "t-SNE", "pca": "PCA"}
BLOCKS = ("raw picture", "cooked picture", "raw text", "cooked text")
MEASURES = {"silhouette": "silhouette (mean)", "probe_auc": "linear probe, macro AUC"}
PARTS = {"gain": "gain at .5", "threshold": "from threshold", "ranking": "from ranking"}


def maps(table: pd.DataFrame, label: str) -> Figure:
    """t-SNE and PCA of raw and cooked features, test memes, coloured by a label.

    table: `separation` with the column `label` (0 or 1) of each row.
    """
    blocks = [name for name in BLOCKS if name in set(table["features"])]
    fig, axes = figures.new(2, len(blocks), (2.9 * len(blocks), 5.6), squeeze=False)
    looks = {0: (figures.FAINT, f"not {label}"), 1: (figures.PALETTE["orange"], label)}
    for row, (kind, title) in zip(axes, MAPS.items(), strict=True):
        for ax, name in zip(row, blocks, strict=True):
            part = table[table["features"] == name]
            for value, (color, text) in looks.items():
                mine = part[part[label] == value]
                ax.scatter(mine[f"{kind}_x"], mine[f"{kind}_y"], s=9, color=color, alpha=0.8,
                           linewidth=0, label=text)  # fmt: skip
            ax.set(title=f"{name}, {title}", xticks=[], yticks=[])
            ax.grid(visible=False)
    handles, texts = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, texts, loc="outside lower left", ncols=2, fontsize=9, markerscale=2)
    return fig


def separation(table: pd.DataFrame) -> Figure:
    """Silhouette and probe AUC of every feature block, with intervals.

    table: of `findings.separation.table`.
    """
    fig, axes = figures.new(1, 2, (8.6, 1.1 + 0.36 * len(table)), sharey=True)
    for ax, (measure, text) in zip(axes, MEASURES.items(), strict=True):
        names = {measure: "value", f"{measure}_low": "low", f"{measure}_high": "high"}
        figures.interval_dots(ax, table.rename(columns=names), "features")
        middle = 0 if measure == "silhouette" else 0.5
        ax.axvline(middle, color=figures.MUTED, linewidth=1, linestyle=(0, (3, 2)))
        ax.set(xlabel=text)
        ax.xaxis.set_major_locator(MaxNLocator(4))
    return fig


def regularisation(table: pd.DataFrame) -> Figure:
    """The released loss's gain over cross-entropy, and its two parts, a panel a ratio.

    table: of `findings.claims.decomposed`.
    """
    ratios = list(table["ratio"].unique())
    table = table.rename(columns={"difference": "value", "difference_low": "low",
                                  "difference_high": "high"})  # fmt: skip
    table = table.assign(row=table["system"] + ": " + table["part"].map(PARTS))
    size = (3.0 * len(ratios) + 1.6, 1.1 + 0.36 * table["row"].nunique())
    fig, axes = figures.new(1, len(ratios), size, squeeze=False, sharey=True, sharex=True)
    for ax, ratio in zip(axes[0], ratios, strict=True):
        figures.interval_dots(ax, table[table["ratio"] == ratio], "row")
        ax.axvline(0, color=figures.MUTED, linewidth=1)
        ax.set(title=percent(ratio), xlabel="task B, minus cross-entropy's")
    return fig


def middle(scores: dict[str, np.ndarray]) -> tuple[Figure, pd.DataFrame]:
    """Histogram of the probabilities on test memes by system; scores: name -> (any,) values.

    Returns the figure and the counts that it draws.
    """
    fig, ax = figures.new(size=(6.4, 3.2))
    edges, parts = np.linspace(0, 1, 41), []
    for (name, values), color in zip(scores.items(), figures.CYCLE, strict=False):
        share = np.histogram(values, edges)[0] / len(values)
        ax.stairs(share, edges, color=color, linewidth=1.8, label=name)
        parts.append(pd.DataFrame({"system": name, "from": edges[:-1], "share": share}))
    ax.axvline(0.5, color=figures.MUTED, linewidth=1)
    ax.set(xlabel="probability of a type, test memes", ylabel="share", xlim=(0, 1))
    ax.legend(fontsize=9)
    return fig, pd.concat(parts, ignore_index=True)


def link(table: pd.DataFrame) -> Figure:
    """The score that each loss asks for by the true chance of a label.

    table: columns loss, chance, score.
    """
    fig, ax = figures.new(size=(5.6, 3.6))
    figures.curves(ax, table, "chance", "score", "loss")
    ax.plot([0, 1], [0, 1], color=figures.FAINT, linewidth=1.2, zorder=1)
    ax.axhline(0.5, color=figures.MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
    ax.axvline(0.5, color=figures.MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
    ax.set(xlabel="true chance of the label", ylabel="best score", xlim=(0, 1), ylim=(0, 1))
    return fig


def shift(table: pd.DataFrame) -> Figure:
    """Prevalence of each type in validation, as estimated for the test set, and in it.

    table: of `findings.shift.priors`: label, and a column a kind of prevalence.
    """
    kinds = [name for name in table if name not in ("label", "test")]
    fig, ax = figures.new(size=(7.0, 3.0))
    x = np.arange(len(table))
    for place, (kind, color) in enumerate(zip(kinds, figures.CYCLE, strict=False)):
        at = x + 0.13 * (place - (len(kinds) - 1) / 2)
        ax.plot(at, table[kind], "o", color=color, label=kind)
    ax.hlines(table["test"], x - 0.38, x + 0.38, color=figures.INK, linewidth=1.6,
              label="in the test set")  # fmt: skip
    ax.set_xticks(x, table["label"])
    ax.set(ylabel="share of memes")
    ax.set_ylim(bottom=0)
    ax.grid(axis="x", visible=False)
    fig.legend(loc="outside lower left", ncols=len(kinds) + 1, fontsize=9)
    return fig

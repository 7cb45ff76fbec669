"""Figures of what systems look at: swaps, attention, similarity, robustness."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib import figures
from lib.fnd.panels import CLASS_COLORS, CLASSES, grid, legend_below


def changes(table: pd.DataFrame, words: str = "macro-F1 minus that of the unchanged") -> Figure:
    """Draw the change in macro-F1 by kind of change, a panel each, a row a system.

    table: of `findings.modality.swaps` or `.perturbations`.
    """
    kinds, titles = table["change"].unique(), table["title"].drop_duplicates().tolist()
    places = {title: len(titles) - 1 - i for i, title in enumerate(titles)}
    size = (2.75 if len(kinds) < 5 else 2.2, 1.1 + 0.25 * len(titles))
    fig, axes = grid(len(kinds), size, columns=5, sharex=True, sharey=True)
    for ax, kind in zip(axes, kinds, strict=True):
        part = table[table["change"] == kind]
        y = part["title"].map(places)
        hurt = (part["p_holm"] < 0.05) & (part["difference"] < 0)
        colors = np.where(hurt, figures.PALETTE["orange"], figures.PAPER)
        ax.hlines(y, part["difference_low"], part["difference_high"], color=colors, linewidth=2,
                  alpha=0.6)  # fmt: skip
        ax.scatter(part["difference"], y, color=colors, s=26, zorder=3)
        ax.axvline(0, color=figures.MUTED, linewidth=1)
        ax.set(title=kind, ylim=(-0.6, len(titles) - 0.4))
        ax.title.set_fontsize(10)
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="x", labelsize=8)
    axes[0].set_yticks(list(places.values()), list(places))
    fig.supxlabel(words, fontsize=10)
    legend_below(fig, [
        Line2D([], [], color=figures.PALETTE["orange"], marker="o", label="falls, p (Holm) < .05"),
        Line2D([], [], color=figures.PAPER, marker="o", label="not shown"),
    ])  # fmt: skip
    return fig


def attention(table: pd.DataFrame) -> Figure:
    """Draw mean attention weight of each modality by class, a panel a system.

    table: of `findings.modality.attention`.
    """
    table = table[table["what"] != "similarity"]
    systems, parts = table["system"].unique(), ("text", "image", "mixed")
    fig, axes = grid(len(systems), (3.5, 2.6), sharex=True, sharey=True)
    for ax, system in zip(axes, systems, strict=True):
        mine = table[table["system"] == system]
        for truth, shift in ((1, 0.13), (0, -0.13)):
            part = mine[mine["y_true"] == truth].set_index("what").reindex(parts)
            y, color = np.arange(3)[::-1] + shift, CLASS_COLORS[truth]
            ax.hlines(y, part["low"], part["high"], color=color, linewidth=2.2, alpha=0.5)
            ax.plot(part["value"], y, "o", color=color)
        ax.set_yticks(range(3), parts[::-1])
        ax.set(title=mine["title"].iloc[0], xlabel="mean attention weight", ylim=(-0.5, 2.5))
        ax.title.set_fontsize(10)
        ax.grid(axis="y", visible=False)
    legend_below(fig, _class_marks())
    return fig


def similarity(table: pd.DataFrame) -> Figure:
    """Draw the distribution of CLIP similarity by class, and by what was planted where known.

    table: of `findings.modality.similarities`.
    """
    known = (table["planted"] != "").any()
    fig, axes = grid(1 + known, (5.0, 3.3), sharex=True)
    span = table["similarity"].min(), table["similarity"].max()
    bins = np.linspace(*span, 31)
    for truth, part in table.groupby("y_true"):
        _steps(axes[0], part["similarity"], bins, CLASS_COLORS[truth], CLASSES[truth])
    axes[0].set_title("by class")
    if known:
        colors = (figures.PALETTE["green"], figures.PALETTE["orange"])
        for color, (name, part) in zip(colors, table.groupby("planted"), strict=False):
            _steps(axes[1], part["similarity"], bins, color, name)
        axes[1].set_title("by what was planted")
    for ax in axes:
        ax.set(xlabel="cosine of CLIP's text and image vectors", yticks=[])
        ax.legend(fontsize=8)
    axes[0].set_ylabel("articles (density)")
    return fig


def _steps(ax: object, values: pd.Series, bins: np.ndarray, color: str, label: str) -> None:
    ax.hist(values, bins, density=True, histtype="stepfilled", color=color, alpha=0.25)
    ax.hist(values, bins, density=True, histtype="step", color=color, linewidth=1.6, label=label)


def _class_marks() -> list[Line2D]:
    return [Line2D([], [], color=CLASS_COLORS[truth], marker="o", label=CLASSES[truth])
            for truth in (1, 0)]  # fmt: skip

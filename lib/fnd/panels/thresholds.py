"""Figures of thresholds and confidence: precision and recall, confusion, reliability."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib import figures
from lib.fnd.panels import CLASSES, COLORS, SHORT, grid

LINES = {"precision": figures.PALETTE["blue"], "recall": figures.PALETTE["orange"],
         "f1": figures.PALETTE["green"], "macro_f1": figures.PALETTE["black"]}  # fmt: skip
FEWEST = 10  # flagged articles below which a precision is not drawn
WORDS = {"precision": "precision", "recall": "recall", "f1": "fake-F1", "macro_f1": "macro-F1"}


def trade(table: pd.DataFrame, marks: dict[str, dict[str, float]]) -> Figure:
    """Draw precision, recall, fake-F1 and macro-F1 over the threshold, a panel a system.

    table: of `findings.slices.thresholds`; marks: system -> name of a threshold -> its value.
    """
    systems = table["system"].unique()
    fig, axes = grid(len(systems), (3.5, 3.4), sharey=True)
    for number, (ax, system) in enumerate(zip(axes, systems, strict=True)):
        part = table[table["system"] == system]
        ax.set_ylim(0, 1.02)
        for name, color in LINES.items():
            ax.plot(part["threshold"], _known(part, name), color=color, label=WORDS[name])
        named = sorted(marks.get(system, {}).items(), key=lambda mark: mark[1])
        for place, (name, value) in enumerate(named):  # the first is named on its left
            ax.axvline(value, color=figures.MUTED, linewidth=1, linestyle=":")
            left = place == 0 and len(named) > 1
            ax.annotate(name, (value, 1.0), xytext=(-3 if left else 3, 0), va="top", rotation=90,
                        textcoords="offset points", ha="right" if left else "left",
                        fontsize=7.5, color=figures.MUTED)  # fmt: skip
        ax.set(title=SHORT.get(system, part["title"].iloc[0]), xlabel="threshold", xlim=(0, 1))
        if number == 0:
            ax.legend(fontsize=8, loc="lower left")
    return fig


def _known(part: pd.DataFrame, name: str) -> pd.Series:
    """A metric over thresholds; precision only where enough articles are flagged to know it."""
    return part[name].mask((name == "precision") & (part["tp"] + part["fp"] < FEWEST))


def explorer(table: pd.DataFrame, threshold: float) -> Figure:
    """Draw one system at one threshold: its curves left, its confusion matrix right."""
    part = table.sort_values("threshold", ignore_index=True)
    fig, axes = figures.new(1, 2, (9.4, 3.6), width_ratios=[1.7, 1])
    axes[0].set_ylim(0, 1.02)
    for name, color in LINES.items():
        axes[0].plot(part["threshold"], _known(part, name), color=color, label=WORDS[name])
    at = part.iloc[(part["threshold"] - threshold).abs().argmin()]
    axes[0].axvline(threshold, color=figures.INK, linewidth=1.2)
    for name, color in LINES.items():
        if not np.isnan(at[name]):
            axes[0].plot(threshold, at[name], "o", color=color)
    axes[0].set(xlabel="threshold", title=str(part["title"].iloc[0]), xlim=(0, 1))
    axes[0].legend(fontsize=8, loc="lower left")
    matrix(axes[1], at[["tp", "fp", "fn", "tn"]].to_numpy(float), f"threshold {threshold:.2f}")
    return fig


def matrix(ax: Axes, cells: np.ndarray, title: str) -> None:
    """Draw a confusion matrix of tp, fp, fn, tn: truth down, answer across, share of each truth."""
    tp, fp, fn, tn = cells
    counts = np.array([[tp, fn], [fp, tn]])
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    ax.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1)
    ax.set_aspect("equal")
    ax.invert_yaxis()
    for row in range(2):
        for column in range(2):
            dark = shares[row, column] > 0.55
            text = f"{counts[row, column]:,.0f}\n{shares[row, column]:.0%}"
            ax.text(column + 0.5, row + 0.5, text, ha="center", va="center",
                    color="white" if dark else figures.INK)  # fmt: skip
    ax.set_xticks([0.5, 1.5], [CLASSES[1], CLASSES[0]])
    ax.set_yticks([0.5, 1.5], [CLASSES[1], CLASSES[0]])
    ax.set(xlabel="answer", ylabel="truth", title=title)
    ax.title.set_fontsize(10)
    ax.grid(visible=False)


def matrices(table: pd.DataFrame) -> Figure:
    """Draw the confusion matrix of each system.

    table: system, title, tp, fp, fn, tn (means over seeds), threshold (as text).
    """
    fig, axes = grid(len(table), (2.9, 3.0))
    for ax, row in zip(axes, table.to_dict("records"), strict=True):
        cells = np.array([row[name] for name in ("tp", "fp", "fn", "tn")])
        matrix(ax, cells, SHORT.get(row["system"], row["title"]))
    return fig


def reliability(table: pd.DataFrame) -> Figure:
    """Draw a reliability diagram a system; table: of `findings.slices.reliability`."""
    systems = table["system"].unique()
    fig, axes = grid(len(systems), (3.1, 3.3))
    for ax, system in zip(axes, systems, strict=True):
        part = table[table["system"] == system]
        title = f"{SHORT.get(system, part['title'].iloc[0])}, ECE {part['ece'].iloc[0]:.3f}"
        figures.reliability(ax, part, title, COLORS.get(system, figures.PALETTE["blue"]))
        for dots in ax.collections:
            dots.set_clip_on(False)  # a bin's dot may lie at the edge
        ax.set_xlabel("mean P(Likely)")
    axes[0].set_ylabel("share Likely")
    fig.get_layout_engine().set(h_pad=0.15)  # square axes leave too little room for titles
    return fig

"""Figures of slices: by category, outlet and planted factor, and by training size."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lib import figures
from lib.fnd.panels import COLORS, SHORT, grid, legend_below


def slices(table: pd.DataFrame, most: int = 12) -> Figure:
    """Draw macro-F1 of the main systems in each slice, the largest slices first.

    table: of `findings.slices.by_category` and its kin; grey ticks: always-Likely's macro-F1.
    """
    names = table["slice"].drop_duplicates().head(most).tolist()
    table = table[table["slice"].isin(names)]
    systems = table["system"].unique()
    shifts = dict(zip(systems, np.linspace(0.27, -0.27, len(systems)), strict=True))
    counts = table.groupby("slice")["articles"].first()
    share = table.groupby("slice")["prevalence"].first()
    fig, ax = figures.new(size=(8.8, 1.5 + 0.62 * len(names)))
    places = {name: len(names) - 1 - i for i, name in enumerate(names)}
    for system in systems:
        part = table[table["system"] == system]
        y, color = part["slice"].map(places) + shifts[system], COLORS[system]
        ax.hlines(y, part["macro_f1_low"], part["macro_f1_high"], color=color, linewidth=2,
                  alpha=0.45)  # fmt: skip
        ax.plot(part["macro_f1"], y, "o", color=color, markersize=4.5)
    y = np.array([places[name] for name in names])
    trivial = table.groupby("slice")["always_positive_f1"].first().loc[names] / 2
    ax.vlines(trivial, y - 0.35, y + 0.35, color=figures.PAPER, linewidth=1.3)
    labels = [f"{name} ({counts[name]:,}; {share[name]:.0%} Likely)" for name in names]
    ax.set_yticks(y, labels)
    ax.set(xlabel="macro-F1 on test, 95 % interval", ylim=(-0.6, len(names) - 0.4))
    ax.grid(axis="y", visible=False)
    titles = table.groupby("system")["title"].first()
    marks = [Line2D([], [], color=COLORS[s], marker="o", label=titles[s]) for s in systems]
    marks += [Line2D([], [], color=figures.PAPER, label="always Likely", linewidth=1.3)]
    legend_below(fig, marks)
    return fig


def learning(table: pd.DataFrame, ceiling: float = np.nan) -> Figure:
    """Draw macro-F1 over the share of training groups; table: of `findings.slices.learning`."""
    fig, ax = figures.new(size=(7.2, 4.2))
    room = table["high"].max() - table["low"].min()
    top = table["high"].max() if np.isnan(ceiling) else max(ceiling, table["high"].max())
    ax.set_ylim(table["low"].min() - 0.05 * room, top + 0.05 * room)
    ax.set_xscale("log")
    for system, part in table.groupby("system", sort=False):
        color = COLORS[system]
        ax.plot(part["share"], part["value"], marker="o", color=color, label=part["title"].iloc[0])
        ax.fill_between(part["share"], part["low"], part["high"], color=color, alpha=0.12,
                        linewidth=0)  # fmt: skip
    legend_below(fig, ax.get_legend_handles_labels()[0])
    if not np.isnan(ceiling):
        ax.axhline(ceiling, color=figures.MUTED, linewidth=1.2, linestyle="--")
        ax.annotate("ceiling", (table["share"].min(), ceiling), xytext=(2, 3),
                    textcoords="offset points", fontsize=8, color=figures.MUTED)  # fmt: skip
    shares = sorted(table["share"].unique())
    ax.set_xticks(shares, [f"{share:.0%}" for share in shares])
    ax.minorticks_off()
    ax.yaxis.set_major_locator(MaxNLocator(6))
    ax.set(xlabel="share of the training groups", ylabel="macro-F1 on test")
    return fig


def responses(table: pd.DataFrame) -> Figure:
    """Draw how well each system's score tells what was planted; `findings.planted.responses`."""
    factors, systems = table["meaning"].unique(), table["system"].unique()[::-1]
    fig, axes = grid(len(factors), (3.4, 1.2 + 0.32 * len(systems)), sharex=True, sharey=True)
    for ax, meaning in zip(axes, factors, strict=True):
        part = table[table["meaning"] == meaning].set_index("system").loc[systems]
        y = np.arange(len(systems))
        colors = [COLORS.get(system, figures.MUTED) for system in systems]
        ax.hlines(y, part["low"], part["high"], color=colors, linewidth=2.2, alpha=0.5)
        ax.scatter(part["value"], y, color=colors, s=36, zorder=3)
        ax.axvline(0.5, color=figures.MUTED, linewidth=1, linestyle=":")
        ax.set_yticks(y, [SHORT.get(s, t) for s, t in zip(systems, part["title"], strict=True)])
        ax.set(title=meaning, xlabel="AUC of the score for it", ylim=(-0.6, len(systems) - 0.4))
        ax.grid(axis="y", visible=False)
    return fig

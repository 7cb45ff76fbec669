"""Figures of the systems: the table drawn, gains over one modality, protocols, the fusions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lib import figures
from lib.fnd.findings import PROTOCOLS
from lib.fnd.panels import FAMILIES, FAMILY_COLORS, legend_below

PROTOCOL_COLORS = dict(
    zip(PROTOCOLS.values(), (figures.PALETTE["blue"], figures.PALETTE["orange"]), strict=True)
)


def overview(table: pd.DataFrame, ceiling: float = np.nan) -> Figure:
    """Draw macro-F1 and AUC of every system with intervals, coloured by family, best at the top.

    table: of `findings.systems.table`; ceiling: macro-F1 that nothing can exceed, NaN if unknown.
    """
    table = table.sort_values("macro_f1", kind="stable", ignore_index=True)
    height = 1.3 + 0.27 * len(table)
    fig, axes = figures.new(1, 2, (11.5, height), sharey=True, width_ratios=[1.25, 1])
    y = np.arange(len(table))
    colors = table["family"].map(FAMILY_COLORS)
    for ax, name, words in zip(axes, ("macro_f1", "auc"), ("macro-F1", "AUC"), strict=True):
        low, high = table[f"{name}_low"], table[f"{name}_high"]
        ax.hlines(y, low, high, color=colors, linewidth=2.2, alpha=0.5)
        ax.scatter(table[name], y, color=colors, s=34, zorder=3)
        ax.set(xlabel=f"{words} on test, 95 % interval", ylim=(-0.6, len(table) - 0.4))
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.grid(axis="y", visible=False)
    axes[0].set_yticks(y, table["title"])
    axes[1].axvline(0.5, color=figures.MUTED, linewidth=1, linestyle=":")
    if not np.isnan(ceiling):
        axes[0].axvline(ceiling, color=figures.MUTED, linewidth=1.2, linestyle="--")
        axes[0].annotate("ceiling", (ceiling, 0), xytext=(-4, 2), textcoords="offset points",
                         fontsize=8, color=figures.MUTED, rotation=90, ha="right")  # fmt: skip
    shown = [name for name in FAMILIES if name in set(table["family"])]
    legend_below(fig, [Line2D([], [], color=FAMILY_COLORS[name], marker="o", label=FAMILIES[name])
                       for name in shown])  # fmt: skip
    return fig


def differences(
    table: pd.DataFrame, label: str, words: str, color: str = figures.PALETTE["blue"]
) -> Figure:
    """Draw differences with intervals, a row each; right of zero is better.

    table: columns `label`, difference, difference_low, difference_high; words: of the axis.
    """
    drawn = table.rename(columns={"difference": "value", "difference_low": "low",
                                  "difference_high": "high"})  # fmt: skip
    fig, ax = figures.new(size=(8.6, 1.1 + 0.42 * len(drawn)))
    figures.interval_dots(ax, drawn, label, color=color, wrap=60)
    ax.axvline(0, color=figures.MUTED, linewidth=1)
    ax.set_xlabel(words)
    return fig


def claims(table: pd.DataFrame) -> Figure:
    """Draw every claim's difference, coloured by verdict; table: of `findings.claims.check`."""
    colors = {"holds": figures.PALETTE["green"], "contradicted": figures.PALETTE["orange"],
              "not shown": figures.PAPER}  # fmt: skip
    fig, ax = figures.new(size=(10.2, 1.5 + 0.36 * len(table)))
    y = np.arange(len(table))[::-1]
    drawn = table["verdict"].map(colors)
    ax.hlines(y, table["difference_low"], table["difference_high"], color=drawn, linewidth=2.2,
              alpha=0.6)  # fmt: skip
    ax.scatter(table["difference"], y, color=drawn, s=36, zorder=3)
    ax.axvline(0, color=figures.MUTED, linewidth=1)
    ax.set_yticks(y, table["source"] + ": " + table["claim"])
    ax.set(xlabel="difference in macro-F1, 95 % interval", ylim=(-0.6, len(table) - 0.4))
    ax.grid(axis="y", visible=False)
    shown = [name for name in colors if name in set(table["verdict"])]
    legend_below(fig, [Line2D([], [], color=colors[v], marker="o", label=v) for v in shown])
    return fig


def protocols(table: pd.DataFrame) -> Figure:
    """Draw AUC of each system in both protocols, joined by a line.

    table: of `findings.systems.protocols`. AUC, for the two test sets have other shares of Likely.
    """
    first = table[table["protocol"] == table["protocol"].iloc[0]]
    order = first.sort_values("auc", kind="stable")["title"].tolist()
    fig, ax = figures.new(size=(8.6, 1.6 + 0.36 * len(order)))
    places = {title: i for i, title in enumerate(order)}
    wide = table.pivot(index="title", columns="protocol", values="auc").loc[order]
    low, high = wide.min(axis=1), wide.max(axis=1)
    ax.hlines(range(len(order)), low, high, color=figures.FAINT, linewidth=4)
    shifts = np.linspace(-0.12, 0.12, table["protocol"].nunique())
    for shift, (name, part) in zip(shifts, table.groupby("protocol", sort=False), strict=True):
        y, color = part["title"].map(places) + shift, PROTOCOL_COLORS[name]
        ax.hlines(y, part["auc_low"], part["auc_high"], color=color, linewidth=2, alpha=0.4)
        ax.plot(part["auc"], y, "o", color=color, label=f"{name} ({part['articles'].iloc[0]:,})")
    ax.axvline(0.5, color=figures.MUTED, linewidth=1, linestyle=":")
    ax.set_yticks(range(len(order)), order)
    ax.set_xlabel("AUC on test, 95 % interval (articles)")
    ax.grid(axis="y", visible=False)
    legend_below(fig, ax.get_legend_handles_labels()[0])
    return fig


def fusions(table: pd.DataFrame) -> Figure:
    """Draw macro-F1 of the page's fusions with features as they are and normalised.

    table: of `findings.claims.reliability_of_fusions`; crosses: the worst seed.
    """
    names = table["fusion"].unique()
    fig, ax = figures.new(size=(7.6, 1.5 + 0.62 * len(names)))
    places = {name: len(names) - 1 - i for i, name in enumerate(names)}
    looks = {"as they are": (figures.PALETTE["sky"], 0.14),
             "normalised": (figures.PALETTE["blue"], -0.14)}  # fmt: skip
    for features, part in table.groupby("features", sort=False):
        color, shift = looks[features]
        y = part["fusion"].map(places) + shift
        ax.hlines(y, part["macro_f1_low"], part["macro_f1_high"], color=color, linewidth=2.4,
                  alpha=0.5)  # fmt: skip
        ax.plot(part["macro_f1"], y, "o", color=color, label=f"features {features}")
        ax.plot(part["worst_seed"], y, "x", color=color, markersize=6)
    ax.set_yticks(list(places.values()), list(places))
    ax.set(xlabel="macro-F1 on test, 95 % interval; ×: worst seed", ylim=(-0.6, len(names) - 0.4))
    ax.grid(axis="y", visible=False)
    legend_below(fig, ax.get_legend_handles_labels()[0])
    return fig

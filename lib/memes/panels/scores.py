"""Figures of scores: the benchmark, its curves, claims, thresholds, sweeps."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib import figures
from lib.memes.findings import UNTRAINED
from lib.memes.panels import MEASURES, mark, percent

PRINTED = {"task_b": "thesis_f1", "auc": "thesis_auc"}
DOTS = ("ours", "thesis")  # what dots and diamonds are


def benchmark(table: pd.DataFrame, trivial: dict[str, float]) -> Figure:
    """Tables 3 and 4 as dots: a row of panels a measure, a panel a ratio, grey: the thesis.

    table: of `findings.benchmark.paper_tables`; trivial: task B of what looks at nothing, by name.
    """
    ratios = list(table["ratio"].unique())
    size = (3.2 * len(ratios) + 1.3, 2 * (1.0 + 0.3 * table["system"].nunique()))
    fig, axes = figures.new(2, len(ratios), size, squeeze=False, sharey=True, sharex="row")
    for row, (measure, printed) in zip(axes, PRINTED.items(), strict=True):
        for ax, ratio in zip(row, ratios, strict=True):
            part = _dots(table[table["ratio"] == ratio], measure)
            untrained = part["remark"] == UNTRAINED
            part["system"] = part["system"].where(~untrained, part["system"] + " *")
            figures.interval_dots(ax, part, "system", printed)
            lines = {"chance": 0.5}
            if measure == "task_b":
                _crosses(ax, part)
                lines = trivial
            for name, value in lines.items():
                mark(ax, value, name)
            ax.set(title=percent(ratio), xlabel=MEASURES[measure])
            ax.set_ylim(top=len(part) + 0.1)
    handles, _ = axes[0][0].get_legend_handles_labels()
    note = "* from random weights, code path only;   × collapsed in some seed"
    fig.legend(handles, DOTS, loc="outside lower left", ncols=2, fontsize=9, title=note,
               title_fontsize=8, alignment="left")  # fmt: skip
    return fig


def _dots(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    names = {measure: "value", f"{measure}_low": "low", f"{measure}_high": "high"}
    return table.rename(columns=names)


def _crosses(ax: Axes, part: pd.DataFrame) -> None:
    """Mark the systems that collapsed."""
    y = np.arange(len(part))[::-1]
    gone = (part["collapse"] != "").to_numpy()
    ax.plot(part["value"][gone], y[gone], "x", color=figures.PALETTE["orange"], markersize=9,
            markeredgewidth=2)  # fmt: skip


def curves(table: pd.DataFrame, measure: str) -> Figure:
    """Figures 22 and 23: a validation score by epoch, a panel a ratio, a line a method.

    table: of `findings.benchmark.curves`; a band spans the seeds.
    """
    table = table[table["measure"] == measure]
    ratios = sorted(table["ratio"].unique(), reverse=True)
    fig, axes = figures.new(1, len(ratios), (4.6 * len(ratios), 3.6), squeeze=False, sharey=True)
    for ax, ratio in zip(axes[0], ratios, strict=True):
        part = table[table["ratio"] == ratio]
        figures.curves(ax, part, "epoch", "value", "label", band=True, gap=0.055)
        ax.set(title=percent(ratio), xlabel="epoch")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes[0][0].set_ylabel(f"{MEASURES[measure]}, validation")
    return fig


def claims(table: pd.DataFrame) -> Figure:
    """The paper's claims: differences in task B with intervals, a panel a ratio.

    table: of `findings.claims.check`; diamonds: what the thesis printed (one seed).
    """
    ratios = list(table["ratio"].unique())
    table = table.rename(columns={"difference": "value", "difference_low": "low",
                                  "difference_high": "high"})  # fmt: skip
    table = table.assign(row=table["claim"] + ": " + table["where"])
    size = (3.1 * len(ratios) + 1.6, 1.2 + 0.5 * table["row"].nunique())
    fig, axes = figures.new(1, len(ratios), size, squeeze=False, sharey=True, sharex=True)
    for ax, ratio in zip(axes[0], ratios, strict=True):
        part = table[table["ratio"] == ratio]
        printed = "printed" if part["printed"].notna().any() else None
        figures.interval_dots(ax, part, "row", printed, wrap=30)
        ax.axvline(0, color=figures.MUTED, linewidth=1)
        ax.set(title=percent(ratio), xlabel="task B, with minus without")
    handles, _ = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, DOTS[: len(handles)], loc="outside lower left", ncols=2, fontsize=9)
    return fig


def thresholds(table: pd.DataFrame, ratio: float, negative: float) -> Figure:
    """Task B at .5 (hollow) and at validation's thresholds (filled) of every system of a ratio.

    table: of `findings.benchmark.systems`; negative: task B of giving no label.
    """
    part = table[(table["ratio"] == ratio) & (table["kind"] != "trivial")]
    part = part[part["remark"] != UNTRAINED].sort_values("task_b_tuned", ascending=False)
    y = np.arange(len(part))[::-1]
    fig, ax = figures.new(size=(7.2, 1.1 + 0.24 * len(part)))
    ax.hlines(y, part["task_b_tuned_low"], part["task_b_tuned_high"], linewidth=2.2, alpha=0.45,
              color=figures.PALETTE["blue"])  # fmt: skip
    ax.hlines(y, part["task_b"], part["task_b_tuned"], color=figures.MUTED, linewidth=1)
    ax.plot(part["task_b"], y, "o", color=figures.PALETTE["orange"], markerfacecolor="white",
            markersize=6, label="at .5")  # fmt: skip
    ax.plot(part["task_b_tuned"], y, "o", color=figures.PALETTE["blue"], markersize=6,
            label="at validation's thresholds")  # fmt: skip
    gone = (part["collapse"] != "").to_numpy()
    ax.plot(part["task_b"][gone], y[gone], "x", color=figures.PALETTE["orange"], markersize=9,
            markeredgewidth=2, label="collapsed in some seed")  # fmt: skip
    ax.set_yticks(y, part["system"])
    ax.set_ylim(-0.6, len(part) + 0.3)
    mark(ax, negative, "all negative")
    ax.set(xlabel=MEASURES["task_b"], title=percent(ratio))
    fig.legend(loc="outside lower left", ncols=3, fontsize=9)
    return fig


def sweeps(table: pd.DataFrame) -> Figure:
    """Task B by the value of each gamma, a line a ratio with its interval.

    table: of `findings.benchmark.sweeps`.
    """
    kinds = list(table["gamma"].unique())
    fig, axes = figures.new(1, len(kinds), (4.4 * len(kinds), 3.2), squeeze=False, sharey=True)
    for ax, kind in zip(axes[0], kinds, strict=True):
        part = table[table["gamma"] == kind]
        part = part.rename(columns={"task_b_low": "low", "task_b_high": "high"})
        part = part.assign(by=part["ratio"].map(percent))
        figures.curves(ax, part, "value", "task_b", "by", band=True, gap=0.065)
        ax.set(title=kind, xlabel="value", xticks=sorted(part["value"].unique()))
    axes[0][0].set_ylabel(MEASURES["task_b"])
    return fig


def draws(table: pd.DataFrame) -> Figure:
    """Task B of the ablation on several draws of the labelled rows, a panel a ratio.

    table: of `findings.benchmark.other_draws`.
    """
    ratios = list(table["ratio"].unique())
    fig, axes = figures.new(1, len(ratios), (3.4 * len(ratios) + 1.2, 2.7), squeeze=False,
                            sharey=True)  # fmt: skip
    names = list(table["system"].unique())[::-1]
    for ax, ratio in zip(axes[0], ratios, strict=True):
        part = table[table["ratio"] == ratio]
        seeds = sorted(part["draw"].unique())
        for place, draw in enumerate(seeds):
            rows = part[part["draw"] == draw]
            y = rows["system"].map(names.index) + 0.2 * (place - (len(seeds) - 1) / 2)
            color = figures.CYCLE[place]
            ax.hlines(y, rows["task_b_low"], rows["task_b_high"], color=color, alpha=0.5,
                      linewidth=2)  # fmt: skip
            ax.plot(rows["task_b"], y, "o", color=color, markersize=5, label=f"draw {draw}")
        ax.set(title=percent(ratio), xlabel=MEASURES["task_b"])
        ax.set_yticks(range(len(names)), names)
        ax.grid(axis="y", visible=False)
    handles, labels = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower left", ncols=len(labels), fontsize=9)
    return fig

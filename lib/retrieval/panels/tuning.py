"""Figures of the 2022 study: systems, alpha, frontier, time, persons and scenes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lib import figures
from lib.retrieval.findings import CRITERIA, FINE_TUNED, WISE_FT, ZERO_SHOT, label
from lib.retrieval.findings.tuning import MAIN
from lib.retrieval.panels import COLORS, MARKS, aligned, grid, legend_below, room

RUG = {CRITERIA[0]: ("v", 0.045, "chosen by Recall@1"), CRITERIA[1]: ("o", 0.11, "chosen by MRR")}


def overview(table: pd.DataFrame) -> Figure:
    """MRR of every system on each source's test set, the paper's values in grey.

    table: of `findings.tuning.table_2022`.
    """
    queries = table.groupby("set")["queries"].first()
    table = table.rename(columns={"MRR": "value", "MRR_low": "low", "MRR_high": "high"})
    parts = aligned(table, "system", "set")
    rows = table["system"].nunique()
    fig, axes = grid(len(parts), (3.6, 1.3 + 0.33 * rows), sharey=True)
    for ax, (name, part) in zip(axes, parts.items(), strict=True):
        has_paper = part["MRR paper"].notna().any()
        figures.interval_dots(ax, part, "system", "MRR paper" if has_paper else None)
        ax.set(title=f"{name} ({queries[name]} queries)", xlabel="MRR@100")
        ax.set_xlim(left=0)
    if table["MRR paper"].notna().any():
        axes[-1].legend(fontsize=8, loc="upper right")
    return fig


def alpha_curves(curve: pd.DataFrame, selections: pd.DataFrame) -> Figure:
    """MRR along alpha, one panel a source; marks below: what validation chose, a mark a seed.

    curve: of `findings.tuning.alpha_curve`; selections: those of the study.
    """
    sources = curve["tuned"].unique()
    fig, axes = grid(len(sources), (4.6, 4.0))
    for ax, name in zip(axes, sources, strict=True):
        part = curve[curve["tuned"] == name]
        low, high = room(part["low"], part["high"])
        ax.set_ylim(low - 0.16 * (high - low), high)  # room for the marks, before the names
        figures.curves(ax, part, "alpha", "value", "where", band=True, gap=0.055)
        _rug(ax, selections[selections["tuned"] == name])
        ax.set(title=name, xlabel="α (0 zero-shot, 1 fine-tuned)", xlim=(-0.03, 1.03))
    axes[0].set_ylabel("MRR@100")
    axes[0].legend(fontsize=8, loc="upper left")
    return fig


def _rug(ax: Axes, selections: pd.DataFrame) -> None:
    """One mark a seed and criterion at the alpha chosen; equal ones stand beside each other."""
    picks = selections[(selections["system"] == WISE_FT) & selections["alpha"].notna()]
    for criterion, (mark, height, name) in RUG.items():
        alpha = picks.loc[picks["criterion"] == criterion, "alpha"].sort_values()
        if len(alpha):
            beside = (
                alpha.groupby(alpha).cumcount() - (alpha.groupby(alpha).transform("size") - 1) / 2
            )
            ax.plot(alpha + 0.022 * beside, np.full(len(alpha), height), mark, color=figures.MUTED,
                    transform=ax.get_xaxis_transform(), markersize=4.5, label=name)  # fmt: skip


def frontier(table: pd.DataFrame) -> Figure:
    """Score on the source against the mean of the other sets: the way of alpha, and the variants.

    table: of `findings.tuning.frontier`.
    """
    sources = table["tuned"].unique()
    fig, axes = grid(len(sources), (4.3, 4.2))
    for ax, name in zip(axes, sources, strict=True):
        part = table[table["tuned"] == name]
        _way(ax, part[part["alpha"].notna()].sort_values("alpha"))
        for row in part[part["alpha"].isna()].itertuples():
            color = COLORS[row.system]
            ax.hlines(row.target, row.others_low, row.others_high, color=color, alpha=0.3)
            ax.vlines(row.others, row.target_low, row.target_high, color=color, alpha=0.3)
            ax.plot(row.others, row.target, MARKS[row.system], color=color, markersize=8,
                    markeredgecolor="white", zorder=5)  # fmt: skip
        ax.set(title=f"tuned on {name}", xlabel="MRR@100, mean of the other sets")
        ax.margins(0.12)
        ax.xaxis.set_major_locator(MaxNLocator(5))
    axes[0].set_ylabel("MRR@100 on the source itself")
    variants = [s for s in MARKS if s in set(table.loc[table["alpha"].isna(), "system"])]
    handles = [Line2D([], [], color=COLORS[WISE_FT], marker="o", label="WiSE-FT, 0 ≤ α ≤ 1")]
    handles += [Line2D([], [], color=COLORS[s], marker=MARKS[s], linestyle="", markersize=8,
                       label=label(s)) for s in variants]  # fmt: skip
    legend_below(fig, handles)
    return fig


def _way(ax: Axes, way: pd.DataFrame) -> None:
    """WiSE-FT along alpha; the ends are named."""
    color = COLORS[WISE_FT]
    ax.plot(way["others"], way["target"], "-", color=color, alpha=0.7)
    ax.plot(way["others"], way["target"], "o", color=color, markersize=4)
    for end, system, shift in (
        (way.iloc[0], ZERO_SHOT, (4, -12)),
        (way.iloc[-1], FINE_TUNED, (4, 6)),
    ):
        ax.plot(end["others"], end["target"], "o", color=COLORS[system], markersize=8, zorder=4)
        ax.annotate(label(system), (end["others"], end["target"]), xytext=shift,
                    textcoords="offset points", fontsize=8.5, color=COLORS[system])  # fmt: skip


def both_ends(table: pd.DataFrame) -> Figure:
    """MRR minus that of the better end, by set: right of zero beats zero-shot and fine-tuned.

    table: of `findings.tuning.against_ends`.
    """
    sources, systems = table["tuned"].unique(), table["system"].unique()
    rows = table.groupby("tuned")["set"].nunique().max()
    fig, axes = grid(len(sources), (4.2, 1.2 + 0.62 * rows), sharex=True)
    shifts = np.linspace(0.3, -0.3, len(systems))
    for ax, source in zip(axes, sources, strict=True):
        part = table[table["tuned"] == source]
        sets = part["set"].unique()
        places = dict(zip(sets, np.arange(len(sets))[::-1], strict=True))
        for system, shift in zip(systems, shifts, strict=True):
            mine = part[part["system"] == system]
            y = mine["set"].map(places) + shift
            ax.hlines(y, mine["minus_both_low"], mine["minus_both_high"], color=COLORS[system],
                      linewidth=2, alpha=0.5)  # fmt: skip
            mark = MARKS.get(system, "o")
            ax.plot(mine["minus_both"], y, mark, color=COLORS[system], markersize=5)
        ax.axvline(0, color=figures.MUTED, linewidth=1)
        ax.set_yticks(
            list(places.values()), [f"{s} (itself)" if s == source else s for s in places]
        )
        ax.set(title=f"tuned on {source}", xlabel="MRR minus the better end's")
        ax.set_ylim(-0.6, len(sets) - 0.4)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.grid(axis="y", visible=False)
    handles = [Line2D([], [], color=COLORS[s], marker=MARKS.get(s, "o"), label=label(s))
               for s in systems]  # fmt: skip
    legend_below(fig, handles)
    return fig


def by_time(table: pd.DataFrame) -> Figure:
    """MRR by days after the last training pair; table: of `findings.slices.by_time`."""
    sources = table["tuned"].unique()
    fig, axes = grid(len(sources), (4.6, 3.9))
    for ax, name in zip(axes, sources, strict=True):
        part = table[table["tuned"] == name]
        ax.set_ylim(*room(part["low"], part["high"]))
        for system in MAIN:
            rows, color = part[part["system"] == system], COLORS[system]
            ax.plot(rows["days"], rows["value"], marker="o", color=color, label=label(system))
            ax.fill_between(rows["days"], rows["low"], rows["high"], color=color, alpha=0.12,
                            linewidth=0)  # fmt: skip
        each = part.drop_duplicates("days")["queries"]
        ax.set(
            title=name, xlabel=f"days after the last training pair ({_span(each)} queries a bin)"
        )
    axes[0].set_ylabel("MRR@100")
    handles, names = axes[0].get_legend_handles_labels()
    legend_below(fig, handles, names)
    return fig


def _span(counts: pd.Series) -> str:
    low, high = counts.min(), counts.max()
    return f"{low}" if low == high else f"{low} to {high}"


def kinds(table: pd.DataFrame) -> Figure:
    """MRR of the three systems on persons and on scenes; table: of `findings.slices.by_kind`."""
    sources, found = table["tuned"].unique(), sorted(table["kind"].unique())
    fig, axes = grid(len(sources), (3.8, 2.7), sharey=True)
    shifts = dict(zip(found, np.linspace(0.13, -0.13, len(found)), strict=True))
    colors = dict(
        zip(found, [figures.PALETTE[c] for c in ("purple", "green", "amber")], strict=False)
    )
    for ax, name in zip(axes, sources, strict=True):
        counts = []
        for kind, part in table[table["tuned"] == name].groupby("kind"):
            y = part["system"].map({s: 2 - i for i, s in enumerate(MAIN)}) + shifts[kind]
            ax.hlines(y, part["low"], part["high"], color=colors[kind], linewidth=2.2, alpha=0.5)
            ax.plot(part["value"], y, "o", color=colors[kind], label=f"{kind}s")
            counts.append(f"{part['queries'].iloc[0]} {kind}s")
        ax.set_yticks([2, 1, 0], [label(system) for system in MAIN])
        ax.set(title=name, xlabel=f"MRR@100 ({', '.join(counts)})", ylim=(-0.6, 2.6))
        ax.set_xlim(left=0)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.grid(axis="y", visible=False)
    handles, names = axes[0].get_legend_handles_labels()
    legend_below(fig, handles, names)
    return fig


def gains(table: pd.DataFrame, order: Sequence[str]) -> Figure:
    """MRR gained over zero-shot by what ties title and picture, a row a tie.

    table: of `findings.slices.by_kind`; order: ties from the first row on.
    """
    sources = table["tuned"].unique()
    order = [tie for tie in order if tie in set(table["kind"])]
    fig, axes = grid(len(sources), (3.8, 1.2 + 0.4 * len(order)), sharey=True, sharex=True)
    places = {tie: len(order) - 1 - i for i, tie in enumerate(order)}
    for ax, name in zip(axes, sources, strict=True):
        for system, shift in ((FINE_TUNED, 0.13), (WISE_FT, -0.13)):
            part = table[(table["tuned"] == name) & (table["system"] == system)]
            y, color = part["kind"].map(places) + shift, COLORS[system]
            ax.hlines(y, part["gain_low"], part["gain_high"], color=color, linewidth=2.2, alpha=0.5)
            ax.plot(part["gain"], y, "o", color=color, label=label(system))
        ax.axvline(0, color=figures.MUTED, linewidth=1)
        ax.set_yticks(list(places.values()), list(places))
        ax.set(title=name, xlabel="MRR minus zero-shot's", ylim=(-0.6, len(order) - 0.4))
        ax.grid(axis="y", visible=False)
    handles, names = axes[0].get_legend_handles_labels()
    legend_below(fig, handles, names)
    return fig

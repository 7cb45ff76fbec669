"""Figures of the 2023 study: the runs, the paraphrase, hubness and its corrections."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lib import figures
from lib.retrieval.findings import label
from lib.retrieval.findings.ranking import sets_2023
from lib.retrieval.hubs import METHODS
from lib.retrieval.panels import aligned, grid, legend_below, room
from lib.tables import number

COLORS = dict(zip([name for name in METHODS if name != "plain"],
                  [figures.PALETTE[c] for c in ("blue", "orange", "green", "purple", "amber")],
                  strict=True))  # fmt: skip
BANKS = {"transductive": "-", "inductive": (0, (3, 1.5))}
NO_TEMPERATURE = "none"


def runs(table: pd.DataFrame) -> Figure:
    """MRR of the five runs on each set, the paper's values in grey.

    table: of `findings.ranking.table_2023`.
    """
    queries = table.groupby("set")["queries"].first()
    table = table.rename(columns={"MRR": "value", "MRR_low": "low", "MRR_high": "high"})
    parts = aligned(table, "run", "set")
    rows = table["run"].nunique()
    fig, axes = grid(len(parts), (3.3, 1.3 + 0.33 * rows), columns=4, sharey=True)
    for ax, (name, part) in zip(axes, parts.items(), strict=True):
        has_paper = part["MRR paper"].notna().any()
        figures.interval_dots(ax, part, "run", "MRR paper" if has_paper else None)
        ax.set(title=f"{name} ({queries[name]:,} queries)", xlabel="MRR@100")
        ax.set_xlim(left=0)
    if table["MRR paper"].notna().any():
        handles, names = axes[0].get_legend_handles_labels()
        legend_below(fig, handles, names)
    return fig


def aggregation(table: pd.DataFrame) -> Figure:
    """What the paraphrase adds to the title, MRR difference by way of joining.

    table: of `findings.ranking.aggregation`; one panel a set, one row a system and way.
    """
    table = table[table["aggregation"] != "title"]
    names = table["aggregation"].str.replace("_", " ")
    table = table.assign(row=names + ", " + table["system"].map(label) + " " + table["encoder"])
    table = table.rename(columns={"difference": "value", "difference_low": "low",
                                  "difference_high": "high"})  # fmt: skip
    parts = aligned(table, "row", "set")
    size = (3.2, 1.2 + 0.34 * table["row"].nunique())
    fig, axes = grid(len(parts), size, columns=4, sharey=True, sharex=True)
    for ax, (name, part) in zip(axes, parts.items(), strict=True):
        figures.interval_dots(ax, part, "row")
        ax.axvline(0, color=figures.MUTED, linewidth=1)
        ax.set(title=name, xlabel="MRR minus the title's alone")
        ax.xaxis.set_major_locator(MaxNLocator(4))
    return fig


def corrections(table: pd.DataFrame, measure: str = "difference") -> Figure:
    """MRR difference (with limits) or skewness by temperature, method (colour), bank (dashes).

    table: of `findings.ranking.corrections`, one system; methods without a temperature stand at
    the right; the grey line is plain cosine.
    """
    sets = sets_2023(table)
    heats = sorted(table["temperature"].dropna().unique(), reverse=True)
    places = {heat: i for i, heat in enumerate(heats)}
    fig, axes = grid(len(sets), (4.0, 3.2))
    for ax, name in zip(axes, sets, strict=True):
        part = table[table["set"] == name]
        plain = part[part["method"] == "plain"].iloc[0]
        ax.axhline(
            0 if measure == "difference" else plain[measure], color=figures.MUTED, linewidth=1.3
        )
        for (method, bank), rows in part[part["method"] != "plain"].groupby(["method", "bank"]):
            _line(ax, rows, measure, places, method, bank)
        ax.set_xticks(range(len(heats) + 1), [f"{heat:g}" for heat in heats] + [NO_TEMPERATURE])
        ax.set_xlim(-0.3, len(heats) + 0.4)
        ax.set(title=name, xlabel="temperature")
    for ax in axes[::3]:
        ax.set_ylabel("MRR minus cosine's" if measure == "difference" else measure)
    handles = [Line2D([], [], color=color, label=METHODS[m].label) for m, color in COLORS.items()
               if m in set(table["method"])]  # fmt: skip
    handles += [Line2D([], [], color=figures.MUTED, linewidth=1.3, label="cosine")]
    handles += [Line2D([], [], color=figures.INK, linestyle=dash, label=bank)
                for bank, dash in BANKS.items()]  # fmt: skip
    legend_below(fig, handles)
    return fig


def _line(
    ax: Axes, rows: pd.DataFrame, measure: str, places: dict[float, int], method: str, bank: str
) -> None:
    """One method with one bank: a line over temperatures, or a mark where it has none."""
    color, solid = COLORS[method], bank == "transductive"
    if rows["temperature"].isna().all():
        shift = 0.12 * (list(COLORS).index(method) - 2.5) + (0 if solid else 0.06)
        x, y = len(places) + shift, rows[measure].iloc[0]
        fill = color if solid else "white"
        ax.plot(x, y, "o", color=color, markerfacecolor=fill, markersize=5)
    else:
        rows = rows.sort_values("temperature", ascending=False)
        x = rows["temperature"].map(places)
        ax.plot(x, rows[measure], color=color, linestyle=BANKS[bank], marker="o", markersize=3)
    if measure == "difference" and solid and rows["temperature"].notna().all():
        low, high = rows["difference_low"], rows["difference_high"]
        ax.fill_between(x, low, high, color=color, alpha=0.1, linewidth=0)


def occurrence(table: pd.DataFrame) -> Figure:
    """Share of images that k or more queries have among their first ten, before and after.

    table: of `findings.ranking.occurrence`. Without hubs the curve would drop just after 10.
    """
    sets = sets_2023(table)
    fig, axes = grid(len(sets), (4.0, 3.1))
    colors = (figures.PALETTE["orange"], figures.PALETTE["blue"])
    for ax, name in zip(axes, sets, strict=True):
        part = table[(table["set"] == name) & (table["share"] > 0)]
        for (ranking, rows), color in zip(
            part.groupby("ranking", sort=False), colors, strict=False
        ):
            skew = rows["skewness"].iloc[0]
            ax.step(rows["k"], rows["share"], where="post", color=color,
                    label=f"{ranking}: skewness {number(skew)}")  # fmt: skip
        ax.set_yscale("log")
        ax.axvline(10, color=figures.FAINT, linewidth=1.2, zorder=1)
        ax.set(title=name, xlabel="k: queries that have the image among their first ten")
        ax.legend(fontsize=8, loc="upper right")
        low, _ = room(np.log10(part["share"]), np.log10(part["share"]))
        ax.set_ylim(10**low, 4)
    for ax in axes[::3]:
        ax.set_ylabel("share of images")
    return fig

"""The data card as a figure of six panels, drawn again from its saved numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from lib import figures
from lib.data.card import SPLIT_NAMES, UNLABELLED
from lib.data.images import load_rgb
from lib.schema import SPLITS

SPLIT_COLORS = {
    "train": figures.PALETTE["blue"],
    "validation": figures.PALETTE["amber"],
    "test": figures.PALETTE["orange"],
    "": figures.MUTED,
}
TOP_LABELS = 14
TOP_SOURCES = 8
TOP_OUTLETS = 14
COMMON = 0.05  # share of the pictures that a size needs to be named
SHOWN_TEXT = 60  # characters
TEXT_COLUMNS = (  # what people wrote
    "text", "original", "snippet", "headline", "body", "image_description", "english"
)  # fmt: skip


def draw_card(card: Mapping[str, Any]) -> Figure:
    """The card as a figure of six panels, drawn from the saved numbers alone."""
    fig, axes = figures.new(2, 3, size=(12.5, 7.4), width_ratios=(1.25, 1, 1))
    fig.get_layout_engine().set(h_pad=0.12, w_pad=0.1, hspace=0.05)
    with figures.style():
        _draw_labels(axes[0, 0], card["kind"], pd.DataFrame(card["labels"]), bool(card["slices"]))
        _draw_words(axes[0, 1], card["words"], card["empty_texts"])
        _draw_sizes(axes[0, 2], pd.DataFrame(card["sizes"]))
        if card["slices"]:
            _draw_outlets(axes[1, 0], pd.DataFrame(card["slices"]), card["articles"]["positive"])
        elif any(row["first"] for row in card["spans"]):
            _draw_spans(axes[1, 0], pd.DataFrame(card["spans"]))
        else:
            _draw_splits(axes[1, 0], card["splits"])
        _draw_groups(axes[1, 1], card["group_sizes"])
        _draw_drops(axes[1, 2], card["drops"])
    fig.set_label(f"data card of {card['dataset']}")
    if card["sample"]:
        figures.stamp(fig)
    return fig


def contact_sheet(posts: pd.DataFrame, root: Path, visible: bool, by_group: bool = False) -> Figure:
    """Pictures of some rows of a pairs table, each over the start of its text; no picture, no cell.

    visible: False blurs the pictures and leaves the texts out. by_group: one frame colour a group.
    """
    posts = posts[posts["image"] != ""]
    if posts.empty:
        return _no_pictures()
    pictures = [load_rgb(root / image) for image in posts["image"]]
    font = get_font(findfont(figures.RC["font.family"]))  # it has letters, but few emoji
    texts = ["".join(c for c in text if font.get_char_index(ord(c))) for text in posts["text"]]
    texts = [text[:SHOWN_TEXT] if visible else "" for text in texts]
    groups = posts["group"].unique().tolist()
    frames = [figures.CYCLE[groups.index(g) % 7] for g in posts["group"]] if by_group else None
    return figures.contact_sheet(pictures, texts, 6, visible, frames)


def _no_pictures() -> Figure:
    fig, ax = figures.new(size=(6.4, 1.0))
    ax.set_axis_off()
    ax.text(0, 0.5, "None of these posts has a picture.", color=figures.MUTED, va="center")
    return fig


def preview(pairs: pd.DataFrame, visible: bool, rows: int = 6) -> pd.DataFrame:
    """The first rows of a pairs table, narrow enough to print; texts are hidden unless visible."""
    texts = [column for column in TEXT_COLUMNS if column in pairs.columns]
    shown = pairs if visible else pairs.assign(**dict.fromkeys(texts, "(not shown)"))
    shown = shown.drop(columns=["lang", "split", "date", "headline", "phash"], errors="ignore")
    return shown.head(rows)


def _draw_labels(ax: Axes, kind: str, labels: pd.DataFrame, legend: bool) -> None:
    """Stacked bars by split, frequent labels first; the rest in one bar, the unjudged apart."""
    wide = labels.pivot_table(index="label", columns="split", values="count", fill_value=0)
    unlabelled = int(wide.loc[UNLABELLED].sum()) if UNLABELLED in wide.index else 0
    wide = wide.drop(index=UNLABELLED, errors="ignore")
    order = wide.sum(axis=1).sort_values(ascending=False, kind="stable").index
    top, rest = wide.loc[order[:TOP_LABELS]], wide.loc[order[TOP_LABELS:]]
    if len(rest):
        top.loc[f"{len(rest)} more"] = rest.sum()
    top, left = top.iloc[::-1], np.zeros(len(top))
    for split in (s for s in SPLITS if s in top.columns):
        name, color = SPLIT_NAMES.get(split, split), SPLIT_COLORS[split]
        ax.barh(top.index.map(_label_name), top[split], left=left, color=color, label=name)
        left += top[split].to_numpy()
    ax.set(title=kind.capitalize(), xlabel="posts")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(axis="y", visible=False)
    if legend:  # no other panel names the colours
        ax.legend(loc="lower left", bbox_to_anchor=(0, -0.3), ncols=3, fontsize=8.5)
    if top.empty:
        _nothing(ax, f"{unlabelled:,} posts, {UNLABELLED}")
    elif unlabelled:
        note = f"{unlabelled:,} posts\n{UNLABELLED}"
        ax.text(0.97, 0.05, note, transform=ax.transAxes, color=figures.MUTED, ha="right")


def _draw_words(ax: Axes, words: Mapping[str, list], empty: int) -> None:
    edges, counts = np.array(words["edges"]), np.array(words["counts"])
    ax.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=figures.PALETTE["green"],
           edgecolor="white", linewidth=0.6)  # fmt: skip
    ax.axvline(words["median"], color=figures.INK, linewidth=1)
    ax.annotate(f"median {words['median']:g}", (words["median"], 1), xytext=(4, -2),
                xycoords=("data", "axes fraction"), textcoords="offset points", va="top",
                fontsize=8.5)  # fmt: skip
    note = f"{empty:,} empty" + (f", longest {words['longest']:,}" if words["longest"] else "")
    ax.set(title="Words in a text", xlabel=f"words ({note})", ylabel="posts")
    ax.grid(axis="x", visible=False)


def _draw_sizes(ax: Axes, sizes: pd.DataFrame) -> None:
    """One bubble a picture size, its area by the number of pictures.

    Bubbles are pixels inside the SVG too: real pictures come in thousands of sizes, and a path each
    would make a page of a megabyte.
    """
    ax.set(title="Picture sizes", xlabel="width, pixels", ylabel="height, pixels")
    if sizes.empty:
        return _nothing(ax)
    area = 14 + 900 * sizes["count"] / sizes["count"].sum()
    ax.scatter(sizes["width"], sizes["height"], s=area, color=figures.PALETTE["purple"],
               alpha=0.55, linewidth=0, rasterized=True)  # fmt: skip
    top = 1.12 * max(sizes["width"].max(), sizes["height"].max())
    ax.plot([0, top], [0, top], color=figures.FAINT, linewidth=1, zorder=0)
    ax.set(xlim=(0, top), ylim=(0, top), aspect="equal")
    common = sizes.loc[sizes["count"].idxmax()]
    share = common["count"] / sizes["count"].sum()
    if share < COMMON:
        note = f"{len(sizes):,} sizes"
        ax.text(0.97, 0.05, note, transform=ax.transAxes, ha="right", fontsize=8.5)
        return None
    note = f"{common['width']} × {common['height']}: {share:.0%}"
    ax.annotate(note, (common["width"], common["height"]), xytext=(-12, -16),
                textcoords="offset points", ha="right", va="top", fontsize=8.5)  # fmt: skip


def _draw_splits(ax: Axes, splits: Mapping[str, int]) -> None:
    names = list(splits)[::-1]
    values = [splits[name] for name in names]
    bars = ax.barh([SPLIT_NAMES.get(name, name) for name in names], values, height=0.62,
                   color=[SPLIT_COLORS[name] for name in names])  # fmt: skip
    total = max(sum(values), 1)
    ax.bar_label(bars, [f" {v:,} ({v / total:.0%})" for v in values], fontsize=8.5)
    ax.set(
        title="Splits (colours as above)", xlabel="posts", xlim=(0, 1.3 * max(values, default=1))
    )
    ax.grid(axis="y", visible=False)


def _draw_spans(ax: Axes, spans: pd.DataFrame) -> None:
    """One row a source, the largest above: each split as a bar from its first day to its last.

    Bars of one source stand below each other, as splits may overlap: a group is never cut.
    """
    sizes = spans.groupby("source")["posts"].sum().sort_values(ascending=False, kind="stable")
    shown = sizes.index[:TOP_SOURCES].tolist()
    lanes = [split for split in SPLITS if (spans["split"] == split).any()]
    height = 0.6 / len(lanes)
    for y, source in enumerate(shown[::-1]):
        rows = spans[spans["source"] == source]
        for row in rows[rows["first"] != ""].itertuples():
            first, last = mdates.datestr2num([row.first, row.last])
            place = y + height * ((len(lanes) - 1) / 2 - lanes.index(row.split))
            ax.barh(place, last + 1 - first, left=first, height=height,
                    color=SPLIT_COLORS[row.split], edgecolor="white", linewidth=0.6)  # fmt: skip
        if (rows["first"] == "").all():
            ax.text(0.02, y, "no dates: by row", transform=ax.get_yaxis_transform(), va="center",
                    color=figures.MUTED, fontsize=8.5)  # fmt: skip
    rest = f" ({len(sizes) - len(shown)} more)" if len(sizes) > len(shown) else ""
    ax.set(title=f"Splits in time (colours as above){rest}", yticks=range(len(shown)),
           yticklabels=shown[::-1], ylim=(-0.6, len(shown) - 0.4))  # fmt: skip
    ax.xaxis.set_major_locator(locator := mdates.AutoDateLocator(minticks=3, maxticks=6))
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    ax.grid(axis="y", visible=False)


def _draw_outlets(ax: Axes, slices: pd.DataFrame, positive: Mapping[str, Any]) -> None:
    """Share of label 1 of the largest outlets, the highest above, with its interval."""
    rows = slices[slices["by"] == "outlet"]
    shown = rows.head(TOP_OUTLETS).sort_values("share", kind="stable")
    for y, row in enumerate(shown.itertuples()):
        ax.plot([row.low, row.high], [y, y], color=figures.PALETTE["blue"], linewidth=1.4)
        ax.plot(row.share, y, "o", color=figures.PALETTE["blue"], markersize=4)
    ax.axvline(positive["share"], color=figures.MUTED, linewidth=1, linestyle="--")
    ax.annotate(f"all {positive['share']:.0%}", (positive["share"], 1), xytext=(3, -1),
                xycoords=("data", "axes fraction"), textcoords="offset points", va="top",
                fontsize=8, color=figures.MUTED)  # fmt: skip
    rest = f" ({len(rows) - len(shown)} more)" if len(rows) > len(shown) else ""
    ax.set(title=f"Outlets{rest}", xlabel=f"share of {positive['name']}", xlim=(0, 1),
           yticks=range(len(shown)), yticklabels=shown["name"],
           ylim=(-0.6, len(shown) + 0.2))  # fmt: skip
    ax.tick_params(axis="y", labelsize=8)
    ax.grid(axis="y", visible=False)


def _draw_groups(ax: Axes, sizes: list[Mapping[str, Any]]) -> None:
    bars = ax.bar([s["size"] for s in sizes], [s["groups"] for s in sizes],
                  color=figures.PALETTE["sky"])  # fmt: skip
    ax.bar_label(bars, [f"{s['groups']:,}" for s in sizes], fontsize=8.5)
    ax.set(title="Near-duplicate groups", xlabel="posts in a group", ylabel="groups", yscale="log")
    ax.tick_params(axis="x", labelsize=8)
    ax.set_ylim(0.5, 3 * max((s["groups"] for s in sizes), default=1))
    ax.grid(axis="x", visible=False)


def _draw_drops(ax: Axes, drops: list[Mapping[str, Any]]) -> None:
    ax.set(title="Left out, and remarks", xlabel="posts or files")
    ax.grid(axis="y", visible=False)
    if not drops:
        return _nothing(ax, "nothing to report")
    colors = {"dropped": figures.PALETTE["orange"], "kept": figures.PAPER}
    shown = drops[:8][::-1]
    names = [fill(d["reason"] + (" (kept)" if d["outcome"] == "kept" else ""), 26) for d in shown]
    bars = ax.barh(names, [d["count"] for d in shown], height=0.62,
                   color=[colors[d["outcome"]] for d in shown])  # fmt: skip
    ax.bar_label(bars, [f" {d['count']:,}" for d in shown], fontsize=8.5)
    ax.tick_params(axis="y", labelsize=8)
    ax.margins(x=0.18)
    ax.set_ylim(-0.6, max(len(shown), 4) - 0.4)  # a single bar does not fill the panel
    ax.xaxis.get_major_locator().set_params(integer=True)


def _nothing(ax: Axes, text: str = "none") -> None:
    ax.set(xticks=[], yticks=[], xlabel="")
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=figures.MUTED)


def _label_name(raw: str) -> str:
    """Places names without their letter folder: /b/bridge is bridge."""
    return raw[3:].replace("_", " ") if raw[:1] == "/" and raw[2:3] == "/" else raw

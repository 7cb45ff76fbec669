"""The house style of every figure, how a figure is saved, and the plots that studies share.

A figure is saved three times: SVG (for the page), PNG (for a slide) and CSV (the numbers it draws).
Same numbers, same bytes: no date, a fixed hash salt, fonts drawn as paths.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image, ImageFilter

from lib import png

if TYPE_CHECKING:
    from IPython.display import Image as DisplayImage

# Okabe & Ito (2008): eight colours that stay apart for every common kind of colour blindness.
PALETTE = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "amber": "#E69F00",
    "sky": "#56B4E9",
    "black": "#222222",
    "yellow": "#F0E442",
}
CYCLE = tuple(PALETTE.values())
INK, MUTED, FAINT = "#222222", "#6B6B6B", "#D9D9D9"
PAPER = "#8C8C8C"  # numbers of the publication are always this grey
LINE_STYLES = ("-", "--", "-.", ":")
STAMP = "sample corpus"
STAMP_INCHES = 0.24  # strip kept free under a figure for the stamp
BLUR_SHARE = 0.06  # blur radius of a hidden picture as a share of its longer side

RC = {
    "figure.figsize": (6.4, 4.0),
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#EBEBEB",
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "path",  # the page looks the same without the font installed
    "svg.hashsalt": "pairlab",
    "axes.prop_cycle": mpl.cycler(color=CYCLE),
}


@contextmanager
def style() -> Iterator[None]:
    """House style inside a `with` block; the caller's settings come back afterwards."""
    with mpl.rc_context(RC):
        yield


def use_style() -> None:
    """House style for the rest of the process: titles and legends read it when they are made."""
    mpl.rcParams.update(RC)


def new(
    rows: int = 1, columns: int = 1, size: tuple[float, float] | None = None, **kwargs
) -> tuple[Figure, np.ndarray | Axes]:
    """Figure and axes in the house style, laid out so that nothing is cut off; size in inches.

    The figure belongs to no window manager, so nothing needs closing and a notebook shows it once.
    """
    use_style()
    fig = Figure(figsize=size or RC["figure.figsize"], layout="constrained")
    return fig, fig.subplots(rows, columns, **kwargs)


def stamp(fig: Figure, text: str = STAMP) -> None:
    """Mark in the lower right corner which corpus the numbers come from."""
    room = STAMP_INCHES / fig.get_figheight()
    if isinstance(fig.get_layout_engine(), ConstrainedLayoutEngine):
        fig.get_layout_engine().set(rect=(0, room, 1, 1 - room))
    box = {
        "boxstyle": "round,pad=0.35",
        "facecolor": "#FFF7E0",
        "edgecolor": PALETTE["amber"],
    }
    where = (1 - 0.07 / fig.get_figwidth(), 0.07 / fig.get_figheight())
    fig.text(*where, text, ha="right", va="bottom", fontsize=7.5, color="#7A5200",
             bbox={**box, "linewidth": 0.6})  # fmt: skip


def show(fig: Figure) -> DisplayImage:
    """The figure as a picture for a notebook; its text form never changes, so nbval compares it."""
    from IPython.display import Image as DisplayImage

    return DisplayImage(png.shown(fig), alt=fig.get_label())


def save(
    fig: Figure,
    folder: Path | str,
    name: str,
    data: pd.DataFrame,
    digits: int = 6,
    formats: Sequence[str] = ("svg", "png"),
) -> dict[str, Path]:
    """Write `name`.svg, .png and .csv (the data drawn) into `folder`; same input, same bytes.

    digits: decimals kept in the CSV; formats: ("png",) alone for sheets of photographs. Returns
    the paths by suffix. Each file appears whole.
    """
    (folder := Path(folder)).mkdir(parents=True, exist_ok=True)
    paths = {suffix: folder / f"{name}.{suffix}" for suffix in (*formats, "csv")}
    use_style()
    _settle(fig)
    for suffix in formats:
        _replace(paths[suffix], png.saved(fig) if suffix == "png" else _svg(fig))
    text = data.round(digits).to_csv(index=False, lineterminator="\n")
    _replace(paths["csv"], text.encode())
    return paths


def interval_dots(
    ax: Axes,
    data: pd.DataFrame,
    label: str,
    paper: str | None = None,
    color: str = PALETTE["blue"],
    wrap: int = 34,
    what: str = "ours",
) -> None:
    """One row a label, first at the top: dot at `value`, whisker from `low` to `high`.

    data: columns `label`, value, low, high and, if `paper` is given, that column as grey diamonds.
    """
    y = np.arange(len(data))[::-1]
    ax.hlines(y, data["low"], data["high"], color=color, linewidth=2.2, alpha=0.55)
    ax.plot(data["value"], y, "o", color=color, markersize=6, label=what)
    if paper is not None:
        ax.plot(data[paper], y, "D", color=PAPER, markersize=5, markerfacecolor="white",
                markeredgewidth=1.3, label="paper")  # fmt: skip
    ax.set_yticks(y, [fill(str(text), wrap) for text in data[label]])
    ax.set_ylim(-0.6, len(data) - 0.4)
    ax.grid(axis="y", visible=False)


def reliability(ax: Axes, bins: pd.DataFrame, title: str, color: str = PALETTE["blue"]) -> None:
    """Reliability diagram: share right against mean confidence, one dot a bin, area by count.

    bins: columns confidence, accuracy, count, low, high; empty bins absent.
    """
    ax.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, zorder=1)
    ax.annotate(
        "calibrated", (0.03, 0.03), xytext=(2, 6), textcoords="offset points", rotation=45,
        rotation_mode="anchor", fontsize=8, color=MUTED, transform_rotates_text=True,
    )  # fmt: skip
    ax.vlines(
        bins["confidence"],
        bins["low"],
        bins["high"],
        color=color,
        alpha=0.4,
        linewidth=2,
    )
    area = 20 + 180 * bins["count"] / bins["count"].max()
    ax.scatter(bins["confidence"], bins["accuracy"], s=area, color=color, alpha=0.85, zorder=3,
               linewidth=0)  # fmt: skip
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", title=title)
    ax.set_aspect("equal")


def curves(
    ax: Axes, data: pd.DataFrame, x: str, y: str, by: str, band: bool = False, gap: float = 0.045
) -> None:
    """One line a group, named at its right end in its own colour.

    data: long; columns `x`, `y`, `by` and, with `band`, low and high. gap: least distance of two
    names as a share of the axis height. Colours then dashes tell groups apart.
    """
    ends = []
    for i, (name, part) in enumerate(data.groupby(by, sort=False)):
        color, dash = CYCLE[i % 7], LINE_STYLES[i // 7 % 4]  # yellow is too light for a line
        part = part.sort_values(x, kind="stable")
        ax.plot(part[x], part[y], color=color, linestyle=dash)
        if band:
            ax.fill_between(
                part[x], part["low"], part["high"], color=color, alpha=0.13, linewidth=0
            )
        ends.append((part[x].iloc[-1], part[y].iloc[-1], str(name), color))
    _name_ends(ax, ends, gap)


def _name_ends(ax: Axes, ends: list[tuple[float, float, str, str]], gap: float) -> None:
    """Write each name right of its line's end, pushed apart so that none overlap."""
    low, high = ax.get_ylim()
    least = gap * (high - low)
    ends = sorted(ends, key=lambda end: end[1])
    heights = np.array([end[1] for end in ends], dtype=float)
    for i in range(1, len(heights)):
        heights[i] = max(heights[i], heights[i - 1] + least)
    # Centre the pushed pile on where the lines really end.
    heights -= (heights - np.array([end[1] for end in ends])).mean()
    for (x, _, name, color), height in zip(ends, heights, strict=True):
        ax.annotate(name, (x, height), xytext=(6, 0), textcoords="offset points", va="center",
                    color=color, fontsize=9, annotation_clip=False)  # fmt: skip


def contact_sheet(
    images: Sequence[Image.Image],
    captions: Sequence[str] | None = None,
    columns: int = 6,
    show_content: bool = True,
    colors: Sequence[str] | None = None,
    side: float = 1.6,
    wrap: int = 22,
) -> Figure:
    """Grid of pictures with a caption under each; `show_content=False` blurs every picture.

    colors: frame colour of each picture, None = no frame; side: width of a picture in inches.
    """
    rows = -(-len(images) // columns)
    texts = [
        "\n".join(fill(line, wrap) for line in str(text).splitlines())
        for text in captions or [""] * len(images)
    ]
    lines = max((text.count("\n") + 1 for text in texts if text), default=0)
    size = (columns * side, rows * (side + 0.15 * lines + 0.1))
    fig, axes = new(rows, columns, size, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
        ax.set_anchor("N")  # what room is left goes to the captions
    for i, (ax, image) in enumerate(zip(axes.flat, images, strict=False)):
        ax.imshow(np.asarray(image if show_content else blur(image)))
        ax.text(0.5, -0.04, texts[i], transform=ax.transAxes, ha="center", va="top", fontsize=7.5,
                linespacing=1.15, color=INK)  # fmt: skip
        if colors is not None:
            ax.axis("on")
            ax.set(xticks=[], yticks=[])
            for spine in ax.spines.values():
                spine.set(visible=True, color=colors[i], linewidth=2.5)
    return fig


def blur(image: Image.Image) -> Image.Image:
    """The picture with its content unrecognisable and its colours kept."""
    return image.filter(ImageFilter.GaussianBlur(BLUR_SHARE * max(image.size)))


def _settle(fig: Figure) -> None:
    """Lay the figure out once and round: the solver's last digits differ from run to run."""
    if engine := fig.get_layout_engine():
        engine.execute(fig)
    fig.set_layout_engine(None)  # a placeholder, "none", would make savefig draw everything twice
    for ax in fig.axes:
        bounds = np.round(ax.get_position(original=True).bounds, 4)
        ax.set_position(bounds, which="original")


def _svg(fig: Figure) -> bytes:
    buffer = io.BytesIO()
    fig.savefig(buffer, format="svg", dpi=png.LINES_SAVED, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _replace(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and move it into place."""
    (temporary := path.with_name(f".{path.name}.part")).write_bytes(content)
    os.replace(temporary, path)

"""The figures of the memes study, each from a table of `lib.memes.findings`."""

from __future__ import annotations

from IPython.display import Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib import figures
from lib.tables import number

MEASURES = {"task_b": "task B (weighted F1)", "task_b_tuned": "task B, validation's thresholds",
            "auc": "macro AUC"}  # fmt: skip


def show(fig: Figure, alt: str, sample: bool) -> Image:
    """A figure as a picture for a notebook, stamped when it is of a sample corpus."""
    fig.set_label(alt)
    if sample:
        figures.stamp(fig)
    return figures.show(fig)


def percent(ratio: float) -> str:
    """A share of labels as a title: "30 % labels"."""
    return f"{100 * ratio:g} % labels"


def mark(ax: Axes, value: float, text: str) -> None:
    """A vertical line at `value` with its name at the top."""
    ax.axvline(value, color=figures.MUTED, linewidth=1, linestyle=(0, (3, 2)), zorder=1)
    ax.annotate(f"{text} {number(value)}", (value, 1), xycoords=("data", "axes fraction"),
                xytext=(2, -2), textcoords="offset points", fontsize=7.5, color=figures.MUTED,
                va="top")  # fmt: skip

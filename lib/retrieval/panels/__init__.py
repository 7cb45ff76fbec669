"""The figures of the retrieval studies, each from a table of `lib.retrieval.findings`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from IPython.display import Image
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib import figures
from lib.retrieval.findings import FINE_TUNED, SELECTED, WISE_FT, ZERO_SHOT

# One colour a system, the same in every figure.
COLORS = {
    ZERO_SHOT: figures.PALETTE["black"], FINE_TUNED: figures.PALETTE["orange"],
    WISE_FT: figures.PALETTE["blue"], SELECTED[1]: figures.PALETTE["green"],
    SELECTED[2]: figures.PALETTE["purple"], SELECTED[3]: figures.PALETTE["amber"],
    SELECTED[4]: figures.PALETTE["sky"],
}  # fmt: skip
MARKS = {"per_tower": "s", "lines": "^", "embedding_ensemble": "P", "greedy_soup": "X"}


def show(fig: Figure, alt: str, sample: bool) -> Image:
    """A figure as a picture for a notebook, stamped when it is of a sample corpus."""
    fig.set_label(alt)
    if sample:
        figures.stamp(fig)
    return figures.show(fig)


def grid(
    n: int, size: tuple[float, float], columns: int = 3, **kwargs
) -> tuple[Figure, list[Axes]]:
    """Figure of n panels of `size` inches, at most `columns` a row; the rest stay blank."""
    columns = min(n, columns)
    rows = -(-n // columns)
    fig, axes = figures.new(
        rows, columns, (size[0] * columns + 0.6, size[1] * rows + 0.3), squeeze=False, **kwargs
    )
    for ax in axes.flat[n:]:
        ax.set_axis_off()
    return fig, list(axes.flat[:n])


def room(low: np.ndarray, high: np.ndarray, share: float = 0.06) -> tuple[float, float]:
    """Limits of an axis with a little air around the values; NaN left out."""
    least, most = float(np.nanmin(low)), float(np.nanmax(high))
    air = share * max(most - least, 1e-3)
    return least - air, most + air


def aligned(table: pd.DataFrame, column: str, panel: str) -> dict[str, pd.DataFrame]:
    """The rows of each panel in one common order of `column`, missing ones as NaN.

    Panels that share their axis of names must hold the same rows.
    """
    order = list(dict.fromkeys(table.loc[table.groupby(panel)[column].transform("size").idxmax():,
                                         column]))  # fmt: skip
    order += [name for name in table[column].unique() if name not in order]
    parts = {name: part.set_index(column) for name, part in table.groupby(panel, sort=False)}
    return {name: part.reindex(order).reset_index() for name, part in parts.items()}


def legend_below(
    fig: Figure, handles: Sequence[Artist], names: Sequence[str] | None = None
) -> None:
    """A legend under all panels, in as many columns as the figure is wide."""
    names = names or [handle.get_label() for handle in handles]
    longest = max(len(name) for name in names)
    columns = int(fig.get_figwidth() / (0.55 + 0.075 * longest))
    columns = max(1, min(columns, len(names)))
    fig.legend(handles, names, loc="outside lower left", ncols=columns, fontsize=9)

"""The figures of the fake-news study, each from a table of `lib.fnd.findings`."""

from __future__ import annotations

from collections.abc import Sequence

from IPython.display import Image
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib import figures
from lib.fnd.findings import FND_CLIP, IMAGE, OURS, TEXT

# One colour a system, the same in every figure.
COLORS = {
    TEXT: figures.PALETTE["green"], IMAGE: figures.PALETTE["amber"],
    FND_CLIP: figures.PALETTE["blue"], OURS: figures.PALETTE["orange"],
}  # fmt: skip
SHORT = {TEXT: "text alone", IMAGE: "image alone", FND_CLIP: "FND-CLIP", OURS: "ours"}
CLASSES = {1: "Likely", 0: "Unlikely"}
CLASS_COLORS = {1: figures.PALETTE["purple"], 0: figures.PALETTE["sky"]}
FAMILY_COLORS = {
    "baseline": figures.MUTED, "unimodal": figures.PALETTE["green"],
    "long_articles": figures.PALETTE["amber"], "bert_resnet": figures.PALETTE["sky"],
    "spotfake": figures.PALETTE["purple"], "distilroberta_clip": figures.PALETTE["black"],
    "fnd_clip": figures.PALETTE["blue"], "ours": figures.PALETTE["orange"],
}  # fmt: skip
FAMILIES = {
    "baseline": "baselines", "unimodal": "one modality", "long_articles": "whole articles",
    "bert_resnet": "BERT + ResNet-34", "spotfake": "SpotFake, SpotFake+",
    "distilroberta_clip": "DistilRoBERTa + CLIP", "fnd_clip": "FND-CLIP", "ours": "ours",
}  # fmt: skip


def show(fig: Figure, alt: str, sample: bool) -> Image:
    """Return a figure as a picture for a notebook, stamped when it is of a sample corpus."""
    fig.set_label(alt)
    if sample:
        figures.stamp(fig)
    return figures.show(fig)


def grid(
    n: int, size: tuple[float, float], columns: int = 4, **kwargs
) -> tuple[Figure, list[Axes]]:
    """Return a figure of n panels of `size` inches, at most `columns` a row; the rest blank."""
    columns = min(n, columns)
    rows = -(-n // columns)
    fig, axes = figures.new(
        rows, columns, (size[0] * columns + 0.6, size[1] * rows + 0.3), squeeze=False, **kwargs
    )
    for ax in axes.flat[n:]:
        ax.set_axis_off()
    return fig, list(axes.flat[:n])


def legend_below(fig: Figure, handles: Sequence[Artist]) -> None:
    """Put a legend under all panels, in as many columns as the figure is wide."""
    names = [handle.get_label() for handle in handles]
    columns = int(fig.get_figwidth() / (0.55 + 0.075 * max(map(len, names))))
    columns = max(1, min(columns, len(names)))
    fig.legend(handles, names, loc="outside lower left", ncols=columns, fontsize=9)

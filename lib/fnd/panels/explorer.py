"""The threshold explorer of the notebook: a system and a threshold, and what they cost."""

from __future__ import annotations

import ipywidgets as widgets
import pandas as pd

from lib import figures, png
from lib.fnd.panels import thresholds


class ThresholdExplorer:
    """A list of systems and a slider; below, the curves and the confusion matrix at that place."""

    def __init__(self, table: pd.DataFrame, start: float = 0.5, sample: bool = True) -> None:
        """Build the widgets; `view` is what a notebook displays; table: `slices.thresholds`."""
        self.table, self.sample = table, sample
        titles = table.drop_duplicates("system")
        options = list(zip(titles["title"], titles["system"], strict=True))
        self.system = widgets.Dropdown(options=options, description="system", value=options[-1][1])
        self.threshold = widgets.FloatSlider(
            start, min=0, max=1, step=0.01, description="threshold", continuous_update=False,
            layout={"width": "60%"},
        )  # fmt: skip
        self.output, self.message = widgets.Image(format="png"), widgets.Label()
        for control in (self.system, self.threshold):
            control.observe(lambda _: self.draw(), names="value")
        self.view = widgets.VBox([self.system, self.threshold, self.message, self.output])
        self.draw()

    def draw(self) -> None:
        """Draw the chosen system at the chosen threshold and say what it costs."""
        part = self.table[self.table["system"] == self.system.value]
        fig = thresholds.explorer(part, self.threshold.value)
        if self.sample:
            figures.stamp(fig)
        self.message.value = sentence(part, self.threshold.value)
        self.output.value = png.shown(fig)


def sentence(part: pd.DataFrame, threshold: float) -> str:
    """Say in words what a threshold does; part: rows of one system of `slices.thresholds`."""
    at = part.iloc[(part["threshold"] - threshold).abs().argmin()]
    flagged, total = at["tp"] + at["fp"], at[["tp", "fp", "fn", "tn"]].sum()
    return (
        f"{flagged:,.0f} of {total:,.0f} articles flagged: {at['fp']:,.0f} of them wrongly; "
        f"{at['fn']:,.0f} Likely ones missed"
    )

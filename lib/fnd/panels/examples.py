"""Sheets of single articles: the picture, the headline, and what each system says."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from emoji import replace_emoji
from matplotlib.figure import Figure

from lib import figures
from lib.data.images import load_rgb
from lib.fnd.findings import Findings
from lib.fnd.panels import CLASSES, SHORT

TITLE_SHOWN = 80  # characters


def sheet(
    found: Findings, picked: pd.DataFrame, root: Path, show_content: bool, columns: int = 4
) -> Figure:
    """Draw articles with their truth and the systems' P(Likely); blurred unless `show_content`.

    picked: of `findings.modality.disagreements`, articles with a picture only. The frame is purple
    for Likely, blue for Unlikely.
    """
    pairs = found.pairs.set_index("id")
    images, captions, colors = [], [], []
    for row in picked.to_dict("records"):
        images.append(load_rgb(root / pairs.at[row["id"], "image"]))
        said = ", ".join(
            f"{SHORT[name].removesuffix(' alone')}\N{NO-BREAK SPACE}{row[name]:.2f}"
            for name in SHORT
            if name in row
        )
        kind = f"{row['example']}; {CLASSES[row['y_true']]}"
        captions.append(f"{kind}\n{said}\n{_cut(pairs.at[row['id'], 'text'])}")
        colors.append(figures.PALETTE["purple" if row["y_true"] else "sky"])
    return figures.contact_sheet(images, captions, columns, show_content, colors, 2.3, 32)


def with_picture(found: Findings, picked: pd.DataFrame) -> pd.DataFrame:
    """Return the articles of a selection that have a picture."""
    images = found.pairs.set_index("id")["image"]
    return picked[(picked["id"].map(images) != "").to_numpy()] if len(picked) else picked


def _cut(text: str) -> str:
    """The headline, cut at a word where it is long."""
    text = " ".join(replace_emoji(text).split())  # the figures' font has none
    if len(text) <= TITLE_SHOWN:
        return f"“{text}”"
    return f"“{text[:TITLE_SHOWN].rsplit(' ', 1)[0]} …”"

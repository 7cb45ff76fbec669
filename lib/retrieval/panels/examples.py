"""Sheets of single queries: the right image, and what each system puts first."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from emoji import replace_emoji
from matplotlib.figure import Figure

from lib import figures
from lib.data.images import load_rgb
from lib.retrieval.findings import FINE_TUNED, WISE_FT, ZERO_SHOT, Findings, label
from lib.retrieval.findings.slices import first_images
from lib.retrieval.findings.tuning import MAIN

TITLE_SHOWN = 78  # characters


def sheet(
    found: Findings, tuned: str, picked: pd.DataFrame, root: Path, show_content: bool
) -> Figure:
    """One row a query: its own image with the title, then the first image of the three systems.

    picked: of `findings.slices.examples`. A green frame is the right image, an orange one another;
    below: the rank of the right image. Pictures are blurred unless `show_content`.
    """
    files = found.pairs.set_index("id")["image"]
    names = pd.concat([files, found.pairs.set_index("iid")["image"]])
    names = names[~names.index.duplicated()]
    titles = found.pairs.set_index("id")["text"]
    images, captions, colors = [], [], []
    for row in picked.to_dict("records"):
        query = row["query"]
        first = first_images(found, tuned, query)
        images.append(load_rgb(root / files[query]))
        captions.append(_cut(titles[query]))
        colors.append(figures.FAINT)
        for system in (ZERO_SHOT, FINE_TUNED, WISE_FT):
            file = names[first[system]] if system in first else files[query]
            images.append(load_rgb(root / file))
            rank = "beyond 100" if pd.isna(row[system]) else f"rank {row[system]:g}"
            captions.append(f"{label(system)}: {rank}")
            right = file == files[query]
            colors.append(figures.PALETTE["green" if right else "orange"])
    return figures.contact_sheet(images, captions, 1 + len(MAIN), show_content, colors, 2.0, 28)


def _cut(text: str) -> str:
    """The title, cut at a word where it is long."""
    text = " ".join(replace_emoji(text).split())  # the figures' font has none
    if len(text) <= TITLE_SHOWN:
        return f"“{text}”"
    return f"“{text[:TITLE_SHOWN].rsplit(' ', 1)[0]} …”"

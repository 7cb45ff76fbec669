"""Galleries of memes: different sizes, short texts; real ones blurred, their texts left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from lib import figures
from lib.data.images import ImageError, load_rgb
from lib.data.readers.mami import LABELS, TRANSCRIPTION
from lib.memes.corpus.masking import mask

WIDE = 11.0  # inches, of the figure of sizes
TEXT = 60  # characters shown of a text


def sizes(
    pairs: pd.DataFrame, root: Path, count: int = 6, among: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Memes of different shape, the widest first: id, image, width, height (pixels).

    They lie evenly between the widest and the tallest of `among` memes drawn at random.
    """
    have = pairs[pairs["image"] != ""]
    drawn = have.sample(min(among, len(have)), random_state=seed)
    rows = []
    for row in drawn.itertuples():
        with Image.open(root / row.image) as image:
            rows.append((row.id, row.image, *image.size))
    table = pd.DataFrame(rows, columns=["id", "image", "width", "height"])
    order = (table["height"] / table["width"]).sort_values(kind="stable").index
    places = np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))
    return table.loc[order[places]].reset_index(drop=True)


def draw_sizes(table: pd.DataFrame, root: Path, show_content: bool = False) -> Figure:
    """The memes of `sizes` side by side at one scale, width x height below each."""
    tallest = int(table["height"].max())
    high = WIDE * tallest / table["width"].sum() + 0.5
    fig, axes = figures.new(
        1, len(table), size=(WIDE, high), squeeze=False, width_ratios=table["width"]
    )
    for ax, row in zip(axes[0], table.itertuples(), strict=True):
        image = load_rgb(root / row.image)
        ax.imshow(np.asarray(image if show_content else figures.blur(image)))
        ax.set(xlim=(0, row.width), ylim=(tallest, 0), xticks=[], yticks=[])
        ax.text(row.width / 2, row.height, f"{row.width} × {row.height}", ha="center", va="top",
                fontsize=8.5)  # fmt: skip
        ax.spines[:].set_visible(False)
        ax.set_anchor("N")
    fig.set_label("memes of different sizes, pixels")
    return fig


def short_texts(pairs: pd.DataFrame, count: int = 6) -> pd.DataFrame:
    """The memes with the fewest words, but some: id, image, words, transcription."""
    text = pairs[TRANSCRIPTION if TRANSCRIPTION in pairs else "text"]
    table = pd.DataFrame({"id": pairs["id"], "image": pairs["image"], "transcription": text})
    table["words"] = text.str.split().str.len()
    table = table[(table["words"] > 0) & (table["image"] != "")]
    return table.sort_values(["words", "id"], kind="stable").head(count).reset_index(drop=True)


def sheet(
    rows: pd.DataFrame, pairs: pd.DataFrame, root: Path, show_content: bool = False
) -> tuple[Figure, pd.DataFrame]:
    """Memes on a sheet with the start of their text and their labels; rows: column id.

    Without show_content pictures are blurred and texts left out; what is shown has its slurs
    masked. Returns the figure and its data, texts as shown. A picture that cannot be read is
    grey.
    """
    chosen = pairs.set_index("id").loc[rows["id"]].reset_index()
    texts = chosen[TRANSCRIPTION if TRANSCRIPTION in chosen else "text"].map(mask)
    shown = [_shortened(text) if show_content else "" for text in texts]
    named = [_labels(row) for _, row in chosen.iterrows()]
    captions = [f"{text}\n{labels}".strip() for text, labels in zip(shown, named, strict=True)]
    pictures = [_picture(root, image) for image in chosen["image"]]
    columns = min(6, max(1, len(pictures)))
    fig = figures.contact_sheet(pictures, captions, columns, show_content, side=1.9, wrap=26)
    fig.set_label("memes with their labels")
    return fig, pd.DataFrame({"id": chosen["id"], "text": shown, "labels": named})


def _picture(root: Path, image: str) -> Image.Image:
    """A picture at the bottom of a white square: tall ones leave their caption its room."""
    try:
        picture = load_rgb(root / image)
    except ImageError:
        return Image.new("RGB", (200, 200), "grey")
    side = max(picture.size)
    return ImageOps.pad(picture, (side, side), color="white", centering=(0.5, 1))


def _shortened(text: str) -> str:
    return text if len(text) <= TEXT else text[: TEXT - 1].rstrip() + "…"


def _labels(row: pd.Series) -> str:
    held = [label for label in LABELS if row[label] == 1]
    return ", ".join(held) or ("none" if row[LABELS[0]] == 0 else "not labelled")

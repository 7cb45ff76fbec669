"""A drawn figure as a small PNG: 256 colours chosen for it, a quarter of the bytes of full colour.

Figures with pictures are dithered, so that the hues of photographs survive, and come at fewer
dots an inch than figures of lines, which need sharp edges and compress well.
"""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

COLORS = 256  # a palette PNG holds no more
NEAR_WHITE = 252  # Pillow matches colours in cells of 4 levels: white would come out as 254
LINES_SHOWN, SHEET_SHOWN = 110, 96  # dots an inch in a notebook
LINES_SAVED, SHEET_SAVED = 160, 120  # in a file for a slide


def shown(fig: Figure) -> bytes:
    """The figure for a notebook."""
    return encode(fig, SHEET_SHOWN if has_pictures(fig) else LINES_SHOWN)


def saved(fig: Figure) -> bytes:
    """The figure for a file."""
    return encode(fig, SHEET_SAVED if has_pictures(fig) else LINES_SAVED)


def has_pictures(fig: Figure) -> bool:
    """True of a sheet of photographs, false of lines and bars."""
    return any(ax.images for ax in fig.axes)


def encode(fig: Figure, dpi: float) -> bytes:
    """PNG of the figure at `dpi` dots an inch; same figure, same bytes."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    picture = reduce(Image.open(buffer).convert("RGB"), has_pictures(fig))
    picture.save(out := io.BytesIO(), format="png", optimize=True, dpi=(dpi, dpi))
    return out.getvalue()


def reduce(picture: Image.Image, dither: bool) -> Image.Image:
    """The RGB picture in its own 256 colours; white stays exactly white."""
    # The octree keeps rare hues that a median cut of a sheet gives up for shades of its background.
    colors = picture.quantize(COLORS, Image.Quantize.FASTOCTREE).getpalette()
    table = np.array(colors).reshape(-1, 3)
    table[(table >= NEAR_WHITE).all(axis=1)] = 255
    holder = Image.new("P", (1, 1))
    holder.putpalette(table.ravel().tolist())
    how = Image.Dither.FLOYDSTEINBERG if dither else Image.Dither.NONE
    return picture.quantize(palette=holder, dither=how)

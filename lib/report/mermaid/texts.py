"""The texts of a flowchart: how they are broken into lines, and how much room they take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from textwrap import wrap

from matplotlib.font_manager import findfont, get_font

from lib.report.mermaid.layout import Point
from lib.report.mermaid.source import Graph, Node

SIZE, LABEL_SIZE = 13, 11.5  # font sizes, pixels
LEADING = 1.3  # line height as a share of the font size
PAD_X, PAD_Y = 9, 7  # room round the text of a box
TIP = 13  # how far the points of a decision stand out
LID = 5  # half height of the lid of a store
LABEL_WIDTHS = 12, 16  # characters a line of a label, least and most
OPERATOR = re.compile(r" ([=+−·×≥≤]) ")


def wrapped(graph: Graph, characters: int) -> Graph:
    """The graph with its longer lines broken between words, but not beside an operator."""

    def fill(lines: Sequence[str], most: int) -> tuple[str, ...]:
        kept = (OPERATOR.sub("\u00a0\\1\u00a0", line) for line in lines)
        parts = [(line, wrap(line, most, **whole)) for line in kept]
        # An unbreakable part makes the text wider: the other lines may be as wide.
        most = max(len(part) for _, broken in parts for part in broken) if parts else most
        return tuple(part for line, _ in parts for part in wrap(line, most, **whole))

    whole = {"break_long_words": False, "break_on_hyphens": False}
    label_width = min(max(characters, LABEL_WIDTHS[0]), LABEL_WIDTHS[1])
    nodes = {
        n: replace(node, lines=fill(node.lines, characters)) for n, node in graph.nodes.items()
    }
    edges = [replace(edge, label=fill(edge.label, label_width)) for edge in graph.edges]
    return Graph(graph.sideways, nodes, edges)


def node_size(node: Node) -> Point:
    """Width and height of the box of a node, pixels."""
    width, height = _measure(node.lines, SIZE)
    width, height = width + 2 * PAD_X, height + 2 * PAD_Y
    if node.shape == "decision":
        width += TIP
    return width, height + (2 * LID if node.shape == "store" else 0)


def label_size(lines: Sequence[str]) -> Point:
    """Width and height of a label, pixels; (0, 0) for none."""
    if not lines:
        return 0.0, 0.0
    width, height = _measure(lines, LABEL_SIZE)
    return width + 6, height + 2


def _measure(lines: Sequence[str], size: float) -> Point:
    """Width and height of lines of text, pixels, in the widest of the page's fonts."""
    return max(_advance(line) for line in lines) * size, len(lines) * LEADING * size


@cache
def _advance(text: str) -> float:
    """Width of a text set in DejaVu Sans, as a share of the font size."""
    font = get_font(findfont("DejaVu Sans"))
    font.set_size(100, 72)
    font.set_text(text)
    return font.get_width_height()[0] / 64 / 100

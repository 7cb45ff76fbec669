"""Mermaid flowcharts drawn without a browser: a fenced block in, inline SVG out."""

from __future__ import annotations

from functools import cache

from lib.report.mermaid.drawing import draw, render
from lib.report.mermaid.source import read


@cache  # one notebook's prose is on the page of every data set it ran on
def svg(text: str) -> str:
    """Inline SVG of a flowchart; ValueError naming the line that is not understood."""
    return render(draw(read(text)))

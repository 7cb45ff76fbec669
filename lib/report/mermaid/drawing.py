"""A flowchart as inline SVG, in the fonts and colours of the page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.report.mermaid import texts
from lib.report.mermaid.layout import ARROW, CLOSE, CORNER, Point, place
from lib.report.mermaid.source import Graph, Node

FONTS = "DejaVu Sans, system-ui, -apple-system, Segoe UI, Roboto, sans-serif"  # as page.css
INK, LINE = "#1d1d1f", "#5f6368"
FILLS = {  # fill and stroke of each shape; blue and amber of page.css
    "box": ("#f3f8fc", "#0072b2"),
    "round": ("#f3f8fc", "#0072b2"),
    "store": ("#fff7e0", "#e69f00"),
    "decision": ("#eef8f4", "#009e73"),
}
WIDTHS = range(26, 9, -1)  # characters a line
PAGE = 720  # pixels
TOO_WIDE = 3  # how much worse a pixel beyond the page is than a pixel of height
MARGIN = 4
HIDDEN = 0.7  # share of an arrow that its own label may hide
CURVE = 24  # points at which a bend is sampled

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Drawing:
    """A placed flowchart, in pixels: boxes by node, ways as points, labels as boxes (or None)."""

    graph: Graph
    boxes: dict[str, Box]
    ways: list[list[Point]]
    labels: list[Box | None]

    @property
    def frame(self) -> Box:
        """The box round everything drawn."""
        points = [p for way in self.ways for p in sampled(way, self.graph.sideways)]
        corners = [*self.boxes.values(), *(label for label in self.labels if label)]
        corners += [(x, y, x, y) for x, y in points]
        low, high = np.min(corners, axis=0)[:2], np.max(corners, axis=0)[2:]
        return (*(low - MARGIN), *(high + MARGIN))


def draw(graph: Graph) -> Drawing:
    """Place a flowchart, its texts wrapped so that it fits the page and stays low."""

    def badness(drawing: Drawing) -> float:
        left, top, right, bottom = drawing.frame
        return bottom - top + TOO_WIDE * max(0, right - left - PAGE)

    tried = {graph.texts(): graph for graph in (texts.wrapped(graph, n) for n in WIDTHS)}
    return min(map(_arrange, tried.values()), key=badness)


def render(drawing: Drawing) -> str:
    """The SVG of a placed flowchart; same flowchart, same text."""
    graph = drawing.graph
    left, top, right, bottom = drawing.frame
    width, height = right - left, bottom - top
    parts = [_arrow(way, edge.dashed, graph.sideways) for way, edge in _arrows(drawing)]
    parts += [_box(graph.nodes[name], box) for name, box in drawing.boxes.items()]
    for edge, box in zip(graph.edges, drawing.labels, strict=True):
        if box:
            parts.append(_rect(box, 'fill="#ffffff"') + _text(edge.label, box, texts.LABEL_SIZE))
    # On a narrow screen the drawing scrolls before its letters become too small to read.
    style = f"max-width:100%;min-width:{min(width, 600):.0f}px;height:auto"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="{left:.1f} {top:.1f} {width:.1f} {height:.1f}" '
        f'style="{style}" font-family="{FONTS}" fill="{INK}" text-anchor="middle">'
        f"<title>{html.escape(title(graph))}</title>\n" + "\n".join(parts) + "\n</svg>"
    )


def title(graph: Graph) -> str:
    """What the drawing says, for those who cannot see it: every arrow in words."""

    def say(name: str) -> str:
        return " ".join(graph.nodes[name].lines).replace("\u00a0", " ")

    arrows = [
        f"{say(e.tail)} → {say(e.head)}" + (f" ({' '.join(e.label)})" if e.label else "")
        for e in graph.edges
    ]
    return "Flowchart: " + ("; ".join(arrows) or ", ".join(say(name) for name in graph.nodes))


def sampled(way: Sequence[Point], sideways: bool) -> np.ndarray:
    """Points along an arrow, (n, 2): its straight parts and its bends."""
    t = np.linspace(0, 1, CURVE)[:, None]
    parts = []
    for i, (a, b) in enumerate(zip(way, way[1:], strict=False)):
        p, q = np.array(a), np.array(b)
        if i % 2:
            c, d = (np.array(point) for point in _bend(a, b, sideways))
            parts.append(
                (1 - t) ** 3 * p + 3 * t * (1 - t) ** 2 * c + 3 * t**2 * (1 - t) * d + t**3 * q
            )
        else:
            parts.append(p + t * (q - p))
    return np.concatenate(parts)


def _arrange(graph: Graph) -> Drawing:
    turn = slice(None) if graph.sideways else slice(None, None, -1)  # (along, across) and (x, y)
    sizes = {name: texts.node_size(node)[turn] for name, node in graph.nodes.items()}
    for name, (along, across) in sizes.items():
        ends = [e.tail for e in graph.edges].count(name), [e.head for e in graph.edges].count(name)
        sizes[name] = along, max(across, (max(ends) - 1) * CLOSE + 2 * CORNER)
    labels = [texts.label_size(edge.label)[turn] for edge in graph.edges]
    tips = [n for n, node in graph.nodes.items() if node.shape == "decision" and graph.sideways]
    layout = place(list(graph.nodes), graph.edges, sizes, labels, tips)
    centres = {name: centre[turn] for name, centre in layout.centres.items()}
    boxes = {name: _around(centres[name], sizes[name][turn]) for name in graph.nodes}
    ways = [[point[turn] for point in way] for way in layout.ways]
    placed = _labels(boxes, ways, [label[turn] for label in labels], graph.sideways)
    return Drawing(graph, boxes, ways, placed)


def _labels(
    boxes: dict[str, Box], ways: list[list[Point]], sizes: list[Point], sideways: bool
) -> list[Box | None]:
    """Each label on its own arrow, where it covers no box, no label and no other arrow."""
    lines = [sampled(way, sideways) for way in ways]
    taken = list(boxes.values())
    placed: list[Box | None] = []
    for number, size in enumerate(sizes):
        if not size[0]:
            placed.append(None)
            continue
        others = np.concatenate([np.empty((0, 2)), *lines[:number], *lines[number + 1 :]])
        spots = _spots(lines[number], size, sideways)
        best = min(spots, key=lambda spot: _covered(spot, taken, others, lines[number]))
        placed.append(best)
        taken.append(best)
    return placed


def _spots(line: np.ndarray, size: Point, sideways: bool) -> list[Box]:
    """Where a label may go, the best first: on its arrow, near the middle; else beside it."""
    middle = (len(line) - 1) / 2
    # Python's sort keeps the order of equals: same flowchart, same place.
    points = [line[i] for i in sorted(range(len(line)), key=lambda i: abs(i - middle))]
    aside = (size[1] if sideways else size[0]) / 2 + 3
    spots = []
    for shift in (0, -aside, aside):
        dx, dy = (0, shift) if sideways else (shift, 0)
        spots += [_around((x + dx, y + dy), size) for x, y in points]
    return spots


def _covered(spot: Box, taken: list[Box], others: np.ndarray, own: np.ndarray) -> float:
    """How much a label at `spot` would cover: boxes and labels, other arrows, too much of its own.

    others, own: points of arrows.
    """
    left, top, right, bottom = spot
    near = sum(
        left < r + 2 and l_ < right + 2 and top < b + 2 and t < bottom + 2 for l_, t, r, b in taken
    )

    def inside(points: np.ndarray) -> int:
        x, y = points.T
        return int(((x > left) & (x < right) & (y > top) & (y < bottom)).sum())

    return 1000 * near + 10 * inside(others) + max(0, inside(own) - HIDDEN * len(own))


def _arrows(drawing: Drawing):
    return zip(drawing.ways, drawing.graph.edges, strict=True)


def _arrow(way: list[Point], dashed: bool, sideways: bool) -> str:
    """The line of an arrow and its head."""
    (ax, ay), (bx, by) = way[-2], way[-1]
    dx, dy = np.sign(bx - ax), np.sign(by - ay)
    neck = (bx - dx * ARROW * 0.8, by - dy * ARROW * 0.8)
    path = f"M{_at(way[0])}"
    stops = [*way[:-1], neck]
    for i, (a, b) in enumerate(zip(stops, stops[1:], strict=False)):
        if i % 2:
            c, d = _bend(a, b, sideways)
            path += f" C{_at(c)} {_at(d)} {_at(b)}"
        elif a != b:
            path += f" L{_at(b)}"
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    base = (bx - dx * ARROW, by - dy * ARROW)
    side = (dy * ARROW * 0.45, dx * ARROW * 0.45)
    points = [(base[0] + side[0], base[1] + side[1]), (base[0] - side[0], base[1] - side[1])]
    head = " ".join(_at(p) for p in ((bx, by), *points))
    return (
        f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.4"{dash}/>'
        f'<polygon points="{head}" fill="{LINE}"/>'
    )


def _bend(a: Point, b: Point, sideways: bool) -> tuple[Point, Point]:
    """Control points of a bend that leaves and arrives along the flow."""
    if sideways:
        return ((a[0] + b[0]) / 2, a[1]), ((a[0] + b[0]) / 2, b[1])
    return (a[0], (a[1] + b[1]) / 2), (b[0], (a[1] + b[1]) / 2)


def _box(node: Node, box: Box) -> str:
    """The outline of a node and its text."""
    left, top, right, bottom = box
    fill, stroke = FILLS[node.shape]
    look = f'fill="{fill}" stroke="{stroke}" stroke-width="1.3"'
    if node.shape == "decision":
        middle = (top + bottom) / 2
        west, east = left + texts.TIP, right - texts.TIP
        corners = ((left, middle), (west, top), (east, top), (right, middle), (east, bottom),
                   (west, bottom))  # fmt: skip
        points = " ".join(_at(p) for p in corners)
        shape = f'<polygon points="{points}" stroke-linejoin="round" {look}/>'
    elif node.shape == "store":
        rx, lid, foot = (right - left) / 2, top + texts.LID, bottom - texts.LID
        arc = f"A{rx:.1f} {texts.LID} 0 0"
        shape = (
            f'<path d="M{_at((left, lid))} {arc} 1 {_at((right, lid))} L{_at((right, foot))} '
            f'{arc} 1 {_at((left, foot))} Z" {look}/><path d="M{_at((left, lid))} {arc} 0 '
            f'{_at((right, lid))}" fill="none" stroke="{stroke}" stroke-width="1.3"/>'
        )
        box = (left, top + texts.LID, right, bottom)
    else:
        shape = _rect(box, f'rx="{14 if node.shape == "round" else 5}" {look}')
    return shape + _text(node.lines, box, texts.SIZE)


def _rect(box: Box, look: str) -> str:
    left, top, right, bottom = box
    size = f'width="{right - left:.1f}" height="{bottom - top:.1f}"'
    return f'<rect x="{left:.1f}" y="{top:.1f}" {size} {look}/>'


def _text(lines: Sequence[str], box: Box, size: float) -> str:
    """Lines of text in the middle of a box."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    # A capital letter is about 0.72 of the font size high.
    first = y - (len(lines) - 1) / 2 * texts.LEADING * size + 0.36 * size
    spans = "".join(
        f'<tspan x="{x:.1f}" y="{first + i * texts.LEADING * size:.1f}">{html.escape(line)}</tspan>'
        for i, line in enumerate(lines)
    )
    return f'<text font-size="{size}">{spans}</text>'


def _around(centre: Point, size: Point) -> Box:
    (x, y), (width, height) = centre, size
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _at(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"

"""Flowcharts of the notebooks are drawn: nothing overlaps, few arrows cross, errors name a line."""

import re
import xml.etree.ElementTree as ET
from itertools import combinations

import nbformat
import numpy as np
import pytest

from lib import paths
from lib.report import mermaid
from lib.report.mermaid.drawing import draw, sampled, title
from lib.report.mermaid.source import read

FENCE = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)
SVG = "{http://www.w3.org/2000/svg}"
LOOP = "flowchart LR\nA[try] --> B{good?} -->|yes| C[done]\nB -->|no, once more| A"
LONG = "flowchart TD\nA --> B --> C --> D\nA -->|past both| D\nA & B -.->|why not| D"


def charts():
    """Every flowchart of the notebooks."""
    for path in sorted((paths.ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                yield from FENCE.findall(cell.source)


def random_chart(seed):
    """A flowchart of 3 to 9 nodes with arrows of every kind, some of them backwards."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 10))
    shapes = ('["text of {}<br>more"]', '[("store {}")]', "{{is {}?}}", "(round {})", "")
    lines = [f"N{i}{shapes[rng.integers(5)].format(i)}" for i in range(count)]
    pairs = [(a, b) for a, b in combinations(range(count), 2) if rng.random() < 2 / count]
    for a, b in pairs:
        a, b = (a, b) if rng.random() < 0.9 else (b, a)
        label = f"|label {a}{b}|" if rng.random() < 0.25 else ""
        lines.append(f"N{a} {'-->' if rng.random() < 0.7 else '-.->'}{label} N{b}")
    return "\n".join([f"flowchart {'LR' if rng.random() < 0.5 else 'TD'}", *lines])


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def holds(box, points, edge=1.0):
    """Number of points inside a box."""
    x, y = np.asarray(points).T
    left, top, right, bottom = box
    inside = (x > left + edge) & (x < right - edge) & (y > top + edge) & (y < bottom - edge)
    return int(inside.sum())


def crossings(text):
    """Places where the arrows of a flowchart cross."""
    drawing = draw(read(text))
    found = 0
    for a, b in combinations([sampled(way, drawing.graph.sideways) for way in drawing.ways], 2):
        p, r, q, s = a[:-1, None], np.diff(a, axis=0)[:, None], b[None, :-1], np.diff(b, axis=0)

        def cross(v, w):
            return v[..., 0] * w[..., 1] - v[..., 1] * w[..., 0]

        with np.errstate(divide="ignore", invalid="ignore"):
            t, u = cross(q - p, s) / cross(r, s), cross(q - p, r) / cross(r, s)
        found += int(((t > 0) & (t <= 1) & (u > 0) & (u <= 1)).sum())
    return found


def check(drawing):
    """Boxes apart, arrows in no other box, labels on nothing but their own arrow."""
    boxes, graph = drawing.boxes, drawing.graph
    for a, b in combinations(boxes, 2):
        assert not overlap(boxes[a], boxes[b]), (a, b)
    lines = [sampled(way, graph.sideways) for way in drawing.ways]
    for edge, line in zip(graph.edges, lines, strict=True):
        for name, box in boxes.items():
            assert not holds(box, line), f"{edge.tail} to {edge.head} runs through {name}"
    labels = [label for label in drawing.labels if label]
    for a, b in combinations(labels, 2):
        assert not overlap(a, b)
    for label in labels:
        assert not any(overlap(label, box) for box in boxes.values())


@pytest.mark.parametrize("text", [*charts(), LOOP, LONG])
def test_nothing_overlaps(text):
    drawing = draw(read(text))
    check(drawing)
    lines = [sampled(way, drawing.graph.sideways) for way in drawing.ways]
    for number, label in enumerate(drawing.labels):
        others = [line for other, line in enumerate(lines) if other != number]
        assert label is None or not any(holds(label, line) for line in others)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_overlaps_whatever_the_graph(seed):
    check(draw(read(random_chart(seed))))


def test_the_notebooks_have_flowcharts_that_a_page_can_hold():
    found = list(charts())
    assert len(found) >= 3
    for text in found:
        left, _, right, _ = draw(read(text)).frame
        assert right - left < 1.25 * 720, text  # smaller letters than 10 pixels at that width


def test_arrows_do_not_cross_where_they_need_not():
    swapped = "flowchart LR\nA --> Z\nB --> Y\nC --> X\nX & Y & Z --> E"
    assert crossings(swapped) == 0
    assert crossings("flowchart LR\nA & B --> C & D") == 1
    assert crossings("flowchart LR\nA & B & C --> X & Y & Z") == 9


def test_layers_follow_the_arrows():
    boxes = draw(read("flowchart LR\nA --> B --> C\nA --> C\nS --> C")).boxes
    assert boxes["A"][2] < boxes["B"][0] < boxes["B"][2] < boxes["C"][0]
    assert boxes["S"][0] > boxes["A"][2]  # a start stands next to what it leads to
    boxes = draw(read("flowchart TD\nA --> B")).boxes
    assert boxes["A"][3] < boxes["B"][1]


def test_a_chain_is_straight():
    drawing = draw(read("flowchart LR\nA[one] --> B[two<br>lines] --> C[three]"))
    assert len({round(y, 1) for way in drawing.ways for _, y in way}) == 1


def test_what_is_read_is_what_is_drawn():
    text = 'flowchart LR\n%% note\nA[("a < b<br>c")] -.->|why| B{choose} & C(round)\nB --> D'
    graph = read(text)
    assert [(e.tail, e.head, e.label, e.dashed) for e in graph.edges] == [
        ("A", "B", ("why",), True), ("A", "C", ("why",), True), ("B", "D", (), False)
    ]  # fmt: skip
    assert {name: node.shape for name, node in graph.nodes.items()} == {
        "A": "store", "B": "decision", "C": "round", "D": "box"
    }  # fmt: skip
    root = ET.fromstring(mermaid.svg(text))
    assert root.get("role") == "img"
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == title(graph)
    assert root[0].text.startswith("Flowchart: a < b c → choose (why); a < b c → round (why)")
    drawn = [span.text for span in root.iter(f"{SVG}tspan")]
    assert sorted(drawn) == sorted(["a < b", "c", "choose", "round", "D", "why", "why"])
    heads = [p for p in root.findall(f"{SVG}polygon") if p.get("stroke") is None]
    assert len(heads) == len(graph.edges)
    assert sum("stroke-dasharray" in path.attrib for path in root.iter(f"{SVG}path")) == 2


def test_everything_is_inside_the_frame():
    for text in (*charts(), LOOP, LONG):
        drawing = draw(read(text))
        left, top, right, bottom = drawing.frame
        for box in [*drawing.boxes.values(), *filter(None, drawing.labels)]:
            assert left < box[0] < box[2] < right
            assert top < box[1] < box[3] < bottom


def test_same_flowchart_same_bytes_and_no_ids_or_addresses():
    text = mermaid.svg(LOOP)
    assert text == mermaid.svg(LOOP)
    assert " id=" not in text
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_markup_in_a_text_stays_text():
    drawn = mermaid.svg('flowchart LR\nA["x & y < z"] --> B')
    assert "x &amp; y &lt; z" in drawn


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("sequenceDiagram\nA->>B: hi", 1, "expected 'flowchart LR'"),
        ("", 1, "expected 'flowchart LR'"),
        ("flowchart LR\nA --> B\nsubgraph one", 3, "cannot read 'one'"),
        ("flowchart LR\nA == B", 2, "cannot read '== B'"),
        ("flowchart LR\nA[open --> B", 2, "cannot read '[open"),
        ("flowchart LR\n\nA -->", 3, "expected a node"),
        ("flowchart LR\nA & --> B", 2, "expected a node"),
        ("flowchart LR\nA[<b>bold</b>]", 2, "cannot read '<b>'"),
        ("flowchart LR\nA --> A", 2, "leads to itself"),
        ("flowchart LR", 1, "without a node"),
    ],
)
def test_unknown_syntax_names_its_line(text, line, says):
    with pytest.raises(ValueError, match=f"^mermaid line {line}: ") as error:
        mermaid.svg(text)
    assert says in str(error.value)
    assert "\n" not in str(error.value)

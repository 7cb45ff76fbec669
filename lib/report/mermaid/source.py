"""The flowcharts of the notebooks, read: a small part of Mermaid, and an error for the rest.

Known: `flowchart` or `graph` with LR, TD or TB; nodes `A[text]`, `A["text<br>more"]`,
`A[("store")]`, `A{decision}`, `A(text)`; links `-->` and `-.->`, with `|label|`, in chains and
with `&`; comments after `%%`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

HEAD = re.compile(r"(?:flowchart|graph)\s+(LR|TD|TB)$")
NAME = re.compile(r"\w+")
QUOTED, BARE = r'"(?P<quoted>[^"]+)"', r"(?P<bare>[^\[\](){}|\"]+)"
SHAPES = {
    shape: re.compile(f"{left}(?:{QUOTED}|{BARE}){right}")
    for shape, left, right in (
        ("store", r"\[\(", r"\)\]"),
        ("box", r"\[", r"\]"),
        ("round", r"\(", r"\)"),
        ("decision", r"\{", r"\}"),
    )
}
LINK = re.compile(r"(?P<line>-->|-\.->)\s*(?:\|(?:\"(?P<quoted>[^\"|]+)\"|(?P<bare>[^|\"]+))\|)?")
BREAK = re.compile(r"\s*<br\s*/?>\s*")


@dataclass(frozen=True)
class Node:
    """One node: its text as lines, and box, round, store or decision."""

    lines: tuple[str, ...]
    shape: str = "box"


@dataclass(frozen=True)
class Edge:
    """One arrow between two nodes by name; label: its lines, none when it has no label."""

    tail: str
    head: str
    label: tuple[str, ...] = ()
    dashed: bool = False


@dataclass
class Graph:
    """A flowchart: nodes and edges in the order in which they are written."""

    sideways: bool  # True: left to right, False: top to bottom
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def texts(self) -> tuple[tuple[str, ...], ...]:
        """Lines of every node and of every label."""
        return (*(n.lines for n in self.nodes.values()), *(e.label for e in self.edges))


def read(text: str) -> Graph:
    """The flowchart of a fenced block; ValueError naming the line that cannot be read."""
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), start=1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("%%")]
    number, first = lines[0] if lines else (1, "")
    if not (head := HEAD.match(first)):
        raise ValueError(
            f"mermaid line {number}: expected 'flowchart LR' or 'flowchart TD', found {first!r}"
        )
    graph = Graph(sideways=head[1] == "LR")
    for number, line in lines[1:]:
        try:
            _Statement(line, graph).read()
        except ValueError as error:
            raise ValueError(f"mermaid line {number}: {error}") from None
    if not graph.nodes:
        raise ValueError(f"mermaid line {number}: a flowchart without a node")
    return graph


class _Statement:
    """One line: groups of nodes joined by links, read from left to right into the graph."""

    def __init__(self, line: str, graph: Graph) -> None:
        self.line, self.graph, self.at = line, graph, 0

    def read(self) -> None:
        tails = self._group()
        while self.at < len(self.line):
            if not (link := self._take(LINK)):
                raise ValueError(f"cannot read {self.line[self.at :]!r}")
            label, dashed = _lines(link), link["line"] == "-.->"
            heads = self._group()
            for tail in tails:
                for head in heads:
                    if tail == head:
                        raise ValueError(f"{tail} leads to itself; loops of one node are not drawn")
                    self.graph.edges.append(Edge(tail, head, label, dashed))
            tails = heads

    def _group(self) -> list[str]:
        names = [self._node()]
        while self.line.startswith("&", self.at):
            self._skip(1)
            names.append(self._node())
        return names

    def _node(self) -> str:
        if not (name := self._take(NAME, spaces=False)):
            raise ValueError(f"expected a node, found {self.line[self.at :]!r}")
        for shape, pattern in SHAPES.items():
            if found := self._take(pattern):
                self.graph.nodes[name[0]] = Node(_lines(found), shape)
                return name[0]
        self._skip(0)
        self.graph.nodes.setdefault(name[0], Node((name[0],)))
        return name[0]

    def _take(self, pattern: re.Pattern, spaces: bool = True) -> re.Match | None:
        """What stands here, if it matches; goes on behind it."""
        if found := pattern.match(self.line, self.at):
            self.at = found.end()
            if spaces:
                self._skip(0)
        return found

    def _skip(self, characters: int) -> None:
        rest = self.line[self.at + characters :]
        self.at = len(self.line) - len(rest.lstrip())


def _lines(found: re.Match) -> tuple[str, ...]:
    """Lines of a text or a label; ValueError for markup other than a line break."""
    text = (found["quoted"] or found["bare"] or "").strip()
    if tag := re.search(r"<(?!br\s*/?>)/?[a-z]+[^>]*>", text):
        raise ValueError(f"cannot read {tag[0]!r} in a text")
    return tuple(BREAK.split(text)) if text else ()

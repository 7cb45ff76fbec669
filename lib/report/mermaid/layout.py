"""Where the boxes and arrows of a flowchart go: layers by the longest path, few crossings.

Sugiyama, Tagawa & Toda (1981): break cycles, give each node a layer, order the layers by
barycentres, then set coordinates. All of it in (along, across): along the flow, across it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations, pairwise

import numpy as np

from lib.report.mermaid.source import Edge

SWEEPS = 12
GAP = 30  # least distance of two layers, pixels
ROOM = 24  # of it left free beside a label
APART = 18  # least distance of two boxes of a layer
NARROW = 8  # extent across of an arrow that passes a layer
PORT = 13  # distance of two arrows at the side of a box, where it has the room
CLOSE = 10  # least such distance
CORNER = 6  # no arrow begins or ends so near to the corner of a box
ARROW = 9  # length of an arrow head
STRAIGHT = 8  # how much more a link pulls at each of its ends that is a passing arrow

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Centre of every box, and the way of every arrow in the order of the edges.

    A way is a list of points; between an even point and the next the arrow is straight, between an
    odd one and the next it bends.
    """

    centres: dict[str, Point]
    ways: list[list[Point]]


@dataclass
class _Layers:
    """Layer by layer the items in order; an item is a node or (edge, layer) that passes it."""

    order: list[list]
    links: list[tuple]  # pairs of items of neighbouring layers, from the lower to the higher
    chains: list[list]  # items of every edge, from its tail to its head


def place(
    names: Sequence[str],
    edges: Sequence[Edge],
    sizes: Mapping[str, Point],
    labels: Sequence[Point],
    tips: Collection[str] = (),
) -> Layout:
    """Lay a flowchart out.

    sizes, labels: of boxes and of the edges' labels as (along, across), (0, 0) = no label; tips:
    nodes whose arrows meet in one point.
    """
    ranks = _ranks(names, edges)
    layers = _order(_split(names, edges, ranks))
    extent = {item: NARROW for layer in layers.order for item in layer} | {
        name: size[1] for name, size in sizes.items()
    }
    for chain, label in zip(layers.chains, labels, strict=True):
        for item in chain[1:-1]:
            extent[item] = max(extent[item], label[1])
    across = _across(layers, extent)
    starts, ends = _along(layers, ranks, edges, sizes, labels)
    middle = [(a + b) / 2 for a, b in zip(starts, ends, strict=True)]
    centres = {name: (middle[ranks[name]], across[name]) for name in names}
    ports = _ports(layers, across, extent, tips)
    ways = [
        _way(chain, number, centres, across, sizes, ports, (starts, ends), ranks)
        for number, chain in enumerate(layers.chains)
    ]
    return Layout(centres, ways)


def _ranks(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Layer of each node: longest path, then starts moved next to what they lead to."""
    forward = _acyclic(names, edges)
    ranks = dict.fromkeys(names, 0)
    for _ in names:  # as many rounds as the longest path can need
        for tail, head in forward:
            ranks[head] = max(ranks[head], ranks[tail] + 1)
    heads = {name: [h for t, h in forward if t == name] for name in names}
    fed = {head for _, head in forward}
    for name in names:
        if name not in fed and heads[name]:
            ranks[name] = min(ranks[head] for head in heads[name]) - 1
    return ranks


def _acyclic(names: Sequence[str], edges: Sequence[Edge]) -> list[tuple[str, str]]:
    """Pairs (lower, higher), an edge that would close a cycle turned round."""
    found: list[tuple[str, str]] = []
    above = {name: {name} for name in names}  # what each node leads to, itself included
    for edge in edges:
        pair = (edge.tail, edge.head) if edge.tail not in above[edge.head] else None
        low, high = pair or (edge.head, edge.tail)
        found.append((low, high))
        for reached in above.values():
            if low in reached:
                reached |= above[high]
    return found


def _split(names: Sequence[str], edges: Sequence[Edge], ranks: Mapping[str, int]) -> _Layers:
    """Layers in the order of writing; an edge over several layers becomes a chain."""
    order: list[list] = [[] for _ in range(max(ranks.values()) + 1)]
    for name in names:
        order[ranks[name]].append(name)
    links, chains = [], []
    for number, edge in enumerate(edges):
        step = 1 if ranks[edge.tail] < ranks[edge.head] else -1
        passed = [(number, r) for r in range(ranks[edge.tail] + step, ranks[edge.head], step)]
        for item in passed:
            order[item[1]].append(item)
        chains.append([edge.tail, *passed, edge.head])
        links += [pair[::step] for pair in pairwise(chains[-1])]
    return _Layers(order, links, chains)


def _order(layers: _Layers) -> _Layers:
    """The layers ordered so that few links cross: barycentres up and down, best order kept."""
    best, fewest = [list(layer) for layer in layers.order], _crossings(layers)
    starts = (best, [layer[::-1] for layer in best])
    for start in starts:
        layers.order = [list(layer) for layer in start]
        for sweep in range(SWEEPS):
            _sweep(layers, down=sweep % 2 == 0)
            if (crossings := _crossings(layers)) < fewest:
                best, fewest = [list(layer) for layer in layers.order], crossings
    layers.order = best
    return layers


def _sweep(layers: _Layers, down: bool) -> None:
    """Order each layer by the mean place of its neighbours in the layer before (or after)."""
    count = len(layers.order)
    for index in range(1, count) if down else range(count - 2, -1, -1):
        fixed = layers.order[index - 1 if down else index + 1]
        place = {item: i for i, item in enumerate(fixed)}
        near: dict = {item: [] for item in layers.order[index]}
        for low, high in layers.links:
            here, there = (high, low) if down else (low, high)
            if here in near and there in place:
                near[here].append(place[there])
        own = {item: i for i, item in enumerate(layers.order[index])}
        layers.order[index].sort(
            key=lambda item, near=near, own=own: np.mean(near[item]) if near[item] else own[item]
        )


def _crossings(layers: _Layers) -> int:
    """Number of pairs of links that cross."""
    where = {item: (r, i) for r, layer in enumerate(layers.order) for i, item in enumerate(layer)}
    spans = [(*where[low], where[high][1]) for low, high in layers.links]
    return sum(
        a[0] == b[0] and (a[1] - b[1]) * (a[2] - b[2]) < 0 for a, b in combinations(spans, 2)
    )


def _across(layers: _Layers, extent: Mapping) -> dict:
    """Coordinate across the flow: near the neighbours, at least APART from one another."""
    across = {}
    for layer in layers.order:
        at = np.cumsum([0.0] + [_apart(a, b, extent) for a, b in pairwise(layer)])
        across |= dict(zip(layer, at - at.mean(), strict=True))
    near: dict = {item: [] for item in across}
    for low, high in layers.links:
        near[low].append(high)
        near[high].append(low)
    for sweep in range(6 * SWEEPS):
        for layer in layers.order[:: 1 if sweep % 2 == 0 else -1]:
            pulls = [[_pull(item, other) for other in near[item]] for item in layer]
            weights = [sum(pull) or 1 for pull in pulls]
            wanted = [
                sum(p * across[other] for p, other in zip(pull, near[item], strict=True)) / weight
                if pull
                else across[item]
                for item, pull, weight in zip(layer, pulls, weights, strict=True)
            ]
            apart = [0.0] + [_apart(a, b, extent) for a, b in pairwise(layer)]
            across |= dict(zip(layer, _spread(wanted, weights, apart), strict=True))
    return {item: round(float(value), 1) for item, value in across.items()}


def _pull(first, second) -> int:
    return STRAIGHT ** (isinstance(first, tuple) + isinstance(second, tuple))


def _apart(first, second, extent: Mapping) -> float:
    return (extent[first] + extent[second]) / 2 + APART


def _spread(wanted: Sequence[float], weights: Sequence[float], apart: Sequence[float]) -> list:
    """Places nearest to `wanted` (weighted least squares) with the given distances kept.

    Isotonic regression after taking the distances off: pool neighbours that are out of order.
    """
    offset = list(accumulate(apart))
    pools: list[list[float]] = []  # mean, weight, members
    for value, shift, weight in zip(wanted, offset, weights, strict=True):
        pools.append([value - shift, weight, 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            (a, v, m), (b, w, n) = pools[-2:]
            pools[-2:] = [[(a * v + b * w) / (v + w), v + w, m + n]]
    flat = [mean for mean, _, members in pools for _ in range(int(members))]
    return [mean + shift for mean, shift in zip(flat, offset, strict=True)]


def _along(
    layers: _Layers,
    ranks: Mapping[str, int],
    edges: Sequence[Edge],
    sizes: Mapping[str, Point],
    labels: Sequence[Point],
) -> tuple[list[float], list[float]]:
    """Where each layer starts and ends along the flow; a gap is as wide as its labels need."""
    count = len(layers.order)
    gaps = [GAP] * (count - 1)
    for edge, label in zip(edges, labels, strict=True):
        low, high = sorted((ranks[edge.tail], ranks[edge.head]))
        if high - low == 1 and label[0]:
            gaps[low] = max(gaps[low], label[0] + ROOM)
    starts, ends = [0.0], []
    for rank in range(count):
        wide = max(sizes[item][0] for item in layers.order[rank] if item in sizes)
        ends.append(starts[-1] + wide)
        if rank < count - 1:
            starts.append(ends[-1] + gaps[rank])
    return starts, ends


def _ports(
    layers: _Layers, across: Mapping, extent: Mapping, tips: Collection[str]
) -> dict[tuple[int, str], float]:
    """Where across a box each of its arrows begins or ends, spread in the order of their ways."""
    rank = {item: r for r, layer in enumerate(layers.order) for item in layer}
    sides: dict = {}
    for number, chain in enumerate(layers.chains):
        for name, other in ((chain[0], chain[1]), (chain[-1], chain[-2])):
            sides.setdefault((name, rank[other] > rank[name]), []).append((across[other], number))
    ports = {}
    for (name, _), arrows in sides.items():
        room = 0 if name in tips else extent[name] - 2 * CORNER
        step = min(PORT, room / max(len(arrows) - 1, 1))
        for i, (_, number) in enumerate(sorted(arrows)):
            ports[number, name] = across[name] + (i - (len(arrows) - 1) / 2) * step
    return ports


def _way(chain, number, centres, across, sizes, ports, spans, ranks) -> list[Point]:
    """Points of one arrow: out of its box, through the layers it passes, into the next box."""
    starts, ends = spans
    tail, head = chain[0], chain[-1]
    step = 1 if ranks[tail] < ranks[head] else -1
    near, far = (starts, ends) if step > 0 else (ends, starts)  # side met first, side left last
    out, into = ports[number, tail], ports[number, head]
    way = [(centres[tail][0] + step * sizes[tail][0] / 2, out), (far[ranks[tail]], out)]
    for item in chain[1:-1]:
        way += [(near[item[1]], across[item]), (far[item[1]], across[item])]
    return [
        *way,
        (near[ranks[head]] - step * ARROW, into),
        (centres[head][0] - step * sizes[head][0] / 2, into),
    ]

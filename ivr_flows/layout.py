"""Place boxes in layers and lead arrows between them so that nothing overlaps.

After Sugiyama, Tagawa and Toda (1981). Every arrow's label is a vertex of its own, in a layer of
its own, and an arrow that passes a layer holds a free column there: so no line, label or box can
lie on another. Lengths are in pixels, x to the right, y down.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ivr_flows.layers import Size, Vertex, order, place, straighten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GAP_Y = 40.0
COLUMN = 10.0


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one box to another, with room for a label."""

    source: str
    target: str
    label: Size


@dataclass(frozen=True, slots=True)
class Rect:
    """Where something lies: its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The x of its middle."""
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Route:
    """An arrow's way: points to join, its label, and whether it leads back up."""

    points: tuple[tuple[float, float], ...]
    label: Rect
    is_back: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything in its place; `routes` in the order of the arrows given."""

    boxes: Mapping[str, Rect]
    routes: tuple[Route, ...]
    width: float
    height: float


def lay_out(boxes: Mapping[str, Size], arrows: Sequence[Arrow], start: str) -> Layout:
    """Place `boxes` below `start`, each under all that lead to it, and route `arrows`."""
    backs = _leading_back(boxes, arrows, start)
    ranks = _ranks(boxes, arrows, backs, start)
    box_at = {name: Vertex(2 * ranks[name], size) for name, size in boxes.items()}
    chains = [_chain(arrow, box_at, n in backs) for n, arrow in enumerate(arrows)]
    layers = _layers(box_at[start], box_at, chains)
    order(layers)
    place(layers)
    for chain in chains:
        straighten(layers, chain[1:-1])
    return _drawn(layers, box_at, chains, backs)


def _leading_back(
    boxes: Mapping[str, Size], arrows: Sequence[Arrow], start: str
) -> frozenset[int]:
    """Numbers of the arrows that close a circle."""
    leaving = defaultdict(list)
    for n, arrow in enumerate(arrows):
        leaving[arrow.source].append((n, arrow.target))
    backs: set[int] = set()
    done: set[str] = set()
    for first in (start, *boxes):
        way, open_ = [first], [iter(leaving[first])]
        while open_ and first not in done:
            n, target = next(open_[-1], (-1, ""))
            if n < 0:
                done.add(way.pop())
                open_.pop()
            elif target in way:
                backs.add(n)
            elif target not in done:
                way.append(target)
                open_.append(iter(leaving[target]))
    return frozenset(backs)


def _ranks(
    boxes: Mapping[str, Size], arrows: Sequence[Arrow], backs: frozenset[int], start: str
) -> dict[str, int]:
    ranks = dict.fromkeys((start, *boxes), 0)
    for _ in boxes:
        for n, arrow in enumerate(arrows):
            upper, lower = _downwards(arrow, n in backs)
            if upper != lower:
                ranks[lower] = max(ranks[lower], ranks[upper] + 1)
    return ranks


def _downwards(arrow: Arrow, is_back: bool) -> tuple[str, str]:  # noqa: FBT001 # said by name above
    return (arrow.target, arrow.source) if is_back else (arrow.source, arrow.target)


def _chain(arrow: Arrow, box_at: Mapping[str, Vertex], is_back: bool) -> list[Vertex]:  # noqa: FBT001 # said by name above
    """All vertices of an arrow from the upper to the lower box; the label near its source."""
    upper, lower = (box_at[name] for name in _downwards(arrow, is_back))
    bends = [
        Vertex(layer, Size(COLUMN, 0), is_bend=True)
        for layer in range(upper.layer + 1, lower.layer)
    ]
    if bends:
        labelled = bends[-1] if is_back else bends[0]
        labelled.size, labelled.is_bend = arrow.label, False
    chain = [upper, *bends, lower]
    for high, low in pairwise(chain):
        high.below.append(low)
        low.above.append(high)
    return chain


def _layers(
    start: Vertex, box_at: Mapping[str, Vertex], chains: Sequence[Sequence[Vertex]]
) -> list[list[Vertex]]:
    """All vertices by layer, first met first."""
    known: dict[Vertex, None] = {start: None}
    waiting = [start]
    while waiting:
        for vertex in reversed(waiting.pop().below):
            if vertex not in known:
                known[vertex] = None
                waiting.append(vertex)
    known.update(dict.fromkeys([*box_at.values(), *(v for chain in chains for v in chain)]))
    layers: list[list[Vertex]] = [[] for _ in range(max(v.layer for v in known) + 1)]
    for vertex in known:
        layers[vertex.layer].append(vertex)
    return layers


def _drawn(
    layers: list[list[Vertex]],
    box_at: Mapping[str, Vertex],
    chains: Sequence[Sequence[Vertex]],
    backs: frozenset[int],
) -> Layout:
    left = min(v.x - v.size.width / 2 for layer in layers for v in layer)
    right = max(v.x + v.size.width / 2 for layer in layers for v in layer)
    tops, bottoms, y = [], [], 0.0
    for layer in layers:
        tops.append(y)
        y += max(v.size.height for v in layer)
        bottoms.append(y)
        y += GAP_Y

    def rect(vertex: Vertex) -> Rect:
        x = vertex.x - left - vertex.size.width / 2
        return Rect(x, tops[vertex.layer], vertex.size.width, vertex.size.height)

    routes = []
    for n, chain in enumerate(chains):
        upper, lower = chain[0], chain[-1]
        leaves = _port(upper, upper.below, chain[1]) - left
        arrives = _port(lower, lower.above, chain[-2]) - left
        points = [(leaves, rect(upper).y + upper.size.height), (leaves, bottoms[upper.layer])]
        for vertex in chain[1:-1]:
            x = vertex.x - left
            points += [(x, tops[vertex.layer]), (x, bottoms[vertex.layer])]
        points.append((arrives, tops[lower.layer]))
        is_back = n in backs
        label = rect(chain[-2] if is_back else chain[1])
        routes.append(Route(tuple(reversed(points) if is_back else points), label, is_back))
    boxes = {name: rect(vertex) for name, vertex in box_at.items()}
    return Layout(boxes, tuple(routes), right - left, bottoms[-1])


def _port(vertex: Vertex, neighbours: Sequence[Vertex], neighbour: Vertex) -> float:
    """Where on a box's edge the arrow to `neighbour` starts: side by side in their order."""
    sides = sorted(neighbours, key=lambda other: other.place)
    room = min(36.0, (vertex.size.width - 40) / len(sides)) if not vertex.is_bend else 0.0
    return vertex.x + (sides.index(neighbour) - (len(sides) - 1) / 2) * room

"""Order vertices within their layers and choose their columns; lengths in pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP_X = 34.0
_ORDER_ROUNDS = 12
_PLACE_ROUNDS = 40


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of a box or a label."""

    width: float
    height: float


@dataclass(slots=True, eq=False)
class Vertex:
    """A box, a label, or a column held free for an arrow that passes the layer (`is_bend`)."""

    layer: int
    size: Size
    is_bend: bool = False
    place: int = 0
    x: float = 0.0
    above: list[Vertex] = field(default_factory=list)
    below: list[Vertex] = field(default_factory=list)


def order(layers: list[list[Vertex]]) -> None:
    """Sort each layer by its neighbours' places, down and up, and keep the fewest crossings."""
    best: tuple[int, list[list[Vertex]]] | None = None
    for turn in range(_ORDER_ROUNDS):
        _number(layers)
        crossings = _crossings(layers)
        if best is None or crossings < best[0]:
            best = (crossings, [list(layer) for layer in layers])
        down = turn % 2 == 0
        for layer in layers if down else reversed(layers):
            wish = {v: _mean(v.above if down else v.below, v) for v in layer}
            layer.sort(key=wish.__getitem__)
            _number([layer])
    if best is not None:
        layers[:] = best[1]
    _number(layers)


def _mean(neighbours: Sequence[Vertex], vertex: Vertex) -> float:
    return sum(n.place for n in neighbours or [vertex]) / max(len(neighbours), 1)


def _number(layers: list[list[Vertex]]) -> None:
    for layer in layers:
        for place, vertex in enumerate(layer):
            vertex.place = place


def _crossings(layers: list[list[Vertex]]) -> int:
    count = 0
    for layer in layers:
        ends = [(v.place, low.place) for v in layer for low in v.below]
        count += sum(
            (a[0] - b[0]) * (a[1] - b[1]) < 0 for n, a in enumerate(ends) for b in ends[:n]
        )
    return count


def place(layers: list[list[Vertex]]) -> None:
    """Move each vertex to the middle of its neighbours, as far as its own layer allows."""
    for layer in layers:
        _spread(layer, [0.0] * len(layer))
    for turn in range(_PLACE_ROUNDS):
        down = turn % 2 == 0
        for layer in layers if down else reversed(layers):
            wanted = []
            for vertex in layer:
                near = (vertex.above if down else vertex.below) or [vertex]
                wanted.append(sum(v.x for v in near) / len(near))
            _spread(layer, wanted)


def _spread(layer: Sequence[Vertex], wanted: Sequence[float]) -> None:
    """Give middles nearest to `wanted` (least squares) that keep order and gaps.

    Isotonic regression by pooling: neighbours that would overlap share the mean of their wishes.
    """
    offset, offsets = 0.0, []
    for n, vertex in enumerate(layer):
        if n:
            offset += (layer[n - 1].size.width + vertex.size.width) / 2 + GAP_X
        offsets.append(offset)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for vertex, want, off in zip(layer, wanted, offsets, strict=True):
        pool = (want - off, 6.0 if vertex.is_bend else 1.0, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, weight, many = pools.pop()
            both = weight + pool[1]
            pool = ((mean * weight + pool[0] * pool[1]) / both, both, many + pool[2])
        pools.append(pool)
    means = [mean for mean, _, many in pools for _ in range(many)]
    for vertex, mean, off in zip(layer, means, offsets, strict=True):
        vertex.x = mean + off


def straighten(layers: list[list[Vertex]], column: Sequence[Vertex]) -> None:
    """Put as many layers of an arrow as possible on one vertical line, the label's first."""
    run: list[Vertex] = []
    low, high = -math.inf, math.inf
    for vertex in column:
        begins, ends = _free(layers[vertex.layer], vertex)
        if max(low, begins) > min(high, ends):
            _align(run, low, high)
            run, low, high = [], -math.inf, math.inf
        run.append(vertex)
        low, high = max(low, begins), min(high, ends)
    _align(run, low, high)


def _align(run: Sequence[Vertex], low: float, high: float) -> None:
    if run:
        x = min(max(run[0].x, low), high)
        for vertex in run:
            vertex.x = x


def _free(layer: Sequence[Vertex], vertex: Vertex) -> tuple[float, float]:
    """Between which x a vertex may move without touching its neighbours in the layer."""
    low, high = -math.inf, math.inf
    if vertex.place > 0:
        left = layer[vertex.place - 1]
        low = left.x + (left.size.width + vertex.size.width) / 2 + GAP_X
    if vertex.place + 1 < len(layer):
        right = layer[vertex.place + 1]
        high = right.x - (right.size.width + vertex.size.width) / 2 - GAP_X
    return min(low, vertex.x), max(high, vertex.x)

"""Receptive fields: which pixels of the input one unit can see, exactly, through strides, dilation, pads and skips.

A unit's field is followed backward through the graph as, for each axis of each node, the set of places that matter. An
op on a grid (convolution, pooling, resizing) works axis by axis, so these sets lose nothing; the box they end in is
clipped to the input and ignores what falls on padding. For a network whose units all see boxes of one size, `extents`
gives that size in closed form (Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks",
Distill 2019).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from convoscope.errors import InputError
from convoscope.graph.graph import Graph
from convoscope.graph.places import Places, everywhere, sources_of

Box: TypeAlias = tuple[tuple[int, int], ...]

_MOST_KEPT = 100_000  # answers, of some hundred bytes each
_STORED = ("parameter", "buffer", "constant")


@dataclass(frozen=True)
class Field:
    """What one unit can see of one input.

    Attributes:
        node: The unit's node.
        unit: Its index, batch axis included.
        input: The input's node.
        box: For each axis of the input the first and the last place, both included: ((0, 0), (0, 2), (3, 9), (3, 9))
            for image 0, channels 0-2, rows 3-9, columns 3-9. Empty where the unit sees nothing of this input.
        exact: False where an op on the way is not known here and was taken to see all of its input.
    """

    node: str
    unit: tuple[int, ...]
    input: str
    box: Box
    exact: bool

    @property
    def pixels(self) -> tuple[tuple[int, int], ...]:
        """The box without the batch and channel axes: rows and columns of an image."""
        return self.box[2:]


def field(graph: Graph, node: str, unit: Sequence[int], source: str | None = None) -> Field:
    """What a unit can see of an input.

    Args:
        graph: The graph, at the batch size that the unit's index is for.
        node: A node's name, or a module's path for its last node.
        unit: The unit's index in the node's value, batch axis included.
        source: Which input; the graph's first where None.

    Raises:
        UnknownName: there is no such node.
        InputError: the unit is out of range.
    """
    found = graph.find(node)
    index, source = tuple(unit), source or graph.inputs[0]
    shape = found.shape
    if len(index) != len(shape) or not all(0 <= at < length for at, length in zip(index, shape, strict=True)):
        raise InputError(
            f"{found.name} has no unit {index}: its shape is {shape}.", hint="The first axis is the batch."
        )
    start = tuple(np.arange(length) == at for at, length in zip(index, shape, strict=True))
    seen = _SEEN.setdefault(graph, {})
    if source not in seen:
        seen[source] = _Seen(graph, source)
    return Field(found.name, index, source, *seen[source].of(found.name, start))


class _Seen:
    """What is seen of one input, followed backward; what a whole node sees, and what was asked before, is kept.

    In a loop that is written out, as a recurrent network is, nearly all units see all of the node before, or the same
    unit of it: without this every number's field would lead through the whole loop.
    """

    def __init__(self, graph: Graph, source: str) -> None:
        self._graph, self._source = graph, source
        self._nodes = tuple(graph.nodes.values())
        self._at = {node.name: at for at, node in enumerate(self._nodes)}
        self._whole: list[tuple[Box, bool]] = []  # of the first nodes, in order
        self._asked: dict[tuple[str, bytes], tuple[Box, bool]] = {}

    def of(self, node: str, places: Places) -> tuple[Box, bool]:
        """The box of the input that places of a node depend on, and whether each op on the way is known."""
        asked = (node, _digits(places))
        if asked in self._asked:
            return self._asked[asked]
        found: list[Box] = []
        exact, wanted, waiting = True, {node: places}, [-self._at[node]]
        while waiting:
            reader = self._nodes[-heapq.heappop(waiting)]
            needed = wanted.pop(reader.name)
            if not all(axis.any() for axis in needed):
                continue
            if reader.name == self._source:
                found.append(_box(needed))
            elif (seen := self._known(reader.name, needed, node)) is not None:
                found.append(seen[0])
                exact = exact and seen[1]
            elif reader.kind == "op":
                for name, more, known in sources_of(self._graph, reader, needed):
                    if name not in wanted:
                        heapq.heappush(waiting, -self._at[name])
                    before = wanted.get(name)
                    wanted[name] = more if before is None else tuple(a | b for a, b in zip(before, more, strict=True))
                    exact = exact and (known or self._graph.nodes[name].kind in _STORED)
        if len(self._asked) == _MOST_KEPT:
            self._asked.clear()
        return self._asked.setdefault(asked, (_around(found), exact))

    def _known(self, name: str, places: Places, start: str) -> tuple[Box, bool] | None:
        """What is known already of places on the way from `start`; None where they are to be followed."""
        if name == start or self._graph.nodes[name].kind != "op":
            return None
        if all(axis.all() for axis in places):
            return self._of_all(self._at[name])
        return self._asked.get((name, _digits(places)))

    def _of_all(self, at: int) -> tuple[Box, bool]:
        for node in self._nodes[len(self._whole) : at + 1]:
            op = node.kind == "op" or node.name == self._source
            seen = self.of(node.name, everywhere(node.shape)) if op and node.dtype != "tuple" else ((), True)
            self._whole.append(seen)
        return self._whole[at]


def _digits(places: Places) -> bytes:
    return b"|".join(axis.tobytes() for axis in places)


def _box(places: Places) -> Box:
    return tuple((int(np.argmax(axis)), int(len(axis) - 1 - np.argmax(axis[::-1]))) for axis in places)


def _around(boxes: Sequence[Box]) -> Box:
    """The smallest box around boxes; those of nothing are empty."""
    axes = zip(*(box for box in boxes if box), strict=True)
    return tuple((min(first for first, _ in ends), max(last for _, last in ends)) for ends in map(tuple, axes))


_SEEN: WeakKeyDictionary[Graph, dict[str, _Seen]] = WeakKeyDictionary()

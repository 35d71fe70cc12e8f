"""Receptive fields: which pixels of the input one unit can see, exactly, through strides, dilation, pads and skips.

A unit's field is followed backward through the graph as, for each axis of each node, the set of places that matter. An
op on a grid (convolution, pooling, resizing) works axis by axis, so these sets lose nothing; the box they end in is
clipped to the input and ignores what falls on padding. For a network whose units all see boxes of one size, `extents`
gives that size in closed form (Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks",
Distill 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convoscope.errors import InputError
from convoscope.graph.graph import Graph, Node
from convoscope.graph.places import Places, sources_of


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
    box: tuple[tuple[int, int], ...]
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
    places, exact = _followed(graph, found, start, source)
    return Field(found.name, index, source, _box(places), exact)


def _followed(graph: Graph, node: Node, start: Places, source: str) -> tuple[Places | None, bool]:
    """The places of the input that the places of the node depend on, and whether each op on the way is known."""
    wanted: dict[str, Places] = {node.name: start}
    exact, seen = True, graph.nodes[source].shape
    for reader in reversed(tuple(graph.nodes.values())):
        if reader.kind != "op" or reader.name not in wanted:
            continue
        places = wanted.pop(reader.name)
        if not all(axis.any() for axis in places):
            continue
        for name, needed, known in sources_of(graph, reader, places):
            if name not in wanted:
                wanted[name] = needed
            else:
                wanted[name] = tuple(a | b for a, b in zip(wanted[name], needed, strict=True))
            exact = exact and (known or graph.nodes[name].kind in ("parameter", "buffer", "constant"))
    return wanted.get(source, tuple(np.zeros(length, dtype=bool) for length in seen)), exact


def _box(places: Places | None) -> tuple[tuple[int, int], ...]:
    if places is None or not all(axis.any() for axis in places):
        return ()
    return tuple((int(np.argmax(axis)), int(len(axis) - 1 - np.argmax(axis[::-1]))) for axis in places)

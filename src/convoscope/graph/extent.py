"""Extents: the size of every unit's receptive field, a node, in closed form, for the network's table.

After Araujo, Norris and Sim (Distill 2019): along one axis a layer with kernel k, dilation d, stride s and left padding
p turns a field of size r, at steps of j pixels, the first one starting at pixel f, into

    size  r + (d (k - 1)) j        step  s j        start  f - p j

Where paths meet, as in a skip, the field reaches from the first start to the last end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from convoscope.graph.graph import Graph, Node
from convoscope.graph.places import SAME_PLACE
from convoscope.graph.run import is_pointwise
from convoscope.graph.taps import CONVOLUTIONS, POOLS, windows


@dataclass(frozen=True)
class Axis:
    """Along one axis of the input: unit i of the node sees the pixels from `start + i * step` on, `size` of them."""

    size: int
    step: int
    start: int


@dataclass(frozen=True)
class Extent:
    """What each unit of a node sees of an image.

    Attributes:
        axes: One for each grid axis (rows, columns), padding included; None where it is the whole image or where it
            differs from unit to unit in another way, which `field` tells for each.
    """

    axes: tuple[Axis, ...] | None

    def __str__(self) -> str:
        return "×".join(str(axis.size) for axis in self.axes) if self.axes is not None else "all"


def extents(graph: Graph, source: str | None = None) -> dict[str, Extent]:
    """The extent of each op that depends on an input.

    Args:
        graph: The graph.
        source: Which input, (N, C, and one or more grid axes); the graph's first where None.
    """
    source = source or graph.inputs[0]
    dims = len(graph.nodes[source].shape) - 2
    found = {source: Extent(tuple(Axis(1, 1, 0) for _ in range(max(dims, 0))))}
    for node in graph.nodes.values():
        if node.kind == "op" and any(name in found for name in node.inputs):
            found[node.name] = Extent(_axes(graph, node, found, dims))
    del found[source]
    return found


def _axes(graph: Graph, node: Node, found: dict[str, Extent], dims: int) -> tuple[Axis, ...] | None:
    read = [found[name].axes for name in node.inputs if name in found]
    known = [axes for axes in read if axes is not None]
    if len(known) != len(read) or len(node.shape) != dims + 2 or dims < 1:
        return None
    if node.op in CONVOLUTIONS | POOLS:
        shapes = {name: graph.nodes[name].shape for name in node.inputs}
        return tuple(_slid(axis, *windows(node, shapes, place)) for place, axis in enumerate(known[0]))
    if node.op in ("pad", "slice"):
        return _shifted(node, known[0], dims)
    grids = {graph.nodes[name].shape[2:] for name in node.inputs if name in found}
    same = node.op in SAME_PLACE or is_pointwise(node) or (node.op == "batch_norm" and not node.argument("training"))
    if grids != {node.shape[2:]} or not (same or _of_channels(node, dims)):
        return None
    joined = [_joined(axes) for axes in zip(*known, strict=True)]
    return tuple(axis for axis in joined if axis is not None) if None not in joined else None


def _of_channels(node: Node, dims: int) -> bool:
    """Whether the op joins or picks channels, which leaves rows and columns where they are."""
    return node.op in ("cat", "index_select") and node.argument("dim") in (1, -dims - 1)


def _shifted(node: Node, axes: tuple[Axis, ...], dims: int) -> tuple[Axis, ...] | None:
    """Constant padding puts the first unit further left, a slice further right; neither does so along channels."""
    found = list(axes)
    if node.op == "pad":
        pads = node.argument("pad")
        if node.argument("mode") != "constant" or not isinstance(pads, tuple) or len(pads) > 2 * dims + 2:
            return None
        for place, left in enumerate(pads[: 2 * dims : 2]):  # the last axis comes first
            axis = found[dims - 1 - place]
            found[dims - 1 - place] = replace(axis, start=axis.start - int(str(left)) * axis.step)
        return tuple(found)
    place = int(str(node.argument("dim"))) % (dims + 2) - 2
    begin, stride = int(str(node.argument("start") or 0)), int(str(node.argument("step")))
    if place >= 0:
        if begin < 0:
            return None
        axis = found[place]
        found[place] = replace(axis, start=axis.start + begin * axis.step, step=axis.step * stride)
    return tuple(found)


def _slid(axis: Axis, kernel: int, stride: int, dilation: int, padding: int) -> Axis:
    return Axis(axis.size + dilation * (kernel - 1) * axis.step, axis.step * stride, axis.start - padding * axis.step)


def _joined(axes: tuple[Axis, ...]) -> Axis | None:
    """The field of a unit that paths with these fields meet in; None where they move at different steps."""
    if len({axis.step for axis in axes}) != 1:
        return None
    start = min(axis.start for axis in axes)
    return Axis(max(axis.start + axis.size for axis in axes) - start, axes[0].step, start)

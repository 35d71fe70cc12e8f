"""Taps: which places of the input each place of the output reads, for the ops that slide a window over a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from convoscope.graph.graph import Node, Ref
from convoscope.graph.run import compute

Table: TypeAlias = NDArray[np.bool_]  # (output places, input places) along one axis
Shapes: TypeAlias = dict[str, tuple[int, ...]]


def words(text: str) -> frozenset[str]:
    """The names in a text."""
    return frozenset(text.split())


CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d"})
TRANSPOSED = frozenset({"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"})
POOLS = words(
    "max_pool1d max_pool2d max_pool3d max_pool2d_with_indices max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d"
)
ADAPTIVE = words(
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d "
    "_adaptive_avg_pool2d"
)
RESIZES = words("upsample_linear1d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d")
GRIDS = CONVOLUTIONS | TRANSPOSED | POOLS | ADAPTIVE | RESIZES


def windows(node: Node, shapes: Shapes, axis: int) -> tuple[int, int, int, int]:
    """The kernel, stride, dilation and left padding of a convolution or pooling along one of its grid axes.

    Args:
        node: A convolution, a transposed one, or a pooling.
        shapes: Of its inputs.
        axis: From 0, the grid axes only.
    """

    def along(name: str, default: int) -> int:
        value = node.argument(name) if name in node.argument_names else default
        if not isinstance(value, tuple):
            return int(str(value))
        return int(str(value[axis if len(value) > 1 else 0])) if value else default

    if node.op in POOLS:
        kernel = along("kernel_size", 1)
        stride, dilation = along("stride", kernel), along("dilation", 1)
    else:
        weight = node.argument("weight")
        kernel = shapes[weight.node][axis + 2] if isinstance(weight, Ref) else 1
        stride, dilation = along("stride", 1), along("dilation", 1)
    padding = node.argument("padding")
    if isinstance(padding, str):
        return kernel, stride, dilation, dilation * (kernel - 1) // 2 if padding == "same" else 0
    return kernel, stride, dilation, along("padding", 0)


def grid_places(node: Node, places: tuple[Table, ...], shapes: Shapes) -> tuple[Table, ...]:
    """The places of the op's input that places of its output depend on.

    Args:
        node: An op in `GRIDS`.
        places: A mask for each axis of its value.
        shapes: Of its inputs, by name, the one it slides over first.
    """
    shape = next(iter(shapes.values()))
    dims = int(node.op.removesuffix("_with_indices").removesuffix("d")[-1])
    lead = len(shape) - dims
    found = list(places[:lead])
    if node.op in CONVOLUTIONS | TRANSPOSED:
        groups = int(str(node.argument("groups")))
        used = np.asarray(places[lead - 1].reshape(groups, -1).any(axis=1))
        found[lead - 1] = np.repeat(used, shape[lead - 1] // groups)
    for axis in range(dims):
        mask = places[lead + axis]
        table = _table(node, shapes, axis, shape[lead + axis], len(mask))
        found.append(np.asarray(table[mask].any(axis=0)))
    return tuple(found)


def _table(node: Node, shapes: Shapes, axis: int, n_in: int, n_out: int) -> Table:
    if node.op in ADAPTIVE:
        return _adaptive(n_in, n_out)
    if node.op in RESIZES:
        return _resized(node, next(iter(shapes.values())), axis)
    kernel, stride, dilation, padding = windows(node, shapes, axis)
    taps = dilation * np.arange(kernel) - padding
    if node.op in TRANSPOSED:
        return _marked(np.arange(n_in)[:, None] * stride + taps, n_in, n_out).T
    return _marked(np.arange(n_out)[:, None] * stride + taps, n_out, n_in)


def _marked(places: NDArray[np.int_], rows: int, columns: int) -> Table:
    """A table with row r true at `places[r]`, where these are columns at all: the rest fall on padding."""
    table = np.zeros((rows, columns), dtype=bool)
    row = np.broadcast_to(np.arange(rows)[:, None], places.shape)
    inside = (places >= 0) & (places < columns)
    table[row[inside], places[inside]] = True
    return table


def _adaptive(n_in: int, n_out: int) -> Table:
    out, at = np.arange(n_out)[:, None], np.arange(n_in)
    return (at >= out * n_in // n_out) & (at < -((out + 1) * n_in // -n_out))


def _resized(node: Node, shape: Sequence[int], axis: int) -> Table:
    """Resizes images that are 1 on one row only: what is not 0 in the outcome depends on that row."""
    dims = int(node.op[-2])
    lead, length = len(shape) - dims, shape[len(shape) - dims + axis]
    lengths = (length if other == axis else 1 for other in range(dims))
    rows = torch.eye(length, dtype=torch.float64).reshape(length, 1, *lengths)
    images = rows.expand(length, 1, *shape[lead:]).contiguous()
    source = node.args[0]
    name = source.node if isinstance(source, Ref) else ""
    made = compute(node, {name: images}, device=torch.device("cpu"))  # (length, 1, output's grid)
    moved = made[:, 0].movedim(axis + 1, 1).reshape(length, made.shape[axis + 2], -1)
    return np.asarray((moved[:, :, 0] != 0).numpy().T)

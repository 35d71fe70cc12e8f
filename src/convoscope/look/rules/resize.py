"""Ops that work axis by axis: padding, turning, rolling, repeating and resizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from convoscope.graph.graph import Node
from convoscope.look.expr import Expression
from convoscope.look.rules.line import Line, by_lines, from_map, ints, line
from convoscope.look.rules.rule import At, NoRule, Place, Rule, See, grid, name_of, optional, rule, summed


@by_lines("pad")  # fmt: skip
def pad(node: Node, see: See) -> dict[int, Line]:
    """Numbers added around: (1, 2, 3) with one before is (0, 1, 2, 3), reflected (2, 1, 2, 3), replicated (1, 1, 2, 3).

    Backward each unit takes dloss/dy of all its copies. The widths start at the last axis; a negative one cuts.
    """
    mode = str(node.argument("mode"))
    widths: Sequence[int] = node.argument("pad")  # type: ignore[assignment]  # its schema says ints
    shape = see.shape(name_of(node.args[0]))
    numpy_modes: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    lines: dict[int, Line] = {}
    for k in range(len(widths) // 2):
        axis = len(shape) - 1 - k
        before, after = int(widths[2 * k]), int(widths[2 * k + 1])
        own = np.arange(shape[axis])[max(-before, 0) : shape[axis] - max(-after, 0)]
        around = (max(before, 0), max(after, 0))
        if mode == "constant":
            lines[axis] = from_map(np.pad(own, around, constant_values=-1), shape[axis])
        else:
            lines[axis] = from_map(np.pad(own, around, mode=numpy_modes[mode]), shape[axis])
    return lines


@by_lines("flip")
def flip(node: Node, see: See) -> dict[int, Line]:
    """Axes turned round: (1, 2, 3) gives (3, 2, 1), and dloss/dy comes back turned round."""
    shape = see.shape(name_of(node.args[0]))
    axes = ints(node.argument("dims"), 1)
    return {axis % len(shape): from_map(np.arange(shape[axis])[::-1], shape[axis]) for axis in axes}


@by_lines("roll")
def roll(node: Node, see: See) -> dict[int, Line]:
    """Axes moved round: (1, 2, 3) by one gives (3, 1, 2)."""
    shape = see.shape(name_of(node.args[0]))
    shifts, axes = ints(node.argument("shifts"), 1), ints(node.argument("dims"), 1)
    if len(axes) != len(shifts):
        raise NoRule("roll has a rule for named axes only")
    moved: dict[int, Line] = {}
    for shift, axis in zip(shifts, axes, strict=True):
        moved[axis % len(shape)] = from_map(np.roll(np.arange(shape[axis]), shift), shape[axis])
    return moved


@by_lines("repeat_interleave")
def repeat_interleave(node: Node, see: See) -> dict[int, Line]:
    """Each number several times: (1, 2) by 2 gives (1, 1, 2, 2); backward the copies' dloss/dy add up."""
    shape = see.shape(name_of(node.args[0]))
    repeats = node.argument("repeats")
    if not isinstance(repeats, int) or optional(node, "dim") is None:
        raise NoRule("repeat_interleave has a rule for one count along one axis only")
    axis = int(node.argument("dim"))  # type: ignore[arg-type]  # its schema says int
    return {axis % len(shape): from_map(np.repeat(np.arange(shape[axis]), repeats), shape[axis])}


@rule("repeat", "tile")
class Repeat(Rule):
    """The whole several times over: (1, 2) by 2 gives (1, 2, 1, 2); backward the copies' dloss/dy add up."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The unit it is a copy of: each index modulo the size, axes added in front left out."""
        source = name_of(node.args[0])
        shape = see.shape(source)
        own = at[len(at) - len(shape) :]
        return see.unit(source, tuple(index % size for index, size in zip(own, shape, strict=True)))

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002 - it has one input
        """dloss/dy of all copies."""
        shape, source = see.shape(node.name), see.shape(name_of(node.args[0]))
        front = len(shape) - len(source)
        steps = [np.arange(i, n, own) for i, own, n in zip(at, source, shape[front:], strict=True)]
        places = grid(shape, *(np.arange(n) for n in shape[:front]), *steps)
        return summed(see.gradients(node, places), len(places), "it is repeated 0 times")


@by_lines(
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d", "upsample_bilinear2d",
    "upsample_trilinear3d", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d",
    "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa",
)  # fmt: skip
def upsample(node: Node, see: See) -> dict[int, Line]:
    """Each position is a weighted sum of near ones: (1, 3) to four, linear: 1, 0.75·1 + 0.25·3 = 1.5, 2.5, 3.

    An axis' weights are what the op itself makes of a single 1 at each position of that axis, the other axes kept at
    size 2: torch's own weights in the model's precision, half-pixel centres, align_corners and scale factors as given.
    (At size 1 torch 2.13's antialiasing forgets to resize the rows.)
    """
    source = name_of(node.args[0])
    shape, outs = see.shape(source), see.shape(node.name)
    dtype = see.tensor(source).dtype
    n_axes = len(shape) - 2
    given = optional(node, "output_size")
    scales: Any = () if given else node.argument("scale_factors") or ()
    lines: dict[int, Line] = {}
    for k in range(n_axes):
        axis = 2 + k
        beside = [shape[axis] if j == k else 2 for j in range(n_axes)]
        ones = torch.eye(shape[axis], dtype=dtype).view(-1, 1, *(n if j == k else 1 for j, n in enumerate(beside)))
        sizes: dict[str, Any] = {"output_size": None, "scale_factors": None}
        if scales:
            sizes["scale_factors"] = [float(scales[k]) if j == k else 1.0 for j in range(n_axes)]
        else:
            sizes["output_size"] = [outs[axis] if j == k else 2 for j in range(n_axes)]
        rest = {name: node.argument(name) for name in node.argument_names[1:] if name not in sizes}
        resized = getattr(torch.ops.aten, node.op).vec(ones.expand(-1, 1, *beside).contiguous(), **sizes, **rest)
        weights = resized[(slice(None), 0, *(slice(None) if j == k else 0 for j in range(n_axes)))].numpy()
        at_source, at_out = np.nonzero(weights)
        lines[axis] = line(at_out, at_source, shape[axis], weight=weights[at_source, at_out].astype(np.float64))
    return lines

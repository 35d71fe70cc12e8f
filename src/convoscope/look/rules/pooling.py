"""Pooling: means and largest units over windows."""

from __future__ import annotations

import numpy as np

from convoscope.graph.graph import Node
from convoscope.look.expr import Choose, Column, Each, Expression, Number, one_of
from convoscope.look.expr_slope import times
from convoscope.look.rules.line import Line, by_lines, ints, line, window
from convoscope.look.rules.rule import (
    OUTPUT,
    At,
    Place,
    Rule,
    See,
    flat_of,
    grid,
    name_of,
    none,
    optional,
    rule,
    summed,
)


@by_lines("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(node: Node, see: See) -> dict[int, Line]:
    """The mean over a window: (1, 3) gives 2, and each of the two takes half of dloss/dy.

    What it divides by (torch's AvgPoolKernel): the window cut off at the padded edge, padding counted as 0 or left out
    with count_include_pad=False, or the divisor given.
    """
    n_axes = int(node.op[-2])
    kernel = ints(node.argument("kernel_size"), n_axes)
    stride = ints(node.argument("stride"), n_axes) or kernel
    padding = ints(node.argument("padding"), n_axes)
    divisor = optional(node, "divisor_override")
    sizes, outs = see.shape(name_of(node.args[0]))[-n_axes:], see.shape(node.name)
    lines: dict[int, Line] = {}
    for k in range(n_axes):
        axis = len(outs) - n_axes + k
        found = window(sizes[k], outs[axis], kernel[k], stride[k], padding[k], 1)
        start = found.out * stride[k] - padding[k]
        end = np.minimum(start + kernel[k], sizes[k] + padding[k])
        if divisor:
            # One divisor for the whole window: it stands on the first axis alone.
            weight = np.full(len(start), 1 / float(divisor) if k == 0 else 1.0)  # type: ignore[arg-type]
        elif node.argument("count_include_pad"):
            weight = 1 / (end - start)
        else:
            weight = 1 / (np.minimum(end, sizes[k]) - np.maximum(start, 0))
        lines[axis] = Line(found.out, found.source, found.tap, weight)
    return lines


def _adaptive(size: int, n_out: int) -> Line:
    """Position o reads from floor(o size / n_out) to ceil((o + 1) size / n_out): size 5 to 3 is 0-1, 1-3, 3-4."""
    starts = [o * size // n_out for o in range(n_out)]
    ends = [-((-(o + 1) * size) // n_out) for o in range(n_out)]
    out = [o for o in range(n_out) for _ in range(starts[o], ends[o])]
    source = [i for o in range(n_out) for i in range(starts[o], ends[o])]
    weight = [1 / (ends[o] - starts[o]) for o in out]
    return line(
        np.asarray(out), np.asarray(source), size, np.asarray(source) - np.asarray(starts)[out], np.asarray(weight)
    )


@by_lines("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def adaptive_avg_pool(node: Node, see: See) -> dict[int, Line]:
    """The mean over as many windows as asked for: (1, 3, 5) to one gives 3, each taking a third of dloss/dy."""
    n_axes = int(node.op[-2])
    shape, outs = see.shape(name_of(node.args[0])), see.shape(node.name)
    return {axis: _adaptive(shape[axis], outs[axis]) for axis in range(len(outs) - n_axes, len(outs))}


@rule(
    "max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d",
)  # fmt: skip
class MaxPool(Rule):
    """The largest unit of a window: (1, 3, 3) gives 3, and dloss/dy goes to the first 3 alone, as in torch."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """Which unit of the window was chosen; its position in the plane for the op's second value."""
        source = name_of(node.args[0])
        lines = self._lines(node, see)
        places = self._window(node, at, lines, see)
        winner = _first_largest(see.numbers(source, places))
        if optional(node, OUTPUT, 0) == 1:
            n_plane = int(np.prod(see.shape(source)[-len(lines) :]))
            return Number(float(places[winner] % n_plane), "position of the largest in its plane")
        return Choose(
            (Each(see.units(source, places), len(places)),), winner, "the largest of the window, the first if tied"
        )

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002 - it has one input
        """dloss/dy of the windows that chose this unit."""
        if optional(node, OUTPUT, 0) == 1:
            return none("a position has no slope")
        source, shape = name_of(node.args[0]), see.shape(node.name)
        lines = self._lines(node, see)
        lead = len(shape) - len(lines)
        reached = [one.read_by(position).out for one, position in zip(lines, at[lead:], strict=True)]
        outs = grid(shape, *at[:lead], *reached)
        own = flat_of(at, see.shape(source))
        won = []
        for flat in outs:
            window_at = tuple(int(i) for i in np.unravel_index(int(flat), shape))
            places = self._window(node, window_at, lines, see)
            won.append(places[_first_largest(see.numbers(source, places))] == own)
        if not len(outs):
            return none("it is in no window")
        chose = one_of("the window chose this unit", np.asarray(won), 0.0, 1.0)
        return summed(times([see.gradients(node, outs), chose]), len(outs), "it is in no window")

    def _window(self, node: Node, at: At, lines: list[Line], see: See) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        lead = len(at) - len(lines)
        picked = [one.reads(position).source for one, position in zip(lines, at[lead:], strict=True)]
        return grid(see.shape(name_of(node.args[0])), *at[:lead], *picked)

    def _lines(self, node: Node, see: See) -> list[Line]:
        n_axes = int(node.op[node.op.index("pool") + 4])
        sizes, outs = see.shape(name_of(node.args[0]))[-n_axes:], see.shape(node.name)[-n_axes:]
        if node.op.startswith("adaptive"):
            return [_adaptive(size, n_out) for size, n_out in zip(sizes, outs, strict=True)]
        kernel = ints(node.argument("kernel_size"), n_axes)
        stride = ints(node.argument("stride"), n_axes) or kernel
        padding, dilation = ints(node.argument("padding"), n_axes), ints(node.argument("dilation"), n_axes)
        return [window(*each) for each in zip(sizes, outs, kernel, stride, padding, dilation, strict=True)]


def _first_largest(values: Column | np.ndarray[tuple[int], np.dtype[np.float64]]) -> int:
    return int(np.argmax(np.asarray(values)))

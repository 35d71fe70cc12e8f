"""Lines: how one axis of a value reads one axis of another, for all ops that work axis by axis.

A convolution's window, a pool's window, padding, resizing and rolling are each a product of lines: output position
`out[k]` reads input position `source[k]` through tap `tap[k]` with weight `weight[k]`. Read forward it says what a unit
is made from; read backward, which units an input reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from convoscope.graph.graph import Node
from convoscope.look.expr import Column, Expression, Number
from convoscope.look.expr_slope import times
from convoscope.look.rules.rule import RULES, At, Place, Rule, See, grid, name_of, none, summed

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Line:
    """The pairs (out, source) of one axis, each with its tap and weight: four arrays of one length."""

    out: Ints
    source: Ints
    tap: Ints
    weight: NDArray[np.float64]

    def reads(self, out: int) -> Line:
        """The pairs of one output position."""
        return self._where(self.out == out)

    def read_by(self, source: int) -> Line:
        """The pairs of one input position."""
        return self._where(self.source == source)

    def through(self, tap: int) -> Line:
        """The pairs of one tap."""
        return self._where(self.tap == tap)

    def turned(self) -> Line:
        """The same pairs with the two ends exchanged."""
        return Line(self.source, self.out, self.tap, self.weight)

    def _where(self, mask: NDArray[np.bool_]) -> Line:
        return Line(self.out[mask], self.source[mask], self.tap[mask], self.weight[mask])


def line(
    out: Ints, source: Ints, size: int, tap: Ints | None = None, weight: NDArray[np.float64] | None = None
) -> Line:
    """A line of these pairs; those that read outside [0, size) are left out."""
    out, source = np.asarray(out, np.int64).reshape(-1), np.asarray(source, np.int64).reshape(-1)
    tap = np.zeros_like(out) if tap is None else np.asarray(tap, np.int64).reshape(-1)
    weight = np.ones(len(out)) if weight is None else np.asarray(weight, np.float64).reshape(-1)
    inside = (source >= 0) & (source < size)
    return Line(out[inside], source[inside], tap[inside], weight[inside])


@lru_cache(maxsize=512)
def window(size: int, n_out: int, kernel: int, stride: int, padding: int, dilation: int) -> Line:
    """A sliding window: position o reads o·stride - padding + t·dilation through tap t.

    Size 5, kernel 3, stride 2, padding 1: position 0 reads 0, 1 (tap 0 is padding); 1 reads 1, 2, 3; 2 reads 3, 4.
    """
    out, tap = np.divmod(np.arange(n_out * kernel), kernel)
    return line(out, out * stride - padding + tap * dilation, size, tap)


def from_map(source: Sequence[int] | Ints, size: int) -> Line:
    """Each position reads the one given; -1 reads none."""
    return line(np.arange(len(source)), np.asarray(source, np.int64), size)


LinesOf = Callable[[Node, See], dict[int, Line]]


class Lines(Rule):
    """y = Σ over the window of weight · x, the weight a product over the axes; axes without a line stay.

    A mean of 2 over (1, 3): 1/2 × 1 + 1/2 × 3 = 2. Backward each input takes its weight times dloss/dy from every
    window that it is in.
    """

    def __init__(self, lines_of: LinesOf) -> None:
        self.lines_of = lines_of
        self.__doc__ = lines_of.__doc__

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The weighted sum over the window; the fill value where the window is all padding."""
        source = name_of(node.args[0])
        shape = see.shape(source)
        picked = {axis: one.reads(at[axis]) for axis, one in self.lines(node, see).items()}
        places = grid(shape, *(picked[axis].source if axis in picked else at[axis] for axis in range(len(shape))))
        if not len(places):
            fill = node.argument("value") if "value" in node.argument_names else None
            return Number(float(fill or 0.0), "padding")  # type: ignore[arg-type]  # its schema says float or None
        return self._weighted(see.units(source, places), picked, "no unit")

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002 - it has one input
        """The same weights times dloss/dy, over the windows that the input unit is in."""
        shape = see.shape(node.name)
        picked = {axis: one.read_by(at[axis]) for axis, one in self.lines(node, see).items()}
        places = grid(shape, *(picked[axis].out if axis in picked else at[axis] for axis in range(len(shape))))
        if not len(places):
            return none(f"no unit of {node.name} reads it")
        return self._weighted(see.gradients(node, places), picked, f"no unit of {node.name} reads it")

    def lines(self, node: Node, see: See) -> dict[int, Line]:
        """The lines of a node by axis, made once a pass."""
        key = ("lines", node.name)
        if key not in see.memo:
            see.memo[key] = self.lines_of(node, see)
        found: dict[int, Line] = see.memo[key]
        return found

    def _weighted(self, column: Column, picked: dict[int, Line], why_none: str) -> Expression:
        weights = np.ones(1)
        for axis in sorted(picked):
            weights = np.multiply.outer(weights, picked[axis].weight).reshape(-1)
        count = len(column.values)
        if np.all(weights == weights[0]):
            share = Number(float(weights[0]), "weight of each")
            return times([Number(1.0) if share.value == 1.0 else share, summed(column, count, why_none)])
        return summed(times([Column("number", weights, meaning="weight"), column]), count, why_none)


def by_lines(*ops: str) -> Callable[[LinesOf], LinesOf]:
    """Registers a function that gives a node's lines as the rule of each op."""

    def register(lines_of: LinesOf) -> LinesOf:
        for op in ops:
            RULES.add(op, Lines(lines_of))
        return lines_of

    return register


def ints(argument: object, n_axes: int) -> tuple[int, ...]:
    """One int for each axis from an op's argument: one int or a list of one stands for all, () and None for none."""
    if argument is None or argument == ():
        return ()
    given = tuple(argument) if isinstance(argument, tuple) else (argument,)
    return tuple(int(i) for i in (given * n_axes if len(given) == 1 else given))

"""Ops that make each number from those at the same place: one formula gives the value and, by calculus, the slope.

A formula is a function of expressions, in the order of the op's schema. It is written once, over columns: one row for
one unit, many rows for all the units that a broadcast number reaches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from convoscope.graph.graph import Node, Ref
from convoscope.look.expr import Column, Expression, Number, Places, Product, take, total
from convoscope.look.expr_slope import is_number, slope, times
from convoscope.look.rules.rule import (
    OUTPUT,
    RULES,
    At,
    Place,
    Rule,
    See,
    flat_of,
    grid,
    none,
    referred,
    size_of,
    summed,
)

Formula = Callable[..., Expression]
MEAN = 1  # torch's numbers for a loss's reduction: 0 none, 1 mean, 2 sum


class Pointwise(Rule):
    """Forward: the formula at one place. Backward: dloss/dy times the formula's slope, summed over where x is used."""

    def __init__(self, formula: Formula, sloped: Formula | None = None) -> None:
        self.formula, self.sloped = formula, sloped or formula
        self.__doc__ = formula.__doc__

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The formula of the units at this place."""
        shape = see.shape(node.name)
        columns = self.columns(node, np.asarray([flat_of(at, shape)], np.int64), shape, see)
        return take(self.written(self.formula, node, columns), 0)

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """dloss/dy times the formula's slope, for each place that the argument's unit is broadcast to."""
        shape = see.shape(node.name)
        places = self.reached(at, see.shape(referred(node, place)), shape)
        columns = self.columns(node, places, shape, see)
        by = slope(self.written(self.sloped, node, columns), columns[place])
        if is_number(by, 0.0):
            return none(f"{node.op} is flat here")
        return summed(times([see.gradients(node, places), by]), len(places), "it is broadcast to no unit")

    def columns(self, node: Node, places: Places, shape: At, see: See) -> dict[Place, Column]:
        """Each argument's units, as the result's units at `places` read them."""
        return {
            Place(name): see.units(argument.node, self.spread(places, shape, see.shape(argument.node)))
            for name, argument in zip(node.argument_names, node.args, strict=False)
            if isinstance(argument, Ref)
        }

    def written(self, formula: Formula, node: Node, columns: dict[Place, Column]) -> Expression:
        """A formula of the node's arguments."""
        arguments: list[Any] = []
        for name, argument in zip(node.argument_names, node.args, strict=False):
            if isinstance(argument, Ref):
                arguments.append(columns[Place(name)])
            elif isinstance(argument, (int, float)) and not isinstance(argument, bool):
                arguments.append(Number(float(argument), name))
            elif name != OUTPUT:
                arguments.append(argument)
        return formula(*arguments)

    def spread(self, places: Places, shape: At, source: At) -> Places:
        """The unit of a broadcast argument that each unit of the result reads; shapes meet at their last axes."""
        return spread(places, shape, source)

    def reached(self, at: At, source: At, shape: At) -> Places:
        """The units of the result that read the argument's unit at `at`."""
        return reached(at, source, shape)


class Reduced(Pointwise):
    """A pointwise formula of a loss, then its mean or sum as the op's `reduction` says."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The formula, or the sum of it over all units, divided by their number where it is a mean."""
        if not node.argument("reduction"):
            return super().forward(node, at, see)
        shape = self._shape(node, see)
        places = np.arange(size_of(shape))
        added = total(self.written(self.formula, node, self.columns(node, places, shape, see)), len(places))
        return Product((_share(len(places)), added)) if node.argument("reduction") == MEAN else added

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """dloss/dy times the formula's slope, divided by the number of units where it is a mean."""
        if not node.argument("reduction"):
            return super().backward(node, place, at, see)
        shape = self._shape(node, see)
        places = self.reached(at, see.shape(referred(node, place)), shape)
        columns = self.columns(node, places, shape, see)
        by = slope(self.written(self.sloped, node, columns), columns[place])
        if is_number(by, 0.0):
            return none(f"{node.op} is flat here")
        share = _share(size_of(shape)) if node.argument("reduction") == MEAN else Number(1.0)
        return summed(times([see.gradient(node, ()), share, by]), len(places), "it is broadcast to no unit")

    def _shape(self, node: Node, see: See) -> At:
        return tuple(np.broadcast_shapes(*(see.shape(part.node) for part in node.args if isinstance(part, Ref))))


def pointwise(
    *ops: str, kind: type[Pointwise] = Pointwise, sloped: Formula | None = None
) -> Callable[[Formula], Formula]:
    """Registers a formula as the rule of each op; `sloped` is what its slope is of, where torch differs there."""

    def register(formula: Formula) -> Formula:
        for op in ops:
            RULES.add(op, kind(formula, sloped))
        return formula

    return register


def spread(places: Places, shape: At, source: At) -> Places:
    """The unit of a broadcast argument that each unit of the result reads; shapes meet at their last axes."""
    if shape == source:
        return places
    axes = np.unravel_index(places, shape)[len(shape) - len(source) :]
    flat = np.zeros_like(places)
    for axis, size in zip(axes, source, strict=True):
        flat = flat * size + (axis if size != 1 else 0)
    return flat


def reached(at: At, source: At, shape: At) -> Places:
    """The units of the result that a broadcast argument's unit reaches, as flat indices."""
    if source == shape:
        return np.asarray([flat_of(at, shape)], np.int64)
    inner = len(shape) - len(source)
    axes: list[Any] = [np.arange(size) for size in shape[:inner]]
    for index, own, size in zip(at, source, shape[inner:], strict=True):
        axes.append(np.arange(size) if own == 1 else index)
    return grid(shape, *axes)


def _share(count: int) -> Number:
    return Number(1 / count, f"1 / {count} units")

"""Softmax and its logarithm: each number depends on all numbers along the axis."""

from __future__ import annotations

import numpy as np

from convoscope.graph.graph import Node
from convoscope.look.expr import Column, Expression, Places
from convoscope.look.expr_functions import apply
from convoscope.look.expr_slope import times
from convoscope.look.rules.reduction import log_sum_exp
from convoscope.look.rules.rule import At, Place, Rule, See, flat_of, grid, name_of, rule, summed


class Along(Rule):
    """What the two share: the units along the axis, and which of them is asked about."""

    def along(self, node: Node, at: At, see: See) -> tuple[Places, int, Column]:
        """The flat indices along the axis, the place among them, and 1 at that place as a column."""
        shape = see.shape(node.name)
        axis = int(node.argument("dim")) % max(len(shape), 1)  # type: ignore[arg-type]  # its schema says int
        places = grid(shape, *(np.arange(n) if k == axis else at[k] for k, n in enumerate(shape)))
        inside = int(np.flatnonzero(places == flat_of(at, shape))[0])
        return places, inside, Column("number", np.arange(len(places)) == inside, meaning="1 for the unit itself")


@rule("softmax")
class Softmax(Along):
    """exp(x_i) / Σ exp(x_k): (0, 0) gives 1/2 each; dy_j/dx_i = y_j ([i = j] - y_i): 1/4 and -1/4 (Bridle 1990)."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """exp(x - log Σ exp)."""
        places, _, _ = self.along(node, at, see)
        source = name_of(node.args[0])
        return apply("exp", see.unit(source, at) - log_sum_exp(see.units(source, places), len(places)))

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002 - it has one input
        """Σ_j dloss/dy_j · y_j ([i = j] - y_i)."""
        places, _, own = self.along(node, at, see)
        y = see.units(node.name, places)
        return summed(times([see.gradients(node, places), y, own - see.unit(node.name, at)]), len(places), "no unit")


@rule("log_softmax")
class LogSoftmax(Along):
    """x_i - log Σ exp(x_k): (0, 0) gives -0.693 each; dy_j/dx_i = [i = j] - exp(y_i): 1/2 and -1/2."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """Gives x - log Σ exp."""
        places, _, _ = self.along(node, at, see)
        source = name_of(node.args[0])
        return see.unit(source, at) - log_sum_exp(see.units(source, places), len(places))

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002
        """Σ_j dloss/dy_j ([i = j] - exp(y_i))."""
        places, _, own = self.along(node, at, see)
        by = own - apply("exp", see.unit(node.name, at))
        return summed(times([see.gradients(node, places), by]), len(places), "no unit")

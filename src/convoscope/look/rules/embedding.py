"""Looking up: rows of a table by number, and 1 at the place of a number."""

from __future__ import annotations

import numpy as np

from convoscope.graph.graph import Node
from convoscope.look.expr import Expression, one_of
from convoscope.look.rules.rule import At, NoRule, Place, Rule, See, grid, name_of, none, optional, rule, summed


@rule("embedding")
class Embedding(Rule):
    """y[i] = w[number_i]: number 1 of the rows (5, 7) gives 7; back, a row takes dloss/dy from where it was picked."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The weight in the row of the number."""
        row = int(see.tensor(name_of(node.argument("indices")))[at[:-1]])
        return see.unit(name_of(node.argument("weight")), (row, at[-1]))

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """dloss/dy at every place that picked the row; nothing for the padding row."""
        if place.name != "weight":
            return none("a number has no slope")
        if optional(node, "scale_grad_by_freq"):
            raise NoRule("gradients scaled by frequency have no rule")
        padding = node.argument("padding_idx")
        shape = see.shape(node.name)
        if padding is not None and padding >= 0 and at[0] == padding:  # type: ignore[operator]  # its schema says int
            return none("it is the padding row, which is not trained")
        picked = np.flatnonzero(see.tensor(name_of(node.argument("indices"))).reshape(-1).cpu().numpy() == at[0])
        places = grid((int(np.prod(shape[:-1])), shape[-1]), picked, at[1])
        return summed(see.gradients(node, places), len(places), "no number of this pass picks the row")


@rule("one_hot")
class OneHot(Rule):
    """1 at the number's place, 0 elsewhere: 1 of 3 gives (0, 1, 0). Flat."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """Whether this place is the number's."""
        number = see.unit(name_of(node.args[0]), at[:-1])
        return one_of(f"{number.node} is {at[-1]}", number.value == at[-1], 0.0, 1.0)  # type: ignore[attr-defined]

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002 - it is flat
        """Nothing."""
        return none("a number has no slope")

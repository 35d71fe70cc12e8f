"""How far an image is from each of the images that are remembered: what its nearest neighbours are found by."""

from __future__ import annotations

import numpy as np

from convoscope.graph.graph import Node
from convoscope.look.expr import Column, Expression, one_of, total
from convoscope.look.expr_functions import apply
from convoscope.look.rules.rule import At, NoRule, Place, Rule, See, name_of, rule


@rule("distances")
class Distances(Rule):
    """From (1, 2) to (4, 6): l2 is √(9 + 16) = 5, l1 is 3 + 4 = 7, cosine is 1 - 16 / (√5 · √52) = 0.0077."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """All differences between the image and one reference, at every pixel."""
        image, reference = name_of(node.argument("x")), name_of(node.argument("references"))
        query, row = at
        n = see.shape(image)[1]
        x = see.units(image, query * n + np.arange(n))
        r = see.units(reference, row * n + np.arange(n))
        metric = str(node.argument("metric"))
        if metric == "l2":
            return apply("sqrt", total((x - r) * (x - r), n, "squared distance"))
        if metric == "l1":
            return total(one_of("the larger less the smaller", x.value >= r.value, r - x, x - r), n)
        return self._cosine(x, r, n)

    def _cosine(self, x: Column, r: Column, n: int) -> Expression:
        lengths = [apply("sqrt", total(one * one, n, "squared length")) for one in (x, r)]
        if not (x.value.any() and r.value.any()):
            # An image of zeros has no direction; it counts as being at a right angle to all.
            return 1.0 - total(x * r, n)
        return 1.0 - total(x * r, n) / lengths[0] / lengths[1]

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002 - one signature
        """None: what is nearest changes in jumps.

        Raises:
            NoRule: always.
        """
        raise NoRule("nothing goes back through distances: what is nearest changes in jumps, which have no slope")

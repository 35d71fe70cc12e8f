"""Numbers that depend on no input: fills, ranges, and what was drawn at random."""

from __future__ import annotations

from typing import Any

from convoscope.graph.graph import Node
from convoscope.look.expr import Expression, Number
from convoscope.look.rules.rule import At, Place, Rule, See, none, optional, rule


class Constant(Rule):
    """A number by a formula of its place; nothing goes back."""

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002 - it is flat
        """Nothing."""
        return none("only its shape is read")


@rule("zeros", "zeros_like", "new_zeros", "ones", "ones_like", "new_ones", "full", "full_like", "new_full")  # fmt: skip
class Fill(Constant):
    """The same number everywhere: full((3,), 2) is (2, 2, 2)."""

    def forward(self, node: Node, at: At, see: See) -> Expression:  # noqa: ARG002 - the same everywhere
        """0, 1 or the number given."""
        if "zeros" in node.op or "ones" in node.op:
            return Number(0.0 if "zeros" in node.op else 1.0)
        given: Any = node.argument("fill_value")
        return Number(float(given), "the number given")


@rule("arange", "linspace", "eye")
class Ranged(Constant):
    """A number by its place: arange(1, 7, 2) is (1, 3, 5), linspace(0, 1, 3) is (0, 0.5, 1), eye 1 on the diagonal."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """Start plus place times step."""
        if node.op == "eye":
            return Number(float(at[0] == at[1]))
        start: Any = optional(node, "start", 0)
        first = Number(float(start), "start")
        if node.op == "arange":
            step: Any = optional(node, "step", 1)
            return first + Number(float(at[0]), "place") * Number(float(step), "step")
        end: Any = node.argument("end")
        n_steps = see.shape(node.name)[0]
        step = (float(end) - float(start)) / (n_steps - 1) if n_steps > 1 else 0.0
        return first + Number(float(at[0]), "place") * Number(step, "(end - start) / (steps - 1)")


@rule("rand", "randn", "rand_like", "randn_like", "bernoulli")
class Drawn(Constant):
    """A number drawn at random in this pass: 0.37 is 0.37 as recorded, and depends on no input."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The recorded number."""
        return Number(float(see.tensor(node.name)[at]), "drawn at random in this pass")

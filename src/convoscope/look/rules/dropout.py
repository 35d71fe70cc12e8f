"""Dropout: in training each number is either dropped or enlarged, as the pass's own mask says."""

from __future__ import annotations

from convoscope.graph.graph import Node
from convoscope.look.expr import Expression, Number, one_of
from convoscope.look.rules.rule import At, NoRule, Place, Rule, See, name_of, rule


@rule("dropout", "feature_dropout", "alpha_dropout")
class Dropout(Rule):
    """y = x · mask: 2 kept at p = 0.5 is 2 × 2 = 4 with slope 2; dropped it is 0 with slope 0; in evaluation y = x."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """x, times the mask in training."""
        x = see.unit(name_of(node.args[0]), at)
        return self._mask(node, at, see) * x if node.argument("train") else x

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002 - it has one input
        """dloss/dy, times the mask in training."""
        gradient = see.gradient(node, at)
        return gradient * self._mask(node, at, see) if node.argument("train") else gradient

    def _mask(self, node: Node, at: At, see: See) -> Expression:
        if "alpha" in node.op:
            raise NoRule("the mask of alpha dropout is not recorded")
        probability = float(node.argument("p"))  # type: ignore[arg-type]  # its schema says float
        kept = self._recorded(node, at, see)
        scale = Number(1 / (1 - probability) if probability < 1 else 0.0, f"1 / (1 - p), p = {probability!r}")
        return one_of("kept by this pass's dropout mask", kept, 0.0, scale)

    def _recorded(self, node: Node, at: At, see: See) -> bool:
        masks = getattr(see.seen, "mask", None)
        mask = masks(node.name) if masks is not None else None
        if mask is not None:
            return bool(mask.expand(see.shape(node.name))[at] != 0)
        if not see.tensor(name_of(node.args[0]))[at]:
            raise NoRule("the input is 0, so the value does not tell whether dropout kept it, and no mask was recorded")
        return bool(see.tensor(node.name)[at] != 0)

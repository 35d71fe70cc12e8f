"""What a rule may ask of one pass: any node's value and gradient, and the graph they stand in."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from convoscope.graph.graph import Graph


class Seen(Protocol):
    """One forward and backward pass with every node's value and gradient kept."""

    graph: Graph

    def value(self, node: str) -> Tensor:
        """The node's recorded value, as the model computed it, whole (batch axis included)."""
        ...

    def gradient(self, node: str) -> Tensor | None:
        """dloss/dvalue of the whole node, same shape; None where the loss does not depend on it or none was asked."""
        ...

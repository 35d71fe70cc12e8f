"""What a capture keeps: any node's value, gradient and statistics, and the way into any number's arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from convoscope.errors import InputError
from convoscope.graph.graph import Graph, Node

if TYPE_CHECKING:
    from convoscope.look.derive import Why

Direction = Literal["forward", "backward"]


@dataclass(frozen=True)
class Stats:
    """A node's value in four numbers.

    Attributes:
        minimum: The smallest value.
        mean: The mean value.
        maximum: The largest value.
        dead: The share, 0 to 1, of channels (axis 1) that are 0 at every position of every image.
    """

    minimum: float
    mean: float
    maximum: float
    dead: float


class Captured:
    """One forward and backward pass, kept: it implements `Seen`, which rules, views and diagnoses read.

    Attributes:
        graph: The graph, at the batch size of the inputs.
    """

    def __init__(
        self, graph: Graph, values: Mapping[str, Any], gradients: Mapping[str, Tensor], masks: Mapping[str, Tensor]
    ) -> None:
        self.graph = graph
        self._values, self._gradients, self._masks = values, gradients, masks

    def value(self, node: str) -> Tensor:
        """The node's value as the model computed it, batch axis included; a module's path means its last node.

        Raises:
            UnknownName: there is no such node; near names are listed.
            InputError: the node makes several values, or was not computed as no target was given.
        """
        found = self._values.get(node)
        if found is None:
            name = self.graph.find(node).name
            if name not in self._values:
                raise InputError(f"{name} was not computed: it needs a target.", hint="Give the image's class.")
            found = self._values[name]
        if not isinstance(found, Tensor):
            parts = ", ".join(self.graph.consumers[self.graph.find(node).name])
            raise InputError(f"{node} makes several values.", hint=f"Ask for one of them: {parts}.")
        return found

    def gradient(self, node: str) -> Tensor | None:
        """dloss/dvalue, of the value's shape; None where the loss does not depend on it or none was asked.

        Raises:
            UnknownName: there is no such node; near names are listed.
        """
        return self._gradients.get(node if node in self._values else self.graph.find(node).name)

    def mask(self, node: str) -> Tensor | None:
        """What a dropout node multiplied its input by, 0 or 1/(1-p) each; None for other nodes and in eval mode.

        Raises:
            UnknownName: there is no such node; near names are listed.
        """
        return self._masks.get(self.graph.find(node).name)

    def stats(self, node: str) -> Stats:
        """The least, mean and largest value of a node, and the share of its channels that are 0 throughout.

        Raises:
            UnknownName: there is no such node; near names are listed.
            InputError: the node makes several values, or was not computed.
        """
        value = self.value(node)
        numbers = value if value.is_floating_point() else value.double()
        channels = numbers.movedim(1, 0).flatten(1) if numbers.dim() > 1 else numbers.reshape(-1, 1)
        dead = (channels == 0).all(dim=1).double().mean()
        low, high = torch.aminmax(numbers)
        return Stats(float(low), float(numbers.mean(dtype=torch.float64)), float(high), float(dead))

    def why(self, node: str, unit: Sequence[int] = (), direction: Direction = "forward") -> Why:
        """The arithmetic of one number: the sum that made it, or the one that made its gradient.

        Args:
            node: A node's name, or a module's path for its last node.
            unit: The number's index in the node's value; the batch axis may be left out where the batch is 1.
            direction: "forward" for the value, "backward" for dloss/dvalue.

        Raises:
            UnknownName: there is no such node; near names are listed.
            InputError: the unit is out of range, or the direction is neither.
        """
        from convoscope.look.derive import derive  # the rules are needed only here

        if direction not in ("forward", "backward"):
            raise InputError(f"There is no direction {direction!r}.", hint="Known: forward, backward.")
        found = self.graph.find(node)
        return derive(self, found.name, self.index(found, unit), direction)

    def index(self, node: Node, unit: Sequence[int]) -> tuple[int, ...]:
        """The unit's full index in the node's value.

        Args:
            node: A node of the graph.
            unit: With the batch axis, or without it where the batch is 1.

        Raises:
            InputError: the unit has the wrong number of axes or is out of range.
        """
        shape = tuple(self.value(node.name).shape)
        full = tuple(unit)
        without = len(full) == len(shape) - 1 and shape[0] == 1 and node.kind in ("op", "input")
        full = (0, *full) if without else full
        if len(full) == len(shape) and all(0 <= at < length for at, length in zip(full, shape, strict=True)):
            return full
        last = ", ".join(str(length - 1) for length in shape)
        raise InputError(
            f"{node.name} has no unit {tuple(unit)}: its value has shape {shape}.",
            hint=f"A unit is {len(shape)} numbers from 0 to at most ({last})"
            + (", the first of which may be left out." if shape and shape[0] == 1 else "."),
        )

"""What joins layers: a sum with what went past them, branches side by side, and a list in which some read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """then(body(x) + x), or then(body(x) + project(x)) where the body changes the shape.

    Args:
        body: The layers on the way.
        project: What brings the input to the shape of the body's output; None where it has it.
        then: What follows the sum; None for nothing.
    """

    def __init__(self, body: nn.Module, project: nn.Module | None, then: nn.Module | None) -> None:
        super().__init__()
        self.body = body
        self.project = project
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (N, ...) to the shape of the body's output."""
        residual = self.body(x)
        y: Tensor = residual + (x if self.project is None else self.project(x))
        return y if self.then is None else self.then(y)


class Branches(nn.Module):
    """The same input through each branch; their outputs one behind the other along the channels, or their sum.

    Args:
        branches: By name, in order.
        join: "concat" or "add".
    """

    def __init__(self, branches: Mapping[str, nn.Module], join: str) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (N, ...) to (N, channels of all branches, ...), or for a sum to the shape of each."""
        outputs = [branch(x) for branch in self.children()]
        return torch.cat(outputs, 1) if self.join == "concat" else _sum(outputs)

    def extra_repr(self) -> str:
        """How they are joined."""
        return f"join={self.join}"


class Add(nn.Module):
    """The sum of several layers' outputs.

    Args:
        projections: For each output behind the first, what brings it to the first one's shape; None where it has it.
    """

    def __init__(self, projections: Sequence[nn.Module | None]) -> None:
        super().__init__()
        for number, projection in enumerate(projections, start=1):
            self.add_module(f"project{number}", projection)

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """Maps tensors (N, ...) to one of the first one's shape."""
        brought = self._modules.values()
        return _sum([x, *(y if to is None else to(y) for to, y in zip(brought, others, strict=True))])


class Concat(nn.Module):
    """Several layers' outputs one behind the other along the channels."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Maps tensors (N, C_i, ...) to (N, sum of C_i, ...)."""
        return torch.cat(inputs, 1)


class Wired(nn.Module):
    """Layers in a row, some of which read more, or other, than the one before.

    Args:
        layers: By name, in order.
        reads: For each the names of those whose outputs it takes, "input" for what the row is given.
    """

    def __init__(self, layers: Mapping[str, nn.Module], reads: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self._reads = dict(reads)

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (N, ...) to the last layer's output."""
        outputs = {"input": x}
        for name, layer in self.named_children():
            x = outputs[name] = layer(*(outputs[source] for source in self._reads[name]))
        return x

    def extra_repr(self) -> str:
        """Who reads what, where it is not the one before alone."""
        before, told = "input", []
        for name, sources in self._reads.items():
            if sources != (before,):
                told.append(f"{name} reads {', '.join(sources)}")
            before = name
        return "; ".join(told)


def _sum(terms: Sequence[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total

"""The activation functions by name, and which of them a network can learn through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convoscope.registry import Registry


class Step(nn.Module):
    """The threshold unit: 1 where x >= 0, else 0 (McCulloch and Pitts 1943). Its derivative is 0 wherever it exists."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps x of any shape to 0 and 1 of the same shape."""
        return torch.where(x >= 0, torch.ones_like(x), torch.zeros_like(x))


@dataclass(frozen=True)
class Activation:
    """One entry: how to make the module, its formula, and why nothing can be learnt through it ("" where it can)."""

    make: Callable[[], nn.Module]
    formula: str
    cannot_learn: str = ""


ACTIVATIONS: Registry[Activation] = Registry("activation")
ACTIVATIONS.add("sigmoid", Activation(nn.Sigmoid, "1 / (1 + exp(-x))"))
ACTIVATIONS.add("tanh", Activation(nn.Tanh, "(exp(x) - exp(-x)) / (exp(x) + exp(-x))"))
ACTIVATIONS.add("relu", Activation(nn.ReLU, "max(0, x)"))
ACTIVATIONS.add("elu", Activation(nn.ELU, "x where x > 0, else exp(x) - 1"))
ACTIVATIONS.add("prelu", Activation(nn.PReLU, "x where x > 0, else a x with a learnt slope a (0.25 at first)"))
ACTIVATIONS.add("leaky", Activation(nn.LeakyReLU, "x where x > 0, else 0.01 x"))
ACTIVATIONS.add("gelu", Activation(nn.GELU, "x times the normal distribution function at x"))
ACTIVATIONS.add(
    "step",
    Activation(
        Step,
        "1 where x >= 0, else 0",
        cannot_learn=(
            "The step threshold is flat on both sides, so its derivative is 0 everywhere it exists: by the chain rule "
            "every gradient behind it is 0, and no weight there would ever change."
        ),
    ),
)

LEARNABLE = tuple(name for name, entry in ACTIVATIONS.items() if not entry.cannot_learn)


def activation(name: str) -> nn.Module:
    """A new module of the activation `name`; raises UnknownName with the near names."""
    return ACTIVATIONS[name].make()

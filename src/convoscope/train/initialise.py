"""How weights are drawn before the first step; biases of the layers drawn here start at 0."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from convoscope.registry import Registry

INITIALISATIONS: Registry[Callable[[Tensor], Tensor] | None] = Registry("initialisation")
INITIALISATIONS.add("default", None)


@INITIALISATIONS.register("normal")
def normal(weight: Tensor) -> Tensor:
    """A normal distribution of mean 0 and standard deviation 0.01."""
    return nn.init.normal_(weight, std=0.01)


@INITIALISATIONS.register("xavier")
def xavier(weight: Tensor) -> Tensor:
    """Variance 2 / (fan-in + fan-out), normal: keeps values and gradients level through tanh (Glorot, Bengio 2010)."""
    return nn.init.xavier_normal_(weight)


@INITIALISATIONS.register("kaiming")
def kaiming(weight: Tensor) -> Tensor:
    """Variance 2 / fan-in, normal: keeps values level through ReLU, which drops half of them (He et al. 2015)."""
    return nn.init.kaiming_normal_(weight, nonlinearity="relu")


@INITIALISATIONS.register("orthogonal")
def orthogonal(weight: Tensor) -> Tensor:
    """Rows (or columns) at right angles and of length sqrt(2), the gain for ReLU (Saxe et al. 2014)."""
    return nn.init.orthogonal_(weight, gain=2**0.5)


@torch.no_grad()
def initialise(model: nn.Module, name: str) -> None:
    """Draws the weights of all convolutions and fully connected layers anew from torch's global generator."""
    draw = INITIALISATIONS[name]
    if draw is None:
        return
    for layer in model.modules():
        if isinstance(layer, nn.modules.conv._ConvNd | nn.Linear):
            draw(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

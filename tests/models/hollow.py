"""Networks of shapes without numbers, which cost next to nothing, and what they can be asked."""

from __future__ import annotations

import math

import torch
from torch import nn

from convoscope.models import build, undrawn

Shape = tuple[int, int, int]


def hollow(name: str, shape: Shape, n_classes: int, **options: object) -> nn.Module:
    """A network on the meta device."""
    with torch.device("meta"), undrawn():
        return build(name, shape, n_classes, options)


def shapes_of(model: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    """Its state dict, name and shape of each tensor, in order."""
    return [(key, tuple(value.shape)) for key, value in model.state_dict().items()]


def n_parameters(model: nn.Module) -> int:
    """How many numbers it can learn."""
    return sum(parameter.numel() for parameter in model.parameters())


def outputs(model: nn.Module, shape: Shape) -> dict[str, tuple[int, ...]]:
    """What every module puts out for one image, without the batch axis, by its path."""
    found: dict[str, tuple[int, ...]] = {}

    def note(name: str, y: torch.Tensor) -> None:
        found[name] = tuple(y.shape[1:])

    hooks = [
        module.register_forward_hook(lambda *parts, name=name: note(name, parts[2]))
        for name, module in model.named_modules()
        if name
    ]
    with torch.no_grad():
        model.eval()(torch.empty(1, *shape, device="meta"))
    for hook in hooks:
        hook.remove()
    return found


def n_multiply_adds(model: nn.Module, shape: Shape) -> int:
    """Those of the convolutions and fully connected layers for one image."""
    total = 0
    at = outputs(model, shape)
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            total += math.prod(at[name]) * layer.weight[0].numel()
        elif isinstance(layer, nn.Linear):
            total += layer.weight.numel()
    return total

"""The table of a network's layers: what each puts out and how many parameters it has."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convoscope.models.registry import Shape


@dataclass(frozen=True)
class LayerRow:
    """One layer: its path in the model, its class, its output's shape without the batch axis, its parameters."""

    name: str
    kind: str
    output: tuple[int, ...]
    n_parameters: int


def layer_table(model: nn.Module, shape: Shape) -> list[LayerRow]:
    """The rows of all layers without children, in the order they run, for one image of `shape` (C, H, W)."""
    rows: list[LayerRow] = []

    def note(name: str, layer: nn.Module, output: object) -> None:
        if isinstance(output, Tensor):
            n_parameters = sum(p.numel() for p in layer.parameters())
            rows.append(LayerRow(name, type(layer).__name__, tuple(output.shape[1:]), n_parameters))

    hooks = [
        layer.register_forward_hook(lambda layer, _, output, name=name: note(name, layer, output))
        for name, layer in model.named_modules()
        if not list(layer.children())
    ]
    was_training = model.training
    try:
        model.eval()
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        with torch.no_grad():
            model(torch.zeros(1, *shape, device=device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return rows

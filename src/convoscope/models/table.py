"""The table of a network's layers: what each puts out, holds, costs and sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from convoscope.models.arithmetic import arithmetic
from convoscope.models.registry import InputShape
from convoscope.models.sight import Axis, Sight, field_of
from convoscope.models.tally import watch
from convoscope.shape import UNKNOWN, Trees, Words

COUNTS = (
    "FLOPs are those of convolutions and matrix products, forward, a multiply-add as 2; biases, norms, activations and"
    " pooling count nothing."
)


Field: TypeAlias = tuple[int, ...] | str | None
"""Rows and columns of an image, or words of a text, that one number sees, padding included; "all" for all of them, None
where no one size tells it."""


@dataclass(frozen=True)
class Block:
    """What a layer is part of: the outermost module around it that is more than a sequence, or the layer itself.

    Attributes:
        name: Its path in the model.
        kind: Its class.
        output: The shape of what it puts out, without the batch axis; of its last call where it has several.
        n_calls: How often one pass uses it.
        field: What a number of its output sees.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    n_calls: int
    field: Field


@dataclass(frozen=True)
class LayerRow:
    """One layer, for one example.

    Attributes:
        name: Its path in the model.
        kind: Its class.
        input: The shape of what it is given, without the batch axis; of its last call where it has several.
        output: The shape of what it puts out, likewise.
        n_parameters: Its own parameters; those that it shares with a layer before count there.
        n_trainable: Of these, those that take gradients.
        n_buffers: Its own numbers that are kept and not learned: running means, references.
        n_calls: How often one pass uses it.
        flops: Floating point operations of all its calls; see `COUNTS`.
        multiply_adds: Half of that.
        field: What a number of its output sees.
        arithmetic: How a convolution or a pool comes to the sides of its output; "" for any other.
        block: What it is part of.
    """

    name: str
    kind: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    n_parameters: int
    n_trainable: int
    n_buffers: int
    n_calls: int
    flops: int
    multiply_adds: int
    field: Field
    arithmetic: str
    block: Block


def layer_table(model: nn.Module, shape: InputShape) -> list[LayerRow]:
    """The rows of all layers in the order they run: modules without children, and others that hold or compute.

    Takes moments for the largest network: the sums of products, nearly all of a pass, are counted and left out.

    Args:
        model: Any network for examples of `shape`.
        shape: An image's (C, H, W), or what texts or trees are.
    """
    x, sight, n_axes = _example(model, shape)
    counted: set[int] = set()
    rows = []
    visits = watch(model, x, sight)
    for name, visit in visits.items():
        module = model.get_submodule(name)
        own = list(module.parameters(recurse=False))
        if visit.output is None or not (own or visit.flops or not list(module.children())):
            continue
        new = [parameter for parameter in own if id(parameter) not in counted]
        counted.update(map(id, new))
        around = _around(model, name)
        whole = visits[around]
        block = Block(
            around, type(model.get_submodule(around)).__name__, whole.output or visit.output, whole.n_calls,
            field_of(whole.sight, n_axes),
        )  # fmt: skip
        rows.append(
            LayerRow(
                name, type(module).__name__, visit.input, visit.output,
                n_parameters=sum(parameter.numel() for parameter in new),
                n_trainable=sum(parameter.numel() for parameter in new if parameter.requires_grad),
                n_buffers=sum(buffer.numel() for buffer in module.buffers(recurse=False)),
                n_calls=visit.n_calls, flops=visit.flops, multiply_adds=visit.flops // 2,
                field=field_of(visit.sight, n_axes),
                arithmetic=arithmetic(module, visit.input),
                block=block,
            )
        )  # fmt: skip
    return rows


def _example(model: nn.Module, shape: InputShape) -> tuple[Tensor, Sight | None, int]:
    """A batch of one, what its dimensions stand for, and how many of them are places of the input."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    if isinstance(shape, Words):
        return torch.full((1, shape.length), UNKNOWN, device=device), (None, Axis(0)), 1
    if isinstance(shape, Trees):
        x = torch.zeros(1, shape.n_levels, shape.width, 3, dtype=torch.int64, device=device)
        x[0, -1, 0, 0] = UNKNOWN  # a tree of one word
        return x, None, 0
    return torch.zeros(1, *shape, device=device), (None, None, Axis(0), Axis(1)), 2


def _around(model: nn.Module, name: str) -> str:
    """The path of the outermost module on the way to `name` that is neither the model nor a mere sequence."""
    parts = name.split(".")
    paths = [".".join(parts[: depth + 1]) for depth in range(len(parts))]
    return next((path for path in paths if type(model.get_submodule(path)) not in _SEQUENCES), name)


_SEQUENCES = (nn.Sequential, nn.ModuleList, nn.ModuleDict)

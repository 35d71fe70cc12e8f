"""What a model and its input must be before they are looked at, and whether a graph tells the truth about its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from convoscope.errors import ModelError
from convoscope.graph.graph import Graph
from convoscope.graph.run import is_random, run, sources

HALVES = (torch.float16, torch.bfloat16)


def check_tensors(inputs: Sequence[Any]) -> None:
    """Refuses inputs that are no tensors, are empty, or are in half precision.

    Raises:
        ModelError: with one sentence that says which.
    """
    if not inputs:
        raise ModelError("The model needs an example input.", hint="Pass one image as a tensor of shape (1, C, H, W).")
    for tensor in inputs:
        if not isinstance(tensor, Tensor):
            raise ModelError(
                f"An input is a {type(tensor).__name__}, not a tensor.", hint="Pass tensors of shape (N, C, H, W)."
            )
        if tensor.dtype in HALVES:
            raise ModelError(f"An input is in half precision ({_dtype(tensor)}).", hint="Pass it as x.float().")
        if tensor.numel() == 0:
            raise ModelError(f"An input of shape {tuple(tensor.shape)} is empty.", hint="Pass at least one image.")


def check_model(model: nn.Module | Mapping[str, Tensor]) -> None:
    """Refuses weights in half precision and weights with NaN.

    Raises:
        ModelError: names the first such weight.
    """
    named = model.named_parameters() if isinstance(model, nn.Module) else model.items()
    for name, weight in named:
        if weight.dtype in HALVES:
            raise ModelError(
                f"The model is in half precision: {name} is {_dtype(weight)}.",
                hint="Its sums would not check; call model.float() first.",
            )
        # One sum finds it, and is many times cheaper than a mask of every number.
        if weight.is_floating_point() and bool(torch.isnan(weight.detach().sum())):
            bad = int(torch.isnan(weight.detach()).sum())
            if bad:
                raise ModelError(
                    f"The weight {name} holds {bad} NaN of {weight.numel()} numbers.",
                    hint="Take an earlier checkpoint; a lower learning rate or gradient clipping keeps weights finite.",
                )


def check_inputs(graph: Graph, inputs: Sequence[Tensor]) -> None:
    """Refuses inputs that the graph was not built for; their batch size is free where the graph is dynamic.

    Raises:
        ModelError: the number of inputs, a shape, a dtype or the batch size is wrong.
    """
    wanted = [graph.nodes[name] for name in graph.inputs if name != graph.target]
    if len(inputs) != len(wanted):
        names = ", ".join(node.name for node in wanted)
        raise ModelError(
            f"{graph.model} takes {len(wanted)} inputs ({names}); {len(inputs)} given.",
            hint="Give them in that order.",
        )
    for node, tensor in zip(wanted, inputs, strict=True):
        if tuple(tensor.shape[1:]) != node.shape[1:] or tensor.dim() != len(node.shape):
            wanted_shape, given_shape = _shape(node.shape), _shape(tensor.shape, 0)
            raise ModelError(
                f"{graph.model} takes {node.name} of shape {wanted_shape}; this one is {given_shape}.",
                hint="Resize the image to that size and give it that number of channels (axes: N×C×H×W).",
            )
        if _dtype(tensor) != node.dtype:
            raise ModelError(
                f"{graph.model} takes {node.name} as {node.dtype}; this one is {_dtype(tensor)}.",
                hint="Convert and normalise the image as in training (uint8 pixels become floats).",
            )
    if not graph.dynamic and len(inputs[0]) != graph.batch:
        raise ModelError(
            f"{graph.model} fixes its batch size in its code: its graph holds for {graph.batch}, not {len(inputs[0])}.",
            hint="Build the graph with an example of that size.",
        )


def check_same(graph: Graph, module: nn.Module, inputs: Sequence[Tensor]) -> bool:
    """Whether the graph gives what the module gives on these inputs.

    Batch statistics and the state of the random numbers are left as they were. Both sides run the same kernels, so they
    agree to the last bit on one thread; a small difference is let pass, as more threads may sum in another order.

    Args:
        graph: Built from `module` for this batch size.
        module: In the graph's mode.
        inputs: As the module takes them.
    """
    if inputs[0].device.type != "cpu" and any(is_random(node) for node in graph.nodes.values()):
        return True  # other devices draw a dropout's numbers another way when its mask is kept
    values: dict[str, Any] = sources(graph, getattr(module, "model", module) if graph.loss else module)
    values |= dict(zip(graph.inputs, inputs, strict=True))
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        state = torch.random.get_rng_state()
        buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
        copies = tuple(tensor.clone() for tensor in inputs)
        theirs = torch.func.functional_call(module, buffers, copies)
        torch.random.set_rng_state(state)
        run(graph, values, {})
    ours = [values[name] for name in (*graph.outputs, *([graph.loss] if graph.loss else []))]
    expected = [value for value in pytree.tree_leaves(theirs) if isinstance(value, Tensor)]
    return len(ours) == len(expected) and all(map(_close, ours, expected))


def _close(ours: Tensor, theirs: Tensor) -> bool:
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return False
    return torch.equal(ours, theirs) or torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5, equal_nan=True)


def _shape(shape: Sequence[int], start: int = 1) -> str:
    return "×".join(["N"][:start] + [str(length) for length in shape[start:]])


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")

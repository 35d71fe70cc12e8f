"""Capture: one forward and one backward pass that keep every node's value and gradient."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from convoscope.errors import InputError
from convoscope.graph.graph import Graph
from convoscope.graph.run import Value, is_random, run, sources
from convoscope.graph.usable import check_inputs, check_model, check_tensors
from convoscope.look.captured import Captured


def capture(
    graph: Graph,
    model: nn.Module | Mapping[str, Tensor],
    inputs: Tensor | Sequence[Tensor],
    target: Tensor | None = None,
    *,
    gradients: bool = True,
    logit: int | None = None,
    dtype: torch.dtype | None = None,
    seed: int | None = None,
) -> Captured:
    """Runs the graph forward, and backward where there is something to go back from; keeps all values and gradients.

    The model is read, never written: weights, running statistics, `.grad` and the state of the random numbers stay as
    they are. Values that are views of others share their memory.

    Args:
        graph: Built from the model, for eval or train mode.
        model: The model, or a state dict of it: a checkpoint's weights on the same graph.
        inputs: The model's inputs, (N, C, H, W) for images; any N where the graph is dynamic.
        target: What the loss is computed against; without it the loss's nodes have no value.
        gradients: Whether to go backward.
        logit: Go back from this class's output, summed over the batch, rather than from the loss.
        dtype: Compute in this dtype (torch.float64, to check arithmetic) rather than as the model does.
        seed: Where dropout's mask starts; None takes the mask that the model would draw now.

    Raises:
        ModelError: the inputs are not what the model takes, or a weight is NaN.
        InputError: an input holds NaN, the graph has no loss, or there is no such logit.
    """
    tensors = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    check_tensors(tensors)
    check_inputs(graph, tensors)
    if target is not None and not graph.loss:
        raise InputError("This graph has no loss to hold a target against.", hint="Build it with loss= and target=.")
    graph = graph.at(len(tensors[0]))
    values = _leaves(graph, sources(graph, model), (*tensors, *([] if target is None else [target])), dtype)
    masks: dict[str, Tensor] = {}
    backward = gradients and (target is not None or logit is not None)
    with _same_randomness(graph, tensors[0].device, seed), torch.set_grad_enabled(backward):
        run(graph, values, masks, wide=dtype is torch.float64)
        _check_finite(graph, model, tensors, values)
        found = _gradients(graph, values, logit) if backward else {}
    return Captured(graph, _detached(values), found, {name: mask.detach() for name, mask in masks.items()})


def _leaves(
    graph: Graph, state: dict[str, Tensor], inputs: Sequence[Tensor], dtype: torch.dtype | None
) -> dict[str, Value]:
    """What the pass starts from, cast, and ready to get gradients; the model's own tensors are not touched."""
    values: dict[str, Value] = state | dict(zip(graph.inputs, inputs, strict=False))
    for name, tensor in values.items():
        if tensor.is_floating_point():
            wide = tensor.detach() if dtype is None else tensor.detach().to(dtype)
            values[name] = wide.requires_grad_(graph.nodes[name].kind in ("parameter", "input"))
    return values


def _gradients(graph: Graph, values: dict[str, Value], logit: int | None) -> dict[str, Tensor]:
    end = values[graph.loss] if logit is None else _logit(graph, values[graph.outputs[0]], logit)
    if end.numel() != 1:
        raise InputError(
            f"The loss has shape {tuple(end.shape)}, and a gradient starts from one number.",
            hint="Let the loss take the mean or the sum over the batch.",
        )
    if not end.requires_grad:
        return {}
    names = [name for name, value in values.items() if isinstance(value, Tensor) and value.requires_grad]
    # One pass for all nodes: what flows into each is handed over as it passes, with no copy.
    found = torch.autograd.grad(end, [values[name] for name in names], allow_unused=True)
    return {name: gradient for name, gradient in zip(names, found, strict=True) if gradient is not None}


def _logit(graph: Graph, output: Tensor, logit: int) -> Tensor:
    if output.dim() < 1 or not 0 <= logit < output.shape[-1]:
        raise InputError(
            f"{graph.model} has no class {logit}: its output has shape {tuple(output.shape)}.",
            hint=f"Classes are numbered 0 to {output.shape[-1] - 1}." if output.dim() else "",
        )
    return output[..., logit].sum()


def _detached(values: dict[str, Value]) -> dict[str, Value]:
    """The values without their history, which would keep the backward pass's nodes alive."""

    def detach(value: Value) -> Value:
        return value.detach() if isinstance(value, Tensor) else tuple(map(detach, value))

    return {name: detach(value) for name, value in values.items()}


def _check_finite(
    graph: Graph, model: nn.Module | Mapping[str, Tensor], inputs: Sequence[Tensor], values: dict[str, Value]
) -> None:
    """Looks for the cause where an output is NaN; what the numbers did on their own is the user's to look at."""
    outputs = [values[name] for name in graph.outputs]
    if all(not output.is_floating_point() or bool(torch.isfinite(output).all()) for output in outputs):
        return
    check_model(model)
    for name, tensor in zip(graph.inputs, inputs, strict=False):
        if bool(torch.isnan(tensor).any()):
            raise InputError(
                f"{int(torch.isnan(tensor).sum())} of {tensor.numel()} numbers of {name} are NaN.",
                hint="Look at how the image is read and normalised: a standard deviation of 0 gives NaN.",
            )


@contextlib.contextmanager
def _same_randomness(graph: Graph, device: torch.device, seed: int | None) -> Iterator[None]:
    """Leaves the state of the random numbers as it was, where the graph draws any."""
    if not any(is_random(node) for node in graph.nodes.values()):
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if seed is not None:
            torch.manual_seed(seed)
        yield

"""Builds the graph of any model that torch can export."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from convoscope.errors import ModelError
from convoscope.graph.calls import SizeUnknownError
from convoscope.graph.export import Loss, WithLoss, batch_of, explained, export, in_mode
from convoscope.graph.graph import Graph, Mode
from convoscope.graph.read import read
from convoscope.graph.usable import check_model, check_same, check_tensors


def build(
    model: nn.Module,
    example: Tensor | Sequence[Tensor],
    mode: Mode = "eval",
    *,
    loss: Loss | None = None,
    target: Tensor | None = None,
    dynamic: bool = True,
) -> Graph:
    """The graph of a model, and of its loss where one is given.

    The model is exported, not run, and then its graph is run once against the model itself, so that what the graph says
    is what the model does. The model's weights, statistics and mode are left as they are.

    Args:
        model: Any module that takes tensors and that torch.export can follow.
        example: One input, (N, C, H, W) for images, or all of them in order.
        mode: Whether batch norm and dropout work as in evaluation or in training.
        loss: Made part of the graph, so that gradients go up to it: a function or module of (output, target).
        target: An example of the target, with the same N.
        dynamic: Whether to leave the batch size open where the model allows it.

    Raises:
        ModelError: the model cannot be exported, does not take the example, is in half precision or holds NaN.
    """
    inputs = (example,) if isinstance(example, Tensor) else tuple(example)
    if loss is not None and target is None:
        raise ModelError(
            "A graph with a loss needs an example of the target.", hint="Pass target=, with the example's N."
        )
    check_tensors(inputs)
    check_model(model)
    module: nn.Module = model if loss is None else WithLoss(model, loss)
    if loss is not None and target is not None:
        inputs = (*inputs, target)
    with in_mode(model, mode):
        return (_for_any_batch(module, inputs, mode) if dynamic else None) or _for_one_batch(module, inputs, mode)


def _for_any_batch(module: nn.Module, inputs: tuple[Tensor, ...], mode: Mode) -> Graph | None:
    """The graph with its batch size left open; None where the model fixes it or has its own way with a batch of one."""
    try:
        graph = read(module, export(module, inputs, dynamic=True), mode).at(batch_of(inputs))
        single = tuple(tensor[:1] for tensor in inputs)
        one_too = mode == "train" or graph.batch == 1 or check_same(graph.at(1), module, single)
        return graph if one_too and check_same(graph, module, inputs) else None
    except (ModelError, SizeUnknownError, ValueError, RuntimeError, IndexError):
        return None  # the export for one size says what is wrong with it, if anything is


def _for_one_batch(module: nn.Module, inputs: tuple[Tensor, ...], mode: Mode) -> Graph:
    try:
        graph = read(module, export(module, inputs, dynamic=False), mode)
    except SizeUnknownError as error:
        raise ModelError(
            f"{error}: the size of a value there depends on the numbers in the image, so it has no one shape.",
            hint="Replace the boolean index or nonzero by a mask that keeps the shape.",
        ) from None
    try:
        same = check_same(graph, module, inputs)
    except (RuntimeError, ValueError, IndexError) as error:
        raise explained(error, inputs) from error
    if not same:
        raise ModelError(
            f"The graph of {graph.model} does not compute what the model computes.",
            hint="Its forward may depend on state outside its weights and input.",
        )
    return graph

"""Runs a graph: our own small interpreter, which looks up each op by its name and leaves each value under its node's.

It needs the graph and the tensors, not the model's code, so a graph read from disk runs without a second export.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from convoscope.errors import ModelError
from convoscope.graph.graph import Argument, Graph, Node, Ref

Value: TypeAlias = Any  # Tensor, or the tuple of tensors of an op that makes several
Function: TypeAlias = Any  # torch._ops.OpOverload
Raw: TypeAlias = Any  # anything an op takes

# With batch statistics these also write the running ones; None in their place changes nothing else.
STATISTICS = {"batch_norm": "training", "instance_norm": "use_input_stats"}
DROPOUTS = frozenset({"dropout", "feature_dropout"})


def sources(graph: Graph, model: nn.Module | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the graph's parameters, buffers and constants, by node name, sharing memory with the model's.

    Args:
        graph: The graph.
        model: The model it was built from, or a state dict of it.

    Raises:
        ModelError: one is missing or has another shape.
    """
    if isinstance(model, nn.Module):
        named = itertools.chain(
            model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False)
        )
        state: Mapping[str, Tensor] = dict(named)
    else:
        state = model
    found: dict[str, Tensor] = {}
    for node in graph.nodes.values():
        if node.kind not in ("parameter", "buffer", "constant"):
            continue
        tensor = state.get(node.name, graph.constants.get(node.name))
        if tensor is None or tuple(tensor.shape) != node.shape:
            given = "no such tensor" if tensor is None else f"one of shape {tuple(tensor.shape)}"
            raise ModelError(
                f"The graph of {graph.model} needs {node.name} of shape {node.shape}; the model has {given}.",
                hint="Use the model, or weights of the model, that the graph was built from.",
            )
        found[node.name] = tensor.detach()
    return found


def run(graph: Graph, values: dict[str, Value], masks: dict[str, Tensor] | None = None, *, wide: bool = False) -> None:
    """Computes every op of the graph whose inputs are there, in order, and adds its value to `values`.

    Args:
        graph: At the batch size of the inputs.
        values: The values of inputs, parameters, buffers and constants by node name; grows. An op's value that is there
            already stands, so a value can be replaced to see what follows from it.
        masks: Filled with what each dropout multiplied its input by (0 or 1/(1-p)), by node name.
        wide: Whether float32 in the graph's arguments means float64.

    Raises:
        ModelError: an op that this torch does not have.
    """
    device = next((values[name].device for name in graph.inputs if name in values), torch.device("cpu"))
    for node in graph.nodes.values():
        if node.kind != "op" or node.name in values or any(name not in values for name in node.inputs):
            continue
        values[node.name] = compute(node, values, masks, device=device, wide=wide)


def is_random(node: Node) -> bool:
    """Whether the op draws random numbers."""
    if node.kind != "op" or node.op == "getitem":
        return False
    if node.op.endswith("dropout"):
        return bool(node.argument("train"))
    if node.op == "scaled_dot_product_attention":
        return bool(node.argument("dropout_p"))
    return torch.Tag.nondeterministic_seeded in overload(node.op, node.overload).tags


def is_pointwise(node: Node) -> bool:
    """Whether torch says that each number of the op's value depends on the numbers at its own place alone."""
    return node.op != "getitem" and torch.Tag.pointwise in overload(node.op, node.overload).tags


@cache
def overload(op: str, name: str) -> Function:
    """Torch's function for a node's op and overload.

    Raises:
        ModelError: this torch has none.
    """
    namespace, _, own = name.rpartition("::")
    found = getattr(getattr(getattr(torch.ops, namespace or "aten"), op, None), own, None)
    if found is None:
        raise ModelError(
            f"torch {torch.__version__} has no op {namespace or 'aten'}::{op}.{own}.", hint="Build the graph anew."
        )
    return found


def compute(
    node: Node,
    values: Mapping[str, Value],
    masks: dict[str, Tensor] | None = None,
    *,
    device: torch.device,
    wide: bool = False,
) -> Value:
    """The value of one op from the values of its inputs; `run` says what the arguments are.

    Raises:
        ModelError: an op that this torch does not have.
    """
    if node.op == "getitem":
        many, index = node.args
        return values[many.node][index]  # type: ignore[union-attr]
    args = [_decoded(argument, values, wide) for argument in node.args]
    if node.op in STATISTICS and node.argument(STATISTICS[node.op]):
        args[node.argument_names.index("running_mean")] = args[node.argument_names.index("running_var")] = None
    if node.op in DROPOUTS and node.argument("train") and masks is not None:
        # The same draw as dropout's own (it multiplies by dropped-out ones), with the mask kept.
        mask = overload(node.op, node.overload)(torch.ones_like(args[0]), *args[1:])
        masks[node.name] = mask
        return args[0] * mask
    function = overload(node.op, node.overload)
    by_name = {
        argument.name: value
        for argument, value in zip(function._schema.arguments, args, strict=True)  # noqa: SLF001
        if argument.kwarg_only
    }
    if "device" in by_name and not node.inputs:
        by_name["device"] = device
    value = function(*args[: len(args) - len(by_name)], **by_name)
    if isinstance(value, Tensor):
        # An op with nothing to do returns its input; the two nodes still need gradients of their own.
        return value.view_as(value) if any(value is argument for argument in args) else value
    return tuple(value)


def _decoded(argument: Argument, values: Mapping[str, Value], wide: bool) -> Raw:
    if isinstance(argument, Ref):
        return values[argument.node]
    if isinstance(argument, tuple):
        return [_decoded(part, values, wide) for part in argument]
    if isinstance(argument, str) and argument.startswith("torch."):
        return torch.float64 if wide and argument == "torch.float32" else getattr(torch, argument[6:])
    return int(argument) if isinstance(argument, int) and not isinstance(argument, bool) else argument

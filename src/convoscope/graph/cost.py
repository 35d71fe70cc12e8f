"""Cost: what each node takes in parameters, floating point operations and bytes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from convoscope.graph.graph import Graph, Node
from convoscope.graph.run import Value, compute

COUNTS = (
    "FLOPs as torch.utils.flop_counter counts them: convolutions, matrix products and attention, forward only, each"
    " multiply-add as 2; nothing for biases, norms, activations and pooling."
)


@dataclass(frozen=True)
class Cost:
    """What a node, or a graph, takes.

    Attributes:
        parameters: How many learned numbers it reads; in a total each counts once.
        flops: Floating point operations of one forward pass of the graph's batch; see `COUNTS`.
        bytes: The memory of its value, 0 for a view of another's; in a total, of all ops' values.
    """

    parameters: int
    flops: int
    bytes: int


@dataclass(frozen=True)
class Costs:
    """The cost of each op, by node name, and of the whole."""

    nodes: dict[str, Cost]
    total: Cost


def cost(graph: Graph) -> Costs:
    """Counts what a graph takes at its batch size, without running it: shapes alone say it.

    Args:
        graph: The graph; `graph.at(1)` gives the cost of one image.
    """
    nodes = graph.nodes.values()
    # Tensors on the meta device have a shape and no numbers.
    values: dict[str, Value] = {
        node.name: torch.empty(node.shape, dtype=getattr(torch, node.dtype), device="meta")
        for node in nodes
        if node.kind != "op"
    }
    memory = {_memory(value) for value in values.values()}
    ops = [node for node in nodes if node.kind == "op"]
    found = {}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        for node in ops:
            before = counter.get_total_flops()
            values[node.name] = compute(node, values, device=torch.device("meta"))
            flops = counter.get_total_flops() - before
            found[node.name] = Cost(_parameters(graph, [node]), flops, _bytes(values[node.name], memory))
    total = Cost(
        _parameters(graph, ops), sum(one.flops for one in found.values()), sum(one.bytes for one in found.values())
    )
    return Costs(found, total)


def _parameters(graph: Graph, ops: list[Node]) -> int:
    read = {name for node in ops for name in node.inputs if graph.nodes[name].kind == "parameter"}
    return sum(torch.Size(graph.nodes[name].shape).numel() for name in read)


def _bytes(value: Value, memory: set[int]) -> int:
    """The bytes of a value that lies in memory of its own; remembers that memory."""
    if not isinstance(value, Tensor) or _memory(value) in memory:
        return 0
    memory.add(_memory(value))
    return value.numel() * value.element_size()


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001 - torch's only name for which storage it is

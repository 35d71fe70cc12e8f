"""A graph as the screen draws it: what each node is called, reads, takes and sees."""

from __future__ import annotations

import contextlib
import math

import numpy as np

from convoscope.errors import ConvoscopeError, UnknownName
from convoscope.graph.cost import COUNTS
from convoscope.graph.extent import Extent, extents
from convoscope.graph.field import field
from convoscope.graph.graph import Argument, Graph, Node, Ref
from convoscope.graph.places import everywhere, sources_of
from convoscope.lab.microscope import costs_of, logits_of, seen_of
from convoscope.lab.screen.opened import OpenRun, Picture
from convoscope.lab.screen.sights import Mode, Network, NodeCard, Parameter, Source

_STORED = ("parameter", "buffer", "constant")


def grid(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, rows and columns of a value's shape, batch axis included: (1, K) is K channels of 1 x 1."""
    own = alone(shape)
    channels, rest = (own[0], own[1:]) if own else (1, ())
    return channels, math.prod(rest[:-1]), rest[-1] if rest else 1


def alone(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one example's value; all of it where there is no batch axis, as what is counted has none: (6)."""
    return shape[1:] if shape and shape[0] == 1 else shape


def network(run: OpenRun, mode: Mode, picture: Picture | None = None) -> Network:
    """The network of a run, as it takes an image or text.

    Raises:
        ModelError: it cannot be exported.
    """
    return run.networks.of((mode, run.form(picture)), lambda: _network(run, mode, picture))


def _network(run: OpenRun, mode: Mode, picture: Picture | None) -> Network:
    graph = run.graph(mode, picture).at(1)
    costs = costs_of(run.run, graph, mode)
    logits = logits_of(graph)
    after = _after(graph, logits)
    sizes = extents(graph)
    shown = [node for node in graph.nodes if _is_shown(graph, node)]
    cards = [
        _card(graph, node, node.name in after, costs.nodes[node.name].flops if node.kind == "op" else 0, sizes)
        for node in shown
    ]
    return Network(
        run=run.run.name, version=run.version, mode=mode, model=run.trainee.recipe.model,
        class_names=list(run.trainee.class_names), nodes=cards, input=graph.inputs[0], logits=logits,
        loss=graph.loss, n_parameters=costs.total.parameters, flops=costs.total.flops, counted=COUNTS,
    )  # fmt: skip


def shown_node(graph: Graph, name: str) -> Node:
    """The node of that name that the screen shows: the image, or what an op computed.

    Raises:
        UnknownName: there is none; a parameter opens number by number alone.
    """
    node = graph.find(name)
    if not _is_shown(graph, node):
        raise UnknownName(
            f"{name} is no layer: it has no channels to show.",
            hint="A parameter is opened number by number, like conv2.weight[5,0,2,2].",
        )
    return node


def _is_shown(graph: Graph, node: Node) -> bool:
    """Ops that make one value of each example, and the input; what has several values is shown by its parts.

    What is the same for every example (the places along a text, a weight made of others) has no batch axis.
    """
    if node.kind == "input":
        return node.name == graph.inputs[0]
    return node.kind == "op" and node.dtype != "tuple" and node.shape[:1] in ((), (graph.batch,))


def _after(graph: Graph, logits: str) -> set[str]:
    """What is computed from the logits."""
    found = {logits}
    for node in graph.nodes:
        if node.kind == "op" and found.intersection(node.inputs):
            found.add(node.name)
    return found - {logits}


def _card(graph: Graph, node: Node, is_loss: bool, flops: int, sizes: dict[str, Extent]) -> NodeCard:
    channels, rows, columns = grid(node.shape)
    parameters = [
        Parameter(graph.nodes[name].name, graph.nodes[name].kind, list(graph.nodes[name].shape))  # type: ignore[arg-type]
        for name in dict.fromkeys(_inputs(graph, node))
        if graph.nodes[name].kind in _STORED
    ]
    learned = sum(math.prod(one.shape) for one in parameters if one.kind == "parameter")
    return NodeCard(
        name=node.name, op=node.op, module=node.module, kind="op" if node.kind == "op" else "input",
        shape=list(alone(node.shape)), n_channels=channels, rows=rows, columns=columns,
        sources=sources(graph, node), parameters=parameters, n_parameters=learned, flops=flops,
        field=_field(graph, node, sizes.get(node.name)), settings=_settings(node), is_loss=is_loss,
    )  # fmt: skip


def _inputs(graph: Graph, node: Node) -> tuple[str, ...]:
    """What a node reads; one value of an op that makes several reads what the op reads."""
    if node.op == "getitem" and isinstance(node.args[0], Ref):
        return graph.nodes[node.args[0].node].inputs
    return node.inputs


def sources(graph: Graph, node: Node) -> list[Source]:
    """The computed values that a node reads, and which of their channels one of its channels depends on."""
    if node.kind != "op":
        return []
    names = [name for name in dict.fromkeys(_inputs(graph, node)) if graph.nodes[name].kind in ("op", "input")]
    channel = grid(node.shape)[0] // 2
    found = {name: channels_read(graph, node, name, channel) for name in names}
    told = []
    for name, read in found.items():
        n = grid(graph.nodes[name].shape)[0]
        same = read == [channel] and n == grid(node.shape)[0]
        told.append(Source(name, "same" if same else "all" if len(read) == n else "some"))
    return told


def channels_read(graph: Graph, node: Node, source: str, channel: int) -> list[int]:
    """The channels of a source that one channel of a node depends on."""
    shape = graph.nodes[source].shape
    n = grid(shape)[0]
    if min(len(shape), len(node.shape)) < 2 or shape[0] != 1 or node.shape[0] != 1:
        return list(range(n))
    places = everywhere(node.shape)
    only = np.zeros(node.shape[1], dtype=bool)
    only[channel] = True
    with contextlib.suppress(ConvoscopeError):
        for name, needed, _ in sources_of(graph, node, (places[0], only, *places[2:])):
            if name == source and len(needed) == len(shape):
                return [int(k) for k in np.flatnonzero(needed[1])]
    return list(range(n))


def _field(graph: Graph, node: Node, extent: Extent | None) -> list[int]:
    """Rows and columns of the image that a unit in the middle sees; of a text one row of its words; [] of a tree."""
    if "float" not in graph.nodes[graph.inputs[0]].dtype:
        return _words_seen(graph, node)
    image = graph.nodes[graph.inputs[0]].shape[2:]
    if extent is not None and extent.axes is not None:
        return [min(axis.size, length) for axis, length in zip(extent.axes, image, strict=True)]
    middle = (0, *(length // 2 for length in node.shape[1:])) if node.shape else ()
    with contextlib.suppress(ConvoscopeError):
        return [last - first + 1 for first, last in field(graph, node.name, middle).pixels]
    return []


def _words_seen(graph: Graph, node: Node) -> list[int]:
    middle = (0, *(length // 2 for length in node.shape[1:])) if node.shape else ()
    with contextlib.suppress(ConvoscopeError):
        for first, last in seen_of(graph, field(graph, node.name, middle)):
            return [1, last - first + 1]
    return []


def _settings(node: Node) -> list[list[str]]:
    """What the op was told besides tensors: names and texts."""
    told = []
    for name, argument in zip(node.argument_names, node.args, strict=False):
        if argument is not None and not _has_ref(argument):
            told.append([name, _text(argument)])
    return told


def _has_ref(argument: Argument) -> bool:
    return isinstance(argument, Ref) or (isinstance(argument, tuple) and any(map(_has_ref, argument)))


def _text(argument: Argument) -> str:
    if isinstance(argument, tuple):
        return " × ".join(map(_text, argument)) or "-"
    if isinstance(argument, bool):
        return "yes" if argument else "no"
    return f"{argument:g}" if isinstance(argument, float) else str(argument)

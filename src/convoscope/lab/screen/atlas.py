"""The network and its layers on screen: an atlas of sheets for one sight, and one layer whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from convoscope.graph.graph import Graph, Node
from convoscope.lab.screen.ask import DRAWN, Ask
from convoscope.lab.screen.network import grid, shown_node
from convoscope.lab.screen.opened import OpenRun, Picture
from convoscope.lab.screen.pack import pack
from convoscope.lab.screen.passes import Numbers, Pass, Passes, sight
from convoscope.lab.screen.sheets import blank, channel_figures, filters, histogram, maps_of, rank, sheet
from convoscope.lab.screen.sights import Atlas, LayerHead, NodeSheet

NO_GRADIENT = "The loss does not depend on it."


def atlas(
    run: OpenRun, passes: Passes, picture: Picture, ask: Ask, nodes: list[str] | None, k: int, vector: int, tile: int
) -> bytes:
    """The pack `Atlas` of values or gradients.

    Args:
        run: Whose network.
        passes: Where passes are kept.
        picture: The image.
        ask: The sight.
        nodes: Which nodes; None for all ops.
        k: Most channels of a node.
        vector: Most units of a node whose channels are single numbers.
        tile: Most rows and columns of a channel.

    Raises:
        UnknownName: there is no such node or class.
    """
    numbers = Numbers(run, passes, picture, ask)
    sheets: list[NodeSheet] = []
    tensors: dict[str, NDArray[Any]] = {}
    for node in chosen(numbers.graph, nodes):
        value = numbers.of(node.name)
        if value is None:
            sheets.append(blank(node, NO_GRADIENT))
            continue
        values = maps_of(value)
        most = vector if values[0].numel() == 1 else k
        channels = None if len(values) <= most else _strongest(run, passes, numbers, node.name)[:most]
        card, tensors[node.name] = sheet(node.name, values, channels, tile)
        sheets.append(card)
    return pack(Atlas(sight(run, ask, numbers.seen), sheets), tensors)


def chosen(graph: Graph, nodes: list[str] | None) -> list[Node]:
    """The nodes of those names, each once; all ops that make one value where None is given."""
    if nodes is None:
        return [node for node in graph.nodes if node.kind == "op" and node.dtype != "tuple"]
    return list({name: shown_node(graph, name) for name in nodes}.values())


def _strongest(run: OpenRun, passes: Passes, numbers: Numbers, node: str) -> list[int]:
    """The channels of a node, those with the largest values first, by the final weights on this image.

    The order holds while the slider moves, the tab changes or something is drawn: tiles keep their places.
    """
    mode, picture = numbers.ask.mode, numbers.seen.picture
    key = (mode, node)
    if picture.name == DRAWN and key in run.ranks:
        return run.ranks[key]
    seen: Pass = numbers.seen
    if picture.name != DRAWN and numbers.ask.step is not None:
        seen = passes.of(run, picture, Ask(picture.name, None, mode=mode, target=numbers.ask.target), gradients=False)
    run.ranks[key] = rank(maps_of(seen.captured.value(node)))
    return run.ranks[key]


def layer(run: OpenRun, passes: Passes, picture: Picture, ask: Ask, name: str, *, gradients: bool) -> bytes:
    """The pack `LayerHead`: all channels of one node.

    Args:
        run: Whose network.
        passes: Where passes are kept.
        picture: The image.
        ask: The sight.
        name: The node.
        gradients: Whether to go backward for the channels' gradients where no pass at hand has them.

    Raises:
        UnknownName: there is no such node.
    """
    if gradients:
        passes.of(run, picture, ask, gradients=True)
    numbers = Numbers(run, passes, picture, ask)
    node = shown_node(numbers.graph, name)
    value = numbers.of(node.name)
    values = maps_of(torch.zeros(node.shape) if value is None else value)
    card, content = sheet(node.name, values, None, 10_000)
    gradient = numbers.seen.captured.gradient(node.name) if numbers.seen.has_gradients else None
    tensors: dict[str, NDArray[Any]] = {"maps": content, "peaks": np.asarray(card.peaks, np.float32)}
    tensors |= channel_figures(values, None if gradient is None else maps_of(gradient))
    parameter, shape, images = filters(numbers.graph, node, run.weights(ask.step))
    if images is not None:
        tensors["filters"] = images
        tensors["filter_channels"] = np.arange(len(images), dtype=np.int32)
    edges, counts = histogram(values)
    note = NO_GRADIENT if value is None else ""
    head = LayerHead(sight(run, ask, numbers.seen), _with(card, note), edges, counts, parameter, shape)
    return pack(head, tensors)


def _with(card: NodeSheet, note: str) -> NodeSheet:
    return NodeSheet(**{**vars(card), "note": note})


def is_small(graph: Graph) -> bool:
    """Whether a pass back and forth is a matter of milliseconds."""
    n = sum(int(np.prod(grid(node.shape))) for node in graph.nodes if node.kind == "op")
    return n < 1_000_000

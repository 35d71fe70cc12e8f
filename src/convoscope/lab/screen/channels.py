"""One channel on screen: its map, what each channel of its sources adds to it, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from convoscope.errors import InputError
from convoscope.graph.graph import Graph, Node
from convoscope.lab.screen.ask import Ask
from convoscope.lab.screen.network import channels_read, grid, shown_node
from convoscope.lab.screen.opened import OpenRun, Picture
from convoscope.lab.screen.pack import pack
from convoscope.lab.screen.passes import Numbers, Passes, figure, sight
from convoscope.lab.screen.sheets import maps_of
from convoscope.lab.screen.sights import Contribution, ParameterValue, Stage, UnitHead, ValuesHead
from convoscope.look.parts import Parts, backward_parts, forward_parts, single_numbers

_MOST_STAGES = 4
_MOST_VALUES = 1 << 23  # numbers in one answer


def values(run: OpenRun, passes: Passes, picture: Picture, ask: Ask, name: str, channels: list[int]) -> bytes:
    """The pack `ValuesHead`: exact values of some channels of a node.

    Raises:
        UnknownName: there is no such node.
        InputError: there is no such channel, there is no gradient, or they are more than one answer holds.
    """
    numbers = Numbers(run, passes, picture, ask)
    node = shown_node(numbers.graph, name)
    found = _maps(numbers, node)
    for channel in channels:
        check_channel(node, channel)
    if len(channels) * found[0].numel() > _MOST_VALUES:
        raise InputError(
            f"{len(channels)} channels of {node.name} are {len(channels) * found[0].numel():,} numbers; one answer "
            f"holds {_MOST_VALUES:,}.",
            hint="Ask for fewer channels at a time.",
        )
    head = ValuesHead(sight(run, ask, numbers.seen), node.name, channels)
    return pack(head, {"values": found[channels].cpu().numpy()})


def unit(run: OpenRun, passes: Passes, picture: Picture, ask: Ask, name: str, channel: int, n_sources: int) -> bytes:
    """The pack `UnitHead` of values or gradients.

    Raises:
        UnknownName: there is no such node.
        InputError: there is no such channel, or there is no gradient.
    """
    numbers = Numbers(run, passes, picture, ask)
    node = shown_node(numbers.graph, name)
    check_channel(node, channel)
    tensors: dict[str, NDArray[Any]] = {"map": _maps(numbers, node)[channel].cpu().numpy()}
    found = sorted(_contributions(numbers, node, channel), key=lambda one: -one[2])
    sources = []
    for i, (source, from_channel, share, kernel, partial) in enumerate(found[:n_sources]):
        named = {"map": _maps(numbers, numbers.graph.nodes[source])[from_channel], "kernel": kernel, "partial": partial}
        there = {what: f"{what}:{i}" for what, tensor in named.items() if tensor is not None}
        tensors |= {there[what]: tensor.cpu().numpy() for what, tensor in named.items() if tensor is not None}
        sources.append(
            Contribution(source, from_channel, share, there["map"], there.get("kernel", ""), there.get("partial", ""))
        )
    then = []
    for i, further in enumerate(_stages(numbers.graph, node)):
        tensors[f"then:{i}"] = _maps(numbers, further)[channel].cpu().numpy()
        then.append(Stage(further.name, channel, f"then:{i}"))
    head = UnitHead(
        sight(run, ask, numbers.seen), node.name, channel, "map", sources, len(found),
        _single_numbers(run, ask, numbers.graph, node, channel), then,
    )  # fmt: skip
    return pack(head, tensors)


def check_channel(node: Node, channel: int) -> None:
    """Raises InputError where a node has no such channel."""
    n = grid(node.shape)[0]
    if not 0 <= channel < n:
        raise InputError(f"{node.name} has no channel {channel}.", hint=f"Its channels are numbered 0 to {n - 1}.")


def _maps(numbers: Numbers, node: Node) -> Tensor:
    found = numbers.of(node.name)
    if found is None and numbers.backward:
        return maps_of(torch.zeros(node.shape))  # the loss does not depend on it
    assert found is not None
    return maps_of(found)


_Found = tuple[str, int, float, Tensor | None, Tensor | None]


def _contributions(numbers: Numbers, node: Node, channel: int) -> Iterator[_Found]:
    """What a channel is made of: its sources' channels, or backward its readers', with kernels and partial results."""
    graph, seen = numbers.graph, numbers.seen.captured
    if numbers.backward:
        for name in graph.consumers[node.name]:
            reader = graph.nodes[name]
            if reader.kind == "op" and reader.dtype != "tuple":
                yield from _told(
                    numbers, backward_parts(seen, reader, node.name, channel), _readers(graph, reader, node, channel)
                )
        return
    if node.kind == "op":
        told = forward_parts(seen, node, channel)
        if told is not None:
            yield from _told(numbers, told, [])
            return
        for name in dict.fromkeys(node.inputs):
            if graph.nodes[name].kind in ("op", "input") and graph.nodes[name].dtype != "tuple":
                read = channels_read(graph, node, name, channel)
                yield from _told(numbers, None, [(name, k) for k in read])


def _told(numbers: Numbers, parts: Parts | None, plain: list[tuple[str, int]]) -> Iterator[_Found]:
    if parts is not None:
        shares = None if parts.partials is None else parts.partials.abs().mean(dim=(1, 2)).tolist()
        for i, channel in enumerate(parts.channels):
            kernel = None if parts.kernels is None else parts.kernels[i]
            partial = None if parts.partials is None else parts.partials[i]
            yield parts.node, channel, 0.0 if shares is None else shares[i], kernel, partial
        return
    for name, channel in plain:
        share = float(_maps(numbers, numbers.graph.nodes[name])[channel].abs().mean())
        yield name, channel, share, None, None


def _readers(graph: Graph, reader: Node, node: Node, channel: int) -> list[tuple[str, int]]:
    """The channels of a reader that depend on a channel, where each depends on its own alone; else all of them."""
    n = grid(reader.shape)[0]
    if n == grid(node.shape)[0] and channels_read(graph, reader, node.name, channel) == [channel]:
        return [(reader.name, channel)]
    return (
        [(reader.name, k) for k in range(n) if channel in channels_read(graph, reader, node.name, k)] if n <= 64 else []
    )


def _stages(graph: Graph, node: Node) -> list[Node]:
    """What is computed from a node channel by channel: norm, activation, pool; up to what mixes channels."""
    found: list[Node] = []
    n = grid(node.shape)[0]
    while len(found) < _MOST_STAGES:
        for name in graph.consumers[node.name]:
            reader = graph.nodes[name]
            if reader.kind != "op" or reader.dtype == "tuple" or grid(reader.shape)[0] != n:
                continue
            if channels_read(graph, reader, node.name, n // 2) == [n // 2]:
                found.append(reader)
                node = reader
                break
        else:
            break
    return found


def _single_numbers(run: OpenRun, ask: Ask, graph: Graph, node: Node, channel: int) -> list[ParameterValue]:
    weights = {**graph.constants, **run.weights(ask.step)}
    return [
        ParameterValue(name, [channel], figure(float(weights[name][channel])), graph.nodes[name].kind)  # type: ignore[arg-type]
        for name in single_numbers(graph, node, grid(node.shape)[0])
        if name in weights
    ]

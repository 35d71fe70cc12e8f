"""The change of the weights on screen: what the step after a snapshot did, parameter by parameter."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convoscope.errors import RunError
from convoscope.graph.graph import Graph, Node
from convoscope.lab.ready import Ready, prepare
from convoscope.lab.screen.ask import Ask
from convoscope.lab.screen.atlas import chosen
from convoscope.lab.screen.kept import Kept
from convoscope.lab.screen.network import shown_node
from convoscope.lab.screen.opened import OpenRun
from convoscope.lab.screen.pack import pack
from convoscope.lab.screen.passes import Pass, figure, sight
from convoscope.lab.screen.sheets import blank, channel_figures, filters, histogram, rank, sheet
from convoscope.lab.screen.sights import Atlas, Contribution, LayerHead, NodeSheet, ParameterValue, UnitHead, ValuesHead
from convoscope.lab.update import StepTaken, step_taken

NO_PARAMETERS = "It has no weights to change."
_MOST_REPLAYED = 500  # steps that are trained again for one look


class Changes:
    """The steps of runs that have been brought back, the newest few."""

    def __init__(self) -> None:
        self._steps: Kept[StepTaken] = Kept(4)
        self._ready: Kept[Ready] = Kept(1)

    def of(self, runs: Path, run: OpenRun, asked: int | None) -> StepTaken:
        """The step after the checkpoint `asked`; at the run's last one the step that made it.

        Raises:
            RunError: bringing it back would take too many steps of training.
        """
        number = self._number(run, asked)
        key = (run.run.name, run.version, number)
        found = self._steps.get(key)
        if found is None:
            _refuse_what_takes_long(run, number)
            ready = self._ready.of((run.run.name, run.version), lambda: prepare(run.run.recipe()))
            found = self._steps.put(key, step_taken(str(run.run.folder), runs=runs, step=number, ready=ready))
        return found

    def _number(self, run: OpenRun, asked: int | None) -> int:
        steps = list(run.run.checkpoint_files())
        if not steps:
            raise RunError(f"The run {run.run.name} has no checkpoints: no step of it can be brought back.")
        step = steps[-1] if asked is None else asked
        return step if step == steps[-1] and step > 0 else step + 1


def _refuse_what_takes_long(run: OpenRun, number: int) -> None:
    earlier = [step for step in run.run.checkpoint_files() if step < number]
    n = number - earlier[-1] if earlier else number
    if not earlier or n > _MOST_REPLAYED:
        raise RunError(
            f"To see step {number} of {run.run.name}, {n:,} steps would be trained again.",
            hint="Choose an earlier snapshot: there the step that follows is trained again alone.",
        )


def _parameters(graph: Graph, node: Node, taken: StepTaken) -> list[str]:
    """What a node learns, the tensor with most axes first."""
    names = [name for name in dict.fromkeys(node.inputs) if name in taken.gradient]
    return sorted(names, key=lambda name: -len(graph.nodes[name].shape))


def mosaic(change: Tensor) -> Tensor:
    """A parameter's change (D, ...) as maps (D, rows, columns): kernels side by side, rows of weights folded."""
    found = change.detach().float().contiguous()
    if found.dim() == 1:
        return found[:, None, None]
    if found.dim() < 4:
        return _folded(found.flatten(1))
    D, C, kh, kw = found.shape[0], found.shape[1], found.shape[-2], found.shape[-1]
    across = math.ceil(math.sqrt(C * kh / kw))
    down = math.ceil(C / across)
    room = torch.zeros(D, down * across, kh, kw)
    room[:, :C] = found.reshape(D, C, kh, kw)
    return room.reshape(D, down, across, kh, kw).permute(0, 1, 3, 2, 4).reshape(D, down * kh, across * kw)


def _folded(rows: Tensor) -> Tensor:
    D, n = rows.shape
    across = math.ceil(math.sqrt(n))
    room = torch.zeros(D, math.ceil(n / across) * across)
    room[:, :n] = rows
    return room.reshape(D, -1, across)


def atlas(run: OpenRun, seen: Pass, taken: StepTaken, ask: Ask, nodes: list[str] | None, k: int, tile: int) -> bytes:
    """The pack `Atlas` of changes: for each output channel of each node that learns, its weights' change."""
    graph = seen.captured.graph
    sheets: list[NodeSheet] = []
    tensors: dict[str, NDArray[Any]] = {}
    for node in chosen(graph, nodes):
        names = _parameters(graph, node, taken)
        if not names:
            sheets.append(blank(node, NO_PARAMETERS))
            continue
        maps = mosaic(taken.change(names[0]))
        channels = None if len(maps) <= k else rank(maps)[:k]
        card, tensors[node.name] = sheet(node.name, maps, channels, tile)
        sheets.append(card)
    return pack(Atlas(sight(run, ask, seen, taken.step), sheets), tensors)


def layer(run: OpenRun, seen: Pass, taken: StepTaken, ask: Ask, name: str) -> bytes:
    """The pack `LayerHead` of changes."""
    graph = seen.captured.graph
    node = shown_node(graph, name)
    names = _parameters(graph, node, taken)
    change = taken.change(names[0]) if names else torch.zeros(1, 1)
    maps = mosaic(change)
    card, content = sheet(node.name, maps, None, 10_000)
    tensors: dict[str, NDArray[Any]] = {"maps": content, "peaks": np.asarray(card.peaks, np.float32)}
    tensors |= channel_figures(maps, mosaic(taken.gradient[names[0]]) if names else None)
    parameter, shape, images = filters(graph, node, {one: taken.change(one) for one in names})
    if images is not None:
        tensors["filters"] = images
        tensors["filter_channels"] = np.arange(len(images), dtype=np.int32)
    edges, counts = histogram(change)
    card = NodeSheet(**{**vars(card), "note": "" if names else NO_PARAMETERS})
    head = LayerHead(sight(run, ask, seen, taken.step), card, edges, counts, parameter, shape)
    return pack(head, tensors)


def unit(run: OpenRun, seen: Pass, taken: StepTaken, ask: Ask, name: str, channel: int, n_sources: int) -> bytes:
    """The pack `UnitHead` of changes: `map` the channel's weights' change; each source an input channel's weights.

    A source's node is the parameter, its map the change and its kernel the weights before the step.
    """
    graph = seen.captured.graph
    node = shown_node(graph, name)
    names = _parameters(graph, node, taken)
    if not names:
        raise RunError(f"{node.name} has no weights: no step changes it.", hint="Choose a layer with weights.")
    change, before = taken.change(names[0]), taken.weight(names[0])
    tensors: dict[str, NDArray[Any]] = {"map": mosaic(change)[channel].numpy()}
    slices = _slices(change[channel])
    shares = slices.abs().mean(dim=(1, 2))
    sources = []
    for i, c in enumerate(torch.argsort(-shares, stable=True)[:n_sources].tolist()):
        tensors[f"map:{i}"] = slices[c].numpy()
        tensors[f"kernel:{i}"] = _slices(before[channel])[c].numpy()
        sources.append(Contribution(names[0], c, float(shares[c]), f"map:{i}", f"kernel:{i}", ""))
    numbers = [
        ParameterValue(one, [channel], figure(float(taken.change(one)[channel])), "parameter")
        for one in names
        if taken.weight(one).dim() == 1
    ]
    head = UnitHead(
        sight(run, ask, seen, taken.step), node.name, channel, "map", sources, len(slices), numbers, [], names[0]
    )
    return pack(head, tensors)


def _slices(weights: Tensor) -> Tensor:
    """One channel's weights (C, ...) as float32 maps (C, rows, columns)."""
    found = weights.detach().float().contiguous()
    if found.dim() == 0:
        return found.reshape(1, 1, 1)
    return found.reshape(len(found), -1, found.shape[-1]) if found.dim() > 1 else found[:, None, None]


def values(run: OpenRun, seen: Pass, taken: StepTaken, ask: Ask, name: str, channels: list[int]) -> bytes:
    """The pack `ValuesHead` of changes."""
    graph = seen.captured.graph
    node = shown_node(graph, name)
    names = _parameters(graph, node, taken)
    maps = mosaic(taken.change(names[0])) if names else torch.zeros(1, 1, 1)
    shown = [channel for channel in channels if channel < len(maps)]
    head = ValuesHead(sight(run, ask, seen, taken.step), node.name, shown)
    return pack(head, {"values": maps[shown].numpy()})

"""Sheets: a node's channels as small quantised maps, for the network's columns and for a layer as a whole."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from convoscope.graph.graph import Graph, Node
from convoscope.lab.screen.network import grid
from convoscope.lab.screen.pack import quantised
from convoscope.lab.screen.passes import figure
from convoscope.lab.screen.sights import NodeSheet

_BINS = 48
_MOST_FILTER_NUMBERS = 1 << 18


def maps_of(value: Tensor) -> Tensor:
    """A value (1, C, ...) as float32 maps (C, rows, columns); a number as one of 1 x 1."""
    channels, rows, columns = grid(tuple(value.shape))
    return value.detach().float().reshape(channels, rows, columns)


def rank(values: Tensor) -> list[int]:
    """The channels of maps (C, rows, columns), the largest mean |value| first; equals in their own order."""
    strength = values.abs().mean(dim=(1, 2)).nan_to_num(nan=math.inf)
    return [int(k) for k in torch.argsort(-strength, stable=True)]


def sheet(node: str, values: Tensor, channels: list[int] | None, tile: int) -> tuple[NodeSheet, NDArray[np.uint8]]:
    """The sheet of some channels.

    Args:
        node: What it is called.
        values: float32 maps (C, rows, columns).
        channels: Which, in this order; None for all.
        tile: Most rows and columns: larger maps are shrunk by a whole number, each cell the mean of what it covers.
    """
    n = len(values)
    chosen = list(range(n)) if channels is None else channels
    shown = values if channels is None else values[chosen]
    factor = math.ceil(max(shown.shape[1:]) / tile)
    if factor > 1:
        shown = F.avg_pool2d(shown[None], factor, ceil_mode=True, count_include_pad=False)[0]
    content, peaks = quantised(shown.cpu().numpy())
    low, high = (float(end) for end in torch.aminmax(values))
    if math.isfinite(low) and math.isfinite(high):
        peak, mean = max(abs(low), abs(high)), float(values.mean())
    else:
        finite = values[torch.isfinite(values)]
        peak, mean = float(finite.abs().max()) if finite.numel() else 0.0, math.nan
    card = NodeSheet(
        node=node, channels=chosen, n_channels=n, peaks=[float(p) for p in peaks], peak=peak,
        rows=content.shape[1], columns=content.shape[2], shrunk=factor, minimum=figure(low),
        mean=figure(mean), maximum=figure(high),
    )  # fmt: skip
    return card, content


def blank(node: Node, note: str) -> NodeSheet:
    """The sheet of a node that has nothing to show."""
    channels, rows, columns = grid(node.shape)
    return NodeSheet(node.name, [], channels, [], 0.0, rows, columns, 1, 0.0, 0.0, 0.0, note)


def channel_figures(values: Tensor, gradient: Tensor | None) -> dict[str, NDArray[np.float32] | NDArray[np.uint8]]:
    """For each channel of maps (C, rows, columns) the figures it can be sorted by, arrays (C,)."""
    flat = values.flatten(1)
    found: dict[str, Tensor] = {
        "mean": flat.mean(1), "minimum": flat.amin(1), "maximum": flat.amax(1), "variance": flat.var(1, correction=0),
    }  # fmt: skip
    if gradient is not None:
        found["gradient"] = gradient.flatten(1).abs().mean(1)
    figures: dict[str, NDArray[np.float32] | NDArray[np.uint8]] = {
        name: value.float().cpu().numpy() for name, value in found.items()
    }
    figures["dead"] = (flat == 0).all(1).cpu().numpy().astype(np.uint8)
    return figures


def histogram(values: Tensor) -> tuple[list[float], list[int]]:
    """Edges and counts of equal bins over the finite values."""
    finite = values[torch.isfinite(values)].cpu().numpy()
    if not finite.size:
        return [], []
    counts, edges = np.histogram(finite, bins=_BINS)
    return [float(edge) for edge in edges], [int(count) for count in counts]


def filters(graph: Graph, node: Node, tensors: dict[str, Tensor]) -> tuple[str, list[int], NDArray[np.float32] | None]:
    """A node's first parameter with two axes or more, as small images float32 (D, C, kh, kw), its name and its shape.

    Rows of a layer that reads the pixels are images of the input's shape; of what is very large the first ones only.
    """
    for name in node.inputs:
        if graph.nodes[name].kind == "parameter" and len(graph.nodes[name].shape) > 1:
            shape = list(graph.nodes[name].shape)
            image = graph.nodes[graph.inputs[0]]
            pixels = image.shape[1:] if "float" in image.dtype else (0,)  # words are no pixels
            return name, shape, as_images(tensors[name], tuple(pixels))
    return "", [], None


def as_images(weight: Tensor, pixels: tuple[int, ...]) -> NDArray[np.float32]:
    """A weight (D, ...) as images float32 (D, C, kh, kw), the first ones where it is very large."""
    D = len(weight)
    found = weight.detach().float().cpu().contiguous()
    if found.dim() == 2:
        found = found.reshape(D, *pixels) if found.shape[1] == math.prod(pixels) else found[:, None, None, :]
    elif found.dim() != 4:
        found = found.reshape(D, found.shape[1], 1, -1)
    each = math.prod(found.shape[2:])
    C = max(1, min(found.shape[1], _MOST_FILTER_NUMBERS // (each * min(D, 512))))
    C = found.shape[1] if found.shape[1] <= 3 else C
    D = max(1, min(D, _MOST_FILTER_NUMBERS // (each * C)))
    return found[:D, :C].contiguous().numpy()

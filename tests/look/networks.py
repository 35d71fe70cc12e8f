"""Small networks with every op in odd settings, and a check of every number in them against torch."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from convoscope.graph.build import build
from convoscope.look.capture import capture
from convoscope.look.derive import derive
from convoscope.look.seen import Seen

# CONVOSCOPE_UNITS=200 is the full check; the default keeps the run short.
UNITS = int(os.environ.get("CONVOSCOPE_UNITS", "6"))
BOUND = {torch.float32: 1e-5, torch.float64: 1e-12}
Mode = Literal["eval", "train"]


@dataclass
class Case:
    """One network, its input and its loss."""

    model: nn.Module
    x: Tensor
    loss: Callable[[Any, Tensor], Tensor]
    target: Tensor
    mode: Mode = "eval"


@dataclass
class Tally:
    """What a check found."""

    tried: int = 0
    wrong: list[str] = field(default_factory=list)
    worst: float = 0.0
    unruled: set[str] = field(default_factory=set)


class Fn(nn.Module):
    """A function of a tensor as a module."""

    def __init__(self, function: Callable[..., Any], **parameters: Tensor) -> None:
        super().__init__()
        self.function = function
        for name, value in parameters.items():
            self.register_parameter(name, nn.Parameter(value))

    def forward(self, x: Tensor) -> Any:
        return self.function(x, *self.parameters())


def square(y: Tensor, target: Tensor) -> Tensor:
    """A loss that gives every output its own slope."""
    return ((y - target) ** 2).mean() + 0.5 * y.sum()


def seen_of(case: Case, dtype: torch.dtype) -> Seen:
    """One pass of a case, in float32 as built or in float64."""
    torch.manual_seed(1)
    graph = build(case.model, case.x, case.mode, loss=case.loss, target=case.target)
    return capture(graph, case.model, case.x, case.target, dtype=None if dtype is torch.float32 else dtype, seed=3)


def check(seen: Seen, dtype: torch.dtype, units: int = UNITS, seed: int = 0) -> Tally:
    """Opens random units of every node, forward and backward, and holds each against what was recorded."""
    tally = Tally()
    for node in seen.graph.nodes.values():
        if node.dtype == "tuple":
            continue
        value = seen.value(node.name)
        shape = tuple(value.shape)
        random = np.random.default_rng(zlib.crc32(node.name.encode()) + seed)
        size = int(value.numel())
        flats = np.arange(size) if size <= units else random.choice(size, units, replace=False)
        for flat in flats:
            at = tuple(int(i) for i in np.unravel_index(int(flat), shape)) if shape else ()
            if node.kind == "op":
                _hold(tally, seen, node.name, at, "forward", dtype)
            if seen.gradient(node.name) is not None:
                _hold(tally, seen, node.name, at, "backward", dtype)
    return tally


def _hold(tally: Tally, seen: Seen, name: str, at: tuple[int, ...], direction: Any, dtype: torch.dtype) -> None:
    why = derive(seen, name, at, direction)
    if why.expression is None:
        tally.unruled.add(f"{name} ({seen.graph.nodes[name].op}) {direction}: {why.note}")
        return
    tally.tried += 1
    gap = why.gap
    assert gap is not None
    if gap == 0:
        return
    share = gap / why.scale if why.scale > 0 else float("inf")
    # Denormal numbers have fewer digits: what is below the smallest normal number is no gap.
    if gap < float(torch.finfo(dtype).tiny):
        return
    tally.worst = max(tally.worst, share)
    if not share <= BOUND[dtype]:
        tally.wrong.append(
            f"{direction} {why.title}: computed {why.computed!r}, recorded {why.recorded!r}, scale {why.scale!r}"
        )

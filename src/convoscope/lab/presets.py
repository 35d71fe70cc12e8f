"""Recipes with a name: knobs that were found together and belong together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from convoscope.registry import Registry
from convoscope.train.calibrate import has_bfloat16

_SHARDS = 4  # each has norms of its own, which need some hundred images; halves of a batch are slower, for their memory


@dataclass(frozen=True)
class Preset:
    """A named recipe.

    Attributes:
        description: What it is for, in one sentence.
        knobs: The knobs it sets, `model` and `model_options` among them; what the user gives goes before them.
        by_machine: More of them, as they suit the machine: (the knobs given) -> knobs.
    """

    description: str
    knobs: Mapping[str, Any]
    by_machine: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda _: {}

    def filled(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The knobs given, over the preset's own."""
        options = given.get("model_options") or {}
        filled = {**self.knobs, **self.by_machine(given), **given}
        if isinstance(options, Mapping) and filled.get("model") == self.knobs.get("model"):
            filled["model_options"] = {**self.knobs.get("model_options", {}), **options}
        return filled


PRESETS: Registry[Preset] = Registry("recipe")


def _layout(given: Mapping[str, Any]) -> dict[str, Any]:
    """How the arithmetic of a convolutional network is laid out, where that need not be measured.

    On CPUs shards are shared out among the cores: faster than threads that meet after each layer, and hardly slowed by
    neighbours. Plans never choose so for a network with batch norms, which then take the figures of their own shard:
    that is another arithmetic. A recipe that is found with it trains as well (Hoffer et al. 2017, ghost batch norm),
    and to the same bits on any number of cores.
    """
    device = given.get("device", "auto")
    on_gpu = device in {"cuda", "auto"} and torch.cuda.is_available()
    on_cpu = device == "cpu" or (device == "auto" and not on_gpu and not torch.backends.mps.is_available())
    layout: dict[str, Any] = {"memory_format": "channels-last"} if on_cpu or on_gpu else {}
    if (on_cpu and has_bfloat16()) or (on_gpu and torch.cuda.is_bf16_supported()):
        layout["precision"] = "bfloat16"
    if on_cpu and "threads" not in given:
        layout["shards"] = _SHARDS
    return layout


PRESETS.add(
    "speed",
    Preset(
        description="CIFAR-10 to 94 % in the fewest seconds: every training image is learnt from, none held out.",
        knobs={
            "data": "cifar10",
            "model": "airbench",
            "validation": 0.0,
            "epochs": 10,
            "flip": True,
            "alternate": True,
            "grow": 0.625,
            "grow_until": 0.625,
            "tta": "mirror-shift",
            "suspects": False,
        },
        by_machine=_layout,
    ),
)

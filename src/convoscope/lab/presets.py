"""Recipes with a name: knobs that were found together and belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convoscope.registry import Registry


@dataclass(frozen=True)
class Preset:
    """A named recipe.

    Attributes:
        description: What it is for, in one sentence.
        knobs: The knobs it sets, `model` and `model_options` among them; what the user gives goes before them.
    """

    description: str
    knobs: Mapping[str, Any]


PRESETS: Registry[Preset] = Registry("recipe")

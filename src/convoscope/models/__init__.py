"""What learns: one architecture a file, named in one registry."""

from __future__ import annotations

from convoscope.models import lenet5, linear, mlp
from convoscope.models.registry import MODELS, Architecture, Shape, build, options_from_text
from convoscope.models.table import LayerRow, layer_table

__all__ = [
    "MODELS",
    "Architecture",
    "LayerRow",
    "Shape",
    "build",
    "layer_table",
    "lenet5",
    "linear",
    "mlp",
    "options_from_text",
]
